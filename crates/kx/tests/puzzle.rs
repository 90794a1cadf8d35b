//! Callers of somebody who has many: they work, and whoever does not gets nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::control::Request;
use kx::event::{Command, Failure};
use std::time::Duration;
use support::Network;
use support::scenario::{PSEUDO, connect, counter, failure, incoming, outgoing, reaches, ready_address};

/// So many callers are spliced without any work.
const FREE: u32 = 32;

/// Callee 0 at exchange point 3, and so many callers, all of them node 5.
fn crowd(network: &mut Network, callers: u32) {
    network.command(0, incoming(network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()));
    for tunnel in 0..callers {
        call(network, 1000 + tunnel);
    }
}

fn call(network: &mut Network, tunnel: u32) {
    let mut token = [0; 32];
    token[..4].copy_from_slice(&tunnel.to_be_bytes());
    let path = network.peers(&[4, 1, 3]);
    network.command(5, Command::BuildOutgoing { tunnel, pseudo_identity: PSEUDO, path, token });
    network.wait(|n| ready_address(n, 5, tunnel).is_some() || failure(n, 5).is_some());
    assert!(ready_address(network, 5, tunnel).is_some(), "{tunnel}: {:?}", failure(network, 5));
}

#[test]
fn the_first_callers_are_asked_for_nothing_and_the_next_ones_work() {
    let mut network = Network::new(6);
    crowd(&mut network, FREE);
    assert_eq!(counter(&network, 3, "puzzles_set"), 0);
    for tunnel in 0..3 {
        call(&mut network, 5000 + tunnel);
    }
    assert_eq!(counter(&network, 3, "puzzles_set"), 3);
    assert_eq!(counter(&network, 3, "splices"), u64::from(FREE) + 3);
}

#[test]
fn a_caller_who_guesses_is_asked_again_and_in_the_end_gives_up() {
    let mut network = Network::new(6);
    crowd(&mut network, FREE);
    // Whatever it has found out, it says something else.
    network.nodes[5].engine.attack_requests(Box::new(|request| match Request::decode(&request) {
        Some(Request::Connect { pseudo_identity, token, answer: Some(answer) }) => {
            let answer = Some(answer.wrapping_add(1));
            Request::Connect { pseudo_identity, token, answer }.encode()
        }
        _ => request,
    }));
    network.command(5, outgoing(&network, 7, &[4, 1, 3]));
    network.run(Duration::from_secs(40));
    assert_eq!(failure(&network, 5), Some(Failure::Timeout));
    assert!(counter(&network, 3, "puzzles_set") > 1);
    assert_eq!(counter(&network, 3, "splices"), u64::from(FREE));
}

#[test]
fn a_rotation_of_a_caller_costs_no_work_however_many_there_are() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    for tunnel in 0..FREE {
        call(&mut network, 1000 + tunnel);
    }
    let set = counter(&network, 3, "puzzles_set");
    let path = network.peers(&[2, 4, 3]);
    network.command(5, Command::Rotate { tunnel: 2, path });
    network.run(Duration::from_secs(5));
    assert_eq!(counter(&network, 3, "puzzles_set"), set);
    assert!(reaches(&mut network, callee, b"still there"));
}
