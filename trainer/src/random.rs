//! A small generator of pseudo-random numbers that gives the same numbers on every platform and in every
//! version.
//!
//! xoshiro256++ 1.0, its state filled by SplitMix64. Integers only, apart from the exact conversions to a
//! unit float, so a split or a shuffle depends on the seed alone. Not for secrets.
//!
//! # Source
//!
//! Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021 (xoshiro256++);
//! Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014 (SplitMix64).

/// A xoshiro256++ generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator whose four words of state are the first four outputs of SplitMix64 from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut word = seed;
        Self { state: core::array::from_fn(|_| split_mix(&mut word)) }
    }

    /// A generator that goes on from a state that [`Random::state`] returned; the all-zero state, from which
    /// the generator could never leave, is replaced by that of seed 0.
    #[must_use]
    pub fn from_state(state: [u64; 4]) -> Self {
        if state == [0; 4] { Self::new(0) } else { Self { state } }
    }

    /// The state, to be stored in a checkpoint.
    #[must_use]
    pub fn state(&self) -> [u64; 4] {
        self.state
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// An integer in `0..bound`, each exactly as likely as the others; 0 when `bound` is 0.
    ///
    /// # Source
    ///
    /// Lemire, "Fast random integer generation in an interval", 2019.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // 2^64 mod bound: products whose low half is under it belong to no complete interval.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// A float in `0.0..1.0`, one of the 2^24 multiples of 2^-24.
    pub fn unit_f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Puts the items in a random order (Fisher and Yates, from the last item down).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

/// The next output of SplitMix64, whose state is one counter.
fn split_mix(word: &mut u64) -> u64 {
    *word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *word;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_the_published_numbers() {
        let mut word = 1_234_567;
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
        ];
        assert_eq!(expected, core::array::from_fn(|_| split_mix(&mut word)));
    }

    #[test]
    fn xoshiro_gives_the_published_numbers() {
        let mut random = Random::from_state([1, 2, 3, 4]);
        let expected =
            [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386, 9_228_616_714_210_784_205];
        assert_eq!(expected, core::array::from_fn(|_| random.next_u64()));
    }

    #[test]
    fn a_stored_state_goes_on_with_the_same_numbers() {
        let mut random = Random::new(7);
        random.next_u64();
        let mut restored = Random::from_state(random.state());
        assert_eq!(random.next_u64(), restored.next_u64());
        assert_eq!(Random::from_state([0; 4]), Random::new(0));
    }

    #[test]
    fn below_stays_below_and_reaches_every_value_evenly() {
        let mut random = Random::new(1);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[random.below(6) as usize] += 1;
        }
        // 10,000 each, standard deviation 91: five of them either way.
        assert!(counts.iter().all(|&count| (9_545..=10_455).contains(&count)), "{counts:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
        // Without the rejection, half of these would be multiples of 3.
        let threes = (0..30_000).filter(|_| random.below(3 << 62).is_multiple_of(3)).count();
        assert!((9_500..=10_500).contains(&threes), "{threes}");
        // Almost every second draw is rejected; it still ends.
        assert!(random.below((1 << 63) + 1) <= 1 << 63);
    }

    #[test]
    fn unit_f32_is_never_one() {
        let mut random = Random::new(3);
        let mut sum = 0.0f64;
        for _ in 0..10_000 {
            let unit = random.unit_f32();
            assert!((0.0..1.0).contains(&unit));
            sum += f64::from(unit);
        }
        assert!((sum / 10_000.0 - 0.5).abs() < 0.02);
    }

    #[test]
    fn shuffle_keeps_every_item_and_depends_on_the_seed_alone() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            Random::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(shuffled(5), shuffled(5));
        assert_ne!(shuffled(5), shuffled(6));
        let mut sorted = shuffled(5);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<u32>>());
        Random::new(0).shuffle::<u8>(&mut []);
    }
}
