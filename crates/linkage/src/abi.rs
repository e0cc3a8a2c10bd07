//! What two ELF objects must have in common so that one can load the other.

use std::fmt;
use std::str::FromStr;

use architecture::{Elf, Gnu};
use serde::{Deserialize, Serialize};

/// Class, byte order and machine of an ELF object. As text it is the name that binutils has for
/// the target, such as `elf64-x86-64`; where we know none, `elf64-little-` and the machine's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Abi {
    /// 32 or 64.
    pub bits: u8,
    /// The most significant byte comes first.
    pub big_endian: bool,
    /// `e_machine`.
    pub machine: u16,
}

impl Abi {
    fn gnu(self) -> Option<&'static Gnu> {
        let Self {
            bits,
            big_endian,
            machine,
        } = self;
        let elf = Elf {
            bits,
            big_endian,
            machine,
        };
        architecture::elf_targets().find_map(|(known, gnu)| (known == elf).then_some(gnu))
    }

    /// Returns where programs expect the GNU C library's loader.
    pub fn loader(self) -> Option<&'static str> {
        self.gnu().map(|gnu| gnu.loader)
    }

    /// Returns the directories below `glibc-hwcaps`, the one for the best processor first.
    pub fn hwcaps(self) -> &'static [&'static str] {
        self.gnu().map_or(&[], |gnu| gnu.hwcaps)
    }

    /// Returns what `$PLATFORM` stands for, on the oldest processor.
    pub fn platform(self) -> Option<&'static str> {
        self.gnu().map(|gnu| gnu.platform)
    }

    /// Returns the directories that some loader of this ABI has built in, where the base's loader
    /// can't be asked: Debian's, then everyone else's.
    pub fn library_directories(self) -> Vec<String> {
        let mut directories = Vec::new();
        if let Some(gnu) = self.gnu() {
            directories.push(format!("/lib/{}", gnu.triplet));
            directories.push(format!("/usr/lib/{}", gnu.triplet));
        }
        if self.bits == 64 {
            directories.extend(["/lib64", "/usr/lib64"].map(str::to_owned));
        }
        directories.extend(["/lib", "/usr/lib"].map(str::to_owned));
        directories
    }

    /// Returns how RPM marks the names of libraries of this class.
    pub fn rpm_marker(self) -> &'static str {
        if self.bits == 64 { "(64bit)" } else { "" }
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gnu) = self.gnu() {
            return f.write_str(gnu.target);
        }
        let order = if self.big_endian { "big" } else { "little" };
        write!(f, "elf{}-{order}-{}", self.bits, self.machine)
    }
}

impl FromStr for Abi {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((elf, _)) = architecture::elf_targets().find(|(_, gnu)| gnu.target == text) {
            return Ok(Self {
                bits: elf.bits,
                big_endian: elf.big_endian,
                machine: elf.machine,
            });
        }
        let unknown = || format!("{text:?} names no kind of ELF object");
        let mut parts = text.splitn(3, '-');
        let bits = match parts.next() {
            Some("elf32") => 32,
            Some("elf64") => 64,
            _ => return Err(unknown()),
        };
        let big_endian = match parts.next() {
            Some("big") => true,
            Some("little") => false,
            _ => return Err(unknown()),
        };
        let machine = parts
            .next()
            .and_then(|number| number.parse().ok())
            .ok_or_else(unknown)?;
        Ok(Self {
            bits,
            big_endian,
            machine,
        })
    }
}

impl From<Abi> for String {
    fn from(abi: Abi) -> Self {
        abi.to_string()
    }
}

impl TryFrom<String> for Abi {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use elf::abi::{
        EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64,
    };

    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["elf64-x86-64", "elf32-i386", "elf64-s390", "elf32-big-8"] {
            assert_eq!(text.parse::<Abi>().unwrap().to_string(), text);
        }
        for (text, machine) in [
            ("elf64-x86-64", EM_X86_64),
            ("elf32-i386", EM_386),
            ("elf64-littleaarch64", EM_AARCH64),
            ("elf32-littlearm", EM_ARM),
            ("elf64-powerpcle", EM_PPC64),
            ("elf64-s390", EM_S390),
            ("elf64-littleriscv", EM_RISCV),
            ("elf64-loongarch", EM_LOONGARCH),
        ] {
            assert_eq!(text.parse::<Abi>().unwrap().machine, machine, "{text}");
        }
        for text in ["", "elf64", "elf16-little-3", "elf64-little-65536"] {
            assert!(text.parse::<Abi>().is_err(), "{text}");
        }
    }
}
