//! Who is asking, and what may they do? Keys are known by their SHA-256 alone.

use std::borrow::Cow;
use std::sync::atomic::AtomicUsize;

use data_encoding::HEXLOWER_PERMISSIVE;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::basic;
use super::budget::Policy;
use super::config::{Config, KeyEntry, Priority, Scope};
use super::problem::{Kind, Problem};
use super::secret;
use crate::error::{Error, ErrorKind};

/// Most keys: each request is compared with all of them.
pub(super) const KEYS_MAX: usize = 256;
/// The header for a key, besides `Authorization: Bearer`.
pub(super) const KEY_HEADER: &str = "x-api-key";

/// A caller.
pub(super) struct Key {
    /// Its place among the keys; what it has sent is kept under it.
    pub(super) index: u16,
    /// Stands for it over restarts, where its place may be another: a hash of its name, 0 where there are no keys.
    pub(super) tag: u64,
    pub(super) name: String,
    digest: [u8; 32],
    scopes: Vec<Scope>,
    pub(super) merchant: Option<String>,
    /// What it signs requests about payments with.
    pub(super) signing: Option<Zeroizing<Vec<u8>>>,
    /// Its requests in flight, and its share of those that may be.
    pub(super) in_flight: AtomicUsize,
    pub(super) share: f64,
    pub(super) priority: Priority,
    /// Levels of priority above its own that others have.
    pub(super) above: usize,
    pub(super) policy: Policy,
}

/// All callers; with none configured, anybody.
pub(super) struct Keys {
    keys: Vec<Key>,
    anybody: Option<Key>,
}

impl Keys {
    /// # Errors
    /// What is wrong with which key.
    pub(super) fn of(config: &Config) -> Result<Keys, Error> {
        let wrong = |name: &str, message: String| {
            Error::new(message).of(ErrorKind::Rules).at(format!("key `{name}`"))
        };
        if config.key.len() > KEYS_MAX {
            return Err(Error::new(format!("more than {KEYS_MAX} keys")).of(ErrorKind::Rules));
        }
        let anybody = match config.key.is_empty() {
            false => None,
            true => Some(Key::new(0, &anybody(), [0; 32], config).map_err(|m| wrong("", m))?),
        };
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in (1u16..).zip(&config.key) {
            let name = &entry.name;
            let digest = digest_of_hex(&entry.sha256).ok_or_else(|| {
                wrong(
                    name,
                    "`sha256` is no SHA-256 in hex; write the output of `printf %s KEY | sha256sum`"
                        .to_owned(),
                )
            })?;
            if !entry.share.is_finite() || entry.share <= 0.0 || entry.share > 1.0 {
                return Err(wrong(name, "`share` is above 0 and at most 1".to_owned()));
            }
            if keys.iter().any(|k| k.name == *name || k.digest == digest) {
                return Err(wrong(name, "another key has this name or this `sha256`".to_owned()));
            }
            keys.push(Key::new(index, entry, digest, config).map_err(|m| wrong(name, m))?);
        }
        Ok(Keys { keys, anybody })
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[Key] {
        &self.keys
    }

    /// Whether everybody may do everything.
    pub(super) fn open(&self) -> bool {
        self.anybody.is_some()
    }

    /// The caller with this index.
    pub(super) fn at(&self, index: u16) -> Option<&Key> {
        match usize::from(index).checked_sub(1) {
            Some(place) => self.keys.get(place),
            None => self.anybody.as_ref(),
        }
    }

    /// The place of the caller with this tag.
    pub(super) fn of_tag(&self, tag: u64) -> Option<u16> {
        self.keys.iter().chain(&self.anybody).find(|key| key.tag == tag).map(|key| key.index)
    }

    /// The caller that the headers name, if it may do this.
    ///
    /// # Errors
    /// 401 without a known key, 403 when the key's scopes don't include it.
    pub(super) fn caller(&self, headers: &HeaderMap, scope: Scope) -> Result<&Key, Problem> {
        if let Some(anybody) = &self.anybody {
            return Ok(anybody);
        }
        let plain = headers.get(KEY_HEADER).map(|v| Cow::from(v.as_bytes()));
        let shown = plain.or_else(|| authorization(headers)).ok_or_else(|| {
            Problem::new(Kind::NoKey, "the request shows no key")
                .remedy("send `Authorization: Bearer KEY` or `X-Api-Key: KEY`")
        })?;
        let digest: [u8; 32] = Sha256::digest(shown).into();
        // All are compared, each in constant time, so that time tells nothing of which is near.
        let mut found = 0u16;
        for (place, key) in (1u16..).zip(&self.keys) {
            let equal: Choice = key.digest.ct_eq(&digest);
            found.conditional_assign(&place, equal);
        }
        let key = usize::from(found).checked_sub(1).and_then(|i| self.keys.get(i)).ok_or_else(|| {
            Problem::new(Kind::NoKey, "nobody has this key").remedy("its SHA-256 must stand under [[key]]")
        })?;
        match key.scopes.contains(&scope) || key.scopes.contains(&Scope::Admin) {
            true => Ok(key),
            false => Err(Problem::new(Kind::NotAllowed, format!("the key `{}` is not for this", key.name))
                .remedy(format!("it needs the scope `{}`", scope_name(scope)))),
        }
    }
}

impl Key {
    /// Whether it may see what others have sent: it may do everything, and belongs to no merchant.
    pub(super) fn oversees(&self) -> bool {
        self.merchant.is_none() && self.scopes.contains(&Scope::Admin)
    }

    fn new(index: u16, entry: &KeyEntry, digest: [u8; 32], config: &Config) -> Result<Key, String> {
        Ok(Key {
            index,
            tag: if index == 0 { 0 } else { tag(&entry.name) },
            name: entry.name.clone(),
            digest,
            scopes: entry.scopes.clone(),
            merchant: entry.merchant.clone(),
            signing: entry
                .signing
                .as_deref()
                .map(secret::read)
                .transpose()
                .map_err(|why| format!("`signing`: {why}"))?,
            in_flight: AtomicUsize::new(0),
            share: entry.share,
            priority: entry.priority,
            above: above(entry.priority, config),
            policy: Policy::of(entry.unavailable.as_ref().unwrap_or(&config.unavailable))?,
        })
    }
}

/// The first bytes of the SHA-256 of a key's name.
fn tag(name: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(name).into();
    u64::from_le_bytes(std::array::from_fn(|i| hash[i]))
}

fn anybody() -> KeyEntry {
    KeyEntry {
        name: "anybody".to_owned(),
        sha256: String::new(),
        signing: None,
        merchant: None,
        scopes: vec![Scope::Admin],
        share: 1.0,
        priority: Priority::default(),
        unavailable: None,
    }
}

/// How many levels above this one some key has.
fn above(priority: Priority, config: &Config) -> usize {
    let levels = [Priority::Normal, Priority::High].into_iter().filter(|level| *level > priority);
    levels.filter(|level| config.key.iter().any(|key| key.priority == *level)).count()
}

fn authorization(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let space = value.iter().position(|b| *b == b' ')?;
    let (scheme, key) = (&value[..space], value[space..].trim_ascii());
    match () {
        () if scheme.eq_ignore_ascii_case(b"bearer") => Some(Cow::from(key)),
        () if scheme.eq_ignore_ascii_case(b"basic") => basic::key(key).map(Cow::from),
        () => None,
    }
}

pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Score => "score",
        Scope::Settle => "settle",
        Scope::Pay => "pay",
        Scope::Review => "review",
        Scope::Lists => "lists",
        Scope::Admin => "admin",
    }
}

fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}
