//! What a relay's side of a handshake costs: the hop handshake that begins a circuit, and the link handshake of a peer whose
//! certificate is known. Both hybrid, both whole: from the initiator's message to the keys and the answer, cut into cells.
//!
//! One thread; handshakes a second of that one core. Rounds of both alternate with rounds of plain X25519, the baseline: a busy
//! machine hits all alike. One line for people and one JSON line each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use kx::certificate::{CERTIFICATE_BYTES, digest_of};
use kx::fragments::split;
use kx::hop::HopKeys;
use kx::noise::{Handshake, Pattern, StaticKey};
use kx::relay::create::CREATE_FRAGMENT_BYTES;
use std::hint::black_box;
use std::time::Instant;

const HANDSHAKES: usize = 100;
const ROUNDS: usize = 60;
const RELAY: [u8; 32] = [7; 32];

/// Microseconds a call.
fn timed<T>(inputs: &mut [T], mut step: impl FnMut(&mut T)) -> f64 {
    let begun = Instant::now();
    for input in inputs.iter_mut() {
        step(input);
    }
    begun.elapsed().as_secs_f64() * 1e6 / inputs.len() as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// CREATE in, CREATED and the circuit's keys out.
fn answer_hop(relay: &StaticKey, message: &[u8], certificate: &[u8]) {
    let (mut handshake, answer) =
        Handshake::respond(Pattern::Hop, Some(relay), message, certificate).unwrap();
    let keys = HopKeys::new(&handshake.secrets().unwrap());
    black_box((keys, split(&answer, CREATE_FRAGMENT_BYTES).count()));
}

fn main() {
    let certificate = vec![5; CERTIFICATE_BYTES];
    let (relay, builder) = (StaticKey::new(RELAY), StaticKey::new([9; 32]));
    let [mut hop, mut link, mut plain]: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let mut creates: Vec<Vec<u8>> =
            (0..HANDSHAKES).map(|_| Handshake::initiate(Pattern::Hop, None).unwrap().1).collect();
        hop.push(timed(&mut creates, |message| answer_hop(&relay, message, &certificate)));

        let mut dialled: Vec<_> = (0..HANDSHAKES)
            .map(|_| {
                let (initiator, message) = Handshake::initiate(Pattern::Link, Some(&builder)).unwrap();
                (initiator, message, None)
            })
            .collect();
        let first = timed(&mut dialled, |(_, message, answered)| {
            *answered = Some(Handshake::respond(Pattern::Link, Some(&relay), message, &certificate).unwrap());
        });
        let mut third: Vec<_> = dialled
            .into_iter()
            .map(|(mut initiator, _, answered)| {
                let (responder, answer) = answered.unwrap();
                initiator.read_answer(&answer).unwrap();
                (responder, initiator.write(&certificate).unwrap())
            })
            .collect();
        let second = timed(&mut third, |(responder, message)| {
            // A known certificate costs a hash.
            let shown = responder.read(message).unwrap();
            black_box((digest_of(&[&shown]), responder.secrets().unwrap()));
        });
        link.push(first + second);

        let mut nothing = [(); HANDSHAKES];
        plain.push(timed(&mut nothing, |()| {
            let key = PrivateKey::from_private_key(&X25519, &RELAY).unwrap();
            let peer = UnparsedPublicKey::new(&X25519, relay.public());
            black_box(agree(&key, peer, (), |shared| Ok(shared[0])).unwrap());
        }));
    }
    let x25519 = median(&mut plain);
    for (kind, times) in [("hop", &mut hop), ("link", &mut link)] {
        let us = median(times);
        let (per_second, ratio) = (1e6 / us, us / x25519);
        println!("{kind} handshake at a relay: {us:.0} us, {per_second:.0}/s and core, {ratio:.1} x X25519");
        println!(
            "{{\"bench\":\"handshakes\",\"kind\":\"{kind}\",\"us\":{us:.1},\"perSecond\":{per_second:.0},\"x25519Us\":{x25519:.1},\"ratio\":{ratio:.2}}}"
        );
    }
}
