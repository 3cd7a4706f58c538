//! The firmware that works in steps, for QEMU's `mps2-an386`: [`typecase_mcu::encoder`] on its first serial port, the case and
//! its weights in place in flash.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;

use cortex_m_rt::entry;
use typecase_mcu::{Buffers, Cell, Device, Memory};

/// Ids of the longest text.
const IDS: usize = 1024;
/// Sums or scores.
const NUMBERS: usize = 64;
/// What the sub-word tokenizer works in.
const CELLS: usize = 1024;
/// What an encoder works in: 64 tokens, 64 wide, 256 within, for example.
const ARENA_WORDS: usize = 4864;
/// Bytes of the longest line.
const LINE_BYTES: usize = 2048;
/// Multiply-adds of a step. The longest has 93,000 instructions, in texts of 7 to 12 tokens; 76,000 from 18 tokens on.
const BUDGET: u32 = 16_000;

/// Case files are laid out for this alignment.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

static CASE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/firmware.case")));

#[entry]
fn main() -> ! {
    static mut IDS_MEMORY: [u32; IDS] = [0; IDS];
    static mut NUMBERS_MEMORY: [i32; NUMBERS] = [0; NUMBERS];
    static mut CELLS_MEMORY: [Cell; CELLS] = [Cell(0); CELLS];
    static mut ARENA: [u64; ARENA_WORDS] = [0; ARENA_WORDS];
    static mut LINE: [u8; LINE_BYTES] = [0; LINE_BYTES];

    let memory = Memory {
        ids: IDS_MEMORY,
        numbers: NUMBERS_MEMORY,
        tokens: &mut [],
        cells: CELLS_MEMORY,
        arena: ARENA,
    };
    let mut device = Device { port: board::Uart::open(), lamp: board::Lamp, meter: board::Counter::open() };
    // Flash may hold anything: the compiler, which knows these bytes, must not take a check for done.
    let case = core::hint::black_box(&CASE.0);
    let done = device.serve_in_steps(case, Buffers { memory, line: LINE }, BUDGET);
    board::exit(done.is_ok())
}
