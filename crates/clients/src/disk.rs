//! Disk images: which of their partitions systemd mounts.
//!
//! An image may be a disk with a table of partitions, whose types say what each is for (Discoverable
//! Partitions Specification). systemd takes the root and `/usr` of the host's architecture, else
//! of another one; where there is neither, the only partition of the type for any Linux file
//! system. What protects them are partitions of their own: hashes (verity) and their signature.

use architecture::{Role, partition_purpose};

pub use architecture::Designator;

/// Set in a partition's flags: it is not for use.
const NO_AUTO: u64 = 1 << 63;
/// The type of any Linux file system.
const GENERIC: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/// A partition of a disk image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its type, in the usual form of 36 characters.
    pub kind: String,
    /// Its name.
    pub label: String,
    /// Its attribute bits.
    pub flags: u64,
}

/// What keeps the bytes of a partition from being others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Nothing.
    Unprotected,
    /// Hashes (dm-verity).
    Verity,
    /// Hashes that are signed.
    Signed,
}

/// A partition that is mounted: which one, where, and what protects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Its number in the table, from 0.
    pub index: usize,
    /// Where it is mounted.
    pub designator: Designator,
    /// What protects it.
    pub protection: Protection,
    /// Number of the partition with its hashes.
    pub hashes: Option<usize>,
    /// Number of the partition with their signature.
    pub signature: Option<usize>,
}

/// Why no partition is mounted, in words that complete the sentence "the image …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMounted {
    /// systemd takes none.
    Refused(String),
    /// Which one it takes was not found out.
    Unread(String),
}

/// Returns the partitions of a disk that systemd mounts on a host of this architecture.
pub fn mounted(
    partitions: &[Partition],
    architecture: Option<&str>,
) -> Result<Vec<Mounted>, NotMounted> {
    let usable = || {
        let partitions = partitions.iter().enumerate();
        partitions.filter(|(_, partition)| partition.flags & NO_AUTO == 0)
    };
    let mut found = Vec::new();
    for designator in [Designator::Root, Designator::Usr] {
        let of_role = |wanted: Role| {
            usable().filter_map(move |(index, partition)| {
                let (known, role, of) = partition_purpose(&partition.kind)?;
                (known == designator && role == wanted).then_some((index, of))
            })
        };
        let rank = |of: &str| match architecture {
            Some(native) if of == native => 0,
            Some(native) if secondary(native) == Some(of) => 1,
            Some(_) => 2,
            None => 0,
        };
        let Some(best) = of_role(Role::Data).map(|(_, of)| rank(of)).min() else {
            continue;
        };
        let best: Vec<_> = of_role(Role::Data)
            .filter(|(_, of)| rank(of) == best)
            .collect();
        let (index, of) = best[0];
        if best.iter().any(|(_, other)| *other != of) {
            let words = "has systems for several architectures; name the host's";
            return Err(NotMounted::Unread(words.to_owned()));
        }
        // The one with the newest name is taken, by an order that is not followed here.
        if best
            .iter()
            .any(|(other, _)| partitions[*other].label != partitions[index].label)
        {
            let words = "has several partitions for one place, with different names";
            return Err(NotMounted::Unread(words.to_owned()));
        }
        let beside = |role| of_role(role).find(|(_, other)| *other == of);
        let hashes = beside(Role::Hashes).map(|(index, _)| index);
        let signature = beside(Role::Signature).map(|(index, _)| index);
        found.push(Mounted {
            index,
            designator,
            protection: match (hashes, signature) {
                (None, _) => Protection::Unprotected,
                (Some(_), None) => Protection::Verity,
                (Some(_), Some(_)) => Protection::Signed,
            },
            hashes,
            signature,
        });
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let mut generic = usable().filter(|(_, partition)| partition.kind == GENERIC);
    match (generic.next(), generic.next()) {
        (Some((index, _)), None) => Ok(vec![Mounted {
            index,
            designator: Designator::Root,
            protection: Protection::Unprotected,
            hashes: None,
            signature: None,
        }]),
        (Some(_), Some(_)) => Err(NotMounted::Refused(
            "has several partitions that may be the root: Name not unique on network".to_owned(),
        )),
        (None, _) => Err(NotMounted::Refused(
            "has no partition for / or /usr: No such device or address".to_owned(),
        )),
    }
}

/// Returns the other architecture whose programs a processor runs.
fn secondary(native: &str) -> Option<&'static str> {
    Some(match native {
        "x86-64" => "x86",
        "arm64" => "arm",
        "ppc64" => "ppc",
        "s390x" => "s390",
        _ => return None,
    })
}

/// Returns what rules of policies call a partition that is not mounted here.
pub(crate) fn name_of_other(kind: &str) -> Option<&'static str> {
    let known = OTHERS.iter().find(|(known, _)| *known == kind)?;
    Some(known.1)
}

/// Types of partitions that every architecture has, and their names.
const OTHERS: [(&str, &str); 7] = [
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "esp"),
    ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "xbootldr"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "swap"),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "home"),
    ("3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "srv"),
    ("4d21b016-b534-45c2-a9fb-5c16e091fd2d", "var"),
    ("7ec6f557-3bc5-4aca-b293-16ef5df639d1", "tmp"),
];

#[cfg(test)]
mod tests {
    use architecture::partition_type;

    use super::*;

    /// Describes what is mounted of partitions, each given as the architecture and the place of its
    /// type in the table, `*` for the generic type, `-` for another; with `!` it is not for use.
    fn said(partitions: &str, architecture: Option<&str>) -> String {
        let partitions: Vec<_> = partitions
            .split_whitespace()
            .map(|word| {
                let (word, label) = word.split_once('@').unwrap_or((word, ""));
                let (word, flags) = match word.strip_prefix('!') {
                    Some(word) => (word, NO_AUTO),
                    None => (word, 0),
                };
                let kind = match word {
                    "*" => GENERIC,
                    "-" => "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
                    word => {
                        let (name, place) = word.split_at(word.len() - 1);
                        let place = place.parse::<usize>().unwrap();
                        let designator = [Designator::Root, Designator::Usr][place / 3];
                        let role = [Role::Data, Role::Hashes, Role::Signature][place % 3];
                        partition_type(name, designator, role).unwrap()
                    }
                };
                Partition {
                    kind: kind.to_owned(),
                    label: label.to_owned(),
                    flags,
                }
            })
            .collect();
        match mounted(&partitions, architecture) {
            Ok(found) => {
                let one = |one: &Mounted| {
                    format!("{} {:?} {:?}", one.index, one.designator, one.protection)
                };
                found.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            Err(NotMounted::Refused(words)) => format!("refused: {words}"),
            Err(NotMounted::Unread(words)) => format!("unread: {words}"),
        }
    }

    #[test]
    fn which_partitions_are_mounted() {
        let none = "refused: has no partition for / or /usr: No such device or address";
        for (partitions, architecture, expected) in [
            ("x86-640", Some("x86-64"), "0 Root Unprotected"),
            ("- x86-640", Some("x86-64"), "1 Root Unprotected"),
            ("x86-640 x86-640", Some("x86-64"), "0 Root Unprotected"),
            ("x86-640 x86-641", Some("x86-64"), "0 Root Verity"),
            ("x86-640 x86-641 x86-642", Some("x86-64"), "0 Root Signed"),
            (
                "x86-640 arm641 x86-642",
                Some("x86-64"),
                "0 Root Unprotected",
            ),
            ("x86-643", Some("x86-64"), "0 Usr Unprotected"),
            (
                "x86-643 x86-644 x86-640",
                Some("x86-64"),
                "2 Root Unprotected, 0 Usr Verity",
            ),
            ("arm640", Some("x86-64"), "0 Root Unprotected"),
            ("arm640 x860 x86-640", Some("x86-64"), "2 Root Unprotected"),
            ("arm640 x860", Some("x86-64"), "1 Root Unprotected"),
            ("arm640", None, "0 Root Unprotected"),
            (
                "arm640 x86-640",
                None,
                "unread: has systems for several architectures; name the host's",
            ),
            (
                "x86-640@a_1 x86-640@a_2",
                Some("x86-64"),
                "unread: has several partitions for one place, with different names",
            ),
            ("*", None, "0 Root Unprotected"),
            ("* x86-640", None, "1 Root Unprotected"),
            (
                "* *",
                None,
                "refused: has several partitions that may be the root: Name not unique on network",
            ),
            ("", None, none),
            ("-", None, none),
            ("x86-641", None, none),
            ("!x86-640 !*", None, none),
        ] {
            assert_eq!(said(partitions, architecture), expected, "{partitions}");
        }
    }
}
