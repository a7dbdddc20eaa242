//! How the domain's values are written in rows, the same in every store: choices by name, nested values as JSON, changes of
//! status as text. So a row means the same in SQLite and in Spanner.
//!
//! Must not know: any database, tables, or what a payment may do.

mod causes;
mod flags;
mod names;
mod record;
mod transitions;

pub use causes::cause;
pub use flags::{flag_name_from_text, flag_name_to_text, flag_value_from_text, flag_value_to_text};
pub use names::Named;
pub use record::Kept;
pub use transitions::{transitions_from_text, transitions_to_text};
