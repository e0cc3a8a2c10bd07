//! `pull`: an image of a store comes to a client, and only what changed is fetched.
//!
//! Which image is the newest, and whose word counts, is decided as by systemd-sysupdate. What the
//! images that are there have of the new one is found by the index of its pieces (docs/blocks.md).
//! Where the store has no such index, the image is fetched whole; where it has a patch for an image
//! that is there (docs/patches.md), that is all that is fetched.

pub mod bring;
mod source;
pub mod target;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use architecture::Architecture;
use delta::Index;
use delta::patch::{MAX_PATCH, Patch, PatchError};
use files::{Directory, Links};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{Offer, Offered, order, patch_name, version_of};

use self::bring::{Bringing, Have};
use self::source::MAX_IMAGE;
use self::target::Partial;
use crate::cli::PullArguments;
use crate::inputs;
use crate::report::Report;
use crate::served::{Place, Trusted};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::{bytes, counted};

/// Images that are looked into where none is named: what clients keep of an extension.
const LOOKED_INTO: usize = 2;

#[derive(Serialize)]
struct Answer {
    image: PathBuf,
    sha256: String,
    /// `new`, `unchanged`, or `replaced`: there was one of that name with other bytes.
    state: &'static str,
    /// Length of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Bytes of the image that the store was asked for.
    fetched: u64,
    /// Bytes that were copied from other images.
    copied: u64,
    /// Bytes that an earlier attempt had left.
    kept: u64,
    /// How often the store was asked for a part of the image, or for all of it.
    requests: u32,
    /// It was made by a patch.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_patched: bool,
    /// The link to the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<PathBuf>,
    /// Fingerprint of the key that signed the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

/// What is pulled, and from where.
struct Pull<'a> {
    arguments: &'a PullArguments,
    report: &'a Report,
    place: Place,
    offer: Offer,
    /// Name of the extension.
    name: &'a str,
    architecture: Architecture,
}

/// Brings an image.
pub fn run(arguments: &PullArguments, report: &Report) -> Result<()> {
    let (name, version) = match arguments.name.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (arguments.name.as_str(), None),
    };
    store::check_name(name)
        .map_err(|problem| Failure::usage(format!("the name {name:?} {problem}")))?;
    let architecture = match arguments.arch.as_deref() {
        Some(name) => Some(inputs::architecture(name)?),
        None => Architecture::of_this_machine(),
    };
    let architecture = architecture.ok_or_else(|| {
        Failure::usage("this machine's architecture is not known").hint("give one with --arch")
    })?;
    let trusted = Trusted::of(&arguments.trust)?;
    let place = Place::open(&arguments.store, &arguments.network)?;
    let list = place.list(trusted.as_ref())?;
    let offer = Offer::of_list(&list.bytes, inputs::clock()?)
        .map_err(|problem| Failure::refused(anyhow!("{}: the list {problem}", arguments.store)))?;
    let pull = Pull {
        arguments,
        report,
        place,
        offer,
        name,
        architecture,
    };
    let into = Directory::open(&arguments.into, Links::Follow)?;
    let offered = pull.offered(version)?;
    if version.is_none()
        && let Some(newer) = pull.newer(&into, &offered)?
    {
        let path = arguments.into.join(newer);
        let text = format!("{} is newer than all that is listed", path.display());
        report.stage("pull", &text);
        return Ok(());
    }
    // Before anything is fetched that could not be linked.
    let link = format!("{name}.raw");
    if let Some(directory) = &arguments.link {
        target::check_link(directory, &link)?;
    }
    let place = arguments.stage.as_ref().unwrap_or(&arguments.into);
    let directory = Directory::open(place, Links::Follow)?;
    let mut answer = pull.bring(&into, &directory, &offered)?;
    let is_other = |file: &str| {
        let architecture = architecture.systemd();
        file != offered.file && version_of(file, name, architecture).is_some()
    };
    target::drop_partial(&directory, &is_other)?;
    pull.say_companion(&offered);
    answer.signed_by = list.signed_by;
    if let Some(directory) = &arguments.link {
        target::link(directory, &link, &arguments.into, &offered.file)?;
        answer.link = Some(directory.join(link));
    }
    match report.is_json() {
        true => report.json(&answer),
        false => {
            report.stage("pull", &answer.text());
            Ok(())
        }
    }
}

impl Pull<'_> {
    /// Returns the image that is wanted.
    fn offered(&self, version: Option<&str>) -> Result<Offered> {
        let architecture = self.architecture.systemd();
        let mut images = self.offer.images(self.name, architecture).into_iter();
        let found = match version {
            None => images.next(),
            Some(version) => images.find(|image| image.version == version),
        };
        found.ok_or_else(|| {
            let version = version.map(|version| format!(" in version {version}"));
            Failure::refused(anyhow!(
                "{} lists no image of {}{} for {architecture}",
                self.arguments.store,
                self.name,
                version.unwrap_or_default()
            ))
        })
    }

    /// Says so where the image is of no use without another one that is offered.
    fn say_companion(&self, offered: &Offered) {
        let companion = store::companion_of(self.name);
        let rest = offered.file.strip_prefix(self.name).unwrap_or_default();
        let file = format!("{companion}{rest}");
        if self.offer.digest_of(&file).is_some() {
            let text = format!("{file} has its files of /etc: pull {companion}, too");
            self.report.stage("note", &text);
        }
    }

    /// Returns the images of the extension that are in a directory, the newest first.
    fn there(&self, directory: &Directory) -> Result<Vec<(String, String)>> {
        let architecture = self.architecture.systemd();
        let names = directory.names()?.into_iter();
        let names = names.filter_map(|name| name.into_string().ok());
        let mut there: Vec<_> = names
            .filter_map(|file| {
                let version = version_of(&file, self.name, architecture)?.to_owned();
                Some((version, file))
            })
            .collect();
        there.sort_by(|(a, _), (b, _)| order::systemd(b, a));
        Ok(there)
    }

    /// Returns an image that is there and newer than the newest that is offered.
    fn newer(&self, into: &Directory, offered: &Offered) -> Result<Option<String>> {
        let newest = self.there(into)?.into_iter().next();
        let newest =
            newest.filter(|(version, _)| order::systemd(version, &offered.version).is_gt());
        Ok(newest.map(|(_, file)| file))
    }

    /// Brings an image into a directory, unless it is there.
    fn bring(&self, into: &Directory, directory: &Directory, offered: &Offered) -> Result<Answer> {
        let mut answer = Answer {
            image: directory.path().join(&offered.file),
            sha256: hex::encode(offered.sha256),
            state: "unchanged",
            bytes: None,
            fetched: 0,
            copied: 0,
            kept: 0,
            requests: 0,
            is_patched: false,
            link: None,
            signed_by: None,
        };
        let haves = self.haves(into, directory, offered)?;
        let mut partial = Partial::lock(directory, &offered.file)?;
        answer.state = match partial.is_there(&offered.sha256)? {
            Some(true) => {
                partial.drop_file()?;
                return Ok(answer);
            }
            Some(false) => "replaced",
            None => "new",
        };
        let bringing = Bringing {
            place: &self.place,
            offer: &self.offer,
            report: self.report,
        };
        let index = bringing.index(&offered.file, &offered.sha256, &haves);
        // What an earlier attempt has left was made of blocks.
        if partial.length()? == 0
            && let Some(patched) = self.patched(into, offered, index.as_ref(), &mut partial)?
        {
            answer.bytes = Some(partial.finish()?);
            answer.fetched = patched;
            answer.copied = answer.bytes.unwrap_or_default().saturating_sub(patched);
            answer.requests = 1;
            answer.is_patched = true;
            return Ok(answer);
        }
        let wanted = (offered.file.as_str(), &offered.sha256);
        let brought = bringing.file(partial, haves, wanted, index.as_ref())?;
        answer.bytes = Some(brought.bytes);
        answer.fetched = brought.fetched;
        answer.copied = brought.assembled.copied;
        answer.kept = brought.assembled.kept;
        answer.requests = brought.assembled.requests;
        Ok(answer)
    }

    /// Opens the images that may have pieces of the new one. One that was not named and can't be used
    /// is passed over.
    fn haves(
        &self,
        into: &Directory,
        directory: &Directory,
        offered: &Offered,
    ) -> Result<Vec<Have>> {
        let mut haves = Vec::new();
        for path in &self.arguments.have {
            haves.push(Have {
                path: path.clone(),
                file: files::open(path, Links::Follow)?,
            });
        }
        if !haves.is_empty() {
            return Ok(haves);
        }
        // What has the name and other bytes is damaged, and has most of its pieces still.
        let own = directory.open_file(&offered.file).ok();
        haves.extend(own.map(|file| Have {
            path: directory.path().join(&offered.file),
            file,
        }));
        for (_, file) in self.there(into)?.into_iter().take(LOOKED_INTO) {
            if let Ok(opened) = into.open_file(&file) {
                haves.push(Have {
                    path: into.path().join(&file),
                    file: opened,
                });
            }
        }
        Ok(haves)
    }

    /// Makes the image of an older one by a patch, if the store has one for an image that is there.
    /// Returns how many bytes the patch has; `None` where there is no image after all, and the file is
    /// empty then.
    fn patched(
        &self,
        into: &Directory,
        offered: &Offered,
        index: Option<&Index>,
        partial: &mut Partial<'_>,
    ) -> Result<Option<u64>> {
        // A patch that is longer than its image saves nothing.
        let limit = index.map_or(MAX_PATCH, |index| index.length().min(MAX_PATCH));
        // One attempt is enough: blocks cost no more than the whole image.
        for (version, file) in self.there(into)? {
            let name = patch_name(&offered.file, &version);
            let Some(listed) = self.offer.digest_of(&name) else {
                continue;
            };
            let Ok(old) = into.open_file(&file) else {
                continue;
            };
            let shown = self.place.shown(&name);
            let problem = match self.place.file(&name, limit) {
                Err(failure) => format!("{shown} can't be fetched: {:#}", failure.source),
                Ok(None) => format!("{shown} is not there"),
                Ok(Some(bytes)) if Sha256::digest(&bytes)[..] != listed => {
                    format!("{shown} is not the listed file")
                }
                Ok(Some(bytes)) => match apply(&bytes, old, offered, &mut partial.file) {
                    Ok(()) => return Ok(Some(bytes.len() as u64)),
                    Err(Unapplied::File(error)) => {
                        partial.clear()?;
                        let path = self.arguments.into.display();
                        return Err(Failure::io(format!("writing into {path}"), error));
                    }
                    Err(Unapplied::Patch(problem)) => format!("{shown} {problem}"),
                },
            };
            partial.clear()?;
            let text = format!("{problem}; the image is made of its blocks");
            self.report.stage("note", &text);
            break;
        }
        Ok(None)
    }
}

/// Why a patch made no image.
enum Unapplied {
    /// The new image can't be written.
    File(io::Error),
    /// The text completes the sentence "the patch …".
    Patch(String),
}

/// Applies a patch to an older image; what is in the new file is the listed image then.
fn apply(
    bytes: &[u8],
    old: File,
    offered: &Offered,
    new: &mut File,
) -> std::result::Result<(), Unapplied> {
    let problem = |problem: PatchError| Unapplied::Patch(problem.to_string());
    let patch = Patch::parse(bytes).map_err(problem)?;
    if *patch.new_image() != offered.sha256 {
        return Err(Unapplied::Patch("makes another image".to_owned()));
    }
    if patch.length() > MAX_IMAGE {
        return Err(Unapplied::Patch(format!(
            "makes more than {MAX_IMAGE} bytes"
        )));
    }
    let mut written = Written {
        file: BufWriter::new(new),
        hash: Sha256::new(),
        problem: None,
    };
    let applied = patch.apply(&mut BufReader::new(old), &mut written, &|_| ());
    let flushed = written.flush();
    if let Some(error) = written.problem.or(flushed.err()) {
        return Err(Unapplied::File(error));
    }
    applied.map_err(problem)?;
    match written.hash.finalize()[..] == offered.sha256 {
        true => Ok(()),
        false => Err(Unapplied::Patch(
            "makes other bytes of the image that is there".to_owned(),
        )),
    }
}

/// The new image as it is written, with its hash; and why it could not be written.
struct Written<'a> {
    file: BufWriter<&'a mut File>,
    hash: Sha256,
    problem: Option<io::Error>,
}

impl Write for Written<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Ok(length) => {
                self.hash.update(bytes.get(..length).unwrap_or_default());
                Ok(length)
            }
            Err(error) => {
                let kind = error.kind();
                self.problem = Some(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Answer {
    fn text(&self) -> String {
        let shown = self.image.display();
        let link = match &self.link {
            Some(link) => format!(", linked as {}", link.display()),
            None => String::new(),
        };
        let Some(length) = self.bytes else {
            return format!("{shown} is up to date{link}");
        };
        let way = match self.is_patched {
            true => "a patch".to_owned(),
            false => counted(self.requests as usize, "request"),
        };
        let saved = 100.0 * (1.0 - self.fetched as f64 / length.max(1) as f64);
        let kept = match self.kept {
            0 => String::new(),
            kept => format!(", {} of an earlier attempt", bytes(kept)),
        };
        format!(
            "{shown}  fetched {} of {} in {}{kept}, {:.1} % saved{link}",
            bytes(self.fetched),
            bytes(length),
            way,
            saved.max(0.0)
        )
    }
}

/// Returns the path of a file in a directory, for messages.
fn shown(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}
