//! Contents that name a directory of `/opt` which the image has below `/usr/lib/opt`.
//!
//! ```text
//! units, .desktop, D-Bus, polkit ...   the path is written as it is now, with \x20 and the like, too
//! scripts of a shell                   the same
//! the first line of any script         the same: it names the interpreter
//! anything else                        a finding, since nobody knows what the bytes are for
//! ```
//!
//! A path is one where a name begins with it: `ROOT=/opt/x` and `"/opt/x/bin"`, and neither `/srv/opt/x`
//! nor `$ROOT/opt/x` nor `/opt/xy`. Sizes of contents are in the tree before any of them is packed, so
//! that the payloads are read for this once more, and before.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use files::{Links, PathBytes};
use image::{Content, ContentId, LeafId, Visit};
use memchr::memmem;

use crate::findings::{Finding, kinds};
use crate::pack::reader::{Reader, Source, content_failure};
use crate::plan::compose::{Changed, Plan, content_id};
use crate::plan::filter::OPT_TO_USR;
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::counted;

/// Where programs were, and where they are.
const FROM: &str = "/opt/";
const TO: &str = "/usr/lib/opt/";
/// A longer text is not changed, in bytes: the longest launchers of desktops have a tenth of it.
const MAX_CHANGED: u64 = 256 * 1024;
/// Bytes of all texts that are changed.
const MAX_ALL_CHANGED: u64 = 64 << 20;
/// Bytes of a content that are looked at together.
const PIECE: usize = 128 * 1024;
/// So many files are named that can't be changed; the others are counted.
const SHOWN: usize = 5;

/// Ends of the names of texts in which a path is a path.
const TEXT_ENDS: [&str; 6] = [
    ".desktop", ".mount", ".path", ".service", ".socket", ".timer",
];
/// Directories with such texts.
const TEXT_DIRECTORIES: [&str; 17] = [
    "usr/lib/environment.d",
    "usr/lib/systemd",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/lib/udev/rules.d",
    "usr/share/dbus-1",
    "usr/share/factory/etc/default",
    "usr/share/factory/etc/ld.so.conf.d",
    "usr/share/factory/etc/profile.d",
    "usr/share/factory/etc/sysconfig",
    "usr/share/factory/etc/xdg",
    "usr/share/gnome-control-center/default-apps",
    "usr/share/polkit-1",
    "usr/share/wayland-sessions",
    "usr/share/xsessions",
    "usr/etc/profile.d",
    "usr/etc/xdg",
];
/// Where browsers look for programs that they talk to.
const NATIVE_HOSTS: &str = "native-messaging-hosts";
/// Shells, whose scripts take a path for a path.
const SHELLS: [&str; 7] = ["ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"];
/// What a path may come behind.
const BEFORE: &[u8] = b" \t\r\n\0'\"`=:;,([{<>|&-+@!";
/// What a name goes on with.
const GOES_ON: &[u8] = b"_-.+%\\@~";

/// Says whether all contents are looked through for names that have moved.
pub fn reads_all(plan: &Plan) -> bool {
    !Names::of(plan).0.is_empty()
}

/// Changes the texts of a plan that name what was moved out of `/opt`, and says which other files do.
pub fn rewrite(plan: &mut Plan, sources: &[Source<'_>]) -> Result<Vec<Finding>> {
    let names = Names::of(plan);
    if names.0.is_empty() {
        return Ok(Vec::new());
    }
    let mut work = Work {
        users: users(plan),
        plan,
        names,
        done: BTreeSet::new(),
        left: MAX_ALL_CHANGED,
        kept: BTreeMap::new(),
    };
    for (package, source) in sources.iter().enumerate() {
        let mut reader = Reader::new(*source);
        let owner = source.package.nevra.to_string();
        let mut see = |file: usize, size: u64, content: &mut dyn Read| {
            if !work.plan.contents[package][file] {
                return Ok(());
            }
            let described = source.package.files.get(file);
            let Some(id) = described.map(|one| content_id(package, file, &one)) else {
                return Ok(());
            };
            if work.see(&owner, &id, size, content)? {
                work.plan.contents[package][file] = false;
            }
            Ok(())
        };
        while reader.next(&mut see)? {}
    }
    let mut overlay = std::mem::take(&mut work.plan.overlay);
    let mut failed = None;
    overlay.retain(|(id, size, path)| {
        let seen = files::open(path, Links::Refuse)
            .map_err(Failure::from)
            .and_then(|mut content| work.see("overlay", id, *size, &mut content));
        match seen {
            Ok(is_changed) => !is_changed,
            Err(failure) => {
                failed.get_or_insert(failure);
                true
            }
        }
    });
    work.plan.overlay = overlay;
    match failed {
        Some(failure) => Err(failure),
        None => Ok(work.findings()),
    }
}

/// Returns the paths and leaves that have each content.
fn users(plan: &Plan) -> BTreeMap<ContentId, Vec<(PathBytes, LeafId)>> {
    let mut users: BTreeMap<ContentId, Vec<(PathBytes, LeafId)>> = BTreeMap::new();
    plan.tree.walk(&mut |path, visit| {
        if let Visit::Leaf(leaf, found) = visit
            && let Content::File { id, size } = &found.content
            && *size > 0
        {
            let all = users.entry(id.clone()).or_default();
            all.push((path.clone(), leaf));
        }
    });
    users
}

struct Work<'a> {
    plan: &'a mut Plan,
    users: BTreeMap<ContentId, Vec<(PathBytes, LeafId)>>,
    names: Names,
    /// Contents that were changed, in whose place the image has others.
    done: BTreeSet<ContentId>,
    /// Bytes of texts that may still be changed.
    left: u64,
    /// Files that name what was moved and could not be changed, by their owner and that name.
    kept: BTreeMap<(String, String), Vec<PathBytes>>,
}

impl Work<'_> {
    /// Looks at a content, and says whether the image has another in its place.
    fn see(
        &mut self,
        owner: &str,
        id: &ContentId,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<bool> {
        if self.done.contains(id) {
            return Ok(true);
        }
        let Some(users) = self.users.remove(id) else {
            return Ok(false);
        };
        let path = users
            .first()
            .map(|(path, _)| path.clone())
            .unwrap_or_default();
        let found = if size <= MAX_CHANGED.min(self.left) {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(content_failure)?;
            let is_text = users.iter().any(|(path, _)| is_text(path));
            let (text, found) = self.names.rewritten(&bytes, is_text);
            if let Some(text) = text {
                self.left -= size;
                self.replace(owner, &users, text)?;
                self.done.insert(id.clone());
            }
            found
        } else {
            self.names.found(content)?
        };
        // What bytecode says of its source is for messages alone.
        let is_bytecode = [".pyc", ".pyo"]
            .iter()
            .any(|end| path.text().ends_with(end));
        if let Some(name) = found.filter(|_| !is_bytecode) {
            let kept = self.kept.entry((owner.to_owned(), name));
            kept.or_default().push(path);
        }
        Ok(self.done.contains(id))
    }

    /// Gives files another content.
    fn replace(&mut self, owner: &str, users: &[(PathBytes, LeafId)], text: Vec<u8>) -> Result<()> {
        let hashed = sha256(&mut text.as_slice());
        let (size, digest) =
            hashed.map_err(|error| Failure::io("hashing a changed text", error))?;
        let id = sha256_id(&digest);
        for (path, leaf) in users {
            let id = id.clone();
            self.plan.tree.leaf_mut(*leaf).content = Content::File { size, id };
            self.plan.changed.push(Changed {
                rule: &OPT_TO_USR,
                owner: owner.to_owned(),
                path: format!("/{path}"),
                became: format!("a text that names {TO} in place of {FROM}"),
            });
        }
        if !self.plan.inline.iter().any(|(known, _)| *known == id) {
            self.plan.inline.push((id, text));
        }
        Ok(())
    }

    /// Names the files that could not be changed.
    fn findings(self) -> Vec<Finding> {
        let kept = self.kept.into_iter();
        let told = kept.map(|((owner, name), paths)| {
            let shown: Vec<_> = (paths.iter().take(SHOWN))
                .map(|path| format!("/{path}"))
                .collect();
            let more = match paths.len().checked_sub(SHOWN) {
                Some(more @ 1..) => format!(" and {}", counted(more, "other file")),
                _ => String::new(),
            };
            let text = format!(
                "{owner}: {}{more} {} {FROM}{name}, which is {TO}{name} in the image",
                shown.join(", "),
                if paths.len() == 1 { "names" } else { "name" }
            );
            Finding::new(&kinds::NAMES_MOVED, text)
        });
        told.collect()
    }
}

/// Directories that were in `/opt`, in each way in which texts write them, with the name itself. What
/// is longer comes first.
struct Names(Vec<(Vec<u8>, String)>);

impl Names {
    /// Returns what the rule moved.
    fn of(plan: &Plan) -> Self {
        let moved = plan.changed.iter().filter(|one| *one.rule == OPT_TO_USR);
        let names = moved.filter_map(|one| one.path.strip_prefix(FROM)?.split('/').next());
        let names: BTreeSet<_> = names.filter(|name| !name.is_empty()).collect();
        Self::written(names)
    }

    fn written<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut all = Vec::new();
        for name in names {
            all.push((name.as_bytes().to_vec(), name.to_owned()));
            if name.contains(' ') {
                let written = ["\\x20", "\\s", "\\ ", "%20"];
                all.extend(written.map(|space| {
                    let text = name.replace(' ', space);
                    (text.into_bytes(), name.to_owned())
                }));
            }
        }
        all.sort_by_key(|(written, _)| std::cmp::Reverse(written.len()));
        Self(all)
    }

    /// Returns the name that a text goes on with.
    fn at(&self, rest: &[u8]) -> Option<&str> {
        let mut names = self.0.iter();
        let ends = |written: &[u8]| {
            let next = rest.get(written.len());
            next.is_none_or(|next| !next.is_ascii_alphanumeric() && !GOES_ON.contains(next))
        };
        names
            .find(|(written, _)| rest.starts_with(written) && ends(written))
            .map(|(_, name)| name.as_str())
    }

    /// Returns a text with the paths as they are now, if that may be done and makes it another, and a
    /// name in it that stays as it was.
    fn rewritten(&self, bytes: &[u8], is_text: bool) -> (Option<Vec<u8>>, Option<String>) {
        // Behind a script there may be an archive, which its text finds by its length.
        let is_script = || is_of_shell(bytes) && !bytes.contains(&0);
        let end = match is_text || is_script() {
            true => bytes.len(),
            false if bytes.starts_with(b"#!") => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                end.unwrap_or(bytes.len())
            }
            false => 0,
        };
        let (mut text, mut left, mut kept) = (Vec::new(), 0, None);
        for at in memmem::find_iter(bytes, FROM) {
            let Some(name) = bytes.get(at + FROM.len()..).and_then(|rest| self.at(rest)) else {
                continue;
            };
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            // In #!/opt the path comes behind the mark.
            if at < end && before.is_none_or(|before| BEFORE.contains(before)) {
                text.extend(bytes.get(left..at).unwrap_or_default());
                text.extend(TO.as_bytes());
                left = at + FROM.len();
            } else {
                kept.get_or_insert_with(|| name.to_owned());
            }
        }
        text.extend(bytes.get(left..).unwrap_or_default());
        ((left > 0).then_some(text), kept)
    }

    /// Returns a name that is in a content.
    fn found(&self, content: &mut dyn Read) -> Result<Option<String>> {
        // A name may begin in one piece and end in the next.
        let longest = self.0.first().map_or(0, |(written, _)| written.len());
        let overlap = FROM.len() + longest + 1;
        let mut piece = Vec::with_capacity(PIECE + overlap);
        loop {
            let mut more = content.take(PIECE as u64);
            let length = more.read_to_end(&mut piece).map_err(content_failure)?;
            let end = match length {
                0 => piece.len(),
                _ => piece.len().saturating_sub(overlap),
            };
            let mut places = memmem::find_iter(&piece, FROM).take_while(|at| *at < end);
            let found = places.find_map(|at| self.at(piece.get(at + FROM.len()..)?));
            if found.is_some() || length == 0 {
                return Ok(found.map(str::to_owned));
            }
            piece.drain(..end);
        }
    }
}

/// Says whether a path is that of a text in which a path is a path.
fn is_text(path: &PathBytes) -> bool {
    let text = path.text();
    TEXT_ENDS.iter().any(|end| text.ends_with(end))
        || text.split('/').any(|part| part == NATIVE_HOSTS)
        || (TEXT_DIRECTORIES.iter()).any(|above| image::is_below(path.bytes(), above))
}

/// Says whether a text is a script for a shell.
fn is_of_shell(bytes: &[u8]) -> bool {
    let line = bytes.strip_prefix(b"#!");
    let line = line.and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    let Some(line) = line.and_then(|line| str::from_utf8(line).ok()) else {
        return false;
    };
    let names = line.split_whitespace().map(|word| word.rsplit('/').next());
    let mut names = names.flatten().filter(|name| !name.starts_with('-'));
    let first = names.next();
    let program = match first {
        Some("env") => names.next(),
        first => first,
    };
    program.is_some_and(|program| SHELLS.contains(&program))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What texts become, and the name that is left in them.
    #[test]
    fn a_path_is_changed_where_a_name_begins_with_it() {
        let names = Names::written(["x", "Two Words", "x-y"]);
        for (text, is_text, expected, kept) in [
            ("Exec=/opt/x/run %U", true, "Exec=/usr/lib/opt/x/run %U", ""),
            ("A=\"/opt/x\"", true, "A=\"/usr/lib/opt/x\"", ""),
            (
                "/opt/x:/opt/x-y/b",
                true,
                "/usr/lib/opt/x:/usr/lib/opt/x-y/b",
                "",
            ),
            ("/opt/xy /opt/x-z /opt /opt/", true, "", ""),
            ("E=-/opt/x/e", true, "E=-/usr/lib/opt/x/e", ""),
            ("/opt/Two Words/a", true, "/usr/lib/opt/Two Words/a", ""),
            (
                "/opt/Two\\x20Words/a",
                true,
                "/usr/lib/opt/Two\\x20Words/a",
                "",
            ),
            ("/opt/Two\\ Words", true, "/usr/lib/opt/Two\\ Words", ""),
            ("/opt/Two\\sWords", true, "/usr/lib/opt/Two\\sWords", ""),
            // What comes before may be another root.
            ("$R/opt/x", true, "", "x"),
            ("/srv/opt/x", true, "", "x"),
            (
                "a=/opt/x b=$R/opt/x",
                true,
                "a=/usr/lib/opt/x b=$R/opt/x",
                "x",
            ),
            (
                "#!/bin/sh\nexec /opt/x/x",
                false,
                "#!/bin/sh\nexec /usr/lib/opt/x/x",
                "",
            ),
            (
                "#!/usr/bin/env -S bash -e\n. /opt/x/x",
                false,
                "#!/usr/bin/env -S bash -e\n. /usr/lib/opt/x/x",
                "",
            ),
            (
                "#!/opt/x/sh\n/opt/x",
                false,
                "#!/usr/lib/opt/x/sh\n/usr/lib/opt/x",
                "",
            ),
            (
                "#!/opt/x/python\np='/opt/x'",
                false,
                "#!/usr/lib/opt/x/python\np='/opt/x'",
                "x",
            ),
            ("#!/usr/bin/python\np='/opt/x'", false, "", "x"),
            // It unpacks what is behind it.
            ("#!/bin/sh\ncd /opt/x; exit\n\x1f\0", false, "", "x"),
            ("\x7fELF /opt/x/lib", false, "", "x"),
        ] {
            let (found, left) = names.rewritten(text.as_bytes(), is_text);
            let found = found.map(|text| String::from_utf8(text).unwrap());
            assert_eq!(found.unwrap_or_default(), expected, "{text}");
            assert_eq!(left.unwrap_or_default(), kept, "{text}");
        }
    }

    #[test]
    fn which_texts_have_paths() {
        for (path, expected) in [
            ("usr/share/applications/x.desktop", true),
            ("usr/lib/opt/x/share/x.desktop", true),
            ("usr/lib/systemd/system/x.service.d/a.conf", true),
            ("usr/share/dbus-1/services/x.service", true),
            ("usr/share/polkit-1/actions/x.policy", true),
            ("usr/share/gnome-control-center/default-apps/x.xml", true),
            (
                "usr/share/factory/etc/opt/c/native-messaging-hosts/x.json",
                true,
            ),
            ("usr/share/x/x.json", false),
            ("usr/share/doc/x", false),
        ] {
            assert_eq!(is_text(&path.into()), expected, "{path}");
        }
    }

    /// A name is found wherever a piece of what is read ends.
    #[test]
    fn a_name_is_found_in_long_contents() {
        let names = Names::written(["x"]);
        for before in [0, 1, PIECE - 8, PIECE - 3, PIECE - 1, PIECE, 2 * PIECE] {
            for (end, expected) in [("/", Some("x")), ("", Some("x")), ("y", None)] {
                let mut content = vec![b'.'; before];
                content.extend(format!("/opt/x{end}").as_bytes());
                let found = names.found(&mut content.as_slice()).unwrap();
                assert_eq!(found.as_deref(), expected, "{before} {end}");
            }
        }
    }
}
