//! The firmware in its emulator: it holds one case, and refuses another that is put in its place.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::rows::answer;
use super::{Ran, Refusal};
use crate::mcu::{self, Firmware};

/// The line buffer of the firmware.
pub(crate) const LINE_BYTES: usize = 2048;
/// The case that it holds.
pub(super) const CASE_NAME: &str = "news-64k";

pub(super) fn classify(firmware: &Firmware, case: &Path, texts: &[Vec<u8>]) -> Result<Ran> {
    let is_held = case.file_stem().is_some_and(|stem| stem == CASE_NAME);
    ensure!(is_held, "the firmware holds {CASE_NAME}, not {}", case.display());
    read(&mcu::run(firmware, &lines(texts))?)
}

/// The firmware with an encoder, which works in steps.
pub(crate) fn classify_in_steps(firmware: &Firmware, texts: &[Vec<u8>]) -> Result<Ran> {
    read(&mcu::run_encoder(firmware, &lines(texts))?.ran)
}

fn lines(texts: &[Vec<u8>]) -> Vec<u8> {
    texts.iter().flat_map(|text| [text.as_slice(), b"\n"].concat()).collect()
}

fn read(ran: &mcu::Ran) -> Result<Ran> {
    let mut start = ran.start.split('\t').skip(1);
    let [name, digest, vectors] = [(); 3].map(|()| start.next().unwrap_or_default());
    let digest = digest.get(..15).unwrap_or(digest);
    let report = format!("firmware, QEMU mps2-an386; {name} {digest}, {vectors} golden vectors exact");
    Ok(Ran { report, answers: ran.lines.iter().map(|line| answer(line, 2)).collect::<Result<_>>()? })
}

/// Puts a case of equal length in the place of the one in flash, and starts.
pub(super) fn refuse(firmware: &Firmware, case: &Path) -> Result<Refusal> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("{}: cannot read", path.display()));
    let root = crate::workspace_root()?;
    let (mut elf, held) = (read(&firmware.elf)?, read(&root.join(mcu::CASE))?);
    let other = read(case)?;
    ensure!(other.len() == held.len(), "the firmware has room for {} bytes of a case", held.len());
    let at = elf.windows(held.len()).position(|window| window == held).context("no case in the firmware")?;
    elf[at..at + held.len()].copy_from_slice(&other);
    let changed = firmware.elf.with_extension("refused");
    fs::write(&changed, elf).with_context(|| format!("{}: cannot write", changed.display()))?;
    let output = mcu::start(&changed, &[])?;
    ensure!(!output.status.success(), "the case is accepted");
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(Refusal { code: output.status.code(), message: printed.lines().last().unwrap_or_default().to_owned() })
}
