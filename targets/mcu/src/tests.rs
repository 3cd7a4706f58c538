//! The whole firmware on the host: the port is a pair of byte strings.

use core::convert::Infallible;
use std::string::String;
use std::vec;
use std::vec::Vec;

use embedded_hal::digital::{self, OutputPin};
use embedded_io::ErrorType;

use super::*;

#[cfg(feature = "encoder")]
mod encoder;
#[cfg(feature = "tokens")]
mod tokens;

static CASE: &[u8] = include_bytes!("../../../models/news-64k.case");

struct Pipe {
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
}

impl ErrorType for Pipe {
    type Error = Infallible;
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let rest = &self.input[self.at..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.output.push(buf[0]);
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[derive(Default)]
struct Lamp {
    lit: usize,
    is_lit: bool,
}

impl digital::ErrorType for Lamp {
    type Error = Infallible;
}

impl OutputPin for Lamp {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.is_lit = false;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.is_lit = true;
        self.lit += 1;
        Ok(())
    }
}

/// The first text takes one tick, the second two, and so on.
struct Rising(u32);

impl Meter for Rising {
    fn start(&mut self) {
        self.0 += 1;
    }

    fn ticks(&mut self) -> u32 {
        self.0
    }

    fn stack_bytes(&self) -> u32 {
        77
    }
}

struct Ran {
    done: Result<Summary, Stop>,
    lines: Vec<String>,
    lamp: Lamp,
}

fn run_with(case: &[u8], ids: usize, line: usize, input: &[u8]) -> Ran {
    let port = Pipe { input: input.to_vec(), at: 0, output: Vec::new() };
    let mut device = Device { port, lamp: Lamp::default(), meter: Rising(0) };
    let (mut ids, mut numbers, mut line) = (vec![0; ids], [0; 16], vec![0; line]);
    let memory = Memory { ids: &mut ids, numbers: &mut numbers, ..Memory::default() };
    let done = device.serve(case, Buffers { memory, line: &mut line });
    let output = String::from_utf8(device.port.output).unwrap();
    Ran { done, lines: output.lines().map(String::from).collect(), lamp: device.lamp }
}

fn run(input: &[u8]) -> Ran {
    run_with(CASE, 1024, 200, input)
}

/// The line that the firmware must give for a text.
fn expected(text: &[u8], cut: &str) -> String {
    let case = Case::parse(CASE).unwrap();
    let (mut ids, mut numbers) = ([0; 1024], [0; 16]);
    let memory = Memory { ids: &mut ids, numbers: &mut numbers, ..Memory::default() };
    let verdict = typecase_engine::classify(&case, text, memory);
    let scores: Vec<_> = verdict.scores.iter().map(|score| std::format!("{score}")).collect();
    let mut flags = vec![cut];
    flags.extend(verdict.truncated.then_some("truncated"));
    flags.extend(verdict.abstain.then_some("abstain"));
    flags.extend((verdict.invalid_utf8 > 0).then_some("invalid"));
    flags.retain(|flag| !flag.is_empty());
    let flags = if flags.is_empty() { String::from("-") } else { flags.join(",") };
    let per_mille = (verdict.probability * 1000.0).round();
    std::format!("{}\t{per_mille}\t{}\t{flags}", verdict.label, scores.join(","))
}

#[test]
fn every_line_gets_the_verdict_of_the_engine() {
    let ran = run(b"Oil prices soar to all-time record\n\nbad \xFF byte\r\nlast");
    assert_eq!(ran.lines.len(), 1 + 4 + 1);
    assert!(ran.lines[0].starts_with("case\tnews-64k\tsha256:"), "{}", ran.lines[0]);
    assert_eq!(ran.lines[0].split('\t').nth(2).unwrap().len(), "sha256:".len() + 64);
    let texts: [&[u8]; 4] = [b"Oil prices soar to all-time record", b"", b"bad \xFF byte", b"last"];
    for (line, text) in ran.lines[1..5].iter().zip(texts) {
        assert_eq!(*line, expected(text, ""));
    }
    assert!(ran.lines[3].contains("invalid"));
    assert_eq!(ran.lines[5], "end\t4\t10\t4\t77");
    assert_eq!(ran.done, Ok(Summary { texts: 4, ticks: 10, most_ticks: 4 }));
}

#[test]
fn a_long_line_is_cut_and_says_so_and_the_next_is_whole() {
    let long = [b"word ".repeat(100), b"\nshort\n".to_vec()].concat();
    let ran = run(&long);
    assert_eq!(ran.lines[1], expected(&b"word ".repeat(40), "cut"));
    assert_eq!(ran.lines[2], expected(b"short", ""));
}

#[test]
fn the_end_byte_ends_everything_and_a_line_that_just_fits_is_not_cut() {
    let exact = [b'x'; 200];
    let ran = run(&[&exact, b"\nrest\x04never".as_slice()].concat());
    assert_eq!(ran.done.unwrap().texts, 2);
    assert_eq!(ran.lines[1], expected(&exact, ""));
    assert_eq!(ran.lines[2], expected(b"rest", ""));
    assert_eq!(run(b"\x04").done, Ok(Summary::default()));
    assert_eq!(run(b"").done, Ok(Summary::default()));
}

#[test]
fn the_lamp_is_lit_by_abstaining_verdicts_alone() {
    let ran = run(b"qqq\nOil prices soar to all-time record, shares of oil companies rise\n");
    let abstained = ran.lines.iter().filter(|line| line.contains("abstain")).count();
    assert_eq!(ran.lamp.lit, abstained);
    assert_eq!(ran.lamp.is_lit, ran.lines[2].contains("abstain"));
}

#[test]
fn too_little_memory_and_a_damaged_case_are_told_with_their_numbers() {
    let ran = run_with(CASE, 1000, 200, b"text\n");
    assert_eq!(ran.lines, ["error\t103\t1000\t1024"]);
    assert!(matches!(ran.done, Err(Stop::Case(Error::Memory { .. }))));
    let mut damaged = CASE.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let ran = run_with(&damaged, 1024, 200, b"text\n");
    assert_eq!(ran.lines.len(), 1);
    assert!(ran.lines[0].starts_with("error\t14\t"), "{:?}", ran.lines);
}

#[test]
fn thousandths_are_rounded_to_the_nearest() {
    for (probability, expected) in
        [(0.0, 0), (0.0004, 0), (0.0006, 1), (0.9994, 999), (0.9996, 1000), (1.0, 1000)]
    {
        assert_eq!(per_mille(probability), expected);
    }
}
