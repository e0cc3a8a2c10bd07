//! The cache: what was fetched and what was made of it, for the next run.
//!
//! ```text
//! $XDG_CACHE_HOME/sysext-build/            or --cache-dir
//! ├── repositories/ID       a repository's repomd.xml as last accepted, after the validators
//! │                         (ETag, Last-Modified) that it came with; ID is a hash of its URLs
//! ├── repositories/ID.seen  its keys and its newest state, by which older ones are known
//! ├── metadata/TYPE-HEX     primary and filelists as fetched, by the checksum in repomd.xml
//! ├── catalogs/TYPE-HEX-N   a primary file made ready for the solver; N is the form's version
//! ├── packages/TYPE-HEX.rpm packages, by the checksum in primary
//! ├── headers/TYPE-HEX.hdr  all that stands before the payload of a package, by the package's checksum
//! ├── blocks/HEX            blocks of images, compressed; HEX is a hash of what is in them and how
//! │                         they are compressed
//! ├── payloads/HEX          in which order a package has its contents, by its header
//! └── partial/NAME          what is being written: a transfer that was cut off goes on here
//! ```
//!
//! A file gets its name when it is complete and has been checked: it is written in `partial/` under
//! a lock of its own, synced and renamed. (What has a seal can be made again quickly. It is not synced,
//! and if a crash cut it off, its seal does not hold.) So nothing that is named can be half of something, two
//! processes that want the same file make it once, and a process that dies leaves what the next
//! one continues. Names are made of checksums; what has one never changes. Everything in here may
//! be deleted at any time.
//!
//! Nothing in here is believed, since others may have written it: to a shared directory, or to the
//! copy that a CI system brings back. The directories must be this user's alone. No link is
//! followed, and a file that others have a hand in is as good as none. Metadata and packages are
//! compared with their checksum each time; the rest has a [seal](seal), without which it
//! is fetched or made again.

pub mod seal;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use files::{Directory, Error, Kind};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW};

use crate::cache::seal::{Seal, Sealing};
use crate::words::failure::{Failure, Result, own_failure};

/// The part of the cache that a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheDirectory {
    /// Lists of repositories.
    Repositories,
    /// Metadata as fetched.
    Metadata,
    /// Metadata made ready.
    Catalogs,
    /// RPM files.
    Packages,
    /// What RPM files have before their payloads.
    Headers,
    /// Compressed blocks of images.
    Blocks,
    /// Orders of contents.
    Payloads,
}

impl CacheDirectory {
    fn directory(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Metadata => "metadata",
            Self::Catalogs => "catalogs",
            Self::Packages => "packages",
            Self::Headers => "headers",
            Self::Blocks => "blocks",
            Self::Payloads => "payloads",
        }
    }
}

/// A directory of files that were fetched or made before.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    seal: Option<Seal>,
}

/// A file of the cache, open at its start.
#[derive(Debug)]
pub struct Kept {
    /// The file.
    pub file: File,
    /// Where it is.
    pub path: PathBuf,
}

/// What a file of the cache holds that ends with a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes before the seal.
    pub bytes: Vec<u8>,
    /// The seal is that of these bytes: a run of this user wrote them.
    pub holds: bool,
}

/// A longer sealed file is read twice: to check its seal, and to use it. In bytes.
const READ_ONCE: u64 = 4 << 20;

/// A file that is being written and has no name yet; locked.
pub struct Draft {
    /// To be written to; what an earlier process left may be in it.
    pub file: File,
    name: String,
    partial: Directory,
    target: Directory,
}

impl Cache {
    /// Returns the cache in a directory, which is made when something is kept. The key of its
    /// seals is in the directory `state`.
    pub fn open(root: &Path, state: Option<&Path>) -> Result<Self> {
        Directory::open_private(root).map_err(failure)?;
        let seal = state.map(Seal::open).transpose()?;
        Ok(Self {
            root: root.to_owned(),
            seal: seal.flatten(),
        })
    }

    /// Says whether what is kept can be known again by its seal.
    pub fn has_seal(&self) -> bool {
        self.seal.is_some()
    }

    /// Returns where a file is, if it is there.
    pub fn path(&self, part: CacheDirectory, name: &str) -> PathBuf {
        self.root.join(part.directory()).join(name)
    }

    /// Opens a file, if it is there and nobody else has a hand in it.
    pub fn find(&self, part: CacheDirectory, name: &str) -> Result<Option<Kept>> {
        match self.part(part)? {
            Some(directory) => found(&directory, name),
            None => Ok(None),
        }
    }

    /// Reads a file that ends with a seal; one that is longer than `limit` is none. If the seal holds,
    /// it is as good as used now: [`shrink`](Self::shrink) removes others first.
    pub fn sealed(&self, part: CacheDirectory, name: &str, limit: u64) -> Result<Option<Sealed>> {
        match self.find(part, name)? {
            Some(kept) => self.sealed_in(kept, part, name, limit),
            None => Ok(None),
        }
    }

    fn sealed_in(
        &self,
        kept: Kept,
        part: CacheDirectory,
        name: &str,
        limit: u64,
    ) -> Result<Option<Sealed>> {
        let limit = limit.saturating_add(seal::LENGTH as u64);
        let mut bytes = match files::read_open(&kept.file, &kept.path, limit) {
            Err(Error::TooLarge { .. }) => return Ok(None),
            read => read.map_err(failure)?,
        };
        let Some(length) = bytes.len().checked_sub(seal::LENGTH) else {
            return Ok(None);
        };
        let stated = bytes.split_off(length);
        let place = sealed_name(part, name);
        let holds = (self.seal.as_ref()).is_some_and(|seal| seal.holds(&place, &bytes, &stated));
        if holds {
            touch(&kept.file);
        }
        Ok(Some(Sealed { bytes, holds }))
    }

    /// Opens a file that ends with a seal, if that holds, and returns its length without the seal.
    /// It is as good as used now: [`shrink`](Self::shrink) removes others first.
    pub fn open_sealed(
        &self,
        part: CacheDirectory,
        name: &str,
    ) -> Result<Option<(Box<dyn BufRead>, u64)>> {
        let (Some(seal), Some(mut kept)) = (&self.seal, self.find(part, name)?) else {
            return Ok(None);
        };
        let reading = |error| Failure::io(format!("reading {}", kept.path.display()), error);
        let whole = kept.file.metadata().map_err(reading)?.len();
        let Some(length) = whole.checked_sub(seal::LENGTH as u64) else {
            return Ok(None);
        };
        if whole <= READ_ONCE {
            // What is in memory need not be read a second time.
            let sealed = self.sealed_in(kept, part, name, READ_ONCE)?;
            let bytes = sealed.filter(|sealed| sealed.holds).map(|it| it.bytes);
            return Ok(bytes.map(|bytes| (Box::new(Cursor::new(bytes)) as _, length)));
        }
        let mut sealing = seal.begin(&sealed_name(part, name));
        let mut stated = [0; seal::LENGTH];
        let read = (sealing.read((&mut kept.file).take(length)))
            .and_then(|()| kept.file.read_exact(&mut stated))
            .and_then(|()| kept.file.seek(SeekFrom::Start(0)));
        read.map_err(reading)?;
        if !sealing.holds(&stated) {
            return Ok(None);
        }
        touch(&kept.file);
        Ok(Some((Box::new(BufReader::new(kept.file)), length)))
    }

    /// Keeps what can quickly be made again, without waiting for the disk: what `write` writes, with
    /// its seal.
    pub fn keep_quickly(
        &self,
        part: CacheDirectory,
        name: &str,
        write: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<()> {
        let Some(seal) = &self.seal else {
            return Ok(());
        };
        let mut draft = self.draft(part, name)?;
        draft.clear()?;
        let mut sealing = seal.begin(&sealed_name(part, name));
        let mut output = io::BufWriter::new(&mut draft.file);
        let written = write(&mut Both(&mut output, &mut sealing))
            .and_then(|()| output.write_all(&sealing.finish()))
            .and_then(|()| output.flush());
        drop(output);
        draft.publish(written)
    }

    /// Removes files of a part, those first that were used last the longest ago, until the others
    /// have at most `limit` bytes.
    pub fn shrink(&self, part: CacheDirectory, limit: u64) -> Result<()> {
        let Some(directory) = self.part(part)? else {
            return Ok(());
        };
        let mut files = Vec::new();
        let mut all = 0;
        for name in directory.names().map_err(failure)? {
            if let Some(stat) = directory.stat(&name).map_err(failure)? {
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                all += size;
                files.push(((stat.st_mtime, stat.st_mtime_nsec), name, size));
            }
        }
        files.sort();
        for (_, name, size) in files {
            if all <= limit {
                break;
            }
            directory.remove(&name).map_err(failure)?;
            all -= size;
        }
        Ok(())
    }

    /// Removes a file that turned out to be damaged.
    pub fn forget(&self, part: CacheDirectory, name: &str) -> Result<()> {
        match self.part(part)? {
            Some(directory) => directory.remove(name).map_err(failure),
            None => Ok(()),
        }
    }

    /// Returns the draft of a file; waits while another process is writing it, which may have
    /// made it when this returns.
    pub fn draft(&self, part: CacheDirectory, name: &str) -> Result<Draft> {
        let root = Directory::make_private(&self.root).map_err(failure)?;
        let below = |name| root.make_private_directory(name).map_err(failure);
        let (partial, target) = (below("partial")?, below(part.directory())?);
        loop {
            let file = match partial.open_or_create_private_file(name) {
                Err(error) if is_foreign(&error) => {
                    partial.remove(name).map_err(failure)?;
                    continue;
                }
                opened => opened.map_err(failure)?,
            };
            let doing = |error| writing(&partial.path().join(name), error);
            file.lock().map_err(doing)?;
            // Who had the lock may have given the file its name, or removed it.
            let ours = file.metadata().map_err(doing)?;
            let there = partial.stat(name).map_err(failure)?;
            if there.is_some_and(|there| (there.st_dev, there.st_ino) == (ours.dev(), ours.ino())) {
                return Ok(Draft {
                    file,
                    name: name.to_owned(),
                    partial,
                    target,
                });
            }
        }
    }

    /// Keeps what can be made again, all at once, with its seal. A catalog that a crash tears has
    /// no seal that holds and is made again, so nobody waits for the disk to have it.
    pub fn keep(&self, part: CacheDirectory, name: &str, bytes: &[u8]) -> Result<()> {
        self.keep_as(self.draft(part, name)?, part, bytes)
    }

    /// Keeps the same as what a draft of that part was begun for.
    pub fn keep_as(&self, mut draft: Draft, part: CacheDirectory, bytes: &[u8]) -> Result<()> {
        let place = sealed_name(part, &draft.name);
        let seal = (self.seal.as_ref()).map_or([0; seal::LENGTH], |seal| seal.of(&place, bytes));
        draft.clear()?;
        let written = draft.file.write_all(bytes);
        let written = written.and_then(|()| draft.file.write_all(&seal));
        draft.publish(written)
    }

    fn part(&self, part: CacheDirectory) -> Result<Option<Directory>> {
        let Some(root) = Directory::open_private(&self.root).map_err(failure)? else {
            return Ok(None);
        };
        root.private_directory(part.directory()).map_err(failure)
    }
}

/// Sets both times of a file to now.
const NOW: Timestamps = {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    Timestamps {
        last_access: now,
        last_modification: now,
    }
};

/// Notes that a file was used. Where that can't be, it is removed a little earlier.
fn touch(file: &File) {
    let _ = rustix::fs::futimens(file, &NOW);
}

/// Writes the same to two.
struct Both<'a>(&'a mut dyn io::Write, &'a mut Sealing);

impl io::Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.0.write(bytes)?;
        self.1.write_all(&bytes[..length])?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Draft {
    /// Opens the file that this is to be, if that is there by now.
    pub fn made_meanwhile(&self) -> Result<Option<Kept>> {
        found(&self.target, &self.name)
    }

    /// Removes what is in the draft.
    pub fn clear(&mut self) -> Result<()> {
        (self.file.set_len(0))
            .and_then(|()| self.file.seek(SeekFrom::Start(0)).map(drop))
            .map_err(|error| writing(&self.partial.path().join(&self.name), error))
    }

    /// Gives the file its name.
    pub fn persist(mut self) -> Result<Kept> {
        let path = self.target.path().join(&self.name);
        let synced = (self.file.sync_all()).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        synced.map_err(|error| writing(&path, error))?;
        self.rename()?;
        self.target.sync().map_err(failure)?;
        Ok(Kept {
            file: self.file,
            path,
        })
    }

    /// Gives its name to a file that a seal protects, if it was written, and does not wait for the
    /// disk to have it.
    fn publish(mut self, written: io::Result<()>) -> Result<()> {
        if let Err(error) = written {
            // A full disk gets its room back.
            let _ = self.clear();
            let _ = self.partial.remove(&self.name);
            return Err(writing(&self.partial.path().join(&self.name), error));
        }
        self.rename()
    }

    fn rename(&self) -> Result<()> {
        (self.partial.rename_to(&self.name, &self.target, &self.name)).map_err(failure)
    }

    /// Removes the draft, without a trace.
    pub fn discard(self) -> Result<()> {
        self.partial.remove(&self.name).map_err(failure)
    }
}

fn found(directory: &Directory, name: &str) -> Result<Option<Kept>> {
    match directory.open_private_file(name) {
        Ok(file) => Ok(Some(Kept {
            file,
            path: directory.path().join(name),
        })),
        Err(error) if error.is_missing() || is_foreign(&error) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

/// Returns whether something is no file of this program's making, and can be replaced by one.
fn is_foreign(error: &Error) -> bool {
    match error {
        Error::NotPrivate { .. } => true,
        Error::WrongKind { found, .. } => *found != Kind::Directory,
        _ => false,
    }
}

fn sealed_name(part: CacheDirectory, name: &str) -> String {
    format!("{}/{name}", part.directory())
}

fn failure(error: Error) -> Failure {
    elsewhere(own_failure("the cache", error))
}

fn writing(path: &Path, error: io::Error) -> Failure {
    elsewhere(Failure::io(
        format!("writing {} in the cache", path.display()),
        error,
    ))
}

fn elsewhere(failure: Failure) -> Failure {
    failure.hint("to put the cache elsewhere: --cache-dir DIR")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::words::failure;
    use crate::words::scratch::Scratch;

    const PARTS: [(CacheDirectory, &str); 5] = [
        (CacheDirectory::Repositories, "repositories"),
        (CacheDirectory::Metadata, "metadata"),
        (CacheDirectory::Catalogs, "catalogs"),
        (CacheDirectory::Packages, "packages"),
        (CacheDirectory::Headers, "headers"),
    ];

    fn cache(scratch: &Scratch) -> Cache {
        let state = scratch.path().join("state");
        Cache::open(&scratch.path().join("cache"), Some(&state)).unwrap()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let scratch = Scratch::new();
        let cache = cache(&scratch);
        let found = |part| {
            let found = cache.find(part, "name").unwrap();
            found.map(|kept| kept.path)
        };
        for (part, directory) in PARTS {
            let path = scratch.path().join("cache").join(directory).join("name");
            let partial = scratch.path().join("cache/partial/name");
            assert_eq!(found(part), None);
            let mut draft = cache.draft(part, "name").unwrap();
            draft.file.write_all(b"half").unwrap();
            assert_eq!(found(part), None, "{directory}");
            assert!(draft.made_meanwhile().unwrap().is_none());
            assert!(partial.is_file());
            // The next one finds what was written, and begins again if it wants to.
            drop(draft);
            let mut draft = cache.draft(part, "name").unwrap();
            assert_eq!(draft.file.metadata().unwrap().len(), 4);
            draft.clear().unwrap();
            draft.file.write_all(b"all").unwrap();
            let kept = draft.persist().unwrap();
            assert_eq!(kept.path, path);
            assert_eq!(io::read_to_string(kept.file).unwrap(), "all");
            assert_eq!(fs::read(&path).unwrap(), b"all");
            assert_eq!(found(part), Some(path.clone()));
            assert!(!partial.exists());
            let draft = cache.draft(part, "name").unwrap();
            let made = draft.made_meanwhile().unwrap().unwrap();
            assert_eq!(made.path, path);
            draft.discard().unwrap();
            assert!(!partial.exists());
            cache.forget(part, "name").unwrap();
            assert_eq!(found(part), None);
            // To forget what is not there is no failure.
            cache.forget(part, "name").unwrap();
            for path in [path.parent(), partial.parent()] {
                let mode = path.unwrap().metadata().unwrap().mode();
                assert_eq!(mode & 0o7777, 0o700);
            }
        }
    }

    #[test]
    fn what_has_no_seal_of_this_user_is_told() {
        let scratch = Scratch::new();
        let cache = cache(&scratch);
        let root = scratch.path().join("cache");
        let of = |state: Option<&str>| {
            let state = state.map(|name| scratch.path().join(name));
            Cache::open(&root, state.as_deref()).unwrap()
        };
        let part = CacheDirectory::Catalogs;
        let sealed = |cache: &Cache, part, name: &str, limit| {
            let sealed = cache.sealed(part, name, limit).unwrap();
            sealed.map(|sealed| (String::from_utf8(sealed.bytes).unwrap(), sealed.holds))
        };
        let (ours, theirs) = (
            Some(("of parts".to_owned(), true)),
            Some(("of parts".to_owned(), false)),
        );
        scratch.write("cache/partial/name", b"a longer draft of before");
        cache.keep(part, "name", b"of parts").unwrap();
        assert_eq!(sealed(&cache, part, "name", 8), ours);
        assert_eq!(sealed(&cache, part, "name", 7), None);
        assert_eq!(sealed(&cache, part, "other", 8), None);
        // By the same key only, and only in the same place.
        assert_eq!(sealed(&of(Some("state")), part, "name", 8), ours);
        assert_eq!(sealed(&of(Some("elsewhere")), part, "name", 8), theirs);
        assert_eq!(sealed(&of(None), part, "name", 8), theirs);
        let file = fs::read(root.join("catalogs/name")).unwrap();
        scratch.write("cache/catalogs/other", &file);
        scratch.write("cache/repositories/name", &file);
        assert_eq!(sealed(&cache, part, "other", 8), theirs);
        let lists = CacheDirectory::Repositories;
        assert_eq!(sealed(&cache, lists, "name", 8), theirs);
        // What is written without a key has no seal, also for who has one.
        of(None).keep(part, "name", b"of parts").unwrap();
        assert_eq!(sealed(&cache, part, "name", 8), theirs);
        scratch.write("cache/catalogs/name", b"too short for a seal");
        assert_eq!(sealed(&cache, part, "name", 8), None);
    }

    #[test]
    fn what_others_have_a_hand_in_is_replaced_and_not_followed() {
        for (part, directory) in PARTS {
            for planted in ["link", "dangling", "second name", "mode", "fifo"] {
                let scratch = Scratch::new();
                let cache = cache(&scratch);
                let victim = scratch.write("victim", b"precious");
                for place in [directory, "partial"] {
                    let file = scratch.path().join("cache").join(place).join("name");
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    match planted {
                        "link" => symlink(&victim, &file).unwrap(),
                        "dangling" => symlink(scratch.path().join("new"), &file).unwrap(),
                        "second name" => fs::hard_link(&victim, &file).unwrap(),
                        "mode" => {
                            fs::write(&file, b"planted").unwrap();
                            let mode = fs::Permissions::from_mode(0o622);
                            fs::set_permissions(&file, mode).unwrap();
                        }
                        _ => {
                            let mode = rustix::fs::Mode::from_raw_mode(0o600);
                            let kind = rustix::fs::FileType::Fifo;
                            rustix::fs::mknodat(rustix::fs::CWD, &file, kind, mode, 0).unwrap();
                        }
                    }
                }
                assert!(cache.find(part, "name").unwrap().is_none(), "{planted}");
                let mut draft = cache.draft(part, "name").unwrap();
                assert_eq!(draft.file.metadata().unwrap().len(), 0, "{planted}");
                assert!(draft.made_meanwhile().unwrap().is_none(), "{planted}");
                draft.file.write_all(b"ours").unwrap();
                let path = draft.persist().unwrap().path;
                let found = path.symlink_metadata().unwrap();
                assert!(found.is_file() && found.nlink() == 1, "{planted}");
                assert_eq!(fs::read(&path).unwrap(), b"ours");
                assert_eq!(fs::read(&victim).unwrap(), b"precious");
                assert!(!scratch.path().join("new").exists());
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let others = "has mode 0777, so others can write to it";
        for (planted, expected) in [
            ("", format!("cache {others}")),
            ("metadata", format!("cache/metadata {others}")),
            ("partial", format!("cache/partial {others}")),
            (
                "metadata link",
                "cache/metadata is a symbolic link, not a directory".to_owned(),
            ),
            (
                "metadata/name",
                "cache/metadata/name is a directory, not a regular file".to_owned(),
            ),
            (
                "partial/name",
                "cache/partial/name is a directory, not a regular file".to_owned(),
            ),
        ] {
            let scratch = Scratch::new();
            let root = scratch.path().join("cache");
            let cache = cache(&scratch);
            match planted.split_once(' ') {
                Some((name, _)) => {
                    fs::create_dir_all(root.join("elsewhere")).unwrap();
                    symlink("elsewhere", root.join(name)).unwrap();
                }
                None => {
                    let planted = root.join(planted);
                    fs::create_dir_all(&planted).unwrap();
                    let mode = fs::Permissions::from_mode(0o777);
                    fs::set_permissions(&planted, mode).unwrap();
                }
            }
            let part = CacheDirectory::Metadata;
            let found = cache.find(part, "name").map(drop);
            let failure = found.and_then(|()| cache.draft(part, "name").map(drop));
            let failure = failure.unwrap_err();
            assert_eq!(failure.kind, failure::Kind::Refused);
            let at = format!("{}/", scratch.path().display());
            let said = format!("{:#}", failure.source).replace(&at, "");
            assert_eq!(said, format!("the cache can't be trusted: {expected}"));
            let hint = "to put the cache elsewhere: --cache-dir DIR";
            assert!(failure.hints.iter().any(|one| one == hint));
        }
    }

    #[test]
    fn what_was_used_last_stays() {
        let scratch = Scratch::new();
        let cache = cache(&scratch);
        let part = CacheDirectory::Blocks;
        let path = |name: &str| scratch.path().join("cache/blocks").join(name);
        let left = || {
            let is_there = |name: &&str| path(name).exists();
            ["a", "b", "c", "d"]
                .into_iter()
                .filter(is_there)
                .collect::<Vec<_>>()
        };
        cache.shrink(part, 0).unwrap();
        for (name, seconds) in [("a", 40), ("b", 10), ("c", 20), ("d", 30)] {
            let keep = cache.keep_quickly(part, name, &mut |output| output.write_all(&[1; 68]));
            keep.unwrap();
            let file = fs::File::options().write(true).open(path(name)).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        }
        // Each has 100 bytes with its seal.
        cache.shrink(part, 400).unwrap();
        assert_eq!(left(), ["a", "b", "c", "d"]);
        assert_eq!(cache.open_sealed(part, "b").unwrap().unwrap().1, 68);
        for (limit, expected) in [
            (399, &["a", "b", "d"][..]),
            (200, &["a", "b"]),
            (199, &["b"]),
            (0, &[]),
        ] {
            cache.shrink(part, limit).unwrap();
            assert_eq!(left(), expected, "{limit}");
        }
    }

    #[test]
    fn only_what_is_sealed_is_opened() {
        let scratch = Scratch::new();
        let cache = cache(&scratch);
        let part = CacheDirectory::Blocks;
        assert!(cache.open_sealed(part, "a").unwrap().is_none());
        let path = scratch.path().join("cache/blocks/a");
        let longest = usize::try_from(READ_ONCE).unwrap() - seal::LENGTH;
        for length in [5, longest, longest + 1] {
            let content = vec![7; length];
            (cache.keep_quickly(part, "a", &mut |output| output.write_all(&content))).unwrap();
            let (kept, told) = cache.open_sealed(part, "a").unwrap().unwrap();
            let mut bytes = Vec::new();
            kept.take(told).read_to_end(&mut bytes).unwrap();
            assert!(bytes == content, "{length}");
            let whole = fs::read(&path).unwrap();
            assert_eq!(whole.len(), length + seal::LENGTH);
            for cut in [0, 31, 32, whole.len() - 1] {
                fs::write(&path, &whole[..cut]).unwrap();
                assert!(cache.open_sealed(part, "a").unwrap().is_none(), "{cut}");
            }
            let mut other = whole.clone();
            other[length - 1] ^= 1;
            fs::write(&path, &other).unwrap();
            assert!(cache.open_sealed(part, "a").unwrap().is_none(), "{length}");
            fs::write(path.with_file_name("b"), &whole).unwrap();
            assert!(
                cache.open_sealed(part, "b").unwrap().is_none(),
                "under another name"
            );
        }
    }
}
