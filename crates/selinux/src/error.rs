//! Why no label can be computed.

/// Contexts that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A line that is not understood.
    #[error("file_contexts{ending}, line {line}: {problem}")]
    Line {
        /// The end of the file's name: nothing, `.homedirs` or `.local`.
        ending: &'static str,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The compiled form of contexts.
    #[error(
        "file_contexts{0} is in its compiled form, which is not read; the text that it was made of is"
    )]
    Compiled(&'static str),
    /// Expressions that take too much memory or time; those of this place did.
    #[error("the expressions of file_contexts take too much memory or time ({0})")]
    TooMuch(String),
}
