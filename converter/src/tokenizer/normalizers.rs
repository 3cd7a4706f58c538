//! `normalizer`: its steps, in order.

use typecase_text::subword::normalize::{
    self, Bert, Carry, Held, MAX_PATTERN, NormalizerSpec, Normalizers, PatternSpec, Place,
};
use typecase_text::subword::{Cell, Row};

use super::base64;
use super::error::{CompileError, quoted};
use super::json::{Fields, Node};

/// What a message names as allowed.
const SUPPORTED: &str = "BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Replace, Prepend, Nmt, \
                         Precompiled, Sequence";

/// Sequences within each other.
pub(super) const DEEPEST: usize = 16;

/// The program of a normaliser, as bytes that were read back.
pub(super) fn compile(node: Option<&Node<'_>>) -> Result<Vec<u8>, CompileError> {
    let mut steps = Vec::new();
    if let Some(node) = node {
        read(node, 0, &mut steps)?;
    }
    let bytes = normalize::write(&steps);
    if steps.len() > normalize::MAX_STEPS {
        let (found, limit) = (steps.len(), normalize::MAX_STEPS);
        return Err(CompileError::field("normalizer", format!("{found} steps found, limit is {limit}")));
    }
    match Normalizers::parse(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(CompileError::field("normalizer", error)),
    }
}

fn read(node: &Node<'_>, depth: usize, steps: &mut Vec<NormalizerSpec>) -> Result<(), CompileError> {
    let kind = node.kind()?;
    let plain = |spec| node.fields(&["type"]).map(|_| spec);
    let step = match kind {
        // The reference writes the first name and reads both.
        "BertNormalizer" | "Bert" => bert(node)?,
        "NFC" => plain(NormalizerSpec::Nfc)?,
        "NFD" => plain(NormalizerSpec::Nfd)?,
        "NFKC" => plain(NormalizerSpec::Nfkc)?,
        "NFKD" => plain(NormalizerSpec::Nfkd)?,
        "Lowercase" => plain(NormalizerSpec::Lowercase)?,
        "StripAccents" => plain(NormalizerSpec::StripAccents)?,
        "Nmt" => plain(NormalizerSpec::Nmt)?,
        "Strip" => {
            let fields = node.fields(&["type", "strip_left", "strip_right"])?;
            let [left, right] = ["strip_left", "strip_right"].map(|name| fields.need(name)?.flag());
            NormalizerSpec::Strip { left: left?, right: right? }
        }
        "Replace" => replace(node)?,
        "Prepend" => {
            let text = node.fields(&["type", "prepend"])?.need("prepend")?.text()?;
            if text.is_empty() {
                return Ok(());
            }
            NormalizerSpec::Prepend(text.to_owned())
        }
        "Precompiled" => {
            let charsmap = node.fields(&["type", "precompiled_charsmap"])?.need("precompiled_charsmap")?;
            match base64::decode(charsmap.text()?) {
                Some(bytes) => NormalizerSpec::Precompiled(bytes),
                None => return charsmap.refuse("not base64"),
            }
        }
        "Sequence" => {
            if depth == DEEPEST {
                return node.refuse(format!("more than {DEEPEST} sequences within each other"));
            }
            let inner = node.fields(&["type", "normalizers"])?.need("normalizers")?;
            return inner.items()?.try_for_each(|item| read(&item, depth + 1, steps));
        }
        _ => {
            return Err(CompileError::unsupported(format!(
                "normalizer {} is not supported; supported are {SUPPORTED}",
                quoted(kind)
            )));
        }
    };
    steps.push(step);
    Ok(())
}

fn bert(node: &Node<'_>) -> Result<NormalizerSpec, CompileError> {
    let names = ["type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"];
    let fields = node.fields(&names)?;
    let flag = |name| fields.need(name)?.flag();
    let lowercase = flag("lowercase")?;
    Ok(NormalizerSpec::Bert(Bert {
        clean_text: flag("clean_text")?,
        handle_chinese_chars: flag("handle_chinese_chars")?,
        strip_accents: fields.flag_or("strip_accents", lowercase)?,
        lowercase,
    }))
}

fn replace(node: &Node<'_>) -> Result<NormalizerSpec, CompileError> {
    let fields = node.fields(&["type", "pattern", "content"])?;
    let content = fields.need("content")?.text()?.to_owned();
    let place = fields.need("pattern")?;
    let pattern = match Pattern::read(&place)? {
        Pattern::Text(text) => PatternSpec::Text(text.to_owned()),
        Pattern::Regex(expression) => PatternSpec::from_regex(expression).ok_or_else(|| {
            CompileError::unsupported(format!(
                "normalizer \"Replace\" with pattern {} is not supported; supported are a text without special \
                 characters, c+, c{{n,}}, \\s+ and \\s{{n,}}, with a character c and n up to 255",
                quoted(expression)
            ))
        })?,
    };
    match &pattern {
        PatternSpec::Text(text) if text.is_empty() || text.chars().count() > MAX_PATTERN => {
            place.refuse(format!("{} characters found, allowed are 1 to {MAX_PATTERN}", text.chars().count()))
        }
        _ => Ok(NormalizerSpec::Replace { pattern, content }),
    }
}

/// What `Replace` and `Split` look for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern<'j> {
    Text(&'j str),
    Regex(&'j str),
}

impl<'j> Pattern<'j> {
    pub(super) fn read(node: &Node<'j>) -> Result<Self, CompileError> {
        let fields: Fields<'j> = node.fields(&["String", "Regex"])?;
        match (fields.find("String"), fields.find("Regex")) {
            (Some(text), None) => Ok(Self::Text(text.text()?)),
            (None, Some(expression)) => Ok(Self::Regex(expression.text()?)),
            _ => node.refuse("expected one of the fields String and Regex"),
        }
    }
}

/// What the normalisers make of a short text that stands alone; none if it grows beyond all bounds.
pub(super) fn apply(program: &[u8], text: &str, place: Place) -> Option<String> {
    /// Added tokens are at most 64 bytes, before and after.
    const CELLS: usize = 4096;
    let program = Normalizers::parse(program).ok()?;
    let (mut one, mut two) = (vec![Cell::default(); CELLS], vec![Cell::default(); CELLS]);
    let (mut first, mut second) = (Row::new(&mut one), Row::new(&mut two));
    for (at, character) in text.char_indices() {
        let end = u16::try_from(at + character.len_utf8()).ok()?;
        first.push(Cell::new(character, u16::try_from(at).ok()?, end)).ok()?;
    }
    let held = program.run(&mut first, &mut second, place, &mut Carry::new()).ok()?;
    let row = if held == Held::First { first } else { second };
    Some(row.cells().iter().map(|cell| cell.character()).collect())
}
