//! Which class is this symbol of? A small open-addressed table.

/// Stands for no symbol. A text whose hash is this is taken for its neighbour, as any two texts of
/// one hash are.
pub(super) const NO_SYMBOL: u64 = u64::MAX;
/// Class of the symbols that nobody named.
const OTHER: u32 = 0;
/// Class of no symbol.
pub(super) const ABSENT: u32 = 1;

/// A symbol as columns hold it.
#[inline]
pub(super) fn packed(symbol: Option<u64>) -> u64 {
    match symbol {
        Some(symbol) => symbol.min(NO_SYMBOL - 1),
        None => NO_SYMBOL,
    }
}

#[derive(Debug)]
pub(super) struct SymbolClasses {
    slots: Box<[(u64, u32)]>,
    shift: u32,
}

impl SymbolClasses {
    /// The i-th symbol gets class i + 2.
    pub(super) fn new(symbols: &[u64]) -> SymbolClasses {
        let size = (symbols.len() * 2 + 2).next_power_of_two().max(4);
        let mut table =
            SymbolClasses { slots: vec![(NO_SYMBOL, OTHER); size].into(), shift: 64 - size.trailing_zeros() };
        let named = (2..).zip(symbols.iter().map(|s| packed(Some(*s))));
        for (class, symbol) in named.chain([(ABSENT, NO_SYMBOL)]) {
            let mut at = table.start(symbol);
            while table.slots[at].1 != OTHER {
                at = (at + 1) % size;
            }
            table.slots[at] = (symbol, class);
        }
        table
    }

    #[inline]
    fn start(&self, symbol: u64) -> usize {
        // Fibonacci hashing: countries' symbols are their letters, so they need spreading.
        (symbol.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The class of a packed symbol.
    #[inline]
    pub(super) fn class(&self, symbol: u64) -> u32 {
        let mut at = self.start(symbol);
        loop {
            // Half of the slots are free, so this ends.
            let (key, class) = self.slots[at & (self.slots.len() - 1)];
            if key == symbol || class == OTHER {
                return if key == symbol { class } else { OTHER };
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_has_its_class_and_strangers_have_none() {
        let symbols: Vec<u64> = (0..100u64).map(|i| i.wrapping_mul(0x1234_5678_9abc_def1)).collect();
        let classes = SymbolClasses::new(&symbols);
        for (i, symbol) in symbols.iter().enumerate() {
            assert_eq!(classes.class(*symbol), i as u32 + 2);
        }
        assert_eq!(classes.class(packed(None)), ABSENT);
        assert_eq!((1..1000).filter(|s| !symbols.contains(s) && classes.class(*s) != OTHER).count(), 0);
    }
}
