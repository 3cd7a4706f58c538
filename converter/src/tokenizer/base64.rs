//! Base64, in which a charsmap is written.
//!
//! # Source
//! RFC 4648, section 4.

/// The bytes; none if a character, the length or the padding is wrong.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let body = text.trim_end_matches('=');
    let padding = bytes.len() - body.len();
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 2);
    for chunk in body.as_bytes().chunks(4) {
        let mut group = 0u32;
        for byte in chunk {
            group = group << 6 | u32::from(value(*byte)?);
        }
        let missing = 4 - chunk.len();
        group <<= 6 * missing;
        let [_, made @ ..] = group.to_be_bytes();
        let (kept, cut) = made.split_at_checked(3usize.checked_sub(missing)?)?;
        if cut.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend(kept);
    }
    Some(out)
}

const fn value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn the_vectors_of_the_specification_are_read_and_others_refused() {
        let table = [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ];
        for (text, bytes) in table {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/"), Some(vec![0xFB, 0xFF, 0xBF]));
        for text in ["Z", "Zg", "Zg=", "Zh==", "Z===", "====", "Zm9=", "Zm 9", "Zg==Zg==", "Zm9\u{e9}"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
