//! The sub-word tokenizer of this very build, as a program: `ids TABLE < TEXTS`, one text a line.
//!
//! It prints texts, ids and a checksum, parted by tabs: FNV-1a of 64 bits over the count of each text's ids and the ids,
//! each as four bytes, little-endian. The firmware of `targets/mcu` gives the same for the same texts.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program: its results go to standard output")]

use std::env;
use std::fs;
use std::io::{self, Read as _};
use std::process::ExitCode;

use typecase_text::subword::{Cell, Scratch, Tokenizer};

/// The exit code for wrong usage and for input that is refused.
const REFUSED: u8 = 2;
/// Ids of a text; more are left out, as on the device.
const IDS: usize = 512;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let done = match words.as_slice() {
        [table] => run(table),
        _ => Err("usage: ids TABLE < TEXTS".to_owned()),
    };
    match done {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(REFUSED)
        }
    }
}

fn run(path: &str) -> Result<String, String> {
    let table = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let tokenizer =
        Tokenizer::parse(&table).map_err(|error| format!("{path}: {error} (code {})", error.code()))?;
    let mut texts = Vec::new();
    io::stdin().lock().read_to_end(&mut texts).map_err(|error| format!("standard input: {error}"))?;
    let mut cells = vec![Cell::default(); tokenizer.scratch_cells()];
    let mut scratch = Scratch::new(&mut cells);
    let mut ids = [0; IDS];
    let (mut items, mut count, mut checksum) = (0, 0, 0xCBF2_9CE4_8422_2325_u64);
    let texts = texts.strip_suffix(b"\n").unwrap_or(&texts);
    for text in texts.split(|byte| *byte == b'\n') {
        let encoded = tokenizer
            .encode_into(text, &mut ids, &mut scratch)
            .map_err(|error| format!("{path}: {error}"))?;
        let ids = ids.get(..encoded.len).unwrap_or_default();
        let len = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        for byte in [len].iter().chain(ids).flat_map(|number| number.to_le_bytes()) {
            checksum = (checksum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
        items += 1;
        count += ids.len();
    }
    Ok(format!("{items}\t{count}\t{checksum:016x}"))
}
