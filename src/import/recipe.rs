//! The text of a recipe that comes of a configuration: keys, where each is from, and what is left.

use std::collections::BTreeMap;

use super::{Fate, Row, brief};

/// A recipe on its way into a file.
#[derive(Debug, Default)]
pub struct Recipe {
    /// The name of the file without `.toml`.
    pub stem: String,
    /// What it is made of, such as `mkosi.images/debug`.
    pub origin: String,
    /// The keys, each with its value as TOML has it.
    keys: Vec<(&'static str, String)>,
    /// Lines to be uncommented, by the key that they are shown after.
    offers: BTreeMap<&'static str, Vec<String>>,
    /// What became of each setting.
    pub rows: Vec<Row>,
}

impl Recipe {
    /// Begins one of this name, made of `origin`.
    pub fn new(stem: &str, origin: String, rows: Vec<Row>) -> Self {
        Self {
            stem: stem.to_owned(),
            origin,
            rows,
            ..Self::default()
        }
    }

    /// Sets a key to a string.
    pub fn text(&mut self, key: &'static str, value: &str) {
        self.keys.push((key, quoted(value)));
    }

    /// Sets a key to a word that is not quoted, such as `true`.
    pub fn word(&mut self, key: &'static str, value: impl ToString) {
        self.keys.push((key, value.to_string()));
    }

    /// Sets a key to a list, unless that is empty.
    pub fn list(&mut self, key: &'static str, values: &[String]) {
        if !values.is_empty() {
            self.keys.push((key, array(values)));
        }
    }

    /// Shows a key that its reader may want to set, after another one.
    pub fn offer(&mut self, after: &'static str, key: &str, value: &str, why: &str) {
        let lines = self.offers.entry(after).or_default();
        lines.extend(why.lines().map(|line| format!("# {line}")));
        let value = format!("{key} = {value}");
        lines.extend(value.lines().map(|line| format!("# {line}")));
    }

    /// Whether a key is set.
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(set, _)| *set == key)
    }

    /// Returns the whole file.
    pub fn print(&self) -> String {
        let mut text = format!(
            "# Made from {} by sysext-build import.\n\n",
            one_line(&self.origin)
        );
        let mut offers = self.offers.clone();
        for (key, value) in &self.keys {
            text += &format!("{key} = {value}\n");
            for line in offers.remove(key).unwrap_or_default() {
                text += &line;
                text.push('\n');
            }
        }
        for line in offers.into_values().flatten() {
            text += &line;
            text.push('\n');
        }
        let left: Vec<_> = (self.rows.iter())
            .filter(|row| row.fate == Fate::LeftOut)
            .collect();
        if !left.is_empty() {
            text += "\n# Not in this recipe:\n";
        }
        for row in left {
            text += &format!(
                "# - {}: {}: {}\n",
                one_line(&row.place()),
                one_line(&row.what),
                row.text
            );
        }
        text
    }
}

/// A comment ends at a line's end, so none may be in it.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    brief(&text.chars().map(plain).collect::<String>())
}

/// Writes a string of TOML.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Writes a list of TOML: in one line if it is short.
pub fn array(values: &[String]) -> String {
    const WIDTH: usize = 80;
    let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    let line = format!("[{}]", values.join(", "));
    match line.chars().count() <= WIDTH {
        true => line,
        false => format!("[\n    {},\n]", values.join(",\n    ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_back() {
        for text in ["plain", "a\"b\\c", "tab\tnewline\n", "\u{7f}\u{1}", "ü"] {
            let read: toml::Table = format!("a = {}", quoted(text)).parse().unwrap();
            assert_eq!(read["a"].as_str(), Some(text));
        }
        let long: Vec<_> = (0..40).map(|number| format!("package{number}")).collect();
        let read: toml::Table = format!("a = {}", array(&long)).parse().unwrap();
        assert_eq!(read["a"].as_array().unwrap().len(), 40);
    }

    #[test]
    fn comments_stay_comments() {
        let mut recipe = Recipe {
            origin: "a\nname = \"evil\"".to_owned(),
            ..Recipe::default()
        };
        recipe.text("name", "good");
        recipe.offer("name", "base", "[\n    \"a\",\n]", "one\ntwo");
        recipe.rows.push(Row {
            file: "f".into(),
            line: Some(1),
            what: "x\ny = 1".to_owned(),
            fate: Fate::LeftOut,
            text: "write z".to_owned(),
        });
        let read: toml::Table = recipe.print().parse().unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read["name"].as_str(), Some("good"));
    }
}
