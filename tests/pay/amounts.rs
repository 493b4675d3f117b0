//! Amounts that can't be moved, wherever they come in: a typed error, and nothing has changed.

use tollgate::pay::*;
use tollgate::{AMOUNT_MINOR_MAX, Currency, Money, Timestamp};

use super::desk::{
    Desk, capture, changed, dispute, merchant, money, order, payment, refund, requested, secret,
};

fn check(desk: &Desk, event: Event, expected: &str) {
    let mut after = desk.clone();
    assert_eq!(after.attempt(event.clone()).map_err(|e| e.code()), Err(expected), "{event:?}");
    assert!(after.book == desk.book);
}

#[test]
fn amounts_are_more_than_nothing_within_the_limit_and_of_the_payments_currency() {
    let yen = Money { minor: 100, currency: Currency::parse("JPY").unwrap() };
    let amounts = [
        (money(0), "amount_zero"),
        (money(-1), "amount_negative"),
        (money(i64::MIN), "amount_negative"),
        (money(AMOUNT_MINOR_MAX + 1), "amount_too_large"),
        (money(i64::MAX), "amount_too_large"),
        (yen, "wrong_currency"),
    ];
    let (authorized, captured) = (Desk::authorized(), Desk::captured());
    let new = Desk { book: Book::new(secret()), records: Vec::new() };
    let mut ordered = new.clone();
    ordered.apply(Event::OrderCreated { merchant: merchant(), order: order(), amount: money(10_000) });
    for (amount, code) in amounts {
        if code != "wrong_currency" {
            check(&new, Event::OrderCreated { merchant: merchant(), order: order(), amount }, code);
        }
        let Event::PaymentRequested { merchant, order, attempt, payment, method, .. } =
            requested(1, payment(), Method::Card)
        else {
            unreachable!()
        };
        check(&ordered, Event::PaymentRequested { merchant, order, attempt, payment, method, amount }, code);
        check(&authorized, changed(Change::Intended(Operation::Capture { amount })), code);
        let id = RefundId::parse("r1").unwrap();
        check(&captured, changed(Change::Intended(Operation::Refund { refund: id, amount })), code);
        let (dispute, kind) = (DisputeId::parse("d1").unwrap(), DisputeKind::Consumer);
        check(&captured, changed(Change::DisputeOpened { dispute, amount, kind }), code);
    }
}

#[test]
fn at_the_limit_it_moves_and_one_past_it_does_not() {
    check(&Desk::authorized(), changed(capture(10_001)), "above_available");
    let part = Desk::authorized().done(capture(7_000));
    assert_eq!(part.payment().ledger().balance(Account::Payer), -7_000); // the rest is released
    check(&part, changed(refund("r1", 7_001)), "above_available");
    check(&part, changed(dispute("d1", 7_001, DisputeKind::Fraud)), "above_available");
    let part = part.done(refund("r1", 2_500));
    check(&part, changed(refund("r2", 4_501)), "above_available");
    let all = part.done(refund("r2", 4_500));
    assert_eq!(all.payment().state(), State::Refunded);
    assert_eq!(all.book.trial_balance(money(1).currency), [0; 4]);
    // The largest amount there is, there and back, and lost on top of it.
    let mut book = Book::new(secret());
    let amount = money(AMOUNT_MINOR_MAX);
    let at = Timestamp::default();
    book.apply(at, Event::OrderCreated { merchant: merchant(), order: order(), amount }).unwrap();
    let (method, attempt) = (Method::WechatPay, 1);
    let (merchant, order, payment) = (merchant(), order(), payment());
    book.apply(at, Event::PaymentRequested { merchant, order, attempt, payment, method, amount }).unwrap();
    let desk = Desk { book, records: Vec::new() }.then([Change::Assessed(tollgate::Outcome::Approve)]);
    let desk = desk.then([super::desk::AUTHORIZE]).answered(Answer::Approved { amount });
    let desk = desk.done(refund("r1", AMOUNT_MINOR_MAX));
    let id = DisputeId::parse("d1").unwrap();
    let desk =
        desk.then([dispute("d1", AMOUNT_MINOR_MAX, DisputeKind::Fraud), Change::DisputeLost { dispute: id }]);
    assert_eq!(desk.payment().ledger().balance(Account::Merchant), -AMOUNT_MINOR_MAX);
    assert!(desk.payment().ledger().is_balanced());
}

#[test]
fn limits_are_met_and_one_past_them_is_refused() {
    let mut desk = Desk::authorized();
    for _ in desk.payment().operations().len()..OPERATIONS_MAX {
        desk = desk.then([capture(1)]).answered(Answer::Declined(DeclineGroup::Soft));
    }
    check(&desk, changed(capture(1)), "full");

    let mut desk = Desk::captured();
    for n in 0..DISPUTES_MAX {
        let id = format!("d{n}");
        let won = Change::DisputeWon { dispute: DisputeId::parse(&id).unwrap() };
        desk = desk.then([dispute(&id, 10_000, DisputeKind::Processing), won]);
    }
    check(&desk, changed(dispute("more", 1, DisputeKind::Processing)), "full");

    let mut desk = Desk::new(Method::Card).then([super::desk::VOID]);
    for n in 2..=ATTEMPTS_MAX as u32 {
        let id = PaymentId::parse(&format!("p{n}")).unwrap();
        desk.apply(requested(n, id.clone(), Method::Card));
        let change = super::desk::VOID;
        desk.apply(Event::Changed { merchant: merchant(), payment: id, change });
    }
    let id = PaymentId::parse("more").unwrap();
    check(&desk, requested(ATTEMPTS_MAX as u32 + 1, id, Method::Card), "full");

    let mut desk = Desk { book: Book::with_limits(secret(), 1, 1), records: Vec::new() };
    desk.apply(Event::OrderCreated { merchant: merchant(), order: order(), amount: money(1) });
    let order = OrderId::parse("o2").unwrap();
    check(&desk, Event::OrderCreated { merchant: merchant(), order, amount: money(1) }, "full");
}
