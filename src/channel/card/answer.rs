//! What did the institution say? Only what answers the very question counts.

use super::code::{Meaning, acknowledges_reversal};
use super::message::Message;
use super::mti::{Class, Function};
use super::private;
use crate::channel::Reply;
use crate::money::Money;
use crate::pay::{Answer, DeclineGroup};

/// Fields that an answer repeats from what it answers: trace number, reference number, amount, currency.
const REPEATED: [u8; 4] = [11, 37, 4, 49];

/// What an answer says to a question. What is no answer to it is [`Answer::Unknown`], with what differs as its code.
///
/// An approval is of `amount`; an acknowledged 0420 is a decline, since nothing is held any more.
///
/// ```
/// use tollgate::{Currency, Money, channel::card::{Message, Mti, answer}, pay::Answer};
/// let mut question = Message::new(Mti::parse(b"0220").unwrap());
/// for (field, value) in [(4, "000000001999"), (11, "000001"), (37, "000000000001"), (49, "978")] {
///     question.set(field, value)?;
/// }
/// let mut told = question.clone();
/// told.mti = Mti::parse(b"0230").unwrap();
/// told.set(39, "00")?;
/// let amount = Money { minor: 1999, currency: Currency::parse("EUR").unwrap() };
/// assert_eq!(answer(&question, &told, amount).answer, Answer::Approved { amount });
/// told.set(4, "000000001998")?;
/// assert_eq!(answer(&question, &told, amount).answer, Answer::Unknown);
/// # Ok::<(), tollgate::channel::card::MessageError>(())
/// ```
pub fn answer(question: &Message, told: &Message, amount: Money) -> Reply {
    let unknown = |why: String| Reply { code: Some(why), ..Reply::new(Answer::Unknown) };
    if question.mti.answer() != Some(told.mti) {
        return unknown("its type does not answer what was asked".to_owned());
    }
    if let Some(field) = REPEATED.iter().find(|field| question.get(**field) != told.get(**field)) {
        return unknown(format!("its field {field} is not that of what was asked"));
    }
    let key = |message: &Message| private::key(message.get(48), private::KEY);
    if key(told).is_some_and(|key_told| key(question) != Some(key_told)) {
        return unknown("it is about another key than was asked".to_owned());
    }
    let Some(code) = told.get(39) else { return unknown("it has no response code".to_owned()) };
    let undoes = (question.mti.class, question.mti.function) == (Class::Reversal, Function::Advice);
    let said = match Meaning::of(code) {
        // Nothing is held, so that the payment was declined for a reason that lies between us.
        _ if undoes && acknowledges_reversal(code) => Answer::Declined(DeclineGroup::Technical),
        _ if undoes => Answer::Unknown,
        Meaning::InDoubt => Answer::Unknown,
        Meaning::Approved => Answer::Approved { amount },
        Meaning::Declined(group) => Answer::Declined(group),
    };
    let reference = told.get(38).map(str::trim).filter(|text| !text.is_empty());
    Reply {
        code: Some(code.to_owned()),
        reference: reference.or(told.get(37)).map(str::to_owned),
        ..Reply::new(said)
    }
}
