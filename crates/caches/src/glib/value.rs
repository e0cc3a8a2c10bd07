//! Values, and their bytes as `GVariant` stores them.

use std::cmp::Ordering;

use super::types::Type;

/// A value; its type is written beside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A truth.
    Boolean(bool),
    /// An integer of any width.
    Integer(i128),
    /// A number of 64 bits with a point.
    Double(f64),
    /// A text of any kind.
    Text(String),
    /// A value of this type.
    Variant(Box<(Type, Value)>),
    /// A value or none.
    Maybe(Option<Box<Value>>),
    /// Values: those of an array, of a tuple, or a key and a value.
    Parts(Vec<Value>),
}

impl Value {
    /// Returns the bytes of a value in a variant.
    pub(crate) fn in_variant(of: &Type, value: &Self) -> Vec<u8> {
        let mut bytes = value.bytes(of);
        bytes.push(0);
        bytes.extend(of.to_string().into_bytes());
        bytes
    }

    /// Returns the bytes of a value of this type, which start at a multiple of its alignment.
    pub(crate) fn bytes(&self, of: &Type) -> Vec<u8> {
        match (self, of) {
            (Self::Boolean(value), _) => vec![u8::from(*value)],
            (Self::Integer(value), _) => {
                let mut bytes = value.to_le_bytes().to_vec();
                bytes.truncate(of.size().unwrap_or_default());
                bytes
            }
            (Self::Double(value), _) => value.to_le_bytes().to_vec(),
            (Self::Text(text), _) => {
                let mut bytes = text.clone().into_bytes();
                bytes.push(0);
                bytes
            }
            (Self::Variant(inner), _) => Self::in_variant(&inner.0, &inner.1),
            (Self::Maybe(Some(value)), Type::Maybe(of)) => {
                let mut bytes = value.bytes(of);
                // It tells a value of no bytes from none.
                if of.size().is_none() {
                    bytes.push(0);
                }
                bytes
            }
            (Self::Parts(values), Type::Array(of)) => array(values, of),
            (Self::Parts(values), Type::Tuple(parts)) => {
                let parts: Vec<&Type> = parts.iter().collect();
                tuple(values, &parts)
            }
            (Self::Parts(values), Type::Entry(parts)) => tuple(values, &[&parts.0, &parts.1]),
            (Self::Maybe(_) | Self::Parts(_), _) => Vec::new(),
        }
    }

    /// Compares two numbers.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => Some(one.cmp(other)),
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            _ => None,
        }
    }

    /// Calls `see` with each text in a value, within whatever it is.
    pub(crate) fn texts<'a>(&'a self, see: &mut dyn FnMut(&'a str)) {
        match self {
            Self::Text(text) => see(text),
            Self::Maybe(Some(value)) => value.texts(see),
            Self::Parts(values) => values.iter().for_each(|value| value.texts(see)),
            _ => {}
        }
    }
}

fn array(values: &[Value], of: &Type) -> Vec<u8> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for value in values {
        align(&mut bytes, of);
        bytes.extend(value.bytes(of));
        ends.push(bytes.len());
    }
    if of.size().is_none() {
        frame(&mut bytes, &ends);
    }
    bytes
}

fn tuple(values: &[Value], parts: &[&Type]) -> Vec<u8> {
    // Unit takes a byte.
    if parts.is_empty() {
        return vec![0];
    }
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let mut alignment = 1;
    for (index, (value, of)) in values.iter().zip(parts).enumerate() {
        align(&mut bytes, of);
        bytes.extend(value.bytes(of));
        alignment = of.alignment().max(alignment);
        if of.size().is_none() && index + 1 < parts.len() {
            ends.push(bytes.len());
        }
    }
    if parts.iter().all(|of| of.size().is_some()) {
        bytes.resize(bytes.len().next_multiple_of(alignment), 0);
    }
    ends.reverse();
    frame(&mut bytes, &ends);
    bytes
}

/// Appends offsets, each as long as the whole needs.
fn frame(bytes: &mut Vec<u8>, ends: &[usize]) {
    let fits = |width: &&usize| {
        let all = bytes.len() + ends.len() * **width;
        all.checked_shr(8 * u32::try_from(**width).unwrap_or(0))
            .is_none_or(|rest| rest == 0)
    };
    let width = [1, 2, 4].iter().find(fits).copied().unwrap_or(8);
    for end in ends {
        bytes.extend(end.to_le_bytes().into_iter().take(width));
    }
}

fn align(bytes: &mut Vec<u8>, of: &Type) {
    bytes.resize(bytes.len().next_multiple_of(of.alignment()), 0);
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    /// The examples of the format's description.
    #[test]
    fn values_have_the_bytes_that_are_described() {
        for (of, value, bytes) in [
            ("s", "'hello world'", &b"hello world\0"[..]),
            ("ms", "just 'hello world'", b"hello world\0\0"),
            ("ms", "nothing", b""),
            (
                "ab",
                "[true, false, false, true, true]",
                b"\x01\0\0\x01\x01",
            ),
            ("(si)", "('foo', -1)", b"foo\0\xff\xff\xff\xff\x04"),
            (
                "a(si)",
                "[('hi', -2), ('bye', -1)]",
                b"hi\0\0\xfe\xff\xff\xff\x03\0\0\0bye\0\xff\xff\xff\xff\x04\x09\x15",
            ),
            ("as", "['i', 'can', 'has']", b"i\0can\0has\0\x02\x06\x0a"),
            (
                "((ys)as)",
                "((0x69, 'can'), ['has', 'strings?'])",
                b"ican\0has\0strings?\0\x04\x0d\x05",
            ),
            ("(yy)", "(0x70, 0x80)", b"\x70\x80"),
            ("(iy)", "(96, 0x70)", b"\x60\0\0\0\x70\0\0\0"),
            ("ai", "[4, 258]", b"\x04\0\0\0\x02\x01\0\0"),
            ("{si}", "{'a key', 514}", b"a key\0\0\0\x02\x02\0\0\x06"),
            ("v", "<'a'>", b"a\0\0s"),
            ("()", "()", b"\0"),
        ] {
            let of = Type::parse(of).unwrap();
            let value = text::parse(value, &of).unwrap();
            assert_eq!(value.bytes(&of), bytes, "{of}");
        }
        let of = Type::parse("as").unwrap();
        for (count, width) in [(42, 1), (43, 2), (200, 2)] {
            let values = vec![Value::Text("abcd".to_owned()); count];
            let bytes = Value::Parts(values).bytes(&of);
            assert_eq!(bytes.len(), count * (5 + width), "{count}");
        }
    }
}
