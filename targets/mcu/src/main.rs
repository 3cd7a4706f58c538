//! The firmware for QEMU's `mps2-an386`, a Cortex-M4F: [`typecase_mcu`] on its first serial port, the case in place in
//! flash. It ends through semihosting, so that QEMU ends too.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;

use cortex_m_rt::entry;
use typecase_mcu::{Buffers, Cell, Device, Memory};

/// Ids of the longest text; the case says how many it needs, and is refused if it needs more.
const IDS: usize = 1024;
/// Sums and scores.
const NUMBERS: usize = 64;
/// Tokens of the longest text; none without the sub-word tokenizer.
const TOKENS: usize = if cfg!(feature = "subword") { 256 } else { 0 };
/// What the sub-word tokenizer works in.
const CELLS: usize = if cfg!(feature = "subword") { 512 } else { 0 };
/// Bytes of the longest line.
const LINE_BYTES: usize = 2048;

/// Case files are laid out for this alignment.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

static CASE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/firmware.case")));

#[entry]
fn main() -> ! {
    static mut IDS_MEMORY: [u32; IDS] = [0; IDS];
    static mut NUMBERS_MEMORY: [i32; NUMBERS] = [0; NUMBERS];
    static mut TOKENS_MEMORY: [u32; TOKENS] = [0; TOKENS];
    static mut CELLS_MEMORY: [Cell; CELLS] = [Cell(0); CELLS];
    static mut LINE: [u8; LINE_BYTES] = [0; LINE_BYTES];

    let memory = Memory {
        ids: IDS_MEMORY,
        numbers: NUMBERS_MEMORY,
        tokens: TOKENS_MEMORY,
        cells: CELLS_MEMORY,
        arena: &mut [],
    };
    let mut device = Device { port: board::Uart::open(), lamp: board::Lamp, meter: board::Counter::open() };
    // Flash may hold anything: the compiler, which knows these bytes, must not take a check for done.
    let case = core::hint::black_box(&CASE.0);
    let done = device.serve(case, Buffers { memory, line: LINE });
    board::exit(done.is_ok())
}
