//! Companions: images of `/etc` that belong to images of programs.
//!
//! systemd-sysext merges `/usr` and `/opt`, systemd-confext `/etc`, and neither takes an image that is
//! for the other. So what `nginx` has in `/etc` is in an image of its own, `nginx.confext`, of the
//! same version. Clients update the two together, see [`Definition`](crate::Definition).

/// What the name of a companion ends in.
const SUFFIX: &str = ".confext";

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

#[cfg(test)]
mod tests {
    use super::*;

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
