//! A case that was checked whole, and the views of its parts.

use core::ops::Range;

use typecase_case::sections::bag::{Bag, BagShape, Head};
use typecase_case::sections::calibration::Calibration;
#[cfg(feature = "encoder")]
use typecase_case::sections::encoder::Encoder;
use typecase_case::sections::golden::{self, GoldenVectors};
use typecase_case::sections::labels::Labels;
use typecase_case::sections::provenance::Provenance;
use typecase_case::sections::text::TextSpec;
use typecase_case::{Container, Error as FormatError, Integrity, Kind, Section};
#[cfg(feature = "encoder")]
use typecase_kernels::encoder::Cpu;
use typecase_kernels::{Norm, probability, scalar};
use typecase_text::subword::Cell;
#[cfg(feature = "subword")]
use typecase_text::subword::Tokenizer;
use typecase_text::{Encoded, NgramSpec, Ngrams, UNICODE_VERSION, Vocabulary, vocabulary};

#[cfg(feature = "encoder")]
use crate::encoder::{EncoderFacts, Forward};
use crate::error::Error;
use crate::native;
use crate::session::{Memory, Verdict};
use crate::steps::Progress;
#[cfg(feature = "encoder")]
use crate::threads::Join;
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
    golden: Span,
    provenance: Span,
    calibration: Calibration,
    model: Model,
    /// The kernels that run an encoder.
    #[cfg(feature = "encoder")]
    cpu: Cpu,
    /// An encoder has memory for a second thread.
    #[cfg(feature = "encoder")]
    in_two: bool,
}

/// What parsing learnt of the model, and of what makes its ids.
#[derive(Clone, Debug)]
enum Model {
    Bag(BagFacts),
    #[cfg(feature = "encoder")]
    Encoder(EncoderFacts),
}

/// What parsing learnt of a bag.
#[derive(Clone, Debug)]
struct BagFacts {
    vocabulary: Span,
    bag: Span,
    ngrams: Ngrams,
    /// The sub-word tokenizer, if the case has one.
    tokens: Option<TokenFacts>,
    max_ids: u32,
    vocabulary_shape: vocabulary::Shape,
    bag_shape: BagShape,
}

pub(crate) type Span = Range<usize>;

/// What kind of model the case holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// Rows that are summed.
    Bag(Bag<'a>),
    /// Layers of attention over the tokens of a sub-word tokenizer.
    #[cfg(feature = "encoder")]
    Encoder(Encoder<'a>),
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
    /// Words of [`Memory::arena`]: none for a bag.
    pub arena: usize,
    /// Bytes of all of them.
    pub scratch_bytes: usize,
    /// Multiplications and additions of the longest text, tokenizer not counted.
    pub multiply_adds: u64,
}

impl Cost {
    /// Bytes of the memory.
    pub(crate) const fn bytes(&self) -> usize {
        let Self { ids, numbers, tokens, cells, arena, .. } = *self;
        4 * (ids + numbers + tokens) + size_of::<Cell>() * cells + 8 * arena
    }
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

    /// Which n-grams a bag has: of words, or of the tokens of [`Self::tokenizer`] if there is one. `None` for an encoder.
    #[must_use]
    pub const fn ngrams(&self) -> Option<Ngrams> {
        match &self.facts.model {
            Model::Bag(bag) => Some(bag.ngrams),
            #[cfg(feature = "encoder")]
            Model::Encoder(_) => None,
        }
    }

    /// The sub-word tokenizer, if the case has one.
    #[cfg(feature = "subword")]
    #[must_use]
    pub fn tokenizer(&self) -> Option<Tokenizer<'_>> {
        let table = match &self.facts.model {
            Model::Bag(bag) => &bag.tokens.as_ref()?.table,
            #[cfg(feature = "encoder")]
            Model::Encoder(encoder) => &encoder.table,
        };
        Tokenizer::view(self.span(table)).ok()
    }

    /// Which features have a row in a bag. `None` for an encoder.
    #[must_use]
    #[inline]
    pub fn vocabulary(&self) -> Option<Vocabulary<'_>> {
        match &self.facts.model {
            Model::Bag(bag) => Some(self.vocabulary_of(bag)),
            #[cfg(feature = "encoder")]
            Model::Encoder(_) => None,
        }
    }

    #[inline]
    fn vocabulary_of(&self, bag: &BagFacts) -> Vocabulary<'_> {
        bag.vocabulary_shape.view(self.span(&bag.vocabulary))
    }

    /// Ids are below this: rows of a bag, or of the embedding of an encoder.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        match &self.facts.model {
            Model::Bag(bag) => bag.bag_shape.rows,
            #[cfg(feature = "encoder")]
            Model::Encoder(encoder) => encoder.shape.rows,
        }
    }

    /// The model.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> Payload<'_> {
        match &self.facts.model {
            Model::Bag(bag) => Payload::Bag(self.bag_of(bag)),
            #[cfg(feature = "encoder")]
            Model::Encoder(encoder) => match Encoder::view(self.span(&encoder.encoder)) {
                Ok(encoder) => Payload::Encoder(encoder),
                // It was read when the case was parsed, and bytes do not change.
                Err(_) => Payload::Encoder(Encoder::EMPTY),
            },
        }
    }

    #[inline]
    fn bag_of(&self, facts: &BagFacts) -> Bag<'_> {
        Bag::view(self.span(&facts.bag)).unwrap_or(Bag {
            shape: facts.bag_shape,
            bias: &[],
            head_bias: &[],
            head_weights: &[],
            scales: &[],
            weights: &[],
        })
    }

    /// The kernels that run an encoder.
    #[cfg(feature = "encoder")]
    #[must_use]
    pub const fn cpu(&self) -> Cpu {
        self.facts.cpu
    }

    /// The same case on other kernels, for tests and comparisons: the scores stay what they are.
    #[cfg(feature = "encoder")]
    #[must_use]
    pub fn on(mut self, cpu: Cpu) -> Self {
        self.facts.cpu = cpu;
        self
    }

    /// The same case with memory for a second thread of an encoder: its [`Self::cost`] is higher, and
    /// [`Self::scores_in_two`] can be asked.
    #[cfg(feature = "encoder")]
    #[must_use]
    pub fn in_two(mut self, in_two: bool) -> Self {
        self.facts.in_two = in_two;
        self
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
        match &self.facts.model {
            Model::Bag(bag) => native::norm(bag.bag_shape.pooling, ids),
            #[cfg(feature = "encoder")]
            Model::Encoder(_) => Norm::SUM,
        }
    }

    /// What a session needs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let none =
            Cost { ids: 0, numbers: 0, tokens: 0, cells: 0, arena: 0, scratch_bytes: 0, multiply_adds: 0 };
        let cost = match &self.facts.model {
            Model::Bag(bag) => {
                let shape = bag.bag_shape;
                let (width, classes) = (usize::from(shape.width), usize::from(shape.classes));
                let ids = bag.max_ids as usize;
                let (numbers, dense) = match shape.head {
                    Head::None => (width, 0),
                    Head::Relu { .. } => (width + classes, width * classes),
                };
                let (tokens, cells) = bag.tokens.as_ref().map_or((0, 0), TokenFacts::memory);
                let multiply_adds = ids as u64 * width as u64 + dense as u64;
                Cost { ids, numbers, tokens, cells, multiply_adds, ..none }
            }
            #[cfg(feature = "encoder")]
            Model::Encoder(encoder) => Cost {
                ids: encoder.max_ids,
                numbers: encoder.shape.classes.into(),
                cells: encoder.cells,
                arena: encoder.arena(self.facts.in_two),
                multiply_adds: encoder.multiply_adds(),
                ..none
            },
        };
        Cost { scratch_bytes: cost.bytes(), ..cost }
    }

    /// Words of the arena for so many tokens of any number of texts; 0 for a bag.
    pub(crate) fn arena_of(&self, tokens: usize) -> usize {
        match &self.facts.model {
            Model::Bag(_) => {
                let _ = tokens;
                0
            }
            #[cfg(feature = "encoder")]
            Model::Encoder(encoder) => encoder.arena_of(tokens, self.facts.in_two),
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
            let place = self.scores_into(ids, memory.numbers, memory.arena);
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
        let bag = match &self.facts.model {
            Model::Bag(bag) => bag,
            #[cfg(feature = "encoder")]
            Model::Encoder(encoder) => return encoder.encode_into(text, self.span(&encoder.table), memory),
        };
        let limit = memory.ids.len().min(bag.max_ids as usize);
        let vocabulary = self.vocabulary_of(bag);
        match &bag.tokens {
            None => {
                let ids = memory.ids.get_mut(..limit).unwrap_or_default();
                bag.ngrams.encode_into(text, &vocabulary, ids)
            }
            Some(tokens) => tokens.encode_into(text, self.span(&tokens.table), &vocabulary, limit, memory),
        }
    }

    /// The native engine: computes the exact scores of a text with these ids and returns where in `numbers` they stand,
    /// one a class.
    ///
    /// # Shapes
    /// `ids`: from [`Self::encode_into`]. `numbers`: at least [`Cost::numbers`] entries, `arena`: at least
    /// [`Cost::arena`].
    #[inline]
    pub fn scores_into(&self, ids: &[u32], numbers: &mut [i32], arena: &mut [u64]) -> Range<usize> {
        match &self.facts.model {
            Model::Bag(bag) => {
                let _ = arena;
                native::run(&self.bag_of(bag), ids, numbers)
            }
            #[cfg(feature = "encoder")]
            Model::Encoder(facts) => {
                Forward::new(self.span(&facts.encoder), self.facts.cpu, ids).run(arena, numbers)
            }
        }
    }

    /// As [`Self::scores_into`], with a second thread for an encoder if the case is [`Self::in_two`]. The scores are the
    /// same.
    #[cfg(feature = "encoder")]
    pub fn scores_in_two(
        &self,
        ids: &[u32],
        numbers: &mut [i32],
        arena: &mut [u64],
        join: &dyn Join,
    ) -> Range<usize> {
        match &self.facts.model {
            Model::Encoder(facts) if self.facts.in_two => {
                let forward = Forward::new(self.span(&facts.encoder), self.facts.cpu, ids);
                forward.with(join).run(arena, numbers)
            }
            _ => self.scores_into(ids, numbers, arena),
        }
    }

    /// The scores of several texts of an encoder, text by text, at the front of `numbers`; `ends` says where each text ends.
    pub(crate) fn scores_of_texts(
        &self,
        ids: &[u32],
        ends: &[usize],
        numbers: &mut [i32],
        arena: &mut [u64],
    ) {
        match &self.facts.model {
            Model::Bag(_) => {
                let _ = (ids, ends, numbers, arena);
            }
            #[cfg(feature = "encoder")]
            Model::Encoder(facts) => {
                let section = self.span(&facts.encoder);
                Forward::of_texts(section, self.facts.cpu, ids, ends).run(arena, numbers);
            }
        }
    }

    /// As [`Self::scores_into`], but does no more than the budget has room for, and the least that can be done at least;
    /// `Some` after the last step. Between steps ids, numbers and arena must stay as they are.
    pub(crate) fn step(
        &self,
        ids: &[u32],
        progress: &mut Progress,
        budget: u32,
        numbers: &mut [i32],
        arena: &mut [u64],
    ) -> Option<Range<usize>> {
        match &self.facts.model {
            Model::Bag(bag) => {
                let _ = arena;
                let (done, place) = native::step(&self.bag_of(bag), ids, progress.ids, budget, numbers);
                progress.ids = done;
                place
            }
            #[cfg(feature = "encoder")]
            Model::Encoder(facts) => {
                let forward = Forward::new(self.span(&facts.encoder), self.facts.cpu, ids);
                forward.step(&mut progress.encoder, budget, arena, numbers);
                progress.encoder.is_done().then(|| forward.place())
            }
        }
    }

    /// The most that a step with a budget of 1 costs, in multiply-adds: what cannot be divided. The tokenizer is a step of
    /// its own, see [`Steps`](crate::Steps).
    #[must_use]
    pub fn least_step(&self) -> u64 {
        match &self.facts.model {
            Model::Bag(bag) => {
                let shape = bag.bag_shape;
                let width = u64::from(shape.width);
                match shape.head {
                    Head::None => width,
                    Head::Relu { .. } => width * u64::from(shape.classes),
                }
            }
            #[cfg(feature = "encoder")]
            Model::Encoder(facts) => facts.least_step(),
        }
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
        let model = Model::learn(&container)?;
        let calibration = Calibration::parse(container.section(Kind::CALIBRATION)?)?;
        let golden = GoldenVectors::parse(container.section(Kind::GOLDEN)?)?;
        Provenance::parse(container.section(Kind::PROVENANCE)?)?;

        let (rows, classes) = match &model {
            Model::Bag(bag) => (bag.bag_shape.rows, bag.bag_shape.classes),
            #[cfg(feature = "encoder")]
            Model::Encoder(encoder) => (encoder.shape.rows, encoder.shape.classes),
        };
        agree("labels and classes", labels.len(), classes.into())?;
        agree("labels and golden classes", labels.len(), golden.classes())?;
        agree("bytes of a golden id and of the rows", golden.id_bytes().into(), {
            golden::id_bytes_for(rows).into()
        })?;
        for vector in golden.iter() {
            if let Some(id) = vector.ids().find(|&id| id >= rows) {
                let what = "id of a golden vector and rows";
                return Err(FormatError::Mismatch { what, left: id.into(), right: rows.into() }.into());
            }
        }
        Ok(Self {
            digest: container.digest(),
            labels: container.place(Kind::LABELS)?,
            golden: container.place(Kind::GOLDEN)?,
            provenance: container.place(Kind::PROVENANCE)?,
            calibration,
            model,
            #[cfg(feature = "encoder")]
            cpu: Cpu::detect(),
            #[cfg(feature = "encoder")]
            in_two: false,
        })
    }
}

fn agree(what: &'static str, left: u32, right: u32) -> Result<(), Error> {
    let mismatch = FormatError::Mismatch { what, left: left.into(), right: right.into() };
    if left == right { Ok(()) } else { Err(mismatch.into()) }
}

impl Model {
    fn learn(container: &Container<'_>) -> Result<Self, Error> {
        if container.section(Kind::ENCODER).is_ok() {
            #[cfg(feature = "encoder")]
            return EncoderFacts::learn(container).map(Self::Encoder);
            #[cfg(not(feature = "encoder"))]
            return Err(Error::NoEncoder);
        }
        BagFacts::learn(container).map(Self::Bag)
    }
}

impl BagFacts {
    fn learn(container: &Container<'_>) -> Result<Self, Error> {
        let text = TextSpec::parse(container.section(Kind::TEXT)?)?;
        let (major, minor, _) = UNICODE_VERSION;
        if text.unicode != (major, minor) {
            return Err(Error::Unicode { case: text.unicode, program: (major, minor) });
        }
        let tokens = tokens::learn(container, &text)?;
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
        agree("features and rows", vocabulary.count(), bag.rows)?;
        Ok(Self {
            vocabulary: container.place(Kind::VOCABULARY)?,
            bag: container.place(Kind::BAG)?,
            ngrams,
            tokens,
            max_ids: text.max_ids,
            vocabulary_shape: vocabulary,
            bag_shape: bag,
        })
    }
}
