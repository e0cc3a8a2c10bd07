//! The files of a package, from the parallel arrays of its header.
//!
//! Every array has one value for each file; one of another length is an error. A path is taken
//! only if it can be stored as it is: absolute, UTF-8, no `.`, `..` or empty part.

use std::collections::BTreeMap;

use rpm::IndexTag;

use crate::capabilities::vfs_cap_data;
use crate::digest::is_digest;
use crate::error::Error;
use crate::file::{DigestAlgorithm, File, FileDigest, FileFlags, FileKind};
use crate::header::Prefix;
use crate::tags::Tags;

/// Longest path that Linux takes, without its NUL.
const MAX_PATH: usize = 4095;
/// Longest part of a path that Linux takes.
const MAX_PART: usize = 255;
/// Most files that are read from one package. The largest packages known have about 100 000.
const MAX_FILES: usize = 1 << 20;
/// Longest sum of all paths of a package. A header can name a long directory for each of many
/// files at the price of four bytes; the paths are made of what it names.
const MAX_ALL_PATHS: usize = 256 << 20;
/// The type bits of a mode.
const TYPE_MASK: u16 = 0o170_000;

/// Reads the file list.
pub(crate) fn read(header: &Tags<'_>, prefix: &Prefix) -> Result<Vec<File>, Error> {
    let paths = paths(header, prefix)?;
    let table = Table {
        header,
        count: paths.len(),
    };
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let modes = table.required(IndexTag::RPMTAG_FILEMODES, Tags::short_numbers)?;
    let sizes = match table.column(IndexTag::RPMTAG_LONGFILESIZES, Tags::long_numbers)? {
        Some(sizes) => sizes,
        None => {
            let sizes = table.required(IndexTag::RPMTAG_FILESIZES, Tags::numbers)?;
            sizes.into_iter().map(u64::from).collect()
        }
    };
    let mtimes = table.required(IndexTag::RPMTAG_FILEMTIMES, Tags::numbers)?;
    let flags = table.required(IndexTag::RPMTAG_FILEFLAGS, Tags::numbers)?;
    let owners = table.required(IndexTag::RPMTAG_FILEUSERNAME, Tags::texts)?;
    let groups = table.required(IndexTag::RPMTAG_FILEGROUPNAME, Tags::texts)?;
    let devices = table.column(IndexTag::RPMTAG_FILERDEVS, Tags::short_numbers)?;
    let digests = table.column(IndexTag::RPMTAG_FILEDIGESTS, Tags::texts)?;
    let languages = table.column(IndexTag::RPMTAG_FILELANGS, Tags::texts)?;
    let colors = table.column(IndexTag::RPMTAG_FILECOLORS, Tags::numbers)?;
    let capabilities = table.column(IndexTag::RPMTAG_FILECAPS, Tags::texts)?;
    let targets = table.targets(prefix)?;
    let algorithm = digest_algorithm(header)?;

    let mut files = Vec::with_capacity(paths.len());
    for (position, path) in paths.into_iter().enumerate() {
        let wrong = |reason: String| file_error(header.origin, path.as_bytes(), reason);
        let mode = value(&modes, position);
        let device = devices
            .as_ref()
            .map_or(0, |devices| value(devices, position));
        let kind = match mode & TYPE_MASK {
            0o010_000 => FileKind::Fifo,
            0o020_000 => FileKind::Character(u32::from(device)),
            0o040_000 => FileKind::Directory,
            0o060_000 => FileKind::Block(u32::from(device)),
            0o100_000 => FileKind::Regular,
            0o120_000 => {
                let target = targets.as_ref().and_then(|targets| targets.get(position));
                FileKind::Symlink(check_target(target.copied().unwrap_or_default()).map_err(wrong)?)
            }
            0o140_000 => FileKind::Socket,
            _ => return Err(wrong(format!("mode {mode:#o} has no known file type"))),
        };
        let flags = FileFlags(value(&flags, position));
        let size = value(&sizes, position);
        let text = |column: &Option<Vec<&str>>| {
            let text = column.as_ref().map_or("", |column| value(column, position));
            (!text.is_empty()).then(|| text.to_owned())
        };
        let digest = match (text(&digests), &kind) {
            (Some(hex), FileKind::Regular) if is_digest(algorithm, &hex) => Some(FileDigest {
                algorithm,
                hex: hex.to_ascii_lowercase(),
            }),
            (Some(hex), FileKind::Regular) => {
                return Err(wrong(format!("{hex:?} is not a valid {algorithm} digest")));
            }
            (None, FileKind::Regular) if digests.is_some() && size > 0 && !flags.is_ghost() => {
                return Err(wrong("has no digest".to_owned()));
            }
            _ => None,
        };
        let capabilities = match (text(&capabilities), &kind) {
            (Some(text), FileKind::Regular) => Some(vfs_cap_data(&text).map_err(wrong)?),
            (Some(text), _) => return Err(wrong(format!("only files have capabilities: {text}"))),
            (None, _) => None,
        };
        files.push(File {
            kind,
            mode: mode & !TYPE_MASK,
            owner: value(&owners, position).to_owned(),
            group: value(&groups, position).to_owned(),
            size,
            mtime: value(&mtimes, position),
            digest,
            capabilities,
            flags,
            language: text(&languages),
            color: colors.as_ref().map_or(0, |colors| value(colors, position)),
            hard_link: None,
            path,
        });
    }
    let inodes = table.column(IndexTag::RPMTAG_FILEINODES, Tags::numbers)?;
    let devices = table.column(IndexTag::RPMTAG_FILEDEVICES, Tags::numbers)?;
    if let Some(inodes) = inodes {
        number_hard_links(&mut files, &inodes, &devices.unwrap_or_default());
    }
    Ok(files)
}

/// State of a file that was left out at installation, as documentation under `--excludedocs`.
const STATE_NOT_INSTALLED: u8 = 2;
/// State of a file that was left out for one of a better ELF class.
const STATE_WRONG_COLOR: u8 = 4;

/// Drops the files that an installed package does not have on disk, by its FILESTATES
/// (`rpmfileState` of librpm). Replaced files and those on a shared network path stay: something
/// is there.
pub(crate) fn retain_installed(
    header: &Tags<'_>,
    prefix: &Prefix,
    files: &mut Vec<File>,
) -> Result<(), Error> {
    let tag = IndexTag::RPMTAG_FILESTATES;
    let Some(states) = prefix.octets(tag as u32) else {
        return Ok(());
    };
    Table {
        header,
        count: files.len(),
    }
    .check_length(tag, states.len())?;
    let mut states = states.iter();
    files.retain(|_| {
        !matches!(
            states.next(),
            Some(&(STATE_NOT_INSTALLED | STATE_WRONG_COLOR))
        )
    });
    renumber_hard_links(files);
    Ok(())
}

/// Gives each set of hard links the lowest index of those that are left, and none to a file that
/// is left alone.
fn renumber_hard_links(files: &mut [File]) {
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
            if let Some(file) = files.get_mut(member) {
                file.hard_link = number;
            }
        }
    }
}

/// Returns the error that a file of the package can't be used.
fn file_error(origin: &str, path: &[u8], reason: String) -> Error {
    Error::File {
        origin: origin.to_owned(),
        path: path.escape_ascii().to_string(),
        reason,
    }
}

/// Returns the value at a position; columns have been checked for their length.
fn value<T: Copy + Default>(column: &[T], position: usize) -> T {
    column.get(position).copied().unwrap_or_default()
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
        tag: IndexTag,
        read: impl Fn(&'a Tags<'a>, IndexTag) -> Result<Option<Vec<T>>, Error>,
    ) -> Result<Option<Vec<T>>, Error> {
        match read(self.header, tag)? {
            Some(column) => {
                self.check_length(tag, column.len())?;
                Ok(Some(column))
            }
            None => Ok(None),
        }
    }

    /// Returns an array that every package with files has.
    fn required<T>(
        &self,
        tag: IndexTag,
        read: impl Fn(&'a Tags<'a>, IndexTag) -> Result<Option<Vec<T>>, Error>,
    ) -> Result<Vec<T>, Error> {
        let missing = || self.header.wrong(tag, "is missing, though there are files");
        self.column(tag, read)?.ok_or_else(missing)
    }

    /// Returns the targets of symbolic links as bytes.
    fn targets<'p>(&self, prefix: &'p Prefix) -> Result<Option<Vec<&'p [u8]>>, Error> {
        let tag = IndexTag::RPMTAG_FILELINKTOS;
        let targets = prefix.strings(tag as u32);
        if let Some(targets) = &targets {
            self.check_length(tag, targets.len())?;
        }
        Ok(targets)
    }

    fn check_length(&self, tag: IndexTag, length: usize) -> Result<(), Error> {
        if length != self.count {
            let reason = format!("has {length} values instead of {}", self.count);
            return Err(self.header.wrong(tag, reason));
        }
        Ok(())
    }
}

/// Returns the algorithm of the file digests; MD5 where none is named.
fn digest_algorithm(header: &Tags<'_>) -> Result<DigestAlgorithm, Error> {
    let tag = IndexTag::RPMTAG_FILEDIGESTALGO;
    let number = header.number(tag)?.unwrap_or(1);
    DigestAlgorithm::from_number(number)
        .ok_or_else(|| header.wrong(tag, format!("algorithm {number} is not supported")))
}

/// Returns the paths of all files, each checked, none twice.
fn paths(header: &Tags<'_>, prefix: &Prefix) -> Result<Vec<String>, Error> {
    let raw = raw_paths(header, prefix)?;
    let mut paths = Vec::with_capacity(raw.len());
    for path in raw {
        let checked =
            check_path(&path).map_err(|reason| file_error(header.origin, &path, reason))?;
        paths.push(checked.to_owned());
    }
    let mut sorted: Vec<&str> = paths.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        Some([path, _]) => {
            let reason = "is in the file list twice".to_owned();
            Err(file_error(header.origin, path.as_bytes(), reason))
        }
        _ => Ok(paths),
    }
}

/// Joins directories and base names; very old packages have whole paths instead.
fn raw_paths(header: &Tags<'_>, prefix: &Prefix) -> Result<Vec<Vec<u8>>, Error> {
    let Some(names) = prefix.strings(IndexTag::RPMTAG_BASENAMES as u32) else {
        let old = prefix
            .strings(IndexTag::RPMTAG_OLDFILENAMES as u32)
            .unwrap_or_default();
        check_count(header, IndexTag::RPMTAG_OLDFILENAMES, old.len())?;
        return Ok(old.into_iter().map(<[u8]>::to_vec).collect());
    };
    check_count(header, IndexTag::RPMTAG_BASENAMES, names.len())?;
    let directories = prefix
        .strings(IndexTag::RPMTAG_DIRNAMES as u32)
        .unwrap_or_default();
    let tag = IndexTag::RPMTAG_DIRINDEXES;
    let indexes = header.numbers(tag)?.unwrap_or_default();
    Table {
        header,
        count: names.len(),
    }
    .check_length(tag, indexes.len())?;
    let mut total = 0_usize;
    let mut paths = Vec::with_capacity(names.len());
    for (name, index) in names.into_iter().zip(indexes) {
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
            let start = directory.get(..MAX_PART).unwrap_or(directory);
            return Err(file_error(header.origin, start, reason));
        }
        if !directory.ends_with(b"/") {
            let reason = "the directory does not end in a slash".to_owned();
            return Err(file_error(header.origin, directory, reason));
        }
        total = total.saturating_add(directory.len() + name.len());
        if total > MAX_ALL_PATHS {
            let reason = format!("the paths of all files are longer than {MAX_ALL_PATHS} bytes");
            return Err(header.wrong(IndexTag::RPMTAG_DIRNAMES, reason));
        }
        paths.push([directory, name].concat());
    }
    Ok(paths)
}

fn check_count(header: &Tags<'_>, tag: IndexTag, count: usize) -> Result<(), Error> {
    if count > MAX_FILES {
        return Err(header.wrong(tag, format!("has {count} values, {MAX_FILES} are allowed")));
    }
    Ok(())
}

/// Returns the path if it can be stored as it is.
fn check_path(path: &[u8]) -> Result<&str, String> {
    let text = str::from_utf8(path).map_err(|_| "the path is not UTF-8".to_owned())?;
    if text.len() > MAX_PATH {
        return Err(format!("the path is longer than {MAX_PATH} bytes"));
    }
    let Some(relative) = text.strip_prefix('/') else {
        return Err("the path is not absolute".to_owned());
    };
    if relative.is_empty() {
        return Ok(text);
    }
    for part in relative.split('/') {
        match part {
            "" => return Err("the path has an empty part".to_owned()),
            "." | ".." => return Err(format!("the path has a part {part:?}")),
            _ if part.len() > MAX_PART => {
                return Err(format!("the path has a part longer than {MAX_PART} bytes"));
            }
            _ => {}
        }
    }
    Ok(text)
}

/// Returns the target of a symbolic link if one can be made of it.
fn check_target(target: &[u8]) -> Result<String, String> {
    if target.is_empty() {
        return Err("the link has no target".to_owned());
    }
    if target.len() > MAX_PATH {
        return Err(format!("the link's target is longer than {MAX_PATH} bytes"));
    }
    let text = str::from_utf8(target)
        .map_err(|_| format!("the link's target {} is not UTF-8", target.escape_ascii()))?;
    Ok(text.to_owned())
}

/// Gives files that are names of one inode the same number.
///
/// RPM goes by inode (and device) numbers of the build alone, of regular files that are no
/// ghosts, and takes 0 for none. Some tools give every file the same number, so size and digest
/// must be the same too; they are those of the inode. Its attributes are what the header says of
/// its last name.
fn number_hard_links(files: &mut [File], inodes: &[u32], devices: &[u32]) {
    let mut sets: BTreeMap<(u32, u32, u64, String), Vec<usize>> = BTreeMap::new();
    for (position, file) in files.iter().enumerate() {
        let inode = value(inodes, position);
        if file.kind == FileKind::Regular && !file.flags.is_ghost() && inode != 0 {
            let digest = file
                .digest
                .as_ref()
                .map(|digest| digest.hex.clone())
                .unwrap_or_default();
            let key = (value(devices, position), inode, file.size, digest);
            sets.entry(key).or_default().push(position);
        }
    }
    for members in sets.values().filter(|members| members.len() > 1) {
        let number = members.first().and_then(|first| u32::try_from(*first).ok());
        for member in members {
            if let Some(file) = files.get_mut(*member) {
                file.hard_link = number;
            }
        }
    }
}
