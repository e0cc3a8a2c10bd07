//! The one pass over the payloads: decompress, verify, hand to the block compressors.
//!
//! With one worker everything happens on the calling thread; that is the reference. With more,
//! the next packages are decompressed ahead on threads of their own, each into a bounded queue,
//! and taken from there in the order of the plan. Both ways the packer sees the same contents in
//! the same order, so the image's bytes are the same.
//!
//! What was compressed for another image is taken as it is, see [`kept`].

mod finish;
mod hands;
mod intake;
pub mod kept;
pub mod linkage;
pub mod modules;
mod output;
mod read_back;
mod reader;
mod relocated;
mod room;
mod stamps;
pub mod texts;
mod times;
pub mod unpack;
pub mod written;

use std::collections::BTreeMap;
use std::io::{self, Cursor, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::linkage::Linkage;
use image::squashfs::{Busy, Compressor, Image, Options, Packer, Spent, Summary, Workers};
use image::{Content, ContentId, Tree, Visit};
use rpm_input::Files;
use store::Temporary;
use verity::Digest;

use crate::findings::Finding;
use crate::pack::finish::Taken;
pub use crate::pack::hands::Hands;
use crate::pack::intake::{Intake, packer_failure};
use crate::pack::kept::KeptBlocks;
use crate::pack::modules::Modules;
pub use crate::pack::output::{Around, Output};
pub use crate::pack::read_back::ReadBack;
pub use crate::pack::reader::Late;
use crate::pack::reader::{Source, Wanted};
use crate::pack::written::Written;
use crate::packages::Chosen;
use crate::plan::Planned;
use crate::plan::compose::Plan;
use crate::report::Report;
use crate::timings::{Clocks, Stage, Timings};
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::{bytes, counted};

/// The version of what this program makes of its inputs: one more whenever the same inputs give
/// other bytes than before, so that stores get new images and nothing is taken that was packed
/// otherwise.
pub const FORMAT: u32 = 3;

/// How an image is packed.
#[derive(Clone, Debug)]
pub struct Packing {
    /// Compressor and level.
    pub compressor: Compressor,
    /// Block size in bytes.
    pub block_size: u32,
    /// How many threads compress.
    pub workers: usize,
    /// Where compressed blocks are kept for other images.
    pub kept: Option<kept::Settings>,
}

/// The packages that an image is packed from, in the order of its plan.
pub enum Packages<'a> {
    /// Their file lists are not needed any more once they are read: of large packages they take as
    /// much memory as the rest. Those that are not here are fetched late.
    Last(&'a mut [Chosen], &'a Late<'a>),
    /// They are here, and read for another image, too.
    Shared(Vec<&'a Chosen>),
}

impl Packages<'_> {
    fn sources(&self) -> Vec<Source<'_>> {
        match self {
            Self::Last(chosen, late) => sources(chosen, late),
            Self::Shared(chosen) => chosen.iter().map(|one| source(one)).collect(),
        }
    }

    fn were_read(self) {
        if let Self::Last(chosen, _) = self {
            for one in chosen {
                one.package.files = Files::default();
            }
        }
    }
}

/// A packed image.
pub struct Packed {
    /// The output, complete.
    pub output: Temporary,
    /// The root hash, if it is a disk image.
    pub root: Option<Digest>,
    /// What went in, and what came out.
    pub summary: Summary,
    /// Its bytes, which are being hashed.
    pub written: Written,
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

fn source(chosen: &Chosen) -> Source<'_> {
    Source {
        package: &chosen.package,
        file: &chosen.file,
        sha256: chosen.sha256,
        late: None,
    }
}

/// Packs what was planned of these packages; a bar moves meanwhile.
/// Files of which a content records the time get that time in the plan, see [`times`].
pub fn image(
    planned: &mut Planned,
    packages: Packages<'_>,
    packing: &Packing,
    (output, around, hands): (Temporary, Option<(&Around<'_>, Temporary)>, &Hands),
    report: &Report,
) -> Result<Packed> {
    let sources = packages.sources();
    // Whatever is wrong with what is kept, the image can be made without it.
    let (kept, unopened) = match opened(packing) {
        Ok(kept) => (kept, None),
        Err(failure) => (None, Some(failure)),
    };
    let moved = relocated::rewrite(&mut planned.plan, &sources)?;
    let (around, hashes) = around.unzip();
    let bar = report.bar("pack", planned.plan.size);
    let mut progress = |bytes| bar.inc(bytes);
    let start = Clocks::start();
    let taken = take(
        &planned.plan,
        &sources,
        (packing, hands),
        (Output::new(output, around.zip(hashes)), kept.as_ref()),
        &mut progress,
    )?;
    let names: Vec<_> = (sources.iter())
        .map(|source| source.package.nevra.to_string())
        .collect();
    drop(sources);
    packages.were_read();
    let (taken, made) = taken.make(planned, &names)?;
    let plan = &mut planned.plan;
    let settled = times::settle(plan, &taken.stamps)?;
    let reused = taken.reused;
    let (read, took) = (taken.read, start.passed());
    let start = Clocks::start();
    let finished = taken.finish(plan, (kept.as_ref(), around), report.timings())?;
    let (packed, spent, unkept) = finished;
    note(report.timings(), (took, start.passed()), read, spent);
    let packed = Packed {
        findings: [moved, made, settled.findings].concat(),
        ..packed
    };
    bar.finish_and_clear();
    if let Some(failure) = unkept.or(unopened) {
        let text = format!(
            "not all blocks are kept for other images: {:#}",
            failure.source
        );
        report.stage("note", &text);
    }
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
            "{}{}, {} -> {}  {} in {} blocks, {}{}",
            // An image and its companion are packed one after the other.
            match store::main_of(&planned.identity.name) {
                Some(_) => format!("{}: ", planned.identity.name),
                None => String::new(),
            },
            counted(plan.files, "file"),
            bytes(plan.size),
            bytes(packed.summary.bytes),
            packing.compressor,
            bytes(packing.block_size.into()),
            counted(hands.workers.count(), "worker"),
            match reused {
                0 => String::new(),
                _ => format!(", {} taken from the cache", bytes(reused)),
            },
        ),
    );
    Ok(packed)
}

/// Says of each package whether something of it is needed to pack what was planned that was not
/// compressed before, as far as that can be said without a look at what is kept.
pub fn needed(plan: &Plan, chosen: &[Chosen], packing: &Packing) -> Result<Vec<bool>> {
    // What is here is read anyway.
    let all = || Ok(vec![true; chosen.len()]);
    if chosen.iter().all(|one| one.is_here) || relocated::reads_all(plan) {
        return all();
    }
    let Ok(Some(kept)) = opened(packing) else {
        return all();
    };
    let options = Options {
        compressor: packing.compressor,
        block_size: packing.block_size,
        workers: Workers::new(1),
        mkfs_time: 0,
    };
    // Nothing is written to it.
    let packer = Packer::new(Cursor::new(Vec::new()), &options).map_err(packer_failure)?;
    let late: &Late<'_> = &|_| Ok(PathBuf::new());
    let (sources, mut progress) = (sources(chosen, late), |_| ());
    let intake = Intake::new(packer, plan, &sources, Some(&kept), &mut progress);
    let wanted = intake.wanted();
    Ok((wanted.iter().zip(chosen))
        // Only where metadata list it, what the file is need not be looked up.
        .map(|(wanted, one)| *wanted != Wanted::Digest || one.sha256.is_none())
        .collect())
}

/// Opens the blocks that are kept for images packed like this, if any are.
fn opened(packing: &Packing) -> Result<Option<KeptBlocks>> {
    let Some(settings) = &packing.kept else {
        return Ok(None);
    };
    KeptBlocks::open(settings, packing)
}

fn sources<'a>(chosen: &'a [Chosen], late: &'a Late<'a>) -> Vec<Source<'a>> {
    let chosen = chosen.iter().enumerate();
    let sources = chosen.map(|(number, one)| Source {
        late: (!one.is_here).then_some((number, late)),
        ..source(one)
    });
    sources.collect()
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
    companion: Option<&str>,
    report: &Report,
) -> Result<()> {
    image
        .seek(SeekFrom::Start(0))
        .map_err(|error| Failure::io("reading the image back", error))?;
    let alone = unpack::unpack(image, directory)?;
    report.stage("tree", &directory.display().to_string());
    if let Some(companion) = companion {
        let text = format!("--tree: what is in {companion} is not there");
        report.stage("note", &text);
    }
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

/// Notes what taking the contents and finishing the image took.
fn note(
    timings: &Timings,
    (taken, finished): ((Duration, Duration), (Duration, Duration)),
    read: Busy,
    spent: Spent,
) {
    let (wall, mut gathered) = taken;
    // With one worker all is done on one thread.
    if spent.compress.threads <= 1 {
        gathered = gathered.saturating_sub(spent.compress.all + spent.write.all);
    }
    if read.threads > 0 {
        timings.add(Stage::Read, wall, read);
    }
    timings.add(Stage::Gather, wall, Busy::of_thread(gathered));
    timings.add(Stage::Compress, wall, spent.compress);
    timings.add(Stage::Write, wall, spent.write);
    timings.add(Stage::Finish, finished.0, Busy::of_thread(finished.1));
}

/// Packs the contents of a plan. `progress` is told of each number of bytes that went in.
fn take(
    plan: &Plan,
    sources: &[Source<'_>],
    (packing, hands): (&Packing, &Hands),
    (output, kept): (Output, Option<&KeptBlocks>),
    progress: &mut dyn FnMut(u64),
) -> Result<Taken> {
    let options = Options {
        compressor: packing.compressor,
        block_size: packing.block_size,
        workers: hands.workers.clone(),
        mkfs_time: plan.time,
    };
    let packer = Packer::new(output, &options).map_err(packer_failure)?;
    let mut intake = Intake::new(packer, plan, sources, kept, progress);
    let digests = intake.take(hands)?;
    Ok(Taken {
        packer: intake.packer,
        facts: intake.facts,
        stamps: intake.stamps,
        digests,
        taken: intake.taken,
        reused: intake.reused,
        unkept: intake.unkept,
        read: intake.read,
    })
}
