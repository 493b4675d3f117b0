//! Rules, model inputs, stage conditions and backtest filters are expressions over one payment and
//! what its entities did before: text is parsed, checked and compiled once, then evaluated for one
//! payment or a column of them.

mod ast;
mod check;
mod columns;
mod countries;
mod error;
mod eval;
pub(crate) mod ir;
mod lex;
mod nets;
mod parse;
mod radar;
mod scope;
mod text;

use std::fmt;

pub use columns::Columns;
pub use error::ExprError;
pub(crate) use eval::Row;
pub use scope::{Limits, Scope};

use crate::payment::Payment;
use crate::risk::Risk;
use check::Checker;
use ir::{Inputs, Node, Num};

/// What an expression is evaluated over.
///
/// ```
/// use tollgate::{Facts, Payment, Schema};
/// let payment = Payment::new(&Schema::standard());
/// let facts = Facts::new(&payment, &[3.0]);
/// assert_eq!(facts.activity, [3.0]);
/// ```
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The payment.
    pub payment: &'a Payment,
    /// One value for each aggregate of the scope's plan, in order; NaN is absent.
    pub activity: &'a [f64],
    /// What the models say of it.
    pub risk: &'a Risk,
}

impl<'a> Facts<'a> {
    /// What is known of a payment before any model is asked.
    ///
    /// ```
    /// use tollgate::{Facts, Payment, Schema};
    /// let payment = Payment::new(&Schema::standard());
    /// assert!(Facts::new(&payment, &[]).risk.score.is_nan());
    /// ```
    pub fn new(payment: &'a Payment, activity: &'a [f64]) -> Facts<'a> {
        Facts { payment, activity, risk: &Risk::NONE }
    }

    pub(crate) fn row(self) -> Row<'a> {
        Row { payment: self.payment, activity: self.activity, risk: self.risk, item: None }
    }
}

/// A condition: true, false or unknown for a payment.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Currency, Facts, Lists, Payment, Rates, Schema, Scope, Test, Value, field};
/// let schema = Arc::new(Schema::standard());
/// let rates = Rates::only(Currency::parse("USD").unwrap());
/// let mut scope = Scope::new(schema.clone(), Arc::new(Lists::default()), Arc::new(rates));
/// let test = Test::compile(r#"channel == "card" and count(card, 10m) >= 6"#, &mut scope).unwrap();
///
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::CHANNEL, Value::Text("Card")).unwrap();
/// assert_eq!(test.holds(Facts::new(&payment, &[7.0])), Some(true));
/// assert_eq!(test.holds(Facts::new(&payment, &[f64::NAN])), None); // absent
/// assert_eq!(scope.plan().aggregates().len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    root: Node,
    text: String,
    inputs: Inputs,
}

impl Test {
    /// Reads a condition. What it asks of the past is added to the scope's plan.
    ///
    /// # Errors
    /// The mistakes in the text: the first of syntax, or all of meaning. The scope may then hold
    /// aggregates that nothing reads, and is best not used for a pipeline.
    pub fn compile(text: &str, scope: &mut Scope) -> Result<Test, Vec<ExprError>> {
        let expr = parse::parse(text, scope.limits()).map_err(|e| vec![e])?;
        let mut checker = Checker::new(scope, text);
        let root = checker.test(&expr);
        match (root, checker.finish()) {
            (Some(root), wrong) if wrong.is_empty() => Ok(Test::new(root, expr.to_string())),
            (_, wrong) => Err(wrong),
        }
    }

    fn new(root: Node, text: String) -> Test {
        let inputs = Inputs::of(&root);
        Test { root, text, inputs }
    }

    /// Whether it holds; `None` is unknown, because something is absent.
    pub fn holds(&self, facts: Facts<'_>) -> Option<bool> {
        self.root.holds(facts.row())
    }

    /// Whether it holds for each row of some columns; the same answers as one by one.
    pub fn holds_all(&self, columns: &mut Columns<'_>, out: &mut Vec<Option<bool>>) {
        columns.make(&self.inputs);
        columns.holds(&self.root, out);
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// What it reads, itself; what its aggregates read is in the plan.
    pub(crate) fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }
}

impl fmt::Display for Test {
    /// The expression, spelled evenly; it reads back as the same test.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A number of a payment: a feature or a model's input. Money is in major units, durations are
/// seconds, timestamps microseconds since the epoch, conditions 1 and 0.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::{Currency, Facts, Lists, Money, Number, Payment, Rates, Schema, Scope, Value, field};
/// let schema = Arc::new(Schema::standard());
/// let usd = Currency::parse("USD").unwrap();
/// let mut scope = Scope::new(schema.clone(), Arc::new(Lists::default()), Arc::new(Rates::only(usd)));
/// let ratio = Number::compile(r#"amount_in("USD") / avg(card, 30d)"#, &mut scope).unwrap();
///
/// let mut payment = Payment::new(&schema);
/// payment.set(&schema, field::AMOUNT, Value::Money(Money::parse("30", usd).unwrap())).unwrap();
/// assert_eq!(ratio.value(Facts::new(&payment, &[12.0])), Some(2.5));
/// assert_eq!(ratio.value(Facts::new(&payment, &[0.0])), None); // division by zero
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    root: Num,
    text: String,
    inputs: Inputs,
}

impl Number {
    /// Reads a number, or a condition as 1 and 0.
    ///
    /// # Errors
    /// As [`Test::compile`].
    pub fn compile(text: &str, scope: &mut Scope) -> Result<Number, Vec<ExprError>> {
        let expr = parse::parse(text, scope.limits()).map_err(|e| vec![e])?;
        let mut checker = Checker::new(scope, text);
        let root = checker.input(&expr);
        match (root, checker.finish()) {
            (Some(root), wrong) if wrong.is_empty() => {
                let mut inputs = Inputs::default();
                inputs.add_num(&root);
                Ok(Number { root, text: expr.to_string(), inputs })
            }
            (_, wrong) => Err(wrong),
        }
    }

    /// The number; `None` when absent.
    pub fn value(&self, facts: Facts<'_>) -> Option<f64> {
        Some(self.root.value(facts.row())).filter(|n| !n.is_nan())
    }

    /// The number of each row of some columns, NaN where absent; the same as one by one.
    pub fn values(&self, columns: &mut Columns<'_>, out: &mut Vec<f64>) {
        columns.make(&self.inputs);
        columns.values(&self.root, out);
    }

    pub(crate) fn root(&self) -> &Num {
        &self.root
    }

    /// What it reads, itself; what its aggregates read is in the plan.
    pub(crate) fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }
}

impl fmt::Display for Number {
    /// The expression, spelled evenly; it reads back as the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
