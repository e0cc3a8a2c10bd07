//! Namespaces of this process: it is root among its own mounts, and nowhere else.

use std::io;

use rustix::net::{AddressFamily, SendFlags, SocketType};
use rustix::process::Signal;
use rustix::thread::UnshareFlags;

use crate::words::failure::{Failure, Result};

/// What a host may have switched off, and how it is switched on.
const SWITCHES: [&str; 2] = [
    "in a chroot there are no user namespaces; else the host may forbid them: sysctl user.max_user_namespaces \
     is to be above 0, and where there are such keys kernel.unprivileged_userns_clone 1 (Debian) and \
     kernel.apparmor_restrict_unprivileged_userns 0 (Ubuntu)",
    "or try the images in a virtual machine",
];

/// Moves this process, which must have one thread, into namespaces of its own: of users, mounts and
/// IPC, and unless it may use the `network`, of that.
///
/// Its user becomes root in there. That is no more than before: outside, files are still opened with
/// the rights of the user.
pub fn enter(network: bool) -> Result<()> {
    // A build that is killed takes its tests with it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::io("tying the process to its parent", error))?;
    let user = rustix::process::getuid().as_raw();
    let group = rustix::process::getgid().as_raw();
    let mut flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWIPC;
    if !network {
        flags |= UnshareFlags::NEWNET;
    }
    #[expect(
        deprecated,
        reason = "only for UnshareFlags::FILES, which is not among them"
    )]
    rustix::thread::unshare(flags).map_err(|error| refused(error.into()))?;
    // Without this, a group can't be mapped: it could be one of those that are denied something.
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {user} 1")),
        ("gid_map", format!("0 {group} 1")),
    ];
    for (name, map) in maps {
        #[expect(clippy::disallowed_methods, reason = "the kernel's own file")]
        std::fs::write(format!("/proc/self/{name}"), map).map_err(refused)?;
    }
    if !network {
        raise_loopback().map_err(|error| Failure::io("setting up 127.0.0.1", error))?;
    }
    Ok(())
}

fn refused(error: io::Error) -> Failure {
    let failure = Failure::io("making a user namespace", error);
    SWITCHES.into_iter().fold(failure, Failure::hint)
}

/// Sets up the loopback device of a new network namespace, by rtnetlink(7).
fn raise_loopback() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    // It is the first device of any network namespace.
    const LOOPBACK: i32 = 1;
    let mut message = Vec::with_capacity(32);
    // struct nlmsghdr: length, type, flags, number, sender.
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    // struct ifinfomsg: family, padding, type of the device, number, flags, which of them change.
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    Ok(())
}
