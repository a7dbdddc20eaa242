//! Whether everything that is stated holds together: alerts and runbooks, expressions and metrics, sources and what is made of them.
//!
//! Must not know: how any of it is written.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    Sources,
    alerts::RUNBOOKS,
    cases::Cases,
    dashboards,
    exported::Exported,
    expression::{self, Asked},
    generate,
};

/// A file in the runbooks' folder that is none.
const NO_RUNBOOK: &str = "README";

/// All that is wrong.
pub fn all(sources: &Sources, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = runbooks(sources, &root.join(RUNBOOKS))?;
    wrong.extend(expressions(sources, &Exported::scan(root)?)?);
    wrong.extend(tried(sources, &Cases::read(&Sources::folder().join("cases"))?)?);
    wrong.extend(documented(sources, &fs::read_to_string(root.join("docs/slo.md")).unwrap_or_default())?);
    wrong.extend(generate::stale(sources, root)?);
    Ok(wrong)
}

/// Alerts without a runbook, and runbooks without an alert.
pub fn runbooks(sources: &Sources, folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "md")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            && name != NO_RUNBOOK
        {
            there.insert(name.to_owned());
        }
    }
    let (mut wrong, mut named) = (Vec::new(), BTreeSet::new());
    for alert in sources.all_alerts()? {
        if !there.contains(&alert.runbook) {
            wrong.push(format!("{}: its runbook {RUNBOOKS}/{}.md is not there", alert.name, alert.runbook));
        }
        named.insert(alert.runbook);
    }
    let unnamed = there.difference(&named);
    wrong.extend(unnamed.map(|name| format!("{RUNBOOKS}/{name}.md is the runbook of no alert")));
    Ok(wrong)
}

/// Expressions that cannot be read, or ask for what is not there.
pub fn expressions(sources: &Sources, exported: &Exported) -> anyhow::Result<Vec<String>> {
    let mut all: Vec<(String, String)> =
        sources.all_alerts()?.into_iter().map(|alert| (format!("alert {}", alert.name), alert.expr)).collect();
    all.extend(dashboards::queries(sources)?.into_iter().map(|shown| (shown.place, shown.expr)));
    let mut wrong = Vec::new();
    for (place, expr) in all {
        let expr = sources.with_defaults(&expr);
        match expression::read(&expr) {
            Err(error) => wrong.push(format!("{place}: {error}")),
            Ok(asked) => wrong.extend(asked_wrongly(sources, exported, &asked).map(|what| format!("{place}: {what}"))),
        }
    }
    wrong.dedup();
    Ok(wrong)
}

fn asked_wrongly<'a>(
    sources: &'a Sources,
    exported: &'a Exported,
    asked: &'a Asked,
) -> impl Iterator<Item = String> + use<'a> {
    let google = |name: &str| sources.google.metric.iter().find(|metric| metric.name == name);
    let matched = asked.selectors.iter().flat_map(move |selector| {
        if let Some(theirs) = google(&selector.metric) {
            let unknown = selector.labels.iter().filter(|label| !theirs.labels.contains(label));
            return unknown.map(|label| format!("{} has no label {label}", selector.metric)).collect();
        }
        let mut wrong = exported.wrong_with(&selector.metric, &selector.labels);
        let unheard_of =
            selector.values.iter().filter(|(label, value)| !value.is_empty() && label != "le" && !exported.says(value));
        wrong.extend(
            unheard_of.map(|(label, value)| format!("{}: nothing of ours is {label}={value:?}", selector.metric)),
        );
        wrong
    });
    // Whoever groups by a label of one metric may have others beside it that do not have it.
    let grouped = asked.grouped.iter().filter(move |(label, metrics)| {
        !metrics.iter().any(|metric| match google(metric) {
            Some(theirs) => theirs.labels.contains(label),
            None => exported.wrong_with(metric, [label]).is_empty(),
        })
    });
    matched.chain(grouped.map(|(label, metrics)| format!("none of {metrics:?} has a label {label}")))
}

/// Alerts that no case causes, and cases that name alerts which are not there.
pub fn tried(sources: &Sources, cases: &Cases) -> anyhow::Result<Vec<String>> {
    let alerts: BTreeSet<String> = sources.all_alerts()?.into_iter().map(|alert| alert.name).collect();
    let expected = cases.cases.iter().flat_map(|case| &case.expect).flat_map(|expect| &expect.firing);
    let caused: BTreeSet<String> = expected.cloned().collect();
    let untried = alerts.difference(&caused).map(|name| format!("alert {name}: no case causes it"));
    let unknown = caused.difference(&alerts).map(|name| format!("a case expects {name}, which is no alert"));
    Ok(untried.chain(unknown).collect())
}

/// Rows of the documentation's tables that are missing or say something else.
pub fn documented(sources: &Sources, text: &str) -> anyhow::Result<Vec<String>> {
    let rows = crate::documentation::rows(sources)?;
    let missing = rows.into_iter().filter(|row| !text.lines().any(|line| line == row));
    Ok(missing.map(|row| format!("docs/slo.md lacks the line: {row}")).collect())
}
