//! How a peer is named: by identity and address, never by either alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// SHA-256 of a hostkey's SubjectPublicKeyInfo.
pub type Identity = [u8; 32];

/// A peer as somebody announces it: to be believed only once its link proves the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Who must answer there.
    pub identity: Identity,
    /// Where.
    pub address: SocketAddr,
}

/// Bytes of [`Peer::encode`].
pub const PEER_BYTES: usize = 54;

impl Peer {
    /// identity 32 ‖ port 2 ‖ IPv4 4 ‖ IPv6 16, the absent family zero.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.identity);
        out.extend_from_slice(&self.address.port().to_be_bytes());
        match self.address.ip() {
            IpAddr::V4(ip) => {
                out.extend_from_slice(&ip.octets());
                out.extend_from_slice(&[0; 16]);
            }
            IpAddr::V6(ip) => {
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(&ip.octets());
            }
        }
    }

    /// Reads what [`Peer::encode`] wrote; `None` for another length, port 0, no address or one that
    /// is not a single machine's.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; PEER_BYTES] = bytes.try_into().ok()?;
        let identity = *bytes.first_chunk()?;
        let port = u16::from_be_bytes([bytes[32], bytes[33]]);
        let v4 = Ipv4Addr::from(*bytes[34..].first_chunk::<4>()?);
        let v6 = Ipv6Addr::from(*bytes[38..].first_chunk::<16>()?);
        let ip: IpAddr = match (v4.is_unspecified(), v6.is_unspecified()) {
            (false, _) => v4.into(),
            (true, false) => v6.into(),
            (true, true) => return None,
        };
        // One machine must not have two names, and a peer is one machine.
        let is_one = !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST) && ip.to_canonical() == ip;
        (port != 0 && is_one).then_some(Self { identity, address: SocketAddr::new(ip, port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_reads_back_and_one_without_address_does_not() {
        for address in ["10.0.0.1:3001", "[fd00::1]:3001"] {
            let peer = Peer { identity: [4; 32], address: address.parse().unwrap() };
            let mut bytes = Vec::new();
            peer.encode(&mut bytes);
            assert_eq!(Peer::decode(&bytes), Some(peer));
            assert_eq!(Peer::decode(&bytes[1..]), None);
            bytes[34..].fill(0);
            assert_eq!(Peer::decode(&bytes), None);
        }
    }

    #[test]
    fn groups_broadcast_and_second_names_of_an_address_are_no_peers() {
        for address in
            ["224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1", "[::ffff:10.0.0.1]:1", "10.0.0.1:0"]
        {
            let peer = Peer { identity: [4; 32], address: address.parse().unwrap() };
            let mut bytes = Vec::new();
            peer.encode(&mut bytes);
            assert_eq!(Peer::decode(&bytes), None, "{address}");
        }
    }
}
