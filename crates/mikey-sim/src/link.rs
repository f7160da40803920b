//! The link: what happens to a datagram, by chance and by a seed.

use core::time::Duration;

/// How a link treats datagrams.
#[derive(Clone, Debug)]
pub struct Link {
    rng: fastrand::Rng,
    /// Chance of loss, 0 to 1.
    pub loss: f64,
    /// Chance that a second copy arrives.
    pub duplication: f64,
    /// Chance that one octet changes on the way.
    pub corruption: f64,
    /// Shortest delay.
    pub delay: Duration,
    /// What may be added to it: datagrams overtake each other.
    pub jitter: Duration,
    /// Which datagrams of the run are lost whatever the dice say, counted from 0.
    pub lost: Vec<u64>,
    count: u64,
}

impl Link {
    /// A link that delivers everything in order after 10 ms.
    #[must_use]
    pub fn perfect(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            loss: 0.0,
            duplication: 0.0,
            corruption: 0.0,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            lost: Vec::new(),
            count: 0,
        }
    }

    /// A link with 30 % loss, 10 % duplication and so much jitter that datagrams overtake each other.
    #[must_use]
    pub fn bad(seed: u64) -> Self {
        let mut link = Self::perfect(seed);
        link.loss = 0.3;
        link.duplication = 0.1;
        link.jitter = Duration::from_millis(300);
        link
    }

    /// The same link, on which the `n`th datagram of the run is lost.
    #[must_use]
    pub fn losing(mut self, n: u64) -> Self {
        self.lost.push(n);
        self
    }

    /// What arrives of a datagram: the delay and the octets of each copy.
    pub(crate) fn carry(&mut self, bytes: Vec<u8>) -> Vec<(Duration, Vec<u8>)> {
        let number = self.count;
        self.count += 1;
        if self.lost.contains(&number) || self.rng.f64() < self.loss {
            return Vec::new();
        }
        let copies = if self.rng.f64() < self.duplication { 2 } else { 1 };
        (0..copies).map(|_| (self.latency(), self.damage(bytes.clone()))).collect()
    }

    fn latency(&mut self) -> Duration {
        self.delay + self.jitter.mul_f64(self.rng.f64())
    }

    fn damage(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if !bytes.is_empty() && self.rng.f64() < self.corruption {
            let at = self.rng.usize(..bytes.len());
            if let Some(octet) = bytes.get_mut(at) {
                *octet ^= 1 << self.rng.u8(..8);
            }
        }
        bytes
    }
}
