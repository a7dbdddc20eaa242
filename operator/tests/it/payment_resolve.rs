//! `payment resolve`: a person closes what waits for one, on what he looked at, and nothing that only the provider can close.

use tollgate_domain::{Discrepancy, Payment, PaymentId, ReviewReason, What, audit::Invariant};
use tollgate_gateway::{
    contract::{Samples, Story},
    reconcile::violated,
    records::{Cause, TimelineRow},
};

use crate::{
    command::Ran,
    place::{Place, on_each_store},
    stories::{change, commit},
};

on_each_store! {
    what_differs_is_closed_with_who_and_why_and_no_money_moves,
    a_captured_payment_is_closed_only_where_it_is_said_that_it_is_paid_out,
    what_moved_meanwhile_is_not_closed_on_what_was_seen_before,
    of_two_operators_at_once_one_closes_it,
    what_is_not_a_persons_to_close_is_refused_with_what_to_do_instead,
}

/// A payment that the provider shows otherwise, in these words.
async fn differs(place: &Place, samples: &Samples, story: &Story<'_>, kind: Discrepancy) -> Payment {
    commit(place, story).await;
    let words = kind.told(&story.payment, None);
    change(place, samples, story.payment.differs(&words, story.now).unwrap()).await
}

fn settled(samples: &Samples) -> Story<'_> {
    samples.opened().authorized().capture_requested(1000).captured(1000).settled()
}

async fn present(place: &Place, id: PaymentId) -> Payment {
    place.stores().payments.payment(id).await.unwrap().unwrap()
}

/// What the books say. (A sample is settled without its ledger, and told without its events.)
async fn violations(place: &Place) -> Vec<Invariant> {
    let books = place.stores().audit.books(None, 10).await.unwrap();
    books.iter().flat_map(|(_, books)| violated(books.as_ref())).collect()
}

fn resolve(place: &Place, id: PaymentId, more: &str) -> Ran {
    place.tollgate.run(&format!("payment resolve {id} --by ann --why ticket-7 {more}"))
}

async fn what_differs_is_closed_with_who_and_why_and_no_money_moves(place: Place) {
    let samples = Samples::new(960);
    let before = differs(&place, &samples, &settled(&samples), Discrepancy::RefundedThere).await;
    let (id, books) = (before.id, violations(&place).await);
    let shown = place.tollgate.run(&format!("payment timeline {id}")).answer();
    assert!(shown.contains("provider_differs: refunded_there; here 1000 JPY captured"), "{shown}");
    let body = resolve(&place, id, &format!("--version {} --json", before.version)).json();
    let expected = serde_json::json!({
        "object": "payment_resolution", "payment_id": id.to_string(), "status": "SETTLED",
        "version": before.version + 1, "by": "ann", "why": "ticket-7", "to_be_settled": false,
    });
    assert_eq!(body, expected);
    let after = present(&place, id).await;
    assert_eq!(after.review, None);
    let unmoved =
        Payment { version: before.version, updated_at: before.updated_at, review: before.review, ..after.clone() };
    assert_eq!(unmoved, before, "nothing else of it");
    let timeline = place.stores().timelines.timeline(id).await.unwrap();
    let Some(TimelineRow::Change(last)) = timeline.last() else { panic!("{timeline:?}") };
    assert_eq!((last.what, &last.cause), (What::ReviewOver, &Cause::Operator("ann".to_owned())));
    let words = place.tollgate.run(&format!("payment timeline {id}")).answer();
    assert!(words.contains("by operator ann, provider_differs: ticket-7"), "{words}");
    let timeline = place.tollgate.run(&format!("payment timeline {id} --json")).json();
    assert_eq!((&timeline["version"], &timeline["needs_review"]), (&after.version.into(), &serde_json::Value::Null));
    assert_eq!(timeline["timeline"].as_array().unwrap().len() as u64, after.version);
    let changes = place.tollgate.run("changes").answer();
    for part in ["payment resolve", "ann", "ticket-7", "done", &id.to_string()] {
        assert!(changes.contains(part), "{part}: {changes}");
    }
    assert_eq!(violations(&place).await, books, "the books say of it what they said");
    assert_eq!(resolve(&place, id, "").failure(1), format!("{id} was not closed: it waits for nobody"));
}

async fn a_captured_payment_is_closed_only_where_it_is_said_that_it_is_paid_out(place: Place) {
    let samples = Samples::new(961);
    let story = samples.opened().authorized().capture_requested(1000).captured(1000);
    let before = differs(&place, &samples, &story, Discrepancy::CapturedAmount).await;
    let refused = resolve(&place, before.id, "").failure(1);
    assert!(refused.contains("1000 JPY is to be paid out") && refused.contains("--settle-as-booked"), "{refused}");
    assert_eq!(present(&place, before.id).await, before);
    assert_eq!(resolve(&place, before.id, "--settle-as-booked").code, 2, "not without the version that was looked at");
    let said = resolve(&place, before.id, &format!("--version {} --settle-as-booked", before.version)).answer();
    assert!(said.contains("the next settlement pays out 1000 JPY"), "{said}");
    assert_eq!(present(&place, before.id).await.review, None);
}

async fn what_moved_meanwhile_is_not_closed_on_what_was_seen_before(place: Place) {
    let samples = Samples::new(962);
    let seen = differs(&place, &samples, &settled(&samples), Discrepancy::RefundedThere).await;
    let over =
        change(&place, &samples, seen.review_over(ReviewReason::ProviderDiffers, seen.updated_at).unwrap()).await;
    let again = over.differs("refunded_less; x", over.updated_at).unwrap();
    let moved = change(&place, &samples, again).await;
    let refused = resolve(&place, seen.id, &format!("--version {}", seen.version)).failure(1);
    let expected = format!("{} is in version {} by now, and was not closed", seen.id, moved.version);
    assert!(refused.starts_with(&expected), "{refused}");
    assert_eq!(present(&place, seen.id).await, moved);
    resolve(&place, seen.id, &format!("--version {}", moved.version)).answer();
}

async fn of_two_operators_at_once_one_closes_it(place: Place) {
    let samples = Samples::new(963);
    let before = differs(&place, &samples, &settled(&samples), Discrepancy::RefundedThere).await;
    let ran = std::thread::scope(|scope| {
        #[allow(clippy::disallowed_methods, reason = "several people type at once")]
        let all = [(); 4].map(|()| scope.spawn(|| resolve(&place, before.id, "")));
        all.map(|one| one.join().unwrap())
    });
    assert_eq!(ran.iter().filter(|ran| ran.code == 0).count(), 1, "{ran:?}");
    for lost in ran.iter().filter(|ran| ran.code != 0) {
        assert!(lost.code == 1 && lost.stderr.contains("was not closed"), "{lost:?}");
    }
    assert_eq!(present(&place, before.id).await.version, before.version + 1);
}

async fn what_is_not_a_persons_to_close_is_refused_with_what_to_do_instead(place: Place) {
    let samples = Samples::new(964);
    let unknown = samples.opened().unknown();
    commit(&place, &unknown).await;
    let unresolved = unknown.payment.needs_review(ReviewReason::Unresolved, unknown.now).unwrap();
    let unresolved = change(&place, &samples, unresolved).await;
    let capturing = samples.opened().authorized().capture_requested(400);
    let capturing = differs(&place, &samples, &capturing, Discrepancy::NotHeld).await;
    let failed = differs(&place, &samples, &samples.opened().refused(), Discrepancy::ReversalReturned).await;
    let not_ours = differs(&place, &samples, &settled(&samples), Discrepancy::NotOurs).await;
    let quiet = settled(&samples);
    commit(&place, &quiet).await;
    let nobody = PaymentId::from_random([7; 16]);
    let of = |payment: &Payment| (payment.id, payment.version);
    for ((id, version), says) in [
        (of(&unresolved), "the outcome of its authorize is not known, and only the provider's word says it"),
        (of(&capturing), "the outcome of its capture is not known"),
        (of(&failed), "given back by itself"),
        (of(&not_ours), "Call the second"),
        (of(&quiet.payment), "it waits for nobody"),
        ((nobody, 1), "there is no payment"),
    ] {
        let refused = resolve(&place, id, &format!("--version {version} --settle-as-booked")).failure(1);
        assert!(refused.contains(says), "{says}: {refused}");
    }
    for before in [unresolved, capturing, failed, not_ours, quiet.payment] {
        assert_eq!(present(&place, before.id).await, before);
    }
    for (words, says) in [
        (format!("payment resolve {nobody} --by ann"), "--why"),
        (format!("payment resolve {nobody} --by ann --why x --version one"), "--version"),
        ("payment resolve --by ann --why x".to_owned(), "PAYMENT_ID"),
        ("payment timeline 7".to_owned(), "not an id"),
    ] {
        let ran = place.tollgate.run(&words);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{words}: {ran:?}");
    }
    let unnamed = place.tollgate.with("USER", "").with("LOGNAME", "");
    let ran = unnamed.run(&format!("payment resolve {nobody} --why x"));
    assert!(ran.code == 2 && ran.stderr.contains("say it with --by"), "{ran:?}");
    let none = place.tollgate.run(&format!("payment timeline {nobody}")).failure(1);
    assert_eq!(none, format!("there is no payment {nobody}"));
}
