//! What the tests of a store are made with; those with judges (`tests/judged`) use it, too.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use store::{
    Added, Error, Former, Listing, Publication, SignError, Signature, Signing, Store, Temporary,
};

/// A directory that goes with the value.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sysext-store-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.0).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    /// Every name, with the bytes of a file, and nothing for anything else.
    pub(crate) fn content(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        content(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn content(dir: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut content = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let is_file = entry.file_type().unwrap().is_file();
        let bytes = is_file.then(|| fs::read(entry.path()).unwrap());
        content.insert(entry.file_name().into_string().unwrap(), bytes);
    }
    content
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A manifest of the extension `name`.
pub(crate) fn manifest(name: &str) -> Vec<u8> {
    gzip(format!(r#"{{"manifest_version":1,"config":{{"name":"{name}"}}}}"#).as_bytes())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Fills a temporary file.
pub(crate) fn filled(
    mut temporary: Temporary,
    name: String,
    bytes: &[u8],
) -> (String, Temporary, [u8; 32]) {
    temporary.write_all(bytes).unwrap();
    (name, temporary, sha256(bytes))
}

/// `bytes` as the image `<stem>.raw` of the extension `name`.
pub(crate) fn publication(
    store: &Store,
    name: &str,
    stem: &str,
    bytes: &[u8],
    replace: bool,
) -> Publication {
    let temporary = || store.temporary().unwrap();
    Publication {
        name: name.to_owned(),
        image: filled(temporary(), format!("{stem}.raw"), bytes),
        manifest: filled(temporary(), format!("{stem}.manifest.gz"), &manifest(name)),
        attached: Vec::new(),
        replace,
        allow_older: false,
    }
}

pub(crate) fn add(store: &Store, name: &str, stem: &str, bytes: &[u8]) -> Result<Added, Error> {
    store.add(
        publication(store, name, stem, bytes, false),
        Listing::default(),
    )
}

/// Stands in for a signature: it shows which list it is of.
pub(crate) fn sign(list: &[u8]) -> Result<Vec<u8>, SignError> {
    Ok(format!("signature of {}", hex(list)).into_bytes())
}

/// The key that signs as [`sign`] does.
pub(crate) const KEY: &str = "owner";

/// Stands in for a signature by another key.
pub(crate) fn sign_by(key: &str, list: &[u8]) -> Vec<u8> {
    format!("signature by {key} of {}", hex(list)).into_bytes()
}

/// What a signature says in these tests: published keys are words, and only they and the owner's
/// are known.
pub(crate) fn examine(former: &Former<'_>) -> Signature {
    let published: Vec<_> = String::from_utf8_lossy(former.keys.unwrap_or_default())
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let is_by = |key: &str| former.signature == Some(&sign_by(key, former.list));
    let by = if former.signature == Some(&sign(former.list).unwrap()) {
        Ok(KEY.to_owned())
    } else if let Some(key) = published.iter().find(|key| is_by(key)) {
        Ok(key.clone())
    } else {
        Err("does not fit".to_owned())
    };
    Signature { by, published }
}

/// The owner of the store.
pub(crate) fn signing<'a>() -> Signing<'a> {
    Signing {
        sign: Box::new(sign),
        examine: Box::new(examine),
        key: KEY.to_owned(),
        time: 0,
        new_key: false,
        last: Box::new(|_| None),
        restored: false,
        issued: Box::new(|_| {}),
    }
}

/// How the owner publishes a list.
pub(crate) fn signed<'a>() -> Listing<'a> {
    Listing {
        signing: Some(signing()),
        ..Listing::default()
    }
}
