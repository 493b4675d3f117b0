//! What does a curve look like? One chart as inline SVG, with its axes and a title for those who listen.

use std::fmt::Write;

use super::escape;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 44.0;
const MARGIN: f64 = 14.0;

/// Points joined by a line; its class is its colour.
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) points: Vec<[f64; 2]>,
}

/// Lines over two axes that begin at zero or `from`.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) axes: [String; 2],
    pub(super) from: [f64; 2],
    pub(super) to: [f64; 2],
    /// What stands at the five places of the axis across, where numbers would say less.
    pub(super) ticks: Option<[&'static str; 5]>,
    pub(super) lines: Vec<Line>,
}

impl Chart {
    /// The chart as a `<figure>`.
    pub(super) fn svg(&self) -> String {
        let span = |i: usize| {
            let span = self.to[i] - self.from[i];
            if span > 0.0 && span.is_finite() { span } else { 1.0 }
        };
        let (wide, high) = (WIDTH - LEFT - MARGIN, HEIGHT - BOTTOM - MARGIN);
        let x = |v: f64| LEFT + (v - self.from[0]) / span(0) * wide;
        let y = |v: f64| MARGIN + high - (v - self.from[1]) / span(1) * high;
        let title = escape(&self.title);
        let mut svg = format!(
            "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
        );
        for i in 0..=4_u32 {
            let share = f64::from(i) / 4.0;
            let (across, up) = (self.from[0] + share * span(0), self.from[1] + share * span(1));
            let (px, py) = (x(across), y(up));
            let below =
                self.ticks.map_or_else(|| tick(across, span(0)), |names| names[i as usize].to_owned());
            let (right, floor) = (WIDTH - MARGIN, HEIGHT - BOTTOM);
            // Writing into a String can't go wrong.
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {py:.1}H{right}M{px:.1} {MARGIN}V{floor}\"/>\
                 <text x=\"{px:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                floor + 15.0,
                below,
                LEFT - 5.0,
                py + 4.0,
                tick(up, span(1))
            );
        }
        for line in &self.lines {
            let finite = line.points.iter().filter(|p| p[0].is_finite() && p[1].is_finite());
            let points: Vec<String> = finite.map(|p| format!("{:.1},{:.1}", x(p[0]), y(p[1]))).collect();
            let _ = write!(svg, "<polyline class=\"{}\" points=\"{}\"/>", line.class, points.join(" "));
        }
        let [across, up] = self.axes.each_ref().map(|a| escape(a));
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{across}</text>\
             <text transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">{up}</text></svg></figure>",
            LEFT + wide / 2.0,
            HEIGHT - 8.0,
            MARGIN + high / 2.0
        );
        svg
    }
}

/// A tick's number, with as many digits as its axis needs.
fn tick(value: f64, span: f64) -> String {
    match span {
        s if s >= 1e6 => format!("{:.1}M", value / 1e6),
        s if s >= 1e4 => format!("{:.0}k", value / 1e3),
        s if s >= 20.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}
