//! A key of a schema: its type, its default, and what values it may have.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::enumeration::Enumeration;
use crate::glib::hash_table::HashTable;
use crate::glib::text;
use crate::glib::types::Type;
use crate::glib::value::Value;

/// What the names of a key are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Names {
    /// Those of `<choices>`, if it has any.
    #[default]
    Choices,
    /// Those of an enumeration.
    Enum,
    /// Those of flags.
    Flags,
}

/// A key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) of: Type,
    pub(super) default: Option<Value>,
    /// How the default is translated.
    pub(super) translation: Option<Translation>,
    /// The default as it is written, for who translates it.
    pub(super) written: String,
    pub(super) names: Names,
    pub(super) enumeration: Enumeration,
    pub(super) has_choices: bool,
    pub(super) has_aliases: bool,
    /// It gives a key of another schema another default.
    pub(super) is_override: bool,
    range: Option<(Value, Value)>,
    desktops: HashTable,
    of_desktops: BTreeMap<String, Value>,
}

/// How a default is translated.
#[derive(Clone, Debug)]
pub(super) struct Translation {
    /// `m` for messages, `t` for what is of times.
    pub(super) category: u8,
    pub(super) context: Option<String>,
}

impl Key {
    pub(super) fn new(of: Type, names: Names, enumeration: Enumeration) -> Self {
        Self {
            of,
            default: None,
            translation: None,
            written: String::new(),
            names,
            enumeration,
            has_choices: false,
            has_aliases: false,
            is_override: false,
            range: None,
            desktops: HashTable::default(),
            of_desktops: BTreeMap::new(),
        }
    }

    /// Returns a key that has what this one is, for another default.
    pub(super) fn overridden(&self) -> Self {
        let (of, names) = (self.of.clone(), self.names);
        Self {
            is_override: true,
            range: self.range.clone(),
            ..Self::new(of, names, self.enumeration.clone())
        }
    }

    /// Notes that a default begins.
    pub(super) fn start_default(
        &mut self,
        category: Option<&str>,
        context: Option<&str>,
        has_domain: bool,
    ) -> Result<(), String> {
        let category = match category {
            None if context.is_some() => {
                return Err("a context is given for what is not translated".to_owned());
            }
            None => return Ok(()),
            Some("messages") => b'm',
            Some("time") => b't',
            Some(other) => return Err(format!("{other} is not a category of translations")),
        };
        if !has_domain {
            return Err("a default is translated, and no gettext-domain is given".to_owned());
        }
        self.translation = Some(Translation {
            category,
            context: context.map(str::to_owned),
        });
        Ok(())
    }

    pub(super) fn end_default(&mut self, written: String) -> Result<(), String> {
        let value = text::parse(&written, &self.of);
        self.written = written;
        let value = value.map_err(|problem| format!("the default: {problem}"))?;
        self.default = Some(value);
        self.check()
    }

    /// Says whether the default is among the values that it may have.
    pub(super) fn check(&self) -> Result<(), String> {
        let problem = self.default.as_ref().and_then(|value| self.problem(value));
        problem.map_or(Ok(()), |problem| Err(format!("the default {problem}")))
    }

    /// Says why a value is not one of those that it may have.
    pub(super) fn problem(&self, value: &Value) -> Option<String> {
        if let Some((low, high)) = &self.range {
            let is_outside = value.compare(low) == Some(Ordering::Less)
                || value.compare(high) == Some(Ordering::Greater);
            return is_outside.then(|| "is not in the range".to_owned());
        }
        if self.enumeration.is_empty() {
            return None;
        }
        let mut unknown = None;
        value.texts(&mut |name| {
            if !self.enumeration.has(name) {
                unknown.get_or_insert(name);
            }
        });
        unknown.map(|name| format!("has {name}, which is not one of its names"))
    }

    pub(super) fn set_range(
        &mut self,
        low: Option<&str>,
        high: Option<&str>,
    ) -> Result<(), String> {
        if self.range.is_some() {
            return Err("it has two ranges".to_owned());
        }
        let (least, most) = match &self.of {
            Type::Basic(b'y') => ("0", "255"),
            Type::Basic(b'n') => ("-32768", "32767"),
            Type::Basic(b'q') => ("0", "65535"),
            Type::Basic(b'i') => ("-2147483648", "2147483647"),
            Type::Basic(b'u') => ("0", "4294967295"),
            Type::Basic(b'x') => ("-9223372036854775808", "9223372036854775807"),
            Type::Basic(b't') => ("0", "18446744073709551615"),
            Type::Basic(b'd') => ("-inf", "inf"),
            other => return Err(format!("a key of the type {other} can't have a range")),
        };
        let number =
            |text| text::parse(text, &self.of).map_err(|problem| format!("the range: {problem}"));
        let (low, high) = (number(low.unwrap_or(least))?, number(high.unwrap_or(most))?);
        if low.compare(&high) == Some(Ordering::Greater) {
            return Err("its range ends before it begins".to_owned());
        }
        self.range = Some((low, high));
        self.check()
    }

    pub(super) fn start_choices(&self) -> Result<(), String> {
        if self.names == Names::Enum {
            return Err("a key of an enumeration can't have choices".to_owned());
        }
        if self.has_choices {
            return Err("it has choices twice".to_owned());
        }
        let mut inner = &self.of;
        while let Type::Maybe(next) | Type::Array(next) = inner {
            inner = next;
        }
        match inner {
            Type::Basic(b's') => Ok(()),
            _ => Err(format!("a key of the type {} can't have choices", self.of)),
        }
    }

    pub(super) fn start_aliases(&self) -> Result<(), String> {
        match self.has_aliases {
            true => Err("it has aliases twice".to_owned()),
            false if self.names == Names::Choices && !self.has_choices => {
                Err("it has aliases, and neither choices nor an enumeration".to_owned())
            }
            false => Ok(()),
        }
    }

    /// Gives it another default, for one desktop or for all.
    pub(super) fn set_default(&mut self, desktop: Option<&str>, value: Value) {
        match desktop {
            None => self.default = Some(value),
            Some(desktop) => {
                self.desktops.insert(desktop);
                self.of_desktops.insert(desktop.to_owned(), value);
            }
        }
    }

    /// Returns how the database has it.
    pub(super) fn stored(&self) -> Option<(Type, Value)> {
        let byte = |letter: u8| (Type::Basic(b'y'), Value::Integer(letter.into()));
        let pair = |letter: u8, of: Type, value: Value| {
            let (of_letter, letter) = byte(letter);
            (
                Type::Tuple(vec![of_letter, of]),
                Value::Parts(vec![letter, value]),
            )
        };
        let mut parts = vec![(self.of.clone(), self.default.clone()?)];
        if let Some(Translation { category, context }) = &self.translation {
            let mut written = self.written.trim_matches(is_space).to_owned();
            if let Some(context) = context {
                written = format!("{context}\x04{written}");
            }
            let (of, value) = pair(*category, Type::Basic(b's'), Value::Text(written));
            parts.push(pair(b'l', of, value));
        }
        if !self.enumeration.is_empty() {
            let words = self.enumeration.words().into_iter();
            let words = words.map(|word| Value::Integer(word.into()));
            let letter = match self.names {
                Names::Flags => b'f',
                Names::Enum => b'e',
                Names::Choices => b'c',
            };
            let of = Type::Array(Type::Basic(b'u').into());
            parts.push(pair(letter, of, Value::Parts(words.collect())));
        }
        if let Some((low, high)) = &self.range {
            let of = Type::Tuple(vec![self.of.clone(), self.of.clone()]);
            let both = Value::Parts(vec![low.clone(), high.clone()]);
            parts.push(pair(b'r', of, both));
        }
        if !self.of_desktops.is_empty() {
            let of = Type::Array(Type::Entry((Type::Basic(b's'), Type::Variant).into()).into());
            let entries = self.desktops.keys().filter_map(|desktop| {
                let value = self.of_desktops.get(desktop)?.clone();
                let value = Value::Variant((self.of.clone(), value).into());
                Some(Value::Parts(vec![Value::Text(desktop.to_owned()), value]))
            });
            parts.push(pair(b'd', of, Value::Parts(entries.collect())));
        }
        let (types, values) = parts.into_iter().unzip();
        Some((Type::Tuple(types), Value::Parts(values)))
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0c')
}
