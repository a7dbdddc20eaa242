//! That everything stated about objectives, alerts and dashboards holds together, and that what does not is seen.

use std::{fs, path::PathBuf};

use tollgate_observability::{
    Sources,
    cases::Cases,
    check, documentation,
    exported::Exported,
    generate, promtool,
    sources::{OfSlo, Severity},
};

fn sources() -> Sources {
    Sources::read(&Sources::folder()).expect("the sources can be read")
}

fn exported() -> Exported {
    Exported::scan(&Sources::root()).expect("the functions' sources can be read")
}

fn cases() -> Cases {
    Cases::read(&Sources::folder().join("cases")).expect("the cases can be read")
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn what_is_made_of_the_sources_is_up_to_date() {
    assert_eq!(generate::stale(&sources(), &Sources::root()).unwrap(), none());
}

#[test]
fn every_expression_asks_for_metrics_and_labels_that_there_are() {
    assert_eq!(check::expressions(&sources(), &exported()).unwrap(), none());
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    assert_eq!(check::runbooks(&sources(), &Sources::root().join("docs/runbooks")).unwrap(), none());
}

#[test]
fn every_alert_is_caused_by_a_case() {
    assert_eq!(check::tried(&sources(), &cases()).unwrap(), none());
}

#[test]
fn the_documentation_says_what_is_promised() {
    let text = fs::read_to_string(Sources::root().join("docs/slo.md")).unwrap();
    assert_eq!(check::documented(&sources(), &text).unwrap(), none());
}

#[test]
fn the_budget_of_three_nines_is_forty_three_minutes_a_month() {
    let sources = sources();
    let slo = sources.slos.slo("availability").unwrap();
    assert!((slo.budget_minutes() - 43.2).abs() < 1e-6);
    let wanted = [
        ("fast", "0.0144", &["1h", "5m"][..], Severity::Page),
        ("slow", "0.006", &["6h", "30m"], Severity::Page),
        ("hour", "0.01", &["1h"], Severity::Page),
        ("tenth", "0.072", &["1h"], Severity::Escalate),
        ("steady", "0.001", &["3d", "6h"], Severity::Ticket),
        ("half", "0.0021", &["7d"], Severity::Ticket),
    ];
    for (name, threshold, windows, severity) in wanted {
        let burn = sources.slos.burn(name).unwrap();
        assert_eq!(
            (burn.windows.iter().map(String::as_str).collect::<Vec<_>>(), burn.severity),
            (windows.to_vec(), severity)
        );
        let expr = slo.burning(burn, None);
        assert_eq!(expr.matches(&format!("> {threshold}")).count(), windows.len(), "{expr}");
    }
    assert!(slo.shown(OfSlo::Budget).contains("[30d]"));
}

#[test]
fn alerts_fire_on_their_faults_and_on_nothing_else() {
    if !promtool::is_there() {
        assert!(!promtool::is_required(), "promtool is missing: apt-get install prometheus");
        return;
    }
    let tests: Vec<String> = cases().promtool().unwrap().keys().map(|name| format!("cases/{name}")).collect();
    promtool::run(&Sources::folder().join("generated"), &tests).unwrap();
}

#[test]
fn a_missing_runbook_and_one_that_no_alert_names_would_be_seen() {
    let (sources, folder) = (sources(), folder("runbooks"));
    for alert in sources.all_alerts().unwrap() {
        fs::write(folder.join(format!("{}.md", alert.runbook)), "").unwrap();
    }
    fs::write(folder.join("README.md"), "").unwrap();
    assert_eq!(check::runbooks(&sources, &folder).unwrap(), none());
    fs::remove_file(folder.join("job-late.md")).unwrap();
    fs::write(folder.join("forgotten.md"), "").unwrap();
    assert_eq!(
        check::runbooks(&sources, &folder).unwrap(),
        [
            "job-late: its runbook docs/runbooks/job-late.md is not there",
            "docs/runbooks/forgotten.md is the runbook of no alert"
        ]
    );
}

#[test]
fn mistakes_in_an_expression_would_be_seen() {
    let exported = exported();
    for (right, wrong, said) in [
        ("max(counters_degraded)", "max(counters_degrated)", "counters_degrated is exported by no function"),
        ("max(counters_degraded)", "max(counters_degraded{instanze=\"a\"})", "counters_degraded has no label instanze"),
        ("max(counters_degraded)", "max by (topic) (counters_degraded)", "has a label topic"),
        ("outcome=\"interrupted\"", "outcome=\"interupted\"", "nothing of ours is outcome=\"interupted\""),
        (
            "provider-truth|provider-records",
            "provider-truths|provider-records",
            "nothing of ours is exported_job=\"provider-truths\"",
        ),
        ("exported_job=\"settlement\"", "job=\"settlement\"", "has no label job"),
        ("settlement_duration_seconds_count", "settlement_duration_seconds", "is a histogram"),
        ("max(counters_degraded)", "max(counters_degraded", "alert counters-away"),
        ("{instance_id=\"@spanner_instance@\",priority=\"high\"}", "{instanze_id=\"x\"}", "has no label instanze_id"),
    ] {
        let mut sources = sources();
        let alert = sources.alerts.alert.iter_mut().find(|alert| alert.expr.contains(right)).expect(right);
        alert.expr = alert.expr.replace(right, wrong);
        let found = check::expressions(&sources, &exported).unwrap();
        assert!(found.iter().any(|line| line.contains(said)), "{wrong}: {found:?}");
    }
    let mut sources = sources();
    sources.dashboards.get_mut("on-call").unwrap().section[0].panel[2].query[0].expr = Some("up_since".to_owned());
    let found = check::expressions(&sources, &exported).unwrap();
    assert!(found.iter().any(|line| line.contains("up_since is exported by no function")), "{found:?}");
}

#[test]
fn an_alert_that_nothing_tries_would_be_seen() {
    let mut sources = sources();
    sources.alerts.alert[0].name = "untried".to_owned();
    assert_eq!(
        check::tried(&sources, &cases()).unwrap(),
        ["alert untried: no case causes it", "a case expects circuit-open, which is no alert"]
    );
}

#[test]
fn a_burn_rate_that_no_traffic_can_reach_is_refused() {
    let mut sources = sources();
    let latency = sources.slos.slo.iter_mut().find(|slo| slo.name == "latency").unwrap();
    latency.burn.push("tenth".to_owned());
    assert!(sources.all_alerts().unwrap_err().to_string().contains("more failures than there are requests"));
}

#[test]
fn a_change_that_was_not_generated_or_documented_would_be_seen() {
    let mut sources = sources();
    sources.slos.burn[1].rate = 15.0;
    let stale = generate::stale(&sources, &Sources::root()).unwrap();
    assert!(
        stale.iter().any(|line| line.contains("rules.yaml")) && stale.iter().any(|line| line.contains("alerts.json"))
    );
    let rows = documentation::rows(&self::sources()).unwrap().join("\n");
    let missing = check::documented(&sources, &rows).unwrap();
    assert!(missing.iter().any(|line| line.contains("15 ×")), "{missing:?}");
}

#[test]
fn an_alert_that_does_not_fire_in_time_would_be_seen() {
    if !promtool::is_there() {
        return;
    }
    let folder = folder("planted");
    let mut sources = sources();
    let alert = sources.alerts.alert.iter_mut().find(|alert| alert.name == "counters-away").unwrap();
    alert.lasting = "1h".to_owned();
    let rules = tollgate_observability::rules::write(&sources).unwrap();
    fs::create_dir_all(folder.join("cases")).unwrap();
    fs::write(folder.join("rules.yaml"), rules).unwrap();
    let mut cases = cases();
    cases.cases.retain(|case| case.name == "Redis is away");
    let files = cases.promtool().unwrap();
    let (name, text) = files.first_key_value().unwrap();
    fs::write(folder.join("cases").join(name), text).unwrap();
    let error = promtool::run(&folder, &[format!("cases/{name}")]).unwrap_err().to_string();
    assert!(error.contains("counters-away"), "{error}");
}
