//! What a file is that somebody named for something else.

/// What files are, by how they begin.
const KINDS: &[(&[u8], &str)] = &[
    (b"!<arch>\ndebian-binary", "a Debian package (.deb)"),
    (b"!<arch>\n", "an archive of ar"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x7fELF", "a program or library (ELF)"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"hsqs", "a SquashFS image"),
    (b"SQLite format 3\0", "an SQLite database"),
    (
        b"drpm",
        "a delta package; apply it with applydeltarpm first",
    ),
    (b"07070", "a cpio archive"),
    (b"\x1f\x8b", "a file compressed by gzip"),
    (b"\xfd7zXZ\0", "a file compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "a file compressed by zstd"),
    (b"BZh", "a file compressed by bzip2"),
];

/// Says what a file is that was taken for something else, from its first bytes, as far as it begins
/// like something that people have. For a message: it completes the sentence "it is …".
#[must_use]
pub fn what_is(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("empty");
    }
    if let Some((_, kind)) = (KINDS.iter()).find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(kind);
    }
    // The last character may be cut off.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(whole).unwrap_or_default()
        }
        Err(_) => "",
    };
    let is_control = |c: char| c.is_control() && !c.is_ascii_whitespace();
    if text.is_empty() || text.contains(is_control) {
        return None;
    }
    let text = text.trim_start().to_ascii_lowercase();
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    Some(if begins(&["<!doctype html", "<html"]) {
        "an HTML page, perhaps what a web server says of a file that it does not have"
    } else if begins(&["<?xml"]) {
        "an XML document"
    } else if begins(&["version https://git-lfs"]) {
        "a pointer of Git LFS; fetch the file itself with git lfs pull"
    } else if begins(&["{"]) {
        "JSON, such as a manifest"
    } else {
        "a text file"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_are() {
        for (bytes, expected) in [
            (&b""[..], Some("empty")),
            (b"!<arch>\ndebian-binary", Some("a Debian package (.deb)")),
            (b"!<arch>\nx", Some("an archive of ar")),
            (b"\xed\xab\xee\xdb\x03", Some("an RPM package")),
            (b"hsqs\0", Some("a SquashFS image")),
            (b"\xef\xbb\xbf<HTML>", Some(HTML)),
            (b" \n<!DOCTYPE html>", Some(HTML)),
            (b"<?xml ", Some("an XML document")),
            (b"{\"a\"", Some("JSON, such as a manifest")),
            (b"[Output]\n\xc3", Some("a text file")),
            (b"a\0b", None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(what_is(bytes), expected, "{bytes:?}");
        }
    }

    const HTML: &str =
        "an HTML page, perhaps what a web server says of a file that it does not have";
}
