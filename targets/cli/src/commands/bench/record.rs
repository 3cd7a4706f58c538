//! What a run of `bench` records, as JSON and as a table; and what two runs say of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use typecase::Backend;

use super::floor::Held;
use super::profile::Profile;
use crate::failure::Failure;
use crate::format::rounded;

/// A whole run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) machine: String,
    pub(crate) command: String,
    pub(crate) commit: String,
    pub(crate) rows: Vec<Row>,
    /// Where the time goes, if it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) profile: Vec<Profile>,
    /// The matrices of an encoder beside plain products, if the profile was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) floor: Vec<Held>,
}

/// One engine at one length.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) engine: String,
    pub(crate) version: String,
    pub(crate) case: String,
    /// Words, or tokens of an encoder; 0 for the texts of the data as they are.
    pub(crate) length: u32,
    pub(crate) threads: u32,
    pub(crate) runs: u32,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) min_us: f64,
    pub(crate) ratio_vs: BTreeMap<String, f64>,
    pub(crate) open_us: f64,
    pub(crate) first_answer_us: f64,
    pub(crate) peak_rss_kib: Option<u64>,
    pub(crate) energy_uj: Option<f64>,
    /// The last tenth of the runs was a sixth slower than the first: the machine changed under the measurement.
    pub(crate) throttled: bool,
}

impl Row {
    /// Ours, not that of somebody else.
    fn is_ours(&self) -> bool {
        Backend::ALL.iter().any(|backend| backend.name() == self.engine)
    }
}

/// What all rows of an engine have in common.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) engine: String,
    pub(super) version: String,
    pub(super) case: String,
    pub(super) threads: u32,
    pub(super) open_us: f64,
    pub(super) first_answer_us: f64,
    pub(super) peak_rss_kib: Option<u64>,
}

impl Facts {
    /// A row of these times, microseconds a text in the order in which they were measured.
    pub(super) fn row(self, length: u32, runs: u32, times: &[f64]) -> Row {
        let count = times.len();
        // A tenth, but of a few rounds not one alone.
        let part = (count / 10).max((count / 2).min(5));
        let (first, last) = (median(&times[..part]), median(&times[count - part..]));
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            let place = (count.saturating_sub(1) as f64 * q).round() as usize;
            rounded(sorted.get(place).copied().unwrap_or(0.0), 3)
        };
        Row {
            engine: self.engine,
            version: self.version,
            case: self.case,
            length,
            threads: self.threads,
            runs,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            min_us: quantile(0.0),
            ratio_vs: BTreeMap::new(),
            open_us: rounded(self.open_us, 1),
            first_answer_us: rounded(self.first_answer_us, 1),
            peak_rss_kib: self.peak_rss_kib,
            energy_uj: None,
            throttled: last > first * 7.0 / 6.0,
        }
    }
}

/// Fills in how many times as fast each of these engines is as each of the others.
pub(super) fn relate(rows: &mut [Row]) {
    let medians: Vec<_> = rows.iter().map(|row| (row.engine.clone(), row.p50_us)).collect();
    for (index, row) in rows.iter_mut().enumerate() {
        let others = medians.iter().enumerate().filter(|(other, _)| *other != index);
        row.ratio_vs = others.map(|(_, (name, p50))| (name.clone(), rounded(p50 / row.p50_us, 2))).collect();
    }
}

pub(super) fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

impl Run {
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path.display(), &e))?;
        serde_json::from_str(&text)
            .map_err(|e| Failure::input(format!("{}: no run of typecase bench: {e}", path.display())))
    }

    pub(super) fn print(&self) {
        outln!("{}", self.machine);
        outln!(
            "{:<17} {:<12} {:>6} {:>9} {:>9} {:>9} {:>9} {:>6}",
            "engine",
            "case",
            "length",
            "p50 us",
            "p90 us",
            "p99 us",
            "min us",
            "ratio"
        );
        let first = self.rows.first().map(|row| row.engine.clone()).unwrap_or_default();
        for row in &self.rows {
            let length = if row.length == 0 { "data".to_owned() } else { row.length.to_string() };
            // How many times as long as the first engine it takes.
            let ratio =
                row.ratio_vs.get(&first).map_or_else(String::new, |faster| format!("{:.2}", 1.0 / faster));
            let line = format!(
                "{:<17} {:<12} {length:>6} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {ratio:>6}{}",
                row.engine,
                row.case,
                row.p50_us,
                row.p90_us,
                row.p99_us,
                row.min_us,
                if row.throttled { "  throttled" } else { "" }
            );
            outln!("{}", line.trim_end());
        }
        let mut told = BTreeSet::new();
        for row in self.rows.iter().filter(|row| told.insert(row.engine.as_str())) {
            outln!(
                "{:<17} {}: open {:.0} us, first answer {:.0} us after the start{}",
                row.engine,
                row.version,
                row.open_us,
                row.first_answer_us,
                row.peak_rss_kib.map_or_else(String::new, |kib| format!(", {kib} KiB at most"))
            );
        }
        self.profile.iter().for_each(Profile::print);
        self.floor.iter().for_each(Held::print);
    }

    /// Compares with an earlier run, and prints a line for each row that both have.
    pub(super) fn compare(old: &Self, new: &Self) -> Result<(), Failure> {
        let changes: Vec<Change<'_>> = new.rows.iter().filter_map(|row| Change::of(&old.rows, row)).collect();
        for change in &changes {
            outln!("{}", change.line());
        }
        let ours: Vec<_> = changes.iter().filter(|change| change.row.is_ours()).collect();
        if ours.is_empty() {
            return Err(Failure::input("the two runs have no row in common, at least 1 is needed"));
        }
        let regressions = ours.iter().filter(|change| change.verdict() == "slower").count();
        if regressions > 0 {
            return Err(Failure::purpose(format!(
                "{regressions} of {} rows are slower beyond the noise, 0 are allowed",
                ours.len()
            )));
        }
        Ok(())
    }
}

/// A row that two runs have.
struct Change<'r> {
    before: &'r Row,
    row: &'r Row,
}

impl<'r> Change<'r> {
    fn of(old: &'r [Row], row: &'r Row) -> Option<Self> {
        let key = |row: &Row| (row.engine.clone(), row.case.clone(), row.length, row.threads);
        let before = old.iter().find(|other| key(other) == key(row))?;
        Some(Self { before, row })
    }

    /// The larger distance from median to p90 of the two runs, and at least 3 %.
    fn noise(&self) -> f64 {
        let spread = |row: &Row| row.p90_us - row.p50_us;
        spread(self.before).max(spread(self.row)).max(self.before.p50_us * 0.03)
    }

    fn verdict(&self) -> &'static str {
        let change = self.row.p50_us - self.before.p50_us;
        match self.noise() {
            noise if change > noise => "slower",
            noise if -change > noise => "faster",
            _ => "same",
        }
    }

    fn line(&self) -> String {
        let Self { before, row } = self;
        let change = (row.p50_us - before.p50_us) / before.p50_us * 100.0;
        let verdict = self.verdict();
        format!(
            "{:<8} {:<12} {:>6}  {:.2} -> {:.2} us ({change:+.1} %, noise {:.2} us)  {verdict}{}",
            row.engine,
            row.case,
            row.length,
            before.p50_us,
            row.p50_us,
            self.noise(),
            if row.is_ours() { "" } else { ", a peer" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(engine: &str, length: u32, p50_us: f64, p90_us: f64) -> Row {
        let facts = Facts {
            engine: engine.to_owned(),
            version: "1".to_owned(),
            case: "news".to_owned(),
            threads: 1,
            open_us: 1.0,
            first_answer_us: 2.0,
            peak_rss_kib: None,
        };
        Row { p50_us, p90_us, ..facts.row(length, 3, &[1.0, 2.0, 3.0]) }
    }

    fn run(rows: Vec<Row>) -> Run {
        let text = String::new;
        Run { machine: text(), command: text(), commit: text(), rows, profile: Vec::new(), floor: Vec::new() }
    }

    #[test]
    fn a_change_counts_beyond_the_noise_of_both_runs_and_three_percent() {
        for (before, after, verdict) in [
            ((100.0, 101.0), (102.0, 103.0), "same"),
            ((100.0, 101.0), (104.0, 105.0), "slower"),
            // Either run may have been noisy.
            ((100.0, 110.0), (104.0, 105.0), "same"),
            ((100.0, 101.0), (104.0, 114.0), "same"),
            ((100.0, 101.0), (112.0, 123.0), "slower"),
            ((100.0, 101.0), (96.0, 97.0), "faster"),
            ((100.0, 101.0), (97.5, 98.0), "same"),
        ] {
            let rows = [row("native", 16, before.0, before.1)];
            let row = row("native", 16, after.0, after.1);
            assert_eq!(Change::of(&rows, &row).unwrap().verdict(), verdict, "{before:?} {after:?}");
        }
    }

    #[test]
    fn rows_are_compared_with_their_like_and_only_ours_can_regress() {
        let old = run(vec![row("native", 16, 100.0, 101.0), row("ort-int8", 16, 100.0, 101.0)]);
        let peer_slower = run(vec![row("native", 16, 100.0, 101.0), row("ort-int8", 16, 200.0, 201.0)]);
        Run::compare(&old, &peer_slower).unwrap();
        let ours_slower = run(vec![row("native", 16, 120.0, 121.0), row("native", 48, 1.0, 1.0)]);
        let failure = Run::compare(&old, &ours_slower).unwrap_err();
        assert_eq!(failure.code, 1);
        assert_eq!(failure.to_string(), "1 of 1 rows are slower beyond the noise, 0 are allowed");
        for other in [row("native", 48, 1.0, 1.0), row("ort-int8", 16, 1.0, 1.0), row("tract", 16, 1.0, 1.0)]
        {
            assert_eq!(Run::compare(&old, &run(vec![other])).unwrap_err().code, 2);
        }
        let more_threads = Row { threads: 2, ..row("native", 16, 1.0, 1.0) };
        assert_eq!(Run::compare(&old, &run(vec![more_threads])).unwrap_err().code, 2);
    }

    #[test]
    fn ratios_say_how_many_times_as_fast_a_row_is() {
        let mut rows = vec![row("native", 16, 100.0, 101.0), row("ort-int8", 16, 250.0, 251.0)];
        relate(&mut rows);
        assert_eq!(rows[0].ratio_vs, BTreeMap::from([("ort-int8".to_owned(), 2.5)]));
        assert_eq!(rows[1].ratio_vs, BTreeMap::from([("native".to_owned(), 0.4)]));
    }

    #[test]
    fn a_machine_that_slows_down_is_noted() {
        let steady: Vec<f64> = (0..15).map(|round| f64::from(100 + round % 3)).collect();
        let slowing: Vec<f64> = (0..15).map(|round| f64::from(100 + 3 * round)).collect();
        let facts = || {
            let Row { engine, version, case, .. } = row("native", 16, 1.0, 1.0);
            Facts {
                engine,
                version,
                case,
                threads: 1,
                open_us: 0.0,
                first_answer_us: 0.0,
                peak_rss_kib: None,
            }
        };
        assert!(!facts().row(16, 15, &steady).throttled);
        assert!(facts().row(16, 15, &slowing).throttled);
    }
}
