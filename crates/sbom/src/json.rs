//! JSON that shows nothing but plain text wherever it is printed.

use std::fmt::Write as _;

use serde::Serialize;

/// Writes a value as JSON in ASCII, with a newline at the end.
pub(crate) fn write(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_string_pretty(value)?;
    let mut ascii = String::with_capacity(json.len() + 1);
    for letter in json.chars() {
        match letter {
            '\n' | ' '..='~' => ascii.push(letter),
            // Only strings have others, as all that is not ASCII and the one control that JSON allows.
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
    }
    ascii.push('\n');
    Ok(ascii.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn letters_that_are_not_plain_are_escapes() {
        for (text, expected) in [
            ("a b~", "\"a b~\"\n"),
            ("ä\u{202e}", "\"\\u00e4\\u202e\"\n"),
            (
                "\u{1f600}\u{7f}\u{1b}",
                "\"\\ud83d\\ude00\\u007f\\u001b\"\n",
            ),
        ] {
            let json = write(&text).unwrap();
            assert_eq!(String::from_utf8(json.clone()).unwrap(), expected);
            assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }
    }
}
