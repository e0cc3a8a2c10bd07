//! Names of images that were taken back.
//!
//! Clients never fetch a name twice, so a name that other bytes had is used up, even where its file
//! is gone. The list remembers it in a line of its own,
//!
//! ```text
//! <SHA-256 of the image>  WITHDRAWN-<file name without .raw>
//! ```
//!
//! which every client takes for a file that no pattern fits, as it takes `SERIAL-…`.

use crate::sums::{Entry, IMAGE_SUFFIX, Sums};

/// What the name of the line begins with.
pub(crate) const PREFIX: &str = "WITHDRAWN-";

/// The file name of the image that a line says was taken back, if it is such a line.
pub(crate) fn image_of(name: &str) -> Option<String> {
    let stem = name.strip_prefix(PREFIX)?;
    Some(format!("{stem}{IMAGE_SUFFIX}"))
}

/// The name of an image's line.
fn line_of(image: &str) -> String {
    format!(
        "{PREFIX}{}",
        image.strip_suffix(IMAGE_SUFFIX).unwrap_or(image)
    )
}

/// Remembers an image that is taken back.
pub(crate) fn remember(sums: &mut Sums, image: &str, sha256: [u8; 32]) {
    sums.insert(&line_of(image), sha256);
}

/// Forgets an image that is there again.
pub(crate) fn forget(sums: &mut Sums, image: &str) {
    let line = line_of(image);
    sums.retain(|name| name != line);
}

/// The digest of an image of this name that was taken back.
pub(crate) fn digest_of<'a>(sums: &'a Sums, image: &str) -> Option<&'a [u8; 32]> {
    sums.get(&line_of(image))
}

/// The file names of all images that were taken back.
pub(crate) fn all(sums: &Sums) -> Vec<String> {
    entries(sums).into_iter().map(|entry| entry.name).collect()
}

/// The file names of all images that were taken back, and the digests that these had.
pub(crate) fn entries(sums: &Sums) -> Vec<Entry> {
    let taken_back = |entry: &Entry| {
        Some(Entry {
            name: image_of(&entry.name)?,
            sha256: entry.sha256,
        })
    };
    sums.entries().iter().filter_map(taken_back).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_used_up_until_it_is_there_again() {
        let mut sums = Sums::default();
        sums.insert("a-2.raw", [2; 32]);
        remember(&mut sums, "a-1.raw", [1; 32]);
        assert_eq!(all(&sums), ["a-1.raw"]);
        assert_eq!(digest_of(&sums, "a-1.raw"), Some(&[1; 32]));
        assert_eq!(digest_of(&sums, "a-2.raw"), None);
        // The line does not count as an image.
        let images = sums.entries().iter().filter(|entry| entry.is_image());
        assert_eq!(images.count(), 1);
        forget(&mut sums, "a-1.raw");
        assert!(all(&sums).is_empty());
        assert!(sums.get("a-2.raw").is_some());
    }
}
