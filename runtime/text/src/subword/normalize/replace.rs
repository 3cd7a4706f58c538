//! `Replace`: a text, or a run of one kind of character.

use super::super::cell::{Cell, Full, Row};
use super::super::unicode;
use super::MAX_PATTERN;

/// What is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern<'t> {
    /// A text, never empty.
    Text(&'t str),
    /// At least `min` times the same character, as many as there are: the regular expression `c{min,}`.
    Run {
        /// The character.
        of: char,
        /// At least so many, never 0.
        min: u8,
    },
    /// At least `min` characters of white space, as many as there are: `\s{min,}`.
    White {
        /// At least so many, never 0.
        min: u8,
    },
}

impl<'t> Pattern<'t> {
    pub(super) fn parse(kind: u8, flags: u8, text: &'t str) -> Option<Self> {
        let mut characters = text.chars();
        let first = characters.next();
        match kind {
            9 if flags == 0 && first.is_some() && text.chars().count() <= MAX_PATTERN => {
                Some(Self::Text(text))
            }
            10 if flags > 0 && characters.next().is_none() => Some(Self::Run { of: first?, min: flags }),
            11 if flags > 0 && text.is_empty() => Some(Self::White { min: flags }),
            _ => None,
        }
    }

    /// How many of the first cells match, 0 if none.
    fn matches(&self, cells: &[Cell]) -> usize {
        let run = |min: u8, is_in: &dyn Fn(char) -> bool| {
            let len = cells.iter().take_while(|cell| is_in(cell.character())).count();
            if len >= usize::from(min) { len } else { 0 }
        };
        match self {
            Self::Text(text) => {
                let mut len = 0usize;
                for (c, cell) in
                    text.chars().map(Some).zip(cells.iter().map(Some).chain(core::iter::repeat(None)))
                {
                    if cell.map(|cell| cell.character()) != c {
                        return 0;
                    }
                    len = len.saturating_add(1);
                }
                len
            }
            Self::Run { of, min } => run(*min, &|c| c == *of),
            Self::White { min } => run(*min, &unicode::is_white_space),
        }
    }

    /// How many cells, after no match, surely begin none: a run that is too short is not looked at again.
    fn skipped(&self, cells: &[Cell]) -> usize {
        let of =
            |is_in: &dyn Fn(char) -> bool| cells.iter().take_while(|cell| is_in(cell.character())).count();
        match self {
            Self::Text(_) => 1,
            Self::Run { of: one, .. } => of(&|c| c == *one).max(1),
            Self::White { .. } => of(&unicode::is_white_space).max(1),
        }
    }

    pub(super) fn replace(&self, content: &str, input: &[Cell], out: &mut Row<'_>) -> Result<(), Full> {
        let mut rest = input;
        while !rest.is_empty() {
            let len = self.matches(rest);
            let taken = if len == 0 { self.skipped(rest) } else { len };
            let (cells, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            match cells.last().filter(|_| len > 0) {
                // Every new character is inserted after the last one that it replaces.
                Some(last) => content.chars().try_for_each(|c| out.push(last.becomes(c)))?,
                None => cells.iter().try_for_each(|cell| out.push(*cell))?,
            }
            rest = after;
        }
        Ok(())
    }

    /// Replaces one character by one, or nothing where nothing matches.
    pub(super) fn replace_in_place(&self, content: &str, row: &mut Row<'_>) -> bool {
        if let Some(of) = self.single()
            && let Some(to) = single(content)
        {
            for cell in row.cells_mut().iter_mut().filter(|cell| cell.character() == of) {
                *cell = cell.becomes(to);
            }
            return true;
        }
        let cells = row.cells();
        !(0..cells.len()).any(|at| {
            let rest = cells.get(at..).unwrap_or_default();
            rest.first().is_some_and(|cell| self.may_begin(cell.character())) && self.matches(rest) > 0
        })
    }

    fn may_begin(&self, c: char) -> bool {
        match self {
            Self::Text(text) => text.starts_with(c),
            Self::Run { of, .. } => *of == c,
            Self::White { .. } => unicode::is_white_space(c),
        }
    }

    fn single(&self) -> Option<char> {
        match self {
            Self::Text(text) => single(text),
            _ => None,
        }
    }

    /// Can what it does to the character depend on the characters beside it?
    pub(super) fn sees_beside(&self, c: char) -> bool {
        match self {
            Self::Text(text) => single(text).is_none() && text.contains(c),
            Self::Run { .. } | Self::White { .. } => self.may_begin(c),
        }
    }
}

fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}
