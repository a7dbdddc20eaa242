//! Dashboards as Cloud Monitoring takes them.
//!
//! Must not know: what is on them.

use serde_json::{Value, json};

use crate::{
    Sources,
    sources::{Dashboard, Look, Panel},
};

/// Cloud Monitoring's grid.
const COLUMNS: u32 = 48;
/// Three panels side by side.
const WIDTH: u32 = 16;
const HEIGHT: u32 = 16;
/// A heading's.
const HEADING: u32 = 4;

/// One query of a dashboard, for whoever tries it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Where it is: dashboard, section, panel.
    pub place: String,
    /// `PromQL`, still with `@name@`.
    pub expr: String,
    /// Why a sandbox cannot show it.
    pub not_in_a_sandbox: Option<String>,
}

/// Every query of every dashboard.
pub fn queries(sources: &Sources) -> anyhow::Result<Vec<Shown>> {
    let mut all = Vec::new();
    for (name, dashboard) in &sources.dashboards {
        for section in &dashboard.section {
            for panel in &section.panel {
                for query in &panel.query {
                    all.push(Shown {
                        place: format!("{name}: {}: {}", section.title, panel.title),
                        expr: sources.promql(query)?,
                        not_in_a_sandbox: query.not_in_a_sandbox.clone(),
                    });
                }
            }
        }
    }
    Ok(all)
}

/// A dashboard's JSON.
pub fn json(sources: &Sources, dashboard: &Dashboard) -> anyhow::Result<Value> {
    let (mut tiles, mut y) = (Vec::new(), 0);
    for section in &dashboard.section {
        tiles.push(json!({
            "xPos": 0, "yPos": y, "width": COLUMNS, "height": HEADING,
            "widget": { "title": section.title, "sectionHeader": { "dividerBelow": true } },
        }));
        y += HEADING;
        for row in section.panel.chunks((COLUMNS / WIDTH) as usize) {
            for (x, panel) in (0..).step_by(WIDTH as usize).zip(row) {
                tiles.push(json!({
                    "xPos": x, "yPos": y, "width": WIDTH, "height": HEIGHT, "widget": widget(sources, panel)?,
                }));
            }
            y += HEIGHT;
        }
    }
    let layout = json!({ "columns": COLUMNS, "tiles": tiles });
    Ok(json!({ "displayName": dashboard.title, "mosaicLayout": layout }))
}

fn widget(sources: &Sources, panel: &Panel) -> anyhow::Result<Value> {
    let mut sets = Vec::new();
    for query in &panel.query {
        let mut series = json!({ "prometheusQuery": sources.promql(query)? });
        if !panel.unit.is_empty() {
            series["unitOverride"] = json!(panel.unit);
        }
        sets.push((series, &query.legend));
    }
    if panel.look == Look::Number && sets.len() == 1 {
        let (series, _) = &sets[0];
        return Ok(json!({ "title": panel.title, "scorecard": { "timeSeriesQuery": series } }));
    }
    let sets = sets.into_iter().map(|(series, legend)| {
        json!({ "timeSeriesQuery": series, "plotType": "LINE", "legendTemplate": legend, "targetAxis": "Y1" })
    });
    Ok(json!({
        "title": panel.title,
        "xyChart": { "dataSets": sets.collect::<Vec<_>>(), "yAxis": { "scale": "LINEAR" } },
    }))
}
