//! Generated expressions over generated payments give the answers of an interpreter that knows
//! neither the parser nor the typed program: it walks its own tree over plain options. One by one,
//! as a column, and printed and read back.

use std::sync::Arc;

use proptest::prelude::*;
use tollgate::{
    Columns, Country, Currency, Facts, Money, Number, Payment, Rates, Schema, Scope, Test, Timestamp, Value,
};

#[derive(Debug, Clone, Default)]
struct Seen {
    minor: Option<i64>,
    at: i64,
    created: Option<i64>,
    /// ip_lat, ip_lon
    numbers: [Option<f64>; 2],
    /// is_recurring, is_guest
    bools: [Option<bool>; 2],
    /// channel, card_brand
    texts: [Option<String>; 2],
    /// account, device
    tokens: [Option<String>; 2],
    /// card_country, ip_country
    countries: [Option<&'static str>; 2],
    past: [Option<f64>; 3],
    items: Vec<(Option<String>, Option<f64>, Option<f64>)>,
}

const NUMBERS: [&str; 2] = ["ip_lat", "ip_lon"];
const BOOLS: [&str; 2] = ["is_recurring", "is_guest"];
const TEXTS: [&str; 2] = ["channel", "card_brand"];
const TOKENS: [&str; 2] = ["account", "device"];
const COUNTRIES: [&str; 2] = ["card_country", "ip_country"];
const PAST: [&str; 3] = ["count(card, 1h)", "distinct(merchant, card, 1d)", "since(ip)"];
const CODES: [&str; 3] = ["DE", "US", "CN"];
const OPS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const HOW: [&str; 4] = ["like", "starts_with", "ends_with", "includes"];

#[derive(Debug, Clone)]
enum Num {
    Const(f64),
    Field(usize),
    Past(usize),
    Age,
    Items,
    Two(char, Box<Num>, Box<Num>),
    Neg(Box<Num>),
    Abs(Box<Num>),
    Call(&'static str, Vec<Num>),
}

#[derive(Debug, Clone)]
enum Txt {
    Field(usize),
    Lower(Box<Txt>),
    Prefix(Box<Txt>, usize),
    Domain(Box<Txt>),
    Coalesce(Box<Txt>, Box<Txt>),
}

/// A literal and whether it is `cs"..."`.
type Lit = (String, bool);

#[derive(Debug, Clone)]
enum Cond {
    Const(bool),
    Field(usize),
    Not(Box<Cond>),
    All(Vec<Cond>),
    Any(Vec<Cond>),
    First(Box<Cond>, Box<Cond>),
    Same(Box<Cond>, Box<Cond>),
    Cmp(usize, Num, Num),
    Amount(usize, f64),
    InNums(bool, Num, Vec<f64>),
    Between(bool, Num, Num, Num),
    SameText(bool, Txt, Txt),
    InTexts(bool, Txt, Vec<Lit>),
    Match(bool, usize, Txt, Vec<Lit>),
    InTokens(usize, Vec<String>),
    SameToken,
    SameCountry,
    InCountries(bool, usize, Vec<usize>),
    MissingNum(Num),
    MissingText(Txt),
    Missing(Box<Cond>),
    MissingAccount,
    Item(Lit, usize, f64),
}

fn lit((text, exact): &Lit) -> String {
    format!("{}\"{text}\"", if *exact { "cs" } else { "" })
}

fn list<T>(all: &[T], show: impl Fn(&T) -> String) -> String {
    format!("[{}]", all.iter().map(show).collect::<Vec<_>>().join(", "))
}

impl Num {
    fn text(&self) -> String {
        match self {
            Num::Const(n) => format!("{n}"),
            Num::Field(i) => NUMBERS[*i].into(),
            Num::Past(i) => PAST[*i].into(),
            Num::Age => "(at - account_created)".into(),
            Num::Items => "sum(items, quantity * 2)".into(),
            Num::Two(op, a, b) => format!("({} {op} {})", a.text(), b.text()),
            Num::Neg(a) => format!("(-{})", a.text()),
            Num::Abs(a) => format!("abs({})", a.text()),
            Num::Call(name, all) => {
                format!("{name}({})", all.iter().map(Num::text).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn of(&self, s: &Seen) -> Option<f64> {
        let finite = |n: f64| n.is_finite().then_some(n);
        match self {
            Num::Const(n) => Some(*n),
            Num::Field(i) => s.numbers[*i],
            Num::Past(i) => s.past[*i],
            Num::Age => s.created.map(|c| (s.at as f64 - c as f64) / 1e6),
            Num::Items if s.items.is_empty() => None,
            Num::Items => s.items.iter().map(|i| Some(i.1? * 2.0)).sum(),
            Num::Two(op, a, b) => {
                let (a, b) = (a.of(s)?, b.of(s)?);
                finite(match op {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                })
            }
            Num::Neg(a) => a.of(s).map(|n| -n),
            Num::Abs(a) => a.of(s).map(f64::abs),
            Num::Call("coalesce", all) => all.iter().find_map(|n| n.of(s)),
            Num::Call(name, all) => {
                let all: Option<Vec<f64>> = all.iter().map(|n| n.of(s)).collect();
                let fold = if *name == "min" { f64::min } else { f64::max };
                all?.into_iter().reduce(fold)
            }
        }
    }
}

impl Txt {
    fn text(&self) -> String {
        match self {
            Txt::Field(i) => TEXTS[*i].into(),
            Txt::Lower(t) => format!("lower({})", t.text()),
            Txt::Prefix(t, n) => format!("prefix({}, {n})", t.text()),
            Txt::Domain(t) => format!("domain({})", t.text()),
            Txt::Coalesce(a, b) => format!("coalesce({}, {})", a.text(), b.text()),
        }
    }

    fn of(&self, s: &Seen) -> Option<String> {
        Some(match self {
            Txt::Field(i) => s.texts[*i].clone()?,
            Txt::Lower(t) => t.of(s)?.to_ascii_lowercase(),
            Txt::Prefix(t, n) => t.of(s)?.chars().take(*n).collect(),
            Txt::Domain(t) => t.of(s)?.rsplit_once('@')?.1.to_owned(),
            Txt::Coalesce(a, b) => a.of(s).or_else(|| b.of(s))?,
        })
    }
}

fn equal(text: &str, other: &str, exact: bool) -> bool {
    if exact { text == other } else { text.eq_ignore_ascii_case(other) }
}

/// The definition of `like`, by recursion.
fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|i| like(rest, &text[i..])),
        ['_', rest @ ..] => !text.is_empty() && like(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && like(rest, &text[1..]),
    }
}

fn fits(how: usize, text: &str, (pattern, exact): &Lit) -> bool {
    let fold = |t: &str| if *exact { t.to_owned() } else { t.to_ascii_lowercase() };
    let (text, pattern) = (fold(text), fold(pattern));
    match HOW[how] {
        "like" => like(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>()),
        "starts_with" => text.starts_with(&pattern),
        "ends_with" => text.ends_with(&pattern),
        _ => text.contains(&pattern),
    }
}

fn compare(op: usize, a: f64, b: f64) -> bool {
    match OPS[op] {
        "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    }
}

fn all(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let truths: Vec<_> = truths.collect();
    if truths.contains(&Some(false)) {
        Some(false)
    } else {
        truths.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
    }
}

fn any(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(truths.map(|t| t.map(|t| !t))).map(|t| !t)
}

impl Cond {
    fn text(&self) -> String {
        let no = |negated: &bool| if *negated { "not " } else { "" };
        let join = |all: &[Cond], word: &str| {
            let parts: Vec<_> = all.iter().map(|c| format!("({})", c.text())).collect();
            parts.join(word)
        };
        match self {
            Cond::Const(b) => b.to_string(),
            Cond::Field(i) => BOOLS[*i].into(),
            Cond::Not(c) => format!("not ({})", c.text()),
            Cond::All(all) => join(all, " and "),
            Cond::Any(all) => join(all, " || "),
            Cond::First(a, b) => format!("coalesce({}, {})", a.text(), b.text()),
            Cond::Same(a, b) => format!("({}) == ({})", a.text(), b.text()),
            Cond::Cmp(op, a, b) => format!("{} {} {}", a.text(), OPS[*op], b.text()),
            Cond::Amount(op, n) => format!("amount {} {n}", OPS[*op]),
            Cond::InNums(neg, n, set) => {
                format!("{} {}in {}", n.text(), no(neg), list(set, |n| n.to_string()))
            }
            Cond::Between(neg, n, a, b) => {
                format!("{} {}between {} and {}", n.text(), no(neg), a.text(), b.text())
            }
            Cond::SameText(ne, a, b) => {
                format!("{} {} {}", a.text(), if *ne { "!=" } else { "=" }, b.text())
            }
            Cond::InTexts(neg, t, set) => format!("{} {}in {}", t.text(), no(neg), list(set, lit)),
            Cond::Match(neg, how, t, set) => {
                format!("{} {}{} {}", t.text(), no(neg), HOW[*how], list(set, lit))
            }
            Cond::InTokens(i, set) => format!("{} in {}", TOKENS[*i], list(set, |t| format!("{t:?}"))),
            Cond::SameToken => "account == device".into(),
            Cond::SameCountry => ":card_country: == :ip_country:".into(),
            Cond::InCountries(neg, i, set) => {
                format!("{} {}in {}", COUNTRIES[*i], no(neg), list(set, |c| format!("'{}'", CODES[*c])))
            }
            Cond::MissingNum(n) => format!("is_missing({})", n.text()),
            Cond::MissingText(t) => format!("is_missing({})", t.text()),
            Cond::Missing(c) => format!("is_missing({})", c.text()),
            Cond::MissingAccount => "is_missing(account_created)".into(),
            Cond::Item(category, op, n) => {
                format!("any(items, category == {} and price {} {n})", lit(category), OPS[*op])
            }
        }
    }

    fn of(&self, s: &Seen) -> Option<bool> {
        match self {
            Cond::Const(b) => Some(*b),
            Cond::Field(i) => s.bools[*i],
            Cond::Not(c) => c.of(s).map(|t| !t),
            Cond::All(parts) => all(parts.iter().map(|c| c.of(s))),
            Cond::Any(parts) => any(parts.iter().map(|c| c.of(s))),
            Cond::First(a, b) => a.of(s).or_else(|| b.of(s)),
            Cond::Same(a, b) => Some(a.of(s)? == b.of(s)?),
            Cond::Cmp(op, a, b) => Some(compare(*op, a.of(s)?, b.of(s)?)),
            Cond::Amount(op, n) => Some(compare(*op, s.minor? as f64 / 100.0, *n)),
            Cond::InNums(neg, n, set) => {
                let n = n.of(s)?;
                Some(set.contains(&n) != *neg)
            }
            Cond::Between(neg, n, a, b) => {
                let n = n.of(s);
                let side = |op: fn(&f64, &f64) -> bool, end: Option<f64>| Some(op(&n?, &end?));
                let inside = all([side(f64::ge, a.of(s)), side(f64::le, b.of(s))].into_iter());
                inside.map(|t| t != *neg)
            }
            Cond::SameText(ne, a, b) => Some(equal(&a.of(s)?, &b.of(s)?, false) != *ne),
            Cond::InTexts(neg, t, set) => {
                let t = t.of(s)?;
                Some(set.iter().any(|(l, exact)| equal(&t, l, *exact)) != *neg)
            }
            Cond::Match(neg, how, t, set) => {
                let t = t.of(s)?;
                Some(set.iter().any(|l| fits(*how, &t, l)) != *neg)
            }
            Cond::InTokens(i, set) => Some(set.contains(s.tokens[*i].as_ref()?)),
            Cond::SameToken => Some(s.tokens[0].as_ref()? == s.tokens[1].as_ref()?),
            Cond::SameCountry => Some(s.countries[0]? == s.countries[1]?),
            Cond::InCountries(neg, i, set) => {
                let country = s.countries[*i]?;
                Some(set.iter().any(|c| CODES[*c] == country) != *neg)
            }
            Cond::MissingNum(n) => Some(n.of(s).is_none()),
            Cond::MissingText(t) => Some(t.of(s).is_none()),
            Cond::Missing(c) => Some(c.of(s).is_none()),
            Cond::MissingAccount => Some(s.created.is_none()),
            Cond::Item(_, _, _) if s.items.is_empty() => None,
            Cond::Item((category, exact), op, n) => any(s.items.iter().map(|(c, _, price)| {
                let is = c.as_ref().map(|c| equal(c, category, *exact));
                all([is, price.map(|p| compare(*op, p, *n))].into_iter())
            })),
        }
    }
}

/// Small numbers collide often.
fn small() -> impl Strategy<Value = f64> {
    prop_oneof![(-3i32..4).prop_map(f64::from), Just(0.5), Just(1e300), Just(86_400.0)]
}

fn number() -> BoxedStrategy<Num> {
    let leaf = prop_oneof![
        (0u32..5).prop_map(|n| Num::Const(f64::from(n))),
        (0usize..2).prop_map(Num::Field),
        (0usize..3).prop_map(Num::Past),
        Just(Num::Age),
        Just(Num::Items),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let two = (prop::sample::select(vec!['+', '-', '*', '/']), inner.clone(), inner.clone());
        let call = (
            prop::sample::select(vec!["min", "max", "coalesce"]),
            prop::collection::vec(inner.clone(), 2..4),
        );
        prop_oneof![
            two.prop_map(|(op, a, b)| Num::Two(op, a.into(), b.into())),
            inner.clone().prop_map(|n| Num::Neg(n.into())),
            inner.prop_map(|n| Num::Abs(n.into())),
            call.prop_map(|(name, all)| Num::Call(name, all)),
        ]
    })
    .boxed()
}

fn text() -> BoxedStrategy<Txt> {
    (0usize..2)
        .prop_map(Txt::Field)
        .prop_recursive(2, 6, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|t| Txt::Lower(t.into())),
                (inner.clone(), 1usize..4).prop_map(|(t, n)| Txt::Prefix(t.into(), n)),
                inner.clone().prop_map(|t| Txt::Domain(t.into())),
                (inner.clone(), inner).prop_map(|(a, b)| Txt::Coalesce(a.into(), b.into())),
            ]
        })
        .boxed()
}

fn literal(letters: &'static str) -> impl Strategy<Value = Lit> {
    (letters, any_bool())
}

fn any_bool() -> impl Strategy<Value = bool> {
    prop::bool::ANY
}

const LETTERS: &str = "[abAB@\u{e9}]{0,3}";
const PATTERN: &str = "[abAB%_\u{e9}]{0,4}";

fn condition() -> BoxedStrategy<Cond> {
    let op = || 0usize..6;
    let leaf = prop_oneof![
        any_bool().prop_map(Cond::Const),
        (0usize..2).prop_map(Cond::Field),
        (op(), number(), number()).prop_map(|(op, a, b)| Cond::Cmp(op, a, b)),
        (op(), small()).prop_map(|(op, n)| Cond::Amount(op, n)),
        (any_bool(), number(), prop::collection::vec(small(), 1..4))
            .prop_map(|(n, a, s)| Cond::InNums(n, a, s)),
        (any_bool(), number(), number(), number()).prop_map(|(n, a, b, c)| Cond::Between(n, a, b, c)),
        (any_bool(), text(), text()).prop_map(|(n, a, b)| Cond::SameText(n, a, b)),
        (any_bool(), text(), prop::collection::vec(literal(LETTERS), 1..12))
            .prop_map(|(n, t, s)| Cond::InTexts(n, t, s)),
        (any_bool(), 0usize..4, text(), prop::collection::vec(literal(PATTERN), 1..3))
            .prop_map(|(n, how, t, s)| Cond::Match(n, how, t, s)),
        (0usize..2, prop::collection::vec("[abAB]{1,2}", 1..4)).prop_map(|(i, s)| Cond::InTokens(i, s)),
        Just(Cond::SameToken),
        Just(Cond::SameCountry),
        (any_bool(), 0usize..2, prop::collection::vec(0usize..3, 1..3))
            .prop_map(|(n, i, s)| Cond::InCountries(n, i, s)),
        number().prop_map(|n| Cond::MissingNum(Num::Two('+', n.into(), Num::Field(0).into()))),
        text().prop_map(Cond::MissingText),
        Just(Cond::MissingAccount),
        (literal(LETTERS), op(), small()).prop_map(|(l, op, n)| Cond::Item(l, op, n)),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            inner.clone().prop_map(|c| Cond::Not(c.into())),
            many.clone().prop_map(Cond::All),
            many.prop_map(Cond::Any),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Cond::First(a.into(), b.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Cond::Same(a.into(), b.into())),
            // What is always known has no missing.
            (0usize..2, inner).prop_map(|(i, c)| Cond::Missing(Box::new(Cond::All(vec![Cond::Field(i), c])))),
        ]
    })
    .boxed()
}

fn payment() -> impl Strategy<Value = Seen> {
    let maybe = |s: BoxedStrategy<f64>| prop::option::of(s);
    let two = |s: &'static str| [prop::option::of(s), prop::option::of(s)];
    let n = || maybe(small().boxed());
    let item = (prop::option::of(LETTERS), n(), n());
    (
        prop::option::of(0i64..400),
        prop::option::of(0i64..3),
        [n(), n()],
        [prop::option::of(any_bool()), prop::option::of(any_bool())],
        (two(LETTERS), two("[abAB]{1,2}")),
        [prop::option::of(0usize..3), prop::option::of(0usize..3)],
        [n(), n(), n()],
        prop::collection::vec(item, 0..3),
    )
        .prop_map(|(minor, days, numbers, bools, (texts, tokens), countries, past, items)| Seen {
            minor,
            at: 1_795_393_800_500_000,
            created: days.map(|d| 1_795_393_800_500_000 - d * 86_400_000_000),
            numbers,
            bools,
            texts,
            tokens,
            countries: countries.map(|c| c.map(|i| CODES[i])),
            past,
            items,
        })
}

impl Seen {
    fn payment(&self, schema: &Schema) -> Payment {
        let mut p = Payment::new(schema);
        let mut set = |name: &str, value: Option<Value<'_>>| {
            if let Some(value) = value {
                p.set(schema, schema.find(name).unwrap(), value).unwrap();
            }
        };
        let usd = Currency::parse("USD").unwrap();
        let time = |micros| Value::Timestamp(Timestamp::from_micros(micros).unwrap());
        set("amount", self.minor.map(|m| Value::Money(Money::from_minor(m, usd).unwrap())));
        set("at", Some(time(self.at)));
        set("account_created", self.created.map(time));
        for i in 0..2 {
            set(NUMBERS[i], self.numbers[i].map(Value::Number));
            set(BOOLS[i], self.bools[i].map(Value::Bool));
            set(TEXTS[i], self.texts[i].as_deref().map(Value::Text));
            set(TOKENS[i], self.tokens[i].as_deref().map(Value::Token));
            set(COUNTRIES[i], self.countries[i].map(|c| Value::Country(Country::parse(c).unwrap())));
        }
        for (category, quantity, price) in &self.items {
            p.push_item(schema, None, category.as_deref(), *quantity, *price).unwrap();
        }
        p
    }
}

fn scope() -> Scope {
    let usd = Currency::parse("USD").unwrap();
    let mut scope = Scope::new(Arc::new(Schema::standard()), Arc::default(), Arc::new(Rates::only(usd)));
    for text in PAST {
        Number::compile(text, &mut scope).unwrap();
    }
    scope
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn conditions_hold_as_the_oracle_says(cond in condition(), seen in prop::collection::vec(payment(), 1..6)) {
        let mut scope = scope();
        let text = cond.text();
        let test = Test::compile(&text, &mut scope);
        prop_assert!(test.is_ok(), "{text}: {:?}", test.err());
        let test = test.unwrap();
        let schema = scope.schema().clone();
        let payments: Vec<Payment> = seen.iter().map(|s| s.payment(&schema)).collect();
        let activity: Vec<f64> = seen.iter().flat_map(|s| s.past.map(|n| n.unwrap_or(f64::NAN))).collect();
        let expected: Vec<Option<bool>> = seen.iter().map(|s| cond.of(s)).collect();
        for (i, payment) in payments.iter().enumerate() {
            let facts = Facts::new(payment, &activity[i * 3..i * 3 + 3]);
            prop_assert_eq!(test.holds(facts), expected[i], "{} for {:?}", text, seen[i]);
        }
        let mut out = Vec::new();
        test.holds_all(&mut Columns::new(&schema, &payments, &activity, 3), &mut out);
        prop_assert_eq!(out, expected, "{} as a column", text);
        let printed = test.to_string();
        prop_assert_eq!(Test::compile(&printed, &mut scope), Ok(test), "{} printed as {}", text, printed);
    }

    #[test]
    fn numbers_are_what_the_oracle_says(num in number(), seen in prop::collection::vec(payment(), 1..6)) {
        let mut scope = scope();
        let text = num.text();
        let number = Number::compile(&text, &mut scope);
        prop_assert!(number.is_ok(), "{text}: {:?}", number.err());
        let number = number.unwrap();
        let schema = scope.schema().clone();
        let payments: Vec<Payment> = seen.iter().map(|s| s.payment(&schema)).collect();
        let activity: Vec<f64> = seen.iter().flat_map(|s| s.past.map(|n| n.unwrap_or(f64::NAN))).collect();
        let mut out = Vec::new();
        number.values(&mut Columns::new(&schema, &payments, &activity, 3), &mut out);
        for (i, payment) in payments.iter().enumerate() {
            let expected = num.of(&seen[i]);
            let facts = Facts::new(payment, &activity[i * 3..i * 3 + 3]);
            prop_assert_eq!(number.value(facts), expected, "{} for {:?}", text, seen[i]);
            prop_assert_eq!(Some(out[i]).filter(|n| !n.is_nan()), expected, "{} as a column", text);
        }
        let printed = number.to_string();
        prop_assert_eq!(Number::compile(&printed, &mut scope), Ok(number), "{} printed as {}", text, printed);
    }

    #[test]
    fn any_text_at_all_is_read_or_refused(text in "[a-z0-9 ()\\[\\]\"'@:.,<>=!&|+*/_%-]{0,60}|\\PC{0,30}") {
        let mut scope = scope();
        if let Err(wrong) = Test::compile(&text, &mut scope) {
            prop_assert!(!wrong.is_empty());
            for error in wrong {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len(), "{:?}", error);
                prop_assert!(text.is_char_boundary(error.span.start) && text.is_char_boundary(error.span.end));
            }
        }
    }
}
