//! A `NAME.sha256` beside a file: the list of that file alone.

use crate::directory::Directory;
use crate::error::Error;
use crate::sums::Sums;

/// What comes after the name of a file in the name of its own list (`sha256sum f > f.sha256`).
pub(crate) const SUM_SUFFIX: &str = ".sha256";
/// Largest such file that is read, in bytes: one line.
const MAX_SUM_SIZE: u64 = 4096;

/// Whether a `NAME.sha256` says what the list says; `None` if it is not there.
pub(super) fn agrees(
    directory: &Directory,
    sums: &Sums,
    name: &str,
) -> Result<Option<bool>, Error> {
    let file = name.strip_suffix(SUM_SUFFIX).unwrap_or_default();
    let Some(bytes) = directory.read_bounded(name, MAX_SUM_SIZE)? else {
        return Ok(None);
    };
    Ok(Some(Sums::parse(&bytes).is_ok_and(|own| {
        own.entries().len() == 1 && own.get(file).is_some() && own.get(file) == sums.get(file)
    })))
}
