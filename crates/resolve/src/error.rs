//! What can be wrong with a dependency's text or a catalog's bytes. Requests that can't be met are
//! no errors but a [`Problem`](crate::Problem).

/// Why a text is not a dependency, or bytes are not a catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text breaks the grammar.
    #[error("malformed dependency `{text}`: {reason}")]
    Malformed {
        /// The dependency as it was given.
        text: String,
        /// What was looked for and not found, or found and not allowed.
        reason: &'static str,
    },
    /// The text asks for more than any package does.
    #[error("dependency `{text}` is too complex: {reason}")]
    TooComplex {
        /// The beginning of the dependency as it was given.
        text: String,
        /// The bound that is exceeded.
        reason: &'static str,
    },
    /// The bytes are no catalog that this version can use.
    #[error("damaged catalog of packages: {reason}")]
    DamagedCatalog {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More packages, or longer words, than the format holds.
    #[error("too much for a catalog of packages: {reason}")]
    CatalogTooLarge {
        /// The bound that is exceeded.
        reason: &'static str,
    },
}
