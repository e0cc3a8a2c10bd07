//! `store sysupdate`: definitions for the clients of a store, on its list and for people to read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Serialize;
use store::{ARCHIVE, Definition, Delivery, Layout, Listing, Store, StoreUrl, Trusted, kinds};

use super::report_left_out;
use crate::cli::delivery::{Signed, SysupdateArguments};
use crate::inputs;
use crate::packages::trust;
use crate::publish::page::{self, Extension, Index};
use crate::publish::signing::{self, Settings};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;

#[derive(Serialize)]
struct Written<'a> {
    url: String,
    verify: bool,
    definitions: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tarball: Option<&'a Path>,
    /// Fingerprint of the key that signed the list, if that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    left_out: &'a [String],
}

#[derive(Serialize)]
struct Row {
    name: String,
    directory: PathBuf,
}

/// Makes the definitions, and writes them.
pub fn run(arguments: &SysupdateArguments, report: &Report) -> Result<()> {
    let url = StoreUrl::new(&arguments.url)
        .map_err(|problem| Failure::usage(format!("--url {:?} {problem}", arguments.url)))?;
    let settings = inputs::signing(&arguments.signing)?;
    let trusted = trusted(arguments)?;
    let reading = page::read(&arguments.directory, "", None)?;
    report_left_out(&reading.left_out, report);
    let verify = match arguments.signed {
        // A key that is given signs the store now, if nobody has yet.
        Signed::Auto => reading.index.signed || settings.key.is_some(),
        Signed::Yes => true,
        Signed::No => false,
    };
    let mut defined = define(&reading.index, arguments, &url, verify)?;
    if arguments.staged {
        return staged(arguments, defined.into_values().flatten(), &trusted, report);
    }
    if arguments.names.is_empty() {
        // Where nothing is left to be defined, the archive goes.
        for path in super::directories(&arguments.directory)? {
            defined.entry(path).or_default();
        }
    }
    let signed_by = archive(&defined, arguments, &settings, report)?;
    let definitions: Vec<_> = defined.into_values().flatten().collect();
    store::write_definitions(&arguments.directory, &definitions).map_err(store_failure)?;
    if arguments.names.is_empty() {
        store::remove_other_definitions(&arguments.directory, &definitions)
            .map_err(store_failure)?;
    }
    if let Some(path) = &arguments.tarball {
        write_tarball(path, &definitions, &trusted)?;
    }

    report.stage(
        "sysupdate",
        &format!(
            "{} in {}, Verify={}",
            counted(definitions.len(), "definition"),
            arguments.directory.display(),
            if verify { "yes" } else { "no" }
        ),
    );
    if let Some(path) = &arguments.tarball {
        report.stage("tarball", &path.display().to_string());
        note_certificates(&reading.index, &trusted, report);
    }
    if !verify {
        report.stage(
            "note",
            "not-signed: clients check what they download against SHA256SUMS, and trust the web \
             server for SHA256SUMS",
        );
    }
    if report.is_json() {
        let row = |definition: &Definition| Row {
            name: definition.name().to_owned(),
            directory: arguments.directory.join(definition.directory_name()),
        };
        report.json(&Written {
            url: url.to_string(),
            verify,
            definitions: definitions.iter().map(row).collect(),
            tarball: arguments.tarball.as_deref(),
            signed_by,
            left_out: &reading.left_out,
        })?;
    }
    Ok(())
}

/// Writes an archive for clients to which images come without systemd-sysupdate.
fn staged(
    arguments: &SysupdateArguments,
    definitions: impl Iterator<Item = Definition>,
    trusted: &Trusted,
    report: &Report,
) -> Result<()> {
    let definitions: Vec<_> = definitions.map(Definition::staged).collect();
    let Some(path) = &arguments.tarball else {
        return Err(Failure::usage("--staged needs --tarball FILE"));
    };
    write_tarball(path, &definitions, trusted)?;
    let text = format!(
        "{} of images in {}: {}",
        counted(definitions.len(), "definition"),
        store::STAGING_DIRECTORY,
        path.display()
    );
    report.stage("tarball", &text);
    match report.is_json() {
        false => Ok(()),
        true => report.json(&Written {
            url: store::STAGING_DIRECTORY.to_owned(),
            verify: false,
            definitions: Vec::new(),
            tarball: Some(path),
            signed_by: None,
            left_out: &[],
        }),
    }
}

fn write_tarball(path: &Path, definitions: &[Definition], trusted: &Trusted) -> Result<()> {
    let mut bytes = Vec::new();
    let time = inputs::source_date_epoch()?.unwrap_or(0);
    store::write_tarball(definitions, trusted, time, &mut bytes)
        .map_err(|error| Failure::io(format!("writing {}", path.display()), error))?;
    store::replace_file(path, &bytes).map_err(store_failure)?;
    Ok(())
}

/// Reads what clients are to trust.
fn trusted(arguments: &SysupdateArguments) -> Result<Trusted> {
    // Armored keys come as clients take them.
    let keyring = (arguments.keyring.clone())
        .map(|path| trust::keyring(&[path]).map(|keys| keys.to_binary()))
        .transpose()?;
    let mut certificates = BTreeMap::new();
    for path in &arguments.verity_cert {
        for certificate in signing::read_certificates(path)? {
            let name = store::certificate_name(&hex::encode(certificate.fingerprint()));
            certificates.insert(name, certificate.to_pem());
        }
    }
    Ok(Trusted {
        keyring,
        certificates,
    })
}

/// Names the certificates that hosts with a policy need for images, and that the archive lacks.
fn note_certificates(index: &Index, trusted: &Trusted, report: &Report) {
    for fingerprint in &index.certificates {
        let name = store::certificate_name(fingerprint);
        if !trusted.certificates.contains_key(&name) {
            let text = format!(
                "images are signed inside by the certificate with the SHA-256 {fingerprint}, which is not in \
                 the archive; to add it: --verity-cert FILE"
            );
            report.stage("note", &text);
        }
    }
}

/// Puts the definitions of each directory of the store on its list; returns the fingerprint of the
/// key that signed a list for that.
fn archive(
    defined: &Defined,
    arguments: &SysupdateArguments,
    settings: &Settings,
    report: &Report,
) -> Result<Option<String>> {
    let mut changes = Vec::new();
    for (path, definitions) in defined {
        let store = Store::open(path).map_err(store_failure)?;
        let archived = store.definitions();
        let mut wanted = definitions.clone();
        // Those that were not asked for stay.
        if let (Ok(Some(archived)), false) = (&archived, arguments.names.is_empty()) {
            let is_left = |one: &&Definition| wanted.iter().all(|other| other.name() != one.name());
            let left: Vec<_> = archived.iter().filter(is_left).cloned().collect();
            wanted.extend(left);
            wanted.sort_by(|a, b| a.name().cmp(b.name()));
        }
        let is_same = match &archived {
            Ok(archived) => archived.as_deref().unwrap_or_default() == wanted,
            Err(_) => false,
        };
        if is_same {
            continue;
        }
        let needs_signer = store.needs_signer().map_err(store_failure)?;
        if needs_signer && settings.key.is_none() && matches!(archived, Ok(None)) {
            let text = format!(
                "{}: {} is signed, and {ARCHIVE} is not on its list, so clients can't check the \
                 definitions: give the key, with --sign-key FILE or --gpg-key KEY",
                kinds::DEFINITION_UNSIGNED.id,
                path.display(),
            );
            report.stage("note", &text);
            continue;
        }
        changes.push((path.clone(), store, wanted));
    }
    let paths: Vec<_> = changes.iter().map(|(path, ..)| path.clone()).collect();
    let signer = match paths.is_empty() {
        true => None,
        false => signing::open_to_extend(settings, &paths)?,
    };
    for finding in signer.iter().flat_map(|signer| &signer.findings) {
        report.note(finding);
    }
    for (path, store, definitions) in &changes {
        let listing = Listing {
            signing: signer.as_ref().map(|signer| signer.signing(path)),
            now: inputs::clock()?,
            ..Listing::default()
        };
        store.define(definitions, listing).map_err(store_failure)?;
        if let Some(signer) = &signer {
            signer.conclude(store, report)?;
        }
        report.stage("archive", &path.join(ARCHIVE).display().to_string());
    }
    Ok(signer.map(|signer| signer.fingerprint()))
}

/// The definitions of each directory that has a list, in the order of their names.
type Defined = BTreeMap<PathBuf, Vec<Definition>>;

/// Defines the extensions that are asked for, or all.
fn define(
    index: &Index,
    arguments: &SysupdateArguments,
    url: &StoreUrl,
    verify: bool,
) -> Result<Defined> {
    let wanted = &arguments.names;
    if let Some(missing) =
        (wanted.iter()).find(|name| !index.extensions.iter().any(|one| one.name == **name))
    {
        return Err(Failure::refused(anyhow!(
            "{} has no image of {missing:?}",
            arguments.directory.display()
        ))
        .hint("to list what it has: sysext-build store list DIR"));
    }
    let mut defined = Defined::new();
    for extension in &index.extensions {
        if !wanted.is_empty() && !wanted.contains(&extension.name) {
            continue;
        }
        let per_name = match extension.directory.strip_suffix('/') {
            None => false,
            Some(directory) if directory == extension.name => true,
            Some(directory) => {
                return Err(Failure::refused(anyhow!(
                    "{directory} has images of {:?}; definitions need directories that have the \
                     name of their extension",
                    extension.name
                )));
            }
        };
        let layout = layout_of(extension)?;
        let delivery = Delivery {
            url: url.clone(),
            per_name,
            ending: layout.pattern_ending(),
            verify,
            instances: arguments.instances,
        };
        let definition = Definition::new(&extension.name, &delivery)
            .map_err(|problem| Failure::usage(format!("{:?} {problem}", extension.name)))?;
        let definition = definition.with_companion(extension.companion().is_some());
        let is_defined = |other: &Definition| other.name() == definition.name();
        if defined.values().flatten().any(is_defined) {
            return Err(Failure::refused(anyhow!(
                "images of {:?} are in two directories of the store",
                extension.name
            )));
        }
        let directory = match per_name {
            true => arguments.directory.join(&extension.name),
            false => arguments.directory.clone(),
        };
        defined.entry(directory).or_default().push(definition);
    }
    Ok(defined)
}

/// Returns the layout that the file names of an extension's images have.
fn layout_of(extension: &Extension) -> Result<Layout> {
    let Some(image) = extension.images.first() else {
        return Ok(Layout::default());
    };
    let architecture = image.architecture.as_deref().unwrap_or_default();
    let start = format!("{}-{}", extension.name, image.version);
    (image.file.strip_prefix(&start))
        .and_then(|suffix| Layout::of_suffix(suffix, architecture))
        .ok_or_else(|| {
            Failure::refused(anyhow!(
                "{}: no systemd-sysupdate pattern matches this file name",
                image.file
            ))
        })
}
