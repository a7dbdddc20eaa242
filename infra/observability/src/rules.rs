//! Prometheus's rule file: for whoever runs a Prometheus, and for `promtool`, which tests it.
//!
//! Must not know: what the alerts are about.

use std::fmt::Write as _;

use crate::{Sources, alerts::Alert};

/// The rule file.
pub fn write(sources: &Sources) -> anyhow::Result<String> {
    let mut text = format!("# {}\ngroups:\n  - name: tollgate\n    rules:\n", crate::generate::NOTICE);
    for alert in sources.all_alerts()? {
        rule(&mut text, sources, &alert);
    }
    Ok(text)
}

fn rule(text: &mut String, sources: &Sources, alert: &Alert) {
    let expr = sources.with_defaults(&alert.expr).replace('\n', "\n          ");
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    // Writing to a String cannot fail.
    _ = write!(
        text,
        "      - alert: {}\n        expr: |\n          {expr}\n        for: {}\n        labels:\n          severity: {}\n        annotations:\n          summary: {}\n          runbook: {}\n",
        alert.name,
        alert.lasting,
        alert.severity.as_str(),
        quoted(&alert.summary),
        Sources::runbook_path(&alert.runbook),
    );
}
