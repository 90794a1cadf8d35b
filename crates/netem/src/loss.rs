//! Which packets a link loses: each by itself, or in bursts as radio links and full routers do.
//!
//! Not in it: packets dropped because a queue is full (`link.rs`).

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Probability(f64);

impl Probability {
    pub const NEVER: Self = Self(0.0);

    /// `None` for anything that is no probability, NaN among it.
    #[must_use]
    pub fn new(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then_some(Self(part))
    }

    /// Whether it happens, by a number of which all 64 bits are random.
    pub(crate) fn happens(self, random: u64) -> bool {
        unit(random) < self.0
    }
}

/// From 0 to just below 1, by the 53 bits that an `f64` holds.
pub(crate) fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// How a link loses packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each packet by itself.
    Independent(Probability),
    /// The model of Gilbert and Elliott: a good and a bad state, which may change before each packet.
    GilbertElliott {
        /// From good to bad.
        worsens: Probability,
        /// From bad to good; a bad stretch lasts 1 / `recovers` packets in the mean.
        recovers: Probability,
        /// Loss in the good state.
        good: Probability,
        /// Loss in the bad state.
        bad: Probability,
    },
}

impl Default for Loss {
    fn default() -> Self {
        Self::Independent(Probability::NEVER)
    }
}

impl Loss {
    /// Loses this share of the packets, all of a bad stretch and none of a good one; a bad stretch lasts so many packets in the
    /// mean. `None` where there is no such chain: a stretch of less than one packet, or good ones that would have to be.
    #[must_use]
    pub fn in_bursts(share: Probability, mean_packets: f64) -> Option<Self> {
        let recovers = (mean_packets >= 1.0).then(|| 1.0 / mean_packets)?;
        let worsens = if share.0 == 0.0 { 0.0 } else { recovers * share.0 / (1.0 - share.0) };
        Some(Self::GilbertElliott {
            worsens: Probability::new(worsens)?,
            recovers: Probability::new(recovers)?,
            good: Probability::NEVER,
            bad: Probability(1.0),
        })
    }

    /// Whether the next packet is lost. `is_bad`: the link's state, good at first.
    pub(crate) fn takes(&self, is_bad: &mut bool, [change, loss]: [u64; 2]) -> bool {
        match *self {
            Self::Independent(part) => part.happens(loss),
            Self::GilbertElliott { worsens, recovers, good, bad } => {
                *is_bad = if *is_bad { !recovers.happens(change) } else { worsens.happens(change) };
                if *is_bad { bad } else { good }.happens(loss)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_probability_is_refused() {
        for part in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Probability::new(part), None);
        }
    }

    #[test]
    fn bursts_that_no_chain_has_are_refused() {
        let half = Probability::new(0.5).unwrap();
        for mean in [0.0, 0.9, -1.0, f64::NAN] {
            assert_eq!(Loss::in_bursts(half, mean), None);
        }
        assert!(Loss::in_bursts(half, 1.0).is_some());
        for share in [0.6, 1.0] {
            assert_eq!(Loss::in_bursts(Probability::new(share).unwrap(), 1.0), None);
        }
    }

    #[test]
    fn never_and_always_hold_at_both_ends_of_the_random_numbers() {
        let always = Probability::new(1.0).unwrap();
        for random in [0, u64::MAX] {
            assert!(!Probability::NEVER.happens(random));
            assert!(always.happens(random));
        }
    }
}
