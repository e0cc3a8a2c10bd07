//! `store delta`: patches that make the newest image of older ones, for clients that have those.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::num::NonZero;
use std::path::PathBuf;

use anyhow::anyhow;
use delta::patch::{MAX_PATCH, Made, Patch, make};
use files::Links;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{ImagePart, List, ListedImage, Store, patch_name};

use crate::cli::store::DeltaArguments;
use crate::inputs;
use crate::parallel;
use crate::publish::signing;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::{bytes, counted};
use crate::words::suggest::nearest;

/// A patch that is not shorter than this part of what a client without it would fetch is not kept.
const WORTH: u64 = 2;

#[derive(Serialize)]
struct Answer {
    patches: Vec<Row>,
    /// Fingerprint of the key, if one signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

/// A patch that is new.
#[derive(Serialize)]
struct Row {
    patch: PathBuf,
    bytes: usize,
    /// What a client fetches without it: the blocks that the older image does not have.
    instead_of: u64,
}

/// A newest image, and an older one of the same extension and architecture.
struct Pair {
    new: ListedImage,
    old: ListedImage,
    /// File name of the patch.
    name: String,
}

/// Makes the patches that are missing, or of other images than those that are there.
pub fn run(arguments: &DeltaArguments, report: &Report) -> Result<()> {
    super::demand_list(&arguments.directory)?;
    let settings = inputs::signing(&arguments.signing)?;
    let directories = super::directories(&arguments.directory)?;
    let signer = signing::open_to_extend(&settings, &directories)?;
    let workers = inputs::workers(arguments.jobs)?;
    let mut rows = Vec::new();
    let mut known = Vec::new();
    for directory in &directories {
        let store = Store::open(directory).map_err(store_failure)?;
        let list = store.list().map_err(store_failure)?;
        let images = list.images().map_err(store_failure)?;
        known.extend(images.iter().map(|image| image.name().to_owned()));
        let is_meant = |image: &ListedImage| {
            arguments.names.is_empty() || arguments.names.iter().any(|name| image.is_called(name))
        };
        let images = images.into_iter().filter(is_meant).collect();
        let pairs = pairs(images, arguments.from, &list)?;
        let made = parallel::map(&pairs, workers, |pair| patch(&store, pair))?;
        let mut parts = Vec::new();
        for (pair, made) in pairs.iter().zip(made) {
            let made = match made {
                Ok(made) => made,
                Err(reason) => {
                    let text = format!(
                        "no patch from {} to {}: {reason}",
                        pair.old.file, pair.new.file
                    );
                    report.stage("note", &text);
                    continue;
                }
            };
            let row = Row {
                patch: directory.join(&pair.name),
                bytes: made.bytes.len(),
                instead_of: made.missing,
            };
            report.stage("patch", &row.text());
            rows.push(row);
            parts.push(ImagePart {
                image: pair.new.file.clone(),
                sha256: pair.new.sha256,
                name: pair.name.clone(),
                bytes: made.bytes,
            });
        }
        super::put_parts(
            (&store, &list),
            parts,
            (signer.as_ref(), settings.now),
            report,
        )?;
    }
    check_names(arguments, &known)?;
    let text = match rows.len() {
        0 => "no new patches".to_owned(),
        count => format!("new: {}", counted(count, "patch")),
    };
    report.stage("store", &text);
    if report.is_json() {
        report.json(&Answer {
            patches: rows,
            signed_by: signer.map(|signer| signer.fingerprint()),
        })?;
    }
    Ok(())
}

/// Fails for a name that nothing has.
fn check_names(arguments: &DeltaArguments, known: &[String]) -> Result<()> {
    let shown = arguments.directory.display();
    let mut names = arguments.names.iter();
    let Some(name) = names.find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let failure = Failure::refused(anyhow!("{shown} has no extension {name}"));
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint(format!("to list all: sysext-build store list {shown}")),
    })
}

/// Returns the pairs whose patch is not there. `images` are in the order of [`ListedImage::order`].
fn pairs(images: Vec<ListedImage>, from: NonZero<usize>, list: &List) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let mut rest = &images[..];
    while let Some((newest, others)) = rest.split_first() {
        let group = |image: &ListedImage| {
            let (_, suffix) = image.version()?;
            Some((image.name().to_owned(), suffix.to_owned()))
        };
        let of_newest = group(newest);
        let count = others
            .iter()
            .take_while(|image| of_newest.is_some() && group(image) == of_newest)
            .count();
        for old in &others[..count.min(from.get())] {
            let Some((version, _)) = old.version() else {
                continue;
            };
            let name = patch_name(&newest.file, version);
            let there = list.file(&name, MAX_PATCH).map_err(store_failure)?;
            let there = there.as_deref().map(Patch::parse);
            let is_there = |patch: &Patch<'_>| {
                *patch.old() == old.sha256 && *patch.new_image() == newest.sha256
            };
            if !there.is_some_and(|patch| patch.as_ref().is_ok_and(is_there)) {
                pairs.push(Pair {
                    new: newest.clone(),
                    old: old.clone(),
                    name,
                });
            }
        }
        rest = &others[count..];
    }
    Ok(pairs)
}

/// Makes a patch and applies it; why there is none that is of use is no failure.
fn patch(store: &Store, pair: &Pair) -> Result<std::result::Result<Made, String>> {
    let open = |image: &ListedImage| -> Result<File> {
        Ok(files::open(store.dir().join(&image.file), Links::Refuse)?)
    };
    let mut old = BufReader::new(open(&pair.old)?);
    let mut new = BufReader::new(open(&pair.new)?);
    let made = match make(&mut old, &mut new) {
        Ok(made) => made,
        Err(problem) => return Ok(Err(problem.to_string())),
    };
    let read = Patch::parse(&made.bytes).map_err(|problem| problem.to_string());
    let read = match read {
        Ok(read) => read,
        Err(problem) => return Ok(Err(problem)),
    };
    for (image, found) in [(&pair.old, read.old()), (&pair.new, read.new_image())] {
        if image.sha256 != *found {
            let path = store.dir().join(&image.file);
            let text = anyhow!("{} is not the listed image", path.display());
            let hint = format!("see sysext-build store verify {}", store.dir().display());
            return Err(Failure::refused(text).hint(hint));
        }
    }
    let mut whole = Hashed(Sha256::new());
    if let Err(problem) = read.apply(&mut old, &mut whole, &|_| ()) {
        return Ok(Err(format!("the patch {problem}")));
    }
    if whole.0.finalize()[..] != pair.new.sha256 {
        return Ok(Err("what it makes is another image".to_owned()));
    }
    match made.bytes.len() as u64 > made.missing / WORTH {
        true => Ok(Err(format!(
            "it would have {}, and blocks alone come to {}",
            bytes(made.bytes.len() as u64),
            bytes(made.missing)
        ))),
        false => Ok(Ok(made)),
    }
}

/// Hashes what is written.
struct Hashed(Sha256);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Row {
    fn text(&self) -> String {
        format!(
            "{}  {} instead of {}",
            self.patch.display(),
            bytes(self.bytes as u64),
            bytes(self.instead_of)
        )
    }
}
