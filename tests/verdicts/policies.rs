//! Image policies, with systemd-dissect as judge.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::kinds::packed;
use super::{HOST, MAKES, make};
use crate::client::{SID, TRIXIE, merging};
use crate::workshop::{Scratch, json, output_of, program, text};

/// Policies that are asked for.
const POLICIES: [&str; 22] = [
    "*",
    "-",
    "~",
    "root=unprotected",
    "root=verity",
    "root=signed",
    "root=signed+absent",
    "root=encrypted",
    "root=unprotected+absent",
    "root=ignore",
    "root=open",
    "=open",
    "=unprotected",
    "usr=unprotected",
    "usr=signed:root=unprotected",
    "usr=absent:root=open",
    "root=unprotected+read-only-on",
    "root=unprotected+read-only-off",
    "root=unprotected+growfs-on",
    "root=signed:root-verity=open",
    "root=unprotected:root-verity=absent",
    "root=unprotected:home=signed",
];

/// Asks the real `systemd-dissect` whether images pass policies, and `check` the same.
fn compare_policies(version: &str, tree: &str) {
    let scratch = Scratch::new();
    let images: Vec<_> = [
        "squashfs $2 $1",
        "squashfs $2 f; disk $1 $root f",
        "squashfs $2 f; disk $1 $root f; sfdisk -q --part-attrs $1 1 GUID:60",
        "squashfs $2/usr f; disk $1 $usr f",
        "squashfs $2 f; disk $1 $root f $home f",
    ]
    .into_iter()
    .enumerate()
    .map(|(index, command)| {
        make(
            &scratch.join(&index.to_string()),
            &packed("policy", command),
        )
    })
    .collect();
    let host = scratch.join("os-release");
    fs::write(&host, HOST).unwrap();
    let mut commands = "mkdir -p $CLIENT_ROOT/tmp/images\n".to_owned();
    for (index, image) in images.iter().enumerate() {
        let _ = writeln!(
            commands,
            "cp {} $CLIENT_ROOT/tmp/images/{index}.raw",
            image.display()
        );
        for policy in POLICIES {
            let _ = writeln!(
                commands,
                "client systemd-dissect --image-policy='{policy}' --validate /tmp/images/{index}.raw \
                 > /dev/null 2>&1 && echo 'taken {index} {policy}' || echo 'refused {index} {policy}'"
            );
        }
    }
    let outcome = merging(tree, &commands);
    let answers = text(&outcome.stdout);
    for (index, image) in images.iter().enumerate() {
        for policy in POLICIES {
            let client = format!("systemd-{version}");
            let outcome = program()
                .args(["check", "--json", "--arch", "x86-64", "--as", "tool"])
                .args([
                    "--client",
                    &client,
                    "--image-policy",
                    policy,
                    "--os-release",
                ])
                .args([&host, image])
                .output()
                .unwrap();
            let verdict = &json(&outcome)["images"][0]["hosts"][0]["verdicts"][0];
            let word = if verdict["outcome"] == "accepted" {
                "taken"
            } else {
                "refused"
            };
            let line = format!("{word} {index} {policy}\n");
            assert!(
                answers.contains(&line),
                "{version}: not {line}{verdict}\n{answers}"
            );
        }
    }
}

#[test(MAKES, TRIXIE)]
fn policies_are_judged_as_by_systemd_257() {
    compare_policies("257", &TRIXIE.path().display().to_string());
}

#[test(MAKES, SID)]
fn policies_are_judged_as_by_systemd_262() {
    compare_policies("262", &SID.path().display().to_string());
}

/// What hosts say of themselves: files of settings, each `PATH TEXT`, where a test's client has its
/// own, and whether an image that is not protected is merged then.
const SETTINGS: [(&[&str], bool); 7] = [
    (&[], true),
    (
        &["etc/systemd/sysext.conf [SysExt]\\nImagePolicy=root=signed"],
        false,
    ),
    (
        &["etc/systemd/sysext.conf [ConfExt]\\nImagePolicy=root=signed"],
        true,
    ),
    (
        &["run/systemd/sysext.conf.d/50-a.conf [SysExt]\\nImagePolicy = root=verity+signed"],
        false,
    ),
    (
        &[
            "run/systemd/sysext.conf.d/50-a.conf [SysExt]\\nImagePolicy=root=signed",
            "etc/systemd/sysext.conf.d/60-b.conf [SysExt]\\nImagePolicy=",
        ],
        true,
    ),
    (
        &[
            "run/systemd/sysext.conf.d/50-a.conf [SysExt]\\nImagePolicy=root=signed",
            "etc/systemd/sysext.conf.d/50-a.conf [SysExt]\\nMutable=no",
        ],
        true,
    ),
    (
        &[
            "etc/systemd/sysext.conf [SysExt]\\nImagePolicy=root=unprotected",
            "run/systemd/sysext.conf.d/10-a.conf [SysExt]\\nImagePolicy=root=signed",
        ],
        false,
    ),
];

/// Makes a base with this systemd in its database.
pub fn base_with(scratch: &Scratch, systemd: &str) -> PathBuf {
    let spec = scratch.join("systemd.spec");
    let body = format!(
        "Name: systemd\nVersion: {systemd}\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%files\n"
    );
    fs::write(&spec, body).unwrap();
    let top = scratch.join("rpmbuild");
    let define = format!("_topdir {}", top.display());
    output_of(
        Command::new("rpmbuild")
            .args(["-bb", "--define", &define])
            .arg(&spec),
    );
    let root = scratch.join(&format!("base-{systemd}"));
    let database = root.join("usr/lib/sysimage/rpm");
    fs::create_dir_all(&database).unwrap();
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/os-release"), HOST).unwrap();
    let mut rpm = Command::new("rpm");
    rpm.arg("--dbpath")
        .arg(&database)
        .args(["-i", "--justdb", "--nodeps"]);
    output_of(rpm.arg(top.join(format!("RPMS/noarch/systemd-{systemd}-1.noarch.rpm"))));
    root
}

/// What `check` says of an image on a base: the verdicts, and the findings.
fn checked(base: &Path, image: &Path, client: &str) -> (Value, String) {
    let outcome = program()
        .args([
            "check", "--json", "--as", "tool", "--client", client, "--base",
        ])
        .args([base, image])
        .output()
        .unwrap();
    let host = json(&outcome)["images"][0]["hosts"][0].clone();
    (host["verdicts"][0].clone(), host["findings"].to_string())
}

#[test(MAKES, SID, programs!("rpm", "rpmbuild"))]
fn settings_of_hosts_count_as_for_systemd_262() {
    let scratch = Scratch::new();
    let image = make(&scratch.join("image"), &packed("policy", "squashfs $2 $1"));
    let host = scratch.join("os-release");
    fs::write(&host, HOST).unwrap();
    let mut commands = String::new();
    for (index, (files, _)) in SETTINGS.iter().enumerate() {
        commands += "rm -rf $CLIENT_ROOT/{etc,run}/systemd/sysext.conf*\n";
        for file in *files {
            let (path, text) = file.split_once(' ').unwrap();
            let _ = writeln!(
                commands,
                "mkdir -p $CLIENT_ROOT/{}; printf '{text}\\n' > $CLIENT_ROOT/{path}",
                Path::new(path).parent().unwrap().display()
            );
        }
        let _ = writeln!(
            commands,
            "merge direct {} tool {} > /dev/null 2>&1 && echo 'merged {index}' || echo 'not {index}'\n\
             unmerge",
            image.display(),
            host.display()
        );
    }
    let outcome = merging(&SID.path().display().to_string(), &commands);
    let answers = text(&outcome.stdout);
    for (index, (files, is_merged)) in SETTINGS.iter().enumerate() {
        let line = format!("{} {index}\n", if *is_merged { "merged" } else { "not" });
        assert!(answers.contains(&line), "{files:?}: not {line}{answers}");
        let base = base_with(&scratch, "262");
        for file in *files {
            let (path, text) = file.split_once(' ').unwrap();
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("\\n", "\n")).unwrap();
        }
        let (verdict, _) = checked(&base, &image, "systemd-262");
        assert_eq!(
            verdict["outcome"] == "accepted",
            *is_merged,
            "{files:?}: {verdict}"
        );
        fs::remove_dir_all(base).unwrap();
    }
}

#[test(MAKES, programs!("rpm", "rpmbuild"))]
fn settings_count_where_the_systemd_of_the_base_reads_them() {
    let scratch = Scratch::new();
    let command = "chmod 755 $2/usr/bin/tool; squashfs $2 $1";
    let image = make(&scratch.join("image"), &packed("policy", command));
    let policy = ("sysext.conf", "[SysExt]\nImagePolicy=root=signed\n");
    let restriction = ("system.conf", "[Manager]\nRestrictFileSystemAccess=yes\n");
    for (systemd, (name, text), client, outcome, finding) in [
        ("257", policy, "systemd-262", "accepted", "host-policy"),
        ("259", policy, "systemd-252", "accepted", ""),
        // 259 has the rules of 257.
        ("259", policy, "systemd-257", "refused", ""),
        ("259", policy, "systemd-262", "refused", ""),
        ("260", restriction, "systemd-262", "accepted", "host-policy"),
        (
            "261",
            restriction,
            "systemd-262",
            "accepted",
            "execution-denied",
        ),
        (
            "262",
            restriction,
            "systemd-262",
            "accepted",
            "execution-denied",
        ),
    ] {
        let base = base_with(&scratch, systemd);
        fs::create_dir_all(base.join("etc/systemd")).unwrap();
        fs::write(base.join("etc/systemd").join(name), text).unwrap();
        let (verdict, findings) = checked(&base, &image, client);
        assert_eq!(verdict["outcome"], outcome, "{systemd} {name}: {verdict}");
        let said = ["host-policy", "execution-denied"];
        for kind in said {
            let is_there = findings.contains(&format!("\"{kind}\""));
            assert_eq!(is_there, kind == finding, "{systemd} {name}: {findings}");
        }
        fs::remove_dir_all(base).unwrap();
    }
}

/// What systemd-stub takes from the EFI system partition must be signed, and be for an initrd.
#[test(MAKES, SID)]
fn images_of_the_initrd_are_judged_as_by_systemd_262() {
    let scratch = Scratch::new();
    let host = scratch.join("os-release");
    fs::write(&host, HOST).unwrap();
    let keys = "ID=_any\nSYSEXT_SCOPE=initrd\n";
    let bare = make(&scratch.join("bare"), &super::keys("initrd", keys, HOST));
    let other = make(
        &scratch.join("other"),
        &super::keys("system", "ID=_any\n", HOST),
    );
    for (image, directory, expected) in [
        (&bare, ".extra/sysext", "refused"),
        (&bare, "etc/extensions", "accepted"),
        (&other, "etc/extensions", "ignored"),
    ] {
        let commands = format!(
            "mkdir -p $CLIENT_ROOT/{{etc/extensions,.extra/sysext}}\nrm -f \
             $CLIENT_ROOT/{{etc/extensions,.extra/sysext}}/*\ncp {} $CLIENT_ROOT/{directory}/tool.raw\n\
             cp {host} $CLIENT_ROOT/etc/os-release; cp {host} $CLIENT_ROOT/etc/initrd-release\n\
             code=0; client systemd-sysext --no-pager --no-reload merge || code=$?; echo code $code\n\
             cat $CLIENT_ROOT/usr/.systemd-sysext/extensions || :; unmerge; rm -r $CLIENT_ROOT/.extra\n",
            image.display(),
            host = host.display()
        );
        let outcome = merging(&SID.path().display().to_string(), &commands);
        let answers = text(&outcome.stdout);
        let is_merged = answers.contains("\ntool");
        assert_eq!(is_merged, expected == "accepted", "{directory}: {answers}");
        assert_eq!(
            answers.contains("code 0"),
            expected != "refused",
            "{answers}"
        );
        if directory == "etc/extensions" {
            // `check` takes other images for those of the system.
            continue;
        }
        let named = scratch.join(directory).join("tool.raw");
        fs::create_dir_all(named.parent().unwrap()).unwrap();
        fs::copy(image, &named).unwrap();
        let outcome = program()
            .args([
                "check",
                "--json",
                "--arch",
                "x86-64",
                "--client",
                "systemd-262",
            ])
            .arg("--os-release")
            .args([&host, &named])
            .output()
            .unwrap();
        let verdict = &json(&outcome)["images"][0]["hosts"][0]["verdicts"][0];
        assert_eq!(verdict["outcome"], expected, "{verdict}");
    }
}
