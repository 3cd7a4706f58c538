//! Verdicts for lines that come over a serial port, in steps of a bounded cost: for a loop that must look after other things
//! in between. The case may hold an encoder.
//!
//! ```text
//! at start   case <TAB> name <TAB> sha256:digest <TAB> golden vectors that came out exactly
//! per line   label <TAB> probability per mille <TAB> scores, comma separated <TAB> flags, comma separated, or -
//! at the end end <TAB> texts <TAB> ticks of all texts <TAB> ticks of the longest <TAB> bytes of stack used at most <TAB> steps
//!            <TAB> ticks of the longest step of a model <TAB> ticks of the longest tokenizer's
//! refused    error <TAB> code <TAB> found <TAB> needed      (the numbers for memory that is too small, else 0)
//! ```

use embedded_hal::digital::OutputPin;
use embedded_io::{Read, Write};
use typecase_engine::{Case, Session};

use crate::{Buffers, Device, INTEGRITY, Meter, Stop, Summary};

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepSummary {
    /// Texts and their ticks.
    pub whole: Summary,
    /// Steps of all texts.
    pub steps: u32,
    /// Ticks of the longest step but for the tokenizer's.
    pub most_ticks_of_step: u32,
    /// Ticks of the longest first step, the tokenizer's.
    pub most_ticks_of_tokenizer: u32,
}

impl<P: Read + Write, L: OutputPin, M: Meter> Device<P, L, M> {
    /// Checks the case, then classifies line after line until the input ends, no more than `budget` at a time (see
    /// [`typecase_engine::Steps`]).
    ///
    /// # Errors
    /// [`Stop`]; a refused case is also told over the port.
    pub fn serve_in_steps(
        &mut self,
        case: &[u8],
        buffers: Buffers<'_>,
        budget: u32,
    ) -> Result<StepSummary, Stop> {
        let done = self.run_in_steps(case, buffers, budget);
        if let Err(Stop::Case(error)) = done {
            self.refuse(error)?;
        }
        done
    }

    fn run_in_steps(&mut self, case: &[u8], buffers: Buffers<'_>, budget: u32) -> Result<StepSummary, Stop> {
        let Buffers { mut memory, line } = buffers;
        let case = Case::parse_with(case, INTEGRITY)?;
        let vectors = case.verify(&mut memory)?;
        let mut session = Session::new(&case, memory)?;
        self.greet(&case, vectors)?;
        let mut summary = StepSummary::default();
        loop {
            let read = self.line(line)?;
            if !(read.is_last && read.len == 0) {
                let text = line.get(..read.len).unwrap_or_default();
                let mut steps = session.begin(text);
                let ticks = summary.add(&mut self.meter, || steps.classify_step(budget));
                summary.whole.texts = summary.whole.texts.wrapping_add(1);
                summary.whole.ticks = summary.whole.ticks.wrapping_add(ticks);
                summary.whole.most_ticks = summary.whole.most_ticks.max(ticks);
                self.answer(&steps.verdict(), read.is_cut)?;
            }
            if read.is_last {
                let Summary { texts, ticks, most_ticks } = summary.whole;
                let StepSummary { steps, most_ticks_of_step, most_ticks_of_tokenizer, .. } = summary;
                let stack_bytes = self.meter.stack_bytes();
                let more = [steps, most_ticks_of_step, most_ticks_of_tokenizer];
                self.put(b"end")?;
                for number in [texts, ticks, most_ticks, stack_bytes].into_iter().chain(more) {
                    self.put(b"\t")?;
                    self.number(number, false)?;
                }
                self.numbers([])?;
                return Ok(summary);
            }
        }
    }
}

impl StepSummary {
    /// Takes every step of a text, each measured by itself: a real device looks after other things in between. The ticks of
    /// all.
    fn add<M: Meter>(&mut self, meter: &mut M, mut step: impl FnMut() -> bool) -> u32 {
        let (mut all, mut is_first) = (0u32, true);
        loop {
            meter.start();
            let is_done = step();
            let ticks = meter.ticks();
            all = all.wrapping_add(ticks);
            self.steps = self.steps.wrapping_add(1);
            let most =
                if is_first { &mut self.most_ticks_of_tokenizer } else { &mut self.most_ticks_of_step };
            *most = ticks.max(*most);
            is_first = false;
            if is_done {
                return all;
            }
        }
    }
}
