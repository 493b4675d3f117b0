//! Which rate is too much? Doubled until it is, then halved in between; or the rates of a list, one after the other.

/// Most rates that are tried in search of the knee.
const TRIES_MAX: usize = 32;
/// The knee is found when what holds and what doesn't are this near.
const NEAR: f64 = 1.05;

/// The rates to try.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Steps {
    /// From this one on.
    Search(f64),
    /// These, whatever comes of them.
    List(Vec<f64>),
}

/// Tries rates, a second each of which `holds` says whether it was borne, or nothing when all is to stop. The
/// highest that was borne, and the lowest that was not.
pub(super) fn knee<E>(
    steps: &Steps,
    mut holds: impl FnMut(f64) -> Result<Option<bool>, E>,
) -> Result<[Option<f64>; 2], E> {
    let (mut borne, mut failed): (Option<f64>, Option<f64>) = (None, None);
    let mut listed = match steps {
        Steps::List(rates) => rates.clone().into_iter(),
        Steps::Search(_) => Vec::new().into_iter(),
    };
    for _ in 0..TRIES_MAX {
        let rate = match steps {
            Steps::List(_) => listed.next(),
            Steps::Search(first) => match (borne, failed) {
                (None, None) => Some(*first),
                (Some(low), None) => Some(low * 2.0),
                (None, Some(high)) if high > 1.0 => Some(high / 2.0),
                (Some(low), Some(high)) if high / low > NEAR => Some((low + high) / 2.0),
                _ => None,
            },
        };
        let Some(rate) = rate else { break };
        match holds(rate)? {
            None => break,
            Some(true) => borne = Some(borne.map_or(rate, |b| b.max(rate))),
            Some(false) => failed = Some(failed.map_or(rate, |f| f.min(rate))),
        }
    }
    Ok([borne, failed])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(steps: &Steps, bears: f64) -> ([Option<f64>; 2], usize) {
        let mut tries = 0;
        let found = knee(steps, |rate| {
            tries += 1;
            Ok::<_, ()>(Some(rate <= bears))
        });
        (found.unwrap(), tries)
    }

    #[test]
    fn the_knee_is_found_from_below_and_from_above() {
        for (first, bears) in [(100.0, 3_700.0), (100_000.0, 3_700.0), (3_700.0, 3_700.0)] {
            let ([borne, failed], tries) = found(&Steps::Search(first), bears);
            let (borne, failed) = (borne.unwrap(), failed.unwrap());
            assert!(borne <= bears && failed > bears && failed / borne <= NEAR, "{borne} {failed}");
            assert!(tries < 16, "{tries} tries");
        }
        assert_eq!(found(&Steps::Search(64.0), 0.0).0[0], None);
        assert_eq!(found(&Steps::List(vec![1.0, 8.0, 4.0]), 5.0), ([Some(4.0), Some(8.0)], 3));
    }

    #[test]
    fn a_stop_ends_the_search() {
        let mut tries = 0;
        let found = knee(&Steps::Search(1.0), |_| {
            tries += 1;
            Ok::<_, ()>((tries < 3).then_some(true))
        });
        assert_eq!((found.unwrap(), tries), ([Some(2.0), None], 3));
    }
}
