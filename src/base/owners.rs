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
//! `/etc/passwd` is not looked at: it belongs to the machine.

use std::collections::BTreeMap;
use std::path::Path;

use files::Links;

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
}

impl Owners {
    /// Takes those of the texts of passwd(5) and group(5).
    pub fn of_tables(passwd: &str, group: &str) -> Self {
        let mut owners = Self::default();
        owners.add_table(passwd, true);
        owners.add_table(group, false);
        owners
    }

    /// Reads those of a root directory. Links are not followed: they could lead out of it.
    pub fn of_root(root: &Path) -> Result<Self> {
        let lib = root.join("usr/lib");
        let table = |name| Ok::<_, Failure>(read(&lib.join(name))?.unwrap_or_default());
        let mut owners = Self::of_tables(&table("passwd")?, &table("group")?);
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

    /// Takes the lines of sysusers.d(5) that state a number. A user has a group of its name, or
    /// another one after a colon.
    fn add_sysusers(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(kind), Some(name), Some(id)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (user, group) = match id.split_once(':') {
                Some((user, _)) => (user, None),
                None => (id, Some(id)),
            };
            let is_user = matches!(kind, "u" | "u!");
            if let (true, Ok(id)) = (is_user, user.parse()) {
                add(&mut self.users, name, id);
            }
            if let (true, Some(Ok(id))) = (is_user || kind == "g", group.map(str::parse)) {
                add(&mut self.groups, name, id);
            }
        }
    }
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
