//! The few things that are done with URLs as text.

use base64::Engine as _;
use percent_encoding::percent_decode_str;

/// Returns whether this is a URL that can be fetched: `http` or `https`.
pub fn is_url(text: &str) -> bool {
    split_scheme(text).is_some()
}

/// Returns the URL without what must not be shown: user, password, and the query, where tokens
/// are. It need not be one that can be fetched.
pub fn redacted(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let shown = match (path.rsplit_once('@'), authority.rsplit_once('@')) {
        // Whoever does not encode a password may have a slash in it: what looks like a host and a
        // port may be a user and how the password begins.
        (Some((inside, after)), _) if authority.contains([':', '@']) => {
            match inside.contains('?') {
                true => "...".to_owned(),
                false => format!("...{after}"),
            }
        }
        (_, Some((_, host))) => format!("{host}{path}"),
        (_, None) => rest.to_owned(),
    };
    match shown.split_once('?') {
        Some((before, _)) => format!("{scheme}{before}?..."),
        None => format!("{scheme}{shown}"),
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

/// Returns whether what the second URL names is on the host of the first: the same host and port,
/// asked in the same way, or by https where the first says http.
pub fn same_host(named: &str, other: &str) -> bool {
    let of = |url: &str| {
        let (scheme, rest) = split_scheme(url)?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let host = host.strip_suffix(usual).map(str::to_owned).unwrap_or(host);
        Some((scheme, host))
    };
    let (Some((scheme, host)), Some((other_scheme, other_host))) = (of(named), of(other)) else {
        return false;
    };
    host == other_host && (scheme == other_scheme || other_scheme == "https")
}

/// Returns whether this is an `https` URL.
pub(crate) fn is_https(url: &str) -> bool {
    split_scheme(url).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Returns the URL that a redirect leads to, or why it is not followed.
pub(crate) fn redirected(from: &str, location: &str) -> Result<String, &'static str> {
    let (scheme, rest) = split_scheme(from).ok_or("it is not a URL")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let is_absolute = location.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let to = match location {
        url if is_absolute => url.to_owned(),
        network if network.starts_with("//") => format!("{scheme}:{network}"),
        absolute if absolute.starts_with('/') => format!("{scheme}://{authority}{absolute}"),
        query if query.starts_with('?') => format!("{scheme}://{authority}{path}{query}"),
        relative => format!("{scheme}://{authority}{directory}/{relative}"),
    };
    match (is_url(&to), is_https(from), is_https(&to)) {
        (false, ..) => Err("it redirects to something other than http and https"),
        (true, true, false) => Err("it redirects from https to http"),
        _ => Ok(to),
    }
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
    fn redirects_never_lead_from_https_to_http() {
        let down = Err("it redirects from https to http");
        let other = Err("it redirects to something other than http and https");
        for (from, location, expected) in [
            ("https://a/b/c?d", "https://e/f", Ok("https://e/f")),
            ("http://a/b/c?d", "http://e/f", Ok("http://e/f")),
            ("http://a/b/c?d", "https://e/f", Ok("https://e/f")),
            ("https://a/b", "http://a/b", down),
            ("HTTPS://a/b", "HTTP://a/b", down),
            ("https://a/b", "http:b", other),
            ("https://a/b", "file:///etc/passwd", other),
            ("https://a/b", "ftp://a/b", other),
            // Relative ones stay with what the URL before them says.
            ("https://a:1/b/c?d", "//e/f", Ok("https://e/f")),
            ("https://a:1/b/c?d", "/f?g", Ok("https://a:1/f?g")),
            ("https://a:1/b/c?d/e", "f", Ok("https://a:1/b/f")),
            ("https://a:1/b/c?d", "?f", Ok("https://a:1/b/c?f")),
            ("https://a?d/e", "f", Ok("https://a/f")),
            ("https://a", "f/g:h", Ok("https://a/f/g:h")),
        ] {
            let found = redirected(from, location);
            assert_eq!(
                found.as_deref(),
                expected.as_ref().copied(),
                "{from} {location}"
            );
        }
    }

    #[test]
    fn what_is_on_the_same_host() {
        for (named, other, expected) in [
            ("http://a/b", "http://a/c", true),
            ("http://u:p@A/b", "HTTP://a:80?c", true),
            ("https://a:443/b", "https://a/c", true),
            ("http://a/b", "https://a/c", true),
            ("https://a/b", "http://a/c", false),
            ("http://a/b", "http://a:81/b", false),
            ("http://a:81/b", "https://a:82/b", false),
            ("http://a/b", "http://a.b/b", false),
            // What is before the last @ is a user, whatever it looks like.
            ("http://a/b", "http://a@e/b", false),
            ("http://a/b", "http://e\\@a/b", false),
            ("http://a/b", "ftp://a/b", false),
            ("/a", "/a", false),
        ] {
            assert_eq!(same_host(named, other), expected, "{named} {other}");
        }
    }

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
        for (url, shown) in [
            ("http://u:p/q@a/b", "http://...a/b"),
            ("http://u:1/q@a/b?t=1", "http://...a/b?..."),
            ("http://u:p@q/r@a/b", "http://...a/b"),
            ("http://u:p?q@a/b", "http://..."),
            ("http://u:p#q@a/b", "http://...a/b"),
            ("http://a:80/b", "http://a:80/b"),
            ("http://a/b@c?d@e", "http://a/b@c?..."),
            ("ftp://u:p@a/", "ftp://a/"),
            ("u:p@a/b", "a/b"),
            ("/srv/a@b", "/srv/a@b"),
            ("", ""),
        ] {
            assert_eq!(redacted(url), shown);
        }
        assert!(is_url("https://a") && !is_url("file:///a") && !is_url("/a"));
    }
}
