//! Which architectures of packages a system runs, and which of them it prefers.
//!
//! RPM's table decides which a system takes, and in which order. Packages of one name may be
//! installed side by side if they are of different word sizes ("colours"), as `glibc.x86_64` and
//! `glibc.i686`.

use architecture::Architecture;

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
        let Some(own) = Architecture::of_package(system) else {
            // Not in the table: it takes its own packages alone.
            let ranked = (!system.is_empty()).then(|| (system.to_owned(), 0b10));
            return Self {
                ranked: ranked.into_iter().collect(),
            };
        };
        let taken = own
            .compatible()
            .filter(|taken| multilib || taken.is_sibling(own));
        let colour = |taken: Architecture| if taken.is_sibling(own) { 0b10 } else { 0b01 };
        let ranked = taken.map(|taken| (taken.rpm().to_owned(), colour(taken)));
        Self {
            ranked: ranked.collect(),
        }
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

    /// Returns whether packages of `arch` are of the system's own word size.
    pub(crate) fn is_own(&self, arch: &str) -> bool {
        self.colour(arch) & 0b10 != 0
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
        for (system, multilib, arch, expected) in [
            ("x86_64", true, "x86_64", Some(0)),
            ("x86_64", true, "noarch", Some(0)),
            ("x86_64", true, "i686", Some(2)),
            ("x86_64", true, "i386", Some(5)),
            ("x86_64", false, "i686", None),
            ("x86_64", false, "x86_64_v3", None),
            ("x86_64_v3", false, "x86_64", Some(2)),
            ("x86_64_v3", true, "i686", Some(4)),
            ("i686", false, "i586", Some(1)),
            ("armv7hl", false, "armv7hl", Some(0)),
            ("armv7hl", false, "armv6hl", Some(1)),
            ("armv7hl", false, "armv7l", None),
            ("aarch64", true, "i686", None),
            ("loongarch64", true, "loongarch64", Some(0)),
            ("sh4a", true, "sh4a", Some(0)),
            ("sh4a", true, "sh4", None),
            ("", true, "anything", Some(0)),
        ] {
            let rank = Architectures::of(system, multilib).rank(arch);
            assert_eq!(rank, expected, "{arch} on {system}");
        }
        let colour = |system, arch| Architectures::of(system, true).colour(arch);
        assert_eq!(colour("x86_64", "x86_64_v2"), EVERY_COLOUR);
        assert_eq!(colour("x86_64_v2", "x86_64"), 0b10);
        assert_eq!(colour("x86_64", "i686"), 0b01);
        assert_eq!(colour("i686", "i586"), 0b10);
        assert_eq!(colour("x86_64", "noarch"), EVERY_COLOUR);
    }
}
