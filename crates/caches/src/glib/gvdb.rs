//! A database of GVDB: tables of hashes within each other, which are mapped into memory and read there.
//!
//! ```text
//! header    "GVariant", version, options, where the root table is
//! table     how many buckets, which item is the first of each, items
//! item      hash, parent, where its name is, what it is: a value, a table, or a list of its children
//! ```
//!
//! Numbers have 32 bits, the least significant byte first; a place is two offsets.

use std::collections::{BTreeMap, BTreeSet};

use super::hash_table::{HashTable, djb};
use super::types::Type;
use super::value::Value;

/// The length of the header.
const HEADER: usize = 24;
/// The length of an item.
const ITEM: usize = 24;
/// Stands for no parent.
const NO_PARENT: u32 = u32::MAX;

/// What an item of a table is.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A value and its type.
    Value(Type, Value),
    /// A table within.
    Table(Table),
}

/// A table: items by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    order: HashTable,
    items: BTreeMap<String, Item>,
    /// Names of items that are children of the nameless one.
    children: BTreeSet<String>,
}

impl Table {
    /// Returns a table that has nothing but the nameless item, whose children the others may be.
    pub(crate) fn new() -> Self {
        let mut table = Self::default();
        table.order.insert("");
        table
    }

    /// Adds an item that is a child of the nameless one.
    pub(crate) fn insert_child(&mut self, name: &str, item: Item) {
        self.children.insert(name.to_owned());
        self.insert(name, item);
    }

    /// Adds an item.
    pub(crate) fn insert(&mut self, name: &str, item: Item) {
        self.order.insert(name);
        self.items.insert(name.to_owned(), item);
    }

    /// Returns the names in the order of the file.
    fn placed(&self) -> Vec<Vec<&str>> {
        let count = self.order.keys().count();
        let mut buckets: Vec<Vec<&str>> = vec![Vec::new(); count];
        for key in self.order.keys() {
            let bucket = djb(key) as usize % count;
            buckets[bucket].push(key);
        }
        // Each was put before those that were there.
        buckets.iter_mut().for_each(|names| names.reverse());
        buckets
    }
}

/// Writes a database; none if it would be longer than its offsets can say.
pub(crate) fn write(root: &Table) -> Option<Vec<u8>> {
    let mut out = vec![0; HEADER];
    let place = write_table(&mut out, root)?;
    let mut header = b"GVariant".to_vec();
    header.extend([0; 8]);
    header.extend(place);
    out.splice(..HEADER, header);
    Some(out)
}

fn write_table(out: &mut Vec<u8>, table: &Table) -> Option<[u8; 8]> {
    let buckets = table.placed();
    let names: Vec<&str> = buckets.iter().flatten().copied().collect();
    let index_of: BTreeMap<&str, u32> = (names.iter().zip(0..))
        .map(|(name, index)| (*name, index))
        .collect();
    align(out, 4);
    let start = out.len();
    // No filter: a shift of 5, and no words.
    out.extend((5_u32 << 27).to_le_bytes());
    out.extend(number(buckets.len())?.to_le_bytes());
    let mut first = 0;
    for bucket in &buckets {
        out.extend(number(first)?.to_le_bytes());
        first += bucket.len();
    }
    let mut item = out.len();
    out.resize(item + names.len() * ITEM, 0);
    let place = place(start, out.len())?;
    for name in names {
        let is_child = table.children.contains(name);
        let parent = index_of.get("").filter(|_| is_child).copied();
        let key = out.len();
        out.extend(name.as_bytes());
        let (kind, value) = match table.items.get(name) {
            Some(Item::Value(of, value)) => {
                align(out, 8);
                let start = out.len();
                out.extend(Value::in_variant(of, value));
                (b'v', self::place(start, out.len())?)
            }
            Some(Item::Table(table)) => (b'H', write_table(out, table)?),
            None if table.children.is_empty() => (0, [0; 8]),
            None => {
                align(out, 4);
                let start = out.len();
                for child in &table.children {
                    out.extend(index_of.get(child.as_str())?.to_le_bytes());
                }
                (b'L', self::place(start, out.len())?)
            }
        };
        let mut bytes = djb(name).to_le_bytes().to_vec();
        bytes.extend(parent.unwrap_or(NO_PARENT).to_le_bytes());
        bytes.extend(number(key)?.to_le_bytes());
        bytes.extend(u16::try_from(name.len()).ok()?.to_le_bytes());
        bytes.extend([kind, 0]);
        bytes.extend(value);
        out.splice(item..item + ITEM, bytes);
        item += ITEM;
    }
    Some(place)
}

fn align(out: &mut Vec<u8>, alignment: usize) {
    out.resize(out.len().next_multiple_of(alignment), 0);
}

fn number(number: usize) -> Option<u32> {
    u32::try_from(number).ok()
}

fn place(start: usize, end: usize) -> Option<[u8; 8]> {
    let mut place = [0; 8];
    place[..4].copy_from_slice(&number(start)?.to_le_bytes());
    place[4..].copy_from_slice(&number(end)?.to_le_bytes());
    Some(place)
}
