//! Where contents go: those of each package in the order of its payload, one package after the other.
//!
//! What was compressed before is taken as it is, see [`kept`](super::kept). Which packages need to be
//! read for the rest is foretold from what is kept; should something not be there after all, its
//! package is read then. Either way the packer sees the same contents in the same order.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;
use files::Links;
use image::ContentId;
use image::squashfs::{self, Busy, Packer};
use sha2::{Digest as _, Sha256};

use crate::pack::hands::Hands;
use crate::pack::kept::{KeptBlocks, Known, Order};
use crate::pack::linkage::Facts;
use crate::pack::reader::{Ahead, Reader, Source, Wanted, content_failure};
use crate::pack::stamps::Stamps;
use crate::plan::compose::{Plan, content_id};
use crate::words::digest::sha256_id;
use crate::words::failure::{Failure, Result};

/// Takes the contents of an image.
pub struct Intake<'a, W: io::Write + io::Seek + Send + 'static> {
    /// Where they go.
    pub packer: Packer<W>,
    /// What was found in them.
    pub facts: Facts,
    /// What they record.
    pub stamps: Stamps,
    /// The first content of each unit that was kept.
    pub taken: BTreeSet<ContentId>,
    /// Bytes that were compressed before.
    pub reused: u64,
    /// Why what was seen can't be kept.
    pub unkept: Option<Failure>,
    /// What threads took that read packages ahead.
    pub read: Busy,
    plan: &'a Plan,
    sources: &'a [Source<'a>],
    kept: Option<&'a KeptBlocks>,
    /// How each payload goes, as far as it is known.
    orders: Vec<Option<Order>>,
    /// What was found in the contents that are to pass next.
    known: VecDeque<Known>,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a, W: io::Write + io::Seek + Send + 'static> Intake<'a, W> {
    /// Returns one for the contents of a plan. `progress` is told of each number of bytes that went in.
    pub fn new(
        packer: Packer<W>,
        plan: &'a Plan,
        sources: &'a [Source<'a>],
        kept: Option<&'a KeptBlocks>,
        progress: &'a mut dyn FnMut(u64),
    ) -> Self {
        let order = |source: &Source<'_>| {
            let order = kept.and_then(|kept| kept.order(source.package))?;
            // It may be that of another file than metadata list now.
            let is_listed = |listed: [u8; 32]| listed == order.sha256;
            source.sha256.is_none_or(is_listed).then_some(order)
        };
        Self {
            packer,
            facts: Facts::default(),
            stamps: Stamps::default(),
            taken: BTreeSet::new(),
            reused: 0,
            unkept: None,
            read: Busy::default(),
            plan,
            sources,
            kept,
            orders: sources.iter().map(order).collect(),
            known: VecDeque::new(),
            progress,
        }
    }

    /// Takes all contents; returns the SHA-256 of each package's file.
    pub fn take(&mut self, hands: &Hands) -> Result<Vec<[u8; 32]>> {
        for (id, bytes) in &self.plan.inline {
            self.add(id, bytes.len() as u64, &mut bytes.as_slice())?;
        }
        // They tell the image's own number, and would make the block of the first package another.
        self.packer.end_block().map_err(packer_failure)?;
        let wanted = self.wanted();
        let mut digests = Vec::new();
        if hands.workers.count() == 1 || self.sources.is_empty() {
            for (index, source) in self.sources.iter().enumerate() {
                let reader = Reader::new(*source);
                digests.push(self.take_package(index, &wanted[index], reader)?);
            }
        } else {
            let sources = self.sources;
            let readers = hands.readers();
            let read = Mutex::default();
            std::thread::scope(|scope| {
                let mut ahead = Ahead::start(scope, readers.count, sources, &wanted, &read);
                for (index, source) in sources.iter().enumerate() {
                    let reader = ahead.next(*source)?;
                    digests.push(self.take_package(index, &wanted[index], reader)?);
                }
                Ok::<_, Failure>(())
            })?;
            self.read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
        let overlay = self.sources.len();
        for (at, (id, size, path)) in self.plan.overlay.iter().enumerate() {
            let one = self.content(overlay, at);
            let is_known = self.packer.contains(id);
            let is_taken = |one: &Coming| self.take_kept(overlay, at, one);
            if !is_known && !one.as_ref().map_or(Ok(false), is_taken)? {
                self.take_overlay(id, *size, path)?;
            }
        }
        Ok(digests)
    }

    /// Foretells what needs to be read of each package.
    pub fn wanted(&self) -> Vec<Wanted> {
        let plan = self.plan;
        let whole = |package: usize| Wanted::Files(plan.contents[package].clone());
        let Some(kept) = self.kept else {
            return (0..self.sources.len()).map(whole).collect();
        };
        let mut needed: Vec<Vec<bool>> = (plan.contents.iter())
            .map(|files| vec![false; files.len()])
            .collect();
        let mut seen = BTreeSet::new();
        for package in 0..self.sources.len() {
            for at in 0..self.length(package) {
                let Some(one) = self.content(package, at) else {
                    continue;
                };
                let is_known = self.packer.contains(&one.id) || seen.contains(&one.id);
                if is_known || one.size == 0 {
                    continue;
                }
                let unit = match self.packer.filling().is_small(one.size) {
                    true => self.unit(package, at, &seen, false).unwrap_or_default(),
                    false => vec![one],
                };
                let is_kept = kept.has(&sized(&unit));
                for one in unit {
                    if let Some(file) = one.file.filter(|_| !is_kept) {
                        needed[one.package][file] = true;
                    }
                    seen.insert(one.id);
                }
            }
        }
        let needed = needed.into_iter().enumerate();
        needed
            .map(|(package, needed)| match &self.orders[package] {
                None => whole(package),
                Some(_) if needed.contains(&true) => Wanted::Files(needed),
                Some(_) => Wanted::Digest,
            })
            .collect()
    }

    /// Returns how many contents may come from a package, or from the overlay, which is behind the last.
    fn length(&self, package: usize) -> usize {
        match (self.orders.get(package), self.plan.contents.get(package)) {
            (Some(Some(order)), _) => order.files.len(),
            (_, Some(files)) => files.len(),
            (_, None) => self.plan.overlay.len(),
        }
    }

    /// Returns the content at a place in the order of a package, if it is wanted. Where
    /// the order is not known, it is taken for that of the header.
    fn content(&self, package: usize, at: usize) -> Option<Coming> {
        let Some(source) = self.sources.get(package) else {
            let (id, size, _) = self.plan.overlay.get(at)?;
            return Some(Coming {
                id: id.clone(),
                size: *size,
                package,
                file: None,
            });
        };
        let file = match &self.orders[package] {
            Some(order) => *order.files.get(at)? as usize,
            None => at,
        };
        let id = wanted_of(self.plan, source, package, file)?;
        let size = source.package.files.get(file)?.size;
        Some(Coming {
            id,
            size,
            package,
            file: Some(file),
        })
    }

    /// Returns the contents that share a block which begins with the one at this place; `seen` were
    /// packed before. Nothing if an order must be known and is not.
    fn unit(
        &self,
        package: usize,
        at: usize,
        seen: &BTreeSet<ContentId>,
        is_certain: bool,
    ) -> Option<Vec<Coming>> {
        let mut filling = self.packer.filling().emptied();
        let mut unit: Vec<Coming> = Vec::new();
        let mut members = BTreeSet::new();
        let mut first = at;
        for package in package..=self.sources.len() {
            if is_certain && matches!(self.orders.get(package), Some(None)) {
                return None;
            }
            for at in std::mem::take(&mut first)..self.length(package) {
                let Some(one) = self.content(package, at) else {
                    continue;
                };
                let is_known = self.packer.contains(&one.id) || seen.contains(&one.id);
                let is_shared = one.size > 0 && filling.is_small(one.size);
                if is_known || members.contains(&one.id) || !is_shared {
                    continue;
                }
                if filling.is_full_for(one.size) {
                    return Some(unit);
                }
                let ends = filling.add(&one.id, one.size);
                members.insert(one.id.clone());
                unit.push(one);
                if ends {
                    return Some(unit);
                }
            }
            if package < self.sources.len() && filling.end_package() {
                return Some(unit);
            }
        }
        Some(unit)
    }

    /// Takes the contents of a package; returns the SHA-256 of its file.
    fn take_package(
        &mut self,
        package: usize,
        wanted: &Wanted,
        mut reader: Reader<'_>,
    ) -> Result<[u8; 32]> {
        if *wanted == Wanted::Digest {
            let digest = reader.digest()?;
            if self.orders[package]
                .as_ref()
                .is_some_and(|order| order.sha256 != digest)
            {
                // It is another file than the one that was read then.
                self.orders[package] = None;
                reader.restart()?;
            }
        }
        let is_known = self.orders[package].is_some();
        if is_known {
            for at in 0..self.length(package) {
                let Some(one) = self.content(package, at) else {
                    continue;
                };
                if one.size == 0 {
                    self.add(&one.id, 0, &mut io::empty())?;
                } else if !self.packer.contains(&one.id) && !self.take_kept(package, at, &one)? {
                    self.read(&one, &mut reader)?;
                }
            }
        } else {
            while reader.next(&mut |file, size, content| self.see(package, file, size, content))? {}
        }
        self.packer.end_package().map_err(packer_failure)?;
        let order = reader.finish()?;
        if let Some(before) = self.orders[package].as_ref()
            && !order.files.is_empty()
            && order.files != before.files
        {
            // Only a digest that two payloads share leads here.
            let what = anyhow!("its contents come in another order than before");
            let failure = Failure::refused(what).at(self.sources[package].file.display());
            return Err(failure.hint("to take nothing from the cache: --block-cache 0"));
        }
        if let Some(kept) = self.kept.filter(|_| !is_known && self.unkept.is_none()) {
            let stored = kept.keep_order(self.sources[package].package, &order);
            self.unkept = stored.err();
        }
        Ok(order.sha256)
    }

    /// Takes a content that comes from a package of which nothing is known.
    fn see(
        &mut self,
        package: usize,
        file: usize,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<()> {
        // Where nothing is known, places are those of the header.
        let Some(one) = self.content(package, file) else {
            return Ok(());
        };
        match self.packer.contains(&one.id) || self.take_kept(package, file, &one)? {
            true => Ok(()),
            false => self.add(&one.id, size, content),
        }
    }

    /// Takes a content from what was compressed before, and says whether it was.
    fn take_kept(&mut self, package: usize, at: usize, one: &Coming) -> Result<bool> {
        let Some(kept) = self.kept.filter(|_| one.size > 0) else {
            return Ok(false);
        };
        if self
            .packer
            .pass(&one.id, one.size)
            .map_err(packer_failure)?
        {
            let known = self.known.pop_front();
            self.note(one, known);
            return Ok(true);
        }
        let filling = self.packer.filling();
        let is_small = filling.is_small(one.size);
        let unit = match is_small {
            false => vec![(one.id.clone(), one.size)],
            true if !filling.is_empty() && !filling.is_full_for(one.size) => return Ok(false),
            true => match self.unit(package, at, &BTreeSet::new(), true) {
                Some(unit) => sized(&unit),
                None => return Ok(false),
            },
        };
        let Some(mut loaded) = kept.load(&unit) else {
            return Ok(false);
        };
        let put = self.packer.put(&loaded.unit, &mut loaded.bytes);
        put.map_err(packer_failure)?;
        self.taken.insert(one.id.clone());
        let mut known = VecDeque::from(loaded.known);
        let first = known.pop_front();
        if is_small {
            self.packer
                .pass(&one.id, one.size)
                .map_err(packer_failure)?;
            self.known = known;
        }
        self.note(one, first);
        Ok(true)
    }

    /// Notes what a content was found to be when it was compressed.
    fn note(&mut self, one: &Coming, known: Option<Known>) {
        if let Some(known) = known {
            self.facts.insert(&one.id, known.fact);
            self.stamps.insert(&one.id, known.stamp);
        }
        self.reused += one.size;
        (self.progress)(one.size);
    }

    /// Reads a content from its package.
    fn read(&mut self, one: &Coming, reader: &mut Reader<'_>) -> Result<()> {
        let is_there = Cell::new(false);
        for is_last in [false, true] {
            let mut see = |file: usize, size: u64, content: &mut dyn Read| {
                if one.file != Some(file) {
                    return Ok(());
                }
                is_there.set(true);
                self.add(&one.id, size, content)
            };
            while reader.next(&mut see)? {
                if is_there.get() {
                    return Ok(());
                }
            }
            if !is_last {
                reader.restart()?;
            }
        }
        let what = anyhow!("content {} is not where it was", one.id);
        Err(Failure::refused(what).at(self.sources[one.package].file.display()))
    }

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

    /// Reads one file of an overlay, and makes sure that it is still the one that was planned.
    fn take_overlay(&mut self, id: &ContentId, size: u64, path: &PathBuf) -> Result<()> {
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

/// A content that comes.
struct Coming {
    id: ContentId,
    size: u64,
    /// The package that it comes from; the one behind the last is the overlay.
    package: usize,
    /// The file there, if it is a package.
    file: Option<usize>,
}

fn sized(contents: &[Coming]) -> Vec<(ContentId, u64)> {
    let contents = contents.iter();
    contents.map(|one| (one.id.clone(), one.size)).collect()
}

/// Returns the id of a content, if it is to be taken from this file of this package.
fn wanted_of(plan: &Plan, source: &Source<'_>, package: usize, file: usize) -> Option<ContentId> {
    if !*plan.contents.get(package)?.get(file)? {
        return None;
    }
    let described = source.package.files.get(file)?;
    Some(content_id(package, file, &described))
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

/// Says why a packer failed.
pub fn packer_failure(error: squashfs::Error) -> Failure {
    match error {
        squashfs::Error::Content(error) => content_failure(error),
        error @ (squashfs::Error::Output(_) | squashfs::Error::Thread(_)) => {
            Failure::io("writing the image", error)
        }
        other => Failure::refused(other),
    }
}
