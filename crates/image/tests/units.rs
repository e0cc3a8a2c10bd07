//! What was packed once goes into another image as it is.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use image::squashfs::{Error, Image, Options, Packer, Unit, Workers};
use image::{Content, ContentId, Leaf, Stat, Tree, Visit};
use sha2::{Digest as _, Sha256};

const BLOCK: u32 = 4096;

/// Units with their bytes, by the ids of their first contents.
type Kept = BTreeMap<String, (Unit, Vec<u8>)>;

/// Contents by their packages.
type Packages = Vec<Vec<Vec<u8>>>;

fn options(workers: usize) -> Options {
    Options {
        compressor: "zstd:3".parse().unwrap(),
        block_size: BLOCK,
        workers: Workers::new(workers),
        mkfs_time: 1,
    }
}

fn id(bytes: &[u8]) -> ContentId {
    ContentId::sha256(&Sha256::digest(bytes).into())
}

/// Three packages of small, large and empty-handed contents, none like another.
fn packages() -> Packages {
    let content = |package: u64, file: u64| {
        let length = match file % 9 {
            0 => 3 * u64::from(BLOCK) + file,
            1 => 2 * u64::from(BLOCK),
            _ => 100 + 17 * file,
        };
        let mut state = package * 1000 + file + 1;
        let mut byte = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Half of the bits, so that there is something to compress; and a hole.
            match file % 9 {
                1 => 0,
                _ => (state >> 60) as u8,
            }
        };
        let mut bytes: Vec<u8> = (0..length).map(|_| byte()).collect();
        bytes[0] = package as u8;
        bytes[1] = file as u8;
        bytes
    };
    let package = |package| (0..60).map(|file| content(package, file)).collect();
    (1..4).map(package).collect()
}

fn tree(packages: &Packages) -> Tree {
    let directory = Stat::implicit_directory(1);
    let mut tree = Tree::new(directory.clone());
    for (number, bytes) in packages.iter().flatten().enumerate() {
        let leaf = Leaf {
            stat: Stat::default(),
            content: Content::File {
                size: bytes.len() as u64,
                id: id(bytes),
            },
        };
        let path = format!("usr/{number:04}");
        tree.insert_leaf(path, leaf, &directory).unwrap();
    }
    tree
}

/// Packs, taking from `kept` what is there; returns the image and the units with their bytes.
fn pack(packages: &Packages, workers: usize, kept: &Kept) -> (Vec<u8>, Kept, usize) {
    let mut packer = Packer::new(Cursor::new(Vec::new()), &options(workers)).unwrap();
    let mut taken = 0;
    for package in packages {
        for bytes in package {
            let id = id(bytes);
            if packer.contains(&id) {
                continue;
            }
            let size = bytes.len() as u64;
            if packer.pass(&id, size).unwrap() {
                continue;
            }
            let filling = packer.filling();
            let begins = !filling.is_small(size) || filling.is_empty() || filling.is_full_for(size);
            match kept.get(&id.to_string()).filter(|_| begins) {
                Some((unit, bytes)) => {
                    packer.put(unit, &mut bytes.as_slice()).unwrap();
                    let is_shared = filling.is_small(size);
                    assert_eq!(packer.pass(&id, size).unwrap(), is_shared);
                    taken += 1;
                }
                None => packer.add(&id, size, &mut bytes.as_slice()).unwrap(),
            }
        }
        packer.end_package().unwrap();
    }
    let finished = packer.finish_with_units(&tree(packages)).unwrap();
    let (out, units) = (finished.out, finished.units);
    let image = out.into_inner();
    let mut found = BTreeMap::new();
    let collected = units.each(&mut |start, unit| {
        let range = start as usize..(start + unit.stored()) as usize;
        let bytes = image[range].to_vec();
        found.insert(unit.contents[0].0.to_string(), (unit, bytes));
        Ok::<_, ()>(())
    });
    collected.unwrap();
    (image, found, taken)
}

#[test]
fn an_image_of_units_is_the_same_image() {
    let packages = packages();
    let (image, units, taken) = pack(&packages, 1, &BTreeMap::new());
    assert_eq!(taken, 0);
    for workers in [1, 3] {
        let (again, same, taken) = pack(&packages, workers, &units);
        assert!(again == image && same == units, "{workers} workers");
        assert_eq!(taken, units.len());
    }
    // Whichever of them is not there is made again.
    for missing in 0..4 {
        let some: BTreeMap<_, _> = (units.clone().into_iter().enumerate())
            .filter(|(number, _)| number % 4 != missing)
            .map(|(_, unit)| unit)
            .collect();
        let (again, _, taken) = pack(&packages, 2, &some);
        assert!(again == image, "without every fourth, from {missing}");
        assert_eq!(taken, some.len());
    }
}

/// A file that grows moves what is in the block with it, and few others.
#[test]
fn a_change_stays_where_it_is() {
    let packages = packages();
    let (_, before, _) = pack(&packages, 1, &BTreeMap::new());
    let mut changed = packages.clone();
    changed[1][20].extend([7; 40]);
    let (_, after, _) = pack(&changed, 1, &BTreeMap::new());
    let is_new = |(key, unit): &(&String, &(Unit, Vec<u8>))| before.get(*key) != Some(unit);
    let new = after.iter().filter(is_new).count();
    assert!((1..=4).contains(&new), "{new} of {} units", after.len());
    let of_others = packages[0].iter().chain(&packages[2]);
    let same = of_others.filter(|bytes| {
        after
            .get(&id(bytes).to_string())
            .is_some_and(|unit| before.get(&id(bytes).to_string()) == Some(unit))
    });
    let known = before.len();
    assert!(same.count() * 3 > known, "units of the other packages stay");
}

#[test]
fn what_is_not_a_unit_is_refused() {
    let packages = packages();
    let (_, units, _) = pack(&packages, 1, &BTreeMap::new());
    let large = units
        .values()
        .find(|(unit, _)| unit.words.len() == 4)
        .unwrap();
    let shared = units
        .values()
        .find(|(unit, _)| unit.contents.len() > 1)
        .unwrap();
    type Change = fn(&mut Unit, &mut Vec<u8>);
    type Case<'a> = (&'a str, &'a (Unit, Vec<u8>), Change);
    let cases: [Case<'_>; 7] = [
        ("a block less", large, |unit, _| unit.words.truncate(3)),
        ("a block more", large, |unit, _| unit.words.push(1)),
        ("a longer block", large, |unit, _| unit.words[0] = BLOCK + 1),
        ("bytes missing", large, |_, bytes| bytes.truncate(9)),
        ("a second content", large, |unit, _| {
            unit.contents.push((ContentId::new("x"), 1))
        }),
        ("a hole", shared, |unit, _| unit.words[0] = 0),
        ("too much in a block", shared, |unit, _| {
            unit.contents.push((ContentId::new("x"), 4000))
        }),
    ];
    for (case, (unit, bytes), change) in cases {
        let (mut unit, mut bytes) = (unit.clone(), bytes.clone());
        change(&mut unit, &mut bytes);
        let mut packer = Packer::new(Cursor::new(Vec::new()), &options(1)).unwrap();
        let refused = packer.put(&unit, &mut bytes.as_slice());
        assert!(matches!(refused, Err(Error::Unit)), "{case}");
        let after = packer.add(&ContentId::new("y"), 1, &mut &b"y"[..]);
        assert!(matches!(after, Err(Error::Abandoned)), "{case}");
    }
    let (unit, bytes) = shared;
    let mut packer = Packer::new(Cursor::new(Vec::new()), &options(1)).unwrap();
    packer.put(unit, &mut bytes.as_slice()).unwrap();
    for (id, size) in &unit.contents {
        assert!(packer.pass(id, *size).unwrap());
    }
    assert!(!packer.pass(&ContentId::new("y"), 1).unwrap());
    let twice = packer.put(unit, &mut bytes.as_slice());
    assert!(matches!(twice, Err(Error::ContentKnown(_))));
    // Another content comes where one of the block should, or the end does.
    type Next = fn(Packer<Cursor<Vec<u8>>>) -> Result<(), Error>;
    let after = |next: Next| {
        let mut packer = Packer::new(Cursor::new(Vec::new()), &options(1)).unwrap();
        packer.put(unit, &mut bytes.as_slice()).unwrap();
        next(packer)
    };
    let passed = after(|mut packer| packer.pass(&ContentId::new("y"), 1).map(drop));
    let added = after(|mut packer| packer.add(&ContentId::new("y"), 1, &mut &b"y"[..]));
    let ended = after(|packer| {
        packer
            .finish(&Tree::new(Stat::implicit_directory(1)))
            .map(drop)
    });
    for refused in [passed, added, ended] {
        assert!(matches!(refused, Err(Error::Unit)));
    }
}

#[test]
fn contents_are_read_back_and_others_follow() {
    let packages = packages();
    let ids: Vec<_> = packages.iter().flatten().map(|bytes| id(bytes)).collect();
    let more: Vec<Vec<u8>> = vec![
        b"made of the others".to_vec(),
        vec![7; 3 * BLOCK as usize + 1],
    ];
    let mut images = Vec::new();
    for workers in [1, 3] {
        let mut packer = Packer::new(Cursor::new(Vec::new()), &options(workers)).unwrap();
        for bytes in packages.iter().flatten() {
            let size = bytes.len() as u64;
            packer.add(&id(bytes), size, &mut bytes.as_slice()).unwrap();
        }
        let mut seen = Vec::new();
        let unknown = [ContentId::new("unknown")];
        let wanted: Vec<_> = unknown.iter().chain(&ids).cloned().collect();
        let mut packer = packer
            .look_back(&wanted, &mut |one, bytes| seen.push((one.clone(), bytes)))
            .unwrap();
        let expected = packages
            .iter()
            .flatten()
            .map(|bytes| (id(bytes), bytes.clone()));
        assert!(seen == expected.collect::<Vec<_>>());
        for bytes in &more {
            let size = bytes.len() as u64;
            packer.add(&id(bytes), size, &mut bytes.as_slice()).unwrap();
        }
        let mut all = packages.clone();
        all.push(more.clone());
        let (out, summary) = packer.finish(&tree(&all)).unwrap();
        let bytes = out.into_inner();
        let mut image = Image::open(Cursor::new(bytes.clone())).unwrap();
        let stored = image.tree().unwrap();
        for (number, expected) in all.iter().flatten().enumerate() {
            let Some(Visit::Leaf(_, leaf)) = stored.get(format!("usr/{number:04}")) else {
                panic!("{number} is not there");
            };
            let Content::File { id, .. } = &leaf.content else {
                panic!("{number} is no file");
            };
            let mut found = Vec::new();
            image.content(id).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == *expected, "{number}");
        }
        images.push((bytes, summary));
    }
    assert!(
        images[0] == images[1],
        "the number of workers is in the bytes"
    );
}
