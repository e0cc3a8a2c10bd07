//! `completions` and `man`: what is made of the command line's description.
//!
//! A page for each verb, those of `store` too, comes from what clap knows of it. What clap does not
//! know is added from tables: exit codes, variables and files. The page of recipes is made of the
//! fields that recipes are read into.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use files::Links;
use roff::{Inline, Roff, bold, roman};

use crate::cli::Cli;
use crate::commands::completions;
use crate::inputs::{ENVIRONMENT, recipe};
use crate::report::Report;
use crate::words::failure::{Failure, Kind, Result, writing_failure};

const PROGRAM: &str = "sysext-build";

/// The page of recipes, without its section.
const RECIPE: &str = "sysext-build-recipe";

/// A recipe that a test builds.
const EXAMPLE: &str = include_str!("../../examples/debug.toml");

/// What the page of recipes says before the keys, a paragraph each.
const ABOUT_RECIPES: [&str; 5] = [
    "An INPUT of sysext-build that ends in .toml is a recipe. It says in TOML what one would type for \
     one image, and makes the bytes that the command line would.",
    "Paths are relative to the recipe's directory. At least packages or an overlay must be there; every \
     other key may be left out.",
    "Options that are typed next to a recipe win over its single values and are added to its lists. Name, \
     lock and tree can't be typed for several recipes, and packages for none.",
    "What several recipes share is in a file that they include. What holds for one architecture only is \
     in a table such as [for.arm64]. Both are laid over each other as what is typed is laid over the \
     recipe: lists are added, first those of included files, then the recipe's, then those for the \
     architecture; of single values the last one counts. A file that is included twice counts once.",
    "Several recipes make an image each, side by side, as if one had been made after the other. One that \
     fails does not stop the others; the exit code is the highest of theirs.",
];

/// Files that are read or written without being named: each with the option that it stands in for.
const FILES: [(&str, &str, &str); 3] = [
    (
        "/etc/os-release, /usr/lib/os-release",
        "os_release",
        "This host's description, which counts where no other is named.",
    ),
    (
        "$XDG_CACHE_HOME/sysext-build",
        "cache_dir",
        "What was fetched from repositories; in ~/.cache where the variable is not set. It can be \
         removed at any time.",
    ),
    (
        "SHA256SUMS, SHA256SUMS.gpg",
        "sign_key",
        "The list of the images in a store, and its signature.",
    ),
];

/// Prints a completion script.
pub fn completions(shell: Shell, report: &Report) -> Result<()> {
    report.print_script(&completions::script(shell))
}

/// Writes the manual pages into a directory.
pub fn man(directory: &Path, report: &Report) -> Result<()> {
    let failed = |error| Failure::io(format!("writing {}", directory.display()), error);
    std::fs::create_dir_all(directory).map_err(failed)?;
    let directory = files::Directory::open(directory, Links::Follow).map_err(writing_failure)?;
    for (name, page) in pages().map_err(failed)? {
        (directory.replace(&name, &page, 0o666)).map_err(writing_failure)?;
        report.stage("man", &directory.path().join(name).display().to_string());
    }
    Ok(())
}

/// Returns all pages, each with its file name.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut commands = Vec::new();
    collect_commands(PROGRAM.to_owned(), &Cli::command(), &mut commands);
    let mut pages = Vec::new();
    for (name, command) in commands {
        let mut page = Vec::new();
        let more = sections(&command);
        clap_mangen::Man::new(command.display_name(&name))
            .title(&name)
            .render(&mut page)?;
        more.to_writer(&mut page)?;
        pages.push((format!("{name}.1"), page));
    }
    let mut page = Vec::new();
    recipe_page().to_writer(&mut page)?;
    pages.push((format!("{RECIPE}.5"), page));
    Ok(pages)
}

/// Collects a command and all that is below it, each with the name of its page.
fn collect_commands(name: String, command: &Command, commands: &mut Vec<(String, Command)>) {
    let verbs: Vec<_> = (command.get_subcommands())
        .filter(|verb| verb.get_name() != "help")
        .collect();
    commands.push((name.clone(), command.clone()));
    for verb in verbs {
        collect_commands(format!("{name}-{}", verb.get_name()), verb, commands);
    }
}

/// Returns the sections of a command that clap knows nothing of.
fn sections(command: &Command) -> Roff {
    let has = |option: &str| {
        command
            .get_arguments()
            .any(|known| known.get_id() == option)
    };
    let mut roff = Roff::new();
    // diff has the exit codes of diff(1), and says so itself.
    if command.get_name() != "diff" {
        roff.control("SH", ["EXIT STATUS"]);
        tagged(&mut roff, [bold("0")], "Done.");
        for kind in Kind::ALL {
            tagged(&mut roff, [bold(kind.code().to_string())], kind.meaning());
        }
    }
    let variables = ENVIRONMENT
        .iter()
        .filter(|one| one.options.iter().any(|option| has(option)));
    for (number, variable) in variables.enumerate() {
        if number == 0 {
            roff.control("SH", ["ENVIRONMENT"]);
        }
        tagged(&mut roff, [bold(variable.names)], variable.meaning);
    }
    let files = FILES.iter().filter(|(_, option, _)| has(option));
    for (number, (file, _, meaning)) in files.enumerate() {
        if number == 0 {
            roff.control("SH", ["FILES"]);
        }
        tagged(&mut roff, [bold(*file)], meaning);
    }
    if has("inputs") {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([
            bold(RECIPE),
            roman("(5), "),
            bold("systemd-sysext"),
            roman("(8)"),
        ]);
    }
    roff
}

/// Returns the page of recipes.
fn recipe_page() -> Roff {
    let mut roff = Roff::new();
    roff.control("TH", [RECIPE, "5"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!(
        "{RECIPE} - what an image is made of, in a file"
    ))]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold(PROGRAM), roman(" NAME.toml...")]);
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in ABOUT_RECIPES {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    roff.control("SH", ["KEYS"]);
    for key in recipe::keys() {
        let tag = [bold(key.name), roman(format!(" ({})", key.kind.name()))];
        tagged(&mut roff, tag, &format!("{}.", key.meaning));
    }
    roff.control("SH", ["EXAMPLE"]);
    roff.control("nf", []);
    roff.text([roman(EXAMPLE.trim_end())]);
    roff.control("fi", []);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold(PROGRAM), roman("(1)")]);
    roff
}

/// Adds a paragraph with what it is about before it.
fn tagged(roff: &mut Roff, tag: impl Into<Vec<Inline>>, text: &str) {
    roff.control("TP", []);
    roff.text(tag);
    roff.text([roman(text)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text of a page, without the marks that keep hyphens as they are.
    fn page(name: &str) -> String {
        let pages = pages().unwrap();
        let (_, page) = pages.into_iter().find(|(found, _)| found == name).unwrap();
        String::from_utf8(page).unwrap().replace("\\-", "-")
    }

    #[test]
    fn each_verb_and_recipes_have_a_page() {
        let names: Vec<_> = pages().unwrap().into_iter().map(|(name, _)| name).collect();
        let verbs = [
            "",
            "-build",
            "-init",
            "-inspect",
            "-sign-verity",
            "-store",
            "-store-add",
            "-store-merge",
            "-store-promote",
            "-store-list",
            "-store-verify",
            "-store-prune",
            "-store-remove",
            "-store-sign",
            "-store-sysupdate",
            "-store-gate",
            "-store-index",
            "-store-delta",
            "-store-mirror",
            "-store-oci",
            "-store-page",
            "-why",
            "-check",
            "-gate",
            "-pull",
            "-try",
            "-plan",
            "-import",
            "-import-mkosi",
            "-import-just",
            "-diff",
            "-sbom",
            "-rebuild",
            "-explain",
            "-rules",
            "-completions",
            "-man",
        ];
        let mut expected = verbs.map(|verb| format!("{PROGRAM}{verb}.1")).to_vec();
        expected.push("sysext-build-recipe.5".to_owned());
        assert_eq!(names, expected);
    }

    #[test]
    fn the_page_of_recipes_has_each_key() {
        let page = page("sysext-build-recipe.5");
        for key in recipe::keys() {
            let tag = format!(".TP\n\\fB{}\\fR ({})\n", key.name, key.kind.name());
            assert!(page.contains(&tag), "{key:?}: {page}");
        }
        assert!(page.contains("[[allow]]\n"), "{page}");
    }

    #[test]
    fn pages_have_the_sections_that_concern_them() {
        for (name, variables, files) in [
            ("sysext-build.1", true, true),
            ("sysext-build-build.1", true, true),
            ("sysext-build-store-sign.1", true, true),
            ("sysext-build-check.1", true, true),
            ("sysext-build-man.1", false, false),
        ] {
            let page = page(name);
            for code in 0..=3 {
                let tag = format!(".TP\n\\fB{code}\\fR\n");
                assert_eq!(page.matches(&tag).count(), 1, "{name} {code}");
            }
            assert_eq!(page.contains(".SH ENVIRONMENT\n"), variables, "{name}");
            assert_eq!(page.contains(".SH FILES\n"), files, "{name}");
        }
        let build = page("sysext-build-build.1");
        for variable in &ENVIRONMENT {
            assert!(
                build.contains(&format!("\\fB{}\\fR\n", variable.names)),
                "{variable:?}"
            );
        }
        assert!(!page("sysext-build-check.1").contains("PASSPHRASE"));
        assert!(!page("sysext-build-diff.1").contains("EXIT STATUS"));
    }
}
