//! mkosi's manifest of an image, as a description of a base.
//!
//! Such a file is JSON and is beside the image that mkosi made, as `NAME.manifest` or, on OBS,
//! `NAME.manifest.gz`. Only what is needed of it is looked at:
//!
//! ```json
//! {"manifest_version": 1,
//!  "config":    {"name": "os", "distribution": "fedora", "release": "42"},
//!  "packages":  [{"type": "rpm", "name": "bash", "version": "5.2.37-1.fc42", "architecture": "x86_64"}],
//!  "extension": {"ID": "fedora", "VERSION_ID": "42"}}
//! ```
//!
//! It has no os-release. The keys of `extension`, which a system extension has, are those of the
//! system that it is for. Otherwise `distribution` and `release` are taken where the one is the
//! system's `ID` and the other its `VERSION_ID`, and not a code name or the word `tumbleweed`.

use std::collections::BTreeMap;

use ::manifest::{Package, Summary, VERSION};
use clients::Release;

use super::list::{self, Listed};

/// The keys of a client's os-release that an extension names.
const KEYS: [&str; 3] = ["ID", "VERSION_ID", "SYSEXT_LEVEL"];
/// Distributions whose `ID` is mkosi's name for them, and whose releases have numbers.
const NUMBERED: [&str; 6] = ["alma", "azure", "centos", "fedora", "rhel", "rocky"];

/// What a manifest says of a base.
pub struct Described {
    /// Its packages, sorted.
    pub packages: Vec<Listed>,
    /// The system, where the manifest has enough to tell.
    pub os_release: Option<Release>,
}

/// Reads a manifest. The error says what is wrong with it.
pub fn parse(json: &[u8]) -> Result<Described, String> {
    let manifest = Summary::parse(json).map_err(|error| error.to_string())?;
    match manifest.manifest_version {
        Some(VERSION) => {}
        Some(other) => return Err(format!("its manifest_version is {other}, not {VERSION}")),
        None => return Err("it has no manifest_version".to_owned()),
    }
    let mut packages = Vec::with_capacity(manifest.packages.len());
    for (number, package) in manifest.packages.iter().enumerate() {
        let kind = package.kind.as_deref().unwrap_or_default();
        if kind != "rpm" {
            return Err(format!(
                "package {} is of type {kind:?}, not \"rpm\"",
                number + 1
            ));
        }
        let mut listed = nevra(package)
            .ok_or_else(|| format!("package {} has no complete name and version", number + 1))?;
        listed.has_epoch = true;
        packages.push(listed);
    }
    if packages.is_empty() {
        return Err("it names no package".to_owned());
    }
    packages.sort();
    packages.dedup();
    Ok(Described {
        packages,
        os_release: os_release(&manifest),
    })
}

fn nevra(package: &Package) -> Option<Listed> {
    let name = &package.name;
    let version = package.version.as_ref()?;
    let architecture = package.architecture.as_ref()?;
    list::nevra(&format!("{name}-{version}.{architecture}"))
        .filter(|listed| listed.nevra.name == *name)
}

fn os_release(manifest: &Summary) -> Option<Release> {
    let of_extension = |key: &str| Some((key.to_owned(), manifest.extension.get(key)?.clone()));
    let keys: BTreeMap<_, _> = KEYS.into_iter().filter_map(of_extension).collect();
    if keys.get("ID").is_some_and(|id| id != "_any") {
        return Some(Release::of_keys(keys));
    }
    let distribution = manifest.config.distribution.as_ref()?;
    let release = manifest.config.release.as_ref()?;
    let numbered = release.starts_with(|c: char| c.is_ascii_digit());
    let id = match distribution.as_str() {
        "alma" => "almalinux",
        "azure" => "azurelinux",
        other => other,
    };
    (numbered && NUMBERED.contains(&distribution.as_str())).then(|| {
        let pairs = [("ID", id), ("VERSION_ID", release)];
        Release::of_keys(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::os_release;

    #[test]
    fn packages_and_system() {
        let package =
            r#"{"type":"rpm","name":"a","version":"2:1-1","architecture":"noarch","x":1}"#;
        for (rest, system) in [
            (
                r#""config":{"distribution":"fedora","release":"42"}"#,
                Some("fedora 42"),
            ),
            (
                r#""config":{"distribution":"fedora","release":"rawhide"}"#,
                None,
            ),
            (
                r#""config":{"distribution":"alma","release":"9"}"#,
                Some("almalinux 9"),
            ),
            (r#""config":{"distribution":"debian","release":"13"}"#, None),
            (
                r#""config":{"distribution":"opensuse","release":"tumbleweed"}"#,
                None,
            ),
            (
                r#""config":{},"extension":{"ID":"x","VERSION_ID":"1"}"#,
                Some("x 1"),
            ),
            (
                r#""config":{},"extension":{"ID":"_any","VERSION_ID":"1"}"#,
                None,
            ),
            (r#""extra":null"#, None),
        ] {
            let text = format!(r#"{{"manifest_version":1,"packages":[{package}],{rest}}}"#);
            let described = parse(text.as_bytes()).unwrap();
            let nevras = described.packages.iter().map(|one| one.nevra.to_string());
            assert_eq!(nevras.collect::<Vec<_>>(), ["a-2:1-1.noarch"]);
            let found = described.os_release.as_ref().map(os_release::described);
            assert_eq!(found.as_deref(), system, "{rest}");
        }
    }

    #[test]
    fn what_is_no_manifest() {
        let with = |packages: &str| format!(r#"{{"manifest_version":1,"packages":[{packages}]}}"#);
        for (text, problem) in [
            ("{}".to_owned(), "it has no manifest_version"),
            (
                r#"{"manifest_version":2,"packages":[]}"#.to_owned(),
                "is 2, not 1",
            ),
            (with(""), "it names no package"),
            (
                with(r#"{"type":"deb","name":"a","version":"1","architecture":"amd64"}"#),
                "package 1 is of type \"deb\"",
            ),
            (
                with(r#"{"type":"rpm","name":"a","version":"1","architecture":"noarch"}"#),
                "package 1 has no complete name",
            ),
            (with("null"), "invalid type"),
        ] {
            let found = parse(text.as_bytes()).err().unwrap();
            assert!(found.contains(problem), "{found}");
        }
    }
}
