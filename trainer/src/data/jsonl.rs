//! One line of JSONL.

use core::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::delimited::join;
use super::error::{DataError, excerpt, excerpts};
use super::labels::Labels;
use super::{ReadOptions, Row, RowLabel};

/// The keys to look for.
pub(super) struct Keys {
    text: Vec<String>,
    label: String,
    unlabelled: bool,
}

impl Keys {
    pub(super) fn new(options: &ReadOptions) -> Self {
        Self {
            text: options.text_columns.clone(),
            label: options.label_column.clone(),
            unlabelled: options.unlabelled,
        }
    }

    /// The row that a line holds.
    pub(super) fn row(
        &self,
        bytes: &[u8],
        labels: &mut Labels,
        file: &str,
        line: u64,
    ) -> Result<Row, DataError> {
        let json = core::str::from_utf8(bytes).map_err(|error| DataError::InvalidUtf8Line {
            file: file.into(),
            line,
            byte: error.valid_up_to(),
        })?;
        let object = self.object(json).map_err(|error| json_error(&error, file, line))?;
        let missing = |name: &str| DataError::MissingKey {
            file: file.into(),
            line,
            name: excerpt(name),
            found: excerpts(object.keys.iter().map(String::as_str)),
        };
        let label = match &object.label {
            _ if self.unlabelled => RowLabel::Index(0),
            Some(JsonLabel::Name(name)) => labels.name(name, None, file, line)?,
            Some(JsonLabel::Index(index)) => labels.number_from_zero(*index, file, line)?,
            None => return Err(missing(&self.label)),
        };
        let texts = self.text.iter().zip(&object.texts);
        let (text, lead_bytes) = join(texts.map(|(key, text)| text.as_deref().ok_or_else(|| missing(key))))?;
        if text.is_empty() {
            return Err(DataError::EmptyText { file: file.into(), line });
        }
        Ok(Row { text, lead_bytes, label, line })
    }

    fn object(&self, json: &str) -> Result<Object, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let object = ObjectSeed(self).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(object)
    }
}

/// The error of a line, its position on the line taken out of the message and into the place.
fn json_error(error: &serde_json::Error, file: &str, line: u64) -> DataError {
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let reason = message.strip_suffix(&position).unwrap_or(&message);
    // Its messages quote values and keys of the file.
    let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    DataError::Json { file: file.into(), line, column: error.column() as u64, reason }
}

/// What was found under the keys.
struct Object {
    texts: Vec<Option<String>>,
    label: Option<JsonLabel>,
    keys: Vec<String>,
}

enum JsonLabel {
    Name(String),
    Index(u64),
}

struct ObjectSeed<'a>(&'a Keys);

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let Keys { text, label, .. } = self.0;
        let mut object = Object { texts: vec![None; text.len()], label: None, keys: Vec::new() };
        while let Some(key) = map.next_key::<String>()? {
            if object.keys.contains(&key) && (key == *label || text.contains(&key)) {
                return Err(A::Error::custom(format_args!(
                    "key {} found again, allowed once",
                    excerpt(&key)
                )));
            }
            if key == *label {
                object.label = Some(map.next_value()?);
            } else if let Some(at) = text.iter().position(|name| *name == key) {
                object.texts[at] = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            // A name too many is of no use to anybody, and a hostile line may have a million.
            if object.keys.len() < 64 || key == *label || text.contains(&key) {
                object.keys.push(key);
            }
        }
        Ok(object)
    }
}

impl<'de> Deserialize<'de> for JsonLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelVisitor;

        impl Visitor<'_> for LabelVisitor {
            type Value = JsonLabel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an integer from 0")
            }

            fn visit_str<E>(self, name: &str) -> Result<JsonLabel, E> {
                Ok(JsonLabel::Name(name.to_owned()))
            }

            fn visit_u64<E>(self, index: u64) -> Result<JsonLabel, E> {
                Ok(JsonLabel::Index(index))
            }
        }

        deserializer.deserialize_any(LabelVisitor)
    }
}
