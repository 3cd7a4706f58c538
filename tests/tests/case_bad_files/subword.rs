//! Bad text and tokenizer sections of a case with a sub-word tokenizer, in a container that is right.

use typecase_engine::{Error, FormatError as E, Kind, TokenizerError as T, UNICODE_VERSION};
use typecase_tests::{CaseParts, number, put};
use typecase_text::SpecError;
use typecase_text::subword::{REFERENCE_VERSION, TableError};
use typecase_text::subword::{added, normalize, split::ProgramError, template::TemplateError};

use super::BadFiles;

const TEXT: Kind = Kind::TEXT;
const TABLE: Kind = Kind::TOKENIZER;
/// Bytes of a table before its parts.
const HEADER: usize = 48;

/// Where a part of the table begins: added tokens, normalisers, solid characters, added tokens of the normalised text,
/// splitters, template, model.
fn part(table: &[u8], index: usize) -> usize {
    let len = |part: usize| (number(table, (16 + 4 * part, 4)) as usize).next_multiple_of(4);
    HEADER + (0..index).map(len).sum::<usize>()
}

/// Sets a number of a section.
fn set(kind: Kind, at: usize, width: usize, value: u64) -> impl FnOnce(&mut CaseParts) {
    move |parts| put(parts.section(kind), (at, width), value)
}

/// Sets the first byte of a part of the table.
fn begins(index: usize, value: u8) -> impl FnOnce(&mut CaseParts) {
    move |parts| {
        let table = parts.section(TABLE);
        let at = part(table, index);
        table[at] = value;
    }
}

pub(super) fn add(files: &mut BadFiles) {
    add_texts(files);
    add_tables(files);
}

fn add_texts(files: &mut BadFiles) {
    let range = |what, found| E::OutOfRange { section: TEXT.0, what, found };
    files.subword("no_tokenizer", |parts| parts.remove(TABLE), E::MissingSection { section: 8 });
    let what = "tokenizer sections and those that the text section asks for";
    let unasked = |parts: &mut CaseParts| {
        *parts.section(TEXT) = CaseParts::minimal().section(TEXT).clone();
    };
    files.subword("tokenizer_for_words", unasked, E::Mismatch { what, left: 1, right: 0 });
    let flags = E::UnknownFlags { section: 8, flags: 1 };
    let ignorable =
        |parts: &mut CaseParts| parts.sections.iter_mut().for_each(|s| s.1 = (s.0 == TABLE).into());
    files.subword("tokenizer_may_be_ignored", ignorable, flags);
    files.subword("tokens_with_normaliser_1", set(TEXT, 1, 1, 1), range("normaliser", 1));
    files.subword(
        "tokens_with_shortest_characters",
        set(TEXT, 3, 1, 1),
        range("shortest character n-gram", 1),
    );
    files.subword("tokens_with_longest_characters", set(TEXT, 4, 1, 3), range("longest character n-gram", 3));
    files.subword("tokens_with_marks", set(TEXT, 5, 1, 5), range("flags", 5));
    files.subword("tokens_with_case", set(TEXT, 5, 1, 2), range("flags", 2));
    files.subword("tokens_in_ngrams_of_7", set(TEXT, 2, 1, 7), SpecError::WordOrder(7));
    files.subword("texts_of_0_tokens", set(TEXT, 16, 4, 0), range("text limit in tokens", 0));
    files.subword("texts_of_65536_tokens", set(TEXT, 16, 4, 65_536), range("text limit in tokens", 65_536));
    files.subword("token_text_reserved", set(TEXT, 20, 1, 1), E::Reserved { section: TEXT.0, offset: 20 });
    let few = SpecError::TooFewTokens { found: 11, needed: 12 };
    files.subword("fewer_tokens_than_the_tokenizer_leaves", set(TEXT, 16, 4, 11), few);
    let many = SpecError::TooManyBytes { found: 65_537, allowed: 65_536 };
    files.subword("more_bytes_than_the_tokenizer_reads", set(TEXT, 8, 4, 65_537), many);
}

fn add_tables(files: &mut BadFiles) {
    let len = CaseParts::subword("wordpiece").section(TABLE).len();
    let short = |parts: &mut CaseParts| parts.section(TABLE).truncate(HEADER - 1);
    files.subword("table_of_47_bytes", short, Error::Tokenizer(T::Length { needed: 48, found: 47 }));
    let cut = |parts: &mut CaseParts| parts.section(TABLE).truncate(len - 1);
    files.subword("table_cut", cut, Error::Tokenizer(T::Length { needed: len as u64, found: len - 1 }));
    let long = |parts: &mut CaseParts| parts.section(TABLE).push(0);
    files.subword("table_too_long", long, Error::Tokenizer(T::Length { needed: len as u64, found: len + 1 }));
    for (name, (at, width), value, what) in [
        ("table_layout_2", (0, 1), 2, "layout"),
        ("table_model_0", (1, 1), 0, "model"),
        ("table_model_4", (1, 1), 4, "model"),
        ("table_segments_of_31", (6, 2), 31, "characters of a segment"),
        ("table_segments_of_1025", (6, 2), 1025, "characters of a segment"),
        ("table_without_ids", (8, 4), 0, "ids"),
        ("table_of_too_many_ids", (8, 4), (1 << 22) + 1, "ids"),
        ("table_texts_of_0_bytes", (12, 4), 0, "bytes of a text"),
        ("table_reserved", (44, 4), 1, "reserved number"),
    ] {
        let error = Error::Tokenizer(T::Header { what, found: value as u32 });
        files.subword(name, set(TABLE, at, width, value), error);
    }
    let (major, minor, _) = UNICODE_VERSION;
    let unicode = T::Unicode { table: (major + 1, minor), program: (major, minor) };
    files.subword("table_of_later_unicode", set(TABLE, 2, 1, (major + 1).into()), Error::Tokenizer(unicode));
    let (major, minor) = REFERENCE_VERSION;
    let reference = T::Reference { table: (major, minor + 1), program: (major, minor) };
    files.subword(
        "table_of_later_reference",
        set(TABLE, 5, 1, (minor + 1).into()),
        Error::Tokenizer(reference),
    );
    let added = T::Added(added::TableError::Short { found: 60 });
    files.subword("table_added_token_cut", begins(0, 0xFF), Error::Tokenizer(added));
    let normalizers = T::Normalizers(normalize::TableError::Header);
    files.subword("table_normalisers", begins(1, 0xFF), Error::Tokenizer(normalizers));
    let splitters = T::Splitters(ProgramError::Length { found: 6, expected: 1276 });
    files.subword("table_splitters", begins(4, 0xFF), Error::Tokenizer(splitters));
    let template = T::Template(TemplateError::Length { found: 18 });
    files.subword("table_template", begins(5, 0xFF), Error::Tokenizer(template));
    let model = T::Model(TableError::Count { found: 0, limit: 1 << 22 });
    files.subword("table_without_pieces", begins(6, 0), Error::Tokenizer(model));
    let pieces = T::Id { what: "pieces", found: 255, limit: 26 };
    files.subword("table_pieces_over_its_limit", begins(6, 0xFF), Error::Tokenizer(pieces));
    let ids = T::Id { what: "pieces", found: 26, limit: 3 };
    files.subword("table_ids_over_its_limit", set(TABLE, 8, 4, 3), Error::Tokenizer(ids));
}
