use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use linkage::{Dlopen, Linkage, Needs, Object, Priority, Script};
use serde_json::Value;

use super::census::{MAX_OBJECTS, MAX_VALUES};
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// A package for each reason that there is.
fn packages() -> Vec<Package> {
    let capability = || "liba.so.1()(64bit)".to_owned();
    let by = || "b-2-1.x86_64".to_owned();
    [
        Reason::Requested,
        Reason::Requires {
            capability: capability(),
            by: by(),
        },
        Reason::Recommends {
            capability: capability(),
            by: by(),
        },
        Reason::Supplements {
            capability: capability(),
        },
    ]
    .into_iter()
    .map(|reason| Package {
        kind: text("rpm"),
        name: "a".to_owned(),
        version: text("1:2~3-1"),
        architecture: text("x86_64"),
        summary: Some("A tool".to_owned()),
        size: Some(4096),
        sha256: Some("5".repeat(64)),
        origin: text("a-2~3-1.x86_64.rpm"),
        nevra: text("a-1:2~3-1.x86_64"),
        license: text("GPLv2+ and BSD"),
        vendor: text("Example"),
        source_rpm: text("a-2~3-1.src.rpm"),
        depends_on: Some(texts(&["b-2-1.x86_64", "glibc-2.41-1.x86_64"])),
        reason: Some(reason),
        provides: texts(&["a = 1:2~3-1", "liba.so.1()(64bit)"]),
    })
    .collect()
}

/// A value in which no key is missing. There is no `..` in it: a new field of the type is a new
/// line here, and so a new key of the schema.
fn full() -> Manifest {
    let object = Object {
        abi: "elf64-x86-64".to_owned().try_into().unwrap(),
        interpreter: text("/lib64/ld-linux-x86-64.so.2"),
        needed: texts(&["libc.so.6"]),
        versions: BTreeMap::from([("libc.so.6".to_owned(), texts(&["GLIBC_2.34"]))]),
        soname: text("liba.so.1"),
        defines: Some(texts(&["A_1"])),
        rpath: text("$ORIGIN"),
        runpath: text("/usr/lib64/a"),
        no_default_directories: true,
        program: true,
        dlopen: vec![Dlopen {
            feature: "compression".to_owned(),
            priority: Priority::Suggested,
            soname: texts(&["libzstd.so.1"]),
        }],
        built_in: texts(&["/lib64"]),
    };
    let script = Script {
        interpreter: "/usr/bin/env".to_owned(),
        env: text("python3"),
    };
    Manifest {
        manifest_version: Some(VERSION),
        config: Config {
            name: "a".to_owned(),
            distribution: text("opensuse-tumbleweed"),
            architecture: text("x86-64"),
            output_format: text("sysext"),
            version: text("2-A.3-1"),
            release: text("20260304"),
        },
        packages: packages(),
        extension: BTreeMap::from([("ID".to_owned(), "opensuse-tumbleweed".to_owned())]),
        requires: Some(texts(&["libc.so.6(GLIBC_2.34)(64bit)"])),
        modules: BTreeMap::from([("6.1-1".to_owned(), 2)]),
        companion: text("a.confext-2-A.3-1.x86-64.raw"),
        relies_on: vec![ReliedOn {
            nevra: "glibc-2.41-1.x86_64".to_owned(),
            provides: texts(&["libc.so.6(GLIBC_2.34)(64bit)"]),
        }],
        known: text("names"),
        findings: BTreeMap::from([("unchecked-base".to_owned(), "1 need".to_owned())]),
        allowed: BTreeMap::from([("set-uid".to_owned(), "it is su".to_owned())]),
        image: Some(ImageFile {
            format: "ddi".to_owned(),
            sha256: Some("9".repeat(64)),
            bytes: Some(4096),
            time: Some(1_700_000_000),
            root_hash: Some("7".repeat(64)),
            signature: text("signed"),
            signed_by: Some("8".repeat(64)),
        }),
        build: Some(Build {
            program: "0.1.1".to_owned(),
            options: BTreeMap::from([("match".to_owned(), texts(&["any"]))]),
            files: texts(&["overlay"]),
            packages: texts(&["a-1:2~3-1.x86_64"]),
        }),
        built_from: Some(BuiltFrom {
            digest: "6".repeat(64),
            parts: BTreeMap::from([("compression".to_owned(), "zstd:15".to_owned())]),
        }),
        needs: Some(Needs {
            libraries: BTreeMap::from([(
                "libc.so.6".to_owned(),
                BTreeSet::from(["GLIBC_2.34".to_owned()]),
            )]),
            programs: BTreeSet::from(["/usr/bin/env".to_owned()]),
            cached: BTreeMap::from([(
                "libb.so.1".to_owned(),
                BTreeSet::from(["/usr/lib64/b/libb.so.1".to_owned()]),
            )]),
        }),
        linkage: Some(Linkage {
            programs: BTreeMap::from([("usr/bin/a".to_owned(), object.clone())]),
            libraries: BTreeMap::from([("usr/lib64/liba.so.1".to_owned(), object)]),
            scripts: BTreeMap::from([("usr/bin/b".to_owned(), script)]),
            links: BTreeMap::from([("usr/lib64/liba.so".to_owned(), "liba.so.1".to_owned())]),
            unread: BTreeMap::from([("usr/bin/c".to_owned(), "is cut off".to_owned())]),
        }),
    }
}

#[test]
fn what_is_written_is_read() {
    for manifest in [full(), Manifest::default()] {
        let gzip = manifest.to_gzip().unwrap();
        let json = unpack(&*gzip, MAX_SIZE).unwrap();
        assert_eq!(Manifest::parse(&json).unwrap(), manifest);
    }
    let whole = full();
    let gzip = whole.to_gzip().unwrap();
    assert_eq!(Manifest::from_gzip(&*gzip).unwrap(), whole);
    let summary = Summary::from_gzip(&*gzip).unwrap();
    assert_eq!(
        (summary.config, summary.packages, summary.linkage.is_some()),
        (whole.config, whole.packages, true)
    );
}

#[test]
fn the_text_of_a_manifest() {
    let manifest = Manifest {
        manifest_version: Some(VERSION),
        config: Config {
            name: "a".to_owned(),
            architecture: text("x86-64"),
            output_format: text("sysext"),
            version: text("1"),
            ..Config::default()
        },
        packages: packages().split_off(3),
        extension: BTreeMap::from([("ID".to_owned(), "_any".to_owned())]),
        requires: Some(Vec::new()),
        needs: Some(Needs::default()),
        linkage: Some(Linkage {
            links: BTreeMap::from([("usr/b".to_owned(), "a".to_owned())]),
            ..Linkage::default()
        }),
        ..Manifest::default()
    };
    let gzip = manifest.to_gzip().unwrap();
    // No flags, so no name; no time; the best compression.
    assert_eq!(gzip[..9], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2]);
    let json = String::from_utf8(unpack(&*gzip, MAX_SIZE).unwrap()).unwrap();
    let expected = r#"{
  "manifest_version": 1,
  "config": {
    "name": "a",
    "architecture": "x86-64",
    "output_format": "sysext",
    "version": "1"
  },
  "packages": [
    {
      "type": "rpm",
      "name": "a",
      "version": "1:2~3-1",
      "architecture": "x86_64",
      "summary": "A tool",
      "size": 4096,
      "sha256": "5555555555555555555555555555555555555555555555555555555555555555",
      "origin": "a-2~3-1.x86_64.rpm",
      "nevra": "a-1:2~3-1.x86_64",
      "license": "GPLv2+ and BSD",
      "vendor": "Example",
      "source_rpm": "a-2~3-1.src.rpm",
      "depends_on": [
        "b-2-1.x86_64",
        "glibc-2.41-1.x86_64"
      ],
      "reason": {
        "kind": "supplements",
        "capability": "liba.so.1()(64bit)"
      },
      "provides": [
        "a = 1:2~3-1",
        "liba.so.1()(64bit)"
      ]
    }
  ],
  "extension": {
    "ID": "_any"
  },
  "requires": [],
  "needs": {},
  "linkage": {"links":{"usr/b":"a"}}
}
"#;
    assert_eq!(json, expected);
}

#[test]
fn manifests_by_others() {
    let of_mkosi = br#"{"manifest_version":1,
        "config":{"name":"os","distribution":"fedora","release":"42","x":null},
        "packages":[{"type":"rpm","name":"b","version":"1-1.fc42","architecture":"noarch","x":[]}],
        "new":{"x":1}}"#;
    let manifest = Manifest::<Linkage>::of_image(of_mkosi).unwrap();
    let expected = Manifest {
        manifest_version: Some(1),
        config: Config {
            name: "os".to_owned(),
            distribution: text("fedora"),
            release: text("42"),
            ..Config::default()
        },
        packages: vec![Package {
            kind: text("rpm"),
            name: "b".to_owned(),
            version: text("1-1.fc42"),
            architecture: text("noarch"),
            ..Package::default()
        }],
        ..Manifest::default()
    };
    assert_eq!(manifest, expected);
    assert_eq!(manifest.packages[0].explained(), None);
    assert_eq!(
        Manifest::parse(b" {}").unwrap(),
        Manifest::<Linkage>::default()
    );
}

#[test]
fn what_is_refused() {
    const JSON: &str = "is not a manifest: ";
    for (json, problem) in [
        ("", JSON),
        ("{", JSON),
        ("[]", "is not a manifest: it is not a JSON object"),
        ("{}", "has no config.name"),
        (r#"{"config":{}}"#, "has no config.name"),
        (r#"{"config":{"name":1}}"#, JSON),
        (r#"{"config":{"name":null}}"#, JSON),
        (r#"{"config":{"name":"a"},"packages":[{}]}"#, JSON),
        (r#"{"config":{"name":"a"},"packages":["a"]}"#, JSON),
        (r#"{"config":{"name":"a"},"linkage":[1]}"#, JSON),
        (r#"{"config":{"name":"a"},"extension":{"ID":1}}"#, JSON),
    ] {
        let found = Manifest::<Linkage>::from_gzip(&*gzip(json.as_bytes()));
        let found = found.unwrap_err().to_string();
        if problem == JSON {
            assert!(found.starts_with(JSON), "{json}: {found}");
        } else {
            assert_eq!(found, problem, "{json}");
        }
    }
}

#[test]
fn what_sysextmgr_takes() {
    let good = r#"{"manifest_version":1,"config":{"name":"a","version":"1","architecture":"x86-64"},
        "extension":{"ID":"_any","SYSEXT_VERSION_ID":"1","ARCHITECTURE":"x86-64"}}"#;
    for (from, to, expected) in [
        ("", "", Ok(())),
        ("\"version\":\"1\",", "", Err("has no config.version")),
        (":1,", ":null,", Err("has no number manifest_version")),
        (":1,", ":\"1\",", Err("has no number manifest_version")),
        ("\"config\"", "\"x\"", Err("has no object config")),
        ("\"extension\":{", "\"x\":{", Err("has no object extension")),
        (
            "\"name\":\"a\"",
            "\"name\":\"a\",\"release\":null",
            Err("has config.release, which is null"),
        ),
        (
            "\"name\":\"a\"",
            "\"name\":null",
            Err("has config.name, which is not a string"),
        ),
        (
            "\"ARCHITECTURE\":\"x86-64\"",
            "\"ARCHITECTURE\":1",
            Err("has extension.ARCHITECTURE, which is not a string"),
        ),
    ] {
        let json = good.replacen(from, to, 1);
        let parsed = Summary::parse_strictly(&*gzip(json.as_bytes())).map(drop);
        let parsed = parsed.map_err(|error| error.to_string());
        assert_eq!(parsed, expected.map_err(str::to_owned), "{json}");
    }
    let ours = full().to_gzip().unwrap();
    let error = Manifest::<Linkage>::parse_strictly(&*ours).unwrap_err();
    assert_eq!(error.to_string(), "has no extension.SYSEXT_VERSION_ID");
}

#[test]
fn streams_within_bounds() {
    let whole = gzip(&[b'a'; 100]);
    let mut cut = whole.clone();
    cut.truncate(cut.len() - 9);
    let twice = [gzip(b"a"), gzip(b"b")].concat();
    // Members of nothing go on for ever without unpacking to anything.
    let empty = gzip(b"").repeat(100);
    for (stream, limit, expected) in [
        (&*whole, 100, Ok(&[b'a'; 100][..])),
        (&*twice, 100, Ok(b"ab")),
        (&*whole, 99, Err("unpacks to more than 99 bytes")),
        (&*cut, 100, Err("can't be unpacked: ")),
        (b"{}", 100, Err("can't be unpacked: ")),
        (b"", 100, Err("can't be unpacked: ")),
        (&*empty, 99, Err("can't be unpacked: ")),
    ] {
        match (unpack(stream, limit), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(start)) => {
                let error = error.to_string();
                assert!(error.starts_with(start), "{error}");
            }
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn one_limit_for_writers_and_readers() {
    let long = usize::try_from(MAX_SIZE).unwrap();
    let written = Manifest::<Linkage> {
        allowed: BTreeMap::from([("a".to_owned(), "a".repeat(long))]),
        ..Manifest::default()
    };
    let error = written.to_gzip().unwrap_err().to_string();
    assert!(
        error.starts_with("has 671") && error.ends_with(" bytes; no more than 67108864 are read"),
        "{error}"
    );
    let read = gzip(&vec![b' '; long]);
    assert_eq!(unpack(&*read, MAX_SIZE).unwrap().len(), long);
    let read = gzip(&vec![b' '; long + 1]);
    for error in [
        Summary::from_gzip(&*read).unwrap_err(),
        Summary::parse_strictly(&*read).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "unpacks to more than 67108864 bytes");
    }
}

#[test]
fn true_versions() {
    let packages = r#""packages":[{"name":"b","version":"9"},{"name":"a","version":"1:2~3"}]"#;
    for (json, expected) in [
        (
            format!(r#"{{"config":{{"name":"a","version":"2-A.3"}},{packages}}}"#),
            Some("1:2~3"),
        ),
        (
            format!(r#"{{"config":{{"name":"c","version":"29.1"}},{packages}}}"#),
            Some("29.1"),
        ),
        (r#"{"config":{"name":"a"}}"#.to_owned(), None),
    ] {
        let manifest = Summary::parse(json.as_bytes()).unwrap();
        assert_eq!(manifest.evr(), expected, "{json}");
    }
}

#[test]
fn file_names_in_three() {
    let manifest = Summary {
        config: Config {
            name: "a-b".to_owned(),
            version: text("1-2"),
            ..Config::default()
        },
        ..Summary::default()
    };
    for (image, expected) in [
        ("a-b-1-2.x86-64.raw", Some(("a-b-", "1-2", ".x86-64.raw"))),
        ("a-b-1-2-x86-64.raw", Some(("a-b-", "1-2", "-x86-64.raw"))),
        ("a-b-1-3.x86-64.raw", None),
        ("a-bc1-2.x86-64.raw", None),
        ("a", None),
    ] {
        assert_eq!(manifest.split(image), expected, "{image}");
    }
    assert_eq!(file_name("a-1.x86-64.raw"), "a-1.x86-64.manifest.gz");
}

/// A file of the documentation.
fn document(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    std::fs::read_to_string(docs.join(name)).unwrap()
}

/// Follows a schema through a value that has every key, and notes each key's path in `found`: a
/// key that one has and the other has not, and a value of the wrong type, is a panic.
fn follow(schema: &Value, root: &Value, value: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#'));
        return follow(target.unwrap(), root, value, path, found);
    }
    if let Some(expected) = schema.get("const") {
        return assert_eq!(value, expected, "{path}");
    }
    if let Some(choice) = schema.get("enum").and_then(Value::as_array) {
        return assert!(choice.contains(value), "{path}: {value}");
    }
    if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
        let kind = &value["kind"];
        let is_it = |variant: &&Value| variant["properties"]["kind"]["const"] == *kind;
        let variant = variants.iter().find(is_it);
        let variant = variant.unwrap_or_else(|| panic!("{path}: no variant for {value}"));
        return follow(variant, root, value, path, found);
    }
    match (schema["type"].as_str().unwrap(), value) {
        ("string", Value::String(_)) | ("boolean", Value::Bool(_)) => {}
        ("integer", Value::Number(number)) if number.is_u64() => {}
        ("array", Value::Array(items)) => {
            for item in items {
                follow(&schema["items"], root, item, &format!("{path}[]"), found);
            }
        }
        ("object", Value::Object(members)) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                for member in members.values() {
                    let path = format!("{path}.*");
                    follow(&schema["additionalProperties"], root, member, &path, found);
                }
                return;
            };
            let keys: BTreeSet<_> = members.keys().collect();
            assert_eq!(keys, properties.keys().collect(), "{path}");
            for key in schema["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(key.as_str().unwrap()), "{path}: {key}");
            }
            for (key, member) in members {
                let path = format!("{path}.{key}").trim_start_matches('.').to_owned();
                found.insert(path.clone());
                follow(&properties[key], root, member, &path, found);
            }
        }
        (expected, _) => panic!("{path}: {value} is not of type {expected}"),
    }
}

#[test]
fn the_schema_has_each_key_and_no_other() {
    let schema: Value = serde_json::from_str(&document("manifest.schema.json")).unwrap();
    let mut keys = BTreeSet::new();
    let value = serde_json::to_value(full()).unwrap();
    follow(&schema, &schema, &value, "", &mut keys);
    let reasons = schema["$defs"]["reason"]["oneOf"].as_array().unwrap();
    assert_eq!(reasons.len(), packages().len());
    // The page for readers has a row for each of them, too; programs and libraries share theirs.
    keys.retain(|key| !key.starts_with("linkage.libraries.*"));
    let page = document("manifest.md");
    let rows: BTreeSet<_> = (page.lines())
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    assert_eq!(rows, keys);
}

#[test]
fn what_takes_many_times_its_length_is_refused() {
    let manifest = |packages: usize, requires: usize, value: &str| {
        let packages = vec![r#"{"name":"a","provides":[]}"#; packages].join(",");
        let requires = vec![value; requires].join(",");
        format!(
            r#"{{"manifest_version":1,"config":{{}},"packages":[{packages}],"extension":{{}},"requires":[{requires}]}}"#
        )
    };
    // Three objects are not packages, and four commas part the keys.
    let (objects, values) = (MAX_OBJECTS - 3, MAX_VALUES - 4 + 1);
    let in_a_string = format!(r#""\\\"{}""#, ",{".repeat(MAX_VALUES));
    for (json, refused) in [
        (manifest(objects, 1, r#""""#), None),
        (
            manifest(objects + 1, 1, r#""""#),
            Some("has more than 131072 objects"),
        ),
        (manifest(0, values, r#""""#), None),
        (
            manifest(0, values + 1, r#""""#),
            Some("has more than 524288 values"),
        ),
        (manifest(0, 1, &in_a_string), None),
    ] {
        let found = <Manifest>::parse(json.as_bytes());
        // What is read is written, too.
        match (found, refused) {
            (Ok(manifest), None) => drop(manifest.to_gzip().unwrap()),
            (Err(error), Some(refused)) => assert_eq!(error.to_string(), refused),
            (found, _) => panic!("{refused:?}: {:?}", found.err()),
        }
    }
    let package = Package::default();
    let many: Manifest = Manifest {
        packages: vec![package; MAX_OBJECTS],
        ..Manifest::default()
    };
    let error = many.to_gzip().unwrap_err().to_string();
    assert_eq!(error, "has more than 131072 objects");
}
