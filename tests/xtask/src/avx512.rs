//! `cargo xtask avx512`: the kernels' tests on an emulated x86 with AVX-512 VNNI (Bochs), for machines without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cross::{self, AVX512};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What the emulated processor has, of what the kernels ask for.
const FEATURES: &str = "+avx2,+avx512f,+avx512bw,+avx512vl,+avx512vnni,+avx512vbmi";
/// More than any number of inputs needs that a person waits for.
const LIMIT_SECONDS: &str = "36000";
/// The emulated machine. It stops before its first instruction, so it is given one command: go on.
const MACHINE: &str = "\
display_library: rfb, options=\"timeout=0\"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_icelake_u, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=512, host=512
ata0-master: type=cdrom, path=bare.iso, status=inserted
boot: cdrom
log: bochs.log
clock: sync=none
port_e9_hack: enabled=1
sound: driver=dummy
";
const MENU: &str = "set timeout=0\nmenuentry kernels {\nmultiboot /boot/typecase-bare\n}\n";

/// Runs the tests and prints what they found.
///
/// # Errors
///
/// When a tool is absent, the program does not build, or a kernel differs from the specification.
pub fn main(root: &Path, inputs: u32) -> Result<()> {
    for line in run(root, inputs)? {
        println!("{line}");
    }
    Ok(())
}

/// What the tests print with so many inputs for each operator.
///
/// # Errors
///
/// When a tool is absent, the program does not build, or a kernel differs from the specification.
pub fn run(root: &Path, inputs: u32) -> Result<Vec<String>> {
    AVX512.require()?;
    let program = build(root, inputs)?;
    let folder = cross::target_folder(root, "avx512")?.join("machine");
    let boot = folder.join("disc/boot");
    fs::create_dir_all(boot.join("grub")).with_context(|| boot.display().to_string())?;
    fs::copy(program, boot.join("typecase-bare"))?;
    for (name, text) in
        [("disc/boot/grub/grub.cfg", MENU), ("machine.bochsrc", MACHINE), ("go-on", "continue\n")]
    {
        fs::write(folder.join(name), text).with_context(|| name.to_owned())?;
    }
    cross::output(Command::new("grub-mkrescue").args(["-o", "bare.iso", "disc"]).current_dir(&folder))?;
    let words = [LIMIT_SECONDS, "bochs", "-q", "-f", "machine.bochsrc", "-rc", "go-on"];
    // Its exit code says nothing: asked to end, it gives 1.
    let output = Command::new("timeout").args(words).current_dir(&folder).output().context("bochs")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_ours = |line: &&str| {
        ["kernel ", "FAILED", "done"].iter().any(|word| line.starts_with(word)) || line.ends_with(" equal")
    };
    let lines: Vec<String> = text.lines().filter(is_ours).map(str::to_owned).collect();
    ensure!(lines.iter().any(|line| line == "done"), "the emulated machine: {}", lines.join("; "));
    Ok(lines)
}

fn build(root: &Path, inputs: u32) -> Result<PathBuf> {
    let folder = cross::target_folder(root, "avx512")?;
    let mut cargo = crate::cargo(&root.join("tests/bare"));
    cargo.args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"]).arg(&folder);
    cargo.env("RUSTFLAGS", format!("-Crelocation-model=static -Ctarget-feature={FEATURES}"));
    cross::run(cargo.env("TYPECASE_KERNEL_INPUTS", inputs.to_string()))?;
    Ok(folder.join(TARGET).join("release/typecase-bare"))
}
