//! A prepared tree on disk that is added to an image: `DIR/usr/...` and `DIR/opt/...`.
//!
//! Modes are taken as they are, and so are link targets. Owner and time are not: a checkout's
//! belong to the machine that made it, so everything is root's and of the image's time.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use image::ContentId;
use walkdir::WalkDir;

use crate::plan::filter::{Candidate, CandidateKind};
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result};

/// One file, directory or link of an overlay.
#[derive(Clone, Debug)]
pub struct OverlayFile {
    /// Its path in the image without the leading slash, and what it is.
    pub candidate: Candidate,
    /// Permission bits.
    pub mode: u16,
    /// Length in bytes; 0 for what is not a regular file.
    pub size: u64,
    /// What a regular file holds.
    pub content: Option<ContentId>,
    /// Where it is read from.
    pub source: PathBuf,
}

/// Lists an overlay in byte order of paths. Regular files are read once here, for their digests.
pub fn read(directory: &Path) -> Result<Vec<OverlayFile>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            Failure::io(
                format!("reading the overlay {}", directory.display()),
                error,
            )
        })?;
        let source = entry.path().to_owned();
        let doing = || format!("reading {}", source.display());
        let metadata = entry
            .metadata()
            .map_err(|error| Failure::io(doing(), error))?;
        let path = source
            .strip_prefix(directory)
            .ok()
            .and_then(Path::to_str)
            .ok_or_else(|| Failure::refused(anyhow!("{source:?}: the name is not UTF-8")))?
            .to_owned();
        image::check_path(&path)
            .map_err(|problem| Failure::refused(anyhow!("{source:?}: the path {problem}")))?;
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => CandidateKind::Directory,
            kind if kind.is_file() => CandidateKind::File,
            kind if kind.is_symlink() => {
                let target =
                    std::fs::read_link(&source).map_err(|error| Failure::io(doing(), error))?;
                CandidateKind::Symlink(target.into_os_string().into_string().map_err(|_| {
                    Failure::refused(anyhow!("{source:?}: the link's target is not UTF-8"))
                })?)
            }
            kind if kind.is_char_device() && metadata.rdev() == 0 => CandidateKind::Whiteout,
            kind if kind.is_char_device() || kind.is_block_device() => CandidateKind::Device,
            _ => CandidateKind::Endpoint,
        };
        let (size, content) = match kind {
            CandidateKind::File => {
                let (size, digest) = File::open(&source)
                    .and_then(|mut file| sha256(&mut file))
                    .map_err(|error| Failure::io(doing(), error))?;
                (size, Some(sha256_id(&digest)))
            }
            _ => (0, None),
        };
        files.push(OverlayFile {
            candidate: Candidate::new(path, kind),
            mode: (metadata.mode() & 0o7777) as u16,
            size,
            content,
            source,
        });
    }
    Ok(files)
}
