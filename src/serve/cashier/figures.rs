//! How does it go? What machines collect of payments and of the ways to institutions.

use std::fmt;

use super::{Cashier, ask};
use crate::channel::Channel as _;
use crate::serve::exposition::Text;

impl Cashier {
    /// Counters and gauges, as OpenMetrics text.
    pub(in crate::serve) fn tell(&self, out: &mut Text) -> fmt::Result {
        let open = ask::unfinished(self).len();
        let held = self.reviews.lock().len();
        for (name, help, value) in [
            ("payments_unfinished", "Payments that wait for an institution.", open as f64),
            (
                "payments_waiting",
                "Payments that wait for their payer or for somebody to look.",
                self.due.len() as f64,
            ),
            ("payments_held", "Payments that are held for review.", held as f64),
            (
                "payments_failed",
                "1 when the disk of the payments' journal has failed.",
                f64::from(u8::from(self.failure().is_some())),
            ),
            (
                "payments_disk_low",
                "1 when the next file of the payments' journal has no room.",
                f64::from(u8::from(self.storage_failure().is_some())),
            ),
        ] {
            out.family(name, "gauge", help)?;
            out.gauge(&[], value)?;
        }
        self.figures.lock().tell(out)?;
        out.family(
            "institution_requests",
            "counter",
            "Requests to institutions, by channel and what came of them.",
        )?;
        for way in self.ways.ways() {
            for (what, count) in way.channel.figures().all() {
                out.count(&[("channel", way.channel.name()), ("what", what)], count)?;
            }
        }
        out.family("institution_breaker_open", "gauge", "1 while an institution is left alone.")?;
        for way in self.ways.ways() {
            let open = way.channel.breaker().phase() != "closed";
            out.gauge(&[("channel", way.channel.name())], f64::from(u8::from(open)))?;
        }
        out.family("codes", "counter", "One-time codes, by what became of them: sent, failed.")?;
        for (what, count) in self.sender.counts() {
            out.count(&[("what", what)], count)?;
        }
        out.family("institution_in_flight", "gauge", "Requests on their way to an institution.")?;
        for way in self.ways.ways() {
            out.gauge(&[("channel", way.channel.name())], way.channel.in_flight() as f64)?;
        }
        Ok(())
    }
}
