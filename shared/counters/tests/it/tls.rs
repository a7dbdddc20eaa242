//! `rediss://`: nothing is said to a server that cannot prove who it is.

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::RootCertStore;
use tollgate_counters::Options;
use tollgate_gateway::ports::{Counters, counters::DecidedBy};

use crate::{
    server::Server,
    subject::{connect, patient, until_decided_by},
};

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_used_and_any_other_is_away() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("certificate.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, pem("CERTIFICATE", cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &signing_key.serialize_der())).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tls_port = port.to_string();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let arguments =
        ["--tls-port", &tls_port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"];
    let Some(_server) = Server::with(&arguments) else { return };
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let trusting = Options { trusted: Some(roots.clone()), ..patient() };
    let counters = connect(&format!("rediss://localhost:{port}"), trusting.clone()).await;
    until_decided_by(&counters, DecidedBy::Shared).await;
    // Another name, and nobody to trust.
    let other_name = connect(&format!("rediss://127.0.0.1:{port}"), trusting).await;
    let suspicious = Options { trusted: Some(RootCertStore::empty()), ..patient() };
    let untrusted = connect(&format!("rediss://localhost:{port}"), suspicious).await;
    for counters in [other_name, untrusted] {
        assert!(counters.is_degraded());
        let away = counters.ping().await.unwrap_err();
        assert!(away.0.starts_with("no TLS: "), "{away}");
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let lines: Vec<String> =
        BASE64_STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}
