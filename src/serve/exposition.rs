//! How are numbers told to those who collect them? OpenMetrics, or the text that was before it.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::ACCEPT;

use super::exemplar::Exemplar;
use super::metrics::BOUNDS;

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4: no exemplars, no end, other names in front of counters.
    Plain,
}

impl Form {
    /// The one that the caller asks for; OpenMetrics unless only plain text will do.
    pub(super) fn accepted(headers: &HeaderMap) -> Form {
        let asked = || headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let names = |kind: &str| {
            let kinds = asked().flat_map(|value| value.split(','));
            kinds
                .filter_map(|part| part.split(';').next())
                .any(|named| named.trim().eq_ignore_ascii_case(kind))
        };
        match names("text/plain") && !names("application/openmetrics-text") {
            true => Form::Plain,
            false => Form::OpenMetrics,
        }
    }

    /// The value of `content-type`.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The text, as it grows.
#[derive(Debug)]
pub(super) struct Text {
    form: Form,
    out: String,
    family: &'static str,
}

impl Text {
    pub(super) fn new(form: Form) -> Text {
        Text { form, out: String::new(), family: "" }
    }

    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) -> fmt::Result {
        use fmt::Write;
        self.family = name;
        let (end, kind) = match (self.form, kind) {
            (Form::Plain, "counter") => ("_total", "counter"),
            (Form::Plain, "info") => ("_info", "gauge"),
            _ => ("", kind),
        };
        write!(self.out, "# TYPE tollgate_{name}{end} {kind}\n# HELP tollgate_{name}{end} {help}\n")
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
        self.begin(end, labels, value)?;
        self.out.push('\n');
        Ok(())
    }

    fn begin(&mut self, end: &str, labels: &[(&str, &str)], value: impl fmt::Display) -> fmt::Result {
        use fmt::Write;
        write!(self.out, "tollgate_{}{end}", self.family)?;
        if !labels.is_empty() {
            self.labels(labels)?;
        }
        write!(self.out, " {value}")
    }

    fn labels(&mut self, labels: &[(&str, &str)]) -> fmt::Result {
        use fmt::Write;
        for (i, (name, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(self.out, "{}{name}=\"{value}\"", if i == 0 { '{' } else { ',' })?;
        }
        self.out.push('}');
        Ok(())
    }

    /// Times by bucket, their sum, and a request of each bucket where one is known.
    pub(super) fn histogram(
        &mut self,
        label: (&str, &str),
        buckets: &[u64],
        nanos: u64,
        exemplars: &[Option<Exemplar>],
    ) -> fmt::Result {
        use fmt::Write;
        let mut count = 0;
        for (i, bucket) in buckets.iter().enumerate() {
            count += bucket;
            let bound = BOUNDS.get(i).map_or_else(|| "+Inf".to_owned(), |b| (*b as f64 / 1e9).to_string());
            self.begin("_bucket", &[label, ("le", &bound)], count)?;
            if let (Form::OpenMetrics, Some(Some(exemplar))) = (self.form, exemplars.get(i)) {
                self.out.push_str(" # ");
                self.labels(&exemplar.labels())?;
                write!(self.out, " {} {}", exemplar.nanos as f64 / 1e9, exemplar.at())?;
            }
            self.out.push('\n');
        }
        self.sample("_count", &[label], count)?;
        self.sample("_sum", &[label], nanos as f64 / 1e9)
    }

    pub(super) fn finish(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_for_those_that_know_nothing_else() {
        for (accept, form) in [
            ("", Form::OpenMetrics),
            ("*/*", Form::OpenMetrics),
            ("text/plain", Form::Plain),
            ("Text/Plain;version=0.0.4;q=0.5, */*;q=0.1", Form::Plain),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", Form::OpenMetrics),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Form::accepted(&headers), form, "{accept}");
        }
    }
}
