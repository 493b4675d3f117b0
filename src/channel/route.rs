//! Which way does a request go, and which when that one is closed?

use std::sync::Arc;

use super::{Channel, Refusal, Reply, Request, Terms};
use crate::money::Money;
use crate::pay::{Answer, DeclineGroup};
use crate::schema::Country;

/// A channel and its terms.
///
/// ```
/// use tollgate::channel::{Route, Way};
/// let names = |ways: &[Way]| ways.iter().map(|way| way.channel.name().to_owned()).collect::<Vec<_>>();
/// assert!(names(&[]).is_empty());
/// ```
#[derive(Clone)]
pub struct Way {
    /// Who is asked.
    pub channel: Arc<dyn Channel>,
    /// When.
    pub terms: Terms,
}

/// What came of asking, and who was asked.
///
/// ```
/// use tollgate::channel::{Reply, Routed};
/// let routed = Routed { channel: None, fee: None, reply: Reply::unsent("its currency is not taken") };
/// assert!(!routed.reply.sent);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The channel's name: whatever follows has to go the same way. `None` when no channel takes the payment.
    pub channel: Option<String>,
    /// What it costs there.
    pub fee: Option<Money>,
    /// What was said.
    pub reply: Reply,
}

/// Ways in the order in which they are preferred.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::channel::{Asking, Channel, Reply, Request, Route};
/// use tollgate::pay::Method;
/// # struct Closed;
/// # impl Channel for Closed {
/// #     fn name(&self) -> &str { "closed" }
/// #     fn method(&self) -> Method { Method::Card }
/// #     fn ask<'a>(&'a self, _: &'a Request) -> Asking<'a> { Box::pin(async { Reply::unsent("refused") }) }
/// #     fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> { self.ask(request) }
/// # }
/// let route = Route::new([(Arc::new(Closed) as Arc<dyn Channel>, Default::default())]);
/// assert!(route.named("closed").is_some() && route.named("open").is_none());
/// ```
#[derive(Clone, Default)]
pub struct Route {
    ways: Vec<Way>,
}

impl Route {
    /// The first is the one to try first.
    pub fn new(ways: impl IntoIterator<Item = (Arc<dyn Channel>, Terms)>) -> Route {
        Route { ways: ways.into_iter().map(|(channel, terms)| Way { channel, terms }).collect() }
    }

    /// The channel of a name: where a payment went before.
    pub fn named(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.ways.iter().map(|way| &way.channel).find(|channel| channel.name() == name)
    }

    /// The ways that take a request, with what each costs.
    pub fn eligible<'a>(
        &'a self,
        request: &'a Request,
        country: Option<Country>,
    ) -> impl Iterator<Item = (&'a Way, Money)> + 'a {
        self.ways.iter().filter_map(move |way| {
            let fee = way.terms.take_request(way.channel.method(), request, country);
            fee.ok().map(|fee| (way, fee))
        })
    }

    /// Asks the first that takes the request, and the next only when to that one nothing was sent at all. For a request
    /// that has no past: where it went before, it has to go again, by [`Route::named`].
    pub async fn ask(&self, request: &Request, country: Option<Country>) -> Routed {
        let mut last = None;
        for (way, fee) in self.eligible(request, country) {
            let reply = way.channel.ask(request).await;
            let sent = reply.sent;
            let channel = Some(way.channel.name().to_owned());
            last = Some(Routed { channel, fee: Some(fee), reply });
            if sent {
                break;
            }
        }
        last.unwrap_or_else(|| Routed {
            channel: None,
            fee: None,
            reply: nowhere(self.refusal(request, country)),
        })
    }

    /// Why nobody takes it: what the way says that came nearest to it.
    fn refusal(&self, request: &Request, country: Option<Country>) -> Refusal {
        let refusals = self
            .ways
            .iter()
            .filter_map(|way| way.terms.take_request(way.channel.method(), request, country).err());
        refusals.max_by_key(|refusal| *refusal as u8).unwrap_or(Refusal::Method)
    }
}

/// Nobody was asked, and nobody will be.
fn nowhere(why: Refusal) -> Reply {
    Reply { answer: Answer::Declined(DeclineGroup::Technical), ..Reply::unsent(why.to_string()) }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;
    use crate::channel::{Asking, Fee, Tariff, samples};
    use crate::money::Currency;
    use crate::pay::Method;

    struct Fake {
        name: String,
        method: Method,
        sent: bool,
        asked: AtomicUsize,
    }

    impl Channel for Fake {
        fn name(&self) -> &str {
            &self.name
        }

        fn method(&self) -> Method {
            self.method
        }

        fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let amount = request.call.amount;
            let sent = self.sent;
            Box::pin(async move {
                if sent { Reply::new(Answer::Approved { amount }) } else { Reply::unsent("refused") }
            })
        }

        fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
            self.ask(request)
        }
    }

    /// What a future that waits for nothing comes to.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it waits"),
        }
    }

    fn request(minor: i64) -> Request {
        samples::request(Method::Alipay, minor)
    }

    fn terms(max: i64) -> Terms {
        let currency = Currency::parse("CNY").unwrap();
        Terms { tariffs: vec![Tariff { currency, min: 1, max, fee: Fee::default() }], countries: vec![] }
    }

    #[test]
    fn nobody_to_ask_is_a_refusal_with_its_reason() {
        let fake = |method| Fake { name: "a".into(), method, sent: true, asked: AtomicUsize::new(0) };
        for (method, max, expected) in [
            (Method::Alipay, 5, "its amount is outside the limits"),
            (Method::Card, 500, "it is paid in another way"),
        ] {
            let route = Route::new([(Arc::new(fake(method)) as Arc<dyn Channel>, terms(max))]);
            let routed = now(route.ask(&request(100), None));
            assert_eq!(routed.channel, None);
            assert_eq!(routed.reply.code.as_deref(), Some(expected));
            assert!(!routed.reply.sent && routed.reply.answer.is_final());
        }
    }

    proptest! {
        #[test]
        fn one_channel_at_most_is_sent_anything_and_it_is_the_first_that_can_be(
            ways in prop::collection::vec((any::<bool>(), any::<bool>(), 1..200i64), 0..6), minor in 1..200i64,
        ) {
            let fakes: Vec<Arc<Fake>> = ways.iter().enumerate().map(|(i, (ours, sent, _))| {
                let method = if *ours { Method::Alipay } else { Method::WechatPay };
                Arc::new(Fake { name: i.to_string(), method, sent: *sent, asked: AtomicUsize::new(0) })
            }).collect();
            let all = fakes.iter().zip(&ways).map(|(f, w)| (f.clone() as Arc<dyn Channel>, terms(w.2)));
            let routed = now(Route::new(all).ask(&request(minor), None));

            // The same, told by a loop over plain numbers.
            let open: Vec<usize> = (0..ways.len()).filter(|i| ways[*i].0 && minor <= ways[*i].2).collect();
            let reached = open.iter().copied().find(|i| ways[*i].1);
            let asked: Vec<usize> =
                open.iter().copied().take_while(|i| reached.is_none_or(|r| *i <= r)).collect();
            for (i, fake) in fakes.iter().enumerate() {
                prop_assert_eq!(fake.asked.load(Ordering::Relaxed), usize::from(asked.contains(&i)));
            }
            prop_assert_eq!(routed.channel, reached.or(open.last().copied()).map(|i| i.to_string()));
            prop_assert_eq!(routed.reply.sent, reached.is_some());
        }
    }
}
