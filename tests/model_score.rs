//! A model in every decision: what is served is what its artifact says, and what it says is in the decision.

mod support;

use tollgate::{Decision, Engine, Options, Outcome, Pipeline, score_of};

use support::{ARTIFACT, Folder, logistic, payments, trees};

const POLICY: &str =
    "[thresholds]\nchallenge = 300\nreview = 500\ndecline = 800\n[model]\nchampion = \"first\"\n";

fn rule(id: &str, when: &str, effect: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\nwhen = '{when}'\n{effect}\nreason = \"R\"\n")
}

fn decide(folder: &Folder, count: u64) -> (Engine, Vec<tollgate::Payment>, Vec<Decision>) {
    let engine = Engine::new(folder.open().unwrap_or_else(|e| panic!("{e}")));
    let payments = payments(engine.pipeline().schema(), count);
    let decisions = payments.iter().map(|p| engine.score(p)).collect();
    (engine, payments, decisions)
}

/// The margin of [`logistic`], worked out here from the payment and the count of earlier ones.
fn expected(amount: f64, count: f64) -> f64 {
    let x = [amount as f32, count as f32].map(f64::from);
    -6.0 + 1.5 * (x[0] - 50.0) / 100.0 + 1.0 * (x[1] - 1.0) / 2.0
}

#[test]
fn the_probability_is_the_calibrated_margin_of_the_inputs_seen() {
    let folder = Folder::new(&[("policy.toml", POLICY), ("models/first.json", &logistic())]);
    let (_, payments, decisions) = decide(&folder, 2_000);
    let mut seen: std::collections::HashMap<String, Vec<i64>> = Default::default();
    let mut counted = 0;
    for (payment, decision) in payments.iter().zip(&decisions) {
        let Some(card) = payment.text(tollgate::field::CARD) else {
            assert!(decision.probability.is_some(), "an absent input is the model's to handle");
            continue;
        };
        let before = seen.entry(card.to_owned()).or_default();
        let now = payment.at().micros();
        let count = before.iter().filter(|t| now - **t <= 3_600_000_000).count();
        before.push(now);
        counted += usize::from(count > 0);
        let margin = expected(payment.amount().unwrap().major(), count as f64);
        let probability = 1.0 / (1.0 + (-margin).exp());
        let decided = decision.probability.unwrap();
        assert!((decided - probability).abs() < 1e-12, "{decided} {probability}");
        assert_eq!(decision.score, score_of(decided));
        assert!((0.0..=1.0).contains(&decided));
    }
    assert!(counted > 20, "only {counted} payments have a past");
}

#[test]
fn points_are_added_to_the_score_and_rules_read_it() {
    let rules = [
        rule("points", "amount > 0", "weight = 50"),
        rule(
            "sure",
            "score >= 500 and probability >= 0.4 and risk_level == \"highest\"",
            "then = \"decline\"",
        ),
        rule("radar", ":risk_score: >= 35", "then = \"challenge\"\nshadow = true"),
        rule("strange", "anomaly > 0", "then = \"review\""),
    ];
    let folder = Folder::new(&[
        ("a.toml", &rules.concat()),
        ("policy.toml", POLICY),
        ("models/first.json", &logistic()),
    ]);
    let (_, _, decisions) = decide(&folder, 20_000);
    let mut high = 0;
    for decision in &decisions {
        let own = score_of(decision.probability.unwrap());
        assert_eq!(decision.score, (own + 50).min(1000));
        assert_eq!(decision.matched.contains(1), own >= 500);
        assert_eq!(decision.matched.contains(2), own >= 350);
        // No anomaly model: absent, and a comparison with it is never true.
        assert_eq!((decision.matched.contains(3), decision.anomaly), (false, None));
        high += usize::from(own >= 500);
        let reached = decision.score >= 300;
        assert_eq!(decision.outcome != Outcome::Approve, reached || own >= 500);
        assert_eq!(decision.contributions.is_empty(), !reached, "{decision:?}");
    }
    assert!(high > 5 && high < decisions.len(), "{high}");
}

#[test]
fn contributions_are_the_largest_shares_with_the_values_seen() {
    let folder = Folder::new(&[("policy.toml", POLICY), ("models/first.json", &logistic())]);
    let (engine, payments, decisions) = decide(&folder, 20_000);
    let mut told = 0;
    for (payment, decision) in payments.iter().zip(&decisions).filter(|(_, d)| !d.contributions.is_empty()) {
        let first = decision.contributions[0];
        let amount = payment.amount().unwrap().major() as f32;
        assert!(decision.contributions.windows(2).all(|w| w[0].share >= w[1].share));
        for c in &decision.contributions {
            let share = match c.input {
                0 => 1.5 * (f64::from(c.value) - 50.0) / 100.0,
                _ => (f64::from(c.value) - 1.0) / 2.0,
            };
            assert!((c.share - share).abs() < 1e-12 && c.share > 0.0);
            assert!(c.input != 0 || c.value == amount);
        }
        let words = engine.describe(payment, decision).unwrap();
        assert_eq!(words.model.len(), decision.contributions.len());
        let named = ["BIG_TICKET", "CARD_COUNT"][usize::from(first.input)];
        assert_eq!((words.model[0].code.as_str(), words.probability), (named, decision.probability));
        told += 1;
    }
    assert!(told > 50, "{told}");
}

#[test]
fn a_challenger_is_recorded_and_decides_nothing() {
    let alone = Folder::new(&[("policy.toml", POLICY), ("models/first.json", &logistic())]);
    let policy = format!("{POLICY}challenger = \"second\"\nanomaly = \"third\"\n");
    let both = Folder::new(&[
        ("policy.toml", &policy),
        ("models/first.json", &logistic()),
        ("models/second.json", &trees("platt")),
        ("models/third.json", &trees("none")),
    ]);
    let (_, payments, one) = decide(&alone, 3_000);
    let (_, _, two) = decide(&both, 3_000);
    for ((payment, one), two) in payments.iter().zip(&one).zip(&two) {
        assert_eq!((one.outcome, one.score, one.probability), (two.outcome, two.score, two.probability));
        assert_eq!((one.challenged, one.anomaly), (None, None));
        let margin = if payment.amount().unwrap().major() as f32 <= 60.0 { -3.0 } else { 1.0f64 };
        let challenged = two.challenged.unwrap();
        assert_eq!(challenged.probability, 1.0 / (1.0 + (-margin).exp()));
        assert_eq!(challenged.score, score_of(challenged.probability));
        assert_eq!(challenged.outcome, if margin > 0.0 { Outcome::Review } else { Outcome::Approve });
        assert_eq!(two.anomaly, Some(margin));
    }
}

#[test]
fn a_model_that_could_answer_no_number_is_refused() {
    // Weights whose terms would be infinities of both signs.
    let broken = ARTIFACT.replace("FORM", r#"{"logistic":{"intercept":0.0,"weights":[1e308,-1e308],"means":[-1e300,-1e300],"scales":[1e-30,1e-30]}}"#);
    let broken = broken.replace("CALIBRATION", r#"{"platt":{"slope":1.0,"intercept":0.0}}"#);
    let folder = Folder::new(&[("policy.toml", POLICY), ("models/first.json", &broken)]);
    let error = folder.open().unwrap_err().to_string();
    assert!(error.contains("models/first.json") && error.contains("mean"), "{error}");
}

/// Shapley values of a weighted sum are its terms, and with what is expected they are the margin.
#[test]
fn an_explanation_has_every_inputs_exact_share() {
    let folder = Folder::new(&[("policy.toml", POLICY), ("models/first.json", &logistic())]);
    let (engine, payments, _) = decide(&folder, 200);
    for payment in &payments {
        let explanation = engine.explain(payment);
        let model = explanation.model.unwrap();
        assert_eq!((model.model.as_str(), model.expected, model.inputs.len()), ("first", -6.0, 2));
        let sum: f64 = model.inputs.iter().map(|i| i.shapley).sum();
        assert!((model.expected + sum - model.margin).abs() < 1e-12);
        assert!(model.inputs[0].shapley.abs() >= model.inputs[1].shapley.abs());
        let probability = explanation.decision.probability.unwrap();
        assert!((probability - 1.0 / (1.0 + (-model.margin).exp())).abs() < 1e-12);
    }
}

fn payment(schema: &tollgate::Schema, id: &str, amount: &str, second: u32) -> tollgate::Payment {
    use tollgate::{Currency, Money, Payment, Timestamp, Value, field};
    let mut payment = Payment::new(schema);
    let at = Timestamp::parse(&format!("2026-01-05T12:00:{second:02}Z")).unwrap();
    let amount = Money::parse(amount, Currency::parse("USD").unwrap()).unwrap();
    for (id, value) in [
        (field::ID, Value::Token(id)),
        (field::AT, Value::Timestamp(at)),
        (field::AMOUNT, Value::Money(amount)),
        (field::CARD, Value::Token("tok_1")),
        (schema.find("ip_lat").unwrap(), Value::Number(7.0)),
    ] {
        payment.set(schema, id, value).unwrap();
    }
    payment
}

/// What is said of the last of some payments of one card.
fn counterfactual(files: &[(&str, &str)], amounts: &[&str]) -> Option<tollgate::Counterfactual> {
    let engine = Engine::new(Folder::new(files).open().unwrap_or_else(|e| panic!("{e}")));
    let schema = engine.pipeline().schema().clone();
    let payments = (0..).zip(amounts).map(|(i, amount)| payment(&schema, &format!("p{i}"), amount, i));
    let payments: Vec<_> = payments.collect();
    let (last, before) = payments.split_last().unwrap();
    before.iter().for_each(|p| drop(engine.score(p)));
    engine.counterfactual(last)
}

#[test]
fn the_smallest_change_that_brings_an_approval_is_found_and_true() {
    let said =
        |files: &[(&str, &str)], amounts: &[&str]| counterfactual(files, amounts).map(|c| c.to_string());
    let seven = ["10.00"; 8];
    let burst = rule("burst", "count(card, 1h) >= 4", "then = \"decline\"");
    let would = |what: &str| Some(format!("would be approved if {what}"));
    assert_eq!(said(&[("a.toml", &burst)], &seven), would("`count(card, 1h)` were <= 3 (now 7)"));
    assert_eq!(said(&[("a.toml", &burst)], &seven[..3]), None, "it is approved as it is");

    let large = rule("large", "amount > 99.99", "then = \"review\"");
    assert_eq!(said(&[("a.toml", &large)], &["120.00"]), would("`amount` were <= 99.99 (now 120)"));
    let north = rule("north", "ip_lat > 5", "then = \"review\"");
    assert_eq!(said(&[("a.toml", &north)], &["120.00"]), would("`ip_lat` were <= 5 (now 7)"));
    // Two rules on two numbers: no single change helps.
    let both = [burst.clone(), large.clone()].concat();
    let mut amounts = seven.to_vec();
    amounts[7] = "120.00";
    assert_eq!(said(&[("a.toml", &both)], &amounts), None);
    // A hole in the middle: beyond it is declined again.
    let hole = rule("hole", "amount < 50 or amount > 60", "then = \"decline\"");
    assert_eq!(said(&[("a.toml", &hole)], &["45.00"]), would("`amount` were == 50 (now 45)"));
    // Read within a formula only: found by the ladder and halved to the cent.
    let twice = rule("twice", "amount * 2 + 1 >= 200", "then = \"decline\"");
    assert_eq!(said(&[("a.toml", &twice)], &["120.00"]), would("`amount` were <= 99.49 (now 120)"));
    // A shadow rule decides nothing.
    let shadow = rule("shadow", "amount > 1", "then = \"decline\"\nshadow = true");
    assert_eq!(said(&[("a.toml", &shadow)], &["120.00"]), None);

    // The cut of a tree, and the crossing of a weighted sum.
    let policy = POLICY;
    let tree = [("policy.toml", policy), ("models/first.json", &*trees("platt").leak())];
    assert_eq!(said(&tree, &["75.00"]), would("`amount` were <= 60 (now 75)"));
    let sum = [("policy.toml", policy), ("models/first.json", &*logistic().leak())];
    let change = counterfactual(&sum, &["500.00"]).unwrap();
    assert_eq!((change.what.as_str(), change.relation, change.now), ("amount", "<=", 500.0));
    // Checked by a payment of that very amount, and of a cent more.
    let at = |amount: f64| counterfactual(&sum, &[&format!("{amount:.2}")]);
    assert_eq!(at(change.needed), None);
    assert!(at(change.needed + 0.01).is_some());
}

#[test]
fn the_digest_tells_models_and_roles_apart() {
    let digest = |files: &[(&str, &str)]| Folder::new(files).open().unwrap().digest();
    let files = |champion: &'static str| [("policy.toml", POLICY), ("models/first.json", champion)];
    let first = digest(&files(logistic().leak()));
    assert_eq!(first, digest(&files(logistic().leak())));
    assert_ne!(first, digest(&files(trees("platt").leak())));
    let options = Options { model: Some(("m.json".into(), trees("platt"))), ..Options::default() };
    let folder = Folder::new(&files(logistic().leak()));
    let overridden = Pipeline::open_with(folder.path(), &options).unwrap();
    assert_ne!(first, overridden.digest());
    let options = Options { challenger: Some(("m.json".into(), logistic())), ..Options::default() };
    assert_ne!(first, Pipeline::open_with(folder.path(), &options).unwrap().digest());
}

/// The folder is refused, and everything of `expected` is in what is said.
fn refused(files: &[(&str, &str)], expected: &[&str]) {
    let error = Folder::new(files).open().unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "`{part}` is missing in:\n{error}");
    }
}

#[test]
fn every_mistake_of_a_model_is_shown_beside_those_of_the_rules() {
    let expression = logistic().replace("\"expression\":\"amount\"", "\"expression\":\"amuont + 1\"");
    refused(
        &[
            ("policy.toml", POLICY),
            ("a.toml", &rule("r", "crad == 1", "weight = 1")),
            ("models/first.json", &expression),
        ],
        &["first.json, input `amount`:1:1", "did you mean `amount`?", "a.toml:3:9", "did you mean `card`?"],
    );
    let model = |text: &str, expected: &[&str]| {
        refused(&[("policy.toml", POLICY), ("models/first.json", text)], expected);
    };
    model(
        &logistic().replace("\"expression\":\"amount\"", "\"expression\":\"score / 10\""),
        &["can't read what the models say"],
    );
    model(&logistic().replace("\"format\":1", "\"format\":9"), &["layout is 9, and 1 is read"]);
    model(&logistic().replace("BIG_TICKET", "big ticket"), &["`big ticket` is no reason code", "capitals"]);
    model(&trees("none"), &["a champion needs a calibration", "`anomaly` in policy.toml"]);
    model("{\"format\":1,", &["first.json:1:12", "this is no model", "EOF"]);
    model(&logistic()[..200], &["this is no model"]);
}

#[test]
fn a_missing_model_is_told_at_its_line_with_what_would_do() {
    refused(
        &[("policy.toml", POLICY), ("models/frist.json", &logistic())],
        &["policy.toml:6:12", "there is no model `first`", "did you mean `frist`?"],
    );
    refused(&[("policy.toml", POLICY)], &["there is no model `first`", "models/first.json", "drop the line"]);
    let policy = POLICY.replace("first", "../first");
    refused(&[("policy.toml", &policy)], &["`../first` is no model's name"]);
}

#[test]
fn a_model_has_as_many_inputs_as_the_limit_and_no_more() {
    let with = |inputs: usize| {
        let one = r#"{"name":"a","expression":"amount"}"#;
        let numbers = |n: &str| vec![n; inputs].join(",");
        format!(
            r#"{{"format":1,"name":"wide","inputs":[{}],"form":{{"logistic":{{"intercept":0.0,"weights":[{w}],"means":[{w}],"scales":[{}]}}}},"calibration":"identity"}}"#,
            vec![one; inputs].join(","),
            numbers("1.0"),
            w = numbers("0.0"),
        )
    };
    let open = |inputs| Folder::new(&[("policy.toml", POLICY), ("models/first.json", &with(inputs))]).open();
    open(tollgate::MODEL_INPUTS_MAX).unwrap();
    let past = open(tollgate::MODEL_INPUTS_MAX + 1).unwrap_err().to_string();
    assert!(past.contains("1 to 1024 inputs, and this has 1025"), "{past}");
    assert!(open(0).unwrap_err().to_string().contains("this has 0"));
}

#[test]
fn a_folder_opens_without_the_models_it_names_when_none_is_asked() {
    let folder = Folder::new(&[("policy.toml", POLICY)]);
    let options = Options { without_models: true, ..Options::default() };
    assert!(folder.open().is_err() && Pipeline::open_with(folder.path(), &options).is_ok());
}

#[test]
fn models_lie_in_the_folder_or_beside_it() {
    let folder = Folder::new(&[("rules/policy.toml", POLICY), ("models/first.json", &logistic())]);
    assert!(Pipeline::open(folder.path().join("rules")).is_ok());
    // What lies in `models` is no rule file.
    let inputs = ("models/first.inputs.toml", "[inputs]\nx = 'amount'\n");
    let folder = Folder::new(&[("policy.toml", POLICY), ("models/first.json", &logistic()), inputs]);
    assert!(folder.open().is_ok());
}

#[test]
fn an_example_may_say_what_the_models_say() {
    let text = rule("r", "score >= 500 and anomaly > 0.6", "then = \"review\"");
    let good = format!(
        "{text}example.fires = [{{ score = 500, anomaly = 0.7 }}]\nexample.quiet = [{{ score = 900 }}]\n"
    );
    assert!(Folder::new(&[("a.toml", &good)]).open().is_ok());
    let bad = format!("{text}example.fires = [{{ score = 499, anomaly = 0.7 }}]\n");
    refused(&[("a.toml", &bad)], &["must fire for this example"]);
    let bad = format!("{text}example.fires = [{{ risk_level = \"highest\" }}]\n");
    refused(&[("a.toml", &bad)], &["no field is called `risk_level`", "give the `score`"]);
    let bad = format!("{text}example.fires = [{{ score = \"high\" }}]\n");
    refused(&[("a.toml", &bad)], &["the value of `score` is not a number"]);
}
