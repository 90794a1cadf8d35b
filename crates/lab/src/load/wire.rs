//! The wire between two ends of wireguard-go, far end's side: what comes out of the near one passes here.
//!
//! It hands everything on, so that the two can shake hands, or counts data and hands on only the first of it: enough to see that it
//! is what was sent, too little to make the far end a burden to the near one.

use crate::Fault;
use crate::channel::Channel;
use crate::generator::{PACKET_BYTES, number_of};
use std::net::{SocketAddr, UdpSocket};

/// First byte of a datagram that carries a packet.
const DATA: u8 = 4;
/// Header, packet padded to whole blocks of 16, tag.
const DATA_BYTES: usize = 16 + PACKET_BYTES.next_multiple_of(16) + 16;
/// Handed on in a round.
const SAMPLE: u64 = 32;

pub(crate) struct Wire {
    pub(crate) channel: Channel,
    near: Option<SocketAddr>,
    behind: SocketAddr,
    /// Takes what the far end has decrypted.
    delivered: UdpSocket,
    /// Packets that came out of the far end as they went in.
    pub(crate) heard: u64,
}

impl Wire {
    /// `behind`: where the far wireguard-go listens; `delivered`: where its packets are addressed to.
    pub(crate) fn new(channel: Channel, behind: SocketAddr, delivered: SocketAddr) -> Result<Self, Fault> {
        let delivered = UdpSocket::bind(delivered)?;
        delivered.set_nonblocking(true)?;
        Ok(Self { channel, near: None, behind, delivered, heard: 0 })
    }

    /// Takes what has come; `counted` data so far, after `SAMPLE` of which it goes no further. How much data there was.
    pub(crate) fn serve(&mut self, counted: Option<u64>) -> u64 {
        let mut data = 0;
        let mut on: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        for row in self.channel.receive() {
            let is_data = row.bytes.len() == DATA_BYTES && row.bytes[0] == DATA;
            if row.from == self.behind {
                on.extend(self.near.map(|near| (near, row.bytes.to_vec())));
                continue;
            }
            self.near = Some(row.from);
            data += u64::from(is_data);
            if !is_data || counted.is_none_or(|counted| counted + data <= SAMPLE) {
                on.push((self.behind, row.bytes.to_vec()));
            }
        }
        for (to, bytes) in on {
            self.channel.send(to, &bytes);
        }
        let mut bytes = [0; PACKET_BYTES];
        while let Ok(length) = self.delivered.recv(&mut bytes) {
            self.heard += u64::from(number_of(&bytes[..length]).is_some());
        }
        data
    }
}
