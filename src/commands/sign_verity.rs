//! `sign-verity`: the signature of what is in an image, once that is built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::verity::Certificate;
use anyhow::anyhow;
use manifest::{ImageFile, Manifest};
use sbom::Format;
use serde::Serialize;
use store::{Listing, SUMS, Store, Temporary};

use crate::cli::SignVerityArguments;
use crate::findings::Finding;
use crate::publish::disk;
use crate::publish::signing::{self, RootSigner, Signer};
use crate::publish::{self, Beside};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure, writing_failure};
use crate::words::quantity::counted;
use crate::{inputs, inspected};

/// What became of an image.
#[derive(Serialize)]
struct Signed<'a> {
    image: &'a Path,
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

/// What is to be signed of images.
#[derive(Serialize)]
struct ToSign<'a> {
    archive: &'a Path,
    /// By the name of the image without `.raw`.
    root_hashes: BTreeMap<&'a String, String>,
}

/// Signs images in copies that take their place, together with their manifests and lists; or writes
/// what is to be signed.
pub fn run(arguments: &SignVerityArguments, report: &Report) -> Result<()> {
    let images = arguments.images.iter().map(|path| Target::of(path));
    let images = images.collect::<Result<Vec<_>>>()?;
    if let Some(archive) = &arguments.hashes {
        return write_hashes(&images, archive, report);
    }
    let provers = Provers::open(arguments, &images)?;
    let verity = &arguments.verity_signing;
    let settings = inputs::signing_beside(&arguments.signing, verity.verity_key.is_some())?;
    let mut listed: Vec<PathBuf> = Vec::new();
    for image in &images {
        if image.is_listed()? && !listed.contains(&image.directory) {
            listed.push(image.directory.clone());
        }
    }
    let signer = match listed.is_empty() {
        true => None,
        false => signing::open_to_extend(&settings, &listed)?,
    };
    let key_findings = signer.iter().flat_map(|signer| &signer.findings);
    for finding in key_findings.chain(provers.finding()) {
        report.note(finding);
    }
    for (number, image) in images.iter().enumerate() {
        let prover = provers.of(number)?;
        image.sign(prover, signer.as_ref(), settings.now, report)?;
    }
    Ok(())
}

/// Writes an archive of the root hashes of images that wait for their signatures.
fn write_hashes(images: &[Target<'_>], archive: &Path, report: &Report) -> Result<()> {
    let mut roots = BTreeMap::new();
    for image in images {
        let root = inspected::hash_to_sign(image.path)?;
        let text = verity::signed_text(&root);
        report.stage(
            "verity",
            &format!("{}  root hash {text}", image.path.display()),
        );
        if roots.insert(image.stem().to_owned(), root).is_some() {
            let text = format!("two images are called {}", image.name);
            return Err(Failure::usage(text).hint("write an archive for each directory"));
        }
    }
    let bytes = verity::archive::of_hashes(&roots).map_err(Failure::refused)?;
    files::replace(archive, &bytes, 0o644).map_err(writing_failure)?;
    let hashes = counted(roots.len(), "root hash");
    report.stage(
        "archive",
        &format!("{}  {hashes} to sign", archive.display()),
    );
    if !report.is_json() {
        return Ok(());
    }
    let roots = roots.iter();
    let roots = roots.map(|(name, root)| (name, verity::signed_text(root)));
    report.json(&ToSign {
        archive,
        root_hashes: roots.collect(),
    })
}

/// What signs the images of a run.
enum Provers {
    /// One for all.
    Same(Box<RootSigner>),
    /// One for each, in the order of the images.
    Each(Vec<RootSigner>),
}

impl Provers {
    fn open(arguments: &SignVerityArguments, images: &[Target<'_>]) -> Result<Self> {
        let verity = &arguments.verity_signing;
        if let (Some(archive), Some(certificate)) = (&arguments.signatures, &verity.verity_cert) {
            return Self::of_archive(archive, &inputs::certificate(certificate)?, images);
        }
        if arguments.signature.is_some() && images.len() > 1 {
            return Err(Failure::usage("--signature FILE is that of one image")
                .hint("sign one at a time, or name an archive: --signatures FILE"));
        }
        let key = inputs::root_key(verity, arguments.signature.as_deref(), &arguments.signing)?;
        let key = key.ok_or_else(|| {
            Failure::usage("nothing says what signs the image")
                .hint("name a key and its certificate: --verity-key FILE --verity-cert FILE")
                .hint("or the signature: --signature FILE --verity-cert FILE")
        })?;
        Ok(Self::Same(Box::new(RootSigner::open(&key)?)))
    }

    /// Takes the signatures of an archive, which has one for each image and no others.
    fn of_archive(path: &Path, certificate: &Certificate, images: &[Target<'_>]) -> Result<Self> {
        let mut signatures = signing::read_signatures(path)?;
        let path = path.display();
        let each = images.iter().map(|image| {
            let raw = signatures.remove(image.stem()).ok_or_else(|| {
                let text = anyhow!("{path} has no signature for {}", image.name);
                Failure::refused(text)
                    .hint("an image has the name under which --hashes wrote its root hash")
            })?;
            Ok(RootSigner::of_signature(raw, certificate))
        });
        let each = each.collect::<Result<_>>()?;
        if let Some((left, _)) = signatures.first_key_value() {
            let text = anyhow!("{path} has a signature for {left}.raw, too, which was not named");
            return Err(Failure::refused(text).hint("name all images of the archive"));
        }
        Ok(Self::Each(each))
    }

    /// Says what is wrong with the file of the key.
    fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Same(prover) => prover.finding.as_ref(),
            Self::Each(_) => None,
        }
    }

    /// What signs the image with a number.
    fn of(&self, number: usize) -> Result<&RootSigner> {
        match self {
            Self::Same(prover) => Ok(prover),
            Self::Each(each) => each
                .get(number)
                .ok_or_else(|| Failure::usage("nothing says what signs the image")),
        }
    }
}

/// An image that is signed.
struct Target<'a> {
    path: &'a Path,
    /// Where it is.
    directory: PathBuf,
    name: &'a str,
    store: Store,
}

impl<'a> Target<'a> {
    fn of(path: &'a Path) -> Result<Self> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| name.ends_with(".raw")).ok_or_else(|| {
            Failure::usage(format!("{} is not named as an image", path.display()))
        })?;
        Ok(Self {
            path,
            directory: directory.to_owned(),
            name,
            store: Store::open(directory).map_err(store_failure)?,
        })
    }

    /// Its name without `.raw`.
    fn stem(&self) -> &'a str {
        self.name.strip_suffix(".raw").unwrap_or(self.name)
    }

    fn is_listed(&self) -> Result<bool> {
        let list = self.store.list().map_err(store_failure)?;
        Ok(list.digest_of(self.name).is_some())
    }

    /// Signs it, and the list that it is in.
    fn sign(
        &self,
        prover: &RootSigner,
        signer: Option<&Signer>,
        now: u64,
        report: &Report,
    ) -> Result<()> {
        let (store, name, certificate) = (&self.store, self.name, &prover.certificate);
        let list = store.list().map_err(store_failure)?;
        let is_listed = list.digest_of(name).is_some();
        let signer = signer.filter(|_| is_listed);
        let attached = list.attached(name);
        let beside = beside(&attached, name);
        let mut root_hash = String::new();
        let mut amend = |file: &mut Temporary, manifest: Option<&mut Manifest>| -> Result<()> {
            let root = inspected::sign(self.path, file, certificate, |root| prover.sign(root))?;
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
            signing: signer.map(|signer| signer.signing(&self.directory)),
            best_before: None,
            now,
        };
        let sha256 = store.amend(name, &mut amend, listing())?;
        // Those of before were of other bytes.
        if is_listed {
            publish::attach(store, name, beside, listing(), report)?;
            note_dropped(&attached, report);
        } else {
            note_stale(self.path, report);
        }
        if let Some(signer) = signer {
            signer.conclude(store, report)?;
        }
        report.stage(
            "verity",
            &format!("root hash {root_hash}, signed by {certificate}"),
        );
        let became = match is_listed {
            true => format!("replaced in {}", self.directory.join(SUMS).display()),
            false => "no list has it".to_owned(),
        };
        report.stage("store", &format!("{}  {became}", self.path.display()));
        let sums = self.directory.join(SUMS);
        if !is_listed && sums.symlink_metadata().is_ok() {
            // A run that was killed may have taken it off the list, to put it there again.
            let text = format!(
                "{} lacks the image; to list it: sysext-build store add {} {}",
                sums.display(),
                self.directory.display(),
                self.path.display(),
            );
            report.stage("note", &text);
        }
        if !report.is_json() {
            return Ok(());
        }
        report.json(&Signed {
            image: self.path,
            sha256: hex::encode(sha256),
            root_hash,
            signed_by: hex::encode(certificate.fingerprint()),
            listed: is_listed,
            list_signed_by: signer.map(Signer::fingerprint),
        })
    }
}

/// Says what is to be beside an image again, of what is listed for it.
fn beside(attached: &[String], image: &str) -> Beside<'static> {
    let is_there = |form: &Format| attached.iter().any(|bill| bill.ends_with(form.suffix()));
    Beside {
        bills: Format::ALL.into_iter().filter(is_there).collect(),
        index: attached.contains(&store::index_name(image)),
        // What was said of the bytes before is not said of these.
        attester: None,
    }
}

/// Names the statements that were listed for an image, and are of the bytes that it had before.
fn note_dropped(attached: &[String], report: &Report) {
    for name in attached
        .iter()
        .filter(|name| name.ends_with(store::STATEMENT))
    {
        let text = format!("{name} said how the image before was built, and is removed");
        report.stage("note", &text);
    }
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
