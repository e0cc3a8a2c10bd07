//! From a package as metadata list it to a package of a catalog, with what finds its file again.

use resolve::{Catalog, CatalogBuilder, Comparison, Kind};
use rpm_input::repodata::{Checksum, Entry, Listing, Relation};

/// The version of what [`add`] writes, for the names of catalogs in the cache.
pub const VERSION: u32 = 2;
/// Longest start of a package that is fetched without the rest, in bytes: that of some hundred thousand
/// files. There may be one in memory for each connection.
pub const MAX_HEADER: u64 = 16 << 20;

/// What a repository says of the file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it is, relative to `base` or to the repository.
    pub location: String,
    /// The URL that the location is relative to, if not the repository's.
    pub base: Option<String>,
    /// Its checksum.
    pub checksum: Checksum,
    /// Its length in bytes; 0 if the repository does not say it.
    pub size: u64,
    /// Where its header ends, in bytes from the start; none if the repository does not say it, or
    /// what can't be so.
    pub header_end: Option<u64>,
}

/// Adds a package to a catalog. Source packages are none that can be installed.
pub fn add(builder: &mut CatalogBuilder, listing: &Listing<'_>, evr: &mut String) {
    if matches!(&*listing.arch, "src" | "nosrc") {
        return;
    }
    let epoch = listing.epoch.unwrap_or(0);
    builder.begin(
        &listing.name,
        epoch,
        &listing.version,
        &listing.release,
        &listing.arch,
    );
    for entry in &listing.entries {
        let comparison = Comparison::parse(entry.sense.comparison());
        let comparison = comparison.filter(|_| !entry.version.is_empty());
        write_evr(evr, entry);
        let range = comparison.map(|comparison| (comparison, evr.as_str()));
        builder.dependency(kind(entry.relation), &entry.name, range);
    }
    for path in &listing.files {
        builder.file(path);
    }
    let base = listing.base.as_deref().unwrap_or_default();
    for part in [
        listing.checksum.kind(),
        "\n",
        listing.checksum.hex(),
        "\n",
        &listing.size.to_string(),
        "\n",
        &header_end(listing).unwrap_or(0).to_string(),
        "\n",
        base,
        "\n",
        &listing.location,
    ] {
        builder.attach(part.as_bytes());
    }
}

/// Returns what the repository says of the file of the package of that index.
pub fn package_file(catalog: &Catalog, index: usize) -> Option<PackageFile> {
    let text = std::str::from_utf8(catalog.attachment(index)?).ok()?;
    let mut lines = text.splitn(6, '\n');
    let mut line = || lines.next();
    let (kind, hex) = (line()?, line()?);
    Some(PackageFile {
        checksum: Checksum::parse(kind, hex).ok()?,
        size: line()?.parse().ok()?,
        header_end: Some(line()?.parse().ok()?).filter(|end| *end > 0),
        base: Some(line()?.to_owned()).filter(|base| !base.is_empty()),
        location: line()?.to_owned(),
    })
}

/// Returns where the header of a package ends, if what is said of that can be so.
fn header_end(listing: &Listing<'_>) -> Option<u64> {
    let (_, end) = listing.header_range?;
    (end <= MAX_HEADER && end < listing.size).then_some(end)
}

/// Returns the checksum in hex of the package of that index.
pub fn checksum_hex(catalog: &Catalog, index: usize) -> Option<&str> {
    let text = std::str::from_utf8(catalog.attachment(index)?).ok()?;
    text.split('\n').nth(1)
}

fn kind(relation: Relation) -> Kind {
    match relation {
        Relation::Provides => Kind::Provides,
        Relation::Requires => Kind::Requires,
        Relation::Conflicts => Kind::Conflicts,
        Relation::Obsoletes => Kind::Obsoletes,
        Relation::Recommends => Kind::Recommends,
        Relation::Suggests => Kind::Suggests,
        Relation::Supplements => Kind::Supplements,
        Relation::Enhances => Kind::Enhances,
    }
}

/// Writes the EVR of a dependency as rpm prints it.
fn write_evr(text: &mut String, entry: &Entry<'_>) {
    text.clear();
    if let Some(epoch) = entry.epoch {
        text.push_str(&epoch.to_string());
        text.push(':');
    }
    text.push_str(&entry.version);
    if !entry.release.is_empty() {
        text.push('-');
        text.push_str(&entry.release);
    }
}
