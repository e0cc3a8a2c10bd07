//! All that definitions say, in the order in which the tool has it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::document::Element;
use super::globs::{Glob, NO_GLOBS};
use super::magic::{Magic, Match, TreeMagic, TreeMatch, percent};
use crate::glib::hash_table::HashTable;

/// Most types, patterns, matches and other things that are defined.
const MAX_ITEMS: usize = 65_536;
/// What the files that are made may take, so far as it is more than the definitions do.
const MAX_TEXT: usize = 16 << 20;
/// What a character of a pattern may take.
const PATTERN: usize = 16;
/// Longest part of the name of a type: the tool writes files with these names and `.xml.new`.
const MAX_NAME: usize = 247;
/// What is in the way of media types in the same directory, beside what is made there.
const TAKEN: [&str; 5] = [".", "..", "packages", super::NAME, "version"];

/// The name of a type.
pub(super) type Name = Rc<str>;

/// Values by texts, in the order of GLib's table of these texts.
#[derive(Debug)]
pub(super) struct Table<V> {
    order: HashTable,
    values: BTreeMap<String, V>,
}

/// What is written of a type into its own file.
#[derive(Debug, Default)]
pub(super) struct Type {
    /// Texts of elements, but for those that were replaced.
    fields: Vec<Option<String>>,
    /// Where the comment in each language is.
    comments: BTreeMap<Option<String>, usize>,
}

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) types: Table<Type>,
    pub(super) globs: Table<Vec<Glob>>,
    /// Types by name spaces and local names, with a space between them.
    pub(super) namespaces: Table<Name>,
    pub(super) magic: Vec<Magic>,
    pub(super) tree_magic: Vec<TreeMagic>,
    pub(super) parents: Table<Vec<String>>,
    pub(super) aliases: Table<Name>,
    pub(super) icons: Table<String>,
    pub(super) generic_icons: Table<String>,
    items: usize,
    text: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            order: HashTable::default(),
            values: BTreeMap::new(),
        }
    }
}

impl<V> Table<V> {
    pub(super) fn insert(&mut self, key: &str, value: V) {
        self.order.insert(key);
        self.values.insert(key.to_owned(), value);
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.values.get(key)
    }

    /// Returns all of them in their order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&str, &V)> {
        let keys = self.order.keys();
        keys.filter_map(|key| self.values.get(key).map(|value| (key, value)))
    }

    /// Returns all of them, sorted.
    pub(super) fn sorted(&self) -> impl ExactSizeIterator<Item = (&str, &V)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<V: Default> Table<V> {
    fn entry(&mut self, key: &str) -> &mut V {
        self.order.insert(key);
        self.values.entry(key.to_owned()).or_default()
    }
}

impl Type {
    /// Returns the texts of its elements.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter_map(Option::as_deref)
    }

    /// Adds an element. A comment replaces the one in the same language.
    fn add(&mut self, element: &Element) -> usize {
        let written = element.written();
        let length = written.len();
        if element.known() == Some("comment") {
            let language = element.language().map(str::to_owned);
            let before = self.comments.insert(language, self.fields.len());
            if let Some(field) = before.and_then(|index| self.fields.get_mut(index)) {
                *field = None;
            }
        }
        self.fields.push(Some(written));
        length
    }
}

impl Database {
    /// Adds a type, if it is not there.
    ///
    /// # Errors
    /// A type can't have this name.
    pub(super) fn add(&mut self, name: &str) -> Result<Name, String> {
        check(name)?;
        if self.types.get(name).is_none() {
            self.items += 1;
            self.types.insert(name, Type::default());
        }
        Ok(name.into())
    }

    /// # Errors
    /// There is none.
    pub(super) fn has_room(&self) -> Result<(), String> {
        if self.items >= MAX_ITEMS {
            return Err(format!(
                "with all before it, it defines more than {MAX_ITEMS} things"
            ));
        }
        match self.text >= MAX_TEXT {
            true => Err(format!(
                "what is made of it and all before it is longer than {} MiB",
                MAX_TEXT >> 20
            )),
            false => Ok(()),
        }
    }

    /// Adds a part of the definition of a type.
    ///
    /// # Errors
    /// Something is wrong with it, so that the tool reads the definition no further.
    pub(super) fn define(&mut self, of: &Name, element: &Element) -> Result<(), String> {
        self.items += 1;
        // What is not known is only copied.
        let is_copied = match element.known() {
            None => true,
            Some(name) => self.process(name, of, element)?,
        };
        if is_copied {
            self.text += self.types.entry(of).add(element);
        }
        Ok(())
    }

    /// Does what an element says; the answer is whether it is copied as well.
    fn process(&mut self, name: &str, of: &Name, element: &Element) -> Result<bool, String> {
        match name {
            "glob" => return self.glob(of, element).map(|()| true),
            "glob-deleteall" => self.globs.entry(NO_GLOBS).push(Glob {
                of: of.clone(),
                weight: 0,
                is_case_sensitive: false,
                deletes: true,
            }),
            "magic" => {
                let magic = Magic::read(element, of)?;
                self.items += magic.matches.iter().map(Match::count).sum::<usize>();
                self.magic.push(magic);
                return Ok(false);
            }
            "magic-deleteall" => {
                self.magic.push(Magic::deletes(of));
                return Ok(false);
            }
            "treemagic" => {
                let magic = TreeMagic::read(element, of)?;
                self.items += magic.matches.iter().map(TreeMatch::count).sum::<usize>();
                self.tree_magic.push(magic);
                return Ok(false);
            }
            "comment" | "acronym" | "expanded-acronym" => {}
            "alias" | "sub-class-of" => {
                let other = element.get("type").filter(|other| other.contains('/'));
                let other = other.ok_or_else(|| format!("<{name}> has a wrong type, or none"))?;
                match name {
                    "alias" => self.aliases.insert(other, of.clone()),
                    _ => self.parents.entry(of).push(other.to_owned()),
                }
            }
            "root-XML" => {
                self.namespace(of, element)?;
                return Ok(false);
            }
            "icon" | "generic-icon" => {
                let Some(icon) = element.get("name") else {
                    return Ok(false);
                };
                let icons = match name {
                    "icon" => &mut self.icons,
                    _ => &mut self.generic_icons,
                };
                icons.insert(of, icon.to_owned());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn glob(&mut self, of: &Name, element: &Element) -> Result<(), String> {
        let pattern = element.get("pattern").filter(|pattern| !pattern.is_empty());
        let pattern = pattern.ok_or("<glob> has no pattern")?;
        let is_case_sensitive = element.get("case-sensitive") == Some("true");
        let weight = percent(element, "weight");
        let pattern = match is_case_sensitive {
            true => pattern.to_owned(),
            false => pattern.to_ascii_lowercase(),
        };
        self.text += PATTERN * pattern.len();
        self.globs.entry(&pattern).push(Glob {
            of: of.clone(),
            weight: weight.unwrap_or(-1),
            is_case_sensitive,
            deletes: false,
        });
        let problem = || format!("<glob> for {pattern} has a wrong weight");
        weight.map(drop).ok_or_else(problem)
    }

    fn namespace(&mut self, of: &Name, element: &Element) -> Result<(), String> {
        let get = |name: &str| {
            let found = element.get(name);
            found.ok_or_else(|| format!("<root-XML> has no {name}"))
        };
        let (space, local) = (get("namespaceURI")?, get("localName")?);
        if space.is_empty() && local.is_empty() {
            return Err("<root-XML> has an empty namespaceURI and localName".to_owned());
        }
        if [space, local].iter().any(|text| text.contains([' ', '\n'])) {
            return Err("<root-XML> has spaces in its namespaceURI or localName".to_owned());
        }
        self.namespaces
            .insert(&format!("{space} {local}"), of.clone());
        Ok(())
    }

    /// Sorts the rules by their priorities.
    pub(super) fn sort(&mut self) {
        let (a, b) = (&mut self.magic, &mut self.tree_magic);
        a.sort_by(|a, b| match (a.deletes, b.deletes) {
            (false, false) => order((b.priority, &a.of), (a.priority, &b.of)),
            (a, b) => b.cmp(&a),
        });
        b.sort_by(|a, b| order((b.priority, &a.of), (a.priority, &b.of)));
    }
}

fn order(a: (i32, &Name), b: (i32, &Name)) -> std::cmp::Ordering {
    a.0.cmp(&b.0)
        .then_with(|| a.1.split_once('/').cmp(&b.1.split_once('/')))
}

/// # Errors
/// A type can't have this name.
fn check(name: &str) -> Result<(), String> {
    let wrong = || Err(format!("{name:?} is not the name of a type"));
    let Some((media, sub)) = name.split_once('/') else {
        return wrong();
    };
    let is_part = |part: &str| {
        let is_name = !part.is_empty() && part.len() <= MAX_NAME;
        is_name && !part.contains(|sign: char| sign.is_control() || sign == '/')
    };
    let mut taken = TAKEN.iter().chain(&super::BESIDE);
    let is_there = taken.any(|taken| taken.eq_ignore_ascii_case(media));
    match is_part(media) && is_part(sub) && !is_there {
        true => Ok(()),
        false => wrong(),
    }
}
