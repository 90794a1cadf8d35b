//! What the engine wants done after an input: datagrams to send, IP packets for the TUN device, events to report.
//!
//! The caller keeps one outbox, drains it after every burst of inputs and hands it in again, so its buffers are
//! allocated once.

use crate::event::Event;
use crate::parcel::Parcel;
use cell::layout::Datagram;
use std::net::SocketAddr;

/// One datagram and where it goes.
#[derive(Clone)]
pub struct Transmit {
    /// Destination.
    pub to: SocketAddr,
    /// What it must be fair to where the line is slow: a circuit on a link, or what is of no circuit.
    pub lane: u64,
    /// Always of the one size.
    pub datagram: Datagram,
}

/// Reusable buffers for everything that leaves the engine.
#[derive(Default)]
pub struct Outbox {
    /// In order of sending.
    pub datagrams: Vec<Transmit>,
    /// Events, oldest first.
    pub events: Vec<Event>,
    /// For this peer's other engines: shard and what is for it.
    pub parcels: Vec<(usize, Parcel)>,
    bytes: Vec<u8>,
    packet_ends: Vec<usize>,
}

impl Outbox {
    /// Queues a datagram of no circuit.
    pub fn send(&mut self, to: SocketAddr, datagram: &Datagram) {
        self.send_in(0, to, datagram);
    }

    /// Queues a datagram of a lane.
    pub fn send_in(&mut self, lane: u64, to: SocketAddr, datagram: &Datagram) {
        self.datagrams.push(Transmit { to, lane, datagram: *datagram });
    }

    /// Queues an IP packet for the TUN device; `write` appends its bytes.
    pub fn packet(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.packet_ends.push(self.bytes.len());
    }

    /// The queued IP packets, in order.
    pub fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.packet_ends.iter().copied());
        starts.zip(&self.packet_ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// Empties everything, keeping the buffers.
    pub fn clear(&mut self) {
        self.datagrams.clear();
        self.events.clear();
        self.parcels.clear();
        self.bytes.clear();
        self.packet_ends.clear();
    }
}
