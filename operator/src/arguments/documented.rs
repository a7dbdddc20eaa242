//! Every `tollgate …` that the documents tell people to type can be typed: on-call has them from a runbook, at night.
//!
//! Must not know: what a command does.

use std::{fs, path::Path};

use clap::{Parser, error::ErrorKind};

use super::Arguments;

/// What stands in the documents for an id, a time, a file, and one.
const PLACEHOLDERS: [(&str, &str); 11] = [
    ("mer_…", "mer_7hg4admtgmca4t9anwfqwgwfqc"),
    ("\"$merchant\"", "mer_7hg4admtgmca4t9anwfqwgwfqc"),
    ("pay_…", "pay_01m8bdydkwx60b9pqbhjw8ybvj"),
    ("exc_…", "exc_01m8bdydkwx60b9pqbhjw8ybvj"),
    ("stl_…", "stl_01m8bdydkwx60b9pqbhjw8ybvj"),
    ("95ee1c…", "95ee1c"),
    ("-per-minute N", "-per-minute 1"),
    ("$(date +%s)", "1800000000"),
    ("--at T", "--at 2027-01-15T03:00:00Z"),
    ("--restored …", "--restored backup.db"),
    ("--url …", "--url https://pay.example"),
];

/// A command as a shell splits it: up to a comment, a pipe or the end of a substitution.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            (None, '#' | '|' | ')' | ';') => break,
            _ => word.push(letter),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// What is wrong with a command. `whole`: it is there to be typed, and not only named in a sentence.
fn wrong(line: &str, whole: bool) -> Option<String> {
    let mut line = line.to_owned();
    for (placeholder, id) in PLACEHOLDERS {
        line = line.replace(placeholder, id);
    }
    let mut words = words(&line);
    if !whole && words.last().is_some_and(|last| last == "…") {
        words.pop();
    }
    let error = Arguments::try_parse_from(&words).err()?;
    let is_only_named = !whole
        && matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
    (!is_only_named).then(|| format!("{line}: {}", error.to_string().lines().next().unwrap_or_default()))
}

/// The commands in a document: in its blocks for a shell, and in its sentences.
fn commands(text: &str) -> (Vec<&str>, Vec<&str>) {
    let parts: Vec<_> = text.split("```").collect();
    let blocks = parts.iter().skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let typed = blocks.flat_map(str::lines).map(str::trim).filter_map(|line| {
        let start = line.find("tollgate ").filter(|at| *at == 0 || line[..*at].ends_with("$("))?;
        Some(&line[start..])
    });
    let prose = parts.iter().step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    (typed.collect(), prose.filter(|span| span.starts_with("tollgate ")).collect())
}

fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![root.join("README.md")];
    for folder in ["docs", "docs/runbooks"] {
        let entries = fs::read_dir(root.join(folder)).expect("the documents are there");
        files.extend(entries.map(|entry| entry.expect("the entry can be read").path()));
    }
    files.retain(|file| file.extension().is_some_and(|ending| ending == "md"));
    files.iter().map(|file| fs::read_to_string(file).expect("a document is text")).collect()
}

#[test]
fn every_command_in_the_documents_can_be_typed() {
    let documents = documents();
    let all: Vec<_> = documents.iter().map(|text| commands(text)).collect();
    let typed = all.iter().flat_map(|(typed, _)| typed.iter().filter_map(|line| wrong(line, true)));
    let named = all.iter().flat_map(|(_, named)| named.iter().filter_map(|line| wrong(line, false)));
    assert_eq!(typed.chain(named).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(all.iter().map(|(typed, named)| typed.len() + named.len()).sum::<usize>() > 40, "they are found");
}

#[test]
fn a_command_that_is_not_ours_would_be_seen() {
    for good in [
        "tollgate payment show pay_…",
        "tollgate keys revoke mer_… 95ee1c --why x  # at once",
        "tollgate merchants list)",
    ] {
        assert_eq!(wrong(good, true), None);
    }
    for bad in [
        "tollgate payment settle pay_…",
        "tollgate payment resolve pay_…",
        "tollgate providers off stripe --why \"x\"",
        "tollgate provider off stripe",
        "tollgate keys rotate mer_… --keep 24h",
    ] {
        assert!(wrong(bad, true).is_some(), "{bad}");
    }
    assert_eq!((wrong("tollgate payment show", false), wrong("tollgate provider …", false)), (None, None));
    assert!(wrong("tollgate payment settle", false).is_some());
    let (typed, named) = commands("`tollgate migrate`\n```sh\nX=$(tollgate migrate)\necho tollgate\n```\n");
    assert_eq!((typed, named), (vec!["tollgate migrate)"], vec!["tollgate migrate"]));
}
