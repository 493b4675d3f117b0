//! Which class is this number of? The stretches between the points where some condition changes.

use crate::expr::ir::{Node, Num, Op};

/// Points up to which a number's class is found by asking all of them, without branches.
const LINEAR_CUTS_MAX: usize = 16;

/// Ascending points; class `i` is from the i-th on to before the next, class 0 below all of them, and
/// the class behind the last is that of an absent number.
#[derive(Debug)]
pub(super) struct Cuts(Box<[f64]>);

impl Cuts {
    /// The points where one of these conditions on a number may change.
    pub(super) fn new(nodes: &[&Node]) -> Cuts {
        let mut cuts: Vec<f64> = Vec::new();
        for node in nodes {
            match node {
                Node::Compare { op: Op::Lt | Op::Ge, right: Num::Const(point), .. } => cuts.push(*point),
                Node::Compare { op: Op::Le | Op::Gt, right: Num::Const(point), .. } => {
                    cuts.push(point.next_up());
                }
                Node::Compare { op: Op::Eq | Op::Ne, right: Num::Const(point), .. } => {
                    cuts.extend([*point, point.next_up()]);
                }
                Node::InNumbers { set, .. } => cuts.extend(set.iter().flat_map(|n| [*n, n.next_up()])),
                _ => {}
            }
        }
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        Cuts(cuts.into())
    }

    /// Whether numbers can be told apart by points: an infinite one has no neighbour.
    pub(super) fn can_cut(node: &Node) -> bool {
        match node {
            Node::Compare { right: Num::Const(point), .. } => point.is_finite(),
            Node::InNumbers { set, .. } => set.iter().all(|n| n.is_finite()),
            _ => false,
        }
    }

    /// How many classes there are.
    pub(super) fn classes(&self) -> usize {
        self.0.len() + 2
    }

    /// A number of the class; `None` for that of absent ones.
    fn one_of(&self, class: usize) -> Option<f64> {
        match class.checked_sub(1) {
            None => Some(self.0.first().map_or(0.0, |first| first.next_down())),
            Some(at) => self.0.get(at).copied(),
        }
    }

    /// What a condition on the number comes to for all numbers of a class.
    pub(super) fn truth(&self, node: &Node, class: usize) -> Option<bool> {
        let number = self.one_of(class)?;
        match node {
            Node::Compare { op, right: Num::Const(point), .. } => Some(op.holds(number, *point)),
            Node::InNumbers { set, .. } => Some(set.contains(&number)),
            _ => None,
        }
    }

    #[inline(always)]
    pub(super) fn class(&self, number: f64) -> u32 {
        if number.is_nan() {
            return self.0.len() as u32 + 1;
        }
        if self.0.len() <= LINEAR_CUTS_MAX {
            return self.0.iter().map(|cut| u32::from(number >= *cut)).sum();
        }
        self.0.partition_point(|cut| *cut <= number) as u32
    }

    /// Adds `factor` times its class to each number's place.
    #[inline]
    pub(super) fn add_classes(&self, numbers: &[f64], factor: u32, classes: &mut [u32]) {
        let places = || classes.len().min(numbers.len());
        if self.0.len() > LINEAR_CUTS_MAX {
            return classes.iter_mut().zip(numbers).for_each(|(c, n)| *c += factor * self.class(*n));
        }
        // Whole columns for each cut: what the processor does for several rows at a time.
        let (absent, rows) = (factor * (self.0.len() as u32 + 1), places());
        let (classes, numbers) = (&mut classes[..rows], &numbers[..rows]);
        classes.iter_mut().zip(numbers).for_each(|(c, n)| *c += if n.is_nan() { absent } else { 0 });
        for cut in &self.0 {
            classes.iter_mut().zip(numbers).for_each(|(c, n)| *c += if n >= cut { factor } else { 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_points_class_alike() {
        let points: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.5 - 3.0).collect();
        for count in [0, 1, LINEAR_CUTS_MAX, LINEAR_CUTS_MAX + 1, points.len()] {
            let cuts = Cuts(points[..count].into());
            let numbers: Vec<f64> =
                (-20..40).map(|i| f64::from(i) * 0.25).chain([f64::NAN, -0.0, 1e300]).collect();
            let mut classes = vec![5; numbers.len()];
            cuts.add_classes(&numbers, 3, &mut classes);
            for (number, class) in numbers.iter().zip(classes) {
                let below = points[..count].iter().filter(|p| *p <= number).count();
                let expected = if number.is_nan() { count + 1 } else { below };
                assert_eq!(cuts.class(*number) as usize, expected, "{number} among {count}");
                assert_eq!(class as usize, 5 + 3 * expected, "{number} among {count}");
            }
        }
    }
}
