//! What belongs to an image besides its manifest: bills of materials, statements about how it was
//! built, the index of its pieces, and patches that make it of older ones.
//!
//! Such files are listed and signed as images are, so that what clients and people read is what the
//! owner published. Their names begin as the image's does, but for its `.raw`: no pattern of a client
//! fits them. They come, go and are copied with their image, in the same change of the list.

use crate::index::INDEX_SUFFIX;
use crate::sums::{IMAGE_SUFFIX, Sums};

/// What takes the place of `.raw` in the name of a file that belongs to an image.
pub const ATTACHED: [&str; 4] = [".spdx.json", ".cdx.json", STATEMENT, INDEX_SUFFIX];
/// The same of the statement by who built it; those by others have the id of their key before it.
pub const STATEMENT: &str = ".sigstore.json";
/// What stands before the id of a key.
const REBUILT: &str = ".rebuilt-";
/// What stands before the version of the image that a patch is applied to.
const FROM: &str = ".from-";
/// What the name of a patch ends in.
pub const PATCH_SUFFIX: &str = ".patch";
/// Number of hexadecimal digits of such an id.
const KEY_ID: usize = 16;

/// Returns the file name that ends so in the place of an image's `.raw`.
pub(crate) fn beside(image: &str, ending: &str) -> String {
    let stem = image.strip_suffix(IMAGE_SUFFIX).unwrap_or(image);
    format!("{stem}{ending}")
}

/// Returns the file name of the statement of an image by who built it.
#[must_use]
pub fn statement_file(image: &str) -> String {
    beside(image, STATEMENT)
}

/// Returns the file name of the statement of an image by somebody who built it again.
#[must_use]
pub fn rebuilt_file(image: &str, key_id: &str) -> String {
    beside(image, &format!("{REBUILT}{key_id}{STATEMENT}"))
}

/// Returns the file name of the patch that makes an image of the one of the same name in an older
/// version.
#[must_use]
pub fn patch_name(image: &str, older: &str) -> String {
    beside(image, &format!("{FROM}{older}{PATCH_SUFFIX}"))
}

/// Whether a file belongs to an image, by its name; the manifest is not one of these.
#[must_use]
pub fn is_attached(name: &str, image: &str) -> bool {
    let stem = image.strip_suffix(IMAGE_SUFFIX);
    let Some(rest) = stem.and_then(|stem| name.strip_prefix(stem)) else {
        return false;
    };
    let key_id = (rest.strip_prefix(REBUILT)).and_then(|rest| rest.strip_suffix(STATEMENT));
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let older = (rest.strip_prefix(FROM)).and_then(|rest| rest.strip_suffix(PATCH_SUFFIX));
    ATTACHED.contains(&rest)
        || older.is_some_and(|version| !version.is_empty())
        || key_id.is_some_and(|id| id.len() == KEY_ID && id.bytes().all(is_digit))
}

/// The listed files that belong to an image, in name order.
pub(crate) fn of(sums: &Sums, image: &str) -> Vec<String> {
    let stem = image.strip_suffix(IMAGE_SUFFIX).unwrap_or(image);
    (sums.beginning(stem))
        .filter(|name| is_attached(name, image))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_image() {
        let image = "a-1.x86-64.raw";
        for (name, expected) in [
            ("a-1.x86-64.spdx.json", true),
            ("a-1.x86-64.cdx.json", true),
            ("a-1.x86-64.blocks", true),
            ("a-1.x86-64.sigstore.json", true),
            ("a-1.x86-64.rebuilt-0123456789abcdef.sigstore.json", true),
            ("a-1.x86-64.rebuilt-0123456789abcdeF.sigstore.json", false),
            ("a-1.x86-64.rebuilt-.sigstore.json", false),
            ("a-1.x86-64.from-0.9-1.patch", true),
            ("a-1.x86-64.from-.patch", false),
            ("a-1.x86-64.patch", false),
            ("a-1.x86-64.manifest.gz", false),
            ("a-1.x86-64.raw", false),
            ("a-1.x86-64.raw.spdx.json", false),
            ("a-1.x86-64.x.spdx.json", false),
            // Another image may be called so.
            ("a-1.spdx.json", false),
            ("a-11.x86-64.spdx.json", false),
        ] {
            assert_eq!(is_attached(name, image), expected, "{name}");
        }
        assert!(!is_attached("a-1.x86-64.spdx.json", "a-1.raw"));
        let rebuilt = rebuilt_file(image, "0123456789abcdef");
        assert!(is_attached(&rebuilt, image));
        assert_eq!(patch_name(image, "0.9-1"), "a-1.x86-64.from-0.9-1.patch");
    }
}
