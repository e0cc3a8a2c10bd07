//! Files in the syntax of os-release(5), read as systemd reads them.
//!
//! systemd takes almost everything: lines without `=` say nothing, an open quote ends with the
//! file, and of two lines with one key the later wins. A reader that is stricter would refuse a
//! host that systemd runs on, or call an image broken that systemd merges, so this one is not.

use std::collections::BTreeMap;

use crate::Systemd;

/// The longest file that systemd reads, in bytes. It is also the bound on the memory that a file
/// takes here.
pub const MAX_RELEASE_SIZE: u64 = 64 * 1024 * 1024 - 1;

/// So many keys of a file are kept: enough for every file that describes a system, and few enough
/// for one that is made to fill memory.
const MAX_KEYS: usize = 1 << 16;

type Keys = BTreeMap<String, String>;

/// The keys of an os-release or extension-release file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    keys: Keys,
    /// What systemd 252 reads, where that differs.
    read_by_252: Option<Box<Release>>,
}

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
    /// Reads the text of a file. `None` where systemd gives up the whole file: it is longer than
    /// [`MAX_RELEASE_SIZE`], has a byte 0, or a key or a value in it is not UTF-8. Comments may be
    /// in any encoding.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() as u64 > MAX_RELEASE_SIZE || bytes.contains(&0) {
            return None;
        }
        // One may give up where the other is still in a comment.
        let (newer, older) = (read(bytes, Systemd::V254), read(bytes, Systemd::V252));
        if newer.is_none() && older.is_none() {
            return None;
        }
        let (keys, older) = (newer.unwrap_or_default(), older.unwrap_or_default());
        let read_by_252 = (older != keys).then(|| Box::new(Self::of_keys(older)));
        Some(Self { keys, read_by_252 })
    }

    /// Returns what this version of systemd reads. The methods of the file itself say what 254 and
    /// later read.
    #[must_use]
    pub fn as_read_by(&self, version: Systemd) -> &Self {
        match &self.read_by_252 {
            Some(older) if version.rules().continues_comments => older,
            _ => self,
        }
    }

    /// Makes one of keys and values.
    #[must_use]
    pub fn of_keys(keys: BTreeMap<String, String>) -> Self {
        Self {
            keys,
            read_by_252: None,
        }
    }

    /// Returns the value of a key, if it is there and not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.given(key).filter(|value| !value.is_empty())
    }

    /// Returns the value of a key, empty or not.
    #[must_use]
    pub fn given(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// Says whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns all keys with their values.
    #[must_use]
    pub fn keys(&self) -> &BTreeMap<String, String> {
        &self.keys
    }
}

/// Reads keys and values by the rules of a version of systemd.
fn read(bytes: &[u8], version: Systemd) -> Option<Keys> {
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
                // What is in quotes stays, also where they are open to the end.
                if !in_quotes {
                    trim_end(&mut value, quoted);
                }
                let name = String::from_utf8(std::mem::take(&mut key)).ok()?;
                let text = String::from_utf8(std::mem::take(&mut value)).ok()?;
                if keys.len() < MAX_KEYS || keys.contains_key(&name) {
                    keys.insert(name, text);
                }
            }
            (key, value, quoted) = (Vec::new(), Vec::new(), 0);
            state = State::BeforeKey;
            if character.is_none() {
                return Some(keys);
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
            // Up to 252, a backslash at the end of a comment makes the next line a part of it.
            (State::Comment, b'\\') => match characters.next() {
                Some(escaped) if is_newline(escaped) && !version.rules().continues_comments => {
                    State::BeforeKey
                }
                _ => State::Comment,
            },
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
                    Some(b'\n') | None => {}
                    Some(other) => value.extend([b'\\', other]),
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

fn is_newline(character: u8) -> bool {
    matches!(character, b'\n' | b'\r')
}

/// Takes white space off the end, as far as `kept`.
fn trim_end(text: &mut Vec<u8>, kept: usize) {
    while text.len() > kept && matches!(text.last(), Some(b' ' | b'\t')) {
        text.pop();
    }
}
