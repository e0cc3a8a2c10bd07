//! A system that boots: systemd as the first process, with a kernel of its own.
//!
//! The image has what a daemon has on its host: an account, files in `/etc` and `/var`, a service and
//! a socket. Each test takes a minute, most of it without a processor that virtualizes.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use judges::{Need, cached, programs};

use crate::base::{base, system_package};
use crate::client::{SID, TRIXIE, scripts};
use crate::disks::{DEFERRED, Desk, SIGNED};
use crate::verdicts::policies::base_with;
use crate::workshop::{self, Scratch, json, packaged, program, text};

/// What boots a system: `tests/clients/boot.sh`.
const BOOTS: Need = programs!(
    "bash",
    "cpio",
    "kmod",
    "qemu-system-x86_64",
    "rpm",
    "rpmbuild",
    "veritysetup"
);
/// The kernel that it boots.
const KERNEL: Need = cached("kernel");

/// A daemon in the manner of many: what its service needs is made by scriptlets, or is outside
/// of `/usr`. The socket's service says what is in its environment.
const SPEC: &str = r#"Name: beacon
Version: 1
Release: 1
Summary: x
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
x
%install
cd %{buildroot}
mkdir -p usr/bin usr/lib/systemd/system etc/sysconfig etc/beacon/conf.d var/lib/beacon
printf '#!/bin/sh\n. /etc/beacon/beacon.conf\ntest -w /var/lib/beacon && test "$LAMP" = on && exec sleep infinity\n' > usr/bin/beacond
printf '#!/bin/sh\necho "$GREETING, $(id -un)"\n' > usr/bin/beacon-answer
chmod 755 usr/bin/*
echo LAMP=on > etc/beacon/beacon.conf
echo GREETING=hello > etc/sysconfig/beacon
cd usr/lib/systemd/system
printf '[Unit]\nDescription=Beacon\n[Service]\nUser=beacon\nEnvironmentFile=/etc/sysconfig/beacon\nExecStart=/usr/bin/beacond\n[Install]\nWantedBy=multi-user.target\n' > beacon.service
printf '[Unit]\nDescription=Beacon\n[Socket]\nListenStream=127.0.0.1:7007\nAccept=yes\n[Install]\nWantedBy=sockets.target\n' > beacon.socket
printf '[Unit]\nDescription=Beacon\n[Service]\nUser=beacon\nEnvironmentFile=/etc/sysconfig/beacon\nStandardInput=socket\nExecStart=/usr/bin/beacon-answer\n' > beacon@.service
%pre
getent group beacon >/dev/null || groupadd -r beacon
getent passwd beacon >/dev/null || useradd -r -g beacon -d /var/lib/beacon -s /sbin/nologin -c "Beacon" beacon
exit 0
%post
systemctl daemon-reload >/dev/null 2>&1 || :
chown beacon:beacon /var/lib/beacon
%files
/usr/bin/*
/usr/lib/systemd/system/*
%config(noreplace) /etc/sysconfig/beacon
%config(noreplace) %attr(640,root,beacon) /etc/beacon/beacon.conf
%dir /etc/beacon
%dir /etc/beacon/conf.d
%dir %attr(750,root,root) /var/lib/beacon
"#;

/// Says what an admin would look at.
const LOOK: &str = r#"export SYSTEMD_COLORS=0
look() {
    for unit in beacon.service beacon.socket; do echo "$unit $(systemctl is-active $unit)"; done
    getent passwd beacon | cut -d: -f1,5-
    for path in /etc/beacon /etc/beacon/conf.d /etc/beacon/beacon.conf /etc/sysconfig/beacon /var/lib/beacon; do
        test ! -e $path || stat -c '%n %U:%G %a' $path
    done
    bash -c 'exec 3<> /dev/tcp/127.0.0.1/7007 && cat <&3' 2> /dev/null || echo 'nobody listens'
    systemctl --failed --plain --no-legend
}
settle() {
    # What the image has restarted once it is merged is active before that and after it.
    seen=0
    for second in $(seq 120); do
        if test "$(systemctl is-active beacon.service)" = active &&
            ! systemctl list-jobs --plain --no-legend | grep -q beacon; then seen=$((seen + 1)); else seen=0; fi
        test $seen -lt 4 || break
        sleep 1
    done
}
"#;

/// What is seen where all of it is alive.
const ALIVE: &str = "beacon.service active
beacon.socket active
beacon:Beacon:/var/lib/beacon:/sbin/nologin
/etc/beacon root:root 755
/etc/beacon/conf.d root:root 755
/etc/beacon/beacon.conf root:beacon 640
/etc/sysconfig/beacon root:root 644
/var/lib/beacon beacon:beacon 750
hello, beacon
";

/// Builds the image for the system that boots; returns its path, and what was said.
fn image(scratch: &Scratch) -> (PathBuf, String) {
    let package = packaged(scratch, "beacon", SPEC);
    let base = base(scratch, &[&system_package(scratch)]);
    let release = "usr/lib/os-release";
    fs::copy(TRIXIE.path().join(release), base.join(release)).unwrap();
    let outcome = program()
        .arg("--base")
        .arg(&base)
        .args([
            "--arch",
            "x86_64",
            "--start",
            "beacon.service",
            "--start",
            "beacon.socket",
        ])
        .arg("-o")
        .args([scratch.join("out"), package])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    (scratch.join("out/beacon-1-1.x86-64.raw"), said)
}

/// Boots the system with the image at this path, and returns what `checks` says there.
fn boot(scratch: &Scratch, image: &Path, path: &str, checks: &str) -> String {
    let over = scratch.join("over");
    let place = over.join(path);
    let wants = over.join("etc/systemd/system/sysinit.target.wants");
    for directory in [place.parent().unwrap(), &wants] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::copy(image, &place).unwrap();
    let merging = "systemd-sysext.service";
    let unit = Path::new("/usr/lib/systemd/system").join(merging);
    symlink(unit, wants.join(merging)).unwrap();
    boot_tree(&TRIXIE.path(), &over, &format!("{LOOK}{checks}"))
}

/// Boots a tree with these files over it, and returns what `checks` says there.
fn boot_tree(tree: &Path, over: &Path, checks: &str) -> String {
    fs::write(over.join("checks"), format!("#!/bin/sh\n{checks}")).unwrap();
    fs::set_permissions(over.join("checks"), fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = Command::new(scripts().join("boot.sh"))
        .args([tree, over])
        .output()
        .unwrap();
    let said = text(&outcome.stdout);
    assert!(outcome.status.success(), "{said}{}", text(&outcome.stderr));
    said
}

#[test(BOOTS, TRIXIE, KERNEL)]
fn what_is_merged_at_boot_is_alive() {
    let scratch = Scratch::new();
    let (image, _) = image(&scratch);
    let said = boot(
        &scratch,
        &image,
        "var/lib/extensions/beacon.raw",
        "settle\nlook\n",
    );
    assert_eq!(said, ALIVE);
}

#[test(BOOTS, TRIXIE, KERNEL)]
fn what_is_merged_live_is_alive_and_goes_again() {
    let scratch = Scratch::new();
    let (image, report) = image(&scratch);
    let checks = "look\nfind / -xdev | sort > /run/before\n\
        mkdir -p /run/extensions\nmv /root/beacon.raw /run/extensions/\n\
        systemd-sysext merge > /dev/null 2>&1\nsettle\nlook\n\
        systemd-sysext unmerge > /dev/null 2>&1\n\
        systemctl stop beacon.service beacon.socket\nlook\n\
        find / -xdev | sort > /run/after\ncomm -3 /run/before /run/after\n";
    let said = boot(&scratch, &image, "root/beacon.raw", checks);
    let dead = "beacon.service inactive\nbeacon.socket inactive\n";
    let left = ALIVE.split_once("active\nbeacon:").unwrap().1;
    let left = left.split_once("hello").unwrap().0;
    // What is there after it and not before is what the build has foretold.
    let made = "\t/etc/beacon\n\t/etc/beacon/beacon.conf\n\t/etc/beacon/conf.d\n\t/etc/sysconfig\n\
        \t/etc/sysconfig/beacon\n/root/beacon.raw\n\t/var/lib/beacon\n";
    let nobody = "nobody listens\n";
    let expected = format!("{dead}{nobody}{ALIVE}{dead}beacon:{left}{nobody}{made}");
    assert_eq!(said, expected);
    for foretold in [
        "/usr/lib/sysusers.d/sysext-beacon.conf makes what scriptlets of beacon-1-1.noarch",
        "/usr/lib/tmpfiles.d/sysext-beacon.conf makes 5 paths outside of /usr and /opt: /etc/beacon ...",
    ] {
        assert!(report.contains(foretold), "{report}");
    }
}

/// What each image is that is merged on a host, and whether it is there: without a policy; with one
/// that demands a signature, and without the certificate; with both.
const PROVED: [(&str, [bool; 3]); 6] = [
    ("signed", [true, false, true]),
    ("other", [true, false, false]),
    ("deferred", [false, false, false]),
    ("unsigned", [true, false, false]),
    ("bare", [true, false, false]),
    ("tampered", [false, false, false]),
];

/// The hosts: their policies, and whether they have the certificate.
const PROVING_HOSTS: [(&str, bool); 3] =
    [("", false), ("root=signed", false), ("root=signed", true)];

#[test(BOOTS, SID, KERNEL, judges::program("openssl"))]
fn check_says_what_a_host_with_dm_verity_does() {
    let desk = Desk::with_key();
    let program = desk.path("tree/usr/bin/tool");
    fs::write(&program, "#!/bin/sh\necho it runs\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    desk.make_key("other.pem", "other.crt");
    let other = "--format ddi --verity-key other.pem --verity-cert other.crt";
    for (name, options) in [
        ("signed", SIGNED),
        ("other", other),
        ("deferred", DEFERRED),
        ("unsigned", "--format ddi --verity unsigned"),
        ("bare", ""),
        ("tampered", SIGNED),
    ] {
        let image = desk.build(name, options);
        if name == "tampered" {
            // The time of the file system, which nothing but the hashes would notice.
            let mut bytes = fs::read(&image).unwrap();
            bytes[20_480 + 8] ^= 1;
            fs::write(&image, bytes).unwrap();
        }
    }
    let over = desk.path("over");
    fs::create_dir_all(over.join("root")).unwrap();
    fs::create_dir_all(over.join("etc/systemd")).unwrap();
    fs::copy(desk.path("one.crt"), over.join("root/one.crt")).unwrap();
    let mut checks = "mkdir -p /run/extensions /etc/verity.d\n".to_owned();
    for (number, (policy, has_certificate)) in PROVING_HOSTS.iter().enumerate() {
        let _ = writeln!(
            checks,
            "printf '[SysExt]\\nImagePolicy={policy}\\n' > /etc/systemd/sysext.conf"
        );
        if *has_certificate {
            checks += "cp /root/one.crt /etc/verity.d/\n";
        }
        for (name, _) in PROVED {
            fs::copy(desk.image(name), over.join("root").join(name)).unwrap();
            let _ = writeln!(
                checks,
                "cp /root/{name} /run/extensions/tool.raw; systemd-sysext merge > /dev/null 2>&1\n\
                 echo \"host {number} {name}: $(tool 2> /dev/null || echo nothing)\"\n\
                 systemd-sysext unmerge > /dev/null 2>&1; rm /run/extensions/tool.raw"
            );
        }
    }
    let said = boot_tree(&SID.path(), &over, &checks);

    let base = base_with(&desk.0, "262");
    symlink("usr/bin", base.join("bin")).unwrap();
    fs::write(base.join("usr/bin/sh"), "").unwrap();
    fs::set_permissions(base.join("usr/bin/sh"), fs::Permissions::from_mode(0o755)).unwrap();
    for directory in ["etc/systemd", "etc/verity.d"] {
        fs::create_dir_all(base.join(directory)).unwrap();
    }
    for (number, (policy, has_certificate)) in PROVING_HOSTS.iter().enumerate() {
        let config = format!("[SysExt]\nImagePolicy={policy}\n");
        fs::write(base.join("etc/systemd/sysext.conf"), config).unwrap();
        if *has_certificate {
            fs::copy(desk.path("one.crt"), base.join("etc/verity.d/one.crt")).unwrap();
        }
        for (name, expected) in PROVED {
            let word = if expected[number] {
                "it runs"
            } else {
                "nothing"
            };
            let line = format!("host {number} {name}: {word}\n");
            assert!(said.contains(&line), "not {line}: {said}");
            let mut check = workshop::program();
            check.args([
                "check",
                "--json",
                "--client",
                "systemd-262",
                "--arch",
                "x86-64",
            ]);
            check.arg("--base").args([&base, &desk.image(name)]);
            let answer = json(&check.output().unwrap());
            let host = &answer["images"][0]["hosts"][0];
            assert_eq!(host["passes"], expected[number], "{number} {name}: {host}");
        }
    }
}
