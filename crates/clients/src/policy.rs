//! Image policies: what a host demands of an image before it looks into it.
//!
//! A policy is a row of rules `PARTITION=FLAG+FLAG`, with colons between them; a rule without a
//! partition holds for all that have none (systemd.image-policy(7)). It says which partitions must
//! be there, may be, or must not, how they have to be protected, and which file system may be in
//! them. What is used has one of the protections that its rule names; nothing said means any.

use std::collections::BTreeMap;

use crate::disk::{Designator, Partition, Protection, mounted};
use crate::image::{Container, FileSystem, Image};
use crate::verdict::{Outcome, Verdict};
use crate::{Systemd, disk};

/// Partitions that rules name, in systemd's order.
const PARTITIONS: [&str; 13] = [
    "root",
    "usr",
    "home",
    "srv",
    "esp",
    "xbootldr",
    "swap",
    "root-verity",
    "usr-verity",
    "root-verity-sig",
    "usr-verity-sig",
    "tmp",
    "var",
];

/// Flags, each a bit in the order of this list: how what is used is protected, what may be done
/// with it else, what the partition's own flags say, and file systems.
const FLAGS: [&str; 17] = [
    "verity",
    "signed",
    "encrypted",
    "unprotected",
    "unused",
    "absent",
    "read-only-on",
    "read-only-off",
    "growfs-on",
    "growfs-off",
    "btrfs",
    "erofs",
    "ext4",
    "f2fs",
    "squashfs",
    "vfat",
    "xfs",
];
const VERITY: u32 = 1;
const SIGNED: u32 = 1 << 1;
const UNPROTECTED: u32 = 1 << 3;
const UNUSED: u32 = 1 << 4;
const ABSENT: u32 = 1 << 5;
/// All of what may be done with a partition.
const OPEN: u32 = (1 << 6) - 1;
const IGNORE: u32 = UNUSED | ABSENT;
const READ_ONLY: (u32, u32) = (1 << 6, 1 << 7);
const GROW: (u32, u32) = (1 << 8, 1 << 9);
/// The first of the file systems.
const FIRST_FILE_SYSTEM: usize = 10;
/// Flags of partitions (Discoverable Partitions Specification).
const IS_READ_ONLY: u64 = 1 << 60;
const GROWS: u64 = 1 << 59;

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    text: String,
    rules: BTreeMap<&'static str, u32>,
    default: u32,
}

impl Policy {
    /// Reads a policy. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut policy = Self {
            text: text.to_owned(),
            rules: BTreeMap::new(),
            default: IGNORE,
        };
        match text {
            "" | "-" => return Ok(policy),
            "*" => policy.default = OPEN,
            "~" => policy.default = ABSENT,
            _ => {
                let mut has_default = false;
                for rule in text.split(':') {
                    let (name, flags) =
                        (rule.split_once('=')).ok_or_else(|| format!("{rule:?} has no ="))?;
                    let flags = parse_flags(flags.trim())?;
                    let name = name.trim();
                    let again = || format!("there are two rules for {name:?}");
                    if name.is_empty() {
                        if std::mem::replace(&mut has_default, true) {
                            return Err(again());
                        }
                        policy.default = flags;
                        continue;
                    }
                    let known = (PARTITIONS.iter().copied())
                        .find(|known| *known == name)
                        .ok_or_else(|| format!("{name:?} is not a partition"))?;
                    if policy.rules.insert(known, flags).is_some() {
                        return Err(again());
                    }
                }
            }
        }
        Ok(policy)
    }

    /// Returns the flags for a partition, with all options where nothing is said.
    fn flags(&self, name: &str) -> u32 {
        let explicit = self.rules.get(name).copied();
        let derived = || {
            let data = name.strip_suffix("-verity-sig");
            let (data, needed) = match data {
                Some(data) => (data, SIGNED),
                None => (name.strip_suffix("-verity")?, VERITY | SIGNED),
            };
            let data = extended(*self.rules.get(data)?);
            (data & needed != 0).then_some(UNPROTECTED | (data & !OPEN) | (data & IGNORE))
        };
        extended(explicit.or_else(derived).unwrap_or(self.default))
    }

    /// Says whether a root file system without a signature passes, so that one with a signature that
    /// nobody knows does.
    #[must_use]
    pub fn takes_unsigned(&self) -> bool {
        self.flags("root") & (VERITY | UNPROTECTED) != 0
    }

    /// Returns a verdict on an image that does not pass the policy; versions before 254 have none.
    #[must_use]
    pub fn refuses(
        &self,
        version: Systemd,
        image: &Image,
        architecture: Option<&str>,
    ) -> Option<Verdict> {
        if version < Systemd::V254 {
            return None;
        }
        let assumed = [FileSystem::assumed(
            "squashfs",
            Protection::Unprotected,
            false,
        )];
        let systems = match &image.container {
            Container::FileSystems(systems) => &systems[..],
            Container::Assumed => &assumed,
            Container::Broken(_) | Container::Unread(_) => return None,
        };
        let refused = |what: String| {
            let (outcome, words) = match &image.container {
                Container::Assumed => (
                    Outcome::Unread,
                    "the manifest does not say whether the image has what the image policy demands"
                        .to_owned(),
                ),
                _ => (
                    Outcome::Refused,
                    format!("Image does not match image policy: {what}"),
                ),
            };
            Verdict::new(outcome, "image-policy", words).between(None, Some(&self.text))
        };
        let problem = match image.partitions.is_empty() {
            true => self
                .use_of("root", UNPROTECTED, 0)
                .map(|used| used.then_some(())),
            false => self.on_disk(&image.partitions, architecture),
        };
        match problem {
            Err(problem) => return Some(refused(problem)),
            Ok(None) => {
                let problem = "nothing that may be used is in it".to_owned();
                return Some(refused(problem));
            }
            Ok(Some(())) => {}
        }
        // A rule may name the file systems that are mounted.
        systems.iter().find_map(|system| {
            let name = match system.designator {
                Designator::Root => "root",
                Designator::Usr => "usr",
            };
            let named = self.flags(name) >> FIRST_FILE_SYSTEM;
            let known = FLAGS[FIRST_FILE_SYSTEM..].iter();
            let own = known.zip(0..).find(|(known, _)| **known == system.kind);
            let fits = named == 0 || own.is_some_and(|(_, bit)| named >> bit & 1 != 0);
            (!fits).then(|| refused(format!("{name} is {}", system.kind)))
        })
    }

    /// Says whether a partition that is there is used; the error says why it may not be there.
    fn use_of(&self, name: &str, found: u32, flags: u64) -> Result<bool, String> {
        let policy = self.flags(name);
        if policy & found & (OPEN & !IGNORE) == 0 {
            return match policy & UNUSED {
                0 => Err(format!("{name} is there, and not as {}", shown(policy))),
                _ => Ok(false),
            };
        }
        for ((on, off), bit) in [(READ_ONLY, IS_READ_ONLY), (GROW, GROWS)] {
            let wanted = if flags & bit != 0 { on } else { off };
            if policy & wanted == 0 {
                return Err(format!("a flag of {name} is not one of {}", shown(policy)));
            }
        }
        Ok(true)
    }

    /// Judges the partitions of a disk; `None` where neither `/` nor `/usr` is used.
    fn on_disk(
        &self,
        partitions: &[Partition],
        architecture: Option<&str>,
    ) -> Result<Option<()>, String> {
        let mut there: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
        for partition in partitions {
            if let Some(name) = disk::name_of_other(&partition.kind) {
                there.insert(name, (UNPROTECTED, partition.flags));
            }
        }
        for found in mounted(partitions, architecture).unwrap_or_default() {
            let (data, hashes, signature) = match found.designator {
                Designator::Root => ("root", "root-verity", "root-verity-sig"),
                Designator::Usr => ("usr", "usr-verity", "usr-verity-sig"),
            };
            let flags = |index: usize| partitions.get(index).map_or(0, |one| one.flags);
            let own = flags(found.index);
            let protections = match found.protection {
                Protection::Unprotected => UNPROTECTED,
                Protection::Verity => UNPROTECTED | VERITY,
                Protection::Signed => UNPROTECTED | VERITY | SIGNED,
            };
            there.insert(data, (protections, own));
            if let Some(hash) = found.hashes {
                there.insert(hashes, (UNPROTECTED, flags(hash)));
            }
            if found.protection == Protection::Signed {
                there.insert(signature, (UNPROTECTED, own));
            }
        }
        let mut is_used = false;
        for name in PARTITIONS {
            match there.get(name) {
                Some((found, flags)) => {
                    let used = self.use_of(name, *found, *flags)?;
                    is_used |= used && matches!(name, "root" | "usr");
                }
                None if self.flags(name) & ABSENT == 0 => {
                    return Err(format!("{name} is not there"));
                }
                None => {}
            }
        }
        Ok(is_used.then_some(()))
    }
}

/// Adds all options where nothing is said of them.
fn extended(flags: u32) -> u32 {
    let groups = [OPEN, READ_ONLY.0 | READ_ONLY.1, GROW.0 | GROW.1];
    let missing = groups.into_iter().filter(|group| flags & group == 0);
    missing.fold(flags, |flags, group| flags | group)
}

fn parse_flags(text: &str) -> Result<u32, String> {
    if matches!(text, "" | "-") {
        return Ok(0);
    }
    let mut flags = 0;
    for word in text.split('+').map(str::trim) {
        flags |= match word {
            "open" => OPEN,
            "ignore" => IGNORE,
            word => {
                let known = FLAGS.iter().position(|known| *known == word);
                1 << known.ok_or_else(|| format!("{word:?} is not a flag"))?
            }
        };
    }
    Ok(flags)
}

/// Returns what may be done with a partition, as a policy says it.
fn shown(flags: u32) -> String {
    let words = FLAGS.iter().zip(0..FIRST_FILE_SYSTEM);
    let set = words.filter(|(_, bit)| flags >> bit & 1 != 0);
    set.map(|(word, _)| *word).collect::<Vec<_>>().join("+")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
    const HASHES: &str = "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5";
    const SIGNATURE: &str = "41092b05-9fc8-4523-994f-2def0408b176";
    const USR: &str = "8484680c-9521-48c6-9c11-b0720656f69e";

    fn image(kinds: &[(&str, u64)]) -> Image {
        let partitions = kinds.iter().map(|(kind, flags)| Partition {
            kind: (*kind).to_owned(),
            label: String::new(),
            flags: *flags,
        });
        let designator = match kinds {
            [(kind, _)] if *kind == USR => Designator::Usr,
            _ => Designator::Root,
        };
        Image {
            container: Container::FileSystems(vec![FileSystem {
                designator,
                ..FileSystem::whole("squashfs", 4096, 4096)
            }]),
            partitions: partitions.collect(),
            ..Image::default()
        }
    }

    /// As `systemd-dissect --image-policy=POLICY --validate` of 262 says of a bare file system, a
    /// disk with a root that is read-only, one that is not, one with /usr, one with hashes and one
    /// with their signature: `+` is taken. File systems are judged where they are mounted, later.
    #[test]
    fn policies() {
        let read_only = |kind| (kind, IS_READ_ONLY);
        let images = [
            image(&[]),
            image(&[read_only(ROOT)]),
            image(&[(ROOT, 0)]),
            image(&[(USR, 0)]),
            image(&[read_only(ROOT), read_only(HASHES)]),
            image(&[read_only(ROOT), read_only(HASHES), read_only(SIGNATURE)]),
        ];
        for (policy, expected) in [
            ("*", "++++++"),
            ("-", "------"),
            ("~", "------"),
            ("root=unprotected", "+++-++"),
            ("root=verity", "----++"),
            ("root=signed", "-----+"),
            ("root=signed+absent", "-----+"),
            ("root=verity+signed", "-----+"),
            ("root=encrypted", "------"),
            ("root=unprotected+absent", "+++-++"),
            ("root=ignore", "------"),
            ("root=unused", "------"),
            ("root=absent", "------"),
            ("root=open", "+++-++"),
            ("=open", "++++++"),
            ("=unprotected", "+-----"),
            ("=absent", "------"),
            ("usr=unprotected", "---+--"),
            ("usr=signed:root=unprotected", "+-----"),
            ("usr=signed+absent:root=unprotected", "+++-++"),
            ("usr=absent:root=open", "+++-++"),
            ("root=unprotected+read-only-on", "-+--++"),
            ("root=unprotected+read-only-off", "+-+---"),
            ("root=unprotected+growfs-on", "------"),
            ("root=unprotected+squashfs", "+++-++"),
            ("root=squashfs", "+++-++"),
            ("root=signed+squashfs", "-----+"),
            ("root=signed:root-verity=open", "-----+"),
            ("root=unprotected:root-verity=absent", "+++---"),
            ("root=unprotected:root-verity-sig=absent", "+++-+-"),
            ("root=unprotected:home=signed", "+-----"),
            ("root=unprotected+erofs", "------"),
        ] {
            let parsed = Policy::parse(policy).unwrap();
            let found: String = (images.iter())
                .map(|image| parsed.refuses(Systemd::V262, image, Some("x86-64")))
                .map(|verdict| if verdict.is_none() { '+' } else { '-' })
                .collect();
            assert_eq!(found, expected, "{policy}");
            assert_eq!(parsed.refuses(Systemd::V252, &images[0], None), None);
        }
    }

    #[test]
    fn what_is_no_policy() {
        for (text, problem) in [
            ("nonsense", "\"nonsense\" has no ="),
            ("root=nonsense", "\"nonsense\" is not a flag"),
            ("root=open:root=absent", "there are two rules for \"root\""),
            ("=open:=absent", "there are two rules for \"\""),
            ("foo=open", "\"foo\" is not a partition"),
        ] {
            assert_eq!(Policy::parse(text).unwrap_err(), problem);
        }
    }
}
