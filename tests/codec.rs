//! Bytes to payments and back: good rows, bad rows with their exact messages, and round trips.

use std::sync::Arc;

use tollgate::codec::{Chunk, Format, Reader, Settings};
use tollgate::{Payment, Schema};

const FOREIGN: &str = r#"
[[field]]
name = "risk"
kind = "number"
columns = ["RISK", "ip.risk"]

[columns]
TX_ID = { field = "id" }
TX_CENTS = { field = "amount", unit = "minor" }
label = { field = "fraud", values = { "genuine" = "false", "stolen" = "true", "?" = "" } }
label2 = { field = "status", values = { "1" = "disputed", "true" = "disputed", "0" = "" } }

[defaults]
channel = "card"
"#;

fn schema() -> Arc<Schema> {
    Arc::new(Schema::parse("schema.toml", FOREIGN).unwrap())
}

/// Every field of a payment, as text.
fn text_of(schema: &Schema, payment: &Payment) -> String {
    let mut out = Vec::new();
    for (id, field) in schema.fields() {
        if let Some(value) = payment.get(schema, id) {
            out.push(format!("{}={value}", field.name));
        }
    }
    for item in payment.items() {
        out.push(format!(
            "item({:?},{:?},{:?},{:?})",
            payment.sku(item),
            payment.category(item),
            item.quantity,
            item.price
        ));
    }
    out.join(" ")
}

/// Payments and rejects of an input, each as one line.
fn read_all(format: Format, bytes: &[u8], schema: &Arc<Schema>, settings: Settings) -> Vec<String> {
    let settings = Settings { format: Some(format), ..settings };
    let bytes = std::io::Cursor::new(bytes.to_vec());
    let mut reader = match Reader::from_read("in", Box::new(bytes), schema.clone(), settings) {
        Ok(reader) => reader,
        Err(e) => return vec![format!("error {e}")],
    };
    let mut chunk = Chunk::new(schema, 16);
    let mut out = Vec::new();
    loop {
        match reader.read(&mut chunk) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                out.push((u64::MAX, format!("error {e}")));
                break;
            }
        }
        for (payment, line) in chunk.payments().iter().zip(&chunk.lines) {
            out.push((*line, text_of(schema, payment)));
        }
        for reject in &chunk.rejects {
            out.push((reject.line, format!("reject {reject}")));
        }
    }
    out.sort();
    out.into_iter().map(|(_, text)| text).collect()
}

fn check(format: Format, text: &str, expected: &[&str]) {
    check_with(format, text.as_bytes(), Settings::default(), expected);
}

fn check_with(format: Format, bytes: &[u8], settings: Settings, expected: &[&str]) {
    // Where the input is cut into blocks changes nothing.
    for block_bytes in [1, 7, 61, 1 << 18] {
        let settings = Settings { block_bytes, ..settings.clone() };
        let found = read_all(format, bytes, &schema(), settings);
        assert_eq!(found, expected, "in blocks of {block_bytes}: {}", String::from_utf8_lossy(bytes));
    }
}

const P1: &str = "id=p1 at=2026-11-23T09:00:00Z amount=12.34 EUR currency=EUR channel=card";

#[test]
fn good_json_becomes_payments() {
    let base = r#""id":"p1","at":"2026-11-23T09:00:00Z","amount":12.34,"currency":"EUR""#;
    for (more, expected) in [
        ("", ""),
        (r#","email":null,"device":"""#, ""),
        (r#", "mcc" : 5812 "#, " mcc=5812"),
        (
            r#","is_guest":1,"cvv_match":"no","avs_match":true"#,
            " is_guest=true cvv_match=false avs_match=true",
        ),
        (r#","ip_lat":"1.5","ip_lon":-2e1"#, " ip_lat=1.5 ip_lon=-20"),
        (
            r#","card_country":"fr","ip":"203.0.113.7""#,
            " card_country=FR ip=203.0.113.7 ip_net=203.0.113.0/24",
        ),
        (r#","device":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀""#, " device=a\"\\/\u{8}\u{c}\n\r\té😀é😀"),
        (r#","ip":{"risk":7},"TX_ID":null"#, " risk=7"),
        (r#","label":"stolen","label2":true"#, " status=disputed fraud=true"),
        (r#","label":"?","label2":0"#, ""),
        (
            r#","items":[{"sku":"s1","category":"toys","quantity":2,"price":"9.5"},{}],"x":[[{"y":[]}]]"#,
            r#" item(Some("s1"),Some("toys"),Some(2.0),Some(9.5)) item(None,None,None,None)"#,
        ),
        (r#","device\u005fos":"ios""#, " device_os=ios"),
    ] {
        let line = format!("{{{base}{more}}}");
        let found = read_all(Format::JsonLines, line.as_bytes(), &schema(), Settings::default());
        let fields = |text: &str| {
            let mut parts: Vec<String> = text.split(' ').map(str::to_owned).collect();
            parts.sort();
            parts
        };
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!(fields(&found[0]), fields(&format!("{P1}{expected}")), "{line}");
    }
}

#[test]
fn bad_json_says_where_and_why() {
    let base = r#"{"id":"p1","at":"2026-11-23","amount":5,"currency":"EUR""#;
    for (line, expected) in [
        (base.to_owned(), "in:1:57: the object ends in the middle; the line may have been cut"),
        (format!("{base},}}"), "in:1:58: a field name in quotes is expected"),
        (format!("{base}}}x"), "in:1:58: something follows the object"),
        (format!("{base},\"id\":\"p2\"}}"), "in:1:58: id: it stands twice in this object"),
        (format!("{base},\"zzz\":1,\"zzz\":2}}"), "in:1:66: zzz: it stands twice in this object"),
        (
            format!("{base},\"TX_ID\":\"p2\"}}"),
            "in:1:66: TX_ID: `id` is given twice in this row; it is read from `TX_ID` or `id`",
        ),
        (format!("{base},\"ip_lat\":1e999}}"), "in:1:67: ip_lat: the number is not finite"),
        (
            format!("{base},\"ip_lat\":01}}"),
            "in:1:69: ip_lat: the number is not written as JSON writes numbers",
        ),
        (format!("{base},\"ip_lat\":NaN}}"), "in:1:67: a value is expected"),
        (format!("{base},\"ip_lat\":\"NaN\"}}"), "in:1:67: ip_lat: the number is not finite"),
        (format!("{base},\"ip_lat\":[1]}}"), "in:1:67: ip_lat: the field holds number, not a list"),
        (format!("{base},\"mcc\":true}}"), "in:1:64: mcc: the field holds text, not true"),
        (
            format!("{base},\"is_guest\":\"maybe\"}}"),
            "in:1:69: is_guest: `maybe` is not a bool: true, false, yes, no, 1 or 0",
        ),
        (format!("{base},\"ip\":\"1.2.3\"}}"), "in:1:63: ip: `1.2.3` is not an IPv4 or IPv6 address"),
        (
            format!("{base},\"card_country\":\"FRA\"}}"),
            "in:1:73: card_country: `FRA` is not an ISO 3166 country of two letters",
        ),
        (format!("{base},\"device\":\"\\x\"}}"), "in:1:68: device: an escape that JSON doesn't have"),
        (format!("{base},\"device\":\"\\ud83d\"}}"), "in:1:68: device: half of a surrogate pair"),
        (format!("{base},\"device\":\"\\u00\"}}"), "in:1:68: device: `\\u` needs four hexadecimal digits"),
        (format!("{base},\"device\":\"\\u0000\"}}"), "in:1:68: device: a NUL character"),
        (
            format!("{base},\"device\":\"a\u{1}\"}}"),
            "in:1:69: a control character in a string; it is written as an escape",
        ),
        (format!("{base},\"device\":\"a\0\"}}"), "in:1:69: a NUL byte"),
        (format!("{base},\"items\":3}}"), "in:1:66: items: a list of objects is expected"),
        (
            format!("{base},\"items\":[{{\"price\":\"x\"}}]}}"),
            "in:1:76: items.price: `x` is not a finite number",
        ),
        (
            r#"{"id":"p1","at":"2026-11-23"}"#.to_owned(),
            "in:1: amount: it is missing; it is read from `TX_CENTS` or `amount`",
        ),
        (
            r#"{"id":"p1","at":"2026-11-23","amount":5}"#.to_owned(),
            "in:1: amount: the amount has no currency; it is read from `currency`, or set `currency` under [defaults] in schema.toml",
        ),
        (
            r#"{"id":"p1","at":"2026-11-23","amount":-5,"currency":"EUR"}"#.to_owned(),
            "in:1: amount: the amount is negative; a refund is a settlement of the payment, not a payment",
        ),
        (
            r#"{"id":"p1","at":"2026-11-23","amount":1e40,"currency":"EUR"}"#.to_owned(),
            "in:1: amount: the amount is above the limit of 9007199254740991 minor units",
        ),
        (
            r#"{"id":"p1","at":"2026-11-23","amount":5,"currency":"XAU"}"#.to_owned(),
            "in:1:52: currency: `XAU` is not an ISO 4217 currency with minor units",
        ),
        (
            r#"{"id":"p1","at":"2026-11-23","amount":"5 USD","currency":"EUR"}"#.to_owned(),
            "in:1: amount: the amount says USD and the currency says another",
        ),
        (
            "[1]".to_owned(),
            "error in: it is a JSON list; one object a line is expected (`jq -c '.[]'` makes it so)",
        ),
        ("7".to_owned(), "in:1:1: one JSON object a line is expected"),
    ] {
        let expected =
            if expected.starts_with("error") { expected.to_owned() } else { format!("reject {expected}") };
        check(Format::JsonLines, &line, &[&expected]);
    }
}

#[test]
fn the_amount_is_read_by_its_digits() {
    for (amount, expected) in [
        ("90071992547409.91", "amount=90071992547409.91 EUR"),
        ("0.10", "amount=0.10 EUR"),
        ("1.2e3", "amount=1200.00 EUR"),
        ("\"7 EUR\"", "amount=7.00 EUR"),
    ] {
        let line = format!(r#"{{"id":"p1","at":"2026-11-23","amount":{amount},"currency":"EUR"}}"#);
        let found = read_all(Format::JsonLines, line.as_bytes(), &schema(), Settings::default());
        assert!(found[0].contains(expected), "{found:?}");
    }
    let line = r#"{"id":"p1","at":"2026-11-23","TX_CENTS":1234,"currency":"EUR"}"#;
    assert!(
        read_all(Format::JsonLines, line.as_bytes(), &schema(), Settings::default())[0].contains("12.34 EUR")
    );
}

#[test]
fn good_csv_becomes_payments() {
    let good = [P1];
    check(Format::Csv, "id,at,amount,currency\np1,2026-11-23 09:00:00,12.34,EUR\n", &good);
    check(Format::Csv, "\u{feff}id;at;amount;currency\r\n\r\np1;2026-11-23 09:00:00; 12.34 ;EUR\r\n", &good);
    check(Format::Csv, "id\tat\tamount\tcurrency\np1\t1795424400\t12.34\tEUR", &good);
    check(Format::Csv, "\"id\",\"at\",x,TX_CENTS,currency\n\"p1\",1795424400,,1234,EUR", &good);
    let quoted = format!("{P1} device=a \"b\", c\nd");
    let parts = quoted.split(" channel=card").collect::<Vec<_>>().concat();
    let found = read_all(
        Format::Csv,
        b"id,at,amount,currency,device\np1,1795424400,12.34,EUR,\"a \"\"b\"\", c\nd\"\n",
        &schema(),
        Settings::default(),
    );
    assert!(found[0].contains("device=a \"b\", c\nd"), "{found:?} {parts}");
}

#[test]
fn bad_csv_says_where_and_why() {
    let head = "id,at,amount,currency,device\n";
    for (rows, expected) in [
        ("p1,x,5,EUR,\n", &["reject in:2:4: at: `x` is not a timestamp such as 2026-11-23T09:00:00Z"][..]),
        (
            "p1,1795424400,5,EUR\n",
            &["reject in:2: the row has 4 cells and the header 5; the line may have been cut"],
        ),
        (
            "p1,1795424400,5,EUR,a,b\n",
            &[
                "reject in:2: the row has 6 cells and the header 5; a cell that holds a delimiter needs quotes",
            ],
        ),
        (
            "p1,1795424400,5,EUR,\"a\"b\n",
            &["reject in:2:24: something follows a closing quote; quotes within a cell are doubled"],
        ),
        (
            "p1,1795424400,5,EUR,\"a\np2,1795424400,6,EUR,\n",
            &[
                "reject in:2:21: this quote is never closed",
                "id=p2 at=2026-11-23T09:00:00Z amount=6.00 EUR currency=EUR channel=card",
            ],
        ),
        ("p1,1795424400,5,EUR,a\0\n", &["reject in:2:22: a NUL byte"]),
        (
            "p1,1795424400,1.234,EUR,\n",
            &[
                "reject in:2: amount: the amount has more decimals than its currency; if it is in minor units, say `unit = \"minor\"` for its column in schema.toml (EUR has 2)",
            ],
        ),
        (
            "p1,1795424400,NaN,EUR,\n",
            &["reject in:2: amount: `NaN`: the amount is not a decimal number such as 12.34"],
        ),
    ] {
        check(Format::Csv, &format!("{head}{rows}"), expected);
    }
    check_with(
        Format::Csv,
        b"id,at,amount,currency,device\np1,1795424400,5,EUR,\xff\n",
        Settings::default(),
        &["reject in:2:21: it is not UTF-8 from here on"],
    );
    check(
        Format::Csv,
        "id,at,currency\n",
        &[
            "error in: no column is read into `amount`, which is read from `TX_CENTS` or `amount`; map one onto it in schema.toml (the columns are: id, at, currency)",
        ],
    );
    check(Format::Csv, "id,at,id\n", &["error in: the header names the column `id` twice"]);
    check(Format::Csv, "", &["error in: it is empty"]);
}

#[test]
fn a_quote_that_is_never_closed_costs_one_row() {
    let mut text = "id,at,amount,currency,device\np0,1795424400,5,EUR,\"oops\n".to_owned();
    for i in 1..500 {
        text.push_str(&format!("p{i},1795424400,5,EUR,d\n"));
    }
    for (block_bytes, line_bytes_max) in [(64, 256), (1 << 18, 256), (1 << 18, 1 << 20), (64, 1 << 20)] {
        let settings = Settings { block_bytes, line_bytes_max, ..Settings::default() };
        let found = read_all(Format::Csv, text.as_bytes(), &schema(), settings);
        assert_eq!(found.len(), 500, "{block_bytes} {line_bytes_max}");
        assert_eq!(found[0], "reject in:2:21: this quote is never closed");
    }
}

#[test]
fn lines_at_the_limit_are_read_and_past_it_are_rejected() {
    let row = r#"{"id":"p1","at":"2026-11-23","amount":5,"currency":"EUR"}"#;
    let settings = |line_bytes_max| Settings { line_bytes_max, ..Settings::default() };
    let text = format!("{row}\n{row} \n{row}\n");
    let good = "id=p1 at=2026-11-23T00:00:00Z amount=5.00 EUR currency=EUR channel=card";
    check_with(
        Format::JsonLines,
        text.as_bytes(),
        settings(row.len()),
        &[good, &format!("reject in:2: the line is longer than {} bytes", row.len()), good],
    );
    check_with(Format::JsonLines, text.as_bytes(), settings(row.len() + 1), &[good, good, good]);
}

#[test]
fn depth_at_the_limit_is_read_and_past_it_is_rejected() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"id":"p1","at":"2026-11-23","amount":5,"currency":"EUR","x":{open}{close}}}"#)
    };
    let read = |depth| read_all(Format::JsonLines, nested(depth).as_bytes(), &schema(), Settings::default());
    assert!(read(64)[0].starts_with("id=p1"), "{:?}", read(64));
    assert!(read(66)[0].contains("nested deeper than 64 levels"), "{:?}", read(66));
}

#[test]
fn strict_reading_refuses_unknown_names() {
    let settings = Settings { strict: true, ..Settings::default() };
    check_with(
        Format::JsonLines,
        br#"{"id":"p1","at":"2026-11-23","amount":5,"currency":"EUR","devise":1}"#,
        settings.clone(),
        &[
            "error in: line 1: devise: no field or column of the schema has this name; did you mean `device`? (map it or list it under `ignore` in schema.toml)",
        ],
    );
    check_with(
        Format::Csv,
        b"id,at,amount,devise\n",
        settings,
        &[
            "error in: line 1: devise: no field or column of the schema has this name; did you mean `device`? (map it or list it under `ignore` in schema.toml)",
        ],
    );
}

#[test]
fn unknown_names_are_counted() {
    let text = "{\"a\":1,\"b\":{\"c\":2}}\n{\"a\":1}\n";
    let mut reader =
        Reader::from_read("in", Box::new(text.as_bytes()), schema(), Settings::default()).unwrap();
    let mut chunk = Chunk::new(&schema(), 1);
    while reader.read(&mut chunk).unwrap() {}
    assert_eq!(format!("{:?}", reader.unknown()), r#"{"a": 2, "b.c": 1}"#);
}

/// Payments as they may be, written in every format, read back the same.
mod round_trip {
    use proptest::prelude::*;
    use tollgate::codec::{PaymentTable, TableWriter};
    use tollgate::{Currency, Kind, Money, Timestamp, Value};

    use super::*;

    #[derive(Debug, Clone)]
    enum Given {
        Nothing,
        Bits(u64),
        Text(String),
    }

    fn given() -> impl Strategy<Value = Given> {
        prop_oneof![
            2 => Just(Given::Nothing),
            2 => any::<u64>().prop_map(Given::Bits),
            3 => "[ -~éß😀\\n\\r\\t,;|\"]{0,12}".prop_map(Given::Text),
        ]
    }

    fn payment(schema: &Schema, row: usize, values: &[Given]) -> Payment {
        let mut payment = Payment::new(schema);
        for ((id, field), given) in schema.fields().zip(values.iter().cycle().skip(row)) {
            let (bits, text) = match given {
                Given::Nothing => continue,
                Given::Bits(bits) => (*bits, format!("v{bits}")),
                Given::Text(text) => (text.len() as u64, text.clone()),
            };
            let value = match field.kind {
                Kind::Number => Value::Number(f64::from_bits(bits & !(1 << 62))),
                Kind::Money => continue,
                Kind::Bool => Value::Bool(bits % 2 == 0),
                Kind::Text | Kind::Token => Value::Text(&text),
                Kind::Country => {
                    Value::Country(tollgate::Country::parse(["FR", "CN"][bits as usize % 2]).unwrap())
                }
                Kind::Ip => Value::Ip(match bits % 2 {
                    0 => std::net::IpAddr::V4(std::net::Ipv4Addr::from_bits(bits as u32)),
                    _ => std::net::IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::from(bits) << 64 | 7)),
                }),
                Kind::Timestamp => Value::Timestamp(Timestamp::from_micros((bits >> 13) as i64).unwrap()),
            };
            if text.is_empty() || ["currency", "status"].contains(&field.name.as_str()) {
                continue;
            }
            payment.set(schema, id, value).unwrap();
        }
        let code = ["EUR", "JPY", "KWD", "CLF"][row % 4];
        let minor = values.len() as i64 * 90_071_993 + row as i64;
        let money = Money { minor, currency: Currency::parse(code).unwrap() };
        payment.set(schema, tollgate::field::AMOUNT, Value::Money(money)).unwrap();
        payment.set(schema, tollgate::field::ID, Value::Token(&format!("p{row}"))).unwrap();
        payment
            .set(
                schema,
                tollgate::field::AT,
                Value::Timestamp(Timestamp::from_micros(row as i64 + 1).unwrap()),
            )
            .unwrap();
        if row % 2 == 1 {
            payment.push_item(schema, Some("s\"1"), None, Some(2.5), None).unwrap();
            payment.push_item(schema, None, None, None, None).unwrap();
        }
        payment
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn payments_read_back_as_they_were_written(values in prop::collection::vec(given(), 5..60)) {
            let schema = Arc::new(Schema::standard());
            let payments: Vec<_> = (0..5).map(|row| payment(&schema, row, &values)).collect();
            let folder = tempfile::tempdir().unwrap();
            for format in [Format::Csv, Format::JsonLines, Format::Parquet, Format::Arrow] {
                let path = folder.path().join(format!("p.{format}"));
                let table = PaymentTable::all(&schema);
                let mut out = TableWriter::create_sparse(&path, format, table.columns()).unwrap();
                let mut sheet = out.sheet();
                for payment in &payments {
                    table.write(&schema, payment, &mut sheet);
                }
                out.append(&mut sheet).unwrap();
                prop_assert!(!path.exists());
                out.finish().unwrap();
                let mut reader = Reader::open(&path, schema.clone(), Settings::default()).unwrap();
                let mut chunk = Chunk::new(&schema, 100);
                let mut found = Vec::new();
                while reader.read(&mut chunk).unwrap() {
                    prop_assert!(chunk.rejects.is_empty(), "{format}: {:?}", chunk.rejects);
                    found.extend(chunk.payments().iter().map(|p| text_of(&schema, p)));
                }
                let expected: Vec<_> = payments.iter().map(|p| text_of(&schema, p)).collect();
                prop_assert_eq!(found, expected, "{}", format);
                prop_assert!(reader.unknown().is_empty());
            }
        }
    }
}
