//! `mkosi.conf`: what [mkosi](https://github.com/systemd/mkosi) makes system extensions of.
//!
//! Each image with `Format=sysext` becomes a recipe; one that is a `Format=disk` with `Overlay=yes`,
//! as the older way was, too. The image that `BaseTrees=` names becomes its base.

mod config;
mod image;
mod ini;
mod settings;

use std::path::Path;

use config::{Config, Reader};

use super::{Fate, Imported, Row};
use crate::words::failure::Result;

/// Reads the configuration in `directory`. Recipes will be in `output`, a path without links;
/// `architecture` is that of images for which none is configured, as systemd spells it, and
/// `is_asked` says that it was asked for.
pub fn import(
    directory: &Path,
    output: &Path,
    (architecture, is_asked): (&str, bool),
) -> Result<Imported> {
    let mut reader = Reader::new(directory, architecture)?;
    let images = reader.images()?;
    let mut imported = Imported::default();
    for config in &images {
        if is_extension(config) {
            let mut recipe = image::recipe(&reader, config, &images, output);
            if is_asked && !recipe.has("arch") {
                recipe.text("arch", architecture);
            }
            recipe.rows.extend(config.rows.iter().cloned());
            imported.recipes.push(recipe);
        } else {
            imported.others.push(no_extension(&reader, config, &images));
            imported.others.extend(config.rows.iter().cloned());
        }
    }
    Ok(imported)
}

fn value<'a>(config: &'a Config, name: &str) -> Option<&'a str> {
    Some(config.value(name)?.value.as_str())
}

fn is_yes(config: &Config, name: &str) -> bool {
    matches!(
        value(config, name),
        Some("yes" | "true" | "1" | "y" | "t" | "on" | "always" | "enabled")
    )
}

fn is_extension(config: &Config) -> bool {
    match value(config, "Format") {
        Some("sysext") => true,
        Some("disk") | None => is_yes(config, "Overlay"),
        Some(_) => false,
    }
}

/// The directory or file that mkosi makes of an image.
fn output_of(reader: &Reader<'_>, config: &Config) -> std::path::PathBuf {
    let name = value(config, "Output").or(config.image.as_deref());
    reader.output(config).join(name.unwrap_or("image"))
}

/// Says that an image is not an extension, and whose base it is.
fn no_extension(reader: &Reader<'_>, config: &Config, images: &[Config]) -> Row {
    let format = value(config, "Format").unwrap_or("disk");
    let output = output_of(reader, config);
    let is_on_it = |other: &&Config| {
        let bases = other.list("BaseTrees");
        bases
            .iter()
            .any(|(tree, given)| given.directory.join(tree) == output)
    };
    let above: Vec<_> = (images.iter().filter(|other| is_extension(other)))
        .filter(is_on_it)
        .map(image::name)
        .collect();
    let (fate, text) = match (format, above.is_empty()) {
        ("none", _) => (Fate::Unneeded, "it makes no image".to_owned()),
        (_, false) => (
            Fate::Unneeded,
            format!("it is the base of {}", above.join(", ")),
        ),
        ("confext", true) => (
            Fate::LeftOut,
            "an image for /etc is not made here".to_owned(),
        ),
        _ => (
            Fate::LeftOut,
            "it is not a system extension: go on making it with mkosi".to_owned(),
        ),
    };
    let file = match &config.image {
        Some(image) => reader.root().join("mkosi.images").join(image),
        None => reader.root().join("mkosi.conf"),
    };
    Row {
        file: reader.shown(&file),
        line: None,
        what: format!("the image with Format={format}"),
        fate,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{MAX_DEPTH, MAX_FILE, MAX_FILES};
    use crate::words::scratch::Scratch;

    fn imported(scratch: &Scratch) -> Result<Imported> {
        import(scratch.path(), Path::new("/"), ("x86-64", false))
    }

    const IMAGE: &str = "[Output]\nFormat=sysext\n";

    #[test]
    fn so_large_a_configuration_is_read() {
        let refused = |scratch: &Scratch| imported(scratch).unwrap_err().source.to_string();
        let scratch = Scratch::new();
        let most = usize::try_from(MAX_FILE).unwrap();
        for (length, is_read) in [(most, true), (most + 1, false)] {
            let text = format!("{IMAGE}{}", "\n".repeat(length - IMAGE.len()));
            scratch.write("mkosi.conf", text.as_bytes());
            assert_eq!(imported(&scratch).is_ok(), is_read, "{length}");
        }

        // The main file is one of them.
        let scratch = Scratch::new();
        scratch.write("mkosi.conf", IMAGE.as_bytes());
        for number in 1..MAX_FILES {
            scratch.write(&format!("mkosi.conf.d/{number}.conf"), b"");
        }
        assert!(imported(&scratch).is_ok());
        scratch.write("mkosi.conf.d/more.conf", b"");
        assert!(refused(&scratch).ends_with("has more than 4096 files"));

        let scratch = Scratch::new();
        let include = |number| format!("[Include]\nInclude={number}.conf\n");
        scratch.write("mkosi.conf", format!("{IMAGE}{}", include(1)).as_bytes());
        for number in 1..MAX_DEPTH {
            scratch.write(&format!("{number}.conf"), include(number + 1).as_bytes());
        }
        let last = format!("{MAX_DEPTH}.conf");
        scratch.write(&last, b"");
        assert!(imported(&scratch).is_ok());
        scratch.write(&last, include(MAX_DEPTH + 1).as_bytes());
        scratch.write(&format!("{}.conf", MAX_DEPTH + 1), b"");
        assert!(refused(&scratch).ends_with("include each other more than 32 deep"));
    }

    /// Whatever is in a configuration, reading it ends, and what comes of it is TOML.
    #[test]
    fn damaged_configurations() {
        let good = "[Match]\nArchitecture=|!x86-64\n[Output]\nFormat=sysext\nOutput=%i%%%z%\n\
                    [Content]\nPackages=a,b\n  c # d\nExtraTrees=:/,\u{e9}:x\nBaseTrees=..\n[Build]\n\
                    Environment=A=1 B\n";
        let scratch = Scratch::new();
        for at in 0..=good.len() {
            for byte in [0, b'\n', b'%', b'[', 0xff] {
                let mut bytes = good.as_bytes().get(..at).unwrap().to_vec();
                bytes.push(byte);
                bytes.extend(good.as_bytes().get(at + 1..).unwrap_or_default());
                scratch.write("mkosi.conf", &bytes);
                for recipe in imported(&scratch).map_or(Vec::new(), |imported| imported.recipes) {
                    let text = recipe.print();
                    assert!(text.parse::<toml::Table>().is_ok(), "{text}");
                }
            }
        }
    }
}
