//! The house rules that no compiler checks: arrows between crates, what the pure ones may use, licences of what we
//! depend on, and that every file says what it is for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which crates of ours each crate may use. What is not here may use nothing; the sandbox and the tests may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("gateway", &["domain"]),
    ("api", &["domain", "gateway"]),
    ("statements", &["domain"]),
    ("store", &["domain", "gateway", "store-records"]),
    ("store-records", &["domain", "gateway"]),
    ("store-spanner", &["domain", "gateway", "store-records"]),
    ("messaging", &["domain", "gateway"]),
    ("messaging-pubsub", &["domain", "gateway", "messaging"]),
    ("counters", &["domain", "gateway"]),
    ("providers", &["domain", "gateway"]),
    ("webhooks", &["domain", "gateway"]),
    ("runtime", &["api", "gateway"]),
    ("simulators", &["gateway"]),
    (
        "assembly",
        &[
            "api",
            "counters",
            "domain",
            "gateway",
            "messaging",
            "messaging-pubsub",
            "providers",
            "runtime",
            "store",
            "store-spanner",
            "webhooks",
        ],
    ),
    ("payments", &["api", "assembly", "domain", "gateway", "runtime"]),
    ("webhook-delivery", &["api", "assembly", "gateway", "messaging", "runtime"]),
    ("provider-webhooks", &["api", "assembly", "domain", "gateway", "messaging", "runtime"]),
    (
        "operator",
        // (Of the providers it has their outbound HTTP.)
        &[
            "api",
            "assembly",
            "domain",
            "gateway",
            "providers",
            "runtime",
            "statements",
            "store",
            "store-spanner",
            "webhooks",
        ],
    ),
    // On the emulator it makes a database, migrates it as `tollgate migrate` does, and commits beside the store.
    ("bench", &["emulators", "gateway", "runtime", "store-spanner"]),
    // It reads as production does, and nothing behind the readers.
    ("fuzz", &["api", "domain", "gateway", "messaging", "providers", "runtime", "statements"]),
    ("reconciliation", &["api", "assembly", "domain", "gateway", "runtime"]),
    ("settlement", &["api", "assembly", "domain", "gateway", "messaging", "runtime"]),
];

/// All that the domain may use from outside: no async, no I/O, no wire format.
const DOMAIN_MAY_USE: &[&str] = &["jiff", "thiserror", "uuid"];
/// What the gateway may not use: a task runtime, a server, a database, a wire format.
const GATEWAY_MAY_NOT_USE: &[&str] =
    &["tokio", "axum", "hyper", "reqwest", "rusqlite", "serde", "serde_json", "google-cloud-spanner"];
/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "common", "core", "misc"];
/// Licences that go with Apache-2.0.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unicode-3.0",
    "Unlicense",
    "BSL-1.0",
    "MIT-0",
    "Apache-2.0 WITH LLVM-exception",
    "CDLA-Permissive-2.0",
    // LLVM's own before its present one: libFuzzer, which no program of ours contains.
    "NCSA",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

fn metadata(arguments: &[&str]) -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo's metadata is JSON")
}

/// Our crates, each with what it uses outside of tests.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("there are packages").iter();
    let uses = packages.map(|package| {
        let name = package["name"].as_str().unwrap_or_default().trim_start_matches("tollgate-").to_owned();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        (name, normal.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned)).collect())
    });
    uses.collect()
}

/// What is wrong with these arrows.
fn wrong_arrows(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, used) in uses.iter().filter(|(name, _)| !matches!(name.as_str(), "sandbox" | "simulation" | "tests")) {
        let allowed = ARROWS.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, allowed)| *allowed);
        for ours in used.iter().filter_map(|used| used.strip_prefix("tollgate-")) {
            if !allowed.contains(&ours) {
                wrong.push(format!("{name} → {ours}"));
            }
        }
        let foreign = used.iter().map(String::as_str).filter(|used| !used.starts_with("tollgate-"));
        wrong.extend(foreign.filter(|used| is_foreign_wrong(name, used)).map(|used| format!("{name} → {used}")));
        if EMPTY_NAMES.contains(&name.as_str()) {
            wrong.push(format!("{name} is a name that says nothing"));
        }
    }
    wrong
}

fn is_foreign_wrong(name: &str, used: &str) -> bool {
    match name {
        "domain" => !DOMAIN_MAY_USE.contains(&used),
        "gateway" => GATEWAY_MAY_NOT_USE.contains(&used),
        _ => false,
    }
}

#[test]
fn arrows_between_crates_point_inward() {
    assert_eq!(wrong_arrows(&uses()), Vec::<String>::new());
}

#[test]
fn a_wrong_arrow_would_be_seen() {
    let mut uses = uses();
    let mut plant = |name: &str, used: &str| uses.entry(name.to_owned()).or_default().insert(used.to_owned());
    plant("domain", "tokio");
    plant("gateway", "tollgate-store");
    plant("payments", "tollgate-provider-webhooks");
    plant("helpers", "tollgate-domain");
    assert_eq!(
        wrong_arrows(&uses),
        [
            "domain → tokio",
            "gateway → store",
            "helpers → domain",
            "helpers is a name that says nothing",
            "payments → provider-webhooks"
        ]
    );
}

/// Whether `expression` (SPDX) leaves us a way that goes with our licence: of every part between `AND`s, one of the
/// alternatives.
fn is_compatible(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" AND ").all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

#[test]
fn every_dependency_has_a_licence_that_goes_with_ours() {
    let metadata = metadata(&[]);
    let packages = metadata["packages"].as_array().expect("there are packages");
    let incompatible: Vec<_> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(is_compatible))
        .map(|package| format!("{}: {}", package["name"], package["license"]))
        .collect();
    assert_eq!(incompatible, Vec::<String>::new());
    assert!(packages.len() > 50 && !is_compatible("GPL-3.0-only") && !is_compatible("MIT AND GPL-2.0-only"));
}

/// Crates that unpack what is compressed.
const UNPACKERS: [&str; 9] = [
    "async-compression",
    "brotli",
    "brotli-decompressor",
    "flate2",
    "libflate",
    "miniz_oxide",
    "ruzstd",
    "zlib-rs",
    "zstd",
];

/// A few bytes may stand for gigabytes: neither what clients send, nor what providers or merchants' endpoints answer, is ever unpacked.
#[test]
fn nothing_in_our_programs_can_unpack_what_others_have_compressed() {
    let metadata = metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let nodes = metadata["resolve"]["nodes"].as_array().expect("there are nodes");
    let names = nodes.iter().filter_map(|node| node["id"].as_str());
    let unpackers: Vec<_> = names.filter(|id| UNPACKERS.iter().any(|name| id.contains(&format!("#{name}@")))).collect();
    assert_eq!(unpackers, Vec::<&str>::new());
    assert!(
        nodes.iter().any(|node| node["id"].as_str().is_some_and(|id| id.contains("#hyper@"))),
        "ids look different"
    );
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mut silent = Vec::new();
    for folder in ["shared", "functions", "infra", "operator", "tests"] {
        visit(&root().join(folder), &mut |file| {
            let text = fs::read_to_string(file).expect("source is text");
            if !text.starts_with("//!") {
                silent.push(file.strip_prefix(root()).unwrap_or(file).display().to_string());
            }
        });
    }
    assert_eq!(silent, Vec::<String>::new());
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            look(&path);
        }
    }
}
