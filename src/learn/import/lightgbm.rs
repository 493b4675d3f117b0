//! What does a LightGBM text file say?
//!
//! Written from `src/io/tree.cpp` and `include/LightGBM/tree.h` of LightGBM 4.

use std::collections::HashMap;

use super::plant::{Part, plant};
use super::{IMPORT_TREES_MAX, Source};
use crate::model::{Branch, Calibration, Combine, ModelError, Trees, Width};

type Block<'a> = HashMap<&'a str, (usize, &'a str)>;

pub(super) fn read(text: &str) -> Result<Source, ModelError> {
    let mut blocks: Vec<Block> = vec![Block::new()];
    let mut ended = false;
    for (number, line) in text.lines().enumerate() {
        if line == "end of trees" {
            ended = true;
            break;
        }
        if line.starts_with("Tree=") {
            blocks.push(Block::new());
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if let Some(block) = blocks.last_mut() {
            block.insert(key, (number + 1, value));
        }
    }
    if !ended {
        return Err(ModelError::new("the file stops before `end of trees`; copy the whole file"));
    }
    let found = blocks.len() - 1;
    if found == 0 || found > IMPORT_TREES_MAX {
        return Err(ModelError::new(format!("{found} trees, 1 to {IMPORT_TREES_MAX} are read; train fewer")));
    }
    let head = &blocks[0];
    if text_of(head, "num_tree_per_iteration")? != "1" {
        return Err(ModelError::new("the model has several classes; train it on two"));
    }
    let objective = text_of(head, "objective")?;
    let slope = objective
        .strip_prefix("binary")
        .and_then(|rest| rest.trim().strip_prefix("sigmoid:"))
        .and_then(|s| s.parse::<f64>().ok())
        .filter(|s| s.is_finite() && *s > 0.0)
        .ok_or_else(|| {
            ModelError::new(format!("the objective `{objective}` is not read; train with `binary`"))
        })?;
    if head.contains_key("average_output") {
        return Err(ModelError::new("`average_output` (boosting=rf) is not read; train with boosting=gbdt"));
    }
    let features =
        text_of(head, "feature_names")?.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut zeros = vec![None; features.len()];
    let trees = blocks[1..]
        .iter()
        .enumerate()
        .map(|(t, block)| plant(&parts(block, &features, &mut zeros)?, &format!("tree {t}")))
        .collect::<Result<_, _>>()?;
    Ok(Source {
        features,
        zeros_absent: zeros.into_iter().map(|zero| zero == Some(true)).collect(),
        trees: Trees { width: Width::F64, combine: Combine::LogOdds { base: 0.0 }, trees },
        calibration: Some(Calibration::Platt { slope, intercept: 0.0 }),
    })
}

fn text_of<'a>(block: &Block<'a>, key: &str) -> Result<&'a str, ModelError> {
    let line =
        block.get(key).ok_or_else(|| ModelError::new(format!("`{key}=` is missing; export the model again")));
    line.map(|(_, value)| *value)
}

/// The numbers of a line, which must be `count` long.
fn numbers<T: std::str::FromStr>(block: &Block, key: &str, count: usize) -> Result<Vec<T>, ModelError> {
    let text = text_of(block, key)?;
    let line = block.get(key).map_or(0, |(line, _)| *line);
    let read: Option<Vec<T>> = text.split_ascii_whitespace().map(|n| n.parse().ok()).collect();
    read.filter(|read| read.len() == count).ok_or_else(|| {
        ModelError::new(format!(
            "line {line}: `{key}=` does not hold {count} numbers; export the model again"
        ))
    })
}

/// The nodes of a tree. `zeros` says of each feature that was split by before whether its zeros are absent values.
fn parts(block: &Block, features: &[String], zeros: &mut [Option<bool>]) -> Result<Vec<Part>, ModelError> {
    let leaves = numbers::<usize>(block, "num_leaves", 1)?[0];
    let values = numbers::<f64>(block, "leaf_value", leaves)?;
    if block.get("is_linear").is_some_and(|(_, v)| *v != "0") {
        return Err(ModelError::new("linear leaves are not read; train with linear_tree=false"));
    }
    let Some(splits) = leaves.checked_sub(1).filter(|s| *s > 0) else {
        return Ok(values.into_iter().map(|value| Part::Leaf { value, cover: 1.0 }).collect());
    };
    let covers = numbers::<f64>(block, "leaf_count", leaves)?;
    let inputs = numbers::<u16>(block, "split_feature", splits)?;
    let thresholds = numbers::<f64>(block, "threshold", splits)?;
    let decisions = numbers::<u8>(block, "decision_type", splits)?;
    let lefts = numbers::<i32>(block, "left_child", splits)?;
    let rights = numbers::<i32>(block, "right_child", splits)?;
    // A leaf is written as the complement of its number.
    let child = |n: i32| if n < 0 { splits + !n as usize } else { n as usize };
    let categories = categories(block)?;
    let mut parts = Vec::with_capacity(splits + leaves);
    for n in 0..splits {
        let Some(feature) = features.get(usize::from(inputs[n])) else {
            let (asked, count) = (inputs[n], features.len());
            let why = format!("split {n} asks feature {asked}, of {count}; export the model again");
            return Err(ModelError::new(why));
        };
        let zero = decisions[n] & 1 == 0 && missing_type(decisions[n]) == ZERO;
        if *zeros[usize::from(inputs[n])].get_or_insert(zero) != zero {
            return Err(ModelError::new(format!(
                "a zero of `{feature}` is absent at some splits only; train all trees with one zero_as_missing"
            )));
        }
        let (branch, missing_left) = if decisions[n] & 1 == 1 {
            let values = categories.get(thresholds[n] as usize).cloned();
            let values =
                values.ok_or_else(|| ModelError::new(format!("split {n}: its categories are missing")))?;
            (Branch::In(values), false)
        } else {
            (Branch::AtMost(thresholds[n]), missing_left(decisions[n], thresholds[n], n)?)
        };
        let (left, right) = (child(lefts[n]), child(rights[n]));
        parts.push(Part::Split { input: inputs[n], branch, missing_left, left, right });
    }
    parts.extend(values.iter().zip(&covers).map(|(&value, &cover)| Part::Leaf { value, cover }));
    Ok(parts)
}

/// The missing type of zeros.
const ZERO: u8 = 1;

fn missing_type(decision: u8) -> u8 {
    (decision >> 2) & 3
}

/// Where an absent value goes: missing type none makes it a zero, zero and nan have a default direction.
fn missing_left(decision: u8, threshold: f64, n: usize) -> Result<bool, ModelError> {
    if !threshold.is_finite() {
        return Err(ModelError::new(format!(
            "split {n}: its threshold is no number; export the model again"
        )));
    }
    match missing_type(decision) {
        0 => Ok(0.0 <= threshold),
        ZERO | 2 => Ok(decision & 2 != 0),
        _ => Err(ModelError::new(format!("split {n}: an unknown missing type; export the model again"))),
    }
}

/// The categories of each categorical split, out of bit sets of 32-bit words.
fn categories(block: &Block) -> Result<Vec<Vec<u32>>, ModelError> {
    let sets = numbers::<usize>(block, "num_cat", 1)?[0];
    if sets == 0 {
        return Ok(Vec::new());
    }
    let wrong = || ModelError::new("`cat_boundaries=` do not fit `cat_threshold=`; export the model again");
    let words = text_of(block, "cat_threshold")?.split_ascii_whitespace();
    let words: Vec<u32> = words.map(|w| w.parse().ok()).collect::<Option<_>>().ok_or_else(wrong)?;
    let bounds = numbers::<usize>(block, "cat_boundaries", sets.checked_add(1).ok_or_else(wrong)?)?;
    let set = |ends: &[usize]| {
        let set = words.get(ends[0]..ends[1]).ok_or_else(wrong)?;
        Ok((0..set.len() as u32 * 32).filter(|c| set[*c as usize / 32] >> (c % 32) & 1 == 1).collect())
    };
    bounds.windows(2).map(set).collect()
}
