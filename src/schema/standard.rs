//! The fields that every schema has.

use super::{FieldId, Kind};

macro_rules! standard_fields {
    ($($constant:ident $name:literal $kind:ident $entity:literal $outcome:literal $about:literal;)*) => {
        /// The slots of the standard fields, the same in every schema.
        ///
        /// ```
        /// use tollgate::{Schema, field};
        /// assert_eq!(Schema::standard().find("amount"), Some(field::AMOUNT));
        /// ```
        pub mod field {
            use super::FieldId;
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Order { $($constant),* }
            $(#[doc = $about] pub const $constant: FieldId = FieldId(Order::$constant as u16);)*
        }
        pub(super) const STANDARD: &[(&str, Kind, bool, bool, &str)] = &[$(($name, Kind::$kind, $entity, $outcome, $about)),*];
    };
}

standard_fields! {
    ID "id" Token false false "The payment's own id, unique to it.";
    AT "at" Timestamp false false "When the payment was attempted.";
    AMOUNT "amount" Money false false "What is to be paid.";
    CURRENCY "currency" Text false false "The amount's ISO 4217 code.";
    MERCHANT "merchant" Token true false "Who is to be paid.";
    ORDER "order" Token true false "The merchant's order; it may see several payments.";
    CHANNEL "channel" Text false false "The way to pay: card, alipay, wechatpay, ...";
    GATEWAY "gateway" Text false false "The gateway that accepted the payment.";
    INSTITUTION "institution" Text false false "The party that moves the money.";
    CARD "card" Token true false "Token of the card; a card number becomes one at the edge.";
    BIN "bin" Text true false "First six to eight digits of the card.";
    LAST4 "last4" Text false false "Last four digits of the card.";
    CARD_BRAND "card_brand" Text false false "visa, mastercard, unionpay, ...";
    CARD_COUNTRY "card_country" Country false false "Country of the card's issuer.";
    CARD_FUNDING "card_funding" Text false false "credit, debit, prepaid or unknown.";
    CARD_ISSUER "card_issuer" Text true false "The bank that issued the card.";
    ACCOUNT "account" Token true false "The payer's account at the merchant.";
    ACCOUNT_CREATED "account_created" Timestamp false false "When that account was opened.";
    PASSWORD_CHANGED "password_changed" Timestamp false false "When that account's password or contact details last changed.";
    DEVICE "device" Token true false "The payer's device fingerprint.";
    DEVICE_OS "device_os" Text false false "The device's operating system.";
    USER_AGENT "user_agent" Text false false "The browser's own description.";
    SESSION "session" Token true false "The payer's session.";
    IP "ip" Ip true false "The payer's network address.";
    IP_NET "ip_net" Text true false "The address's network, /24 or /48; filled in from `ip`.";
    IP_COUNTRY "ip_country" Country false false "Country of that address.";
    IP_PROXY "ip_proxy" Bool false false "Whether the address is a proxy, VPN or Tor exit.";
    EMAIL "email" Text true false "The payer's address for mail.";
    EMAIL_DOMAIN "email_domain" Text true false "The part after the @; filled in from `email`.";
    PHONE "phone" Text true false "The payer's phone number, E.164.";
    MCC "mcc" Text false false "The merchant category code, ISO 18245.";
    MERCHANT_COUNTRY "merchant_country" Country false false "Country of the merchant.";
    BILLING_COUNTRY "billing_country" Country false false "Country of the billing address.";
    BILLING_POSTCODE "billing_postcode" Text false false "Postcode of the billing address.";
    SHIPPING_COUNTRY "shipping_country" Country false false "Country the goods go to.";
    SHIPPING_POSTCODE "shipping_postcode" Text false false "Postcode the goods go to.";
    SHIPPING_ADDRESS "shipping_address" Text true false "Where the goods go, one line.";
    IS_RECURRING "is_recurring" Bool false false "Whether the payer is absent and agreed before.";
    IS_GUEST "is_guest" Bool false false "Whether the payer checked out without an account.";
    AUTHENTICATED "authenticated" Bool false false "Whether 3-D Secure or a wallet vouched for the payer.";
    CVV_MATCH "cvv_match" Bool false false "What the issuer said of the security code.";
    AVS_MATCH "avs_match" Bool false false "What the issuer said of the billing address.";
    IP_LAT "ip_lat" Number false false "Latitude of the network address, degrees.";
    IP_LON "ip_lon" Number false false "Longitude of the network address, degrees.";
    BILLING_LAT "billing_lat" Number false false "Latitude of the billing address, degrees.";
    BILLING_LON "billing_lon" Number false false "Longitude of the billing address, degrees.";
    STATUS "status" Text false true "What became of the payment: authorized, declined, blocked, refunded, disputed, challenged or otp_failed.";
    SETTLED_AT "settled_at" Timestamp false true "When `status` became known; at once when absent.";
    FRAUD "fraud" Bool false true "The label: whether the payment was fraud.";
    CAMPAIGN "campaign" Text false true "The label's kind, from the simulator or an investigation.";
    THREE_DS_STATUS "three_ds_status" Text false false "What 3-D Secure came to: Y, A, N, U, R or C.";
    ECI "eci" Text false false "The electronic commerce indicator of that, two digits.";
    LIABILITY_SHIFT "liability_shift" Bool false false "Whether the issuer bears a fraud because of it.";
    CROSS_BORDER "cross_border" Bool false false "Whether the payer's country is another than the merchant's.";
}

/// The fields of an item of the order, in slot order.
///
/// ```
/// assert_eq!(tollgate::ITEM_FIELDS[0], ("sku", tollgate::Kind::Token));
/// ```
pub const ITEM_FIELDS: [(&str, Kind); 4] =
    [("sku", Kind::Token), ("category", Kind::Text), ("quantity", Kind::Number), ("price", Kind::Number)];
