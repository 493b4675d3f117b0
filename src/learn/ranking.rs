//! How well does a score put frauds before the rest? The two figures of a training card.

/// Rows by falling score, in groups of equal ones: frauds and rows of each.
fn groups(scores: &[f64], labels: &[bool]) -> Vec<(f64, f64)> {
    let mut order: Vec<usize> = (0..scores.len().min(labels.len())).collect();
    order.sort_unstable_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let groups = order.chunk_by(|a, b| scores[*a] == scores[*b]);
    groups.map(|g| (g.iter().filter(|i| labels[**i]).count() as f64, g.len() as f64)).collect()
}

/// Average precision: precision at each step of recall, by its height. NaN without frauds.
pub(super) fn average_precision(scores: &[f64], labels: &[bool]) -> f64 {
    let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for (frauds, rows) in groups(scores, labels) {
        found += frauds;
        seen += rows;
        sum += frauds * found / seen;
    }
    sum / found
}

/// The chance that a fraud scores above a good payment, ties counting half. NaN without either.
pub(super) fn roc_auc(scores: &[f64], labels: &[bool]) -> f64 {
    let (mut found, mut goods, mut sum) = (0.0, 0.0, 0.0);
    for (frauds, rows) in groups(scores, labels) {
        sum += (rows - frauds) * (found + frauds / 2.0);
        found += frauds;
        goods += rows - frauds;
    }
    sum / (found * goods)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pairs_counted_one_by_one_give_the_area(rows in prop::collection::vec((0u8..6, any::<bool>()), 2..40)) {
            let scores: Vec<f64> = rows.iter().map(|r| f64::from(r.0)).collect();
            let labels: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for (a, _) in rows.iter().filter(|r| r.1) {
                for (b, _) in rows.iter().filter(|r| !r.1) {
                    pairs += 1.0;
                    won += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            prop_assume!(pairs > 0.0);
            prop_assert!((roc_auc(&scores, &labels) - won / pairs).abs() < 1e-12);
        }

        #[test]
        fn precision_at_each_threshold_gives_the_average(rows in prop::collection::vec((0u8..6, any::<bool>()), 1..40)) {
            let scores: Vec<f64> = rows.iter().map(|r| f64::from(r.0)).collect();
            let labels: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let frauds = labels.iter().filter(|l| **l).count() as f64;
            prop_assume!(frauds > 0.0);
            let (mut sum, mut recall_before) = (0.0, 0.0);
            for threshold in (0..6).rev() {
                let taken: Vec<_> = rows.iter().filter(|r| r.0 >= threshold).collect();
                let right = taken.iter().filter(|r| r.1).count() as f64;
                if taken.is_empty() { continue }
                sum += (right / frauds - recall_before) * right / taken.len() as f64;
                recall_before = right / frauds;
            }
            prop_assert!((average_precision(&scores, &labels) - sum).abs() < 1e-12);
        }
    }
}
