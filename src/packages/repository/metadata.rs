//! A repository with metadata: its list, its catalog, who has which path, where files are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use anyhow::anyhow;
use resolve::{Catalog, CatalogBuilder, Nevra, Withheld};
use rpm_input::repodata::{
    Batch, Checksum, ChecksumHasher, Filelists, Kind, MetadataFile, Modules, Primary, Repomd,
    Retracted,
};
use rpm_input::{DigestAlgorithm, Package};

use crate::cache::CacheDirectory;
use crate::findings::{Finding, kinds};
use crate::once::Once;
use crate::packages::repository::download::{Downloads, Item, Small};
use crate::packages::repository::headers::Wish;
use crate::packages::repository::keys::{self, Keys};
use crate::packages::repository::listing::{self, PackageFile};
use crate::packages::repository::site::{Site, Web};
use crate::packages::repository::{parallel, url, verify};
use crate::packages::start::Start;
use crate::timings::{Stage, Timings};
use crate::words::failure::{Failure, Result, package_failure};

/// Where a repository has its list.
const LIST: &str = "repodata/repomd.xml";
/// Longest metadata file as it is stored, in bytes, where `repomd.xml` does not say it.
const MAX_STORED: u64 = 1 << 30;
/// Bytes that a catalog may have more than the XML that it was made from.
const MAX_SMALL_CATALOG: u64 = 64 << 10;
/// Longest package, in bytes, where the metadata do not say it.
const MAX_PACKAGE: u64 = 16 << 30;
/// Longest `repomd.xml`, in bytes.
const MAX_REPOMD: u64 = 4 << 20;

/// What a catalog may take however small the metadata are, in bytes.
const CATALOG_FLOOR: u64 = 32 << 20;
/// Bytes of a catalog for each stored byte of the metadata, beyond the floor. Those of
/// distributions take 4 to 6. The catalog is held in memory, twice while it is made, and kept in
/// the cache.
const MAX_CATALOG_RATIO: u64 = 16;

/// XML of packages that are read at the same time, in bytes. What is made of it takes some times
/// as much.
const MAX_AT_WORK: usize = 4 << 20;
/// Threads that read packages. More of them would wait for the one that unpacks the file.
const MAX_THREADS: usize = 4;

/// Compares a file with what is listed of it; says in words what is wrong.
type Check<'a> = &'a dyn Fn(&Path, &Checksum, Option<u64>) -> std::result::Result<(), String>;

/// A repository's list, and where the files that it names are.
pub struct Metadata {
    name: String,
    site: Site,
    repomd: Repomd,
    is_fetched: bool,
    looked_up: Mutex<LookedUp>,
    /// Files of packages that were checked to their ends, by their index: several images of a run may
    /// hold the same package.
    checked: Once<usize, PathBuf>,
}

/// Paths that were looked up in the file lists.
#[derive(Default)]
struct LookedUp {
    paths: BTreeSet<String>,
    /// The packages that have them, by their index.
    owners: BTreeMap<String, BTreeSet<usize>>,
}

impl Metadata {
    /// Reads the list of a repository as it is now. Nothing in it is believed before its
    /// signature has been checked, where that is asked for.
    pub fn open(
        name: String,
        site: Site,
        keys: &Keys,
        now: u64,
        downloads: &Downloads<'_>,
    ) -> Result<Self> {
        let mut is_fetched = true;
        let repomd = match &site {
            Site::Directory(path) => {
                let signature = keys::signature_path(path);
                let path = path.join(LIST);
                let bytes = read_bounded(&path, MAX_REPOMD)?;
                if keys.metadata {
                    let signature = read_bounded(&signature, MAX_REPOMD)?;
                    keys.check_list(&name, &bytes, &signature, now)?;
                }
                Repomd::parse(&bytes, &path.display().to_string()).map_err(package_failure)?
            }
            Site::Web(web) => {
                let urls = web.urls(LIST);
                let origin = urls
                    .first()
                    .map(|url| fetch::redacted(url))
                    .unwrap_or_default();
                let what = format!("repomd.xml of {name}");
                let wanted = Small {
                    id: &web.id,
                    urls: &urls,
                    direct: web.direct,
                    what: &what,
                    accept: &|bytes| promised(web, bytes),
                };
                let state = downloads.state(&wanted)?;
                is_fetched = state.is_fetched();
                if keys.metadata {
                    let signature = Small {
                        id: &format!("{}.asc", web.id),
                        urls: &web.urls(keys::SIGNATURE),
                        what: &format!("the signature of {what}"),
                        accept: &|_| Ok(()),
                        ..wanted
                    };
                    let fetched = downloads.state(&signature)?;
                    keys.check_list(&name, state.bytes(), fetched.bytes(), now)?;
                    downloads.accept(signature.id, &fetched)?;
                }
                let repomd = Repomd::parse(state.bytes(), &origin).map_err(package_failure)?;
                downloads.accept(&web.id, &state)?;
                repomd
            }
        };
        Ok(Self {
            name,
            site,
            repomd,
            is_fetched,
            looked_up: Mutex::default(),
            checked: Once::default(),
        })
    }

    /// Returns the number of this state of the repository.
    pub fn revision(&self) -> Option<u64> {
        self.repomd.number()
    }

    /// Says what of the list can't be relied on: that it is from a cache that anyone may have
    /// written, and which files are vouched for by a checksum that does not hold them.
    pub fn findings(&self) -> Vec<Finding> {
        let files = [("primary", Kind::Primary), ("filelists", Kind::Filelists)];
        let weak = files.into_iter().filter_map(|(what, kind)| {
            let algorithm = self.repomd.file(&kind)?.weak_checksum()?;
            Some(weak_checksum(&self.name, algorithm, what))
        });
        let foreign = (!self.is_fetched).then(|| {
            let text = "its list is from a cache that was not written by this user here";
            Finding::new(&kinds::FOREIGN_CACHE, format!("{}: {text}", self.name))
        });
        foreign.into_iter().chain(weak).collect()
    }

    /// Returns the packages on offer: from the cache, if this state of the repository was read
    /// before.
    pub fn catalog(&self, downloads: &Downloads<'_>, timings: &Timings) -> Result<Catalog> {
        let listed = self.repomd.file(&Kind::Primary).ok_or_else(|| {
            Failure::refused(anyhow!(
                "repomd.xml of {} lists no primary metadata",
                self.name
            ))
        })?;
        let checksum = &listed.checksum;
        let key = format!(
            "{}-{}-{}",
            checksum.kind(),
            checksum.hex(),
            listing::VERSION
        );
        // Without a seal nothing tells a catalog of our making from another.
        let cache = downloads.cache().filter(|cache| cache.has_seal());
        let Some(cache) = cache else {
            return self.parse(listed, downloads, timings);
        };
        // One that can't be read is of another version of this program, and is made again.
        let kept = cache.sealed(CacheDirectory::Catalogs, &key, longest_catalog(listed))?;
        let kept = kept.filter(|kept| kept.holds);
        if let Some(catalog) = kept.and_then(|kept| Catalog::decode(kept.bytes).ok()) {
            return Ok(catalog);
        }
        let catalog = self.parse(listed, downloads, timings)?;
        cache.keep(CacheDirectory::Catalogs, &key, catalog.encode())?;
        Ok(catalog)
    }

    fn parse(
        &self,
        listed: &MetadataFile,
        downloads: &Downloads<'_>,
        timings: &Timings,
    ) -> Result<Catalog> {
        let (file, origin) = self.metadata_file(listed, downloads)?;
        let mut primary =
            Primary::open(Box::new(file), &origin, listed).map_err(package_failure)?;
        let mut builder = CatalogBuilder::new();
        let next = || {
            let batch = primary.next_batch().map_err(package_failure)?;
            Ok(batch.map(|batch| {
                let size = batch.size();
                (batch, size)
            }))
        };
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let bounds = (threads.min(MAX_THREADS), MAX_AT_WORK);
        let read = |batch| match bounds.0 {
            // They are read on this thread, whose time counts already.
            1 => catalogued(batch),
            threads => timings.help(Stage::Repositories, threads, || catalogued(batch)),
        };
        parallel::stream(bounds, next, read, |made| {
            let (mut part, stored) = made?;
            builder.append(&mut part);
            let limit = CATALOG_FLOOR + MAX_CATALOG_RATIO * stored;
            match builder.size() as u64 > limit {
                true => Err(Failure::refused(anyhow!(
                    "{origin}: {stored} bytes of metadata list packages that take more than {} MiB",
                    limit >> 20
                ))),
                false => Ok(()),
            }
        })?;
        builder
            .finish()
            .map_err(|error| Failure::refused(anyhow!(error).context(origin)))
    }

    /// Returns the packages of patches that were taken back, by their index.
    pub fn withheld(
        &self,
        catalog: &Catalog,
        downloads: &Downloads<'_>,
    ) -> Result<BTreeMap<usize, Withheld>> {
        let mut withheld = BTreeMap::new();
        let Some(listed) = self.repomd.file(&Kind::Other("updateinfo".to_owned())) else {
            return Ok(withheld);
        };
        let (file, origin) = self.metadata_file(listed, downloads)?;
        let mut patches =
            Retracted::open(Box::new(file), &origin, listed).map_err(package_failure)?;
        while let Some(packages) = patches.next_patch().map_err(package_failure)? {
            for patched in packages {
                let mut named = catalog.named(&patched.name);
                named.retain(|&index| {
                    catalog.nevra(index).is_some_and(|nevra| {
                        nevra.evr.epoch.unwrap_or(0) == patched.epoch
                            && nevra.evr.version == patched.version
                            && nevra.evr.release == patched.release
                            && nevra.arch == patched.arch
                    })
                });
                withheld.extend(named.into_iter().map(|index| (index, Withheld::Retracted)));
            }
        }
        Ok(withheld)
    }

    /// Returns what the repository says of modules.
    pub fn modules(&self, downloads: &Downloads<'_>) -> Result<Modules> {
        let Some(listed) = self.repomd.file(&Kind::Other("modules".to_owned())) else {
            return Ok(Modules::default());
        };
        let (file, origin) = self.metadata_file(listed, downloads)?;
        Modules::read(Box::new(file), &origin, listed).map_err(package_failure)
    }

    /// Returns which packages have which of these paths. The lists are read for those that were not
    /// looked up before.
    pub fn owners(
        &self,
        catalog: &Catalog,
        paths: &BTreeSet<String>,
        downloads: &Downloads<'_>,
    ) -> Result<Vec<(usize, String)>> {
        let mut known = parallel::locked(&self.looked_up);
        let new: BTreeSet<_> = paths.difference(&known.paths).cloned().collect();
        if !new.is_empty() {
            for (index, path) in self.listed_owners(catalog, &new, downloads)? {
                known.owners.entry(path).or_default().insert(index);
            }
            known.paths.extend(new);
        }
        let of = |path: &String| {
            let owners = known.owners.get(path).into_iter().flatten();
            owners
                .map(|index| (*index, path.clone()))
                .collect::<Vec<_>>()
        };
        let owners: BTreeSet<_> = paths.iter().flat_map(of).collect();
        Ok(owners.into_iter().collect())
    }

    /// Looks up in the file lists which packages have which of these paths.
    fn listed_owners(
        &self,
        catalog: &Catalog,
        paths: &BTreeSet<String>,
        downloads: &Downloads<'_>,
    ) -> Result<BTreeSet<(usize, String)>> {
        let Some(listed) = self.repomd.file(&Kind::Filelists) else {
            return Ok(BTreeSet::new());
        };
        let (file, origin) = self.metadata_file(listed, downloads)?;
        let mut lists = Filelists::open(Box::new(file), &origin, listed, paths.clone())
            .map_err(package_failure)?;
        // Only what the catalog lists is kept, so the lists can't take more than it does.
        // Packages of one checksum are one file: the first of them has its paths.
        let mut packages: BTreeMap<&str, usize> = BTreeMap::new();
        for index in 0..catalog.len() {
            if let Some(hex) = listing::checksum_hex(catalog, index) {
                packages.entry(hex).or_insert(index);
            }
        }
        let mut owners = BTreeSet::new();
        while let Some(list) = lists.next_match().map_err(package_failure)? {
            if let Some(index) = packages.get(&*list.checksum) {
                owners.extend(list.files.into_iter().map(|path| (*index, path)));
            }
        }
        Ok(owners)
    }

    /// Opens a metadata file; its checksum is left to the reader.
    fn metadata_file(
        &self,
        listed: &MetadataFile,
        downloads: &Downloads<'_>,
    ) -> Result<(File, String)> {
        let what = format!("{} of {}", listed.location, self.name);
        if let Some(urls) = self.urls(&listed.location, listed.base.as_deref())? {
            let item = Item {
                what,
                urls,
                direct: self.is_direct(),
                checksum: &listed.checksum,
                size: listed.size,
                limit: MAX_STORED,
            };
            let kept = downloads.item(CacheDirectory::Metadata, &item, &|_| {})?;
            return Ok((kept.file, kept.path.display().to_string()));
        }
        let path = self.local_path(&listed.location)?;
        let file = files::open(&path, files::Links::Follow)?;
        Ok((file, path.display().to_string()))
    }

    /// Returns the path of the file of a package, fetched if need be and checked.
    pub fn package(
        &self,
        (index, file): (usize, &PackageFile),
        downloads: &Downloads<'_>,
        progress: &dyn Fn(u64),
    ) -> Result<PathBuf> {
        let find = || match self.item(file)? {
            Some(item) => {
                let kept = downloads.item(CacheDirectory::Packages, &item, progress)?;
                Ok(kept.path)
            }
            None => self.local_package(file, &verify::file),
        };
        let path = self.checked.get(index, find)?;
        progress(file.size);
        Ok(PathBuf::clone(&path))
    }

    /// Returns the start of the file of a package: of one in a directory, of which only the length is
    /// checked, or as it comes without the rest. Where it can't be had so, the whole file is fetched.
    pub fn start(
        &self,
        (index, file): (usize, &PackageFile),
        listed: &Nevra,
        downloads: &Downloads<'_>,
        progress: &dyn Fn(u64),
    ) -> Result<Start> {
        let Some(item) = self.item(file)? else {
            let check = |path: &Path, _: &Checksum, size| verify::length(path, size);
            return self.local_package(file, &check).map(Start::File);
        };
        let wish = Wish {
            item: &item,
            listed,
            end: file.header_end,
        };
        if let Some(bytes) = downloads.header(&wish, progress)? {
            return Ok(Start::Bytes(downloads.package_path(&file.checksum)?, bytes));
        }
        let path = self.package((index, file), downloads, progress)?;
        Ok(Start::File(path))
    }

    /// Keeps the header of a package whose whole file was fetched to this path.
    pub fn keep_header(
        &self,
        file: &PackageFile,
        (package, path): (&Package, &Path),
        downloads: &Downloads<'_>,
    ) -> Result<()> {
        match &self.site {
            Site::Web(_) => downloads.keep_header(&file.checksum, package, path),
            Site::Directory(_) => Ok(()),
        }
    }

    /// Returns what is fetched of a package; nothing if it is in a directory.
    fn item<'a>(&self, file: &'a PackageFile) -> Result<Option<Item<'a>>> {
        let urls = self.urls(&file.location, file.base.as_deref())?;
        Ok(urls.map(|urls| Item {
            what: format!("{} of {}", file.location, self.name),
            urls,
            direct: self.is_direct(),
            checksum: &file.checksum,
            size: Some(file.size).filter(|size| *size > 0),
            limit: MAX_PACKAGE,
        }))
    }

    /// Returns the path of a package in a directory that passes a check.
    fn local_package(&self, file: &PackageFile, check: Check<'_>) -> Result<PathBuf> {
        let path = self.local_path(&file.location)?;
        if files::if_there(files::open(&path, files::Links::Follow))?.is_none() {
            return Err(Failure::io(
                format!("reading {}", path.display()),
                anyhow!("{} lists it, but it is missing", self.name),
            ));
        }
        let size = Some(file.size).filter(|size| *size > 0);
        match check(&path, &file.checksum, size) {
            Ok(()) => Ok(path),
            Err(reason) => Err(Failure::refused(anyhow!("{}: {reason}", path.display()))
                .hint("the repository's metadata describe other packages: run createrepo_c again")),
        }
    }

    fn is_direct(&self) -> bool {
        matches!(&self.site, Site::Web(web) if web.direct)
    }

    /// Returns the URLs of a file; none if it is in a directory. Metadata may name a place of their
    /// own (`xml:base`), but none on a host that the user did not name.
    fn urls(&self, location: &str, base: Option<&str>) -> Result<Option<Vec<String>>> {
        let base = base.filter(|base| fetch::is_url(base));
        let elsewhere = match base {
            _ if fetch::is_url(location) => Some(location.to_owned()),
            Some(base) => Some(url::joined(base, location)),
            None => None,
        };
        let bases = match &self.site {
            Site::Web(web) => &web.bases[..],
            Site::Directory(_) => &[],
        };
        match elsewhere {
            Some(url) if bases.iter().any(|base| fetch::same_host(base, &url)) => {
                Ok(Some(vec![url]))
            }
            Some(url) => {
                let (url, name) = (fetch::redacted(&url), &self.name);
                let text = anyhow!("the metadata of {name} name {url}, which is not on its host");
                Err(Failure::refused(text)
                    .hint("if you trust that place, give it with --repo as well, or copy the file"))
            }
            None if bases.is_empty() => Ok(None),
            None => {
                let urls = bases.iter().map(|base| url::joined(base, location));
                Ok(Some(urls.collect()))
            }
        }
    }

    /// Returns the path of a file in a directory, which must not lead out of it.
    fn local_path(&self, location: &str) -> Result<PathBuf> {
        let Site::Directory(root) = &self.site else {
            return Err(Failure::refused(anyhow!(
                "{} is not a directory",
                self.name
            )));
        };
        let leads_out = |path: &Path| {
            let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
            !path.components().all(inside)
        };
        let decoded = url::decoded_path(location);
        if leads_out(Path::new(location)) || leads_out(&decoded) {
            return Err(Failure::refused(anyhow!(
                "the metadata of {} name {location}, which is outside the repository",
                self.name
            )));
        }
        let path = root.join(location);
        match path.exists() {
            true => Ok(path),
            false => Ok(root.join(decoded)),
        }
    }
}

/// Returns the finding about a file that nothing better than this algorithm vouches for.
pub fn weak_checksum(repository: &str, algorithm: DigestAlgorithm, file: &str) -> Finding {
    let text = format!("{repository}: {algorithm} alone vouches for {file}");
    Finding::new(&kinds::WEAK_CHECKSUM, text)
}

/// Returns how long a catalog in the cache may be.
fn longest_catalog(listed: &MetadataFile) -> u64 {
    let open = listed.open_size.unwrap_or(MAX_STORED);
    open.saturating_add(MAX_SMALL_CATALOG)
}

/// Checks that a list is one of those that the list of mirrors promises.
fn promised(web: &Web, bytes: &[u8]) -> std::result::Result<(), String> {
    let is_promised = |promised: &Checksum| {
        let mut hasher = ChecksumHasher::like(promised);
        hasher.update(bytes);
        hasher.finish() == *promised
    };
    match web.checksums.is_empty() || web.checksums.iter().any(is_promised) {
        true => Ok(()),
        false => Err("it is not the one that the list of mirrors promises".to_owned()),
    }
}

/// Returns a catalog of some packages, and how much of the file had been read by then.
fn catalogued(batch: Batch) -> Result<(CatalogBuilder, u64)> {
    let mut builder = CatalogBuilder::new();
    let mut evr = String::new();
    (batch.each(|package| listing::add(&mut builder, package, &mut evr)))
        .map_err(package_failure)?;
    Ok((builder, batch.stored()))
}

fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    Ok(files::read(path, most, files::Links::Follow)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::repository::download::{Settings, promise};
    use crate::words::scratch::Scratch;

    fn metadata(site: Site) -> Metadata {
        Metadata {
            name: "oss".to_owned(),
            site,
            repomd: Repomd::default(),
            is_fetched: true,
            looked_up: Mutex::default(),
            checked: Once::default(),
        }
    }

    fn web(bases: &[String]) -> Site {
        Site::Web(Web {
            bases: bases.to_vec(),
            ..Web::default()
        })
    }

    #[test]
    fn where_a_file_is() {
        let directory = metadata(Site::Directory("/srv".into()));
        let bases = ["https://a/r/?token", "https://b"].map(str::to_owned);
        let mirrors = metadata(web(&bases));
        let at = |urls: &[&str]| {
            let urls = urls.iter().map(|url| (*url).to_owned());
            Ok(Some(urls.collect::<Vec<_>>()))
        };
        let refused = |url: &str| {
            Err(format!(
                "the metadata of oss name {url}, which is not on its host"
            ))
        };
        for (metadata, base, location, expected) in [
            (&directory, None, "p/x.rpm", Ok(None)),
            // A base that is not on the network is that of the list's author.
            (&directory, Some("/media/1"), "x.rpm", Ok(None)),
            (
                &directory,
                None,
                "https://c/x.rpm",
                refused("https://c/x.rpm"),
            ),
            (
                &directory,
                Some("http://localhost/"),
                "x.rpm",
                refused("http://localhost/x.rpm"),
            ),
            (
                &mirrors,
                None,
                "x.rpm",
                at(&["https://a/r/x.rpm?token", "https://b/x.rpm"]),
            ),
            (
                &mirrors,
                Some("media:1"),
                "x.rpm",
                at(&["https://a/r/x.rpm?token", "https://b/x.rpm"]),
            ),
            (
                &mirrors,
                Some("https://B/pool/"),
                "x.rpm",
                at(&["https://B/pool/x.rpm"]),
            ),
            (&mirrors, None, "https://a/y.rpm", at(&["https://a/y.rpm"])),
            (
                &mirrors,
                Some("https://c"),
                "x.rpm",
                refused("https://c/x.rpm"),
            ),
            (
                &mirrors,
                Some("https://a:444"),
                "x.rpm",
                refused("https://a:444/x.rpm"),
            ),
            (&mirrors, None, "http://a/x.rpm", refused("http://a/x.rpm")),
            // A location that is a URL is one, whatever base it has.
            (
                &mirrors,
                Some("https://a"),
                "https://u:p@c/x.rpm",
                refused("https://c/x.rpm"),
            ),
        ] {
            let found = metadata.urls(location, base);
            let found = found.map_err(|failure| failure.source.to_string());
            assert_eq!(found, expected, "{base:?} {location}");
        }
    }

    #[test]
    fn no_location_leads_out_of_the_directory() {
        let scratch = Scratch::new();
        let there = scratch.write("p/a%20b", b"");
        let root = scratch.path();
        let directory = metadata(Site::Directory(root.to_owned()));
        for (location, expected) in [
            ("p/x.rpm", Some(root.join("p/x.rpm"))),
            ("./p/x.rpm", Some(root.join("p/x.rpm"))),
            ("p/c%20d", Some(root.join("p/c d"))),
            // As it is written, if there is such a file.
            ("p/a%20b", Some(there)),
            ("../x.rpm", None),
            ("p/../../x.rpm", None),
            ("/etc/passwd", None),
            ("%2e%2e/x.rpm", None),
            ("%2fetc/passwd", None),
        ] {
            let found = directory.local_path(location);
            assert_eq!(found.ok(), expected, "{location}");
        }
        let urls = metadata(web(&["https://a".to_owned()]));
        assert!(urls.local_path("x").is_err());
    }

    #[test]
    fn a_list_is_one_that_the_mirrors_promise() {
        // `printf four | sha256sum`, and md5sum of the same.
        let four = "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00";
        let sums = [
            ("md5", "8cbad96aced40b3838dd9f07f6ef5772"),
            ("sha256", four),
        ];
        let sums = sums.map(|(kind, hex)| Checksum::parse(kind, hex).unwrap());
        for (checksums, bytes, expected) in [
            (&[][..], &b"any"[..], true),
            (&sums[..1], b"four", true),
            (&sums, b"four", true),
            (&sums, b"five", false),
        ] {
            let web = Web {
                checksums: checksums.to_vec(),
                ..Web::default()
            };
            assert_eq!(promised(&web, bytes).is_ok(), expected, "{checksums:?}");
        }
    }

    #[test]
    fn files_up_to_a_limit() {
        let scratch = Scratch::new();
        let file = scratch.write("four", b"four");
        assert_eq!(read_bounded(&file, 5).unwrap(), b"four");
        assert_eq!(read_bounded(&file, 4).unwrap(), b"four");
        let reason = read_bounded(&file, 3).unwrap_err().source.to_string();
        assert_eq!(
            reason,
            format!("{} has 4 bytes; at most 3 are allowed", file.display())
        );
        assert!(read_bounded(&scratch.path().join("none"), 3).is_err());
    }

    #[test]
    fn files_without_a_length_have_a_largest_one() {
        let scratch = Scratch::new();
        let mut settings = Settings::without_network(Some(scratch.path().to_owned()));
        settings.offline = false;
        let checksum = Checksum::parse("sha256", &"0".repeat(64)).unwrap();
        let mut listed = MetadataFile {
            kind: Kind::Primary,
            checksum: checksum.clone(),
            open_checksum: None,
            location: "file".to_owned(),
            base: None,
            size: None,
            open_size: None,
        };
        let package = PackageFile {
            location: "file".to_owned(),
            base: None,
            checksum,
            size: 0,
            header_end: None,
        };
        let said = |length, is_package| {
            let url = promise(length);
            let metadata = metadata(web(std::slice::from_ref(&url)));
            let downloads = Downloads::new(&settings).unwrap();
            let failure = match is_package {
                true => metadata.package((0, &package), &downloads, &|_| {}).err(),
                false => metadata.metadata_file(&listed, &downloads).err(),
            };
            let said = format!("{:#}", failure.unwrap().source);
            let start = format!("fetching file of oss: {url}/file: ");
            said.strip_prefix(&start).map(str::to_owned).unwrap()
        };
        for (limit, is_package) in [(1 << 30, false), (16 << 30, true)] {
            let expected = "the connection ended too early (tried once)";
            assert_eq!(said(limit, is_package), expected);
            let expected = format!("the file is longer than {limit} bytes");
            assert_eq!(said(limit + 1, is_package), expected);
        }
        for (open_size, expected) in [(Some(1000), 66_536), (None, (1 << 30) + 65_536)] {
            listed.open_size = open_size;
            assert_eq!(longest_catalog(&listed), expected);
        }
    }
}
