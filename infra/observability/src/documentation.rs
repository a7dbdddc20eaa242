//! The lines of docs/slo.md that say in words what slos.toml says: the check wants them there, to the letter.
//!
//! Must not know: the rest of that page.

use crate::{Sources, slos::number};

/// The rows of its tables.
pub fn rows(sources: &Sources) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    for slo in &sources.slos.slo {
        let minutes = number((slo.budget_minutes() * 10.0).round() / 10.0);
        let budget = number(slo.budget() * 100.0);
        rows.push(format!(
            "| `{}` | {} | {} % over {} days | {budget} %, {minutes} minutes |",
            slo.name,
            slo.title,
            number(slo.goal * 100.0),
            slo.days
        ));
    }
    for burn in &sources.slos.burn {
        let windows = burn.windows.join(" and ");
        rows.push(format!(
            "| `{}` | {} × | {windows} | {} | {} |",
            burn.name,
            burn.rate,
            burn.severity.as_str(),
            burn.about
        ));
    }
    let mut alerts = Vec::new();
    for (slo, burn) in sources.slos.alerts()? {
        alerts.push(format!(
            "| `{}-{}` | more than {} % of {} |",
            slo.alert,
            burn.name,
            number(slo.threshold(burn) * 100.0),
            slo.name
        ));
    }
    rows.extend(alerts);
    Ok(rows)
}
