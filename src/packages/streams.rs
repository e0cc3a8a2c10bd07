//! Which streams of modules are active, and which packages that leaves out.
//!
//! The rules are dnf's. A default stream is active only if what it needs is there. Packages of all
//! other streams are not candidates; neither are packages of no module that are named like one of
//! an active stream, or provide that name.

use std::collections::{BTreeMap, BTreeSet};

use resolve::{Catalog, Nevra};
use rpm_input::repodata::Stream;

/// What a stream needs, where that is not there.
#[derive(Debug)]
pub struct Unmet {
    /// The module.
    pub module: String,
    /// Its stream.
    pub stream: String,
    /// Another module, with the streams of it that would do.
    pub need: String,
}

/// Returns the newest version of each stream that is used and has what it needs; `used` loses the
/// others. One of a module that may be left out is not used if it lacks something; another one is an
/// error.
pub fn active<'a>(
    streams: &'a [Stream],
    used: &mut BTreeMap<String, String>,
    may_be_left_out: &BTreeSet<String>,
) -> Result<Vec<&'a Stream>, Unmet> {
    loop {
        let is_used = |one: &&Stream| used.get(&one.module) == Some(&one.stream);
        let mut active: Vec<&Stream> = streams.iter().filter(is_used).collect();
        active.retain(|one| needs(one, used).is_none());
        let has = |module: &String| active.iter().any(|one| one.module == *module);
        let known = |module: &String| streams.iter().any(|one| one.module == *module);
        let broken = used
            .keys()
            .find(|module| known(module) && !has(module))
            .cloned();
        let Some(broken) = broken else {
            let newest = |one: &&Stream| {
                let same = |other: &&&Stream| {
                    (&other.module, &other.stream, &other.context)
                        == (&one.module, &one.stream, &one.context)
                };
                let mut others = active.iter().filter(same);
                others.all(|other| other.version <= one.version)
            };
            return Ok(active.iter().copied().filter(newest).collect());
        };
        let stream = used.remove(&broken).unwrap_or_default();
        if !may_be_left_out.contains(&broken) {
            used.insert(broken.clone(), stream.clone());
            let mut of_it = streams
                .iter()
                .filter(|one| (&one.module, &one.stream) == (&broken, &stream));
            let need = of_it.find_map(|one| needs(one, used));
            let Some(need) = need else {
                // The base has enabled what no repository has any more.
                used.remove(&broken);
                continue;
            };
            return Err(Unmet {
                module: broken,
                stream,
                need,
            });
        }
    }
}

/// Returns what a stream needs and is not used; none if it has all in one of its alternatives.
fn needs(stream: &Stream, used: &BTreeMap<String, String>) -> Option<String> {
    let mut lacking = None;
    for requires in &stream.requires {
        let is_unmet = |(module, streams): &(&String, &Vec<String>)| {
            // The platform is the base itself.
            let found = used.get(*module);
            *module != "platform"
                && !found.is_some_and(|found| streams.is_empty() || streams.contains(found))
        };
        match requires.iter().find(is_unmet) {
            None => return None,
            Some((module, streams)) => {
                lacking = Some(match streams.as_slice() {
                    [] => module.clone(),
                    streams => format!("{module}:{}", streams.join(" or ")),
                });
            }
        }
    }
    lacking
}

/// Returns the packages of a repository, by their index, that are not candidates.
pub fn left_out(catalog: &Catalog, streams: &[Stream], active: &[&Stream]) -> BTreeSet<usize> {
    let parsed = |artifacts: &[String]| -> Vec<Nevra> {
        let nevras = artifacts.iter().filter_map(|text| Nevra::parse(text));
        // The source of a program stands for no package.
        nevras
            .filter(|nevra| !["src", "nosrc"].contains(&nevra.arch.as_str()))
            .collect()
    };
    let of_active: Vec<Nevra> = active
        .iter()
        .flat_map(|one| parsed(&one.artifacts))
        .collect();
    let others: Vec<Nevra> = streams
        .iter()
        .flat_map(|one| parsed(&one.artifacts))
        .collect();
    let names: BTreeSet<&str> = of_active.iter().map(|nevra| nevra.name.as_str()).collect();
    let index_of = |nevra: &Nevra| {
        let mut named = catalog.named(&nevra.name).into_iter();
        named.find(|&index| {
            catalog.nevra(index).is_some_and(|found| {
                found.arch == nevra.arch
                    && found.evr.epoch.unwrap_or(0) == nevra.evr.epoch.unwrap_or(0)
                    && found.evr.version == nevra.evr.version
                    && found.evr.release == nevra.evr.release
            })
        })
    };
    let kept: BTreeSet<usize> = of_active.iter().filter_map(index_of).collect();
    let mut left_out: BTreeSet<usize> = others.iter().filter_map(index_of).collect();
    for name in names {
        left_out.extend(catalog.named(name));
        left_out.extend(catalog.offering(name));
    }
    left_out.difference(&kept).copied().collect()
}
