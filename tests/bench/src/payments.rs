//! A merchant's calls.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use crate::{http::Connection, load::Client};

/// What every payment asks for.
pub(crate) const BODY: &[u8] =
    br#"{"amount":1000,"currency":"JPY","merchant_reference":"order-4711","payment_method":{"stripe":"pm_card_visa"}}"#;

/// Makes payments. One that is not authorized at once is an error: it would not be what is measured.
pub(crate) struct Creator {
    connection: Connection,
    headers: [(HeaderName, HeaderValue); 3],
}

impl Creator {
    /// Calls on `connection`.
    pub(crate) fn new(connection: Connection, api_key: &str) -> Result<Self> {
        let headers = [
            (HeaderName::from_static("x-api-key"), HeaderValue::from_str(api_key)?),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (HeaderName::from_static("idempotency-key"), HeaderValue::from_static("")),
        ];
        Ok(Self { connection, headers })
    }

    /// Asks for a payment; gives the answer, whatever it is.
    pub(crate) async fn attempt(&mut self, body: Bytes) -> Result<(StatusCode, Bytes)> {
        self.headers[2].1 = fresh_key()?;
        self.connection.post("/v1/payments", &self.headers, body).await
    }

    /// Makes a payment; gives what is answered.
    pub(crate) async fn create(&mut self) -> Result<Bytes> {
        let (status, body) = self.attempt(Bytes::from_static(BODY)).await?;
        ensure!(status == 201, "a payment was answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// Asks for something to be done with a payment, without a body; gives the status, whatever it is.
    pub(crate) async fn change(&mut self, id: &str, operation: &str) -> Result<StatusCode> {
        Ok(self.ask(id, operation).await?.0)
    }

    async fn ask(&mut self, id: &str, operation: &str) -> Result<(StatusCode, Bytes)> {
        self.headers[2].1 = fresh_key()?;
        self.connection.post(&format!("/v1/payments/{id}/{operation}"), &self.headers, Bytes::new()).await
    }

    /// Captures a payment that [`create`](Self::create) answered.
    pub(crate) async fn capture(&mut self, payment: &[u8]) -> Result<()> {
        let (status, body) = self.ask(&id_in(payment)?, "capture").await?;
        ensure!(status == 200, "a capture was answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}

impl Client for Creator {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        self.create().await?;
        Ok(ControlFlow::Continue(()))
    }
}

/// Makes a payment and captures it: one call.
pub(crate) struct Capturer(pub(crate) Creator);

impl Client for Capturer {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let payment = self.0.create().await?;
        self.0.capture(&payment).await?;
        Ok(ControlFlow::Continue(()))
    }
}

/// The payment's id in what [`Creator::create`] answered.
pub(crate) fn id_in(payment: &[u8]) -> Result<String> {
    let id = std::str::from_utf8(payment)?.split('"').find(|word| word.starts_with("pay_"));
    Ok(id.context("the answer has no id")?.to_owned())
}

/// An idempotency key that was never used, in this run or another.
fn fresh_key() -> Result<HeaderValue> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static RUN: std::sync::LazyLock<i64> = std::sync::LazyLock::new(|| SystemClock::start().now().as_microsecond());
    let key = format!("bench-{}-{}", *RUN, COUNT.fetch_add(1, Ordering::Relaxed));
    Ok(HeaderValue::from_str(&key)?)
}
