//! Changes of status as text: `>PENDING`, or `PENDING>AUTHORIZED AUTHORIZED>CAPTURED`, or nothing.

use tollgate_domain::Transition;

use crate::Named;

/// The text of `transitions`.
pub fn transitions_to_text(transitions: &[Transition]) -> String {
    let arrows: Vec<String> =
        transitions.iter().map(|step| format!("{}>{}", step.from.map_or("", Named::name), step.to.name())).collect();
    arrows.join(" ")
}

/// Reads that text. `None`: it is none.
pub fn transitions_from_text(text: &str) -> Option<Vec<Transition>> {
    text.split_whitespace().map(arrow).collect()
}

fn arrow(text: &str) -> Option<Transition> {
    let (from, to) = text.split_once('>')?;
    let from = if from.is_empty() { None } else { Some(Named::named(from)?) };
    Some(Transition { from, to: Named::named(to)? })
}
