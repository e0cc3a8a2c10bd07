//! What is made to fill memory: it is refused, or takes little. Each bound has its own test in its
//! crate; `docs/bounds.md` lists them all.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::workshop::{Scratch, program, text};

/// Most memory that any of it may take, in KiB: 150 MiB.
const MEMORY: u64 = 150 * 1024;

/// A value of a header.
enum Value {
    Shorts(Vec<u16>),
    Numbers(Vec<u32>),
    Text(&'static str),
    Texts(Vec<String>),
}

/// Lays out a header: magic, lengths, index, data.
fn header(values: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, value) in values {
        let (kind, width, count, bytes): (u32, usize, usize, Vec<u8>) = match value {
            Value::Shorts(numbers) => (
                3,
                2,
                numbers.len(),
                numbers.iter().flat_map(|one| one.to_be_bytes()).collect(),
            ),
            Value::Numbers(numbers) => (
                4,
                4,
                numbers.len(),
                numbers.iter().flat_map(|one| one.to_be_bytes()).collect(),
            ),
            Value::Text(text) => (6, 1, 1, format!("{text}\0").into_bytes()),
            Value::Texts(texts) => (
                8,
                1,
                texts.len(),
                texts
                    .iter()
                    .flat_map(|one| format!("{one}\0").into_bytes())
                    .collect(),
            ),
        };
        data.resize(data.len().next_multiple_of(width), 0);
        for number in [
            *tag,
            kind,
            u32::try_from(data.len()).unwrap(),
            u32::try_from(count).unwrap(),
        ] {
            index.extend(number.to_be_bytes());
        }
        data.extend(bytes);
    }
    let mut header = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    header.extend(u32::try_from(values.len()).unwrap().to_be_bytes());
    header.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    [header, index, data].concat()
}

/// Writes a package with this many empty files, or links to `target`, all in one directory.
fn package(path: &Path, directory: &str, files: u32, target: &str, window: u32) {
    let count = usize::try_from(files).unwrap();
    let mode = if target.is_empty() {
        0o100_644
    } else {
        0o120_777
    };
    let names: Vec<String> = (0..files).map(|number| format!("file-{number}")).collect();
    let each = |text: &str| Value::Texts(vec![text.to_owned(); count]);
    let header = header(&[
        (1000, Value::Text("bomb")),
        (1001, Value::Text("1")),
        (1002, Value::Text("1")),
        (1022, Value::Text("noarch")),
        (
            1028,
            Value::Numbers(vec![u32::try_from(target.len()).unwrap(); count]),
        ),
        (1030, Value::Shorts(vec![mode; count])),
        (1034, Value::Numbers(vec![1; count])),
        (1035, each("")),
        (1036, each(target)),
        (1037, Value::Numbers(vec![0; count])),
        (1039, each("root")),
        (1040, each("root")),
        (1044, Value::Text("bomb-1-1.src.rpm")),
        (1116, Value::Numbers(vec![0; count])),
        (1117, Value::Texts(names.clone())),
        (1118, Value::Texts(vec![directory.to_owned()])),
        (5011, Value::Numbers(vec![8])),
    ]);
    let mut archive = Vec::new();
    let entries = names
        .iter()
        .map(|name| (format!(".{directory}{name}"), mode, target));
    for (name, mode, content) in entries.chain([("TRAILER!!!".to_owned(), 0, "")]) {
        let numbers = [
            1,
            u32::from(mode),
            0,
            0,
            1,
            0,
            u32::try_from(content.len()).unwrap(),
        ];
        archive.extend(b"070701");
        for number in numbers.into_iter().chain([0, 0, 0, 0]) {
            archive.extend(format!("{number:08x}").bytes());
        }
        archive.extend(format!("{:08x}{:08x}{name}\0", name.len() + 1, 0).bytes());
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(content.bytes());
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    let mut lead = vec![0; 96];
    lead[..5].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3]);
    let hex = Sha256::digest(&header)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut signature = self::header(&[(273, Value::Texts(vec![hex]))]);
    signature.resize(signature.len().next_multiple_of(8), 0);
    let payload = packed(&archive, window);
    fs::write(path, [lead, signature, header, payload].concat()).unwrap();
}

/// Packs by zstd with a window of this power of two, as programs do that don't know the length.
fn packed(bytes: &[u8], window: u32) -> Vec<u8> {
    use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};
    let mut context = CCtx::create();
    context
        .set_parameter(CParameter::CompressionLevel(1))
        .unwrap();
    context
        .set_parameter(CParameter::WindowLog(window))
        .unwrap();
    let mut packed = vec![0; zstd_safe::compress_bound(bytes.len())];
    let mut output = OutBuffer::around(&mut packed[..]);
    let mut input = InBuffer::around(bytes);
    while input.pos() < bytes.len() {
        context.compress_stream(&mut output, &mut input).unwrap();
    }
    while context.end_stream(&mut output).unwrap() > 0 {}
    let length = output.pos();
    packed.truncate(length);
    packed
}

/// Runs the program and returns its exit code, its words, and its peak memory in KiB.
fn run(scratch: &Scratch, arguments: &[&str]) -> (Option<i32>, String, u64) {
    let outcome = Command::new("time")
        .args(["-q", "-f", "peak %M KiB"])
        .arg(program().get_program())
        .env_remove("SOURCE_DATE_EPOCH")
        .env("XDG_CACHE_HOME", scratch.join("cache"))
        .args(arguments)
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    let peak = said.lines().find_map(|line| {
        let number = line.strip_prefix("peak ")?.strip_suffix(" KiB")?;
        number.parse().ok()
    });
    (outcome.status.code(), said, peak.unwrap())
}

#[test(program("time"))]
fn packages_that_are_made_to_fill_memory() {
    let scratch = Scratch::new();
    let rpm = scratch.join("bomb.rpm");
    let long = |length: usize| {
        let mut directory = "/usr".to_owned();
        while directory.len() + 200 < length {
            directory.push('/');
            directory.push_str(&"d".repeat(199));
        }
        directory + "/"
    };
    let many = "/usr/share/m/".to_owned();
    for (what, directory, files, target, window, refused) in [
        ("many files", many.clone(), 100_000, "", 21, None),
        (
            "many links",
            many.clone(),
            50_000,
            "somewhere/else",
            21,
            None,
        ),
        ("long paths", long(1000), 60_000, "", 21, None),
        (
            "longer paths",
            long(4000),
            60_000,
            "",
            21,
            Some("the paths of its 60000 files have"),
        ),
        ("a wide window", many.clone(), 10, "", 26, None),
        (
            "a wider window",
            many,
            10,
            "",
            27,
            Some("the zstd window of 128 MiB is larger"),
        ),
    ] {
        package(&rpm, &directory, files, target, window);
        let store = scratch.join("store");
        let _ = fs::remove_dir_all(&store);
        fs::create_dir_all(&store).unwrap();
        let build = [
            "--match",
            "any",
            "-o",
            store.to_str().unwrap(),
            rpm.to_str().unwrap(),
        ];
        let (code, said, peak) = run(&scratch, &build);
        assert!(peak < MEMORY, "{what}: {peak} KiB");
        if let Some(reason) = refused {
            assert!(code == Some(1) && said.contains(reason), "{what}: {said}");
            continue;
        }
        assert_eq!(code, Some(0), "{what}: {said}");
        let image = fs::read_dir(&store)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let image: Vec<PathBuf> = image
            .filter(|path| path.extension().is_some_and(|it| it == "raw"))
            .collect();
        let image = image[0].to_str().unwrap();
        for arguments in [
            vec!["inspect", image],
            vec!["check", image],
            [&build[..], &["--dry-run"]].concat(),
        ] {
            let (code, said, peak) = run(&scratch, &arguments);
            assert!(code == Some(0), "{what}: {arguments:?}: {said}");
            assert!(peak < MEMORY, "{what}: {arguments:?}: {peak} KiB");
        }
    }
}

/// In one long directory.
#[test(program("time"))]
fn a_package_of_300_000_files_takes_100_mib() {
    let scratch = Scratch::new();
    let rpm = scratch.join("many.rpm");
    let peaks = [10, 300_000].map(|files| {
        package(&rpm, "/usr/share/m/", files, "", 21);
        let store = scratch.join(&format!("store-{files}"));
        let [rpm, store] = [&rpm, &store].map(|path| path.to_str().unwrap());
        let (code, said, peak) = run(&scratch, &["--match", "any", "-o", store, rpm]);
        assert_eq!(code, Some(0), "{said}");
        peak
    });
    // Less what the program takes for nothing: 12 MiB, and more where it is not optimised.
    assert!(peaks[1] - peaks[0] < (100 - 12) << 10, "{peaks:?} KiB");
}

#[test(program("time"))]
fn metadata_that_are_made_to_fill_memory() {
    let entries = |name: &dyn Fn(usize) -> String| -> String {
        (0..8000)
            .map(|number| format!("<entry name=\"{}\"/>", name(number)))
            .collect()
    };
    // As long as may be beside a little that is stored, and far longer.
    for (what, packages, name, expected) in [
        (
            "equal names",
            400,
            &(|_| "a".to_owned()) as &dyn Fn(usize) -> String,
            None,
        ),
        ("other names", 300, &|number| format!("{number}"), None),
        (
            "far too much",
            3000,
            &|_| "a".to_owned(),
            Some("bytes unpack to more than"),
        ),
    ] {
        let scratch = Scratch::new();
        let repodata = scratch.join("repository/repodata");
        fs::create_dir_all(&repodata).unwrap();
        let entries = entries(name);
        let packages: String = (0..packages)
            .map(|number| {
                format!(
                    "<package><name>n{number}</name><arch>noarch</arch><version ver=\"1\" rel=\"1\"/>\
                     <checksum type=\"sha256\">{}</checksum><location href=\"n\"/>\
                     <format><requires>{entries}</requires></format></package>",
                    "0".repeat(64)
                )
            })
            .collect();
        let stored = packed(format!("<metadata>{packages}</metadata>").as_bytes(), 21);
        fs::write(repodata.join("primary.xml.zst"), &stored).unwrap();
        let digest: String = Sha256::digest(&stored)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let list = format!(
            "<repomd><data type=\"primary\"><checksum type=\"sha256\">{digest}</checksum>\
             <location href=\"repodata/primary.xml.zst\"/></data></repomd>"
        );
        fs::write(repodata.join("repomd.xml"), list).unwrap();
        let repository = scratch.join("repository");
        let arguments = [
            "nothing",
            "--repo",
            repository.to_str().unwrap(),
            "--match",
            "any",
            "--dry-run",
        ];
        let (_, said, peak) = run(&scratch, &arguments);
        assert_eq!(
            said.contains("bytes unpack to more than"),
            expected.is_some(),
            "{what}: {said}"
        );
        assert!(peak < MEMORY, "{what}: {peak} KiB");
        assert!(kept(&scratch.join("cache")) < 40 << 20, "{what}");
    }
}

/// A base that somebody wrote down, and manifests beside an image: as long as they may be, of what
/// takes many times its length in memory.
#[test(program("time"))]
fn manifests_that_are_made_to_fill_memory() {
    let scratch = Scratch::new();
    let rpm = scratch.join("one.rpm");
    package(&rpm, "/usr/share/m/", 1, "", 21);
    let rpm = rpm.to_str().unwrap();
    let (code, said, _) = run(
        &scratch,
        &[
            "--match",
            "any",
            "-o",
            scratch.path().to_str().unwrap(),
            rpm,
        ],
    );
    assert_eq!(code, Some(0), "{said}");
    let image = fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let image = image
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "raw"));
    let image = image.unwrap();
    let beside = image.with_extension("manifest.gz");
    let base = scratch.join("base.manifest.gz");
    let packages = |count: usize| -> String {
        let package = |number| {
            format!(r#"{{"type":"rpm","name":"a{number}","version":"1-1","architecture":"x"}}"#)
        };
        (0..count).map(package).collect::<Vec<_>>().join(",")
    };
    for (what, packages) in [
        ("most packages", packages(131_000)),
        ("more packages", packages(140_000)),
        ("empty objects", vec!["{}"; 5_000_000].join(",")),
        ("names alone", vec![r#"{"name":"a"}"#; 1_200_000].join(",")),
    ] {
        let json =
            format!(r#"{{"manifest_version":1,"config":{{"name":"n"}},"packages":[{packages}]}}"#);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(json.as_bytes()).unwrap();
        let packed = gzip.finish().unwrap();
        fs::write(&base, &packed).unwrap();
        fs::write(&beside, &packed).unwrap();
        for arguments in [
            vec!["--base", base.to_str().unwrap(), "--dry-run", rpm],
            vec!["inspect", image.to_str().unwrap()],
            vec![
                "check",
                image.to_str().unwrap(),
                "--base",
                base.to_str().unwrap(),
            ],
            vec!["store", "verify", scratch.path().to_str().unwrap()],
        ] {
            let (_, said, peak) = run(&scratch, &arguments);
            assert!(!said.is_empty());
            assert!(peak < MEMORY, "{what}: {arguments:?}: {peak} KiB");
        }
    }
}

/// Returns the length of all files below a directory.
fn kept(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => kept(&path),
                false => path.metadata().unwrap().len(),
            }
        })
        .sum()
}

/// A limit in the sources has a row in the table, and a row has a limit and tests that are there.
#[test]
fn the_table_of_bounds_is_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("docs/bounds.md")).unwrap();
    let rows: Vec<Vec<&str>> = (table.lines())
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let (mut limits, mut tests) = (BTreeSet::new(), BTreeSet::new());
    read_sources(root, Path::new("crates"), &mut limits, &mut tests);
    read_sources(root, Path::new("src"), &mut limits, &mut tests);
    read_sources(root, Path::new("tests"), &mut BTreeSet::new(), &mut tests);
    let mut listed = BTreeSet::new();
    for row in &rows {
        let [_, what, _, home, held, _] = row[..] else {
            panic!("{row:?}");
        };
        let mut parts = home.split('`').skip(1).step_by(2);
        let (file, names) = (parts.next().unwrap(), parts);
        for name in names {
            listed.insert(format!("{file} {name}"));
        }
        for test in held.split('`').skip(1).step_by(2) {
            assert!(tests.contains(test), "{what}: there is no test {test}");
        }
    }
    let differ: Vec<_> = listed.symmetric_difference(&limits).collect();
    assert!(differ.is_empty(), "only a row, or without one: {differ:?}");
}

/// Collects `FILE CONSTANT` of all limits and the names of all tests below a directory.
fn read_sources(
    root: &Path,
    directory: &Path,
    limits: &mut BTreeSet<String>,
    tests: &mut BTreeSet<String>,
) {
    for entry in fs::read_dir(root.join(directory)).unwrap() {
        let name = entry.unwrap().file_name();
        let path = directory.join(&name);
        if root.join(&path).is_dir() {
            let is_test = name == "tests" || name == "target";
            let unseen = &mut BTreeSet::new();
            read_sources(root, &path, if is_test { unseen } else { limits }, tests);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let is_test = name == "tests.rs" || path.starts_with("tests");
            for line in fs::read_to_string(root.join(&path)).unwrap().lines() {
                let line = line.trim_start();
                if let Some((_, rest)) = line.split_once("fn ")
                    && let Some((name, _)) = rest.split_once("()")
                {
                    tests.insert(name.to_owned());
                }
                let constant = line.trim_start_matches("pub").trim_start_matches("(crate)");
                let constant = constant.trim_start_matches("(super)").trim_start();
                if let Some(rest) = constant.strip_prefix("const ")
                    && let Some((name, _)) = rest.split_once(':')
                    && (name.starts_with("MAX_")
                        || name.starts_with("MOST_")
                        || name.ends_with("_FLOOR"))
                    && !is_test
                {
                    limits.insert(format!("{} {name}", path.display()));
                }
            }
        }
    }
}
