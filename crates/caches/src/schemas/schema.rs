//! Schemas, and what they have.

use std::collections::BTreeMap;

use super::enumeration::Enumeration;
use super::key::Key;
use crate::glib::gvdb::{self, Item, Table};
use crate::glib::hash_table::HashTable;
use crate::glib::types::Type;
use crate::glib::value::Value;

/// Most schemas, and most keys of one. A desktop has some hundred of each.
const MAX_ITEMS: usize = 16_384;
/// Most bytes that the names of the enumerations of all keys may take.
const MAX_NAMES: usize = 64 << 20;
/// The longest name of a key.
const MAX_NAME: usize = 1024;

/// All schemas.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    order: HashTable,
    schemas: BTreeMap<String, Schema>,
    pub(super) enums: BTreeMap<String, Enumeration>,
    pub(super) flags: BTreeMap<String, Enumeration>,
    /// How much the enumerations of all keys take.
    names: usize,
}

/// A schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema {
    pub(super) path: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) extends: Option<String>,
    pub(super) list_of: Option<String>,
    pub(super) order: HashTable,
    pub(super) members: BTreeMap<String, Member>,
}

/// A member of a schema.
#[derive(Clone, Debug)]
pub(super) enum Member {
    /// A key.
    Key(Box<Key>),
    /// Another schema, by its name.
    Child(String),
}

impl Schema {
    /// Returns what it is, without what it has.
    pub(super) fn clone_head(&self) -> Self {
        Self {
            path: self.path.clone(),
            domain: self.domain.clone(),
            extends: self.extends.clone(),
            list_of: self.list_of.clone(),
            ..Self::default()
        }
    }

    /// Returns a key.
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        match self.members.get(name) {
            Some(Member::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Returns a key, to change it.
    pub(super) fn key_mut(&mut self, name: &str) -> Option<&mut Key> {
        match self.members.get_mut(name) {
            Some(Member::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Says whether it has a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Adds a member.
    pub(super) fn insert(&mut self, name: &str, member: Member) -> Result<(), String> {
        if self.members.len() >= MAX_ITEMS {
            return Err(format!("a schema has more than {MAX_ITEMS} keys"));
        }
        self.order.insert(name);
        self.members.insert(name.to_owned(), member);
        Ok(())
    }

    fn table(&self) -> Option<Table> {
        let mut table = Table::new();
        let mut is_translated = false;
        let text = |text: &str| Item::Value(Type::Basic(b's'), Value::Text(text.to_owned()));
        for name in self.order.keys() {
            let item = match self.members.get(name)? {
                Member::Child(schema) => text(schema),
                Member::Key(key) => {
                    is_translated |= key.translation.is_some();
                    let (of, value) = key.stored()?;
                    Item::Value(of, value)
                }
            };
            table.insert_child(name, item);
        }
        let domain = self.domain.as_ref().filter(|_| is_translated);
        for (name, value) in [
            (".path", self.path.as_ref()),
            (".extends", self.extends.as_ref()),
            (".list-of", self.list_of.as_ref()),
            (".gettext-domain", domain),
        ] {
            if let Some(value) = value {
                table.insert(name, text(value));
            }
        }
        Some(table)
    }
}

impl Schemas {
    pub(super) fn get(&self, id: &str) -> Option<&Schema> {
        self.schemas.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Schema> {
        self.schemas.get_mut(id)
    }

    /// Adds a schema.
    pub(super) fn insert(&mut self, id: &str, schema: Schema) -> Result<(), String> {
        if self.schemas.len() >= MAX_ITEMS {
            return Err(format!("there are more than {MAX_ITEMS} schemas"));
        }
        self.order.insert(id);
        self.schemas.insert(id.to_owned(), schema);
        Ok(())
    }

    /// Takes a schema back.
    pub(super) fn remove(&mut self, id: &str) {
        self.order.remove(id);
        self.schemas.remove(id);
    }

    /// Counts what the names of a key take.
    pub(super) fn count(&mut self, enumeration: &Enumeration) -> Result<(), String> {
        self.names += enumeration.words().len() * 4;
        match self.names > MAX_NAMES {
            true => Err(format!(
                "the names of all keys take more than {MAX_NAMES} bytes"
            )),
            false => Ok(()),
        }
    }

    /// Finds the key that a schema has from those that it extends.
    pub(super) fn inherited(&self, schema: &Schema, name: &str) -> Option<&Key> {
        let mut above = schema.extends.as_ref();
        while let Some(schema) = above.and_then(|id| self.get(id)) {
            if let Some(key) = schema.key(name) {
                return Some(key);
            }
            above = schema.extends.as_ref();
        }
        None
    }

    /// Says whether a schema is another, or extends it.
    pub(super) fn extends(&self, id: &str, other: &str) -> bool {
        let mut above = Some(id);
        while let Some(id) = above {
            if id == other {
                return true;
            }
            above = (self.get(id)).and_then(|schema| schema.extends.as_deref());
        }
        false
    }

    /// Returns the database; none without schemas.
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        if self.schemas.is_empty() {
            return None;
        }
        let mut table = Table::new();
        for id in self.order.keys() {
            let schema = self.get(id)?.table()?;
            table.insert_child(id, Item::Table(schema));
        }
        gvdb::write(&table)
    }
}

/// Says what is wrong with the name of a key.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    match begins && name.split('-').all(is_part) && name.len() <= MAX_NAME {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is not a name: small letters, digits and single hyphens, a letter first, up \
             to {MAX_NAME}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::enumeration::MAX_BYTES;
    use super::*;

    #[test]
    fn schemas_keys_and_names_are_counted() {
        let (mut schemas, mut schema) = (Schemas::default(), Schema::default());
        for number in 0..MAX_ITEMS {
            let name = number.to_string();
            schemas.insert(&name, Schema::default()).unwrap();
            schema.insert(&name, Member::Child(String::new())).unwrap();
        }
        let error = schemas.insert("x", Schema::default()).unwrap_err();
        assert_eq!(error, "there are more than 16384 schemas");
        let error = schema
            .insert("x", Member::Child(String::new()))
            .unwrap_err();
        assert_eq!(error, "a schema has more than 16384 keys");

        let mut names = Enumeration::default();
        let mut number = 0..;
        while names
            .add_choice(&format!("{:065}", number.next().unwrap()))
            .is_ok()
        {}
        let each = names.words().len() * 4;
        assert!((MAX_BYTES..MAX_BYTES + 100).contains(&each));
        let counted = (0..).find(|_| schemas.count(&names).is_err());
        assert_eq!(counted, Some(MAX_NAMES / each));

        let name = "a".repeat(MAX_NAME);
        assert!(check_name(&name).is_ok() && check_name(&format!("{name}a")).is_err());
    }
}
