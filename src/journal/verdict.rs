//! A decision as bytes: all that it says, so that a decision made again can be compared to the bit.

use arrayvec::ArrayVec;

use crate::decision::{
    Challenged, Contribution, Decision, Degraded, Digest, Outcome, RULES_MAX, RuleSet, Seen,
};

use super::wire::{Cursor, Malformed, put_bits, put_option, put_varint};

/// Appends the decision.
pub(crate) fn put_decision(out: &mut Vec<u8>, decision: &Decision) {
    let Decision {
        outcome,
        score,
        probability,
        anomaly,
        degraded,
        deciding,
        digest,
        matched,
        braked,
        seen,
        contributions,
        challenged,
    } = decision;
    out.extend_from_slice(&digest.0);
    out.push(*outcome as u8);
    put_varint(out, u64::from(*score));
    put_varint(out, u64::from(degraded.bits()));
    put_option(out, *probability, put_bits);
    put_option(out, *anomaly, put_bits);
    put_option(out, *deciding, |out, rule| put_varint(out, u64::from(rule)));
    put_rules(out, matched);
    if degraded.contains(Degraded::RULE_BRAKED) {
        put_rules(out, braked);
    }
    put_varint(out, seen.len() as u64);
    for Seen { aggregate, value } in seen {
        put_varint(out, u64::from(*aggregate));
        put_bits(out, *value);
    }
    put_varint(out, contributions.len() as u64);
    for Contribution { input, value, share } in contributions {
        put_varint(out, u64::from(*input));
        out.extend_from_slice(&value.to_bits().to_le_bytes());
        put_bits(out, *share);
    }
    put_option(out, *challenged, |out, Challenged { probability, score, outcome }| {
        put_bits(out, probability);
        put_varint(out, u64::from(score));
        out.push(outcome as u8);
    });
}

fn put_rules(out: &mut Vec<u8>, rules: &RuleSet) {
    put_varint(out, rules.len() as u64);
    let mut last = 0;
    for rule in rules.iter() {
        put_varint(out, (rule - last) as u64);
        last = rule;
    }
}

fn read_rules(cursor: &mut Cursor<'_>) -> Result<RuleSet, Malformed> {
    let mut rules = RuleSet::EMPTY;
    let mut rule = 0usize;
    for _ in 0..cursor.number::<u16>()? {
        rule = rule.saturating_add(cursor.number()?);
        if rule >= RULES_MAX {
            return Err(Malformed::new("a rule's number is out of range"));
        }
        rules.insert(rule);
    }
    Ok(rules)
}

/// Reads a decision.
///
/// # Errors
/// When the bytes are none.
pub(crate) fn read_decision(bytes: &[u8]) -> Result<Decision, Malformed> {
    let mut cursor = Cursor(bytes);
    let cursor = &mut cursor;
    let digest = Digest(cursor.array()?);
    let outcome = read_outcome(cursor)?;
    let score = cursor.number()?;
    let degraded = Degraded::from_bits(cursor.number()?);
    let degraded = degraded.ok_or_else(|| Malformed::new("a reason of degradation is unknown"))?;
    let probability = cursor.option(Cursor::bits)?;
    let anomaly = cursor.option(Cursor::bits)?;
    let deciding = cursor.option(|c| c.number())?;
    let matched = read_rules(cursor)?;
    let braked = match degraded.contains(Degraded::RULE_BRAKED) {
        true => read_rules(cursor)?,
        false => RuleSet::EMPTY,
    };
    let mut seen = ArrayVec::new();
    for _ in 0..cursor.number::<u16>()? {
        let value = Seen { aggregate: cursor.number()?, value: cursor.bits()? };
        seen.try_push(value).map_err(|_| Malformed::new("more values than a decision holds"))?;
    }
    let mut contributions = ArrayVec::new();
    for _ in 0..cursor.number::<u16>()? {
        let input = cursor.number()?;
        let value = f32::from_bits(u32::from_le_bytes(cursor.array()?));
        let contribution = Contribution { input, value, share: cursor.bits()? };
        contributions
            .try_push(contribution)
            .map_err(|_| Malformed::new("more contributions than a decision holds"))?;
    }
    let challenged = cursor.option(|cursor| {
        let probability = cursor.bits()?;
        Ok(Challenged { probability, score: cursor.number()?, outcome: read_outcome(cursor)? })
    })?;
    cursor.end()?;
    Ok(Decision {
        outcome,
        score,
        probability,
        anomaly,
        degraded,
        deciding,
        digest,
        matched,
        braked,
        seen,
        contributions,
        challenged,
    })
}

/// The pipeline that made the decision, without reading the rest.
pub(crate) fn digest_of(bytes: &[u8]) -> Result<Digest, Malformed> {
    Cursor(bytes).array().map(Digest)
}

fn read_outcome(cursor: &mut Cursor<'_>) -> Result<Outcome, Malformed> {
    let outcome = Outcome::ALL.get(usize::from(cursor.byte()?)).copied();
    outcome.ok_or_else(|| Malformed::new("an outcome is unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_come_back_to_the_bit() {
        let mut full = Decision {
            outcome: Outcome::Review,
            score: 731,
            probability: Some(0.25),
            anomaly: Some(f64::MIN_POSITIVE),
            degraded: Degraded::LATE | Degraded::NO_MODEL | Degraded::RULE_BRAKED,
            deciding: Some(900),
            digest: Digest([9; 16]),
            challenged: Some(Challenged { probability: 0.5, score: 1000, outcome: Outcome::Decline }),
            ..Decision::NONE
        };
        [0, 1, 64, RULES_MAX - 1].into_iter().for_each(|rule| full.matched.insert(rule));
        [64, RULES_MAX - 1].into_iter().for_each(|rule| full.braked.insert(rule));
        full.seen.push(Seen { aggregate: 511, value: f64::NAN });
        full.contributions.push(Contribution { input: 3, value: f32::NAN, share: -0.0 });
        for decision in [Decision::NONE, full] {
            let mut bytes = Vec::new();
            put_decision(&mut bytes, &decision);
            let back = read_decision(&bytes).unwrap();
            assert_eq!(format!("{back:?}"), format!("{decision:?}"));
            let mut again = Vec::new();
            put_decision(&mut again, &back);
            assert_eq!((again, digest_of(&bytes)), (bytes.clone(), Ok(decision.digest)));
            (0..bytes.len()).for_each(|len| assert!(read_decision(&bytes[..len]).is_err(), "{len}"));
        }
    }
}
