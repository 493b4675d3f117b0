//! Doors for the fuzzers: any bytes in, no panic, and what must hold of the answer checked.

use std::io::Cursor;
use std::sync::Arc;

use super::{Chunk, Format, JsonDecoder, Reader, Settings};
use crate::payment::Payment;
use crate::schema::Schema;

/// Reads bytes as one JSON payment.
///
/// # Panics
/// When what is accepted isn't JSON, or isn't a whole payment.
pub fn json_payment(bytes: &[u8]) {
    let schema = Arc::new(Schema::standard());
    let mut decoder = JsonDecoder::new(schema.clone(), Settings::default());
    let mut payment = Payment::new(&schema);
    if decoder.read(bytes, &mut payment).is_ok() {
        assert!(payment.missing().is_none(), "a payment without its required fields");
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
        assert!(json.is_ok(), "what isn't JSON was accepted");
    }
}

/// Reads bytes as CSV, a header first, in blocks of several sizes.
///
/// # Panics
/// When the size of the blocks makes a difference, or a row is lost.
pub fn csv_rows(bytes: &[u8]) {
    let schema = Arc::new(Schema::standard());
    let mut first = None;
    for block_bytes in [1 << 16, 5] {
        let settings = Settings {
            format: Some(Format::Csv),
            block_bytes,
            line_bytes_max: 1 << 12,
            ..Settings::default()
        };
        let found =
            Reader::from_read("fuzz", Box::new(Cursor::new(bytes.to_vec())), schema.clone(), settings)
                .map(|mut reader| {
                    let mut chunk = Chunk::new(&schema, 64);
                    let mut lines = Vec::new();
                    while reader.read(&mut chunk).is_ok_and(|more| more) {
                        assert_eq!(chunk.rows, (chunk.len + chunk.rejects.len()) as u64, "a row was lost");
                        lines.extend(chunk.lines.iter().map(|line| (*line, true)));
                        lines.extend(chunk.rejects.iter().map(|reject| (reject.line, false)));
                    }
                    lines.sort_unstable();
                    lines
                })
                .map_err(|e| e.to_string());
        assert_eq!(*first.get_or_insert_with(|| found.clone()), found, "blocks make a difference");
    }
}
