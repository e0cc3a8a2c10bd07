//! Archives of root hashes that a build service signs, and of the signatures that it gives back.
//!
//! ```text
//! hashes.cpio.rsasign       roothashes/NAME.roothash       a root hash, in 64 characters of hex
//! hashes.cpio.rsasign.sig   roothashes/NAME.roothash.sig   its signature, in PKCS#1 v1.5
//! ```
//!
//! Both are cpio of the kind "newc". The Open Build Service signs each regular file of the first, under
//! whatever name it has; the names are those that mkosi gives them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use cpio::newc::{ModeFileType, trailer};
use cpio::{NewcBuilder, NewcReader};

use crate::{Digest, Error, signed_text};

/// Longest archive of signatures in bytes.
pub const MAX_ARCHIVE: u64 = 16 << 20;
/// Most signatures that one archive may have.
pub const MOST_SIGNATURES: usize = 16_384;
/// Longest signature in bytes; those of RSA have 512 and less.
const MAX_SIGNATURE: u32 = 4096;

/// Where hashes and signatures are in an archive.
const DIRECTORY: &str = "roothashes";
/// What a root hash is called.
const HASH: &str = ".roothash";
/// What its signature is called.
const SIGNATURE: &str = ".roothash.sig";

/// Returns an archive of root hashes, each under the name of its image without `.raw`.
///
/// # Errors
/// [`Error::Io`]: never; what is written stays in memory.
pub fn of_hashes(roots: &BTreeMap<String, Digest>) -> Result<Vec<u8>, Error> {
    let mut archive = Vec::new();
    for (number, (name, root)) in (1..).zip(roots) {
        let text = signed_text(root);
        let file = NewcBuilder::new(&format!("{DIRECTORY}/{name}{HASH}"))
            .ino(number)
            .mode(0o644)
            .set_mode_file_type(ModeFileType::Regular);
        let mut file = file.write(archive, text.len() as u32);
        file.write_all(text.as_bytes())?;
        archive = file.finish()?;
    }
    Ok(trailer(archive)?)
}

/// Reads an archive of signatures: each under the name of its image, without `.raw`.
///
/// # Errors
/// [`Error::Archive`]: it is damaged, or has something other than signatures of root hashes.
pub fn read_signatures(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let refused = |text: String| Error::Archive(text);
    if archive.len() as u64 > MAX_ARCHIVE {
        return Err(refused(format!("has more than {MAX_ARCHIVE} bytes")));
    }
    let damaged = |error: std::io::Error| Error::Archive(format!("is damaged: {error}"));
    let mut found = BTreeMap::new();
    let mut rest = archive;
    loop {
        let mut file = NewcReader::new(rest).map_err(damaged)?;
        let entry = file.entry();
        if entry.is_trailer() {
            return Ok(found);
        }
        let name = entry.name().to_owned();
        let is_regular = entry.mode() & 0o170_000 == u32::from(ModeFileType::Regular);
        let image = name_of(&name).filter(|_| is_regular);
        let image = image.ok_or_else(|| {
            refused(format!(
                "has {name:?}, which is not the signature of a root hash: those are {DIRECTORY}/NAME{SIGNATURE}"
            ))
        })?;
        let length = entry.file_size();
        if length > MAX_SIGNATURE {
            let text = format!(
                "has {name:?} with {length} bytes; a signature has {MAX_SIGNATURE} at most"
            );
            return Err(refused(text));
        }
        if found.len() == MOST_SIGNATURES {
            return Err(refused(format!(
                "has more than {MOST_SIGNATURES} signatures"
            )));
        }
        let mut signature = Vec::new();
        file.read_to_end(&mut signature).map_err(damaged)?;
        if signature.len() != length as usize {
            return Err(refused(format!("is damaged: it ends within {name:?}")));
        }
        if found.insert(image.to_owned(), signature).is_some() {
            return Err(refused(format!("has two signatures for {image}")));
        }
        rest = file.finish().map_err(damaged)?;
    }
}

/// Returns the name of the image that a file of an archive is the signature of.
fn name_of(path: &str) -> Option<&str> {
    let path = path.strip_prefix("./").unwrap_or(path);
    // Who packs the directory in which mkosi collects hashes has its name in front.
    let path = path.strip_prefix("hashes/").unwrap_or(path);
    let name = path.strip_prefix(DIRECTORY)?.strip_prefix('/')?;
    let name = name.strip_suffix(SIGNATURE)?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let files = files
            .iter()
            .fold(Vec::new(), |archive, (name, mode, bytes)| {
                let file = NewcBuilder::new(name).mode(*mode);
                let mut file = file.write(archive, bytes.len() as u32);
                file.write_all(bytes).unwrap();
                file.finish().unwrap()
            });
        trailer(files).unwrap()
    }

    const FILE: u32 = 0o100_644;

    #[test]
    fn hashes_are_the_text_that_is_signed() {
        let roots = [("b-1", [1; 32]), ("a-1", [0xfe; 32])];
        let roots = roots.map(|(name, root)| (name.to_owned(), root)).into();
        let text = |byte: &str| byte.repeat(32).into_bytes();
        let expected = [
            ("roothashes/a-1.roothash", text("fe")),
            ("roothashes/b-1.roothash", text("01")),
        ];
        let bytes = of_hashes(&roots).unwrap();
        let mut rest = &bytes[..];
        for (name, text) in expected {
            let mut file = NewcReader::new(rest).unwrap();
            // The service signs nothing but regular files.
            assert_eq!((file.entry().name(), file.entry().mode()), (name, FILE));
            let mut found = Vec::new();
            file.read_to_end(&mut found).unwrap();
            assert_eq!(found, text);
            rest = file.finish().unwrap();
        }
        assert!(NewcReader::new(rest).unwrap().entry().is_trailer());
    }

    #[test]
    fn signatures_are_read_wherever_mkosi_and_others_put_them() {
        let bytes = archive(&[
            ("roothashes/a-1.roothash.sig", FILE, b"one"),
            ("./hashes/roothashes/b-1.roothash.sig", FILE, b"other"),
        ]);
        let expected = [("a-1", &b"one"[..]), ("b-1", b"other")];
        let expected = expected.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        assert_eq!(read_signatures(&bytes).unwrap(), expected.into());
        assert_eq!(read_signatures(&archive(&[])).unwrap(), BTreeMap::new());
    }

    #[test]
    fn hostile_archives_are_refused() {
        const GOOD: &str = "roothashes/a.roothash.sig";
        let whole = archive(&[(GOOD, FILE, b"a signature")]);
        let claims = |at: usize, number: &[u8; 8]| {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(number);
            bytes
        };
        let short = vec![0; 4097];
        for (bytes, expected) in [
            (vec![], "is damaged"),
            (b"070707".to_vec(), "is damaged"),
            (whole[..whole.len() - 124].to_vec(), "is damaged"),
            (
                whole[..140].to_vec(),
                "it ends within \"roothashes/a.roothash.sig\"",
            ),
            // The length of a file, and of a name.
            (claims(54, b"ffffffff"), "with 4294967295 bytes"),
            (claims(54, b"00001000"), "is damaged: it ends within"),
            (claims(94, b"ffffffff"), "is damaged"),
            (claims(94, b"00000000"), "is damaged"),
            (claims(54, b"-0000001"), "is damaged"),
            (archive(&[(GOOD, FILE, &short)]), "with 4097 bytes"),
            (
                archive(&[(GOOD, 0o120_777, b"/etc/passwd")]),
                "is not the signature",
            ),
            (
                archive(&[("roothashes", 0o40_755, b"")]),
                "is not the signature",
            ),
            (
                archive(&[("ukis/a.efi.sig", FILE, b"x")]),
                "\"ukis/a.efi.sig\", which is not",
            ),
            (
                archive(&[("roothashes/a.roothash", FILE, b"x")]),
                "is not the signature",
            ),
            (
                archive(&[("roothashes/../a.roothash.sig", FILE, b"x")]),
                "is not the signature",
            ),
            (
                archive(&[("roothashes/.roothash.sig", FILE, b"x")]),
                "is not the signature",
            ),
            (
                archive(&[
                    (GOOD, FILE, b"x"),
                    ("./roothashes/a.roothash.sig", FILE, b"y"),
                ]),
                "has two signatures for a",
            ),
        ] {
            let said = read_signatures(&bytes).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn archives_have_a_largest_size() {
        let of = |count: usize| {
            let names: Vec<_> = (0..count)
                .map(|number| format!("roothashes/{number}.roothash.sig"))
                .collect();
            let files = names.iter().map(|name| (&name[..], FILE, &b"x"[..]));
            archive(&files.collect::<Vec<_>>())
        };
        assert_eq!(read_signatures(&of(16_384)).unwrap().len(), 16_384);
        let said = read_signatures(&of(16_385)).unwrap_err().to_string();
        assert_eq!(said, "the archive has more than 16384 signatures");
        let at = "roothashes/a.roothash.sig";
        let most = vec![0; 4096];
        assert_eq!(
            read_signatures(&archive(&[(at, FILE, &most)])).unwrap()["a"],
            most
        );
        let mut long = of(1);
        long.resize(16 << 20, 0);
        assert_eq!(read_signatures(&long).unwrap().len(), 1);
        long.push(0);
        let said = read_signatures(&long).unwrap_err().to_string();
        assert_eq!(said, "the archive has more than 16777216 bytes");
    }
}
