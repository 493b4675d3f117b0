//! Learners against slow twins, and `tollgate train` from file to model.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use proptest::prelude::*;
use tollgate::batch::{self, Observer, Scored, Sink, Work};
use tollgate::{
    Artifact, BOOST_DEPTH_MAX, BOOST_TREES_MAX, Boost, Branch, Combine, Engine, Flow, Matrix, Node, Number,
    Options, Payment, Pipeline, Settlement, Status, Stopping, Timestamp, Tree, field, stage,
};

/// A boosted tree by the book: every threshold of every input at every node, sums from scratch.
fn naive_tree(
    rows: &[usize],
    x: &[Vec<f32>],
    slopes: &[(f64, f64)],
    depth: u8,
    boost: &Boost,
    out: &mut [f64],
) {
    let sum = |rows: &[usize]| rows.iter().fold((0.0, 0.0), |(g, h), r| (g + slopes[*r].0, h + slopes[*r].1));
    let score = |(g, h): (f64, f64)| g * g / (h + boost.l2);
    let total = sum(rows);
    let mut best: Option<(f64, Vec<usize>, Vec<usize>)> = None;
    if depth > 0 {
        let mut thresholds: Vec<(usize, f32)> = rows
            .iter()
            .flat_map(|r| x[*r].iter().copied().enumerate())
            .filter(|(_, t)| !t.is_nan())
            .collect();
        thresholds.sort_by_key(|(input, _)| *input);
        for (input, threshold) in thresholds {
            for absent_left in [false, true] {
                let goes_left =
                    |r: &usize| if x[*r][input].is_nan() { absent_left } else { x[*r][input] <= threshold };
                let (left, right): (Vec<usize>, Vec<usize>) = rows.iter().partition(|r| goes_left(r));
                let (l, r) = (sum(&left), sum(&right));
                if l.1 < boost.child_weight_min || r.1 < boost.child_weight_min {
                    continue;
                }
                let gain = score(l) + score(r) - score(total);
                if gain > boost.gain_min && best.as_ref().is_none_or(|b| gain > b.0 + 1e-9) {
                    best = Some((gain, left, right));
                }
            }
        }
    }
    match best {
        Some((_, left, right)) => {
            naive_tree(&left, x, slopes, depth - 1, boost, out);
            naive_tree(&right, x, slopes, depth - 1, boost, out);
        }
        None => rows.iter().for_each(|r| out[*r] = -boost.rate * total.0 / (total.1 + boost.l2)),
    }
}

fn log_loss(margins: &[f64], labels: &[bool]) -> f64 {
    let each = margins.iter().zip(labels).map(|(m, l)| (if *l { -m } else { *m }).exp().ln_1p());
    each.sum::<f64>() / labels.len() as f64
}

/// What a tree is grown for: the second-order loss that its leaves take away, their own size included.
fn gained(margins: &[f64], base: f64, slopes: &[(f64, f64)], l2: f64) -> f64 {
    let mut leaves: Vec<f64> = margins.iter().map(|m| m - base).collect();
    let rows: f64 = leaves.iter().zip(slopes).map(|(d, (g, h))| g * d + h * d * d / 2.0).sum();
    leaves.sort_by(f64::total_cmp);
    leaves.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    rows + l2 / 2.0 * leaves.iter().map(|d| d * d).sum::<f64>()
}

fn walk(tree: &Tree, row: &[f32]) -> f64 {
    let mut at = 0;
    loop {
        match &tree.nodes[at] {
            Node::Leaf { value, .. } => return *value,
            Node::Split { input, branch: Branch::AtMost(t), missing_left, left, right, .. } => {
                let x = row[usize::from(*input)];
                let goes_left = if x.is_nan() { *missing_left } else { f64::from(x) <= *t };
                at = if goes_left { *left } else { *right } as usize;
            }
            Node::Split { .. } => panic!("boosting asks `at most`"),
        }
    }
}

fn margins(boost: &Boost, matrix: &Matrix, labels: &[bool], seed: u64) -> Vec<f64> {
    let trees = boost.fit(matrix, labels, seed, None, &mut |_| true).unwrap();
    let Combine::LogOdds { base } = trees.combine else { panic!("boosting gives log-odds") };
    let row = |r: usize| base + trees.trees.iter().map(|t| walk(t, matrix.row(r))).sum::<f64>();
    (0..matrix.rows()).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    /// Ties between equally good splits may fall either way, so what was gained is compared.
    #[test]
    fn boosts_as_far_as_trying_everything_does(
        cells in prop::collection::vec((0u8..7, 0u8..5, 0u8..9, any::<bool>()), 8..60),
        depth in 1u8..4,
    ) {
        let x: Vec<Vec<f32>> = cells.iter().map(|c| vec![
            if c.0 == 0 { f32::NAN } else { f32::from(c.0) },
            f32::from(c.1) * 0.1,
            if c.2 > 6 { f32::NAN } else { f32::from(c.2) - 3.0 },
        ]).collect();
        let labels: Vec<bool> = cells.iter().map(|c| c.3).collect();
        prop_assume!(labels.iter().any(|l| *l) && labels.iter().any(|l| !*l));
        let mut matrix = Matrix::new(3).unwrap();
        x.iter().for_each(|row| matrix.push(row).unwrap());
        prop_assume!(x.iter().any(|r| r.iter().zip(&x[0]).any(|(a, b)| a.to_bits() != b.to_bits())));
        let boost = Boost { trees: 1, depth, rate: 0.3, child_weight_min: 0.3, ..Boost::default() };
        let ours = margins(&boost, &matrix, &labels, 1);

        let frauds = labels.iter().filter(|l| **l).count() as f64;
        let p = frauds / labels.len() as f64;
        let slopes: Vec<(f64, f64)> =
            labels.iter().map(|l| (p - f64::from(u8::from(*l)), p * (1.0 - p))).collect();
        let mut naive = vec![0.0; x.len()];
        naive_tree(&(0..x.len()).collect::<Vec<_>>(), &x, &slopes, depth, &boost, &mut naive);
        let base = (p / (1.0 - p)).ln();
        naive.iter_mut().for_each(|m| *m += base);
        let gained = |margins: &[f64]| gained(margins, base, &slopes, boost.l2);
        if depth == 1 {
            let (a, b) = (gained(&ours), gained(&naive));
            prop_assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
        prop_assert!(log_loss(&ours, &labels) <= log_loss(&vec![base; x.len()], &labels) + 1e-9);
        // Deeper, a greedy tie may lead elsewhere; the first question must be as good.
        let stump = Boost { depth: 1, ..boost.clone() };
        let mut first = vec![0.0; x.len()];
        naive_tree(&(0..x.len()).collect::<Vec<_>>(), &x, &slopes, 1, &stump, &mut first);
        first.iter_mut().for_each(|m| *m += base);
        let ours = margins(&stump, &matrix, &labels, 1);
        prop_assert!((gained(&ours) - gained(&first)).abs() < 1e-5);
    }
}

fn planted(rows: u32) -> (Matrix, Vec<bool>) {
    let mut matrix = Matrix::new(4).unwrap();
    let mut labels = Vec::new();
    for i in 0..rows {
        let x = (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e4;
        let y = (i.wrapping_mul(40_503) % 97) as f32;
        matrix.push(&[x, if i % 11 == 0 { f32::NAN } else { y }, 7.0, f32::NAN]).unwrap();
        labels.push((y > 80.0 && x > 400.0) || i % 61 == 0);
    }
    (matrix, labels)
}

#[test]
fn a_seed_gives_one_model_on_any_number_of_threads() {
    let (matrix, labels) = planted(40_000);
    let boost = Boost { trees: 8, rows: 0.7, inputs: 0.5, ..Boost::default() };
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| boost.fit(&matrix, &labels, seed, None, &mut |_| true)).unwrap()
    };
    assert_eq!(on(1, 4), on(3, 4));
    assert_ne!(on(1, 4), on(1, 5));
}

#[test]
fn covers_and_means_of_a_tree_agree_with_its_leaves() {
    let (matrix, labels) = planted(3_000);
    let trees = Boost { trees: 3, ..Boost::default() }.fit(&matrix, &labels, 1, None, &mut |_| true).unwrap();
    for tree in &trees.trees {
        let of = |n: u32| match tree.nodes[n as usize] {
            Node::Leaf { value, cover } | Node::Split { value, cover, .. } => (value, cover),
        };
        assert_eq!(of(0).1, 3_000.0);
        for node in &tree.nodes {
            let Node::Split { left, right, cover, value, .. } = node else { continue };
            let ((a, m), (b, n)) = (of(*left), of(*right));
            assert_eq!(m + n, *cover);
            assert!(((a * m + b * n) / cover - value).abs() < 1e-12);
        }
    }
}

#[test]
fn stops_when_later_rows_no_longer_gain_and_when_told_to() {
    let (matrix, labels) = planted(4_000);
    // Later labels that have nothing to do with the inputs: the first trees already harm.
    let noise: Vec<bool> = (0..4_000u32).map(|i| i.wrapping_mul(2_246_822_519) >> 28 == 0).collect();
    let stopping = Stopping { matrix: &matrix, labels: &noise, patience: 5 };
    let boost = Boost { trees: 500, rate: 0.3, ..Boost::default() };
    let trees = boost.fit(&matrix, &labels, 1, Some(stopping), &mut |_| true).unwrap();
    assert!(trees.trees.len() < 50, "{}", trees.trees.len());
    let stopped = boost.fit(&matrix, &labels, 1, None, &mut |trees| trees < 3).unwrap_err();
    assert!(stopped.to_string().contains("stopped"), "{stopped}");
}

#[test]
fn settings_hold_at_their_limits_and_not_one_past() {
    let (matrix, labels) = planted(300);
    let fit = |boost: Boost| boost.fit(&matrix, &labels, 1, None, &mut |_| true).map(|t| t.trees.len());
    let one = Boost { trees: 1, ..Boost::default() };
    assert_eq!(fit(Boost { depth: BOOST_DEPTH_MAX, ..one.clone() }).unwrap(), 1);
    assert_eq!(fit(Boost { trees: BOOST_TREES_MAX, depth: 1, ..one.clone() }).unwrap(), BOOST_TREES_MAX);
    for wrong in [
        Boost { trees: 0, ..one.clone() },
        Boost { trees: BOOST_TREES_MAX + 1, ..one.clone() },
        Boost { depth: 0, ..one.clone() },
        Boost { depth: BOOST_DEPTH_MAX + 1, ..one.clone() },
        Boost { rate: 0.0, ..one.clone() },
        Boost { rate: f64::NAN, ..one.clone() },
        Boost { l2: -1.0, ..one.clone() },
        Boost { rows: 1.1, ..one.clone() },
        Boost { inputs: 0.0, ..one.clone() },
        Boost { child_weight_min: 0.0, ..one.clone() },
        Boost { fraud_weight: f64::INFINITY, ..one.clone() },
    ] {
        assert!(fit(wrong.clone()).is_err(), "{wrong:?}");
    }
    let mut alike = Matrix::new(1).unwrap();
    (0..10).for_each(|_| alike.push(&[3.0]).unwrap());
    let labels: Vec<bool> = (0..10).map(|i| i == 0).collect();
    let e = one.fit(&alike, &labels, 1, None, &mut |_| true).unwrap_err();
    assert!(e.to_string().contains("same in all rows"), "{e}");
}

const INPUTS: &str = r#"
[inputs]
amount = { expression = 'amount', reason = "AMOUNT" }
card_10m = 'count(card, 10m)'
merchants_1h = 'distinct(merchant, card, 1h)'
small_share = 'amount_in("USD") / avg(amount, card, 30d)'
since = 'since(card)'
foreign = 'card_country != ip_country'
disputes = 'count(card, 30d, disputed)'
declined = 'ratio(merchant, 7d, declined)'
"#;

fn tollgate(dir: &Path, args: &[&str]) -> Output {
    Command::cargo_bin("tollgate").unwrap().current_dir(dir).args(args).output().unwrap()
}

fn history(dir: &Path, payments: &str) {
    std::fs::write(dir.join("inputs.toml"), INPUTS).unwrap();
    let done =
        tollgate(dir, &["simulate", "--payments", payments, "--fraud", "0.03", "--out", "history.csv"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn every_learner_writes_a_model_that_loads_and_says_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), "20000");
    for learner in ["boost", "forest", "logistic", "isolation"] {
        let mut args = vec!["train", "--inputs", "inputs.toml", "--learner", learner, "--out", "m.json"];
        args.extend(["--label", "fraud", "history.csv", "--json"]);
        args.extend((learner != "logistic").then_some(["--trees", "20"]).into_iter().flatten());
        let done = tollgate(dir.path(), &args);
        assert!(done.status.success(), "{learner}: {}", String::from_utf8_lossy(&done.stderr));
        let text = std::fs::read_to_string(dir.path().join("m.json")).unwrap();
        let artifact: Artifact = serde_json::from_str(&text).unwrap();
        artifact.compile().unwrap_or_else(|e| panic!("{learner}: {e}"));
        assert!(artifact.card.source.ends_with(learner), "{}", artifact.card.source);
        assert_eq!(artifact.card.rows, 20_000);
        assert_eq!(artifact.inputs[0].reason, "AMOUNT");
        assert_eq!(artifact.inputs.len(), 8);
        assert_eq!(artifact.calibration.is_some(), learner != "isolation");
        assert!(!artifact.samples.is_empty());
        let page = std::fs::read_to_string(dir.path().join("m.html")).unwrap();
        for markup in ["<script", "<img", "http:", "https:", "url("] {
            assert!(!page.contains(markup), "{learner}: {markup} is in the page");
        }
        assert!(page.contains("<h1>Training of model m</h1>") && page.contains("Importance"), "{learner}");
        for chart in ["Precision and recall", "ROC", "Calibration", "Payments by score"] {
            // An isolation forest claims no probability.
            let expected = chart != "Calibration" || learner != "isolation";
            assert_eq!(page.contains(&format!("aria-label=\"{chart}\"")), expected, "{learner}: {chart}");
        }
        let left = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name());
        assert_eq!(left.filter(|n| n.to_string_lossy().ends_with(".part")).count(), 0);
        if learner != "isolation" {
            let auc = artifact.card.metrics["later_roc_auc"];
            assert!(auc > 0.6, "{learner}: {auc}");
        }
    }
}

#[test]
fn what_cannot_be_learnt_from_is_refused_and_leaves_the_old_model() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), "3000");
    let old = dir.path().join("m.json");
    std::fs::write(&old, "the old model").unwrap();
    let schema = "[[field]]\nname = \"risky\"\nkind = \"bool\"\ncolumns = [\"fraud\"]\n";
    std::fs::write(dir.path().join("leak.toml"), schema).unwrap();
    std::fs::write(dir.path().join("hasty.toml"), "[inputs]\nx = 'count(card, 1d, disputed)'\n").unwrap();
    std::fs::write(dir.path().join("bad.toml"), "[inputs]\nx = { expression = 'amuont' }\n").unwrap();
    std::fs::write(dir.path().join("form.toml"), "[inputs]\nx = 7\n").unwrap();
    std::fs::write(dir.path().join("plain.toml"), "[inputs]\nx = 'amount'\n").unwrap();
    std::fs::write(dir.path().join("alike.toml"), "[inputs]\nx = '1 + 1'\n").unwrap();
    let now = "id,at,amount,currency,card,status\np1,2026-01-01T00:00:00Z,1.00,USD,c1,disputed\n\
               p2,2026-01-01T00:00:01Z,1.00,USD,c1,\n";
    std::fs::write(dir.path().join("now.csv"), now).unwrap();
    let base = ["train", "--out", "m.json", "--inputs"];
    for (args, expected) in [
        (&["inputs.toml", "--label", "nothing", "history.csv"][..], "no field `nothing`"),
        (&["inputs.toml", "--label", "risky", "--schema", "leak.toml", "history.csv"], "give itself away"),
        (&["inputs.toml", "--label", "campaign", "history.csv"], "is a bool or a number"),
        (&["hasty.toml", "now.csv"], "delay 7d"),
        (&["bad.toml", "--label", "fraud", "history.csv"], "bad.toml:2:"),
        (&["form.toml", "--label", "fraud", "history.csv"], "{ expression"),
        (&["alike.toml", "--label", "fraud", "history.csv"], "same in all rows"),
        (
            &["inputs.toml", "--label", "fraud", "--train", "1999-01-01..1999-02-01", "history.csv"],
            "no payment",
        ),
        (&["inputs.toml", "--label", "fraud", "--samples", "9", "history.csv"], "--samples"),
        (&["inputs.toml", "--label", "fraud", "--depth", "17", "history.csv"], "depth"),
        (&["inputs.toml", "--label", "fraud", "--later", "1", "history.csv"], "later share"),
        (&["inputs.toml", "--train", "..2026-01-31", "--test", "2026-02-03..", "history.csv"], "--delay"),
        (&["plain.toml", "--maturity", "90d", "now.csv"], "every row is a fraud"),
    ] {
        let done = tollgate(dir.path(), &[&base[..], args].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(expected), "{args:?}: {said}");
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "the old model");
    }
}

#[test]
fn inputs_that_tell_nothing_apart_are_named() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), "3000");
    let text = "[inputs]\namount = 'amount'\none = '1'\nnone = 'avg(amount, card, 7d, refunded)'\n";
    std::fs::write(dir.path().join("some.toml"), text).unwrap();
    let base = ["train", "--inputs", "some.toml", "--trees", "5", "--out", "m.json", "history.csv"];
    for more in [&["--label", "fraud"][..], &["--learner", "isolation", "--json"]] {
        let done = tollgate(dir.path(), &[&base[..], more].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
        let warned: Vec<&str> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warned.len(), 2, "{said}");
        assert!(
            warned[0].contains("`one` is 1 in all ") && warned[1].contains("`none` is absent in all "),
            "{said}"
        );
    }
}

#[test]
fn the_report_goes_where_it_is_wanted_and_never_over_the_model() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), "3000");
    let train = |more: &[&str]| {
        let base =
            ["train", "--inputs", "inputs.toml", "--learner", "isolation", "--trees", "5", "history.csv"];
        tollgate(dir.path(), &[&base[..], more].concat())
    };
    let there = |name: &str| dir.path().join(name).exists();
    assert!(train(&["--out", "a.json", "--no-html"]).status.success());
    assert!(there("a.json") && !there("a.html"));
    assert!(train(&["--out", "b.json", "--html", "elsewhere.html"]).status.success());
    assert!(there("elsewhere.html") && !there("b.html"));
    let page = std::fs::read_to_string(dir.path().join("elsewhere.html")).unwrap();
    assert!(page.contains("No fraud is known of them") && !page.contains("aria-label=\"ROC\""));
    let refused = train(&["--out", "c.html"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("one file") && !there("c.html"));
}

#[test]
fn a_dispute_that_may_still_come_is_no_proof_of_innocence() {
    let dir = tempfile::tempdir().unwrap();
    history(dir.path(), "20000");
    let rows = |maturity: &str| -> (u64, u64) {
        let mut args = vec!["train", "--inputs", "inputs.toml", "--out", "m.json", "--learner", "logistic"];
        args.extend(["--maturity", maturity, "--json", "history.csv"]);
        let done = tollgate(dir.path(), &args);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        (said["card"]["rows"].as_u64().unwrap(), said["unlabelled"].as_u64().unwrap())
    };
    assert_eq!(rows("1ms").0 + rows("1ms").1, 20_000);
    assert!(rows("1ms").1 <= 1);
    let (taken, left) = rows("10d");
    assert!(taken + left == 20_000 && left > 2_000, "{taken} and {left}");
}

/// Serves: scores each payment alone, and settles it when its settlement has become known.
struct Server {
    engine: Engine,
    waiting: BTreeMap<(Timestamp, u64), (Payment, Status)>,
    arrivals: u64,
}

impl Sink for Server {
    fn write(&mut self, payments: &[Payment], _: &Scored) -> Result<(), tollgate::Error> {
        for payment in payments {
            while let Some(entry) = self.waiting.first_entry().filter(|e| e.key().0 <= payment.at()) {
                let (payment, status) = entry.remove();
                self.engine.settle(&payment, Settlement { status });
            }
            self.engine.score(payment);
            let Some(status) = payment.text(field::STATUS).and_then(Status::parse) else { continue };
            match payment.timestamp(field::SETTLED_AT) {
                Some(at) if at > payment.at() => {
                    self.arrivals += 1;
                    self.waiting.insert((at, self.arrivals), (payment.clone(), status));
                }
                _ => drop(self.engine.settle(payment, Settlement { status })),
            }
        }
        Ok(())
    }

    fn reject(&mut self, rejects: &[tollgate::codec::Reject]) -> Result<(), tollgate::Error> {
        assert!(rejects.is_empty());
        Ok(())
    }
}

struct Quiet;

impl Observer for Quiet {
    fn progress(&self, _: u64, _: u64) {}
}

/// The rows a model learns from are, bit for bit, what an engine that serves one payment at a time sees.
#[test]
fn training_reads_what_serving_reads_on_a_hundred_thousand_payments() {
    const PAYMENTS: u64 = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.csv");
    let out = path.to_str().unwrap();
    let done = tollgate(dir.path(), &["simulate", "--payments", "100000", "--out", out]);
    assert!(done.status.success());
    let open = || {
        let options = Options { inputs: Some(("inputs.toml".into(), INPUTS.into())), ..Options::default() };
        Pipeline::shipped_with(&options).unwrap()
    };
    let trainer = Engine::new(open());
    let pipeline = trainer.pipeline();
    let inputs = pipeline.inputs().len();
    let mut history = tollgate::History::new(
        pipeline.clone(),
        tollgate::Labels::Field(field::FRAUD),
        &[tollgate::Period::default()],
    )
    .unwrap();
    let reader =
        || vec![tollgate::codec::Reader::open(&path, pipeline.schema().clone(), Default::default()).unwrap()];
    batch::run(&trainer, reader(), Work::Observe, Some(0), &mut history, &Quiet).unwrap();
    let (mut rows, _) = history.finish().unwrap();
    let rows = rows.pop().unwrap();
    assert_eq!(rows.matrix.rows() as u64, PAYMENTS);

    // Served: another engine, whose stage sees what any stage sees, a model's among them.
    let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
    let numbers: Vec<Number> = open().inputs().iter().map(|(_, number)| number.clone()).collect();
    let probe = seen.clone();
    let served = open().then(stage("probe", move |facts, _| {
        let bits = numbers.iter().map(|n| n.value(facts).map_or(u32::MAX, |x| (x as f32).to_bits()));
        probe.lock().unwrap().extend(bits);
        Flow::Continue
    }));
    let mut server = Server { engine: Engine::new(served), waiting: BTreeMap::new(), arrivals: 0 };
    batch::run(&Engine::new(open()), reader(), Work::Observe, Some(0), &mut server, &Quiet).unwrap();
    let learnt: Vec<u32> =
        rows.matrix.values().iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect();
    assert_eq!(learnt.len(), PAYMENTS as usize * inputs);
    assert!(learnt == *seen.lock().unwrap(), "training and serving read different numbers");
}
