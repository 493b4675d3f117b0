//! How is a number worked out fast? Leaves and flat programs over them, one row or a column.

use std::ops::Range;

use crate::expr::ir::{Arith, Num};
use crate::rules::index::BLOCK_ROWS;
use crate::rules::index::columns::{Leaves, Read, RuleColumns};

/// Numbers that a program may have under way.
const STACK_MAX: usize = 8;

/// Where a number comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// A field or an aggregate, by its index among the leaves.
    Leaf(usize),
    /// Arithmetic on leaves, last operand first out.
    Program(Box<[Step]>),
    /// Anything else, as the tree it is.
    Tree(Num),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Leaf(usize),
    Const(f64),
    Apply(Arith),
}

impl Source {
    pub(super) fn new(number: &Num, leaves: &mut Leaves) -> Source {
        if let Some(leaf) = leaves.number(number) {
            return Source::Leaf(leaf);
        }
        let mut steps = Vec::new();
        match flatten(number, leaves, &mut steps, 0) {
            Some(()) => Source::Program(steps.into()),
            None => Source::Tree(number.clone()),
        }
    }

    #[inline]
    pub(super) fn value(&self, read: &Read<'_>) -> f64 {
        match self {
            Source::Leaf(leaf) => read.number(*leaf),
            Source::Program(steps) => {
                let mut stack = [f64::NAN; STACK_MAX];
                let mut top = 0;
                for step in steps {
                    match *step {
                        Step::Leaf(leaf) => {
                            stack[top % STACK_MAX] = read.number(leaf);
                            top += 1;
                        }
                        Step::Const(n) => {
                            stack[top % STACK_MAX] = n;
                            top += 1;
                        }
                        Step::Apply(op) => {
                            top -= 1;
                            let right = stack[top % STACK_MAX];
                            let left = &mut stack[(top - 1) % STACK_MAX];
                            *left = op.apply(*left, right);
                        }
                    }
                }
                stack[0]
            }
            Source::Tree(number) => number.value(read.facts.row()),
        }
    }

    /// The same for some rows of the columns; false when it has to be asked row by row.
    pub(super) fn values(&self, columns: &RuleColumns, rows: &Range<usize>, out: &mut [f64]) -> bool {
        let steps = match self {
            Source::Leaf(leaf) => {
                out.copy_from_slice(&columns.number(*leaf)[rows.clone()]);
                return true;
            }
            Source::Program(steps) => steps,
            Source::Tree(_) => return false,
        };
        let mut stack = [[f64::NAN; BLOCK_ROWS]; STACK_MAX];
        let mut top = 0;
        for step in steps {
            match *step {
                Step::Leaf(leaf) => {
                    stack[top % STACK_MAX][..out.len()].copy_from_slice(&columns.number(leaf)[rows.clone()]);
                    top += 1;
                }
                Step::Const(n) => {
                    stack[top % STACK_MAX][..out.len()].fill(n);
                    top += 1;
                }
                Step::Apply(op) => {
                    top -= 1;
                    let (below, above) = stack.split_at_mut(top % STACK_MAX);
                    let left = &mut below[(top - 1) % STACK_MAX][..out.len()];
                    let pairs = left.iter_mut().zip(&above[0][..out.len()]);
                    // The operator outside the loop, so that each is one the processor does for
                    // several rows at a time.
                    match op {
                        Arith::Add => pairs.for_each(|(l, r)| *l = Arith::Add.apply(*l, *r)),
                        Arith::Sub => pairs.for_each(|(l, r)| *l = Arith::Sub.apply(*l, *r)),
                        Arith::Mul => pairs.for_each(|(l, r)| *l = Arith::Mul.apply(*l, *r)),
                        Arith::Div => pairs.for_each(|(l, r)| *l = Arith::Div.apply(*l, *r)),
                    }
                }
            }
        }
        out.copy_from_slice(&stack[0][..out.len()]);
        true
    }
}

/// The steps of a tree of arithmetic on leaves and constants; `None` where it has anything else or
/// needs more room than there is.
fn flatten(number: &Num, leaves: &mut Leaves, steps: &mut Vec<Step>, depth: usize) -> Option<()> {
    if depth >= STACK_MAX {
        return None;
    }
    match number {
        Num::Const(n) => steps.push(Step::Const(*n)),
        Num::Arith { op, left, right } => {
            flatten(left, leaves, steps, depth)?;
            flatten(right, leaves, steps, depth + 1)?;
            steps.push(Step::Apply(*op));
        }
        other => steps.push(Step::Leaf(leaves.number(other)?)),
    }
    Some(())
}
