//! The file systems of an image file: one that is the whole file, or those of a disk's partitions.

use std::fs::File;
use std::io::{self, Read};

use clients::{Container, Designator, FileSystem, Mounted, NotMounted};
use image::disk::{Partition, Table};
use image::foreign;
use image::squashfs::Image;
use image::{Content, Kind, Section, Stored, Tree, Visit};

use verity::{MAX_SIGNATURE_SIZE, SignatureBlock};

use super::is_refusal;

/// Size of the sectors of disks that are read, in bytes.
const SECTOR: u64 = 512;

/// What is in an image file.
pub struct Opened {
    /// How its bytes are arranged.
    pub container: Container,
    /// The partitions of a disk.
    pub partitions: Vec<clients::Partition>,
    /// The file systems, where they could be read: that of `/` before that of `/usr`.
    pub systems: Vec<System>,
    /// What proves a disk with one file system.
    pub signature: Option<SignatureBlock>,
}

/// A file system.
pub struct System {
    /// The tree, seen from `/`.
    pub tree: Tree,
    /// The way to its contents.
    pub reader: Box<dyn Stored>,
    /// All contents are stored in a form that is read.
    pub is_plain: bool,
}

impl Opened {
    /// Makes one of which nothing could be opened.
    fn closed(container: Container) -> Self {
        Self {
            container,
            partitions: Vec::new(),
            systems: Vec::new(),
            signature: None,
        }
    }
}

/// Says whether a partition starts with hashes of dm-verity. Clients take one that doesn't for none.
pub fn has_hashes(partition: impl Read) -> io::Result<bool> {
    let mut start = Vec::new();
    partition
        .take(verity::MARK.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == verity::MARK)
}

/// Looks into a file. Errors are those of the file, not of what is in it.
pub fn open(mut file: File, architecture: Option<&str>) -> io::Result<Opened> {
    match Kind::of(&mut file)? {
        Kind::Disk(table) => open_disk(&file, &table, architecture),
        kind => Ok(match open_one(kind, Section::whole(file)?)? {
            Ok((found, system)) => Opened {
                container: Container::FileSystems(vec![found]),
                partitions: Vec::new(),
                systems: system.into_iter().collect(),
                signature: None,
            },
            Err(container) => Opened::closed(container),
        }),
    }
}

/// A partition that clients mount.
pub struct Part<'t> {
    /// The partition.
    pub data: &'t Partition,
    /// That with its hashes.
    pub hashes: Option<&'t Partition>,
    /// That with their signature.
    pub signature: Option<&'t Partition>,
}

/// Returns the partitions that clients mount, the one that is mounted first before the others; none
/// where that can't be told.
pub fn mounted_parts<'t>(table: &'t Table, architecture: Option<&str>) -> Vec<Part<'t>> {
    let mounted = clients::mounted(&partitions_of(table), architecture).unwrap_or_default();
    let of = |index: Option<usize>| index.and_then(|index| table.partitions.get(index));
    let parts = mounted.into_iter().filter_map(|found| {
        Some(Part {
            data: table.partitions.get(found.index)?,
            hashes: of(found.hashes),
            signature: of(found.signature),
        })
    });
    parts.collect()
}

fn partitions_of(table: &Table) -> Vec<clients::Partition> {
    let partitions = table.partitions.iter();
    let one = |partition: &Partition| clients::Partition {
        kind: partition.kind.to_string(),
        label: partition.label.clone(),
        flags: partition.flags,
    };
    partitions.map(one).collect()
}

fn open_disk(file: &File, table: &Table, architecture: Option<&str>) -> io::Result<Opened> {
    if table.sector_size != SECTOR {
        return Ok(Opened::closed(Container::Unread(format!(
            "is a disk with sectors of {} bytes, which is not read here",
            table.sector_size
        ))));
    }
    if table.is_contradicted(&mut file.try_clone()?)? {
        let words =
            "has a table of partitions and a copy of it that programs read in different ways";
        return Ok(Opened::closed(Container::Unread(words.to_owned())));
    }
    let partitions = partitions_of(table);
    let mounted = match clients::mounted(&partitions, architecture) {
        Ok(mounted) => mounted,
        Err(NotMounted::Refused(words)) => return Ok(Opened::closed(Container::Broken(words))),
        Err(NotMounted::Unread(words)) => return Ok(Opened::closed(Container::Unread(words))),
    };
    let section = |index: usize| {
        let partition = &table.partitions[index];
        Section::new(file.try_clone()?, partition.start, partition.length)
    };
    let (mut all, mut systems, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
    for Mounted {
        index,
        designator,
        protection,
        hashes,
        signature,
    } in mounted
    {
        let mut part = section(index)?;
        let (found, system) = match open_one(Kind::of(&mut part)?, part)? {
            Ok(opened) => opened,
            Err(container) => return Ok(Opened::closed(container)),
        };
        let has_hashes = match hashes {
            Some(hashes) => has_hashes(section(hashes)?)?,
            None => false,
        };
        let mut block = None;
        if let Some(signature) = signature {
            let mut bytes = Vec::new();
            let most = MAX_SIGNATURE_SIZE as u64 + 1;
            section(signature)?.take(most).read_to_end(&mut bytes)?;
            block = SignatureBlock::parse(&bytes).ok().flatten();
        }
        all.push(FileSystem {
            designator,
            protection,
            has_hashes,
            has_signature: block.is_some(),
            ..found
        });
        blocks.push(block);
        systems.extend(system.map(|system| match designator {
            Designator::Root => system,
            Designator::Usr => System {
                tree: system.tree.as_usr(),
                ..system
            },
        }));
    }
    Ok(Opened {
        container: Container::FileSystems(all),
        partitions,
        systems,
        signature: blocks.pop().flatten().filter(|_| blocks.is_empty()),
    })
}

type One = Result<(FileSystem, Option<System>), Container>;

/// Opens a file system; one that can't be mounted is not read.
fn open_one(kind: Kind, section: Section<File>) -> io::Result<One> {
    let length = section.length();
    let broken = |words: &str| Ok(Err(Container::Broken(words.to_owned())));
    let opened = match kind {
        Kind::Squashfs(outline) => {
            let found = FileSystem {
                compressor: Some(outline.compressor),
                ..FileSystem::whole("squashfs", length, outline.bytes_used)
            };
            if length < outline.bytes_used || !found.is_read_by_linux() {
                return Ok(Ok((found, None)));
            }
            squashfs(section).map(|system| (found, Some(system)))
        }
        Kind::Erofs => foreign::FileSystem::erofs(section)
            .map_err(io::Error::from)
            .and_then(|opened| foreign_system(opened, length)),
        Kind::Ext => foreign::FileSystem::ext(section)
            .map_err(io::Error::from)
            .and_then(|opened| foreign_system(opened, length)),
        Kind::Empty => return broken("is empty"),
        Kind::Packed(name) => return broken(&format!("is compressed with {name}: unpack it")),
        Kind::Disk(_) | Kind::Unknown => {
            return broken("contains no file system that systemd knows");
        }
        Kind::Other(what) => {
            let words = format!("is {what}, which is not read here");
            return Ok(Err(Container::Unread(words)));
        }
    };
    match opened {
        Ok(opened) => Ok(Ok(opened)),
        Err(error) if is_refusal(&error) => {
            let words = format!("can't be read here: {error}");
            Ok(Err(Container::Unread(words)))
        }
        Err(error) => Err(error),
    }
}

fn squashfs(section: Section<File>) -> io::Result<System> {
    let mut reader = Image::open(section)?;
    Ok(System {
        tree: reader.tree()?,
        reader: Box::new(reader),
        is_plain: true,
    })
}

fn foreign_system(
    mut reader: foreign::FileSystem<Section<File>>,
    length: u64,
) -> io::Result<(FileSystem, Option<System>)> {
    let found = FileSystem::whole(reader.name(), length, reader.length());
    // Linux mounts an EROFS whose end is missing.
    if length < reader.length() && reader.name() != "erofs" {
        return Ok((found, None));
    }
    let tree = reader.tree()?;
    let mut is_plain = true;
    tree.walk(&mut |_, visit| {
        if let Visit::Leaf(_, leaf) = visit
            && let Content::File { id, .. } = &leaf.content
        {
            is_plain = is_plain && reader.is_plain(id);
        }
    });
    let system = System {
        tree,
        reader: Box::new(reader),
        is_plain,
    };
    Ok((found, Some(system)))
}
