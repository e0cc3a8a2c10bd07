//! `init`: a recipe to begin with.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use files::Links;
use serde::Serialize;

use crate::cli::InitArguments;
use crate::inputs::recipe;
use crate::report::Report;
use crate::words::failure::{Failure, Result, writing_failure};

/// The answer in JSON.
#[derive(Serialize)]
struct Answer<'a> {
    recipe: &'a Path,
    next: &'a str,
}

/// Writes a recipe of what was typed, or prints the schema.
pub fn run(arguments: &InitArguments, report: &Report) -> Result<()> {
    if arguments.schema {
        let schema = format!("{:#}\n", recipe::schema());
        return report.print_script(schema.as_bytes());
    }
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => named_by(arguments),
    };
    if path.extension().is_none_or(|ending| ending != "toml") {
        let text = format!(
            "{} does not end in .toml, so it would be no recipe",
            path.display()
        );
        let hint = format!("for example: --output {}.toml", path.display());
        return Err(Failure::usage(text).hint(hint));
    }
    // A name without a repository is found once there is one.
    let repository = match recipe::is_complete(arguments) {
        true => "",
        false => "--repo REPO ",
    };
    let file = quoted(&path);
    let next = format!("sysext-build --dry-run {repository}{file}");
    let build = format!("sysext-build {repository}-o store {file}");
    let text = recipe::written(arguments, &path, &build)?;
    write(&path, &text)?;
    report.stage("recipe", &path.display().to_string());
    if !recipe::is_complete(arguments) {
        report.stage(
            "note",
            "it names no repository: add one to repositories, or type --repo",
        );
    }
    report.stage("next", &next);
    if report.is_json() {
        report.json(&Answer {
            recipe: &path,
            next: &next,
        })?;
    }
    Ok(())
}

/// Returns a file's name after the image, or the first package.
fn named_by(arguments: &InitArguments) -> PathBuf {
    let first = arguments.packages.first().map(String::as_str);
    let name = arguments
        .image
        .name
        .as_deref()
        .or(first)
        .unwrap_or_default();
    let name = Path::new(name).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    let name = name.strip_suffix(".rpm").unwrap_or(&name);
    let may_be = |letter: &char| letter.is_ascii_alphanumeric() || "._+-".contains(*letter);
    let name: String = name.chars().take_while(may_be).collect();
    match name.trim_start_matches(['.', '-']) {
        "" => PathBuf::from("recipe.toml"),
        name => PathBuf::from(format!("{name}.toml")),
    }
}

/// Writes a file that must not be there.
fn write(path: &Path, text: &str) -> Result<()> {
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    let directory = files::Directory::open(directory.unwrap_or(Path::new(".")), Links::Follow)
        .map_err(writing_failure)?;
    let name = path.file_name().unwrap_or_default();
    if directory.stat(name)?.is_some() {
        let text = format!(
            "{} is there already, and is not overwritten",
            path.display()
        );
        return Err(
            Failure::refused(anyhow::anyhow!(text)).hint("give another name: --output FILE.toml")
        );
    }
    let mut file = directory
        .create_file(name, 0o666)
        .map_err(writing_failure)?;
    if let Err(error) = file.write_all(text.as_bytes()) {
        // The first error is the one to tell.
        let _ = directory.remove(name);
        return Err(Failure::io(format!("writing {}", path.display()), error));
    }
    Ok(())
}

/// Returns a path as a shell takes it for one word, and a program for no option.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let text = match text.starts_with('-') {
        true => format!("./{text}"),
        false => text,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
    match text.bytes().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
