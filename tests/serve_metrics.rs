//! The metrics as those who collect them read them: every line against the rules of OpenMetrics 1.0 and of the
//! plain text format, with exemplars in the one and none in the other.
#![cfg(feature = "serve")]

#[path = "support/sidecar.rs"]
mod sidecar;

use std::collections::{BTreeMap, BTreeSet};

use sidecar::{Sidecar, payment};

/// Most characters of an exemplar's names and values.
const EXEMPLAR_CHARS_MAX: usize = 128;

/// A sample: its name, labels, value, and the exemplar behind it.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
    exemplar: Option<(BTreeMap<String, String>, f64, f64)>,
}

/// `{a="b",c="d"}` and what comes after it; nothing is fine where there are none.
fn labels(text: &str) -> (BTreeMap<String, String>, &str) {
    let Some(mut rest) = text.strip_prefix('{') else { return (BTreeMap::new(), text) };
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        let end = (0..after.len()).find(|i| {
            let slashes = after[..*i].bytes().rev().take_while(|b| *b == b'\\').count();
            after.as_bytes()[*i] == b'"' && slashes.is_multiple_of(2)
        });
        let (value, after) = after.split_at(end.unwrap());
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
        match &after[1..2] {
            "," => rest = &after[2..],
            end => {
                assert_eq!(end, "}", "{text}");
                return (labels, &after[2..]);
            }
        }
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, rest) = line.split_at(end);
    let (labels, rest) = self::labels(rest);
    let (value, exemplar) = match rest.split_once(" # ") {
        None => (rest, None),
        Some((value, exemplar)) => {
            let (labels, rest) = self::labels(exemplar);
            let numbers: Vec<f64> =
                rest.strip_prefix(' ').unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
            assert_eq!(numbers.len(), 2, "{line}");
            (value, Some((labels, numbers[0], numbers[1])))
        }
    };
    let value = value.strip_prefix(' ').unwrap().parse().unwrap();
    Sample { name: name.to_owned(), labels, value, exemplar }
}

/// All samples, each of the family that was told before it, no family twice.
fn read(text: &str, plain: bool) -> Vec<Sample> {
    let (mut families, mut samples) = (BTreeSet::new(), Vec::new());
    let (mut family, mut kind) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, of) = told.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned()), "{name} twice");
            (family, kind) = (name.to_owned(), of.to_owned());
        } else if let Some(told) = line.strip_prefix("# HELP ") {
            assert!(told.starts_with(&format!("{family} ")), "{line}");
        } else if line != "# EOF" {
            let sample = sample(line);
            let end = sample.name.strip_prefix(&*family).unwrap_or_else(|| panic!("{line} in {family}"));
            let ends: &[&str] = match (&*kind, plain) {
                ("counter", false) => &["_total"],
                ("info", false) => &["_info"],
                ("histogram", _) => &["_bucket", "_count", "_sum"],
                ("gauge", _) | ("counter", true) => &[""],
                other => panic!("{other:?}"),
            };
            assert!(ends.contains(&end), "{line} of {kind}");
            assert!(!plain || kind != "counter" || family.ends_with("_total"), "{family}");
            assert!(sample.exemplar.is_none() || ["_bucket", "_total"].contains(&end), "{line}");
            samples.push(sample);
        }
    }
    samples
}

#[test]
fn traced_requests_are_exemplars_of_their_buckets_in_openmetrics_alone() {
    let sidecar = Sidecar::start(&[]);
    let trace = |n: usize, flags: &str| format!("00-{n:032x}-b7ad6b7169203331-{flags}");
    for n in 1..=20 {
        let header = trace(n, if n % 2 == 0 { "01" } else { "00" });
        let answer =
            sidecar.ask("POST", "/v1/score", &[("traceparent", &header)], &payment(&format!("p{n}")));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(sidecar.post("/v1/score", &payment("untraced")).status, 200);

    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    for headers in [&[("accept", accept)][..], &[]] {
        let answer = sidecar.admin("GET", "/metrics", headers, "");
        assert!(answer.head.contains("application/openmetrics-text; version=1.0.0"), "{}", answer.head);
        assert!(answer.body.ends_with("# EOF\n") && answer.body.matches("# EOF").count() == 1);
        let (mut low, mut found) = (0.0, 0);
        for sample in read(&answer.body, false) {
            let Some((labels, value, at)) = sample.exemplar else {
                if let Some(le) = sample.labels.get("le") {
                    low = le.parse::<f64>().unwrap();
                }
                continue;
            };
            let le: f64 = sample.labels["le"].parse().unwrap();
            assert_eq!((&*sample.name, &*sample.labels["stage"]), ("tollgate_stage_seconds_bucket", "total"));
            assert!(low < value && value <= le && sample.value > 0.0, "{value} between {low} and {le}");
            low = le;
            let chars: usize = labels.iter().map(|(k, v)| k.chars().count() + v.chars().count()).sum();
            assert!(chars <= EXEMPLAR_CHARS_MAX, "{labels:?}");
            // Only what somebody recorded can be looked up.
            let n = usize::from_str_radix(&labels["trace_id"], 16).unwrap();
            assert!(n % 2 == 0 && (2..=20).contains(&n), "{labels:?}");
            assert!(labels["span_id"] != "b7ad6b7169203331" && labels["span_id"].len() == 16, "{labels:?}");
            assert!(at > 1.7e9, "{at}");
            found += 1;
        }
        assert!(found > 0);
    }

    let answer = sidecar.admin("GET", "/metrics", &[("accept", "text/plain")], "");
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
    assert!(!answer.body.contains(" # ") && !answer.body.contains("EOF"));
    let samples = read(&answer.body, true);
    assert!(samples.iter().any(|s| s.name == "tollgate_decisions_total" && s.value > 0.0));
}
