//! Which questions does one boosted tree ask? Exact splits, level by level.

use rayon::prelude::*;

use crate::learn::matrix::Matrix;
use crate::learn::means::fill_means;
use crate::model::{Branch, Node, Tree};

use super::sorted::Column;

/// First and second derivatives of the loss, of one row or summed. (Chen and Guestrin 2016, section 2.2.)
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Slope {
    pub(super) gradient: f64,
    pub(super) hessian: f64,
}

impl Slope {
    fn plus(self, other: Slope) -> Slope {
        Slope { gradient: self.gradient + other.gradient, hessian: self.hessian + other.hessian }
    }

    fn minus(self, other: Slope) -> Slope {
        Slope { gradient: self.gradient - other.gradient, hessian: self.hessian - other.hessian }
    }
}

/// What a tree is grown by.
pub(super) struct Growth<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) columns: &'a [Column],
    /// The inputs this tree may ask about.
    pub(super) inputs: &'a [usize],
    pub(super) depth: u8,
    pub(super) rate: f64,
    pub(super) l2: f64,
    pub(super) child_weight_min: f64,
    pub(super) gain_min: f64,
}

/// A row while its tree grows.
#[derive(Clone, Copy)]
struct Row {
    gradient: f32,
    hessian: f32,
    /// Which open node of the level it is in, or [`CLOSED`].
    slot: u32,
}

/// The slot of a row that has reached its leaf.
const CLOSED: u32 = u32::MAX;

/// A node that may still be split.
struct Open {
    node: usize,
    total: Slope,
    rows: u64,
}

/// A question found, and how much it lowers the loss.
#[derive(Debug, Clone, Copy)]
struct Split {
    gain: f64,
    input: usize,
    /// Rows on both sides of the threshold; the same row twice when all that is present goes left.
    between: [u32; 2],
    missing_left: bool,
}

/// Rows that are moved to their children together.
const ROWS_PER_TASK: usize = 16 * 1024;

impl Growth<'_> {
    /// Grows a tree on the slopes, a row's gradient and hessian each; tells each row's leaf value.
    pub(super) fn grow(&self, slopes: &[[f32; 2]], values: &mut [f64]) -> Tree {
        let mut rows: Vec<Row> = slopes
            .iter()
            .map(|[gradient, hessian]| Row { gradient: *gradient, hessian: *hessian, slot: 0 })
            .collect();
        let mut total = Slope::default();
        slopes.iter().for_each(|[g, h]| {
            total = total.plus(Slope { gradient: f64::from(*g), hessian: f64::from(*h) });
        });
        let mut tree = Tree { nodes: vec![self.leaf(total, rows.len() as u64)] };
        let mut level = vec![Open { node: 0, total, rows: rows.len() as u64 }];
        for _ in 0..self.depth {
            let splits = self.best_splits(&rows, &level);
            // For each open node: its split with the number its left child has in the next level.
            let mut next = 0;
            let moves: Vec<Option<(Move, u32)>> = splits
                .iter()
                .map(|split| {
                    split.map(|split| {
                        let at = next;
                        next += 2;
                        (self.question(&split), at)
                    })
                })
                .collect();
            let children = self.descend(&mut rows, &moves, next as usize, &tree, &level, values);
            let mut opened = Vec::with_capacity(children.len());
            for (open, (split, motion)) in level.iter().zip(splits.iter().zip(&moves)) {
                let (Some(split), Some((question, slot))) = (split, motion) else { continue };
                let left = tree.nodes.len();
                for child in &children[*slot as usize..*slot as usize + 2] {
                    let node = tree.nodes.len();
                    tree.nodes.push(self.leaf(child.0, child.1));
                    opened.push(Open { node, total: child.0, rows: child.1 });
                }
                tree.nodes[open.node] = Node::Split {
                    input: split.input as u16,
                    branch: Branch::AtMost(f64::from(question.threshold)),
                    missing_left: question.missing_left,
                    left: left as u32,
                    right: left as u32 + 1,
                    cover: open.rows as f64,
                    value: 0.0,
                };
            }
            level = opened;
            if level.is_empty() {
                break;
            }
        }
        for (row, value) in rows.iter().zip(values) {
            if let Some(open) = level.get(row.slot as usize) {
                *value = leaf_value(&tree.nodes[open.node]);
            }
        }
        fill_means(&mut tree);
        tree
    }

    fn leaf(&self, total: Slope, rows: u64) -> Node {
        let value = -self.rate * total.gradient / (total.hessian + self.l2);
        Node::Leaf { value: if value.is_finite() { value } else { 0.0 }, cover: rows as f64 }
    }

    /// The best split of each open node; of equal ones that of the first input.
    fn best_splits(&self, rows: &[Row], level: &[Open]) -> Vec<Option<Split>> {
        let found: Vec<Vec<Option<Split>>> =
            self.inputs.par_iter().map(|input| self.scan(*input, rows, level)).collect();
        (0..level.len())
            .map(|slot| {
                let mut best: Option<Split> = None;
                for split in found.iter().filter_map(|of_input| of_input[slot]) {
                    if best.is_none_or(|b| split.gain > b.gain) {
                        best = Some(split);
                    }
                }
                best
            })
            .collect()
    }

    /// The best split of each open node by one input.
    fn scan(&self, input: usize, rows: &[Row], level: &[Open]) -> Vec<Option<Split>> {
        let column = &self.columns[input];
        let mut absent = vec![(Slope::default(), false); level.len()];
        for row in &column.absent {
            let row = rows[*row as usize];
            if let Some((sum, any)) = absent.get_mut(row.slot as usize) {
                sum.gradient += f64::from(row.gradient);
                sum.hessian += f64::from(row.hessian);
                *any = true;
            }
        }
        let mut scans: Vec<Scan> = level
            .iter()
            .zip(&absent)
            .map(|(open, (absent, any))| Scan::new(self, open.total, any.then_some(*absent)))
            .collect();
        let mut value = 0;
        for (row, new_value) in column.entries() {
            value += u32::from(new_value);
            let Row { gradient, hessian, slot } = rows[row];
            let Some(scan) = scans.get_mut(slot as usize) else { continue };
            if scan.value != value {
                if scan.value != 0 {
                    scan.consider(self, row as u32);
                }
                scan.value = value;
            }
            scan.left.gradient += f64::from(gradient);
            scan.left.hessian += f64::from(hessian);
            scan.last = row as u32;
        }
        scans
            .into_iter()
            .map(|mut scan| {
                if scan.absent.is_some() && scan.value != 0 {
                    scan.consider(self, scan.last);
                }
                (scan.gain > self.gain_min).then_some(Split {
                    gain: scan.gain,
                    input,
                    between: scan.between,
                    missing_left: scan.missing_left,
                })
            })
            .collect()
    }

    fn question(&self, split: &Split) -> Move {
        let [low, high] = split.between.map(|row| self.matrix.at(row as usize, split.input));
        Move { input: split.input, threshold: between(low, high), missing_left: split.missing_left }
    }

    /// Moves every row to its child, or closes it with its leaf's value. Gives the sums of the children.
    fn descend(
        &self,
        rows: &mut [Row],
        moves: &[Option<(Move, u32)>],
        children: usize,
        tree: &Tree,
        level: &[Open],
        values: &mut [f64],
    ) -> Vec<(Slope, u64)> {
        let tasks = rows.par_chunks_mut(ROWS_PER_TASK).zip(values.par_chunks_mut(ROWS_PER_TASK)).enumerate();
        let sums: Vec<Vec<(Slope, u64)>> = tasks
            .map(|(task, (rows, values))| {
                let mut sums = vec![(Slope::default(), 0); children];
                for (i, (row, value)) in rows.iter_mut().zip(values).enumerate() {
                    let Some(motion) = moves.get(row.slot as usize) else { continue };
                    match motion {
                        Some((question, slot)) => {
                            let x = self.matrix.at(task * ROWS_PER_TASK + i, question.input);
                            row.slot = slot + u32::from(!question.goes_left(x));
                            let (sum, count) = &mut sums[row.slot as usize];
                            sum.gradient += f64::from(row.gradient);
                            sum.hessian += f64::from(row.hessian);
                            *count += 1;
                        }
                        None => {
                            *value = leaf_value(&tree.nodes[level[row.slot as usize].node]);
                            row.slot = CLOSED;
                        }
                    }
                }
                sums
            })
            .collect();
        // Summed in the order of the tasks, so that the threads' number changes nothing.
        let mut total = vec![(Slope::default(), 0); children];
        for task in sums {
            for ((sum, count), (more, rows)) in total.iter_mut().zip(task) {
                *sum = sum.plus(more);
                *count += rows;
            }
        }
        total
    }
}

fn leaf_value(node: &Node) -> f64 {
    match node {
        Node::Leaf { value, .. } | Node::Split { value, .. } => *value,
    }
}

/// A split as a row is asked.
struct Move {
    input: usize,
    threshold: f32,
    missing_left: bool,
}

impl Move {
    fn goes_left(&self, x: f32) -> bool {
        if x.is_nan() { self.missing_left } else { x <= self.threshold }
    }
}

/// The middle of two values, never the greater one, so that `x <= middle` parts them.
fn between(low: f32, high: f32) -> f32 {
    let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
    if middle < high { middle.max(low) } else { low }
}

/// What has been seen of one open node while a column goes by.
struct Scan {
    total: Slope,
    /// What is absent, when anything is.
    absent: Option<Slope>,
    /// What went by so far.
    left: Slope,
    /// Number of the value that went by last; 0 before the first.
    value: u32,
    /// The row that went by last.
    last: u32,
    /// What the loss is lowered by without a split.
    unsplit: f64,
    gain: f64,
    between: [u32; 2],
    missing_left: bool,
}

impl Scan {
    fn new(growth: &Growth<'_>, total: Slope, absent: Option<Slope>) -> Scan {
        Scan {
            total,
            absent,
            left: Slope::default(),
            value: 0,
            last: 0,
            unsplit: lowered(total, growth.l2),
            gain: f64::NEG_INFINITY,
            between: [0; 2],
            missing_left: false,
        }
    }

    /// Takes the split between what went by and `row` if it is the best so far.
    #[inline]
    fn consider(&mut self, growth: &Growth<'_>, row: u32) {
        let (left, right) = (self.left, self.total.minus(self.left));
        match self.absent {
            // Nothing absent was seen here: it will go where most rows go.
            None => self.offer(growth, left, right, left.hessian >= right.hessian, row),
            Some(absent) => {
                self.offer(growth, left, right, false, row);
                self.offer(growth, left.plus(absent), right.minus(absent), true, row);
            }
        }
    }

    #[inline]
    fn offer(&mut self, growth: &Growth<'_>, left: Slope, right: Slope, missing_left: bool, row: u32) {
        if left.hessian < growth.child_weight_min || right.hessian < growth.child_weight_min {
            return;
        }
        let gain = lowered(left, growth.l2) + lowered(right, growth.l2) - self.unsplit;
        if gain > self.gain {
            (self.gain, self.between, self.missing_left) = (gain, [self.last, row], missing_left);
        }
    }
}

/// Twice what the best leaf of these rows lowers the loss by.
#[inline]
fn lowered(sum: Slope, l2: f64) -> f64 {
    sum.gradient * sum.gradient / (sum.hessian + l2)
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn a_threshold_parts_neighbours_even_where_no_number_lies_between() {
        assert_eq!(between(1.0, 2.0), 1.5);
        let one_up = f32::from_bits(1.0f32.to_bits() + 1);
        assert_eq!(between(1.0, one_up), 1.0);
        assert_eq!(between(-f32::MAX, f32::MAX), 0.0);
        assert_eq!(between(3.0, 3.0), 3.0);
    }
}
