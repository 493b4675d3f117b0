//! How do texts become a pipeline?

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::entry::Entry;
use super::folder::{Sources, file_name, is_list};
use super::library::{self, Library};
use super::settings::{Settings, inputs_file, policy_file};
use super::{Models, Options, Pipeline, STAGES_MAX};
use crate::decision::{Digest, RULES_MAX};
use crate::error::{Diagnostic, Error};
use crate::expr::Scope;
use crate::list::Lists;
use crate::model::{Role, Served};
use crate::money::{Currency, Rates};
use crate::policy::Policy;
use crate::rules::group::RuleGroup;
use crate::rules::trips::Trips;
use crate::rules::{Rule, file};
use crate::schema::Schema;
use crate::scope::Scoped;
use crate::stage::Stage;

impl Pipeline {
    pub(super) fn build(
        mut sources: Sources,
        library: &Library<'_>,
        options: &Options,
    ) -> Result<Pipeline, Error> {
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
        let mut taken = file::Taken::new();
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
            rules.extend(file::parse(path, text, &mut scope, &mut taken, &mut wrong));
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
            trips: Arc::new(Trips::new(rules.len())),
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
        let scoped = |name| {
            let stage = Scoped::new(name, &numbered, &self.schema, &self.trips);
            stage.map(|s| Box::new(s) as Box<dyn Stage>)
        };
        let general = numbered.iter().filter(|(_, r)| r.scope.is_none()).copied();
        let policy: Box<dyn Stage> = Box::new(Policy::new(RuleGroup::new(general, &self.trips)));
        [scoped("gateway"), scoped("channel"), Some(policy), scoped("institution")]
            .into_iter()
            .flatten()
            .collect()
    }
}
