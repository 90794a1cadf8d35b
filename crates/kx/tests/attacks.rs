//! Malicious relays: peers with genuine links and genuine hops that alter, replay, hold back or invent cells.
//!
//! Every attack has an expected, counted fate, and the tunnel goes on for the genuine cells that follow. The path is
//! caller 5, relays 4 and 1, exchange point 3, relays 2 and 1, callee 0.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use cell::layout::{BODY_AT, BODY_BYTES, BODY_HEADER_BYTES, CellHeader, Command, Datagram};
use kx::attacks::{Attacks, Tamper};
use kx::event::{Command as Order, Event};
use std::net::IpAddr;
use std::time::Duration;
use support::scenario::{connect, counter, failure, incoming, reaches, ready_address, udp};
use support::{Network, tun_address};

/// Lies about the `nth` relay cell (from 0) sent from now on, as `lie` says; all others pass.
fn once(nth: usize, lie: impl Fn(Datagram) -> Vec<Datagram> + Send + 'static) -> Tamper {
    let mut seen = 0;
    Box::new(move |datagram| {
        if CellHeader::read(&datagram).is_none_or(|header| header.command != Command::Relay) {
            return vec![datagram];
        }
        seen += 1;
        if seen == nth + 1 { lie(datagram) } else { vec![datagram] }
    })
}

fn with_sequence(mut datagram: Datagram, change: impl Fn(u64) -> u64) -> Datagram {
    let mut header = CellHeader::read(&datagram).unwrap();
    header.sequence = change(header.sequence);
    header.write(&mut datagram);
    datagram
}

fn altered(mut datagram: Datagram, at: usize) -> Datagram {
    datagram[at] ^= 1;
    datagram
}

fn attacked(node: usize, attacks: Attacks) -> (Network, IpAddr) {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    assert!(reaches(&mut network, callee, b"before"));
    network.nodes[node].engine.attack(attacks);
    (network, callee)
}

fn goes_on(network: &mut Network, callee: IpAddr) {
    assert!(reaches(network, callee, b"after"), "the tunnel is dead");
    assert_eq!((failure(network, 0), failure(network, 5)), (None, None));
}

/// Any bit: the first, one of the recogniser, of the payload, the last.
#[test]
fn a_tagged_forward_cell_is_noise_at_the_last_hop() {
    for at in [BODY_AT, BODY_AT + 15, BODY_AT + 100, BODY_AT + BODY_BYTES - 1] {
        // The caller's first hop; between it and the exchange point lies an honest one.
        let lie = once(0, move |cell| vec![altered(cell, at)]);
        let (mut network, callee) = attacked(4, Attacks { cell: Some(lie), splice: None });
        let before = counter(&network, 3, "cells_unrecognised");
        assert!(!reaches(&mut network, callee, b"tagged"));
        assert_eq!(counter(&network, 3, "cells_unrecognised"), before + 1, "byte {at}");
        assert_eq!(counter(&network, 1, "cells_unrecognised"), 0);
        goes_on(&mut network, callee);
    }
}

#[test]
fn a_tagged_backward_cell_is_noise_at_its_builder() {
    // Relay 2 is next to the exchange point on the callee's circuit; what it sends to relay 1 goes to the callee.
    let (mut network, callee) =
        attacked(2, Attacks { cell: Some(once(0, |cell| vec![altered(cell, BODY_AT + 40)])), splice: None });
    assert!(!reaches(&mut network, callee, b"tagged"));
    assert_eq!(counter(&network, 0, "cells_unrecognised"), 1);
    assert_eq!(counter(&network, 0, "tunnel_cells_refused"), 0);
    goes_on(&mut network, callee);
}

#[test]
fn a_tag_at_one_hop_cannot_be_taken_off_at_a_later_one() {
    // The caller's first hop marks the cell and the exchange point's neighbour, which conspires, undoes the mark.
    let mark = |cell| vec![altered(cell, BODY_AT + 7)];
    let mut network = Network::new(7);
    let callee = connect(&mut network);
    network.nodes[4].engine.attack(Attacks { cell: Some(once(0, mark)), splice: None });
    network.nodes[2].engine.attack(Attacks { cell: Some(once(0, mark)), splice: None });
    assert!(!reaches(&mut network, callee, b"marked"));
    assert_eq!(counter(&network, 3, "cells_unrecognised"), 1);
}

#[test]
fn a_replayed_cell_dies_at_the_first_honest_hop() {
    let (mut network, callee) =
        attacked(4, Attacks { cell: Some(once(0, |cell| vec![cell, cell, cell])), splice: None });
    assert!(reaches(&mut network, callee, b"replayed"));
    assert_eq!(network.nodes[0].packets.len(), 1);
    assert_eq!(counter(&network, 1, "cells_replayed"), 2);
    assert_eq!(counter(&network, 3, "cells_replayed"), 0);
    goes_on(&mut network, callee);
}

#[test]
fn a_cell_replayed_under_another_number_is_noise() {
    let lie = once(0, |cell| vec![cell, with_sequence(cell, |sequence| sequence + 7)]);
    let (mut network, callee) = attacked(4, Attacks { cell: Some(lie), splice: None });
    assert!(reaches(&mut network, callee, b"renumbered"));
    assert_eq!(network.nodes[0].packets.len(), 1);
    assert_eq!(counter(&network, 3, "cells_unrecognised"), 1);
    goes_on(&mut network, callee);
}

#[test]
fn a_cell_far_ahead_is_dropped_and_moves_no_window() {
    for ahead in [1026, 1 << 20, u64::MAX / 2] {
        let lie =
            once(0, move |cell| vec![with_sequence(cell, |sequence| sequence.wrapping_add(ahead)), cell]);
        let (mut network, callee) = attacked(4, Attacks { cell: Some(lie), splice: None });
        assert!(reaches(&mut network, callee, b"far ahead"));
        let dropped = counter(&network, 1, "cells_too_far_ahead") + counter(&network, 1, "cells_replayed");
        assert_eq!(dropped, 1, "{ahead} ahead");
        goes_on(&mut network, callee);
    }
}

#[test]
fn noise_far_ahead_does_not_move_the_window_of_a_builder() {
    // The second relay cell that relay 1 sends goes to the callee, whose first hop it is.
    let lie = once(1, |cell| {
        let ahead = |step| altered(with_sequence(cell, |sequence| sequence + step), BODY_AT);
        vec![ahead(1000), ahead(2000), ahead(3000), cell]
    });
    let (mut network, callee) = attacked(1, Attacks { cell: Some(lie), splice: None });
    assert!(reaches(&mut network, callee, b"behind noise"));
    assert_eq!(counter(&network, 0, "cells_unrecognised"), 1);
    assert_eq!(counter(&network, 0, "cells_too_far_ahead"), 2);
    goes_on(&mut network, callee);
}

#[test]
fn noise_does_not_move_the_window_of_the_last_hop() {
    // Relay 1 is the hop before the exchange point on the caller's circuit.
    let lie = once(0, |cell| {
        let noise = (1..=1024).map(|step| altered(with_sequence(cell, |sequence| sequence + step), BODY_AT));
        noise.chain([cell]).collect()
    });
    let (mut network, callee) = attacked(1, Attacks { cell: Some(lie), splice: None });
    assert!(reaches(&mut network, callee, b"behind noise"));
    assert_eq!(counter(&network, 3, "cells_unrecognised"), 1024);
    goes_on(&mut network, callee);
}

#[test]
fn a_cell_on_a_circuit_of_nobody_or_of_another_link_is_refused() {
    let lie = once(0, |cell| {
        let mut header = CellHeader::read(&cell).unwrap();
        let other = |circuit, command| {
            let mut datagram = cell;
            CellHeader { circuit, command, ..header }.write(&mut datagram);
            datagram
        };
        let mut cells: Vec<Datagram> =
            (1..50).map(|n| other(header.circuit.wrapping_add(n), Command::Relay)).collect();
        cells.extend((1..50).map(|n| other(header.circuit.wrapping_add(n), Command::Destroy)));
        cells.extend((1..50).map(|n| other(header.circuit.wrapping_add(n), Command::Created)));
        header.circuit ^= 1 << 31;
        cells.extend([other(header.circuit, Command::Create), cell]);
        cells
    });
    let (mut network, callee) = attacked(4, Attacks { cell: Some(lie), splice: None });
    assert!(reaches(&mut network, callee, b"beside strays"));
    assert_eq!(counter(&network, 1, "cells_unknown_circuit"), 49);
    assert!(counter(&network, 1, "circuits_refused") >= 1);
    goes_on(&mut network, callee);
}

#[test]
fn an_exchange_point_that_alters_payload_is_found_out_by_the_two_ends() {
    for at in [8, 15, 16, 100, BODY_BYTES - BODY_HEADER_BYTES - 1] {
        let lie = once(0, move |cell| vec![altered(cell, BODY_AT + BODY_HEADER_BYTES + at)]);
        let (mut network, callee) = attacked(3, Attacks { cell: None, splice: Some(lie) });
        assert!(!reaches(&mut network, callee, b"altered"), "byte {at}");
        assert_eq!(counter(&network, 0, "tunnel_cells_refused"), 1, "byte {at}");
        goes_on(&mut network, callee);
    }
}

#[test]
fn an_exchange_point_that_replays_payload_is_found_out_by_the_two_ends() {
    let (mut network, callee) =
        attacked(3, Attacks { cell: None, splice: Some(once(0, |cell| vec![cell, cell, cell])) });
    assert!(reaches(&mut network, callee, b"replayed"));
    assert_eq!(network.nodes[0].packets.len(), 1);
    assert_eq!(counter(&network, 0, "tunnel_cells_refused"), 2);
    goes_on(&mut network, callee);
}

#[test]
fn an_exchange_point_that_invents_flows_fills_no_table() {
    let lie = once(0, |cell| {
        let invented = (0..2000_u32).map(|n| {
            let mut datagram = cell;
            // A call under a number of its own: kind 1 where the sealed payload has 3.
            datagram[BODY_AT + BODY_HEADER_BYTES..][..4].copy_from_slice(&n.to_be_bytes());
            datagram[BODY_AT + BODY_HEADER_BYTES + 4] = 1;
            datagram
        });
        invented.chain([cell]).collect()
    });
    let (mut network, callee) = attacked(3, Attacks { cell: None, splice: Some(lie) });
    assert!(reaches(&mut network, callee, b"among inventions"));
    assert!(network.nodes[0].engine.sizes().flows <= 256);
    goes_on(&mut network, callee);
}

/// Keepalives pass, a few cells a second; nearly everything else does not.
#[test]
fn a_hop_that_drops_data_but_lets_keepalives_pass_is_found_and_can_be_replaced() {
    let mut held_back = 0_u32;
    let lie: Tamper = Box::new(move |cell| {
        if CellHeader::read(&cell).is_none_or(|header| header.command != Command::Relay) {
            return vec![cell];
        }
        held_back += 1;
        if held_back.is_multiple_of(10) { vec![cell] } else { vec![] }
    });
    let (mut network, callee) = attacked(4, Attacks { cell: Some(lie), splice: None });
    let speak = |network: &mut Network, seconds: u32| {
        for _ in 0..seconds * 50 {
            network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
            network.run(Duration::from_millis(20));
        }
    };
    speak(&mut network, 8);
    assert!(
        network.nodes[5].events.contains(&Event::TunnelLossy { tunnel: 2 }),
        "{:?}",
        network.nodes[5].events
    );
    assert_eq!((failure(&network, 0), failure(&network, 5)), (None, None));
    // Without it, everything arrives again, and nobody complains any more.
    let path = network.peers(&[2, 1, 3]);
    network.command(5, Order::Rotate { tunnel: 2, path });
    speak(&mut network, 6);
    network.run(Duration::from_secs(1));
    network.nodes[0].packets.clear();
    network.nodes[5].events.clear();
    speak(&mut network, 30);
    network.run(Duration::from_secs(1));
    assert_eq!(network.nodes[0].packets.len(), 1500);
    assert_eq!(network.nodes[5].events, []);
    assert_eq!(
        network.nodes[0].events.iter().filter(|event| matches!(event, Event::TunnelClosed { .. })).count(),
        0
    );
}

/// Callers who claim that nothing arrives make the callee change its hops now and then, not all the time.
#[test]
fn callers_who_lie_about_losses_cannot_keep_a_callee_rotating() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    assert!(reaches(&mut network, callee, b"hello"));
    let caller = kx::ip::parse(&network.nodes[0].packets[0]).unwrap().source;
    // All that comes back to the caller is held up before it: to the callee that looks like a caller who hears nothing.
    network.nodes[4].engine.attack(Attacks {
        cell: Some(Box::new(|cell| {
            let relayed = CellHeader::read(&cell).is_some_and(|header| header.command == Command::Relay);
            if relayed && cell[BODY_AT] < 250 { vec![] } else { vec![cell] }
        })),
        splice: None,
    });
    for _ in 0..50 * 60 {
        network.packet(0, &udp(tun_address(0), caller, 5060, 4000, &[8; 160]));
        network.run(Duration::from_millis(20));
    }
    let told =
        network.nodes[0].events.iter().filter(|event| matches!(event, Event::TunnelLossy { .. })).count();
    assert!((1..=3).contains(&told), "{told}");
}

/// One peer begins circuits without end: it is held to its rate, and another's circuit comes about at once.
#[test]
fn a_flood_of_builds_crowds_out_nobody_else() {
    let mut network = Network::new(6);
    for tunnel in 1000..1900_u32 {
        let mut pseudo_identity = [0; 32];
        pseudo_identity[..4].copy_from_slice(&tunnel.to_be_bytes());
        let path = network.peers(&[4]);
        network.command(5, Order::BuildIncoming { tunnel, pseudo_identity, path, token: [3; 32] });
        if tunnel % 100 == 99 {
            network.run(Duration::from_millis(100));
        }
    }
    assert!(counter(&network, 4, "circuits_over_limit") > 100);
    let start = network.now;
    network.command(0, incoming(&network, 1, &[4, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()));
    assert!(network.now - start < Duration::from_secs(1), "virtual time {:?}", network.now - start);
    // Held to its rate, the flood is served too, as long as it lasts.
    network.run(Duration::from_secs(2));
    assert!(network.nodes[4].engine.sizes().relayed <= 400 + 400 + 1);
}
