//! The bytes of an image: of older images as far as these have them, and the rest from the store.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use delta::{Assembled, Found, Index, MAX_INDEX, Piece};
use files::Links;
use sha2::{Digest as _, Sha256};
use store::{Offer, index_name};

use super::source::{MAX_IMAGE, Source};
use super::target::Partial;
use crate::publish::indexes;
use crate::report::Report;
use crate::served::Place;
use crate::words::failure::{Failure, Result};

/// What brings images of a store.
pub struct Bringing<'a> {
    /// Where the store is.
    pub place: &'a Place,
    /// What it lists.
    pub offer: &'a Offer,
    /// Where notes go.
    pub report: &'a Report,
}

/// An image that has its name.
pub struct Brought {
    /// Its length.
    pub bytes: u64,
    /// How many bytes came from the store.
    pub fetched: u64,
    /// How it came together.
    pub assembled: Assembled,
}

impl Bringing<'_> {
    /// Brings an image, or another file, of this digest; `haves` may have parts of it, which its index
    /// tells.
    pub fn file(
        &self,
        partial: Partial<'_>,
        haves: Vec<Have>,
        (file, sha256): (&str, &[u8; 32]),
        index: Option<&Index>,
    ) -> Result<Brought> {
        let source = Source::open(self.place, file)?;
        let (partial, assembled) = match index {
            Some(index) if !haves.is_empty() => self.assemble(index, haves, partial, &source)?,
            index => {
                let length = index.map(Index::length);
                self.whole(partial, &source, sha256, length)?
            }
        };
        Ok(Brought {
            bytes: partial.finish()?,
            fetched: source.fetched(),
            assembled,
        })
    }

    /// Reads the index of an image; `None` if there is none that is of use. Where there are older images,
    /// a line says why.
    pub fn index(&self, file: &str, sha256: &[u8; 32], haves: &[Have]) -> Option<Index> {
        let without = |reason: &str| {
            if !haves.is_empty() {
                let text = format!("{reason}; the image is fetched whole");
                self.report.stage("note", &text);
            }
            None
        };
        let name = index_name(file);
        let Some(listed) = self.offer.digest_of(&name) else {
            return without(&format!("the store has no index of {file}"));
        };
        let shown = self.place.shown(&name);
        let bytes = match self.place.file(&name, MAX_INDEX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return without(&format!("{shown} is not there")),
            Err(failure) => return without(&format!("{shown} can't be had: {:#}", failure.source)),
        };
        if Sha256::digest(&bytes)[..] != listed {
            return without(&format!("{shown} is not the listed file"));
        }
        match Index::parse(&bytes) {
            Ok(index) if index.sha256() != sha256 => {
                without(&format!("{name} is of an image with other bytes"))
            }
            Ok(index) if index.length() > MAX_IMAGE => {
                without(&format!("{name} is of more than {MAX_IMAGE} bytes"))
            }
            Ok(index) => Some(index),
            Err(problem) => without(&format!("{name} {problem}")),
        }
    }

    /// Assembles the image.
    fn assemble<'d>(
        &self,
        index: &Index,
        haves: Vec<Have>,
        mut partial: Partial<'d>,
        source: &Source<'_>,
    ) -> Result<(Partial<'d>, Assembled)> {
        let mut found = Found::new(index);
        let mut others = Vec::new();
        for (number, mut have) in (0..).zip(haves) {
            match have.pieces() {
                Ok(pieces) => found.look_in(index, number, &pieces),
                Err(problem) => {
                    let path = have.path.display();
                    let text = format!("nothing is taken from {path}: its index {problem}");
                    self.report.stage("note", &text);
                }
            }
            others.push(have.file);
        }
        let bar = self.report.bar("pull", index.length());
        let mut fetch = |ask, file: &mut File| source.deliver(ask, index.length(), file, &bar);
        let mut several = |ranges: &[Range<u64>]| source.several(ranges, index.length(), &bar);
        let made = delta::assemble(
            index,
            &found,
            &mut others,
            &mut partial.file,
            &mut fetch,
            &mut several,
        );
        bar.finish_and_clear();
        match made {
            Ok(assembled) => Ok((partial, assembled)),
            Err(delta::Error::File(error)) => {
                partial.drop_file()?;
                let shown = source.shown();
                Err(Failure::io(format!("writing what {shown} is to be"), error))
            }
            Err(delta::Error::Fetch(failure)) => Err(failure),
            Err(delta::Error::Refused(failure)) => {
                partial.drop_file()?;
                Err(failure)
            }
            Err(delta::Error::Other(digest)) => {
                partial.drop_file()?;
                let problem = format!("its SHA-256 is {}", hex::encode(digest));
                Err(source.not_listed(&problem))
            }
        }
    }

    /// Brings the whole image, of this length in bytes if it is known.
    fn whole<'d>(
        &self,
        mut partial: Partial<'d>,
        source: &Source<'_>,
        sha256: &[u8; 32],
        length: Option<u64>,
    ) -> Result<(Partial<'d>, Assembled)> {
        let kept = partial.length()?;
        let problem = source.deliver_whole(sha256, length, &mut partial.file)?;
        if let Some(problem) = problem {
            partial.drop_file()?;
            return Err(source.not_listed(&problem));
        }
        let length = partial.length()?;
        let assembled = Assembled {
            kept: kept.min(length.saturating_sub(source.fetched())),
            requests: 1,
            ..Assembled::default()
        };
        Ok((partial, assembled))
    }
}

/// An image that may have pieces of the new one.
pub struct Have {
    /// Its path.
    pub path: PathBuf,
    /// It.
    pub file: File,
}

impl Have {
    /// Returns the pieces of the index beside the image, if that is for a file of its length, or looks for
    /// them. Whether they are right does not matter: they are compared as they are copied.
    fn pieces(&mut self) -> std::result::Result<Vec<Piece>, String> {
        let length = self
            .file
            .metadata()
            .map_err(|error| format!("can't be made: {error}"))?;
        let length = length.len();
        if let Some(name) = self.path.file_name().and_then(|name| name.to_str()) {
            let beside = self.path.with_file_name(index_name(name));
            let read = files::read(&beside, MAX_INDEX, Links::Refuse).ok();
            let index = read.and_then(|bytes| Index::parse(&bytes).ok());
            if let Some(index) = index.filter(|index| index.length() == length) {
                return Ok(index.pieces().to_vec());
            }
        }
        indexes::pieces(&mut self.file, length).map_err(|error| error.to_string())
    }
}
