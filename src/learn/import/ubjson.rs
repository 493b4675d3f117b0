//! What does a UBJSON file say? Universal Binary JSON, draft 12, as XGBoost writes it: a JSON value.

use serde_json::{Map, Number, Value};

use crate::model::ModelError;

/// Most levels of arrays and objects.
const DEPTH_MAX: usize = 64;

/// The value that the bytes hold.
pub(super) fn read(bytes: &[u8]) -> Result<Value, ModelError> {
    let mut reader = Reader { bytes, at: 0 };
    let kind = reader.byte()?;
    reader.value(kind, 0)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn wrong<T>(&self, what: &str) -> Result<T, ModelError> {
        Err(ModelError::new(format!("byte {}: {what}; save the model again", self.at)))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ModelError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        match end {
            Some(end) => {
                let taken = &self.bytes[self.at..end];
                self.at = end;
                Ok(taken)
            }
            None => self.wrong("the file ends too soon"),
        }
    }

    fn byte(&mut self) -> Result<u8, ModelError> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn integer(&mut self, kind: u8) -> Result<i64, ModelError> {
        Ok(match kind {
            b'i' => i64::from(self.array::<1>()?[0] as i8),
            b'U' => i64::from(self.byte()?),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return self.wrong("a whole number is expected"),
        })
    }

    fn length(&mut self) -> Result<usize, ModelError> {
        let kind = self.byte()?;
        match usize::try_from(self.integer(kind)?) {
            Ok(length) => Ok(length),
            Err(_) => self.wrong("a length below 0"),
        }
    }

    fn text(&mut self) -> Result<String, ModelError> {
        let length = self.length()?;
        match std::str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => self.wrong("a text that is not UTF-8"),
        }
    }

    fn float(&self, number: f64) -> Result<Value, ModelError> {
        match Number::from_f64(number) {
            Some(number) => Ok(Value::Number(number)),
            None => self.wrong("a number that is not finite"),
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value, ModelError> {
        if depth > DEPTH_MAX {
            return self.wrong("nested too deeply");
        }
        match kind {
            b'Z' => Ok(Value::Null),
            b'T' | b'F' => Ok(Value::Bool(kind == b'T')),
            b'd' => {
                let number = f32::from_be_bytes(self.array()?);
                self.float(f64::from(number))
            }
            b'D' => {
                let number = f64::from_be_bytes(self.array()?);
                self.float(number)
            }
            b'C' => Ok(Value::String(char::from(self.byte()?).to_string())),
            b'S' => self.text().map(Value::String),
            b'[' => self.elements(depth),
            b'{' => self.members(depth),
            _ => self.integer(kind).map(Value::from),
        }
    }

    /// What stands behind an opening bracket: the elements' kind and number, each when it is said.
    fn head(&mut self) -> Result<(Option<u8>, Option<usize>), ModelError> {
        let mut kind = None;
        if self.bytes.get(self.at) == Some(&b'$') {
            self.at += 1;
            kind = Some(self.byte()?);
        }
        let mut count = None;
        if self.bytes.get(self.at) == Some(&b'#') {
            self.at += 1;
            count = Some(self.length()?);
        }
        if kind.is_some() && count.is_none() {
            return self.wrong("a kind of elements without their number");
        }
        // Each element takes a byte at least, so a declared number can't ask for more than the file has.
        if kind.is_some_and(|k| matches!(k, b'Z' | b'T' | b'F' | b'N'))
            || count.is_some_and(|count| count > self.bytes.len() - self.at)
        {
            return self.wrong("more elements than the file has bytes");
        }
        Ok((kind, count))
    }

    fn elements(&mut self, depth: usize) -> Result<Value, ModelError> {
        let (kind, count) = self.head()?;
        let mut elements = Vec::new();
        loop {
            if count == Some(elements.len()) {
                break;
            }
            let kind = match kind {
                Some(kind) => kind,
                None => self.byte()?,
            };
            if count.is_none() && kind == b']' {
                break;
            }
            elements.push(self.value(kind, depth + 1)?);
        }
        Ok(Value::Array(elements))
    }

    fn members(&mut self, depth: usize) -> Result<Value, ModelError> {
        let (kind, count) = self.head()?;
        let mut members = Map::new();
        let mut read = 0;
        loop {
            if count == Some(read) {
                break;
            }
            if count.is_none() && self.bytes.get(self.at) == Some(&b'}') {
                self.at += 1;
                break;
            }
            let name = self.text()?;
            let kind = match kind {
                Some(kind) => kind,
                None => self.byte()?,
            };
            let value = self.value(kind, depth + 1)?;
            members.insert(name, value);
            read += 1;
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let shown = match read(bytes) {
            Ok(value) => value.to_string(),
            Err(e) => e.to_string(),
        };
        assert!(shown.contains(expected), "{shown}");
    }

    #[test]
    fn values_are_read_and_broken_ones_refused() {
        check(b"{U\x01ai\xff}", r#"{"a":-1}"#);
        check(b"[$d#U\x02\x3f\x80\x00\x00\xc0\x00\x00\x00", "[1.0,-2.0]");
        check(b"[TFZSU\x02hi]", r#"[true,false,null,"hi"]"#);
        check(b"{#U\x01U\x01kI\x01\x00", r#"{"k":256}"#);
        check(b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "more elements than the file has bytes");
        check(b"[$Z#U\x01", "more elements than the file has bytes");
        check(b"SL\xff\xff\xff\xff\xff\xff\xff\xff", "a length below 0");
        check(b"d\x7f\xc0\x00\x00", "not finite");
        check(b"{U\x05ab", "ends too soon");
    }

    #[test]
    fn nesting_is_read_to_the_limit_and_not_past_it() {
        let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert!(read(&nested(DEPTH_MAX + 1)).is_ok());
        check(&nested(DEPTH_MAX + 2), "nested too deeply");
        check(&[b'['; 1 << 20], "nested too deeply");
    }
}
