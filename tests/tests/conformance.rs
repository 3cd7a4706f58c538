//! One suite for every engine, interface and CPU: golden vectors, texts of the official test, limits, hostile texts,
//! damaged cases, reports. What a target cannot do stands in `conformance/skips.txt`, a list that may only shrink.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

#[path = "conformance/skips.rs"]
mod skips;
#[path = "conformance/texts.rs"]
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

use skips::Skips;
use tempfile::TempDir;
use typecase_engine::{Case, Error, Integrity, classify};
use typecase_tests::{Scratch, minimal_case};
use xtask::targets::{Answer, Programs, Ready, Target};
use xtask::{skip, workspace_root};

/// The cases; the last is the minimal one of the suites, with a head, odd widths and limits that are soon reached.
const CASES: [&str; 3] = ["news-64k", "news-1m", "minimal"];
/// Texts of the official test.
const SAMPLE: usize = 500;
/// The exit code for input that is refused, and the one with which firmware stops.
const REFUSED: i32 = 2;
const STOPPED: i32 = 1;

/// What is asked of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// The golden vectors come out as they are written in the case.
    Golden(&'static str),
    /// Texts of the official test have the answers of the engine in this process.
    Sample(&'static str),
    /// So have texts at and over every limit.
    Limits(&'static str),
    /// So have texts that are hard on a tokenizer or an interface.
    Hostile(&'static str),
    /// So have the texts of a case with a sub-word tokenizer; a target without one refuses the case by that name.
    Subword,
    /// A case with a wrong byte in a section is refused, with the right exit code and reason.
    Errors,
    /// So is a case with a wrong byte in its header or its records.
    ErrorsOfHeader,
    /// A case that is cut, empty or too long is refused so.
    ErrorsOfLength,
    /// The target says which engine ran.
    Reports,
}

impl Check {
    /// All that a target is asked, in the order in which they run.
    fn of(target: Target) -> Vec<Self> {
        let mut all = Self::all();
        // Into the place of its only case in flash no other fits.
        all.retain(|check| *check != Self::Subword || target.only_case().is_none());
        all
    }

    /// All, in the order in which they run.
    fn all() -> Vec<Self> {
        let mut all: Vec<Self> = [Self::Golden, Self::Sample, Self::Limits, Self::Hostile]
            .iter()
            .flat_map(|kind| CASES.map(kind))
            // The minimal case knows no word of them.
            .filter(|check| *check != Self::Sample("minimal"))
            .collect();
        all.extend([Self::Subword, Self::Errors, Self::ErrorsOfHeader, Self::ErrorsOfLength, Self::Reports]);
        all
    }

    fn name(self) -> String {
        match self {
            Self::Golden(case) => format!("golden:{case}"),
            Self::Sample(case) => format!("sample:{case}"),
            Self::Limits(case) => format!("limits:{case}"),
            Self::Hostile(case) => format!("hostile:{case}"),
            Self::Subword => "subword".to_owned(),
            Self::Errors => "errors".to_owned(),
            Self::ErrorsOfHeader => "errors:header".to_owned(),
            Self::ErrorsOfLength => "errors:length".to_owned(),
            Self::Reports => "reports".to_owned(),
        }
    }

    fn run(self, ready: &Ready, place: &Place) -> Result<(), String> {
        match self {
            Self::Golden(case) => golden(ready, &place.open(case)),
            Self::Sample(case) => compare(ready, &place.open(case), &texts::sample(SAMPLE)),
            Self::Limits(case) => {
                let opened = place.open(case);
                compare(ready, &opened, &texts::limits(&opened.case, ready.target().line_bytes()))
            }
            Self::Hostile(case) => compare(ready, &place.open(case), &texts::hostile()),
            Self::Subword => subword(ready, place),
            Self::Errors => errors(ready, place, &DAMAGES),
            Self::ErrorsOfHeader => errors(ready, place, &DAMAGES_OF_HEADER),
            Self::ErrorsOfLength => errors(ready, place, &DAMAGES_OF_LENGTH),
            Self::Reports => reports(ready, &place.open(CASES[0])),
        }
    }
}

/// Where the cases are.
struct Place {
    folder: TempDir,
    root: PathBuf,
}

/// A case with its file.
struct Opened {
    path: PathBuf,
    case: Case<Vec<u8>>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap(), root: workspace_root().unwrap() };
        fs::write(place.path("minimal"), minimal_case()).unwrap();
        fs::write(place.path("subword"), typecase_tests::subword::minimal_case()).unwrap();
        place
    }

    fn path(&self, case: &str) -> PathBuf {
        match case {
            "minimal" | "subword" => self.folder.path().join(format!("{case}.case")),
            _ => self.root.join(format!("models/{case}.case")),
        }
    }

    fn open(&self, case: &str) -> Opened {
        let path = self.path(case);
        Opened { case: Case::parse(fs::read(&path).unwrap()).unwrap(), path }
    }
}

/// What the engine in this process says of the bytes of a text that the target looks at.
fn expected(case: &Case<Vec<u8>>, text: &[u8], target: Target) -> Answer {
    let text = &text[..target.line_bytes().unwrap_or(usize::MAX).min(text.len())];
    let mut scratch = Scratch::of(case);
    let verdict = classify(case, text, scratch.memory());
    Answer {
        label: verdict.label.to_owned(),
        scores: verdict.scores.to_vec(),
        truncated: verdict.truncated,
        abstain: verdict.abstain,
        invalid: verdict.invalid_utf8 > 0,
    }
}

fn compare(ready: &Ready, opened: &Opened, texts: &[Vec<u8>]) -> Result<(), String> {
    let ran = ready.classify(&opened.path, texts).map_err(|error| format!("{error:#}"))?;
    let pairs = texts.iter().zip(&ran.answers);
    let wrong: Vec<String> = pairs
        .map(|(text, found)| (text, found, expected(&opened.case, text, ready.target())))
        .filter(|(_, found, expected)| *found != expected)
        .map(|(text, found, expected)| {
            let start = String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned();
            format!("{} bytes {start:?}: {found:?}, needed {expected:?}", text.len())
        })
        .collect();
    match wrong.first() {
        Some(first) => Err(format!("{} of {} texts differ, the first: {first}", wrong.len(), texts.len())),
        None => Ok(()),
    }
}

/// Scores as they are written in the case, whatever the engine in this process says.
fn golden(ready: &Ready, opened: &Opened) -> Result<(), String> {
    // A vector of several lines is left to the target's own check of the golden vectors.
    let is_line = |text: &[u8]| xtask::texts::one_line(text) == text;
    let vectors: Vec<_> = opened.case.golden().iter().filter(|vector| is_line(vector.text)).collect();
    assert!(vectors.len() >= 12, "{} golden vectors of one line", vectors.len());
    let texts: Vec<Vec<u8>> = vectors.iter().map(|vector| vector.text.to_vec()).collect();
    let ran = ready.classify(&opened.path, &texts).map_err(|error| format!("{error:#}"))?;
    for (index, (vector, answer)) in vectors.iter().zip(&ran.answers).enumerate() {
        if !vector.scores().eq(answer.scores.iter().copied()) {
            return Err(format!("vector {index}: {:?}", answer.scores));
        }
    }
    Ok(())
}

fn subword(ready: &Ready, place: &Place) -> Result<(), String> {
    let opened = place.open("subword");
    if ready.target().has_subword() {
        golden(ready, &opened)?;
        compare(ready, &opened, &texts::limits(&opened.case, ready.target().line_bytes()))?;
        return compare(ready, &opened, &texts::hostile());
    }
    let refusal = ready.refuse(&opened.path).map_err(|error| format!("{error:#}"))?;
    let is_named = refusal.code == Some(REFUSED) && names(&refusal.message, &Error::NoSubword);
    if is_named {
        Ok(())
    } else {
        Err(format!("{refusal:?}, needed exit code {REFUSED}: {}", Error::NoSubword))
    }
}

/// A name, and a case made wrong.
type Damage = (&'static str, fn(&mut Vec<u8>));

const DAMAGES: [Damage; 3] = [
    ("byte in the middle", |file| {
        let middle = file.len() / 2;
        file[middle] ^= 0x10;
    }),
    ("byte at three quarters", |file| {
        let place = file.len() / 4 * 3;
        file[place] ^= 0x80;
    }),
    ("last byte", |file| *file.last_mut().unwrap() ^= 1),
];

const DAMAGES_OF_HEADER: [Damage; 5] = [
    ("magic", |file| file[1] ^= 0x20),
    ("major version", |file| file[8] += 1),
    ("declared length", |file| file[16] ^= 1),
    ("number of sections", |file| file[24] += 1),
    ("digest of a section", |file| file[64 + 32] ^= 1),
];

const DAMAGES_OF_LENGTH: [Damage; 5] = [
    ("empty", Vec::clear),
    ("one byte", |file| file.truncate(1)),
    ("half", |file| file.truncate(file.len() / 2)),
    ("one byte short", |file| file.truncate(file.len() - 1)),
    ("one byte long", |file| file.push(0)),
];

fn errors(ready: &Ready, place: &Place, damages: &[Damage]) -> Result<(), String> {
    let sound = fs::read(place.path("news-64k")).unwrap();
    let is_firmware = ready.target() == Target::Firmware;
    // What has started from flash has checked its image before: CRC-32 is all that is asked of it.
    let integrity = if is_firmware { Integrity::Crc32 } else { Integrity::Digest };
    let code = if is_firmware { STOPPED } else { REFUSED };
    let path = place.folder.path().join("damaged.case");
    for (name, damage) in damages {
        let mut file = sound.clone();
        damage(&mut file);
        fs::write(&path, &file).unwrap();
        let Some(reason) = Case::parse_with(file, integrity).err() else {
            // A digest alone is wrong, which this target does not look at.
            continue;
        };
        let refusal = ready.refuse(&path).map_err(|error| format!("{name}: {error:#}"))?;
        if refusal.code != Some(code) || !names(&refusal.message, &reason) {
            return Err(format!(
                "{name}: {refusal:?}, needed exit code {code} and: {reason} ({})",
                reason.code()
            ));
        }
    }
    Ok(())
}

/// Whether a message says the reason, in words or by its number.
fn names(message: &str, reason: &Error) -> bool {
    let number = reason.code().to_string();
    message.contains(&reason.to_string())
        || message.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == number)
}

fn reports(ready: &Ready, opened: &Opened) -> Result<(), String> {
    let ran =
        ready.classify(&opened.path, &[b"oil prices".to_vec()]).map_err(|error| format!("{error:#}"))?;
    let engine = ready.target().engine();
    // Each row of the command was compared with the engine that was asked for as it was read.
    if ran.report.contains(engine) { Ok(()) } else { Err(format!("{}, needed {engine}", ran.report)) }
}

/// Runs every check on a target and reports every row that is wrong.
fn conforms(target: Target) {
    let programs = Programs::of(PathBuf::from(env!("CARGO_BIN_EXE_scores")));
    let place = Place::new();
    let ready = match target.open(&place.root, &programs).unwrap() {
        Ok(ready) => ready,
        Err(absent) => return skip::skipped(&format!("conformance of {}", target.title()), &absent),
    };
    let skips = Skips::read();
    let mut wrong = Vec::new();
    for check in Check::of(target) {
        let name = check.name();
        match (skips.reason(target, &name), check.run(&ready, &place)) {
            (None, Ok(())) => eprintln!("{name}: passed"),
            (None, Err(why)) => wrong.push(format!("{name}: {why}")),
            (Some(reason), Err(_)) => eprintln!("{name}: {reason}"),
            (Some(_), Ok(())) => wrong.push(format!("{name}: passes, remove it from conformance/skips.txt")),
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", target.title(), wrong.join("\n"));
}

/// One test for each target, so that each is counted and skipped by itself.
macro_rules! targets {
    ($($test:ident: $target:ident;)*) => {
        $(
            #[test]
            fn $test() {
                conforms(Target::$target);
            }
        )*

        #[test]
        fn every_target_has_its_test() {
            assert_eq!([$(Target::$target),*], Target::ALL);
        }
    };
}

targets! {
    the_specification_conforms: Scalar;
    the_native_engine_conforms: Native;
    the_command_conforms: Command;
    tract_conforms: Tract;
    onnx_runtime_conforms: Ort;
    wgpu_on_vulkan_conforms: WgpuVulkan;
    wgpu_on_opengl_conforms: WgpuGl;
    the_c_interface_conforms: C;
    arm_of_64_bits_conforms: Aarch64;
    web_assembly_conforms: Wasm;
    the_firmware_conforms: Firmware;
}

#[test]
fn every_skip_names_a_target_and_a_check_and_the_list_only_shrinks() {
    let checks: Vec<String> = Check::all().into_iter().map(Check::name).collect();
    Skips::read().check(&checks);
}

#[test]
fn the_texts_of_every_target_are_those_of_the_data_reader() {
    let root = workspace_root().unwrap();
    let Some(data) = xtask::setup::labelled_data(&root) else {
        let why = xtask::setup::absence("labelled data");
        return skip::skipped("texts of the official test, compared with the data reader", &why);
    };
    let path: &Path = &data.join("agnews/test.csv");
    let loaded = typecase_train::data::load(path, &typecase_train::data::ReadOptions::default()).unwrap();
    let items: Vec<Vec<u8>> =
        loaded.dataset.items.iter().map(|item| xtask::texts::one_line(item.text.as_bytes())).collect();
    assert!(xtask::texts::read(&root).unwrap().lines == items, "{} items", items.len());
}
