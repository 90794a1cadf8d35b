//! What a tunnel's end talks to: three hops, the last of them the exchange point, and the callee, as engines of this program.
//!
//! Only the first hop has a socket. What it receives can be put by and be worked through later, so that while a rate is measured
//! none of their cryptography runs; the callee speaks meanwhile, as in a call, and so the tunnel's end sees its link alive.

use crate::channel::Channel;
use crate::generator::number_of;
use crate::through::packet as packet_for;
use crate::{Fault, keys};
use cell::layout::{DATAGRAM_BYTES, Datagram};
use kx::engine::{Engine, Tun};
use kx::event::{Command, Event};
use kx::ip::{parse, ports};
use kx::outbox::Outbox;
use kx::peer::Peer;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CALLEE: usize = 3;
const SPEAK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(15);

struct Node {
    engine: Engine,
    peer: Peer,
}

pub(crate) struct Ends {
    pub(crate) channel: Channel,
    nodes: Vec<Node>,
    registered: bool,
    under_way: VecDeque<(usize, SocketAddr, Datagram)>,
    out: Outbox,
    started: Instant,
    /// What the callee says to the caller, once it knows of him.
    speech: Option<Vec<u8>>,
    spoken: Instant,
    /// Numbers of the packets that came out at the callee as they went in.
    pub(crate) heard: Vec<u64>,
    /// Packets that did not.
    pub(crate) spoiled: u64,
}

impl Ends {
    /// The callee registers at the exchange point. `channel` is the first hop's.
    pub(crate) fn new(channel: Channel, address: SocketAddr) -> Result<Self, Fault> {
        let mut nodes = Vec::new();
        for index in 0..=CALLEE {
            let tun = Tun { address: "10.78.0.1".parse()?, prefix: 16, allow: None };
            let config = keys::new_peer((index == CALLEE).then_some(tun))?;
            let address = SocketAddr::new(address.ip(), address.port() + index as u16);
            let peer = Peer { identity: config.identity, address };
            nodes.push(Node { engine: Engine::new(config), peer });
        }
        let mut ends = Self {
            channel,
            nodes,
            registered: false,
            under_way: VecDeque::new(),
            out: Outbox::default(),
            started: Instant::now(),
            speech: None,
            spoken: Instant::now(),
            heard: Vec::new(),
            spoiled: 0,
        };
        let path = vec![ends.nodes[CALLEE - 1].peer];
        let register = Command::BuildIncoming { tunnel: 1, pseudo_identity: [1; 32], path, token: [1; 32] };
        ends.nodes[CALLEE].engine.handle_command(ends.started.elapsed(), register, &mut ends.out);
        let end = Instant::now() + PATIENCE;
        ends.deliver(CALLEE)?;
        while !ends.registered && Instant::now() < end {
            ends.pass_time()?;
        }
        if ends.registered { Ok(ends) } else { Err("the callee was not registered".into()) }
    }

    /// The hops that a tunnel's end is to build its circuit over.
    pub(crate) fn path(&self) -> impl Iterator<Item = &Peer> {
        self.nodes[..CALLEE].iter().map(|node| &node.peer)
    }

    /// Takes what has come to the first hop and lets time pass.
    pub(crate) fn serve(&mut self) -> Result<(), Fault> {
        let rows: Vec<_> = self.channel.receive().map(|row| (row.from, row.bytes.to_vec())).collect();
        for (from, mut row) in rows {
            self.work(from, &mut row)?;
        }
        self.pass_time()
    }

    /// [`Ends::serve`], where it is time again; for loops that have something else to do.
    pub(crate) fn attend(&mut self) -> Result<(), Fault> {
        if self.spoken.elapsed() < SPEAK_EVERY { Ok(()) } else { self.serve() }
    }

    /// Works through a row of datagrams that came to the first hop.
    pub(crate) fn work(&mut self, from: SocketAddr, row: &mut [u8]) -> Result<(), Fault> {
        let now = self.started.elapsed();
        for datagram in row.chunks_exact_mut(DATAGRAM_BYTES) {
            if let Ok(datagram) = <&mut Datagram>::try_from(datagram) {
                self.nodes[0].engine.handle_datagram(now, from, datagram, &mut self.out);
            }
        }
        self.deliver(0)
    }

    /// The callee says something, where it is time: the beat of a call.
    pub(crate) fn speak(&mut self) -> Result<(), Fault> {
        if self.spoken.elapsed() < SPEAK_EVERY {
            return Ok(());
        }
        self.spoken = Instant::now();
        let Some(speech) = &self.speech else { return Ok(()) };
        self.nodes[CALLEE].engine.handle_packet(self.started.elapsed(), speech, &mut self.out);
        self.deliver(CALLEE)
    }

    pub(crate) fn pass_time(&mut self) -> Result<(), Fault> {
        let now = self.started.elapsed();
        for index in 0..self.nodes.len() {
            let engine = &mut self.nodes[index].engine;
            if engine.next_timeout().is_some_and(|at| at <= now) {
                engine.handle_timeout(now, &mut self.out);
                self.deliver(index)?;
            }
        }
        self.speak()
    }

    /// Hands on what a node wants sent, until nothing is under way between the nodes.
    fn deliver(&mut self, node: usize) -> Result<(), Fault> {
        self.collect(node)?;
        while let Some((to, from, mut datagram)) = self.under_way.pop_front() {
            let now = self.started.elapsed();
            self.nodes[to].engine.handle_datagram(now, from, &mut datagram, &mut self.out);
            self.collect(to)?;
        }
        Ok(())
    }

    fn collect(&mut self, node: usize) -> Result<(), Fault> {
        let from = self.nodes[node].peer.address;
        for transmit in &self.out.datagrams {
            match self.nodes.iter().position(|other| other.peer.address == transmit.to) {
                Some(to) => self.under_way.push_back((to, from, transmit.datagram)),
                None => {
                    self.channel.send(transmit.to, &transmit.datagram);
                }
            }
        }
        for bytes in self.out.packets() {
            let Some(packet) = parse(bytes) else { continue };
            let (source, destination) = ports(packet.transport);
            match number_of(&packet.transport[8..]) {
                Some(number) => self.heard.push(number),
                None => self.spoiled += 1,
            }
            self.speech
                .get_or_insert_with(|| packet_for(packet.destination, packet.source, destination, source));
        }
        let mut broken = None;
        for event in self.out.events.drain(..) {
            match event {
                Event::TunnelReady { .. } => self.registered = true,
                Event::TunnelLossy { .. } => {}
                other => broken = Some(format!("the call has broken: {other:?}")),
            }
        }
        self.out.clear();
        broken.map_or(Ok(()), |fault| Err(fault.into()))
    }
}
