//! The label set, and what a class of a row is in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::RowLabel;
use super::error::{DataError, excerpt, excerpts};

/// The most classes a label set may have.
pub const MAX_CLASSES: usize = 65_536;

/// The longest `classes.txt` read: [`MAX_CLASSES`] names of 64 bytes.
const MAX_FILE_BYTES: u64 = 64 * MAX_CLASSES as u64;

/// Resolves the classes of rows, to indices where the label set is known.
pub(super) struct Labels {
    names: Vec<String>,
    indices: HashMap<String, u32>,
    /// Whether the first class of an unknown label set was an index.
    by_index: Option<bool>,
}

impl Labels {
    /// The label set is not known.
    pub(super) fn unknown() -> Self {
        Self { names: Vec::new(), indices: HashMap::new(), by_index: None }
    }

    /// The label set is `names`.
    pub(super) fn given(names: &[String]) -> Result<Self, DataError> {
        Self::known(names, "label set", |entry| format!("label set, entry {entry}"))
    }

    /// The label set in `classes.txt` beside `file`, if there is one.
    pub(super) fn beside(file: &Path) -> Result<Option<Self>, DataError> {
        let path = file.with_file_name("classes.txt");
        let place = path.display().to_string();
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DataError::io(&place, error)),
            Ok(_) => {}
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut names = Vec::new();
        for (line, name) in (1..).zip(bytes.trim_ascii_end().split(|&byte| byte == b'\n')) {
            let name = core::str::from_utf8(name).map_err(|error| DataError::InvalidUtf8Line {
                file: place.clone(),
                line,
                byte: error.valid_up_to(),
            })?;
            names.push(name.trim().to_owned());
        }
        if names == [""] {
            names.clear();
        }
        Self::known(&names, &place, |line| format!("{place}, line {line}")).map(Some)
    }

    fn known(names: &[String], file: &str, place: impl Fn(usize) -> String) -> Result<Self, DataError> {
        if names.is_empty() {
            return Err(DataError::NoLabels { place: file.into() });
        }
        if names.len() > MAX_CLASSES {
            return Err(DataError::TooManyClasses {
                file: file.into(),
                found: names.len(),
                limit: MAX_CLASSES,
            });
        }
        let mut indices = HashMap::new();
        for (index, name) in (0u32..).zip(names) {
            let place = || place(index as usize + 1);
            if name.trim().is_empty() {
                return Err(DataError::BlankLabel { place: place() });
            }
            if indices.insert(name.clone(), index).is_some() {
                return Err(DataError::RepeatedLabel { place: place(), label: excerpt(name) });
            }
        }
        Ok(Self { names: names.to_vec(), indices, by_index: None })
    }

    /// The label set, where it is known.
    pub(super) fn names(&self) -> Option<&[String]> {
        (!self.names.is_empty()).then_some(&self.names)
    }

    /// A class of a file in AG News form.
    pub(super) fn number_from_one(&self, class: &str, file: &str, line: u64) -> Result<RowLabel, DataError> {
        self.number_from(1, class, 0, file, line)
    }

    /// A class given as an integer in JSON.
    pub(super) fn number_from_zero(
        &mut self,
        class: u64,
        file: &str,
        line: u64,
    ) -> Result<RowLabel, DataError> {
        let most = self.index_limit();
        let index = u32::try_from(class).ok().filter(|&index| index < most);
        let index = index.ok_or_else(|| DataError::UnknownJsonClass {
            file: file.into(),
            line,
            found: class.to_string(),
            allowed: format!("0 to {}", most - 1),
        })?;
        self.same_kind(true, &class.to_string(), file, line)?;
        Ok(RowLabel::Index(index))
    }

    /// A class given as a number in `column` from 0 of a file whose first class is `first`.
    pub(super) fn number_from(
        &self,
        first: u32,
        class: &str,
        column: usize,
        file: &str,
        line: u64,
    ) -> Result<RowLabel, DataError> {
        let most = self.index_limit();
        let number = class.trim().parse::<u32>().ok();
        match number.and_then(|number| number.checked_sub(first)).filter(|&index| index < most) {
            Some(index) => Ok(RowLabel::Index(index)),
            None => Err(DataError::UnknownClass {
                file: file.into(),
                line,
                column: column as u64 + 1,
                found: excerpt(class),
                allowed: format!("{first} to {}", u64::from(first) + u64::from(most) - 1),
            }),
        }
    }

    /// A class given as a name, in `column` from 0 where there are columns.
    pub(super) fn name(
        &mut self,
        class: &str,
        column: Option<usize>,
        file: &str,
        line: u64,
    ) -> Result<RowLabel, DataError> {
        if class.trim().is_empty() {
            return Err(DataError::EmptyLabel { file: file.into(), line });
        }
        if self.names.is_empty() {
            self.same_kind(false, class, file, line)?;
            return Ok(RowLabel::Name(class.to_owned()));
        }
        if let Some(&index) = self.indices.get(class) {
            return Ok(RowLabel::Index(index));
        }
        let (file, found) = (file.to_owned(), excerpt(class));
        let allowed = excerpts(self.names.iter().map(String::as_str));
        Err(match column {
            Some(at) => DataError::UnknownClass { file, line, column: at as u64 + 1, found, allowed },
            None => DataError::UnknownJsonClass { file, line, found, allowed },
        })
    }

    /// How many classes there are, or may be.
    fn index_limit(&self) -> u32 {
        if self.names.is_empty() { MAX_CLASSES as u32 } else { self.names.len() as u32 }
    }

    /// Refuses an index after names, and a name after indices, where only the label set could tell which is
    /// which.
    fn same_kind(&mut self, index: bool, found: &str, file: &str, line: u64) -> Result<(), DataError> {
        const KINDS: [&str; 2] = ["a string", "an integer"];
        if !self.names.is_empty() || *self.by_index.get_or_insert(index) == index {
            return Ok(());
        }
        Err(DataError::MixedLabels {
            file: file.into(),
            line,
            found: excerpt(found),
            kind: KINDS[usize::from(index)],
            expected: KINDS[usize::from(!index)],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_txt_gives_the_names_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.csv");
        assert!(Labels::beside(&file).unwrap().is_none());
        std::fs::write(folder.path().join("classes.txt"), "\u{feff}World\r\nSports \r\n\r\n").unwrap();
        assert_eq!(Labels::beside(&file).unwrap().unwrap().names().unwrap(), ["World", "Sports"]);
    }

    #[test]
    fn names_and_indices_may_be_mixed_where_the_label_set_is_known() {
        let mut labels = Labels::given(&["a".into(), "b".into()]).unwrap();
        assert_eq!(labels.name("b", None, "x", 1).unwrap(), RowLabel::Index(1));
        assert_eq!(labels.number_from_zero(0, "x", 1).unwrap(), RowLabel::Index(0));
        assert_eq!(labels.number_from_one(" 2", "x", 1).unwrap(), RowLabel::Index(1));
    }
}
