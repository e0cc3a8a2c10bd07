//! Metadata of our own writing: what is read of them, and what is refused where.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};

use super::*;
use crate::digest::digest_of;
use crate::error::Error;
use crate::file::DigestAlgorithm;

const PRIMARY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="2">
<!-- made by a test -->
<package type="rpm"><name>tool</name><arch>x86_64</arch><version epoch="1" ver="2.0" rel="3"/>
<checksum type="sha256" pkgid="YES">E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855</checksum>
<summary>R&amp;D <![CDATA[<tool>]]></summary><description/>
<time file="1" build="1700000000"/><size package="1234" installed="5678" archive="0"/>
<location xml:base="https://elsewhere/" href="x86_64/tool&#43;-2.0-3.rpm"/>
<format><rpm:license>MIT</rpm:license><rpm:header-range start="280" end="900"/>
<rpm:provides><rpm:entry name="tool" flags="EQ" epoch="1" ver="2.0" rel="3"/></rpm:provides>
<rpm:requires>
<rpm:entry name="/bin/sh" pre="1"/>
<rpm:entry name="(a &gt;= 1 if b)"/>
<rpm:entry name='lib"x' flags='GE' epoch='0' ver='1.&#x41;'></rpm:entry>
</rpm:requires>
<rpm:conflicts/><rpm:obsoletes><rpm:entry name="old" flags="LT" epoch="0" ver="2"/></rpm:obsoletes>
<rpm:recommends><rpm:entry name="r"/></rpm:recommends><rpm:suggests><rpm:entry name="s"/></rpm:suggests>
<rpm:supplements><rpm:entry name="u"/></rpm:supplements><rpm:enhances><rpm:entry name="e"/></rpm:enhances>
<file>/usr/bin/tool</file><file type="dir">/etc/tool.d</file></format></package >
<package type="rpm"><name>empty</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/>
<checksum type="sha">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum><location href="empty.rpm"/></package>
</metadata>
"#;

/// Describes `stored`, which holds `open`, as a list of metadata does.
fn listed(stored: &[u8], open: &[u8]) -> MetadataFile {
    let length = |bytes: &[u8]| Some(u64::try_from(bytes.len()).unwrap());
    MetadataFile {
        kind: Kind::Primary,
        checksum: Checksum::parse("sha256", &digest_of(DigestAlgorithm::Sha256, stored)).unwrap(),
        open_checksum: None,
        location: "repodata/primary.xml".to_owned(),
        base: None,
        size: length(stored),
        open_size: length(open),
    }
}

fn read_primary(stored: &[u8], listed: &MetadataFile) -> Result<Vec<String>, Error> {
    let mut primary = Primary::open(Box::new(stored), "primary.xml", listed)?;
    let mut packages = Vec::new();
    while let Some(listing) = primary.next_package()? {
        packages.push(format!("{listing:?}"));
    }
    Ok(packages)
}

/// Reads a primary file as the list would describe it, and returns the error in words.
fn refusal(text: &str) -> String {
    let bytes = text.as_bytes();
    let count = || {
        let mut primary = Primary::open(Box::new(bytes), "primary.xml", &listed(bytes, bytes))?;
        let mut count = 0;
        while primary.next_package()?.is_some() {
            count += 1;
        }
        Ok::<_, Error>(count)
    };
    match count() {
        Ok(count) => format!("{count} packages"),
        Err(error) => error.to_string(),
    }
}

/// Reads a primary file in batches, as [`read_primary`] reads it package by package.
fn read_batches(stored: &[u8], listed: &MetadataFile) -> (Vec<String>, Option<String>) {
    let mut packages = Vec::new();
    let mut read = || {
        let mut primary = Primary::open(Box::new(stored), "primary.xml", listed)?;
        while let Some(batch) = primary.next_batch()? {
            batch.each(|listing| packages.push(format!("{listing:?}")))?;
        }
        Ok::<_, Error>(())
    };
    let error = read().err().map(|error| error.to_string());
    (packages, error)
}

#[test]
fn batches_are_what_packages_are() {
    let package = |number: usize, more: &str| {
        format!(
            "<package><name>p{number}</name><arch>noarch</arch><version ver='1' rel='1'/>\
             <checksum type='md5'>d41d8cd98f00b204e9800998ecf8427e</checksum>\
             <location href='\u{fc}'/><format><file>/{}</file>{more}</format></package >\n",
            "x".repeat(number % 900)
        )
    };
    let requires = "<rpm:requires><rpm:entry name='a'/></rpm:requires>";
    let file = |at: usize, more: &[u8]| {
        let mut bytes = b"<metadata>\n".to_vec();
        for number in 0..1500 {
            bytes.extend(package(number, requires).bytes());
            if number == at {
                bytes.extend(more);
            }
        }
        bytes.extend(b"</metadata>");
        bytes
    };
    for (at, more, count) in [
        (0, &b""[..], 1500),
        (700, b"<package><name>a</name></package>", 701),
        (701, b"<package><name>\xff</name></package>", 702),
        (702, b"<package></a></package>", 703),
        (703, b"<!-- </package> -->", 704),
        (704, b"<packages></packages>", 705),
        (1499, b"<other/>", 1500),
    ] {
        let bytes = file(at, more);
        let listed = listed(&bytes, &bytes);
        let mut alone = Vec::new();
        let mut read = || {
            let mut primary = Primary::open(Box::new(&bytes[..]), "primary.xml", &listed)?;
            while let Some(listing) = primary.next_package()? {
                alone.push(format!("{listing:?}"));
            }
            Ok::<_, Error>(())
        };
        let error = read().err().map(|error| error.to_string());
        assert_eq!(alone.len(), count, "{error:?}");
        assert_eq!(error.is_some(), !more.is_empty());
        let (packages, found) = read_batches(&bytes, &listed);
        assert_eq!(found, error);
        assert!(packages == alone);
    }
}

#[test]
fn a_package_is_read_in_full() {
    let bytes = PRIMARY.as_bytes();
    let mut primary = Primary::open(Box::new(bytes), "primary.xml", &listed(bytes, bytes)).unwrap();
    let tool = primary.next_package().unwrap().unwrap();
    assert_eq!(
        (
            &*tool.name,
            tool.epoch,
            &*tool.version,
            &*tool.release,
            &*tool.arch
        ),
        ("tool", Some(1), "2.0", "3", "x86_64")
    );
    assert!(tool.checksum.hex().starts_with("e3b0c442"));
    assert_eq!(&*tool.location, "x86_64/tool+-2.0-3.rpm");
    assert_eq!(tool.base.as_deref(), Some("https://elsewhere/"));
    assert_eq!((tool.size, tool.installed_size), (1234, 5678));
    assert_eq!(tool.build_time, 1_700_000_000);
    assert_eq!(tool.header_range, Some((280, 900)));
    assert_eq!(tool.files, ["/usr/bin/tool", "/etc/tool.d"]);
    let entries: Vec<_> = (tool.entries.iter())
        .map(|entry| {
            let sign = entry.sense.comparison();
            let pre = entry.sense.contains(crate::Sense::SCRIPT_PRE);
            let (epoch, version) = (entry.epoch.unwrap_or(0), &entry.version);
            let text = format!("{} {sign} {epoch}:{version}-{}", entry.name, entry.release);
            (entry.relation, text, pre)
        })
        .collect();
    let expected = [
        (Relation::Provides, "tool = 1:2.0-3", false),
        (Relation::Requires, "/bin/sh  0:-", true),
        (Relation::Requires, "(a >= 1 if b)  0:-", false),
        (Relation::Requires, "lib\"x >= 0:1.A-", false),
        (Relation::Obsoletes, "old < 0:2-", false),
        (Relation::Recommends, "r  0:-", false),
        (Relation::Suggests, "s  0:-", false),
        (Relation::Supplements, "u  0:-", false),
        (Relation::Enhances, "e  0:-", false),
    ]
    .map(|(relation, text, pre)| (relation, text.to_owned(), pre));
    assert_eq!(entries, expected);

    let empty = primary.next_package().unwrap().unwrap();
    assert_eq!((&*empty.name, empty.epoch, empty.size), ("empty", None, 0));
    assert_eq!(empty.header_range, None);
    assert_eq!(primary.next_package().unwrap(), None);
    assert_eq!(primary.next_package().unwrap(), None);
}

#[test]
fn every_compression_gives_the_same() {
    let open = PRIMARY.as_bytes();
    let expected = read_primary(open, &listed(open, open)).unwrap();
    assert_eq!(expected.len(), 2);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(open).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(open).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(open).unwrap();
    for (name, stored) in [
        ("gzip", gzip.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("zstd", zstd::encode_all(open, 1).unwrap()),
    ] {
        let good = listed(&stored, open);
        assert_eq!(read_primary(&stored, &good).unwrap(), expected, "{name}");
        // A damaged byte and a missing end are found, whatever the decompressor thinks of them.
        let mut damaged = stored.clone();
        damaged[stored.len() / 2] ^= 1;
        assert!(read_primary(&damaged, &good).is_err(), "{name}");
        assert!(
            read_primary(&stored[..stored.len() - 1], &good).is_err(),
            "{name}"
        );
        // Longer when open than stated.
        let mut short = good.clone();
        short.open_size = Some(100);
        let error = read_primary(&stored, &short).unwrap_err().to_string();
        let reason =
            "primary.xml: at byte 100: it is longer than the 100 bytes that repomd.xml says";
        assert_eq!(error, reason, "{name}");
    }
}

#[test]
fn a_file_of_another_checksum_is_refused() {
    let bytes = PRIMARY.as_bytes();
    let mut other = listed(bytes, bytes);
    other.checksum = Checksum::parse("md5", "d41d8cd98f00b204e9800998ecf8427e").unwrap();
    let error = read_primary(bytes, &other).unwrap_err().to_string();
    assert!(
        error.ends_with("repomd.xml says d41d8cd98f00b204e9800998ecf8427e"),
        "{error}"
    );
    // Where the checksum of the file can be forged, that of its content counts, too.
    other.checksum = Checksum::parse("md5", &digest_of(DigestAlgorithm::Md5, bytes)).unwrap();
    assert_eq!(read_primary(bytes, &other).unwrap().len(), 2);
    other.open_checksum = listed(b"", b"").checksum.into();
    let error = read_primary(bytes, &other).unwrap_err().to_string();
    assert!(error.starts_with("primary.xml has SHA-256 "), "{error}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn broken_primary_files() {
    let package = |inner: &str| format!("<metadata><package>{inner}</package></metadata>");
    let complete = "<name>a</name><arch>noarch</arch><version ver='1' rel='1'/>\
         <checksum type='md5'>d41d8cd98f00b204e9800998ecf8427e</checksum><location href='a'/>";
    let with = |more: &str| package(&format!("{complete}<format>{more}</format>"));
    let nested = format!("{}{}", "<a>".repeat(20), "</a>".repeat(20));
    let long = format!("<name>{}</name>", "n".repeat(70_000));
    for (text, reason) in [
        (with(""), "1 packages"),
        ("<metadata/>".to_owned(), "0 packages"),
        (
            "<metadata packages='0'></metadata>".to_owned(),
            "0 packages",
        ),
        (
            " \n<metadata> <!-- none --> </metadata>\n".to_owned(),
            "0 packages",
        ),
        (String::new(), "at byte 0: it is not a <metadata>"),
        (
            "<html><body>Sign in</body></html>".to_owned(),
            "it is not a <metadata>",
        ),
        ("not found".to_owned(), "it is neither XML nor compressed"),
        (
            "<metadata><package></metadata>".to_owned(),
            "it is not a <metadata>",
        ),
        ("<metadata><package>".to_owned(), "it is not a <metadata>"),
        (package("<package></package>"), "ends inside an element"),
        (package("<a></b>"), "expected `</a>`"),
        (
            format!("{}<evil/>", with("")),
            "does not end with </metadata>",
        ),
        (
            with("").replace("</metadata>", ""),
            "does not end with </metadata>",
        ),
        (
            with("").replace("<metadata>", "<repomd>"),
            "does not start with <metadata>",
        ),
        (
            with("").replace("<package>", "<x/><package>"),
            "does not start with <metadata>",
        ),
        (package(&nested), "elements nest more than 16 deep"),
        (package(&long), "<name> is longer than 65536 bytes"),
        (package(""), "a package has no name"),
        (package("<name>a</name>"), "a has no version"),
        (
            package(&complete.replace("<arch>noarch</arch>", "")),
            "a has no arch",
        ),
        (
            package(&complete.replace("<location href='a'/>", "")),
            "a has no location",
        ),
        (
            package(&complete.replace("ver='1'", "")),
            "a has no version",
        ),
        (
            package(&format!("{complete}<name>b</name>")),
            "name is there twice",
        ),
        (
            package(&complete.replace("md5", "crc")),
            "unknown checksum type \"crc\"",
        ),
        (
            package(&complete.replace("d41d", "x")),
            "is not a valid MD5 checksum",
        ),
        (
            with("<rpm:requires><rpm:entry/></rpm:requires>"),
            "a dependency has no name",
        ),
        (
            with("<rpm:requires><rpm:entry name='a' flags='NE'/></rpm:requires>"),
            "unknown comparison \"NE\"",
        ),
        (
            with("<rpm:requires><rpm:entry name='&x;'/></rpm:requires>"),
            "x",
        ),
        (with("<file>&x;</file>"), "the entity &x; is not known"),
        (with("<file>a<b/></file>"), "<b> is not allowed in <file>"),
        (
            package("<size package='x'/>"),
            "package is \"x\", not a number",
        ),
        (
            with("<rpm:requires><rpm:entry name=a/></rpm:requires>"),
            "<entry>: the value of name is not in quotes",
        ),
        (
            with("<rpm:requires><rpm:entry name/></rpm:requires>"),
            "<entry>: \"name\" is not an attribute",
        ),
        (
            with("<rpm:requires><rpm:entry name='a</rpm:requires>"),
            "a tag is not closed",
        ),
        (package("< name>a</name>"), "a tag has no name"),
        (package("<!-- a"), "is not closed"),
        (package("<?a"), "<? is not closed"),
        (package("<![CDATA[a"), "<![CDATA[ is not closed"),
        (with("<file>a&amp</file>"), "begins no entity"),
        (with("<file>&#0;</file>"), "the entity &#0; is not known"),
        (with("<a b='>' c=\"/'>\" d='\"'></a >"), "1 packages"),
        (with("<a b='>' c=\"/'>\" d='\"' />"), "1 packages"),
        (
            with("<?a <b> ?><!-- <c> --><a>&#65;&#x41;</a>"),
            "1 packages",
        ),
        (
            format!(
                "<!DOCTYPE metadata [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>{}",
                with("")
            ),
            "it has a document type",
        ),
    ] {
        let said = refusal(&text);
        assert!(said.contains(reason), "{text}\n{said}");
    }
}

#[test]
fn depths_and_values_are_bounded() {
    const COMPLETE: &str = "<name>a</name><arch>noarch</arch><version ver='1' rel='1'/>\
         <checksum type='md5'>d41d8cd98f00b204e9800998ecf8427e</checksum><location href='a'/>";
    let package =
        |inner: &str| format!("<metadata><package>{COMPLETE}{inner}</package></metadata>");
    // The package is the first level.
    let nested = |deep: usize| package(&format!("{}{}", "<a>".repeat(deep), "</a>".repeat(deep)));
    let text = |length: usize| {
        package(&format!(
            "<format><file>{}</file></format>",
            "x".repeat(length)
        ))
    };
    let value = |length: usize| package(&format!("<time build='{}'/>", "0".repeat(length)));
    for (what, of, limit, refused) in [
        (
            "depth",
            &nested as &dyn Fn(usize) -> String,
            15,
            "elements nest more than 16 deep",
        ),
        ("text", &text, 65_536, "<file> is longer than 65536 bytes"),
        (
            "value",
            &value,
            65_536,
            "an attribute of <time> is too long",
        ),
    ] {
        assert_eq!(refusal(&of(limit)), "1 packages", "{what}");
        let said = refusal(&of(limit + 1));
        assert!(said.ends_with(refused), "{what}: {said}");
    }
}

#[test]
fn so_many_packages_are_read_from_one_file() {
    for (count, refused) in [
        (MAX_PACKAGES, None),
        (
            MAX_PACKAGES + 1,
            Some("it lists more than 1048576 packages"),
        ),
    ] {
        let text = format!(
            "<metadata>{}</metadata>",
            "<package></package>".repeat(count as usize)
        );
        let bytes = text.as_bytes();
        let input = Box::new(bytes);
        let listed = listed(bytes, bytes);
        let names = ("metadata", "package");
        let document = document::Document::open(input, "primary.xml", &listed, names);
        let mut document = document.unwrap();
        let mut found = 0;
        let error = loop {
            match document.next_element() {
                Ok(Some(_)) => found += 1,
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        assert_eq!(found, MAX_PACKAGES);
        match (error, refused) {
            (Some(error), Some(refused)) => assert!(error.ends_with(refused), "{error}"),
            (error, refused) => assert_eq!(error.as_deref(), refused),
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_place() {
    let bytes = PRIMARY.as_bytes();
    let place = PRIMARY.find("empty").unwrap();
    let mut bytes = bytes.to_vec();
    bytes[place] = 0xff;
    let error = read_primary(&bytes, &listed(&bytes, &bytes)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("primary.xml: at byte {place}: it is not UTF-8")
    );
}

#[test]
fn a_bomb_is_cut_off_where_the_list_says() {
    // A thousand times as long as it is stored; the list lies about it.
    let open = format!("<metadata>{}", " ".repeat(8 << 20));
    let stored = zstd::encode_all(open.as_bytes(), 1).unwrap();
    let mut lie = listed(&stored, b"");
    lie.open_size = Some(1000);
    let error = read_primary(&stored, &lie).unwrap_err().to_string();
    assert!(error.contains("longer than the 1000 bytes"), "{error}");
    let bytes = PRIMARY.as_bytes();
    let mut exact = listed(bytes, bytes);
    assert_eq!(read_primary(bytes, &exact).unwrap().len(), 2);
    exact.open_size = Some(bytes.len() as u64 - 1);
    let error = read_primary(bytes, &exact).unwrap_err().to_string();
    let expected = format!(
        "longer than the {} bytes that repomd.xml says",
        bytes.len() - 1
    );
    assert!(error.ends_with(&expected), "{error}");
    // More than 4 GiB is not believed.
    for (stated, limit) in [
        (Some(1 << 32), (1 << 32, true)),
        (Some((1 << 32) + 1), (1 << 32, false)),
        (None, (1 << 32, false)),
    ] {
        exact.open_size = stated;
        assert_eq!(document::limit(&exact), limit, "{stated:?}");
    }
    // It says nothing about it.
    lie.open_size = None;
    let endless = std::io::repeat(b' ').take(1 << 40);
    let input = b"<metadata><package>".chain(endless);
    let mut primary = Primary::open(Box::new(input), "primary.xml", &lie).unwrap();
    let error = primary.next_package().unwrap_err().to_string();
    assert!(
        error.contains("one package takes more than 33554432 bytes"),
        "{error}"
    );
}

#[test]
fn stored_bytes_unpack_to_a_bounded_multiple() {
    // Many packages, each a little shorter than one may be, of blanks.
    let blanks = " ".repeat(MAX_ELEMENT - (1 << 20));
    let package = PRIMARY[PRIMARY.rfind("<package").unwrap()..].replace("</metadata>", "");
    let package = package.replace("<location", &format!("{blanks}<location"));
    let root = "<metadata xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">";
    for (packages, reason) in [
        (2, None),
        (
            3,
            Some("bytes unpack to more than 64 MiB and 128 times their length"),
        ),
    ] {
        let open = format!("{root}{}</metadata>", package.repeat(packages));
        let stored = zstd::encode_all(open.as_bytes(), 1).unwrap();
        assert!(stored.len() < 64 << 10);
        let mut listed = listed(&stored, b"");
        listed.open_size = None;
        let found = read_primary(&stored, &listed);
        match reason {
            None => assert_eq!(found.unwrap().len(), packages),
            Some(reason) => {
                let error = found.unwrap_err().to_string();
                let expected = format!("{} {reason}", stored.len());
                assert!(error.ends_with(&expected), "{error}");
            }
        }
    }
}

#[test]
fn a_path_that_a_package_lists_often_is_kept_once() {
    let files = "<file>/x</file>".repeat(1000);
    let text = format!("<filelists><package pkgid='cc'>{files}</package></filelists>");
    let bytes = text.as_bytes();
    let wanted = BTreeSet::from(["/x".to_owned()]);
    let listed = listed(bytes, bytes);
    let mut filelists = Filelists::open(Box::new(bytes), "f", &listed, wanted.clone()).unwrap();
    assert_eq!(filelists.next_match().unwrap().unwrap().files, wanted);
}

#[test]
fn only_wanted_paths_are_taken_from_filelists() {
    let text = "<filelists packages='3'>\
        <package pkgid='aa' name='a' arch='noarch'><version ver='1'/><file>/usr/bin/a</file>\
        <file type='dir'>/usr/share/a&amp;b</file></package>\
        <package pkgid='bb' name='b'/><package pkgid='cc' name='c'>\
        <file>/x</file></package></filelists>";
    let bytes = text.as_bytes();
    let wanted = ["/usr/share/a&b", "/x"].map(str::to_owned);
    let open = || {
        let wanted = wanted.clone().into();
        Filelists::open(
            Box::new(bytes),
            "filelists.xml",
            &listed(bytes, bytes),
            wanted,
        )
    };
    let mut filelists = open().unwrap();
    let first = filelists.next_match().unwrap().unwrap();
    assert_eq!((&*first.checksum, &*first.name), ("aa", "a"));
    assert_eq!(first.files, BTreeSet::from(["/usr/share/a&b".to_owned()]));
    let second = filelists.next_match().unwrap().unwrap();
    assert_eq!(
        (&*second.checksum, second.files),
        ("cc", BTreeSet::from(["/x".to_owned()]))
    );
    assert_eq!(filelists.next_match().unwrap(), None);
}

#[test]
fn packages_of_retracted_patches_are_listed() {
    let text = r#"<?xml version="1.0"?><updates>
      <update status="stable"><id>1</id><pkglist><collection><package name="a" version="1"
        release="1" epoch="0" arch="noarch"/></collection></pkglist></update>
      <update/>
      <update from="x" status="retracted"><id>2</id><description>&lt;/update></description>
        <pkglist><collection short="y"><name>z</name>
        <package name="a&amp;b" epoch="2" version="2" release="3" arch="x86_64" src="s"><filename>f
        </filename></package><package name="c" version="2" release="3" arch="x86_64"/>
        </collection></pkglist></update>
      <update status="retracted"><pkglist/></update></updates>"#;
    let listed = listed(text.as_bytes(), text.as_bytes());
    let mut retracted = Retracted::open(Box::new(text.as_bytes()), "u.xml", &listed).unwrap();
    let patched = |name: &str, epoch| Patched {
        name: name.to_owned(),
        epoch,
        version: "2".to_owned(),
        release: "3".to_owned(),
        arch: "x86_64".to_owned(),
    };
    assert_eq!(
        retracted.next_patch().unwrap(),
        Some(vec![patched("a&b", 2), patched("c", 0)])
    );
    assert_eq!(retracted.next_patch().unwrap(), Some(Vec::new()));
    assert_eq!(retracted.next_patch().unwrap(), None);
    for (from, to) in [
        ("</updates>", ""),
        ("&amp;", "&nosuch;"),
        ("<updates>", "<patches>"),
    ] {
        let broken = text.replace(from, to);
        let listed = self::listed(broken.as_bytes(), broken.as_bytes());
        let mut retracted = Retracted::open(Box::new(broken.as_bytes()), "u.xml", &listed).unwrap();
        let mut patches = std::iter::from_fn(|| retracted.next_patch().transpose());
        assert!(patches.any(|patch| patch.is_err()), "{to}");
    }
}

#[test]
fn streams_of_modules_are_read() {
    let text = r#"---
document: modulemd-defaults
version: 1
data:
  module: tool
  stream: "1.10" # the default
  profiles:
    1.10: [common]
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: "1.10"
  version: 920
  context: c1
  summary: A tool
    whose text goes on
    artifacts: of another kind
  description: >-
    Text.

    stream: none
  dependencies:
  - buildrequires:
      platform: [el9]
    requires:
      platform: [el9]
      perl: ["5.26", 5.32]
  - requires:
      perl: []
      ruby:
      - '3'
  components:
    rpms:
      tool: {ref: x}
  artifacts:
    rpms:
    - tool-0:1.10-1.x86_64
      # a comment
    - "lib-0:1-1.noarch"
...
---
document: modulemd-obsoletes
data:
  module: tool
  stream: "1.10"
---
document: modulemd
data:
  name: other
  stream: 7
  artifacts: {rpms: [x]}
"#;
    let modules = Modules::parse(text);
    let default = ("tool".to_owned(), "1.10".to_owned());
    assert_eq!(modules.defaults, BTreeMap::from([default]));
    let needs = |module: &str, streams: &[&str]| {
        let streams = streams.iter().map(|one| (*one).to_owned());
        (module.to_owned(), streams.collect::<Vec<_>>())
    };
    let expected = Stream {
        module: "tool".to_owned(),
        stream: "1.10".to_owned(),
        version: 920,
        context: "c1".to_owned(),
        requires: vec![
            BTreeMap::from([
                needs("platform", &["el9"]),
                needs("perl", &["5.26", "5.32"]),
            ]),
            BTreeMap::from([needs("perl", &[]), needs("ruby", &["3"])]),
        ],
        artifacts: vec![
            "tool-0:1.10-1.x86_64".to_owned(),
            "lib-0:1-1.noarch".to_owned(),
        ],
    };
    let other = Stream {
        module: "other".to_owned(),
        stream: "7".to_owned(),
        ..Stream::default()
    };
    assert_eq!(modules.streams, [expected, other]);
    // Compressed and checked as the other files are, and no longer than it may be.
    for stored in [
        text.as_bytes().to_vec(),
        zstd::encode_all(text.as_bytes(), 1).unwrap(),
    ] {
        let listed = listed(&stored, text.as_bytes());
        let read = Modules::read(Box::new(&stored[..]), "m.yaml", &listed).unwrap();
        assert_eq!(read, modules);
        let other = self::listed(b"other", b"other");
        assert!(Modules::read(Box::new(&stored[..]), "m.yaml", &other).is_err());
    }
    for (length, is_read) in [(32 << 20, true), ((32 << 20) + 1, false)] {
        let long = zstd::encode_all(&vec![b'#'; length][..], 1).unwrap();
        let read = Modules::read(Box::new(&long[..]), "m.yaml", &listed(&long, b""));
        assert_eq!(read.is_ok(), is_read, "{length}");
    }
}

#[test]
fn the_list_of_files_is_read() {
    let text = r#"<?xml version="1.0"?><repomd xmlns:rpm="x"><revision> 7 </revision>
      <tags><distro cpeid="a">b</distro></tags>
      <data type="primary"><checksum type="sha">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum>
      <open-checksum type="md5">d41d8cd98f00b204e9800998ecf8427e</open-checksum>
      <location href="repodata/p.xml.gz" xml:base="http://a/"/><timestamp>1.5</timestamp>
      <size>10</size><open-size>20</open-size></data>
      <data type="group"><checksum type="md5">d41d8cd98f00b204e9800998ecf8427e</checksum>
      <location href="c.xml"/></data></repomd>"#;
    let repomd = Repomd::parse(text.as_bytes(), "repomd.xml").unwrap();
    assert_eq!(repomd.revision.as_deref(), Some("7"));
    assert_eq!(repomd.newest, Some(1));
    for (revision, newest, number) in [
        (Some("7"), Some(9), Some(7)),
        (Some("r7"), Some(9), Some(9)),
        (None, Some(9), Some(9)),
        (Some("-7"), None, None),
        (None, None, None),
    ] {
        let repomd = Repomd {
            revision: revision.map(str::to_owned),
            newest,
            files: Vec::new(),
        };
        assert_eq!(repomd.number(), number);
    }
    let primary = repomd.file(&Kind::Primary).unwrap();
    assert_eq!(primary.checksum.kind(), "sha1");
    assert_eq!(primary.open_checksum.as_ref().unwrap().kind(), "md5");
    // One good checksum of the two is enough.
    assert_eq!(primary.weak_checksum(), Some(DigestAlgorithm::Sha1));
    let strong = Checksum::parse("sha256", &"0".repeat(64)).unwrap();
    for (checksum, open) in [
        (strong.clone(), primary.open_checksum.clone()),
        (primary.checksum.clone(), Some(strong.clone())),
        (strong, None),
    ] {
        let file = MetadataFile {
            checksum,
            open_checksum: open,
            ..primary.clone()
        };
        assert_eq!(file.weak_checksum(), None);
    }
    assert_eq!(primary.location, "repodata/p.xml.gz");
    assert_eq!(primary.base.as_deref(), Some("http://a/"));
    assert_eq!((primary.size, primary.open_size), (Some(10), Some(20)));
    assert_eq!(repomd.file(&Kind::Filelists), None);
    let group = repomd.file(&Kind::Other("group".to_owned())).unwrap();
    assert_eq!((group.size, &*group.location), (None, "c.xml"));

    let data = "<data type=\"group\">";
    for (from, to, reason) in [
        ("<repomd", "<metadata", "it is <metadata> and not <repomd>"),
        (data, "<data>", "<data> has no type"),
        (data, "<data type=\"primary\">", "Primary is listed twice"),
        ("<size>10<", "<size>-1<", "\"-1\" is not a length"),
        ("<size>10<", "<size>99999999999999<", "is not a length"),
        (
            "type=\"sha\"",
            "type=\"sha3\"",
            "unknown checksum type \"sha3\"",
        ),
        ("<location href=\"c.xml\"/>", "", "has no location"),
        (
            "<location href=\"c.xml\"/>",
            "<location/>",
            "<location> has no href",
        ),
        ("</repomd>", "", "ends inside an element"),
        (
            "<?xml version=\"1.0\"?>",
            "<!DOCTYPE a>",
            "it has a document type",
        ),
    ] {
        let broken = text.replacen(from, to, 1);
        let error = Repomd::parse(broken.as_bytes(), "repomd.xml")
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{to}: {error}");
        assert!(error.starts_with("repomd.xml: at byte "), "{error}");
    }
    assert!(Repomd::parse(b"", "repomd.xml").is_err());
    assert!(Repomd::parse(b"hello", "repomd.xml").is_err());
}

#[test]
fn the_list_of_files_has_limits() {
    let data = |number: usize, more: &str| {
        format!(
            "<data type='{number}'><checksum type='md5'>d41d8cd98f00b204e9800998ecf8427e</checksum>\
             <location href='a'/>{more}</data>"
        )
    };
    let files = |count: usize| {
        (0..count)
            .map(|number| data(number, ""))
            .collect::<String>()
    };
    for (data, refused) in [
        (files(1000), None),
        (files(1001), Some("it lists more than 1000 files")),
        (data(0, "<size>4294967296</size>"), None),
        (
            data(0, "<size>4294967297</size>"),
            Some("\"4294967297\" is not a length of up to 4294967296 bytes"),
        ),
        (data(0, "<open-size>4294967296</open-size>"), None),
        (
            data(0, "<open-size>4294967297</open-size>"),
            Some("\"4294967297\" is not a length of up to 4294967296 bytes"),
        ),
    ] {
        let text = format!("<repomd>{data}</repomd>");
        let found = Repomd::parse(text.as_bytes(), "repomd.xml");
        match (found, refused) {
            (Err(error), Some(refused)) => assert!(error.to_string().ends_with(refused), "{error}"),
            (found, refused) => assert_eq!((found.is_ok(), refused), (true, None)),
        }
    }
}

/// What the fuzz target `repodata` does with its input. Errors are fine, panics are bugs.
fn read_anything(bytes: &[u8]) {
    let _ = Repomd::parse(bytes, "fuzz.xml");
    let mut listed = listed(bytes, bytes);
    listed.open_size = Some(1 << 20);
    let _ = read_primary(bytes, &listed);
    let wanted = std::iter::once("/usr/bin/tool".to_owned()).collect();
    if let Ok(mut lists) = Filelists::open(Box::new(bytes), "fuzz.xml", &listed, wanted) {
        while let Ok(Some(_)) = lists.next_match() {}
    }
    let _ = Modules::parse(&String::from_utf8_lossy(bytes));
    if let Ok(mut patches) = Retracted::open(Box::new(bytes), "fuzz.xml", &listed) {
        while let Ok(Some(_)) = patches.next_patch() {}
    }
}

#[test]
fn mutated_files_never_panic() {
    let samples = [
        PRIMARY.as_bytes().to_vec(),
        zstd::encode_all(PRIMARY.as_bytes(), 1).unwrap(),
    ];
    // A linear congruential generator: the same mutations in every run.
    let mut state: u64 = 1;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..2000 {
        let mut bytes = samples[round % samples.len()].clone();
        for _ in 0..=random(3) {
            let place = random(bytes.len());
            match random(4) {
                0 => bytes[place] = u8::try_from(random(256)).unwrap(),
                1 => bytes[place] = b"<>&;\"'/= \0"[random(10)],
                2 => drop(bytes.drain(place..(place + random(40)).min(bytes.len()))),
                _ => {
                    let piece = bytes[place..(place + random(40)).min(bytes.len())].to_vec();
                    bytes.splice(place..place, piece);
                }
            }
        }
        read_anything(&bytes);
    }
}
