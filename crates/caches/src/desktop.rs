//! `mimeinfo.cache`: which programs open which types of files, as update-desktop-database makes it of
//! desktop entries.

use std::collections::{BTreeMap, BTreeSet};

use crate::glib::key_file;
use crate::{Contents, Ignored, Made};

/// The name of the cache.
pub const NAME: &str = "mimeinfo.cache";
/// The group of a desktop entry.
const GROUP: &str = "Desktop Entry";
/// What types may begin with, before their slash.
const MEDIA: [&str; 13] = [
    "application",
    "audio",
    "chemical",
    "font",
    "image",
    "inode",
    "message",
    "model",
    "multipart",
    "text",
    "video",
    "x-content",
    "x-scheme-handler",
];

/// Says whether a file of this name, below the directory of entries, is a source.
pub fn is_source(name: &str) -> bool {
    name.ends_with(".desktop")
}

/// Makes the cache of the entries of a directory and those below it. Types that are
/// not valid are passed over without a word, as the tool does.
pub fn make(sources: &Contents) -> Made {
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut ignored = Vec::new();
    for (path, bytes) in sources.iter().filter(|(path, _)| is_source(path)) {
        let groups = match key_file::read(bytes) {
            Ok(groups) => groups,
            Err(problem) => {
                ignored.push(Ignored {
                    file: path.clone(),
                    problem,
                });
                continue;
            }
        };
        let group = groups.iter().find(|(name, _)| name == GROUP);
        let get = |key: &str| {
            let mut pairs = group.iter().flat_map(|(_, pairs)| pairs);
            let found = pairs.find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str())
        };
        if get("Hidden").is_some_and(|value| value.trim_end() == "true") {
            continue;
        }
        let id = path.replace('/', "-");
        let listed = get("MimeType").unwrap_or_default().split(';');
        for name in listed.filter(|name| is_type(name)) {
            types.entry(name.to_owned()).or_default().insert(id.clone());
        }
    }
    let mut text = "[MIME Cache]\n".to_owned();
    for (name, entries) in &types {
        text += name;
        text.push('=');
        for entry in entries {
            text += entry;
            text.push(';');
        }
        text.push('\n');
    }
    let file = (NAME.to_owned(), text.into_bytes());
    Made {
        files: (!types.is_empty()).then_some(file).into_iter().collect(),
        ignored,
    }
}

/// Says whether a text is a type of files.
fn is_type(name: &str) -> bool {
    let Some((media, sub)) = name.split_once('/') else {
        return false;
    };
    let is_part = |part: &str| {
        let is_sign = |byte: u8| b"!#$%&'*+-.^_`{|}~".contains(&byte);
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || is_sign(b))
    };
    let is_known = MEDIA.contains(&media) || media.starts_with("x-");
    is_known && is_part(media) && is_part(sub)
}
