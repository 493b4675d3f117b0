//! What does it cost to turn bytes into payments, against the plainest way to do it?
//!
//! Ours ends in a checked payment; the peers end in a map of texts that nobody has looked at.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate::Schema;
use tollgate::codec::{CellKind, Chunk, Format, Reader, Settings, TableColumn, TableWriter};

const ROWS: u64 = 10_000;

fn csv() -> String {
    let mut out =
        String::from("id,at,amount,currency,merchant,channel,card,ip,ip_country,email,mcc,is_recurring\n");
    for i in 0..ROWS {
        out.push_str(&format!(
            "pay_{i:08},2026-11-23T{:02}:{:02}:{:02}Z,{}.{:02},EUR,merchant_{:04},card,tok_k1_{:016x},203.0.{}.{},FR,user{i}@example.org,{},false\n",
            i / 3600 % 24, i / 60 % 60, i % 60, i % 900, i % 100, i % 700, i * 77_777, i % 250, i % 240, 5000 + i % 900
        ));
    }
    out
}

/// Objects of about 630 bytes, the size of a payment that a gateway would send.
fn json() -> String {
    let mut out = String::new();
    for i in 0..ROWS {
        out.push_str(&format!(
            r#"{{"id":"pay_{i:08}","at":"2026-11-23T{:02}:{:02}:{:02}Z","amount":{}.{:02},"currency":"EUR","merchant":"merchant_{:04}","order":"order_{i}","channel":"card","gateway":"gw1","card":"tok_k1_{:016x}","bin":"411111","last4":"1111","card_brand":"visa","card_country":"FR","card_funding":"credit","account":"acct_{}","device":"dev_{:x}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/145.0","ip":"203.0.{}.{}","ip_country":"FR","email":"user{i}@example.org","phone":"+336{:08}","mcc":"{}","billing_country":"FR","shipping_country":"FR","is_recurring":false,"is_guest":true}}"#,
            i / 3600 % 24, i / 60 % 60, i % 60, i % 900, i % 100, i % 700, i * 77_777, i % 3000, i * 31, i % 250, i % 240, i, 5000 + i % 900
        ));
        out.push('\n');
    }
    out
}

fn read_all(format: Format, bytes: &'static [u8], schema: &Arc<Schema>, chunk: &mut Chunk) -> u64 {
    let settings = Settings { format: Some(format), ..Settings::default() };
    let mut reader = Reader::from_read("bench", Box::new(bytes), schema.clone(), settings).unwrap();
    let mut rows = 0;
    while reader.read(chunk).unwrap() {
        assert!(chunk.rejects.is_empty(), "{}", chunk.rejects[0]);
        rows += chunk.len as u64;
    }
    rows
}

fn text(c: &mut Criterion) {
    let schema = Arc::new(Schema::standard());
    let mut chunk = Chunk::new(&schema, 512);
    let (csv, json): (&'static str, &'static str) = (csv().leak(), json().leak());
    println!("bytes a row: csv {}, json {}", csv.len() as u64 / ROWS, json.len() as u64 / ROWS);
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("csv", |b| b.iter(|| read_all(Format::Csv, csv.as_bytes(), &schema, &mut chunk)));
    group.bench_function("csv, peer: the csv crate into a map", |b| {
        b.iter(|| {
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            reader
                .deserialize::<HashMap<String, String>>()
                .map(|row| black_box(row.unwrap()).len())
                .sum::<usize>()
        });
    });
    group.bench_function("json", |b| {
        b.iter(|| read_all(Format::JsonLines, json.as_bytes(), &schema, &mut chunk));
    });
    group.bench_function("json, peer: serde_json into a Value", |b| {
        b.iter(|| {
            let values = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            values.map(|v| black_box(v)["id"].as_str().map_or(0, str::len)).sum::<usize>()
        });
    });
    group.finish();
}

/// The Handbook's 1,754,155 payments, where they are.
fn handbook(c: &mut Criterion) {
    let Some(path) = std::env::var_os("TOLLGATE_HANDBOOK").map(std::path::PathBuf::from) else { return };
    let schema = Arc::new(Schema::parse("schema.toml", HANDBOOK).unwrap());
    let mut chunk = Chunk::new(&schema, 512);
    let mut group = c.benchmark_group("read");
    group.sample_size(10);
    group.throughput(Throughput::Elements(1_754_155));
    group.bench_function("parquet, the Handbook", |b| {
        b.iter(|| {
            let mut reader = Reader::open(&path, schema.clone(), Settings::default()).unwrap();
            let mut rows = 0;
            while reader.read(&mut chunk).unwrap() {
                rows += chunk.len;
            }
            assert_eq!(rows, 1_754_155);
        });
    });
    group.finish();
}

const HANDBOOK: &str = r#"
ignore = ["TX_TIME_SECONDS", "TX_TIME_DAYS", "TX_FRAUD_SCENARIO"]
[columns]
TRANSACTION_ID = { field = "id" }
TX_DATETIME = { field = "at" }
CUSTOMER_ID = { field = "account" }
TERMINAL_ID = { field = "device" }
TX_AMOUNT = { field = "amount" }
TX_FRAUD = { field = "fraud" }
[defaults]
currency = "EUR"
"#;

fn write(c: &mut Criterion) {
    let mut columns =
        vec![TableColumn::new("id", CellKind::Text), TableColumn::new("outcome", CellKind::Text)];
    columns.push(TableColumn::new("score", CellKind::Integer));
    columns.push(TableColumn::new("risk", CellKind::Float));
    columns.push(TableColumn::new("fraud", CellKind::Bool));
    columns.push(TableColumn::new("rules", CellKind::TextList));
    let mut group = c.benchmark_group("write");
    group.throughput(Throughput::Elements(ROWS));
    for format in [Format::Csv, Format::JsonLines, Format::Parquet, Format::Arrow] {
        group.bench_function(format.name(), |b| {
            b.iter(|| {
                let mut table =
                    TableWriter::to_write("bench", Box::new(std::io::sink()), format, &columns).unwrap();
                let mut sheet = table.sheet();
                for i in 0..ROWS {
                    sheet.text("pay_00001234");
                    sheet.text("challenge");
                    sheet.integer(i as i64 % 1000);
                    sheet.float(i as f64 / 7.0);
                    sheet.bool(i % 3 == 0);
                    sheet.list(&["card-testing-burst", "geo-mismatch"]);
                    sheet.end_row();
                }
                table.append(&mut sheet).unwrap();
                table.finish().unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, text, handbook, write);
criterion_main!(benches);
