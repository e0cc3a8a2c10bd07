//! Validators of SPDX and CycloneDX by other hands judge what is written here.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    reason = "outside of its #[test] functions, too, a test may fail by a panic"
)]

#[macro_use]
extern crate judges;

use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

use judges::{Need, cached, corpus};
use manifest::{Package, Summary};
use sbom::{Bill, Format, Licence, Subject};

/// An environment of Python with spdx-tools and cyclonedx-python-lib.
const JUDGES: Need = cached("bills");

fn main() -> std::process::ExitCode {
    judges::run()
}

/// Has a bill judged by the validator of its form.
fn judge(bill: &Bill<'_>, format: Format, name: &str) {
    let directory = std::env::temp_dir().join(format!("sbom-judged-{}-{name}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("image{}", format.suffix()));
    fs::write(&path, format.write(bill, "1.2.3").unwrap()).unwrap();
    let output = match format {
        Format::Spdx => Command::new(JUDGES.path().join("bin/pyspdxtools"))
            .arg("-i")
            .arg(&path)
            .output(),
        Format::CycloneDx => Command::new(JUDGES.path().join("bin/python"))
            .args(["-c", STRICT])
            .arg(&path)
            .output(),
    };
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let said: String = said.concat().chars().take(4000).collect();
    assert!(output.status.success(), "{format:?}: {said}");
    fs::remove_dir_all(directory).unwrap();
}

const STRICT: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()))
";

/// A package for each licence.
fn of_licences(licences: &[String]) -> Summary {
    let package = |(number, licence): (usize, &String)| Package {
        kind: Some("rpm".to_owned()),
        name: format!("p{number}"),
        version: Some("1:2~3^4-1".to_owned()),
        architecture: Some("x86_64".to_owned()),
        nevra: Some(format!("p{number}-1:2~3^4-1.x86_64")),
        license: Some(licence.clone()),
        vendor: Some("Some Vendor (@copr/new_one) <a@example.org>".to_owned()),
        depends_on: Some(vec![format!(
            "p{}-1:2~3^4-1.x86_64",
            number.saturating_sub(1)
        )]),
        ..Package::default()
    };
    Summary {
        packages: licences.iter().enumerate().map(package).collect(),
        ..Summary::parse(br#"{"config":{"name":"a"}}"#).unwrap()
    }
}

#[test(JUDGES)]
fn bills_are_valid() {
    let full = r#"{"manifest_version":1,
        "config":{"name":"strace","version":"6.11-1","distribution":"opensuse-tumbleweed","release":"20260304"},
        "packages":[
          {"name":"gcc-c++","version":"1:14~rc^1-1","architecture":"x86_64","nevra":"gcc-c++-1:14~rc^1-1.x86_64",
           "license":"GPLv2+ and BSD","vendor":"obs://build.opensuse.org/home:a","source_rpm":"gcc-14-1.src.rpm",
           "sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","origin":"gcc-c++-14-1.x86_64.rpm",
           "summary":"A compiler","depends_on":["glibc-2.41-1.x86_64"]},
          {"name":"bare"}],
        "relies_on":[{"nevra":"glibc-2.41-1.x86_64","provides":["libc.so.6()(64bit)"]}]}"#;
    let subject = Subject {
        file: "strace-6.11-1.x86-64.raw".to_owned(),
        sha256: Some("b".repeat(64)),
        time: 1_700_000_000,
    };
    let unknown = Subject {
        sha256: None,
        ..subject.clone()
    };
    for (json, subject) in [
        (full, &subject),
        (full, &unknown),
        (r#"{"config":{"name":"empty"}}"#, &subject),
    ] {
        let manifest = Summary::parse(json.as_bytes()).unwrap();
        for format in Format::ALL {
            judge(&Bill::new(&manifest, subject).unwrap(), format, "valid");
        }
    }
}

/// Collects the licences of all RPM files below a directory.
fn licences(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            licences(&path, found);
        } else if let Ok(file) = fs::File::open(&path)
            && let Ok(package) = rpm_input::Package::read(&mut BufReader::new(file), "")
        {
            found.push(package.licence);
        }
    }
}

#[test(JUDGES, corpus("rpms"))]
fn licences_of_real_packages() {
    let mut all = Vec::new();
    licences(&corpus("rpms").path(), &mut all);
    all.sort();
    all.dedup();
    assert!(all.len() > 30, "{}", all.len());
    for text in &all {
        let licence = Licence::parse(text);
        assert!(!licence.expression.is_empty(), "{text:?}");
        let references = licence.expression.matches("LicenseRef-").count();
        assert!(references >= licence.references.len(), "{text:?}");
        assert_eq!(references == 0, licence.references.is_empty(), "{text:?}");
    }
    let manifest = of_licences(&all);
    let subject = Subject {
        file: "a-1.x86-64.raw".to_owned(),
        sha256: None,
        time: 0,
    };
    for format in Format::ALL {
        judge(&Bill::new(&manifest, &subject).unwrap(), format, "real");
    }
}
