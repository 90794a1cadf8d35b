//! A peer that floods a relay with what an honest one may send, as fast as it can: cells that come back through a splice of its own,
//! circuits begun, handshakes and noise. Until standard input ends.

use crate::channel::Channel;
use crate::drive::parse_relay;
use crate::through::packet;
use crate::{Fault, keys, options};
use cell::layout::{DATAGRAM_BYTES, Datagram, Kind};
use kx::engine::{Engine, Tun};
use kx::event::{Command, Event};
use kx::outbox::Outbox;
use kx::peer::Peer;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Cells of the splice in one burst, and how often circuits are begun.
const BURST: usize = 64;
const BUILD_EVERY: Duration = Duration::from_millis(2);

pub(crate) fn run(arguments: &[&str]) -> Result<(), Fault> {
    let (_, named) = options(arguments)?;
    let from = named.iter().find(|(name, _)| *name == "from").ok_or("--from is missing")?.1;
    let (namespace, address) = from.split_once(',').ok_or("NAMESPACE,ADDRESS is wanted")?;
    let address: SocketAddr = address.parse()?;
    let (relay, _) = parse_relay(&named)?;
    let tun = Tun { address: "10.79.0.1".parse()?, prefix: 16, allow: None };
    let engine = Engine::new(keys::new_peer(Some(tun))?);
    let mut channel = Channel::bind_in(namespace, address, true)?;
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    std::thread::spawn(move || {
        crate::wait_for_end();
        told.store(true, Ordering::Release);
    });
    let mut flood = Flood { engine, relay, started: Instant::now(), out: Outbox::default(), sent: 0 };
    flood.splice(&mut channel)?;
    println!("{{\"flooding\":true}}");
    flood.flow(&mut channel, &over)?;
    println!("{{\"sent\":{}}}", flood.sent);
    Ok(())
}

struct Flood {
    engine: Engine,
    relay: Peer,
    started: Instant,
    out: Outbox,
    sent: u64,
}

impl Flood {
    /// Registers at the relay and calls itself there.
    fn splice(&mut self, channel: &mut Channel) -> Result<(), Fault> {
        let path = vec![self.relay];
        let pseudo_identity = [9; 32];
        let incoming =
            Command::BuildIncoming { tunnel: 1, pseudo_identity, path: path.clone(), token: [1; 32] };
        self.order(incoming, channel);
        self.wait_ready(channel)?;
        self.order(Command::BuildOutgoing { tunnel: 2, pseudo_identity, path, token: [2; 32] }, channel);
        self.wait_ready(channel)?;
        Ok(())
    }

    fn wait_ready(&mut self, channel: &mut Channel) -> Result<(), Fault> {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if self.serve(channel).iter().any(|event| matches!(event, Event::TunnelReady { .. })) {
                return Ok(());
            }
        }
        Err("the relay does not serve the flood".into())
    }

    fn flow(&mut self, channel: &mut Channel, over: &AtomicBool) -> Result<(), Fault> {
        // The first address of the network is the first flow's.
        let callee: IpAddr = "10.79.0.2".parse()?;
        let other: IpAddr = "10.79.0.3".parse()?;
        let own = "10.79.0.1".parse()?;
        let packets = [packet(own, callee, 4000, 5060), packet(own, other, 4000, 5060)];
        let (mut tunnel, mut built, mut noise) = (10, Instant::now(), [0x5a; DATAGRAM_BYTES]);
        while !over.load(Ordering::Acquire) {
            for at in 0..BURST {
                let now = self.started.elapsed();
                self.engine.handle_packet(now, &packets[at % 2], &mut self.out);
            }
            self.flush(channel);
            if built.elapsed() >= BUILD_EVERY {
                built = Instant::now();
                tunnel += 1;
                let mut pseudo_identity = [0; 32];
                pseudo_identity[..4].copy_from_slice(&u32::to_be_bytes(tunnel));
                let path = vec![self.relay];
                self.order(Command::BuildIncoming { tunnel, pseudo_identity, path, token: [3; 32] }, channel);
                // Strangers' datagrams of every kind.
                for kind in [Kind::Hello, Kind::Handshake, Kind::Sealed, Kind::Lost] {
                    noise[0] = kind as u8;
                    noise[1] = 1 + (tunnel % 3) as u8;
                    noise[4..8].copy_from_slice(&tunnel.wrapping_mul(0x9e37_79b9).to_be_bytes());
                    self.sent += u64::from(channel.send(self.relay.address, &noise));
                }
            }
            self.serve(channel);
        }
        Ok(())
    }

    fn order(&mut self, command: Command, channel: &Channel) {
        let now = self.started.elapsed();
        self.engine.handle_command(now, command, &mut self.out);
        self.flush(channel);
    }

    fn serve(&mut self, channel: &mut Channel) -> Vec<Event> {
        let rows: Vec<_> = channel.receive().map(|row| (row.from, row.bytes.to_vec())).collect();
        let now = self.started.elapsed();
        for (from, mut row) in rows {
            for datagram in row.chunks_exact_mut(DATAGRAM_BYTES) {
                if let Ok(datagram) = <&mut Datagram>::try_from(datagram) {
                    self.engine.handle_datagram(now, from, datagram, &mut self.out);
                }
            }
        }
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now, &mut self.out);
        }
        let events = std::mem::take(&mut self.out.events);
        self.flush(channel);
        events
    }

    fn flush(&mut self, channel: &Channel) {
        let mut row = Vec::new();
        for transmit in &self.out.datagrams {
            row.extend_from_slice(&transmit.datagram);
        }
        self.sent += (row.len() / DATAGRAM_BYTES) as u64;
        channel.send(self.relay.address, &row);
        self.out.clear();
    }
}
