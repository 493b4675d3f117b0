//! What every payment is asked: numbers, symbols and flags, several of them behind one table of masks.
//!
//! The classes of a few questions are the digits of one number, and the table has the masks of every
//! such number: three questions of five classes cost one look-up in a table of 125 masks.

use std::ops::Range;

use crate::rules::index::columns::{Read, RuleColumns};
use crate::rules::index::cuts::Cuts;
use crate::rules::index::symbols::SymbolClasses;

/// Most words of one table: enough for a few questions, and few enough that all tables of some dozens
/// of rules stay in the first cache.
pub(super) const TABLE_WORDS_MAX: usize = 256;

/// A question about a leaf.
#[derive(Debug)]
pub(super) enum Ask {
    Number {
        leaf: usize,
        cuts: Cuts,
    },
    /// False, true, absent.
    Flag(usize),
    /// Named symbols from 2 on; 0 is any other, 1 absent.
    Symbol {
        leaf: usize,
        classes: SymbolClasses,
    },
}

impl Ask {
    #[inline(always)]
    fn class(&self, read: &Read<'_>) -> u32 {
        match self {
            Ask::Number { leaf, cuts } => cuts.class(read.number(*leaf)),
            Ask::Flag(leaf) => read.flag(*leaf),
            Ask::Symbol { leaf, classes } => classes.class(read.symbol(*leaf)),
        }
    }
}

/// One question of a group, and what its class counts in the group's number.
#[derive(Debug)]
pub(super) struct Digit {
    pub ask: Ask,
    pub factor: u32,
}

/// Questions that share a table.
#[derive(Debug)]
pub(super) struct Group {
    pub digits: Vec<Digit>,
    /// Where its masks begin, in words.
    pub table: usize,
}

impl Group {
    /// The row of the group's table.
    #[inline(always)]
    pub(super) fn class(&self, read: &Read<'_>) -> usize {
        self.digits.iter().map(|digit| digit.factor * digit.ask.class(read)).sum::<u32>() as usize
    }

    /// The rows of the table for some rows of the columns.
    pub(super) fn classes(&self, columns: &RuleColumns, rows: &Range<usize>, classes: &mut [u32]) {
        classes.fill(0);
        for Digit { ask, factor } in &self.digits {
            match ask {
                Ask::Number { leaf, cuts } => {
                    cuts.add_classes(&columns.number(*leaf)[rows.clone()], *factor, classes);
                }
                Ask::Flag(leaf) => {
                    let flags = &columns.flag(*leaf)[rows.clone()];
                    classes.iter_mut().zip(flags).for_each(|(c, flag)| *c += factor * flag);
                }
                Ask::Symbol { leaf, classes: table } => {
                    let symbols = &columns.symbol(*leaf)[rows.clone()];
                    classes.iter_mut().zip(symbols).for_each(|(c, s)| *c += factor * table.class(*s));
                }
            }
        }
    }
}

/// Shares questions of these numbers of classes out to groups, each of at most `most` rows, and gives
/// the members of each. A question with more classes than that stands alone.
pub(super) fn share_out(classes: &[usize], most: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(classes[*i]));
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for question in order {
        // The fullest group that has room left.
        let fitting = groups.iter_mut().filter(|(rows, _)| rows * classes[question] <= most);
        match fitting.max_by_key(|(rows, _)| *rows) {
            Some((rows, members)) => {
                *rows *= classes[question];
                members.push(question);
            }
            None => groups.push((classes[question], vec![question])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_in_one_group_and_no_group_is_too_large() {
        let classes = [5, 3, 3, 200, 7, 64, 2, 3, 5, 17, 65];
        let groups = share_out(&classes, 64);
        let mut all: Vec<usize> = groups.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..classes.len()).collect::<Vec<_>>());
        for group in &groups {
            let rows: usize = group.iter().map(|q| classes[*q]).product();
            assert!(rows <= 64 || group.len() == 1, "{group:?}");
        }
        assert!(groups.len() < classes.len());
    }
}
