//! Mistyped names: refused, with the nearest name that is known.

use crate::words::failure::{Failure, Result};

/// Returns the known name nearest to a mistyped one, for a hint.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// Refuses names that no table has, with the nearest that one has.
pub fn check_known(option: &str, typed: &[String], known: &[&'static str]) -> Result<()> {
    let Some(unknown) = typed.iter().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let failure = Failure::usage(format!("{option}: unknown name {unknown:?}"));
    Err(match nearest(unknown, known.iter().copied()) {
        Some(name) => failure.hint(format!("did you mean {name}?")),
        None => failure.hint("to list all names: sysext-build rules"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_names() {
        let known = ["drop-docs", "drop-man", "usr-merge"];
        for (typed, name) in [
            ("drop-doc", Some("drop-docs")),
            ("usrmerge", Some("usr-merge")),
            ("xyz", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), name, "{typed}");
        }
    }
}
