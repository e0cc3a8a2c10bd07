//! `sign-verity`: the signature of what is in an image, once that is built.

use std::path::{Path, PathBuf};

use manifest::{ImageFile, Manifest};
use sbom::Format;
use serde::Serialize;
use store::{Listing, SUMS, Store, Temporary};

use crate::cli::SignVerityArguments;
use crate::publish::disk;
use crate::publish::signing::{self, RootSigner};
use crate::publish::{self, Beside};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::{inputs, inspected};

/// What became of an image.
#[derive(Serialize)]
struct Signed {
    image: PathBuf,
    sha256: String,
    root_hash: String,
    /// SHA-256 of the certificate.
    signed_by: String,
    /// Whether a list has it.
    listed: bool,
    /// Fingerprint of the key that signed the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_signed_by: Option<String>,
}

/// Signs an image in a copy that takes its place, together with its manifest and the list.
pub fn run(arguments: &SignVerityArguments, report: &Report) -> Result<()> {
    let (path, verity) = (&arguments.image, &arguments.verity_signing);
    let key = inputs::root_key(verity, arguments.signature.as_deref(), &arguments.signing)?;
    let key = key.ok_or_else(|| {
        Failure::usage("nothing says what signs the image")
            .hint("name a key and its certificate: --verity-key FILE --verity-cert FILE")
            .hint("or the signature: --signature FILE --verity-cert FILE")
    })?;
    let settings = inputs::signing_beside(&arguments.signing, verity.verity_key.is_some())?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .filter(|name| name.ends_with(".raw"))
        .ok_or_else(|| Failure::usage(format!("{} is not named as an image", path.display())))?;
    let store = Store::open(directory).map_err(store_failure)?;
    let list = store.list().map_err(store_failure)?;
    let listed = list.digest_of(name).is_some();
    let bills = list.attached(name);
    let is_there = |form: &Format| bills.iter().any(|bill| bill.ends_with(form.suffix()));
    let forms = Format::ALL.into_iter().filter(is_there).collect();
    let beside = Beside {
        bills: forms,
        index: bills.contains(&store::index_name(name)),
        // What was said of the bytes before is not said of these.
        attester: None,
    };
    let signer = match listed {
        true => signing::open_to_extend(&settings, &[directory.to_owned()])?,
        false => None,
    };
    let prover = RootSigner::open(&key)?;
    let key_findings = signer.iter().flat_map(|signer| &signer.findings);
    for finding in key_findings.chain(&prover.finding) {
        report.note(finding);
    }
    let mut root_hash = String::new();
    let mut amend = |file: &mut Temporary, manifest: Option<&mut Manifest>| -> Result<()> {
        let certificate = &prover.certificate;
        let root = inspected::sign(path, file, certificate, |root| prover.sign(root))?;
        root_hash = verity::signed_text(&root);
        if let Some(manifest) = manifest {
            let time = manifest.image.as_ref().and_then(|image| image.time);
            manifest.image = Some(ImageFile {
                time,
                ..disk::signed(&root, certificate)
            });
        }
        Ok(())
    };
    let listing = || Listing {
        signing: signer.as_ref().map(|signer| signer.signing(directory)),
        best_before: None,
        now: settings.now,
    };
    let sha256 = store.amend(name, &mut amend, listing())?;
    // Those of before were of other bytes.
    if listed {
        publish::attach(&store, name, beside, listing(), report)?;
    } else {
        note_stale(path, report);
    }
    if let Some(signer) = &signer {
        signer.conclude(&store, report)?;
    }
    let certificate = &prover.certificate;
    report.stage(
        "verity",
        &format!("root hash {root_hash}, signed by {certificate}"),
    );
    let list = directory.join(SUMS);
    let became = match listed {
        true => format!("replaced in {}", list.display()),
        false => "no list has it".to_owned(),
    };
    report.stage("store", &format!("{}  {became}", path.display()));
    if !report.is_json() {
        return Ok(());
    }
    report.json(&Signed {
        image: path.clone(),
        sha256: hex::encode(sha256),
        root_hash,
        signed_by: hex::encode(certificate.fingerprint()),
        listed,
        list_signed_by: signer.map(|signer| signer.fingerprint()),
    })
}

/// Names what is beside an image that no list has, and tells of the bytes that it had before.
fn note_stale(image: &Path, report: &Report) {
    for suffix in store::ATTACHED {
        let stale = image.with_extension(suffix.trim_start_matches('.'));
        if stale.symlink_metadata().is_ok() {
            let stale = stale.display();
            let text = format!("{stale} is of the image before: remove it, or make it again");
            report.stage("note", &text);
        }
    }
}
