//! Payments as a table that reads back as the same payments.

use super::names::ITEMS;
use super::sheet::{CellKind, Sheet, TableColumn};
use super::text_out;
use crate::payment::Payment;
use crate::schema::{FieldId, Kind, Schema, Value};

/// Which fields of a payment become columns, in which order.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::codec::{Format, PaymentTable, TableWriter};
/// use tollgate::{Schema, field};
/// let schema = Schema::standard();
/// let table = PaymentTable::of(&schema, &[field::ID, field::AT, field::AMOUNT, field::CURRENCY]);
/// let names: Vec<_> = table.columns().iter().map(|c| c.name.as_str()).collect();
/// assert_eq!(names, ["id", "at", "amount", "currency"]);
/// ```
#[derive(Debug, Clone)]
pub struct PaymentTable {
    fields: Vec<(FieldId, Kind)>,
    columns: Vec<TableColumn>,
    items: bool,
}

impl PaymentTable {
    /// Every field of the schema, and the items.
    pub fn all(schema: &Schema) -> PaymentTable {
        let fields: Vec<FieldId> = schema.fields().map(|(id, _)| id).collect();
        PaymentTable::of(schema, &fields).with_items()
    }

    /// These fields.
    pub fn of(schema: &Schema, fields: &[FieldId]) -> PaymentTable {
        let kind = |kind| match kind {
            Kind::Number => CellKind::Float,
            Kind::Money => CellKind::Money,
            Kind::Bool => CellKind::Bool,
            Kind::Timestamp => CellKind::Timestamp,
            Kind::Text | Kind::Token | Kind::Country | Kind::Ip => CellKind::Text,
        };
        let column = |id: &FieldId| {
            let field = schema.field(*id);
            TableColumn::new(field.name.clone(), kind(field.kind))
        };
        PaymentTable {
            fields: fields.iter().map(|id| (*id, schema.field(*id).kind)).collect(),
            columns: fields.iter().map(column).collect(),
            items: false,
        }
    }

    /// Adds a column `items`: the things bought, as JSON.
    #[must_use]
    pub fn with_items(mut self) -> PaymentTable {
        if !self.items {
            self.columns.push(TableColumn::new(ITEMS, CellKind::Json));
            self.items = true;
        }
        self
    }

    /// The columns, for [`super::TableWriter::create_sparse`].
    pub fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    /// Writes one row.
    pub fn write(&self, schema: &Schema, payment: &Payment, sheet: &mut Sheet) {
        use std::fmt::Write;
        let mut buffer = String::new();
        for (id, _) in &self.fields {
            match payment.get(schema, *id) {
                None => sheet.absent(),
                Some(Value::Number(number)) => sheet.float(number),
                Some(Value::Money(money)) => sheet.money(money),
                Some(Value::Bool(truth)) => sheet.bool(truth),
                Some(Value::Text(text) | Value::Token(text)) => sheet.text(text),
                Some(Value::Country(country)) => sheet.text(country.code()),
                Some(Value::Timestamp(at)) => sheet.timestamp(at),
                Some(Value::Ip(ip)) => {
                    buffer.clear();
                    // Writing into a string can't fail.
                    let _ = write!(buffer, "{ip}");
                    sheet.text(&buffer);
                }
            }
        }
        if self.items {
            match payment.items() {
                [] => sheet.absent(),
                _ => sheet.json(&items(payment)),
            }
        }
        sheet.end_row();
    }
}

fn items(payment: &Payment) -> String {
    let mut out = Vec::new();
    for item in payment.items() {
        out.extend_from_slice(if out.is_empty() { b"[" } else { b"," });
        let mut open = b'{';
        let mut key = |out: &mut Vec<u8>, name: &str| {
            out.push(std::mem::replace(&mut open, b','));
            text_out::json_string(out, name);
            out.push(b':');
        };
        for (name, text) in [("sku", payment.sku(item)), ("category", payment.category(item))] {
            if let Some(text) = text {
                key(&mut out, name);
                text_out::json_string(&mut out, text);
            }
        }
        for (name, number) in [("quantity", item.quantity), ("price", item.price)] {
            if let Some(number) = number {
                key(&mut out, name);
                out.extend_from_slice(zmij::Buffer::new().format(number).as_bytes());
            }
        }
        out.extend_from_slice(if open == b'{' { b"{}" } else { b"}" });
    }
    out.push(b']');
    // Only whole strings and ASCII were written.
    String::from_utf8(out).unwrap_or_default()
}
