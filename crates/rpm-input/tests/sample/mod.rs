//! Makes RPM files in memory, right or wrong in any place that a test wants.

use sha2::{Digest, Sha256};

/// A value of a header, with the number of its type.
#[derive(Clone)]
pub enum Value {
    Short(Vec<u16>),
    Number(Vec<u32>),
    Text(&'static str),
    Binary(Vec<u8>),
    Texts(Vec<Vec<u8>>),
}

/// Builds an array of strings.
pub fn texts<T: AsRef<[u8]>>(texts: &[T]) -> Value {
    Value::Texts(texts.iter().map(|text| text.as_ref().to_vec()).collect())
}

/// Lays a header out: magic, lengths, index, data.
pub fn header(values: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, value) in values {
        let (kind, width, count, bytes): (u32, usize, usize, Vec<u8>) = match value {
            Value::Short(numbers) => (
                3,
                2,
                numbers.len(),
                numbers.iter().flat_map(|n| n.to_be_bytes()).collect(),
            ),
            Value::Number(numbers) => (
                4,
                4,
                numbers.len(),
                numbers.iter().flat_map(|n| n.to_be_bytes()).collect(),
            ),
            Value::Text(text) => (6, 1, 1, [text.as_bytes(), b"\0"].concat()),
            Value::Binary(bytes) => (7, 1, bytes.len(), bytes.clone()),
            Value::Texts(texts) => {
                let bytes = texts
                    .iter()
                    .flat_map(|text| [text, &b"\0"[..]].concat())
                    .collect();
                (8, 1, texts.len(), bytes)
            }
        };
        data.resize(data.len().next_multiple_of(width), 0);
        for number in [*tag, kind, data.len() as u32, count as u32] {
            index.extend(number.to_be_bytes());
        }
        data.extend(bytes);
    }
    let mut header = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    header.extend((values.len() as u32).to_be_bytes());
    header.extend((data.len() as u32).to_be_bytes());
    [header, index, data].concat()
}

/// Joins the parts of an RPM file.
pub fn join(signature: &[u8], header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut lead = vec![0; 96];
    lead[..5].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3]);
    let mut signature = signature.to_vec();
    signature.resize(signature.len().next_multiple_of(8), 0);
    [&lead, &signature, header, payload].concat()
}

/// Returns a SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// An entry of an archive.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub mode: u32,
    pub size: u32,
    pub sum: u32,
    pub magic: &'static [u8],
    pub content: Vec<u8>,
}

impl Entry {
    pub fn new(name: &str, mode: u32, content: &[u8]) -> Self {
        Self {
            name: [name.as_bytes(), b"\0"].concat(),
            mode,
            size: content.len() as u32,
            sum: 0,
            magic: b"070701",
            content: content.to_vec(),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        let name_size = self.name.len() as u32;
        for number in [
            1, self.mode, 0, 0, 1, 0, self.size, 0, 0, 0, 0, name_size, self.sum,
        ] {
            bytes.extend(format!("{number:08x}").bytes());
        }
        pad(&mut bytes, &self.name);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        pad(&mut bytes, &self.content);
        bytes
    }
}

fn pad(bytes: &mut Vec<u8>, more: &[u8]) {
    bytes.extend(more);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// An entry in RPM's own format.
pub fn stripped(index: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = format!("07070X{index:08x}").into_bytes();
    pad(&mut bytes, b"");
    pad(&mut bytes, content);
    bytes
}

pub fn trailer() -> Vec<u8> {
    Entry::new("TRAILER!!!", 0, b"").bytes()
}

/// A small package: two files that are hard links, one file, a link and a directory.
pub struct Sample {
    pub values: Vec<(u32, Value)>,
    pub archive: Vec<u8>,
    pub payload: Vec<u8>,
    /// Whether header and payload get their digests.
    pub digests: bool,
    /// Whether header and payload get the digest of old packages.
    pub md5: bool,
}

pub const CONTENT: &[u8] = b"#!/bin/sh\necho hello\n";
pub const LINKED: &[u8] = b"linked";

/// Entries of the sample's archive.
pub fn entries() -> Vec<Entry> {
    vec![
        Entry::new("./usr/bin/hello", 0o100_755, CONTENT),
        Entry::new("./usr/bin/one", 0o100_644, b""),
        Entry::new("./usr/bin/two", 0o100_644, LINKED),
        Entry::new("./usr/bin/link", 0o120_777, b"hello"),
        Entry::new("./usr/share/hello", 0o040_755, b""),
    ]
}

/// Joins entries and a trailer.
pub fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive: Vec<u8> = entries.iter().flat_map(Entry::bytes).collect();
    archive.extend(trailer());
    archive
}

impl Sample {
    pub fn new() -> Self {
        let linked = sha256(LINKED);
        let digests = [&sha256(CONTENT), &linked, &linked, "", ""];
        let five = |text: &str| texts(&[text; 5]);
        let values = vec![
            (1000, Value::Text("hello")),
            (1001, Value::Text("1.0")),
            (1002, Value::Text("2")),
            (1004, Value::Text("A greeting")),
            (1006, Value::Number(vec![1_700_000_000])),
            (1014, Value::Text("MIT")),
            (1022, Value::Text("noarch")),
            (1028, Value::Number(vec![21, 6, 6, 5, 0])),
            (
                1030,
                Value::Short(vec![0o100_755, 0o100_644, 0o100_644, 0o120_777, 0o040_755]),
            ),
            (1034, Value::Number(vec![1; 5])),
            (1035, texts(&digests)),
            (1036, texts(&["", "", "", "hello", ""])),
            (1037, Value::Number(vec![0; 5])),
            (1039, five("root")),
            (1040, five("root")),
            (1044, Value::Text("hello-1.0-2.src.rpm")),
            (1047, texts(&["hello"])),
            (1095, Value::Number(vec![1; 5])),
            (1096, Value::Number(vec![1, 2, 2, 3, 4])),
            (1112, Value::Number(vec![8])),
            (1113, texts(&["1.0-2"])),
            (1116, Value::Number(vec![0, 0, 0, 0, 1])),
            (1117, texts(&["hello", "one", "two", "link", "hello"])),
            (1118, texts(&["/usr/bin/", "/usr/share/"])),
            (1124, Value::Text("cpio")),
            (5011, Value::Number(vec![8])),
        ];
        let archive = archive(&entries());
        Self {
            values,
            payload: archive.clone(),
            archive,
            digests: true,
            md5: false,
        }
    }

    /// Replaces or adds a value.
    pub fn with(mut self, tag: u32, value: Value) -> Self {
        self.values.retain(|(known, _)| *known != tag);
        self.values.push((tag, value));
        self.values.sort_by_key(|(tag, _)| *tag);
        self
    }

    pub fn without(mut self, tag: u32) -> Self {
        self.values.retain(|(known, _)| *known != tag);
        self
    }

    /// Replaces the payload, uncompressed.
    pub fn with_archive(mut self, archive: Vec<u8>) -> Self {
        self.payload = archive.clone();
        self.archive = archive;
        self
    }

    /// Replaces the payload by a compressed one.
    pub fn with_payload(mut self, compressor: &'static str, payload: Vec<u8>) -> Self {
        self.payload = payload;
        self.with(1125, Value::Text(compressor))
    }

    pub fn undigested(mut self) -> Self {
        self.digests = false;
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let mut values = self.values.clone();
        if self.digests && values.iter().all(|(tag, _)| *tag != 5092) {
            values.push((5092, texts(&[sha256(&self.payload)])));
            values.push((5093, Value::Number(vec![8])));
        }
        values.sort_by_key(|(tag, _)| *tag);
        let header_bytes = header(&values);
        let mut signature = vec![(1000, Value::Number(vec![1]))];
        if self.digests {
            signature.insert(0, (273, texts(&[sha256(&header_bytes)])));
        }
        if self.md5 {
            let both = [&header_bytes[..], &self.payload].concat();
            signature.push((1004, Value::Binary(md5::Md5::digest(&both).to_vec())));
        }
        join(&header(&signature), &header_bytes, &self.payload)
    }
}
