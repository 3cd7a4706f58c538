//! The firmware of the checksum on the host.

use typecase_text::subword::{Scratch, Tokenizer};

use super::*;
use crate::tokens::{Cell, TokenBuffers, TokenSummary};

static TABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/firmware.tokenizer"));

fn run_with(
    table: &[u8],
    cells: usize,
    line: usize,
    input: &[u8],
) -> (Result<TokenSummary, Stop>, Vec<String>) {
    let port = Pipe { input: input.to_vec(), at: 0, output: Vec::new() };
    let mut device = Device { port, lamp: Lamp::default(), meter: Rising(0) };
    let (mut cells, mut ids, mut line) = (vec![Cell(0); cells], [0; 256], vec![0; line]);
    let done = device.tokenize(table, TokenBuffers { cells: &mut cells, ids: &mut ids, line: &mut line });
    let output = String::from_utf8(device.port.output).unwrap();
    (done, output.lines().map(String::from).collect())
}

/// FNV-1a over the bytes that the checksum is said to be of.
fn expected(texts: &[&[u8]]) -> (u32, u64) {
    let tokenizer = Tokenizer::parse(TABLE).unwrap();
    let mut cells = vec![Cell(0); tokenizer.scratch_cells()];
    let (mut ids, mut count, mut bytes) = ([0; 256], 0, Vec::new());
    for text in texts {
        let len = tokenizer.encode_into(text, &mut ids, &mut Scratch::new(&mut cells)).unwrap().len as u32;
        count += len;
        bytes.extend(len.to_le_bytes());
        bytes.extend(ids[..len as usize].iter().flat_map(|id| id.to_le_bytes()));
    }
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
    (count, bytes.iter().fold(0xCBF2_9CE4_8422_2325, step))
}

#[test]
fn the_checksum_is_that_of_the_ids_of_every_line() {
    let (done, lines) =
        run_with(TABLE, 1024, 20, b"Oil prices\n\nbad \xFF\r\nlonger than the line buffer is\nx");
    let (ids, checksum) = expected(&[b"Oil prices", b"", b"bad \xFF", b"longer than the line", b"x"]);
    let summary = TokenSummary { texts: 5, ids, checksum, cut: 1, ticks: 15, most_ticks: 5 };
    assert_eq!(done, Ok(summary));
    let start = std::format!("tokenizer\t{}", TABLE.len());
    assert_eq!(lines, [start, std::format!("end\t5\t{ids}\t{checksum:016x}\t1\t15\t5\t77")]);
    // Where a line ends is part of it.
    assert_ne!(expected(&[b"ab", b""]).1, expected(&[b"", b"ab"]).1);
}

#[test]
fn a_damaged_table_and_too_little_memory_are_told() {
    let mut damaged = TABLE.to_vec();
    damaged[0] = 9;
    let (done, lines) = run_with(&damaged, 1024, 20, b"x\n");
    assert!(matches!(done, Err(Stop::Tokenizer(_))));
    assert_eq!(lines, ["error\t2\t0\t0"]);
    let (done, lines) = run_with(TABLE, 10, 20, b"x\n");
    assert!(matches!(done, Err(Stop::Memory(_))));
    assert!(lines[1].starts_with("error\t0\t10\t"), "{lines:?}");
}
