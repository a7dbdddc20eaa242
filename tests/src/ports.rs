//! The outside as a test has it: real randomness, real tasks, real HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use tollgate_gateway::ports::{Entropy, HttpClient, HttpError, Spawn, spawn::Task};
use tollgate_simulators::{Ports, SandboxTime};

/// The system's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods, reason = "a test's entropy port")]
    #[allow(clippy::expect_used, reason = "without randomness no test can go on")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system has randomness");
    }
}

/// Tasks of the runtime that the test runs on.
pub struct TestSpawn;

impl Spawn for TestSpawn {
    #[allow(clippy::disallowed_methods, reason = "a test's spawn port")]
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

/// Plain HTTP.
pub struct TestHttp(reqwest::Client);

impl TestHttp {
    /// A client with connections of its own.
    pub fn new() -> Self {
        // The second client of a process finds the provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(reqwest::Client::new())
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let answer = self.0.execute(request.try_into()?).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(answer.bytes().await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl Default for TestHttp {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl HttpClient for TestHttp {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, HttpError> {
        #[allow(clippy::disallowed_methods, reason = "a network deadline in a test's port")]
        match tokio::time::timeout(timeout, self.answer(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(HttpError::NotReached(error.to_string())),
            Ok(Err(error)) => Err(HttpError::AnswerLost(error.to_string())),
            Err(_) => Err(HttpError::AnswerLost("no answer in time".to_owned())),
        }
    }
}

/// All of them, under `time`.
pub fn ports(time: Arc<SandboxTime>) -> Ports {
    Ports { time, entropy: Arc::new(SystemEntropy), spawn: Arc::new(TestSpawn), http: Arc::new(TestHttp::new()) }
}
