//! What keeps links and tunnels going over hours: dead relays found at once, keys and certificates renewed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::certificate::Purpose;
use kx::engine::HopIdentity;
use kx::event::{Command, Event, Failure};
use kx::links::LinkIdentity;
use kx::noise::StaticKey;
use std::net::IpAddr;
use std::time::Duration;
use support::scenario::{connect, counter, failure, reaches, ready_address, trouble, udp};
use support::{Network, certify, hostkey, node, tun_address};

const HOUR: Duration = Duration::from_secs(3600);

/// Voice both ways, a packet every 20 ms.
fn talk(network: &mut Network, callee: IpAddr, duration: Duration) {
    let end = network.now + duration;
    while network.now < end {
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
        let caller = network.nodes[0].packets.last().map(|packet| kx::ip::parse(packet).unwrap().source);
        if let Some(caller) = caller {
            network.packet(0, &udp(tun_address(0), caller, 5060, 4000, &[8; 160]));
        }
        network.run(Duration::from_millis(20));
    }
}

#[test]
fn a_relay_that_dies_during_a_call_is_missed_within_three_tenths_of_a_second() {
    for (dies, hears) in [(1, 0), (2, 0), (4, 5)] {
        let mut network = Network::new(6);
        let callee = connect(&mut network);
        talk(&mut network, callee, Duration::from_secs(2));
        network.nodes[dies].alive = false;
        assert_eq!(trouble(&network, hears), None);
        talk(&mut network, callee, Duration::from_millis(300));
        assert!(trouble(&network, hears).is_some(), "node {dies}");
    }
}

#[test]
fn silence_of_other_links_costs_no_circuit_that_does_not_use_them() {
    let mut network = Network::new(7);
    let callee = connect(&mut network);
    let path = network.peers(&[6, 2, 3]);
    network.command(0, Command::BuildIncoming { tunnel: 8, pseudo_identity: [8; 32], path, token: [8; 32] });
    assert!(network.wait(|n| ready_address(n, 0, 8).is_some()));
    network.nodes[6].alive = false;
    talk(&mut network, callee, Duration::from_secs(5));
    assert!(
        !network.nodes[0].events.contains(&Event::TunnelBroken { tunnel: 1, failure: Failure::Unreachable })
    );
    assert!(reaches(&mut network, callee, b"still there"));
}

/// More cells lost in a row than any window holds: nothing could come through the circuit again.
#[test]
fn a_circuit_that_has_lost_too_many_cells_in_a_row_is_given_up_for_repair() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let (from, to) = (network.nodes[4].address, network.nodes[1].address);
    network.mangle = Box::new(
        move |source, target, datagram| {
            if (source, target) == (from, to) { vec![] } else { vec![datagram] }
        },
    );
    for _ in 0..1100 {
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
    }
    network.run(Duration::from_millis(50));
    network.mangle = Box::new(|_, _, datagram| vec![datagram]);
    assert_eq!(trouble(&network, 5), None);
    talk(&mut network, callee, Duration::from_secs(2));
    assert_eq!(counter(&network, 1, "circuits_adrift"), 1);
    assert!(trouble(&network, 5).is_some());
    let path = network.peers(&[4, 1, 3]);
    network.command(5, Command::Rotate { tunnel: 2, path });
    network.run(Duration::from_secs(1));
    assert!(reaches(&mut network, callee, b"repaired"));
}

#[test]
fn a_stream_one_way_only_keeps_its_links() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    for _ in 0..500 {
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
        network.run(Duration::from_millis(20));
    }
    network.run(Duration::from_secs(1));
    assert_eq!(network.nodes[0].packets.len(), 500);
    for index in 0..6 {
        assert_eq!(counter(&network, index, "links_silent"), 0, "node {index}");
    }
}

#[test]
fn a_tunnel_that_nobody_asks_for_ends_after_its_time_without_traffic() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    network.command(5, Command::Reap { tunnel: 2, after: Some(HOUR) });
    network.run(HOUR * 9 / 10);
    assert!(reaches(&mut network, callee, b"in use"));
    network.run(HOUR * 9 / 10);
    assert_eq!(failure(&network, 5), None);
    network.run(HOUR / 5);
    assert_eq!(failure(&network, 5), Some(Failure::Idle));
    assert_eq!((network.nodes[5].engine.sizes().own, failure(&network, 0)), (0, None));
}

/// Keys change every ten minutes at the latest; after two hours new circuits go over a new link.
#[test]
fn a_tunnel_lasts_while_keys_and_links_under_it_are_renewed() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    for round in 0..10 {
        network.run(HOUR / 4);
        let (even, odd) = ([4, 2, 3], [1, 2, 3]);
        let path = network.peers(if round % 2 == 0 { &even } else { &odd });
        network.command(0, Command::Rotate { tunnel: 1, path });
        network.run(Duration::from_secs(5));
        assert!(reaches(&mut network, callee, format!("round {round}").as_bytes()), "round {round}");
    }
    assert_eq!((failure(&network, 0), failure(&network, 5)), (None, None));
    assert!(counter(&network, 0, "links_up") >= 4, "{}", counter(&network, 0, "links_up"));
    for index in 0..6 {
        assert_eq!(counter(&network, index, "datagrams_forged"), 0, "node {index}");
    }
}

#[test]
fn a_relay_whose_certificates_were_renewed_goes_on_past_the_end_of_the_first_ones() {
    let mut nodes: Vec<_> = (0..6).map(|index| node(index, 0, 30 * 24 * 3600)).collect();
    nodes[1] = node(1, 0, 4 * 3600);
    let mut network = Network::of(nodes);
    let callee = connect(&mut network);
    network.run(HOUR);
    let renewed = |purpose, secret: [u8; 32]| {
        (secret, certify(&hostkey(1), purpose, StaticKey::new(secret).public(), 20 * 24 * 3600))
    };
    let (link, hop) = (renewed(Purpose::Link, [201; 32]), renewed(Purpose::Hop, [202; 32]));
    let link = Box::new(LinkIdentity { key: StaticKey::new(link.0), certificate: link.1 });
    let hop = Box::new(HopIdentity { key: StaticKey::new(hop.0), certificate: hop.1 });
    network.command(1, Command::Renew { link, hop });
    assert!(reaches(&mut network, callee, b"before"));
    for (tunnel, node, path) in [(1, 0, [1, 2, 3]), (2, 5, [1, 4, 3])].repeat(4) {
        network.run(HOUR / 2);
        let path = network.peers(&path);
        network.command(node, Command::Rotate { tunnel, path });
        network.run(Duration::from_secs(5));
        assert!(reaches(&mut network, callee, b"hello"), "{:?}", network.now);
    }
    assert!(network.now > 5 * HOUR);
    assert_eq!((trouble(&network, 0), trouble(&network, 5)), (None, None));
}
