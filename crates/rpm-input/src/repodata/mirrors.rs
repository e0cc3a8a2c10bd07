//! Lists of mirrors: where else a repository is.
//!
//! A metalink names servers that have `repomd.xml`, and says what it must be: its checksum and those
//! of the states before it, which slow mirrors still have. So it does not matter which of them is
//! asked. A mirror list names servers alone, one a line, or as JSON.

use super::checksum::Checksum;
use super::xml::{Next, Tag, Xml};
use crate::error::Error;

/// Most servers that are taken from a list; the best ones are kept.
const MAX_MIRRORS: usize = 16;
/// Most servers that a list may name.
const MAX_LISTED: usize = 10_000;
/// Most checksums that a list may give for `repomd.xml`.
const MAX_CHECKSUMS: usize = 100;
/// What the URL of a list ends in, after the repository's own.
const LIST: &str = "repodata/repomd.xml";

/// Where a repository is, and what its list may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// The URLs of the repository, the best first.
    pub bases: Vec<String>,
    /// `repomd.xml` has one of these checksums; if there are none, nothing is known of it.
    pub checksums: Vec<Checksum>,
}

/// A server of a list, with what it is sorted by: the lower number is the better one.
type Ranked = (u32, String);

impl Mirrors {
    /// Reads a list of mirrors, whichever kind it is of; `origin` is its name for messages.
    ///
    /// # Errors
    ///
    /// If it is neither XML, JSON nor lines of URLs, or names no server.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, Error> {
        let mut mirrors = match bytes.trim_ascii_start().first() {
            Some(b'<') => metalink(bytes, origin)?,
            Some(b'[') => json(bytes),
            _ => lines(bytes),
        };
        mirrors.bases.truncate(MAX_MIRRORS);
        match mirrors.bases.is_empty() {
            false => Ok(mirrors),
            true => Err(Error::Metadata {
                origin: origin.to_owned(),
                offset: 0,
                reason: "it names no mirror by http or https".to_owned(),
            }),
        }
    }

    /// Leaves out the mirrors that this does not admit.
    pub fn retain(&mut self, admits: impl Fn(&str) -> bool) {
        self.bases.retain(|base| admits(base));
    }
}

fn is_web(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// Reads lines of URLs.
fn lines(bytes: &[u8]) -> Mirrors {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim).take(MAX_LISTED);
    Mirrors {
        bases: lines
            .filter(|line| is_web(line))
            .map(str::to_owned)
            .collect(),
        checksums: Vec::new(),
    }
}

/// Reads an array of objects with `url`, as openSUSE's servers send it. Only the strings after such
/// keys are looked at.
fn json(bytes: &[u8]) -> Mirrors {
    let text = String::from_utf8_lossy(bytes);
    let parts = text.split("\"url\"").skip(1).take(MAX_LISTED);
    let url = |part: &str| {
        let value = part.trim_start().strip_prefix(':')?.trim_start();
        let (url, _) = value.strip_prefix('"')?.split_once('"')?;
        Some(url.replace("\\/", "/")).filter(|url| is_web(url) && !url.contains('\\'))
    };
    Mirrors {
        bases: parts.filter_map(url).collect(),
        checksums: Vec::new(),
    }
}

/// Reads a metalink, of version 3 as Fedora's servers send it, or of version 4 (RFC 5854).
fn metalink(bytes: &[u8], origin: &str) -> Result<Mirrors, Error> {
    let mut xml = Xml::new(bytes, origin, 0)?;
    let mut found = None;
    loop {
        match xml.next()? {
            Next::Start(tag) if tag.name() == "metalink" && found.is_none() => {
                let mut file = File::default();
                find_file(&mut xml, tag, &mut file)?;
                found = Some(file);
            }
            Next::Start(_) => return Err(xml.error("it is not a metalink")),
            Next::Text(text) if !text.trim().is_empty() => {
                return Err(xml.error("it is not a metalink"));
            }
            Next::Text(_) | Next::End => {}
            Next::Over => break,
        }
    }
    let mut file = found.ok_or_else(|| xml.error("it is not a metalink"))?;
    file.urls.sort_by_key(|(rank, _)| *rank);
    let bases = file
        .urls
        .iter()
        .filter_map(|(_, url)| url.strip_suffix(LIST));
    Ok(Mirrors {
        bases: bases.map(str::to_owned).collect(),
        checksums: file.checksums,
    })
}

/// What a metalink says of `repomd.xml`.
#[derive(Default)]
struct File {
    urls: Vec<Ranked>,
    checksums: Vec<Checksum>,
}

/// Looks for `<file name="repomd.xml">`.
fn find_file<'a>(xml: &mut Xml<'a>, tag: Tag<'a>, file: &mut File) -> Result<(), Error> {
    xml.children(tag, &mut |xml, tag| match tag.name() {
        "files" => find_file(xml, tag, file),
        "file" => match xml.attribute(tag, "name")?.as_deref() {
            Some("repomd.xml") => read_file(xml, tag, file),
            _ => xml.skip(tag),
        },
        _ => xml.skip(tag),
    })
}

/// Reads what there is of one state of a file: `<verification>`, `<resources>` and, of states
/// before it, `<alternates>`.
fn read_file<'a>(xml: &mut Xml<'a>, tag: Tag<'a>, file: &mut File) -> Result<(), Error> {
    let mut best = None;
    xml.children(tag, &mut |xml, tag| match tag.name() {
        "verification" => xml.children(tag, &mut |xml, tag| hash(xml, tag, &mut best)),
        "resources" => xml.children(tag, &mut |xml, tag| url(xml, tag, file)),
        "alternates" => xml.children(tag, &mut |xml, tag| match tag.name() {
            "alternate" => read_file(xml, tag, file),
            _ => xml.skip(tag),
        }),
        "hash" => hash(xml, tag, &mut best),
        "url" => url(xml, tag, file),
        _ => xml.skip(tag),
    })?;
    if best.is_some() && file.checksums.len() >= MAX_CHECKSUMS {
        return Err(xml.error(format!("it has more than {MAX_CHECKSUMS} checksums")));
    }
    file.checksums.extend(best);
    Ok(())
}

/// Reads a checksum and keeps the longest one: all are of the same file.
fn hash<'a>(xml: &mut Xml<'a>, tag: Tag<'a>, best: &mut Option<Checksum>) -> Result<(), Error> {
    if tag.name() != "hash" {
        return xml.skip(tag);
    }
    let kind = xml.attribute(tag, "type")?.unwrap_or_default();
    let text = xml.text(tag)?;
    // What is not known is no reason to distrust what is. RFC 5854 has `sha-256` for `sha256`.
    if let Ok(sum) = Checksum::parse(&kind.replace('-', ""), text.trim())
        && (best.as_ref()).is_none_or(|best| best.hex().len() < sum.hex().len())
    {
        *best = Some(sum);
    }
    Ok(())
}

fn url<'a>(xml: &mut Xml<'a>, tag: Tag<'a>, file: &mut File) -> Result<(), Error> {
    if tag.name() != "url" {
        return xml.skip(tag);
    }
    let number = |name: &str| -> Result<Option<u32>, Error> {
        let text = xml.attribute(tag, name)?;
        Ok(text.and_then(|text| text.trim().parse().ok()))
    };
    // 100 is the best preference, 1 the best priority.
    let preference = number("preference")?.map(|number| 100u32.saturating_sub(number));
    let rank = number("priority")?.or(preference).unwrap_or(u32::MAX);
    let text = xml.text(tag)?;
    if file.urls.len() >= MAX_LISTED {
        return Err(xml.error(format!("it names more than {MAX_LISTED} mirrors")));
    }
    if is_web(text.trim()) {
        file.urls.push((rank, text.trim().to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf four | sha256sum`, and `md5sum`
    const FOUR: &str = "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00";
    const FOUR_MD5: &str = "8cbad96aced40b3838dd9f07f6ef5772";

    fn read(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let mirrors = Mirrors::parse(text.as_bytes(), "list").map_err(|error| error.to_string())?;
        let sums = mirrors.checksums.iter().map(ToString::to_string).collect();
        Ok((mirrors.bases, sums))
    }

    #[test]
    fn a_metalink_has_mirrors_and_checksums() {
        let three = format!(
            "<?xml version=\"1.0\"?><metalink version=\"3.0\" xmlns:mm0=\"x\"><files>\
             <file name=\"other\"><resources><url>https://o/repodata/repomd.xml</url></resources>\
             </file><file name=\"repomd.xml\"><mm0:timestamp>1</mm0:timestamp><size>4</size>\
             <verification><hash type=\"md5\">{FOUR_MD5}</hash><hash type=\"sha256\">{FOUR}</hash>\
             <hash type=\"new\">x</hash></verification><mm0:alternates><mm0:alternate>\
             <verification><hash type=\"md5\">{FOUR_MD5}</hash></verification></mm0:alternate>\
             </mm0:alternates><resources maxconnections=\"1\">\
             <url protocol=\"rsync\" preference=\"100\">rsync://r/repodata/repomd.xml</url>\
             <url preference=\"98\">https://b/r/repodata/repomd.xml</url>\
             <url preference=\"100\"> http://a/repodata/repomd.xml </url>\
             <url preference=\"99\">https://c/other.xml</url>\
             </resources></file></files></metalink>"
        );
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let sums = [format!("MD5 {FOUR_MD5}"), format!("SHA-256 {FOUR}")];
        let expected = (owned(&["http://a/", "https://b/r/"]), sums.to_vec());
        assert_eq!(read(&three), Ok(expected));
        let four = format!(
            "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"repomd.xml\">\
             <hash type=\"sha-256\">{FOUR}</hash>\
             <url priority=\"2\">https://b/repodata/repomd.xml</url>\
             <url priority=\"1\">https://a/repodata/repomd.xml</url></file></metalink>"
        );
        let expected = (owned(&["https://a/", "https://b/"]), sums[1..].to_vec());
        assert_eq!(read(&four), Ok(expected));
    }

    #[test]
    fn lines_and_json_have_mirrors() {
        for (text, expected) in [
            (
                "# c\nhttp://a/\n\n  https://b/x \nftp://c\n/d\n",
                &["http://a/", "https://b/x"][..],
            ),
            ("https://a/\r\n", &["https://a/"]),
            (
                r#"[{"country":"de","url":"https:\/\/a\/"},{"url" : "http://b/"}]"#,
                &["https://a/", "http://b/"],
            ),
            (
                r#" [{"url":1},{"url":"ftp://c"},{"url":"https://a"}]"#,
                &["https://a"],
            ),
        ] {
            let (bases, sums) = read(text).unwrap();
            assert_eq!(
                (bases, sums.len()),
                (expected.iter().map(|one| (*one).to_owned()).collect(), 0),
                "{text}"
            );
        }
        for text in [
            "",
            "<html></html>",
            "<metalink/>",
            "[]",
            "no",
            "<metalink>",
            "<metalink/>x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn so_many_mirrors_are_kept() {
        let lines: String = (0..=MAX_MIRRORS)
            .map(|number| format!("https://{number}/\n"))
            .collect();
        let mut mirrors = Mirrors::parse(lines.as_bytes(), "list").unwrap();
        assert_eq!(mirrors.bases.len(), MAX_MIRRORS);
        mirrors.retain(|base| base == "https://3/");
        assert_eq!(mirrors.bases, ["https://3/"]);
        let list = |urls: usize, states: usize| {
            let url = "<url>https://a/repodata/repomd.xml</url>".repeat(urls);
            let state = format!("<alternate><hash type=\"md5\">{FOUR_MD5}</hash></alternate>");
            let states = state.repeat(states);
            read(&format!(
                "<metalink><file name=\"repomd.xml\">{url}<alternates>{states}</alternates></file></metalink>"
            ))
        };
        assert!(list(MAX_LISTED, MAX_CHECKSUMS - 1).is_ok());
        assert!(list(MAX_LISTED + 1, 0).is_err());
        assert!(list(1, MAX_CHECKSUMS).is_ok());
        assert!(list(1, MAX_CHECKSUMS + 1).is_err());
    }
}
