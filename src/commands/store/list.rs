//! `store list`: what clients are offered.

use std::path::{Path, PathBuf};

use serde::Serialize;
use store::{ListedImage, Store};

use crate::cli::store::ListArguments;
use crate::report::Report;
use crate::words::failure::{Result, store_failure};
use crate::words::quantity::{bytes, counted};
use crate::words::text::Text;

#[derive(Serialize)]
struct Listing {
    directories: Vec<StoreDirectory>,
}

/// What one `SHA256SUMS` lists.
#[derive(Serialize)]
struct StoreDirectory {
    #[serde(rename = "directory")]
    path: PathBuf,
    signed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_before: Option<String>,
    images: Vec<Row>,
}

/// An image; what only its manifest knows is absent without one.
#[derive(Serialize)]
struct Row {
    file: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sysext_level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    sha256: String,
}

/// Prints the images, of each name the newest first.
pub fn run(arguments: &ListArguments, report: &Report) -> Result<()> {
    let directories = super::directories(&arguments.directory)?;
    let directories = (directories.iter())
        .map(|path| listed(path).map_err(store_failure))
        .collect::<Result<_>>()?;
    let listing = Listing { directories };
    if report.is_json() {
        report.json(&listing)?;
    } else if !report.is_quiet() {
        report.print(&listing.text())?;
    }
    Ok(())
}

fn listed(path: &Path) -> std::result::Result<StoreDirectory, store::Error> {
    let store = Store::open_for_reading(path)?;
    Ok(StoreDirectory {
        path: path.to_owned(),
        signed: store.is_signed()?,
        best_before: store.best_before()?.map(|day| day.to_string()),
        images: store.images()?.iter().map(Row::new).collect(),
    })
}

impl Row {
    fn new(image: &ListedImage) -> Self {
        let config = image.manifest.as_ref().map(|manifest| &manifest.config);
        let extension = |key| Some(image.manifest.as_ref()?.extension.get(key)?.clone());
        Self {
            file: image.file.clone(),
            name: image.name().to_owned(),
            version: config.and_then(|config| config.version.clone()),
            architecture: config.and_then(|config| config.architecture.clone()),
            id: extension("ID"),
            version_id: extension("VERSION_ID"),
            sysext_level: extension("SYSEXT_LEVEL"),
            bytes: image.bytes,
            sha256: hex::encode(image.sha256),
        }
    }

    /// What of a system's os-release it is for.
    fn fits(&self) -> String {
        let wanted = [
            ("ID", &self.id),
            ("SYSEXT_LEVEL", &self.sysext_level),
            ("VERSION_ID", &self.version_id),
        ];
        let words: Vec<_> = (wanted.iter())
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)))
            .collect();
        words.join(" ")
    }
}

impl Listing {
    fn text(&self) -> Text {
        let mut text = Text::default();
        for directory in &self.directories {
            text.line(format!(
                "{}: {}, {}{}",
                directory.path.display(),
                counted(directory.images.len(), "image"),
                if directory.signed {
                    "signed"
                } else {
                    "not signed"
                },
                match &directory.best_before {
                    Some(day) => format!(", good until {day}"),
                    None => String::new(),
                }
            ));
            let width =
                |cell: fn(&Row) -> usize| directory.images.iter().map(cell).max().unwrap_or(0);
            let widest = width(|row| row.file.chars().count());
            for row in &directory.images {
                let size = row.bytes.map_or_else(|| "missing".to_owned(), bytes);
                let line = format!("  {:<widest$}  {size:>9}  {}", row.file, row.fits());
                text.line(line.trim_end());
            }
        }
        text
    }
}
