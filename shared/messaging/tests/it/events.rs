//! Providers' events that wait: what was confirmed outlives a kill, and several processes share a file.

use std::{path::Path, sync::Arc};

use futures::future::join_all;
use tollgate_domain::{PaymentId, ProviderName, Timestamp};
use tollgate_gateway::ports::{
    EventBacklog,
    event_backlog::KeptEvent,
    provider::{News, ProviderEvent},
};
use tollgate_messaging::events::{EventFile, EventLimits};

use crate::crash::{as_child, child, said_until_killed, say};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const KEEPERS: u32 = 8;

fn open(path: &Path) -> EventFile {
    EventFile::open(path, EventLimits::default(), Arc::new(|| Some(TRACE.to_owned()))).unwrap()
}

fn event(number: u32) -> KeptEvent {
    let news = News::Changed { payment: PaymentId::from_random([1; 16]), transaction_id: "pi_1".to_owned() };
    KeptEvent {
        provider: ProviderName::Stripe,
        event: ProviderEvent { event_id: number.to_string(), event_type: "charge.updated".to_owned(), news },
        received_at: Timestamp::UNIX_EPOCH,
        correlation_id: "c".to_owned(),
    }
}

#[tokio::test]
async fn child_that_keeps_events_until_it_is_killed() {
    let Some((path, round)) = as_child() else { return };
    let file = open(path.as_ref());
    join_all((0..KEEPERS).map(|keeper| {
        let file = file.clone();
        async move {
            for number in (keeper..100_000).step_by(KEEPERS as usize) {
                let number = round * 100_000 + number;
                file.keep(&event(number)).await.unwrap();
                say("kept", number);
            }
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_had_kept_is_there_with_its_trace_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.events");
    let mut confirmed = Vec::new();
    for round in 1..=3 {
        let child = child("events::child_that_keeps_events_until_it_is_killed", &path, round);
        confirmed.extend(tokio::task::block_in_place(|| said_until_killed(child, "kept", 50 * round as usize)));
    }
    let file = open(&path);
    let (mut there, mut behind) = (Vec::new(), 0);
    loop {
        let page = file.after(behind, 64).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.is_sorted_by_key(|waiting| waiting.id) && page[0].id > behind);
        behind = last.id;
        for waiting in page {
            assert_eq!(waiting.traceparent.as_deref(), Some(TRACE));
            let kept = waiting.event.unwrap();
            let number = kept.event.event_id.parse().unwrap();
            assert_eq!(kept, event(number));
            there.push(number);
        }
    }
    assert!(confirmed.iter().all(|number| there.contains(number)), "what was confirmed is there");
    assert_eq!(file.waiting().await.unwrap(), there.len() as u64);
}

#[tokio::test]
async fn processes_that_share_a_file_keep_the_same_event_once_and_see_what_the_others_did() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.events");
    let (one, two) = (open(&path), open(&path));
    for number in 0..50 {
        let (here, there) = (event(number), event(number));
        let (first, second) = futures::future::join(one.keep(&here), two.keep(&there)).await;
        assert!(first.is_ok() && second.is_ok());
    }
    assert_eq!((one.waiting().await.unwrap(), two.waiting().await.unwrap()), (50, 50));
    let ids = one.after(0, 100).await.unwrap().into_iter().map(|waiting| waiting.id).collect();
    two.delete(ids).await.unwrap();
    assert_eq!(one.waiting().await.unwrap(), 0);
    one.keep(&event(1)).await.unwrap();
    assert!(two.after(50, 10).await.unwrap()[0].id > 50, "a place is never used again");
}
