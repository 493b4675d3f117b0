//! Files of other tools, by hand.

use serde_json::Value;

pub const LIGHTGBM: &str = "tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:2
feature_names=a k

Tree=0
num_leaves=3
num_cat=1
split_feature=0 1
threshold=2.5 0
left_child=1 -1
right_child=-3 -2
decision_type=10 1
leaf_value=0.5 -0.25 1
leaf_count=10 20 30
cat_boundaries=0 1
cat_threshold=10
is_linear=0
shrinkage=1

Tree=1
num_leaves=1
num_cat=0
leaf_value=0.125

end of trees
";

pub const XGBOOST: &str = r#"{"learner":{"feature_names":["a","b"],
"gradient_booster":{"name":"gbtree","model":{"trees":[{"left_children":[1,-1,-1],"right_children":[2,-1,-1],
"split_conditions":[1.5,-0.5,0.75],"split_indices":[0,0,0],"default_left":[1,0,0],"sum_hessian":[3.0,1.0,2.0],
"split_type":[0,0,0]}]}},
"learner_model_param":{"base_score":"5E-1","num_feature":"2"},"objective":{"name":"binary:logistic"}}}"#;

pub const XGBOOST_CATEGORIES: &str = r#"{"learner":{"feature_names":["a","k"],
"gradient_booster":{"name":"gbtree","model":{"trees":[{"left_children":[1,-1,-1],"right_children":[2,-1,-1],
"split_conditions":[1e-45,-0.5,0.75],"split_indices":[1,0,0],"default_left":[0,0,0],"sum_hessian":[3.0,1.0,2.0],
"split_type":[1,0,0],"categories":[0,3],"categories_nodes":[0],"categories_segments":[0],"categories_sizes":[2]}]}},
"learner_model_param":{"base_score":"5E-1","num_feature":"2"},"objective":{"name":"binary:logistic"}}}"#;

pub const PLAIN: &str = r#"[{"left":[1,-1,-1],"right":[2,-1,-1],"feature":[0,-2,-2],"threshold":[0.5,-2,-2],
"value":[0.4,0.25,0.75]},
{"left":[-1],"right":[-1],"feature":[-2],"threshold":[-2],"value":[0.5]}]"#;

/// The value as UBJSON, in the kinds that XGBoost writes.
pub fn ubjson(value: &Value) -> Vec<u8> {
    let text = |text: &str| [&b"L"[..], &(text.len() as i64).to_be_bytes(), text.as_bytes()].concat();
    match value {
        Value::Null => b"Z".to_vec(),
        Value::Bool(bool) => vec![if *bool { b'T' } else { b'F' }],
        Value::Number(n) if n.is_i64() => [&b"L"[..], &n.as_i64().unwrap().to_be_bytes()].concat(),
        Value::Number(n) => [&b"d"[..], &(n.as_f64().unwrap() as f32).to_be_bytes()].concat(),
        Value::String(string) => [b"S".to_vec(), text(string)].concat(),
        Value::Array(all) if !all.is_empty() && all.iter().all(Value::is_f64) => {
            // As XGBoost packs a column of floats: kind and number once.
            let items = all.iter().flat_map(|x| ubjson(x).split_off(1)).collect();
            [b"[$d#L".to_vec(), (all.len() as i64).to_be_bytes().to_vec(), items].concat()
        }
        Value::Array(all) => [b"[".to_vec(), all.iter().flat_map(ubjson).collect(), b"]".to_vec()].concat(),
        Value::Object(all) => {
            let members = all.iter().flat_map(|(name, value)| [text(name), ubjson(value)].concat()).collect();
            [b"{".to_vec(), members, b"}".to_vec()].concat()
        }
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A protobuf field of bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn attribute(name: &str, value: Vec<u8>) -> Vec<u8> {
    field(5, &[field(1, name.as_bytes()), value].concat())
}

fn integers(name: &str, all: &[u64]) -> Vec<u8> {
    attribute(name, field(8, &all.iter().flat_map(|n| varint(*n)).collect::<Vec<u8>>()))
}

fn floats(name: &str, all: &[f32]) -> Vec<u8> {
    attribute(name, field(7, &all.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()))
}

fn ensemble(operator: &str, mode: &str, transform: &str) -> Vec<u8> {
    let modes = [mode, "LEAF", "LEAF"].iter().flat_map(|m| field(9, m.as_bytes())).collect();
    let parts = [
        field(4, operator.as_bytes()),
        integers("nodes_treeids", &[0, 0, 0]),
        integers("nodes_nodeids", &[0, 1, 2]),
        integers("nodes_featureids", &[0, 0, 0]),
        integers("nodes_truenodeids", &[1, 0, 0]),
        integers("nodes_falsenodeids", &[2, 0, 0]),
        floats("nodes_values", &[1.5, 0.0, 0.0]),
        attribute("nodes_modes", modes),
        integers("target_treeids", &[0, 0]),
        integers("target_nodeids", &[1, 2]),
        integers("target_ids", &[0, 0]),
        floats("target_weights", &[-0.5, 0.75]),
        floats("base_values", &[0.25]),
        attribute("post_transform", field(4, transform.as_bytes())),
    ];
    parts.concat()
}

fn model(nodes: &[Vec<u8>]) -> Vec<u8> {
    let graph: Vec<u8> = nodes.iter().flat_map(|node| field(1, node)).collect();
    [vec![8, 8], field(7, &graph)].concat()
}

/// A graph of one operator: up to 1.5 it answers -0.5, else 0.75, and a base of 0.25.
pub fn onnx(operator: &str, mode: &str, transform: &str) -> Vec<u8> {
    model(&[ensemble(operator, mode, transform)])
}

/// A `Cast` to `float`.
pub const ONNX_CAST: &str = "Cast to float";

/// The same between other operators; `wide` gives its thresholds as a tensor of doubles.
pub fn onnx_with(before: &[&str], behind: &[&str], wide: bool) -> Vec<u8> {
    let node = |operator: &&str| match *operator {
        ONNX_CAST => [field(4, b"Cast"), attribute("to", vec![3 << 3, 1])].concat(),
        operator => field(4, operator.as_bytes()),
    };
    let mut trees = ensemble("TreeEnsembleRegressor", "BRANCH_LEQ", "NONE");
    if wide {
        trees.extend(attribute("nodes_values_as_tensor", field(5, b"")));
    }
    let around = |operators: &[&str]| operators.iter().map(node).collect::<Vec<_>>();
    model(&[around(before), vec![trees], around(behind)].concat())
}
