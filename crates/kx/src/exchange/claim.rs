//! Who may have a registration: a claim against the one that holds it.
//!
//! ```text
//! newcomer     holder unsigned               holder signed                  holder signed, expired
//! unsigned     its token: takes over         refused                        its token: takes over, else refused
//! signed       its token: takes over,        its key: takes over            its token or key: takes over,
//!              else displaces                newer: takes over by token,    else displaces
//!                                            displaces without
//!                                            older, or as old: refused
//! ```
//!
//! As old, but with the holder's token, takes over too: it is the same KX.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a valid signed registration says; whether it is valid is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Registration key.
    pub key: [u8; 32],
    /// When the pseudo-identity signed, Unix seconds.
    pub time: u64,
    /// Until when it counts, Unix seconds.
    pub expiry: u64,
}

/// By what somebody claims a registration.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Claim {
    /// Secret of the owner's KX.
    pub token: [u8; 32],
    /// In the pseudo-identity's name.
    #[zeroize(skip)]
    pub signed: Option<Signed>,
}

/// What becomes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same owner over another circuit: callers stay.
    TakesOver,
    /// Another owner, with better right: the holder and its callers go.
    Displaces,
    /// The holder stays.
    Refused,
}

impl Claim {
    /// What becomes of this claim where `holder` has the registration.
    pub(crate) fn against(&self, holder: &Self, unix_now: u64) -> Verdict {
        let same_token = verify_slices_are_equal(&self.token, &holder.token).is_ok();
        let same_key = self.signed.zip(holder.signed).is_some_and(|(new, old)| new.key == old.key);
        let held = holder.signed.filter(|signed| signed.expiry > unix_now);
        let is_same_owner = match (self.signed, held) {
            (None, Some(_)) => return Verdict::Refused,
            (Some(new), Some(old)) if same_key || new.time > old.time => same_key || same_token,
            (Some(new), Some(old)) if same_token && new.time == old.time => true,
            (Some(_), Some(_)) => return Verdict::Refused,
            (None, None) if !same_token => return Verdict::Refused,
            (_, None) => same_key || same_token,
        };
        if is_same_owner { Verdict::TakesOver } else { Verdict::Displaces }
    }

    /// Its owner has shown it again, as `newer`. What was signed once is not forgotten.
    pub(crate) fn renew(&mut self, newer: Self) {
        self.token = newer.token;
        let time = |signed: Option<Signed>| signed.map(|signed| signed.time);
        if time(newer.signed) >= time(self.signed) {
            self.signed = newer.signed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Displaces, Refused, TakesOver};
    use super::*;

    const NOW: u64 = 1000;

    fn unsigned(token: u8) -> Claim {
        Claim { token: [token; 32], signed: None }
    }

    fn signed(token: u8, key: u8, time: u64) -> Claim {
        Claim { token: [token; 32], signed: Some(Signed { key: [key; 32], time, expiry: NOW + 10 }) }
    }

    fn expired(token: u8, key: u8, time: u64) -> Claim {
        Claim { token: [token; 32], signed: Some(Signed { key: [key; 32], time, expiry: NOW }) }
    }

    #[test]
    fn precedence_is_as_the_table_says() {
        for (newcomer, holder, verdict) in [
            (unsigned(1), unsigned(1), TakesOver),
            (unsigned(2), unsigned(1), Refused),
            (unsigned(1), signed(1, 1, 900), Refused),
            (unsigned(2), signed(1, 1, 900), Refused),
            (unsigned(1), expired(1, 1, 900), TakesOver),
            (unsigned(2), expired(1, 1, 900), Refused),
            (signed(1, 1, 900), unsigned(1), TakesOver),
            (signed(2, 1, 900), unsigned(1), Displaces),
            (signed(1, 1, 900), signed(1, 1, 900), TakesOver),
            (signed(2, 1, 800), signed(1, 1, 900), TakesOver),
            (signed(1, 2, 901), signed(1, 1, 900), TakesOver),
            (signed(2, 2, 901), signed(1, 1, 900), Displaces),
            (signed(1, 2, 900), signed(1, 1, 900), TakesOver),
            (signed(2, 2, 900), signed(1, 1, 900), Refused),
            (signed(2, 2, 899), signed(1, 1, 900), Refused),
            (signed(1, 2, 899), signed(1, 1, 900), Refused),
            (signed(2, 2, 800), expired(1, 1, 900), Displaces),
            (signed(1, 2, 800), expired(1, 1, 900), TakesOver),
            (signed(2, 1, 800), expired(1, 1, 900), TakesOver),
        ] {
            let found = newcomer.against(&holder, NOW);
            assert_eq!(found, verdict, "{:?} against {:?}", newcomer.signed, holder.signed);
        }
    }

    #[test]
    fn a_renewal_keeps_the_newest_that_was_signed() {
        let mut held = unsigned(1);
        held.renew(signed(1, 1, 900));
        held.renew(signed(2, 1, 800));
        assert_eq!((held.token, held.signed.map(|signed| signed.time)), ([2; 32], Some(900)));
        held.renew(unsigned(3));
        assert_eq!((held.token, held.signed.map(|signed| signed.time)), ([3; 32], Some(900)));
    }
}
