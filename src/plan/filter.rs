//! The named rules that decide what enters an image, and under which path.
//!
//! A rule leaves a file out, moves it, or changes its owner. They are tried in the order of
//! [`RULES`]; the first that leaves a file out ends its way. What a rule did is recorded with its
//! name, so that nothing disappears without a word.

use std::collections::BTreeSet;

use files::PathBytes;
pub use image::is_below;
use serde::{Serialize, Serializer};

use crate::words::failure::{Failure, Result};
use crate::words::suggest::check_known;

/// A file on its way into the image, from a package or an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its path without the leading slash.
    pub path: PathBytes,
    /// What it is.
    pub kind: CandidateKind,
    /// The package marks it as documentation.
    pub doc: bool,
    /// The package marks it as a licence, which is kept where documentation is not.
    pub licence: bool,
    /// The package marks it as belonging to a language.
    pub localized: bool,
    /// The package owns the path but does not bring the file.
    pub ghost: bool,
}

impl Candidate {
    /// Makes a candidate of which no package says anything special.
    pub fn new(path: impl Into<PathBytes>, kind: CandidateKind) -> Self {
        Self {
            path: path.into(),
            kind,
            doc: false,
            licence: false,
            localized: false,
            ghost: false,
        }
    }
}

/// What a candidate is, as far as the rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(PathBytes),
    /// A character device with number 0: overlayfs takes it for "delete this file".
    Whiteout,
    /// Any other device.
    Device,
    /// A named pipe or a socket.
    Endpoint,
}

/// What a rule does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Leaves out what the function says yes to.
    Drop(fn(&Candidate) -> bool),
    /// Moves what is below the first path of a pair to below the second, where the first still leads.
    Move(&'static [(&'static str, &'static str)]),
    /// The same, and nothing leads there by the first path any more.
    Relocate(&'static [(&'static str, &'static str)]),
    /// What the composer does, since it alone knows the base: its owners, and what it reads where.
    Composer,
}

/// Whether a rule is on where nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// On, and can't be switched off: an image that breaks it harms its base.
    Always,
    /// On.
    On,
    /// On where the base is so.
    Base,
    /// Off.
    Off,
    /// Off, and an option of its own switches it on.
    Asked,
}

/// One named rule.
#[derive(Debug)]
pub struct Rule {
    /// The name to type.
    pub name: &'static str,
    /// Whether it is on.
    pub default: Default,
    /// What it does, and why.
    pub about: &'static str,
    /// Nobody misses what it leaves out, so that is not worth a note.
    pub quiet: bool,
    step: Step,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Rule {}

impl Serialize for Rule {
    /// Writes a rule as its name.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// Declares the rules, and the list of all of them in the same order.
macro_rules! rules {
    ($($constant:ident = $rule:expr;)*) => {
        $(
            #[doc = concat!("The rule ", stringify!($constant), ".")]
            pub static $constant: Rule = $rule;
        )*
        /// Every rule, in the order in which they are tried.
        pub static RULES: &[&Rule] = &[$(&$constant),*];
    };
}

rules! {
    DROP_PATH = Rule {
        name: "drop-path",
        default: Default::Asked,
        about: "leave out what --drop PATH and --etc drop name",
        quiet: false,
        step: Step::Composer,
    };
    NO_GHOSTS = Rule {
        name: "no-ghosts",
        default: Default::Always,
        about: "leave out %ghost files: the package owns the path but does not contain the file",
        quiet: true,
        step: Step::Drop(|file| file.ghost),
    };
    NO_WHITEOUTS = Rule {
        name: "no-whiteouts",
        default: Default::Always,
        about: "leave out character devices 0:0: in a merge they delete the base's file",
        quiet: false,
        step: Step::Drop(|file| file.kind == CandidateKind::Whiteout),
    };
    NO_DEVICES = Rule {
        name: "no-devices",
        default: Default::Always,
        about: "leave out device nodes: systemd mounts images with nodev",
        quiet: false,
        step: Step::Drop(|file| file.kind == CandidateKind::Device),
    };
    NO_SOCKETS = Rule {
        name: "no-sockets",
        default: Default::Always,
        about: "leave out sockets and named pipes: nothing can listen on a read-only one",
        quiet: false,
        step: Step::Drop(|file| file.kind == CandidateKind::Endpoint),
    };
    USR_MERGE = Rule {
        name: "usr-merge",
        default: Default::On,
        about: "move /bin, /sbin, /lib, /lib32, /lib64 and /libx32 into /usr",
        quiet: true,
        step: Step::Move(&[
            ("bin", "usr/bin"),
            ("sbin", "usr/sbin"),
            ("lib", "usr/lib"),
            ("lib32", "usr/lib32"),
            ("lib64", "usr/lib64"),
            ("libx32", "usr/libx32"),
        ]),
    };
    SBIN_MERGE = Rule {
        name: "sbin-merge",
        default: Default::Base,
        about: "move /usr/sbin to /usr/bin, where the base has merged them",
        quiet: true,
        step: Step::Move(&[("usr/sbin", "usr/bin")]),
    };
    OPT_TO_USR = Rule {
        name: "opt-to-usr",
        default: Default::Asked,
        about: "move /opt to /usr/lib/opt, with the links and texts that name it (--opt usr)",
        quiet: true,
        step: Step::Relocate(&[("opt", "usr/lib/opt")]),
    };
    DROP_HOST_JOBS = Rule {
        name: "drop-host-jobs",
        default: Default::On,
        about: "leave out what a host does at times of its own: repositories of packages, cron \
                jobs, init scripts, and the rotation of logs",
        quiet: false,
        step: Step::Drop(|file| {
            let place = [
                "etc/yum.repos.d",
                "etc/zypp/repos.d",
                "etc/cron.d",
                "etc/cron.hourly",
                "etc/cron.daily",
                "etc/cron.weekly",
                "etc/cron.monthly",
                "etc/init.d",
                "etc/rc.d",
                "etc/logrotate.d",
            ];
            place.iter().any(|path| is_below(&file.path, path))
        }),
    };
    KEPT_BY_BASE = Rule {
        name: "kept-by-base",
        default: Default::Always,
        about: "leave out files of /etc and /var that the base has: the host's own stay",
        quiet: false,
        step: Step::Composer,
    };
    HOST_DIRECTORIES = Rule {
        name: "host-directories",
        default: Default::Always,
        about: "leave out directories of /etc, /var, /run and /srv that every host has, and those of \
                /run that the package's own tmpfiles.d makes",
        quiet: true,
        step: Step::Composer,
    };
    ETC_TO_USR = Rule {
        name: "etc-to-usr",
        default: Default::On,
        about: "move files of /etc to where the base reads the same below /usr: units, udev rules, \
                D-Bus policies and the like",
        quiet: false,
        step: Step::Composer,
    };
    ETC_TO_FACTORY = Rule {
        name: "etc-to-factory",
        default: Default::On,
        about: "move other files of /etc to /usr/share/factory, and have systemd-tmpfiles copy \
                them to hosts that have none",
        quiet: true,
        step: Step::Composer,
    };
    ETC_TO_CONFEXT = Rule {
        name: "etc-to-confext",
        default: Default::Asked,
        about: "put files of /etc into a companion image that systemd-confext merges (--etc confext)",
        quiet: true,
        step: Step::Composer,
    };
    STATE_TO_TMPFILES = Rule {
        name: "state-to-tmpfiles",
        default: Default::On,
        about: "have systemd-tmpfiles make directories and links of /var, /run and /srv, and files \
                of /var/lib",
        quiet: true,
        step: Step::Composer,
    };
    HIERARCHY_ONLY = Rule {
        name: "hierarchy-only",
        default: Default::Always,
        about: "leave out what else is outside /usr and /opt: systemd-sysext merges nothing there",
        quiet: false,
        step: Step::Drop(|file| !is_below(&file.path, "usr") && !is_below(&file.path, "opt")),
    };
    NO_RPMDB = Rule {
        name: "no-rpmdb",
        default: Default::Always,
        about: "leave out RPM's database: the base's own must stay visible",
        quiet: false,
        step: Step::Drop(|file| {
            ["usr/lib/sysimage/rpm", "usr/share/rpm"]
                .iter()
                .any(|path| is_below(&file.path, path))
        }),
    };
    NO_OS_RELEASE = Rule {
        name: "no-os-release",
        default: Default::Always,
        about: "leave out /usr/lib/os-release: systemd refuses an image that has one",
        quiet: false,
        step: Step::Drop(|file| file.path == "usr/lib/os-release"),
    };
    NO_EXTENSION_RELEASE = Rule {
        name: "no-extension-release",
        default: Default::Always,
        about: "leave out a package's own extension-release files: an image has exactly one",
        quiet: false,
        step: Step::Drop(|file| is_below(&file.path, "usr/lib/extension-release.d")),
    };
    DROP_BUILD_ID = Rule {
        name: "drop-build-id",
        default: Default::On,
        about: "leave out /usr/lib/.build-id: links that only debuggers follow, and that clash \
                with the base's",
        quiet: true,
        step: Step::Drop(|file| is_below(&file.path, "usr/lib/.build-id")),
    };
    DROP_DOCS = Rule {
        name: "drop-docs",
        default: Default::Off,
        about: "leave out documentation: what packages mark as such, /usr/share/doc, \
                /usr/share/gtk-doc, /usr/share/info; licences stay",
        quiet: true,
        step: Step::Drop(|file| {
            let place = ["usr/share/doc", "usr/share/gtk-doc", "usr/share/info"];
            !file.licence
                && file.kind != CandidateKind::Directory
                && !is_below(&file.path, "usr/share/man")
                && (file.doc || place.iter().any(|path| is_below(&file.path, path)))
        }),
    };
    DROP_MAN = Rule {
        name: "drop-man",
        default: Default::Off,
        about: "leave out manual pages: /usr/share/man",
        quiet: true,
        step: Step::Drop(|file| is_below(&file.path, "usr/share/man")),
    };
    DROP_LOCALES = Rule {
        name: "drop-locales",
        default: Default::Off,
        about: "leave out translations: what packages mark with a language, /usr/share/locale",
        quiet: true,
        step: Step::Drop(|file| {
            (file.localized && file.kind != CandidateKind::Directory)
                || is_below(&file.path, "usr/share/locale")
        }),
    };
    OWNER_TO_ROOT = Rule {
        name: "owner-to-root",
        default: Default::Always,
        about: "give files of other users or groups to root, without set-uid and set-gid, as rpm \
                does for unknown names, unless the base gives them a fixed number",
        quiet: false,
        step: Step::Composer,
    };
}

/// Where a candidate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It enters the image under its path (and with its link target).
    Kept,
    /// This rule left it out.
    Dropped(&'static Rule),
}

/// The rules that are on.
#[derive(Clone, Debug)]
pub struct RuleSet {
    on: BTreeSet<&'static str>,
    /// `Default::Base` rules that the user decided, which the base then doesn't.
    decided: BTreeSet<&'static str>,
    /// Paths that are left out with what is below them, without a leading slash.
    unwanted: BTreeSet<String>,
}

impl RuleSet {
    /// Returns the defaults, less `keep`, plus `drop`, which may have paths, too.
    pub fn new(keep: &[String], drop: &[String]) -> Result<Self> {
        let (paths, drop): (Vec<_>, Vec<_>) =
            (drop.iter().cloned()).partition(|name| name.starts_with('/'));
        let unwanted = paths.iter().map(|path| unwanted(path));
        let unwanted = unwanted.collect::<Result<_>>()?;
        let names = |admit: fn(Default) -> bool| -> Vec<&'static str> {
            RULES
                .iter()
                .filter(|rule| admit(rule.default))
                .map(|rule| rule.name)
                .collect()
        };
        let typed = |default| default != Default::Asked;
        check_known("--keep", keep, &names(typed))?;
        check_known("--drop", &drop, &names(typed))?;
        if let Some(name) = keep
            .iter()
            .find(|name| names(|default| default == Default::Always).contains(&name.as_str()))
        {
            return Err(Failure::usage(format!(
                "--keep {name}: this rule can't be switched off, because the image would harm its \
                 base"
            )));
        }
        let mut on: BTreeSet<_> = names(|default| matches!(default, Default::Always | Default::On))
            .into_iter()
            .collect();
        let mut decided = BTreeSet::new();
        for name in names(|_| true) {
            if drop.iter().any(|typed| typed == name) {
                on.insert(name);
                decided.insert(name);
            }
            if keep.iter().any(|typed| typed == name) {
                on.remove(name);
                decided.insert(name);
            }
        }
        Ok(Self {
            on,
            decided,
            unwanted,
        })
    }

    /// Returns the path that the user does not want, which this path of a package is or is below.
    pub fn unwanted_above(&self, path: &PathBytes) -> Option<&str> {
        self.unwanted().find(|above| is_below(path, above))
    }

    /// Returns the paths that are left out, without a leading slash.
    pub fn unwanted(&self) -> impl Iterator<Item = &str> {
        self.unwanted.iter().map(String::as_str)
    }

    /// Switches on what this base needs, unless the user decided.
    pub fn for_base(&self, merged_sbin: bool) -> Self {
        let mut rules = self.clone();
        if merged_sbin && !self.decided.contains(SBIN_MERGE.name) {
            rules.on.insert(SBIN_MERGE.name);
        }
        rules
    }

    /// Switches on what moves `/opt` below `/usr`, if that is asked.
    pub fn with_opt_below_usr(mut self, is_asked: bool) -> Self {
        if is_asked {
            self.on.insert(OPT_TO_USR.name);
        }
        self
    }

    /// Returns where an absolute path is after moves that leave nothing behind, if they move it.
    pub fn relocated(&self, path: &str) -> Option<String> {
        let path = path.strip_prefix('/')?;
        let pairs = self.rules().find_map(|rule| match rule.step {
            Step::Relocate(pairs) => Some(pairs),
            _ => None,
        })?;
        let moved = merged(path.as_bytes(), pairs)?;
        Some(format!("/{}", String::from_utf8(moved).ok()?))
    }

    /// Returns the rules that are on, in their order.
    fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        RULES.iter().copied().filter(|rule| self.is_on(rule))
    }

    /// Returns the names of the rules that are on, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        self.on.iter().copied().collect()
    }

    /// Says whether a rule is on.
    pub fn is_on(&self, rule: &Rule) -> bool {
        self.on.contains(rule.name)
    }

    /// Returns where a link at `path` leads by its text, after the moves of these rules.
    pub fn destination(&self, path: &PathBytes, target: &PathBytes) -> Option<Vec<u8>> {
        let mut place = resolved(path.bytes(), target.bytes())?;
        for rule in self.rules() {
            if let Step::Move(pairs) | Step::Relocate(pairs) = rule.step {
                place = merged(&place, pairs).unwrap_or(place);
            }
        }
        Some(place)
    }

    /// Sends a candidate through the rules. `moved` is told of each move.
    pub fn judge(&self, file: &mut Candidate, moved: &mut dyn FnMut(&'static Rule)) -> Verdict {
        for rule in self.rules() {
            let relocation = match rule.step {
                Step::Drop(says_yes) if says_yes(file) => return Verdict::Dropped(rule),
                Step::Move(pairs) => relocate(file, pairs, false),
                Step::Relocate(pairs) => relocate(file, pairs, true),
                Step::Drop(_) | Step::Composer => Relocation::Stays,
            };
            match relocation {
                Relocation::Stays => {}
                Relocation::Moved => moved(rule),
                Relocation::Vanishes => return Verdict::Dropped(rule),
            }
        }
        Verdict::Kept
    }
}

/// Checks a path that is to be left out, and returns it without its slash.
fn unwanted(path: &str) -> Result<String> {
    let relative = path.trim_start_matches('/').trim_end_matches('/');
    let is_proper = |part: &str| !["", ".", ".."].contains(&part);
    match relative.split('/').all(is_proper) && !path.contains('\0') {
        true => Ok(relative.to_owned()),
        false => Err(Failure::usage(format!(
            "--drop {path}: this is not the path of a file in a package"
        ))),
    }
}

enum Relocation {
    Stays,
    Moved,
    /// It would be a link to itself: what it pointed to is where it would be.
    Vanishes,
}

/// Returns where the first pair that fits moves a path.
fn merged(path: &[u8], pairs: &[(&str, &str)]) -> Option<Vec<u8>> {
    let (from, to) = pairs.iter().find(|(from, _)| is_below(path, from))?;
    Some([to.as_bytes(), path.get(from.len()..)?].concat())
}

/// Moves a candidate by the first pair that fits, and mends a link that the move breaks: a relative
/// one that is moved, and where nothing is left behind, every one that leads there.
fn relocate(file: &mut Candidate, pairs: &[(&str, &str)], is_all: bool) -> Relocation {
    // The link that the merge itself put there: /bin -> usr/bin.
    if matches!(file.kind, CandidateKind::Symlink(_))
        && pairs.iter().any(|(from, _)| file.path == *from)
    {
        return Relocation::Vanishes;
    }
    let new_path = merged(file.path.bytes(), pairs);
    let mut is_mended = false;
    if let CandidateKind::Symlink(target) = &mut file.kind {
        let place = new_path.as_deref().unwrap_or(file.path.bytes());
        if let Some(points_to) = resolved(file.path.bytes(), target.bytes()) {
            let there = merged(&points_to, pairs);
            let is_gone = is_all && there.is_some();
            let points_to = there.unwrap_or(points_to);
            if points_to == place {
                return Relocation::Vanishes;
            }
            let is_absolute = target.bytes().starts_with(b"/");
            if is_absolute && is_gone {
                *target = [b"/", &*points_to].concat().into();
                is_mended = true;
            } else if (new_path.is_some() || is_gone)
                && !is_absolute
                && resolved(place, target.bytes()).as_deref() != Some(&points_to)
            {
                *target = relative(place, &points_to).into();
                is_mended = true;
            }
        }
    }
    match new_path {
        None if is_mended => Relocation::Moved,
        None => Relocation::Stays,
        Some(path) => {
            file.path = path.into();
            Relocation::Moved
        }
    }
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

/// Returns where a link at `path` points to, by its text alone: no other link is followed. `None`
/// where the text leaves the root.
pub fn resolved(path: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut place: Vec<&[u8]> = parts(path).collect();
    place.pop();
    if target.starts_with(b"/") {
        place.clear();
    }
    for part in parts(target) {
        match part {
            b"" | b"." => {}
            b".." => {
                place.pop()?;
            }
            _ => place.push(part),
        }
    }
    Some(place.join(&b'/'))
}

/// Returns the relative target that leads from a link at `path` to `to`.
pub(super) fn relative(path: &[u8], to: &[u8]) -> Vec<u8> {
    let from: Vec<&[u8]> = parts(path).collect();
    let from = from.get(..from.len().saturating_sub(1)).unwrap_or_default();
    let to: Vec<&[u8]> = parts(to).collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut way = vec![&b".."[..]; from.len() - shared];
    way.extend(to.iter().skip(shared));
    way.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Candidate {
        Candidate::new(path.to_owned(), CandidateKind::File)
    }

    fn link(path: &str, target: &str) -> Candidate {
        Candidate {
            kind: CandidateKind::Symlink(target.into()),
            ..file(path)
        }
    }

    fn rules(keep: &[&str], drop: &[&str]) -> RuleSet {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        RuleSet::new(&owned(keep), &owned(drop)).unwrap()
    }

    /// Returns `path [-> target] [rules that moved it]`, or `- rule`.
    fn outcome(rules: &RuleSet, mut file: Candidate) -> String {
        let mut moves = String::new();
        match rules.judge(&mut file, &mut |rule| moves += &format!(" {}", rule.name)) {
            Verdict::Dropped(rule) => format!("- {}", rule.name),
            Verdict::Kept => match file.kind {
                CandidateKind::Symlink(target) => format!("{} -> {target}{moves}", file.path),
                _ => format!("{}{moves}", file.path),
            },
        }
    }

    #[test]
    fn defaults() {
        let rules = rules(&[], &[]);
        let kind = |kind| Candidate {
            kind,
            ..file("usr/lib/x")
        };
        for (candidate, expected) in [
            (file("usr/bin/strace"), "usr/bin/strace"),
            (file("opt/x"), "opt/x"),
            (file("usrx/y"), "- hierarchy-only"),
            (file("etc/strace.conf"), "- hierarchy-only"),
            (file("var/lib/rpm/rpmdb.sqlite"), "- hierarchy-only"),
            (file("usr/lib/sysimage/rpm/rpmdb.sqlite"), "- no-rpmdb"),
            (file("usr/lib/os-release"), "- no-os-release"),
            (file("usr/lib/os-release.d"), "usr/lib/os-release.d"),
            (
                file("usr/lib/extension-release.d/extension-release.x"),
                "- no-extension-release",
            ),
            (file("usr/lib/sysimage/rpm"), "- no-rpmdb"),
            (file("usr/share/rpm/Packages"), "- no-rpmdb"),
            (file("usr/share/rpmlint/x"), "usr/share/rpmlint/x"),
            (
                file("usr/lib/extension-release.d"),
                "- no-extension-release",
            ),
            (file("usr/lib/.build-id/ab/cdef"), "- drop-build-id"),
            (file("usr/share/doc/x/README"), "usr/share/doc/x/README"),
            (kind(CandidateKind::Whiteout), "- no-whiteouts"),
            (kind(CandidateKind::Device), "- no-devices"),
            (kind(CandidateKind::Endpoint), "- no-sockets"),
            (
                Candidate {
                    ghost: true,
                    ..file("usr/lib/x")
                },
                "- no-ghosts",
            ),
        ] {
            assert_eq!(
                outcome(&rules, candidate.clone()),
                expected,
                "{candidate:?}"
            );
        }
    }

    #[test]
    fn merging() {
        let rules = rules(&[], &["sbin-merge"]);
        for (candidate, expected) in [
            (file("bin/ls"), "usr/bin/ls usr-merge"),
            (file("lib/ld.so"), "usr/lib/ld.so usr-merge"),
            (file("lib32/ld.so"), "usr/lib32/ld.so usr-merge"),
            (file("lib64/ld.so"), "usr/lib64/ld.so usr-merge"),
            (file("libx32/ld.so"), "usr/libx32/ld.so usr-merge"),
            (file("library/x"), "- hierarchy-only"),
            (file("sbin/fsck"), "usr/bin/fsck usr-merge sbin-merge"),
            (file("usr/sbin/fsck"), "usr/bin/fsck sbin-merge"),
            // The links that a merged base has.
            (link("bin", "usr/bin"), "- usr-merge"),
            (link("usr/sbin", "bin"), "- sbin-merge"),
            // A link beside its target stays as it is, one that went up is mended.
            (
                link("lib/libx.so.1", "libx.so.1.2"),
                "usr/lib/libx.so.1 -> libx.so.1.2 usr-merge",
            ),
            (
                link("bin/vi", "../usr/bin/vim"),
                "usr/bin/vi -> vim usr-merge",
            ),
            (
                link("lib/x", "../etc/x"),
                "usr/lib/x -> ../../etc/x usr-merge",
            ),
            (link("lib/x", "/etc/x"), "usr/lib/x -> /etc/x usr-merge"),
            // Links from the old place to the new, or back, would point to themselves.
            (link("bin/awk", "../usr/bin/awk"), "- usr-merge"),
            (link("bin/awk", "/usr/bin/awk"), "- usr-merge"),
            (link("usr/bin/awk", "../../bin/awk"), "- usr-merge"),
            (link("usr/sbin/ip", "../bin/ip"), "- sbin-merge"),
            (link("usr/bin/sh", "bash"), "usr/bin/sh -> bash"),
            // A link that stays is left as it is, and so is one that climbs above the root.
            (link("usr/lib/x", "../../bin/y"), "usr/lib/x -> ../../bin/y"),
            (
                link("lib/x", "../../../etc/x"),
                "usr/lib/x -> ../../../etc/x usr-merge",
            ),
            (
                link("bin/x", ".././/etc/./x"),
                "usr/bin/x -> ../../etc/x usr-merge",
            ),
            (
                link("lib/a/b/x", "../c/y"),
                "usr/lib/a/b/x -> ../c/y usr-merge",
            ),
            (
                link("lib/a/x", "../../bin/y"),
                "usr/lib/a/x -> ../../bin/y usr-merge",
            ),
            (file("bin"), "usr/bin usr-merge"),
        ] {
            assert_eq!(
                outcome(&rules, candidate.clone()),
                expected,
                "{candidate:?}"
            );
        }
    }

    /// Nothing is left in the place of what is moved, so every link that leads there is another.
    #[test]
    fn opt_is_moved_with_all_that_leads_to_it() {
        let off = rules(&[], &[]);
        let rules = off.clone().with_opt_below_usr(true);
        for (candidate, expected) in [
            (file("opt/x/run"), "usr/lib/opt/x/run opt-to-usr"),
            (file("opt"), "usr/lib/opt opt-to-usr"),
            (file("usr/opt/x"), "usr/opt/x"),
            (
                link("usr/bin/x", "/opt/x/run"),
                "usr/bin/x -> /usr/lib/opt/x/run opt-to-usr",
            ),
            (
                link("usr/bin/x", "../../opt/x/run"),
                "usr/bin/x -> ../lib/opt/x/run opt-to-usr",
            ),
            (
                link("bin/x", "/opt/x"),
                "usr/bin/x -> /usr/lib/opt/x usr-merge opt-to-usr",
            ),
            (link("opt/x/a", "b"), "usr/lib/opt/x/a -> b opt-to-usr"),
            (
                link("opt/x/a", "/opt/x/b"),
                "usr/lib/opt/x/a -> /usr/lib/opt/x/b opt-to-usr",
            ),
            (
                link("opt/x/a", "../../usr/bin/b"),
                "usr/lib/opt/x/a -> ../../../bin/b opt-to-usr",
            ),
            (
                link("opt/x/a", "/usr/bin/b"),
                "usr/lib/opt/x/a -> /usr/bin/b opt-to-usr",
            ),
            (link("usr/bin/x", "/option"), "usr/bin/x -> /option"),
        ] {
            assert_eq!(
                outcome(&rules, candidate.clone()),
                expected,
                "{candidate:?}"
            );
        }
        assert_eq!(rules.relocated("/opt/x").as_deref(), Some("/usr/lib/opt/x"));
        assert_eq!(rules.relocated("opt/x"), None);
        assert_eq!(off.relocated("/opt/x"), None);
        // It has an option of its own, and no other spelling.
        let name = ["opt-to-usr".to_owned()];
        assert!(RuleSet::new(&[], &name).is_err() && RuleSet::new(&name, &[]).is_err());
    }

    #[test]
    fn chosen_rules() {
        let doc = |path: &str| Candidate {
            doc: true,
            ..file(path)
        };
        for (rules, candidate, expected) in [
            (
                rules(&["usr-merge"], &[]),
                file("bin/ls"),
                "- hierarchy-only",
            ),
            (
                rules(&["drop-build-id"], &[]),
                file("usr/lib/.build-id/a"),
                "usr/lib/.build-id/a",
            ),
            (
                rules(&[], &["drop-docs"]),
                doc("usr/lib/x/README"),
                "- drop-docs",
            ),
            (
                rules(&[], &["drop-docs"]),
                doc("usr/share/man/man1/x.1"),
                "usr/share/man/man1/x.1",
            ),
            (
                rules(&[], &["drop-docs"]),
                Candidate {
                    licence: true,
                    ..file("usr/share/doc/x/COPYING")
                },
                "usr/share/doc/x/COPYING",
            ),
            (
                rules(&[], &["drop-docs"]),
                file("usr/share/gtk-doc/x"),
                "- drop-docs",
            ),
            (
                rules(&[], &["drop-docs"]),
                file("usr/share/info/x"),
                "- drop-docs",
            ),
            (
                rules(&[], &["drop-docs"]),
                file("usr/share/docs"),
                "usr/share/docs",
            ),
            (
                rules(&[], &["drop-docs"]),
                Candidate {
                    kind: CandidateKind::Directory,
                    ..doc("usr/share/doc/x")
                },
                "usr/share/doc/x",
            ),
            (
                rules(&[], &["drop-man"]),
                file("usr/share/man/man1/x.1"),
                "- drop-man",
            ),
            (
                rules(&[], &["drop-locales"]),
                Candidate {
                    kind: CandidateKind::Directory,
                    localized: true,
                    ..file("usr/lib/x/de")
                },
                "usr/lib/x/de",
            ),
            (
                rules(&[], &["drop-locales"]),
                file("usr/lib/x/y.qm"),
                "usr/lib/x/y.qm",
            ),
            (
                rules(&[], &["drop-locales"]),
                file("usr/share/locale/de/x.mo"),
                "- drop-locales",
            ),
            (
                rules(&[], &["drop-locales"]),
                Candidate {
                    localized: true,
                    ..file("usr/lib/x/de.qm")
                },
                "- drop-locales",
            ),
        ] {
            assert_eq!(
                outcome(&rules, candidate.clone()),
                expected,
                "{candidate:?}"
            );
        }
    }

    #[test]
    fn the_base_decides_unless_the_user_did() {
        let this = &["sbin-merge"][..];
        for (keep, drop, merged, on) in [
            (&[][..], &[][..], true, true),
            (&[], &[], false, false),
            (this, &[], true, false),
            (&[], this, false, true),
            (this, this, true, false),
        ] {
            let rules = rules(keep, drop).for_base(merged);
            assert_eq!(rules.is_on(&SBIN_MERGE), on, "{keep:?} {drop:?} {merged}");
        }
    }

    #[test]
    fn what_nobody_decides() {
        let defaults = rules(&[], &[]);
        let off = RULES.iter().filter(|rule| !defaults.is_on(rule));
        let off: Vec<_> = off.map(|rule| rule.name).collect();
        let expected = [
            "drop-path",
            "sbin-merge",
            "opt-to-usr",
            "etc-to-confext",
            "drop-docs",
            "drop-man",
            "drop-locales",
        ];
        assert_eq!(off, expected);
        let said = RULES.iter().filter(|rule| !rule.quiet);
        let said: Vec<_> = said.map(|rule| rule.name).collect();
        assert_eq!(
            said,
            [
                "drop-path",
                "no-whiteouts",
                "no-devices",
                "no-sockets",
                "drop-host-jobs",
                "kept-by-base",
                "etc-to-usr",
                "hierarchy-only",
                "no-rpmdb",
                "no-os-release",
                "no-extension-release",
                "owner-to-root"
            ]
        );
        let written = serde_json::to_string(&USR_MERGE).unwrap();
        assert_eq!(written, "\"usr-merge\"");
    }

    #[test]
    fn names_that_are_refused() {
        let refused = |keep: &[&str]| {
            let keep: Vec<_> = keep.iter().map(|name| (*name).to_owned()).collect();
            let failure = RuleSet::new(&keep, &[]).unwrap_err();
            (failure.source.to_string(), failure.hints)
        };
        assert_eq!(
            refused(&["usr-merg"]),
            (
                "--keep: unknown name \"usr-merg\"".into(),
                vec!["did you mean usr-merge?".into()]
            )
        );
        assert!(refused(&["no-devices"]).0.contains("can't be switched off"));
        for path in ["/", "/usr/../etc", "/usr//a"] {
            let failure = RuleSet::new(&[], &[path.to_owned()]).unwrap_err();
            assert!(
                failure.source.to_string().contains("not the path"),
                "{path}"
            );
        }
    }
}
