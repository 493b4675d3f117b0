//! An order is paid once, its natural key is for ever, and merchants don't see one another.

use tollgate::Outcome;
use tollgate::pay::*;

use super::desk::{
    AUTHORIZE, Desk, VOID, capture, changed, merchant, money, order, payment, refund, requested,
};

fn again(attempt: u32) -> Event {
    requested(attempt, PaymentId::parse("p2").unwrap(), Method::Card)
}

fn refused(desk: &Desk, event: Event) -> Error {
    let mut after = desk.clone();
    let error = after.attempt(event).expect_err("it is refused");
    assert!(after.book == desk.book);
    error
}

#[test]
fn an_order_is_paid_once() {
    let cleared = || Desk::new(Method::Card).then([Change::Assessed(Outcome::Approve)]);
    let under_way = [
        Desk::new(Method::Card),
        Desk::new(Method::Card).then([Change::Assessed(Outcome::Challenge)]),
        cleared().then([AUTHORIZE]),
        cleared().then([AUTHORIZE]).answered(Answer::Unknown),
        Desk::authorized(),
        Desk::authorized().then([VOID]).answered(Answer::Unknown),
        Desk::new(Method::Alipay).then([Change::Assessed(Outcome::Review)]),
    ];
    for desk in under_way {
        assert_eq!(refused(&desk, again(2)), Error::OrderInPayment(payment()));
    }
    for desk in [Desk::captured(), Desk::captured().done(refund("r1", 10_000)), Desk::disputed()] {
        assert_eq!(refused(&desk, again(2)), Error::OrderPaid(payment()));
    }
    for mut desk in [
        Desk::new(Method::Card).then([VOID]),
        Desk::new(Method::Card).then([Change::Assessed(Outcome::Decline)]),
    ] {
        desk.apply(again(2));
        assert_eq!(desk.book.order(&merchant(), &order()).unwrap().attempts.len(), 2);
    }
}

#[test]
fn the_natural_key_is_known_for_ever_and_counted_without_a_gap() {
    let declined = Desk::new(Method::Card).then([Change::Assessed(Outcome::Decline)]);
    for desk in [Desk::new(Method::Card), Desk::captured(), declined.clone()] {
        assert_eq!(refused(&desk, again(1)), Error::AttemptExists(payment()));
    }
    assert_eq!(refused(&declined, again(0)), Error::AttemptGap(2));
    assert_eq!(refused(&declined, again(3)), Error::AttemptGap(2));
    assert_eq!(refused(&declined, requested(2, payment(), Method::Card)), Error::Exists("payment"));
}

#[test]
fn another_merchants_order_or_payment_is_not_found() {
    let desk = Desk::captured();
    let other = MerchantId::parse("m2").unwrap();
    assert!(desk.book.payment(&other, &payment()).is_none());
    assert!(desk.book.order(&other, &order()).is_none());
    let mine = PaymentId::parse("p9").unwrap();
    let unknown = refused(&desk, Event::Changed { merchant: merchant(), payment: mine, change: VOID });
    let event = Event::Changed { merchant: other.clone(), payment: payment(), change: refund("r1", 1) };
    assert_eq!(refused(&desk, event), unknown);
    let Event::PaymentRequested { order, attempt, payment, method, amount, .. } = again(2) else {
        unreachable!()
    };
    let event = Event::PaymentRequested { merchant: other.clone(), order, attempt, payment, method, amount };
    assert_eq!(refused(&desk, event), Error::NotFound("order"));
    // The same name of an order is another order.
    let mut desk = desk;
    let order = super::desk::order();
    desk.apply(Event::OrderCreated { merchant: other, order, amount: money(1) });
}

#[test]
fn an_answer_finds_its_payment_by_the_key_alone() {
    let desk = Desk::authorized().then([capture(10_000)]);
    let keys: Vec<CallKey> = desk.payment().operations().iter().map(|o| o.key).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
    for key in &keys {
        assert_eq!(desk.book.called(key).map(Payment::id), Some(&payment()));
    }
    assert!(desk.book.called(&CallKey([0; 16])).is_none());
    // A key of one payment says nothing about another.
    let mut desk = Desk::new(Method::Card).then([VOID]);
    desk.apply(again(2));
    let id = PaymentId::parse("p2").unwrap();
    for change in [Change::Assessed(Outcome::Approve), AUTHORIZE] {
        desk.apply(Event::Changed { merchant: merchant(), payment: id.clone(), change });
    }
    let key = desk.book.payment(&merchant(), &id).unwrap().open().unwrap().key;
    let answer = Answer::Approved { amount: money(10_000) };
    assert_eq!(refused(&desk, changed(Change::Answered { key, answer })), Error::UnknownCall);
}

#[test]
fn what_is_unfinished_is_asked_about_with_the_key_it_was_sent_with() {
    let desk = Desk::authorized().then([capture(4_000)]);
    let again = Book::new(super::desk::secret()).restore(&desk.records).unwrap();
    let open = desk.payment().open().unwrap();
    let expected = Call {
        key: open.key,
        payment: payment(),
        method: Method::Card,
        operation: open.operation.clone(),
        amount: money(4_000),
    };
    assert_eq!(again.unfinished(), [expected]);
    assert!(desk.answered(Answer::Declined(DeclineGroup::Hard)).book.unfinished().is_empty());
}

#[test]
fn engine_and_training_are_told_what_became_of_it() {
    let told = |desk: &Desk, change| {
        let effects = desk.clone().apply(changed(change));
        let words = effects.iter().filter_map(|e| match e {
            Effect::Settle(_, status) => Some(status.name().to_owned()),
            Effect::Label(_, fraud) => Some(format!("fraud: {fraud}")),
            Effect::StepUp(_) => Some("step up".to_owned()),
            Effect::Review(_) => Some("review".to_owned()),
            Effect::Notify(notice) => Some(format!("is {}", notice.state)),
            _ => None,
        });
        words.collect::<Vec<_>>().join(", ")
    };
    let new = Desk::new(Method::Card);
    assert_eq!(told(&new, Change::Assessed(Outcome::Decline)), "blocked, is declined");
    assert_eq!(told(&new, Change::Assessed(Outcome::Challenge)), "challenged, step up, is challenged");
    let challenged = new.clone().then([Change::Assessed(Outcome::Challenge)]);
    assert_eq!(told(&challenged, Change::ChallengeEnded(ChallengeResult::Failed)), "otp_failed, is declined");
    let asked = new.then([Change::Assessed(Outcome::Review), AUTHORIZE]);
    let answer = |desk: &Desk, answer| Change::Answered { key: desk.payment().open().unwrap().key, answer };
    let approved = answer(&asked, asked.approved());
    assert_eq!(told(&asked, approved), "authorized, review, is review_held");
    let hard = answer(&asked, Answer::Declined(DeclineGroup::Hard));
    assert_eq!(told(&asked, hard), "declined, is declined");
    let refunding = Desk::captured().then([refund("r1", 1)]);
    let approved = answer(&refunding, refunding.approved());
    assert_eq!(told(&refunding, approved), "refunded, is partially_refunded");
    let open = |kind| super::desk::dispute("d1", 10_000, kind);
    assert_eq!(told(&Desk::captured(), open(DisputeKind::Fraud)), "disputed, fraud: true, is disputed");
    assert_eq!(told(&Desk::captured(), open(DisputeKind::Consumer)), "disputed, is disputed");
    let won = Change::DisputeWon { dispute: DisputeId::parse("d1").unwrap() };
    assert_eq!(told(&Desk::disputed(), won), "fraud: false, is won");
}
