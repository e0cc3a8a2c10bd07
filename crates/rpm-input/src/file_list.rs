//! The files of a package, from the parallel arrays of its header.
//!
//! Every array has one value for each file; one of another length is an error. A path is taken
//! only if it means one place: absolute, no `.`, `..` or empty part. It may be any bytes, as for RPM.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use files::{PathBytes, brief, shown};

use crate::capabilities::vfs_cap_data;
use crate::error::Error;
use crate::file::{DigestAlgorithm, File, FileDigest, FileFlags, FileKind};
use crate::header::Strings;
use crate::packed::{Builder, Files};
use crate::path::FilePath;
use crate::tags::{Longs, Shorts, Tag, Tags, Words};

/// Longest path that Linux takes, without its NUL.
const MAX_PATH: usize = 4095;
/// Longest part of a path that Linux takes.
const MAX_PART: usize = 255;
/// Most files that are read from one package. The largest packages known have about 100 000.
const MAX_FILES: usize = 1 << 19;
/// Longest sum of all paths of a package. A header can name a long directory for each of many
/// files at the price of four bytes; the paths are made of what it names.
const MAX_ALL_PATHS: usize = 64 << 20;
/// The type bits of a mode.
const TYPE_MASK: u16 = 0o170_000;

/// Reads the file list.
pub(crate) fn read(header: &Tags<'_>) -> Result<Files, Error> {
    let paths = paths(header)?;
    let table = Table {
        header,
        count: paths.len(),
    };
    let Some(first) = paths.first() else {
        return Ok(Files::default());
    };
    let mut columns = Columns::read(&table)?;
    let mut files = Builder::new(first.names(), paths.len());
    for (position, path) in paths.into_iter().enumerate() {
        let file = columns.file(position, path);
        let file = file.map_err(|(path, reason)| file_error(header.origin, path, reason))?;
        files.push(file).ok_or_else(|| Error::TooLarge {
            origin: header.origin.to_owned(),
            reason: "its list of files does not fit into memory".to_owned(),
        })?;
    }
    let mut files = files.finish();
    let inodes = table.column(Tag::FILEINODES, Tags::numbers, |column| column.len())?;
    let devices = table.column(Tag::FILEDEVICES, Tags::numbers, |column| column.len())?;
    if let Some(inodes) = inodes {
        number_hard_links(&mut files, inodes, devices);
    }
    Ok(files)
}

/// The arrays of a header with one value for each file, read where they stand.
struct Columns<'a> {
    modes: Shorts<'a>,
    sizes: Sizes<'a>,
    mtimes: Words<'a>,
    flags: Words<'a>,
    owners: Names<'a>,
    groups: Names<'a>,
    devices: Option<Shorts<'a>>,
    digests: Option<Strings<'a>>,
    languages: Option<Names<'a>>,
    colors: Option<Words<'a>>,
    capabilities: Option<Strings<'a>>,
    targets: Option<Strings<'a>>,
    algorithm: DigestAlgorithm,
}

/// Sizes of files, of 64 bits where one needs them.
enum Sizes<'a> {
    Long(Longs<'a>),
    Short(Words<'a>),
}

/// Names of which there are few different ones: each is in memory once.
struct Names<'a> {
    column: Strings<'a>,
    known: BTreeMap<&'a [u8], Arc<str>>,
}

impl<'a> Names<'a> {
    fn new(column: Strings<'a>) -> Self {
        let known = BTreeMap::new();
        Self { column, known }
    }

    /// Returns the name of the next file.
    fn next(&mut self) -> Arc<str> {
        let name = self.column.next().unwrap_or_default();
        let known = self.known.entry(name);
        Arc::clone(known.or_insert_with(|| String::from_utf8_lossy(name).into()))
    }
}

impl<'a> Columns<'a> {
    fn read(table: &Table<'a>) -> Result<Self, Error> {
        let shorts = |tag| table.column(tag, Tags::short_numbers, |column| column.len());
        let words = |tag| table.column(tag, Tags::numbers, |column| column.len());
        let longs = |tag| table.column(tag, Tags::long_numbers, |column| column.len());
        let strings = |tag| table.column(tag, Tags::strings, ExactSizeIterator::len);
        Ok(Self {
            modes: table.required(Tag::FILEMODES, shorts(Tag::FILEMODES)?)?,
            sizes: match longs(Tag::LONGFILESIZES)? {
                Some(sizes) => Sizes::Long(sizes),
                None => Sizes::Short(table.required(Tag::FILESIZES, words(Tag::FILESIZES)?)?),
            },
            mtimes: table.required(Tag::FILEMTIMES, words(Tag::FILEMTIMES)?)?,
            flags: table.required(Tag::FILEFLAGS, words(Tag::FILEFLAGS)?)?,
            owners: Names::new(table.required(Tag::FILEUSERNAME, strings(Tag::FILEUSERNAME)?)?),
            groups: Names::new(table.required(Tag::FILEGROUPNAME, strings(Tag::FILEGROUPNAME)?)?),
            devices: shorts(Tag::FILERDEVS)?,
            digests: strings(Tag::FILEDIGESTS)?,
            languages: strings(Tag::FILELANGS)?.map(Names::new),
            colors: words(Tag::FILECOLORS)?,
            capabilities: strings(Tag::FILECAPS)?,
            targets: strings(Tag::FILELINKTOS)?,
            algorithm: digest_algorithm(table.header)?,
        })
    }

    /// Returns the next file, which is at this position. An error names it again.
    fn file(&mut self, position: usize, path: FilePath) -> Result<File, (FilePath, String)> {
        let algorithm = self.algorithm;
        let has_digests = self.digests.is_some();
        let mode = self.modes.get(position).unwrap_or_default();
        let device = self.devices.and_then(|devices| devices.get(position));
        let device = u32::from(device.unwrap_or_default());
        let target = next(&mut self.targets);
        let (digest, capabilities) = (next(&mut self.digests), next(&mut self.capabilities));
        let language = self.languages.as_mut().map(Names::next);
        let kind = match mode & TYPE_MASK {
            0o010_000 => Ok(FileKind::Fifo),
            0o020_000 => Ok(FileKind::Character(device)),
            0o040_000 => Ok(FileKind::Directory),
            0o060_000 => Ok(FileKind::Block(device)),
            0o100_000 => Ok(FileKind::Regular),
            0o120_000 => check_target(target).map(FileKind::Symlink),
            0o140_000 => Ok(FileKind::Socket),
            _ => Err(format!("mode {mode:#o} has no known file type")),
        };
        let kind = match kind {
            Ok(kind) => kind,
            Err(reason) => return Err((path, reason)),
        };
        let flags = FileFlags(self.flags.get(position).unwrap_or_default());
        let size = match &self.sizes {
            Sizes::Long(sizes) => sizes.get(position).unwrap_or_default(),
            Sizes::Short(sizes) => sizes.get(position).unwrap_or_default().into(),
        };
        let is_regular = kind == FileKind::Regular;
        let digest = match digest {
            _ if !is_regular => None,
            b"" if has_digests && size > 0 && !flags.is_ghost() => {
                return Err((path, "has no digest".to_owned()));
            }
            b"" => None,
            hex => match FileDigest::new(algorithm, &String::from_utf8_lossy(hex)) {
                Some(digest) => Some(digest),
                None => {
                    let hex = String::from_utf8_lossy(hex);
                    return Err((path, format!("{hex:?} is not a valid {algorithm} digest")));
                }
            },
        };
        let capabilities = match String::from_utf8_lossy(capabilities) {
            text if text.is_empty() => None,
            text if is_regular => match vfs_cap_data(&text) {
                Ok(bytes) => Some(bytes.into()),
                Err(reason) => return Err((path, reason)),
            },
            text => return Err((path, format!("only files have capabilities: {text}"))),
        };
        Ok(File {
            kind,
            mode: mode & !TYPE_MASK,
            owner: self.owners.next(),
            group: self.groups.next(),
            size,
            mtime: self.mtimes.get(position).unwrap_or_default(),
            digest,
            capabilities,
            flags,
            language: language.filter(|language| !language.is_empty()),
            color: self
                .colors
                .and_then(|colors| colors.get(position))
                .unwrap_or_default(),
            hard_link: None,
            path,
        })
    }
}

/// Returns the next string of a column, or an empty string if the column is missing.
fn next<'a>(column: &mut Option<Strings<'a>>) -> &'a [u8] {
    let string = column.as_mut().and_then(Iterator::next);
    string.unwrap_or_default()
}

/// State of a file that was left out at installation, as documentation under `--excludedocs`.
const STATE_NOT_INSTALLED: u8 = 2;
/// State of a file that was left out for one of a better ELF class.
const STATE_WRONG_COLOR: u8 = 4;

/// Drops the files that an installed package does not have on disk, by its FILESTATES
/// (`rpmfileState` of librpm). Replaced files and those on a shared network path stay: something
/// is there.
pub(crate) fn retain_installed(header: &Tags<'_>, files: &mut Files) -> Result<(), Error> {
    let tag = Tag::FILESTATES;
    let Ok(Some(states)) = header.octets(tag) else {
        return Ok(());
    };
    Table {
        header,
        count: files.len(),
    }
    .check_length(tag, states.len())?;
    files.retain(|index| {
        let state = states.get(index);
        !matches!(state, Some(&(STATE_NOT_INSTALLED | STATE_WRONG_COLOR)))
    });
    renumber_hard_links(files);
    Ok(())
}

/// Gives each set of hard links the lowest index of those that are left, and none to a file that
/// is left alone.
fn renumber_hard_links(files: &mut Files) {
    let mut sets: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (position, file) in files.iter().enumerate() {
        if let Some(number) = file.hard_link {
            sets.entry(number).or_default().push(position);
        }
    }
    for members in sets.into_values() {
        let lowest = members.first().and_then(|first| u32::try_from(*first).ok());
        let number = lowest.filter(|_| members.len() > 1);
        for member in members {
            files.set_hard_link(member, number);
        }
    }
}

/// Returns the error that a file of the package can't be used. Its path may be what is wrong with it.
fn file_error(origin: &str, path: impl fmt::Display, reason: String) -> Error {
    Error::File {
        origin: origin.to_owned(),
        path: brief(path.to_string().as_bytes()).to_string(),
        reason,
    }
}

/// The arrays that have one value for each file.
struct Table<'a> {
    header: &'a Tags<'a>,
    count: usize,
}

impl<'a> Table<'a> {
    /// Returns an array, if the header has it.
    fn column<T>(
        &self,
        tag: Tag,
        read: impl Fn(&'a Tags<'a>, Tag) -> Result<Option<T>, Error>,
        length: impl Fn(&T) -> usize,
    ) -> Result<Option<T>, Error> {
        let column = read(self.header, tag)?;
        if let Some(column) = &column {
            self.check_length(tag, length(column))?;
        }
        Ok(column)
    }

    /// Returns an array that every package with files has.
    fn required<T>(&self, tag: Tag, column: Option<T>) -> Result<T, Error> {
        let missing = || self.header.wrong(tag, "is missing, though there are files");
        column.ok_or_else(missing)
    }

    fn check_length(&self, tag: Tag, length: usize) -> Result<(), Error> {
        if length != self.count {
            let reason = format!("has {length} values instead of {}", self.count);
            return Err(self.header.wrong(tag, reason));
        }
        Ok(())
    }
}

/// Returns the algorithm of the file digests; MD5 where none is named.
fn digest_algorithm(header: &Tags<'_>) -> Result<DigestAlgorithm, Error> {
    let tag = Tag::FILEDIGESTALGO;
    let number = header.number(tag)?.unwrap_or(1);
    DigestAlgorithm::from_number(number)
        .ok_or_else(|| header.wrong(tag, format!("algorithm {number} is not supported")))
}

/// Returns the paths of all files, each checked, none twice.
fn paths(header: &Tags<'_>) -> Result<Vec<FilePath>, Error> {
    let paths = unchecked_paths(header)?;
    for path in &paths {
        let bytes = path.to_bytes();
        check_path(&bytes).map_err(|reason| file_error(header.origin, path, reason))?;
    }
    let mut sorted: Vec<&FilePath> = paths.iter().collect();
    // Most are sorted already, which costs nothing to find out.
    sorted.sort();
    match sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        Some([path, _]) => {
            let reason = "is in the file list twice".to_owned();
            Err(file_error(header.origin, path, reason))
        }
        _ => Ok(paths),
    }
}

/// Joins directories and base names; very old packages have whole paths instead. What all paths
/// take is known before memory is taken for them.
fn unchecked_paths(header: &Tags<'_>) -> Result<Vec<FilePath>, Error> {
    let no_directory = std::iter::once(&b""[..]);
    let Some(names) = header.strings(Tag::BASENAMES)? else {
        let Some(old) = header.strings(Tag::OLDFILENAMES)? else {
            return Ok(Vec::new());
        };
        check_count(header, old.len())?;
        let paths = FilePath::all(no_directory, old.map(|path| (0, path)));
        return Ok(paths.unwrap_or_default());
    };
    check_count(header, names.len())?;
    let directories: Vec<&[u8]> = (header.strings(Tag::DIRNAMES)?.into_iter())
        .flatten()
        .collect();
    let tag = Tag::DIRINDEXES;
    let indexes = header.numbers(tag)?;
    Table {
        header,
        count: names.len(),
    }
    .check_length(tag, indexes.map_or(0, |indexes| indexes.len()))?;
    let index = |position| indexes.and_then(|indexes| indexes.get(position));
    let mut total = 0_usize;
    for (position, name) in names.clone().enumerate() {
        let index = index(position).unwrap_or_default();
        let directory = usize::try_from(index)
            .ok()
            .and_then(|index| directories.get(index));
        let directory = directory.ok_or_else(|| {
            header.wrong(
                tag,
                format!("names directory {index}, which does not exist"),
            )
        })?;
        // One long directory name could stand for every file: look before joining.
        if directory.len() + name.len() > MAX_PATH {
            let reason = format!("the path is longer than {MAX_PATH} bytes");
            return Err(file_error(header.origin, shown(directory), reason));
        }
        if !directory.ends_with(b"/") {
            let reason = "the directory does not end in a slash".to_owned();
            return Err(file_error(header.origin, shown(directory), reason));
        }
        total = total.saturating_add(directory.len() + name.len());
    }
    if total > MAX_ALL_PATHS {
        return Err(Error::TooLarge {
            origin: header.origin.to_owned(),
            reason: format!(
                "the paths of its {} files have {} MiB, {} MiB are allowed",
                names.len(),
                total >> 20,
                MAX_ALL_PATHS >> 20
            ),
        });
    }
    let parts = names
        .enumerate()
        .map(|(position, name)| (index(position).unwrap_or_default(), name));
    Ok(FilePath::all(directories.iter().copied(), parts).unwrap_or_default())
}

fn check_count(header: &Tags<'_>, count: usize) -> Result<(), Error> {
    if count > MAX_FILES {
        return Err(Error::TooLarge {
            origin: header.origin.to_owned(),
            reason: format!("it has {count} files, {MAX_FILES} are allowed"),
        });
    }
    Ok(())
}

/// Says what is wrong with a path that doesn't mean one place. What it is made of is RPM's affair.
fn check_path(path: &[u8]) -> Result<(), String> {
    if path.len() > MAX_PATH {
        return Err(format!("the path is longer than {MAX_PATH} bytes"));
    }
    let Some(relative) = path.strip_prefix(b"/") else {
        return Err("the path is not absolute".to_owned());
    };
    if relative.is_empty() {
        return Ok(());
    }
    for part in relative.split(|byte| *byte == b'/') {
        match part {
            b"" => return Err("the path has an empty part".to_owned()),
            b"." | b".." => return Err(format!("the path has a part {:?}", shown(part))),
            _ if part.len() > MAX_PART => {
                return Err(format!("the path has a part longer than {MAX_PART} bytes"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the target of a symbolic link if one can be made of it.
fn check_target(target: &[u8]) -> Result<PathBytes, String> {
    if target.is_empty() {
        return Err("the link has no target".to_owned());
    }
    if target.len() > MAX_PATH {
        return Err(format!("the link's target is longer than {MAX_PATH} bytes"));
    }
    Ok(PathBytes::from(target))
}

/// Gives files that are names of one inode the same number.
///
/// RPM goes by inode (and device) numbers of the build alone, of regular files that are no
/// ghosts, and takes 0 for none. Some tools give every file the same number, so size and digest
/// must be the same too; they are those of the inode. Its attributes are what the header says of
/// its last name.
fn number_hard_links(files: &mut Files, inodes: Words<'_>, devices: Option<Words<'_>>) {
    let inode = |position: u32| inodes.get(position as usize).unwrap_or_default();
    let device = |position: u32| devices.and_then(|devices| devices.get(position as usize));
    let mut linked: Vec<u32> = (0_u32..)
        .zip(files.iter())
        .filter(|(position, file)| {
            file.kind == FileKind::Regular && !file.flags.is_ghost() && inode(*position) != 0
        })
        .map(|(position, _)| position)
        .collect();
    let key = |position: u32| {
        (
            device(position).unwrap_or_default(),
            inode(position),
            files.identity(position as usize),
        )
    };
    linked.sort_by(|one, two| key(*one).cmp(&key(*two)));
    let sets: Vec<Vec<u32>> = linked
        .chunk_by(|one, two| key(*one) == key(*two))
        .filter(|members| members.len() > 1)
        .map(<[u32]>::to_vec)
        .collect();
    for members in sets {
        for member in &members {
            files.set_hard_link(*member as usize, members.first().copied());
        }
    }
}
