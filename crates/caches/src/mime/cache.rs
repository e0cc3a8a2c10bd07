//! Writes `mime.cache`.
//!
//! ```text
//! header      version 1.2, where each of the other parts is
//! texts       each once, with its NUL, padded to four bytes
//! aliases     name, type                      parents     type, where the list of its parents is
//! names       pattern, type, flags            ends        a tree of characters from the last one on
//! patterns    pattern, type, flags            magic       priority, type, its matches
//! name spaces URI, local name, type           icons       type, name
//! types       a zero for each
//! ```
//!
//! Numbers have 32 bits, the most significant byte first. A text is the place where it is. Texts are in
//! the order of GLib's table of them, and everything else is sorted.

use super::database::{Database, Table};
use super::globs::{Glob, Kind, Node, Suffixes, kind};
use super::magic::Match;
use super::texts::line;

/// Length of the header in bytes.
const HEADER: usize = 44;

/// Returns the cache, if its places can be told in 32 bits.
pub(super) fn write(database: &Database) -> Option<Vec<u8>> {
    let mut writer = Writer {
        bytes: vec![0; HEADER],
        texts: texts(database),
    };
    writer.place_texts()?;
    let parts: [fn(&mut Writer, &Database) -> Option<()>; 10] = [
        aliases,
        parents,
        |writer, database| globs(writer, database, Kind::Literal),
        suffixes,
        |writer, database| globs(writer, database, Kind::Full),
        magic,
        namespaces,
        |writer, database| icons(writer, &database.icons),
        |writer, database| icons(writer, &database.generic_icons),
        types,
    ];
    let mut header = vec![0, 1, 0, 2];
    for part in parts {
        header.extend(u32::try_from(writer.bytes.len()).ok()?.to_be_bytes());
        part(&mut writer, database)?;
    }
    writer.bytes.splice(..HEADER, header);
    Some(writer.bytes)
}

/// Collects the texts, in the order in which the tool does.
fn texts(database: &Database) -> Table<u32> {
    let mut texts = Table::default();
    let mut add = |text: &str| texts.insert(text, 0);
    for (alias, of) in database.aliases.in_order() {
        add(alias);
        add(of);
    }
    for (of, parents) in database.parents.in_order() {
        add(of);
        parents.iter().for_each(|parent| add(parent));
    }
    for (pattern, list) in database.globs.in_order() {
        if kind(pattern) != Kind::Suffix {
            add(pattern);
        }
        list.iter().for_each(|glob| add(&glob.of));
    }
    database.magic.iter().for_each(|magic| add(&magic.of));
    for (key, of) in database.namespaces.in_order() {
        add(of);
        let (space, local) = key.split_once(' ').unwrap_or((key, ""));
        add(space);
        add(local);
    }
    for table in [&database.generic_icons, &database.icons] {
        for (of, icon) in table.in_order() {
            add(of);
            add(icon);
        }
    }
    texts
}

struct Writer {
    bytes: Vec<u8>,
    /// The place of each text.
    texts: Table<u32>,
}

impl Writer {
    fn place_texts(&mut self) -> Option<()> {
        let texts: Vec<String> = self
            .texts
            .in_order()
            .map(|(text, _)| text.to_owned())
            .collect();
        for text in texts {
            self.texts
                .insert(&text, u32::try_from(self.bytes.len()).ok()?);
            self.bytes.extend(text.as_bytes());
            self.bytes.push(0);
            self.pad();
        }
        Some(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn number(&mut self, number: usize) -> Option<()> {
        self.word(u32::try_from(number).ok()?);
        Some(())
    }

    fn word(&mut self, number: u32) {
        self.bytes.extend(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) -> Option<()> {
        let place = *self.texts.get(text)?;
        self.word(place);
        Some(())
    }
}

fn aliases(writer: &mut Writer, database: &Database) -> Option<()> {
    writer.number(database.aliases.sorted().len())?;
    for (alias, of) in database.aliases.sorted() {
        writer.text(alias)?;
        writer.text(of)?;
    }
    Some(())
}

fn parents(writer: &mut Writer, database: &Database) -> Option<()> {
    let all = || database.parents.sorted();
    writer.number(all().len())?;
    let mut place = writer.bytes.len() + 8 * all().len();
    for (of, parents) in all() {
        writer.text(of)?;
        writer.number(place)?;
        place += 4 + 4 * parents.len();
    }
    for (_, parents) in all() {
        writer.number(parents.len())?;
        for parent in parents {
            writer.text(parent)?;
        }
    }
    Some(())
}

fn globs(writer: &mut Writer, database: &Database, wanted: Kind) -> Option<()> {
    let all = database.globs.sorted();
    let all = all.filter(|(pattern, _)| kind(pattern) == wanted);
    let all: Vec<_> = all
        .flat_map(|(pattern, list)| list.iter().map(move |glob| (pattern, glob)))
        .collect();
    writer.number(all.len())?;
    for (pattern, glob) in all {
        writer.text(pattern)?;
        writer.text(&glob.of)?;
        writer.word(Glob::flags(glob));
    }
    Some(())
}

fn suffixes(writer: &mut Writer, database: &Database) -> Option<()> {
    let all = database.globs.sorted();
    let suffixes = Suffixes::of(all.map(|(pattern, list)| (pattern, list.as_slice())));
    let roots = suffixes.roots();
    writer.number(roots)?;
    writer.number(writer.bytes.len() + 4)?;
    let mut below = writer.bytes.len() + 12 * roots;
    let mut written = Some(());
    suffixes.nodes(&mut |node| match node {
        Node::Inner(character, count) => {
            writer.word(u32::from(character));
            let numbers = writer.number(count).and_then(|()| writer.number(below));
            written = written.and(numbers);
            below += 12 * count;
        }
        Node::Leaf(of, flags) => {
            writer.word(0);
            written = written.and(writer.text(of));
            writer.word(flags);
        }
    });
    written
}

fn magic(writer: &mut Writer, database: &Database) -> Option<()> {
    let mut matches = Vec::new();
    let mut firsts = Vec::new();
    for magic in &database.magic {
        firsts.push(matches.len());
        collect(&magic.matches, &mut matches);
    }
    let end = |one: &&Match| {
        let length = i64::try_from(one.value.len()).unwrap_or(i64::MAX);
        // As the tool adds them up, in what it has.
        length
            .wrapping_add(one.start)
            .wrapping_add(one.places.into())
    };
    let ends = matches.iter().map(|(one, _)| end(one));
    // What is negative is not the largest.
    let extent = ends.fold(0_u32, |most, end| i64::from(most).max(end) as u32);
    writer.number(database.magic.len())?;
    writer.word(extent);
    writer.number(writer.bytes.len() + 4)?;
    let start = writer.bytes.len() + 16 * database.magic.len();
    for (magic, first) in database.magic.iter().zip(firsts) {
        writer.word(magic.priority.cast_unsigned());
        writer.text(&magic.of)?;
        writer.number(magic.matches.len())?;
        writer.number(start + 32 * first)?;
    }
    let mut place = start + 32 * matches.len();
    for (one, below) in &matches {
        // Only 32 bits of it are kept.
        writer.word(one.start as u32);
        writer.word(one.places.cast_unsigned());
        writer.word(one.word.into());
        writer.number(one.value.len())?;
        writer.number(place)?;
        place += one.value.len().next_multiple_of(4);
        match &one.mask {
            Some(mask) => {
                writer.number(place)?;
                place += mask.len().next_multiple_of(4);
            }
            None => writer.word(0),
        }
        writer.number(one.below.len())?;
        writer.number(below.map_or(0, |first| start + 32 * first))?;
    }
    for (one, _) in matches {
        for data in std::iter::once(&one.value).chain(&one.mask) {
            writer.bytes.extend(data);
            writer.pad();
        }
    }
    Some(())
}

/// Lists matches, and then what is below each, with the place in the list of the first one below it.
fn collect<'a>(all: &'a [Match], matches: &mut Vec<(&'a Match, Option<usize>)>) {
    let first = matches.len();
    matches.extend(all.iter().map(|one| (one, None)));
    for (one, index) in all.iter().zip(first..) {
        if !one.below.is_empty() {
            matches[index].1 = Some(matches.len());
            collect(&one.below, matches);
        }
    }
}

fn namespaces(writer: &mut Writer, database: &Database) -> Option<()> {
    writer.number(database.namespaces.sorted().len())?;
    for (key, of) in database.namespaces.sorted() {
        let (space, local) = key.split_once(' ').unwrap_or((key, ""));
        writer.text(space)?;
        writer.text(local)?;
        writer.text(of)?;
    }
    Some(())
}

fn icons(writer: &mut Writer, table: &Table<String>) -> Option<()> {
    writer.number(table.sorted().len())?;
    for (of, icon) in table.sorted() {
        writer.text(of)?;
        writer.text(icon)?;
    }
    Some(())
}

/// The tool looks for lines where it has texts, and finds none of nearly all.
fn types(writer: &mut Writer, database: &Database) -> Option<()> {
    let mut lines: Vec<_> = database
        .types
        .sorted()
        .map(|(name, _)| line(name))
        .collect();
    lines.sort_unstable();
    writer.number(lines.len())?;
    for line in lines {
        let place = writer.texts.get(&line).copied();
        writer.word(place.unwrap_or(0));
    }
    Some(())
}
