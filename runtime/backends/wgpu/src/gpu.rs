//! A device and its queue: how work is sent and awaited, and what happens when it fails.

use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use typecase_engine::backend::Unavailable;
use wgpu::{
    Adapter, Backend, Buffer, CommandBuffer, Device, DeviceDescriptor, ErrorFilter, Limits, MapMode,
    PollError, PollStatus, PollType, Queue,
};

use crate::adapter;

/// How long the first work on a device may take: drivers compile late.
const FIRST_TIME_OUT: Duration = Duration::from_secs(10);
/// How often, and how long each time, a failing device is asked whether it is lost.
const SETTLE_ROUNDS: u32 = 20;
const SETTLE_TIME: Duration = Duration::from_millis(2);
/// What to do about a device that has failed.
const REMEDY: &str = "update the driver, or use another engine; please report the device";

/// An open device. What failed once stays failed.
pub(crate) struct Gpu {
    pub(crate) device: Device,
    queue: Queue,
    failure: Arc<Failure>,
    /// Whether a failure has been looked into.
    settled: AtomicBool,
    name: String,
    time_out: Duration,
    /// Whether any work has come back.
    answered: AtomicBool,
    /// OpenGL has one context, for which the library waits a few seconds only, then panics: threads queue here.
    turn: Option<Mutex<()>>,
}

/// The first thing that went wrong.
#[derive(Debug, Default)]
struct Failure(Mutex<Option<(Kind, Unavailable)>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Reported by the library or found by us.
    Error,
    /// No answer in time.
    Late,
    /// The device is gone; other errors may only follow from that.
    Lost,
}

/// Calls back when a buffer is mapped; made once, used for every call.
#[derive(Debug)]
pub(crate) struct Mapped {
    sender: SyncSender<bool>,
    receiver: Receiver<bool>,
}

impl Gpu {
    pub(crate) fn open(adapter: &Adapter, limits: Limits, time_out: Duration) -> Result<Self, Unavailable> {
        adapter::check(adapter, &limits)?;
        let name = adapter::describe(adapter);
        let descriptor = DeviceDescriptor {
            label: Some("typecase"),
            required_limits: limits,
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Unavailable::new(format!("no device on {name}: {error}"), REMEDY))?;
        let failure = Arc::new(Failure::default());
        let reported = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            reported.put(Kind::Error, Unavailable::new(described(&error), REMEDY));
        }));
        let reported = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| {
            let cause = format!("device lost ({reason:?}): {message}");
            reported.put(Kind::Lost, Unavailable::new(cause.trim_end_matches([':', ' ']), REMEDY));
        });
        let turn = (adapter.get_info().backend == Backend::Gl).then(Mutex::default);
        Ok(Self {
            device,
            queue,
            failure,
            settled: AtomicBool::new(false),
            name,
            time_out,
            answered: AtomicBool::new(false),
            turn,
        })
    }

    /// Name, interface and driver.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fails if anything has failed before.
    pub(crate) fn check(&self) -> Result<(), Unavailable> {
        let Some((kind, error)) = self.failure.get() else { return Ok(()) };
        if kind == Kind::Error && !self.settled.load(Ordering::Acquire) {
            self.settle();
            self.settled.store(true, Ordering::Release);
        }
        Err(self.failure.get().map_or(error, |(_, error)| error))
    }

    /// Waits until this thread may use the device.
    pub(crate) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does work that may fail in any way; a failure stays, and is the same for everyone.
    pub(crate) fn attempt<T>(&self, work: impl FnOnce() -> Result<T, Unavailable>) -> Result<T, Unavailable> {
        self.check()?;
        let done = guarded(work);
        if let Err(error) = &done {
            self.failure.put(Kind::Error, error.clone());
        }
        self.check()?;
        done
    }

    /// Creates something; its errors are those of this thread alone.
    pub(crate) fn create<T>(&self, what: &str, make: impl FnOnce(&Device) -> T) -> Result<T, Unavailable> {
        let filters = [ErrorFilter::Internal, ErrorFilter::OutOfMemory, ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = make(&self.device);
        let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
        match errors.reduce(|first, _| first) {
            None => Ok(made),
            Some(error) => Err(Unavailable::new(format!("{what}: {}", described(&error)), REMEDY)),
        }
    }

    /// Writes the beginning of a buffer before the next work.
    pub(crate) fn write(&self, buffer: &Buffer, bytes: &[u8]) {
        self.queue.write_buffer(buffer, 0, bytes);
    }

    /// Sends work, waits for it, and then looks at the first `bytes` of what it left in `download`.
    pub(crate) fn run(
        &self,
        work: CommandBuffer,
        download: (&Buffer, u64, &Mapped),
        time_out: Option<Duration>,
        read: impl FnOnce(&[u8]),
    ) -> Result<(), Unavailable> {
        let (buffer, bytes, mapped) = download;
        let first = !self.answered.load(Ordering::Relaxed);
        let usual = if first { self.time_out.max(FIRST_TIME_OUT) } else { self.time_out };
        let time_out = time_out.unwrap_or(usual);
        let deadline = Instant::now() + time_out;
        let index = self.queue.submit([work]);
        let sender = mapped.sender.clone();
        buffer.map_async(MapMode::Read, ..bytes, move |result| {
            // Nobody listens any more after a time-out.
            let _ = sender.try_send(result.is_ok());
        });
        let late = || {
            let cause = format!("time-out: {} did not answer within {} ms", self.name, time_out.as_millis());
            let error = Unavailable::new(cause, REMEDY);
            self.failure.put(Kind::Late, error.clone());
            error
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(late());
            }
            match self
                .device
                .poll(PollType::Wait { submission_index: Some(index.clone()), timeout: Some(left) })
            {
                Ok(_) => break,
                // OpenGL waits for 4 seconds at most.
                Err(PollError::Timeout) => {}
                Err(error) => {
                    // What was wrong with the work is known to the callbacks.
                    self.check()?;
                    return Err(Unavailable::new(format!("work not accepted: {error}"), REMEDY));
                }
            }
        }
        // Another thread may have been told that the buffer is mapped, and not yet have passed it on.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        if !mapped.receiver.recv_timeout(left).map_err(|_| late())? {
            return Err(Unavailable::new("scores cannot be read: mapping the buffer failed", REMEDY));
        }
        self.check()?;
        {
            let view = buffer.get_mapped_range(..bytes);
            let view =
                view.map_err(|error| Unavailable::new(format!("scores cannot be read: {error}"), REMEDY))?;
            read(&view);
        }
        buffer.unmap();
        self.answered.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Gives the library a moment to say that the device is lost, from which most errors follow: it waits for the work
    /// in flight, and may be telling another thread just now.
    fn settle(&self) {
        for _ in 0..SETTLE_ROUNDS {
            let wait = PollType::Wait { submission_index: None, timeout: Some(SETTLE_TIME) };
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.device.poll(wait)));
            if self.failure.get().is_some_and(|(kind, _)| kind == Kind::Lost) {
                return;
            }
            thread::sleep(SETTLE_TIME);
        }
    }

    /// Whether nothing is in flight.
    fn is_idle(&self) -> bool {
        let poll = panic::catch_unwind(AssertUnwindSafe(|| self.device.poll(PollType::Poll)));
        matches!(poll, Ok(Ok(PollStatus::QueueEmpty)))
    }
}

impl Drop for Gpu {
    /// A queue that is freed waits for its work without end: one that has failed with work in flight never is.
    fn drop(&mut self) {
        if self.failure.get().is_some() && !self.is_idle() {
            mem::forget((self.device.clone(), self.queue.clone()));
        }
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu")
            .field("name", &self.name)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl Failure {
    /// The first failure stays, unless the device turns out to be lost.
    fn put(&self, kind: Kind, error: Unavailable) {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replace = failure.as_ref().is_none_or(|(before, _)| (*before, kind) == (Kind::Error, Kind::Lost));
        if replace {
            *failure = Some((kind, error));
        }
    }

    fn get(&self) -> Option<(Kind, Unavailable)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Mapped {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = sync_channel(1);
        Self { sender, receiver }
    }
}

/// Turns a panic of the library or of a driver's bindings into an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Unavailable>) -> Result<T, Unavailable> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Unavailable::new(format!("the GPU library panicked: {text}"), REMEDY))
    })
}

fn described(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => "out of GPU memory".to_owned(),
        wgpu::Error::Validation { description, .. } => format!("work not valid: {description}"),
        wgpu::Error::Internal { description, .. } => format!("GPU library failed: {description}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let found = guarded::<()>(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(found.cause, "the GPU library panicked: number 7");
    }

    #[test]
    fn the_first_failure_stays_unless_the_device_is_lost() {
        let failure = Failure::default();
        assert_eq!(failure.get(), None);
        let put = |kind, cause: &str| {
            failure.put(kind, Unavailable::new(cause, ""));
            failure.get().unwrap().1.cause
        };
        assert_eq!(put(Kind::Error, "first"), "first");
        assert_eq!(put(Kind::Error, "second"), "first");
        assert_eq!(put(Kind::Lost, "lost"), "lost");
        assert_eq!(put(Kind::Error, "third"), "lost");
    }
}
