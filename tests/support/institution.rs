//! `tollgate simulate institution` as a process of its own, and what is in its books.

#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A simulated institution, until it is dropped.
pub struct Institution {
    pub child: Child,
    pub address: String,
    pub ledger: PathBuf,
}

impl Institution {
    pub fn start(kind: &str, dir: &Path, script: Option<&str>, more: &[&str]) -> Institution {
        Institution::start_at("127.0.0.1:0", kind, dir, script, more)
    }

    pub fn start_at(
        address: &str,
        kind: &str,
        dir: &Path,
        script: Option<&str>,
        more: &[&str],
    ) -> Institution {
        let ledger = dir.join(format!("{kind}.jsonl"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["simulate", "institution", "--kind", kind, "--listen", address]).args(more);
        command.arg("--ledger").arg(&ledger);
        if let Some(script) = script {
            let path = dir.join(format!("{kind}.toml"));
            std::fs::write(&path, script).unwrap();
            command.arg("--script").arg(path);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Institution { child, address, ledger }
    }

    /// What it did, by key: the last line of each.
    pub fn books(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.ledger).unwrap_or_default();
        let mut last = std::collections::BTreeMap::new();
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            last.insert(entry["key"].as_str().unwrap().to_owned(), entry);
        }
        last.into_values().collect()
    }

    pub fn sum(&self, column: &str) -> i64 {
        self.books().iter().filter_map(|entry| entry[column].as_i64()).sum()
    }
}

impl Drop for Institution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
