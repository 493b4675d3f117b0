//! The things bought with a payment.

use super::{FieldError, Payment, Slot};
use crate::schema::{Schema, TEXT_BYTES_MAX};
use crate::token::next_pan;

/// Most items an order may list.
///
/// ```
/// assert_eq!(tollgate::ITEMS_MAX, 256);
/// ```
pub const ITEMS_MAX: usize = 256;

/// One thing bought.
///
/// ```
/// let mut item = tollgate::Item::default();
/// item.quantity = Some(2.0);
/// assert!(item.price.is_none()); // not said
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Item {
    sku: Option<Slot>,
    category: Option<Slot>,
    /// How many; absent when not said.
    pub quantity: Option<f64>,
    /// Price of one, in major units of the payment's currency; absent when not said.
    pub price: Option<f64>,
}

impl Payment {
    /// Adds one thing bought.
    ///
    /// # Errors
    /// Past [`ITEMS_MAX`] items, and as [`Payment::set`] for the values.
    pub fn push_item(
        &mut self,
        schema: &Schema,
        sku: Option<&str>,
        category: Option<&str>,
        quantity: Option<f64>,
        price: Option<f64>,
    ) -> Result<(), FieldError> {
        if self.items.len() == ITEMS_MAX {
            return Err(FieldError::TooManyItems);
        }
        if [quantity, price].into_iter().flatten().any(|n| !n.is_finite()) {
            return Err(FieldError::NotFinite);
        }
        for text in [sku, category].into_iter().flatten() {
            if text.len() > TEXT_BYTES_MAX {
                return Err(FieldError::TooLong);
            }
            if next_pan(text, 0).is_some() {
                return Err(FieldError::CardNumber);
            }
        }
        let sku = sku.map(|t| self.intern(schema, t, true));
        let category = category.map(|t| self.intern(schema, t, false));
        self.items.push(Item { sku, category, quantity, price });
        Ok(())
    }

    /// The things bought, when they were said.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// An item's stock-keeping unit.
    pub fn sku(&self, item: &Item) -> Option<&str> {
        item.sku.map(|s| self.text_at(s))
    }

    /// An item's category.
    pub fn category(&self, item: &Item) -> Option<&str> {
        item.category.map(|s| self.text_at(s))
    }
}
