//! Reads the bank's account statements: ISO 20022 camt.053 (`BkToCstmrStmt`), any version from 001.02 to 001.13. What comes out
//! is typed and adds up; what does not is refused, with its line and element.
//!
//! The file is a stranger's. It is read as a stream, and bounded in every direction: bytes, depth, one token, one text, and how
//! much is kept. A DOCTYPE, and with it every entity of its own, is refused.
//!
//! Must not know: payments, stores, what an entry means to us.

mod amounts;
mod bounded;
mod collect;
mod dates;
mod drafts;
mod elements;
mod error;
mod limits;
mod statement;
#[cfg(test)]
mod tests;

use std::io::BufRead;

pub use error::{Gap, Parts, Problem, StatementError};
pub use limits::Limits;
pub use statement::{Account, Balance, Entry, Side, Statement, Status, Transaction};

use collect::Collector;
use elements::{Elements, Step};

/// Every statement of the file, in its order; never none.
pub fn read(input: impl BufRead, limits: &Limits) -> Result<Vec<Statement>, StatementError> {
    let mut elements = Elements::new(input, limits);
    let mut collector = Collector::new(limits);
    loop {
        let done = match elements.next()? {
            Step::Opened => collector.opened(elements.path(), elements.line()),
            Step::Closed(leaf) => collector.closed(elements.closed_path(), &leaf),
            Step::End => return collector.finish().map_err(|problem| elements.error(problem)),
        };
        done.map_err(|problem| elements.error(problem))?;
    }
}
