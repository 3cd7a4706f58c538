//! Generator of the tables of the sub-word normalisers, from the crates that the reference itself uses.
//!
//! Every property is asked of those crates, for every code point, never of a Unicode database: where a crate is of an
//! old version of Unicode, or wrong, so are the tables, and the ids stay those of the reference. Their versions are
//! pinned in the workspace, so a table changes on purpose only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::{UnicodeNormalization, char as forms};
use unicode_segmentation::UnicodeSegmentation;

use super::unicode::UNICODE_VERSION;

/// Code points of one block of the table of decompositions, as a power of two.
const BLOCK_BITS: u32 = 6;

/// Code points for which one entry of the index of classes is, as a power of two.
const INDEX_BITS: u32 = 8;

/// The index of classes ends here: above are few runs.
const INDEX_END: u32 = 0x2_0000;

/// A flag of a class: its name, what it says, and of which characters.
type Flag = (&'static str, &'static str, fn(char) -> bool);

/// What the classes say beside the canonical combining class and the grapheme category.
const FLAGS: [Flag; 11] = [
    ("MARK_NONSPACING", "`unicode_categories`: Mn", |c| c.is_mark_nonspacing()),
    ("COMBINING_MARK", "`unicode_normalization_alignments`: a mark", forms::is_combining_mark),
    ("OTHER", "`unicode_categories`: Cc, Cf or Co", |c| c.is_other()),
    ("WHITE_SPACE", "`char::is_whitespace`", char::is_whitespace),
    ("PUNCTUATION", "`unicode_categories`: P, or ASCII punctuation", |c| {
        c.is_ascii_punctuation() || c.is_punctuation()
    }),
    ("CONJUNCT_LINKER", "`unicode_segmentation`: joins two consonants", is_linker),
    (
        "CONJUNCT_EXTEND",
        "`unicode_segmentation`: may stand between a linker and a consonant",
        is_conjunct_extend,
    ),
    ("NFC_INERT", "NFC leaves it and its neighbours alone", |c| is_inert(c, |c| c.nfc())),
    ("NFKC_INERT", "NFKC leaves it and its neighbours alone", |c| is_inert(c, |c| c.nfkc())),
    ("NFD_INERT", "NFD leaves it and its neighbours alone", |c| is_inert(c, |c| c.nfd())),
    ("NFKD_INERT", "NFKD leaves it and its neighbours alone", |c| is_inert(c, |c| c.nfkd())),
];

/// Grapheme categories in the order of their numbers.
const CATEGORIES: [&str; 14] = [
    "ANY",
    "CR",
    "LF",
    "CONTROL",
    "EXTEND",
    "ZWJ",
    "SPACING_MARK",
    "PREPEND",
    "REGIONAL",
    "PICTOGRAPH",
    "CONSONANT",
    "L",
    "V",
    "T",
];

/// The two categories of precomposed Hangul, which the tables hold as one: they alternate.
const HANGUL: usize = CATEGORIES.len();

/// Is there a boundary before the last character?
fn parts(text: &[char], extended: bool) -> bool {
    let text: String = text.iter().collect();
    let last = text.graphemes(extended).next_back();
    last.is_some_and(|cluster| cluster.chars().count() == 1)
}

const KA: char = '\u{915}';
const VIRAMA: char = '\u{94D}';

fn is_linker(c: char) -> bool {
    !parts(&['a', c], true) && !parts(&[KA, c, KA], true) && category(c) == "EXTEND"
}

fn is_conjunct_extend(c: char) -> bool {
    category(c) != "PREPEND" && !parts(&[KA, VIRAMA, c, KA], true) && !is_linker(c)
}

/// The grapheme category of a character, from where the segmenter makes boundaries.
fn category(c: char) -> &'static str {
    let joins = |text: &[char]| !parts(text, true);
    match c {
        '\r' => return "CR",
        '\n' => return "LF",
        '\u{200D}' => return "ZWJ",
        ' '..='~' => return "ANY",
        _ => {}
    }
    if parts(&[c, '\u{300}'], true) {
        return "CONTROL";
    }
    if joins(&['a', c]) {
        return if parts(&['a', c], false) { "SPACING_MARK" } else { "EXTEND" };
    }
    if joins(&[c, 'a']) {
        return "PREPEND";
    }
    if joins(&['\u{1F1E6}', c]) {
        return "REGIONAL";
    }
    if joins(&['\u{1F600}', '\u{200D}', c]) {
        return "PICTOGRAPH";
    }
    if joins(&[KA, VIRAMA, c]) {
        return "CONSONANT";
    }
    if joins(&['\u{1161}', c]) {
        return if joins(&[c, '\u{1161}']) { "V" } else { "T" };
    }
    if joins(&['\u{1100}', c]) {
        return if joins(&[c, '\u{1100}']) {
            "L"
        } else if joins(&[c, '\u{1161}']) {
            "LV"
        } else {
            "LVT"
        };
    }
    "ANY"
}

/// A class: `combining class | category << 8 | flags << 16`.
fn class(c: char) -> Result<u32> {
    let category = category(c);
    let number = match category {
        "LV" | "LVT" => {
            let offset = u32::from(c).wrapping_sub(0xAC00);
            if offset >= 11172 || (offset % 28 == 0) != (category == "LV") {
                bail!("U+{:04X}: a Hangul syllable out of its place", u32::from(c));
            }
            HANGUL
        }
        _ => CATEGORIES.iter().position(|name| *name == category).context("unknown category")?,
    };
    let flags = FLAGS.iter().enumerate().map(|(bit, (.., holds))| u32::from(holds(c)) << bit).sum::<u32>();
    Ok(u32::from(forms::canonical_combining_class(c)) | u32::try_from(number)? << 8 | flags << 16)
}

/// Does a form leave the character alone, and can the character do nothing to those before it?
fn is_inert<I: Iterator<Item = (char, isize)>>(c: char, form: impl Fn(std::iter::Once<char>) -> I) -> bool {
    let first = canonical(c).and_then(|full| full.chars().next()).unwrap_or(c);
    let is_second =
        SECONDS.contains(&first) || matches!(first, '\u{1161}'..='\u{1175}' | '\u{11A8}'..='\u{11C2}');
    forms::canonical_combining_class(first) == 0 && !is_second && form(std::iter::once(c)).eq([(c, 0)])
}

/// Characters that compose with one before.
static SECONDS: LazyLock<BTreeSet<char>> = LazyLock::new(|| compositions().into_keys().collect());

fn characters() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

/// Runs of characters of one class.
struct Classes {
    /// The classes.
    classes: Vec<u32>,
    /// Each `first character << 8 | class`, sorted.
    runs: Vec<u32>,
    /// For every block of characters the run that holds its first.
    index: Vec<u16>,
}

impl Classes {
    fn new() -> Result<Self> {
        let mut made = Self { classes: Vec::new(), runs: Vec::new(), index: Vec::new() };
        let mut last = None;
        for c in characters() {
            let class = class(c)?;
            if last != Some(class) {
                let known = made.classes.iter().position(|known| *known == class);
                let number = known.unwrap_or(made.classes.len());
                if known.is_none() {
                    made.classes.push(class);
                }
                made.runs
                    .push(u32::from(c) << 8 | u32::from(u8::try_from(number).context("over 256 classes")?));
                last = Some(class);
            }
        }
        for block in 0..=INDEX_END >> INDEX_BITS {
            let after = made.runs.partition_point(|run| run >> 8 <= block << INDEX_BITS);
            made.index.push(u16::try_from(after - 1)?);
        }
        Ok(made)
    }
}

/// Decompositions: a table of two levels, whose entries point into a pool of UTF-16.
struct Decompositions {
    index: Vec<u8>,
    blocks: Vec<u16>,
    pool: Vec<u16>,
    /// Entries from here on are compatibility decompositions, those before canonical ones.
    compatible_from: usize,
    /// Entries from here on have both, which differ.
    both_from: usize,
}

fn canonical(c: char) -> Option<String> {
    let mut full = String::new();
    forms::decompose_canonical(c, |d| full.push(d));
    (full.chars().ne([c])).then_some(full)
}

fn compatible(c: char) -> Option<String> {
    let mut full = String::new();
    forms::decompose_compatible(c, |d| full.push(d));
    (full.chars().ne([c])).then_some(full)
}

fn is_hangul(c: char) -> bool {
    ('\u{AC00}'..='\u{D7A3}').contains(&c)
}

impl Decompositions {
    fn new() -> Result<Self> {
        let mut pool = vec![0u16];
        let mut entries: BTreeMap<u32, u16> = BTreeMap::new();
        let all = || {
            characters().filter(|c| !is_hangul(*c)).filter_map(|c| {
                let (one, other) = (canonical(c), compatible(c));
                (one.is_some() || other.is_some()).then_some((c, one, other))
            })
        };
        let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
        let same = all().filter(|(_, one, other)| one == other);
        let same: Vec<_> = same.filter_map(|(c, one, _)| Some((c, units(&one?)))).collect();
        Self::add(same, &mut pool, 1, &mut entries)?;
        let compatible_from = pool.len();
        let only = all().filter(|(_, one, _)| one.is_none());
        let only: Vec<_> = only.filter_map(|(c, _, other)| Some((c, units(&other?)))).collect();
        Self::add(only, &mut pool, compatible_from, &mut entries)?;
        let both_from = pool.len();
        for (c, one, other) in all() {
            let (Some(one), Some(other)) = (one, other) else { continue };
            if one != other {
                let (one, other) = (units(&one), units(&other));
                entries.insert(u32::from(c), entry(pool.len(), 4)?);
                pool.push(u16::try_from(one.len() | other.len() << 8)?);
                pool.extend(one.iter().chain(&other));
            }
        }
        let mut made = Self { index: Vec::new(), blocks: Vec::new(), pool, compatible_from, both_from };
        let last = entries.keys().next_back().context("no decompositions")?;
        let size = 1 << BLOCK_BITS;
        let mut known: Vec<Vec<u16>> = Vec::new();
        for block in 0..=last >> BLOCK_BITS {
            let first = block << BLOCK_BITS;
            let block: Vec<u16> =
                (first..first + size).map(|code| entries.get(&code).copied().unwrap_or(0)).collect();
            let number = known.iter().position(|other| *other == block).unwrap_or_else(|| {
                known.push(block);
                known.len() - 1
            });
            made.index.push(u8::try_from(number).context("over 256 blocks")?);
        }
        made.blocks = known.concat();
        Ok(made)
    }

    /// Adds texts to the pool, where a text that is part of another one is not held twice.
    fn add(
        mut texts: Vec<(char, Vec<u16>)>,
        pool: &mut Vec<u16>,
        from: usize,
        entries: &mut BTreeMap<u32, u16>,
    ) -> Result<()> {
        texts.sort_by_key(|(c, units)| (std::cmp::Reverse(units.len()), *c));
        for (c, units) in texts {
            let len = units.len();
            let mut held = units;
            if len > 3 {
                held.insert(0, u16::try_from(len)?);
            }
            let place = pool.get(from..).and_then(|pool| pool.windows(held.len()).position(|w| w == held));
            let place = place.map_or(pool.len(), |place| place + from);
            if place == pool.len() {
                pool.extend(&held);
            }
            entries.insert(u32::from(c), entry(place, len)?);
        }
        Ok(())
    }
}

/// `place | code << 14`, where the code is the number of units less one, or 3 if it stands before them.
fn entry(place: usize, len: usize) -> Result<u16> {
    if place >= 1 << 14 {
        bail!("the pool of decompositions is full");
    }
    Ok(u16::try_from(place | (len.min(4) - 1) << 14)?)
}

/// Pairs that compose, Hangul apart, by their second character.
fn compositions() -> BTreeMap<char, Vec<(char, char)>> {
    let mut firsts = BTreeSet::new();
    let mut seconds = BTreeSet::new();
    for c in characters().filter(|c| !is_hangul(*c)) {
        if let Some(full) = canonical(c) {
            firsts.insert(c);
            firsts.extend(full.chars().next());
            seconds.extend(full.chars().skip(1));
        }
    }
    let mut pairs: BTreeMap<char, Vec<(char, char)>> = BTreeMap::new();
    for second in seconds {
        for first in &firsts {
            if let Some(composed) = forms::compose(*first, second).filter(|c| !is_hangul(*c)) {
                pairs.entry(second).or_default().push((*first, composed));
            }
        }
    }
    pairs
}

/// The file of classes and compositions, before rustfmt.
///
/// # Errors
///
/// When a crate says what the form of a table cannot hold, or the compiler is of another version of Unicode than the
/// tables of white space are for.
pub fn classes() -> Result<String> {
    if char::UNICODE_VERSION != UNICODE_VERSION {
        bail!("the compiler has Unicode {:?}, the tables are for {UNICODE_VERSION:?}", char::UNICODE_VERSION);
    }
    let classes = Classes::new()?;
    let mut text = String::from(HEADER);
    constants(&mut text)?;
    let doc = "Classes: `combining class | category << 8 | flags << 16`.";
    list(&mut text, doc, "CLASSES", "u32", &classes.classes)?;
    list(&mut text, "Runs of characters of one class: `first << 8 | class`.", "RUNS", "u32", &classes.runs)?;
    let doc = "The run that holds the first character of each block of 256, up to U+20000.";
    list(&mut text, doc, "RUN_INDEX", "u16", &classes.index)?;
    composition_tables(&mut text, &compositions())?;
    Ok(text)
}

/// The file of decompositions, before rustfmt.
///
/// # Errors
///
/// When a crate says what the form of a table cannot hold.
pub fn decompositions() -> Result<String> {
    let decompositions = Decompositions::new()?;
    let mut text = String::from(HEADER);
    let doc = "The block of decompositions for each 64 characters.";
    list(&mut text, doc, "DECOMPOSITION_INDEX", "u8", &decompositions.index)?;
    let doc = "Decompositions: `place in the pool | code << 14`, 0 for none; the code is the number of units less one,\n\
               /// or 3 if the number stands at the place.";
    list(&mut text, doc, "DECOMPOSITION_BLOCKS", "u16", &decompositions.blocks)?;
    Ok(text)
}

/// The file of the texts of decompositions, before rustfmt.
///
/// # Errors
///
/// When a crate says what the form of a table cannot hold.
pub fn pool() -> Result<String> {
    let decompositions = Decompositions::new()?;
    let mut text = String::from(HEADER);
    writeln!(text, "/// Places in the pool from here on are of compatibility decompositions.")?;
    writeln!(text, "pub(crate) const COMPATIBLE_FROM: u16 = {};\n", decompositions.compatible_from)?;
    writeln!(
        text,
        "/// Places from here on hold `canonical units | compatible units << 8`, and then both texts."
    )?;
    writeln!(text, "pub(crate) const BOTH_FROM: u16 = {};\n", decompositions.both_from)?;
    list(&mut text, "Texts of decompositions in UTF-16.", "POOL", "u16", &decompositions.pool)?;
    Ok(text)
}

fn constants(text: &mut String) -> Result<()> {
    writeln!(text, "/// What a class says beside its two numbers.\npub(crate) mod flag {{")?;
    for (bit, (name, doc, _)) in FLAGS.iter().enumerate() {
        writeln!(text, "/// {doc}.\npub(crate) const {name}: u32 = 1 << {};", bit + 16)?;
    }
    writeln!(text, "}}\n\n/// Grapheme categories.\npub(crate) mod category {{")?;
    for (number, name) in CATEGORIES.iter().enumerate() {
        writeln!(text, "/// {name}.\npub(crate) const {name}: u32 = {number};")?;
    }
    writeln!(text, "/// A Hangul syllable: LV if its number divides by 28, else LVT.")?;
    writeln!(text, "pub(crate) const HANGUL: u32 = {HANGUL};\n}}\n")?;
    Ok(())
}

fn composition_tables(text: &mut String, pairs: &BTreeMap<char, Vec<(char, char)>>) -> Result<()> {
    let is_small = |c: char| u32::from(c) < 0x1_0000;
    let (mut seconds, mut composed, mut large) = (Vec::new(), Vec::new(), Vec::new());
    for (second, firsts) in pairs {
        let start = composed.len();
        for (first, whole) in firsts {
            if is_small(*second) && is_small(*first) && is_small(*whole) {
                composed.push(u32::from(*first) << 16 | u32::from(*whole));
            } else {
                large.push((u32::from(*first), u32::from(*second), u32::from(*whole)));
            }
        }
        if composed.len() > start {
            seconds.push(u32::from(*second) << 16 | u32::try_from(start)?);
        }
    }
    seconds.push(u32::MAX << 16 | u32::try_from(composed.len())?);
    let doc = "Characters that compose with one before: `second << 16 | start of its pairs`; the last one ends the list.";
    list(text, doc, "SECONDS", "u32", &seconds)?;
    let doc = "Pairs, sorted for each second character: `first << 16 | composed`.";
    list(text, doc, "PAIRS", "u32", &composed)?;
    writeln!(text, "/// Pairs above U+FFFF: first, second, composed ({} bytes).", 12 * large.len())?;
    writeln!(text, "pub(crate) static LARGE_PAIRS: [(u32, u32, u32); {}] = [", large.len())?;
    for (first, second, whole) in large {
        writeln!(text, "({first:#X}, {second:#X}, {whole:#X}),")?;
    }
    writeln!(text, "];")?;
    Ok(())
}

/// One table of numbers.
fn list<T: Copy + std::fmt::Display>(
    text: &mut String,
    doc: &str,
    name: &str,
    of: &str,
    values: &[T],
) -> Result<()> {
    let bytes = size_of_val(values);
    writeln!(text, "/// {doc} {bytes} bytes.\npub(crate) static {name}: [{of}; {}] = [", values.len())?;
    for line in values.chunks(if size_of::<T>() == 4 { 8 } else { 14 }) {
        for value in line {
            write!(text, "{value},")?;
        }
        writeln!(text)?;
    }
    writeln!(text, "];\n")?;
    Ok(())
}

const HEADER: &str = "// Generated by `cargo xtask codegen`; do not edit.

//! Tables of the sub-word normalisers, made from the crates of the reference. See `subword/unicode.rs`.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_come_out_of_the_boundaries() {
        let cases = [
            ('a', "ANY"),
            ('\0', "CONTROL"),
            ('\u{200B}', "CONTROL"),
            ('\u{301}', "EXTEND"),
            ('\u{200C}', "EXTEND"),
            ('\u{903}', "SPACING_MARK"),
            ('\u{600}', "PREPEND"),
            ('\u{1F1FF}', "REGIONAL"),
            ('\u{A9}', "PICTOGRAPH"),
            ('\u{916}', "CONSONANT"),
            ('\u{1112}', "L"),
            ('\u{1175}', "V"),
            ('\u{11C2}', "T"),
            ('\u{AC00}', "LV"),
            ('\u{D7A3}', "LVT"),
        ];
        for (c, expected) in cases {
            assert_eq!(category(c), expected, "U+{:04X}", u32::from(c));
        }
        assert!(is_linker(VIRAMA) && !is_linker('\u{300}') && is_conjunct_extend('\u{200D}'));
    }
}
