//! The sandbox as one process, providers included: it starts again after a crash, and shares its folder with nobody.

use std::{path::Path, time::Duration};

use http::Method;
use serde_json::json;
use tokio::process::Command;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_sandbox::process::{Process, client_of};
use tollgate_tests::{program::program, stage::Http};

/// Far longer than a start takes, far shorter than waiting for webhooks that nobody takes.
const AT_ONCE: Duration = Duration::from_secs(15);

fn serve(port: &str, data: &Path) -> Command {
    let mut command = Command::new(program("tollgate-sandbox"));
    command.args(["serve", "--port", port, "--data"]).arg(data);
    command
}

#[tokio::test]
async fn a_sandbox_that_died_with_an_event_under_way_starts_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(serve("0", folder.path())).await.unwrap();
    let port = first.url.rsplit(':').next().unwrap().to_owned();
    let client = client_of(folder.path()).unwrap();
    client.crash_at("before_event").await.unwrap();
    // Whether its own answer came before the event is a race.
    _ = client.create("k", 1000, "pm_card_visa").await;
    first.died().await.unwrap();

    let clock = SystemClock::start();
    let again = Process::start(serve(&port, folder.path())).await.unwrap();
    assert!(clock.monotonic() < AT_ONCE, "it took {:?}", clock.monotonic());
    let retried = client_of(folder.path()).unwrap().create("k", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((retried.status, retried.text("status")), (200, "AUTHORIZED"));
    again.kill().await.unwrap();
}

#[tokio::test]
async fn a_payer_whose_page_was_open_over_a_restart_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(serve("0", folder.path())).await.unwrap();
    let waits = client_of(folder.path()).unwrap().create("k", 1000, "pm_card_threeDSecure2Required").await.unwrap();
    first.kill().await.unwrap();
    let again = Process::start(serve("0", folder.path())).await.unwrap();
    let page = waits.body["next_action"]["url"].as_str().unwrap();
    assert_eq!(Http::new().get(page).await.status(), 200);
    again.kill().await.unwrap();
}

/// Whoever exported `STORE_URL` for the operator's command, and starts a sandbox in the same shell.
#[tokio::test]
async fn a_sandbox_takes_no_store_of_somebody_elses() {
    let (theirs, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Process::start(serve("0", theirs.path())).await.unwrap();
    let payment = client_of(theirs.path()).unwrap().create("k", 1000, "pm_card_visa").await.unwrap();
    first.kill().await.unwrap();
    let store = format!("sqlite:{}", theirs.path().join("tollgate.sqlite").display());
    let refused = serve("0", folder.path()).env("STORE_URL", &store).output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("STORE_URL: this store has merchants that are not"), "{said}");
    let mut own = serve("0", theirs.path());
    own.env("STORE_URL", &store);
    let again = Process::start(own).await.unwrap();
    let found = client_of(theirs.path()).unwrap().payment(payment.text("id")).await.unwrap();
    assert_eq!(found["status"], "AUTHORIZED", "its own, however it is named");
    again.kill().await.unwrap();
}

#[tokio::test]
async fn a_second_sandbox_in_the_same_folder_is_refused_with_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(serve("0", folder.path())).await.unwrap();
    let second = serve("0", folder.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.lines().count() == 1, "{said}");
    assert!(said.contains("in use by another sandbox") && said.contains("--data DIR"), "{said}");
    first.kill().await.unwrap();
}

#[tokio::test]
async fn a_clock_starts_at_the_instant_that_is_named_and_stands_there_over_restarts_until_it_is_moved() {
    let folder = tempfile::tempdir().unwrap();
    let at = async |clock: &str| {
        let mut command = serve("0", folder.path());
        command.args(["--clock", clock]);
        let sandbox = Process::start(command).await.unwrap();
        let moved = json!({"advance_seconds": 60});
        let (_, answer) = Http::new().json(Method::POST, &format!("{}/sandbox/clock", sandbox.url), &moved).await;
        sandbox.kill().await.unwrap();
        answer["now"].as_str().unwrap().to_owned()
    };
    assert_eq!(at("2031-05-01T09:00:00+09:00").await, "2031-05-01T00:01:00Z");
    assert_eq!(at("2040-01-01T00:00:00Z").await, "2031-05-01T00:02:00Z", "known data know their time");
    let refused = serve("0", folder.path()).args(["--clock", "noon"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("an instant like 2027-01-15T03:00:00Z"), "{said}");
}

#[tokio::test]
async fn what_jobs_found_and_when_they_last_ran_is_shown_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = ["settlement", "stuck-payments", "provider-truth", "invariants"];
    let http = Http::new();
    let shown = async |sandbox: &Process| {
        let text = http.get(&format!("{}/metrics", sandbox.url)).await.into_body();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let of_a_job = |line: &&str| {
            ["job_last_success_timestamp_seconds{", "money_invariant_violations{", "payments_need_review "]
                .iter()
                .any(|name| line.starts_with(name))
                && !line.contains("\"deliveries\"")
        };
        let mut lines: Vec<_> = text.lines().filter(of_a_job).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let start = async || {
        let mut command = serve("0", folder.path());
        command.args(["--clock", "simulated"]);
        Process::start(command).await.unwrap()
    };
    let first = start().await;
    for job in jobs {
        let (status, _) = http.json(Method::POST, &format!("{}/sandbox/jobs/{job}", first.url), &json!({})).await;
        assert_eq!(status, 200, "{job}");
    }
    let before = shown(&first).await;
    assert!(before.len() > jobs.len(), "{before:#?}");
    first.kill().await.unwrap();
    let again = start().await;
    assert_eq!(shown(&again).await, before);
    again.kill().await.unwrap();
}
