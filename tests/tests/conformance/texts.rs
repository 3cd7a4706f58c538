//! What the targets are asked: texts of one line.

use typecase_engine::{Case, classify};
use typecase_tests::Scratch;
use xtask::texts::one_line;
use xtask::workspace_root;

/// Items of the official test, evenly taken from all; without labelled data the sample texts.
pub(crate) fn sample(count: usize) -> Vec<Vec<u8>> {
    let read = xtask::texts::read(&workspace_root().unwrap()).unwrap();
    eprintln!("{count} of {} {}", read.lines.len(), read.source);
    let step = (read.lines.len() / count).max(1);
    read.lines.into_iter().step_by(step).take(count).collect()
}

/// Texts at, below and over the limits of a case, each of which is reached; the last has a megabyte. Of a target that
/// cuts lines all but the last are cut just over its own limit: its emulator takes its time for each byte.
pub(crate) fn limits(case: &Case<Vec<u8>>, line_bytes: Option<usize>) -> Vec<Vec<u8>> {
    let max_bytes = case.ngrams().unwrap().spec().max_bytes as usize;
    let known: Vec<u8> = case.golden().iter().flat_map(|vector| [vector.text, b" "].concat()).collect();
    let known = one_line(&known);
    let repeated = |len: usize| known.iter().copied().cycle().take(len).collect::<Vec<u8>>();
    let mut texts: Vec<Vec<u8>> =
        [b"".as_slice(), b"a", b" ", b"7", b"\xFF", b"\0"].map(<[u8]>::to_vec).into();
    for len in [max_bytes - 1, max_bytes, max_bytes + 1, max_bytes + 2] {
        texts.extend([b"x".repeat(len), repeated(len)]);
    }
    // A character that the limit cuts in two or in four.
    for letter in ["\u{e9}", "\u{1F600}"] {
        texts.extend(
            (0..letter.len())
                .map(|lead| [b"y".repeat(lead).as_slice(), &letter.repeat(max_bytes).into_bytes()].concat()),
        );
    }
    // The number of ids just below and just over its limit: what is added at the end is what is dropped.
    texts.extend((1..=12).map(|part| repeated(max_bytes * part / 12)));
    texts.push(b"Oil prices soar ".repeat(1 << 16));

    let cost = case.cost();
    let mut scratch = Scratch::of(case);
    let (mut cut_by_bytes, mut cut_by_ids, mut whole) = (0, 0, 0);
    for text in &texts {
        let verdict = classify(case, text, scratch.memory());
        match (verdict.truncated, verdict.tokens as usize == cost.ids) {
            (true, true) => cut_by_ids += 1,
            (true, false) => cut_by_bytes += 1,
            (false, _) => whole += 1,
        }
    }
    assert!(cut_by_bytes > 0 && cut_by_ids > 0 && whole > 0, "{cut_by_bytes}, {cut_by_ids}, {whole}");
    let Some(line_bytes) = line_bytes else { return texts };
    let longest = texts.pop();
    for text in &mut texts {
        text.truncate(line_bytes + 2);
    }
    let at_the_line = [line_bytes - 1, line_bytes, line_bytes + 1].map(repeated);
    texts.into_iter().chain(at_the_line).chain(longest).collect()
}

/// Texts that are hard on a tokenizer or an interface.
pub(crate) fn hostile() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = BYTES.iter().map(|bytes| bytes.to_vec()).collect();
    texts.extend(STRINGS.iter().map(|text| text.as_bytes().to_vec()));
    texts.extend((0x80..=0xFF).map(|byte: u8| [b"oil ".as_slice(), &[byte], b" oil"].concat()));
    // Every lead byte with too few, enough and too many bytes that go on.
    for lead in [0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5] {
        texts.extend((0..5).map(|count| {
            [&[b'w', lead], [0x80, 0xBF, 0x90, 0x80].get(..count).unwrap_or(&[0x9F; 4]), b"1"].concat()
        }));
    }
    // All planes, in parts that every line buffer holds.
    let sampled: Vec<char> = (0..=0x10_FFFF).step_by(97).filter_map(char::from_u32).collect();
    texts.extend(sampled.chunks(400).map(|part| part.iter().collect::<String>().into_bytes()));
    texts.extend(
        sampled.chunks(150).map(|part| part.iter().flat_map(|c| [*c, ' ']).collect::<String>().into_bytes()),
    );
    // Every code point below the first thousand, between words.
    let low: Vec<char> = (0..0x600).filter_map(char::from_u32).collect();
    texts.extend(
        low.chunks(200).map(|part| part.iter().flat_map(|c| ['o', *c, 'l']).collect::<String>().into_bytes()),
    );
    for (piece, count) in REPEATED {
        texts.push(piece.repeat(count).into_bytes());
        texts.push([b"oil", piece.repeat(count).as_bytes(), b"prices"].concat());
    }
    texts.iter().map(|text| one_line(text)).collect()
}

const BYTES: [&[u8]; 14] = [
    b"\0",
    b"\0\0\0\0",
    b"oil\0prices\0",
    b"\x01\x02\x03\x7F\x1B[31m",
    b"\xFF\xFE bad \xC3",
    b"\xEF\xBB\xBFoil prices",
    b"\xC0\x80 \xC1\xBF \xE0\x80\x80 \xF0\x80\x80\x80",
    b"\xED\xA0\x80\xED\xB0\x80",
    b"\xF4\x90\x80\x80 \xF5\x80\x80\x80 \xF8\x88\x80\x80\x80",
    b"oil \xF0\x9F",
    b"\x80\x80\x80\xBF\xBF",
    b"o\xC3\xA9\xC3 l\xE2\x82 \xAC",
    b"\t\x0B\x0C \x1C\x1D\x1E\x1F",
    b"   ",
];

const STRINGS: [&str; 16] = [
    "&lt;b&gt;oil&lt;/b&gt; #39; #36;10 \\$ \\\\ \\n &quot;",
    "&lt; &lt &amp;lt; &amp;amp;amp; &#38;lt; &&&;;; &#; &#x; &#x110000; &#xD800; &#0; &#9999999999;",
    "&#111;&#105;&#108; &#x6F;&#X69;&#x6c;",
    "#39;s #39 #;39 39; #390;",
    "e\u{301}\u{301}\u{301} \u{200b}\u{200d}\u{feff} \u{e0001}\u{e007f}",
    "\u{202e}live\u{202c} \u{2066}oil\u{2069}",
    "\u{FDFA}\u{FDFA} \u{1D400}\u{1D7FF} \u{FB01}\u{FB02} \u{2460} \u{FF2F}\u{FF29}\u{FF2C}",
    "\u{130}\u{131}I i \u{1E9E}\u{DF} \u{3A3}\u{3C2}\u{3C3}",
    "\u{4e2d}\u{6587}\u{65b0}\u{95fb} \u{3072}\u{3089}\u{304c}\u{306a} \u{d55c}\u{ad6d}\u{c5b4} \u{0627}\u{0644}",
    "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} \u{1F1E9}\u{1F1EA} \u{1F44D}\u{1F3FD}",
    "\u{85}\u{a0}\u{1680}\u{2000}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}",
    "\u{FFFD}\u{FFFE}\u{FFFF}\u{10FFFF} \u{E000}\u{F8FF}",
    "don't can\u{2019}t U.S. U.S.A. 1,000.50 $10-$20 a_b a-b a/b",
    "http://example.org/?a=b&amp;c=%20#top user@example.org",
    "\u{0e01}\u{0e33}\u{0e49} \u{0915}\u{094d}\u{0937}\u{093f} \u{1100}\u{1161}\u{11a8}",
    "OiL PRICES oil pRiCeS",
];

const REPEATED: [(&str, usize); 12] = [
    ("\u{301}", 700),
    ("a\u{301}\u{323}\u{34f}", 200),
    ("\u{FDFA}", 500),
    ("\u{200d}", 500),
    ("^", 1500),
    ("&", 1500),
    ("&amp;", 300),
    ("#", 1000),
    ("\\", 1000),
    ("a ", 900),
    ("\u{1F600}", 400),
    ("\u{e0001}", 400),
];
