//! What a look into a list of a million costs: values, ranges of BINs, networks; against a `HashSet` of values, a
//! search of sorted ranges, and a scan from end to end, which is what conditions written out would do.

use std::collections::HashSet;
use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tollgate::{LIST_ITEMS_MAX, List, ListItem, ListKind, Schema, Timestamp};

/// Looks of one round; half of them are at what is listed.
const LOOKS: usize = 1000;
/// Looks of one round of a scan.
const SCANS: usize = 4;

fn full(kind: ListKind, value: impl Fn(usize) -> String) -> List {
    let list = List::new("bench", kind, &Schema::standard());
    for i in 0..LIST_ITEMS_MAX {
        list.insert(&value(i), ListItem::default()).unwrap_or_else(|e| panic!("{}: {e}", value(i)));
    }
    list
}

/// What is asked: listed or not, as a coin falls.
fn looks<T>(listed: impl Fn(usize) -> T, other: impl Fn(usize) -> T) -> Vec<T> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut look = || {
        let i = random.random_range(0..LIST_ITEMS_MAX);
        if random.random_bool(0.5) { listed(i) } else { other(i) }
    };
    (0..LOOKS).map(|_| look()).collect()
}

/// A way to look, and its name.
type Way<'a, T> = (&'a str, &'a dyn Fn(&T) -> bool);

/// Measures ways to look that must find the same.
fn measure<T>(c: &mut Criterion, name: &str, looks: &[T], ways: &[Way<'_, T>]) {
    let mut group = c.benchmark_group(format!("lists/{name}"));
    for (way, find) in ways {
        let looks = if way.starts_with("scan") { &looks[..SCANS] } else { looks };
        let count = |find: &dyn Fn(&T) -> bool| looks.iter().filter(|look| find(black_box(look))).count();
        assert_eq!(count(find), count(ways[0].1), "{way}");
        group.throughput(Throughput::Elements(looks.len() as u64));
        group.sample_size(if looks.len() == SCANS { 10 } else { 100 });
        group.bench_function(*way, |b| b.iter(|| count(find)));
    }
    group.finish();
}

fn values(c: &mut Criterion, at: Timestamp) {
    let value = |i: usize| format!("someone{i}@mail{}.example", i % 977);
    let schema = Schema::standard();
    let list = full(ListKind::Text, value);
    let plain: Vec<String> = (0..LIST_ITEMS_MAX).map(value).collect();
    let set: HashSet<&str> = plain.iter().map(String::as_str).collect();
    // A payment's slot holds the symbol already.
    let asked = looks(value, |i| format!("other{i}@mail.example"));
    let asked: Vec<(u64, String)> = asked.into_iter().map(|v| (schema.symbol(&v, false), v)).collect();
    measure(
        c,
        "a million texts",
        &asked,
        &[
            ("list, as a payment asks", &|(symbol, _)| list.contains_symbol(*symbol, at)),
            ("list, by text", &|(_, text)| list.contains_text(text, at)),
            ("HashSet<&str>", &|(_, text)| set.contains(text.as_str())),
            ("scan", &|(_, text)| plain.iter().any(|other| other == text)),
        ],
    );
}

/// Ranges of twenty numbers of eight digits, with eighty between them.
fn bins(c: &mut Criterion, at: Timestamp) {
    let range = |i: usize| (i as u64 * 100, i as u64 * 100 + 19);
    let list = full(ListKind::Bin, |i| format!("{:08}-{:08}", range(i).0, range(i).1));
    let sorted: Vec<(u64, u64)> = (0..LIST_ITEMS_MAX).map(range).collect();
    let asked = looks(|i| i as u64 * 100 + 7, |i| i as u64 * 100 + 57);
    let asked: Vec<(u64, String)> = asked.into_iter().map(|n| (n, format!("{n:08}"))).collect();
    measure(
        c,
        "a million ranges of BINs",
        &asked,
        &[
            ("list, as a payment asks", &|(_, digits)| list.contains_bin(digits, at)),
            ("search of sorted ranges that don't overlap", &|(number, _)| {
                let after = sorted.partition_point(|(low, _)| low <= number);
                after > 0 && sorted[after - 1].1 >= *number
            }),
            ("scan", &|(number, _)| sorted.iter().any(|(low, high)| (low..=high).contains(&number))),
        ],
    );
}

/// Networks of 256 addresses, of 16, and single addresses, a third each.
fn networks(c: &mut Criterion, at: Timestamp) {
    let block = |i: usize| ((i as u32) << 10, [24, 28, 32][i % 3]);
    let list = full(ListKind::Ip, |i| format!("{}/{}", Ipv4Addr::from(block(i).0), block(i).1));
    let plain: Vec<(u32, u32)> =
        (0..LIST_ITEMS_MAX).map(block).map(|(base, bits)| (base, u32::MAX << (32 - bits))).collect();
    let single: HashSet<u32> = plain.iter().map(|(base, _)| *base).collect();
    let asked = looks(|i| block(i).0, |i| block(i).0 + 777);
    let asked: Vec<(u32, Ipv6Addr)> =
        asked.into_iter().map(|ip| (ip, Ipv4Addr::from(ip).to_ipv6_mapped())).collect();
    measure(
        c,
        "a million networks",
        &asked,
        &[
            ("list, as a payment asks", &|(_, ip)| list.contains_ip(*ip, at)),
            ("HashSet<u32>, of single addresses", &|(ip, _)| single.contains(ip)),
            ("scan", &|(ip, _)| plain.iter().any(|(base, mask)| ip & mask == *base)),
        ],
    );
}

fn lists(c: &mut Criterion) {
    let at = Timestamp::parse("2026-11-23T12:00:00Z").expect("a time");
    values(c, at);
    bins(c, at);
    networks(c, at);
}

criterion_group!(benches, lists);
criterion_main!(benches);
