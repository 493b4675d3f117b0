//! A number is followed by its record, whatever happens in between.

use std::cell::{Cell, RefCell};

use super::log::Log;
use super::record::Record;

thread_local! {
    /// Each thread's room for a record.
    static PAYLOAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A number that was drawn, and the record it will get, whatever happens on the way: all that come after it
/// wait for it.
pub(super) struct Pending<'a> {
    log: &'a Log,
    lsn: Cell<Option<u64>>,
    pub record: Record<'a>,
}

impl<'a> Pending<'a> {
    pub fn new(log: &'a Log, record: Record<'a>) -> Pending<'a> {
        Pending { log, lsn: Cell::new(None), record }
    }

    /// The number, once.
    pub fn draw(&self) -> u64 {
        let lsn = self.log.draw();
        self.lsn.set(Some(lsn));
        lsn
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(lsn) = self.lsn.get() {
            PAYLOAD.with(|room| self.record.encode(&mut room.borrow_mut(), |raw| self.log.append(lsn, raw)));
        }
    }
}
