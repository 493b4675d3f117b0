//! What each input counted for on the way to a leaf, worked out once for all leaves.

use super::forest::Forest;

/// Shares that lie side by side; most ways ask about no more inputs.
const FOUR: usize = 4;
/// Most fours of a forest: with more, ways are walked when somebody asks.
const FOURS_MAX: usize = 1 << 21;

/// The shares of all leaves, by leaf.
#[derive(Debug)]
pub(super) struct Paths {
    fours: Vec<Four>,
    /// Where each leaf's begin, and where the last one's end.
    starts: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Four {
    shares: [f64; FOUR],
    inputs: [u16; FOUR],
}

impl Paths {
    /// Of the leaves, tree by tree from left to right. `None` when they would take too much room.
    pub(super) fn new(forest: &Forest, leaves: &[u32]) -> Option<Paths> {
        let mut above = vec![u32::MAX; forest.nodes.len()];
        for (at, node) in (0..).zip(&forest.nodes) {
            let left = node.left(at);
            if left != at {
                above[left as usize] = at;
                above[left as usize + 1] = at;
            }
        }
        let mut paths = Paths { fours: Vec::new(), starts: vec![0] };
        let mut shares: Vec<(u16, f64)> = Vec::new();
        for leaf in leaves {
            shares.clear();
            let mut at = *leaf as usize;
            while above[at] != u32::MAX {
                let parent = above[at] as usize;
                let (input, share) =
                    (forest.nodes[parent].input() as u16, forest.values[at] - forest.values[parent]);
                match shares.iter_mut().find(|(other, _)| *other == input) {
                    Some((_, sum)) => *sum += share,
                    None => shares.push((input, share)),
                }
                at = parent;
            }
            paths.fours.extend(shares.chunks(FOUR).map(|some| {
                // What is left of a four adds nothing to the first input.
                let mut four = Four { shares: [0.0; FOUR], inputs: [some[0].0; FOUR] };
                for (at, (input, share)) in some.iter().enumerate() {
                    (four.inputs[at], four.shares[at]) = (*input, *share);
                }
                four
            }));
            if paths.fours.len() > FOURS_MAX {
                return None;
            }
            paths.starts.push(paths.fours.len() as u32);
        }
        Some(paths)
    }

    /// Adds a leaf's shares, stretched, to those of the inputs.
    #[inline]
    pub(super) fn add(&self, leaf: usize, stretch: f64, out: &mut [f64]) {
        let fours = self.starts[leaf] as usize..self.starts[leaf + 1] as usize;
        for four in &self.fours[fours] {
            for (input, share) in four.inputs.iter().zip(four.shares) {
                out[usize::from(*input)] += stretch * share;
            }
        }
    }
}
