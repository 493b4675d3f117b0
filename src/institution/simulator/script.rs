//! How does a simulated institution behave? A list of rules, of which the first that fits decides.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::pay::CallKey;

/// Most rules of a script.
///
/// ```
/// use tollgate::institution::simulator::{SCRIPT_RULES_MAX, Script};
/// let rules = |n: usize| "[[rule]]\nthen = 'approve'\n".repeat(n);
/// assert!(Script::parse(&rules(SCRIPT_RULES_MAX)).is_ok());
/// assert!(Script::parse(&rules(SCRIPT_RULES_MAX + 1)).is_err());
/// ```
pub const SCRIPT_RULES_MAX: usize = 1_000;

/// The longest delay: nobody waits that long for an institution.
///
/// ```
/// use tollgate::institution::simulator::{SCRIPT_DELAY_MAX, Script};
/// let delayed = |ms: u128| format!("[[rule]]\nthen = 'delay'\ndelay_ms = {ms}");
/// assert!(Script::parse(&delayed(SCRIPT_DELAY_MAX.as_millis())).is_ok());
/// assert!(Script::parse(&delayed(SCRIPT_DELAY_MAX.as_millis() + 1)).is_err());
/// ```
pub const SCRIPT_DELAY_MAX: Duration = Duration::from_secs(600);

/// What a simulated institution is asked for.
///
/// ```
/// use tollgate::institution::simulator::Operation;
/// assert_eq!(serde_json::to_string(&Operation::Authorize).unwrap(), "\"authorize\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// To hold an amount; a wallet takes it at once.
    Authorize,
    /// To take what is held, or a part of it.
    Capture,
    /// To let go of what is held; a wallet closes an order that was not paid.
    Void,
    /// To give back what was taken, or a part of it.
    Refund,
    /// To undo an authorization whose answer was not heard, under the authorization's own key.
    Reverse,
    /// What became of something.
    Query,
}

/// What is done about one request.
///
/// ```
/// use tollgate::institution::simulator::Act;
/// assert!(Act::TimeOut.takes_effect() && !Act::Lost.takes_effect());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Do it and say so.
    Approve,
    /// Don't, with this code, or with the kind's own when none is named.
    Decline(Option<String>),
    /// Do it and say so later.
    Delay(Duration),
    /// Do it and say nothing.
    TimeOut,
    /// Do it once and say so twice.
    Duplicate,
    /// Do it and say so after the next answer.
    Reorder,
    /// Do it and answer bytes that mean nothing.
    Garbage,
    /// Do it and hang up in the middle of the answer.
    Disconnect,
    /// Forget it: never heard of.
    Lost,
}

impl Act {
    /// Whether what is asked for is done, if it can be.
    pub const fn takes_effect(&self) -> bool {
        !matches!(self, Act::Decline(_) | Act::Lost)
    }
}

/// A request, as far as a script looks at it.
///
/// ```
/// use tollgate::{institution::simulator::{Act, Asked, Operation, Script}, pay::CallKey};
/// let script = Script::parse("[[rule]]\namount_ends = '51'\nthen = 'decline'\ncode = '51'")?;
/// let asked = |minor| Asked { key: CallKey([7; 16]), operation: Operation::Authorize, minor, payer: None, delivery: 1 };
/// assert_eq!(script.act(&asked(1051)), Act::Decline(Some("51".to_owned())));
/// assert_eq!(script.act(&asked(1000)), Act::Approve);
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The key it came under.
    pub key: CallKey,
    /// For what.
    pub operation: Operation,
    /// How much, in the currency's own minor units.
    pub minor: i64,
    /// Who pays: a card's number, the code of a wallet. Looked at, kept nowhere.
    pub payer: Option<&'a str>,
    /// How often this was asked under this key, from 1.
    pub delivery: u32,
}

/// How a simulated institution behaves. What no rule fits is approved.
///
/// ```
/// use tollgate::institution::simulator::Script;
/// Script::parse(r#"
///     seed = 7
///     [[rule]]
///     operation = "capture"
///     share = 0.05          # of the keys, drawn from the seed
///     times = 1             # the first time it is sent
///     then = "time_out"
/// "#)?;
/// assert!(Script::parse("[[rule]]\nthen = 'explode'").is_err());
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Script {
    seed: u64,
    rules: Vec<Rule>,
}

#[derive(Clone, PartialEq)]
struct Rule {
    operation: Option<Operation>,
    amount_ends: Option<String>,
    payer: Option<String>,
    share: Option<f64>,
    times: Option<u32>,
    act: Act,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptFile {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    rule: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    operation: Option<Operation>,
    amount_ends: Option<String>,
    payer: Option<String>,
    share: Option<f64>,
    times: Option<u32>,
    then: Then,
    code: Option<String>,
    delay_ms: Option<u64>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Then {
    Approve,
    Decline,
    Delay,
    TimeOut,
    Duplicate,
    Reorder,
    Garbage,
    Disconnect,
    Lost,
}

impl Script {
    /// Reads TOML.
    ///
    /// # Errors
    /// A sentence that names the rule that is wrong.
    pub fn parse(text: &str) -> Result<Script, Error> {
        let wrong = |message: String| Error::new(message).of(ErrorKind::Rules);
        let file: ScriptFile = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if file.rule.len() > SCRIPT_RULES_MAX {
            return Err(wrong(format!(
                "a script has at most {SCRIPT_RULES_MAX} rules, this one {}",
                file.rule.len()
            )));
        }
        let rules = file.rule.into_iter().enumerate().map(|(i, rule)| {
            Rule::read(rule).map_err(|why| wrong(format!("rule {} of the script: {why}", i + 1)))
        });
        Ok(Script { seed: file.seed, rules: rules.collect::<Result<_, _>>()? })
    }

    /// What is to be done about a request. The same script says the same of the same request.
    pub fn act(&self, asked: &Asked<'_>) -> Act {
        let fits = |(place, rule): &(usize, &Rule)| rule.fits(asked) && self.drawn(*place, rule, asked);
        self.rules.iter().enumerate().find(fits).map_or(Act::Approve, |(_, rule)| rule.act.clone())
    }

    /// Whether chance lets a rule decide about a request. Drawn from the request itself, so that it makes no
    /// difference what came before it.
    fn drawn(&self, place: usize, rule: &Rule, asked: &Asked<'_>) -> bool {
        let Some(share) = rule.share else { return true };
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_le_bytes()).update(&(place as u64).to_le_bytes());
        hash.update(&asked.key.0).update(&[asked.operation as u8]).update(&asked.delivery.to_le_bytes());
        let drawn = hash.finalize().as_bytes().first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        (drawn as f64) < share * u64::MAX as f64
    }
}

impl Rule {
    fn read(rule: RuleFile) -> Result<Rule, String> {
        if rule.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("`share` is between 0 and 1".to_owned());
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if rule.amount_ends.as_deref().is_some_and(|ends| !digits(ends)) {
            return Err(
                "`amount_ends` is the last digits of the amount in minor units, such as \"9051\"".to_owned()
            );
        }
        if rule.code.is_some() && rule.then != Then::Decline {
            return Err("`code` goes with `then = \"decline\"`".to_owned());
        }
        let most = SCRIPT_DELAY_MAX.as_millis() as u64;
        let act = match (rule.then, rule.delay_ms) {
            (Then::Delay, Some(ms)) if ms <= most => Act::Delay(Duration::from_millis(ms)),
            (Then::Delay, _) => return Err(format!("`delay` needs `delay_ms`, at most {most}")),
            (_, Some(_)) => return Err("`delay_ms` goes with `then = \"delay\"`".to_owned()),
            (Then::Approve, None) => Act::Approve,
            (Then::Decline, None) => Act::Decline(rule.code),
            (Then::TimeOut, None) => Act::TimeOut,
            (Then::Duplicate, None) => Act::Duplicate,
            (Then::Reorder, None) => Act::Reorder,
            (Then::Garbage, None) => Act::Garbage,
            (Then::Disconnect, None) => Act::Disconnect,
            (Then::Lost, None) => Act::Lost,
        };
        Ok(Rule {
            operation: rule.operation,
            amount_ends: rule.amount_ends,
            payer: rule.payer.map(|payer| payer.replace(' ', "")),
            share: rule.share,
            times: rule.times,
            act,
        })
    }

    fn fits(&self, asked: &Asked<'_>) -> bool {
        self.operation.is_none_or(|operation| operation == asked.operation)
            && self.times.is_none_or(|times| asked.delivery <= times)
            && self.payer.as_deref().is_none_or(|payer| asked.payer == Some(payer))
            && self.amount_ends.as_deref().is_none_or(|ends| format!("{:012}", asked.minor).ends_with(ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(key: u8, delivery: u32) -> Asked<'static> {
        let key = CallKey([key; 16]);
        Asked { key, operation: Operation::Capture, minor: 9202, payer: Some("4111"), delivery }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rule = |lines: &str| format!("[[rule]]\n{lines}\nthen = 'lost'\n[[rule]]\nthen = 'duplicate'");
        for (lines, expected) in [
            ("", Act::Lost),
            ("operation = 'capture'", Act::Lost),
            ("operation = 'refund'", Act::Duplicate),
            ("amount_ends = '202'", Act::Lost),
            ("amount_ends = '0009202'", Act::Lost),
            ("amount_ends = '19202'", Act::Duplicate),
            ("payer = '41 11'", Act::Lost),
            ("payer = '4112'", Act::Duplicate),
            ("times = 1", Act::Duplicate),
            ("times = 2", Act::Lost),
            ("share = 1.0", Act::Lost),
            ("share = 0.0", Act::Duplicate),
        ] {
            assert_eq!(Script::parse(&rule(lines)).unwrap().act(&asked(1, 2)), expected, "{lines}");
        }
    }

    #[test]
    fn chance_has_a_seed_and_is_as_often_as_it_says() {
        let script =
            |seed| Script::parse(&format!("seed = {seed}\n[[rule]]\nshare = 0.25\nthen = 'lost'")).unwrap();
        let lost =
            |seed| (0..4000).map(|i| script(seed).act(&asked(i as u8, i)) == Act::Lost).collect::<Vec<_>>();
        assert_eq!(lost(1), lost(1));
        assert_ne!(lost(1), lost(2));
        let count = lost(1).iter().filter(|l| **l).count();
        assert!((900..1100).contains(&count), "{count}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (lines, words) in [
            ("then = 'delay'", "needs `delay_ms`"),
            ("then = 'lost'\ndelay_ms = 5", "goes with"),
            ("then = 'lost'\ncode = '05'", "goes with"),
            ("then = 'lost'\nshare = 1.5", "between 0 and 1"),
            ("then = 'lost'\namount_ends = '1.5'", "last digits"),
        ] {
            let error =
                Script::parse(&format!("[[rule]]\nthen = 'approve'\n[[rule]]\n{lines}")).err().unwrap();
            assert!(error.to_string().contains(words) && error.to_string().contains("rule 2"), "{error}");
        }
    }
}
