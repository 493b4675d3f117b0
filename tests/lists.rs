//! Lists: what is covered, until when, and what a folder's mistakes look like.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;
use tollgate::{
    LIST_ITEMS_MAX, LIST_VALUE_BYTES_MAX, LISTS_MAX, List, ListError, ListItem, ListKind, Lists, Payment,
    Schema, Timestamp, Value, field,
};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn list(kind: ListKind, values: &[&str]) -> List {
    let list = List::new("l", kind, &Schema::standard());
    for value in values {
        list.insert(value, ListItem::default()).unwrap();
    }
    list
}

fn mapped(ip: &str) -> Ipv6Addr {
    match ip.parse().unwrap() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[test]
fn each_kind_covers_what_it_says() {
    use ListKind::*;
    let now = at("2026-11-23");
    for (kind, items, covered, not) in [
        (Text, vec!["Trash.Example"], vec!["trash.example", "TRASH.EXAMPLE"], vec!["trash.example.org", ""]),
        (Token, vec!["tok_A"], vec!["tok_A"], vec!["tok_a", "TOK_A"]),
        (Country, vec!["kp", "IR"], vec!["KP", "ir"], vec!["US", "KPR", ""]),
        (
            Ip,
            vec!["192.0.2.0/24", "203.0.113.7", "2001:db8:7::/48"],
            vec!["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.9", "203.0.113.7", "2001:db8:7:ffff::1"],
            vec!["192.0.3.0", "203.0.113.8", "2001:db8:8::1", "192.0.2", ""],
        ),
        (Ip, vec!["0.0.0.0/0"], vec!["198.51.100.1"], vec!["2001:db8::1"]),
        (Ip, vec!["::/0"], vec!["2001:db8::1"], vec!["198.51.100.1"]),
        (
            Bin,
            vec!["411111", "5200", "400000-400149"],
            vec!["411111", "41111122", "520012", "400000", "40014999"],
            vec!["41111", "411112", "520", "400150", "399999", "40x", ""],
        ),
    ] {
        let list = list(kind, &items);
        assert_eq!(list.len(), items.len());
        for value in covered {
            assert!(list.contains_text(value, now), "{kind} {items:?} covers {value}");
        }
        for value in not {
            assert!(!list.contains_text(value, now), "{kind} {items:?} doesn't cover {value}");
        }
        for value in items {
            assert!(list.remove(value), "{value}");
            assert!(!list.remove(value), "{value} twice");
        }
        assert!(list.is_empty() && list.items().is_empty());
    }
}

#[test]
fn payments_are_found_by_what_their_slots_hold() {
    let schema = Schema::standard().with_seed(7);
    let now = at("2026-11-23");
    let mut payment = Payment::new(&schema);
    payment.set(&schema, field::CARD, Value::Token("tok_9")).unwrap();
    payment.set(&schema, field::EMAIL, Value::Text("ann@Trash.example")).unwrap();
    payment.set(&schema, field::IP, Value::Ip("192.0.2.9".parse().unwrap())).unwrap();
    payment
        .set(&schema, field::CARD_COUNTRY, Value::Country(tollgate::Country::parse("KP").unwrap()))
        .unwrap();
    let listed = |kind, value, id| {
        let list = List::new("l", kind, &schema);
        list.insert(value, ListItem::default()).unwrap();
        list.contains_symbol(payment.symbol(id).unwrap(), now)
    };
    assert!(listed(ListKind::Token, "tok_9", field::CARD));
    assert!(listed(ListKind::Text, "trash.EXAMPLE", field::EMAIL_DOMAIN));
    assert!(listed(ListKind::Country, "kp", field::CARD_COUNTRY));
    assert!(!listed(ListKind::Token, "tok_8", field::CARD));
    let nets = list(ListKind::Ip, &["192.0.2.0/25"]);
    assert!(nets.contains_ip(payment.ip(field::IP).unwrap(), now));
    // A question of another kind is answered with no.
    assert!(!nets.contains_symbol(1, now) && !nets.contains_bin("4", now));
}

#[test]
fn an_item_ends_at_its_instant_by_the_time_of_the_payment() {
    let end = at("2026-11-23T12:00:00Z");
    for (kind, value) in [
        (ListKind::Token, "t"),
        (ListKind::Ip, "192.0.2.0/24"),
        (ListKind::Bin, "400000-400099"),
        (ListKind::Country, "KP"),
    ] {
        let list = list(kind, &[]);
        list.insert(value, ListItem { expires: Some(end), ..ListItem::default() }).unwrap();
        let asked = value.split(['/', '-']).next().unwrap();
        assert!(list.contains_text(asked, at("2026-11-23T11:59:59.999999Z")), "{kind}");
        assert!(!list.contains_text(asked, end), "{kind}");
        assert_eq!(list.len(), 1);
        list.insert(value, ListItem { reason: "again".into(), ..ListItem::default() }).unwrap();
        assert_eq!((list.len(), &*list.find(asked, end).unwrap().reason), (1, "again"), "{kind}");
    }
}

#[test]
fn an_expired_item_hides_no_live_one_around_it() {
    let old = ListItem { expires: Some(at("2020-01-01")), ..ListItem::default() };
    let now = at("2026-11-23");
    let nets = list(ListKind::Ip, &["192.0.0.0/16"]);
    nets.insert("192.0.2.9", old.clone()).unwrap();
    assert!(nets.contains_ip(mapped("192.0.2.9"), now));
    let bins = list(ListKind::Bin, &["4000"]);
    bins.insert("400000-400099", old).unwrap(); // the same cards, by another item
    assert!(bins.contains_bin("400050", now));
    assert!(bins.remove("4000") && !bins.contains_bin("400050", now));
    assert_eq!(bins.len(), 1);
}

#[test]
fn values_of_no_meaning_are_refused() {
    use ListKind::*;
    for (kind, value, expected) in [
        (Text, "", ListError::Empty),
        (Text, "  ", ListError::Empty),
        (Country, "CHN", ListError::Kind(Country)),
        (Country, "C1", ListError::Kind(Country)),
        (Ip, "192.0.2.256", ListError::Kind(Ip)),
        (Ip, "192.0.2.7/24", ListError::Kind(Ip)),
        (Ip, "192.0.2.0/33", ListError::Kind(Ip)),
        (Bin, "41111x", ListError::Kind(Bin)),
        (Bin, "400099-400000", ListError::Kind(Bin)),
        (Bin, "4000-400099", ListError::Kind(Bin)),
        (Bin, "400000-", ListError::Kind(Bin)),
        (Token, "4111 1111 1111 1111", ListError::CardNumber),
        (Text, "pan 4111111111111111", ListError::CardNumber),
        (Bin, "4111111111111111", ListError::Kind(Bin)),
    ] {
        let list = list(kind, &[]);
        assert_eq!(list.insert(value, ListItem::default()), Err(expected), "{kind} {value}");
        assert!(list.is_empty());
    }
    let list = list(Token, &[]);
    let item = ListItem { reason: "4111111111111111".into(), ..ListItem::default() };
    assert_eq!(list.insert("tok_1", item), Err(ListError::CardNumber));
}

#[test]
fn value_lengths_and_bin_digits_are_met_and_not_passed() {
    let text = list(ListKind::Text, &[]);
    let long = "x".repeat(LIST_VALUE_BYTES_MAX);
    assert_eq!(text.insert(&long, ListItem::default()), Ok(()));
    assert_eq!(text.insert(&format!("{long}x"), ListItem::default()), Err(ListError::TooLong));
    let reason = ListItem { reason: format!("{long}x").into(), ..ListItem::default() };
    assert_eq!(text.insert("y", reason), Err(ListError::TooLong));
    let bins = list(ListKind::Bin, &[]);
    assert_eq!(bins.insert("41111111111", ListItem::default()), Ok(()));
    assert_eq!(
        bins.insert("411111111111", ListItem::default()),
        Err(ListError::Kind(ListKind::Bin)),
        "twelve digits could be a card"
    );
}

#[test]
fn a_million_items_fit_and_one_more_does_not() {
    let list = list(ListKind::Token, &[]);
    for i in 0..LIST_ITEMS_MAX {
        list.insert(&format!("tok_{i}"), ListItem::default()).unwrap();
    }
    assert_eq!(list.insert("tok_x", ListItem::default()), Err(ListError::Full));
    assert_eq!(list.insert("tok_5", ListItem::default()), Ok(()), "replacing takes no room");
    assert_eq!(list.len(), LIST_ITEMS_MAX);
    let now = Timestamp::default();
    assert!((0..LIST_ITEMS_MAX).step_by(997).all(|i| list.contains_text(&format!("tok_{i}"), now)));
    assert!(!list.contains_text("tok_x", now));
    assert!(list.remove("tok_7"));
    assert_eq!(list.insert("tok_x", ListItem::default()), Ok(()));
}

#[test]
fn edits_and_lookups_of_many_threads_lose_nothing() {
    let lists = [
        list(ListKind::Token, &["keep"]),
        list(ListKind::Ip, &["192.0.2.0/24"]),
        list(ListKind::Bin, &["400000-400149"]),
    ];
    let keep = ["keep", "192.0.2.77", "400149"];
    let value = |l: usize, t: usize, i: usize| match l {
        0 => format!("tok_{t}_{i}"),
        1 => format!("10.{t}.{i}.0/24"),
        _ => format!("5{t}00{i:02}-5{t}02{i:02}"),
    };
    std::thread::scope(|scope| {
        for t in 0..4 {
            let lists = &lists;
            scope.spawn(move || {
                for i in 0..90 {
                    for (l, list) in lists.iter().enumerate() {
                        list.insert(&value(l, t, i), ListItem::default()).unwrap();
                        assert!(list.contains_text(keep[l], Timestamp::default()));
                        if i % 3 == 0 {
                            assert!(list.remove(&value(l, t, i)));
                        }
                    }
                }
            });
        }
    });
    for list in &lists {
        assert_eq!(list.len(), 1 + 4 * 60);
        assert_eq!(list.items().len(), list.len());
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn a_folder_is_read_with_its_item_files() {
    let dir = folder(&[
        (
            "never.toml",
            "kind = 'token'\nabout = 'stolen'\nitems = ['tok_1']\nfile = 'never.csv'\n[[item]]\nvalue = 'tok_2'\nexpires = '2026-12-01'\nreason = 'r'\nsource = 's'\n[[item]]\nvalue = 'tok_3'\nexpires = 2026-12-01T00:00:00Z\n",
        ),
        (
            "never.csv",
            "value,reason,expires\n# seen in november\ntok_4,\"one, two\",\ntok_5,,2026-12-01T00:00:00Z\n",
        ),
        ("trash.toml", "kind = 'text'\nfile = 'trash.txt'"),
        ("trash.txt", "# providers\n\na.example\r\n  b.example  \n"),
        ("notes.md", "not a list"),
    ]);
    let lists = Lists::load(dir.path(), &Schema::standard()).unwrap();
    assert_eq!(lists.names().collect::<Vec<_>>(), ["never", "trash"]);
    let never = lists.get("never").unwrap();
    assert_eq!((never.len(), never.about(), never.kind()), (5, "stolen", ListKind::Token));
    let item = never.find("tok_2", at("2026-11-30")).unwrap();
    assert_eq!((&*item.reason, &*item.source, item.expires), ("r", "s", Some(at("2026-12-01"))));
    assert_eq!(&*never.find("tok_4", at("2100-01-01")).unwrap().reason, "one, two");
    for token in ["tok_2", "tok_3", "tok_5"] {
        assert!(!never.contains_text(token, at("2026-12-01")), "{token}");
    }
    assert!(lists.get("trash").unwrap().contains_text("B.example", at("2026-12-01")));
    assert_eq!(Lists::load(dir.path().join("none"), &Schema::standard()).unwrap().names().count(), 0);
}

#[test]
fn all_mistakes_of_a_folder_are_shown_with_their_place() {
    let dir = folder(&[
        ("a.toml", "kind = 'country'\nitems = [\n  'CN',\n  'CHN',\n]\n"),
        ("b.toml", "kind = 'ip'\nfile = 'b.csv'\n"),
        (
            "b.csv",
            "value,expires\n192.0.2.0/24,\n192.0.2.1/24,\n# a comment\n192.0.2.2,tomorrow\n192.0.2.3\n192.0.2.4,\n",
        ),
        ("c.toml", "kind = 'colour'\n"),
        ("d.toml", "kind = 'text'\nitem = [{ value = 'x', expire = '2026-01-01' }]\n"),
        ("e.toml", "kind = 'text'\nfile = '../b.csv'\n"),
        ("f.toml", "kind = 'text'\nfile = 'none.txt'\n"),
        ("g.toml", "kind = 'text'\nfile = 'a.toml'\n"),
        ("h.toml", "kind = 'token'\nitems = ['tok_1', '4111111111111111']\n"),
        ("i-j.toml", "kind = 'token'\n"),
        ("k.toml", "kind = 'text'\nfile = 'k.csv'\n"),
        ("k.csv", "domain\nx.example\n"),
    ]);
    let wrong = Lists::load(dir.path(), &Schema::standard()).unwrap_err();
    let prefix = format!("{}/", dir.path().display());
    let shown: Vec<_> = wrong
        .iter()
        .map(|d| (d.path().trim_start_matches(&prefix).to_owned(), d.place(), d.to_string()))
        .collect();
    let expected = [
        ("a.toml", (4, 3), "two letters"),
        ("b.csv", (3, 1), "no bits set after the prefix"),
        ("b.csv", (5, 1), "not an instant"),
        ("b.csv", (6, 1), "1 cells and the header 2"),
        ("c.toml", (1, 8), "unknown variant `colour`"),
        ("d.toml", (2, 24), "unknown field `expire`"),
        ("e.toml", (2, 8), "bare name"),
        ("f.toml", (2, 8), "can't be read"),
        ("g.toml", (2, 8), ".csv or .txt"),
        ("h.toml", (2, 19), "lists hold tokens"),
        ("i-j.toml", (0, 0), "lower-case letters"),
        ("k.csv", (1, 1), "names the columns"),
    ];
    for (found, (path, place, words)) in shown.iter().zip(expected) {
        assert!(
            found.0 == path && found.1 == place && found.2.contains(words),
            "{path} {place:?}: {found:?}"
        );
        assert!(!found.2.contains("4111111111111111"), "{}", found.2);
    }
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
}

#[test]
fn a_feed_of_the_wrong_kind_is_not_a_million_messages() {
    let rows: String = (0..10_000).map(|i| format!("host{i}\n")).collect();
    let dir = folder(&[("n.toml", "kind = 'ip'\nfile = 'n.txt'"), ("n.txt", &rows)]);
    let wrong = Lists::load(dir.path(), &Schema::standard()).unwrap_err();
    assert_eq!(wrong.len(), 21);
    assert!(wrong[20].message().contains("9980 more"), "{}", wrong[20].message());
}

#[test]
fn the_lists_of_a_folder_are_met_and_not_passed() {
    let names: Vec<_> = (0..=LISTS_MAX).map(|i| format!("l{i}.toml")).collect();
    let files: Vec<_> = names.iter().map(|n| (n.as_str(), "kind = 'text'")).collect();
    let dir = folder(&files);
    assert!(Lists::load(dir.path(), &Schema::standard()).unwrap_err()[0].message().contains("at most 256"));
    std::fs::remove_file(dir.path().join("l0.toml")).unwrap();
    assert_eq!(Lists::load(dir.path(), &Schema::standard()).unwrap().names().count(), LISTS_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against reading every item as two numbers and comparing.
    #[test]
    fn bins_agree_with_comparing_each_item(
        edits in prop::collection::vec((1usize..7, 0u64..1_000_000, 0u64..500, any::<bool>()), 1..40),
        asked in prop::collection::vec((1usize..9, 0u64..100_000_000), 60),
    ) {
        let list = list(ListKind::Bin, &[]);
        let mut naive: HashMap<String, (usize, u64, u64)> = HashMap::new();
        for (digits, low, width, add) in edits {
            let limit = 10u64.pow(digits as u32);
            let low = low % limit;
            let high = (low + width).min(limit - 1);
            let value = format!("{low:0digits$}-{high:0digits$}");
            if add {
                list.insert(&value, ListItem::default()).unwrap();
                naive.insert(value, (digits, low, high));
            } else {
                prop_assert_eq!(list.remove(&value), naive.remove(&value).is_some());
            }
        }
        prop_assert_eq!(list.len(), naive.len());
        for (digits, number) in asked {
            let text = format!("{:0digits$}", number % 10u64.pow(digits as u32));
            // All completions to eight digits lie within one item.
            let within = naive.values().any(|&(n, low, high)| {
                let fill = |s: &str, c: char| format!("{s}{}", c.to_string().repeat(8 - s.len()));
                let number = |s: String| s.parse::<u64>().unwrap();
                number(fill(&text, '0')) >= number(fill(&format!("{low:0n$}"), '0'))
                    && number(fill(&text, '9')) <= number(fill(&format!("{high:0n$}"), '9'))
            });
            prop_assert_eq!(list.contains_bin(&text, Timestamp::default()), within, "{}", text);
        }
    }

    /// Against the network library's own test of each block.
    #[test]
    fn blocks_agree_with_asking_each_net(
        items in prop::collection::vec((any::<u32>(), 0u8..=32), 1..20),
        six in prop::collection::vec((any::<u128>(), 0u8..=128), 1..20),
        asked in prop::collection::vec((any::<prop::sample::Index>(), any::<u128>(), 0u32..128), 40),
    ) {
        let nets: Vec<ipnet::IpNet> = items
            .iter()
            .map(|&(ip, n)| ipnet::IpNet::new(IpAddr::V4(ip.into()), n).unwrap().trunc())
            .chain(six.iter().map(|&(ip, n)| ipnet::IpNet::new(IpAddr::V6(ip.into()), n).unwrap().trunc()))
            .collect();
        let values: Vec<_> = nets.iter().map(ToString::to_string).collect();
        let list = list(ListKind::Ip, &values.iter().map(String::as_str).collect::<Vec<_>>());
        for (index, noise, keep) in asked {
            // An address near one of the nets.
            let ip = match index.get(&nets).addr() {
                IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() ^ (noise as u32).checked_shr(keep).unwrap_or(0)).into()),
                IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() ^ noise >> keep).into()),
            };
            let within = nets.iter().any(|net| net.contains(&ip));
            prop_assert_eq!(list.contains_ip(mapped(&ip.to_string()), Timestamp::default()), within, "{}", ip);
        }
    }
}

#[test]
fn the_shipped_lists_rates_and_schema_are_right() {
    let rules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let read = |name: &str| std::fs::read_to_string(rules.join(name)).unwrap();
    let schema = Schema::parse("schema.toml", &read("schema.toml")).unwrap();
    let lists = Lists::load(rules.join("lists"), &schema).unwrap();
    assert_eq!(lists.names().count(), 9);
    for name in lists.names() {
        let list = lists.get(name).unwrap();
        assert!(!list.is_empty() && !list.about().is_empty(), "{name}");
    }
    let rates = tollgate::Rates::parse(&read("rates.toml")).unwrap();
    assert_eq!((rates.version(), rates.base().code()), ("2026-11-20", "USD"));
    // Every currency of the simulator can be compared in dollars.
    for code in ["EUR", "GBP", "JPY", "CNY", "KWD", "BRL", "INR", "AUD", "MXN"] {
        let one = tollgate::Money::parse("1000", tollgate::Currency::parse(code).unwrap()).unwrap();
        assert!(rates.to_base(one).is_some(), "{code}");
    }
}
