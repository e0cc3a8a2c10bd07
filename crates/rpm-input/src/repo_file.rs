//! The text of `.repo` files, as dnf and zypper read it: sections of keys and values, and variables
//! in the values.
//!
//! ```text
//! [oss]
//! name=Main repository
//! baseurl=https://example.org/$releasever/${basearch:-x86_64}/
//!         https://mirror.example.org/$releasever/$basearch/
//! gpgcheck=1
//! ```
//!
//! What the keys mean is the caller's to say. Such files come with a byte order mark, with the line
//! ends of other systems, and with names in an encoding of the last century; none of that changes
//! what they say.

use std::collections::{BTreeMap, BTreeSet};

/// How deep variables may stand in the words of others.
const MAX_NESTING: usize = 8;
/// Longest value after its variables were replaced, in bytes.
const MAX_EXPANDED: usize = 64 << 10;

/// A section of a `.repo` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// What stands between the brackets.
    pub name: String,
    /// Keys in lower case, with their values; a value of several lines has line feeds.
    pub keys: BTreeMap<String, String>,
}

/// Why a text with variables means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unexpanded {
    /// There is no value for the variable of that name.
    Unknown(String),
    /// What is wrong, in words.
    Malformed(String),
}

/// Reads the sections of a `.repo` file in their order.
///
/// # Errors
///
/// What is wrong, in words, with the number of the line.
pub fn sections(bytes: &[u8]) -> Result<Vec<Section>, String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut sections: Vec<Section> = Vec::new();
    let mut names = BTreeSet::new();
    let mut last_key: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        let at = |reason: &str| format!("line {}: {reason}", number + 1);
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let (name, after) = rest.split_once(']').ok_or_else(|| at("] is missing"))?;
            let (name, after) = (name.trim(), after.trim_start());
            if !after.is_empty() && !after.starts_with(['#', ';']) {
                return Err(at(&format!("there is something after [{name}]")));
            }
            if !names.insert(name) {
                return Err(at(&format!("[{name}] occurs twice")));
            }
            sections.push(Section {
                name: name.to_owned(),
                keys: BTreeMap::new(),
            });
            last_key = None;
            continue;
        }
        let keys = sections.last_mut().map(|section| &mut section.keys);
        let keys = keys.ok_or_else(|| at("it must start with a [section]"))?;
        // A line that is set in belongs to the value before it.
        if line.starts_with([' ', '\t'])
            && let Some(value) = last_key.as_ref().and_then(|key| keys.get_mut(key))
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        let (key, value) = trimmed.split_once('=').ok_or_else(|| at("= is missing"))?;
        let key = key.trim().to_ascii_lowercase();
        // dnf would take the last one; a person who reads the file may see the first.
        let before = keys.insert(key.clone(), value.trim().to_owned());
        if before.is_some_and(|before| before != value.trim()) {
            return Err(at(&format!("{key} occurs twice, with different values")));
        }
        last_key = Some(key);
    }
    Ok(sections)
}

/// Puts the values of variables into a text: `$name`, `${name}`, `${name:-word}` for `word` where
/// there is no value or an empty one, `${name:+word}` for `word` where there is a value. In a word
/// there may be variables, and a backslash takes the meaning of the character after it. A `$` before
/// anything else is one.
///
/// # Errors
///
/// [`Unexpanded`].
pub fn expand(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, Unexpanded> {
    let mut out = String::with_capacity(text.len());
    append(&mut out, text, value, 0)?;
    Ok(out)
}

fn append(
    out: &mut String,
    text: &str,
    value: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<(), Unexpanded> {
    let malformed = |reason: &str| Unexpanded::Malformed(reason.to_owned());
    if depth > MAX_NESTING {
        return Err(malformed("variables nest too deep"));
    }
    let mut rest = text;
    while let Some(start) = rest.find(['$', '\\']) {
        let (before, after) = rest.split_at(start);
        out.push_str(before);
        if let Some(after) = after.strip_prefix('\\') {
            // Outside of words a backslash is one.
            let escaped = after.chars().next().filter(|_| depth > 0);
            out.push(escaped.unwrap_or('\\'));
            rest = after
                .get(escaped.map_or(0, char::len_utf8)..)
                .unwrap_or_default();
            continue;
        }
        let after = after.get(1..).unwrap_or_default();
        if let Some(inner) = after.strip_prefix('{') {
            let end = closing(inner).ok_or_else(|| malformed("} is missing"))?;
            let (inside, tail) = inner.split_at(end);
            append_braced(out, inside, value, depth)?;
            rest = tail.get(1..).unwrap_or_default();
        } else {
            let (name, tail) = after.split_at(name_length(after));
            match name {
                "" => out.push('$'),
                name => {
                    let unknown = || Unexpanded::Unknown(name.to_owned());
                    out.push_str(&value(name).ok_or_else(unknown)?);
                }
            }
            rest = tail;
        }
        if out.len() > MAX_EXPANDED {
            return Err(malformed("it is too long"));
        }
    }
    out.push_str(rest);
    Ok(())
}

/// Appends what stands between braces: a name, perhaps with a word for when it has a value or none.
fn append_braced(
    out: &mut String,
    inside: &str,
    value: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<(), Unexpanded> {
    let (name, word) = inside.split_at(name_length(inside));
    let known = value(name);
    let has_value = known.as_ref().is_some_and(|value| !value.is_empty());
    if let Some(word) = word.strip_prefix(":-") {
        return match known.filter(|_| has_value) {
            Some(value) => {
                out.push_str(&value);
                Ok(())
            }
            None => append(out, word, value, depth + 1),
        };
    }
    if let Some(word) = word.strip_prefix(":+") {
        return match has_value {
            true => append(out, word, value, depth + 1),
            false => Ok(()),
        };
    }
    if !word.is_empty() || name.is_empty() {
        let reason = format!("${{{inside}}} is not a variable");
        return Err(Unexpanded::Malformed(reason));
    }
    out.push_str(&known.ok_or_else(|| Unexpanded::Unknown(name.to_owned()))?);
    Ok(())
}

/// Returns where the brace is that closes one before this text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut is_escaped = false;
    let mut before = ' ';
    for (offset, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '{' if before == '$' => open += 1,
            '}' if open == 0 => return Some(offset),
            '}' => open -= 1,
            _ => {}
        }
        before = letter;
    }
    None
}

/// Returns how long the name is at the start of a text.
fn name_length(text: &str) -> usize {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.find(|letter| !is_name(letter)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section by its name, its keys with their values.
    type Plain = (String, Vec<(String, String)>);

    fn read(text: &[u8]) -> Result<Vec<Plain>, String> {
        let sections = sections(text)?.into_iter();
        let plain = sections.map(|section| (section.name, section.keys.into_iter().collect()));
        Ok(plain.collect())
    }

    #[test]
    fn sections_have_keys() {
        let owned = |text: &str| text.to_owned();
        for (text, name, keys) in [
            (&b"# c\n[a]\nk=v"[..], "a", vec![("k", "v")]),
            (b"\xef\xbb\xbf[a]\nk=v\n", "a", vec![("k", "v")]),
            (b"[a]\r\nk=v\r\n  w\r\n", "a", vec![("k", "v\nw")]),
            (b"[ a ] ; c\n; c\n K = v=w \n", "a", vec![("k", "v=w")]),
            (b"[a]\nname=caf\xe9\n", "a", vec![("name", "caf\u{fffd}")]),
            (
                b"[a]\nk=v\n\n\tw\n#c\n x\nl=\n",
                "a",
                vec![("k", "v\nw\nx"), ("l", "")],
            ),
            (b"[a]\nk=v\nK = v", "a", vec![("k", "v")]),
        ] {
            let keys = keys
                .into_iter()
                .map(|(key, value)| (owned(key), owned(value)));
            let expected = vec![(owned(name), keys.collect())];
            assert_eq!(read(text), Ok(expected), "{}", text.escape_ascii());
        }
        for (text, reason) in [
            ("k=v", "line 1: it must start with a [section]"),
            ("[a", "line 1: ] is missing"),
            ("[a] b", "line 1: there is something after [a]"),
            ("[a]\nwhat", "line 2: = is missing"),
            ("[a]\nx=1\n[a]", "line 3: [a] occurs twice"),
            (
                "[a]\nk=1\nK = 0",
                "line 3: k occurs twice, with different values",
            ),
            (
                "[a]\nk=1\n  2\nk=1",
                "line 4: k occurs twice, with different values",
            ),
        ] {
            assert_eq!(read(text.as_bytes()), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn variables_have_values() {
        let value = |name: &str| match name {
            "a" => Some("1".to_owned()),
            "empty" => Some(String::new()),
            "odd" => Some("${a}".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("", ""),
            ("x$a", "x1"),
            ("$a-$a/${a}b", "1-1/1b"),
            ("$empty.", "."),
            ("$", "$"),
            ("$/$$a", "$/$1"),
            // A value is not looked at again.
            ("$odd", "${a}"),
            ("${a:-x}${no:-x}${empty:-x}", "1xx"),
            ("${a:+x}${no:+x}${empty:+x}", "x"),
            ("${no:-${a}}${no:-${no:-$a}}", "11"),
            ("${a:+$a/}z", "1/z"),
            ("${no:-}", ""),
            // A word that is not needed may name anything.
            ("${a:-$no}${no:+$no}", "1"),
            (r"a\b${no:-a\}b\$a}", r"a\ba}b$a"),
            (r"a\", r"a\"),
        ] {
            assert_eq!(expand(text, &value), Ok(expected.to_owned()), "{text}");
        }
        let nested = |depth: usize| format!("{}{}", "${no:-".repeat(depth), "}".repeat(depth));
        assert_eq!(expand(&nested(MAX_NESTING), &value), Ok(String::new()));
        let malformed = |reason: &str| Unexpanded::Malformed(reason.to_owned());
        for (text, expected) in [
            ("$no", Unexpanded::Unknown("no".to_owned())),
            ("${no}", Unexpanded::Unknown("no".to_owned())),
            (
                "${a:-x}${no:-$none}",
                Unexpanded::Unknown("none".to_owned()),
            ),
            ("${a", malformed("} is missing")),
            ("${no:-${a}", malformed("} is missing")),
            ("${}", malformed("${} is not a variable")),
            ("${a-b}", malformed("${a-b} is not a variable")),
            (
                &nested(MAX_NESTING + 1),
                malformed("variables nest too deep"),
            ),
        ] {
            assert_eq!(expand(text, &value), Err(expected), "{text}");
        }
    }

    #[test]
    fn values_do_not_grow_without_end() {
        let long = |_: &str| Some("x".repeat(MAX_EXPANDED / 2));
        assert_eq!(
            expand("$a$a", &long).map(|text| text.len()),
            Ok(MAX_EXPANDED)
        );
        let reason = Unexpanded::Malformed("it is too long".to_owned());
        assert_eq!(expand("$a$a$a", &long), Err(reason));
    }
}
