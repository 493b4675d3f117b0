//! Which field does a name of an object mean, and which values does it take?

use super::{Done, Parser};
use crate::codec::names::{Entry, Names, What};
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
}
