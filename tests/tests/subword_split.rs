//! Splitters, added tokens, post-processors, truncation and padding against `tokenizers`, on generated strings and on
//! the official test texts of AG News.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value, json};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::delimiter::CharDelimiterSplit;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::{Whitespace, WhitespaceSplit};
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, SplitDelimiterBehavior, Tokenizer,
};
use typecase_text::subword::added::{self, AddedToken, AddedTokens, Stage, added_id};
use typecase_text::subword::offsets::{Spaces, covered};
use typecase_text::subword::split::{self, Behavior, Place, Prepend, Splitters, Step, Words};
use typecase_text::subword::template::{Draft, Padding, Span, Template, Token, Truncation};
use typecase_text::subword::{Cell, Row};

/// Of the generator of strings.
const SEED: u64 = 0x005E_ED0F_5711;

/// All of them take minutes: only where `TYPECASE_SUBWORD_FULL` is set.
fn is_full() -> bool {
    std::env::var_os("TYPECASE_SUBWORD_FULL").is_some()
}

fn strings() -> usize {
    if is_full() { 200_000 } else { 10_000 }
}

/// Room for any of the texts in one row.
const CELLS: usize = 4096;

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
        const CONTRACTIONS: [&str; 14] =
            ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'r", "'v", "'l", "''s", "don't", "we'd've"];
        const SPACES: [&str; 16] = [
            " ", " ", " ", " ", "  ", "   ", "\n", "\r\n", "\t", "\u{A0}", "\u{3000}", "\u{2028}", "\u{85}",
            " \n ", "\u{1680}", "\u{200B}",
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
    (0..strings()).map(|_| generator.text()).collect()
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
    let count = if is_full() { usize::MAX } else { 1_000 };
    text.lines().take(count).map(str::to_owned).collect()
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
        Step::Character { delimiter, behavior: Behavior::Removed } => {
            CharDelimiterSplit::new(delimiter).into()
        }
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
        .map(|(at, c)| Cell::new(c, u16::try_from(at).unwrap(), u16::try_from(at + c.len_utf8()).unwrap()))
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
    fn words(&self, text: &str, cuts: &[usize], memory: &mut [Vec<Cell>; 2]) -> Vec<Word> {
        let [one, two] = memory;
        let mut words = Vec::new();
        for (index, start) in cuts.iter().enumerate() {
            let end = cuts.get(index + 1).copied().unwrap_or(text.len());
            let (mut row, mut spare) = (Row::new(one), Row::new(two));
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
    let mut memory = [vec![Cell::default(); CELLS], vec![Cell::default(); CELLS]];
    let mut wrong = 0;
    for text in texts {
        let expected = reference_words(&reference, text);
        let whole = ours.words(text, &[0], &mut memory);
        let cut =
            if splitters.divides() { ours.words(text, &cuts(text), &mut memory) } else { whole.clone() };
        if whole != expected || cut != expected {
            if wrong == 0 {
                eprintln!(
                    "{steps:?} on {text:?}\n  reference {expected:?}\n  whole {whole:?}\n  cut {cut:?}"
                );
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
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .filter(|(_, count)| *count > 0)
            .collect()
    });
    assert!(wrong.is_empty(), "of {} texts: {wrong:#?}", texts.len());
}

/// What an encoding says of one place: id, type id, bytes, word, attention.
type Place5 = (u32, u32, (usize, usize), Option<u32>, u32);

/// A tokenizer of both kinds. The model takes words whole, or one character at a time.
struct Pair {
    reference: Tokenizer,
    vocabulary: BTreeMap<String, u32>,
    whole_words: bool,
    makes_bytes: bool,
    program: Vec<u8>,
    raw: Vec<u8>,
    normalised: Vec<u8>,
    template: Vec<u8>,
}

/// Content, single_word, lstrip, rstrip, normalized.
const ADDED: [(&str, bool, bool, bool, bool); 16] = [
    ("[MASK]", false, true, false, false),
    ("<s>", false, false, false, false),
    ("<s>>", true, false, false, false),
    ("</s>", false, false, true, false),
    ("the", true, false, false, false),
    ("don't", false, true, true, false),
    ("½", true, true, true, false),
    ("U.S. x", false, false, false, false),
    ("e\u{301}", false, false, false, false),
    ("e-", false, false, false, true),
    ("e-mail", true, false, false, true),
    ("привет", true, true, false, true),
    ("S", false, false, false, true),
    ("we", false, true, false, true),
    ("👍", false, true, false, true),
    ("x<", false, false, false, true),
];

const SPECIAL: [(&str, u32); 4] = [("[UNK]", 0), ("[PAD]", 1), ("[CLS]", 2), ("[SEP]", 3)];

fn added_tables(first_id: u32) -> (Vec<Value>, Vec<u8>, Vec<u8>) {
    let (mut values, mut raw, mut normalised) = (Vec::new(), Vec::new(), Vec::new());
    for (id, (content, single_word, lstrip, rstrip, normalized)) in (first_id..).zip(ADDED) {
        values.push(json!({"id": id, "content": content, "single_word": single_word, "lstrip": lstrip,
            "rstrip": rstrip, "normalized": normalized, "special": false}));
        let token = AddedToken { content: content.to_owned(), id, single_word, lstrip, rstrip };
        if normalized { &mut normalised } else { &mut raw }.push(token);
    }
    let raw = added::write(&raw, Stage::Raw).unwrap();
    (values, raw, added::write(&normalised, Stage::Normalised { space: ' ' }).unwrap())
}

fn processors() -> Vec<(Value, Draft)> {
    let (cls, sep) = (json!(["[CLS]", 2]), json!(["[SEP]", 3]));
    let special = |name: &str, type_id: u32| json!({"SpecialToken": {"id": name, "type_id": type_id}});
    let sequence = |name: &str, type_id: u32| json!({"Sequence": {"id": name, "type_id": type_id}});
    let template = json!({"type": "TemplateProcessing",
        "single": [special("[CLS]", 2), special("twice", 4), sequence("A", 1), special("[SEP]", 3)],
        "pair": [sequence("A", 0), sequence("B", 0)],
        "special_tokens": {
            "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
            "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            "twice": {"id": "twice", "ids": [3, 2], "tokens": ["[SEP]", "[CLS]"]}}});
    let draft =
        Draft { before: vec![(2, 2), (3, 4), (2, 4)], after: vec![(3, 3)], type_id: 1, ..Draft::default() };
    let bert = json!({"type": "BertProcessing", "sep": sep, "cls": cls});
    let mut processors =
        vec![(Value::Null, Draft::default()), (bert, Draft::bert(2, 3)), (template.clone(), draft.clone())];
    for (trims, add_prefix_space) in [(false, true), (true, false), (true, true)] {
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space,
            "trim_offsets": trims, "use_regex": true});
        processors.push((
            json!({"type": "RobertaProcessing", "sep": sep, "cls": cls, "trim_offsets": trims,
                "add_prefix_space": add_prefix_space}),
            Draft::roberta(2, 3, trims, add_prefix_space),
        ));
        processors.push((
            json!({"type": "Sequence", "processors": [byte_level.clone(), template.clone()]}),
            Draft { trims: trims.then_some(add_prefix_space), ..draft.clone() },
        ));
        processors.push((byte_level, Draft::byte_level(trims, add_prefix_space)));
    }
    processors
}

fn random_pair(generator: &mut Generator, texts: &[String]) -> Pair {
    let (value, mut draft) = processors().swap_remove(generator.below(12));
    let truncation = (generator.below(3) > 0)
        .then(|| Truncation { most: 4 + generator.below(12), left: generator.below(2) == 0 });
    let padding = (generator.below(2) == 0).then(|| Padding {
        fewest: generator.pick(&[0, 9, 12, 40]),
        multiple: generator.pick(&[0, 1, 8, 5]),
        id: 1,
        type_id: 5,
        left: generator.below(2) == 0,
    });
    (draft.truncation, draft.padding) = (truncation, padding);
    let side = |left| if left { "Left" } else { "Right" };
    let truncation = truncation.map(|truncation| {
        json!({"direction": side(truncation.left), "max_length": truncation.most, "strategy": "LongestFirst", "stride": 0})
    });
    let padding = padding.map(|padding| {
        let strategy =
            if padding.fewest == 0 { json!("BatchLongest") } else { json!({"Fixed": padding.fewest}) };
        let multiple = (padding.multiple > 0).then_some(padding.multiple);
        json!({"strategy": strategy, "direction": side(padding.left), "pad_to_multiple_of": multiple,
            "pad_id": padding.id, "pad_type_id": padding.type_id, "pad_token": "[PAD]"})
    });
    let steps = match generator.below(6) {
        0 => vec![Step::Bert],
        1 => vec![Step::Metaspace { replacement: '▁', prepend: Prepend::First, split: true }],
        2 => vec![
            Step::WhitespaceSplit,
            Step::Metaspace { replacement: '▁', prepend: Prepend::Always, split: false },
        ],
        3 => vec![Step::ByteLevel { add_prefix_space: false, use_regex: true }],
        _ => vec![Step::ByteLevel { add_prefix_space: true, use_regex: true }],
    };
    let splitter = Sequence::new(steps.iter().copied().map(reference_step).collect());
    let makes_bytes = steps.iter().any(|step| matches!(step, Step::ByteLevel { .. }));
    let whole_words = makes_bytes || generator.below(2) == 0;
    let mut vocabulary: BTreeMap<String, u32> = SPECIAL.map(|(name, id)| (name.to_owned(), id)).into();
    let mut learn = |token: String| {
        let id = u32::try_from(vocabulary.len()).unwrap();
        vocabulary.entry(token).or_insert(id);
    };
    if whole_words {
        for text in texts.iter().step_by(3).take(3_000) {
            reference_words(&splitter, text).into_iter().for_each(|(word, _)| learn(word));
        }
    } else {
        ('!'..='~')
            .chain(['é', '▁', '世'])
            .for_each(|c| [c.to_string(), format!("##{c}")].into_iter().for_each(&mut learn));
    }
    // No added token may be a word, or it takes its id.
    vocabulary.retain(|word, _| !ADDED.iter().any(|(content, ..)| content == word));
    let vocabulary: BTreeMap<String, u32> = {
        let mut others: Vec<_> = vocabulary.into_iter().collect();
        others.sort_by_key(|(_, id)| *id);
        others.into_iter().map(|(word, _)| word).zip(0..).collect()
    };
    let (added_tokens, raw, normalised) = added_tables(u32::try_from(vocabulary.len()).unwrap());
    let model = if whole_words {
        json!({"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"})
    } else {
        json!({"type": "WordPiece", "vocab": vocabulary, "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100})
    };
    let reference = json!({"version": "1.0", "truncation": truncation, "padding": padding,
        "added_tokens": added_tokens, "normalizer": null, "pre_tokenizer": serde_json::to_value(&splitter).unwrap(),
        "post_processor": value, "decoder": null, "model": model});
    Pair {
        reference: Tokenizer::from_bytes(serde_json::to_vec(&reference).unwrap()).unwrap(),
        vocabulary,
        whole_words,
        makes_bytes,
        program: split::write(&steps).unwrap(),
        raw,
        normalised,
        template: draft.write().unwrap(),
    }
}

impl Pair {
    fn expected(&self, text: &str, special: bool) -> Vec<Place5> {
        let encoding = self.reference.encode(text, special).unwrap();
        (0..encoding.len())
            .map(|i| {
                (
                    encoding.get_ids()[i],
                    encoding.get_type_ids()[i],
                    encoding.get_offsets()[i],
                    encoding.get_word_ids()[i],
                    encoding.get_attention_mask()[i],
                )
            })
            .collect()
    }

    fn ours(&self, text: &str, special: bool) -> Vec<Place5> {
        let template = Template::new(&self.template).unwrap();
        let raw = AddedTokens::new(&self.raw).unwrap();
        let (mut ids, mut spans) = (vec![9_999; 512], vec![Span::default(); 512]);
        let mut collector = template.begin(&mut ids, &mut spans, special).unwrap();
        let mut tokens = Vec::new();
        let mut done = 0;
        while let Some(found) = raw.next(text.as_bytes(), done) {
            self.piece(text, done..found.start, &mut tokens);
            tokens.push(self.added(text, found.id, found.start, found.end));
            done = found.end;
        }
        self.piece(text, done..text.len(), &mut tokens);
        let mut word = 0;
        for (begins, token) in tokens {
            word += u32::from(begins);
            collector.push(Token { word: word - 1, ..token });
        }
        let collected = collector.finish().unwrap();
        assert_eq!(collected.lost, 0);
        (0..collected.len)
            .map(|i| {
                (
                    ids[i],
                    template.type_id(&collected, i),
                    (spans[i].start as usize, spans[i].end as usize),
                    (spans[i].word != Span::NO_WORD).then_some(spans[i].word),
                    u32::from(collected.attended.contains(&i)),
                )
            })
            .collect()
    }

    fn added(&self, text: &str, id: u32, start: usize, end: usize) -> (bool, Token) {
        let bytes = (u32::try_from(start).unwrap(), u32::try_from(end).unwrap());
        (true, Token { id, bytes, added: true, spaces: Spaces::of(&text[start..end]), ..Token::default() })
    }

    /// The tokens of a piece between added tokens, each with whether it begins a word.
    fn piece(&self, text: &str, piece: std::ops::Range<usize>, tokens: &mut Vec<(bool, Token)>) {
        let splitters = Splitters::new(&self.program).unwrap();
        let normalised = AddedTokens::new(&self.normalised).unwrap();
        let alphabet = byte_characters();
        let cuts: Vec<usize> = cuts(&text[piece.clone()]).into_iter().map(|cut| cut + piece.start).collect();
        let (mut one, mut two) = (vec![Cell::default(); 600], vec![Cell::default(); 600]);
        let mut first = true;
        for (index, start) in cuts.iter().copied().enumerate() {
            let end = cuts.get(index + 1).copied().unwrap_or(piece.end);
            let (mut row, mut spare) = (Row::new(&mut one), Row::new(&mut two));
            cells(&text[start..end]).into_iter().for_each(|cell| row.push(cell).unwrap());
            normalised.replace(&mut row, &mut spare).unwrap();
            splitters.run(&mut row, &mut spare, Place { first, at_zero: start == 0 }).unwrap();
            first = row.cells().last().is_some_and(|cell| cell.has(Cell::ADDED));
            let segment = u32::try_from(start).unwrap();
            for word in Words::new(row.cells()) {
                if let Some(id) = added_id(word[0]) {
                    let (from, to) = covered(word, segment);
                    tokens.push(self.added(text, id, from as usize, to as usize));
                    continue;
                }
                let whole: String = word.iter().map(|cell| cell.character()).collect();
                let whole = if self.makes_bytes {
                    whole.bytes().map(|byte| alphabet[usize::from(byte)]).collect()
                } else {
                    whole
                };
                let name = |at: usize| match word[at].character() {
                    c if at == 0 => c.to_string(),
                    c => format!("##{c}"),
                };
                let known =
                    (0..word.len()).all(|at| self.vocabulary.contains_key(&name(at))) && word.len() <= 100;
                let token = |begins, cells, value: &str| {
                    let id = self.vocabulary.get(value).copied();
                    let spaces = Spaces::of(if id.is_some() { value } else { "[UNK]" });
                    let bytes = covered(cells, segment);
                    (begins, Token { id: id.unwrap_or(0), bytes, spaces, ..Token::default() })
                };
                if self.whole_words {
                    tokens.push(token(true, word, &whole));
                } else if known {
                    tokens.extend((0..word.len()).map(|at| token(at == 0, &word[at..=at], &name(at))));
                } else {
                    tokens.push(token(true, word, "[UNK]"));
                }
            }
        }
    }
}

#[test]
fn added_tokens_templates_truncation_and_padding_are_those_of_the_reference() {
    let mut texts = generated();
    let mut generator = Generator(SEED ^ 1);
    for text in texts.iter_mut().step_by(2) {
        for _ in 0..=generator.below(3) {
            let (content, ..) = generator.pick(&ADDED);
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            text.insert_str(generator.pick(&places), content);
        }
    }
    texts.extend(news().into_iter().take(2_000));
    let (mut wrong, mut compared) = (0, 0);
    for chunk in texts.chunks(1_000) {
        let pair = random_pair(&mut generator, &texts);
        for text in chunk {
            for special in [true, false] {
                let (expected, ours) = (pair.expected(text, special), pair.ours(text, special));
                compared += 1;
                if expected != ours {
                    if wrong < 3 {
                        let reference = pair.reference.to_string(false).unwrap();
                        let settings = reference.split("\"vocab\"").next().unwrap();
                        eprintln!("{settings}\n{text:?} special {special}\n{expected:?}\n{ours:?}\n");
                    }
                    wrong += 1;
                }
            }
        }
    }
    assert_eq!(wrong, 0, "of {compared} encodings");
}
