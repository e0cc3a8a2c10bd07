//! Seals: by them the cache's files that no checksum vouches for are known as this user's.
//!
//! A package and a metadata file have a checksum in metadata that were checked before. The list of
//! a repository, its key and a catalog have none: whoever can write to the cache, such as the job
//! of a CI system that others may change, could write their own. So each of them ends with a
//! message authentication code of its name and its bytes: BLAKE3's keyed hash, which takes a fifth of
//! the time of one with SHA-256, by a key that is not in the cache. The key is in the directory for the
//! user's state, and made of random bytes once. A file whose seal does not hold is as good as none.
//! Where there is no such directory nothing holds, so that all is made and fetched again.

use std::io::{self, Read};
use std::path::Path;

use blake3::Hasher;
use files::{Directory, Error};
use rustix::fs::FlockOperation;

use crate::words::failure::{Failure, Result, own_failure};

/// Bytes of a seal, and of the key.
pub const LENGTH: usize = 32;
/// The file with the key.
const KEY: &str = "cache.key";

/// Makes seals, and knows its own.
#[derive(Clone)]
pub struct Seal {
    key: [u8; LENGTH],
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// Reads the key in the directory for this program's state, or makes one; nothing where none
    /// can be made.
    pub fn open(state: &Path) -> Result<Option<Self>> {
        let directory = match Directory::open_private(state) {
            Ok(Some(directory)) => directory,
            Ok(None) => match Directory::make_private(state) {
                Ok(directory) => directory,
                Err(_) => return Ok(None),
            },
            Err(Error::Io { .. }) => return Ok(None),
            Err(error) => return Err(failure(error)),
        };
        if let Some(key) = kept(&directory)? {
            return Ok(Some(Self { key }));
        }
        // Of two first runs at once, the second finds the key of the first.
        let _ = rustix::fs::flock(&directory, FlockOperation::LockExclusive);
        if let Some(key) = kept(&directory)? {
            return Ok(Some(Self { key }));
        }
        let mut key = [0; LENGTH];
        let random = rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty());
        if random != Ok(LENGTH) || directory.replace(KEY, &key, 0o600).is_err() {
            return Ok(None);
        }
        Ok(Some(Self { key }))
    }

    /// Returns the seal of a file of that name.
    pub fn of(&self, name: &str, bytes: &[u8]) -> [u8; LENGTH] {
        let mut sealing = self.begin(name);
        sealing.code.update(bytes);
        sealing.finish()
    }

    /// Says whether this is the seal of a file of that name.
    pub fn holds(&self, name: &str, bytes: &[u8], seal: &[u8]) -> bool {
        let mut sealing = self.begin(name);
        sealing.code.update(bytes);
        sealing.holds(seal)
    }

    /// Begins the seal of a file of that name, to which its bytes are written.
    pub fn begin(&self, name: &str) -> Sealing {
        let mut code = Hasher::new_keyed(&self.key);
        // No name has a zero in it.
        code.update(name.as_bytes()).update(&[0]);
        Sealing { code }
    }
}

/// A seal that is made while the bytes pass.
pub struct Sealing {
    code: Hasher,
}

impl Sealing {
    /// Adds all that there is to read.
    pub fn read(&mut self, bytes: impl Read) -> io::Result<()> {
        self.code.update_reader(bytes).map(drop)
    }

    /// Returns the seal of what was written.
    pub fn finish(self) -> [u8; LENGTH] {
        self.code.finalize().into()
    }

    /// Says whether this is the seal of what was written. That takes as long where it is not.
    pub fn holds(self, seal: &[u8]) -> bool {
        self.code.finalize() == *seal
    }
}

impl io::Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.code.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the key; one that a full disk cut off is none.
fn kept(directory: &Directory) -> Result<Option<[u8; LENGTH]>> {
    let file = files::if_there(directory.open_private_file(KEY));
    let file = file.map_err(failure)?;
    let path = directory.path().join(KEY);
    let bytes = file.and_then(|file| files::read_open(&file, &path, LENGTH as u64).ok());
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()))
}

fn failure(error: Error) -> Failure {
    own_failure("the cache", error)
        .hint("to put the key of the cache elsewhere, set XDG_STATE_HOME")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn a_seal_is_of_a_key_a_name_and_bytes() {
        // What `b3sum --keyed` says of a file with `a\0bc` and this key.
        let seal = Seal { key: [1; LENGTH] };
        let made = seal.of("a", b"bc");
        assert_eq!(
            hex::encode(made),
            "0c6ed6223e7bfd3aea4aa97c2f39ae2e4f23db75961efd79730f4e09a49c6e6b"
        );
        for (key, name, bytes, expected) in [
            (1, "a", &b"bc"[..], true),
            (2, "a", b"bc", false),
            (1, "b", b"bc", false),
            (1, "a", b"bd", false),
            (1, "a\0b", b"c", false),
        ] {
            let seal = Seal { key: [key; LENGTH] };
            assert_eq!(seal.holds(name, bytes, &made), expected, "{key} {name:?}");
        }
        // Each byte counts, and where it is.
        let mut long = vec![0; 70_000];
        let made_of_long = seal.of("a", &long);
        for place in [0, 1023, 1024, 65_536, 69_999] {
            long[place] = 1;
            assert!(!seal.holds("a", &long, &made_of_long), "{place}");
            long[place] = 0;
        }
        assert!(seal.holds("a", &long, &made_of_long));
        // It is the same made while the bytes pass, however they come.
        for step in [1, 1023, 65_537, long.len()] {
            let mut sealing = seal.begin("a");
            for some in long.chunks(step) {
                sealing.write_all(some).unwrap();
            }
            assert_eq!(sealing.finish(), made_of_long, "{step}");
        }
        let mut sealing = seal.begin("a");
        sealing.read(&long[..]).unwrap();
        assert!(sealing.holds(&made_of_long));
        assert!(seal.begin("a").holds(&seal.of("a", b"")));
        assert!(!seal.holds("a", &long[1..], &made_of_long));
        assert!(!seal.holds("a", b"bc", &made[..31]));
        assert!(!seal.holds("a", b"bc", &[0; LENGTH]));
        assert!(!seal.holds("a", b"bc", &[]));
    }

    #[test]
    fn first_runs_at_once_make_one_key() {
        let scratch = Scratch::new();
        let state = scratch.path().join("state");
        let keys = std::thread::scope(|scope| {
            let runs = [(); 8].map(|()| scope.spawn(|| Seal::open(&state).unwrap().unwrap().key));
            runs.map(|run| run.join().unwrap())
        });
        assert_eq!(keys, [keys[0]; 8]);
    }

    #[test]
    fn the_key_is_made_once_and_for_its_user() {
        let scratch = Scratch::new();
        let state = scratch.path().join("a/state");
        let first = Seal::open(&state).unwrap().unwrap();
        let key = state.join(KEY);
        assert_eq!(key.metadata().unwrap().mode() & 0o7777, 0o600);
        let again = Seal::open(&state).unwrap().unwrap();
        assert_eq!(first.key, again.key);
        let other = Seal::open(&scratch.path().join("other")).unwrap().unwrap();
        assert_ne!(first.key, other.key);
        // One that is cut off, or longer than one, is made again.
        for bytes in [&b"half"[..], &[7; LENGTH + 1]] {
            fs::write(&key, bytes).unwrap();
            let again = Seal::open(&state).unwrap().unwrap();
            assert_ne!(first.key, again.key);
            assert_eq!(fs::read(&key).unwrap(), again.key);
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(Seal::open(&state).is_err());
        // Where none can be made there is none.
        let file = scratch.write("file", b"");
        assert!(Seal::open(&file.join("state")).unwrap().is_none());
        assert!(Seal::open(&file).is_err());
    }
}
