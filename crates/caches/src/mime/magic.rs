//! What a file or a medium has in it, by which its type is known.

use super::database::Name;
use super::document::Element;
use crate::glib::text::radix_of;

/// The value that stands for no rules at all.
const NO_MAGIC: &[u8] = b"__NOMAGIC__";

/// Contents by which a type is known.
#[derive(Clone, Debug)]
pub(super) struct Magic {
    pub(super) of: Name,
    pub(super) priority: i32,
    pub(super) matches: Vec<Match>,
    /// Whether rules of other directories are to be forgotten.
    pub(super) deletes: bool,
}

/// Bytes at a place, and what must be found besides.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) start: i64,
    /// At how many places they may begin.
    pub(super) places: i32,
    /// How many of them are swapped on some machines.
    pub(super) word: u8,
    pub(super) value: Vec<u8>,
    pub(super) mask: Option<Vec<u8>>,
    pub(super) below: Vec<Match>,
}

/// Paths of a medium by which its type is known.
#[derive(Clone, Debug)]
pub(super) struct TreeMagic {
    pub(super) of: Name,
    pub(super) priority: i32,
    pub(super) matches: Vec<TreeMatch>,
}

/// A path, and what must be there besides.
#[derive(Clone, Debug)]
pub(super) struct TreeMatch {
    pub(super) path: String,
    pub(super) kind: &'static str,
    /// What else is asked for, as it is written.
    pub(super) options: String,
    pub(super) below: Vec<TreeMatch>,
}

/// Reads a number from 0 to 100, which is 50 if it is not written.
pub(super) fn percent(element: &Element, name: &str) -> Option<i32> {
    let Some(written) = element.get(name) else {
        return Some(50);
    };
    let (number, rest) = decimal(written).ok()?;
    let number = i32::try_from(number).ok()?;
    (!written.is_empty() && rest.is_empty() && (0..=100).contains(&number)).then_some(number)
}

impl Magic {
    pub(super) fn read(element: &Element, of: &Name) -> Result<Self, String> {
        let priority = percent(element, "priority");
        let magic = Self {
            of: of.clone(),
            priority: priority.ok_or("<magic> has a wrong priority")?,
            matches: matches(element)?,
            deletes: false,
        };
        match magic.matches.is_empty() {
            true => Err("<magic> has no <match>".to_owned()),
            false => Ok(magic),
        }
    }

    /// Returns what forgets the rules of other directories for a type.
    pub(super) fn deletes(of: &Name) -> Self {
        Self {
            of: of.clone(),
            priority: 0,
            matches: vec![Match {
                start: 0,
                places: 1,
                word: 1,
                value: NO_MAGIC.to_vec(),
                mask: None,
                below: Vec::new(),
            }],
            deletes: true,
        }
    }
}

fn matches(parent: &Element) -> Result<Vec<Match>, String> {
    parent.elements().map(Match::read).collect()
}

impl Match {
    /// Returns how many there are, with those below it.
    pub(super) fn count(&self) -> usize {
        1 + self.below.iter().map(Self::count).sum::<usize>()
    }

    fn read(element: &Element) -> Result<Self, String> {
        if element.known() != Some("match") {
            return Err(format!("<{}> is not <match>", element.name));
        }
        let (start, places) = offset(element.get("offset").unwrap_or_default())?;
        let kind = element.get("type").ok_or("<match> has no type")?;
        let written = element.get("value").unwrap_or_default();
        let written_mask = element.get("mask");
        let width = match kind {
            "string" => 0,
            "byte" => 1,
            "big16" | "little16" | "host16" => 2,
            "big32" | "little32" | "host32" => 4,
            _ => return Err(format!("<match> has the unknown type {kind}")),
        };
        if written.is_empty() {
            return Err("<match> has no value".to_owned());
        }
        let (value, mask) = match width {
            0 => {
                let value = unescaped(written);
                let mask = written_mask.filter(|_| !value.is_empty());
                let mask = mask.map(|mask| string_mask(mask, value.len()));
                (value, mask.transpose()?)
            }
            _ => {
                let number = number(written)?;
                if width < 4 && number >> (8 * width) != 0 {
                    return Err(format!("{written} is more than fits into {width} bytes"));
                }
                // The other order of bytes is made of this one by who reads it.
                let bytes = |number: u64| match kind.starts_with("little") {
                    true => number.to_le_bytes()[..width].to_vec(),
                    false => number.to_be_bytes()[8 - width..].to_vec(),
                };
                let mask = written_mask.map(number_of_mask).transpose()?;
                (bytes(number), mask.map(bytes))
            }
        };
        Ok(Self {
            start,
            places,
            word: match kind {
                "host16" => 2,
                "host32" => 4,
                _ => 1,
            },
            value,
            mask,
            below: matches(element)?,
        })
    }
}

/// Reads a place, or the first and the last one of several.
fn offset(written: &str) -> Result<(i64, i32), String> {
    let wrong = || format!("<match> has the wrong offset {written:?}");
    let (start, rest) = decimal(written)?;
    if written.is_empty() {
        return Err("<match> has no offset".to_owned());
    }
    if rest.is_empty() {
        return Ok((start, 1));
    }
    let last = rest
        .strip_prefix(':')
        .filter(|last| !last.is_empty() && start >= 0);
    let (last, rest) = decimal(last.ok_or_else(wrong)?)?;
    // As it is stored, in 32 bits.
    let last = i64::from(last as i32);
    if !rest.is_empty() || last < start {
        return Err(wrong());
    }
    Ok((start, (last - start + 1) as i32))
}

/// Reads a number of C in base 10, and returns what follows it. There may be no digit.
fn decimal(text: &str) -> Result<(i64, &str), String> {
    let (is_negative, digits) = signed(text);
    let end = digits
        .find(|next: char| !next.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 {
        return Ok((0, text));
    }
    let sign = if is_negative { "-" } else { "" };
    let number = format!("{sign}{}", &digits[..end]).parse();
    let number = number.map_err(|_| format!("{text} is too large a number"))?;
    Ok((number, &digits[end..]))
}

/// Splits white space and a sign off the digits of a number of C.
fn signed(text: &str) -> (bool, &str) {
    let is_space = |next: char| matches!(next, ' ' | '\t'..='\r');
    let text = text.trim_start_matches(is_space);
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Reads a number of C in any base; a negative one is what its bits are.
fn number(text: &str) -> Result<u64, String> {
    let (is_negative, digits) = signed(text);
    let (digits, radix) = radix_of(digits);
    let is_digits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if !is_digits {
        return Err(format!("{text:?} is not a number"));
    }
    let number = u64::from_str_radix(digits, radix);
    let number = number.map_err(|_| format!("{text} is too large a number"))?;
    Ok(match is_negative {
        true => number.wrapping_neg(),
        false => number,
    })
}

/// Reads the mask of a number; an empty one is 0.
fn number_of_mask(text: &str) -> Result<u64, String> {
    match text {
        "" => Ok(0),
        _ => number(text),
    }
}

/// Reads the mask of a text of so many bytes. What it does not say is 0.
fn string_mask(written: &str, length: usize) -> Result<Vec<u8>, String> {
    let digits = written.strip_prefix("0x");
    let digits = digits.ok_or_else(|| format!("the mask {written:?} does not start with 0x"))?;
    let mut mask = vec![0_u8; length];
    for (index, digit) in digits.chars().enumerate() {
        let digit = digit.to_digit(16);
        let digit = digit.ok_or_else(|| format!("the mask {written:?} is not hexadecimal"))? as u8;
        let byte = mask.get_mut(index / 2);
        let byte = byte.ok_or_else(|| format!("the mask {written} is longer than the value"))?;
        *byte |= if index % 2 == 0 { digit << 4 } else { digit };
    }
    Ok(mask)
}

/// Returns the bytes of a text with the escapes of C.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let [escape, after @ ..] = rest else {
            break;
        };
        rest = after;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b'b' => 8,
            b't' => b'\t',
            b'f' => 12,
            b'v' => 11,
            b'0'..=b'7' => {
                let more = digits(&mut rest, 2, 8).unwrap_or((0, 1));
                // Only 8 bits of it are kept.
                (u32::from(escape - b'0') * more.1 + more.0) as u8
            }
            b'x' => digits(&mut rest, 2, 16).map_or(b'x', |(number, _)| number as u8),
            other => *other,
        });
    }
    bytes
}

/// Takes up to so many digits: returns their number, and by what one before them counts.
fn digits(rest: &mut &[u8], most: usize, radix: u32) -> Option<(u32, u32)> {
    let (mut number, mut weight) = (0, 1);
    for _ in 0..most {
        let [next, after @ ..] = *rest else { break };
        let Some(digit) = char::from(*next).to_digit(radix) else {
            break;
        };
        (number, weight) = (number * radix + digit, weight * radix);
        *rest = after;
    }
    (weight > 1).then_some((number, weight))
}

impl TreeMagic {
    pub(super) fn read(element: &Element, of: &Name) -> Result<Self, String> {
        let priority = percent(element, "priority");
        Ok(Self {
            of: of.clone(),
            priority: priority.ok_or("<treemagic> has a wrong priority")?,
            matches: tree_matches(element)?,
        })
    }
}

fn tree_matches(parent: &Element) -> Result<Vec<TreeMatch>, String> {
    parent.elements().map(TreeMatch::read).collect()
}

impl TreeMatch {
    /// Returns how many there are, with those below it.
    pub(super) fn count(&self) -> usize {
        1 + self.below.iter().map(Self::count).sum::<usize>()
    }

    fn read(element: &Element) -> Result<Self, String> {
        if element.known() != Some("treematch") {
            return Err(format!("<{}> is not <treematch>", element.name));
        }
        let path = element.get("path").ok_or("<treematch> has no path")?;
        let kind = match element.get("type") {
            None => "any",
            Some("file") => "file",
            Some("directory") => "directory",
            Some("link") => "link",
            Some(kind) => return Err(format!("<treematch> has the unknown type {kind}")),
        };
        let mut options = String::new();
        for name in ["match-case", "executable", "non-empty"] {
            if element.get(name) == Some("true") {
                options += &format!(",{name}");
            }
        }
        if let Some(of) = element.get("mimetype") {
            options += &format!(",{of}");
        }
        Ok(Self {
            path: path.to_owned(),
            kind,
            options,
            below: tree_matches(element)?,
        })
    }
}
