//! Calls through the relay under test: caller, exchange point and callee as engines of this program.
//!
//! The caller is at the near side, its first hop is the relay; exchange point and callee are at the far side. One caller has
//! all the calls, each over a circuit of its own.

use crate::channel::Channel;
use crate::{Fault, keys};
use cell::layout::{DATAGRAM_BYTES, Datagram};
use kx::engine::{Engine, Tun};
use kx::event::{Command, Event};
use kx::ip::{UDP, build, parse};
use kx::outbox::Outbox;
use kx::peer::Peer;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(15);
/// Calls to one pseudo-identity: of more callers an exchange point wants work.
const CALLS_EACH: usize = 32;
/// Between two builds: a relay lets one link begin a hundred circuits a second.
const BUILD_EVERY: Duration = Duration::from_millis(30);
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

/// One call: a packet of the caller's and one of the callee's, as their devices would hand them over.
struct Call {
    forward: Vec<u8>,
    backward: Vec<u8>,
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
    calls: Vec<Call>,
    events: Vec<Event>,
    /// What the callee's device was handed last.
    delivered: Vec<u8>,
    heard_by_caller: Vec<u64>,
    heard_by_callee: Vec<u64>,
}

impl Through {
    /// Builds so many calls. `near` and `far` are open in their namespaces.
    pub(crate) fn connect(
        near: (Channel, SocketAddr),
        far: (Channel, SocketAddr),
        relay: Peer,
        calls: usize,
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
            calls: Vec::new(),
            events: Vec::new(),
            delivered: Vec::new(),
            heard_by_caller: Vec::new(),
            heard_by_callee: Vec::new(),
        };
        for call in 0..calls {
            through.build(call)?;
        }
        Ok(through)
    }

    fn build(&mut self, call: usize) -> Result<(), Fault> {
        let exchange = self.exchange.peer;
        let pseudo_identity = [(call / CALLS_EACH) as u8 + 1; 32];
        let tunnel = call as u32 + 1000;
        if call.is_multiple_of(CALLS_EACH) {
            let tunnel = call as u32 + 1;
            let path = vec![exchange];
            let incoming = Command::BuildIncoming { tunnel, pseudo_identity, path, token: [1; 32] };
            let now = self.now();
            self.callee.engine.handle_command(now, incoming, &mut self.out);
            self.flush(2);
            self.wait_ready(tunnel)?;
        } else {
            let end = Instant::now() + BUILD_EVERY;
            while Instant::now() < end {
                self.serve();
            }
        }
        let path = vec![self.relay, exchange];
        let mut token = [2; 32];
        token[..4].copy_from_slice(&tunnel.to_be_bytes());
        let outgoing = Command::BuildOutgoing { tunnel, pseudo_identity, path, token };
        let now = self.now();
        self.caller.engine.handle_command(now, outgoing, &mut self.out);
        self.flush(0);
        let callee = self.wait_ready(tunnel)?.ok_or("the tunnel has no address")?;
        let forward = packet("10.77.0.1".parse()?, callee, 4000, 5060);
        self.calls.push(Call { forward, backward: Vec::new() });
        self.delivered.clear();
        self.speak_forward(call, 0);
        let end = Instant::now() + PATIENCE;
        while self.delivered.is_empty() && Instant::now() < end {
            self.serve();
        }
        let caller = parse(&self.delivered).ok_or("a call carries nothing")?.source;
        self.calls[call].backward = packet("10.78.0.1".parse()?, caller, 5060, 4000);
        Ok(())
    }

    /// The caller of a call says something, with a number in it.
    pub(crate) fn speak_forward(&mut self, call: usize, number: u64) {
        let now = self.now();
        write_number(&mut self.calls[call].forward, number);
        self.caller.engine.handle_packet(now, &self.calls[call].forward, &mut self.out);
        self.flush(0);
    }

    /// The callee of a call says something, with a number in it.
    pub(crate) fn speak_backward(&mut self, call: usize, number: u64) {
        let now = self.now();
        write_number(&mut self.calls[call].backward, number);
        self.callee.engine.handle_packet(now, &self.calls[call].backward, &mut self.out);
        self.flush(2);
    }

    /// The numbers of what has come to the caller since the last call, and to the callee.
    pub(crate) fn take_heard(&mut self) -> (std::vec::Drain<'_, u64>, std::vec::Drain<'_, u64>) {
        (self.heard_by_caller.drain(..), self.heard_by_callee.drain(..))
    }

    fn wait_ready(&mut self, wanted: u32) -> Result<Option<IpAddr>, Fault> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.serve();
            for event in self.events.drain(..) {
                match event {
                    Event::TunnelReady { tunnel, address, .. } if tunnel == wanted => return Ok(address),
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
        for packet in out.packets() {
            let heard = if node == 2 { &mut self.heard_by_callee } else { &mut self.heard_by_caller };
            heard.extend(read_number(packet));
            if node == 2 {
                self.delivered.clear();
                self.delivered.extend_from_slice(packet);
            }
        }
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

    /// Cells of the first call, ready to be sent to the relay.
    pub(crate) fn cells(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        let now = self.now();
        let mut bytes = Vec::with_capacity(count * DATAGRAM_BYTES);
        while bytes.len() < count * DATAGRAM_BYTES {
            self.caller.engine.handle_packet(now, &self.calls[0].forward, &mut self.out);
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

/// Where the payload of a voice packet begins in IPv4.
const NUMBER_AT: usize = 28;

fn write_number(packet: &mut [u8], number: u64) {
    if let Some(bytes) = packet.get_mut(NUMBER_AT..NUMBER_AT + 8) {
        bytes.copy_from_slice(&number.to_be_bytes());
    }
}

fn read_number(packet: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*packet.get(NUMBER_AT..)?.first_chunk()?))
}

/// A voice packet.
pub(crate) fn packet(
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
) -> Vec<u8> {
    let mut datagram = [source_port.to_be_bytes(), destination_port.to_be_bytes()].concat();
    datagram.extend_from_slice(&(8 + PAYLOAD_BYTES as u16).to_be_bytes());
    datagram.resize(8 + PAYLOAD_BYTES, 0);
    let mut bytes = Vec::new();
    build(&mut bytes, UDP, source, destination, &datagram);
    bytes
}
