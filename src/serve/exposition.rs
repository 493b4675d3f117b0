//! How are numbers told to those who collect them? The OpenMetrics text.

use std::fmt;

use super::metrics::BOUNDS;

/// OpenMetrics text.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
    family: &'static str,
}

impl Text {
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) -> fmt::Result {
        use fmt::Write;
        self.family = name;
        write!(self.out, "# TYPE tollgate_{name} {kind}\n# HELP tollgate_{name} {help}\n")
    }

    pub(super) fn count(&mut self, labels: &[(&str, &str)], value: u64) -> fmt::Result {
        self.sample("_total", labels, value)
    }

    pub(super) fn gauge(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        self.sample("", labels, value)
    }

    pub(super) fn info(&mut self, labels: &[(&str, &str)]) -> fmt::Result {
        self.sample("_info", labels, 1)
    }

    fn sample(&mut self, end: &str, labels: &[(&str, &str)], value: impl fmt::Display) -> fmt::Result {
        use fmt::Write;
        write!(self.out, "tollgate_{}{end}", self.family)?;
        for (i, (name, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(self.out, "{}{name}=\"{value}\"", if i == 0 { '{' } else { ',' })?;
        }
        writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" })
    }

    pub(super) fn histogram(&mut self, label: (&str, &str), buckets: &[u64], nanos: u64) -> fmt::Result {
        let mut count = 0;
        for (i, bucket) in buckets.iter().enumerate() {
            count += bucket;
            let bound = BOUNDS.get(i).map_or_else(|| "+Inf".to_owned(), |b| (*b as f64 / 1e9).to_string());
            self.sample("_bucket", &[label, ("le", &bound)], count)?;
        }
        self.sample("_count", &[label], count)?;
        self.sample("_sum", &[label], nanos as f64 / 1e9)
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("# EOF\n");
        self.out
    }
}
