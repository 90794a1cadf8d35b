//! Signed registrations and what competes with them: hijackers, replays, forgeries, expiry, forgetful exchange points;
//! and the port that a tunnel reaches.
//!
//! The exchange point is 3. Callee 0 comes by way of 1 and 2, caller 5 by way of 4 and 1, as in `scenario::connect`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use kx::control::{REQUEST, Request, encode_fragment};
use kx::event::{Command, Event, Extension, Failure};
use kx::fragments::Fragment;
use kx::ip::parse;
use kx::registration::{Registration, Statement, statement_bytes};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::scenario::{connect, counter, failure, ready_address, udp};
use support::{Network, UNIX_START, tun_address};

const OWNER: [u8; 32] = [9; 32];

fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).unwrap()
}

fn public(seed: &[u8; 32]) -> [u8; 32] {
    pair(seed).public_key().as_ref().try_into().unwrap()
}

/// By the owner, for `key` at `exchange_point`; times in seconds since the network began.
fn signed(exchange_point: [u8; 32], key: [u8; 32], time: u64, expiry: u64) -> Registration {
    let (time, expiry) = (UNIX_START + time, UNIX_START + expiry);
    let message = statement_bytes(&public(&OWNER), &exchange_point, &public(&key), time, expiry);
    Registration::new(key, time, expiry, pair(&OWNER).sign(&message).as_ref().try_into().unwrap())
}

fn at_3(network: &Network, key: u8, time: u64) -> Registration {
    signed(network.nodes[3].peer.identity, [key; 32], time, time + 7200)
}

fn extend(network: &mut Network, node: usize, tunnel: u32, extension: Extension) {
    network.command(node, Command::SetExtension { tunnel, extension: Box::new(extension) });
}

/// Orders a tunnel for the owner's pseudo-identity; `token` is the KX's own secret.
fn register(
    network: &mut Network,
    (node, tunnel, token): (usize, u32, u8),
    path: &[usize],
    registration: Option<Registration>,
) {
    let path = network.peers(path);
    let pseudo_identity = public(&OWNER);
    network.command(node, Command::BuildIncoming { tunnel, pseudo_identity, path, token: [token; 32] });
    extend(network, node, tunnel, Extension { registration, ..Extension::default() });
}

fn call(network: &mut Network, node: usize, tunnel: u32, path: &[usize]) -> IpAddr {
    let path = network.peers(path);
    let order =
        Command::BuildOutgoing { tunnel, pseudo_identity: public(&OWNER), path, token: [tunnel as u8; 32] };
    network.command(node, order);
    assert!(network.wait(|n| ready_address(n, node, tunnel).is_some()), "{:?}", network.nodes[node].events);
    ready_address(network, node, tunnel).flatten().unwrap()
}

fn is_ready(network: &mut Network, node: usize, tunnel: u32) -> bool {
    network.wait(|n| ready_address(n, node, tunnel).is_some() || failure(n, node).is_some());
    ready_address(network, node, tunnel).is_some()
}

fn arrives(network: &mut Network, from: usize, address: IpAddr, to: usize, port: u16) -> bool {
    network.nodes[to].packets.clear();
    network.packet(from, &udp(tun_address(from), address, 4000, port, b"hello"));
    network.run(Duration::from_secs(1));
    network.nodes[to].packets.iter().any(|packet| packet.ends_with(b"hello"))
}

fn rotate(network: &mut Network, node: usize, tunnel: u32, path: &[usize]) {
    let path = network.peers(path);
    network.nodes[node].events.clear();
    network.command(node, Command::Rotate { tunnel, path });
    let over =
        |n: &Network| n.nodes[node].events.iter().any(|event| !matches!(event, Event::TunnelLossy { .. }));
    assert!(network.wait(over));
}

/// What TypeScript signs (test/unit/voip/signed-registration.test.ts) is what Rust verifies.
#[test]
fn registrations_of_the_vectors_are_valid() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../test/vectors/registrations.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let bytes = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
        let bytes32 = |name: &str| -> [u8; 32] { bytes(name).try_into().unwrap() };
        let seconds = |name: &str| vector[name].as_u64().unwrap();
        let signature = bytes("signature").try_into().unwrap();
        let registration =
            Registration::new(bytes32("secret"), seconds("time"), seconds("expiry"), signature);
        let (statement, proof) = registration.show(&[5; 32]).unwrap();
        let (owner, here) = (bytes32("pseudoIdentity"), bytes32("exchangePoint"));
        assert_eq!(statement.verify(&owner, &here, (&[5; 32], &proof), seconds("time")), Ok(()));
    }
}

#[test]
fn an_owner_who_signs_displaces_a_hijacker_who_does_not_and_stays() {
    let mut network = Network::new(8);
    let bystander = connect(&mut network);
    register(&mut network, (7, 11, 66), &[6, 4, 3], None);
    assert!(is_ready(&mut network, 7, 11));
    call(&mut network, 4, 12, &[1, 2, 3]);
    let registration = at_3(&network, 1, 1);
    register(&mut network, (6, 13, 1), &[2, 1, 3], Some(registration));
    assert!(is_ready(&mut network, 6, 13));
    network.run(Duration::from_secs(1));
    // Hijacker and the caller who spoke with it hear that it is over.
    let closed = |tunnel| Event::TunnelClosed { tunnel, failure: Failure::Destroyed };
    assert!(network.nodes[7].events.contains(&closed(11)), "{:?}", network.nodes[7].events);
    assert!(network.nodes[4].events.contains(&closed(12)), "{:?}", network.nodes[4].events);
    assert_eq!(counter(&network, 3, "registrations_displaced"), 1);
    // It comes back in vain, and callers find the owner.
    network.nodes[7].events.clear();
    register(&mut network, (7, 14, 66), &[6, 4, 3], None);
    assert!(!is_ready(&mut network, 7, 14));
    assert_eq!(failure(&network, 7), Some(Failure::Taken));
    assert_eq!(counter(&network, 3, "registrations_refused"), 1);
    let owner = call(&mut network, 4, 15, &[1, 2, 3]);
    assert!(arrives(&mut network, 4, owner, 6, 5060));
    assert!(arrives(&mut network, 5, bystander, 0, 5060));
    assert_eq!(network.nodes[3].engine.sizes().registrations, 2);
}

#[test]
fn what_is_told_ahead_of_an_order_holds_from_its_first_circuit_on() {
    let mut network = Network::new(8);
    register(&mut network, (7, 3, 3), &[6, 4, 3], None);
    assert!(is_ready(&mut network, 7, 3));
    // However quick the circuit is, it registers as the owner's.
    let extension = Extension { registration: Some(at_3(&network, 1, 1)), ..Extension::default() };
    extend(&mut network, 0, 1, extension);
    let (path, pseudo_identity) = (network.peers(&[1, 2, 3]), public(&OWNER));
    network.command(0, Command::BuildIncoming { tunnel: 1, pseudo_identity, path, token: [1; 32] });
    assert!(is_ready(&mut network, 0, 1));
    assert_eq!(counter(&network, 3, "registrations_displaced"), 1);
}

#[test]
fn of_two_who_are_signed_for_the_newer_has_it() {
    let mut network = Network::new(8);
    let older = at_3(&network, 1, 10);
    register(&mut network, (0, 1, 1), &[1, 2, 3], Some(older.clone()));
    assert!(is_ready(&mut network, 0, 1));
    let as_old = at_3(&network, 2, 10);
    register(&mut network, (6, 2, 2), &[2, 1, 3], Some(as_old));
    assert!(!is_ready(&mut network, 6, 2));
    assert_eq!(failure(&network, 6), Some(Failure::Taken));
    let newer = at_3(&network, 3, 11);
    register(&mut network, (7, 3, 3), &[6, 4, 3], Some(newer));
    assert!(is_ready(&mut network, 7, 3));
    network.run(Duration::from_secs(1));
    assert_eq!(failure(&network, 0), Some(Failure::Destroyed));
    network.nodes[0].events.clear();
    register(&mut network, (0, 4, 1), &[1, 2, 3], Some(older));
    assert!(!is_ready(&mut network, 0, 4));
    assert_eq!((counter(&network, 3, "registrations_displaced"), counter(&network, 3, "takeovers")), (1, 0));
}

#[test]
fn a_register_that_was_recorded_is_worth_nothing_on_another_circuit() {
    let mut network = Network::new(8);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let record = heard.clone();
    network.nodes[0].engine.attack_requests(Box::new(move |message| {
        if message.first() == Some(&5) {
            record.lock().unwrap().clone_from(&message);
        }
        message
    }));
    let registration = at_3(&network, 1, 1);
    register(&mut network, (0, 1, 1), &[1, 2, 3], Some(registration));
    assert!(is_ready(&mut network, 0, 1));
    let caller = call(&mut network, 5, 2, &[4, 1, 3]);
    let recorded = heard.lock().unwrap().clone();
    assert_eq!(recorded.len(), 241);
    network.nodes[7].engine.attack_requests(Box::new(move |message| {
        if message.first() == Some(&2) { recorded.clone() } else { message }
    }));
    register(&mut network, (7, 3, 3), &[6, 4, 3], None);
    assert!(!is_ready(&mut network, 7, 3));
    assert_eq!(failure(&network, 7), Some(Failure::Refused));
    assert_eq!(counter(&network, 3, "registrations_invalid"), 1);
    assert!(arrives(&mut network, 5, caller, 0, 5060));
}

#[test]
fn what_is_not_signed_for_this_exchange_point_and_time_is_refused() {
    let mut network = Network::new(8);
    let bystander = connect(&mut network);
    let here = network.nodes[3].peer.identity;
    let elsewhere = signed(network.nodes[2].peer.identity, [1; 32], 1, 7200);
    let far_future = signed(here, [1; 32], 1000, 7200);
    let too_long = signed(here, [1; 32], 1, 24 * 3600 + 2);
    let by_another = Registration::new([1; 32], UNIX_START, UNIX_START + 7200, [3; 64]);
    let mut invalid = 0;
    for registration in [elsewhere, far_future, too_long, by_another] {
        network.nodes[7].events.clear();
        register(&mut network, (7, 1, 1), &[6, 4, 3], Some(registration));
        assert!(!is_ready(&mut network, 7, 1));
        assert_eq!(failure(&network, 7), Some(Failure::Refused));
        invalid += 1;
        assert_eq!(counter(&network, 3, "registrations_invalid"), invalid);
    }
    // On the way through the owner's own KX: every field counts; a pseudo-identity under which anybody signs does not.
    let one: [u8; 32] = std::array::from_fn(|at| u8::from(at == 0));
    let fields = [
        (1, one.to_vec()),
        (65, vec![0]),
        (97, vec![0; 8]),
        (105, vec![0; 8]),
        (113, vec![0]),
        (177, vec![0]),
    ];
    for (at, bytes) in fields {
        network.nodes[7].events.clear();
        network.nodes[7].engine.attack_requests(Box::new(move |mut message| {
            if message.first() == Some(&5) {
                message[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            message
        }));
        let registration = at_3(&network, 1, 1);
        register(&mut network, (7, 1, 1), &[6, 4, 3], Some(registration));
        assert!(!is_ready(&mut network, 7, 1), "field at {at}");
        invalid += 1;
        assert_eq!(counter(&network, 3, "registrations_invalid"), invalid, "field at {at}");
    }
    assert_eq!(network.nodes[3].engine.sizes().registrations, 1);
    assert!(arrives(&mut network, 5, bystander, 0, 5060));
}

#[test]
fn one_circuit_has_few_signatures_checked() {
    let mut network = Network::new(8);
    let bystander = connect(&mut network);
    // A circuit that asks for nothing yet: PING in place of REGISTER.
    network.nodes[7].engine.attack_requests(Box::new(|message| {
        if message.first() == Some(&2) { Request::Ping.encode() } else { message }
    }));
    register(&mut network, (7, 9, 9), &[6, 4, 3], None);
    assert!(is_ready(&mut network, 7, 9));
    let statement = Statement { key: [4; 32], time: UNIX_START, expiry: UNIX_START + 60, signature: [6; 64] };
    let (pseudo_identity, token, proof) = (public(&OWNER), [3; 32], [7; 64]);
    let bytes = Request::RegisterSigned { pseudo_identity, token, statement, proof }.encode();
    for id in 10..60 {
        let payload = encode_fragment(id, Fragment { index: 0, count: 1, bytes: &bytes });
        network.act(7, |engine, now, out| engine.send_body(now, 9, REQUEST, &payload, out));
    }
    network.run(Duration::from_secs(1));
    assert_eq!(counter(&network, 3, "registrations_invalid"), 4);
    assert_eq!(counter(&network, 3, "registrations_refused"), 46);
    assert!(arrives(&mut network, 5, bystander, 0, 5060));
}

/// Circuits by the hundred, each with a few registrations: the link's rate holds for them as for handshakes.
#[test]
fn signatures_count_against_the_rate_of_a_link() {
    let mut network = Network::new(6);
    network.nodes[5].engine.attack_requests(Box::new(|message| {
        if message.first() == Some(&2) { Request::Ping.encode() } else { message }
    }));
    let statement = Statement { key: [4; 32], time: UNIX_START, expiry: UNIX_START + 60, signature: [6; 64] };
    let (pseudo_identity, token, proof) = (public(&OWNER), [3; 32], [7; 64]);
    let bytes = Request::RegisterSigned { pseudo_identity, token, statement, proof }.encode();
    for tunnel in 0..200 {
        register(&mut network, (5, tunnel, 1), &[3], None);
    }
    network.run(Duration::from_secs(1));
    for tunnel in 0..200 {
        for id in 10..14 {
            let payload = encode_fragment(id, Fragment { index: 0, count: 1, bytes: &bytes });
            network.act(5, |engine, now, out| engine.send_body(now, tunnel, REQUEST, &payload, out));
        }
    }
    network.run(Duration::from_secs(1));
    let (checked, dropped) =
        (counter(&network, 3, "registrations_invalid"), counter(&network, 3, "circuits_over_limit"));
    assert!((100..=400).contains(&checked), "{checked}");
    assert_eq!(checked + dropped, 800);
}

#[test]
fn a_newer_registration_counts_from_the_next_circuit_on_and_keeps_the_callers() {
    let mut network = Network::new(8);
    let first = at_3(&network, 1, 1);
    register(&mut network, (0, 1, 1), &[1, 2, 3], Some(first));
    assert!(is_ready(&mut network, 0, 1));
    let callee = call(&mut network, 5, 2, &[4, 1, 3]);
    for (key, time) in [(2, 50), (3, 40)] {
        let registration = Some(at_3(&network, key, time));
        extend(&mut network, 0, 1, Extension { registration, ..Extension::default() });
    }
    rotate(&mut network, 0, 1, &[2, 4, 3]);
    assert!(arrives(&mut network, 5, callee, 0, 5060));
    // The one of time 50 holds, not the one of 40 that came after it.
    let between = at_3(&network, 4, 45);
    register(&mut network, (7, 3, 3), &[6, 4, 3], Some(between));
    assert!(!is_ready(&mut network, 7, 3));
    // The owner's process starts again: the same token, a newer registration, over new circuits and at once.
    network.restart(0);
    let newest = at_3(&network, 5, 60);
    register(&mut network, (0, 4, 1), &[1, 2, 3], Some(newest));
    assert!(is_ready(&mut network, 0, 4));
    assert_eq!(counter(&network, 3, "registrations_displaced"), 0);
    assert_eq!(counter(&network, 3, "takeovers"), 2);
    assert_eq!(network.nodes[3].engine.sizes().registrations, 1);
    assert_eq!(failure(&network, 5), None);
}

#[test]
fn a_registration_that_expires_loses_its_precedence_and_not_its_circuits() {
    let mut network = Network::new(8);
    let short = signed(network.nodes[3].peer.identity, [1; 32], 1, 60);
    register(&mut network, (0, 1, 1), &[1, 2, 3], Some(short));
    assert!(is_ready(&mut network, 0, 1));
    let callee = call(&mut network, 5, 2, &[4, 1, 3]);
    network.run(Duration::from_secs(70));
    assert!(arrives(&mut network, 5, callee, 0, 5060));
    // Its KX can still move it, by the token; to somebody else who is not signed for it is as good as an unsigned one.
    rotate(&mut network, 0, 1, &[2, 4, 3]);
    assert!(arrives(&mut network, 5, callee, 0, 5060));
    register(&mut network, (7, 3, 3), &[6, 4, 3], None);
    assert!(!is_ready(&mut network, 7, 3));
    assert!(arrives(&mut network, 5, callee, 0, 5060));
    // Who is signed for it may have it now, though signed for earlier.
    let earlier = at_3(&network, 9, 0);
    register(&mut network, (6, 4, 4), &[7, 4, 3], Some(earlier));
    assert!(is_ready(&mut network, 6, 4));
    assert_eq!(counter(&network, 3, "registrations_displaced"), 1);
}

#[test]
fn an_owner_whose_exchange_point_has_forgotten_it_notices_and_registers_again() {
    let mut network = Network::new(8);
    let registration = at_3(&network, 1, 1);
    register(&mut network, (0, 1, 1), &[1, 2, 3], Some(registration));
    assert!(is_ready(&mut network, 0, 1));
    call(&mut network, 5, 2, &[4, 1, 3]);
    network.nodes[3].engine.forget_registrations();
    network.nodes[0].events.clear();
    network.run(Duration::from_secs(17));
    let failure_ = Failure::UnknownPseudoIdentity;
    let broken = Event::TunnelBroken { tunnel: 1, failure: failure_ };
    assert_eq!(network.nodes[0].events, [broken]);
    assert_eq!(failure(&network, 5), Some(failure_));
    rotate(&mut network, 0, 1, &[2, 4, 3]);
    // Flow numbers begin anew: nothing of the old ones is in the way.
    let callee = call(&mut network, 7, 3, &[6, 4, 3]);
    assert!(arrives(&mut network, 7, callee, 0, 5060));
}

/// Two pseudo-identities of one peer: through the tunnel of one, the other's port cannot be reached.
#[test]
fn a_tunnel_with_a_port_of_its_own_reaches_no_other() {
    let mut network = Network::new(8);
    let other = connect(&mut network);
    register(&mut network, (0, 3, 3), &[2, 4, 3], None);
    assert!(is_ready(&mut network, 0, 3));
    for (tunnel, port) in [(1, 40_001), (3, 40_003)] {
        extend(&mut network, 0, tunnel, Extension { port: Some(port), ..Extension::default() });
    }
    let own = call(&mut network, 7, 4, &[6, 4, 3]);
    for (from, address, port, reached) in [
        (7, own, 40_003, true),
        (7, own, 40_001, false),
        (7, own, 5060, false),
        (5, other, 40_001, true),
        (5, other, 40_003, false),
    ] {
        let dropped = counter(&network, 0, "packets_to_tun_dropped");
        assert_eq!(arrives(&mut network, from, address, 0, port), reached, "port {port}");
        assert_eq!(counter(&network, 0, "packets_to_tun_dropped") - dropped, u64::from(!reached));
    }
    // The callee's answers go back as before.
    assert!(arrives(&mut network, 7, own, 0, 40_003));
    let caller = parse(&network.nodes[0].packets[0]).unwrap().source;
    network.nodes[7].packets.clear();
    network.packet(0, &udp(tun_address(0), caller, 40_003, 4000, b"answer"));
    network.run(Duration::from_secs(1));
    assert_eq!(network.nodes[7].packets.len(), 1);
}
