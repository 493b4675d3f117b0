//! Which order, payment, refund? Names that can't be taken for one another, and never hold a card number.

use std::fmt;
use std::sync::Arc;

use super::error::Error;
use crate::token::contains_pan;

/// Most bytes of an identifier: what WeChat Pay and Alipay allow for a merchant's own numbers.
///
/// ```
/// use tollgate::pay::{ID_BYTES_MAX, OrderId};
/// assert!(OrderId::parse(&"x".repeat(ID_BYTES_MAX)).is_ok());
/// assert!(OrderId::parse(&"x".repeat(ID_BYTES_MAX + 1)).is_err());
/// ```
pub const ID_BYTES_MAX: usize = 64;

fn checked(what: &'static str, text: &str) -> Result<Arc<str>, Error> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    if text.is_empty() || text.len() > ID_BYTES_MAX || !plain || contains_pan(text) {
        return Err(Error::BadId(what));
    }
    Ok(Arc::from(text))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads one: 1 to [`ID_BYTES_MAX`] letters, digits, `-`, `_`, `.` or `:`, and no card number.
            ///
            /// # Errors
            /// [`Error::BadId`].
            pub fn parse(text: &str) -> Result<Self, Error> {
                checked($what, text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// Who wants to be paid.
    ///
    /// ```
    /// use tollgate::pay::MerchantId;
    /// assert_eq!(MerchantId::parse("m-1")?.as_str(), "m-1");
    /// assert!(MerchantId::parse("4111111111111111").is_err()); // a card number
    /// # Ok::<(), tollgate::pay::Error>(())
    /// ```
    MerchantId = "merchant";
    /// The merchant's own name of what it wants paid.
    ///
    /// ```
    /// assert!(tollgate::pay::OrderId::parse("2026-0001").is_ok());
    /// ```
    OrderId = "order";
    /// One attempt to pay an order; unique in a book.
    ///
    /// ```
    /// assert!(tollgate::pay::PaymentId::parse("pay_1").is_ok());
    /// ```
    PaymentId = "payment";
    /// The merchant's own name of a refund; unique in its payment, for ever.
    ///
    /// ```
    /// assert!(tollgate::pay::RefundId::parse("shoes too small").is_err()); // no spaces
    /// ```
    RefundId = "refund";
    /// The institution's name of a dispute; unique in its payment.
    ///
    /// ```
    /// assert!(tollgate::pay::DisputeId::parse("dp_1").is_ok());
    /// ```
    DisputeId = "dispute";
    /// The issuer's name of a report of fraud; unique in its payment.
    ///
    /// ```
    /// assert!(tollgate::pay::ReportId::parse("tc40_1").is_ok());
    /// ```
    ReportId = "report";
    /// Who decided by hand.
    ///
    /// ```
    /// assert!(tollgate::pay::OperatorId::parse("ann").is_ok());
    /// ```
    OperatorId = "operator";
    /// A way to an institution.
    ///
    /// ```
    /// assert!(tollgate::pay::ChannelId::parse("acquirer-1").is_ok());
    /// ```
    ChannelId = "channel";
    /// The payer's account at the merchant, by the merchant's own name of it.
    ///
    /// ```
    /// assert!(tollgate::pay::AccountId::parse("customer-7").is_ok());
    /// ```
    AccountId = "account";
}
