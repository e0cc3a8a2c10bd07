//! URLs of repositories and of what is in them.

use std::path::PathBuf;

/// Returns the URL of a file in the repository at `base`. A query of the base, where some servers
/// want a token, stays at the end.
pub fn joined(base: &str, location: &str) -> String {
    if fetch::is_url(location) {
        return location.to_owned();
    }
    let (base, query) = split_query(base);
    let location = encoded(location.trim_start_matches('/'));
    format!("{}/{location}{query}", base.trim_end_matches('/'))
}

fn split_query(url: &str) -> (&str, &str) {
    url.split_at(url.find(['?', '#']).unwrap_or(url.len()))
}

/// Encodes what must not be in a URL's path. What is encoded already stays.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let bytes = path.as_bytes();
    for (place, &byte) in bytes.iter().enumerate() {
        let is_escape = || {
            let digits = bytes.get(place + 1..place + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        let plain = byte.is_ascii_alphanumeric()
            || b"-._~/!$&'()*,;=:@".contains(&byte)
            || byte == b'%' && is_escape();
        match plain {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Returns the path that a `file` URL or a location names.
pub fn decoded_path(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;

    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let escaped = (byte == b'%')
            .then(|| text.get(place + 1..place + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(byte));
        place += if escaped.is_some() { 3 } else { 1 };
    }
    std::ffi::OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_join_bases() {
        for (base, location, expected) in [
            ("http://a/b", "c/d.rpm", "http://a/b/c/d.rpm"),
            ("http://a/b/", "/c", "http://a/b/c"),
            ("http://a/b?t=1", "c", "http://a/b/c?t=1"),
            (
                "http://a",
                "libstdc++-1^a b#.rpm",
                "http://a/libstdc%2B%2B-1%5Ea%20b%23.rpm",
            ),
            ("http://a", "x%2By%.rpm", "http://a/x%2By%25.rpm"),
            ("http://a", "https://b/c", "https://b/c"),
            ("http://a/b", "../c", "http://a/b/../c"),
        ] {
            assert_eq!(joined(base, location), expected);
        }
    }

    #[test]
    fn paths_are_decoded() {
        assert_eq!(decoded_path("/a%20b%2f%zz%"), PathBuf::from("/a b/%zz%"));
    }
}
