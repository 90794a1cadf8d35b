//! Certificates that bind an X25519 key to a hostkey (design 2).
//!
//! The TypeScript side issues them; here they are only read and verified. Verification is cached by the caller.
//!
//! ```text
//! version 1 | purpose 1 | modulus 512 | key 32 | expiry 8 | work nonce 8 | signature 512   = 1074 bytes
//! ```

use aws_lc_rs::digest;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::RSA_PSS_2048_8192_SHA256;
use cell::layout::read_u64;

/// Size of a certificate.
pub const CERTIFICATE_BYTES: usize = 1074;
const SIGNED_BYTES: usize = CERTIFICATE_BYTES - MODULUS_BYTES;
const MODULUS_BYTES: usize = 512;
const WORK_BITS: u32 = 16;
const LONGEST_SECONDS: u64 = 31 * 24 * 3600;
/// DER of a SubjectPublicKeyInfo with a 4096-bit modulus, up to the modulus.
const SPKI_PREFIX: [u8; 33] = [
    0x30, 0x82, 0x02, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
    0x05, 0x00, 0x03, 0x82, 0x02, 0x0f, 0x00, 0x30, 0x82, 0x02, 0x0a, 0x02, 0x82, 0x02, 0x01, 0x00,
];
/// And after it: the exponent 65537.
const SPKI_SUFFIX: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// What a certified key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The DHT's RPC.
    Dht = 1,
    /// Links between KX peers.
    Link = 2,
    /// Hops of circuits.
    Hop = 3,
}

/// A verified certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// SHA-256 of the hostkey's SubjectPublicKeyInfo.
    pub identity: [u8; 32],
    /// The X25519 public key.
    pub key: [u8; 32],
    /// Unix seconds.
    pub expires_at: u64,
}

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Wrong size, version or modulus.
    #[error("malformed certificate")]
    Malformed,
    /// Made for something else.
    #[error("certificate for another purpose")]
    Purpose,
    /// Past, or further ahead than any honest peer signs.
    #[error("certificate out of its time")]
    Expired,
    /// The proof of work does not hold.
    #[error("certificate without its proof of work")]
    Work,
    /// The signature does not hold.
    #[error("certificate with a wrong signature")]
    Signature,
}

/// Verifies `bytes` for `purpose` at `now` (Unix seconds).
pub fn verify(bytes: &[u8], purpose: Purpose, now: u64) -> Result<Certified, CertificateError> {
    if bytes.len() != CERTIFICATE_BYTES || bytes[0] != 1 {
        return Err(CertificateError::Malformed);
    }
    let modulus = &bytes[2..2 + MODULUS_BYTES];
    if modulus[0] & 0x80 == 0 || modulus[MODULUS_BYTES - 1] & 1 == 0 {
        return Err(CertificateError::Malformed);
    }
    if bytes[1] != purpose as u8 {
        return Err(CertificateError::Purpose);
    }
    let expires_at = read_u64(bytes, 546);
    if expires_at <= now || expires_at - now > LONGEST_SECONDS {
        return Err(CertificateError::Expired);
    }
    let (signed, signature) = bytes.split_at(SIGNED_BYTES);
    if leading_zero_bits(&digest_of(&[b"peer certificate work v1", signed])) < WORK_BITS {
        return Err(CertificateError::Work);
    }
    let message = [b"peer certificate v1", signed].concat();
    PublicKeyComponents { n: modulus, e: &[1, 0, 1] }
        .verify(&RSA_PSS_2048_8192_SHA256, &message, signature)
        .map_err(|_| CertificateError::Signature)?;
    let mut key = [0; 32];
    key.copy_from_slice(&bytes[514..546]);
    Ok(Certified { identity: digest_of(&[&SPKI_PREFIX, modulus, &SPKI_SUFFIX]), key, expires_at })
}

/// SHA-256 over the concatenation of `parts`.
pub fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn leading_zero_bits(hash: &[u8; 32]) -> u32 {
    let mut bits = 0;
    for byte in hash {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}
