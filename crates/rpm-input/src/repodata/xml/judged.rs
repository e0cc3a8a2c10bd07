//! The reader of XML beside quick-xml: random documents, whole and damaged, mean the same to both.

use quick_xml::Reader;
use quick_xml::escape::{resolve_xml_entity, unescape_with};
use quick_xml::events::Event;

use super::{MAX_DEPTH, Next, Xml};

/// What a document says, in order; pieces of one text are joined.
#[derive(Debug, PartialEq)]
enum Said {
    Start(String, Vec<(String, String)>),
    End,
    Text(String),
}

fn push_text(said: &mut Vec<Said>, text: &str) {
    match said.last_mut() {
        _ if text.is_empty() => {}
        Some(Said::Text(before)) => before.push_str(text),
        _ => said.push(Said::Text(text.to_owned())),
    }
}

fn ours(text: &str) -> Result<Vec<Said>, String> {
    let mut xml = Xml::new(text.as_bytes(), "test", 0).map_err(|error| error.to_string())?;
    let mut said = Vec::new();
    loop {
        match xml.next().map_err(|error| error.to_string())? {
            Next::Start(tag) => {
                let mut attributes = Vec::new();
                xml.attributes(tag, |key, value| {
                    attributes.push((key.to_owned(), value.into_owned()));
                    Ok(())
                })
                .map_err(|error| error.to_string())?;
                said.push(Said::Start(tag.full.to_owned(), attributes));
                if tag.empty {
                    said.push(Said::End);
                }
            }
            Next::End => said.push(Said::End),
            Next::Text(text) => push_text(&mut said, &text),
            Next::Over => return Ok(said),
        }
    }
}

fn theirs(text: &str) -> Result<Vec<Said>, String> {
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut said = Vec::new();
    let mut depth = 0;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            event @ (Event::Start(_) | Event::Empty(_)) => {
                let empty = matches!(event, Event::Empty(_));
                let (Event::Start(start) | Event::Empty(start)) = event else {
                    unreachable!("the arm is of these two");
                };
                let mut attributes = Vec::new();
                for attribute in start.attributes().with_checks(false) {
                    let attribute = attribute.map_err(|error| error.to_string())?;
                    let value = unescape_with(&attribute.value, resolve_xml_entity)
                        .map_err(|error| error.to_string())?;
                    attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
                }
                said.push(Said::Start(start.name().as_ref().to_owned(), attributes));
                if empty {
                    said.push(Said::End);
                } else {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err("too deep".to_owned());
                    }
                }
            }
            Event::End(_) => {
                depth -= 1;
                said.push(Said::End);
            }
            Event::Text(text) => push_text(&mut said, &text),
            Event::CData(text) => push_text(&mut said, &text),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref();
                match character.map_err(|error| error.to_string())? {
                    Some(character) => push_text(&mut said, &character.to_string()),
                    None => match resolve_xml_entity(&reference) {
                        Some(text) => push_text(&mut said, text),
                        None => return Err("unknown entity".to_owned()),
                    },
                }
            }
            Event::DocType(_) => return Err("document type".to_owned()),
            Event::Eof if depth > 0 => return Err("it ends early".to_owned()),
            Event::Eof => return Ok(said),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

/// What we refuse as the standard does, and quick-xml does not: a `<` in a tag, a tag or an
/// instruction without a name, and an attribute whose name begins with `=`.
const STRICTER: [&str; 4] = [
    "a tag is not closed",
    "a tag has no name",
    "an instruction has no name",
    "is not an attribute",
];

/// A generator of numbers (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn choose(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 6] = ["a", "rpm:entry", "b", "file", "x:b", "é"];
const TEXTS: [&str; 13] = [
    "t",
    " ",
    "\n",
    "&lt;",
    "&amp;",
    "&#65;",
    "&#x41;",
    "&apos;&quot;&gt;",
    "é",
    "]]",
    "'",
    "/",
    "1.2-3~",
];
const PIECES: [&str; 30] = [
    "<",
    ">",
    "/",
    "=",
    "\"",
    "'",
    "&",
    ";",
    "&no;",
    "&#0;",
    "&#xd800;",
    "&#x110000;",
    "&#+1;",
    "&#x;",
    "<!--",
    "-->",
    "--",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a>",
    "<!",
    "</a>",
    "<a>",
    " ",
    "\t",
    "\u{feff}",
    "<b c='>'/>",
    "\r\n",
];

/// Writes an element with children of any kind.
fn element(random: &mut Random, depth: usize, out: &mut String) {
    let name = random.choose(&NAMES);
    out.push('<');
    out.push_str(name);
    for _ in 0..random.below(3) {
        let quote = random.choose(&["\"", "'"]);
        out.push_str(random.choose(&[" ", "\n", "  "]));
        out.push_str(random.choose(&NAMES));
        out.push_str(random.choose(&["=", " = ", "= "]));
        out.push_str(quote);
        for _ in 0..random.below(3) {
            out.push_str(random.choose(&["v", "&amp;", ">", "/", " ", "&#x42;", "=", "é"]));
        }
        out.push_str(quote);
    }
    out.push_str(random.choose(&["", "", " "]));
    if random.below(4) == 0 {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for _ in 0..random.below(4) {
        match random.below(6) {
            0 | 1 if depth < 5 => element(random, depth + 1, out),
            2 => out.push_str(random.choose(&[
                "<!-- < > & -->",
                "<?x <a> ?>",
                "<![CDATA[<a>&amp;]]>",
            ])),
            _ => out.push_str(random.choose(&TEXTS)),
        }
    }
    out.push_str("</");
    out.push_str(name);
    out.push_str(random.choose(&["", "", " "]));
    out.push('>');
}

fn damage(random: &mut Random, text: &mut String) {
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    let place = places[random.below(places.len())];
    match random.below(3) {
        0 => text.truncate(place),
        1 => drop(text.remove(place)),
        _ => text.insert_str(place, random.choose(&PIECES)),
    }
}

/// How many documents are compared; a million agreed, too.
const DOCUMENTS: u64 = 20_000;

#[test]
fn documents_mean_what_quick_xml_reads() {
    let (mut read, mut refused, mut stricter) = (0, 0, 0);
    for seed in 1..=DOCUMENTS {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut text = String::new();
        element(&mut random, 0, &mut text);
        for _ in 0..random.below(4) {
            if !text.is_empty() {
                damage(&mut random, &mut text);
            }
        }
        match (ours(&text), theirs(&text)) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "seed {seed}: {text:?}");
                read += 1;
            }
            (Err(_), Err(_)) => refused += 1,
            (Err(reason), Ok(_)) if STRICTER.iter().any(|known| reason.ends_with(known)) => {
                stricter += 1;
            }
            (ours, theirs) => panic!("seed {seed}: {text:?}\nours: {ours:?}\ntheirs: {theirs:?}"),
        }
    }
    assert!(
        read > DOCUMENTS / 4 && refused > DOCUMENTS / 8 && stricter < DOCUMENTS / 50,
        "{read} read, {refused} refused, {stricter} by our stricter rule"
    );
}
