//! The kinds of attack, each with what it is to come to.

use std::time::Duration;

use anyhow::Result;
use bytes::{BufMut, Bytes, BytesMut};

use super::{
    fleet::{self, Manner, Tally},
    floods,
};
use crate::{process::Process, report::by_build, stage::Stage};

/// As many as are served at all, and some more. A build for debugging would take half a minute to answer all of them once, so
/// there the process may have fewer files.
const IDLE: u32 = if cfg!(debug_assertions) { 2_200 } else { 10_500 };
const FILES: Option<u32> = if cfg!(debug_assertions) { Some(2_512) } else { None };
/// Each is answered some megabytes before it is too much for the system: that takes a core for a while.
const READERS: u32 = if cfg!(debug_assertions) { 5 } else { 20 };
const A_SECOND: Duration = Duration::from_secs(1);
/// Comes again at once, and waits for its end.
const MANNER: Manner = Manner {
    says: Vec::new(),
    drips: None,
    reads: true,
    is_answered: false,
    leaves: false,
    again_after: Some(Duration::ZERO),
    held: Duration::from_secs(60),
};

/// One kind.
pub(super) struct Attack {
    pub(super) name: &'static str,
    kind: Kind,
    /// How they may end; any other end is a target missed.
    pub(super) expected: &'static [&'static str],
    /// Seconds after which the function has ended each of them.
    pub(super) ended_within: Option<f64>,
    /// Resident, at most, in MiB.
    pub(super) memory: f64,
    /// It is on whoever takes providers' events; else on the function `payments`.
    pub(super) is_on_events: bool,
    /// Files that the function may have open, sockets among them, if not as many as everybody may.
    pub(super) files: Option<u32>,
}

enum Kind {
    /// So many at once.
    Fleet {
        count: u32,
        manner: Manner,
    },
    Keys,
    Signatures,
}

impl Attack {
    /// Goes on until the tally says that it is over, with no more than so many connections.
    pub(super) async fn run(&self, gateway: &Process, connections: u32, tally: &Tally) -> Result<()> {
        match &self.kind {
            Kind::Fleet { count, manner } => {
                fleet::play(gateway.address, (*count).min(connections), manner, tally).await;
                Ok(())
            }
            Kind::Keys => floods::keys(gateway, tally).await,
            Kind::Signatures => floods::signatures(gateway, tally).await,
        }
    }

    fn of(name: &'static str, kind: Kind, expected: &'static [&'static str]) -> Self {
        Self { name, kind, expected, ended_within: None, memory: 128.0, is_on_events: false, files: None }
    }

    /// The function ends each of them after ten seconds.
    fn ended(self) -> Self {
        Self { ended_within: Some(by_build(13.0, 25.0)), ..self }
    }
}

/// Every kind.
pub(super) fn all(stage: &Stage) -> [Attack; 9] {
    let merchant = &stage.other_api_key;
    let fleet = |count, manner| Kind::Fleet { count, manner };
    [
        // The one whose end comes last.
        Attack::of("slow readers", fleet(READERS, slow_readers()), &["cut off"]),
        Attack::of("slow heads", fleet(3000, slow_heads()), &["closed", "reset"]).ended(),
        Attack::of("half open", fleet(2000, half_open()), &["closed", "reset"]).ended(),
        Attack::of(
            "slow bodies",
            fleet(1000, slow_bodies(merchant)),
            &["answered 400, closed", "answered 429, closed", "answered 503, closed"],
        )
        .ended(),
        Attack::of("huge heads", fleet(10, huge_heads()), &["answered 431, left", "closed", "reset"]),
        Attack::of("packed bodies", fleet(10, packed_bodies(merchant)), &["answered 415, left"]),
        Attack::of("made-up keys", Kind::Keys, &["answered 401", "answered 429", "answered 503"]),
        Attack {
            is_on_events: true,
            ..Attack::of("bad signatures", Kind::Signatures, &["answered 401", "answered 503"])
        },
        // Some have no time to ask before their place is needed.
        Attack {
            memory: 384.0,
            files: FILES,
            ..Attack::of("idle", fleet(IDLE, idle()), &["answered 200, closed", "answered 200, held", "closed"])
        },
    ]
}

/// Begin a head, and never end it.
fn slow_heads() -> Manner {
    let says = Bytes::from_static(b"POST /v1/payments HTTP/1.1\r\nhost: pay.example\r\nx-slow: ");
    Manner { says: vec![says], drips: Some((b"a", 2 * A_SECOND)), ..MANNER }
}

/// Say nothing, or no more in the middle of a head.
fn half_open() -> Manner {
    let says = vec![Bytes::new(), Bytes::from_static(b"GET /v1/payments HTTP/1.1\r\nhost:")];
    Manner { says, ..MANNER }
}

/// A merchant's requests, whose bodies never end.
fn slow_bodies(api_key: &str) -> Manner {
    let head = format!(
        "POST /v1/payments HTTP/1.1\r\nhost: pay.example\r\nx-api-key: {api_key}\r\nidempotency-key: slow\r\n\
         content-type: application/json\r\ncontent-length: 60000\r\n\r\n{{"
    );
    Manner { says: vec![head.into()], drips: Some((b" ", A_SECOND)), again_after: Some(A_SECOND), ..MANNER }
}

/// Ask for much that nobody needs a key for, and take nothing of it.
fn slow_readers() -> Manner {
    let ask = "GET /metrics HTTP/1.1\r\nhost: pay.example\r\n\r\n".repeat(400);
    Manner { says: vec![ask.into()], reads: false, held: Duration::from_secs(35), ..MANNER }
}

/// Request lines and headers of more than 32 KiB, and too many of them.
fn huge_heads() -> Manner {
    let host = "HTTP/1.1\r\nhost: pay.example\r\n";
    let long = "a".repeat(64 * 1024);
    let says = vec![
        format!("GET /v1/payments?limit={long} {host}\r\n"),
        format!("GET /v1/payments {host}x-long: {long}\r\n\r\n"),
        format!("GET /v1/payments {host}{}\r\n", "x-many: a\r\n".repeat(200)),
        format!("GET /v1/payments {host}{}", format!("x-many: {}\r\n", &long[..1000]).repeat(1000)),
    ];
    let says = says.into_iter().map(Bytes::from).collect();
    Manner { says, leaves: true, again_after: Some(A_SECOND / 10), ..MANNER }
}

/// Make one request each, and stay.
fn idle() -> Manner {
    let says = Bytes::from_static(b"GET /health/live HTTP/1.1\r\nhost: pay.example\r\n\r\n");
    Manner { says: vec![says], is_answered: true, again_after: None, held: Duration::ZERO, ..MANNER }
}

/// Bodies of 60 KiB that would be 9 MiB if anybody unpacked them.
fn packed_bodies(api_key: &str) -> Manner {
    let body = packed_zeros(60 * 1024);
    let head = format!(
        "POST /v1/payments HTTP/1.1\r\nhost: pay.example\r\nx-api-key: {api_key}\r\nidempotency-key: packed\r\n\
         content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Manner {
        says: vec![[head.as_bytes(), &body].concat().into()],
        leaves: true,
        again_after: Some(A_SECOND / 10),
        ..MANNER
    }
}

/// A file of gzip (RFC 1952) that holds zeros: one block with fixed codes (RFC 1951, 3.2.6), a zero and then as often as there is
/// room "the 258 bytes before".
fn packed_zeros(length: usize) -> Bytes {
    let mut packed = BytesMut::from(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..]);
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut push = |packed: &mut BytesMut, value: u32, width: u32| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            packed.put_u8(bits.to_le_bytes()[0]);
            bits >>= 8;
            count -= 8;
        }
    };
    // The last block, of fixed codes; then a zero. Codes are sent from their highest bit on: reversed here.
    push(&mut packed, 0b011, 3);
    push(&mut packed, 0b0000_1100, 8);
    while packed.len() < length - 16 {
        // Length 258 is code 285, 11000101; distance 1 is 00000.
        push(&mut packed, 0b1010_0011, 8);
        push(&mut packed, 0, 5);
    }
    // The end of the block, and what is left of the last byte.
    push(&mut packed, 0, 7 + 7);
    packed.freeze()
}
