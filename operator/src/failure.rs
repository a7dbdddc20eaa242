//! How the command ends when something is wrong: what to say, and with which code.
//!
//! Must not know: what can go wrong.

use std::process::ExitCode;

use tollgate_runtime::config::Mistakes;

use crate::output;

/// Says what is wrong. A wrong environment or argument is 2, as for the functions; anything else is `code`.
pub(crate) fn report(error: &anyhow::Error, code: u8) -> ExitCode {
    let Some(mistakes) = error.downcast_ref::<Mistakes>() else {
        output::note(&format!("error: {error:#}"));
        return ExitCode::from(code);
    };
    for line in &mistakes.0 {
        output::note(&format!("error: {line}"));
    }
    ExitCode::from(2)
}

/// An argument that is wrong in a way that only its command sees.
pub(crate) fn mistaken(line: impl Into<String>) -> anyhow::Error {
    Mistakes(vec![line.into()]).into()
}
