//! Which options the manifest records, so that an image can be built again, and how they are read back.
//!
//! Packages are recorded by digest, and the base is whatever base the next one has: neither how packages
//! were chosen nor where anything was is recorded. What is recorded are values that decide the image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Parser as _, ValueEnum};
use manifest::Build;

use crate::alive::places::Etc;
use crate::cli::{BuildArguments, Cli};
use crate::inputs::Inputs;
use crate::plan::labels::Labelling;
use crate::publish::disk::Proving;
use crate::words::failure::{Failure, Result};

/// The options that a manifest may record. Others are not read from one: it may come from anybody, and
/// must not name files here.
const RECORDED: [&str; 17] = [
    "arch",
    "block-size",
    "compression",
    "drop",
    "etc",
    "format",
    "keep",
    "layout",
    "match",
    "no-merge-unit",
    "opt",
    "preset",
    "scope",
    "selinux",
    "start",
    "sysupdate-url",
    "sysupdate-verify",
];
/// What proves a disk image, if no key does.
const VERITY: &str = "verity";

/// Returns the options of inputs that decide the image, and which of them named files. The packages are
/// not there yet.
pub fn of(arguments: &BuildArguments, inputs: &Inputs) -> Build {
    let (image, plan) = (&arguments.image, &inputs.plan);
    let mut options: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut files = Vec::new();
    let mut put = |name: &str, values: Vec<String>| {
        options.insert(name.to_owned(), values);
    };
    put("compression", vec![inputs.packing.compressor.to_string()]);
    put("block-size", vec![inputs.packing.block_size.to_string()]);
    put("match", vec![named(&plan.matching)]);
    put("scope", vec![plan.naming.scope.clone()]);
    // The name of the image's file is in it.
    put("layout", vec![named(&arguments.layout)]);
    if let Some(architecture) = &plan.naming.architecture {
        put("arch", vec![architecture.to_string()]);
    }
    let sorted = |values: &[String]| {
        let mut values = values.to_vec();
        values.sort();
        values.dedup();
        values
    };
    let etc = |one: &Etc| {
        let path = one.path.as_ref().map(|path| format!("{path}="));
        path.unwrap_or_default() + one.treatment.name()
    };
    for (name, values) in [
        ("keep", sorted(&image.keep)),
        ("drop", sorted(&image.drop)),
        ("start", sorted(&image.start)),
        ("etc", image.etc.iter().map(etc).collect()),
        (
            "opt",
            image.opt.iter().map(|opt| opt.name().to_owned()).collect(),
        ),
    ] {
        if !values.is_empty() {
            put(name, values);
        }
    }
    if plan.preset {
        put("preset", Vec::new());
    }
    if !plan.merge_unit {
        put("no-merge-unit", Vec::new());
    }
    match plan.labelling {
        Labelling::Auto => {}
        Labelling::None => put("selinux", vec!["none".to_owned()]),
        Labelling::File(_) => files.push("selinux".to_owned()),
    }
    if let Some(proving) = &inputs.proving {
        put("format", vec!["ddi".to_owned()]);
        match proving {
            Proving::Unsigned => put(VERITY, vec!["unsigned".to_owned()]),
            Proving::Deferred => put(VERITY, vec!["defer".to_owned()]),
            Proving::Signed(_) => files.push("verity-key".to_owned()),
        }
    }
    if let (Some(url), Some(delivery)) = (&arguments.sysupdate_url, &plan.updates) {
        let verify = match delivery.verify {
            true => "yes",
            false => "no",
        };
        put("sysupdate-url", vec![url.clone()]);
        put("sysupdate-verify", vec![verify.to_owned()]);
    }
    if image.overlay.is_some() {
        files.push("overlay".to_owned());
    }
    Build {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        options,
        files,
        packages: Vec::new(),
    }
}

/// Returns the name of a value.
fn named(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Reads options back that a manifest records, for these packages.
///
/// # Errors
/// An option that is not known here, or one with a value that is not.
pub fn arguments(build: &Build, packages: Vec<PathBuf>) -> Result<BuildArguments> {
    let mut words = vec![std::ffi::OsString::from("sysext-build")];
    for (name, values) in &build.options {
        if !RECORDED.contains(&name.as_str()) && name != VERITY {
            let text = format!("the manifest records the option --{name}, which is not known here");
            return Err(Failure::usage(text).hint(format!(
                "build again with the version that built it: {}",
                build.program
            )));
        }
        if name == "selinux" && values.iter().any(|value| value != "none") {
            let text = "the manifest records a file of labels, which must not be read from it";
            return Err(Failure::usage(text));
        }
        if values.is_empty() {
            words.push(format!("--{name}").into());
        }
        words.extend(
            values
                .iter()
                .map(|value| format!("--{name}={value}").into()),
        );
    }
    let read = Cli::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        let line = line.trim_start_matches("error: ");
        Failure::usage(format!("the manifest records options that are not: {line}"))
    })?;
    Ok(BuildArguments {
        inputs: packages,
        ..read.build
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> BuildArguments {
        let words = std::iter::once("sysext-build").chain(line.split_whitespace());
        Cli::try_parse_from(words).unwrap().build
    }

    fn recorded(line: &str) -> Build {
        let arguments = typed(line);
        Inputs::new(&arguments).unwrap().build
    }

    #[test]
    fn what_is_recorded_says_the_same_when_it_is_read() {
        for line in [
            "Cargo.toml",
            "Cargo.toml --compression xz --block-size 128K --match any --scope initrd",
            "Cargo.toml --keep usr-merge --drop drop-docs --drop /usr/share/x --etc drop --etc /etc/x=factory",
            "Cargo.toml --preset --no-merge-unit --start b.service --start a.service --opt usr",
            "Cargo.toml --format ddi --verity unsigned --selinux none --arch arm64",
            "Cargo.toml --format ddi --verity defer",
            "Cargo.toml --sysupdate-url https://a.example/b --sysupdate-verify no --layout per-name",
        ] {
            let build = recorded(line);
            assert!(build.files.is_empty(), "{line}");
            let again = arguments(&build, vec!["Cargo.toml".into()]).unwrap();
            assert_eq!(Inputs::new(&again).unwrap().build, build, "{line}");
        }
    }

    #[test]
    fn what_is_typed_otherwise_and_means_the_same_is_recorded_alike() {
        for (one, other) in [
            ("a.x", "a.x --compression zstd:6 --block-size 1024K"),
            (
                "a.x --keep usr-merge --drop /usr/a",
                "a.x --drop /usr/a --keep usr-merge",
            ),
            ("a.x --arch x86_64", "a.x --arch x86-64"),
        ] {
            let of = |line: &str| recorded(&line.replace("a.x", "Cargo.toml"));
            assert_eq!(of(one), of(other), "{one}");
        }
    }

    #[test]
    fn files_are_named_and_never_read_from_a_manifest() {
        let build = recorded("--overlay src --name a --image-version 1 --match any");
        assert_eq!(build.files, ["overlay"]);
        for (name, value) in [
            ("overlay", "/etc"),
            ("output", "/tmp"),
            ("match", "nothing"),
            ("test", ""),
        ] {
            let build = Build {
                options: BTreeMap::from([(name.to_owned(), vec![value.to_owned()])]),
                ..Build::default()
            };
            assert!(arguments(&build, Vec::new()).is_err(), "{name}");
        }
        // A value that is a file is one: labels are recorded as none, or not at all.
        let build = Build {
            options: BTreeMap::from([("selinux".to_owned(), vec!["/etc/x".to_owned()])]),
            ..Build::default()
        };
        assert!(arguments(&build, Vec::new()).is_err());
    }
}
