//! Small models, folders that use them, and payments to ask them about.

#![allow(dead_code, reason = "no test needs all of it")]

use std::path::Path;

use tollgate::{Error, Payment, Pipeline, Schema, Simulator, SimulatorSettings};

/// A model of two inputs; `FORM` and `CALIBRATION` are for the caller to say.
pub const ARTIFACT: &str = r#"{"format":1,"name":"first","inputs":[
{"name":"amount","expression":"amount","reason":"BIG_TICKET"},
{"name":"card count","expression":"count(card, 1h)"}],
"form":FORM,"calibration":CALIBRATION}"#;

const PLATT: &str = r#"{"platt":{"slope":1.0,"intercept":0.0}}"#;

/// Log-odds that rise with the amount and with the card's payments.
pub fn logistic() -> String {
    let form =
        r#"{"logistic":{"intercept":-6.0,"weights":[1.5,1.0],"means":[50.0,1.0],"scales":[100.0,2.0]}}"#;
    ARTIFACT.replace("FORM", form).replace("CALIBRATION", PLATT)
}

/// One tree: -3 up to an amount of 60, else 1. `calibration` is `platt` or `none`.
pub fn trees(calibration: &str) -> String {
    let form = r#"{"trees":{"width":"f64","combine":{"log_odds":{"base":0.0}},"trees":[{"nodes":[
{"Split":{"input":0,"branch":{"AtMost":60.0},"missing_left":true,"left":1,"right":2,"cover":10.0,"value":-2.0}},
{"Leaf":{"value":-3.0,"cover":7.5}},{"Leaf":{"value":1.0,"cover":2.5}}]}]}}"#;
    let calibration = if calibration == "platt" { PLATT } else { "null" };
    ARTIFACT.replace("FORM", form).replace("CALIBRATION", calibration)
}

/// A folder of these files.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Folder {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Folder(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn open(&self) -> Result<Pipeline, Error> {
        Pipeline::open(self.path())
    }
}

/// Simulated payments.
pub fn payments(schema: &Schema, count: u64) -> Vec<Payment> {
    let settings = SimulatorSettings { payments: count, days: 2, ..SimulatorSettings::default() };
    let mut simulator = Simulator::new(settings).unwrap();
    let mut payment = Payment::new(schema);
    let mut payments = Vec::new();
    while simulator.next(schema, &mut payment) {
        payments.push(payment.clone());
    }
    payments
}
