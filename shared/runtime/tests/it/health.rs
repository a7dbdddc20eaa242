//! `/health/live`, `/health/ready` and `/health/deep`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::anyhow;
use serde_json::json;
use tollgate_runtime::{
    System,
    health::{Check, Fact, Health},
    logs::LogFormat,
    metrics,
};

use crate::support::{Captured, Running};

#[tokio::test]
async fn a_function_without_checks_is_alive_and_ready() {
    let system = System::real();
    let server = Running::start(&system, Health::new("health-none", &system, Vec::new()).router()).await;
    for path in ["/health/live", "/health/ready"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok", "checks": {}})), "{path}");
    }
}

#[tokio::test]
async fn a_deep_look_shows_how_long_each_check_took_and_what_else_is_worth_a_look() {
    let system = System::real();
    let time = system.time.clone();
    let slow = Check::new("store", move || {
        let time = time.clone();
        async move {
            time.sleep(Duration::from_millis(30)).await;
            Ok(())
        }
    });
    let away = Check::new("counters", async || Err(anyhow!("gone"))).can_do_without();
    let breakers = Fact::new("circuit_breakers", || json!({"stripe": "open"}));
    let health = Health::new("health-deep", &system, vec![slow, away]).showing([breakers]);
    let server = Running::start(&system, health.router()).await;
    let answer = server.get("/health/deep").await;
    assert_eq!(answer.status, 200);
    let report = answer.json();
    assert_eq!((&report["status"], &report["circuit_breakers"]), (&json!("degraded"), &json!({"stripe": "open"})));
    assert_eq!(report["version"], tollgate_runtime::VERSION);
    let (store, counters) = (&report["checks"]["store"], &report["checks"]["counters"]);
    assert_eq!((&store["outcome"], &store["needed"]), (&json!("ok"), &json!(true)));
    assert!(store["latency_ms"].as_u64().unwrap() >= 30, "{store}");
    assert_eq!((&counters["outcome"], &counters["needed"]), (&json!("failed"), &json!(false)));
}

#[tokio::test]
async fn a_failing_check_is_named_without_saying_why() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    metrics::install();
    let system = System::real();
    let time = system.time.clone();
    let checks = vec![
        Check::new("flags", async || Ok(())),
        Check::new("store", async || Err(anyhow!("no route to 10.0.0.7").context("cannot open a session"))),
        Check::new("counters", move || {
            let time = time.clone();
            async move {
                time.sleep(Duration::from_secs(60)).await;
                Ok(())
            }
        })
        .within(Duration::from_millis(50)),
    ];
    let server = Running::start(&system, Health::new("health-failing", &system, checks).router()).await;
    let answer = server.get("/health/ready").await;
    assert_eq!(answer.status, 503);
    let checks = json!({"flags": "ok", "store": "failed", "counters": "timed_out"});
    assert_eq!(answer.json(), json!({"status": "unavailable", "checks": checks}));
    assert_eq!(server.get("/health/live").await.status, 200);

    let line = captured.line("health check failed");
    assert_eq!(line["error"], "cannot open a session: no route to 10.0.0.7");
    let text = metrics::install().render(&system);
    for check in ["store", "counters"] {
        let counted = format!("health_check_failures_total{{function=\"health-failing\",check=\"{check}\"}} 1");
        assert!(text.contains(&counted), "{text}");
    }
}

#[tokio::test]
async fn however_many_ask_a_check_runs_once_a_second() {
    let system = System::real();
    let asked = Arc::new(AtomicUsize::new(0));
    let check = {
        let (asked, time) = (Arc::clone(&asked), system.time.clone());
        Check::new("store", move || {
            asked.fetch_add(1, Ordering::Relaxed);
            let time = time.clone();
            async move {
                time.sleep(Duration::from_millis(20)).await;
                Ok(())
            }
        })
    };
    let server = Running::start(&system, Health::new("health-cached", &system, vec![check]).router()).await;
    let (first, second) = tokio::join!(server.get("/health/ready"), server.get("/health/ready"));
    assert_eq!((first.status, second.status, asked.load(Ordering::Relaxed)), (200, 200, 1));
    system.time.sleep(Duration::from_millis(1100)).await;
    server.get("/health/ready").await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn hundreds_who_ask_at_once_cause_one_check_and_one_look() {
    let system = System::real();
    let (asked, looked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let slow = |counted: &Arc<AtomicUsize>| {
        let (counted, time) = (Arc::clone(counted), system.time.clone());
        move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let time = time.clone();
            async move {
                time.sleep(Duration::from_millis(300)).await;
                Ok(())
            }
        }
    };
    let look = slow(&looked);
    let fact = Fact::asked("queue", move || {
        let looking = look();
        async move { looking.await.map(|()| json!({"payment_events": 7})) }
    });
    let health = Health::new("health-many", &system, vec![Check::new("store", slow(&asked))]).showing([fact]);
    let server = Running::start(&system, health.router()).await;
    let answers = futures::future::join_all((0..300).map(|number| {
        let path = if number % 2 == 0 { "/health/ready" } else { "/health/deep" };
        server.get(path)
    }))
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let depths = answers.iter().filter(|answer| answer.json()["queue"]["payment_events"] == 7).count();
    assert_eq!((asked.load(Ordering::Relaxed), looked.load(Ordering::Relaxed), depths), (1, 1, 150));
}

#[tokio::test]
async fn a_fact_that_cannot_be_found_out_in_time_is_null_and_holds_up_nothing() {
    let system = System::real();
    let facts = [
        Fact::asked("queue", std::future::pending::<anyhow::Result<serde_json::Value>>)
            .within(Duration::from_millis(50)),
        Fact::asked("deliveries", async || Err(anyhow!("no route to 10.0.0.7"))),
        Fact::new("circuit_breakers", || json!({"stripe": "closed"})),
    ];
    let server =
        Running::start(&system, Health::new("health-facts", &system, Vec::new()).showing(facts).router()).await;
    let answer = server.get("/health/deep").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("10.0.0.7"), "{}", answer.body);
    let report = answer.json();
    assert_eq!((&report["queue"], &report["deliveries"]), (&json!(null), &json!(null)));
    assert_eq!((&report["status"], &report["circuit_breakers"]["stripe"]), (&json!("ok"), &json!("closed")));
    assert!(report["executor_delay_ms"].is_u64(), "{report}");
}
