//! What becomes of an image once it has all its contents: its tables, its digest, its blocks for other
//! images, and what is read back from it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::thread::scope;

use files::View;
use image::ContentId;
use image::squashfs::{Busy, Finished, Packer, Spent};

use crate::findings::Finding;
use crate::pack::kept::KeptBlocks;
use crate::pack::linkage::Facts;
use crate::pack::output::{Around, Output};
use crate::pack::stamps::Stamps;
use crate::pack::written::Written;
use crate::pack::{Packed, ReadBack, modules, packer_failure, texts};
use crate::parallel::finished;
use crate::plan::Planned;
use crate::plan::compose::Plan;
use crate::timings::{Stage, Timings};
use crate::words::failure::{Failure, Result};

/// Threads that read a finished image, beside the one that hashes it.
const THREADS: usize = 2;

/// An image that has all its contents.
pub struct Taken {
    /// What they went into.
    pub packer: Packer<Output>,
    /// What they need to run.
    pub facts: Facts,
    /// What they record of what they were made from.
    pub stamps: Stamps,
    /// SHA-256 of each package's file, in order.
    pub digests: Vec<[u8; 32]>,
    /// The first content of each unit that was packed before.
    pub taken: BTreeSet<ContentId>,
    /// Bytes of them.
    pub reused: u64,
    /// Why something can't be kept.
    pub unkept: Option<Failure>,
    /// What threads took that read packages ahead.
    pub read: Busy,
}

impl Taken {
    /// Adds what is made of contents: caches, and other names of units. Says what the caches leave
    /// out, and which of these packages has it.
    pub fn make(
        mut self,
        planned: &mut Planned,
        packages: &[String],
    ) -> Result<(Self, Vec<Finding>)> {
        let mut wanted = planned.plan.caches.contents();
        wanted.extend(planned.aliases.contents().cloned());
        if wanted.is_empty() && planned.plan.caches.are_none() {
            return Ok((self, Vec::new()));
        }
        wanted.sort();
        wanted.dedup();
        let mut contents = BTreeMap::new();
        let mut see = |id: &ContentId, bytes| drop(contents.insert(id.clone(), bytes));
        self.packer = (self.packer.look_back(&wanted, &mut see)).map_err(packer_failure)?;
        let plan = &planned.plan;
        let owner = |path: &str| packages.get(plan.package_of(path)?).cloned();
        let (caches, findings) = plan.caches.files(&plan.tree, &contents, &owner);
        for (path, bytes) in caches {
            if planned.plan.is_of_overlay(&path) {
                continue;
            }
            let id = planned.plan.insert_made(&path, &bytes)?;
            if !self.packer.contains(&id) {
                let size = bytes.len() as u64;
                let added = self.packer.add(&id, size, &mut bytes.as_slice());
                added.map_err(packer_failure)?;
            }
            // It is in no other image.
            self.taken.insert(id);
        }
        let links = planned.aliases.links(&contents, &planned.plan.tree);
        for (path, unit) in links {
            planned.plan.insert_link(&path, &unit)?;
        }
        planned.label()?;
        Ok((self, findings))
    }

    /// Adds the tree. Then the image is hashed, what was compressed is kept, and what has to be known
    /// of the contents is read back, all at once. Says why not all is kept, if it is so.
    pub fn finish(
        mut self,
        plan: &Plan,
        (kept, around): (Option<&KeptBlocks>, Option<&Around<'_>>),
        timings: &Arc<Timings>,
    ) -> Result<(Packed, Spent, Option<Failure>)> {
        let packed = self.packer.finish_with_units(&plan.tree);
        let Finished {
            out: output,
            summary,
            units,
            spent,
        } = packed.map_err(packer_failure)?;
        let whole = output.finish(around)?;
        // It is in no other image.
        let inline = plan.inline.iter().map(|(id, _)| id.clone());
        self.taken.extend(inline);
        let failed = |error: io::Error| Failure::io("reading the image back", error);
        let view = || (View::of(&whole.file).and_then(|view| whole.system(view))).map_err(failed);
        let written = Written::hash(&whole.file, timings).map_err(failed)?;
        let (mut to_keep, mut image) = (view()?, ReadBack::new(view()?));
        let (facts, stamps, taken) = (&self.facts, &self.stamps, &self.taken);
        let kept = kept.filter(|_| self.unkept.is_none());
        let (unkept, read) = scope(|scope| {
            let keeping = kept.map(|kept| {
                let keep = move || kept.keep(&units, taken, (facts, stamps), &mut to_keep);
                scope.spawn(|| timings.help(Stage::Finish, THREADS, keep))
            });
            let mut read = || {
                let later = facts.read_later(&plan.tree, &mut image)?;
                let texts = texts::read(&plan.tree, &mut image)?;
                let modules = modules::read(&plan.tree, &mut image)?;
                Ok::<_, Failure>((later, texts, modules))
            };
            let read = read();
            (keeping.and_then(|keeping| finished(keeping.join())), read)
        });
        let (later, texts, modules) = read?;
        let packed = Packed {
            root: whole.root,
            output: whole.file,
            summary,
            written,
            digests: self.digests,
            linkage: self.facts.linkage(&plan.tree, later),
            texts,
            modules,
            findings: Vec::new(),
        };
        Ok((packed, spent, unkept.or(self.unkept)))
    }
}
