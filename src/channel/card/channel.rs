//! How is a card's institution asked? The channel: questions over a few connections that are kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::answer::answer;
use super::line::{Heard, Keeping, Line};
use super::message::Message;
use super::stream::{CardTls, Trust};
use super::terms::Terms;
use crate::channel::{Asking, Channel, Reply, Request};
use crate::error::{Error, ErrorKind};
use crate::pay::{Answer, DeclineGroup, Method, Operation};

/// Most connections to one institution.
///
/// ```
/// use tollgate::channel::card::{CARD_CONNECTIONS_MAX, CardChannel, CardSettings};
/// let with = |connections| CardChannel::new(CardSettings { connections, ..CardSettings::to("127.0.0.1:8583") });
/// assert!(with(CARD_CONNECTIONS_MAX).is_ok());
/// assert!(with(CARD_CONNECTIONS_MAX + 1).is_err() && with(0).is_err());
/// ```
pub const CARD_CONNECTIONS_MAX: usize = 64;

/// Where a card's institution is, and how it is talked to.
///
/// ```
/// use tollgate::channel::card::CardSettings;
/// let settings = CardSettings { sign_on: true, ..CardSettings::to("acquirer.example:8583") };
/// assert_eq!((settings.name.as_str(), settings.connections), ("card", 1));
/// ```
#[derive(Debug, Clone)]
pub struct CardSettings {
    /// The channel's name in settings, metrics and rules.
    pub name: String,
    /// Host and port.
    pub address: String,
    /// What has been agreed with the acquirer.
    pub terms: Terms,
    /// How many connections are kept, 1 to [`CARD_CONNECTIONS_MAX`].
    pub connections: usize,
    /// Who it has to prove that it is; `None` where the connection is safe by itself, in a tunnel or a leased line.
    pub tls: Option<CardTls>,
    /// How long making one may take.
    pub connect_within: Duration,
    /// Whether a connection begins with a sign-on (0800, 001).
    pub sign_on: bool,
    /// After how much silence somebody is asked whether they are there (0800, 301). `None` asks never.
    pub echo_every: Option<Duration>,
}

impl CardSettings {
    /// An institution at an address; all else as usual.
    pub fn to(address: impl Into<String>) -> CardSettings {
        CardSettings {
            name: "card".to_owned(),
            address: address.into(),
            terms: Terms::default(),
            connections: 1,
            tls: None,
            connect_within: Duration::from_secs(3),
            sign_on: false,
            echo_every: Some(Duration::from_secs(60)),
        }
    }
}

/// A card's institution, by ISO 8583.
///
/// ```
/// use tollgate::{channel::{Channel, card::{CardChannel, CardSettings}}, pay::Method};
/// let channel = CardChannel::new(CardSettings::to("127.0.0.1:8583"))?; // connects when it is asked
/// assert_eq!((channel.name(), channel.method()), ("card", Method::Card));
/// # Ok::<(), tollgate::Error>(())
/// ```
pub struct CardChannel {
    name: String,
    terms: Terms,
    lines: Vec<Line>,
    next: AtomicUsize,
}

impl CardChannel {
    /// A channel that has not connected yet.
    ///
    /// # Errors
    /// When the settings make no sense, or a file of TLS is none.
    pub fn new(settings: CardSettings) -> Result<CardChannel, Error> {
        settings.terms.check()?;
        if !(1..=CARD_CONNECTIONS_MAX).contains(&settings.connections) {
            let wrong = format!("`connections` is between 1 and {CARD_CONNECTIONS_MAX}");
            return Err(Error::new(wrong).of(ErrorKind::Rules));
        }
        let trust = settings.tls.as_ref().map(|tls| Trust::open(tls, &settings.address)).transpose()?;
        let keeping = Keeping {
            trust,
            address: settings.address,
            version: settings.terms.version,
            connect_within: settings.connect_within,
            sign_on: settings.sign_on,
            echo_every: settings.echo_every,
        };
        let lines = (0..settings.connections).map(|_| Line::new(keeping.clone())).collect();
        Ok(CardChannel { name: settings.name, terms: settings.terms, lines, next: AtomicUsize::new(0) })
    }

    /// Answers that nobody waited for: late ones, doubled ones.
    pub fn strays(&self) -> u64 {
        self.lines.iter().map(Line::strays).sum()
    }

    /// Sends a question and reads its answer. `before` is whether something of it may have been sent earlier.
    async fn converse(&self, request: &Request, question: Result<Message, Error>, before: bool) -> Reply {
        let unsent = |why: String| Reply { sent: before, ..Reply::unsent(why) };
        let question = match question {
            Ok(question) => question,
            // It can never be asked, and nobody was. But without its card an authorization may have been asked
            // for by whoever ran before us: then it is to be queried.
            Err(error) if !before && !lacks_card(request) => {
                let answer = Answer::Declined(DeclineGroup::Technical);
                return Reply { answer, ..unsent(error.to_string()) };
            }
            Err(error) => return unsent(error.to_string()),
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(line) = self.lines.get(turn % self.lines.len().max(1)) else {
            return unsent("there is no connection".to_owned());
        };
        match line.ask(&question).await {
            Heard::Answer(told) => answer(&question, &told, request.call.amount),
            Heard::Gone(why) => Reply { code: Some(why), ..Reply::new(Answer::Unknown) },
            Heard::NotSent(why) => unsent(why),
        }
    }
}

fn lacks_card(request: &Request) -> bool {
    request.call.operation == Operation::Authorize && request.instrument.is_none()
}

impl Channel for CardChannel {
    fn name(&self) -> &str {
        &self.name
    }

    fn method(&self) -> Method {
        Method::Card
    }

    fn ask<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        let question = self.terms.ask(request);
        Box::pin(self.converse(request, question, request.repetition > 0))
    }

    /// An authorization is undone; anything else is sent again, for the institution to say what it said before.
    /// What it asks about was sent, so that its reply always says so.
    fn query<'a>(&'a self, request: &'a Request) -> Asking<'a> {
        let question = self.terms.query(request);
        Box::pin(self.converse(request, question, true))
    }
}
