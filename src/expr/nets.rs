//! Is this address in these networks, and this card's beginning in these ranges?

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The first and last address of a run, as numbers; IPv4 is mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Net {
    pub first: u128,
    pub last: u128,
}

impl Net {
    /// Reads an address or a network.
    pub(super) fn parse(text: &str) -> Option<Net> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Some(match net.trunc() {
                IpNet::V4(v4) => Net { first: mapped(v4.network()), last: mapped(v4.broadcast()) },
                IpNet::V6(v6) => Net { first: v6.network().to_bits(), last: v6.broadcast().to_bits() },
            });
        }
        let one = match text.parse::<IpAddr>().ok()? {
            IpAddr::V4(v4) => mapped(v4),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        Some(Net { first: one, last: one })
    }

    /// Joins runs that overlap or touch, in ascending order.
    pub(super) fn merge(mut nets: Vec<Net>) -> Box<[Net]> {
        nets.sort_unstable();
        let mut merged: Vec<Net> = Vec::with_capacity(nets.len());
        for net in nets {
            match merged.last_mut() {
                Some(last) if net.first <= last.last.saturating_add(1) => last.last = last.last.max(net.last),
                _ => merged.push(net),
            }
        }
        merged.into()
    }

    /// Whether one of some merged runs holds `address`.
    pub(super) fn any_holds(nets: &[Net], address: u128) -> bool {
        let after = nets.partition_point(|n| n.first <= address);
        after.checked_sub(1).and_then(|i| nets.get(i)).is_some_and(|n| address <= n.last)
    }
}

fn mapped(v4: std::net::Ipv4Addr) -> u128 {
    v4.to_ipv6_mapped().to_bits()
}

/// The address's network: `v4` bits of an IPv4 address, `v6` bits of an IPv6 one; `None` for an
/// IPv6 address when only IPv4 was spoken of.
pub(super) fn network(ip: Ipv6Addr, v4: u8, v6: Option<u8>) -> Option<u128> {
    match ip.to_ipv4_mapped() {
        Some(ip) => Ipv4Net::new(ip, v4).ok().map(|n| mapped(n.network())),
        None => Ipv6Net::new(ip, v6?).ok().map(|n| n.network().to_bits()),
    }
}

/// First digits of card numbers, from `low` to `high`, which are of one length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DigitRange {
    pub low: Box<str>,
    pub high: Box<str>,
}

impl DigitRange {
    /// Whether `digits` begin within the range; digits that are fewer than the range's do not.
    pub(super) fn holds(&self, digits: &str) -> bool {
        digits.as_bytes().get(..self.low.len()).is_some_and(|head| {
            self.low.as_bytes() <= head && head <= self.high.as_bytes() && head.iter().all(u8::is_ascii_digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_first_and_last_address_and_none_past_them() {
        let nets = ["10.0.0.0/8", "192.0.2.1", "11.0.0.0/8", "2001:db8::/32"];
        let nets = Net::merge(nets.iter().map(|t| Net::parse(t).unwrap()).collect());
        assert_eq!(nets.len(), 3);
        for (ip, held) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("11.255.255.255", true),
            ("12.0.0.0", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(Net::any_holds(&nets, Net::parse(ip).unwrap().first), held, "{ip}");
        }
    }
}
