//! Numbers and sizes in words.

/// Returns a number with its noun: `1 path`, `2 paths`, `2 patches`.
pub fn counted(number: usize, noun: &str) -> String {
    let hisses = ["ch", "sh"].iter().any(|end| noun.ends_with(end));
    let end = match (number, hisses) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {noun}{end}")
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
        for (noun, one, two) in [
            ("path", "1 path", "2 paths"),
            ("patch", "1 patch", "2 patches"),
            ("root hash", "1 root hash", "2 root hashes"),
        ] {
            assert_eq!(
                (counted(1, noun), counted(2, noun)),
                (one.into(), two.into())
            );
        }
    }
}
