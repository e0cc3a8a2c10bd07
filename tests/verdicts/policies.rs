//! Image policies, with systemd-dissect as judge.

use std::fmt::Write as _;
use std::fs;

use super::kinds::packed;
use super::{HOST, MAKES, make};
use crate::client::{SID, TRIXIE, merging};
use crate::workshop::{Scratch, json, program, text};

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
