//! Which rules and which files? The options that several commands share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::batch::{self, Sink, Work};
use crate::codec::{Format, Reader, Settings};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::pipeline::{Options, Pipeline, read_model};
use crate::report::output::Output;
use crate::report::progress::Progress;
use crate::report::summary::Summary;
use crate::schema::Schema;
use crate::token::TokenKey;

/// The folder that is looked for when no rules are named.
const RULES_DIR: &str = "rules";
/// The file of a folder that holds its schema.
const SCHEMA_FILE: &str = "schema.toml";
/// The variable that holds the token key.
const TOKEN_KEY_VARIABLE: &str = "TOLLGATE_TOKEN_KEY";

#[derive(Args)]
pub(super) struct RulesArgs {
    /// Folder of rule files [default: ./rules if it is there, else the packs built in]
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<PathBuf>,

    /// Schema file to use instead of the folder's own schema.toml
    #[arg(long, value_name = "FILE")]
    pub(super) schema: Option<PathBuf>,
}

/// [`RulesArgs`] of commands about a folder, which may be named by itself.
#[derive(Args)]
pub(super) struct FolderArgs {
    /// Folder of rule files, as --rules
    #[arg(value_name = "DIR", conflicts_with = "rules")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    rules: RulesArgs,
}

impl FolderArgs {
    pub(super) fn open(self) -> Result<Pipeline, Error> {
        let rules = self.rules.rules.or(self.dir);
        RulesArgs { rules, ..self.rules }.open()
    }
}

#[derive(Args, Default)]
pub(super) struct ModelArgs {
    /// Model whose score counts, instead of the one that policy.toml names
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Model that is asked too and compared with it, without effect
    #[arg(long, value_name = "FILE")]
    challenger: Option<PathBuf>,

    /// For commands that ask no model.
    #[arg(skip)]
    none: bool,
}

impl ModelArgs {
    fn read(path: &Option<PathBuf>) -> Result<Option<(String, String)>, Error> {
        let Some(path) = path else { return Ok(None) };
        let text = read_model(path).map_err(Error::new)?;
        Ok(Some((path.display().to_string(), text)))
    }
}

impl RulesArgs {
    pub(super) fn open(&self) -> Result<Pipeline, Error> {
        self.open_with(None, &ModelArgs::default())
    }

    /// With models other than those that the folder names.
    pub(super) fn open_with_models(&self, models: &ModelArgs) -> Result<Pipeline, Error> {
        self.open_with(None, models)
    }

    /// With a file of named inputs, which the pipeline then computes too, and without models: what they are
    /// trained from must be there before they are.
    pub(super) fn open_with_inputs(&self, inputs: Option<&Path>) -> Result<Pipeline, Error> {
        let models = ModelArgs { none: true, ..ModelArgs::default() };
        self.open_with(inputs, &models)
    }

    fn open_with(&self, inputs: Option<&Path>, models: &ModelArgs) -> Result<Pipeline, Error> {
        self.open_options(Options {
            inputs: inputs.map(read).transpose()?,
            model: ModelArgs::read(&models.model)?,
            challenger: ModelArgs::read(&models.challenger)?,
            without_models: models.none,
            ..Options::default()
        })
    }

    /// With settings; key and schema are the command line's unless they are set.
    pub(super) fn open_options(&self, options: Options) -> Result<Pipeline, Error> {
        let schema = match (options.schema, &self.schema) {
            (None, Some(path)) => Some(read(path)?),
            (schema, _) => schema,
        };
        let options = Options { token_key: token_key()?, schema, ..options };
        match self.folder() {
            Some(dir) => Pipeline::open_with(dir, &options),
            None => Pipeline::shipped_with(&options),
        }
    }

    /// The folder that counts, and settings with the command line's key and schema.
    #[cfg(feature = "serve")]
    pub(super) fn source(&self, options: Options) -> Result<(Option<PathBuf>, Options), Error> {
        let schema = self.schema.as_deref().map(read).transpose()?;
        Ok((self.folder().map(Path::to_owned), Options { token_key: token_key()?, schema, ..options }))
    }

    fn folder(&self) -> Option<&Path> {
        self.rules.as_deref().or_else(|| Some(Path::new(RULES_DIR)).filter(|dir| dir.is_dir()))
    }

    /// Path and content of the schema in force; empty where it is the standard one.
    pub(super) fn schema_text(&self) -> Result<(String, String), Error> {
        let own = self.folder().map(|dir| dir.join(SCHEMA_FILE)).filter(|path| path.is_file());
        match self.schema.clone().or(own) {
            Some(path) => read(&path),
            None => Ok((SCHEMA_FILE.to_owned(), String::new())),
        }
    }
}

fn read(path: &Path) -> Result<(String, String), Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    Ok((path.display().to_string(), text))
}

fn token_key() -> Result<Option<TokenKey>, Error> {
    match std::env::var(TOKEN_KEY_VARIABLE) {
        Ok(text) => TokenKey::parse(&text)
            .map(Some)
            .map_err(|m| Error::new(format!("{TOKEN_KEY_VARIABLE}: {m}")).of(ErrorKind::Rules)),
        Err(_) => Ok(None),
    }
}

#[derive(Args)]
pub(super) struct InputArgs {
    /// Files of payments; `-` or none for standard input
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Format of the input [default: by file name, else by content]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(super) from: Option<Format>,

    /// Refuse fields and columns that the schema does not know, instead of counting them
    #[arg(long)]
    pub(super) strict: bool,

    /// Write rows that are no payments here, as JSON lines: file, line, column, reason, raw
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,

    /// Stop when more rows than this are no payments
    #[arg(long, value_name = "N")]
    pub(super) max_rejects: Option<u64>,
}

impl InputArgs {
    pub(super) fn open(&self, schema: &Arc<Schema>) -> Result<Vec<Reader>, Error> {
        let settings = Settings { format: self.from, strict: self.strict, ..Settings::default() };
        let stdin = [PathBuf::from("-")];
        let files = if self.files.is_empty() { &stdin[..] } else { &self.files };
        files.iter().map(|file| Reader::open(file, schema.clone(), settings.clone())).collect()
    }
}

#[derive(Args)]
pub(super) struct RunArgs {
    /// Threads that score [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Print the run's figures as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl RunArgs {
    /// Takes the input's payments through the engine, with a progress bar, and closes the output.
    pub(super) fn run(
        &self,
        engine: &Engine,
        input: &InputArgs,
        work: Work,
        mut output: Output,
    ) -> Result<Summary, Error> {
        let summary = self.collect(engine, input, work, &mut output)?;
        output.finish()?;
        Ok(summary)
    }

    /// Takes the input's payments through the engine into a sink, with a progress bar.
    pub(super) fn collect(
        &self,
        engine: &Engine,
        input: &InputArgs,
        work: Work,
        sink: &mut dyn Sink,
    ) -> Result<Summary, Error> {
        let readers = input.open(engine.pipeline().schema())?;
        let progress = Progress::new(readers.iter().map(Reader::total_bytes).sum());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads.map_or(0, usize::from))
            .build()
            .map_err(|e| Error::new(e.to_string()))?;
        let tally = pool.install(|| batch::run(engine, readers, work, input.max_rejects, sink, &progress));
        progress.finish();
        Ok(Summary::new(&tally?, engine))
    }
}

/// Reads a format's name.
pub(super) fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| format!("the formats are {}", Format::names().join(", ")))
}
