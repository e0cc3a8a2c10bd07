//! `repomd.xml`, the list of a repository's metadata files.

use super::checksum::Checksum;
use super::xml::{Next, Tag, Xml, once};
use super::{MAX_OPEN_SIZE, MAX_VALUE};
use crate::error::Error;
use crate::file::DigestAlgorithm;

/// Most files that a list may name.
const MAX_FILES: usize = 1000;

/// What a metadata file holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Every package with its dependencies.
    Primary,
    /// Every path of every package.
    Filelists,
    /// Anything else, by its name: `other`, `group`, `modules`, `updateinfo`.
    Other(String),
}

/// A metadata file as the list describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataFile {
    /// What it holds.
    pub kind: Kind,
    /// Checksum of the file as stored.
    pub checksum: Checksum,
    /// Checksum of what it holds when decompressed.
    pub open_checksum: Option<Checksum>,
    /// Where it is, relative to `base` or to the repository: `repodata/...-primary.xml.gz`.
    pub location: String,
    /// The URL that the location is relative to, if not the repository's (`xml:base`).
    pub base: Option<String>,
    /// Length of the file in bytes.
    pub size: Option<u64>,
    /// Length of what it holds, in bytes.
    pub open_size: Option<u64>,
}

impl MetadataFile {
    /// Returns the algorithm of the best checksum that is compared, if another file with the same
    /// one can be made.
    pub fn weak_checksum(&self) -> Option<DigestAlgorithm> {
        let open = self.open_checksum.iter().chain([&self.checksum]);
        let is_weak = open.into_iter().all(Checksum::is_weak);
        is_weak.then(|| self.checksum.algorithm())
    }
}

/// The list of a repository's metadata files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repomd {
    /// What the repository calls this state of itself: often seconds since 1970.
    pub revision: Option<String>,
    /// The time of its newest file, in seconds since 1970.
    pub newest: Option<u64>,
    /// The files, in the order of the list.
    pub files: Vec<MetadataFile>,
}

impl Repomd {
    /// Parses `repomd.xml`; `origin` is its name for messages.
    ///
    /// # Errors
    ///
    /// If it is not a well-formed list, names a kind of file twice, or a file without a checksum.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, Error> {
        let mut xml = Xml::new(bytes, origin, 0)?;
        let mut repomd = None;
        loop {
            match xml.next()? {
                Next::Start(tag) if tag.name() == "repomd" && repomd.is_none() => {
                    repomd = Some(Self::read(&mut xml, tag)?);
                }
                Next::Start(tag) => {
                    let shown: String = tag.name().chars().take(40).collect();
                    return Err(xml.error(format!("it is <{shown}> and not <repomd>")));
                }
                Next::Text(text) if !text.trim().is_empty() => {
                    return Err(xml.error("it is not a repomd.xml"));
                }
                Next::Text(_) | Next::End => {}
                Next::Over => break,
            }
        }
        repomd.ok_or_else(|| xml.error("it is not a repomd.xml"))
    }

    /// Returns a number that grows with each state of the repository: its revision, if that is one,
    /// else the time of its newest file.
    pub fn number(&self) -> Option<u64> {
        let revision = self.revision.as_ref().and_then(|text| text.parse().ok());
        revision.or(self.newest)
    }

    /// Returns the file of a kind.
    pub fn file(&self, kind: &Kind) -> Option<&MetadataFile> {
        self.files.iter().find(|file| file.kind == *kind)
    }

    fn read<'a>(xml: &mut Xml<'a>, tag: Tag<'a>) -> Result<Self, Error> {
        let mut repomd = Self::default();
        xml.children(tag, &mut |xml, tag| match tag.name() {
            "revision" => {
                repomd.revision = Some(xml.text(tag)?.trim().to_owned());
                Ok(())
            }
            "data" => {
                let file = data(xml, tag, &mut repomd.newest)?;
                if repomd.file(&file.kind).is_some() {
                    return Err(xml.error(format!("{:?} is listed twice", file.kind)));
                }
                if repomd.files.len() >= MAX_FILES {
                    return Err(xml.error(format!("it lists more than {MAX_FILES} files")));
                }
                repomd.files.push(file);
                Ok(())
            }
            _ => xml.skip(tag),
        })?;
        Ok(repomd)
    }
}

fn data<'a>(
    xml: &mut Xml<'a>,
    tag: Tag<'a>,
    newest: &mut Option<u64>,
) -> Result<MetadataFile, Error> {
    let kind = match xml.attribute(tag, "type")?.as_deref() {
        None | Some("") => return Err(xml.error("<data> has no type")),
        Some("primary") => Kind::Primary,
        Some("filelists") => Kind::Filelists,
        Some(other) => Kind::Other(other.to_owned()),
    };
    let (mut sum, mut open_sum, mut location) = (None, None, None);
    let (mut base, mut size, mut open_size) = (None, None, None);
    xml.children(tag, &mut |xml, tag| {
        let set = match tag.name() {
            "checksum" => {
                let value = checksum(xml, tag)?;
                once(&mut sum, "checksum", value)
            }
            "open-checksum" => {
                let value = checksum(xml, tag)?;
                once(&mut open_sum, "open-checksum", value)
            }
            "timestamp" => {
                // Some write fractions of seconds.
                let text = xml.text(tag)?;
                let seconds = text.trim().split('.').next().unwrap_or_default();
                *newest = (*newest).max(seconds.parse().ok());
                return Ok(());
            }
            "location" => {
                base = xml
                    .attribute(tag, "xml:base")?
                    .map(|base| base.into_owned());
                let href = xml.attribute(tag, "href")?;
                xml.skip(tag)?;
                let href = href.ok_or_else(|| xml.error("<location> has no href"))?;
                once(&mut location, "location", href.into_owned())
            }
            "size" => {
                let value = number(xml, tag, MAX_OPEN_SIZE)?;
                once(&mut size, "size", value)
            }
            "open-size" => {
                let value = number(xml, tag, MAX_OPEN_SIZE)?;
                once(&mut open_size, "open-size", value)
            }
            _ => return xml.skip(tag),
        };
        set.map_err(|reason| xml.error(reason))
    })?;
    let missing = |what| xml.error(format!("{kind:?} has no {what}"));
    let location = location.ok_or_else(|| missing("location"))?;
    if location.len() > MAX_VALUE || location.is_empty() {
        return Err(missing("location"));
    }
    Ok(MetadataFile {
        checksum: sum.ok_or_else(|| missing("checksum"))?,
        open_checksum: open_sum,
        location,
        base,
        size,
        open_size,
        kind,
    })
}

fn checksum<'a>(xml: &mut Xml<'a>, tag: Tag<'a>) -> Result<Checksum, Error> {
    let kind = xml.attribute(tag, "type")?.unwrap_or_default();
    let text = xml.text(tag)?;
    Checksum::parse(&kind, text.trim()).map_err(|reason| xml.error(reason))
}

fn number<'a>(xml: &mut Xml<'a>, tag: Tag<'a>, most: u64) -> Result<u64, Error> {
    let text = xml.text(tag)?;
    let value = text.trim().parse().ok().filter(|number| *number <= most);
    value.ok_or_else(|| {
        let shown: String = text.trim().chars().take(40).collect();
        xml.error(format!("{shown:?} is not a length of up to {most} bytes"))
    })
}
