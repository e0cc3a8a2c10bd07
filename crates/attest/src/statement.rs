//! What is said of a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of a statement.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What is said: how the file was built.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A statement of in-toto, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// The files of which something is said.
    pub subject: Vec<Subject>,
    /// What kind of thing is said.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Value,
}

/// A file of which something is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its digests in hexadecimal digits, by the names of their algorithms.
    pub digest: BTreeMap<String, String>,
}

impl Statement {
    /// Says how a file was built that has this SHA-256.
    #[must_use]
    pub fn provenance(name: &str, sha256: &[u8; 32], predicate: Value) -> Self {
        Self {
            kind: STATEMENT.to_owned(),
            subject: vec![Subject {
                name: name.to_owned(),
                digest: BTreeMap::from([("sha256".to_owned(), hex::encode(sha256))]),
            }],
            predicate_type: PROVENANCE.to_owned(),
            predicate,
        }
    }

    /// Whether it says how the file with this SHA-256 was built.
    #[must_use]
    pub fn is_about(&self, sha256: &[u8; 32]) -> bool {
        let digest = hex::encode(sha256);
        let is_it = |subject: &Subject| subject.digest.get("sha256") == Some(&digest);
        self.predicate_type == PROVENANCE && self.subject.iter().any(is_it)
    }

    /// Whether its form is one that is known.
    pub(crate) fn is_known(&self) -> bool {
        // Version 0.1 has the same fields, and cosign writes it.
        [STATEMENT, "https://in-toto.io/Statement/v0.1"].contains(&self.kind.as_str())
    }
}
