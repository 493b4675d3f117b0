//! Which words does an expression's text consist of?

use std::ops::Range;

use super::error::ExprError;
use crate::time::Span;

/// One word, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub word: Word,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// Digits with or without a fraction or exponent; the digits themselves are the span's text.
    Number(f64),
    /// `10m`
    Duration(Span),
    /// `10.0.0.0/8` or `192.0.2.1`, without quotes.
    Address,
    /// `"..."`, `'...'` or `cs"..."`.
    Text {
        text: String,
        exact: bool,
    },
    /// A name or a keyword.
    Name,
    /// `:card_country:`
    Radar,
    /// `::key::`
    Metadata,
    /// `@name`
    List,
    /// Punctuation and operators.
    Mark(Mark),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Comma,
    Range,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Plus,
    Minus,
    Times,
    Over,
    And,
    Or,
    Not,
}

/// Marks, longest first.
const MARKS: [(&str, Mark); 21] = [
    ("==", Mark::Eq),
    ("!=", Mark::Ne),
    ("<>", Mark::Ne),
    ("<=", Mark::Le),
    (">=", Mark::Ge),
    ("&&", Mark::And),
    ("||", Mark::Or),
    ("..", Mark::Range),
    ("=", Mark::Eq),
    ("<", Mark::Lt),
    (">", Mark::Gt),
    ("!", Mark::Not),
    ("(", Mark::LeftParen),
    (")", Mark::RightParen),
    ("[", Mark::LeftBracket),
    ("]", Mark::RightBracket),
    (",", Mark::Comma),
    ("+", Mark::Plus),
    ("-", Mark::Minus),
    ("*", Mark::Times),
    ("/", Mark::Over),
];

/// The words of `text`, the last of which is [`Word::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Token>, ExprError> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let (word, end) = match b {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'0'..=b'9' => number(text, at)?,
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => number(text, at)?,
            b'"' | b'\'' => quoted(text, at, at, false)?,
            b'c' if text[at..].starts_with("cs\"") || text[at..].starts_with("cs'") => {
                quoted(text, at, at + 2, true)?
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => (Word::Name, name_end(bytes, at)),
            b'@' => {
                let end = name_end(bytes, at + 1);
                if end == at + 1 {
                    return Err(ExprError::new(at..end, "`@` stands before the name of a list")
                        .label("such as `@stolen_cards`"));
                }
                (Word::List, end)
            }
            b':' => radar(text, at)?,
            _ => match MARKS.iter().find(|(mark, _)| text[at..].starts_with(mark)) {
                Some((mark, word)) => (Word::Mark(*word), at + mark.len()),
                None => return Err(stray(text, at)),
            },
        };
        tokens.push(Token { word, span: at..end });
        at = end;
    }
    tokens.push(Token { word: Word::End, span: text.len()..text.len() });
    Ok(tokens)
}

fn stray(text: &str, at: usize) -> ExprError {
    let found = text[at..].chars().next().unwrap_or(' ');
    let error = ExprError::new(
        at..at + found.len_utf8(),
        format!("`{}` means nothing in an expression", found.escape_default()),
    );
    match found {
        '&' => error.label("write `and`"),
        '|' => error.label("write `or`"),
        '%' => error.label("there is no remainder; percent signs belong in `like` patterns"),
        '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}' => error.label("write plain quotes, \" or '"),
        ';' => error.label("an expression is one condition"),
        _ => error,
    }
}

fn name_end(bytes: &[u8], from: usize) -> usize {
    let word = bytes[from..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_');
    from + word.count()
}

/// A number, a duration or a bare address.
fn number(text: &str, at: usize) -> Result<(Word, usize), ExprError> {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'_').count()
    };
    let fraction = |end: usize| match bytes.get(end..end + 2) {
        Some([b'.', d]) if d.is_ascii_digit() => digits(end + 1),
        _ => end,
    };
    let whole = digits(at);
    let mut end = fraction(whole);
    if end > whole && fraction(end) > end {
        // A second dot makes it an address; with its prefix length, a network.
        let mut end = fraction(fraction(end));
        if bytes.get(end) == Some(&b'/') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
        }
        return Ok((Word::Address, end));
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let unit = name_end(bytes, end);
    if unit > end {
        return match Span::parse(&text[at..unit]) {
            Some(span) => Ok((Word::Duration(span), unit)),
            None => Err(ExprError::new(at..unit, "this is neither a number nor a duration")
                .label("a duration is a whole number and a unit: 500ms 90s 10m 1h 7d 2w")),
        };
    }
    let plain = text[at..end].replace('_', "");
    match plain.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((Word::Number(value), end)),
        _ => Err(ExprError::new(at..end, "the number is too large").label("at most about 1.8e308")),
    }
}

/// A text; `quote` is where its opening quote stands.
fn quoted(text: &str, at: usize, quote: usize, exact: bool) -> Result<(Word, usize), ExprError> {
    let mut value = String::new();
    let mark = text.as_bytes()[quote];
    let mut chars = text[quote + 1..].char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, c @ ('\\' | '"' | '\''))) => value.push(c),
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, 'r')) => value.push('\r'),
                // `like` reads these; elsewhere they are what they look like.
                Some((_, c @ ('%' | '_'))) => value.extend(['\\', c]),
                Some((_, c)) => {
                    let start = quote + 1 + i;
                    return Err(ExprError::new(
                        start..start + 1 + c.len_utf8(),
                        "there is no such escape in a text",
                    )
                    .label(r#"one of \\ \" \' \n \t \r, and \% \_ for `like`"#));
                }
                None => break,
            },
            c if c.len_utf8() == 1 && c as u8 == mark => {
                return Ok((Word::Text { text: value, exact }, quote + 1 + i + 1));
            }
            c => value.push(c),
        }
    }
    Err(ExprError::new(at..quote + 1, "the text has no closing quote").label("it begins here"))
}

/// `:attribute:` or `::key::`.
fn radar(text: &str, at: usize) -> Result<(Word, usize), ExprError> {
    let (mark, word) = if text[at..].starts_with("::") { ("::", Word::Metadata) } else { (":", Word::Radar) };
    let start = at + mark.len();
    let line = text[start..].find('\n').map_or(text.len(), |i| start + i);
    match text[start..line].find(mark) {
        Some(length) if length > 0 => {
            let name = &text[start..start + length];
            if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:.- ".contains(&b)) {
                return Ok((word, start + length + mark.len()));
            }
        }
        _ => {}
    }
    Err(ExprError::new(at..start, "a colon begins an attribute in Radar's spelling")
        .label("such as `:card_country:` or `::metadata_key::`"))
}
