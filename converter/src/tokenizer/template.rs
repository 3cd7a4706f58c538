//! `post_processor`, `truncation` and `padding`: what is put around the ids of a text, and how many there may be.

use std::collections::BTreeMap;

use typecase_text::subword::template::{Draft, Padding, Truncation};

use super::error::{CompileError, quoted};
use super::json::{Fields, Node};
use super::models::{Model, Parts};
use super::normalizers::DEEPEST;
use super::{MAX_TOKENS, Options};

const SUPPORTED: &str = "BertProcessing, RobertaProcessing, ByteLevel, TemplateProcessing, Sequence";

/// A post-processor as it is read, step by step.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) draft: Draft,
    /// The special tokens that it puts in.
    pub(super) special: BTreeMap<String, u32>,
    /// The step that put special tokens in.
    adds: Option<&'static str>,
}

/// Reads the post-processor.
pub(super) fn read(node: Option<&Node<'_>>, model: &Model<'_>) -> Result<Around, CompileError> {
    let mut around = Around::default();
    if let Some(node) = node {
        around.step(node, 0)?;
    }
    if around.draft.trims.is_some() {
        check_trims(model)?;
    }
    Ok(around)
}

/// The reference trims what white space the *pieces* begin and end with; that is the text's only where bytes are pieces.
fn check_trims(model: &Model<'_>) -> Result<(), CompileError> {
    match &model.parts {
        Parts::Bpe { unknown, .. } if unknown.is_none() || model.lookup.contains_key("\u{120}") => Ok(()),
        Parts::Bpe { .. } => Err(CompileError::unsupported(
            "post_processor with trim_offsets is not supported with a vocabulary that has no piece for the space",
        )),
        _ => Err(CompileError::unsupported(
            "post_processor with trim_offsets is supported with model \"BPE\" only",
        )),
    }
}

impl Around {
    fn step(&mut self, node: &Node<'_>, depth: usize) -> Result<(), CompileError> {
        let kind = node.kind()?;
        match kind {
            "BertProcessing" => {
                let fields = node.fields(&["type", "sep", "cls"])?;
                self.adds_tokens("BertProcessing")?;
                self.cls_and_sep(&fields)
            }
            "RobertaProcessing" => {
                let fields = node.fields(&["type", "sep", "cls", "trim_offsets", "add_prefix_space"])?;
                self.trims(&fields)?;
                self.adds_tokens("RobertaProcessing")?;
                self.cls_and_sep(&fields)
            }
            "ByteLevel" => {
                let fields = node.fields(&["type", "add_prefix_space", "trim_offsets", "use_regex"])?;
                fields.flag_or("use_regex", true)?;
                self.trims(&fields)
            }
            "TemplateProcessing" => {
                let fields = node.fields(&["type", "single", "pair", "special_tokens"])?;
                self.adds_tokens("TemplateProcessing")?;
                self.template(&fields)
            }
            "Sequence" => {
                if depth == DEEPEST {
                    return node.refuse(format!("more than {DEEPEST} sequences within each other"));
                }
                let inner = node.fields(&["type", "processors"])?.need("processors")?;
                inner.items()?.try_for_each(|item| self.step(&item, depth + 1))
            }
            _ => Err(CompileError::unsupported(format!(
                "post_processor {} is not supported; supported are {SUPPORTED}",
                quoted(kind)
            ))),
        }
    }

    fn adds_tokens(&mut self, name: &'static str) -> Result<(), CompileError> {
        match self.adds.replace(name) {
            None => Ok(()),
            Some(before) => Err(CompileError::unsupported(format!(
                "post_processor {name:?} after {before:?} is not supported: one of them may add special tokens"
            ))),
        }
    }

    fn trims(&mut self, fields: &Fields<'_>) -> Result<(), CompileError> {
        let add_prefix_space = fields.need("add_prefix_space")?.flag()?;
        if !fields.need("trim_offsets")?.flag()? {
            return Ok(());
        }
        // A template leaves the text a row of its own; the others number it together with the special tokens.
        if let Some(before) = self.adds.filter(|before| *before != "TemplateProcessing") {
            return Err(CompileError::unsupported(format!(
                "post_processor that trims offsets after {before:?} is not supported; it must come before"
            )));
        }
        if self.draft.trims.replace(add_prefix_space).is_some() {
            return Err(CompileError::unsupported(
                "post_processor that trims offsets twice is not supported",
            ));
        }
        Ok(())
    }

    fn cls_and_sep(&mut self, fields: &Fields<'_>) -> Result<(), CompileError> {
        for (name, is_before) in [("cls", true), ("sep", false)] {
            let node = fields.need(name)?;
            let mut items = node.items()?;
            let (Some(token), Some(id), None) = (items.next(), items.next(), items.next()) else {
                return node.refuse("expected a list of a token and its id");
            };
            let id = id.number_to(u32::MAX)?;
            self.special.insert(token.text()?.to_owned(), id);
            if is_before { self.draft.before.push((id, 0)) } else { self.draft.after.push((id, 0)) }
        }
        Ok(())
    }

    /// The template of one text; that of two has no meaning here.
    fn template(&mut self, fields: &Fields<'_>) -> Result<(), CompileError> {
        let tokens = fields.need("special_tokens")?.any_fields()?;
        fields.need("pair")?.list()?;
        let single = fields.need("single")?;
        let mut has_text = false;
        for piece in single.items()? {
            let piece_fields = piece.fields(&["Sequence", "SpecialToken"])?;
            let (item, is_text) = match (piece_fields.find("Sequence"), piece_fields.find("SpecialToken")) {
                (Some(item), None) => (item, true),
                (None, Some(item)) => (item, false),
                _ => return piece.refuse("expected one of the fields Sequence and SpecialToken"),
            };
            let item_fields = item.fields(&["id", "type_id"])?;
            let id = item_fields.need("id")?;
            let type_id = item_fields.need("type_id")?.number_to(u8::MAX.into())?;
            let type_id = u8::try_from(type_id).unwrap_or(u8::MAX);
            if is_text {
                if id.text()? != "A" || has_text {
                    return id.refuse("expected sequence A, once");
                }
                self.draft.type_id = type_id;
                has_text = true;
                continue;
            }
            let name = id.text()?;
            let Some(token) = tokens.find(name) else {
                return id.refuse(format!("{} is not in special_tokens", quoted(name)));
            };
            let token = token.fields(&["id", "ids", "tokens"])?;
            let (ids, names) = (token.need("ids")?, token.need("tokens")?);
            if ids.list()?.len() != names.list()?.len() {
                return ids.refuse("not as many ids as tokens");
            }
            for (id, name) in ids.items()?.zip(names.items()?) {
                let id = id.number_to(u32::MAX)?;
                self.special.insert(name.text()?.to_owned(), id);
                let side = if has_text { &mut self.draft.after } else { &mut self.draft.before };
                side.push((id, type_id));
            }
        }
        if has_text { Ok(()) } else { single.refuse("the text itself, sequence A, is not in the template") }
    }

    /// Adds truncation and padding, and writes the table.
    pub(super) fn write(mut self, file: &Fields<'_>, options: &Options) -> Result<Vec<u8>, CompileError> {
        let place = if options.max_tokens.is_some() { "max_tokens" } else { "truncation.max_length" };
        self.draft.truncation = truncation(file.find("truncation"), options.max_tokens)?;
        let padding = file.find("padding").map(|node| padding(&node)).transpose()?.flatten();
        self.draft.padding = padding.filter(|_| options.keep_padding);
        self.draft.write().map_err(|error| CompileError::field(place, error))
    }
}

fn truncation(node: Option<Node<'_>>, max_tokens: Option<u32>) -> Result<Option<Truncation>, CompileError> {
    let mut truncation = None;
    if let Some(node) = node {
        let fields = node.fields(&["direction", "max_length", "strategy", "stride"])?;
        let left = match fields.find("direction") {
            Some(direction) => direction.one_of(&[("Left", true), ("Right", false)])?,
            None => false,
        };
        // With one text the first two are the same.
        fields.need("strategy")?.one_of(&[("LongestFirst", ()), ("OnlyFirst", ())])?;
        let stride = fields.need("stride")?.number()?;
        if stride != 0 {
            return Err(CompileError::unsupported(format!(
                "truncation with stride {stride} is not supported; supported is 0"
            )));
        }
        let place = fields.need("max_length")?;
        // What overrides it may be what makes it usable.
        let most =
            if max_tokens.is_some() { place.number().map(|_| 0)? } else { place.number_to(MAX_TOKENS)? };
        truncation = Some(Truncation { most: most as usize, left });
    }
    match max_tokens {
        None => Ok(truncation),
        Some(most) if most > MAX_TOKENS => {
            Err(CompileError::field("max_tokens", format!("{most} found, expected at most {MAX_TOKENS}")))
        }
        Some(most) => {
            let left = truncation.is_some_and(|truncation| truncation.left);
            Ok(Some(Truncation { most: most as usize, left }))
        }
    }
}

/// None if it never adds anything to a single text.
fn padding(node: &Node<'_>) -> Result<Option<Padding>, CompileError> {
    let names = ["strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"];
    let fields = node.fields(&names)?;
    let strategy = fields.need("strategy")?;
    let fewest = match strategy.value.as_str() {
        Some(_) => strategy.one_of(&[("BatchLongest", None)])?,
        None => Some(strategy.fields(&["Fixed"])?.need("Fixed")?.number_to(MAX_TOKENS)?),
    };
    let multiple = match fields.find("pad_to_multiple_of") {
        Some(multiple) => multiple.number_to(MAX_TOKENS)?,
        None => 0,
    };
    fields.need("pad_token")?.text()?;
    let type_id = fields.need("pad_type_id")?.number_to(u8::MAX.into())?;
    let padding = Padding {
        fewest: fewest.unwrap_or(0) as usize,
        multiple: multiple as usize,
        id: fields.need("pad_id")?.number_to(u32::MAX)?,
        type_id: u8::try_from(type_id).unwrap_or(u8::MAX),
        left: fields.need("direction")?.one_of(&[("Left", true), ("Right", false)])?,
    };
    // A fixed length of nothing is a multiple of everything.
    let adds = if fewest.is_some() { padding.fewest > 0 } else { padding.multiple > 1 };
    Ok(adds.then_some(padding))
}
