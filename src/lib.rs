//! tollgate scores every payment for fraud risk, in microseconds, in the process that needs the answer.
//!
//! A [`Pipeline`] is what is loaded: schema, lists, rules and stages, from a folder or the packs that
//! come with the crate. An [`Engine`] is a pipeline and the memory of the past; [`Engine::score`]
//! decides about one payment with what was known before it, and remembers it. The [`Decision`] is
//! plain data; [`Engine::describe`] puts it into words.
//!
//! ```
//! use tollgate::{Currency, Effect, Engine, Flow, Money, Outcome, Payment, Pipeline, Timestamp, Value, field, stage};
//!
//! // The shipped rules, and one stage of one's own.
//! let pipeline = Pipeline::shipped()?.then(stage("big-ticket", |facts, assessment| {
//!     if facts.payment.amount().is_some_and(|m| m.major() >= 10_000.0) {
//!         assessment.raise(Effect::Review);
//!     }
//!     Flow::Continue
//! }));
//! let engine = Engine::new(pipeline);
//! let schema = engine.pipeline().schema().clone();
//!
//! let mut payment = Payment::new(&schema);
//! payment.set(&schema, field::ID, Value::Token("pay_1")).unwrap();
//! payment.set(&schema, field::AT, Value::Timestamp(Timestamp::parse("2026-11-23T12:00:00Z").unwrap())).unwrap();
//! let amount = Money::parse("12000.00", Currency::parse("USD").unwrap()).unwrap();
//! payment.set(&schema, field::AMOUNT, Value::Money(amount)).unwrap();
//!
//! let decision = engine.score(&payment);
//! assert_eq!(decision.outcome, Outcome::Review);
//! let words = engine.describe(&payment, &decision).unwrap();
//! assert_eq!(words.reasons[0].code, "BIG_TICKET");
//! # Ok::<(), tollgate::Error>(())
//! ```

#![deny(missing_docs)]
#![deny(unsafe_code)]

mod answer;
mod attribution;
pub mod batch;
#[cfg(feature = "bench")]
mod bench;
pub mod channel;
#[doc(hidden)]
pub mod cli;
pub mod codec;
mod comparison;
mod counterfactual;
mod decision;
mod describe;
mod engine;
mod error;
mod expr;
#[cfg(feature = "failpoints")]
pub mod failpoint;
#[cfg(not(feature = "failpoints"))]
mod failpoint;
#[cfg(feature = "serve")]
pub mod institution;
mod journal;
pub mod learn;
mod list;
mod matched;
mod model;
mod money;
pub mod pay;
mod payment;
mod pipeline;
mod policy;
mod report;
mod risk;
mod rules;
mod schema;
mod scope;
#[cfg(feature = "serve")]
mod serve;
mod simulate;
#[cfg(feature = "serve")]
pub mod sms;
mod stage;
mod time;
mod token;
mod velocity;

pub use attribution::{Attribution, InputValue, ModelReason};
pub use comparison::Comparison;
pub use counterfactual::{COUNTERFACTUAL_TRIES_MAX, Counterfactual};
pub use decision::{
    CONTRIBUTIONS_MAX, Challenged, Contribution, Decision, Degraded, Digest, Outcome, RULES_MAX, RuleSet,
    Seen, VALUES_MAX,
};
pub use describe::{ChallengerAnswer, Description, Explanation, Reason, Truth};
pub use engine::{Engine, Event};
pub use error::{Diagnostic, Error, ErrorKind};
pub use expr::{Columns, ExprError, Facts, Limits as ExprLimits, Number, Scope, Test};
pub use journal::{
    Busy, Contents, Durability, EditError, Journal, JournalSettings, Recovered, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN, Ticket,
};
pub use learn::{
    BOOST_DEPTH_MAX, BOOST_TREES_MAX, Boost, CalibrationKind, FOREST_TREES_MAX, History,
    ISOLATION_SAMPLES_MAX, ISOLATION_TREES_MAX, ISOTONIC_FRAUDS_MIN, ISOTONIC_POINTS_MAX, IsolationForest,
    Labels, Learner, LogisticBaseline, Matrix, Period, RandomForest, Rows, Stake, Stopping,
    TRAINING_ROWS_MAX, Training, calibration, calibration_error, train,
};
pub use list::{
    LIST_ITEMS_MAX, LIST_VALUE_BYTES_MAX, LISTS_MAX, List, ListEdit, ListError, ListItem, ListKind, Lists,
};
pub use model::{
    Artifact, Branch, Calibration, Combine, Form, Input, Logistic, MODEL_BYTES_MAX, MODEL_DEPTH_MAX,
    MODEL_INPUTS_MAX, MODEL_NODES_MAX, MODEL_TREE_NODES_MAX, MODEL_TREES_MAX, Model, ModelError, Node,
    Sample, TrainingCard, Tree, Trees, Width, score_of,
};
pub use money::{AMOUNT_MINOR_MAX, AmountError, Currency, Money, Rate, Rates};
pub use payment::{FieldError, ITEMS_MAX, Item, Payment};
pub use pipeline::{MODEL_FILE_BYTES_MAX, Options, Pipeline, STAGES_MAX};
pub use risk::Risk;
pub use rules::{
    BRAKE_PAYMENTS_MIN, Brake, BrakeChange, Example, RULE_FILE_BYTES_MAX, Rule, RuleScope, Trip,
};
#[doc(hidden)]
pub use rules::{RuleColumns, RuleIndex};
pub use schema::{
    Column, Country, FIELDS_MAX, Field, FieldId, ITEM_FIELDS, Kind, Schema, TEXT_BYTES_MAX, Value, field,
};
#[cfg(feature = "serve")]
pub use serve::Sidecar;
pub use simulate::{
    SIMULATED_DAYS_MAX, SIMULATED_FRAUD_MAX, SIMULATED_FRAUDS_MAX, SIMULATED_PARTIES_MAX,
    SIMULATED_PAYMENTS_MAX, Simulator, SimulatorSettings,
};
pub use stage::{Assessment, Effect, Flow, SCORE_MAX, Settlement, Stage, Thresholds, stage};
pub use time::{Span, Timestamp};
pub use token::{CardToken, KEY_BYTES_MIN, PAN_DIGITS_MAX, PAN_DIGITS_MIN, TokenKey, contains_pan, redact};
pub use velocity::{
    AGGREGATES_MAX, Aggregate, ENTITIES_MAX, ENTITY_FIELDS_MAX, EVENTS_MAX, Entity, FILTERS_MAX, Function,
    Limits as VelocityLimits, MEMORY_MIN, Op, Plan, PlanFull, Status, Velocity, WINDOW_MAX,
};

/// What the fuzz targets call; no part of the crate's interface.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::channel::card::fuzz as iso8583;
    #[cfg(feature = "serve")]
    pub use crate::channel::fuzzing::wallet;
    pub use crate::codec::fuzzing::{csv_rows, json_payment};
    pub use crate::journal::fuzzing::journal;
    pub use crate::learn::import::fuzzing::import;
    pub use crate::model::fuzzing::model;
    pub use crate::rules::fuzzing::{expression, rule_file};
    #[cfg(feature = "serve")]
    pub use crate::serve::spop::fuzzing::spop;
}
