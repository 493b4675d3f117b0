//! A node in eight bytes: what a walk down a tree reads at each step.

/// Bits of how far behind its parent a left child stands.
const BEHIND_BITS: u32 = 18;
/// Bits of an input's number.
const INPUT_BITS: u32 = 10;
/// Most nodes of one tree: then no child is farther behind than can be said.
pub(super) const TREE_NODES_MAX: usize = 1 << BEHIND_BITS;

const _: () = assert!(super::MODEL_INPUTS_MAX <= 1 << INPUT_BITS);

/// Mark: the left child is a leaf.
pub(super) const LEFT_LEAF: u32 = 1;
/// Mark: the right child is a leaf.
pub(super) const RIGHT_LEAF: u32 = 2;
/// Mark: an absent input goes left.
pub(super) const MISSING_LEFT: u32 = 4;
/// Mark: left goes what is above the threshold and in a set.
pub(super) const BY_SET: u32 = 8;
const MARK_BITS: u32 = 4;

/// A node of the flattened form. Siblings are neighbours; a leaf leads to itself, so that trees of unequal
/// depth can be walked in step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat {
    /// `x <= threshold` goes left. Infinite for a leaf.
    threshold: f32,
    /// From the highest bit: how far behind the left child stands, the input, the marks.
    word: u32,
}

const _: () = assert!(size_of::<Flat>() == 8);

impl Flat {
    /// A leaf: whatever comes stays.
    pub(super) const LEAF: Flat = Flat { threshold: f32::INFINITY, word: MISSING_LEFT | LEFT_LEAF };

    /// A split whose left child stands `behind` places behind it, below [`TREE_NODES_MAX`].
    pub(super) fn split(threshold: f32, input: u16, behind: u32, marks: u32) -> Flat {
        Flat { threshold, word: behind << (INPUT_BITS + MARK_BITS) | u32::from(input) << MARK_BITS | marks }
    }

    /// `x <= threshold` goes left.
    pub(super) fn threshold(self) -> f32 {
        self.threshold
    }

    #[inline(always)]
    pub(super) fn input(self) -> usize {
        (self.word >> MARK_BITS & ((1 << INPUT_BITS) - 1)) as usize
    }

    #[inline(always)]
    pub(super) fn marks(self) -> u32 {
        self.word & ((1 << MARK_BITS) - 1)
    }

    /// The left child of this node at `at`; the right one is the next. A leaf's is the leaf itself.
    #[inline(always)]
    pub(super) fn left(self, at: u32) -> u32 {
        at + (self.word >> (INPUT_BITS + MARK_BITS))
    }

    /// Whether the threshold sends `x` left, which may be absent where `ABSENT` says so.
    #[inline(always)]
    pub(super) fn goes_left<const ABSENT: bool>(self, x: f32) -> bool {
        (x <= self.threshold) | (ABSENT && x.is_nan() & (self.word & MISSING_LEFT != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let (behind, input) = (TREE_NODES_MAX as u32 - 1, (1 << INPUT_BITS) - 1);
        let node = Flat::split(1.5, input, behind, RIGHT_LEAF | BY_SET);
        assert_eq!((node.left(7), node.input()), (7 + behind, usize::from(input)));
        assert_eq!(node.marks(), RIGHT_LEAF | BY_SET);
        assert!(
            node.goes_left::<false>(1.5) && !node.goes_left::<true>(1.6) && !node.goes_left::<true>(f32::NAN)
        );
        assert!(Flat::split(0.0, 0, 1, MISSING_LEFT).goes_left::<true>(f32::NAN));
        assert_eq!(Flat::LEAF.left(9), 9);
        assert!([f32::NAN, f32::INFINITY, -1.0].into_iter().all(|x| Flat::LEAF.goes_left::<true>(x)));
    }
}
