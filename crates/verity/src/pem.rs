//! Files with several blocks of text, each between lines that say what is in it.

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

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

#[cfg(test)]
mod tests {
    use super::*;

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
