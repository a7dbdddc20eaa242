//! Answers: every way in which an endpoint can answer, or not, and what is made of it in which time.

use std::time::{Duration, Instant};

use tollgate_gateway::ports::webhook_sender::SendError;
use tollgate_webhooks::AddressPolicy;

use crate::{
    endpoint::{Endpoint, Step},
    world::{SECRET, TIMEOUT, send, send_signed, sender},
};

const SHORT: Duration = Duration::from_millis(300);

fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

#[tokio::test]
async fn every_status_is_told_as_it_is() {
    for status in [200, 201, 202, 204, 299, 301, 302, 308, 400, 401, 404, 410, 429, 500, 503, 599, 999] {
        let endpoint = Endpoint::saying(&format!("HTTP/1.1 {status} Word\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await.answer, Ok(status));
    }
    // Nothing is switched to: it is a status like others, and no success.
    let endpoint = Endpoint::saying("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n").await;
    assert_eq!(send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await.answer, Ok(101));
    for before in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"] {
        let endpoint = Endpoint::saying(&format!("{before}HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await.answer, Ok(410));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_time_out() {
    let trickle: Vec<Step> = "HTTP/1.1 200 OK\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        .chars()
        .flat_map(|letter| [say(&letter.to_string()), Step::Wait(Duration::from_millis(20))])
        .collect();
    let silent = vec![Step::Wait(TIMEOUT)];
    let half = vec![say("HTTP/1.1 200 OK\r\ncontent-le"), Step::Wait(TIMEOUT)];
    let continuing = vec![say("HTTP/1.1 100 Continue\r\n\r\n"), Step::Wait(TIMEOUT)];
    for steps in [trickle, silent, half, continuing] {
        let endpoint = Endpoint::doing(steps).await;
        let started = Instant::now();
        let sent = send_signed(&sender(AddressPolicy::sandbox()), &endpoint.url(), &[SECRET], SHORT).await;
        assert_eq!(sent.answer, Err(SendError::TimedOut));
        assert!((SHORT..SHORT * 3).contains(&started.elapsed()), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_status_is_not_lost_to_a_body_that_does_not_end() {
    let bodies = [
        vec![say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), Step::Wait(TIMEOUT)],
        vec![say("HTTP/1.1 200 OK\r\n\r\nuntil it closes"), Step::Wait(TIMEOUT)],
        vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"), Step::Wait(TIMEOUT)],
        vec![say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), Step::Close],
        vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n"), Step::Close],
    ];
    for steps in bodies {
        let endpoint = Endpoint::doing(steps).await;
        let sender = sender(AddressPolicy::sandbox());
        let started = Instant::now();
        for _ in 0..2 {
            assert_eq!(send(&sender, &endpoint.url()).await.answer, Ok(200));
        }
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(endpoint.connections(), 2, "such a connection is not used again");
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    let huge = vec![b'x'; 64 << 20];
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", huge.len());
    let heads = [announced.as_str(), "HTTP/1.1 200 OK\r\n\r\n"];
    for head in heads {
        let endpoint = Endpoint::doing(vec![say(head), Step::Say(huge.clone())]).await;
        let started = Instant::now();
        assert_eq!(send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await.answer, Ok(200));
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
    let endless = format!("HTTP/1.1 200 OK\r\nx-long: {}", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1000));
    for head in [endless, many] {
        let endpoint = Endpoint::doing(vec![say(&head), Step::Wait(TIMEOUT)]).await;
        let sent = send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await;
        assert_eq!(sent.answer, Err(SendError::Broken));
    }
}

#[tokio::test]
async fn what_is_no_http_is_broken() {
    let broken = [
        "",
        "\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "<html>502</html>",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{28}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for text in broken {
        let endpoint = Endpoint::doing(vec![say(text), Step::Close]).await;
        let sent = send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await;
        assert_eq!((sent.answer, sent.retry_after), (Err(SendError::Broken), None), "{text:?}");
    }
}

#[tokio::test]
async fn nobody_listening_is_no_connection() {
    let port = Endpoint::saying("").await.port;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_ne!(port, unused);
    let sent = send(&sender(AddressPolicy::sandbox()), &format!("http://127.0.0.1:{unused}/")).await;
    assert_eq!(sent.answer, Err(SendError::NotConnected));
}

#[tokio::test]
async fn retry_after_is_read_in_every_form_and_bounded() {
    let now = tollgate_domain::Timestamp::now();
    let date = |seconds: i64| {
        let then = now + jiff::SignedDuration::from_secs(seconds);
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&then).unwrap()
    };
    let day = 24 * 60 * 60;
    let cases: Vec<(String, Option<std::ops::RangeInclusive<u64>>)> = vec![
        ("0".into(), Some(0..=0)),
        ("1".into(), Some(1..=1)),
        (" 120 ".into(), Some(120..=120)),
        ("86400".into(), Some(day..=day)),
        ("86401".into(), Some(day..=day)),
        ("99999999999999999999999999".into(), Some(day..=day)),
        (date(90), Some(88..=91)),
        (date(-90), Some(0..=0)),
        (date(3 * 24 * 60 * 60), Some(day..=day)),
        ("Sunday, 06-Nov-94 08:49:37 GMT".into(), Some(0..=0)),
        ("Sun Nov  6 08:49:37 1994".into(), Some(0..=0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT".into(), Some(day..=day)),
        (String::new(), None),
        ("-1".into(), None),
        ("+1".into(), None),
        ("1.5".into(), None),
        ("1e3".into(), None),
        ("soon".into(), None),
        ("2030-01-01T00:00:00Z".into(), None),
        ("１".into(), None),
    ];
    for (text, expected) in cases {
        let endpoint =
            Endpoint::saying(&format!("HTTP/1.1 503 No\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n")).await;
        let sent = send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await;
        assert_eq!(sent.answer, Ok(503), "{text}");
        let seconds = sent.retry_after.map(|wait| wait.as_secs());
        let good = match (&expected, seconds) {
            (Some(range), Some(seconds)) => range.contains(&seconds),
            (None, None) => true,
            _ => false,
        };
        assert!(good, "{text:?}: {seconds:?}, not {expected:?}");
    }
    let endpoint = Endpoint::saying("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(send(&sender(AddressPolicy::sandbox()), &endpoint.url()).await.retry_after, None);
}
