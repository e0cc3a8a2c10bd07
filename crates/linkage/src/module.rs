//! One kernel module: which kernel it was built for, and which other modules it needs.
//!
//! A module is a relocatable object. What it says of itself is in a section called `.modinfo`, as
//! words `KEY=VALUE` with a zero byte behind each:
//!
//! ```text
//! vermagic=6.14.5-300.fc42.x86_64 SMP preempt mod_unload modversions
//! name=pool
//! depends=zlib_deflate,crc32c
//! ```
//!
//! A kernel takes a module whose `vermagic` is its own. Where both were made with versions of
//! symbols, the first word, the release, may differ: then the checksums of the symbols decide.

use std::io::{Read, Seek};

use elf::abi::{ET_REL, SHT_NOBITS};
use elf::section::SectionHeader;

use crate::error::Error;
use crate::object::{header, sections};
use crate::source::Source;

/// The names of a module's sections and what it says of itself may each be this long, in bytes.
const MAX_PART: u64 = 1024 * 1024;
/// Modules that one may depend on. Those of Linux depend on some twenty.
const MAX_DEPENDS: usize = 1024;
/// Sections with checksums of the symbols that a module uses.
const CHECKSUMS: [&[u8]; 2] = [b"__versions", b"__version_ext_crcs"];

/// What a kernel module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: Option<String>,
    /// The kernel that it was built for, and how that was configured.
    pub vermagic: Option<String>,
    /// The modules that it needs.
    pub depends: Vec<String>,
    /// It has checksums of the symbols that it uses.
    pub has_checksums: bool,
}

impl Module {
    /// Reads a module, which starts at offset 0 of `input`. `None` for a file that is not a
    /// relocatable ELF object.
    ///
    /// Four parts of it are read, in bounded memory.
    pub fn read<R: Read + Seek>(input: &mut R) -> Result<Option<Self>, Error> {
        let mut source = Source::new(input)?;
        let Some(header) = header(&mut source)? else {
            return Ok(None);
        };
        if header.e_type != ET_REL {
            return Ok(None);
        }
        let mut module = Self::default();
        let sections = sections(&mut source, &header)?;
        let Some(strings) = sections.get(usize::from(header.e_shstrndx)) else {
            return Err(Error::malformed("the sections have no names"));
        };
        let names = part(&mut source, "names of sections", strings)?;
        for section in &sections {
            let name = usize::try_from(section.sh_name).ok();
            let name = name
                .and_then(|start| names.get(start..))
                .unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            module.has_checksums |= CHECKSUMS.contains(&name) && section.sh_size > 0;
            if name == b".modinfo" && section.sh_type != SHT_NOBITS {
                let said = part(&mut source, ".modinfo", section)?;
                module.take(&said)?;
            }
        }
        Ok(Some(module))
    }

    /// Returns the release of the kernel that it was built for, as `uname -r` prints it.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.vermagic.as_deref()?.split(' ').next()
    }

    /// Says whether a kernel of another release may take it, by the checksums of symbols.
    #[must_use]
    pub fn may_fit_others(&self) -> bool {
        let vermagic = self.vermagic.as_deref().unwrap_or_default();
        self.has_checksums && vermagic.split(' ').any(|word| word == "modversions")
    }

    /// Takes what is known here of what a module says. Of a key that is there twice, Linux takes
    /// the first.
    fn take(&mut self, said: &[u8]) -> Result<(), Error> {
        for word in said.split(|byte| *byte == 0) {
            let Some(split) = word.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (key, value) = (&word[..split], &word[split + 1..]);
            let value = || String::from_utf8_lossy(value).into_owned();
            match key {
                b"vermagic" if self.vermagic.is_none() => self.vermagic = Some(value()),
                b"name" if self.name.is_none() => self.name = Some(value()),
                b"depends" => {
                    let names = value();
                    let names = names.split(',').filter(|name| !name.is_empty());
                    self.depends.extend(names.map(str::to_owned));
                    if self.depends.len() > MAX_DEPENDS {
                        return Err(Error::malformed("it depends on too many modules"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns what is in a section.
fn part<R: Read + Seek>(
    source: &mut Source<'_, R>,
    what: &str,
    section: &SectionHeader,
) -> Result<Vec<u8>, Error> {
    if section.sh_size > MAX_PART {
        let text = format!("{what}: {} bytes", section.sh_size);
        return Err(Error::malformed(text));
    }
    source.bytes(what, section.sh_offset, section.sh_size)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use elf::file::Class;

    use super::*;

    /// Makes an object of these sections, without what Linux needs beside them.
    fn object(class: Class, big_endian: bool, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let number = |bytes: &mut Vec<u8>, width: usize, value: usize| {
            let little = (value as u64).to_le_bytes();
            let mut own = little[..width].to_vec();
            if big_endian {
                own.reverse();
            }
            bytes.extend(own);
        };
        let word = if class == Class::ELF64 { 8 } else { 4 };
        let (header, entry) = if word == 8 { (64, 64) } else { (52, 40) };
        let (mut body, mut names, mut table) = (Vec::new(), vec![0], vec![0; entry]);
        let mut add = |name: &str, content: &[u8], names: &mut Vec<u8>| {
            let start = names.len();
            names.extend(name.as_bytes());
            names.push(0);
            let content = if name == ".shstrtab" { names } else { content };
            number(&mut table, 4, start);
            number(&mut table, 4, 1);
            number(&mut table, word, 0);
            number(&mut table, word, 0);
            number(&mut table, word, header + body.len());
            number(&mut table, word, content.len());
            number(&mut table, 8, 0);
            number(&mut table, word, 0);
            number(&mut table, word, 0);
            body.extend(content);
        };
        for (name, content) in sections {
            add(name, content, &mut names);
        }
        add(".shstrtab", b"", &mut names);
        let order = if big_endian { 2 } else { 1 };
        let mut file = [
            b"\x7fELF".as_slice(),
            &[if word == 8 { 2 } else { 1 }, order, 1],
            &[0; 9],
        ]
        .concat();
        number(&mut file, 2, 1);
        number(&mut file, 2, 62);
        number(&mut file, 4, 1);
        number(&mut file, word, 0);
        number(&mut file, word, 0);
        number(&mut file, word, header + body.len());
        number(&mut file, 4, 0);
        for value in [header, 0, 0, entry, sections.len() + 2, sections.len() + 1] {
            number(&mut file, 2, value);
        }
        assert_eq!(file.len(), header);
        [file, body, table].concat()
    }

    fn read(bytes: &[u8]) -> Result<Option<Module>, String> {
        Module::read(&mut Cursor::new(bytes)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_module_says() {
        const SAID: &[u8] =
            b"license=GPL\0depends=a,b\0name=pool\0vermagic=6.1-1 SMP modversions \0\
                              vermagic=no\0odd\0";
        for class in [Class::ELF32, Class::ELF64] {
            for big_endian in [false, true] {
                let sections: &[(&str, &[u8])] = &[(".modinfo", SAID), ("__versions", b"1")];
                let found = read(&object(class, big_endian, sections)).unwrap().unwrap();
                let expected = Module {
                    name: Some("pool".to_owned()),
                    vermagic: Some("6.1-1 SMP modversions ".to_owned()),
                    depends: vec!["a".to_owned(), "b".to_owned()],
                    has_checksums: true,
                };
                assert_eq!(found, expected);
                assert_eq!(found.release(), Some("6.1-1"));
                assert!(found.may_fit_others());
            }
        }
        for sections in [
            &[(".modinfo", SAID)][..],
            &[(".modinfo", SAID), ("__versions", b"")],
            &[(".modinfo", b"vermagic=6.1-1 SMP\0"), ("__versions", b"1")],
        ] {
            let found = read(&object(Class::ELF64, false, sections))
                .unwrap()
                .unwrap();
            assert_eq!(found.release(), Some("6.1-1"));
            assert!(!found.may_fit_others());
        }
        let other = object(Class::ELF64, false, &[(".modinfo.x", SAID)]);
        assert_eq!(read(&other), Ok(Some(Module::default())));
        for bytes in [
            &b""[..],
            b"ko\n",
            &[&b"\x7fELF\x02\x01\x01"[..], &[3; 57]].concat(),
        ] {
            assert_eq!(read(bytes), Ok(None));
        }
    }

    #[test]
    fn parts_of_a_module_have_a_largest_length() {
        let cut = object(Class::ELF64, false, &[(".modinfo", b"name=a\0")]);
        let said = |length: usize| {
            let content = vec![b'x'; length];
            read(&object(Class::ELF64, false, &[(".modinfo", &content)])).map(|_| ())
        };
        let sections = |count: usize| {
            let all = vec![("", &b""[..]); count - 2];
            read(&object(Class::ELF64, false, &all)).map(|_| ())
        };
        let depends = |count: usize| {
            let text = format!("depends={}\0", vec!["a"; count].join(","));
            read(&object(
                Class::ELF64,
                false,
                &[(".modinfo", text.as_bytes())],
            ))
            .map(|_| ())
        };
        let odd = |text: &str| Err(format!("not a sound ELF file: {text}"));
        assert_eq!(said(1 << 20), Ok(()));
        assert_eq!(said((1 << 20) + 1), odd(".modinfo: 1048577 bytes"));
        assert_eq!(sections(16_384), Ok(()));
        assert_eq!(sections(16_385), odd("16385 section headers"));
        assert_eq!(depends(1024), Ok(()));
        assert_eq!(depends(1025), odd("it depends on too many modules"));
        let end = cut.len() - 192;
        let text = format!("section headers: 192 bytes at {end}, beyond the end of the file");
        assert_eq!(read(&cut[..cut.len() - 1]).map(|_| ()), odd(&text));
        assert_eq!(read(&cut[..10]).map(|_| ()), odd("header: it is cut off"));
    }
}
