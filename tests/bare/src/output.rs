//! Text to the standard output of the emulator; its end.

use core::arch::asm;
use core::fmt;

/// A port of the emulator: its bytes go to standard output.
const OUTPUT: u16 = 0xE9;
/// Another: this word ends it.
const END: (u16, &str) = (0x8900, "Shutdown");

pub(crate) struct Output;

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| put(OUTPUT, byte));
        Ok(())
    }
}

fn put(port: u16, byte: u8) {
    // SAFETY: a byte for a device; no memory is touched.
    unsafe { asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack, preserves_flags)) };
}

/// Ends the emulator.
pub(crate) fn end() -> ! {
    END.1.bytes().for_each(|byte| put(END.0, byte));
    loop {
        core::hint::spin_loop();
    }
}

/// As the macro of `std`.
#[macro_export]
macro_rules! println {
    ($($words:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::output::Output, $($words)*);
    }};
}
