//! Cover towards a first hop, as a listener on the link sees it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::event::Command;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use support::scenario::{connect, counter, udp};
use support::{Network, tun_address};

const SECOND: Duration = Duration::from_secs(1);
/// What fits into 64 kbit/s with the headers of UDP and IPv4.
const IDLE_MOST: u32 = 64_000 / ((384 + 28) * 8);

type Counts = Rc<RefCell<BTreeMap<(SocketAddr, SocketAddr), u32>>>;

/// Counts the datagrams of each direction; taking them begins anew.
fn listen(network: &mut Network) -> Counts {
    let counts = Counts::default();
    let seen = counts.clone();
    network.mangle = Box::new(move |from, to, datagram| {
        *seen.borrow_mut().entry((from, to)).or_default() += 1;
        vec![datagram]
    });
    counts
}

/// Datagrams there and back between the builder (5) and its first hop (4) in each of the next seconds.
fn seconds(
    network: &mut Network,
    counts: &Counts,
    count: usize,
    mut act: impl FnMut(&mut Network),
) -> Vec<(u32, u32)> {
    let (own, hop) = (network.nodes[5].address, network.nodes[4].address);
    (0..count)
        .map(|_| {
            counts.borrow_mut().clear();
            for _ in 0..50 {
                act(network);
                network.run(SECOND / 50);
            }
            let counts = counts.borrow();
            let of = |from, to| counts.get(&(from, to)).copied().unwrap_or_default();
            (of(own, hop), of(hop, own))
        })
        .collect()
}

fn cover(network: &mut Network, calls: u8) {
    let peers = network.peers(&[4]);
    network.command(5, Command::Cover { calls, peers });
}

fn speak(network: &mut Network, callee: IpAddr) {
    network.packet(5, &udp(tun_address(5), callee, 4000, 5060, &[7; 160]));
}

fn answer(network: &mut Network) {
    if let Some(packet) = network.nodes[0].packets.last() {
        let caller = kx::ip::parse(packet).unwrap().source;
        network.packet(0, &udp(tun_address(0), caller, 5060, 4000, &[8; 160]));
    }
}

#[test]
fn an_idle_link_carries_a_constant_rate_both_ways_below_64_kbit() {
    let mut network = Network::new(6);
    connect(&mut network);
    let counts = listen(&mut network);
    cover(&mut network, 2);
    network.run(3 * SECOND);
    for (there, back) in seconds(&mut network, &counts, 60, |_| {}) {
        assert!(there.abs_diff(IDLE_MOST) <= 2 && back.abs_diff(IDLE_MOST) <= 2, "{there} {back}");
    }
}

/// Silence, one who speaks, both who speak: a listener between a person and the first hop sees the same.
#[test]
fn who_speaks_in_a_call_and_when_it_has_ended_is_not_seen() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let counts = listen(&mut network);
    cover(&mut network, 2);
    network.run(3 * SECOND);
    let begin = seconds(&mut network, &counts, 3, |n| speak(n, callee));
    let mut all = seconds(&mut network, &counts, 40, |n| speak(n, callee));
    all.extend(seconds(&mut network, &counts, 40, |n| {
        speak(n, callee);
        answer(n);
    }));
    all.extend(seconds(&mut network, &counts, 20, |_| {}));
    for (there, back) in all {
        assert!(there.abs_diff(100) <= 5 && back.abs_diff(100) <= 5, "{there} {back}, at first {begin:?}");
    }
}

/// One packet and its answer, of which there are far fewer than the slow beat hides, and both ends have the beat of calls; half a minute later
/// that of rest again.
#[test]
fn the_first_cell_of_a_call_begins_the_beat_of_calls_at_both_ends() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let counts = listen(&mut network);
    for (node, first) in [(5, 4), (0, 1)] {
        let peers = network.peers(&[first]);
        network.command(node, Command::Cover { calls: 2, peers });
    }
    network.run(3 * SECOND);
    let rates = |network: &mut Network| {
        counts.borrow_mut().clear();
        network.run(10 * SECOND);
        [(5, 4), (0, 1)].map(|(node, first)| {
            let ends = (network.nodes[node].address, network.nodes[first].address);
            counts.borrow().get(&ends).copied().unwrap_or_default() / 10
        })
    };
    assert!(rates(&mut network).iter().all(|rate| rate.abs_diff(IDLE_MOST) <= 2));
    speak(&mut network, callee);
    network.run(SECOND);
    answer(&mut network);
    let raised = rates(&mut network);
    assert!(raised.iter().all(|rate| rate.abs_diff(100) <= 5), "{raised:?}");
    network.run(30 * SECOND);
    assert!(rates(&mut network).iter().all(|rate| rate.abs_diff(IDLE_MOST) <= 2));
}

#[test]
fn the_first_hop_never_sends_more_padding_than_it_gets() {
    let mut network = Network::new(6);
    connect(&mut network);
    let counts = listen(&mut network);
    cover(&mut network, 4);
    for (there, back) in seconds(&mut network, &counts, 20, |_| {}) {
        assert!(back <= there + 2, "{there} {back}");
    }
    cover(&mut network, 0);
    network.run(2 * SECOND);
    for (there, back) in seconds(&mut network, &counts, 20, |_| {}) {
        assert!(there <= 4 && back <= 4, "{there} {back}");
    }
}

/// A covered first hop that is not there is dialled until it is.
#[test]
fn cover_comes_back_with_a_first_hop_that_was_away() {
    let mut network = Network::new(6);
    network.nodes[4].alive = false;
    cover(&mut network, 2);
    network.run(20 * SECOND);
    assert_eq!(counter(&network, 5, "cover_sent"), 0);
    network.nodes[4].alive = true;
    network.run(30 * SECOND);
    assert!(counter(&network, 5, "cover_sent") > 100);
    network.restart(4);
    network.run(60 * SECOND);
    let before = counter(&network, 5, "cover_sent");
    network.run(10 * SECOND);
    assert!(counter(&network, 5, "cover_sent") > before + 100);
}

/// Each is the other's first hop: what one answers is not answered again, or it would go to and fro for ever.
#[test]
fn two_peers_that_cover_each_other_do_not_answer_answers() {
    let mut network = Network::new(6);
    connect(&mut network);
    let counts = listen(&mut network);
    cover(&mut network, 2);
    let back = network.peers(&[5]);
    network.command(4, Command::Cover { calls: 2, peers: back });
    network.run(3 * SECOND);
    for (there, back) in seconds(&mut network, &counts, 30, |_| {}) {
        let most = 2 * IDLE_MOST + 4;
        assert!(there <= most && back <= most, "{there} {back}");
    }
}
