//! `gate`: asked on a host before it updates its OS, by the verdicts that its store has.
//!
//! Nothing is judged here: whoever runs the store has done that, and signed it. The answer is "no"
//! where nobody vouches for the verdicts, where they are stale, and where there are none for the OS
//! in question: what is not known can't be relied on.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use architecture::Architecture;
use clients::{MAX_RELEASE_SIZE, Release};
use fetch::{Fetcher, Wanted};
use files::Links;
use openpgp::Keyring;
use serde::Serialize;
use store::{COMPAT, Compatibility, JudgedBase, MAX_COMPAT, SIGNATURE, SUMS, Store};

use crate::check::verdict::Word;
use crate::cli::GateArguments;
use crate::inputs;
use crate::packages::trust;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::text::{Text, Tone};

/// Keyrings that systemd-import, and so systemd-sysupdate, takes: of each pair the first that is
/// there.
const KEYRINGS: [[&str; 2]; 2] = [
    [
        "/etc/systemd/import-pubring.pgp",
        "/etc/systemd/import-pubring.gpg",
    ],
    [
        "/usr/lib/systemd/import-pubring.pgp",
        "/usr/lib/systemd/import-pubring.gpg",
    ],
];
/// Most bytes of a list that is fetched.
const MAX_LIST: u64 = 8 << 20;
/// Most bytes of a signature that is fetched.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Most bytes of a file of certificates.
const MAX_AUTHORITIES: u64 = 16 << 20;

#[derive(Serialize)]
struct Answer {
    passes: bool,
    /// The system, by the name that the store has for it.
    base: String,
    /// How much the store's owner knew of it.
    known: String,
    /// Fingerprint of the key that signed the verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    extensions: Vec<ExtensionAnswer>,
}

#[derive(Serialize)]
struct ExtensionAnswer {
    name: String,
    stays: bool,
    /// The image that is best there.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    because: Vec<String>,
}

/// Asks the store.
pub fn run(arguments: &GateArguments, report: &Report) -> Result<()> {
    let bytes = files::read(&arguments.os_release, MAX_RELEASE_SIZE, Links::Follow)?;
    let next = Release::parse(&bytes).unwrap_or_default();
    if next.get("ID").is_none() {
        let path = arguments.os_release.display();
        let text = anyhow!("{path} is not an os-release file: it has no ID");
        return Err(Failure::refused(text));
    }
    let architecture = match arguments.arch.as_deref() {
        Some(name) => Some(inputs::architecture(name)?),
        None => Architecture::of_this_machine(),
    };
    let trusted = Trusted::of(arguments)?;
    let served = Served::read(arguments)?;
    let signed_by = match &trusted {
        Some(trusted) => Some(served.check(trusted, &arguments.store)?),
        None => None,
    };
    let now = inputs::clock()?;
    let verdicts = Compatibility::of_list(&served.list, served.verdicts.as_deref(), now).map_err(
        |problem| {
            Failure::refused(anyhow!("{}: the verdicts {problem}", arguments.store)).hint(
                "the store's owner has to judge its images: sysext-build store gate DIR --base \
                 NEW --write",
            )
        },
    )?;
    let wanted = JudgedBase::new(next.keys(), architecture.map(Architecture::systemd), "");
    let Some((name, base)) = verdicts.bases.iter().find(|(_, base)| base.is(&wanted)) else {
        let known: Vec<_> = verdicts.bases.keys().map(String::as_str).collect();
        return Err(Failure::refused(anyhow!(
            "{}: nobody has judged the images for {}; they were judged for {}",
            arguments.store,
            wanted.name(),
            known.join(", ")
        )));
    };
    let mut names = arguments.names.clone();
    if names.is_empty() {
        let all = verdicts.images.values().map(|image| image.name.clone());
        names = all.collect();
    }
    names.sort();
    names.dedup();
    let extensions = names.iter();
    let extensions: Vec<_> = extensions
        .map(|extension| judged(extension, name, &verdicts, arguments.strict))
        .collect();
    let answer = Answer {
        passes: extensions.iter().all(|extension| extension.stays),
        base: name.clone(),
        known: base.known.clone(),
        signed_by,
        extensions,
    };
    match report.is_json() {
        true => report.json(&answer)?,
        false => report.print(&text(&answer))?,
    }
    match answer.passes {
        true => Ok(()),
        false => Err(Failure::refused(anyhow!("extensions would be lost")).answered()),
    }
}

/// Says whether an extension stays on a system, by its best image there.
fn judged(
    extension: &str,
    base: &str,
    verdicts: &Compatibility,
    is_strict: bool,
) -> ExtensionAnswer {
    let images = verdicts.images.iter();
    let own = images.filter(|(_, image)| image.name == extension);
    let on_base = own.filter_map(|(file, image)| {
        let judged = image.on.get(base)?;
        // A word that is not known here is none to rely on.
        let word = Word::of(&judged.word).unwrap_or(Word::Breaks);
        Some((word, file, judged))
    });
    let Some((word, file, judged)) = on_base.min_by_key(|(word, ..)| *word) else {
        return ExtensionAnswer {
            name: extension.to_owned(),
            stays: false,
            image: None,
            word: None,
            because: vec!["the store has no image of it".to_owned()],
        };
    };
    ExtensionAnswer {
        name: extension.to_owned(),
        stays: match is_strict {
            true => word == Word::Works,
            false => word.is_good(),
        },
        image: Some(file.clone()),
        word: Some(judged.word.clone()),
        because: judged.because.clone(),
    }
}

fn text(answer: &Answer) -> Text {
    let mut text = Text::default();
    for extension in &answer.extensions {
        let (word, tone) = match extension.stays {
            true => ("stays", Tone::Good),
            false => ("lost ", Tone::Bad),
        };
        let mut line = format!("  {}", extension.name);
        if let (Some(image), Some(said)) = (&extension.image, &extension.word) {
            line += &format!(": {image} {said} on {}", answer.base);
        }
        text.toned(word, tone, line);
        if extension.stays && extension.word.as_deref() == Some(Word::Works.text()) {
            continue;
        }
        for reason in &extension.because {
            text.line(format!("       {reason}"));
        }
    }
    text
}

/// The keys that may sign.
struct Trusted {
    /// The files that they are in.
    paths: Vec<PathBuf>,
    keyring: Keyring,
}

impl Trusted {
    /// Reads them; `None` if nobody has to sign.
    fn of(arguments: &GateArguments) -> Result<Option<Self>> {
        if arguments.unsigned {
            return Ok(None);
        }
        let mut paths = arguments.keyring.clone();
        if paths.is_empty() {
            let of_host =
                |pair: [&'static str; 2]| pair.into_iter().find(|path| Path::new(path).exists());
            let found = KEYRINGS.into_iter().filter_map(of_host);
            paths = found.map(PathBuf::from).collect();
        }
        if paths.is_empty() {
            return Err(
                Failure::usage("this host has no key that systemd-sysupdate would take")
                    .hint("give the store's with --keyring FILE")
                    .hint("for a store that is not signed: --unsigned"),
            );
        }
        let keyring = trust::keyring(&paths)?;
        Ok(Some(Self { paths, keyring }))
    }

    /// Says why a signature of a store's list does not count.
    fn refuse(&self, signature: &str, error: openpgp::Error) -> Failure {
        let openpgp::Error::UnknownKey { keys } = &error else {
            return Failure::refused(anyhow!("{signature} does not count: {error}"));
        };
        let own: Vec<_> = (self.paths.iter())
            .map(|path| path.display().to_string())
            .collect();
        Failure::refused(anyhow!(
            "{signature} does not count: it is by key {}, which is not in {}",
            keys.join(", "),
            own.join(", ")
        ))
        .hint("if that is the key of the store's owner: --keyring FILE with its public part")
    }
}

/// The files of a store that matter here.
struct Served {
    list: Vec<u8>,
    signature: Option<Vec<u8>>,
    verdicts: Option<Vec<u8>>,
}

impl Served {
    /// Reads them from a directory or a server.
    fn read(arguments: &GateArguments) -> Result<Self> {
        let place = arguments.store.as_str();
        if place.starts_with("http://") || place.starts_with("https://") {
            return Self::fetch(place, arguments);
        }
        let directory = place.strip_prefix("file://").unwrap_or(place);
        let store = Store::open_for_reading(Path::new(directory)).map_err(store_failure)?;
        let list = store.list().map_err(store_failure)?;
        Ok(Self {
            list: list.bytes().to_vec(),
            signature: store.signature().map_err(store_failure)?,
            verdicts: store.compatibility_file().map_err(store_failure)?,
        })
    }

    fn fetch(url: &str, arguments: &GateArguments) -> Result<Self> {
        if arguments.network.offline {
            return Err(Failure::usage("--offline: the store is on a network"));
        }
        let (mut options, authorities) = inputs::fetching(&arguments.network)?;
        if let Some(path) = authorities {
            options.authorities = Some(files::read(&path, MAX_AUTHORITIES, Links::Follow)?);
        }
        let fetcher = Fetcher::new(options).map_err(Failure::usage)?;
        let get = |name: &str, limit: u64| {
            let url = format!("{}/{name}", url.trim_end_matches('/'));
            brought(&fetcher, url, limit)
        };
        // The signature first: while a list is published, it is the one that is there earlier.
        let signature = get(SIGNATURE, MAX_SIGNATURE)?;
        let list = get(SUMS, MAX_LIST)?;
        let Some(list) = list else {
            return Err(Failure::refused(anyhow!("{url} has no {SUMS}")));
        };
        Ok(Self {
            list,
            signature,
            verdicts: get(COMPAT, MAX_COMPAT)?,
        })
    }

    /// Checks the signature of the list; returns the fingerprint of the key.
    fn check(&self, trusted: &Trusted, place: &str) -> Result<String> {
        let Some(signature) = &self.signature else {
            return Err(
                Failure::refused(anyhow!("{place} is not signed: it has no {SIGNATURE}"))
                    .hint("to trust it anyway: --unsigned"),
            );
        };
        let file = format!("{}/{SIGNATURE}", place.trim_end_matches('/'));
        let keyring = &trusted.keyring;
        let verified =
            keyring.verify_detached(&self.list, signature, "the signature", inputs::clock()?);
        let verified = verified.map_err(|error| trusted.refuse(&file, error))?;
        Ok(verified.fingerprint)
    }
}

/// Fetches a file into memory; `None` if the server has none.
fn brought(fetcher: &Fetcher, url: String, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut file: File = files::in_memory("sysext-build")?;
    let urls = [url];
    let wanted = Wanted {
        urls: &urls,
        size: None,
        start_of: None,
        limit,
        unless: None,
        direct: false,
        accept: &|_| Ok(()),
        progress: &|_| {},
    };
    match fetcher.fetch(&wanted, &mut file) {
        Ok(_) => {}
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(Failure::io("asking the store", error)),
    }
    let failed = |error| Failure::io("reading what was fetched", error);
    let mut bytes = Vec::new();
    file.flush().map_err(failed)?;
    file.rewind().map_err(failed)?;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}
