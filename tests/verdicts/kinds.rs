//! Images of other kinds than SquashFS.

use super::Damage::Packed;
use super::{Case, damaged};

/// Makes a disk image: `disk IMAGE [TYPE FILE]...`, with a partition of each type that holds a file.
pub const DISK: &str = "
    disk() {
        image=$1; shift; rm -f $image; truncate -s 16M $image; script='label: gpt'; start=2048; files=
        while [ $# -gt 0 ]; do
            size=$(( ($(stat -c %s $2) + 511) / 512 ))
            script=$script'\n'\"start=$start, size=$size, type=$1\"; files=\"$files $start:$2\"
            start=$(( (start + size + 2048) / 2048 * 2048 )); shift 2
        done
        printf \"$script\\n\" | sfdisk -q $image >&2
        for file in $files; do dd if=${file#*:} of=$image bs=512 seek=${file%%:*} conv=notrunc status=none; done
    }
    squashfs() { rm -f $2; mksquashfs $1 $2 -quiet $3 $4 >&2; }
    ext4() { rm -f $2; truncate -s 4M $2; mke2fs -q -t ${3:-ext4} -d $1 $2; }
    root=4f68bce3-e8cd-4db1-96e7-fbcaf984b709 usr=8484680c-9521-48c6-9c11-b0720656f69e
    verity=2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 arm64=b921b045-1df0-41c3-af44-4c6f280d3fae
    linux=0fc63daf-8483-4772-8e79-3d69d8477de4 esp=c12a7328-f81f-11d2-ba4b-00a0c93ec93b
    home=933ac7e1-2eb4-4f13-b844-0e14e2aef915
";

/// A good image, packed in another way, by a shell command that makes "$1" of the tree "$2".
pub fn packed(about: &'static str, command: &'static str) -> Case {
    damaged(about, Packed(command))
}

/// Images of other kinds than SquashFS.
pub fn other_kinds() -> Vec<Case> {
    vec![
        packed("lzo", "squashfs $2 $1 -comp lzo"),
        packed("erofs", "mkfs.erofs --quiet $1 $2"),
        packed(
            "erofs, compressed",
            "seq 30000 > $2/usr/bin/n; mkfs.erofs --quiet -zlz4hc $1 $2",
        ),
        packed(
            "erofs, cut",
            "seq 30000 > $2/usr/bin/n; mkfs.erofs --quiet $1 $2; truncate -s -8192 $1",
        ),
        packed(
            "erofs, one sector less",
            "seq 30000 > $2/usr/bin/n; mkfs.erofs --quiet $1 $2; truncate -s -512 $1",
        ),
        packed(
            "erofs, odd",
            "mkfs.erofs --quiet $1 $2; head -c 100 /dev/zero >> $1",
        ),
        packed("ext4", "ext4 $2 $1"),
        packed("ext2", "ext4 $2 $1 ext2"),
        packed("ext3", "ext4 $2 $1 ext3"),
        packed("ext4, cut", "ext4 $2 $1; truncate -s -4096 $1"),
        packed("ext4, odd", "ext4 $2 $1; head -c 100 /dev/zero >> $1"),
        packed("disk, squashfs", "squashfs $2 f; disk $1 $root f"),
        packed("disk, erofs", "mkfs.erofs --quiet f $2; disk $1 $root f"),
        packed("disk, ext4", "ext4 $2 f; disk $1 $root f"),
        packed("disk, ext2", "ext4 $2 f ext2; disk $1 $root f"),
        packed(
            "disk, ext4 cut",
            "ext4 $2 f; truncate -s -4096 f; disk $1 $root f",
        ),
        packed("disk, usr", "squashfs $2/usr f; disk $1 $usr f"),
        packed(
            "disk, usr and root",
            "squashfs $2/usr f; squashfs $2 g; disk $1 $usr f $root g",
        ),
        packed(
            "disk, usr over an empty one",
            "squashfs $2/usr f; mkdir -p e/usr; squashfs e g; disk $1 $usr f $root g",
        ),
        packed(
            "disk, empty usr over one",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $usr g $root f",
        ),
        packed(
            "disk, usr and a broken root",
            "squashfs $2/usr f; head -c 1M /dev/zero > g; disk $1 $usr f $root g",
        ),
        packed(
            "disk, only other architecture",
            "squashfs $2 f; disk $1 $arm64 f",
        ),
        packed(
            "disk, other architecture, too",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $arm64 g $root f",
        ),
        packed("disk, generic", "squashfs $2 f; disk $1 $linux f"),
        packed(
            "disk, generic and root",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $linux g $root f",
        ),
        packed(
            "disk, generic and home",
            "squashfs $2 f; disk $1 $home f $linux f",
        ),
        packed(
            "disk, two generic",
            "squashfs $2 f; disk $1 $linux f $linux f",
        ),
        packed(
            "disk, two roots",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $root f $root g",
        ),
        packed(
            "disk, a verity partition without verity",
            "squashfs $2 f; head -c 8192 /dev/zero > g; disk $1 $root f $verity g",
        ),
        packed(
            "disk, verity alone",
            "head -c 8192 /dev/zero > g; disk $1 $verity g",
        ),
        packed("disk, no partitions", "disk $1"),
        packed("disk, home alone", "squashfs $2 f; disk $1 $home f"),
        packed(
            "disk, home and root",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $home g $root f",
        ),
        packed(
            "disk, esp and root",
            "squashfs $2 f; head -c 1M /dev/zero > g; disk $1 $esp g $root f",
        ),
        packed(
            "disk, empty root",
            "head -c 1M /dev/zero > g; disk $1 $root g",
        ),
        packed(
            "disk, root without usr",
            "mkdir e; squashfs e g; disk $1 $root g",
        ),
        packed(
            "disk, no-auto",
            "squashfs $2 f; disk $1 $root f; sfdisk -q --part-attrs $1 1 GUID:63",
        ),
        packed(
            "disk, growfs",
            "squashfs $2 f; disk $1 $root f; sfdisk -q --part-attrs $1 1 GUID:59",
        ),
        packed(
            "disk, first copy gone",
            "squashfs $2 f; disk $1 $root f; dd if=/dev/zero of=$1 bs=512 seek=1 count=1 conv=notrunc status=none",
        ),
        packed(
            "disk, second copy gone",
            "squashfs $2 f; disk $1 $root f; truncate -s -512 $1",
        ),
        packed(
            "disk, odd",
            "squashfs $2 f; disk $1 $root f; head -c 100 /dev/zero >> $1",
        ),
        packed(
            "disk, older table",
            "squashfs $2 f; truncate -s 4M $1; printf 'label: dos\\nstart=2048, type=83\\n' | sfdisk -q $1 >&2; dd if=f of=$1 bs=512 seek=2048 conv=notrunc status=none",
        ),
        packed(
            "disk, no protective record",
            "squashfs $2 f; disk $1 $root f; dd if=/dev/zero of=$1 bs=512 count=1 conv=notrunc status=none",
        ),
        packed(
            "disk, squashfs cut",
            "seq 30000 > $2/usr/bin/n; squashfs $2 f; truncate -s -4096 f; disk $1 $root f",
        ),
        packed("disk, lzma", "squashfs $2 f -comp lzma; disk $1 $root f"),
    ]
}
