//! A puzzle for new callers of a pseudo-identity that has many: each further one costs work, so that nobody fills the table
//! for nothing. Whoever has the splice already (rotation, repair) is not asked.
//!
//! ```text
//! answer u64 with enough leading zero bits in SHA-256("peer connect puzzle v1" ‖ binding 32 ‖ pseudo-identity 32 ‖ answer)
//! ```
//!
//! The binding is known to the two ends of the circuit alone and to nobody before it was built, so nothing can be
//! computed ahead, handed on or used twice on another circuit; the exchange point keeps nothing.

use crate::certificate::digest_of;
use crate::peer::Identity;

/// Callers up to which nobody is asked.
const FREE: usize = 32;
/// Bits at first, and one more with each so many callers.
const FIRST_BITS: usize = 15;
const CALLERS_A_BIT: usize = 32;
/// What a caller is willing to do: seconds of a core.
pub(crate) const MOST_BITS: u8 = 24;
/// Attempts of one turn: about a millisecond, which the packet thread can spare.
const ATTEMPTS: u64 = 4096;

/// Zero bits that one more caller must show where there are so many: 16 for the 33rd, 22 for the last.
pub(super) fn price(callers: usize) -> u8 {
    if callers < FREE { 0 } else { (FIRST_BITS + callers / CALLERS_A_BIT) as u8 }
}

/// Zero bits that an answer shows on the circuit with this binding.
pub(crate) fn bits_of(binding: &[u8; 32], pseudo_identity: &Identity, answer: u64) -> u8 {
    let digest = digest_of(&[b"peer connect puzzle v1", binding, pseudo_identity, &answer.to_be_bytes()]);
    let zeros = digest[..8].iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte)).leading_zeros();
    zeros as u8
}

/// A caller at work, a turn at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Solver {
    bits: u8,
    next: u64,
}

impl Solver {
    /// `None` for more than a caller is willing to do.
    pub(crate) fn new(bits: u8) -> Option<Self> {
        (bits <= MOST_BITS).then_some(Self { bits, next: 0 })
    }

    /// One turn; the answer, if it is found.
    pub(crate) fn turn(&mut self, binding: &[u8; 32], pseudo_identity: &Identity) -> Option<u64> {
        let tried = self.next..self.next + ATTEMPTS;
        self.next = tried.end;
        tried.into_iter().find(|&answer| bits_of(binding, pseudo_identity, answer) >= self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_and_holds_for_its_circuit_and_callee_alone() {
        let mut solver = Solver::new(14).unwrap();
        let answer = (0..1000).find_map(|_| solver.turn(&[1; 32], &[2; 32])).unwrap();
        assert!(bits_of(&[1; 32], &[2; 32], answer) >= 14);
        assert!(bits_of(&[3; 32], &[2; 32], answer) < 14);
        assert!(bits_of(&[1; 32], &[3; 32], answer) < 14);
    }

    #[test]
    fn the_price_rises_with_the_callers_and_stays_within_what_one_is_willing_to_do() {
        assert_eq!([0, 31, 32, 64, 255].map(price), [0, 0, 16, 17, 22]);
        assert!((0..=256).all(|callers| price(callers) <= MOST_BITS));
        assert_eq!(Solver::new(MOST_BITS + 1), None);
    }
}
