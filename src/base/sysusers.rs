//! The accounts that a snippet of sysusers.d(5) makes, as systemd-sysusers reads it.
//!
//! ```text
//! g  tty     5
//! u  man     6:12        "Manual pages"  /var/cache/man
//! u! chrony  -           a number that each machine gives; "!": locked (systemd 257 and newer)
//! u  daemon  -:services  a user whose group has another name
//! m  chrony  tty         a member, who and whose group are made, too
//! ```

/// An account that a line makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether it is a user, else a group.
    pub is_user: bool,
    /// Its name.
    pub name: String,
    /// Its number, if the line gives it one.
    pub number: Option<u32>,
}

/// Returns the accounts that a snippet makes. What systemd-sysusers passes over makes none.
pub fn accounts(text: &str) -> Vec<Account> {
    text.lines().flat_map(of_line).collect()
}

fn of_line(line: &str) -> Vec<Account> {
    let line = line.trim();
    let Some(words) = words(line).filter(|_| !line.starts_with('#')) else {
        return Vec::new();
    };
    let [kind, name, rest @ ..] = &words[..] else {
        return Vec::new();
    };
    let account = |is_user, name: &str, number: Option<&str>| Account {
        is_user,
        name: name.to_owned(),
        number: number.and_then(|number| number.parse().ok()),
    };
    let id = rest.first().map(String::as_str);
    match (kind.as_str(), id) {
        // With a colon, the group is one that another line makes.
        ("u" | "u!", Some(id)) if id.contains(':') => {
            vec![account(true, name, id.split(':').next())]
        }
        ("u" | "u!", _) => vec![account(true, name, id), account(false, name, id)],
        ("g", _) => vec![account(false, name, id)],
        ("m", Some(group)) => vec![
            account(true, name, None),
            account(false, name, None),
            account(false, group, None),
        ],
        _ => Vec::new(),
    }
}

/// Splits a line at white space outside of quotes; a backslash takes the next character as it is.
/// None if a quote is not closed.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) => word.get_or_insert_default().push(characters.next()?),
            (one, Some(open)) if one == open => quote = None,
            (one, Some(_)) => word.get_or_insert_default().push(one),
            ('"' | '\'', None) => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (one, None) if one.is_whitespace() => words.extend(word.take()),
            (one, None) => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_lines() {
        for (line, expected) in [
            ("u a 5", &["user a 5", "group a 5"][..]),
            ("  u!\ta  -  \"A B\" / -", &["user a -", "group a -"]),
            ("u a 5:7", &["user a 5"]),
            ("u a -:b", &["user a -"]),
            ("u a /usr/bin/a", &["user a -", "group a -"]),
            ("u \"a\" - 'x y'", &["user a -", "group a -"]),
            ("g b 6", &["group b 6"]),
            ("g b", &["group b -"]),
            ("m a b", &["user a -", "group a -", "group b -"]),
            ("m a", &[]),
            ("r - 500-900", &[]),
            ("# u a 5", &[]),
            ("", &[]),
            ("u", &[]),
            ("u a - \"x", &[]),
            ("U a 5", &[]),
        ] {
            let found = accounts(line).into_iter().map(|one| {
                let kind = if one.is_user { "user" } else { "group" };
                let number = one
                    .number
                    .map_or("-".to_owned(), |number| number.to_string());
                format!("{kind} {} {number}", one.name)
            });
            assert_eq!(found.collect::<Vec<_>>(), expected, "{line}");
        }
    }
}
