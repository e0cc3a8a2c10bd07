//! What signs a list, and the public keys that are published with it.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::SecretFile;
use openpgp::{Error, Keyring, MAX_SECRET_KEY, SigningKey};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::{Former, Issued, KEYRING, SIGNATURE, Serial, SignError, Signature, Signing, Store};

use super::gpg;
use super::memory::{Memory, Notes};
use super::passphrase::PassphraseSource;

use crate::findings::{Finding, kinds};
use crate::packages::trust;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};

/// A store reads as much of its published keys as a keyring may have.
const _: () = assert!(store::MAX_KEYRING_SIZE == openpgp::MAX_KEYRING);

/// What signs, as the user named it.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file with a secret key, and where its passphrase is.
    File(PathBuf, PassphraseSource),
    /// A key that gpg has, and the environment that gpg gets.
    Gpg(String, gpg::Environment),
}

/// What the user said about the signature of a list.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What signs, if anything was named.
    pub key: Option<KeySource>,
    /// Another key may have signed before.
    pub new_key: bool,
    /// What was signed last.
    pub memory: Memory,
    /// The time of a signature that is made, in seconds since 1970: `SOURCE_DATE_EPOCH`, else now.
    pub time: u64,
    /// The time by which signatures and days are checked: that of the clock.
    pub now: u64,
}

/// What signs, ready to do so.
#[derive(Debug)]
pub struct Signer {
    how: How,
    new_key: bool,
    memory: Memory,
    notes: RefCell<Notes>,
    /// A list was signed since the last change of a store ended.
    has_signed: Cell<bool>,
    /// What could not be remembered.
    forgotten: RefCell<Vec<Failure>>,
    /// The list that is there was put back on purpose.
    pub restored: bool,
    /// The time of each signature, in seconds since 1970.
    time: u64,
    /// The time of checks.
    now: u64,
    /// What is worth a word about the key.
    pub findings: Vec<Finding>,
}

#[derive(Debug)]
enum How {
    Key(Box<SigningKey>),
    Gpg(gpg::Key),
}

impl Signer {
    /// Opens the key, if one was named. May ask for a passphrase.
    pub fn open(settings: &Settings) -> Result<Option<Self>> {
        let (how, findings) = match &settings.key {
            None => return Ok(None),
            Some(KeySource::File(path, passphrase)) => {
                let (key, findings) = read_key(path, passphrase, settings)?;
                (How::Key(Box::new(key)), findings)
            }
            Some(KeySource::Gpg(id, environment)) => {
                (How::Gpg(gpg::Key::find(id, environment)?), Vec::new())
            }
        };
        Ok(Some(Self {
            how,
            new_key: settings.new_key,
            memory: settings.memory.clone(),
            notes: RefCell::new(settings.memory.read()?),
            has_signed: Cell::default(),
            forgotten: RefCell::default(),
            restored: false,
            time: settings.time,
            now: settings.now,
            findings,
        }))
    }

    /// Opens it as [`open`](Self::open) does, unless the user would be asked for a passphrase: for
    /// who only looks.
    pub fn open_unasked(settings: &Settings) -> Result<Option<Self>> {
        match &settings.key {
            Some(KeySource::File(path, PassphraseSource::Terminal))
                if is_protected(path, settings)? =>
            {
                Ok(None)
            }
            _ => Self::open(settings),
        }
    }

    /// Returns what the store in `directory` calls to sign a list.
    pub fn signing<'a>(&'a self, directory: &'a Path) -> Signing<'a> {
        Signing {
            sign: Box::new(|list| self.sign(list)),
            examine: Box::new(|former| self.examine(former, directory)),
            key: self.fingerprint(),
            time: self.time,
            new_key: self.new_key,
            last: Box::new(|listed| self.last(directory, listed)),
            restored: self.restored,
            issued: Box::new(|issued| {
                let key = self.fingerprint();
                self.has_signed.set(true);
                self.notes.borrow_mut().keep(directory, issued, &key);
                if let Err(failure) = self.memory.keep(directory, issued, &key) {
                    self.forgotten.borrow_mut().push(failure);
                }
            }),
        }
    }

    /// Finds out by which key a list is signed: this one, or another that is published with it.
    ///
    /// Whoever can write to the store can publish a key beside it. So where it is remembered which key
    /// signed before, no other counts.
    fn examine(&self, former: &Former<'_>, directory: &Path) -> Signature {
        let notes = self.notes.borrow();
        let signer = notes.signer(directory, former.serial);
        let published = match former.keys {
            Some(bytes) => Keyring::parse(bytes, KEYRING),
            None => Ok(Keyring::default()),
        };
        let by = match (&published, former.signature) {
            (Err(error), _) => Err(error.clone()),
            (_, None) => Err(Error::Malformed {
                origin: KEYRING.to_owned(),
                reason: "there is no signature".to_owned(),
            }),
            (Ok(published), Some(signature)) => {
                // Of this key nobody's copy counts but the one that signs.
                let own = self.public();
                let mut known = published.clone();
                known.remove(&self.fingerprint());
                if let Some(signer) = signer {
                    let others = known.keys().into_iter().map(|key| key.fingerprint);
                    for other in others.filter(|other| other != signer) {
                        known.remove(&other);
                    }
                }
                known.extend(own.clone());
                let verify = |keys: &Keyring| {
                    keys.verify_detached(former.list, signature, "the signature", self.now)
                        .map(|verified| verified.fingerprint)
                };
                verify(&own).or_else(|_| verify(&known))
            }
        };
        let keys = published.unwrap_or_default().keys();
        Signature {
            by: by.map_err(|error| error.to_string()),
            published: keys.into_iter().map(|key| key.fingerprint).collect(),
        }
    }

    /// Returns the last list that was signed in a directory, or else of a store, as far as that is
    /// remembered.
    pub fn last(&self, directory: &Path, listed: Option<&Serial>) -> Option<Issued> {
        self.notes.borrow().last(directory, listed)
    }

    /// Whether there is somewhere to remember what is signed.
    pub fn remembers(&self) -> bool {
        self.memory.has_directory()
    }

    /// Returns the public part of the key.
    pub fn public(&self) -> Keyring {
        match &self.how {
            How::Key(key) => key.public(),
            How::Gpg(key) => key.public.clone(),
        }
    }

    /// Returns the fingerprint of the key in upper-case hex, by which people compare it.
    pub fn fingerprint(&self) -> String {
        match &self.how {
            How::Key(key) => key.fingerprint(),
            How::Gpg(key) => key.fingerprint.clone(),
        }
    }

    /// Signs the bytes of a list.
    fn sign(&self, list: &[u8]) -> std::result::Result<Vec<u8>, SignError> {
        match &self.how {
            How::Key(key) => Ok(key.sign(list, self.time)?),
            How::Gpg(key) => key.sign(list, self.time),
        }
    }

    /// Ends a change of a store: puts the public key beside the list, where its copy there is
    /// another or missing, and says by which key the list was signed, if it was, and what could not
    /// be remembered.
    pub fn conclude(&self, store: &Store, report: &Report) -> Result<()> {
        self.publish_keys(store, &KeyChanges::default())?;
        if self.has_signed.take() {
            let path = store.dir().join(SIGNATURE);
            let text = format!("{}  by key {}", path.display(), self.fingerprint());
            report.stage("sign", &text);
        }
        self.say_forgotten(report);
        Ok(())
    }

    /// Says what could not be remembered.
    pub fn say_forgotten(&self, report: &Report) {
        for failure in self.forgotten.take() {
            let text = format!(
                "{:#}; an older list that is put back will not be noticed here",
                failure.source
            );
            report.note(&Finding::new(&kinds::NOT_REMEMBERED, text));
        }
    }

    /// Puts the public keys beside the store's list.
    pub fn publish_keys(&self, store: &Store, changes: &KeyChanges) -> Result<()> {
        let keys = self.keys_for(store, changes)?;
        store::replace_file(&store.dir().join(KEYRING), &keys.to_binary())
            .map_err(store_failure)
            .map(|_| ())
    }

    /// Returns the public keys that belong beside the list of a store. Other keys that are there
    /// stay, unless one is to go: a store passes from one key to the next with both at hand.
    pub fn keys_for(&self, store: &Store, changes: &KeyChanges) -> Result<Keyring> {
        let own = self.fingerprint();
        let mut keys = published_keys(store)?.unwrap_or_default();
        for dropped in &changes.drop {
            let published: Vec<_> = keys.keys().into_iter().map(|key| key.fingerprint).collect();
            let dropped = dropped.as_str();
            if dropped == own {
                let text = anyhow!("key {dropped} can't go: it is the one that signs");
                return Err(Failure::refused(text)
                    .hint("sign with the next key first: --sign-key NEXT --new-key"));
            }
            if !published.iter().any(|key| key == dropped) {
                let path = store.dir().join(KEYRING);
                let text = anyhow!("{} has no key {dropped}", path.display());
                let hint = format!("it has {}", published.join(", "));
                return Err(Failure::refused(text).hint(hint));
            }
            keys.remove(dropped);
        }
        keys.remove(&own);
        keys.extend(changes.add.clone());
        keys.extend(self.public());
        Ok(keys)
    }
}

/// What changes among the keys that are published with a list.
#[derive(Debug, Default)]
pub struct KeyChanges {
    /// Public keys to come, such as the one that is to sign next.
    pub add: Keyring,
    /// Fingerprints of keys to go, in upper-case hex.
    pub drop: Vec<String>,
}

impl KeyChanges {
    /// Reads the keys to come, and the fingerprints of those to go, which may have spaces in them.
    pub fn read(add: &[PathBuf], drop: &[String]) -> Result<Self> {
        let fingerprint = |text: &String| {
            let digits: String = text.chars().filter(|c| *c != ' ').collect();
            let is_whole = matches!(digits.len(), 40 | 64);
            if is_whole && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Ok(digits.to_ascii_uppercase());
            }
            let text = format!("--drop-key {text}: a fingerprint has 40 or 64 hex digits");
            Err(Failure::usage(text).hint("sysext-build store verify shows the keys of a store"))
        };
        Ok(Self {
            add: trust::keyring(add)?,
            drop: drop.iter().map(fingerprint).collect::<Result<_>>()?,
        })
    }
}

/// Reads the public keys that are published with a store's list; `None` if there are none.
pub fn published_keys(store: &Store) -> Result<Option<Keyring>> {
    let path = store.dir().join(KEYRING);
    let bytes = store.published_keys().map_err(store_failure)?;
    let parse = |bytes: Vec<u8>| Keyring::parse(&bytes, &path.display().to_string());
    bytes.map(parse).transpose().map_err(|error| {
        Failure::refused(error).hint(format!("remove {} if it is not a keyring", path.display()))
    })
}

/// Sees to it that no core dump has the key or the passphrase in it. A limit of 1 byte is the one
/// that keeps a dump from programs that take dumps, too; one of 0 only keeps it from files. That the
/// process as such can't be dumped would hide its own `/proc/self/fd` from it, by which files get
/// their names.
pub(super) fn forbid_core_dumps() -> rustix::io::Result<()> {
    let limit = getrlimit(Resource::Core);
    let current = Some(limit.maximum.map_or(1, |maximum| maximum.min(1)));
    setrlimit(Resource::Core, Rlimit { current, ..limit })
}

/// Says whether a key can't be used without a passphrase.
fn is_protected(path: &Path, settings: &Settings) -> Result<bool> {
    forbid_core_dumps().map_err(|error| Failure::io("forbidding core dumps", error))?;
    let bytes = SecretFile::open(path)?.read_whole(MAX_SECRET_KEY)?;
    let key = SigningKey::parse(&bytes, &path.display().to_string(), None, settings.time);
    Ok(matches!(key, Err(Error::PassphraseNeeded { .. })))
}

/// Says whether others can use the secret key in a file.
pub(super) fn usable_by_others(file: &SecretFile, origin: &str) -> Option<Finding> {
    let mode = file.mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let text =
            format!("{origin} has mode {mode:04o}, so others can use the key; run chmod 600 on it");
        Finding::new(&kinds::KEY_FILE_MODE, text)
    })
}

/// Reads a secret key, and says what is wrong with its file.
fn read_key(
    path: &Path,
    passphrase: &PassphraseSource,
    settings: &Settings,
) -> Result<(SigningKey, Vec<Finding>)> {
    forbid_core_dumps().map_err(|error| Failure::io("forbidding core dumps", error))?;
    let origin = path.display().to_string();
    let file = SecretFile::open(path)?;
    let findings = Vec::from_iter(usable_by_others(&file, &origin));
    let bytes = file.read_whole(MAX_SECRET_KEY)?;
    let parse = |passphrase| SigningKey::parse(&bytes, &origin, passphrase, settings.time);
    let key = match parse(None) {
        Err(Error::PassphraseNeeded { .. }) => parse(Some(&*passphrase.ask(&origin)?)),
        other => other,
    };
    let key = key.map_err(|error| match &error {
        Error::WrongPassphrase { .. } => Failure::refused(error),
        Error::NoSigningKey { reason, .. } if reason.contains("after the signature") => {
            let hint = match settings.time == settings.now {
                true => "the key is from the future: set the clock, or make the key again",
                false => "SOURCE_DATE_EPOCH is earlier than the key",
            };
            Failure::refused(error).hint(hint)
        }
        Error::NoSigningKey { reason, .. } if reason.contains(" expired on ") => {
            Failure::refused(error)
                .hint("extend it, and export it again: gpg --quick-set-expire FINGERPRINT 2y")
                .hint("clients need the extended public key, too")
        }
        Error::NoSigningKey { reason, .. } if reason.contains("is revoked") => {
            Failure::refused(error).hint("sign with another key, and say so with --new-key")
        }
        _ => Failure::refused(error)
            .hint("to export a secret key: gpg --export-secret-keys KEY > FILE"),
    })?;
    Ok((key, findings))
}

#[cfg(test)]
pub mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::words::scratch::Scratch;

    pub const SECRET: &[u8] = include_bytes!("../../../fixtures/keys/test.secret.asc");
    const PUBLIC: &[u8] = include_bytes!("../../../fixtures/keys/test.public.asc");
    const OTHERS: &[u8] = include_bytes!("../../../fixtures/keys/version6.public.asc");
    /// The signature of `data` by that other key.
    const OTHERS_SIGNATURE: &[u8] = include_bytes!("../../../fixtures/keys/version6.signature.asc");
    const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
    /// A time at which the key could sign.
    pub const TIME: u64 = 1_700_000_001;

    pub fn key(scratch: &Scratch, bytes: &[u8], mode: u32) -> KeySource {
        let path = scratch.write("secret.asc", bytes);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        KeySource::File(path, PassphraseSource::Terminal)
    }

    /// A key that signs at a time, on a machine whose clock is a second later.
    pub fn settings(key: Option<&KeySource>, time: u64) -> Settings {
        Settings {
            key: key.cloned(),
            new_key: false,
            memory: Memory::default(),
            time,
            now: time + 1,
        }
    }

    fn signer(key: &KeySource, time: u64) -> Result<Signer> {
        Signer::open(&settings(Some(key), time)).map(Option::unwrap)
    }

    #[test]
    fn who_else_may_use_a_key() {
        let scratch = Scratch::new();
        for (mode, said) in [
            (0o600, None),
            (0o400, None),
            (0o700, None),
            (
                0o640,
                Some("has mode 0640, so others can use the key; run chmod 600 on it"),
            ),
            (
                0o604,
                Some("has mode 0604, so others can use the key; run chmod 600 on it"),
            ),
            (
                0o620,
                Some("has mode 0620, so others can use the key; run chmod 600 on it"),
            ),
        ] {
            let signer = signer(&key(&scratch, SECRET, mode), TIME).unwrap();
            assert_eq!(signer.fingerprint(), FINGERPRINT);
            let found: Vec<_> = signer.findings.iter().map(|one| one.kind.id).collect();
            let expected: Vec<_> = said.iter().map(|_| "key-file-mode").collect();
            assert_eq!(found, expected, "{mode:o}");
            let ends = |text: &str| signer.findings.iter().all(|one| one.text.ends_with(text));
            assert!(said.is_none_or(ends), "{mode:o} {:?}", signer.findings);
        }
    }

    #[test]
    fn what_is_not_a_key_to_sign_with() {
        let scratch = Scratch::new();
        let how = "to export a secret key: gpg --export-secret-keys KEY > FILE";
        for (bytes, time, hint) in [
            (
                SECRET,
                1_000_000_000,
                "SOURCE_DATE_EPOCH is earlier than the key",
            ),
            (PUBLIC, TIME, how),
            (&b"no key"[..], TIME, how),
        ] {
            let failure = signer(&key(&scratch, bytes, 0o600), time).unwrap_err();
            assert_eq!(failure.hints, [hint]);
        }
        let nowhere = KeySource::File(scratch.path().join("none"), PassphraseSource::Terminal);
        let failure = signer(&nowhere, TIME).unwrap_err();
        assert!(format!("{:#}", failure.source).starts_with("reading /"));
    }

    #[test]
    fn no_core_dump_has_the_key() {
        let scratch = Scratch::new();
        let before = getrlimit(Resource::Core);
        // Where the limit is 0 already, a program may still get the dump.
        let current = before.maximum;
        setrlimit(Resource::Core, Rlimit { current, ..before }).unwrap();
        signer(&key(&scratch, SECRET, 0o600), TIME).unwrap();
        let limit = getrlimit(Resource::Core).current;
        assert!(matches!(limit, Some(0 | 1)), "{limit:?}");
        assert_ne!((limit, before.maximum), (Some(0), None));
    }

    #[test]
    fn the_keys_beside_a_list() {
        let scratch = Scratch::new();
        let signer = signer(&key(&scratch, SECRET, 0o600), TIME).unwrap();
        let own = Keyring::parse(PUBLIC, "").unwrap();
        let others = Keyring::parse(OTHERS, "").unwrap();
        let mut both = others.clone();
        both.extend(own.clone());
        for (before, expected) in [
            (None, own.to_binary()),
            (Some(PUBLIC.to_vec()), own.to_binary()),
            // The key that signed before stays, so that clients can follow.
            (Some(OTHERS.to_vec()), both.to_binary()),
            (Some(both.to_binary()), both.to_binary()),
        ] {
            let store = Scratch::new();
            if let Some(before) = before {
                store.write(KEYRING, &before);
            }
            let opened = Store::open(store.path()).unwrap();
            signer
                .publish_keys(&opened, &KeyChanges::default())
                .unwrap();
            assert_eq!(fs::read(store.path().join(KEYRING)).unwrap(), expected);
        }
        let store = Scratch::new();
        let file = store.write(KEYRING, b"no keys");
        let opened = Store::open(store.path()).unwrap();
        let failure = signer
            .keys_for(&opened, &KeyChanges::default())
            .unwrap_err();
        assert_eq!(
            failure.hints,
            [format!("remove {} if it is not a keyring", file.display())]
        );
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(signer.keys_for(&opened, &KeyChanges::default()).is_err());
        // What a link leads to is published by nobody.
        fs::remove_dir(&file).unwrap();
        std::os::unix::fs::symlink(scratch.write("public", PUBLIC), &file).unwrap();
        assert!(signer.keys_for(&opened, &KeyChanges::default()).is_err());
    }

    #[test]
    fn keys_that_come_and_go() {
        let scratch = Scratch::new();
        let signer = signer(&key(&scratch, SECRET, 0o600), TIME).unwrap();
        let others = scratch.write("others", OTHERS);
        let other = Keyring::parse(OTHERS, "").unwrap().keys()[0]
            .fingerprint
            .clone();
        let store = Scratch::new();
        let opened = Store::open(store.path()).unwrap();
        let change = |add: &[PathBuf], drop: &[&str]| -> Result<Vec<String>> {
            let drop: Vec<_> = drop.iter().map(|text| (*text).to_owned()).collect();
            signer.publish_keys(&opened, &KeyChanges::read(add, &drop)?)?;
            let keys = published_keys(&opened)?.unwrap().keys();
            Ok(keys.into_iter().map(|key| key.fingerprint).collect())
        };
        let both = vec![other.clone(), FINGERPRINT.to_owned()];
        assert_eq!(change(std::slice::from_ref(&others), &[]).unwrap(), both);
        // As gpg prints it, and as people type it.
        let mut spaced = other.to_lowercase();
        spaced.insert(4, ' ');
        for (drop, expected) in [
            (FINGERPRINT, "can't go: it is the one that signs"),
            (
                "041D5F411DB434BC5D0E51E16879D6EAB0EEF13F",
                "has no key 041D5F41",
            ),
            ("B0EEF13E", "a fingerprint has 40 or 64 hex digits"),
            (
                "x41D5F411DB434BC5D0E51E16879D6EAB0EEF13E",
                "has 40 or 64 hex",
            ),
        ] {
            let failure = change(&[], &[drop]).unwrap_err();
            let text = failure.source.to_string();
            assert!(text.contains(expected), "{drop}: {text}");
            assert_eq!(change(&[], &[]).unwrap(), both);
        }
        assert_eq!(change(&[], &[&spaced]).unwrap(), [FINGERPRINT]);
        // What has gone can't go again.
        assert!(change(&[], &[&other]).is_err());
    }

    #[test]
    fn a_signature_is_by_the_key_and_of_the_time() {
        let scratch = Scratch::new();
        let signer = signer(&key(&scratch, SECRET, 0o600), TIME).unwrap();
        let mut signing = signer.signing(scratch.path());
        let signature = (signing.sign)(b"list").unwrap();
        let keys = Keyring::parse(PUBLIC, "").unwrap();
        let verified = keys.verify_detached(b"list", &signature, "", 0).unwrap();
        assert_eq!(
            (&*verified.fingerprint, verified.created),
            (FINGERPRINT, TIME)
        );
        assert_eq!((&*signing.key, signing.new_key), (FINGERPRINT, false));

        // Whatever else is published, the key's own signature is known by its own copy of it.
        let invalid = |by: &std::result::Result<String, String>| by.clone().map_err(|_| ());
        for (list, signature, keys, expected) in [
            (&b"list"[..], Some(&*signature), None, Ok(FINGERPRINT)),
            (b"list", Some(&signature), Some(PUBLIC), Ok(FINGERPRINT)),
            (b"list", Some(&signature), Some(OTHERS), Ok(FINGERPRINT)),
            (b"list", Some(&signature), Some(b"no keys"), Err(())),
            (b"another", Some(&signature), Some(PUBLIC), Err(())),
            (b"list", Some(b"garbage"), Some(PUBLIC), Err(())),
            (b"list", None, Some(PUBLIC), Err(())),
            // Of another key only what is published counts.
            (b"data", Some(OTHERS_SIGNATURE), None, Err(())),
        ] {
            let found = (signing.examine)(&Former {
                list,
                serial: None,
                signature,
                keys,
            });
            let expected = expected.map(str::to_owned);
            assert_eq!(invalid(&found.by), expected, "{list:?} {:?}", found.by);
            let count = usize::from(keys.is_some_and(|keys| keys != b"no keys"));
            assert_eq!(found.published.len(), count);
        }
        let others = (signing.examine)(&Former {
            list: b"data",
            serial: None,
            signature: Some(OTHERS_SIGNATURE),
            keys: Some(OTHERS),
        });
        assert_eq!(others.by, Ok(others.published[0].clone()));
    }

    #[test]
    fn keys_up_to_a_limit() {
        let scratch = Scratch::new();
        // A key of the largest size that is allowed.
        let mut large = SECRET.to_vec();
        large.resize(1 << 20, b'\n');
        signer(&key(&scratch, &large, 0o600), TIME).unwrap();
        large.push(b'\n');
        let failure = signer(&key(&scratch, &large, 0o600), TIME).unwrap_err();
        assert!(
            format!("{:#}", failure.source)
                .ends_with("has 1048577 bytes; at most 1048576 are allowed")
        );
    }
}
