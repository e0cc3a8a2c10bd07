//! Files of settings, in the syntax of systemd.syntax(7), as systemd reads its own.

/// Returns the values that a file gives a key of a section, in their order. A line goes on after a
/// backslash.
#[must_use]
pub fn settings(text: &str, section: &str, key: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut is_within = false;
    let mut whole = String::new();
    for line in text.lines() {
        let start = line.trim_start();
        if start.starts_with(['#', ';']) {
            continue;
        }
        let line = if whole.is_empty() { start } else { line };
        if let Some(first) = line.strip_suffix('\\') {
            whole += first;
            whole.push(' ');
            continue;
        }
        whole += line;
        let line = std::mem::take(&mut whole);
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            is_within = name == section;
        } else if is_within
            && let Some((name, value)) = line.split_once('=')
            && name.trim_end() == key
        {
            values.push(value.trim_start().to_owned());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_key() {
        for (text, expected) in [
            ("[SysExt]\nImagePolicy=root=signed\n", &["root=signed"][..]),
            (
                "[SysExt]\n ImagePolicy = a\r\n#ImagePolicy=b\n;ImagePolicy=c",
                &["a"],
            ),
            ("[SysExt]\nImagePolicy=a\nImagePolicy=\n", &["a", ""]),
            ("[ConfExt]\nImagePolicy=a\n[SysExt]\nImagePolicies=b\n", &[]),
            ("ImagePolicy=a\n", &[]),
            ("[SysExt]\nMutable=no \\\nImagePolicy=a\n", &[]),
            ("[SysExt]\nImagePolicy=a \\\n# b\n c\n", &["a   c"]),
        ] {
            assert_eq!(
                settings(text, "SysExt", "ImagePolicy"),
                expected,
                "{text:?}"
            );
        }
    }
}
