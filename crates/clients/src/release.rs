//! Files in the syntax of os-release(5), read as systemd reads them.
//!
//! systemd takes almost everything: lines without `=` say nothing, an open quote ends with the
//! file, and of two lines with one key the later wins. A reader that is stricter would call an
//! image broken that systemd merges, so this one is not.

use std::collections::BTreeMap;

/// The keys of an os-release or extension-release file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release(BTreeMap<String, String>);

/// Where the reader is in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeKey,
    Comment,
    Key,
    BeforeValue,
    Value,
    Single,
    Double,
}

impl Release {
    /// Reads the text of a file. `None` where a key or a value is not UTF-8, for which systemd
    /// gives up the whole file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // systemd looks at keys and values only, so that comments may be in any encoding.
        let mut keys = BTreeMap::new();
        let (mut key, mut value, mut quoted) = (Vec::new(), Vec::new(), 0);
        let mut state = State::BeforeKey;
        let mut characters = bytes.iter().copied();
        loop {
            let character = characters.next();
            let ends_line = matches!(character, None | Some(b'\n' | b'\r'));
            let in_quotes = matches!(state, State::Single | State::Double);
            if ends_line && (!in_quotes || character.is_none()) {
                if !matches!(state, State::BeforeKey | State::Comment | State::Key) {
                    trim_end(&mut value, quoted);
                    let name = String::from_utf8(std::mem::take(&mut key)).ok()?;
                    let text = String::from_utf8(std::mem::take(&mut value)).ok()?;
                    keys.insert(name, text);
                }
                (key, value, quoted) = (Vec::new(), Vec::new(), 0);
                state = State::BeforeKey;
                if character.is_none() {
                    return Some(Self(keys));
                }
                continue;
            }
            let Some(character) = character else { continue };
            state = match (state, character) {
                (State::BeforeKey, b'#' | b';') => State::Comment,
                (State::BeforeKey, b' ' | b'\t') => State::BeforeKey,
                (State::Key, b'=') => {
                    trim_end(&mut key, 0);
                    State::BeforeValue
                }
                (State::BeforeKey | State::Key, _) => {
                    key.push(character);
                    State::Key
                }
                (State::Comment, b'\\') => {
                    characters.next();
                    State::Comment
                }
                (State::Comment, _) => State::Comment,
                (State::BeforeValue, b'\'') => State::Single,
                (State::BeforeValue, b'"') => State::Double,
                (State::BeforeValue, b' ' | b'\t') => State::BeforeValue,
                (State::BeforeValue | State::Value, b'\\') => {
                    value.extend(characters.next().filter(|escaped| !is_newline(*escaped)));
                    quoted = value.len();
                    State::Value
                }
                (State::BeforeValue | State::Value, _) => {
                    value.push(character);
                    State::Value
                }
                (State::Single, b'\'') | (State::Double, b'"') => {
                    quoted = value.len();
                    State::BeforeValue
                }
                (State::Double, b'\\') => {
                    match characters.next() {
                        Some(escaped @ (b'"' | b'\\' | b'`' | b'$')) => value.push(escaped),
                        Some(escaped) if !is_newline(escaped) => value.extend([b'\\', escaped]),
                        _ => {}
                    }
                    State::Double
                }
                (State::Single | State::Double, _) => {
                    value.push(character);
                    state
                }
            };
        }
    }

    /// Makes one of keys and values.
    #[must_use]
    pub fn of_keys(keys: BTreeMap<String, String>) -> Self {
        Self(keys)
    }

    /// Returns the value of a key, if it is there and not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.given(key).filter(|value| !value.is_empty())
    }

    /// Returns the value of a key, empty or not.
    #[must_use]
    pub fn given(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Says whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all keys with their values.
    #[must_use]
    pub fn keys(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn is_newline(character: u8) -> bool {
    matches!(character, b'\n' | b'\r')
}

/// Takes white space off the end, as far as `kept`.
fn trim_end(text: &mut Vec<u8>, kept: usize) {
    while text.len() > kept && matches!(text.last(), Some(b' ' | b'\t')) {
        text.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_systemd_reads_it() {
        for (text, key, value) in [
            ("ID=a", "ID", Some("a")),
            ("ID=a\r\nB=c", "ID", Some("a")),
            ("# ID=b\n; ID=c\nID=a", "ID", Some("a")),
            ("# \\\nID=b\nID=a", "ID", Some("a")),
            (" ID = a \n", "ID", Some("a")),
            ("what\nID=a", "ID", Some("a")),
            ("ID=a\nID=b", "ID", Some("b")),
            ("ID=\"a b\"", "ID", Some("a b")),
            ("ID='a\\'", "ID", Some("a\\")),
            ("ID=\"a\\\"\\$\\x\"", "ID", Some("a\"$\\x")),
            ("ID=\"a\" 'b'", "ID", Some("ab")),
            ("ID=a\"b\"", "ID", Some("a\"b\"")),
            ("ID=a\\ b\\\nc", "ID", Some("a bc")),
            ("ID=\"a\nb", "ID", Some("a\nb")),
            ("ID=\"a  \"", "ID", Some("a  ")),
            ("ID=", "ID", Some("")),
            ("", "ID", None),
            ("ID", "ID", None),
        ] {
            let release = Release::parse(text.as_bytes()).unwrap();
            assert_eq!(release.given(key), value, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_text_is_nothing() {
        assert_eq!(Release::parse(b"ID=\xff"), None);
        assert!(Release::parse(b"# \xff\nID=a").is_some());
    }
}
