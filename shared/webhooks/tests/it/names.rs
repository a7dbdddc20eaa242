//! Names: what they resolve to is checked on every connection, all of it, and nothing else leads anywhere.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::net::TcpListener;
use tollgate_gateway::ports::{WebhookSender as _, webhook_sender::SendError};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender, Resolve};

use crate::{
    endpoint::{Endpoint, Step},
    world::{Names, Network, PUBLIC, SECRET, send, send_signed, sender, sender_on},
};

const SHORT: Duration = Duration::from_millis(200);
const HOST: &str = "hooks.shop.example";
const URL: &str = "https://hooks.shop.example/hooks";
const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn world(answer: &[u8], names: &Names) -> (Endpoint, Network, HttpWebhookSender) {
    let answer = answer.to_vec();
    let endpoint = Endpoint::secure(HOST, move |_| vec![Step::Say(answer.clone())]).await;
    let network = Network::leading_to(&endpoint);
    let sender = sender_on(AddressPolicy::production(), names, &network).with_roots(endpoint.roots.clone());
    (endpoint, network, sender)
}

#[tokio::test]
async fn a_public_name_is_called_at_the_address_that_was_checked() {
    let names = Names::answering([&[PUBLIC]]);
    let (endpoint, network, sender) = world(NO_CONTENT, &names).await;
    assert_eq!(send(&sender, URL).await.answer, Ok(204));
    assert_eq!(network.dialled(), [(PUBLIC, 443).into()]);
    assert_eq!(endpoint.received()[0].header("host"), Some(HOST));
}

#[tokio::test]
async fn a_name_that_turns_private_after_the_check_is_not_connected_to() {
    for private in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:169.254.169.254", "fd00:ec2::254"] {
        let names = Names::answering([&[ip(private)]]);
        let (endpoint, network, sender) = world(NO_CONTENT, &names).await;
        assert_eq!(sender.check(URL), Ok(()));
        assert_eq!(send(&sender, URL).await.answer, Err(SendError::AddressRefused), "{private}");
        assert_eq!((network.dialled(), endpoint.connections()), (vec![], 0), "{private}");
    }
}

#[tokio::test]
async fn a_name_that_turns_private_between_two_connections_is_refused_on_the_second() {
    let names = Names::answering([&[PUBLIC], &[ip("169.254.169.254")]]);
    let close = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (endpoint, network, sender) = world(close, &names).await;
    assert_eq!(send(&sender, URL).await.answer, Ok(200));
    assert_eq!(send(&sender, URL).await.answer, Err(SendError::AddressRefused));
    assert_eq!((network.dialled(), endpoint.connections()), (vec![(PUBLIC, 443).into()], 1));
    assert_eq!(names.asked().len(), 2, "every connection asks anew");
}

#[tokio::test]
async fn a_kept_connection_stays_at_the_address_that_it_was_made_to() {
    let names = Names::answering([&[PUBLIC], &[ip("127.0.0.1")]]);
    let (endpoint, _, sender) = world(NO_CONTENT, &names).await;
    for _ in 0..3 {
        assert_eq!(send(&sender, URL).await.answer, Ok(204));
    }
    assert_eq!((names.asked().len(), endpoint.connections()), (1, 1));
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_them_all() {
    let other: IpAddr = ip("2606:2800:21f:cb07:6820:80da:af6b:8b2c");
    for private in ["127.0.0.1", "192.168.1.1", "::1", "64:ff9b::a9fe:a9fe"].map(ip) {
        for answer in [[PUBLIC, other, private], [private, PUBLIC, other], [PUBLIC, private, other]] {
            let names = Names::answering([&answer]);
            let (_, network, sender) = world(NO_CONTENT, &names).await;
            assert_eq!(send(&sender, URL).await.answer, Err(SendError::AddressRefused), "{answer:?}");
            assert_eq!(network.dialled(), [], "{answer:?}");
        }
    }
    let (_, _, sender) = world(NO_CONTENT, &Names::answering([&[other, PUBLIC]])).await;
    assert_eq!(send(&sender, URL).await.answer, Ok(204));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    for location in ["http://169.254.169.254/latest/meta-data/", "https://elsewhere.shop.example/", "/other"] {
        let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let names = Names::answering([&[PUBLIC]]);
        let (endpoint, network, sender) = world(answer.as_bytes(), &names).await;
        assert_eq!(send(&sender, URL).await.answer, Ok(307));
        assert_eq!(network.dialled(), [(PUBLIC, 443).into()], "{location}");
        assert_eq!((names.asked(), endpoint.received().len()), (vec![HOST.to_owned()], 1), "{location}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_not_found() {
    let nothing: &[IpAddr] = &[];
    for names in [Names::default(), Names::answering([nothing])] {
        let sender = sender_on(AddressPolicy::production(), &names, &Network::default());
        assert_eq!(send(&sender, URL).await.answer, Err(SendError::HostNotFound));
    }
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_does_not_answer_and_never_more_than_four() {
    let answer: Vec<IpAddr> = (1..=9).map(|last| IpAddr::from([93, 184, 215, last])).collect();
    let network = Network::default();
    let sender = sender_on(AddressPolicy::production(), &Names::answering([&answer]), &network);
    assert_eq!(send(&sender, URL).await.answer, Err(SendError::NotConnected));
    assert_eq!(network.dialled().iter().map(SocketAddr::ip).collect::<Vec<_>>(), answer[..4]);
}

#[tokio::test]
async fn a_sandbox_opens_loopback_and_no_other_private_address() {
    let private = ["10.0.0.1", "169.254.169.254", "0.0.0.0", "fe80::1", "::", "::ffff:127.0.0.1"];
    for answer in private.map(ip) {
        let network = Network::default();
        let sender = sender_on(AddressPolicy::sandbox(), &Names::answering([&[answer]]), &network);
        assert_eq!(send(&sender, URL).await.answer, Err(SendError::AddressRefused), "{answer}");
        assert_eq!(network.dialled(), []);
    }
    let network = Network::default();
    let sender = sender_on(AddressPolicy::sandbox(), &Names::answering([&[ip("127.0.0.1")]]), &network);
    assert_eq!(send(&sender, URL).await.answer, Err(SendError::NotConnected));
    assert_eq!(network.dialled(), [(ip("127.0.0.1"), 443).into()]);
}

#[tokio::test]
async fn localhost_is_loopback_whatever_the_dns_says() {
    let (names, network) = (Names::answering([&[PUBLIC]]), Network::default());
    let sender = sender_on(AddressPolicy::sandbox(), &names, &network);
    assert_eq!(send(&sender, "http://localhost:8080/hooks").await.answer, Err(SendError::NotConnected));
    assert_eq!(network.dialled(), [(ip("127.0.0.1"), 8080).into(), (ip("::1"), 8080).into()]);
    assert_eq!(names.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_not_the_hosts_is_refused() {
    let names = Names::answering([&[PUBLIC]]);
    let (endpoint, network, _) = world(NO_CONTENT, &names).await;
    let trusting_nobody = sender_on(AddressPolicy::production(), &names, &network)
        .with_roots(Endpoint::secure(HOST, |_| vec![]).await.roots);
    assert_eq!(send(&trusting_nobody, URL).await.answer, Err(SendError::Tls));
    let sender = sender_on(AddressPolicy::production(), &names, &network).with_roots(endpoint.roots.clone());
    let other = "https://other.shop.example/hooks";
    assert_eq!(send(&sender, other).await.answer, Err(SendError::Tls));
    assert_eq!(send(&sender, URL).await.answer, Ok(204));
    assert_eq!(endpoint.received().len(), 1, "nothing is sent before the certificate is known to be good");
}

/// A DNS that never answers.
struct Silent;

#[async_trait]
impl Resolve for Silent {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_dns_that_does_not_answer_counts_against_the_same_time() {
    let sender = sender(AddressPolicy::production()).with_resolver(Arc::new(Silent));
    assert_eq!(send_signed(&sender, URL, &[SECRET], SHORT).await.answer, Err(SendError::TimedOut));
}

/// A resolver that has too much to do.
struct Busy;

#[async_trait]
impl Resolve for Busy {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

#[tokio::test]
async fn a_name_that_there_is_no_room_to_look_up_is_not_held_against_its_owner() {
    let sender = sender(AddressPolicy::production()).with_resolver(Arc::new(Busy));
    assert_eq!(send(&sender, URL).await.answer, Err(SendError::Busy));
}

#[tokio::test]
async fn an_endpoint_that_hangs_up_during_the_handshake_agreed_on_no_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let sender = sender(AddressPolicy::sandbox()).with_roots(rustls::RootCertStore::empty());
    assert_eq!(send(&sender, &url).await.answer, Err(SendError::Tls));
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_told_from_one_that_is_not_there() {
    let endpoint = Endpoint::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let names = Names::answering([&[PUBLIC]]);
    let sender = sender_on(AddressPolicy::production(), &names, &Network::leading_to(&endpoint))
        .with_roots(endpoint.roots.clone());
    let sent = send_signed(&sender, URL, &[SECRET], SHORT).await;
    // It waits for a line that never ends: nothing comes back.
    assert_eq!(sent.answer, Err(SendError::TimedOut));
    let sender = sender_on(AddressPolicy::production(), &names, &Network::default());
    assert_eq!(send(&sender, URL).await.answer, Err(SendError::NotConnected));
}
