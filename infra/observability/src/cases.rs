//! What the alerts are tried with: faults, each in the middle of a healthy project, and which alerts they are to cause. All others must be
//! quiet. Written for `promtool test rules`.
//!
//! Must not know: what the alerts are about.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::{generate::NOTICE, slos::number, terraform::seconds};

/// `cases/*.toml`: what is healthy, and the cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Series of a healthy project, which every case begins with.
    #[serde(default)]
    healthy: BTreeMap<String, String>,
    #[serde(default)]
    case: Vec<Case>,
}

/// A fault, or a time without one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence.
    pub name: String,
    /// How long it goes on.
    length: String,
    /// Between samples.
    #[serde(default = "fifteen_seconds")]
    step: String,
    /// Between evaluations.
    #[serde(default = "thirty_seconds")]
    evaluate: String,
    /// What is not there: every healthy series that begins so.
    #[serde(default)]
    without: Vec<String>,
    /// Series instead of the healthy ones, or beside them.
    #[serde(default)]
    series: BTreeMap<String, String>,
    /// What is to be seen when.
    pub expect: Vec<Expect>,
}

/// What is to be seen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    at: String,
    /// The alerts that fire: these, and no other.
    pub firing: Vec<String>,
    /// At any time within this, instead of at that time.
    over: Option<String>,
    /// Only of these severities.
    severity: Option<String>,
}

fn fifteen_seconds() -> String {
    "15s".to_owned()
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

/// The healthy series and the cases in `folder`.
pub struct Cases {
    healthy: BTreeMap<String, String>,
    /// In the order of their files.
    pub cases: Vec<Case>,
}

impl Cases {
    /// Reads them.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
            paths.push(entry?.path());
        }
        paths.sort();
        let mut all = Self { healthy: BTreeMap::new(), cases: Vec::new() };
        for path in paths {
            let text = fs::read_to_string(&path)?;
            let file: File = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
            all.healthy.extend(file.healthy);
            all.cases.extend(file.case);
        }
        Ok(all)
    }

    /// promtool's files: one for each evaluation interval, by their names.
    pub fn promtool(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut files = BTreeMap::new();
        for case in &self.cases {
            let text = files.entry(format!("every-{}.yaml", case.evaluate)).or_insert_with(|| {
                let every = &case.evaluate;
                format!("# {NOTICE}\nrule_files:\n  - ../rules.yaml\nevaluation_interval: {every}\ntests:\n")
            });
            self.write(text, case).with_context(|| case.name.clone())?;
        }
        Ok(files)
    }

    fn write(&self, text: &mut String, case: &Case) -> anyhow::Result<()> {
        let (step, length) = (seconds(&case.step)?, seconds(&case.length)?);
        // Writing to a String cannot fail.
        _ = write!(text, "  - name: {}\n    interval: {}\n    input_series:\n", quoted(&case.name), case.step);
        let is_there = |series: &&String| !case.without.iter().any(|gone| series.starts_with(gone));
        let healthy = self.healthy.iter().filter(|(series, _)| is_there(series) && !case.series.contains_key(*series));
        for (series, course) in healthy.chain(&case.series) {
            let values = values(course, step, length).with_context(|| series.clone())?;
            _ = write!(text, "      - series: {}\n        values: {}\n", quoted(series), quoted(&values));
        }
        text.push_str("    promql_expr_test:\n");
        for expect in &case.expect {
            ensure!(seconds(&expect.at)? <= length, "{} is after its end", expect.at);
            let severity = expect.severity.as_ref().map(|severity| format!(",severity=~{}", quoted(severity)));
            let firing = format!("ALERTS{{alertstate=\"firing\"{}}}", severity.unwrap_or_default());
            let firing = match &expect.over {
                Some(over) => format!("max_over_time({firing}[{over}])"),
                None => firing,
            };
            let expr = format!("group by (alertname) ({firing})");
            _ = write!(text, "      - expr: {}\n        eval_time: {}\n        exp_samples:", quoted(&expr), expect.at);
            text.push_str(if expect.firing.is_empty() { " []\n" } else { "\n" });
            for alert in &expect.firing {
                let labels = format!("{{alertname={}}}", quoted(alert));
                _ = write!(text, "          - labels: {}\n            value: 1\n", quoted(&labels));
            }
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A course in promtool's notation. It is words, one after the other: `=5` stays at 5, `+2/s` grows by 2 a second, `_` is not there,
/// `reset` goes on from 0. `10m:` before a word says for how long; the last one goes on to the end.
fn values(course: &str, step: u64, length: u64) -> anyhow::Result<String> {
    let (mut written, mut left, mut value) = (Vec::new(), length / step + 1, 0.0_f64);
    for word in course.split_whitespace() {
        if word == "reset" {
            value = 0.0;
            continue;
        }
        let (samples, what) = match word.split_once(':') {
            Some((duration, what)) => ((seconds(duration)? / step).min(left), what),
            None => (left, word),
        };
        if samples == 0 {
            continue;
        }
        left -= samples;
        let more = samples - 1;
        if what == "_" {
            written.push(format!("_x{samples}"));
        } else if let Some(constant) = what.strip_prefix('=') {
            value = constant.parse().with_context(|| word.to_owned())?;
            written.push(format!("{}+0x{more}", number(value)));
        } else if let Some(rate) = what.strip_prefix('+').and_then(|what| what.strip_suffix("/s")) {
            #[allow(clippy::cast_precision_loss, reason = "steps are few")]
            let (grows, steps) = (rate.parse::<f64>().with_context(|| word.to_owned())? * step as f64, samples as f64);
            written.push(format!("{}+{}x{more}", number(value), number(grows)));
            value += grows * steps;
        } else {
            bail!("{word}: no such word");
        }
    }
    ensure!(left == 0, "it ends {left} samples too early");
    Ok(written.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_written_as_promtool_reads_it() {
        let course = values("30s:+2/s 15s:_ 30s:=7 reset +1/s", 15, 120).unwrap();
        assert_eq!(course, "0+30x1 _x1 7+0x1 0+15x3");
        assert!(values("30s:+2/s", 15, 120).is_err());
        assert!(values("later", 15, 120).is_err());
    }
}
