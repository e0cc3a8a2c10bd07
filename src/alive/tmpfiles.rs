//! What has to be on a host outside of `/usr` and `/opt`, as lines of tmpfiles.d(5).
//!
//! ```text
//! d  /etc/httpd       :0755 :root :root - -    a directory; with ":" only where it is made
//! C  /etc/monitrc     - - - - -                a file, copied from /usr/share/factory/etc/monitrc
//! C  /etc/ngircd.conf :0660 :root :ngircd - -  a file of somebody who has no number yet
//! L  /etc/httpd/run   - - - - /run/httpd       a link
//! d  /var/lib/d       0750 d d -               state, which is made as packages want it at each boot
//! ```
//!
//! systemd replaces nothing that is there. What somebody changed below `/etc` stays, its mode and
//! owner, too.

use std::collections::BTreeMap;

use files::PathBytes;
use image::is_below;

use crate::findings::{Finding, kinds};
use crate::words::quantity::counted;

/// Where systemd takes files from that lines name no other source for.
pub const FACTORY: &str = "usr/share/factory/";
/// Where ldconfig(8) reads which directories have libraries.
const LOADER: &str = "etc/ld.so.conf.d";

/// What a line makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A directory.
    Directory,
    /// A copy of the factory's file.
    File,
    /// A symbolic link with this target.
    Link(PathBytes),
}

/// What there is to be at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub made: Made,
    /// Its mode.
    pub mode: u16,
    /// The names of its user and its group.
    pub owners: [String; 2],
}

/// Lines by their paths, which have no leading slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tmpfiles(BTreeMap<PathBytes, Line>);

impl Tmpfiles {
    /// Adds a line.
    pub fn add(&mut self, path: PathBytes, line: Line) {
        self.0.insert(path, line);
    }

    /// Takes out what systemd-tmpfiles refuses to make: who owns a directory could have put a link of
    /// his own in the place of what somebody else is to own there. Returns what is said of it.
    pub fn refused(&mut self) -> Vec<Finding> {
        let directories = self.0.iter().filter(|(_, line)| {
            let [user, _] = &line.owners;
            line.made == Made::Directory && user != "root"
        });
        let directories: Vec<_> = directories
            .map(|(path, line)| (path.clone(), line.owners[0].clone()))
            .collect();
        let above = |path: &PathBytes| {
            let mut around = directories.iter().rev();
            around.find(|(above, _)| above != path && is_below(path.bytes(), above.bytes()))
        };
        let mut findings = Vec::new();
        self.0.retain(|path, line| {
            let [user, _] = &line.owners;
            let Some((above, other)) = above(path).filter(|(_, other)| other != user) else {
                return true;
            };
            let text = format!(
                "/{path} of {user} is not made on the host: systemd-tmpfiles makes nothing of {user} in \
                 /{above}, which is a directory of {other}"
            );
            findings.push(Finding::new(&kinds::STATE_REFUSED, text));
            false
        });
        findings
    }

    /// Says whether there is nothing to make.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether one of them makes this path, which has no leading slash.
    pub fn make(&self, path: &str) -> bool {
        self.0.contains_key(&PathBytes::from(path))
    }

    /// Says whether one of them tells ldconfig(8) of directories.
    pub fn make_loader_settings(&self) -> bool {
        self.0.iter().any(is_of_loader)
    }

    /// Returns what is made at a path, which has no leading slash, to change it.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Line> {
        self.0.get_mut(&PathBytes::from(path))
    }

    /// Returns what is made, in the order of paths.
    pub fn iter(&self) -> impl Iterator<Item = (&PathBytes, &Line)> {
        self.0.iter()
    }

    /// Returns the lines as they are written.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(path, line)| line.written(path))
    }

    /// Returns the snippet that makes them.
    pub fn snippet(&self) -> String {
        let mut text = "# What packages have outside of /usr and /opt.\n".to_owned();
        for line in self.lines() {
            text += &line;
            text.push('\n');
        }
        text
    }

    /// Says what the snippet at a path makes, whether that happens without anybody's help, and what it
    /// is not enough for.
    pub fn findings(&self, path: &str, is_run: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some((first, _)) = self.0.first_key_value() else {
            return findings;
        };
        let dots = if self.0.len() > 1 { " ..." } else { "" };
        let run = match is_run {
            true => "systemd-tmpfiles runs on the host once the image is merged",
            false => "systemd-tmpfiles has to run on the host after the merge",
        };
        let text = format!(
            "/{path} makes {} outside of /usr and /opt: /{first}{dots}; {run}",
            counted(self.0.len(), "path")
        );
        findings.push(Finding::new(&kinds::STATE_MADE, text));
        let of_loader = self.0.iter().filter(|line| is_of_loader(*line));
        let run = match is_run {
            true => "has run on the host, as it does once the image is merged",
            false => "has run on the host after the merge",
        };
        findings.extend(of_loader.map(|(path, _)| {
            let text = format!(
                "/{path} names directories of libraries; programs find what is in them once ldconfig \
                 {run}"
            );
            Finding::new(&kinds::LOADER_CONFIGURATION, text)
        }));
        findings
    }
}

/// Says whether a line makes something that ldconfig(8) reads.
fn is_of_loader((path, line): (&PathBytes, &Line)) -> bool {
    line.made != Made::Directory && is_below(path.bytes(), LOADER)
}

impl Line {
    /// Says whether root alone owns it.
    fn is_roots(&self) -> bool {
        self.owners.iter().all(|name| name == "root")
    }

    /// Writes the line for a path.
    fn written(&self, path: &PathBytes) -> String {
        let is_setting = is_below(path.bytes(), "etc");
        let path = quoted(&[b"/", path.bytes()].concat());
        let [user, group] = self
            .owners
            .each_ref()
            .map(|name| escaped(name.as_bytes(), &[]));
        let mode = self.mode;
        match &self.made {
            Made::Link(target) => format!("L {path} - - - - {}", escaped(target.bytes(), &[])),
            // The copy has the mode of the factory's file, and is root's.
            Made::File if self.is_roots() => format!("C {path} - - - - -"),
            Made::File => format!("C {path} :{mode:04o} :{user} :{group} - -"),
            Made::Directory if is_setting => format!("d {path} :{mode:04o} :{user} :{group} - -"),
            Made::Directory => format!("d {path} {mode:04o} {user} {group} - -"),
        }
    }
}

/// Writes a path as every systemd reads it back: in this field, 252 knows no escape but that of a
/// quote and a backslash.
fn quoted(path: &[u8]) -> String {
    let escaped = escaped(path, &[' ', '\'']);
    match escaped.contains([' ', '\'', '"', '\\']) {
        true => format!("\"{escaped}\""),
        false => escaped,
    }
}

/// Writes a field as tmpfiles.d(5) reads it back; these characters stand for themselves.
fn escaped(bytes: &[u8], plain: &[char]) -> String {
    let mut escaped = String::new();
    for chunk in bytes.utf8_chunks() {
        for one in chunk.valid().chars() {
            match one {
                _ if plain.contains(&one) => escaped.push(one),
                '%' => escaped.push_str("%%"),
                '\\' | '"' | '\'' => escaped.extend(['\\', one]),
                _ if one.is_ascii_control() || one == ' ' => {
                    escaped += &format!("\\x{:02x}", u32::from(one));
                }
                _ => escaped.push(one),
            }
        }
        for byte in chunk.invalid() {
            escaped += &format!("\\x{byte:02x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_tmpfiles() {
        let link = |target: &str| Made::Link(target.into());
        for (path, made, mode, owners, expected) in [
            (
                "etc/d",
                Made::File,
                0o600,
                "root root",
                "C /etc/d - - - - -",
            ),
            (
                "etc/d",
                Made::File,
                0o660,
                "root d",
                "C /etc/d :0660 :root :d - -",
            ),
            (
                "etc/d",
                Made::Directory,
                0o755,
                "root root",
                "d /etc/d :0755 :root :root - -",
            ),
            (
                "var/lib/d",
                Made::Directory,
                0o2750,
                "d d",
                "d /var/lib/d 2750 d d - -",
            ),
            (
                "etc/a b",
                link("../50% \"x\""),
                0o777,
                "root root",
                "L \"/etc/a b\" - - - - ../50%%\\x20\\\"x\\\"",
            ),
        ] {
            let (user, group) = owners.split_once(' ').unwrap();
            let line = Line {
                made,
                mode,
                owners: [user, group].map(str::to_owned),
            };
            let mut tmpfiles = Tmpfiles::default();
            tmpfiles.add(path.into(), line);
            let lines: Vec<_> = tmpfiles.lines().collect();
            assert_eq!(lines, [expected]);
            assert!(tmpfiles.make(path) && !tmpfiles.make("etc"));
        }
        assert_eq!(quoted(b"/a'b\"c\\x20%"), "\"/a'b\\\"c\\\\x20%%\"");
        assert_eq!(escaped(b"\xff\n\\", &[]), "\\xff\\x0a\\\\");
    }

    #[test]
    fn nobody_gets_what_is_in_a_directory_of_somebody_else() {
        let mut tmpfiles = Tmpfiles::default();
        for (path, made, user) in [
            ("var/lib/d", Made::Directory, "d"),
            ("var/lib/d/a", Made::Directory, "d"),
            ("var/lib/d/b", Made::Directory, "root"),
            ("var/lib/d/b/c", Made::File, "root"),
            ("var/lib/dd", Made::Directory, "root"),
            ("var/lib/e", Made::Directory, "root"),
            ("var/lib/e/a", Made::File, "e"),
        ] {
            let owners = [user, "root"].map(str::to_owned);
            let mode = 0o755;
            tmpfiles.add(path.into(), Line { made, mode, owners });
        }
        let found: Vec<_> = tmpfiles.refused().into_iter().map(|it| it.text).collect();
        let refused = |path: &str| {
            format!(
                "/{path} of root is not made on the host: systemd-tmpfiles makes nothing of root in \
                 /var/lib/d, which is a directory of d"
            )
        };
        assert_eq!(found, ["var/lib/d/b", "var/lib/d/b/c"].map(refused));
        let left: Vec<_> = tmpfiles.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(
            left,
            ["d", "d/a", "dd", "e", "e/a"].map(|end| format!("var/lib/{end}"))
        );
    }

    #[test]
    fn what_is_made_is_said() {
        let of = |paths: &[&str]| {
            let mut tmpfiles = Tmpfiles::default();
            for path in paths {
                let line = Line {
                    made: Made::File,
                    mode: 0o644,
                    owners: ["root", "root"].map(str::to_owned),
                };
                tmpfiles.add((*path).into(), line);
            }
            let findings = tmpfiles.findings("t.conf", paths.len() > 1).into_iter();
            findings.map(|one| one.text).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), [""; 0]);
        assert_eq!(
            of(&["etc/a"]),
            [
                "/t.conf makes 1 path outside of /usr and /opt: /etc/a; systemd-tmpfiles has to run on \
                 the host after the merge"
            ]
        );
        let found = of(&["etc/b", "etc/ld.so.conf.d/a.conf"]);
        assert_eq!(
            found[0],
            "/t.conf makes 2 paths outside of /usr and /opt: /etc/b ...; systemd-tmpfiles runs on the \
             host once the image is merged"
        );
        assert_eq!(
            found[1],
            "/etc/ld.so.conf.d/a.conf names directories of libraries; programs find what is in them \
             once ldconfig has run on the host, as it does once the image is merged"
        );
        assert_eq!(found.len(), 2);
    }
}
