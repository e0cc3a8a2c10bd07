//! The transaction that adds an image and its manifest.
//!
//! All that can fail for want of space is done while nothing has a name yet: the files are synced
//! and the new list is written. Then come names, a sync of the directory, and the rename of
//! the list, which is the moment from which clients see the image.
//!
//! Two files can't be replaced in one step with the list that has their hashes. So whatever is
//! listed with another hash is taken off the list first, and in between it is not listed at all;
//! at no moment does the list have a hash that is not that of the file which was just named.

use std::path::Path;

use crate::collision::{self, MANIFEST_SUFFIX};
use crate::directory::{Directory, Found, SUMS};
use crate::error::Error;
use crate::name::check_name;
use crate::sums::{IMAGE_SUFFIX, Sums};
use crate::temporary::{NEW, Temporary};
use crate::{Added, Publication};

/// Second names of the files that are replaced, until the new list is in place.
const OLD_IMAGE: &str = ".sysext-build-old-image.tmp";
const OLD_MANIFEST: &str = ".sysext-build-old-manifest.tmp";

/// One of the two files of a publication.
struct Part {
    name: String,
    file: Temporary,
    sha256: [u8; 32],
    /// The second name of the file that it replaces.
    old_name: &'static str,
    found: Found,
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
    /// The list may have been replaced; the bytes it had, byte for byte.
    Listed(Temporary),
}

pub(crate) fn add(path: &Path, publication: Publication) -> Result<Added, Error> {
    check_names(&publication)?;
    let directory = Directory::open(path)?;
    directory.lock()?;
    for left_by_a_kill in [NEW, OLD_IMAGE, OLD_MANIFEST] {
        directory.remove(left_by_a_kill)?;
    }

    let former = directory.read_list()?;
    let before = directory.parse_list(&former)?;
    let (name, replace) = (publication.name.clone(), publication.replace);
    let image = publication.image.0.clone();
    let mut parts = find_parts(&directory, publication)?;
    if let Some(taken) = parts.iter().find(|part| part.found == Found::Other)
        && !replace
    {
        return Err(Error::Exists {
            path: path.join(&taken.name),
        });
    }
    let added = outcome(&parts, &before);
    if added == Added::Unchanged {
        return Ok(added);
    }
    collision::check(&directory, &before, &name, &image)?;
    let mut after = before.clone();
    for part in &parts {
        after.insert(&part.name, part.sha256);
    }
    directory.check_prefixes(&after)?;

    for part in &parts {
        // Whoever put the same bytes there may have left them in memory alone.
        let finished = match part.found {
            Found::Same => directory.sync_file(&part.name),
            Found::Nothing | Found::Other => part
                .file
                .finish()
                .map_err(|e| directory.error("write", &part.name, e)),
        };
        finished?;
    }
    let mut list = directory.temporary_of(&after.print())?;

    let mut done = Vec::new();
    let mut change = || {
        delist(&directory, &parts, &before, &former, &mut done)?;
        for part in &mut parts {
            give_name(&directory, part, &mut done)?;
        }
        directory.sync()?;
        list.rename_over(directory.fd(), SUMS)
            .map_err(|e| directory.error("replace", SUMS, e))
    };
    if let Err(failed) = change() {
        return Err(undo(&directory, done, failed));
    }

    // From here on the image is in the store, whatever happens.
    directory.sync()?;
    for step in &done {
        if let Done::Replaced { old_name, .. } = step {
            // Not a failure of this transaction; the next one tries again, and reports it.
            let _ = directory.remove(old_name);
        }
    }
    Ok(added)
}

/// Fails unless all names are usable and belong together.
fn check_names(publication: &Publication) -> Result<(), Error> {
    let Publication {
        name,
        image: (image, ..),
        manifest: (manifest, ..),
        ..
    } = publication;
    for name in [name, image, manifest] {
        check_name(name).map_err(|problem| Error::Name {
            name: name.clone(),
            problem,
        })?;
    }
    let stem = image.strip_suffix(IMAGE_SUFFIX);
    if collision::fits(image, name)
        && stem.is_some()
        && stem == manifest.strip_suffix(MANIFEST_SUFFIX)
    {
        return Ok(());
    }
    Err(Error::FileNames {
        name: name.clone(),
        image: image.clone(),
        manifest: manifest.clone(),
    })
}

/// Looks for both files in the directory; image first.
fn find_parts(directory: &Directory, publication: Publication) -> Result<[Part; 2], Error> {
    let find = |(name, file, sha256): (String, Temporary, [u8; 32]), old_name| {
        let stat = file.file().metadata();
        let stat = stat.map_err(|e| directory.error("look at the bytes for", &name, e))?;
        let found = directory.find(&name, stat.len(), &sha256)?;
        Ok(Part {
            name,
            file,
            sha256,
            old_name,
            found,
        })
    };
    Ok([
        find(publication.image, OLD_IMAGE)?,
        find(publication.manifest, OLD_MANIFEST)?,
    ])
}

/// What adding `parts` comes to.
fn outcome(parts: &[Part], before: &Sums) -> Added {
    let is_there =
        |part: &Part| part.found == Found::Same && before.get(&part.name) == Some(&part.sha256);
    if parts.iter().any(|part| part.found == Found::Other) {
        Added::Replaced
    } else if parts.iter().all(is_there) {
        Added::Unchanged
    } else {
        Added::New
    }
}

/// Takes off the list, on the disk, what it lists with another hash than the one about to come.
///
/// That is a file about to be replaced, or one that was listed and got lost. `former` are the
/// bytes of the list `before`.
fn delist(
    directory: &Directory,
    parts: &[Part],
    before: &Sums,
    former: &[u8],
    done: &mut Vec<Done>,
) -> Result<(), Error> {
    let mut meanwhile = before.clone();
    for part in parts {
        if before.get(&part.name) != Some(&part.sha256) {
            meanwhile.remove(&part.name);
        }
    }
    if meanwhile == *before {
        return Ok(());
    }
    let former = directory.temporary_of(former)?;
    let list = directory.temporary_of(&meanwhile.print())?;
    done.push(Done::Listed(former));
    replace_list(directory, list, &meanwhile)?;
    directory.sync()
}

/// Replaces the list; an empty one is removed, because systemd 254 and 257 refuse an empty file.
fn replace_list(directory: &Directory, mut list: Temporary, sums: &Sums) -> Result<(), Error> {
    if sums.is_empty() {
        return directory.remove(SUMS);
    }
    list.rename_over(directory.fd(), SUMS)
        .map_err(|e| directory.error("replace", SUMS, e))
}

/// Gives `part` its name, in place of other bytes if there are any.
fn give_name(directory: &Directory, part: &mut Part, done: &mut Vec<Done>) -> Result<(), Error> {
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
            directory.link(&name, part.old_name)?;
            done.push(Done::Replaced {
                name: name.clone(),
                old_name: part.old_name,
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
    let mut first = None;
    for step in done.into_iter().rev() {
        let undone = match step {
            Done::Named { name } => directory.remove(&name),
            // If the new file had not come yet, both are names of one file, and renaming one to
            // the other does nothing; hence the removal.
            Done::Replaced { name, old_name } => directory
                .rename(old_name, &name)
                .and_then(|()| directory.remove(old_name)),
            Done::Listed(_) if first.is_some() => Ok(()),
            Done::Listed(mut former) => former
                .rename_over(directory.fd(), SUMS)
                .map_err(|e| directory.error("put back", SUMS, e)),
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
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const NEW_HASH: [u8; 32] = [0xab; 32];

    /// A directory of its own for each test, gone with the value.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Scratch {
            let name = format!("sysext-store-add-{}-{test}", std::process::id());
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

    /// The image `a-1.raw`, about to come with the hash [`NEW_HASH`].
    fn part(directory: &Directory, found: Found) -> Part {
        let mut file = directory.temporary().unwrap();
        file.write_all(b"new").unwrap();
        Part {
            name: "a-1.raw".to_owned(),
            file,
            sha256: NEW_HASH,
            old_name: OLD_IMAGE,
            found,
        }
    }

    #[test]
    fn a_wrong_hash_is_taken_off_the_list_before_the_file_comes() {
        let new = format!("{}  a-1.raw\n", "AB".repeat(32));
        let old = format!("{OLD}  a-1.raw\n");
        let other = format!("{OLD}  b-1.raw\n");
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
                let directory = Directory::open(&scratch.0).unwrap();
                let former = directory.read_list().unwrap();
                let before = directory.parse_list(&former).unwrap();
                let parts = [part(&directory, found)];
                let mut done = Vec::new();
                delist(&directory, &parts, &before, &former, &mut done).unwrap();
                assert_eq!(scratch.list(), expected, "{about}, {found:?}");

                let failed = directory.error("test", "", std::io::ErrorKind::Other.into());
                let failed = undo(&directory, done, failed).to_string();
                assert!(failed.starts_with("can't test /"), "{failed}");
                assert_eq!(scratch.list(), list, "{about}, {found:?}");
            }
        }
    }

    /// An upper-case hash, a `*`, lines in no order: what was there comes back as it was.
    #[test]
    fn a_list_of_others_comes_back_byte_for_byte() {
        let scratch = Scratch::new("undo");
        let list = format!("{}  z\n{OLD} *a-1.raw\n{OLD}  b\n", "AB".repeat(32));
        fs::write(scratch.0.join(SUMS), &list).unwrap();
        fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
        // A directory can't get a second name, so replacing the manifest fails.
        fs::create_dir(scratch.0.join("a-1.manifest.gz")).unwrap();
        let directory = Directory::open(&scratch.0).unwrap();
        let publication = Publication {
            name: "a".to_owned(),
            image: (
                "a-1.raw".to_owned(),
                directory.temporary_of(b"new").unwrap(),
                NEW_HASH,
            ),
            manifest: (
                "a-1.manifest.gz".to_owned(),
                directory.temporary_of(b"manifest").unwrap(),
                NEW_HASH,
            ),
            replace: true,
        };
        let failed = add(&scratch.0, publication).unwrap_err();
        assert!(matches!(failed, Error::Io { action, .. } if action.starts_with("keep")));
        assert_eq!(scratch.list(), Some(list));
        assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"old");
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 3);
    }

    #[test]
    fn a_list_stays_short_when_a_file_of_it_does_not_come_back() {
        let scratch = Scratch::new("stays-short");
        let (gone, kept) = (format!("{OLD}  a-1.raw\n"), format!("{OLD}  b-1.raw\n"));
        fs::write(scratch.0.join(SUMS), gone + &kept).unwrap();
        fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
        let directory = Directory::open(&scratch.0).unwrap();
        let former = directory.read_list().unwrap();
        let before = directory.parse_list(&former).unwrap();
        let mut parts = [part(&directory, Found::Other)];
        let mut done = Vec::new();
        delist(&directory, &parts, &before, &former, &mut done).unwrap();
        give_name(&directory, &mut parts[0], &mut done).unwrap();
        fs::remove_file(scratch.0.join(OLD_IMAGE)).unwrap();

        let failed = directory.error("test", "", std::io::ErrorKind::Other.into());
        let failed = undo(&directory, done, failed);
        assert!(matches!(failed, Error::Undo { .. }), "{failed}");
        assert_eq!(scratch.list(), Some(kept));
    }

    #[test]
    fn a_file_that_was_not_replaced_yet_loses_its_second_name() {
        let scratch = Scratch::new("second-name");
        let directory = Directory::open(&scratch.0).unwrap();
        fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
        directory.link("a-1.raw", OLD_IMAGE).unwrap();
        let done = vec![Done::Replaced {
            name: "a-1.raw".to_owned(),
            old_name: OLD_IMAGE,
        }];
        let failed = directory.error("test", "", std::io::ErrorKind::Other.into());
        assert!(matches!(undo(&directory, done, failed), Error::Io { .. }));
        assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"old");
        assert!(!scratch.0.join(OLD_IMAGE).exists());
    }

    #[test]
    fn a_replaced_file_gets_its_name_back() {
        let scratch = Scratch::new("give-back");
        let directory = Directory::open(&scratch.0).unwrap();
        fs::write(scratch.0.join("a-1.raw"), "old").unwrap();
        let mut done = Vec::new();
        let mut part = part(&directory, Found::Other);
        give_name(&directory, &mut part, &mut done).unwrap();
        assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"new");
        assert_eq!(fs::read(scratch.0.join(OLD_IMAGE)).unwrap(), b"old");
        let failed = directory.error("test", "", std::io::ErrorKind::Other.into());
        undo(&directory, done, failed);
        assert_eq!(fs::read(scratch.0.join("a-1.raw")).unwrap(), b"old");
        assert!(!scratch.0.join(OLD_IMAGE).exists());
    }
}
