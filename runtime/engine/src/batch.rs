//! Several texts at once. An encoder runs them packed: their tokens stand one behind the other, nothing is padded, and the
//! matrices see all rows together. The verdicts are those of the texts one by one, to the last bit.

use typecase_text::Encoded;

use crate::case::{Case, Cost};
use crate::session::{Memory, Session, Verdict, classify};

/// The most texts that are run at once.
pub const MOST_TEXTS: usize = 32;

impl<B: AsRef<[u8]>> Case<B> {
    /// What a session needs that runs texts of up to so many tokens together; never less than [`Self::cost`]. It is the
    /// cost of one text for a bag, which gains nothing from a batch.
    #[must_use]
    pub fn batch_cost(&self, tokens: usize) -> Cost {
        let cost = self.cost();
        let tokens = tokens.max(cost.ids);
        match self.arena_of(tokens) {
            0 => cost,
            arena => {
                let cost = Cost { ids: tokens, numbers: cost.numbers * MOST_TEXTS, arena, ..cost };
                Cost { scratch_bytes: cost.bytes(), ..cost }
            }
        }
    }
}

impl<B: AsRef<[u8]>> Session<'_, '_, B> {
    /// Classifies texts and hands each verdict, with the number of its text, to `each`, in their order. How many run at
    /// once follows from the memory, see [`Case::batch_cost`].
    pub fn classify_batch<T: AsRef<[u8]>>(&mut self, texts: &[T], each: impl FnMut(usize, Verdict<'_>)) {
        classify_batch(self.case, texts, self.memory.reborrow(), each);
    }
}

/// As [`Session::classify_batch`], in memory that was checked.
pub fn classify_batch<B: AsRef<[u8]>, T: AsRef<[u8]>>(
    case: &Case<B>,
    texts: &[T],
    mut memory: Memory<'_>,
    mut each: impl FnMut(usize, Verdict<'_>),
) {
    let classes = case.labels().len() as usize;
    let mut first = 0;
    while let Some(left) = texts.get(first..).filter(|left| !left.is_empty()) {
        let mut pack = Pack::default();
        for text in left {
            if !pack.has_room(case, classes, &memory) {
                break;
            }
            pack.add(case, text.as_ref(), &mut memory);
        }
        if pack.count < 2 {
            // Room for one text alone, or a bag.
            for (nth, text) in left.iter().enumerate().take(pack.count.max(1)) {
                each(first + nth, classify(case, text.as_ref(), memory.reborrow()));
            }
        } else {
            let Memory { ids, numbers, arena, .. } = memory.reborrow();
            let (ids, ends) = (ids.get(..pack.tokens()), pack.ends.get(..pack.count));
            case.scores_of_texts(ids.unwrap_or_default(), ends.unwrap_or_default(), numbers, arena);
            let scores = memory.numbers.chunks(classes.max(1));
            for (nth, (encoded, scores)) in pack.encoded.iter().zip(scores).enumerate().take(pack.count) {
                each(first + nth, case.verdict(*encoded, scores));
            }
        }
        first += pack.count.max(1);
    }
}

/// Texts that run together.
#[derive(Default)]
struct Pack {
    count: usize,
    encoded: [Encoded; MOST_TEXTS],
    ends: [usize; MOST_TEXTS],
}

impl Pack {
    fn tokens(&self) -> usize {
        self.count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0)
    }

    /// For the longest text that there can be. A bag has room for none.
    fn has_room<B: AsRef<[u8]>>(&self, case: &Case<B>, classes: usize, memory: &Memory<'_>) -> bool {
        let tokens = self.tokens() + case.cost().ids;
        let arena = case.arena_of(tokens);
        let numbers = (self.count + 1) * classes;
        self.count < MOST_TEXTS
            && arena > 0
            && arena <= memory.arena.len()
            && tokens <= memory.ids.len()
            && numbers <= memory.numbers.len()
    }

    fn add<B: AsRef<[u8]>>(&mut self, case: &Case<B>, text: &[u8], memory: &mut Memory<'_>) {
        let start = self.tokens();
        let memory = memory.reborrow();
        let mut behind = Memory { ids: memory.ids.get_mut(start..).unwrap_or_default(), ..memory };
        let found = case.encode_into(text, &mut behind);
        if let (Some(encoded), Some(end)) = (self.encoded.get_mut(self.count), self.ends.get_mut(self.count))
        {
            (*encoded, *end) = (found, start + found.len);
            self.count += 1;
        }
    }
}
