//! The functions as they are deployed: `payments` and `provider-webhooks` as processes of their own on one store.

use std::{net::TcpListener, process::Stdio, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, system::within};
use tollgate_sandbox::process::{Process, identity_of};
use tollgate_tests::{
    program::program,
    stage::{Http, Stage, eventually},
};

const WEBHOOK_SECRET: &str = "whsec_of_the_separate_functions";

/// A function's process. Dropped, it is killed.
pub(crate) struct Function {
    pub(crate) child: Child,
    pub(crate) url: String,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn command(name: &str, environment: &[(&str, String)]) -> Command {
    let mut command = Command::new(program(&format!("tollgate-{name}")));
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}

impl Function {
    /// Starts it on a free port, and waits until it is ready.
    async fn start(http: &Http, name: &str, environment: &[(&str, String)]) -> Self {
        // Somebody else may take the port in between: then another one.
        for _ in 0..5 {
            let port = free_port();
            let mut command = command(name, environment);
            let mut child = command.env("PORT", port.to_string()).stderr(Stdio::null()).spawn().unwrap();
            let url = format!("http://127.0.0.1:{port}");
            let mut ended = false;
            eventually("the function is ready, or has ended", async || {
                ended = child.try_wait().unwrap().is_some();
                let ready = Request::get(format!("{url}/health/ready")).body(Bytes::new()).unwrap();
                ended || http.try_send(ready).await.is_some_and(|answer| answer.status() == 200)
            })
            .await;
            if !ended {
                return Self { child, url };
            }
        }
        panic!("{name} does not start");
    }

    /// Asks it to stop, and gives the exit code.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        self.ask_to_stop().await;
        self.exit_code().await
    }

    async fn ask_to_stop(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let clock = SystemClock::start();
        within(&clock, Duration::from_secs(20), self.child.wait()).await.expect("it stops in time").unwrap().code()
    }
}

/// A store with merchants in it, providers, and what the functions have to be told.
pub(crate) struct Deployment {
    pub(crate) stage: Stage,
    pub(crate) environment: Vec<(&'static str, String)>,
    api_key: String,
}

impl Deployment {
    pub(crate) async fn prepare() -> Self {
        let mut stage = Stage::at_the_present().await;
        // The sandbox made the merchants; it has nothing more to do with it.
        stage.kill().await;
        let data = stage.data();
        let clock = format!("{}/control/clock", stage.providers_url());
        assert_eq!(stage.http().json(Method::PUT, &clock, &json!({"now": null})).await.0, 200);
        let environment = vec![
            ("STORE_URL", format!("sqlite:{}", data.join("tollgate.sqlite").display())),
            ("SECRETS_KEY", std::fs::read_to_string(data.join("secrets.key")).unwrap()),
            ("PUBLIC_URL", "https://pay.example".to_owned()),
            ("STRIPE_API_URL", format!("{}/stripe", stage.providers_url())),
            ("STRIPE_SECRET_KEY", "sk_test_separate".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("PROVIDER_TIMEOUT_MS", "3000".to_owned()),
        ];
        let api_key = identity_of(&data).unwrap()["api_key"].as_str().unwrap().to_owned();
        Self { stage, environment, api_key }
    }

    pub(crate) async fn start(&self, name: &str) -> Function {
        Function::start(self.stage.http(), name, &self.environment).await
    }

    /// Sends a request, whatever it is.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.stage.http().send(request).await
    }

    pub(crate) async fn send_webhooks_to(&self, function: &Function) {
        let url = format!("{}/control/webhook-endpoint", self.stage.providers_url());
        let hook = format!("{}/webhooks/providers/stripe", function.url);
        let body = json!({"provider": "stripe", "url": hook, "secret": WEBHOOK_SECRET});
        assert_eq!(self.stage.http().json(Method::PUT, &url, &body).await.0, 200);
    }

    pub(crate) async fn call(&self, method: Method, url: &str, key: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let answer = self.stage.http().send(self.request(method, url, key, body)).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    pub(crate) fn request(&self, method: Method, url: &str, key: Option<&str>, body: Option<Value>) -> Request<Bytes> {
        let request = Request::builder().method(method).uri(url).header("x-api-key", &self.api_key);
        let request = request.header("content-type", "application/json").header("idempotency-key", key.unwrap_or("-"));
        request.body(Bytes::from(body.map(|body| body.to_string()).unwrap_or_default())).unwrap()
    }
}

pub(crate) fn card() -> Value {
    json!({"amount": 1000, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}})
}

fn status(answer: &Response<Bytes>) -> u16 {
    answer.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_refused_while_their_caller_cannot_be_told_from_a_stranger() {
    let deployment = Deployment::prepare().await;
    let reconciliation = deployment.start("reconciliation").await;
    for job in ["stuck-payments", "provider-truth", "invariants"] {
        let url = format!("{}/jobs/{job}", reconciliation.url);
        let (status, problem) = deployment.call(Method::POST, &url, None, None).await;
        assert_eq!((status, problem["code"].as_str()), (401, Some("unauthenticated")), "{job}");
    }
    assert_eq!(reconciliation.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_that_is_deployed_has_a_console_or_a_sandboxs_switches() {
    let deployment = Deployment::prepare().await;
    // (Webhooks' delivery is none that starts here; like these, it may not use the sandbox: `house` sees to that.)
    for name in ["payments", "provider-webhooks", "settlement", "reconciliation"] {
        let function = deployment.start(name).await;
        for path in ["/", "/console", "/console/switches", "/console/console.js", "/sandbox/inbox"] {
            let (status, problem) = deployment.call(Method::GET, &format!("{}{path}", function.url), None, None).await;
            assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")), "{name} {path}");
        }
        for path in ["/console/switches/clock", "/sandbox/clock"] {
            let url = format!("{}{path}", function.url);
            assert_eq!(deployment.call(Method::POST, &url, None, None).await.0, 404, "{name} {path}");
        }
        assert_eq!(function.terminate().await, Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_made_by_one_function_is_told_of_by_the_other() {
    let deployment = Deployment::prepare().await;
    let (payments, webhooks) = (deployment.start("payments").await, deployment.start("provider-webhooks").await);
    deployment.send_webhooks_to(&webhooks).await;
    let create = format!("{}/v1/payments", payments.url);

    // The answer is lost: only the event, taken by the other process, can tell.
    deployment.stage.fault("charge_then_timeout", 1, 200).await;
    let (made, payment) = deployment.call(Method::POST, &create, Some("lost"), Some(card())).await;
    assert!([201, 202].contains(&made), "{payment}");
    deployment.stage.quiet().await;
    let one = format!("{create}/{}", payment["id"].as_str().unwrap());
    let (_, shown) = deployment.call(Method::GET, &one, None, None).await;
    assert_eq!(shown["status"], "AUTHORIZED");
    let (_, timeline) = deployment.call(Method::GET, &format!("{one}/timeline"), None, None).await;
    assert!(
        timeline["data"].as_array().unwrap().iter().any(|entry| entry["type"] == "provider_event"),
        "the event was taken: {timeline:#}"
    );
    let (captured, payment) = deployment.call(Method::POST, &format!("{one}/capture"), Some("take"), None).await;
    assert_eq!((captured, &payment["status"]), (200, &json!("CAPTURED")));
    assert_eq!(deployment.stage.transactions().await.len(), 1);

    // Of two providers nothing is configured: they are off.
    for provider in ["paypal", "bank"] {
        let order = json!({"amount": 1000, "currency": "JPY", "payment_method": {provider: "x"}});
        let (status, problem) = deployment.call(Method::POST, &create, Some("the-same"), Some(order)).await;
        assert_eq!((status, &problem["code"]), (503, &json!("provider_unavailable")), "{provider}: {problem}");
        let hook = format!("{}/webhooks/providers/{provider}", webhooks.url);
        assert_eq!(deployment.call(Method::POST, &hook, None, Some(json!({}))).await.0, 404, "{provider}");
    }

    // Each serves its own routes only.
    let hook = format!("{}/webhooks/providers/stripe", payments.url);
    assert_eq!(deployment.call(Method::POST, &hook, None, Some(json!({}))).await.0, 404);
    let create = format!("{}/v1/payments", webhooks.url);
    assert_eq!(deployment.call(Method::POST, &create, Some("wrong-door"), Some(card())).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_does_not_take_over_what_the_first_is_doing() {
    let deployment = Deployment::prepare().await;
    let (one, two) = (deployment.start("payments").await, deployment.start("payments").await);
    let (here, there) = (format!("{}/v1/payments", one.url), format!("{}/v1/payments", two.url));
    deployment.stage.fault("slow", 1, 1500).await;
    let first = deployment.call(Method::POST, &here, Some("both"), Some(card()));
    let second = async {
        eventually("charged", async || !deployment.stage.transactions().await.is_empty()).await;
        deployment.call(Method::POST, &there, Some("both"), Some(card())).await
    };
    let (first, second) = futures::future::join(first, second).await;
    assert_eq!((first.0, &first.1["status"]), (201, &json!("AUTHORIZED")), "{}", first.1);
    assert_eq!((second.0, &second.1["code"]), (409, &json!("idempotency_key_in_use")), "{}", second.1);
    let (again, payment) = deployment.call(Method::POST, &there, Some("both"), Some(card())).await;
    assert_eq!((again, &payment["id"]), (200, &first.1["id"]));
    assert_eq!(deployment.stage.transactions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_was_killed_is_taken_over_by_another_at_once() {
    let deployment = Deployment::prepare().await;
    let (one, two) = (deployment.start("payments").await, deployment.start("payments").await);
    deployment.stage.fault("slow", 1, 500).await;
    let url = format!("{}/v1/payments", one.url);
    let cut_off =
        deployment.stage.http().try_send(deployment.request(Method::POST, &url, Some("killed"), Some(card())));
    let kill = async {
        eventually("charged", async || !deployment.stage.transactions().await.is_empty()).await;
        let mut one = one;
        one.child.kill().await.unwrap();
    };
    let (cut_off, ()) = futures::future::join(cut_off, kill).await;
    assert!(cut_off.is_none(), "the process died before it answered");
    let url = format!("{}/v1/payments", two.url);
    let mut answer = (0, Value::Null);
    // Until the slow call is over, the provider still works on it.
    eventually("taken over", async || {
        answer = deployment.call(Method::POST, &url, Some("killed"), Some(card())).await;
        answer.0 != 202
    })
    .await;
    assert_eq!((answer.0, &answer.1["status"]), (200, &json!("AUTHORIZED")), "{}", answer.1);
    assert_eq!(deployment.stage.transactions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_a_running_request_finish() {
    let deployment = Deployment::prepare().await;
    let mut payments = deployment.start("payments").await;
    deployment.stage.fault("slow", 1, 1500).await;
    let url = format!("{}/v1/payments", payments.url);
    let running = deployment.call(Method::POST, &url, Some("running"), Some(card()));
    let stop = async {
        eventually("charged", async || !deployment.stage.transactions().await.is_empty()).await;
        payments.ask_to_stop().await;
    };
    let ((status, payment), ()) = futures::future::join(running, stop).await;
    assert_eq!((status, &payment["status"]), (201, &json!("AUTHORIZED")), "{payment}");
    assert_eq!(payments.exit_code().await, Some(0));
    let refused = Http::new().try_send(deployment.request(Method::GET, &url, None, None)).await;
    assert!(refused.is_none(), "nothing is served any more");

    let webhooks = deployment.start("provider-webhooks").await;
    assert_eq!(webhooks.terminate().await, Some(0), "one that is idle stops too");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_answer_for_their_health() {
    let deployment = Deployment::prepare().await;
    for name in ["payments", "provider-webhooks"] {
        let function = deployment.start(name).await;
        for path in ["/health/live", "/health/ready", "/metrics"] {
            let answer = deployment.stage.http().get(&format!("{}{path}", function.url)).await;
            assert_eq!(status(&answer), 200, "{name}{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_ends_with_2_and_a_line_for_each_mistake() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let good = |name: &'static str, value: &str| (name, value.to_owned());
    let cases = [
        (vec![], vec!["STORE_URL", "SECRETS_KEY", "PUBLIC_URL"]),
        (
            vec![
                good("STORE_URL", "mysql:secret-path"),
                good("SECRETS_KEY", key),
                good("PUBLIC_URL", "https://p.example"),
            ],
            vec!["STORE_URL"],
        ),
        (
            vec![
                good("STORE_URL", "sqlite:/nowhere/t.sqlite"),
                good("SECRETS_KEY", "secret-but-short"),
                good("PUBLIC_URL", "ftp://secret-host"),
                good("STRIPE_SECRET_KEY", "sk_test_secret"),
                good("PROVIDER_TIMEOUT_MS", "soon"),
                good("PORT", "99999"),
            ],
            vec!["PORT", "PUBLIC_URL", "STRIPE_WEBHOOK_SECRET", "PROVIDER_TIMEOUT_MS", "SECRETS_KEY"],
        ),
    ];
    for name in ["payments", "provider-webhooks"] {
        for (environment, mistakes) in &cases {
            let output = command(name, environment).stderr(Stdio::piped()).output().await.unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{name}: {said}");
            let lines: Vec<_> = said.lines().collect();
            assert_eq!(lines.len(), mistakes.len(), "{name}: a line for each of {mistakes:?}, not\n{said}");
            for mistake in mistakes {
                let start = format!("{name}: {mistake}");
                assert!(lines.iter().any(|line| line.starts_with(&start)), "{mistake} is not named in\n{said}");
            }
            let secrets = ["secret-path", "secret-but-short", "secret-host", "sk_test_secret"];
            assert!(!secrets.iter().any(|secret| said.contains(secret)), "a value is repeated:\n{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "a measurement is there to be read")]
async fn the_sandbox_answers_soon_after_its_start() {
    let http = Http::new();
    let folder = tempfile::tempdir().unwrap();
    for (which, arguments) in
        [("ephemeral", vec!["--ephemeral"]), ("new data", vec!["--data"]), ("kept data", vec!["--data"])]
    {
        let mut command = Command::new(program("tollgate-sandbox"));
        command.args(["serve", "--port", "0"]).args(&arguments);
        if arguments == ["--data"] {
            command.arg(folder.path());
        }
        let clock = SystemClock::start();
        let sandbox = Process::start(command).await.unwrap();
        let ready = clock.monotonic();
        assert_eq!(status(&http.get(&format!("{}/health/ready", sandbox.url)).await), 200);
        let answered = clock.monotonic();
        eprintln!("sandbox, {which}: ready after {ready:?}, first 200 after {answered:?}");
        assert!(answered < Duration::from_secs(2), "{which}: {answered:?}");
        sandbox.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_reached_over_a_link_has_its_owners_and_its_queue_where_the_file_is() {
    let mut deployment = Deployment::prepare().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.sqlite");
    std::os::unix::fs::symlink(deployment.stage.data().join("tollgate.sqlite"), &link).unwrap();
    let store = deployment.environment.iter_mut().find(|(name, _)| *name == "STORE_URL").unwrap();
    store.1 = format!("sqlite:{}", link.display());
    let payments = deployment.start("payments").await;
    let (made, payment) =
        deployment.call(Method::POST, &format!("{}/v1/payments", payments.url), Some("linked"), Some(card())).await;
    assert_eq!(made, 201, "{payment}");
    let beside: Vec<_> = std::fs::read_dir(elsewhere.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(beside, [link]);
    assert_eq!(payments.terminate().await, Some(0));
}
