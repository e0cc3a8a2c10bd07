//! Files with several blocks of text, each between lines that say what is in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Number of characters in a line.
const LINE: usize = 64;

/// Returns the blocks whose label `is_wanted`, with their labels, without what stands around them.
pub(crate) fn blocks(text: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        rest = &rest[start..];
        let label = rest
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.split_once(DASHES));
        let Some((label, _)) = label.filter(|(label, _)| !label.contains('\n')) else {
            rest = &rest[BEGIN.len()..];
            continue;
        };
        let end = format!("{END}{label}{DASHES}");
        let Some(end) = rest.find(&end).map(|at| at + end.len()) else {
            break;
        };
        let (block, after) = rest.split_at(end);
        if is_wanted(label) {
            found.push((label, block));
        }
        rest = after;
    }
    found
}

/// Returns the text of a file with one block: 64 characters a line.
pub(crate) fn written(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    for (number, character) in STANDARD.encode(bytes).chars().enumerate() {
        if number > 0 && number % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n{END}{label}{DASHES}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_64_characters() {
        for (length, lines) in [(1, 3), (48, 3), (49, 4)] {
            let text = written("A", &vec![0; length]);
            assert_eq!(text.lines().count(), lines);
            assert_eq!(blocks(&text, |label| label == "A").len(), 1);
        }
    }

    #[test]
    fn blocks_are_cut_out() {
        let a = "-----BEGIN A-----\nx\n-----END A-----";
        let b = "-----BEGIN B-----\ny\n-----END B-----";
        for (text, expected) in [
            (String::new(), &[][..]),
            (format!("{a}\n"), &[("A", a)]),
            (format!("Bag Attributes\n{b}\n{a}\nrest"), &[("A", a)]),
            (format!("{a}{a}"), &[("A", a), ("A", a)]),
            (format!("-----BEGIN \n{a}"), &[("A", a)]),
            ("-----BEGIN A-----\nx".to_owned(), &[]),
            (format!("-----BEGIN B-----\n{a}"), &[]),
        ] {
            assert_eq!(blocks(&text, |label| label == "A"), expected, "{text}");
        }
    }
}
