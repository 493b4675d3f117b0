//! How much of the margin is each input's, over all orders of asking? (Lundberg 2018, algorithm 2.)

use super::forest::Forest;

/// One input met on the way down.
#[derive(Clone, Copy)]
struct Step {
    /// `None` for the root's own step.
    input: Option<u16>,
    /// Share of the covers that goes this way when the input isn't known.
    unknown: f64,
    /// 1 if the row goes this way, else 0.
    known: f64,
    /// Weight of the subsets of this size.
    weight: f64,
}

/// The mean of a node's leaves by cover.
pub(super) fn expected(forest: &Forest, at: u32) -> f64 {
    let left = forest.nodes[at as usize].left(at);
    if left == at {
        return forest.values[at as usize];
    }
    let share = left_share(forest, left);
    share * expected(forest, left) + (1.0 - share) * expected(forest, left + 1)
}

/// Adds a tree's Shapley values, times `scale`, to `out`.
pub(super) fn add(forest: &Forest, row: &[f32], root: u32, scale: f64, out: &mut [f64]) {
    let start = Step { input: None, unknown: 1.0, known: 1.0, weight: 0.0 };
    descend(forest, row, root, &[], start, scale, out);
}

/// Covers of zero tell nothing: both ways are then alike.
fn left_share(forest: &Forest, left: u32) -> f64 {
    let (l, r) = (forest.covers[left as usize], forest.covers[left as usize + 1]);
    if l + r > 0.0 { l / (l + r) } else { 0.5 }
}

fn descend(forest: &Forest, row: &[f32], at: u32, path: &[Step], step: Step, scale: f64, out: &mut [f64]) {
    let mut path = extended(path, step);
    let node = forest.nodes[at as usize];
    let left = node.left(at);
    if left == at {
        for i in 1..path.len() {
            let weight = unwound_sum(&path, i);
            let Some(input) = path[i].input else { continue };
            let part = weight * (path[i].known - path[i].unknown) * forest.values[at as usize];
            out[usize::from(input)] += scale * part;
        }
        return;
    }
    let (mut unknown, mut known) = (1.0, 1.0);
    if let Some(i) = path.iter().position(|s| s.input == Some(node.input() as u16)) {
        (unknown, known) = (path[i].unknown, path[i].known);
        unwind(&mut path, i);
    }
    let hot = forest.step(row, at);
    let share = left_share(forest, left);
    for (child, share) in [(left, share), (left + 1, 1.0 - share)] {
        let known = if child == hot { known } else { 0.0 };
        let (input, unknown) = (Some(node.input() as u16), unknown * share);
        if known == 0.0 && unknown == 0.0 {
            continue;
        }
        descend(forest, row, child, &path, Step { input, unknown, known, weight: 0.0 }, scale, out);
    }
}

fn extended(path: &[Step], step: Step) -> Vec<Step> {
    let l = path.len();
    let mut path = path.to_vec();
    path.push(Step { weight: if l == 0 { 1.0 } else { 0.0 }, ..step });
    for i in (0..l).rev() {
        path[i + 1].weight += step.known * path[i].weight * (i + 1) as f64 / (l + 1) as f64;
        path[i].weight *= step.unknown * (l - i) as f64 / (l + 1) as f64;
    }
    path
}

fn unwind(path: &mut Vec<Step>, at: usize) {
    let last = path.len() - 1;
    let Step { known, unknown, .. } = path[at];
    let mut next = path[last].weight;
    for i in (0..last).rev() {
        if known != 0.0 {
            let held = path[i].weight;
            path[i].weight = next * (last + 1) as f64 / ((i + 1) as f64 * known);
            next = held - path[i].weight * unknown * (last - i) as f64 / (last + 1) as f64;
        } else {
            path[i].weight *= (last + 1) as f64 / (unknown * (last - i) as f64);
        }
    }
    for i in at..last {
        let Step { input, unknown, known, .. } = path[i + 1];
        path[i] = Step { input, unknown, known, weight: path[i].weight };
    }
    path.pop();
}

/// The weights' sum, were step `at` unwound.
fn unwound_sum(path: &[Step], at: usize) -> f64 {
    let mut path = path.to_vec();
    unwind(&mut path, at);
    path.iter().map(|step| step.weight).sum()
}
