//! What do names mean while expressions are compiled, and what do the expressions need of the past?

use std::sync::Arc;

use super::Test;
use crate::list::Lists;
use crate::money::Rates;
use crate::schema::Schema;
use crate::velocity::{Aggregate, FILTERS_MAX, Function, Plan};

/// How large one expression may be.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Currency, ExprLimits, Lists, Rates, Schema, Scope, Test};
/// let rates = Arc::new(Rates::only(Currency::parse("USD").unwrap()));
/// let scope = Scope::new(Arc::new(Schema::standard()), Arc::new(Lists::default()), rates);
/// let mut limits = ExprLimits::default();
/// limits.bytes = 5;
/// let mut scope = scope.with_limits(limits);
/// assert!(Test::compile("is_guest", &mut scope).is_err()); // eight bytes
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of text. Default 65,536.
    pub bytes: usize,
    /// Levels of nesting, of parentheses as of operators and calls; what evaluation's recursion is
    /// bounded by. Default 64.
    pub depth: usize,
    /// Names, literals, operators and calls, items of literal lists apart. Default 10,000.
    pub nodes: usize,
    /// Items of one literal list. Default 10,000; longer ones belong in a list file.
    pub list_items: usize,
    /// Bytes of one text that `like`, `starts_with`, `ends_with` or `includes` looks for. Default 1,024.
    pub pattern_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 64 << 10, depth: 64, nodes: 10_000, list_items: 10_000, pattern_bytes: 1 << 10 }
    }
}

/// The names that expressions may use; collects what they ask of the past, so that one plan and
/// one set of `where` conditions serve a whole pipeline.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Currency, Lists, Rates, Schema, Scope, Test};
/// let rates = Arc::new(Rates::only(Currency::parse("USD").unwrap()));
/// let mut scope = Scope::new(Arc::new(Schema::standard()), Arc::new(Lists::default()), rates);
/// Test::compile("count(card, 1h) > 3", &mut scope).unwrap();
/// Test::compile("count(card, 1h) > 9", &mut scope).unwrap();
/// assert_eq!(scope.plan().aggregates().len(), 1); // asked twice, kept once
/// ```
#[derive(Debug, Clone)]
pub struct Scope {
    pub(super) schema: Arc<Schema>,
    pub(super) lists: Arc<Lists>,
    pub(super) rates: Arc<Rates>,
    pub(super) plan: Plan,
    pub(super) filters: Vec<Test>,
    limits: Limits,
}

impl Scope {
    /// A scope with nothing asked yet.
    pub fn new(schema: Arc<Schema>, lists: Arc<Lists>, rates: Arc<Rates>) -> Scope {
        Scope { schema, lists, rates, plan: Plan::default(), filters: Vec::new(), limits: Limits::default() }
    }

    /// Sets how large an expression may be.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Scope {
        self.limits = limits;
        self
    }

    /// How large an expression may be.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the compiled expressions ask of the past, in the order of an activity's values.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The `where` conditions, at most [`FILTERS_MAX`]; the index is the bit of an event's filters.
    pub fn filters(&self) -> &[Test] {
        &self.filters
    }

    /// The fields that payments have.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The bit of a `where` condition; `None` past the limit.
    pub(super) fn filter(&mut self, test: Test) -> Option<u8> {
        let known = self.filters.iter().position(|f| f.root == test.root);
        let at = known.unwrap_or(self.filters.len());
        if at == FILTERS_MAX {
            return None;
        }
        if known.is_none() {
            self.filters.push(test);
        }
        u8::try_from(at).ok()
    }

    /// An aggregate as a rule spells it.
    pub(crate) fn spell(&self, aggregate: &Aggregate) -> String {
        let name = |id| self.schema.field(id).name.as_str();
        let (function, of) = match aggregate.function {
            Function::Count => ("count", None),
            Function::Sum(id) => ("sum", Some(id)),
            Function::Avg(id) => ("avg", Some(id)),
            Function::Min(id) => ("min", Some(id)),
            Function::Max(id) => ("max", Some(id)),
            Function::StdDev(id) => ("stddev", Some(id)),
            Function::Distinct(id) => ("distinct", Some(id)),
            Function::FirstSeen => ("first_seen", None),
            Function::Since => ("since", None),
            Function::Ratio => ("ratio", None),
        };
        let entity: Vec<&str> = aggregate.entity.iter().map(|id| name(*id)).collect();
        let mut args: Vec<String> = of.map(|id| name(id).to_owned()).into_iter().collect();
        args.push(entity.join(" + "));
        args.extend(aggregate.window.map(|w| w.to_string()));
        args.extend(aggregate.status.map(|s| s.name().to_owned()));
        args.extend(aggregate.including.then(|| "including".to_owned()));
        args.extend((aggregate.delay.micros() != 0).then(|| format!("delay {}", aggregate.delay)));
        let filter = aggregate.filter.and_then(|i| self.filters.get(usize::from(i)));
        args.extend(filter.map(|f| format!("where {f}")));
        format!("{function}({})", args.join(", "))
    }
}
