//! A case that was checked whole, and the views of its parts.

use core::ops::Range;

use typecase_case::sections::bag::{Bag, BagShape, Head};
use typecase_case::sections::calibration::Calibration;
use typecase_case::sections::golden::{self, GoldenVectors};
use typecase_case::sections::labels::Labels;
use typecase_case::sections::provenance::Provenance;
use typecase_case::sections::text::TextSpec;
use typecase_case::{Container, Error as FormatError, Integrity, Kind, Section};
use typecase_kernels::{Norm, probability, scalar};
use typecase_text::subword::Cell;
#[cfg(feature = "subword")]
use typecase_text::subword::Tokenizer;
use typecase_text::{Encoded, NgramSpec, Ngrams, UNICODE_VERSION, Vocabulary, vocabulary};

use crate::error::Error;
use crate::native;
use crate::session::{Memory, Verdict};
use crate::tokens::{self, TokenFacts};

/// A checked case over its bytes: `&[u8]` in flash, or anything that owns them.
///
/// Built by [`Case::parse`] alone; immutable; may be shared between threads.
#[derive(Clone, Debug)]
pub struct Case<B> {
    bytes: B,
    facts: Facts,
}

/// What parsing learnt: where things are, and their numbers.
#[derive(Clone, Debug)]
struct Facts {
    digest: [u8; 32],
    labels: Span,
    vocabulary: Span,
    bag: Span,
    golden: Span,
    provenance: Span,
    ngrams: Ngrams,
    /// The sub-word tokenizer, if the case has one.
    tokens: Option<TokenFacts>,
    max_ids: u32,
    vocabulary_shape: vocabulary::Shape,
    bag_shape: BagShape,
    calibration: Calibration,
}

pub(crate) type Span = Range<usize>;

/// What kind of model the case holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// Rows that are summed.
    Bag(Bag<'a>),
}

/// What a case needs, known before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Ids of the longest text: entries of [`Memory::ids`].
    pub ids: usize,
    /// Entries of [`Memory::numbers`].
    pub numbers: usize,
    /// Sub-word tokens of the longest text: entries of [`Memory::tokens`].
    pub tokens: usize,
    /// Entries of [`Memory::cells`].
    pub cells: usize,
    /// Bytes of all of them.
    pub scratch_bytes: usize,
    /// Multiplications and additions of the longest text, tokenizer not counted.
    pub multiply_adds: u64,
}

impl<B: AsRef<[u8]>> Case<B> {
    /// Checks a file from outside: every byte is covered by the digest, every rule of the format is tested.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse(bytes: B) -> Result<Self, Error> {
        Self::parse_with(bytes, Integrity::Digest)
    }

    /// As [`Self::parse`], with less of the redundancy checked. The rules of the format always are.
    ///
    /// # Errors
    /// [`Error`] names the first rule that is broken.
    pub fn parse_with(bytes: B, integrity: Integrity) -> Result<Self, Error> {
        let facts = Facts::learn(bytes.as_ref(), integrity)?;
        Ok(Self { bytes, facts })
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// SHA-256 that stands for every byte of the file.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.facts.digest
    }

    /// What people call the case.
    #[must_use]
    pub fn name(&self) -> &str {
        self.provenance().value("name").unwrap_or_default()
    }

    /// Names of the classes.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels::view(self.span(&self.facts.labels)).unwrap_or(Labels::EMPTY)
    }

    /// Where the case comes from.
    #[must_use]
    pub fn provenance(&self) -> Provenance<'_> {
        Provenance::view(self.span(&self.facts.provenance)).unwrap_or(Provenance::EMPTY)
    }

    /// Texts with their ids and exact scores.
    #[must_use]
    pub fn golden(&self) -> GoldenVectors<'_> {
        GoldenVectors::view(self.span(&self.facts.golden)).unwrap_or(GoldenVectors::EMPTY)
    }

    /// From scores to probabilities.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        self.facts.calibration
    }

    /// Which n-grams are made: of words, or of the tokens of [`Self::tokenizer`] if there is one.
    #[must_use]
    pub const fn ngrams(&self) -> Ngrams {
        self.facts.ngrams
    }

    /// The sub-word tokenizer, if the case has one.
    #[cfg(feature = "subword")]
    #[must_use]
    pub fn tokenizer(&self) -> Option<Tokenizer<'_>> {
        Tokenizer::view(self.span(&self.facts.tokens.as_ref()?.table)).ok()
    }

    /// Which features have a row.
    #[must_use]
    #[inline]
    pub fn vocabulary(&self) -> Vocabulary<'_> {
        self.facts.vocabulary_shape.view(self.span(&self.facts.vocabulary))
    }

    /// The model.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> Payload<'_> {
        Payload::Bag(Bag::view(self.span(&self.facts.bag)).unwrap_or(Bag {
            shape: self.facts.bag_shape,
            bias: &[],
            head_bias: &[],
            head_weights: &[],
            scales: &[],
            weights: &[],
        }))
    }

    /// Every section, in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        Container::parse(self.bytes(), Integrity::Structure)
            .into_iter()
            .flat_map(|container| container.sections())
    }

    /// What the biases are multiplied with and the logits divided by, for a text with this many ids.
    #[must_use]
    pub fn norm(&self, ids: usize) -> Norm {
        native::norm(self.facts.bag_shape.pooling, ids)
    }

    /// What a session needs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let shape = self.facts.bag_shape;
        let (width, classes) = (usize::from(shape.width), usize::from(shape.classes));
        let ids = self.facts.max_ids as usize;
        let (numbers, dense) = match shape.head {
            Head::None => (width, 0),
            Head::Relu { .. } => (width + classes, width * classes),
        };
        let (tokens, cells) = self.facts.tokens.as_ref().map_or((0, 0), TokenFacts::memory);
        Cost {
            ids,
            numbers,
            tokens,
            cells,
            scratch_bytes: 4 * (ids + numbers + tokens) + size_of::<Cell>() * cells,
            multiply_adds: ids as u64 * width as u64 + dense as u64,
        }
    }

    /// Runs the golden vectors on this engine: ids and scores must be exactly those in the case.
    ///
    /// # Errors
    /// [`Error::Memory`] if `memory` is too small, [`Error::Golden`] for the first vector that differs.
    pub fn verify(&self, memory: &mut Memory<'_>) -> Result<u32, Error> {
        memory.check(&self.cost())?;
        let mut count = 0;
        for vector in self.golden().iter() {
            let encoded = self.encode_into(vector.text, memory);
            let ids = memory.ids.get(..encoded.len).unwrap_or_default();
            if !vector.ids().eq(ids.iter().copied()) {
                return Err(Error::Golden { index: count, what: "ids" });
            }
            let place = self.scores_into(ids, memory.numbers);
            let scores = memory.numbers.get(place).unwrap_or_default();
            if !vector.scores().eq(scores.iter().copied()) {
                return Err(Error::Golden { index: count, what: "scores" });
            }
            count += 1;
        }
        Ok(count)
    }

    /// Cuts a text into the ids of its rows.
    ///
    /// # Shapes
    /// `memory`: as [`Case::cost`] says, numbers are not needed; the ids are written to its `ids`. With less the verdict
    /// means nothing.
    #[inline]
    pub fn encode_into(&self, text: &[u8], memory: &mut Memory<'_>) -> Encoded {
        let limit = memory.ids.len().min(self.facts.max_ids as usize);
        match &self.facts.tokens {
            None => {
                let ids = memory.ids.get_mut(..limit).unwrap_or_default();
                self.facts.ngrams.encode_into(text, &self.vocabulary(), ids)
            }
            Some(tokens) => {
                tokens.encode_into(text, self.span(&tokens.table), &self.vocabulary(), limit, memory)
            }
        }
    }

    /// The native engine: computes the exact scores of a text with these ids and returns where in `numbers` they stand,
    /// one a class.
    ///
    /// # Shapes
    /// `ids`: from [`Self::encode_into`]. `numbers`: at least [`Cost::numbers`] entries.
    #[inline]
    pub fn scores_into(&self, ids: &[u32], numbers: &mut [i32]) -> Range<usize> {
        let Payload::Bag(bag) = self.payload();
        native::run(&bag, ids, numbers)
    }

    /// What exact scores say of a text.
    ///
    /// # Shapes
    /// `scores`: one a class.
    #[must_use]
    #[inline]
    pub fn verdict<'s>(&'s self, encoded: Encoded, scores: &'s [i32]) -> Verdict<'s> {
        let calibration = self.calibration();
        let norm = self.norm(encoded.len);
        let score_scale = calibration.score_scale / calibration.temperature / norm.divisor();
        let label_index = u32::try_from(scalar::argmax(scores)).unwrap_or(0);
        let probability = probability::softmax(scores, label_index as usize, score_scale);
        Verdict {
            label: self.labels().name(label_index).unwrap_or_default(),
            label_index,
            probability,
            scores,
            score_scale,
            truncated: encoded.truncated,
            abstain: probability < calibration.abstain_below,
            words: encoded.words,
            unknown_words: encoded.unknown,
            tokens: u32::try_from(encoded.len).unwrap_or(u32::MAX),
            invalid_utf8: encoded.invalid_utf8,
            backend: native::NAME,
        }
    }

    /// The same checked case, borrowed.
    #[must_use]
    pub fn view(&self) -> Case<&[u8]> {
        Case { bytes: self.bytes.as_ref(), facts: self.facts.clone() }
    }

    #[inline]
    fn span(&self, span: &Span) -> &[u8] {
        self.bytes.as_ref().get(span.clone()).unwrap_or_default()
    }
}

impl Facts {
    // A frame of its own: firmware in which it was part of its caller had 500 bytes more of code.
    #[inline(never)]
    fn learn(bytes: &[u8], integrity: Integrity) -> Result<Self, Error> {
        let container = Container::parse(bytes, integrity)?;
        let labels = Labels::parse(container.section(Kind::LABELS)?)?;
        let text = TextSpec::parse(container.section(Kind::TEXT)?)?;
        let (major, minor, _) = UNICODE_VERSION;
        if text.unicode != (major, minor) {
            return Err(Error::Unicode { case: text.unicode, program: (major, minor) });
        }
        let tokens = tokens::learn(&container, &text)?;
        // With tokens, those of characters, marks and cased words are none: the text section said so.
        let ngrams = Ngrams::new(NgramSpec {
            word_max: text.word_max,
            char_min: text.char_min,
            char_max: text.char_max,
            marks: text.marks,
            cased: text.cased,
            skips: text.skips,
            max_bytes: text.max_bytes,
        })?;
        let vocabulary = Vocabulary::parse(container.section(Kind::VOCABULARY)?)?.shape();
        let bag = Bag::parse(container.section(Kind::BAG)?, text.max_ids)?.shape;
        let calibration = Calibration::parse(container.section(Kind::CALIBRATION)?)?;
        let golden = GoldenVectors::parse(container.section(Kind::GOLDEN)?)?;
        Provenance::parse(container.section(Kind::PROVENANCE)?)?;

        let agree = |what, left: u32, right: u32| {
            let mismatch = FormatError::Mismatch { what, left: left.into(), right: right.into() };
            if left == right { Ok(()) } else { Err(mismatch) }
        };
        agree("features and rows", vocabulary.count(), bag.rows)?;
        agree("labels and classes of the bag", labels.len(), bag.classes.into())?;
        agree("labels and classes of the golden vectors", labels.len(), golden.classes())?;
        agree("bytes of a golden vector's id and bytes for the rows", golden.id_bytes().into(), {
            golden::id_bytes_for(bag.rows).into()
        })?;
        for vector in golden.iter() {
            if let Some(id) = vector.ids().find(|&id| id >= bag.rows) {
                let what = "id of a golden vector and rows";
                return Err(FormatError::Mismatch { what, left: id.into(), right: bag.rows.into() }.into());
            }
        }
        Ok(Self {
            digest: container.digest(),
            labels: container.place(Kind::LABELS)?,
            vocabulary: container.place(Kind::VOCABULARY)?,
            bag: container.place(Kind::BAG)?,
            golden: container.place(Kind::GOLDEN)?,
            provenance: container.place(Kind::PROVENANCE)?,
            ngrams,
            tokens,
            max_ids: text.max_ids,
            vocabulary_shape: vocabulary,
            bag_shape: bag,
            calibration,
        })
    }
}
