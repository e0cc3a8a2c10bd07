//! Definitions packed for clients: `tar -x -C /`.
//!
//! The archive has the definitions below `etc/`, the directories that older clients do not make
//! themselves, and the keyring and certificates where systemd looks for them. Directories that a client has anyway,
//! such as `etc/`, are not in it, since unpacking would give them the archive's owner and mode. The
//! bytes depend on the definitions, what is trusted and the time alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write};

use tar::{Archive, Builder, EntryType, Header, HeaderMode};

use crate::definition::{Definition, defined_in};

/// Name of a binary file of public keys, in a store and in systemd's directories.
pub const KEYRING: &str = "import-pubring.gpg";

/// Most bytes of a file in an archive of definitions; ours have one thousand.
const MAX_FILE: u64 = 64 << 10;

/// Where systemd 256 and newer look for the certificates of what is signed inside.
const CERTIFICATES: &str = "etc/verity.d";

/// What a client is to trust.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    /// A binary OpenPGP keyring, of what signs lists.
    pub keyring: Option<Vec<u8>>,
    /// Certificates in PEM of what signs disk images, by their file names, which end in `.crt`.
    pub certificates: BTreeMap<String, String>,
}

/// Returns the file name that a certificate has on clients, by the hexadecimal digits of its SHA-256.
#[must_use]
pub fn certificate_name(fingerprint: &str) -> String {
    let start: String = fingerprint.chars().take(16).collect();
    format!("sysext-{start}.crt")
}

/// Writes an archive of `definitions`, in the order of their names, and of what clients are to
/// trust; `time` is that of all entries in seconds since 1970.
///
/// # Errors
/// What `out` reports.
pub fn write_tarball(
    definitions: &[Definition],
    trusted: &Trusted,
    time: u32,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut directories = BTreeSet::new();
    let mut files = BTreeMap::new();
    for definition in definitions {
        for directory in definition.client_directories() {
            directories.insert(directory.trim_start_matches('/').to_owned());
        }
        let directory = format!("etc/{}", definition.directory_name());
        for (name, text) in definition.files() {
            files.insert(format!("{directory}/{name}"), text.into_bytes());
        }
        directories.insert(directory);
    }
    if let Some(keyring) = &trusted.keyring {
        // Where systemd 254 and newer look for it; the newest also know another name.
        files.insert(format!("etc/systemd/{KEYRING}"), keyring.clone());
    }
    for (name, pem) in &trusted.certificates {
        directories.insert(CERTIFICATES.to_owned());
        files.insert(format!("{CERTIFICATES}/{name}"), pem.clone().into_bytes());
    }

    let mut archive = Builder::new(out);
    archive.mode(HeaderMode::Deterministic);
    for directory in directories {
        let mut header = header(EntryType::Directory, 0o755, 0, time);
        archive.append_data(&mut header, format!("{directory}/"), io::empty())?;
    }
    for (path, bytes) in files {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut header = header(EntryType::Regular, 0o644, size, time);
        archive.append_data(&mut header, path, bytes.as_slice())?;
    }
    archive.finish()
}

/// Reads back what [`write_tarball`] writes without what is trusted; the error completes "the archive …".
pub(crate) fn read_tarball(bytes: &[u8], time: u32) -> Result<Vec<Definition>, String> {
    let failed = |error: io::Error| format!("can't be read: {error}");
    let mut files = BTreeMap::new();
    // Raw: a long name is an entry of its own, and none of ours is long.
    for entry in Archive::new(bytes).entries().map_err(failed)?.raw(true) {
        let mut entry = entry.map_err(failed)?;
        // Others may say that a file is longer than the archive, with holes in it.
        let kind = entry.header().entry_type();
        if !matches!(kind, EntryType::Regular | EntryType::Directory) {
            return Err(format!("has an entry of the type {kind:?}"));
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut text = String::new();
        (&mut entry)
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
        files.insert(path, text);
    }
    let define = |path: &String| {
        let (directory, file) = path.strip_prefix("etc/")?.split_once('/')?;
        let name = defined_in(directory)?;
        if file != format!("{name}.transfer") {
            return None;
        }
        Definition::parse(name, &|file| files.get(&format!("etc/{directory}/{file}")))
    };
    let definitions: Vec<_> = files.keys().filter_map(define).collect();
    let mut again = Vec::new();
    write_tarball(&definitions, &Trusted::default(), time, &mut again).map_err(failed)?;
    match again == bytes {
        true => Ok(definitions),
        false => Err("is not what this version of sysext-build writes".to_owned()),
    }
}

fn header(kind: EntryType, mode: u32, size: u64, time: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(time.into());
    header.set_uid(0);
    header.set_gid(0);
    // Fails only for names that are too long.
    let _ = header.set_username("root");
    let _ = header.set_groupname("root");
    header
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::definition::{Delivery, StoreUrl};

    fn definitions(names: &[&str], per_name: bool) -> Vec<Definition> {
        let delivery = Delivery {
            url: StoreUrl::new("https://example.org/").unwrap(),
            per_name,
            ending: crate::Layout::Flat.pattern_ending(),
            verify: true,
            instances: 2,
        };
        let define = |name: &&str| Definition::new(name, &delivery).unwrap();
        names.iter().map(define).collect()
    }

    fn tarball(definitions: &[Definition], keyring: Option<&[u8]>, time: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let trusted = Trusted {
            keyring: keyring.map(<[u8]>::to_vec),
            ..Trusted::default()
        };
        write_tarball(definitions, &trusted, time, &mut bytes).unwrap();
        bytes
    }

    /// Mode, owner, time, size and path of every entry.
    fn listed(bytes: &[u8]) -> Vec<String> {
        let mut archive = Archive::new(bytes);
        let lines = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            format!(
                "{:o} {}:{} {} {} {}",
                header.mode().unwrap(),
                header.username().unwrap().unwrap(),
                header.uid().unwrap() + header.gid().unwrap(),
                header.mtime().unwrap(),
                entry.size(),
                entry.path().unwrap().display()
            )
        });
        lines.collect()
    }

    /// A file with holes takes no memory for them, nor does one that is larger than any definition.
    #[test]
    fn archives_that_say_more_than_they_have() {
        for (kind, size, expected) in [
            (EntryType::Regular, 1000, "is not what this version"),
            (EntryType::Regular, MAX_FILE + 1, "is not what this version"),
            (
                EntryType::GNUSparse,
                1 << 33,
                "has an entry of the type GNUSparse",
            ),
            (
                EntryType::GNULongName,
                1000,
                "has an entry of the type GNULongName",
            ),
            (EntryType::Symlink, 0, "has an entry of the type Symlink"),
        ] {
            let mut header = header(kind, 0o644, size.min(1 << 20), 0);
            header.set_path("etc/sysupdate.a.d/a.transfer").unwrap();
            header.set_cksum();
            let length = usize::try_from(size.min(1 << 20)).unwrap();
            let mut bytes = header.as_bytes().to_vec();
            bytes.resize(512 + length.next_multiple_of(512) + 1024, b' ');
            let end = bytes.len() - 1024;
            bytes[end..].fill(0);
            let problem = read_tarball(&bytes, 0).unwrap_err();
            assert!(problem.contains(expected), "{kind:?} {size}: {problem}");
        }
    }

    #[test]
    fn what_is_in_it() {
        let text = |name: &str, at: usize| {
            let files = definitions(&[name], true)[0].files();
            files[at].1.len()
        };
        let expected = [
            "755 root:0 7 0 etc/extensions/".to_owned(),
            "755 root:0 7 0 etc/sysupdate.a.d/".to_owned(),
            "755 root:0 7 0 etc/sysupdate.a-b.d/".to_owned(),
            "755 root:0 7 0 var/lib/sysext-store/".to_owned(),
            "755 root:0 7 0 var/lib/sysext-store/a/".to_owned(),
            "755 root:0 7 0 var/lib/sysext-store/a-b/".to_owned(),
            "644 root:0 7 3 etc/systemd/import-pubring.gpg".to_owned(),
            format!("644 root:0 7 {} etc/sysupdate.a.d/a.conf", text("a", 0)),
            format!("644 root:0 7 {} etc/sysupdate.a.d/a.feature", text("a", 1)),
            format!("644 root:0 7 {} etc/sysupdate.a.d/a.transfer", text("a", 2)),
        ];
        let found = listed(&tarball(&definitions(&["a-b", "a"], true), Some(b"key"), 7));
        for line in &expected {
            assert!(found.contains(line), "{line} is not in {found:#?}");
        }
        assert_eq!(found.len(), expected.len() + 3);
    }

    #[test]
    fn certificates_are_where_systemd_looks_for_them() {
        let trusted = Trusted {
            certificates: [("a.crt".to_owned(), "pem".to_owned())].into(),
            ..Trusted::default()
        };
        let mut bytes = Vec::new();
        write_tarball(&[], &trusted, 7, &mut bytes).unwrap();
        assert_eq!(
            listed(&bytes),
            [
                "755 root:0 7 0 etc/verity.d/",
                "644 root:0 7 3 etc/verity.d/a.crt"
            ]
        );
        assert_eq!(
            certificate_name(&"0123456789abcdef".repeat(4)),
            "sysext-0123456789abcdef.crt"
        );
    }

    #[test]
    fn a_directory_comes_before_what_is_in_it() {
        let found = listed(&tarball(&definitions(&["a"], false), None, 0));
        let paths: Vec<_> = found
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap())
            .collect();
        assert_eq!(
            paths,
            [
                "etc/extensions/",
                "etc/sysupdate.a.d/",
                "var/lib/sysext-store/",
                "etc/sysupdate.a.d/a.conf",
                "etc/sysupdate.a.d/a.feature",
                "etc/sysupdate.a.d/a.transfer",
            ]
        );
    }

    #[test]
    fn the_longest_name() {
        let name = "n".repeat(243);
        let bytes = tarball(&definitions(&[&name], true), None, 0);
        let mut archive = Archive::new(bytes.as_slice());
        let path = format!("etc/sysupdate.{name}.d/{name}.transfer");
        let found = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap())
            .find(|entry| entry.path_bytes() == path.as_bytes());
        let mut text = String::new();
        found.unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains(&format!("CurrentSymlink=/etc/extensions/{name}.raw")));
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        let two = definitions(&["a", "b"], true);
        let bytes = tarball(&two, None, 0);
        assert_eq!(read_tarball(&bytes, 0).unwrap(), two);
        let other = "is not what this version of sysext-build writes";
        for (bytes, expected) in [
            (tarball(&two, Some(b"key"), 0), other),
            (tarball(&two, None, 1), other),
            ([&bytes[..], &[0; 512]].concat(), other),
            (bytes[..2048].to_vec(), other),
            (b"no archive".to_vec(), "can't be read: "),
        ] {
            let problem = read_tarball(&bytes, 0).unwrap_err();
            assert!(problem.starts_with(expected), "{problem}");
        }
        let text = String::from_utf8(bytes).unwrap();
        let changed = text.replace("Verify=yes", "Verify=no ");
        assert_eq!(read_tarball(changed.as_bytes(), 0).unwrap_err(), other);
    }

    #[test]
    fn the_same_bytes_every_time() {
        let bytes = tarball(&definitions(&["strace"], false), Some(b"key"), 1);
        let digest = hex::encode(Sha256::digest(bytes));
        // If what is written was changed on purpose, this is the value to change, too.
        assert_eq!(
            digest,
            "d0d4e00a88f3d189064c262d6f82a26a0750014710978163bf1ac76b4b78d78a"
        );
    }
}
