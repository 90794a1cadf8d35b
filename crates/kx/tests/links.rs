//! Links under stress: restarts, floods, lost cells, both sides dialling, certificates that run out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use cell::layout::{Datagram, Kind};
use kx::event::Command;
use kx::fragments::{Fragment, split};
use kx::noise::{Handshake, Pattern, StaticKey};
use kx::wire::{FRAGMENT_BYTES, HandshakeHeader, Step, handshake_datagram};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use support::scenario::{
    PSEUDO, connect, counter, failure, incoming, outgoing, reaches, ready_address, trouble,
};
use support::{Network, node};

#[test]
fn two_peers_that_dial_each_other_at_once_both_get_their_tunnels() {
    let mut network = Network::new(5);
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    let path = network.peers(&[0, 4, 3]);
    network.command(1, Command::BuildIncoming { tunnel: 7, pseudo_identity: [8; 32], path, token: [7; 32] });
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some() && ready_address(n, 1, 7).is_some()));
    network.run(Duration::from_secs(120));
    assert_eq!((failure(&network, 0), failure(&network, 1)), (None, None));
}

#[test]
fn a_builder_that_starts_again_is_back_within_seconds() {
    let mut network = Network::new(6);
    connect(&mut network);
    network.restart(0);
    let start = network.now;
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()), "{:?}", network.nodes[0].events);
    assert!(network.now - start < Duration::from_secs(2), "virtual time {:?}", network.now - start);
    // Its first hop finds out that the older link is dead, and everything behind it is freed.
    network.run(Duration::from_secs(5));
    assert_eq!(network.nodes[1].engine.sizes().links, 5 - 1);
    assert_eq!(network.nodes[3].engine.sizes().registrations, 1);
}

#[test]
fn a_relay_that_starts_again_can_be_extended_to_within_seconds() {
    let mut network = Network::new(6);
    connect(&mut network);
    // Node 2 dials nobody; node 1 still has a link which node 2 knows nothing of.
    network.restart(2);
    network.command(4, incoming(&network, 9, &[1, 2, 5]));
    let start = network.now;
    assert!(network.wait(|n| !n.nodes[4].events.is_empty()));
    assert!(ready_address(&network, 4, 9).is_some(), "{:?}", network.nodes[4].events);
    assert!(network.now - start < Duration::from_secs(5), "virtual time {:?}", network.now - start);
    // The tunnel that went through it is known to be broken as fast.
    assert!(trouble(&network, 0).is_some());
}

#[test]
fn a_first_hop_that_starts_again_can_be_used_within_seconds() {
    let mut network = Network::new(6);
    connect(&mut network);
    network.restart(1);
    let start = network.now;
    let path = network.peers(&[1, 2, 4]);
    network.command(0, Command::BuildIncoming { tunnel: 3, pseudo_identity: [9; 32], path, token: [3; 32] });
    assert!(network.wait(|n| ready_address(n, 0, 3).is_some()), "{:?}", network.nodes[0].events);
    assert!(network.now - start < Duration::from_secs(5), "virtual time {:?}", network.now - start);
}

/// Off the path, somebody tells every peer that the others have forgotten their links.
#[test]
fn lies_about_forgotten_links_cut_none() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let sealed: Rc<RefCell<Vec<(SocketAddr, SocketAddr, Datagram)>>> = Rc::default();
    let seen = sealed.clone();
    network.mangle = Box::new(move |from, to, datagram| {
        if Kind::of(&datagram) == Some(Kind::Sealed) {
            seen.borrow_mut().push((from, to, datagram));
        }
        vec![datagram]
    });
    for round in 0..20 {
        assert!(reaches(&mut network, callee, format!("round {round}").as_bytes()));
        for (from, to, mut datagram) in sealed.take() {
            datagram[0] = Kind::Lost as u8;
            let index = network.nodes.iter().position(|node| node.address == from).unwrap();
            network.inject(index, to, datagram);
        }
    }
    assert_eq!((failure(&network, 0), failure(&network, 5)), (None, None));
}

/// The only cell that goes over a quiet link is lost: the link is asked, not given up.
#[test]
fn a_lost_cell_on_a_quiet_link_does_not_cost_the_link() {
    let mut network = Network::new(6);
    connect(&mut network);
    network.run(Duration::from_secs(1));
    // Node 5's tunnel ends; of what that causes, every DESTROY is lost.
    network.mangle = Box::new(|_, _, _| vec![]);
    network.command(5, Command::Destroy { tunnel: 2 });
    network.mangle = Box::new(|_, _, datagram| vec![datagram]);
    let links = network.nodes[5].engine.sizes().links;
    assert_eq!(links, 1);
    network.run(Duration::from_secs(30));
    assert_eq!(network.nodes[5].engine.sizes().links, links);
    assert_eq!(failure(&network, 0), None);
}

struct Flood {
    message: Vec<u8>,
}

impl Flood {
    fn new() -> Self {
        Self { message: Handshake::initiate(Pattern::Link, Some(&StaticKey::new([42; 32]))).unwrap().1 }
    }

    fn fragments(&self) -> impl Iterator<Item = Fragment<'_>> {
        split(&self.message, FRAGMENT_BYTES)
    }

    /// Asks `node` for a cookie as `from`; its answer comes by way of the network's hook.
    fn first(
        &self,
        network: &mut Network,
        node: usize,
        from: SocketAddr,
        index: u32,
        cookies: &RefCell<Vec<Datagram>>,
        whole: bool,
    ) {
        cookies.borrow_mut().clear();
        network.inject(node, from, HandshakeHeader::hello(index, 5));
        let cookie = HandshakeHeader::read(cookies.borrow().last().unwrap()).cookie;
        for fragment in self.fragments().take(if whole { usize::MAX } else { 1 }) {
            network.inject(node, from, handshake_datagram(Step::First, 0, index, &cookie, fragment));
        }
    }
}

fn cookies(network: &mut Network) -> Rc<RefCell<Vec<Datagram>>> {
    let cookies: Rc<RefCell<Vec<Datagram>>> = Rc::default();
    let seen = cookies.clone();
    network.mangle = Box::new(move |_, _, datagram| {
        if Kind::of(&datagram) == Some(Kind::Cookie) {
            seen.borrow_mut().push(datagram);
        }
        vec![datagram]
    });
    cookies
}

/// A machine shows valid cookies from thousands of source ports, also the address of an honest peer's machine.
#[test]
fn a_flood_of_handshakes_with_valid_cookies_locks_nobody_out() {
    let mut network = Network::new(4);
    let cookies = cookies(&mut network);
    let flood = Flood::new();
    for round in 0..3000_u32 {
        let machine =
            if round % 2 == 0 { network.nodes[0].address.ip() } else { "10.9.0.1".parse().unwrap() };
        let from = SocketAddr::new(machine, 10_000 + round as u16);
        flood.first(&mut network, 1, from, round, &cookies, round % 8 == 0);
    }
    assert!(counter(&network, 1, "handshakes_over_limit") > 2000);
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    let start = network.now;
    // The flood goes on meanwhile.
    for round in 0..100_u32 {
        network.run(Duration::from_millis(20));
        let from = SocketAddr::new(network.nodes[0].address.ip(), 20_000 + round as u16);
        flood.first(&mut network, 1, from, round, &cookies, true);
    }
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()), "{:?}", network.nodes[0].events);
    assert!(network.now - start < Duration::from_secs(5));
}

/// Many machines at once fill the table; each has the same share of it, so a newcomer finds room.
#[test]
fn a_flood_from_many_machines_leaves_room_for_a_newcomer() {
    let mut network = Network::new(4);
    let cookies = cookies(&mut network);
    let flood = Flood::new();
    for round in 0..3000_u32 {
        let from = SocketAddr::from(([10, 9, 0, (round % 40) as u8], 10_000 + (round / 40) as u16));
        flood.first(&mut network, 1, from, round, &cookies, false);
    }
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()), "{:?}", network.nodes[0].events);
}

#[test]
fn a_third_message_with_another_link_number_leaves_nothing_behind() {
    let mut network = Network::new(4);
    // An on-path attacker, or a malicious peer, rewrites the sender's number in every message 3.
    network.mangle = Box::new(|_, _, mut datagram| {
        if Kind::of(&datagram) == Some(Kind::Handshake) && datagram[1] == Step::Third as u8 {
            datagram[11] ^= 1;
        }
        vec![datagram]
    });
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| failure(n, 0).is_some()));
    network.run(Duration::from_secs(10));
    assert_eq!(network.nodes[1].engine.sizes().links, 0);
    network.mangle = Box::new(|_, _, datagram| vec![datagram]);
    network.command(0, incoming(&network, 2, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 2).is_some()));
}

/// Who cannot see the handshake cannot disturb it: forged fragments of messages 2 and 3 do not show the cookie.
#[test]
fn forged_fragments_from_off_the_path_disturb_no_handshake() {
    let mut network = Network::new(4);
    network.mangle = Box::new(|_, _, datagram| {
        if Kind::of(&datagram) == Some(Kind::Handshake) && datagram[1] != Step::First as u8 {
            let mut forged = datagram;
            forged[12..28].fill(9);
            forged[40] ^= 1;
            return vec![forged, datagram];
        }
        vec![datagram]
    });
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()));
}

#[test]
fn one_identity_has_a_bounded_number_of_links() {
    let mut network = Network::new(3);
    for round in 0..20 {
        network.restart(0);
        network.nodes[0].address.set_port(4000 + round);
        network.nodes[0].peer.address = network.nodes[0].address;
        let path = network.peers(&[1, 2]);
        network
            .command(0, Command::BuildIncoming { tunnel: 1, pseudo_identity: PSEUDO, path, token: [1; 32] });
        assert!(network.wait(|n| ready_address(n, 0, 1).is_some()), "round {round}");
    }
    assert!(network.nodes[1].engine.sizes().links <= 9);
}

#[test]
fn a_link_ends_with_the_certificate_of_its_peer() {
    let lives = |seconds| {
        let mut nodes: Vec<_> = (0..6).map(|index| node(index, 0, 30 * 24 * 3600)).collect();
        nodes[1] = node(1, 0, seconds);
        Network::of(nodes)
    };
    let mut network = lives(100);
    connect(&mut network);
    network.run(Duration::from_secs(90));
    assert_eq!(failure(&network, 0), None);
    network.run(Duration::from_secs(20));
    assert!(trouble(&network, 0).is_some());
    network.command(0, outgoing(&network, 5, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 5).is_none() && n.nodes[0].events.len() > 2));
    assert_eq!(network.nodes[0].engine.sizes().own, 0);
}
