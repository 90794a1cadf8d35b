//! A call through the relay under test: caller, exchange point and callee as engines of this program.
//!
//! The caller is at the near side, its first hop is the relay; exchange point and callee are at the far side. Cells are made
//! ahead, so that the measuring costs as little as possible while it measures.

use crate::channel::Channel;
use crate::{Fault, keys};
use cell::layout::{DATAGRAM_BYTES, Datagram};
use kx::engine::{Engine, Tun};
use kx::event::{Command, Event};
use kx::ip::{UDP, build};
use kx::outbox::Outbox;
use kx::peer::Peer;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(15);
const PSEUDO_IDENTITY: [u8; 32] = [7; 32];
/// As voice has it.
const PAYLOAD_BYTES: usize = 160;

struct Node {
    engine: Engine,
    peer: Peer,
}

impl Node {
    fn new(address: SocketAddr, tun: Option<Tun>) -> Result<Self, Fault> {
        let config = keys::new_peer(tun)?;
        let peer = Peer { identity: config.identity, address };
        Ok(Self { engine: Engine::new(config), peer })
    }
}

pub(crate) struct Through {
    pub(crate) near: Channel,
    pub(crate) far: Channel,
    caller: Node,
    exchange: Node,
    callee: Node,
    /// The relay as the caller knows it.
    pub(crate) relay: Peer,
    started: Instant,
    out: Outbox,
    packet: Vec<u8>,
    events: Vec<Event>,
}

impl Through {
    /// Builds the call. `near` and `far` are open in their namespaces.
    pub(crate) fn connect(
        near: (Channel, SocketAddr),
        far: (Channel, SocketAddr),
        relay: Peer,
    ) -> Result<Self, Fault> {
        let tun = |address: &str| -> Result<Tun, Fault> {
            Ok(Tun { address: address.parse()?, prefix: 16, allow: None })
        };
        // The callee needs no socket: it talks to the exchange point only, which is in the same program.
        let callee = SocketAddr::new(far.1.ip(), far.1.port() + 1);
        let mut through = Self {
            near: near.0,
            far: far.0,
            caller: Node::new(near.1, Some(tun("10.77.0.1")?))?,
            exchange: Node::new(far.1, None)?,
            callee: Node::new(callee, Some(tun("10.78.0.1")?))?,
            relay,
            started: Instant::now(),
            out: Outbox::default(),
            packet: Vec::new(),
            events: Vec::new(),
        };
        through.build()?;
        Ok(through)
    }

    fn build(&mut self) -> Result<(), Fault> {
        let exchange = self.exchange.peer;
        let now = self.now();
        let incoming = Command::BuildIncoming {
            tunnel: 1,
            pseudo_identity: PSEUDO_IDENTITY,
            path: vec![exchange],
            token: [1; 32],
        };
        self.callee.engine.handle_command(now, incoming, &mut self.out);
        self.flush(2);
        self.wait_ready(1)?;
        let outgoing = Command::BuildOutgoing {
            tunnel: 2,
            pseudo_identity: PSEUDO_IDENTITY,
            path: vec![self.relay, exchange],
            token: [2; 32],
        };
        let now = self.now();
        self.caller.engine.handle_command(now, outgoing, &mut self.out);
        self.flush(0);
        let address = self.wait_ready(2)?.ok_or("the tunnel has no address")?;
        let mut datagram = vec![0x0f, 0xa0, 0x13, 0xc4];
        datagram.extend_from_slice(&(8 + PAYLOAD_BYTES as u16).to_be_bytes());
        datagram.extend_from_slice(&[0, 0]);
        datagram.resize(8 + PAYLOAD_BYTES, 7);
        build(&mut self.packet, UDP, "10.77.0.1".parse()?, address, &datagram);
        Ok(())
    }

    fn wait_ready(&mut self, wanted: u32) -> Result<Option<IpAddr>, Fault> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.serve();
            for event in self.events.drain(..) {
                match event {
                    Event::TunnelReady { tunnel, address } if tunnel == wanted => return Ok(address),
                    Event::TunnelReady { .. } => {}
                    other => return Err(format!("the call was not built: {other:?}").into()),
                }
            }
        }
        Err("the call was not built in time".into())
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the call is still there.
    pub(crate) fn check(&mut self) -> Result<(), Fault> {
        match self.events.drain(..).find(|event| !matches!(event, Event::TunnelReady { .. })) {
            Some(event) => Err(format!("the call has broken: {event:?}").into()),
            None => Ok(()),
        }
    }

    /// Takes what has come on both sides and lets time pass.
    pub(crate) fn serve(&mut self) {
        let rows: Vec<_> = self.far.receive().map(|row| (row.from, row.bytes.to_vec())).collect();
        for (from, mut row) in rows {
            for datagram in row.chunks_exact_mut(DATAGRAM_BYTES) {
                self.take(1, from, datagram);
            }
        }
        self.serve_near();
    }

    /// Takes what has come on the near side and lets time pass.
    pub(crate) fn serve_near(&mut self) {
        let rows: Vec<_> = self.near.receive().map(|row| (row.from, row.bytes.to_vec())).collect();
        for (from, mut row) in rows {
            for datagram in row.chunks_exact_mut(DATAGRAM_BYTES) {
                self.take(0, from, datagram);
            }
        }
        let now = self.now();
        for node in 0..3 {
            let engine = &mut [&mut self.caller, &mut self.exchange, &mut self.callee][node].engine;
            if engine.next_timeout().is_some_and(|at| at <= now) {
                engine.handle_timeout(now, &mut self.out);
                self.flush(node);
            }
        }
    }

    /// Hands a datagram to the exchange point; whether it was a cell of the call.
    pub(crate) fn take_far(&mut self, from: SocketAddr, datagram: &mut [u8]) -> bool {
        let before = self.exchange.engine.counters().cells_relayed;
        self.take(1, from, datagram);
        self.exchange.engine.counters().cells_relayed > before
    }

    fn take(&mut self, node: usize, from: SocketAddr, datagram: &mut [u8]) {
        let Ok(datagram) = <&mut Datagram>::try_from(datagram) else { return };
        let now = self.now();
        let to = [&mut self.caller, &mut self.exchange, &mut self.callee];
        if let Some(node) = to.into_iter().nth(node) {
            node.engine.handle_datagram(now, from, datagram, &mut self.out);
        }
        self.flush(node);
    }

    /// Sends what a node wants sent; what stays in this program is handed over.
    fn flush(&mut self, node: usize) {
        let mut out = std::mem::take(&mut self.out);
        self.events.append(&mut out.events);
        let from = [self.caller.peer, self.exchange.peer, self.callee.peer][node].address;
        for transmit in &mut out.datagrams {
            if node == 0 {
                self.near.send(transmit.to, &transmit.datagram);
            } else if transmit.to == self.callee.peer.address {
                self.take(2, from, &mut transmit.datagram);
            } else if transmit.to == self.exchange.peer.address {
                self.take(1, from, &mut transmit.datagram);
            } else {
                self.far.send(transmit.to, &transmit.datagram);
            }
        }
        out.clear();
        self.out = out;
    }

    /// Cells of the call, ready to be sent to the relay.
    pub(crate) fn cells(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        let now = self.now();
        let mut bytes = Vec::with_capacity(count * DATAGRAM_BYTES);
        while bytes.len() < count * DATAGRAM_BYTES {
            self.caller.engine.handle_packet(now, &self.packet, &mut self.out);
            if self.out.datagrams.is_empty() {
                return Err("the call takes no packets any more".into());
            }
            for transmit in &self.out.datagrams {
                bytes.extend_from_slice(&transmit.datagram);
            }
            self.out.clear();
        }
        Ok(bytes)
    }
}
