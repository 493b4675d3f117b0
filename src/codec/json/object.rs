//! Which field does a name of an object mean, and which values does it take?

use super::{Done, Parser};
use crate::codec::names::{Names, Target, What};
use crate::codec::row::wrong;

impl<'a, 'c> Parser<'a, 'c> {
    /// The fields of an object, after its `{`. Names begin with what `path` holds up to `prefix`.
    pub(super) fn object(&mut self, depth: usize, prefix: usize) -> Done {
        if depth >= self.cx.settings.depth_max {
            return Err(self.here(&format!("nested deeper than {} levels", self.cx.settings.depth_max)));
        }
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let start = self.at;
            match self.guessed(prefix) {
                Some(found) => {
                    self.colon()?;
                    self.count_field()?;
                    self.known(found, start, depth)?;
                }
                None => {
                    let (raw, escaped) = self.string("a field name in quotes is expected")?;
                    self.colon()?;
                    self.count_field()?;
                    self.field(raw, escaped, start, depth, prefix)?;
                }
            }
            if !self.goes_on(b'}', "`,` or `}` is expected")? {
                return Ok(());
            }
        }
    }

    /// Reads the name, if it is the one that came here last time.
    #[inline]
    fn guessed(&mut self, prefix: usize) -> Option<usize> {
        let names: &'c Names = self.cx.names;
        let found = *self.into.scratch.after.get(self.previous)? as usize;
        let entry = names.entries.get(found).filter(|entry| entry.plain && prefix == 0)?;
        let name = entry.name.as_bytes();
        let written = self.bytes.get(self.at..)?.get(..name.len() + 2)?;
        let [b'"', inside @ .., b'"'] = written else { return None };
        if inside != name {
            return None;
        }
        self.at += written.len();
        self.previous = found + 1;
        Some(found)
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

    /// A value of a name that was looked for in vain among those that came here before.
    fn value(&mut self, name: &str, start: usize, depth: usize) -> Done {
        self.space();
        if self.byte() == Some(b'{') {
            return self.nested(name, start, depth);
        }
        let Some(found) = self.cx.names.find(name) else {
            self.stranger(name, start)?;
            return self.skip(depth);
        };
        if let Some(after) = self.into.scratch.after.get_mut(self.previous) {
            *after = found as u32;
        }
        self.previous = found + 1;
        self.known(found, start, depth)
    }

    /// A value of a name that the schema knows.
    #[inline]
    fn known(&mut self, found: usize, start: usize, depth: usize) -> Done {
        let names: &'c Names = self.cx.names;
        let Some(entry) = names.entries.get(found) else { return self.skip(depth) };
        self.space();
        let value_at = self.at;
        let byte = self.byte();
        if byte == Some(b'{') {
            return self.nested(&entry.name, start, depth);
        }
        if let Some(word) = self.into.scratch.seen.get_mut(found / 64) {
            let bit = 1 << (found % 64);
            if *word & bit != 0 {
                return Err(self.about(wrong("it stands twice in this object"), &entry.name, start));
            }
            *word |= bit;
        }
        let targets = match &entry.what {
            What::Ignored => return self.skip(depth),
            What::Items => return self.items(&entry.name, depth),
            What::Fields(targets) => targets,
        };
        let done = match byte {
            Some(b'"') => {
                let (raw, escaped) = self.string("")?;
                match escaped {
                    false => self.text(targets, raw),
                    true => self.escaped(targets, raw, value_at),
                }
            }
            Some(b'-' | b'0'..=b'9') => {
                let digits = self.number().map_err(|e| self.about(e, &entry.name, value_at))?;
                self.text(targets, digits)
            }
            Some(b't' | b'f' | b'n') => match self.word()? {
                None => Ok(()),
                Some(truth) => {
                    let (row, payment) = (&mut *self.into.row, &mut *self.into.payment);
                    targets.iter().try_for_each(|t| row.bool(self.cx.schema, payment, t, truth))
                }
            },
            Some(b'[') => {
                let kind = targets.first().map_or_else(String::new, |t| t.kind.to_string());
                Err(wrong(format!("the field holds {kind}, not a list")))
            }
            _ => return Err(self.here("a value is expected")),
        };
        done.map_err(|e| self.about(e, &entry.name, value_at))
    }

    #[inline]
    fn text(&mut self, targets: &[Target], text: &str) -> Done {
        let (row, payment) = (&mut *self.into.row, &mut *self.into.payment);
        targets.iter().try_for_each(|t| row.text(self.cx.schema, payment, t, text))
    }

    /// A text with escapes; it began, with its quote, at `start`.
    #[cold]
    fn escaped(&mut self, targets: &[Target], raw: &str, start: usize) -> Done {
        let mut buffer = std::mem::take(&mut self.into.scratch.value);
        let done = self.unescape(raw, start, &mut buffer).and_then(|()| self.text(targets, &buffer));
        self.into.scratch.value = buffer;
        done
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
}
