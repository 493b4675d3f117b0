//! What did WeChat Pay say? Read once it is proved to have said it.

use serde::Deserialize;

use super::ask::{Ask, order};
use super::codes::{self, Order};
use crate::channel::{Reply, Request, Units};
use crate::money::{Currency, Money};
use crate::pay::{Answer, CallKey, DeclineGroup, Operation};

/// Bytes of a code that is kept; WeChat Pay's have at most 32.
const CODE_BYTES_MAX: usize = 64;

/// An answer or the sealed part of a notification, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    /// Of an error.
    code: Option<String>,
    code_url: Option<String>,
    pub(super) mchid: Option<String>,
    pub(super) appid: Option<String>,
    out_trade_no: Option<String>,
    out_refund_no: Option<String>,
    transaction_id: Option<String>,
    refund_id: Option<String>,
    trade_state: Option<String>,
    trade_type: Option<String>,
    /// Of a refund in an answer.
    status: Option<String>,
    /// The same in a notification.
    refund_status: Option<String>,
    amount: Amount,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Amount {
    total: Option<i64>,
    refund: Option<i64>,
    currency: Option<String>,
}

impl Amount {
    /// So many units of the amount's currency, which notifications of refunds leave out.
    fn money(&self, units: Option<i64>) -> Option<Money> {
        let currency = Currency::parse(self.currency.as_deref().unwrap_or("CNY"))?;
        Units::default().money(units?, currency)
    }

    fn approved(&self, units: Option<i64>) -> Answer {
        self.money(units).map_or(Answer::Unknown, |amount| Answer::Approved { amount })
    }
}

/// Reads the object of an answer; `None` when it is none. What has nothing to say is empty.
pub(super) fn read(body: &[u8]) -> Option<Said> {
    if body.is_empty() { Some(Said::default()) } else { serde_json::from_slice(body).ok() }
}

fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_graphic).take(CODE_BYTES_MAX).collect()
}

/// What to call an answer that proves nothing: its code, if it has one.
pub(super) fn unproved(status: u16, body: &[u8], why: &str) -> String {
    let code = read(body).and_then(|said| said.code).map(|code| plain(&code));
    format!("{}, {why}", code.unwrap_or_else(|| status.to_string()))
}

impl Said {
    /// What a signed answer comes to. `overdue` is whether the order can't be paid any more.
    pub(super) fn reply(self, status: u16, ask: Ask, request: &Request, overdue: bool) -> Reply {
        let is_fine = (200..300).contains(&status);
        let is_paying = ask == Ask::Code && self.code.as_deref().is_some_and(codes::is_paying);
        let answer = match &self.code {
            _ if !self.is_about(ask, request, is_fine) => {
                let code = Some("the answer is about another order".to_owned());
                return Reply { code, ..Reply::new(Answer::Unknown) };
            }
            _ if is_fine => self.done(ask, request),
            Some(code) => refused(code, ask, request, overdue),
            None => Answer::Unknown,
        };
        let state = self.trade_state.or(self.status).or(self.code).map(|code| plain(&code));
        Reply {
            code: state.or_else(|| Some(status.to_string())),
            reference: self.refund_id.or(self.transaction_id),
            pending: answer == Answer::Unknown && (is_fine || is_paying),
            pay_url: self.code_url.filter(|_| is_fine && ask == Ask::Native),
            ..Reply::new(answer)
        }
    }

    /// That it is about what was asked. How an order or a refund stands has to say of which; an error does not.
    fn is_about(&self, ask: Ask, request: &Request, is_fine: bool) -> bool {
        let is_refund = matches!(ask, Ask::Refund | Ask::RefundQuery);
        let is = |number: &Option<String>, ours: CallKey, wanted: bool| {
            number.as_ref().map_or(!(wanted && is_fine), |number| *number == ours.to_string())
        };
        is(&self.out_trade_no, order(request), is_refund || matches!(ask, Ask::Query | Ask::Code))
            && is(&self.out_refund_no, request.call.key, is_refund)
    }

    fn order(&self) -> Option<Order> {
        codes::order(self.trade_state.as_deref()?)
    }

    fn done(&self, ask: Ask, request: &Request) -> Answer {
        let is_void = request.call.operation == Operation::Void;
        let asked = Answer::Approved { amount: request.call.amount };
        match (ask, self.order()) {
            (Ask::Native, _) => Answer::Unknown,
            (Ask::Close, _) if is_void => asked,
            // Closed because nobody paid in time.
            (Ask::Close, _) => Answer::Declined(DeclineGroup::Soft),
            (Ask::Reverse, _) => Answer::Declined(DeclineGroup::Soft),
            (Ask::Query, Some(Order::Closed)) if is_void => asked,
            (Ask::Query, Some(Order::Open)) if is_void => Answer::Absent,
            (Ask::Query, Some(Order::Paid)) if is_void => Answer::Declined(DeclineGroup::Hard),
            (Ask::Query | Ask::Code, state) => self.state(state),
            (Ask::Refund | Ask::RefundQuery, _) => codes::refund(
                self.status.as_deref().unwrap_or_default(),
                self.amount.approved(self.amount.refund),
            ),
        }
    }

    fn state(&self, state: Option<Order>) -> Answer {
        match state {
            Some(Order::Paid) => self.amount.approved(self.amount.total),
            Some(Order::Closed) => Answer::Declined(DeclineGroup::Soft),
            Some(Order::Open) | None => Answer::Unknown,
        }
    }

    /// What ends an order that can't be paid any more, if anything has to. One whose payer showed a code can't be closed
    /// but called off.
    pub(super) fn end(&self) -> Option<Ask> {
        let state = self.trade_state.as_deref().unwrap_or_default();
        let coded = self.trade_type.as_deref() == Some("MICROPAY") || codes::is_of_a_code(state);
        match self.order() {
            Some(Order::Open) if coded => Some(Ask::Reverse),
            Some(Order::Open) => Some(Ask::Close),
            _ => None,
        }
    }

    /// What the sealed part of a notification comes to; `None` when it is about nothing of ours.
    pub(super) fn notified(self) -> Option<Reply> {
        let (key, answer, code) = match (&self.out_refund_no, &self.refund_status) {
            (Some(number), Some(status)) => {
                (number, codes::refund(status, self.amount.approved(self.amount.refund)), Some(status))
            }
            (None, None) => {
                (self.out_trade_no.as_ref()?, self.state(self.order()), self.trade_state.as_ref())
            }
            _ => return None,
        };
        let (key, code) = (CallKey::parse(key)?, code.map(|code| plain(code)));
        Some(Reply {
            key: Some(key),
            code,
            reference: self.refund_id.or(self.transaction_id),
            ..Reply::new(answer)
        })
    }
}

fn refused(code: &str, ask: Ask, request: &Request, overdue: bool) -> Answer {
    let operation = &request.call.operation;
    match ask {
        Ask::Query | Ask::RefundQuery if codes::is_nothing_there(code) => match operation {
            // Should the order still be on its way, it won't be taken any more: its time is over.
            Operation::Authorize if overdue => Answer::Declined(DeclineGroup::Soft),
            _ => Answer::Absent,
        },
        // Errors of a question, and of what brings an overdue order to its end, are not about the payment.
        _ if ask.is_question() => Answer::Unknown,
        Ask::Close | Ask::Reverse if *operation != Operation::Void => Answer::Unknown,
        _ => match codes::error(code) {
            // It is the payer who has not enough. Of a refund it is the merchant, who may have tomorrow.
            Answer::Absent if ask == Ask::Code && codes::is_too_little(code) && request.repetition == 0 => {
                Answer::Declined(DeclineGroup::Soft)
            }
            Answer::Absent if ask == Ask::Code && codes::is_too_little(code) => Answer::Unknown,
            // That a repetition is refused does not say what becomes of the first.
            Answer::Declined(_) if request.repetition > 0 && *operation == Operation::Authorize => {
                Answer::Unknown
            }
            answer => answer,
        },
    }
}
