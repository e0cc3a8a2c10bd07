//! One change of the store under its lock: files get their names, then the list changes.
//!
//! All that can fail for want of space or of a key is done while nothing has a name yet: the files
//! are synced, the new list is written and signed. Then come names, a sync of the directory, and
//! the list and its signature, from which moment on clients see the change.
//!
//! Two files can't be replaced in one step with the list that has their hashes. So whatever is
//! listed with another hash is taken off the list first, and in between it is not listed at all;
//! at no moment does the list have a hash that is not that of the file which was just named.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Listing;
use crate::directory::{Directory, Found, SIGNATURE};
use crate::error::Error;
use crate::ledger::{self, Basis};
use crate::pending::{self, PENDING};
use crate::publish::{self, Change, Issue, OLD};
use crate::serial::Serial;
use crate::sums::Sums;
use crate::temporary::Temporary;

/// A file to be named.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    file: Temporary,
    inode: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) found: Found,
}

/// A step that was taken, and how to take it back.
enum Done {
    /// `name` was given to a new file.
    Named { name: String },
    /// `name` may have got a new file; the old one has the name `old_name` too.
    Replaced {
        name: String,
        old_name: &'static str,
    },
    /// The list and its signature may have been replaced; what they were, byte for byte.
    Listed(Issue),
    /// The signature may have been replaced, and the list has not; what it was.
    Signed(Change),
}

/// The locked directory, and what its list was when the lock was taken.
pub(crate) struct Transaction {
    directory: Directory,
    former: Vec<u8>,
    former_signature: Option<Vec<u8>>,
    before: Sums,
    /// The number of the last list that was signed here, as far as the signer remembers.
    last: Option<Serial>,
    /// Inode and name of files that go once they are no longer listed.
    going: Vec<(u64, String)>,
}

impl Transaction {
    /// Waits for the lock, makes sure that the list may be extended, completes what a killed process
    /// left half done, and reads the list.
    pub(crate) fn begin(path: &Path, listing: &Listing<'_>) -> Result<Transaction, Error> {
        let (transaction, _) = Self::begin_with(path, listing, false)?;
        Ok(transaction)
    }

    /// Begins a change by which the list is signed as it stands; returns what is taken over.
    pub(crate) fn begin_to_sign(
        path: &Path,
        listing: &Listing<'_>,
    ) -> Result<(Transaction, Basis), Error> {
        Self::begin_with(path, listing, true)
    }

    fn begin_with(
        path: &Path,
        listing: &Listing<'_>,
        blesses: bool,
    ) -> Result<(Transaction, Basis), Error> {
        let directory = Directory::open(path)?;
        directory.lock()?;
        let signing = listing.signing.as_ref();
        let checked = signing.map(|signing| ledger::check(&directory, signing, blesses));
        let checked = checked.transpose()?;
        publish::recover(&directory)?;
        // What was checked is what is extended, whatever the file holds by now.
        let (basis, former, former_signature, last) = match checked {
            Some(checked) => (checked.basis, checked.list, checked.signature, checked.last),
            None => (
                Basis::Unsigned,
                directory.read_list()?,
                directory.read_signature()?,
                None,
            ),
        };
        let before = directory.parse_list(&former)?;
        pending::resolve(&directory, &before)?;
        let transaction = Transaction {
            directory,
            former,
            former_signature,
            before,
            last,
            going: Vec::new(),
        };
        Ok((transaction, basis))
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The list as it was when the lock was taken.
    pub(crate) fn before(&self) -> &Sums {
        &self.before
    }

    /// Lets a file go, which must not be in the list that is committed.
    pub(crate) fn remove(&mut self, name: String) -> Result<(), Error> {
        if let Some(inode) = self.directory.inode(&name)? {
            self.going.push((inode, name));
        }
        Ok(())
    }

    /// Looks for what has the name of a file to be named.
    pub(crate) fn part(
        &self,
        (name, file, sha256): (String, Temporary, [u8; 32]),
    ) -> Result<Part, Error> {
        let stat = file.file().metadata();
        let stat = stat.map_err(|e| self.directory.error("look at the bytes for", &name, e))?;
        let found = self.directory.find(&name, stat.len(), &sha256)?;
        Ok(Part {
            name,
            file,
            inode: stat.ino(),
            sha256,
            found,
        })
    }

    /// Names `parts` and makes `after` the list, all or nothing. At most as many of them replace files
    /// as there are names in [`OLD`].
    pub(crate) fn commit(
        self,
        mut parts: Vec<Part>,
        after: &Sums,
        mut listing: Listing<'_>,
    ) -> Result<(), Error> {
        let Self { directory, .. } = &self;
        if listing.signing.is_none()
            && let Some(name) = ledger::evidence(directory, &self.before)?
        {
            return Err(Error::Unsigned {
                path: directory.path().join(name),
            });
        }
        finish(directory, &parts)?;
        let meanwhile = self.meanwhile(&parts);
        let mut prepare = |sums: &Sums,
                           former: &[u8],
                           last: Option<&Serial>|
         -> Result<(Issue, Vec<u8>), Error> {
            Issue::prepare(directory, sums, former, last, &mut listing)
        };
        let last = self.last.as_ref();
        let (delisting, issue) = match &meanwhile {
            Some(sums) => {
                let (delisting, before) = prepare(sums, &self.former, last)?;
                let between = delisting.issued.as_ref().map(|issued| &issued.serial);
                let (issue, _) = prepare(after, &before, between)?;
                (Some(delisting), issue)
            }
            None => (None, prepare(after, &self.former, last)?.0),
        };
        let issued = issue.issued.clone();

        let mut done = Vec::new();
        let change = self.change(&mut parts, delisting, issue, &mut done);
        if let Err(failed) = change {
            let failed = undo(directory, done, failed);
            // What stays has been reported; it must not go because of the note.
            let _ = directory.remove(PENDING);
            return Err(failed);
        }
        // From here on the change is made, whatever happens.
        publish::sync_published(directory)?;
        pending::resolve(directory, after)?;
        forget(directory, &done);
        if let (Some(signing), Some(issued)) = (&mut listing.signing, &issued) {
            (signing.issued)(issued);
        }
        Ok(())
    }

    /// Names `parts` and changes no list, all or nothing.
    pub(crate) fn commit_unlisted(self, mut parts: Vec<Part>) -> Result<(), Error> {
        let directory = &self.directory;
        finish(directory, &parts)?;
        let mut done = Vec::new();
        let named = give_names(directory, &mut parts, &mut done);
        if let Err(failed) = named {
            return Err(undo(directory, done, failed));
        }
        forget(directory, &done);
        directory.sync()
    }

    fn change(
        &self,
        parts: &mut [Part],
        delisting: Option<Issue>,
        issue: Issue,
        done: &mut Vec<Done>,
    ) -> Result<(), Error> {
        let directory = &self.directory;
        let put_or_remove = |signature: &Option<Vec<u8>>| match signature {
            Some(bytes) => directory.temporary_of(bytes).map(Change::Put),
            None => Ok(Change::Remove),
        };
        let mut signature = self.former_signature.clone();
        if let Some(mut delisting) = delisting {
            let former = match issue.is_signed() {
                true => put_or_remove(&signature)?,
                false => Change::Leave,
            };
            let former = Issue::former(directory, &self.former, former)?;
            done.push(Done::Listed(former));
            signature = delisting.signature_bytes.take().or(signature);
            delisting.publish(directory)?;
            publish::sync_published(directory)?;
        }
        let coming = (parts.iter())
            .filter(|part| part.found == Found::Nothing)
            .map(|part| (part.inode, part.name.as_str()));
        let going = (self.going.iter()).map(|(inode, name)| (*inode, name.as_str()));
        pending::note(directory, coming.chain(going))?;
        give_names(directory, parts, done)?;
        directory.sync()?;
        if issue.is_signed() {
            done.push(Done::Signed(put_or_remove(&signature)?));
        }
        issue.publish(directory)
    }

    /// The list without what it lists with another hash than the one about to come: a file about
    /// to be replaced, or one that was listed and got lost. `None` if there is nothing such.
    fn meanwhile(&self, parts: &[Part]) -> Option<Sums> {
        let is_wrong = |part: &Part| {
            let listed = self.before.get(&part.name);
            listed.is_some_and(|sha256| *sha256 != part.sha256)
        };
        if !parts.iter().any(is_wrong) {
            return None;
        }
        let mut meanwhile = self.before.clone();
        meanwhile.retain(|name| !parts.iter().any(|part| part.name == name && is_wrong(part)));
        Some(meanwhile)
    }
}

/// Puts the bytes of all parts on the disk.
fn finish(directory: &Directory, parts: &[Part]) -> Result<(), Error> {
    for part in parts {
        // The writer of the same bytes may have left them in memory alone.
        match part.found {
            Found::Same => directory.sync_file(&part.name)?,
            Found::Nothing | Found::Other => {
                (part.file.finish()).map_err(|e| directory.error("write", &part.name, e))?
            }
        }
    }
    Ok(())
}

/// Removes the second names of what was replaced.
fn forget(directory: &Directory, done: &[Done]) {
    for step in done {
        if let Done::Replaced { old_name, .. } = step {
            // Not a failure of this transaction; the next one tries again, and reports it.
            let _ = directory.remove(old_name);
        }
    }
}

/// Gives all parts their names.
fn give_names(
    directory: &Directory,
    parts: &mut [Part],
    done: &mut Vec<Done>,
) -> Result<(), Error> {
    let mut old_names = OLD.into_iter();
    for part in parts {
        let old_name = match part.found {
            Found::Other => old_names.next().ok_or_else(|| Error::Exists {
                path: directory.path().join(&part.name),
            })?,
            Found::Nothing | Found::Same => "",
        };
        give_name(directory, part, old_name, done)?;
    }
    Ok(())
}

/// Gives `part` its name, in place of other bytes if there are any.
fn give_name(
    directory: &Directory,
    part: &mut Part,
    old_name: &'static str,
    done: &mut Vec<Done>,
) -> Result<(), Error> {
    let name = part.name.clone();
    let named = match part.found {
        Found::Same => return Ok(()),
        Found::Nothing => {
            let named = part.file.link(directory.fd(), &name);
            if named.is_ok() {
                done.push(Done::Named { name: name.clone() });
            }
            named
        }
        Found::Other => {
            directory.link(&name, old_name)?;
            done.push(Done::Replaced {
                name: name.clone(),
                old_name,
            });
            part.file.rename_over(directory.fd(), &name)
        }
    };
    named.map_err(|e| directory.error("give a name to", &name, e))
}

/// Takes back all steps, the last one first, and returns the error to report.
///
/// Goes on after a step that can't be taken back, to leave as little as possible; but the former
/// list comes back only if all that it lists did.
fn undo(directory: &Directory, done: Vec<Done>, failed: Error) -> Error {
    // Of several failures the first explains the others.
    let mut first = publish::abandon(directory).err();
    for step in done.into_iter().rev() {
        let undone = match step {
            Done::Named { name } => directory.remove(&name),
            // If the new file had not come yet, both are names of one file, and renaming one to
            // the other does nothing; hence the removal.
            Done::Replaced { name, old_name } => directory
                .rename(old_name, &name)
                .and_then(|()| directory.remove(old_name)),
            Done::Signed(former) => publish::put(directory, former, SIGNATURE),
            Done::Listed(_) if first.is_some() => Ok(()),
            Done::Listed(former) => former
                .publish(directory)
                .and_then(|()| publish::sync_published(directory)),
        };
        first = first.or(undone.err());
    }
    match first.or(directory.sync().err()) {
        None => failed,
        Some(undo) => Error::Undo {
            failed: Box::new(failed),
            undo: Box::new(undo),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use rustix::fs::FlockOperation;
    use rustix::io::Errno;

    use super::*;
    use crate::directory::SUMS;
    use crate::tests::workshop;

    const OLD_HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const NEW_HASH: [u8; 32] = [0xab; 32];

    /// A directory of its own for each test, gone with the value.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Scratch {
            let name = format!("sysext-store-transaction-{}-{test}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Scratch(path)
        }

        fn list(&self) -> Option<String> {
            fs::read_to_string(self.0.join(SUMS)).ok()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn nobody_else_gets_the_lock_as_long_as_a_change_takes() {
        let scratch = Scratch::new("lock");
        let other = fs::File::open(&scratch.0).unwrap();
        let get = || rustix::fs::flock(&other, FlockOperation::NonBlockingLockExclusive);
        let transaction = Transaction::begin(&scratch.0, &Listing::default()).unwrap();
        assert_eq!(get(), Err(Errno::WOULDBLOCK));
        drop(transaction);
        assert_eq!(get(), Ok(()));
    }

    /// The image `a-1.raw`, about to come with the hash [`NEW_HASH`].
    fn part(directory: &Directory, found: Found) -> Part {
        Part {
            name: "a-1.raw".to_owned(),
            file: directory.temporary_of(b"new").unwrap(),
            inode: 0,
            sha256: NEW_HASH,
            found,
        }
    }

    fn failure(directory: &Directory) -> Error {
        directory.error("test", "", std::io::ErrorKind::Other.into())
    }

    /// Takes `parts` off the list, as a transaction does before it names them.
    fn delist(transaction: &Transaction, parts: &[Part], done: &mut Vec<Done>) {
        let Some(sums) = transaction.meanwhile(parts) else {
            return;
        };
        let (directory, former) = (&transaction.directory, &transaction.former);
        let listing = &mut Listing::default();
        let (issue, _) = Issue::prepare(directory, &sums, former, None, listing).unwrap();
        let former = Issue::former(directory, former, Change::Leave).unwrap();
        done.push(Done::Listed(former));
        issue.publish(directory).unwrap();
        publish::sync_published(directory).unwrap();
    }

    #[test]
    fn a_wrong_hash_is_taken_off_the_list_before_the_file_comes() {
        let new = format!("{}  a-1.raw\n", "AB".repeat(32));
        let old = format!("{OLD_HASH}  a-1.raw\n");
        let other = format!("{OLD_HASH}  b-1.raw\n");
        for (about, list, expected) in [
            ("no list", None, None),
            ("not listed", Some(other.clone()), Some(other.clone())),
            ("the only line", Some(old.clone()), None),
            ("one of two", Some(old + &other), Some(other)),
            ("right, kept as it is", Some(new.clone()), Some(new)),
        ] {
            for found in [Found::Nothing, Found::Same, Found::Other] {
                let scratch = Scratch::new("delist");
                if let Some(list) = &list {
                    fs::write(scratch.0.join(SUMS), list).unwrap();
                }
                let transaction = Transaction::begin(&scratch.0, &Listing::default()).unwrap();
                let directory = &transaction.directory;
                let mut done = Vec::new();
                delist(&transaction, &[part(directory, found)], &mut done);
                assert_eq!(scratch.list(), expected, "{about}, {found:?}");

                let failed = undo(directory, done, failure(directory)).to_string();
                assert!(failed.starts_with("can't test /"), "{failed}");
                assert_eq!(scratch.list(), list, "{about}, {found:?}");
            }
        }
    }

    /// An upper-case hash, a `*`, lines in no order: what was there comes back as it was, and the
    /// signature too.
    #[test]
    fn a_list_of_others_comes_back_byte_for_byte() {
        for is_signed in [false, true] {
            let scratch = Scratch::new("undo");
            let list = format!(
                "{}  z\n{OLD_HASH} *a-1.raw\n{OLD_HASH}  b\n",
                "AB".repeat(32)
            );
            fs::write(scratch.0.join(SUMS), &list).unwrap();
            fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
            if is_signed {
                fs::write(scratch.0.join(SIGNATURE), "signature").unwrap();
            }
            // A directory can't get a second name, so replacing the manifest fails.
            fs::create_dir(scratch.0.join("a-1.manifest.gz")).unwrap();
            let transaction = Transaction::begin(&scratch.0, &Listing::default()).unwrap();
            let part = |name: &str| {
                let file = transaction.directory.temporary_of(b"new").unwrap();
                transaction.part((name.to_owned(), file, NEW_HASH)).unwrap()
            };
            let parts = vec![part("a-1.raw"), part("a-1.manifest.gz")];
            let mut after = transaction.before().clone();
            after.insert("a-1.raw", NEW_HASH);
            let signing = crate::Signing {
                sign: Box::new(|_: &[u8]| Ok(b"new signature".to_vec())),
                ..workshop::signing()
            };
            let listing = Listing {
                signing: is_signed.then_some(signing),
                ..Listing::default()
            };
            let failed = transaction.commit(parts, &after, listing).unwrap_err();
            assert!(
                matches!(&failed, Error::Io { action, .. } if action.starts_with("keep")),
                "{failed}"
            );
            assert_eq!(scratch.list(), Some(list));
            assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"old");
            let signature = fs::read(scratch.0.join(SIGNATURE)).ok();
            assert_eq!(signature, is_signed.then(|| b"signature".to_vec()));
            let count = 3 + usize::from(is_signed);
            assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), count);
        }
    }

    #[test]
    fn a_list_stays_short_when_a_file_of_it_does_not_come_back() {
        let scratch = Scratch::new("stays-short");
        let (gone, kept) = (
            format!("{OLD_HASH}  a-1.raw\n"),
            format!("{OLD_HASH}  b-1.raw\n"),
        );
        fs::write(scratch.0.join(SUMS), gone + &kept).unwrap();
        fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
        let transaction = Transaction::begin(&scratch.0, &Listing::default()).unwrap();
        let directory = &transaction.directory;
        let mut parts = [part(directory, Found::Other)];
        let mut done = Vec::new();
        delist(&transaction, &parts, &mut done);
        give_name(directory, &mut parts[0], OLD[0], &mut done).unwrap();
        fs::remove_file(scratch.0.join(OLD[0])).unwrap();

        let failed = undo(directory, done, failure(directory));
        assert!(matches!(failed, Error::Undo { .. }), "{failed}");
        assert_eq!(scratch.list(), Some(kept));
    }

    #[test]
    fn a_file_that_was_not_replaced_yet_loses_its_second_name() {
        let scratch = Scratch::new("second-name");
        let directory = Directory::open(&scratch.0).unwrap();
        fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
        directory.link("a-1.raw", OLD[0]).unwrap();
        let done = vec![Done::Replaced {
            name: "a-1.raw".to_owned(),
            old_name: OLD[0],
        }];
        let failed = undo(&directory, done, failure(&directory));
        assert!(matches!(failed, Error::Io { .. }));
        assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"old");
        assert!(!scratch.0.join(OLD[0]).exists());
    }

    #[test]
    fn a_replaced_file_gets_its_name_back() {
        let scratch = Scratch::new("give-back");
        let directory = Directory::open(&scratch.0).unwrap();
        fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
        let mut done = Vec::new();
        let mut part = part(&directory, Found::Other);
        give_name(&directory, &mut part, OLD[0], &mut done).unwrap();
        assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"new");
        assert_eq!(fs::read(scratch.0.join(OLD[0])).unwrap(), b"old");
        undo(&directory, done, failure(&directory));
        assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"old");
        assert!(!scratch.0.join(OLD[0]).exists());
    }
}
