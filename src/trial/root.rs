//! The root directory that a command sees: a base with images merged over it.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::anyhow;
use files::{Directory, Links};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::unpack::unpack;
use crate::inspected::Inside;
use crate::words::failure::{Failure, Result};

/// Directories over which systemd merges images.
const HIERARCHIES: [&str; 2] = ["usr", "opt"];
/// Directories of a base that a program may need, under a layer that takes what is written.
const LAYERED: [&str; 8] = [
    "etc", "var", "bin", "sbin", "lib", "lib32", "lib64", "libx32",
];
/// Directories that a root has, whether the base has them or not, with their modes.
const ALWAYS: [(&str, u32); 10] = [
    ("usr", 0o755),
    ("opt", 0o755),
    ("etc", 0o755),
    ("var", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("tmp", 0o1777),
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
];
/// Where the unpacked companions are until they are merged.
const COMPANIONS: &str = "/run/companions";
/// Devices that harm nothing.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Links in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A root that is being put together, in a tmpfs that is the current directory:
///
/// ```text
/// root/          what will be /
/// images/N/      what is in an image, the highest first
/// upper/, work/  layers that take what is written
/// empty/         a layer below all, since the kernel wants two
/// ```
pub struct Root<'a> {
    base: &'a Directory,
    place: Directory,
    root: Directory,
    /// For each hierarchy, the numbers of the images that have it.
    merged: [Vec<usize>; 2],
    /// The numbers of the companions that have something in `/etc`.
    companions: Vec<usize>,
}

/// Companions in a root that is entered, which are to be merged over its `/etc`.
pub struct Companions(Vec<usize>);

impl Companions {
    /// Merges them as systemd-confext does: read-only, and nothing in it can be executed.
    pub fn merge(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let images = self.0.iter();
        let layers: Vec<_> = images
            .map(|number| format!("{COMPANIONS}/{number}/etc"))
            .collect();
        let options = format!("lowerdir={}:/etc", layers.join(":"));
        let flags = MountFlags::RDONLY | MountFlags::NOEXEC | MountFlags::NOSUID;
        overlay("/etc", &options, flags).map_err(|error| mounting("/etc", error))?;
        rustix::mount::unmount(COMPANIONS, UnmountFlags::DETACH)
            .map_err(|error| mounting(COMPANIONS, error))?;
        std::fs::remove_dir(COMPANIONS)
            .map_err(|error| Failure::io("putting a root together", error))
    }
}

impl<'a> Root<'a> {
    /// Begins with an empty root, over the directory `place`, which this process sees no more.
    pub fn begin(base: &'a Directory, place: &Path) -> Result<Self> {
        let shown = place.display();
        let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", flags)
            .and_then(|()| {
                let flags = MountFlags::NOSUID | MountFlags::NODEV;
                rustix::mount::mount("tmpfs", place, "tmpfs", flags, c"mode=0755")
            })
            .map_err(|error| Failure::io(format!("mounting a tmpfs over {shown}"), error))?;
        std::env::set_current_dir(place)
            .map_err(|error| Failure::io(format!("entering {shown}"), error))?;
        let place = Directory::open(".", Links::Refuse).map_err(failed)?;
        for name in ["images", "upper", "work", "empty"] {
            place.make_directory(name, 0o755).map_err(failed)?;
        }
        place.make_directory("root", 0o755).map_err(failed)?;
        // A root has to be a mount of its own.
        rustix::mount::mount_bind("root", "root").map_err(|error| mounting("root", error))?;
        let root = Directory::open("root", Links::Refuse).map_err(failed)?;
        Ok(Self {
            base,
            place,
            root,
            merged: Default::default(),
            companions: Vec::new(),
        })
    }

    /// Adds an image, or a companion of one, below those that were added before.
    pub fn add(&mut self, number: usize, image: &mut Inside, is_companion: bool) -> Result<()> {
        let images = self.place.directory("images").map_err(failed)?;
        let place = images.make_directory(number.to_string(), 0o755);
        let place = place.map_err(failed)?;
        if is_companion {
            if unpack(image, "etc", &place)? {
                self.companions.push(number);
            }
            return Ok(());
        }
        for (hierarchy, merged) in HIERARCHIES.into_iter().zip(&mut self.merged) {
            if unpack(image, hierarchy, &place)? {
                merged.push(number);
            }
        }
        Ok(())
    }

    /// Mounts all that belongs into the root, and makes it that of this process. Returns what is
    /// not as it would be on a host, and what is to be merged over `/etc` once that was written to.
    pub fn finish(mut self, network: bool) -> Result<(Vec<String>, Companions)> {
        let mut notes = Vec::new();
        for name in self.base.names().map_err(failed)? {
            self.mirror(&name)?;
        }
        for (name, mode) in ALWAYS {
            if self.root.stat(name).map_err(failed)?.is_none() {
                let made = self.root.make_directory(name, mode).map_err(failed)?;
                made.set_mode(mode).map_err(failed)?;
            }
        }
        for name in LAYERED {
            notes.extend(self.layer(name)?);
        }
        for (hierarchy, merged) in HIERARCHIES.iter().zip(&self.merged) {
            notes.extend(self.merge(hierarchy, merged)?);
        }
        self.machine(network)?;
        let companions = Companions(std::mem::take(&mut self.companions));
        if !companions.0.is_empty() {
            let run = self.root.directory("run").map_err(failed)?;
            run.make_directory(OsStr::new(COMPANIONS.trim_start_matches("/run/")), 0o700)
                .map_err(failed)?;
            rustix::mount::mount_bind("images", format!("root{COMPANIONS}"))
                .map_err(|error| mounting(COMPANIONS, error))?;
        }
        self.enter()?;
        Ok((notes, companions))
    }

    /// Gives the root what the base's has under a name: a link or an empty directory.
    fn mirror(&self, name: &OsStr) -> Result<()> {
        let path = self.of_base(name);
        if let Ok(target) = rustix::fs::readlink(&path, Vec::new()) {
            let target = OsStr::from_bytes(target.as_bytes());
            return self.root.make_link(name, target).map_err(failed);
        }
        if Path::new(&path).is_dir() {
            self.root.make_directory(name, 0o755).map_err(failed)?;
        }
        Ok(())
    }

    /// Returns the path of something in the base's root, by the handle of that.
    fn of_base(&self, name: &OsStr) -> OsString {
        let mut path = OsString::from(format!("/proc/self/fd/{}/", self.base.as_fd().as_raw_fd()));
        path.push(name);
        path
    }

    fn is_directory_of_base(&self, name: &str) -> bool {
        let path = self.of_base(OsStr::new(name));
        let found = Path::new(&path).symlink_metadata();
        found.is_ok_and(|found| found.is_dir())
    }

    /// Mounts a directory of the base under a layer that takes what is written.
    fn layer(&self, name: &str) -> Result<Option<String>> {
        if !self.is_directory_of_base(name) {
            return Ok(None);
        }
        for above in ["upper", "work"] {
            let above = self.place.directory(above).map_err(failed)?;
            above.make_directory(name, 0o755).map_err(failed)?;
        }
        let lower = self.of_base(OsStr::new(name));
        let options = format!(
            "lowerdir={},upperdir=upper/{name},workdir=work/{name}",
            lower.display()
        );
        let mounted = overlay(&format!("root/{name}"), &options, MountFlags::empty());
        // Another mount in it, as on this machine's own root, can't be looked through.
        Ok(mounted
            .err()
            .map(|error| format!("/{name} of the base is not there: {error}")))
    }

    /// Mounts a hierarchy of the base with those of the images over it.
    fn merge(&self, hierarchy: &str, images: &[usize]) -> Result<Option<String>> {
        let there = self.root.stat(hierarchy).map_err(failed)?;
        let is_link = there.is_some_and(|stat| stat.st_mode & 0o170_000 == 0o120_000);
        if is_link && hierarchy == HIERARCHIES[0] {
            let text = "/usr of the base is a link, over which nothing can be merged";
            return Err(Failure::refused(anyhow!(text)));
        }
        if is_link {
            let text =
                format!("/{hierarchy} of the base is a link, so that of the images is not merged");
            return Ok((!images.is_empty()).then_some(text));
        }
        let mut layers: Vec<_> = (images.iter())
            .map(|number| OsString::from(format!("images/{number}/{hierarchy}")))
            .collect();
        if self.is_directory_of_base(hierarchy) {
            layers.push(self.of_base(OsStr::new(hierarchy)));
        }
        if layers.is_empty() {
            return Ok(None);
        }
        layers.push("empty".into());
        let layers: Vec<_> = layers.iter().map(|layer| layer.to_string_lossy()).collect();
        let options = format!("lowerdir={}", layers.join(":"));
        overlay(&format!("root/{hierarchy}"), &options, MountFlags::empty())
            .map_err(|error| mounting(&format!("/{hierarchy}"), error))?;
        Ok(None)
    }

    /// Mounts what the machine gives: processes, devices, and the names of hosts with the `network`.
    fn machine(&self, network: bool) -> Result<()> {
        for name in ["proc", "sys"] {
            rustix::mount::mount_bind_recursive(format!("/{name}"), format!("root/{name}"))
                .map_err(|error| mounting(&format!("/{name}"), error))?;
        }
        // Who is root outside of here could change the kernel's settings through these.
        rustix::mount::mount_bind("root/proc/sys", "root/proc/sys")
            .and_then(|()| read_only("root/proc/sys"))
            .and_then(|()| read_only("root/sys"))
            .map_err(|error| mounting("/proc/sys", error))?;
        let devices = self.root.directory("dev").map_err(failed)?;
        for name in DEVICES {
            devices.create_file(name, 0o644).map_err(failed)?;
            rustix::mount::mount_bind(format!("/dev/{name}"), format!("root/dev/{name}"))
                .map_err(|error| mounting(&format!("/dev/{name}"), error))?;
        }
        for (name, target) in LINKS {
            devices.make_link(name, target).map_err(failed)?;
        }
        let shared = devices.make_directory("shm", 0o1777).map_err(failed)?;
        shared.set_mode(0o1777).map_err(failed)?;
        devices.make_directory("pts", 0o755).map_err(failed)?;
        // Without it there are no new terminals, which few commands want.
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        let options = c"newinstance,ptmxmode=0666,mode=0620";
        let _ = rustix::mount::mount("devpts", "root/dev/pts", "devpts", flags, options);
        let names = "etc/resolv.conf";
        if network && Path::new("root").join(names).is_file() {
            rustix::mount::mount_bind(format!("/{names}"), format!("root/{names}"))
                .map_err(|error| mounting(names, error))?;
        }
        Ok(())
    }

    /// Makes this root that of the process, and takes the old one away.
    fn enter(self) -> Result<()> {
        std::env::set_current_dir("root")
            .map_err(|error| Failure::io("entering the root", error))?;
        rustix::process::pivot_root(".", ".")
            .and_then(|()| rustix::mount::unmount(".", UnmountFlags::DETACH))
            .map_err(|error| Failure::io("changing the root", error))?;
        std::env::set_current_dir("/").map_err(|error| Failure::io("entering the root", error))
    }
}

/// Mounts an overlay; what it notes down goes into attributes that a user may set.
fn overlay(target: &str, options: &str, flags: MountFlags) -> rustix::io::Result<()> {
    let options = format!("{options},userxattr");
    let options = std::ffi::CString::new(options).map_err(|_| rustix::io::Errno::INVAL)?;
    rustix::mount::mount("overlay", target, "overlay", flags, options.as_c_str())
}

fn read_only(target: &str) -> rustix::io::Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY;
    rustix::mount::mount_remount(target, flags, c"")
}

fn mounting(what: &str, error: rustix::io::Errno) -> Failure {
    Failure::io(format!("mounting {what}"), error)
}

fn failed(error: files::Error) -> Failure {
    Failure::io("putting a root together", error)
}
