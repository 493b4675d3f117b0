//! What plays an institution's part in a test, or while one tries things out.
//!
//! Each [`Kind`] listens on a socket and speaks its wire form. What it does about a request is in a [`Script`];
//! what it did is in its [`Ledger`], which is a file of lines when one is named. `tollgate simulate institution`
//! is its command. docs/channels.md has the script's form and the numbers that do something by themselves.

mod card;
mod kind;
mod ledger;
mod play;
mod script;
mod wallet;

pub use kind::Kind;
pub use ledger::{Codes, Delivered, Entry, LEDGER_ENTRIES_MAX, Ledger, Order};
use play::{Books, Stream};
pub use play::{Institution, SIMULATOR_CONNECTIONS_MAX};
pub use script::{Act, Asked, Operation, SCRIPT_DELAY_MAX, SCRIPT_RULES_MAX, Script};
pub use wallet::WalletKeys;
