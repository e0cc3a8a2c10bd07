//! `updateinfo`: the patches of a distribution. Of them, those count that were taken back.

use std::io::Read;

use super::document::Document;
use super::repomd::MetadataFile;
use super::xml::{Next, Tag, Xml};
use crate::error::Error;

/// The patches of an `updateinfo` file that were retracted, one after the other.
pub struct Retracted<'r>(Document<'r>);

/// A package as a patch lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Patched {
    /// Name of the package.
    pub name: String,
    /// Epoch; 0 where the list has none.
    pub epoch: u32,
    /// Version, as upstream gave it.
    pub version: String,
    /// Release of the package of that version.
    pub release: String,
    /// Architecture in RPM's spelling.
    pub arch: String,
}

impl<'r> Retracted<'r> {
    /// Opens the file that `listed` describes; `origin` is its name for messages.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is neither XML nor compressed by gzip, zstd, xz or bzip2.
    pub fn open(
        input: Box<dyn Read + 'r>,
        origin: &str,
        listed: &MetadataFile,
    ) -> Result<Self, Error> {
        Document::open(input, origin, listed, ("updates", "update")).map(Self)
    }

    /// Returns the packages of the next patch that was taken back; nothing at the end of a file
    /// that is the promised one.
    ///
    /// # Errors
    ///
    /// If the XML is malformed, or the file is not the one that `repomd.xml` speaks of.
    pub fn next_patch(&mut self) -> Result<Option<Vec<Patched>>, Error> {
        while let Some(mut xml) = self.0.next_element()? {
            if let Some(packages) = read(&mut xml)? {
                return Ok(Some(packages));
            }
        }
        Ok(None)
    }
}

/// Reads the packages of a patch, if it was taken back.
fn read(xml: &mut Xml<'_>) -> Result<Option<Vec<Patched>>, Error> {
    let update = loop {
        match xml.next()? {
            Next::Start(tag) if tag.name() == "update" && !tag.is_empty() => break tag,
            // One without content has no end tag to be cut at.
            Next::Start(tag) if tag.name() == "update" => {}
            Next::Text(_) => {}
            Next::Start(_) | Next::End | Next::Over => {
                return Err(xml.error("an update is expected"));
            }
        }
    };
    if xml.attribute(update, "status")?.as_deref() != Some("retracted") {
        return Ok(None);
    }
    let mut packages = Vec::new();
    xml.children(update, &mut |xml, tag| match tag.name() {
        "pkglist" => xml.children(tag, &mut |xml, tag| match tag.name() {
            "collection" => xml.children(tag, &mut |xml, tag| {
                if tag.name() == "package" {
                    packages.push(package(xml, tag)?);
                }
                xml.skip(tag)
            }),
            _ => xml.skip(tag),
        }),
        _ => xml.skip(tag),
    })?;
    Ok(Some(packages))
}

fn package<'a>(xml: &Xml<'a>, tag: Tag<'a>) -> Result<Patched, Error> {
    let mut patched = Patched {
        name: String::new(),
        epoch: 0,
        version: String::new(),
        release: String::new(),
        arch: String::new(),
    };
    xml.attributes(tag, |key, value| {
        match key {
            "name" => patched.name = value.into_owned(),
            "epoch" => patched.epoch = value.parse().unwrap_or(0),
            "version" => patched.version = value.into_owned(),
            "release" => patched.release = value.into_owned(),
            "arch" => patched.arch = value.into_owned(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(patched)
}
