//! Peers for measurements: real hostkeys and certificates, made afresh. An RSA-4096 key takes a second or two.

use crate::Fault;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use kx::certificate::{Purpose, digest_of, verify};
use kx::engine::{EngineConfig, HopIdentity, Tun};
use kx::links::LinkIdentity;
use kx::noise::StaticKey;
use kx::numbers::Numbers;
use kx::shard::Shard;
use std::time::{SystemTime, UNIX_EPOCH};

const LIFETIME_SECONDS: u64 = 86_400;

/// An engine's configuration for a new peer.
pub(crate) fn new_peer(tun: Option<Tun>) -> Result<EngineConfig, Fault> {
    let hostkey = KeyPair::generate(KeySize::Rsa4096).map_err(|_| "no RSA key could be made")?;
    let unix_start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (link, hop, cookie_secret) = (random()?, random()?, random()?);
    let certificate = |purpose, secret| certify(&hostkey, purpose, secret, unix_start + LIFETIME_SECONDS);
    let link_certificate = certificate(Purpose::Link, &link)?;
    let identity = verify(&link_certificate, Purpose::Link, unix_start)?.identity;
    Ok(EngineConfig {
        shard: Shard::WHOLE,
        identity,
        hop: HopIdentity { key: StaticKey::new(hop), certificate: certificate(Purpose::Hop, &hop)? },
        link: LinkIdentity { key: StaticKey::new(link), certificate: link_certificate },
        tun,
        unix_start,
        cookie_secret,
        random: Numbers::new(random()?).into_random(),
    })
}

fn random() -> Result<[u8; 32], Fault> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| "no randomness")?;
    Ok(bytes)
}

fn certify(
    hostkey: &KeyPair,
    purpose: Purpose,
    secret: &[u8; 32],
    expires_at: u64,
) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![1, purpose as u8];
    // DER of RSAPublicKey: nine bytes up to the modulus.
    bytes.extend_from_slice(&hostkey.public_key().as_ref()[9..521]);
    bytes.extend_from_slice(StaticKey::new(*secret).public());
    bytes.extend_from_slice(&expires_at.to_be_bytes());
    let worked = |nonce: &u64| {
        let digest = digest_of(&[b"peer certificate work v1", &bytes, &nonce.to_be_bytes()]);
        digest[..2] == [0, 0]
    };
    let nonce = (0_u64..).find(worked).ok_or("no proof of work")?;
    bytes.extend_from_slice(&nonce.to_be_bytes());
    let message = [b"peer certificate v1", &bytes[..]].concat();
    let mut signature = vec![0; 512];
    hostkey
        .sign(&RSA_PSS_SHA256, &SystemRandom::new(), &message, &mut signature)
        .map_err(|_| "the certificate could not be signed")?;
    bytes.extend_from_slice(&signature);
    Ok(bytes)
}
