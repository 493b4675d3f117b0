use proptest::prelude::*;

use super::*;
use crate::model::check::{MODEL_DEPTH_MAX, MODEL_TREE_NODES_MAX};

fn split(input: u16, branch: Branch, left: u32, right: u32) -> Node {
    Node::Split { input, branch, missing_left: input == 0, left, right, cover: 4.0, value: 0.0 }
}

fn leaf(value: f64) -> Node {
    Node::Leaf { value, cover: 2.0 }
}

/// Asks node by node, in the source's own terms.
fn naive(tree: &Tree, row: &[f32]) -> f64 {
    let mut at = 0;
    loop {
        match &tree.nodes[at] {
            Node::Leaf { value, .. } => return *value,
            Node::Split { input, branch, missing_left, left, right, .. } => {
                let x = row[usize::from(*input)];
                let goes = match branch {
                    _ if x.is_nan() => *missing_left,
                    Branch::AtMost(t) => f64::from(x) <= *t,
                    Branch::Below(t) => f64::from(x) < *t,
                    Branch::In(set) => set.iter().any(|s| f64::from(*s) == f64::from(x.trunc())),
                    Branch::Among(set) => {
                        set.iter().any(|s| x >= 0.0 && f64::from(*s) == f64::from(x.trunc()))
                    }
                };
                at = if goes { *left } else { *right } as usize;
            }
        }
    }
}

fn branch() -> impl Strategy<Value = Branch> {
    prop_oneof![
        (-2.0..2.0).prop_map(Branch::AtMost),
        (-2.0..2.0).prop_map(Branch::Below),
        (-4_i32..4).prop_map(|t| Branch::Below(f64::from(t))),
        prop::collection::vec(0_u32..4, 1..3).prop_map(Branch::In),
        prop::collection::vec(0_u32..4, 1..3).prop_map(Branch::Among),
    ]
}

/// A chain whose split `i` ends left in a leaf, or goes on to the right.
fn tree() -> impl Strategy<Value = Tree> {
    prop::collection::vec((0_u16..3, branch(), -1.0..1.0_f64), 0..9).prop_map(|splits| {
        let mut nodes = Vec::new();
        for (input, branch, value) in splits {
            let at = nodes.len() as u32;
            nodes.push(split(input, branch, at + 1, at + 2));
            nodes.push(leaf(value));
        }
        nodes.push(leaf(0.25));
        Tree { nodes }
    })
}

fn cell() -> impl Strategy<Value = f32> {
    prop_oneof![Just(f32::NAN), -2.0..2.0_f32, (-4_i32..4).prop_map(|x| x as f32)]
}

proptest! {
    #[test]
    fn answers_as_a_walk_node_by_node_does(
        trees in prop::collection::vec(tree(), 1..20),
        row in prop::collection::vec(cell(), 3),
    ) {
        let expected: f64 = trees.iter().map(|tree| naive(tree, &row)).fold(0.5, |sum, x| sum + x);
        let trees = Trees { width: Width::F64, combine: Combine::LogOdds { base: 0.5 }, trees };
        let forest = Forest::new(&trees, 3).unwrap();
        prop_assert_eq!(forest.margin(&row).to_bits(), expected.to_bits());
        for exact in [false, true] {
            let mut out = [0.0; 3];
            let rest =
                if exact { forest.shapley(&row, &mut out) } else { forest.contributions(&row, &mut out) };
            prop_assert!((rest + out.iter().sum::<f64>() - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn a_trail_gives_the_same_shares_to_the_bit_by_lanes_and_by_a_walk(
        trees in prop::collection::vec(tree(), 1..20),
        rows in prop::collection::vec(prop::collection::vec(cell(), 3), 1..5),
    ) {
        let trees = Trees { width: Width::F64, combine: Combine::LogOdds { base: 0.5 }, trees };
        let mut forest = Forest::new(&trees, 3).unwrap();
        let mut seen = Vec::new();
        for by_lanes in [true, false] {
            // Sets are never asked by lanes.
            let lanes = Lanes::plain(&forest.nodes, &forest.roots, 3).filter(|_| by_lanes);
            prop_assert_eq!(lanes.is_some(), by_lanes && forest.sets.is_empty());
            forest.widen(lanes);
            for row in &rows {
                let (mut trail, mut along, mut anew) = (Vec::new(), [0.0; 3], [0.0; 3]);
                let margin = forest.margin_and_trail(row, &mut trail);
                prop_assert_eq!(margin.to_bits(), forest.margin(row).to_bits());
                prop_assert_eq!(trail.len(), forest.roots.len());
                let rest = forest.contributions_along(row, &trail, &mut along);
                prop_assert_eq!(rest, forest.contributions(row, &mut anew));
                prop_assert_eq!(along, anew);
                seen.push(along);
            }
        }
        prop_assert_eq!(&seen[..rows.len()], &seen[rows.len()..]);
    }

    #[test]
    fn a_trail_of_another_model_is_no_harm(trail in prop::collection::vec(any::<u32>(), 1..3)) {
        let forest = Forest::new(&chain(2), 1).unwrap();
        forest.contributions_along(&[0.0], &trail, &mut [0.0]);
    }

    #[test]
    fn a_rounded_threshold_decides_as_the_wide_one(t in -1e3..1e3_f64, x in -1e3..1e3_f32) {
        for x in [x, t as f32, (t as f32).next_up(), (t as f32).next_down()] {
            prop_assert_eq!(x <= at_most(t), f64::from(x) <= t);
            prop_assert_eq!(x <= below(t), f64::from(x) < t);
        }
    }
}

fn chain(splits: usize) -> Trees {
    let mut nodes = Vec::new();
    for _ in 0..splits {
        let at = nodes.len() as u32;
        nodes.push(split(0, Branch::AtMost(0.0), at + 1, at + 2));
        nodes.push(leaf(0.0));
    }
    nodes.push(leaf(1.0));
    Trees { width: Width::F32, combine: Combine::Mean, trees: vec![Tree { nodes }] }
}

#[test]
fn takes_the_deepest_tree_and_none_deeper() {
    assert!(Forest::new(&chain(MODEL_DEPTH_MAX), 1).is_ok());
    let error = Forest::new(&chain(MODEL_DEPTH_MAX + 1), 1).unwrap_err();
    assert!(error.to_string().contains("deeper than 256"), "{error}");
}

/// Every node that has room below the limit is a split.
fn bush(nodes: usize) -> Trees {
    let node = |at: usize| match 2 * at + 2 < nodes {
        true => split(0, Branch::AtMost(at as f64), 2 * at as u32 + 1, 2 * at as u32 + 2),
        false => leaf(0.0),
    };
    Trees { trees: vec![Tree { nodes: (0..nodes).map(node).collect() }], ..chain(0) }
}

#[test]
fn takes_the_largest_tree_and_none_larger() {
    assert!(Forest::new(&bush(MODEL_TREE_NODES_MAX - 1), 1).is_ok());
    let error = Forest::new(&bush(MODEL_TREE_NODES_MAX + 1), 1).unwrap_err();
    assert!(error.to_string().contains("262145 nodes"), "{error}");
}

#[test]
fn refuses_what_is_no_tree() {
    let check = |nodes: Vec<Node>, expected: &str| {
        let trees = Trees { trees: vec![Tree { nodes }], ..chain(0) };
        let error = Forest::new(&trees, 1).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let at = |left, right| split(0, Branch::AtMost(0.0), left, right);
    check(vec![], "0 nodes");
    check(vec![at(0, 1), leaf(0.0)], "isn't behind it");
    check(vec![at(1, 1), leaf(0.0)], "another parent");
    check(vec![leaf(0.0), leaf(0.0)], "no node before it");
    check(vec![leaf(f64::NAN)], "out of range");
    check(vec![split(1, Branch::AtMost(0.0), 1, 2), leaf(0.0), leaf(0.0)], "input 1");
    check(vec![split(0, Branch::Below(f64::INFINITY), 1, 2), leaf(0.0), leaf(0.0)], "no finite");
}
