//! Requests for the tests of channels: the same order, its refund and its end.

use super::Request;
use crate::money::{Currency, Money};
use crate::pay::{Call, CallKey, MerchantId, Method, Operation, OrderId, PaymentId, RefundId};
use crate::time::Timestamp;

pub(super) fn yuan(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("CNY").unwrap() }
}

/// An order of so much.
pub(super) fn request(method: Method, minor: i64) -> Request {
    Request {
        call: Call {
            key: CallKey([7; 16]),
            payment: PaymentId::parse("p1").unwrap(),
            method,
            operation: Operation::Authorize,
            amount: yuan(minor),
        },
        merchant: MerchantId::parse("m1").unwrap(),
        order: OrderId::parse("o1").unwrap(),
        requested: Timestamp::default(),
        original: None,
        instrument: None,
        subject: "Shoes".to_owned(),
        authenticated: false,
        three_ds: None,
        placed: false,
        repetition: 0,
    }
}

/// A refund of 5 yuan of an order of 12.34.
pub(super) fn refund(method: Method) -> Request {
    let mut request = request(method, 1234);
    request.original = Some((request.call.key, request.call.amount));
    request.call.key = CallKey([9; 16]);
    request.call.amount = yuan(500);
    request.call.operation = Operation::Refund { refund: RefundId::parse("r1").unwrap(), amount: yuan(500) };
    request
}

/// Its end.
pub(super) fn void(method: Method) -> Request {
    let mut request = refund(method);
    request.call.operation = Operation::Void;
    request
}
