//! Key files, as GLib reads them: groups of keys with values.

use std::collections::BTreeMap;

/// A group: its name, and its keys with their values in the order in which they came.
pub(crate) type Group = (String, Vec<(String, String)>);

/// Reads the groups of a key file, in their order. What a group or a key says twice, counts as it was
/// said last.
///
/// # Errors
/// What is wrong, with the number of its line.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Group>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut groups: Vec<Group> = Vec::new();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut places: BTreeMap<(usize, String), usize> = BTreeMap::new();
    let mut current = None;
    for (line, number) in text.split('\n').zip(1..) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = line.trim_start_matches(is_space);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = group_of(line) {
            current = Some(*numbers.entry(name.to_owned()).or_insert_with(|| {
                groups.push((name.to_owned(), Vec::new()));
                groups.len() - 1
            }));
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(format!("line {number}: it is neither a group nor a key"));
        };
        let Some(group) = current else {
            return Err(format!("line {number}: it is in no group"));
        };
        let key = key.trim_end_matches(is_space).to_owned();
        let value = value.trim_start_matches(is_space).to_owned();
        let Some((_, pairs)) = groups.get_mut(group) else {
            continue;
        };
        match places.get(&(group, key.clone())) {
            Some(place) => pairs[*place].1 = value,
            None => {
                places.insert((group, key.clone()), pairs.len());
                pairs.push((key, value));
            }
        }
    }
    Ok(groups)
}

/// Returns the name of the group that a line begins.
fn group_of(line: &str) -> Option<&str> {
    let line = line.trim_end_matches(is_space);
    let name = line.strip_prefix('[')?.strip_suffix(']')?;
    let is_name = !name.is_empty() && !name.contains(['[', ']']);
    is_name.then_some(name)
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keys_and_values() {
        let text = "# a\n\n [one] \nb = c d \r\ne=\n[two]\nb=1\n[one]\nb=x=y\n";
        let said = |groups: Vec<Group>| format!("{groups:?}");
        let expected = r#"[("one", [("b", "x=y"), ("e", "")]), ("two", [("b", "1")])]"#;
        assert_eq!(said(read(text.as_bytes()).unwrap()), expected);
        for (text, expected) in [
            ("a=b", "line 1: it is in no group"),
            ("[a]\nb", "line 2: it is neither a group nor a key"),
            ("[a]\n=b", "line 2: it is neither a group nor a key"),
            ("[a\n", "line 1: it is neither a group nor a key"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), expected);
        }
    }
}
