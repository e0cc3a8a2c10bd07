//! Files from web servers.
//!
//! A [`Fetcher`] brings one file into an open [`File`]: from the first of several places that has
//! it, going on where a broken connection left off, and never more bytes than were allowed. What
//! the bytes must be is the caller's to say, in [`Wanted::accept`]: it looks at the file before
//! the fetch counts as done, and if it refuses, the next place is tried.
//!
//! **Going on.** A transfer that broke is continued with a `Range` from the last byte that was
//! written, under `If-Range` with the validator that came with the first part, so that a file that
//! has changed meanwhile comes whole. A file that is not empty at the start is continued, too,
//! if the caller can tell a wrong result. A server that ignores the range is taken at its word:
//! the file starts over.
//!
//! **A part alone.** With [`Wanted::start_of`] only the bytes up to [`Wanted::size`] are asked for, by a
//! `Range`, too: those that the file does not have yet. Of a server that ignores it no more than these are
//! read, and the connection is dropped; unless the caller can use the whole file
//! ([`Wanted::all_if_sent`]), which then takes the place of what was there. A server that sends other
//! bytes than were asked for, or those of a file of another length, is refused.
//!
//! **Several parts** of a file come with one request by [`Fetcher::parts`], where the server can.
//!
//! **Giving up.** A connection that can't be made, breaks, is silent for [`Options::timeout`] or
//! slower than [`MINIMUM_RATE`] over that time, and an answer of 429 or 5xx, are tried again after
//! a pause that doubles, [`Options::attempts`] times without progress, which is what the least rate
//! brings in that time. Of several places each is asked once, and then the first few whose
//! connection broke are asked again in that way. Any other answer is final for that place. Redirects
//! are followed ten times, and never from `https` to `http`.
//!
//! Nothing is read from the environment, and no URL is shown with its credentials.

mod attempt;
mod error;
mod parts;
mod request;
mod url;

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Proxy, ProxyProtocol};

use crate::attempt::{Attempt, Failed, Outcome};
pub use crate::error::Error;
pub use crate::url::{is_url, redacted, same_host};

/// Fewest bytes a second, over the time that a server may be silent.
pub const MINIMUM_RATE: u64 = 1000;
/// The pause before the first new attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Attempts for one file at one place, progress or not: 100 connections that each bring a little.
const MOST_ATTEMPTS: u32 = 100;
/// Places that are asked again when each has been asked once.
const MOST_ASKED_AGAIN: usize = 3;
/// Redirects that are followed.
const MOST_REDIRECTS: u32 = 10;

/// How files are fetched.
#[derive(Clone, Debug)]
pub struct Options {
    /// What servers are told of the program.
    pub user_agent: String,
    /// How long a server may be silent.
    pub timeout: Duration,
    /// How often a transfer is tried without progress; at least once.
    pub attempts: u32,
    /// The proxy for `http` URLs, as a URL.
    pub http_proxy: Option<String>,
    /// The proxy for `https` URLs, as a URL.
    pub https_proxy: Option<String>,
    /// Hosts that are asked directly, separated by commas: `localhost,.example.com`.
    pub no_proxy: String,
    /// Certificates of authorities in PEM, instead of those that come with the program.
    pub authorities: Option<Vec<u8>>,
}

/// What tells one state of a file on a server from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
}

/// Looks at a file that has come, and says in words what is wrong with it.
pub type Accept<'a> = &'a dyn Fn(&mut File) -> Result<(), String>;

/// The file to fetch.
pub struct Wanted<'a> {
    /// Where it is: the places in the order in which they are tried.
    pub urls: &'a [String],
    /// Its length in bytes, if it is known.
    pub size: Option<u64>,
    /// Only its start is wanted: `size` bytes of a file that has so many on the server.
    pub start_of: Option<u64>,
    /// If the server sends all where only the start is wanted, all is taken.
    pub all_if_sent: bool,
    /// Most bytes to take, if its length is not known.
    pub limit: u64,
    /// Do not send it if it is still in this state.
    pub unless: Option<&'a Validators>,
    /// No proxy is asked.
    pub direct: bool,
    /// Says whether what has come is what was wanted.
    pub accept: Accept<'a>,
    /// Is told how many bytes of the file are there now.
    pub progress: &'a dyn Fn(u64),
}

impl Wanted<'_> {
    /// The whole file's length, where the whole may come in place of its start.
    fn whole_if_sent(&self) -> Option<u64> {
        self.start_of.filter(|_| self.all_if_sent)
    }

    /// Most bytes that the file may have at the end.
    fn most(&self) -> u64 {
        let size = self.whole_if_sent().or(self.size);
        size.unwrap_or(self.limit)
    }
}

/// How a fetch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The file is there, in a state with these validators.
    Whole(Validators),
    /// The server has the state that the caller has already.
    Unchanged,
}

/// Fetches files; several threads may share it.
#[derive(Debug)]
pub struct Fetcher {
    agent: Agent,
    options: Options,
    http_proxy: Option<Proxy>,
    https_proxy: Option<Proxy>,
}

impl Fetcher {
    /// Returns a fetcher.
    ///
    /// # Errors
    ///
    /// If a proxy is no URL, or the certificates can't be read.
    pub fn new(options: Options) -> Result<Self, Error> {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &options.authorities {
            tls = tls.root_certs(RootCerts::from(authorities(pem)?));
        }
        let timeout = Some(options.timeout);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            // They are followed here, hop by hop: see `Request::send`.
            .max_redirects(0)
            .user_agent(options.user_agent.as_str())
            .accept_encoding("identity")
            .timeout_connect(timeout)
            .timeout_resolve(timeout)
            .timeout_send_request(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .timeout_per_write(timeout)
            .tls_config(tls.build())
            .build()
            .new_agent();
        Ok(Self {
            agent,
            http_proxy: proxy(options.http_proxy.as_deref(), &options.no_proxy)?,
            https_proxy: proxy(options.https_proxy.as_deref(), &options.no_proxy)?,
            options,
        })
    }

    /// Brings the file that is wanted into `file`, which is continued if it is not empty. Of several
    /// places each is asked once before any is asked again.
    ///
    /// # Errors
    ///
    /// What went wrong at the last of the places. What is in the file then may be continued.
    pub fn fetch(&self, wanted: &Wanted<'_>, file: &mut File) -> Result<Fetched, Error> {
        let attempts = self.options.attempts.max(1);
        let first = match wanted.urls {
            [_, _, ..] => 1,
            _ => attempts,
        };
        let mut last = None;
        let mut broken = Vec::new();
        for url in wanted.urls {
            match self.fetch_from(url, wanted, (first, MOST_ATTEMPTS), file) {
                Ok(fetched) => return Ok(fetched),
                Err(error @ (Error::File { .. } | Error::Setting { .. })) => return Err(error),
                Err(error) => {
                    if matches!(error, Error::Connection { .. }) && first < attempts {
                        broken.push(url);
                    }
                    last = Some(error);
                }
            }
        }
        for url in broken.into_iter().take(MOST_ASKED_AGAIN) {
            match self.fetch_from(url, wanted, (attempts - first, MOST_ATTEMPTS), file) {
                Ok(fetched) => return Ok(fetched),
                Err(error @ (Error::File { .. } | Error::Setting { .. })) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Url {
            url: String::new(),
            reason: "there is no URL to fetch from".to_owned(),
        }))
    }

    /// Fetches from one place, by as many attempts in a row that bring nothing, and as many in all.
    fn fetch_from(
        &self,
        url: &str,
        wanted: &Wanted<'_>,
        (in_vain, most_attempts): (u32, u32),
        file: &mut File,
    ) -> Result<Fetched, Error> {
        let shown = redacted(url);
        let mut validators = Validators::default();
        let mut without_progress = 0;
        let mut accepted_again = false;
        for attempts in 1..=most_attempts {
            let writing = |source| Error::File {
                url: shown.clone(),
                source,
            };
            let mut before = file.seek(SeekFrom::End(0)).map_err(writing)?;
            if before > wanted.most() {
                file.set_len(0).map_err(writing)?;
                before = file.seek(SeekFrom::Start(0)).map_err(writing)?;
            }
            let attempt = Attempt {
                fetcher: self,
                url,
                wanted,
                validators: &validators,
                before,
            };
            let reason = match attempt.run(file) {
                Ok(Outcome::Unchanged) => return Ok(Fetched::Unchanged),
                Ok(Outcome::Whole(state)) => {
                    file.seek(SeekFrom::Start(0)).map_err(writing)?;
                    let Err(reason) = (wanted.accept)(file) else {
                        return Ok(Fetched::Whole(state));
                    };
                    file.set_len(0).map_err(writing)?;
                    // What was there before may have been the start of something else.
                    if before > 0 && !accepted_again {
                        accepted_again = true;
                        validators = Validators::default();
                        continue;
                    }
                    return Err(Error::Content { url: shown, reason });
                }
                Err(Failed::Final(error)) => return Err(error),
                Err(Failed::Broken(reason, state)) => {
                    validators = state;
                    reason
                }
            };
            let after = file.seek(SeekFrom::End(0)).map_err(writing)?;
            let least = MINIMUM_RATE.saturating_mul(self.options.timeout.as_secs().max(1));
            without_progress = match after.saturating_sub(before) >= least {
                true => 1,
                false => without_progress + 1,
            };
            if without_progress >= in_vain || attempts == most_attempts {
                return Err(Error::Connection {
                    url: shown,
                    reason,
                    attempts,
                });
            }
            let doubled = FIRST_PAUSE.saturating_mul(1 << (without_progress - 1).min(16));
            std::thread::sleep(doubled.min(LONGEST_PAUSE));
        }
        Err(Error::Connection {
            url: shown,
            reason: "the connection broke too often".to_owned(),
            attempts: most_attempts,
        })
    }

    fn proxy_for(&self, url: &str) -> Option<Proxy> {
        match crate::url::is_https(url) {
            true => self.https_proxy.clone(),
            false => self.http_proxy.clone(),
        }
    }
}

/// Reads certificates in PEM.
fn authorities(pem: &[u8]) -> Result<Vec<ureq::tls::Certificate<'static>>, Error> {
    let failed = |reason: String| Error::Setting {
        what: "CA certificates",
        reason,
    };
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|error| failed(error.to_string()))?
        {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err(failed("there are none in the file".to_owned())),
        false => Ok(certificates),
    }
}

/// Makes a proxy of a URL; `direct` are the hosts that are asked without it.
fn proxy(url: Option<&str>, direct: &str) -> Result<Option<Proxy>, Error> {
    let Some(url) = url.filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    // What the library says may have the URL in it, and a password in that.
    let failed = |_: ureq::Error| Error::Setting {
        what: "the proxy",
        reason: "it is not a URL".to_owned(),
    };
    let parsed = Proxy::new(url).map_err(failed)?;
    let protocol = match parsed.protocol() {
        known @ (ProxyProtocol::Http | ProxyProtocol::Https) => known,
        _ => {
            return Err(Error::Setting {
                what: "the proxy",
                reason: "it is neither an http nor an https URL".to_owned(),
            });
        }
    };
    let mut builder = Proxy::builder(protocol)
        .host(parsed.host())
        .port(parsed.port());
    if let Some(user) = parsed.username() {
        builder = builder.username(user);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    for host in direct
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
    {
        builder = builder.no_proxy(host);
        // `example.com` means its subdomains, too, to every other program.
        if !host.starts_with(['.', '*']) {
            builder = builder.no_proxy(&format!(".{host}"));
        }
    }
    builder.build().map(Some).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    #[test]
    fn proxies_are_urls() {
        assert!(proxy(None, "").unwrap().is_none());
        assert!(proxy(Some(""), "").unwrap().is_none());
        let made = proxy(Some("http://u:p@proxy:3128"), "localhost, .example.com").unwrap();
        let made = made.unwrap();
        assert_eq!((made.host(), made.port()), ("proxy", 3128));
        assert_eq!((made.username(), made.password()), (Some("u"), Some("p")));
        for (uri, direct) in [
            ("http://localhost/", true),
            ("http://a.localhost/", true),
            ("http://a.example.com/", true),
            ("http://example.org/", false),
        ] {
            assert_eq!(made.is_no_proxy(&uri.parse().unwrap()), direct, "{uri}");
        }
        assert!(proxy(Some("socks5://a"), "").is_err());
        for url in [
            "http://u:s3cret/x@a:80",
            "http://u:s3cret^@a b",
            "s3cret://u:s3cret",
        ] {
            if let Err(error) = proxy(Some(url), "") {
                assert!(!error.to_string().contains("s3cret"), "{url}: {error}");
            }
        }
        assert!(authorities(b"no certificate").is_err());
    }

    /// Starts a server of two files: each part of `/parts` that it sends has 1000 bytes, whatever
    /// was asked for, and `/N` redirects to `/N-1`.
    fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = move |mut stream: TcpStream| {
            let reader = BufReader::new(stream.try_clone().unwrap());
            let lines: Vec<_> = (reader.lines().map_while(Result::ok))
                .take_while(|line| !line.is_empty())
                .map(|line| line.to_ascii_lowercase())
                .collect();
            let start = lines.iter().find_map(|line| {
                let range = line.strip_prefix("range: bytes=")?.strip_suffix('-')?;
                range.parse::<usize>().ok()
            });
            let path = lines.first()?.split(' ').nth(1)?;
            let head = match (path.strip_prefix('/')?, start) {
                ("parts", None) => "200 OK\r\nContent-Length: 4000\r\n".to_owned(),
                ("parts", Some(start)) => {
                    let left = 4000_usize.saturating_sub(start);
                    format!(
                        "206 Partial Content\r\nContent-Length: {left}\r\n\
                         Content-Range: bytes {start}-3999/4000\r\n"
                    )
                }
                ("0", _) => "200 OK\r\nContent-Length: 1000\r\n".to_owned(),
                (number, _) => {
                    let next = number.parse::<u32>().ok()? - 1;
                    format!("302 Found\r\nLocation: /{next}\r\nContent-Length: 0\r\n")
                }
            };
            let body = if head.starts_with('2') { 1000 } else { 0 };
            write!(
                stream,
                "HTTP/1.1 {head}ETag: \"1\"\r\nConnection: close\r\n\r\n"
            )
            .ok()?;
            stream.write_all(&vec![b'x'; body]).ok()
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream);
            }
        });
        url
    }

    /// Makes a file to write to that goes with the value.
    #[expect(clippy::disallowed_methods, reason = "a test makes a file of its own")]
    fn nameless() -> File {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("fetch-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(&path);
        let file = file.unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    fn fetcher() -> Fetcher {
        let fetcher = Fetcher::new(Options {
            user_agent: "test".to_owned(),
            timeout: Duration::from_secs(1),
            attempts: 2,
            http_proxy: None,
            https_proxy: None,
            no_proxy: String::new(),
            authorities: None,
        });
        fetcher.unwrap()
    }

    /// Starts a server that gives one of these answers to each connection, whatever it is asked for;
    /// returns its URL, and what the requests ask for.
    fn scripted(answers: &[&str]) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers: Vec<_> = answers.iter().map(|&answer| answer.to_owned()).collect();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for (mut stream, answer) in listener.incoming().flatten().zip(answers) {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let lines = lines.map_while(Result::ok);
                let lines = lines.take_while(|line| !line.is_empty());
                let ranges = lines.filter_map(|line| {
                    let line = line.to_ascii_lowercase();
                    line.strip_prefix("range: ").map(str::to_owned)
                });
                tell.send(ranges.collect()).unwrap();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        (url, told)
    }

    /// Fetches the first 10 bytes of a file of 30 from a server with these answers; returns what goes
    /// wrong, and which parts were asked for.
    fn start_of(answers: &[String]) -> (Result<(), String>, Vec<String>) {
        let answers: Vec<_> = answers.iter().map(String::as_str).collect();
        let (url, told) = scripted(&answers);
        let wanted = Wanted {
            urls: std::slice::from_ref(&url),
            size: Some(10),
            start_of: Some(30),
            all_if_sent: false,
            limit: 0,
            unless: None,
            direct: false,
            accept: &|file| {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                (text == "0123456789").then_some(()).ok_or(text)
            },
            progress: &|_| {},
        };
        let found = fetcher().fetch(&wanted, &mut nameless());
        let shown = format!("{url}: ");
        let found = found.map(drop).map_err(|error| error.to_string());
        let found = found.map_err(|text| text.replace(&shown, ""));
        (found, told.try_iter().collect())
    }

    #[test]
    fn the_start_of_a_file() {
        const PART: &str = "HTTP/1.1 206 Partial Content\r\n";
        const RANGE: &str = "Content-Range: bytes 0-9/30\r\n";
        const WHOLE: &str = "012345678901234567890123456789";
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{WHOLE}");
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{WHOLE}");
        let part = |head: &str, body: &str| format!("{PART}{head}\r\n{body}");
        let ten = "Content-Length: 10\r\n";
        let cut = part(&format!("{RANGE}{ten}"), "0123");
        let rest = "Content-Range: bytes 4-9/30\r\nContent-Length: 6\r\n";
        let different = Err("the server sent a different part than requested");
        for (what, answers, expected, ranges) in [
            (
                "the part",
                vec![part(&format!("{RANGE}{ten}"), "0123456789")],
                Ok(()),
                &["bytes=0-9"][..],
            ),
            ("all", vec![whole.clone()], Ok(()), &["bytes=0-9"]),
            (
                "all, without a length",
                vec![endless],
                Ok(()),
                &["bytes=0-9"],
            ),
            (
                "the rest of it",
                vec![cut.clone(), part(rest, "456789")],
                Ok(()),
                &["bytes=0-9", "bytes=4-9"],
            ),
            (
                "all instead of the rest",
                vec![cut.clone(), whole],
                Ok(()),
                &["bytes=0-9", "bytes=4-9"],
            ),
            (
                "nothing more",
                vec![cut.clone(), part(rest, "")],
                Err("the connection ended too early (tried 2 times)"),
                &["bytes=0-9", "bytes=4-9"],
            ),
            (
                "another file",
                vec!["HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n".to_owned()],
                Err("the file has 29 bytes, not 30"),
                &["bytes=0-9"],
            ),
            (
                "a part of another file",
                vec![part(&format!("Content-Range: bytes 0-9/29\r\n{ten}"), "")],
                Err("the file has 29 bytes, not 30"),
                &["bytes=0-9"],
            ),
            (
                "another part",
                vec![part(&format!("Content-Range: bytes 1-10/30\r\n{ten}"), "")],
                different,
                &["bytes=0-9"],
            ),
            (
                "some part",
                vec![part(ten, "0123456789")],
                different,
                &["bytes=0-9"],
            ),
            (
                "less",
                vec![part(&format!("{RANGE}Content-Length: 9\r\n"), "012345678")],
                Err("the file has 9 bytes, not 10"),
                &["bytes=0-9"],
            ),
            (
                "more",
                vec![part(RANGE, WHOLE)],
                Err("the file is longer than 10 bytes"),
                &["bytes=0-9"],
            ),
            (
                "no such part",
                vec!["HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n".to_owned()],
                Err("the server answered 416 Range Not Satisfiable"),
                &["bytes=0-9"],
            ),
        ] {
            let (found, asked) = start_of(&answers);
            assert_eq!(found, expected.map_err(str::to_owned), "{what}");
            assert_eq!(asked, ranges, "{what}");
        }
    }

    /// A part in the middle is appended. Where all comes instead, it is taken, or given up at once.
    #[test]
    fn a_part_after_what_is_there() {
        const WHOLE: &str = "012345678901234567890123456789";
        let part = |range: &str, body: &str| {
            let length = body.len();
            format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {range}/30\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
        };
        let all = format!("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{WHOLE}");
        let cut = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{}",
            &WHOLE[..20]
        );
        let multipart = "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; \
                         boundary=x\r\nContent-Length: 5\r\n\r\n--x--";
        let longer = "HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n";
        let different = "the server sent a different part than requested";
        for (what, answers, expected, ranges) in [
            (
                "the part",
                vec![part("4-9", "456789")],
                Ok("0123456789"),
                &["bytes=4-9"][..],
            ),
            ("all", vec![all.clone()], Ok(WHOLE), &["bytes=4-9"]),
            // What was wanted is there.
            (
                "more than the part",
                vec![cut],
                Ok(&WHOLE[..20]),
                &["bytes=4-9"],
            ),
            (
                "the rest of it",
                vec![part("4-9", "45").replace("Length: 2", "Length: 6"), all],
                Ok(WHOLE),
                &["bytes=4-9", "bytes=6-9"],
            ),
            (
                "another part",
                vec![part("5-9", "56789")],
                Err(different),
                &["bytes=4-9"],
            ),
            (
                "parts",
                vec![multipart.to_owned()],
                Err(different),
                &["bytes=4-9"],
            ),
            (
                "a longer file",
                vec![longer.to_owned()],
                Err("the file has 31 bytes, not 30"),
                &["bytes=4-9"],
            ),
        ] {
            let answers: Vec<_> = answers.iter().map(String::as_str).collect();
            let (url, told) = scripted(&answers);
            let wanted = Wanted {
                urls: std::slice::from_ref(&url),
                size: Some(10),
                start_of: Some(30),
                all_if_sent: true,
                limit: 0,
                unless: None,
                direct: false,
                accept: &|_| Ok(()),
                progress: &|_| {},
            };
            let mut file = nameless();
            file.write_all(b"0123").unwrap();
            let found = fetcher().fetch(&wanted, &mut file).map(|_| {
                let mut text = String::new();
                file.seek(SeekFrom::Start(0)).unwrap();
                file.read_to_string(&mut text).unwrap();
                text
            });
            let shown = format!("{url}: ");
            let found = found.map_err(|error| error.to_string().replace(&shown, ""));
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{what}");
            let asked: Vec<String> = told.try_iter().collect();
            assert_eq!(asked, ranges, "{what}");
        }
    }

    #[test]
    fn several_parts_of_a_file() {
        const WHOLE: &str = "012345678901234567890123456789";
        const FIRST: &str = "Content-Range: bytes 2-4/30";
        const SECOND: &str = "content-range:bytes 12-15/*";
        const NONE: &str = "the server sent a part and not which";
        const OTHER: &str = "the server sent different parts than requested";
        const EARLY: &str = "the connection ended too early";
        const WRONG: &str = "the server sent parts that can't be read";
        let part = |range: &str, body: &str| format!("\r\n--x y\r\nA: b\r\n{range}\r\n\r\n{body}");
        let several = |kind: &str, parts: &str| {
            format!("HTTP/1.1 206 Partial Content\r\nContent-Type: {kind}\r\n\r\n{parts}")
        };
        let of = |parts: &[String]| {
            let parts = parts.concat();
            several(
                "multipart/byteranges; boundary=\"x y\"",
                &format!("{parts}\r\n--x y--\r\n"),
            )
        };
        let (first, second) = (part(FIRST, "234"), part(SECOND, "2345"));
        let both = [first.clone(), second.clone()];
        let one = |range: &str, body: &str| {
            format!("HTTP/1.1 206 Partial Content\r\n{range}\r\n\r\n{body}")
        };
        let endless = format!("{}{}", part(FIRST, "234"), "\r\n".repeat(8000));
        for (what, answer, expected) in [
            ("as asked", of(&both), Ok(())),
            (
                "as in RFC 9110",
                of(&both).replace("\"", "").replace("x y", "x"),
                Ok(()),
            ),
            (
                "another order",
                of(&[second.clone(), first.clone()]),
                Ok(()),
            ),
            (
                "joined",
                one("Content-Range: bytes 1-15/30", &WHOLE[1..16]),
                Ok(()),
            ),
            ("one", one(FIRST, "234"), Err(OTHER)),
            (
                "no end",
                of(&both).replace("\r\n--x y--\r\n", ""),
                Err(EARLY),
            ),
            ("one of them", of(std::slice::from_ref(&first)), Err(OTHER)),
            ("more", of(&[&both[..], &both[..1]].concat()), Err(WRONG)),
            (
                "cut",
                of(&both).replace("2345\r\n--x y--\r\n", "23"),
                Err(EARLY),
            ),
            (
                "longer than it says",
                of(&[first.clone() + "567", second.clone()]),
                Err(WRONG),
            ),
            (
                "of another file",
                of(&both).replace("/30", "/31"),
                Err(OTHER),
            ),
            ("backwards", of(&both).replace("2-4", "4-2"), Err(OTHER)),
            (
                "longer than an answer may be",
                of(&both).replace("2-4", "2-99999999"),
                Err(OTHER),
            ),
            (
                "longer than a number",
                of(&both).replace("2-4/30", "0-18446744073709551615/*"),
                Err(OTHER),
            ),
            (
                "without a range",
                of(&both).replace(FIRST, "B: c"),
                Err(NONE),
            ),
            (
                "with half a range",
                of(&both).replace(FIRST, "Content-Range: bytes 2/30"),
                Err(NONE),
            ),
            ("another kind", several("text/plain", "234"), Err(NONE)),
            (
                "no boundary",
                several("multipart/byteranges", "--"),
                Err(NONE),
            ),
            ("endless", of(&[endless]), Err(EARLY)),
            (
                "a long line",
                of(&[part(&"a".repeat(2000), "")]),
                Err("the server sent a line without an end"),
            ),
            (
                "all",
                format!("HTTP/1.1 200 OK\r\n\r\n{WHOLE}"),
                Err("the server does not send several parts at once"),
            ),
            (
                "nothing",
                "HTTP/1.1 416 No\r\n\r\n".to_owned(),
                Err("the server answered 416 Range Not Satisfiable"),
            ),
        ] {
            let (url, told) = scripted(&[&answer]);
            let found = fetcher().parts(&url, &[2..5, 12..16], 30);
            let found = found.map_err(|error| error.to_string().replace(&format!("{url}: "), ""));
            let wanted = vec![b"234".to_vec(), b"2345".to_vec()];
            assert_eq!(
                found,
                expected.map(|()| wanted).map_err(str::to_owned),
                "{what}"
            );
            assert_eq!(told.recv().unwrap(), "bytes=2-4,12-15", "{what}");
        }
    }

    #[test]
    fn attempts_and_redirects_are_counted() {
        let (fetcher, server) = (fetcher(), server());
        let wanted = Wanted {
            urls: &[],
            size: None,
            start_of: None,
            all_if_sent: false,
            limit: 4000,
            unless: None,
            direct: false,
            accept: &|_| Ok(()),
            progress: &|_| {},
        };
        let early = "the connection ended too early (tried 3 times)";
        for (path, most_attempts, expected) in [
            ("parts", 4, Ok(4000)),
            ("parts", 3, Err(early)),
            ("10", 1, Ok(1000)),
            ("11", 1, Err("it redirects in a loop")),
        ] {
            let mut file = nameless();
            let url = format!("{server}/{path}");
            let found = fetcher.fetch_from(&url, &wanted, (2, most_attempts), &mut file);
            let found = found.map(|_| file.metadata().unwrap().len());
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(|reason| format!("{url}: {reason}")));
        }
    }
}
