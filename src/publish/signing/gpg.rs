//! Signatures by gpg, for keys that an agent or a card holds.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::anyhow;
use openpgp::Keyring;
use store::SignError;

use crate::words::failure::{Failure, Result};

/// The variables that gpg gets of those that this program has: where its keys are, and how its agent
/// asks for a passphrase. The secrets that CI systems put into variables are none of its business,
/// nor its agent's, which outlives the build.
pub const ENVIRONMENT: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "GNUPGHOME",
    "GPG_TTY",
    "PINENTRY_USER_DATA",
    "TERM",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LD_LIBRARY_PATH",
];

/// Variables with their values.
pub type Environment = Vec<(&'static str, OsString)>;

/// A key that gpg can sign with.
#[derive(Debug)]
pub struct Key {
    environment: Environment,
    /// The fingerprint of the primary key, in upper-case hex.
    pub fingerprint: String,
    /// Its public part.
    pub public: Keyring,
}

impl Key {
    /// Looks a key up by whatever gpg takes for a name: a fingerprint, an id, an address.
    pub fn find(name: &str, environment: &Environment) -> Result<Self> {
        let output = gpg(environment, &["--export", "--", name], &[])
            .map_err(|error| Failure::io("running gpg", error))?;
        if !output.status.success() {
            return Err(Failure::refused(anyhow!("{}", complaint(&output))));
        }
        if output.stdout.is_empty() {
            return Err(
                Failure::refused(anyhow!("gpg has no key {name:?}")).hint("gpg --list-secret-keys")
            );
        }
        let public =
            Keyring::parse(&output.stdout, "what gpg exports").map_err(Failure::refused)?;
        match &public.keys()[..] {
            [key] => Ok(Self {
                environment: environment.clone(),
                fingerprint: key.fingerprint.clone(),
                public: public.clone(),
            }),
            keys => {
                let text = anyhow!("gpg has {} keys that match {name:?}", keys.len());
                let failure = Failure::refused(text);
                Err(keys.iter().fold(failure, |failure, key| {
                    let user = key.user_ids.first().map_or("", String::as_str);
                    failure.hint(format!("--gpg-key {}  {user}", key.fingerprint))
                }))
            }
        }
    }

    /// Has gpg sign, and checks that clients will take it; `now` is in seconds since 1970.
    pub fn sign(&self, data: &[u8], now: u64) -> std::result::Result<Vec<u8>, SignError> {
        let options = ["--local-user", &self.fingerprint, "--no-armor"];
        let output = gpg(
            &self.environment,
            &[&options[..], &["--detach-sign", "--output", "-"]].concat(),
            data,
        )?;
        if !output.status.success() {
            return Err(complaint(&output).into());
        }
        (self.public).verify_detached(data, &output.stdout, "what gpg signs", now)?;
        Ok(output.stdout)
    }
}

/// Runs gpg with `input` and returns what it says.
fn gpg(environment: &Environment, arguments: &[&str], input: &[u8]) -> std::io::Result<Output> {
    let mut child = Command::new("gpg")
        .args(["--batch", "--quiet", "--no-tty"])
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A gpg that fails reads nothing, and says why.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output()
}

/// Returns what gpg complains of, in one line.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    match lines.join("; ") {
        empty if empty.is_empty() => format!("gpg failed: {}", output.status),
        lines => lines,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn complaints_are_one_line() {
        for (said, expected) in [
            ("gpg: no agent\n", "gpg: no agent"),
            ("gpg: one \n  two\n", "gpg: one; two"),
            ("", "gpg failed: exit status: 2"),
        ] {
            let output = Output {
                status: ExitStatus::from_raw(2 << 8),
                stdout: Vec::new(),
                stderr: said.as_bytes().to_vec(),
            };
            assert_eq!(complaint(&output), expected);
        }
    }
}
