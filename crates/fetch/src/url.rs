//! The few things that are done with URLs as text.

use base64::Engine as _;
use percent_encoding::percent_decode_str;

/// Returns whether this is a URL that can be fetched: `http` or `https`.
pub fn is_url(text: &str) -> bool {
    split_scheme(text).is_some()
}

/// Returns the URL without what must not be shown: user, password, and the query, where tokens
/// are.
pub fn redacted(url: &str) -> String {
    let shown = without_credentials(url).0;
    match shown.split_once('?') {
        Some((before, _)) => format!("{before}?..."),
        None => shown,
    }
}

/// Returns the URL without user and password, and the value of the `Authorization` header that
/// they make.
pub(crate) fn without_credentials(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = split_scheme(url) else {
        return (url.to_owned(), None);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else {
        return (url.to_owned(), None);
    };
    let decoded: Vec<u8> = percent_decode_str(user).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(decoded);
    (
        format!("{scheme}://{host}{path}"),
        Some(format!("Basic {encoded}")),
    )
}

fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let known = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    known.then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        for (url, shown, header) in [
            ("http://a/b", "http://a/b", None),
            ("https://u:p@a/b?t=1", "https://a/b?...", Some("Basic dTpw")),
            ("http://u%40x:p%3a@a", "http://a", Some("Basic dUB4OnA6")),
            ("http://a/b@c", "http://a/b@c", None),
            ("HTTP://u:p@q@a/", "HTTP://a/", Some("Basic dTpwQHE=")),
        ] {
            assert_eq!(redacted(url), shown);
            assert_eq!(without_credentials(url).1.as_deref(), header, "{url}");
        }
        assert!(is_url("https://a") && !is_url("file:///a") && !is_url("/a"));
    }
}
