//! Where does one row of text end and the next begin?
//!
//! The input is cut into blocks of whole rows, so that blocks can be decoded on any thread. Memory
//! is bounded by the block and one longest row.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// Whole rows of text.
#[derive(Debug, Default)]
pub(super) struct TextBlock {
    pub bytes: Vec<u8>,
    /// Where the first row that isn't decoded yet begins.
    pub at: usize,
    /// The line number of that row.
    pub line: u64,
}

/// What ends a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The next newline.
    Lines,
    /// The next newline outside of quotes.
    Csv {
        /// The byte between cells.
        delimiter: u8,
    },
}

/// How a row of CSV ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowEnd {
    /// Before this byte; the newline follows, or nothing does.
    At(usize),
    /// A closing quote is followed by neither a delimiter nor a newline.
    Malformed {
        /// The byte after that quote.
        at: usize,
    },
    /// A quote is still open where the bytes end.
    Open {
        /// That quote.
        at: usize,
    },
}

/// The end of the first row of `bytes`. A row that isn't well-formed is one line.
pub(super) fn csv_row_end(bytes: &[u8], delimiter: u8) -> RowEnd {
    let newline = memchr(b'\n', bytes);
    let line = newline.unwrap_or(bytes.len());
    let Some(first) = memchr(b'"', &bytes[..line]) else { return RowEnd::At(line) };
    // A quote opens only at the start of a cell; elsewhere it is a letter like any other.
    let mut at = first;
    if at > 0 && bytes[at - 1] != delimiter {
        match next_cell(bytes, at, line, delimiter) {
            Some(cell) => at = cell,
            None => return RowEnd::At(line),
        }
    }
    let mut line = line;
    loop {
        if bytes.get(at) == Some(&b'"') {
            let open = at;
            at += 1;
            loop {
                match memchr(b'"', &bytes[at..]) {
                    None => return RowEnd::Open { at: open },
                    Some(i) => at += i + 1,
                }
                if bytes.get(at) != Some(&b'"') {
                    break;
                }
                at += 1;
            }
            match bytes.get(at) {
                None | Some(b'\n') => return RowEnd::At(at),
                Some(b'\r') if matches!(bytes.get(at + 1), None | Some(b'\n')) => {
                    return RowEnd::At((at + 1).min(bytes.len()));
                }
                Some(b) if *b == delimiter => at += 1,
                Some(_) => return RowEnd::Malformed { at },
            }
            if at > line {
                line = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
            }
        } else {
            match next_cell(bytes, at, line, delimiter) {
                Some(cell) => at = cell,
                None => return RowEnd::At(line),
            }
        }
    }
}

fn next_cell(bytes: &[u8], at: usize, line: usize, delimiter: u8) -> Option<usize> {
    memchr(delimiter, bytes.get(at..line)?).map(|i| at + i + 1)
}

/// Cuts an input into blocks.
pub(super) struct Lines {
    input: Box<dyn Read + Send>,
    pub rows: Rows,
    block_bytes: usize,
    line_bytes_max: usize,
    /// Read, but not handed out yet.
    rest: Vec<u8>,
    line: u64,
    ended: bool,
    /// In the middle of a line above the limit.
    skipping: bool,
    pub bytes_read: u64,
}

impl Lines {
    pub fn new(input: Box<dyn Read + Send>, block_bytes: usize, line_bytes_max: usize) -> Lines {
        Lines {
            input,
            rows: Rows::Lines,
            block_bytes: block_bytes.max(1),
            line_bytes_max,
            rest: Vec::new(),
            line: 1,
            ended: false,
            skipping: false,
            bytes_read: 0,
        }
    }

    /// Takes the first row off the input, without its newline: a header.
    pub fn first_row(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let end = match self.rows {
                Rows::Lines => memchr(b'\n', &self.rest),
                Rows::Csv { delimiter } => match csv_row_end(&self.rest, delimiter) {
                    RowEnd::At(end) if end < self.rest.len() => Some(end),
                    _ => None,
                },
            };
            if end.is_none() && !self.ended && self.rest.len() <= self.line_bytes_max {
                self.fill()?;
                continue;
            }
            let end = match end {
                Some(end) => end,
                None if self.ended => self.rest.len(),
                None => return Ok(None),
            };
            let mut row: Vec<u8> = self.rest.drain(..(end + 1).min(self.rest.len())).collect();
            self.line += newlines(&row);
            if row.last() == Some(&b'\n') {
                row.pop();
            }
            if row.last() == Some(&b'\r') {
                row.pop();
            }
            if row.is_empty() && !(self.ended && self.rest.is_empty()) {
                continue;
            }
            return Ok((row.len() <= self.line_bytes_max).then_some(row));
        }
    }

    /// What has been read and not handed out, at least a line of it that is not blank: for a look at the
    /// first bytes. A pipe may give a blank line first, and what matters later.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        let whole = |rest: &[u8]| memchr(b'\n', rest.trim_ascii_start()).is_some();
        while !self.ended && self.rest.len() <= self.line_bytes_max && !whole(&self.rest) {
            self.fill()?;
        }
        Ok(&self.rest)
    }

    /// Drops the first `count` bytes that [`Lines::peek`] showed.
    pub fn skip(&mut self, count: usize) {
        self.rest.drain(..count.min(self.rest.len()));
    }

    fn fill(&mut self) -> io::Result<()> {
        let before = self.rest.len();
        self.rest.resize(before + self.block_bytes, 0);
        let read = loop {
            match self.input.read(&mut self.rest[before..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.rest.truncate(before);
                    return Err(e);
                }
                Ok(read) => break read.min(self.block_bytes),
            }
        };
        self.rest.truncate(before + read);
        self.bytes_read += read as u64;
        self.ended = read == 0;
        if self.skipping {
            match memchr(b'\n', &self.rest) {
                Some(end) => {
                    self.rest.drain(..=end);
                    self.line += 1;
                    self.skipping = false;
                }
                None => self.rest.clear(),
            }
        }
        Ok(())
    }

    /// Fills the block with rows; false when there are none left.
    pub fn next(&mut self, block: &mut TextBlock) -> io::Result<bool> {
        let mut searched = 0;
        let end = loop {
            // What has come is handed out at once, so that a slow pipe isn't waited for.
            if !self.skipping || self.ended {
                let (end, looked) = self.last_row_end(searched);
                if end > 0 || self.ended {
                    break end;
                }
                searched = looked;
                if self.rest.len() > self.line_bytes_max {
                    break 0;
                }
            }
            self.fill()?;
        };
        block.bytes.clear();
        block.at = 0;
        block.line = self.line;
        if self.ended && end == 0 {
            std::mem::swap(&mut block.bytes, &mut self.rest);
            return Ok(!block.bytes.is_empty());
        }
        if end == 0 {
            // One row above the limit. An open quote may have hidden the newlines in it; then only
            // its first line is given up, and the next line is a row again.
            match memchr(b'\n', &self.rest) {
                Some(line) if line < self.line_bytes_max => self.hand_out(block, line + 1),
                _ => {
                    block.bytes.extend_from_slice(&self.rest[..self.line_bytes_max + 1]);
                    match memchr(b'\n', &self.rest) {
                        Some(line) => {
                            self.rest.drain(..=line);
                            self.line += 1;
                        }
                        None => {
                            self.rest.clear();
                            self.skipping = true;
                        }
                    }
                }
            }
            return Ok(true);
        }
        self.hand_out(block, end);
        Ok(true)
    }

    fn hand_out(&mut self, block: &mut TextBlock, end: usize) {
        // The tail is the shorter part: copy that, and swap the rest.
        block.bytes.extend_from_slice(&self.rest[end..]);
        self.rest.truncate(end);
        std::mem::swap(&mut block.bytes, &mut self.rest);
        self.line += newlines(&block.bytes);
    }

    /// The byte after the last whole row of `rest` (0 when there is none), and how far the next
    /// search may skip.
    fn last_row_end(&self, searched: usize) -> (usize, usize) {
        match self.rows {
            Rows::Csv { delimiter } if memchr(b'"', &self.rest).is_some() => {
                let mut at = 0;
                loop {
                    let rest = &self.rest[at..];
                    let end = match csv_row_end(rest, delimiter) {
                        RowEnd::At(end) if end < rest.len() => end,
                        // A malformed row is one line, as the decoder has it.
                        RowEnd::Malformed { .. } if let Some(line) = memchr(b'\n', rest) => line,
                        _ => break,
                    };
                    at += end + 1;
                }
                (at, 0)
            }
            _ => (memrchr(b'\n', &self.rest[searched..]).map_or(0, |i| searched + i + 1), self.rest.len()),
        }
    }
}

pub(super) fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
