//! The official verifiers of Standard Webhooks, for Python and for Node, on what our sender really sends: they take it,
//! and nothing that was changed.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tollgate_gateway::ports::{WebhookSender as _, webhook_sender::Webhook};
use tollgate_runtime::SystemClock;
use tollgate_tests::requirements::{webhooks_node, webhooks_python};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};
use zeroize::Zeroizing;

const SECRETS: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
const BODY: &str =
    r#"{"id":"evt_1","type":"payment.captured","sequence":2,"data":{"amount":1000,"note":"naïve ✓ 日本"}}"#;

/// Sends one webhook, signed with both secrets, and gives what the endpoint got.
async fn sent() -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(String::new()));
    let endpoint = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 1 << 14];
        let mut length = 0;
        while !bytes[..length].ends_with(BODY.as_bytes()) {
            length += stream.read(&mut bytes[length..]).await.unwrap();
        }
        *got.lock().unwrap() = String::from_utf8(bytes[..length].to_vec()).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let time = Arc::new(SystemClock::start());
    let sender = HttpWebhookSender::new(AddressPolicy::sandbox(), time.clone());
    let secrets = SECRETS.map(|secret| Zeroizing::new(secret.to_owned()));
    let at = tollgate_gateway::ports::Time::now(&*time);
    let webhook =
        Webhook { url: &url, id: "evt_1", at, body: BODY, secrets: &secrets, timeout: Duration::from_secs(5) };
    let ((), sent) = tokio::join!(endpoint, sender.send(webhook));
    assert_eq!(sent.answer, Ok(204));
    let got = got.lock().unwrap().clone();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers: Map<String, Value> = lines.map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({ "secrets": SECRETS, "headers": headers, "body": body })
}

/// Runs a verifier with `message` as its input.
fn verify(mut verifier: Command, message: &Value) {
    let mut child =
        verifier.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().unwrap().write_all(message.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.trim_end().ends_with("all as Standard Webhooks would"), "{said}");
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[tokio::test]
async fn the_official_verifier_for_python_takes_our_webhooks_and_nothing_changed() {
    let Some(python) = webhooks_python() else { return };
    let mut verifier = Command::new(python);
    verifier.arg(script("python/standard_webhooks.py"));
    verify(verifier, &sent().await);
}

#[tokio::test]
async fn the_official_verifier_for_node_takes_our_webhooks_and_nothing_changed() {
    let Some(modules) = webhooks_node() else { return };
    let mut verifier = Command::new("node");
    verifier.arg(script("node/standard_webhooks.mjs")).arg(modules);
    verify(verifier, &sent().await);
}
