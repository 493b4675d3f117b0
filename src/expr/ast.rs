//! What does an expression say, before anything in it has a type?

use std::fmt;
use std::ops::Range;

use crate::time::Span;

/// A node of the syntax tree.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub kind: Kind,
    pub span: Range<usize>,
    /// Levels below and including this one; bounded by `Limits::depth`.
    pub depth: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Bool(bool),
    Number(f64),
    Duration(Span),
    Text { text: String, exact: bool },
    Address(String),
    Name(String),
    Radar(String),
    Metadata(String),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Arith { op: Arith, left: Box<Expr>, right: Box<Expr> },
    Compare { op: Op, left: Box<Expr>, right: Box<Expr> },
    In { value: Box<Expr>, negated: bool, set: Set },
    Between { value: Box<Expr>, negated: bool, low: Box<Expr>, high: Box<Expr> },
    Match { how: How, value: Box<Expr>, negated: bool, texts: Vec<Literal> },
    Call { name: String, name_span: Range<usize>, args: Vec<Arg> },
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Op {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Op::Eq => "==",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
        }
    }

    /// The comparison that holds when the operands change places.
    pub(crate) fn mirrored(self) -> Op {
        match self {
            Op::Lt => Op::Gt,
            Op::Le => Op::Ge,
            Op::Gt => Op::Lt,
            Op::Ge => Op::Le,
            same => same,
        }
    }

    #[inline]
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Op::Eq => left == right,
            Op::Ne => left != right,
            Op::Lt => left < right,
            Op::Le => left <= right,
            Op::Gt => left > right,
            Op::Ge => left >= right,
        }
    }
}

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
}

impl Arith {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Arith::Add => "+",
            Arith::Sub => "-",
            Arith::Mul => "*",
            Arith::Div => "/",
        }
    }

    /// The result; absent (NaN) when there is none that is finite.
    #[inline]
    pub(crate) fn apply(self, left: f64, right: f64) -> f64 {
        let result = match self {
            Arith::Add => left + right,
            Arith::Sub => left - right,
            Arith::Mul => left * right,
            Arith::Div => left / right,
        };
        if result.is_finite() { result } else { f64::NAN }
    }
}

/// How a text is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum How {
    Like,
    StartsWith,
    EndsWith,
    Includes,
}

impl How {
    pub(crate) const ALL: [How; 4] = [How::Like, How::StartsWith, How::EndsWith, How::Includes];

    pub(crate) fn word(self) -> &'static str {
        match self {
            How::Like => "like",
            How::StartsWith => "starts_with",
            How::EndsWith => "ends_with",
            How::Includes => "includes",
        }
    }
}

/// A literal text where nothing else may stand.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    pub text: String,
    pub exact: bool,
    pub span: Range<usize>,
}

/// What stands after `in`.
#[derive(Debug, Clone)]
pub(super) enum Set {
    Items(Vec<Item>),
    List(String, Range<usize>),
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub kind: ItemKind,
    pub span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum ItemKind {
    /// A number and the very digits it was written with.
    Number {
        value: f64,
        digits: String,
    },
    Duration(Span),
    Text {
        text: String,
        exact: bool,
    },
    Address(String),
    /// `411111..411119`, each end with or without quotes.
    Digits {
        low: String,
        high: String,
    },
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Expr(Expr),
    /// `where CONDITION`
    Where(Expr),
    /// `delay 7d`
    Delay(Span, Range<usize>),
}

impl Arg {
    pub(super) fn span(&self) -> Range<usize> {
        match self {
            Arg::Expr(e) | Arg::Where(e) => e.span.clone(),
            Arg::Delay(_, span) => span.clone(),
        }
    }
}

impl Expr {
    /// Gives every node the same place: for what an alias stands for.
    pub(super) fn place(&mut self, span: &Range<usize>) {
        self.span = span.clone();
        match &mut self.kind {
            Kind::Not(e) | Kind::Neg(e) => e.place(span),
            Kind::And(all) | Kind::Or(all) => all.iter_mut().for_each(|e| e.place(span)),
            Kind::Arith { left, right, .. } | Kind::Compare { left, right, .. } => {
                left.place(span);
                right.place(span);
            }
            Kind::In { value, .. } | Kind::Match { value, .. } => value.place(span),
            Kind::Between { value, low, high, .. } => {
                [value, low, high].into_iter().for_each(|e| e.place(span));
            }
            Kind::Call { name_span, args, .. } => {
                *name_span = span.clone();
                for arg in args {
                    match arg {
                        Arg::Expr(e) | Arg::Where(e) => e.place(span),
                        Arg::Delay(_, at) => *at = span.clone(),
                    }
                }
            }
            _ => {}
        }
    }

    /// How tightly it binds, for printing.
    fn strength(&self) -> u8 {
        match &self.kind {
            Kind::Or(_) => 1,
            Kind::And(_) => 2,
            Kind::Not(_) => 3,
            Kind::Compare { .. } | Kind::In { .. } | Kind::Between { .. } | Kind::Match { .. } => 4,
            Kind::Arith { op: Arith::Add | Arith::Sub, .. } => 5,
            Kind::Arith { .. } => 6,
            Kind::Neg(_) => 7,
            Kind::Number(n) if n.is_sign_negative() => 7,
            _ => 8,
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.strength() < least {
            return write!(f, "({self})");
        }
        write!(f, "{self}")
    }
}

fn joined(f: &mut fmt::Formatter<'_>, all: &[Expr], word: &str, least: u8) -> fmt::Result {
    for (i, e) in all.iter().enumerate() {
        if i > 0 {
            write!(f, " {word} ")?;
        }
        e.print(f, least)?;
    }
    Ok(())
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str, exact: bool) -> fmt::Result {
    f.write_str(if exact { "cs\"" } else { "\"" })?;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => f.write_str("\\\"")?,
            // The pair that the lexer keeps for `like` stays a pair.
            '\\' if matches!(chars.peek(), Some('%' | '_')) => f.write_str("\\")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Bool(b) => write!(f, "{b}"),
            Kind::Number(n) => write!(f, "{n}"),
            Kind::Duration(d) => write!(f, "{d}"),
            Kind::Text { text, exact } => quote(f, text, *exact),
            Kind::Address(text) | Kind::Name(text) => f.write_str(text),
            Kind::Radar(name) => write!(f, ":{name}:"),
            Kind::Metadata(name) => write!(f, "::{name}::"),
            Kind::Not(e) => {
                f.write_str("not ")?;
                e.print(f, 3)
            }
            Kind::Neg(e) => {
                f.write_str("-")?;
                e.print(f, 7)
            }
            Kind::And(all) => joined(f, all, "and", 3),
            Kind::Or(all) => joined(f, all, "or", 2),
            Kind::Arith { op, left, right } => {
                let own = self.strength();
                left.print(f, own)?;
                write!(f, " {} ", op.sign())?;
                right.print(f, own + 1)
            }
            Kind::Compare { op, left, right } => {
                left.print(f, 5)?;
                write!(f, " {} ", op.sign())?;
                right.print(f, 5)
            }
            Kind::In { value, negated, set } => {
                value.print(f, 5)?;
                f.write_str(if *negated { " not in " } else { " in " })?;
                match set {
                    Set::List(name, _) => write!(f, "@{name}"),
                    Set::Items(items) => {
                        f.write_str("[")?;
                        for (i, item) in items.iter().enumerate() {
                            write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
                        }
                        f.write_str("]")
                    }
                }
            }
            Kind::Between { value, negated, low, high } => {
                value.print(f, 5)?;
                f.write_str(if *negated { " not between " } else { " between " })?;
                low.print(f, 5)?;
                f.write_str(" and ")?;
                high.print(f, 5)
            }
            Kind::Match { how, value, negated, texts } => {
                value.print(f, 5)?;
                write!(f, "{}{} ", if *negated { " not " } else { " " }, how.word())?;
                if let [one] = texts.as_slice() {
                    return quote(f, &one.text, one.exact);
                }
                f.write_str("[")?;
                for (i, t) in texts.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    quote(f, &t.text, t.exact)?;
                }
                f.write_str("]")
            }
            Kind::Call { name, args, .. } => {
                write!(f, "{name}(")?;
                for (i, arg) in args.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    match arg {
                        Arg::Expr(e) => write!(f, "{e}")?,
                        Arg::Where(e) => write!(f, "where {e}")?,
                        Arg::Delay(d, _) => write!(f, "delay {d}")?,
                    }
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ItemKind::Number { digits, .. } => f.write_str(digits),
            ItemKind::Duration(d) => write!(f, "{d}"),
            ItemKind::Text { text, exact } => quote(f, text, *exact),
            ItemKind::Address(text) => f.write_str(text),
            ItemKind::Digits { low, high } => write!(f, "{low}..{high}"),
        }
    }
}
