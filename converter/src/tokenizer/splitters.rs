//! `pre_tokenizer`: where words begin.

use typecase_text::subword::normalize::PatternSpec;
use typecase_text::subword::split::{self, Behavior, Prepend, Splitters, Step};

use super::error::{CompileError, quoted};
use super::json::Node;
use super::normalizers::{DEEPEST, Pattern};

/// What a message names as allowed.
const SUPPORTED: &str = "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, ByteLevel, Metaspace, \
                         CharDelimiterSplit, Split at one character or at \\s+, Sequence";

const BEHAVIORS: [(&str, Behavior); 5] = [
    ("Removed", Behavior::Removed),
    ("Isolated", Behavior::Isolated),
    ("MergedWithPrevious", Behavior::MergedWithPrevious),
    ("MergedWithNext", Behavior::MergedWithNext),
    ("Contiguous", Behavior::Contiguous),
];

/// The steps of a splitter, and their program.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) steps: Vec<Step>,
    pub(super) bytes: Vec<u8>,
}

impl Compiled {
    /// The last step makes bytes of characters.
    pub(super) fn ends_in_bytes(&self) -> bool {
        matches!(self.steps.last(), Some(Step::ByteLevel { .. }))
    }
}

pub(super) fn compile(node: Option<&Node<'_>>) -> Result<Compiled, CompileError> {
    let mut steps = Vec::new();
    if let Some(node) = node {
        read(node, 0, &mut steps)?;
    }
    let before_last = steps.split_last().map(|(_, before)| before).unwrap_or_default();
    if before_last.iter().any(|step| matches!(step, Step::ByteLevel { .. })) {
        return Err(CompileError::unsupported(
            "pre_tokenizer \"ByteLevel\" before another is not supported; it must be the last of a Sequence",
        ));
    }
    let bytes = split::write(&steps).map_err(|error| CompileError::field("pre_tokenizer", error))?;
    let program = Splitters::new(&bytes).map_err(|error| CompileError::field("pre_tokenizer", error))?;
    if !program.divides() {
        let what = if node.is_some() { "this pre_tokenizer" } else { "no pre_tokenizer" };
        return Err(CompileError::unsupported(format!(
            "{what} is not supported: a word could go on across a space, and texts are worked on in segments that end \
             there; BertPreTokenizer, Whitespace, WhitespaceSplit, ByteLevel with use_regex and Metaspace with split \
             end words at spaces"
        )));
    }
    Ok(Compiled { steps, bytes })
}

fn read(node: &Node<'_>, depth: usize, steps: &mut Vec<Step>) -> Result<(), CompileError> {
    let kind = node.kind()?;
    let plain = |step| node.fields(&["type"]).map(|_| step);
    let step = match kind {
        "BertPreTokenizer" => plain(Step::Bert)?,
        "Whitespace" => plain(Step::Whitespace)?,
        "WhitespaceSplit" => plain(Step::WhitespaceSplit)?,
        "Punctuation" => {
            let fields = node.fields(&["type", "behavior"])?;
            let behavior = match fields.find("behavior") {
                Some(behavior) => behavior.one_of(&BEHAVIORS)?,
                None => Behavior::Isolated,
            };
            Step::Punctuation(behavior)
        }
        "Digits" => {
            let individual =
                node.fields(&["type", "individual_digits"])?.need("individual_digits")?.flag()?;
            Step::Digits { individual }
        }
        "ByteLevel" => {
            let fields = node.fields(&["type", "add_prefix_space", "trim_offsets", "use_regex"])?;
            let add_prefix_space = fields.need("add_prefix_space")?.flag()?;
            Step::ByteLevel { add_prefix_space, use_regex: fields.flag_or("use_regex", true)? }
        }
        "Metaspace" => metaspace(node)?,
        "CharDelimiterSplit" => {
            let delimiter = node.fields(&["type", "delimiter"])?.need("delimiter")?.character()?;
            Step::Character { delimiter, behavior: Behavior::Removed }
        }
        "Split" => split_at(node)?,
        "Sequence" => {
            if depth == DEEPEST {
                return node.refuse(format!("more than {DEEPEST} sequences within each other"));
            }
            let inner = node.fields(&["type", "pretokenizers"])?.need("pretokenizers")?;
            return inner.items()?.try_for_each(|item| read(&item, depth + 1, steps));
        }
        _ => {
            return Err(CompileError::unsupported(format!(
                "pre_tokenizer {} is not supported; supported are {SUPPORTED}",
                quoted(kind)
            )));
        }
    };
    steps.push(step);
    Ok(())
}

/// In its newer form, and in the older one with `add_prefix_space` and `str_rep`.
fn metaspace(node: &Node<'_>) -> Result<Step, CompileError> {
    let names = ["type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"];
    let fields = node.fields(&names)?;
    let replacement = fields.need("replacement")?.character()?;
    let schemes = [("first", Prepend::First), ("never", Prepend::Never), ("always", Prepend::Always)];
    let prepend = match fields.find("prepend_scheme") {
        Some(scheme) => scheme.one_of(&schemes)?,
        None => Prepend::Always,
    };
    if !fields.flag_or("add_prefix_space", true)? && prepend != Prepend::Never {
        // The reference refuses it too.
        return node.refuse("add_prefix_space false needs prepend_scheme \"never\"");
    }
    if let Some(old) = fields.find("str_rep") {
        old.text()?;
    }
    Ok(Step::Metaspace { replacement, prepend, split: fields.flag_or("split", true)? })
}

/// A `Split` that is one of the steps there are.
fn split_at(node: &Node<'_>) -> Result<Step, CompileError> {
    let fields = node.fields(&["type", "pattern", "behavior", "invert"])?;
    let behavior = fields.need("behavior")?.one_of(&BEHAVIORS)?;
    let invert = fields.need("invert")?.flag()?;
    let pattern = Pattern::read(&fields.need("pattern")?)?;
    let (Pattern::Text(shown) | Pattern::Regex(shown)) = pattern;
    let spec = match pattern {
        Pattern::Text(text) => Some(PatternSpec::Text(text.to_owned())),
        Pattern::Regex(expression) => PatternSpec::from_regex(expression),
    };
    match spec.filter(|_| !invert) {
        Some(PatternSpec::Text(text)) if text.chars().count() == 1 => {
            let delimiter = text.chars().next().unwrap_or_default();
            Ok(Step::Character { delimiter, behavior })
        }
        // What is removed is removed, whether run by run or character by character.
        Some(PatternSpec::Run(delimiter, 1)) if behavior == Behavior::Removed => {
            Ok(Step::Character { delimiter, behavior })
        }
        Some(PatternSpec::White(1)) if behavior == Behavior::Removed => Ok(Step::WhitespaceSplit),
        _ => Err(CompileError::unsupported(format!(
            "pre_tokenizer \"Split\" with pattern {}{} is not supported; supported are {SUPPORTED}",
            quoted(shown),
            if invert { ", inverted," } else { "" }
        ))),
    }
}
