//! What a payment can say: the standard fields, the user's own, and the foreign names of both.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use serde::Deserialize;

use crate::error::{Diagnostic, nearest};
use crate::money::Currency;
use crate::time::Timestamp;
use crate::token::TokenKey;

/// Most fields a schema may have: a payment's presence mask is one `u128`.
///
/// ```
/// assert!(tollgate::Schema::standard().fields().len() <= tollgate::FIELDS_MAX);
/// ```
pub const FIELDS_MAX: usize = 128;
/// Most bytes one text value may have; longer values are refused, not cut.
///
/// ```
/// use tollgate::{FieldError, Payment, Schema, TEXT_BYTES_MAX, Value, field};
/// let schema = Schema::standard();
/// let text = "x".repeat(TEXT_BYTES_MAX + 1);
/// let set = Payment::new(&schema).set(&schema, field::USER_AGENT, Value::Text(&text));
/// assert_eq!(set, Err(FieldError::TooLong));
/// ```
pub const TEXT_BYTES_MAX: usize = 4096;

/// What a field's values are. Expressions are typed by these.
///
/// ```
/// assert_eq!(tollgate::Kind::Money.to_string(), "money");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A finite number.
    Number,
    /// An exact amount with its currency.
    Money,
    /// True or false.
    Bool,
    /// Text; compared without regard to ASCII case.
    Text,
    /// An ISO 3166-1 alpha-2 code.
    Country,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An instant.
    Timestamp,
    /// An opaque identifier; compared exactly.
    Token,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Number => "number",
            Kind::Money => "money",
            Kind::Bool => "bool",
            Kind::Text => "text",
            Kind::Country => "country",
            Kind::Ip => "ip",
            Kind::Timestamp => "timestamp",
            Kind::Token => "token",
        })
    }
}

/// A field's slot number in every payment of its schema.
///
/// ```
/// assert_eq!(tollgate::field::ID.index(), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub(crate) u16);

impl FieldId {
    /// The slot number.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One field.
///
/// ```
/// use tollgate::{Kind, Schema, field};
/// let schema = Schema::standard();
/// let card = schema.field(field::CARD);
/// assert!(card.name == "card" && card.kind == Kind::Token && card.entity);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name rules use.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Whether velocity may count by it.
    pub entity: bool,
    /// Whether it says what became of the payment later; rules may not read it.
    pub outcome: bool,
    /// One line for the reference and for completions.
    pub about: String,
}

/// How one column of a foreign file becomes a field.
///
/// ```
/// let column = tollgate::Column { minor: true, ..Default::default() };
/// assert!(column.values.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Column {
    /// Texts that stand for others (`"1" = "disputed"`); `""` stands for absent.
    pub values: BTreeMap<String, String>,
    /// For money: the column holds minor units.
    pub minor: bool,
}

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
        const STANDARD: &[(&str, Kind, bool, bool, &str)] = &[$(($name, Kind::$kind, $entity, $outcome, $about)),*];
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
}

/// The fields of an item of the order, in slot order.
///
/// ```
/// assert_eq!(tollgate::ITEM_FIELDS[0], ("sku", tollgate::Kind::Token));
/// ```
pub const ITEM_FIELDS: [(&str, Kind); 4] =
    [("sku", Kind::Token), ("category", Kind::Text), ("quantity", Kind::Number), ("price", Kind::Number)];

/// The fields of a payment and the columns they are read from. Every payment belongs to the schema
/// it was read with.
///
/// ```
/// use tollgate::{Kind, Schema};
/// let schema = Schema::parse("schema.toml", r#"
///     [[field]]
///     name = "terminal"
///     kind = "token"
///     entity = true
///     columns = ["TERMINAL_ID"]
/// "#).unwrap();
/// let (id, _) = schema.column("TERMINAL_ID").unwrap();
/// assert_eq!(schema.field(id).kind, Kind::Token);
/// assert!(schema.find("amount").is_some()); // standard
/// ```
#[derive(Debug, Clone)]
pub struct Schema {
    fields: Vec<Field>,
    names: HashMap<String, FieldId>,
    columns: HashMap<String, Vec<(FieldId, Column)>>,
    ignored: Vec<String>,
    pan_exempt: Vec<FieldId>,
    default_currency: Option<Currency>,
    default_texts: Vec<(FieldId, String)>,
    token_key: Option<TokenKey>,
    seed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    #[serde(default)]
    field: Vec<FieldEntry>,
    #[serde(default)]
    columns: BTreeMap<String, ColumnEntry>,
    #[serde(default)]
    defaults: BTreeMap<String, toml::Spanned<String>>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    pan_exempt: Vec<toml::Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldEntry {
    name: toml::Spanned<String>,
    kind: Kind,
    #[serde(default)]
    entity: bool,
    #[serde(default)]
    outcome: bool,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    about: String,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    unit: Unit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    field: toml::Spanned<String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    unit: Unit,
}

#[derive(Deserialize, Default, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Unit {
    #[default]
    Major,
    Minor,
}

impl Default for Schema {
    fn default() -> Schema {
        Schema::standard()
    }
}

impl Schema {
    /// The standard fields alone, each read from the column of its own name.
    pub fn standard() -> Schema {
        let mut schema = Schema {
            fields: Vec::new(),
            names: HashMap::new(),
            columns: HashMap::new(),
            ignored: Vec::new(),
            pan_exempt: Vec::new(),
            default_currency: None,
            default_texts: Vec::new(),
            token_key: None,
            seed: 0,
        };
        for &(name, kind, entity, outcome, about) in STANDARD {
            schema.add(Field { name: name.to_owned(), kind, entity, outcome, about: about.to_owned() });
        }
        schema
    }

    fn add(&mut self, field: Field) -> FieldId {
        let id = FieldId(self.fields.len() as u16);
        self.names.insert(field.name.clone(), id);
        self.columns.insert(field.name.clone(), vec![(id, Column::default())]);
        self.fields.push(field);
        id
    }

    /// Reads `schema.toml`: `[[field]]` adds fields, `[columns]` maps foreign columns onto any
    /// field, `[defaults]` gives values to fields without a column, `ignore` names columns that
    /// are passed over, `pan_exempt` fields whose digits are never card numbers.
    ///
    /// # Errors
    /// Every mistake in the file, each with its place.
    pub fn parse(path: &str, text: &str) -> Result<Schema, Vec<Diagnostic>> {
        let file: SchemaFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(e) => return Err(vec![Diagnostic::at(path, text, e.span().unwrap_or(0..0), e.message())]),
        };
        let mut schema = Schema::standard();
        let mut wrong = Vec::new();
        for entry in file.field {
            let name = entry.name.get_ref().clone();
            let problem = if !is_name(&name) {
                Some(
                    "a field's name is lower-case letters, digits and underscores, and begins with a letter"
                        .to_owned(),
                )
            } else if schema.names.contains_key(&name) {
                Some(format!("there is a field `{name}` already"))
            } else if entry.kind == Kind::Money {
                Some(
                    "a field of the user's own can't be money; use a number, or map the column onto `amount`"
                        .to_owned(),
                )
            } else if schema.fields.len() == FIELDS_MAX {
                Some(format!("a schema has at most {FIELDS_MAX} fields"))
            } else {
                None
            };
            if let Some(problem) = problem {
                wrong.push(Diagnostic::at(path, text, entry.name.span(), problem));
                continue;
            }
            let id = schema.add(Field {
                name,
                kind: entry.kind,
                entity: entry.entity,
                outcome: entry.outcome,
                about: entry.about,
            });
            let column = Column { values: entry.values, minor: entry.unit == Unit::Minor };
            for name in entry.columns {
                schema.columns.entry(name).or_default().push((id, column.clone()));
            }
            let own = schema.fields[id.index()].name.clone();
            schema.columns.insert(own, vec![(id, column)]);
        }
        for (name, entry) in file.columns {
            match schema.known(entry.field.get_ref()) {
                Ok(id) => {
                    let column = Column { values: entry.values, minor: entry.unit == Unit::Minor };
                    let targets = schema.columns.entry(name).or_default();
                    targets.retain(|(other, _)| *other != id);
                    targets.push((id, column));
                }
                Err(label) => wrong.push(
                    Diagnostic::at(
                        path,
                        text,
                        entry.field.span(),
                        format!("no field is called `{}`", entry.field.get_ref()),
                    )
                    .label(label),
                ),
            }
        }
        for (name, value) in file.defaults {
            let at = value.span();
            match (schema.known(&name), name.as_str()) {
                (Ok(_), "currency") => match Currency::parse(value.get_ref()) {
                    Some(currency) => schema.default_currency = Some(currency),
                    None => wrong.push(Diagnostic::at(
                        path,
                        text,
                        at,
                        "not an ISO 4217 currency with minor units",
                    )),
                },
                (Ok(id), _)
                    if matches!(schema.fields[id.index()].kind, Kind::Text | Kind::Token | Kind::Country) =>
                {
                    schema.default_texts.push((id, value.into_inner()));
                }
                (Ok(_), _) => wrong.push(Diagnostic::at(
                    path,
                    text,
                    at,
                    "only text, token and country fields take a default",
                )),
                (Err(label), _) => {
                    wrong.push(
                        Diagnostic::at(path, text, at, format!("no field is called `{name}`")).label(label),
                    );
                }
            }
        }
        for name in file.pan_exempt {
            match schema.known(name.get_ref()) {
                Ok(id) => schema.pan_exempt.push(id),
                Err(label) => wrong.push(
                    Diagnostic::at(
                        path,
                        text,
                        name.span(),
                        format!("no field is called `{}`", name.get_ref()),
                    )
                    .label(label),
                ),
            }
        }
        schema.ignored = file.ignore;
        if wrong.is_empty() { Ok(schema) } else { Err(wrong) }
    }

    fn known(&self, name: &str) -> Result<FieldId, String> {
        self.find(name).ok_or_else(|| match self.nearest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`tollgate check --fields` lists them".to_owned(),
        })
    }

    /// The field called `name`.
    pub fn find(&self, name: &str) -> Option<FieldId> {
        self.names.get(name).copied()
    }

    /// The field whose name is nearest to `name`, when one is near.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.fields.iter().map(|f| f.name.as_str()))
    }

    /// What a slot holds.
    ///
    /// # Panics
    /// When `id` belongs to a larger schema.
    pub fn field(&self, id: FieldId) -> &Field {
        &self.fields[id.index()]
    }

    /// All fields, in slot order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (FieldId, &Field)> {
        self.fields.iter().enumerate().map(|(i, f)| (FieldId(i as u16), f))
    }

    /// The first field that the column `name` is read into, and how.
    pub fn column(&self, name: &str) -> Option<(FieldId, &Column)> {
        self.targets(name).first().map(|(id, c)| (*id, c))
    }

    /// Every field that the column `name` is read into (one column may fill several).
    pub fn targets(&self, name: &str) -> &[(FieldId, Column)] {
        self.columns.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of all columns that are read into some field, in no order.
    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The names of all columns that were said to be of no interest.
    pub(crate) fn ignored_names(&self) -> impl Iterator<Item = &str> {
        self.ignored.iter().map(String::as_str)
    }

    /// Whether the column `name` was said to be of no interest.
    pub fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|i| i == name)
    }

    /// Whether digits in this field are never a card number.
    pub fn pan_exempt(&self, id: FieldId) -> bool {
        self.pan_exempt.contains(&id)
    }

    /// The currency of amounts that come without one.
    pub fn default_currency(&self) -> Option<Currency> {
        self.default_currency
    }

    /// Values of fields that came without one.
    pub fn default_texts(&self) -> &[(FieldId, String)] {
        &self.default_texts
    }

    /// Sets the key that card numbers are tokenised with; without one they are refused.
    #[must_use]
    pub fn with_token_key(mut self, key: TokenKey) -> Schema {
        self.token_key = Some(key);
        self
    }

    /// The key that card numbers are tokenised with.
    pub fn token_key(&self) -> Option<&TokenKey> {
        self.token_key.as_ref()
    }

    /// Sets the seed of all hashes of text. Decisions don't depend on it; which keys collide does,
    /// so a server that takes payments from strangers draws one.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Schema {
        self.seed = seed;
        self
    }

    /// The seed of all hashes of text.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The symbol of a text: 64 bits of its seeded hash, after folding ASCII case unless `exact`.
    pub fn symbol(&self, text: &str, exact: bool) -> u64 {
        symbol(self.seed, text.as_bytes(), exact)
    }
}

/// See [`Schema::symbol`].
pub(crate) fn symbol(seed: u64, text: &[u8], exact: bool) -> u64 {
    let mut hasher = FixedState::with_seed(seed).build_hasher();
    if exact || !text.iter().any(u8::is_ascii_uppercase) {
        hasher.write(text);
    } else {
        // Short texts fold on the stack; the rest may pay for a copy.
        let mut buffer = [0u8; 128];
        if let Some(folded) = buffer.get_mut(..text.len()) {
            folded.copy_from_slice(text);
            folded.make_ascii_lowercase();
            hasher.write(folded);
        } else {
            hasher.write(&text.to_ascii_lowercase());
        }
    }
    hasher.finish()
}

/// Whether `name` may name a field: it must be one word of the expression language.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// An ISO 3166-1 alpha-2 code, as two capital letters.
///
/// ```
/// use tollgate::Country;
/// assert_eq!(Country::parse("cn").unwrap().to_string(), "CN");
/// assert!(Country::parse("CHN").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(pub(crate) [u8; 2]);

impl Country {
    /// Two letters in any case. Codes that ISO has not assigned are accepted (address databases use
    /// some); rules that name one are warned about.
    pub fn parse(code: &str) -> Option<Country> {
        let code = <[u8; 2]>::try_from(code.as_bytes()).ok()?.map(|b| b.to_ascii_uppercase());
        code.iter().all(u8::is_ascii_uppercase).then_some(Country(code))
    }

    pub(crate) fn packed(self) -> u64 {
        u64::from(self.0[0]) << 8 | u64::from(self.0[1])
    }

    pub(crate) fn from_packed(packed: u64) -> Country {
        Country([(packed >> 8) as u8, packed as u8])
    }

    /// The two letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What a payment's field holds.
///
/// ```
/// use tollgate::{Kind, Value};
/// assert_eq!(Value::Bool(true).kind(), Kind::Bool);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// See [`Kind::Number`].
    Number(f64),
    /// See [`Kind::Money`].
    Money(crate::money::Money),
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Text`].
    Text(&'a str),
    /// See [`Kind::Country`].
    Country(Country),
    /// See [`Kind::Ip`].
    Ip(std::net::IpAddr),
    /// See [`Kind::Timestamp`].
    Timestamp(Timestamp),
    /// See [`Kind::Token`].
    Token(&'a str),
}

impl Value<'_> {
    /// The kind of field that holds it.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Number(_) => Kind::Number,
            Value::Money(_) => Kind::Money,
            Value::Bool(_) => Kind::Bool,
            Value::Text(_) => Kind::Text,
            Value::Country(_) => Kind::Country,
            Value::Ip(_) => Kind::Ip,
            Value::Timestamp(_) => Kind::Timestamp,
            Value::Token(_) => Kind::Token,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Money(m) => write!(f, "{m}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Text(t) | Value::Token(t) => f.write_str(t),
            Value::Country(c) => write!(f, "{c}"),
            Value::Ip(ip) => write!(f, "{ip}"),
            Value::Timestamp(at) => write!(f, "{at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_all_shown_with_their_place() {
        let text = "[[field]]\nname = \"Amount\"\nkind = \"number\"\n[[field]]\nname = \"card\"\nkind = \"text\"\n[columns]\nX = { field = \"acount\" }\n";
        let wrong = Schema::parse("s.toml", text).unwrap_err();
        let shown: Vec<_> = wrong.iter().map(|d| (d.place().0, d.to_string())).collect();
        assert_eq!(shown.iter().map(|s| s.0).collect::<Vec<_>>(), [2, 5, 8]);
        assert!(shown[2].1.contains("did you mean `account`?"), "{}", shown[2].1);
    }

    #[test]
    fn the_field_limit_is_met_and_not_passed() {
        let own = |n: usize| {
            (0..n).map(|i| format!("[[field]]\nname = \"f{i}\"\nkind = \"number\"\n")).collect::<String>()
        };
        let room = FIELDS_MAX - STANDARD.len();
        assert!(Schema::parse("s", &own(room)).is_ok());
        assert!(Schema::parse("s", &own(room + 1)).unwrap_err()[0].message().contains("at most 128"));
    }

    #[test]
    fn symbols_fold_case_unless_exact() {
        let schema = Schema::standard();
        assert_eq!(schema.symbol("Gmail.COM", false), schema.symbol("gmail.com", false));
        assert_ne!(schema.symbol("Gmail.COM", true), schema.symbol("gmail.com", true));
    }
}
