//! Does any text make the compiler of rules panic, or disagree with itself? Doors for the fuzzer.

use std::sync::Arc;

use crate::expr::{Facts, Scope, Test};
use crate::list::{List, ListKind, Lists};
use crate::money::{Currency, Rates};
use crate::payment::Payment;
use crate::rules::file;
use crate::rules::index::RuleIndex;
use crate::schema::{Schema, Value, field};

fn scope() -> (Arc<Schema>, Scope) {
    let schema = Arc::new(Schema::standard());
    let lists = [ListKind::Text, ListKind::Token, ListKind::Country, ListKind::Ip, ListKind::Bin];
    let lists = lists.map(|kind| List::new(&kind.to_string(), kind, &schema));
    let rates = Rates::only(Currency::parse("USD").expect("USD is a currency"));
    let scope = Scope::new(schema.clone(), Arc::new(Lists::new(lists)), Arc::new(rates));
    (schema, scope)
}

/// Compiles a condition; what compiles must print as the same condition, and the index must say of
/// a payment what the condition says.
pub fn expression(text: &str) {
    let (schema, mut scope) = scope();
    let Ok(test) = Test::compile(text, &mut scope) else { return };
    let printed = test.to_string();
    let again = Test::compile(&printed, &mut scope).expect("a condition reads back");
    assert_eq!(test.root(), again.root(), "{printed}");
    let mut payment = Payment::new(&schema);
    for (id, value) in [(field::CHANNEL, Value::Text("card")), (field::IS_GUEST, Value::Bool(true))] {
        payment.set(&schema, id, value).expect("a standard field of this kind");
    }
    let activity = vec![1.0; scope.plan().aggregates().len()];
    let facts = Facts::new(&payment, &activity);
    let mut found = false;
    RuleIndex::new(&[&test]).matches(facts, |_| found = true);
    assert_eq!(found, test.holds(facts) == Some(true), "{printed}");
}

/// Reads a rule file; mistakes are told, never panicked over.
pub fn rule_file(text: &str) {
    let mut wrong = Vec::new();
    file::parse("fuzz.toml", text, &mut scope().1, &mut file::Taken::new(), &mut wrong);
    for diagnostic in wrong {
        let _ = diagnostic.to_string();
    }
}
