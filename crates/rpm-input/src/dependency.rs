//! A dependency as an RPM header states it.
//!
//! Rich dependencies (`(a or b)`) are carried as their text. What satisfies a dependency is said by
//! the one who solves them.

use std::fmt;

/// The flags beside a dependency, `rpmsenseFlags` of librpm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sense(pub u32);

impl Sense {
    /// Older versions match.
    pub const LESS: Self = Self(1 << 1);
    /// Newer versions match.
    pub const GREATER: Self = Self(1 << 2);
    /// The version itself matches.
    pub const EQUAL: Self = Self(1 << 3);
    /// Needed while `%posttrans` runs.
    pub const POST_TRANSACTION: Self = Self(1 << 5);
    /// Needed while `%pretrans` runs.
    pub const PRE_TRANSACTION: Self = Self(1 << 7);
    /// A dependency on the interpreter of a scriptlet.
    pub const INTERPRETER: Self = Self(1 << 8);
    /// Needed while `%pre` runs.
    pub const SCRIPT_PRE: Self = Self(1 << 9);
    /// Needed while `%post` runs.
    pub const SCRIPT_POST: Self = Self(1 << 10);
    /// Needed while `%preun` runs.
    pub const SCRIPT_PREUN: Self = Self(1 << 11);
    /// Needed while `%postun` runs.
    pub const SCRIPT_POSTUN: Self = Self(1 << 12);
    /// Needed while `%verifyscript` runs.
    pub const SCRIPT_VERIFY: Self = Self(1 << 13);
    /// Found by the build, not written by the packager; a requires.
    pub const FIND_REQUIRES: Self = Self(1 << 14);
    /// Found by the build, not written by the packager; a provides.
    pub const FIND_PROVIDES: Self = Self(1 << 15);
    /// Old form of a weak dependency.
    pub const MISSING_OK: Self = Self(1 << 19);
    /// A feature of the package format, which only the program that reads it can have.
    pub const RPMLIB: Self = Self(1 << 24);
    /// `config(name)`, made for packages with configuration files.
    pub const CONFIG: Self = Self(1 << 28);
    /// Has no effect on the order of installation.
    pub const META: Self = Self(1 << 29);

    /// Every flag of something that scriptlets need.
    const SCRIPTS: [Self; 8] = [
        Self::POST_TRANSACTION,
        Self::PRE_TRANSACTION,
        Self::INTERPRETER,
        Self::SCRIPT_PRE,
        Self::SCRIPT_POST,
        Self::SCRIPT_PREUN,
        Self::SCRIPT_POSTUN,
        Self::SCRIPT_VERIFY,
    ];

    /// Returns whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether a version belongs to the dependency.
    pub fn is_versioned(self) -> bool {
        self.0 & (Self::LESS.0 | Self::GREATER.0 | Self::EQUAL.0) != 0
    }

    /// Returns the comparison as RPM writes it, `>=` for example, or an empty string.
    pub fn comparison(self) -> &'static str {
        let has = |bit| self.contains(bit);
        match (has(Self::LESS), has(Self::GREATER), has(Self::EQUAL)) {
            (false, false, false) => "",
            (true, false, false) => "<",
            (true, false, true) => "<=",
            (false, true, false) => ">",
            (false, true, true) => ">=",
            (false, false, true) => "=",
            (true, true, false) => "<>",
            (true, true, true) => "<=>",
        }
    }
}

/// One provides, requires, conflicts, obsoletes or weak dependency.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// A package name, a file path, `libz.so.1()(64bit)`, or the text of a rich dependency.
    pub name: String,
    /// The comparison with `evr`, and where the dependency comes from.
    pub sense: Sense,
    /// `[epoch:]version[-release]`, empty if no version is named.
    pub evr: String,
}

impl Dependency {
    /// Returns whether this is the `config(name)` that RPM makes for configuration files.
    pub fn is_config(&self) -> bool {
        self.sense.contains(Sense::CONFIG) || self.name.starts_with("config(")
    }

    /// Returns whether only scriptlets need it. What the package needs besides is a dependency of its
    /// own, even where both have one name.
    pub fn is_for_scriptlets(&self) -> bool {
        Sense::SCRIPTS.iter().any(|flag| self.sense.contains(*flag))
    }

    /// Returns whether this is a rich (boolean) dependency, as `(a if b)`.
    pub fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.sense.is_versioned() && !self.evr.is_empty() {
            write!(f, " {} {}", self.sense.comparison(), self.evr)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_printed_as_rpm_prints_it() {
        const FROM: u32 = Sense::GREATER.0 | Sense::EQUAL.0;
        for (name, sense, evr, text) in [
            ("a", 0, "", "a"),
            ("a", FROM, "1:2-3", "a >= 1:2-3"),
            ("a", Sense::LESS.0, "2", "a < 2"),
            ("a", Sense::EQUAL.0, "", "a"),
            ("a", Sense::RPMLIB.0 | FROM, "1", "a >= 1"),
            ("a", Sense::FIND_REQUIRES.0, "1", "a"),
            ("(a or b)", 0, "", "(a or b)"),
        ] {
            let dependency = Dependency {
                name: name.to_owned(),
                sense: Sense(sense),
                evr: evr.to_owned(),
            };
            assert_eq!(dependency.to_string(), text);
        }
    }

    #[test]
    fn kinds_are_told_by_flag_or_by_name() {
        let named = |name: &str| Dependency {
            name: name.to_owned(),
            ..Dependency::default()
        };
        let flagged = Dependency {
            sense: Sense::CONFIG,
            ..named("bash")
        };
        assert!(named("config(bash)").is_config() && flagged.is_config());
        for (sense, expected) in [(0, false), (1 << 14, false), (1 << 9, true), (0x500, true)] {
            let dependency = Dependency {
                sense: Sense(sense),
                ..named("bash")
            };
            assert_eq!(dependency.is_for_scriptlets(), expected, "{sense:x}");
        }
        assert!(named("(a if b)").is_rich());
        assert!(!named("bash").is_config() && !named("bash").is_rich());
    }
}
