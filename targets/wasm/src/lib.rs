//! A WebAssembly module that opens cases and classifies texts, for [`typecase.mjs`](../typecase.mjs).
//!
//! The two sides share numbers only. The host asks for room, writes bytes there, and calls a function; answers that are
//! longer than a number are read where the module says they stand. All memory belongs to [`Classifiers`], so nothing
//! here follows an address that came from outside.
#![deny(unsafe_code)]

use std::mem;

use typecase_engine::{Case, Cell, Error, Memory, Verdict, classify};

#[cfg(feature = "checks")]
mod checks;
mod exports;

/// Room of up to so many bytes is kept from text to text.
const KEPT_BYTES: usize = 1 << 20;

/// Opened cases, by handle.
#[derive(Debug, Default)]
pub struct Classifiers {
    /// What the host writes: a file to open, or a text.
    input: Vec<u8>,
    slots: Vec<Option<Classifier>>,
    error: u32,
}

/// A case with its memory and its last verdict.
#[derive(Debug)]
struct Classifier {
    case: Case<Vec<u8>>,
    ids: Vec<u32>,
    numbers: Vec<i32>,
    tokens: Vec<u32>,
    cells: Vec<Cell>,
    arena: Vec<u64>,
    answer: Answer,
}

/// A verdict as numbers. The host reads it in place: 32-bit fields in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Answer {
    /// Index of the class.
    pub label: u32,
    /// Calibrated probability of the class.
    pub probability: f32,
    /// Address of the scores.
    pub scores: u32,
    /// How many scores.
    pub classes: u32,
    /// Logits per score, temperature included.
    pub score_scale: f32,
    /// Words of the text that the case does not know, 0 to 1.
    pub unknown_share: f32,
    /// 1: the text was cut. 2: the verdict abstains.
    pub flags: u32,
    /// Features of the text that have a row.
    pub tokens: u32,
    /// Invalid parts of UTF-8.
    pub invalid_utf8: u32,
}

impl Classifiers {
    /// None yet.
    pub const EMPTY: Self = Self { input: Vec::new(), slots: Vec::new(), error: 0 };

    /// Makes room for `len` bytes and says where; what was there before is gone.
    pub fn room(&mut self, len: u32) -> u32 {
        self.input.clear();
        if self.input.capacity() > KEPT_BYTES {
            self.input = Vec::new();
        }
        self.input.resize(len as usize, 0);
        address(&self.input)
    }

    /// Opens the case in the room; its handle, or 0 and [`Self::error`].
    pub fn open(&mut self) -> u32 {
        match Classifier::open(mem::take(&mut self.input)) {
            Ok(classifier) => {
                let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
                if free == self.slots.len() {
                    self.slots.push(None);
                }
                if let Some(slot) = self.slots.get_mut(free) {
                    *slot = Some(classifier);
                }
                u32::try_from(free + 1).unwrap_or(0)
            }
            Err(error) => {
                self.error = error.code();
                0
            }
        }
    }

    /// The stable number of the last error.
    #[must_use]
    pub const fn error(&self) -> u32 {
        self.error
    }

    /// Gives a case and its memory back.
    pub fn close(&mut self, handle: u32) {
        if let Some(slot) = slot_of(handle).and_then(|at| self.slots.get_mut(at)) {
            *slot = None;
        }
    }

    /// Runs the golden vectors; how many came out exactly, or 0 and [`Self::error`].
    pub fn verify(&mut self, handle: u32) -> u32 {
        let Some(Classifier { case, ids, numbers, tokens, cells, arena, .. }) =
            classifier(&mut self.slots, handle)
        else {
            return 0;
        };
        match case.verify(&mut Memory { ids, numbers, tokens, cells, arena }) {
            Ok(vectors) => vectors,
            Err(error) => {
                self.error = error.code();
                0
            }
        }
    }

    /// Classifies the first `len` bytes of the room; the address of an [`Answer`], 0 for a handle that is none.
    pub fn classify(&mut self, handle: u32, len: u32) -> u32 {
        let text = self.input.get(..len as usize).unwrap_or(&self.input);
        let Some(Classifier { case, ids, numbers, tokens, cells, arena, answer }) =
            classifier(&mut self.slots, handle)
        else {
            return 0;
        };
        *answer = classify(case, text, Memory { ids, numbers, tokens, cells, arena }).into();
        address(core::slice::from_ref(answer))
    }

    /// How many classes the case has, 0 for a handle that is none.
    pub fn classes(&mut self, handle: u32) -> u32 {
        classifier(&mut self.slots, handle).map_or(0, |c| c.case.labels().len())
    }

    /// Copies a text of the case into the room and returns its length in bytes: the name for `index` 0, then the labels.
    pub fn name(&mut self, handle: u32, index: u32) -> u32 {
        let Some(Classifier { case, .. }) = classifier(&mut self.slots, handle) else { return 0 };
        let name = match index.checked_sub(1) {
            None => case.name(),
            Some(label) => case.labels().name(label).unwrap_or_default(),
        };
        self.input.clear();
        self.input.extend(name.as_bytes());
        u32::try_from(name.len()).unwrap_or(0)
    }

    /// Copies the case's digest, 32 bytes, into the room and returns its length.
    pub fn digest(&mut self, handle: u32) -> u32 {
        let Some(Classifier { case, .. }) = classifier(&mut self.slots, handle) else { return 0 };
        self.input.clear();
        self.input.extend(case.digest());
        32
    }

    /// Where the room is.
    #[must_use]
    pub fn room_address(&self) -> u32 {
        address(&self.input)
    }

    /// The last verdict of a case.
    #[must_use]
    pub fn answer(&self, handle: u32) -> Option<Answer> {
        self.slots.get(slot_of(handle)?)?.as_ref().map(|c| c.answer)
    }
}

impl Classifier {
    fn open(file: Vec<u8>) -> Result<Self, Error> {
        let case = Case::parse(file)?;
        let cost = case.cost();
        Ok(Self {
            ids: vec![0; cost.ids],
            numbers: vec![0; cost.numbers],
            tokens: vec![0; cost.tokens],
            cells: vec![Cell::default(); cost.cells],
            arena: vec![0; cost.arena],
            case,
            answer: Answer::default(),
        })
    }
}

impl From<Verdict<'_>> for Answer {
    fn from(verdict: Verdict<'_>) -> Self {
        Self {
            label: verdict.label_index,
            probability: verdict.probability,
            scores: address(verdict.scores),
            classes: u32::try_from(verdict.scores.len()).unwrap_or(0),
            score_scale: verdict.score_scale,
            unknown_share: verdict.unknown_share(),
            flags: u32::from(verdict.truncated) | u32::from(verdict.abstain) << 1,
            tokens: verdict.tokens,
            invalid_utf8: verdict.invalid_utf8,
        }
    }
}

fn slot_of(handle: u32) -> Option<usize> {
    usize::try_from(handle.checked_sub(1)?).ok()
}

fn classifier(slots: &mut [Option<Classifier>], handle: u32) -> Option<&mut Classifier> {
    slots.get_mut(slot_of(handle)?)?.as_mut()
}

/// An address as a number: exact where addresses have 32 bits, and meaningless elsewhere.
fn address<T>(slice: &[T]) -> u32 {
    slice.as_ptr().expose_provenance() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    static CASE: &[u8] = include_bytes!("../../../models/news-64k.case");

    fn with_room(classifiers: &mut Classifiers, bytes: &[u8]) {
        classifiers.room(u32::try_from(bytes.len()).unwrap());
        classifiers.input.copy_from_slice(bytes);
    }

    fn open(classifiers: &mut Classifiers, bytes: &[u8]) -> u32 {
        with_room(classifiers, bytes);
        classifiers.open()
    }

    #[test]
    fn a_case_is_opened_used_and_closed_and_its_handle_used_again() {
        let mut classifiers = Classifiers::EMPTY;
        let (first, second) = (open(&mut classifiers, CASE), open(&mut classifiers, CASE));
        assert_eq!((first, second), (1, 2));
        assert!(classifiers.verify(first) >= 16);
        assert_eq!(classifiers.classes(first), 4);
        with_room(&mut classifiers, b"Oil prices soar to all-time record");
        assert_ne!(classifiers.classify(first, 34), 0);
        let answer = classifiers.answer(first).unwrap();
        assert_eq!((answer.label, answer.classes, answer.flags & 1), (2, 4, 0));
        assert_eq!(classifiers.name(first, 3), "Business".len() as u32);
        assert_eq!(classifiers.input, b"Business");
        classifiers.close(first);
        assert_eq!(classifiers.classes(first), 0);
        assert_eq!(open(&mut classifiers, CASE), 1);
    }

    #[test]
    fn what_is_no_case_is_an_error_and_what_is_no_handle_is_nothing() {
        let mut classifiers = Classifiers::EMPTY;
        assert_eq!(open(&mut classifiers, b"no case"), 0);
        assert_eq!(classifiers.error(), 1);
        for handle in [0, 1, u32::MAX] {
            assert_eq!(classifiers.classify(handle, 5), 0);
            assert_eq!(
                classifiers.verify(handle) + classifiers.classes(handle) + classifiers.name(handle, 0),
                0
            );
            classifiers.close(handle);
        }
    }

    #[test]
    fn more_bytes_than_there_are_mean_all_of_them() {
        let mut classifiers = Classifiers::EMPTY;
        let handle = open(&mut classifiers, CASE);
        with_room(&mut classifiers, b"oil");
        classifiers.classify(handle, u32::MAX);
        let answer = classifiers.answer(handle);
        with_room(&mut classifiers, b"oil");
        classifiers.classify(handle, 3);
        assert_eq!(classifiers.answer(handle), answer);
    }
}
