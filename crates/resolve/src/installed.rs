//! Packages that are there, and what they offer: those of a base, or those of an image.

use std::sync::OnceLock;

use crate::dependency::{Capability, Dependency};
use crate::evaluate;
use crate::id::{Id, place};
use crate::index::{Index, OWN_NAME};
use crate::solvable::Solvable;

/// Packages that are there; threads may share it.
#[derive(Debug, Default)]
pub struct Installed {
    pub(crate) solvables: Vec<Solvable>,
    /// Names and provides.
    pub(crate) index: Index,
    /// Files; a base has hundreds of thousands, and most runs ask for none.
    files: OnceLock<Index>,
}

impl Installed {
    /// Returns what these packages offer together.
    pub fn new(solvables: Vec<Solvable>) -> Self {
        let index = Index::new((0..).zip(&solvables).flat_map(|(id, solvable)| {
            let provided = solvable.provides.iter();
            let words = provided
                .map(|dependency| dependency.simple().map_or("", |offer| offer.name.as_str()));
            let own = (solvable.nevra.name.as_str(), id, OWN_NAME);
            let numbered = (0..OWN_NAME).zip(words);
            numbered
                .map(move |(position, word)| (word, id, position))
                .chain([own])
        }));
        Self {
            solvables,
            index,
            files: OnceLock::new(),
        }
    }

    /// Returns whether `dependency` holds where these packages and `others` are there, and no
    /// further ones.
    pub fn meets(&self, dependency: &Dependency, others: &Self) -> bool {
        evaluate::holds(dependency, &|leaf| self.has(leaf) || others.has(leaf))
    }

    /// Returns whether `dependency` holds for these packages, whatever else is there: so little is
    /// known of a base that nobody has named.
    pub fn suffices_for(&self, dependency: &Dependency) -> bool {
        evaluate::holds_anywhere(dependency, &|leaf| self.has(leaf))
    }

    /// Returns whether one of the packages alone satisfies `dependency`.
    fn has(&self, dependency: &Dependency) -> bool {
        !evaluate::satisfying(dependency, &|wanted| self.offering(wanted)).is_empty()
    }

    /// Returns the packages that offer `wanted`, by number and each once.
    pub(crate) fn offering(&self, wanted: &Capability) -> Vec<Id> {
        let mut found = Vec::new();
        for (id, position) in self.index.find(&wanted.name) {
            let Some(solvable) = self.solvables.get(place(id)) else {
                continue;
            };
            let satisfies = match solvable.provides.get(place(position)) {
                Some(Dependency::Simple(offer)) => wanted.satisfied_by(offer),
                Some(Dependency::Rich(_)) => false,
                None => wanted.matches_package(&solvable.nevra.name, &solvable.nevra.evr),
            };
            if satisfies && found.last() != Some(&id) {
                found.push(id);
            }
        }
        if wanted.name.starts_with('/') {
            let has = |&(id, position): &(Id, u32)| {
                let files = self
                    .solvables
                    .get(place(id))
                    .map(|solvable| &solvable.files);
                files.and_then(|files| files.get(place(position))) == Some(&wanted.name)
            };
            let owners = self.files().find(&wanted.name).filter(has);
            found.extend(owners.map(|(id, _)| id));
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    fn files(&self) -> &Index {
        self.files.get_or_init(|| {
            let files = (0..).zip(&self.solvables).flat_map(|(id, solvable)| {
                let numbered = (0..OWN_NAME).zip(&solvable.files);
                numbered.map(move |(position, path)| (path.as_str(), id, position))
            });
            Index::new(files)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solvable::Nevra;

    /// Makes packages of lines `NEVRA [; PROVIDES]...`; what starts with a slash is a file.
    fn installed(lines: &[&str]) -> Installed {
        let solvables = lines.iter().map(|line| {
            let mut words = line.split("; ");
            let mut solvable = Solvable {
                nevra: Nevra::parse(words.next().unwrap()).unwrap(),
                ..Solvable::default()
            };
            for word in words {
                match word.starts_with('/') {
                    true => solvable.files.push(word.to_owned()),
                    false => solvable.provides.push(Dependency::parse(word).unwrap()),
                }
            }
            solvable
        });
        Installed::new(solvables.collect())
    }

    #[test]
    fn what_a_base_and_an_image_have_together() {
        let base = installed(&["a-1-1.noarch; x = 2", "both-1-1.noarch; p; q; /etc/a"]);
        let image = installed(&["b-3-1.noarch; p; y", "c-1-1.noarch; q"]);
        // On this base; on every base.
        for (dependency, meets, suffices) in [
            ("a", true, false),
            ("b", true, true),
            ("nosuch", false, false),
            ("rpmlib(PayloadIsZstd) <= 5.4.18-1", true, true),
            ("/etc/a", true, false),
            ("/etc/b", false, false),
            // Versions: of a provides, of a provides that states none, of a package.
            ("x >= 2", true, false),
            ("x > 2", false, false),
            ("y = 7", true, true),
            ("b = 3", true, true),
            ("b < 3", false, false),
            ("(a and b)", true, false),
            ("(b and c)", true, true),
            ("(nosuch-a or nosuch-b)", false, false),
            ("(nosuch or a)", true, false),
            ("(nosuch or b)", true, true),
            // What is missing here may be in another base.
            ("(nosuch if a)", false, false),
            ("(nosuch if other)", true, false),
            ("(b if nosuch)", true, true),
            ("(b if a else c)", true, true),
            ("(b if c else nosuch)", true, true),
            ("(nosuch if other else b)", true, false),
            ("(b unless nosuch)", true, false),
            ("(b unless a)", false, false),
            ("(b unless a else c)", true, true),
            // One package must have both.
            ("(p with q)", true, false),
            ("(p with y)", true, true),
            ("(q with y)", false, false),
            ("(p without q)", true, true),
            ("(q without p)", true, true),
            ("(x without a)", false, false),
        ] {
            let parsed = Dependency::parse(dependency).unwrap();
            assert_eq!(base.meets(&parsed, &image), meets, "{dependency}");
            assert_eq!(image.suffices_for(&parsed), suffices, "{dependency}");
        }
    }
}
