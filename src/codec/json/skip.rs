//! Is what nobody asks for written as JSON?

use super::{Done, Parser};

impl Parser<'_, '_> {
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
    pub(super) fn skip(&mut self, depth: usize) -> Done {
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
}
