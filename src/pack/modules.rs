//! The kernel modules of an image: for which kernel each is by its directory, and by what it says.
//!
//! A kernel loads modules from the directory of its own release alone. What is there may be a link
//! to a module that was built for another release: `weak-modules` makes such links.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::rc::Rc;

use files::PathBytes;
use image::{Content, ContentStream, Step, Stored, Tree, Visit, follow};
use linkage::Module;

use crate::pack::ReadBack;
use crate::words::failure::{Failure, Result};
use crate::words::quantity::bytes;

/// Where modules are, in a directory for each kernel release.
pub const DIRECTORY: &str = "usr/lib/modules";
/// How the names of modules end, compressed or not.
const SUFFIXES: [&str; 4] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];
/// A longer module is unpacked once for each part that is looked at, in bytes.
const KEPT: u64 = 16 << 20;
/// So much of the compressed modules of an image is unpacked: those of a distribution's kernel are
/// some 300 MiB.
const MAX_UNPACKED: u64 = 2 << 30;
/// How an ELF file begins.
const ELF: &[u8] = b"\x7fELF";

/// A path at which a kernel looks for a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Release of the kernel.
    pub kernel: String,
    /// The path.
    pub path: String,
    /// The path of the file of the image that is there; `None` for a link that leads out of it.
    pub file: Option<String>,
}

/// What the modules of an image say, by their paths in it.
#[derive(Debug, Default)]
pub struct Modules {
    /// Those that could be read.
    pub read: BTreeMap<String, Module>,
    /// Those that could not, and why.
    pub unread: BTreeMap<String, String>,
}

/// Returns where kernels find modules of an image.
pub fn places(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    if tree.get(DIRECTORY).is_none() {
        return places;
    }
    tree.walk(&mut |path, visit| {
        let path = path.text();
        if let Visit::Leaf(_, leaf) = visit
            && SUFFIXES.iter().any(|suffix| path.ends_with(suffix))
            && let Some(below) = path.strip_prefix(DIRECTORY)
            && let Some((kernel, _)) = below.strip_prefix('/').and_then(|it| it.split_once('/'))
        {
            let file = match &leaf.content {
                Content::File { .. } => Some(path.to_string()),
                Content::Symlink(_) => behind(tree, &path),
                Content::Special(_) => None,
            };
            places.push(Place {
                kernel: kernel.to_owned(),
                path: path.to_string(),
                file,
            });
        }
    });
    places
}

/// Returns the path of the file of the image that a link leads to. `/lib` is a link of every base.
fn behind(tree: &Tree, path: &str) -> Option<String> {
    let mut look = |path: &PathBytes| match tree.get(path) {
        Some(Visit::Directory(_)) => Step::Directory,
        Some(Visit::Leaf(_, leaf)) => match &leaf.content {
            Content::Symlink(target) => Step::Link(target.clone()),
            _ => Step::Leaf,
        },
        None if path == "lib" => Step::Link("usr/lib".into()),
        None => Step::Nothing,
    };
    let found = follow(path, &mut look)?;
    let is_file = matches!(tree.get(&found), Some(Visit::Leaf(_, leaf))
        if matches!(leaf.content, Content::File { .. }));
    is_file.then(|| found.to_string())
}

/// Counts the modules for each kernel. Where a link of another kernel leads to a module, it is for
/// that one.
pub fn kernels(tree: &Tree) -> BTreeMap<String, u64> {
    let places = places(tree);
    let linked: BTreeSet<&str> = (places.iter())
        .filter_map(|place| place.file.as_deref().filter(|file| *file != place.path))
        .collect();
    let mut kernels = BTreeMap::new();
    for place in &places {
        if !linked.contains(place.path.as_str()) {
            *kernels.entry(place.kernel.clone()).or_default() += 1;
        }
    }
    kernels
}

/// Reads the modules of an image that was just packed.
pub fn read<R: Read + Seek>(tree: &Tree, packed: &mut ReadBack<R>) -> Result<Modules> {
    if places(tree).is_empty() {
        return Ok(Modules::default());
    }
    let (image, stored) = packed.open()?;
    read_back(image, stored).map_err(|error| Failure::io("reading the image back", error))
}

/// Reads the modules of a finished image.
pub fn read_back(image: &mut dyn Stored, tree: &Tree) -> io::Result<Modules> {
    let files: BTreeSet<_> = places(tree).into_iter().filter_map(|it| it.file).collect();
    let mut modules = Modules::default();
    let mut left = MAX_UNPACKED;
    for path in files {
        let Some(Visit::Leaf(_, leaf)) = tree.get(&path) else {
            continue;
        };
        let Content::File { id, .. } = &leaf.content else {
            continue;
        };
        let mut content = image.open_content(id)?;
        let found = match path.ends_with(".ko") {
            true => Module::read(&mut content).map_err(|error| match error {
                linkage::Error::Io(error) => Unread::Image(error),
                error => Unread::Module(error.to_string()),
            }),
            false => unpacked(&mut content, &mut left),
        };
        match found {
            Ok(Some(module)) => {
                modules.read.insert(path, module);
            }
            // What is no module is not loaded, whatever it is called.
            Ok(None) => {}
            Err(Unread::Module(problem)) => {
                modules.unread.insert(path, problem);
            }
            Err(Unread::Image(error)) => return Err(error),
        }
    }
    Ok(modules)
}

/// Why a module was not read.
enum Unread {
    /// The image can't be read.
    Image(io::Error),
    /// The module can't.
    Module(String),
}

/// Reads a compressed module. `left` is how much may still be unpacked.
fn unpacked(
    content: &mut dyn ContentStream,
    left: &mut u64,
) -> std::result::Result<Option<Module>, Unread> {
    let problem = |error: linkage::Error| Unread::Module(error.to_string());
    let mut again = match Again::open(content, left) {
        Ok(again) => again,
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
        Err(error) => return Err(Unread::Module(error.to_string())),
    };
    let mut whole = Vec::new();
    ((&mut again).take(KEPT + 1).read_to_end(&mut whole))
        .map_err(|error| Unread::Module(error.to_string()))?;
    match whole.len() as u64 > KEPT {
        false => Module::read(&mut Cursor::new(whole)).map_err(problem),
        true => {
            drop(whole);
            Module::read(&mut again).map_err(problem)
        }
    }
}

/// A compressed file that is read as if it were not: to go back, it is unpacked again.
struct Again<'a> {
    content: Rc<RefCell<&'a mut dyn ContentStream>>,
    unpacked: Box<dyn Read + 'a>,
    position: u64,
    length: Option<u64>,
    left: &'a mut u64,
}

impl<'a> Again<'a> {
    fn open(content: &'a mut dyn ContentStream, left: &'a mut u64) -> io::Result<Self> {
        let content = Rc::new(RefCell::new(content));
        let unpacked = rpm_input::unpacked(Shared(Rc::clone(&content)), &[ELF])?;
        Ok(Self {
            content,
            unpacked: Box::new(unpacked),
            position: 0,
            length: None,
            left,
        })
    }

    /// Unpacks up to an offset.
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        if offset < self.position {
            self.content.borrow_mut().rewind()?;
            let content = Shared(Rc::clone(&self.content));
            self.unpacked = Box::new(rpm_input::unpacked(content, &[ELF])?);
            self.position = 0;
        }
        let distance = offset - self.position;
        io::copy(&mut self.take(distance), &mut io::sink())?;
        Ok(())
    }
}

impl Read for Again<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.unpacked.read(buffer)?;
        self.position += length as u64;
        *self.left = self.left.checked_sub(length as u64).ok_or_else(|| {
            let most = bytes(MAX_UNPACKED);
            io::Error::other(format!(
                "the modules of the image unpack to more than {most}"
            ))
        })?;
        Ok(length)
    }
}

impl Seek for Again<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(offset) => self.skip_to(offset)?,
            SeekFrom::Current(_) => return Err(ErrorKind::Unsupported.into()),
            SeekFrom::End(_) if self.length.is_some() => {
                self.skip_to(self.length.unwrap_or_default())?;
            }
            SeekFrom::End(_) => {
                self.skip_to(u64::MAX)?;
                self.length = Some(self.position);
            }
        }
        Ok(self.position)
    }
}

/// A file whose reader is made anew while another one still has it.
struct Shared<'a>(Rc<RefCell<&'a mut dyn ContentStream>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use image::squashfs::{Options, Packer, Workers};
    use image::{ContentId, Leaf, Stat};

    use super::*;

    /// Makes a tree of files, and of links `PATH -> TARGET`.
    pub(crate) fn tree(lines: &[&str]) -> Tree {
        let implicit = Stat::implicit_directory(0);
        let mut tree = Tree::new(implicit.clone());
        for line in lines {
            let (path, target) = line.split_once(" -> ").unwrap_or((line, ""));
            let content = match target {
                "" => Content::File {
                    size: 1,
                    id: ContentId::new(*line),
                },
                target => Content::Symlink(target.into()),
            };
            let stat = Stat::default();
            tree.insert_leaf(path, Leaf { stat, content }, &implicit)
                .unwrap();
        }
        tree
    }

    #[test]
    fn kernels_that_find_modules() {
        for (lines, expected) in [
            (&["usr/lib/modules/1/a.ko"][..], &[("1", 1)][..]),
            (
                &[
                    "usr/lib/modules/1/extra/a.ko.xz",
                    "usr/lib/modules/1/b.ko.zst",
                    "usr/lib/modules/2/c.ko.gz",
                ],
                &[("1", 2), ("2", 1)],
            ),
            // A link of another kernel, by a path of its own or by that of every base.
            (
                &[
                    "usr/lib/modules/1/extra/a.ko",
                    "usr/lib/modules/2/weak-updates/a.ko -> ../../1/extra/a.ko",
                ],
                &[("2", 1)],
            ),
            (
                &[
                    "usr/lib/modules/1/extra/a.ko",
                    "usr/lib/modules/2/weak-updates/a.ko -> /lib/modules/1/extra/a.ko",
                    "usr/lib/modules/2/b.ko -> /lib/modules/0/b.ko",
                ],
                &[("2", 2)],
            ),
            // No module, or nowhere.
            (
                &[
                    "usr/lib/modules/1/modules.dep",
                    "usr/lib/modules/a.ko",
                    "usr/lib/modules/1/a.ko.conf",
                    "usr/share/modules/1/a.ko",
                ],
                &[],
            ),
        ] {
            let found = kernels(&tree(lines));
            let found: Vec<_> = found
                .iter()
                .map(|(it, count)| (it.as_str(), *count))
                .collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    /// Makes the smallest object that says this, and so many bytes between the header and that.
    fn module(said: &str, padding: usize) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let said = format!("{said}\0");
        let (start, end) = (64 + padding, 64 + padding + said.len());
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".to_vec();
        file.extend([0; 16]);
        file.extend((end as u64 + names.len() as u64).to_le_bytes());
        file.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        file.extend(vec![0; padding]);
        file.extend(said.as_bytes());
        file.extend(names);
        file.extend([0; 64]);
        for (name, offset, length) in [(1_u32, start, said.len()), (10, end, names.len())] {
            file.extend(name.to_le_bytes());
            file.extend([1, 0, 0, 0].iter().chain(&[0; 16]));
            file.extend((offset as u64).to_le_bytes());
            file.extend((length as u64).to_le_bytes());
            file.extend([0; 24]);
        }
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        manifest::pack(bytes).unwrap()
    }

    /// Packs files and reads what modules are in them.
    fn read_files(files: &[(&str, Vec<u8>)]) -> Modules {
        let options = Options {
            compressor: "zstd:1".parse().unwrap(),
            block_size: 1 << 17,
            workers: Workers::new(1),
            mkfs_time: 0,
        };
        let mut packer = Packer::new(Cursor::new(Vec::new()), &options).unwrap();
        let implicit = Stat::implicit_directory(0);
        let mut tree = Tree::new(implicit.clone());
        for (name, bytes) in files {
            let (size, id) = (bytes.len() as u64, ContentId::new(*name));
            packer.add(&id, size, &mut bytes.as_slice()).unwrap();
            let path = format!("usr/lib/modules/1/{name}");
            let stat = Stat::default();
            let content = Content::File { size, id };
            tree.insert_leaf(&path, Leaf { stat, content }, &implicit)
                .unwrap();
        }
        let (packed, _) = packer.finish(&tree).unwrap();
        read(&tree, &mut ReadBack::new(packed)).unwrap()
    }

    #[test]
    fn modules_that_are_compressed_or_not() {
        let zstd = |bytes: &[u8]| {
            let mut packed = Vec::with_capacity(bytes.len() + 1024);
            zstd_safe::compress(&mut packed, bytes, 3).unwrap();
            packed
        };
        // One that is kept, and one that is unpacked several times.
        let kept = module("vermagic=6.1-1 SMP", 0);
        let long = module("vermagic=6.1-2 SMP", KEPT as usize);
        let found = read_files(&[
            ("a.ko", kept.clone()),
            ("b.ko.gz", gzip(&kept)),
            ("c.ko.zst", zstd(&kept)),
            ("d.ko.gz", gzip(&long)),
            ("e.ko.zst", zstd(&long)),
            ("f.ko", long),
            // Its name does not make it compressed, nor a module.
            ("g.ko.xz", kept),
            ("h.ko", b"ko\n".to_vec()),
            ("i.ko.xz", b"ko\n".to_vec()),
            ("j.ko", b"\x7fELF\x02\x01".to_vec()),
            ("k.ko.gz", gzip(b"\x7fELF\x02\x01")),
        ]);
        let releases: Vec<_> = (found.read.iter())
            .map(|(path, module)| (&path[18..], module.release().unwrap_or_default()))
            .collect();
        let expected = [
            ("a.ko", "6.1-1"),
            ("b.ko.gz", "6.1-1"),
            ("c.ko.zst", "6.1-1"),
            ("d.ko.gz", "6.1-2"),
            ("e.ko.zst", "6.1-2"),
            ("f.ko", "6.1-2"),
            ("g.ko.xz", "6.1-1"),
        ];
        assert_eq!(releases, expected);
        let unread: Vec<_> = found
            .unread
            .iter()
            .map(|(path, why)| (&path[18..], &**why))
            .collect();
        let cut = "not a sound ELF file: header: it is cut off";
        assert_eq!(unread, [("j.ko", cut), ("k.ko.gz", cut)]);
    }

    #[test]
    fn so_much_of_modules_is_unpacked() {
        let bytes = gzip(&module("vermagic=6.1-1 SMP", 100));
        let length = module("vermagic=6.1-1 SMP", 100).len() as u64;
        for (mut left, expected) in [
            (length, Ok(0)),
            (
                length - 1,
                Err("the modules of the image unpack to more than 2 GiB"),
            ),
        ] {
            let found = unpacked(&mut Cursor::new(&bytes), &mut left);
            let found = match found {
                Ok(_) => Ok(left),
                Err(Unread::Module(problem)) => Err(problem),
                Err(Unread::Image(error)) => panic!("{error}"),
            };
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}
