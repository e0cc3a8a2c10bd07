//! How an image is called, and what it says of itself: its name and version, the
//! extension-release file inside.

use std::collections::BTreeMap;

use anyhow::anyhow;
use architecture::Architecture;
use image::{Content, Leaf, Stat};
use rpm_input::Package;
use store::Layout;
use store::{Definition, Delivery};

use crate::alive::merge_unit;
use crate::base::Base;
use crate::findings::{Finding, kinds};
use crate::plan::build_number::{BuildNumber, Numbering};
use crate::plan::compose::Plan;
use crate::plan::matching::Matching;
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result};

/// A scope that no system has.
const NO_SCOPE: &str = "none";
/// The longest file name that Linux takes, in bytes.
const MAX_FILE_NAME: usize = 255;
/// The key by which an image states its version.
pub const VERSION_KEY: &str = "SYSEXT_VERSION_ID";
/// The key by which a companion does.
const COMPANION_VERSION_KEY: &str = "CONFEXT_VERSION_ID";
/// The keys with a version, which each build may have another of.
pub const VERSION_KEYS: [&str; 2] = [VERSION_KEY, COMPANION_VERSION_KEY];

/// The wishes about the image's name and version.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// `--layout`
    pub layout: Layout,
    /// `--name`
    pub name: Option<String>,
    /// `--image-version`
    pub version: Option<String>,
    /// `--build-number`
    pub numbering: Numbering,
    /// `--arch`
    pub architecture: Option<Architecture>,
    /// `--scope`
    pub scope: String,
}

impl Naming {
    /// Says whether the image may be merged over a running system.
    pub fn is_for_systems(&self) -> bool {
        self.scope.is_empty() || self.scope.split_whitespace().any(|scope| scope == "system")
    }
}

/// What systemd is asked to do after a merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloading {
    /// The image brings something that the system's manager reads.
    pub has_units: bool,
    /// The image brings a unit that restarts services.
    pub restarts: bool,
}

/// What an image is called and for whom it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the extension: the client's link is `NAME.raw`.
    pub name: String,
    /// Version, in the letters that every client orders as RPM does.
    pub version: String,
    /// Architecture of the programs inside.
    pub architecture: Architecture,
    /// The architecture is this machine's, since no package has one.
    pub assumed_architecture: bool,
    /// What comes after the version in the file name, but for `.raw`.
    pub ending: String,
    /// The keys of the extension-release file, in the order in which they are written.
    pub release: Vec<(&'static str, String)>,
}

impl Identity {
    /// Decides name, version, architecture and the extension-release keys.
    pub fn new(
        naming: &Naming,
        packages: &[&Package],
        base: &Base,
        matching: Matching,
        reloading: Reloading,
    ) -> Result<Self> {
        let main = naming
            .name
            .as_ref()
            .and_then(|name| packages.iter().find(|package| package.nevra.name == *name))
            .or(packages.first())
            .copied();
        let name = match (&naming.name, main) {
            (Some(name), _) => name.clone(),
            (None, Some(main)) => {
                let name = &main.nevra.name;
                store::check_name(name).map_err(|problem| {
                    Failure::refused(anyhow!("{}: the package's name {problem}", main.nevra))
                        .hint("name the image with --name NAME")
                })?;
                name.clone()
            }
            (None, None) => return Err(Failure::usage("the image has no name; add --name NAME")),
        };
        if store::main_of(&name).is_some() {
            let text = anyhow!("the name {name} would be that of a companion (--etc confext)");
            return Err(Failure::refused(text).hint("name the image with --name NAME"));
        }
        let mut version = match (&naming.version, main) {
            (Some(version), _) => version.clone(),
            (None, Some(main)) => version_of(main)?,
            (None, None) => {
                return Err(Failure::usage(
                    "the image has no version; add --image-version VERSION",
                ));
            }
        };
        if let Numbering::Given(number) = &naming.numbering {
            version = format!("{version}.{number}");
        }
        let (architecture, assumed_architecture) = architecture(naming, base, main, packages)?;
        let version_id = base.os_release.get("VERSION_ID");
        let ending = (naming.layout)
            .ending(&architecture.to_string(), version_id)
            .ok_or_else(|| {
                Failure::refused(anyhow!(
                    "--layout fedora: the base has no VERSION_ID for the file name"
                ))
                .hint("give an os-release file that has one: --os-release FILE")
            })?;
        if let Err(problem) = store::check_name(ending.trim_start_matches(['.', '-'])) {
            return Err(Failure::refused(anyhow!("the base's VERSION_ID {problem}")));
        }
        let mut identity = Self {
            ending,
            name,
            version,
            architecture,
            assumed_architecture,
            release: Vec::new(),
        };
        identity.release = release(&identity, &naming.scope, base, matching, reloading)?;
        identity.check_length()?;
        Ok(identity)
    }

    /// Decides the same of the companion of an image, which `main` is the identity of. What its
    /// manager reads of `/etc`, it has to read again.
    pub fn of_companion(
        main: &Self,
        (naming, base, matching): (&Naming, &Base, Matching),
        has_units: bool,
    ) -> Result<Self> {
        let own = |key: &&(&str, String)| ["ID", "VERSION_ID", "ARCHITECTURE"].contains(&key.0);
        let name = store::companion_of(&main.name);
        let mut release: Vec<_> = main.release.iter().filter(own).cloned().collect();
        let level = base.os_release.get("CONFEXT_LEVEL");
        if let Some(level) = level.filter(|_| matching == Matching::SysextLevel) {
            release.push(("CONFEXT_LEVEL", level.to_owned()));
        }
        release.push(("CONFEXT_ID", name.clone()));
        release.push((COMPANION_VERSION_KEY, main.version.clone()));
        release.push(("CONFEXT_SCOPE", naming.scope.clone()));
        // Clients of sysexts alone read these in its manifest, where they take no image without a
        // version, and leave it alone for its scope.
        release.push((VERSION_KEY, main.version.clone()));
        release.push(("SYSEXT_SCOPE", NO_SCOPE.to_owned()));
        if has_units {
            release.push(("EXTENSION_RELOAD_MANAGER", "1".to_owned()));
        }
        let companion = Self {
            name,
            release: checked(release)?,
            ..main.clone()
        };
        companion.check_length()?;
        Ok(companion)
    }

    /// Says so where this companion fits other versions of the system than its image `main`, since the
    /// base states a level for that alone.
    pub fn fits_otherwise(&self, main: &Self) -> Option<Finding> {
        let value = |of: &Self, name: &str| {
            let found = of.release.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.clone())
        };
        let level = value(main, "SYSEXT_LEVEL")?;
        if value(self, "CONFEXT_LEVEL").is_some() {
            return None;
        }
        let fits = match value(self, "VERSION_ID") {
            Some(version) => format!("VERSION_ID={version} alone"),
            None => "any version".to_owned(),
        };
        let text = format!(
            "{} fits {fits}, and its image SYSEXT_LEVEL={level}: the base has no CONFEXT_LEVEL",
            self.name
        );
        Some(Finding::new(&kinds::COMPANION_MATCH, text))
    }

    /// Returns the same with a build number after the version.
    pub fn numbered(&self, number: &BuildNumber) -> Result<Self> {
        let mut numbered = self.clone();
        numbered.version = format!("{}.{number}", self.version);
        for (key, value) in &mut numbered.release {
            if VERSION_KEYS.contains(key) {
                value.clone_from(&numbered.version);
            }
        }
        numbered.check_length()?;
        Ok(numbered)
    }

    fn check_length(&self) -> Result<()> {
        let longest = release_file(&self.stem());
        if longest.len() > MAX_FILE_NAME {
            return Err(Failure::refused(anyhow!(
                "the file name {longest} is longer than 255 bytes"
            ))
            .hint("choose a shorter one with --name and --image-version"));
        }
        Ok(())
    }

    /// Says whether the image is for every system.
    pub fn fits_any(&self) -> bool {
        self.release
            .iter()
            .any(|(key, value)| *key == "ID" && value == "_any")
    }

    /// Returns the image's file name without `.raw`.
    pub fn stem(&self) -> String {
        format!("{}-{}{}", self.name, self.version, self.ending)
    }

    /// Returns the image's file name.
    pub fn image_file(&self) -> String {
        format!("{}.raw", self.stem())
    }

    /// Returns the file name of the manifest, under which sysextmgr asks for it.
    pub fn manifest_file(&self) -> String {
        manifest::file_name(&self.image_file())
    }

    /// Returns the text of the extension-release file, in the syntax of os-release(5).
    pub fn release_text(&self) -> String {
        self.release
            .iter()
            .map(|(key, value)| {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-+:/@%,=".contains(c);
                if value.chars().all(plain) {
                    format!("{key}={value}\n")
                } else {
                    format!("{key}=\"{}\"\n", escaped(value))
                }
            })
            .collect()
    }
}

/// Puts a backslash before what os-release(5) has quoted inside double quotes.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for character in value.chars() {
        if matches!(character, '"' | '$' | '\\' | '`') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn release_file(name: &str) -> String {
    format!("extension-release.{name}")
}

/// Returns the architecture of an image: what was asked for, else the base's, since no other is
/// merged there, else that of the packages, else this machine's, which is assumed.
fn architecture(
    naming: &Naming,
    base: &Base,
    main: Option<&Package>,
    packages: &[&Package],
) -> Result<(Architecture, bool)> {
    if let Some(architecture) = naming.architecture.or(base.architecture) {
        return Ok((architecture, false));
    }
    for package in main.into_iter().chain(packages.iter().copied()) {
        let arch = &package.nevra.arch;
        if arch != "noarch" {
            return Architecture::of_package(arch)
                .map(|found| (found, false))
                .ok_or_else(|| {
                    Failure::refused(anyhow!("{}: unknown architecture {arch}", package.nevra))
                        .hint("set the image's architecture with --arch ARCH")
                });
        }
    }
    Architecture::of_this_machine()
        .map(|found| (found, true))
        .ok_or_else(|| {
            Failure::usage(
                "no package is built for an architecture; set the image's with --arch \
                            ARCH",
            )
        })
}

/// Returns the keys of the extension-release file of an image.
fn release(
    identity: &Identity,
    scope: &str,
    base: &Base,
    matching: Matching,
    reloading: Reloading,
) -> Result<Vec<(&'static str, String)>> {
    let of_base = |key: &str| base.os_release.get(key).map(str::to_owned);
    let mut keys = Vec::new();
    if matching == Matching::Any {
        keys.push(("ID", "_any".to_owned()));
    } else {
        let id = of_base("ID").ok_or_else(|| Failure::refused(anyhow!("the base has no ID")))?;
        keys.push(("ID", id));
    }
    if matching == Matching::SysextLevel {
        let level = of_base("SYSEXT_LEVEL").ok_or_else(|| {
            Failure::refused(anyhow!(
                "--match sysext-level: the base ({}) has no SYSEXT_LEVEL",
                base.title
            ))
            .hint("use --match version-id")
        })?;
        keys.push(("SYSEXT_LEVEL", level));
    }
    // sysextmgr asks for a VERSION_ID even where ID=_any or SYSEXT_LEVEL makes it void.
    match of_base("VERSION_ID") {
        Some(version_id) => keys.push(("VERSION_ID", version_id)),
        None if matching == Matching::Any => keys.push(("VERSION_ID", "_any".to_owned())),
        None => {}
    }
    keys.push(("SYSEXT_ID", identity.name.clone()));
    keys.push((VERSION_KEY, identity.version.clone()));
    keys.push(("SYSEXT_SCOPE", scope.to_owned()));
    keys.push(("ARCHITECTURE", identity.architecture.to_string()));
    if reloading.has_units {
        keys.push(("EXTENSION_RELOAD_MANAGER", "1".to_owned()));
    }
    if reloading.restarts {
        let unit = merge_unit::restart_unit(&identity.name);
        keys.push(("EXTENSION_RESTART_UNITS", unit));
    }
    checked(keys)
}

/// Fails for a value that would be more than one line.
fn checked(keys: Vec<(&'static str, String)>) -> Result<Vec<(&'static str, String)>> {
    if let Some((key, value)) = keys
        .iter()
        .find(|(_, value)| value.contains(['\n', '\r', '\0']))
    {
        return Err(Failure::refused(anyhow!(
            "the base's {key} {value:?} has a line break"
        )));
    }
    Ok(keys)
}

/// Puts into the tree what tells clients what the image is, and where newer ones are if that is
/// known.
///
/// The extension-release file has both names that clients look for: systemd asks for the name of
/// the client's link, which has no version; sysextmgr for the full file name. The attribute makes
/// systemd take the file under any other name, too.
///
/// systemd asks a companion for a third name: where it takes `.confext` off that of the link.
pub fn describe(
    plan: &mut Plan,
    identity: &Identity,
    updates: Option<(&Delivery, bool)>,
) -> Result<()> {
    let main = store::main_of(&identity.name);
    let directory = match main {
        Some(_) => "etc/extension-release.d",
        None => "usr/lib/extension-release.d",
    };
    let name = release_file(&identity.name);
    let path = format!("{directory}/{name}");
    let strict = ("user.extension-release.strict".to_owned(), b"0".to_vec());
    insert_text(plan, &path, identity.release_text(), [strict].into())?;
    for other in main.into_iter().chain([identity.stem().as_str()]) {
        let path = format!("{directory}/{}", release_file(other));
        plan.insert_link(&path, &name)?;
    }
    // That of an image has its companion in it.
    if let Some((delivery, has_companion)) = updates.filter(|_| main.is_none()) {
        let definition = Definition::new(&identity.name, delivery).map_err(|problem| {
            Failure::refused(anyhow!(
                "--sysupdate-url: the name {:?} {problem}",
                identity.name
            ))
        })?;
        let definition = definition.with_companion(has_companion);
        for (name, text) in definition.files() {
            let path = format!("usr/lib/{}/{name}", definition.directory_name());
            insert_text(plan, &path, text, BTreeMap::new())?;
        }
    }
    Ok(())
}

/// Puts a file into the tree that is in no package.
pub fn insert_text(
    plan: &mut Plan,
    path: &str,
    text: String,
    xattrs: BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    let text = text.into_bytes();
    let (size, digest) = sha256(&mut text.as_slice())
        .map_err(|error| Failure::io(format!("hashing {path}"), error))?;
    let id = sha256_id(&digest);
    // Equal files share their content, as those of packages do.
    if !plan.inline.iter().any(|(known, _)| *known == id) {
        plan.inline.push((id.clone(), text));
    }
    let stat = Stat {
        mode: 0o644,
        mtime: plan.time,
        xattrs: xattrs.into(),
        ..Stat::default()
    };
    let content = Content::File { size, id };
    insert(plan, path, Leaf { stat, content })
}

fn insert(plan: &mut Plan, path: &str, leaf: Leaf) -> Result<()> {
    let implicit = Stat::implicit_directory(plan.time);
    plan.tree
        .insert_leaf(path, leaf, &implicit)
        .map_err(Failure::refused)?;
    Ok(())
}

/// Says whether a version can stand in a file name that every client reads. The error completes
/// the sentence "version … ".
pub fn check_version(version: &str) -> std::result::Result<(), String> {
    if version.is_empty() {
        return Err("is empty".to_owned());
    }
    match version
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"._+-".contains(*c))
    {
        Some(character @ ('~' | '^')) => Err(format!(
            "contains {character:?}, which hides the image from clients before systemd 262; {} \
             sorts the same",
            encoded(version)
        )),
        Some(character) => Err(format!(
            "contains {character:?}; use only letters, digits and . _ + -"
        )),
        None if !version.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
            Err("does not start with a letter or digit".to_owned())
        }
        None => Ok(()),
    }
}

/// Returns the image version of a package: version and release, encoded. The epoch is dropped.
fn version_of(package: &Package) -> Result<String> {
    let encode = |part: &str| -> String {
        if part.contains(['~', '^', '+', '_']) {
            encoded(part)
        } else {
            part.to_owned()
        }
    };
    let version = format!(
        "{}-{}",
        encode(&package.nevra.version),
        encode(&package.nevra.release)
    );
    check_version(&version).map_err(|problem| {
        Failure::refused(anyhow!(
            "{}: the version {version} {problem}",
            package.nevra
        ))
        .hint("set the image's version with --image-version VERSION")
    })?;
    Ok(version)
}

/// Writes a version in letters that systemd orders as RPM does: `~` is `-A.`, `^` is `.A.`, `+`
/// and `_` are `.`, and a dot stands between digits and letters. It can't be undone.
fn encoded(version: &str) -> String {
    let mut out = String::new();
    let mut previous = None;
    for character in version.chars() {
        let boundary = previous.is_some_and(|before: char| {
            before.is_ascii_alphanumeric()
                && character.is_ascii_alphanumeric()
                && before.is_ascii_digit() != character.is_ascii_digit()
        });
        if boundary {
            out.push('.');
        }
        match character {
            '~' => out.push_str("-A."),
            '^' => out.push_str(".A."),
            '+' | '_' => out.push('.'),
            _ => out.push(character),
        }
        previous = Some(character);
    }
    out
}

#[cfg(test)]
mod tests;
