//! The runbooks are what on-call has at night: every page has the same parts, and what it names exists: alerts, links, drills,
//! log lines, metrics, tables and columns. That every `tollgate …` in them can be typed is tested with the operator's arguments.
//!
//! Must not know: what the advice is. No test can tell whether it is good; the drills can.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use tollgate_tests::program::program;

/// The parts of a runbook, in this order.
const PARTS: [&str; 7] =
    ["Alerts", "Symptom", "What it means for merchants' money", "Look", "Act", "Over when", "Rehearse"];

/// Metrics that are Google's, by how their names begin.
const GOOGLES: [&str; 1] = ["googleapis_com:"];

/// Words of `PromQL` that are followed by a bracket and are no metric.
const PROMQL: [&str; 25] = [
    "sum",
    "max",
    "min",
    "avg",
    "count",
    "rate",
    "increase",
    "by",
    "without",
    "on",
    "ignoring",
    "and",
    "or",
    "unless",
    "time",
    "histogram_quantile",
    "topk",
    "delta",
    "abs",
    "clamp_min",
    "changes",
    "resets",
    "offset",
    "bool",
    "le",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A page: its name without `.md`, and its text.
struct Page {
    name: String,
    text: String,
}

impl Page {
    fn parts(&self) -> Vec<&str> {
        outside_code(&self.text).filter_map(|line| line.strip_prefix("## ")).collect()
    }

    fn part(&self, name: &str) -> &str {
        let start = self.text.split_once(&format!("\n## {name}\n")).map_or("", |(_, rest)| rest);
        start.split("\n## ").next().unwrap_or_default()
    }

    /// The slugs of its alerts: a line each, `- `slug`, `slug` (…): …`.
    fn alerts(&self) -> BTreeSet<String> {
        let lines = self.part("Alerts").lines().filter_map(|line| line.strip_prefix("- `"));
        let heads = lines.map(|line| line.split([':', '(']).next().unwrap_or_default());
        heads.flat_map(|head| head.split(',').map(|slug| slug.trim_matches([' ', '`']).to_owned())).collect()
    }

    /// What is given to a command of the README's in single quotes, over several lines too.
    fn given_to<'a>(&'a self, command: &'a str) -> impl Iterator<Item = &'a str> {
        let start = format!("{command} '");
        let fences = self.text.split("```").skip(1).step_by(2);
        fences.flat_map(move |fence| {
            let pieces = fence.split(&start).skip(1).collect::<Vec<_>>();
            pieces.into_iter().filter_map(|piece| piece.split('\'').next())
        })
    }
}

fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(str::lines)
}

/// What stands between single backticks outside of code blocks.
fn spans(text: &str) -> Vec<&str> {
    text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

fn pages() -> Vec<Page> {
    let folder = root().join("docs/runbooks");
    let mut pages: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| Page {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).unwrap(),
        })
        .collect();
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(pages.len() > 3, "there are runbooks");
    pages
}

fn runbooks() -> Vec<Page> {
    pages().into_iter().filter(|page| page.name != "README").collect()
}

/// The text of all sources that are not tests.
static SOURCES: LazyLock<String> = LazyLock::new(|| {
    let mut all = String::new();
    for folder in ["shared", "functions", "operator/src"] {
        gather(&root().join(folder), "rs", &mut all);
    }
    // A text that was broken over two lines is one text.
    all.split("\\\n").map(str::trim_start).collect()
});

static SCHEMA: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut all = String::new();
    gather(&root().join("schemas/spanner"), "sql", &mut all);
    let uncommented = all.lines().map(|line| line.split("--").next().unwrap_or_default());
    uncommented.flat_map(identifiers).map(str::to_owned).collect()
});

fn gather(folder: &Path, ending: &str, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                gather(&path, ending, all);
            }
        } else if path.extension().is_some_and(|extension| extension == ending) {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// What stands between double quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Log lines that a page names: what its symptoms quote after `Log:`, and the filters given to `logs`.
fn log_lines(page: &Page) -> Vec<&str> {
    let mut named = Vec::new();
    for after in page.text.split("Log: ").skip(1) {
        let sentence = after.split("\n\n").next().unwrap_or_default();
        let mut rest = sentence;
        while let Some((line, after)) = rest.strip_prefix('"').and_then(|text| text.split_once('"')) {
            named.push(line);
            rest = after.trim_start_matches([',', ' ', '\n']).trim_start_matches("and ");
        }
    }
    for filter in page.given_to("logs") {
        for field in ["jsonPayload.event=", "jsonPayload.message="] {
            let values = filter.split(field).skip(1).map(|value| value.split(" AND ").next().unwrap_or_default());
            named.extend(values.flat_map(quoted));
        }
    }
    named
}

/// What is wrong with the log lines that a page names.
fn wrong_log_lines(page: &Page) -> Vec<String> {
    let unknown = |line: &&str| !SOURCES.contains(&format!("\"{line}\""));
    log_lines(page)
        .into_iter()
        .filter(unknown)
        .map(|line| format!("{}: no source writes {line:?}", page.name))
        .collect()
}

/// What is wrong with the metrics in `PromQL`.
fn wrong_metrics(page: &Page) -> Vec<String> {
    let in_spans = spans(&page.text).into_iter().filter(|span| span.contains("_total") || span.contains("_seconds"));
    let mut wrong = Vec::new();
    for query in page.given_to("prom").chain(in_spans) {
        for name in metrics_of(query) {
            let ours = ["", "_count", "_sum", "_bucket"]
                .iter()
                .any(|ending| name.strip_suffix(ending).is_some_and(|name| SOURCES.contains(&format!("\"{name}\""))));
            if !ours && !GOOGLES.iter().any(|googles| name.contains(googles)) {
                wrong.push(format!("{}: no metric is named {name}", page.name));
            }
        }
    }
    wrong
}

/// The metrics of a query: words with an underscore that are neither a label, nor in quotes, nor its own.
fn metrics_of(query: &str) -> Vec<String> {
    let unquoted: String = query.split('"').step_by(2).collect();
    let mut bare = String::new();
    let mut braces = 0_u32;
    for letter in unquoted.chars() {
        match letter {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            _ if braces == 0 => bare.push(letter),
            _ => {}
        }
        if letter == '}' {
            bare.push(' ');
        }
    }
    // Labels after `by`, `on` and their like stand in brackets of their own.
    let mut words = Vec::new();
    let mut rest = bare.as_str();
    while let Some(at) = ["by (", "without (", "on (", "ignoring ("].iter().filter_map(|word| rest.find(word)).min() {
        let (before, after) = rest.split_at(at);
        words.push(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    words.push(rest);
    let names = words
        .iter()
        .flat_map(|text| text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':'));
    let is_metric = |name: &&str| name.contains('_') && !PROMQL.contains(name) && !name.starts_with(char::is_numeric);
    names.filter(is_metric).map(str::to_owned).collect()
}

/// What is wrong with the tables and columns in SQL. Keywords are in capitals there.
fn wrong_columns(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for query in page.given_to("sql") {
        let unquoted: String = query.split('"').step_by(2).collect();
        let words: Vec<_> = identifiers(&unquoted).collect();
        let aliases: BTreeSet<_> = words.windows(2).filter(|two| two[0] == "AS").map(|two| two[1]).collect();
        for word in words.iter().filter(|word| word.chars().any(char::is_lowercase) && !aliases.contains(**word)) {
            if !SCHEMA.contains(*word) {
                wrong.push(format!("{}: the schema has no {word}", page.name));
            }
        }
    }
    wrong
}

/// What is wrong with the drills that a page names, where `known` are.
fn wrong_drills(page: &Page, known: &BTreeSet<String>) -> Vec<String> {
    let is_drill = |word: &&str| {
        let mut letters = word.chars();
        word.len() == 2 && letters.next().is_some_and(|one| one.is_ascii_uppercase()) && letters.all(char::is_numeric)
    };
    let named = page.text.split("drill ").skip(1).filter_map(|after| identifiers(after).next()).filter(is_drill);
    let lists = page.text.split("drills ").skip(1).flat_map(|after| {
        after
            .split([' ', ',', '.', ')', '`', '|', '\n'])
            .filter(|word| !word.is_empty())
            .take_while(|word| is_drill(word) || *word == "and")
    });
    let unknown = |drill: &&str| *drill != "and" && !known.contains(*drill);
    named.chain(lists).filter(unknown).map(|drill| format!("{}: there is no drill {drill}", page.name)).collect()
}

/// What is wrong with relative links, seen from `folder`.
fn wrong_links(page: &Page, folder: &Path) -> Vec<String> {
    let prose: String = page.text.split("```").step_by(2).collect();
    let links: Vec<_> = prose.split("](").skip(1).filter_map(|after| after.split(')').next()).collect();
    let relative = links.into_iter().filter(|link| !link.contains("://"));
    let broken = |link: &&str| {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let file = if path.is_empty() { folder.join(format!("{}.md", page.name)) } else { folder.join(path) };
        let anchors =
            |text: String| outside_code(&text).filter(|line| line.starts_with('#')).map(slug).collect::<Vec<_>>();
        !file.exists()
            || !(anchor.is_empty() || anchors(fs::read_to_string(&file).unwrap()).contains(&anchor.to_owned()))
    };
    relative.filter(broken).map(|link| format!("{}: {link} leads nowhere", page.name)).collect()
}

/// What GitHub makes of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .collect::<String>()
        .replace(' ', "-")
}

/// What is wrong with a page's parts.
fn wrong_parts(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    if page.parts() != PARTS {
        wrong.push(format!("{} has the parts {:?}", page.name, page.parts()));
    }
    wrong.extend(
        PARTS
            .iter()
            .filter(|part| page.part(part).trim().is_empty())
            .map(|part| format!("{}: {part} is empty", page.name)),
    );
    if page.alerts().is_empty() {
        wrong.push(format!("{} has no alert", page.name));
    }
    wrong
}

/// Which alerts lead to which page, as the README's table says.
fn table(readme: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        let (alerts, page) = (cells.next()?, cells.next()?);
        let page = page.split("](").nth(1)?.split(".md)").next()?.to_owned();
        Some((page, spans(alerts).into_iter().map(str::to_owned).collect()))
    });
    rows.collect()
}

const NONE: Vec<String> = Vec::new();

#[test]
fn every_runbook_has_the_same_parts_and_an_alert() {
    assert_eq!(runbooks().iter().flat_map(wrong_parts).collect::<Vec<_>>(), NONE);
}

#[test]
fn the_table_of_alerts_is_what_the_runbooks_say() {
    let readme = pages().into_iter().find(|page| page.name == "README").unwrap();
    let said: BTreeMap<_, _> = runbooks().iter().map(|page| (page.name.clone(), page.alerts())).collect();
    assert_eq!(table(&readme.text), said);
    let mut all: Vec<_> = said.values().flatten().collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), said.values().map(BTreeSet::len).sum::<usize>(), "an alert leads to two pages");
}

#[test]
fn what_runbooks_name_exists() {
    let folder = root().join("docs/runbooks");
    let mut wrong = Vec::new();
    for page in pages() {
        wrong.extend(wrong_links(&page, &folder));
        wrong.extend(wrong_log_lines(&page));
        wrong.extend(wrong_metrics(&page));
        wrong.extend(wrong_columns(&page));
    }
    let capacity =
        Page { name: "capacity".to_owned(), text: fs::read_to_string(root().join("docs/capacity.md")).unwrap() };
    wrong.extend(wrong_links(&capacity, &root().join("docs")));
    assert_eq!(wrong, NONE);
}

#[test]
fn every_drill_that_a_runbook_names_can_be_played() {
    let listed = Command::new(program("tollgate-sandbox")).arg("drill").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let known: BTreeSet<_> = listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(known.contains("C2"), "{listed}");
    assert_eq!(pages().iter().flat_map(|page| wrong_drills(page, &known)).collect::<Vec<_>>(), NONE);
}

/// Each of these checks finds the mistake that it is for.
#[test]
fn planted_mistakes_are_found() {
    let page = |text: &str| Page { name: "planted".to_owned(), text: text.to_owned() };
    let parts = PARTS.map(|part| format!("\n## {part}\n\n- `an-alert` (page): x\n")).concat();
    assert_eq!(wrong_parts(&page(&parts)), NONE);
    assert!(!wrong_parts(&page(&parts.replace("## Look", "## Looks"))).is_empty());
    assert!(!wrong_parts(&page(&parts.replace("- `an-alert` (page): x\n\n## Symptom", "\n## Symptom"))).is_empty());
    assert_eq!(page(&parts).alerts(), BTreeSet::from(["an-alert".to_owned()]));

    let seen = |check: fn(&Page) -> Vec<String>, good: &str, bad: &str| {
        assert_eq!(check(&page(good)), NONE);
        assert_eq!(check(&page(bad)).len(), 1, "{bad}");
    };
    seen(wrong_log_lines, "Log: \"store_away\", \"store_back\".", "Log: \"store_away\", \"store_gone\".");
    seen(
        wrong_log_lines,
        "```sh\nlogs 'jsonPayload.event=\"store_away\"' 1h\n```",
        "```sh\nlogs 'jsonPayload.event=\"store_gone\"'\n```",
    );
    seen(
        wrong_metrics,
        "```sh\nprom 'sum by (no_metric) (rate(http_requests_total{no_metric=~\"5..\"}[5m])) > 0'\n```",
        "```sh\nprom 'max(http_request_total)'\n```",
    );
    seen(wrong_metrics, "`rate(http_request_duration_seconds_bucket[5m])`", "`http_request_duration_seconds_max`");
    seen(
        wrong_columns,
        "```sh\nsql 'SELECT p.status AS what FROM payments@{FORCE_INDEX=payments_due} AS p WHERE status = \"no_column\"'\n```",
        "```sh\nsql 'SELECT no_such_column\n FROM payments'\n```",
    );
    let known = BTreeSet::from(["C2".to_owned(), "S4".to_owned()]);
    assert_eq!(wrong_drills(&page("`cargo run -- drill C2`, drills S4, C2"), &known), NONE);
    assert_eq!(wrong_drills(&page("`cargo run -- drill C9`, drills S4, C8"), &known).len(), 2);
    let folder = root().join("docs/runbooks");
    let linked = |link: &str| wrong_links(&page(&format!("[x]({link})")), &folder);
    assert_eq!(linked("../operating.md#the-operators-command"), NONE);
    assert_eq!((linked("nowhere.md").len(), linked("../../README.md#nowhere").len()), (1, 1));
}
