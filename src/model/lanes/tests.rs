use proptest::prelude::*;

use super::*;
use crate::model::flat::MISSING_LEFT;

/// A tree as a split or a leaf, children behind their parent, side by side.
type Plain = Vec<Option<(u16, f32, bool, u32)>>;

/// Splits the leaf that each draw picks.
fn grow(draws: &[(usize, u16, f32, bool)]) -> Plain {
    let mut tree: Plain = vec![None];
    let mut open = vec![0];
    for (pick, input, threshold, missing_left) in draws {
        let at: usize = open.remove(pick % open.len());
        let left = tree.len();
        tree[at] = Some((*input, *threshold, *missing_left, left as u32));
        tree.extend([None, None]);
        open.extend([left, left + 1]);
    }
    tree
}

fn flatten(trees: &[Plain]) -> (Vec<Flat>, Vec<u32>) {
    let (mut nodes, mut roots) = (Vec::new(), Vec::new());
    for tree in trees {
        roots.push(nodes.len() as u32);
        nodes.extend((0_u32..).zip(tree).map(|(at, node)| match node {
            None => Flat::LEAF,
            Some((input, threshold, missing_left, left)) => {
                Flat::split(*threshold, *input, left - at, if *missing_left { MISSING_LEFT } else { 0 })
            }
        }));
    }
    (nodes, roots)
}

fn walk(tree: &Plain, row: &[f32]) -> u32 {
    let mut at = 0;
    while let Some((input, threshold, missing_left, left)) = tree[at as usize] {
        let x = row[usize::from(input)];
        let goes_left = if x.is_nan() { missing_left } else { x <= threshold };
        at = if goes_left { left } else { left + 1 };
    }
    at
}

/// Every kernel that runs here reaches the leaves that a walk reaches, one row and many.
fn agrees(trees: &[Plain], rows: &[Vec<f32>], inputs: usize) {
    let (nodes, roots) = flatten(trees);
    for kernel in Kernel::here() {
        let lanes = Lanes::with(kernel, &nodes, &roots, inputs).expect("within the limits");
        let mut many = vec![Vec::new(); rows.len()];
        lanes.each_of(&rows.concat(), inputs, |first, leaves| {
            many[first..].iter_mut().zip(leaves).for_each(|(many, leaf)| many.push(*leaf));
        });
        for (row, many) in rows.iter().zip(&many) {
            let expected: Vec<u32> =
                trees.iter().zip(&roots).map(|(tree, root)| root + walk(tree, row)).collect();
            let node = |leaf: &u32| lanes.leaves[*leaf as usize];
            let mut one = Vec::new();
            lanes.each(row, |leaves| one.extend(leaves.iter().map(node)));
            assert_eq!(one, expected, "{kernel:?}, {row:?}");
            assert_eq!(many.iter().map(node).collect::<Vec<_>>(), expected, "{kernel:?}, {row:?}");
        }
    }
}

fn cell() -> impl Strategy<Value = f32> {
    let special = prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0]);
    prop_oneof![special, -2.0..2.0_f32, (-8_i32..8).prop_map(|x| x as f32 / 4.0)]
}

fn threshold() -> impl Strategy<Value = f32> {
    let special = prop::sample::select(vec![f32::INFINITY, f32::MAX, f32::MIN, 0.0, -0.0]);
    prop_oneof![1 => special, 4 => -2.0..2.0_f32, 4 => (-8_i32..8).prop_map(|x| x as f32 / 4.0)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_leaves_are_those_of_a_walk(
        trees in prop::collection::vec(
            prop::collection::vec((any::<usize>(), 0_u16..3, threshold(), any::<bool>()), 0..90),
            1..90,
        ),
        rows in prop::collection::vec(prop::collection::vec(cell(), 3), 1..9),
    ) {
        agrees(&trees.iter().map(|draws| grow(draws)).collect::<Vec<_>>(), &rows, 3);
    }
}

/// A tree of one input, breadth first.
fn wide(splits: usize, input: u16, cut: impl Fn(usize) -> f32) -> Plain {
    grow(&(0..splits).map(|i| (0, input, cut(i), true)).collect::<Vec<_>>())
}

#[test]
fn a_tree_may_have_as_many_leaves_as_all_lanes_have_bits_and_no_more() {
    let splits = TREE_LEAVES_MAX as usize - 1;
    let whole = grow(&vec![(0, 0, 0.5, true); splits]);
    agrees(&[whole], &[vec![0.0], vec![1.0], vec![f32::NAN]], 1);
    let (nodes, roots) = flatten(&[grow(&vec![(0, 0, 0.5, true); splits + 1])]);
    assert!(Lanes::with(Kernel::Plain, &nodes, &roots, 1).is_none());
}

#[test]
fn a_row_may_have_as_many_bytes_as_a_byte_can_name_and_no_more() {
    let rows = |inputs: usize| -> Vec<Vec<f32>> {
        (0..20).map(|r| (0..inputs).map(|i| ((r * 7 + i * 3) % 11) as f32 / 10.0).collect()).collect()
    };
    for inputs in [16, 17, 64, 65, 128, 129, CODES_MAX] {
        let trees: Vec<Plain> = (0..inputs as u16)
            .map(|input| grow(&[(0, input, 0.5, false), (0, input, 0.25, false)]))
            .collect();
        agrees(&trees, &rows(inputs), inputs);
    }
    let trees: Vec<Plain> = (0..=CODES_MAX as u16).map(|input| wide(1, input, |_| 0.5)).collect();
    let (nodes, roots) = flatten(&trees);
    assert!(Lanes::with(Kernel::Plain, &nodes, &roots, CODES_MAX + 1).is_none());
}

#[test]
fn an_input_with_more_cuts_than_a_byte_counts_has_another_byte() {
    for cuts in [254, 255, 256, 510, 511] {
        let tree = wide(cuts, 0, |i| i as f32);
        let rows: Vec<Vec<f32>> =
            (0..=cuts).flat_map(|i| [i as f32 - 0.5, i as f32]).chain([f32::NAN]).map(|x| vec![x]).collect();
        rows.chunks(ROWS_MAX).for_each(|rows| agrees(std::slice::from_ref(&tree), rows, 1));
    }
}
