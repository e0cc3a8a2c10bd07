//! Libraries that an object may load later, as it says in a `.note.dlopen`.
//!
//! The note is described by <https://uapi-group.org/specifications/specs/elf_dlopen_metadata/>:
//! owner `FDO`, type 0x407c0c0a, content a JSON array with one object a feature.

use serde::{Deserialize, Serialize};

/// The note's type.
pub(crate) const NOTE_TYPE: u64 = 0x407c_0c0a;
/// The note's owner.
pub(crate) const NOTE_OWNER: &str = "FDO";

/// How much is lost without the libraries of a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// The program does not work.
    Required,
    /// Something that many use does not work.
    #[default]
    Recommended,
    /// Something that few use does not work.
    Suggested,
}

/// One feature, and the libraries that it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dlopen {
    /// A name of the feature.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub feature: String,
    /// How much is lost without.
    #[serde(default)]
    pub priority: Priority,
    /// Names of which one is enough, the best first.
    pub soname: Vec<String>,
}

/// Reads the JSON of a note; `None` where it is not what the specification says, since what the
/// loader does not look at makes no object unsound.
pub(crate) fn parse(json: &[u8]) -> Option<Vec<Dlopen>> {
    let end = json.iter().position(|byte| *byte == 0);
    let features: Vec<Dlopen> = serde_json::from_slice(&json[..end.unwrap_or(json.len())]).ok()?;
    Some(
        features
            .into_iter()
            .filter(|one| !one.soname.is_empty())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_content() {
        let json = br#"[{"feature":"xz","description":"Support xz","priority":"suggested",
                         "soname":["liblzma.so.5"]},{"soname":["a.so","b.so"]}]"#;
        let parsed = parse(&[json.as_slice(), b"\0\0"].concat()).unwrap();
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].priority, Priority::Suggested);
        assert_eq!(parsed[1].priority, Priority::Recommended);
        assert_eq!(parsed[1].soname, ["a.so", "b.so"]);
        for wrong in [&b"{}"[..], b"[1]", b"", br#"[{"soname":"x"}]"#] {
            assert_eq!(parse(wrong), None);
        }
    }
}
