//! `typecase tokenize`: texts in, ids and the bytes that each comes from out.

use std::io::{BufReader, BufWriter, Write};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use typecase::Case;
use typecase::engine::Payload;
use typecase_convert::tokenizer::{self, Compiled, MAX_TOKENS};
use typecase_text::subword::template::Span;
use typecase_text::subword::{Cell, Output, Scratch, Tokenizer};

use crate::failure::Failure;
use crate::input;

/// Show the ids of texts.
#[derive(Debug, Args)]
pub(crate) struct Tokenize {
    /// The case whose tokenizer it is; without it the one that is built in
    #[arg(long, value_name = "FILE", conflicts_with = "tokenizer")]
    case: Option<PathBuf>,
    /// A tokenizer.json of Hugging Face tokenizers
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// The texts; - for standard input, one text a line
    #[arg(value_name = "TEXT", required = true)]
    texts: Vec<String>,
    /// Most ids of a text, instead of what the tokenizer says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TOKENS)))]
    max_tokens: Option<u32>,
    /// Print one JSON object a text
    #[arg(long)]
    json: bool,
}

/// What a text became: a line of `--json`.
#[derive(Debug, Default, Serialize)]
struct Line {
    ids: Vec<u32>,
    /// First byte and end of what each id comes from; both 0 for what is put around the text.
    offsets: Vec<(usize, usize)>,
    truncated: bool,
    unknown: u32,
    invalid_utf8: u32,
    forced_cuts: u32,
    /// Which ids are no padding.
    #[serde(skip)]
    attended: Range<usize>,
}

impl Tokenize {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if let Some(path) = &self.tokenizer {
            let compiled = compile(path, self.max_tokens)?;
            let tokenizer = Tokenizer::view(&compiled.table).map_err(|e| refused(path, &e))?;
            let mut subword = Subword::new(tokenizer, true);
            return self.each(|text| subword.line(text));
        }
        let case = input::open(self.case.as_deref())?;
        if let Some(tokenizer) = case.tokenizer() {
            if let Some(most) = self.max_tokens {
                let message =
                    format!("--max-tokens {most} found, a case with a sub-word tokenizer has its own limit");
                return Err(Failure::input(message).help("typecase tokenize --tokenizer FILE.json takes any"));
            }
            // A bag is the sum of its tokens: it has no use for special ones.
            let mut subword = Subword::new(tokenizer, !matches!(case.payload(), Payload::Bag(_)));
            return self.each(|text| subword.line(text));
        }
        let most = self.max_tokens.map_or(case.cost().ids, |most| most as usize);
        self.each(|text| Ok(of_ngrams(&case, text, most)))
    }

    /// Reads the texts, and prints what becomes of each.
    fn each(&self, mut tokenize: impl FnMut(&[u8]) -> Result<Line, Failure>) -> Result<(), Failure> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let mut one = |text: &[u8], flush: bool| -> Result<(), Failure> {
            let line = tokenize(text)?;
            if self.json {
                writeln!(out, "{}", serde_json::to_string(&line).unwrap_or_default())?;
            } else {
                line.print(text, &mut out)?;
            }
            if flush {
                out.flush()?;
            }
            Ok(())
        };
        for text in &self.texts {
            if text == "-" {
                // Whoever writes line by line wants answers line by line.
                let mut input = BufReader::new(std::io::stdin().lock());
                input::lines(&mut input, "standard input", |text| one(text, true))?;
            } else {
                one(text.as_bytes(), false)?;
            }
        }
        Ok(out.flush()?)
    }
}

impl Line {
    /// The text, then a line for each id that is no padding: the id, its bytes, and what stands there.
    fn print(&self, text: &[u8], out: &mut impl Write) -> Result<(), Failure> {
        let mut notes = String::new();
        if self.truncated {
            notes += "  [cut: the text is longer than is looked at]";
        }
        for (count, what) in [
            (self.unknown, "unknown"),
            (u32::try_from(self.ids.len() - self.attended.len()).unwrap_or(u32::MAX), "of padding"),
            (self.invalid_utf8, "invalid in UTF-8"),
            (self.forced_cuts, "cut by force, ids may differ from the reference"),
        ] {
            if count > 0 {
                notes += &format!("  [{count} {what}]");
            }
        }
        writeln!(out, "{}\t{} ids{notes}", String::from_utf8_lossy(text).escape_debug(), self.ids.len())?;
        let placed = self.ids.iter().zip(&self.offsets);
        for (id, (start, end)) in placed.skip(self.attended.start).take(self.attended.len()) {
            let source = text.get(*start..*end).unwrap_or_default();
            let source = String::from_utf8_lossy(source);
            writeln!(out, "{id:>8}  {:<9}  {}", format!("{start}..{end}"), source.escape_debug())?;
        }
        Ok(())
    }
}

/// Compiles a `tokenizer.json`.
fn compile(path: &Path, max_tokens: Option<u32>) -> Result<Compiled, Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::file(path.display(), &e))?;
    let json = std::str::from_utf8(&bytes).map_err(|e| refused(path, &e))?;
    let options = tokenizer::Options { max_tokens, ..tokenizer::Options::default() };
    tokenizer::compile(json, &options).map_err(|e| refused(path, &e))
}

fn refused(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::input(format!("{}: {error}", path.display()))
}

/// A sub-word tokenizer, and the memory that it works in.
///
/// Its truncation is that of its table.
struct Subword<'t> {
    tokenizer: Tokenizer<'t>,
    cells: Vec<Cell>,
    ids: Vec<u32>,
    spans: Vec<Span>,
    /// With special tokens.
    special: bool,
}

impl<'t> Subword<'t> {
    fn new(tokenizer: Tokenizer<'t>, special: bool) -> Self {
        let cells = vec![Cell::default(); tokenizer.scratch_cells()];
        Self { tokenizer, cells, ids: Vec::new(), spans: Vec::new(), special }
    }

    fn line(&mut self, text: &[u8]) -> Result<Line, Failure> {
        let mut room = self.ids.len().max(1024);
        let encoded = loop {
            self.ids.resize(room, 0);
            self.spans.resize(room, Span::default());
            let output = Output { ids: &mut self.ids, spans: &mut self.spans, special: self.special };
            match self.tokenizer.encode(text, output, &mut Scratch::new(&mut self.cells)) {
                // Tokens beyond the memory are not looked at: how many there will be is not known.
                Ok(encoded) if encoded.placed.lost > 0 => room = room.saturating_mul(2),
                Ok(encoded) => break encoded,
                Err(short) if short.needed > room => room = short.needed,
                Err(short) => return Err(Failure::input(short.to_string())),
            }
        };
        let offset = |span: &Span| (span.start as usize, span.end as usize);
        Ok(Line {
            ids: self.ids.iter().take(encoded.len).copied().collect(),
            offsets: self.spans.iter().take(encoded.len).map(offset).collect(),
            truncated: encoded.truncated,
            unknown: encoded.unknown,
            invalid_utf8: encoded.invalid_utf8,
            forced_cuts: encoded.forced_cuts,
            attended: encoded.placed.attended,
        })
    }
}

/// The rows of a case that the n-grams of a text have.
fn of_ngrams(case: &Case, text: &[u8], most: usize) -> Line {
    let mut line = Line::default();
    let (Some(ngrams), Some(vocabulary)) = (case.ngrams(), case.vocabulary()) else { return line };
    let report = ngrams.scan_places(text, |placed| {
        let Some(id) = vocabulary.id(placed.feature) else {
            line.unknown += u32::from(placed.is_word);
            return ControlFlow::Continue(());
        };
        if line.ids.len() == most {
            return ControlFlow::Break(());
        }
        line.ids.push(id);
        line.offsets.push((placed.bytes.start, placed.bytes.end));
        ControlFlow::Continue(())
    });
    let attended = 0..line.ids.len();
    Line { truncated: report.truncated, invalid_utf8: report.invalid_utf8, attended, ..line }
}
