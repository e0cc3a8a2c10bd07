//! The page: one HTML file that needs no script, no font and no second request.
//!
//! It forbids itself everything but its own style by a policy that names the style's digest, so
//! that not even a mistake in here could make a browser run or fetch what a manifest says.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::commands;
use super::index::{Extension, Image, Index};
use super::markup::{Link, Text};
use crate::words::digest::sha256;
use crate::words::quantity::{bytes, counted};

const STYLE: &str = include_str!("style.css");
/// Most packages of an image that are shown; `index.json` has them all.
const MAX_PACKAGES: usize = 400;

/// Returns the text of `index.html`.
pub fn page(index: &Index) -> String {
    let mut page = Page(String::new());
    page.head(index);
    page.header(index);
    page.line("<main id=\"main\">");
    page.overview(index);
    page.trust(index);
    page.trust_certificates(index);
    for extension in &index.extensions {
        page.extension(index, extension);
    }
    page.line("</main>");
    page.footer(index);
    page.line("</body>\n</html>");
    page.0
}

/// The text so far.
struct Page(String);

/// Adds formatted text; writing to a string can't fail.
macro_rules! add {
    ($page:expr, $($argument:tt)*) => {{
        let _ = writeln!($page.0, $($argument)*);
    }};
}

impl Page {
    fn line(&mut self, text: &str) {
        add!(self, "{text}");
    }

    fn head(&mut self, index: &Index) {
        let style = sha256(&mut STYLE.as_bytes()).map(|(_, digest)| STANDARD.encode(digest));
        add!(
            self,
            "\
<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
'sha256-{}'; base-uri 'none'; form-action 'none'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"referrer\" content=\"no-referrer\">
<title>{}</title>
<style>{STYLE}</style>
</head>
<body>
<a class=\"skip\" href=\"#main\">Skip to the content</a>",
            style.unwrap_or_default(),
            Text(&index.title),
        );
    }

    fn header(&mut self, index: &Index) {
        let images = index.extensions.iter().flat_map(|one| &one.images);
        let (count, size) = images.fold((0, 0_u64), |(count, size), image| {
            (count + 1, size.saturating_add(image.bytes))
        });
        add!(
            self,
            "\
<header>
<h1>{}</h1>
<p class=\"soft\">System extension images: <code>systemd-sysext</code> merges them over \
<code>/usr</code>, without a reboot, and removes them again.</p>
<dl class=\"facts\">",
            Text(&index.title)
        );
        let fact = |page: &mut Page, term: &str, html: &str| {
            add!(page, "<div><dt>{term}</dt><dd>{html}</dd></div>");
        };
        let holds = format!(
            "{}, {}, {}",
            counted(index.extensions.len(), "extension"),
            counted(count, "image"),
            bytes(size)
        );
        fact(self, "Holds", &holds);
        if let Some(url) = &index.url {
            fact(self, "Address", &format!("<code>{}</code>", Text(url)));
        }
        let signed = if index.signed {
            "<span class=\"mark signed\">signed</span>"
        } else {
            "<span class=\"mark unsigned\">not signed</span>"
        };
        fact(self, "SHA256SUMS", signed);
        for key in &index.signing_keys {
            let key = format!("<code>{}</code>", in_groups(key, 4, " "));
            fact(self, "Key fingerprint", &key);
        }
        self.line("</dl>\n</header>");
    }

    fn trust(&mut self, index: &Index) {
        if !index.signed {
            self.line(
                "<p>This store is not signed. Clients compare downloads with \
<a href=\"SHA256SUMS\">SHA256SUMS</a>, and trust the web server for that list.</p>",
            );
            return;
        }
        let Some(commands) = commands::trust(index) else {
            return;
        };
        self.line(
            "<h2>Trust the key</h2>\n<p>Once on each client, as root. In the place of \
<code>FINGERPRINT</code> type the one that the publisher gave you in another way than by this page: \
a web server can show any. The commands stop at the first that fails.</p>",
        );
        self.pre(&commands);
    }

    fn trust_certificates(&mut self, index: &Index) {
        if index.certificates.is_empty() {
            return;
        }
        self.line(
            "<h2>Trust the certificate</h2>\n<p>Images of this store are signed inside, too, for hosts \
whose <code>ImagePolicy=</code> demands that. Such a host, with systemd 256 or newer, needs the certificate; older ones \
and those that trust no files need it in the keyring of the kernel. Once on each, as root: in the place of \
<code>CERTIFICATE</code> type the file that the publisher gave you in another way than by this page. A host without such \
a policy needs nothing more.</p>",
        );
        for fingerprint in &index.certificates {
            self.pre(&commands::trust_certificate(fingerprint));
        }
    }

    fn overview(&mut self, index: &Index) {
        self.line("<h2>Extensions</h2>");
        if index.extensions.is_empty() {
            self.line("<p>The store is empty.</p>");
            return;
        }
        self.line(
            "\
<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Extensions\">
<table>
<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Newest</th><th scope=\"col\">Fits</th>\
<th scope=\"col\">Built</th><th scope=\"col\" class=\"number\">Size</th></tr></thead>
<tbody>",
        );
        for extension in &index.extensions {
            let Some(newest) = extension.images.first() else {
                continue;
            };
            add!(
                self,
                "<tr><th scope=\"row\"><a href=\"#{}\">{}</a>{}</th>\
<td data-label=\"Newest\" class=\"version\">{}</td><td data-label=\"Fits\">{}, {}</td>\
<td data-label=\"Built\" class=\"version\">{}</td><td data-label=\"Size\" class=\"number\">{}</td></tr>",
                anchor(&extension.name),
                Text(&extension.name),
                summary(extension),
                Text(newest.evr.as_deref().unwrap_or(&newest.version)),
                Text(&newest.fits.in_words()),
                Text(architecture(newest)),
                Text(newest.built.as_deref().unwrap_or("unknown")),
                bytes(newest.bytes),
            );
        }
        self.line("</tbody>\n</table>\n</div>");
    }

    fn extension(&mut self, index: &Index, extension: &Extension) {
        let Some(newest) = extension.images.first() else {
            return;
        };
        let (name, id) = (Text(&extension.name), anchor(&extension.name));
        add!(
            self,
            "<section class=\"extension\" id=\"{id}\" aria-labelledby=\"{id}-name\">
<h2 id=\"{id}-name\">{name}</h2>{}",
            summary(extension)
        );
        self.images(extension);
        for image in newest_of_each(&extension.images) {
            self.packages(image);
        }
        self.line("<h3>On a client, as root</h3>");
        if let Some(commands) = commands::sysupdate(index, extension) {
            self.line(
                "<details open><summary>systemd-sysupdate <small>systemd 254 and newer; brings \
updates, too</small></summary><div class=\"inside\">",
            );
            self.pre(&commands);
            self.line("<p class=\"soft\">Later, to update:</p>");
            self.pre(&commands::update(extension));
            self.line("</div></details>");
        }
        self.line(
            "<details><summary>importctl <small>systemd 256 and newer</small></summary>\
<div class=\"inside\">",
        );
        self.pre(&commands::importctl(index, extension, newest));
        self.line("</div></details>");
        if let Some(commands) = commands::sysextmgr(index, extension) {
            self.line(
                "<details><summary>sysextmgr <small>openSUSE MicroOS; for all extensions of the \
store</small></summary><div class=\"inside\">",
            );
            self.pre(&commands);
            self.line("</div></details>");
        }
        self.line(
            "<details><summary>By hand <small>any systemd with \
systemd-sysext</small></summary><div class=\"inside\">",
        );
        self.pre(&commands::by_hand(index, extension, newest));
        self.line("</div></details>\n</section>");
    }

    fn images(&mut self, extension: &Extension) {
        add!(
            self,
            "\
<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Images of {}\">
<table>
<thead><tr><th scope=\"col\">Version</th><th scope=\"col\">Fits</th>\
<th scope=\"col\">Built</th><th scope=\"col\" class=\"number\">Size</th>\
<th scope=\"col\">File and SHA-256</th></tr></thead>
<tbody>",
            Text(&extension.name)
        );
        for (number, image) in extension.images.iter().enumerate() {
            let seen = match &image.evr {
                Some(_) => format!(" <small>clients see {}</small>", Text(&image.version)),
                None => String::new(),
            };
            let newest = match number {
                0 => " <span class=\"newest\">newest</span>",
                _ => "",
            };
            let link = |file: &str, label: &str| {
                let path = format!("{}{file}", extension.directory);
                format!("<a href=\"{}\">{label}</a>", Link(&path))
            };
            let mut files = link(&image.file, &Text(&image.file).to_string());
            if let Some(manifest) = &image.manifest {
                files += &format!(" ({})", link(manifest, "manifest"));
            }
            if let Some(companion) = &image.companion {
                let file = link(&companion.file, &Text(&companion.file).to_string());
                files += &format!(" and its companion {file}");
            }
            add!(
                self,
                "<tr><td data-label=\"Version\" class=\"version\">{}{seen}{newest}</td>\
<td data-label=\"Fits\" class=\"system\">{}, {}</td><td data-label=\"Built\" class=\"version\">{}</td>\
<td data-label=\"Size\" class=\"number\">{}</td><td class=\"file\">{files}<br><code>{}</code></td></tr>",
                Text(image.evr.as_deref().unwrap_or(&image.version)),
                Text(&image.fits.in_words()),
                Text(architecture(image)),
                Text(image.built.as_deref().unwrap_or("unknown")),
                bytes(image.bytes),
                in_groups(&image.sha256, 16, "<wbr>"),
            );
        }
        self.line("</tbody>\n</table>\n</div>");
    }

    fn packages(&mut self, image: &Image) {
        if image.packages.is_empty() {
            return;
        }
        add!(
            self,
            "<details><summary>{} <small>in version {}, {}, {}</small></summary>\
<div class=\"inside\">\n<ul class=\"packages\">",
            counted(image.packages.len(), "package"),
            Text(&image.version),
            Text(&image.fits.in_words()),
            Text(architecture(image)),
        );
        for package in image.packages.iter().take(MAX_PACKAGES) {
            let mut nevra = package.name.clone();
            for (separator, part) in [('-', &package.version), ('.', &package.architecture)] {
                if let Some(part) = part {
                    nevra.push(separator);
                    nevra += part;
                }
            }
            add!(self, "<li>{}</li>", Text(&nevra));
        }
        self.line("</ul>");
        if let Some(more) = image.packages.len().checked_sub(MAX_PACKAGES)
            && more > 0
        {
            add!(
                self,
                "<p class=\"soft\">And {more} more, in <a href=\"index.json\">index.json</a>.</p>"
            );
        }
        self.line("</div></details>");
    }

    fn footer(&mut self, index: &Index) {
        let per_name = index.extensions.iter().any(|one| !one.directory.is_empty());
        let mut links = vec!["index.json"];
        if !per_name {
            links.push("SHA256SUMS");
            if index.signed {
                links.push("SHA256SUMS.gpg");
            }
        }
        links.extend(index.keyring.as_deref());
        let links: Vec<_> = links
            .iter()
            .map(|file| format!("<a href=\"{}\">{}</a>", Link(file), Text(file)))
            .collect();
        add!(
            self,
            "<footer>\n<p>For programs: {}</p>\n<p class=\"soft\">Made by sysext-build.</p>\n</footer>",
            links.join(", ")
        );
    }

    fn pre(&mut self, commands: &str) {
        add!(
            self,
            "<pre tabindex=\"0\">{}</pre>",
            commands
                .trim_end()
                .lines()
                .map(|line| Text(line).to_string())
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
}

fn architecture(image: &Image) -> &str {
    let stated = image.architecture.as_deref();
    stated.unwrap_or("unknown architecture")
}

/// Returns what an extension is, as HTML.
fn summary(extension: &Extension) -> String {
    let summary = extension.summary.as_deref();
    summary.map_or_else(String::new, |summary| {
        format!("<p class=\"soft\">{}</p>", Text(summary))
    })
}

/// Returns the newest image for each system and architecture. Images are sorted, the newest first.
fn newest_of_each(images: &[Image]) -> Vec<&Image> {
    let mut newest: Vec<&Image> = Vec::new();
    for image in images {
        let is_alike =
            |other: &&Image| other.fits == image.fits && other.architecture == image.architecture;
        if !newest.iter().any(is_alike) {
            newest.push(image);
        }
    }
    newest
}

/// Returns a fragment identifier: other than HTML's, these may not hold spaces, and the name of an
/// extension may be `main`.
fn anchor(name: &str) -> String {
    format!("extension-{}", Link(name)).replace('%', "_")
}

/// Returns hexadecimal digits as HTML, in groups with something between them.
fn in_groups(digits: &str, length: usize, between: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    let groups: Vec<String> = digits
        .chunks(length)
        .map(|group| Text(&group.iter().collect::<String>()).to_string())
        .collect();
    groups.join(between)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::index::{Fits, PackageLine};
    use super::*;

    /// A store of one extension whose every text is `text`.
    fn store_of(text: &str) -> Index {
        let mut index = Index::new(text.to_owned(), Some(text.to_owned()));
        index.signed = true;
        index.signing_keys = vec![text.to_owned()];
        index.keyring = Some(text.to_owned());
        let some = || Some(text.to_owned());
        index.extensions.push(Extension {
            name: text.to_owned(),
            directory: text.to_owned(),
            summary: some(),
            definitions: some(),
            images: vec![Image {
                file: text.to_owned(),
                version: text.to_owned(),
                evr: some(),
                built: some(),
                architecture: some(),
                bytes: 1,
                sha256: text.to_owned(),
                manifest: some(),
                signed_by: some(),
                fits: Fits {
                    id: some(),
                    sysext_level: some(),
                    version_id: some(),
                    sysext_scope: some(),
                },
                packages: vec![PackageLine {
                    name: text.to_owned(),
                    version: some(),
                    architecture: some(),
                }],
                companion: None,
            }],
        });
        index
    }

    /// The tags of a page, each with its attributes' names: what a browser acts upon.
    fn tags(page: &str) -> BTreeSet<String> {
        let body = page.split("</style>").nth(1).unwrap();
        let tags = body.split('<').skip(1).map(|tag| {
            let tag = tag.split('>').next().unwrap();
            // Without the values.
            tag.split('"').step_by(2).collect::<Vec<_>>().join("")
        });
        // Long digits may be broken anywhere.
        tags.filter(|tag| tag != "wbr").collect()
    }

    #[test]
    fn no_text_becomes_markup() {
        let tame = tags(&page(&store_of("tame")));
        assert!(tame.contains("pre tabindex="), "{tame:?}");
        for hostile in [
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "' onmouseover='alert(1)",
            "</style></title><b>",
            "javascript:alert(1)",
            "--><!--",
            "a\u{202e}b",
        ] {
            let page = page(&store_of(hostile));
            assert_eq!(tags(&page), tame, "{hostile}");
            assert!(!page.contains(hostile) || hostile.starts_with("javascript"));
            assert!(!page.contains("href=\"javascript:"));
        }
    }

    #[test]
    fn the_policy_names_the_style() {
        let page = page(&Index::new("x".to_owned(), None));
        // `printf %s "$STYLE" | openssl dgst -sha256 -binary | base64` says the same.
        let (_, digest) = sha256(&mut STYLE.as_bytes()).unwrap();
        let policy = format!("style-src 'sha256-{}'", STANDARD.encode(digest));
        assert!(page.contains(&policy));
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
        assert!(page.contains("The store is empty."));
    }

    #[test]
    fn many_packages_are_counted() {
        let mut index = store_of("x");
        let image = &mut index.extensions[0].images[0];
        image.packages = vec![image.packages[0].clone(); MAX_PACKAGES + 3];
        let page = page(&index);
        assert_eq!(page.matches("<li>x-x.x</li>").count(), MAX_PACKAGES);
        assert!(page.contains("And 3 more, in"));
    }

    #[test]
    fn packages_of_the_newest_for_each_system() {
        let mut index = store_of("x");
        let images = &mut index.extensions[0].images;
        for (version, system) in [("3", "b"), ("2", "a"), ("1", "b")] {
            let mut image = images[0].clone();
            image.version = version.to_owned();
            image.fits.id = Some(system.to_owned());
            images.push(image);
        }
        let newest = newest_of_each(images);
        let versions: Vec<_> = newest.iter().map(|image| &*image.version).collect();
        assert_eq!(versions, ["x", "3", "2"]);
    }

    /// What a person reads, a line for each line of the page that has text.
    fn words(page: &str) -> Vec<String> {
        let body = page.split("</style>").nth(1).unwrap();
        let body = body
            .replace("<th ", " | <th ")
            .replace("<td", " | <td")
            .replace("</dt>", ": ");
        let lines = body.lines().map(|line| {
            let mut parts = line.split('<');
            let first = parts.next().unwrap_or_default().to_owned();
            let rest = parts.map(|part| part.split_once('>').unwrap().1);
            first + &rest.collect::<String>()
        });
        let lines = lines.map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// Where its links lead.
    fn links(page: &str) -> Vec<&str> {
        let links = page.split("href=\"").skip(1);
        links.map(|rest| rest.split('"').next().unwrap()).collect()
    }

    fn image(version: &str, system: &str, packages: &[&str]) -> Image {
        let packages = packages.iter().map(|name| PackageLine {
            name: (*name).to_owned(),
            version: Some(version.to_owned()),
            architecture: None,
        });
        Image {
            file: format!("gdb-{version}.x86-64.raw"),
            version: version.to_owned(),
            evr: None,
            built: None,
            architecture: Some("x86-64".to_owned()),
            bytes: 3 << 20,
            sha256: "0123456789abcdef".repeat(4),
            manifest: None,
            signed_by: None,
            fits: Fits {
                id: Some(system.to_owned()),
                ..Fits::default()
            },
            packages: packages.collect(),
            companion: None,
        }
    }

    fn gdb(directory: &str) -> Extension {
        let mut newest = image("2-1", "a", &["gdb", "lib"]);
        newest.manifest = Some("gdb-2-1.x86-64.manifest.gz".to_owned());
        newest.evr = Some("1:2-1".to_owned());
        newest.built = Some("2026-03-04".to_owned());
        let mut other = image("1-9", "b", &["gdb"]);
        other.architecture = None;
        Extension {
            name: "gdb".to_owned(),
            directory: directory.to_owned(),
            summary: Some("Debugs & more".to_owned()),
            definitions: None,
            images: vec![
                newest,
                other,
                image("1-1", "a", &["gdb", "gone"]),
                image("0-1", "c", &[]),
            ],
        }
    }

    #[test]
    fn what_the_page_says() {
        let mut index = Index::new("Tools & more".to_owned(), None);
        index.extensions = vec![gdb("")];
        let said = words(&page(&index));
        let digest = "0123456789abcdef".repeat(4);
        let until_commands = said
            .iter()
            .position(|line| line.starts_with("On a client"))
            .unwrap();
        assert_eq!(
            said[..until_commands],
            [
                "Skip to the content",
                "Tools &amp; more",
                "System extension images: systemd-sysext merges them over /usr, without a reboot, \
                 and removes them again.",
                "Holds: 1 extension, 4 images, 12 MiB",
                "SHA256SUMS: not signed",
                "Extensions",
                "| Name | Newest | Fits | Built | Size",
                "| gdbDebugs &amp; more | 1:2-1 | a, x86-64 | 2026-03-04 | 3 MiB",
                "This store is not signed. Clients compare downloads with SHA256SUMS, and trust the web server for that list.",
                "gdbDebugs &amp; more",
                "| Version | Fits | Built | Size | File and SHA-256",
                &format!(
                    "| 1:2-1 clients see 2-1 newest | a, x86-64 | 2026-03-04 | 3 MiB | gdb-2-1.x86-64.raw (manifest){digest}"
                ),
                &format!(
                    "| 1-9 | b, unknown architecture | unknown | 3 MiB | gdb-1-9.x86-64.raw{digest}"
                ),
                &format!("| 1-1 | a, x86-64 | unknown | 3 MiB | gdb-1-1.x86-64.raw{digest}"),
                &format!("| 0-1 | c, x86-64 | unknown | 3 MiB | gdb-0-1.x86-64.raw{digest}"),
                "2 packages in version 2-1, a, x86-64",
                "gdb-2-1",
                "lib-2-1",
                "1 package in version 1-9, b, unknown architecture",
                "gdb-1-9",
            ]
        );
        assert_eq!(
            said[said.len() - 2..],
            [
                "For programs: index.json, SHA256SUMS",
                "Made by sysext-build."
            ]
        );
    }

    #[test]
    fn what_is_said_of_signatures_and_where_they_are() {
        let list = "This store is not signed.";
        for (signed, keyring, directory, marks, footer) in [
            (
                false,
                None,
                "",
                [false, true, false],
                &["index.json", "SHA256SUMS"][..],
            ),
            (false, None, "gdb/", [false, true, false], &["index.json"]),
            (
                false,
                Some("k.gpg"),
                "",
                [false, true, false],
                &["index.json", "SHA256SUMS", "k.gpg"],
            ),
            (
                true,
                None,
                "",
                [true, false, false],
                &["index.json", "SHA256SUMS", "SHA256SUMS.gpg"],
            ),
            (
                true,
                Some("k.gpg"),
                "",
                [true, false, true],
                &["index.json", "SHA256SUMS", "SHA256SUMS.gpg", "k.gpg"],
            ),
            (
                true,
                Some("gdb/k.gpg"),
                "gdb/",
                [true, false, true],
                &["index.json", "gdb/k.gpg"],
            ),
        ] {
            let mut index = Index::new("x".to_owned(), Some("https://a.example/".to_owned()));
            index.signed = signed;
            index.keyring = keyring.map(str::to_owned);
            index.signing_keys = vec!["0123456789ABCDEF".to_owned()];
            index.extensions = vec![gdb(directory)];
            let page = page(&index);
            let said = words(&page);
            let has = |text: &str| said.iter().any(|line| line.starts_with(text));
            let row = format!("signed: {signed}, {keyring:?} {directory}");
            assert_eq!(
                [
                    !has("SHA256SUMS: not signed"),
                    has(list),
                    has("Trust the key")
                ],
                marks,
                "{row}"
            );
            assert!(has("Address: https://a.example/"), "{row}");
            assert!(has("Key fingerprint: 0123 4567 89AB CDEF"), "{row}");
            let links = links(&page);
            assert_eq!(links[links.len() - footer.len()..], *footer, "{row}");
            // Before them comes what each row of the images has.
            let image = format!("{directory}gdb-0-1.x86-64.raw");
            assert_eq!(links[links.len() - footer.len() - 1], image, "{row}");
            let manifest = format!("{directory}gdb-2-1.x86-64.manifest.gz");
            assert!(links.contains(&&*manifest), "{row}");
            assert!(links.contains(&"#extension-gdb"), "{row}");
        }
    }

    #[test]
    fn the_certificate_is_named_where_images_are_signed_inside() {
        let mut index = store_of("x");
        let heading = "Trust the certificate";
        assert!(!page(&index).contains(heading));
        index.certificates = vec!["ab".repeat(32), "cd".repeat(32)];
        let page = page(&index);
        assert!(page.contains(heading));
        for fingerprint in &index.certificates {
            assert!(
                page.contains(&format!("&#39;{fingerprint}  -&#39;")),
                "{page}"
            );
        }
    }

    #[test]
    fn packages_are_counted_only_when_some_are_left_out() {
        for (packages, more) in [(MAX_PACKAGES, None), (MAX_PACKAGES + 1, Some("And 1 more"))] {
            let mut index = store_of("x");
            let image = &mut index.extensions[0].images[0];
            image.packages = vec![image.packages[0].clone(); packages];
            let said = words(&page(&index));
            let found = said.iter().find(|line| line.starts_with("And "));
            assert_eq!(found.map(|line| &line[..10]), more);
        }
    }

    #[test]
    fn names_become_fragments() {
        for (name, expected) in [
            ("main", "extension-main"),
            ("gcc-c++", "extension-gcc-c++"),
            ("a b", "extension-a_20b"),
        ] {
            assert_eq!(anchor(name), expected);
        }
    }
}
