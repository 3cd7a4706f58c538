//! The parts of a bag: opening, tokenizer, look-up, the whole. For people; claims are made by `peers`.
//!
//! ```text
//! cargo bench -p typecase-benches --bench bag
//! ```
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use criterion::{Criterion, Throughput};
use typecase::engine::{self, NgramSpec, Ngrams, Vocabulary};
use typecase::{Case, Options};
use typecase_benches::texts;

const LONG_TEXT_BYTES: usize = 64 * 1024;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let repository = typecase_benches::repository();
    let path = std::env::var_os("TYPECASE_CASE")
        .map_or_else(|| repository.join("models/news-64k.case"), PathBuf::from);
    if std::fs::metadata(&path).map_or(0, |metadata| metadata.len()) == 0 {
        eprintln!("SKIPPED: {} is absent or empty; TYPECASE_CASE names another case", path.display());
        return Ok(());
    }
    let case = typecase::open(&path)?;
    let rows = texts::read(&repository.join("models/sample/news.csv"))?;
    let mut sample: Vec<String> = rows.into_iter().map(|row| row.text).collect();

    open(&mut criterion, &path, &case);
    all_texts(&mut criterion, &case, &sample)?;
    sample.sort_by_key(String::len);
    let typical = sample.get(sample.len() / 2).context("the sample is empty")?;
    one_text(&mut criterion, &case, typical)?;
    long_text(&mut criterion, &case, &of_length(&sample, LONG_TEXT_BYTES))?;
    criterion.final_summary();
    Ok(())
}

/// What a bag's texts are cut with, and which features have a row.
fn tokenizer(case: &Case) -> anyhow::Result<(Ngrams, Vocabulary<'_>)> {
    case.ngrams().zip(case.vocabulary()).context("the case has no bag")
}

/// From a file, and from bytes that are there already; both check the digest and every rule.
fn open(criterion: &mut Criterion, path: &Path, case: &Case) {
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Bytes(case.bytes().len() as u64));
    group.bench_function("file", |b| b.iter(|| typecase::open(black_box(path))));
    group.bench_function("bytes", |b| b.iter(|| engine::Case::parse(black_box(case.bytes()))));
    group.finish();
}

/// All texts of the sample in turn: the branches are those of real text, not of one text learnt by heart.
fn all_texts(criterion: &mut Criterion, case: &Case, sample: &[String]) -> anyhow::Result<()> {
    let (ngrams, vocabulary) = tokenizer(case)?;
    let mut session = typecase::prepare(case, &Options::default())?.session();
    let mut memory = vec![0; 8 * LONG_TEXT_BYTES];
    let mut group = criterion.benchmark_group("all_texts");
    group.throughput(Throughput::Elements(sample.len() as u64));
    group.bench_function("classify", |b| {
        b.iter(|| {
            for text in sample {
                let _ = black_box(session.classify(black_box(text)));
            }
        });
    });
    group.bench_function("features", |b| {
        b.iter(|| {
            for text in sample {
                black_box(ngrams.features_into(black_box(text.as_bytes()), &mut memory));
            }
        });
    });
    group.bench_function("encode", |b| {
        b.iter(|| {
            for text in sample {
                black_box(ngrams.encode_into(black_box(text.as_bytes()), &vocabulary, &mut memory));
            }
        });
    });
    group.finish();
    Ok(())
}

/// The text of median length, again and again.
fn one_text(criterion: &mut Criterion, case: &Case, text: &str) -> anyhow::Result<()> {
    let (ngrams, vocabulary) = tokenizer(case)?;
    let mut session = typecase::prepare(case, &Options::default())?.session();
    let mut memory = vec![0; 8 * text.len() + 8];
    let mut group = criterion.benchmark_group("one_text");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("classify", |b| b.iter(|| session.classify(black_box(text)).map(|v| v.label_index)));
    group.bench_function("features", |b| {
        b.iter(|| ngrams.features_into(black_box(text.as_bytes()), &mut memory));
    });
    group.bench_function("encode", |b| {
        b.iter(|| ngrams.encode_into(black_box(text.as_bytes()), &vocabulary, &mut memory));
    });
    group.finish();
    Ok(())
}

/// 64 KiB: bytes a second of the tokenizer and the look-up, which see all of it, and of the whole if the case does.
fn long_text(criterion: &mut Criterion, case: &Case, text: &str) -> anyhow::Result<()> {
    let max_bytes = u32::try_from(text.len())?;
    let (ngrams, vocabulary) = tokenizer(case)?;
    let ngrams = Ngrams::new(NgramSpec { max_bytes, ..ngrams.spec() })?;
    let mut memory = vec![0; 8 * text.len()];
    ensure!(
        !ngrams.features_into(text.as_bytes(), &mut memory).truncated,
        "the long text has too many features"
    );
    let mut session = typecase::prepare(case, &Options::default())?.session();
    let truncated = session.classify(text)?.truncated;

    let mut group = criterion.benchmark_group("long_text");
    if truncated {
        eprintln!(
            "note: the case cuts a text of {max_bytes} bytes: long_text/classify_cut has no bytes a second"
        );
        group.bench_function("classify_cut", |b| {
            b.iter(|| session.classify(black_box(text)).map(|v| v.label_index))
        });
    }
    group.throughput(Throughput::Bytes(text.len() as u64));
    if !truncated {
        group.bench_function("classify", |b| {
            b.iter(|| session.classify(black_box(text)).map(|v| v.label_index))
        });
    }
    group.bench_function("features", |b| {
        b.iter(|| ngrams.features_into(black_box(text.as_bytes()), &mut memory));
    });
    group.bench_function("encode", |b| {
        b.iter(|| ngrams.encode_into(black_box(text.as_bytes()), &vocabulary, &mut memory));
    });
    group.finish();
    Ok(())
}

/// The texts strung together, again if need be, and cut at most 3 bytes short of `bytes`.
fn of_length(texts: &[String], bytes: usize) -> String {
    let mut long = String::with_capacity(bytes + 4096);
    for text in texts.iter().cycle() {
        if long.len() >= bytes {
            break;
        }
        long.push_str(text);
        long.push(' ');
    }
    long.truncate(long.floor_char_boundary(bytes));
    long
}
