//! The files that people write: `slos.toml`, `alerts.toml`, `google.toml` and `dashboards/*.toml`.
//!
//! Must not know: `PromQL`, Terraform.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Everything that people wrote.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `slos.toml`.
    pub slos: Slos,
    /// `alerts.toml`.
    pub alerts: Alerts,
    /// `google.toml`.
    pub google: Google,
    /// `dashboards/*.toml`, by file name.
    pub dashboards: BTreeMap<String, Dashboard>,
}

/// `slos.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slos {
    /// Nobody is paged for fewer failures than this.
    pub page_at_least: u32,
    /// How fast is too fast.
    pub burn: Vec<Burn>,
    /// What is promised.
    pub slo: Vec<Slo>,
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// So is whoever stands above.
    Escalate,
    /// Somebody looks on the next working day.
    Ticket,
}

impl Severity {
    /// The word in generated files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Escalate => "escalate",
            Self::Ticket => "ticket",
        }
    }
}

/// A rate at which a budget must not be spent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burn {
    /// Its name: the end of its alerts' names.
    pub name: String,
    /// 1 spends the whole budget in the whole period.
    pub rate: f64,
    /// Over which windows, all of them at once.
    pub windows: Vec<String>,
    /// Who is told.
    pub severity: Severity,
    /// What it means, for people.
    pub about: String,
}

/// A promise: of `metric`'s events `of` the ones that are not `bad`, or were `within` a bound, are at least `goal`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// Its name.
    pub name: String,
    /// One line for dashboards.
    pub title: String,
    /// What counts, for people.
    pub about: String,
    /// The share that is promised, below 1.
    pub goal: f64,
    /// Over how many days.
    pub days: u32,
    /// What its alerts' names begin with.
    pub alert: String,
    /// Their runbook.
    pub runbook: String,
    /// A counter (with `bad`), or a histogram (with `within`).
    pub metric: String,
    /// Label matchers: which of its events count at all.
    #[serde(default)]
    pub of: String,
    /// Label matchers: which of those are failures.
    pub bad: Option<String>,
    /// The upper bound of the histogram's bucket that is still good.
    pub within: Option<f64>,
    /// Whether a process counts few of them, or one: then its first must be seen, which `rate()` does not.
    #[serde(default)]
    pub rare: bool,
    /// One objective for each value of a label.
    pub each: Option<Each>,
    /// The burn rates that alert.
    pub burn: Vec<String>,
}

/// A label, each value of which has an objective of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// The label.
    pub label: String,
    /// Its values.
    pub values: Vec<String>,
}

/// `alerts.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// What `@name@` stands for where Terraform does not say.
    pub defaults: BTreeMap<String, String>,
    /// The alerts that people wrote.
    pub alert: Vec<WrittenAlert>,
    /// Metrics that are made of log lines.
    pub log_metric: Vec<LogMetric>,
}

/// An alert as people write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAlert {
    /// Its name.
    pub name: String,
    /// `docs/runbooks/<runbook>.md`.
    pub runbook: String,
    /// Who is told.
    pub severity: Severity,
    /// For how long it must hold.
    #[serde(rename = "for")]
    pub lasting: String,
    /// What happened, in a sentence.
    pub summary: String,
    /// `PromQL`, and `new(…)` and `@name@`.
    pub expr: String,
    /// Whether a rollout is undone by it.
    #[serde(default)]
    pub canary: bool,
}

/// A metric that is made of log lines.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogMetric {
    /// Its name.
    pub name: String,
    /// The field that is its label.
    pub label: String,
    /// What it is for.
    pub about: String,
    /// Which lines.
    pub filter: String,
}

/// `google.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Google {
    /// Metrics that are not ours.
    pub metric: Vec<GoogleMetric>,
}

/// A metric that is not ours.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleMetric {
    /// Its name in `PromQL`.
    pub name: String,
    /// Labels that may be used.
    pub labels: Vec<String>,
    /// The page that tells of it.
    pub source: String,
}

/// A dashboard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    /// Its title.
    pub title: String,
    /// From top to bottom.
    pub section: Vec<Section>,
}

/// Panels under a heading.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// The panels.
    pub panel: Vec<Panel>,
}

/// How a panel looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// Lines over time.
    #[default]
    Line,
    /// The latest number.
    Number,
}

/// A panel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// Its title.
    pub title: String,
    /// Lines or a number.
    #[serde(default)]
    pub look: Look,
    /// Its unit, as Cloud Monitoring writes it.
    #[serde(default)]
    pub unit: String,
    /// What it shows.
    pub query: Vec<Query>,
}

/// What a panel shows: an expression, or something of an objective.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// `PromQL`.
    pub expr: Option<String>,
    /// An objective's name, instead of `expr`.
    pub slo: Option<String>,
    /// What of it.
    pub show: Option<OfSlo>,
    /// What a line is called.
    #[serde(default)]
    pub legend: String,
    /// Why a sandbox cannot show it.
    pub not_in_a_sandbox: Option<String>,
}

/// What of an objective a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfSlo {
    /// How much of the budget is left, 1 to 0 and below.
    Budget,
    /// The share that was good over the whole period.
    Share,
    /// How fast the budget is spent now (an hour).
    Burn,
}

impl Sources {
    /// Reads what is in `folder`.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut dashboards = BTreeMap::new();
        let files = folder.join("dashboards");
        for entry in fs::read_dir(&files).with_context(|| format!("{}", files.display()))? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).context("a dashboard has no name")?.to_owned();
            dashboards.insert(name, read(&path)?);
        }
        Ok(Self {
            slos: read(&folder.join("slos.toml"))?,
            alerts: read(&folder.join("alerts.toml"))?,
            google: read(&folder.join("google.toml"))?,
            dashboards,
        })
    }

    /// Where this crate's files are.
    pub fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    /// The repository's root.
    pub fn root() -> PathBuf {
        Self::folder().join("../..")
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}
