//! What becomes of packets between two people: losses and delays, drawn from a seed.

/// How packets are lost.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// Each by itself, with this probability.
    Single(f64),
    /// In runs (Gilbert-Elliott): share of all packets, mean length of a run.
    Bursts(f64, f64),
}

/// How long packets take, in ms.
#[derive(Clone, Copy)]
pub(crate) enum Delay {
    Fixed(f64),
    /// Mean and standard deviation; each packet by itself, so that they overtake each other.
    Normal(f64, f64),
}

/// A way through the network.
pub(crate) struct Network {
    pub(crate) loss: Loss,
    pub(crate) delay: Delay,
}

impl Network {
    pub(crate) fn is_random(&self) -> bool {
        !matches!((self.loss, self.delay), (Loss::Single(0.0), Delay::Fixed(_)))
    }

    /// Mean delay in ms.
    pub(crate) fn mean_ms(&self) -> f64 {
        match self.delay {
            Delay::Fixed(mean) | Delay::Normal(mean, _) => mean,
        }
    }

    /// For each packet its delay in microseconds, `None` for lost ones.
    pub(crate) fn fates(&self, seed: u64, packets: usize) -> Vec<Option<i64>> {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut is_bad = false;
        (0..packets)
            .map(|_| {
                let is_lost = match self.loss {
                    Loss::Single(part) => random.unit() < part,
                    Loss::Bursts(part, length) => {
                        let ends = 1.0 / length;
                        let begins = ends * part / (1.0 - part);
                        is_bad = if is_bad { random.unit() >= ends } else { random.unit() < begins };
                        is_bad
                    }
                };
                let delay_ms = match self.delay {
                    Delay::Fixed(mean) => mean,
                    Delay::Normal(mean, deviation) => (mean + deviation * random.normal()).max(1.0),
                };
                (!is_lost).then_some((delay_ms * 1000.0) as i64)
            })
            .collect()
    }
}

/// xorshift64: every run is the same.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal, mean 0, deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}
