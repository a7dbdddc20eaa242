//! The little HTTP that setting up an emulator takes: one request, one answer, one connection.
//!
//! Must not know: what is asked for.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use serde_json::Value;

/// Longer than an emulator takes for anything that is asked of it here.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends `body`, or nothing where it is null, to `host` (`name:port`).
pub(crate) fn call(host: &str, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
    let address = host.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("the host has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    read(BufReader::new(stream))
}

/// Reads an answer by its own length: not every emulator closes the connection when asked to.
fn read(mut stream: impl BufRead) -> io::Result<Answer> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.to_ascii_lowercase());
    }
    let status = head.first().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("this is no HTTP: {head:?}")))?;
    let length = head.iter().find_map(|line| line.strip_prefix("content-length:")).map(|length| length.trim().parse());
    let mut body = Vec::new();
    match length {
        Some(Ok(length)) => stream.take(length).read_to_end(&mut body)?,
        _ => stream.read_to_end(&mut body)?,
    };
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Like [`call`], for what has to succeed; what is there already (409) is fine.
///
/// # Panics
/// When it does not.
pub(crate) fn must(host: &str, method: &str, path: &str, body: &Value) {
    let answer = call(host, method, path, body).unwrap_or_else(|error| panic!("{method} {path} at {host}: {error}"));
    let fine = (200..300).contains(&answer.status) || answer.status == 409;
    assert!(fine, "{method} {path} at {host}: {} {}", answer.status, answer.body);
}
