//! Why a file is refused, and where. A stranger's text is repeated in parts only, and without what could command a terminal.

use std::fmt;

use tollgate_domain::Currency;

use crate::statement::Balance;

/// The most that is repeated of what was found.
const REPEATED_CHARS: usize = 60;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementError {
    /// The line, from 1.
    pub line: u64,
    /// The elements around it, from the outside in; empty: none yet.
    pub element: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The input failed.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// Not XML, or nested wrongly.
    #[error("not well-formed XML: {0}")]
    NotXml(String),
    /// It ends too soon.
    #[error("the file ends here, before the element does")]
    Truncated,
    /// More than a reading takes.
    #[error("more than {0}")]
    TooMuch(String),
    /// It could define entities.
    #[error("a DOCTYPE is not taken")]
    Doctype,
    /// Only those of XML itself are known without a DOCTYPE.
    #[error("the entity {0} is not taken")]
    Entity(String),
    /// Not the encoding that is read.
    #[error("the encoding {0} is not read: it must be UTF-8")]
    Encoding(String),
    /// Another message, or none of ISO 20022.
    #[error("not a camt.053 statement: {0}")]
    NotAStatement(String),
    /// An element where it cannot be.
    #[error("this element cannot be here")]
    Misplaced,
    /// Twice what can be once.
    #[error("this is said twice")]
    Repeated,
    /// Text between elements.
    #[error("text between elements")]
    TextBetweenElements,
    /// Something is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value of another kind.
    #[error("{found} is not {expected}")]
    Wrong {
        /// What can be here.
        expected: &'static str,
        /// What is.
        found: String,
    },
    /// Another currency than the account's.
    #[error("{found} on an account in {account}")]
    Currency {
        /// The account's.
        account: Currency,
        /// What is here.
        found: Currency,
    },
    /// The booked entries do not lead from one balance to the other.
    #[error("{0}")]
    DoesNotClose(Box<Gap>),
    /// The parts of an entry are not the whole.
    #[error("{0}")]
    DetailsDoNotSum(Box<Parts>),
}

/// Balances that do not fit what was booked between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The opening balance.
    pub opening: Balance,
    /// It and all that was booked.
    pub sum: Balance,
    /// What the bank says.
    pub closing: Balance,
    /// The closing balance less the sum.
    pub by: Balance,
}

/// Details that do not come to their entry, both along the entry's direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The entry.
    pub entry: Balance,
    /// The details.
    pub sum: Balance,
    /// The entry less the sum.
    pub by: Balance,
}

impl Problem {
    /// `found` is not `expected`.
    pub(crate) fn wrong(expected: &'static str, found: &str) -> Self {
        Self::Wrong { expected, found: quoted(found) }
    }
}

/// A stranger's text as it may be repeated.
pub(crate) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(REPEATED_CHARS).collect();
    format!("{cut:?}")
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opening, sum, closing, by } = self;
        write!(
            f,
            "opening {opening} and the booked entries come to {sum}, but the closing balance is {closing}: {by} apart"
        )
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the details come to {}, but the entry is {}: {} apart", self.sum, self.entry, self.by)
    }
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, element, problem } = self;
        if element.is_empty() {
            write!(f, "line {line}: {problem}")
        } else {
            write!(f, "line {line}, {element}: {problem}")
        }
    }
}

impl std::error::Error for StatementError {}
