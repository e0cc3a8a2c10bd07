//! The regular expressions of file contexts: PCRE's, as far as they need no backtracking.
//!
//! libselinux asks PCRE whether `^EXPRESSION$` matches, over bytes, where a dot is any byte. Groups,
//! alternatives, classes, repetitions and anchors are read here as PCRE reads them. What can only be
//! matched by going back (references, looking around, atomic groups) is refused, and so is every
//! escape whose meaning is not certain: a rule that is understood by half would be a wrong label.

/// Most groups within each other.
const MAX_DEPTH: usize = 64;
/// Largest count of a repetition.
const MAX_COUNT: u32 = 1000;

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class([u64; 4]);

impl Class {
    /// Every byte.
    pub const ANY: Self = Self([u64::MAX; 4]);

    /// The bytes of a range, both ends included.
    fn range(first: u8, last: u8) -> Self {
        let mut class = Self::default();
        (first..=last).for_each(|byte| class.insert(byte));
        class
    }

    /// The bytes for which this holds.
    fn of(holds: impl Fn(u8) -> bool) -> Self {
        let mut class = Self::default();
        (0..=u8::MAX)
            .filter(|byte| holds(*byte))
            .for_each(|byte| class.insert(byte));
        class
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn add(&mut self, other: Self) {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(word, more)| *word |= more);
    }

    fn inverted(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// Says whether a byte is in it.
    pub fn has(self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte >> 6))
            .is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// One byte.
    Byte(u8),
    /// One byte of a class.
    Class(Box<Class>),
    /// One after the other; nothing, if there are none.
    Sequence(Vec<Node>),
    /// One of them.
    Either(Vec<Node>),
    /// The same so many times, without end if there is no second number.
    Repeated(Box<Node>, u32, Option<u32>),
    /// The beginning of the text.
    Start,
    /// The end of the text.
    End,
}

/// Reads an expression.
pub fn parse(text: &[u8]) -> Result<Node, String> {
    let mut parser = Parser {
        rest: text,
        depth: 0,
    };
    let node = parser.alternatives()?;
    match parser.rest.first() {
        None => Ok(node),
        Some(_) => Err("a group ends that has not begun".to_owned()),
    }
}

/// Returns the path that an expression without any operator stands for; nothing if it has one.
pub fn literal(text: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' | b'^' | b'$' | b'?' | b'*' | b'+' | b'|' | b'[' | b'(' | b'{' => return None,
            b'\\' => match bytes.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => path.push(escaped),
                _ => return None,
            },
            other => path.push(other),
        }
    }
    Some(path)
}

struct Parser<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Takes a text, if it is what comes next.
    fn skip(&mut self, text: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        let mut all = vec![self.sequence()?];
        while self.skip(b"|") {
            all.push(self.sequence()?);
        }
        match (all.len(), all.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                all.extend(last);
                Ok(Node::Either(all))
            }
        }
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while let Some(byte) = self.rest.first() {
            if matches!(byte, b'|' | b')') {
                break;
            }
            let node = self.atom()?;
            let is_anchor = matches!(node, Node::Start | Node::End);
            nodes.push(match self.repetition()? {
                Some(_) if is_anchor => return Err("an anchor is repeated".to_owned()),
                Some((least, most)) => Node::Repeated(Box::new(node), least, most),
                None => node,
            });
        }
        Ok(Node::Sequence(nodes))
    }

    fn atom(&mut self) -> Result<Node, String> {
        match self.take() {
            Some(b'^') => Ok(Node::Start),
            Some(b'$') => Ok(Node::End),
            Some(b'.') => Ok(Node::Class(Box::new(Class::ANY))),
            Some(b'[') => self.class().map(|class| Node::Class(Box::new(class))),
            Some(b'(') => self.group(),
            Some(b'\\') => match self.escape()? {
                (_, Some(class)) => Ok(Node::Class(Box::new(class))),
                (byte, None) => Ok(Node::Byte(byte)),
            },
            Some(byte @ (b'*' | b'+' | b'?')) => {
                Err(format!("{:?} has nothing to repeat", char::from(byte)))
            }
            Some(byte) => Ok(Node::Byte(byte)),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn group(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!(
                "more than {MAX_DEPTH} groups are within each other"
            ));
        }
        if self.rest.first() == Some(&b'*') || self.rest.starts_with(b"?") && !self.skip(b"?:") {
            return Err("only plain groups, ( and (?:, are supported".to_owned());
        }
        let inside = self.alternatives()?;
        self.depth -= 1;
        match self.skip(b")") {
            true => Ok(inside),
            false => Err("a group has no end".to_owned()),
        }
    }

    /// Reads how often what was just read may come.
    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, String> {
        let counts = match self.rest.first() {
            _ if self.skip(b"*") => (0, None),
            _ if self.skip(b"+") => (1, None),
            _ if self.skip(b"?") => (0, Some(1)),
            Some(b'{') => match self.counts()? {
                Some(counts) => counts,
                // As PCRE has it, a brace that begins no repetition is one.
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        // Which match is the first makes no difference to whether there is one.
        self.skip(b"?");
        if let Some(b'+' | b'*' | b'?') = self.rest.first() {
            return Err("a possessive or doubled repetition is not supported".to_owned());
        }
        Ok(Some(counts))
    }

    /// Reads the numbers in braces.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, String> {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'}') else {
            return Ok(None);
        };
        let inside = self.rest.get(1..end).unwrap_or_default();
        let (first, second) = match inside.iter().position(|byte| *byte == b',') {
            None => (inside, None),
            Some(comma) => (
                inside.get(..comma).unwrap_or_default(),
                Some(inside.get(comma + 1..).unwrap_or_default()),
            ),
        };
        let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        if first.is_empty() && second.is_some_and(is_number) {
            return Err("{,N} means different things to different versions of PCRE".to_owned());
        }
        if !is_number(first) || second.is_some_and(|text| !text.is_empty() && !is_number(text)) {
            return Ok(None);
        }
        let number = |text: &[u8]| {
            let number = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
            number
                .filter(|number| *number <= MAX_COUNT)
                .ok_or_else(|| format!("a repetition has a count above {MAX_COUNT}"))
        };
        let least = number(first)?;
        let most = match second {
            None => Some(least),
            Some([]) => None,
            Some(text) => Some(number(text)?),
        };
        if most.is_some_and(|most| most < least) {
            return Err("a repetition ends below its beginning".to_owned());
        }
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Ok(Some((least, most)))
    }

    /// Reads what follows a backslash: a byte, or a class.
    fn escape(&mut self) -> Result<(u8, Option<Class>), String> {
        let byte = self.take().ok_or("it ends with a backslash")?;
        let class = |class: Class| Ok((byte, Some(class)));
        match byte {
            b'd' => class(named(b"digit").unwrap_or_default()),
            b'D' => class(named(b"digit").unwrap_or_default().inverted()),
            b'w' => class(named(b"word").unwrap_or_default()),
            b'W' => class(named(b"word").unwrap_or_default().inverted()),
            b's' => class(named(b"space").unwrap_or_default()),
            b'S' => class(named(b"space").unwrap_or_default().inverted()),
            b't' => Ok((b'\t', None)),
            b'n' => Ok((b'\n', None)),
            b'r' => Ok((b'\r', None)),
            other if other.is_ascii_alphanumeric() => Err(format!(
                "the escape \\{} is not supported",
                char::from(other)
            )),
            other => Ok((other, None)),
        }
    }

    /// Reads a class after its opening bracket.
    fn class(&mut self) -> Result<Class, String> {
        let is_inverted = self.skip(b"^");
        let mut class = Class::default();
        let mut is_first = true;
        loop {
            let byte = self.take().ok_or("a class has no end")?;
            if byte == b']' && !is_first {
                break;
            }
            is_first = false;
            if byte == b'[' && matches!(self.rest.first(), Some(b':' | b'.' | b'=')) {
                class.add(self.posix()?);
                continue;
            }
            let (first, set) = match byte {
                b'\\' => self.escape()?,
                other => (other, None),
            };
            if let Some(set) = set {
                if self.rest.first() == Some(&b'-') && self.rest.get(1) != Some(&b']') {
                    return Err("a range begins with a class".to_owned());
                }
                class.add(set);
                continue;
            }
            if self.rest.first() != Some(&b'-') || matches!(self.rest.get(1), Some(b']') | None) {
                class.insert(first);
                continue;
            }
            self.take();
            let last = match self.take() {
                Some(b'\\') => match self.escape()? {
                    (byte, None) => byte,
                    (_, Some(_)) => return Err("a range ends with a class".to_owned()),
                },
                Some(b'[') if matches!(self.rest.first(), Some(b':' | b'.' | b'=')) => {
                    return Err("a range ends with a class".to_owned());
                }
                Some(byte) => byte,
                None => return Err("a class has no end".to_owned()),
            };
            if last < first {
                return Err("a range ends below its beginning".to_owned());
            }
            class.add(Class::range(first, last));
        }
        Ok(if is_inverted { class.inverted() } else { class })
    }

    /// Reads the name of a class, as in `[:alpha:]`, after its opening bracket.
    fn posix(&mut self) -> Result<Class, String> {
        let end = self.rest.windows(2).position(|pair| pair == b":]");
        let name = end
            .and_then(|end| self.rest.get(1..end))
            .unwrap_or_default();
        let (name, is_inverted) = match name.strip_prefix(b"^") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let class = named(name).ok_or("a class has an unknown name, as in [:alpha:]")?;
        self.rest = self
            .rest
            .get(end.unwrap_or_default() + 2..)
            .unwrap_or_default();
        Ok(if is_inverted { class.inverted() } else { class })
    }
}

/// Returns the class of a name, in the C locale.
fn named(name: &[u8]) -> Option<Class> {
    let holds: fn(u8) -> bool = match name {
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"digit" => |byte| byte.is_ascii_digit(),
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"space" => |byte| matches!(byte, b' ' | 9..=13),
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"graph" => |byte| byte.is_ascii_graphic(),
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        b"word" => |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        _ => return None,
    };
    Some(Class::of(holds))
}
