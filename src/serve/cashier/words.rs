//! What do payers and merchants read? English and Chinese.

use serde::Serialize;

use super::proofs::{By, Delivery};
use crate::pay::{Payment, State};
use zeroize::Zeroizing;

/// A text in English and in Chinese.
pub(super) type Words = [&'static str; 2];

/// What a payment's state means.
pub(super) const fn state(state: State) -> Words {
    match state {
        State::Created => ["The payment has begun.", "支付已创建。"],
        State::Challenged => ["Please confirm that it is you.", "请完成身份验证。"],
        State::Authorized => ["The payment is authorized.", "支付已授权。"],
        State::ReviewHeld => ["The payment is being reviewed.", "支付正在审核中。"],
        State::Captured => ["The payment is complete.", "支付成功。"],
        State::PartiallyRefunded => ["A part of the payment was refunded.", "已部分退款。"],
        State::Refunded => ["The payment was refunded.", "已全额退款。"],
        State::Voided => ["The payment was cancelled.", "支付已取消。"],
        State::Declined => {
            ["The payment was declined; please try another way to pay.", "支付被拒绝，请更换支付方式。"]
        }
        State::Unknown => {
            ["The payment is being processed; please do not pay again.", "支付处理中，请勿重复支付。"]
        }
        State::Disputed => ["The payment is disputed.", "支付存在争议。"],
        State::Won => ["The dispute ended for the merchant.", "争议已由商户胜诉。"],
        State::Lost => ["The dispute ended for the payer.", "争议已由付款人胜诉。"],
    }
}

/// As merchants get them.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    en: &'static str,
    zh: &'static str,
}

impl From<Words> for Message {
    fn from([en, zh]: Words) -> Message {
        Message { en, zh }
    }
}

/// An authenticator that waits for its first code.
pub(super) const ENROLLED: Words = [
    "Please scan the code with your authenticator app, and type what it shows.",
    "请用身份验证器应用扫码，并输入显示的验证码。",
];
/// One that has shown it.
pub(super) const CONFIRMED: Words = ["Your authenticator app is set up.", "身份验证器已绑定。"];
/// One that is no more.
pub(super) const REMOVED: Words = ["Your authenticator app was removed.", "身份验证器已解除绑定。"];

/// What a challenge asks of a payer.
pub(super) const fn proof(by: By, delivery: Delivery) -> Words {
    match (by, delivery) {
        (By::ThreeDs, _) => ["Please confirm the payment with your bank.", "请在发卡行页面完成验证。"],
        (By::Authenticator, Delivery::Limited) | (By::Code, Delivery::Limited) => {
            ["There were too many attempts; please try again later.", "尝试次数过多，请稍后再试。"]
        }
        (By::Authenticator, _) => {
            ["Please type the code that your authenticator app shows.", "请输入身份验证器应用显示的验证码。"]
        }
        (By::Code, Delivery::Failed) => {
            ["The code could not be sent; please have it sent again.", "验证码发送失败，请重新发送。"]
        }
        (By::Code, _) => ["Please type the code that you were sent.", "请输入您收到的验证码。"],
        (By::Nothing, _) => ["Please pay anew.", "请重新支付。"],
    }
}

/// The message with a challenge's code.
pub(super) fn code(payment: &Payment, code: &str) -> [Zeroizing<String>; 2] {
    let (amount, merchant) = (payment.amount(), payment.merchant());
    [
        Zeroizing::new(format!("{code} confirms your payment of {amount} to {merchant}. Give it to nobody.")),
        Zeroizing::new(format!("验证码 {code}，用于确认向 {merchant} 支付 {amount}。请勿告知他人。")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_words() {
        let mut all: Vec<Words> = State::ALL.iter().map(|s| state(*s)).collect();
        assert!(all.iter().all(|[en, zh]| en.is_ascii() && !zh.is_ascii()));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), State::ALL.len());
    }

    #[test]
    fn every_proof_and_authenticator_has_words() {
        let mut all = vec![ENROLLED, CONFIRMED, REMOVED];
        for by in [By::ThreeDs, By::Authenticator, By::Code, By::Nothing] {
            for delivery in [Delivery::None, Delivery::Sent, Delivery::Failed, Delivery::Limited] {
                all.push(proof(by, delivery));
            }
        }
        assert!(all.iter().all(|[en, zh]| en.is_ascii() && !zh.is_ascii()));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 9);
    }
}
