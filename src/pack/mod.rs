//! The one pass over the payloads: decompress, verify, hand to the block compressors.
//!
//! With one worker everything happens on the calling thread; that is the reference. With more,
//! the next packages are decompressed ahead on threads of their own, each into a bounded queue,
//! and taken from there in the order of the plan. Both ways the packer sees the same contents in
//! the same order, so the image's bytes are the same.

pub mod linkage;
pub mod modules;
mod stamps;
pub mod texts;
mod times;
pub mod unpack;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ::linkage::Linkage;
use anyhow::anyhow;
use files::Links;
use image::squashfs::{self, Compressor, Image, Options, Packer, Summary};
use image::{Content, ContentId, Tree, Visit};
use rpm_input::{Files, Package, Payload};
use sha2::{Digest as _, Sha256};

use crate::findings::Finding;
use crate::pack::linkage::Facts;
use crate::pack::modules::Modules;
use crate::pack::stamps::Stamps;
use crate::packages::Chosen;
use crate::plan::compose::{Plan, content_id};
use crate::report::Report;
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result, package_failure};
use crate::words::quantity::{bytes, counted};

/// Length of a piece that a decompressing thread hands over, in bytes.
const PIECE: usize = 128 * 1024;
/// Pieces that may wait in the queue of one package: 2 MiB.
const PIECES_AHEAD: usize = 16;
/// Threads that decompress packages.
const READERS: usize = 2;
/// Packages that are being read or wait to be, the one in use included.
const PACKAGES_AHEAD: usize = READERS + 1;

/// How an image is packed.
#[derive(Clone, Debug)]
pub struct Packing {
    /// Compressor and level.
    pub compressor: Compressor,
    /// Block size in bytes.
    pub block_size: u32,
    /// Compressing threads.
    pub workers: usize,
}

/// A packed image.
pub struct Packed<W> {
    /// The output, complete.
    pub output: W,
    /// What went in, and what came out.
    pub summary: Summary,
    /// SHA-256 of each package's file, in order.
    pub digests: Vec<[u8; 32]>,
    /// What its programs, libraries and scripts need to run, and what they offer.
    pub linkage: Linkage,
    /// Its units and sysusers.d snippets, by their paths.
    pub texts: BTreeMap<String, String>,
    /// Its kernel modules.
    pub modules: Modules,
    /// What was found in the contents.
    pub findings: Vec<Finding>,
}

/// A package and the file it is read from.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// What its header says.
    package: &'a Package,
    /// The RPM file.
    file: &'a Path,
}

/// Packs a plan of these packages; a bar moves meanwhile. Files of which a content records the time
/// get that time in the plan, see [`times`]. The packages' file lists are dropped when
/// the last content has been read: of large packages they take as much memory as the rest.
pub fn image<W: io::Read + io::Write + io::Seek + Send + 'static>(
    plan: &mut Plan,
    chosen: &mut [Chosen],
    packing: &Packing,
    output: W,
    report: &Report,
) -> Result<Packed<W>> {
    let sources: Vec<_> = (chosen.iter())
        .map(|one| Source {
            package: &one.package,
            file: &one.file,
        })
        .collect();
    let bar = report.bar("pack", plan.size);
    let mut progress = |bytes| bar.inc(bytes);
    let taken = take(plan, &sources, packing, output, &mut progress)?;
    for one in chosen {
        one.package.files = Files::default();
    }
    let settled = times::settle(plan, &taken.stamps)?;
    let packed = Packed {
        findings: settled.findings,
        ..taken.finish(plan)?
    };
    bar.finish_and_clear();
    if settled.late > 0 {
        let text = format!(
            "later than SOURCE_DATE_EPOCH: {}, which compiled files or caches record",
            counted(settled.late, "time")
        );
        report.stage("note", &text);
    }
    report.stage(
        "pack",
        &format!(
            "{}, {} -> {}  {} in {} blocks, {}",
            counted(plan.files, "file"),
            bytes(plan.size),
            bytes(packed.summary.bytes),
            packing.compressor,
            bytes(packing.block_size.into()),
            counted(packing.workers, "worker"),
        ),
    );
    Ok(packed)
}

/// Reads the contents of an image that its plan names otherwise than by their SHA-256, and returns
/// that.
pub fn names(
    image: &mut (impl io::Read + io::Seek),
    tree: &Tree,
) -> Result<BTreeMap<ContentId, ContentId>> {
    let mut paths = BTreeMap::new();
    tree.walk(&mut |path, visit| {
        if let Visit::Leaf(_, leaf) = visit
            && let Content::File { id, size } = &leaf.content
            && *size > 0
            && !id.is_sha256()
        {
            paths.entry(id.clone()).or_insert_with(|| path.clone());
        }
    });
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    let failed = |error: io::Error| Failure::io("reading the image back", error);
    let mut image = Image::open(image).map_err(Failure::refused)?;
    let stored = image.tree().map_err(Failure::refused)?;
    let mut names = BTreeMap::new();
    for (id, path) in paths {
        if let Some(Visit::Leaf(_, leaf)) = stored.get(&path)
            && let Content::File { id: place, .. } = &leaf.content
        {
            let mut content = image.content(place).map_err(Failure::refused)?;
            let (_, digest) = sha256(&mut content).map_err(failed)?;
            names.insert(id, sha256_id(&digest));
        }
    }
    Ok(names)
}

/// Writes the tree of an image to a directory.
pub fn unpack(
    image: &mut (impl io::Read + io::Seek),
    directory: &Path,
    report: &Report,
) -> Result<()> {
    image
        .seek(SeekFrom::Start(0))
        .map_err(|error| Failure::io("reading the image back", error))?;
    let alone = unpack::unpack(image, directory)?;
    report.stage("tree", &directory.display().to_string());
    for (what, count) in [
        ("set-uid and set-gid bits", alone.set_id),
        ("extended attributes", alone.attributes),
    ] {
        if count > 0 {
            let files = counted(count, "file");
            let text = format!("--tree: {what} of {files} are in the image alone");
            report.stage("note", &text);
        }
    }
    Ok(())
}

/// An image that has all its contents.
struct Taken<W: io::Write + io::Seek + Send + 'static> {
    packer: Packer<W>,
    facts: Facts,
    stamps: Stamps,
    digests: Vec<[u8; 32]>,
}

impl<W: io::Read + io::Write + io::Seek + Send + 'static> Taken<W> {
    /// Adds the tree.
    fn finish(self, plan: &Plan) -> Result<Packed<W>> {
        let (mut output, summary) = self.packer.finish(&plan.tree).map_err(packer_failure)?;
        let linkage = self.facts.linkage(&plan.tree, &mut output)?;
        let texts = texts::read(&plan.tree, &mut output)?;
        let modules = modules::read(&plan.tree, &mut output)?;
        Ok(Packed {
            output,
            summary,
            digests: self.digests,
            linkage,
            texts,
            modules,
            findings: Vec::new(),
        })
    }
}

/// Packs the contents of a plan. `progress` is told of each number of bytes that went in.
fn take<W: io::Read + io::Write + io::Seek + Send + 'static>(
    plan: &Plan,
    sources: &[Source<'_>],
    packing: &Packing,
    output: W,
    progress: &mut dyn FnMut(u64),
) -> Result<Taken<W>> {
    let options = Options {
        compressor: packing.compressor,
        block_size: packing.block_size,
        workers: packing.workers,
        mkfs_time: plan.time,
    };
    let mut intake = Intake {
        packer: Packer::new(output, &options).map_err(packer_failure)?,
        plan,
        facts: Facts::default(),
        stamps: Stamps::default(),
        progress,
    };
    for (id, bytes) in &plan.inline {
        intake.add(id, bytes.len() as u64, &mut bytes.as_slice())?;
    }
    let digests = if packing.workers > 1 && !sources.is_empty() {
        intake.take_ahead(sources)?
    } else {
        intake.take_in_turn(sources)?
    };
    for (id, size, path) in &plan.overlay {
        intake.take_overlay(id, *size, path)?;
    }
    Ok(Taken {
        packer: intake.packer,
        facts: intake.facts,
        stamps: intake.stamps,
        digests,
    })
}

/// Where contents go.
struct Intake<'a, W: io::Write + io::Seek + Send + 'static> {
    packer: Packer<W>,
    plan: &'a Plan,
    facts: Facts,
    stamps: Stamps,
    progress: &'a mut dyn FnMut(u64),
}

impl<W: io::Write + io::Seek + Send + 'static> Intake<'_, W> {
    fn add(&mut self, id: &ContentId, size: u64, content: &mut dyn Read) -> Result<()> {
        if self.packer.contains(id) {
            return Ok(());
        }
        let mut counted = Counted {
            content,
            progress: &mut *self.progress,
        };
        self.packer
            .add(id, size, &mut self.facts.watch(&mut counted, size))
            .map_err(packer_failure)?;
        self.stamps.note(id, self.facts.head());
        self.facts.note(id, size)
    }

    /// Reads one package after the other on this thread.
    fn take_in_turn(&mut self, sources: &[Source<'_>]) -> Result<Vec<[u8; 32]>> {
        let mut digests = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let mut payload = open(source)?;
            while let Some(mut content) = payload.next_content().map_err(package_failure)? {
                if let Some(id) = wanted(self.plan, source, index, content.file) {
                    self.add(&id, content.size, &mut content)?;
                }
            }
            digests.push(payload.finish().map_err(package_failure)?.sha256);
        }
        Ok(digests)
    }

    /// Reads packages ahead on threads, and takes their contents in order.
    fn take_ahead(&mut self, sources: &[Source<'_>]) -> Result<Vec<[u8; 32]>> {
        let plan = self.plan;
        let mut digests = Vec::new();
        let (jobs, waiting) = sync_channel::<(usize, SyncSender<Piece>)>(PACKAGES_AHEAD);
        let waiting = &Mutex::new(waiting);
        std::thread::scope(|scope| {
            // Moved in, so that the threads see the end of the jobs however this ends.
            let jobs = jobs;
            for _ in 0..READERS {
                scope.spawn(move || read_ahead(waiting, sources, plan));
            }
            let mut queues = VecDeque::new();
            let mut next = 0;
            for _ in 0..sources.len() {
                while next < sources.len() && queues.len() < PACKAGES_AHEAD {
                    let (sender, queue) = sync_channel(PIECES_AHEAD);
                    if jobs.send((next, sender)).is_err() {
                        return Err(reader_lost());
                    }
                    queues.push_back((next, queue));
                    next += 1;
                }
                let Some((index, queue)) = queues.pop_front() else {
                    return Err(reader_lost());
                };
                digests.push(self.take_queue(&sources[index], index, &queue)?);
            }
            Ok(())
        })?;
        Ok(digests)
    }

    /// Takes the contents of one package from its queue; returns the digest of its file.
    fn take_queue(
        &mut self,
        source: &Source<'_>,
        index: usize,
        queue: &Receiver<Piece>,
    ) -> Result<[u8; 32]> {
        let mut content = Queued {
            queue,
            piece: Vec::new(),
            position: 0,
            failure: None,
        };
        loop {
            match queue.recv().map_err(|_| reader_lost())? {
                Piece::Content { file, size } => {
                    content.piece.clear();
                    content.position = 0;
                    let Some(id) = wanted(self.plan, source, index, file) else {
                        continue;
                    };
                    let added = self.add(&id, size, &mut content);
                    if let Some(failure) = content.failure.take() {
                        return Err(failure);
                    }
                    added?;
                }
                // The rest of a content that the packer has already.
                Piece::Bytes(_) => {}
                Piece::End(digest) => return digest,
            }
        }
    }

    /// Reads one file of an overlay, and makes sure that it is still the one that was planned.
    fn take_overlay(&mut self, id: &ContentId, size: u64, path: &PathBuf) -> Result<()> {
        if self.packer.contains(id) {
            return Ok(());
        }
        let doing = || format!("reading {}", path.display());
        // The plan has a file there, and no link.
        let file = files::open(path, Links::Refuse)?;
        let mut hashed = Hashed {
            content: file,
            hash: Sha256::new(),
        };
        self.add(id, size, &mut hashed).map_err(|failure| Failure {
            source: failure.source.context(doing()),
            ..failure
        })?;
        if sha256_id(&hashed.hash.finalize().into()) != *id {
            return Err(Failure::io(
                doing(),
                anyhow!("the file changed while it was being read"),
            ));
        }
        Ok(())
    }
}

/// Returns the id of a content, if it is to be taken from this file of this package.
fn wanted(plan: &Plan, source: &Source<'_>, package: usize, file: usize) -> Option<ContentId> {
    if !plan.contents[package][file] {
        return None;
    }
    let described = source.package.files.get(file)?;
    Some(content_id(package, file, &described))
}

fn open<'a>(source: &Source<'a>) -> Result<Payload<'a, File>> {
    let file = rpm_input::open(source.file).map_err(package_failure)?;
    Payload::open(file, source.package).map_err(package_failure)
}

/// What a decompressing thread hands over.
enum Piece {
    /// A content begins.
    Content { file: usize, size: u64 },
    /// More of it.
    Bytes(Vec<u8>),
    /// The package is at its end, whole and verified, or it is not.
    End(Result<[u8; 32]>),
}

/// Works off packages until there are no more, or nobody wants them.
fn read_ahead(
    waiting: &Mutex<Receiver<(usize, SyncSender<Piece>)>>,
    sources: &[Source<'_>],
    plan: &Plan,
) {
    loop {
        let job = match waiting.lock() {
            Ok(waiting) => waiting.recv(),
            Err(_) => return,
        };
        let Ok((index, queue)) = job else { return };
        let wants = |file: usize| plan.contents[index][file];
        let end = match stream(&sources[index], &wants, &queue) {
            // The other side is gone: it has failed and says why.
            Ok(None) => return,
            Ok(Some(digest)) => Ok(digest),
            Err(failure) => Err(failure),
        };
        if queue.send(Piece::End(end)).is_err() {
            return;
        }
    }
}

/// Streams a package's wanted contents into a queue; `None` when nobody listens any more.
fn stream(
    source: &Source<'_>,
    wants: &dyn Fn(usize) -> bool,
    queue: &SyncSender<Piece>,
) -> Result<Option<[u8; 32]>> {
    let mut payload = open(source)?;
    while let Some(mut content) = payload.next_content().map_err(package_failure)? {
        let (file, mut left) = (content.file, content.size);
        if !wants(file) {
            continue;
        }
        if queue.send(Piece::Content { file, size: left }).is_err() {
            return Ok(None);
        }
        while left > 0 {
            let mut piece = vec![0; left.min(PIECE as u64) as usize];
            content.read_exact(&mut piece).map_err(content_failure)?;
            left -= piece.len() as u64;
            if queue.send(Piece::Bytes(piece)).is_err() {
                return Ok(None);
            }
        }
    }
    payload
        .finish()
        .map(|verified| Some(verified.sha256))
        .map_err(package_failure)
}

/// Reads one content out of a queue.
struct Queued<'a> {
    queue: &'a Receiver<Piece>,
    piece: Vec<u8>,
    position: usize,
    failure: Option<Failure>,
}

impl Read for Queued<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.piece.len() {
            match self.queue.recv() {
                Ok(Piece::Bytes(piece)) => (self.piece, self.position) = (piece, 0),
                Ok(Piece::End(Err(failure))) => {
                    self.failure = Some(failure);
                    return Err(io::Error::other("the package can't be read"));
                }
                Ok(_) | Err(_) => return Err(io::Error::other("the package's reader stopped")),
            }
        }
        let length = buffer.len().min(self.piece.len() - self.position);
        buffer[..length].copy_from_slice(&self.piece[self.position..self.position + length]);
        self.position += length;
        Ok(length)
    }
}

/// Tells of the bytes that pass.
struct Counted<'a> {
    content: &'a mut dyn Read,
    progress: &'a mut dyn FnMut(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(buffer)?;
        (self.progress)(length as u64);
        Ok(length)
    }
}

/// Hashes the bytes that pass.
struct Hashed {
    content: File,
    hash: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

/// Takes a package's error out of what its content reader returned.
fn content_failure(error: io::Error) -> Failure {
    match error.downcast::<rpm_input::Error>() {
        Ok(error) => package_failure(error),
        Err(error) => Failure::io("reading a package", error),
    }
}

fn packer_failure(error: squashfs::Error) -> Failure {
    match error {
        squashfs::Error::Content(error) => content_failure(error),
        error @ (squashfs::Error::Output(_) | squashfs::Error::Thread(_)) => {
            Failure::io("writing the image", error)
        }
        other => Failure::refused(other),
    }
}

fn reader_lost() -> Failure {
    Failure::io("reading the packages", anyhow!("a reading thread stopped"))
}
