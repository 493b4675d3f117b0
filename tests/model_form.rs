//! The model form against a dumber walk, a count over all coalitions, and hostile files.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tollgate::{
    Artifact, Branch, Calibration, Combine, Form, Input, MODEL_BYTES_MAX, MODEL_INPUTS_MAX, MODEL_TREES_MAX,
    Node, Sample, TrainingCard, Tree, Trees, Width,
};

const INPUTS: usize = 6;

/// Grows a tree by splitting a leaf drawn at random until it has so many leaves.
fn grow(random: &mut SmallRng, inputs: usize, leaves: usize, sets: bool) -> Tree {
    let mut nodes = vec![leaf(random)];
    while nodes.len() < 2 * leaves - 1 {
        let open: Vec<usize> = (0..nodes.len()).filter(|n| matches!(nodes[*n], Node::Leaf { .. })).collect();
        let at = open[random.random_range(0..open.len())];
        let branch = match random.random_range(0..5) {
            0 if sets && random.random_bool(0.5) => {
                Branch::Among((0..4).filter(|_| random.random_bool(0.5)).collect())
            }
            0 if sets => Branch::In((0..4).filter(|_| random.random_bool(0.5)).collect()),
            1 => Branch::Below(f64::from(random.random_range(-2..3))),
            _ => Branch::AtMost(random.random_range(-2.0..2.0)),
        };
        let (left, right) = (nodes.len() as u32, nodes.len() as u32 + 1);
        nodes[at] = Node::Split {
            input: random.random_range(0..inputs) as u16,
            branch,
            missing_left: random.random_bool(0.5),
            left,
            right,
            cover: 0.0,
            value: 0.0,
        };
        nodes.extend([leaf(random), leaf(random)]);
    }
    settle(&mut nodes);
    Tree { nodes }
}

fn leaf(random: &mut SmallRng) -> Node {
    Node::Leaf { value: random.random_range(0.0..1.0), cover: f64::from(random.random_range(1..50)) }
}

/// Gives every split the cover and mean of its leaves.
fn settle(nodes: &mut [Node]) {
    for n in (0..nodes.len()).rev() {
        let Node::Split { left, right, .. } = nodes[n] else { continue };
        let ((l, lc), (r, rc)) = (told(&nodes[left as usize]), told(&nodes[right as usize]));
        let Node::Split { cover, value, .. } = &mut nodes[n] else { continue };
        (*cover, *value) = (lc + rc, (l * lc + r * rc) / (lc + rc));
    }
}

fn told(node: &Node) -> (f64, f64) {
    let (Node::Leaf { value, cover } | Node::Split { value, cover, .. }) = node;
    (*value, *cover)
}

fn goes_left(branch: &Branch, missing_left: bool, x: f32) -> bool {
    match branch {
        _ if x.is_nan() => missing_left,
        Branch::AtMost(t) => f64::from(x) <= *t,
        Branch::Below(t) => f64::from(x) < *t,
        Branch::In(set) => set.iter().any(|s| f64::from(*s) == f64::from(x.trunc())),
        Branch::Among(set) => x >= 0.0 && set.iter().any(|s| f64::from(*s) == f64::from(x.trunc())),
    }
}

/// What the tree answers when only the inputs in `known` are: else both ways, by cover.
fn answer(tree: &Tree, at: usize, row: &[f32], known: u32) -> f64 {
    match &tree.nodes[at] {
        Node::Leaf { value, .. } => *value,
        Node::Split { input, branch, missing_left, left, right, .. } => {
            let (left, right) = (*left as usize, *right as usize);
            if known >> input & 1 == 1 {
                let left_goes = goes_left(branch, *missing_left, row[usize::from(*input)]);
                return answer(tree, if left_goes { left } else { right }, row, known);
            }
            let (l, r) = (told(&tree.nodes[left]).1, told(&tree.nodes[right]).1);
            (l * answer(tree, left, row, known) + r * answer(tree, right, row, known)) / (l + r)
        }
    }
}

/// Shapley's own formula, over all coalitions.
fn coalitions(tree: &Tree, row: &[f32]) -> Vec<f64> {
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    (0..INPUTS)
        .map(|input| {
            (0..1_u32 << INPUTS)
                .filter(|known| known >> input & 1 == 0)
                .map(|known| {
                    let size = known.count_ones() as usize;
                    let weight = factorial(size) * factorial(INPUTS - size - 1) / factorial(INPUTS);
                    weight * (answer(tree, 0, row, known | 1 << input) - answer(tree, 0, row, known))
                })
                .sum()
        })
        .collect()
}

fn artifact(trees: Trees, inputs: usize) -> Artifact {
    let input = |i| Input {
        name: format!("i{i}"),
        expression: "amount".into(),
        reason: String::new(),
        zero_is_absent: false,
    };
    Artifact {
        format: 1,
        name: "test".into(),
        inputs: (0..inputs).map(input).collect(),
        form: Form::Trees(trees),
        calibration: Some(Calibration::Platt { slope: 1.0, intercept: 0.0 }),
        card: TrainingCard::default(),
        samples: Vec::new(),
    }
}

fn row(random: &mut SmallRng, inputs: usize) -> Vec<f32> {
    let cell = |_| match random.random_range(0..8) {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => random.random_range(-2_i8..4).into(),
        _ => random.random_range(-2.0..2.0),
    };
    (0..inputs).map(cell).collect()
}

fn combines() -> [Combine; 3] {
    [Combine::LogOdds { base: -0.75 }, Combine::Mean, Combine::Isolation { samples: 256 }]
}

/// Grows a small ensemble and some rows from a seed.
fn work(seed: u64, combine: Combine, width: Width, sets: bool) -> (Trees, Vec<Vec<f32>>) {
    let mut random = SmallRng::seed_from_u64(seed);
    let count = random.random_range(1..40);
    let trees = (0..count)
        .map(|_| {
            let leaves = random.random_range(1..40);
            grow(&mut random, INPUTS, leaves, sets)
        })
        .collect();
    let rows = (0..21).map(|_| row(&mut random, INPUTS)).collect();
    (Trees { width, combine, trees }, rows)
}

proptest! {
    #[test]
    fn sums_as_a_walk_in_the_order_of_the_trees(seed: u64, narrow: bool, sets: bool) {
        let width = if narrow { Width::F32 } else { Width::F64 };
        let (trees, rows) = work(seed, Combine::LogOdds { base: -0.3 }, width, sets);
        let model = artifact(trees.clone(), INPUTS).compile().unwrap();
        for row in &rows {
            let all = (1 << INPUTS) - 1;
            let leaves = trees.trees.iter().map(|tree| answer(tree, 0, row, all));
            let expected = match width {
                Width::F32 => f64::from(leaves.fold(-0.3_f32, |sum, x| sum + x as f32)),
                Width::F64 => leaves.fold(-0.3, |sum, x| sum + x),
            };
            prop_assert_eq!(model.margin(row).to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn many_rows_give_what_each_gives_alone(seed: u64, narrow: bool, sets: bool) {
        let width = if narrow { Width::F32 } else { Width::F64 };
        for combine in combines() {
            let (trees, rows) = work(seed, combine, width, sets);
            let model = artifact(trees, INPUTS).compile().unwrap();
            let mut out = vec![0.0; rows.len()];
            model.margins(&rows.concat(), &mut out);
            for (row, margin) in rows.iter().zip(out) {
                prop_assert_eq!(model.margin(row).to_bits(), margin.to_bits());
            }
        }
    }

    #[test]
    fn shares_and_rest_sum_to_the_margin(seed: u64, narrow: bool) {
        // A narrow sum is rounded at every tree, the shares are not.
        let (width, near) = if narrow { (Width::F32, 1e-4) } else { (Width::F64, 1e-9) };
        for combine in combines() {
            let (trees, rows) = work(seed, combine, width, true);
            let model = artifact(trees, INPUTS).compile().unwrap();
            for row in &rows[..4] {
                for exact in [false, true] {
                    let mut out = [0.0; INPUTS];
                    let rest = if exact { model.shapley(row, &mut out) } else { model.contributions(row, &mut out) };
                    let sum = rest + out.iter().sum::<f64>();
                    prop_assert!((sum - model.margin(row)).abs() < near, "{sum} and {}", model.margin(row));
                }
            }
        }
    }

    #[test]
    fn shapley_values_are_those_over_all_coalitions(seed: u64, leaves in 1_usize..12) {
        let mut random = SmallRng::seed_from_u64(seed);
        let trees: Vec<Tree> = (0..3).map(|_| grow(&mut random, INPUTS, leaves, true)).collect();
        let row = row(&mut random, INPUTS);
        let form = Trees { width: Width::F64, combine: Combine::LogOdds { base: 0.5 }, trees: trees.clone() };
        let mut out = [0.0; INPUTS];
        let rest = artifact(form, INPUTS).compile().unwrap().shapley(&row, &mut out);
        let expected: f64 = trees.iter().map(|tree| answer(tree, 0, &row, 0)).sum::<f64>() + 0.5;
        prop_assert!((rest - expected).abs() < 1e-9);
        let each: Vec<Vec<f64>> = trees.iter().map(|tree| coalitions(tree, &row)).collect();
        for (input, value) in out.iter().enumerate() {
            let expected: f64 = each.iter().map(|tree| tree[input]).sum();
            prop_assert!((value - expected).abs() < 1e-9, "input {input}: {value} and {expected}");
        }
    }

    #[test]
    fn a_mutant_is_refused_or_finite(
        seed in 0_u64..50,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..5),
    ) {
        let combine = combines()[(seed % 3) as usize];
        let (trees, rows) = work(seed, combine, Width::F32, true);
        let mut good = artifact(trees, INPUTS);
        if seed % 2 == 0 {
            let margin = good.compile().unwrap().margin(&rows[0]);
            let row = rows[0].iter().map(|x| x.is_finite().then_some(*x)).collect();
            if rows[0].iter().all(|x| !x.is_infinite()) {
                good.samples.push(Sample { row, margin });
            }
        }
        let mut bytes = serde_json::to_vec(&good).unwrap();
        prop_assert!(Artifact::read(&bytes).unwrap().compile().is_ok());
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] = b'0' + byte % 10,
                2 => bytes.insert(at, b"0123456789-.eE"[usize::from(byte % 14)]),
                _ => { bytes.remove(at); }
            }
        }
        tollgate::fuzzing::model(&bytes);
    }
}

#[test]
fn takes_the_most_trees_and_inputs_and_none_more() {
    let of = |trees: usize| Trees {
        width: Width::F64,
        combine: Combine::Mean,
        trees: vec![Tree { nodes: vec![Node::Leaf { value: 0.5, cover: 1.0 }] }; trees],
    };
    assert!(artifact(of(MODEL_TREES_MAX), 1).compile().is_ok());
    assert!(artifact(of(1), MODEL_INPUTS_MAX).compile().is_ok());
    let check = |trees, inputs, expected: &str| {
        let error = artifact(of(trees), inputs).compile().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(MODEL_TREES_MAX + 1, 1, "10001 trees");
    check(0, 1, "0 trees");
    check(1, MODEL_INPUTS_MAX + 1, "1025 inputs");
    check(1, 0, "0 inputs");
}

#[test]
fn a_file_is_read_to_its_limit_and_not_one_byte_past() {
    // Pages of zeros that nobody touches: the length alone is looked at past the limit.
    let most = usize::try_from(MODEL_BYTES_MAX).unwrap();
    let bytes = vec![0; most + 1];
    let wrong = |bytes| Artifact::read(bytes).unwrap_err().to_string();
    assert!(wrong(&bytes[..most]).starts_with("no model"));
    assert!(wrong(&bytes).contains("at most 1073741824 bytes"));
}

#[test]
fn refuses_a_calibration_that_falls_or_has_holes() {
    let check = |calibration: Calibration, expected: &str| {
        let trees = work(1, Combine::Mean, Width::F64, false).0;
        let model = Artifact { calibration: Some(calibration), ..artifact(trees, INPUTS) };
        let error = model.compile().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let isotonic =
        |m: &[f64], p: &[f64]| Calibration::Isotonic { margins: m.into(), probabilities: p.into() };
    check(Calibration::Platt { slope: -1.0, intercept: 0.0 }, "slope -1");
    check(Calibration::Platt { slope: 1.0, intercept: f64::NAN }, "intercept NaN");
    check(isotonic(&[], &[]), "one probability for each margin");
    check(isotonic(&[0.0], &[0.1, 0.2]), "one probability for each margin");
    check(isotonic(&[1.0, 0.0], &[0.1, 0.2]), "rise");
    check(isotonic(&[0.0, 0.0], &[0.1, 0.2]), "rise");
    check(isotonic(&[-1e308, 1e308], &[0.1, 0.2]), "rise");
    check(isotonic(&[0.0, 1.0], &[0.2, 0.1]), "never fall");
    check(isotonic(&[0.0], &[1.5]), "0 to 1");
}

#[test]
fn refuses_sums_that_could_leave_the_numbers() {
    let leaf = |value| Tree { nodes: vec![Node::Leaf { value, cover: 1.0 }] };
    let check = |combine, value, expected: &str| {
        let form = Trees { width: Width::F32, combine, trees: vec![leaf(value); 2] };
        let error = artifact(form, 1).compile().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(Combine::LogOdds { base: 0.0 }, 6e29, "tree 1: the leaves up to here");
    check(Combine::LogOdds { base: f64::MAX }, 0.0, "tree 0: the leaves up to here");
    check(Combine::Isolation { samples: 256 }, -1.0, "tree 0: a path length below 0");
}

#[test]
fn a_saved_model_is_read_back_to_the_last_bit_and_no_half_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let (trees, _) = work(7, Combine::Mean, Width::F64, true);
    let model = artifact(trees, INPUTS);
    model.save(&path).unwrap();
    model.save(&path).unwrap();
    assert_eq!(Artifact::open(&path).unwrap(), model);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(model.save(&folder.path().join("none/model.json")).is_err());
}
