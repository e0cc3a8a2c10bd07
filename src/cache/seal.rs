//! Seals: by them the cache's files that no checksum vouches for are known as this user's.
//!
//! A package and a metadata file have a checksum in metadata that were checked before. The list of
//! a repository, its key and a catalog have none: whoever can write to the cache, such as the job
//! of a CI system that others may change, could write their own. So each of them ends with a
//! message authentication code (HMAC-SHA-256, RFC 2104) of its name and the digests of its pieces,
//! by a key that is not in the cache: it is in the directory for the user's state, and made of
//! random bytes once. A file whose seal does not hold is as good as none. Where there is no such directory nothing
//! holds, so that all is made and fetched again.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use files::{Directory, Error};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::fs::FlockOperation;
use sha2::{Digest as _, Sha256};

use crate::parallel;
use crate::words::failure::{Failure, Result, own_failure};

/// Bytes of a seal, and of the key.
pub const LENGTH: usize = 32;
/// Bytes that are hashed at once, and on how many threads.
const PIECE: usize = 4 << 20;
const THREADS: usize = 4;
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
        match self.code(name, bytes) {
            Some(code) => code.finalize().into_bytes().into(),
            None => [0; LENGTH],
        }
    }

    /// Says whether this is the seal of a file of that name.
    pub fn holds(&self, name: &str, bytes: &[u8], seal: &[u8]) -> bool {
        let code = self.code(name, bytes);
        code.is_some_and(|code| code.verify_slice(seal).is_ok())
    }

    /// Begins the seal of a file of that name, to which its bytes are written.
    pub fn begin(&self, name: &str) -> Sealing {
        Sealing {
            code: self.named(name),
            piece: Sha256::new(),
            length: 0,
        }
    }

    fn named(&self, name: &str) -> Option<Hmac<Sha256>> {
        // It takes keys of any length, and says so by a type that it has for others.
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        // No name has a zero in it.
        code.update(name.as_bytes());
        code.update(&[0]);
        Some(code)
    }

    fn code(&self, name: &str, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut code = self.named(name)?;
        // A catalog of 20 MB is a large part of what a run on a warm cache reads.
        let pieces: Vec<_> = bytes.chunks(PIECE).collect();
        let digest = |piece: &&[u8]| Ok::<_, Infallible>(Sha256::digest(piece));
        let digests = match pieces.as_slice() {
            // A thread would take longer to begin.
            [piece] => vec![Sha256::digest(piece)],
            pieces => parallel::map(pieces, THREADS, digest).ok()?,
        };
        for digest in digests {
            code.update(&digest);
        }
        Some(code)
    }
}

/// A seal that is made while the bytes pass.
pub struct Sealing {
    code: Option<Hmac<Sha256>>,
    piece: Sha256,
    /// Bytes in the piece.
    length: usize,
}

impl Sealing {
    /// Returns the seal of what was written.
    pub fn finish(self) -> [u8; LENGTH] {
        let code = self.whole();
        code.map_or([0; LENGTH], |code| code.finalize().into_bytes().into())
    }

    /// Says whether this is the seal of what was written.
    pub fn holds(self, seal: &[u8]) -> bool {
        let code = self.whole();
        code.is_some_and(|code| code.verify_slice(seal).is_ok())
    }

    fn whole(mut self) -> Option<Hmac<Sha256>> {
        if self.length > 0 {
            self.end_piece();
        }
        self.code
    }

    fn end_piece(&mut self) {
        let digest = std::mem::take(&mut self.piece).finalize();
        if let Some(code) = &mut self.code {
            code.update(&digest);
        }
        self.length = 0;
    }
}

impl io::Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(PIECE - self.length);
        self.piece.update(&bytes[..length]);
        self.length += length;
        if self.length == PIECE {
            self.end_piece();
        }
        Ok(length)
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
        // RFC 4231 has no key of 32 bytes. This is
        // `(printf 'a\0'; printf bc | openssl dgst -sha256 -binary) |
        //   openssl dgst -sha256 -mac HMAC -macopt hexkey:0101...01`.
        let seal = Seal { key: [1; LENGTH] };
        let made = seal.of("a", b"bc");
        assert_eq!(
            hex::encode(made),
            "bc75da55be78c5501693a3400a7f4e9a34bfdcf305e2cb604a6fcf15b1074ee6"
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
        // Each piece counts, and where it is.
        let mut long = vec![0; 2 * PIECE + 1];
        let made_of_long = seal.of("a", &long);
        for place in [0, PIECE - 1, PIECE, 2 * PIECE] {
            long[place] = 1;
            assert!(!seal.holds("a", &long, &made_of_long), "{place}");
            long[place] = 0;
        }
        assert!(seal.holds("a", &long, &made_of_long));
        // It is the same made while the bytes pass, however they come.
        for step in [PIECE - 1, PIECE + 1, long.len()] {
            let mut sealing = seal.begin("a");
            for some in long.chunks(step) {
                sealing.write_all(some).unwrap();
            }
            assert_eq!(sealing.finish(), made_of_long, "{step}");
        }
        assert!(seal.begin("a").holds(&seal.of("a", b"")));
        assert!(!seal.holds("a", &long[1..], &made_of_long));
        long[0] = 1;
        let first = seal.of("a", &long);
        long.rotate_right(PIECE);
        assert!(!seal.holds("a", &long, &first));
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
