//! Effects of scriptlets, done as data: modes, owners, capabilities and links in the image, lines of
//! tmpfiles.d(5) for what is outside of it.
//!
//! ```text
//! chmod 4755 /usr/lib/x/sandbox       the mode of the file in the image
//! install -d -m 0750 /var/log/x       d /var/log/x 0750 root root -
//! update-alternatives --install ...   a link below /usr
//! ```

use std::collections::BTreeMap;

use files::PathBytes;
use image::{Content, Leaf, Stat, Tree, Visit};

use super::scriptlets::{Alternative, Effect, capability, changed_mode};
use super::tmpfiles;
use crate::base::Owners;
use crate::base::files::{BaseEntry, BaseFiles};
use crate::plan::compose::Plan;
use crate::plan::filter::{Candidate, CandidateKind, RuleSet, Verdict};

/// Directories outside of an image of which tmpfiles.d(5) may make a part.
const OUTSIDE: [&str; 4] = ["etc/", "run/", "srv/", "var/"];
/// The attribute with file capabilities.
const CAPABILITY: &str = "security.capability";

/// What an image is made for and of.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// What decides where paths are in the image.
    pub rules: &'a RuleSet,
    /// The files of the base, where they are known.
    pub files: Option<&'a BaseFiles<'a>>,
    /// Accounts with a number that holds on the base.
    pub owners: &'a Owners,
}

/// Where a path of a scriptlet is.
enum Place {
    /// In the image.
    Image(PathBytes),
    /// On the host.
    Host,
    /// Where nothing can be said.
    Nowhere,
}

/// A directory that tmpfiles.d(5) makes.
struct Made {
    mode: u16,
    user: String,
    group: String,
}

/// Does effects, one after the other.
pub struct Doer<'a, 'p> {
    ground: Ground<'a>,
    plan: &'p mut Plan,
    directories: BTreeMap<String, Made>,
    /// Other lines of tmpfiles.d(5), by their path and type.
    others: BTreeMap<(String, char), String>,
    alternatives: BTreeMap<String, Vec<Alternative>>,
    has_changed: bool,
}

impl<'a, 'p> Doer<'a, 'p> {
    /// Begins with a plan.
    pub fn new(plan: &'p mut Plan, ground: Ground<'a>) -> Self {
        Self {
            ground,
            plan,
            directories: BTreeMap::new(),
            others: BTreeMap::new(),
            alternatives: BTreeMap::new(),
            has_changed: false,
        }
    }

    /// Returns the image's files, as they are by now.
    pub fn tree(&self) -> &Tree {
        &self.plan.tree
    }

    /// Says whether a mode, owner or capability of a file of the image is another.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Does an effect; none if it can't be done as data. Units are for others to start.
    pub fn perform(&mut self, effect: &Effect) -> Option<()> {
        match effect {
            Effect::Accounts => Some(()),
            Effect::Start(_) | Effect::Preset(_) | Effect::Touch(_) => None,
            Effect::Alternative(alternative) => self.offer(alternative),
            Effect::Mode {
                path,
                mode,
                is_deep,
            } => self.mode(path, mode, *is_deep),
            Effect::Owner {
                path,
                user,
                group,
                is_deep,
            } => self.owner(path, user.as_deref(), group.as_deref(), *is_deep),
            Effect::Capabilities { path, text } => self.capabilities(path, text),
            Effect::Link { path, target } => self.link(path, target),
            Effect::Directory { path, mode } => self.directory(path, *mode),
            Effect::File { path } => self.file(path),
            Effect::Copy {
                path,
                from,
                replaces,
            } => self.copy(path, from, *replaces),
        }
    }

    fn place(&self, path: &str) -> Place {
        let Some(relative) = path.strip_prefix('/').filter(|path| !path.is_empty()) else {
            return Place::Nowhere;
        };
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !relative.split('/').all(is_plain) || relative.contains(['\n', '\0']) {
            return Place::Nowhere;
        }
        if OUTSIDE.iter().any(|above| relative.starts_with(above)) {
            return Place::Host;
        }
        let mut candidate = Candidate::new(relative, CandidateKind::File);
        match self.ground.rules.judge(&mut candidate, &mut |_| {}) {
            Verdict::Kept => Place::Image(candidate.path),
            Verdict::Dropped(_) => Place::Nowhere,
        }
    }

    /// Returns what packages themselves have at a path outside of the image.
    fn own(&mut self, path: &str) -> Option<&mut tmpfiles::Line> {
        self.plan.tmpfiles.get_mut(path.trim_start_matches('/'))
    }

    fn stat(&self, mode: u16) -> Stat {
        Stat {
            mode,
            mtime: self.plan.time,
            ..Stat::default()
        }
    }

    /// Returns what is at a path of the base.
    fn of_base(&self, path: &PathBytes) -> BaseEntry {
        let files = self.ground.files;
        files.map_or(BaseEntry::Missing, |files| files.entry(path.bytes()))
    }

    /// Returns the paths of the image at a path, and below it if `is_deep`.
    fn below(&self, path: &PathBytes, is_deep: bool) -> Option<Vec<PathBytes>> {
        self.plan.tree.get(path)?;
        let mut found = vec![path.clone()];
        if is_deep {
            self.plan.tree.walk(&mut |one, _| {
                if one != path && image::is_below(one, path) {
                    found.push(one.clone());
                }
            });
        }
        Some(found)
    }

    /// Changes the attributes of a file or directory of the image. A symbolic link has none.
    fn change(&mut self, path: &PathBytes, change: &dyn Fn(&mut Stat, bool)) -> Option<()> {
        self.has_changed = true;
        match self.plan.tree.get(path)? {
            Visit::Directory(directory) => {
                let mut stat = directory.stat.clone();
                change(&mut stat, true);
                let implicit = Stat::implicit_directory(self.plan.time);
                self.plan.described.insert(path.clone());
                (self.plan.tree)
                    .insert_directory(path, stat, &implicit)
                    .ok()
            }
            Visit::Leaf(id, leaf) => {
                let is_file = matches!(leaf.content, Content::File { .. });
                if is_file {
                    change(&mut self.plan.tree.leaf_mut(id).stat, false);
                }
                Some(())
            }
        }
    }

    fn mode(&mut self, path: &str, mode: &str, is_deep: bool) -> Option<()> {
        match self.place(path) {
            Place::Image(path) => {
                for path in self.below(&path, is_deep)? {
                    self.change(&path, &|stat, is_directory| {
                        stat.mode =
                            changed_mode(mode, stat.mode, is_directory).unwrap_or(stat.mode);
                    })?;
                }
                Some(())
            }
            Place::Host => {
                if let Some(line) = self.own(path).filter(|_| !is_deep) {
                    let is_directory = line.made == tmpfiles::Made::Directory;
                    line.mode = changed_mode(mode, line.mode, is_directory)?;
                    return Some(());
                }
                let made = self.directories.get_mut(path);
                let octal = u16::from_str_radix(mode, 8).ok();
                match (made, octal) {
                    (Some(made), _) => {
                        made.mode = changed_mode(mode, made.mode, true)?;
                        Some(())
                    }
                    (None, Some(mode)) => self.other(
                        path,
                        if is_deep { 'Z' } else { 'z' },
                        &format!("{mode:04o} - - -"),
                    ),
                    (None, None) => None,
                }
            }
            Place::Nowhere => None,
        }
    }

    fn owner(
        &mut self,
        path: &str,
        user: Option<&str>,
        group: Option<&str>,
        is_deep: bool,
    ) -> Option<()> {
        match self.place(path) {
            Place::Image(path) => {
                let number = |name: Option<&str>, is_user: bool| match name {
                    None => Some(None),
                    Some(name) => {
                        let of_base = match is_user {
                            true => self.ground.owners.user(name),
                            false => self.ground.owners.group(name),
                        };
                        (name == "root" || name == "0")
                            .then_some(0)
                            .or(of_base)
                            .map(Some)
                    }
                };
                let (uid, gid) = (number(user, true)?, number(group, false)?);
                for path in self.below(&path, is_deep)? {
                    self.change(&path, &|stat, is_directory| {
                        stat.uid = uid.unwrap_or(stat.uid);
                        stat.gid = gid.unwrap_or(stat.gid);
                        // The kernel takes privileges from a file that gets another owner.
                        if !is_directory {
                            let is_run = stat.mode & 0o010 != 0;
                            stat.mode &= if is_run { !0o6000 } else { !0o4000 };
                            stat.xattrs = without_capabilities(stat);
                        }
                    })?;
                }
                Some(())
            }
            Place::Host => {
                if let Some(line) = self.own(path).filter(|_| !is_deep) {
                    let names = line.owners.iter_mut().zip([user, group]);
                    for (own, name) in names {
                        *own = name.unwrap_or(own).to_owned();
                    }
                    return Some(());
                }
                if let Some(made) = self.directories.get_mut(path) {
                    if let Some(user) = user {
                        user.clone_into(&mut made.user);
                    }
                    if let Some(group) = group {
                        group.clone_into(&mut made.group);
                    }
                    return Some(());
                }
                let (user, group) = (user.unwrap_or("-"), group.unwrap_or("-"));
                let kind = if is_deep { 'Z' } else { 'z' };
                self.other(path, kind, &format!("- {user} {group} -"))
            }
            Place::Nowhere => None,
        }
    }

    fn capabilities(&mut self, path: &str, text: &str) -> Option<()> {
        let Place::Image(path) = self.place(path) else {
            return None;
        };
        let value = capability(text)?;
        let Visit::Leaf(id, leaf) = self.plan.tree.get(&path)? else {
            return None;
        };
        if !matches!(leaf.content, Content::File { .. }) {
            return None;
        }
        self.has_changed = true;
        let stat = &mut self.plan.tree.leaf_mut(id).stat;
        stat.xattrs.insert(CAPABILITY.to_owned(), value);
        Some(())
    }

    fn link(&mut self, path: &str, target: &str) -> Option<()> {
        if target.contains(['\n', '\0']) {
            return None;
        }
        let relocated = self.ground.rules.relocated(target);
        let target = relocated.as_deref().unwrap_or(target);
        match self.place(path) {
            Place::Image(path) => self.put_link(&path, target),
            Place::Host if self.own(path).is_some() => None,
            Place::Host => self.other(path, 'L', &format!("- - - - {}", escaped(target))),
            Place::Nowhere => None,
        }
    }

    /// Puts a link into the image, or gives one that is there another target.
    fn put_link(&mut self, path: &PathBytes, target: &str) -> Option<()> {
        let content = Content::Symlink(target.into());
        let is_there = match self.plan.tree.get(path) {
            None => None,
            Some(Visit::Leaf(id, leaf)) if matches!(leaf.content, Content::Symlink(_)) => Some(id),
            Some(_) => return None,
        };
        if let Some(id) = is_there {
            self.plan.tree.leaf_mut(id).content = content;
            return Some(());
        }
        match self.of_base(path) {
            BaseEntry::Missing => {}
            BaseEntry::Link(known) if known == target => return Some(()),
            _ => return None,
        }
        let leaf = Leaf {
            stat: self.stat(0o777),
            content,
        };
        let implicit = Stat::implicit_directory(self.plan.time);
        let added = self.plan.tree.insert_leaf(path, leaf, &implicit);
        added.ok().map(drop)
    }

    fn directory(&mut self, path: &str, mode: Option<u16>) -> Option<()> {
        match self.place(path) {
            Place::Image(path) => {
                let is_there = match self.plan.tree.get(&path) {
                    Some(Visit::Directory(_)) => true,
                    Some(Visit::Leaf(..)) => return None,
                    None => matches!(self.of_base(&path), BaseEntry::Directory(_)),
                };
                if is_there {
                    return Some(());
                }
                let stat = self.stat(mode.unwrap_or(0o755));
                let implicit = Stat::implicit_directory(self.plan.time);
                self.plan.described.insert(path.clone());
                (self.plan.tree)
                    .insert_directory(&path, stat, &implicit)
                    .ok()
            }
            Place::Host => {
                // What a package has is there when its scriptlet runs.
                if let Some(line) = self.own(path) {
                    line.mode = mode.unwrap_or(line.mode);
                    return Some(());
                }
                let made = self.directories.entry(path.to_owned());
                made.or_insert_with(|| Made {
                    mode: mode.unwrap_or(0o755),
                    user: "root".to_owned(),
                    group: "root".to_owned(),
                });
                Some(())
            }
            Place::Nowhere => None,
        }
    }

    fn file(&mut self, path: &str) -> Option<()> {
        match self.place(path) {
            Place::Image(path) => match self.plan.tree.get(&path) {
                Some(_) => Some(()),
                None => None,
            },
            Place::Host => {
                // A copy has more to say.
                let is_copy = self.others.contains_key(&(path.to_owned(), 'C'));
                match is_copy || self.own(path).is_some() {
                    true => Some(()),
                    false => self.other(path, 'f', "0644 root root -"),
                }
            }
            Place::Nowhere => None,
        }
    }

    fn copy(&mut self, path: &str, from: &str, replaces: bool) -> Option<()> {
        let (Place::Host, Place::Image(source)) = (self.place(path), self.place(from)) else {
            return None;
        };
        let is_there = self.plan.tree.get(&source).is_some()
            || matches!(self.of_base(&source), BaseEntry::File(_));
        if !is_there {
            return None;
        }
        let is_own = self.own(path).is_some();
        if replaces && (is_own || !self.is_certainly_missing(path)) {
            return None;
        }
        if is_own {
            return Some(());
        }
        self.others.remove(&(path.to_owned(), 'f'));
        self.other(path, 'C', &format!("- - - - {}", escaped(from)))
    }

    /// Says whether the base has nothing at a path of the host.
    fn is_certainly_missing(&self, path: &str) -> bool {
        let files = self.ground.files.filter(|files| files.has_root());
        files.is_some_and(|files| files.entry(path.trim_start_matches('/')) == BaseEntry::Missing)
    }

    fn other(&mut self, path: &str, kind: char, rest: &str) -> Option<()> {
        let known = self.others.entry((path.to_owned(), kind)).or_default();
        // What one command says of a mode, and another of an owner, holds together.
        let fields = rest.split(' ').enumerate().map(|(number, field)| {
            let before = known.split(' ').nth(number + 2);
            match field {
                "-" => before.unwrap_or(field).to_owned(),
                field => field.to_owned(),
            }
        });
        let fields: Vec<_> = fields.collect();
        *known = format!("{kind} {} {}", escaped(path), fields.join(" "));
        Some(())
    }

    /// Notes what a package offers for a name. What it leads to must be there.
    fn offer(&mut self, alternative: &Alternative) -> Option<()> {
        let (link, path) = alternative.links.first()?;
        let (Place::Image(_), Place::Image(path)) = (self.place(link), self.place(path)) else {
            return None;
        };
        let is_there = self.plan.tree.resolve(&path).is_some()
            || !matches!(self.of_base(&path), BaseEntry::Missing);
        if !is_there {
            return None;
        }
        let offers = self.alternatives.entry(alternative.name.clone());
        offers.or_default().push(alternative.clone());
        Some(())
    }

    /// Makes the links of those alternatives that have the highest priority; returns those that are not
    /// made. A link that the base has stays: only its own table tells which priority that has.
    pub fn choose(&mut self) -> Vec<String> {
        let mut kept = Vec::new();
        for (name, offers) in std::mem::take(&mut self.alternatives) {
            // Of equals, the first one stays.
            let best =
                offers
                    .into_iter()
                    .reduce(|one, other| match other.priority > one.priority {
                        true => other,
                        false => one,
                    });
            for (number, (link, path)) in best.iter().flat_map(|best| &best.links).enumerate() {
                let (Place::Image(link), Place::Image(path)) = (self.place(link), self.place(path))
                else {
                    continue;
                };
                let is_there = self.plan.tree.resolve(&path).is_some()
                    || !matches!(self.of_base(&path), BaseEntry::Missing);
                let is_bases = !matches!(self.of_base(&link), BaseEntry::Missing)
                    && !matches!(self.plan.tree.get(&link), Some(Visit::Leaf(..)));
                let target = relative(&link, &path);
                if is_there && !is_bases && self.put_link(&link, &target).is_some() {
                    continue;
                }
                // Without its own link, those that go with it mean something else.
                if number == 0 {
                    kept.push(format!(
                        "the alternative {name}: /{link} is there, and stays"
                    ));
                    break;
                }
            }
        }
        kept
    }

    /// Returns the snippet of tmpfiles.d(5) for what is outside of the image, if there is anything.
    pub fn snippet(&self) -> Option<String> {
        let directories = self.directories.iter().map(|(path, made)| {
            let Made { mode, user, group } = made;
            format!("d {} {mode:04o} {user} {group} -", escaped(path))
        });
        let lines: Vec<_> = directories.chain(self.others.values().cloned()).collect();
        (!lines.is_empty()).then(|| {
            format!(
                "# What scriptlets make outside of the image.\n{}\n",
                lines.join("\n")
            )
        })
    }
}

/// Returns the target of a link: by its name alone where it is in the same directory.
fn relative(link: &PathBytes, path: &PathBytes) -> String {
    let (link, path) = (link.text(), path.text());
    let directory = |path: &str| path.rsplit_once('/').map(|(above, _)| above.to_owned());
    match directory(&link) == directory(&path) {
        true => path.rsplit('/').next().unwrap_or_default().to_owned(),
        false => format!("/{path}"),
    }
}

/// Writes a field as tmpfiles.d(5) reads it back.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            ' ' => escaped.push_str("\\x20"),
            '\t' => escaped.push_str("\\x09"),
            '"' | '\'' | '\\' => escaped.extend(['\\', character]),
            '%' => escaped.push_str("%%"),
            one => escaped.push(one),
        }
    }
    escaped
}

fn without_capabilities(stat: &Stat) -> image::Attributes {
    let mut kept = BTreeMap::new();
    for (name, value) in stat.xattrs.iter() {
        if name != CAPABILITY {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept.into()
}
