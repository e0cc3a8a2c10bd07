//! Every kind of thing in a file's place.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// A directory that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("files-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    /// Makes one of each: the names say what they are.
    fn zoo() -> Self {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.0.join(name);
        fs::write(at("file"), "four").unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::create_dir(at("directory")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        drop(UnixListener::bind(at("socket")).unwrap());
        for (link, target) in [
            ("to-file", "file"),
            ("to-fifo", "fifo"),
            ("to-zero", "/dev/zero"),
            ("to-directory", "directory"),
            ("to-nothing", "nothing"),
            ("to-itself", "to-itself"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What went wrong, without the directory's name.
fn said<T>(result: Result<T, Error>, scratch: &Scratch) -> String {
    let Err(error) = result else {
        return "fine".to_owned();
    };
    let text = match &error {
        Error::Io { source, .. } => format!("{error}: {:?}", source.kind()),
        _ => error.to_string(),
    };
    text.replace(&format!("{}/", scratch.0.display()), "")
}

#[test]
fn whatever_has_the_name() {
    let scratch = Scratch::zoo();
    let directory = Directory::open(&scratch.0, Links::Follow).unwrap();
    let not = |name: &str, what: &str| format!("{name} is {what}, not a regular file");
    for (name, followed, refused) in [
        ("file", "fine".to_owned(), "fine".to_owned()),
        ("empty", "fine".to_owned(), "fine".to_owned()),
        (
            "directory",
            not("directory", "a directory"),
            not("directory", "a directory"),
        ),
        ("fifo", not("fifo", "a FIFO"), not("fifo", "a FIFO")),
        (
            "socket",
            not("socket", "a socket"),
            not("socket", "a socket"),
        ),
        (
            "to-file",
            "fine".to_owned(),
            not("to-file", "a symbolic link"),
        ),
        (
            "to-fifo",
            not("to-fifo", "a FIFO"),
            not("to-fifo", "a symbolic link"),
        ),
        (
            "to-zero",
            not("to-zero", "a character device"),
            not("to-zero", "a symbolic link"),
        ),
        (
            "to-directory",
            not("to-directory", "a directory"),
            not("to-directory", "a symbolic link"),
        ),
        (
            "to-nothing",
            "can't open to-nothing: NotFound".to_owned(),
            not("to-nothing", "a symbolic link"),
        ),
        (
            "to-itself",
            "can't open to-itself: FilesystemLoop".to_owned(),
            not("to-itself", "a symbolic link"),
        ),
        (
            "nothing",
            "can't open nothing: NotFound".to_owned(),
            "can't open nothing: NotFound".to_owned(),
        ),
    ] {
        let path = scratch.0.join(name);
        assert_eq!(
            said(open(&path, Links::Follow), &scratch),
            followed,
            "{name}"
        );
        assert_eq!(
            said(open(&path, Links::Refuse), &scratch),
            refused,
            "{name}"
        );
        assert_eq!(said(read(&path, 9, Links::Follow), &scratch), followed);
        // As if it had been a file when it was looked at.
        for (links, expected) in [(Links::Follow, &followed), (Links::Refuse, &refused)] {
            let opened = open_unseen(CWD, &path, &path, links, OFlags::RDONLY);
            assert_eq!(said(opened, &scratch), *expected, "{name}");
        }
        // An open directory never follows.
        assert_eq!(said(directory.open_file(name), &scratch), refused, "{name}");
        assert_eq!(said(directory.read(name, 9), &scratch), refused, "{name}");
    }
    assert_eq!(
        open("/dev/null", Links::Refuse).unwrap_err().to_string(),
        "/dev/null is a character device, not a regular file"
    );
}

#[test]
fn missing_is_none_and_nothing_else_is() {
    let scratch = Scratch::zoo();
    let at = |name: &str| if_there(read(scratch.0.join(name), 9, Links::Follow));
    assert_eq!(at("file").unwrap().as_deref(), Some(&b"four"[..]));
    assert_eq!(at("nothing").unwrap(), None);
    for name in ["file/below", "directory", "fifo"] {
        assert!(at(name).is_err(), "{name}");
    }
}

#[test]
fn up_to_a_limit() {
    let scratch = Scratch::zoo();
    let path = scratch.0.join("file");
    let read_secret = |name, limit| SecretFile::open(scratch.0.join(name))?.read_whole(limit);
    for (limit, expected) in [
        (u64::MAX, "fine"),
        (5, "fine"),
        (4, "fine"),
        (3, "file has 4 bytes; at most 3 are allowed"),
        (0, "file has 4 bytes; at most 0 are allowed"),
    ] {
        assert_eq!(said(read(&path, limit, Links::Follow), &scratch), expected);
        assert_eq!(
            said(read_secret("file", limit.min(1 << 20)), &scratch),
            expected
        );
    }
    let bytes = read(&path, 4, Links::Follow).unwrap();
    assert_eq!((bytes.as_slice(), bytes.capacity()), (&b"four"[..], 5));
    assert_eq!(
        read(scratch.0.join("empty"), 0, Links::Follow).unwrap(),
        b""
    );
    // Nothing is read, and nothing is taken, of what is too large already.
    fs::File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(1 << 40))
        .unwrap();
    assert_eq!(
        said(read(&path, 1 << 30, Links::Follow), &scratch),
        "file has 1099511627776 bytes; at most 1073741824 are allowed"
    );
}

#[test]
fn a_file_that_is_longer_than_it_says() {
    // The kernel says 0 bytes.
    let path = "/proc/self/status";
    let whole = read(path, 1 << 20, Links::Follow).unwrap();
    assert!(whole.starts_with(b"Name:"), "{whole:?}");
    let error = read(path, 10, Links::Follow).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/proc/self/status has 11 bytes; at most 10 are allowed"
    );
}

#[test]
fn directories() {
    let scratch = Scratch::zoo();
    let directory = Directory::open(&scratch.0, Links::Refuse).unwrap();
    for (name, expected) in [
        ("directory", "fine"),
        ("file", "file is a file, not a directory"),
        ("fifo", "fifo is a FIFO, not a directory"),
        (
            "to-directory",
            "to-directory is a symbolic link, not a directory",
        ),
        ("nothing", "can't open directory nothing: NotFound"),
        ("..", "can't use the name of ..: InvalidInput"),
        ("", "can't use the name of : InvalidInput"),
        (
            "directory/x",
            "can't use the name of directory/x: InvalidInput",
        ),
    ] {
        assert_eq!(said(directory.directory(name), &scratch), expected);
    }
    let followed = Directory::open(scratch.0.join("to-directory"), Links::Follow);
    assert_eq!(said(followed, &scratch), "fine");
    for (name, expected) in [
        ("directory", "fine"),
        ("new", "fine"),
        ("file", "file is a file, not a directory"),
        (
            "to-directory",
            "to-directory is a symbolic link, not a directory",
        ),
        (
            "to-nothing",
            "to-nothing is a symbolic link, not a directory",
        ),
    ] {
        assert_eq!(
            said(directory.make_directory(name, 0o755), &scratch),
            expected
        );
    }
    let names = directory.directory("new").unwrap().names().unwrap();
    assert!(names.is_empty(), "{names:?}");
    let found = directory.names().unwrap();
    assert_eq!(found.len(), 12, "{found:?}");
    assert!(found.is_sorted());
}

#[test]
fn what_others_have_a_hand_in() {
    let scratch = Scratch::zoo();
    let directory = Directory::open(&scratch.0, Links::Refuse).unwrap();
    let file = scratch.0.join("file");
    for (mode, expected) in [
        (0o600, "fine"),
        (0o644, "fine"),
        (0o4755, "fine"),
        (0o620, "file has mode 0620, so others can write to it"),
        (0o602, "file has mode 0602, so others can write to it"),
        (0o666, "file has mode 0666, so others can write to it"),
    ] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            said(directory.open_private_file("file"), &scratch),
            expected
        );
        let opened = directory.open_or_create_private_file("file");
        assert_eq!(said(opened, &scratch), expected);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    directory
        .make_hard_link("other", &directory, "file")
        .unwrap();
    for name in ["file", "other"] {
        let expected = format!("{name} has 1 other names (hard links)");
        assert_eq!(said(directory.open_private_file(name), &scratch), expected);
    }
    directory.remove("other").unwrap();
    for (mode, expected) in [
        (0o700, "fine"),
        (0o755, "fine"),
        (0o1777, "directory has mode 1777, so others can write to it"),
        (0o770, "directory has mode 0770, so others can write to it"),
    ] {
        let directory = directory.directory("directory").unwrap();
        directory.set_mode(mode).unwrap();
        assert_eq!(said(directory.check_private(), &scratch), expected);
    }
    let stat = directory.stat("file").unwrap().unwrap();
    assert_eq!(foreign_hand(&stat, stat.st_uid), None);
    assert_eq!(
        foreign_hand(&stat, stat.st_uid + 1),
        Some(format!(
            "belongs to user {}, not to user {}",
            stat.st_uid,
            stat.st_uid + 1
        ))
    );
}

#[test]
fn a_private_file_is_made_or_continued() {
    let scratch = Scratch::zoo();
    let directory = Directory::open(&scratch.0, Links::Refuse).unwrap();
    for (bytes, length) in [("one", 3), ("two", 3), ("three", 5)] {
        let mut file = directory.open_or_create_private_file("new").unwrap();
        file.write_all(bytes.as_bytes()).unwrap();
        assert_eq!(file.metadata().unwrap().len(), length);
    }
    let mode = fs::metadata(scratch.0.join("new")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
    for name in ["to-file", "to-nothing", "fifo", "directory", "socket"] {
        let opened = directory.open_or_create_private_file(name);
        assert!(matches!(opened, Err(Error::WrongKind { .. })), "{name}");
    }
    assert!(!scratch.0.join("nothing").exists());
}

#[test]
fn whatever_has_the_name_is_replaced() {
    let scratch = Scratch::zoo();
    let directory = Directory::open(&scratch.0, Links::Refuse).unwrap();
    for name in [
        "file",
        "empty",
        "new",
        "fifo",
        "socket",
        "to-file",
        "to-nothing",
        "to-zero",
        "to-directory",
    ] {
        directory.replace(name, name.as_bytes(), 0o640).unwrap();
        let path = scratch.0.join(name);
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.is_file(), "{name}");
        assert_eq!(found.mode() & 0o7777, 0o640, "{name}");
        assert_eq!(fs::read(&path).unwrap(), name.as_bytes(), "{name}");
    }
    // Nothing was written through a link.
    assert_eq!(fs::read(scratch.0.join("file")).unwrap(), b"file");
    assert!(!scratch.0.join("nothing").exists());
    let before = directory.names().unwrap();
    assert!(directory.replace("directory", b"x", 0o640).is_err());
    assert!(directory.replace("../outside", b"x", 0o640).is_err());
    assert_eq!(directory.names().unwrap(), before);

    replace(scratch.0.join("by-path"), b"x", 0o600).unwrap();
    assert_eq!(fs::read(scratch.0.join("by-path")).unwrap(), b"x");
    for path in ["missing/file", "directory", ".."] {
        assert!(
            replace(scratch.0.join(path), b"x", 0o600).is_err(),
            "{path}"
        );
    }
}

#[test]
fn what_is_made_must_be_new() {
    let scratch = Scratch::zoo();
    let directory = Directory::open(&scratch.0, Links::Refuse).unwrap();
    for name in ["file", "to-nothing", "to-file", "fifo"] {
        assert!(directory.create_file(name, 0o600).is_err(), "{name}");
        assert!(directory.make_link(name, "x").is_err(), "{name}");
        let linked = directory.make_hard_link(name, &directory, "empty");
        assert!(linked.is_err(), "{name}");
    }
    directory.create_file("new", 0o600).unwrap();
    directory.make_link("link", "file").unwrap();
    assert_eq!(
        fs::read_link(scratch.0.join("link")).unwrap(),
        PathBuf::from("file")
    );
    directory.rename("new", "link").unwrap();
    let below = directory.directory("directory").unwrap();
    directory.rename_to("link", &below, "below").unwrap();
    assert_eq!(below.names().unwrap(), ["below"]);
    assert!(directory.stat("link").unwrap().is_none());
    directory.sync().unwrap();
    assert_eq!(directory.path(), scratch.0);
}

/// Somebody swaps a directory for a link while files are made in it: none is made elsewhere.
#[test]
fn a_directory_that_is_swapped_for_a_link() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.0.join(name);
    fs::create_dir(at("outside")).unwrap();
    fs::create_dir(at("victim")).unwrap();
    symlink("outside", at("link")).unwrap();
    let is_over = AtomicBool::new(false);
    let mut made = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let swap = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, at("victim"), CWD, at("link"), swap).unwrap();
            }
        });
        let root = Directory::open(&scratch.0, Links::Refuse).unwrap();
        // Which of the two has the name at that moment is chance, and may be the link for long.
        for number in 0..500_000 {
            if number >= 5000 && made > 0 {
                break;
            }
            if let Ok(directory) = root.make_directory("victim", 0o755) {
                made += u32::from(directory.create_file(number.to_string(), 0o600).is_ok());
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(made > 0);
    assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 0);
}

#[test]
fn secrets_come_through_pipes_too() {
    let scratch = Scratch::zoo();
    let fifo = scratch.0.join("fifo");
    let read_secret = |name, limit| SecretFile::open(scratch.0.join(name))?.read_whole(limit);
    let write = |text: &'static [u8]| {
        let fifo = fifo.clone();
        std::thread::spawn(move || {
            let mut file = fs::File::options().write(true).open(fifo).unwrap();
            for byte in text {
                // The reader may have given up.
                let _ = file.write_all(&[*byte]);
            }
        })
    };
    for (text, expected) in [
        (&b"secret"[..], Some(&b"secret"[..])),
        (b"eight by", Some(b"eight by")),
        (b"nine byte", None),
    ] {
        let writer = write(text);
        let read = read_secret("fifo", 8);
        assert_eq!(read.ok().map(|bytes| bytes.to_vec()).as_deref(), expected);
        writer.join().unwrap();
    }
    let file = SecretFile::open(scratch.0.join("to-file")).unwrap();
    assert_eq!(file.mode(), 0o644);
    assert_eq!(file.read_whole(8).unwrap().as_slice(), b"four");
    for (name, expected) in [
        ("directory", "directory is a directory, not a regular file"),
        ("socket", "socket is a socket, not a regular file"),
        (
            "to-zero",
            "to-zero is a character device, not a regular file",
        ),
        ("nothing", "can't open nothing: NotFound"),
    ] {
        assert_eq!(said(read_secret(name, 8), &scratch), expected);
    }
}

#[test]
fn a_directory_is_of_this_user_alone() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.0.join(name);
    Directory::make_private(at("new/own")).unwrap();
    for name in ["new", "new/own"] {
        let mode = at(name).metadata().unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700, "{name}");
    }
    symlink("new/own", at("link")).unwrap();
    fs::write(at("file"), "").unwrap();
    let new = Directory::open(at("new"), Links::Refuse).unwrap();
    for (mode, expected) in [
        (0o700, "fine"),
        (0o755, "fine"),
        (0o770, "new/own has mode 0770, so others can write to it"),
        (0o1777, "new/own has mode 1777, so others can write to it"),
    ] {
        fs::set_permissions(at("new/own"), fs::Permissions::from_mode(mode)).unwrap();
        for found in [
            Directory::make_private(at("new/own")).map(Some),
            Directory::open_private(at("new/own")),
            new.private_directory("own"),
            new.make_private_directory("own").map(Some),
        ] {
            assert_eq!(said(found, &scratch), expected);
        }
        let through_a_link = said(Directory::open_private(at("link")), &scratch);
        assert_eq!(through_a_link, expected.replace("new/own", "link"));
    }
    let found = Directory::make_private(at("file"));
    assert_eq!(said(found, &scratch), "file is a file, not a directory");
    assert!(Directory::open_private(at("none")).unwrap().is_none());
    assert!(new.private_directory("none").unwrap().is_none());
    // This user may be root, who can make such a directory, and nobody else's.
    if std::os::unix::fs::chown(at("new"), Some(12345), None).is_ok() {
        let found = Directory::make_private(at("new/other/own"));
        let expected = "new/other/own would be in new, which belongs to user 12345";
        assert_eq!(said(found, &scratch), expected);
        assert!(!at("new/other").exists());
    }
}

#[test]
fn readers_of_one_file_have_positions_of_their_own() {
    let zoo = Scratch::zoo();
    let file = fs::File::open(zoo.0.join("file")).unwrap();
    let (mut one, mut other) = (View::of(&file).unwrap(), View::of(&file).unwrap());
    let mut text = String::new();
    assert_eq!(one.seek(SeekFrom::End(-2)).unwrap(), 2);
    other.read_to_string(&mut text).unwrap();
    one.read_to_string(&mut text).unwrap();
    assert_eq!(text, "fourur");
    assert_eq!(one.seek(SeekFrom::Current(-3)).unwrap(), 1);
    assert_eq!(other.seek(SeekFrom::Start(9)).unwrap(), 9);
    assert_eq!(other.read(&mut [0; 4]).unwrap(), 0);
    assert!(one.seek(SeekFrom::Current(-2)).is_err());
    one.read_to_string(&mut text).unwrap();
    assert_eq!(text, "fourur".to_owned() + "our");
}
