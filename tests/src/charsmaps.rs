//! Charsmaps, as SentencePiece models hold them, made of a few rules.

use std::collections::{BTreeMap, BTreeSet};

/// Rules like those of real models: nothing is deleted but controls and soft hyphens.
#[must_use]
pub fn tame_charsmap() -> Vec<u8> {
    charsmap(&[
        ("\u{1}", ""),
        ("\u{7F}", ""),
        ("\u{8F}", ""),
        ("\u{AD}", ""),
        ("\t", " "),
        ("\n", " "),
        ("\r", " "),
        ("\u{A0}", " "),
        ("\u{200B}", " "),
        ("\u{200D}", " "),
        ("\u{3000}", " "),
        ("\u{FEFF}", " "),
        ("\u{FB01}", "fi"),
        ("\u{FB03}", "ffi"),
        ("\u{BD}", "1\u{2044}2"),
        ("\u{2460}", "1"),
        ("\u{A8}", " \u{308}"),
        ("e\u{301}", "\u{E9}"),
        ("a\u{300}", "\u{E0}"),
        ("a\u{300}\u{323}", "never"),
        ("\u{212B}", "\u{C5}"),
        ("\u{FDFA}", "\u{635}\u{644}\u{649} \u{627}\u{644}\u{644}\u{647}"),
        ("\u{1100}\u{1161}", "\u{AC00}"),
        ("\u{1D15F}", "\u{1D158}\u{1D165}"),
    ])
}

/// A charsmap from rules: a double array in which every node's children are at its base, xor their bytes.
#[must_use]
pub fn charsmap(rules: &[(&str, &str)]) -> Vec<u8> {
    let mut texts = Vec::new();
    let mut paths: BTreeMap<Vec<u8>, Option<u32>> = BTreeMap::from([(Vec::new(), None)]);
    for (key, text) in rules {
        for end in 1..key.len() {
            paths.entry(key.as_bytes()[..end].to_vec()).or_default();
        }
        paths.insert(key.as_bytes().to_vec(), Some(u32::try_from(texts.len()).unwrap()));
        texts.extend(text.as_bytes());
        texts.push(0);
    }
    let mut units: Vec<u32> = vec![0; 1 << 16];
    let mut used = BTreeSet::from([0usize]);
    let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::from([(Vec::new(), 0)]);
    // Shorter paths first: a node has its place before its children.
    let mut nodes: Vec<_> = paths.iter().collect();
    nodes.sort_by_key(|(path, _)| path.len());
    for (path, value) in nodes {
        let place = places[path];
        let mut labels: Vec<u8> = paths
            .keys()
            .filter(|p| p.len() == path.len() + 1 && p.starts_with(path))
            .map(|p| p[path.len()])
            .collect();
        if value.is_some() {
            labels.push(0);
        }
        let is_free = |base: &usize| labels.iter().all(|label| !used.contains(&(base ^ usize::from(*label))));
        let base = (1..1 << 15).find(is_free).unwrap();
        for label in labels.iter().filter(|label| **label != 0) {
            let child: Vec<u8> = path.iter().copied().chain([*label]).collect();
            places.insert(child, base ^ usize::from(*label));
        }
        used.extend(labels.iter().map(|label| base ^ usize::from(*label)));
        let label = path.last().map_or(0, |label| u32::from(*label));
        let offset = u32::try_from(place ^ base).unwrap();
        units[place] = label | u32::from(value.is_some()) << 8 | offset << 10;
        if let Some(value) = value {
            units[base] = value | 1 << 31;
        }
    }
    // In whole blocks: a search looks at any place of a block.
    units.truncate((used.last().unwrap() + 1).next_multiple_of(256));
    let mut bytes = u32::try_from(4 * units.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(texts);
    bytes
}

/// In Base64, as a `tokenizer.json` holds bytes.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            (0..3).fold(0u32, |group, at| group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let letter = char::from(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]);
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}
