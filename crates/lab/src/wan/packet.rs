//! Where an IP packet is to go. Nothing else of it is looked at, and nothing changed: no TTL goes down.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The destination; `None` for what is no IPv4 or IPv6 packet with a whole header.
pub(crate) fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 if packet.len() >= 20 => {
            Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?).into())
        }
        6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_families_are_read_and_nothing_shorter_than_a_header() {
        let mut four = [0; 20];
        four[0] = 0x45;
        four[16..].copy_from_slice(&[10, 1, 2, 3]);
        assert_eq!(destination(&four), Some("10.1.2.3".parse().unwrap()));
        let mut six = [0; 40];
        (six[0], six[39]) = (0x60, 7);
        assert_eq!(destination(&six), Some("::7".parse().unwrap()));
        for length in 0..40 {
            assert_eq!(destination(&six[..length]), None);
            assert_eq!(destination(&four[..length.min(19)]), None);
            assert_eq!(destination(&[0xff; 40][..length]), None);
        }
    }
}
