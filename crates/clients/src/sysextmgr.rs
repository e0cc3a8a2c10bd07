//! sysextmgr 1.0.0, the extension manager of openSUSE MicroOS.
//!
//! It finds images by their names on the list of a store, and derives an image's short name from
//! that: the last two parts between dots are off, then what follows the last `-`, each as far as
//! there is one. A version with a `-` in it becomes a part of the name. What an image is for, it
//! reads off the manifest beside it. It links what it installs under its full file name, and from
//! then on reads the extension-release file of that name, by exact path, and nothing else. A host
//! or an installed image that lacks a key which it asks for makes every call fail.

use crate::Host;
use crate::image::{Container, Image};
use crate::release::Release;
use crate::verdict::{Outcome, Verdict};

/// Keys without which it gives up a host's os-release, and with it every call. They may be empty.
const OF_HOSTS: [&str; 3] = ["ID", "ID_LIKE", "VERSION_ID"];
/// Keys without which it gives up the list of installed images.
const OF_INSTALLED: [&str; 2] = ["ID", "VERSION_ID"];

/// Returns what sysextmgr does with an image.
pub(crate) fn judge(image: &Image, host: Host<'_>) -> Verdict {
    if let Some(key) = (OF_HOSTS.iter()).find(|key| host.os_release.given(key).is_none()) {
        let words = format!("it needs {key} of the host's os-release, and does nothing without");
        return Verdict::new(Outcome::Refused, key, words);
    }
    let short = short_name(&image.file);
    if short != image.link {
        let words = "its name is taken from what is before the last '-' of the file name";
        return Verdict::new(Outcome::Ignored, "name", words)
            .between(Some(short), Some(&image.link));
    }
    let Some(manifest) = &image.manifest else {
        let words = "it lists no image without its manifest, or a .raw.json, next to it";
        return Verdict::new(Outcome::Ignored, "manifest", words);
    };
    let verdict = compare(manifest, host);
    if verdict.outcome != Outcome::Accepted {
        return verdict;
    }
    for key in ["ARCHITECTURE", "SYSEXT_VERSION_ID"] {
        if manifest.given(key).is_none() {
            let words = format!("it ends with a crash where an image has no {key}");
            return Verdict::new(Outcome::Refused, key, words);
        }
    }
    // A container that nobody can open is found out when it is installed.
    match &image.container {
        Container::Broken(problem) => {
            let words = format!("systemd-dissect can't open it: the image {problem}");
            return Verdict::new(Outcome::Refused, "format", words);
        }
        Container::Unread(problem) => return Verdict::unread(problem),
        Container::Assumed | Container::FileSystems(_) => {}
    }
    installed(image).unwrap_or(verdict)
}

/// Returns a verdict on an image that is installed, and then keeps others from being listed.
fn installed(image: &Image) -> Option<Verdict> {
    let refused = |field, words| Some(Verdict::new(Outcome::Refused, field, words));
    let stem = image.stem();
    let exact = image.releases.iter().find(|file| file.name == stem);
    let Some(release) = exact.and_then(|file| file.keys.as_ref()) else {
        let words =
            format!("there is no extension-release.{stem}, the only name that it looks for");
        return refused("extension-release", words);
    };
    let missing = OF_INSTALLED
        .iter()
        .find(|key| release.given(key).is_none())?;
    let words = format!("it needs {missing} of every image that is installed");
    refused(missing, words)
}

/// Compares what the manifest says with the host.
fn compare(release: &Release, host: Host<'_>) -> Verdict {
    let of_host = |key| host.os_release.get(key);
    let verdict = |outcome, key, words: &str| {
        Verdict::new(outcome, key, words).between(release.given(key), of_host(key))
    };
    let no = |key| {
        let words = format!("the image is not compatible: its {key} is different");
        verdict(Outcome::Ignored, key, &words)
    };
    let yes = |key| verdict(Outcome::Accepted, key, "the image is compatible");
    // The word may be a part of another one.
    if let Some(scope) = release.given("SYSEXT_SCOPE")
        && !scope.contains("system")
    {
        return no("SYSEXT_SCOPE").between(Some(scope), Some("system"));
    }
    // What is for every architecture passes the comparison, but not the choice of the newest.
    if let Some(own) = release.given("ARCHITECTURE") {
        let fits = host.architecture.map_or_else(
            || architecture::is_of_systemd(own) && own != "_any",
            |known| known == own,
        );
        if !fits {
            let words = "the image is not compatible: its architecture is different, and _any is \
                         not one";
            return Verdict::new(Outcome::Ignored, "ARCHITECTURE", words)
                .between(Some(own), host.architecture);
        }
    }
    match release.get("ID") {
        Some("_any") => return verdict(Outcome::Accepted, "ID", "the image fits every system"),
        Some(id) if Some(id) == of_host("ID") => {}
        _ => return no("ID"),
    }
    if of_host("VERSION_ID").is_none() && of_host("SYSEXT_LEVEL").is_none() {
        return yes("ID");
    }
    let key = match (release.get("SYSEXT_LEVEL"), of_host("SYSEXT_LEVEL")) {
        (Some(_), Some(_)) => "SYSEXT_LEVEL",
        _ if of_host("VERSION_ID").is_none() => return yes("SYSEXT_LEVEL"),
        _ => "VERSION_ID",
    };
    match release.get(key) == of_host(key) {
        true => yes(key),
        false => no(key),
    }
}

/// Returns the name that sysextmgr reads off a file name, by which it finds an image.
pub fn short_name(file: &str) -> &str {
    let cut = |name, at| str::rsplit_once(name, at).map_or(name, |(name, _)| name);
    cut(cut(cut(file, '.'), '.'), '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names() {
        for (file, name) in [
            ("strace-29.1.x86-64.raw", "strace"),
            ("debug-tools-23.7.x86-64.raw", "debug-tools"),
            ("k3s-1.31.5+k3s1-29.1.x86-64.raw", "k3s-1.31.5+k3s1"),
            ("strace-6.11_1.2.x86-64.raw", "strace"),
            ("strace-6.11-1.2.x86-64.raw", "strace-6.11"),
            ("strace.raw", "strace"),
            ("strace-1.raw", "strace"),
            ("strace-1.2.raw", "strace"),
            ("strace.x86-64.raw", "strace"),
            ("str-ace.raw", "str"),
        ] {
            assert_eq!(short_name(file), name, "{file}");
        }
    }

    const FILE: &str = "a-1.x86-64.raw";
    const ALL: &str = "ID=x\nVERSION_ID=1\nSYSEXT_VERSION_ID=1\nARCHITECTURE=x86-64\n";
    const HOST: &str = "ID=x\nID_LIKE=y\nVERSION_ID=1\n";

    fn image(file: &str, link: &str, manifest: Option<&str>, keys: &str) -> Image {
        Image {
            file: file.to_owned(),
            link: link.to_owned(),
            releases: vec![crate::ReleaseFile {
                name: "a-1.x86-64".to_owned(),
                is_regular: true,
                strict: None,
                keys: Release::parse(keys.as_bytes()),
                instead: None,
            }],
            manifest: manifest.and_then(|text| Release::parse(text.as_bytes())),
            ..Image::default()
        }
    }

    /// Returns `OUTCOME FIELD` for an image on a host with these keys and this architecture.
    fn judged(image: &Image, host: &str, architecture: Option<&str>) -> String {
        let os_release = Release::parse(host.as_bytes()).unwrap();
        let host = Host {
            os_release: &os_release,
            architecture,
            is_initrd: false,
        };
        let verdict = judge(image, host);
        format!("{} {}", verdict.outcome.word(), verdict.field)
    }

    #[test]
    fn names_and_manifests() {
        for (file, link, manifest, expected) in [
            (FILE, "a", Some(ALL), "accepted VERSION_ID"),
            (FILE, "b", Some(ALL), "ignored name"),
            (FILE, "a", None, "ignored manifest"),
            ("a-1-1.x86-64.raw", "a", Some(ALL), "ignored name"),
            // The one file that it looks for is that of the full name.
            ("a.raw", "a", Some(ALL), "refused extension-release"),
            ("a-1.raw", "a", Some(ALL), "refused extension-release"),
            (
                "a-2.x86-64.raw",
                "a",
                Some(ALL),
                "refused extension-release",
            ),
        ] {
            let image = image(file, link, manifest, ALL);
            assert_eq!(judged(&image, HOST, Some("x86-64")), expected, "{file}");
        }
        let mut named = image("a.raw", "a", Some(ALL), ALL);
        named.releases[0].name = "a".to_owned();
        assert_eq!(judged(&named, HOST, Some("x86-64")), "accepted VERSION_ID");
    }

    #[test]
    fn keys_of_hosts() {
        for (host, expected) in [
            (HOST, "accepted VERSION_ID"),
            ("ID=x\nVERSION_ID=1", "refused ID_LIKE"),
            ("ID=x\nID_LIKE=y", "refused VERSION_ID"),
            ("ID_LIKE=y\nVERSION_ID=1", "refused ID"),
            ("ID=x\nID_LIKE=\nVERSION_ID=", "accepted ID"),
            (
                "ID=x\nID_LIKE=\nVERSION_ID=\nSYSEXT_LEVEL=2",
                "accepted SYSEXT_LEVEL",
            ),
        ] {
            let image = image(FILE, "a", Some(ALL), ALL);
            assert_eq!(judged(&image, host, Some("x86-64")), expected, "{host}");
        }
    }

    #[test]
    fn keys() {
        let level = "ID=x\nID_LIKE=\nVERSION_ID=1\nSYSEXT_LEVEL=2";
        for (from, to, host, expected) in [
            ("", "", HOST, "accepted VERSION_ID"),
            // In a store it passes over what lacks a key, or crashes.
            ("ID=x\n", "", HOST, "ignored ID"),
            ("\nVERSION_ID=1", "", HOST, "ignored VERSION_ID"),
            (
                "SYSEXT_VERSION_ID=1\n",
                "",
                HOST,
                "refused SYSEXT_VERSION_ID",
            ),
            ("ARCHITECTURE=x86-64\n", "", HOST, "refused ARCHITECTURE"),
            ("x86-64", "arm64", HOST, "ignored ARCHITECTURE"),
            ("x86-64", "_any", HOST, "ignored ARCHITECTURE"),
            ("ID=x\n", "ID=_any\n", HOST, "accepted ID"),
            ("ID=x\n", "ID=y\n", HOST, "ignored ID"),
            (
                "\nVERSION_ID=1",
                "\nVERSION_ID=2",
                HOST,
                "ignored VERSION_ID",
            ),
            (
                "ID=x",
                "SYSEXT_SCOPE=initrd\nID=x",
                HOST,
                "ignored SYSEXT_SCOPE",
            ),
            ("ID=x", "SYSEXT_SCOPE=\nID=x", HOST, "ignored SYSEXT_SCOPE"),
            (
                "ID=x",
                "SYSEXT_SCOPE=\"initrd system\"\nID=x",
                HOST,
                "accepted VERSION_ID",
            ),
            (
                "ID=x",
                "SYSEXT_SCOPE=subsystem\nID=x",
                HOST,
                "accepted VERSION_ID",
            ),
            // A level counts if both have one.
            ("ID=x", "SYSEXT_LEVEL=2\nID=x", HOST, "accepted VERSION_ID"),
            (
                "ID=x",
                "SYSEXT_LEVEL=2\nID=x",
                level,
                "accepted SYSEXT_LEVEL",
            ),
            (
                "ID=x",
                "SYSEXT_LEVEL=1\nID=x",
                level,
                "ignored SYSEXT_LEVEL",
            ),
            // Of an image that fits, what is installed is asked again.
            ("ID=x\nVERSION_ID=1", "ID=_any", HOST, "refused VERSION_ID"),
        ] {
            let keys = ALL.replacen(from, to, 1);
            let image = image(FILE, "a", Some(&keys), &keys);
            let found = judged(&image, host, Some("x86-64"));
            assert_eq!(found, expected, "{keys} on {host}");
        }
    }

    #[test]
    fn bytes_and_architectures_that_are_not_known() {
        for (architecture, expected) in [
            ("arm64", "accepted VERSION_ID"),
            ("pdp11", "ignored ARCHITECTURE"),
            ("_any", "ignored ARCHITECTURE"),
        ] {
            let keys = ALL.replace("x86-64", architecture);
            let image = image(FILE, "a", Some(&keys), &keys);
            assert_eq!(judged(&image, HOST, None), expected);
        }
        for (container, expected) in [
            (Container::Broken("is empty".to_owned()), "refused format"),
            (Container::Unread("is new".to_owned()), "unread format"),
        ] {
            let image = Image {
                container,
                ..image(FILE, "a", Some(ALL), ALL)
            };
            assert_eq!(judged(&image, HOST, None), expected);
        }
    }
}
