//! Other names of the units that an image starts. `systemctl enable` links `Alias=syslog.service` of
//! rsyslog's unit to it, and a socket of the base that is for `syslog.service` can't start
//! without. Which names a unit has is in its file, so that it is known once that is packed.

use std::collections::{BTreeMap, BTreeSet};

use image::{Content, ContentId, Tree, Visit};

use super::services::{OF_HOST, Started, UNITS, check_name, has_unit};
use super::unit_file::UnitFile;
use crate::base::files::BaseFiles;

/// A longer unit is not looked at, in bytes.
const MAX_UNIT: u64 = 64 * 1024;

/// The units of an image that may have other names.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    /// Their contents.
    units: BTreeMap<String, ContentId>,
    /// The names that units of the base have.
    of_base: BTreeSet<String>,
}

impl Aliases {
    /// Looks for the files of the units that are started, over a base with these files.
    pub fn of(started: &Started, tree: &Tree, base: Option<&BaseFiles<'_>>) -> Self {
        let units = started.units().into_iter();
        let files = units.filter_map(|unit| match tree.get(format!("{}/{unit}", UNITS[0])) {
            Some(Visit::Leaf(_, leaf)) => match &leaf.content {
                Content::File { id, size } if (1..=MAX_UNIT).contains(size) => {
                    Some((unit.to_owned(), id.clone()))
                }
                _ => None,
            },
            _ => None,
        });
        let units: BTreeMap<_, _> = files.collect();
        let of_base = match base.filter(|_| !units.is_empty()) {
            Some(base) => (UNITS.iter().chain([&OF_HOST]))
                .flat_map(|directory| base.known_in(directory))
                .collect(),
            None => BTreeSet::new(),
        };
        Self { units, of_base }
    }

    /// Returns what of the base decides which names there are.
    pub fn of_base(&self) -> &BTreeSet<String> {
        &self.of_base
    }

    /// Returns the contents that have to be known.
    pub fn contents(&self) -> impl Iterator<Item = &ContentId> {
        self.units.values()
    }

    /// Returns the links that make these names, by their paths, if neither the image nor the base has
    /// such a unit. As for systemctl, a name has the unit's suffix.
    pub fn links(
        &self,
        contents: &BTreeMap<ContentId, Vec<u8>>,
        tree: &Tree,
    ) -> BTreeMap<String, String> {
        let mut links = BTreeMap::new();
        for (unit, id) in &self.units {
            let text = contents
                .get(id)
                .and_then(|bytes| str::from_utf8(bytes).ok());
            let file = UnitFile::parse(text.unwrap_or_default());
            let suffix = unit.rsplit_once('.').map(|(_, suffix)| suffix);
            let names = file.values("Install", "Alias").into_iter();
            for name in names.flat_map(str::split_whitespace) {
                let is_of_kind = name.rsplit_once('.').map(|(_, suffix)| suffix) == suffix;
                let is_there = has_unit(tree, None, name) || self.of_base.contains(name);
                if is_of_kind && check_name(name).is_ok() && !is_there {
                    let link = links.entry(format!("{}/{name}", UNITS[0]));
                    link.or_insert_with(|| unit.clone());
                }
            }
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use image::{Leaf, Stat};

    use super::*;

    #[test]
    fn names_that_nobody_has_are_linked() {
        let stat = Stat::implicit_directory(0);
        let mut tree = Tree::new(stat.clone());
        let mut contents = BTreeMap::new();
        let mut started = Started::default();
        for (unit, text) in [
            (
                "rsyslog.service",
                "[Install]\nAlias=syslog.service syslog.socket\nAlias=taken.service ../x.service\n",
            ),
            (
                "second.service",
                "[Install]\nAlias=syslog.service other.service\n",
            ),
            ("taken.service", "[Install]\nAlias=unread.service\n"),
            ("plain.socket", "[Socket]\nAlias=x.socket\n"),
        ] {
            let id = ContentId::sha256(&[contents.len() as u8; 32]);
            let size = text.len() as u64;
            contents.insert(id.clone(), text.as_bytes().to_vec());
            let content = Content::File { id, size };
            let leaf = Leaf {
                stat: stat.clone(),
                content,
            };
            tree.insert_leaf(format!("{}/{unit}", UNITS[0]), leaf, &stat)
                .unwrap();
            if unit != "taken.service" {
                started.add(unit, "");
            }
        }
        started.add("of-base.service", "");
        let aliases = Aliases::of(&started, &tree, None);
        assert_eq!(aliases.contents().count(), 3);
        let links = aliases.links(&contents, &tree);
        let links: Vec<_> = links
            .iter()
            .map(|(path, unit)| (&path[UNITS[0].len() + 1..], &**unit))
            .collect();
        let expected = [
            ("other.service", "second.service"),
            ("syslog.service", "rsyslog.service"),
        ];
        assert_eq!(links, expected);
    }
}
