//! Which bits stand for a value where payments are counted?

use super::{Payment, Slot};
use crate::schema::{FieldId, Kind, Schema, symbol};

impl Payment {
    /// 128 bits that stand for this field's value as an entity: equal values have equal keys, and
    /// without the schema's seed nobody can choose two values with one key.
    pub fn entity_key(&self, schema: &Schema, id: FieldId) -> Option<u128> {
        let slot = self.slot(id)?;
        let low = match schema.field(id).kind {
            // A second, independent hash of the same letters.
            kind @ (Kind::Text | Kind::Token) => {
                symbol(!schema.seed(), self.text_at(slot).as_bytes(), kind == Kind::Token)
            }
            Kind::Ip | Kind::Money => symbol(!schema.seed(), &bytes(slot), true),
            _ => symbol(!schema.seed(), &slot.a.to_le_bytes(), true),
        };
        let high = match schema.field(id).kind {
            Kind::Text | Kind::Token => slot.a,
            _ => symbol(schema.seed(), &bytes(slot), true),
        };
        Some(u128::from(high) << 64 | u128::from(low))
    }

    /// 64 bits that stand for this field's value when distinct values are counted.
    pub fn distinct_key(&self, schema: &Schema, id: FieldId) -> Option<u64> {
        let slot = self.slot(id)?;
        Some(match schema.field(id).kind {
            Kind::Text | Kind::Token => slot.a,
            Kind::Ip | Kind::Money => symbol(schema.seed(), &bytes(slot), true),
            _ => slot.a,
        })
    }
}

fn bytes(slot: Slot) -> [u8; 16] {
    (u128::from(slot.a) << 64 | u128::from(slot.b)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Value, field};

    #[test]
    fn entities_fold_the_case_of_text_and_not_of_tokens() {
        let schema = Schema::standard();
        let key = |id, value| {
            let mut payment = Payment::new(&schema);
            payment.set(&schema, id, value).unwrap();
            payment.entity_key(&schema, id)
        };
        assert_eq!(key(field::EMAIL, Value::Text("A@b.c")), key(field::EMAIL, Value::Text("a@B.c")));
        assert_ne!(key(field::CARD, Value::Token("tok_A")), key(field::CARD, Value::Token("tok_a")));
    }
}
