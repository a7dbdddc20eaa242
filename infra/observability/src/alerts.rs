//! Every alert, as it is for Cloud Monitoring and for Prometheus: those that people wrote, and those of budgets.
//!
//! Must not know: how either of them is written.

use anyhow::{Context as _, bail};

use crate::{
    Sources,
    sources::{Query, Severity},
};

/// Where runbooks are, from the repository's root.
pub const RUNBOOKS: &str = "docs/runbooks";

/// An alert.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// `docs/runbooks/<runbook>.md`.
    pub runbook: String,
    /// Who is told.
    pub severity: Severity,
    /// For how long it must hold.
    pub lasting: String,
    /// What happened.
    pub summary: String,
    /// `PromQL`, still with `@name@`.
    pub expr: String,
    /// Whether a rollout is undone by it.
    pub canary: bool,
}

impl Sources {
    /// All of them: the written ones in their order, then those of budgets.
    pub fn all_alerts(&self) -> anyhow::Result<Vec<Alert>> {
        let mut all = Vec::new();
        for written in &self.alerts.alert {
            all.push(Alert {
                name: written.name.clone(),
                runbook: written.runbook.clone(),
                severity: written.severity,
                lasting: written.lasting.clone(),
                summary: written.summary.clone(),
                expr: expand(written.expr.trim()).with_context(|| written.name.clone())?,
                canary: written.canary,
            });
        }
        for (slo, burn) in self.slos.alerts()? {
            let at_least = (burn.severity != Severity::Ticket).then_some(self.slos.page_at_least);
            all.push(Alert {
                name: format!("{}-{}", slo.alert, burn.name),
                runbook: slo.runbook.clone(),
                severity: burn.severity,
                lasting: "0s".to_owned(),
                summary: format!("{}: the budget burns {} times too fast. {}", slo.title, burn.rate, burn.about),
                expr: slo.burning(burn, at_least),
                canary: false,
            });
        }
        Ok(all)
    }

    /// A dashboard's query as `PromQL`, still with `@name@`.
    pub fn promql(&self, query: &Query) -> anyhow::Result<String> {
        match (&query.expr, &query.slo, query.show) {
            (Some(expr), None, None) => expand(expr.trim()),
            (None, Some(name), Some(what)) => {
                let slo = self.slos.slo(name).with_context(|| format!("there is no objective {name}"))?;
                Ok(slo.shown(what))
            }
            _ => bail!("a query is `expr`, or `slo` and `show`"),
        }
    }

    /// Puts in what the project is made of, as far as it is not known yet.
    pub fn with_defaults(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.alerts.defaults {
            text = text.replace(&format!("@{name}@"), value);
        }
        text
    }

    /// Where a runbook is, in the repository.
    pub fn runbook_path(runbook: &str) -> String {
        format!("{RUNBOOKS}/{runbook}.md")
    }
}

/// Growth within `window`, of series that began within it all that they show. A series that was there within the hour before is no new one: a
/// gap in what was scraped is no event.
pub(crate) fn growth(selector: &str, window: &str) -> String {
    format!(
        "(last_over_time({selector}[{window}]) unless last_over_time({selector}[1h] offset {window}) \
         or increase({selector}[{window}]))"
    )
}

/// Writes out `new(SELECTOR, WINDOW)`.
fn expand(expression: &str) -> anyhow::Result<String> {
    let (mut written, mut rest) = (String::new(), expression);
    while let Some(at) = find_call(rest) {
        let inside = &rest[at + "new(".len()..];
        let end = closing(inside).context("new( is not closed")?;
        let (selector, window) = inside[..end].rsplit_once(',').context("new(SELECTOR, WINDOW)")?;
        let (selector, window) = (selector.trim(), window.trim());
        written.push_str(&rest[..at]);
        written.push_str(&growth(selector, window));
        rest = &inside[end + 1..];
    }
    written.push_str(rest);
    Ok(written)
}

/// Where `new(` begins, not as the end of another name.
fn find_call(text: &str) -> Option<usize> {
    text.match_indices("new(")
        .map(|(at, _)| at)
        .find(|at| !text[..*at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_'))
}

/// The parenthesis that closes what is already open; those in strings do not count.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_u32, false);
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => return Some(at),
            ')' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}
