//! The real systemd merges what `pull` has brought, and installs what it has staged.

use std::fs;
use std::path::Path;

use crate::client::{CLIENT_257, CLIENT_NEWEST, Client, client};
use crate::sysupdate::publish;
use crate::workshop::{Scratch, names, program, text};

const ANY: [&str; 5] = ["--match", "any", "--allow", "unchecked-base", "--blocks"];

/// Commands for the client that use what is on its list, and nothing but that.
const INSTALL: &str = "systemd-sysupdate -C hello-two update\n\
    test \"$(readlink -f /etc/extensions/hello-two.raw)\" = /var/lib/sysext-store/hello-two-2-1.x86-64.raw\n\
    systemd-sysext refresh; hello-two\n";

fn refreshed() -> &'static str {
    "options=; ! systemd-sysext --help | grep -q -e --no-reload || options=--no-reload\n\
     systemd-sysext refresh $options; hello-two\n"
}

#[test(CLIENT_257, CLIENT_NEWEST)]
fn what_was_pulled_is_merged_and_what_was_staged_is_installed() {
    let scratch = Scratch::new();
    let (store, next) = (scratch.join("store"), scratch.join("next"));
    publish(&store, "hello-two", "1-1", &ANY);
    fs::create_dir(&next).unwrap();
    for name in names(&store) {
        fs::copy(store.join(&name), next.join(&name)).unwrap();
    }
    publish(&next, "hello-two", "2-1", &ANY);
    let archive = scratch.join("definitions.tar");
    let outcome = program()
        .args([
            "store",
            "sysupdate",
            "--staged",
            "--url",
            "https://example.org/x",
        ])
        .args([&next, Path::new("--tarball"), &archive])
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    // What the store itself delivers is as it was.
    assert!(
        !names(&next)
            .iter()
            .any(|name| name.contains("definitions") || name.ends_with(".d"))
    );
    let program = program().get_program().to_owned();
    let pull = |what: &str| {
        let program = Path::new(&program).display();
        format!(
            "{program} pull $STORE_URL hello-two --unsigned --arch x86-64 \
             --into $CLIENT_ROOT/var/lib/sysext-store {what}\n"
        )
    };
    let phase = |name: &str, commands: &str| {
        let path = scratch.join(name);
        fs::write(&path, commands).unwrap();
        path
    };
    for one in [CLIENT_257, CLIENT_NEWEST].map(Client::of) {
        let served = scratch.join(one.systemd);
        fs::create_dir(&served).unwrap();
        let copy = |from: &Path| format!("cp {}/* {}/\n", from.display(), served.display());
        let refresh = refreshed();
        let install = INSTALL.replace("systemd-sysext refresh; hello-two\n", refresh);
        let phases = [
            phase(
                "begin.client",
                "mkdir -p /etc/extensions /var/lib/sysext-store /var/lib/sysext-staged\n",
            ),
            phase(
                "pull",
                &(copy(&store) + &pull("--link $CLIENT_ROOT/etc/extensions")),
            ),
            // Its index comes along, as a file that no systemd takes for an image.
            phase(
                "one.client",
                &format!(
                    "cd /var/lib/sysext-store; : > hello-two-1-1.x86-64.blocks; : > /etc/extensions/hello-two-1-1.x86-64.blocks\n{refresh}"
                ),
            ),
            phase(
                "stage",
                &(copy(&next)
                    + &pull("--stage $CLIENT_ROOT/var/lib/sysext-staged")
                    + &format!("tar -xf {} -C $CLIENT_ROOT\n", archive.display())),
            ),
            phase("two.client", &install),
        ];
        let outcome = client(&one.tree, &served, &phases, false);
        let said = text(&outcome.stdout);
        assert!(outcome.status.success(), "systemd {}: {said}", one.systemd);
        for line in ["hello-two 1-1", "hello-two 2-1"] {
            let is_there = said.lines().any(|found| found == line);
            assert!(is_there, "systemd {}, {line}: {said}", one.systemd);
        }
    }
}
