//! URLs: every way to write one, with what production and a sandbox say to it. What is refused is never dialled, and what
//! is allowed is dialled, so that the table can be wrong in both directions.

use std::net::SocketAddr;

use tollgate_gateway::ports::{
    WebhookSender as _,
    webhook_sender::{EndpointRefused, SendError},
};
use tollgate_webhooks::{AddressPolicy, MAX_URL_BYTES};

use crate::world::{Names, Network, PUBLIC, send, sender_on};

/// Verdict in production, verdict in a sandbox, URL. `.` allowed, `a` not public, `s` not https, `u` no URL,
/// `c` credentials.
const TABLE: &str = include_str!("urls.txt");

type Verdict = Result<(), EndpointRefused>;

fn verdict(letter: char) -> Verdict {
    match letter {
        '.' => Ok(()),
        'a' => Err(EndpointRefused::NotPublic),
        's' => Err(EndpointRefused::NotHttps),
        'u' => Err(EndpointRefused::NotAUrl),
        'c' => Err(EndpointRefused::Credentials),
        other => panic!("{other} is no verdict"),
    }
}

/// The table's rows: both verdicts, and the URL with `\t`, `\n` and `\0` as what they stand for.
fn rows() -> Vec<(Verdict, Verdict, String)> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.map(|line| {
        let mut letters = line.chars();
        let (production, sandbox) = (letters.next().unwrap(), letters.next().unwrap());
        let url = line[3..].replace("\\t", "\t").replace("\\n", "\n").replace("\\0", "\0").replace("\\_", " ");
        (verdict(production), verdict(sandbox), url)
    });
    rows.collect()
}

#[test]
fn the_table_is_long_and_has_both_kinds() {
    let rows = rows();
    let allowed = rows.iter().filter(|(production, ..)| production.is_ok()).count();
    assert!(rows.len() >= 200 && allowed >= 40, "{} rows, {allowed} allowed", rows.len());
}

#[tokio::test]
async fn every_way_to_write_an_address_gets_its_verdict_and_what_is_refused_is_never_dialled() {
    let mut wrong = Vec::new();
    for (production, sandbox, url) in rows() {
        for (policy, expected) in [(AddressPolicy::production(), production), (AddressPolicy::sandbox(), sandbox)] {
            let network = Network::default();
            let sender = sender_on(policy, &Names::answering([&[PUBLIC]]), &network);
            let checked = sender.check(&url);
            let sent = send(&sender, &url).await.answer;
            let dialled = network.dialled();
            let as_expected = if expected.is_ok() { SendError::NotConnected } else { SendError::AddressRefused };
            let well_dialled = |address: &SocketAddr| policy.allows(address.ip());
            let dialled_well = dialled.is_empty() == expected.is_err() && dialled.iter().all(well_dialled);
            if checked != expected || sent != Err(as_expected) || !dialled_well {
                wrong.push(format!("{policy:?} {url:?}: {checked:?}, {sent:?}, {dialled:?}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_url_is_bounded() {
    let sender = crate::world::sender(AddressPolicy::production());
    let start = "https://hooks.shop.example/";
    let longest = format!("{start}{}", "a".repeat(MAX_URL_BYTES - start.len()));
    assert_eq!(sender.check(&longest), Ok(()));
    assert_eq!(sender.check(&format!("{longest}a")), Err(EndpointRefused::TooLong));
    assert_eq!(sender.check(&"a".repeat(1 << 20)), Err(EndpointRefused::TooLong));
}

#[tokio::test]
async fn what_is_asked_for_is_what_the_url_says() {
    let cases = [
        ("/hooks?for=us", "/hooks?for=us"),
        ("", "/"),
        ("?a=b", "/?a=b"),
        ("/a/../b/./c", "/b/c"),
        ("/hooks#part", "/hooks"),
        ("/ä%20|x", "/%C3%A4%20|x"),
    ];
    for (given, asked) in cases {
        let endpoint = crate::endpoint::Endpoint::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
        let sender = crate::world::sender(AddressPolicy::sandbox());
        let url = format!("http://127.0.0.1:{}{given}", endpoint.port);
        assert_eq!(send(&sender, &url).await.answer, Ok(204));
        let received = endpoint.received();
        assert_eq!(received[0].head.lines().next(), Some(&*format!("POST {asked} HTTP/1.1")));
        assert_eq!(received[0].header("host"), Some(&*format!("127.0.0.1:{}", endpoint.port)));
    }
}
