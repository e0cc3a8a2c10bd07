//! What was signed last, store by store, as the user who signs remembers it.
//!
//! A signed list says which one it is (`SERIAL-…`), and an older one is as well signed as the last.
//! So its signer keeps a note of each list that it signs, in the state directory, where those who
//! can write to the store can't:
//!
//! ```json
//! {"stores": [{"directory": "/srv/sysext", "store": "0123456789abcdef", "serial": 42, "sha256": "…"}]}
//! ```
//!
//! A note is found by the directory, and, where the store was moved or fetched elsewhere, by the
//! store's own name in the list.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::Directory;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use store::{Issued, Serial};

use crate::words::failure::{Failure, Result, own_failure};

/// Name of the file in the state directory.
const FILE: &str = "signed.json";
/// Name of the file that is locked while the notes change. A directory may be locked as a store.
const LOCK: &str = "signed.lock";
/// Largest file that is read, in bytes.
const MAX_SIZE: u64 = 16 << 20;
/// Most stores that are remembered; the one that was signed longest ago is forgotten first.
const MAX_STORES: usize = 10_000;

/// The notes of one state directory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The state directory; without one nothing is remembered.
    directory: Option<PathBuf>,
}

/// All notes, the latest last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Notes {
    stores: Vec<Note>,
}

/// The last list of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    directory: String,
    store: String,
    serial: u64,
    sha256: String,
    /// Fingerprint of the key that signed it.
    #[serde(default)]
    key: String,
}

impl Memory {
    /// Remembers in `directory`, which is made when there is something to remember.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// Whether there is somewhere to remember.
    pub fn has_directory(&self) -> bool {
        self.directory.is_some()
    }

    /// Reads all notes.
    pub fn read(&self) -> Result<Notes> {
        let Some(directory) = &self.directory else {
            return Ok(Notes::default());
        };
        let opened = Directory::open_private(directory).map_err(untrusted)?;
        match opened {
            Some(opened) => notes(&opened),
            None => Ok(Notes::default()),
        }
    }

    /// Notes that a list was signed and published. What another process noted meanwhile stays.
    pub fn keep(&self, store: &Path, issued: &Issued, key: &str) -> Result<()> {
        let Some(path) = &self.directory else {
            return Ok(());
        };
        let failed = |error: std::io::Error| {
            Failure::io(
                format!("noting what was signed, in {}", path.display()),
                error,
            )
        };
        // The key of the cache is in there, too.
        let directory = Directory::make_private(path).map_err(untrusted)?;
        let lock = (directory.open_or_create_private_file(LOCK)).map_err(untrusted)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| failed(error.into()))?;
        let mut notes = notes(&directory)?;
        notes.keep(store, issued, key);
        let bytes = serde_json::to_vec(&notes).map_err(|error| failed(error.into()))?;
        (directory.replace(FILE, &bytes, 0o600))
            .map_err(|error| Failure::io("noting what was signed", error))
    }
}

/// Reads the notes in a state directory, which nobody else may have written.
fn notes(directory: &Directory) -> Result<Notes> {
    let path = directory.path().join(FILE);
    let file = files::if_there(directory.open_private_file(FILE)).map_err(untrusted)?;
    let Some(file) = file else {
        return Ok(Notes::default());
    };
    let bytes = files::read_open(&file, &path, MAX_SIZE).map_err(untrusted)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::refused(anyhow!("{}: {error}", path.display())).hint(
            "it says which lists were signed; remove it if it is damaged, and see that each store is \
             the one that you left",
        )
    })
}

fn untrusted(error: files::Error) -> Failure {
    own_failure("what was signed", error).hint("give another directory with --state-dir DIR")
}

impl Notes {
    /// Returns the last list that was signed in a directory, or else of a store.
    pub fn last(&self, directory: &Path, listed: Option<&Serial>) -> Option<Issued> {
        self.note(directory, listed)?.issued()
    }

    /// Returns the fingerprint of the key that signed that list, if it was noted.
    pub fn signer(&self, directory: &Path, listed: Option<&Serial>) -> Option<&str> {
        let key = self.note(directory, listed)?.key.as_str();
        (!key.is_empty()).then_some(key)
    }

    fn note(&self, directory: &Path, listed: Option<&Serial>) -> Option<&Note> {
        let directory = canonical(directory);
        let is_of_store = |note: &&Note| listed.is_some_and(|it| it.store == note.store);
        let latest = || self.stores.iter().rev();
        (latest().find(|note| note.directory == directory)).or_else(|| latest().find(is_of_store))
    }

    /// Notes a list in place of the store's last one.
    pub fn keep(&mut self, directory: &Path, issued: &Issued, key: &str) {
        let note = Note {
            directory: canonical(directory),
            store: issued.serial.store.clone(),
            serial: issued.serial.number,
            sha256: hex::encode(issued.sha256),
            key: key.to_owned(),
        };
        let is_same = |old: &Note| old.directory == note.directory && old.store == note.store;
        // A process that signed earlier may come here later.
        if (self.stores.iter()).any(|old| is_same(old) && old.serial > note.serial) {
            return;
        }
        self.stores.retain(|old| old.directory != note.directory);
        self.stores.push(note);
        let surplus = self.stores.len().saturating_sub(MAX_STORES);
        self.stores.drain(..surplus);
    }
}

impl Note {
    /// Returns the list; `None` if the note is not one of this program's.
    fn issued(&self) -> Option<Issued> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut sha256).ok()?;
        Some(Issued {
            serial: Serial {
                number: self.serial,
                store: self.store.clone(),
            },
            sha256,
        })
    }
}

/// Returns one name for a directory, whichever way its user named it, be it there or not yet.
fn canonical(directory: &Path) -> String {
    let there = std::fs::canonicalize(directory).ok().or_else(|| {
        let parent = directory.parent()?;
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        Some(
            std::fs::canonicalize(parent)
                .ok()?
                .join(directory.file_name()?),
        )
    });
    let path = there.unwrap_or_else(|| directory.to_owned());
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::words::scratch::Scratch;

    fn issued(store: &str, number: u64) -> Issued {
        Issued {
            serial: Serial {
                number,
                store: store.to_owned(),
            },
            sha256: [u8::try_from(number).unwrap(); 32],
        }
    }

    #[test]
    fn what_is_remembered() {
        let scratch = Scratch::new();
        let memory = Memory::new(Some(scratch.path().join("new/state")));
        let at = |name: &str| scratch.path().join(name);
        std::fs::create_dir(at("one")).unwrap();
        assert!(memory.read().unwrap().last(&at("one"), None).is_none());
        memory.keep(&at("one"), &issued("a", 1), "KEY").unwrap();
        memory.keep(&at("two"), &issued("b", 7), "KEY").unwrap();
        memory.keep(&at("one"), &issued("a", 2), "KEY").unwrap();
        // A process that was slow.
        memory.keep(&at("one"), &issued("a", 1), "KEY").unwrap();
        let notes = memory.read().unwrap();
        let serial = |store: &str| issued(store, 1).serial;
        for (directory, listed, expected) in [
            ("one", None, Some(issued("a", 2))),
            ("two/../one", None, None),
            ("./one", None, Some(issued("a", 2))),
            // The directory counts, whatever is in it now.
            ("one", Some("b"), Some(issued("a", 2))),
            ("two", None, Some(issued("b", 7))),
            ("three", None, None),
            ("three", Some("b"), Some(issued("b", 7))),
            ("three", Some("c"), None),
        ] {
            let listed = listed.map(serial);
            let found = notes.last(&at(directory), listed.as_ref());
            assert_eq!(found, expected, "{directory} {listed:?}");
        }
        // Another store in its place, which was said.
        memory.keep(&at("one"), &issued("c", 1), "KEY").unwrap();
        let notes = memory.read().unwrap();
        assert_eq!(notes.last(&at("one"), None), Some(issued("c", 1)));

        let nowhere = Memory::new(None);
        nowhere.keep(&at("one"), &issued("a", 1), "KEY").unwrap();
        assert!(nowhere.read().unwrap().last(&at("one"), None).is_none());
    }

    #[test]
    fn who_may_write_notes() {
        let scratch = Scratch::new();
        let state = scratch.path().join("state");
        let memory = Memory::new(Some(state.clone()));
        memory.keep(scratch.path(), &issued("a", 1), "KEY").unwrap();
        let mode = |path: &Path, mode: u32| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).unwrap();
        };
        let file = state.join(FILE);
        let made = std::fs::metadata(&state).unwrap().permissions().mode();
        assert_eq!(made & 0o777, 0o700);
        for path in [&file, &state] {
            mode(path, 0o777);
            assert!(memory.read().is_err());
            assert!(memory.keep(scratch.path(), &issued("a", 2), "KEY").is_err());
            mode(path, 0o700);
            memory.read().unwrap();
        }
        std::fs::write(&file, b"{").unwrap();
        mode(&file, 0o600);
        let failure = memory.read().unwrap_err();
        assert!(failure.source.to_string().contains(FILE));
    }

    #[test]
    fn notes_are_so_long() {
        let scratch = Scratch::new();
        let memory = Memory::new(Some(scratch.path().to_owned()));
        memory.keep(scratch.path(), &issued("a", 1), "KEY").unwrap();
        let path = scratch.path().join(FILE);
        let notes = std::fs::read_to_string(&path).unwrap();
        for (length, expected) in [
            (16_777_216, Ok(1)),
            (
                16_777_217,
                Err(
                    "what was signed can't be trusted: signed.json has 16777217 bytes; at most 16777216 are allowed",
                ),
            ),
        ] {
            let blanks = " ".repeat(length - notes.len());
            std::fs::write(&path, format!("{notes}{blanks}")).unwrap();
            let found = memory.read().map(|notes| notes.stores.len());
            let found = found.map_err(|failure| format!("{:#}", failure.source));
            let directory = format!("{}/", scratch.path().display());
            let found = found.map_err(|text| text.replace(&directory, ""));
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn the_oldest_note_goes_first() {
        let mut notes = Notes::default();
        for (number, expected) in [(9_999, "/0/"), (10_000, "/1/")] {
            for number in notes.stores.len()..=number {
                let directory = format!("/nowhere/{number}/store");
                notes.keep(Path::new(&directory), &issued("a", 1), "KEY");
            }
            assert_eq!(notes.stores.len(), 10_000);
            assert!(notes.stores[0].directory.contains(expected));
        }
    }
}
