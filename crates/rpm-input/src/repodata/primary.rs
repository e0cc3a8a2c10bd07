//! `primary`: every package of a repository with its dependencies.

use std::borrow::Cow;
use std::io::Read;

use super::checksum::Checksum;
use super::document::{Document, Elements};
use super::repomd::MetadataFile;
use super::xml::{Next, Tag, Xml, once};
use crate::dependency::Sense;
use crate::error::Error;

/// Most dependencies of one package. Kernels have some 30 000 provides.
const MAX_ENTRIES: usize = 1 << 18;
/// Most files of one package that are listed here.
const MAX_FILES: usize = 1 << 20;

/// The packages of a `primary` file, one after the other.
pub struct Primary<'r>(Document<'r>);

/// What a dependency of a package is to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words are RPM's")]
pub enum Relation {
    Provides,
    Requires,
    Conflicts,
    Obsoletes,
    Recommends,
    Suggests,
    Supplements,
    Enhances,
}

/// One provides, requires, conflicts, obsoletes or weak dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is to the package.
    pub relation: Relation,
    /// A package name, a file path, `libz.so.1()(64bit)`, or the text of a rich dependency.
    pub name: Cow<'a, str>,
    /// The comparison with the version; [`Sense::SCRIPT_PRE`] for what scriptlets need before.
    pub sense: Sense,
    /// Epoch; 0 and none are one in metadata.
    pub epoch: Option<u32>,
    /// Version; empty if none is named.
    pub version: Cow<'a, str>,
    /// Release; empty if none is named.
    pub release: Cow<'a, str>,
}

/// A package on offer, as `primary` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<'a> {
    /// Name of the package.
    pub name: Cow<'a, str>,
    /// Epoch; none if it is 0, which metadata don't tell from none.
    pub epoch: Option<u32>,
    /// Version, as upstream gave it.
    pub version: Cow<'a, str>,
    /// Release of the package of that version.
    pub release: Cow<'a, str>,
    /// Architecture in RPM's spelling; `src` for a source package.
    pub arch: Cow<'a, str>,
    /// Checksum of the RPM file.
    pub checksum: Checksum,
    /// Where the RPM file is, relative to `base` or to the repository.
    pub location: Cow<'a, str>,
    /// The URL that the location is relative to, if not the repository's (`xml:base`).
    pub base: Option<Cow<'a, str>>,
    /// Length of the RPM file in bytes.
    pub size: u64,
    /// Sum of the sizes of its files in bytes.
    pub installed_size: u64,
    /// When it was built, in seconds since 1970.
    pub build_time: u64,
    /// Start and end of the header in the RPM file.
    pub header_range: Option<(u64, u64)>,
    /// Its dependencies, of every kind.
    pub entries: Vec<Entry<'a>>,
    /// Those of its paths that dependencies usually name: `/etc`, `*bin/`, `/usr/lib/sendmail`.
    pub files: Vec<Cow<'a, str>>,
}

impl<'r> Primary<'r> {
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
        Document::open(input, origin, listed, ("metadata", "package")).map(Self)
    }

    /// Returns the next package; nothing at the end of a file that is the promised one.
    ///
    /// # Errors
    ///
    /// If the XML is malformed, a package lacks what identifies it, or the file is not the one
    /// that `repomd.xml` speaks of.
    pub fn next_package(&mut self) -> Result<Option<Listing<'_>>, Error> {
        match self.0.next_element()? {
            None => Ok(None),
            Some(mut xml) => read(&mut xml, Draft::default()).map(Some),
        }
    }

    /// Returns the next packages, at least one; nothing at the end of a file that is the promised
    /// one. To read them is most of the work, and can be done on another thread. The XML of all of
    /// them is in memory.
    ///
    /// # Errors
    ///
    /// If the XML is malformed between packages, or the file is not the one that `repomd.xml`
    /// speaks of.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        Ok(self.0.next_elements()?.map(Batch))
    }
}

/// Packages that follow each other in a `primary` file.
pub struct Batch(Elements);

impl Batch {
    /// Returns how many bytes of XML they have.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Returns how many bytes of the file as it is stored had been read when these were.
    pub fn stored(&self) -> u64 {
        self.0.stored
    }

    /// Calls `each` with one package after the other.
    ///
    /// # Errors
    ///
    /// If the XML is malformed, or a package lacks what identifies it.
    pub fn each(&self, mut each: impl FnMut(&Listing<'_>)) -> Result<(), Error> {
        let (mut entries, mut files) = (Vec::new(), Vec::new());
        self.0.each(|mut xml| {
            entries.clear();
            files.clear();
            let draft = Draft {
                entries: std::mem::take(&mut entries),
                files: std::mem::take(&mut files),
                ..Draft::default()
            };
            let listing = read(&mut xml, draft)?;
            each(&listing);
            (entries, files) = (listing.entries, listing.files);
            Ok(())
        })
    }
}

/// What has been read of a package.
#[derive(Default)]
struct Draft<'a> {
    name: Option<Cow<'a, str>>,
    arch: Option<Cow<'a, str>>,
    version: Option<Evr<'a>>,
    checksum: Option<Checksum>,
    location: Option<Cow<'a, str>>,
    base: Option<Cow<'a, str>>,
    size: u64,
    installed_size: u64,
    build_time: u64,
    header_range: Option<(u64, u64)>,
    entries: Vec<Entry<'a>>,
    files: Vec<Cow<'a, str>>,
}

struct Evr<'a> {
    epoch: Option<u32>,
    version: Cow<'a, str>,
    release: Cow<'a, str>,
}

fn read<'a>(xml: &mut Xml<'a>, mut draft: Draft<'a>) -> Result<Listing<'a>, Error> {
    let package = loop {
        match xml.next()? {
            Next::Start(tag) if tag.name() == "package" => break tag,
            Next::Start(tag) => {
                let shown: String = tag.name().chars().take(40).collect();
                return Err(xml.error(format!("found <{shown}> where a package is expected")));
            }
            Next::Text(_) => {}
            Next::End | Next::Over => return Err(xml.error("a package is expected")),
        }
    };
    xml.children(package, &mut |xml, tag| draft.field(xml, tag))?;
    draft.listing().map_err(|reason| xml.error(reason))
}

impl<'a> Draft<'a> {
    fn field(&mut self, xml: &mut Xml<'a>, tag: Tag<'a>) -> Result<(), Error> {
        let set = match tag.name() {
            "name" => {
                let text = xml.text(tag)?;
                once(&mut self.name, "name", text)
            }
            "arch" => {
                let text = xml.text(tag)?;
                once(&mut self.arch, "arch", text)
            }
            "version" => {
                let entry = entry(xml, tag, Relation::Provides)?;
                xml.skip(tag)?;
                let Entry {
                    epoch,
                    version,
                    release,
                    ..
                } = entry;
                let evr = Evr {
                    epoch,
                    version,
                    release,
                };
                once(&mut self.version, "version", evr)
            }
            "checksum" => {
                let kind = xml.attribute(tag, "type")?.unwrap_or_default();
                let text = xml.text(tag)?;
                let checksum =
                    Checksum::parse(&kind, text.trim()).map_err(|reason| xml.error(reason))?;
                once(&mut self.checksum, "checksum", checksum)
            }
            "time" => {
                self.build_time = number(xml, tag, "build")?;
                return xml.skip(tag);
            }
            "size" => {
                self.size = number(xml, tag, "package")?;
                self.installed_size = number(xml, tag, "installed")?;
                return xml.skip(tag);
            }
            "location" => {
                self.base = xml.attribute(tag, "xml:base")?;
                let href = xml.attribute(tag, "href")?.unwrap_or_default();
                xml.skip(tag)?;
                once(&mut self.location, "location", href)
            }
            "format" => return xml.children(tag, &mut |xml, tag| self.format(xml, tag)),
            _ => return xml.skip(tag),
        };
        set.map_err(|reason| xml.error(reason))
    }

    fn format(&mut self, xml: &mut Xml<'a>, tag: Tag<'a>) -> Result<(), Error> {
        let relation = match tag.name() {
            "provides" => Relation::Provides,
            "requires" => Relation::Requires,
            "conflicts" => Relation::Conflicts,
            "obsoletes" => Relation::Obsoletes,
            "recommends" => Relation::Recommends,
            "suggests" => Relation::Suggests,
            "supplements" => Relation::Supplements,
            "enhances" => Relation::Enhances,
            "file" => {
                if self.files.len() >= MAX_FILES {
                    let reason = format!("a package lists more than {MAX_FILES} files");
                    return Err(xml.error(reason));
                }
                let path = xml.text(tag)?;
                self.files.push(path);
                return Ok(());
            }
            "header-range" => {
                let range = (number(xml, tag, "start")?, number(xml, tag, "end")?);
                self.header_range = (range.0 < range.1).then_some(range);
                return xml.skip(tag);
            }
            _ => return xml.skip(tag),
        };
        xml.children(tag, &mut |xml, tag| {
            if tag.name() == "entry" {
                if self.entries.len() >= MAX_ENTRIES {
                    let reason = format!("a package has more than {MAX_ENTRIES} dependencies");
                    return Err(xml.error(reason));
                }
                let entry = entry(xml, tag, relation)?;
                if entry.name.is_empty() {
                    return Err(xml.error("a dependency has no name"));
                }
                self.entries.push(entry);
            }
            xml.skip(tag)
        })
    }

    fn listing(self) -> Result<Listing<'a>, String> {
        let known = |value: Option<Cow<'a, str>>, what| {
            (value.filter(|value| !value.is_empty())).ok_or(format!("a package has no {what}"))
        };
        let name = known(self.name, "name")?;
        let of = |what| format!("{name} has no {what}");
        let evr = self.version.ok_or_else(|| of("version"))?;
        Ok(Listing {
            epoch: evr.epoch,
            version: known(Some(evr.version), "version").map_err(|_| of("version"))?,
            release: evr.release,
            arch: known(self.arch, "arch").map_err(|_| of("arch"))?,
            checksum: self.checksum.ok_or_else(|| of("checksum"))?,
            location: known(self.location, "location").map_err(|_| of("location"))?,
            base: self.base,
            size: self.size,
            installed_size: self.installed_size,
            build_time: self.build_time,
            header_range: self.header_range,
            entries: self.entries,
            files: self.files,
            name,
        })
    }
}

/// Reads the attributes of a dependency or of a `<version>`.
fn entry<'a>(xml: &Xml<'a>, tag: Tag<'a>, relation: Relation) -> Result<Entry<'a>, Error> {
    let mut entry = Entry {
        relation,
        name: Cow::Borrowed(""),
        sense: Sense(0),
        epoch: None,
        version: Cow::Borrowed(""),
        release: Cow::Borrowed(""),
    };
    xml.attributes(tag, |key, value| {
        match key {
            "name" => entry.name = value,
            "flags" => entry.sense = Sense(entry.sense.0 | comparison(&value)?.0),
            "epoch" => {
                let epoch = value.parse::<u32>();
                entry.epoch = epoch.ok().filter(|epoch| *epoch > 0);
            }
            "ver" => entry.version = value,
            "rel" => entry.release = value,
            "pre" if matches!(&*value, "1" | "true") => {
                entry.sense = Sense(entry.sense.0 | Sense::SCRIPT_PRE.0);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(entry)
}

fn comparison(flags: &str) -> Result<Sense, String> {
    let bits = match flags {
        "EQ" => Sense::EQUAL.0,
        "LT" => Sense::LESS.0,
        "GT" => Sense::GREATER.0,
        "LE" => Sense::LESS.0 | Sense::EQUAL.0,
        "GE" => Sense::GREATER.0 | Sense::EQUAL.0,
        "" => 0,
        other => {
            let shown: String = other.chars().take(40).collect();
            return Err(format!("unknown comparison {shown:?}"));
        }
    };
    Ok(Sense(bits))
}

/// Returns an attribute that is a number; 0 if it is missing.
fn number<'a>(xml: &Xml<'a>, tag: Tag<'a>, name: &str) -> Result<u64, Error> {
    let Some(text) = xml.attribute(tag, name)? else {
        return Ok(0);
    };
    let number = text.trim().parse().ok();
    number.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        xml.error(format!("{name} is {shown:?}, not a number"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_package_lists_so_much_and_no_more() {
        const START: &str = "<package><name>a</name><arch>noarch</arch><version ver='1' rel='1'/>\
             <checksum type='md5'>d41d8cd98f00b204e9800998ecf8427e</checksum><location href='a'/>";
        let entry = Entry {
            relation: Relation::Provides,
            name: "a".into(),
            sense: Sense(0),
            epoch: None,
            version: "".into(),
            release: "".into(),
        };
        let of = |entries, files, more: &str| {
            let text = format!("{START}<format>{more}</format></package>");
            let draft = Draft {
                entries: vec![entry.clone(); entries],
                files: vec!["a".into(); files],
                ..Draft::default()
            };
            let mut xml = Xml::new(text.as_bytes(), "primary", 0).unwrap();
            let listing = read(&mut xml, draft).map_err(|error| error.to_string());
            listing.map(|listing| (listing.entries.len(), listing.files.len()))
        };
        let (file, entry) = ("<file>a</file>", "<requires><entry name='a'/></requires>");
        for (entries, files, more, expected) in [
            (MAX_ENTRIES - 1, 0, entry, Ok((262_144, 0))),
            (
                MAX_ENTRIES,
                0,
                entry,
                Err("a package has more than 262144 dependencies"),
            ),
            (0, MAX_FILES - 1, file, Ok((0, 1_048_576))),
            (
                0,
                MAX_FILES,
                file,
                Err("a package lists more than 1048576 files"),
            ),
        ] {
            match (of(entries, files, more), expected) {
                (Err(error), Err(reason)) => assert!(error.ends_with(reason), "{error}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned)),
            }
        }
    }
}
