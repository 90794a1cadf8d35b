//! Stateless cookies: nobody makes this peer work or remember before proving that datagrams reach it.
//!
//! A cookie is a keyed hash of the time slot, the source address and the sender's link index. The previous slot's
//! cookies still hold, so a cookie lives for one to two slots.

use aws_lc_rs::hmac;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Size of a cookie.
pub const COOKIE_BYTES: usize = 16;
const SLOT_SECONDS: u64 = 60;

/// Makes and checks cookies with one secret a process.
pub struct CookieJar(hmac::Key);

impl CookieJar {
    /// Takes the process's secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The cookie for a source at `now`.
    pub fn bake(&self, now: Duration, from: SocketAddr, index: u32) -> [u8; COOKIE_BYTES] {
        self.cookie(now.as_secs() / SLOT_SECONDS, from, index)
    }

    /// Whether `cookie` is one that `bake` gave this source lately, in constant time.
    pub fn holds(&self, now: Duration, from: SocketAddr, index: u32, cookie: &[u8]) -> bool {
        let slot = now.as_secs() / SLOT_SECONDS;
        [Some(slot), slot.checked_sub(1)].into_iter().flatten().any(|slot| {
            aws_lc_rs::constant_time::verify_slices_are_equal(&self.cookie(slot, from, index), cookie).is_ok()
        })
    }

    fn cookie(&self, slot: u64, from: SocketAddr, index: u32) -> [u8; COOKIE_BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&slot.to_be_bytes());
        match from.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        context.update(&from.port().to_be_bytes());
        context.update(&index.to_be_bytes());
        let mut cookie = [0; COOKIE_BYTES];
        cookie.copy_from_slice(&context.sign().as_ref()[..COOKIE_BYTES]);
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_holds_for_its_source_and_its_time_only() {
        let jar = CookieJar::new(&[3; 32]);
        let from = SocketAddr::from(([127, 0, 0, 1], 3001));
        let now = Duration::from_secs(1000);
        let cookie = jar.bake(now, from, 5);
        assert!(jar.holds(now + Duration::from_secs(60), from, 5, &cookie));
        assert!(!jar.holds(now + Duration::from_secs(121), from, 5, &cookie));
        assert!(!jar.holds(now, from, 6, &cookie));
        assert!(!jar.holds(now, SocketAddr::from(([127, 0, 0, 2], 3001)), 5, &cookie));
        assert!(!jar.holds(now, from, 5, &cookie[..8]));
        assert!(jar.holds(Duration::ZERO, from, 5, &jar.bake(Duration::ZERO, from, 5)));
    }
}
