//! The commands that a person copies from the page.
//!
//! They are run as root. All that is put into them is free of what a shell gives a meaning: names
//! of extensions and files are checked by the store, and the address when it is given.

use store::{IMAGE_DIRECTORY, LINK_DIRECTORY};

use super::index::{Extension, Image, Index};

/// Where systemd looks for the public keys of an administrator.
const KEYRING: &str = "/etc/systemd/import-pubring.gpg";
/// Where systemd 258 and newer look for them; they ignore [`KEYRING`] where this is.
const NEW_KEYRING: &str = "/etc/systemd/import-pubring.pgp";
/// Stands for the store's address where the page does not know it.
const UNKNOWN_URL: &str = "https://STORE/";

fn url(index: &Index) -> &str {
    index.url.as_deref().unwrap_or(UNKNOWN_URL)
}

/// Returns the commands that make a client trust the store's key, beside those it trusts already.
pub fn trust(index: &Index) -> Option<String> {
    let path = index.keyring.as_ref()?;
    let keyring = path.rsplit('/').next()?;
    let url = url(index);
    Some(format!(
        "\
cd \"$(mktemp -d)\"
curl -fsSO {url}{path}
gpg --show-keys --fingerprint {keyring}
cat {keyring} >> {KEYRING}
if [ -e {NEW_KEYRING} ]; then cat {keyring} >> {NEW_KEYRING}; fi
"
    ))
}

/// Returns the commands for systemd-sysupdate, if the store has definitions.
pub fn sysupdate(index: &Index, extension: &Extension) -> Option<String> {
    let definitions = extension.definitions.as_ref()?;
    let name = &extension.name;
    let directory = image_directory(extension);
    let url = url(index);
    Some(format!(
        "\
mkdir -p {LINK_DIRECTORY} {directory} /etc/sysupdate.{name}.d
cd /etc/sysupdate.{name}.d
curl -fsSO \"{url}{definitions}{name}.{{transfer,conf,feature}}\"
{}",
        update(extension)
    ))
}

/// Returns the commands that update what [`sysupdate`] installed.
pub fn update(extension: &Extension) -> String {
    format!(
        "systemd-sysupdate -C {name} update\nsystemd-sysext refresh\n",
        name = extension.name
    )
}

/// Returns the commands for importctl.
pub fn importctl(index: &Index, extension: &Extension, image: &Image) -> String {
    let verify = if index.signed {
        "signature"
    } else {
        "checksum"
    };
    format!(
        "\
importctl pull-raw --class=sysext --verify={verify} {url}{directory}{file} {name}
systemd-sysext refresh
",
        url = url(index),
        directory = extension.directory,
        file = image.file,
        name = extension.name
    )
}

/// Returns the commands that need no service at all: one line of shell, so that nothing is
/// installed after a check has failed.
pub fn by_hand(index: &Index, extension: &Extension, image: &Image) -> String {
    let store = format!("{}{}", url(index), extension.directory);
    let file = &image.file;
    let directory = image_directory(extension);
    let mut steps = vec![
        "cd \"$(mktemp -d)\"".to_owned(),
        format!("curl -fsSO {store}{file}"),
        format!("curl -fsSO {store}SHA256SUMS"),
    ];
    if index.signed {
        steps.push(format!("curl -fsSO {store}SHA256SUMS.gpg"));
        steps.push(format!(
            "gpgv --keyring {KEYRING} SHA256SUMS.gpg SHA256SUMS"
        ));
    }
    steps.extend([
        "sha256sum --check --ignore-missing SHA256SUMS".to_owned(),
        format!("mkdir -p {LINK_DIRECTORY} {directory}"),
        format!("install -m 0644 {file} {directory}/"),
        format!(
            "ln -sfn {directory}/{file} {LINK_DIRECTORY}/{}.raw",
            extension.name
        ),
        "systemd-sysext refresh\n".to_owned(),
    ]);
    steps.join(" &&\n")
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
            architecture: None,
            bytes: 0,
            sha256: String::new(),
            manifest: None,
            fits: Fits::default(),
            packages: Vec::new(),
        }
    }

    fn extension(directory: &str) -> Extension {
        Extension {
            name: "gcc".to_owned(),
            directory: directory.to_owned(),
            definitions: Some("sysupdate.gcc.d/".to_owned()),
            images: vec![image()],
        }
    }

    #[test]
    fn of_a_signed_store() {
        let mut index = Index::new(String::new(), Some("https://a.example/".to_owned()));
        index.signed = true;
        index.keyring = Some("gcc/key.gpg".to_owned());
        let extension = extension("gcc/");
        assert_eq!(
            trust(&index).unwrap(),
            "\
cd \"$(mktemp -d)\"
curl -fsSO https://a.example/gcc/key.gpg
gpg --show-keys --fingerprint key.gpg
cat key.gpg >> /etc/systemd/import-pubring.gpg
if [ -e /etc/systemd/import-pubring.pgp ]; then cat key.gpg >> /etc/systemd/import-pubring.pgp; fi
"
        );
        assert_eq!(
            sysupdate(&index, &extension).unwrap(),
            "\
mkdir -p /etc/extensions /var/lib/sysext-store/gcc /etc/sysupdate.gcc.d
cd /etc/sysupdate.gcc.d
curl -fsSO \"https://a.example/sysupdate.gcc.d/gcc.{transfer,conf,feature}\"
systemd-sysupdate -C gcc update
systemd-sysext refresh
"
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
            "\
cd \"$(mktemp -d)\" &&
curl -fsSO https://a.example/gcc/gcc-14-1.x86-64.raw &&
curl -fsSO https://a.example/gcc/SHA256SUMS &&
curl -fsSO https://a.example/gcc/SHA256SUMS.gpg &&
gpgv --keyring /etc/systemd/import-pubring.gpg SHA256SUMS.gpg SHA256SUMS &&
sha256sum --check --ignore-missing SHA256SUMS &&
mkdir -p /etc/extensions /var/lib/sysext-store/gcc &&
install -m 0644 gcc-14-1.x86-64.raw /var/lib/sysext-store/gcc/ &&
ln -sfn /var/lib/sysext-store/gcc/gcc-14-1.x86-64.raw /etc/extensions/gcc.raw &&
systemd-sysext refresh
"
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
        assert!(by_hand.contains("install -m 0644 gcc-14-1.x86-64.raw /var/lib/sysext-store/ &&"));
        let without = Extension {
            definitions: None,
            ..extension
        };
        assert_eq!(sysupdate(&index, &without), None);
    }
}
