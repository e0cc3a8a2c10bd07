//! os-release: which system a base is. The parser is that of the clients, so a host that systemd
//! can read is never refused.

use std::path::Path;

use anyhow::anyhow;
use clients::{MAX_RELEASE_SIZE, Release};
use files::Links;

use crate::words::failure::{Failure, Result};

/// Reads an os-release file, which must have an `ID`: without one, no client merges anything.
pub fn read(path: &Path) -> Result<Release> {
    let bytes = files::read(path, MAX_RELEASE_SIZE, Links::Follow)?;
    let refused = |problem: &str| {
        let path = path.display();
        Failure::refused(anyhow!("{path} is not an os-release file: {problem}"))
    };
    let os_release = Release::parse(&bytes)
        .ok_or_else(|| refused("systemd can't read it, since it is not UTF-8 text"))?;
    match os_release.get("ID") {
        Some(_) => Ok(os_release),
        None => Err(refused("it has no ID")),
    }
}

/// Returns a short description: the name and the version that decides.
pub fn described(os_release: &Release) -> String {
    let name = os_release.get("NAME").or(os_release.get("ID"));
    let name = name.unwrap_or("unnamed");
    match os_release.get("VERSION_ID") {
        Some(version) => format!("{name} {version}"),
        None => format!("{name} (rolling, no VERSION_ID)"),
    }
}

/// Says whether a base of which no file is known has `/usr/sbin` merged: Fedora since 42 has.
pub fn merges_sbin(os_release: &Release) -> bool {
    let version = os_release.get("VERSION_ID");
    os_release.get("ID") == Some("fedora")
        && version
            .and_then(|version| version.parse::<u32>().ok())
            .is_some_and(|version| version >= 42)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbin_is_merged_where_the_release_says_so() {
        for (text, merged) in [
            ("ID=fedora\nVERSION_ID=42", true),
            ("ID=fedora\nVERSION_ID=41", false),
            ("ID=debian\nVERSION_ID=13", false),
        ] {
            let os_release = Release::parse(text.as_bytes()).unwrap();
            assert_eq!(merges_sbin(&os_release), merged, "{text}");
        }
    }
}
