//! Files outside of `/usr`, links, modes, caches and labels.

use super::Case;

/// A default without which a unit does not start, and one that only its owner may read.
#[test]
fn defaults_of_etc() {
    Case {
        files: &[
            "/usr/bin/d f 0755 root:root sha256:one",
            "/etc/default/d f 0644 root:root sha256:two",
            "/etc/secret.conf f 0600 root:root sha256:six",
        ],
        texts: &[(
            "d.service",
            "[Service]|EnvironmentFile=/etc/default/d|ExecStart=/usr/bin/d",
        )],
        start: &["d.service"],
        has: &[
            "/usr/share/factory/etc/default/d 0644 0:0",
            "/usr/share/factory/etc/secret.conf 0600 0:0",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: C /etc/default/d - - - - -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: C /etc/secret.conf - - - - -",
        ],
        lacks: &["!"],
        ..Case::default()
    }
    .check();
}

/// Only what packages own; what the base has stays; what a host does at times of its own is left out.
#[test]
fn a_directory_of_etc() {
    Case {
        base: &["etc/own/x", "etc/d.conf"],
        files: &[
            "/etc/own d 0755 root:root",
            "/etc/httpd d 0750 root:adm",
            "/etc/httpd/httpd.conf f 0640 root:adm sha256:one",
            "/etc/httpd/run l 0777 root:root ->/run/httpd",
            "/etc/d.conf f 0644 root:root sha256:two",
            "/etc/yum.repos.d/d.repo f 0644 root:root sha256:six",
            "/etc/cron.daily/d f 0755 root:root sha256:ten",
            "/usr/bin/d f 0755 root:root sha256:one",
        ],
        has: &[
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: d /etc/httpd :0750 :root :adm - -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: C /etc/httpd/httpd.conf :0640 :root :adm - -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: L /etc/httpd/run - - - - /run/httpd",
            "left-out: drop-host-jobs left out 2 paths, 6 bytes: /etc/yum.repos.d/d.repo ...",
        ],
        lacks: &["/etc/own", "/etc/d.conf -", "!"],
        ..Case::default()
    }
    .check();
}

#[test]
fn directories_and_files_of_var() {
    Case {
        base: &["var/lib/own/key"],
        files: &[
            "/usr/bin/d f 0755 root:root sha256:one",
            "/var/cache/d d 0755 root:root",
            "/var/lib/d d 0711 root:root",
            "/var/lib/d/data f 0644 root:root sha256:two",
            "/var/lib/d/made f 0644 root:root ghost",
            "/var/lib/own/key f 0644 root:root sha256:six",
            "/var/log/q d 2770 root:q",
            "/run/d d 0755 root:root",
        ],
        scripts: &[(
            "post",
            "LOG_DIR=/var/log/n\nGROUP=n\ngroupadd -r q\ngroupadd -r \"$GROUP\"\n\
             mkdir -p -m 0750 \"$LOG_DIR\"\nchown root:\"$GROUP\" \"$LOG_DIR\"",
        )],
        has: &[
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: d /var/cache/d 0755 root root - -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: d /var/lib/d 0711 root root - -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: C /var/lib/d/data - - - - -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: d /var/log/q 2770 root q - -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: d /run/d 0755 root root - -",
            "+ /usr/lib/tmpfiles.d/sysext-one-scriptlets.conf: d /var/log/n 0750 root n -",
        ],
        lacks: &["/var/lib/d/made", "/var/lib/own/key -", "scriptlet:", "!"],
        ..Case::default()
    }
    .check();
}

/// What scriptlets put where the base has nothing; what they would replace is named.
#[test]
fn files_that_scriptlets_make() {
    Case {
        base: &["etc/there.conf"],
        files: &["/usr/share/d/d.conf f 0644 root:root sha256:one"],
        scripts: &[(
            "post",
            "if [ ! -f /etc/d.conf ]; then\n  cp /usr/share/d/d.conf /etc/d.conf\nfi\n\
             cp -p /usr/share/d/d.conf /etc/there.conf\n\
             touch /var/log/d.log\nchmod 640 /var/log/d.log\nchown root:adm /var/log/d.log",
        )],
        has: &[
            "+ /usr/lib/tmpfiles.d/sysext-one-scriptlets.conf: C /etc/d.conf - - - - /usr/share/d/d.conf",
            "scriptlet: one-1-1.x86_64: %post line 4: cp -p /usr/share/d/d.conf /etc/there.conf",
            "+ /usr/lib/tmpfiles.d/sysext-one-scriptlets.conf: f /var/log/d.log 0644 root root -",
            "+ /usr/lib/tmpfiles.d/sysext-one-scriptlets.conf: z /var/log/d.log 0640 root adm -",
        ],
        lacks: &["%post line 2", "!"],
        ..Case::default()
    }
    .check();
}

/// Modes, owners and capabilities as the header and scriptlets have them.
#[test]
fn privileges_of_files() {
    Case {
        base: &["usr/lib/group: tcpdump:x:72:"],
        files: &[
            "/usr/bin/dumpcap f 0750 root:tcpdump sha256:one caps",
            "/usr/bin/ping f 0755 root:root sha256:two caps",
            "/usr/bin/lost f 2755 root:nobodys sha256:six",
            "/usr/lib/d/chrome-sandbox f 0755 root:root sha256:ten",
            "/usr/bin/exclude f 0755 root:root sha256:odd",
        ],
        scripts: &[("post", "chmod 4755 /usr/lib/d/chrome-sandbox\nchmod u+s \"/usr/bin/exclude\" || true")],
        has: &[
            "/usr/bin/dumpcap 0750 0:72 caps",
            "/usr/bin/ping 0755 0:0 caps",
            "/usr/bin/lost 0755 0:0",
            "/usr/lib/d/chrome-sandbox 4755 0:0",
            "/usr/bin/exclude 4755 0:0",
            "owner: owner-to-root changed 1 path: /usr/bin/lost is now root:root 0755, was root:nobodys 2755",
        ],
        lacks: &["scriptlet:", "!"],
        ..Case::default()
    }
    .check();
}

/// A link to the program itself, by priority, with those that go with it; none that the base has.
#[test]
fn links_of_alternatives() {
    Case {
        base: &["usr/bin/nc -> ncat", "usr/bin/ncat"],
        files: &[
            "/usr/bin/vim.basic f 0755 root:root sha256:one",
            "/usr/bin/vim.tiny f 0755 root:root sha256:two",
            "/usr/bin/netcat f 0755 root:root sha256:six",
            "/usr/share/man/man1/vim.1 f 0644 root:root sha256:ten",
            "/etc/alternatives/vi l 0777 root:root ->/usr/bin/vim.basic",
            "/usr/bin/vi l 0777 root:root ->/etc/alternatives/vi",
            "/etc/alternatives/am f 0777 root:root ghost",
            "/usr/bin/am l 0777 root:root ->/etc/alternatives/am",
            "/usr/share/libalternatives/vi/30.conf f 0644 root:root sha256:odd",
        ],
        scripts: &[(
            "post",
            "update-alternatives --install /usr/bin/vi vi /usr/bin/vim.basic 30 \
             --slave /usr/share/man/man1/vi.1 vi.1 /usr/share/man/man1/vim.1\n\
             alternatives --install /usr/bin/vi vi /usr/bin/vim.tiny 15\n\
             alternatives --install /usr/bin/nc nmap /usr/bin/netcat 10",
        )],
        has: &[
            "/usr/bin/vi -> vim.basic",
            "/usr/share/man/man1/vi.1 -> vim.1",
            "/usr/share/libalternatives/vi/30.conf 0644 0:0",
            "refers-to-left-out: /usr/bin/am is a link to /etc/alternatives/am, and /etc/alternatives/am of \
             one-1-1.x86_64 was left out (no-ghosts)",
        ],
        lacks: &["/usr/bin/nc ->", "!"],
        ..Case::default()
    }
    .check();
}

/// Where the base has links, nothing is put in their place.
#[test]
fn directories_that_are_merged() {
    let files = &[
        "/usr/sbin/d f 0755 root:root sha256:one",
        "/sbin/e f 0755 root:root sha256:two",
        "/lib/systemd/system/d.service f 0644 root:root sha256:six",
    ];
    Case {
        base: &["usr/sbin -> bin"],
        files,
        has: &[
            "/usr/bin/d 0755 0:0",
            "/usr/bin/e 0755 0:0",
            "/usr/lib/systemd/system/d.service 0644 0:0",
        ],
        lacks: &["/usr/sbin/d 0", "!"],
        ..Case::default()
    }
    .check();
    Case {
        base: &["usr/sbin/own"],
        files,
        has: &["/usr/sbin/d 0755 0:0", "/usr/sbin/e 0755 0:0"],
        lacks: &["!"],
        ..Case::default()
    }
    .check();
}

/// Directories that the loader looks into once ldconfig has run, before services are started.
#[test]
fn directories_of_libraries() {
    Case {
        files: &[
            "/usr/lib64/d/libd.so.1 f 0755 root:root sha256:one",
            "/etc/ld.so.conf.d/d.conf f 0644 root:root sha256:two",
        ],
        texts: &[("d.service", "[Service]|ExecStart=/usr/bin/sh")],
        start: &["d.service"],
        has: &[
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: C /etc/ld.so.conf.d/d.conf - - - - -",
            "+ /usr/lib/systemd/system/sysext-one@.service: ExecStart=-ldconfig",
            "+ /usr/lib/systemd/system/sysext-one@.service: Before=d.service",
            "loader-configuration: /etc/ld.so.conf.d/d.conf names directories of libraries; programs find what \
             is in them once ldconfig has run on the host, as it does once the image is merged",
        ],
        lacks: &["!"],
        ..Case::default()
    }
    .check();
}

/// A module of SELinux's policy is in force once a host has loaded it.
#[test]
fn modules_of_a_policy() {
    Case {
        files: &["/usr/share/selinux/packages/d.pp f 0644 root:root sha256:one"],
        has: &["policy-module: /usr/share/selinux/packages/d.pp is a module of SELinux's policy, which the host \
                has to load: semodule -i /usr/share/selinux/packages/d.pp"],
        lacks: &["!"],
        ..Case::default()
    }
    .check();
    Case {
        files: &["/usr/share/selinux/packages/d.pp f 0644 root:root sha256:one"],
        scripts: &[("post", "semodule -i /usr/share/selinux/packages/d.pp")],
        has: &["host: semodule -i /usr/share/selinux/packages/d.pp"],
        lacks: &["policy-module", "!"],
        ..Case::default()
    }
    .check();
}

/// A package that only has files below `/usr` gets nothing, and nothing is said of it.
#[test]
fn a_package_with_nothing_of_all_this() {
    let outcome = Case {
        base: &["usr/lib/systemd/system-preset/90-base.preset: disable *"],
        files: &[
            "/usr/bin/d f 0755 root:root sha256:one",
            "/usr/share/man/man1/d.1 f 0644 root:root sha256:two",
            "/usr/share/d d 0755 root:root",
        ],
        scripts: &[("post", "/sbin/ldconfig"), ("postun", "/sbin/ldconfig")],
        ..Case::default()
    }
    .outcome();
    let made = "/usr/lib/extension-release.d/extension-release.one";
    let others: Vec<_> = (outcome.iter())
        .filter(|line| !line.contains(made))
        .collect();
    assert_eq!(
        others,
        ["/usr/bin/d 0755 0:0", "/usr/share/man/man1/d.1 0644 0:0"]
    );
}
