//! Elements with their name spaces, as libxml2 copies and writes them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::NAMESPACE;

/// The name space of attributes such as `xml:lang`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Deepest indentation, in levels.
const MAX_INDENT: usize = 30;

/// An element with all that is in it. Comments, instructions and the marks of CDATA are not kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    /// Its name, as it is written.
    pub(super) name: String,
    pub(super) namespace: Option<Rc<str>>,
    /// The name spaces that it declares, by their prefixes; the default one has none.
    pub(super) declared: Vec<(String, Rc<str>)>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Child>,
}

#[derive(Clone, Debug)]
pub(super) struct Attribute {
    /// Its name, as it is written.
    pub(super) name: String,
    pub(super) namespace: Option<Rc<str>>,
    pub(super) value: String,
    /// Whether it is there, not only given by the document's type: it is copied then.
    pub(super) is_written: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Child {
    Element(Element),
    Text(String),
}

/// Name spaces by prefixes, each with those that are hidden by the last one.
#[derive(Debug, Default)]
pub(super) struct Scopes(BTreeMap<String, Vec<Rc<str>>>);

impl Scopes {
    /// Makes an element of what is written, and of what else it has by the document's type; opens its
    /// scope.
    pub(super) fn enter(
        &mut self,
        name: String,
        written: Vec<(String, String)>,
        given: &[(String, String)],
    ) -> Element {
        let mut element = Element {
            name,
            ..Element::default()
        };
        let is_missing = |(name, _): &&(String, String)| written.iter().all(|(one, _)| one != name);
        let given = given.iter().filter(is_missing).cloned();
        let given: Vec<_> = given.map(|(name, value)| (name, value, false)).collect();
        let written = written.into_iter().map(|(name, value)| (name, value, true));
        for (name, value, is_written) in written.chain(given) {
            let prefix = match name.strip_prefix("xmlns:") {
                Some(prefix) => prefix,
                None if name == "xmlns" => "",
                None => {
                    element.attributes.push(Attribute {
                        name,
                        namespace: None,
                        value,
                        is_written,
                    });
                    continue;
                }
            };
            let uri: Rc<str> = value.into();
            let known = self.0.entry(prefix.to_owned()).or_default();
            known.push(Rc::clone(&uri));
            element.declared.push((prefix.to_owned(), uri));
        }
        element.namespace = self.find(prefix_of(&element.name));
        for attribute in &mut element.attributes {
            // One without a prefix is in none.
            if let prefix @ 1.. = prefix_of(&attribute.name).len() {
                attribute.namespace = self.find(&attribute.name[..prefix]);
            }
        }
        element
    }

    /// Closes the scope of an element.
    pub(super) fn leave(&mut self, element: &Element) {
        for (prefix, _) in &element.declared {
            if let Some(known) = self.0.get_mut(prefix) {
                known.pop();
            }
        }
    }

    fn find(&self, prefix: &str) -> Option<Rc<str>> {
        if prefix == "xml" {
            return Some(XML.into());
        }
        let found = self.0.get(prefix).and_then(|known| known.last());
        found.filter(|uri| !uri.is_empty()).cloned()
    }
}

fn prefix_of(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

impl Element {
    /// Returns its name in the name space of types of files, if it is there.
    pub(super) fn known(&self) -> Option<&str> {
        let local = self
            .name
            .split_once(':')
            .map_or(&*self.name, |(_, name)| name);
        (self.namespace.as_deref() == Some(NAMESPACE)).then_some(local)
    }

    /// Returns an attribute that is in no name space.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let is_it = |one: &&Attribute| one.namespace.is_none() && one.name == name;
        let found = self.attributes.iter().find(is_it);
        found.map(|attribute| attribute.value.as_str())
    }

    /// Returns the language of what is in it.
    pub(super) fn language(&self) -> Option<&str> {
        let is_it =
            |one: &&Attribute| one.namespace.as_deref() == Some(XML) && one.name.ends_with(":lang");
        let found = self.attributes.iter().find(is_it);
        found.map(|attribute| attribute.value.as_str())
    }

    fn written_attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|one| one.is_written)
    }

    /// Returns the elements in it.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })
    }

    /// Adds a text, or what follows of one.
    pub(super) fn add_text(&mut self, text: String) {
        match self.children.last_mut() {
            Some(Child::Text(before)) => before.push_str(&text),
            _ if text.is_empty() => {}
            _ => self.children.push(Child::Text(text)),
        }
    }

    /// Returns its text as a child of the root of a document of its own. It declares itself what it was
    /// declared above it, but for the name space of types of files, which the root has.
    pub(super) fn written(&self) -> String {
        let mut declared = match self.known() {
            Some(_) if prefix_of(&self.name).is_empty() => None,
            _ => Some(self.declared.clone()),
        };
        if let Some(declared) = &mut declared {
            let mut scope = BTreeMap::new();
            self.missing(&mut scope, declared);
        }
        let mut out = String::new();
        self.write(1, declared.as_deref().unwrap_or_default(), true, &mut out);
        out
    }

    /// Finds the prefixes that nothing from here to the top declares.
    fn missing<'a>(
        &'a self,
        scope: &mut BTreeMap<&'a str, usize>,
        top: &mut Vec<(String, Rc<str>)>,
    ) {
        for (prefix, _) in &self.declared {
            *scope.entry(prefix).or_default() += 1;
        }
        let own = (&self.name, &self.namespace);
        let attributes = self.written_attributes();
        let attributes = attributes.map(|one| (&one.name, &one.namespace));
        for (name, namespace) in std::iter::once(own).chain(attributes) {
            let prefix = prefix_of(name);
            let Some(uri) = namespace.as_ref().filter(|_| prefix != "xml") else {
                continue;
            };
            let known = scope.entry(prefix).or_default();
            if *known == 0 {
                // It stays known, since the top has it then.
                *known += 1;
                top.push((prefix.to_owned(), Rc::clone(uri)));
            }
        }
        for element in self.elements() {
            element.missing(scope, top);
        }
        for (prefix, _) in &self.declared {
            if let Some(known) = scope.get_mut(prefix.as_str()) {
                *known -= 1;
            }
        }
    }

    fn write(&self, level: usize, declared: &[(String, Rc<str>)], indent: bool, out: &mut String) {
        let tabs = |level: usize| "  ".repeat(if indent { level.min(MAX_INDENT) } else { 0 });
        *out += &tabs(level);
        *out += &format!("<{}", self.name);
        for (prefix, uri) in declared {
            let colon = if prefix.is_empty() { "" } else { ":" };
            *out += &format!(" xmlns{colon}{prefix}=\"{}\"", quoted(uri));
        }
        for attribute in self.written_attributes() {
            *out += &format!(" {}=\"{}\"", attribute.name, quoted(&attribute.value));
        }
        if self.children.is_empty() {
            *out += "/>";
        } else {
            let is_text = |child: &Child| matches!(child, Child::Text(_));
            let within = indent && !self.children.iter().any(is_text);
            *out += if within { ">\n" } else { ">" };
            for child in &self.children {
                match child {
                    Child::Element(element) => {
                        element.write(level + 1, &element.declared, within, out);
                    }
                    Child::Text(text) => *out += &escaped(text),
                }
            }
            if within {
                *out += &tabs(level);
            }
            *out += &format!("</{}>", self.name);
        }
        if indent {
            out.push('\n');
        }
    }
}

/// Returns a text as it is written between elements.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('\r', "&#13;")
}

/// Returns a text as it is written in an attribute.
pub(super) fn quoted(text: &str) -> String {
    let text = escaped(text).replace('"', "&quot;");
    text.replace('\n', "&#10;").replace('\t', "&#9;")
}
