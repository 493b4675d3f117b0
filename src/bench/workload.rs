//! Which payments are asked about? Simulated ones or those of a file, held in memory; when all have been asked
//! about they come again as other payments, later.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use arrayvec::ArrayString;

use super::attack::Attack;
use crate::codec::{Chunk, Reader, Settings};
use crate::error::Error;
use crate::payment::Payment;
use crate::schema::{Schema, Value, field};
use crate::simulate::{Simulator, SimulatorSettings};
use crate::time::Timestamp;
use crate::velocity::Status;

/// Most payments that are held: each takes about a kilobyte and a half.
pub(crate) const PAYMENTS_MAX: u64 = 4_000_000;
/// Simulated payments of a day, as `simulate` has them by default.
const PAYMENTS_PER_DAY: u64 = 33_333;
/// How soon after a payment its outcome must be known to be told by the one who asked.
const SETTLED_WITHIN_MICROS: i64 = 60_000_000;
/// A day later than the last of one round the next begins.
const PAUSE_MICROS: i64 = 86_400_000_000;
/// Rows of a file that are read at a time.
const CHUNK_ROWS: usize = 4096;

/// What to simulate.
pub(crate) struct Mix {
    pub(crate) payments: u64,
    pub(crate) seed: u64,
    /// Share of all payments that are frauds.
    pub(crate) fraud: f64,
    /// Shares of the frauds: card testing, takeover, bust-out.
    pub(crate) shares: [f64; 3],
}

/// Payments to ask about, and what is known of them.
pub(crate) struct Workload {
    pub(crate) schema: Arc<Schema>,
    payments: Vec<Payment>,
    attacks: Vec<Option<Attack>>,
    /// What it is, for people.
    pub(crate) name: String,
    /// How much later the same payment comes in the next round.
    period: i64,
    /// How much later it comes in the first.
    shift: i64,
}

impl Workload {
    /// Payments that never happened, the same for the same mix.
    ///
    /// # Errors
    /// When the simulator refuses the mix.
    pub(crate) fn simulated(schema: Arc<Schema>, mix: &Mix) -> Result<Workload, Error> {
        within_limit(mix.payments)?;
        let days = mix.payments.div_ceil(PAYMENTS_PER_DAY).max(1);
        let settings = SimulatorSettings {
            payments: mix.payments,
            days: u32::try_from(days).unwrap_or(u32::MAX),
            seed: mix.seed,
            fraud: mix.fraud,
            ..SimulatorSettings::default()
        };
        let mut simulator = Simulator::mixed(settings, mix.shares)?;
        let (mut payments, mut attacks) = (Vec::new(), Vec::new());
        let mut payment = Payment::new(&schema);
        while simulator.next(&schema, &mut payment) {
            payments.push(payment.clone());
            attacks.push(simulator.attack().map(|(kind, number)| Attack { kind: kind.into(), number }));
        }
        let percent = 100.0 * mix.fraud;
        let name =
            format!("{} simulated payments, seed {}, {percent:.1} % of them fraud", mix.payments, mix.seed);
        Ok(Workload::of(schema, payments, attacks, name))
    }

    /// The payments of a file, in its order.
    ///
    /// # Errors
    /// When it can't be read, holds no payment, or a row is no payment.
    pub(crate) fn recorded(schema: Arc<Schema>, path: &Path) -> Result<Workload, Error> {
        let mut reader = Reader::open(path, schema.clone(), Settings::default())?;
        let mut chunk = Chunk::new(&schema, CHUNK_ROWS);
        let mut payments = Vec::new();
        while reader.read(&mut chunk)? {
            if let Some(reject) = chunk.rejects.first() {
                return Err(Error::new(format!("{reject}; `tollgate score --rejects` tells all such rows")));
            }
            payments.extend_from_slice(chunk.payments());
            within_limit(payments.len() as u64)?;
        }
        if payments.is_empty() {
            return Err(Error::new("it holds no payments").at(path));
        }
        let attacks = payments.iter().map(|payment| Attack::labelled(&schema, payment)).collect();
        let name = format!("{} payments of {}", payments.len(), path.display());
        Ok(Workload::of(schema, payments, attacks, name))
    }

    fn of(
        schema: Arc<Schema>,
        payments: Vec<Payment>,
        attacks: Vec<Option<Attack>>,
        name: String,
    ) -> Workload {
        let at = payments.iter().map(|p| p.at().micros());
        let (first, last) = (at.clone().min().unwrap_or(0), at.max().unwrap_or(0));
        Workload { schema, payments, attacks, name, period: last - first + PAUSE_MICROS, shift: 0 }
    }

    /// Lets the first payment be of this time, and all others follow it.
    pub(crate) fn begin_at(&mut self, now: Timestamp) {
        self.shift = now.micros() - self.payments.first().map_or(0, |p| p.at().micros());
    }

    /// Payments of one round.
    pub(crate) fn len(&self) -> usize {
        self.payments.len()
    }

    /// The attacks that the payments of a round are parts of, and those payments.
    pub(crate) fn labelled(&self) -> impl Iterator<Item = (usize, &Attack, &Payment)> {
        let attacks = self.attacks.iter().zip(&self.payments).enumerate();
        attacks.filter_map(|(place, (attack, payment))| Some((place, attack.as_ref()?, payment)))
    }

    /// The place of the `n`th payment asked about, when it is of the first round.
    pub(crate) fn first_round(&self, n: u64) -> Option<usize> {
        usize::try_from(n).ok().filter(|place| *place < self.payments.len())
    }

    /// The `n`th payment to ask about; `scratch` is where it is changed in if it must be.
    #[inline]
    pub(crate) fn payment<'a>(&'a self, n: u64, scratch: &'a mut Payment) -> &'a Payment {
        let length = self.payments.len() as u64;
        let (round, place) = match n < length {
            true => (0, n),
            false => (n / length, n % length),
        };
        let payment = &self.payments[place as usize];
        if round == 0 && self.shift == 0 {
            return payment;
        }
        scratch.copy_from(payment);
        self.renew(round, payment, scratch);
        scratch
    }

    /// A payment to ask about before the first, of an id that none of the run has.
    pub(crate) fn introduction(&self) -> Payment {
        let mut payment = Payment::new(&self.schema);
        let mut first = self.payment(0, &mut payment).clone();
        // An id without digits is no card number.
        let _ = first.set(&self.schema, field::ID, Value::Token("tollgate-bench"));
        first
    }

    /// Another id and a later time. What doesn't fit stays as it is: the payment is then one that comes twice.
    fn renew(&self, round: u64, payment: &Payment, scratch: &mut Payment) {
        let later = payment.at().micros().saturating_add(self.shift);
        let later =
            later.saturating_add(self.period.saturating_mul(i64::try_from(round).unwrap_or(i64::MAX)));
        if let Some(at) = Timestamp::from_micros(later) {
            let _ = scratch.set(&self.schema, field::AT, Value::Timestamp(at));
        }
        let mut id = ArrayString::<{ crate::schema::TEXT_BYTES_MAX }>::new();
        if round > 0 && write!(id, "{}-{round}", payment.id()).is_ok() {
            let _ = scratch.set(&self.schema, field::ID, Value::Token(&id));
        }
    }

    /// What became of the `n`th payment, when that was known within a minute.
    pub(crate) fn settlement(&self, n: u64) -> Option<Status> {
        let payment = &self.payments[(n % self.payments.len() as u64) as usize];
        let status = payment.text(field::STATUS).and_then(Status::parse)?;
        let known = payment.timestamp(field::SETTLED_AT).unwrap_or(payment.at());
        (known.micros() - payment.at().micros() <= SETTLED_WITHIN_MICROS).then_some(status)
    }
}

fn within_limit(payments: u64) -> Result<(), Error> {
    match payments {
        1..=PAYMENTS_MAX => Ok(()),
        _ => Err(Error::new(format!(
            "a workload has 1 to {PAYMENTS_MAX} payments, and there would be {payments}; when all have been asked about \
             they come again as others, so fewer do"
        ))),
    }
}
