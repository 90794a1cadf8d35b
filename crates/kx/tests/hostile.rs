//! Mutations and replays in great numbers: none is delivered, every one is counted, and others do not notice.
//!
//! The path is caller 5, relays 4 and 1, exchange point 3, relays 2 and 1, callee 0; a second call, 7 to 6, goes through the same
//! relays. How many of each kind: the environment variable `HOSTILE_CELLS` (a few thousand by default; the goal of the project
//! takes a million). With it, one JSON line a test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use cell::layout::{BODY_AT, BODY_BYTES, CellHeader, Command, DATAGRAM_BYTES, Datagram, Kind};
use kx::attacks::{Attacks, Tamper};
use kx::event::Command as Order;
use std::cell::RefCell;
use std::collections::HashSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::scenario::{connect, counter, ready_address, udp};
use support::{Network, tun_address};

const BYSTANDER: [u8; 32] = [88; 32];
/// Copies of one datagram on the wire.
const COPIES: u64 = 5;
/// A relay lies about so many cells; keepalives must come through now and then, or the circuit is given up.
const LIES_ABOUT_ONE_IN: u64 = 12;

fn wanted() -> u64 {
    std::env::var("HOSTILE_CELLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

fn tell(what: &str, injected: u64, counted: u64) {
    if std::env::var_os("HOSTILE_CELLS").is_some() {
        println!(
            "{{\"bench\":\"hostile\",\"what\":\"{what}\",\"injected\":{injected},\"counted\":{counted},\"delivered\":0}}"
        );
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Two calls through the same relays; the addresses of both callees, and the second caller's as its callee sees it.
struct Calls {
    network: Network,
    callee: IpAddr,
    bystander: IpAddr,
    caller: IpAddr,
    spoken: u64,
    heard: u64,
}

impl Calls {
    /// `before_bystander` is told when the first call is there and the second is not.
    fn new(before_bystander: impl FnOnce(&mut Network)) -> Self {
        let mut network = Network::new(8);
        let callee = connect(&mut network);
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"first"));
        assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
        let caller = kx::ip::parse(&network.nodes[0].packets.remove(0)).unwrap().source;
        before_bystander(&mut network);
        let (to, from) = (network.peers(&[1, 2, 3]), network.peers(&[4, 1, 3]));
        let order = |path, tunnel| (path, tunnel, BYSTANDER, [tunnel as u8; 32]);
        let (path, tunnel, pseudo_identity, token) = order(to, 61);
        network.command(6, Order::BuildIncoming { tunnel, pseudo_identity, path, token });
        assert!(network.wait(|n| ready_address(n, 6, 61).is_some()));
        let (path, tunnel, pseudo_identity, token) = order(from, 71);
        network.command(7, Order::BuildOutgoing { tunnel, pseudo_identity, path, token });
        assert!(network.wait(|n| ready_address(n, 7, 71).is_some()));
        let bystander = ready_address(&network, 7, 71).flatten().unwrap();
        network.run(Duration::from_secs(1));
        Self { network, callee, bystander, caller, spoken: 0, heard: 0 }
    }

    /// One packet each way in the attacked call, one in the other.
    fn speak(&mut self) {
        let (callee, caller, bystander) = (self.callee, self.caller, self.bystander);
        self.network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
        self.network.packet(0, &udp(tun_address(0), caller, 5060, 4000, &[8; 160]));
        self.network.packet(7, &udp(tun_address(7), bystander, 4000, 5060, &[9; 160]));
        self.spoken += 1;
        self.network.run(Duration::from_millis(4));
        self.heard += self.network.nodes[6].packets.drain(..).count() as u64;
    }

    /// Packets that came through the attacked call, both ways together, since the last time; each as it was sent.
    fn delivered(&mut self) -> u64 {
        let mut count = 0;
        for (node, spoken) in [(0, [7; 160]), (5, [8; 160])] {
            for packet in self.network.nodes[node].packets.drain(..) {
                assert!(packet.ends_with(&spoken), "something else was delivered");
                count += 1;
            }
        }
        count
    }

    fn finish(&mut self) {
        self.network.run(Duration::from_secs(1));
        self.heard += self.network.nodes[6].packets.drain(..).count() as u64;
        assert_eq!(self.heard, self.spoken, "the call beside it has lost something");
    }

    fn sum(&self, names: &[&str]) -> u64 {
        (0..8).map(|node| names.iter().map(|name| counter(&self.network, node, name)).sum::<u64>()).sum()
    }
}

/// What the wire did: genuine sealed datagrams, and what was put beside them.
#[derive(Default)]
struct Wire {
    genuine: u64,
    injected: u64,
    over: bool,
}

/// Every datagram of every link gets company.
fn on_the_wire(what: &str, mut company: impl FnMut(&Datagram, &mut Dice) -> Datagram + 'static) {
    let mut calls = Calls::new(|_| {});
    let wire: Rc<RefCell<Wire>> = Rc::default();
    let shared = wire.clone();
    let mut dice = Dice(42);
    let opened_before = calls.sum(&["datagrams_opened"]);
    let received_before = calls.sum(&["datagrams_received"]);
    let fates = ["datagrams_malformed", "datagrams_unknown_link", "datagrams_forged", "datagrams_replayed"];
    let counted_before = calls.sum(&fates) + calls.sum(&["datagrams_of_handshakes"]);
    calls.network.mangle = Box::new(move |_, _, datagram| {
        let mut wire = shared.borrow_mut();
        wire.genuine += u64::from(Kind::of(&datagram) == Some(Kind::Sealed));
        let mut out = vec![datagram];
        if !wire.over {
            for _ in 0..COPIES {
                // Before it or after it.
                let at = dice.roll(out.len() as u64 + 1) as usize;
                out.insert(at, company(&datagram, &mut dice));
            }
            wire.injected += COPIES;
        }
        out
    });
    let mut delivered = 0;
    while wire.borrow().injected < wanted() {
        calls.speak();
        delivered += calls.delivered();
    }
    wire.borrow_mut().over = true;
    calls.finish();
    delivered += calls.delivered();
    assert_eq!(delivered, 2 * calls.spoken, "the attacked call has lost or doubled something");
    let opened = calls.sum(&["datagrams_opened"]) - opened_before;
    let counted = calls.sum(&fates) + calls.sum(&["datagrams_of_handshakes"]) - counted_before;
    let received = calls.sum(&["datagrams_received"]) - received_before;
    let Wire { genuine, injected, .. } = *wire.borrow();
    // Nothing but what is genuine was opened; the last of it may be under way.
    assert!((genuine - 50..=genuine).contains(&opened), "{opened} opened, {genuine} genuine");
    // Every datagram has one fate, and what was put in was not lost on the way.
    assert_eq!(received, counted + opened);
    assert!(counted >= injected, "{counted} counted of {injected}");
    tell(what, injected, injected);
}

#[test]
fn mutated_datagrams_are_opened_by_nobody() {
    on_the_wire("mutated datagrams", |datagram, dice| {
        let mut mutated = *datagram;
        match dice.roll(4) {
            0 => mutated[dice.roll(DATAGRAM_BYTES as u64) as usize] ^= 1 << dice.roll(8),
            1 => {
                for _ in 0..1 + dice.roll(64) {
                    mutated[dice.roll(DATAGRAM_BYTES as u64) as usize] = dice.roll(256) as u8;
                }
                mutated[DATAGRAM_BYTES - 1] ^= 1;
            }
            2 => {
                // Cut off and filled with zeros; the tag with them.
                let from = 16 + dice.roll(300) as usize;
                mutated[from..].fill(0);
            }
            _ => mutated[16 + dice.roll(368) as usize] ^= 1 + dice.roll(255) as u8,
        }
        mutated
    });
}

#[test]
fn replayed_datagrams_are_opened_by_nobody() {
    let mut kept: Vec<Datagram> = Vec::new();
    on_the_wire("replayed datagrams", move |datagram, dice| {
        // At once, later, much later, and to whomever the wire leads just now.
        if kept.len() < 5_000 {
            kept.push(*datagram);
        } else {
            let at = dice.roll(5_000) as usize;
            kept[at] = *datagram;
        }
        if dice.roll(2) == 0 { *datagram } else { kept[dice.roll(kept.len() as u64) as usize] }
    });
}

/// What a relay that lies has done.
#[derive(Default)]
struct Lies {
    /// Circuits of the attacked call, by the numbers that the relay sends them under.
    circuits: HashSet<u32>,
    learning: bool,
    /// Copies beyond the genuine cells.
    added: u64,
}

type Shared = Arc<Mutex<Lies>>;

fn liar(
    lies: Shared,
    seed: u64,
    mut lie: impl FnMut(Datagram, &mut Dice, &mut Lies) -> Vec<Datagram> + Send + 'static,
) -> Tamper {
    let mut dice = Dice(seed);
    Box::new(move |datagram| {
        let Some(header) = CellHeader::read(&datagram).filter(|header| header.command == Command::Relay)
        else {
            return vec![datagram];
        };
        let mut lies = lies.lock().unwrap();
        if lies.learning {
            lies.circuits.insert(header.circuit);
            return vec![datagram];
        }
        if !lies.circuits.contains(&header.circuit) || dice.roll(LIES_ABOUT_ONE_IN) != 0 {
            return vec![datagram];
        }
        lie(datagram, &mut dice, &mut lies)
    })
}

/// Every relay lies about the cells of one call.
fn by_relays(
    what: &str,
    lie: impl Fn(Datagram, &mut Dice, &mut Lies) -> Vec<Datagram> + Send + Clone + 'static,
) {
    let shared: Shared = Arc::default();
    let relays = shared.clone();
    let mut calls = Calls::new(move |network| {
        relays.lock().unwrap().learning = true;
        for node in 1..=4 {
            let lie = lie.clone();
            let tamper = liar(relays.clone(), node as u64, move |cell, dice, lies| lie(cell, dice, lies));
            network.nodes[node].engine.attack(Attacks { cell: Some(tamper), splice: None });
        }
        let callee = ready_address(network, 5, 2).flatten().unwrap();
        for _ in 0..3 {
            network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"learn"));
            network.run(Duration::from_millis(200));
            let caller = kx::ip::parse(network.nodes[0].packets.last().unwrap()).unwrap().source;
            network.packet(0, &udp(tun_address(0), caller, 5060, 4000, b"learn"));
            network.run(Duration::from_millis(200));
        }
        relays.lock().unwrap().learning = false;
        for node in &mut network.nodes {
            node.packets.clear();
        }
    });
    let fates = ["cells_unrecognised", "cells_replayed", "cells_too_far_ahead", "cells_unknown_circuit"];
    let before = calls.sum(&fates);
    let mut delivered = 0;
    let lost_and_added = |calls: &Calls, delivered: u64| {
        // What was said last is under way.
        (2 * calls.spoken).saturating_sub(delivered + 100) + shared.lock().unwrap().added
    };
    while lost_and_added(&calls, delivered) < wanted() {
        calls.speak();
        delivered += calls.delivered();
    }
    calls.finish();
    delivered += calls.delivered();
    let counted = calls.sum(&fates) - before;
    let added = shared.lock().unwrap().added;
    assert_eq!(calls.sum(&["circuits_adrift"]), 0);
    // Each cell that was sent or invented was delivered as it was or counted, once; pings that were hit come on top.
    let missing = 2 * calls.spoken + added - delivered;
    let pings = calls.network.now.as_secs() / 15 * 8 * 6;
    assert!((missing..=missing + pings).contains(&counted), "{counted} counted of {missing}");
    if added == 0 {
        assert!(delivered * 5 < 2 * calls.spoken * 4, "hardly anything was mutated");
    } else {
        assert_eq!(delivered, 2 * calls.spoken);
    }
    tell(what, missing, counted.min(missing));
}

#[test]
fn cells_that_relays_mutate_reach_nobody() {
    by_relays("mutated cells", |mut cell, dice, _| {
        for _ in 0..1 + dice.roll(3) {
            cell[BODY_AT + dice.roll(BODY_BYTES as u64) as usize] ^= 1 << dice.roll(8);
        }
        vec![cell]
    });
}

#[test]
fn cells_that_relays_replay_reach_nobody() {
    by_relays("replayed cells", |cell, dice, lies| {
        let copies = 1 + dice.roll(3);
        lies.added += copies;
        let mut out = vec![cell];
        for _ in 0..copies {
            let mut again = cell;
            if dice.roll(4) == 0 {
                // Under a number from long ago.
                let header = CellHeader::read(&cell).unwrap();
                let sequence = header.sequence.wrapping_sub(2_000 + dice.roll(1 << 40));
                CellHeader { sequence, ..header }.write(&mut again);
            }
            out.push(again);
        }
        out
    });
}
