//! What an image states about the systems that it fits: the weakest statement that is true.
//!
//! A statement that is too strong makes clients ignore an image that would run, and everyone build
//! it again for each update of the system; one that is too weak merges an image that breaks.

use clap::ValueEnum;
use clients::Release;

/// So many needs are named in a reason.
const SHOWN: usize = 3;

/// What of the client's os-release must equal the image's extension-release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Matching {
    /// ID and VERSION_ID
    #[default]
    VersionId,
    /// ID and SYSEXT_LEVEL
    SysextLevel,
    /// Nothing: ID=_any
    Any,
    /// The least that is true, judged by what the packages require
    Auto,
}

/// Chooses between the three statements by what the packages require of a base, and says why.
fn weakest(requires: &[String], os_release: &Release) -> (Matching, String) {
    if requires.is_empty() {
        let why = "ID=_any: the packages require nothing from a base but its kernel".to_owned();
        return (Matching::Any, why);
    }
    let mut needs = requires.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    if requires.len() > SHOWN {
        needs.push(format!("{} more", requires.len() - SHOWN));
    }
    let needs = needs.join(", ");
    if let Some(level) = os_release.get("SYSEXT_LEVEL") {
        let why = format!(
            "SYSEXT_LEVEL={level}: the image needs the base for {needs}, and the \
                           base has a level"
        );
        return (Matching::SysextLevel, why);
    }
    let what = match os_release.get("VERSION_ID") {
        Some(version) => format!("VERSION_ID={version}"),
        None => "only ID, as the base has no VERSION_ID".to_owned(),
    };
    let why = format!(
        "{what}: the image needs the base for {needs}, and the base has no \
                       SYSEXT_LEVEL"
    );
    (Matching::VersionId, why)
}

impl Matching {
    /// Chooses for [`Auto`](Self::Auto), and then says why.
    pub fn decided(self, requires: &[String], os_release: &Release) -> (Self, Option<String>) {
        match self {
            Self::Auto => {
                let (matching, why) = weakest(requires, os_release);
                (matching, Some(why))
            }
            given => (given, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weakest_that_is_true() {
        const NOTHING: &str = "ID=_any: the packages require nothing from a base but its kernel";
        let four = ["a", "b", "c", "d"].map(str::to_owned);
        for (requires, os_release, matching, why) in [
            (&four[..0], "ID=x\nVERSION_ID=1", Matching::Any, NOTHING),
            (&four[..0], "ID=x\nSYSEXT_LEVEL=2", Matching::Any, NOTHING),
            (
                &four[..1],
                "ID=x\nVERSION_ID=1\nSYSEXT_LEVEL=2",
                Matching::SysextLevel,
                "SYSEXT_LEVEL=2: the image needs the base for a, and the base has a level",
            ),
            (
                &four[..],
                "ID=x\nVERSION_ID=1",
                Matching::VersionId,
                "VERSION_ID=1: the image needs the base for a, b, c, 1 more, and the base has no \
                 SYSEXT_LEVEL",
            ),
            (
                &four[..3],
                "ID=x\nVERSION_ID=1",
                Matching::VersionId,
                "VERSION_ID=1: the image needs the base for a, b, c, and the base has no SYSEXT_LEVEL",
            ),
            (
                &four[..2],
                "ID=x",
                Matching::VersionId,
                "only ID, as the base has no VERSION_ID: the image needs the base for a, b, \
                 and the base has no SYSEXT_LEVEL",
            ),
        ] {
            let found = weakest(requires, &Release::parse(os_release.as_bytes()).unwrap());
            assert_eq!(found.0, matching, "{os_release}");
            assert_eq!(found.1, why, "{os_release}");
        }
    }

    #[test]
    fn what_is_given_is_taken_without_a_word() {
        let os_release = Release::parse(b"ID=x\nSYSEXT_LEVEL=2").unwrap();
        let needs = ["a".to_owned()];
        for given in [Matching::VersionId, Matching::SysextLevel, Matching::Any] {
            assert_eq!(given.decided(&needs, &os_release), (given, None));
        }
        let (matching, why) = Matching::Auto.decided(&needs, &os_release);
        assert_eq!((matching, why.is_some()), (Matching::SysextLevel, true));
    }
}
