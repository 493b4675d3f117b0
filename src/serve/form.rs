//! Forms and query strings, as gateways send them: `amount=1.00&card[number]=...` becomes JSON text.

use crate::codec::json_string;

/// Most pairs of one form.
pub(super) const PAIRS_MAX: usize = 256;

/// Why a text is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormError {
    TooMany,
    /// A `%` without two hex digits, or bytes that are no UTF-8.
    Malformed,
}

impl FormError {
    pub(super) fn reason(self) -> String {
        match self {
            FormError::TooMany => format!("the form has more than {PAIRS_MAX} fields"),
            FormError::Malformed => {
                "the form is malformed: a `%` without two hex digits, or no UTF-8".to_owned()
            }
        }
    }
}

/// A JSON object that is being written.
pub(super) struct Object {
    out: Vec<u8>,
    pairs: usize,
}

impl Object {
    pub(super) fn new() -> Object {
        Object { out: Vec::new(), pairs: 0 }
    }

    /// Adds a field; its value is text.
    ///
    /// # Errors
    /// Past [`PAIRS_MAX`] fields.
    pub(super) fn field(&mut self, name: &str, value: &str) -> Result<(), FormError> {
        if self.pairs == PAIRS_MAX {
            return Err(FormError::TooMany);
        }
        self.pairs += 1;
        self.out.push(if self.out.is_empty() { b'{' } else { b',' });
        json_string(&mut self.out, name);
        self.out.push(b':');
        json_string(&mut self.out, value);
        Ok(())
    }

    /// Adds the pairs of a form. `card[number]` is `card.number`, as in nested JSON.
    ///
    /// # Errors
    /// When it is no form, or too long.
    pub(super) fn form(&mut self, form: &[u8]) -> Result<(), FormError> {
        for (name, value) in pairs(form) {
            let name = decode(name)?;
            let name = match name.contains('[') {
                false => name,
                true => name.split(['[', ']']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."),
            };
            self.field(&name, &decode(value)?)?;
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// The object with these fields before those of another, of which `rest` is what follows its brace.
    pub(super) fn before(mut self, rest: &[u8]) -> Vec<u8> {
        let more = !rest.trim_ascii_start().starts_with(b"}");
        match (self.is_empty(), more) {
            (true, _) => self.out.push(b'{'),
            (false, true) => self.out.push(b','),
            (false, false) => {}
        }
        self.out.extend_from_slice(rest);
        self.out
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(if self.out.is_empty() { b"{}" } else { b"}" });
        self.out
    }
}

fn pairs(form: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    form.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        match pair.iter().position(|b| *b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        }
    })
}

/// The value of a name in a query string.
pub(super) fn query(query: Option<&str>, name: &str) -> Option<String> {
    let (_, value) = pairs(query?.as_bytes()).find(|(n, _)| *n == name.as_bytes())?;
    decode(value).ok()
}

/// `%41` and `+` become what they stand for.
///
/// # Errors
/// When they stand for nothing.
pub(super) fn decode(text: &[u8]) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| (b as char).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(FormError::Malformed) };
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| FormError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_become_json() {
        for (form, json) in [
            ("", Ok("{}")),
            ("a=1&b=x+y%26", Ok(r#"{"a":"1","b":"x y&"}"#)),
            ("card[number]=1&&c", Ok(r#"{"card.number":"1","c":""}"#)),
            ("a=\"%0a", Ok(r#"{"a":"\"\n"}"#)),
            ("a=%4", Err(FormError::Malformed)),
            ("a=%zz", Err(FormError::Malformed)),
            ("a=%ff", Err(FormError::Malformed)),
        ] {
            let mut object = Object::new();
            let done = object.form(form.as_bytes());
            assert_eq!(
                done.map(|()| String::from_utf8(object.finish()).unwrap()),
                json.map(str::to_owned),
                "{form}"
            );
        }
        let mut before = Object::new();
        assert_eq!(Object::new().before(b" } "), b"{ } ");
        before.field("a", "1").unwrap();
        assert_eq!(before.before(b" } "), br#"{"a":"1" } "#);
        before = Object::new();
        before.field("a", "1").unwrap();
        assert_eq!(before.before(br#""b":2}"#), br#"{"a":"1","b":2}"#);
        let many = |n: usize| Object::new().form("a=1&".repeat(n).as_bytes());
        assert_eq!((many(PAIRS_MAX), many(PAIRS_MAX + 1)), (Ok(()), Err(FormError::TooMany)));
        assert_eq!(query(Some("x=1&force=true"), "force").as_deref(), Some("true"));
    }
}
