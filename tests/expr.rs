//! The expression language from outside: the reference's examples, mistakes with their place,
//! limits, and evaluation against an interpreter that shares no code with it.

use std::sync::Arc;

use tollgate::{
    Columns, Currency, ExprError, ExprLimits as Limits, Facts, List, ListItem, ListKind, Lists, Money,
    Number, Payment, Rates, Risk, Schema, Scope, Test, Timestamp, Value, field,
};

const REFERENCE: &str = include_str!("../docs/rules.md");

/// The reference's payment, past and scope.
struct World {
    schema: Arc<Schema>,
    scope: Scope,
    payment: Payment,
    activity: Vec<f64>,
    risk: Risk,
}

fn fenced(language: &str) -> impl Iterator<Item = &'static str> {
    let open = format!("```{language}\n");
    let mut rest = REFERENCE;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let end = start + rest[start..].find("```")?;
        let block = &rest[start..end];
        rest = &rest[end..];
        Some(block)
    })
}

fn world() -> World {
    let sample: toml::Table = fenced("toml").next().unwrap().parse().unwrap();
    let own = "[[field]]\nname = \"loyalty_tier\"\nkind = \"text\"\n[[field]]\nname = \"order_count\"\nkind = \"number\"\n[[field]]\nname = \"terminal\"\nkind = \"token\"\nentity = true\n";
    let schema = Arc::new(Schema::parse("schema.toml", own).unwrap());
    let mut payment = Payment::new(&schema);
    for (name, value) in sample["payment"].as_table().unwrap() {
        if name == "items" {
            for item in value.as_array().unwrap() {
                let number = |key: &str| item.get(key).and_then(toml::Value::as_integer).map(|n| n as f64);
                let (sku, category) = (item["sku"].as_str(), item["category"].as_str());
                payment.push_item(&schema, sku, category, number("quantity"), number("price")).unwrap();
            }
            continue;
        }
        let id = schema.find(name).unwrap();
        let text = value.as_str().unwrap_or_default();
        let value = match schema.field(id).kind {
            tollgate::Kind::Number => {
                Value::Number(value.as_float().or(value.as_integer().map(|n| n as f64)).unwrap())
            }
            tollgate::Kind::Money => {
                let (amount, code) = text.split_once(' ').unwrap();
                Value::Money(Money::parse(amount, Currency::parse(code).unwrap()).unwrap())
            }
            tollgate::Kind::Bool => Value::Bool(value.as_bool().unwrap()),
            tollgate::Kind::Text => Value::Text(text),
            tollgate::Kind::Token => Value::Token(text),
            tollgate::Kind::Country => Value::Country(tollgate::Country::parse(text).unwrap()),
            tollgate::Kind::Ip => Value::Ip(text.parse().unwrap()),
            tollgate::Kind::Timestamp => Value::Timestamp(Timestamp::parse(text).unwrap()),
        };
        payment.set(&schema, id, value).unwrap();
    }
    let lists = sample["lists"].as_table().unwrap().iter().map(|(name, list)| {
        let kind = match list["kind"].as_str().unwrap() {
            "token" => ListKind::Token,
            "country" => ListKind::Country,
            "ip" => ListKind::Ip,
            "bin" => ListKind::Bin,
            _ => ListKind::Text,
        };
        let made = List::new(name, kind, &schema);
        for value in list["values"].as_array().unwrap() {
            made.insert(value.as_str().unwrap(), ListItem::default()).unwrap();
        }
        made
    });
    let lists = Arc::new(Lists::new(lists.collect::<Vec<_>>()));
    let rates = Rates::parse(&format!("version = 'doc'\nbase = 'USD'\n[rates]\n{}", {
        let rates = sample["rates"].as_table().unwrap();
        rates.iter().map(|(code, rate)| format!("{code} = {rate}\n")).collect::<String>()
    }));
    let mut scope = Scope::new(schema.clone(), lists, Arc::new(rates.unwrap()));
    let mut activity = Vec::new();
    for (text, value) in sample["activity"].as_table().unwrap() {
        Number::compile(text, &mut scope).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(scope.plan().aggregates().len(), activity.len() + 1, "{text} is stated twice");
        activity.push(match value {
            toml::Value::String(at) => Timestamp::parse(at).unwrap().micros() as f64,
            other => other.as_float().or(other.as_integer().map(|n| n as f64)).unwrap(),
        });
    }
    let answer = |name: &str| sample["risk"].get(name).map_or(f64::NAN, |n| n.as_float().unwrap());
    let risk =
        Risk { score: answer("score"), probability: answer("probability"), anomaly: answer("anomaly") };
    World { schema, scope, payment, activity, risk }
}

impl World {
    /// The answer as the reference writes it, one by one and as a column; and of the printed text.
    fn answer(&mut self, text: &str) -> String {
        let shown = self.answer_of(text);
        let mut scope = self.scope.clone();
        if let Ok(test) = Test::compile(text, &mut scope) {
            assert_eq!(Test::compile(&test.to_string(), &mut scope), Ok(test), "{text}");
        } else if let Ok(number) = Number::compile(text, &mut scope) {
            assert_eq!(Number::compile(&number.to_string(), &mut scope), Ok(number), "{text}");
        }
        shown
    }

    fn answer_of(&mut self, text: &str) -> String {
        let as_test = Test::compile(text, &mut self.scope);
        let as_number = Number::compile(text, &mut self.scope);
        self.activity.resize(self.scope.plan().aggregates().len(), f64::NAN);
        // Columns know what payments and the past say; what models say is asked one by one.
        let bare = Facts::new(&self.payment, &self.activity);
        let facts = Facts { risk: &self.risk, ..bare };
        let payments = std::slice::from_ref(&self.payment);
        let mut columns = Columns::new(&self.schema, payments, &self.activity, self.activity.len());
        match (as_test, as_number) {
            (Ok(test), _) => {
                let mut out = Vec::new();
                test.holds_all(&mut columns, &mut out);
                assert_eq!(out, [test.holds(bare)], "{text}");
                test.holds(facts).map_or("unknown".to_owned(), |truth| truth.to_string())
            }
            (_, Ok(number)) => {
                let mut out = Vec::new();
                number.values(&mut columns, &mut out);
                assert_eq!(Some(out[0]).filter(|n| !n.is_nan()), number.value(bare), "{text}");
                number.value(facts).map_or("absent".to_owned(), |n| n.to_string())
            }
            (Err(wrong), Err(_)) => format!("error: {}", wrong[0].message),
        }
    }
}

#[test]
fn every_example_of_the_reference_gives_the_answer_beside_it() {
    let mut world = world();
    let mut seen = 0;
    let mut wrong = String::new();
    for line in fenced("rule").flat_map(str::lines).filter(|l| !l.trim().is_empty()) {
        let (text, expected) = line.split_once("# => ").unwrap_or_else(|| panic!("no answer: {line}"));
        let answer = world.answer(text.trim());
        if answer != expected.trim() {
            wrong += &format!("{}\n  expected {}\n  got      {answer}\n", text.trim(), expected.trim());
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(seen > 140, "only {seen} examples were found");
}

fn mistakes(text: &str) -> Vec<ExprError> {
    let mut scope = world().scope;
    match Test::compile(text, &mut scope) {
        Err(wrong) => wrong,
        Ok(test) => panic!("{text} compiled to {test:?}"),
    }
}

#[test]
fn mistakes_point_at_their_place_and_say_what_would_do() {
    let mut unlike = String::new();
    // The text with « » around the place, the message, the label.
    for (marked, message, label) in [
        ("«»", "the expression is empty", "such as"),
        ("amount > «»", "the expression breaks off", "a value is missing"),
        ("«(»amount > 5", "this parenthesis is never closed", "`)` is missing"),
        ("amount > 5«)»", "this `)` closes nothing", "one too many"),
        ("amount «&» 5", "`&` means nothing", "write `and`"),
        ("channel == «\"»card", "the text has no closing quote", "begins here"),
        ("channel == «\u{201c}»card\u{201d}", "`\\u{201c}` means nothing", "plain quotes"),
        ("channel == \"a«\\q»\"", "there is no such escape", r"\\"),
        ("amount > 5 «amount» < 7", "the expression ends before this", "an operator is missing"),
        ("count(card, «10min») > 5", "neither a number nor a duration", "10m 1h"),
        ("count(card, «10») > 5", "`10` is no option of `count`", "a window has a unit"),
        ("count(card, 1h, «declned») > 5", "`declned` is no option", "did you mean `declined`?"),
        (
            "count(«amount», 10m) >= 6",
            "`count` counts by an entity, and `amount` is money",
            "one of: card account device ip merchant email terminal",
        ),
        ("count(card + «card», 10m) >= 6", "this field is in the entity twice", "again"),
        ("«cuont»(card, 10m) >= 6", "there is no function `cuont`", "did you mean `count`?"),
        ("«amuont» > 5", "unknown name `amuont`", "did you mean `amount`?"),
        ("card_brand == «zzz»", "unknown name `zzz`", "write \"zzz\""),
        ("«status» == \"declined\"", "`status` is an outcome", "no expression may read it"),
        ("«amount»", "a condition stands here, and `amount` is money", "compare it"),
        ("amount > 5 and «channel»", "a condition stands here, and `channel` is text", "== \"...\""),
        ("«mcc == 5732»", "they can't be compared", "in quotes: \"5732\""),
        ("«order_count == \"3\"»", "they can't be compared", "without quotes: 3"),
        ("«channel == card»", "they can't be compared", "if you mean the word, write \"card\""),
        ("«channel > \"a\"»", "`>` orders numbers", "use `==`"),
        ("card_country == «\"XX\"»", "`XX` is not a country", ""),
        ("card_country in [\"DE\", «\"UK\"»]", "`UK` is not a country", "did you mean \"GB\"?"),
        ("currency == «\"EURO\"»", "`EURO` is not a currency", "ISO 4217"),
        ("ip == «10.0.0.0/8»", "an address is never equal to a network", "write `in 10.0.0.0/8`"),
        ("ip in [«10.0.0.0/33»]", "neither an address nor a network", "192.0.2.1"),
        ("card in «@stolen_crads»", "there is no list", "did you mean `@stolen_cards`?"),
        ("«card» in @prepaid_bins", "holds card beginnings", "write `bin(card)`"),
        ("«email» in @stolen_cards", "holds tokens, and `email` is text", "text"),
        ("card == «\"4111111111111111\"»", "a card number is never in a payment", "token"),
        ("hour(at, «\"Mars/Base\"») > 3", "there is no time zone `Mars/Base`", ""),
        ("account_created > «\"yesterday\"»", "this text is no timestamp", "2026-01-31"),
        ("«amount > sum(card, 1h)»", "don't go together", "write `amount_in(\"USD\")`"),
        ("«amount * amount» > 5", "money times money", "multiply by a number"),
        ("amount_in(«\"XAU\"») > 5", "ISO 4217", "such as \"USD\""),
        ("«ratio(card, 7d)» > 0.5", "needs the status", "ratio(card, 7d, declined)"),
        ("«count(card, 1h, including, delay 1d)» > 0", "exclude each other", "ends before this payment"),
        ("count(card, 1h, delay «7») > 0", "`delay` takes a duration", "delay 7d"),
        ("count(card, 1d, where «count(card, 1h)» > 1) > 1", "`where` reads one payment", ""),
        ("any(items, any(«items», price > 1))", "an item has no items", ""),
        ("«price» > 5", "unknown name `price`", "an item's field"),
        ("channel in [\"a\" «\"b\"»]", "separated by commas", "missing before"),
        ("channel in [«card»]", "after `in` stand literal values", "`in @card`, a text is \"card\""),
        ("channel in «[]»", "the list is empty", ""),
        ("«[»1] == 1", "values in brackets stand after `in`", ""),
        ("«@x» == 1", "a list stands after `in`", ""),
        ("amount between 5 «or» 7", "`between` takes two ends", ""),
        ("1 < amount «<» 5", "comparisons don't chain", "between"),
        ("risk_level == «\"high\"»", "is no risk level", "did you mean \"highest\"?"),
        ("«scroe» > 65", "unknown name `scroe`", "did you mean `score`?"),
        ("count(card, 1d, where «score» > 5) > 1", "is not kept for the past", "own fields"),
        ("«:cvc_check:» = 'pass'", "has no meaning here", "cvv_match"),
        ("«:nonsense:» = 'pass'", "unknown attribute", "schema.toml"),
        ("«:total_charges_per_billing_address_daily:» > 1", "unknown name `billing_address`", ""),
        ("prefix(email, «-1») == \"a\"", "a literal whole number", "from 1 to 4096"),
        ("«bin > 5»", "`>` orders numbers and timestamps", "use `==`"),
    ] {
        let text = marked.replace(['«', '»'], "");
        let start = marked.find('«').unwrap();
        let end = marked.find('»').unwrap() - '«'.len_utf8();
        let first = &mistakes(&text)[0];
        let said = format!("{} {}", first.label, first.help.clone().unwrap_or_default());
        if first.span != (start..end) || !first.message.contains(message) || !said.contains(label) {
            unlike +=
                &format!("{marked}\n  expected {start}..{end} {message} | {label}\n  got      {first:?}\n");
        }
    }
    assert!(unlike.is_empty(), "{unlike}");
}

#[test]
fn all_mistakes_of_meaning_are_shown_at_once() {
    let wrong = mistakes("amuont > 5 and count(chanel, 1h) > 2 or card_country == \"UK\" and ip in @nolist");
    let places: Vec<&str> = wrong.iter().map(|e| e.message.as_str()).collect();
    assert_eq!(wrong.len(), 4, "{places:?}");
}

#[test]
fn errors_are_drawn_where_the_file_has_them() {
    let file = "[[rule]]\nwhen = 'channel == \"card\" and count(amount, 10m) >= 6'\n";
    let start = file.find('\'').unwrap() + 1;
    let shown =
        mistakes(&file[start..file.rfind('\'').unwrap()])[0].at("rules/a.toml", file, start).to_string();
    assert!(shown.contains("rules/a.toml:2:37"), "{shown}");
    assert!(shown.contains("^^^^^^ one of: card account"), "{shown}");
}

#[test]
fn limits_are_met_and_not_passed() {
    let compile =
        |text: &str| Test::compile(text, &mut world().scope.clone()).map_err(|e| e[0].message.clone());
    let limits = Limits::default();
    let check = |name: &str, at: String, past: String, message: &str| {
        assert!(compile(&at).is_ok(), "{name}: {:?}", compile(&at));
        let error = compile(&past).unwrap_err();
        assert!(error.contains(message), "{name}: {error}");
    };
    let padded = |n: usize| format!("ip_proxy{}", " ".repeat(n - "ip_proxy".len()));
    check("bytes", padded(limits.bytes), padded(limits.bytes + 1), "more than 65536 bytes");
    // The expression itself is the first level.
    let parens = |n: usize| format!("{}ip_proxy{}", "(".repeat(n), ")".repeat(n));
    check("parentheses", parens(limits.depth - 1), parens(limits.depth), "nested deeper than 64");
    let nots = |n: usize| format!("{}ip_proxy", "not ".repeat(n));
    check("not", nots(limits.depth - 1), nots(limits.depth), "nested deeper than 64");
    let sum = |n: usize| format!("1{} > 0", "+1".repeat(n));
    check("sum", sum(limits.depth - 2), sum(limits.depth - 1), "nested deeper than 64");
    // Each part is a name, and the whole is joined pair by pair.
    let ors = |n: usize| vec!["ip_proxy"; n].join("||");
    check("parts", ors(limits.nodes / 2), ors(limits.nodes / 2 + 1), "more than 10000 parts");
    let list = |n: usize| format!("order_count in [{}]", vec!["1"; n].join(","));
    check("items", list(limits.list_items), list(limits.list_items + 1), "at most 10000 items");
    let like = |n: usize| format!("email like \"{}\"", "x".repeat(n));
    check("pattern", like(limits.pattern_bytes), like(limits.pattern_bytes + 1), "at most 1024 bytes");
    check("window", "count(card, 90d) > 0".into(), "count(card, 7776001s) > 0".into(), "at most 90d");
    let wheres = |n: usize| {
        (0..n).map(|i| format!("count(card, 1h, where amount > {i}) > 0")).collect::<Vec<_>>().join(" or ")
    };
    check("where", wheres(15), wheres(17), "at most 16 different `where`");
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow_on_a_small_stack() {
    let mut limits = Limits::default();
    limits.bytes = 64 << 20;
    let scope = world().scope.with_limits(limits);
    let deep = [
        format!("{}ip_proxy{}", "(".repeat(100_000), ")".repeat(100_000)),
        "(".repeat(100_000),
        format!("{}ip_proxy", "not ".repeat(1_000_000)),
        format!("{}1 > 0", "-".repeat(1_000_000)),
        format!("{} > 0", vec!["1"; 1_000_000].join("+")),
        format!("{}1", "abs(".repeat(100_000)),
        vec!["ip_proxy"; 1_000_000].join(" and "),
        "[".repeat(100_000),
        format!("order_count in {}", "[".repeat(100_000)),
    ];
    let run = move || {
        for text in deep {
            let wrong = Test::compile(&text, &mut scope.clone()).unwrap_err();
            assert!(!wrong.is_empty(), "{}", &text[..20]);
        }
        // The deepest that is allowed also evaluates there.
        let text = format!("{}ip_proxy{}", "not (".repeat(31), ")".repeat(31));
        let mut scope = scope.clone();
        let test = Test::compile(&text, &mut scope).unwrap();
        let payment = Payment::new(scope.schema());
        assert_eq!(test.holds(Facts::new(&payment, &[])), None);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn every_radar_counter_has_its_meaning() {
    let own = "[[field]]\nname = \"billing_address\"\nkind = \"text\"\nentity = true\n";
    let schema = Arc::new(Schema::parse("s", own).unwrap());
    let usd = Currency::parse("USD").unwrap();
    let mut scope = Scope::new(schema, Arc::default(), Arc::new(Rates::only(usd)));
    let mut names = 0;
    for class in ["total", "authorized", "declined", "blocked"] {
        for by in ["card_number", "customer", "email", "ip_address", "shipping_address", "billing_address"] {
            for window in ["hourly", "daily", "weekly", "all_time"] {
                let name = format!("{class}_charges_per_{by}_{window}");
                for text in [format!(":{name}: > 3"), format!("{name} > 3")] {
                    Test::compile(&text, &mut scope).unwrap_or_else(|e| panic!("{text}: {e:?}"));
                }
                names += 1;
            }
        }
    }
    assert_eq!((names, scope.plan().aggregates().len()), (96, 96));
}

#[test]
fn velocity_calls_ask_what_they_say() {
    let mut scope = world().scope;
    let mut last = |text: &str| {
        let before = scope.plan().aggregates().len();
        Number::compile(text, &mut scope).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(scope.plan().aggregates().len(), before + 1, "{text} is not new");
        scope.plan().aggregates().last().unwrap().clone()
    };
    let a = last("count(terminal + card, 2h, otp_failed, including, where amount > 77)");
    assert_eq!(a.entity.as_slice(), [field::CARD, *a.entity.last().unwrap()]);
    assert_eq!((a.window.unwrap().to_string(), a.including, a.filter), ("2h".to_owned(), true, Some(1)));
    assert_eq!(a.status, Some(tollgate::Status::OtpFailed));
    assert_eq!(last("max(card, 3d)").function, tollgate::Function::Max(field::AMOUNT));
    assert_eq!(last("distinct(ip, card, 3d)").function, tollgate::Function::Distinct(field::IP));
    assert_eq!(last("first_seen(email)").window, None);
    assert_eq!(last("count(card, 7d, delay 3d)").delay.to_string(), "3d");
    assert_eq!(last("sum(order_count, card, 3d)").function, {
        tollgate::Function::Sum(world().schema.find("order_count").unwrap())
    });
}
