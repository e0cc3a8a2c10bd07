//! Disk images against those of systemd-repart, and sfdisk as the judge of the table.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
extern crate judges;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use image::disk::{
    Guid, Hashed, Kinds, Partition, Proof, Protected, ProtectedDisk, Proved, ProvedBy, Table,
};
use image::squashfs::{Options, Packer, Workers};
use image::{Content, ContentId, Leaf, Stat, Tree};
use judges::{Need, cached};
use verity::{Certificate, SignatureBlock, SigningKey, Superblock};

fn main() -> std::process::ExitCode {
    judges::run()
}

/// Debian with systemd-repart 257.
const MKOSI: Need = cached("roots/mkosi");
/// Longer than the least partition that systemd-repart makes.
const DATA: usize = 1_503_232;

fn data() -> Vec<u8> {
    (0..DATA).map(|n| (n / 911 * 7) as u8).collect()
}

fn kinds() -> Kinds {
    let types = [
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
        "41092b05-9fc8-4523-994f-2def0408b176",
    ];
    Kinds {
        name: "root-x86-64".to_owned(),
        types: types.map(|text| Guid::parse(text).unwrap()),
    }
}

fn hashed(data: &[u8], salt: [u8; 32]) -> Hashed<Cursor<Vec<u8>>> {
    let mut disk = ProtectedDisk::new(Cursor::new(Vec::new()), salt);
    disk.write_all(data).unwrap();
    disk.hashed().unwrap()
}

fn partitions(disk: &[u8]) -> Vec<Partition> {
    let table = Table::read(&mut Cursor::new(disk)).unwrap();
    table.unwrap().partitions
}

fn proved(disk: &[u8], partitions: &[Partition]) -> Proved {
    let protected = Protected {
        data: &partitions[0],
        hashes: &partitions[1],
        signature: partitions.get(2),
    };
    protected.prove(&mut Cursor::new(disk)).unwrap()
}

fn bytes_of<'d>(disk: &'d [u8], partition: &Partition) -> &'d [u8] {
    &disk[partition.start as usize..][..partition.length as usize]
}

/// A directory for programs.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// The blocks of a file system on a disk are where they are on the disk.
#[test]
fn blocks_are_found_on_a_disk() {
    let options = Options {
        compressor: "zstd:1".parse().unwrap(),
        block_size: 4096,
        workers: Workers::new(1),
        mkfs_time: 0,
    };
    let mut packer = Packer::new(Cursor::new(Vec::new()), &options).unwrap();
    let (id, bytes) = (ContentId::new("content"), data());
    packer.add(&id, DATA as u64, &mut bytes.as_slice()).unwrap();
    let implicit = Stat::implicit_directory(0);
    let mut tree = Tree::new(implicit.clone());
    let size = DATA as u64;
    let leaf = Leaf {
        stat: Stat::default(),
        content: Content::File { size, id },
    };
    tree.insert_leaf("usr/file", leaf, &implicit).unwrap();
    let (packed, _) = packer.finish(&tree).unwrap();
    let plain = packed.into_inner();
    let expected = image::blocks(Cursor::new(&plain)).unwrap();
    assert!(expected.len() > 300, "{}", expected.len());

    let (disk, _) = hashed(&plain, [1; 32])
        .finish(&kinds(), &Proof::None)
        .unwrap();
    let found = image::blocks(Cursor::new(disk.get_ref())).unwrap();
    let shifted = |(start, length)| (start + 20_480, length);
    let shifted: Vec<_> = expected.into_iter().map(shifted).collect();
    assert_eq!(found, shifted);
    // Of what is not a SquashFS none are known.
    assert_eq!(image::blocks(Cursor::new(b"")).unwrap(), []);
    // One that is cut off is an error, and not one without blocks.
    image::blocks(Cursor::new(&plain[..plain.len() / 2])).unwrap_err();
}

#[test(program("sfdisk"))]
fn sfdisk_finds_no_fault_in_the_table() {
    let place = Place::new("disks-sfdisk");
    for (name, proof) in [("two", Proof::None), ("three", Proof::Later)] {
        let (disk, _) = hashed(&data(), [1; 32]).finish(&kinds(), &proof).unwrap();
        fs::write(place.path(name), disk.get_ref()).unwrap();
        let said = succeed(Command::new("sfdisk").arg("--verify").arg(place.path(name)));
        assert!(said.contains("No errors detected."), "{said}");
        let said = succeed(Command::new("sfdisk").arg("--dump").arg(place.path(name)));
        for line in [
            "first-lba: 34",
            "attrs=\"GUID:60\"",
            "start=          40, size=        2936",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
}

/// Damage of any kind is an error or found, and never more.
#[test]
fn damaged_disks_are_errors() {
    let block = SignatureBlock {
        root: [0; 32],
        fingerprint: [1; 32],
        signature: vec![2; 300],
    };
    let hashed = hashed(&[3; 8192], [1; 32]);
    let root = hashed.root();
    let block = SignatureBlock { root, ..block };
    let (disk, _) = hashed
        .finish(&kinds(), &Proof::Signed(block.clone()))
        .unwrap();
    let disk = disk.into_inner();
    let mut number = 1_u64;
    let mut random = |below: usize| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize % below
    };
    let count = 4000;
    for _ in 0..count {
        let mut changed = disk.clone();
        for _ in 0..=random(3) {
            // Half of them where structures are: the table, both superblocks.
            let at = match random(4) {
                0 => 512 + random(1024),
                1 => 20_480 + 8192 + random(512),
                _ => random(changed.len()),
            };
            match random(8) {
                0 => changed.truncate(at.max(1)),
                1 => changed[at..]
                    .iter_mut()
                    .take(8)
                    .for_each(|byte| *byte = 0xff),
                _ => changed[at] = random(256) as u8,
            }
            if changed.len() < disk.len() {
                break;
            }
        }
        let mut input = Cursor::new(&changed);
        let Some(table) = Table::read(&mut input).unwrap() else {
            continue;
        };
        if let [data, hashes, rest @ ..] = &table.partitions[..] {
            let protected = Protected {
                data,
                hashes,
                signature: rest.first(),
            };
            let Ok(proved) = protected.prove(&mut input) else {
                continue;
            };
            // What is good still has the same data. Whether a signature is good is asked later.
            assert_eq!(proved.root, root);
            assert_eq!(
                bytes_of(&changed, data),
                bytes_of(&disk, &partitions(&disk)[0])
            );
            if let ProvedBy::Signature(found) = proved.by {
                assert_eq!(found.root, root);
            }
        }
    }
}

/// Lets systemd-repart make a disk image of `data`, signed by a key that OpenSSL makes.
fn repart(place: &Path) {
    let partition = |kind: &str, role: &str, more: &str| {
        format!("[Partition]\nType={kind}\nVerity={role}\nVerityMatchKey=one\n{more}")
    };
    fs::create_dir(place.join("defs")).unwrap();
    for (name, text) in [
        (
            "1.conf",
            partition("root-x86-64", "data", "CopyBlocks=/w/data\n"),
        ),
        ("2.conf", partition("root-x86-64-verity", "hash", "")),
        (
            "3.conf",
            partition("root-x86-64-verity-sig", "signature", ""),
        ),
    ] {
        fs::write(place.join("defs").join(name), text).unwrap();
    }
    fs::write(place.join("data"), data()).unwrap();
    fs::create_dir(place.join("root")).unwrap();
    let script = "
        cd \"$1\"
        openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out one.crt -subj /O=test/CN=one
        mount -t tmpfs none root && mkdir root/up root/work root/new
        mount -t overlay -o lowerdir=\"$2\",upperdir=root/up,workdir=root/work none root/new
        mkdir root/new/w && mount --bind . root/new/w
        mount -t proc none root/new/proc && mount --rbind /dev root/new/dev
        chroot root/new systemd-repart --definitions=/w/defs --empty=create --size=auto --offline=yes \
            --dry-run=no --private-key=/w/key.pem --certificate=/w/one.crt /w/theirs";
    succeed(
        Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-euc", script, "sh"])
            .arg(place)
            .arg(MKOSI.path()),
    );
}

#[test(MKOSI, root(), programs!("unshare", "mount", "chroot", "openssl"))]
fn partitions_are_those_of_systemd_repart() {
    let place = Place::new("disks-repart");
    repart(&place.0);
    let theirs = fs::read(place.path("theirs")).unwrap();
    let their_parts = partitions(&theirs);
    let superblock = Superblock::parse(bytes_of(&theirs, &their_parts[1])).unwrap();
    let key = SigningKey::parse(&fs::read(place.path("key.pem")).unwrap(), "key", None).unwrap();
    let certificates = fs::read(place.path("one.crt")).unwrap();
    let certificates = Certificate::parse_all(&certificates, "one.crt").unwrap();

    let hashed = hashed(&data(), superblock.salt.as_slice().try_into().unwrap());
    let block = SignatureBlock::sign(hashed.root(), &key, &certificates[0]).unwrap();
    let (ours, _) = hashed
        .finish(&kinds(), &Proof::Signed(block.clone()))
        .unwrap();
    let ours = ours.into_inner();
    let our_parts = partitions(&ours);

    // The old kind's record but for the disk's length, and the header but for lengths, sums and UUID.
    assert_eq!(ours[..458], theirs[..458]);
    assert_eq!(ours[462..528], theirs[462..528]);
    assert_eq!(ours[532..544], theirs[532..544]);
    assert_eq!(ours[552..560], theirs[552..560]);
    assert_eq!(ours[584..600], theirs[584..600]);
    for (number, (our, their)) in our_parts.iter().zip(&their_parts).enumerate() {
        assert_eq!((our.kind, &our.label), (their.kind, &their.label));
        // Version 257 leaves out the flag of the last one, which 262 has.
        assert_eq!(our.flags, 1 << 60);
        assert!(our.flags == their.flags || number == 2 && their.flags == 0);
        let (our_bytes, their_bytes) = (bytes_of(&ours, our), bytes_of(&theirs, their));
        // Theirs has a least length.
        let (their_bytes, rest) = their_bytes.split_at(our_bytes.len());
        assert!(rest.iter().all(|byte| *byte == 0), "{number}");
        let ids = if number == 2 {
            None
        } else {
            Some((our.id, their.id))
        };
        assert!(ids.is_none_or(|(our, their)| our == their), "{number}");
        let uuid = if number == 1 { 16..32 } else { 0..0 };
        assert!(
            our_bytes[..uuid.start] == their_bytes[..uuid.start],
            "{number}"
        );
        assert!(our_bytes[uuid.end..] == their_bytes[uuid.end..], "{number}");
    }
    for (disk, parts) in [(&ours, &our_parts), (&theirs, &their_parts)] {
        let ProvedBy::Signature(found) = proved(disk, parts).by else {
            panic!("it is signed");
        };
        assert_eq!(found, block);
        found.verify(&certificates).unwrap();
    }
}
