//! all-MiniLM-L6-v2, where it is: `TYPECASE_MINILM` names its folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};

use typecase_kernels::encoder::Cpu;

use super::run::{cosine, run};
use crate::encoder::head::highest;
use crate::encoder::{EncoderPooling, ImportOptions, Network, TextIds, bert::Bert, import, parallel, pooled};

/// The folder of the model, or a loud skip.
fn folder(what: &str) -> Option<PathBuf> {
    let folder = env::var_os("TYPECASE_MINILM").map(PathBuf::from);
    if folder.is_none() {
        skipped(what, "no model; set TYPECASE_MINILM to the folder of all-MiniLM-L6-v2");
    }
    folder
}

/// As `xtask::skip`, which this package does not depend on.
fn skipped(what: &str, why: &str) {
    let line = format!("SKIPPED: {what}: {why}");
    eprintln!("{line}");
    if let Some(log) = env::var_os("TYPECASE_SKIP_LOG") {
        let file = fs::OpenOptions::new().create(true).append(true).open(log);
        file.and_then(|mut file| writeln!(file, "{line}")).expect("the log of skips can be written");
    }
}

#[test]
fn related_sentences_lie_nearer_than_others() {
    let Some(folder) = folder("sentences of the real network") else { return };
    let (bert, ids) = (Bert::load(&folder).unwrap(), TextIds::open(&folder, 128).unwrap());
    let row = |text: &str| pooled(&bert, EncoderPooling::Mean, &ids.ids(text)).unwrap();
    let rows =
        ["A man is eating food.", "A man eats a piece of bread.", "The stock market fell sharply today."]
            .map(row);
    let (near, far) = (cosine(&rows[0], &rows[1]), cosine(&rows[0], &rows[2]));
    assert!(near > 0.6 && far < 0.2, "near {near}, far {far}");
    // The first numbers of the first one, as a program of its own in Python has them.
    for (got, expected) in rows[0].iter().zip([0.187_239, 0.024_818, -0.035_356, 0.272_502]) {
        assert!((got - expected).abs() < 1e-5, "{got}, expected {expected}");
    }
}

/// Labelled texts from the front of the training split, and from its end.
fn news(data: &Path, front: usize, end: usize) -> [Vec<(String, u32)>; 2] {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(data).unwrap();
    let rows: Vec<(String, u32)> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            let label = row[0].parse::<u32>().unwrap() - 1;
            let fields: Vec<&str> = row.iter().skip(1).filter(|field| !field.trim().is_empty()).collect();
            (fields.join(" "), label)
        })
        .collect();
    [rows[..front].to_vec(), rows[rows.len() - end..].to_vec()]
}

struct Figures {
    accuracy_float: f64,
    accuracy_integer: f64,
    same: f64,
    mean_cosine: f64,
    least_cosine: f64,
}

/// Both networks over the same texts.
fn compare(
    network: &Network,
    section: &[u8],
    ids: &TextIds,
    texts: &[(String, u32)],
    pooled_scale: f32,
) -> Figures {
    let cpu = Cpu::detect();
    let rows = parallel::map(texts, |(text, label)| {
        let ids = ids.ids(text);
        let float = network.pooled(&ids)?;
        let (pooled, scores) = run(section, cpu, &ids);
        let pooled: Vec<f32> = pooled.iter().map(|y| f32::from(*y) * pooled_scale).collect();
        let labels = (highest(&network.head.logits(&float)), highest(&scores), *label as usize);
        Ok::<_, crate::encoder::ImportError>((cosine(&float, &pooled), labels))
    })
    .unwrap();
    let share = |right: &dyn Fn(&(usize, usize, usize)) -> bool| {
        rows.iter().filter(|(_, labels)| right(labels)).count() as f64 / rows.len() as f64
    };
    Figures {
        accuracy_float: share(&|(float, _, label)| float == label),
        accuracy_integer: share(&|(_, integer, label)| integer == label),
        same: share(&|(float, integer, _)| float == integer),
        mean_cosine: rows.iter().map(|(cosine, _)| cosine).sum::<f64>() / rows.len() as f64,
        least_cosine: rows.iter().map(|(cosine, _)| *cosine).fold(1.0, f64::min),
    }
}

/// `official`: judged on the test split, else on the last texts of the training split.
fn measure(what: &str, front: usize, end: usize, official: bool) -> Option<Figures> {
    let folder = folder(what)?;
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let data = env::var_os("TYPECASE_DATA").map_or_else(|| top.join("shared/data"), PathBuf::from);
    let data = data.join("agnews");
    if !data.is_dir() {
        skipped(what, "no labelled texts; set TYPECASE_DATA to the folder of agnews");
        return None;
    }
    let [train, mut validation] = news(&data.join("train.csv"), front, end);
    if official {
        [_, validation] = news(&data.join("test.csv"), 0, end);
    }
    let options = ImportOptions::default();
    let ids = TextIds::open(&folder, options.max_tokens).unwrap();
    let begin = Instant::now();
    let imported = import(&folder, &train, 4, &|text| ids.ids(text), &options).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    let figures = compare(&imported.reference, &imported.section, &ids, &validation, imported.pooled_scale);
    eprintln!(
        "{front} texts, {end} to validate: accuracy f32 {:.2} %, integers {:.2} %, same label {:.2} %, cosine mean {:.4}, \
         least {:.4}; {} bytes, {seconds:.0} s; {:?}",
        100.0 * figures.accuracy_float,
        100.0 * figures.accuracy_integer,
        100.0 * figures.same,
        figures.mean_cosine,
        figures.least_cosine,
        imported.section.len(),
        imported.report
    );
    Some(figures)
}

#[test]
fn integers_keep_the_labels_of_the_real_network() {
    let Some(figures) = measure("integers of the real network", 800, 300, false) else { return };
    assert!(figures.mean_cosine > 0.985 && figures.least_cosine > 0.95);
    assert!(figures.same > 0.94, "{} have the same label", figures.same);
}

/// Minutes in a release build: only where `TYPECASE_IMPORT_FULL` is set.
#[test]
fn integers_lose_little_accuracy() {
    if env::var_os("TYPECASE_IMPORT_FULL").is_none() {
        return skipped("the accuracy of the real network as integers", "minutes; set TYPECASE_IMPORT_FULL");
    }
    let Some(figures) = measure("accuracy of the real network", 8000, 2000, false) else { return };
    assert!(figures.accuracy_integer > figures.accuracy_float - 0.006);
}

/// For reporting, never for choosing: only where `TYPECASE_IMPORT_OFFICIAL` is set.
#[test]
fn integers_keep_the_accuracy_on_the_official_test() {
    let what = "the official accuracy of the real network as integers";
    if env::var_os("TYPECASE_IMPORT_OFFICIAL").is_none() {
        return skipped(what, "minutes; set TYPECASE_IMPORT_OFFICIAL");
    }
    let Some(figures) = measure(what, 8000, 7600, true) else { return };
    assert!(figures.accuracy_integer > figures.accuracy_float - 0.006);
}
