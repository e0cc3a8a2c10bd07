//! Images that were published and never worked. Each is called dead, with the reason.

use super::Case;

/// A drop-in that systemd does not read, since its name ends in something else.
#[test]
fn a_drop_in_that_nobody_reads() {
    Case {
        files: &["/usr/bin/routed f 0755 root:root sha256:one"],
        texts: &[
            ("routed.service", "[Service]|ExecStart=/usr/bin/routed"),
            ("multi-user.target.d/routed.service", "[Unit]|Upholds=routed.service"),
        ],
        has: &["!unit-ignored: /usr/lib/systemd/system/multi-user.target.d/routed.service is read by nobody: \
                the name of a drop-in ends in .conf"],
        ..Case::default()
    }
    .check();
}

/// A name that is none of a unit's.
#[test]
fn a_name_without_its_suffix() {
    Case {
        files: &["/usr/bin/snitch f 0755 root:root sha256:one"],
        texts: &[
            ("snitch.service", "[Service]|ExecStart=/usr/bin/snitch"),
            ("multi-user.target.d/10-snitch.conf", "[Unit]|Upholds=snitch"),
        ],
        has: &["!unit-ignored: /usr/lib/systemd/system/multi-user.target.d/10-snitch.conf: Upholds=snitch: the \
                name has no suffix that units have, such as .service or .socket; systemd would ignore it"],
        ..Case::default()
    }
    .check();
}

/// A user whom nobody makes, of a unit that a link starts.
#[test]
fn a_user_whom_nobody_makes() {
    Case {
        base: &["etc/passwd: root:x:0:0::/:/bin/sh"],
        files: &[
            "/usr/bin/kv f 0755 root:root sha256:one",
            "/usr/lib/systemd/system/multi-user.target.upholds/kv.service l 0777 root:root ->../kv.service",
        ],
        texts: &[("kv.service", "[Service]|User=kv|ExecStart=/usr/bin/kv")],
        has: &["!account-missing: /usr/lib/systemd/system/kv.service can't start: User=kv, which neither the \
                base nor a snippet of the image makes"],
        ..Case::default()
    }
    .check();
}

/// Units that nobody starts, whose text has the place where the package had its files. Of the package
/// itself, all of that is done.
#[test]
fn units_that_nobody_starts_and_that_name_a_place_of_old() {
    let units = &[
        (
            "vpn.service",
            "[Unit]|RequiresMountsFor=/opt/My\\x20VPN/data/|[Service]|Environment=\"DATA=/opt/My VPN/data\"|\
             ExecStart=/usr/bin/vpn|[Install]|WantedBy=multi-user.target",
        ),
        (
            "vpn-block.service",
            "[Service]|ExecStart=/usr/bin/vpn|[Install]|WantedBy=vpn.service",
        ),
    ];
    Case {
        files: &[
            "/usr/bin/vpn f 0755 root:root sha256:one",
            "/usr/bin/exclude f 0755 root:root sha256:two",
            "/usr/lib/My\u{a0}VPN/data f 0644 root:root sha256:six",
        ],
        texts: units,
        has: &[
            "not-started: vpn.service is not started: nothing of the image starts it; to start it: start = \
             [\"vpn.service\"]",
            "not-started: vpn-block.service is not started: nothing of the image starts it; to start it: start \
             = [\"vpn-block.service\"]",
            "path-missing: /usr/lib/systemd/system/vpn.service names /opt/My VPN/data, which is in neither the \
             image nor the base",
        ],
        ..Case::default()
    }
    .check();
    Case {
        files: &[
            "/usr/bin/vpn f 0755 root:root sha256:one",
            "/usr/bin/exclude f 0755 root:root sha256:two",
        ],
        texts: units,
        scripts: &[(
            "post",
            "chmod u+s \"/usr/bin/exclude\"\nsystemctl enable \"/usr/lib/systemd/system/vpn.service\"\n\
             systemctl start vpn.service || echo no\nsystemctl enable vpn-block.service",
        )],
        has: &["/usr/bin/exclude 4755 0:0", "start: vpn.service", "start: vpn-block.service"],
        lacks: &["not-started", "scriptlet:"],
        ..Case::default()
    }
    .check();
}

/// A package whose own program makes its unit, which nothing else can tell.
#[test]
fn a_program_that_makes_its_own_service() {
    Case {
        files: &["/usr/bin/mesh f 0755 root:root sha256:one"],
        scripts: &[("post", "/usr/bin/mesh service install\nmesh service start || true")],
        has: &[
            "!not-started: one-1-1.x86_64: %post line 1: /usr/bin/mesh service install: a program of the package \
             makes its service there, and no program is run, so nothing starts it",
            "scriptlet: one-1-1.x86_64: %post line 2: mesh service start",
        ],
        ..Case::default()
    }
    .check();
}

/// A directory whose name is in a variable. An image of files alone lacks it; here it is made.
#[test]
fn a_directory_whose_name_is_in_a_variable() {
    Case {
        files: &["/usr/bin/d f 0755 root:root sha256:one"],
        scripts: &[(
            "post",
            "NORD_GROUP=nord\nLOG_DIR=\"/var/log/nord\"\ngetent group \"$NORD_GROUP\" || groupadd -r \
             \"$NORD_GROUP\"\nmkdir -p \"$LOG_DIR\"\nchmod 0750 \"$LOG_DIR\"\nchown root:\"$NORD_GROUP\" \
             \"$LOG_DIR\"\n",
        )],
        has: &[
            "+ /usr/lib/tmpfiles.d/sysext-one-scriptlets.conf: d /var/log/nord 0750 root nord -",
            "+ /usr/lib/sysusers.d/sysext-one.conf: g nord -",
        ],
        lacks: &["scriptlet:", "!"],
        ..Case::default()
    }
    .check();
}

/// Units that the presets of the base leave, and numbers for the containers of root.
#[test]
fn containers_that_get_no_numbers() {
    Case {
        base: &["usr/lib/systemd/system-preset/99-default.preset: disable *"],
        files: &["/usr/bin/incusd f 0755 root:root sha256:one"],
        texts: &[
            ("incus.service", "[Service]|ExecStart=/usr/bin/incusd|[Install]|Also=incus.socket|WantedBy=m.target"),
            ("incus.socket", "[Socket]|ListenStream=/run/i|[Install]|WantedBy=sockets.target"),
        ],
        scripts: &[(
            "post",
            "usermod --add-subuids 1000000-1001000000 --add-subgids 1000000-1001000000 root || :\n\
             systemctl preset incus.socket incus.service || :",
        )],
        has: &[
            "not-started: incus.socket is not started: %post of one-1-1.x86_64 leaves it to presets, and the \
             base's do not enable it; to start it: start = [\"incus.socket\"]",
            "not-started: incus.service is not started: %post of one-1-1.x86_64 leaves it to presets, and the \
             base's do not enable it; to start it: start = [\"incus.service\"]",
            "host: usermod --add-subuids 1000000-1001000000 --add-subgids 1000000-1001000000 root",
        ],
        lacks: &["account-unread", "!"],
        ..Case::default()
    }
    .check();
}
