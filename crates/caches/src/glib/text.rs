//! Values as texts: `['a', 'b']`, `uint32 5`, `{'x': <1>}`.
//!
//! The type of a value is known before it is read, so what a text says of types counts only within a
//! variant, whose type is found from what is in it.

use super::types::Type;
use super::value::Value;

/// How deep values may nest.
const MAX_DEPTH: usize = 64;

/// What a text says, before it has a type.
#[derive(Clone, Debug)]
enum Said {
    Array(Vec<Said>),
    Tuple(Vec<Said>),
    Dictionary(Vec<(Said, Said)>),
    Entry(Box<(Said, Said)>),
    Variant(Box<Said>),
    Maybe(Option<Box<Said>>),
    Declared(Type, Box<Said>),
    Boolean(bool),
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
}

/// Reads a value of this type.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(text: &str, of: &Type) -> Result<Value, String> {
    // A text of C ends there.
    let text = text.split('\0').next().unwrap_or_default();
    let mut tokens = Tokens {
        rest: text,
        next: None,
    };
    let said = tokens.value(0)?;
    let value = said.value(of)?;
    match tokens.rest.trim_start_matches(is_space) {
        "" => Ok(value),
        rest => Err(format!("more follows the value: {}", shown(rest))),
    }
}

/// The pieces of a text.
struct Tokens<'a> {
    rest: &'a str,
    next: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    /// Returns the next piece, empty at the end, and leaves it there.
    fn peek(&mut self) -> &'a str {
        if let Some(next) = self.next {
            return next;
        }
        let text = self.rest.trim_start_matches(is_space);
        let (token, rest) = text.split_at(length_of(text));
        (self.next, self.rest) = (Some(token), rest);
        token
    }

    /// Takes the next piece if it is this.
    fn takes(&mut self, token: &str) -> bool {
        let is_it = self.peek() == token;
        if is_it {
            self.next = None;
        }
        is_it
    }

    fn needs(&mut self, token: &str) -> Result<(), String> {
        match self.takes(token) {
            true => Ok(()),
            false => Err(format!("{token} is missing before {}", shown(self.peek()))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Said, String> {
        if depth >= MAX_DEPTH {
            return Err(format!("values nest more than {MAX_DEPTH} deep"));
        }
        let depth = depth + 1;
        let token = self.peek();
        let mut characters = token.chars();
        let (first, second) = (characters.next(), characters.next());
        match (first, second) {
            (Some('['), _) => self.array(depth),
            (Some('('), _) => self.tuple(depth),
            (Some('{'), _) => self.dictionary(depth),
            (Some('<'), _) => {
                self.next = None;
                let value = self.value(depth)?;
                self.needs(">")?;
                Ok(Said::Variant(value.into()))
            }
            (Some('\'' | '"'), _) => {
                self.next = None;
                unquoted(token).map(Said::Text)
            }
            (Some('b'), Some('\'' | '"')) => {
                self.next = None;
                unquoted_bytes(token.get(1..).unwrap_or_default()).map(Said::Bytes)
            }
            (Some('-' | '+' | '.' | '0'..='9'), _) => {
                self.next = None;
                Ok(Said::Number(token.to_owned()))
            }
            (None, _) => Err("a value is missing".to_owned()),
            _ => self.word(token, depth),
        }
    }

    fn word(&mut self, token: &str, depth: usize) -> Result<Said, String> {
        self.next = None;
        Ok(match token {
            "true" => Said::Boolean(true),
            "false" => Said::Boolean(false),
            "inf" | "nan" => Said::Number(token.to_owned()),
            "nothing" => Said::Maybe(None),
            "just" => Said::Maybe(Some(self.value(depth)?.into())),
            _ => {
                let declared = match token.strip_prefix('@') {
                    Some(of) => Type::parse(of),
                    None => declared(token),
                };
                let Some(declared) = declared else {
                    return Err(format!("{} is not a value", shown(token)));
                };
                Said::Declared(declared, self.value(depth)?.into())
            }
        })
    }

    fn array(&mut self, depth: usize) -> Result<Said, String> {
        self.next = None;
        let mut values = Vec::new();
        while !self.takes("]") {
            if !values.is_empty() {
                self.needs(",")?;
            }
            values.push(self.value(depth)?);
        }
        Ok(Said::Array(values))
    }

    fn tuple(&mut self, depth: usize) -> Result<Said, String> {
        self.next = None;
        let mut values = Vec::new();
        while !self.takes(")") {
            if values.len() > 1 {
                self.needs(",")?;
            }
            values.push(self.value(depth)?);
            if values.len() == 1 {
                self.needs(",")?;
            }
        }
        Ok(Said::Tuple(values))
    }

    fn dictionary(&mut self, depth: usize) -> Result<Said, String> {
        self.next = None;
        let mut entries = Vec::new();
        while !self.takes("}") {
            if !entries.is_empty() {
                self.needs(",")?;
            }
            let key = self.value(depth)?;
            if entries.is_empty() && self.takes(",") {
                let value = self.value(depth)?;
                self.needs("}")?;
                return Ok(Said::Entry((key, value).into()));
            }
            self.needs(":")?;
            entries.push((key, self.value(depth)?));
        }
        Ok(Said::Dictionary(entries))
    }
}

/// Returns the length of the first piece of a text.
fn length_of(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |from: usize, is_part: &dyn Fn(u8) -> bool| {
        let rest = bytes.iter().skip(from);
        from + rest.take_while(|byte| is_part(**byte)).count()
    };
    match bytes {
        [] => 0,
        [quote @ (b'\'' | b'"'), ..] => 1 + quoted_length(&bytes[1..], *quote),
        [b'b', quote @ (b'\'' | b'"'), ..] => 2 + quoted_length(&bytes[2..], *quote),
        [b'-' | b'+' | b'.' | b'0'..=b'9', ..] => ends(0, &|byte| {
            byte.is_ascii_alphanumeric() || b"-+.".contains(&byte)
        }),
        [b'a'..=b'z', ..] => ends(0, &|byte| byte.is_ascii_alphanumeric()),
        [b'@' | b'%', ..] => {
            let mut open = 0;
            for (at, byte) in bytes.iter().enumerate().skip(1) {
                match byte {
                    b',' | b':' | b'>' | b']' => return at,
                    byte if is_space(char::from(*byte)) => return at,
                    b'(' | b'{' => open += 1,
                    b')' | b'}' if open == 0 => return at,
                    b')' | b'}' => open -= 1,
                    _ => {}
                }
            }
            bytes.len()
        }
        _ => text.chars().next().map_or(0, char::len_utf8),
    }
}

/// Returns how long the rest of a text in quotes is, with the quote that ends it.
fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        at += 1;
        if *byte == quote {
            return at;
        }
        if *byte == b'\\' {
            at += 1;
        }
    }
    rest.len()
}

const UNTERMINATED: &str = "a text in quotes does not end";

/// Returns a text in quotes as it is meant.
fn unquoted(token: &str) -> Result<String, String> {
    let mut characters = token.chars();
    let quote = characters.next();
    let mut text = String::new();
    loop {
        let character = characters.next().ok_or(UNTERMINATED)?;
        if Some(character) == quote {
            return Ok(text);
        }
        if character != '\\' {
            text.push(character);
            continue;
        }
        let escape = characters.next().ok_or(UNTERMINATED)?;
        let digits = match escape {
            'u' => 4,
            'U' => 8,
            _ => {
                text.extend(escaped(escape));
                continue;
            }
        };
        let number: String = characters.by_ref().take(digits).collect();
        let is_hex = number.len() == digits && number.bytes().all(|b| b.is_ascii_hexdigit());
        let code = u32::from_str_radix(&number, 16).ok().filter(|_| is_hex);
        let found = code.filter(|code| *code > 0).and_then(char::from_u32);
        text.push(found.ok_or_else(|| format!("\\{escape}{number} is not a character"))?);
    }
}

/// Returns the bytes of a text in quotes, with the zero at its end.
fn unquoted_bytes(token: &str) -> Result<Vec<u8>, String> {
    let bytes = token.as_bytes();
    let quote = bytes.first();
    let mut found = Vec::new();
    let mut at = 1;
    loop {
        let byte = *bytes.get(at).ok_or(UNTERMINATED)?;
        at += 1;
        if Some(&byte) == quote {
            found.push(0);
            return Ok(found);
        }
        if byte != b'\\' {
            found.push(byte);
            continue;
        }
        let escape = *bytes.get(at).ok_or(UNTERMINATED)?;
        at += 1;
        if !(b'0'..=b'7').contains(&escape) {
            match escape.is_ascii() {
                true => found.extend(escaped(char::from(escape)).map(|one| one as u8)),
                false => found.push(escape),
            }
            continue;
        }
        let mut value = escape - b'0';
        for _ in 0..2 {
            let Some(digit @ b'0'..=b'7') = bytes.get(at).copied() else {
                break;
            };
            value = (value << 3) | (digit - b'0');
            at += 1;
        }
        found.push(value);
    }
}

/// Returns what a character behind a backslash stands for; the end of a line for nothing.
fn escaped(character: char) -> Option<char> {
    Some(match character {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\n' => return None,
        other => other,
    })
}

/// Returns the type that a word declares.
fn declared(word: &str) -> Option<Type> {
    let letter = match word {
        "boolean" => b'b',
        "byte" => b'y',
        "int16" => b'n',
        "uint16" => b'q',
        "int32" => b'i',
        "handle" => b'h',
        "uint32" => b'u',
        "int64" => b'x',
        "uint64" => b't',
        "double" => b'd',
        "string" => b's',
        "objectpath" => b'o',
        "signature" => b'g',
        _ => return None,
    };
    Some(Type::Basic(letter))
}

impl Said {
    /// Makes it a value of a type.
    fn value(&self, of: &Type) -> Result<Value, String> {
        let wrong = || Err(format!("it can't be a value of the type {of}"));
        match (self, of) {
            (Self::Declared(_, said), _) => return said.value(of),
            (Self::Maybe(None), Type::Maybe(_)) => return Ok(Value::Maybe(None)),
            (Self::Maybe(Some(said)), Type::Maybe(of)) => {
                return Ok(Value::Maybe(Some(said.value(of)?.into())));
            }
            (Self::Maybe(_), _) => return wrong(),
            _ => {}
        }
        let (inner, depth) = of.innermost();
        let mut value = match (self, inner) {
            (Self::Array(values), Type::Array(of)) => {
                let values = values.iter().map(|value| value.value(of));
                Value::Parts(values.collect::<Result<_, _>>()?)
            }
            (Self::Tuple(values), Type::Tuple(parts)) if values.len() == parts.len() => {
                let values = values.iter().zip(parts);
                let values = values.map(|(value, of)| value.value(of));
                Value::Parts(values.collect::<Result<_, _>>()?)
            }
            (Self::Dictionary(entries), Type::Array(of)) => {
                let Type::Entry(parts) = &**of else {
                    return wrong();
                };
                let entries = entries.iter().map(|(key, value)| {
                    let pair = vec![key.value(&parts.0)?, value.value(&parts.1)?];
                    Ok::<_, String>(Value::Parts(pair))
                });
                Value::Parts(entries.collect::<Result<_, _>>()?)
            }
            (Self::Entry(pair), Type::Entry(parts)) => {
                Value::Parts(vec![pair.0.value(&parts.0)?, pair.1.value(&parts.1)?])
            }
            (Self::Variant(said), Type::Variant) => {
                let of = said.resolved()?;
                let value = said.value(&of)?;
                Value::Variant((of, value).into())
            }
            (Self::Boolean(value), Type::Basic(b'b')) => Value::Boolean(*value),
            (Self::Text(text), Type::Basic(b's')) => Value::Text(text.clone()),
            (Self::Text(text), Type::Basic(b'o')) if is_object_path(text) => {
                Value::Text(text.clone())
            }
            (Self::Text(text), Type::Basic(b'g')) if Type::are_valid(text) => {
                Value::Text(text.clone())
            }
            (Self::Bytes(bytes), Type::Array(of)) if **of == Type::Basic(b'y') => {
                let bytes = bytes.iter().map(|byte| Value::Integer((*byte).into()));
                Value::Parts(bytes.collect())
            }
            (Self::Number(token), Type::Basic(letter)) => number(token, *letter)?,
            _ => return wrong(),
        };
        for _ in 0..depth {
            value = Value::Maybe(Some(value.into()));
        }
        Ok(value)
    }

    /// Finds the type of what is in a variant: numbers are `i`, or `d` with a point, texts are `s`.
    fn resolved(&self) -> Result<Type, String> {
        let pattern = self.pattern()?;
        let mut text = String::new();
        for letter in pattern.chars() {
            match letter {
                '*' => return Err("the type of a value in a variant is not known".to_owned()),
                'M' => {}
                'S' => text.push('s'),
                'N' => text.push('i'),
                letter => text.push(letter),
            }
        }
        Type::parse(&text).ok_or_else(|| format!("{text} is not a type"))
    }

    /// Returns a pattern of the types that it may have: those of [`Type`], and `M` for what may be in
    /// a maybe, `N` for any number, `S` for any text, `*` for anything.
    fn pattern(&self) -> Result<String, String> {
        Ok(match self {
            Self::Array(values) => match values.is_empty() {
                true => "Ma*".to_owned(),
                false => format!("Ma{}", common(values.iter())?),
            },
            Self::Tuple(values) => {
                let parts: Vec<_> = (values.iter().map(Self::pattern)).collect::<Result<_, _>>()?;
                format!("M({})", parts.concat())
            }
            Self::Dictionary(entries) => {
                let Some((_, value)) = entries.first() else {
                    return Ok("Ma{**}".to_owned());
                };
                let key = common(entries.iter().map(|(key, _)| key))?;
                format!("Ma{{{}{}}}", key_letter(&key)?, value.pattern()?)
            }
            Self::Entry(pair) => {
                let key = pair.0.pattern()?;
                format!("M{{{}{}}}", key_letter(&key)?, pair.1.pattern()?)
            }
            Self::Variant(_) => "Mv".to_owned(),
            Self::Maybe(None) => "m*".to_owned(),
            Self::Maybe(Some(said)) => format!("m{}", said.pattern()?),
            Self::Declared(of, _) => of.to_string(),
            Self::Boolean(_) => "Mb".to_owned(),
            Self::Text(_) => "MS".to_owned(),
            Self::Bytes(_) => "May".to_owned(),
            Self::Number(token) => {
                let is_hex = token.starts_with("0x");
                let is_double = token.contains('.')
                    || (!is_hex && token.contains('e'))
                    || token.contains("inf")
                    || token.contains("nan");
                if is_double { "Md" } else { "MN" }.to_owned()
            }
        })
    }
}

/// Returns the letter of a type of keys.
fn key_letter(pattern: &str) -> Result<char, String> {
    let letter = pattern.strip_prefix('M').unwrap_or(pattern).chars().next();
    letter
        .filter(|letter| "bynqiuxthdsogNS".contains(*letter))
        .ok_or_else(|| "a key of a dictionary has parts".to_owned())
}

/// Returns the pattern that fits all.
fn common<'a>(values: impl Iterator<Item = &'a Said>) -> Result<String, String> {
    let mut common: Option<String> = None;
    for value in values {
        let pattern = value.pattern()?;
        common = Some(match common {
            None => pattern,
            Some(known) => coalesce(known.as_bytes(), pattern.as_bytes())
                .ok_or("values of an array have no type in common")?,
        });
    }
    Ok(common.unwrap_or_default())
}

/// Returns the pattern of what fits two.
fn coalesce(mut left: &[u8], mut right: &[u8]) -> Option<String> {
    let mut found = Vec::new();
    while let (Some(one), Some(other)) = (left.first(), right.first()) {
        if one == other {
            found.push(*one);
            (left, right) = (&left[1..], &right[1..]);
        } else if !narrow(&mut left, &mut right, &mut found)
            && !narrow(&mut right, &mut left, &mut found)
        {
            return None;
        }
    }
    let is_whole = left.is_empty() && right.is_empty();
    String::from_utf8(found).ok().filter(|_| is_whole)
}

/// Lets what is narrower take the place of a letter that stands for more, if one does.
fn narrow(wide: &mut &[u8], close: &mut &[u8], found: &mut Vec<u8>) -> bool {
    let (Some(one), Some(other)) = (wide.first().copied(), close.first().copied()) else {
        return false;
    };
    match one {
        b'*' if other != b')' => {
            let length = pattern_length(close);
            found.extend(&close[..length]);
            (*wide, *close) = (&wide[1..], &close[length..]);
        }
        b'M' if other == b'm' => {
            found.push(other);
            *close = &close[1..];
        }
        b'M' => *wide = &wide[1..],
        b'N' if b"ynqiuxthd".contains(&other) => {
            found.push(other);
            (*wide, *close) = (&wide[1..], &close[1..]);
        }
        b'S' if b"sog".contains(&other) => {
            found.push(other);
            (*wide, *close) = (&wide[1..], &close[1..]);
        }
        _ => return false,
    }
    true
}

/// Returns the length of the first type of a pattern.
fn pattern_length(pattern: &[u8]) -> usize {
    let mut length = (pattern.iter())
        .take_while(|letter| b"amM".contains(letter))
        .count();
    let mut open = 0_usize;
    while let Some(letter) = pattern.get(length) {
        length += 1;
        match letter {
            b'(' | b'{' => open += 1,
            b')' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    length
}

/// Returns a number of a type.
fn number(token: &str, letter: u8) -> Result<Value, String> {
    let wrong = || format!("{} is not a number", shown(token));
    if letter == b'd' {
        let is_decimal = !token.contains(['x', 'X', '_']);
        let value = token.parse::<f64>().ok().filter(|_| is_decimal);
        let value = value.ok_or_else(wrong)?;
        let is_said = token.contains("inf");
        return match value.is_infinite() && !is_said {
            true => Err(format!("{} is too large", shown(token))),
            false => Ok(Value::Double(value)),
        };
    }
    let (low, high): (i128, i128) = match letter {
        b'y' => (0, u8::MAX.into()),
        b'n' => (i16::MIN.into(), i16::MAX.into()),
        b'q' => (0, u16::MAX.into()),
        b'i' | b'h' => (i32::MIN.into(), i32::MAX.into()),
        b'u' => (0, u32::MAX.into()),
        b'x' => (i64::MIN.into(), i64::MAX.into()),
        b't' => (0, u64::MAX.into()),
        _ => {
            return Err(format!(
                "a number can't be a value of the type {}",
                char::from(letter)
            ));
        }
    };
    let (digits, sign) = match token.strip_prefix('-') {
        Some(rest) => (rest, -1),
        None => (token.strip_prefix('+').unwrap_or(token), 1),
    };
    let (digits, radix) = radix_of(digits);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| is_number);
    let value = i128::from(value.ok_or_else(wrong)?) * sign;
    match (low..=high).contains(&value) {
        true => Ok(Value::Integer(value)),
        false => Err(format!(
            "{} is out of the range of the type {}",
            shown(token),
            char::from(letter)
        )),
    }
}

/// Splits digits as C does: after `0x` they are hexadecimal, after another 0 octal.
pub(crate) fn radix_of(digits: &str) -> (&str, u32) {
    let hex = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
    match (hex, digits.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (digits, 10),
    }
}

fn is_object_path(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    text == "/"
        || text
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(is_part))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// Returns the beginning of a text, for a message.
fn shown(text: &str) -> String {
    match text.is_empty() {
        true => "its end".to_owned(),
        false => format!("{:?}", text.chars().take(40).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_values_of_their_type() {
        for (of, text, expected) in [
            ("i", " 5 ", "Integer(5)"),
            ("i", "uint32 0x10", "Integer(16)"),
            ("y", "010", "Integer(8)"),
            ("n", "-32768", "Integer(-32768)"),
            ("d", "1.5e3", "Double(1500.0)"),
            ("d", "-inf", "Double(-inf)"),
            ("mms", "'a'", "Maybe(Some(Maybe(Some(Text(\"a\")))))"),
            ("ms", "just 'a'", "Maybe(Some(Text(\"a\")))"),
            (
                "s",
                r#""it's \"\u00e4\"\
 \n""#,
                "Text(\"it's \\\"ä\\\" \\n\")",
            ),
            (
                "ay",
                r"b'a\101'",
                "Parts([Integer(97), Integer(65), Integer(0)])",
            ),
            (
                "v",
                "<[1, 2.0]>",
                "Variant((Array(Basic(100)), Parts([Double(1.0), Double(2.0)])))",
            ),
            ("v", "<@u 1>", "Variant((Basic(117), Integer(1)))"),
            (
                "v",
                "<[just 1, 2]>",
                "Variant((Array(Maybe(Basic(105))), Parts([Maybe(Some(Integer(1))), Maybe(Some(Integer(2)))])))",
            ),
            (
                "a{sv}",
                "{'a': <'b'>}",
                "Parts([Parts([Text(\"a\"), Variant((Basic(115), Text(\"b\")))])])",
            ),
            ("a{ss}", "{}", "Parts([])"),
            ("as", "@as []", "Parts([])"),
            ("(s)", "('a',)", "Parts([Text(\"a\")])"),
            ("o", "'/a/b_1'", "Text(\"/a/b_1\")"),
        ] {
            let found = parse(text, &Type::parse(of).unwrap()).unwrap();
            assert_eq!(format!("{found:?}"), expected, "{text}");
        }
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let deepest = "a".repeat(MAX_DEPTH) + "i";
        assert!(parse(&deep(MAX_DEPTH), &Type::parse(&deepest).unwrap()).is_ok());
        for (of, text, expected) in [
            ("i", "", "a value is missing"),
            ("i", "5 6", "more follows the value: \"6\""),
            ("y", "256", "\"256\" is out of the range of the type y"),
            ("i", "5x", "\"5x\" is not a number"),
            ("d", "1e999", "\"1e999\" is too large"),
            ("s", "5", "a number can't be a value of the type s"),
            ("s", "'a", "a text in quotes does not end"),
            ("s", r"'\ud800'", r"\ud800 is not a character"),
            ("(s)", "('a')", ", is missing before \")\""),
            ("as", "['a' 'b']", ", is missing before \"'b'\""),
            ("v", "<[]>", "the type of a value in a variant is not known"),
            (
                "v",
                "<[1, 'a']>",
                "values of an array have no type in common",
            ),
            ("s", "maybe", "\"maybe\" is not a value"),
            ("o", "'/a/'", "it can't be a value of the type o"),
            ("i", &deep(MAX_DEPTH + 1), "values nest more than 64 deep"),
        ] {
            let error = parse(text, &Type::parse(of).unwrap()).unwrap_err();
            assert_eq!(error, expected, "{text}");
        }
    }
}
