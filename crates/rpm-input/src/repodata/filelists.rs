//! `filelists`: every path of every package. Only the paths that someone asks for are taken.

use std::collections::BTreeSet;
use std::io::Read;

use super::document::Document;
use super::repomd::MetadataFile;
use super::xml::{Next, Xml};
use crate::error::Error;

/// The packages of a `filelists` file that have one of the wanted paths.
pub struct Filelists<'r> {
    document: Document<'r>,
    wanted: BTreeSet<String>,
}

/// A package with those of its paths that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileList {
    /// Checksum of the RPM file in hex, by which `primary` identifies the package.
    pub checksum: String,
    /// Name of the package.
    pub name: String,
    /// The wanted paths that it has; at least one.
    pub files: BTreeSet<String>,
}

impl<'r> Filelists<'r> {
    /// Opens the file that `listed` describes, to look for the paths `wanted`.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is neither XML nor compressed by gzip, zstd, xz or bzip2.
    pub fn open(
        input: Box<dyn Read + 'r>,
        origin: &str,
        listed: &MetadataFile,
        wanted: BTreeSet<String>,
    ) -> Result<Self, Error> {
        let document = Document::open(input, origin, listed, ("filelists", "package"))?;
        Ok(Self { document, wanted })
    }

    /// Returns the next package that has a wanted path; nothing at the end of a file that is the
    /// promised one.
    ///
    /// # Errors
    ///
    /// If the XML is malformed, or the file is not the one that `repomd.xml` speaks of.
    pub fn next_match(&mut self) -> Result<Option<FileList>, Error> {
        while let Some(mut xml) = self.document.next_element()? {
            let list = read(&mut xml, &self.wanted)?;
            if !list.files.is_empty() {
                return Ok(Some(list));
            }
        }
        Ok(None)
    }
}

fn read(xml: &mut Xml<'_>, wanted: &BTreeSet<String>) -> Result<FileList, Error> {
    let package = loop {
        match xml.next()? {
            Next::Start(tag) if tag.name() == "package" && !tag.is_empty() => break tag,
            // Packages without content have no end tag to be cut at.
            Next::Start(tag) if tag.name() == "package" => {}
            Next::Text(_) => {}
            Next::Start(_) | Next::End | Next::Over => {
                return Err(xml.error("a package is expected"));
            }
        }
    };
    let mut list = FileList {
        checksum: xml
            .attribute(package, "pkgid")?
            .unwrap_or_default()
            .into_owned(),
        name: xml
            .attribute(package, "name")?
            .unwrap_or_default()
            .into_owned(),
        files: BTreeSet::new(),
    };
    if list.checksum.is_empty() {
        return Err(xml.error("a package has no pkgid"));
    }
    xml.children(package, &mut |xml, tag| {
        if tag.name() != "file" {
            return xml.skip(tag);
        }
        let path = xml.text(tag)?;
        if wanted.contains(&*path) {
            list.files.insert(path.into_owned());
        }
        Ok(())
    })?;
    Ok(list)
}
