//! Input that is wrong, cut, huge or malicious: a clear error with its place, nothing lost, nothing
//! kept that may not be kept.

use std::sync::Arc;

use proptest::prelude::*;
use tollgate::codec::{Chunk, Format, JsonDecoder, Reader, Settings};
use tollgate::{Kind, Payment, Schema, TokenKey, Value};

fn read(
    schema: &Arc<Schema>,
    format: Option<Format>,
    bytes: Vec<u8>,
) -> Result<(Vec<Payment>, Vec<String>), String> {
    let settings = Settings { format, ..Settings::default() };
    let mut reader = Reader::from_read("in", Box::new(std::io::Cursor::new(bytes)), schema.clone(), settings)
        .map_err(|e| e.to_string())?;
    let mut chunk = Chunk::new(schema, 64);
    let (mut payments, mut rejects) = (Vec::new(), Vec::new());
    while reader.read(&mut chunk).map_err(|e| e.to_string())? {
        payments.extend_from_slice(chunk.payments());
        rejects.extend(chunk.rejects.iter().map(|r| format!("{r} | {}", r.raw)));
    }
    rejects.extend(reader.unknown().keys().map(|name| format!("unknown {name}")));
    Ok((payments, rejects))
}

fn refusal(format: Option<Format>, bytes: &[u8]) -> String {
    match read(&Arc::new(Schema::standard()), format, bytes.to_vec()) {
        Err(error) => error,
        Ok((payments, rejects)) => panic!("read as {payments:?}, {rejects:?}"),
    }
}

/// Found by the fuzzer: the delimiter was looked for in what the first read happened to give.
#[test]
fn a_blank_line_before_the_header_hides_no_delimiter() {
    for text in ["\n=*$*$;@", "\n\nid;at;amount;currency\np1;2026-11-23;1.00;EUR\n"] {
        tollgate::fuzzing::csv_rows(text.as_bytes());
    }
    let schema = Arc::new(Schema::standard());
    let text = b"\nid;at;amount;currency\np1;2026-11-23;1.00;EUR\n".to_vec();
    let (payments, rejects) = read(&schema, Some(Format::Csv), text).unwrap();
    assert_eq!((payments.len(), rejects.len()), (1, 0), "{rejects:?}");
}

#[test]
fn a_row_is_read_to_its_limits_and_not_past_them() {
    let schema = Arc::new(Schema::standard());
    let row = |amount: &str, more: usize| {
        let more: String = (0..more).map(|i| format!(r#","x{i}":1"#)).collect();
        format!(r#"{{"id":"p1","at":"2026-11-23","amount":"{amount}","currency":"EUR"{more}}}"#).into_bytes()
    };
    let check = |bytes: Vec<u8>, expected: &str| {
        let (payments, rejects) = read(&schema, Some(Format::JsonLines), bytes).unwrap();
        let wrong: Vec<_> = rejects.iter().filter(|r| !r.starts_with("unknown")).collect();
        match expected {
            "" => assert_eq!((payments.len(), wrong.len()), (1, 0), "{wrong:?}"),
            expected => assert!(payments.is_empty() && wrong[0].contains(expected), "{wrong:?}"),
        }
    };
    check(row("1.00", tollgate::codec::ROW_FIELDS_MAX - 4), "");
    check(row("1.00", tollgate::codec::ROW_FIELDS_MAX - 3), "fields");
    // 64 characters, and one more.
    check(row(&format!("{}1.00", "0".repeat(60)), 0), "");
    check(row(&format!("{}1.00", "0".repeat(61)), 0), "longer than 64 characters");
}

#[test]
fn what_is_no_file_of_payments_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: Option<&[u8]>| {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        let opened = Reader::open(&path, Arc::new(Schema::standard()), Settings::default());
        opened.err().unwrap().to_string().replace(&folder.path().display().to_string(), "")
    };
    assert_eq!(open("", None), "/: it is a directory; name the files in it, for example with a `*`");
    assert_eq!(open("none.csv", None), "/none.csv: there is no such file");
    for name in ["e.csv", "e.jsonl", "e.parquet", "e.arrow"] {
        assert_eq!(open(name, Some(b"")), format!("/{name}: it is empty"));
    }
    assert!(open("a.gz", Some(b"\x1f\x8b\x08\x00")).contains("it is compressed; unpack it first"));
    assert!(open("a.csv", Some(b"PAR1....")).contains("say `--format parquet`"));
    assert!(open("b.csv", Some(b"\xff\xfei\0d\0")).contains("it is UTF-16; save it as UTF-8"));
}

#[test]
fn deep_nesting_is_a_reject_on_a_small_stack() {
    let deep = |open: &str, depth: usize| format!("{{\"id\":\"p\",\"x\":{}", open.repeat(depth)).into_bytes();
    let work = move || {
        for (open, depth) in [("[", 100_000), ("{\"a\":", 100_000), ("[{\"a\":", 100_000)] {
            let (payments, rejects) =
                read(&Arc::new(Schema::standard()), Some(Format::JsonLines), deep(open, depth)).unwrap();
            assert!(payments.is_empty());
            assert!(rejects[0].contains("nested deeper than 64 levels"), "{}", rejects[0]);
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_line_of_megabytes_is_one_reject_and_reading_goes_on() {
    let good = |id: &str| format!(r#"{{"id":"{id}","at":"2026-11-23","amount":5,"currency":"EUR"}}"#);
    let text = format!("{}\n{}{}\n{}\n", good("a"), "{\"x\":\"", "y".repeat(5 << 20), good("b"));
    let (payments, rejects) =
        read(&Arc::new(Schema::standard()), Some(Format::JsonLines), text.into_bytes()).unwrap();
    assert_eq!(payments.iter().map(Payment::id).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].starts_with("in:2: the line is longer than 1048576 bytes | {\"x\":\"yyy"));
    assert!(rejects[0].len() < 1_000);
}

#[test]
fn security_codes_are_not_kept_in_rejects() {
    for (format, text) in [
        (Format::JsonLines, "{\"id\":\"p\",\"CVV\":\"987\"}\n"),
        (Format::JsonLines, "{\"id\":\"p\",\"\\u0063vv\":\"987\"}\n"),
    ] {
        let (_, rejects) = read(&Arc::new(Schema::standard()), Some(format), text.into()).unwrap();
        assert!(rejects.iter().all(|r| !r.contains("987")), "{rejects:?}");
    }
}

const CANARY: &str = "4111111111111111";

/// Nothing that comes out holds more of the canary than its first six and last four digits.
fn clean(what: &str, outcome: &Result<(Vec<Payment>, Vec<String>), String>, schema: &Schema) {
    let mut shown = String::new();
    match outcome {
        Err(error) => shown.push_str(error),
        Ok((payments, rejects)) => {
            rejects.iter().for_each(|r| shown.push_str(r));
            for payment in payments {
                for (id, _) in schema.fields() {
                    if let Some(value) = payment.get(schema, id) {
                        shown.push_str(&format!("|{value}"));
                    }
                }
            }
        }
    }
    shown.retain(|c| !matches!(c, ' ' | '-'));
    assert!(!shown.contains(&CANARY[..8]), "{what}: {shown}");
}

#[test]
fn a_card_number_in_any_field_of_text_comes_out_nowhere() {
    let bare = Arc::new(Schema::standard());
    let keyed = Arc::new(Schema::standard().with_token_key(TokenKey::new("k1", &[7; 32]).unwrap()));
    for schema in [&bare, &keyed] {
        let fields: Vec<(String, Kind)> = schema.fields().map(|(_, f)| (f.name.clone(), f.kind)).collect();
        let fields = fields.into_iter().chain([("unheard_of".to_owned(), Kind::Text)]);
        for (name, kind) in fields {
            for card in [
                CANARY,
                "4111 1111 1111 1111",
                "4111-1111-1111-1111",
                " 4111111111111111 ",
                "x 4111111111111111, y",
            ] {
                let base =
                    [("id", "\"p1\""), ("at", "\"2026-11-23\""), ("amount", "5"), ("currency", "\"EUR\"")];
                let rest: Vec<_> = base.iter().filter(|(n, _)| *n != name).collect();
                let json = |value: &str| {
                    let mut line = format!("{{\"{name}\":{value}");
                    rest.iter().for_each(|(n, v)| line.push_str(&format!(",\"{n}\":{v}")));
                    line + "}\n"
                };
                let mut csv = name.clone();
                rest.iter().for_each(|(n, _)| csv.push_str(&format!(",{n}")));
                csv.push_str(&format!("\n\"{card}\""));
                rest.iter().for_each(|(_, v)| csv.push_str(&format!(",{}", v.trim_matches('"'))));
                let escaped: String = card.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
                let mut inputs = vec![
                    (Format::Csv, csv.clone()),
                    (Format::Csv, csv + ",ragged"),
                    (Format::JsonLines, json(&format!("\"{card}\""))),
                    (Format::JsonLines, json(&format!("\"{escaped}\""))),
                    (Format::JsonLines, json(&format!("[\"{card}\"]"))),
                    (Format::JsonLines, json(&format!("\"{card}\"")).replace('}', "")),
                ];
                if card == CANARY {
                    inputs.push((Format::JsonLines, json(card)));
                    inputs.push((Format::JsonLines, json(&format!("{card}.0"))));
                    inputs.push((Format::JsonLines, json("4.111111111111111e15")));
                }
                for (format, text) in inputs {
                    let outcome = read(schema, Some(format), text.clone().into_bytes());
                    clean(&text, &outcome, schema);
                    if let Ok((payments, _)) = &outcome {
                        let kept = matches!(kind, Kind::Text | Kind::Token) && schema.token_key().is_some();
                        let never = name == "unheard_of" || kept && name != "currency";
                        assert!(never || payments.is_empty(), "{text}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_card_number_as_a_name_comes_out_nowhere() {
    let schema = Arc::new(Schema::standard());
    let base = r#""id":"p1","at":"2026-11-23","amount":5,"currency":"EUR""#;
    for (format, text) in [
        (Format::Csv, format!("{CANARY},2026-11-23,5,EUR\n")),
        (Format::Csv, format!("id,at,amount,currency,{CANARY}\np1,2026-11-23,5,EUR,x\n")),
        (Format::JsonLines, format!("{{{base},\"{CANARY}\":1}}")),
        (Format::JsonLines, format!("{{{base},\"a\":{{\"{CANARY}\":1}}}}")),
        (Format::JsonLines, format!("{{{base},\"{CANARY}\":1,\"{CANARY}\":1}}")),
        (Format::JsonLines, format!("{{{base},\"items\":[{{\"{CANARY}\":1,\"sku\":\"{CANARY}\"}}]}}")),
        (Format::JsonLines, format!("{{{base},\"items\":[{{\"price\":{CANARY}}}]}}")),
    ] {
        clean(&text, &read(&schema, Some(format), text.clone().into_bytes()), &schema);
    }
    // A long row is cut, and never in the middle of a number.
    for padding in 480..520 {
        let text =
            format!("{{\"x\":\"{}\",\"card\":\"{CANARY}\",\"at\":\"soon\"}}", "y".repeat(padding - 20));
        clean(&text, &read(&schema, Some(Format::JsonLines), text.clone().into_bytes()), &schema);
    }
}

/// The slow reader: a tree first, then plain steps.
fn slowly(schema: &Schema, text: &str) -> Option<Vec<String>> {
    let tree: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut leaves = Vec::new();
    fn flatten(prefix: &str, value: &serde_json::Value, leaves: &mut Vec<(String, serde_json::Value)>) {
        for (name, value) in value.as_object().unwrap() {
            let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value.is_object() {
                true => flatten(&name, value, leaves),
                false => leaves.push((name, value.clone())),
            }
        }
    }
    flatten("", tree.as_object().map(|_| &tree)?, &mut leaves);
    let mut payment = Payment::new(schema);
    let text_of = |v: &serde_json::Value| match v {
        serde_json::Value::String(s) => Some(s.clone()),
        serde_json::Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    let currency = leaves.iter().find(|(n, v)| n == "currency" && !v.is_null()).map(|(_, v)| v.clone());
    for (name, value) in &leaves {
        let Some(id) = schema.find(name) else { continue };
        if value.is_null() || value.as_str() == Some("") || name == "currency" {
            continue;
        }
        let text = text_of(value);
        // Around what is no text, spaces say nothing.
        let bare = text.as_deref().map(str::trim);
        let value = match schema.field(id).kind {
            Kind::Bool => Value::Bool(match (value.as_bool(), bare.map(str::to_lowercase).as_deref()) {
                (Some(b), _) => b,
                (None, Some("true" | "yes" | "t" | "y" | "1")) => true,
                (None, Some("false" | "no" | "f" | "n" | "0")) => false,
                _ => return None,
            }),
            Kind::Number => Value::Number(bare?.parse().ok()?),
            Kind::Money => {
                let code = currency.as_ref()?.as_str()?;
                Value::Money(tollgate::Money::parse(bare?, tollgate::Currency::parse(code)?).ok()?)
            }
            Kind::Country => Value::Country(tollgate::Country::parse(bare?)?),
            Kind::Ip => Value::Ip(bare?.parse().ok()?),
            Kind::Timestamp => Value::Timestamp(tollgate::Timestamp::parse(bare?)?),
            Kind::Text | Kind::Token => {
                payment.set(schema, id, Value::Text(&text?)).ok()?;
                continue;
            }
        };
        payment.set(schema, id, value).ok()?;
    }
    payment.missing().is_none().then(|| shown(schema, &payment))
}

fn shown(schema: &Schema, payment: &Payment) -> Vec<String> {
    let fields = schema.fields();
    fields.filter_map(|(id, f)| Some(format!("{}={}", f.name, payment.get(schema, id)?))).collect()
}

fn scalar() -> impl Strategy<Value = String> {
    let text = "[ -!#-\\[\\]-~é😀]{0,10}";
    prop_oneof![
        4 => text.prop_map(|t| format!("\"{t}\"")),
        // A NUL is refused, and tested elsewhere.
        1 => (text, any::<char>().prop_filter("NUL", |c| *c != '\0')).prop_map(|(t, c)| {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}"));
            format!("\"{t}{}\\n\"", units.collect::<String>())
        }),
        2 => (-99_999i32..99_999).prop_map(|n| n.to_string()),
        1 => (0i32..99_999, 1u8..9).prop_map(|(n, d)| format!("{n}.{d}")),
        1 => prop_oneof![Just("true"), Just("false"), Just("null")].prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_reader_agrees_with_the_slow_one(
        more in prop::collection::btree_map("device|email|mcc|is_guest|ip_lat|ip_country|order|\\\\u0062in|what", scalar(), 0..5),
        nested in prop::collection::btree_map("country|x", scalar(), 0..2),
        amount in "[0-9]{1,4}(\\.[0-9]{1,3})?|-1|\"5\"|null",
        space in "[ \\t]{0,2}",
    ) {
        let mut text = format!("{{{space}\"id\":\"p1\",\"at\"{space}:{space}\"2026-11-23\",\"amount\":{amount},\"currency\":\"EUR\"");
        more.iter().for_each(|(name, value)| text.push_str(&format!(",{space}\"{name}\":{value}{space}")));
        text.push_str(",\"card\":{");
        let inner: Vec<_> = nested.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        text.push_str(&inner.join(","));
        text.push_str("}}");
        let schema = Arc::new(Schema::standard());
        let mut payment = Payment::new(&schema);
        let done = JsonDecoder::new(schema.clone(), Settings::default()).read(text.as_bytes(), &mut payment);
        // The leading zeros of `0012` are no JSON; both must say so.
        prop_assert_eq!(done.as_ref().ok().map(|()| shown(&schema, &payment)), slowly(&schema, &text), "{} {:?}", text, done);
    }

    #[test]
    fn what_a_slip_makes_of_a_payment_is_json_or_is_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(br#"{}[]",:\u0e-.tfn "#.to_vec())), 1..4),
    ) {
        let mut bytes = br#"{"id":"p1","at":"2026-11-23","amount":5.25,"currency":"EUR","x":{"y":[1,"\u00e9",null,true]},"items":[{"sku":"s"}]}"#.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        tollgate::fuzzing::json_payment(&bytes);
        tollgate::fuzzing::csv_rows(&bytes);
    }

    #[test]
    fn the_size_of_blocks_makes_no_difference(rows in "id,at,amount,currency\n([a\",\r\n]{0,12}\n?){0,6}") {
        tollgate::fuzzing::csv_rows(rows.as_bytes());
    }
}

#[cfg(feature = "columnar")]
mod columnar {
    use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
    use tollgate::codec::{CellKind, TableColumn, TableWriter};

    use super::*;

    fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut out = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut out, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        out
    }

    fn base() -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("at", Arc::new(StringArray::from(vec!["2026-11-23", "2026-11-24"]))),
            ("amount", Arc::new(Float64Array::from(vec![1.25, 2.5]))),
            ("currency", Arc::new(StringArray::from(vec!["EUR", "EUR"]))),
        ]
    }

    #[test]
    fn a_column_of_another_type_is_one_error_for_the_file() {
        let mut columns = base();
        columns[2].1 = Arc::new(BooleanArray::from(vec![true, false]));
        assert_eq!(
            refusal(None, &parquet(columns)),
            "in: column `amount` is Boolean, which can't become `amount`, which is money; map another column onto it in schema.toml, or list `amount` under `ignore`"
        );
        let mut columns = base();
        columns.remove(1);
        assert!(refusal(None, &parquet(columns)).contains("no column is read into `at`"));
    }

    #[test]
    fn a_float_that_is_no_number_is_a_reject() {
        let mut columns = base();
        columns[2].1 = Arc::new(Float64Array::from(vec![f64::NAN, 2.5]));
        let (payments, rejects) = read(&Arc::new(Schema::standard()), None, parquet(columns)).unwrap();
        assert_eq!(payments.len(), 1);
        assert_eq!(rejects, ["in:1: amount: NaN is not a finite number; leave it empty if it is unknown | "]);
    }

    #[test]
    fn a_cut_or_damaged_file_is_an_error_and_never_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        for format in [Format::Parquet, Format::Arrow] {
            let path = folder.path().join(format.name());
            let columns = [
                TableColumn::new("id", CellKind::Text),
                TableColumn::new("at", CellKind::Timestamp),
                TableColumn::new("amount", CellKind::Money),
                TableColumn::new("currency", CellKind::Text),
            ];
            let mut table = TableWriter::create(&path, format, &columns).unwrap();
            let mut sheet = table.sheet();
            for i in 0..200 {
                sheet.text(&format!("p{i}"));
                sheet.timestamp(tollgate::Timestamp::parse("2026-11-23").unwrap());
                sheet.money(tollgate::Money::parse("5", tollgate::Currency::parse("EUR").unwrap()).unwrap());
                sheet.text("EUR");
                sheet.end_row();
            }
            table.append(&mut sheet).unwrap();
            table.finish().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let schema = Arc::new(Schema::standard());
            assert_eq!(read(&schema, None, bytes.clone()).unwrap().0.len(), 200);
            for cut in (8..bytes.len() - 8).step_by(37) {
                let outcome = read(&schema, Some(format), bytes[..cut].to_vec());
                match outcome {
                    Err(error) => assert!(error.contains("it may have been cut"), "{format} {cut}: {error}"),
                    // A stream may end between two messages.
                    Ok((payments, _)) => {
                        assert!(format == Format::Arrow && payments.is_empty(), "{format} {cut}")
                    }
                }
            }
            for at in (0..bytes.len()).step_by(13) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x55;
                let _ = read(&schema, Some(format), damaged);
            }
        }
    }

    #[test]
    fn a_card_number_in_any_column_comes_out_nowhere() {
        let schema = Arc::new(Schema::standard());
        let number: i64 = CANARY.parse().unwrap();
        for (_, field) in schema.fields() {
            let forms: [ArrayRef; 4] = [
                Arc::new(StringArray::from(vec![CANARY, CANARY])),
                Arc::new(StringArray::from(vec!["4111 1111 1111 1111", "4111-1111-1111-1111"])),
                Arc::new(Int64Array::from(vec![number, number])),
                Arc::new(Float64Array::from(vec![number as f64, number as f64])),
            ];
            for form in forms {
                let mut columns = base();
                columns.retain(|(name, _)| *name != field.name);
                columns.push((&field.name, form));
                let outcome = read(&schema, None, parquet(columns));
                clean(&field.name, &outcome, &schema);
                assert!(
                    outcome.is_err() || outcome.is_ok_and(|(payments, _)| payments.is_empty()),
                    "{}",
                    field.name
                );
            }
        }
        let mut columns = base();
        columns.push((CANARY, Arc::new(Int64Array::from(vec![1, 2]))));
        clean("a name", &read(&schema, None, parquet(columns)), &schema);
    }
}
