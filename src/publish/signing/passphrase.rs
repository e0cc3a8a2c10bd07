//! Where the passphrase of a key comes from.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::ops::Deref;
use std::path::PathBuf;

use anyhow::anyhow;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::words::failure::{Failure, Result};
use crate::words::text::escaped;

/// The variable that may have a passphrase.
pub const PASSPHRASE_VARIABLE: &str = "SYSEXT_BUILD_PASSPHRASE";
/// Longest passphrase in bytes.
const MAX_LENGTH: usize = 4096;
/// The terminal of this process, wherever its input and output go.
const TERMINAL: &str = "/dev/tty";

/// A passphrase. It is wiped when it goes, and never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// Where a passphrase comes from, if the key needs one.
#[derive(Clone, Debug)]
pub enum PassphraseSource {
    /// The first line of a file.
    File(PathBuf),
    /// The environment.
    Given(Passphrase),
    /// The user, at the terminal.
    Terminal,
}

impl Passphrase {
    /// Takes what the environment says.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Deref for Passphrase {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PassphraseSource {
    /// Returns the passphrase of the key in the file `key`; may ask for it.
    pub fn ask(&self, key: &str) -> Result<Passphrase> {
        match self {
            Self::Given(passphrase) => Ok(passphrase.clone()),
            Self::File(path) => {
                let doing = || format!("reading the passphrase file {}", path.display());
                read_line(files::SecretFile::open(path)?)
                    .map_err(|error| Failure::io(doing(), error))
            }
            Self::Terminal => ask_user(key),
        }
    }
}

/// Asks at the terminal, which does not show what is typed.
#[expect(clippy::disallowed_methods, reason = "a terminal, not a file")]
fn ask_user(key: &str) -> Result<Passphrase> {
    let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open(TERMINAL) else {
        return Err(Failure::refused(anyhow!(
            "{key} is protected by a passphrase, but there is no terminal to ask for it"
        ))
        .hint("give it with --passphrase-file FILE, or in SYSEXT_BUILD_PASSPHRASE"));
    };
    let failure = |error: std::io::Error| Failure::io("asking for the passphrase", error);
    let shown = tcgetattr(&terminal).map_err(|error| failure(error.into()))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    // What was typed before the question is not an answer to it.
    tcsetattr(&terminal, OptionalActions::Flush, &hidden).map_err(|error| failure(error.into()))?;
    let again = Again(&terminal, shown);
    let mut asked = &terminal;
    write!(asked, "Passphrase of {}: ", escaped(key)).map_err(failure)?;
    let answer = read_line(&terminal);
    drop(again);
    let _ = writeln!(terminal);
    answer.map_err(failure)
}

/// Makes a terminal show again what is typed, when it goes.
struct Again<'a>(&'a File, Termios);

impl Drop for Again<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.0, OptionalActions::Now, &self.1);
    }
}

/// Reads the first line, without its end.
fn read_line(input: impl std::io::Read) -> std::io::Result<Passphrase> {
    let limit = MAX_LENGTH + 2;
    let mut line = Zeroizing::new(String::with_capacity(limit));
    let mut input = BufReader::with_capacity(1, input).take(limit as u64);
    input.read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    if end > MAX_LENGTH {
        let text = format!("the passphrase is longer than {MAX_LENGTH} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
    }
    line.truncate(end);
    Ok(Passphrase(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let longest = "x".repeat(4096);
        let too_long = Err("the passphrase is longer than 4096 bytes");
        for (input, expected) in [
            ("secret", Ok("secret")),
            ("secret\nmore", Ok("secret")),
            (" sp ace \r\n", Ok(" sp ace ")),
            ("", Ok("")),
            (&longest, Ok(&longest)),
            (&format!("{longest}\r\n"), Ok(&longest)),
            (&format!("{longest}x"), too_long),
            (&format!("{longest}x\r\n"), too_long),
        ] {
            let line = read_line(input.as_bytes()).map_err(|error| error.to_string());
            assert_eq!(
                line.as_deref(),
                expected.map_err(str::to_owned).as_ref().copied(),
                "{input:?}"
            );
        }
        let secret = Passphrase::new("secret".to_owned());
        assert!(!format!("{:?}", PassphraseSource::Given(secret)).contains("secret"));
    }

    #[test]
    fn where_a_passphrase_comes_from() {
        let scratch = crate::words::scratch::Scratch::new();
        let file = scratch.write("passphrase", b"of a file\nmore");
        let given = PassphraseSource::Given(Passphrase::new("given".to_owned()));
        assert_eq!(&*given.ask("key").unwrap(), "given");
        assert_eq!(
            &*PassphraseSource::File(file).ask("key").unwrap(),
            "of a file"
        );
        let missing = PassphraseSource::File(scratch.path().join("none"));
        let failure = missing.ask("key").unwrap_err();
        assert!(format!("{:#}", failure.source).starts_with("reading /"));
    }
}
