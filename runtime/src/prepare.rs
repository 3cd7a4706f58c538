//! From a case to something that runs on this machine, and the record of what was chosen.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "encoder")]
use crate::engine::Payload;
use crate::engine::backend::{Program, Scorer, Unavailable, check};
use crate::engine::{Buffers, Cost, Verdict, classify_batch};
use crate::options::{Backend, Options};
#[cfg(feature = "threads")]
use crate::threads::Pair;
use crate::{Case, Error};

/// What runs, and what does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The engine that answers: `native`, `tract`, `ort`, `wgpu`.
    pub backend: &'static str,
    /// What it runs on: a library with its version, a device.
    pub device: String,
    /// Engines that do not answer although they were asked for, or that `auto` did not ask, in the order in which they
    /// were looked at.
    pub passed_over: Vec<PassedOver>,
}

/// An engine that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The engine: `ort (CUDA)`.
    pub backend: String,
    /// Why not.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

impl PassedOver {
    fn new(backend: impl Into<String>, why: Unavailable) -> Self {
        Self { backend: backend.into(), cause: why.cause, remedy: why.remedy }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.backend, self.cause)
    }
}

/// A case that is ready to run; shared between threads.
#[derive(Clone, Debug)]
pub struct Runnable(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    case: Case,
    /// The engine and what it made of the case; `None` for the native engine.
    other: Option<Other>,
    report: Report,
    strict: bool,
    /// The engine was lost while it ran.
    lost: OnceLock<PassedOver>,
    /// Two threads for an encoder.
    #[cfg(feature = "threads")]
    pair: Option<Pair>,
}

#[derive(Debug)]
struct Other {
    name: &'static str,
    label: String,
    program: Box<dyn Program>,
}

/// Prepares a case for this machine: the engine that was asked for if it gives the golden vectors exactly, else the
/// native one.
///
/// [`Backend::Auto`] runs a bag natively: it takes less time than a call to any other engine.
///
/// # Errors
/// [`crate::ErrorKind::NoBackend`] for an engine that is not part of this build; [`crate::ErrorKind::FellBack`] if the
/// one that was asked for cannot run the case here and `strict` is set.
pub fn prepare(case: &Case, options: &Options) -> Result<Runnable, Error> {
    if !options.backend.is_in_this_build() {
        return Err(Error::no_backend(options.backend));
    }
    #[cfg(feature = "encoder")]
    let case = &options.cpu.map_or_else(|| case.clone(), |cpu| case.on(cpu));
    #[cfg(feature = "threads")]
    let case = &if options.in_two { case.in_two() } else { case.clone() };
    let mut passed_over = Vec::new();
    for candidate in options.candidates() {
        let proven = candidate.prepare(&case.view()).and_then(|program| {
            check(&**case, &mut *program.scorer()?)?;
            Ok(program)
        });
        match proven {
            Ok(program) => {
                let other = Other { name: candidate.name(), label: candidate.label(), program };
                return Runnable::new(case, Some(other), passed_over, options);
            }
            Err(why) => passed_over.push(PassedOver::new(candidate.label(), why)),
        }
        if options.strict
            && let Some(passed) = passed_over.pop()
        {
            return Err(Error::fell_back(passed));
        }
    }
    // One library that is not there is one cause, however many providers would have come from it.
    if let [first, others @ ..] = passed_over.as_slice()
        && others.iter().all(|other| other.cause == first.cause)
        && !others.is_empty()
    {
        passed_over.truncate(1);
        passed_over.iter_mut().for_each(|passed| passed.backend = options.backend.to_string());
    }
    if options.backend == Backend::Auto {
        passed_over.extend(Backend::IN_THIS_BUILD.iter().filter(|&&other| other != Backend::Native).map(
            |other| {
                let why = Unavailable::new(
                    "not asked: a bag runs faster than a call to it",
                    format!("--backend {other}"),
                );
                PassedOver::new(other.name(), why)
            },
        ));
    }
    Runnable::new(case, None, passed_over, options)
}

impl Runnable {
    fn new(
        case: &Case,
        other: Option<Other>,
        #[cfg_attr(
            not(feature = "threads"),
            allow(unused_mut, reason = "only a refused second thread adds to it")
        )]
        mut passed_over: Vec<PassedOver>,
        options: &Options,
    ) -> Result<Self, Error> {
        let (backend, device) = match &other {
            Some(other) => (other.name, other.program.device().to_owned()),
            None => native(case),
        };
        #[cfg(feature = "threads")]
        let pair = match options.in_two.then(Pair::new).transpose() {
            Ok(pair) => pair,
            Err(why) => {
                let why = PassedOver::new("second thread", why);
                if options.strict {
                    return Err(Error::fell_back(why));
                }
                passed_over.push(why);
                None
            }
        };
        let report = Report { backend, device, passed_over };
        Ok(Self(Arc::new(Prepared {
            case: case.clone(),
            other,
            report,
            strict: options.strict,
            lost: OnceLock::new(),
            #[cfg(feature = "threads")]
            pair,
        })))
    }

    /// What runs, and what does not: as it is now, for an engine can be lost while it runs.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut report = self.0.report.clone();
        if let Some(lost) = self.lost() {
            (report.backend, report.device) = native(self.case());
            report.passed_over.push(lost.clone());
        }
        report
    }

    /// The engine that was lost after the case was prepared; the native engine answers since then.
    #[must_use]
    pub fn lost(&self) -> Option<&PassedOver> {
        self.0.lost.get()
    }

    /// The case.
    #[must_use]
    pub fn case(&self) -> &Case {
        &self.0.case
    }

    /// A session for one thread, with all the memory that it will ever need.
    ///
    /// An engine that cannot give a session is lost: see [`Session::classify`].
    #[must_use]
    pub fn session(&self) -> Session {
        self.session_of(&self.case().cost())
    }

    /// As [`Self::session`], with memory for texts of up to so many tokens together: see [`Session::classify_batch`].
    #[must_use]
    pub fn batch_session(&self, tokens: usize) -> Session {
        self.session_of(&self.case().batch_cost(tokens))
    }

    fn session_of(&self, cost: &Cost) -> Session {
        let other = self.0.other.as_ref().filter(|_| self.0.lost.get().is_none());
        let scorer = other.and_then(|other| match other.program.scorer() {
            Ok(scorer) => Some(scorer),
            Err(why) => {
                self.0.lose(why);
                None
            }
        });
        Session { prepared: Arc::clone(&self.0), scorer, buffers: Buffers::new(cost) }
    }
}

/// Name and device of the native engine; where kernels are chosen, also which.
fn native(case: &Case) -> (&'static str, String) {
    let device = format!("typecase {}, CPU", env!("CARGO_PKG_VERSION"));
    #[cfg(feature = "encoder")]
    if let Payload::Encoder(_) = case.payload() {
        return (Backend::Native.name(), format!("{device}, {}", case.cpu()));
    }
    let _ = case;
    (Backend::Native.name(), device)
}

impl Prepared {
    /// The native engine's scores.
    #[inline]
    fn scores(&self, ids: &[u32], numbers: &mut [i32], arena: &mut [u64]) -> Range<usize> {
        #[cfg(feature = "threads")]
        if let Some(pair) = &self.pair {
            return pair.scores(&self.case, ids, numbers, arena);
        }
        self.case.scores_into(ids, numbers, arena)
    }

    fn lose(&self, why: Unavailable) {
        let label = self.other.as_ref().map(|other| other.label.as_str()).unwrap_or_default();
        // The first cause is the one to tell.
        let _ = self.lost.set(PassedOver::new(label, why));
    }

    /// The native engine answers in place of another, unless that is an error.
    #[cold]
    fn fallen_back<T>(&self) -> Result<Option<T>, Error> {
        match self.lost.get() {
            Some(lost) if self.strict => Err(Error::fell_back(lost.clone())),
            _ => Ok(None),
        }
    }
}

/// One thread's way through a case. On the native engine it allocates nothing.
#[derive(Debug)]
pub struct Session {
    prepared: Arc<Prepared>,
    /// One that was lost is gone.
    scorer: Option<Box<dyn Scorer>>,
    buffers: Buffers,
}

impl Session {
    /// Classifies a text: a string, or any bytes, read as lossy UTF-8.
    ///
    /// If the engine is lost, the native one answers within the same call and from then on; [`Verdict::backend`] and
    /// [`Runnable::report`] say so.
    ///
    /// # Errors
    /// None, unless the case was prepared with `strict`: then [`crate::ErrorKind::FellBack`] once an engine is lost.
    #[inline]
    pub fn classify(&mut self, text: impl AsRef<[u8]>) -> Result<Verdict<'_>, Error> {
        let case = &self.prepared.case;
        let encoded = case.encode_into(text.as_ref(), &mut self.buffers.memory());
        let Buffers { ids, numbers, arena, .. } = &mut self.buffers;
        let ids = ids.get(..encoded.len).unwrap_or_default();
        let elsewhere = match &mut self.scorer {
            None if self.prepared.other.is_none() => None,
            None => self.prepared.fallen_back()?,
            Some(scorer) => {
                let classes = case.labels().len() as usize;
                let scores = numbers.get_mut(..classes).unwrap_or_default();
                match scorer.scores_into(ids, scores) {
                    Ok(()) => self.prepared.other.as_ref().map(|other| (0..classes, other.name)),
                    Err(why) => {
                        self.scorer = None;
                        self.prepared.lose(why);
                        self.prepared.fallen_back()?
                    }
                }
            }
        };
        let (place, backend) =
            elsewhere.unwrap_or_else(|| (self.prepared.scores(ids, numbers, arena), Backend::Native.name()));
        let verdict = case.verdict(encoded, numbers.get(place).unwrap_or_default());
        Ok(Verdict { backend, ..verdict })
    }

    /// Classifies texts and hands each verdict, with the number of its text, to `each`, in their order. The native engine
    /// runs texts of an encoder together, as many as its memory has room for: see [`Runnable::batch_session`]. The
    /// verdicts are those of [`Self::classify`].
    ///
    /// # Errors
    /// As [`Self::classify`]; the texts before have been handed over.
    pub fn classify_batch<T: AsRef<[u8]>>(
        &mut self,
        texts: &[T],
        mut each: impl FnMut(usize, Verdict<'_>),
    ) -> Result<(), Error> {
        if self.prepared.other.is_none() {
            classify_batch(&self.prepared.case, texts, self.buffers.memory(), each);
            return Ok(());
        }
        for (nth, text) in texts.iter().enumerate() {
            each(nth, self.classify(text)?);
        }
        Ok(())
    }

    /// Runs the golden vectors of the case: ids, scores of the native engine, and scores of the engine of this session.
    /// Returns how many there are.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidCase`] for the first that does not come out exactly, [`crate::ErrorKind::FellBack`]
    /// if it is another engine that does not give it.
    pub fn verify(&mut self) -> Result<u32, Error> {
        let case = &self.prepared.case;
        let count = case.verify(&mut self.buffers.memory()).map_err(|e| Error::invalid(case.name(), e))?;
        if let (Some(scorer), Some(other)) = (&mut self.scorer, &self.prepared.other) {
            check(&**case, &mut **scorer)
                .map_err(|why| Error::fell_back(PassedOver::new(&other.label, why)))?;
        }
        Ok(count)
    }

    /// The case.
    #[must_use]
    pub fn case(&self) -> &Case {
        &self.prepared.case
    }
}
