//! Reads schemas from XML. A file with anything wrong in it counts for nothing.

use std::collections::BTreeMap;

use super::enumeration::Enumeration;
use super::key::{Key, Names};
use super::schema::{Member, Schema, Schemas, check_name};
use crate::glib::text::radix_of;
use crate::glib::types::Type;
use crate::xml::{self, Piece};

/// Reads one file.
pub(super) struct Parser<'a> {
    schemas: &'a mut Schemas,
    /// The schemas, enumerations and flags of this file.
    own: [Vec<String>; 3],
    /// The names of the elements that are open.
    open: Vec<String>,
    /// How many of them are within one of another namespace.
    foreign: usize,
    /// What the whole file is translated with.
    domain: Option<String>,
    schema: Option<String>,
    key: Option<(String, Key)>,
    enumeration: Enumeration,
    /// A text, where there may be one.
    text: Option<String>,
}

type Attributes = BTreeMap<String, String>;

impl<'a> Parser<'a> {
    /// Adds the schemas of a file.
    pub(super) fn read(schemas: &'a mut Schemas, bytes: &[u8]) -> Result<(), String> {
        let mut parser = Parser {
            schemas,
            own: Default::default(),
            open: Vec::new(),
            foreign: 0,
            domain: None,
            schema: None,
            key: None,
            enumeration: Enumeration::default(),
            text: None,
        };
        let read = xml::read(bytes, &mut |piece| parser.see(piece));
        if read.is_err() {
            parser.take_back();
        }
        read
    }

    fn take_back(&mut self) {
        let [schemas, enums, flags] = &self.own;
        for id in schemas.iter().rev() {
            self.schemas.remove(id);
        }
        for id in enums {
            self.schemas.enums.remove(id);
        }
        for id in flags {
            self.schemas.flags.remove(id);
        }
    }

    fn see(&mut self, piece: Piece) -> Result<(), String> {
        match piece {
            Piece::Start(name, _) if self.foreign > 0 || name.contains(':') => {
                self.foreign += 1;
                Ok(())
            }
            Piece::End if self.foreign > 0 => {
                self.foreign -= 1;
                Ok(())
            }
            Piece::Text(_) if self.foreign > 0 => Ok(()),
            Piece::DocumentType(_) => Ok(()),
            Piece::Start(name, attributes) => {
                let own = attributes.into_iter().filter(|(key, _)| !key.contains(':'));
                let begun = self.begin(&name, own.collect());
                self.open.push(name);
                begun
            }
            Piece::End => {
                let name = self.open.pop().unwrap_or_default();
                let ended = self.end(&name);
                self.text = None;
                ended
            }
            Piece::Text(text) => match (&mut self.text, self.open.last()) {
                (Some(known), _) => {
                    known.push_str(&text);
                    Ok(())
                }
                (None, Some(name)) if !text.trim_ascii().is_empty() => {
                    Err(format!("there is text in <{name}>"))
                }
                _ => Ok(()),
            },
        }
    }

    fn begin(&mut self, name: &str, attributes: Attributes) -> Result<(), String> {
        let container = self.open.last().cloned();
        let container = container.as_deref();
        let check =
            |required: &[&str], optional: &[&str]| check(name, &attributes, required, optional);
        let get = |key: &str| attributes.get(key).map(String::as_str);
        match (container, name) {
            (None, "schemalist") => {
                check(&[], &["gettext-domain"])?;
                self.domain = get("gettext-domain").map(str::to_owned);
                Ok(())
            }
            (Some("schemalist"), "schema") => {
                let optional = ["path", "gettext-domain", "extends", "list-of"];
                check(&["id"], &optional)?;
                self.begin_schema(&attributes)
            }
            (Some("schemalist"), "enum" | "flags") => {
                check(&["id"], &[])?;
                self.begin_enumeration(name, get("id").unwrap_or_default())
            }
            (Some("schema"), "key") => {
                check(&["name"], &["type", "enum", "flags"])?;
                self.begin_key(&attributes)
            }
            (Some("schema"), "child") => {
                check(&["name", "schema"], &[])?;
                let [name, schema] = ["name", "schema"].map(|key| get(key).unwrap_or_default());
                self.add_child(name, schema)
            }
            (Some("schema"), "override") => {
                check(&["name"], &["l10n", "context"])?;
                self.begin_override(get("name").unwrap_or_default())?;
                self.begin_default(get("l10n"), get("context"))
            }
            (Some("key"), "default") => {
                check(&[], &["l10n", "context"])?;
                self.begin_default(get("l10n"), get("context"))
            }
            (Some("key"), "summary" | "description") => {
                check(&[], &[])?;
                self.text = Some(String::new());
                Ok(())
            }
            (Some("key"), "range") => {
                check(&[], &["min", "max"])?;
                self.key()?.set_range(get("min"), get("max"))
            }
            (Some("key"), "choices") => {
                check(&[], &[])?;
                self.key()?.start_choices()
            }
            (Some("key"), "aliases") => {
                check(&[], &[])?;
                self.key()?.start_aliases()
            }
            (Some("choices"), "choice") => {
                check(&["value"], &[])?;
                let key = self.key()?;
                key.has_choices = true;
                key.enumeration.add_choice(get("value").unwrap_or_default())
            }
            (Some("aliases"), "alias") => {
                check(&["value", "target"], &[])?;
                let [value, target] = ["value", "target"].map(|key| get(key).unwrap_or_default());
                let key = self.key()?;
                key.has_aliases = true;
                key.enumeration.add_alias(value, target)
            }
            (Some(container @ ("enum" | "flags")), "value") => {
                check(&["nick", "value"], &[])?;
                let [nick, value] = ["nick", "value"].map(|key| get(key).unwrap_or_default());
                self.add_value(container == "flags", nick, value)
            }
            (Some(container), _) => Err(format!("<{name}> is not allowed in <{container}>")),
            (None, _) => Err(format!("it is a <{name}>, not a <schemalist>")),
        }
    }

    fn end(&mut self, name: &str) -> Result<(), String> {
        match name {
            "schema" => self.schema = None,
            "enum" | "flags" => {
                let enumeration = std::mem::take(&mut self.enumeration);
                if enumeration.is_empty() {
                    return Err(format!("a <{name}> has no <value>"));
                }
                let index = if name == "flags" { 2 } else { 1 };
                let all = match name {
                    "flags" => &mut self.schemas.flags,
                    _ => &mut self.schemas.enums,
                };
                if let Some(id) = self.own[index].last() {
                    all.insert(id.clone(), enumeration);
                }
            }
            "default" => {
                let written = self.text.take().unwrap_or_default();
                let name = self.key_name();
                let ended = self.key()?.end_default(written);
                return ended.map_err(|problem| format!("{name}: {problem}"));
            }
            "override" => {
                let written = self.text.take().unwrap_or_default();
                let name = self.key_name();
                let ended = self.key()?.end_default(written);
                ended.map_err(|problem| format!("{name}: {problem}"))?;
                return self.end_key();
            }
            "key" => return self.end_key(),
            "choices" => {
                let name = self.key_name();
                let key = self.key()?;
                if !key.has_choices {
                    return Err("<choices> has no <choice>".to_owned());
                }
                return key.check().map_err(|problem| format!("{name}: {problem}"));
            }
            "aliases" if !self.key()?.has_aliases => {
                return Err("<aliases> has no <alias>".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the key that is being read.
    fn key(&mut self) -> Result<&mut Key, String> {
        let key = self.key.as_mut().map(|(_, key)| key);
        key.ok_or_else(|| "no key has begun".to_owned())
    }

    fn key_name(&self) -> String {
        let key = self.key.as_ref();
        key.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// Returns the schema that is being read.
    fn schema(&mut self) -> Result<&mut Schema, String> {
        let id = self.schema.as_ref();
        let schema = id.and_then(|id| self.schemas.get_mut(id));
        schema.ok_or_else(|| "no schema has begun".to_owned())
    }

    fn begin_schema(&mut self, attributes: &Attributes) -> Result<(), String> {
        let get = |key: &str| attributes.get(key).cloned();
        let id = get("id").unwrap_or_default();
        let (path, extends, mut list_of) = (get("path"), get("extends"), get("list-of"));
        let schemas = &*self.schemas;
        if schemas.get(&id).is_some() {
            return Err(format!("the schema {id} is there already"));
        }
        let find = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match schemas.get(name) {
                Some(schema) => Ok(Some(schema)),
                None => Err(format!(
                    "the schema {id} refers to {name}, which is not there yet"
                )),
            },
        };
        let above = find(&extends)?;
        if find(&list_of)?.is_some_and(|schema| schema.path.is_some()) {
            return Err(format!("the schema {id} is a list of one with a path"));
        }
        if let Some(above) = above {
            if above.path.is_some() {
                return Err(format!("the schema {id} extends one with a path"));
            }
            match (&list_of, &above.list_of) {
                (None, of) => list_of.clone_from(of),
                (Some(of), Some(other)) if schemas.extends(of, other) => {}
                (Some(_), _) => {
                    return Err(format!(
                        "the schema {id} extends one that is not such a list"
                    ));
                }
            }
        }
        if let Some(path) = &path {
            if !path.starts_with('/') || !path.ends_with('/') {
                return Err(format!(
                    "the path {path} does not begin and end with a slash"
                ));
            }
            if list_of.is_some() && !path.ends_with(":/") {
                return Err(format!("the path {path} of a list does not end with :/"));
            }
        }
        let schema = Schema {
            path,
            domain: get("gettext-domain").or(self.domain.clone()),
            extends,
            list_of,
            ..Schema::default()
        };
        self.schemas.insert(&id, schema)?;
        self.own[0].push(id.clone());
        self.schema = Some(id);
        Ok(())
    }

    fn begin_enumeration(&mut self, name: &str, id: &str) -> Result<(), String> {
        let (index, all) = match name {
            "flags" => (2, &self.schemas.flags),
            _ => (1, &self.schemas.enums),
        };
        if all.contains_key(id) {
            return Err(format!("the <{name}> {id} is there already"));
        }
        self.own[index].push(id.to_owned());
        Ok(())
    }

    fn add_value(&mut self, is_flags: bool, nick: &str, value: &str) -> Result<(), String> {
        if nick.len() < 2 {
            return Err(format!("the nick {nick:?} is shorter than 2 characters"));
        }
        let range = match is_flags {
            true => 0..=i64::from(u32::MAX),
            false => i64::from(i32::MIN)..=i64::from(i32::MAX),
        };
        let number = integer(value).filter(|number| range.contains(number));
        let number = number.ok_or_else(|| format!("the value {value:?} is not such a number"))?;
        // As it is stored.
        let stored = u32::try_from(number & i64::from(u32::MAX)).unwrap_or_default();
        if is_flags && stored == 0 {
            return Ok(());
        }
        if is_flags && !stored.is_power_of_two() {
            return Err(format!("the flag {nick} has more than one bit"));
        }
        self.enumeration.add_value(nick, stored)
    }

    fn begin_key(&mut self, attributes: &Attributes) -> Result<(), String> {
        let get = |key: &str| attributes.get(key).map(String::as_str);
        let name = get("name").unwrap_or_default();
        check_name(name)?;
        let schema = self.schema()?.clone_head();
        if schema.list_of.is_some() {
            return Err("a schema that is a list has a key".to_owned());
        }
        if self.schema()?.has(name) {
            return Err(format!("the key {name} is there twice"));
        }
        if let Some(key) = self.schemas.inherited(&schema, name)
            && !key.is_override
        {
            return Err(format!(
                "the key {name} is in a schema that this one extends"
            ));
        }
        let enumeration = |all: &BTreeMap<String, Enumeration>, id: &str| {
            let found = all.get(id).cloned();
            found.ok_or_else(|| format!("the key {name} is of {id}, which is not there yet"))
        };
        let text = Type::Basic(b's');
        let key = match (get("type"), get("enum"), get("flags")) {
            (Some(of), None, None) => {
                let found = Type::parse(of);
                let found = found.ok_or_else(|| format!("{of} is not a type"))?;
                Key::new(found, Names::Choices, Enumeration::default())
            }
            (None, Some(id), None) => {
                Key::new(text, Names::Enum, enumeration(&self.schemas.enums, id)?)
            }
            (None, None, Some(id)) => {
                let of = Type::Array(text.into());
                Key::new(of, Names::Flags, enumeration(&self.schemas.flags, id)?)
            }
            _ => {
                return Err(format!(
                    "the key {name} does not have one type, enum or flags"
                ));
            }
        };
        self.schemas.count(&key.enumeration)?;
        self.key = Some((name.to_owned(), key));
        Ok(())
    }

    fn begin_override(&mut self, name: &str) -> Result<(), String> {
        let schema = self.schema()?.clone_head();
        let Some(key) = self.schemas.inherited(&schema, name) else {
            return Err(format!(
                "the key {name}, which is to be overridden, does not exist"
            ));
        };
        let key = key.overridden();
        if self.schema()?.has(name) {
            return Err(format!("the override of {name} is there twice"));
        }
        self.schemas.count(&key.enumeration)?;
        self.key = Some((name.to_owned(), key));
        Ok(())
    }

    fn begin_default(
        &mut self,
        category: Option<&str>,
        context: Option<&str>,
    ) -> Result<(), String> {
        let has_domain = self.schema()?.domain.is_some();
        self.key()?.start_default(category, context, has_domain)?;
        self.text = Some(String::new());
        Ok(())
    }

    fn end_key(&mut self) -> Result<(), String> {
        let Some((name, key)) = self.key.take() else {
            return Ok(());
        };
        if key.default.is_none() {
            return Err(format!("the key {name} has no default"));
        }
        self.schema()?.insert(&name, Member::Key(key.into()))
    }

    fn add_child(&mut self, name: &str, schema: &str) -> Result<(), String> {
        check_name(name)?;
        let name = format!("{name}/");
        let own = self.schema()?;
        if own.has(&name) {
            return Err(format!("the child {name} is there twice"));
        }
        own.insert(&name, Member::Child(schema.to_owned()))
    }
}

/// Says what is wrong with the attributes of an element.
fn check(
    element: &str,
    attributes: &Attributes,
    required: &[&str],
    optional: &[&str],
) -> Result<(), String> {
    if let Some(missing) = required.iter().find(|key| !attributes.contains_key(**key)) {
        return Err(format!("<{element}> has no {missing}"));
    }
    let is_known =
        |key: &&String| required.contains(&key.as_str()) || optional.contains(&key.as_str());
    match attributes.keys().find(|key| !is_known(key)) {
        Some(unknown) => Err(format!("<{element}> has {unknown}, which is not known")),
        None => Ok(()),
    }
}

/// Returns a number as C reads it: nothing is 0.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (digits, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    if text.is_empty() {
        return Some(0);
    }
    let (digits, radix) = radix_of(digits);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = i64::from_str_radix(digits, radix).ok();
    number.filter(|_| is_number).map(|number| number * sign)
}
