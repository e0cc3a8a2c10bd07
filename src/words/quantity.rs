//! Numbers and sizes in words.

/// Returns a number with its noun: `1 path`, `2 paths`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns a size for people: `812 bytes`, `128 KiB`, `2.9 MiB`.
pub fn bytes(size: u64) -> String {
    let mut value = size as f64;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let text = format!("{value:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words() {
        for (size, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (131_072, "128 KiB"),
            (2_988_000, "2.8 MiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(
            (counted(1, "path"), counted(2, "path")),
            ("1 path".into(), "2 paths".into())
        );
    }
}
