//! Which architectures of packages a system runs, and which of them it prefers.
//!
//! After rpm's `rpmrc` (`arch_compat`) and libsolv's `poolarch.c`. Packages of one name may be
//! installed side by side if they are of different word sizes ("colours"), as `glibc.x86_64` and
//! `glibc.i686`.

/// Architectures that a system runs beside its own, the best first.
const COMPATIBLE: &[(&str, &[&str])] = &[
    ("x86_64_v4", &["x86_64_v3", "x86_64_v2", "x86_64"]),
    ("x86_64_v3", &["x86_64_v2", "x86_64"]),
    ("x86_64_v2", &["x86_64"]),
    ("i686", &["i586", "i486", "i386"]),
    ("i586", &["i486", "i386"]),
    ("armv7hnl", &["armv7hl", "armv6hl"]),
    ("armv7hl", &["armv6hl"]),
];

/// Smaller architectures that a system runs if its libraries are there.
const MULTILIB: &[(&str, &[&str])] = &[
    ("x86_64", &["i686", "i586", "i486", "i386"]),
    ("s390x", &["s390"]),
    ("ppc64", &["ppc"]),
];

/// The order in which the architectures of packages are preferred.
#[derive(Debug)]
pub(crate) struct Architectures {
    /// With their colour; `noarch` is not among them. Empty if the system is not known.
    ranked: Vec<(String, u8)>,
}

/// The colour of `noarch`, which fits every other.
pub(crate) const EVERY_COLOUR: u8 = 0b11;

impl Architectures {
    /// Returns the architectures that `system` runs; its 32-bit ones only with `multilib`. An empty
    /// name is a system that runs all.
    pub(crate) fn of(system: &str, multilib: bool) -> Self {
        let listed = |table: &[(&str, &'static [&'static str])], name: &str| {
            let found = table.iter().find(|(key, _)| *key == name);
            found.map_or(&[][..], |(_, others)| *others)
        };
        if system.is_empty() {
            return Self { ranked: Vec::new() };
        }
        let mut ranked = vec![(system.to_owned(), 0b10)];
        for other in listed(COMPATIBLE, system) {
            ranked.push(((*other).to_owned(), 0b10));
        }
        if multilib {
            let smaller: Vec<&str> = (ranked.iter())
                .flat_map(|(name, _)| listed(MULTILIB, name).iter().copied())
                .collect();
            ranked.extend(smaller.into_iter().map(|name| (name.to_owned(), 0b01)));
        }
        Self { ranked }
    }

    /// Returns how far down `arch` is on the list of preferred ones; `noarch` is as good as the
    /// system's own. None if the system does not run it.
    pub(crate) fn rank(&self, arch: &str) -> Option<usize> {
        match arch {
            _ if self.ranked.is_empty() => Some(0),
            "noarch" => Some(0),
            _ => self.ranked.iter().position(|(name, _)| name == arch),
        }
    }

    /// Returns the word sizes that packages of `arch` are for, as bits.
    pub(crate) fn colour(&self, arch: &str) -> u8 {
        let found = self.ranked.iter().find(|(name, _)| name == arch);
        found.map_or(EVERY_COLOUR, |(_, colour)| *colour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_prefers_its_own_architecture() {
        let rank = |system, multilib, arch| Architectures::of(system, multilib).rank(arch);
        assert_eq!(rank("x86_64", true, "x86_64"), Some(0));
        assert_eq!(rank("x86_64", true, "noarch"), Some(0));
        assert_eq!(rank("x86_64", true, "i686"), Some(1));
        assert_eq!(rank("x86_64", false, "i686"), None);
        assert_eq!(rank("x86_64", false, "x86_64_v3"), None);
        assert_eq!(rank("x86_64_v3", false, "x86_64"), Some(2));
        assert_eq!(rank("aarch64", true, "i686"), None);
        assert_eq!(rank("loongarch64", true, "loongarch64"), Some(0));
    }
}
