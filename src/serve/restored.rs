//! What was answered before the start: brought back from the journal's last records, for settlements, questions and
//! requests that come again.

use std::time::{Duration, Instant};

use super::app::App;
use super::desk;
use super::log::{self, Level};
use crate::journal;

/// Remembers it. What can't be read is told, and done without: the windows are back already.
pub(super) fn bring_back(app: &App) {
    let Some((journal, dir)) = app.keeper.journal_in() else { return };
    let last = (journal.records(), app.config.limits.recent.max(app.config.idempotency.keys));
    let current = app.engine().current();
    let (started, now) = (Instant::now(), log::now());
    let (mut payments, mut keys) = (0u64, 0u64);
    let read = desk::at(app, &current, |desk| {
        journal::decided(dir, last, current.pipeline(), &mut |origin, payment, decision| {
            // A key that is no more has nobody who could ask.
            let Some(owner) = app.keys.of_tag(origin.owner) else { return };
            desk.payment.copy_from(payment);
            let line = desk.write(decision);
            app.recent.keep(owner, current.schema(), payment, (decision.outcome, line.clone()));
            payments += 1;
            if let Some(named) = origin.request {
                let age = u64::try_from(now.micros().saturating_sub(named.at.micros())).unwrap_or_default();
                keys += u64::from(app.answers.restore(&named, line, (started, Duration::from_micros(age))));
            }
        })
    });
    let fields = [
        ("payments", payments.into()),
        ("idempotency_keys", keys.into()),
        ("took_ms", log::millis(started.elapsed()).into()),
        ("detail", read.as_ref().err().map(ToString::to_string).into()),
    ];
    log::event(if read.is_ok() { Level::Info } else { Level::Warn }, "restored", &fields);
}
