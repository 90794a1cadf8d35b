//! What one packet costs the engine at a tunnel's end: from the TUN device into sealed datagrams, and from datagrams into a
//! packet for the device. Three hops' layers, the end-to-end layer and the link; no system calls.
//!
//! Rounds alternate with rounds of AES-128-GCM over the same number of datagrams, the baseline. One line for people and one JSON
//! line for each size and way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../tests/support/mod.rs"]
mod support;

use cell::layout::{DATAGRAM_BYTES, Datagram};
use cell::link::LinkKey;
use kx::event::{Command, Event};
use kx::ip::{UDP, build};
use kx::outbox::Outbox;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use support::{Network, tun_address};

const CALLEE: usize = 0;
const CALLER: usize = 6;
const PACKETS: usize = 64;
const ROUNDS: usize = 500;

type Sent = Rc<RefCell<Vec<(SocketAddr, SocketAddr, Datagram)>>>;

fn main() {
    let mut network = Network::new(7);
    let pseudo_identity = [77; 32];
    let path = network.peers(&[1, 2, 3]);
    network.command(CALLEE, Command::BuildIncoming { tunnel: 1, pseudo_identity, path, token: [1; 32] });
    assert!(network.wait(|n| n.nodes[CALLEE].events.len() == 1));
    let path = network.peers(&[4, 5, 3]);
    network.command(CALLER, Command::BuildOutgoing { tunnel: 2, pseudo_identity, path, token: [2; 32] });
    assert!(network.wait(|n| n.nodes[CALLER].events.len() == 1));
    let Event::TunnelReady { address: Some(callee), .. } = network.nodes[CALLER].events[0] else {
        panic!("not ready")
    };
    let sent = Sent::default();
    let record = sent.clone();
    network.mangle = Box::new(move |from, to, datagram| {
        record.borrow_mut().push((from, to, datagram));
        Vec::new()
    });
    for size in [200, 1280, 1409] {
        let mut transport = vec![0x0f, 0xa0, 0x13, 0xc4];
        transport.extend_from_slice(&(size as u16 - 20).to_be_bytes());
        transport.resize(size - 20, 7);
        let mut packet = Vec::new();
        build(&mut packet, UDP, tun_address(CALLER), callee, &transport);
        measure(&mut network, &sent, size, &packet);
    }
}

fn measure(network: &mut Network, sent: &Sent, size: usize, packet: &[u8]) {
    let key = LinkKey::new(&[1; 16]);
    let [mut outward, mut inward, mut plain]: [Vec<f64>; 3] = Default::default();
    let mut out = Outbox::default();
    let mut cells = 0;
    for round in 0..ROUNDS as u64 {
        let begun = Instant::now();
        for _ in 0..PACKETS {
            network.nodes[CALLER].engine.handle_packet(network.now, packet, &mut out);
        }
        outward.push(per_packet(begun));
        let from = network.nodes[CALLER].address;
        let leaving: Vec<_> = out.datagrams.iter().map(|one| (from, one.to, one.datagram)).collect();
        out.clear();
        cells = leaving.len() / PACKETS;

        let mut baseline = vec![[0; DATAGRAM_BYTES]; leaving.len()];
        let begun = Instant::now();
        for (index, datagram) in baseline.iter_mut().enumerate() {
            key.seal(7, round << 16 | index as u64, datagram);
        }
        plain.push(per_packet(begun));

        let mut arriving = carry(network, sent, leaving);
        let begun = Instant::now();
        for (from, _, datagram) in &mut arriving {
            network.nodes[CALLEE].engine.handle_datagram(network.now, *from, datagram, &mut out);
        }
        inward.push(per_packet(begun));
        assert_eq!(out.packets().count(), PACKETS);
        out.clear();
    }
    let plain = median(plain);
    for (way, time) in [("out", median(outward)), ("in", median(inward))] {
        let ratio = time / plain;
        println!(
            "{size}-byte packets {way}: {time:.0} ns each, {cells} cells, {ratio:.2} × one AES-128-GCM a cell"
        );
        println!(
            "{{\"bench\":\"tunnel_end\",\"way\":\"{way}\",\"bytes\":{size},\"cells\":{cells},\"ns\":{time:.0},\"ratio\":{ratio:.3}}}"
        );
    }
}

/// Through the hops of both sides, up to the callee.
fn carry(
    network: &mut Network,
    sent: &Sent,
    leaving: Vec<(SocketAddr, SocketAddr, Datagram)>,
) -> Vec<(SocketAddr, SocketAddr, Datagram)> {
    let mut under_way = leaving;
    for node in [4, 5, 3, 2, 1] {
        for (from, to, datagram) in under_way {
            assert_eq!(to, network.nodes[node].address);
            network.inject(node, from, datagram);
        }
        under_way = std::mem::take(&mut *sent.borrow_mut());
    }
    under_way
}

/// Nanoseconds.
fn per_packet(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e9 / PACKETS as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
