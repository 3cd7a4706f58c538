//! Scalars for TensorBoard: an event file beside `log.jsonl`.
//!
//! A record is its length (u64), a checksum of that, the bytes, a checksum of those, all little-endian; the bytes are a
//! protocol buffer `Event` with a time, a step and a `Summary` of one value.
//!
//! # Source
//! TensorFlow, `tensorflow/core/lib/io/record_writer.h` (records, masked CRC-32C), `core/util/event.proto` and
//! `core/framework/summary.proto` (numbers of the fields).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::TrainError;
use crate::log::Event;

/// What the name of the file must begin with.
const PREFIX: &str = "events.out.tfevents";

/// An event file that grows.
pub(crate) struct TensorBoard {
    path: PathBuf,
    file: File,
}

impl TensorBoard {
    /// Begins a file in `folder`; a run that does not go on with an earlier one removes those that are there.
    pub(crate) fn open(folder: &Path, goes_on: bool) -> Result<Self, TrainError> {
        if !goes_on {
            remove(folder)?;
        }
        let path = folder.join(format!("{PREFIX}.{:.0}", now()));
        let file =
            File::options().create(true).append(true).open(&path).map_err(|e| TrainError::io(&path, e))?;
        let mut board = Self { path, file };
        // Field 3 of the first event: the version of the format.
        let mut first = field_double(1, now());
        first.extend(field_bytes(3, b"brain.Event:2"));
        board.write(&first)?;
        Ok(board)
    }

    /// Adds what an event says.
    pub(crate) fn add(&mut self, event: &Event) -> Result<(), TrainError> {
        for (tag, step, value) in scalars(event) {
            let mut value_of_tag = field_bytes(1, tag.as_bytes());
            value_of_tag.extend(field_float(2, value as f32));
            let mut record = field_double(1, now());
            record.extend(field_varint(2, step));
            record.extend(field_bytes(5, &field_bytes(1, &value_of_tag)));
            self.write(&record)?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        let len = (bytes.len() as u64).to_le_bytes();
        let mut record = len.to_vec();
        record.extend(masked(&len).to_le_bytes());
        record.extend(bytes);
        record.extend(masked(bytes).to_le_bytes());
        self.file.write_all(&record).map_err(|e| TrainError::io(&self.path, e))
    }
}

fn remove(folder: &Path) -> Result<(), TrainError> {
    let all = || {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    };
    all().map_err(|e| TrainError::io(folder, e))
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Names, steps and values; of a bag the step counts epochs within a stage.
fn scalars(event: &Event) -> Vec<(String, u64, f64)> {
    let scalar = |tag: &str, step: u64, value: f64| (tag.to_owned(), step, value);
    match event {
        Event::Steps { step, loss, rate, gradient, tokens_per_second, .. } => vec![
            scalar("train/loss", *step, *loss),
            scalar("train/rate", *step, *rate),
            scalar("train/gradient", *step, *gradient),
            scalar("train/tokens_per_second", *step, *tokens_per_second),
        ],
        Event::Evaluated { step, validation_loss, validation_accuracy, .. } => vec![
            scalar("validation/loss", *step, *validation_loss),
            scalar("validation/accuracy", *step, *validation_accuracy),
        ],
        Event::Epoch { stage, epoch, validation_loss, validation_accuracy, largest_step, .. } => vec![
            (format!("stage_{stage}/validation_loss"), *epoch as u64, *validation_loss),
            (format!("stage_{stage}/validation_accuracy"), *epoch as u64, *validation_accuracy),
            (format!("stage_{stage}/largest_step"), *epoch as u64, f64::from(*largest_step)),
        ],
        _ => Vec::new(),
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn field_varint(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn field_double(number: u64, value: f64) -> Vec<u8> {
    [varint(number << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

fn field_float(number: u64, value: f32) -> Vec<u8> {
    [varint(number << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

fn field_bytes(number: u64, value: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// CRC-32C, rotated and shifted as records have it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// CRC-32 with Castagnoli's polynomial, bit by bit: there are a few hundred bytes a minute.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46DD_794E);
    }

    #[test]
    fn records_can_be_read_back_and_a_new_run_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("events.out.tfevents.1"), "old").unwrap();
        let mut board = TensorBoard::open(folder.path(), false).unwrap();
        let event = Event::Evaluated {
            step: 300,
            validation_loss: 0.5,
            validation_accuracy: 0.75,
            best: true,
            seconds: 1.0,
        };
        board.add(&event).unwrap();
        let files: Vec<PathBuf> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let mut bytes = fs::read(&files[0]).unwrap();
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(bytes[8..12], masked(&bytes[..8]).to_le_bytes());
            let record = bytes[12..12 + len].to_vec();
            assert_eq!(bytes[12 + len..16 + len], masked(&record).to_le_bytes());
            bytes.drain(..16 + len);
            records.push(record);
        }
        assert_eq!(records.len(), 3);
        assert!(records[0].ends_with(b"brain.Event:2"));
        // Time, then the step as a variable-length number, then the summary.
        assert_eq!(records[2][9..12], [0x10, 0xAC, 0x02]);
        let expected = [field_bytes(1, b"validation/accuracy"), field_float(2, 0.75)].concat();
        assert!(records[2].ends_with(&expected));
    }
}
