//! Does any file of another tool make a model that fails? What the fuzz target calls.

use super::{Inputs, Source};
use crate::model::{Artifact, MODEL_INPUTS_MAX};

/// How the formats begin; the first byte picks one, so that none has to be found by chance.
const BEGINNINGS: [&[u8]; 6] = [b"", b"tree\n", b"{", b"{L", b"\x08", b"["];

/// Imports the bytes: what is not refused answers finite numbers, and is the same model once written and read.
pub fn import(bytes: &[u8]) {
    let Some((format, rest)) = bytes.split_first() else { return };
    let file = [BEGINNINGS[usize::from(*format) % BEGINNINGS.len()], rest].concat();
    let Ok(source) = Source::read(&file) else { return };
    if source.features.len() > MODEL_INPUTS_MAX {
        return;
    }
    let quoted = |name: &String| serde_json::Value::from(name.as_str()).to_string();
    let lines: String = source.features.iter().map(|name| quoted(name) + " = \"amount\"\n").collect();
    // A name that TOML can't say, or twice, is the map's mistake.
    let Ok(inputs) = Inputs::parse(&("[inputs]\n".to_owned() + &lines)) else { return };
    let Ok(artifact) = source.artifact("fuzzed", "file", &inputs) else { return };
    let written = serde_json::to_vec(&artifact).expect("a checked model can be written");
    let read = Artifact::read(&written).expect("what was written is read");
    let model = read.compile().expect("what was imported loads");
    for value in [f32::NAN, f32::NEG_INFINITY, f32::MIN, -1.0, 0.0, 0.5, 3.0, f32::MAX] {
        let margin = model.margin(&vec![value; model.width()]);
        assert!(margin.is_finite(), "margin {margin}");
    }
}
