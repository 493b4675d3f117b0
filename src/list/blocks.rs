//! Addresses and CIDR blocks: is this address, or a network around it, listed?
//!
//! Blocks are kept in one hash table by prefix and length. A lookup probes once for each length
//! that the list has ever held, longest first, which is a handful in real lists.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use foldhash::fast::FixedState;
use ipnet::IpNet;

use super::Entry;
use crate::payment::canonical;
use crate::time::Timestamp;

/// A block of IPv6; one of IPv4 is its image under `::ffff:0:0/96`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Block {
    bits: u128,
    length: u8,
}

/// Bits that an IPv4 address has in front when it is written as IPv6.
const MAPPED: u8 = 96;

impl Block {
    /// Reads an address or `ADDRESS/LENGTH`; a block with bits set after its prefix is refused,
    /// because one of the two was meant differently.
    pub(super) fn parse(text: &str) -> Option<Block> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Block { bits: canonical(ip).to_bits(), length: 128 });
        }
        let net: IpNet = text.parse().ok()?;
        let length = net.prefix_len() + if net.addr().is_ipv4() { MAPPED } else { 0 };
        (net.addr() == net.network()).then_some(Block { bits: canonical(net.addr()).to_bits(), length })
    }

    fn around(ip: Ipv6Addr, length: u8) -> Block {
        let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
        Block { bits: ip.to_bits() & mask, length }
    }
}

#[derive(Debug)]
pub(super) struct Blocks {
    entries: DashMap<Block, Entry, FixedState>,
    /// Bit n of word w: the list has held a block of length 64 w + n. Bits are never cleared; a
    /// removed length costs a probe, not an answer.
    lengths: [AtomicU64; 3],
}

impl Blocks {
    pub(super) fn new(hash: FixedState) -> Blocks {
        Blocks { entries: DashMap::with_hasher(hash), lengths: Default::default() }
    }

    /// What `read` makes of the longest live block around `ip`.
    pub(super) fn find<R>(&self, ip: Ipv6Addr, at: Timestamp, read: impl FnOnce(&Entry) -> R) -> Option<R> {
        // A short block of IPv6 such as `::/0` doesn't mean the IPv4 addresses mapped into it.
        let shortest = if ip.to_ipv4_mapped().is_some() { MAPPED } else { 0 };
        for word in (usize::from(shortest / 64)..3).rev() {
            let mut bits = self.lengths[word].load(Ordering::Acquire);
            while bits != 0 {
                let bit = 63 - bits.leading_zeros() as u8;
                bits &= !(1 << bit);
                let length = word as u8 * 64 + bit;
                if length >= shortest
                    && let Some(entry) = self.entries.get(&Block::around(ip, length))
                    && entry.live(at)
                {
                    return Some(read(&entry));
                }
            }
        }
        None
    }

    pub(super) fn insert<E>(
        &self,
        block: Block,
        entry: Entry,
        reserve: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        match self.entries.entry(block) {
            Place::Occupied(mut old) => {
                old.insert(entry);
            }
            Place::Vacant(free) => {
                reserve()?;
                free.insert(entry);
            }
        }
        self.lengths[usize::from(block.length / 64)].fetch_or(1 << (block.length % 64), Ordering::Release);
        Ok(())
    }

    pub(super) fn remove(&self, block: Block) -> bool {
        self.entries.remove(&block).is_some()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().map(|entry| entry.clone()).collect()
    }
}
