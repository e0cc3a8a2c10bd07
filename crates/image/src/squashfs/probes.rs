//! Marks of other file systems and partition tables that must not appear in an image.
//!
//! An image is told to be SquashFS by its first four bytes. But programs that probe it (`blkid`,
//! and through it `systemd-dissect` and `systemd-sysext`) looks for every file system it knows,
//! each at its own offset, and refuses an image that could be two things. File contents that are
//! stored as they are would let a package put such a mark there, by chance or on purpose; the
//! output therefore moves a block that would show one.
//!
//! The marks are those in util-linux's `libblkid/src/superblocks/*.c` and
//! `libblkid/src/partitions/*.c` (2.43) whose offset is at or behind the superblock and in the
//! first 128 KiB. GPT headers are also looked for at larger sector sizes by systemd
//! (`src/shared/dissect-image.c`, `probe_sector_size`). Left out are the marks farther in, and
//! those counted from the end of the device, where there are tables and not file contents.

/// No mark is at or behind this offset.
pub(super) const PROBED_END: u64 = 0x2_0006;

/// Marks that are looked for at the same offsets: the offsets in the image, and the bytes there.
type Marks = (&'static [u64], &'static [&'static [u8]]);

const MARKS: &[Marks] = &[
    // bsd.c
    (&[128, 512], &[b"\x57\x45\x56\x82"]),
    // sun.c
    (&[508], &[b"\xda\xbe"]),
    // dos.c and others: the end of a boot sector
    (&[510], &[b"\x55\xaa"]),
    // gpt.c; dissect-image.c
    (&[512, 1024, 2048, 4096], &[b"EFI PART"]),
    // stratis.c
    (&[516, 4612], &[b"!Stra0tis\x86\xff\x02^\x41rh"]),
    // solaris_x86.c
    (&[524], &[b"\xee\xde\x0d\x60"]),
    // lvm.c
    (&[536, 1048, 1560], &[b"LVM2 001"]),
    // befs.c
    (&[544], &[b"BFS1", b"1SFB"]),
    // sysv.c
    (
        &[1016, 10_232, 16_376, 19_448],
        &[b"\x20\x7e\x18\xfd", b"\xfd\x18\x7e\x20"],
    ),
    (&[2048], &[b"\x2b\x55\x44", b"\x44\x55\x2b"]),
    // erofs.c, f2fs.c, hfs.c, vxfs.c
    (
        &[1024],
        &[
            b"\xe2\xe1\xf5\xe0",
            b"\x10\x20\xf5\xf2",
            b"BD",
            b"H+",
            b"HX",
            b"\xf5\xfc\x01\xa5",
        ],
    ),
    (&[8192], &[b"\xa5\x01\xfc\xf5"]),
    // nilfs.c
    (&[1030], &[b"\x34\x34"]),
    // minix.c
    (
        &[1040],
        &[
            b"\x7f\x13",
            b"\x8f\x13",
            b"\x13\x7f",
            b"\x13\x8f",
            b"\x68\x24",
            b"\x78\x24",
            b"\x24\x68",
            b"\x24\x78",
        ],
    ),
    (&[1048], &[b"\x5a\x4d", b"\x4d\x5a"]),
    // ext.c
    (&[1080], &[b"\x53\xef"]),
    // ufs.c: six magic numbers, each in both byte orders
    (
        &[1372, 9564, 66_908],
        &[
            b"\x54\x19\x01\x00",
            b"\x00\x01\x19\x54",
            b"\x19\x01\x54\x19",
            b"\x19\x54\x01\x19",
            b"\x12\x56\x19\x00",
            b"\x00\x19\x56\x12",
            b"\x14\x50\x09\x00",
            b"\x00\x09\x50\x14",
            b"\x95\x21\x61\x00",
            b"\x00\x61\x21\x95",
            b"\x94\x19\x23\x05",
            b"\x05\x23\x19\x94",
        ],
    ),
    // ocfs.c
    (&[1024, 2048, 4096, 8192], &[b"OCFSV2"]),
    (&[8192], &[b"OracleCFS"]),
    // swap.c: the end of a page, of 4 to 64 KiB
    (
        &[4086, 8182, 16_374, 32_758, 65_526],
        &[
            b"SWAP-SPACE",
            b"SWAPSPACE2",
            b"S1SUSPEND",
            b"S2SUSPEND",
            b"ULSUSPEND",
            b"LINHIB0001",
        ],
    ),
    // linux_raid.c, version 1.2; netware.c
    (&[4096], &[b"\xfc\x4e\x2b\xa9", b"SPB5"]),
    // bcache.c: bcache, bcachefs
    (
        &[4120],
        &[
            b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
            b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
        ],
    ),
    // highpoint_raid.c
    (&[4640], &[b"\xf0\x16\x78\x5a", b"\xfd\x16\x78\x5a"]),
    // hpfs.c
    (&[8192], &[b"\x49\xe8\x95\xf9"]),
    // reiserfs.c
    (&[8212, 8244, 65_588], &[b"ReIsErFs"]),
    (&[65_536], &[b"ReIsEr4"]),
    (&[65_588], &[b"ReIsEr2Fs", b"ReIsEr3Fs"]),
    // unixware.c: where the label is, and where libblkid looks for it
    (&[14_852, 29_174], &[b"\x0d\x60\xe5\xca"]),
    // ultrix.c
    (&[16_312], &[b"\x57\x29\x03", b"\x02\x29\x57"]),
    // luks.c: second headers
    (&[0x4000, 0x8000, 0x1_0000, 0x2_0000], &[b"SKUL\xba\xbe"]),
    // jfs.c
    (&[32_768], &[b"JFS1"]),
    // iso9660.c, udf.c
    (
        &[32_769],
        &[
            b"CD001", b"BEA01", b"BOOT2", b"CDW02", b"NSR02", b"NSR03", b"TEA01",
        ],
    ),
    (&[32_777], &[b"CDROM"]),
    // gfs.c
    (&[65_536], &[b"\x01\x16\x19\x70"]),
    // scoutfs.c
    (&[65_540], &[b"\x8b\x42\x3c\x10"]),
    // btrfs.c
    (&[65_600], &[b"_BHRfS_M"]),
];

/// Returns each mark with each of its offsets.
fn marks() -> impl Iterator<Item = (u64, &'static [u8])> {
    MARKS.iter().flat_map(|(offsets, marks)| {
        offsets
            .iter()
            .flat_map(|offset| marks.iter().map(|mark| (*offset, *mark)))
    })
}

/// Says whether a mark shows when `bytes` are put `gap` zero bytes behind `head`, which is the
/// image so far. Marks that are in `head` alone are not looked for.
pub(super) fn shows_mark(head: &[u8], gap: u64, bytes: &[u8]) -> bool {
    let head_end = head.len() as u64;
    let start = head_end + gap;
    let byte_at = |offset: u64| -> Option<u8> {
        if offset < head_end {
            usize::try_from(offset)
                .ok()
                .and_then(|at| head.get(at).copied())
        } else if offset < start {
            Some(0)
        } else {
            usize::try_from(offset - start)
                .ok()
                .and_then(|at| bytes.get(at).copied())
        }
    };
    marks().any(|(offset, mark)| {
        offset + mark.len() as u64 > head_end
            && (offset..)
                .zip(mark)
                .all(|(offset, byte)| byte_at(offset) == Some(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::format::SUPERBLOCK_SIZE;

    #[test]
    fn every_mark_is_behind_the_superblock_and_before_the_end() {
        for (offset, mark) in marks() {
            assert!(offset >= SUPERBLOCK_SIZE as u64, "{offset}");
            assert!(offset + mark.len() as u64 <= PROBED_END, "{offset}");
        }
    }

    #[test]
    fn marks_are_seen_across_borders() {
        let mut bytes = vec![0xff; 2000];
        bytes[1080 - 96..1082 - 96].copy_from_slice(b"\x53\xef");
        let head = [0; 96];
        assert!(shows_mark(&head, 0, &bytes));
        assert!(!shows_mark(&head, 1, &bytes));
        // The first byte of the mark is in the head, the other one in the bytes.
        let mut head = vec![0; 1081];
        head[1080] = 0x53;
        assert!(shows_mark(&head, 0, b"\xef"));
        assert!(!shows_mark(&head, 1, b"\xef"));
        assert!(!shows_mark(&head, 0, b""));
        // A mark that begins with zeros may begin in the gap.
        assert!(shows_mark(&[0xff; 1000], 373, b"\x01\x19\x54"));
    }
}
