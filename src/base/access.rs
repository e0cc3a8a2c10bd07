//! What a directory's mode and owner let people do, and what another mode and owner take or give.

use std::fmt;

use image::Stat;

/// Permissions of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |number| match number {
            Self::SOMEBODY => "somebody".to_owned(),
            number => number.to_string(),
        };
        let (user, group) = (name(self.uid), name(self.gid));
        write!(f, "mode {:04o} and owner {user}:{group}", self.mode)
    }
}

const READ: u16 = 4;
const WRITE: u16 = 2;
const EXECUTE: u16 = 1;

impl Access {
    /// The number of a user or group of which only the name is known.
    pub const SOMEBODY: u32 = u32::MAX;

    /// Returns those of an inode.
    pub fn of(stat: &Stat) -> Self {
        let Stat { mode, uid, gid, .. } = *stat;
        Self { mode, uid, gid }
    }

    /// Returns what a user of a group may do. root may do everything, whatever the mode.
    fn rights(self, user: Option<u32>, group: Option<u32>) -> u16 {
        let shift = if user == Some(self.uid) {
            6
        } else if group == Some(self.gid) {
            3
        } else {
            0
        };
        self.mode >> shift & 7
    }
}

/// Says what of a directory's use `new` takes from somebody who has it by `old`, or whom it lets
/// write who may not; `None` where it does neither.
pub fn harm(new: Access, old: Access) -> Option<&'static str> {
    let people = [
        (None, None),
        (Some(old.uid), None),
        (None, Some(old.gid)),
        (Some(new.uid), None),
        (None, Some(new.gid)),
    ];
    let mut taken = 0;
    let mut given = 0;
    for (user, group) in people {
        if user == Some(0) || group == Some(0) {
            continue;
        }
        let (before, after) = (old.rights(user, group), new.rights(user, group));
        taken |= before & !after & (READ | EXECUTE);
        given |= after & !before & WRITE;
    }
    // Without a right to enter, the right to list is of no use.
    match (taken & EXECUTE != 0, taken & READ != 0, given != 0) {
        (_, _, true) => Some("lets others write there"),
        (true, _, _) => Some("keeps others from what is in it"),
        (false, true, _) => Some("keeps others from listing it"),
        (false, false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_mode_takes_or_gives() {
        let (enter, list) = (
            "keeps others from what is in it",
            "keeps others from listing it",
        );
        let write = "lets others write there";
        for (new, old, expected) in [
            ((0o755, 0, 0), (0o755, 0, 0), None),
            ((0o700, 0, 0), (0o755, 0, 0), Some(enter)),
            ((0o711, 0, 0), (0o755, 0, 0), Some(list)),
            ((0o555, 0, 0), (0o755, 0, 0), None),
            ((0o755, 0, 0), (0o700, 0, 0), None),
            ((0o777, 0, 0), (0o755, 0, 0), Some(write)),
            ((0o1777, 0, 0), (0o755, 0, 0), Some(write)),
            ((0o755, 0, 0), (0o1777, 0, 0), None),
            ((0o2755, 0, 0), (0o755, 0, 0), None),
            // Members of a group.
            ((0o775, 0, 50), (0o755, 0, 0), Some(write)),
            ((0o775, 0, 0), (0o755, 0, 0), None),
            ((0o750, 0, 0), (0o750, 0, 50), Some(enter)),
            ((0o750, 0, 50), (0o755, 0, 0), Some(enter)),
            // The owner of old or new.
            ((0o755, 7, 0), (0o755, 0, 0), Some(write)),
            ((0o555, 7, 0), (0o755, 0, 0), None),
            ((0o700, 0, 0), (0o700, 7, 0), Some(enter)),
            ((0o755, 0, 0), (0o755, 7, 0), None),
        ] {
            let access = |(mode, uid, gid)| Access { mode, uid, gid };
            assert_eq!(harm(access(new), access(old)), expected, "{new:?} {old:?}");
        }
    }
}
