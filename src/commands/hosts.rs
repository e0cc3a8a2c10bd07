//! The systems that images are compared with, as `check` and `store gate` take them.

use std::path::Path;

use crate::base::{Base, BaseSource, PackageSource};
use crate::check::ground::Target;
use crate::packages;
use crate::report::Report;
use crate::words::failure::Result;

/// Returns the description of a base at a path.
pub fn at(path: &Path, os_release: Option<&Path>) -> BaseSource {
    of(
        PackageSource::At(path.to_owned()),
        os_release.map(Path::to_owned),
    )
}

/// Returns the description of a base.
pub fn of(packages: PackageSource, os_release: Option<std::path::PathBuf>) -> BaseSource {
    BaseSource {
        packages,
        os_release,
        is_one_system: true,
    }
}

/// Opens a base, and looks up what its packages provide where only their names are known.
/// `option` is the option that names its os-release.
pub fn open(
    source: &BaseSource,
    option: &str,
    lookup: &packages::Settings,
    report: &Report,
) -> Result<Target> {
    let base = Base::open_for(source, option)?;
    let (provided, findings) = packages::provided(&base, lookup, report)?;
    for finding in &findings {
        report.note(finding);
    }
    let os_release = base.os_release.clone();
    let of = |key: &str| os_release.get(key).unwrap_or_default();
    let label = format!("{} {}", of("ID"), of("VERSION_ID"));
    Ok(Target {
        label: label.trim().to_owned(),
        os_release,
        base,
        provided,
    })
}
