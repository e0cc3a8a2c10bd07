//! What two ELF objects must have in common so that one can load the other.

use std::fmt;
use std::str::FromStr;

use elf::abi::{EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64};
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

/// One target that we know by name.
struct Target {
    name: &'static str,
    bits: u8,
    big_endian: bool,
    machine: u16,
    /// Where programs expect the loader.
    loader: &'static str,
    /// Directories below `glibc-hwcaps`, the best processor first.
    hwcaps: &'static [&'static str],
    /// What `$PLATFORM` is.
    platform: &'static str,
    /// Debian's name of it, which is a directory of libraries there.
    triplet: &'static str,
}

const TARGETS: &[Target] = &[
    Target {
        name: "elf64-x86-64",
        bits: 64,
        big_endian: false,
        machine: EM_X86_64,
        loader: "/lib64/ld-linux-x86-64.so.2",
        hwcaps: &["x86-64-v4", "x86-64-v3", "x86-64-v2"],
        platform: "x86_64",
        triplet: "x86_64-linux-gnu",
    },
    Target {
        name: "elf32-i386",
        bits: 32,
        big_endian: false,
        machine: EM_386,
        loader: "/lib/ld-linux.so.2",
        hwcaps: &[],
        platform: "i686",
        triplet: "i386-linux-gnu",
    },
    Target {
        name: "elf64-littleaarch64",
        bits: 64,
        big_endian: false,
        machine: EM_AARCH64,
        loader: "/lib/ld-linux-aarch64.so.1",
        hwcaps: &[],
        platform: "aarch64",
        triplet: "aarch64-linux-gnu",
    },
    Target {
        name: "elf32-littlearm",
        bits: 32,
        big_endian: false,
        machine: EM_ARM,
        loader: "/lib/ld-linux-armhf.so.3",
        hwcaps: &[],
        platform: "v7l",
        triplet: "arm-linux-gnueabihf",
    },
    Target {
        name: "elf64-powerpcle",
        bits: 64,
        big_endian: false,
        machine: EM_PPC64,
        loader: "/lib64/ld64.so.2",
        hwcaps: &["power10", "power9"],
        platform: "power8",
        triplet: "powerpc64le-linux-gnu",
    },
    Target {
        name: "elf64-s390",
        bits: 64,
        big_endian: true,
        machine: EM_S390,
        loader: "/lib/ld64.so.1",
        hwcaps: &["z16", "z15", "z14", "z13"],
        platform: "z10",
        triplet: "s390x-linux-gnu",
    },
    Target {
        name: "elf64-littleriscv",
        bits: 64,
        big_endian: false,
        machine: EM_RISCV,
        loader: "/lib/ld-linux-riscv64-lp64d.so.1",
        hwcaps: &[],
        platform: "riscv64",
        triplet: "riscv64-linux-gnu",
    },
    Target {
        name: "elf64-loongarch",
        bits: 64,
        big_endian: false,
        machine: EM_LOONGARCH,
        loader: "/lib64/ld-linux-loongarch-lp64d.so.1",
        hwcaps: &[],
        platform: "loongarch64",
        triplet: "loongarch64-linux-gnu",
    },
];

impl Abi {
    fn target(self) -> Option<&'static Target> {
        TARGETS.iter().find(|target| {
            (target.bits, target.big_endian, target.machine)
                == (self.bits, self.big_endian, self.machine)
        })
    }

    /// Returns where programs expect the GNU C library's loader.
    pub fn loader(self) -> Option<&'static str> {
        self.target().map(|target| target.loader)
    }

    /// Returns the directories below `glibc-hwcaps`, the one for the best processor first.
    pub fn hwcaps(self) -> &'static [&'static str] {
        self.target().map_or(&[], |target| target.hwcaps)
    }

    /// Returns what `$PLATFORM` stands for, on the oldest processor.
    pub fn platform(self) -> Option<&'static str> {
        self.target().map(|target| target.platform)
    }

    /// Returns the directories that some loader of this ABI has built in, where the base's loader
    /// can't be asked: Debian's, then everyone else's.
    pub fn library_directories(self) -> Vec<String> {
        let mut directories = Vec::new();
        if let Some(target) = self.target() {
            directories.push(format!("/lib/{}", target.triplet));
            directories.push(format!("/usr/lib/{}", target.triplet));
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
        if let Some(target) = self.target() {
            return f.write_str(target.name);
        }
        let order = if self.big_endian { "big" } else { "little" };
        write!(f, "elf{}-{order}-{}", self.bits, self.machine)
    }
}

impl FromStr for Abi {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(target) = TARGETS.iter().find(|target| target.name == text) {
            return Ok(Self {
                bits: target.bits,
                big_endian: target.big_endian,
                machine: target.machine,
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
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["elf64-x86-64", "elf32-i386", "elf64-s390", "elf32-big-8"] {
            assert_eq!(text.parse::<Abi>().unwrap().to_string(), text);
        }
        for text in ["", "elf64", "elf16-little-3", "elf64-little-65536"] {
            assert!(text.parse::<Abi>().is_err(), "{text}");
        }
    }
}
