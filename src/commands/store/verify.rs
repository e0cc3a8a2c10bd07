//! `store verify`: what is wrong with a store, and `--fix` for what can be repaired without loss.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clients::{Release, ReleaseFile};
use image::Kind;
use image::squashfs::Image;
use manifest::Summary;
use openpgp::{Keyring, Verified};
use serde::Serialize;
use store::{
    ARCHIVE, Definition, Examination, Finding, KEYRING, Listing, SIGNATURE, SUMS, Severity, Store,
    kinds,
};

use crate::cli::store::VerifyArguments;
use crate::inputs;
use crate::inspected::{CONFEXT_DIRECTORY, RELEASE_DIRECTORY, file_system, release_files};
use crate::packages::trust;
use crate::publish::attested::Demand;
use crate::publish::signing::{self, Notes, Signer};
use crate::report::{OfKind, Report};
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::{bytes, counted};
use crate::words::text::{Text, Tone};

#[derive(Serialize)]
struct Verification {
    directories: Vec<StoreDirectory>,
    /// Whether it was asked to repair.
    #[serde(skip)]
    is_fixed: bool,
}

/// What is wrong with one directory.
#[derive(Serialize)]
struct StoreDirectory {
    #[serde(rename = "directory")]
    path: PathBuf,
    images: usize,
    bytes: u64,
    #[serde(flatten)]
    list: ListFacts,
    findings: Vec<Row>,
    repaired: Vec<Row>,
    /// What the archive on the list defines, if there is one.
    #[serde(skip)]
    definitions: Option<Vec<Definition>>,
    /// The list is signed, or was.
    #[serde(skip)]
    is_signed: bool,
}

/// What a list says of itself.
#[derive(Default, Serialize)]
struct ListFacts {
    /// Fingerprint of the key by which the list is signed, if that was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    /// The day of that signature, by its own word, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_on: Option<String>,
    /// Which list it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
    /// Of which store it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
}

#[derive(Serialize)]
struct Row {
    id: &'static str,
    severity: &'static str,
    file: String,
    text: String,
    repair: &'static str,
}

/// Verifies, repairs what is to be repaired, and reports what is left.
pub fn run(arguments: &VerifyArguments, report: &Report) -> Result<()> {
    let settings = inputs::signing(&arguments.signing)?;
    let demand = (arguments.attested)
        .map(|wanted| Demand::open(wanted, &arguments.attested_by))
        .transpose()?;
    let signer = Signer::open(&settings)?;
    let mut keyring = trust::keyring(&arguments.keyring)?;
    if keyring.is_empty()
        && let Some(signer) = &signer
    {
        keyring = signer.public();
    }
    let verifier = Verifier {
        arguments,
        keyring,
        // Notes are there where lists are signed, and what is verified is said without them, too.
        notes: settings.memory.read().unwrap_or_default(),
        signer,
        demand,
        workers: inputs::workers(arguments.jobs)?,
    };
    let directories = (super::directories(&arguments.directory)?.iter())
        .map(|path| verifier.verified(path, report))
        .collect::<Result<_>>()?;
    let mut verification = Verification {
        directories,
        is_fixed: arguments.fix,
    };
    verification.compare_definitions(&arguments.directory, arguments.fix)?;
    if verification.errors() == 0 {
        super::demand_list(&arguments.directory)?;
    }
    if report.is_json() {
        report.json(&verification)?;
    } else {
        report.print(&verification.text(report))?;
    }
    match verification.errors() {
        0 => Ok(()),
        errors => {
            let directory = arguments.directory.display();
            let failure = anyhow!("{directory} has {}", counted(errors, "error"));
            Err(Failure::refused(failure).said_in_json())
        }
    }
}

/// What a store's directories are verified with.
struct Verifier<'a> {
    arguments: &'a VerifyArguments,
    /// The keys that count; those of the store if there are none.
    keyring: Keyring,
    notes: Notes,
    /// What signs a list that is repaired.
    signer: Option<Signer>,
    /// Who has to say how images were built.
    demand: Option<Demand>,
    workers: usize,
}

impl Verifier<'_> {
    fn verified(&self, path: &Path, report: &Report) -> Result<StoreDirectory> {
        let (keyring, notes, signer) = (&self.keyring, &self.notes, &self.signer);
        let store = Store::open_for_reading(path).map_err(store_failure)?;
        // Keys of the store's own that can't be read are a finding, and no end of the search.
        let own = match keyring.is_empty() {
            true => signing::published_keys(&store).transpose(),
            false => None,
        };
        let now = inputs::clock()?;
        let signed_by = RefCell::new(None);
        let check_signature = |list: &[u8], signature: &[u8]| {
            let keyring = match &own {
                Some(Ok(own)) => own,
                Some(Err(failure)) => return Err(format!("{:#}", failure.source)),
                None => keyring,
            };
            let verified = keyring
                .verify_detached(list, signature, "the signature", now)
                .map_err(|error| error.to_string())?;
            signed_by.replace(Some(verified));
            Ok(())
        };
        let can_check = own.is_some() || !keyring.is_empty();
        let bar = report.bar("verify", 0);
        let verdict = store.verify(&Examination {
            workers: self.workers,
            check_signature: can_check.then_some(&check_signature),
            now,
            look_inside: Some(&look_inside),
            progress: &|done, total| {
                bar.set_length(total);
                bar.set_position(done);
            },
        });
        bar.finish_and_clear();
        let verdict = verdict.map_err(store_failure)?;
        let mut findings = verdict.findings;
        let definitions = definitions(&store, &mut findings)?;
        // A list that can't be read is a finding already.
        if let (Some(demand), Ok(list)) = (&self.demand, store.list()) {
            findings.extend(demand.unmet(&list)?);
        }
        let signed_by: Option<Verified> = signed_by.take();
        if let Some(verified) = &signed_by {
            findings.extend(other_keys(&store, &verified.fingerprint));
        }
        // A list that can't be read is a finding already.
        let serial = store.issued().ok().flatten().map(|issued| issued.serial);
        let last = notes.last(path, serial.as_ref());
        let setback = last.and_then(|last| store.setback(&last).ok().flatten());
        let other = (signed_by.as_ref())
            .and_then(|verified| signing::other_signer(notes, &store, &verified.fingerprint));
        findings.extend(other.map(|text| Finding::new(&kinds::SIGNATURE_INVALID, SIGNATURE, text)));
        findings.extend(setback.map(|problem| Finding::new(&kinds::ROLLED_BACK, SUMS, problem)));
        findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let mut repaired = Vec::new();
        let is_fixable = |finding: &Finding| finding.kind.fix.is_some();
        if self.arguments.fix && findings.iter().any(is_fixable) {
            let listing = Listing {
                signing: signer.as_ref().map(|signer| signer.signing(path)),
                ..Listing::default()
            };
            repaired = store.repair(&findings, listing).map_err(store_failure)?;
            if let Some(signer) = signer {
                signer.conclude(&store, report)?;
            }
            findings.retain(|finding| !repaired.contains(finding));
        }
        Ok(StoreDirectory {
            path: path.to_owned(),
            images: verdict.images,
            bytes: verdict.bytes,
            list: ListFacts {
                signed_on: signed_by.as_ref().map(Verified::day),
                signed_by: signed_by.map(|verified| verified.fingerprint),
                serial: serial.as_ref().map(|serial| serial.number),
                store: serial.map(|serial| serial.store),
            },
            findings: findings.iter().map(Row::new).collect(),
            repaired: repaired.iter().map(Row::new).collect(),
            definitions,
            is_signed: store.needs_signer().map_err(store_failure)?,
        })
    }
}

/// Reads the definitions on the list, and says what is wrong with them.
fn definitions(store: &Store, findings: &mut Vec<Finding>) -> Result<Option<Vec<Definition>>> {
    let definitions = match store.definitions() {
        Ok(None) => return Ok(None),
        Ok(Some(definitions)) => definitions,
        Err(store::Error::Archive { problem, .. }) => {
            // That it is not the listed file has been said.
            if !findings.iter().any(|finding| finding.file == ARCHIVE) {
                findings.push(Finding::new(&kinds::DEFINITION_MISMATCH, ARCHIVE, problem));
            }
            return Ok(None);
        }
        // What is wrong with the list has been said, too.
        Err(_) => return Ok(None),
    };
    let is_signed = store.is_signed().map_err(store_failure)?;
    for definition in definitions
        .iter()
        .filter(|one| is_signed && !one.verifies())
    {
        let text = format!("has Verify=no for {}", definition.name());
        findings.push(Finding::new(&kinds::DEFINITION_UNVERIFIED, ARCHIVE, text));
    }
    let images = store.images().unwrap_or_default();
    let mut newest: Vec<_> = images.iter().collect();
    newest.dedup_by(|next, first| next.name() == first.name());
    for image in newest {
        let name = image.name();
        // A companion shares the definition of its extension, whose newest image decides.
        let family = store::family_of(name);
        let main = image.main_file();
        let newest_of_family = images.iter().find(|one| one.name() == family);
        let is_needed = main.is_none() || newest_of_family.map(|one| &one.file) == main.as_ref();
        let mut own = definitions.iter().filter(|one| one.name() == family);
        let is_defined = own.any(|one| family == name || one.defines_companion());
        if is_needed && !is_defined {
            let text = format!("has no definition of {name}");
            findings.push(Finding::new(&kinds::DEFINITION_MISSING, ARCHIVE, text));
        }
    }
    Ok(Some(definitions))
}

/// Says which keys are published with a list that another one signs.
fn other_keys(store: &Store, signed_by: &str) -> Vec<Finding> {
    // What is wrong with the keys as such is said by whatever needs them.
    let published = signing::published_keys(store)
        .ok()
        .flatten()
        .unwrap_or_default();
    (published.keys().into_iter())
        .filter(|key| key.fingerprint != signed_by)
        .map(|key| {
            let user = key.user_ids.first().map_or("nobody", String::as_str);
            let text = format!(
                "has key {} of {user:?}, which did not sign the list",
                key.fingerprint
            );
            Finding::new(&kinds::OTHER_KEY, KEYRING, text)
        })
        .collect()
}

/// Looks whether an image says of itself what its manifest says of it, where clients ask.
pub fn look_inside<R: Read + Seek>(
    file: R,
    name: &str,
    manifest: Option<&Summary>,
) -> Vec<Finding> {
    let unreadable =
        |error: &dyn std::fmt::Display| vec![Finding::new(&kinds::IMAGE_UNREADABLE, name, error)];
    let mut file = match file_system(file) {
        Ok(file) => file,
        Err(error) => return unreadable(&error),
    };
    let other = match Kind::of(&mut file) {
        Ok(Kind::Erofs) => "an EROFS file system",
        Ok(Kind::Ext) => "an ext4 file system",
        Ok(Kind::Disk(_)) => "a disk image",
        Ok(Kind::Other(what)) => what,
        Ok(Kind::Squashfs(_) | Kind::Empty | Kind::Packed(_) | Kind::Unknown) => "",
        Err(error) => return unreadable(&error),
    };
    if !other.is_empty() {
        let text = format!("is {other}, in which nothing is looked at");
        return vec![Finding::new(&kinds::IMAGE_UNREAD, name, text)];
    }
    let mut image = match Image::open(file) {
        Ok(image) => image,
        Err(error) => return unreadable(&error),
    };
    let tree = match image.tree() {
        Ok(tree) => tree,
        Err(error) => return unreadable(&error),
    };
    let releases = match release_files(&mut image, &tree) {
        Ok(releases) => releases,
        Err(error) => return unreadable(&error),
    };
    let extension = manifest.map(|manifest| manifest.config.name.as_str());
    let keys = match release_keys(&releases, name, extension) {
        Ok(keys) => keys,
        Err(problem) => return vec![Finding::new(&kinds::RELEASE_MISSING, name, problem)],
    };
    let Some(manifest) = manifest else {
        return Vec::new();
    };
    let differs = |key: &&String| keys.get(*key) != manifest.extension.get(*key);
    let different = keys.keys().chain(manifest.extension.keys()).find(differs);
    let finding = different.map(|key| {
        let say = |value: Option<&String>| value.map_or("nothing".to_owned(), |v| format!("{v:?}"));
        let (inside, beside) = (keys.get(key), manifest.extension.get(key));
        let text = format!(
            "says {key}={}, but its manifest says {}",
            say(inside),
            say(beside)
        );
        Finding::new(&kinds::RELEASE_MISMATCH, name, text)
    });
    finding.into_iter().collect()
}

/// Returns what the extension-release file says, or what keeps a client from finding it: systemd
/// looks under the name of the link, which is the extension's, or takes the only one that says it
/// may; sysextmgr looks under the image's file name.
fn release_keys<'a>(
    releases: &'a [ReleaseFile],
    image: &str,
    extension: Option<&str>,
) -> std::result::Result<&'a BTreeMap<String, String>, String> {
    let of = |name: &str| releases.iter().find(|file| file.name == name);
    let is_confext = extension.is_some_and(|name| store::main_of(name).is_some());
    let directory = match is_confext {
        true => CONFEXT_DIRECTORY,
        false => RELEASE_DIRECTORY,
    };
    let missing = |name: &str, client| {
        format!("has no {directory}/extension-release.{name}, which {client} looks for")
    };
    let stem = image.strip_suffix(".raw").unwrap_or(image);
    let of_file = of(stem).ok_or_else(|| missing(stem, "sysextmgr"))?;
    let found = match extension {
        None => of_file,
        Some(extension) => {
            let is_lenient =
                |file: &&ReleaseFile| file.is_regular && file.strict.as_deref() == Some(b"0");
            let mut lenient = releases.iter().filter(is_lenient);
            let only = lenient.next().filter(|_| lenient.next().is_none());
            (of(extension).or(only)).ok_or_else(|| missing(extension, "systemd"))?
        }
    };
    (found.keys.as_ref().map(Release::keys))
        .ok_or_else(|| format!("has an empty extension-release.{}", found.name))
}

impl OfKind for Row {
    fn id(&self) -> &'static str {
        self.id
    }
}

impl Row {
    fn new(finding: &Finding) -> Self {
        Self {
            id: finding.kind.id,
            severity: match finding.kind.severity {
                Severity::Error => "error",
                Severity::Note => "note",
            },
            file: finding.file.clone(),
            text: finding.text.clone(),
            repair: finding.kind.repair,
        }
    }
}

impl Verification {
    /// Compares the definitions for people, which are in the root of the store, with those on the
    /// lists, and writes them again where that is asked for and the lists are vouched for.
    fn compare_definitions(&mut self, root: &Path, is_to_fix: bool) -> Result<()> {
        let archives = (self.directories.iter()).filter_map(|one| one.definitions.as_ref());
        let archived: Option<Vec<_>> =
            (archives.clone().next()).map(|_| archives.flatten().cloned().collect());
        let is_signed = self.directories.iter().any(|one| one.is_signed);
        let is_vouched = |one: &StoreDirectory| one.list.signed_by.is_some() || !one.is_signed;
        let compare = || {
            store::compare_definitions(root, archived.as_deref(), is_signed).map_err(store_failure)
        };
        let mut findings = compare()?;
        let mut repaired = Vec::new();
        if let Some(archived) = archived.as_deref().filter(|_| is_to_fix)
            && !findings.is_empty()
            && self.directories.iter().all(is_vouched)
        {
            store::write_definitions(root, archived).map_err(store_failure)?;
            store::remove_other_definitions(root, archived).map_err(store_failure)?;
            let left = compare()?;
            (findings, repaired) = findings.into_iter().partition(|one| left.contains(one));
        }
        let rows = |findings: &[Finding]| findings.iter().map(Row::new).collect::<Vec<_>>();
        let at = self.directories.iter().position(|one| one.path == root);
        match at.and_then(|at| self.directories.get_mut(at)) {
            Some(directory) => {
                directory.findings.extend(rows(&findings));
                directory.repaired.extend(rows(&repaired));
            }
            None if findings.is_empty() && repaired.is_empty() => {}
            None => self.directories.push(StoreDirectory {
                path: root.to_owned(),
                images: 0,
                bytes: 0,
                list: ListFacts::default(),
                findings: rows(&findings),
                repaired: rows(&repaired),
                definitions: None,
                is_signed: false,
            }),
        }
        Ok(())
    }

    fn errors(&self) -> usize {
        (self.directories.iter())
            .flat_map(|directory| &directory.findings)
            .filter(|row| row.severity == "error")
            .count()
    }

    fn text(&self, report: &Report) -> Text {
        let mut text = Text::default();
        let is_said = |row: &&Row| !report.is_quiet() || row.severity == "error";
        for directory in &self.directories {
            if self.is_fixed && directory.repaired.is_empty() && !report.is_quiet() {
                text.line("repaired  nothing".to_owned());
            }
            for row in &directory.repaired {
                text.line(format!("repaired  {}: {}", row.id, row.text));
            }
            // What to do is said once for each kind.
            let (shown, more) =
                report.first_of_each_kind(directory.findings.iter().filter(is_said));
            for (at, row) in shown.iter().enumerate() {
                let tone = match row.severity {
                    "error" => Tone::Bad,
                    _ => Tone::Doubtful,
                };
                let severity = format!("{:<9}", row.severity);
                text.toned(&severity, tone, format_args!(" {}: {}", row.id, row.text));
                if shown.get(at + 1).is_none_or(|next| next.id != row.id) {
                    text.line(format!("          {}", row.repair));
                }
            }
            for line in more {
                text.line(format!("{:<9} {line}", "note"));
            }
            if report.is_quiet() {
                continue;
            }
            if let Some(key) = &directory.list.signed_by {
                let mut line = format!("signed    by key {key}");
                if let Some(day) = &directory.list.signed_on {
                    line += &format!(" on {day}");
                }
                if let (Some(serial), Some(store)) = (directory.list.serial, &directory.list.store)
                {
                    line += &format!(", list {serial} of store {store}");
                }
                text.line(line);
            }
            text.line(format!(
                "{}: {}, {} read, {}",
                directory.path.display(),
                counted(directory.images, "image"),
                bytes(directory.bytes),
                counted(directory.findings.len(), "finding"),
            ));
        }
        text
    }
}
