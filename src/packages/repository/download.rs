//! Files of repositories by way of the cache: what is not there is fetched, checked and kept.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::anyhow;
use fetch::{Fetched, Fetcher, Validators, Wanted};
use rpm_input::repodata::Checksum;

use crate::cache::{Cache, CacheDirectory, Kept, Sealed};
use crate::packages::repository::memory::Seen;
use crate::packages::repository::verify;
use crate::words::failure::{Failure, Result};

/// Longest `repomd.xml`, signature or key, in bytes.
pub const MAX_SMALL_FILE: u64 = 4 << 20;
/// Largest file of certificates in bytes; the usual bundle has 200 KiB.
const MAX_AUTHORITIES: u64 = 16 << 20;
/// Longest that what is kept before such a file can be.
const MAX_HEAD: u64 = 4 << 10;
/// Most bytes in which a repository is remembered: some 20 000 keys.
const MAX_SEEN: u64 = 1 << 20;

/// How repositories are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory of the cache; none if there is no home to put it into.
    pub cache: Option<PathBuf>,
    /// The directory with the key by which the cache knows its own files; none if there is no
    /// home to put it into.
    pub state: Option<PathBuf>,
    /// Nothing is fetched: the cache has what is needed, or the run fails.
    pub offline: bool,
    /// Servers are asked again for everything that has no checksum.
    pub refresh: bool,
    /// How files are fetched.
    pub fetch: fetch::Options,
    /// A file with CA certificates in PEM: the system's.
    pub authorities: Option<PathBuf>,
}

/// Fetches what the cache lacks; threads may share it.
pub struct Downloads<'a> {
    settings: &'a Settings,
    cache: Option<Cache>,
    fetcher: OnceLock<Fetcher>,
}

/// A file in a repository that a checksum is known of.
pub struct Item<'a> {
    /// How messages call it.
    pub what: String,
    /// Where it is, the places in their order.
    pub urls: Vec<String>,
    /// No proxy is asked for it.
    pub direct: bool,
    /// What it must be.
    pub checksum: &'a Checksum,
    /// Its length in bytes, if it is known.
    pub size: Option<u64>,
    /// Longest that it may be.
    pub limit: u64,
}

/// A small file that is asked for as it is now.
pub struct Small<'a> {
    /// What the cache knows it by.
    pub id: &'a str,
    /// Where it is, the places in their order.
    pub urls: &'a [String],
    /// No proxy is asked for it.
    pub direct: bool,
    /// How messages call it.
    pub what: &'a str,
    /// Says in words what is wrong with it, so that the next place is asked.
    pub accept: &'a dyn Fn(&[u8]) -> std::result::Result<(), String>,
}

/// A small file without a checksum, as it is now: the list of a repository, its signature, a key.
/// It is kept only when it has been found good.
pub struct State {
    bytes: Vec<u8>,
    validators: Validators,
    origin: StateOrigin,
}

/// Who says that a small file is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateOrigin {
    /// The server, just now.
    Server,
    /// A run of this user, to which the server said so.
    Ours,
    /// Anyone who could write to the cache.
    Anyone,
}

impl State {
    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Says whether the file came from the server, now or in an earlier run of this user.
    pub fn is_fetched(&self) -> bool {
        self.origin != StateOrigin::Anyone
    }
}

impl<'a> Downloads<'a> {
    /// Returns the downloads into the cache that is set.
    pub fn new(settings: &'a Settings) -> Result<Self> {
        let cache = settings.cache.as_deref();
        let cache = cache.map(|root| Cache::open(root, settings.state.as_deref()));
        Ok(Self {
            cache: cache.transpose()?,
            settings,
            fetcher: OnceLock::new(),
        })
    }

    /// Returns the cache, if there is one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Returns the package of that checksum, written `TYPE:HEX`, if the cache has it whole.
    pub fn kept_package(&self, checksum: &str) -> Result<Option<PathBuf>> {
        let checksum = (checksum.split_once(':'))
            .and_then(|(kind, digits)| Checksum::parse(kind, digits).ok());
        let (Some(checksum), Some(cache)) = (checksum, &self.cache) else {
            return Ok(None);
        };
        let kept = cache.find(CacheDirectory::Packages, &package_name(&checksum))?;
        Ok(kept
            .and_then(|kept| verified(kept, &checksum, None))
            .map(|kept| kept.path))
    }

    /// Returns where the package of that checksum is once the cache has it.
    pub fn package_path(&self, checksum: &Checksum) -> Result<PathBuf> {
        let cache = self.needed_cache()?;
        Ok(cache.path(CacheDirectory::Packages, &package_name(checksum)))
    }

    /// Opens a file in the cache that is the one that is meant; `progress` is told how much of it
    /// is there.
    pub fn item(
        &self,
        part: CacheDirectory,
        item: &Item<'_>,
        progress: &dyn Fn(u64),
    ) -> Result<Kept> {
        let cache = self.needed_cache()?;
        let name = match part {
            CacheDirectory::Packages => package_name(item.checksum),
            _ => format!("{}-{}", item.checksum.kind(), item.checksum.hex()),
        };
        if let Some(kept) = cache.find(part, &name)? {
            if let Some(kept) = verified(kept, item.checksum, item.size) {
                progress(item.size.unwrap_or_default());
                return Ok(kept);
            }
            cache.forget(part, &name)?;
        }
        if self.settings.offline {
            return Err(offline(&item.what));
        }
        let mut draft = cache.draft(part, &name)?;
        let meanwhile = draft.made_meanwhile()?;
        if let Some(kept) = meanwhile.and_then(|kept| verified(kept, item.checksum, item.size)) {
            draft.discard()?;
            progress(item.size.unwrap_or_default());
            return Ok(kept);
        }
        let wanted = Wanted {
            urls: &item.urls,
            size: item.size,
            start_of: None,
            all_if_sent: false,
            limit: item.limit,
            unless: None,
            direct: item.direct,
            accept: &|file| verify::open(file, item.checksum),
            progress,
        };
        self.fetcher()?
            .fetch(&wanted, &mut draft.file)
            .map_err(|error| failed(&item.what, error))?;
        draft.persist()
    }

    /// Returns the file at these places: from the cache if the server answered that it is still the
    /// same. What has no seal is not compared: the server's word that nothing has changed would
    /// vouch for what somebody else wrote.
    pub fn state(&self, small: &Small<'_>) -> Result<State> {
        let &Small { id, what, .. } = small;
        let cache = self.needed_cache()?;
        let kept = cache.sealed(CacheDirectory::Repositories, id, MAX_SMALL_FILE + MAX_HEAD)?;
        let kept = kept.and_then(kept_state);
        let kept = kept.filter(|kept| (small.accept)(&kept.bytes).is_ok());
        if self.settings.offline {
            return kept.ok_or_else(|| offline(what));
        }
        let kept = kept.filter(State::is_fetched);
        let mut draft = cache.draft(CacheDirectory::Repositories, id)?;
        draft.clear()?;
        let unless = kept.as_ref().filter(|_| !self.settings.refresh);
        let wanted = Wanted {
            urls: small.urls,
            size: None,
            start_of: None,
            all_if_sent: false,
            limit: MAX_SMALL_FILE,
            unless: unless.map(|state| &state.validators),
            direct: small.direct,
            accept: &|file| {
                let bytes = read(file, what).map_err(|failure| format!("{:#}", failure.source))?;
                (small.accept)(&bytes)
            },
            progress: &|_| {},
        };
        let fetched = self.fetcher()?.fetch(&wanted, &mut draft.file);
        let state = match fetched.map_err(|error| failed(what, error)) {
            Ok(Fetched::Unchanged) => kept,
            Ok(Fetched::Whole(validators)) => Some(State {
                bytes: read(&mut draft.file, what)?,
                validators,
                origin: StateOrigin::Server,
            }),
            Err(failure) => {
                draft.discard()?;
                return Err(failure);
            }
        };
        draft.discard()?;
        state.ok_or_else(|| {
            Failure::refused(anyhow!(
                "{what}: the server answered that a file has not changed, but never sent it"
            ))
        })
    }

    /// Keeps a file that has been found good.
    pub fn accept(&self, id: &str, state: &State) -> Result<()> {
        if state.origin != StateOrigin::Server {
            return Ok(());
        }
        let line = |value: &Option<String>| value.clone().unwrap_or_default();
        let Validators {
            etag,
            last_modified,
        } = &state.validators;
        let head = format!("{}\n{}\n", line(etag), line(last_modified));
        let bytes = [head.as_bytes(), &state.bytes].concat();
        self.needed_cache()?
            .keep(CacheDirectory::Repositories, id, &bytes)
    }

    /// Returns what is remembered of the repository that the cache knows as `id`.
    pub fn seen(&self, id: &str) -> Result<Seen> {
        let Some(cache) = &self.cache else {
            return Ok(Seen::default());
        };
        let name = format!("{id}.seen");
        let kept = cache.sealed(CacheDirectory::Repositories, &name, MAX_SEEN)?;
        let ours = kept.filter(|kept| kept.holds);
        let seen = ours.and_then(|kept| serde_json::from_slice(&kept.bytes).ok());
        Ok(seen.unwrap_or_default())
    }

    /// Remembers what was seen of a repository, if it was seen on the network.
    pub fn remember(&self, id: &str, seen: &Seen) -> Result<()> {
        let cache = self.needed_cache()?;
        if self.settings.offline || !cache.has_seal() {
            return Ok(());
        }
        let json = serde_json::to_vec(seen)
            .map_err(|error| Failure::io("remembering a repository", error))?;
        // What can't be read again would be as if nothing had been seen.
        if json.len() as u64 > MAX_SEEN {
            let count = seen.keys.len();
            return Err(Failure::refused(anyhow!(
                "its {count} keys are too many to be remembered"
            )));
        }
        cache.keep(CacheDirectory::Repositories, &format!("{id}.seen"), &json)
    }

    /// Returns the cache, without which nothing is fetched.
    pub fn needed_cache(&self) -> Result<&Cache> {
        self.cache.as_ref().ok_or_else(|| {
            Failure::usage("there is no directory for downloaded files")
                .hint("give one with --cache-dir DIR, or set HOME or XDG_CACHE_HOME")
        })
    }

    /// Says whether nothing may be fetched.
    pub fn is_offline(&self) -> bool {
        self.settings.offline
    }

    /// Returns what fetches.
    pub fn fetcher(&self) -> Result<&Fetcher> {
        if let Some(fetcher) = self.fetcher.get() {
            return Ok(fetcher);
        }
        let mut options = self.settings.fetch.clone();
        if let Some(path) = &self.settings.authorities {
            options.authorities = Some(files::read(path, MAX_AUTHORITIES, files::Links::Follow)?);
        }
        let fetcher = Fetcher::new(options).map_err(Failure::usage)?;
        Ok(self.fetcher.get_or_init(|| fetcher))
    }
}

/// Returns the file that was found, if it has this checksum and this length, from its start.
fn verified(mut kept: Kept, checksum: &Checksum, size: Option<u64>) -> Option<Kept> {
    let length = kept.file.metadata().ok()?.len();
    let is_meant = size.is_none_or(|size| size == length)
        && verify::open(&mut kept.file, checksum).is_ok()
        && kept.file.rewind().is_ok();
    is_meant.then_some(kept)
}

fn kept_state(sealed: Sealed) -> Option<State> {
    let mut parts = sealed.bytes.splitn(3, |byte| *byte == b'\n');
    let mut line = || {
        let line = String::from_utf8(parts.next()?.to_vec()).ok()?;
        Some(Some(line).filter(|line| !line.is_empty()))
    };
    let validators = Validators {
        etag: line()?,
        last_modified: line()?,
    };
    Some(State {
        bytes: parts.next()?.to_vec(),
        validators,
        origin: match sealed.holds {
            true => StateOrigin::Ours,
            false => StateOrigin::Anyone,
        },
    })
}

fn read(file: &mut File, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.take(MAX_SMALL_FILE).read_to_end(&mut bytes))
        .map_err(|error| Failure::io(format!("reading {what}"), error))?;
    Ok(bytes)
}

fn offline(what: &str) -> Failure {
    Failure::io(
        what,
        anyhow!("it is not in the cache, and --offline forbids fetching it"),
    )
    .hint("run once without --offline")
}

/// Returns what a package is called in the cache.
pub fn package_name(checksum: &Checksum) -> String {
    format!("{}-{}.rpm", checksum.kind(), checksum.hex())
}

/// Sorts an error by whether the server's file or the way to it is at fault.
pub fn failed(what: &str, error: fetch::Error) -> Failure {
    match error {
        error @ fetch::Error::Content { .. } => {
            Failure::refused(anyhow!(error).context(format!("fetching {what}")))
        }
        error @ fetch::Error::Setting { .. } => Failure::usage(error),
        other => Failure::io(format!("fetching {what}"), other),
    }
}

#[cfg(test)]
impl Settings {
    /// Returns settings by which nothing is fetched.
    pub fn without_network(cache: Option<PathBuf>) -> Self {
        Self {
            state: cache.as_ref().map(|cache| cache.join("state")),
            cache,
            offline: true,
            refresh: false,
            fetch: fetch::Options {
                user_agent: String::new(),
                timeout: std::time::Duration::from_secs(1),
                attempts: 1,
                http_proxy: None,
                https_proxy: None,
                no_proxy: String::new(),
                authorities: None,
            },
            authorities: None,
        }
    }
}

/// Starts a server whose only answer is that a file has so many bytes; none of them comes.
#[cfg(test)]
pub fn promise(length: u64) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines
                .map_while(std::result::Result::ok)
                .find(|line| line.is_empty());
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
            );
        }
    });
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::failure::Kind;
    use crate::words::scratch::Scratch;

    /// `printf four | sha256sum`
    const FOUR: &str = "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00";

    fn small(urls: &[String]) -> Small<'_> {
        Small {
            id: "id",
            urls,
            direct: false,
            what: "the list",
            accept: &|_| Ok(()),
        }
    }

    #[test]
    fn a_list_is_kept_with_what_tells_its_state() {
        let scratch = Scratch::new();
        let settings = Settings::without_network(Some(scratch.path().to_owned()));
        let downloads = Downloads::new(&settings).unwrap();
        let urls = ["https://a/".to_owned()];
        let state_of = |id| downloads.state(&Small { id, ..small(&urls) });
        let some = |text: &str| Some(text.to_owned());
        for (etag, last_modified, bytes) in [
            (some("\"1\""), some("yesterday"), &b"one\ntwo\n"[..]),
            (None, some("today"), b""),
            (some("\"2\""), None, b"\n\n"),
            (None, None, b"x"),
        ] {
            let state = State {
                bytes: bytes.to_vec(),
                validators: Validators {
                    etag,
                    last_modified,
                },
                origin: StateOrigin::Server,
            };
            downloads.accept("id", &state).unwrap();
            let kept = state_of("id").unwrap();
            assert_eq!(kept.bytes(), bytes);
            assert_eq!(kept.validators, state.validators);
            assert_eq!(kept.origin, StateOrigin::Ours);
        }
        // What the cache had already is not written again.
        let old = State {
            bytes: b"other".to_vec(),
            validators: Validators::default(),
            origin: StateOrigin::Ours,
        };
        downloads.accept("id", &old).unwrap();
        assert_eq!(state_of("id").unwrap().bytes(), b"x");
        // What somebody else wrote is told.
        let file = scratch.path().join("repositories/id");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[2] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let kept = state_of("id").unwrap();
        assert_eq!((kept.bytes(), kept.is_fetched()), (&b"y"[..], false));
        // Half a file is none.
        scratch.write("repositories/half", &[&b"etag\n"[..], &[0; 32]].concat());
        scratch.write("repositories/short", b"\n\nlist");
        for id in ["none", "half", "short"] {
            let failure = state_of(id).err().unwrap();
            let text = format!("{:#}", failure.source);
            assert_eq!(
                text,
                "the list: it is not in the cache, and --offline forbids fetching it"
            );
            assert_eq!(failure.hints, ["run once without --offline"]);
        }
    }

    #[test]
    fn what_the_cache_has_is_checked_again() {
        let scratch = Scratch::new();
        let settings = Settings::without_network(Some(scratch.path().to_owned()));
        let downloads = Downloads::new(&settings).unwrap();
        let checksum = Checksum::parse("sha256", FOUR).unwrap();
        let name = format!("sha256-{FOUR}");
        let item = |size| Item {
            what: "it".to_owned(),
            urls: vec!["https://a/".to_owned()],
            direct: false,
            checksum: &checksum,
            size,
            limit: 10,
        };
        for (part, path, bytes, size, expected) in [
            (
                CacheDirectory::Packages,
                format!("packages/{name}.rpm"),
                &b"four"[..],
                Some(4),
                true,
            ),
            (
                CacheDirectory::Metadata,
                format!("metadata/{name}"),
                b"four",
                None,
                true,
            ),
            (
                CacheDirectory::Packages,
                format!("packages/{name}.rpm"),
                b"five",
                Some(4),
                false,
            ),
            (
                CacheDirectory::Packages,
                format!("packages/{name}.rpm"),
                b"four",
                Some(5),
                false,
            ),
            // Each part has names of its own.
            (
                CacheDirectory::Metadata,
                format!("packages/{name}"),
                b"four",
                None,
                false,
            ),
        ] {
            let _ = std::fs::remove_dir_all(scratch.path().join("metadata"));
            let file = scratch.write(&path, bytes);
            let progress = std::cell::Cell::new(None);
            let found = downloads.item(part, &item(size), &|length| progress.set(Some(length)));
            assert_eq!(found.is_ok(), expected, "{path} {size:?}");
            let told = expected.then(|| size.unwrap_or(0));
            assert_eq!(progress.get(), told, "{path} {size:?}");
            if part == CacheDirectory::Packages {
                // One that is damaged is gone.
                assert_eq!(file.exists(), expected, "{path} {size:?}");
            }
        }
    }

    #[test]
    fn a_package_of_a_lock_is_found_by_its_checksum() {
        let scratch = Scratch::new();
        let settings = Settings::without_network(Some(scratch.path().to_owned()));
        let nowhere = Settings::without_network(None);
        let file = scratch.write(&format!("packages/sha256-{FOUR}.rpm"), b"four");
        let locked = format!("sha256:{FOUR}");
        for (settings, checksum, expected) in [
            (&settings, &*locked, Some(&file)),
            (&settings, &locked.replace('f', "e"), None),
            (&settings, &locked.replace(':', ""), None),
            (&settings, &locked.replace("sha256", "sha0"), None),
            (&nowhere, &locked, None),
        ] {
            let found = Downloads::new(settings)
                .unwrap()
                .kept_package(checksum)
                .unwrap();
            assert_eq!(found.as_ref(), expected, "{checksum}");
        }
        std::fs::write(&file, b"five").unwrap();
        let downloads = Downloads::new(&settings).unwrap();
        assert_eq!(downloads.kept_package(&locked).unwrap(), None);
        let nowhere = Downloads::new(&nowhere).unwrap();
        let failure = nowhere
            .state(&Small {
                id: "id",
                urls: &[],
                direct: false,
                what: "",
                accept: &|_| Ok(()),
            })
            .err()
            .unwrap();
        assert_eq!(failure.kind, Kind::Usage);
    }

    #[test]
    fn whose_fault_it_is() {
        let (url, reason) = (String::new(), String::new());
        for (error, kind) in [
            (
                fetch::Error::Content {
                    url: url.clone(),
                    reason: reason.clone(),
                },
                Kind::Refused,
            ),
            (
                fetch::Error::Setting {
                    what: "the proxy",
                    reason: reason.clone(),
                },
                Kind::Usage,
            ),
            (
                fetch::Error::Connection {
                    url,
                    reason,
                    attempts: 1,
                },
                Kind::Io,
            ),
        ] {
            assert_eq!(failed("it", error).kind, kind);
        }
    }

    #[test]
    fn small_files_are_so_long() {
        let scratch = Scratch::new();
        let mut settings = Settings::without_network(Some(scratch.path().to_owned()));
        settings.offline = false;
        for (length, expected) in [
            (4_194_304, "the connection ended too early (tried once)"),
            (4_194_305, "the file is longer than 4194304 bytes"),
        ] {
            let url = promise(length);
            let downloads = Downloads::new(&settings).unwrap();
            let state = downloads.state(&small(std::slice::from_ref(&url)));
            let said = format!("{:#}", state.err().unwrap().source);
            assert_eq!(said, format!("fetching the list: {url}: {expected}"));
        }
        let store = scratch.path().join("pem");
        settings.authorities = Some(store.clone());
        for (length, expected) in [
            (
                16_777_216,
                "CA certificates: there are none in the file".to_owned(),
            ),
            (
                16_777_217,
                format!(
                    "{} has 16777217 bytes; at most 16777216 are allowed",
                    store.display()
                ),
            ),
        ] {
            scratch.write("pem", &vec![b' '; length]);
            let downloads = Downloads::new(&settings).unwrap();
            let said = downloads.fetcher().err().unwrap().source.to_string();
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn what_is_kept_is_so_long() {
        let scratch = Scratch::new();
        let settings = Settings::without_network(Some(scratch.path().to_owned()));
        let downloads = Downloads::new(&settings).unwrap();
        for (tag, is_kept) in [(4094, true), (4095, false)] {
            let state = State {
                bytes: vec![b'x'; 4_194_304],
                validators: Validators {
                    etag: Some("e".repeat(tag)),
                    last_modified: None,
                },
                origin: StateOrigin::Server,
            };
            downloads.accept("id", &state).unwrap();
            let kept = downloads.state(&small(&[]));
            assert_eq!(kept.is_ok_and(|it| it.bytes.len() == 4_194_304), is_kept);
        }
        let mut fetching = settings.clone();
        fetching.offline = false;
        let downloads = Downloads::new(&fetching).unwrap();
        // `{"keys":["…"]}`
        for (length, expected) in [
            (1_048_576, Ok(true)),
            (1_048_577, Err("its 1 keys are too many to be remembered")),
        ] {
            let seen = Seen {
                keys: vec!["k".repeat(length - 13)],
                ..Seen::default()
            };
            let kept = downloads
                .remember("id", &seen)
                .and_then(|()| downloads.seen("id"));
            let found = kept.map(|kept| kept == seen);
            let found = found.map_err(|failure| failure.source.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}
