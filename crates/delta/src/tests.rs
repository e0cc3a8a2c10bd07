//! What can go wrong between an index and its file.

use std::cell::Cell;
use std::fs::File;
use std::io::{Cursor, Read as _, Seek as _, Write as _};
use std::ops::Range;

use super::*;

/// Bytes that look like nothing else, from a number.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| byte()).collect()
}

/// A file of blocks of noise, one for each seed, and its index.
fn file_of(seeds: &[u64]) -> (Vec<u8>, Index) {
    let mut bytes = Vec::new();
    let mut blocks = Vec::new();
    for seed in seeds {
        let length = 3000 + *seed as u32 * 10;
        let start = bytes.len() as u64;
        blocks.push(Block { start, length });
        bytes.extend(noise(*seed, length as usize));
    }
    let index = Index::of(&mut &bytes[..], bytes.len() as u64, &blocks).unwrap();
    (bytes, index)
}

/// Makes a file that goes with the value.
fn nameless() -> File {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("delta-{}-{number}", std::process::id()));
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).open(&path);
    std::fs::remove_file(&path).unwrap();
    file.unwrap()
}

#[test]
fn every_byte_is_in_one_piece() {
    let bytes = noise(1, 100_000);
    let block = |start, length| Block { start, length };
    for (blocks, expected) in [
        (&[][..], &[16384; 6][..]),
        (&[block(0, 100_000)], &[100_000]),
        (&[block(96, 1000), block(1096, 5)], &[96, 1000, 5, 16384]),
        // The order does not matter; of those that overlap, the first counts.
        (&[block(1096, 5), block(96, 1000)], &[96, 1000, 5, 16384]),
        (&[block(10, 20), block(20, 30)], &[10, 20, 16384]),
        (&[block(10, 20), block(10, 20)], &[10, 20, 16384]),
        // What is not a block is not cut.
        (&[block(10, 0), block(99_990, 11)], &[16384; 6]),
        (&[block(u64::MAX, 10), block(10, u32::MAX)], &[16384; 6]),
        (&[block(99_990, 10)], &[16384; 6]),
    ] {
        let index = Index::of(&mut &bytes[..], 100_000, blocks).unwrap();
        let lengths: Vec<_> = index.pieces().iter().map(|piece| piece.length).collect();
        assert_eq!(lengths.iter().sum::<u32>(), 100_000, "{blocks:?}");
        assert_eq!(lengths.get(..expected.len()), Some(expected), "{blocks:?}");
        assert_eq!(Index::parse(&index.to_bytes()).unwrap(), index);
    }
    let empty = Index::of(&mut &b""[..], 0, &[]).unwrap();
    assert_eq!(empty.to_bytes().len(), 48);
    assert_eq!(Index::parse(&empty.to_bytes()).unwrap(), empty);
    Index::of(&mut &b"short"[..], 6, &[]).unwrap_err();
}

#[test]
fn what_is_not_an_index_is_refused() {
    let (_, index) = file_of(&[1, 2, 3]);
    let whole = index.to_bytes();
    let with = |at: usize, byte: u8| {
        let mut changed = whole.clone();
        changed[at] = byte;
        changed
    };
    for (bytes, expected) in [
        (
            b"".to_vec(),
            "does not begin with BLOCKS-1, so it is not an index or one of a newer version",
        ),
        (
            with(7, b'2'),
            "does not begin with BLOCKS-1, so it is not an index or one of a newer version",
        ),
        (
            whole[..20].to_vec(),
            "has 20 bytes, which is not a whole number of pieces",
        ),
        (
            whole[..80].to_vec(),
            "has 80 bytes, which is not a whole number of pieces",
        ),
        (
            whole[..70].to_vec(),
            "has pieces of 6030 bytes for a file of 9060",
        ),
        (with(8, 0), "has pieces of 9060 bytes for a file of 8960"),
        (
            [with(56, 0xd2).as_slice(), &[0; 11]].concat(),
            "says that piece 3 has 0 bytes, which is not 1 to 1048576",
        ),
        (
            with(58, 0x40),
            "says that piece 0 has 4197314 bytes, which is not 1 to 1048576",
        ),
    ] {
        let found = Index::parse(&bytes).map_err(|error| error.to_string());
        assert_eq!(found, Err(expected.to_owned()));
    }
}

#[test]
fn an_index_has_so_many_pieces() {
    let of = |count: usize| {
        let mut bytes = b"BLOCKS-1".to_vec();
        bytes.extend((count as u64).to_le_bytes());
        bytes.extend([0; 32]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0].repeat(count));
        bytes
    };
    let most = of(MAX_PIECES);
    assert_eq!(most.len() as u64, MAX_INDEX);
    let index = Index::parse(&most).unwrap();
    let too_many = "would have more than 1048576 pieces";
    for count in [MAX_PIECES + 1, 10_000_000] {
        let found = Index::parse(&of(count)).map_err(|error| error.to_string());
        assert_eq!(found, Err(too_many.to_owned()));
    }
    // Equal pieces are found in no more than one look at each.
    let mut found = Found::new(&index);
    found.look_in(&index, 0, index.pieces());
    assert_eq!(found.missing(&index), 0);
    // Nor are more made; the file need not be read to know that.
    let length = 16384 * (MAX_PIECES as u64 + 1);
    let made = Index::of(&mut &b""[..], length, &[]).map_err(|error| error.to_string());
    assert_eq!(made, Err(too_many.to_owned()));
}

/// How the source of a test behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Honest,
    /// Sends all, whatever was asked for.
    Whole,
    /// Sends all, but breaks off in the middle the first time.
    WholeBroken,
    /// Does not send parts.
    NoParts,
    /// Sends nothing but the whole file.
    NothingElse,
    /// Does not have such a file.
    Nothing,
    /// Does not send parts, and has dropped what was there when that turns out.
    StartsOver,
    /// Sends other bytes from this offset on, if parts are asked for.
    LiesAt(u64),
    /// Sends other bytes from this offset on, whatever is asked for.
    OtherFrom(u64),
    /// Fails at the second request.
    Breaks,
    /// Sends several parts at once.
    Several,
    /// Does so, but other bytes from this offset on.
    SeveralLieAt(u64),
    /// Does so, but the last one is short.
    SeveralShort,
    /// Does so, but not all of them.
    SeveralLess,
}

/// What became of an attempt: how the file came together, and how many bytes were sent.
type Outcome = Result<(Assembled, u64), String>;

fn attempt(
    source: Source,
    new: &(Vec<u8>, Index),
    olds: &[(Vec<u8>, Index)],
    file: &mut File,
) -> Outcome {
    let (bytes, index) = new;
    let mut found = Found::new(index);
    for (number, (_, old)) in (0..).zip(olds) {
        found.look_in(index, number, old.pieces());
    }
    let mut others: Vec<_> = olds.iter().map(|(old, _)| Cursor::new(old)).collect();
    let (sent, mut requests) = (Cell::new(0), 0);
    let mut several = |ranges: &[Range<u64>]| {
        let mut served = bytes.clone();
        let (lies_from, less, short) = match source {
            Source::Several => (served.len(), 0, 0),
            Source::SeveralLieAt(at) => (at as usize, 0, 0),
            Source::SeveralLess => (served.len(), 1, 0),
            Source::SeveralShort => (served.len(), 0, 1),
            _ => return None,
        };
        served[lies_from..].fill(0);
        let parts = ranges[less..].iter();
        let mut parts: Vec<_> = parts
            .map(|range| served[range.start as usize..range.end as usize].to_vec())
            .collect();
        let last = parts.last_mut().unwrap();
        last.truncate(last.len() - short);
        sent.set(sent.get() + parts.iter().map(|part| part.len() as u64).sum::<u64>());
        Some(parts)
    };
    let mut fetch = |ask: Ask, file: &mut File| {
        requests += 1;
        let before = file.metadata().unwrap().len();
        let mut served = bytes.clone();
        let lies_from = match (source, ask) {
            (Source::LiesAt(at), Ask::Part { .. }) | (Source::OtherFrom(at), _) => at as usize,
            _ => served.len(),
        };
        served[lies_from..].fill(0);
        let (start, end) = match (source, ask) {
            (Source::NoParts, Ask::Part { .. }) | (Source::Nothing, _) => {
                return Err(Refusal::Part("no parts"));
            }
            (Source::NothingElse, _) if before > 0 => return Err(Refusal::Part("no parts")),
            (Source::StartsOver, Ask::Part { .. }) => {
                file.set_len(0).unwrap();
                return Err(Refusal::Part("no parts"));
            }
            (Source::Breaks, _) if requests == 2 => return Err(Refusal::Final("broken")),
            (Source::WholeBroken, _) if requests == 1 => (0, served.len() * 2 / 3),
            (Source::Whole | Source::WholeBroken, _) => (0, served.len()),
            (_, Ask::Part { end }) => (before as usize, end as usize),
            (_, Ask::Rest) => (before as usize, served.len()),
        };
        sent.set(sent.get() + (end - start) as u64);
        file.set_len(start as u64).unwrap();
        file.seek(std::io::SeekFrom::End(0)).unwrap();
        file.write_all(&served[start..end]).unwrap();
        Ok(())
    };
    let made = assemble(index, &found, &mut others, file, &mut fetch, &mut several);
    let assembled = made.map_err(|error| error.to_string())?;
    let mut written = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut written).unwrap();
    assert!(written == *bytes, "{source:?}: another file");
    Ok((assembled, sent.get()))
}

#[test]
fn whatever_the_source_does() {
    let new = file_of(&[1, 2, 30, 4, 5, 60, 7]);
    let old = file_of(&[0, 1, 2, 4, 5, 7]);
    let length = new.0.len() as u64;
    let missing = 3300 + 3600;
    let known = length - missing;
    let other = format!("what came is another file, with the SHA-256 {}", {
        let mut bytes = new.0.clone();
        bytes[1000..].fill(0);
        let index = Index::of(&mut &bytes[..], length, &[]).unwrap();
        let digest = index.sha256().iter();
        digest.map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    let all = |kept, copied, requests, in_one| Assembled {
        kept,
        copied,
        requests,
        in_one,
    };
    // The first run is missing at 6030, the second at 15420.
    for (source, expected) in [
        (Source::Honest, Ok((all(0, known, 2, false), missing))),
        (Source::Whole, Ok((all(0, 6030, 1, true), length))),
        (
            Source::WholeBroken,
            Ok((all(0, 6030, 2, true), length * 2 / 3 + length)),
        ),
        (Source::NoParts, Ok((all(0, 0, 2, true), length))),
        (Source::NothingElse, Ok((all(0, 0, 2, true), length))),
        (Source::Nothing, Err("no parts".to_owned())),
        (Source::StartsOver, Ok((all(0, 0, 2, true), length))),
        (Source::LiesAt(0), Ok((all(0, 0, 2, true), 3300 + length))),
        (
            Source::LiesAt(16_000),
            Ok((all(0, 0, 3, true), 3300 + 3600 + length)),
        ),
        (Source::OtherFrom(1000), Err(other)),
        (Source::Breaks, Err("broken".to_owned())),
    ] {
        let found = attempt(source, &new, std::slice::from_ref(&old), &mut nameless());
        assert_eq!(found, expected, "{source:?}");
    }
}

/// Of every two blocks one is missing, 20 in all.
#[test]
fn several_ranges_are_asked_for_at_once() {
    let new = file_of(&(1..=40).collect::<Vec<_>>());
    let old = file_of(&(1..=40).filter(|seed| seed % 2 == 0).collect::<Vec<_>>());
    let length = new.0.len() as u64;
    let of_old = old.0.len() as u64;
    let missing = length - of_old;
    // Where the block of a seed begins.
    let start = |seed: u64| (1..seed).map(|seed| 3000 + seed * 10).sum::<u64>();
    let between = |from: u64, to: u64| {
        (from..to)
            .step_by(2)
            .map(|seed| 3000 + seed * 10)
            .sum::<u64>()
    };
    for (source, copied, requests, in_one, expected) in [
        // One, and then 8, 8 and 3 at once.
        (Source::Several, of_old, 4, false, missing),
        (Source::Honest, of_old, 21, false, missing),
        // The tenth comes with the second eight.
        (
            Source::SeveralLieAt(start(19)),
            0,
            4,
            true,
            between(1, 35) + length,
        ),
        // Then one by one, which lies not.
        (
            Source::SeveralShort,
            of_old,
            21,
            false,
            missing + between(3, 19) - 1,
        ),
        (
            Source::SeveralLess,
            of_old,
            21,
            false,
            missing + between(5, 19),
        ),
    ] {
        let found = attempt(source, &new, std::slice::from_ref(&old), &mut nameless());
        let (assembled, sent) = found.unwrap();
        let (kept, expected_assembled) = (0, (copied, requests, in_one));
        assert_eq!(assembled.kept, kept, "{source:?}");
        let found = (assembled.copied, assembled.requests, assembled.in_one);
        assert_eq!(found, expected_assembled, "{source:?}");
        assert_eq!(sent, expected, "{source:?}");
    }
    // A block that is damaged at home is fetched alone, and what came ahead is used after it.
    let mut damaged = old.clone();
    let at = 3020 + 3040 + 100;
    damaged.0[at] ^= 1;
    let (assembled, sent) = attempt(Source::Several, &new, &[damaged], &mut nameless()).unwrap();
    assert_eq!((assembled.requests, sent), (5, missing + 3060));
}

#[test]
fn what_was_left_is_continued() {
    let new = file_of(&[1, 2, 30, 4, 5, 60, 7]);
    let olds = [file_of(&[1, 2, 4, 5, 7])];
    let mut file = nameless();
    let broken = attempt(Source::Breaks, &new, &olds, &mut file);
    assert_eq!(broken, Err("broken".to_owned()));
    let left = file.metadata().unwrap().len();
    assert_eq!(left, 15_420);
    let (assembled, sent) = attempt(Source::Honest, &new, &olds, &mut file).unwrap();
    assert_eq!((assembled.kept, sent), (15_420, 3600));
    // What is wrong in it is not, nor what is too long.
    for (at, kept) in [(0, 0), (3010, 3010), (20_000, 19_020), (40_000, 22_090)] {
        let mut file = nameless();
        let mut bytes = new.0.clone();
        bytes.resize(bytes.len().max(at + 1), 0);
        bytes[at] ^= 1;
        file.write_all(&bytes).unwrap();
        let (assembled, _) = attempt(Source::Honest, &new, &olds, &mut file).unwrap();
        assert_eq!(assembled.kept, kept, "{at}");
    }
}

#[test]
fn a_damaged_file_costs_a_download() {
    let new = file_of(&[1, 2, 30, 4, 5, 60, 7]);
    let (whole, index) = file_of(&[1, 2, 4, 5, 7]);
    for (at, sent) in [
        (0, 3010 + 6900),
        (3500, 3020 + 6900),
        (7000, 3040 + 6900),
        (whole.len() - 1, 3070 + 6900),
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let old = (damaged, index.clone());
        let (_, found) = attempt(Source::Honest, &new, &[old], &mut nameless()).unwrap();
        assert_eq!(found, sent, "{at}");
    }
    // Nor does one that is cut off, or gone, bring other bytes.
    let old = (whole[..5000].to_vec(), index.clone());
    let (_, found) = attempt(Source::Honest, &new, &[old], &mut nameless()).unwrap();
    assert_eq!(found, new.0.len() as u64 - 3010);
    // Of several, each has something.
    let olds = [file_of(&[30, 2]), (whole, index), file_of(&[60])];
    let (assembled, found) = attempt(Source::Honest, &new, &olds, &mut nameless()).unwrap();
    assert_eq!((assembled.requests, found), (0, 0));
}

#[test]
fn an_index_that_lies_costs_a_download() {
    // All hashes are those of pieces that are at hand, and none is of the file.
    let (bytes, index) = file_of(&[1, 2, 30]);
    let (old, of_old) = file_of(&[1, 2, 30]);
    let mut other = bytes.clone();
    other[100] ^= 1;
    let digest = *Index::of(&mut &other[..], other.len() as u64, &[])
        .unwrap()
        .sha256();
    let mut lie = index.to_bytes();
    lie[16..48].copy_from_slice(&digest);
    let new = (other, Index::parse(&lie).unwrap());
    let length = new.0.len() as u64;
    let found = attempt(Source::Honest, &new, &[(old, of_old)], &mut nameless());
    let (assembled, sent) = found.unwrap();
    assert_eq!((assembled.requests, sent), (1, length));
}

#[test]
fn ranges_are_merged_and_bounded() {
    // A piece of 500 bytes that is at hand is fetched with what is around it; one of 1100 is not.
    for (between, requests, extra) in [(500, 1, 500), (1024, 1, 1024), (1100, 2, 0)] {
        let mut bytes = noise(1, 5000 + between + 5000);
        let blocks = [
            (0, 5000),
            (5000, between as u32),
            (5000 + between as u64, 5000),
        ];
        let blocks = blocks.map(|(start, length)| Block { start, length });
        let of = |bytes: &[u8]| Index::of(&mut &*bytes, bytes.len() as u64, &blocks).unwrap();
        let new = (bytes.clone(), of(&bytes));
        bytes[0] ^= 1;
        bytes[9000] ^= 1;
        let old = (bytes.clone(), of(&bytes));
        let (assembled, sent) = attempt(Source::Honest, &new, &[old], &mut nameless()).unwrap();
        assert_eq!(
            (assembled.requests, sent),
            (requests, 10_000 + extra),
            "{between}"
        );
    }
    // Nothing is at hand: 4 MiB at once.
    let bytes = noise(1, (9 << 20) + 1);
    let index = Index::of(&mut &bytes[..], bytes.len() as u64, &[]).unwrap();
    let (assembled, _) = attempt(Source::Honest, &(bytes, index), &[], &mut nameless()).unwrap();
    assert_eq!(assembled.requests, 3);
}
