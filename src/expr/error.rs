//! What is wrong with an expression, and where in its text.

use std::fmt;
use std::ops::Range;

use crate::error::Diagnostic;

/// One mistake in an expression; its span is counted within the expression's own text.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Currency, Lists, Rates, Schema, Scope, Test};
/// let rates = Rates::only(Currency::parse("USD").unwrap());
/// let mut scope = Scope::new(Arc::new(Schema::standard()), Arc::new(Lists::default()), Arc::new(rates));
/// let wrong = Test::compile("amuont > 5", &mut scope).unwrap_err();
/// assert_eq!(wrong[0].span, 0..6);
/// assert_eq!(wrong[0].message, "unknown name `amuont`");
/// assert_eq!(wrong[0].label, "did you mean `amount`?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExprError {
    /// The bytes it is about.
    pub span: Range<usize>,
    /// One sentence: what is wrong.
    pub message: String,
    /// The words that stand beside the carets: what was found or what would do. May be empty.
    pub label: String,
    /// What would do, when it takes more words.
    pub help: Option<String>,
}

impl ExprError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> ExprError {
        ExprError { span, message: message.into(), label: String::new(), help: None }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> ExprError {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> ExprError {
        self.help = Some(help.into());
        self
    }

    /// The diagnostic, given that the expression's text stands at byte `start` of `file`, verbatim.
    pub fn at(&self, path: &str, file: &str, start: usize) -> Diagnostic {
        let shown =
            Diagnostic::at(path, file, start + self.span.start..start + self.span.end, &*self.message)
                .label(&*self.label);
        match &self.help {
            Some(help) => shown.help(help),
            None => shown,
        }
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.label.is_empty() {
            write!(f, ": {}", self.label)?;
        }
        Ok(())
    }
}

impl std::error::Error for ExprError {}
