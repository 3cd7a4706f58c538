//! Pruning: a vocabulary with only the pieces that the texts of a domain need, for a smaller embedding and table.
//!
//! Kept are the pieces that the texts use often enough; what they are made of (BPE: the merges on the way to each; the
//! others: single characters that occur), so that any text still has ids; the unknown piece; every added and special
//! token. A text whose pieces are all kept is cut as before: the best cut is still there, and no new one can beat it.
//!
//! New ids follow the order of the old ones, without gaps.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;
use typecase_text::subword::{Cell, MemoryError, Output, Scratch, Tokenizer};

use super::added::Added;
use super::json::Node;
use super::models::{Model, Parts, byte_characters};
use super::{CompileError, Options, compile_value, template};

mod rewrite;

/// What pruning keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneOptions {
    /// Pieces that occur at least so many times in the texts are kept.
    pub min_count: u32,
    /// Of these the most frequent are kept, so that the vocabulary has at most so many pieces; without it all. Pieces that
    /// every tokenizer needs stay in any case.
    pub max_pieces: Option<usize>,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self { min_count: 1, max_pieces: None }
    }
}

/// A smaller tokenizer.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// The new `tokenizer.json`.
    pub json: Value,
    /// The old id of each new one: which rows of an embedding stay.
    pub kept: Vec<u32>,
    /// What was gained and what was lost.
    pub report: PruneReport,
}

/// What was gained and what was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneReport {
    /// Pieces of the model's vocabulary before.
    pub pieces_before: usize,
    /// Pieces of the model's vocabulary after.
    pub pieces_after: usize,
    /// Bytes of the table before.
    pub bytes_before: usize,
    /// Bytes of the table after.
    pub bytes_after: usize,
    /// Texts that were looked at.
    pub texts: usize,
    /// Texts whose pieces are others now.
    pub texts_changed: usize,
}

/// Why a vocabulary cannot be pruned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The tokenizer cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The pruned tokenizer cannot be compiled: ids of the old one do not fit its vocabulary.
    #[error("after pruning: {0}")]
    Pruned(CompileError),
    /// A text is too long to be encoded.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// Leaves out the pieces that `texts` do not need.
///
/// # Errors
/// [`PruneError`] if the file cannot be compiled, before or after.
pub fn prune<T: AsRef<str>>(json: &str, texts: &[T], options: &PruneOptions) -> Result<Pruned, PruneError> {
    let json: Value = serde_json::from_str(json).map_err(CompileError::from)?;
    let before = compile_value(&json, &Options::default())?;
    let whole = whole(&json);
    let table = compile_value(&whole, &Options::default())?.table;
    let tokenizer = Tokenizer::parse(&table).map_err(CompileError::from)?;
    let mut encoder = Encoder::new(&tokenizer);
    let mut counts: HashMap<u32, u32> = HashMap::new();
    let mut cut = Vec::with_capacity(texts.len());
    for text in texts {
        let ids = encoder.ids(text.as_ref())?;
        for id in ids {
            let count = counts.entry(*id).or_default();
            *count = count.saturating_add(1);
        }
        cut.push(ids.to_vec());
    }

    let file = Node::root(&json).any_fields()?;
    let model = Model::read(&file.need("model")?)?;
    let kept: Vec<u32> = chosen(&fixed_ids(&json, &model)?, &model, &counts, options).into_iter().collect();
    let pruned = rewrite::rewrite(&json, &model, &kept)?;

    let after = compile_value(&pruned, &Options::default()).map_err(PruneError::Pruned)?;
    let new_table =
        compile_value(&self::whole(&pruned), &Options::default()).map_err(PruneError::Pruned)?.table;
    let new_tokenizer = Tokenizer::parse(&new_table).map_err(CompileError::from)?;
    let mut new_encoder = Encoder::new(&new_tokenizer);
    let mut texts_changed = 0;
    for (text, old) in texts.iter().zip(&cut) {
        let new = new_encoder.ids(text.as_ref())?;
        let same = new.len() == old.len()
            && new.iter().zip(old).all(|(new, old)| kept.get(*new as usize) == Some(old));
        texts_changed += usize::from(!same);
    }
    let report = PruneReport {
        pieces_before: before.pieces,
        pieces_after: after.pieces,
        bytes_before: before.table.len(),
        bytes_after: after.table.len(),
        texts: texts.len(),
        texts_changed,
    };
    Ok(Pruned { json: pruned, kept, report })
}

/// The ids that stay: those that must, the frequent ones, and what both are made of.
fn chosen(
    fixed: &BTreeSet<u32>,
    model: &Model<'_>,
    counts: &HashMap<u32, u32>,
    options: &PruneOptions,
) -> BTreeSet<u32> {
    let mut frequent: Vec<(u32, u32)> = counts
        .iter()
        .filter(|(_, count)| **count >= options.min_count)
        .map(|(id, count)| (*id, *count))
        .collect();
    // The most frequent first, of equals the lower id.
    frequent.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let with = |first: usize| {
        let mut kept = fixed.clone();
        kept.extend(frequent[..first].iter().map(|(id, _)| *id));
        let fall_back = fall_back(model, &kept, counts);
        kept.extend(fall_back);
        kept
    };
    let Some(most) = options.max_pieces else { return with(frequent.len()) };
    // More frequent pieces never make fewer pieces in all: the largest number of them that fits.
    let (mut fits, mut beyond) = (0, frequent.len() + 1);
    while beyond - fits > 1 {
        let middle = fits.midpoint(beyond);
        if with(middle).len() <= most {
            fits = middle;
        } else {
            beyond = middle;
        }
    }
    with(fits)
}

/// The same tokenizer without truncation and padding: every piece of a text counts.
fn whole(json: &Value) -> Value {
    let mut json = json.clone();
    if let Some(fields) = json.as_object_mut() {
        fields.remove("truncation");
        fields.remove("padding");
    }
    json
}

/// Texts to ids, in memory that grows.
struct Encoder<'e, 't> {
    tokenizer: &'e Tokenizer<'t>,
    cells: Vec<Cell>,
    ids: Vec<u32>,
}

impl<'e, 't> Encoder<'e, 't> {
    fn new(tokenizer: &'e Tokenizer<'t>) -> Self {
        Self { tokenizer, cells: vec![Cell::default(); tokenizer.scratch_cells()], ids: vec![0; 1024] }
    }

    fn ids(&mut self, text: &str) -> Result<&[u32], MemoryError> {
        loop {
            let output = Output { ids: &mut self.ids, spans: &mut [], special: false };
            let encoded =
                self.tokenizer.encode(text.as_bytes(), output, &mut Scratch::new(&mut self.cells))?;
            // Work ends at the first token without room: how many there will be is not known.
            if encoded.placed.lost == 0 {
                return Ok(self.ids.get(..encoded.len).unwrap_or_default());
            }
            self.ids.resize(self.ids.len() * 2, 0);
        }
    }
}

/// Ids that stay whatever the texts are: added, special and unknown tokens, padding, the bytes that text falls back to.
fn fixed_ids(json: &Value, model: &Model<'_>) -> Result<BTreeSet<u32>, CompileError> {
    let file = Node::root(json).any_fields()?;
    let added = Added::read(file.find("added_tokens").as_ref(), model)?;
    let around = template::read(file.find("post_processor").as_ref(), model)?;
    let mut kept: BTreeSet<u32> = added.ids.values().copied().collect();
    kept.extend(rewrite::referred_ids(json));
    kept.extend(around.special.values());
    kept.extend(model.unknown());
    match &model.parts {
        Parts::WordPiece { .. } => {}
        Parts::Bpe { .. } => {
            let characters = byte_characters();
            kept.extend(
                characters.iter().filter_map(|c| model.lookup.get(c.encode_utf8(&mut [0; 4]) as &str)),
            );
        }
        Parts::Unigram { vocabulary, byte_fallback, .. } => {
            if *byte_fallback {
                let names = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>"));
                kept.extend(names.filter_map(|name| model.lookup.get(name.as_str()).copied()));
            }
            // An unknown character costs so much more than the worst piece: that must stay the same.
            let scores = vocabulary.iter().map(|(_, score)| *score);
            let worst = (0u32..).zip(scores).min_by(|a, b| a.1.total_cmp(&b.1));
            kept.extend(worst.map(|(id, _)| id));
        }
    }
    Ok(kept)
}

/// What kept pieces are made of, and the single characters of all pieces that occur.
fn fall_back(model: &Model<'_>, kept: &BTreeSet<u32>, counts: &HashMap<u32, u32>) -> BTreeSet<u32> {
    let occurs = |id: &u32| counts.contains_key(id);
    match &model.parts {
        Parts::Bpe { vocabulary, merges, .. } => {
            let merging = Merging::new(merges, &model.lookup);
            let pieces = vocabulary.iter().filter(|(_, id)| kept.contains(id));
            pieces.flat_map(|(piece, _)| merging.on_the_way(piece)).collect()
        }
        Parts::WordPiece { vocabulary, prefix, .. } => {
            let used = vocabulary.iter().filter(|(_, id)| occurs(id)).map(|(piece, _)| *piece);
            let characters: HashSet<char> =
                used.flat_map(|piece| piece.strip_prefix(prefix).unwrap_or(piece).chars()).collect();
            let single = |c: &char| [c.to_string(), format!("{prefix}{c}")];
            let names = characters.iter().flat_map(single);
            names.filter_map(|name| model.lookup.get(name.as_str()).copied()).collect()
        }
        Parts::Unigram { vocabulary, .. } => {
            let used = (0u32..).zip(vocabulary).filter(|(id, _)| occurs(id)).map(|(_, (piece, _))| *piece);
            let characters: HashSet<char> = used.flat_map(str::chars).collect();
            let single = |c: &char| model.lookup.get(c.encode_utf8(&mut [0; 4]) as &str).copied();
            characters.iter().filter_map(single).collect()
        }
    }
}

/// Merges by rank, to see how a piece comes about.
struct Merging<'m> {
    lookup: &'m HashMap<&'m str, u32>,
    /// Rank and what is made, of each pair; of equal pairs the later counts.
    merges: HashMap<(u32, u32), (usize, u32)>,
}

impl<'m> Merging<'m> {
    fn new(merges: &[(&str, &str)], lookup: &'m HashMap<&'m str, u32>) -> Self {
        let id = |piece: &str| lookup.get(piece).copied();
        let entry = |(rank, (left, right)): (usize, &(&str, &str))| {
            Some(((id(left)?, id(right)?), (rank, id(&format!("{left}{right}"))?)))
        };
        Self { lookup, merges: merges.iter().enumerate().filter_map(entry).collect() }
    }

    /// Every piece that the merges make on the way to this one. A token of a word is merged from within only, so the way
    /// is the same in every word.
    fn on_the_way(&self, piece: &str) -> Vec<u32> {
        let characters = piece.chars().map(|c| self.lookup.get(c.encode_utf8(&mut [0; 4]) as &str).copied());
        let Some(mut word) = characters.collect::<Option<Vec<u32>>>() else { return Vec::new() };
        let mut made = word.clone();
        loop {
            let pairs = word.iter().zip(word.iter().skip(1)).enumerate();
            let merge = |(at, (left, right)): (usize, (&u32, &u32))| {
                let (rank, id) = self.merges.get(&(*left, *right))?;
                Some((*rank, at, *id))
            };
            let Some((_, at, id)) = pairs.filter_map(merge).min() else { return made };
            word.splice(at..at + 2, [id]);
            made.push(id);
        }
    }
}
