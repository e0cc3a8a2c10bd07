//! Which lists may be extended, by a signer or without one: those that nobody else has changed.
//!
//! Whoever can write to a store can change its list, remove its signature, or put back an older one.
//! So before any work is done for a store, its list is checked by the key that is to sign the next
//! one, and compared with what is remembered of the last.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use store::{Basis, SUMS, Serial, Store};

use super::memory::Notes;
use super::signer::{KeyChanges, Settings, Signer};
use crate::findings::{Finding, kinds};
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;

/// Opens what signs the lists in these directories, if anything does.
///
/// A store that is signed takes no change without a key; this is said before any work is done for
/// it.
pub fn open(settings: &Settings, directories: &[PathBuf]) -> Result<Option<Signer>> {
    let signer = Signer::open(settings)?;
    // Who signs nothing needs no notes, and may have none that can be read.
    let notes = match &signer {
        Some(_) => Notes::default(),
        None => settings.memory.read().unwrap_or_default(),
    };
    for directory in directories {
        // Whatever is wrong with the directory is found, and said, where it is written to.
        let Ok(store) = Store::open_for_reading(directory) else {
            continue;
        };
        match &signer {
            Some(signer) => drop(signer.keys_for(&store, &KeyChanges::default())?),
            None => needs_no_signer(directory, &store, &notes)?,
        }
    }
    Ok(signer)
}

/// Makes sure that a list in a directory may be extended by this signer, or without one, and says
/// what is worth a word about it. For a directory that is known late, since it has the name of an
/// image.
pub fn extends(
    settings: &Settings,
    signer: Option<&Signer>,
    directory: &Path,
) -> Result<Option<Finding>> {
    match (signer, Store::open_for_reading(directory)) {
        (Some(signer), _) => signer.takes_over(directory),
        (None, Ok(store)) => {
            let notes = settings.memory.read().unwrap_or_default();
            needs_no_signer(directory, &store, &notes).map(|()| None)
        }
        (None, Err(_)) => Ok(None),
    }
}

/// Fails if a store is signed, or was, as far as one can see or remembers.
fn needs_no_signer(directory: &Path, store: &Store, notes: &Notes) -> Result<()> {
    // What is left of a store may no longer show that it was signed.
    let is_known = || {
        let is_empty = (directory.read_dir()).is_ok_and(|mut names| names.next().is_none());
        !is_empty && notes.last(directory, None).is_some()
    };
    if store.needs_signer().map_err(store_failure)? || is_known() {
        let text = anyhow!(
            "{} is signed, but no key was given to sign the new list with",
            directory.join(SUMS).display()
        );
        return Err(
            Failure::refused(text).hint("give the key with --sign-key FILE or --gpg-key KEY")
        );
    }
    Ok(())
}

/// Says so if a list is not signed by the key that is remembered to sign in its directory; the text
/// goes on after the name of the signature.
pub fn other_signer(notes: &Notes, store: &Store, fingerprint: &str) -> Option<String> {
    // A list that can't be read has no number, and its directory is known still.
    let serial = store.issued().ok().flatten().map(|issued| issued.serial);
    let signer = notes.signer(store.dir(), serial.as_ref())?;
    (signer != fingerprint)
        .then(|| format!("is by key {fingerprint}, and key {signer} has signed here before"))
}

/// Opens what signs the lists in these directories, and makes sure that it may extend each: that
/// nobody else has changed what it would sign.
pub fn open_to_extend(settings: &Settings, directories: &[PathBuf]) -> Result<Option<Signer>> {
    let Some(mut signer) = open(settings, directories)? else {
        return Ok(None);
    };
    let findings = (directories.iter())
        .map(|directory| signer.takes_over(directory))
        .collect::<Result<Vec<_>>>()?;
    let is_signed = |directory: &PathBuf| {
        let store = Store::open_for_reading(directory).and_then(|store| store.is_signed());
        store.unwrap_or(false)
    };
    let is_first = |finding: &Option<Finding>| {
        (finding.as_ref()).is_some_and(|finding| *finding.kind == kinds::FIRST_SIGNATURE)
    };
    // Beside directories that this key has signed, somebody else can put one that looks new.
    let planted = (directories.iter().zip(&findings)).find(|(_, finding)| is_first(finding));
    if let Some((planted, _)) = planted
        && (directories.iter().zip(&findings))
            .any(|(directory, finding)| !is_first(finding) && is_signed(directory))
    {
        let path = planted.display();
        let text = anyhow!("{path} is not signed by this key; other directories of the store are");
        return Err(Failure::refused(text).hint(format!(
            "if its list is as you want it: sysext-build store sign {path}"
        )));
    }
    signer.findings.extend(findings.into_iter().flatten());
    if !signer.remembers() {
        let text = "there is no directory to note in which lists are signed: neither HOME nor \
                    XDG_STATE_HOME is set";
        let finding = Finding::new(&kinds::NOT_REMEMBERED, text);
        signer.findings.push(finding);
    }
    Ok(Some(signer))
}

impl Signer {
    /// Says what is worth a word about the list that a first change of this run would start from.
    fn takes_over(&self, directory: &Path) -> Result<Option<Finding>> {
        let list = directory.join(SUMS);
        let gone = |last: &Serial| {
            let text = format!(
                "{} is gone, and list {last} was signed here before; a new store begins",
                list.display(),
            );
            Finding::new(&kinds::STORE_GONE, text)
        };
        let Ok(store) = Store::open_for_reading(directory) else {
            let last = self.last(directory, None);
            return Ok(last.map(|last| gone(&last.serial)));
        };
        let signing = self.signing(directory);
        let lines = match store.basis(&signing).map_err(store_failure)? {
            Basis::Gone(last) => return Ok(Some(gone(&last))),
            Basis::Own => return Ok(self.unknown(directory, &store)),
            Basis::OtherKey(key) => {
                let lines = store.entries().map_or(0, |entries| entries.len());
                let text = format!(
                    "{} was signed by key {key}; {} of it are signed as they are",
                    list.display(),
                    counted(lines, "line"),
                );
                return Ok(Some(Finding::new(&kinds::FIRST_SIGNATURE, text)));
            }
            // A list that can't be read is said where it is to be changed.
            Basis::Unsigned => store.entries().unwrap_or_default().len(),
            _ => 0,
        };
        if lines == 0 {
            return Ok(None);
        }
        let text = format!(
            "{} was not signed before; {} of it are signed as they are",
            list.display(),
            counted(lines, "line"),
        );
        Ok(Some(Finding::new(&kinds::FIRST_SIGNATURE, text)))
    }

    /// Says that nothing is remembered of a list, where there is a directory to remember in.
    fn unknown(&self, directory: &Path, store: &Store) -> Option<Finding> {
        let serial = store.issued().ok()??.serial;
        let is_known = self.last(directory, Some(&serial)).is_some();
        (!is_known && self.remembers()).then(|| {
            let list = directory.join(SUMS);
            let text = format!(
                "{} is list {serial}, of which nothing is noted here: an older one would look the same",
                list.display()
            );
            Finding::new(&kinds::NOT_REMEMBERED, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use store::KEYRING;

    use super::super::signer::tests::{SECRET, TIME, key, settings};
    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn a_signed_store_wants_a_key() {
        let scratch = Scratch::new();
        let source = key(&scratch, SECRET, 0o600);
        let (signed, unsigned) = (Scratch::new(), Scratch::new());
        signed.write("SHA256SUMS.gpg", b"signature");
        let paths = |scratches: &[&Scratch]| -> Vec<PathBuf> {
            scratches.iter().map(|one| one.path().to_owned()).collect()
        };
        let nowhere = vec![unsigned.path().join("none")];
        for (source, directories, expected) in [
            (None, paths(&[]), Ok(false)),
            (None, paths(&[&unsigned]), Ok(false)),
            (None, nowhere.clone(), Ok(false)),
            (None, paths(&[&signed]), Err(())),
            (None, paths(&[&unsigned, &signed]), Err(())),
            (Some(&source), paths(&[&signed]), Ok(true)),
            (Some(&source), nowhere, Ok(true)),
        ] {
            let opened = open(&settings(source, TIME), &directories);
            let found = opened.map(|signer| signer.is_some());
            assert_eq!(found.map_err(|_| ()), expected, "{directories:?}");
        }
        // What is beside the list is looked at before any work is done.
        unsigned.write(KEYRING, b"no keys");
        assert!(open(&settings(Some(&source), TIME), &paths(&[&unsigned])).is_err());
    }
}
