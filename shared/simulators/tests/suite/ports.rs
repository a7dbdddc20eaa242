//! The ports as a test has them: real randomness, real tasks, real HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use tollgate_gateway::ports::{Entropy, HttpClient, HttpError, Spawn, spawn::Task};
use tollgate_simulators::{Ports, SandboxTime};

struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods, reason = "a test's entropy port")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

struct TokioSpawn;

impl Spawn for TokioSpawn {
    #[allow(clippy::disallowed_methods, reason = "a test's spawn port")]
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

struct Reqwest(reqwest::Client);

#[async_trait]
impl HttpClient for Reqwest {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request).unwrap();
        let answer = async {
            let answer = self.0.execute(request).await?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.body_mut() = answer.bytes().await?;
            Ok::<_, reqwest::Error>(response)
        };
        #[allow(clippy::disallowed_methods, reason = "a network deadline in a test's port")]
        let answer = tokio::time::timeout(timeout, answer).await;
        answer.map_err(|_| HttpError::AnswerLost("timeout".into()))?.map_err(|error| {
            let error_text = error.to_string();
            if error.is_connect() { HttpError::NotReached(error_text) } else { HttpError::AnswerLost(error_text) }
        })
    }
}

pub(crate) fn ports(time: Arc<SandboxTime>) -> Ports {
    Ports { time, entropy: Arc::new(SystemEntropy), spawn: Arc::new(TokioSpawn), http: Arc::new(Reqwest(client())) }
}

pub(crate) fn client() -> reqwest::Client {
    // The second test of a process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
