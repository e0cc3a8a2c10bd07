//! How a store is laid out: which directory an image is in, and how its file is named.
//!
//! ```text
//! flat      strace-6.11-1.1.x86-64.raw                            strace-@v.%a.raw
//! per-name  strace/strace-6.11-1.1.x86-64.raw                     strace-@v.%a.raw
//! flatcar   strace/strace-6.11-1.1-x86-64.raw                     strace-@v-%a.raw
//! fedora    strace/strace-6.11-1.1-42-x86-64.raw  (42: VERSION_ID)  strace-@v-%w-%a.raw
//! ```
//!
//! A directory for each extension, with a list and a signature of its own, lets `gcc` and
//! `gcc-32bit` be beside each other, which one directory can't. The latter two are what the
//! clients of Flatcar's bakery and of Fedora's sysexts look for.

/// The layout of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// One directory for all.
    #[default]
    Flat,
    /// A directory for each extension.
    PerName,
    /// The same, with Flatcar's file names.
    Flatcar,
    /// The same, with Fedora's file names, which say for which release an image is.
    Fedora,
}

impl Layout {
    /// All layouts.
    pub(crate) const ALL: [Layout; 4] = [Self::Flat, Self::PerName, Self::Flatcar, Self::Fedora];

    /// Whether each extension has a directory of its own.
    #[must_use]
    pub fn is_per_name(self) -> bool {
        self != Self::Flat
    }

    /// What stands between the version and `.raw` in a file name; `None` where the layout wants a
    /// `VERSION_ID` and there is none.
    #[must_use]
    pub fn ending(self, architecture: &str, version_id: Option<&str>) -> Option<String> {
        match self {
            Self::Flat | Self::PerName => Some(format!(".{architecture}")),
            Self::Flatcar => Some(format!("-{architecture}")),
            Self::Fedora => Some(format!("-{}-{architecture}", version_id?)),
        }
    }

    /// What stands after `NAME-@v` in the pattern of systemd-sysupdate.
    #[must_use]
    pub fn pattern_ending(self) -> &'static str {
        match self {
            Self::Flat | Self::PerName => ".%a.raw",
            Self::Flatcar => "-%a.raw",
            Self::Fedora => "-%w-%a.raw",
        }
    }

    /// The layout whose file names end so: with `suffix` after the version, such as `.x86-64.raw`.
    #[must_use]
    pub fn of_suffix(suffix: &str, architecture: &str) -> Option<Layout> {
        let before = suffix.strip_suffix(".raw")?.strip_suffix(architecture)?;
        match before {
            "." => Some(Self::PerName),
            "-" => Some(Self::Flatcar),
            _ => (before.len() > 2 && before.starts_with('-') && before.ends_with('-'))
                .then_some(Self::Fedora),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_and_patterns() {
        for (layout, ending, pattern, found) in [
            (Layout::Flat, ".x86-64", ".%a.raw", Layout::PerName),
            (Layout::PerName, ".x86-64", ".%a.raw", Layout::PerName),
            (Layout::Flatcar, "-x86-64", "-%a.raw", Layout::Flatcar),
            (Layout::Fedora, "-42-x86-64", "-%w-%a.raw", Layout::Fedora),
        ] {
            let made = layout.ending("x86-64", Some("42")).unwrap();
            assert_eq!(made, ending);
            assert_eq!(layout.pattern_ending(), pattern);
            let suffix = format!("{made}.raw");
            assert_eq!(Layout::of_suffix(&suffix, "x86-64"), Some(found));
        }
        assert_eq!(Layout::Fedora.ending("x86-64", None), None);
        assert_eq!(Layout::of_suffix("--x86-64.raw", "x86-64"), None);
        assert_eq!(Layout::of_suffix(".arm64.raw", "x86-64"), None);
    }
}
