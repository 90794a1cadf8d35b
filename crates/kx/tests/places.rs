//! The places of an exchange point, which some peers together fill with registrations of nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::event::Command;
use std::time::Duration;
use support::Network;
use support::scenario::{counter, failure, incoming, ready_address};

const EXCHANGE_POINT: usize = 3;
const PLACES: u32 = 4096;
/// As many links of the attacker's, each with as many circuits as an engine keeps.
const ATTACKERS: [usize; 4] = [6, 7, 8, 9];

/// Registers whom nobody knows, right at the exchange point.
fn register(network: &mut Network, node: usize, tunnel: u32) {
    let mut pseudo_identity = [node as u8; 32];
    pseudo_identity[..4].copy_from_slice(&tunnel.to_be_bytes());
    let path = network.peers(&[EXCHANGE_POINT]);
    network.command(node, Command::BuildIncoming { tunnel, pseudo_identity, path, token: [1; 32] });
}

#[test]
fn whoever_fills_an_exchange_point_makes_room_for_those_who_come_by_other_relays() {
    let mut network = Network::new(10);
    // Somebody who was there before, by way of 1 and 2.
    network.command(0, incoming(&network, 1, &[1, 2, EXCHANGE_POINT]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()));
    let each = PLACES / ATTACKERS.len() as u32;
    for tunnel in 0..each {
        for node in ATTACKERS {
            register(&mut network, node, tunnel);
        }
        // As fast as a link may begin circuits.
        network.run(Duration::from_millis(11));
    }
    network.run(Duration::from_secs(5));
    let places = |n: &Network| n.nodes[EXCHANGE_POINT].engine.sizes().registrations;
    assert_eq!(places(&network), PLACES as usize);
    // The last one that they have tried found no place.
    assert_eq!(counter(&network, EXCHANGE_POINT, "registrations_refused"), 1);
    assert_eq!(ATTACKERS.map(|node| failure(&network, node)).iter().flatten().count(), 1);
    assert_eq!(counter(&network, EXCHANGE_POINT, "registrations_crowded_out"), 0);

    // Somebody who comes by way of 4.
    let (path, pseudo_identity) = (network.peers(&[4, EXCHANGE_POINT]), [5; 32]);
    network.command(5, Command::BuildIncoming { tunnel: 1, pseudo_identity, path, token: [5; 32] });
    assert!(network.wait(|n| ready_address(n, 5, 1).is_some()));
    assert_eq!(counter(&network, EXCHANGE_POINT, "registrations_crowded_out"), 1);
    assert_eq!(places(&network), PLACES as usize);
    network.run(Duration::from_secs(5));
    let crowded_out = ATTACKERS.map(|node| failure(&network, node));
    assert_eq!(crowded_out.iter().flatten().count(), 2, "{crowded_out:?}");
    assert_eq!((failure(&network, 0), failure(&network, 5)), (None, None));
}
