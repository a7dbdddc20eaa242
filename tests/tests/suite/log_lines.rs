//! What on-call reads in the log: whose a request was, to find a merchant whose key leaked or whose program loops; and what a
//! job did, for Cloud Scheduler keeps no answers.
//!
//! Must not know: how a line is written.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tokio::process::Command;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_tests::{
    faults::cloud::{ACCOUNT, AUDIENCE, token},
    program::program,
    stage::{Http, eventually},
};

use crate::separate_functions::Deployment;

fn lines_of(log: &Path, message: &str) -> Vec<Value> {
    let said = fs::read_to_string(log).unwrap_or_default();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|said| said == message)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cloud_scheduler_calls_says_in_the_log_what_it_did() {
    let deployment = Deployment::prepare().await;
    let jobs = [
        ("reconciliation", "stuck-payments"),
        ("reconciliation", "provider-truth"),
        ("reconciliation", "invariants"),
        ("settlement", "settlement"),
    ];
    for (function, job) in jobs {
        let log = deployment.stage.data().join(format!("{job}.log"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let oidc = [("OIDC_MODE", "cloud-run-iam"), ("OIDC_AUDIENCE", AUDIENCE), ("OIDC_SERVICE_ACCOUNTS", ACCOUNT)];
        let _function = Command::new(program(&format!("tollgate-{function}")))
            .env_clear()
            .envs(deployment.environment.iter().map(|(name, value)| (name, value)))
            .envs(oidc)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}/jobs/{job}");
        eventually("the job was called", async || {
            let request = Request::post(&url).header("authorization", format!("Bearer {}", token()));
            let answer = deployment.stage.http().try_send(request.body(Bytes::new()).unwrap()).await;
            answer.is_some_and(|answer| answer.status() == 200)
        })
        .await;
        // By the clock it may have run as well; then the line belongs to no request.
        let called = |line: &Value| line["job"] == job && line["correlation_id"].is_string();
        let reports: Vec<_> = lines_of(&log, "a job ran").into_iter().filter(called).collect();
        assert_eq!(reports.len(), 1, "{job}: {}", fs::read_to_string(&log).unwrap());
    }
}

#[tokio::test]
async fn a_request_s_log_line_names_the_merchant_whose_key_it_came_with_and_metrics_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let out = File::create(&log).unwrap();
    let _sandbox = Command::new(program("tollgate-sandbox"))
        .args(["serve", "--port", "0", "--clock", "simulated", "--data"])
        .arg(folder.path().join("data"))
        .envs([("RUST_LOG", "info"), ("LOG_FORMAT", "json")])
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let clock = SystemClock::start();
    let ready = folder.path().join("data/sandbox.json");
    let lines = || fs::read_to_string(&log).unwrap_or_default();
    while !lines().lines().any(|line| line.starts_with("ready ")) {
        assert!(clock.monotonic() < Duration::from_secs(60), "{}", lines());
        clock.sleep(Duration::from_millis(20)).await;
    }
    let sandbox: Value = serde_json::from_str(&fs::read_to_string(ready).unwrap()).unwrap();
    let (url, key) = (sandbox["url"].as_str().unwrap(), sandbox["api_key"].as_str().unwrap());
    let http = Http::new();
    for key in [key, "tgk_nobodys"] {
        let request = Request::get(format!("{url}/v1/payments")).header("X-API-Key", key);
        http.send(request.body(Bytes::new()).unwrap()).await;
    }
    let metrics = http.get(&format!("{url}/metrics")).await;
    let metrics = String::from_utf8_lossy(metrics.body());

    let of = |status: &str| lines_of(&log, &format!("GET /v1/payments {status}")).remove(0);
    let merchants = sandbox["merchants"].as_array().unwrap();
    assert_eq!((&of("200")["merchant"], &of("401")["merchant"]), (&merchants[0], &Value::Null));
    assert!(metrics.contains("http_requests_total") && !metrics.contains("mer_"), "{metrics}");
}
