//! IP packets from and for the TUN device.
//!
//! Only protocol number and transport bytes travel: addresses, TTL, identification and options stay on this machine,
//! and the other end writes a header of its own. So one end may be IPv4 and the other IPv6. Parsers are total.

use crate::pieces::PIECE_BYTES;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Protocol number of TCP.
pub const TCP: u8 = 6;
/// Protocol number of UDP.
pub const UDP: u8 = 17;
const HOP_LIMIT: u8 = 64;
const V4_HEADER_BYTES: usize = 20;
const V6_HEADER_BYTES: usize = 40;
/// Transport header and payload of a full packet: five whole pieces, less the protocol number.
pub const FULL_TRANSPORT_BYTES: usize = 5 * PIECE_BYTES - 1;

/// The device's MTU where this is its address: a full packet leaves no piece half empty and is a full one at the other end too,
/// whatever the family there. IPv6 wants 1280 at least.
pub const fn mtu(address: IpAddr) -> u16 {
    let header = if address.is_ipv4() { V4_HEADER_BYTES } else { V6_HEADER_BYTES };
    (header + FULL_TRANSPORT_BYTES) as u16
}

/// What matters of a TCP or UDP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// [`TCP`] or [`UDP`].
    pub protocol: u8,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Transport header and payload.
    pub transport: &'a [u8],
}

/// Ports of a transport header that [`check_transport`] has passed.
pub fn ports(transport: &[u8]) -> (u16, u16) {
    (u16::from_be_bytes([transport[0], transport[1]]), u16::from_be_bytes([transport[2], transport[3]]))
}

/// Whether `transport` is a whole TCP or UDP header with its payload.
pub fn check_transport(protocol: u8, transport: &[u8]) -> bool {
    match protocol {
        TCP => {
            transport.len() >= 20 && {
                let header = usize::from(transport[12] >> 4) * 4;
                (20..=transport.len()).contains(&header)
            }
        }
        UDP => {
            transport.len() >= 8
                && usize::from(u16::from_be_bytes([transport[4], transport[5]])) == transport.len()
        }
        _ => false,
    }
}

/// Reads an IP packet; `None` for anything but an unfragmented, well-formed TCP or UDP packet.
pub fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    let packet = match bytes.first()? >> 4 {
        4 => parse_v4(bytes)?,
        6 => parse_v6(bytes)?,
        _ => return None,
    };
    check_transport(packet.protocol, packet.transport).then_some(packet)
}

fn parse_v4(bytes: &[u8]) -> Option<Packet<'_>> {
    let header: &[u8; 20] = bytes.first_chunk()?;
    let header_bytes = usize::from(header[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // More fragments, or not the first one.
    let fragmented = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header_bytes < 20 || fragmented {
        return None;
    }
    Some(Packet {
        protocol: header[9],
        source: Ipv4Addr::from(*header[12..].first_chunk::<4>()?).into(),
        destination: Ipv4Addr::from(*header[16..].first_chunk::<4>()?).into(),
        transport: bytes.get(header_bytes..total)?,
    })
}

fn parse_v6(bytes: &[u8]) -> Option<Packet<'_>> {
    let header: &[u8; 40] = bytes.first_chunk()?;
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    Some(Packet {
        protocol: header[6],
        source: Ipv6Addr::from(*header[8..].first_chunk::<16>()?).into(),
        destination: Ipv6Addr::from(*header[24..].first_chunk::<16>()?).into(),
        transport: bytes.get(40..40 + payload)?,
    })
}

/// Appends an IP packet around `transport` (which [`check_transport`] has passed), with fresh checksums.
/// Both addresses are of one family; mixed ones append nothing.
pub fn build(out: &mut Vec<u8>, protocol: u8, source: IpAddr, destination: IpAddr, transport: &[u8]) {
    let length = transport.len() as u16;
    let pseudo = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = [0; 20];
            header[0] = 0x45;
            header[2..4].copy_from_slice(&(20 + length).to_be_bytes());
            header[6] = 0x40; // do not fragment
            header[8] = HOP_LIMIT;
            header[9] = protocol;
            header[12..16].copy_from_slice(&source.octets());
            header[16..20].copy_from_slice(&destination.octets());
            let checksum = !fold(sum(&header));
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            out.extend_from_slice(&header);
            sum(&header[12..20])
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = [0; 40];
            header[0] = 0x60;
            header[4..6].copy_from_slice(&length.to_be_bytes());
            header[6] = protocol;
            header[7] = HOP_LIMIT;
            header[8..24].copy_from_slice(&source.octets());
            header[24..40].copy_from_slice(&destination.octets());
            out.extend_from_slice(&header);
            sum(&header[8..40])
        }
        _ => return,
    };
    let at = out.len() + if protocol == TCP { 16 } else { 6 };
    let start = out.len();
    out.extend_from_slice(transport);
    out[at..at + 2].fill(0);
    let total = pseudo + u64::from(protocol) + u64::from(length) + sum(&out[start..]);
    let checksum = match !fold(total) {
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    out[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// Sum of the big-endian 16-bit words. The native order is summed, four bytes at a time, and turned at the end: RFC 1071, 2.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_ne_bytes(last));
    u64::from(u16::from_be(fold(total)))
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn udp(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x13, 0xc4, 0x1f, 0x90];
        bytes.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_packet_keeps_its_transport_bytes_and_gets_new_addresses() {
        let transport = udp(b"hello");
        for (source, destination) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            let mut bytes = Vec::new();
            build(&mut bytes, UDP, source, destination, &transport);
            let packet = parse(&bytes).unwrap();
            assert_eq!((packet.source, packet.destination, packet.protocol), (source, destination, UDP));
            assert_eq!(packet.transport[8..], transport[8..]);
            assert_eq!(ports(packet.transport), (0x13c4, 0x1f90));
        }
    }

    #[test]
    fn a_full_packet_fills_its_pieces_and_holds_a_full_segment_in_both_families() {
        for (address, whole) in [("10.0.0.1", 1409), ("fd00::1", 1429)] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(mtu(address), whole);
            let headers = if address.is_ipv4() { 20 } else { 40 } + 20;
            assert_eq!(mtu(address) - headers, crate::tcp::SEGMENT_BYTES);
        }
        assert_eq!((FULL_TRANSPORT_BYTES + 1) % PIECE_BYTES, 0);
    }

    #[test]
    fn a_known_checksum_comes_out() {
        let mut bytes = Vec::new();
        let (a, b) = ("192.168.0.1".parse().unwrap(), "192.168.0.2".parse().unwrap());
        build(&mut bytes, UDP, a, b, &[0x04, 0xd2, 0x16, 0x2e, 0, 10, 0, 0, b'h', b'i']);
        // RFC 1071 over pseudo-header and datagram, worked by hand.
        let words: [u32; 10] = [0xc0a8, 0x0001, 0xc0a8, 0x0002, 17, 10, 0x04d2, 0x162e, 10, 0x6869];
        let sum: u32 = words.iter().sum();
        let expected = !(((sum & 0xffff) + (sum >> 16)) as u16);
        assert_eq!(bytes[26..28], expected.to_be_bytes());
        assert_eq!(fold(super::sum(&bytes[..20])), 0xffff);
    }

    #[test]
    fn fragments_options_and_other_protocols_are_told_apart() {
        let mut bytes = Vec::new();
        build(&mut bytes, UDP, "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), &udp(b"x"));
        assert!(parse(&bytes).is_some());
        for (at, value) in [(6, 0x20), (7, 1), (9, 1), (0, 0x44), (0, 0x55), (25, 3)] {
            let mut other = bytes.clone();
            other[at] = value;
            assert_eq!(parse(&other), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_words(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
            let plain = fold(bytes.chunks(2).map(word).sum());
            prop_assert_eq!(fold(super::sum(&bytes)), plain);
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), version in 0u8..16) {
            if let Some(first) = bytes.first_mut() {
                *first = *first & 15 | version << 4;
            }
            let _ = parse(&bytes);
        }
    }
}
