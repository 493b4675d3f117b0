//! Trees side by side: which leaf of each of 64 trees does a row reach, without walking down any?
//!
//! QuickScorer's idea (Lucchese 2015): a tree is a word with a bit for each leaf, leftmost first; a split
//! whose answer is "right" forbids the leaves on its left, and the lowest bit that is left is the leaf
//! reached. All splits of a tree are asked, in any order, so 64 trees are asked at once. A tree of more
//! leaves than a word has bits takes several lanes, each with the splits that forbid something in it.

mod codes;
mod kernel;

use std::ops::Range;

use super::flat::{BY_SET, Flat};
use codes::{CODES_MAX, Coder, Codes};
use kernel::LANES;
use kernel::{Block, Kernel, Leaves, Place, Slot};

/// Most trees whose leaves [`Lanes::each`] tells at a time.
pub(super) const TREES_AT_ONCE: usize = LANES;
/// Leaves of a lane.
const LEAVES: u32 = u32::BITS;
/// Most leaves of a tree: then its lanes fit side by side.
const TREE_LEAVES_MAX: u32 = LEAVES * LANES as u32;

/// Most rows that [`Lanes::each_of`] takes.
pub(super) const ROWS_MAX: usize = 64;
/// Rows that are summed side by side.
const TOGETHER: usize = 4;

/// A forest by lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    kernel: Kernel,
    coder: Coder,
    slots: Vec<Slot>,
    groups: Vec<Group>,
    places: Vec<Place>,
    /// The node of each leaf, tree by tree, from left to right.
    pub(super) leaves: Vec<u32>,
}

/// Trees whose lanes stand side by side.
#[derive(Debug)]
struct Group {
    slots: Range<usize>,
    trees: Range<usize>,
    /// Every tree has one lane.
    single: bool,
}

/// A tree by leaves.
struct Spread {
    /// Each split, and the leaves on its left.
    splits: Vec<(u32, Range<u32>)>,
    leaves: Vec<u32>,
}

impl Spread {
    fn of(nodes: &[Flat], root: u32) -> Spread {
        enum Step {
            Enter(u32),
            LeftDone(u32, u32),
        }
        let mut spread = Spread { splits: Vec::new(), leaves: Vec::new() };
        let mut steps = vec![Step::Enter(root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(at) => {
                    let left = nodes[at as usize].left(at);
                    if left == at {
                        spread.leaves.push(at);
                    } else {
                        let from = spread.leaves.len() as u32;
                        steps.extend([Step::Enter(left + 1), Step::LeftDone(at, from), Step::Enter(left)]);
                    }
                }
                Step::LeftDone(at, from) => {
                    spread.splits.push((at, from..spread.leaves.len() as u32));
                }
            }
        }
        spread
    }

    fn lanes(&self) -> usize {
        self.leaves.len().div_ceil(LEAVES as usize)
    }
}

impl Lanes {
    /// `None` for a forest that the lanes can't hold, and where walking down the trees is faster.
    pub(super) fn new(nodes: &[Flat], roots: &[u32], inputs: usize) -> Option<Lanes> {
        let kernel = Kernel::here().next()?;
        Lanes::with(kernel, nodes, roots, inputs).filter(Lanes::pay)
    }

    /// Whatever is faster, without wide instructions; `None` for a forest that the lanes can't hold.
    #[cfg(test)]
    pub(super) fn plain(nodes: &[Flat], roots: &[u32], inputs: usize) -> Option<Lanes> {
        Lanes::with(Kernel::Plain, nodes, roots, inputs)
    }

    /// Whether they are faster than a walk, as measured: by slots and by nodes visited, in nanoseconds.
    fn pay(&self) -> bool {
        let slot = match self.kernel {
            Kernel::Plain => return false,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => 4.0 + 3.5 * self.coder.len().div_ceil(16) as f64,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => 2.5,
        };
        const VISIT: f64 = 5.0;
        let ends = self.places.iter().skip(1).map(|place| place.first).chain([self.leaves.len() as u32]);
        let leaves = self.places.iter().zip(ends).map(|(place, end)| f64::from(end - place.first));
        let visits: f64 = leaves.map(|leaves| 1.0 + leaves.log2()).sum();
        self.slots.len() as f64 * slot < visits * VISIT
    }

    fn with(kernel: Kernel, nodes: &[Flat], roots: &[u32], inputs: usize) -> Option<Lanes> {
        if nodes.iter().any(|node| node.marks() & BY_SET != 0) {
            return None;
        }
        let splits = (0..).zip(nodes).filter(|(at, node)| node.left(*at) != *at).map(|(_, node)| *node);
        let coder = Coder::new(splits, inputs)?;
        let mut lanes = Lanes {
            kernel,
            coder,
            slots: Vec::new(),
            groups: Vec::new(),
            places: Vec::new(),
            leaves: Vec::new(),
        };
        let mut used = LANES;
        for root in roots {
            let spread = Spread::of(nodes, *root);
            if spread.leaves.len() > TREE_LEAVES_MAX as usize {
                return None;
            }
            if used + spread.lanes() > LANES {
                let (slots, trees) = (lanes.slots.len(), lanes.places.len());
                lanes.groups.push(Group { slots: slots..slots, trees: trees..trees, single: true });
                used = 0;
            }
            lanes.push(nodes, &spread, used)?;
            used += spread.lanes();
        }
        Some(lanes)
    }

    /// Puts a tree into the last group, from that lane on.
    fn push(&mut self, nodes: &[Flat], spread: &Spread, from: usize) -> Option<()> {
        let group = self.groups.last_mut()?;
        for lane in 0..spread.lanes() {
            let first = lane as u32 * LEAVES;
            let mut at = group.slots.start;
            for (split, left) in &spread.splits {
                let left = left.start.max(first)..left.end.min(first + LEAVES);
                if left.is_empty() {
                    continue;
                }
                if at == self.slots.len() {
                    self.slots.push(Slot::IDLE);
                }
                let forbidden = u32::MAX >> (LEAVES - (left.end - left.start)) << (left.start - first);
                let (code, cut) = self.coder.question(nodes[*split as usize])?;
                let slot = &mut self.slots[at];
                slot.codes[from + lane] = code;
                slot.cuts[from + lane] = cut;
                slot.masks[from + lane] = !forbidden;
                at += 1;
            }
        }
        group.slots.end = self.slots.len();
        group.trees.end += 1;
        group.single &= spread.lanes() == 1;
        self.places.push(Place { lane: from as u8, first: self.leaves.len() as u32 });
        self.leaves.extend(&spread.leaves);
        Some(())
    }

    /// Tells the leaves that the row reaches, by their places in `leaves`: tree after tree, some at a time.
    #[inline]
    pub(super) fn each(&self, row: &[f32], mut reached: impl FnMut(&[u32])) {
        let mut codes = [0; CODES_MAX];
        self.kernel.code(&self.coder, row, &mut codes);
        for group in &self.groups {
            let leaves = self.ask(group, &codes);
            reached(&leaves[..group.trees.len().min(LANES)]);
        }
    }

    /// As [`Lanes::each`] for some rows of `width` inputs: a tree's leaves of a few rows, with the first row's
    /// number. Group by group, so that what is read of the trees stays in the first cache.
    pub(super) fn each_of(&self, rows: &[f32], width: usize, mut reached: impl FnMut(usize, &[u32])) {
        let mut codes = [[0; CODES_MAX]; ROWS_MAX];
        let rows = rows.chunks_exact(width);
        let codes = &mut codes[..rows.len().min(ROWS_MAX)];
        rows.zip(&mut *codes).for_each(|(row, codes)| self.kernel.code(&self.coder, row, codes));
        for group in &self.groups {
            for (few, codes) in codes.chunks(TOGETHER).enumerate() {
                let mut leaves = [[0; LANES]; TOGETHER];
                leaves.iter_mut().zip(codes).for_each(|(leaves, codes)| *leaves = self.ask(group, codes));
                // Tree by tree, so that the rows' sums don't wait for one another.
                for tree in 0..group.trees.len().min(LANES) {
                    reached(few * TOGETHER, &leaves.each_ref().map(|leaves| leaves[tree])[..codes.len()]);
                }
            }
        }
    }

    #[inline(always)]
    fn ask(&self, group: &Group, codes: &Codes) -> Leaves {
        let (slots, places) = (&self.slots[group.slots.clone()], &self.places[group.trees.clone()]);
        self.kernel.ask(codes, self.coder.len(), Block { slots, places, single: group.single })
    }
}

#[cfg(test)]
mod tests;
