//! `icon-theme.cache`: the names of a theme's icons, as gtk-update-icon-cache makes it without the
//! images themselves.
//!
//! ```text
//! header    version 1.0, where the table and the list of directories are
//! table     where the chain of each bucket begins
//! icon      the next one, its name, a list of its images: directory, kinds, what is known of it
//! list      the names of the directories
//! ```
//!
//! Numbers have 16 or 32 bits, the most significant byte first. The order of icons is that of GLib's
//! tables of hashes.

use std::collections::BTreeMap;

use crate::glib::hash_table::HashTable;
use crate::glib::key_file;
use crate::{Contents, Made};

/// The name of the cache.
pub const NAME: &str = "icon-theme.cache";
/// Kinds of images, by how their names end.
const KINDS: [(&str, u16); 4] = [(".png", 4), (".svg", 2), (".xpm", 1), (".icon", DATA)];
/// The kind of what is not an image, but says something of one.
const DATA: u16 = 8;
/// Where the table is.
const TABLE: usize = 12;
/// Stands for no place.
const NOWHERE: u32 = u32::MAX;
/// How many buckets there may be.
const PRIMES: [usize; 34] = [
    11, 19, 37, 73, 109, 163, 251, 367, 557, 823, 1237, 1861, 2777, 4177, 6247, 9371, 14057, 21089,
    31627, 47431, 71143, 106_721, 160_073, 240_101, 360_163, 540_217, 810_343, 1_215_497,
    1_823_231, 2_734_867, 4_102_283, 6_153_409, 9_230_113, 13_845_163,
];

/// Says whether a file of this name, below the directory of a theme, is a source.
pub fn is_source(name: &str) -> bool {
    name.contains('/') && KINDS.iter().any(|(end, _)| name.ends_with(end))
}

/// Says whether it matters what is in a source.
pub fn is_read(name: &str) -> bool {
    name.ends_with(".icon")
}

/// Makes the cache of the files of a theme. One that is reached by several names says of each what is
/// known of it; the tool writes that once.
pub fn make(sources: &Contents) -> Made {
    let mut theme = Theme::default();
    theme.scan("", &Level::of(sources));
    let bytes = (!theme.icons.is_empty()).then(|| theme.write()).flatten();
    let files = bytes.map(|bytes| (NAME.to_owned(), bytes));
    Made {
        files: files.into_iter().collect(),
        ignored: Vec::new(),
    }
}

/// A directory, by the names in it.
#[derive(Default)]
struct Level<'a> {
    entries: BTreeMap<&'a str, Found<'a>>,
}

enum Found<'a> {
    File(&'a [u8]),
    Directory(Level<'a>),
}

impl<'a> Level<'a> {
    fn of(sources: &'a Contents) -> Self {
        let mut root = Level::default();
        for (path, bytes) in sources.iter().filter(|(path, _)| is_source(path)) {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            let mut level = Some(&mut root);
            for part in directory.split('/') {
                level = level.and_then(|level| {
                    let entry = level.entries.entry(part);
                    match entry.or_insert_with(|| Found::Directory(Level::default())) {
                        Found::Directory(below) => Some(below),
                        Found::File(_) => None,
                    }
                });
            }
            if let Some(level) = level {
                level.entries.insert(name, Found::File(bytes));
            }
        }
        root
    }
}

/// What is known of a theme.
#[derive(Default)]
struct Theme {
    directories: Vec<String>,
    order: HashTable,
    /// The images of each icon, the last ones first.
    icons: BTreeMap<String, Vec<Image>>,
}

/// An image of an icon in a directory.
#[derive(Clone, Default)]
struct Image {
    directory: u16,
    kinds: u16,
    data: Option<Data>,
}

/// What a `.icon` file says of an image.
#[derive(Clone, Default)]
struct Data {
    rectangle: Option<[u16; 4]>,
    points: Vec<[u16; 2]>,
    /// Languages, each with the name of the icon.
    names: Vec<String>,
}

impl Theme {
    fn scan(&mut self, path: &str, level: &Level<'_>) {
        let mut order = HashTable::default();
        let mut images: BTreeMap<String, Image> = BTreeMap::new();
        let mut own = None;
        for (name, found) in &level.entries {
            let bytes = match found {
                Found::Directory(below) => {
                    let path = match path {
                        "" => (*name).to_owned(),
                        _ => format!("{path}/{name}"),
                    };
                    self.scan(&path, below);
                    continue;
                }
                Found::File(bytes) => bytes,
            };
            let kind = KINDS.iter().find(|(end, _)| name.ends_with(end));
            let Some((stem, (_, kind))) = name.rsplit_once('.').map(|(stem, _)| stem).zip(kind)
            else {
                continue;
            };
            let own = own.get_or_insert_with(|| {
                self.directories.push(path.to_owned());
                self.directories.len() - 1
            });
            order.insert(stem);
            let image = images.entry(stem.to_owned()).or_default();
            // More directories than a number can tell are nowhere.
            image.directory = u16::try_from(*own).unwrap_or(u16::MAX);
            image.kinds |= kind;
            if *kind == DATA {
                image.data = Data::read(bytes);
            }
        }
        for stem in order.keys() {
            let Some(image) = images.remove(stem).filter(|image| image.kinds != DATA) else {
                continue;
            };
            self.order.insert(stem);
            let known = self.icons.entry(stem.to_owned()).or_default();
            known.insert(0, image);
        }
    }

    /// Returns the icons of each bucket.
    fn buckets(&self) -> Vec<Vec<&str>> {
        let wanted = self.icons.len() / 3;
        let count = PRIMES.iter().find(|prime| **prime > wanted);
        let count = count.copied().unwrap_or(13_845_163);
        let mut buckets: Vec<Vec<&str>> = vec![Vec::new(); count];
        for name in self.order.keys() {
            buckets[hash(name) as usize % count].push(name);
        }
        // Each was put before those that were there.
        buckets.iter_mut().for_each(|names| names.reverse());
        buckets
    }

    fn write(&self) -> Option<Vec<u8>> {
        let mut writer = Writer::default();
        let buckets = self.buckets();
        writer.bytes = vec![0; TABLE];
        writer.number(buckets.len())?;
        let mut first = writer.bytes.len();
        writer.bytes.resize(first + 4 * buckets.len(), 0xff);
        for bucket in &buckets {
            if !bucket.is_empty() {
                writer.set(first, writer.bytes.len())?;
            }
            first += 4;
            for (name, left) in bucket.iter().zip((0..bucket.len()).rev()) {
                writer.icon(name, self.icons.get(*name)?, left == 0)?;
            }
        }
        let directories = writer.bytes.len();
        writer.list(&self.directories)?;
        let mut header = vec![0, 1, 0, 0];
        header.extend(u32::try_from(TABLE).ok()?.to_be_bytes());
        header.extend(u32::try_from(directories).ok()?.to_be_bytes());
        writer.bytes.splice(..TABLE, header);
        Some(writer.bytes)
    }
}

/// Writes a cache. Each text is in it once.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    texts: BTreeMap<String, u32>,
}

impl Writer {
    fn number(&mut self, number: usize) -> Option<()> {
        self.bytes.extend(u32::try_from(number).ok()?.to_be_bytes());
        Some(())
    }

    fn short(&mut self, number: u16) {
        self.bytes.extend(number.to_be_bytes());
    }

    /// Writes a number where there was room for it.
    fn set(&mut self, at: usize, number: usize) -> Option<()> {
        let bytes = u32::try_from(number).ok()?.to_be_bytes();
        self.bytes.get_mut(at..at + 4)?.copy_from_slice(&bytes);
        Some(())
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
        self.bytes
            .resize((self.bytes.len() + 1).next_multiple_of(4), 0);
    }

    /// Writes an icon with what is known of its images.
    fn icon(&mut self, name: &str, images: &[Image], is_last: bool) -> Option<()> {
        let start = self.bytes.len();
        self.bytes.extend(NOWHERE.to_be_bytes());
        let known = self.texts.get(name).copied();
        let place = known.or(u32::try_from(start + 12).ok())?;
        self.bytes.extend(place.to_be_bytes());
        self.number(0)?;
        if known.is_none() {
            self.texts.insert(name.to_owned(), place);
            self.text(name);
        }
        self.set(start + 8, self.bytes.len())?;
        self.number(images.len())?;
        let list = self.bytes.len();
        for image in images {
            self.short(image.directory);
            self.short(image.kinds);
            self.number(0)?;
        }
        for (image, index) in images.iter().zip(0..) {
            if let Some(data) = &image.data {
                self.set(list + 8 * index + 4, self.bytes.len())?;
                self.data(data)?;
            }
        }
        match is_last {
            true => Some(()),
            false => self.set(start, self.bytes.len()),
        }
    }

    fn data(&mut self, data: &Data) -> Option<()> {
        // No pixels.
        self.number(0)?;
        if data.rectangle.is_none() && data.points.is_empty() && data.names.is_empty() {
            return self.number(0);
        }
        self.number(self.bytes.len() + 4)?;
        let places = self.bytes.len();
        for _ in 0..3 {
            self.number(0)?;
        }
        if let Some(rectangle) = data.rectangle {
            self.set(places, self.bytes.len())?;
            rectangle.into_iter().for_each(|number| self.short(number));
        }
        if !data.points.is_empty() {
            self.set(places + 4, self.bytes.len())?;
            self.number(data.points.len())?;
            let numbers = data.points.iter().flatten();
            numbers.for_each(|number| self.short(*number));
        }
        if !data.names.is_empty() {
            self.set(places + 8, self.bytes.len())?;
            self.number(data.names.len() / 2)?;
            self.places_of(&data.names)?;
        }
        Some(())
    }

    /// Writes how many texts there are, where each is, and those that are not there yet.
    fn list(&mut self, texts: &[String]) -> Option<()> {
        self.number(texts.len())?;
        self.places_of(texts)
    }

    fn places_of(&mut self, texts: &[String]) -> Option<()> {
        let mut next = self.bytes.len() + 4 * texts.len();
        let mut new = Vec::new();
        for text in texts {
            let place = match self.texts.get(text) {
                Some(place) => *place,
                None => {
                    let place = u32::try_from(next).ok()?;
                    next += (text.len() + 1).next_multiple_of(4);
                    self.texts.insert(text.clone(), place);
                    new.push(text);
                    place
                }
            };
            self.bytes.extend(place.to_be_bytes());
        }
        new.into_iter().for_each(|text| self.text(text));
        Some(())
    }
}

impl Data {
    fn read(bytes: &[u8]) -> Option<Self> {
        let groups = key_file::read(bytes).ok()?;
        let pairs = groups.into_iter().find(|(name, _)| name == "Icon Data");
        let pairs = pairs.map(|(_, pairs)| pairs).unwrap_or_default();
        let get = |key: &str| {
            let found = pairs.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.trim_end())
        };
        // Only 16 bits of a number are kept.
        let number = |text: &str| text.trim().parse::<i32>().ok().map(|number| number as u16);
        let rectangle = get("EmbeddedTextRectangle").and_then(|value| {
            let value = value.strip_suffix(',').unwrap_or(value);
            let numbers: Option<Vec<u16>> = value.split(',').map(number).collect();
            numbers?.try_into().ok()
        });
        let points = get("AttachPoints").map(|value| {
            let point = |point: &str| {
                let (x, y) = point.split_once(',')?;
                Some([number(x).unwrap_or(0), number(y).unwrap_or(0)])
            };
            let points = value.split('|').map(point);
            points.map(Option::unwrap_or_default).collect()
        });
        let names = pairs.iter().filter_map(|(key, value)| {
            let rest = key.strip_prefix("DisplayName")?;
            let language = rest
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            Some([language.unwrap_or("C").to_owned(), value.clone()])
        });
        Some(Self {
            rectangle,
            points: points.unwrap_or_default(),
            names: names.flatten().collect(),
        })
    }
}

/// Returns the hash of the name of an icon, whose bytes have a sign.
fn hash(name: &str) -> u32 {
    let signed = name
        .bytes()
        .map(|byte| i32::from(byte.cast_signed()).cast_unsigned());
    let with = |hash: u32, byte: u32| (hash << 5).wrapping_sub(hash).wrapping_add(byte);
    signed.reduce(with).unwrap_or(0)
}
