//! What every implementation of the layer cipher must show: the published vectors, agreement with an independent
//! implementation and with each other, and that it is a wide-block permutation.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const KEY: [u8; 16] = [7; 16];

fn engines() -> Vec<Engine> {
    let all = [
        Engine::Portable,
        #[cfg(target_arch = "x86_64")]
        Engine::AesNi,
        #[cfg(target_arch = "x86_64")]
        Engine::Vaes256,
        #[cfg(target_arch = "x86_64")]
        Engine::Vaes512,
    ];
    all.into_iter().filter(|&engine| Layer::with_engine(engine, &KEY).is_some()).collect()
}

fn field(test: &serde_json::Value, name: &str) -> Vec<u8> {
    hex::decode(test[name].as_str().unwrap()).unwrap()
}

fn vectors() -> Vec<serde_json::Value> {
    let text = include_str!("../../../../test/vectors/hctr2.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    file["tests"].as_array().unwrap().clone()
}

#[test]
fn published_vectors_hold_in_both_directions() {
    let tests = vectors();
    assert!(tests.len() >= 20);
    for test in tests {
        let layer = Portable::new(&field(&test, "key").try_into().unwrap());
        let tweak = field(&test, "tweak");
        let plain = field(&test, "plaintext");
        let mut message = plain.clone();
        let hash = layer.tweaked(&tweak, message.len());
        layer.encrypt_hashed(hash.clone(), &mut message);
        assert_eq!(message, field(&test, "ciphertext"), "{}", test["comment"]);
        layer.decrypt_hashed(hash, &mut message);
        assert_eq!(message, plain, "{}", test["comment"]);
    }
}

/// The instructions of x86-64 take any 16-byte tweak and whole blocks: the published vectors of that form.
#[cfg(target_arch = "x86_64")]
#[test]
fn published_vectors_hold_for_every_engine() {
    let mut checked = 0;
    for test in vectors() {
        let (tweak, plain) = (field(&test, "tweak"), field(&test, "plaintext"));
        let (Ok(tweak), Ok(plain)) = (Block::try_from(tweak), <[u8; 128]>::try_from(plain)) else { continue };
        for engine in engines() {
            let layer = Layer::with_engine(engine, &field(&test, "key").try_into().unwrap()).unwrap();
            let mut body = plain;
            // SAFETY: the variant says that the processor has the instructions.
            match &layer.0 {
                Keyed::Portable(portable) => portable.encrypt(&tweak, &mut body),
                Keyed::AesNi(keys) => unsafe { x86::entry::aes_ni_encrypt(keys, tweak, &mut body) },
                Keyed::Vaes256(keys) => unsafe { x86::entry::vaes256_encrypt(keys, tweak, &mut body) },
                Keyed::Vaes512(keys) => unsafe { x86::entry::vaes512_encrypt(keys, tweak, &mut body) },
            }
            assert_eq!(body[..], field(&test, "ciphertext"), "{engine:?}");
            checked += 1;
        }
    }
    assert_eq!(checked, engines().len());
}

#[test]
fn every_engine_of_this_machine_passes_the_check_before_use() {
    for engine in engines() {
        assert!(choice::is_right(engine), "{engine:?}");
        assert_eq!(Layer::with_engine(engine, &KEY).unwrap().engine(), engine);
    }
    assert_eq!(Layer::new(&KEY).engine(), *engines().last().unwrap());
    // Compiled for everything, as for an interpreter: none may be left out.
    #[cfg(all(target_feature = "avx512f", target_feature = "vaes", target_feature = "vpclmulqdq"))]
    assert_eq!(engines().len(), 4);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_layer_has_five_cache_lines() {
    assert_eq!((size_of::<Layer>(), align_of::<Layer>()), (320, 64));
}

fn oracle(key: &[u8; 16], tweak: &[u8], message: &[u8]) -> Vec<u8> {
    let mut permuted = vec![0u8; message.len()];
    hctr2_rs::Hctr2_128::new(key).encrypt(message, tweak, &mut permuted).unwrap();
    permuted
}

/// Every engine, at one size, against the independent implementation.
fn agrees_at<const BYTES: usize>(
    key: &[u8; 16],
    direction: Direction,
    sequence: u64,
    from: &[u8],
) -> Result<(), TestCaseError> {
    let body = <[u8; BYTES]>::try_from(&from[..BYTES]).unwrap();
    let expected = oracle(key, &tweak(direction, sequence), &body);
    for engine in engines() {
        let layer = Layer::with_engine(engine, key).unwrap();
        let mut ours = body;
        layer.encrypt_sized(direction, sequence, &mut ours);
        prop_assert_eq!(&ours[..], &expected[..], "{:?} at {} bytes", engine, BYTES);
        layer.decrypt_sized(direction, sequence, &mut ours);
        prop_assert_eq!(ours, body, "{:?} back at {} bytes", engine, BYTES);
    }
    Ok(())
}

fn bytes(count: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), count)
}

proptest! {
    #[test]
    fn all_engines_agree_with_an_independent_implementation(
        key: [u8; 16], sequence: u64, backward: bool, from in bytes(MAX_BYTES)
    ) {
        let direction = if backward { Direction::Backward } else { Direction::Forward };
        agrees_at::<BODY_BYTES>(&key, direction, sequence, &from)?;
        // Every remainder of groups and vectors.
        agrees_at::<32>(&key, direction, sequence, &from)?;
        agrees_at::<48>(&key, direction, sequence, &from)?;
        agrees_at::<64>(&key, direction, sequence, &from)?;
        agrees_at::<80>(&key, direction, sequence, &from)?;
        agrees_at::<96>(&key, direction, sequence, &from)?;
        agrees_at::<144>(&key, direction, sequence, &from)?;
        agrees_at::<368>(&key, direction, sequence, &from)?;
        agrees_at::<512>(&key, direction, sequence, &from)?;
        agrees_at::<1024>(&key, direction, sequence, &from)?;
    }

    #[test]
    fn any_length_agrees_with_an_independent_implementation(
        key: [u8; 16],
        tweak in proptest::collection::vec(any::<u8>(), 0..50),
        message in proptest::collection::vec(any::<u8>(), 16..700),
    ) {
        let layer = Portable::new(&key);
        let mut ours = message.clone();
        layer.encrypt_hashed(layer.tweaked(&tweak, message.len()), &mut ours);
        prop_assert_eq!(ours, oracle(&key, &tweak, &message));
    }

    #[test]
    fn one_altered_bit_changes_about_half_of_all_bits(
        key: [u8; 16], sequence: u64, from in bytes(BODY_BYTES), bit in 0..BODY_BYTES * 8
    ) {
        let body = <[u8; BODY_BYTES]>::try_from(from).unwrap();
        for engine in engines() {
            let layer = Layer::with_engine(engine, &key).unwrap();
            let mut altered = body;
            layer.encrypt(Direction::Forward, sequence, &mut altered);
            altered[bit / 8] ^= 1 << (bit % 8);
            layer.decrypt(Direction::Forward, sequence, &mut altered);
            let differing: u32 = body.iter().zip(&altered).map(|(a, b)| (a ^ b).count_ones()).sum();
            let half = BODY_BYTES as u32 * 4;
            prop_assert!(differing.abs_diff(half) < 250, "{differing} of {} bits differ", BODY_BYTES * 8);
        }
    }
}

#[test]
fn direction_and_sequence_number_select_other_permutations() {
    for engine in engines() {
        let layer = Layer::with_engine(engine, &KEY).unwrap();
        let permuted = |direction, sequence| {
            let mut body = [0u8; BODY_BYTES];
            layer.encrypt(direction, sequence, &mut body);
            body
        };
        let base = permuted(Direction::Forward, 1);
        assert_ne!(base, permuted(Direction::Backward, 1));
        assert_ne!(base, permuted(Direction::Forward, 2));
        assert_eq!(base, permuted(Direction::Forward, 1));
    }
}

#[test]
fn prefetching_changes_nothing() {
    let layer = Layer::new(&KEY);
    let (mut body, mut same) = ([1; BODY_BYTES], [1; BODY_BYTES]);
    layer.encrypt(Direction::Forward, 1, &mut body);
    layer.prefetch();
    layer.encrypt(Direction::Forward, 1, &mut same);
    assert_eq!(body, same);
}
