//! Which metrics our functions export, read from their source text: from the macros that make them.
//!
//! Must not know: what anybody does with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::Context as _;

/// Where the functions' sources are, from the repository's root.
const FOLDERS: [&str; 2] = ["shared", "functions"];
/// What is in them and is in no function that is deployed.
const NOT_DEPLOYED: [&str; 6] =
    ["shared/emulators", "shared/simulators", "functions/sandbox", "/tests/", "/examples/", "/benches/"];
/// Labels that whoever scrapes puts on everything. One of ours with such a name is called `exported_…` then.
const OF_THE_SCRAPE: [&str; 10] = [
    "cluster",
    "configuration_name",
    "instance",
    "instanceId",
    "job",
    "location",
    "namespace",
    "project_id",
    "revision_name",
    "service_name",
];

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

/// The metrics that there are, and all text of the sources.
#[derive(Debug, Clone, Default)]
pub struct Exported {
    metrics: BTreeMap<String, Metric>,
    text: String,
}

#[derive(Debug, Clone)]
struct Metric {
    kind: Kind,
    labels: BTreeSet<String>,
}

impl Exported {
    /// Those of the sources below `root`.
    pub fn scan(root: &Path) -> anyhow::Result<Self> {
        let mut exported = Self::default();
        for folder in FOLDERS {
            exported.visit(root, &root.join(folder))?;
        }
        Ok(exported)
    }

    fn visit(&mut self, root: &Path, folder: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
            let path = entry?.path();
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if NOT_DEPLOYED.iter().any(|part| shown.starts_with(part) || format!("/{shown}/").contains(part)) {
                continue;
            }
            if path.is_dir() {
                self.visit(root, &path)?;
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                self.read(&fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }

    /// Adds what a source file makes.
    pub fn read(&mut self, source: &str) {
        let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (word, kind) in [("counter!(", Kind::Counter), ("gauge!(", Kind::Gauge), ("histogram!(", Kind::Histogram)] {
            for (at, _) in text.match_indices(word) {
                // describe_counter! makes nothing.
                if !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                    self.add(&text[at + word.len()..], kind);
                }
            }
        }
        for (at, _) in text.match_indices("write_metric(text, ") {
            let call = &text[at..];
            let kind = if call.split(", ").nth(2) == Some("\"counter\"") { Kind::Counter } else { Kind::Gauge };
            self.add(&call["write_metric(text, ".len()..], kind);
        }
        self.text.push_str(text);
    }

    /// `call` begins with the macro's first argument.
    fn add(&mut self, call: &str, kind: Kind) {
        let call = &call[..end_of(call)];
        let strings: Vec<(usize, &str)> = strings(call);
        let Some((_, name)) = strings.first() else { return };
        let is_label = |(at, label): &&(usize, &str)| call[at + label.len() + 1..].trim_start().starts_with("=>");
        let labels = strings.iter().skip(1).filter(is_label).map(|(_, label)| (*label).to_owned());
        let metric = self.metrics.entry((*name).to_owned()).or_insert(Metric { kind, labels: BTreeSet::new() });
        metric.labels.extend(labels);
    }

    /// The names of all metrics.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    /// What is wrong with asking for `metric` and these labels of it.
    pub fn wrong_with<'a>(&self, metric: &str, labels: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let part = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| Some((metric.strip_suffix(part)?, part)));
        let found = match (self.metrics.get(metric), part) {
            (Some(found), _) if found.kind != Kind::Histogram => Some((found, false)),
            (Some(_), _) => return vec![format!("{metric} is a histogram: _bucket, _sum or _count of it")],
            (None, Some((base, part))) => {
                self.metrics.get(base).filter(|base| base.kind == Kind::Histogram).map(|base| (base, part == "_bucket"))
            }
            (None, None) => None,
        };
        let Some((found, has_le)) = found else { return vec![format!("{metric} is exported by no function")] };
        let is_known = |label: &str| {
            // Where ours has such a name, the bare one is the scrape's: whoever asks for it means ours.
            (OF_THE_SCRAPE.contains(&label) && !found.labels.contains(label))
                || (label == "le" && has_le)
                || found.labels.iter().any(|ours| match label.strip_prefix("exported_") {
                    Some(label) => label == ours && OF_THE_SCRAPE.contains(&label),
                    None => label == ours && !OF_THE_SCRAPE.contains(&label),
                })
        };
        let unknown = labels.into_iter().filter(|label| !is_known(label));
        unknown.map(|label| format!("{metric} has no label {label}")).collect()
    }

    /// Whether any source has that string: what is no one's value is a mistake in writing.
    pub fn says(&self, value: &str) -> bool {
        self.text.contains(&format!("\"{value}\""))
    }
}

/// Where the argument list ends that is already open.
fn end_of(call: &str) -> usize {
    let (mut depth, mut quoted) = (0_u32, false);
    for (at, character) in call.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => return at,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
    }
    call.len()
}

/// The strings in `text`, each with where it begins.
fn strings(text: &str) -> Vec<(usize, &str)> {
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    quotes.chunks_exact(2).map(|pair| (pair[0] + 1, &text[pair[0] + 1..pair[1]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    #[test]
    fn metrics_are_found_over_several_lines_and_with_their_labels() {
        let mut exported = Exported::default();
        exported.read(
            "fn a() {\n    ::metrics::counter!(\n        \"a_total\",\n        \"route\" => route(), \"job\" => \"x\"\n    )\n    .increment(1);\n\
             metrics::histogram!(\"b_seconds\").record(1.0);\n metrics::describe_gauge!(\"c\", \"help\");\n // counter!(\"d_total\")\n\
             write_metric(text, \"e_total\", \"counter\", \"Help.\", 1.0);\n}\n#[cfg(test)]\nmod tests { fn t() { gauge!(\"f\") } }",
        );
        assert_eq!(exported.names().collect::<Vec<_>>(), ["a_total", "b_seconds", "e_total"]);
        let fine = Vec::<String>::new();
        assert_eq!(exported.wrong_with("a_total", &labels(&["route", "exported_job", "instance"])), fine);
        assert_eq!(exported.wrong_with("b_seconds_bucket", &labels(&["le"])), fine);
        assert_eq!(exported.wrong_with("a_total", &labels(&["le", "exported_route", "job"])).len(), 3);
        for wrong in ["c", "d_total", "f", "b_seconds", "a_total_count"] {
            assert_eq!(exported.wrong_with(wrong, &[]).len(), 1, "{wrong}");
        }
        assert!(exported.says("x") && !exported.says("y"));
    }
}
