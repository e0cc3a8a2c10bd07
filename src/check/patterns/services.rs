//! Services: who starts them, as whom they run, what is done before.

use super::Case;

/// A daemon and its socket, for which a scriptlet asks the presets.
const LAMP: Case = Case {
    base: &["usr/lib/systemd/system-preset/90-base.preset: disable lamp.socket|disable *"],
    files: &["/usr/bin/lampd f 0755 root:root sha256:one"],
    scripts: &[("post", "systemctl --no-reload preset lamp.service")],
    texts: &[
        (
            "lamp.service",
            "[Unit]|Requires=lamp.socket|[Service]|ExecStart=/usr/bin/lampd -H fd://|[Install]|WantedBy=a.target",
        ),
        (
            "lamp.socket",
            "[Socket]|ListenStream=/run/lamp|[Install]|WantedBy=sockets.target",
        ),
    ],
    start: &[],
    has: &[],
    lacks: &[],
};

/// The manager reads its units after a merge, and starts the socket. That a preset of the base, whichever
/// comes first, disables the socket counts only for what is not asked for.
#[test]
fn a_socket_is_started_instead_of_its_service() {
    Case {
        start: &["lamp.socket"],
        has: &[
            "+ /usr/lib/systemd/system/multi-user.target.d/10-one.conf: [Unit]",
            "+ /usr/lib/systemd/system/multi-user.target.d/10-one.conf: Upholds=lamp.socket",
            "+ /usr/lib/extension-release.d/extension-release.one: EXTENSION_RELOAD_MANAGER=1",
            "not-started: lamp.service is not started: %post of one-1-1.x86_64 leaves it to presets, and the \
             base's do not enable it; to start it: start = [\"lamp.service\"]",
        ],
        lacks: &["Upholds=lamp.service", "!"],
        ..LAMP
    }
    .check();
}

/// A service that takes its connections from systemd can't run without its socket.
#[test]
fn a_service_whose_socket_is_not_started() {
    Case {
        start: &["lamp.service"],
        has: &["start: lamp.service"],
        lacks: &["not-started", "!"],
        ..LAMP
    }
    .check();
    let texts = &[
        (
            "lamp.service",
            "[Service]|ExecStart=/usr/bin/lampd -H fd://",
        ),
        (
            "lamp.socket",
            "[Socket]|ListenStream=/run/lamp|[Install]|WantedBy=sockets.target",
        ),
    ];
    Case {
        texts,
        start: &["lamp.service"],
        has: &["!not-started: lamp.socket is not started: lamp.service takes its connections from it, and \
                can't run without; to start it: start = [\"lamp.socket\"]"],
        ..LAMP
    }
    .check();
    Case {
        texts,
        start: &["lamp.service", "lamp.socket"],
        lacks: &["not-started", "!"],
        ..LAMP
    }
    .check();
}

/// `systemctl enable` would have brought them.
#[test]
fn sockets_that_go_with_one_that_is_started() {
    Case {
        files: &["/usr/bin/virtd f 0755 root:root sha256:one"],
        texts: &[
            (
                "virtd.socket",
                "[Socket]|ListenStream=/run/v|[Install]|WantedBy=sockets.target|Also=virtd-ro.socket virtd-admin.socket",
            ),
            ("virtd-ro.socket", "[Socket]|ListenStream=/run/w|Service=virtd.service"),
            ("virtd-admin.socket", "[Socket]|ListenStream=/run/x|Service=virtd.service"),
            ("virtd.service", "[Service]|ExecStart=/usr/bin/virtd|[Install]|WantedBy=a.target"),
        ],
        start: &["virtd.socket"],
        has: &[
            "start: virtd.socket",
            "not-started: virtd-ro.socket is not started: virtd.socket goes with it; to start it: start = \
             [\"virtd-ro.socket\"]",
            "not-started: virtd-admin.socket is not started: virtd.socket goes with it; to start it: start = \
             [\"virtd-admin.socket\"]",
        ],
        lacks: &["virtd.service is not started", "!"],
        ..Case::default()
    }
    .check();
}

#[test]
fn what_a_package_enables_is_started() {
    let of = |script: &'static [(&'static str, &'static str)]| Case {
        base: &["usr/lib/systemd/system-preset/90-base.preset: enable c.service|disable *"],
        files: &["/usr/bin/d f 0755 root:root sha256:one"],
        scripts: script,
        texts: &[
            (
                "a.service",
                "[Service]|ExecStart=/usr/bin/d|[Install]|WantedBy=m.target",
            ),
            ("b.timer", "[Timer]|OnBootSec=1|[Install]|WantedBy=m.target"),
            (
                "c.service",
                "[Service]|ExecStart=/usr/bin/d|[Install]|WantedBy=m.target",
            ),
            ("b.service", "[Service]|ExecStart=/usr/bin/d"),
        ],
        ..Case::default()
    };
    Case {
        has: &["start: a.service", "start: b.timer", "start: c.service"],
        lacks: &["not-started", "!"],
        ..of(&[(
            "post",
            "systemctl enable --now a /usr/lib/systemd/system/b.timer || :\n\
             [ -x /usr/lib/systemd/systemd-update-helper ] && \
             /usr/lib/systemd/systemd-update-helper install-system-units c.service",
        )])
    }
    .check();
    // Nobody asks for them.
    Case {
        has: &[
            "not-started: a.service is not started: nothing of the image starts it; to start it: start = \
             [\"a.service\"]",
            "not-started: b.timer is not started: nothing of the image starts it; to start it: start = \
             [\"b.timer\"]",
        ],
        lacks: &["start: ", "b.service is not started", "!"],
        ..of(&[])
    }
    .check();
}

/// A service that the bus starts, or a link of the package, needs nobody to enable it.
#[test]
fn services_that_others_start() {
    Case {
        files: &[
            "/usr/bin/d f 0755 root:root sha256:one",
            "/usr/lib/systemd/system/m.target.wants/b.service l 0777 root:root ->../b.service",
        ],
        texts: &[
            ("a.service", "[Service]|Type=dbus|BusName=org.a|ExecStart=/usr/bin/d|[Install]|Alias=dbus-org.a.service"),
            ("b.service", "[Service]|ExecStart=/usr/bin/d|[Install]|WantedBy=m.target"),
            ("c@.service", "[Service]|ExecStart=/usr/bin/d %i|[Install]|WantedBy=m.target"),
            (
                "/usr/share/dbus-1/system-services/org.a.service",
                "[D-BUS Service]|Name=org.a|Exec=/usr/bin/d|SystemdService=a.service",
            ),
        ],
        has: &["host: systemctl --no-block reload dbus.service"],
        lacks: &["not-started", "!"],
        ..Case::default()
    }
    .check();
}

#[test]
fn accounts_that_scriptlets_make() {
    Case {
        files: &["/usr/bin/d f 0755 root:root sha256:one"],
        scripts: &[(
            "pre",
            "getent group miniflux >/dev/null || groupadd -r miniflux\n\
             getent passwd miniflux || useradd -r -g miniflux -d /dev/null -s /sbin/nologin -c \"The Daemon\" miniflux\n\
             groupadd -g 48 -r apache\nuseradd -u 48 -g 48 -r -d /usr/share/httpd apache\n\
             useradd -r --groups rtlsdr readsb\nusermod -aG render lemonade\ngroupadd --system docker\n\
             useradd -r --create-home -d /var/lib/coder -s /bin/false coder\n\
             usermod --add-subuids 1000000-1999999 root",
        )],
        has: &[
            "+ /usr/lib/sysusers.d/sysext-one.conf: u miniflux - \"The Daemon\" /dev/null /sbin/nologin",
            "+ /usr/lib/sysusers.d/sysext-one.conf: g apache 48",
            "+ /usr/lib/sysusers.d/sysext-one.conf: u apache 48:48 - /usr/share/httpd",
            "+ /usr/lib/sysusers.d/sysext-one.conf: m readsb rtlsdr",
            "+ /usr/lib/sysusers.d/sysext-one.conf: m lemonade render",
            "+ /usr/lib/sysusers.d/sysext-one.conf: g docker -",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: d /var/lib/coder 0700 coder coder - -",
            "host: systemd-sysusers sysext-one.conf",
            "host: systemd-tmpfiles --create sysext-one.conf",
            "host: usermod --add-subuids 1000000-1999999 root",
        ],
        lacks: &["account-unread", "scriptlet:", "!"],
        ..Case::default()
    }
    .check();
}

#[test]
fn accounts_that_are_only_named() {
    let text =
        |user: &'static [(&'static str, &'static str)], start: &'static [&'static str]| Case {
            base: &["etc/passwd: own:x:5:5::/:/bin/sh", "etc/group: own:x:5:"],
            files: &["/usr/bin/d f 0755 root:root sha256:one"],
            texts: user,
            start,
            ..Case::default()
        };
    let consul = &[("a.service", "[Service]|User=consul|ExecStart=/usr/bin/d")];
    Case {
        has: &["account-missing: /usr/lib/systemd/system/a.service can't start: User=consul, which neither the \
                base nor a snippet of the image makes"],
        lacks: &["!"],
        ..text(consul, &[])
    }
    .check();
    Case {
        has: &["!account-missing: /usr/lib/systemd/system/a.service can't start: User=consul, which neither \
                the base nor a snippet of the image makes"],
        ..text(consul, &["a.service"])
    }
    .check();
    for known in [
        &[("a.service", "[Service]|User=own|ExecStart=/usr/bin/d")][..],
        &[(
            "a.service",
            "[Service]|User=dyn|DynamicUser=yes|ExecStart=/usr/bin/d",
        )],
        &[
            ("a.service", "[Service]|User=made|ExecStart=/usr/bin/d"),
            ("/usr/lib/sysusers.d/a.conf", "u made -"),
        ],
    ] {
        Case {
            lacks: &["account-missing", "!"],
            ..text(known, &["a.service"])
        }
        .check();
    }
    Case {
        has: &["account-missing: /usr/lib/systemd/system/a.socket can't start: SocketGroup=docker, which \
                neither the base nor a snippet of the image makes"],
        ..text(&[("a.socket", "[Socket]|SocketGroup=docker")], &[])
    }
    .check();
}

/// Who owns files is made before the files, and both before what is started.
#[test]
fn accounts_and_files_are_there_before_services() {
    Case {
        files: &[
            "/usr/bin/d f 0755 root:root sha256:one",
            "/etc/d.conf f 0640 root:d sha256:two",
        ],
        scripts: &[("pre", "groupadd -r d")],
        texts: &[("d.service", "[Service]|EnvironmentFile=/etc/d.conf|ExecStart=/usr/bin/d")],
        start: &["d.service"],
        has: &[
            "+ /usr/lib/systemd/system/multi-user.target.d/20-one.conf: Upholds=sysext-one@1-1.service",
            "+ /usr/lib/systemd/system/sysext-one@.service: Before=d.service",
            "+ /usr/lib/systemd/system/sysext-one@.service: ExecStart=-systemd-sysusers sysext-one.conf",
            "+ /usr/lib/systemd/system/sysext-one@.service: ExecStart=-systemd-tmpfiles --create sysext-one.conf",
            "+ /usr/lib/tmpfiles.d/sysext-one.conf: C /etc/d.conf :0640 :root :d - -",
        ],
        lacks: &["path-missing", "!"],
        ..Case::default()
    }
    .check();
}

/// Of a unit that is started, a file that it can't do without is missing on this base.
#[test]
fn a_file_that_a_started_unit_lacks() {
    let of = |line: &'static [(&'static str, &'static str)], start: &'static [&'static str]| Case {
        base: &["etc/own: A=b"],
        files: &["/usr/bin/d f 0755 root:root sha256:one"],
        texts: line,
        start,
        ..Case::default()
    };
    let lacking = &[(
        "d.service",
        "[Service]|EnvironmentFile=/etc/d|ExecStart=/usr/bin/d",
    )];
    Case {
        has: &["!path-missing: /usr/lib/systemd/system/d.service can't start: EnvironmentFile=/etc/d, and \
                /etc/d is in neither the image nor the base"],
        ..of(lacking, &["d.service"])
    }
    .check();
    Case {
        lacks: &["path-missing", "!"],
        ..of(lacking, &[])
    }
    .check();
    for line in [
        &[(
            "d.service",
            "[Service]|EnvironmentFile=-/etc/d|ExecStart=/usr/bin/d",
        )][..],
        &[(
            "d.service",
            "[Service]|EnvironmentFile=/etc/own|ExecStart=/usr/bin/d",
        )],
        &[(
            "d.service",
            "[Service]|EnvironmentFile=/run/d|ExecStart=/usr/bin/d",
        )],
        &[
            (
                "d.service",
                "[Service]|EnvironmentFile=/etc/d/a|ExecStart=/usr/bin/d",
            ),
            (
                "/usr/lib/tmpfiles.d/d.conf",
                "C /etc/d - - - - /usr/share/d",
            ),
        ],
    ] {
        Case {
            lacks: &["path-missing", "!"],
            ..of(line, &["d.service"])
        }
        .check();
    }
}

/// Units are where systemd reads them; a program below /usr/local is hidden where that is a link.
#[test]
fn units_that_are_elsewhere() {
    Case {
        base: &["usr/local -> ../var/usrlocal", "etc/systemd/system.conf"],
        files: &[
            "/usr/bin/d f 0755 root:root sha256:one",
            "/usr/local/bin/e f 0755 root:root sha256:two",
            "/etc/systemd/system/m.target.wants/d.service l 0777 root:root ->../d.service",
        ],
        texts: &[(
            "/etc/systemd/system/d.service",
            "[Service]|ExecStart=/usr/bin/d|[Install]|WantedBy=m.target",
        )],
        scripts: &[("post", "systemctl enable --now d.service")],
        has: &[
            "/usr/lib/systemd/system/d.service 0644 0:0",
            "/usr/lib/systemd/system/m.target.wants/d.service -> ../d.service",
            "start: d.service",
        ],
        ..Case::default()
    }
    .check();
}

#[test]
fn units_that_can_not_be_started_and_modes_that_hide_nothing() {
    Case {
        files: &[
            "/usr/bin/d f 0755 root:root sha256:one",
            "/usr/lib/systemd/system/m.service l 0777 root:root ->/dev/null",
            "/usr/lib/systemd/system/d.service f 0600 root:root sha256:two",
        ],
        texts: &[("d.service", "[Service]|ExecStart=/usr/bin/d")],
        scripts: &[("post", "systemctl enable m.service d.service")],
        has: &[
            "start: d.service",
            "unit-masked: /usr/lib/systemd/system/m.service is a link to /dev/null: nothing starts m.service as \
             long as the image is merged",
            "not-started: m.service is not started: %post of one-1-1.x86_64 starts it, and in the image it is a \
             link to /dev/null",
            "settings-mode: /usr/lib/systemd/system/d.service has mode 0600, so that not everybody reads what \
             systemd does",
        ],
        lacks: &["start: m.service", "!"],
        ..Case::default()
    }
    .check();
}

/// What a host has to read again.
#[test]
fn what_a_host_reads_again() {
    Case {
        files: &[
            "/etc/udev/rules.d/60-d.rules f 0644 root:root sha256:one",
            "/etc/dbus-1/system.d/d.conf f 0644 root:root sha256:two",
            "/etc/modules-load.d/d.conf f 0644 root:root sha256:six",
            "/usr/lib/udev/hwdb.d/d.hwdb f 0644 root:root sha256:ten",
        ],
        has: &[
            "/usr/lib/modules-load.d/d.conf 0644 0:0",
            "/usr/lib/udev/rules.d/60-d.rules 0644 0:0",
            "host: systemd-hwdb update",
            "host: udevadm control --reload",
            "host: udevadm trigger",
            "host: systemctl --no-block reload dbus.service",
        ],
        lacks: &["!"],
        ..Case::default()
    }
    .check();
}
