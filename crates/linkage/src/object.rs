//! One ELF object: what it asks its loader for, and what it offers to others.
//!
//! Only what the loader reads is read: the program headers, and through them the dynamic section,
//! whose addresses lead to the strings and the version tables.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use elf::abi::{
    DF_1_NODEFLIB, DF_1_PIE, DT_FLAGS_1, DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_SONAME,
    DT_STRTAB, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM, ELFMAGIC, ET_DYN, ET_EXEC,
    PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_NOTE, SHF_TLS, SHT_NOBITS, VER_FLG_BASE, VER_FLG_WEAK,
};
use elf::dynamic::DynamicTable;
use elf::endian::AnyEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::gnu_symver::{VerDefIterator, VerNeedIterator};
use elf::note::{Note, NoteIterator};
use elf::section::{SectionHeader, SectionHeaderTable};
use elf::segment::{ProgramHeader, SegmentTable};
use serde::{Deserialize, Serialize};

use crate::abi::Abi;
use crate::dlopen::{self, Dlopen};
use crate::error::Error;
use crate::source::Source;

/// Length of the longer of the two ELF headers, in bytes.
const HEADER: usize = 64;
/// The program header table of an object may be this long, in bytes; so says Linux.
const MAX_PROGRAM_HEADERS: u64 = 64 * 1024;
/// The section headers of an object are looked at if they are this long, in bytes.
const MAX_SECTION_HEADERS: u64 = 1024 * 1024;
/// The dynamic section, a version table or a note may be this long, in bytes.
const MAX_TABLE: u64 = 1024 * 1024;
/// Names that one object may have of each kind. The GNU C library defines some 50 versions.
const MAX_NAMES: usize = 8192;
/// All names of one object together may be this long, in bytes.
const MAX_TEXT: usize = 1024 * 1024;
/// As much of a loader is searched for its directories, in bytes.
const MAX_LOADER: u64 = 4 * 1024 * 1024;

/// What an ELF object says: a program or a shared library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What its libraries must be, too.
    pub abi: Abi,
    /// The loader (`PT_INTERP`), by its absolute path. A static program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// Names of libraries (`DT_NEEDED`), in the order in which they are loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// Versions that must be defined, by the name of the library.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, Vec<String>>,
    /// Name of a library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// Versions that a library defines; `None` where it has none, which meets every need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defines: Option<Vec<String>>,
    /// `DT_RPATH`: directories for this object's needs and those of the objects it loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpath: Option<String>,
    /// `DT_RUNPATH`: directories for this object's needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runpath: Option<String>,
    /// Neither the cache nor the loader's directories are for this object's needs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_default_directories: bool,
    /// It is linked as a program (`ET_EXEC`, or `DF_1_PIE`), so no loader takes it as a library.
    #[serde(default, skip_serializing_if = "is_false")]
    pub program: bool,
    /// Libraries that it may load later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dlopen: Vec<Dlopen>,
    /// Of a loader: the directories that are built into it, without a slash at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub built_in: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Object {
    /// Says whether a file that starts so is an ELF file.
    pub fn is_elf(head: &[u8]) -> bool {
        head.starts_with(&ELFMAGIC)
    }

    /// Reads an object, which starts at offset 0 of `input`. `None` for a file that is not ELF, or
    /// none that is ever loaded: a relocatable object, a core dump.
    ///
    /// Some kilobytes around each of a handful of places are read, in bounded memory.
    pub fn read<R: Read + Seek>(input: &mut R) -> Result<Option<Self>, Error> {
        let mut source = Source::new(input)?;
        let Some(header) = header(&mut source)? else {
            return Ok(None);
        };
        if header.e_type != ET_DYN && header.e_type != ET_EXEC {
            return Ok(None);
        }
        let mut segments = segments(&mut source, &header)?;
        let absent = absent(&mut source, &header)?;
        segments.retain(|segment| !absent.contains(&segment.p_vaddr));
        let mut reader = Reader {
            source,
            header,
            segments,
            names: 0,
            text: 0,
        };
        reader.object().map(Some)
    }
}

/// Returns the program headers.
fn segments<R: Read + Seek>(
    source: &mut Source<'_, R>,
    header: &FileHeader<AnyEndian>,
) -> Result<Vec<ProgramHeader>, Error> {
    if header.e_phnum == 0 {
        return Ok(Vec::new());
    }
    let entry = match header.class {
        Class::ELF32 => 32,
        Class::ELF64 => 56,
    };
    if header.e_phentsize != entry {
        let text = format!("a program header has {} bytes", header.e_phentsize);
        return Err(Error::malformed(text));
    }
    let length = u64::from(header.e_phnum) * u64::from(entry);
    if length > MAX_PROGRAM_HEADERS {
        let text = format!("{} program headers", header.e_phnum);
        return Err(Error::malformed(text));
    }
    let bytes = source.bytes("program headers", header.e_phoff, length)?;
    Ok(SegmentTable::new(header.endianness, header.class, &bytes)
        .iter()
        .collect())
}

/// Returns the header of a file; `None` if it is not ELF.
pub(crate) fn header<R: Read + Seek>(
    source: &mut Source<'_, R>,
) -> Result<Option<FileHeader<AnyEndian>>, Error> {
    let head = source.start(HEADER)?;
    if !Object::is_elf(head) {
        return Ok(None);
    }
    // The crate takes the sixteen bytes of the identification for granted.
    if head.len() < elf::abi::EI_NIDENT {
        return Err(Error::malformed("header: it is cut off"));
    }
    parse_ident::<AnyEndian>(head)
        .and_then(|ident| FileHeader::parse_tail(ident, &head[elf::abi::EI_NIDENT..]))
        .map(Some)
        .map_err(|error| Error::malformed(format!("header: {error}")))
}

/// Returns the section headers.
pub(crate) fn sections<R: Read + Seek>(
    source: &mut Source<'_, R>,
    header: &FileHeader<AnyEndian>,
) -> Result<Vec<SectionHeader>, Error> {
    let entry = match header.class {
        Class::ELF32 => 40,
        Class::ELF64 => 64,
    };
    if header.e_shentsize != entry {
        let text = format!("a section header has {} bytes", header.e_shentsize);
        return Err(Error::malformed(text));
    }
    let length = u64::from(header.e_shnum) * u64::from(entry);
    if length > MAX_SECTION_HEADERS {
        let text = format!("{} section headers", header.e_shnum);
        return Err(Error::malformed(text));
    }
    let bytes = source.bytes("section headers", header.e_shoff, length)?;
    let table = SectionHeaderTable::new(header.endianness, header.class, &bytes);
    Ok(table.iter().collect())
}

/// Returns the addresses of sections that are not in the file. A file of debug data has the headers
/// of what it was taken from, but not the bytes, and the program headers still tell where they were.
fn absent<R: Read + Seek>(
    source: &mut Source<'_, R>,
    header: &FileHeader<AnyEndian>,
) -> Result<BTreeSet<u64>, Error> {
    let sections = match sections(source, header) {
        // The loader does not look at them, so what can't be read of them stops nothing.
        Err(Error::Malformed(_)) => Vec::new(),
        sections => sections?,
    };
    let absent = sections.iter().filter(|section| {
        // Of thread-local zeros, the address is that of the next section.
        section.sh_type == SHT_NOBITS
            && section.sh_flags & u64::from(SHF_TLS) == 0
            && section.sh_size > 0
    });
    Ok(absent.map(|section| section.sh_addr).collect())
}

/// The tags of the dynamic section that we know.
#[derive(Default)]
struct Dynamic {
    /// Offsets of names in the string table.
    needed: Vec<u64>,
    soname: Option<u64>,
    rpath: Option<u64>,
    runpath: Option<u64>,
    /// Addresses.
    strings: Option<u64>,
    version_needs: Option<u64>,
    version_definitions: Option<u64>,
    /// Numbers of entries.
    version_need_count: u64,
    version_definition_count: u64,
    flags_1: i64,
}

/// An object that is being read.
struct Reader<'a, R> {
    source: Source<'a, R>,
    header: FileHeader<AnyEndian>,
    segments: Vec<ProgramHeader>,
    /// Number and length of the names so far.
    names: usize,
    text: usize,
}

impl<R: Read + Seek> Reader<'_, R> {
    fn object(&mut self) -> Result<Object, Error> {
        let dynamic = self.dynamic()?;
        let mut object = Object {
            abi: Abi {
                bits: match self.header.class {
                    Class::ELF32 => 32,
                    Class::ELF64 => 64,
                },
                big_endian: self.header.endianness == AnyEndian::Big,
                machine: self.header.e_machine,
            },
            interpreter: self.interpreter()?,
            needed: Vec::new(),
            versions: BTreeMap::new(),
            soname: self.optional_string(&dynamic, dynamic.soname)?,
            defines: None,
            rpath: self.optional_string(&dynamic, dynamic.rpath)?,
            runpath: self.optional_string(&dynamic, dynamic.runpath)?,
            no_default_directories: dynamic.flags_1 & DF_1_NODEFLIB != 0,
            program: self.header.e_type == ET_EXEC || dynamic.flags_1 & DF_1_PIE != 0,
            dlopen: self.dlopen()?,
            built_in: Vec::new(),
        };
        for offset in &dynamic.needed {
            object.needed.push(self.string(&dynamic, *offset)?);
        }
        object.versions = self.version_needs(&dynamic)?;
        object.defines = self.version_definitions(&dynamic)?;
        if object.soname.as_deref().is_some_and(is_loader) {
            let length = self.source.length().min(MAX_LOADER);
            let bytes = self.source.bytes("loader", 0, length)?;
            object.built_in = directories_in(&bytes);
        }
        Ok(object)
    }

    /// Returns the dynamic section's tags, up to the first `DT_NULL`.
    fn dynamic(&mut self) -> Result<Dynamic, Error> {
        let mut dynamic = Dynamic::default();
        let Some(segment) = self.segments.iter().find(|one| one.p_type == PT_DYNAMIC) else {
            return Ok(dynamic);
        };
        let (offset, length) = (segment.p_offset, segment.p_filesz);
        if length > MAX_TABLE {
            let text = format!("the dynamic section has {length} bytes");
            return Err(Error::malformed(text));
        }
        let bytes = self.source.bytes("dynamic section", offset, length)?;
        let table = DynamicTable::new(self.header.endianness, self.header.class, &bytes);
        for entry in table.iter() {
            let value = entry.d_val();
            match entry.d_tag {
                DT_NULL => break,
                DT_NEEDED if dynamic.needed.len() == MAX_NAMES => {
                    return Err(Error::malformed("it needs too many libraries"));
                }
                DT_NEEDED => dynamic.needed.push(value),
                DT_SONAME => dynamic.soname = Some(value),
                DT_RPATH => dynamic.rpath = Some(value),
                DT_RUNPATH => dynamic.runpath = Some(value),
                DT_STRTAB => dynamic.strings = Some(value),
                DT_VERNEED => dynamic.version_needs = Some(value),
                DT_VERNEEDNUM => dynamic.version_need_count = value,
                DT_VERDEF => dynamic.version_definitions = Some(value),
                DT_VERDEFNUM => dynamic.version_definition_count = value,
                DT_FLAGS_1 => dynamic.flags_1 = value.cast_signed(),
                _ => {}
            }
        }
        Ok(dynamic)
    }

    /// Returns the offset in the file of an address, and how many bytes of the file follow in the
    /// same segment.
    fn place(&self, what: &str, address: u64) -> Result<(u64, u64), Error> {
        self.segments
            .iter()
            .filter(|segment| segment.p_type == PT_LOAD)
            .find_map(|segment| {
                let within = address.checked_sub(segment.p_vaddr)?;
                let left = segment.p_filesz.checked_sub(within).filter(|n| *n > 0)?;
                Some((segment.p_offset.checked_add(within)?, left))
            })
            .ok_or_else(|| {
                Error::malformed(format!("{what} at {address:#x}, where nothing is loaded"))
            })
    }

    /// Returns a name by its offset in the string table.
    fn string(&mut self, dynamic: &Dynamic, offset: u64) -> Result<String, Error> {
        let address = dynamic
            .strings
            .and_then(|strings| strings.checked_add(offset))
            .ok_or_else(|| Error::malformed("a name, but no string table"))?;
        let (place, left) = self.place("a name", address)?;
        let name = self.source.string(place, left)?;
        self.names += 1;
        self.text += name.len();
        if self.names > MAX_NAMES || self.text > MAX_TEXT {
            return Err(Error::malformed("too many names"));
        }
        Ok(name)
    }

    fn optional_string(
        &mut self,
        dynamic: &Dynamic,
        offset: Option<u64>,
    ) -> Result<Option<String>, Error> {
        offset
            .map(|offset| self.string(dynamic, offset))
            .transpose()
    }

    fn interpreter(&mut self) -> Result<Option<String>, Error> {
        let segment = self.segments.iter().find(|one| one.p_type == PT_INTERP);
        // A file of debug data has the header, but nothing in its place.
        segment
            .filter(|segment| segment.p_filesz > 0)
            .map(|segment| (segment.p_offset, segment.p_filesz))
            .map(|(offset, length)| self.source.string(offset, length))
            .transpose()
    }

    /// Returns the bytes from an address on: a table whose length is told by its entries alone.
    fn table(&mut self, what: &str, address: u64) -> Result<Vec<u8>, Error> {
        let (offset, left) = self.place(what, address)?;
        let left = left.min(self.source.length().saturating_sub(offset));
        self.source.bytes(what, offset, left.min(MAX_TABLE))
    }

    /// Returns the versions that libraries must define. Weak ones, which may be missing, are left
    /// out.
    fn version_needs(&mut self, dynamic: &Dynamic) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let mut needs = BTreeMap::<String, Vec<String>>::new();
        let Some(address) = dynamic.version_needs else {
            return Ok(needs);
        };
        let bytes = self.table("version needs", address)?;
        let (endian, class) = (self.header.endianness, self.header.class);
        let count = dynamic.version_need_count;
        let mut seen = 0;
        for (need, versions) in VerNeedIterator::new(endian, class, count, 0, &bytes) {
            let mut names = Vec::new();
            for version in versions {
                seen += 1;
                if seen > MAX_NAMES {
                    return Err(Error::malformed("too many versions"));
                }
                if version.vna_flags & VER_FLG_WEAK == 0 {
                    names.push(self.string(dynamic, version.vna_name.into())?);
                }
            }
            let file = self.string(dynamic, need.vn_file.into())?;
            needs.entry(file).or_default().extend(names);
        }
        needs.retain(|_, versions| !versions.is_empty());
        needs.values_mut().for_each(|versions| versions.sort());
        Ok(needs)
    }

    /// Returns the versions that are defined, without the one that is the library's own name.
    fn version_definitions(&mut self, dynamic: &Dynamic) -> Result<Option<Vec<String>>, Error> {
        let Some(address) = dynamic.version_definitions else {
            return Ok(None);
        };
        let bytes = self.table("version definitions", address)?;
        let (endian, class) = (self.header.endianness, self.header.class);
        let count = dynamic.version_definition_count;
        let mut names = Vec::new();
        let mut seen = 0;
        for (definition, mut aux) in VerDefIterator::new(endian, class, count, 0, &bytes) {
            seen += 1;
            if seen > MAX_NAMES {
                return Err(Error::malformed("too many versions"));
            }
            // The first name is the version's own, those after it are its predecessors'.
            if definition.vd_flags & VER_FLG_BASE == 0
                && let Some(first) = aux.next()
            {
                names.push(self.string(dynamic, first.vda_name.into())?);
            }
        }
        names.sort();
        Ok(Some(names))
    }

    fn dlopen(&mut self) -> Result<Vec<Dlopen>, Error> {
        let mut found = Vec::new();
        let places: Vec<_> = self
            .segments
            .iter()
            .filter(|one| one.p_type == PT_NOTE)
            .map(|one| (one.p_offset, one.p_filesz, one.p_align))
            .collect();
        let mut left = MAX_TABLE;
        for (offset, length, align) in places {
            // Beyond the file's end are the notes that went into a file of debug data.
            if length > left || offset.saturating_add(length) > self.source.length() {
                continue;
            }
            left -= length;
            let bytes = self.source.bytes("notes", offset, length)?;
            let align = if align == 8 { 8 } else { 4 };
            let (endian, class) = (self.header.endianness, self.header.class);
            for note in NoteIterator::new(endian, class, align, &bytes) {
                if let Note::Unknown(note) = note
                    && note.n_type == dlopen::NOTE_TYPE
                    && note.name_str().is_ok_and(|name| name == dlopen::NOTE_OWNER)
                {
                    found.extend(dlopen::parse(note.desc).unwrap_or_default());
                }
            }
        }
        Ok(found)
    }
}

/// Says whether a library of this name is a loader of the GNU C library.
fn is_loader(soname: &str) -> bool {
    ["ld-linux", "ld64.so", "ld.so."]
        .iter()
        .any(|start| soname.starts_with(start))
}

/// Finds the directories that are built into a loader: several paths with a slash at both ends, one
/// after the other, each with a zero byte behind it. That is how the source writes them down, and
/// nothing else in a loader looks so.
fn directories_in(bytes: &[u8]) -> Vec<String> {
    let mut run: Vec<&[u8]> = Vec::new();
    for piece in bytes.split(|byte| *byte == 0) {
        let path = piece.len() > 2
            && piece.starts_with(b"/")
            && piece.ends_with(b"/")
            && piece.iter().all(u8::is_ascii_graphic);
        if path {
            run.push(piece);
        } else if run.len() > 1 {
            break;
        } else {
            run.clear();
        }
    }
    if run.len() < 2 {
        return Vec::new();
    }
    run.iter()
        .map(|path| String::from_utf8_lossy(&path[..path.len() - 1]).into_owned())
        .collect()
}

#[cfg(test)]
mod tests;
