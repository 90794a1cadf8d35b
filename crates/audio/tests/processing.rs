//! The voice processing chain with a simulated room: how much echo it takes away, and what it leaves of the speaker.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod room;
#[allow(dead_code)]
mod support;

use audio::processing::Processor;
use room::{Room, alike, power, process};

const SECOND: usize = 48_000;

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// Speech again and again, `seconds` long.
fn speech(text: &str, voice: &str, seconds: usize) -> Vec<f32> {
    let once = support::say(&std::env::temp_dir(), text, voice);
    once.iter().copied().cycle().take(seconds * SECOND).collect()
}

fn far(seconds: usize) -> Vec<f32> {
    speech(
        "The quick brown fox jumps over the lazy dog, while seven wizards mix a blue potion.",
        "en",
        seconds,
    )
}

#[test]
fn an_echo_is_30_db_weaker_after_five_seconds() {
    let far = far(15);
    for (delay_ms, seed) in [(20, 1), (60, 2), (120, 3)] {
        let room = Room::new(delay_ms, -6.0, seed);
        let microphone = room.hear(&far, &[]);
        let sent = process(&mut Processor::new(), &far, &microphone);
        let after = 5 * SECOND..15 * SECOND;
        let erle = decibels(power(&microphone[after.clone()]) / power(&sent[after]));
        println!("echo after {delay_ms} ms: ERLE {erle:.1} dB");
        assert!(erle >= 30.0, "{delay_ms} ms: {erle:.1} dB");
    }
}

#[test]
fn who_speaks_into_an_echo_is_still_heard() {
    let far = far(16);
    let mut near =
        speech("She had your dark suit in greasy wash water all year, and never said a word.", "en+f3", 16);
    near[..6 * SECOND].fill(0.0);
    // An echo as loud as the person, then one half as loud; least likeness to the person alone.
    for (gain_db, least) in [(0.0, 0.7), (-6.0, 0.8)] {
        let microphone = Room::new(60, gain_db, 4).hear(&far, &near);
        let sent = process(&mut Processor::new(), &far, &microphone);
        let both = 7 * SECOND..15 * SECOND;
        let (wanted, sent) = (&near[both.clone()], &sent[both.clone()]);
        let (like, unlike) = (alike(wanted, sent), alike(wanted, &microphone[both]));
        let kept = decibels(power(sent) / power(wanted));
        println!("echo of {gain_db} dB: likeness {like:.3} (microphone {unlike:.3}), level {kept:.1} dB");
        assert!(
            like > least && (gain_db < 0.0 || like > unlike + 0.1),
            "{gain_db} dB: {like:.3}, was {unlike:.3}"
        );
        assert!((-6.0..6.0).contains(&kept), "{gain_db} dB: {kept:.1} dB");
    }
}

#[test]
fn without_an_echo_speech_passes_as_it_is() {
    let near = far(8);
    let sent = process(&mut Processor::new(), &vec![0.0; near.len()], &near);
    let like = alike(&near[2 * SECOND..], &sent[2 * SECOND..]);
    assert!(like > 0.95, "{like:.3}");
}

#[test]
fn samples_come_out_in_pieces_of_any_length() {
    let mut processor = Processor::new();
    let (mut given, mut out) = (0, vec![]);
    for length in [1, 479, 480, 481, 7, 2_000, 0, 953] {
        processor.played(&vec![0.1; length / 2]);
        processor.recorded(&vec![0.1; length], &mut out);
        given += length;
        assert_eq!(out.len(), given / 480 * 480);
    }
}

#[test]
fn strange_samples_and_a_dead_microphone_do_no_harm() {
    let mut processor = Processor::new();
    let mut out = vec![];
    for (index, strange) in [f32::MAX, -1e9, f32::MIN_POSITIVE, 4.0, 0.0].into_iter().enumerate() {
        let piece: Vec<f32> =
            (0..4_800).map(|i| if i % 3 == index % 3 { strange } else { -strange }).collect();
        processor.played(&piece);
        processor.recorded(&piece, &mut out);
    }
    // Nobody records for a minute, and then somebody does again.
    for _ in 0..6_000 {
        processor.played(&[0.2; 480]);
    }
    processor.recorded(&[0.1; 4_800], &mut out);
    assert!(processor.works() && out.iter().all(|sample| sample.is_finite()));
}
