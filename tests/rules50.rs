//! The shared 50 rules hit what their abstract syntax says, on every one of the 1,000 payments.

#[path = "../benches/support/rules50.rs"]
mod rules50;

use tollgate::{Facts, RuleIndex};

#[test]
fn hits_are_those_of_the_abstract_syntax() {
    let Some(work) = rules50::load() else {
        eprintln!("SKIPPED: ../shared/data/perf is not here, so the shared rules were not compared");
        return;
    };
    let index = RuleIndex::new(&work.tests.iter().collect::<Vec<_>>());
    let facts: Vec<Facts<'_>> = work.payments.iter().map(|payment| Facts::new(payment, &[])).collect();
    let mut by_column = vec![Vec::new(); facts.len()];
    index.matches_all(&facts, |row, rule| by_column[row].push(rule));
    let mut hits = 0;
    for (row, facts) in facts.iter().enumerate() {
        let expected: Vec<usize> =
            (0..work.asts.len()).filter(|r| rules50::holds(&work.asts[*r], &work.json[row])).collect();
        let mut one_by_one = Vec::new();
        index.matches(*facts, |rule| one_by_one.push(rule));
        for found in [&mut one_by_one, &mut by_column[row]] {
            found.sort_unstable();
            found.dedup();
            assert_eq!(*found, expected, "payment {row}");
        }
        let by_tree: Vec<usize> =
            (0..work.tests.len()).filter(|r| work.tests[*r].holds(*facts) == Some(true)).collect();
        assert_eq!(by_tree, expected, "payment {row}");
        hits += expected.len();
    }
    assert_eq!(work.asts.len(), 50);
    assert!(hits > 1000, "{hits} hits");
}
