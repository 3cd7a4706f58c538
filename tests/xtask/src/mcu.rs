//! `cargo xtask mcu`: the firmware of `targets/mcu`, built and run in QEMU, and its figures.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::cross::{self, MCU};
use crate::tokenizers::ids::Sum;

/// The most flash that code and tables may take beside the case.
pub const MAX_FLASH_BYTES: u64 = 32 << 10;
/// The most RAM, the stack included.
pub const MAX_RAM_BYTES: u64 = 16 << 10;
/// What `targets/mcu/memory/firmware.x` reserves for the stack.
const STACK_BYTES: u64 = 4 << 10;

/// Ends the input of the firmware.
const END: u8 = 4;
/// With `-icount shift=0` an instruction takes a nanosecond of the emulated clock; the counter runs at 25 MHz.
const INSTRUCTIONS_A_TICK: u64 = 40;
const TARGET: &str = "thumbv7em-none-eabihf";
/// The case in its flash.
pub(crate) const CASE: &str = "models/news-64k.case";
/// The environment variable that names another case.
const OTHER_CASE: &str = "TYPECASE_MCU_CASE";
/// The environment variable that names the table of the firmware that gives a checksum.
const TOKENIZER: &str = "TYPECASE_MCU_TOKENIZER";
/// More than any run needs: a firmware that hangs is ended.
const LIMIT_SECONDS: &str = "300";

/// A firmware that was built.
pub struct Firmware {
    /// The ELF file.
    pub elf: PathBuf,
    /// Flash in bytes: vectors, code, tables, initial values; without the case.
    pub flash_bytes: u64,
    /// The case in flash.
    pub case_bytes: u64,
    /// Variables in RAM.
    pub static_bytes: u64,
    /// RAM that the linker reserves: variables and stack.
    pub ram_bytes: u64,
}

/// What the firmware wrote, taken apart.
pub struct Ran {
    /// The first line: name, digest, golden vectors.
    pub start: String,
    /// A line for each text.
    pub lines: Vec<String>,
    /// Texts classified.
    pub texts: u64,
    /// Instructions of all texts.
    pub instructions: u64,
    /// Instructions of the longest.
    pub most_instructions: u64,
    /// The most stack in use.
    pub stack_bytes: u64,
}

/// What the firmware that gives a checksum wrote, taken apart.
pub struct Tokens {
    /// Texts, ids and their checksum.
    pub sum: Sum,
    /// Lines that were longer than the buffer.
    pub cut: u64,
    /// Instructions of all texts.
    pub instructions: u64,
    /// Instructions of the longest.
    pub most_instructions: u64,
    /// The most stack in use.
    pub stack_bytes: u64,
}

/// What the firmware that works in steps wrote, taken apart.
pub struct Steps {
    /// As of the other firmware.
    pub ran: Ran,
    /// Steps of all texts.
    pub steps: u64,
    /// Instructions of the longest step but for the tokenizer's.
    pub most_of_step: u64,
    /// Instructions of the longest text's tokenizer.
    pub most_of_tokenizer: u64,
}

/// Builds the firmware and runs it on the lines of standard input.
///
/// # Errors
///
/// When the toolchain is absent, the firmware does not build or run, or it is over its limits.
pub fn main(root: &Path) -> Result<()> {
    let firmware = build(root, &[])?;
    let mut input = Vec::new();
    io::stdin().lock().read_to_end(&mut input).context("standard input")?;
    let ran = run(&firmware, &input)?;
    println!("{}", ran.start);
    ran.lines.iter().for_each(|line| println!("{line}"));
    eprintln!("{}", figures(&firmware, &ran));
    firmware.check()
}

/// Builds the firmware, with these features beside the board's.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build(root: &Path, features: &[&str]) -> Result<Firmware> {
    let case = root.join(CASE);
    measure(build_program(root, features, "typecase-mcu", None)?, &case)
}

/// Builds the firmware that gives a checksum of ids, with a table in its flash.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build_tokens(root: &Path, table: &Path) -> Result<Firmware> {
    measure(build_program(root, &["tokens"], "tokens", Some((TOKENIZER, table)))?, table)
}

/// Builds the firmware that works in steps, with a case in its flash.
///
/// # Errors
///
/// When the toolchain is absent or the build fails.
pub fn build_encoder(root: &Path, case: &Path) -> Result<Firmware> {
    measure(build_program(root, &["encoder"], "encoder", Some((OTHER_CASE, case)))?, case)
}

/// Compares every kernel with the specification on the emulated core; how many there are beside the specification.
///
/// # Errors
///
/// When the toolchain is absent, the build fails or a number differs.
pub fn check_kernels(root: &Path) -> Result<u64> {
    let elf = build_program(root, &["checks"], "checks", None)?;
    let text = succeeded(&start(&elf, &[])?)?;
    let count = text.lines().next().and_then(|line| line.strip_prefix("kernels\t")?.parse().ok());
    count.with_context(|| format!("firmware: {}", text.trim()))
}

/// Builds one of the programs; `data` is a file in its flash other than the usual one.
fn build_program(root: &Path, features: &[&str], name: &str, data: Option<(&str, &Path)>) -> Result<PathBuf> {
    MCU.require()?;
    let target = cross::target_folder(root, "mcu")?;
    let features = [&["board"], features].concat().join(",");
    let flags = [
        "-Clinker=arm-none-eabi-gcc",
        "-Clink-arg=-nostartfiles",
        "-Clink-arg=-mcpu=cortex-m4",
        "-Clink-arg=-mthumb",
        "-Clink-arg=-mfloat-abi=hard",
        "-Clink-arg=-mfpu=fpv4-sp-d16",
        // Only the feature `digest` links SHA-256; unrolled it would be 7 KB larger.
        "--cfg=sha2_backend_soft=\"compact\"",
    ];
    let mut cargo = cross::cargo(&root.join("targets/mcu"));
    // Tests may allocate.
    let library = if name == "checks" { "-Zbuild-std=core,alloc" } else { "-Zbuild-std=core" };
    cargo
        .args(["build", "--release", "--locked", "--target", TARGET, library])
        .args(["--bin", name, "--features", &features, "--target-dir"])
        .arg(&target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags.join(" "));
    if let Some((variable, path)) = data {
        cargo.env(variable, path);
    }
    cross::run(&mut cargo)?;
    Ok(target.join(TARGET).join("release").join(name))
}

/// Runs the firmware on lines; the end of the input is added.
///
/// # Errors
///
/// When QEMU fails, the firmware ends with an error, or its output is not what it promises.
pub fn run(firmware: &Firmware, input: &[u8]) -> Result<Ran> {
    let (ran, more) = parse(&succeeded(&start(&firmware.elf, input)?)?)?;
    if !more.is_empty() {
        bail!("firmware: last line has {} numbers too many", more.len());
    }
    Ok(ran)
}

/// Runs the firmware that works in steps on lines; the end of the input is added.
///
/// # Errors
///
/// When QEMU fails, the firmware ends with an error, or its output is not what it promises.
pub fn run_encoder(firmware: &Firmware, input: &[u8]) -> Result<Steps> {
    let (ran, more) = parse(&succeeded(&start(&firmware.elf, input)?)?)?;
    let &[steps, most_of_step, most_of_tokenizer] = more.as_slice() else {
        bail!("firmware: last line has {} numbers of steps, 3 needed", more.len());
    };
    let [most_of_step, most_of_tokenizer] =
        [most_of_step, most_of_tokenizer].map(|ticks| ticks * INSTRUCTIONS_A_TICK);
    Ok(Steps { ran, steps, most_of_step, most_of_tokenizer })
}

/// What a firmware printed that ended well.
fn succeeded(output: &Output) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("firmware: {}: {}", output.status, text.trim());
    }
    Ok(text)
}

/// Runs the firmware that gives a checksum on lines; the end of the input is added.
///
/// # Errors
///
/// When QEMU fails, the firmware ends with an error, or its output is not what it promises.
pub fn run_tokens(firmware: &Firmware, input: &[u8]) -> Result<Tokens> {
    parse_tokens(&succeeded(&start(&firmware.elf, input)?)?)
}

/// Lets an ELF file run to its end, however that comes.
pub(crate) fn start(elf: &Path, input: &[u8]) -> Result<Output> {
    let mut child = Command::new("timeout")
        .args([LIMIT_SECONDS, "qemu-system-arm", "-machine", "mps2-an386", "-cpu", "cortex-m4"])
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-icount", "shift=0"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(elf)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("qemu-system-arm: cannot start")?;
    let mut stdin = child.stdin.take().context("qemu-system-arm: no input")?;
    let input = [input, &[END]].concat();
    // A firmware that ends early closes the pipe; how it ended says more.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().context("qemu-system-arm")?;
    drop(writer.join());
    Ok(output)
}

/// The names of the firmware's symbols.
///
/// # Errors
///
/// When the ELF file cannot be read.
pub fn symbols(firmware: &Firmware) -> Result<String> {
    cross::output(Command::new("arm-none-eabi-nm").arg(&firmware.elf))
}

/// Flash, RAM and instructions, in lines for people.
#[must_use]
pub fn figures(firmware: &Firmware, ran: &Ran) -> String {
    let Firmware { flash_bytes, case_bytes, static_bytes, ram_bytes, .. } = firmware;
    let each = ran.instructions.checked_div(ran.texts).unwrap_or(0);
    format!(
        "flash: {flash_bytes} bytes beside the case of {case_bytes}, {MAX_FLASH_BYTES} allowed\n\
         RAM: {ram_bytes} bytes: {static_bytes} of variables, {STACK_BYTES} reserved for the stack, {} of it used; \
         {MAX_RAM_BYTES} allowed\n\
         instructions: {each} a text, {} the longest of {}, in steps of {INSTRUCTIONS_A_TICK}, port not counted",
        ran.stack_bytes, ran.most_instructions, ran.texts
    )
}

/// Flash, RAM and instructions of the firmware that works in steps, in lines for people.
#[must_use]
pub fn step_figures(firmware: &Firmware, found: &Steps) -> String {
    let Firmware { flash_bytes, case_bytes, static_bytes, .. } = firmware;
    let Steps { ran, steps, most_of_step, most_of_tokenizer } = found;
    let each = |all: u64| all.checked_div(ran.texts).unwrap_or(0);
    format!(
        "flash: {flash_bytes} bytes beside the case of {case_bytes}\n\
         RAM: {static_bytes} bytes of variables, {} of stack used\n\
         instructions: {} a text, {} the longest of {}; {} steps a text, the longest {most_of_step}, of a tokenizer \
         {most_of_tokenizer}",
        ran.stack_bytes,
        each(ran.instructions),
        ran.most_instructions,
        ran.texts,
        each(*steps),
    )
}

/// Flash, RAM and instructions of the firmware that gives a checksum, in one line.
#[must_use]
pub fn token_figures(firmware: &Firmware, tokens: &Tokens) -> String {
    let Firmware { flash_bytes, case_bytes, static_bytes, .. } = firmware;
    let each = tokens.instructions.checked_div(tokens.sum.items).unwrap_or(0);
    format!(
        "flash {flash_bytes} beside the table of {case_bytes}; RAM {static_bytes} and {} of stack; {each} instructions a \
         text, {} the longest",
        tokens.stack_bytes, tokens.most_instructions
    )
}

impl Firmware {
    /// Fails if the firmware is over a limit.
    ///
    /// # Errors
    ///
    /// Which limit, and by how much.
    pub fn check(&self) -> Result<()> {
        if self.flash_bytes > MAX_FLASH_BYTES {
            bail!("firmware takes {} bytes of flash, {MAX_FLASH_BYTES} allowed", self.flash_bytes);
        }
        if self.ram_bytes > MAX_RAM_BYTES {
            bail!("firmware takes {} bytes of RAM, {MAX_RAM_BYTES} allowed", self.ram_bytes);
        }
        Ok(())
    }
}

fn measure(elf: PathBuf, data: &Path) -> Result<Firmware> {
    let case_bytes = fs::metadata(data).with_context(|| data.display().to_string())?.len();
    let table = cross::output(Command::new("arm-none-eabi-size").arg("-A").arg(&elf))?;
    let sum = |sections: &[&str]| sections.iter().map(|name| section_bytes(&table, name)).sum::<u64>();
    let flash = sum(&[".vector_table", ".text", ".rodata", ".data", ".gnu.sgstubs"]);
    let static_bytes = sum(&[".data", ".bss", ".uninit"]);
    let flash_bytes = flash.checked_sub(case_bytes).context("the firmware is smaller than its case")?;
    Ok(Firmware { elf, flash_bytes, case_bytes, static_bytes, ram_bytes: static_bytes + STACK_BYTES })
}

/// The size of a section in the table of `size -A`; 0 if it is not there.
fn section_bytes(table: &str, name: &str) -> u64 {
    let size = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok()).flatten()
    };
    table.lines().find_map(size).unwrap_or(0)
}

/// The output, and the numbers at its end beyond those that every firmware gives.
fn parse(text: &str) -> Result<(Ran, Vec<u64>)> {
    let mut lines = text.lines();
    let start = lines.next().filter(|line| line.starts_with("case\t")).context("firmware: no first line")?;
    let end =
        lines.next_back().and_then(|line| line.strip_prefix("end\t")).context("firmware: no last line")?;
    let numbers: Vec<u64> = end.split('\t').map_while(|number| number.parse().ok()).collect();
    let Some((&[texts, ticks, most_ticks, stack_bytes], more)) = numbers.split_first_chunk() else {
        bail!("firmware: last line has {} numbers, 4 needed", numbers.len());
    };
    let ran = Ran {
        start: start.to_owned(),
        lines: lines.map(str::to_owned).collect(),
        texts,
        instructions: ticks * INSTRUCTIONS_A_TICK,
        most_instructions: most_ticks * INSTRUCTIONS_A_TICK,
        stack_bytes,
    };
    Ok((ran, more.to_vec()))
}

fn parse_tokens(text: &str) -> Result<Tokens> {
    let end = text.lines().find_map(|line| line.strip_prefix("end\t"));
    let end = end.with_context(|| format!("firmware: no last line in {:?}", text.trim()))?;
    let fields: Vec<&str> = end.split('\t').collect();
    let (sum, numbers) = fields.split_at_checked(3).context("firmware: last line is too short")?;
    let sum = Sum::read(sum).context("firmware: last line has no checksum")?;
    let numbers: Vec<u64> = numbers.iter().map_while(|number| number.parse().ok()).collect();
    let &[cut, ticks, most_ticks, stack_bytes] = numbers.as_slice() else {
        bail!("firmware: last line has {} numbers after its checksum, 4 needed", numbers.len());
    };
    let [instructions, most_instructions] = [ticks, most_ticks].map(|ticks| ticks * INSTRUCTIONS_A_TICK);
    Ok(Tokens { sum, cut, instructions, most_instructions, stack_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_taken_apart() {
        let lines = "case\tn\tsha256:0\t20\nWorld\t900\t1,2\t-\nend\t1\t10\t10\t2000";
        assert_eq!(parse(&format!("{lines}\t7\t8\n")).unwrap().1, [7, 8]);
        let (ran, more) = parse(lines).unwrap();
        assert!(more.is_empty());
        assert_eq!((ran.lines.len(), ran.texts, ran.instructions, ran.stack_bytes), (1, 1, 400, 2000));
        for broken in ["", "error\t103\t1\t2\n", "case\tn\n", "case\tn\nend\t1\n"] {
            assert!(parse(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn the_last_line_of_the_checksum_is_taken_apart() {
        let tokens = parse_tokens("tokenizer\t9\nend\t2\t7\t00ff\t1\t10\t5\t900\n").unwrap();
        assert_eq!(tokens.sum, Sum { items: 2, ids: 7, checksum: 255 });
        assert_eq!((tokens.cut, tokens.most_instructions, tokens.stack_bytes), (1, 200, 900));
        for broken in ["", "error\t1\n", "end\t2\n", "end\t2\t7\t00ff\t1\n"] {
            assert!(parse_tokens(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn sections_are_found_by_their_whole_name() {
        let table = "f  :\nsection  size  addr\n.text  100  64\n.data.x  7  0\n";
        assert_eq!((section_bytes(table, ".text"), section_bytes(table, ".data")), (100, 0));
    }
}
