use super::*;
use std::string::String;
use std::vec::Vec;

/// "ü" is C3 BC, spelled "Ã¼".
const PIECES: [(&str, u32); 13] = [
    ("a", 0),
    ("b", 1),
    ("c", 2),
    ("ab", 3),
    ("bc", 4),
    ("abc", 5),
    ("Ã", 6),
    ("¼", 7),
    ("aÃ", 8),
    ("Ġ", 9),
    ("Ġa", 10),
    ("aa", 11),
    ("<unk>", 12),
];
const MERGES: [(&str, &str); 6] = [("b", "c"), ("a", "b"), ("a", "bc"), ("a", "Ã"), ("Ġ", "a"), ("a", "a")];

fn table(unknown: Option<&str>, fuse_unknown: bool, ignore_merges: bool) -> Vec<u8> {
    let builder = Builder { vocabulary: &PIECES, merges: &MERGES, unknown, fuse_unknown, ignore_merges };
    builder.to_bytes().unwrap()
}

fn tokens(model: &Bpe<'_>, word: &str) -> Vec<(u32, u16, u16)> {
    let cells: Vec<Cell> = word.chars().map(|c| Cell::new(c, 0, 0)).collect();
    let mut scratch = std::vec![Cell(u64::MAX); model.scratch_cells(cells.len())];
    let mut found = Vec::new();
    model.tokenize(&cells, &mut scratch, &mut |t: Token| found.push((t.id, t.start, t.end))).unwrap();
    found
}

#[test]
fn the_lowest_rank_goes_first_and_the_leftmost_of_equal_ones() {
    let bytes = table(None, false, false);
    let model = Bpe::parse(&bytes).unwrap();
    assert_eq!(tokens(&model, "abc"), [(5, 0, 3)]);
    assert_eq!(tokens(&model, "abab"), [(3, 0, 2), (3, 2, 4)]);
    assert_eq!(tokens(&model, "aaa"), [(11, 0, 2), (0, 2, 3)]);
    assert_eq!(tokens(&model, " aab"), [(10, 0, 2), (3, 2, 4)]);
    assert_eq!(tokens(&model, ""), []);
}

#[test]
fn a_token_within_a_character_covers_it() {
    let bytes = table(None, false, false);
    let model = Bpe::parse(&bytes).unwrap();
    assert_eq!(tokens(&model, "aüb"), [(8, 0, 2), (7, 1, 2), (1, 2, 3)]);
}

#[test]
fn unknown_bytes_are_dropped_or_told_alone_or_together() {
    let bytes = table(None, false, false);
    // The drop moves what follows to the front.
    assert_eq!(tokens(&Bpe::parse(&bytes).unwrap(), "axyb"), [(3, 0, 2)]);
    let bytes = table(Some("<unk>"), false, false);
    assert_eq!(tokens(&Bpe::parse(&bytes).unwrap(), "axyb"), [(0, 0, 1), (12, 1, 2), (12, 2, 3), (1, 3, 4)]);
    let bytes = table(Some("<unk>"), true, false);
    assert_eq!(tokens(&Bpe::parse(&bytes).unwrap(), "xyb€"), [(12, 0, 2), (1, 2, 3), (12, 3, 4)]);
}

#[test]
fn a_word_that_is_a_piece_may_go_before_the_merges() {
    let bytes = table(Some("<unk>"), false, true);
    assert_eq!(tokens(&Bpe::parse(&bytes).unwrap(), "<unk>"), [(12, 0, 5)]);
}

#[test]
fn a_long_word_is_merged_as_a_short_one() {
    let bytes = table(None, false, false);
    let model = Bpe::parse(&bytes).unwrap();
    for len in [31, 32, 33, 64, 65, 500] {
        let word: String = "abcaab".chars().cycle().take(len).collect();
        // The same by hand: repeated passes over strings.
        let mut parts: Vec<String> = word.chars().map(String::from).collect();
        for (left, right) in MERGES {
            let mut at = 0;
            while at + 1 < parts.len() {
                if parts[at] == left && parts[at + 1] == right {
                    let right = parts.remove(at + 1);
                    parts[at].push_str(&right);
                }
                at += 1;
            }
        }
        let ids = parts.iter().map(|part| PIECES.iter().find(|(piece, _)| piece == part).unwrap().1);
        let found = tokens(&model, &word);
        assert_eq!(found.iter().map(|token| token.0).collect::<Vec<_>>(), ids.collect::<Vec<_>>(), "{len}");
        assert_eq!(found.last().unwrap().2 as usize, len);
    }
}

#[test]
fn what_does_not_fit_is_said_before_any_token() {
    let bytes = table(None, false, false);
    let model = Bpe::parse(&bytes).unwrap();
    let word = std::vec![Cell::new('b', 0, 0); 4096];
    let mut scratch = std::vec![Cell::default(); model.scratch_cells(4096)];
    let mut none = |_: Token| panic!("a token");
    assert_eq!(model.tokenize(&word, &mut scratch, &mut none), Err(Full));
    assert_eq!(model.tokenize(&word[..100], &mut scratch[..100], &mut none), Err(Full));
    assert_eq!(model.tokenize(&word[..20], &mut scratch[..19], &mut none), Err(Full));
}

#[test]
fn what_the_tables_cannot_say_is_refused() {
    let good = Builder {
        vocabulary: &PIECES,
        merges: &MERGES,
        unknown: None,
        fuse_unknown: false,
        ignore_merges: false,
    };
    assert!(Builder { unknown: Some("<none>"), ..good }.to_bytes().is_err());
    assert!(Builder { unknown: Some("ab"), ..good }.to_bytes().is_err());
    assert!(Builder { merges: &[("c", "c")], ..good }.to_bytes().is_err());
    assert!(Builder { vocabulary: &[("a", 0), ("b", 0)], merges: &[], ..good }.to_bytes().is_err());
    assert!(Builder { vocabulary: &[("a", 0), ("b", 1)], merges: &[], ..good }.to_bytes().is_ok());
}

#[test]
fn damaged_tables_are_refused_or_safe() {
    for good in [table(None, false, false), table(Some("<unk>"), true, false)] {
        for (at, flip) in (0..good.len()).flat_map(|at| [1, 2, 4, 0x80, 0xFF].map(|flip| (at, flip))) {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            let Ok(model) = Bpe::parse(&bytes) else { continue };
            let ids = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            for word in ["abcaabcxü", "aaaaaaaaaaaaaaaaaaaaabcbcbcbcbcbcbcbcbcbcbc", "\0"] {
                for (id, start, end) in tokens(&model, word) {
                    assert!(id < ids && start < end && usize::from(end) <= word.chars().count());
                }
            }
        }
        for len in 0..good.len() {
            assert!(Bpe::parse(&good[..len]).is_err());
        }
    }
}
