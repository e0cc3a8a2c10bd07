//! Processor architectures, in one table.
//!
//! systemd, RPM, dnf and ELF cut the world of processors in different ways. systemd has one name
//! for all that one kernel runs (`arm`), RPM has one for each set of instructions that packages
//! are compiled for (`armv7hl`, `armv6hl`), dnf has one for each tree of a mirror (`armhfp`), and
//! an ELF file says class, byte order and machine. A row of the [table](table) is an architecture
//! in systemd's sense with all that the others say of it; a new architecture is a new row.
//!
//! Types of disk partitions are one table more: which architecture they are for is in them.
//!
//! An [`Architecture`] is RPM's, because that tells most: it decides which packages a system takes
//! and which it prefers. systemd's name follows from it.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test reads what it made itself"
    )
)]

mod partitions;
mod table;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

pub use partitions::{Designator, Role, partition_purpose, partition_type};
use table::{ROWS, Row, SYSTEMD_ALONE, Variant};

/// An architecture that packages can be made for. As text it is systemd's name (`x86-64`), which
/// is that of an image.
#[derive(Clone, Copy)]
pub struct Architecture {
    row: &'static Row,
    variant: &'static Variant,
}

/// What the header of an ELF file says of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elf {
    /// 32 or 64.
    pub bits: u8,
    /// The most significant byte comes first.
    pub big_endian: bool,
    /// `e_machine`.
    pub machine: u16,
}

/// What programs for an architecture expect of a system with the GNU C library.
#[derive(Debug, PartialEq, Eq)]
pub struct Gnu {
    /// The name that binutils has for the target, such as `elf64-x86-64`.
    pub target: &'static str,
    /// Where programs expect the loader.
    pub loader: &'static str,
    /// Directories below `glibc-hwcaps`, the best processor first.
    pub hwcaps: &'static [&'static str],
    /// What `$PLATFORM` is on the oldest processor.
    pub platform: &'static str,
    /// Debian's name of it, which is a directory of libraries there.
    pub triplet: &'static str,
}

impl Architecture {
    /// Returns the architecture of a package's `Arch:` tag; `None` for `noarch` and for one that
    /// is not known.
    pub fn of_package(arch: &str) -> Option<Self> {
        let arch = match arch {
            // What RPM takes for the same.
            "amd64" | "em64t" | "ia32e" => "x86_64",
            other => other,
        };
        all().find(|architecture| architecture.rpm() == arch)
    }

    /// Returns the architecture that a user named, in either spelling. systemd's stands for the
    /// first that RPM has of it.
    pub fn named(text: &str) -> Option<Self> {
        Self::of_package(text).or_else(|| firsts().find(|first| first.row.systemd == text))
    }

    /// Returns the architecture of an ELF file: the first that RPM has of it.
    pub fn of_elf(elf: Elf) -> Option<Self> {
        firsts().find(|first| first.row.elf == elf)
    }

    /// Returns the architecture that this program was compiled for.
    pub fn of_this_machine() -> Option<Self> {
        firsts().find(|first| {
            first.row.rust == std::env::consts::ARCH
                && first.row.elf.big_endian == cfg!(target_endian = "big")
        })
    }

    /// Returns every name that [`named`](Self::named) takes in systemd's spelling.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.systemd)
    }

    /// Returns every name that [`named`](Self::named) takes: systemd's, then those of RPM that are
    /// others.
    pub fn every_name() -> impl Iterator<Item = &'static str> {
        let others = all().map(Self::rpm);
        Self::names().chain(others.filter(|name| Self::names().all(|known| known != *name)))
    }

    /// Says whether what is for this architecture is for an image of `other`, too. The first
    /// architecture of those that systemd has one name for stands for all of them.
    pub fn covers(self, other: Self) -> bool {
        self == other || self.name() == self.systemd() && self.is_sibling(other)
    }

    /// Returns systemd's name, that of `ARCHITECTURE=`.
    pub fn systemd(self) -> &'static str {
        self.row.systemd
    }

    /// Returns RPM's name.
    pub fn rpm(self) -> &'static str {
        self.variant.rpm
    }

    /// Returns the name that tells it from all others, and that [`named`](Self::named) takes:
    /// systemd's where that stands for it, else RPM's.
    pub fn name(self) -> &'static str {
        match self.row.variants.first() {
            Some(first) if first.rpm == self.variant.rpm => self.row.systemd,
            _ => self.variant.rpm,
        }
    }

    /// Returns Go's name (`GOARCH`), by which registries of images tell architectures apart.
    pub fn go(self) -> &'static str {
        self.row.go
    }

    /// Returns dnf's `$basearch`.
    pub fn basearch(self) -> &'static str {
        self.variant.basearch
    }

    /// Returns the architectures whose packages a system of this one takes, the best first, which
    /// is itself.
    pub fn compatible(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |best| {
            best.variant.next.and_then(Self::of_package)
        })
    }

    /// Says whether both have one name in systemd, and so one word size.
    pub fn is_sibling(self, other: Self) -> bool {
        self.row.systemd == other.row.systemd
    }

    /// Says whether an image for this architecture can hold packages of `other`: those that have
    /// the same name in systemd, and 32-bit ones beside 64-bit ones.
    pub fn runs(self, other: Self) -> bool {
        self.is_sibling(other) || self.compatible().any(|taken| taken.is_sibling(other))
    }
}

/// Returns all architectures, those of one row together.
fn all() -> impl Iterator<Item = Architecture> {
    let of_row = |row: &'static Row| {
        let variants = row.variants.iter();
        variants.map(move |variant| Architecture { row, variant })
    };
    ROWS.iter().flat_map(of_row)
}

/// Returns the first architecture of each row.
fn firsts() -> impl Iterator<Item = Architecture> {
    let first = |row: &'static Row| {
        let variant = row.variants.first()?;
        Some(Architecture { row, variant })
    };
    ROWS.iter().filter_map(first)
}

/// Returns whether systemd knows an architecture of that name: what `ARCHITECTURE=` and `%a` can
/// be.
pub fn is_of_systemd(name: &str) -> bool {
    names_of_systemd().any(|known| known == name)
}

/// Returns all names of architectures that systemd knows, also those that RPM has no packages for.
pub fn names_of_systemd() -> impl Iterator<Item = &'static str> {
    Architecture::names().chain(SYSTEMD_ALONE.iter().copied())
}

/// Returns the ELF files that are known in detail, with what their programs expect.
pub fn elf_targets() -> impl Iterator<Item = (Elf, &'static Gnu)> {
    (ROWS.iter()).filter_map(|row| Some((row.elf, row.gnu.as_ref()?)))
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.rpm() == other.rpm()
    }
}

impl Eq for Architecture {}

impl PartialOrd for Architecture {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Architecture {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rpm().cmp(other.rpm())
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rpm())
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.systemd())
    }
}
