//! `modules`: streams of modules, of which a system uses at most one each, and the default ones.
//!
//! The file is a sequence of YAML documents. Of YAML that part is read which programs write for
//! modules: blocks of keys and lists by their indentation, plain and quoted words, and lists in
//! brackets on one line. Texts over several lines are passed over. What is not understood is not
//! taken for something else: it has no place among the keys that count.

use std::collections::BTreeMap;
use std::io::Read;

use memchr::memmem;

use super::document::whole;
use super::repomd::MetadataFile;
use super::xml::malformed;
use crate::error::Error;

/// Longest list of modules when open, in bytes. That of CentOS 9 has 135 KiB, those of RHEL 8 some
/// 10 MiB.
const MAX_MODULES: u64 = 32 << 20;
/// Most values of such a list: lines, and what commas part in one. Those of RHEL 8 have 150 000.
const MAX_VALUES: usize = 1 << 19;
/// Most lines that speak of needs; a stream has one or two.
const MAX_NEEDS: usize = 1 << 15;
/// How deep keys may nest. Those of modules have seven levels.
const MAX_LEVELS: usize = 32;

/// What a repository says of modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    /// All streams, in the order of the file.
    pub streams: Vec<Stream>,
    /// The default stream of modules that have one.
    pub defaults: BTreeMap<String, String>,
}

/// One version of a stream of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Name of the module.
    pub module: String,
    /// Name of the stream.
    pub stream: String,
    /// A number that grows with each version.
    pub version: u64,
    /// Tells builds of one version apart, for other streams that they need.
    pub context: String,
    /// Streams of other modules that it needs, by alternatives: in each, modules with the names of
    /// the streams that will do, or none for any.
    pub requires: Vec<BTreeMap<String, Vec<String>>>,
    /// Its packages: `name-epoch:version-release.arch`.
    pub artifacts: Vec<String>,
}

impl Modules {
    /// Reads the file that `listed` describes; `origin` is its name for messages.
    ///
    /// # Errors
    ///
    /// If it can't be read, is too long, or is not the one that `repomd.xml` speaks of.
    pub fn read(
        input: Box<dyn Read + '_>,
        origin: &str,
        listed: &MetadataFile,
    ) -> Result<Self, Error> {
        let bytes = whole(input, origin, listed, MAX_MODULES)?;
        check_number(&bytes).map_err(|problem| malformed(origin, 0, problem))?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Reads the text of such a file.
    pub fn parse(text: &str) -> Self {
        let mut modules = Self::default();
        let mut document = Document::default();
        let mut levels: Vec<Level> = Vec::new();
        // Lines that are indented by more than this belong to a text that was passed over.
        let mut text_at: Option<usize> = None;
        for line in text.lines() {
            let content = line.trim_start_matches(' ');
            let indent = line.len() - content.len();
            if indent == 0 && (content.starts_with("---") || content.starts_with("...")) {
                std::mem::take(&mut document).finish(&mut modules);
                levels.clear();
                text_at = None;
                continue;
            }
            if content.trim().is_empty() || text_at.is_some_and(|at| indent > at) {
                continue;
            }
            text_at = None;
            if content.starts_with('#') {
                continue;
            }
            text_at = read_line(content, indent, &mut levels, &mut document);
        }
        document.finish(&mut modules);
        modules
    }
}

/// Refuses a list whose values would take many times its length in memory.
fn check_number(bytes: &[u8]) -> Result<(), &'static str> {
    let parts = bytes.iter().filter(|byte| matches!(byte, b'\n' | b','));
    if parts.count() > MAX_VALUES {
        return Err("it has more than 524288 values");
    }
    if memmem::find_iter(bytes, "requires").count() > MAX_NEEDS {
        return Err("it speaks of needs more than 32768 times");
    }
    Ok(())
}

/// A key or an entry of a list, and how far it is indented.
struct Level {
    indent: usize,
    /// A key; of an entry of a list its number.
    key: String,
    is_entry: bool,
}

/// Reads one line; returns its indentation if what is indented by more is text.
fn read_line(
    content: &str,
    indent: usize,
    levels: &mut Vec<Level>,
    document: &mut Document,
) -> Option<usize> {
    let (mut content, mut indent) = (content, indent);
    while let Some(rest) = content
        .strip_prefix("- ")
        .or((content == "-").then_some(""))
    {
        // A list may be indented as far as its key.
        let mut number = 0;
        while let Some(last) = levels.last() {
            if last.indent < indent || (last.indent == indent && !last.is_entry) {
                break;
            }
            if last.indent == indent {
                number = last.key.parse::<usize>().map_or(0, |number| number + 1);
            }
            levels.pop();
        }
        if levels.len() >= MAX_LEVELS {
            return Some(indent);
        }
        levels.push(Level {
            indent,
            key: number.to_string(),
            is_entry: true,
        });
        let trimmed = rest.trim_start();
        indent += content.len() - trimmed.len();
        content = trimmed;
    }
    if content.is_empty() {
        return None;
    }
    let Some((key, value)) = key_of(content) else {
        // An entry of a list, or the rest of a text.
        document.value(levels, content);
        return Some(indent.saturating_sub(1));
    };
    while levels.last().is_some_and(|last| last.indent >= indent) {
        levels.pop();
    }
    if levels.len() >= MAX_LEVELS {
        return Some(indent);
    }
    levels.push(Level {
        indent,
        key: unquoted(key).to_owned(),
        is_entry: false,
    });
    let value = value.trim();
    if value.is_empty() || value.starts_with('#') {
        return None;
    }
    document.value(levels, value);
    Some(indent)
}

/// Returns key and value of `key: value`.
fn key_of(content: &str) -> Option<(&str, &str)> {
    if let Some(rest) = content.strip_prefix('"') {
        let end = rest.find('"')?;
        let value = rest.get(end + 1..)?.strip_prefix(':')?;
        return Some((rest.get(..end)?, value));
    }
    if content.starts_with(['[', '{', '\'']) {
        return None;
    }
    match content.split_once(": ") {
        Some(found) => Some(found),
        None => content.trim_end().strip_suffix(':').map(|key| (key, "")),
    }
}

fn unquoted(word: &str) -> &str {
    let word = word.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| {
        let inner = word.strip_prefix(quote)?;
        inner.get(..inner.find(quote)?)
    });
    let plain = || word.split_once(" #").map_or(word, |(word, _)| word).trim();
    quoted.unwrap_or_else(plain)
}

/// A document in the making.
#[derive(Default)]
struct Document {
    kind: String,
    stream: Stream,
}

impl Document {
    /// Takes a value for the keys that lead to it.
    fn value(&mut self, levels: &[Level], value: &str) {
        let path: Vec<&str> = levels.iter().map(|level| level.key.as_str()).collect();
        let list = value
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next());
        let one = || unquoted(value).to_owned();
        let stream = &mut self.stream;
        match path.as_slice() {
            ["document"] => self.kind = one(),
            ["data", "name" | "module"] => stream.module = one(),
            ["data", "stream"] => stream.stream = one(),
            ["data", "version"] => stream.version = one().parse().unwrap_or(0),
            ["data", "context"] => stream.context = one(),
            ["data", "artifacts", "rpms"] => {
                let all = list.into_iter().flat_map(|list| list.split(','));
                let all = all.map(unquoted).filter(|one| !one.is_empty());
                stream.artifacts.extend(all.map(str::to_owned));
            }
            ["data", "artifacts", "rpms", _] => stream.artifacts.push(one()),
            [
                "data",
                "dependencies",
                number,
                "requires",
                module,
                rest @ ..,
            ] if rest.len() < 2 => {
                let number = number
                    .parse::<usize>()
                    .unwrap_or(0)
                    .min(stream.requires.len());
                if number == stream.requires.len() {
                    stream.requires.push(BTreeMap::new());
                }
                if let Some(requires) = stream.requires.get_mut(number) {
                    let names = requires.entry((*module).to_owned()).or_default();
                    match list {
                        Some(list) => {
                            let all = list.split(',').map(unquoted);
                            names.extend(all.filter(|one| !one.is_empty()).map(str::to_owned));
                        }
                        None => names.push(one()),
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(self, modules: &mut Modules) {
        let Stream { module, stream, .. } = &self.stream;
        if module.is_empty() || stream.is_empty() {
            return;
        }
        match self.kind.as_str() {
            "modulemd" => modules.streams.push(self.stream),
            "modulemd-defaults" => {
                modules.defaults.insert(module.clone(), stream.clone());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_a_largest_number_of_values() {
        for (text, count, refused) in [
            ("a,", MAX_VALUES, None),
            ("a,", MAX_VALUES + 1, Some("more than 524288 values")),
            ("a\n", MAX_VALUES + 1, Some("more than 524288 values")),
            ("requires:\n", MAX_NEEDS, None),
            (
                "requires:\n",
                MAX_NEEDS + 1,
                Some("speaks of needs more than 32768 times"),
            ),
        ] {
            let found = check_number(text.repeat(count).as_bytes()).err();
            let is_as_expected = match (found, refused) {
                (Some(found), Some(refused)) => found.contains(refused),
                (found, refused) => found.is_none() && refused.is_none(),
            };
            assert!(is_as_expected, "{text:?} {count}: {found:?}");
        }
    }
}
