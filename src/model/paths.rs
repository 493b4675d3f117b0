//! What each input counted for on the way to a leaf, worked out once for all leaves.
//!
//! Shares are whole multiples of one unit, so that their sum is the same in any order and on any processor.
//! They stay as small as they are, input and share in a word: a row reads a leaf of every tree, which is
//! more than the first cache holds, and lines with a place for every input take twice as long.

use super::MODEL_INPUTS_MAX;
use super::forest::Forest;

/// Most shares of a forest: with more, ways are walked when somebody asks.
const SHARES_MAX: usize = 1 << 23;
/// Inputs that most models don't have more of.
const FEW: usize = 64;

/// The shares of all leaves, by leaf.
#[derive(Debug)]
pub(super) struct Paths {
    shares: Vec<Share>,
    /// Where each leaf's begin, and where the last one's end.
    starts: Vec<u32>,
    /// What a share of 1 stands for.
    unit: f64,
}

/// An input in the low bits, and how many units it counts for.
#[derive(Debug, Clone, Copy)]
struct Share(i64);

impl Share {
    const INPUT_BITS: u32 = MODEL_INPUTS_MAX.ilog2();
    /// Most units of all trees together.
    const UNITS_MAX: i64 = i64::MAX >> (Share::INPUT_BITS + 1);

    fn new(input: u16, units: i64) -> Share {
        Share(units << Share::INPUT_BITS | i64::from(input))
    }

    fn input(self) -> usize {
        self.0 as usize & (MODEL_INPUTS_MAX - 1)
    }

    fn units(self) -> i64 {
        self.0 >> Share::INPUT_BITS
    }
}

impl Paths {
    /// Of the leaves, which stand tree by tree. `None` when they would take too much room.
    pub(super) fn new(forest: &Forest, leaves: &[u32]) -> Option<Paths> {
        let mut ways = Ways::new(forest);
        let unit = ways.unit(leaves);
        let mut paths = Paths { shares: Vec::new(), starts: vec![0], unit };
        for leaf in leaves {
            let units = |share: f64| if unit > 0.0 { (share / unit).round() as i64 } else { 0 };
            paths
                .shares
                .extend(ways.shares(*leaf).iter().map(|(input, share)| Share::new(*input, units(*share))));
            if paths.shares.len() > SHARES_MAX {
                return None;
            }
            paths.starts.push(paths.shares.len() as u32);
        }
        Some(paths)
    }

    /// Adds the shares of these leaves, one of each tree, stretched, to those of the inputs.
    pub(super) fn add(&self, reached: &[u32], stretch: f64, out: &mut [f64]) {
        match out.len() {
            ..=FEW => self.add_few::<FEW>(reached, stretch, out),
            _ => self.add_few::<MODEL_INPUTS_MAX>(reached, stretch, out),
        }
    }

    fn add_few<const INPUTS: usize>(&self, reached: &[u32], stretch: f64, out: &mut [f64]) {
        let mut sums = [0_i64; INPUTS];
        for leaf in reached.iter().map(|leaf| *leaf as usize) {
            // A trail of another model may name a leaf that isn't there.
            let Some([from, to]) = self.starts.get(leaf..leaf + 2) else { continue };
            for share in &self.shares[*from as usize..*to as usize] {
                // Never past the end: the unit is chosen for all trees together.
                let sum = &mut sums[share.input() % INPUTS];
                *sum = sum.wrapping_add(share.units());
            }
        }
        let by = stretch * self.unit;
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += by * sum as f64);
    }
}

/// The ways from leaves up to their roots.
struct Ways<'a> {
    forest: &'a Forest,
    above: Vec<u32>,
    shares: Vec<(u16, f64)>,
}

impl Ways<'_> {
    fn new(forest: &Forest) -> Ways<'_> {
        let mut above = vec![u32::MAX; forest.nodes.len()];
        for (at, node) in (0..).zip(&forest.nodes) {
            let left = node.left(at);
            if left != at {
                above[left as usize] = at;
                above[left as usize + 1] = at;
            }
        }
        Ways { forest, above, shares: Vec::new() }
    }

    /// By how much each input on the way changed the tree's answer.
    fn shares(&mut self, leaf: u32) -> &[(u16, f64)] {
        self.shares.clear();
        let mut at = leaf as usize;
        while self.above[at] != u32::MAX {
            let parent = self.above[at] as usize;
            let input = self.forest.nodes[parent].input() as u16;
            let share = self.forest.values[at] - self.forest.values[parent];
            match self.shares.iter_mut().find(|(other, _)| *other == input) {
                Some((_, sum)) => *sum += share,
                None => self.shares.push((input, share)),
            }
            at = parent;
        }
        &self.shares
    }

    /// The smallest unit in which the largest shares of all trees together still fit.
    fn unit(&mut self, leaves: &[u32]) -> f64 {
        let forest = self.forest;
        let roots = &forest.roots;
        let (mut most, mut tree) = (vec![0.0_f64; roots.len()], 0);
        for leaf in leaves {
            while roots.get(tree + 1).is_some_and(|next| next <= leaf) {
                tree += 1;
            }
            most[tree] = self.shares(*leaf).iter().fold(most[tree], |most, (_, share)| most.max(share.abs()));
        }
        // Each is rounded by at most half a unit.
        most.iter().sum::<f64>() / (Share::UNITS_MAX - most.len() as i64) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_and_its_share_come_out_again() {
        for units in [0, 1, -1, Share::UNITS_MAX, -Share::UNITS_MAX] {
            for input in [0, 1, MODEL_INPUTS_MAX as u16 - 1] {
                let share = Share::new(input, units);
                assert_eq!((share.input(), share.units()), (usize::from(input), units));
            }
        }
    }
}
