//! The known name that is nearest to an unknown one.

/// A message of the TOML reader about an unknown name, with the nearest of those that it expected.
pub(super) fn with_nearest(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = ["unknown field ", "unknown variant "].iter().any(|start| message.starts_with(start));
    let Some(found) = names.next().filter(|_| unknown) else { return message.to_owned() };
    // Of equally near ones the shortest.
    let nearest = names.map(|name| (distance(found, name), name.len(), name)).min();
    match nearest {
        // Names that share less than half of their letters have nothing to do with each other.
        Some((distance, _, name)) if 2 * distance <= found.len().max(name.len()) => {
            format!("{message}; the nearest is `{name}`")
        }
        _ => message.to_owned(),
    }
}

/// Letters to put in, leave out or change on the way from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (from, to, expected) in
            [("", "abc", 3), ("epoch", "epochs", 1), ("rate", "rate", 0), ("clp", "clip", 1)]
        {
            assert_eq!(distance(from, to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn only_unknown_names_get_a_neighbour() {
        assert_eq!(
            with_nearest("unknown field `ab`, expected one of `abc`, `xyz`"),
            "unknown field `ab`, expected one of `abc`, `xyz`; the nearest is `abc`"
        );
        for message in ["unknown field `q`, expected `abc` or `xyz`", "missing field `name`"] {
            assert_eq!(with_nearest(message), message);
        }
    }
}
