//! A web server that does what servers do on bad days.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// What goes wrong with an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing, for once.
    None,
    /// This status and an empty body.
    Status(u16),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// After so many bytes of the body nothing comes any more.
    Stall(usize),
    /// Pieces of so many bytes, ten in a second.
    Slow(usize),
    /// Another place, in the header `Location`.
    Redirect(String),
    /// The whole file, where a part was asked for.
    IgnoreRange,
    /// Another part than the one that was asked for.
    WrongRange,
    /// Where several parts were asked for, this.
    Several(Several),
    /// So many bytes less than were asked for, and said to be no more.
    Short(usize),
    /// For a part, that part of these bytes; the whole file is as it should be.
    Part(Vec<u8>),
    /// The stated length is larger by so much than the body.
    WrongLength(usize),
    /// The connection ends without a word.
    Drop,
    /// Words that are not HTTP.
    Garbage,
    /// From here on the file has these bytes, and this connection ends after so many of them.
    Change(Vec<u8>, usize),
}

/// What goes wrong with an answer of several parts.
#[derive(Clone, Copy, Debug)]
pub enum Several {
    /// The whole file.
    Whole,
    /// The last part first.
    Shuffled,
    /// The first part alone.
    First,
    /// The first part twice, and not the second.
    Twice,
    /// Other bytes.
    Zeros,
    /// The connection ends in the middle.
    Cut,
    /// No boundary is named.
    Nameless,
    /// It is forbidden.
    Forbidden,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// The faults of the next answers for a path.
    faults: BTreeMap<String, VecDeque<Fault>>,
    /// The fault of every answer for a path.
    always: BTreeMap<String, Fault>,
    /// `PATH` of each request, with ` RANGE` if there was one, and ` 304` if nothing was sent.
    log: Vec<String>,
    /// Bytes of the bodies that were sent.
    sent: usize,
    without_tags: bool,
}

/// The server; it runs until the tests are over.
#[derive(Clone)]
pub struct Server {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Starts a server of all files in a directory.
    pub fn of(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            url,
            state: Arc::default(),
        };
        server.load(directory, "");
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    /// Takes the files of a directory again.
    pub fn load(&self, directory: &Path, prefix: &str) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}/{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                self.load(&path, &name);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                self.state.lock().unwrap().files.insert(name, bytes);
            }
        }
    }

    /// Serves these bytes under a path.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.files.insert(path.to_owned(), bytes.to_vec());
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets the faults of the next answers for a path.
    pub fn next(&self, path: &str, faults: &[Fault]) {
        let mut state = self.state.lock().unwrap();
        state
            .faults
            .insert(path.to_owned(), faults.iter().cloned().collect());
    }

    /// Sets the fault of all answers for a path.
    pub fn always(&self, path: &str, fault: Fault) {
        self.state
            .lock()
            .unwrap()
            .always
            .insert(path.to_owned(), fault);
    }

    /// From here on all is well again.
    pub fn recover(&self) {
        let mut state = self.state.lock().unwrap();
        state.faults.clear();
        state.always.clear();
    }

    /// Says whether an `ETag` is sent from here on.
    pub fn send_tags(&self, are_sent: bool) {
        self.state.lock().unwrap().without_tags = !are_sent;
    }

    /// Returns the requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// Returns how many bytes bodies had since the last call.
    pub fn sent(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().sent)
    }

    /// Answers the requests of a connection.
    fn serve(&self, stream: TcpStream) {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((path, headers)) = request(&mut reader) {
            if !self.answer(&stream, &path, &headers) {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Answers a request; says whether the connection goes on.
    fn answer(
        &self,
        mut stream: &TcpStream,
        path: &str,
        headers: &BTreeMap<String, String>,
    ) -> bool {
        let (mut body, fault, with_tag) = {
            let mut state = self.state.lock().unwrap();
            let next = state.faults.get_mut(path).and_then(VecDeque::pop_front);
            let fault = next.or_else(|| state.always.get(path).cloned());
            let range = headers
                .get("range")
                .map(|range| format!(" {range}"))
                .unwrap_or_default();
            if let Some(Fault::Change(bytes, _)) = &fault {
                state.files.insert(path.to_owned(), bytes.clone());
            }
            state.log.push(format!("{path}{range}"));
            (state.files.get(path).cloned(), fault, !state.without_tags)
        };
        let mut send = |bytes: &[u8]| {
            stream
                .write_all(bytes)
                .and_then(|()| stream.flush())
                .is_ok()
        };
        let empty = |status: u16, more: &str| {
            format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n{more}\r\n").into_bytes()
        };
        match &fault {
            Some(Fault::Drop) => return false,
            Some(Fault::Garbage) => {
                send(b"220 mail.example.org ready\r\n");
                return false;
            }
            Some(Fault::Status(status)) => return send(&empty(*status, "")),
            Some(Fault::Redirect(place)) => {
                return send(&empty(302, &format!("Location: {place}\r\n")));
            }
            _ => {}
        }
        let Some(whole) = body.take() else {
            return send(&empty(404, ""));
        };
        let tag = format!(
            "\"{:x}\"",
            Sha256::digest(&whole)[0..4]
                .iter()
                .fold(0u64, |n, b| n << 8 | u64::from(*b))
        );
        if with_tag && headers.get("if-none-match") == Some(&tag) {
            self.state
                .lock()
                .unwrap()
                .log
                .last_mut()
                .unwrap()
                .push_str(" 304");
            return send(&empty(304, ""));
        }
        if let Some(ranges) = headers.get("range").and_then(|range| several(range)) {
            if ranges.iter().any(|(_, last)| *last >= whole.len()) {
                return send(&empty(416, ""));
            }
            return self.answer_several(stream, &whole, ranges, fault);
        }
        let start = (headers.get("range"))
            .filter(|_| headers.get("if-range").is_none_or(|wanted| *wanted == tag))
            .filter(|_| !matches!(fault, Some(Fault::IgnoreRange)))
            .and_then(|range| {
                let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
                let last = whole.len().saturating_sub(1);
                let end = end.parse().ok().map_or(last, |end: usize| end.min(last));
                Some((start.parse::<usize>().ok()?, end))
            });
        let other = match &fault {
            Some(Fault::Part(bytes)) => bytes,
            _ => &whole,
        };
        let mut head = String::new();
        let part = match start {
            Some((start, _)) if start >= whole.len() => return send(&empty(416, "")),
            Some((start, mut end)) => {
                let told = match fault {
                    Some(Fault::WrongRange) => start.checked_sub(1).unwrap_or(1),
                    _ => start,
                };
                if let Some(Fault::Short(less)) = fault {
                    end -= less;
                }
                head += "HTTP/1.1 206 Partial\r\n";
                head += &format!("Content-Range: bytes {told}-{end}/{}\r\n", whole.len());
                &other[start..=end]
            }
            None => {
                head += "HTTP/1.1 200 OK\r\n";
                &whole[..]
            }
        };
        if with_tag {
            head += &format!("ETag: {tag}\r\n");
        }
        let more = if let Some(Fault::WrongLength(more)) = fault {
            more
        } else {
            0
        };
        head += &format!("Content-Length: {}\r\n\r\n", part.len() + more);
        self.state.lock().unwrap().sent += part.len();
        if !send(head.as_bytes()) {
            return false;
        }
        match fault {
            Some(Fault::Cut(length) | Fault::Change(_, length)) => {
                send(&part[..length.min(part.len())]);
                false
            }
            Some(Fault::Stall(length)) => {
                send(&part[..length.min(part.len())]);
                std::thread::sleep(Duration::from_secs(15));
                false
            }
            Some(Fault::Slow(length)) => part.chunks(length).all(|piece| {
                std::thread::sleep(Duration::from_millis(100));
                send(piece)
            }),
            Some(Fault::WrongLength(_)) => {
                send(part);
                false
            }
            _ => send(part),
        }
    }

    /// Answers with several parts.
    fn answer_several(
        &self,
        mut stream: &TcpStream,
        whole: &[u8],
        mut ranges: Vec<(usize, usize)>,
        fault: Option<Fault>,
    ) -> bool {
        let fault = match fault {
            Some(Fault::Several(fault)) => Some(fault),
            _ => None,
        };
        match fault {
            Some(Several::Shuffled) => ranges.reverse(),
            Some(Several::First) => ranges.truncate(1),
            Some(Several::Twice) => ranges[1] = ranges[0],
            _ => {}
        }
        let total = whole.len();
        let mut body = Vec::new();
        for (start, last) in ranges {
            let head = format!("\r\n--end\r\nContent-Range: bytes {start}-{last}/{total}\r\n\r\n");
            body.extend(head.into_bytes());
            let bytes = &whole[start..=last];
            match fault {
                Some(Several::Zeros) => body.resize(body.len() + bytes.len(), 0),
                _ => body.extend(bytes),
            }
        }
        body.extend(b"\r\n--end--\r\n");
        let (status, kind) = match fault {
            Some(Several::Whole) => (200, "application/octet-stream"),
            Some(Several::Forbidden) => (403, "text/plain"),
            Some(Several::Nameless) => (206, "multipart/byteranges"),
            _ => (206, "multipart/byteranges; boundary=end"),
        };
        if status == 200 {
            body = whole.to_vec();
        }
        let length = body.len();
        if matches!(fault, Some(Several::Cut)) {
            body.truncate(length / 2);
        }
        self.state.lock().unwrap().sent += body.len();
        let head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        let is_sent = stream
            .write_all(&[head.into_bytes(), body].concat())
            .is_ok();
        is_sent && !matches!(fault, Some(Several::Cut))
    }
}

/// Reads which parts are asked for, if it is more than one.
fn several(range: &str) -> Option<Vec<(usize, usize)>> {
    let ranges = range.strip_prefix("bytes=")?;
    let ranges = ranges.contains(',').then(|| ranges.split(','))?;
    let ends = |range: &str| {
        let (start, last) = range.split_once('-')?;
        Some((start.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    ranges.map(ends).collect()
}

/// Reads a request: its path, and its headers in small letters.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, BTreeMap<String, String>)> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Some((path, headers));
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}
