//! Writes what is made of the sources, or says where it is not what it would be.
//!
//! Must not know: what is in it.

use std::{fs, path::Path};

use anyhow::Context as _;

use crate::{Sources, cases::Cases, dashboards, rules, terraform};

/// Stands at the top of what cannot be mistaken for something to edit.
pub const NOTICE: &str =
    "Made by `cargo run -p tollgate-observability -- generate`. Edit slos.toml, alerts.toml or dashboards/ instead.";

/// Where Terraform's part goes, from the repository's root.
const TERRAFORM: &str = "infra/terraform/modules/observability/generated";
/// Where Prometheus's part goes.
const PROMETHEUS: &str = "infra/observability/generated";

/// Every generated file: its path from the root, and its text.
pub fn files(sources: &Sources) -> anyhow::Result<Vec<(String, String)>> {
    let pretty =
        |value: &serde_json::Value| -> anyhow::Result<String> { Ok(serde_json::to_string_pretty(value)? + "\n") };
    let mut files = vec![
        (format!("{PROMETHEUS}/rules.yaml"), rules::write(sources)?),
        (format!("{TERRAFORM}/alerts.json"), pretty(&terraform::alerts(sources)?)?),
        (format!("{TERRAFORM}/slos.json"), pretty(&terraform::slos(sources))?),
        (format!("{TERRAFORM}/log-metrics.json"), pretty(&terraform::log_metrics(sources)?)?),
    ];
    for (name, text) in Cases::read(&Sources::folder().join("cases"))?.promtool()? {
        files.push((format!("{PROMETHEUS}/cases/{name}"), text));
    }
    for (name, dashboard) in &sources.dashboards {
        let json = dashboards::json(sources, dashboard).with_context(|| format!("dashboard {name}"))?;
        files.push((format!("{TERRAFORM}/dashboards/{name}.json"), pretty(&json)?));
    }
    Ok(files)
}

/// Writes them.
pub fn write(sources: &Sources, root: &Path) -> anyhow::Result<()> {
    for (path, text) in files(sources)? {
        let path = root.join(path);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

/// Those that are not what they would be.
pub fn stale(sources: &Sources, root: &Path) -> anyhow::Result<Vec<String>> {
    let files = files(sources)?.into_iter();
    Ok(files
        .filter(|(path, text)| fs::read_to_string(root.join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| format!("{path} is not up to date: cargo run -p tollgate-observability -- generate"))
        .collect())
}
