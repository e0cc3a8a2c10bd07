//! What `systemd-sysupdate` is told about an extension: where it is published, and where it goes.
//!
//! Each extension is a *component* of its own, with its own directory of definitions, because all
//! definitions of one directory are one update: only versions that every one of them has
//! count. The directory holds three files, and two more where the extension has a companion, which
//! has to be of the same version.
//!
//! ```text
//! sysupdate.strace.d/
//! ├── strace.transfer     read by systemd 257 and newer
//! ├── strace.conf         the same bytes, read by systemd 254 to 256, which know no *.transfer
//! ├── strace.feature      lets an administrator switch the extension off (systemd 257 and newer)
//! ├── strace.confext.transfer   the companion's
//! └── strace.confext.conf       the same bytes
//! ```
//!
//! A transfer that names a feature is switched off where the feature's file is missing, so the
//! files are always delivered together. systemd before 257 reports the key as unknown and goes on.
//!
//! **Where images go.** `/var/lib/sysext-store`, which is not searched for extensions: there they
//! may have their full names, and several versions may lie side by side. The one to merge is what
//! `/etc/extensions/<name>.raw` links to. Where a companion is merged, nobody can set a link in
//! `/etc`: that of its extension is `/var/lib/extensions/<name>.raw`, its own is
//! `/var/lib/confexts/<name>.confext.raw`. A client removes old images by the same pattern by which
//! it finds new ones, so that an extension `gcc` would also remove those of `gcc-32bit`; where
//! the store allows such names beside each other, each has a directory of its own on the client,
//! too. systemd 254 makes none of these directories, and 257 not `/etc/extensions`.
//!
//! **Text.** The syntax is that of unit files, with `%` specifiers, and patterns are lists of
//! quoted words. What would mean something there is refused in names and URLs, except `%`, whose
//! rules [`StoreUrl`] tells.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::companion::companion_of;
use crate::layout::Layout;
use crate::name::{NameProblem, check_name};

/// Where clients keep images, outside of what systemd-sysext searches.
pub const IMAGE_DIRECTORY: &str = "/var/lib/sysext-store";
/// Where images are that came without systemd-sysupdate, for it to install.
pub const STAGING_DIRECTORY: &str = "/var/lib/sysext-staged";
/// Where the links are that systemd-sysext merges, of extensions without a companion.
const LINK_DIRECTORY: &str = "/etc/extensions";
/// Where they are of extensions with a companion, which makes `/etc` read-only.
const LINK_DIRECTORY_BESIDE: &str = "/var/lib/extensions";
/// Where the links are that systemd-confext merges.
pub const CONFEXT_LINK_DIRECTORY: &str = "/var/lib/confexts";
/// Images that a client keeps of an extension, if nothing else is said: the newest and the one
/// before, to which the link can be set back.
pub const DEFAULT_INSTANCES: u32 = 2;
/// Most images that a client can be told to keep of an extension.
pub const MAX_INSTANCES: u32 = 100;

/// Longest URL, in bytes: what common servers and proxies take.
const MAX_URL: usize = 2000;
/// Specifiers of sysupdate.d(5) that tell systems apart: architecture, IMAGE_VERSION, BUILD_ID,
/// IMAGE_ID, ID, VERSION_ID and VARIANT_ID.
const SPECIFIERS: &str = "aABMowW";

/// Why a value can't be written into a definition; the text completes "the URL … " or
/// "the name … ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionProblem {
    /// The name can't be that of an extension.
    #[error(transparent)]
    Name(#[from] NameProblem),
    /// The name of the directory would be longer than a file name may be.
    #[error("is too long for the directory sysupdate.NAME.d")]
    LongName,
    /// Clients would have to keep fewer than two images, or very many.
    #[error("would keep {0} images; a client can keep from 2 to {MAX_INSTANCES}")]
    Instances(u32),
    /// Not the URL of a directory on a web server.
    #[error("does not begin with https://, http:// or a placeholder such as @@STORE_URL@@")]
    Scheme,
    /// Nothing between `://` and the path.
    #[error("names no host")]
    Host,
    /// Longer than servers take.
    #[error("is longer than {MAX_URL} bytes")]
    LongUrl,
    /// A character that ends a URL's path or a word of a definition.
    #[error("contains {0:?}; write it as {encoded}", encoded = percent_encoded(*.0))]
    Character(char),
    /// `?` or `#`: the path would not be the last part.
    #[error("contains {0:?}, but clients append file names to it")]
    NotADirectory(char),
    /// A user name or a password, which everyone would read.
    #[error("contains a user name or a password, which definitions would publish")]
    Credentials,
    /// A `%` that is neither a specifier nor the start of an encoded byte.
    #[error(
        "contains \"%{0}\", which is neither an encoded byte such as %20 nor one of the specifiers \
         %a %A %B %M %o %w %W"
    )]
    Specifier(String),
}

/// Whether `name` is that of something that is delivered beside images: definitions, pages, keys.
pub(crate) fn is_delivered(name: &str) -> bool {
    let suffixes = [
        ".transfer",
        ".conf",
        ".feature",
        ".html",
        ".json",
        ".tar",
        ".gpg",
        ".pgp",
    ];
    defined_in(name).is_some() || suffixes.iter().any(|suffix| name.ends_with(suffix))
}

fn percent_encoded(character: char) -> String {
    utf8_percent_encode(character.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string()
}

/// The URL of a store: a directory on a web server.
///
/// It may hold specifiers that each client replaces by what its os-release says, for stores that
/// have a directory for each system: `https://example.org/sysext/%o/%w/`. Encoded bytes (`%20`)
/// stay what they are. Where both readings are possible, as in `%ab`, it is an encoded byte.
///
/// In place of scheme and host there may be a placeholder between two `@@`, for definitions that
/// are completed when they are deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    /// With one `/` at its end, as a person writes it.
    plain: String,
    /// The same with `%` doubled where it is not a specifier.
    escaped: String,
}

impl StoreUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// The first problem found.
    pub fn new(text: &str) -> Result<StoreUrl, DefinitionProblem> {
        if text.len() > MAX_URL {
            return Err(DefinitionProblem::LongUrl);
        }
        check_authority(text)?;
        if let Some(found) = text.chars().find(|c| matches!(c, '?' | '#')) {
            return Err(DefinitionProblem::NotADirectory(found));
        }
        let is_plain = |c: &char| c.is_ascii_graphic() && !"\"'\\<>`{}|^;".contains(*c);
        if let Some(found) = text.chars().find(|c| !is_plain(c)) {
            return Err(DefinitionProblem::Character(found));
        }
        let plain = format!("{}/", text.trim_end_matches('/'));
        let escaped = escape_percent(&plain)?;
        Ok(StoreUrl { plain, escaped })
    }

    /// The URL of the directory `name` inside this one.
    #[must_use]
    pub fn join(&self, name: &str) -> StoreUrl {
        // A name is free of what means something in a URL.
        StoreUrl {
            plain: format!("{}{name}/", self.plain),
            escaped: format!("{}{name}/", self.escaped),
        }
    }

    /// Whether each client makes a URL of its own of this one.
    #[must_use]
    pub fn has_specifiers(&self) -> bool {
        // Every other `%` comes in pairs.
        self.escaped.replace("%%", "").contains('%')
    }
}

impl fmt::Display for StoreUrl {
    /// Writes the URL as it was given, with a `/` at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain)
    }
}

/// Checks what comes before the path.
fn check_authority(text: &str) -> Result<(), DefinitionProblem> {
    if let Some(rest) = text.strip_prefix("@@") {
        let word = rest.split_once("@@").map(|(word, _)| word);
        let is_word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        return match word {
            Some(word) if is_word(word) => Ok(()),
            _ => Err(DefinitionProblem::Scheme),
        };
    }
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or(DefinitionProblem::Scheme)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(DefinitionProblem::Credentials);
    }
    if authority.is_empty() {
        return Err(DefinitionProblem::Host);
    }
    Ok(())
}

/// Doubles each `%` that begins an encoded byte, and checks the others.
fn escape_percent(text: &str) -> Result<String, DefinitionProblem> {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_byte = part
            .as_bytes()
            .get(..2)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let is_specifier = part.starts_with(|c: char| SPECIFIERS.contains(c));
        if !is_byte && !is_specifier {
            let shown = part.chars().take(2).collect();
            return Err(DefinitionProblem::Specifier(shown));
        }
        out.push_str(if is_byte { "%%" } else { "%" });
        out.push_str(part);
    }
    Ok(out)
}

/// What every definition of a store has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The store.
    pub url: StoreUrl,
    /// Whether each extension has a directory of its own, in the store and on the client.
    pub per_name: bool,
    /// What comes after the version in the names of images, as [`Layout::pattern_ending`] has it.
    ///
    /// [`Layout::pattern_ending`]: crate::Layout::pattern_ending
    pub ending: &'static str,
    /// Whether clients refuse what is not signed by a key of their keyring.
    pub verify: bool,
    /// Number of images of each extension that a client keeps, from 2 to [`MAX_INSTANCES`].
    pub instances: u32,
}

/// The definition of one extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    name: String,
    source: StoreUrl,
    documentation: StoreUrl,
    directory: String,
    verify: bool,
    instances: u32,
    ending: &'static str,
    has_companion: bool,
    is_staged: bool,
}

impl Definition {
    /// Defines the extension `name`, which `delivery` tells of.
    ///
    /// # Errors
    /// The name or the number of images is not possible.
    pub fn new(name: &str, delivery: &Delivery) -> Result<Definition, DefinitionProblem> {
        check_name(name)?;
        if name.len() + "sysupdate..d".len() > 255 {
            return Err(DefinitionProblem::LongName);
        }
        if !(2..=MAX_INSTANCES).contains(&delivery.instances) {
            return Err(DefinitionProblem::Instances(delivery.instances));
        }
        let (source, directory) = if delivery.per_name {
            (delivery.url.join(name), format!("{IMAGE_DIRECTORY}/{name}"))
        } else {
            (delivery.url.clone(), IMAGE_DIRECTORY.to_owned())
        };
        Ok(Definition {
            name: name.to_owned(),
            source,
            documentation: delivery.url.clone(),
            directory,
            verify: delivery.verify,
            instances: delivery.instances,
            ending: delivery.ending,
            has_companion: false,
            is_staged: false,
        })
    }

    /// Defines the companion of the extension, too, if it has one.
    #[must_use]
    pub fn with_companion(self, has_companion: bool) -> Definition {
        Definition {
            has_companion,
            ..self
        }
    }

    /// Has clients take images from [`STAGING_DIRECTORY`] instead of from the store: what brings them
    /// there has verified them. Such a definition is not read back by [`Definition::parse`].
    #[must_use]
    pub fn staged(self) -> Definition {
        Definition {
            is_staged: true,
            ..self
        }
    }

    /// Reads back what [`Definition::files`] writes; `text` are the texts of files by their names.
    /// `None` for any other text.
    #[must_use]
    pub fn parse<'a>(name: &str, text: &dyn Fn(&str) -> Option<&'a String>) -> Option<Definition> {
        let transfer = text(&format!("{name}.transfer"))?;
        let feature = text(&format!("{name}.feature"))?;
        let companion = text(&format!("{}.transfer", companion_of(name)));
        let value = |text: &'_ str, key: &str, number: usize| -> Option<String> {
            let mut values = text.lines().filter_map(|line| line.strip_prefix(key));
            values.nth(number).map(str::to_owned)
        };
        let url = value(feature, "Documentation=", 0)?.replace("%%", "%");
        let pattern = value(transfer, "MatchPattern=", 0)?;
        let delivery = Delivery {
            url: StoreUrl::new(&url).ok()?,
            per_name: value(transfer, "Path=", 1)? != IMAGE_DIRECTORY,
            ending: Layout::ALL
                .map(Layout::pattern_ending)
                .into_iter()
                .find(|ending| pattern == format!("{name}-@v{ending}"))?,
            verify: value(transfer, "Verify=", 0)? == "yes",
            instances: value(transfer, "InstancesMax=", 0)?.parse().ok()?,
        };
        let definition = Definition::new(name, &delivery).ok()?;
        let definition = definition.with_companion(companion.is_some());
        // Whatever was not looked at is compared here.
        let is_written_so = definition.transfer() == *transfer
            && definition.feature() == *feature
            && companion.is_none_or(|text| definition.companion_transfer() == *text);
        is_written_so.then_some(definition)
    }

    /// Whether the companion of the extension is defined, too.
    #[must_use]
    pub fn defines_companion(&self) -> bool {
        self.has_companion
    }

    /// Whether clients refuse what is not signed by a key of their keyring.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.verify
    }

    /// The extension's name, which is the component's: `systemd-sysupdate -C NAME`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the directory that holds the files, in `/etc` or in `/usr/lib`.
    #[must_use]
    pub fn directory_name(&self) -> String {
        definitions_directory(&self.name)
    }

    /// Directories that must be there on the client, each absolute.
    #[must_use]
    pub fn client_directories(&self) -> Vec<&str> {
        let mut directories = vec![self.link_directory(), IMAGE_DIRECTORY];
        if self.has_companion {
            directories.push(CONFEXT_LINK_DIRECTORY);
        }
        if self.directory != IMAGE_DIRECTORY {
            directories.push(&self.directory);
        }
        if self.is_staged {
            directories.push(STAGING_DIRECTORY);
        }
        directories
    }

    /// The files: their names inside the directory, and their texts.
    #[must_use]
    pub fn files(&self) -> Vec<(String, String)> {
        let name = &self.name;
        let mut files = vec![
            (format!("{name}.conf"), self.transfer()),
            (format!("{name}.feature"), self.feature()),
            (format!("{name}.transfer"), self.transfer()),
        ];
        if self.has_companion {
            let companion = companion_of(name);
            let endings = [".conf", ".transfer"];
            let both =
                endings.map(|ending| (companion.clone() + ending, self.companion_transfer()));
            files.extend(both);
            files.sort();
        }
        files
    }

    fn transfer(&self) -> String {
        self.transfer_of("system extension", &self.name, self.link_directory())
    }

    fn link_directory(&self) -> &'static str {
        link_directory(self.has_companion)
    }

    fn companion_transfer(&self) -> String {
        let name = companion_of(&self.name);
        self.transfer_of("configuration extension", &name, CONFEXT_LINK_DIRECTORY)
    }

    fn transfer_of(&self, what: &str, name: &str, links: &str) -> String {
        let Definition {
            name: component,
            source,
            directory,
            instances,
            ending,
            ..
        } = self;
        let (kind, source) = match self.is_staged {
            false => ("url-file", source.escaped.as_str()),
            true => ("regular-file", STAGING_DIRECTORY),
        };
        let verify = if self.verify { "yes" } else { "no" };
        format!(
            "\
# Where systemd-sysupdate finds the {what} {name}: systemd-sysupdate -C {component} update
# {name}.transfer is for systemd 257 and newer, {name}.conf for older ones; they are equal.
[Transfer]
Features={component}
Verify={verify}

[Source]
Type={kind}
Path={source}
MatchPattern={name}-@v{ending}

[Target]
Type=regular-file
Path={directory}
MatchPattern={name}-@v{ending}
Mode=0644
CurrentSymlink={links}/{name}.raw
InstancesMax={instances}
"
        )
    }

    fn feature(&self) -> String {
        let Definition {
            name,
            documentation,
            ..
        } = self;
        format!(
            "\
# Switched off, {name} is no longer updated; from systemd 262 on, systemd-sysupdate -C {name} vacuum removes it.
[Feature]
Description=System extension {name}
Documentation={}
Enabled=yes
",
            documentation.escaped
        )
    }
}

/// Where the link to an extension is.
#[must_use]
pub fn link_directory(has_companion: bool) -> &'static str {
    match has_companion {
        true => LINK_DIRECTORY_BESIDE,
        false => LINK_DIRECTORY,
    }
}

/// The name of the directory that holds the definition of the extension `name`.
#[must_use]
pub fn definitions_directory(name: &str) -> String {
    format!("sysupdate.{name}.d")
}

/// The name of the extension whose definition is in a directory of this name.
pub(crate) fn defined_in(directory: &str) -> Option<&str> {
    directory.strip_prefix("sysupdate.")?.strip_suffix(".d")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn delivery(url: &str) -> Delivery {
        Delivery {
            url: StoreUrl::new(url).unwrap(),
            per_name: false,
            ending: crate::Layout::Flat.pattern_ending(),
            verify: true,
            instances: DEFAULT_INSTANCES,
        }
    }

    #[test]
    fn the_three_files() {
        let definition = Definition::new("strace", &delivery("https://example.org/x")).unwrap();
        assert_eq!(definition.directory_name(), "sysupdate.strace.d");
        let files: [_; 3] = definition.files().try_into().unwrap();
        let [
            (conf, conf_text),
            (feature, feature_text),
            (transfer, transfer_text),
        ] = files;
        assert_eq!(
            [&*conf, &*feature, &*transfer],
            ["strace.conf", "strace.feature", "strace.transfer"]
        );
        assert_eq!(conf_text, transfer_text);
        assert_eq!(
            conf_text,
            "\
# Where systemd-sysupdate finds the system extension strace: systemd-sysupdate -C strace update
# strace.transfer is for systemd 257 and newer, strace.conf for older ones; they are equal.
[Transfer]
Features=strace
Verify=yes

[Source]
Type=url-file
Path=https://example.org/x/
MatchPattern=strace-@v.%a.raw

[Target]
Type=regular-file
Path=/var/lib/sysext-store
MatchPattern=strace-@v.%a.raw
Mode=0644
CurrentSymlink=/etc/extensions/strace.raw
InstancesMax=2
"
        );
        assert_eq!(
            feature_text,
            "\
# Switched off, strace is no longer updated; from systemd 262 on, systemd-sysupdate -C strace vacuum removes it.
[Feature]
Description=System extension strace
Documentation=https://example.org/x/
Enabled=yes
"
        );
    }

    #[test]
    fn a_client_that_stages_images() {
        let url = "https://example.org/x";
        let definition = Definition::new("strace", &delivery(url)).unwrap();
        let staged = definition.clone().staged();
        let text = |definition: &Definition| definition.files()[0].1.clone();
        let expected = text(&definition).replace(
            "Type=url-file\nPath=https://example.org/x/\n",
            "Type=regular-file\nPath=/var/lib/sysext-staged\n",
        );
        assert_eq!(text(&staged), expected);
        let more: Vec<_> = (staged.client_directories().into_iter())
            .filter(|directory| !definition.client_directories().contains(directory))
            .collect();
        assert_eq!(more, [STAGING_DIRECTORY]);
        let files: BTreeMap<_, _> = staged.files().into_iter().collect();
        assert_eq!(Definition::parse("strace", &|name| files.get(name)), None);
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        for (name, url, per_name, ending, verify, instances) in [
            ("strace", "https://example.org/x", false, ".%a.raw", true, 2),
            (
                "gcc-32bit",
                "http://[::1]:80/%o/a%20b//",
                true,
                "-%a.raw",
                false,
                5,
            ),
            (
                "libstdc++6",
                "@@STORE_URL@@/%w",
                true,
                "-%w-%a.raw",
                true,
                100,
            ),
        ] {
            let delivery = Delivery {
                url: StoreUrl::new(url).unwrap(),
                per_name,
                ending,
                verify,
                instances,
            };
            for has_companion in [false, true] {
                let definition = Definition::new(name, &delivery).unwrap();
                reads_back(&definition.with_companion(has_companion));
            }
        }
    }

    /// Reads a definition back from its files, and from files of which one has another text.
    fn reads_back(definition: &Definition) {
        let name = definition.name();
        let files: BTreeMap<_, _> = definition.files().into_iter().collect();
        let parse =
            |files: &BTreeMap<String, String>| Definition::parse(name, &|file| files.get(file));
        assert_eq!(parse(&files).as_ref(), Some(definition), "{name}");
        let read = files.iter().filter(|(file, _)| file.ends_with(".transfer"));
        for (file, transfer) in read {
            let changed = |text: String| {
                let changed = [(file.clone(), text)];
                parse(&files.clone().into_iter().chain(changed).collect())
            };
            // Each line counts.
            for at in 0..transfer.lines().count() {
                let without = |line: &(usize, &str)| line.0 != at;
                let rest = transfer.lines().enumerate().filter(without);
                let rest: String = rest.map(|(_, line)| format!("{line}\n")).collect();
                assert_eq!(changed(rest), None, "{file} without line {at}");
            }
            for (from, to) in [
                ("/var/lib/sysext-store", "/usr/bin"),
                ("Mode=0644", "Mode=4755"),
                ("[Target]", "[Target]\nPathRelativeTo=boot"),
            ] {
                assert_eq!(changed(transfer.replace(from, to)), None, "{file} {to}");
            }
        }
        assert_eq!(Definition::parse("other", &|file| files.get(file)), None);
    }

    /// Both of one version: for systemd-sysupdate, they are one component.
    #[test]
    fn the_files_of_a_companion() {
        let definition = Definition::new("d", &delivery("https://example.org/")).unwrap();
        let definition = definition.with_companion(true);
        let files: BTreeMap<_, _> = definition.files().into_iter().collect();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        let expected = [
            "d.conf",
            "d.confext.conf",
            "d.confext.transfer",
            "d.feature",
            "d.transfer",
        ];
        assert_eq!(names, expected);
        assert_eq!(files["d.confext.conf"], files["d.confext.transfer"]);
        for (file, lines) in [
            (
                "d.transfer",
                [
                    "Features=d",
                    "MatchPattern=d-@v.%a.raw",
                    "CurrentSymlink=/var/lib/extensions/d.raw",
                ],
            ),
            (
                "d.confext.transfer",
                [
                    "Features=d",
                    "MatchPattern=d.confext-@v.%a.raw",
                    "CurrentSymlink=/var/lib/confexts/d.confext.raw",
                ],
            ),
        ] {
            for line in lines {
                let text = &files[file];
                assert!(text.lines().any(|found| found == line), "{line}: {text}");
            }
        }
        assert_eq!(
            definition.client_directories(),
            [
                "/var/lib/extensions",
                "/var/lib/sysext-store",
                "/var/lib/confexts"
            ]
        );
    }

    #[test]
    fn directories_per_name() {
        let delivery = Delivery {
            per_name: true,
            ending: crate::Layout::Flat.pattern_ending(),
            verify: false,
            instances: 5,
            ..delivery("http://[::1]:80/%o/a%20b//")
        };
        let definition = Definition::new("gcc-32bit", &delivery).unwrap();
        assert_eq!(
            definition.client_directories(),
            [
                "/etc/extensions",
                "/var/lib/sysext-store",
                "/var/lib/sysext-store/gcc-32bit"
            ]
        );
        let text = definition.transfer();
        for line in [
            "Verify=no",
            "Path=http://[::1]:80/%o/a%%20b/gcc-32bit/",
            "Path=/var/lib/sysext-store/gcc-32bit",
            "InstancesMax=5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn urls() {
        use DefinitionProblem::{
            Character, Credentials, Host, LongUrl, NotADirectory, Scheme, Specifier,
        };
        let longest = format!("https://{}", "x".repeat(1992));
        let slash = format!("{longest}/");
        let too_long = format!("{longest}x");
        for (text, expected) in [
            ("https://a.example", Ok(("https://a.example/", false))),
            ("http://a:8080/x///", Ok(("http://a:8080/x/", false))),
            ("http://a/@x/~y/", Ok(("http://a/@x/~y/", false))),
            ("https://a/%o/%w", Ok(("https://a/%o/%w/", true))),
            ("https://a/%a/", Ok(("https://a/%a/", true))),
            ("https://a/%C3%A9/", Ok(("https://a/%%C3%%A9/", false))),
            ("https://a/%ab/", Ok(("https://a/%%ab/", false))),
            ("https://a/%25w/", Ok(("https://a/%%25w/", false))),
            ("@@STORE_URL@@", Ok(("@@STORE_URL@@/", false))),
            ("@@A@@/%w/", Ok(("@@A@@/%w/", true))),
            ("@@@@", Err(Scheme)),
            ("@@a b@@", Err(Scheme)),
            ("@@a", Err(Scheme)),
            ("", Err(Scheme)),
            ("ftp://a/", Err(Scheme)),
            ("/srv/store", Err(Scheme)),
            ("https:///x", Err(Host)),
            ("https://", Err(Host)),
            ("https://u:p@a/", Err(Credentials)),
            ("https://u@a?x", Err(Credentials)),
            ("https://a/?x", Err(NotADirectory('?'))),
            ("https://a/#x", Err(NotADirectory('#'))),
            ("https://a/ b", Err(Character(' '))),
            ("https://a/\n[Source]", Err(Character('\n'))),
            ("https://a/é", Err(Character('é'))),
            ("https://a/\\", Err(Character('\\'))),
            ("https://a/\"", Err(Character('"'))),
            ("https://a/%", Err(Specifier("/".into()))),
            ("https://a/%v/", Err(Specifier("v/".into()))),
            ("https://a/%%/", Err(Specifier(String::new()))),
            (&*longest, Ok((&*slash, false))),
            (&*too_long, Err(LongUrl)),
        ] {
            let found = StoreUrl::new(text);
            let found = found
                .as_ref()
                .map(|url| (url.escaped.as_str(), url.has_specifiers()));
            assert_eq!(found, expected.as_ref().copied(), "{text}");
        }
        let url = StoreUrl::new("https://a/%20%w").unwrap();
        assert_eq!(url.to_string(), "https://a/%20%w/");
        assert_eq!(url.join("e").escaped, "https://a/%%20%w/e/");
    }

    #[test]
    fn what_is_refused_says_what_to_write() {
        let refusal = StoreUrl::new("https://a/é").unwrap_err();
        assert_eq!(refusal.to_string(), "contains 'é'; write it as %C3%A9");
        let refusal = StoreUrl::new(&"x".repeat(2001)).unwrap_err();
        assert_eq!(refusal.to_string(), "is longer than 2000 bytes");
    }

    #[test]
    fn names_and_counts() {
        let longest = "n".repeat(243);
        let too_long = "n".repeat(244);
        for (name, instances, problem) in [
            ("libstdc++6", 2, None),
            (&*longest, 100, None),
            (&*too_long, 2, Some("is too long")),
            ("", 2, Some("is empty")),
            ("a%b", 2, Some("contains '%'")),
            ("a\nb", 2, Some("contains '\\n'")),
            ("a/b", 2, Some("contains '/'")),
            ("a\"b", 2, Some("contains '\"'")),
            ("a;b", 2, Some("contains ';'")),
            (
                "a",
                1,
                Some("would keep 1 images; a client can keep from 2 to 100"),
            ),
            (
                "a",
                101,
                Some("would keep 101 images; a client can keep from 2 to 100"),
            ),
        ] {
            let delivery = Delivery {
                instances,
                ..delivery("https://a/")
            };
            let found = Definition::new(name, &delivery).err();
            let found = found.map(|problem| problem.to_string());
            match (&found, problem) {
                (None, None) => {}
                (Some(text), Some(start)) if text.starts_with(start) => {}
                _ => panic!("{name} {instances}: {found:?}, not {problem:?}"),
            }
        }
    }
}
