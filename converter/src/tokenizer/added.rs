//! `added_tokens`: strings that are one token wherever they stand.

use std::collections::{BTreeMap, HashMap};

use typecase_text::subword::added::{self, AddedToken, Stage};
use typecase_text::subword::normalize::Place;

use super::error::{CompileError, quoted};
use super::json::{Fields, Node};
use super::models::Model;
use super::normalizers;

/// The added tokens of a file, with the ids that the reference gives them.
#[derive(Debug, Default)]
pub(super) struct Added<'j> {
    tokens: Vec<Declared<'j>>,
    /// Every content with its id.
    pub(super) ids: BTreeMap<&'j str, u32>,
    /// Those that are special.
    pub(super) special: BTreeMap<&'j str, u32>,
    /// Tokens without any character: the reference passes them over too.
    pub(super) empty: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Declared<'j> {
    content: &'j str,
    id: u32,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

/// The tables of added tokens, empty where there are none.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) raw: Vec<u8>,
    pub(super) normalized: Vec<u8>,
}

impl<'j> Declared<'j> {
    fn read(node: &Node<'j>) -> Result<Self, CompileError> {
        let names = ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"];
        let fields: Fields<'j> = node.fields(&names)?;
        let flag = |name| fields.need(name)?.flag();
        Ok(Self {
            content: fields.need("content")?.text()?,
            id: fields.need("id")?.number_to(u32::MAX)?,
            single_word: flag("single_word")?,
            lstrip: flag("lstrip")?,
            rstrip: flag("rstrip")?,
            normalized: flag("normalized")?,
            special: flag("special")?,
        })
    }

    fn token(&self, content: String) -> AddedToken {
        let Self { id, single_word, lstrip, rstrip, .. } = *self;
        AddedToken { content, id, single_word, lstrip, rstrip }
    }
}

impl<'j> Added<'j> {
    /// Reads the list. The reference does not take the ids from it: a token has that of the piece with its content, or
    /// the next one after the vocabulary.
    pub(super) fn read(node: Option<&Node<'j>>, model: &Model<'j>) -> Result<Self, CompileError> {
        let mut made = Self::default();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut next = u32::try_from(model.len()).unwrap_or(u32::MAX);
        let Some(node) = node else { return Ok(made) };
        for item in node.items()? {
            let token = Declared::read(&item)?;
            if token.content.is_empty() {
                made.empty += 1;
                continue;
            }
            if let Some(before) = places.get(token.content) {
                if made.tokens.get(*before) == Some(&token) {
                    continue;
                }
                return item.refuse(format!("token {} stands there twice", quoted(token.content)));
            }
            let id = model.lookup.get(token.content).copied().unwrap_or_else(|| {
                let id = next;
                next = next.saturating_add(1);
                id
            });
            if token.id != id {
                return item.refuse(format!(
                    "token {} has the id {}, the reference would give it {id}: {}",
                    quoted(token.content),
                    token.id,
                    if model.lookup.contains_key(token.content) {
                        "it is a piece of the model"
                    } else {
                        "ids go on after the vocabulary"
                    }
                ));
            }
            places.insert(token.content, made.tokens.len());
            made.ids.insert(token.content, id);
            if token.special {
                made.special.insert(token.content, id);
            }
            made.tokens.push(token);
        }
        let mut ids: Vec<u32> = made.tokens.iter().map(|token| token.id).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            Some(twice) => node.refuse(format!("two tokens have the id {}", twice.first().unwrap_or(&0))),
            None => Ok(made),
        }
    }

    /// The two tables: tokens that are looked for in the text as it is, and in the normalised one.
    pub(super) fn compile(&self, normalizer: &[u8], trims: bool) -> Result<Tables, CompileError> {
        let (mut raw, mut normalized) = (Vec::new(), Vec::new());
        for token in &self.tokens {
            if token.normalized { normalized.push(*token) } else { raw.push(*token) }
        }
        let no_steps = normalizer.first() == Some(&0);
        if raw.is_empty() && no_steps {
            // Both searches are the same then, and the one in the text can see across segments.
            std::mem::swap(&mut raw, &mut normalized);
        }
        let mut tables = Tables::default();
        if !raw.is_empty() {
            let tokens: Vec<AddedToken> =
                raw.iter().map(|token| token.token(token.content.to_owned())).collect();
            tables.raw = write(&tokens, Stage::Raw)?;
        }
        if !normalized.is_empty() {
            let mut tokens = Vec::with_capacity(normalized.len());
            for token in normalized {
                let content = apply(normalizer, token.content)?;
                if content.is_empty() {
                    return refuse(token.content, "the normalizer leaves nothing of it");
                }
                let has_spaces =
                    content.starts_with(char::is_whitespace) || content.ends_with(char::is_whitespace);
                if trims && (token.lstrip || has_spaces) {
                    return refuse(
                        token.content,
                        "it is normalized and has white space, which trim_offsets would cut",
                    );
                }
                tokens.push(token.token(content));
            }
            tables.normalized = write(&tokens, Stage::Normalised { space: space(normalizer)? })?;
        }
        Ok(tables)
    }
}

fn refuse<T>(token: &str, why: &str) -> Result<T, CompileError> {
    Err(CompileError::unsupported(format!("added token {} is not supported: {why}", quoted(token))))
}

fn apply(normalizer: &[u8], content: &str) -> Result<String, CompileError> {
    match normalizers::apply(normalizer, content, Place::WHOLE) {
        Some(content) => Ok(content),
        None => refuse(content, "its normalized form is too long"),
    }
}

/// What the normaliser makes of a space amid a text.
fn space(normalizer: &[u8]) -> Result<char, CompileError> {
    let made = normalizers::apply(normalizer, " ", Place::INNER).unwrap_or_default();
    let mut characters = made.chars();
    match (characters.next(), characters.next()) {
        // Where spaces become nothing, texts are never cut before one.
        (None, _) => Ok(' '),
        (Some(only), None) => Ok(only),
        _ => Err(CompileError::unsupported(
            "added tokens that are normalized are not supported with a normalizer that makes several characters of a \
             space",
        )),
    }
}

fn write(tokens: &[AddedToken], stage: Stage) -> Result<Vec<u8>, CompileError> {
    added::write(tokens, stage).map_err(|error| CompileError::field("added_tokens", error))
}
