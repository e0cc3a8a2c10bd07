//! What is wrong with what was seen.

use std::collections::BTreeMap;

use manifest::Summary;

use super::beside::{SUM_SUFFIX, agrees};
use super::survey::{Looks, Survey};
use super::{Examination, Finding, Verdict, kinds};
use crate::collision;
use crate::companion::halves;
use crate::compat;
use crate::definition::is_delivered;
use crate::directory::{Directory, SIGNATURE, SUMS};
use crate::error::Error;
use crate::freshness;
use crate::inventory::{self, is_about_the_list};
use crate::mirror::MIRROR_OF;
use crate::name::check_name;
use crate::order;
use crate::publish;
use crate::serial;
use crate::sums::{IMAGE_SUFFIX, Sums};
use crate::tarball::KEYRING;
use crate::temporary;

pub(super) fn judge(
    directory: &Directory,
    survey: &Survey,
    looks: &Looks,
    examination: &Examination<'_>,
) -> Result<Verdict, Error> {
    let mut findings = Vec::new();
    if survey.is_half_done {
        let text = format!("was left behind on its way to {SUMS}");
        findings.push(Finding::new(
            &kinds::HALF_PUBLISHED,
            publish::COMMITTED,
            text,
        ));
    }
    let nothing = Sums::default();
    let sums = match &survey.sums {
        Ok(sums) => sums,
        Err(Error::Sums { line, problem, .. }) => {
            let text = format!("line {line}: {problem}");
            findings.push(Finding::new(&kinds::LIST_UNREADABLE, SUMS, text));
            &nothing
        }
        Err(error) => {
            findings.push(Finding::new(
                &kinds::LIST_UNREADABLE,
                SUMS,
                format!(": {error}"),
            ));
            &nothing
        }
    };
    let is_readable = survey.sums.is_ok();
    list(survey, sums, looks, &mut findings);
    let images = images(sums, looks, &mut findings);
    names(sums, &images, &mut findings);
    orders(&images, &mut findings);
    signature(survey, examination, &mut findings);
    findings.extend(best_before(sums, examination.now));
    let is_by_obs = is_published_by_obs(directory, survey, sums)?;
    if is_by_obs {
        let text = "is made of the NAME.sha256 next to each file";
        findings.push(Finding::new(&kinds::PUBLISHED_BY_OBS, SUMS, text));
    }
    // That it is not the listed file is said above.
    let is_compat = |finding: &Finding| finding.file == compat::COMPAT;
    if !findings.iter().any(is_compat)
        && let Some(problem) = compat::problem(directory, sums)?
    {
        let text = format!("has verdicts that {problem}");
        findings.push(Finding::new(&kinds::COMPAT_STALE, compat::COMPAT, text));
    }
    for name in survey.files.keys() {
        if let Some(finding) = other(directory, survey, sums, name)? {
            if is_by_obs && finding.kind == &kinds::BARE_SHA256 {
                continue;
            }
            // Of a list that can't be read nobody knows what is listed.
            if is_readable || finding.kind == &kinds::LEFTOVER {
                findings.push(finding);
            }
        }
    }
    findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
    Ok(Verdict {
        findings,
        images: sums
            .entries()
            .iter()
            .filter(|entry| entry.is_image())
            .count(),
        bytes: (survey.files.iter())
            .filter(|(name, _)| looks.contains_key(*name))
            .map(|(_, stamp)| stamp.size)
            .sum(),
    })
}

/// The list against the files.
fn list(survey: &Survey, sums: &Sums, looks: &Looks, findings: &mut Vec<Finding>) {
    if let Some((image, longer)) = sums.image_prefix() {
        let text = format!("begins like {image}");
        findings.push(Finding::new(&kinds::LIST_PREFIX, longer, text));
    }
    for entry in sums.entries() {
        let name = &entry.name;
        if is_about_the_list(entry) {
            continue;
        }
        let hash = looks.get(name).and_then(|look| look.sha256);
        match hash.filter(|_| survey.files.contains_key(name)) {
            None => findings.push(Finding::new(
                &kinds::FILE_MISSING,
                name,
                "is listed but missing",
            )),
            Some(hash) if hash != entry.sha256 => {
                let text = "does not have the SHA-256 that is listed";
                findings.push(Finding::new(&kinds::DIGEST_MISMATCH, name, text));
            }
            Some(_) => {}
        }
    }
}

/// The listed images against their manifests; returns those whose manifests are good.
fn images<'a>(
    sums: &'a Sums,
    looks: &'a Looks,
    findings: &mut Vec<Finding>,
) -> BTreeMap<&'a str, &'a Summary> {
    let mut good = BTreeMap::new();
    for entry in sums.entries().iter().filter(|entry| entry.is_image()) {
        let image = entry.name.as_str();
        if let Err(problem) = check_name(image) {
            findings.push(Finding::new(&kinds::NAME_UNUSABLE, image, problem));
        }
        let Some(look) = looks.get(image) else {
            continue;
        };
        findings.extend(look.inside.iter().cloned());
        let manifest_name = manifest::file_name(image);
        match &look.manifest {
            None => {
                let text = format!("has no {manifest_name} next to it");
                findings.push(Finding::new(&kinds::MANIFEST_MISSING, image, text));
                continue;
            }
            Some(Err(problem)) => {
                findings.push(Finding::new(
                    &kinds::MANIFEST_INVALID,
                    &manifest_name,
                    problem,
                ));
                continue;
            }
            Some(Ok(manifest)) => drop(good.insert(image, manifest)),
        }
        if sums.get(&manifest_name).is_none() {
            let text = format!("has a {manifest_name}, which is not listed");
            findings.push(Finding::new(&kinds::MANIFEST_MISSING, image, text));
        }
    }
    for (image, manifest) in &good {
        findings.extend(of_image(image, manifest));
    }
    let listed = sums.entries().iter().filter(|entry| entry.is_image());
    let listed = listed.map(|entry| entry.name.as_str());
    for half in halves(listed.map(|image| (image, good.get(image).copied()))) {
        let what = ["its companion", "its image"][usize::from(half.is_companion)];
        let text = format!("is listed without {what}, {}", half.other);
        findings.push(Finding::new(&kinds::COMPANION_MISSING, &half.file, text));
    }
    good
}

/// What is wrong with an image and its manifest, whatever else is in the store: the manifest is
/// about another one, or some client does not see the version.
#[must_use]
pub fn of_image(image: &str, manifest: &Summary) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(problem) = mismatch(image, manifest) {
        let name = manifest::file_name(image);
        findings.push(Finding::new(&kinds::MANIFEST_MISMATCH, &name, problem));
    }
    if let Some((_, shown, _)) = manifest.split(image)
        && !order::is_seen_by_all(shown)
    {
        let text = format!("has version {shown:?}, which not every client sees");
        findings.push(Finding::new(&kinds::VERSION_UNSEEN, image, text));
    }
    findings
}

/// What a manifest says that its image's file name or itself does not.
fn mismatch(image: &str, manifest: &Summary) -> Option<String> {
    let config = &manifest.config;
    let version = config.version.as_deref().unwrap_or_default();
    let architecture = config.architecture.as_deref().unwrap_or_default();
    let Some((_, _, suffix)) = manifest.split(image) else {
        return Some(format!(
            "is about {} in version {version}, but the image is {image}",
            config.name
        ));
    };
    let end = format!("{architecture}{IMAGE_SUFFIX}");
    if !suffix.ends_with(&end) || !suffix.starts_with(['.', '-']) {
        return Some(format!(
            "is about an image for {architecture}, but the image is {image}"
        ));
    }
    let extension = |key: &str| manifest.extension.get(key).map_or("", String::as_str);
    [
        ("SYSEXT_VERSION_ID", version),
        ("ARCHITECTURE", architecture),
    ]
    .into_iter()
    .find(|(key, expected)| extension(key) != *expected)
    .map(|(key, expected)| {
        let found = extension(key);
        format!("has {key}={found} for the image and {expected} in its config")
    })
}

/// Names that some client takes for others.
fn names(sums: &Sums, images: &BTreeMap<&str, &Summary>, findings: &mut Vec<Finding>) {
    let extensions = (sums.entries().iter())
        .filter(|entry| entry.is_image())
        .map(|entry| {
            let image = entry.name.as_str();
            let name = match images.get(image) {
                Some(manifest) => manifest.config.name.as_str(),
                None => inventory::guess_name(image),
            };
            (image, name)
        })
        .collect();
    for (general, special, image) in collision::all(&extensions) {
        let text = format!(
            "of {special} also matches {general}-@v.%a.raw, the pattern of \
                            {general}"
        );
        findings.push(Finding::new(&kinds::PATTERN_COLLISION, image, text));
    }
}

/// An image among those with which a client compares it.
struct Version<'a> {
    image: &'a str,
    /// As systemd-sysupdate sees it.
    shown: &'a str,
    /// As sysextmgr sees it.
    inside: &'a str,
    /// As RPM sees it.
    evr: &'a str,
}

/// Versions, by the order of each client.
fn orders(images: &BTreeMap<&str, &Summary>, findings: &mut Vec<Finding>) {
    let mut groups: BTreeMap<_, Vec<Version<'_>>> = BTreeMap::new();
    for (image, manifest) in images {
        let Some((prefix, shown, suffix)) = manifest.split(image) else {
            continue;
        };
        let inside = manifest.extension.get("SYSEXT_VERSION_ID");
        groups.entry((prefix, suffix)).or_default().push(Version {
            image,
            shown,
            inside: inside.map_or(shown, String::as_str),
            evr: manifest.evr().unwrap_or(shown),
        });
    }
    for group in groups.values_mut() {
        group.sort_by(|a, b| order::rpm(a.evr, b.evr).then(order::systemd(a.shown, b.shown)));
        let Some(newest) = group.last() else { continue };
        let by_systemd = group.iter().max_by(|a, b| order::systemd(a.shown, b.shown));
        let by_glibc = group.iter().max_by(|a, b| order::glibc(a.inside, b.inside));
        let mut is_same = true;
        for (client, other) in [("systemd-sysupdate", by_systemd), ("sysextmgr", by_glibc)] {
            if let Some(other) = other
                && order::rpm(other.evr, newest.evr).is_lt()
            {
                is_same = false;
                let text = format!(
                    "is the newest for {client}, and {} for RPM ({} < {})",
                    newest.image, other.evr, newest.evr
                );
                findings.push(Finding::new(&kinds::NEWEST_DIFFERS, other.image, text));
            }
        }
        let twisted = group.windows(2).find_map(|pair| match pair {
            [a, b] => (order::systemd(a.shown, b.shown).is_ge()).then_some((a, b)),
            _ => None,
        });
        if let Some((a, b)) = twisted
            && is_same
        {
            let text = format!("is not below {} for systemd-sysupdate", b.image);
            findings.push(Finding::new(&kinds::ORDER_DIFFERS, a.image, text));
        }
    }
}

fn signature(survey: &Survey, examination: &Examination<'_>, findings: &mut Vec<Finding>) {
    let finding = match (&survey.signature, examination.check_signature) {
        (None, _) if survey.files.contains_key(KEYRING) => Some(Finding::new(
            &kinds::SIGNATURE_MISSING,
            SIGNATURE,
            format!("is gone, and {KEYRING} is there"),
        )),
        (None, _)
            if survey
                .sums
                .as_ref()
                .is_ok_and(|sums| serial::of(sums).is_some()) =>
        {
            Some(Finding::new(
                &kinds::SIGNATURE_MISSING,
                SIGNATURE,
                format!("is gone, and {SUMS} has the number of a signed list"),
            ))
        }
        (None, _) if survey.list.is_empty() => None,
        (None, _) => Some(Finding::new(
            &kinds::UNSIGNED,
            SUMS,
            "has no SHA256SUMS.gpg",
        )),
        (Some(_), None) => Some(Finding::new(
            &kinds::SIGNATURE_UNCHECKED,
            SIGNATURE,
            "was not checked",
        )),
        (Some(_), Some(_)) if !survey.files.contains_key(SUMS) => Some(Finding::new(
            &kinds::SIGNATURE_INVALID,
            SIGNATURE,
            format!("is there, and {SUMS} is gone"),
        )),
        (Some(signature), Some(check)) => check(&survey.list, signature).err().map(|problem| {
            let text = format!("does not count: {problem}");
            Finding::new(&kinds::SIGNATURE_INVALID, SIGNATURE, text)
        }),
    };
    findings.extend(finding);
}

/// Whether clients refuse the list for its age, or soon will.
fn best_before(sums: &Sums, now: u64) -> Option<Finding> {
    let day = freshness::of(sums)?;
    match day.days_after(now) {
        ..0 => {
            let text = format!("was good until {day}");
            Some(Finding::new(&kinds::BEST_BEFORE_OVER, SUMS, text))
        }
        0..7 => {
            let text = format!("is good until {day}");
            Some(Finding::new(&kinds::BEST_BEFORE_NEAR, SUMS, text))
        }
        7.. => None,
    }
}

/// Whether this is what the Open Build Service publishes: a `NAME.sha256` beside each listed file,
/// all of which say what the list says, since it was made of them.
fn is_published_by_obs(directory: &Directory, survey: &Survey, sums: &Sums) -> Result<bool, Error> {
    let mut files = 0;
    for entry in sums.entries() {
        if is_about_the_list(entry) {
            continue;
        }
        let name = format!("{}{SUM_SUFFIX}", entry.name);
        if !survey.files.contains_key(&name) || agrees(directory, sums, &name)? != Some(true) {
            return Ok(false);
        }
        files += 1;
    }
    Ok(files > 0)
}

/// What there is to say of a file that may not be listed.
fn other(
    directory: &Directory,
    survey: &Survey,
    sums: &Sums,
    name: &str,
) -> Result<Option<Finding>, Error> {
    let is_completed = survey.is_half_done && publish::is_completed(name);
    if name == SUMS || name == SIGNATURE || sums.get(name).is_some() || is_completed {
        return Ok(None);
    }
    if publish::is_fixed_name(name)
        || survey.pending.iter().any(|pending| pending == name)
        || (temporary::is_own_name(name) && directory.is_abandoned(name)?)
    {
        return Ok(Some(Finding::new(
            &kinds::LEFTOVER,
            name,
            "was left behind by a killed process",
        )));
    }
    if temporary::is_own_name(name) {
        return Ok(None);
    }
    if name.ends_with(IMAGE_SUFFIX) {
        return Ok(Some(Finding::new(
            &kinds::NOT_LISTED,
            name,
            "is not listed",
        )));
    }
    if let Some(file) = name.strip_suffix(SUM_SUFFIX)
        && sums.get(file).is_some()
    {
        let text = format!("takes the place of {SUMS} for {file}");
        return Ok(Some(Finding::new(&kinds::BARE_SHA256, name, text)));
    }
    let is_manifest = name
        .strip_suffix(manifest::SUFFIX)
        .is_some_and(|stem| survey.files.contains_key(&format!("{stem}{IMAGE_SUFFIX}")));
    // The Open Build Service signs what it lists, and the list, so.
    let is_signature = name.strip_suffix(".asc").is_some_and(|signed| {
        let listed = signed.strip_suffix(SUM_SUFFIX);
        signed == SUMS || listed.is_some_and(|file| sums.get(file).is_some())
    });
    let is_known = is_manifest || is_signature || is_delivered(name) || name == MIRROR_OF;
    Ok((!is_known).then(|| Finding::new(&kinds::STRAY, name, "is not listed")))
}
