//! The lies of the attackers of `peer test attacker kx-…` in virtual time: what comes through, who notices, what is counted.
//!
//! The path is caller 5, relays 4 and 1, exchange point 3, relays 2 and 1, callee 0.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::attacks::{Attack, Done, Lie};
use kx::event::{Command as Order, Event, Extension, TunnelKey};
use kx::noise::StaticKey;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use support::scenario::{connect, counter, failure, incoming, outgoing, reaches, ready_address, udp};
use support::{Network, tun_address};

fn lie(network: &mut Network, node: usize, lie: Lie, percent: u8) -> Arc<Done> {
    let done: Arc<Done> = Arc::default();
    network.command(node, Order::Attack(Attack { lie, percent, seed: 7, done: done.clone() }));
    done
}

fn count(done: &Done, wanted: &str) -> u64 {
    done.named().find(|(name, _)| *name == wanted).unwrap().1
}

/// The caller says 50 packets a second; how many of them reached the callee, once each and as they were said.
fn speak(network: &mut Network, callee: IpAddr, seconds: u64) -> usize {
    network.nodes[0].packets.clear();
    for _ in 0..seconds * 50 {
        network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
        network.run(Duration::from_millis(20));
    }
    network.run(Duration::from_secs(1));
    assert!(network.nodes[0].packets.iter().all(|packet| packet.ends_with(&[7; 160])));
    network.nodes[0].packets.len()
}

fn lossy(network: &Network, node: usize) -> bool {
    network.nodes[node].events.iter().any(|event| matches!(event, Event::TunnelLossy { .. }))
}

fn sum(network: &Network, name: &str) -> u64 {
    (0..network.nodes.len()).map(|node| counter(network, node, name)).sum()
}

#[test]
fn a_circuit_that_is_built_through_a_liar_comes_about_and_is_lied_about_then() {
    let mut network = Network::new(6);
    let done = lie(&mut network, 4, Lie::Drop, 100);
    let callee = connect(&mut network);
    assert_eq!(count(&done, "cells_dropped"), 0);
    speak(&mut network, callee, 8);
    assert!(count(&done, "cells_dropped") > 200);
    assert!(lossy(&network, 5));
}

/// Too little is said for anybody to miss much of it: the one whose circuit it is finds out by asking, and the other one asks in vain for
/// nothing.
#[test]
fn a_liar_is_found_before_there_is_enough_of_a_call_to_miss_any_of_it() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let say = |network: &mut Network| network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
    let done = lie(&mut network, 4, Lie::Drop, 100);
    // As much as shows the liar that the circuit is built.
    (0..24).for_each(|_| say(&mut network));
    let mut seconds = 0;
    while !lossy(&network, 5) && seconds < 20 {
        say(&mut network);
        network.run(Duration::from_secs(1));
        seconds += 1;
    }
    assert!(count(&done, "cells_dropped") > 0);
    assert!(seconds <= 7, "{seconds} s");
    assert_eq!(counter(&network, 5, "circuits_unanswered"), 1);
    assert_eq!((counter(&network, 5, "flows_lossy"), lossy(&network, 0)), (0, false));
    // Other hops carry it.
    let path = network.peers(&[2, 1, 3]);
    network.command(5, Order::Rotate { tunnel: 2, path });
    network.run(Duration::from_secs(1));
    assert_eq!(speak(&mut network, callee, 4), 200);
}

#[test]
fn cells_held_up_come_later_in_order_and_the_builder_asks_for_other_hops() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    assert_eq!(speak(&mut network, callee, 20), 1000);
    assert_eq!(counter(&network, 5, "circuits_slow"), 0);
    let done = lie(&mut network, 4, Lie::Delay(Duration::from_millis(700)), 100);
    assert_eq!(speak(&mut network, callee, 25), 1250);
    assert!(count(&done, "cells_delayed") > 1200);
    assert!(lossy(&network, 5));
    assert!(counter(&network, 5, "circuits_slow") > 0);
    // Whoever goes another way does not ask again.
    network.nodes[5].events.clear();
    let path = network.peers(&[2, 1, 3]);
    network.command(5, Order::Rotate { tunnel: 2, path });
    speak(&mut network, callee, 60);
    assert!(!lossy(&network, 5));
}

#[test]
fn cells_replayed_reach_nobody_twice() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let done = lie(&mut network, 4, Lie::Replay, 100);
    assert_eq!(speak(&mut network, callee, 4), 200);
    assert!(count(&done, "cells_replayed") > 300);
    assert!(sum(&network, "cells_replayed") >= count(&done, "cells_replayed") - 10);
    assert!(!lossy(&network, 5));
}

#[test]
fn cells_altered_reach_nobody_and_are_counted() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let done = lie(&mut network, 4, Lie::Modify, 10);
    let heard = speak(&mut network, callee, 20);
    assert!((840..960).contains(&heard), "{heard}");
    assert_eq!(sum(&network, "cells_unrecognised"), count(&done, "cells_altered"));
}

#[test]
fn a_mark_put_on_at_the_first_hop_is_not_found_at_the_exchange_point() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let at_first = lie(&mut network, 4, Lie::Tag, 10);
    let at_last = lie(&mut network, 3, Lie::Tag, 0);
    speak(&mut network, callee, 20);
    assert!(count(&at_first, "cells_tagged") > 50);
    assert!(count(&at_last, "noise_found") > 50);
    assert_eq!(count(&at_last, "marks_found"), 0);
}

#[test]
fn floods_and_malformed_cells_over_genuine_links_and_circuits_harm_no_call() {
    for kind in [Lie::Flood(1000), Lie::Malformed(500)] {
        let mut network = Network::new(7);
        let callee = connect(&mut network);
        // A circuit of the attacker's own to a relay of the call.
        network.command(6, incoming(&network, 9, &[1]));
        network.run(Duration::from_secs(1));
        let done = lie(&mut network, 6, kind, 0);
        assert_eq!(speak(&mut network, callee, 4), 200, "{kind:?}");
        let sent = count(&done, "cells_flooded") + count(&done, "cells_malformed");
        assert!(sent > 2000, "{sent}");
        let fates = ["cells_unknown_circuit", "cells_malformed", "circuits_refused"];
        let counted: u64 = fates.iter().map(|name| counter(&network, 1, name)).sum();
        assert!(counted > 1000, "{kind:?}: {counted}");
        assert_eq!((failure(&network, 0), failure(&network, 5)), (None, None));
    }
}

#[test]
fn malformed_bodies_from_the_exchange_point_are_counted_at_both_ends_and_end_nothing() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    lie(&mut network, 3, Lie::Malformed(200), 0);
    network.run(Duration::from_secs(2));
    lie(&mut network, 3, Lie::None, 0);
    network.run(Duration::from_secs(1));
    assert!(counter(&network, 0, "cells_malformed") > 50);
    assert!(counter(&network, 5, "cells_malformed") > 50);
    assert!(reaches(&mut network, callee, b"still"));
}

/// The exchange point splices callers to itself. Those who know the tunnel key hear nothing false, and blame no relay of theirs.
#[test]
fn an_exchange_point_that_splices_callers_to_itself_is_not_taken_for_the_callee() {
    const OWN: [u8; 32] = [66; 32];
    let mut network = Network::new(6);
    let key = StaticKey::new([9; 32]);
    let with_key = |tunnel, bytes| Order::SetExtension {
        tunnel,
        extension: Box::new(Extension { key: Some(TunnelKey::new(bytes)), ..Extension::default() }),
    };
    network.command(0, with_key(1, [9; 32]));
    network.command(0, incoming(&network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()));
    network.command(3, with_key(4, [8; 32]));
    let (tunnel, pseudo_identity, path, token) = (4, OWN, network.peers(&[2, 3]), [4; 32]);
    network.command(3, Order::BuildIncoming { tunnel, pseudo_identity, path, token });
    assert!(network.wait(|n| ready_address(n, 3, 4).is_some()));
    let done = lie(&mut network, 3, Lie::Hijack(OWN), 0);
    network.command(5, with_key(2, *key.public()));
    network.command(5, outgoing(&network, 2, &[4, 1, 3]));
    assert!(network.wait(|n| failure(n, 5).is_some()));
    assert_eq!(count(&done, "callers_stolen"), 1);
    assert_eq!(network.nodes[3].engine.sizes().flows, 0);
    assert_eq!(counter(&network, 5, "flows_unanswered"), 1);
    let blamed = network.nodes[5].events.iter().find_map(|event| match event {
        Event::TunnelFailed { hop, .. } => Some(*hop),
        _ => None,
    });
    assert_eq!(blamed, Some(2));
}
