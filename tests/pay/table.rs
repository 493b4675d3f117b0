//! docs/payments.md says of every state and every event what becomes of them. The tables there are made by
//! this test: `TOLLGATE_BLESS=1 cargo test --test pay` writes them anew.

use std::collections::BTreeSet;

use tollgate::Outcome;
use tollgate::pay::*;

use super::desk::{AUTHORIZE, Desk, VOID, authenticated, capture, changed, dispute, money, refund, reported};

const PAGE: &str = "docs/payments.md";

/// A column: what a state can look like while nothing is being asked of the institution.
fn idle() -> Vec<(&'static str, Vec<Desk>)> {
    let new = || Desk::new(Method::Card);
    let assessed = |outcome| new().then([Change::Assessed(outcome)]);
    let wallet = |outcome| Desk::new(Method::Alipay).then([Change::Assessed(outcome)]);
    let lost = || DisputeId::parse("d1").unwrap();
    let declined = Answer::Declined(DeclineGroup::Soft);
    let sca = Answer::Declined(DeclineGroup::Sca);
    vec![
        (
            "created",
            vec![
                new(),
                assessed(Outcome::Approve),
                assessed(Outcome::Review),
                wallet(Outcome::Review).then([Change::ReviewEnded(ReviewResult::Approved)]),
            ],
        ),
        (
            "challenged",
            vec![assessed(Outcome::Challenge), assessed(Outcome::Approve).then([AUTHORIZE]).answered(sca)],
        ),
        (
            "review_held",
            vec![
                assessed(Outcome::Review).done(AUTHORIZE),
                wallet(Outcome::Review),
                assessed(Outcome::Review)
                    .done(AUTHORIZE)
                    .then([Change::ReviewEnded(ReviewResult::Declined)])
                    .answered(declined),
            ],
        ),
        (
            "authorized",
            vec![Desk::authorized(), Desk::authorized().then([capture(10_000)]).answered(declined)],
        ),
        ("captured", vec![Desk::captured(), wallet(Outcome::Approve).done(AUTHORIZE)]),
        ("partially_refunded", vec![Desk::captured().done(refund("r1", 4_000))]),
        ("refunded", vec![Desk::captured().done(refund("r1", 10_000))]),
        ("voided", vec![new().then([VOID]), Desk::authorized().done(VOID)]),
        (
            "declined",
            vec![assessed(Outcome::Decline), assessed(Outcome::Approve).then([AUTHORIZE]).answered(declined)],
        ),
        ("disputed", vec![Desk::disputed()]),
        ("won", vec![Desk::disputed().then([Change::DisputeWon { dispute: lost() }])]),
        ("lost", vec![Desk::disputed().then([Change::DisputeLost { dispute: lost() }])]),
    ]
}

/// Columns while the institution is being asked for something, and once it did not answer in time.
fn asked() -> Vec<(&'static str, Vec<Desk>)> {
    let cleared = || Desk::new(Method::Card).then([Change::Assessed(Outcome::Approve)]);
    let operations = [
        ("authorization", cleared().then([AUTHORIZE])),
        ("capture", Desk::authorized().then([capture(10_000)])),
        ("void", Desk::authorized().then([VOID])),
        ("refund", Desk::captured().then([refund("r1", 4_000)])),
    ];
    let unknown = ["unknown authorization", "unknown capture", "unknown void", "unknown refund"];
    let late = operations.clone().map(|(_, desk)| vec![desk.answered(Answer::Unknown)]);
    let sent = operations.map(|(name, desk)| (name, vec![desk]));
    sent.into_iter().chain(unknown.into_iter().zip(late)).collect()
}

/// The rows. An answer is about what was asked for last.
fn events(desk: &Desk) -> Vec<(String, Change)> {
    let last = desk.payment().operations().last().map_or(CallKey([0; 16]), |o| o.key);
    let answer = |answer| Change::Answered { key: last, answer };
    let ids = DisputeId::parse("d1").unwrap();
    let resolved = |took_effect| Change::Resolved {
        key: last,
        took_effect,
        operator: OperatorId::parse("ann").unwrap(),
    };
    let mut rows = Vec::new();
    for outcome in Outcome::ALL {
        rows.push((format!("assessed: {outcome}"), Change::Assessed(outcome)));
    }
    rows.push(("code sent".to_owned(), Change::CodeSent));
    rows.push(("code tried".to_owned(), Change::CodeTried));
    rows.push(("result of 3-D Secure".to_owned(), authenticated(TransStatus::Authenticated, 1)));
    for &result in ChallengeResult::ALL {
        rows.push((format!("challenge {result}"), Change::ChallengeEnded(result)));
    }
    for &result in ReviewResult::ALL {
        rows.push((format!("review {result}"), Change::ReviewEnded(result)));
    }
    let some = [
        ("authorize", AUTHORIZE),
        ("capture all", capture(10_000)),
        ("capture a part", capture(5_000)),
        ("capture more than all", capture(10_001)),
        ("void", VOID),
        ("refund a part", refund("r2", 4_000)),
        ("refund all", refund("r2", 10_000)),
        ("refund again by the same id", refund("r1", 4_000)),
        ("answered: approved", answer(desk.approved())),
        ("answered: approved another amount", answer(Answer::Approved { amount: money(9_999) })),
        ("answered: declined", answer(Answer::Declined(DeclineGroup::Soft))),
        ("answered: authentication wanted", answer(Answer::Declined(DeclineGroup::Sca))),
        ("answered: unknown", answer(Answer::Unknown)),
        ("answered: never heard of it", answer(Answer::Absent)),
        (
            "answered under a key that was never sent",
            Change::Answered { key: CallKey([1; 16]), answer: desk.approved() },
        ),
        ("resolved by hand: it took effect", resolved(true)),
        ("resolved by hand: it did not", resolved(false)),
        ("dispute opened", dispute("d2", 5_000, DisputeKind::Fraud)),
        ("dispute opened, told again", dispute("d1", 10_000, DisputeKind::Fraud)),
        ("dispute won", Change::DisputeWon { dispute: ids.clone() }),
        ("dispute lost", Change::DisputeLost { dispute: ids }),
        ("fraud reported", reported("t1", Reporter::Issuer, FraudType::Stolen)),
    ];
    rows.extend(some.map(|(name, change)| (name.to_owned(), change)));
    rows
}

/// What becomes of it: a state, in which an institution may be asked for something now; or why not.
fn cell(desk: &Desk, change: Change) -> String {
    let mut after = desk.clone();
    match after.attempt(changed(change)) {
        Err(Error::Illegal { .. }) => "-".to_owned(),
        Err(e) => format!("`{}`", e.code()),
        Ok(effects) if effects.is_empty() => "known".to_owned(),
        Ok(effects) if after.book == desk.book => {
            assert!(matches!(effects[..], [Effect::Call(_)]));
            "sent again".to_owned()
        }
        Ok(effects) => {
            let asks = effects.iter().any(|e| matches!(e, Effect::Call(_)));
            format!("{}{}", after.payment().state(), if asks { ", asked" } else { "" })
        }
    }
}

fn table(columns: &[(&'static str, Vec<Desk>)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let rows = events(&columns[0].1[0]).len();
    for row in 0..rows {
        let mut line = String::new();
        for (_, desks) in columns {
            let mut cells = Vec::new();
            for desk in desks {
                let (name, change) = events(desk).swap_remove(row);
                if line.is_empty() {
                    line = format!("| {name} |");
                }
                let cell = cell(desk, change);
                if !cells.contains(&cell) {
                    cells.push(cell);
                }
            }
            line.push_str(&format!(" {} |", cells.join("<br>")));
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[test]
fn the_page_has_every_state_and_event() {
    let mut page = std::fs::read_to_string(PAGE).expect("the page");
    for (name, columns) in [("idle", idle()), ("asked", asked())] {
        let made = table(&columns);
        let (start, end) = (format!("<!-- {name}: made by a test -->\n"), format!("<!-- end of {name} -->"));
        let from = page.find(&start).unwrap_or_else(|| panic!("{PAGE} has no `{start}`")) + start.len();
        let to = from + page[from..].find(&end).unwrap_or_else(|| panic!("{PAGE} has no `{end}`"));
        if std::env::var_os("TOLLGATE_BLESS").is_some() {
            page.replace_range(from..to, &made);
            std::fs::write(PAGE, &page).expect("the page is written");
        } else {
            assert_eq!(&page[from..to], made, "TOLLGATE_BLESS=1 cargo test --test pay writes it anew");
        }
    }
}

#[test]
fn columns_are_what_they_are_called_and_every_state_is_there() {
    let mut seen = BTreeSet::new();
    for (name, desks) in idle() {
        for desk in desks {
            assert_eq!(desk.payment().state().name(), name);
            assert!(desk.payment().open().is_none());
            seen.insert(name);
        }
    }
    for (name, desks) in asked() {
        for desk in desks {
            let open = desk.payment().open().expect("something is asked");
            assert!(name.ends_with(open.operation.name()));
            assert_eq!(name.starts_with("unknown"), desk.payment().state() == State::Unknown);
            seen.insert(desk.payment().state().name());
        }
    }
    assert_eq!(seen.len(), State::ALL.len(), "{seen:?}");
}

#[test]
fn an_event_that_is_refused_changes_nothing_and_one_that_is_taken_is_recorded_first() {
    for (_, desks) in idle().into_iter().chain(asked()) {
        for desk in desks {
            for (name, change) in events(&desk) {
                let mut after = desk.clone();
                match after.attempt(changed(change)) {
                    Err(_) => assert!(after.book == desk.book, "{name}"),
                    Ok(effects) => {
                        let persists = effects.iter().filter(|e| matches!(e, Effect::Persist(_))).count();
                        let is_first = matches!(effects.first(), Some(Effect::Persist(_)));
                        assert_eq!((persists == 1, is_first), (after.book != desk.book, persists == 1));
                        assert!(after.payment().ledger().is_balanced(), "{name}");
                        // What was recorded brings it all back.
                        let again = Book::new(super::desk::secret()).restore(&after.records).unwrap();
                        assert!(again == after.book, "{name}");
                    }
                }
            }
        }
    }
}
