//! `SHA256SUMS`: bytes to values and back, without I/O.
//!
//! The format is that of coreutils' `sha256sum`, as narrow as systemd-sysupdate reads it
//! (`sysupdate-resource.c`, `resource_load_from_web()`): 64 hex digits, a space, a space or `*`,
//! a file name, a newline. There are no comments, no blank lines and no escapes, and one wrong
//! line makes systemd refuse the whole list. So everything that is wrong for some systemd from
//! 254 on is an error here, and what is written is the form that all clients read: lower case,
//! two spaces (sysextmgr takes the `*` for a part of the name), sorted by the bytes of the names.

/// Largest list that is read, in bytes: some 60 000 lines. systemd-pull takes 1 MiB.
pub(crate) const MAX_SUMS_SIZE: u64 = 8 << 20;

/// What the name of every image ends in.
pub const IMAGE_SUFFIX: &str = ".raw";

/// Number of hex digits of a SHA-256.
const HEX: usize = 64;

/// Longest file name of Linux (`NAME_MAX`), in bytes.
const MAX_NAME: usize = 255;

/// A line of `SHA256SUMS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file's name; it holds no `/`.
    pub name: String,
    /// SHA-256 of the file's bytes.
    pub sha256: [u8; 32],
}

/// What is wrong with a line of `SHA256SUMS`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsProblem {
    /// Nothing between two newlines.
    #[error("the line is blank")]
    Blank,
    /// A line that begins with `#`.
    #[error("comments are not part of the format")]
    Comment,
    /// A carriage return before the newline.
    #[error("the line ends in CR LF, not in LF alone")]
    CarriageReturn,
    /// Text after the last newline.
    #[error("the newline at the end is missing")]
    NoNewline,
    /// Bytes that are not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Something other than 64 hex digits at the start.
    #[error("the line does not begin with a hash of 64 hex digits")]
    Hash,
    /// Something other than two spaces, or a space and `*`, after the hash.
    #[error("between hash and name must be two spaces, or a space and '*'")]
    Separator,
    /// A name that is not a plain file name.
    #[error("{0:?} is not a plain file name")]
    Name(String),
    /// A name with `%`.
    #[error("the name {0:?} contains '%', for which systemd 262 refuses the list")]
    Percent(String),
    /// A name that an earlier line has.
    #[error("{0:?} is listed twice")]
    Duplicate(String),
}

/// A whole list, sorted by the bytes of the names, each name once.
///
/// A list of 20 000 lines is parsed, changed and printed for every image that is added; so it is a
/// sorted vector, which is read in one go where the file is sorted, as ours are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    entries: Vec<Entry>,
}

impl Sums {
    /// Parses a whole file; the error holds the line's number, from 1.
    ///
    /// The empty file is an empty list. The order of lines is free.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Sums, (usize, SumsProblem)> {
        let mut lines = Vec::new();
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let number = index + 1;
            lines.push((
                number,
                parse_line(line).map_err(|problem| (number, problem))?,
            ));
        }
        // Equal names stay in the order of their lines.
        lines.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        let twice = lines
            .windows(2)
            .filter(|pair| matches!(pair, [(_, a), (_, b)] if a.name == b.name))
            .filter_map(|pair| pair.last())
            .min_by_key(|(number, _)| *number);
        match twice {
            Some((number, entry)) => Err((*number, SumsProblem::Duplicate(entry.name.clone()))),
            None => Ok(Sums {
                entries: lines.into_iter().map(|(_, entry)| entry).collect(),
            }),
        }
    }

    /// The bytes of the file.
    pub(crate) fn print(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.entries.len() * 128);
        for Entry { name, sha256 } in &self.entries {
            // A list has thousands of lines: no text is made for each. The length always fits.
            let mut digits = [0; HEX];
            let _ = hex::encode_to_slice(sha256, &mut digits);
            text.extend_from_slice(&digits);
            text.extend_from_slice(b"  ");
            text.extend_from_slice(name.as_bytes());
            text.push(b'\n');
        }
        text
    }

    /// An image and another listed name that begins with the image's name, if there are such two.
    ///
    /// systemd 254 to 257 don't anchor the end of a pattern, so that they install the other file
    /// as the image.
    pub(crate) fn image_prefix(&self) -> Option<(&str, &str)> {
        // Whatever begins with a name comes right after it in byte order.
        self.entries.windows(2).find_map(|pair| match pair {
            [one, next] => (one.is_image() && next.name.starts_with(&one.name))
                .then_some((one.name.as_str(), next.name.as_str())),
            _ => None,
        })
    }

    /// All lines in name order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The listed images whose names begin with `prefix`.
    pub(crate) fn images_with<'a, 'p>(
        &'a self,
        prefix: &'p str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'p> {
        (self.beginning(prefix)).filter(|name| name.ends_with(IMAGE_SUFFIX))
    }

    /// The listed names that begin with `prefix`.
    pub(crate) fn beginning<'a, 'p>(
        &'a self,
        prefix: &'p str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'p> {
        let start = (self.entries).partition_point(|entry| entry.name.as_str() < prefix);
        let entries = self.entries.get(start..).unwrap_or_default();
        entries
            .iter()
            .take_while(move |entry| entry.name.starts_with(prefix))
            .map(|entry| entry.name.as_str())
    }

    /// The listed hash of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8; 32]> {
        let entry = self.entries.get(self.find(name).ok()?)?;
        Some(&entry.sha256)
    }

    /// Lists `name`, in place of what was listed under that name.
    pub(crate) fn insert(&mut self, name: &str, sha256: [u8; 32]) {
        let name = name.to_owned();
        let entry = Entry { name, sha256 };
        match self.find(&entry.name) {
            Ok(at) => {
                if let Some(taken) = self.entries.get_mut(at) {
                    *taken = entry;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Takes off the list all names for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries.retain(|entry| keep(&entry.name));
    }

    /// Whether nothing is listed.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All lines in name order.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        (self.entries).binary_search_by(|entry| entry.name.as_str().cmp(name))
    }
}

impl Entry {
    /// Whether the line is an image's.
    pub(crate) fn is_image(&self) -> bool {
        self.name.ends_with(IMAGE_SUFFIX)
    }
}

/// Parses one line, its newline included.
fn parse_line(line: &[u8]) -> Result<Entry, SumsProblem> {
    let line = line.strip_suffix(b"\n").ok_or(SumsProblem::NoNewline)?;
    if line.is_empty() {
        return Err(SumsProblem::Blank);
    }
    if line.ends_with(b"\r") {
        return Err(SumsProblem::CarriageReturn);
    }
    if line.starts_with(b"#") {
        return Err(SumsProblem::Comment);
    }
    let (digits, rest) = line.split_at_checked(HEX).ok_or(SumsProblem::Hash)?;
    let sha256 = parse_hash(digits).ok_or(SumsProblem::Hash)?;
    let name = rest
        .strip_prefix(b"  ")
        .or_else(|| rest.strip_prefix(b" *"))
        .ok_or(SumsProblem::Separator)?;
    // A third space would be a part of the name for systemd, and of the separator for sysextmgr.
    if name.starts_with(b" ") {
        return Err(SumsProblem::Separator);
    }
    let name = str::from_utf8(name).map_err(|_| SumsProblem::NotUtf8)?;
    if matches!(name, "" | "." | "..")
        || name.len() > MAX_NAME
        || name.chars().any(|c| c == '/' || c.is_control())
    {
        return Err(SumsProblem::Name(name.to_owned()));
    }
    if name.contains('%') {
        return Err(SumsProblem::Percent(name.to_owned()));
    }
    Ok(Entry {
        name: name.to_owned(),
        sha256,
    })
}

/// Parses 64 hex digits of either case.
fn parse_hash(digits: &[u8]) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of the empty input.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ONES: &str = "1111111111111111111111111111111111111111111111111111111111111111";

    /// Parses, and prints the names or the error.
    fn names(text: &[u8]) -> Result<String, (usize, SumsProblem)> {
        let sums = Sums::parse(text)?;
        let names: Vec<_> = sums.entries.into_iter().map(|entry| entry.name).collect();
        Ok(names.join("|"))
    }

    #[test]
    fn lines_that_every_systemd_reads() {
        let upper = EMPTY.to_uppercase();
        let longest = "n".repeat(255);
        for (text, expected) in [
            (String::new(), ""),
            (format!("{EMPTY}  a.raw\n"), "a.raw"),
            (format!("{EMPTY} *a.raw\n"), "a.raw"),
            (format!("{upper}  a.raw\n"), "a.raw"),
            (format!("{EMPTY}  b\n{EMPTY}  a\n"), "a|b"),
            (format!("{EMPTY}  a b\n"), "a b"),
            (format!("{EMPTY}  **\n"), "**"),
            (format!("{EMPTY}  {longest}\n"), &longest),
            (format!("{EMPTY}  ü.raw\n"), "ü.raw"),
            (
                format!("{EMPTY}  BEST-BEFORE-2030-01-31\n{EMPTY}  a.raw\n"),
                "BEST-BEFORE-2030-01-31|a.raw",
            ),
        ] {
            assert_eq!(names(text.as_bytes()), Ok(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn lines_that_some_systemd_refuses() {
        let bad_name = |name: &str| SumsProblem::Name(name.to_owned());
        let long = "n".repeat(256);
        for (line, expected) in [
            ("\n".to_owned(), SumsProblem::Blank),
            ("# images\n".to_owned(), SumsProblem::Comment),
            (format!("{EMPTY}  a.raw\r\n"), SumsProblem::CarriageReturn),
            ("\r\n".to_owned(), SumsProblem::CarriageReturn),
            (format!("{EMPTY}  a.raw"), SumsProblem::NoNewline),
            (" ".to_owned(), SumsProblem::NoNewline),
            (" \n".to_owned(), SumsProblem::Hash),
            (format!("{}  a.raw\n", &EMPTY[1..]), SumsProblem::Hash),
            (format!("g{}  a.raw\n", &EMPTY[1..]), SumsProblem::Hash),
            (format!("+{}  a.raw\n", &EMPTY[1..]), SumsProblem::Hash),
            (format!("\\{EMPTY}  a\\\\b\n"), SumsProblem::Hash),
            (format!(" {EMPTY}  a.raw\n"), SumsProblem::Hash),
            (format!("{EMPTY}\n"), SumsProblem::Separator),
            (format!("{EMPTY}0  a.raw\n"), SumsProblem::Separator),
            (format!("{EMPTY} a.raw\n"), SumsProblem::Separator),
            (format!("{EMPTY}\ta.raw\n"), SumsProblem::Separator),
            (format!("{EMPTY}   a.raw\n"), SumsProblem::Separator),
            (format!("{EMPTY} * a.raw\n"), SumsProblem::Separator),
            (format!("{EMPTY}  \n"), bad_name("")),
            (format!("{EMPTY} *\n"), bad_name("")),
            (format!("{EMPTY}  .\n"), bad_name(".")),
            (format!("{EMPTY}  ..\n"), bad_name("..")),
            (format!("{EMPTY}  ./a.raw\n"), bad_name("./a.raw")),
            (format!("{EMPTY}  sub/a.raw\n"), bad_name("sub/a.raw")),
            (format!("{EMPTY}  a\tb\n"), bad_name("a\tb")),
            (format!("{EMPTY}  a\0\n"), bad_name("a\0")),
            (format!("{EMPTY}  a\u{7f}\n"), bad_name("a\u{7f}")),
            (format!("{EMPTY}  {long}\n"), bad_name(&long)),
            (
                format!("{EMPTY}  a%v\n"),
                SumsProblem::Percent("a%v".to_owned()),
            ),
            (
                format!("{ONES} *good.raw\n"),
                SumsProblem::Duplicate("good.raw".to_owned()),
            ),
        ] {
            let text = format!("{EMPTY}  good.raw\n{line}");
            assert_eq!(names(text.as_bytes()), Err((2, expected)), "{line:?}");
        }
        let not_utf8 = [EMPTY.as_bytes(), b"  a\xff.raw\n"].concat();
        assert_eq!(names(&not_utf8), Err((1, SumsProblem::NotUtf8)));
        let not_utf8_hash = [b"\xc3\xa9".as_slice(), &EMPTY.as_bytes()[2..], b"  a\n"].concat();
        assert_eq!(names(&not_utf8_hash), Err((1, SumsProblem::Hash)));
    }

    #[test]
    fn prints_lower_case_two_spaces_byte_order() {
        let upper = EMPTY.to_uppercase();
        let text = format!("{upper} *a.raw\n{ONES}  a-b.raw\n{EMPTY}  B.raw\n");
        let sums = Sums::parse(text.as_bytes()).unwrap();
        let expected = format!("{EMPTY}  B.raw\n{ONES}  a-b.raw\n{EMPTY}  a.raw\n");
        assert_eq!(String::from_utf8(sums.print()).unwrap(), expected);
        assert_eq!(Sums::parse(expected.as_bytes()), Ok(sums));
    }

    #[test]
    fn hash_bytes_are_in_order() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
        let expected: Vec<u8> = (0..32).collect();
        assert_eq!(parse_hash(hex.as_bytes()).unwrap(), *expected);
    }

    #[test]
    fn image_prefixes() {
        for (listed, expected) in [
            (&["a.raw", "a.manifest.gz"][..], None),
            (&["a.raw", "a.raw.json"], Some(("a.raw", "a.raw.json"))),
            (&["a.raw", "b.raw", "a.raw0"], Some(("a.raw", "a.raw0"))),
            (&["a.raw", "a.raw.raw"], Some(("a.raw", "a.raw.raw"))),
            (&["a.json", "a.json.gz"], None),
            (&["a.raw", "a.rawhide"], Some(("a.raw", "a.rawhide"))),
            (&["a.raw", "a-b.raw", "a.ra"], None),
        ] {
            let mut sums = Sums::default();
            for name in listed {
                sums.insert(name, [0; 32]);
            }
            assert_eq!(sums.image_prefix(), expected, "{listed:?}");
        }
    }

    #[test]
    fn images_by_prefix() {
        let mut sums = Sums::default();
        for name in [
            "gcc-1.raw",
            "gcc-1.manifest.gz",
            "gcc-c-1.raw",
            "gc.raw",
            "gccgo-1.raw",
        ] {
            sums.insert(name, [0; 32]);
        }
        let found: Vec<_> = sums.images_with("gcc-").collect();
        assert_eq!(found, ["gcc-1.raw", "gcc-c-1.raw"]);
    }
}
