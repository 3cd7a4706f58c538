//! The race: all engines in turn, so that their ratios survive a drifting machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

use typecase::{Backend, Runnable, Session};

use super::machine::{self, micros};
use super::peer::{Peer, Took};
use super::record::{Facts, Row, relate};
use super::texts::Texts;
use crate::failure::Failure;

/// How long an engine waits before its turn, until the other has put its answer down and let go of the core.
const LET_GO: Duration = Duration::from_millis(1);
/// About how long a turn is, in seconds: a slow engine does fewer texts.
const TURN: f64 = 0.1;
/// Below this share of its core an engine was disturbed so often that the times on the wall are doubtful.
const QUIET_SHARE: f64 = 0.98;

/// A prepared case, and how long it took.
pub(super) struct Engine {
    pub(super) backend: Backend,
    pub(super) runnable: Runnable,
    pub(super) open_us: f64,
    pub(super) first_answer_us: f64,
    /// Threads of one classification.
    pub(super) threads: u32,
}

impl Engine {
    /// Another engine under this name would be a lie. Another provider of the same engine is named in the row.
    pub(super) fn is_asked_for(&self) -> Result<(), Failure> {
        let report = self.runnable.report();
        match report.passed_over.last() {
            Some(passed) if self.backend != Backend::Auto && report.backend != self.backend.name() => {
                Err(Failure::purpose(format!("backend {passed}")).help(&passed.remedy))
            }
            _ => Ok(()),
        }
    }

    fn facts(&self) -> Facts {
        let report = self.runnable.report();
        Facts {
            engine: report.backend.to_owned(),
            version: report.device,
            case: self.runnable.case().name().to_owned(),
            threads: self.threads,
            open_us: self.open_us,
            first_answer_us: self.first_answer_us,
            peak_rss_kib: machine::peak_rss_kib(),
        }
    }
}

/// Times ours, text by text, `runs` times.
pub(super) fn text_by_text(engines: &[Engine], texts: &Texts, runs: u32) -> Result<Vec<Row>, Failure> {
    let count = runs as usize;
    let warm_up = count / 10;
    let mut sessions: Vec<_> =
        engines.iter().map(|engine| (engine.runnable.session(), Vec::with_capacity(count))).collect();
    for (run, text) in texts.texts.iter().cycle().take(warm_up + count).enumerate() {
        for (session, times) in &mut sessions {
            let started = Instant::now();
            black_box(session.classify(black_box(text))?);
            let elapsed = micros(started);
            if run >= warm_up {
                times.push(elapsed);
            }
        }
    }
    let mut rows = Vec::new();
    for (engine, (_, times)) in engines.iter().zip(&sessions) {
        engine.is_asked_for()?;
        rows.push(engine.facts().row(texts.length, runs, times));
    }
    relate(&mut rows);
    Ok(rows)
}

/// Times ours and the peers in rounds: in each, for each length, one engine after the other does some texts. A time is
/// the mean of a turn; the first round does not count.
pub(super) fn in_rounds(
    engines: &[Engine],
    peers: &mut [Peer],
    lengths: &[Texts],
    rounds: u32,
) -> Result<Vec<Row>, Failure> {
    let ours =
        engines.iter().map(|engine| Contender::new(Side::Ours(engine, engine.runnable.session()), lengths));
    let mut contenders: Vec<_> = ours.collect();
    contenders.extend(peers.iter_mut().map(|peer| Contender::new(Side::Peer(peer), lengths)));
    for round in 0..=rounds {
        for (at, texts) in lengths.iter().enumerate() {
            for contender in &mut contenders {
                contender.turn(at, texts, round == 0)?;
            }
        }
    }
    for engine in engines {
        engine.is_asked_for()?;
    }
    let case = engines.first().map(|engine| engine.runnable.case().name().to_owned()).unwrap_or_default();
    let mut rows = Vec::new();
    for (at, texts) in lengths.iter().enumerate() {
        let mut of_length: Vec<_> =
            contenders.iter().map(|contender| contender.row(at, texts.length, &case)).collect();
        relate(&mut of_length);
        rows.extend(of_length);
    }
    let disturbed = contenders.iter().filter(|contender| contender.processor < contender.wall * QUIET_SHARE);
    let disturbed: Vec<_> = disturbed.map(Contender::share).collect();
    if !disturbed.is_empty() {
        eprintln!(
            "note: others had the core in between: {}; run it again on a quiet machine",
            disturbed.join(", ")
        );
    }
    Ok(rows)
}

enum Side<'e> {
    Ours(&'e Engine, Session),
    Peer(&'e mut Peer),
}

/// An engine in the race.
struct Contender<'e> {
    side: Side<'e>,
    /// Texts of a turn, and microseconds a text of every turn; by length.
    series: Vec<(usize, Vec<f64>)>,
    /// Seconds of all turns.
    wall: f64,
    processor: f64,
    peak_rss_kib: Option<u64>,
}

impl<'e> Contender<'e> {
    fn new(side: Side<'e>, lengths: &[Texts]) -> Self {
        let series = lengths.iter().map(|_| (1, Vec::new())).collect();
        Self { side, series, wall: 0.0, processor: 0.0, peak_rss_kib: None }
    }

    fn name(&self) -> String {
        match &self.side {
            Side::Ours(engine, _) => engine.runnable.report().backend.to_owned(),
            Side::Peer(peer) => peer.name.clone(),
        }
    }

    /// How much of its core it had.
    fn share(&self) -> String {
        format!("{} {:.0} %", self.name(), self.processor / self.wall * 100.0)
    }

    /// Some texts of a length. The first turn is one text and tells how many the others have.
    fn turn(&mut self, at: usize, texts: &Texts, is_first: bool) -> Result<(), Failure> {
        let Some((count, times)) = self.series.get_mut(at) else { return Ok(()) };
        let took = match &mut self.side {
            Side::Ours(_, session) => ours(session, &texts.texts, *count)?,
            Side::Peer(peer) => peer.turn(texts.length, *count)?,
        };
        if is_first {
            // Texts of many lengths must be the same for all.
            let fits = if texts.length == 0 { usize::MAX } else { (TURN / took.wall.max(1e-9)) as usize };
            *count = fits.clamp(1, texts.texts.len());
            return Ok(());
        }
        times.push(took.wall / *count as f64 * 1e6);
        self.wall += took.wall;
        self.processor += took.processor;
        self.peak_rss_kib = self.peak_rss_kib.max(took.peak_rss_kib);
        Ok(())
    }

    fn row(&self, at: usize, length: u32, case: &str) -> Row {
        let facts = match &self.side {
            Side::Ours(engine, _) => engine.facts(),
            Side::Peer(peer) => Facts {
                engine: peer.name.clone(),
                version: peer.version.clone(),
                case: case.to_owned(),
                threads: 1,
                open_us: peer.open_us,
                first_answer_us: peer.first_answer_us,
                peak_rss_kib: self.peak_rss_kib,
            },
        };
        let (count, times) = self.series.get(at).map_or((0, [].as_slice()), |(count, times)| (*count, times));
        facts.row(length, (count * times.len()) as u32, times)
    }
}

/// So many texts, after one that does not count and brings the engine back into the caches.
fn ours(session: &mut Session, texts: &[String], count: usize) -> Result<Took, Failure> {
    std::thread::sleep(LET_GO);
    if let Some(text) = texts.first() {
        black_box(session.classify(text)?);
    }
    let (processor, wall) = (machine::processor_seconds(), Instant::now());
    for text in texts.iter().cycle().take(count) {
        black_box(session.classify(black_box(text))?);
    }
    let wall = wall.elapsed().as_secs_f64();
    Ok(Took { wall, processor: machine::processor_seconds() - processor, peak_rss_kib: None })
}
