//! Which of many conditions hold? An index that asks each distinct question once.
//!
//! Every condition is brought into disjunctive normal form; a *clause* is one conjunction of
//! literals, a *question* one thing that literals ask about: a number, a bool field, the symbol of a
//! text field, two symbols, or any other condition by its truth. For each question, the answers a
//! payment can give fall into few *classes* (the intervals between a number's cut points, the symbols
//! that are named and all others, absent), and for each class a mask says which clauses can still
//! hold. The clauses that hold are the AND of one mask a question: a bitmap index, as in packet
//! classification. Questions about leaves are asked of every payment, a few of them behind one table;
//! the dearer ones only for clauses still alive.
//!
//! Three-valued logic stays exact: a literal wants its atom *true* or *false*, and no class of an
//! absent value gives either, so an unknown atom kills the clauses that ask for it, negated or not.

mod build;
mod columns;
mod cuts;
mod joined;
mod number;
mod question;
mod symbols;

pub use columns::RuleColumns;

use crate::expr::{Facts, Test};
use columns::{NUMBERS_AHEAD, Read};
use joined::Group;
use question::Question;

/// Rows that are taken through one question after the other.
const BLOCK_ROWS: usize = 128;

/// Many conditions, asked together. Public for the benchmarks.
#[derive(Debug)]
pub struct RuleIndex {
    /// Words of clauses, one of [`WORDS`].
    words: usize,
    /// What every payment is asked.
    always: Vec<Group>,
    /// What is asked only for clauses still alive.
    seldom: Vec<Asked>,
    /// Where the mask of the clauses with anything of that kind begins.
    doubtful: usize,
    /// Tables of masks, `words` words a class.
    masks: Vec<u64>,
    /// All clauses there are.
    all: Vec<u64>,
    /// The rule of each clause.
    rules: Vec<u32>,
    leaves: columns::Leaves,
}

/// Sizes that the loops are compiled for.
const WORDS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

#[derive(Debug)]
struct Asked {
    question: Question,
    /// Where its masks begin, in words.
    table: usize,
    /// Where the mask of the clauses that ask it begins.
    uses: usize,
}

macro_rules! by_words {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self.words {
            1 => $self.$method::<1>($($argument),*),
            2 => $self.$method::<2>($($argument),*),
            4 => $self.$method::<4>($($argument),*),
            8 => $self.$method::<8>($($argument),*),
            16 => $self.$method::<16>($($argument),*),
            32 => $self.$method::<32>($($argument),*),
            _ => $self.$method::<64>($($argument),*),
        }
    };
}

impl RuleIndex {
    /// An index of these conditions, by their order.
    pub fn new(tests: &[&Test]) -> RuleIndex {
        build::build(tests)
    }

    /// Calls `found` with every rule whose condition is true; a rule may be named more than once.
    pub fn matches(&self, facts: Facts<'_>, mut found: impl FnMut(usize)) {
        by_words!(self.one(facts, &mut found));
    }

    fn one<const W: usize>(&self, facts: Facts<'_>, found: &mut impl FnMut(usize)) {
        let mut alive = mask::<W>(&self.all, 0);
        let mut room = [f64::NAN; NUMBERS_AHEAD];
        let read = self.leaves.read_ahead(facts, &mut room);
        for group in &self.always {
            and(&mut alive, &mask(&self.masks, group.table + group.class(&read) * W));
        }
        if meets(&alive, &mask(&self.masks, self.doubtful)) {
            self.seldom.iter().for_each(|asked| self.settle_doubt(asked, &read, &mut alive));
        }
        self.report(&alive, found);
    }

    /// Asks one of the dearer questions, where a clause that has it is alive.
    #[inline]
    fn settle_doubt<const W: usize>(&self, asked: &Asked, read: &Read<'_>, alive: &mut [u64; W]) {
        if meets(alive, &mask(&self.masks, asked.uses)) {
            and(alive, &mask(&self.masks, asked.table + asked.question.class(read) * W));
        }
    }

    /// The same for many payments, column by column. `found` is called with row and rule, rows in
    /// ascending order.
    pub fn matches_all(&self, facts: &[Facts<'_>], mut found: impl FnMut(usize, usize)) {
        let mut columns = RuleColumns::default();
        for (i, block) in facts.chunks(BLOCK_ROWS).enumerate() {
            columns.fill(self, block);
            self.matches_columns(&columns, block, |row, rule| found(i * BLOCK_ROWS + row, rule));
        }
    }

    /// The same where the columns are at hand; `facts` are their rows.
    pub fn matches_columns(
        &self,
        columns: &RuleColumns,
        facts: &[Facts<'_>],
        mut found: impl FnMut(usize, usize),
    ) {
        by_words!(self.many(columns, facts, &mut found));
    }

    fn many<const W: usize>(
        &self,
        columns: &RuleColumns,
        facts: &[Facts<'_>],
        found: &mut impl FnMut(usize, usize),
    ) {
        let all = mask::<W>(&self.all, 0);
        let mut alive = [[0; W]; BLOCK_ROWS];
        let mut classes = [0u32; BLOCK_ROWS];
        for (block, facts) in facts.chunks(BLOCK_ROWS).enumerate() {
            let rows = block * BLOCK_ROWS..block * BLOCK_ROWS + facts.len();
            let (alive, classes) = (&mut alive[..facts.len()], &mut classes[..facts.len()]);
            alive.fill(all);
            for group in &self.always {
                group.classes(columns, &rows, classes);
                self.narrow(alive, classes, group.table);
            }
            for asked in &self.seldom {
                if asked.question.classes(columns, &rows, classes) {
                    self.narrow(alive, classes, asked.table);
                    continue;
                }
                let uses = mask(&self.masks, asked.uses);
                for (alive, facts) in alive.iter_mut().zip(facts) {
                    if meets(alive, &uses) {
                        let class = asked.question.class(&self.leaves.read(*facts));
                        and(alive, &mask(&self.masks, asked.table + class * W));
                    }
                }
            }
            for (row, alive) in alive.iter().enumerate() {
                if alive.iter().any(|word| *word != 0) {
                    self.report(alive, &mut |rule| found(block * BLOCK_ROWS + row, rule));
                }
            }
        }
    }

    /// Leaves in each row the clauses that its class lets live.
    #[inline]
    fn narrow<const W: usize>(&self, alive: &mut [[u64; W]], classes: &[u32], table: usize) {
        let table = self.masks.get(table..).unwrap_or_default();
        for (alive, class) in alive.iter_mut().zip(classes) {
            and(alive, &mask(table, *class as usize * W));
        }
    }

    fn report<const W: usize>(&self, alive: &[u64; W], found: &mut impl FnMut(usize)) {
        for (i, &word) in alive.iter().enumerate() {
            let mut word = word;
            while word != 0 {
                found(self.rules[i * 64 + word.trailing_zeros() as usize] as usize);
                word &= word - 1;
            }
        }
    }
}

/// `W` words from `at`. Tables are built with `W` words a class; an index past them would be a bug
/// of `build`, and matches nothing.
#[inline]
fn mask<const W: usize>(words: &[u64], at: usize) -> [u64; W] {
    words.get(at..at + W).and_then(|w| w.try_into().ok()).unwrap_or([0; W])
}

#[inline]
fn and<const W: usize>(alive: &mut [u64; W], mask: &[u64; W]) {
    for (alive, mask) in alive.iter_mut().zip(mask) {
        *alive &= mask;
    }
}

#[inline]
fn meets<const W: usize>(alive: &[u64; W], mask: &[u64; W]) -> bool {
    alive.iter().zip(mask).fold(0, |any, (a, m)| any | (a & m)) != 0
}
