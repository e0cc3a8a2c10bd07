//! `store oci`: the images as artifacts for registries.
//!
//! Each image becomes an artifact, to be found as `<name>:<version>-<architecture>`; what is listed
//! beside it refers to it. `<name>:<version>` is the index of a version for all architectures.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use architecture::Architecture;
use files::Links;
use serde::Serialize;
use store::{List, ListedImage, Store, main_of};

use crate::cli::store::OciArguments;
use crate::publish::oci::{
    Artifact, Descriptor, Index, Layout, Manifest, Platform, reference, repository, tag,
};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;

/// The types of what is beside images, by what the file names end in.
const TYPES: [(&str, &str); 6] = [
    (".spdx.json", "application/spdx+json"),
    (".cdx.json", "application/vnd.cyclonedx+json"),
    (
        store::STATEMENT,
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    ),
    (
        manifest::SUFFIX,
        "application/vnd.sysext-build.manifest.v1+gzip",
    ),
    (
        store::INDEX_SUFFIX,
        "application/vnd.sysext-build.blocks.v1",
    ),
    (store::PATCH_SUFFIX, "application/vnd.sysext-build.patch.v1"),
];

#[derive(Serialize)]
struct Written<'a> {
    layout: &'a Path,
    images: Vec<Row>,
    new_blobs: usize,
    removed_blobs: usize,
}

#[derive(Serialize)]
struct Row {
    image: String,
    reference: String,
    /// Digest of its manifest, by which a registry has it.
    digest: String,
    /// What refers to it, by file name.
    referrers: Vec<String>,
}

/// An image on its way to the layout.
struct Coming<'a> {
    directory: &'a Path,
    list: &'a List,
    image: &'a ListedImage,
}

/// What is in the layout by reference.
#[derive(Default)]
struct References {
    /// Each with the file or the version that it stands for.
    named: BTreeMap<String, (String, Descriptor)>,
    /// Those of one version for several architectures, by reference, with the version.
    versions: BTreeMap<String, (String, Vec<Descriptor>)>,
    /// What refers to others.
    referrers: Vec<Descriptor>,
}

/// Writes the layout.
pub fn run(arguments: &OciArguments, report: &Report) -> Result<()> {
    super::demand_list(&arguments.directory)?;
    let mut lists = Vec::new();
    for directory in super::directories(&arguments.directory)? {
        let store = Store::open_for_reading(&directory).map_err(store_failure)?;
        let list = store.list().map_err(store_failure)?;
        let images = list.images().map_err(store_failure)?;
        lists.push((directory, list, images));
    }
    let all = lists.iter().flat_map(|(directory, list, images)| {
        let coming = move |image| Coming {
            directory,
            list,
            image,
        };
        images.iter().map(coming)
    });
    let all: Vec<_> = all.collect();
    let names = &arguments.names;
    let is_there = |name: &&String| all.iter().any(|one| one.image.is_called(name));
    if let Some(name) = names.iter().find(|name| !is_there(name)) {
        let path = arguments.directory.display();
        let text = anyhow!("{path} lists no image called {name}");
        return Err(Failure::refused(text).hint(format!("see sysext-build store list {path}")));
    }
    let is_wanted =
        |one: &&Coming<'_>| names.is_empty() || names.iter().any(|name| one.image.is_called(name));

    let mut layout = Layout::open(&arguments.layout)?;
    let (kind, nothing) = Manifest::CONFIG;
    let config = layout.add(kind, nothing)?;
    let mut references = References::default();
    let rows = (all.iter().filter(is_wanted))
        .map(|one| one.add(&mut layout, &mut references, &config, &arguments.oci_type))
        .collect::<Result<Vec<_>>>()?;
    let index = references.index(&mut layout)?;
    let new = layout.new;
    let removed = layout.finish(&index)?;

    let path = arguments.layout.display();
    let text = format!(
        "{} in {path}; {} new, {removed} removed",
        counted(rows.len(), "image"),
        counted(new, "blob")
    );
    report.stage("oci", &text);
    if let Some(row) = rows.first() {
        let name = &row.reference;
        let text = format!("skopeo copy oci:{path}:{name} docker://REGISTRY/{name}");
        report.stage("next", &text);
    }
    if report.is_json() {
        report.json(&Written {
            layout: &arguments.layout,
            images: rows,
            new_blobs: new,
            removed_blobs: removed,
        })?;
    }
    Ok(())
}

impl Coming<'_> {
    /// Adds an image and what belongs to it.
    fn add(
        &self,
        layout: &mut Layout,
        references: &mut References,
        config: &Descriptor,
        oci_type: &str,
    ) -> Result<Row> {
        let image = self.image;
        let (Some((version, suffix)), Some(manifest)) = (image.version(), &image.manifest) else {
            let path = self.directory.join(&image.file);
            let text = anyhow!("{} has no manifest that says its version", path.display());
            return Err(Failure::refused(text).hint("sysext-build store verify says more"));
        };
        let architecture = manifest.config.architecture.as_deref();
        let platform = architecture
            .and_then(Architecture::named)
            .map(|known| Platform {
                architecture: known.go(),
                os: "linux",
            });
        // What clients tell images of one version apart by: architecture, and in some layouts the OS.
        let only_for = match suffix
            .trim_end_matches(".raw")
            .trim_start_matches(['.', '-'])
        {
            "" => "any",
            suffix => suffix,
        };
        let media_type = match main_of(image.name()) {
            Some(_) => oci_type.replace("sysext", "confext"),
            None => oci_type.to_owned(),
        };
        let add = |layout: &mut Layout, artifact: Artifact<'_>| {
            let manifest = Manifest::new(&artifact, config).to_bytes()?;
            layout.add(Manifest::TYPE, &manifest)
        };
        let artifact = Artifact {
            media_type: &media_type,
            file: &image.file,
            sha256: &image.sha256,
            length: self.add_file(layout, &image.file, &image.sha256)?,
            version: Some(version),
            subject: None,
        };
        let found = add(layout, artifact)?;
        let repository = repository(image.name());
        let own = reference(&repository, &tag(version, Some(only_for)));
        let described = found.clone().of(&media_type, platform);
        references.add(own.clone(), &image.file, described.clone())?;
        let of_all = reference(&repository, &tag(version, None));
        references.add_version(of_all, format!("{} {version}", image.name()), described)?;

        let (mut files, mut referrers) = (Vec::new(), Vec::new());
        let attached = self.list.attached(&image.file);
        for file in image.manifest_file.iter().chain(&attached) {
            let Some(sha256) = self.list.digest_of(file) else {
                continue;
            };
            let kind = TYPES.iter().find(|(suffix, _)| file.ends_with(suffix));
            let media_type = kind.map_or("application/octet-stream", |(_, kind)| kind);
            let artifact = Artifact {
                media_type,
                file,
                sha256: &sha256,
                length: self.add_file(layout, file, &sha256)?,
                version: None,
                subject: Some(&found),
            };
            referrers.push(add(layout, artifact)?.of(media_type, None));
            files.push(file.clone());
        }
        if !referrers.is_empty() {
            references.referrers.extend(referrers.iter().cloned());
            // In registries that can't be asked for it, this tag has what refers to a digest.
            let tag = found.digest.replace(':', "-");
            let index = layout.add(Index::TYPE, &Index::new(referrers).to_bytes()?)?;
            references.add(reference(&repository, &tag), &image.file, index)?;
        }
        Ok(Row {
            image: image.file.clone(),
            reference: own,
            digest: found.digest,
            referrers: files,
        })
    }

    /// Adds the bytes of a listed file; returns how many those are.
    fn add_file(&self, layout: &mut Layout, file: &str, sha256: &[u8; 32]) -> Result<u64> {
        let path: PathBuf = self.directory.join(file);
        layout.add_file(&mut files::open(&path, Links::Refuse)?, &path, sha256)
    }
}

impl References {
    fn add(&mut self, name: String, what: &str, found: Descriptor) -> Result<()> {
        match self.named.entry(name) {
            Entry::Vacant(free) => {
                let found = found.called(free.key().clone());
                free.insert((what.to_owned(), found));
                Ok(())
            }
            Entry::Occupied(taken) => Err(same_name(taken.key(), &taken.get().0, what)),
        }
    }

    fn add_version(&mut self, name: String, what: String, found: Descriptor) -> Result<()> {
        match self.versions.entry(name) {
            Entry::Vacant(free) => {
                free.insert((what, vec![found]));
                Ok(())
            }
            Entry::Occupied(mut taken) if taken.get().0 == what => {
                taken.get_mut().1.push(found);
                Ok(())
            }
            Entry::Occupied(taken) => Err(same_name(taken.key(), &taken.get().0, &what)),
        }
    }

    /// Adds the indexes of versions, and returns that of all.
    fn index(mut self, layout: &mut Layout) -> Result<Index> {
        for (name, (what, found)) in std::mem::take(&mut self.versions) {
            let index = layout.add(Index::TYPE, &Index::new(found).to_bytes()?)?;
            self.add(name, &what, index)?;
        }
        let named = self.named.into_values().map(|(_, found)| found);
        Ok(Index::of_layout(named.chain(self.referrers).collect()))
    }
}

fn same_name(reference: &str, one: &str, other: &str) -> Failure {
    let text = anyhow!(
        "{one} and {other} would both be {reference} in a registry, which takes fewer characters"
    );
    Failure::refused(text).hint("write a layout of each: name the extensions after the layout")
}
