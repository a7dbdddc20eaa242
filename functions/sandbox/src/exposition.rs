//! Prometheus's text format, read: what a process says at `/metrics`, to be held against what somebody else has counted.
//!
//! Must not know: which metrics there are.

use std::collections::BTreeMap;

use anyhow::Context;
use promql_parser::parser::{Expr, VectorSelector, parse};

/// A series' labels.
pub type Labels = BTreeMap<String, String>;

/// One series as it stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric, with the ending that a histogram's parts have.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// What it said.
    pub value: f64,
}

impl Sample {
    /// A label, or nothing.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == *value)
    }
}

/// Which series: a metric, and what its labels must match, as `PromQL` writes it.
pub struct Selector(VectorSelector);

impl Selector {
    /// Reads one.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        match parse(text).map_err(anyhow::Error::msg).with_context(|| format!("{text} is no selector"))? {
            Expr::VectorSelector(selector) => Ok(selector.into()),
            _ => anyhow::bail!("{text} is no selector"),
        }
    }

    /// Whether it selects the series of this name with these labels.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        let value = |label: &str| labels.get(label).map_or("", String::as_str);
        self.0.name.as_deref() == Some(name)
            && self.0.matchers.matchers.iter().all(|matcher| matcher.is_match(value(&matcher.name)))
    }
}

impl From<VectorSelector> for Selector {
    fn from(selector: VectorSelector) -> Self {
        Self(selector)
    }
}

/// All that a process said at one time.
#[derive(Debug, Clone, Default)]
pub struct Scrape(Vec<Sample>);

impl Scrape {
    /// Reads it. What is no sample is left out.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The series of these metrics, with labels that their collector `added`.
    pub fn of(&self, metrics: &[&str], added: &[(&str, &str)]) -> impl Iterator<Item = Sample> {
        self.0.iter().filter(|sample| metrics.contains(&&*sample.name)).map(|sample| {
            let mut sample = sample.clone();
            sample.labels.extend(added.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            sample
        })
    }

    /// The series that are selected.
    pub fn selected<'a>(&'a self, selector: &'a Selector) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(|sample| selector.matches(&sample.name, &sample.labels))
    }

    /// The series of a metric that have these labels.
    pub fn all<'a>(&'a self, metric: &'a str, labels: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == metric && sample.has(labels))
    }

    /// Their sum; 0 where there is none.
    pub fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(metric, labels).map(|sample| sample.value).sum()
    }

    /// Their sum, of what is counted one by one.
    pub fn count(&self, metric: &str, labels: &[(&str, &str)]) -> u64 {
        whole(self.sum(metric, labels))
    }

    /// Counts of a metric by the values of these labels; those of none are left out.
    pub fn counts(&self, metric: &str, labels: &[(&str, &str)], by: &[&str]) -> BTreeMap<Vec<String>, u64> {
        let mut counts = BTreeMap::new();
        for sample in self.all(metric, labels).filter(|sample| whole(sample.value) > 0) {
            let key = by.iter().map(|label| sample.label(label).to_owned()).collect();
            *counts.entry(key).or_default() += whole(sample.value);
        }
        counts
    }

    /// What grew since `before`. (Gauges make no sense in it.)
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let known: BTreeMap<_, _> =
            before.0.iter().map(|sample| ((&sample.name, &sample.labels), sample.value)).collect();
        let grown = self.0.iter().map(|sample| {
            let value = sample.value - known.get(&(&sample.name, &sample.labels)).unwrap_or(&0.0);
            Sample { value, ..sample.clone() }
        });
        Self(grown.collect())
    }

    /// A histogram, over all series that have these labels.
    pub fn histogram(&self, metric: &str, labels: &[(&str, &str)]) -> Histogram {
        let mut buckets = Vec::<(f64, f64)>::new();
        for sample in self.all(&format!("{metric}_bucket"), labels) {
            let Ok(bound) = sample.label("le").replace("+Inf", "inf").parse::<f64>() else { continue };
            match buckets.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((bound, sample.value)),
            }
        }
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Histogram { buckets }
    }
}

/// How many were at or below each bound.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// Each bound, with how many were at or below it.
    pub fn buckets(&self) -> &[(f64, f64)] {
        &self.buckets
    }

    /// All of them.
    pub fn count(&self) -> u64 {
        whole(self.buckets.last().map_or(0.0, |(_, count)| *count))
    }

    /// How many were at or below `bound`, which must be a bucket's.
    pub fn within(&self, bound: f64) -> Option<u64> {
        let bucket = self.buckets.iter().find(|(known, _)| known.total_cmp(&bound).is_eq());
        bucket.map(|(_, count)| whole(*count))
    }

    /// The bucket that a quantile is in, and what Prometheus's `histogram_quantile` makes of it: a straight line within it.
    pub fn quantile(&self, quantile: f64) -> Option<Quantile> {
        let rank = quantile * self.buckets.last()?.1;
        let index = self.buckets.iter().position(|(_, count)| *count >= rank)?;
        let (above, below) = index.checked_sub(1).map_or((0.0, 0.0), |before| self.buckets[before]);
        let (upper, count) = self.buckets[index];
        let within = if upper.is_finite() && count > below { (rank - below) / (count - below) } else { 0.0 };
        let estimate = if within > 0.0 { above + (upper - above) * within } else { above };
        Some(Quantile { above, at_most: upper, estimate })
    }
}

/// Where a quantile is.
#[derive(Debug, Clone, Copy)]
pub struct Quantile {
    /// The bound below its bucket.
    pub above: f64,
    /// Its bucket's own bound.
    pub at_most: f64,
    /// Prometheus's guess between them.
    pub estimate: f64,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, which a float was made of")]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.replace("+Inf", "inf").parse().ok()?;
    let (name, labels) = match series.split_once('{') {
        None => (series, Labels::new()),
        Some((name, rest)) => (name, read_labels(rest.strip_suffix('}')?)?),
    };
    Some(Sample { name: name.to_owned(), labels, value })
}

/// `a="b",c="d"`, with backslashes before quotes, backslashes and `n`.
fn read_labels(mut rest: &str) -> Option<Labels> {
    let mut labels = Labels::new();
    while !rest.is_empty() {
        let (name, quoted) = rest.split_once("=\"")?;
        let (mut value, mut letters) = (String::new(), quoted.char_indices());
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    escaped => escaped,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(name.trim().to_owned(), value);
        rest = quoted[end + 1..].trim_start_matches([',', ' ']);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE asked counter\n\
        asked{route=\"/a\",code=\"\"} 3\n\
        asked{route=\"/b \\\"}\",code=\"x\"} 4\n\
        took_bucket{le=\"0.5\"} 2\n\
        took_bucket{le=\"1\"} 4\n\
        took_bucket{le=\"+Inf\"} 4\n\
        open 2.5\n";

    #[test]
    fn series_are_found_by_name_and_labels() {
        let scrape = Scrape::parse(TEXT);
        assert_eq!(scrape.count("asked", &[]), 7);
        assert_eq!(scrape.count("asked", &[("route", "/b \"}")]), 4);
        assert_eq!(scrape.count("ask", &[]), 0);
        assert!((scrape.sum("open", &[]) - 2.5).abs() < f64::EPSILON);
        let counts = scrape.counts("asked", &[], &["code"]);
        assert_eq!(counts, BTreeMap::from([(vec![String::new()], 3), (vec!["x".to_owned()], 4)]));
    }

    #[test]
    fn what_grew_is_the_difference_and_a_new_series_grew_from_nothing() {
        let before = Scrape::parse("asked{route=\"/a\",code=\"\"} 1\n");
        let grown = Scrape::parse(TEXT).since(&before);
        assert_eq!((grown.count("asked", &[("route", "/a")]), grown.count("asked", &[("code", "x")])), (2, 4));
    }

    #[test]
    fn a_quantile_is_where_prometheus_has_it() {
        let histogram = Scrape::parse(TEXT).histogram("took", &[]);
        assert_eq!((histogram.count(), histogram.within(0.5), histogram.within(0.7)), (4, Some(2), None));
        let quantile = histogram.quantile(0.75).unwrap();
        assert!((quantile.estimate - 0.75).abs() < 1e-9 && (quantile.above - 0.5).abs() < 1e-9, "{quantile:?}");
        assert!((histogram.quantile(0.5).unwrap().at_most - 0.5).abs() < 1e-9);
    }
}
