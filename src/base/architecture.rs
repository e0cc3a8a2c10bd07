//! Processor architectures, as RPM and as systemd spell them.

use std::fmt;

/// An architecture that an image can be made for, in systemd's spelling (`x86-64`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Architecture(&'static str);

/// RPM's spellings and systemd's, from systemd's `architecture.c` and RPM's `rpmrc`. The first
/// RPM spelling of each is the one that `uname -m` gives.
const TABLE: &[(&str, &[&str])] = &[
    (
        "x86-64",
        &["x86_64", "amd64", "x86_64_v2", "x86_64_v3", "x86_64_v4"],
    ),
    (
        "x86",
        &[
            "i686", "i586", "i486", "i386", "athlon", "geode", "pentium3", "pentium4",
        ],
    ),
    ("arm64", &["aarch64", "arm64"]),
    (
        "arm",
        &[
            "armv7l",
            "armv7hl",
            "armv7hnl",
            "armv6hl",
            "armv6l",
            "armv5tel",
            "armv5tejl",
        ],
    ),
    ("ppc64-le", &["ppc64le"]),
    ("ppc64", &["ppc64", "ppc64p7"]),
    ("ppc", &["ppc", "ppc32dy4"]),
    ("s390x", &["s390x"]),
    ("s390", &["s390"]),
    ("riscv64", &["riscv64"]),
    ("loongarch64", &["loongarch64"]),
    ("ia64", &["ia64"]),
    ("sparc64", &["sparc64", "sparc64v", "sparcv9"]),
    ("sparc", &["sparc", "sparcv8"]),
    ("mips64-le", &["mips64el"]),
    ("mips-le", &["mipsel"]),
    ("alpha", &["alpha", "alphaev6"]),
];

impl Architecture {
    /// Returns the architecture of a package's `Arch:` tag; `None` for `noarch` and for one that
    /// is not known.
    pub fn of_package(arch: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|(_, rpm)| rpm.contains(&arch))
            .map(|(name, _)| Self(name))
    }

    /// Returns the architecture that a user named, in either spelling.
    pub fn named(text: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(name, _)| Self(name))
            .or_else(|| Self::of_package(text))
    }

    /// Returns the architecture that this program was compiled for.
    pub fn of_this_machine() -> Option<Self> {
        match std::env::consts::ARCH {
            "powerpc64" if cfg!(target_endian = "little") => Some(Self("ppc64-le")),
            "arm" => Some(Self("arm")),
            other => Self::of_package(other),
        }
    }

    /// Returns every name that [`named`](Self::named) takes in systemd's spelling.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(name, _)| *name)
    }

    /// Returns RPM's spelling.
    pub fn of_rpm(self) -> &'static str {
        TABLE
            .iter()
            .find(|(name, _)| *name == self.0)
            .and_then(|(_, rpm)| rpm.first())
            .unwrap_or(&"noarch")
    }

    /// Says whether a machine of this architecture also runs packages of `other`: 32-bit
    /// libraries beside 64-bit ones.
    pub fn runs(self, other: Self) -> bool {
        self == other
            || matches!((self.0, other.0), ("x86-64", "x86") | ("ppc64", "ppc"))
            || matches!((self.0, other.0), ("s390x", "s390") | ("sparc64", "sparc"))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_as_systemd_does() {
        for (rpm, systemd) in [
            ("x86_64", Some("x86-64")),
            ("i586", Some("x86")),
            ("aarch64", Some("arm64")),
            ("armv7hl", Some("arm")),
            ("ppc64le", Some("ppc64-le")),
            ("s390x", Some("s390x")),
            ("riscv64", Some("riscv64")),
            ("loongarch64", Some("loongarch64")),
            ("noarch", None),
            ("x86-64", None),
        ] {
            assert_eq!(
                Architecture::of_package(rpm).map(|arch| arch.0),
                systemd,
                "{rpm}"
            );
        }
        assert_eq!(Architecture::named("x86-64"), Architecture::named("x86_64"));
    }
}
