//! The comparison of every kernel with the specification, on QEMU's `mps2-an386`: the very tests of `typecase-kernels`. A
//! number that differs is a panic, which ends with exit code 1.
//!
//! ```text
//! at start   kernels <TAB> how many there are beside the specification
//! at the end end
//! ```
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

#[allow(dead_code, reason = "the port alone is needed here")]
mod board;
#[path = "../../../runtime/kernels/tests/encoder.rs"]
mod encoder;

use cortex_m_rt::entry;
use embedded_alloc::LlffHeap;
use embedded_io::Write as _;
use typecase_kernels::encoder::Cpu;

/// Bytes of the heap: tests may allocate, the engine never does.
const HEAP_BYTES: usize = 2 << 20;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

#[entry]
fn main() -> ! {
    static mut MEMORY: [u8; HEAP_BYTES] = [0; HEAP_BYTES];

    board::open_heap(&HEAP, MEMORY);
    let mut port = board::Uart::open();
    let count = Cpu::all().count() - 1;
    let _ = port.write_all(&[b"kernels\t".as_slice(), &[b'0'.wrapping_add(count as u8), b'\n']].concat());
    encoder::matrices_equal_the_specification();
    encoder::layer_norms_equal_the_specification();
    encoder::attention_equals_the_specification();
    encoder::parts_of_attention_equal_the_specification();
    let _ = port.write_all(b"end\n");
    board::exit(true)
}
