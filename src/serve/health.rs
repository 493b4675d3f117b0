//! Is it alive, ready, and how does it fare?

use std::fmt;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response};

use super::app::App;
use super::brakes;
use super::exposition::{Form, Text};
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::json;

/// The process runs: whoever reads this has the proof.
pub(super) fn live() -> Response<Reply> {
    text("text/plain; charset=utf-8", &b"ok\n"[..])
}

/// Whether payments are taken.
///
/// # Errors
/// When they are not.
pub(super) fn ready(app: &App) -> Result<Response<Reply>, Problem> {
    match unready(app) {
        None => Ok(text("text/plain; charset=utf-8", &b"ready\n"[..])),
        Some(why) => Err(Problem::new(Kind::NotReady, why)),
    }
}

/// Why no payments are taken: it is stopping, or the journal's disk has failed or is about to be full.
pub(super) fn unready(app: &App) -> Option<String> {
    if app.draining() {
        return Some("what is in flight is finished, nothing new is taken".to_owned());
    }
    if let Some(said) = app.cashier.as_ref().and_then(|cashier| cashier.failure()) {
        return Some(format!(
            "the disk of the payments' journal has failed, start anew once it is mended: {said}"
        ));
    }
    if let Some(said) = app.cashier.as_ref().and_then(|cashier| cashier.storage_failure()) {
        return Some(format!("the disk of the payments' journal has no room for its next file: {said}"));
    }
    let journal = app.keeper.journal()?;
    if let Some(said) = journal.failure() {
        return Some(format!("the journal's disk has failed, start anew once it is mended: {said}"));
    }
    let said = journal.storage_failure()?;
    Some(format!("the journal's disk has no room for its next file: {said}"))
}

pub(super) fn version(app: &App) -> Response<Reply> {
    let pipeline = app.engine().pipeline();
    json(
        serde_json::json!({
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "pipeline": pipeline.digest().to_string(),
            "rules": pipeline.rules().len(),
        })
        .to_string(),
    )
}

/// Everything that is counted, in the text that the caller reads.
pub(super) fn metrics(app: &App, headers: &HeaderMap) -> Response<Reply> {
    let form = Form::accepted(headers);
    let mut out = Text::new(form);
    // Writing into a string can't fail.
    let _ = gauges(app, &mut out).and_then(|()| app.metrics.tell(&mut out));
    text(form.kind(), out.finish())
}

fn gauges(app: &App, out: &mut Text) -> fmt::Result {
    let pipeline = app.engine().pipeline();
    let (entities, bytes) = app.engine().memory();
    out.family("build", "info", "Version of the program.")?;
    out.info(&[("version", env!("CARGO_PKG_VERSION"))])?;
    out.family("pipeline", "info", "Digest of the pipeline in force.")?;
    out.info(&[("digest", &pipeline.digest().to_string())])?;
    let admission = &app.admission;
    for (name, help, value) in [
        ("rules", "Rules of the pipeline.", pipeline.rules().len() as f64),
        ("entities", "Entities that velocity remembers.", entities as f64),
        ("velocity_bytes", "Bytes that velocity takes.", bytes as f64),
        ("recent_payments", "Payments kept for settlements and questions.", app.recent.len() as f64),
        ("idempotency_keys", "Answers kept under an idempotency key.", app.answers.len() as f64),
        ("connections", "Open connections of the main listeners.", app.places.taken() as f64),
        ("in_flight", "Payments between their last byte and their answer.", admission.in_flight() as f64),
        (
            "queue_wait_seconds",
            "How long a ready request waited for its thread.",
            admission.wait().as_secs_f64(),
        ),
        ("draining", "1 while stopping.", f64::from(u8::from(app.draining()))),
    ] {
        out.family(name, "gauge", help)?;
        out.gauge(&[], value)?;
    }
    if let Some(budget) = pipeline.limits().memory {
        out.family("velocity_budget_bytes", "gauge", "Bytes that velocity may take.")?;
        out.gauge(&[], budget as f64)?;
    }
    out.family("velocity_evictions", "counter", "Entities forgotten to make room, since the windows began.")?;
    out.count(&[], app.engine().velocity().evictions())?;
    out.family("rule_braked", "gauge", "1 while a rule that carries a brake is past it, and so in shadow.")?;
    for (rule, trip) in brakes::carriers(&pipeline) {
        app.metrics.brake_trips(&rule.id); // told from the beginning, as 0
        out.gauge(&[("rule", &rule.id)], f64::from(u8::from(trip.is_some())))?;
    }
    if let Some(cashier) = &app.cashier {
        cashier.tell(out)?;
    }
    let Some(journal) = app.keeper.journal() else { return Ok(()) };
    out.family("journal_records", "counter", "Records of the journal, since it was begun.")?;
    out.count(&[], journal.records())?;
    for (name, help, failed) in [
        ("journal_failed", "1 when the journal's disk has failed.", journal.failure().is_some()),
        ("journal_disk_low", "1 when its next file has no room.", journal.storage_failure().is_some()),
    ] {
        out.family(name, "gauge", help)?;
        out.gauge(&[], f64::from(u8::from(failed)))?;
    }
    Ok(())
}

fn text(kind: &'static str, body: impl Into<Bytes>) -> Response<Reply> {
    let mut response = Response::new(Reply::whole(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
