//! The sub-word tokenizers against `tokenizers` in one run: the same texts, the same core, one after the other; and how
//! their time grows with hostile texts.
//!
//! ```text
//! cargo run --release -p typecase-benches --bin tokenizers
//! cargo run --release -p typecase-benches --bin tokenizers -- --hostile
//! ```
//!
//! Exit codes: 0 done; 1 the ids differ, or the time of a hostile text grows by [`GROWTH`] or more when it is doubled;
//! 2 wrong usage, or data that is missing.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "printing is what a program does")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::{Value, json};
use typecase_benches::series::Summary;
use typecase_benches::{machine, texts};
use typecase_convert::tokenizer::{Options, compile_value};
use typecase_text::subword::{Cell, Scratch, Tokenizer};
use typecase_train::vocabulary::{VocabularyModel, VocabularySettings, learn};

/// The time of a text that stands twice is less than so many times that of the text.
const GROWTH: f64 = 2.3;
/// Ids of a text.
const MOST: usize = 512;
/// Bytes of the hostile texts.
const HOSTILE_BYTES: usize = 1 << 20;

/// Measure the sub-word tokenizers against the crate `tokenizers`.
#[derive(Debug, Parser)]
#[command(name = "tokenizers", max_term_width = 100)]
struct Arguments {
    /// A tokenizer.json; may be given several times [default: that of all-MiniLM-L6-v2 in $TYPECASE_MINILM, and two that
    /// are learnt from the training texts]
    #[arg(long, value_name = "FILE")]
    tokenizer: Vec<PathBuf>,
    /// Pieces of the vocabularies that are learnt
    #[arg(long, default_value_t = 30_000, value_name = "N")]
    vocabulary: u32,
    /// Rounds that count; one more before them does not
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Hostile texts instead of the race
    #[arg(long)]
    hostile: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    ensure!(!cfg!(debug_assertions), "this is a debug build, figures need one with --release");
    let repository = typecase_benches::repository();
    let data =
        std::env::var_os("TYPECASE_DATA").map_or_else(|| repository.join("../shared/data"), PathBuf::from);
    let contestants = contestants(arguments, &repository, &data)?;
    let core = machine::pin().inspect_err(|error| eprintln!("note: not pinned to a core: {error}")).ok();
    let core = core.map_or("not pinned".to_owned(), |core| format!("core {core}"));
    println!("{}, {core}, commit {}", machine::describe(), machine::commit(&repository));
    if arguments.hostile {
        return contestants.iter().try_fold(true, |fine, contestant| Ok(contestant.hostile()? && fine));
    }
    let texts = texts::read(&data.join("agnews/test.csv"))?;
    let texts: Vec<String> = texts.into_iter().map(|row| row.text).collect();
    println!(
        "{} texts, {} rounds; microseconds a text, median of the rounds\n",
        texts.len(),
        arguments.rounds
    );
    println!(
        "| tokenizer | pieces | table | scratch | open us | load us | ours | tokenizers | ratio of medians | per round | ids |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut same = true;
    for contestant in &contestants {
        same &= contestant.race(&texts, arguments.rounds)?;
    }
    Ok(same)
}

/// A tokenizer, and how the reference reads it.
struct Contestant {
    name: String,
    json: Value,
    pieces: usize,
    table: Vec<u8>,
}

fn contestants(arguments: &Arguments, repository: &Path, data: &Path) -> anyhow::Result<Vec<Contestant>> {
    let mut files = arguments.tokenizer.clone();
    if files.is_empty() {
        let folder = std::env::var_os("TYPECASE_MINILM").map(PathBuf::from);
        match folder.map(|folder| folder.join("tokenizer.json")).filter(|file| file.is_file()) {
            Some(file) => files.push(file),
            None => eprintln!(
                "SKIPPED: all-MiniLM-L6-v2: set TYPECASE_MINILM to its folder, which holds tokenizer.json"
            ),
        }
        for model in [VocabularyModel::Bpe, VocabularyModel::Unigram] {
            files.push(learnt(model, arguments.vocabulary, repository, data)?);
        }
    }
    files.iter().map(|file| Contestant::read(file, arguments.hostile)).collect()
}

/// A vocabulary of the training texts, learnt once and kept.
fn learnt(model: VocabularyModel, size: u32, repository: &Path, data: &Path) -> anyhow::Result<PathBuf> {
    let name = match model {
        VocabularyModel::WordPiece => "wordpiece",
        VocabularyModel::Bpe => "bpe",
        VocabularyModel::Unigram => "unigram",
    };
    let folder = repository.join("out/tokenizers");
    let file = folder.join(format!("{name}-{size}.json"));
    if !file.is_file() {
        eprintln!("note: a vocabulary is learnt: {}", file.display());
        let rows = texts::read(&data.join("agnews/train.csv"))?;
        let settings = VocabularySettings { model, size, lowercase: false, min_count: 2 };
        let json = learn(rows.iter().map(|row| row.text.as_str()), &settings)?;
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        std::fs::write(&file, json).with_context(|| file.display().to_string())?;
    }
    Ok(file)
}

impl Contestant {
    /// `whole`: with all ids of a text.
    fn read(file: &Path, whole: bool) -> anyhow::Result<Self> {
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| shown.to_string())?;
        let mut json: Value = serde_json::from_str(&text).with_context(|| shown.to_string())?;
        // The same for both: no padding, and as many ids as models of this kind take.
        json["padding"] = Value::Null;
        json["truncation"] = match whole {
            true => Value::Null,
            false => {
                json!({"direction": "Right", "max_length": MOST, "strategy": "LongestFirst", "stride": 0})
            }
        };
        let compiled = compile_value(&json, &Options::default()).with_context(|| shown.to_string())?;
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = match stem(file).as_str() {
            "tokenizer" => file.parent().map(stem).unwrap_or_default(),
            other => other.to_owned(),
        };
        let name = format!("{name} ({})", compiled.model);
        Ok(Self { name, json, pieces: compiled.pieces, table: compiled.table })
    }

    /// One line of the table; whether the ids are the same.
    fn race(&self, texts: &[String], rounds: u32) -> anyhow::Result<bool> {
        let json = self.json.to_string();
        let (reference, load) = machine::time(|| json.parse::<tokenizers::Tokenizer>());
        let reference = reference.map_err(|error| anyhow::anyhow!("{}: {error}", self.name))?;
        let opened: Vec<f64> = (0..21)
            .map(|_| {
                machine::time(|| black_box(Tokenizer::parse(black_box(&self.table))).is_ok()).1.wall * 1e6
            })
            .collect();
        let tokenizer = Tokenizer::parse(&self.table)?;
        let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
        let mut scratch = Scratch::new(&mut cells);
        let mut ids = [0; MOST];

        let mut differing = 0;
        for text in texts {
            let encoded = tokenizer.encode_into(text.as_bytes(), &mut ids, &mut scratch)?;
            let expected = reference.encode(text.as_str(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
            differing += usize::from(ids[..encoded.len] != *expected.get_ids());
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let a_text = 1e6 / texts.len() as f64;
        for round in 0..=rounds {
            let (done, took) = machine::time(|| {
                texts.iter().try_fold(0, |sum, text| {
                    tokenizer
                        .encode_into(text.as_bytes(), &mut ids, &mut scratch)
                        .map(|found| sum + found.len)
                })
            });
            black_box(done?);
            let (_, peer) = machine::time(|| {
                texts
                    .iter()
                    .filter_map(|text| reference.encode(text.as_str(), true).ok())
                    .map(|found| found.len())
                    .sum::<usize>()
            });
            if round > 0 {
                ours.push(took.wall * a_text);
                theirs.push(peer.wall * a_text);
            }
        }
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours).collect();
        let [opened, ours, theirs, ratios] =
            [&opened, &ours, &theirs, &ratios].map(|series| Summary::of(series));
        println!(
            "| {} | {} | {} | {} | {:.0} | {:.0} | {:.2} | {:.1} | **{:.1}** | {:.1} to {:.1} | {} |",
            self.name,
            self.pieces,
            self.table.len(),
            tokenizer.scratch_cells() * size_of::<Cell>(),
            opened.median,
            load.wall * 1e6,
            ours.median,
            theirs.median,
            theirs.median / ours.median,
            ratios.lower_quartile,
            ratios.upper_quartile,
            if differing == 0 { "equal".to_owned() } else { format!("{differing} texts differ") },
        );
        Ok(differing == 0)
    }

    /// A table of hostile texts; whether the time of each grows with its length.
    fn hostile(&self) -> anyhow::Result<bool> {
        println!(
            "\n{}: ns a byte at {HOSTILE_BYTES} bytes; growth when doubled, below {GROWTH}\n",
            self.name
        );
        println!("| text | whole | growth | in pieces | growth |");
        println!("| --- | --- | --- | --- | --- |");
        let tokenizer = Tokenizer::parse(&self.table)?;
        let mut fine = true;
        for (name, text) in hostile() {
            let twice = [text.as_slice(), &text].concat();
            let mut line = format!("| {name} |");
            for in_pieces in [false, true] {
                let ratio = growth(&tokenizer, &text, &twice, in_pieces)?;
                fine &= ratio.1 < GROWTH;
                line += &format!(" {:.1} | {:.2} |", ratio.0, ratio.1);
            }
            println!("{line}");
        }
        Ok(fine)
    }
}

/// Nanoseconds a byte of a text, and how many times as long the text that stands twice takes: the least of nine each.
fn growth(
    tokenizer: &Tokenizer<'_>,
    text: &[u8],
    twice: &[u8],
    in_pieces: bool,
) -> anyhow::Result<(f64, f64)> {
    let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
    let mut scratch = Scratch::new(&mut cells);
    let mut window = vec![0; tokenizer.window_bytes()];
    // Every token is wanted, so that the whole text is read.
    let mut ids = vec![0; twice.len() * 3 + 16];
    let mut seconds = |text: &[u8]| -> anyhow::Result<f64> {
        let (done, took) = machine::time(|| {
            let output = typecase_text::subword::Output { ids: &mut ids, spans: &mut [], special: false };
            if !in_pieces {
                return tokenizer.encode(text, output, &mut scratch);
            }
            let mut stream = tokenizer.stream(output, &mut scratch, &mut window)?;
            text.chunks(61).for_each(|chunk| stream.push(chunk));
            stream.finish()
        });
        ensure!(done?.bytes_read == text.len(), "a text was not read to its end");
        Ok(took.processor)
    };
    let (mut once, mut double) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..9 {
        once = once.min(seconds(text)?);
        double = double.min(seconds(twice)?);
    }
    Ok((once * 1e9 / text.len() as f64, double / once))
}

/// Texts that broke others.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let repeat = |part: &str| part.repeat(HOSTILE_BYTES / part.len()).into_bytes();
    let every: String = (0..=0x10_FFFF).filter_map(char::from_u32).collect();
    let three: Vec<u8> = (0..1 << 19)
        .flat_map(|bits: u32| [0x80 | (bits >> 12) as u8, 0x80 | (bits >> 6 & 0x7F) as u8, bits as u8])
        .collect();
    vec![
        ("one character", repeat("^")),
        ("one letter", repeat("a")),
        ("one digit", repeat("7")),
        ("spaces", repeat(" ")),
        ("zeros", vec![0; HOSTILE_BYTES]),
        ("line ends", repeat("\r\n")),
        ("apostrophes", repeat("'")),
        ("combining marks", repeat("\u{301}")),
        ("letters with marks out of order", repeat("e\u{301}\u{327}")),
        ("ligatures that grow", repeat("\u{fdfa}")),
        ("capitals that grow", repeat("\u{130}")),
        ("Han", repeat("\u{4e00}")),
        ("Hangul letters", repeat("\u{1100}\u{1161}\u{11a8}")),
        ("joined emoji", repeat("\u{1F468}\u{200D}\u{1F469}\u{200D}")),
        ("flags", repeat("\u{1f1e6}\u{1f1e7}")),
        ("visible spaces", repeat("\u{2581}")),
        ("prefixes of pieces", repeat("##")),
        ("special tokens", repeat("[CLS]<s></s>[MASK]<mask>")),
        ("beginnings of special tokens", repeat("[MAS<mas")),
        ("words", repeat("Oil prices soar to an all-time record, ")),
        ("every code point", every.into_bytes()),
        ("three bytes of every kind", three),
        ("bytes that are no text", vec![0xFF; HOSTILE_BYTES]),
        ("first bytes alone", vec![0xF0; HOSTILE_BYTES]),
    ]
}
