//! What is loaded, in which order, with which digest?

mod folder;
mod library;
mod models;
mod settings;

use std::path::Path;
use std::sync::Arc;

use arrayvec::ArrayVec;
use sha2::{Digest as _, Sha256};

use crate::decision::{Challenged, Decision, Degraded, Digest, Outcome, RULES_MAX, Seen};
use crate::error::{Diagnostic, Error};
use crate::expr::{Facts, Number, Scope, Test};
use crate::list::Lists;
use crate::model::{Role, Served};
use crate::money::{Currency, Rates};
use crate::policy::Policy;
use crate::risk::Risk;
use crate::rules::group::RuleGroup;
use crate::rules::{Rule, file};
use crate::schema::{FieldId, Schema};
use crate::scope::Scoped;
use crate::stage::{Assessment, Flow, Stage, Thresholds};
use crate::token::TokenKey;
use crate::velocity::{Limits, Plan};

use folder::{Sources, file_name, is_list, read_folder};
use library::Library;
use models::{Answers, Scratch, with_scratch};
use settings::{Settings, inputs_file, policy_file};

pub use library::MODEL_FILE_BYTES_MAX;
pub(crate) use library::read_model;
pub(crate) use models::Models;

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
    /// What may stand in [`Decision::matched`]: the rules, then the user's own stages.
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

/// What a bit of [`Decision::matched`] stands for.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) reason: String,
    pub(crate) text: String,
    pub(crate) effect: String,
    pub(crate) shadow: bool,
    pub(crate) fields: Vec<FieldId>,
    pub(crate) aggregates: Vec<usize>,
}

/// Settings that don't belong into a folder of rules.
///
/// ```
/// use tollgate::{Options, Pipeline, TokenKey};
/// let options = Options { token_key: Some(TokenKey::new("k1", &[7; 32]).unwrap()), ..Options::default() };
/// assert!(Pipeline::shipped_with(&options)?.schema().token_key().is_some());
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The key card numbers are tokenised with; they are refused without one.
    pub token_key: Option<TokenKey>,
    /// Seed of all hashes of text; draw one where strangers choose the texts.
    pub seed: u64,
    /// A schema file to use instead of the folder's own `schema.toml`: path and content.
    pub schema: Option<(String, String)>,
    /// A file of named expressions that the pipeline computes besides its rules: path and content.
    /// TOML, `[inputs]` and lines of `name = "expression"` or of
    /// `name = { expression = "...", reason = "CODE" }`.
    pub inputs: Option<(String, String)>,
    /// A model whose score counts, instead of the one that `policy.toml` names: path and content.
    pub model: Option<(String, String)>,
    /// A model that is compared with it, likewise.
    pub challenger: Option<(String, String)>,
    /// Leaves the models that `policy.toml` names alone: for what is asked before they are there, training
    /// them first of all.
    pub without_models: bool,
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

    fn build(mut sources: Sources, library: &Library<'_>, options: &Options) -> Result<Pipeline, Error> {
        sources.sort();
        if let Some((path, text)) = &options.schema {
            sources.retain(|(p, _)| file_name(p) != "schema.toml");
            sources.insert(0, (path.clone(), text.clone()));
        }
        let mut wrong = Vec::new();
        let find = |name: &str| sources.iter().find(|(path, _)| file_name(path) == name);
        let schema_source = if options.schema.is_some() { sources.first() } else { find("schema.toml") };
        let mut schema = match schema_source {
            Some((path, text)) => Schema::parse(path, text).unwrap_or_else(|e| {
                wrong.extend(e);
                Schema::standard()
            }),
            None => Schema::standard(),
        };
        schema = schema.with_seed(options.seed);
        if let Some(key) = &options.token_key {
            schema = schema.with_token_key(key.clone());
        }
        let rates = match find("rates.toml") {
            Some((path, text)) => Rates::parse(text).map_err(|m| wrong.push(Diagnostic::whole(path, m))).ok(),
            None => None,
        }
        .unwrap_or_else(|| {
            let base = schema.default_currency().or(Currency::parse("USD"));
            Rates::only(base.expect("USD is a currency"))
        });
        let lists = Lists::read(&sources, &schema).unwrap_or_else(|e| {
            wrong.extend(e);
            Lists::empty()
        });
        let policy = find("policy.toml");
        let Settings { thresholds, limits, models: names } = match policy {
            Some((path, text)) => policy_file(path, text, &mut wrong),
            None => Settings::default(),
        };
        let given = [options.model.clone(), options.challenger.clone(), None];
        let artifacts: Vec<(Role, (String, String))> = Role::ALL
            .into_iter()
            .zip(given.into_iter().zip(&names))
            .filter(|_| !options.without_models)
            .filter_map(|(role, (given, name))| {
                let named = || {
                    let (path, text) = policy?;
                    library::named(library, name.as_ref()?, (path, text), &mut wrong)
                };
                Some((role, given.or_else(named)?))
            })
            .collect();

        let (schema, lists, rates) = (Arc::new(schema), Arc::new(lists), Arc::new(rates));
        let mut scope = Scope::new(schema.clone(), lists.clone(), rates.clone());
        let mut rules: Vec<Rule> = Vec::new();
        let schema_path = schema_source.map(|(path, _)| path.as_str());
        for (path, text) in &sources {
            let name = file_name(path);
            if !name.ends_with(".toml")
                || is_list(path)
                || ["rates.toml", "policy.toml"].contains(&name)
                || Some(path.as_str()) == schema_path
            {
                continue;
            }
            for rule in file::parse(path, text, &mut scope, &mut wrong) {
                match rules.iter().find(|other| other.id == rule.id) {
                    Some(other) => wrong.push(
                        Diagnostic::whole(
                            format!("{}:{}", rule.path, rule.line),
                            format!("there is a rule `{}` already", rule.id),
                        )
                        .help(format!("the other is at {}:{}", other.path, other.line)),
                    ),
                    None => rules.push(rule),
                }
            }
        }
        if rules.len() + STAGES_MAX > RULES_MAX {
            wrong.push(Diagnostic::whole(
                "rules",
                format!("{} rules; a pipeline has at most {}", rules.len(), RULES_MAX - STAGES_MAX),
            ));
        }
        let mut models = Models::default();
        for (role, (path, text)) in &artifacts {
            if let Some(served) = Served::read(*role, path, text, &mut scope, &mut wrong) {
                models.put(*role, served);
            }
        }
        let inputs = match &options.inputs {
            Some((path, text)) => inputs_file(path, text, &mut scope, &mut wrong),
            None => Vec::new(),
        };
        let (inputs, input_reasons) =
            inputs.into_iter().map(|(name, number, reason)| ((name, number), reason)).unzip();
        if !wrong.is_empty() {
            wrong.sort_by(|a, b| (a.path(), a.place()).cmp(&(b.path(), b.place())));
            return Err(wrong.into());
        }

        let mut hash = Sha256::new();
        lists.write_digest(&mut |bytes| hash.update(bytes));
        let texts = sources.iter().filter(|(path, _)| !is_list(path));
        let texts = texts.map(|(path, text)| (file_name(path), text));
        let texts = texts.chain(artifacts.iter().map(|(role, (_, text))| (role.name(), text)));
        for part in texts.flat_map(|(name, text)| [name, text.as_str()]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut digest = Digest::default();
        digest.0.copy_from_slice(&hash.finalize()[..16]);

        let entries = rules.iter().map(Entry::of_rule).collect();
        let aggregate_names = scope.plan().aggregates().iter().map(|a| scope.spell(a)).collect();
        let mut pipeline = Pipeline {
            aggregate_names,
            plan: scope.plan().clone(),
            filters: scope.filters().to_vec(),
            schema,
            lists,
            rates,
            rules,
            entries,
            inputs,
            models,
            input_reasons,
            stages: Vec::new(),
            stage_entries: Vec::new(),
            thresholds,
            limits,
            digest,
        };
        pipeline.stages = pipeline.built_in_stages();
        pipeline.stage_entries = vec![u16::MAX; pipeline.stages.len()];
        Ok(pipeline)
    }

    fn built_in_stages(&self) -> Vec<Box<dyn Stage>> {
        let numbered: Vec<(u16, &Rule)> = (0u16..).zip(&self.rules).collect();
        let scoped = |name| Scoped::new(name, &numbered, &self.schema).map(|s| Box::new(s) as Box<dyn Stage>);
        let general = numbered.iter().filter(|(_, r)| r.scope.is_none()).copied();
        let policy: Box<dyn Stage> = Box::new(Policy::new(RuleGroup::new(general)));
        [scoped("gateway"), scoped("channel"), Some(policy), scoped("institution")]
            .into_iter()
            .flatten()
            .collect()
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

    /// Which `where` conditions hold for the payment, as bits.
    pub(crate) fn filters(&self, payment: &crate::payment::Payment) -> u32 {
        let facts = Facts::new(payment, &[]);
        (0..)
            .zip(&self.filters)
            .fold(0, |bits, (i, test)| bits | u32::from(test.holds(facts) == Some(true)) << i)
    }

    /// The decision about a payment whose activity is known.
    pub(crate) fn decide(&self, facts: Facts<'_>, degraded: Degraded) -> Decision {
        with_scratch(|scratch| {
            self.models.ask(&[facts], scratch);
            self.decide_one(facts, degraded, scratch)
        })
    }

    fn decide_one(&self, facts: Facts<'_>, degraded: Degraded, scratch: &mut Scratch) -> Decision {
        let answers = scratch.answers[0];
        let facts = Facts { risk: &answers.risk, ..facts };
        let mut assessment = Assessment::new(Answers::base(answers.risk.probability));
        for (stage, &entry) in self.stages.iter().zip(&self.stage_entries) {
            assessment.enter(entry);
            if stage.assess(facts, &mut assessment) == Flow::Stop {
                break;
            }
        }
        self.conclude(&assessment, facts, degraded, &answers, (0, scratch))
    }

    /// What the models say of a payment whose activity is known.
    pub(crate) fn risk(&self, facts: Facts<'_>) -> Risk {
        with_scratch(|scratch| {
            self.models.ask(&[facts], scratch);
            scratch.answers[0].risk
        })
    }

    /// The decisions about many payments, stage by stage; one for each into `out`.
    pub(crate) fn decide_all(&self, facts: &[Facts<'_>], degraded: &[Degraded], out: &mut [Decision]) {
        with_scratch(|scratch| {
            self.models.ask(facts, scratch);
            self.decide_many(facts, degraded, out, scratch);
        });
    }

    fn decide_many(
        &self,
        facts: &[Facts<'_>],
        degraded: &[Degraded],
        out: &mut [Decision],
        scratch: &mut Scratch,
    ) {
        let answers = scratch.answers.clone();
        let rows = facts.iter().zip(&answers);
        let facts: Vec<Facts<'_>> = rows.map(|(facts, a)| Facts { risk: &a.risk, ..*facts }).collect();
        let bases = answers.iter().map(|a| Answers::base(a.risk.probability));
        let mut assessments: Vec<Assessment> = bases.map(Assessment::new).collect();
        let mut flows = vec![Flow::Continue; facts.len()];
        for (stage, &entry) in self.stages.iter().zip(&self.stage_entries) {
            assessments.iter_mut().for_each(|a| a.enter(entry));
            stage.assess_all(&facts, &mut assessments, &mut flows);
        }
        for (i, decision) in out.iter_mut().enumerate() {
            *decision = self.conclude(&assessments[i], facts[i], degraded[i], &answers[i], (i, scratch));
        }
    }

    /// The decision of an assessment; the champion's inputs are a row of the scratch.
    fn conclude(
        &self,
        assessment: &Assessment,
        facts: Facts<'_>,
        degraded: Degraded,
        answers: &Answers,
        (row, scratch): (usize, &mut Scratch),
    ) -> Decision {
        let (outcome, deciding) = assessment.decide(&self.thresholds);
        let mut seen: ArrayVec<Seen, { crate::decision::VALUES_MAX }> = ArrayVec::new();
        // The deciding rule's values first, so that they are the last to be left out.
        let others = assessment.matched().iter().filter(|r| Some(*r as u16) != deciding);
        for rule in deciding.map(usize::from).into_iter().chain(others) {
            for &aggregate in self.entries.get(rule).map_or(&[][..], |e| &e.aggregates) {
                let aggregate = aggregate as u16;
                if seen.iter().all(|s| s.aggregate != aggregate) {
                    let value = facts.activity.get(usize::from(aggregate)).copied().unwrap_or(f64::NAN);
                    let _ = seen.try_push(Seen { aggregate, value });
                }
            }
        }
        let score = assessment.score();
        let asked_why = outcome != Outcome::Approve || self.thresholds.lowest().is_some_and(|t| score >= t);
        let present = |answer: f64| (!answer.is_nan()).then_some(answer);
        Decision {
            outcome,
            score,
            probability: present(answers.risk.probability),
            anomaly: present(answers.risk.anomaly),
            contributions: match asked_why && !answers.risk.probability.is_nan() {
                true => self.models.contributions(row, scratch),
                false => ArrayVec::new(),
            },
            challenged: present(answers.challenger).map(|probability| {
                let base = Answers::base(probability);
                Challenged {
                    probability,
                    score: assessment.score_from(base),
                    outcome: assessment.decide_from(base, &self.thresholds).0,
                }
            }),
            degraded: degraded | answers.degraded,
            deciding,
            digest: self.digest,
            matched: *assessment.matched(),
            seen,
        }
    }

    pub(crate) fn settle(&self, facts: Facts<'_>, settlement: crate::stage::Settlement) {
        for stage in self.stages.iter().rev() {
            stage.settle(facts, settlement);
        }
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pipeline({}, {} rules)", self.digest, self.rules.len())
    }
}

impl Entry {
    fn of_rule(rule: &Rule) -> Entry {
        let inputs = rule.when.inputs();
        Entry {
            id: rule.id.clone(),
            reason: rule.reason.clone(),
            text: rule.text.clone(),
            effect: rule.effect.to_string(),
            shadow: rule.shadow,
            fields: inputs.field_ids().collect(),
            aggregates: inputs.aggregates,
        }
    }

    fn of_stage(name: &str) -> Entry {
        Entry {
            id: name.to_owned(),
            reason: name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
            text: String::new(),
            effect: "stage".to_owned(),
            shadow: false,
            fields: Vec::new(),
            aggregates: Vec::new(),
        }
    }
}
