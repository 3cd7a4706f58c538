//! The one place of the firmware that touches memory by address: device registers, and the paint below the stack.
#![allow(
    unsafe_code,
    reason = "registers and the stack's bounds are addresses, which no type of the language knows"
)]

use core::ptr;

use cortex_m_rt::STACK_PAINT_VALUE;

/// A device register of 32 bits.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(super) enum Register {
    UartData = 0x4000_4000,
    UartState = 0x4000_4004,
    UartControl = 0x4000_4008,
    UartDivisor = 0x4000_4010,
    Lamps = 0x4002_8000,
}

impl Register {
    pub(super) fn read(self) -> u32 {
        let register: *const u32 = ptr::with_exposed_provenance(self as usize);
        // SAFETY: every variant is the aligned address of a register that the board's memory map lets anybody read;
        // no object of the language lies there.
        unsafe { register.read_volatile() }
    }

    pub(super) fn write(self, value: u32) {
        let register: *mut u32 = ptr::with_exposed_provenance_mut(self as usize);
        // SAFETY: as for reading; no register of the list moves data to or from memory by itself.
        unsafe { register.write_volatile(value) }
    }
}

unsafe extern "C" {
    /// The lowest and the first address above the stack, from the memory map.
    safe static _stack_end: u32;
    safe static _stack_start: u32;
}

/// The most stack that was ever in use: from the lowest word that no longer has its paint.
pub(super) fn stack_bytes() -> u32 {
    let (low, high) = (ptr::from_ref(&_stack_end), ptr::from_ref(&_stack_start));
    let words = (high.addr() - low.addr()) / size_of::<u32>();
    let untouched = (0..words).take_while(|&word| {
        let word = ptr::with_exposed_provenance::<u32>(low.expose_provenance() + word * size_of::<u32>());
        // SAFETY: the word is within the stack, which the linker reserved and the start-up code painted whole; it is
        // read by value, whatever a caller's frame may hold there.
        unsafe { word.read_volatile() == STACK_PAINT_VALUE }
    });
    ((words - untouched.count()) * size_of::<u32>()) as u32
}

/// Gives a heap its memory.
#[cfg(feature = "checks")]
pub(crate) fn open_heap(heap: &embedded_alloc::LlffHeap, memory: &'static mut [u8]) {
    // SAFETY: the memory is the heap's alone from here on, and is not empty; a second call panics in the heap.
    unsafe { heap.init(memory.as_mut_ptr().expose_provenance(), memory.len()) }
}

/// The table of interrupts, which needs one entry at least: none is ever switched on here, and the default table of 240
/// would cost a kilobyte of flash.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub(super) static __INTERRUPTS: [Option<extern "C" fn()>; 1] = [None];
