//! Headers and databases made byte by byte, for what `rpm` would not write.

/// An entry of a header: tag, type, count, bytes of the value.
pub(crate) type Entry<'a> = (u32, u32, u32, &'a [u8]);

pub(crate) const CHAR: u32 = 1;
pub(crate) const SHORT: u32 = 3;
pub(crate) const NUMBER: u32 = 4;
pub(crate) const STRING: u32 = 6;
pub(crate) const BINARY: u32 = 7;
pub(crate) const STRINGS: u32 = 8;

/// Returns a header as the database holds it: a region and what was added behind it.
pub(crate) fn header(region: &[Entry], dribbles: &[Entry]) -> Vec<u8> {
    let mut index = Vec::new();
    let mut data = Vec::new();
    let add = |entry: &Entry, index: &mut Vec<u8>, data: &mut Vec<u8>| {
        if matches!(entry.1, SHORT | NUMBER) {
            data.resize(data.len().next_multiple_of(4), 0);
        }
        let offset = u32::try_from(data.len()).unwrap();
        for number in [entry.0, entry.1, offset, entry.2] {
            index.extend(number.to_be_bytes());
        }
        data.extend(entry.3);
    };
    for entry in region {
        add(entry, &mut index, &mut data);
    }
    let back = (u32::try_from(region.len() + 1).unwrap() * 16).wrapping_neg();
    let end: Vec<u8> = [63, BINARY, back, 16].map(u32::to_be_bytes).concat();
    let mut first = Vec::new();
    add(&(63, BINARY, 16, &end), &mut first, &mut data);
    index.splice(0..0, first);
    for entry in dribbles {
        add(entry, &mut index, &mut data);
    }
    let count = u32::try_from(index.len() / 16).unwrap().to_be_bytes();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&count[..], &length, &index, &data].concat()
}

/// Returns an ndb database of these headers, which get the numbers from 1.
pub(crate) fn ndb_of(headers: &[Vec<u8>]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut slots = [&b"RpmP"[..], &number(0), &number(1), &number(1)].concat();
    slots.extend(number(headers.len() + 1));
    slots.resize(32, 0);
    let mut blobs = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        let start = 256 + blobs.len() / 16;
        let mut blob = [
            &b"BlbS"[..],
            &number(index + 1),
            &[0; 4],
            &number(header.len()),
        ]
        .concat();
        blob.extend(header);
        blob.resize((blob.len() + 12).next_multiple_of(16) - 12, 0);
        let (mut a, mut b) = (1_u32, 0_u32);
        for byte in &blob {
            a = (a + u32::from(*byte)) % 65521;
            b = (b + a) % 65521;
        }
        blob.extend((b << 16 | a).to_le_bytes());
        blob.extend(number(header.len()));
        blob.extend(b"BlbE");
        slots.extend(b"Slot");
        for value in [index + 1, start, blob.len() / 16] {
            slots.extend(number(value));
        }
        blobs.extend(blob);
    }
    while slots.len() < 4096 {
        slots.extend(b"Slot\0\0\0\0\0\0\0\0\0\0\0\0");
    }
    slots.extend(blobs);
    slots
}

/// Entries of a package of four files, of which the last three are hard links of each other.
pub(crate) const PACKAGE: &[Entry] = &[
    (1000, STRING, 1, b"a\0"),
    (1001, STRING, 1, b"1\0"),
    (1002, STRING, 1, b"2\0"),
    (1022, STRING, 1, b"noarch\0"),
    (1028, NUMBER, 4, &[0; 16]),
    (1030, SHORT, 4, &[0o201, 0, 0o201, 0, 0o201, 0, 0o201, 0]),
    (1034, NUMBER, 4, &[0; 16]),
    (1037, NUMBER, 4, &[0; 16]),
    (1039, STRINGS, 4, b"root\0root\0root\0root\0"),
    (1040, STRINGS, 4, b"root\0root\0root\0root\0"),
    (
        1096,
        NUMBER,
        4,
        &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2],
    ),
    (1116, NUMBER, 4, &[0; 16]),
    (1117, STRINGS, 4, b"f\0g\0h\0i\0"),
    (1118, STRINGS, 1, b"/usr/\0"),
];
