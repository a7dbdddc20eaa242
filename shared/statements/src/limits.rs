//! How much of a stranger's file is read.

/// The bounds of one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Bytes of one token: a tag, a comment, a piece of text.
    pub token: usize,
    /// Bytes of an element's text.
    pub text: usize,
    /// Elements within each other.
    pub depth: usize,
    /// What is kept: statements, entries and their transactions together.
    pub kept: usize,
}

impl Default for Limits {
    /// A bank's largest day, and some tens of megabytes of memory at most.
    fn default() -> Self {
        Self { bytes: 64 << 20, token: 64 << 10, text: 4 << 10, depth: 64, kept: 200_000 }
    }
}
