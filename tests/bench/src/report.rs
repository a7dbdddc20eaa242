//! What was measured: a table for people, JSON for programs.

use std::{borrow::Cow, fmt::Write};

use serde::Serialize;

/// What a figure should be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

/// A target of a build that is measured, and that of one for debugging, which says whether the program works at all.
pub(crate) fn by_build(release: f64, debug: f64) -> f64 {
    if cfg!(debug_assertions) { debug } else { release }
}

/// One figure.
#[derive(Debug, Serialize)]
struct Row {
    scenario: &'static str,
    name: Cow<'static, str>,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

/// The figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cores: usize,
    clients: usize,
    seconds: u64,
    #[serde(skip)]
    scenario: &'static str,
    rows: Vec<Row>,
}

impl Report {
    /// An empty one, of a run with so many clients and so many seconds for each scenario.
    pub(crate) fn new(clients: usize, seconds: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cores, clients, seconds, scenario: "", rows: Vec::new() }
    }

    /// What follows is of this scenario.
    pub(crate) fn begin(&mut self, scenario: &'static str) {
        self.scenario = scenario;
    }

    /// A figure to know.
    pub(crate) fn figure(&mut self, name: impl Into<Cow<'static, str>>, value: f64, unit: &'static str) {
        self.rows.push(Row { scenario: self.scenario, name: name.into(), value, unit, target: None, met: None });
    }

    /// A figure with a target.
    pub(crate) fn target(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        let met = Some(target.is_met(value));
        self.rows.push(Row { scenario: self.scenario, name: name.into(), value, unit, target: Some(target), met });
    }

    /// Whether every target is met.
    pub(crate) fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.met != Some(false))
    }

    /// As a Markdown table, which reads well in a terminal too.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{} cores, {} clients, {} s each\n\n", self.cores, self.clients, self.seconds);
        let head = ["scenario", "figure", "value", "unit", "target", "met"].map(str::to_owned);
        let lines: Vec<[String; 6]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        for (number, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(widths) {
                // Writing to a `String` does not fail, here and below.
                _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.into_iter().enumerate() {
                    // Numbers stand to the right where Markdown is rendered.
                    _ = write!(text, "| {}{} ", "-".repeat(width - 1), if column == 2 { ":" } else { "-" });
                }
                text.push_str("|\n");
            }
        }
        text
    }

    /// As JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let target = self.target.map_or(String::new(), |target| match target {
            Target::AtMost(most) => format!("at most {most}"),
            Target::AtLeast(least) => format!("at least {least}"),
        });
        let met = self.met.map_or("", |met| if met { "yes" } else { "no" });
        let value = if self.value < 10.0 { format!("{:.2}", self.value) } else { format!("{:.0}", self.value) };
        [self.scenario.to_owned(), self.name.to_string(), value, self.unit.to_owned(), target, met.to_owned()]
    }
}
