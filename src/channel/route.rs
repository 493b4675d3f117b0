//! Which way does a request go, and which when that one is closed?

use std::convert::Infallible;
use std::sync::Arc;

use super::{Channel, Refusal, Reply, Request, Terms};
use crate::money::Money;
use crate::pay::{Answer, DeclineGroup, Method, Operation};
use crate::schema::Country;

/// A channel and its terms.
///
/// ```
/// use tollgate::channel::{Route, Way};
/// let names = |ways: &[Way]| ways.iter().map(|way| way.channel.name().to_owned()).collect::<Vec<_>>();
/// assert!(names(Route::default().ways()).is_empty());
/// ```
pub struct Way<C: ?Sized = dyn Channel> {
    /// Who is asked.
    pub channel: Arc<C>,
    /// When; `None` whatever comes.
    pub terms: Option<Terms>,
}

impl<C: Channel + ?Sized> Way<C> {
    /// Whether a payment may go this way, and what it then costs.
    ///
    /// # Errors
    /// The first of the terms that it does not meet.
    pub fn take(
        &self,
        method: Method,
        amount: Money,
        country: Option<Country>,
    ) -> Result<Option<Money>, Refusal> {
        if self.channel.method() != method {
            return Err(Refusal::Method);
        }
        self.terms.as_ref().map(|terms| terms.take(amount, country)).transpose()
    }
}

/// What came of asking, and who was asked.
///
/// ```
/// use tollgate::channel::{Reply, Routed};
/// let reply = Reply::unsent("its currency is not taken");
/// let routed = Routed { channel: None, fee: None, reply, unreached: vec![] };
/// assert!(!routed.reply.sent);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The channel's name: whatever follows has to go the same way. `None` when nobody was asked.
    pub channel: Option<String>,
    /// What it costs there. `None` when nobody has said.
    pub fee: Option<Money>,
    /// What was said.
    pub reply: Reply,
    /// The channels to which nothing could be sent, in their order, each with why.
    pub unreached: Vec<(String, Option<String>)>,
}

/// What is done with each way before it is asked: it can be recorded first. `()` does nothing.
///
/// ```
/// use std::convert::Infallible;
/// use tollgate::channel::{Before, Channel, Way};
///
/// /// Remembers the way that was asked last.
/// struct Last(Option<String>);
/// impl<C: Channel + ?Sized> Before<C> for Last {
///     type Error = Infallible;
///     async fn asked(&mut self, way: &Way<C>) -> Result<(), Infallible> {
///         self.0 = Some(way.channel.name().to_owned());
///         Ok(())
///     }
/// }
/// ```
pub trait Before<C: ?Sized = dyn Channel> {
    /// Why the way is not to be asked.
    type Error;

    /// The way is about to be asked.
    ///
    /// # Errors
    /// Then neither it nor any other is.
    fn asked(&mut self, way: &Way<C>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl<C: Channel + ?Sized> Before<C> for () {
    type Error = Infallible;

    async fn asked(&mut self, _: &Way<C>) -> Result<(), Infallible> {
        Ok(())
    }
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
/// let route = Route::new([(Arc::new(Closed) as Arc<dyn Channel>, None)]);
/// assert!(route.named("closed").is_some() && route.named("open").is_none());
/// ```
pub struct Route<C: ?Sized = dyn Channel> {
    ways: Vec<Way<C>>,
}

impl<C: ?Sized> Default for Route<C> {
    fn default() -> Route<C> {
        Route { ways: Vec::new() }
    }
}

impl<C: Channel + ?Sized> Route<C> {
    /// The first is the one to try first.
    pub fn new(ways: impl IntoIterator<Item = (Arc<C>, Option<Terms>)>) -> Route<C> {
        Route { ways: ways.into_iter().map(|(channel, terms)| Way { channel, terms }).collect() }
    }

    /// All of them.
    pub fn ways(&self) -> &[Way<C>] {
        &self.ways
    }

    /// The way of a name: where a payment went before.
    pub fn named(&self, name: &str) -> Option<&Way<C>> {
        self.ways.iter().find(|way| way.channel.name() == name)
    }

    /// The ways that take a payment, the first choice first, with what each costs.
    pub fn taking(
        &self,
        method: Method,
        amount: Money,
        country: Option<Country>,
    ) -> impl Iterator<Item = (&Way<C>, Option<Money>)> {
        self.ways.iter().filter_map(move |way| Some((way, way.take(method, amount, country).ok()?)))
    }

    /// Asks the way that was `chosen` before, whatever its terms are now. An authorization without a past
    /// ([`Request::repetition`] is none) goes on to the first way that takes it, and to the next only when to that one
    /// nothing was sent at all. Anything else goes where it went, or nowhere.
    ///
    /// # Errors
    /// What `before` says: the way is then not asked, nor any other.
    pub async fn ask<B: Before<C>>(
        &self,
        request: &Request,
        country: Option<Country>,
        chosen: Option<&str>,
        mut before: B,
    ) -> Result<Routed, B::Error> {
        let call = &request.call;
        let is_new = request.repetition == 0 && call.operation == Operation::Authorize;
        let chosen = chosen.and_then(|name| self.named(name));
        let others = self.taking(call.method, call.amount, country);
        let others = others.filter(|(way, _)| {
            is_new && chosen.is_none_or(|chosen| !Arc::ptr_eq(&chosen.channel, &way.channel))
        });
        let mut routed = Routed {
            channel: None,
            fee: None,
            reply: match is_new {
                true => nowhere(self.refusal(request, country)),
                false => Reply::unsent("the way that it went is there no more"),
            },
            unreached: Vec::new(),
        };
        for (way, fee) in chosen.map(|way| (way, None)).into_iter().chain(others) {
            before.asked(way).await?;
            let name = way.channel.name().to_owned();
            routed.reply = way.channel.ask(request).await;
            routed.fee = fee;
            if !routed.reply.sent {
                routed.unreached.push((name.clone(), routed.reply.code.clone()));
            }
            routed.channel = Some(name);
            if routed.reply.sent {
                break;
            }
        }
        Ok(routed)
    }

    /// Why nobody takes it: what the way says that came nearest to it.
    fn refusal(&self, request: &Request, country: Option<Country>) -> Refusal {
        let call = &request.call;
        let refusals = self.ways.iter().filter_map(|way| way.take(call.method, call.amount, country).err());
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

    fn fake(name: &str, method: Method, sent: bool) -> Arc<Fake> {
        Arc::new(Fake { name: name.to_owned(), method, sent, asked: AtomicUsize::new(0) })
    }

    fn route(fakes: impl IntoIterator<Item = (Arc<Fake>, i64)>) -> Route<Fake> {
        Route::new(fakes.into_iter().map(|(fake, max)| (fake, Some(terms(max)))))
    }

    /// Notes the names of ways, so many of them.
    struct Noted<'a>(&'a mut Vec<String>, usize);

    impl Before<Fake> for Noted<'_> {
        type Error = &'static str;

        async fn asked(&mut self, way: &Way<Fake>) -> Result<(), &'static str> {
            if self.0.len() == self.1 {
                return Err("the disk is full");
            }
            assert_eq!(way.channel.asked.load(Ordering::Relaxed), 0, "it is noted before it is asked");
            self.0.push(way.channel.name().to_owned());
            Ok(())
        }
    }

    /// Asks, and notes the ways.
    fn ask(route: &Route<Fake>, request: &Request, chosen: Option<&str>) -> (Routed, Vec<String>) {
        let mut noted = Vec::new();
        let routed = now(route.ask(request, None, chosen, Noted(&mut noted, usize::MAX))).unwrap();
        (routed, noted)
    }

    #[test]
    fn nobody_to_ask_is_a_refusal_with_its_reason() {
        for (method, max, expected) in [
            (Method::Alipay, 5, "its amount is outside the limits"),
            (Method::Card, 500, "it is paid in another way"),
        ] {
            let (routed, noted) = ask(&route([(fake("a", method, true), max)]), &request(100), None);
            assert_eq!((routed.channel, noted.len()), (None, 0));
            assert_eq!(routed.reply.code.as_deref(), Some(expected));
            assert!(!routed.reply.sent && routed.reply.answer.is_final());
        }
    }

    #[test]
    fn what_has_a_past_goes_where_it_went_or_nowhere() {
        let again = |repetition, operation| {
            let mut request = request(100);
            (request.repetition, request.call.operation) = (repetition, operation);
            request
        };
        let all = || {
            route(
                [("a", true, 500), ("b", false, 5), ("c", true, 500)]
                    .map(|(name, sent, max)| (fake(name, Method::Alipay, sent), max)),
            )
        };
        for (request, chosen, expected) in [
            // Where it was to go before, whatever the terms are now; on only while nothing was ever sent.
            (again(0, Operation::Authorize), Some("b"), &["b", "a"][..]),
            (again(0, Operation::Authorize), Some("c"), &["c"]),
            (again(0, Operation::Authorize), Some("gone"), &["a"]),
            (again(1, Operation::Authorize), Some("b"), &["b"]),
            (again(1, Operation::Authorize), Some("gone"), &[]),
            (again(1, Operation::Authorize), None, &[]),
            (again(0, Operation::Void), Some("b"), &["b"]),
            (again(0, Operation::Void), None, &[]),
        ] {
            let (routed, noted) = ask(&all(), &request, chosen);
            assert_eq!(noted, expected, "{chosen:?} {request:?}");
            assert_eq!(routed.channel.as_deref(), expected.last().copied());
            if expected.is_empty() {
                // It may have been sent: nothing is known of it.
                assert_eq!((routed.reply.answer, routed.reply.sent), (Answer::Unknown, false));
            }
        }
    }

    #[test]
    fn a_way_that_could_not_be_recorded_is_not_asked_nor_any_other() {
        let (first, second) = (fake("a", Method::Alipay, false), fake("b", Method::Alipay, true));
        let route = route([(first.clone(), 500), (second.clone(), 500)]);
        let stopped = now(route.ask(&request(100), None, None, Noted(&mut Vec::new(), 1)));
        assert_eq!(stopped, Err("the disk is full"));
        assert_eq!([first, second].map(|fake| fake.asked.load(Ordering::Relaxed)), [1, 0]);
    }

    proptest! {
        #[test]
        fn one_channel_at_most_is_sent_anything_and_it_is_the_first_that_can_be(
            ways in prop::collection::vec((any::<bool>(), any::<bool>(), 1..200i64), 0..6), minor in 1..200i64,
        ) {
            let fakes: Vec<Arc<Fake>> = ways.iter().enumerate().map(|(i, (ours, sent, _))| {
                fake(&i.to_string(), if *ours { Method::Alipay } else { Method::WechatPay }, *sent)
            }).collect();
            let all = fakes.iter().zip(&ways).map(|(f, w)| (f.clone(), w.2));
            let (routed, noted) = ask(&route(all), &request(minor), None);

            // The same, told by a loop over plain numbers.
            let open: Vec<usize> = (0..ways.len()).filter(|i| ways[*i].0 && minor <= ways[*i].2).collect();
            let reached = open.iter().copied().find(|i| ways[*i].1);
            let asked: Vec<usize> =
                open.iter().copied().take_while(|i| reached.is_none_or(|r| *i <= r)).collect();
            for (i, fake) in fakes.iter().enumerate() {
                prop_assert_eq!(fake.asked.load(Ordering::Relaxed), usize::from(asked.contains(&i)));
            }
            let names = |ways: &[usize]| ways.iter().map(ToString::to_string).collect::<Vec<_>>();
            prop_assert_eq!(noted, names(&asked));
            let unreached: Vec<String> = routed.unreached.into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(unreached, names(&asked[..asked.len() - usize::from(reached.is_some())]));
            prop_assert_eq!(routed.channel, reached.or(open.last().copied()).map(|i| i.to_string()));
            prop_assert_eq!(routed.reply.sent, reached.is_some());
        }
    }
}
