//! `import model`: a model of another tool, as one of ours.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::open::RulesArgs;
use crate::cli::{exit, print};
use crate::error::Error;
use crate::learn::import::{IMPORT_BYTES_MAX, Inputs, Source};
use crate::pipeline::Options;

/// Bring in a model that another tool trained
///
/// Reads LightGBM's text, XGBoost's JSON and UBJSON, ONNX's tree ensembles, and scikit-learn's forests as
/// plain JSON (docs/models.md says how to write it), of two classes; the format is found by content.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    tollgate import model lgb.txt --map inputs.toml --out models/lgb.json")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Model(ModelArgs),
}

/// Bring in a model that another tool trained
#[derive(clap::Args)]
struct ModelArgs {
    #[command(flatten)]
    rules: RulesArgs,

    /// The model's file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// TOML file that maps features to expressions: `[inputs]` and lines of `name = "expression"`
    #[arg(long, value_name = "FILE")]
    map: PathBuf,

    /// Write the model here
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,

    /// The name decisions carry [default: the name of the file that is written]
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let What::Model(args) = args.what;
    let length = fs::metadata(&args.file).map_err(|e| Error::io(&args.file, e))?.len();
    if length > IMPORT_BYTES_MAX as u64 {
        let why = format!("{length} bytes, at most {IMPORT_BYTES_MAX} are read; train fewer trees");
        return Err(Error::new(why).at(&args.file));
    }
    let bytes = fs::read(&args.file).map_err(|e| Error::io(&args.file, e))?;
    let map = fs::read_to_string(&args.map).map_err(|e| Error::io(&args.map, e))?;
    let source = Source::read(&bytes).map_err(|e| Error::new(e.to_string()).at(&args.file))?;
    let inputs = Inputs::parse(&map).map_err(|e| Error::new(e.to_string()).at(&args.map))?;
    // The expressions must be those of a pipeline that could ask the model.
    let named = Some((args.map.display().to_string(), map));
    args.rules.open_options(Options { inputs: named, without_models: true, ..Options::default() })?;
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.clone().unwrap_or_else(|| stem(&args.out));
    let origin = args.file.file_name().unwrap_or_default().to_string_lossy();
    let trees = source.trees.trees.len();
    let artifact =
        source.artifact(&name, &origin, &inputs).map_err(|e| Error::new(e.to_string()).at(&args.map))?;
    artifact.save(&args.out).map_err(|e| Error::new(e.to_string()))?;
    print(format!("{}: {trees} trees over {} inputs", args.out.display(), artifact.inputs.len()))?;
    Ok(exit::OK)
}
