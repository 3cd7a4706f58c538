//! The kernels' tests on a bare 64-bit x86, for an emulator of instructions that the machine at hand does not have:
//! `cargo xtask avx512` builds and runs it. The kernels are those that the target features of this build promise.
#![no_std]
#![no_main]

extern crate alloc;
// The tests are written for `std`: what they use of it stands here.
extern crate self as std;

pub use alloc::vec;

mod memory;
mod output;

mod start;

use core::panic::PanicInfo;

use linked_list_allocator::LockedHeap;
use typecase_kernels::encoder::Cpu;

#[path = "../../../runtime/kernels/tests/encoder.rs"]
mod encoder;

/// The environment: what was there when this was built.
pub mod env {
    extern crate alloc;

    /// There is no such name.
    #[derive(Debug)]
    pub struct VarError;

    /// The two names that the tests ask for.
    pub fn var(name: &str) -> Result<alloc::string::String, VarError> {
        let value = match name {
            "TYPECASE_KERNEL_INPUTS" => option_env!("TYPECASE_KERNEL_INPUTS"),
            "TYPECASE_KERNEL" => option_env!("TYPECASE_KERNEL"),
            _ => None,
        };
        value.map(Into::into).ok_or(VarError)
    }
}

/// Memory for the tests: 64 MiB from 64 MiB on, which the emulator has and nobody uses.
const HEAP: usize = 64 << 20;

#[global_allocator]
static ALLOCATOR: LockedHeap = LockedHeap::empty();

extern "C" fn main() -> ! {
    // SAFETY: nothing else stands there, and it is done once.
    unsafe { ALLOCATOR.lock().init(HEAP as *mut u8, HEAP) };
    for cpu in Cpu::all() {
        println!("kernel {cpu}");
    }
    encoder::matrices_equal_the_specification();
    println!("matrices equal");
    encoder::layer_norms_equal_the_specification();
    println!("layer norms equal");
    encoder::attention_equals_the_specification();
    encoder::parts_of_attention_equal_the_specification();
    println!("attention equal");
    println!("done");
    output::end()
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    println!("FAILED: {info}");
    output::end()
}
