//! A wallet that moves no money, behind a real socket: HTTP in, signatures checked, the script and the books asked.
//!
//! `http` takes requests and misbehaves as the script says, `alipay` and `wechatpay` are the two wire forms, `order`
//! is how an order stands, `notify` what the wallet tells by itself, `keys` who proves what with which key. Payers
//! are played as well: they pay some time after an order is placed, or when `POST /simulate/ORDER/pay` says so.

mod alipay;
mod http;
mod keys;
mod notify;
mod order;
mod wechatpay;

use std::sync::Arc;
use std::time::Duration;

pub(super) use http::serve;
pub use keys::WalletKeys;

use super::{Act, Books, Kind};
use crate::channel::http::now;
use crate::pay::CallKey;
use order::{Fault, Orders};

/// A simulated wallet.
pub(super) struct Wallet {
    kind: Kind,
    orders: Orders,
    keys: WalletKeys,
    pay_after: Option<Duration>,
}

/// What is said to a request.
struct Said {
    act: Act,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Said {
    fn new(act: Act, status: u16, body: String) -> Said {
        Said { act, status, headers: Vec::new(), body }
    }
}

impl Wallet {
    pub(super) fn new(
        kind: Kind,
        books: Arc<Books>,
        keys: WalletKeys,
        pay_after: Option<Duration>,
    ) -> Wallet {
        Wallet { kind, orders: Orders::new(books), keys, pay_after }
    }

    /// Has the payer pay after a while, if they do so by themselves.
    fn expect_payer(self: &Arc<Self>, key: CallKey) {
        let Some(delay) = self.pay_after else { return };
        let wallet = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            // Paid or closed by somebody else meanwhile.
            let _ = wallet.pay(key);
        });
    }

    /// The payer pays; the merchant is told in its own time.
    fn pay(self: &Arc<Self>, key: CallKey) -> Result<(), Fault> {
        let order = self.orders.pay(key, now())?;
        let wallet = self.clone();
        tokio::spawn(async move { notify::paid(&wallet, &order).await });
        Ok(())
    }
}
