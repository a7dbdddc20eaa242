//! Whoever is on call, with a page before him: he types what it says, line by line, and sees what comes of it. What needs Google
//! Cloud is asked of the sandbox in its place, as docs/runbooks/README.md says; what it has not is named.
//!
//! Must not know: which incident it is.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, ensure};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde_json::Value;

use super::{
    operator::{NAME, Operator},
    page::{Page, first_word},
    prom::{self, Rows},
};
use crate::{
    client::Client,
    drills::{Stage, wording},
    exposition::Scrape,
};

/// The longest that a line's outcome is told.
const SHORT: usize = 96;
/// What "ten minutes ago" is in the pages' SQL.
const TEN_MINUTES_AGO: &str = "TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 10 MINUTE)";
const TEN_MINUTES: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// What came of a line.
pub(super) enum Came {
    /// What the operator's command printed.
    Said(String),
    /// A query's rows.
    Shows(Rows),
    /// A table's rows.
    Found(Vec<Vec<String>>),
    /// Log lines.
    Lines(usize),
    /// A job's report.
    Ran(Value),
    /// The sandbox has nothing like it.
    OnlyOnGoogleCloud,
}

/// Somebody on call.
pub(super) struct OnCall<'a> {
    stage: &'a Stage,
    pub(super) client: Client,
    operator: Operator,
    page: Page,
    /// How everything stood before the incident.
    before: Scrape,
    /// What stands in the page, and what it is this time.
    names: BTreeMap<&'static str, String>,
}

impl<'a> OnCall<'a> {
    /// Takes the page, before anything is wrong.
    pub(super) async fn with(stage: &'a Stage, programs: &Path, page: Page) -> anyhow::Result<Self> {
        let client = stage.client()?;
        let (operator, before) = (Operator::of(programs, &stage.store()), client.metrics().await?);
        stage.story.tell("on-call", format!("has the page docs/runbooks/{}.md", page.name))?;
        Ok(Self { stage, client, operator, page, before, names: BTreeMap::new() })
    }

    /// The page.
    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    /// Follows one block of a part, from its first line to its last. Answers what came of each.
    pub(super) async fn follow(&mut self, part: &str, block: usize) -> anyhow::Result<Vec<(String, Came)>> {
        let blocks = self.page.blocks(part)?;
        let lines = blocks.get(block).with_context(|| format!("expected that {part:?} has a block {}", block + 1))?;
        let mut came = Vec::new();
        for line in lines {
            let line = self.names.iter().fold(line.clone(), |line, (name, is)| line.replace(name, is));
            let what = self.type_in(&line).await.with_context(|| format!("{}: {part}: {line}", self.page.name))?;
            self.stage.story.tell("on-call", format!("$ {}", short(&line)))?;
            self.stage.story.tell("", format!("  {}", short(&told(&what))))?;
            // What a query finds is what the next lines are about.
            if let Came::Found(rows) = &what
                && let Some(id) = rows.iter().flatten().find(|cell| cell.starts_with("pay_"))
            {
                self.names.insert("pay_…", id.clone());
            }
            came.push((line, what));
        }
        Ok(came)
    }

    /// Types a command that a sentence of the page names. Answers what it says, one blank between words.
    pub(super) async fn types(&self, command: &str) -> anyhow::Result<String> {
        Ok(single_blanks(&self.operator.types(command).await?))
    }

    /// Asks a query that a sentence of the page names, of one row.
    pub(super) async fn asks(&self, query: &str) -> anyhow::Result<f64> {
        let rows = prom::ask(query, &self.before, &self.client.metrics().await?)?.context("it is a simple one")?;
        Ok(rows.first().map_or(0.0, |(_, value)| *value))
    }

    async fn type_in(&self, line: &str) -> anyhow::Result<Came> {
        Ok(match first_word(line) {
            (NAME, _) => Came::Said(self.operator.types(line).await?),
            ("prom", query) => match prom::ask(query, &self.before, &self.client.metrics().await?)? {
                Some(rows) => Came::Shows(rows),
                None => Came::OnlyOnGoogleCloud,
            },
            ("logs", filter) => Came::Lines(self.logged(filter)?),
            ("sql", query) => Came::Found(self.query(query)?),
            ("job", job) => Came::Ran(self.client.run_job(job).await?),
            _ => Came::OnlyOnGoogleCloud,
        })
    }

    /// How many lines of the sandbox's log have these fields.
    fn logged(&self, filter: &str) -> anyhow::Result<usize> {
        let mut wanted = Vec::new();
        for field in filter.split(" AND ") {
            let field = field.strip_prefix("jsonPayload.").and_then(|field| field.split_once('='));
            let (name, value) = field.context("expected a filter by a line's own fields")?;
            wanted.push((name, value.trim_matches('"')));
        }
        let lines = self.stage.log();
        let has = |line: &&Value| wanted.iter().all(|(name, value)| line[*name] == *value);
        Ok(lines.iter().filter(has).count())
    }

    /// Spanner's SQL on SQLite: the same tables, with ids that are `id`, and no shards and hints.
    fn query(&self, spanners: &str) -> anyhow::Result<Vec<Vec<String>>> {
        let mut query = spanners.replace("payment_id", "id").replace("shard IS NOT NULL AND ", "");
        while let Some(start) = query.find("@{") {
            let end = query[start..].find('}').context("a hint ends")?;
            query.replace_range(start..=start + end, "");
        }
        let clock = std::fs::read_to_string(self.stage.store().with_file_name("clock"))?;
        let then = clock.trim().parse::<jiff::Timestamp>()?.checked_sub(TEN_MINUTES)?;
        let query = query.replace(TEN_MINUTES_AGO, &then.as_microsecond().to_string());
        let store = Connection::open_with_flags(self.stage.store(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = store.prepare(&query).with_context(|| format!("on SQLite: {query}"))?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns).map(|column| Ok(cell(row.get_ref(column)?))).collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => "-".to_owned(),
    }
}

fn told(came: &Came) -> String {
    match came {
        Came::Said(said) => said.lines().map(str::trim).collect::<Vec<_>>().join(" | "),
        Came::Shows(rows) if rows.is_empty() => "nothing".to_owned(),
        Came::Shows(rows) => rows
            .iter()
            .map(|(labels, value)| {
                let labels: Vec<_> = labels.values().filter(|label| !label.is_empty()).map(String::as_str).collect();
                format!("{} {value}", labels.join(" ")).trim().to_owned()
            })
            .collect::<Vec<_>>()
            .join(", "),
        Came::Found(rows) => {
            format!("{} rows: {}", rows.len(), rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join(", "))
        }
        Came::Lines(lines) => format!("{lines} lines"),
        Came::Ran(report) => wording::report(report),
        Came::OnlyOnGoogleCloud => "(only on Google Cloud)".to_owned(),
    }
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The line that begins like this, and what came of it.
pub(super) fn of<'a>(came: &'a [(String, Came)], start: &str) -> anyhow::Result<&'a Came> {
    let found = came.iter().find(|(line, _)| line.starts_with(start));
    found.map(|(_, came)| came).with_context(|| format!("expected that the page has {start:?} typed"))
}

/// Something is seen by each line that was followed: a page that has people look where nothing is, is wrong.
pub(super) fn all_show_something(came: &[(String, Came)]) -> anyhow::Result<()> {
    for (line, came) in came {
        let something = match came {
            Came::Shows(rows) => !rows.is_empty(),
            Came::Lines(lines) => *lines > 0,
            Came::Said(said) => !said.trim().is_empty(),
            Came::Found(_) | Came::Ran(_) | Came::OnlyOnGoogleCloud => true,
        };
        ensure!(something, "expected that `{line}` shows something of it");
    }
    Ok(())
}

/// What the operator's command said on the line that begins like this, one blank between words.
pub(super) fn said(came: &[(String, Came)], start: &str) -> anyhow::Result<String> {
    match of(came, start)? {
        Came::Said(said) => Ok(single_blanks(said)),
        _ => anyhow::bail!("{start:?} is no command of the operator's"),
    }
}

fn single_blanks(text: &str) -> String {
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A query's value in the row with this label, on the line that begins like this.
pub(super) fn shows(came: &[(String, Came)], start: &str, label: &str) -> anyhow::Result<f64> {
    let Came::Shows(rows) = of(came, start)? else { anyhow::bail!("{start:?} is no query") };
    let row = rows.iter().find(|(labels, _)| label.is_empty() || labels.values().any(|value| value == label));
    Ok(row.map_or(0.0, |(_, value)| *value))
}
