//! JSON that knows where in the file it stands, so that every error can say so.

use serde_json::{Map, Value};

use super::error::{CompileError, quoted};

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'j> {
    pub(super) value: &'j Value,
    pub(super) place: String,
}

/// The fields of an object, all of them known.
#[derive(Clone, Debug)]
pub(super) struct Fields<'j> {
    map: &'j Map<String, Value>,
    place: String,
}

impl<'j> Node<'j> {
    pub(super) const fn root(value: &'j Value) -> Self {
        Self { value, place: String::new() }
    }

    fn wrong<T>(&self, allowed: &str) -> Result<T, CompileError> {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => quoted(&number.to_string()).replace('"', ""),
            Value::String(text) => quoted(text),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        self.refuse(format!("found {found}, expected {allowed}"))
    }

    /// An error at this place.
    pub(super) fn refuse<T>(&self, reason: impl std::fmt::Display) -> Result<T, CompileError> {
        let place = if self.place.is_empty() { "tokenizer" } else { &self.place };
        Err(CompileError::field(place, reason))
    }

    /// An object that has no other fields than these: one that is not known might change ids.
    pub(super) fn fields(&self, known: &[&str]) -> Result<Fields<'j>, CompileError> {
        let fields = self.any_fields()?;
        let unknown =
            fields.map.iter().find(|(name, value)| !value.is_null() && !known.contains(&name.as_str()));
        match unknown {
            None => Ok(fields),
            Some((name, _)) => self.refuse(format!(
                "field {} is not known, it might change ids; known are {}",
                quoted(name),
                known.join(", ")
            )),
        }
    }

    /// An object with any fields.
    pub(super) fn any_fields(&self) -> Result<Fields<'j>, CompileError> {
        match self.value {
            Value::Object(map) => Ok(Fields { map, place: self.place.clone() }),
            _ => self.wrong("an object"),
        }
    }

    pub(super) fn text(&self) -> Result<&'j str, CompileError> {
        self.value.as_str().map_or_else(|| self.wrong("a text"), Ok)
    }

    pub(super) fn flag(&self) -> Result<bool, CompileError> {
        self.value.as_bool().map_or_else(|| self.wrong("true or false"), Ok)
    }

    pub(super) fn number(&self) -> Result<u64, CompileError> {
        self.value.as_u64().map_or_else(|| self.wrong("a whole number from 0 on"), Ok)
    }

    /// A number of at most `most`.
    pub(super) fn number_to(&self, most: u32) -> Result<u32, CompileError> {
        match u32::try_from(self.number()?) {
            Ok(number) if number <= most => Ok(number),
            _ => self.wrong(&format!("at most {most}")),
        }
    }

    pub(super) fn character(&self) -> Result<char, CompileError> {
        let mut characters = self.text()?.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) => Ok(only),
            _ => self.wrong("a text of one character"),
        }
    }

    pub(super) fn list(&self) -> Result<&'j [Value], CompileError> {
        self.value.as_array().map_or_else(|| self.wrong("a list"), |list| Ok(list.as_slice()))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<impl Iterator<Item = Node<'j>> + use<'j>, CompileError> {
        let place = self.place.clone();
        let node = move |(index, value)| Node { value, place: format!("{place}[{index}]") };
        Ok(self.list()?.iter().enumerate().map(node))
    }

    pub(super) fn object(&self) -> Result<&'j Map<String, Value>, CompileError> {
        self.value.as_object().map_or_else(|| self.wrong("an object"), Ok)
    }

    /// One of several words, with what each means.
    pub(super) fn one_of<T: Copy>(&self, table: &[(&str, T)]) -> Result<T, CompileError> {
        let text = self.text()?;
        match table.iter().find(|(name, _)| *name == text) {
            Some((_, meant)) => Ok(*meant),
            None => {
                let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
                self.wrong(&names.join(", "))
            }
        }
    }

    /// The `type` of a component.
    pub(super) fn kind(&self) -> Result<&'j str, CompileError> {
        self.any_fields()?.need("type")?.text()
    }
}

impl<'j> Fields<'j> {
    /// A field, unless it is not there or null.
    pub(super) fn find(&self, name: &str) -> Option<Node<'j>> {
        self.map.get(name).filter(|value| !value.is_null()).map(|value| self.node(name, value))
    }

    /// A field that must be there.
    pub(super) fn need(&self, name: &str) -> Result<Node<'j>, CompileError> {
        match self.map.get(name) {
            Some(value) => Ok(self.node(name, value)),
            None => {
                let place = if self.place.is_empty() { "tokenizer" } else { &self.place };
                Err(CompileError::field(place, format!("field {name:?} is missing")))
            }
        }
    }

    /// A flag that need not be there.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool, CompileError> {
        self.find(name).map_or(Ok(default), |node| node.flag())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    fn node(&self, name: &str, value: &'j Value) -> Node<'j> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let place = match (self.place.is_empty(), plain) {
            (true, true) => name.to_owned(),
            (false, true) => format!("{}.{name}", self.place),
            (_, false) => format!("{}[{}]", self.place, quoted(name)),
        };
        Node { value, place }
    }
}
