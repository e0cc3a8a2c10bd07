//! Which images a host merges together, and what becomes of each of them there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clients::Outcome;
use image::{ContentId, Tree};
use linkage::Linkage;
use manifest::Manifest;

use super::{Files, Layer, Together};
use crate::check::closure::{self, Break};
use crate::check::ground::{Ground, OnBase};
use crate::check::survey::{Row, VERSION_KEYS};
use crate::findings::{Finding, kinds};
use crate::inspected::{Inside, InspectedImage};
use crate::words::failure::Result;

/// So many images are open at the same time.
const OPEN: usize = 64;

/// An image that may be merged with others.
pub struct Member {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub tree: Tree,
    /// What its files need and offer.
    pub linkage: Linkage,
    /// What its packages require and provide, if that is known.
    pub manifest: Option<Manifest>,
}

impl Member {
    /// Takes what is to be kept of an image; `None` where it was not read.
    pub fn of(image: InspectedImage) -> Option<Self> {
        Some(Self {
            path: image.path,
            tree: image.inside?.tree,
            linkage: image.linkage.unwrap_or_default(),
            manifest: image.manifest,
        })
    }
}

/// Returns the places of the images that a host merges together, in its order. Of several with one
/// name a host has one, most likely the newest. What is only ignored for its version may be rebuilt
/// as it is, and counts.
pub fn merged(rows: &[Row], target: usize) -> Vec<usize> {
    let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let stale = |field| VERSION_KEYS.contains(&field);
        let is_merged = (row.unaccepted(target))
            .all(|one| one.verdict.outcome == Outcome::Ignored && stale(one.verdict.field));
        // What is merged over /etc is not over or under what is merged over /usr.
        if !is_merged || row.is_companion {
            continue;
        }
        let newer = |known: &usize| store::order::systemd(&rows[*known].file, &row.file).is_lt();
        if newest.get(row.link.as_str()).is_none_or(newer) {
            newest.insert(&row.link, index);
        }
    }
    let mut merged: Vec<_> = newest.into_values().collect();
    merged.sort_by(|one, two| super::in_order(&rows[*one].link, &rows[*two].link));
    merged
}

/// Judges the images that a host merges together, and says in their rows what of each breaks there.
/// `None` where they are fewer than two. Those whose files are not known are named.
pub fn judge(
    rows: &mut [Row],
    target: usize,
    ground: &Ground<'_>,
    from: Option<&Ground<'_>>,
) -> Result<Option<Together>> {
    let merged = merged(rows, target);
    if merged.len() < 2 {
        return Ok(None);
    }
    let (merged, unread): (Vec<_>, Vec<_>) =
        (merged.into_iter()).partition(|row| rows[*row].member.is_some());
    let unjudged = unread.into_iter().map(|row| rows[row].link.clone());
    let unjudged: Vec<_> = unjudged.collect();
    if merged.len() < 2 {
        return Ok(Some(Together {
            unjudged,
            ..Together::default()
        }));
    }
    let mut contents = Contents::default();
    let (mut together, found) = on(rows, &merged, ground, target, &mut contents)?;
    together.unjudged = unjudged;
    if let Some(from) = from {
        let (before, known) = on(rows, &merged, from, rows[0].on_base.len(), &mut contents)?;
        let findings = &mut together.findings;
        findings.retain(|one| !before.findings.contains(one));
        for ((row, mut found), known) in merged.iter().zip(found).zip(&known) {
            found.subtract(known);
            rows[*row].on_base[target].replace(found);
        }
        return Ok(Some(together));
    }
    for (row, found) in merged.iter().zip(found) {
        rows[*row].on_base[target].replace(found);
    }
    Ok(Some(together))
}

/// Judges images over a base, and returns what would break of each.
fn on(
    rows: &[Row],
    merged: &[usize],
    ground: &Ground<'_>,
    target: usize,
    contents: &mut Contents,
) -> Result<(Together, Vec<OnBase>)> {
    let members: Vec<_> = (merged.iter())
        .filter_map(|row| Some((&rows[*row], rows[*row].member.as_ref()?)))
        .collect();
    let layers: Vec<_> = (members.iter())
        .map(|(row, member)| Layer {
            name: &row.link,
            tree: &member.tree,
            linkage: &member.linkage,
        })
        .collect();
    let paths: Vec<_> = members.iter().map(|(_, member)| &member.path).collect();
    let hides = |layer: usize, path: &str| {
        let (row, _) = members[layer];
        let hides = row.on_base.get(target).or(row.before.as_ref());
        hides.is_none_or(|found| found.hides.contains(path))
    };
    let files = Files {
        naming: &mut |layer, id| contents.name(paths[layer], id),
        differs_from_base: &hides,
    };
    let together = super::judge(&layers, ground.libraries.below(), files)?;
    let manifests: Vec<_> = (members.iter())
        .map(|(_, member)| member.manifest.as_ref())
        .collect();
    let found = (manifests.iter().enumerate()).map(|(index, manifest)| {
        let mut found = OnBase::default();
        if let Some(breaks) = &together.breaks {
            found.breaks = breaks.get(&index).cloned().unwrap_or_default();
            found.findings = closure::findings(&found.breaks);
        }
        if let Some(manifest) = manifest {
            let all = manifests.iter().flatten().copied();
            found.findings.extend(ground.unmet(manifest, all));
        }
        found
    });
    let found = found.collect();
    Ok((together, found))
}

impl OnBase {
    /// Puts what was found with other images in the place of what was found without.
    fn replace(&mut self, found: Self) {
        let (own, before) = (&mut self.as_before, found.as_before);
        replace(
            &mut own.breaks,
            &mut own.findings,
            before.breaks,
            before.findings,
        );
        replace(
            &mut self.breaks,
            &mut self.findings,
            found.breaks,
            found.findings,
        );
    }
}

fn replace(
    breaks: &mut Vec<Break>,
    findings: &mut Vec<Finding>,
    new_breaks: Vec<Break>,
    new_findings: Vec<Finding>,
) {
    let known = closure::findings(breaks);
    findings.retain(|one| one.kind != &kinds::UNMET_REQUIREMENT && !known.contains(one));
    findings.extend(new_findings);
    *breaks = new_breaks;
}

/// Contents of images, by names that mean the same in all of them.
#[derive(Default)]
pub struct Contents {
    open: BTreeMap<PathBuf, Inside>,
    known: BTreeMap<(PathBuf, ContentId), ContentId>,
}

impl Contents {
    /// Names a content of the image at a path.
    pub fn name(&mut self, path: &PathBuf, id: &ContentId) -> Result<ContentId> {
        let key = (path.clone(), id.clone());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        if !self.open.contains_key(path) {
            if self.open.len() == OPEN {
                self.open.clear();
            }
            if let Some(inside) = InspectedImage::open_alone(path)?.inside {
                self.open.insert(path.clone(), inside);
            }
        }
        let name = match self.open.get_mut(path) {
            Some(inside) => (inside.tree_and_digest().1)(id)?,
            // It is gone since, and so differs from all others.
            None => ContentId::new(format!("{}:{id}", path.display())),
        };
        self.known.insert(key, name.clone());
        Ok(name)
    }
}
