//! `store sign`: a new signature of the list, and the public key beside it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use store::{Basis, Listing, SUMS, Serial, Store};

use crate::cli::store::SignArguments;
use crate::inputs;
use crate::publish::signing::{self, KeyChanges};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;
use crate::words::text::Text;

#[derive(Serialize)]
struct Signed {
    directories: Vec<PathBuf>,
    /// Fingerprint of the key, if one signed.
    signed_by: Option<String>,
    /// What was signed that the same key had not signed before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<Before>,
}

/// What a list was before it was signed.
#[derive(Serialize)]
struct Before {
    directory: PathBuf,
    /// Fingerprint of the key that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    /// What is wrong with the signature that it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The names that this key did not vouch for before, and does now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blessed: Vec<String>,
}

/// Signs each list.
pub fn run(arguments: &SignArguments, report: &Report) -> Result<()> {
    let settings = inputs::signing(&arguments.signing)?;
    if settings.key.is_none() && arguments.best_before.is_none() {
        return Err(Failure::usage("no signing key is given")
            .hint("give one with --sign-key FILE or --gpg-key KEY"));
    }
    let directories = super::directories(&arguments.directory)?;
    let keys = KeyChanges::read(&arguments.add_key, &arguments.drop_key)?;
    let mut signer = signing::open(&settings, &directories)?;
    if let Some(signer) = &mut signer {
        signer.restored = arguments.restored;
    }
    for finding in signer.iter().flat_map(|signer| &signer.findings) {
        report.note(finding);
    }
    let mut before = Vec::new();
    for directory in &directories {
        let store = Store::open(directory).map_err(store_failure)?;
        if let Some(signer) = &signer {
            // What can't be done is said before the list changes.
            signer.keys_for(&store, &keys)?;
        }
        let basis = store
            .sign(Listing {
                signing: (signer.as_ref()).map(|signer| signer.signing(directory)),
                best_before: arguments.best_before,
                now: settings.now,
            })
            .map_err(store_failure)?;
        if let Some(signer) = &signer {
            signer.publish_keys(&store, &keys)?;
            signer.say_forgotten(report);
            if !matches!(basis, Basis::Own | Basis::Gone(_)) {
                before.push(Before::new(directory, basis, &store)?);
            }
        }
    }
    let signed = Signed {
        signed_by: signer.map(|signer| signer.fingerprint()),
        directories,
        before,
    };
    if report.is_json() {
        return report.json(&signed);
    }
    let mut text = Text::default();
    for before in &signed.before {
        text.append(&before.text());
    }
    for directory in &signed.directories {
        let list = directory.join(SUMS);
        let by = match &signed.signed_by {
            Some(key) => format!("signed by key {key}"),
            None => "not signed".to_owned(),
        };
        text.line(format!("{}: {by}", list.display()));
    }
    report.print(&text)
}

impl Before {
    fn new(directory: &Path, basis: Basis, store: &Store) -> Result<Self> {
        let (signed_by, problem) = match basis {
            Basis::Own | Basis::Gone(_) => (None, None),
            Basis::OtherKey(key) => (Some(key), None),
            Basis::Unsigned => (None, Some("it had no signature".to_owned())),
            Basis::Unverified(problem) => (None, Some(problem)),
        };
        // By another key, too: whoever can write to the store can publish one beside it.
        let blessed = match problem.is_some() || signed_by.is_some() {
            true => store.entries().map_err(store_failure)?,
            false => Vec::new(),
        };
        Ok(Self {
            directory: directory.to_owned(),
            signed_by,
            problem,
            blessed: (blessed.into_iter())
                .map(|entry| entry.name)
                .filter(|name| Serial::parse(name).is_none())
                .collect(),
        })
    }

    fn text(&self) -> Text {
        let list = self.directory.join(SUMS);
        let mut text = Text::default();
        if let Some(key) = &self.signed_by {
            text.line(format!("{}: was signed by key {key}", list.display()));
        }
        if let Some(problem) = &self.problem {
            text.line(format!(
                "{}: was not validly signed before ({problem}); the key now vouches for {}:",
                list.display(),
                counted(self.blessed.len(), "line")
            ));
        }
        for name in &self.blessed {
            text.line(format!("  {name}"));
        }
        text
    }
}
