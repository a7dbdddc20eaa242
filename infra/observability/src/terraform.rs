//! The JSON that `infra/terraform/modules/observability` reads.
//!
//! Must not know: what the alerts are about.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::{Sources, slos::number};

/// A duration as Prometheus writes it (`90s`, `1h30m`), in seconds.
pub fn seconds(duration: &str) -> anyhow::Result<u64> {
    let (mut sum, mut digits) = (0, String::new());
    for character in duration.chars() {
        let unit = match character {
            '0'..='9' => {
                digits.push(character);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => anyhow::bail!("{duration}: {character} is no unit"),
        };
        sum += digits.parse::<u64>().with_context(|| duration.to_owned())? * unit;
        digits.clear();
    }
    anyhow::ensure!(digits.is_empty() && !duration.is_empty(), "{duration:?} has no unit");
    Ok(sum)
}

/// Policies, by the alert's name.
pub fn alerts(sources: &Sources) -> anyhow::Result<Value> {
    let mut all = Map::new();
    for alert in sources.all_alerts()? {
        let policy = json!({
            "summary": alert.summary,
            "severity": alert.severity.as_str(),
            "runbook": Sources::runbook_path(&alert.runbook),
            "query": alert.expr,
            "duration_seconds": seconds(&alert.lasting)?,
            "canary": alert.canary,
        });
        anyhow::ensure!(all.insert(alert.name.clone(), policy).is_none(), "{} is there twice", alert.name);
    }
    Ok(Value::Object(all))
}

/// Objectives, by name.
pub fn slos(sources: &Sources) -> Value {
    let mut all = Map::new();
    for slo in &sources.slos.slo {
        for objective in slo.objectives() {
            let title = match objective.name.strip_prefix(&format!("{}-", slo.name)) {
                Some(one) => format!("{} ({one})", slo.title),
                None => slo.title.clone(),
            };
            let entry = json!({
                "title": title,
                "goal": slo.goal,
                "days": slo.days,
                "total": objective.total,
                "bad": objective.bad,
                "within": slo.within.map(|within| json!(within)),
                "about": format!("{} Goal: {} %.", slo.about, number(slo.goal * 100.0)),
            });
            all.insert(objective.name, entry);
        }
    }
    Value::Object(all)
}

/// Metrics that are made of log lines, by name.
pub fn log_metrics(sources: &Sources) -> anyhow::Result<Value> {
    let mut all = Map::new();
    for metric in &sources.alerts.log_metric {
        all.insert(metric.name.clone(), serde_json::to_value(metric)?);
    }
    Ok(Value::Object(all))
}
