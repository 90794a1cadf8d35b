//! Cover towards a first hop, as a listener on the link sees it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::event::Command;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use support::scenario::{connect, counter, udp};
use support::{Network, tun_address};

const SECOND: Duration = Duration::from_secs(1);
/// What fits into 64 kbit/s with the headers of UDP and IPv4.
const IDLE_MOST: u32 = 64_000 / ((384 + 28) * 8);
/// Of the beat of two calls: their cells, and those of their control connections and of upkeep.
const OF_CALLS: u32 = 150;
/// In the three seconds in which it begins.
const AT_FIRST: u32 = 500;
const BEAT: Duration = Duration::from_nanos(1_000_000_000 / OF_CALLS as u64);

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

/// When datagrams leave between the builder and its first hop, there and back.
fn times(network: &mut Network) -> Rc<RefCell<[Vec<Duration>; 2]>> {
    let times = Rc::new(RefCell::new(<[Vec<Duration>; 2]>::default()));
    let (own, hop, ears) = (network.nodes[5].address, network.nodes[4].address, times.clone());
    network.watch = Some(Box::new(move |at, from, to| {
        for (index, ends) in [(own, hop), (hop, own)].into_iter().enumerate() {
            if (from, to) == ends {
                ears.borrow_mut()[index].push(at);
            }
        }
    }));
    times
}

/// How long packets take that the builder sends `every` so often, in order of arrival; those of `count` that arrive within half a second.
fn ways(network: &mut Network, callee: IpAddr, count: u32, every: Duration) -> Vec<Duration> {
    const STEP: Duration = Duration::from_micros(500);
    network.nodes[0].packets.clear();
    let begin = network.now;
    let (mut sent, mut ways) = (0, Vec::new());
    while network.now < begin + every * count + SECOND / 2 {
        while sent < count && network.now >= begin + every * sent {
            speak(network, callee);
            sent += 1;
        }
        network.run(STEP);
        while ways.len() < network.nodes[0].packets.len() {
            ways.push(network.now - (begin + every * ways.len() as u32));
        }
    }
    ways
}

fn mean(ways: &[Duration]) -> Duration {
    ways.iter().sum::<Duration>() / ways.len() as u32
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
    let begin = seconds(&mut network, &counts, 5, |n| speak(n, callee));
    let mut all = seconds(&mut network, &counts, 40, |n| speak(n, callee));
    all.extend(seconds(&mut network, &counts, 40, |n| {
        speak(n, callee);
        answer(n);
    }));
    all.extend(seconds(&mut network, &counts, 20, |_| {}));
    for (there, back) in all {
        assert!(
            there.abs_diff(OF_CALLS) <= 1 && back.abs_diff(OF_CALLS) <= 1,
            "{there} {back}, at first {begin:?}"
        );
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
    network.run(4 * SECOND);
    let raised = rates(&mut network);
    assert!(raised.iter().all(|rate| rate.abs_diff(OF_CALLS) <= 2), "{raised:?}");
    network.run(30 * SECOND);
    assert!(rates(&mut network).iter().all(|rate| rate.abs_diff(IDLE_MOST) <= 2));
}

/// Silence, speech, a flood of a message's cells, new circuits: each datagram leaves with the beat, or with what it answers.
#[test]
fn while_the_beat_is_that_of_calls_no_datagram_is_early_or_late() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    cover(&mut network, 2);
    network.run(SECOND);
    speak(&mut network, callee);
    network.run(4 * SECOND);
    let times = times(&mut network);
    for second in 0..12 {
        for part in 0..50 {
            let long = udp(tun_address(5), callee, 4000, 5060, &[7; 1300]);
            match (second, part) {
                (1..3, _) => speak(&mut network, callee),
                (3..6, _) => {
                    speak(&mut network, callee);
                    answer(&mut network);
                }
                (6..9, 0) => network.packet(5, &long),
                (9, 0) => {
                    let path = network.peers(&[4, 2, 3]);
                    network.command(5, Command::Rotate { tunnel: 2, path });
                }
                _ => {}
            }
            network.run(SECOND / 50);
        }
    }
    for (index, times) in times.borrow().iter().enumerate() {
        let gaps: BTreeSet<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps, BTreeSet::from([BEAT]), "direction {index}");
    }
}

#[test]
fn a_cell_waits_half_a_beat_on_average_at_each_covered_link_and_never_much_more_than_one() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let bare = ways(&mut network, callee, 100, SECOND / 50);
    for (node, first) in [(5, 4), (0, 1)] {
        let peers = network.peers(&[first]);
        network.command(node, Command::Cover { calls: 2, peers });
    }
    network.run(SECOND);
    speak(&mut network, callee);
    network.run(SECOND);
    answer(&mut network);
    network.run(4 * SECOND);
    let covered = ways(&mut network, callee, 500, Duration::from_micros(20_300));
    assert_eq!(covered.len(), 500);
    let added = mean(&covered) - mean(&bare);
    assert!((BEAT / 2..BEAT * 5 / 4).contains(&added), "{added:?}");
    assert!(*covered.iter().max().unwrap() <= mean(&bare) + 3 * BEAT, "{covered:?}");
}

#[test]
fn more_than_the_beat_carries_goes_out_at_once_after_a_moment_and_nothing_is_lost() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let bare = mean(&ways(&mut network, callee, 100, SECOND / 50));
    cover(&mut network, 2);
    network.run(SECOND);
    speak(&mut network, callee);
    network.run(4 * SECOND);
    let crowded = ways(&mut network, callee, 600, SECOND / 200);
    assert_eq!(crowded.len(), 600);
    assert!(*crowded.iter().max().unwrap() <= bare + 17 * BEAT, "{crowded:?}");
    assert!(mean(&crowded[300..]) <= bare + BEAT / 4, "{crowded:?}");
}

/// The beats are lost on their way to the first hop, so that there is nothing to answer.
#[test]
fn cells_do_not_wait_for_beats_that_do_not_come() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    cover(&mut network, 2);
    network.run(SECOND);
    speak(&mut network, callee);
    network.run(SECOND);
    let (own, hop) = (network.nodes[5].address, network.nodes[4].address);
    network.mangle = Box::new(move |from, to, datagram| match (from, to) == (own, hop) {
        true => Vec::new(),
        false => vec![datagram],
    });
    network.run(SECOND / 10);
    network.nodes[5].packets.clear();
    for _ in 0..5 {
        answer(&mut network);
        network.run(SECOND / 50);
    }
    network.run(SECOND / 10);
    assert_eq!(network.nodes[5].packets.len(), 5);
}

/// Few cells only, for the second hop is not there. Another call while the beat is that of calls changes nothing.
#[test]
fn the_beat_of_calls_begins_with_dialling_and_is_quicker_for_three_seconds() {
    let mut network = Network::new(6);
    connect(&mut network);
    let counts = listen(&mut network);
    cover(&mut network, 2);
    network.run(3 * SECOND);
    network.nodes[1].alive = false;
    let dial = |network: &mut Network, tunnel| {
        let path = network.peers(&[4, 1, 3]);
        let (pseudo_identity, token) = ([9; 32], [3; 32]);
        network.command(5, Command::BuildOutgoing { tunnel, pseudo_identity, path, token });
        seconds(network, &counts, 8, |_| {})
    };
    let first = dial(&mut network, 3);
    let second = dial(&mut network, 4);
    let quick = first[1..3].iter().map(|rates| (rates, AT_FIRST));
    let then = first[4..].iter().chain(&second).map(|rates| (rates, OF_CALLS));
    for (&(there, back), rate) in quick.chain(then) {
        assert!(there.abs_diff(rate) <= 1 && back.abs_diff(rate) <= 1, "{rate}: {first:?} {second:?}");
    }
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

/// After two hours a new link takes the place of the old one, which circuits keep for a while: what waits there still goes out.
#[test]
fn cells_go_on_over_a_covered_link_in_whose_place_a_new_one_has_come() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    cover(&mut network, 2);
    for _ in 0..8 {
        network.run(15 * 60 * SECOND);
        speak(&mut network, callee);
    }
    network.run(15 * SECOND);
    assert_eq!(counter(&network, 5, "links_up"), 2);
    for _ in 0..5 {
        network.nodes[0].packets.clear();
        speak(&mut network, callee);
        network.run(SECOND / 5);
        assert_eq!(network.nodes[0].packets.len(), 1);
    }
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

/// Each has a beat for the cells that it sends, and padding for the other's beats.
#[test]
fn who_speaks_is_not_seen_where_two_peers_cover_each_other() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    cover(&mut network, 2);
    let back = network.peers(&[5]);
    network.command(4, Command::Cover { calls: 2, peers: back });
    let counts = listen(&mut network);
    network.run(SECOND);
    speak(&mut network, callee);
    network.run(5 * SECOND);
    let mut all = seconds(&mut network, &counts, 5, |n| {
        speak(n, callee);
        answer(n);
    });
    all.extend(seconds(&mut network, &counts, 5, |_| {}));
    for (there, back) in all {
        let both = 2 * OF_CALLS;
        assert!(there.abs_diff(both) <= 3 && back.abs_diff(both) <= 3, "{there} {back}");
    }
}
