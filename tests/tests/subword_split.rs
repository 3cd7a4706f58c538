//! Splitters, added tokens, post-processors, truncation and padding against `tokenizers`, on generated strings and on
//! the official test texts of AG News.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::thread;

use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::delimiter::CharDelimiterSplit;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::{Whitespace, WhitespaceSplit};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, SplitDelimiterBehavior};
use typecase_text::subword::split::{self, Behavior, Place, Prepend, Splitters, Step, Words};
use typecase_text::subword::{Cell, Row};

/// Of the generator of strings.
const SEED: u64 = 0x5EED_0F_5711;
const STRINGS: usize = 200_000;

/// A word: its normalised text and the bytes of the original that it covers.
type Word = (String, (usize, usize));

/// Strings that tokenizers stumble over.
struct Generator(u64);

impl Generator {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.number() % limit as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn character(&mut self, first: u32, last: u32) -> char {
        loop {
            let code = first + u32::try_from(self.below((last - first + 1) as usize)).unwrap();
            if let Some(c) = char::from_u32(code) {
                return c;
            }
        }
    }

    fn piece(&mut self, text: &mut String) {
        const WORDS: [&str; 10] =
            ["the", "Reuters", "U.S.", "e-mail", "x", "S", "naïve", "straße", "Ελλάς", "привет"];
        const CONTRACTIONS: [&str; 14] = [
            "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'r", "'v", "'l", "''s", "don't", "we'd've",
        ];
        const SPACES: [&str; 16] = [
            " ", " ", " ", " ", "  ", "   ", "\n", "\r\n", "\t", "\u{A0}", "\u{3000}", "\u{2028}", "\u{85}", " \n ",
            "\u{1680}", "\u{200B}",
        ];
        const ODD: [&str; 12] =
            ["▁", "Ġ", "▁▁", "e\u{301}", "👍🏽", "👨\u{200D}👩", "½", "Ⅷ", "٣", "²", "\0", "\u{FFFD}"];
        match self.below(12) {
            0..=2 => text.push_str(self.pick(&WORDS)),
            3 => text.push_str(self.pick(&CONTRACTIONS)),
            4..=6 => text.push_str(self.pick(&SPACES)),
            7 => text.push_str(self.pick(&ODD)),
            8 => {
                for _ in 0..=self.below(3) {
                    text.push(self.character(0x21, 0x7E));
                }
            }
            9 => text.push_str(&(self.number() % 3000).to_string()),
            10 => {
                let (first, last) = self.pick(&[
                    (0x80, 0x2FF),
                    (0x2000, 0x206F),
                    (0x3000, 0x30FF),
                    (0x4E00, 0x9FFF),
                    (0xFE10, 0xFFEF),
                    (0x1_0000, 0x1_1FFF),
                    (0x1_F300, 0x1_FAFF),
                ]);
                for _ in 0..=self.below(2) {
                    text.push(self.character(first, last));
                }
            }
            _ => text.push(self.character(0x80, 0x2_FFFF)),
        }
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.below(12) {
            self.piece(&mut text);
        }
        text
    }
}

fn generated() -> Vec<String> {
    let mut generator = Generator(SEED);
    (0..STRINGS).map(|_| generator.text()).collect()
}

/// The second and third columns of the official test, as they stand in the file; none where the data are not.
fn news() -> Vec<String> {
    let root = xtask::workspace_root().unwrap();
    let Some(data) = xtask::setup::labelled_data(&root) else {
        let why = "no labelled data; set TYPECASE_DATA to a folder that holds agnews/test.csv";
        xtask::skip::skipped("sub-word splitters on the official test", why);
        return Vec::new();
    };
    let text = std::fs::read_to_string(data.join("agnews/test.csv")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn reference_step(step: Step) -> PreTokenizerWrapper {
    let behaviors = |behavior| match behavior {
        Behavior::Removed => SplitDelimiterBehavior::Removed,
        Behavior::Isolated => SplitDelimiterBehavior::Isolated,
        Behavior::MergedWithPrevious => SplitDelimiterBehavior::MergedWithPrevious,
        Behavior::MergedWithNext => SplitDelimiterBehavior::MergedWithNext,
        Behavior::Contiguous => SplitDelimiterBehavior::Contiguous,
    };
    match step {
        Step::Bert => BertPreTokenizer.into(),
        Step::Whitespace => Whitespace.into(),
        Step::WhitespaceSplit => WhitespaceSplit.into(),
        Step::Punctuation(behavior) => Punctuation::new(behaviors(behavior)).into(),
        Step::ByteLevel { add_prefix_space, use_regex } => {
            ByteLevel::new(add_prefix_space, true, use_regex).into()
        }
        Step::Metaspace { replacement, prepend, split } => {
            let scheme = match prepend {
                Prepend::Never => PrependScheme::Never,
                Prepend::First => PrependScheme::First,
                Prepend::Always => PrependScheme::Always,
            };
            Metaspace::new(replacement, scheme, split).into()
        }
        Step::Digits { individual } => Digits::new(individual).into(),
        Step::Character { delimiter, behavior: Behavior::Removed } => CharDelimiterSplit::new(delimiter).into(),
        Step::Character { delimiter, behavior } => {
            tokenizers::pre_tokenizers::split::Split::new(delimiter.to_string(), behaviors(behavior), false)
                .unwrap()
                .into()
        }
    }
}

fn reference_words(splitter: &Sequence, text: &str) -> Vec<Word> {
    let mut split = PreTokenizedString::from(text);
    splitter.pre_tokenize(&mut split).unwrap();
    split
        .get_splits(OffsetReferential::Original, OffsetType::Byte)
        .into_iter()
        .map(|(text, offsets, _)| (text.to_owned(), offsets))
        .collect()
}

/// The character that stands for each byte in GPT-2's alphabet.
fn byte_characters() -> Vec<char> {
    let mut others = (256..).map_while(char::from_u32);
    (0..=u8::MAX)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
            _ => others.next().unwrap(),
        })
        .collect()
}

fn cells(text: &str) -> Vec<Cell> {
    text.char_indices()
        .map(|(at, c)| {
            Cell::new(c, u16::try_from(at).unwrap(), u16::try_from(at + c.len_utf8()).unwrap())
        })
        .collect()
}

/// Where each segment of a text begins.
fn cuts(text: &str) -> Vec<usize> {
    let mut before = ' ';
    let mut cuts = vec![0];
    for (at, c) in text.char_indices() {
        if c == ' ' && !before.is_whitespace() {
            cuts.push(at);
        }
        before = c;
    }
    cuts
}

struct Ours<'t> {
    splitters: Splitters<'t>,
    /// For a splitter that makes bytes.
    alphabet: Option<Vec<char>>,
}

impl Ours<'_> {
    fn words(&self, text: &str, cuts: &[usize]) -> Vec<Word> {
        let (mut one, mut two) = (vec![Cell::default(); 4096], vec![Cell::default(); 4096]);
        let mut words = Vec::new();
        for (index, start) in cuts.iter().enumerate() {
            let end = cuts.get(index + 1).copied().unwrap_or(text.len());
            let (mut row, mut spare) = (Row::new(&mut one), Row::new(&mut two));
            for cell in cells(&text[*start..end]) {
                row.push(cell).unwrap();
            }
            let first = index == 0;
            self.splitters.run(&mut row, &mut spare, Place { first, at_zero: first }).unwrap();
            words.extend(Words::new(row.cells()).map(|word| {
                let text: String = word.iter().map(|cell| cell.character()).collect();
                let text = match &self.alphabet {
                    Some(alphabet) => text.bytes().map(|byte| alphabet[usize::from(byte)]).collect(),
                    None => text,
                };
                let (first, last) = (word.first().unwrap(), word.last().unwrap());
                (text, (start + usize::from(first.start()), start + usize::from(last.end())))
            }));
        }
        words
    }
}

const BEHAVIORS: [Behavior; 5] = [
    Behavior::Removed,
    Behavior::Isolated,
    Behavior::MergedWithPrevious,
    Behavior::MergedWithNext,
    Behavior::Contiguous,
];

fn programs() -> Vec<Vec<Step>> {
    let byte_level = |add_prefix_space, use_regex| Step::ByteLevel { add_prefix_space, use_regex };
    let metaspace = |prepend, split| Step::Metaspace { replacement: '▁', prepend, split };
    let mut programs = vec![
        vec![Step::Bert],
        vec![Step::Whitespace],
        vec![Step::WhitespaceSplit],
        vec![Step::Digits { individual: true }],
        vec![Step::Digits { individual: false }],
        vec![Step::Metaspace { replacement: '_', prepend: Prepend::Always, split: true }],
        vec![Step::Metaspace { replacement: ' ', prepend: Prepend::Always, split: true }],
        vec![Step::WhitespaceSplit, metaspace(Prepend::Always, true)],
        vec![Step::WhitespaceSplit, metaspace(Prepend::First, false)],
        vec![Step::Punctuation(Behavior::Isolated), metaspace(Prepend::First, true)],
        vec![metaspace(Prepend::Always, false), Step::Punctuation(Behavior::Isolated)],
        vec![metaspace(Prepend::First, true), Step::Digits { individual: true }, Step::WhitespaceSplit],
        vec![Step::Digits { individual: true }, byte_level(false, true)],
        vec![Step::Digits { individual: false }, byte_level(true, true)],
        vec![Step::Punctuation(Behavior::Contiguous), Step::WhitespaceSplit],
        vec![Step::WhitespaceSplit, Step::Punctuation(Behavior::MergedWithNext), byte_level(true, true)],
        vec![Step::Whitespace, byte_level(true, false)],
        vec![Step::Punctuation(Behavior::Contiguous), byte_level(false, true)],
        vec![Step::Bert, Step::Digits { individual: true }, Step::Punctuation(Behavior::MergedWithPrevious)],
    ];
    for flag in [false, true] {
        programs.extend([false, true].map(|other| vec![byte_level(flag, other)]));
        programs.extend([Prepend::Never, Prepend::First, Prepend::Always].map(|p| vec![metaspace(p, flag)]));
    }
    for behavior in BEHAVIORS {
        programs.push(vec![Step::Punctuation(behavior)]);
        programs.push(vec![Step::Character { delimiter: ' ', behavior }]);
        programs.push(vec![Step::Character { delimiter: 'e', behavior }, Step::WhitespaceSplit]);
    }
    programs
}

/// Counts the texts on which a program gives other words, whole or cut; the first is shown.
fn mismatches(steps: &[Step], texts: &[String]) -> usize {
    let program = split::write(steps).unwrap();
    let splitters = Splitters::new(&program).unwrap();
    assert_eq!(splitters.steps().collect::<Vec<_>>(), steps);
    let makes_bytes = steps.iter().any(|step| matches!(step, Step::ByteLevel { .. }));
    let ours = Ours { splitters, alphabet: makes_bytes.then(byte_characters) };
    let reference = Sequence::new(steps.iter().copied().map(reference_step).collect());
    let mut wrong = 0;
    for text in texts {
        let expected = reference_words(&reference, text);
        let whole = ours.words(text, &[0]);
        let cut = if splitters.divides() { ours.words(text, &cuts(text)) } else { whole.clone() };
        if whole != expected || cut != expected {
            if wrong == 0 {
                eprintln!("{steps:?} on {text:?}\n  reference {expected:?}\n  whole {whole:?}\n  cut {cut:?}");
            }
            wrong += 1;
        }
    }
    wrong
}

#[test]
fn splitters_give_the_words_of_the_reference_whole_and_cut() {
    let mut texts = generated();
    texts.extend(news());
    let programs = programs();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let wrong: Vec<(String, usize)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (programs, texts) = (&programs, &texts);
                scope.spawn(move || {
                    let mine = programs.iter().skip(worker).step_by(threads);
                    mine.map(|steps| (format!("{steps:?}"), mismatches(steps, texts))).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).filter(|(_, count)| *count > 0).collect()
    });
    assert!(wrong.is_empty(), "of {} texts: {wrong:#?}", texts.len());
}
