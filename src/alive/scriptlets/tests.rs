use super::*;

/// What a scriptlet comes to, command by command.
fn shown(kind: &str, program: &str, script: &str) -> Vec<String> {
    let lines = read(kind, &[program.to_owned()], script);
    let shown = lines.into_iter().map(|line| match line.reading {
        Reading::Effects(effects) => format!("{effects:?}"),
        Reading::Harmless(_) => "harmless".to_owned(),
        Reading::Host(step) => format!("{step:?}"),
        Reading::Unhandled => "unhandled".to_owned(),
    });
    shown.collect()
}

/// Compares what scripts of `%post` come to.
fn compare(scripts: &[(&str, &str)]) {
    for (script, expected) in scripts {
        let found = shown("post", "/bin/sh", script).join(" ");
        assert_eq!(found, *expected, "{script}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_commands_come_to() {
    compare(&[
        (
            "echo x; printf y >&2; : > /dev/null",
            "harmless harmless harmless",
        ),
        ("echo x > /etc/x", "unhandled"),
        ("echo x >> $1", "unhandled"),
        ("{ echo x; } > /etc/x", "unhandled harmless"),
        ("/opt/x/echo", "unhandled"),
        ("echo $(rm -rf /var/x)", "unhandled harmless"),
        ("echo() { rm /x; }; echo", "harmless unhandled"),
        ("cat <<E | tee /etc/x\nE", "harmless unhandled"),
        (
            "cat /x | while read i; do rm $i; done",
            "harmless harmless unhandled",
        ),
        ("systemctl daemon-reload || :", "harmless harmless"),
        (
            "systemctl enable --now a b.socket",
            "[Start([\"a.service\", \"b.socket\"])]",
        ),
        (
            "systemctl enable '/usr/lib/systemd/system/a.service'",
            "[Start([\"a.service\"])]",
        ),
        (
            "systemctl --no-reload preset a.service",
            "[Preset([\"a.service\"])]",
        ),
        (
            "systemctl enable /usr/lib/systemd/system/a.service /lib/systemd/system/b.socket",
            "[Start([\"a.service\", \"b.socket\"])]",
        ),
        ("systemctl enable $X", "unhandled"),
        ("systemctl --root=/x enable a", "unhandled"),
        ("systemctl --global enable a", "unhandled"),
        ("systemctl mask a", "unhandled"),
        ("systemctl try-restart a", "[Touch([\"a.service\"])]"),
        ("systemctl set-default x.target", "unhandled"),
        (
            "if [ $1 -eq 1 ] && [ -x /usr/lib/systemd/systemd-update-helper ]; then\n\
             /usr/lib/systemd/systemd-update-helper install-system-units a.service b.timer || :\nfi",
            "harmless harmless [Preset([\"a.service\", \"b.timer\"])] harmless",
        ),
        ("[ $1 -gt 1 ] && rm -rf /x", "harmless harmless"),
        (
            "if grep -q x /y; then systemctl enable a; fi",
            "harmless unhandled",
        ),
        ("/sbin/ldconfig", "Ldconfig"),
        ("ldconfig -r /x", "unhandled"),
        (
            "udevadm control --reload-rules && udevadm trigger",
            "Udev Udev",
        ),
        ("getent passwd x || useradd x", "harmless [Accounts]"),
        (
            "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 root; usermod -v 1-9 x",
            "Run([\"usermod\", \"--add-subuids\", \"100000-165535\", \"--add-subgids\", \
             \"100000-165535\", \"root\"]) Run([\"usermod\", \"-v\", \"1-9\", \"x\"])",
        ),
        (
            "for i in $(ls); do usermod -aG x $i; done",
            "harmless [Accounts]",
        ),
        (
            "gtk-update-icon-cache -f /usr/share/icons/hicolor &>/dev/null",
            "Index(\"gtk-update-icon-cache\")",
        ),
        ("touch --no-create /usr/share/icons/hicolor", "harmless"),
        ("touch /usr/share/x", "[File { path: \"/usr/share/x\" }]"),
        (
            "mkdir -p /var/lib/x/y -m 0750",
            "[Directory { path: \"/var/lib/x/y\", mode: Some(488) }]",
        ),
        ("mkdir x", "unhandled"),
        ("mkdir /a/../b", "unhandled"),
        (
            "L=/var/log/x; install -d -m 750 -o root -g x $L",
            "harmless [Directory { path: \"/var/log/x\", mode: Some(488) }, Owner { path: \"/var/log/x\", \
             user: Some(\"root\"), group: Some(\"x\"), is_deep: false }]",
        ),
        ("install -m 644 a /etc/b", "unhandled"),
        (
            "chmod 4755 /usr/bin/x",
            "[Mode { path: \"/usr/bin/x\", mode: \"4755\", is_deep: false }]",
        ),
        (
            "chmod u+s,o-x /x",
            "[Mode { path: \"/x\", mode: \"u+s,o-x\", is_deep: false }]",
        ),
        ("chmod --reference=/a /b", "unhandled"),
        (
            "chown -R a:b /var/x",
            "[Owner { path: \"/var/x\", user: Some(\"a\"), group: Some(\"b\"), is_deep: true }]",
        ),
        (
            "chgrp b /usr/bin/x",
            "[Owner { path: \"/usr/bin/x\", user: None, group: Some(\"b\"), is_deep: false }]",
        ),
        (
            "setcap cap_net_raw+ep /usr/bin/x",
            "[Capabilities { path: \"/usr/bin/x\", text: \"cap_net_raw+ep\" }]",
        ),
        ("setcap -r /usr/bin/x", "unhandled"),
        (
            "ln -sf ../x /usr/bin/y",
            "[Link { path: \"/usr/bin/y\", target: \"../x\" }]",
        ),
        ("ln /usr/bin/x /usr/bin/y", "unhandled"),
        ("rm -f /etc/x", "unhandled"),
        ("rm -f /run/rpm-x/y /etc/z.rpmsave", "harmless"),
        (
            "cp /usr/share/x x; cp -r /usr/share/x /etc/x",
            "unhandled unhandled",
        ),
        (
            "cp -n /usr/share/x /etc/x; [ -e /etc/y ] || cp -p /usr/share/x /etc/y",
            "[Copy { path: \"/etc/x\", from: \"/usr/share/x\", replaces: false }] harmless \
             [Copy { path: \"/etc/y\", from: \"/usr/share/x\", replaces: true }]",
        ),
        (
            "ln -sf /usr/lib/systemd/system/a.service /etc/systemd/system/m.target.wants/a.service",
            "[Start([\"a.service\"])]",
        ),
        (
            "ln -s /dev/null /etc/systemd/system/a.service",
            "[Link { path: \"/etc/systemd/system/a.service\", target: \"/dev/null\" }]",
        ),
        (
            "/bin/fillup -q /etc/sysconfig/x /usr/share/fillup-templates/sysconfig.x",
            "[Copy { path: \"/etc/sysconfig/x\", from: \"/usr/share/fillup-templates/sysconfig.x\", \
             replaces: false }]",
        ),
        (
            "update-alternatives --install /usr/bin/vi vi /usr/bin/vim 30 --slave /usr/bin/ex ex /usr/bin/vix",
            "[Alternative(Alternative { name: \"vi\", priority: 30, links: [(\"/usr/bin/vi\", \
             \"/usr/bin/vim\"), (\"/usr/bin/ex\", \"/usr/bin/vix\")] })]",
        ),
        ("update-alternatives --set vi /usr/bin/vim", "unhandled"),
    ]);
}

/// Names and options decide: what is called like a harmless command need not be one.
#[test]
fn what_may_change_something_is_not_harmless() {
    compare(&[
        ("sed s/a/b/ /x", "harmless"),
        (
            "sed -i s/a/b/ /x; sed -ri s/a/b/ /x; sed 's/a/b/w /x' /y",
            "unhandled unhandled unhandled",
        ),
        ("awk '$3 >= 500 || $4 {print $1}' /x", "harmless"),
        (
            "awk '{print > \"/y\"}' /x; awk 'BEGIN{system(\"x\")}'",
            "unhandled unhandled",
        ),
        ("find /x -name y; find /x -delete", "harmless unhandled"),
        (". /etc/os-release; . /x", "harmless unhandled"),
        (
            "eval $x; xargs rm; exec x; sudo y",
            "unhandled unhandled unhandled harmless",
        ),
        (
            "restorecon -R /usr/bin; restorecon -R /var/x",
            "harmless Run([\"restorecon\", \"-R\", \"/var/x\"])",
        ),
        (
            "busctl call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig",
            "Bus",
        ),
        ("x service install", "unhandled"),
        ("PATH=/x echo y", "unhandled"),
        ("PATH=/x; echo y", "harmless unhandled"),
        ("PATH=$PATH:/sbin; echo y", "harmless harmless"),
        ("export PATH=/x:/bin; echo y", "harmless unhandled"),
        ("alias echo=rm; echo y", "unhandled unhandled"),
        (
            "command -v x; command -p rm y; rpm -q x; rpm $X; rpm -e x",
            "harmless unhandled harmless harmless unhandled",
        ),
        (
            "sort /x; sort -ro /y /x; uniq /x; uniq /x /y",
            "harmless unhandled harmless unhandled",
        ),
        (
            "date +%s; date 01010000; hostname; hostname x",
            "harmless unhandled harmless unhandled",
        ),
        ("umask 022; umask 077", "harmless unhandled"),
        (
            "systemd-tmpfiles --create x.conf; systemd-tmpfiles --create /x",
            "Tmpfiles unhandled",
        ),
        (
            "systemd-sysusers --replace=/usr/lib/sysusers.d/x.conf - <<E\nu x -\nE",
            "Sysusers",
        ),
        ("systemd-sysusers - <<E\nu x -\nE", "unhandled"),
        ("exit 0; rm -rf /x", "harmless harmless"),
        ("case $x in", "unhandled"),
    ]);
}

#[test]
fn moments_and_programs() {
    for (kind, program, script, expected) in [
        ("preun", "/bin/sh", "rm /x", "harmless"),
        ("postun", "/bin/sh", "rm /x", "harmless"),
        ("triggerun", "/bin/sh", "rm /x", "harmless"),
        ("verify", "/bin/sh", "rm /x", "harmless"),
        (
            "triggerin",
            "/bin/sh",
            "[ $1 = 1 ] && systemctl start x",
            "harmless unhandled",
        ),
        (
            "transfiletriggerin",
            "/bin/sh",
            "fc-cache",
            "Run([\"fc-cache\"])",
        ),
        ("post", "/sbin/ldconfig", "", "Ldconfig"),
        ("post", "/bin/sh", " ", ""),
        ("post", "/usr/bin/perl", "x", "unhandled"),
        ("post", "/usr/sbin/glibc_post", "", "unhandled"),
    ] {
        assert_eq!(
            shown(kind, program, script).join(" "),
            expected,
            "{kind} {program} {script}"
        );
    }
}

#[test]
fn what_lua_comes_to() {
    for (script, expected) in [
        ("print('x')\nlocal a = 1", "harmless"),
        (
            "posix.mkdir(\"/proc\")",
            "[Directory { path: \"/proc\", mode: None }]",
        ),
        (
            "posix.symlink('usr/bin', '/bin')",
            "[Link { path: \"/bin\", target: \"usr/bin\" }]",
        ),
        (
            "path = \"/usr/x\"\nst = posix.stat(path)\nif st and st.type == \"directory\" then\n\
             status = os.rename(path, path .. \".rpmmoved\")\nend",
            "harmless harmless",
        ),
        ("os.remove('/x')", "unhandled"),
        (
            "if posix.access('/run/systemd/system') then\n  pid = posix.fork()\n  if pid == 0 then\n\
             assert(posix.exec('/usr/bin/systemd-sysusers'))\n  elseif pid > 0 then\n\
             posix.wait(pid)\n  end\nend",
            "harmless harmless harmless Sysusers harmless",
        ),
        ("os.execute('ldconfig')", "Ldconfig"),
        ("os.execute 'rm -rf /x'", "unhandled"),
        ("os.execute(cmd)", "unhandled"),
        (
            "if x then os.execute('systemctl enable a') end",
            "unhandled",
        ),
        (
            "rpm.execute('/usr/bin/chmod', '755', '/usr/bin/x')",
            "[Mode { path: \"/usr/bin/x\", mode: \"755\", is_deep: false }]",
        ),
        ("local e = os.execute\ne('rm /x')", "unhandled unhandled"),
        ("local o = os\no.execute('rm /x')", "unhandled unhandled"),
        ("_G['os']['execute']('rm /x')", "unhandled unhandled"),
        ("os['execute']('rm /x')", "unhandled unhandled"),
        (
            "print = os.execute\nprint('rm /x')",
            "unhandled unhandled harmless",
        ),
        ("load('x')()", "unhandled unhandled"),
        (
            "local f = io.open('/x')\nf:read()\nf:close()",
            "harmless harmless harmless",
        ),
        (
            "local f = io.open('/x', 'w')\nf:write('x')",
            "unhandled unhandled",
        ),
        ("io.stdout:write('x')", "harmless"),
        (
            "function f(x) os.remove(x) end\nf('/x')",
            "unhandled harmless",
        ),
        ("if true then os.remove('/x') end", "unhandled"),
        (
            "function f(x) posix.mkdir(x) end\nf('/x')",
            "unhandled harmless",
        ),
        (
            "for i in x:gmatch('a') do print(i) end",
            "harmless harmless",
        ),
        ("rpm.expand('%{_bindir}')", "harmless"),
        ("rpm.expand('%(rm /x)')", "unhandled"),
        ("-- os.remove('/x')\n--[[ os.remove('/x') ]]", ""),
        ("s = [[os.remove('/x')]]", ""),
        ("x = 'a", "unhandled"),
        ("pcall(os.remove, '/x')", "unhandled unhandled"),
    ] {
        assert_eq!(
            shown("pretrans", "<lua>", script).join(" "),
            expected,
            "{script}"
        );
    }
    assert_eq!(
        shown("post", "<lua>", "if x then os.remove('/x') end"),
        ["unhandled"]
    );
}

/// What a script does that is hard to follow is not taken for nothing.
#[test]
fn what_can_not_be_followed_is_not_harmless() {
    for script in [
        "exit 0 | cat\nrm -rf /etc/x",
        "{ exit 0; } &\nrm -rf /etc/x",
        "(rm() { :; }); rm -rf /etc/x",
        "rm() { :; } | cat; rm -rf /etc/x",
        "rm() { :; }; unset -f rm; rm -rf /etc/x",
        "f() { local A; A=/dev/null; }; A=/etc/x; f; echo a > $A",
        "A=1; ((A=2)); [ $A = 1 ] || rm -rf /etc/x",
        "A=1; : $((A=2)); [ $A = 1 ] || rm -rf /etc/x",
        "A=1; let A=2; [ $A = 1 ] || rm -rf /etc/x",
        "A=1; getopts a A -a; [ $A = 1 ] || rm -rf /etc/x",
        "A=1; ls & wait -p A; [ $A = 1 ] || rm -rf /etc/x",
        "A=1; { A=2; } & wait; [ $A = 1 ] && rm -rf /etc/x",
        "A=/dev/null; printf -v A /etc/x; echo a > $A",
        "A=/dev/null; X=A=/etc/x; export $X; echo a > $A",
        "A=/dev/null; export A+=/x; echo a > $A",
        "A=/dev/null; declare -n B=A; B=/etc/x; echo a > $A",
        "A=/dev/null B=/dev/null C=/dev/null\nwhile read q; do echo x > $A; A=$B; B=$C; C=/etc/x; done",
        "cat <<EOF\n\tEOF\nexit 0\nEOF\nrm -rf /etc/x",
        "cd /etc; rm -f passwd /run/rpm-a",
        "cd /etc; touch passwd /run/rpm-a",
        "sed '1etouch /etc/x' /y",
        "sed 's/a/touch x/eg' /y",
        "sed 's/a/b/wmotd' /y",
        "sed wmotd /y",
        "rpm -q --eval '%(touch /etc/x)'",
        "rpmquery --pipe 'touch /etc/x' a",
        "date -us 12:00",
        "awk -E f",
        "awk -bf f",
        "[[ 010 -eq 8 ]] && rm -rf /etc/x",
    ] {
        let shown = shown("post", "/bin/bash", script);
        let is_harmless = shown.iter().all(|line| line == "harmless");
        assert!(!is_harmless, "{script}: {shown:?}");
    }
    // A long chain is not followed to its end.
    let chain = format!("{}ls", "ls && ".repeat(10_000));
    assert_eq!(shown("post", "/bin/sh", &chain), ["unhandled"]);
    for script in [
        "sed -n 's/^a=//p' /x; sed -e '/^#/d' -e 's|/a|/b|g' /x; sed 2q /x",
        "awk -F: '{print $1}' /x",
        "date -u +%s; rpm -q --qf '%{VERSION}' x",
        "rm -f /run/rpm-a; touch /var/lib/rpm-state/b",
    ] {
        let shown = shown("post", "/bin/sh", script);
        assert!(
            shown.iter().all(|line| line == "harmless"),
            "{script}: {shown:?}"
        );
    }
}
