//! What Prometheus would see: the metrics of processes, scraped step by step in a time that the drill moves, and asked as its
//! rules ask. Where Prometheus's own tool is there, the rules themselves are played on what was scraped, and have to agree.
//!
//! Must not know: what is asked for, or what it means.

use std::{collections::BTreeMap, fmt::Write as _, fs, process::Command, time::Duration};

use anyhow::ensure;

use crate::exposition::{Labels, Scrape, Selector};

/// The rules as Prometheus reads them, made of `slos.toml` and `alerts.toml`.
const RULES: &str = include_str!("../../../../infra/observability/generated/rules.yaml");
/// By this a missing `promtool` is a failure.
const REQUIRED: &str = "TOLLGATE_REQUIRE";

/// What was scraped.
pub(super) struct Watch {
    /// The time between two scrapes.
    every: Duration,
    /// How many there were.
    scrapes: usize,
    /// Of these metrics.
    metrics: &'static [&'static str],
    /// By name and labels, a value for each scrape; `None`: it was not there.
    series: BTreeMap<(String, Labels), Vec<Option<f64>>>,
    said: Vec<Said>,
}

/// What the drill concluded, to be compared with what the rules themselves say.
struct Said {
    scrapes: usize,
    /// Of the alerts whose names match this,
    among: &'static str,
    /// just these fire.
    firing: Vec<String>,
}

impl Watch {
    /// Scrapes these `metrics`, and takes it for `every` between two scrapes.
    pub(super) fn new(every: Duration, metrics: &'static [&'static str]) -> Self {
        Self { every, scrapes: 0, metrics, series: BTreeMap::new(), said: Vec::new() }
    }

    /// How much of its time is over.
    pub(super) fn elapsed(&self) -> Duration {
        self.every * u32::try_from(self.scrapes.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Takes what processes say, each with the labels that its collector adds: the next scrape.
    pub(super) fn scrape(&mut self, said: &[(Scrape, &[(&str, &str)])]) {
        for sample in said.iter().flat_map(|(scrape, added)| scrape.of(self.metrics, added)) {
            let values = self.series.entry((sample.name, sample.labels)).or_default();
            values.resize(self.scrapes, None);
            values.push(Some(sample.value));
        }
        self.scrapes += 1;
        for values in self.series.values_mut() {
            values.resize(self.scrapes, None);
        }
    }

    /// By how much the selected counters grew within `window`: from the first scrape in it at which each was there.
    pub(super) fn grew(&self, selector: &Selector, window: Duration) -> f64 {
        self.grew_by(selector, window, "").into_values().sum()
    }

    /// The same for each value of a label.
    pub(super) fn grew_by(&self, selector: &Selector, window: Duration, label: &str) -> BTreeMap<String, f64> {
        let back = usize::try_from(window.as_millis() / self.every.as_millis().max(1)).unwrap_or(usize::MAX);
        let from = self.scrapes.saturating_sub(back.saturating_add(1));
        let mut grew = BTreeMap::new();
        for ((_, labels), values) in self.series.iter().filter(|((name, labels), _)| selector.matches(name, labels)) {
            let seen = values.get(from..).unwrap_or_default().iter().flatten();
            let (first, last) = (seen.clone().next(), seen.last());
            let value = labels.get(label).cloned().unwrap_or_default();
            *grew.entry(value).or_insert(0.0) += last.zip(first).map_or(0.0, |(last, first)| last - first);
        }
        grew
    }

    /// The drill has concluded that of the alerts `among`, a regular expression, just these fire now.
    pub(super) fn say(&mut self, among: &'static str, firing: Vec<String>) {
        self.said.push(Said { scrapes: self.scrapes, among, firing });
    }

    /// Plays the rules themselves on what was scraped, where Prometheus's tool is there: they have to say what the drill said.
    /// Answers what came of it, in words.
    pub(super) fn agrees(&self) -> anyhow::Result<&'static str> {
        let found = Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success());
        if !found {
            let required = std::env::var(REQUIRED).unwrap_or_default();
            ensure!(!required.split(',').any(|part| part == "promtool"), "promtool is required, and is not there");
            return Ok("Prometheus's own rules were not asked: promtool is not here");
        }
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("rules.yaml"), RULES)?;
        fs::write(folder.path().join("test.yaml"), self.test()?)?;
        let played =
            Command::new("promtool").args(["test", "rules", "test.yaml"]).current_dir(folder.path()).output()?;
        let said = [played.stdout, played.stderr].concat();
        ensure!(played.status.success(), "the rules say otherwise: {}", String::from_utf8_lossy(&said));
        Ok("Prometheus's own rules say the same of what was scraped")
    }

    fn test(&self) -> anyhow::Result<String> {
        let every = format!("{}s", self.every.as_secs());
        let mut test = format!(
            "rule_files: [rules.yaml]\nevaluation_interval: {every}\ntests:\n  - interval: {every}\n    input_series:\n"
        );
        for ((name, labels), values) in &self.series {
            let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
            let values = values.iter().map(|value| value.map_or("_".to_owned(), |value| value.to_string()));
            let values = values.collect::<Vec<_>>().join(" ");
            writeln!(test, "      - series: '{name}{{{}}}'\n        values: '{values}'", labels.join(","))?;
        }
        test.push_str("    promql_expr_test:\n");
        for Said { scrapes, among, firing } in &self.said {
            let at = self.every.as_secs() * u64::try_from(scrapes.saturating_sub(1))?;
            let alerts = format!("ALERTS{{alertstate=\"firing\",alertname=~\"{among}\"}}");
            writeln!(
                test,
                "      - expr: 'max by (alertname) ({alerts})'\n        eval_time: {at}s\n        exp_samples:"
            )?;
            for alert in firing {
                writeln!(test, "          - labels: '{{alertname=\"{alert}\"}}'\n            value: 1")?;
            }
        }
        Ok(test)
    }
}
