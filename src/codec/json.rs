//! One JSON object becomes one payment, in one pass from bytes into slots.
//!
//! There is no tree in between: a name is looked up as soon as it is read (usually by comparing it
//! with the name that stood there in the row before), and its value goes straight to its field.
//! Nested objects are flattened, `{"card":{"country":"FR"}}` is the field `card.country`.

use std::sync::Arc;

use super::names::{Entry, ITEMS, Names, Unknown, What};
use super::row::{Row, wrong};
use super::{RowError, Settings, column_of, shown};
use crate::payment::Payment;
use crate::schema::Schema;
use crate::token::contains_pan;

/// What is kept from row to row.
#[derive(Default)]
pub(super) struct Scratch {
    /// The names of the row before, in their order, as far as the schema knows them.
    order: Vec<u32>,
    /// One bit for each name that this row has had.
    seen: Vec<u64>,
    rows: u64,
    key: String,
    path: String,
    value: String,
    sku: String,
    category: String,
    /// A name of this row that the schema doesn't know.
    pub stranger: Option<String>,
}

/// What a decoder is told once.
pub(super) struct Context<'a> {
    pub schema: &'a Schema,
    pub names: &'a Names,
    pub settings: &'a Settings,
    /// Whether what every payment needs may be missing: somebody fills it in.
    pub partial: bool,
}

/// What one row is written into.
pub(super) struct Into<'a> {
    pub payment: &'a mut Payment,
    pub row: &'a mut Row,
    pub scratch: &'a mut Scratch,
    pub unknown: &'a mut Unknown,
}

type Done = Result<(), Box<RowError>>;

/// Reads single payments from JSON.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::codec::{JsonDecoder, Settings};
/// use tollgate::{Payment, Schema};
/// let schema = Arc::new(Schema::standard());
/// let mut decoder = JsonDecoder::new(schema.clone(), Settings::default());
/// let mut payment = Payment::new(&schema);
/// decoder.read(br#"{"id":"p1","at":"2026-11-23T09:00:00Z","amount":12.34,"currency":"EUR"}"#, &mut payment)?;
/// assert_eq!(payment.amount().unwrap().to_string(), "12.34 EUR");
/// let wrong = decoder.read(br#"{"id":"p1","at":"soon","amount":1}"#, &mut payment).unwrap_err();
/// assert_eq!(wrong.to_string(), "at (column 17): `soon` is not a timestamp such as 2026-11-23T09:00:00Z");
/// # Ok::<(), tollgate::codec::RowError>(())
/// ```
pub struct JsonDecoder {
    schema: Arc<Schema>,
    names: Names,
    settings: Settings,
    row: Row,
    scratch: Scratch,
    unknown: Unknown,
}

impl JsonDecoder {
    /// A decoder of payments of `schema`.
    pub fn new(schema: Arc<Schema>, settings: Settings) -> JsonDecoder {
        JsonDecoder {
            names: Names::of(&schema),
            schema,
            settings,
            row: Row::default(),
            scratch: Scratch::default(),
            unknown: Unknown::default(),
        }
    }

    /// Reads one object, and nothing after it, into `payment`.
    ///
    /// # Errors
    /// Why it is no payment; `payment` then holds a part of it.
    pub fn read(&mut self, bytes: &[u8], payment: &mut Payment) -> Result<(), RowError> {
        self.read_object(bytes, payment, false)
    }

    /// As [`JsonDecoder::read`], but what every payment needs may be missing.
    #[cfg(feature = "serve")]
    pub(crate) fn read_part(&mut self, bytes: &[u8], payment: &mut Payment) -> Result<(), RowError> {
        self.read_object(bytes, payment, true)
    }

    /// What a payment still lacks, as an error.
    #[cfg(feature = "serve")]
    pub(crate) fn lacking(&self, payment: &Payment) -> Option<RowError> {
        payment.missing().map(|id| *super::row::missing(&self.schema, id))
    }

    fn read_object(&mut self, bytes: &[u8], payment: &mut Payment, partial: bool) -> Result<(), RowError> {
        if bytes.len() > self.settings.line_bytes_max {
            return Err(*wrong(format!("the object is longer than {} bytes", self.settings.line_bytes_max)));
        }
        let cx = Context { schema: &self.schema, names: &self.names, settings: &self.settings, partial };
        let (row, scratch, unknown) = (&mut self.row, &mut self.scratch, &mut self.unknown);
        payment_of(&cx, bytes, Into { payment, row, scratch, unknown }).map_err(|e| *e)?;
        match self.scratch.stranger.take() {
            Some(name) if self.settings.strict => Err(*stranger(&self.schema, &name)),
            _ => Ok(()),
        }
    }

    /// Adds the unknown names met so far to `table`, and forgets them.
    pub fn take_unknown(&mut self, table: &mut std::collections::BTreeMap<String, u64>) {
        self.unknown.drain_into(table);
    }
}

/// An unknown name, where unknown names are errors.
#[cold]
pub(super) fn stranger(schema: &Schema, name: &str) -> Box<RowError> {
    let near = schema.nearest(name).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Box::new(RowError {
        field: Some(shown(name)),
        column: None,
        reason: format!(
            "no field or column of the schema has this name{near} (map it or list it under `ignore` in schema.toml)"
        ),
    })
}

/// Reads one object into a payment.
pub(super) fn payment_of(cx: &Context<'_>, bytes: &[u8], into: Into<'_>) -> Done {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => return Err(at(bytes, e.valid_up_to(), "it is not UTF-8 from here on")),
    };
    into.payment.clear();
    into.row.start();
    into.scratch.start(cx.names.entries.len());
    let mut parser = Parser { cx, text, bytes, at: 0, position: 0, fields: 0, into };
    parser.space();
    match parser.byte() {
        Some(b'{') => parser.at += 1,
        Some(b'[') => {
            return Err(parser.here("a list; one object a line is expected (`jq -c '.[]'` makes it so)"));
        }
        _ => return Err(parser.here("one JSON object a line is expected")),
    }
    parser.object(0, 0)?;
    parser.space();
    if parser.at < bytes.len() {
        return Err(parser.here("something follows the object"));
    }
    match cx.partial {
        false => parser.into.row.finish(cx.schema, parser.into.payment),
        true => parser.into.row.complete(cx.schema, parser.into.payment),
    }
}

impl Scratch {
    fn start(&mut self, names: usize) {
        self.rows += 1;
        self.seen.clear();
        self.seen.resize(names.div_ceil(64), 0);
        self.stranger = None;
    }
}

#[cold]
fn at(bytes: &[u8], at: usize, reason: &str) -> Box<RowError> {
    Box::new(RowError { field: None, column: Some(column_of(bytes, at)), reason: reason.to_owned() })
}

struct Parser<'a, 'c> {
    cx: &'c Context<'c>,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// How many known names the row has had: the place in the order of the row before.
    position: usize,
    fields: usize,
    into: Into<'c>,
}

impl<'a, 'c> Parser<'a, 'c> {
    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    #[cold]
    fn here(&self, reason: &str) -> Box<RowError> {
        match self.byte() {
            None => at(self.bytes, self.at, "the object ends in the middle; the line may have been cut"),
            Some(0) => at(self.bytes, self.at, "a NUL byte"),
            Some(_) => at(self.bytes, self.at, reason),
        }
    }

    /// An error about a field's value that began at `start`.
    #[cold]
    fn about(&self, mut error: Box<RowError>, name: &str, start: usize) -> Box<RowError> {
        error.field.get_or_insert_with(|| shown(name));
        error.column.get_or_insert_with(|| column_of(self.bytes, start));
        error
    }

    /// Whether a list or object ends here, without anything (more) in it.
    #[inline]
    fn closes(&mut self, close: u8) -> bool {
        self.space();
        let closes = self.byte() == Some(close);
        self.at += usize::from(closes);
        closes
    }

    /// After an element: whether another follows. `expected` says what is missing when neither a
    /// comma nor the end does.
    #[inline]
    fn goes_on(&mut self, close: u8, expected: &str) -> Result<bool, Box<RowError>> {
        if self.closes(close) {
            return Ok(false);
        }
        if self.byte() != Some(b',') {
            return Err(self.here(expected));
        }
        self.at += 1;
        Ok(true)
    }

    /// What stands between a field's name and its value.
    #[inline]
    fn colon(&mut self) -> Done {
        self.space();
        if self.byte() != Some(b':') {
            return Err(self.here("`:` is expected after a field's name"));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn count_field(&mut self) -> Done {
        self.fields += 1;
        if self.fields > self.cx.settings.fields_max {
            return Err(self.here(&format!("more than {} fields", self.cx.settings.fields_max)));
        }
        Ok(())
    }

    /// The fields of an object, after its `{`. Names begin with what `path` holds up to `prefix`.
    fn object(&mut self, depth: usize, prefix: usize) -> Done {
        if depth >= self.cx.settings.depth_max {
            return Err(self.here(&format!("nested deeper than {} levels", self.cx.settings.depth_max)));
        }
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let start = self.at;
            let (raw, escaped) = self.string("a field name in quotes is expected")?;
            self.colon()?;
            self.count_field()?;
            self.field(raw, escaped, start, depth, prefix)?;
            if !self.goes_on(b'}', "`,` or `}` is expected")? {
                return Ok(());
            }
        }
    }

    fn field(&mut self, raw: &'a str, escaped: bool, start: usize, depth: usize, prefix: usize) -> Done {
        if !escaped && prefix == 0 {
            return self.value(raw, start, depth);
        }
        let mut key = std::mem::take(&mut self.into.scratch.key);
        let mut path = std::mem::take(&mut self.into.scratch.path);
        path.truncate(prefix);
        if prefix > 0 {
            path.push('.');
        }
        let done = match escaped {
            false => {
                path.push_str(raw);
                Ok(())
            }
            true => self.unescape(raw, start, &mut key).map(|()| path.push_str(&key)),
        };
        self.into.scratch.key = key;
        let done = done.and_then(|()| self.value(&path, start, depth));
        self.into.scratch.path = path;
        done
    }

    /// The entry of a name, guessed from the row before.
    #[inline]
    fn find(&mut self, name: &str) -> Option<(&'c Entry, usize)> {
        let names: &'c Names = self.cx.names;
        let order = &mut self.into.scratch.order;
        if let Some(&guess) = order.get(self.position)
            && let Some(entry) = names.entries.get(guess as usize)
            && *entry.name == *name
        {
            self.position += 1;
            return Some((entry, guess as usize));
        }
        let found = names.find(name)?;
        order.truncate(self.position);
        order.push(found as u32);
        self.position += 1;
        Some((names.entries.get(found)?, found))
    }

    fn value(&mut self, name: &str, start: usize, depth: usize) -> Done {
        self.space();
        let value_at = self.at;
        if self.byte() == Some(b'{') {
            return self.nested(name, start, depth);
        }
        let Some((entry, index)) = self.find(name) else {
            self.stranger(name, start)?;
            return self.skip(depth);
        };
        if let Some(word) = self.into.scratch.seen.get_mut(index / 64) {
            let bit = 1 << (index % 64);
            if *word & bit != 0 {
                return Err(self.about(wrong("it stands twice in this object"), name, start));
            }
            *word |= bit;
        }
        let targets = match &entry.what {
            What::Ignored => return self.skip(depth),
            What::Items => return self.items(name, depth),
            What::Fields(targets) => targets,
        };
        let schema = self.cx.schema;
        let done = match self.byte() {
            Some(b'"') => {
                let (raw, escaped) = self.string("")?;
                let mut buffer = std::mem::take(&mut self.into.scratch.value);
                let done = match escaped {
                    false => Ok(raw),
                    true => self.unescape(raw, value_at, &mut buffer).map(|()| buffer.as_str()),
                };
                let (row, payment) = (&mut *self.into.row, &mut *self.into.payment);
                let done =
                    done.and_then(|text| targets.iter().try_for_each(|t| row.text(schema, payment, t, text)));
                self.into.scratch.value = buffer;
                done
            }
            Some(b'-' | b'0'..=b'9') => {
                let digits = self.number().map_err(|e| self.about(e, name, value_at))?;
                let (row, payment) = (&mut *self.into.row, &mut *self.into.payment);
                targets.iter().try_for_each(|t| row.text(schema, payment, t, digits))
            }
            Some(b't' | b'f' | b'n') => match self.word()? {
                None => Ok(()),
                Some(truth) => {
                    let (row, payment) = (&mut *self.into.row, &mut *self.into.payment);
                    targets.iter().try_for_each(|t| row.bool(schema, payment, t, truth))
                }
            },
            Some(b'[') => {
                let kind = targets.first().map_or_else(String::new, |t| t.kind.to_string());
                Err(wrong(format!("the field holds {kind}, not a list")))
            }
            _ => return Err(self.here("a value is expected")),
        };
        done.map_err(|e| self.about(e, name, value_at))
    }

    /// An object as a value: its fields are the row's, under longer names.
    fn nested(&mut self, name: &str, start: usize, depth: usize) -> Done {
        if let Some(entry) = self.cx.names.find(name).and_then(|i| self.cx.names.entries.get(i)) {
            match entry.what {
                What::Ignored => return self.skip(depth),
                What::Items => {
                    return Err(self.about(wrong("a list of objects is expected"), name, start));
                }
                What::Fields(_) => {}
            }
        }
        self.at += 1;
        let mut path = std::mem::take(&mut self.into.scratch.path);
        path.clear();
        path.push_str(name);
        let prefix = path.len();
        self.into.scratch.path = path;
        self.object(depth + 1, prefix)
    }

    fn stranger(&mut self, name: &str, start: usize) -> Done {
        let scratch = &mut *self.into.scratch;
        if self.cx.settings.strict && scratch.stranger.is_none() {
            scratch.stranger = Some(name.to_owned());
        }
        match self.into.unknown.count(name, scratch.rows) {
            true => Ok(()),
            false => Err(self.about(wrong("it stands twice in this object"), name, start)),
        }
    }

    fn skip_string(&mut self, expected: &str) -> Done {
        let start = self.at;
        if let (raw, true) = self.string(expected)? {
            let mut buffer = std::mem::take(&mut self.into.scratch.value);
            let done = self.unescape(raw, start, &mut buffer);
            self.into.scratch.value = buffer;
            done?;
        }
        Ok(())
    }

    /// Passes over a value, which is checked all the same.
    fn skip(&mut self, depth: usize) -> Done {
        if depth >= self.cx.settings.depth_max {
            return Err(self.here(&format!("nested deeper than {} levels", self.cx.settings.depth_max)));
        }
        self.space();
        match self.byte() {
            Some(b'"') => self.skip_string("")?,
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
            }
            Some(b't' | b'f' | b'n') => {
                self.word()?;
            }
            Some(open @ (b'{' | b'[')) => {
                let close = if open == b'{' { b'}' } else { b']' };
                self.at += 1;
                if self.closes(close) {
                    return Ok(());
                }
                loop {
                    if open == b'{' {
                        self.space();
                        self.skip_string("a field name in quotes is expected")?;
                        self.colon()?;
                    }
                    self.skip(depth + 1)?;
                    if !self.goes_on(close, "`,` or the end of a list or object is expected")? {
                        return Ok(());
                    }
                }
            }
            _ => return Err(self.here("a value is expected")),
        }
        Ok(())
    }

    /// The list of things bought.
    fn items(&mut self, name: &str, depth: usize) -> Done {
        match self.byte() {
            Some(b'n') => {
                return match self.word()? {
                    None => Ok(()),
                    Some(_) => Err(self.about(wrong("a list of objects is expected"), name, self.at)),
                };
            }
            Some(b'[') => self.at += 1,
            Some(_) => return Err(self.about(wrong("a list of objects is expected"), name, self.at)),
            None => return Err(self.here("")),
        }
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            self.space();
            let start = self.at;
            if self.byte() != Some(b'{') {
                return Err(self.here(
                    "an item is an object: {\"sku\":..,\"category\":..,\"quantity\":..,\"price\":..}",
                ));
            }
            self.item(depth + 1).map_err(|e| self.about(e, name, start))?;
            if !self.goes_on(b']', "`,` or `]` is expected")? {
                return Ok(());
            }
        }
    }

    fn item(&mut self, depth: usize) -> Done {
        self.at += 1;
        let (mut sku, mut category) =
            (std::mem::take(&mut self.into.scratch.sku), std::mem::take(&mut self.into.scratch.category));
        sku.clear();
        category.clear();
        let mut numbers = [None; 2];
        let done = self.item_fields(depth, &mut sku, &mut category, &mut numbers).and_then(|()| {
            let text = |s: &'_ String| (!s.is_empty()).then(|| s.clone());
            let (sku, category) = (text(&sku), text(&category));
            self.into
                .payment
                .push_item(self.cx.schema, sku.as_deref(), category.as_deref(), numbers[0], numbers[1])
                .map_err(|e| wrong(e.to_string()))
        });
        self.into.scratch.sku = sku;
        self.into.scratch.category = category;
        done
    }

    fn item_fields(
        &mut self,
        depth: usize,
        sku: &mut String,
        category: &mut String,
        numbers: &mut [Option<f64>; 2],
    ) -> Done {
        if self.closes(b'}') {
            return Ok(());
        }
        let mut seen = [false; 4];
        loop {
            self.space();
            let start = self.at;
            let (raw, escaped) = self.string("a field name in quotes is expected")?;
            let mut key = std::mem::take(&mut self.into.scratch.key);
            key.clear();
            let done = match escaped {
                true => self.unescape(raw, start, &mut key),
                false => {
                    key.push_str(raw);
                    Ok(())
                }
            };
            let field = crate::schema::ITEM_FIELDS.iter().position(|(name, _)| *name == key);
            let path = format!("{ITEMS}.{key}");
            self.into.scratch.key = key;
            done?;
            self.colon()?;
            self.count_field()?;
            self.space();
            let value_at = self.at;
            match field {
                None => {
                    // Items repeat their names, so a second time in a row is no mistake.
                    let _ = self.into.unknown.count(&path, self.into.scratch.rows);
                    if self.cx.settings.strict && self.into.scratch.stranger.is_none() {
                        self.into.scratch.stranger = Some(path);
                    }
                    self.skip(depth)?;
                }
                Some(field) => {
                    if std::mem::replace(&mut seen[field], true) {
                        return Err(self.about(wrong("it stands twice in this item"), &path, start));
                    }
                    let text = match field {
                        0 => Some(&mut *sku),
                        1 => Some(&mut *category),
                        _ => None,
                    };
                    let number = field.checked_sub(2).and_then(|i| numbers.get_mut(i));
                    self.item_value(text, number).map_err(|e| self.about(e, &path, value_at))?;
                }
            }
            if !self.goes_on(b'}', "`,` or `}` is expected")? {
                return Ok(());
            }
        }
    }

    fn item_value(&mut self, text: Option<&mut String>, number: Option<&mut Option<f64>>) -> Done {
        let start = self.at;
        let mut buffer = String::new();
        let value: &str = match self.byte() {
            Some(b'"') => match self.string("")? {
                (raw, false) => raw,
                (raw, true) => {
                    self.unescape(raw, start, &mut buffer)?;
                    &buffer
                }
            },
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't' | b'f' | b'n') => match self.word()? {
                None => return Ok(()),
                Some(truth) => return Err(wrong(format!("text or a number is expected, not {truth}"))),
            },
            _ => return Err(self.here("text or a number is expected")),
        };
        if contains_pan(value) {
            return Err(wrong(crate::payment::FieldError::CardNumber.to_string()));
        }
        match (text, number) {
            (Some(text), _) => text.push_str(value),
            (None, Some(_)) if value.is_empty() => {}
            (None, Some(number)) => match value.trim().parse::<f64>() {
                Ok(n) if n.is_finite() => *number = Some(n),
                _ => return Err(wrong(format!("`{}` is not a finite number", shown(value)))),
            },
            (None, None) => {}
        }
        Ok(())
    }

    /// A string, without its quotes, and whether it has escapes (which aren't checked yet).
    #[inline]
    fn string(&mut self, expected: &str) -> Result<(&'a str, bool), Box<RowError>> {
        if self.byte() != Some(b'"') {
            return Err(self.here(expected));
        }
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            end = special(self.bytes, end);
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => {
                    self.at = end;
                    return Err(self.here("a control character in a string; it is written as an escape"));
                }
                None => {
                    self.at = self.bytes.len();
                    return Err(self.here(""));
                }
            }
        }
        self.at = end + 1;
        // Both ends stand beside an ASCII quote, so they are character boundaries.
        Ok((self.text.get(start..end).unwrap_or_default(), escaped))
    }

    /// Replaces the escapes of a string that began (with its quote) at `start`.
    fn unescape(&self, raw: &str, start: usize, out: &mut String) -> Done {
        out.clear();
        let mut rest = raw;
        while let Some(slash) = rest.find('\\') {
            out.push_str(&rest[..slash]);
            let place = start + 1 + raw.len() - rest.len() + slash;
            let escape = &rest[slash + 1..];
            let mut length = 1;
            let c = match escape.as_bytes().first() {
                Some(b'"') => '"',
                Some(b'\\') => '\\',
                Some(b'/') => '/',
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b't') => '\t',
                Some(b'u') => {
                    let unit = |from: usize| -> Option<u32> {
                        let hex = escape.get(from..from + 4)?;
                        hex.bytes()
                            .all(|b| b.is_ascii_hexdigit())
                            .then(|| u32::from_str_radix(hex, 16).ok())?
                    };
                    let c = match unit(1) {
                        None => return Err(at(self.bytes, place, "`\\u` needs four hexadecimal digits")),
                        Some(high @ 0xd800..=0xdbff) if escape.get(5..7) == Some("\\u") => {
                            length = 11;
                            unit(7).filter(|low| (0xdc00..=0xdfff).contains(low)).and_then(|low| {
                                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                            })
                        }
                        Some(unit) => {
                            length = 5;
                            char::from_u32(unit)
                        }
                    };
                    match c {
                        Some('\0') => return Err(at(self.bytes, place, "a NUL character")),
                        Some(c) => c,
                        None => return Err(at(self.bytes, place, "half of a surrogate pair")),
                    }
                }
                _ => return Err(at(self.bytes, place, "an escape that JSON doesn't have")),
            };
            out.push(c);
            rest = escape.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(())
    }

    /// A number's own digits.
    #[inline]
    fn number(&mut self) -> Result<&'a str, Box<RowError>> {
        let start = self.at;
        let digits = |at: &mut usize| {
            let from = *at;
            while let Some(b'0'..=b'9') = self.bytes.get(*at) {
                *at += 1;
            }
            *at > from
        };
        let mut at = start + usize::from(self.byte() == Some(b'-'));
        let leading_zero = self.bytes.get(at) == Some(&b'0');
        let whole_at = at;
        let mut good = digits(&mut at) && !(leading_zero && at > whole_at + 1);
        if good && self.bytes.get(at) == Some(&b'.') {
            at += 1;
            good = digits(&mut at);
        }
        if good && let Some(b'e' | b'E') = self.bytes.get(at) {
            at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(at) {
                at += 1;
            }
            good = digits(&mut at);
        }
        if !good {
            self.at = at.min(self.bytes.len());
            return Err(self.here("the number is not written as JSON writes numbers"));
        }
        self.at = at;
        Ok(self.text.get(start..at).unwrap_or_default())
    }

    /// `true`, `false`, or `null` as `None`.
    fn word(&mut self) -> Result<Option<bool>, Box<RowError>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for (word, meaning) in [("true", Some(true)), ("false", Some(false)), ("null", None)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(meaning);
            }
        }
        Err(self.here("a value is expected; words other than true, false and null stand in quotes"))
    }
}

/// The first byte at or after `at` that ends a run of plain characters in a string: a quote, a
/// backslash or a control character. Eight at a time.
#[inline]
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let below = |w: u64, n: u64| w.wrapping_sub(ONES * n) & !w & HIGHS;
        // A borrow can only mark bytes above one that is rightly marked, so the lowest mark is right.
        let marks = below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1)
            | below(word, 0x20);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&b) = bytes.get(at) {
        if b == b'"' || b == b'\\' || b < 0x20 {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// The list of things bought, from a cell that holds it as JSON.
pub(super) fn items_of(cx: &Context<'_>, text: &str, into: Into<'_>) -> Done {
    let mut parser = Parser { cx, text, bytes: text.as_bytes(), at: 0, position: 0, fields: 0, into };
    parser.space();
    parser.items(ITEMS, 0)?;
    parser.space();
    match parser.at < text.len() {
        true => Err(parser.here("something follows the list")),
        false => Ok(()),
    }
}
