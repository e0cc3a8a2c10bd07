//! The commands that a person copies from the page; README and the guide show the same.
//!
//! They are run as root. All that is put into them is free of what a shell gives a meaning: names
//! of extensions and files are checked by the store, and the address when it is given.
//!
//! The web server is not trusted. What it says of itself is believed only when the list's signature
//! is good, by a key whose whole fingerprint the administrator types; nothing is unpacked or
//! installed before that. Each block is a subshell that ends at the first command that fails, so
//! that what is pasted does not go on after a refusal.

use store::{ARCHIVE, CONFEXT_LINK_DIRECTORY, IMAGE_DIRECTORY};

use super::index::{Extension, Image, Index};

/// Where systemd looks for the public keys of an administrator.
const KEYRING: &str = "/etc/systemd/import-pubring.gpg";
/// Where systemd 258 and newer look for them; they ignore [`KEYRING`] where this is.
const NEW_KEYRING: &str = "/etc/systemd/import-pubring.pgp";
/// Where systemd 256 and newer look for certificates.
const CERTIFICATES: &str = "/etc/verity.d";
/// Stands for the store's address where the page does not know it.
const UNKNOWN_URL: &str = "https://STORE/";

fn url(index: &Index) -> &str {
    index.url.as_deref().unwrap_or(UNKNOWN_URL)
}

/// Returns commands that end when one of them fails.
fn block(steps: &[String]) -> String {
    format!("(\nset -e\ncd \"$(mktemp -d)\"\n{}\n)\n", steps.join("\n"))
}

/// Returns the commands that make a client trust one key, beside those it trusts already.
///
/// The fingerprint has to be that of a primary key: gpg finds a key by its subkeys, too, and a
/// subkey can be that of somebody else.
pub fn trust(index: &Index) -> Option<String> {
    let path = index.keyring.as_ref()?;
    let keyring = path.rsplit('/').next()?;
    let fetched = format!("curl -fsSO {}{path}", url(index));
    let imported = format!("gpg --quiet --no-autostart --import {keyring}");
    let steps = [
        "export GNUPGHOME=\"$PWD\"",
        "key=$(echo 'FINGERPRINT' | tr -d ' ' | tr a-f A-F)",
        &fetched,
        &imported,
        "gpg --export \"$key\" > key.gpg",
        "found=$(gpg --with-colons --show-keys key.gpg | sed -n '/^pub/,/^fpr/s/^fpr:*\\([0-9A-F]*\\):.*/\\1/p')",
        "[ \"$found\" = \"$key\" ] || { echo \"$key is not there\" >&2; exit 1; }",
        &format!("cat key.gpg >> {KEYRING}"),
        &format!("if [ -e {NEW_KEYRING} ]; then cat key.gpg >> {NEW_KEYRING}; fi"),
    ];
    Some(block(&steps.map(str::to_owned)))
}

/// Returns the commands that make a client trust a certificate, which the administrator has: it is
/// not in the store. They compare it with the one that the images name.
pub fn trust_certificate(fingerprint: &str) -> String {
    let name = store::certificate_name(fingerprint);
    let steps = [
        "found=$(openssl x509 -in 'CERTIFICATE' -outform DER | sha256sum)",
        &format!(
            "[ \"$found\" = '{fingerprint}  -' ] || {{ echo 'it is another certificate' >&2; exit 1; }}"
        ),
        &format!("mkdir -p {CERTIFICATES}"),
        &format!("openssl x509 -in 'CERTIFICATE' -out {CERTIFICATES}/{name}"),
        &format!("chmod 0644 {CERTIFICATES}/{name}"),
    ];
    format!("(\nset -e\n{}\n)\n", steps.join("\n"))
}

/// Returns the commands that fetch files of an extension's directory, and check them by its list.
fn fetched(index: &Index, extension: &Extension, file: &str) -> Vec<String> {
    let store = format!("{}{}", url(index), extension.directory);
    let mut steps = Vec::new();
    if index.signed {
        steps.push(format!(
            "curl -fsSO \"{store}{{SHA256SUMS,SHA256SUMS.gpg,{file}}}\""
        ));
        steps.push(format!(
            "gpgv --keyring {KEYRING} SHA256SUMS.gpg SHA256SUMS"
        ));
    } else {
        steps.push(format!("curl -fsSO \"{store}{{SHA256SUMS,{file}}}\""));
    }
    steps.push("sha256sum --check --ignore-missing SHA256SUMS".to_owned());
    // The days are in order unless today comes after the list's last one.
    steps.push("{ date -u +%F; sed -n 's/.*  BEST-BEFORE-//p' SHA256SUMS; } | sort -C || { echo 'the list is out of date'; exit 1; }".to_owned());
    let directory = image_directory(extension);
    let links = store::link_directory(extension.companion().is_some());
    let of_companion = match extension.companion() {
        Some(_) => format!(" {CONFEXT_LINK_DIRECTORY}"),
        None => String::new(),
    };
    steps.push(format!("mkdir -p {links}{of_companion} {directory}"));
    steps
}

/// Returns the commands for systemd-sysupdate, if the store has definitions.
pub fn sysupdate(index: &Index, extension: &Extension) -> Option<String> {
    extension.definitions.as_ref()?;
    let definitions = store::definitions_directory(&extension.name);
    let mut steps = fetched(index, extension, ARCHIVE);
    steps.push(format!("tar -xzf {ARCHIVE} -C / etc/{definitions}"));
    steps.push(update(extension).trim_end().to_owned());
    Some(block(&steps))
}

/// Returns the commands that update what [`sysupdate`] installed.
pub fn update(extension: &Extension) -> String {
    format!(
        "systemd-sysupdate -C {name} update\n{refresh}",
        name = extension.name,
        refresh = refresh(extension)
    )
}

/// Returns the commands that merge what is new: what programs read before the programs.
fn refresh(extension: &Extension) -> &'static str {
    match extension.companion() {
        Some(_) => "systemd-confext refresh\nsystemd-sysext refresh\n",
        None => "systemd-sysext refresh\n",
    }
}

/// Returns the commands for importctl.
pub fn importctl(index: &Index, extension: &Extension, image: &Image) -> String {
    let verify = if index.signed {
        "signature"
    } else {
        "checksum"
    };
    let url = format!("{}{}", url(index), extension.directory);
    let pull = |class: &str, file: &str, name: &str| {
        format!("importctl pull-raw --class={class} --verify={verify} {url}{file} {name}\n")
    };
    let name = &extension.name;
    let mut commands = pull("sysext", &image.file, name);
    if let Some(companion) = &image.companion {
        commands += &pull("confext", &companion.file, name);
    }
    commands + refresh(extension)
}

/// Returns the commands for sysextmgr, where it finds the extension by its name. It reads one
/// directory.
pub fn sysextmgr(index: &Index, extension: &Extension) -> Option<String> {
    let newest = extension.images.first()?;
    // It knows nothing of companions.
    let is_found = extension.companion().is_none()
        && extension.directory.is_empty()
        && clients::sysextmgr_name(&newest.file) == extension.name;
    let verify = match index.signed {
        true => "",
        false => "verify_signature=false\\n",
    };
    is_found.then(|| {
        format!(
            "\
mkdir -p /etc/sysextmgr
printf '[default]\\nurl=%s\\n{verify}' '{url}' > /etc/sysextmgr/sysextmgr.conf
sysextmgrcli install {name}
",
            url = url(index),
            name = extension.name
        )
    })
}

/// Returns the commands that need no service at all.
pub fn by_hand(index: &Index, extension: &Extension, image: &Image) -> String {
    let directory = image_directory(extension);
    let links = store::link_directory(image.companion.is_some());
    let mut files = vec![(image.file.as_str(), links, extension.name.clone())];
    if let Some(companion) = &image.companion {
        let name = store::companion_of(&extension.name);
        files.push((companion.file.as_str(), CONFEXT_LINK_DIRECTORY, name));
    }
    let names: Vec<_> = files.iter().map(|(file, ..)| *file).collect();
    let mut steps = fetched(index, extension, &names.join(","));
    steps.push(format!("install -m 0644 {} {directory}/", names.join(" ")));
    for (file, links, name) in files {
        steps.push(format!("ln -sfn {directory}/{file} {links}/{name}.raw"));
    }
    steps.push(refresh(extension).trim_end().to_owned());
    block(&steps)
}

/// Where a client keeps the images; the definitions say the same.
fn image_directory(extension: &Extension) -> String {
    format!("{IMAGE_DIRECTORY}/{}", extension.directory)
        .trim_end_matches('/')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::index::Fits;
    use super::*;

    fn image() -> Image {
        Image {
            file: "gcc-14-1.x86-64.raw".to_owned(),
            version: "14-1".to_owned(),
            evr: None,
            built: None,
            architecture: None,
            bytes: 0,
            sha256: String::new(),
            manifest: None,
            signed_by: None,
            fits: Fits::default(),
            packages: Vec::new(),
            companion: None,
        }
    }

    fn extension(directory: &str) -> Extension {
        Extension {
            name: "gcc".to_owned(),
            directory: directory.to_owned(),
            summary: None,
            definitions: Some("sysupdate.gcc.d/".to_owned()),
            images: vec![image()],
        }
    }

    #[test]
    fn of_a_signed_store() {
        let mut index = Index::new(String::new(), Some("https://a.example/".to_owned()));
        index.signed = true;
        index.keyring = Some("gcc/import-pubring.gpg".to_owned());
        let extension = extension("gcc/");
        assert_eq!(
            trust(&index).unwrap(),
            r#"(
set -e
cd "$(mktemp -d)"
export GNUPGHOME="$PWD"
key=$(echo 'FINGERPRINT' | tr -d ' ' | tr a-f A-F)
curl -fsSO https://a.example/gcc/import-pubring.gpg
gpg --quiet --no-autostart --import import-pubring.gpg
gpg --export "$key" > key.gpg
found=$(gpg --with-colons --show-keys key.gpg | sed -n '/^pub/,/^fpr/s/^fpr:*\([0-9A-F]*\):.*/\1/p')
[ "$found" = "$key" ] || { echo "$key is not there" >&2; exit 1; }
cat key.gpg >> /etc/systemd/import-pubring.gpg
if [ -e /etc/systemd/import-pubring.pgp ]; then cat key.gpg >> /etc/systemd/import-pubring.pgp; fi
)
"#
        );
        assert_eq!(
            sysupdate(&index, &extension).unwrap(),
            r#"(
set -e
cd "$(mktemp -d)"
curl -fsSO "https://a.example/gcc/{SHA256SUMS,SHA256SUMS.gpg,definitions.tar.gz}"
gpgv --keyring /etc/systemd/import-pubring.gpg SHA256SUMS.gpg SHA256SUMS
sha256sum --check --ignore-missing SHA256SUMS
{ date -u +%F; sed -n 's/.*  BEST-BEFORE-//p' SHA256SUMS; } | sort -C || { echo 'the list is out of date'; exit 1; }
mkdir -p /etc/extensions /var/lib/sysext-store/gcc
tar -xzf definitions.tar.gz -C / etc/sysupdate.gcc.d
systemd-sysupdate -C gcc update
systemd-sysext refresh
)
"#
        );
        assert_eq!(
            importctl(&index, &extension, &image()),
            "\
importctl pull-raw --class=sysext --verify=signature https://a.example/gcc/gcc-14-1.x86-64.raw gcc
systemd-sysext refresh
"
        );
        assert_eq!(
            by_hand(&index, &extension, &image()),
            r#"(
set -e
cd "$(mktemp -d)"
curl -fsSO "https://a.example/gcc/{SHA256SUMS,SHA256SUMS.gpg,gcc-14-1.x86-64.raw}"
gpgv --keyring /etc/systemd/import-pubring.gpg SHA256SUMS.gpg SHA256SUMS
sha256sum --check --ignore-missing SHA256SUMS
{ date -u +%F; sed -n 's/.*  BEST-BEFORE-//p' SHA256SUMS; } | sort -C || { echo 'the list is out of date'; exit 1; }
mkdir -p /etc/extensions /var/lib/sysext-store/gcc
install -m 0644 gcc-14-1.x86-64.raw /var/lib/sysext-store/gcc/
ln -sfn /var/lib/sysext-store/gcc/gcc-14-1.x86-64.raw /etc/extensions/gcc.raw
systemd-sysext refresh
)
"#
        );
    }

    #[test]
    fn of_a_certificate() {
        let fingerprint = "0123456789abcdef".repeat(4);
        assert_eq!(
            trust_certificate(&fingerprint),
            format!(
                r#"(
set -e
found=$(openssl x509 -in 'CERTIFICATE' -outform DER | sha256sum)
[ "$found" = '{fingerprint}  -' ] || {{ echo 'it is another certificate' >&2; exit 1; }}
mkdir -p /etc/verity.d
openssl x509 -in 'CERTIFICATE' -out /etc/verity.d/sysext-0123456789abcdef.crt
chmod 0644 /etc/verity.d/sysext-0123456789abcdef.crt
)
"#
            )
        );
    }

    #[test]
    fn of_a_store_without_a_signature() {
        let index = Index::new(String::new(), None);
        let extension = extension("");
        assert_eq!(trust(&index), None);
        assert!(
            importctl(&index, &extension, &image())
                .contains(" --verify=checksum https://STORE/gcc-14-1.x86-64.raw gcc\n")
        );
        let by_hand = by_hand(&index, &extension, &image());
        assert!(!by_hand.contains("gpg"));
        assert!(by_hand.contains("install -m 0644 gcc-14-1.x86-64.raw /var/lib/sysext-store/\n"));
        let without = Extension {
            definitions: None,
            ..extension
        };
        assert_eq!(sysupdate(&index, &without), None);
    }

    /// README and the guide show what the page of their store would.
    #[test]
    fn what_documents_show() {
        let mut index = Index::new(
            String::new(),
            Some("https://example.org/sysext/".to_owned()),
        );
        index.signed = true;
        index.keyring = Some(store::KEYRING.to_owned());
        let image = Image {
            file: "strace-6.12-1.1.x86-64.raw".to_owned(),
            ..image()
        };
        let extension = Extension {
            name: "strace".to_owned(),
            ..extension("")
        };
        let trust = trust(&index).unwrap();
        let sysupdate = sysupdate(&index, &extension).unwrap();
        let readme = include_str!("../../../README.md");
        let guide = include_str!("../../../docs/guide/clients.md");
        for (document, shown) in [
            (readme, &trust),
            (readme, &sysupdate),
            (guide, &trust),
            (guide, &sysupdate),
            (guide, &update(&extension)),
            (guide, &importctl(&index, &extension, &image)),
            (guide, &by_hand(&index, &extension, &image)),
        ] {
            assert!(document.contains(&format!("\n{shown}```\n")), "{shown}");
        }
    }

    #[test]
    fn of_sysextmgr() {
        let mut index = Index::new(String::new(), Some("https://a.example/".to_owned()));
        let mut flat = extension("");
        // Everything before the last hyphen would be the name.
        assert_eq!(sysextmgr(&index, &flat), None);
        flat.images[0].file = "gcc-14.1.x86-64.raw".to_owned();
        let unsigned = "\
mkdir -p /etc/sysextmgr
printf '[default]\\nurl=%s\\nverify_signature=false\\n' 'https://a.example/' > /etc/sysextmgr/sysextmgr.conf
sysextmgrcli install gcc
";
        assert_eq!(sysextmgr(&index, &flat).as_deref(), Some(unsigned));
        index.signed = true;
        let signed = unsigned.replace("verify_signature=false\\n", "");
        assert_eq!(sysextmgr(&index, &flat), Some(signed));
        flat.directory = "gcc/".to_owned();
        assert_eq!(sysextmgr(&index, &flat), None);
    }
}
