//! sysextmgr 1.0.0, the extension manager of openSUSE MicroOS.
//!
//! It links images under their full file names, and derives an image's short name from that: what
//! stands before the last `-`, after the last two parts between dots are off. A version with a
//! `-` in it becomes a part of the name, and updates of that image are not found. Of an installed
//! image it reads the extension-release file of the full name, by exact path, and nothing else.

use crate::Host;
use crate::image::{Container, Image};
use crate::release::Release;
use crate::verdict::{Outcome, Verdict};

/// Returns what sysextmgr does with an image.
pub(crate) fn judge(image: &Image, host: Host<'_>) -> Verdict {
    if let Container::Broken(problem) = &image.container {
        let words = format!("systemd-dissect can't open it: the image {problem}");
        return Verdict::new(Outcome::Refused, "format", words);
    }
    let stem = image.stem();
    let short = short_name(&image.file);
    if short.as_deref() != Some(image.link.as_str()) {
        let words = "its name is taken for what stands before the last '-' of the file name";
        return Verdict::new(Outcome::Ignored, "name", words)
            .between(short.as_deref(), Some(&image.link));
    }
    let exact = image.releases.iter().find(|file| file.name == stem);
    let Some(release) = exact.and_then(|file| file.keys.as_ref()) else {
        let words =
            format!("there is no extension-release.{stem}, the only name that it looks for");
        return Verdict::new(Outcome::Refused, "extension-release", words);
    };
    // A list that holds one image without these ends with an error, or the daemon with a crash.
    for key in ["ID", "VERSION_ID", "SYSEXT_VERSION_ID", "ARCHITECTURE"] {
        if release.get(key).is_none() {
            let words = format!("it needs {key} of every image");
            return Verdict::new(Outcome::Refused, key, words);
        }
    }
    compare(release, host)
}

fn compare(release: &Release, host: Host<'_>) -> Verdict {
    let verdict = |outcome, field, image, of_host, words: &str| {
        Verdict::new(outcome, field, words).between(image, of_host)
    };
    let (accepted, ignored) = (Outcome::Accepted, Outcome::Ignored);
    let scope = release.get("SYSEXT_SCOPE");
    if scope.is_some_and(|scope| !scope.split_whitespace().any(|word| word == "system")) {
        let words = "the image is not compatible: its scope is another";
        return verdict(ignored, "SYSEXT_SCOPE", scope, Some("system"), words);
    }
    let architecture = release.get("ARCHITECTURE");
    let fits = architecture.is_some_and(|own| {
        host.architecture
            .map_or_else(|| architecture::is_of_systemd(own), |known| known == own)
    });
    if !fits {
        let words = "the image is not compatible: its architecture is another, and _any none";
        return verdict(
            ignored,
            "ARCHITECTURE",
            architecture,
            host.architecture,
            words,
        );
    }
    let of_host = |key| host.os_release.get(key);
    let id = release.get("ID");
    if id == Some("_any") {
        return verdict(
            accepted,
            "ID",
            id,
            of_host("ID"),
            "the image fits every system",
        );
    }
    let no = |key| {
        let words = format!("the image is not compatible: its {key} is another");
        verdict(ignored, key, release.get(key), of_host(key), &words)
    };
    let yes = |key| {
        verdict(
            accepted,
            key,
            release.get(key),
            of_host(key),
            "the image is compatible",
        )
    };
    if id != of_host("ID") {
        return no("ID");
    }
    let key = match (release.get("SYSEXT_LEVEL"), of_host("SYSEXT_LEVEL")) {
        (Some(_), Some(_)) => "SYSEXT_LEVEL",
        _ => "VERSION_ID",
    };
    if release.get(key) == of_host(key) {
        yes(key)
    } else {
        no(key)
    }
}

/// Returns the name that sysextmgr reads off a file name.
fn short_name(file: &str) -> Option<String> {
    let (stem, _) = file.rsplit_once('.')?;
    let (stem, _) = stem.rsplit_once('.')?;
    let (name, _) = stem.rsplit_once('-')?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names() {
        for (file, name) in [
            ("strace-29.1.x86-64.raw", Some("strace")),
            ("debug-tools-23.7.x86-64.raw", Some("debug-tools")),
            ("k3s-1.31.5+k3s1-29.1.x86-64.raw", Some("k3s-1.31.5+k3s1")),
            ("strace-6.11_1.2.x86-64.raw", Some("strace")),
            ("strace-6.11-1.2.x86-64.raw", Some("strace-6.11")),
            ("strace.raw", None),
        ] {
            assert_eq!(short_name(file).as_deref(), name, "{file}");
        }
    }
}
