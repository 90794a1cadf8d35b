//! A peer of several engines: an exchange point whose exchange, owner's circuit and callers' circuits live at different ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::event::{Command, Failure};
use std::time::Duration;
use support::scenario::{PSEUDO, connect, counter, failure, incoming, outgoing, reaches, ready_address};
use support::{Network, shards};

const EXCHANGE: usize = 3;

/// Six peers; the relay 1 and the exchange point 3 have so many engines each, the further ones behind the other nodes.
fn network(count: u8) -> Network {
    let mut network = Network::new(6);
    for index in [1, EXCHANGE] {
        let mut engines = shards(index, count).into_iter();
        network.nodes[index] = engines.next().unwrap();
        network.nodes.extend(engines);
    }
    network
}

/// The nodes that are engines of the exchange point.
fn exchange(network: &Network) -> Vec<usize> {
    let address = network.nodes[EXCHANGE].address;
    (0..network.nodes.len()).filter(|&index| network.nodes[index].address == address).collect()
}

fn total(network: &Network, name: &str) -> u64 {
    exchange(network).into_iter().map(|index| counter(network, index, name)).sum()
}

/// Engines of the exchange point with circuits, and the one with the registration.
fn places(network: &Network) -> (Vec<usize>, Vec<usize>) {
    let having = |has: fn(&kx::engine::Sizes) -> bool| {
        exchange(network).into_iter().filter(|&index| has(&network.nodes[index].engine.sizes())).collect()
    };
    (having(|sizes| sizes.relayed > 0), having(|sizes| sizes.registrations > 0))
}

#[test]
fn a_call_crosses_an_exchange_point_of_several_engines_in_both_directions() {
    let mut crossed = false;
    for count in 1..=4 {
        let mut network = network(count);
        let callee = connect(&mut network);
        assert!(reaches(&mut network, callee, b"forward"), "{count}");
        let (circuits, homes) = places(&network);
        assert_eq!(homes.len(), 1);
        assert_eq!(homes[0], exchange(&network)[usize::from(PSEUDO[0] % count)]);
        crossed |= circuits.iter().any(|circuit| !homes.contains(circuit));
        assert_eq!((total(&network, "registrations"), total(&network, "splices")), (1, 1));
        // The answer of the end-to-end handshake came backward already; a packet from the callee does, too.
        let source = kx::ip::parse(&network.nodes[0].packets[0]).unwrap().source;
        let answer = support::scenario::udp(support::tun_address(0), source, 5060, 4000, b"backward");
        network.packet(0, &answer);
        assert!(network.wait(|n| n.nodes[5].packets.iter().any(|packet| packet.ends_with(b"backward"))));
    }
    assert!(crossed, "circuit and exchange were always at one engine: nothing was tested");
}

#[test]
fn rotation_takes_a_registration_and_a_splice_over_from_another_engine() {
    let mut network = network(4);
    let callee = connect(&mut network);
    for turn in 0..6_u8 {
        let (owner, caller) = ([[1, 2, 3], [2, 4, 3]], [[4, 1, 3], [2, 1, 3]]);
        for (node, tunnel, paths) in [(0, 1, owner), (5, 2, caller)] {
            let path = network.peers(&paths[usize::from(turn % 2)]);
            network.command(node, Command::Rotate { tunnel, path });
        }
        network.run(Duration::from_secs(5));
        assert!(reaches(&mut network, callee, &[turn; 9]), "turn {turn}");
    }
    assert_eq!(total(&network, "takeovers"), 12);
    assert_eq!((total(&network, "registrations"), total(&network, "splices")), (1, 1));
}

#[test]
fn what_ends_at_one_engine_ends_at_all() {
    let mut network = network(4);
    connect(&mut network);
    network.command(0, Command::Destroy { tunnel: 1 });
    assert!(network.wait(|n| failure(n, 5) == Some(Failure::Destroyed)));
    network.run(Duration::from_secs(2));
    for node in &network.nodes {
        let sizes = node.engine.sizes();
        assert_eq!((sizes.relayed, sizes.registrations, sizes.own, sizes.flows), (0, 0, 0, 0));
    }
}

#[test]
fn a_caller_that_goes_is_told_to_the_owner_and_one_for_nobody_is_refused() {
    let mut network = network(4);
    connect(&mut network);
    assert_eq!(network.nodes[0].engine.sizes().flows, 1);
    network.command(5, Command::Destroy { tunnel: 2 });
    assert!(network.wait(|n| n.nodes[0].engine.sizes().flows == 0));
    network.command(0, Command::Destroy { tunnel: 1 });
    network.run(Duration::from_secs(2));
    network.command(5, outgoing(&network, 7, &[4, 1, 3]));
    assert!(network.wait(|n| failure(n, 5).is_some()));
    assert_eq!(failure(&network, 5), Some(Failure::UnknownPseudoIdentity));
    // The name is free again.
    network.command(0, incoming(&network, 8, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 8).is_some()));
}

#[test]
fn a_circuit_that_breaks_while_its_exchange_is_asked_leaves_nothing_behind() {
    let mut network = network(4);
    for turn in 0..40 {
        let tunnel = 100 + turn;
        network.command(0, incoming(&network, tunnel, &[1, 2, 3]));
        network.run(Duration::from_millis(u64::from(turn) * 7));
        network.command(0, Command::Destroy { tunnel });
        network.run(Duration::from_secs(1));
    }
    network.run(Duration::from_secs(90));
    for node in &network.nodes {
        let sizes = node.engine.sizes();
        assert_eq!((sizes.relayed, sizes.registrations), (0, 0));
    }
}

#[test]
fn a_restarted_neighbour_says_lost_to_every_engine() {
    let mut network = network(4);
    let callee = connect(&mut network);
    assert!(reaches(&mut network, callee, b"before"));
    let source = kx::ip::parse(&network.nodes[0].packets[0]).unwrap().source;
    network.restart(2);
    let answer = support::scenario::udp(support::tun_address(0), source, 5060, 4000, b"lost");
    network.packet(0, &answer);
    network.run(Duration::from_secs(2));
    // The owner's first hop, an engine of relay 1, has found out by itself that 2 knows its link no more.
    assert!(support::scenario::trouble(&network, 0).is_some());
    let path = network.peers(&[1, 4, 3]);
    network.command(0, Command::Rotate { tunnel: 1, path });
    network.run(Duration::from_secs(2));
    assert!(reaches(&mut network, callee, b"after"));
}
