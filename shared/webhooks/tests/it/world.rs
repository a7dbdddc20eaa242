//! What stands around a sender in these tests: names and addresses that the test decides on, and a webhook to send.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::net::TcpStream;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{
    Time, WebhookSender as _,
    webhook_sender::{Sent, Webhook},
};
use tollgate_webhooks::{AddressPolicy, Dial, HttpWebhookSender, Resolve};
use zeroize::Zeroizing;

use crate::endpoint::Endpoint;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const ID: &str = "evt_0198f0a1b2c37d4e8f00112233445566";
pub(crate) const BODY: &str =
    r#"{"id":"evt_0198f0a1b2c37d4e8f00112233445566","type":"payment.captured","sequence":2,"data":{"note":"naïve ✓"}}"#;
/// A host of the public internet, in name only.
pub(crate) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct RealTime(Instant);

#[async_trait]
impl Time for RealTime {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A DNS that answers each question with the next of its answers, and with the last one from then on.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    answers: VecDeque<Vec<IpAddr>>,
    asked: Vec<String>,
}

impl Names {
    pub(crate) fn answering<const N: usize>(answers: [&[IpAddr]; N]) -> Self {
        let names = Self::default();
        names.0.lock().unwrap().answers = answers.iter().map(|answer| answer.to_vec()).collect();
        names
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        names.asked.push(host.to_owned());
        if names.answers.len() > 1 {
            return Ok(names.answers.pop_front().unwrap());
        }
        names.answers.front().cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A network on which one local port, or nothing, answers behind every address; it remembers which were dialled.
#[derive(Clone, Default)]
pub(crate) struct Network {
    port: Option<u16>,
    dialled: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Network {
    pub(crate) fn leading_to(endpoint: &Endpoint) -> Self {
        Self { port: Some(endpoint.port), ..Self::default() }
    }

    pub(crate) fn dialled(&self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.dialled.lock().unwrap())
    }
}

#[async_trait]
impl Dial for Network {
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.dialled.lock().unwrap().push(address);
        let port = self.port.ok_or(io::ErrorKind::ConnectionRefused)?;
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await
    }
}

/// A sender over the real network.
pub(crate) fn sender(policy: AddressPolicy) -> HttpWebhookSender {
    HttpWebhookSender::new(policy, Arc::new(RealTime(Instant::now())))
}

/// A sender whose names and connections the test decides on.
pub(crate) fn sender_on(policy: AddressPolicy, names: &Names, network: &Network) -> HttpWebhookSender {
    sender(policy).with_resolver(Arc::new(names.clone())).with_dialer(Arc::new(network.clone()))
}

pub(crate) fn secrets(texts: &[&str]) -> Vec<Zeroizing<String>> {
    texts.iter().map(|text| Zeroizing::new((*text).to_owned())).collect()
}

/// Sends the usual webhook to `url`.
pub(crate) async fn send(sender: &HttpWebhookSender, url: &str) -> Sent {
    send_signed(sender, url, &[SECRET], TIMEOUT).await
}

pub(crate) async fn send_signed(sender: &HttpWebhookSender, url: &str, texts: &[&str], timeout: Duration) -> Sent {
    let secrets = secrets(texts);
    let webhook = Webhook { url, id: ID, at: Timestamp::now(), body: BODY, secrets: &secrets, timeout };
    sender.send(webhook).await
}
