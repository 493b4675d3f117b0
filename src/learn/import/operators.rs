//! Does anything stand before or behind the ensemble of an ONNX graph that changes the answer?

use super::onnx::{messages, wrong};
use super::protobuf::{Fields, Wire, floats};
use crate::model::ModelError;

const GRAPH_INITIALIZER: u64 = 5;
const NODE_INPUT: u64 = 1;
const NODE_ATTRIBUTE: u64 = 5;
const TENSOR_FLOATS: u64 = 4;
const TENSOR_NAME: u64 = 8;
const TENSOR_RAW: u64 = 9;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// Refuses an operator that is read over: what it does to inputs or answers would be lost.
pub(super) fn check(graph: &[u8], operator: &[u8], node: &[u8], behind: bool) -> Result<(), ModelError> {
    let harmless = match (operator, behind) {
        (b"Identity", _) | (b"Cast" | b"ZipMap", true) => true,
        // A table of floats that stays one.
        (b"Cast", false) => cast_to(node)? == Some(FLOAT),
        // LightGBM's converter multiplies by a constant one.
        (b"Mul", true) => is_times_one(graph, node)?,
        _ => false,
    };
    if harmless {
        return Ok(());
    }
    let name = String::from_utf8_lossy(operator);
    let place = if behind { "behind" } else { "before" };
    wrong(format!("the operator `{name}` {place} the trees is not read; export the trees alone"))
}

/// The type a `Cast` gives.
fn cast_to(node: &[u8]) -> Result<Option<u64>, ModelError> {
    let mut to = None;
    for attribute in messages(node, NODE_ATTRIBUTE)? {
        for field in Fields::of(attribute) {
            if let (3, Wire::Varint(kind)) = field? {
                to = Some(kind);
            }
        }
    }
    Ok(to)
}

fn is_times_one(graph: &[u8], node: &[u8]) -> Result<bool, ModelError> {
    let mut ones = Vec::new();
    for tensor in messages(graph, GRAPH_INITIALIZER)? {
        let mut values = Vec::new();
        let mut name: &[u8] = b"";
        let mut read = Some(());
        for field in Fields::of(tensor) {
            match field? {
                (TENSOR_FLOATS, wire) | (TENSOR_RAW, wire) => read = read.and(floats(wire, &mut values)),
                (TENSOR_NAME, Wire::Bytes(text)) => name = text,
                _ => {}
            }
        }
        if read.is_some() && !values.is_empty() && values.iter().all(|x| *x == 1.0) {
            ones.push(name);
        }
    }
    let factors = messages(node, NODE_INPUT)?;
    Ok(factors.iter().filter(|factor| !ones.contains(*factor)).count() == 1)
}
