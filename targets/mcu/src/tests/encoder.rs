//! The firmware that works in steps, on the host.

use super::*;
use crate::encoder::StepSummary;

const INPUT: &[u8] = b"Oil prices soar to all-time record\n\nbad \xFF byte\r\nlast";

fn run_in_steps(budget: u32) -> (StepSummary, Vec<String>) {
    let port = Pipe { input: INPUT.to_vec(), at: 0, output: Vec::new() };
    let mut device = Device { port, lamp: Lamp::default(), meter: Rising(0) };
    let (mut ids, mut numbers, mut line) = (vec![0; 1024], [0; 16], vec![0; 200]);
    let memory = Memory { ids: &mut ids, numbers: &mut numbers, ..Memory::default() };
    let done = device.serve_in_steps(CASE, Buffers { memory, line: &mut line }, budget).unwrap();
    let output = String::from_utf8(device.port.output).unwrap();
    (done, output.lines().map(String::from).collect())
}

#[test]
fn answers_are_those_of_the_whole_run_and_every_step_is_counted() {
    let whole = run(INPUT).lines;
    let (few, lines) = run_in_steps(u32::MAX);
    assert_eq!(lines[..5], whole[..5]);
    // The tokenizer, the rows if there are any, bias: "bad byte" or "last" has no row, as the empty line.
    assert_eq!((few.whole.texts, few.steps), (4, 3 + 2 + 3 + 2));
    // Each step takes a tick more than the one before: 1 to 10.
    assert_eq!((few.whole.ticks, few.most_ticks_of_step), (55, 10));
    let (most, tokenizer) = (few.whole.most_ticks, few.most_ticks_of_tokenizer);
    assert!(most < 55 && tokenizer < 10);
    assert_eq!(lines[5], std::format!("end\t4\t55\t{most}\t77\t10\t10\t{tokenizer}"));
    let (many, lines) = run_in_steps(1);
    assert_eq!(lines[..5], whole[..5]);
    assert!(many.steps > few.steps + 5, "{many:?}");
}

#[test]
fn a_refused_case_is_told() {
    let port = Pipe { input: INPUT.to_vec(), at: 0, output: Vec::new() };
    let mut device = Device { port, lamp: Lamp::default(), meter: Rising(0) };
    let buffers = Buffers { memory: Memory::default(), line: &mut [] };
    assert!(matches!(device.serve_in_steps(CASE, buffers, 1), Err(Stop::Case(Error::Memory { .. }))));
    assert_eq!(device.port.output, b"error\t103\t0\t1024\n");
}
