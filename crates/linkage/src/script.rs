//! The first line of a script.

use serde::{Deserialize, Serialize};

/// As much of a file as Linux looks at for `#!`, in bytes.
pub(crate) const FIRST_LINE: usize = 256;

/// What runs a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The interpreter's path.
    pub interpreter: String,
    /// The program that `env` is to find, where the interpreter is `env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

impl Script {
    /// Reads the start of a file; `None` if it is not a script.
    pub fn parse(head: &[u8]) -> Option<Self> {
        let head = &head[..head.len().min(FIRST_LINE)];
        let line = head.strip_prefix(b"#!")?;
        let end = line.iter().position(|byte| *byte == b'\n' || *byte == 0);
        let line = std::str::from_utf8(&line[..end.unwrap_or(line.len())]).ok()?;
        // Linux splits off the path alone; env(1) splits the rest only with -S.
        let blank = |c: char| c == ' ' || c == '\t';
        let line = line.trim_matches(blank);
        let (interpreter, argument) = line.split_once(blank).unwrap_or((line, ""));
        if interpreter.is_empty() {
            return None;
        }
        let env = interpreter.rsplit('/').next() == Some("env");
        Some(Self {
            interpreter: interpreter.to_owned(),
            env: env.then(|| program_of_env(argument)).flatten(),
        })
    }
}

/// Returns the program that `env` runs with this argument.
fn program_of_env(argument: &str) -> Option<String> {
    argument
        .split([' ', '\t'])
        .find(|word| !word.is_empty() && !word.starts_with('-') && !word.contains('='))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        for (head, expected) in [
            ("#!/bin/sh\nexit", Some(("/bin/sh", None))),
            (
                "#! /usr/bin/python3 -E \n",
                Some(("/usr/bin/python3", None)),
            ),
            (
                "#!/usr/bin/env python3\n",
                Some(("/usr/bin/env", Some("python3"))),
            ),
            (
                "#!/usr/bin/env -S LANG=C perl -w\n",
                Some(("/usr/bin/env", Some("perl"))),
            ),
            ("#!/usr/bin/env\n", Some(("/usr/bin/env", None))),
            ("#!/bin/sh", Some(("/bin/sh", None))),
            ("#!\n/bin/sh", None),
            ("# !/bin/sh\n", None),
            ("", None),
        ] {
            let expected = expected.map(|(interpreter, env): (&str, Option<&str>)| Script {
                interpreter: interpreter.to_owned(),
                env: env.map(str::to_owned),
            });
            assert_eq!(Script::parse(head.as_bytes()), expected, "{head:?}");
        }
    }
}
