//! Companions: images of `/etc` that belong to images of programs.
//!
//! systemd-sysext merges `/usr` and `/opt`, systemd-confext `/etc`, and neither takes an image that is
//! for the other. So what `nginx` has in `/etc` is in an image of its own, `nginx.confext`, of the
//! same version. Clients update the two together, see [`Definition`](crate::Definition).

use std::collections::BTreeSet;

use manifest::Summary;

/// What the name of a companion ends in.
const SUFFIX: &str = ".confext";
/// What the manifest of a companion says that it is, `output_format`.
pub const FORMAT: &str = "confext";

/// The name of the companion that the extension `name` may have.
#[must_use]
pub fn companion_of(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

/// The name of the extension whose companion is called `name`; `None` for any other name.
#[must_use]
pub fn main_of(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX).filter(|main| !main.is_empty())
}

/// The name of the extension that decides what becomes of the images called `name`: a companion
/// shares the directory and the definition of its extension.
#[must_use]
pub fn family_of(name: &str) -> &str {
    main_of(name).unwrap_or(name)
}

/// An image or a companion that is there without the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Half {
    /// File name of what is there.
    pub file: String,
    /// File name of the other, which is not.
    pub other: String,
    /// What is there is the companion.
    pub is_companion: bool,
}

/// Returns which images, and companions, are without the other, in the order of their file names: of
/// file names, with what their manifests say. What the companion of an image is, its manifest says.
pub fn halves<'a>(
    images: impl Iterator<Item = (&'a str, Option<&'a Summary>)> + Clone,
) -> BTreeSet<Half> {
    let files: BTreeSet<_> = images.clone().map(|(file, _)| file).collect();
    let half = |(file, manifest): (&str, Option<&Summary>)| {
        let (config, companion) = manifest.map(|it| (&it.config, &it.companion))?;
        let is_companion = config.output_format.as_deref() == Some(FORMAT);
        let other = match is_companion {
            true => main_file(&config.name, file)?,
            false => companion.clone()?,
        };
        (!files.contains(other.as_str())).then(|| Half {
            file: file.to_owned(),
            other,
            is_companion,
        })
    };
    images.filter_map(half).collect()
}

/// The file name of the image whose companion has this name and this file name.
pub(crate) fn main_file(name: &str, file: &str) -> Option<String> {
    let rest = file.strip_prefix(name)?;
    Some(format!("{}{rest}", main_of(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_and_companions_without_the_other() {
        let summary = |name: &str, companion: Option<&str>| {
            let mut summary = Summary::default();
            summary.config.name = name.to_owned();
            summary.companion = companion.map(str::to_owned);
            let format = ["sysext", FORMAT][usize::from(name.ends_with(".confext"))];
            summary.config.output_format = Some(format.to_owned());
            summary
        };
        let manifests = [
            summary("a", Some("a.confext-1.raw")),
            summary("a.confext", None),
            summary("b", None),
        ];
        let [main, companion, other] = &manifests;
        let main = ("a-1.raw", Some(main));
        let companion = ("a.confext-1.raw", Some(companion));
        let other = ("b-1.raw", Some(other));
        // One by others, which only has such a name.
        let foreign = ("c.confext-1.raw", None);
        for (images, expected) in [
            (&[main, companion, other, foreign][..], &[][..]),
            (&[main, other], &["a-1.raw without a.confext-1.raw, false"]),
            (&[companion], &["a.confext-1.raw without a-1.raw, true"]),
            (
                &[companion, ("a-2.raw", main.1)],
                &["a.confext-1.raw without a-1.raw, true"],
            ),
        ] {
            let found: Vec<_> = (halves(images.iter().copied()).iter())
                .map(|half| {
                    format!(
                        "{} without {}, {}",
                        half.file, half.other, half.is_companion
                    )
                })
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn names_of_companions() {
        for (name, main, family) in [
            ("nginx", None, "nginx"),
            ("nginx.confext", Some("nginx"), "nginx"),
            (
                "nginx.confext.confext",
                Some("nginx.confext"),
                "nginx.confext",
            ),
            (".confext", None, ".confext"),
            ("confext", None, "confext"),
        ] {
            assert_eq!((main_of(name), family_of(name)), (main, family), "{name}");
            assert_eq!(main_of(&companion_of(name)), Some(name));
        }
    }
}
