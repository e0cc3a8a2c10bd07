//! What a base demands of images by its own settings: whether they are accepted, and whether their
//! programs may be executed.
//!
//! | setting | since | what it demands |
//! |---|---|---|
//! | `ImagePolicy=` in `sysext.conf` | 259 | which partitions an image has, and how they are protected |
//! | `ImagePolicy=` in `confext.conf` | 259 | the same of an image for `/etc` |
//! | `RestrictFileSystemAccess=` in `system.conf` | 261 | what is executed lies on signed dm-verity |
//!
//! A setting counts where the base's systemd reads it. Where it is not known which one that is, it
//! is only mentioned.

use std::path::Path;

use clients::{Policy, Protection, Systemd, mounted};
use verity::Certificate;

use crate::base::Base;
use crate::base::files::BaseFiles;
use crate::base::settings::{self, Setting};
use crate::findings::{Finding, kinds};
use crate::inspected::InspectedImage;
use crate::pack::modules::DIRECTORY;
use crate::words::failure::Result;

/// The first systemd that reads `sysext.conf`.
const READS_POLICIES: u16 = 259;
/// The first one that restricts what is executed. It lets nothing be executed from an overlay.
const RESTRICTS: u16 = 261;
/// The first one that looks at the layers of an overlay, and the first kernel that can.
const LOOKS_AT_LAYERS: (u16, (u32, u32)) = (262, (7, 2));
/// The policy for images that the initrd finds on the EFI system partition.
const OF_INITRD: &str = "root=signed+absent:usr=signed+absent";
/// Where those are, once they are unpacked and before.
const OF_STUB: [&str; 4] = [
    "/.extra/sysext",
    "/.extra/global_sysext",
    ".efi.extra.d",
    "/loader/extensions",
];
/// Longest file with a certificate in bytes.
const MAX_CERTIFICATE: u64 = 64 << 10;
/// Where certificates are that sign images.
const CERTIFICATES: [&str; 3] = ["etc/verity.d", "run/verity.d", "usr/lib/verity.d"];

/// What a base demands.
#[derive(Default)]
pub struct Demands {
    /// The version of its systemd.
    systemd: Option<u16>,
    /// The policy that counts, where it can be read here, and the file that has it.
    policy: Option<(Setting, Option<Policy>)>,
    /// The same for images that systemd-confext merges.
    confext_policy: Option<(Setting, Option<Policy>)>,
    /// Says that only what is signed is executed.
    restriction: Option<Setting>,
    /// The certificates beside those that the kernel has; `None` where the base's files are not known.
    certificates: Option<Vec<Certificate>>,
    /// Versions of its kernels.
    kernels: Vec<(u32, u32)>,
}

/// Says whether an image at a path is one that the initrd merges: systemd-stub takes it from the
/// EFI system partition.
pub fn goes_to_initrd(path: &Path) -> bool {
    let above = path.parent().unwrap_or(Path::new(""));
    let above = format!("/{}", above.display());
    OF_STUB.iter().any(|end| above.ends_with(end))
}

/// Returns the policy of an image that the initrd merges.
pub fn policy_of_initrd() -> Option<Policy> {
    Policy::parse(OF_INITRD).ok()
}

impl Demands {
    /// Reads what a base with these files demands.
    pub fn of(base: &Base, files: Option<&BaseFiles<'_>>) -> Result<Self> {
        let systemd = settings::systemd(base, files);
        let Some(files) = files.filter(|files| files.has_root()) else {
            return Ok(Self {
                systemd,
                ..Self::default()
            });
        };
        let policy = |file, section| {
            let found = files.settings(file, section, "ImagePolicy")?;
            let last = found.into_iter().next_back();
            Result::Ok(last.filter(|it| !it.value.is_empty()).map(|it| {
                let policy = Policy::parse(&it.value).ok();
                (it, policy)
            }))
        };
        let mut restrictions =
            files.settings("system.conf", "Manager", "RestrictFileSystemAccess")?;
        // The command line wins over files.
        restrictions.extend(files.kernel_argument("systemd.restrict_filesystem_access")?);
        let is_on = |setting: &Setting| {
            let value = setting.value.to_ascii_lowercase();
            ["1", "yes", "y", "true", "t", "on", "exec"].contains(&value.as_str())
        };
        let releases = files.directories_in(DIRECTORY);
        Ok(Self {
            systemd,
            policy: policy("sysext.conf", "SysExt")?,
            confext_policy: policy("confext.conf", "ConfExt")?,
            restriction: restrictions.into_iter().next_back().filter(is_on),
            certificates: Some(certificates(files)?),
            kernels: releases.iter().filter_map(|it| version_of(it)).collect(),
        })
    }

    /// Returns the policy that a client heeds for an image, or for a companion of one. A client between
    /// two that are known behaves like the older one.
    pub fn policy(&self, client: Systemd, is_companion: bool) -> Option<&Policy> {
        let policy = self.heeded(is_companion)?;
        let own = self.systemd?;
        let of_base = Systemd::ALL.into_iter().rfind(|one| one.number() <= own);
        let heeds = client.number() >= READS_POLICIES || Some(client) == of_base;
        heeds.then_some(policy)
    }

    /// Returns what is to be said of an image.
    pub fn findings(&self, image: &InspectedImage, architecture: Option<&str>) -> Vec<Finding> {
        let is_signed = is_signed(image, architecture);
        let mut findings = Vec::new();
        if let Some((setting, policy)) = self.stated(image.is_companion()) {
            let says = format!("{} has ImagePolicy={}", setting.file, setting.value);
            let what = match (self.systemd, policy) {
                (None, _) => Some(unknown(READS_POLICIES)),
                (Some(own), _) if own < READS_POLICIES => Some(too_old(own)),
                (Some(_), None) => Some("which can't be read here".to_owned()),
                _ => None,
            };
            let finding =
                what.map(|what| Finding::new(&kinds::HOST_POLICY, format!("{says}, {what}")));
            findings.extend(finding);
        }
        let has_programs = image.linkage.as_ref().is_some_and(|linkage| {
            linkage.objects().next().is_some() || !linkage.scripts.is_empty()
        });
        if let Some(setting) = self.restriction.as_ref().filter(|_| has_programs) {
            findings.extend(self.restricted(setting, is_signed));
        }
        findings
    }

    /// Says so where the base's systemd can't merge a companion.
    pub fn no_confext(&self, companion: &str) -> Option<Finding> {
        settings::no_confext(self.systemd, companion)
    }

    /// Says so where a policy demands a signature, and that of the image is not by a key that the base is
    /// seen to know.
    pub fn signer(&self, image: &InspectedImage, policy: Option<&Policy>) -> Option<Finding> {
        let signature = image.signature.as_ref()?;
        let policy = policy.or_else(|| self.heeded(image.is_companion()))?;
        if policy.takes_unsigned() {
            return None;
        }
        let print = signature.fingerprint();
        let Some(certificates) = &self.certificates else {
            let text = format!(
                "the image has to be signed, and whether the host has the certificate {print} is not known"
            );
            return Some(Finding::new(&kinds::HOST_POLICY, text));
        };
        let is_known = signature.is_by(certificates);
        (!is_known).then(|| {
            let text = format!(
                "the image has to be signed, and the certificate of its signer, {print}, is not among \
                 those in verity.d of the base ({})",
                certificates.len()
            );
            Finding::new(&kinds::SIGNER_UNKNOWN, text)
        })
    }

    /// Returns what the base's settings state for an image, or for a companion of one.
    fn stated(&self, is_companion: bool) -> Option<&(Setting, Option<Policy>)> {
        match is_companion {
            false => self.policy.as_ref(),
            true => self.confext_policy.as_ref(),
        }
    }

    /// Returns the policy that the base's own systemd heeds.
    fn heeded(&self, is_companion: bool) -> Option<&Policy> {
        let (_, policy) = self.stated(is_companion)?;
        self.systemd.filter(|own| *own >= READS_POLICIES)?;
        policy.as_ref()
    }

    /// Says whether programs of an image can be executed where only what is signed is.
    fn restricted(&self, setting: &Setting, is_signed: bool) -> Option<Finding> {
        let says = format!(
            "{} has RestrictFileSystemAccess={}",
            setting.file, setting.value
        );
        let note =
            |what: String| Some(Finding::new(&kinds::HOST_POLICY, format!("{says}, {what}")));
        let denied = |what: &str| {
            let text = format!("{says}: {what}, so that no program of the image runs");
            Some(Finding::new(&kinds::EXECUTION_DENIED, text))
        };
        let (layers, kernel) = LOOKS_AT_LAYERS;
        let (major, minor) = kernel;
        match self.systemd {
            None => note(unknown(RESTRICTS)),
            Some(own) if own < RESTRICTS => note(too_old(own)),
            Some(own) if own < layers => {
                denied("systemd 261 lets nothing be executed that is merged")
            }
            Some(_) if !is_signed => denied("the image is not on signed dm-verity"),
            Some(_) if self.kernels.is_empty() => note(format!(
                "and the base's kernel is not known: before {major}.{minor}, nothing that is \
                 merged is executed"
            )),
            Some(_) if self.kernels.iter().all(|own| *own < kernel) => denied(&format!(
                "no kernel of the base is {major}.{minor} or newer"
            )),
            Some(_) => None,
        }
    }
}

/// Reads the certificates of a base that sign images. What is not one of RSA signs none.
fn certificates(files: &BaseFiles<'_>) -> Result<Vec<Certificate>> {
    let mut found = Vec::new();
    for directory in CERTIFICATES {
        let names = files.names_in(directory);
        for name in names.iter().filter(|name| name.ends_with(".crt")) {
            let path = format!("{directory}/{name}");
            let bytes = files.bytes(&path, MAX_CERTIFICATE)?.unwrap_or_default();
            found.extend(Certificate::parse_all(&bytes, &path).unwrap_or_default());
        }
    }
    Ok(found)
}

fn unknown(since: u16) -> String {
    format!("which systemd {since} and newer heed, and the base's systemd is not known")
}

fn too_old(own: u16) -> String {
    format!("which systemd {own} of the base does not read")
}

/// Says whether all that is mounted of an image is signed.
fn is_signed(image: &InspectedImage, architecture: Option<&str>) -> bool {
    let found = mounted(&image.facts.partitions, architecture).unwrap_or_default();
    !found.is_empty() && (found.iter()).all(|one| one.protection == Protection::Signed)
}

/// Returns the version of a kernel of this release: 6.14 of `6.14.5-300.fc42.x86_64`.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_executed() {
        let setting = Setting {
            file: "/etc/systemd/system.conf".to_owned(),
            value: "yes".to_owned(),
        };
        for (systemd, kernels, is_signed, expected) in [
            (None, &[(7, 2)][..], false, "host-policy"),
            (Some(260), &[(7, 2)], false, "host-policy"),
            (Some(261), &[(7, 2)], true, "execution-denied"),
            (Some(262), &[(7, 2)], false, "execution-denied"),
            (Some(262), &[(7, 2)], true, ""),
            (Some(262), &[(6, 18), (7, 10)], true, ""),
            (Some(262), &[(6, 18), (7, 1)], true, "execution-denied"),
            (Some(262), &[], true, "host-policy"),
        ] {
            let demands = Demands {
                systemd,
                kernels: kernels.to_vec(),
                ..Demands::default()
            };
            let found = demands.restricted(&setting, is_signed);
            let found = found.map_or("", |one| one.kind.id);
            assert_eq!(found, expected, "{systemd:?} {kernels:?} {is_signed}");
        }
    }

    #[test]
    fn images_that_systemd_stub_takes() {
        for (path, expected) in [
            (".extra/sysext/a.raw", true),
            ("/.extra/global_sysext/a.raw", true),
            ("/efi/EFI/Linux/os.efi.extra.d/a.sysext.raw", true),
            ("/efi/loader/extensions/a.raw", true),
            ("store/a.raw", false),
            ("a.raw", false),
            ("x.extra/sysext/a.raw", false),
        ] {
            assert_eq!(goes_to_initrd(Path::new(path)), expected, "{path}");
        }
        assert!(policy_of_initrd().is_some());
    }

    #[test]
    fn versions_of_kernels() {
        for (release, expected) in [
            ("6.14.5-300.fc42.x86_64", Some((6, 14))),
            ("7.2-rc1-default", Some((7, 2))),
            ("extramodules", None),
            ("7", None),
        ] {
            assert_eq!(version_of(release), expected, "{release}");
        }
    }
}
