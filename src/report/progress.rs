//! How far is it? A bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::batch::Observer;

/// The progress of a run over files.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Whether the input's size is known, so that there is an end to be near.
    sized: bool,
}

/// How often the bar is drawn at most.
const DRAWS_PER_SECOND: u8 = 8;

impl Progress {
    /// For an input of this many bytes; of unknown size without.
    pub(crate) fn new(bytes: Option<u64>) -> Progress {
        let template = match bytes {
            Some(_) => "{bar:30} {percent:>3}%  {msg}  {eta} left",
            None => "{spinner} {msg}  {elapsed}",
        };
        let bar = ProgressBar::new(bytes.unwrap_or(0));
        // Hidden by itself when stderr is no terminal.
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, sized: bytes.is_some() }
    }

    /// How far it is.
    pub(crate) fn hear(&self, bytes: u64, payments: u64) {
        Observer::progress(self, bytes, payments);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn progress(&self, bytes: u64, payments: u64) {
        if self.sized {
            self.bar.set_position(bytes);
        }
        let rate = payments as f64 / self.bar.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_message(format!("{payments} payments, {:.0} k/s", rate / 1e3));
    }
}
