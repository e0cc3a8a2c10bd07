//! Types of values, as `GVariant` writes them: `s`, `a{sv}`, `(ii)`.

use std::fmt;

/// How deep types may nest.
const MAX_DEPTH: usize = 64;

/// The letters of types that are in no other.
const BASIC: &[u8] = b"bynqiuxthdsog";

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// One without parts, by its letter.
    Basic(u8),
    /// A value of any type, which it names.
    Variant,
    /// A value or none.
    Maybe(Box<Type>),
    /// Any number of values.
    Array(Box<Type>),
    /// Values of these types.
    Tuple(Vec<Type>),
    /// A key and a value.
    Entry(Box<(Type, Type)>),
}

impl Type {
    /// Reads a type.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match Self::parse_start(text.as_bytes(), 0)? {
            (found, []) => Some(found),
            _ => None,
        }
    }

    /// Says whether a text is a row of types.
    pub(crate) fn are_valid(text: &str) -> bool {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match Self::parse_start(rest, 0) {
                Some((_, left)) => rest = left,
                None => return false,
            }
        }
        true
    }

    fn parse_start(text: &[u8], depth: usize) -> Option<(Self, &[u8])> {
        let (first, rest) = text.split_first()?;
        if depth > MAX_DEPTH {
            return None;
        }
        let depth = depth + 1;
        Some(match first {
            b'v' => (Self::Variant, rest),
            b'm' => {
                let (inner, rest) = Self::parse_start(rest, depth)?;
                (Self::Maybe(inner.into()), rest)
            }
            b'a' => {
                let (inner, rest) = Self::parse_start(rest, depth)?;
                (Self::Array(inner.into()), rest)
            }
            b'(' => {
                let (mut parts, mut rest) = (Vec::new(), rest);
                while rest.first() != Some(&b')') {
                    let (part, left) = Self::parse_start(rest, depth)?;
                    parts.push(part);
                    rest = left;
                }
                (Self::Tuple(parts), rest.get(1..)?)
            }
            b'{' => {
                let (key, rest) = Self::parse_start(rest, depth)?;
                let (value, rest) = Self::parse_start(rest, depth)?;
                let rest = rest.strip_prefix(b"}")?;
                let is_basic = matches!(key, Self::Basic(_));
                (Self::Entry(is_basic.then(|| (key, value).into())?), rest)
            }
            letter if BASIC.contains(letter) => (Self::Basic(*letter), rest),
            _ => return None,
        })
    }

    /// Returns what the start of a value is a multiple of.
    pub(crate) fn alignment(&self) -> usize {
        match self {
            Self::Basic(b'n' | b'q') => 2,
            Self::Basic(b'i' | b'u' | b'h') => 4,
            Self::Basic(b'x' | b't' | b'd') | Self::Variant => 8,
            Self::Basic(_) => 1,
            Self::Maybe(inner) | Self::Array(inner) => inner.alignment(),
            Self::Tuple(parts) => parts.iter().map(Self::alignment).max().unwrap_or(1),
            Self::Entry(parts) => parts.0.alignment().max(parts.1.alignment()),
        }
    }

    /// Returns how long every value is, if all are equally long.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::Basic(b'b' | b'y') => Some(1),
            Self::Basic(b'n' | b'q') => Some(2),
            Self::Basic(b'i' | b'u' | b'h') => Some(4),
            Self::Basic(b'x' | b't' | b'd') => Some(8),
            Self::Basic(_) | Self::Variant | Self::Maybe(_) | Self::Array(_) => None,
            Self::Tuple(parts) if parts.is_empty() => Some(1),
            Self::Tuple(parts) => size_of_all(&parts.iter().collect::<Vec<_>>()),
            Self::Entry(parts) => size_of_all(&[&parts.0, &parts.1]),
        }
    }

    /// Returns the type of what is in it, behind all that may be none.
    pub(crate) fn innermost(&self) -> (&Self, usize) {
        let (mut inner, mut depth) = (self, 0);
        while let Self::Maybe(next) = inner {
            (inner, depth) = (next, depth + 1);
        }
        (inner, depth)
    }
}

fn size_of_all(parts: &[&Type]) -> Option<usize> {
    let (mut size, mut alignment) = (0_usize, 1);
    for part in parts {
        alignment = part.alignment().max(alignment);
        size = size.next_multiple_of(part.alignment()) + part.size()?;
    }
    Some(size.next_multiple_of(alignment))
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic(letter) => write!(formatter, "{}", char::from(*letter)),
            Self::Variant => formatter.write_str("v"),
            Self::Maybe(inner) => write!(formatter, "m{inner}"),
            Self::Array(inner) => write!(formatter, "a{inner}"),
            Self::Tuple(parts) => {
                formatter.write_str("(")?;
                for part in parts {
                    part.fmt(formatter)?;
                }
                formatter.write_str(")")
            }
            Self::Entry(parts) => write!(formatter, "{{{}{}}}", parts.0, parts.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written() {
        for (text, alignment, size) in [
            ("s", 1, None),
            ("()", 1, Some(1)),
            ("(yx)", 8, Some(16)),
            ("(xy)", 8, Some(16)),
            ("(qy)", 2, Some(4)),
            ("a{sv}", 8, None),
            ("m(ib)", 4, None),
        ] {
            let found = Type::parse(text).unwrap();
            assert_eq!(
                (found.to_string().as_str(), found.alignment(), found.size()),
                (text, alignment, size)
            );
        }
        let deep = |depth: usize| "a".repeat(depth) + "i";
        assert!(Type::parse(&deep(MAX_DEPTH)).is_some());
        for wrong in [
            "",
            "a",
            "(i",
            "{vi}",
            "{ii",
            "ii",
            "r",
            "*",
            &deep(MAX_DEPTH + 1),
        ] {
            assert_eq!(Type::parse(wrong), None, "{wrong}");
        }
        assert!(Type::are_valid("iia{sv}") && Type::are_valid("") && !Type::are_valid("ii("));
    }
}
