//! The settings of mkosi 25: which hold for images below the main one, which files stand for one, and
//! what is to be said of those that a recipe has no key for.

use crate::import::Fate::{self, LeftOut, Unneeded};

/// Settings whose values are collected, and taken back by an empty one.
const LISTS: [&str; 25] = [
    "BaseTrees",
    "BuildPackages",
    "BuildScripts",
    "CleanScripts",
    "ConfigureScripts",
    "Dependencies",
    "Environment",
    "EnvironmentFiles",
    "ExtraTrees",
    "FinalizeScripts",
    "Include",
    "PackageDirectories",
    "Packages",
    "PostInstallationScripts",
    "PostOutputScripts",
    "PrepareScripts",
    "Profiles",
    "RemoveFiles",
    "RemovePackages",
    "Repositories",
    "SandboxTrees",
    "SkeletonTrees",
    "SyncScripts",
    "VolatilePackageDirectories",
    "VolatilePackages",
];

/// Settings of the main image that hold for all others, which can't have them.
const UNIVERSAL: [&str; 33] = [
    "Architecture",
    "BuildDirectory",
    "BuildSources",
    "BuildSourcesEphemeral",
    "CacheDirectory",
    "CacheOnly",
    "Distribution",
    "ExtraSearchPaths",
    "Incremental",
    "LocalMirror",
    "Mirror",
    "OutputDirectory",
    "OutputMode",
    "PackageCacheDirectory",
    "PackageDirectories",
    "Profiles",
    "ProxyClientCertificate",
    "ProxyClientKey",
    "ProxyExclude",
    "ProxyPeerCertificate",
    "ProxyUrl",
    "Release",
    "RepartOffline",
    "Repositories",
    "RepositoryKeyCheck",
    "RepositoryKeyFetch",
    "SandboxTrees",
    "SourceDateEpoch",
    "ToolsTree",
    "ToolsTreeCertificates",
    "UseSubvolumes",
    "VerityKey",
    "VolatilePackageDirectories",
];

/// Settings of the main image that others have, too, unless they say something else.
pub const INHERITED: [&str; 3] = ["ImageId", "ImageVersion", "SectorSize"];

/// Files and directories that stand for a setting.
pub const PATHS: [(&str, &str); 40] = [
    ("ConfigureScripts", "mkosi.configure"),
    ("OutputDirectory", "mkosi.output"),
    ("ImageVersion", "mkosi.version"),
    ("RepartDirectories", "mkosi.repart"),
    ("Seed", "mkosi.seed"),
    ("CleanScripts", "mkosi.clean"),
    ("CleanScripts", "mkosi.clean.d"),
    ("PackageDirectories", "mkosi.packages"),
    ("SkeletonTrees", "mkosi.skeleton"),
    ("SkeletonTrees", "mkosi.skeleton.tar"),
    ("ExtraTrees", "mkosi.extra"),
    ("ExtraTrees", "mkosi.extra.tar"),
    ("SyncScripts", "mkosi.sync"),
    ("SyncScripts", "mkosi.sync.d"),
    ("PrepareScripts", "mkosi.prepare"),
    ("PrepareScripts", "mkosi.prepare.chroot"),
    ("PrepareScripts", "mkosi.prepare.d"),
    ("BuildScripts", "mkosi.build"),
    ("BuildScripts", "mkosi.build.chroot"),
    ("BuildScripts", "mkosi.build.d"),
    ("PostInstallationScripts", "mkosi.postinst"),
    ("PostInstallationScripts", "mkosi.postinst.chroot"),
    ("PostInstallationScripts", "mkosi.postinst.d"),
    ("FinalizeScripts", "mkosi.finalize"),
    ("FinalizeScripts", "mkosi.finalize.chroot"),
    ("FinalizeScripts", "mkosi.finalize.d"),
    ("PostOutputScripts", "mkosi.postoutput"),
    ("PostOutputScripts", "mkosi.postoutput.d"),
    ("UnifiedKernelImageProfiles", "mkosi.uki-profiles"),
    ("RootPassword", "mkosi.rootpw"),
    ("MachineId", "mkosi.machine-id"),
    ("VerityKey", "mkosi.key"),
    ("VerityCertificate", "mkosi.crt"),
    ("Passphrase", "mkosi.passphrase"),
    ("ToolsTree", "mkosi.tools"),
    ("SandboxTrees", "mkosi.sandbox"),
    ("SandboxTrees", "mkosi.sandbox.tar"),
    ("SandboxTrees", "mkosi.pkgmngr"),
    ("SandboxTrees", "mkosi.pkgmngr.tar"),
    ("EnvironmentFiles", "mkosi.env"),
];

/// Names that settings had before.
const FORMER: [(&str, &str); 7] = [
    ("BuildScript", "BuildScripts"),
    ("FinalizeScript", "FinalizeScripts"),
    ("PackageManagerTrees", "SandboxTrees"),
    ("PostInstallationScript", "PostInstallationScripts"),
    ("PrepareScript", "PrepareScripts"),
    ("Profile", "Profiles"),
    ("ToolsTreePackageManagerTrees", "ToolsTreeSandboxTrees"),
];

/// Returns the present name of a setting.
pub fn present(name: &str) -> &str {
    let name = name.strip_prefix('@').unwrap_or(name);
    let former = FORMER.iter().find(|(former, _)| *former == name);
    former.map_or(name, |(_, present)| present)
}

/// Whether the values of a setting are collected.
pub fn is_list(name: &str) -> bool {
    LISTS.contains(&name)
}

/// Whether the main image alone can have a setting, for all images.
pub fn is_universal(name: &str) -> bool {
    UNIVERSAL.contains(&name)
}

const NO_SYSTEM: &str =
    "an extension does not boot: it has no kernel, no boot loader and no initrd";
const NO_ETC: &str = "it makes a file in /etc, which systemd-sysext does not merge";
const TOOLS: &str = "it is about mkosi's own tools and caches";
const RUN: &str = "it is about running an image";
const SCRIPT: &str = "no script is run; put the files that it makes into the overlay, and what it \
                      removes has no counterpart";
const NO_DISK: &str = "the image is a bare file system; for a disk with hashes and their signature, add \
                       format = \"ddi\", and sign with --verity-key KEY --verity-cert CERTIFICATE";

/// What becomes of settings, whatever their value is.
const FATES: [(&[&str], Fate, &str); 20] = [
    (
        &["Format", "Overlay"],
        Unneeded,
        "an image has only what the base lacks",
    ),
    (
        &[
            "Dependencies",
            "History",
            "Include",
            "MinimumVersion",
            "PassEnvironment",
            "Profiles",
        ],
        Unneeded,
        "it orders mkosi's own work",
    ),
    (
        &["Output"],
        Unneeded,
        "an image is called NAME-VERSION.ARCH.raw, which sysupdate and sysextmgr look for",
    ),
    (&["OutputDirectory"], Unneeded, "images go where -o says"),
    (&["OutputMode"], Unneeded, "images are readable by everyone"),
    (
        &["Checksum"],
        Unneeded,
        "every image is on a list, SHA256SUMS",
    ),
    (
        &["Key", "OpenPGPTool", "Sign"],
        LeftOut,
        "sign the list: --sign-key FILE, or --gpg-key KEY",
    ),
    (
        &[
            "Passphrase",
            "RepartDirectories",
            "RepartOffline",
            "SectorSize",
            "Seed",
            "VerityCertificate",
            "VerityCertificateSource",
            "VerityKey",
            "VerityKeySource",
        ],
        LeftOut,
        NO_DISK,
    ),
    (
        &["RemovePackages"],
        LeftOut,
        "write exclude = [...], so that they are never chosen; the build stops if something requires \
         them",
    ),
    (
        &["BuildPackages"],
        LeftOut,
        "nothing is compiled; they were for build scripts alone",
    ),
    (
        &["SourceDateEpoch"],
        LeftOut,
        "set SOURCE_DATE_EPOCH for the build",
    ),
    (
        &["SkeletonTrees"],
        LeftOut,
        "it comes before the packages; put what is to stay into the overlay",
    ),
    (
        &["EnvironmentFiles"],
        LeftOut,
        "variables are for scripts, which are not run; SYSEXT_SCOPE is the key scope",
    ),
    (
        &["Repositories"],
        LeftOut,
        "set enabled=1 for these repositories in a .repo file, and name it in repositories",
    ),
    (
        &["Mirror"],
        LeftOut,
        "name the repositories on it: repositories = [\"NAME=URL\"]",
    ),
    (
        &[
            "ProxyClientCertificate",
            "ProxyClientKey",
            "ProxyExclude",
            "ProxyPeerCertificate",
            "ProxyUrl",
        ],
        LeftOut,
        "the network is that of the build: see sysext-build --help, Network",
    ),
    (
        &[
            "BuildDirectory",
            "BuildSources",
            "BuildSourcesEphemeral",
            "CacheDirectory",
            "CacheOnly",
            "ExtraSearchPaths",
            "Incremental",
            "PackageCacheDirectory",
            "UseSubvolumes",
            "WithNetwork",
            "WithTests",
            "WorkspaceDirectory",
        ],
        Unneeded,
        TOOLS,
    ),
    (
        &[
            "Autologin",
            "Hostname",
            "Keymap",
            "Locale",
            "LocaleMessages",
            "MachineId",
            "RootPassword",
            "RootShell",
            "Ssh",
            "Timezone",
        ],
        LeftOut,
        NO_ETC,
    ),
    (
        &[
            "BiosBootloader",
            "Bootloader",
            "Devicetree",
            "InitrdPackages",
            "InitrdVolatilePackages",
            "Initrds",
            "MicrocodeHost",
            "ShimBootloader",
        ],
        LeftOut,
        NO_SYSTEM,
    ),
    (
        &[
            "CDROM",
            "CPUs",
            "Console",
            "Credentials",
            "Drives",
            "Ephemeral",
            "Firmware",
            "FirmwareVariables",
            "ForwardJournal",
            "KVM",
            "KernelCommandLineExtra",
            "Linux",
            "Machine",
            "NSpawnSettings",
            "RAM",
            "Register",
            "Removable",
            "SshCertificate",
            "SshKey",
            "SysupdateDirectory",
            "TPM",
            "UnitProperties",
            "VSock",
            "VSockCID",
            "VirtualMachineMonitor",
        ],
        Unneeded,
        RUN,
    ),
];

/// The same by what a name begins with.
const BEGINNINGS: [(&str, Fate, &str); 7] = [
    ("Kernel", LeftOut, NO_SYSTEM),
    ("Qemu", Unneeded, RUN),
    ("Runtime", Unneeded, RUN),
    ("SecureBoot", LeftOut, NO_SYSTEM),
    ("SignExpectedPcr", LeftOut, NO_SYSTEM),
    ("ToolsTree", Unneeded, TOOLS),
    ("UnifiedKernel", LeftOut, NO_SYSTEM),
];

/// Says what becomes of a setting that no key of a recipe stands for.
pub fn fate(name: &str, value: &str) -> (Fate, String) {
    let of_value = of_value(name, value);
    let by_name = || FATES.iter().find(|(names, ..)| names.contains(&name));
    let by_name = || by_name().map(|(_, fate, text)| (*fate, *text));
    let by_beginning = || {
        BEGINNINGS
            .iter()
            .find(|(begin, ..)| name.starts_with(begin))
    };
    let by_beginning = || by_beginning().map(|(_, fate, text)| (*fate, *text));
    let script = || name.ends_with("Scripts").then_some((LeftOut, SCRIPT));
    let found = of_value
        .or_else(by_name)
        .or_else(script)
        .or_else(by_beginning);
    let (fate, text) = found.unwrap_or((LeftOut, "it is not a setting of mkosi 25"));
    (fate, text.to_owned())
}

/// What becomes of settings that ask for nothing if they are off.
fn of_value(name: &str, value: &str) -> Option<(Fate, &'static str)> {
    const OFF: [&str; 8] = ["no", "false", "0", "n", "f", "off", "never", "none"];
    let is_off = OFF.contains(&value);
    let unless_off = |text| Some((if is_off { Unneeded } else { LeftOut }, text));
    match name {
        "ManifestFormat" if value == "json" => Some((Unneeded, "each image has a manifest")),
        "ManifestFormat" => Some((
            LeftOut,
            "the manifest is JSON; for a list of changes: sysext-build diff OLD NEW",
        )),
        "CleanPackageMetadata" => Some((
            if is_off { LeftOut } else { Unneeded },
            "no image has RPM's database; its packages are in the manifest",
        )),
        "CompressOutput" | "CompressLevel" => {
            unless_off("the file system is compressed: compression = \"zstd:19\"")
        }
        "Verity" | "SplitArtifacts" => unless_off(NO_DISK),
        "SELinuxRelabel" => unless_off(
            "files get no labels; see what sysext-build check says of systems with SELinux",
        ),
        "RepositoryKeyFetch" | "RepositoryKeyCheck" => unless_off(
            "give the keys that sign packages: --keyring FILE, or gpgkey= of a .repo file with \
             --import-keys",
        ),
        "Bootable" | "MakeInitrd" => unless_off(NO_SYSTEM),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_settings() {
        for (name, value, expected, words) in [
            ("Verity", "no", Unneeded, "a bare file system"),
            ("Verity", "signed", LeftOut, "--verity-key"),
            ("PostInstallationScripts", "x", LeftOut, "no script is run"),
            ("KernelCommandLine", "quiet", LeftOut, "does not boot"),
            ("KernelCommandLineExtra", "quiet", Unneeded, "running"),
            ("RuntimeTrees", "x", Unneeded, "running"),
            ("ToolsTreePackages", "x", Unneeded, "mkosi's own"),
            ("Bootable", "no", Unneeded, "does not boot"),
            ("Packagse", "x", LeftOut, "not a setting"),
        ] {
            let (fate, text) = fate(name, value);
            assert_eq!(fate, expected, "{name}");
            assert!(text.contains(words), "{name}: {text}");
        }
        assert_eq!(present("@BuildScript"), "BuildScripts");
    }
}
