//! Rows of encoders: the kernels of this processor, of the emulated Arm CPUs, of WebAssembly and of a Cortex-M4.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::Run;
use crate::cross::{self, AARCH64, MCU, WASM};
use crate::targets::{self, Programs};
use crate::{jetson, mcu, texts, wasm};

/// The small encoder of random numbers, which a microcontroller holds too.
const SMALL: &str = "random 2 x 64";
/// Texts for the specification, and for what an emulator or WebAssembly runs.
const SCALAR_ITEMS: usize = 500;
const EMULATED_ITEMS: usize = 200;
const FIRMWARE_ITEMS: usize = 128;
/// CPUs of the emulator, each the first with its kernels.
const ARM: [(&str, &str); 3] = [("cortex-a53", "neon"), ("neoverse-n1", "dotprod"), ("max", "i8mm")];

/// Adds the rows of the small encoder, and of `encoder` if there is one.
pub(super) fn rows(run: &mut Run<'_>, programs: &Programs, encoder: Option<&Path>) -> Result<()> {
    let small = cross::target_folder(run.root, "parity")?.join("random.case");
    write_small(run.root, &programs.scores, &small)?;
    case(run, programs, SMALL, &small);
    if let Some(path) = encoder {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        case(run, programs, &name, path);
    }
    Ok(())
}

fn write_small(root: &Path, scores: &Path, path: &Path) -> Result<()> {
    let folder = path.parent().context("a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let input = path.with_extension("txt");
    fs::write(&input, texts::sample(root)?.join(&b'\n')).with_context(|| input.display().to_string())?;
    let input = Stdio::from(fs::File::open(&input)?);
    cross::run(Command::new(scores).arg("encoder").arg(path).stdin(input))
}

/// Adds rows for a case of this name that lies there.
type Rows = fn(&mut Run<'_>, &str, &Path) -> Result<()>;

fn case(run: &mut Run<'_>, programs: &Programs, name: &str, path: &Path) {
    eprintln!("==> encoder {name}");
    if let Err(error) = native(run, programs, name, path) {
        run.wrong.push(format!("FAILED: {name}: {error:#}"));
    }
    let others: [(&str, Option<String>, Rows); 3] = [
        ("aarch64", AARCH64.missing(), arm),
        ("WebAssembly", WASM.missing(), web),
        ("Cortex-M4F firmware", MCU.missing(), firmware),
    ];
    for (what, missing, rows) in others {
        if let Some(missing) = missing {
            run.skipped.push(format!("SKIPPED: {what}, {name}: {missing}"));
        } else if let Err(error) = rows(run, name, path) {
            run.wrong.push(format!("FAILED: {what}, {name}: {error:#}"));
        }
    }
}

/// The fastest kernels first, on all texts: the others are compared with them.
fn native(run: &mut Run<'_>, programs: &Programs, name: &str, path: &Path) -> Result<()> {
    let said = cross::output(Command::new(&programs.scores).arg("kernels"))?;
    let kernels: Vec<&str> = said.lines().collect();
    ensure!(kernels.first() == Some(&"scalar"), "kernels: {said}");
    for kernel in kernels.iter().rev() {
        let limit = if *kernel == "scalar" { SCALAR_ITEMS } else { usize::MAX };
        let program = targets::Lines::new(&programs.scores, [kernel]);
        run.compared(kernel, name, limit, |_| true, |texts| program.classify(path, texts))?;
    }
    Ok(())
}

fn arm(run: &mut Run<'_>, name: &str, path: &Path) -> Result<()> {
    let scores = jetson::build_scores(run.root)?;
    for (cpu, kernel) in ARM {
        let command = jetson::emulated_as(cpu, &scores);
        let words: Vec<_> = command.get_args().chain([kernel.as_ref()]).map(ToOwned::to_owned).collect();
        let program = targets::Lines::new(Path::new(command.get_program()), words);
        let title = format!("aarch64-{kernel}, {cpu}");
        run.compared(&title, name, EMULATED_ITEMS, |_| true, |texts| program.classify(path, texts))?;
    }
    Ok(())
}

fn web(run: &mut Run<'_>, name: &str, path: &Path) -> Result<()> {
    for (title, build) in [("wasm32-simd128", wasm::ENCODERS), ("wasm32, no vectors", wasm::ENCODERS_SCALAR)]
    {
        let module = wasm::build(run.root, &build)?;
        let node = targets::Lines::new(Path::new("node"), [run.root.join("targets/wasm/scores.mjs")]);
        let node = node.with("TYPECASE_WASM", module);
        run.compared(title, name, EMULATED_ITEMS, |_| true, |texts| node.classify(path, texts))?;
    }
    Ok(())
}

fn firmware(run: &mut Run<'_>, name: &str, path: &Path) -> Result<()> {
    if name != SMALL {
        return Ok(());
    }
    let path: PathBuf = path.canonicalize().with_context(|| path.display().to_string())?;
    let firmware = mcu::build_encoder(run.root, &path)?;
    let fits = |text: &[u8]| text.len() <= targets::FIRMWARE_LINE_BYTES;
    run.compared("armv7em-dsp, Cortex-M4F", name, FIRMWARE_ITEMS, fits, |texts| {
        targets::firmware_steps(&firmware, texts)
    })
}
