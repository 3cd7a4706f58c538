//! One tokenizer and the reference, over texts, on every core.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use typecase_convert::tokenizer::{Options, compile_value};
use typecase_text::subword::{Cell, Encoded, Output, Scratch, Span, Tokenizer};

use crate::generate::{Recipe, Source};

/// The most ids of a text.
const MOST: usize = 1 << 16;
/// Texts that a thread takes at once.
const BATCH: usize = 2000;
/// Mismatches that are shown.
const SHOWN: usize = 5;

/// A tokenizer and the reference, of one `tokenizer.json`.
pub(crate) struct Pair {
    table: Vec<u8>,
    reference: tokenizers::Tokenizer,
}

/// What came of a run.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) rows: usize,
    pub(crate) generated: usize,
    pub(crate) mismatches: usize,
    /// Texts that were cut by force, which are not compared.
    pub(crate) forced: usize,
    pub(crate) shown: Vec<String>,
}

impl Pair {
    /// Both, or why it is refused.
    pub(crate) fn new(json: &Value) -> Result<Self, String> {
        let compiled = compile_value(json, &Options::default()).map_err(|error| error.to_string())?;
        let reference = json.to_string().parse().map_err(|error| format!("by the reference: {error}"))?;
        Ok(Self { table: compiled.table, reference })
    }

    pub(crate) fn table(&self) -> &[u8] {
        &self.table
    }
}

/// Compares every row, then `strings` generated texts.
pub(crate) fn run(pair: &Pair, rows: &[String], texts: &Recipe, strings: usize) -> Tally {
    let total = Mutex::new(Tally { rows: rows.len(), generated: strings, ..Tally::default() });
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let tokenizer = Tokenizer::parse(&pair.table).unwrap();
                let mut worker = Worker::new(&tokenizer, &pair.reference);
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= rows.len() + strings {
                        break;
                    }
                    let end = (first + BATCH).min(rows.len() + strings);
                    for at in first..end {
                        match rows.get(at) {
                            Some(row) => worker.compare(row.as_bytes(), at as u64),
                            // A text depends on its number alone, however many threads there are.
                            None => {
                                let number = (at - rows.len()) as u64;
                                worker.compare(&Source::new(texts, number).text(), number);
                            }
                        }
                    }
                }
                worker.add_to(&mut total.lock().unwrap());
            });
        }
    });
    total.into_inner().unwrap()
}

/// One thread's memory.
struct Worker<'p> {
    tokenizer: &'p Tokenizer<'p>,
    reference: &'p tokenizers::Tokenizer,
    cells: Vec<Cell>,
    window: Vec<u8>,
    ids: Vec<u32>,
    spans: Vec<Span>,
    mismatches: usize,
    forced: usize,
    shown: Vec<String>,
}

impl<'p> Worker<'p> {
    fn new(tokenizer: &'p Tokenizer<'p>, reference: &'p tokenizers::Tokenizer) -> Self {
        Self {
            tokenizer,
            reference,
            cells: vec![Cell::default(); tokenizer.scratch_cells()],
            window: vec![0; tokenizer.window_bytes()],
            ids: vec![0; MOST],
            spans: vec![Span::default(); MOST],
            mismatches: 0,
            forced: 0,
            shown: Vec::new(),
        }
    }

    /// A text of any bytes, whole and in pieces whose sizes follow from `number`.
    fn compare(&mut self, bytes: &[u8], number: u64) {
        let mut scratch = Scratch::new(&mut self.cells);
        let output = Output { ids: &mut self.ids, spans: &mut self.spans, special: true };
        let encoded = self.tokenizer.encode(bytes, output, &mut scratch).unwrap();
        let same_in_pieces = self.in_pieces(bytes, number, &encoded);
        if encoded.forced_cuts > 0 {
            self.forced += 1;
            if !same_in_pieces {
                self.wrong(bytes, "in pieces it gives other ids than whole");
            }
            return;
        }
        let (ids, spans) = (&self.ids[..encoded.len], &self.spans[..encoded.len]);
        let text = String::from_utf8_lossy(bytes);
        let expected = self.reference.encode(text.as_ref(), true).unwrap();
        let is_valid = encoded.invalid_utf8 == 0;
        let places = || spans.iter().map(|span| (span.start as usize, span.end as usize));
        let words = || spans.iter().map(|span| (span.word != Span::NO_WORD).then_some(span.word));
        let same = ids == expected.get_ids()
            // In the text that the reference was given, every invalid part has three bytes.
            && (!is_valid || places().eq(expected.get_offsets().iter().copied()))
            && words().eq(expected.get_word_ids().iter().copied())
            // What is beyond the last id was not looked at.
            && (encoded.truncated || is_valid == matches!(text, std::borrow::Cow::Borrowed(_)))
            && encoded.truncated != expected.get_overflowing().is_empty();
        if !same {
            let difference = format!(
                "\n    ours      {ids:?} {:?} {:?}\n    reference {:?} {:?} {:?}",
                places().collect::<Vec<_>>(),
                words().collect::<Vec<_>>(),
                expected.get_ids(),
                expected.get_offsets(),
                expected.get_word_ids()
            );
            self.wrong(bytes, &difference);
        } else if !same_in_pieces {
            self.wrong(bytes, "in pieces it gives other ids than whole");
        }
    }

    fn in_pieces(&mut self, bytes: &[u8], number: u64, whole: &Encoded) -> bool {
        let mut ids = vec![0; self.ids.len().min(whole.len.max(256) + 256)];
        let mut spans = vec![Span::default(); ids.len()];
        let mut scratch = Scratch::new(&mut self.cells);
        let output = Output { ids: &mut ids, spans: &mut spans, special: true };
        let mut stream = self.tokenizer.stream(output, &mut scratch, &mut self.window).unwrap();
        let (mut rest, mut state) = (bytes, number);
        while !rest.is_empty() {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let len = 1 + (state >> 58) as usize * usize::from(state >> 40 & 3 != 0);
            let (piece, others) = rest.split_at(len.min(rest.len()));
            stream.push(piece);
            rest = others;
        }
        let encoded = stream.finish().unwrap();
        encoded == *whole
            && ids[..encoded.len] == self.ids[..encoded.len]
            && spans[..encoded.len] == self.spans[..encoded.len]
    }

    fn wrong(&mut self, bytes: &[u8], difference: &str) {
        self.mismatches += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{:?}: {difference}", String::from_utf8_lossy(bytes)));
        }
    }

    fn add_to(self, tally: &mut Tally) {
        tally.mismatches += self.mismatches;
        tally.forced += self.forced;
        let room = SHOWN - tally.shown.len();
        tally.shown.extend(self.shown.into_iter().take(room));
    }
}
