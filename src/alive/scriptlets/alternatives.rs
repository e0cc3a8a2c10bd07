//! `update-alternatives` of Debian and openSUSE, `alternatives` of Fedora: links of which several
//! packages have one to offer.

use super::super::shell::Word;
use super::reading::{Alternative, Effect, Reading, known};

/// Reads what it is given.
///
/// ```text
/// --install /usr/bin/vi vi /usr/bin/vim 30 --slave /usr/share/man/man1/vi.1 vi.1 /usr/share/man/man1/vim.1
/// ```
pub fn read(arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    let mut words = words
        .into_iter()
        .filter(|word| !["--quiet", "--force", "--verbose"].contains(word));
    match words.next() {
        Some("--install") => install(&mut words),
        Some("--display" | "--query" | "--list" | "--get-selections") => {
            Reading::Harmless("it only asks or says something")
        }
        // What an older version has to offer is not there the first time.
        Some("--remove" | "--remove-all" | "--remove-slave") => {
            Reading::Harmless("it is for links of an older version")
        }
        Some("--auto") => Reading::Harmless("the highest priority decides here, too"),
        _ => Reading::Unhandled,
    }
}

fn install<'a>(words: &mut impl Iterator<Item = &'a str>) -> Reading {
    let mut next = || words.next();
    let (Some(link), Some(name), Some(path), Some(priority)) = (next(), next(), next(), next())
    else {
        return Reading::Unhandled;
    };
    let mut links = vec![(link.to_owned(), path.to_owned())];
    while let Some(option) = next() {
        match option {
            "--slave" | "--follower" => match (next(), next(), next()) {
                (Some(link), Some(_), Some(path)) => links.push((link.to_owned(), path.to_owned())),
                _ => return Reading::Unhandled,
            },
            "--family" if next().is_some() => {}
            _ => return Reading::Unhandled,
        }
    }
    let is_path = |path: &str| path.starts_with('/') && !path.contains("/../");
    match priority.parse() {
        Ok(priority)
            if links
                .iter()
                .all(|(link, path)| is_path(link) && is_path(path)) =>
        {
            Reading::effect(Effect::Alternative(Alternative {
                name: name.to_owned(),
                priority,
                links,
            }))
        }
        _ => Reading::Unhandled,
    }
}
