//! `PromQL` and Cloud Monitoring's filters of an objective: its failures, its budget, and when that burns too fast.
//!
//! Must not know: who is told, or where it is written to.

use anyhow::{Context as _, ensure};

use crate::{
    alerts::growth,
    sources::{Burn, OfSlo, Slo, Slos},
};

/// Cloud Monitoring's kinds of metrics of Managed Service for Prometheus.
const RESOURCE: &str = r#"resource.type="prometheus_target""#;

/// A number as people write it: without the dust of binary fractions.
pub fn number(value: f64) -> String {
    let text = format!("{value:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Slo {
    /// The share that may fail.
    pub fn budget(&self) -> f64 {
        1.0 - self.goal
    }

    /// The budget as time, if all failed at once: in minutes.
    pub fn budget_minutes(&self) -> f64 {
        self.budget() * f64::from(self.days) * 24.0 * 60.0
    }

    fn by(&self) -> String {
        self.each.as_ref().map(|each| format!(" by ({})", each.label)).unwrap_or_default()
    }

    fn matching(&self, more: &str) -> String {
        let all: Vec<&str> = [self.of.as_str(), more].into_iter().filter(|part| !part.is_empty()).collect();
        if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
    }

    fn sum(&self, function: &str, suffix: &str, more: &str, window: &str) -> String {
        let selector = format!("{}{suffix}{}", self.metric, self.matching(more));
        if self.rare {
            return format!("sum{} {}", self.by(), growth(&selector, window));
        }
        format!("sum{} ({function}({selector}[{window}]))", self.by())
    }

    /// All that counts.
    fn total(&self, function: &str, window: &str) -> String {
        let suffix = if self.within.is_some() { "_count" } else { "" };
        self.sum(function, suffix, "", window)
    }

    /// What of that failed.
    fn failures(&self, function: &str, window: &str) -> String {
        match self.within {
            Some(within) => {
                let bucket = self.sum(function, "_bucket", &bucket(within), window);
                format!("({} - {bucket})", self.total(function, window))
            }
            None => self.sum(function, "", self.bad.as_deref().unwrap_or_default(), window),
        }
    }

    /// The share that failed.
    pub fn error_ratio(&self, window: &str) -> String {
        format!("{} / {}", self.failures("rate", window), self.total("rate", window))
    }

    /// The share above which `burn` is too fast.
    pub fn threshold(&self, burn: &Burn) -> f64 {
        burn.rate * self.budget()
    }

    /// Where the budget burns as fast as `burn` says.
    pub fn burning(&self, burn: &Burn, at_least: Option<u32>) -> String {
        let threshold = number(self.threshold(burn));
        let windows = burn.windows.iter().map(|window| format!("{} > {threshold}", self.error_ratio(window)));
        let first = burn.windows.first().map(String::as_str).unwrap_or_default();
        let enough = at_least.map(|least| format!("{} >= {least}", self.failures("increase", first)));
        windows.chain(enough).collect::<Vec<_>>().join("\nand ")
    }

    /// What a dashboard shows of it.
    pub fn shown(&self, what: OfSlo) -> String {
        let (days, budget) = (format!("{}d", self.days), number(self.budget()));
        // Without a single failure there may be no series of failures at all: then none of the budget is spent.
        let failed = |window: &str| {
            let total = self.total("rate", window);
            format!("(({} or 0 * {total}) / {total})", self.failures("rate", window))
        };
        match what {
            OfSlo::Budget => format!("1 - {} / {budget}", failed(&days)),
            OfSlo::Share => format!("1 - {}", failed(&days)),
            OfSlo::Burn => format!("{} / {budget}", failed("1h")),
        }
    }

    /// The filters of Cloud Monitoring's objective, and of each of them where there are several.
    pub fn objectives(&self) -> Vec<Objective> {
        let values: Vec<Option<(&str, &str)>> = match &self.each {
            Some(each) => each.values.iter().map(|value| Some((each.label.as_str(), value.as_str()))).collect(),
            None => vec![None],
        };
        values.into_iter().map(|value| self.objective(value)).collect()
    }

    fn objective(&self, value: Option<(&str, &str)>) -> Objective {
        let kind = if self.within.is_some() { "histogram" } else { "counter" };
        let one = value.map(|(label, value)| format!("{label}={value:?}")).unwrap_or_default();
        let filter = |more: &str| {
            let metric = format!("metric.type=\"prometheus.googleapis.com/{}/{kind}\"", self.metric);
            let matchers = [self.of.as_str(), &one, more].map(matchers).concat();
            let labels = matchers.iter().map(|(label, op, value)| match *op {
                "=" => format!("metric.labels.{label}=\"{value}\""),
                "!=" => format!("metric.labels.{label}!=\"{value}\""),
                "=~" => format!("metric.labels.{label}=monitoring.regex.full_match(\"{value}\")"),
                _ => format!("metric.labels.{label}!=monitoring.regex.full_match(\"{value}\")"),
            });
            [metric, RESOURCE.to_owned()].into_iter().chain(labels).collect::<Vec<_>>().join(" AND ")
        };
        Objective {
            name: value.map_or_else(|| self.name.clone(), |(_, value)| format!("{}-{value}", self.name)),
            total: filter(""),
            bad: self.bad.as_deref().map(filter),
        }
    }
}

/// An objective as Cloud Monitoring has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// Its id.
    pub name: String,
    /// All that counts: a counter, or a distribution where there is no `bad`.
    pub total: String,
    /// What of it fails.
    pub bad: Option<String>,
}

/// The bucket of a bound: some write 300 as 300.0.
fn bucket(within: f64) -> String {
    let bound = number(within);
    if bound.contains('.') { format!("le=\"{bound}\"") } else { format!("le=~\"{bound}([.]0)?\"") }
}

/// The matchers in `text`: label, operator, value.
fn matchers(text: &str) -> Vec<(String, &'static str, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some(at) = rest.find(['=', '!']) {
        let label = rest[..at].trim_matches([',', ' ']).to_owned();
        let op = ["=~", "!~", "!=", "="].into_iter().find(|op| rest[at..].starts_with(op)).unwrap_or("=");
        let behind = rest[at + op.len()..].trim_start().trim_start_matches('"');
        let end = behind.find('"').unwrap_or(behind.len());
        found.push((label, op, behind[..end].to_owned()));
        rest = behind[end..].trim_start_matches('"');
    }
    found
}

impl Slos {
    /// The burn rate of that name.
    pub fn burn(&self, name: &str) -> Option<&Burn> {
        self.burn.iter().find(|burn| burn.name == name)
    }

    /// The objective of that name.
    pub fn slo(&self, name: &str) -> Option<&Slo> {
        self.slo.iter().find(|slo| slo.name == name)
    }

    /// Every alert on a budget: the objective, and how fast it burns.
    pub fn alerts(&self) -> anyhow::Result<Vec<(&Slo, &Burn)>> {
        let mut all = Vec::new();
        for slo in &self.slo {
            ensure!(slo.bad.is_some() != slo.within.is_some(), "{}: either `bad` or `within`", slo.name);
            ensure!((0.0..1.0).contains(&slo.goal), "{}: a goal is below 1", slo.name);
            for name in &slo.burn {
                let burn = self.burn(name).with_context(|| format!("{}: there is no burn rate {name}", slo.name))?;
                ensure!(
                    slo.threshold(burn) < 1.0,
                    "{}: {name} would need more failures than there are requests",
                    slo.name
                );
                all.push((slo, burn));
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        let budget = 1.0 - 0.999;
        assert_eq!(number(14.4 * budget), "0.0144");
        assert_eq!(number(1.0), "1");
        assert_eq!(number(0.05), "0.05");
    }

    #[test]
    fn matchers_are_read_as_prometheus_reads_them() {
        let found = matchers(r#"a="1",b=~"x|y",c!="provider_unavailable",d!~"5..""#);
        let expected = [("a", "=", "1"), ("b", "=~", "x|y"), ("c", "!=", "provider_unavailable"), ("d", "!~", "5..")];
        assert_eq!(found, expected.map(|(label, op, value)| (label.to_owned(), op, value.to_owned())));
    }
}
