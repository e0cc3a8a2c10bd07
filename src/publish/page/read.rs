//! From a store's directory to its index.
//!
//! What is listed there was put there by other hands as well. People copy commands off the page,
//! so that only files whose names mean nothing to a shell or in a URL are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::Links;
use image::squashfs;
use manifest::{Package, Summary};
use openpgp::Keyring;
use store::{KEYRING, ListedImage, Store};

use super::index::{Extension, Fits, Image, Index, PackageLine};
use crate::inspected;
use crate::publish::signing;
use crate::words::failure::{Failure, Result, store_failure};

/// An index, and what it leaves out.
#[derive(Debug)]
pub struct Reading {
    /// What the store holds.
    pub index: Index,
    /// Listed files that can't be shown, each with the reason.
    pub left_out: Vec<String>,
    /// Why the definitions of a list are not those that it vouches for, if they are not. Then no
    /// extension of that list has any.
    pub undefined: Option<store::Error>,
    /// The directories whose list is signed by a key that is published with it, and its fingerprint.
    pub signers: Vec<(PathBuf, String)>,
}

/// The images of an extension by its name and its directory in the store.
type Extensions = BTreeMap<(String, String), Vec<ListedImage>>;

/// Reads the store in `root`: one list for all images, or one in a directory for each extension.
pub fn read(root: &Path, title: &str, url: Option<String>) -> Result<Reading> {
    let mut index = Index::new(title.to_owned(), url);
    let mut left_out = Vec::new();
    let mut extensions = Extensions::new();
    let (mut defined, mut undefined) = (BTreeSet::new(), None);
    // Where each extension has a directory of its own, so may its keys be.
    let shared_keyring = keyring(root)?;
    index.keyring = shared_keyring.as_ref().map(|_| KEYRING.to_owned());
    let mut signers = Vec::new();
    for path in store::directories(root).map_err(store_failure)? {
        let directory = match path.strip_prefix(root).map(Path::to_str) {
            Ok(Some("")) => String::new(),
            Ok(Some(name)) => match store::check_name(name) {
                Ok(()) => format!("{name}/"),
                Err(problem) => {
                    left_out.push(format!("{}: the name {problem}", path.display()));
                    continue;
                }
            },
            _ => {
                left_out.push(format!("{}: the name is not UTF-8", path.display()));
                continue;
            }
        };
        let store = Store::open_for_reading(&path).map_err(store_failure)?;
        let list = store.list().map_err(store_failure)?;
        let images = list.images().map_err(store_failure)?;
        if images.is_empty() {
            continue;
        }
        let own_keyring = match directory.as_str() {
            "" => None,
            _ => keyring(&path)?,
        };
        if index.keyring.is_none() && own_keyring.is_some() {
            index.keyring = Some(format!("{directory}{KEYRING}"));
        }
        let keyring = shared_keyring.as_ref().or(own_keyring.as_ref());
        signers.push((path.clone(), signer(&store, list.bytes(), keyring)?));
        match list.definitions() {
            Ok(definitions) => defined.extend(
                (definitions.iter().flatten())
                    .map(|definition| (definition.name().to_owned(), directory.clone())),
            ),
            Err(error) => undefined = undefined.or(Some(error)),
        }
        for image in images {
            match refusal(&image) {
                Some(reason) => left_out.push(format!("{directory}{:?}: {reason}", image.file)),
                None => extensions
                    .entry((image.name().to_owned(), directory.clone()))
                    .or_default()
                    .push(image),
            }
        }
    }
    index.signed = is_signed(signers.iter().map(|(_, signer)| signer));
    let signers: Vec<_> = (signers.into_iter())
        .filter_map(|(path, signer)| match signer {
            Signer::Key(fingerprint) => Some((path, fingerprint)),
            Signer::Nobody | Signer::Unknown => None,
        })
        .collect();
    let keys: BTreeSet<_> = signers.iter().map(|(_, key)| key.clone()).collect();
    index.signing_keys = keys.into_iter().collect();
    let companions = without_companions(&mut extensions);
    for (key, listed) in extensions {
        let is_defined = defined.contains(&key);
        let mut extension = extension(root, key.0, key.1, &listed)?;
        add_companions(root, &mut extension, &companions, &mut left_out)?;
        extension.definitions =
            is_defined.then(|| format!("{}/", store::definitions_directory(&extension.name)));
        index.extensions.push(extension);
    }
    let images = index.extensions.iter().flat_map(|one| &one.images);
    let images = images.flat_map(|image| std::iter::once(image).chain(image.companion.as_deref()));
    let certificates: BTreeSet<_> = images.filter_map(|image| image.signed_by.clone()).collect();
    index.certificates = certificates.into_iter().collect();
    Ok(Reading {
        index,
        left_out,
        undefined,
        signers,
    })
}

/// Takes companions of extensions that are there out of the list.
fn without_companions(extensions: &mut Extensions) -> Extensions {
    let names: BTreeSet<_> = extensions.keys().cloned().collect();
    let is_companion = |(name, directory): &(String, String)| {
        let main = store::main_of(name);
        main.is_some_and(|main| names.contains(&(main.to_owned(), directory.clone())))
    };
    let companions = names.iter().filter(|key| is_companion(key));
    companions
        .filter_map(|key| extensions.remove_entry(key))
        .collect()
}

/// Puts each companion to its image, which has the same version.
fn add_companions(
    root: &Path,
    extension: &mut Extension,
    companions: &Extensions,
    left_out: &mut Vec<String>,
) -> Result<()> {
    let name = store::companion_of(&extension.name);
    let key = (name.clone(), extension.directory.clone());
    for listed in companions.get(&key).into_iter().flatten() {
        let rest = listed.file.strip_prefix(&name).unwrap_or_default();
        let main = format!("{}{rest}", extension.name);
        let Some(image) = extension.images.iter_mut().find(|image| image.file == main) else {
            let reason = format!("{main}, whose companion it is, is not there");
            left_out.push(format!(
                "{}{:?}: {reason}",
                extension.directory, listed.file
            ));
            continue;
        };
        let path = root.join(&extension.directory).join(&listed.file);
        image.companion = Some(Box::new(self::image(listed, &path)?));
    }
    Ok(())
}

const NOT_LISTED: &str = "its manifest can't be read, or is not the one that is listed";

/// Says why a listed image can't be shown.
fn refusal(image: &ListedImage) -> Option<String> {
    let name = image.name();
    // Other hands may have listed it.
    for name in [image.file.as_str(), name] {
        if let Err(problem) = store::check_name(name) {
            return Some(format!("the name {name:?} {problem}"));
        }
    }
    // Then nobody knows for sure what it is called.
    if image.manifest_file.is_some() && image.manifest.is_none() {
        return Some(NOT_LISTED.to_owned());
    }
    // Clients would never look for it under that name.
    (!image.file.starts_with(&format!("{name}-")))
        .then(|| format!("its manifest says that it belongs to the extension {name:?}"))
}

fn extension(
    root: &Path,
    name: String,
    directory: String,
    listed: &[ListedImage],
) -> Result<Extension> {
    let images = listed.iter().map(|image| {
        let path = root.join(&directory).join(&image.file);
        self::image(image, &path)
    });
    let mut images = images.collect::<Result<Vec<_>>>()?;
    // Over all architectures and systems; a stable sort keeps the order of the rest.
    images.sort_by(|a, b| store::order::systemd(&b.version, &a.version));
    let newest = images.first().map(|image| image.file.as_str());
    let summary = (listed
        .iter()
        .find(|image| Some(image.file.as_str()) == newest))
    .and_then(|image| image.manifest.as_ref())
    .and_then(|manifest| {
        let named = |package: &&Package| package.name == manifest.config.name;
        let mut packages = manifest.packages.iter();
        packages
            .clone()
            .find(named)
            .or(packages.next())?
            .summary
            .clone()
    });
    Ok(Extension {
        summary,
        definitions: None,
        name,
        directory,
        images,
    })
}

fn image(image: &ListedImage, path: &Path) -> Result<Image> {
    let bytes = image.bytes.ok_or_else(|| {
        Failure::refused(anyhow!("{} is listed but missing", path.display()))
            .hint("to see everything that is wrong: sysext-build store verify DIR")
    })?;
    let manifest = image.manifest.as_ref();
    let extension = |key: &str| manifest.and_then(|manifest| manifest.extension.get(key).cloned());
    let version = match image.version() {
        Some((version, _)) => version,
        None => version_in(&image.file, image.name()),
    };
    let packages = manifest.map(|manifest| manifest.packages.as_slice());
    Ok(Image {
        file: image.file.clone(),
        version: version.to_owned(),
        evr: (manifest.and_then(Summary::evr))
            .filter(|evr| *evr != version)
            .map(str::to_owned),
        built: built(path),
        architecture: manifest.and_then(|manifest| manifest.config.architecture.clone()),
        bytes,
        sha256: hex::encode(image.sha256),
        manifest: image.manifest_file.clone(),
        signed_by: manifest.and_then(signed_by),
        fits: Fits {
            id: extension("ID"),
            sysext_level: extension("SYSEXT_LEVEL"),
            version_id: extension("VERSION_ID"),
            sysext_scope: extension("SYSEXT_SCOPE"),
        },
        packages: (packages.unwrap_or_default().iter())
            .map(|package| PackageLine {
                name: package.name.clone(),
                version: package.version.clone(),
                architecture: package.architecture.clone(),
            })
            .collect(),
        companion: None,
    })
}

/// Returns which certificate vouches for what is in an image, as far as its manifest says what can be
/// one.
fn signed_by(manifest: &Summary) -> Option<String> {
    let fingerprint = manifest.image.as_ref()?.signed_by.as_ref()?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let is_digest = fingerprint.len() == 64 && fingerprint.bytes().all(is_digit);
    is_digest.then(|| fingerprint.clone())
}

/// Returns the day of an image's own time; nothing for one that is not SquashFS.
fn built(path: &Path) -> Option<String> {
    let file = files::open(path, Links::Refuse).ok()?;
    let section = inspected::file_system(file).ok()?;
    let image = squashfs::Image::open(section).ok()?;
    Some(openpgp::date(image.facts().mkfs_time.into()))
}

/// Returns what stands between the name and the last dot, where no manifest tells the version: by
/// our own rule the architecture comes after it.
fn version_in<'a>(file: &'a str, name: &str) -> &'a str {
    let rest = file.get(name.len() + 1..).unwrap_or_default();
    let rest = rest.strip_suffix(".raw").unwrap_or(rest);
    match rest.rsplit_once('.') {
        Some((version, architecture)) if architecture.contains(|c: char| c.is_alphabetic()) => {
            version
        }
        _ => rest,
    }
}

/// Who signed a list.
#[derive(Debug, PartialEq, Eq)]
enum Signer {
    Nobody,
    /// There is a signature, and no keyring to check it with.
    Unknown,
    /// The key of this fingerprint.
    Key(String),
}

/// Says whether a store whose lists these signed can be called signed: one list without a signature
/// is enough that it can't.
fn is_signed<'a>(mut signers: impl ExactSizeIterator<Item = &'a Signer>) -> bool {
    signers.len() > 0 && signers.all(|signer| *signer != Signer::Nobody)
}

/// Finds out who signed the list of a store.
///
/// A signature that does not fit its list is an error: clients would refuse the store.
fn signer(store: &Store, list: &[u8], keyring: Option<&Keyring>) -> Result<Signer> {
    let path = store.dir().join("SHA256SUMS.gpg");
    let Some(signature) = store.signature().map_err(store_failure)? else {
        // A list that lost its signature is not one that clients are to take unverified.
        return match store.needs_signer().map_err(store_failure)? {
            false => Ok(Signer::Nobody),
            true => Err(store_failure(store::Error::SignatureMissing { path })),
        };
    };
    let Some(keyring) = keyring else {
        return Ok(Signer::Unknown);
    };
    // Time matters only for signatures that expire, and the page is the same on every day.
    let verified = keyring.verify_detached(list, &signature, &path.display().to_string(), 0);
    let verified = verified.map_err(|error| {
        let context = format!("no key in {KEYRING} made {}", path.display());
        Failure::refused(anyhow::Error::from(error).context(context))
            .hint("see what is wrong: sysext-build store verify DIR")
    })?;
    Ok(Signer::Key(verified.fingerprint))
}

/// Reads the public keyring in a directory, if there is one.
fn keyring(directory: &Path) -> Result<Option<Keyring>> {
    let store = Store::open_for_reading(directory).map_err(store_failure)?;
    signing::published_keys(&store)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use manifest::{Config, Manifest, Package};
    use openpgp::SigningKey;

    use super::*;
    use crate::words::digest::sha256;
    use crate::words::scratch::Scratch;

    const SECRET: &[u8] = include_bytes!("../../../fixtures/keys/test.secret.asc");
    const PUBLIC: &[u8] = include_bytes!("../../../fixtures/keys/test.public.asc");
    const OTHERS: &[u8] = include_bytes!("../../../fixtures/keys/version6.public.asc");
    const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
    /// A time at which the key could sign.
    const TIME: u64 = 1_700_000_001;

    /// Fills a directory of a store with images, `NAME VERSION` each, and lists them.
    fn fill(scratch: &Scratch, directory: &str, images: &[(&str, &str)]) -> String {
        let mut list = String::new();
        for (name, version) in images {
            let manifest = Manifest {
                config: Config {
                    name: (*name).to_owned(),
                    version: Some((*version).to_owned()),
                    architecture: Some("x86-64".to_owned()),
                    ..Config::default()
                },
                packages: vec![Package {
                    name: "package".to_owned(),
                    version: Some("1-1".to_owned()),
                    architecture: Some("x86_64".to_owned()),
                    ..Package::default()
                }],
                extension: [
                    ("ID", "os"),
                    ("VERSION_ID", "1"),
                    ("SYSEXT_SCOPE", "system"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
                ..Manifest::<linkage::Linkage>::default()
            };
            let stem = format!("{name}-{version}.x86-64");
            let files = [
                (format!("{stem}.manifest.gz"), manifest.to_gzip().unwrap()),
                (format!("{stem}.raw"), b"image".to_vec()),
            ];
            for (file, bytes) in files {
                scratch.write(&format!("{directory}{file}"), &bytes);
                let (_, digest) = sha256(&mut bytes.as_slice()).unwrap();
                list += &format!("{}  {file}\n", hex::encode(digest));
            }
        }
        let mut lines: Vec<_> = list.lines().collect();
        lines.sort_by_key(|line| &line[64..]);
        let list = lines.join("\n") + "\n";
        scratch.write(&format!("{directory}SHA256SUMS"), list.as_bytes());
        list
    }

    fn sign(scratch: &Scratch, directory: &str, list: &str) {
        let key = SigningKey::parse(SECRET, "key", None, TIME).unwrap();
        let signature = key.sign(list.as_bytes(), TIME).unwrap();
        scratch.write(&format!("{directory}SHA256SUMS.gpg"), &signature);
    }

    /// Puts the definition of an extension on the list.
    fn define(scratch: &Scratch, name: &str) {
        let delivery = store::Delivery {
            url: store::StoreUrl::new("https://example.org").unwrap(),
            per_name: false,
            ending: store::Layout::Flat.pattern_ending(),
            verify: true,
            instances: 2,
        };
        let definition = store::Definition::new(name, &delivery).unwrap();
        let store = Store::open(scratch.path()).unwrap();
        store
            .define(&[definition], store::Listing::default())
            .unwrap();
    }

    #[test]
    fn definitions_count_as_they_are_listed() {
        let scratch = Scratch::new();
        fill(&scratch, "", &[("gdb", "1")]);
        define(&scratch, "gdb");
        let defined = || {
            let reading = read(scratch.path(), "T", None).unwrap();
            let is_defined = reading.index.extensions[0].definitions.is_some();
            (is_defined, reading.undefined.map(|error| error.to_string()))
        };
        assert_eq!(defined(), (true, None));
        scratch.write(store::ARCHIVE, b"evil");
        let (is_defined, problem) = defined();
        assert!(!is_defined);
        assert!(
            problem
                .unwrap()
                .ends_with("does not have the SHA-256 that is listed")
        );
    }

    #[test]
    fn a_manifest_counts_as_it_is_listed() {
        let scratch = Scratch::new();
        fill(&scratch, "", &[("gdb", "1"), ("gdb-32bit", "2")]);
        let theirs = scratch.path().join("gdb-1.x86-64.manifest.gz");
        fs::copy(
            theirs,
            scratch.path().join("gdb-32bit-2.x86-64.manifest.gz"),
        )
        .unwrap();
        let reading = read(scratch.path(), "T", None).unwrap();
        assert_eq!(
            reading.left_out,
            [format!("\"gdb-32bit-2.x86-64.raw\": {NOT_LISTED}")]
        );
        let shown = reading.index.extensions.iter();
        let shown = shown.flat_map(|one| &one.images).map(|image| &*image.file);
        assert!(shown.eq(["gdb-1.x86-64.raw"]));
    }

    #[test]
    fn what_a_store_holds() {
        let scratch = Scratch::new();
        let images = [
            ("gdb", "2-1"),
            ("gdb", "10-1"),
            ("gdb", "2-9"),
            ("apt", "1"),
        ];
        fill(&scratch, "", &images);
        define(&scratch, "gdb");
        // For people to read: it counts for nothing.
        scratch.write("sysupdate.apt.d/apt.transfer", b"");
        // Not listed, so not there.
        scratch.write("gdb-99-1.x86-64.raw", b"");
        let Reading {
            index, left_out, ..
        } = read(scratch.path(), "T", None).unwrap();
        assert_eq!(left_out, [""; 0]);
        let shown = index.extensions.iter().map(|one| {
            let versions = one.images.iter().map(|image| &*image.version);
            (
                &*one.name,
                &*one.directory,
                one.definitions.as_deref(),
                versions.collect(),
            )
        });
        let expected: [(_, _, _, Vec<_>); 2] = [
            ("apt", "", None, vec!["1"]),
            (
                "gdb",
                "",
                Some("sysupdate.gdb.d/"),
                vec!["10-1", "2-9", "2-1"],
            ),
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        let (_, digest) = sha256(&mut b"image".as_slice()).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            index.extensions[0].images[0],
            Image {
                file: "apt-1.x86-64.raw".to_owned(),
                version: "1".to_owned(),
                evr: None,
                built: None,
                architecture: some("x86-64"),
                bytes: 5,
                sha256: hex::encode(digest),
                manifest: some("apt-1.x86-64.manifest.gz"),
                signed_by: None,
                fits: Fits {
                    id: some("os"),
                    sysext_level: None,
                    version_id: some("1"),
                    sysext_scope: some("system"),
                },
                packages: vec![PackageLine {
                    name: "package".to_owned(),
                    version: some("1-1"),
                    architecture: some("x86_64"),
                }],
                companion: None,
            }
        );
    }

    /// Which of two directories have images, a signature, a keyring of the store's key.
    #[test]
    fn who_signed_a_store() {
        let whole = Some(PUBLIC);
        let foreign = Some(OTHERS);
        for (directories, keyrings, expected) in [
            // (directory, is it signed), (directory, its keys), (signed, keyring, is the key known)
            (&[("", false)][..], &[][..], Ok((false, None, false))),
            (&[("", false)], &[("", whole)], Err("signature-missing: ")),
            (&[("", true)], &[], Ok((true, None, false))),
            (
                &[("", true)],
                &[("", whole)],
                Ok((true, Some("import-pubring.gpg"), true)),
            ),
            (
                &[("", true)],
                &[("", foreign)],
                Err("no key in import-pubring.gpg made "),
            ),
            (
                &[("a/", true), ("b/", true)],
                &[("", whole)],
                Ok((true, Some("import-pubring.gpg"), true)),
            ),
            (
                &[("a/", true), ("b/", true)],
                &[("a/", whole), ("b/", whole)],
                Ok((true, Some("a/import-pubring.gpg"), true)),
            ),
            // The store's own keyring counts before that of a directory.
            (
                &[("a/", true)],
                &[("", foreign), ("a/", whole)],
                Err("no key in import-pubring.gpg made "),
            ),
            (
                &[("a/", true), ("b/", true)],
                &[("b/", whole)],
                Ok((true, Some("b/import-pubring.gpg"), true)),
            ),
            (
                &[("a/", true), ("b/", false)],
                &[("a/", whole)],
                Ok((false, Some("a/import-pubring.gpg"), true)),
            ),
            (
                &[("a/", false), ("b/", true)],
                &[],
                Ok((false, None, false)),
            ),
        ] {
            let scratch = Scratch::new();
            for (directory, signed) in directories {
                let list = fill(&scratch, directory, &[("gdb", "1")]);
                if *signed {
                    sign(&scratch, directory, &list);
                }
            }
            for (directory, keys) in keyrings {
                scratch.write(&format!("{directory}{KEYRING}"), keys.unwrap());
            }
            let row = format!("{directories:?} {:?}", keyrings.len());
            match (read(scratch.path(), "T", None), expected) {
                (Ok(reading), Ok((signed, keyring, known))) => {
                    let index = reading.index;
                    let keys: &[&str] = if known { &[FINGERPRINT] } else { &[] };
                    assert_eq!(
                        (index.signed, index.keyring.as_deref()),
                        (signed, keyring),
                        "{row}"
                    );
                    assert_eq!(index.signing_keys, keys, "{row}");
                    let found = index.extensions.iter().map(|one| &*one.directory);
                    let expected = directories.iter().map(|(directory, _)| *directory);
                    assert!(found.eq(expected), "{row}");
                }
                (Err(failure), Err(reason)) => {
                    let text = failure.source.to_string();
                    assert!(text.starts_with(reason), "{row}: {text}");
                }
                (found, _) => panic!("{row}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_left_out_and_why() {
        const ONLY: &str = "use only ASCII letters, digits and . _ + ~ ^ -";
        let image = |file: &str, name: Option<&str>| ListedImage {
            file: file.to_owned(),
            sha256: [0; 32],
            bytes: Some(1),
            manifest_file: None,
            manifest: name.map(|name| manifest::Summary {
                config: Config {
                    name: name.to_owned(),
                    ..Config::default()
                },
                ..manifest::Summary::default()
            }),
        };
        for (file, name, expected) in [
            ("gdb-1.raw", None, None),
            ("gdb-1.raw", Some("gdb"), None),
            ("gdb-c++-1.raw", Some("gdb"), None),
            (
                "gdb$-1.raw",
                None,
                Some("the name \"gdb$-1.raw\" contains '$'"),
            ),
            (
                "gdb$-1.raw",
                Some("gdb"),
                Some("the name \"gdb$-1.raw\" contains '$'"),
            ),
            (
                "gdb-1.raw",
                Some("g;db"),
                Some("the name \"g;db\" contains ';'"),
            ),
            (
                "gdb-1.raw",
                Some("apt"),
                Some("its manifest says that it belongs to the extension \"apt\""),
            ),
            (
                "gdbx-1.raw",
                Some("gdb"),
                Some("its manifest says that it belongs to the extension \"gdb\""),
            ),
        ] {
            let found = refusal(&image(file, name));
            match (&found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) if found.starts_with(expected) => {}
                _ => panic!("{file} {name:?}: {found:?}"),
            }
        }
        let scratch = Scratch::new();
        fill(&scratch, "a/", &[("gdb", "1"), ("gdb", "1$")]);
        fill(&scratch, "b c/", &[("gdb", "1")]);
        let Reading {
            index, left_out, ..
        } = read(scratch.path(), "T", None).unwrap();
        assert_eq!(index.extensions.len(), 1);
        let other = scratch.path().join("b c");
        assert_eq!(
            left_out,
            [
                format!(
                    "a/\"gdb-1$.x86-64.raw\": the name \"gdb-1$.x86-64.raw\" contains '$'; {ONLY}"
                ),
                format!("{}: the name contains ' '; {ONLY}", other.display()),
            ]
        );
        std::fs::remove_file(scratch.path().join("a/gdb-1.x86-64.raw")).unwrap();
        let failure = read(scratch.path(), "T", None).unwrap_err();
        let text = failure.source.to_string();
        assert!(
            text.ends_with("a/gdb-1.x86-64.raw is listed but missing"),
            "{text}"
        );
    }

    #[test]
    fn versions_in_file_names() {
        for (file, version) in [
            ("a-1.2-3.x86-64.raw", "1.2-3"),
            ("a-1.2.raw", "1.2"),
            ("a-1.raw", "1"),
            ("a-1.2.3.raw", "1.2.3"),
            ("a-1-x86-64.raw", "1-x86-64"),
            ("a-.raw", ""),
        ] {
            assert_eq!(version_in(file, "a"), version, "{file}");
        }
    }

    #[test]
    fn a_store_is_signed_if_each_of_its_lists_is() {
        let key = || Signer::Key("F".to_owned());
        for (signers, expected) in [
            (vec![], false),
            (vec![key()], true),
            (vec![Signer::Unknown, key()], true),
            (vec![Signer::Nobody], false),
            (vec![key(), Signer::Nobody], false),
            (vec![Signer::Nobody, Signer::Unknown], false),
        ] {
            assert_eq!(is_signed(signers.iter()), expected, "{signers:?}");
        }
    }
}
