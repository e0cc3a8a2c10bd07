//! Reads packages in libsolv's testtags format.
//!
//! ```text
//! =Ver: 3.0                       the version of the format
//! =Pkg: NAME VERSION RELEASE ARCH
//! =Req: DEPENDENCY                also Prq Prv Con Obs Rec Sug Sup Enh
//! +Req:                           or many of them, one a line
//! DEPENDENCY
//! -Req:
//! =Fls: /path
//! ```
//!
//! Other tags (`Sum`, `Vnd`, `Tim`, ...) say nothing to a solver and are passed over.
//!
//! A dependency is rpm's text form, or libsolv's: `a & b`, `a | b`, `a + b` (with), `a - b`
//! (without), `a <IF> b <ELSE> c`, `a <UNLESS> b`, with parentheses for what is nested.

use resolve::{Dependency, Nevra, Solvable};

/// libsolv's operators and rpm's.
const OPERATORS: [(&str, &str); 7] = [
    ("&", "and"),
    ("|", "or"),
    ("+", "with"),
    ("-", "without"),
    ("<IF>", "if"),
    ("<UNLESS>", "unless"),
    ("<ELSE>", "else"),
];

/// Reads a dependency in either form; the error says what can't be read.
pub fn dependency(text: &str) -> Result<Dependency, String> {
    if text.contains(" . ") || text.contains(" : ") {
        return Err(format!("architecture in a dependency: {text}"));
    }
    let translate = |word: &str| {
        let found = OPERATORS.iter().find(|(libsolv, _)| *libsolv == word);
        found.map(|(_, rpm)| (*rpm).to_owned())
    };
    let mut is_rich = false;
    let words = text.split(' ').map(|word| match translate(word) {
        Some(operator) => {
            is_rich = true;
            operator
        }
        None => unescaped(word),
    });
    let words = without_else_parentheses(&words.collect::<Vec<_>>().join(" "));
    let text = if is_rich { format!("({words})") } else { words };
    Dependency::parse(&text).map_err(|error| error.to_string())
}

/// Writes `a if (b else c)`, which is how libsolv nests it, as `a if b else c`.
fn without_else_parentheses(text: &str) -> String {
    let mut text = text.to_owned();
    for operator in [" if (", " unless ("] {
        let mut from = 0;
        while let Some(found) = text[from..].find(operator) {
            let start = from + found + operator.len();
            let mut depth = 1;
            let mut has_else = false;
            let end = text[start..].char_indices().find_map(|(offset, letter)| {
                depth += match letter {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                has_else |= depth == 1 && text[start + offset..].starts_with(" else ");
                (depth == 0).then_some(start + offset)
            });
            if let Some(end) = end.filter(|_| has_else) {
                text.remove(end);
                text.remove(start - 1);
            }
            from = start;
        }
    }
    text
}

/// Takes back libsolv's escapes: `\20` is a space.
fn unescaped(word: &str) -> String {
    let mut parts = word.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => text = text + &char::from(code).to_string() + &part[2..],
            None => text = text + "\\" + part,
        }
    }
    text
}

/// Adds what the text describes to the packages.
pub fn read(text: &str, solvables: &mut Vec<Solvable>) -> Result<(), String> {
    let mut block: Option<String> = None;
    for line in text.lines() {
        if let Some(tag) = &block {
            if line == format!("-{tag}:") {
                block = None;
            } else {
                add(solvables, tag, line)?;
            }
            continue;
        }
        let Some((tag, value)) = line.split_once(':') else {
            continue;
        };
        match (
            tag.split_at_checked(1),
            value.strip_prefix(' ').unwrap_or(value),
        ) {
            (Some(("=", tag)), value) => add(solvables, tag, value)?,
            (Some(("+", tag)), "") => block = Some(tag.to_owned()),
            _ => {}
        }
    }
    Ok(())
}

fn add(solvables: &mut Vec<Solvable>, tag: &str, value: &str) -> Result<(), String> {
    if tag == "Pkg" {
        let words: Vec<&str> = value.split_whitespace().collect();
        let [name, version, release, arch] = words.as_slice() else {
            // libsolv passes over it too.
            return Ok(());
        };
        let nevra = Nevra::parse(&format!("{name}-{version}-{release}.{arch}"));
        solvables.push(Solvable {
            nevra: nevra.ok_or_else(|| format!("no package: {value}"))?,
            ..Solvable::default()
        });
        return Ok(());
    }
    let Some(solvable) = solvables.last_mut() else {
        return Ok(());
    };
    let list = match tag {
        "Prv" => &mut solvable.provides,
        "Req" | "Prq" => &mut solvable.requires,
        "Con" => &mut solvable.conflicts,
        "Obs" => &mut solvable.obsoletes,
        "Rec" => &mut solvable.recommends,
        "Sug" => &mut solvable.suggests,
        "Sup" => &mut solvable.supplements,
        "Enh" => &mut solvable.enhances,
        "Fls" => {
            solvable.files.push(value.to_owned());
            return Ok(());
        }
        _ => return Ok(()),
    };
    list.push(dependency(value)?);
    Ok(())
}
