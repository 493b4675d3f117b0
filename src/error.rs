//! What went wrong, where, and what would mend it.
//!
//! Two shapes serve everybody. A [`Diagnostic`] points at a place in a text (a rule file, a
//! schema, a line of input) and is collected, so that all mistakes of a folder are shown at once.
//! An [`Error`] is what a fallible call returns: diagnostics, or one sentence about the world
//! outside (a missing file, a full disk).

use std::fmt;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One mistake at one place of a text.
///
/// ```
/// use tollgate::Diagnostic;
/// let text = "when = 'amuont > 5'";
/// let shown = Diagnostic::at("rules/a.toml", text, 8..14, "unknown name `amuont`")
///     .label("did you mean `amount`?")
///     .to_string();
/// assert!(shown.contains("rules/a.toml:1:9"));
/// assert!(shown.contains("^^^^^^ did you mean `amount`?"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    path: String,
    /// The lines the span touches, whole.
    excerpt: String,
    /// Byte span within `excerpt`.
    span: std::ops::Range<usize>,
    line: usize,
    column: usize,
    label: String,
    help: Option<String>,
    example: bool,
}

/// Lines longer than this many bytes are cut around the span before they are shown.
const EXCERPT_BYTES_MAX: usize = 240;

impl Diagnostic {
    /// A mistake in `span` (bytes) of `text`, which was read from `path`. Spans outside the text
    /// are pulled to its end.
    pub fn at(
        path: impl Into<String>,
        text: &str,
        span: std::ops::Range<usize>,
        message: impl Into<String>,
    ) -> Diagnostic {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(span.start)).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let mut end = end.min(line_end).max(start);
        let line = text[..start].matches('\n').count() + 1;
        let column = text[line_start..start].chars().count() + 1;
        let mut from = line_start;
        let mut to = line_end;
        if to - from > EXCERPT_BYTES_MAX {
            from = floor_boundary(text, start.saturating_sub(EXCERPT_BYTES_MAX / 2).max(from));
            to = floor_boundary(text, (start + EXCERPT_BYTES_MAX / 2).min(to));
            end = end.min(to);
        }
        Diagnostic {
            message: message.into(),
            path: path.into(),
            excerpt: text[from..to].to_owned(),
            span: start - from..end - from,
            line,
            column,
            label: String::new(),
            help: None,
            example: false,
        }
    }

    /// A mistake about a whole file or a thing without text.
    pub fn whole(path: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            message: message.into(),
            path: path.into(),
            excerpt: String::new(),
            span: 0..0,
            line: 0,
            column: 0,
            label: String::new(),
            help: None,
            example: false,
        }
    }

    /// Adds the words that stand beside the carets.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Adds a line that says what would do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Says that the text is well formed and an example in it does not hold.
    #[must_use]
    pub(crate) fn of_example(mut self) -> Diagnostic {
        self.example = true;
        self
    }

    /// Whether it is about an example that does not hold, rather than about something malformed.
    pub fn is_example(&self) -> bool {
        self.example
    }

    /// The sentence, without place or excerpt.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file, as it was named.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Line and column (characters), both counted from 1; 0 when the diagnostic is about a whole file.
    pub fn place(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    /// What would do, if it is known.
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref().or((!self.label.is_empty()).then_some(self.label.as_str()))
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "error: {}\n  --> {}", self.message, self.path)?;
            if let Some(help) = &self.help {
                write!(f, "\n  = help: {help}")?;
            }
            return Ok(());
        }
        let mut mark = AnnotationKind::Primary.span(self.span.clone());
        if !self.label.is_empty() {
            mark = mark.label(self.label.as_str());
        }
        // The excerpt may start in the middle of a long line, so the column is said by the path.
        let place = format!("{}:{}:{}", self.path, self.line, self.column);
        let snippet = Snippet::source(self.excerpt.as_str()).line_start(self.line).annotation(mark);
        let mut group = Level::ERROR.primary_title(self.message.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let drawn = Renderer::plain().render(&[group]).to_string();
        // The renderer draws an origin only for named sources, and numbers columns within the
        // excerpt; ours is the place in the file.
        let (head, rest) = drawn.split_once('\n').unwrap_or((drawn.as_str(), ""));
        write!(f, "{head}\n  --> {place}\n{rest}")
    }
}

/// What sort of thing an [`Error`] is about; the command line turns it into the exit code.
///
/// ```
/// use tollgate::{ErrorKind, Pipeline};
/// let error = Pipeline::open("no/such/folder").err().unwrap();
/// assert_ne!(error.kind(), ErrorKind::TooManyRejects);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Rules, schema, lists or settings are wrong.
    Rules,
    /// The world outside: a file that can't be read, a full disk, input of another format.
    Input,
    /// More bad rows than were allowed.
    TooManyRejects,
    /// A journal is damaged, and something that was acknowledged can't be read.
    Damaged,
}

/// Why a call could not do what was asked. Displays as one or more sentences for the person who
/// can mend it.
///
/// ```
/// use tollgate::Error;
/// let error = Error::new("rate table has no base currency").at("rules/rates.toml");
/// assert_eq!(error.to_string(), "rules/rates.toml: rate table has no base currency");
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    path: Option<PathBuf>,
    message: String,
    diagnostics: Vec<Diagnostic>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of one sentence, lower case, without a full stop.
    pub fn new(message: impl Into<String>) -> Error {
        Error {
            kind: ErrorKind::Input,
            path: None,
            message: message.into(),
            diagnostics: Vec::new(),
            source: None,
        }
    }

    /// Says what sort of thing it is about; [`ErrorKind::Input`] unless said, [`ErrorKind::Rules`]
    /// for diagnostics.
    #[must_use]
    pub fn of(mut self, kind: ErrorKind) -> Error {
        self.kind = kind;
        self
    }

    /// What sort of thing it is about.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Names the file or folder it is about.
    #[must_use]
    pub fn at(mut self, path: impl AsRef<Path>) -> Error {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// An operating-system error about `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Error {
        Error {
            kind: ErrorKind::Input,
            path: Some(path.as_ref().to_owned()),
            message: source.to_string(),
            diagnostics: Vec::new(),
            source: Some(Box::new(source)),
        }
    }

    /// Whether the reader of our output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        let io = self.source.as_ref().and_then(|s| s.downcast_ref::<std::io::Error>());
        io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The mistakes found in texts, when that is what went wrong; otherwise empty.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

impl From<Vec<Diagnostic>> for Error {
    fn from(diagnostics: Vec<Diagnostic>) -> Error {
        Error { kind: ErrorKind::Rules, path: None, message: String::new(), diagnostics, source: None }
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Error {
        vec![diagnostic].into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.diagnostics.is_empty() {
            for (i, diagnostic) in self.diagnostics.iter().enumerate() {
                write!(f, "{}{diagnostic}", if i == 0 { "" } else { "\n\n" })?;
            }
            return Ok(());
        }
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

/// The name among `known` that is nearest to `name`, if one is near enough to be a slip of the
/// fingers.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&name, &k.to_ascii_lowercase()), k))
        .filter(|(likeness, _)| *likeness >= 0.82)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}
