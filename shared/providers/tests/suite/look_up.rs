//! Look-ups: found, not found after everything was seen, and failed for everything in between.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_domain::{Answer, OperationKind, OperationState, TransactionState};
use tollgate_gateway::ports::{HttpError, provider::LookUp};

use crate::world::{INTENT, REFUND, Scripted, World, error, list, now, ok, raw, status, with};

fn somebody_elses(id: &str) -> Value {
    json!({
        "id": id, "object": "payment_intent", "amount": 5, "currency": "jpy", "status": "processing", "metadata": {},
        "latest_charge": null, "next_action": null, "last_payment_error": null,
    })
}

fn failed(found: &LookUp) -> bool {
    matches!(found, LookUp::Failed { .. })
}

/// Something was shown, and nothing of it is adopted.
fn not_ours(found: &LookUp) -> bool {
    matches!(found, LookUp::NotOurs { .. })
}

/// Everything that keeps an answer from being had.
fn troubles() -> Vec<Scripted> {
    let limited = error("invalid_request_error", "rate_limit");
    vec![
        Err(HttpError::NotReached("no".into())),
        Err(HttpError::AnswerLost("no".into())),
        raw(404, &[], "<html>"),
        status(401, &error("invalid_request_error", "")),
        status(402, &error("card_error", "card_declined")),
        status(409, &error("invalid_request_error", "lock_timeout")),
        status(400, &error("invalid_request_error", "payment_intent_unexpected_state")),
        status(429, &limited),
        status(500, &error("api_error", "")),
        raw(200, &[], "<html>"),
        raw(200, &[], "{}"),
        raw(302, &[], ""),
    ]
}

#[tokio::test]
async fn a_known_transaction_is_asked_for_by_its_id() {
    for kind in [OperationKind::Authorize, OperationKind::Capture, OperationKind::Void, OperationKind::Reversal] {
        let mut world = World::new(kind, vec![]);
        world.operation.transaction_id = Some(INTENT.to_owned());
        let intent = world.intent("requires_capture");
        let world = world.then(ok(&intent));
        let found = world.look_up().await;
        let LookUp::Found(Answer::Shows(view)) = found else { panic!("{found:?}") };
        assert_eq!(view.state, TransactionState::Authorized { expires_at: None });
        assert_eq!(world.asked()[0].0, "GET /v1/payment_intents/pi_3Pabc?expand%5B0%5D=latest_charge");
    }
}

#[tokio::test]
async fn a_known_transaction_that_is_not_shown_is_not_not_found() {
    for trouble in troubles() {
        let found = World::new(OperationKind::Capture, vec![trouble]).look_up().await;
        assert!(failed(&found), "{found:?}");
    }
    let stranger = with(World::new(OperationKind::Capture, vec![]).intent("succeeded"), "/id", "pi_other".into());
    let found = World::new(OperationKind::Capture, vec![ok(&stranger)]).look_up().await;
    assert!(not_ours(&found), "{found:?}");
}

/// What Stripe itself says it does not have is a contradiction, and not a provider that cannot be asked.
fn missing() -> Scripted {
    status(404, &error("invalid_request_error", "resource_missing"))
}

#[tokio::test]
async fn a_transaction_that_stripe_does_not_have_is_none_of_ours() {
    let found = World::new(OperationKind::Capture, vec![missing()]).look_up().await;
    assert!(not_ours(&found), "{found:?}");
}

#[tokio::test]
async fn a_refund_whose_id_was_wrong_in_the_answer_is_found_by_its_mark() {
    let known_as = |wrong: &str, script| {
        let mut world = World::new(OperationKind::Refund, script);
        world.operation.refund.as_mut().unwrap().provider_reference = Some(wrong.to_owned());
        world
    };
    let ours = World::new(OperationKind::Refund, vec![]).refund("failed");
    let world = known_as("re_wrong", vec![missing(), ok(&list(&[ours], false))]);
    let found = world.look_up().await;
    let LookUp::Found(Answer::ShowsRefund(view)) = found else { panic!("{found:?}") };
    assert_eq!((view.refund_reference.as_str(), view.instead_of.as_deref()), (REFUND, Some("re_wrong")));
    let found = known_as("re_wrong", vec![missing(), ok(&list(&[], false))]).look_up().await;
    assert_eq!(found, LookUp::NotFound, "no such refund at all");
}

#[tokio::test]
async fn what_was_given_up_is_looked_for_beyond_the_window_too() {
    let given_up = |script| {
        let mut world = World::new(OperationKind::Authorize, script);
        world.operation.last_call_until = Some(now() - Duration::from_secs(7200));
        world.operation.opened_at = now() - Duration::from_secs(7300);
        world.operation.state = OperationState::Refused;
        world
    };
    let late = World::new(OperationKind::Authorize, vec![]).intent("requires_capture");
    let nothing = || ok(&list(&[], false));
    let world = given_up(vec![nothing(), ok(&list(std::slice::from_ref(&late), false)), ok(&late)]);
    let found = world.look_up().await;
    assert!(matches!(found, LookUp::Found(Answer::Shows(_))), "{found:?}");
    assert!(world.asked()[1].0.contains("created%5Blte%5D=1795406460&"), "up to now: {}", world.asked()[1].0);
    assert_eq!(given_up(vec![nothing(), nothing()]).look_up().await, LookUp::NotFound);
    // A busy account's list may be too long: then what was seen counts.
    let found = given_up(vec![nothing(), raw(500, &[], "")]).look_up().await;
    assert_eq!(found, LookUp::NotFound);
}

#[tokio::test]
async fn an_unknown_authorization_is_found_by_its_mark_on_any_page() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let ours = world.intent("requires_capture");
    let world = world
        .then(ok(&list(&[somebody_elses("pi_1"), somebody_elses("pi_2")], true)))
        .then(ok(&list(&[somebody_elses("pi_3"), ours.clone()], true)))
        .then(ok(&ours));
    let found = world.look_up().await;
    assert!(matches!(&found, LookUp::Found(Answer::Shows(view)) if view.transaction_id == INTENT), "{found:?}");
    assert!(world.asked()[1].0.ends_with("&limit=100&starting_after=pi_2"), "{}", world.asked()[1].0);
}

#[tokio::test]
async fn not_found_is_said_after_the_last_page_only() {
    let first = || ok(&list(&[somebody_elses("pi_1")], true));
    let found = World::new(OperationKind::Authorize, vec![first(), ok(&list(&[], false))]).look_up().await;
    assert_eq!(found, LookUp::NotFound);
    for trouble in troubles() {
        let found = World::new(OperationKind::Authorize, vec![first(), trouble]).look_up().await;
        assert!(failed(&found), "{found:?}");
    }
}

#[tokio::test]
async fn a_list_without_end_is_a_failure() {
    let page = |number: u32| ok(&list(&[somebody_elses(&format!("pi_{number}"))], true));
    let found = World::new(OperationKind::Authorize, (0..50).map(page).collect()).look_up().await;
    assert!(failed(&found), "{found:?}");
    // The same page again, and a page of nothing that says that there is more.
    let found = World::new(OperationKind::Authorize, vec![page(1), page(1)]).look_up().await;
    assert!(failed(&found), "{found:?}");
    let found = World::new(OperationKind::Authorize, vec![ok(&list(&[], true))]).look_up().await;
    assert!(failed(&found), "{found:?}");
}

#[tokio::test]
async fn the_window_reaches_to_the_last_call_that_could_be_sent() {
    let mut world = World::new(OperationKind::Authorize, vec![ok(&list(&[], false))]);
    world.operation.last_call_until = Some(now() + Duration::from_secs(3600));
    world.look_up().await;
    assert!(world.asked()[0].0.contains("created%5Blte%5D=1795410360&"), "{}", world.asked()[0].0);
}

#[tokio::test]
async fn a_match_with_another_amount_is_not_adopted() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let wrong = with(world.intent("requires_capture"), "/amount", 1.into());
    let found = world.then(ok(&list(std::slice::from_ref(&wrong), false))).then(ok(&wrong)).look_up().await;
    assert!(not_ours(&found), "{found:?}");
}

#[tokio::test]
async fn a_refund_is_found_by_its_mark_or_by_its_id() {
    let world = World::new(OperationKind::Refund, vec![]);
    let ours = world.refund("pending");
    let other = with(ours.clone(), "/metadata", json!({}));
    let world = world.then(ok(&list(&[other.clone(), ours.clone()], false)));
    assert!(matches!(world.look_up().await, LookUp::Found(Answer::ShowsRefund(_))));
    assert_eq!(world.asked()[0].0, "GET /v1/refunds?payment_intent=pi_3Pabc&limit=100");

    let found = World::new(OperationKind::Refund, vec![ok(&list(&[other], false))]).look_up().await;
    assert_eq!(found, LookUp::NotFound);

    let known = |script| {
        let mut world = World::new(OperationKind::Refund, script);
        world.operation.refund.as_mut().unwrap().provider_reference = Some("re_3Pabc".to_owned());
        world
    };
    let world = known(vec![ok(&ours)]);
    assert!(matches!(world.look_up().await, LookUp::Found(Answer::ShowsRefund(_))));
    assert_eq!(world.asked()[0].0, "GET /v1/refunds/re_3Pabc");
    assert!(not_ours(&known(vec![ok(&with(ours.clone(), "/id", "re_other".into()))]).look_up().await));
    for trouble in troubles() {
        assert!(failed(&known(vec![trouble]).look_up().await));
    }
    for trouble in troubles() {
        assert!(failed(&World::new(OperationKind::Refund, vec![trouble]).look_up().await));
    }
}

#[tokio::test]
async fn without_anything_to_ask_for_it_is_a_failure() {
    let mut world = World::new(OperationKind::Capture, vec![]);
    world.operation.transaction_id = None;
    world.payment.provider_transaction_id = None;
    assert!(failed(&world.look_up().await));
}

#[tokio::test]
async fn a_refund_is_ours_under_whichever_id_it_was_asked_for() {
    let world = World::new(OperationKind::Refund, vec![]);
    let marked = |refund: &str| {
        // It was sent afresh under another id; the first one did arrive after all.
        let earlier = "09090909-0909-4909-8909-090909090909";
        let marks = json!({
            "tollgate_payment_id": world.payment.id.to_string(), "tollgate_request_id": earlier,
            "tollgate_refund_id": refund,
        });
        ok(&list(&[with(world.refund("succeeded"), "/metadata", marks)], false))
    };
    let ours = world.operation.refund.as_ref().unwrap().id.to_string();
    let found = World::new(OperationKind::Refund, vec![marked(&ours)]).look_up().await;
    assert!(matches!(found, LookUp::Found(Answer::ShowsRefund(_))), "{found:?}");
    // Another refund of the same payment is another.
    let other = World::new(OperationKind::Refund, vec![marked("ref_00000000000000000000000000")]).look_up().await;
    assert_eq!(other, LookUp::NotFound);
}
