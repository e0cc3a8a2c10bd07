//! What images are called in registries, where fewer characters are allowed than in RPM.
//!
//! A repository is of lower-case letters, digits and single separators; a tag of at most 128 letters,
//! digits, `_`, `.` and `-`, and does not begin with one of the last two (OCI Distribution Specification
//! 1.1). For references in a layout skopeo wants a letter or digit around each separator, too.

/// The longest tag, in bytes.
const LONGEST_TAG: usize = 128;

/// Returns the repository of an extension.
pub fn repository(name: &str) -> String {
    plain(&name.to_ascii_lowercase())
}

/// Returns the tag of a version, and of what it is only for, if that is said.
pub fn tag(version: &str, only_for: Option<&str>) -> String {
    let mut tag = plain(version);
    if let Some(only_for) = only_for {
        tag = plain(&format!("{tag}-{only_for}"));
    }
    tag.truncate(LONGEST_TAG);
    trimmed(tag)
}

/// Returns what finds an artifact in a layout.
pub fn reference(repository: &str, tag: &str) -> String {
    format!("{repository}:{tag}")
}

/// Replaces what is not allowed, and of several separators keeps the first.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        let letter = match letter {
            letter if letter.is_ascii_alphanumeric() => letter,
            '.' | '-' => letter,
            _ => '_',
        };
        if !is_separator(letter) || plain.ends_with(|last: char| !is_separator(last)) {
            plain.push(letter);
        }
    }
    trimmed(plain)
}

fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end_matches(is_separator).len());
    text
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_tags() {
        for (name, expected) in [
            ("strace", "strace"),
            ("libstdc++", "libstdc"),
            ("ImageMagick", "imagemagick"),
            ("nginx.confext", "nginx.confext"),
            ("a__b.-c", "a_b.c"),
            ("_a", "a"),
        ] {
            assert_eq!(repository(name), expected, "{name}");
        }
        for (version, only_for, expected) in [
            ("6.11-1.1", None, "6.11-1.1"),
            ("6.11-1.1", Some("x86-64"), "6.11-1.1-x86-64"),
            ("1.0~rc1^git+2-1", None, "1.0_rc1_git_2-1"),
            ("1.0~~-1", None, "1.0_1"),
            ("1.0+", Some("any"), "1.0-any"),
        ] {
            assert_eq!(tag(version, only_for), expected, "{version}");
        }
        let long = tag(&format!("{}.a", "1".repeat(127)), None);
        assert_eq!(long, "1".repeat(127));
    }
}
