//! How much is known of a base. What was not looked at carries no verdict, so every verdict says
//! which of these it rests on.

use serde::Serialize;

use super::{Base, Named};
use crate::findings::{Finding, kinds};
use crate::words::quantity::counted;

/// So many needs are named; the others are counted.
const SHOWN: usize = 3;

/// How much is known of a base, from least to most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Nothing but its os-release, if that.
    #[default]
    OsRelease,
    /// The names of its packages.
    Names,
    /// What its packages provide, of some of them assumed from other builds.
    Assumed,
    /// What its packages provide, and which files they list.
    Provides,
    /// Its files.
    Files,
}

impl Known {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 5] = [
        Self::OsRelease,
        Self::Names,
        Self::Assumed,
        Self::Provides,
        Self::Files,
    ];

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::OsRelease => "os-release",
            Self::Names => "names",
            Self::Assumed => "assumed",
            Self::Provides => "provides",
            Self::Files => "files",
        }
    }

    /// Says whether requirements, libraries and programs can be looked up.
    pub fn has_provides(self) -> bool {
        self >= Self::Provides
    }

    /// Says in a sentence what is not known.
    pub fn lacking(self) -> &'static str {
        match self {
            Self::OsRelease => "only the os-release of the base is known",
            Self::Names => "only the names of the base's packages are known",
            Self::Assumed => {
                "what packages of the base provide is assumed from other builds of them"
            }
            Self::Provides => "only the packages of the base are known",
            Self::Files => "only the files of the base are known, and not its packages",
        }
    }
}

impl Base {
    /// Says how much is known of the base itself, before anything is looked up in repositories.
    pub fn known(&self) -> Known {
        if self.files_root().is_some() {
            Known::Files
        } else if self.packages.is_some() {
            Known::Provides
        } else {
            match self.named {
                Named::Listed(_) | Named::Install(_) => Known::Names,
                Named::None => Known::OsRelease,
            }
        }
    }
}

/// What a verdict on what an image needs rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// How much is known of the base.
    pub known: Known,
    /// What the image needs and nobody has looked up.
    pub unchecked: Vec<String>,
    /// Packages of the base of which it is assumed what they provide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
}

impl Evidence {
    /// Says whether all that the image needs was looked up.
    pub fn is_complete(&self) -> bool {
        self.known.has_provides() && self.unchecked.is_empty()
    }

    /// Takes down of which packages of the base it is assumed what they provide.
    pub fn assume(&mut self, assumed: &[String]) {
        if !assumed.is_empty() {
            self.assumed = assumed.to_vec();
            self.known = self.known.min(Known::Assumed);
        }
    }

    /// Returns it in a few words, for a table.
    pub fn short(&self) -> String {
        let known = self.known.word();
        match self.unchecked.len() {
            missing @ 1.. if self.known.has_provides() => {
                format!("{known}, {} not looked up", counted(missing, "need"))
            }
            _ => known.to_owned(),
        }
    }

    /// Says that the image is not known to work, even if it needs nothing.
    pub fn limit(&self) -> Finding {
        self.finding().unwrap_or_else(|| {
            let lacking = self.known.lacking();
            let text = match self.known {
                Known::Assumed => {
                    format!("{lacking}: {}", first_of(&self.assumed, "; --json has all"))
                }
                _ => format!("nothing of the image is looked up: {lacking}"),
            };
            Finding::new(&kinds::UNCHECKED_BASE, text)
        })
    }

    /// Says that needs were not looked up, how many, and why; nothing where there are none.
    pub fn finding(&self) -> Option<Finding> {
        let first = self.unchecked.first()?;
        let text = match self.unchecked.len() {
            1 => format!("1 need of the image is not looked up ({first})"),
            count => format!(
                "{count} needs of the image are not looked up ({})",
                first_of(&self.unchecked, "")
            ),
        };
        let text = format!("{text}: {}", self.known.lacking());
        Some(Finding::new(&kinds::UNCHECKED_BASE, text))
    }
}

/// Returns the first of some names and how many others there are, and where those are.
fn first_of(names: &[String], rest: &str) -> String {
    let mut named: Vec<_> = names.iter().take(SHOWN).cloned().collect();
    if let Some(more @ 1..) = names.len().checked_sub(SHOWN) {
        named.push(format!("{more} more{rest}"));
    }
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;
    use crate::words::scratch::Scratch;

    #[test]
    fn what_a_description_says_of_a_base() {
        let scratch = Scratch::new();
        scratch.write("root/usr/bin/sh", b"");
        scratch.write("database/rpmdb.sqlite", b"");
        let root = |name: &str| Some(scratch.path().join(name));
        let listed = Named::Listed(base::parse_list("a-1-1.noarch").unwrap());
        let install = Named::Install(vec!["a".to_owned()]);
        for (root, packages, named, expected) in [
            (None, None, Named::None, Known::OsRelease),
            (None, None, listed, Known::Names),
            (None, None, install, Known::Names),
            (None, Some(Vec::new()), Named::None, Known::Provides),
            // A directory without programs holds a database and no system.
            (
                root("database"),
                Some(Vec::new()),
                Named::None,
                Known::Provides,
            ),
            (root("database"), None, Named::None, Known::OsRelease),
            (root("root"), None, Named::None, Known::Files),
            (root("root"), Some(Vec::new()), Named::None, Known::Files),
        ] {
            let base = Base {
                root,
                packages,
                named,
                ..Base::default()
            };
            assert_eq!(base.known(), expected, "{base:?}");
        }
    }

    #[test]
    fn evidence_in_words() {
        let needs = |count: usize| {
            let names = ["libc.so.6()(64bit)", "/bin/sh", "bash", "perl"];
            names[..count]
                .iter()
                .map(|name| (*name).to_owned())
                .collect()
        };
        for (known, count, is_complete, short, text) in [
            (Known::Files, 0, true, "files", None),
            (Known::Provides, 0, true, "provides", None),
            (Known::Names, 0, false, "names", None),
            (Known::OsRelease, 0, false, "os-release", None),
            (
                Known::OsRelease,
                1,
                false,
                "os-release",
                Some(
                    "1 need of the image is not looked up (libc.so.6()(64bit)): only the \
                     os-release of the base is known",
                ),
            ),
            (
                Known::Names,
                4,
                false,
                "names",
                Some(
                    "4 needs of the image are not looked up (libc.so.6()(64bit), /bin/sh, bash, 1 \
                     more): only the names of the base's packages are known",
                ),
            ),
            (
                Known::Files,
                3,
                false,
                "files, 3 needs not looked up",
                Some(
                    "3 needs of the image are not looked up (libc.so.6()(64bit), /bin/sh, bash): \
                     only the files of the base are known, and not its packages",
                ),
            ),
        ] {
            let evidence = Evidence {
                known,
                unchecked: needs(count),
                assumed: Vec::new(),
            };
            assert_eq!(evidence.is_complete(), is_complete, "{evidence:?}");
            assert_eq!(evidence.short(), short, "{evidence:?}");
            let finding = evidence.finding();
            assert_eq!(finding.as_ref().map(|one| one.text.as_str()), text);
        }
    }

    #[test]
    fn so_many_assumed_packages_are_named() {
        for (count, named) in [
            (1, "p0"),
            (3, "p0, p1, p2"),
            (301, "p0, p1, p2, 298 more; --json has all"),
        ] {
            let mut evidence = Evidence {
                known: Known::Files,
                ..Evidence::default()
            };
            let assumed: Vec<_> = (0..count).map(|number| format!("p{number}")).collect();
            evidence.assume(&assumed);
            let lacking = Known::Assumed.lacking();
            assert_eq!(evidence.limit().text, format!("{lacking}: {named}"));
        }
    }
}
