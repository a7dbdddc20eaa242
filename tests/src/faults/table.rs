//! The matrix as a Markdown table.

use std::{fmt::Write, time::Duration};

use super::{
    cell::Outcome,
    matrix::{Part, TROUBLES, meaningless},
};

/// The table of the parts that were asked for, in the matrix's order; what means nothing, with its reason; and what was wrong.
pub fn table(outcomes: &[Outcome], asked: &[Part]) -> String {
    let mut text = String::from(
        "| part | trouble | hits | answered | refused | no answer | recovered after | all told after | told again | verdict |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for (part, trouble) in asked.iter().flat_map(|part| TROUBLES.map(|trouble| (*part, trouble))) {
        if let Some(why) = meaningless(part, trouble) {
            // Writing to a string does not fail.
            _ = writeln!(text, "| {} | {} | | | | | | | | means nothing: {why} |", part.name(), trouble.name());
            continue;
        }
        for outcome in outcomes.iter().filter(|outcome| (outcome.part, outcome.trouble) == (part, trouble)) {
            text.push_str(&line(outcome));
        }
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.wrong.is_empty()) {
        _ = writeln!(text, "\n{} {}:", outcome.part.name(), outcome.trouble.name());
        for what in &outcome.wrong {
            _ = writeln!(text, "- {what}");
        }
    }
    text
}

/// One cell.
pub(super) fn line(outcome: &Outcome) -> String {
    let Outcome { part, trouble, hits, tally, recovered, told, again, wrong } = outcome;
    let verdict = if wrong.is_empty() { "good" } else { "**RED**" };
    format!(
        "| {} | {} | {hits} | {} | {} | {} | {} | {} | {again} | {verdict} |\n",
        part.name(),
        trouble.name(),
        tally.answered,
        tally.refused,
        tally.unknown,
        seconds(*recovered),
        seconds(*told)
    )
}

fn seconds(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "never".to_owned(), |duration| format!("{:.0} s", duration.as_secs_f64()))
}
