//! Users and groups that have the same number on every machine of a base.
//!
//! An image has numbers where a package has names. Most numbers are given when a machine is set
//! up, so they differ from one to the next. Fixed are those in `/usr/lib/passwd` and
//! `/usr/lib/group`, which come with the system (nss-altfiles), and those that sysusers.d(5)
//! states as numbers:
//!
//! ```text
//! g  tty     5
//! u  man     6:12   "Manual pages"  /var/cache/man
//! u  chrony  -      a number that is given on each machine: not fixed
//! ```
//!
//! `/etc/passwd` belongs to the machine: it says who is there, and fixes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use files::Links;

use super::sysusers;
use crate::words::failure::{Failure, Result};

/// A longer file is none of these.
const MAX_FILE: u64 = 1 << 20;
/// Numbers from here on are given to people and, by distributions, to nobody.
const FIRST_OF_PEOPLE: u32 = 1000;

/// Names with their numbers.
type Numbers = BTreeMap<String, Option<u32>>;

/// The users and groups of a base with fixed numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// A name that two sources give different numbers has none.
    users: Numbers,
    groups: Numbers,
    /// Those that the system itself brings, with fixed numbers or without.
    brought: Names,
    /// Those that were made on the machine.
    there: Names,
    has_root: bool,
}

/// Names of users and of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl Names {
    /// Takes the lines of passwd(5) or group(5).
    fn of_tables(passwd: &str, group: &str) -> Self {
        let names = |table: &str| {
            let names = table.lines().filter_map(|line| line.split_once(':'));
            names.map(|(name, _)| name.to_owned()).collect()
        };
        Self {
            users: names(passwd),
            groups: names(group),
        }
    }
}

impl Owners {
    /// Takes those of the texts of passwd(5) and group(5).
    pub fn of_tables(passwd: &str, group: &str) -> Self {
        let mut owners = Self {
            brought: Names::of_tables(passwd, group),
            ..Self::default()
        };
        owners.add_table(passwd, true);
        owners.add_table(group, false);
        owners
    }

    /// Reads those of a root directory. Links are not followed: they could lead out of it.
    pub fn of_root(root: &Path) -> Result<Self> {
        let lib = root.join("usr/lib");
        let table = |path: &Path| Ok::<_, Failure>(read(path)?.unwrap_or_default());
        let mut owners = Self::of_tables(&table(&lib.join("passwd"))?, &table(&lib.join("group"))?);
        let etc = root.join("etc");
        owners.there = Names::of_tables(&table(&etc.join("passwd"))?, &table(&etc.join("group"))?);
        owners.has_root = true;
        let mut snippets: Vec<_> = std::fs::read_dir(lib.join("sysusers.d"))
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "conf")
            })
            .collect();
        snippets.sort();
        for path in snippets {
            if let Some(text) = read(&path)? {
                owners.add_sysusers(&text);
            }
        }
        Ok(owners)
    }

    /// Returns the number of a user.
    pub fn user(&self, name: &str) -> Option<u32> {
        number(&self.users, name)
    }

    /// Returns the number of a group.
    pub fn group(&self, name: &str) -> Option<u32> {
        number(&self.groups, name)
    }

    /// Says whether everything is known that a root directory says of accounts.
    pub fn has_root(&self) -> bool {
        self.has_root
    }

    /// Says whether the system makes this user on each of its machines.
    pub fn makes_user(&self, name: &str) -> bool {
        name == "root" || self.brought.users.contains(name)
    }

    /// Says whether the system makes this group on each of its machines.
    pub fn makes_group(&self, name: &str) -> bool {
        name == "root" || self.brought.groups.contains(name)
    }

    /// Says whether this is the name of an account of the base, whoever made it.
    pub fn has_account(&self, name: &str, is_user: bool) -> bool {
        match is_user {
            true => self.makes_user(name) || self.there.users.contains(name),
            false => self.makes_group(name) || self.there.groups.contains(name),
        }
    }

    /// Says whether a number is fixed as that of another user.
    pub fn is_user_of_another(&self, name: &str, number: u32) -> bool {
        is_of_another(&self.users, name, number)
    }

    /// Says whether a number is fixed as that of another group.
    pub fn is_group_of_another(&self, name: &str, number: u32) -> bool {
        is_of_another(&self.groups, name, number)
    }

    /// Adds users and groups with numbers that an image fixes.
    pub fn fix<'a>(
        &mut self,
        users: impl Iterator<Item = (&'a str, u32)>,
        groups: impl Iterator<Item = (&'a str, u32)>,
    ) {
        for (name, number) in users {
            add(&mut self.users, name, number);
        }
        for (name, number) in groups {
            add(&mut self.groups, name, number);
        }
    }

    /// Says whether these are numbers of a user and a group that are the same on every machine.
    pub fn are_fixed(&self, user: u32, group: u32) -> bool {
        let is_fixed = |numbers: &Numbers, id: u32| {
            id == 0 || numbers.values().any(|fixed| *fixed == Some(id))
        };
        is_fixed(&self.users, user) && is_fixed(&self.groups, group)
    }

    /// Takes the lines of passwd(5) or group(5): in both, the number is the third field.
    fn add_table(&mut self, text: &str, is_user: bool) {
        let numbers = match is_user {
            true => &mut self.users,
            false => &mut self.groups,
        };
        for line in text.lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(_), Some(Ok(id))) = (
                fields.next(),
                fields.next(),
                fields.next().map(str::parse::<u32>),
            ) {
                add(numbers, name, id);
            }
        }
    }

    /// Takes the lines of sysusers.d(5).
    fn add_sysusers(&mut self, text: &str) {
        for account in sysusers::accounts(text) {
            let (names, numbers) = match account.is_user {
                true => (&mut self.brought.users, &mut self.users),
                false => (&mut self.brought.groups, &mut self.groups),
            };
            if let Some(number) = account.number {
                add(numbers, &account.name, number);
            }
            names.insert(account.name);
        }
    }
}

fn is_of_another(numbers: &Numbers, name: &str, number: u32) -> bool {
    number == 0 || (numbers.iter()).any(|(known, fixed)| known != name && *fixed == Some(number))
}

fn number(numbers: &Numbers, name: &str) -> Option<u32> {
    match name {
        "root" => Some(0),
        name => numbers.get(name).copied().flatten(),
    }
}

fn add(numbers: &mut Numbers, name: &str, id: u32) {
    if id < FIRST_OF_PEOPLE {
        let known = numbers.entry(name.to_owned()).or_insert(Some(id));
        if *known != Some(id) {
            *known = None;
        }
    }
}

/// Reads a regular file, if it is there.
fn read(path: &Path) -> Result<Option<String>> {
    let bytes = match files::read(path, MAX_FILE, Links::Refuse) {
        Err(files::Error::WrongKind { .. }) => None,
        read => files::if_there(read)?,
    };
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_numbers() {
        let mut owners = Owners::default();
        owners.add_table(
            "root:x:0:0:r:/:/bin/sh\nchrony:x:994:992::/:\nbad\nalice:x:1000:1000\n",
            true,
        );
        owners.add_table("tty:x:5:\nutmp:x:22:\nx:y:z\n", false);
        owners.add_sysusers(
            "# comment\ng tty 5 -\ng utmp 43\nu man 6:12 \"Manual pages\" /var/cache/man\n\
             u daemon 1 - /usr/sbin\nu! mail 8\nu dynamic -\nu path /usr/bin/x\nm man tty\ng\n\
             g nogroup 65534\nu other 7:group\n",
        );
        for (name, user, group) in [
            ("root", Some(0), Some(0)),
            ("chrony", Some(994), None),
            ("alice", None, None),
            ("tty", None, Some(5)),
            ("utmp", None, None),
            ("man", Some(6), None),
            ("daemon", Some(1), Some(1)),
            ("mail", Some(8), Some(8)),
            ("dynamic", None, None),
            ("path", None, None),
            ("nogroup", None, None),
            ("other", Some(7), None),
            ("nobody", None, None),
        ] {
            assert_eq!(
                (owners.user(name), owners.group(name)),
                (user, group),
                "{name}"
            );
        }
    }

    #[test]
    fn tables_are_so_long() {
        let scratch = crate::words::scratch::Scratch::new();
        for (length, expected) in [
            (1_048_576, Ok(Some(7))),
            (
                1_048_577,
                Err("passwd has 1048577 bytes; at most 1048576 are allowed"),
            ),
        ] {
            let text = format!("a:x:7\n{}", " ".repeat(length - 6));
            scratch.write("usr/lib/passwd", text.as_bytes());
            let found = Owners::of_root(scratch.path()).map(|owners| owners.user("a"));
            let directory = format!("{}/usr/lib/", scratch.path().display());
            let found = found.map_err(|failure| failure.source.to_string().replace(&directory, ""));
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}
