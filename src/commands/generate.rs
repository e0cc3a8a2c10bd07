//! `completions` and `man`: what is made of the command line's description.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::report::Report;
use crate::words::failure::{Failure, Result};

const PROGRAM: &str = "sysext-build";

/// Prints a completion script.
pub fn completions(shell: Shell, report: &Report) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    report.print(&String::from_utf8_lossy(&script));
}

/// Writes a manual page for the program and one for each verb, those of `store` too.
pub fn man(directory: &Path, report: &Report) -> Result<()> {
    let doing = |path: &Path| format!("writing {}", path.display());
    std::fs::create_dir_all(directory).map_err(|error| Failure::io(doing(directory), error))?;
    let command = Cli::command();
    let mut pages = Vec::new();
    collect_pages(PROGRAM.to_owned(), &command, &mut pages);
    for (name, command) in pages {
        let path = directory.join(format!("{name}.1"));
        let mut page = Vec::new();
        clap_mangen::Man::new(command.display_name(&name))
            .title(&name)
            .render(&mut page)
            .and_then(|()| std::fs::write(&path, &page))
            .map_err(|error| Failure::io(doing(&path), error))?;
        report.stage("man", &path.display().to_string());
    }
    Ok(())
}

/// Collects a command and all that is below it, each with the name of its page.
fn collect_pages(name: String, command: &Command, pages: &mut Vec<(String, Command)>) {
    let verbs: Vec<_> = (command.get_subcommands())
        .filter(|verb| verb.get_name() != "help")
        .collect();
    pages.push((name.clone(), command.clone()));
    for verb in verbs {
        collect_pages(format!("{name}-{}", verb.get_name()), verb, pages);
    }
}
