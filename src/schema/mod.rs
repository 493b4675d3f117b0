//! What a payment can say: the standard fields, the user's own, and the foreign names of both.
//!
//! | file | question |
//! |---|---|
//! | `standard.rs` | which fields has every schema? |
//! | `value.rs` | what may a field hold, and of which kind is it? |
//! | `country.rs` | which codes are countries? |
//! | `file.rs` | what does `schema.toml` say? |
//! | `symbol.rs` | which 64 bits stand for a text? |

mod country;
mod file;
mod standard;
mod symbol;
mod value;

use std::collections::{BTreeMap, HashMap};

use crate::error::nearest;
use crate::money::Currency;
use crate::token::TokenKey;
use standard::STANDARD;

pub use country::Country;
pub(crate) use file::is_name;
pub use standard::{ITEM_FIELDS, field};
pub(crate) use symbol::symbol;
pub use value::{Kind, TEXT_BYTES_MAX, Value};

/// Most fields a schema may have: a payment's presence mask is one `u128`.
///
/// ```
/// assert!(tollgate::Schema::standard().fields().len() <= tollgate::FIELDS_MAX);
/// ```
pub const FIELDS_MAX: usize = 128;

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
