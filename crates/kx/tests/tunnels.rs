//! Tunnels through a network of engines: building, splicing, packets, failures, attacks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use cell::layout::{DATAGRAM_BYTES, Datagram};
use kx::event::{Command, Event, Extension, Failure, TunnelKey};
use kx::ip::{mtu, parse, ports};
use kx::noise::StaticKey;
use kx::peer::Peer;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use support::scenario::{PSEUDO, connect, counter, failure, incoming, outgoing, reaches, ready_address, udp};
use support::{Network, tun_address};

#[test]
fn packets_cross_two_spliced_circuits_in_both_directions_and_leave_no_address() {
    let mut network = Network::new(6);
    let sizes = Rc::new(RefCell::new(std::collections::BTreeSet::new()));
    let seen = sizes.clone();
    network.mangle = Box::new(move |_, _, datagram| {
        seen.borrow_mut().insert(datagram.len());
        vec![datagram]
    });
    let callee = connect(&mut network);
    // The caller has IPv6 inside, the callee IPv4; small and large packets.
    for length in [0, 1, 160, 269, 270, 271, 1200] {
        let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &payload));
        assert!(network.wait(|n| !n.nodes[0].packets.is_empty()), "{length} bytes");
        let bytes = network.nodes[0].packets.remove(0);
        let packet = parse(&bytes).unwrap();
        assert_eq!(packet.destination, tun_address(0));
        assert_eq!(ports(packet.transport), (4000, 5060));
        assert_eq!(packet.transport[8..], payload);
        network.packet(0, &udp(tun_address(0), packet.source, 5060, 4000, &payload));
        assert!(network.wait(|n| !n.nodes[5].packets.is_empty()));
        let bytes = network.nodes[5].packets.remove(0);
        let packet = parse(&bytes).unwrap();
        assert_eq!((packet.source, packet.destination), (callee, tun_address(5)));
        assert_eq!(packet.transport[8..], payload);
    }
    assert_eq!(sizes.borrow().iter().copied().collect::<Vec<_>>(), [DATAGRAM_BYTES]);
}

/// So neither end ever has a packet that the other's device could not take, and "packet too big" is never needed.
#[test]
fn a_full_packet_of_one_family_is_a_full_one_of_the_other_and_fills_five_cells() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let (v6, v4) = (tun_address(5), tun_address(0));
    let payload = |address| vec![7; usize::from(mtu(address)) - if v4 == address { 28 } else { 48 }];
    assert_eq!(payload(v6), payload(v4));
    let cells = Rc::new(RefCell::new(0));
    let count = cells.clone();
    let ends = [network.nodes[5].address, network.nodes[0].address];
    network.mangle = Box::new(move |from, _, datagram| {
        *count.borrow_mut() += usize::from(ends.contains(&from));
        vec![datagram]
    });
    network.packet(5, &udp(v6, callee, 4000, 5060, &payload(v6)));
    assert_eq!(cells.take(), 5);
    assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
    let bytes = network.nodes[0].packets.remove(0);
    assert_eq!(bytes.len(), usize::from(mtu(v4)));
    let source = parse(&bytes).unwrap().source;
    cells.take();
    network.packet(0, &udp(v4, source, 5060, 4000, &payload(v4)));
    assert_eq!(cells.take(), 5);
    assert!(network.wait(|n| !n.nodes[5].packets.is_empty()));
    assert_eq!(network.nodes[5].packets[0].len(), usize::from(mtu(v6)));
}

#[test]
fn a_caller_reaches_only_ports_that_it_has_used_itself() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"hello"));
    assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
    let source = parse(&network.nodes[0].packets[0]).unwrap().source;
    network.packet(0, &udp(tun_address(0), source, 5060, 4001, b"another port"));
    assert!(network.wait(|n| counter(n, 5, "packets_to_tun_dropped") == 1));
    assert!(network.nodes[5].packets.is_empty());
}

#[test]
fn tunnels_come_about_with_an_eighth_of_all_datagrams_lost_on_every_link() {
    let mut network = Network::new(6);
    let mut state = 1_u64;
    network.mangle = Box::new(move |_, _, datagram| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if state >> 33 & 7 == 0 { vec![] } else { vec![datagram] }
    });
    connect(&mut network);
}

#[test]
fn an_unknown_pseudo_identity_is_told() {
    let mut network = Network::new(4);
    network.command(0, outgoing(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| failure(n, 0).is_some()));
    assert_eq!(failure(&network, 0), Some(Failure::UnknownPseudoIdentity));
    network.run(Duration::from_secs(2));
    for node in &network.nodes {
        assert_eq!(node.engine.sizes().relayed, 0);
    }
}

#[test]
fn an_exchange_point_that_is_down_is_told_in_bounded_time() {
    let mut network = Network::new(4);
    network.nodes[3].alive = false;
    let start = network.now;
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| failure(n, 0).is_some()));
    assert_eq!(failure(&network, 0), Some(Failure::Unreachable));
    assert!(network.now - start < Duration::from_secs(12), "virtual time {:?}", network.now - start);
}

#[test]
fn a_peer_with_another_identity_is_refused_at_every_hop() {
    for wrong in 0..3 {
        let mut network = Network::new(4);
        let mut path = network.peers(&[1, 2, 3]);
        path[wrong] = Peer { identity: [9; 32], address: path[wrong].address };
        network
            .command(0, Command::BuildIncoming { tunnel: 1, pseudo_identity: PSEUDO, path, token: [0; 32] });
        assert!(network.wait(|n| failure(n, 0).is_some()));
        assert_eq!(failure(&network, 0), Some(Failure::WrongIdentity), "hop {wrong}");
        assert_eq!(counter(&network, wrong, "identities_refused"), 1, "hop {wrong}");
    }
}

#[test]
fn a_registration_cannot_be_taken_over_by_another_owner_but_by_its_own() {
    let mut network = Network::new(6);
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()));
    network.command(5, incoming(&network, 9, &[4, 2, 3]));
    assert!(network.wait(|n| failure(n, 5).is_some()));
    assert_eq!(failure(&network, 5), Some(Failure::Taken));
    let again = Command::BuildIncoming {
        tunnel: 2,
        pseudo_identity: PSEUDO,
        path: network.peers(&[2, 4, 3]),
        token: [1; 32],
    };
    network.command(0, again);
    assert!(network.wait(|n| ready_address(n, 0, 2).is_some()));
    network.run(Duration::from_secs(1));
    assert_eq!(network.nodes[3].engine.sizes().registrations, 1);
}

#[test]
fn destroy_frees_everything_at_every_hop() {
    let mut network = Network::new(6);
    connect(&mut network);
    network.command(5, Command::Destroy { tunnel: 2 });
    network.run(Duration::from_secs(1));
    assert_eq!(network.nodes[0].engine.sizes().flows, 0);
    network.command(0, Command::Destroy { tunnel: 1 });
    network.run(Duration::from_secs(1));
    for node in &network.nodes {
        let sizes = node.engine.sizes();
        assert_eq!((sizes.relayed, sizes.registrations, sizes.own, sizes.flows), (0, 0, 0, 0));
    }
}

#[test]
fn a_caller_hears_of_it_when_the_callee_leaves() {
    let mut network = Network::new(6);
    connect(&mut network);
    network.command(0, Command::Destroy { tunnel: 1 });
    assert!(network.wait(|n| failure(n, 5).is_some()));
    assert_eq!(failure(&network, 5), Some(Failure::Destroyed));
}

#[test]
fn a_dead_relay_ends_the_tunnel_within_bounded_time() {
    let mut network = Network::new(6);
    connect(&mut network);
    network.nodes[4].alive = false;
    assert!(network.wait(|n| failure(n, 5).is_some()));
}

#[test]
fn a_tunnel_stays_up_when_nothing_is_said_and_its_links_when_they_are_used() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    network.run(Duration::from_secs(300));
    assert_eq!((failure(&network, 0), failure(&network, 5)), (None, None));
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"still here"));
    assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
}

/// Replays every datagram once and counts what becomes of the copies.
#[test]
fn replayed_datagrams_are_dropped_and_counted() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    network.mangle = Box::new(|_, _, datagram| vec![datagram, datagram]);
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"once"));
    network.run(Duration::from_secs(1));
    assert_eq!(network.nodes[0].packets.len(), 1);
    assert!((0..6).all(|node| node == 5 || counter(&network, node, "datagrams_replayed") >= 1));
}

#[test]
fn altered_datagrams_are_dropped_and_counted_and_move_no_window() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    network.mangle = Box::new(|_, _, datagram| {
        let mut altered = datagram;
        altered[100] ^= 1;
        vec![altered, datagram]
    });
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"genuine"));
    network.run(Duration::from_secs(1));
    assert_eq!(network.nodes[0].packets.len(), 1);
    assert!(counter(&network, 3, "datagrams_forged") >= 1);
}

#[test]
fn garbage_of_every_kind_disturbs_nobody() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let stranger = "10.0.0.200:9".parse().unwrap();
    let mut state = 7_u64;
    for round in 0..20_000_u64 {
        let mut datagram: Datagram = [0; DATAGRAM_BYTES];
        for byte in &mut datagram {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        datagram[0] = (round % 6) as u8;
        datagram[1] = (round / 6 % 5) as u8;
        let from = if round % 3 == 0 { network.nodes[1].address } else { stranger };
        network.inject((round % 6) as usize, from, datagram);
    }
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"unmoved"));
    assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
}

/// One numbered packet from the caller and one from the callee; returns the callee's address for the caller.
fn exchange_packets(network: &mut Network, callee: IpAddr, caller: Option<IpAddr>, number: u32) {
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &number.to_be_bytes()));
    if let Some(caller) = caller {
        network.packet(0, &udp(tun_address(0), caller, 5060, 4000, &number.to_be_bytes()));
    }
    network.run(Duration::from_millis(20));
}

fn numbers(network: &Network, node: usize) -> Vec<u32> {
    let packets = network.nodes[node].packets.iter();
    packets
        .map(|bytes| u32::from_be_bytes(parse(bytes).unwrap().transport[8..12].try_into().unwrap()))
        .collect()
}

fn rotations(network: &Network, node: usize, wanted: u32) -> usize {
    let ready = |event: &&Event| matches!(event, Event::TunnelReady { tunnel, .. } if *tunnel == wanted);
    network.nodes[node].events.iter().filter(ready).count() - 1
}

#[test]
fn rotations_at_both_ends_lose_and_double_nothing() {
    let mut network = Network::new(8);
    let callee = connect(&mut network);
    exchange_packets(&mut network, callee, None, 0);
    network.run(Duration::from_secs(1));
    let caller = parse(&network.nodes[0].packets[0]).unwrap().source;
    let mut sent = 1;
    for round in 0..20 {
        let (there, here) = if round % 2 == 0 { ([6, 7, 3], [7, 6, 3]) } else { ([1, 2, 3], [4, 1, 3]) };
        let (path_0, path_5) = (network.peers(&there), network.peers(&here));
        network.command(0, Command::Rotate { tunnel: 1, path: path_0 });
        network.command(5, Command::Rotate { tunnel: 2, path: path_5 });
        while rotations(&network, 0, 1) <= round || rotations(&network, 5, 2) <= round {
            exchange_packets(&mut network, callee, Some(caller), sent);
            sent += 1;
            assert!(sent < 20_000, "rotation {round} did not come about");
        }
        for _ in 0..200 {
            exchange_packets(&mut network, callee, Some(caller), sent);
            sent += 1;
        }
    }
    network.run(Duration::from_secs(5));
    let mut at_callee = numbers(&network, 0);
    at_callee.sort_unstable();
    assert_eq!(at_callee, (0..sent).collect::<Vec<_>>());
    let mut at_caller = numbers(&network, 5);
    at_caller.sort_unstable();
    assert_eq!(at_caller, (1..sent).collect::<Vec<_>>());
    assert_eq!(counter(&network, 3, "takeovers"), 40);
    assert_eq!(network.nodes[3].engine.sizes().registrations, 1);
    // Old circuits are gone everywhere.
    let relayed: usize = network.nodes.iter().map(|node| node.engine.sizes().relayed).sum();
    assert_eq!(relayed, 6);
}

#[test]
fn a_tunnel_whose_relay_dies_goes_on_over_another_path_with_the_same_address() {
    for (victim, broken, rotating) in [(4, 5, (2, [6, 7, 3])), (2, 0, (1, [6, 7, 3]))] {
        let mut network = Network::new(8);
        let callee = connect(&mut network);
        exchange_packets(&mut network, callee, None, 0);
        network.run(Duration::from_secs(1));
        network.nodes[victim].alive = false;
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"lost"));
        let is_broken =
            |n: &Network| n.nodes[broken].events.iter().any(|e| matches!(e, Event::TunnelBroken { .. }));
        assert!(network.wait(is_broken), "relay {victim}");
        let (tunnel, path) = rotating;
        let path = network.peers(&path);
        network.command(broken, Command::Rotate { tunnel, path });
        assert!(network.wait(|n| rotations(n, broken, tunnel) == 1));
        network.nodes[0].packets.clear();
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"again"));
        assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
        assert_eq!((failure(&network, 0), failure(&network, 5)), (None, None));
    }
}

#[test]
fn a_rotation_that_fails_leaves_the_tunnel_as_it_was() {
    let mut network = Network::new(8);
    let callee = connect(&mut network);
    network.nodes[7].alive = false;
    let path = network.peers(&[6, 7, 3]);
    network.command(5, Command::Rotate { tunnel: 2, path });
    let failed =
        |n: &Network| n.nodes[5].events.iter().any(|e| matches!(e, Event::RotationFailed { hop: 1, .. }));
    assert!(network.wait(failed));
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"still here"));
    assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
}

#[test]
fn nobody_takes_a_splice_or_a_registration_over_without_its_token() {
    let mut network = Network::new(8);
    let callee = connect(&mut network);
    // Another caller with a token of its own gets a flow of its own.
    network.command(7, outgoing(&network, 9, &[6, 4, 3]));
    assert!(network.wait(|n| ready_address(n, 7, 9).is_some()));
    assert_eq!(counter(&network, 3, "takeovers"), 0);
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, b"mine"));
    assert!(network.wait(|n| !n.nodes[0].packets.is_empty()));
    assert_eq!(network.nodes[0].engine.sizes().flows, 2);
}

#[test]
fn a_callee_that_does_not_come_back_is_given_up_after_the_time_of_grace() {
    let mut network = Network::new(6);
    connect(&mut network);
    network.nodes[0].alive = false;
    network.run(Duration::from_secs(120));
    assert_eq!(failure(&network, 5), Some(Failure::Destroyed));
    assert_eq!(network.nodes[3].engine.sizes().registrations, 0);
}

fn set_key(network: &mut Network, node: usize, tunnel: u32, bytes: [u8; 32]) {
    let extension = Extension { key: Some(TunnelKey::new(bytes)), ..Extension::default() };
    network.command(node, Command::SetExtension { tunnel, extension: Box::new(extension) });
}

/// The tunnel key from the callee's record: whoever answers must hold its secret half, also after a rotation.
#[test]
fn a_caller_who_knows_the_tunnel_key_speaks_with_its_owner_and_nobody_else() {
    let secret = [33; 32];
    for (answering, reached) in [(Some(secret), true), (Some([34; 32]), false), (None, false)] {
        let mut network = Network::new(6);
        network.command(0, incoming(&network, 1, &[1, 2, 3]));
        if let Some(secret) = answering {
            set_key(&mut network, 0, 1, secret);
        }
        assert!(network.wait(|n| ready_address(n, 0, 1).is_some()));
        network.command(5, outgoing(&network, 2, &[4, 1, 3]));
        set_key(&mut network, 5, 2, *StaticKey::new(secret).public());
        assert!(network.wait(|n| !n.nodes[5].events.is_empty()));
        if !reached {
            assert_eq!(failure(&network, 5), Some(Failure::Timeout), "{answering:?}");
            assert!(counter(&network, 0, "flows_refused") > 0);
            continue;
        }
        let callee = ready_address(&network, 5, 2).flatten().unwrap();
        let path = network.peers(&[2, 4, 3]);
        network.command(0, Command::Rotate { tunnel: 1, path });
        network.run(Duration::from_secs(2));
        assert!(reaches(&mut network, callee, b"known"));
        // Who knows no key is served as before.
        network.command(4, outgoing(&network, 3, &[1, 2, 3]));
        assert!(network.wait(|n| ready_address(n, 4, 3).is_some()));
    }
}
