//! Where words go: answers to stdout, whole or not at all; what a person should know beside them to stderr.
//!
//! Must not know: what is said.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;
use zeroize::Zeroizing;

/// Answers in JSON or in words; wiped when they were said, for they may hold what is shown once.
pub(crate) fn answer(json: bool, body: &impl Serialize, words: impl FnOnce() -> String) -> anyhow::Result<()> {
    if json { say(&to_json(body)?) } else { say(&Zeroizing::new(words())) }
}

/// Writes `text` to stdout and makes sure that it has left: what is shown once must have been shown.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let written = write!(stdout, "{text}{end}").and_then(|()| stdout.flush());
    written.context("the answer could not be written to standard output")
}

/// The same, for what a reader may stop reading (`| head`) without having missed anything.
pub(crate) fn offer(text: &str) -> anyhow::Result<()> {
    say(text).or_else(|error| {
        let why = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if why == Some(std::io::ErrorKind::BrokenPipe) { Ok(()) } else { Err(error) }
    })
}

/// Writes a line to stderr. There is nowhere else to say that it did not work.
pub(crate) fn note(line: &str) {
    _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// For programs, and readable.
fn to_json(body: &impl Serialize) -> anyhow::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(serde_json::to_string_pretty(body)?))
}
