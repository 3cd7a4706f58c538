//! Learning curves, from the log of a run.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::TrainError;

/// What the log tells of a number over the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// The number: `loss`, `validation_loss`, `validation_accuracy`, `rate`.
    pub name: &'static str,
    /// Steps of an encoder, or epochs of a bag counted through its stages, and the number after so many.
    pub points: Vec<[f64; 2]>,
}

/// The numbers that curves are made of.
const NUMBERS: [&str; 4] = ["loss", "validation_loss", "validation_accuracy", "rate"];

/// The curves that `log.jsonl` in the folder of a run holds. Where a run was resumed, what it did again replaces what
/// was lost. A last line that is cut, as in a run that goes on, does not count.
///
/// # Errors
/// [`TrainError::Io`] if the log cannot be read, [`TrainError::Log`] if a line is no event or there is no curve.
pub fn curves(folder: &Path) -> Result<Vec<Curve>, TrainError> {
    let path = folder.join("log.jsonl");
    let text = fs::read_to_string(&path).map_err(|e| TrainError::io(&path, e))?;
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut curves = NUMBERS.map(|name| Curve { name, points: Vec::new() });
    let mut epochs = Vec::new();
    for (line, event) in (1..).zip(whole.lines()) {
        let event: Value = serde_json::from_str(event)
            .map_err(|e| TrainError::Log { path: path.clone(), reason: format!("line {line}: {e}") })?;
        let Some(x) = place(&event, &mut epochs) else { continue };
        for Curve { name, points } in &mut curves {
            if let Some(y) = event[*name].as_f64() {
                while points.pop_if(|last| last[0] >= x).is_some() {}
                points.push([x, y]);
            }
        }
    }
    let curves: Vec<Curve> = curves.into_iter().filter(|curve| !curve.points.is_empty()).collect();
    if curves.is_empty() {
        return Err(TrainError::Log {
            path,
            reason: "no step and no epoch found, at least 1 is needed".into(),
        });
    }
    Ok(curves)
}

/// Where on the way an event stands; `epochs` are those seen, by stage and number.
fn place(event: &Value, epochs: &mut Vec<[u64; 2]>) -> Option<f64> {
    match event["event"].as_str()? {
        "steps" | "evaluated" => event["step"].as_f64(),
        "epoch" => {
            let epoch = [event["stage"].as_u64()?, event["epoch"].as_u64()?];
            while epochs.pop_if(|last| *last >= epoch).is_some() {}
            epochs.push(epoch);
            Some(epochs.len() as f64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(log: &str) -> Result<Vec<Curve>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log.jsonl"), log).unwrap();
        let found = curves(folder.path());
        found.map_err(|e| e.to_string().replace(&*folder.path().to_string_lossy(), "run"))
    }

    #[test]
    fn steps_and_epochs_are_followed_and_what_was_done_again_replaces() {
        let log = r#"{"event":"data","train":9}
{"event":"steps","step":10,"loss":2.0,"rate":0.1}
{"event":"steps","step":20,"loss":1.5,"rate":0.1}
{"event":"evaluated","step":20,"validation_loss":1.0,"validation_accuracy":0.5}
{"event":"resumed_at","step":10}
{"event":"steps","step":20,"loss":1.25,"rate":0.05}
{"event":"steps","st"#;
        let found = of(log).unwrap();
        let names: Vec<_> = found.iter().map(|curve| curve.name).collect();
        assert_eq!(names, NUMBERS);
        assert_eq!(found[0].points, [[10.0, 2.0], [20.0, 1.25]]);
        assert_eq!(found[2].points, [[20.0, 0.5]]);

        let epoch = |stage, epoch, loss: f64| {
            let event = serde_json::json!({"event": "epoch", "stage": stage, "epoch": epoch, "validation_loss": loss});
            event.to_string() + "\n"
        };
        let found =
            of(&(epoch(1, 1, 3.0) + &epoch(1, 2, 2.0) + &epoch(1, 2, 1.0) + &epoch(2, 1, 0.5))).unwrap();
        assert_eq!(found[0].points, [[1.0, 3.0], [2.0, 1.0], [3.0, 0.5]]);
    }

    #[test]
    fn a_log_without_a_curve_is_an_error() {
        let none = "run/log.jsonl: no step and no epoch found, at least 1 is needed";
        assert_eq!(of("{\"event\":\"data\"}\n").unwrap_err(), none);
        assert_eq!(of("").unwrap_err(), none);
        let bad = of("{\"event\":\n{}\n").unwrap_err();
        assert!(bad.starts_with("run/log.jsonl: line 1: "), "{bad}");
    }
}
