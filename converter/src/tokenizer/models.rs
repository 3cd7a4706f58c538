//! `model`: the vocabulary and how words become pieces of it.

use std::collections::HashMap;

use serde_json::Value;
use typecase_text::subword::model::{BuildError, MAX_IDS};
use typecase_text::subword::{bpe, unigram, wordpiece};

use super::ModelKind;
use super::error::{CompileError, quoted};
use super::json::{Fields, Node};

const SUPPORTED: &str = "WordPiece, byte-level BPE, Unigram";

/// A model as it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Model<'j> {
    pub(super) parts: Parts<'j>,
    /// The id of each piece; of a list's equal pieces the last.
    pub(super) lookup: HashMap<&'j str, u32>,
}

#[derive(Clone, Debug)]
pub(super) enum Parts<'j> {
    WordPiece {
        vocabulary: Vec<(&'j str, u32)>,
        unknown: &'j str,
        prefix: &'j str,
        max_characters: u32,
    },
    Bpe {
        vocabulary: Vec<(&'j str, u32)>,
        merges: Vec<(&'j str, &'j str)>,
        /// None too where every byte is a piece.
        unknown: Option<&'j str>,
        fuse_unknown: bool,
        ignore_merges: bool,
    },
    Unigram {
        vocabulary: Vec<(&'j str, f64)>,
        unknown: u32,
        byte_fallback: bool,
    },
}

impl<'j> Model<'j> {
    pub(super) fn read(node: &Node<'j>) -> Result<Self, CompileError> {
        let fields = node.any_fields()?;
        match kind(&fields)? {
            "WordPiece" => Self::word_piece(node),
            "BPE" => Self::bpe(node),
            "Unigram" => Self::unigram(node),
            other => Err(CompileError::unsupported(format!(
                "model {} is not supported; supported are {SUPPORTED}",
                quoted(other)
            ))),
        }
    }

    fn word_piece(node: &Node<'j>) -> Result<Self, CompileError> {
        let names = ["type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"];
        let fields = node.fields(&names)?;
        let (vocabulary, lookup) = vocabulary(&fields.need("vocab")?)?;
        let place = fields.need("unk_token")?;
        let unknown = place.text()?;
        if !lookup.contains_key(unknown) {
            return place.refuse(format!("piece {} is not in the vocabulary", quoted(unknown)));
        }
        let characters = fields.need("max_input_chars_per_word")?.number()?;
        let parts = Parts::WordPiece {
            vocabulary,
            unknown,
            prefix: fields.need("continuing_subword_prefix")?.text()?,
            // No word has so many.
            max_characters: u32::try_from(characters).unwrap_or(u32::MAX),
        };
        Ok(Self { parts, lookup })
    }

    fn bpe(node: &Node<'j>) -> Result<Self, CompileError> {
        let names = [
            "type",
            "dropout",
            "unk_token",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "fuse_unk",
            "byte_fallback",
            "ignore_merges",
            "vocab",
            "merges",
        ];
        let fields = node.fields(&names)?;
        if let Some(dropout) = fields.find("dropout")
            && dropout.value.as_f64() != Some(0.0)
        {
            return Err(CompileError::unsupported(format!(
                "model \"BPE\" with dropout {} is not supported: its ids are drawn by chance",
                quoted(&dropout.value.to_string())
            )));
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let Some(text) = fields.find(name).map(|node| node.text()).transpose()?
                && !text.is_empty()
            {
                return Err(CompileError::unsupported(format!(
                    "model \"BPE\" with {name} {} is not supported; supported is byte-level BPE without it",
                    quoted(text)
                )));
            }
        }
        let (vocabulary, lookup) = vocabulary(&fields.need("vocab")?)?;
        let merges = merges(&fields.need("merges")?, &lookup)?;
        let is_complete =
            byte_characters().iter().all(|c| lookup.contains_key(c.encode_utf8(&mut [0; 4]) as &str));
        if fields.flag_or("byte_fallback", false)? && !is_complete {
            return Err(CompileError::unsupported(
                "model \"BPE\" with byte_fallback is not supported, unless all 256 characters of the byte level are in \
                 its vocabulary",
            ));
        }
        let mut unknown = None;
        if let Some(place) = fields.find("unk_token").filter(|_| !is_complete) {
            let piece = place.text()?;
            if !lookup.contains_key(piece) {
                return place.refuse(format!("piece {} is not in the vocabulary", quoted(piece)));
            }
            unknown = Some(piece);
        }
        let parts = Parts::Bpe {
            vocabulary,
            merges,
            unknown,
            fuse_unknown: fields.flag_or("fuse_unk", false)?,
            ignore_merges: fields.flag_or("ignore_merges", false)?,
        };
        Ok(Self { parts, lookup })
    }

    fn unigram(node: &Node<'j>) -> Result<Self, CompileError> {
        let fields = node.fields(&["type", "unk_id", "byte_fallback", "vocab"])?;
        let list = fields.need("vocab")?;
        let mut vocabulary = Vec::with_capacity(list.list()?.len());
        for value in list.list()? {
            match value.as_array().map(Vec::as_slice) {
                Some([Value::String(piece), score]) if score.is_number() => {
                    vocabulary.push((piece.as_str(), score.as_f64().unwrap_or(f64::NAN)));
                }
                _ => {
                    let place = format!("{}[{}]", list.place, vocabulary.len());
                    return Err(CompileError::field(place, "expected a list of a piece and its score"));
                }
            }
        }
        if vocabulary.is_empty() {
            return list.refuse("no pieces found, at least 1 is needed");
        }
        let Some(place) = fields.find("unk_id") else {
            return Err(CompileError::unsupported(
                "model \"Unigram\" without unk_id is not supported: a text may have characters that are in no piece",
            ));
        };
        let most = u32::try_from(vocabulary.len() - 1).unwrap_or(u32::MAX);
        let unknown = place.number_to(most)?;
        let lookup = vocabulary.iter().map(|(piece, _)| *piece).zip(0..).collect();
        let byte_fallback = fields.flag_or("byte_fallback", false)?;
        Ok(Self { parts: Parts::Unigram { vocabulary, unknown, byte_fallback }, lookup })
    }

    pub(super) const fn kind(&self) -> ModelKind {
        match self.parts {
            Parts::WordPiece { .. } => ModelKind::WordPiece,
            Parts::Bpe { .. } => ModelKind::Bpe,
            Parts::Unigram { .. } => ModelKind::Unigram,
        }
    }

    /// What the reference takes for the number of pieces.
    pub(super) fn len(&self) -> usize {
        match &self.parts {
            Parts::Unigram { vocabulary, .. } => vocabulary.len(),
            _ => self.lookup.len(),
        }
    }

    /// The piece of what is unknown, if there is one.
    pub(super) fn unknown(&self) -> Option<u32> {
        match self.parts {
            Parts::WordPiece { unknown, .. } => self.lookup.get(unknown).copied(),
            Parts::Bpe { unknown, .. } => self.lookup.get(unknown?).copied(),
            Parts::Unigram { unknown, .. } => Some(unknown),
        }
    }

    /// The table of the model.
    pub(super) fn compile(&self) -> Result<Vec<u8>, CompileError> {
        let made: Result<Vec<u8>, BuildError> = match &self.parts {
            Parts::WordPiece { vocabulary, unknown, prefix, max_characters } => {
                wordpiece::Builder { vocabulary, unknown, prefix, max_characters: *max_characters }.to_bytes()
            }
            Parts::Bpe { vocabulary, merges, unknown, fuse_unknown, ignore_merges } => bpe::Builder {
                vocabulary,
                merges,
                unknown: *unknown,
                fuse_unknown: *fuse_unknown,
                ignore_merges: *ignore_merges,
            }
            .to_bytes(),
            Parts::Unigram { vocabulary, unknown, byte_fallback } => {
                unigram::Builder { vocabulary, unknown: *unknown, byte_fallback: *byte_fallback }.to_bytes()
            }
        };
        made.map_err(|error| CompileError::field("model", error))
    }
}

/// The type; files of old versions have none, and the fields tell.
fn kind<'j>(fields: &Fields<'j>) -> Result<&'j str, CompileError> {
    if let Some(node) = fields.find("type") {
        return node.text();
    }
    Ok(match fields.find("vocab") {
        Some(vocabulary) if vocabulary.value.is_array() => "Unigram",
        _ if fields.has("merges") => "BPE",
        _ if fields.has("continuing_subword_prefix") => "WordPiece",
        _ if fields.has("unk_token") => "WordLevel",
        _ => fields.need("type")?.text()?,
    })
}

type Vocabulary<'j> = (Vec<(&'j str, u32)>, HashMap<&'j str, u32>);

/// Pieces with their ids.
fn vocabulary<'j>(node: &Node<'j>) -> Result<Vocabulary<'j>, CompileError> {
    let map = node.object()?;
    let mut pieces = Vec::with_capacity(map.len());
    for (piece, value) in map {
        match value.as_u64().map(u32::try_from) {
            Some(Ok(id)) if id < MAX_IDS => pieces.push((piece.as_str(), id)),
            _ => {
                let found = quoted(&value.to_string());
                return node.refuse(format!(
                    "piece {} has the id {found}, allowed are 0 to {}",
                    quoted(piece),
                    MAX_IDS - 1
                ));
            }
        }
    }
    if pieces.is_empty() {
        return node.refuse("no pieces found, at least 1 is needed");
    }
    let lookup = pieces.iter().copied().collect();
    Ok((pieces, lookup))
}

/// Pairs, or texts of two parts; each part and what they make is a piece.
fn merges<'j>(
    node: &Node<'j>,
    lookup: &HashMap<&'j str, u32>,
) -> Result<Vec<(&'j str, &'j str)>, CompileError> {
    let list = node.list()?;
    let mut merges = Vec::with_capacity(list.len());
    let mut made = String::new();
    for (index, value) in list.iter().enumerate() {
        let refuse = |reason: String| Err(CompileError::field(format!("{}[{index}]", node.place), reason));
        let pair = match value {
            // The first line of the file that merges come from.
            Value::String(line) if line.starts_with("#version") => continue,
            Value::String(line) => line.split_once(' ').filter(|(_, right)| !right.contains(' ')),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(left), Value::String(right)] => Some((left.as_str(), right.as_str())),
                _ => None,
            },
            _ => None,
        };
        let Some((left, right)) = pair else {
            return refuse("expected a list of two pieces, or a text of two with a space between".to_owned());
        };
        made.clear();
        made.extend([left, right]);
        if let Some(missing) = [left, right, &made].into_iter().find(|piece| !lookup.contains_key(piece)) {
            return refuse(format!("piece {} is not in the vocabulary", quoted(missing)));
        }
        merges.push((left, right));
    }
    Ok(merges)
}

/// The characters that stand for the 256 bytes.
///
/// # Source
/// `bytes_to_unicode` of GPT-2.
pub(super) fn byte_characters() -> [char; 256] {
    let mut next = '\u{100}'..;
    std::array::from_fn(|byte| match u8::try_from(byte) {
        Ok(byte) if byte.is_ascii_graphic() || matches!(byte, 0xA1..=0xAC | 0xAE..=0xFF) => char::from(byte),
        _ => next.next().unwrap_or_default(),
    })
}
