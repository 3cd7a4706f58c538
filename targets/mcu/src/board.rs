//! The MPS2 board with image AN386, as QEMU emulates it: one serial port, one lamp, the counter of the core.
//!
//! # Source
//! Arm, "Application Note AN386", memory map; "Cortex-M System Design Kit", APB UART programmers model.

use core::convert::Infallible;
use core::panic::PanicInfo;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_semihosting::debug;
use embedded_hal::digital::{self, OutputPin};
use embedded_io::{ErrorType, Read, Write};
use typecase_mcu::Meter;

mod memory;

use memory::Register;

/// UART0, polled.
pub(crate) struct Uart;

impl Uart {
    /// Bits of the state: something waits to be sent, something was received.
    const SENDING: u32 = 1;
    const RECEIVED: u32 = 2;

    /// Switches both directions on.
    pub(crate) fn open() -> Self {
        // The least divisor that the device takes; what the line's speed is does not matter to an emulator.
        Register::UartDivisor.write(16);
        Register::UartControl.write(Self::SENDING | Self::RECEIVED);
        Self
    }

    fn send(&mut self, byte: u8) {
        while Register::UartState.read() & Self::SENDING != 0 {}
        Register::UartData.write(byte.into());
    }

    fn receive(&mut self) -> u8 {
        while Register::UartState.read() & Self::RECEIVED == 0 {}
        Register::UartData.read().to_le_bytes()[0]
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        // One byte is what there is at least, and what the device holds at most.
        Ok(buf.first_mut().map_or(0, |first| {
            *first = self.receive();
            1
        }))
    }
}

impl Write for Uart {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        buf.iter().for_each(|&byte| self.send(byte));
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while Register::UartState.read() & Self::SENDING != 0 {}
        Ok(())
    }
}

/// The first user lamp.
pub(crate) struct Lamp;

impl digital::ErrorType for Lamp {
    type Error = Infallible;
}

impl OutputPin for Lamp {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Register::Lamps.write(0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Register::Lamps.write(1);
        Ok(())
    }
}

/// SysTick as a free-running counter of the core's clock: 24 bits, downwards.
pub(crate) struct Counter {
    timer: Option<SYST>,
    started: u32,
}

impl Counter {
    const BITS: u32 = 0x00FF_FFFF;

    pub(crate) fn open() -> Self {
        let mut timer = cortex_m::Peripherals::take().map(|peripherals| peripherals.SYST);
        if let Some(timer) = &mut timer {
            timer.set_clock_source(SystClkSource::Core);
            timer.set_reload(Self::BITS);
            timer.clear_current();
            timer.enable_counter();
        }
        Self { timer, started: 0 }
    }

    fn now(&self) -> u32 {
        self.timer.as_ref().map_or(0, |_| SYST::get_current())
    }
}

impl Meter for Counter {
    fn start(&mut self) {
        self.started = self.now();
    }

    fn ticks(&mut self) -> u32 {
        self.started.wrapping_sub(self.now()) & Self::BITS
    }

    fn stack_bytes(&self) -> u32 {
        memory::stack_bytes()
    }
}

#[cfg(feature = "checks")]
pub(crate) use memory::open_heap;

/// Ends the program, and the emulator with it: exit code 0 or 1.
pub(crate) fn exit(well: bool) -> ! {
    debug::exit(if well { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    // A debugger may let the program go on.
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut port = Uart::open();
    port.write(b"panic\t").ok();
    if let Some(place) = info.location() {
        port.write(place.file().as_bytes()).ok();
        port.write(b"\t").ok();
        let mut divisor = 1_000_000;
        while divisor > 0 {
            port.send(b'0'.wrapping_add((place.line() / divisor % 10) as u8));
            divisor /= 10;
        }
    }
    port.write(b"\n").ok();
    exit(false)
}
