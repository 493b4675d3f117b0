//! The processes: three institutions and the gateway between them and the shop.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::HEXLOWER;
use serde_json::Value;

use crate::error::Error;

/// Rules that do what a demonstration wants; real ones are in rules/.
const RULES: &str = include_str!("rules.toml");
/// The number by which the simulated WeChat Pay's key is known.
const SERIAL: &str = "PUB_KEY_ID_0119000000012026";

/// A process that ends with us.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A simulated institution.
pub(super) struct Institution {
    _process: Process,
    kind: &'static str,
    pub(super) address: String,
    ledger: PathBuf,
}

/// All processes.
pub(super) struct Stage {
    folder: PathBuf,
    token_key: String,
    address: String,
    gateway: Option<Process>,
    pub(super) all: [Institution; 3],
}

impl Stage {
    /// Starts them.
    pub(super) fn set(folder: &Path) -> Result<Stage, Error> {
        let all = [
            Institution::start("card", folder)?,
            Institution::start("alipay", folder)?,
            Institution::start("wechatpay", folder)?,
        ];
        // A port that is free now, so that the wallets know where to call.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = address.map_err(|e| Error::io("127.0.0.1:0", e))?.to_string();
        let secret: [u8; 32] = rand::random();
        let hex = HEXLOWER.encode(&secret);
        let mut stage = Stage {
            folder: folder.to_owned(),
            token_key: format!("demo:{hex}"),
            address,
            gateway: None,
            all,
        };
        std::fs::create_dir(folder.join("rules")).map_err(|e| Error::io(folder, e))?;
        stage.write("rules/demo.toml", RULES)?;
        stage.write("serve.toml", &stage.settings())?;
        stage.start_gateway()?;
        Ok(stage)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
    }

    fn settings(&self) -> String {
        let at = |name: &str| toml::Value::from(self.folder.join(name).display().to_string());
        let [card, alipay, wechat] = &self.all;
        let listen = &self.address;
        format!(
            "listen = \"{listen}\"\nadmin = \"\"\nempty_past = true\nrules = {}\n\n\
             [journal]\ndir = {}\n\n[payments]\ndir = {}\ncodes = {}\nask_again = \"200ms\"\n\n\
             [[payments.channel]]\nname = \"bank\"\ndeadline = \"2s\"\n[payments.channel.card]\naddress = \"{}\"\n\n\
             [[payments.channel]]\nname = \"alipay\"\n[payments.channel.alipay]\ngateway = \"http://{}/gateway.do\"\n\
             app_id = \"2021000000000001\"\nkey = {}\ninstitution_key = {}\nnotify_url = \"http://{listen}/v1/callbacks/alipay\"\n\n\
             [[payments.channel]]\nname = \"wechat\"\n[payments.channel.wechatpay]\ngateway = \"http://{}\"\n\
             app_id = \"wxd678efh567hg6787\"\nmerchant_id = \"1900000001\"\nkey = {}\nkey_serial = \"5157F09EFDC096DE\"\n\
             institution_key = {}\ninstitution_serial = \"{SERIAL}\"\napi_key = {}\n\
             notify_url = \"http://{listen}/v1/callbacks/wechat\"\n",
            at("rules"),
            at("journal"),
            at("payments"),
            at("codes.jsonl"),
            card.address,
            alipay.address,
            at("alipay-keys/merchant.pem"),
            at("alipay-keys/wallet.pub.pem"),
            wechat.address,
            at("wechatpay-keys/merchant.pem"),
            at("wechatpay-keys/wallet.pub.pem"),
            at("wechatpay-keys/api_key"),
        )
    }

    fn start_gateway(&mut self) -> Result<(), Error> {
        let mut command = tollgate()?;
        command.arg("serve").arg("--config").arg(self.folder.join("serve.toml"));
        command.env("TOLLGATE_TOKEN_KEY", &self.token_key).stderr(Stdio::piped());
        let mut process = spawn(command)?;
        let log = process.0.stderr.take().map(BufReader::new);
        let mut lines = log.into_iter().flat_map(|log| log.lines().map_while(Result::ok));
        let mut said = String::new();
        for line in lines.by_ref() {
            if line.contains("\"listening\"") {
                // It is not to wait for somebody to read its log.
                std::thread::spawn(move || lines.for_each(drop));
                self.gateway = Some(process);
                return Ok(());
            }
            said = line;
        }
        Err(Error::new(format!("the gateway did not start: {said}")))
    }

    /// Kills the gateway as a power cut would, and starts it again.
    pub(super) fn kill_gateway(&mut self) -> Result<(), Error> {
        self.gateway = None;
        self.start_gateway()
    }

    /// Where the gateway listens.
    pub(super) fn gateway(&self) -> &str {
        &self.address
    }

    /// Who is there.
    pub(super) fn institutions(&self) -> String {
        let each = self.all.iter().map(|institution| format!("{} {}", institution.kind, institution.address));
        each.collect::<Vec<_>>().join("  ")
    }

    /// The last one-time code that was sent.
    pub(super) fn code(&self) -> Result<String, Error> {
        let path = self.folder.join("codes.jsonl");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let last: Value = text.lines().last().and_then(|l| serde_json::from_str(l).ok()).unwrap_or_default();
        let code = last["text"]["en"].as_str().and_then(|text| text.get(..6));
        code.map(str::to_owned).ok_or_else(|| Error::new("no code was sent").at(&path))
    }
}

impl Institution {
    fn start(kind: &'static str, folder: &Path) -> Result<Institution, Error> {
        let ledger = folder.join(format!("{kind}.jsonl"));
        let mut command = tollgate()?;
        command.args(["simulate", "institution", "--kind", kind, "--listen", "127.0.0.1:0", "--ledger"]);
        command.arg(&ledger).stdout(Stdio::piped());
        if kind != "card" {
            command.arg("--keys").arg(folder.join(format!("{kind}-keys")));
        }
        let mut process = spawn(command)?;
        let mut line = String::new();
        if let Some(out) = process.0.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|e| Error::io(kind, e))?;
        }
        let address = line.trim().rsplit_once(' ').map(|(_, address)| address.to_owned());
        let address = address.ok_or_else(|| Error::new(format!("the simulated {kind} did not start")))?;
        Ok(Institution { _process: process, kind, address, ledger })
    }

    /// What is in its books: captured and refunded, in minor units.
    pub(super) fn books(&self) -> (i64, i64) {
        let text = std::fs::read_to_string(&self.ledger).unwrap_or_default();
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let last: std::collections::BTreeMap<String, Value> =
            entries.map(|entry| (entry["key"].to_string(), entry)).collect();
        let sum = |column: &str| last.values().filter_map(|entry| entry[column].as_i64()).sum();
        (sum("captured"), sum("refunded"))
    }
}

fn tollgate() -> Result<Command, Error> {
    let program = std::env::current_exe().map_err(|e| Error::io("this program", e))?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn spawn(mut command: Command) -> Result<Process, Error> {
    command.spawn().map(Process).map_err(|e| Error::io("tollgate", e))
}
