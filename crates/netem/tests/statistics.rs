//! That links lose, delay and queue as configured, over many packets of a fixed seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use netem::emulator::{Emulator, Limits};
use netem::link::{LinkConfig, LinkCounters, Rate, Reordering};
use netem::loss::{Loss, Probability};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
const PACKETS: u64 = 100_000;
const LIMITS: Limits = Limits { packets: 1 << 20, bytes: 1 << 30 };

/// Number and time under way of each packet that comes out, by when it does; one packet each `every`.
fn send(config: LinkConfig, every: Duration) -> (Vec<(u64, Duration)>, LinkCounters) {
    let mut emulator = Emulator::new(7, LIMITS);
    let link = emulator.add_link(config);
    let at = |number: u64| every * number as u32;
    for number in 0..PACKETS {
        let _ = emulator.offer(at(number), link, number, 100);
    }
    let mut out = Vec::new();
    while let Some(released) = emulator.pop_due(Duration::MAX) {
        out.push((released.packet, released.due - at(released.packet)));
    }
    (out, emulator.counters(link))
}

fn part(part: f64) -> Probability {
    Probability::new(part).unwrap()
}

/// Within five standard deviations of what `PACKETS` independent tries give.
fn assert_part(count: u64, part: f64) {
    let mean = PACKETS as f64 * part;
    let deviation = (mean * (1.0 - part)).sqrt();
    assert!((count as f64 - mean).abs() < 5.0 * deviation, "{count}, not about {mean}");
}

#[test]
fn independent_loss_has_its_rate_and_no_memory() {
    let config = LinkConfig { loss: Loss::Independent(part(0.01)), ..LinkConfig::default() };
    let (out, counters) = send(config, MILLISECOND);
    assert_part(counters.lost, 0.01);
    assert_eq!(counters.lost + counters.delivered, PACKETS);
    let pairs = out.windows(2).filter(|pair| pair[1].0 > pair[0].0 + 2).count();
    assert_part(pairs as u64, 0.01 * 0.01);
}

#[test]
fn gilbert_elliott_loss_has_its_rate_and_comes_in_bursts() {
    // Bad for a twentieth of the time, for ten packets in the mean; half of the packets are lost then.
    let loss = Loss::GilbertElliott {
        worsens: part(0.1 / 19.0),
        recovers: part(0.1),
        good: Probability::NEVER,
        bad: part(0.5),
    };
    let (out, counters) = send(LinkConfig { loss, ..LinkConfig::default() }, MILLISECOND);
    let rate = counters.lost as f64 / PACKETS as f64;
    assert!((0.022..0.028).contains(&rate), "{rate}");
    // After a lost packet the next is lost with 0.9 × 0.5.
    let gaps: Vec<u64> =
        out.windows(2).map(|pair| pair[1].0 - pair[0].0 - 1).filter(|&gap| gap > 0).collect();
    let in_a_row: u64 = gaps.iter().map(|gap| gap - 1).sum();
    let again = in_a_row as f64 / gaps.iter().sum::<u64>() as f64;
    assert!((0.42..0.48).contains(&again), "{again}");
}

#[test]
fn bursts_have_the_share_and_the_length_that_were_wanted() {
    let loss = Loss::in_bursts(part(0.03), 2.5).unwrap();
    let (out, counters) = send(LinkConfig { loss, ..LinkConfig::default() }, MILLISECOND);
    let share = counters.lost as f64 / PACKETS as f64;
    assert!((0.027..0.033).contains(&share), "{share}");
    let bursts = out.windows(2).filter(|pair| pair[1].0 > pair[0].0 + 1).count();
    let mean = counters.lost as f64 / bursts as f64;
    assert!((2.4..2.6).contains(&mean), "{mean}");
}

#[test]
fn jitter_is_uniform_around_the_delay() {
    let config = LinkConfig { delay: 20 * MILLISECOND, jitter: 2 * MILLISECOND, ..LinkConfig::default() };
    let (out, _) = send(config, 20 * MILLISECOND);
    assert!(out.iter().all(|(_, delay)| (18 * MILLISECOND..=22 * MILLISECOND).contains(delay)));
    for quarter in 0..4 {
        let from = 18 * MILLISECOND + MILLISECOND * quarter;
        let count = out.iter().filter(|(_, delay)| (from..from + MILLISECOND).contains(delay)).count();
        assert_part(count as u64, 0.25);
    }
}

#[test]
fn jitter_wider_than_the_delay_never_comes_before_the_packet() {
    let config = LinkConfig { delay: MILLISECOND, jitter: 2 * MILLISECOND, ..LinkConfig::default() };
    let (out, _) = send(config, 20 * MILLISECOND);
    let at_once = out.iter().filter(|(_, delay)| delay.is_zero()).count();
    assert_part(at_once as u64, 0.25);
}

#[test]
fn packets_keep_their_order_whatever_the_jitter() {
    let config = LinkConfig { delay: 20 * MILLISECOND, jitter: 20 * MILLISECOND, ..LinkConfig::default() };
    let (out, _) = send(config, MILLISECOND);
    assert!(out.iter().map(|(number, _)| *number).eq(0..PACKETS));
}

#[test]
fn reordered_packets_are_overtaken_and_hold_nobody_up() {
    let reordering = Some(Reordering { part: part(0.1), later: 5 * MILLISECOND / 2 });
    let config = LinkConfig { delay: 20 * MILLISECOND, reordering, ..LinkConfig::default() };
    let (out, _) = send(config, MILLISECOND);
    let late = out.iter().filter(|(_, delay)| *delay == 45 * MILLISECOND / 2).count();
    assert_part(late as u64, 0.1);
    assert!(out.iter().all(|(_, delay)| *delay == 20 * MILLISECOND || *delay == 45 * MILLISECOND / 2));
    assert!(!out.is_sorted());
}

#[test]
fn a_line_that_is_offered_twice_its_rate_fills_its_queue_and_drops_half() {
    // 100 bytes take a millisecond; ten packets may wait.
    let rate = Some(Rate { bits_per_second: 800_000.try_into().unwrap(), queue_bytes: 1_000 });
    let (out, counters) = send(LinkConfig { rate, ..LinkConfig::default() }, MILLISECOND / 2);
    assert_eq!(counters.delivered + counters.queue_full, PACKETS);
    assert!(counters.queue_full.abs_diff(PACKETS / 2) < 20, "{counters:?}");
    assert!(out.iter().all(|(_, delay)| *delay <= 10 * MILLISECOND));
    assert!(out.iter().rev().take(1000).all(|(_, delay)| *delay >= 9 * MILLISECOND));
}
