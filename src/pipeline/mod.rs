//! What is loaded, in which order, with which digest?
//!
//! | file | question |
//! |---|---|
//! | `folder.rs` | which files does a folder of rules hold? |
//! | `options.rs` | what is said beside the folder? |
//! | `settings.rs` | what do `policy.toml` and a file of inputs say? |
//! | `library.rs` | which model has this name? |
//! | `build.rs` | how do texts become a pipeline? |
//! | `entry.rs` | what does a bit of a decision stand for? |
//! | `models.rs` | what do the models say of a payment? |
//! | `decide.rs` | how do the stages come to a decision? |

mod build;
mod decide;
mod entry;
mod folder;
mod library;
mod models;
mod options;
mod settings;

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::decision::{Decision, Digest};
use crate::error::Error;
use crate::expr::{Number, Test};
use crate::list::Lists;
use crate::money::Rates;
use crate::rules::text::RuleText;
use crate::rules::trips::Trips;
use crate::rules::{BrakeChange, Rule, Trip};
use crate::schema::Schema;
use crate::stage::{Stage, Thresholds};
use crate::velocity::{Limits, Plan};

pub(crate) use entry::Entry;
use folder::read_folder;
use library::Library;

pub use library::MODEL_FILE_BYTES_MAX;
pub(crate) use library::read_model;
pub(crate) use models::Models;
pub use options::Options;

/// Most stages a pipeline may have.
///
/// ```
/// assert_eq!(tollgate::STAGES_MAX, 32);
/// ```
pub const STAGES_MAX: usize = 32;

/// The ordered stages with the rules, lists and thresholds they use: one immutable value.
///
/// ```
/// use tollgate::Pipeline;
/// let pipeline = Pipeline::shipped()?;
/// assert!(pipeline.rules().len() >= 40);
/// assert_eq!(pipeline.digest(), Pipeline::shipped()?.digest());
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct Pipeline {
    schema: Arc<Schema>,
    lists: Arc<Lists>,
    rates: Arc<Rates>,
    rules: Vec<Rule>,
    /// Which rules are braked: like the lists' items, no part of the digest.
    trips: Arc<Trips>,
    /// What may stand in [`Decision::matched`](crate::Decision::matched): the rules, then the user's own stages.
    entries: Vec<Entry>,
    stages: Vec<Box<dyn Stage>>,
    /// For each stage, the entry that stands for it; `u16::MAX` for built-in stages.
    stage_entries: Vec<u16>,
    plan: Plan,
    aggregate_names: Vec<String>,
    filters: Vec<Test>,
    inputs: Vec<(String, Number)>,
    models: Models,
    input_reasons: Vec<String>,
    thresholds: Thresholds,
    limits: Limits,
    digest: Digest,
}

impl Pipeline {
    /// Reads the rule files of a folder: `schema.toml`, `rates.toml`, `policy.toml`, `lists/` and
    /// every other `*.toml` as rules, in order of their names. Models that `policy.toml` names are read
    /// from `models/NAME.json` in the folder, or beside it, or are those built in.
    ///
    /// # Errors
    /// Every mistake in every file, each with its place; or why the folder can't be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Pipeline, Error> {
        Pipeline::open_with(dir, &Options::default())
    }

    /// As [`Pipeline::open`], with settings.
    ///
    /// # Errors
    /// As [`Pipeline::open`].
    pub fn open_with(dir: impl AsRef<Path>, options: &Options) -> Result<Pipeline, Error> {
        let dir = dir.as_ref();
        Pipeline::build(read_folder(dir)?, &Library::Folder(dir), options)
    }

    /// From texts at hand, each with its path; models are those of `dir`, or those built in.
    ///
    /// # Errors
    /// As [`Pipeline::open`].
    #[cfg(feature = "serve")]
    pub(crate) fn of_texts(
        sources: Vec<(String, String)>,
        dir: Option<&Path>,
        options: &Options,
    ) -> Result<Pipeline, Error> {
        Pipeline::build(sources, &dir.map_or(Library::Shipped, Library::Folder), options)
    }

    /// The rule packs that come with the crate.
    ///
    /// # Errors
    /// None that a release could have: they are tested.
    pub fn shipped() -> Result<Pipeline, Error> {
        Pipeline::shipped_with(&Options::default())
    }

    /// The shipped rule packs, with settings.
    ///
    /// # Errors
    /// Mistakes in the settings' own schema.
    pub fn shipped_with(options: &Options) -> Result<Pipeline, Error> {
        let sources = crate::rules::shipped::FILES.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned()));
        Pipeline::build(sources.collect(), &Library::Shipped, options)
    }

    /// Appends a stage of the user's own, which is asked after the built-in ones.
    ///
    /// # Panics
    /// Past [`STAGES_MAX`] stages: a program's own mistake.
    #[must_use]
    pub fn then(mut self, stage: impl Stage + 'static) -> Pipeline {
        assert!(self.stages.len() < STAGES_MAX, "a pipeline has at most {STAGES_MAX} stages");
        let mut hash = Sha256::new();
        hash.update(self.digest.0);
        hash.update(stage.name());
        self.digest.0.copy_from_slice(&hash.finalize()[..16]);
        self.stage_entries.push(self.entries.len() as u16);
        self.entries.push(Entry::of_stage(stage.name()));
        self.stages.push(Box::new(stage));
        self
    }

    /// The fields its payments have.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Its lists, which may be edited while it scores.
    pub fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    /// Its exchange rates.
    pub fn rates(&self) -> &Arc<Rates> {
        &self.rates
    }

    /// Its rules, by the index that decisions use.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules that are braked now, and why.
    ///
    /// ```
    /// use tollgate::{Engine, Pipeline};
    /// let engine = Engine::new(Pipeline::shipped()?);
    /// assert_eq!(engine.pipeline().braked().len(), 0);
    /// # Ok::<(), tollgate::Error>(())
    /// ```
    pub fn braked(&self) -> Vec<(&Rule, Trip)> {
        let rule = |(rule, trip): (usize, Trip)| Some((self.rules.get(rule)?, trip));
        self.trips.all().into_iter().filter_map(rule).collect()
    }

    /// Brakes a rule that carries a brake, or releases it; whether that changed anything.
    pub(crate) fn brake(&self, change: &BrakeChange) -> bool {
        let carries = |rule: &Rule| rule.id == change.rule && rule.brake.is_some();
        self.rules.iter().position(carries).is_some_and(|rule| self.trips.set(rule, change.trip))
    }

    /// Whether the rule of this index is braked now.
    #[cfg(feature = "serve")]
    pub(crate) fn is_braked(&self, rule: usize) -> bool {
        self.trips.has(rule)
    }

    /// Brakes the rules that the pipeline before it had braked and that say the same here, and no others.
    pub(crate) fn brake_as(&self, before: &Pipeline) {
        self.trips.clear();
        for (old, trip) in before.braked() {
            let same = |rule: &Rule| rule.id == old.id && rule.digest() == old.digest();
            if let Some(rule) = self.rules.iter().position(same) {
                self.trips.set(rule, Some(trip));
            }
        }
    }

    /// What the rule of this id says; `None` when there is none.
    pub(crate) fn rule_text(&self, id: &str) -> Option<RuleText> {
        self.rules.iter().find(|rule| rule.id == id).map(Rule::digest)
    }

    /// Releases every rule.
    pub(crate) fn release_all(&self) {
        self.trips.clear();
    }

    /// Whether a rule that a decision says matched had no effect on it: in shadow, or braked.
    pub(crate) fn in_shadow(&self, decision: &Decision, rule: usize) -> bool {
        decision.braked.contains(rule) || self.entries.get(rule).is_some_and(|entry| entry.shadow)
    }

    /// Its stages' names, in order.
    pub fn stages(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|s| s.name())
    }

    /// The velocity values it needs, by the index that decisions use.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How an aggregate is written in rules.
    pub fn aggregate_name(&self, index: usize) -> &str {
        self.aggregate_names.get(index).map_or("", String::as_str)
    }

    /// The named expressions of [`Options::inputs`], in order; every velocity value of the rules when
    /// there are none.
    pub fn inputs(&self) -> &[(String, Number)] {
        &self.inputs
    }

    /// The models it asks.
    pub(crate) fn models(&self) -> &Models {
        &self.models
    }

    /// The machine codes of reasons that rest on the inputs, one each; empty where the file names none.
    pub(crate) fn input_reasons(&self) -> &[String] {
        &self.input_reasons
    }

    /// Where the score turns into an outcome.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// How much the velocity store may keep.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Stands for all it was built from; every decision carries it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether a memory laid out for this pipeline serves the other too.
    pub(crate) fn same_memory(&self, other: &Pipeline) -> bool {
        self.plan == other.plan
            && self.filters == other.filters
            && self.limits == other.limits
            && self.schema.seed() == other.schema.seed()
            && self.schema.fields().eq(other.schema.fields())
            && self.rates.version() == other.rates.version()
            && self.rates.base() == other.rates.base()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pipeline({}, {} rules)", self.digest, self.rules.len())
    }
}
