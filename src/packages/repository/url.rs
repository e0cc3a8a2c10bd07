//! URLs of repositories and of what is in them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a URL's path must not have as it is. `+` is among them: some servers take it for a space.
const NOT_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

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
    let mut parts = path.split('%');
    let mut out = utf8_percent_encode(parts.next().unwrap_or_default(), NOT_IN_PATH).to_string();
    for part in parts {
        let digits = part.as_bytes().get(..2);
        let is_escape = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        out.push_str(if is_escape { "%" } else { "%25" });
        out.extend(utf8_percent_encode(part, NOT_IN_PATH));
    }
    out
}

/// Returns the path that a `file` URL or a location names.
pub fn decoded_path(text: &str) -> PathBuf {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    OsString::from_vec(bytes).into()
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
            ("http://a/b/?t=1/", "c", "http://a/b/c?t=1/"),
            ("http://a/b#f?t", "c", "http://a/b/c#f?t"),
            ("http://a", "%c/%41%4", "http://a/%25c/%41%254"),
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
