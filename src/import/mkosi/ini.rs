//! The lines of `mkosi.conf`, as mkosi 25 reads them: `#` begins a comment anywhere, and a line that
//! is indented goes on with the value before it.

use crate::words::failure::{Failure, Result};

/// A setting, or the end of a section where `key` is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The section without its brackets.
    pub section: String,
    /// The name of the setting.
    pub key: String,
    /// The value; further lines are after newlines.
    pub value: String,
    /// The line number, from 1.
    pub number: usize,
}

/// Reads all settings of a file, in their order, and the end of each section.
pub fn parse(text: &str) -> Result<Vec<Line>> {
    let indent = common_indent(text);
    let mut lines: Vec<Line> = Vec::new();
    let mut section = String::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |text: String| Err(Failure::refused(anyhow::anyhow!("line {number}: {text}")));
        let is_indented = line
            .get(indent..)
            .is_some_and(|rest| rest.starts_with(char::is_whitespace));
        if is_open && is_indented {
            if let Some(last) = lines.last_mut() {
                last.value.push('\n');
                last.value += line.trim();
            }
            continue;
        }
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            let Some(name) = name
                .strip_suffix(']')
                .map(str::trim)
                .filter(|name| !name.is_empty())
            else {
                return wrong(format!("{line} is not a section"));
            };
            end_section(&mut lines, &section, number);
            name.clone_into(&mut section);
            is_open = false;
            continue;
        }
        if section.is_empty() {
            return wrong(format!("{line} is outside of a section"));
        }
        let Some((key, value)) = line
            .split_once('=')
            .filter(|(key, _)| !key.trim().is_empty())
        else {
            return wrong(format!("{line} is not a setting: NAME=VALUE"));
        };
        lines.push(Line {
            section: section.clone(),
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
            number,
        });
        is_open = true;
    }
    end_section(&mut lines, &section, text.lines().count());
    Ok(lines)
}

fn end_section(lines: &mut Vec<Line>, section: &str, number: usize) {
    if !section.is_empty() {
        lines.push(Line {
            section: section.to_owned(),
            key: String::new(),
            value: String::new(),
            number,
        });
    }
}

/// The bytes of white space that all lines begin with.
fn common_indent(text: &str) -> usize {
    let filled = text.lines().filter(|line| !line.trim().is_empty());
    let indent = |line: &str| line.len() - line.trim_start().len();
    filled.map(indent).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String> {
        let show = |line: &Line| {
            format!(
                "{}.{}={}@{}",
                line.section, line.key, line.value, line.number
            )
        };
        Ok(parse(text)?.iter().map(show).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn what_mkosi_reads() {
        for (text, expected) in [
            ("", ""),
            ("[A]\nb=c\n", "A.b=c@2|A.=@2"),
            ("[A]\nb = c # d\n", "A.b=c@2|A.=@2"),
            (
                "[A]\nb=\n  c\n\n  # no\n  d\ne=f",
                "A.b=\nc\nd@2|A.e=f@7|A.=@7",
            ),
            ("[A]\nb=c\n[B]\nd=e\n", "A.b=c@2|A.=@3|B.d=e@4|B.=@4"),
            ("  [A]\n  b=c\n    d\n", "A.b=c\nd@2|A.=@3"),
            ("[A]\nb=c=d\n", "A.b=c=d@2|A.=@2"),
        ] {
            assert_eq!(shown(text).unwrap(), expected, "{text:?}");
        }
        for (text, expected) in [
            ("b=c", "line 1: b=c is outside of a section"),
            ("[A\n", "line 1: [A is not a section"),
            ("[]\n", "line 1: [] is not a section"),
            ("[A]\nb\n", "line 2: b is not a setting: NAME=VALUE"),
            ("[A]\n=b\n", "line 2: =b is not a setting: NAME=VALUE"),
        ] {
            assert_eq!(shown(text).unwrap_err().source.to_string(), expected);
        }
    }
}
