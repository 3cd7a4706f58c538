//! Texts of every kind that a tokenizer may meet, each from its number alone.

/// What the texts of one tokenizer are made of.
pub(crate) struct Recipe {
    seed: u64,
    /// Words of real texts.
    words: Vec<String>,
    /// Special tokens of the tokenizer, and what looks like them.
    tokens: Vec<String>,
}

impl Recipe {
    pub(crate) fn new(seed: u64, rows: &[String], tokens: &[String]) -> Self {
        let words = rows.iter().step_by(37).flat_map(|row| row.split_whitespace()).map(str::to_owned);
        let mut words: Vec<String> = words.take(50_000).collect();
        words.push("word".to_owned());
        let mut tokens = tokens.to_vec();
        let parts: Vec<String> = tokens
            .iter()
            .map(|token| token.chars().take(token.chars().count() / 2).collect())
            .chain(tokens.iter().map(|token| token.to_uppercase()))
            .collect();
        tokens.extend(parts);
        tokens.push("[X]".to_owned());
        Self { seed, words, tokens }
    }
}

/// Where one text comes from.
pub(crate) struct Source<'r> {
    recipe: &'r Recipe,
    state: u64,
}

impl<'r> Source<'r> {
    pub(crate) fn new(recipe: &'r Recipe, number: u64) -> Self {
        let state = recipe.seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95).rotate_left(17);
        Self { recipe, state }
    }

    /// The bytes, which are not always UTF-8.
    pub(crate) fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        // Most texts are short: many joints for little work.
        let parts = if self.below(200) == 0 { self.below(200) } else { self.below(14) };
        for _ in 0..parts {
            let part = self.part();
            text.extend(part);
        }
        text
    }

    fn part(&mut self) -> Vec<u8> {
        let part = match self.below(24) {
            0..=5 => format!("{} ", self.word()),
            6 => self.word().to_uppercase(),
            7 => (*self.one_of(&SPACES)).to_owned(),
            8 => " ".repeat(1 + self.below(5)),
            9 => (*self.one_of(&PUNCTUATION)).to_owned(),
            10 => self.token(),
            11 => self.run(0, 0x80),
            12 => self.run(0x80, 0x780),
            13 => self.run(0x800, 0x5000),
            14 => self.character(0x2000, 0xB000).to_string(),
            15 => self.run(0x1_0000, 0x1_FFFF),
            16 => self.character(0, 0x11_0000).to_string(),
            17 => self.combining(),
            18 => self.control(),
            19 => self.emoji(),
            20 => self.jamo(),
            21 => self.right_to_left(),
            22 => return self.bytes(),
            _ => self.rare(),
        };
        part.into_bytes()
    }

    /// What takes long: one in thousands.
    fn rare(&mut self) -> String {
        match self.below(60) {
            0 => self.word().repeat(1 + self.below(40)),
            1 => " ".repeat(self.below(300)),
            2 => {
                let mark = self.character(0x300, 0x70);
                format!("a{}", mark.to_string().repeat(self.below(60)))
            }
            3 => "\u{FDFA}".repeat(self.below(8)),
            4 => self.character(0x4E00, 0x100).to_string().repeat(self.below(60)),
            5 => "x".repeat(self.below(120)),
            _ => format!("{}{}", self.word(), self.one_of(&PUNCTUATION)),
        }
    }

    fn word(&mut self) -> String {
        let at = self.below(self.recipe.words.len());
        self.recipe.words[at].clone()
    }

    /// A special token amid text, or nearly one.
    fn token(&mut self) -> String {
        let at = self.below(self.recipe.tokens.len());
        let token = &self.recipe.tokens[at];
        let token = token.clone();
        match self.below(4) {
            0 => format!(" {token}"),
            1 => format!("{token} "),
            2 => format!("a{token}b"),
            _ => token,
        }
    }

    /// A base with marks of several classes.
    fn combining(&mut self) -> String {
        let mut text =
            (*self.one_of(&["a", "E", "\u{1E9B}", "\u{3B9}", "", "\u{AC00}", "\u{5D0}", "I"])).to_owned();
        for _ in 0..1 + self.below(6) {
            text.push(match self.below(4) {
                0 | 1 => self.character(0x300, 0x70),
                2 => self.character(0x1DC0, 0x40),
                _ => *self.one_of(&[
                    '\u{323}',
                    '\u{345}',
                    '\u{591}',
                    '\u{64B}',
                    '\u{E48}',
                    '\u{1D165}',
                    '\u{200D}',
                ]),
            });
        }
        text
    }

    fn control(&mut self) -> String {
        match self.below(5) {
            0 => self.character(0, 0x20).to_string(),
            1 => self.character(0x7F, 0x21).to_string(),
            2 => self.character(0x200B, 5).to_string(),
            3 => self.character(0x2028, 7).to_string(),
            _ => (*self.one_of(&['\u{AD}', '\u{FEFF}', '\u{FFFC}', '\u{FFFD}', '\u{E0001}', '\u{2060}']))
                .to_string(),
        }
    }

    fn emoji(&mut self) -> String {
        let tone = self.character(0x1F3FB, 5);
        let flag = [self.character(0x1F1E6, 26), self.character(0x1F1E6, 26)];
        match self.below(6) {
            0 => "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}".to_owned(),
            1 => format!("\u{1F44D}{tone}"),
            2 => flag.iter().collect(),
            3 => format!("{}\u{FE0F}\u{20E3}", self.below(10)),
            4 => "\u{1F3F4}\u{E0067}\u{E0062}\u{E007F}".to_owned(),
            _ => format!("{}\u{FE0F}", self.character(0x1F300, 0x300)),
        }
    }

    /// Hangul, whole and in parts, some of which join.
    fn jamo(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.below(5) {
            text.push(match self.below(5) {
                0 => self.character(0x1100, 0x60),
                1 => self.character(0x1161, 0x15),
                2 => self.character(0x11A7, 0x1D),
                3 => self.character(0xAC00, 11172),
                _ => self.character(0xFFA0, 0x3D),
            });
        }
        text
    }

    fn right_to_left(&mut self) -> String {
        let (first, len) =
            *self.one_of(&[(0x5D0, 27), (0x620, 64), (0xFB1D, 0x33), (0xFE70, 0x8C), (0x600, 0x100)]);
        let word = self.run(first, len);
        match self.below(3) {
            0 => format!("\u{202B}{word}\u{202C} "),
            1 => format!("\u{200F}{word}"),
            _ => format!("{word} "),
        }
    }

    /// Bytes of any value: mostly no UTF-8.
    fn bytes(&mut self) -> Vec<u8> {
        let len = 1 + self.below(12);
        (0..len)
            .map(|_| match self.below(3) {
                0 => self.below(0x100) as u8,
                1 => 0x80 + self.below(0x80) as u8,
                _ => *self.one_of(&[0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0xED, 0xA0, b' ', b'a']),
            })
            .collect()
    }

    fn run(&mut self, first: usize, len: usize) -> String {
        let count = 1 + self.below(6);
        (0..count).map(|_| self.character(first, len)).collect()
    }

    fn character(&mut self, first: usize, len: usize) -> char {
        let code = first + self.below(len);
        u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}')
    }

    fn one_of<'s, T>(&mut self, from: &'s [T]) -> &'s T {
        &from[self.below(from.len())]
    }

    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.state;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ x >> 31) % limit as u64) as usize
    }
}

const SPACES: [&str; 14] = [
    " ", "\t", "\n", "\r\n", "\u{a0}", "\u{3000}", "\u{200b}", "\u{2009}", "\u{202f}", "\u{85}", "\u{1680}",
    "\x0b", " \u{301}", "\u{feff}",
];

const PUNCTUATION: [&str; 24] = [
    "'s",
    "'LL",
    "n't",
    "...",
    "#39;",
    "&lt;",
    "\\$",
    "``",
    "''",
    "$1.2",
    "\u{2581}",
    "\u{2581}\u{2581}",
    "\u{120}",
    "##",
    "##a",
    "\u{130}",
    "\u{1C5}",
    "\u{df}",
    "\u{3A3}\u{3C3}\u{3C2}",
    "\u{2126}",
    "\u{FB01}",
    "\u{bd}",
    "\u{66}\u{307}",
    "<0x41>",
];
