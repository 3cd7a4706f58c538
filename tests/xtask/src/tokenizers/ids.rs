//! Programs that give a checksum of the ids of texts, each for another CPU.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::PACKAGE;
use crate::cross::{self, AARCH64, MCU};
use crate::{cargo, jetson, mcu, test_run};

/// Texts that the firmware is given: its emulator takes its time.
const FIRMWARE_ITEMS: usize = 512;
/// The line buffer of the firmware: no program is given more of a text.
pub const LINE_BYTES: usize = 2048;

/// A CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This machine.
    Native,
    /// 64-bit Arm Linux, emulated.
    Aarch64,
    /// A Cortex-M4F without an operating system, emulated.
    Firmware,
}

/// What came of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Texts.
    pub items: u64,
    /// Their ids.
    pub ids: u64,
    /// FNV-1a over the count of each text's ids and the ids.
    pub checksum: u64,
}

/// What a program gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Texts, ids and their checksum.
    pub sum: Sum,
    /// What it took, where that is known.
    pub figures: Option<String>,
}

/// A target whose program is built.
pub enum Program {
    /// `ids TABLE`, started so.
    Host(Vec<PathBuf>),
    /// An ELF file with the table in it.
    Firmware(mcu::Firmware),
}

impl Target {
    /// All, this machine first.
    pub const ALL: [Self; 3] = [Self::Native, Self::Aarch64, Self::Firmware];

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Native => "this machine",
            Self::Aarch64 => "64-bit Arm, emulated",
            Self::Firmware => "Cortex-M4F, emulated",
        }
    }

    /// The texts that it is given, as short as all of them take them.
    #[must_use]
    pub fn take(self, texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let count = if self == Self::Firmware { FIRMWARE_ITEMS } else { usize::MAX };
        let cut = |text: &Vec<u8>| text.get(..LINE_BYTES).unwrap_or(text).to_vec();
        texts.iter().take(count).map(cut).collect()
    }

    /// Builds its program; or what it lacks.
    ///
    /// # Errors
    ///
    /// When a build fails.
    pub fn prepare(self, root: &Path, table: &Path) -> Result<Result<Program, String>> {
        let toolchain = match self {
            Self::Native => None,
            Self::Aarch64 => AARCH64.missing(),
            Self::Firmware => MCU.missing(),
        };
        if let Some(missing) = toolchain {
            return Ok(Err(missing));
        }
        let table = super::absolute(table)?;
        Ok(Ok(match self {
            Self::Native => Program::Host(vec![native(root)?, table.into()]),
            Self::Aarch64 => Program::Host(vec![jetson::build_ids(root)?, table.into()]).emulated(),
            Self::Firmware => Program::Firmware(mcu::build_tokens(root, Path::new(&table))?),
        }))
    }
}

/// What this machine gives for texts.
///
/// # Errors
///
/// When the program does not build or run.
pub fn here(root: &Path, table: &Path, texts: &[Vec<u8>]) -> Result<Sum> {
    Ok(Program::Host(vec![native(root)?, table.to_owned()]).run(texts)?.sum)
}

fn native(root: &Path) -> Result<PathBuf> {
    cross::run(cargo(root).args(["build", "--release", "--package", PACKAGE, "--bin", "ids"]))?;
    Ok(test_run::target_folder(root)?.join("release/ids"))
}

impl Program {
    fn emulated(self) -> Self {
        match self {
            Self::Host(words) => {
                let emulator = cross::aarch64_emulator("max");
                Self::Host(emulator.map(PathBuf::from).into_iter().chain(words).collect())
            }
            firmware @ Self::Firmware(_) => firmware,
        }
    }

    /// The ids of texts of one line each.
    ///
    /// # Errors
    ///
    /// When the program fails or answers otherwise than it promises.
    pub fn run(&self, texts: &[Vec<u8>]) -> Result<Ran> {
        let input: Vec<u8> = texts.iter().flat_map(|text| [text, b"\n".as_slice()].concat()).collect();
        let ran = match self {
            Self::Host(words) => Ran { sum: sum_of_host(words, &input)?, figures: None },
            Self::Firmware(firmware) => {
                let tokens = mcu::run_tokens(firmware, &input)?;
                Ran { sum: tokens.sum, figures: Some(mcu::token_figures(firmware, &tokens)) }
            }
        };
        let (found, needed) = (ran.sum.items, texts.len());
        ensure!(found == needed as u64, "{found} answers to {needed} texts");
        Ok(ran)
    }
}

fn sum_of_host(words: &[PathBuf], input: &[u8]) -> Result<Sum> {
    let [program, arguments @ ..] = words else { bail!("no program") };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{}: cannot start", program.display()))?;
    // It reads everything before it writes anything.
    let written = child.stdin.take().context("no input")?.write_all(input);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{}: {}", program.display(), output.status);
    written.context("input")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<&str> = text.trim_end().split('\t').collect();
    Sum::read(&fields).with_context(|| format!("{}: {text:?}", program.display()))
}

impl Sum {
    /// From texts, ids and the checksum in hexadecimal.
    pub(crate) fn read(fields: &[&str]) -> Option<Self> {
        let &[items, ids, checksum] = fields else { return None };
        let checksum = u64::from_str_radix(checksum, 16).ok()?;
        Some(Self { items: items.parse().ok()?, ids: ids.parse().ok()?, checksum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_three_fields() {
        let sum = Sum { items: 2, ids: 9, checksum: 0xAB };
        assert_eq!(Sum::read(&["2", "9", "00000000000000ab"]), Some(sum));
        assert!(Sum::read(&["2", "9"]).is_none() && Sum::read(&["2", "9", "x"]).is_none());
    }

    #[test]
    fn no_target_is_given_more_than_the_shortest_line_buffer() {
        let texts = vec![vec![b'a'; 3000]; 600];
        assert_eq!(Target::Native.take(&texts).len(), 600);
        let taken = Target::Firmware.take(&texts);
        assert_eq!((taken.len(), taken[0].len()), (FIRMWARE_ITEMS, LINE_BYTES));
    }
}
