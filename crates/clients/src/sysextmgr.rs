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
    if let Container::Unread(problem) = &image.container {
        return Verdict::unread(problem);
    }
    let stem = image.stem();
    let short = short_name(&image.file);
    if short.as_deref() != Some(image.link.as_str()) {
        let words = "its name is taken from what is before the last '-' of the file name";
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
        let words = "the image is not compatible: its scope is different";
        return verdict(ignored, "SYSEXT_SCOPE", scope, Some("system"), words);
    }
    let architecture = release.get("ARCHITECTURE");
    let fits = architecture.is_some_and(|own| {
        host.architecture
            .map_or_else(|| architecture::is_of_systemd(own), |known| known == own)
    });
    if !fits {
        let words = "the image is not compatible: its architecture is different, and _any is not \
                     one";
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
        let words = format!("the image is not compatible: its {key} is different");
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

    const FILE: &str = "a-1.x86-64.raw";
    const ALL: &str = "ID=x\nVERSION_ID=1\nSYSEXT_VERSION_ID=1\nARCHITECTURE=x86-64\n";

    /// Returns `OUTCOME FIELD` for an image of this file name and link, with these keys under the
    /// file's name, on a host with these and the architecture x86-64.
    fn judged(file: &str, link: &str, keys: &str, host: &str) -> String {
        let image = Image {
            file: file.to_owned(),
            link: link.to_owned(),
            container: Container::Assumed,
            releases: vec![crate::ReleaseFile {
                name: "a-1.x86-64".to_owned(),
                is_regular: true,
                strict: None,
                keys: Release::parse(keys.as_bytes()),
            }],
            has_usr_os_release: false,
            has_etc_os_release: false,
        };
        let os_release = Release::parse(host.as_bytes()).unwrap();
        let host = Host {
            os_release: &os_release,
            architecture: Some("x86-64"),
        };
        let verdict = judge(&image, host);
        format!("{} {}", verdict.outcome.word(), verdict.field)
    }

    #[test]
    fn names() {
        for (file, link, expected) in [
            (FILE, "a", "accepted VERSION_ID"),
            (FILE, "b", "ignored name"),
            ("a-1-1.x86-64.raw", "a", "ignored name"),
            ("a.raw", "a", "ignored name"),
            // The one name that it looks for is the file's.
            ("a-2.x86-64.raw", "a", "refused extension-release"),
        ] {
            assert_eq!(
                judged(file, link, ALL, "ID=x\nVERSION_ID=1"),
                expected,
                "{file}"
            );
        }
    }

    #[test]
    fn keys() {
        let host = "ID=x\nVERSION_ID=1";
        for (from, to, host, expected) in [
            ("", "", host, "accepted VERSION_ID"),
            // Without one of four keys the whole list fails.
            ("ID=x\n", "", host, "refused ID"),
            ("\nVERSION_ID=1", "", host, "refused VERSION_ID"),
            (
                "SYSEXT_VERSION_ID=1\n",
                "",
                host,
                "refused SYSEXT_VERSION_ID",
            ),
            ("ARCHITECTURE=x86-64\n", "", host, "refused ARCHITECTURE"),
            ("x86-64", "arm64", host, "ignored ARCHITECTURE"),
            ("x86-64", "_any", host, "ignored ARCHITECTURE"),
            ("ID=x\n", "ID=_any\n", host, "accepted ID"),
            ("ID=x\n", "ID=y\n", host, "ignored ID"),
            (
                "\nVERSION_ID=1",
                "\nVERSION_ID=2",
                host,
                "ignored VERSION_ID",
            ),
            (
                "ID=x\n",
                "ID=x\nSYSEXT_SCOPE=initrd\n",
                host,
                "ignored SYSEXT_SCOPE",
            ),
            (
                "ID=x\n",
                "ID=x\nSYSEXT_SCOPE=\"initrd system\"\n",
                host,
                "accepted VERSION_ID",
            ),
            // A level counts if both have one.
            (
                "ID=x\n",
                "ID=x\nSYSEXT_LEVEL=2\n",
                host,
                "accepted VERSION_ID",
            ),
            (
                "ID=x\n",
                "ID=x\nSYSEXT_LEVEL=2\n",
                "ID=x\nSYSEXT_LEVEL=2",
                "accepted SYSEXT_LEVEL",
            ),
            (
                "ID=x\n",
                "ID=x\nSYSEXT_LEVEL=1\n",
                "ID=x\nVERSION_ID=1\nSYSEXT_LEVEL=2",
                "ignored SYSEXT_LEVEL",
            ),
            ("", "", "ID=x\nSYSEXT_LEVEL=2", "ignored VERSION_ID"),
        ] {
            let keys = ALL.replacen(from, to, 1);
            assert_eq!(judged(FILE, "a", &keys, host), expected, "{keys} on {host}");
        }
    }

    #[test]
    fn bytes_and_architectures_that_are_not_known() {
        let os_release = Release::parse(b"ID=x\nVERSION_ID=1").unwrap();
        let host = Host {
            os_release: &os_release,
            architecture: None,
        };
        for (architecture, expected) in [("arm64", Outcome::Accepted), ("pdp11", Outcome::Ignored)]
        {
            let keys = ALL.replace("x86-64", architecture);
            let release = Release::parse(keys.as_bytes()).unwrap();
            assert_eq!(compare(&release, host).outcome, expected, "{architecture}");
        }
        let image = Image {
            file: FILE.to_owned(),
            link: "a".to_owned(),
            container: Container::Broken("is empty".to_owned()),
            releases: Vec::new(),
            has_usr_os_release: false,
            has_etc_os_release: false,
        };
        let verdict = judge(&image, host);
        assert_eq!(
            (verdict.outcome, verdict.field),
            (Outcome::Refused, "format")
        );
    }
}
