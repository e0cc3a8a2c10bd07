//! Completion scripts: what clap makes of the command line's description, with the names that may
//! follow options of ours, and mended where it is wrong.

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::commands::explain;
use crate::findings::FINDINGS;
use crate::plan::filter::{Default, RULES};

const PROGRAM: &str = "sysext-build";

/// Returns a completion script, with the values of options that are names of ours.
pub fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = with_values(Cli::command());
    clap_complete::generate(shell, &mut command, PROGRAM, &mut script);
    match (shell, String::from_utf8(script)) {
        (Shell::Bash, Ok(text)) => for_bash(&text).into_bytes(),
        (Shell::Zsh, Ok(text)) => for_zsh(&text).into_bytes(),
        (Shell::Fish, Ok(text)) => for_fish(&text, &command).into_bytes(),
        (_, Ok(text)) => text.into_bytes(),
        (_, Err(error)) => error.into_bytes(),
    }
}

/// Gives a verb, and those below it, the names that may follow its options.
fn with_values(command: Command) -> Command {
    let findings: Vec<_> = FINDINGS.iter().map(|kind| kind.id).collect();
    let rules = |admits: fn(Default) -> bool| {
        let rules = RULES.iter().filter(|rule| admits(rule.default));
        rules.map(|rule| rule.name).collect::<Vec<_>>()
    };
    let mut command = command;
    let arguments: Vec<_> = command
        .get_arguments()
        .map(|one| one.get_id().clone())
        .collect();
    for id in arguments {
        let values: Vec<&'static str> = match id.as_str() {
            "allow" => findings.clone(),
            "keep" if command.get_name() != "prune" => {
                rules(|default| matches!(default, Default::On | Default::Base))
            }
            "drop" => rules(|default| !matches!(default, Default::Always | Default::Asked)),
            "id" => explain::names().collect(),
            // The parser keeps them for the rest of the run, which is short.
            "client" => (clients::Client::all().iter())
                .map(|client| &*client.to_string().leak())
                .collect(),
            _ => continue,
        };
        command = command.mut_arg(id, |argument| {
            let parser = PossibleValuesParser::new(values.clone());
            // Brackets and colons mean something to zsh.
            argument.value_parser(parser).value_name("NAME")
        });
    }
    let verbs: Vec<_> = (command.get_subcommands())
        .map(|verb| verb.get_name().to_owned())
        .collect();
    verbs.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, with_values)
    })
}

/// Mends what is made for bash: the script calls the verbs of a program with a dash in its name
/// otherwise where it looks for them than where it has their options, and where nothing but a file
/// can follow it offers options.
fn for_bash(script: &str) -> String {
    let function = PROGRAM.replace('-', "__");
    let other = PROGRAM.replace('-', "__subcmd__");
    let mut mended = String::new();
    for line in script.lines() {
        let line = line.replace(&other, &function);
        mended += &line;
        mended.push('\n');
        let options = (line.trim().strip_prefix("opts=\"")).and_then(|rest| rest.strip_suffix('"'));
        let is_files = |options: &str| {
            !options.is_empty() && options.split(' ').all(|option| option.starts_with('-'))
        };
        if options.is_some_and(is_files) {
            mended += "            [[ -n ${cur} || ${prev} == -* ]] || return 0\n";
        }
    }
    mended
}

/// Mends what is made for zsh: the first word would be the default verb's input, and never a verb.
fn for_zsh(script: &str) -> String {
    let verbs = format!("\":: :_{PROGRAM}_commands\"");
    let either = format!("'1: :{{ _{PROGRAM}_commands; _files }}'");
    let mut mended = String::new();
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some_and(|next| next.starts_with(&verbs)) {
            continue;
        }
        mended += &line
            .replace(&verbs, &either)
            .replace("$line[2]", "$line[1]");
        mended.push('\n');
    }
    mended
}

/// Mends what is made for fish: an option that still lacks its value would end the search for what
/// may follow, and words that may follow a verb are missing.
fn for_fish(script: &str, command: &Command) -> String {
    let gives_up = "2>/dev/null\n    or return\n";
    let mut mended = script.replace(gives_up, "2>/dev/null\n    or return 0\n");
    for verb in command.get_subcommands() {
        for value in verb
            .get_positionals()
            .flat_map(clap::Arg::get_possible_values)
        {
            let (verb, value) = (verb.get_name(), value.get_name());
            mended += &format!(
                "complete -c {PROGRAM} -n \"__fish_sysext_build_using_subcommand {verb}\" -f -a {value}\n"
            );
        }
    }
    mended
}
