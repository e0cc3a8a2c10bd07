//! How clients order versions.
//!
//! systemd-sysupdate goes by `strverscmp_improved()` (the same from 252 to 262), sysextmgr by
//! glibc's `strverscmp()`, and neither by RPM's rules. A store serves all of them well as long as
//! the newest image is the newest for each.

use std::cmp::Ordering;

/// Which version comes first for systemd: `~` < the end < `-` < `^` < `.` < anything else, digits
/// are above letters, and what is none of these is skipped.
#[must_use]
pub fn systemd(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        (a, b) = (
            skip(a, |byte| !is_seen(byte)),
            skip(b, |byte| !is_seen(byte)),
        );
        match (rest_after(a, b'~'), rest_after(b, b'~')) {
            (Some(rest_a), Some(rest_b)) => (a, b) = (rest_a, rest_b),
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            return b.is_empty().cmp(&a.is_empty());
        }
        for separator in *b"-^." {
            match (rest_after(a, separator), rest_after(b, separator)) {
                (Some(rest_a), Some(rest_b)) => (a, b) = (rest_a, rest_b),
                (Some(_), None) => return Ordering::Less,
                (None, Some(_)) => return Ordering::Greater,
                (None, None) => {}
            }
        }
        let starts_with_digit = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
        let is_number = starts_with_digit(a) || starts_with_digit(b);
        let belongs = |byte: u8| match is_number {
            true => byte.is_ascii_digit(),
            false => byte.is_ascii_alphabetic(),
        };
        let (rest_a, rest_b) = (skip(a, belongs), skip(b, belongs));
        let segment = |text: &'_ [u8], rest: &[u8]| text.len() - rest.len();
        let (of_a, of_b) = (segment(a, rest_a), segment(b, rest_b));
        let (head_a, head_b) = (&a[..of_a], &b[..of_b]);
        let order = if is_number {
            compare_numbers(head_a, head_b)
        } else {
            head_a.cmp(head_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Compares digits as numbers of any size; no digit is below every number.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (number_a, number_b) = (skip(a, |byte| byte == b'0'), skip(b, |byte| byte == b'0'));
    (a.is_empty().cmp(&b.is_empty()).reverse())
        .then(number_a.len().cmp(&number_b.len()))
        .then(number_a.cmp(number_b))
}

/// Whether systemd looks at this character of a version.
fn is_seen(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"~-^.".contains(&byte)
}

/// What is left after the bytes at the start that belong together.
fn skip(text: &[u8], belongs: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|byte| !belongs(*byte));
    text.get(end.unwrap_or(text.len())..).unwrap_or_default()
}

/// What is left after `byte`, if `text` begins with it.
fn rest_after(text: &[u8], byte: u8) -> Option<&[u8]> {
    text.split_first()
        .and_then(|(first, rest)| (*first == byte).then_some(rest))
}

/// Which version comes first for glibc's `strverscmp`, and so for sysextmgr.
///
/// Bytes are compared, but where the first difference is in or at the end of digits, these are
/// compared as numbers; digits with zeros in front as the decimals of a fraction.
#[must_use]
pub fn glibc(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let Some(at) = (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at)) else {
        return Ordering::Equal;
    };
    let (common, rest_a, rest_b) = (&a[..at], &a[at..], &b[at..]);
    let digits = (common.iter().rev())
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (_, run) = common.split_at(common.len() - digits);
    let by_bytes = rest_a.first().cmp(&rest_b.first());
    let count = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits_a, digits_b) = (count(rest_a), count(rest_b));
    match run.first() {
        // The digits begin here: numbers, unless one of them has zeros in front.
        None if [rest_a, rest_b]
            .iter()
            .all(|rest| matches!(rest.first(), Some(b'1'..=b'9'))) =>
        {
            digits_a.cmp(&digits_b).then(by_bytes)
        }
        // More zeros in front and then nothing: the fraction without a digit is above.
        Some(b'0') if run.iter().all(|byte| *byte == b'0') => match (digits_a, digits_b) {
            (0, 1..) => Ordering::Greater,
            (1.., 0) => Ordering::Less,
            _ => by_bytes,
        },
        None | Some(b'0') => by_bytes,
        Some(_) => digits_a.cmp(&digits_b).then(by_bytes),
    }
}

/// Which `[epoch:]version-release` comes first for RPM.
#[must_use]
pub fn rpm(a: &str, b: &str) -> Ordering {
    rpm_version::rpm_evr_compare(a, b)
}

/// Whether every systemd-sysupdate sees an image with this version: what is valid up to 261 and
/// what is valid from 262 on have no `~`, `^` or `,` in common.
#[must_use]
pub fn is_seen_by_all(version: &str) -> bool {
    !version.is_empty()
        && (version.bytes()).all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The programs themselves judge many more (`tests/judged/orders.rs`).
    #[test]
    fn orders_of_versions() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, by_systemd, by_glibc, by_rpm) in [
            ("1", "1", Equal, Equal, Equal),
            ("9", "10", Less, Less, Less),
            ("1.9", "1.10", Less, Less, Less),
            ("1-2", "1.1", Less, Less, Less),
            ("1~rc1", "1", Less, Greater, Less),
            ("1^git", "1", Greater, Greater, Greater),
            ("1^git", "1.1", Less, Greater, Less),
            ("1a", "1", Greater, Greater, Greater),
            ("1a", "11", Less, Less, Less),
            ("01", "1", Equal, Less, Equal),
            ("1.001", "1.01", Equal, Less, Equal),
            ("1.00", "1.0", Equal, Less, Equal),
            ("1.010", "1.09", Greater, Less, Greater),
            ("1+2", "1_2", Equal, Less, Equal),
            ("ab", "ac", Less, Less, Less),
        ] {
            assert_eq!(systemd(a, b), by_systemd, "systemd {a} {b}");
            assert_eq!(systemd(b, a), by_systemd.reverse(), "systemd {b} {a}");
            assert_eq!(glibc(a, b), by_glibc, "glibc {a} {b}");
            assert_eq!(glibc(b, a), by_glibc.reverse(), "glibc {b} {a}");
            assert_eq!(rpm(a, b), by_rpm, "rpm {a} {b}");
        }
        assert_eq!(rpm("1:1-1", "2-1"), Greater);
    }

    #[test]
    fn versions_that_every_client_sees() {
        for (version, expected) in [
            ("6.11-1.1+b_2", true),
            ("", false),
            ("1~rc1", false),
            ("1^git", false),
            ("1,2", false),
        ] {
            assert_eq!(is_seen_by_all(version), expected, "{version}");
        }
    }
}
