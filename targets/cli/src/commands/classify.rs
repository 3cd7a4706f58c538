//! `typecase classify`: texts in, verdicts out.

use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use typecase::{Runnable, Session};

use crate::failure::Failure;
use crate::format::rounded;
use crate::input::{self, CaseArguments};

/// Classify texts.
#[derive(Debug, Args)]
pub(crate) struct Classify {
    #[command(flatten)]
    case: CaseArguments,
    /// The texts; - for standard input, one text a line
    #[arg(value_name = "TEXT", required_unless_present = "file", conflicts_with = "file")]
    texts: Vec<String>,
    /// A file, one text a line
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How many classes to show
    #[arg(long, default_value_t = 1, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,
    /// Show what each word adds to the verdict: the text is classified again without it
    #[arg(long)]
    explain: bool,
    /// Print one JSON object a text
    #[arg(long)]
    json: bool,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    label: &'a str,
    label_index: u32,
    probability: f64,
    scores: &'a [i32],
    score_scale: f32,
    top: &'a [(String, f64)],
    truncated: bool,
    unknown_share: f64,
    abstain: bool,
    tokens: u32,
    invalid_utf8: u32,
    backend: &'a str,
    microseconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<&'a [Weight]>,
}

/// What a word adds to a verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Weight {
    word: String,
    /// What the verdict's class loses in probability when the word is left out; negative if it gains.
    probability: f64,
}

impl Classify {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runnable = self.case.prepare()?;
        let mut session = runnable.session();
        let mut out = BufWriter::new(std::io::stdout().lock());
        let mut one = |text: &[u8], flush: bool| -> Result<(), Failure> {
            self.one(&runnable, &mut session, text, &mut out)?;
            if flush {
                out.flush()?;
            }
            Ok(())
        };
        if let Some(path) = &self.file {
            let file = std::fs::File::open(path).map_err(|e| Failure::file(path.display(), &e))?;
            let name = path.display().to_string();
            input::lines(&mut BufReader::new(file), &name, |text| one(text, false))?;
        }
        for text in &self.texts {
            if text == "-" {
                // Whoever writes line by line wants answers line by line.
                input::lines(&mut std::io::stdin().lock(), "standard input", |text| one(text, true))?;
            } else {
                one(text.as_bytes(), false)?;
            }
        }
        out.flush()?;
        input::note_lost(&runnable);
        Ok(())
    }

    fn one(
        &self,
        runnable: &Runnable,
        session: &mut Session,
        text: &[u8],
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let explained = if self.explain { Some(explain(session, text)?) } else { None };
        let started = Instant::now();
        let verdict = session.classify(text)?;
        let microseconds = rounded(started.elapsed().as_secs_f64() * 1e6, 2);
        let labels = runnable.case().labels();
        let mut best = vec![0; usize::from(self.top).min(verdict.scores.len())];
        let count = verdict.top_into(&mut best);
        let top: Vec<(String, f64)> = best
            .iter()
            .take(count)
            .map(|&class| {
                let label = labels.name(class).unwrap_or_default().to_owned();
                (label, rounded(verdict.probability_of(class).into(), 6))
            })
            .collect();
        if self.json {
            let line = Line {
                label: verdict.label,
                label_index: verdict.label_index,
                probability: rounded(verdict.probability.into(), 6),
                scores: verdict.scores,
                score_scale: verdict.score_scale,
                top: &top,
                truncated: verdict.truncated,
                unknown_share: rounded(verdict.unknown_share().into(), 4),
                abstain: verdict.abstain,
                tokens: verdict.tokens,
                invalid_utf8: verdict.invalid_utf8,
                backend: verdict.backend,
                microseconds,
                explain: explained.as_deref(),
            };
            return Ok(writeln!(out, "{}", serde_json::to_string(&line).unwrap_or_default())?);
        }
        let shown: Vec<String> = top.iter().map(|(label, p)| format!("{label} {:.1} %", p * 100.0)).collect();
        let mut notes = String::new();
        if verdict.truncated {
            notes += "  [cut: the text is longer than the case looks at]";
        }
        if verdict.abstain {
            notes += "  [abstains: below the case's threshold]";
        }
        if verdict.words > 0 && verdict.unknown_words == verdict.words {
            notes += "  [no word is known]";
        }
        writeln!(out, "{}\t{}{notes}", shown.join(", "), String::from_utf8_lossy(text).escape_debug())?;
        for Weight { word, probability } in explained.iter().flatten() {
            writeln!(out, "  {:+6.1} points  {}", probability * 100.0, word.escape_debug())?;
        }
        Ok(())
    }
}

/// Leaves out each word in turn; the most telling first, ten at most.
fn explain(session: &mut Session, text: &[u8]) -> Result<Vec<Weight>, Failure> {
    let text = String::from_utf8_lossy(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let (class, whole) = {
        let verdict = session.classify(words.join(" "))?;
        (verdict.label_index, verdict.probability)
    };
    let mut weights = Vec::with_capacity(words.len());
    for left_out in 0..words.len() {
        let others = words.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, word)| *word);
        let without = session.classify(others.collect::<Vec<_>>().join(" "))?.probability_of(class);
        let probability = rounded(f64::from(whole) - f64::from(without), 6);
        weights.push(Weight { word: words[left_out].to_owned(), probability });
    }
    weights.sort_by(|a, b| b.probability.abs().total_cmp(&a.probability.abs()));
    weights.truncate(10);
    Ok(weights)
}
