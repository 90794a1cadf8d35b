//! Behaviour of the jitter buffer in virtual time, and its invariants under arbitrary input.

use super::*;
use proptest::prelude::*;

/// A SILK packet of 20 ms with in-band FEC, as far as the buffer looks.
const ONE: Frames<'_> = Frames { frame: &[0x48; 120], copy: None };

/// A sender, a network and a listener, in microseconds of virtual time.
struct Call {
    buffer: JitterBuffer,
    /// Arrivals to come: (time, sequence).
    arrivals: Vec<(i64, u16)>,
    next_arrival: usize,
    now: i64,
    heard: Vec<u64>,
    outcomes: Vec<(i64, &'static str)>,
}

impl Call {
    /// `delay(i)` is the delay of packet i in microseconds, `None` if it is lost.
    fn new(packets: u32, mut delay: impl FnMut(u32) -> Option<i64>) -> Self {
        let mut arrivals: Vec<(i64, u16)> = (0..packets)
            .filter_map(|i| delay(i).map(|delay| (i64::from(i) * FRAME_US + delay, (65_000 + i) as u16)))
            .collect();
        arrivals.sort();
        Self {
            buffer: JitterBuffer::new(),
            arrivals,
            next_arrival: 0,
            now: 0,
            heard: vec![],
            outcomes: vec![],
        }
    }

    fn deliver(&mut self, until: i64) {
        while let Some(&(time, sequence)) =
            self.arrivals.get(self.next_arrival).filter(|(time, _)| *time <= until)
        {
            self.buffer.push(time, sequence, ONE);
            self.next_arrival += 1;
        }
    }

    /// Nobody asks for frames; packets are read at the end, as after a pause of the whole machine.
    fn stall(&mut self, length: i64) {
        self.now += length;
        while let Some(&(_, sequence)) =
            self.arrivals.get(self.next_arrival).filter(|(time, _)| *time <= self.now)
        {
            self.buffer.push(self.now, sequence, ONE);
            self.next_arrival += 1;
        }
    }

    fn listen(&mut self, until: i64, quiet: impl Fn(i64) -> bool) {
        while self.now < until {
            self.deliver(self.now);
            let mut length = FRAME_US;
            let outcome = match self.buffer.pop(self.now, quiet(self.now)) {
                Playout::Packet(packet) => {
                    self.heard.push(packet.sequence());
                    "packet"
                }
                Playout::Merge(first, second, most) => {
                    self.heard.extend([first.sequence(), second.sequence()]);
                    let cut = most.clamp(120, 480);
                    self.buffer.shortened(cut);
                    length = 2 * FRAME_US - cut as i64 * 1000 / 48;
                    "merge"
                }
                Playout::Wait(count) => {
                    length = count as i64 * 1000 / 48;
                    "wait"
                }
                Playout::Recover(_) => "recover",
                Playout::Conceal => "conceal",
                Playout::Silence => "silence",
            };
            self.outcomes.push((self.now, outcome));
            self.now += length;
        }
        assert!(self.heard.is_sorted_by(|a, b| a < b), "each packet is heard once, in order");
    }

    fn count(&self, outcome: &str) -> usize {
        self.outcomes.iter().filter(|(_, it)| *it == outcome).count()
    }
}

/// A small generator, so that every run is the same.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Roughly normal, mean 0, deviation 1.
fn normal(uniform: &mut impl FnMut() -> f64) -> f64 {
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

#[test]
fn a_perfect_network_loses_nothing_and_waits_little() {
    let mut call = Call::new(1_000, |_| Some(30_000));
    call.listen(19_000_000, |_| false);
    assert_eq!(call.count("conceal") + call.count("recover"), 0);
    assert!(call.buffer.delay_ms() < 65.0, "{}", call.buffer.delay_ms());
    assert_eq!(call.buffer.counters().late, 0);
}

#[test]
fn single_losses_are_recovered_from_the_next_packet() {
    let mut call = Call::new(1_000, |i| (i < 20 || i % 10 != 5).then_some(30_000));
    call.listen(19_000_000, |_| false);
    let counters = call.buffer.counters();
    assert_eq!(counters.missing, counters.recovered);
    assert!(counters.recovered > 90);
    assert_eq!(call.count("conceal"), 0);
}

#[test]
fn a_lost_frame_is_heard_from_its_copy_and_only_from_it() {
    // CELT frames, which have no in-band FEC, with their number in the second byte.
    let frame =
        |number: u16| core::array::from_fn::<u8, 60, _>(|at| if at == 0 { 0xf8 } else { number as u8 });
    let mut buffer = JitterBuffer::new();
    let mut heard = vec![];
    for i in 0..500u16 {
        let (own, earlier) = (frame(i), frame(i.wrapping_sub(1)));
        if i % 10 != 4 && i % 10 != 5 {
            buffer.push(i64::from(i) * FRAME_US, i, Frames { frame: &own, copy: Some((1, &earlier)) });
        }
        let played = match buffer.pop(i64::from(i) * FRAME_US, false) {
            Playout::Packet(packet) => vec![packet],
            Playout::Merge(first, second, most) => {
                buffer.shortened(most.max(120));
                vec![first, second]
            }
            Playout::Recover(_) => unreachable!("there is no in-band FEC"),
            Playout::Wait(_) | Playout::Conceal | Playout::Silence => vec![],
        };
        assert!(played.iter().all(|packet| packet.payload()[1] == packet.sequence() as u8));
        heard.extend(played.iter().map(|packet| (packet.sequence() - (1 << 16)) % 10));
    }
    let times = |digit: u64| heard.iter().filter(|it| **it == digit).count();
    assert_eq!(times(4), 0, "the first of two lost frames has no copy");
    assert!(times(5) >= 48 && times(6) >= 48, "{} {}", times(5), times(6));
    let counters = buffer.counters();
    assert!(counters.recovered >= 48 && counters.missing >= 96, "{counters:?}");
}

#[test]
fn jitter_is_absorbed_with_few_invented_frames() {
    for seed in 1..6 {
        let mut random = noise(seed);
        let mut call =
            Call::new(5_000, |_| Some((40_000.0 + 15_000.0 * normal(&mut random)).max(1_000.0) as i64));
        call.listen(99_000_000, |now| now % 3_000_000 < 800_000);
        let bad = call.count("conceal") + call.count("recover");
        assert!(bad < 250, "{bad} of 5000 invented or recovered, seed {seed}");
        assert!(call.buffer.delay_ms() < 130.0, "{}", call.buffer.delay_ms());
    }
}

#[test]
fn a_route_that_becomes_longer_costs_a_moment_only() {
    let mut call = Call::new(3_000, |i| Some(if i < 1_000 { 20_000 } else { 170_000 }));
    call.listen(59_000_000, |_| false);
    let late_trouble = call.outcomes.iter().filter(|(now, it)| *now > 22_000_000 && *it == "conceal").count();
    assert_eq!(late_trouble, 0);
    assert!(call.count("conceal") < 40);
}

#[test]
fn a_route_that_becomes_shorter_gives_its_delay_back() {
    let mut call = Call::new(3_000, |i| Some(if i < 1_000 { 170_000 } else { 20_000 }));
    call.listen(59_000_000, |_| false);
    assert!(call.buffer.delay_ms() < 80.0, "{}", call.buffer.delay_ms());
    assert!(call.buffer.counters().merged > 0);
}

#[test]
fn a_stall_of_the_host_is_caught_up_and_not_learnt() {
    let mut call = Call::new(2_000, |_| Some(30_000));
    call.listen(10_000_000, |_| false);
    let target = call.buffer.target_ms();
    call.stall(700_000);
    call.listen(12_000_000, |_| false);
    assert_eq!(call.buffer.target_ms(), target);
    assert!(call.buffer.delay_ms() < 80.0, "{}", call.buffer.delay_ms());
    let after = call.outcomes.iter().filter(|(now, it)| *now > 11_000_000 && *it != "packet").count();
    assert!(after < 10, "{after}");
}

#[test]
fn clocks_that_differ_by_200_ppm_neither_starve_nor_fill_the_buffer() {
    for ppm in [-200.0, 200.0] {
        let mut random = noise(9);
        let mut call = Call::new(30_000, |i| {
            Some(30_000 + (f64::from(i) * 20.0 * ppm / 1000.0) as i64 + (random() * 10_000.0) as i64)
        });
        call.listen(590_000_000, |now| now % 3_000_000 < 800_000);
        assert!(call.buffer.delay_ms() < 100.0, "{}", call.buffer.delay_ms());
        let bad = call.count("conceal") + call.count("recover");
        assert!(bad < 300, "{bad} of 30000 at {ppm} ppm");
    }
}

#[test]
fn an_outage_ends_in_silence_and_the_call_goes_on_after_it() {
    let mut call = Call::new(2_000, |i| (!(500..700).contains(&i)).then_some(30_000));
    call.listen(39_000_000, |_| false);
    assert!(call.count("silence") > 100);
    let after =
        call.outcomes.iter().filter(|(now, it)| *now > 15_000_000 && *it != "packet" && *it != "merge");
    assert!(after.count() < 5);
}

#[test]
fn without_a_listener_the_newest_packets_are_kept() {
    let mut buffer = JitterBuffer::new();
    for i in 0..1_000u16 {
        buffer.push(i64::from(i) * FRAME_US, i, ONE);
    }
    assert_eq!(buffer.counters().skipped, 1_000 - CAPACITY);
    assert!(matches!(buffer.pop(1_000 * FRAME_US, false), Playout::Packet(_)));
}

#[test]
fn what_comes_first_after_a_stall_is_heard() {
    let mut call = Call::new(500, |_| Some(200_000));
    // A device asks for what it holds at once, and then for a while for nothing.
    assert!(matches!(call.buffer.pop(0, false), Playout::Silence));
    call.now = 200_000;
    call.listen(10_000_000, |_| false);
    assert!(call.heard.len() > 450, "{} heard, {:?}", call.heard.len(), call.buffer.counters());
    assert_eq!(call.buffer.counters().late, 0);
    assert!((0.0..200.0).contains(&call.buffer.delay_ms()), "{} ms", call.buffer.delay_ms());
}

#[test]
fn a_sender_that_begins_anew_during_a_stall_is_heard() {
    let mut call = Call::new(500, |_| Some(30_000));
    call.listen(4_000_000, |_| false);
    call.stall(300_000);
    let now = call.now;
    call.heard.clear();
    call.arrivals = (0..500).map(|i| (now + i64::from(i) * FRAME_US, (20_000 + i) as u16)).collect();
    call.next_arrival = 0;
    call.listen(now + 8_000_000, |_| false);
    assert!(call.heard.len() > 350, "{} heard", call.heard.len());
}

proptest! {
    #[test]
    fn any_arrivals_keep_the_order(
        steps in proptest::collection::vec((0i64..150_000, any::<u16>(), any::<bool>(), any::<bool>()), 1..400)
    ) {
        let mut buffer = JitterBuffer::new();
        let (mut now, mut last, mut sequence) = (0, None, 0u16);
        for (pause, number, near, quiet) in steps {
            now += pause;
            // Mostly near each other, so that something is played; now and then anywhere.
            sequence = if near || number % 7 > 0 { sequence.wrapping_add(number % 9).wrapping_sub(3) } else { number };
            let restarts = buffer.newest;
            let copy = near.then_some((number as u8, &[0x48; 120][..]));
            buffer.push(now, sequence, Frames { copy, ..ONE });
            if restarts.is_some_and(|old| buffer.newest.is_some_and(|new| new.abs_diff(old) > 64)) {
                last = None;
            }
            match buffer.pop(now, quiet) {
                Playout::Packet(packet) => {
                    prop_assert!(last.is_none_or(|last| last < packet.sequence()));
                    last = Some(packet.sequence());
                }
                Playout::Merge(first, second, most) => {
                    prop_assert!(last.is_none_or(|last| last < first.sequence()));
                    prop_assert_eq!(first.sequence() + 1, second.sequence());
                    last = Some(second.sequence());
                    buffer.shortened(most.max(120));
                }
                Playout::Recover(packet) => prop_assert!(last.is_none_or(|last| last < packet.sequence())),
                Playout::Wait(_) | Playout::Conceal | Playout::Silence => {}
            }
        }
    }
}
