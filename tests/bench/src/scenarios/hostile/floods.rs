//! Floods of requests that look well: keys that were never given out, events that no provider signed. All from one address.

use std::{net::Ipv4Addr, ops::ControlFlow, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use futures::future::{Either, select};
use http::{HeaderName, HeaderValue, Method, header};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::fleet::Tally;
use crate::{
    http::Connection,
    load::{Client, open_loop},
    process::Process,
    report::by_build,
};

/// On all of 127.0.0.0/8 this machine is at home: another address than the calm merchant's and the provider's.
const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CONNECTIONS: usize = 64;
/// Longer than anything that is measured.
const LONG: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Requests every second.
fn rate() -> f64 {
    by_build(1000.0, 200.0)
}

struct Flooder<'a> {
    connection: Connection,
    path: &'static str,
    made_up: HeaderName,
    /// What each makes up begins with, and how many it made up.
    number: (usize, u64),
    tally: &'a Tally,
}

impl Client for Flooder<'_> {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        if self.tally.is_over() {
            return Ok(ControlFlow::Break(()));
        }
        self.number.1 += 1;
        let made_up = format!("t=1700000000,v1={:032x}{:032x}", self.number.0, self.number.1);
        let headers = [
            (self.made_up.clone(), HeaderValue::from_str(&made_up)?),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        let body = Bytes::from_static(br#"{"id":"evt_1","type":"charge.captured","data":{"object":{}}}"#);
        let (status, _) = self.connection.send(Method::POST, self.path, &headers, body).await?;
        self.tally.note(format!("answered {}", status.as_u16()));
        Ok(ControlFlow::Continue(()))
    }
}

/// API keys that nobody has.
pub(super) async fn keys(gateway: &Process, tally: &Tally) -> Result<()> {
    flood(gateway, "/v1/payments", HeaderName::from_static("x-api-key"), tally).await
}

/// Events that Stripe did not sign.
pub(super) async fn signatures(gateway: &Process, tally: &Tally) -> Result<()> {
    flood(gateway, "/webhooks/providers/stripe", HeaderName::from_static("stripe-signature"), tally).await
}

async fn flood(gateway: &Process, path: &'static str, made_up: HeaderName, tally: &Tally) -> Result<()> {
    let mut flooders = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let connection = Connection::open_from(FROM, gateway.address).await?;
        flooders.push(Flooder { connection, path, made_up: made_up.clone(), number: (number, 0), tally });
    }
    tally.arrive();
    let clock = SystemClock::start();
    let over = async {
        while !tally.is_over() {
            clock.sleep(LOOK_EVERY).await;
        }
    };
    match select(Box::pin(open_loop(&mut flooders, rate(), LONG)), Box::pin(over)).await {
        Either::Left((flooded, _)) => flooded.map(drop),
        Either::Right(_) => Ok(()),
    }
}
