//! The Pub/Sub emulator, topics and push subscriptions on it, and one of one's own that may be killed.
//!
//! Must not know: what messages say.

use std::{
    env, io,
    net::TcpListener,
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    installed,
    names::fresh_name,
    process::{self, InUse, Plan},
    require, rest,
};

const PORT: u16 = 8085;
const PROJECT: &str = "tollgate-tests";

/// The emulator, there for as long as this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pubsub {
    host: String,
}

struct Running {
    pubsub: Pubsub,
    _in_use: Option<InUse>,
}

/// How a subscription pushes again what was not taken.
#[derive(Debug, Clone, Default)]
pub struct Retry {
    /// The full name of the topic that gets what failed [`Retry::ATTEMPTS`] times; without one, nothing is given up.
    pub dead_letter_topic: Option<String>,
    /// What is not acknowledged within this is pushed again, also while the emulator, which pushes two at a time, has not come to it
    /// yet; `None`: 10 s.
    pub ack_deadline_seconds: Option<u32>,
}

impl Retry {
    /// The least that Pub/Sub allows.
    pub const ATTEMPTS: u32 = 5;
}

/// The emulator that `PUBSUB_EMULATOR_HOST` names, or this machine's own. `None` where it is missing: the test is skipped.
///
/// # Panics
/// When it is missing and `TOLLGATE_REQUIRE` names `pubsub`, or when it does not start.
pub fn pubsub() -> Option<Pubsub> {
    static RUNNING: OnceLock<Option<Running>> = OnceLock::new();
    let running = RUNNING.get_or_init(|| {
        if let Ok(host) = env::var("PUBSUB_EMULATOR_HOST") {
            return Some(Running { pubsub: Pubsub { host }, _in_use: None });
        }
        let (pubsub, in_use) = start("pubsub", PORT)?;
        Some(Running { pubsub, _in_use: Some(in_use) })
    });
    if running.is_none() {
        require(installed::PUBSUB.name, false, installed::PUBSUB.how_to_get);
    }
    running.as_ref().map(|running| running.pubsub.clone())
}

fn start(name: &str, port: u16) -> Option<(Pubsub, InUse)> {
    let program = installed::PUBSUB.find()?;
    let pubsub = Pubsub { host: format!("127.0.0.1:{port}") };
    let command = vec![program.display().to_string(), "--host=127.0.0.1".to_owned(), format!("--port={port}")];
    let in_use = process::hold(&Plan { name, port, command, is_ready: &|| pubsub.serves() });
    Some((pubsub, in_use))
}

impl Pubsub {
    /// Where it is, for gRPC and REST: `127.0.0.1:8085`.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn serves(&self) -> bool {
        let answer = rest::call(&self.host, "GET", &format!("/v1/projects/{PROJECT}/topics"), &Value::Null);
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// A topic's full name that no other test uses; it is not made.
    pub fn fresh_topic_name(&self) -> String {
        format!("projects/{PROJECT}/topics/{}", fresh_name("topic"))
    }

    /// Makes a topic of the test's own. Answers its full name, `projects/P/topics/T`.
    ///
    /// # Panics
    /// When the emulator does not make it.
    pub fn create_topic(&self) -> String {
        let topic = self.fresh_topic_name();
        self.create_topic_named(&topic);
        topic
    }

    /// Makes the topic with the full name `topic`, unless it is there.
    ///
    /// # Panics
    /// When the emulator does not make it.
    pub fn create_topic_named(&self, topic: &str) {
        rest::must(&self.host, "PUT", &format!("/v1/{topic}"), &json!({}));
    }

    /// Deletes the topic with the full name `topic`.
    ///
    /// # Panics
    /// When the emulator does not.
    pub fn delete_topic(&self, topic: &str) {
        rest::must(&self.host, "DELETE", &format!("/v1/{topic}"), &Value::Null);
    }

    /// Has what comes into `topic` pushed to `url`. An unacknowledged push comes again after 0.1 s, later up to 1 s.
    /// Answers the subscription's full name.
    ///
    /// # Panics
    /// When the emulator does not make it.
    pub fn push_to(&self, topic: &str, url: &str, retry: &Retry) -> String {
        let subscription = format!("projects/{PROJECT}/subscriptions/{}", fresh_name("sub"));
        let mut body = json!({
            "topic": topic,
            "pushConfig": {"pushEndpoint": url},
            "ackDeadlineSeconds": retry.ack_deadline_seconds.unwrap_or(10),
            // Two that are equal would stall the emulator.
            "retryPolicy": {"minimumBackoff": "0.1s", "maximumBackoff": "1s"},
        });
        if let Some(dead_letter) = &retry.dead_letter_topic {
            let policy = json!({"deadLetterTopic": dead_letter, "maxDeliveryAttempts": Retry::ATTEMPTS});
            body["deadLetterPolicy"] = policy;
        }
        rest::must(&self.host, "PUT", &format!("/v1/{subscription}"), &body);
        subscription
    }

    /// Deletes the subscription with this full name, with what waits in it.
    ///
    /// # Panics
    /// When the emulator does not.
    pub fn delete_subscription(&self, subscription: &str) {
        rest::must(&self.host, "DELETE", &format!("/v1/{subscription}"), &Value::Null);
    }
}

/// An emulator that no other test uses, on a port of its own; it ends with this. What is in it is lost when it is killed.
#[derive(Debug)]
pub struct OwnPubsub {
    name: String,
    port: u16,
    running: Mutex<Option<InUse>>,
    pubsub: Pubsub,
}

/// Starts one, whatever `PUBSUB_EMULATOR_HOST` says. `None` where the part is missing: the test is skipped.
///
/// # Panics
/// When it is missing and `TOLLGATE_REQUIRE` names `pubsub`, or when it does not start.
pub fn own_pubsub() -> Option<OwnPubsub> {
    if !require(installed::PUBSUB.name, installed::PUBSUB.find().is_some(), installed::PUBSUB.how_to_get) {
        return None;
    }
    let port = free_port().ok()?;
    let name = fresh_name("pubsub");
    let (pubsub, in_use) = start(&name, port)?;
    Some(OwnPubsub { name, port, running: Mutex::new(Some(in_use)), pubsub })
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl OwnPubsub {
    /// The emulator.
    pub fn pubsub(&self) -> &Pubsub {
        &self.pubsub
    }

    /// Kills it, at once.
    ///
    /// # Panics
    /// When it runs on.
    pub fn kill(&self) {
        if let Some(in_use) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            if let Some(process) = in_use.process_id(&self.name) {
                let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
            }
            let is_gone = || in_use.process_id(&self.name).is_none();
            assert!(process::wait_until(process::START_TIMEOUT, &is_gone), "{} runs on", self.name);
        }
    }

    /// Starts it again after a kill, on the same port, with nothing in it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        let started = start(&self.name, self.port).expect("it was there before");
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(started.1);
    }
}

impl Drop for OwnPubsub {
    fn drop(&mut self) {
        self.kill();
    }
}
