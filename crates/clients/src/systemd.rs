//! `systemd-sysext merge` and `systemd-confext merge`, which are one program.
//!
//! Every image goes through two gates. The first reads the metadata of all images in the search
//! path; an image that can't be read, or is neither a system nor an extension of its name, ends
//! the run there, and nothing is merged. The second mounts each image, looks up its
//! extension-release file and compares it with the host; one that does not fit is passed over.
//!
//! The file is looked up by the name of the entry in the search path, not by that of the file
//! that it links to. Without a file of that name, another counts if its attribute
//! `user.extension-release.strict` is off, or (254 and later) if its name is the entry's up to the
//! first `_` or `+`; two such files are one too many.

use crate::disk::Protection;
use crate::image::{Container, FileSystem, Image, Instead, ReleaseFile};
use crate::names::raw_name;
use crate::release::Release;
use crate::verdict::{Outcome, Verdict};
use crate::{Host, Systemd};

/// Size of the sectors of a loop device, in bytes. A last one that is not full is not there.
const SECTOR: u64 = 512;
/// Files of at most this many bytes are not looked at for a file system (libblkid).
const TINY: u64 = 1024;
/// The image may be merged here when it does not say where.
const DEFAULT_SCOPE: &str = "system portable";

/// Most bytes of the options of one mount: a page of Linux without the final NUL.
pub const ROOM_FOR_MOUNT_OPTIONS: usize = 4095;

/// Returns how many bytes of mount options it takes to merge images with these names over a
/// hierarchy, such as `usr`. All versions write all layers into one line, with the same paths; one
/// that is too long fails, so that nothing is merged.
#[must_use]
pub fn mount_options<'a>(hierarchy: &str, names: impl Iterator<Item = &'a str>) -> usize {
    let layer = |name: &str| format!(":/run/systemd/sysext/extensions/{name}/{hierarchy}").len();
    let ends = format!("lowerdir=/run/systemd/sysext/meta/{hierarchy}:/{hierarchy}");
    ends.len() + names.map(layer).sum::<usize>()
}

/// What an image extends, which decides where its release file is and which keys it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// `/usr` and `/opt`, by `systemd-sysext`.
    Sysext,
    /// `/etc`, by `systemd-confext`.
    Confext,
}

impl Class {
    /// The end of a link's name that does not belong to the name of the extension.
    fn suffix(self) -> &'static str {
        match self {
            Self::Sysext => ".sysext",
            Self::Confext => ".confext",
        }
    }

    fn scope_key(self) -> &'static str {
        match self {
            Self::Sysext => "SYSEXT_SCOPE",
            Self::Confext => "CONFEXT_SCOPE",
        }
    }

    fn level_key(self) -> &'static str {
        match self {
            Self::Sysext => "SYSEXT_LEVEL",
            Self::Confext => "CONFEXT_LEVEL",
        }
    }

    /// Returns its release files in an image, and those of the other class.
    fn releases(self, image: &Image) -> (&[ReleaseFile], &[ReleaseFile]) {
        let (sysext, confext) = (&image.releases[..], &image.confext_releases[..]);
        match self {
            Self::Sysext => (sysext, confext),
            Self::Confext => (confext, sysext),
        }
    }
}

/// Returns what `systemd-sysext merge`, or `systemd-confext merge`, does with an image that is linked as `link`.raw.
pub(crate) fn merge(
    version: Systemd,
    class: Class,
    image: &Image,
    link: &str,
    host: Host<'_>,
) -> Verdict {
    if class == Class::Confext && !version.has_confext() {
        let words = format!("systemd {} has no systemd-confext", version.number());
        return Verdict::new(Outcome::Ignored, "systemd", words);
    }
    if let Some(verdict) = container(version, &image.container, link) {
        return verdict;
    }
    let host = Host {
        os_release: host.os_release.as_read_by(version),
        ..host
    };
    let name = known_as(version, class, link);
    if name.is_empty() {
        let words = format!("{link}.raw has no name, so it is not one of the images");
        return Verdict::new(Outcome::Ignored, "name", words);
    }
    let unreadable = |field, problem: &str| {
        let words = format!("Failed to read metadata for image {name}: {problem}");
        Verdict::new(Outcome::Refused, field, words)
    };
    if image.os_release_is_directory {
        return unreadable("os-release", "Is a directory");
    }
    let (own, others) = class.releases(image);
    let found = match look_up(version, own, link, name) {
        Found::Nothing if version.rules().knows_confexts => {
            match look_up(version, others, link, name) {
                // It passes the first gate as one of the other class, and is not one of these.
                Found::Keys(_) if !version.rules().takes_other_class => Found::Unfit,
                found => found,
            }
        }
        found => found,
    };
    let found = match found {
        Found::Instead(Instead::Directory) => {
            return unreadable("extension-release", "Is a directory");
        }
        Found::Instead(Instead::Special) if version.rules().knows_confexts => {
            return unreadable("extension-release", "Permission denied");
        }
        Found::Instead(Instead::Special) => Found::Unfit,
        // What looks like a whole system passes the first gate and falls at the second.
        Found::Nothing if !image.has_etc_os_release && !image.has_usr_os_release => {
            return nothing_found(own, name);
        }
        found => found,
    };
    if host.os_release.get("ID").is_none() {
        let words = "'ID' field not found or empty in 'os-release' data of OS tree '/'";
        return Verdict::new(Outcome::Refused, "ID", words);
    }
    let rules = version.rules();
    let passed_over = match rules.refuses_what_others_pass_over {
        true => Outcome::Refused,
        false => Outcome::Ignored,
    };
    if image.has_usr_os_release {
        return Verdict::new(passed_over, "os-release", rules.has_os_release);
    }
    match found {
        Found::Nothing | Found::Unfit | Found::Instead(_) => {
            let words = format!("Extension '{name}' carries no release data, ignoring.");
            Verdict::new(Outcome::Ignored, "extension-release", words)
        }
        Found::TooMany(one, two) => Verdict::new(
            Outcome::Refused,
            "extension-release",
            format!(
                "Failed to read metadata for image {name}: Name not unique on network \
                 (extension-release.{one} and extension-release.{two} both count)"
            ),
        ),
        Found::Keys(keys) => match layers(link) {
            Some(verdict) => verdict,
            None => validate((version, class), keys.as_read_by(version), name, host),
        },
    }
}

/// Returns a verdict on bytes that can't be mounted.
fn container(version: Systemd, container: &Container, link: &str) -> Option<Verdict> {
    let refused = |problem: String| {
        let words = format!("Failed to read metadata for image {link}: {problem}");
        Some(Verdict::new(Outcome::Refused, "format", words))
    };
    match container {
        Container::Assumed => None,
        Container::Broken(problem) => refused(format!("the image {problem}")),
        Container::Unread(problem) => Some(Verdict::unread(problem)),
        Container::FileSystems(all) => (all.iter())
            .find_map(|one| file_system(version, one))
            .and_then(refused),
    }
}

/// Returns what keeps a file system from being mounted.
fn file_system(version: Systemd, found: &FileSystem) -> Option<String> {
    let FileSystem {
        kind,
        length,
        bytes_used,
        ..
    } = *found;
    if let Some(compressor) = found.compressor
        && !found.is_read_by_linux()
    {
        return Some(format!("Linux does not read the compressor {compressor}"));
    }
    if !version.rules().takes_old_ext && matches!(kind, "ext2" | "ext3") {
        return Some(format!(
            "{kind} is not mounted automatically: Identifier removed"
        ));
    }
    if version.rules().derives_root_hash
        && found.protection == Protection::Verity
        && !found.has_hashes
    {
        return Some("the partition for hashes has none".to_owned());
    }
    if found.protection == Protection::Signed && !found.has_signature {
        return Some("the partition for a signature has none".to_owned());
    }
    // The kernel looks for blocks of an EROFS where it needs them, and no sooner.
    let visible = length / SECTOR * SECTOR;
    if visible > TINY && (visible >= bytes_used || kind == "erofs") {
        return None;
    }
    Some(if visible >= bytes_used {
        format!("the image has {visible} bytes, which is too short to be looked at")
    } else if length >= bytes_used {
        format!(
            "the image has {length} bytes, which is not a multiple of {SECTOR}: the loop device \
             drops the last {}",
            length - visible
        )
    } else {
        format!("the image has {length} bytes, but its file system {bytes_used}")
    })
}

/// Returns the name under which an entry of the search path is known.
fn known_as(version: Systemd, class: Class, link: &str) -> &str {
    match link.strip_suffix(class.suffix()) {
        Some(name) if version.rules().strips_sysext => name,
        _ => link,
    }
}

/// Returns a verdict on a name that overlayfs can't take as part of its options.
fn layers(link: &str) -> Option<Verdict> {
    let character = link.chars().find(|c| ":,\\\"'".contains(*c))?;
    let words = format!(
        "Failed to mount overlay: the name {link} holds {character:?}, which means something in \
         its options"
    );
    Some(Verdict::new(Outcome::Refused, "name", words))
}

fn nothing_found(releases: &[ReleaseFile], name: &str) -> Verdict {
    let mut names: Vec<_> = releases
        .iter()
        .map(|file| format!("extension-release.{}", file.name))
        .collect();
    names.sort();
    let words = format!("Failed to read metadata for image {name}: No medium found");
    let has = (!names.is_empty()).then(|| names.join(", "));
    Verdict::new(Outcome::Refused, "extension-release", words)
        .between(has.as_deref(), Some(&format!("extension-release.{name}")))
}

/// What a look-up finds.
enum Found<'a> {
    Nothing,
    /// Something that counts as a release file, and has no keys of a sysext.
    Unfit,
    Instead(Instead),
    Keys(&'a Release),
    TooMany(&'a str, &'a str),
}

/// Looks for the release file of an image that is linked as `link`.raw and known as `name`.
fn look_up<'a>(version: Systemd, files: &'a [ReleaseFile], link: &str, name: &str) -> Found<'a> {
    let rules = version.rules();
    // Up to 257, an image is looked up by the name of its path, of which more is taken off.
    let file = format!("{link}.raw");
    let name = match rules.looks_up_paths {
        true => raw_name(version, &file),
        false => name,
    };
    match files.iter().find(|file| file.name == name) {
        Some(ReleaseFile {
            keys: Some(keys), ..
        }) => return Found::Keys(keys),
        Some(ReleaseFile {
            instead: Some(instead),
            ..
        }) => return Found::Instead(*instead),
        _ => {}
    }
    let by_prefix = |file: &ReleaseFile| rules.cuts_names && file.name == truncated(name);
    let mut others = files
        .iter()
        .filter(|file| file.is_regular && (file.is_lenient() || by_prefix(file)))
        .filter_map(|file| Some((file.name.as_str(), file.keys.as_ref()?)));
    match (others.next(), others.next()) {
        (None, _) => Found::Nothing,
        (Some((_, keys)), None) => Found::Keys(keys),
        (Some((one, _)), Some((two, _))) => Found::TooMany(one, two),
    }
}

/// Returns a name up to what may be a version.
fn truncated(name: &str) -> &str {
    let name = name.strip_suffix(".raw").unwrap_or(name);
    name.split(['_', '+']).next().unwrap_or(name)
}

/// Compares the keys, in systemd's order.
fn validate(
    (version, class): (Systemd, Class),
    release: &Release,
    name: &str,
    host: Host<'_>,
) -> Verdict {
    let (scope_key, level_key) = (class.scope_key(), class.level_key());
    let file = version.rules().release_file;
    let ignored = |field, words: String| Verdict::new(Outcome::Ignored, field, words);
    let accepted = |field, words: String| Verdict::new(Outcome::Accepted, field, words);
    if release.is_empty() {
        let words = format!("Extension '{name}' carries no release data, ignoring.");
        return ignored("extension-release", words);
    }
    let scope = release.given(scope_key);
    let scopes = scope.unwrap_or(DEFAULT_SCOPE);
    let wanted = if host.is_initrd { "initrd" } else { "system" };
    if !scopes.split_whitespace().any(|word| word == wanted) {
        let words = format!("Extension '{name}' is not suitable for scope {wanted}, ignoring");
        return ignored(scope_key, words).between(scope, Some(wanted));
    }
    if let Some(wanted) = release
        .get("ARCHITECTURE")
        .filter(|wanted| *wanted != "_any")
    {
        let fits = host.architecture.map_or_else(
            || architecture::is_of_systemd(wanted),
            |known| known == wanted,
        );
        if !fits {
            let known = host
                .architecture
                .unwrap_or("one that systemd does not know");
            let words = format!(
                "Extension '{name}' is for architecture '{wanted}', but deployed on top of '{known}'."
            );
            return ignored("ARCHITECTURE", words).between(Some(wanted), host.architecture);
        }
    }
    let host_id = host.os_release.get("ID").unwrap_or_default();
    let Some(id) = release.get("ID") else {
        let words = format!(
            "Extension '{name}' does not contain ID in {file} but requested to match '{host_id}' or be '_any'"
        );
        return ignored("ID", words).between(None, Some(host_id));
    };
    if id == "_any" {
        let words = format!("Extension '{name}' matches '_any' OS.");
        return accepted("ID", words).between(Some(id), Some(host_id));
    }
    if id != host_id && !(version.rules().takes_id_like && is_like(host.os_release, id)) {
        let words =
            format!("Extension '{name}' is for OS '{id}', but deployed on top of '{host_id}'");
        return ignored("ID", words).between(Some(id), Some(host_id));
    }
    let host_version = host.os_release.get("VERSION_ID");
    let host_level = host.os_release.get(level_key);
    let own_version = release.get("VERSION_ID");
    let own_level = release.get(level_key);
    if host_version.is_none() && host_level.is_none() {
        let words =
            format!("No version info on the host (rolling release?), but ID in {name} matched.");
        return accepted("ID", words).between(Some(id), Some(host_id));
    }
    let matches = || format!("Version info of extension '{name}' matches host.");
    if let (Some(own), Some(of_host)) = (own_level, host_level) {
        if own == of_host {
            return accepted(level_key, matches()).between(own_level, host_level);
        }
        let api = version.rules().api;
        let words = format!(
            "Extension '{name}' is for {api} level '{own}', but running on {api} level '{of_host}'"
        );
        return ignored(level_key, words).between(own_level, host_level);
    }
    let Some(of_host) = host_version else {
        // The host has a level and no version, the image no level: nothing is left to compare.
        return accepted(level_key, matches()).between(own_level, host_level);
    };
    match own_version {
        Some(own) if own == of_host => {
            accepted("VERSION_ID", matches()).between(own_version, host_version)
        }
        Some(own) => {
            let words = format!(
                "Extension '{name}' is for OS '{own}', but deployed on top of '{of_host}'."
            );
            ignored("VERSION_ID", words).between(own_version, host_version)
        }
        None => {
            let words = format!(
                "Extension '{name}' does not contain VERSION_ID in {file} but requested to match '{of_host}'"
            );
            ignored("VERSION_ID", words).between(None, host_version)
        }
    }
}

/// Says whether the host calls itself like this system.
fn is_like(os_release: &Release, id: &str) -> bool {
    os_release
        .get("ID_LIKE")
        .is_some_and(|like| like.split_whitespace().any(|word| word == id))
}

#[cfg(test)]
mod tests;
