//! What holds for all links and all offers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use netem::emulator::{Emulator, Limits, LinkId, Released};
use netem::link::{DropReason, LinkConfig, Rate, Reordering};
use netem::loss::{Loss, Probability};
use proptest::prelude::*;
use std::time::Duration;

const LIMITS: Limits = Limits { packets: 64, bytes: 40_000 };

fn probability() -> impl Strategy<Value = Probability> {
    (0.0..=1.0).prop_map(|part| Probability::new(part).unwrap())
}

fn duration(most_us: u64) -> impl Strategy<Value = Duration> {
    (0..=most_us).prop_map(Duration::from_micros)
}

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![
        probability().prop_map(Loss::Independent),
        (probability(), probability(), probability(), probability())
            .prop_map(|(worsens, recovers, good, bad)| Loss::GilbertElliott { worsens, recovers, good, bad }),
    ]
}

fn config() -> impl Strategy<Value = LinkConfig> {
    let rate = (1_u64..=u64::MAX, 0_usize..100_000)
        .prop_map(|(bits, queue_bytes)| Rate { bits_per_second: bits.try_into().unwrap(), queue_bytes });
    let reordering = (probability(), duration(50_000)).prop_map(|(part, later)| Reordering { part, later });
    (duration(50_000), duration(50_000), loss(), proptest::option::of(rate), proptest::option::of(reordering))
        .prop_map(|(delay, jitter, loss, rate, reordering)| LinkConfig {
            delay,
            jitter,
            loss,
            rate,
            reordering,
        })
}

/// Time since the offer before, which of the links, bytes.
type Offer = (Duration, usize, usize);

fn offers() -> impl Strategy<Value = Vec<Offer>> {
    proptest::collection::vec((duration(10_000), 0_usize..3, 0_usize..1500), 0..300)
}

type Fate = Result<(), DropReason>;

/// Offers all, taking out what is due before each; `accept` says which links take part.
fn run(
    seed: u64,
    configs: &[LinkConfig],
    offers: &[Offer],
    limits: Limits,
    accept: impl Fn(usize) -> bool,
) -> (Vec<Fate>, Vec<Released<usize>>, Emulator<usize>, Vec<LinkId>) {
    let mut emulator = Emulator::new(seed, limits);
    let links: Vec<LinkId> = configs.iter().map(|&config| emulator.add_link(config)).collect();
    let (mut fates, mut out) = (Vec::new(), Vec::new());
    let mut now = Duration::ZERO;
    for (number, &(wait, link, bytes)) in offers.iter().enumerate() {
        now += wait;
        while let Some(released) = emulator.pop_due(now) {
            assert!(released.due <= now);
            out.push(released);
        }
        assert!(emulator.next_timeout().is_none_or(|at| at > now));
        if accept(link) {
            fates.push(emulator.offer(now, links[link], number, bytes));
        }
        let (packets, bytes) = emulator.under_way();
        assert!(packets <= limits.packets && bytes <= limits.bytes);
    }
    while let Some(released) = emulator.pop_due(Duration::MAX) {
        out.push(released);
    }
    assert_eq!(emulator.under_way(), (0, 0));
    (fates, out, emulator, links)
}

proptest! {
    #[test]
    fn every_packet_comes_out_once_or_is_counted(
        seed: u64, configs in proptest::array::uniform3(config()), offers in offers()
    ) {
        let (fates, out, emulator, links) = run(seed, &configs, &offers, LIMITS, |_| true);
        let mut taken: Vec<usize> = (0..offers.len()).filter(|&number| fates[number].is_ok()).collect();
        let mut come: Vec<usize> = out.iter().map(|released| released.packet).collect();
        come.sort_unstable();
        taken.sort_unstable();
        prop_assert_eq!(come, taken);
        for (number, &link) in links.iter().enumerate() {
            let counters = emulator.counters(link);
            prop_assert_eq!(counters.offered as usize, offers.iter().filter(|offer| offer.1 == number).count());
            prop_assert_eq!(
                counters.offered,
                counters.delivered + counters.lost + counters.queue_full + counters.no_room
            );
        }
    }

    #[test]
    fn packets_come_out_by_their_time_and_never_before_delay_less_jitter(
        seed: u64, configs in proptest::array::uniform3(config()), offers in offers()
    ) {
        let (_, out, _, links) = run(seed, &configs, &offers, LIMITS, |_| true);
        prop_assert!(out.is_sorted_by_key(|released| released.due));
        for Released { link, due, packet } in &out {
            let at: Duration = offers[..=*packet].iter().map(|offer| offer.0).sum();
            let config = configs[offers[*packet].1];
            prop_assert_eq!(*link, links[offers[*packet].1]);
            prop_assert!(*due >= at + config.delay.saturating_sub(config.jitter));
        }
    }

    #[test]
    fn a_link_without_reordering_keeps_the_order(
        seed: u64, config in config(), offers in offers()
    ) {
        let config = LinkConfig { reordering: None, ..config };
        let (_, out, _, _) = run(seed, &[config; 3], &offers, LIMITS, |link| link == 0);
        prop_assert!(out.is_sorted_by_key(|released| released.packet));
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_and_other_links_do_not_matter(
        seed: u64, configs in proptest::array::uniform3(config()), offers in offers()
    ) {
        let roomy = Limits { packets: 1_000, bytes: 1_000_000 };
        let (all, all_out, _, links) = run(seed, &configs, &offers, roomy, |_| true);
        let (_, again, _, _) = run(seed, &configs, &offers, roomy, |_| true);
        prop_assert_eq!(&all_out, &again);
        let (alone, alone_out, _, _) = run(seed, &configs, &offers, roomy, |link| link == 1);
        let of_link: Vec<Fate> = all.iter().zip(&offers).filter(|(_, offer)| offer.1 == 1).map(|(fate, _)| *fate).collect();
        prop_assert_eq!(alone, of_link);
        let of_link: Vec<_> = all_out.into_iter().filter(|released| released.link == links[1]).collect();
        prop_assert_eq!(alone_out, of_link);
    }
}

#[test]
fn a_link_of_another_emulator_takes_nothing() {
    let mut other = Emulator::<()>::new(0, LIMITS);
    let link = other.add_link(LinkConfig::default());
    let mut emulator = Emulator::new(0, LIMITS);
    assert_eq!(emulator.offer(Duration::ZERO, link, (), 1), Err(DropReason::NoLink));
    assert_eq!(emulator.next_timeout(), None);
}
