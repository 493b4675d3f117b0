//! `/v1/brakes`: which rules have gone past their brake, and how are they released?

use hyper::Response;
use serde::Serialize;

use super::app::App;
use super::keeper::not_recorded;
use super::log::{self, Level};
use super::problem::{Kind, Problem};
use super::reply::Reply;
use super::score::fresh;
use crate::error::nearest;
use crate::pipeline::Pipeline;
use crate::rules::{BrakeChange, Rule, Trip};

#[derive(Serialize)]
struct Brakes<'a> {
    brakes: Vec<Shown<'a>>,
}

/// A rule that carries a brake.
#[derive(Serialize)]
struct Shown<'a> {
    rule: &'a str,
    brake: String,
    /// By its own file, so that it is not watched.
    shadow: bool,
    braked: bool,
    /// Of the trip: when, and how many matches of how many payments there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payments: Option<u64>,
}

impl Shown<'_> {
    fn of(rule: &Rule, trip: Option<Trip>) -> Option<Shown<'_>> {
        Some(Shown {
            rule: &rule.id,
            brake: rule.brake?.to_string(),
            shadow: rule.shadow,
            braked: trip.is_some(),
            since: trip.map(|trip| trip.at.to_string()),
            matches: trip.map(|trip| trip.matches),
            payments: trip.map(|trip| trip.payments),
        })
    }
}

#[derive(Serialize)]
struct Released<'a> {
    rule: &'a str,
    released: bool,
}

/// The rules of a pipeline that carry a brake, and why they are braked.
pub(super) fn carriers(pipeline: &Pipeline) -> impl Iterator<Item = (&Rule, Option<Trip>)> {
    let braked = pipeline.braked();
    pipeline.rules().iter().filter(|rule| rule.brake.is_some()).map(move |rule| {
        let trip = braked.iter().find(|(other, _)| other.id == rule.id).map(|(_, trip)| *trip);
        (rule, trip)
    })
}

/// All rules that carry a brake.
pub(super) fn list(app: &App) -> Response<Reply> {
    let pipeline = app.engine().pipeline();
    let brakes = carriers(&pipeline).filter_map(|(rule, trip)| Shown::of(rule, trip)).collect();
    // Plain data always serialises.
    fresh(serde_json::to_vec(&Brakes { brakes }).unwrap_or_default())
}

/// Gives a rule its effect back, and waits until that is recorded.
///
/// # Errors
/// When no rule of this id carries a brake, or it could not be recorded.
pub(super) async fn release(app: &App, id: &str) -> Result<Response<Reply>, Problem> {
    let (released, recorded) = {
        let pipeline = app.engine().pipeline();
        if carriers(&pipeline).all(|(rule, _)| rule.id != id) {
            let none = Problem::new(Kind::NotFound, "no rule of this id carries a brake");
            return Err(match nearest(id, carriers(&pipeline).map(|(rule, _)| rule.id.as_str())) {
                Some(near) => none.remedy(format!("did you mean `{near}`?")),
                None => none.remedy("GET /v1/brakes lists those that do"),
            });
        }
        app.keeper.brake(&pipeline, BrakeChange { rule: id.to_owned(), trip: None })?
    };
    recorded.done().await.map_err(|busy| not_recorded(&busy))?;
    if released {
        log::event(Level::Info, "rule_released", &[("rule", id.into()), ("why", "api".into())]);
    }
    Ok(fresh(serde_json::to_vec(&Released { rule: id, released }).unwrap_or_default()))
}
