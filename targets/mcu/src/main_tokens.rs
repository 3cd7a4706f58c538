//! The firmware that gives a checksum of ids, for QEMU's `mps2-an386`: [`typecase_mcu::tokens`] on its first serial port,
//! the table of the tokenizer in place in flash.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;

use cortex_m_rt::entry;
use typecase_mcu::Device;
use typecase_mcu::tokens::{Cell, TokenBuffers};

/// Ids of a text; the program `ids` for hosts has as many.
const IDS: usize = 512;
/// 8 KiB, which is what a table asks for at most if it does not say how long its segments are.
const CELLS: usize = 1024;
/// Bytes of the longest line.
const LINE_BYTES: usize = 2048;

/// Aligned as a case would align it.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

static TABLE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/firmware.tokenizer")));

#[entry]
fn main() -> ! {
    static mut CELLS_MEMORY: [Cell; CELLS] = [Cell(0); CELLS];
    static mut IDS_MEMORY: [u32; IDS] = [0; IDS];
    static mut LINE: [u8; LINE_BYTES] = [0; LINE_BYTES];

    let buffers = TokenBuffers { cells: CELLS_MEMORY, ids: IDS_MEMORY, line: LINE };
    let mut device = Device { port: board::Uart::open(), lamp: board::Lamp, meter: board::Counter::open() };
    // Flash may hold anything: the compiler, which knows these bytes, must not take a check for done.
    let table = core::hint::black_box(&TABLE.0);
    let done = device.tokenize(table, buffers);
    board::exit(done.is_ok())
}
