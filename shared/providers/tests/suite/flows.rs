//! Operations that take more than one call: adopting what is already done, replays, and reversals.

use serde_json::json;
use tollgate_domain::{Answer, OperationKind, RefundState, TransactionState};
use tollgate_gateway::ports::HttpError;

use crate::world::{World, error, list, money, ok, raw, status, with};

fn state(answer: Answer) -> TransactionState {
    match answer {
        Answer::Shows(view) => view.state,
        other => panic!("{other:?}"),
    }
}

fn taken(amount: i64, refunded: i64) -> TransactionState {
    TransactionState::Captured { amount: money(amount, "USD"), refunded: money(refunded, "USD") }
}

#[tokio::test]
async fn already_done_means_look_and_adopt() {
    for code in ["payment_intent_unexpected_state", "charge_already_captured", "intent_invalid_state"] {
        let conflict = || status(400, &error("invalid_request_error", code));
        let world = World::new(OperationKind::Capture, vec![conflict()]);
        let intent = world.intent("succeeded");
        let world = world.then(ok(&intent));
        assert_eq!(state(world.send().await), taken(1000, 0), "{code}");
        assert_eq!(world.asked()[1].0, "GET /v1/payment_intents/pi_3Pabc?expand%5B0%5D=latest_charge");

        let world = World::new(OperationKind::Void, vec![conflict()]);
        let intent = world.intent("canceled");
        assert_eq!(state(world.then(ok(&intent)).send().await), TransactionState::Voided, "{code}");
    }
}

#[tokio::test]
async fn already_done_but_not_to_be_seen_is_unknown() {
    let stranger = with(World::new(OperationKind::Capture, vec![]).intent("succeeded"), "/id", "pi_other".into());
    for second in [
        Err(HttpError::NotReached("no".into())),
        Err(HttpError::AnswerLost("no".into())),
        raw(500, &[], ""),
        status(404, &error("invalid_request_error", "resource_missing")),
        status(429, &error("invalid_request_error", "rate_limit")),
        ok(&stranger),
    ] {
        let conflict = status(400, &error("invalid_request_error", "payment_intent_unexpected_state"));
        let answer = World::new(OperationKind::Capture, vec![conflict, second]).send().await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn a_replayed_answer_is_old_so_the_present_is_asked_for() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let (then, now) = (world.intent("requires_action"), world.intent("succeeded"));
    let replayed = || raw(200, &[("idempotent-replayed", "true")], &then.to_string());
    assert_eq!(state(World::new(OperationKind::Authorize, vec![replayed(), ok(&now)]).send().await), taken(1000, 0));
    // Where it cannot be asked for, the old word still counts.
    let cut = Err(HttpError::AnswerLost("cut".into()));
    let answer = World::new(OperationKind::Authorize, vec![replayed(), cut]).send().await;
    assert_eq!(state(answer), TransactionState::Processing);
}

#[tokio::test]
async fn a_refund_that_was_replayed_is_shown_as_it_now_is() {
    let world = World::new(OperationKind::Refund, vec![]);
    let (then, now) = (world.refund("succeeded"), world.refund("failed"));
    let answer =
        world.then(raw(200, &[("idempotent-replayed", "true")], &then.to_string())).then(ok(&now)).send().await;
    assert!(matches!(&answer, Answer::ShowsRefund(view) if matches!(view.state, RefundState::Failed(_))), "{answer:?}");
}

#[tokio::test]
async fn a_refund_of_what_is_all_refunded_is_ours_or_refused() {
    let conflict = || status(400, &error("invalid_request_error", "charge_already_refunded"));
    let world = World::new(OperationKind::Refund, vec![conflict()]);
    let ours = world.refund("succeeded");
    let other = with(ours.clone(), "/metadata", json!({}));
    let answer = world.then(ok(&list(&[other.clone(), ours], false))).send().await;
    assert!(matches!(answer, Answer::ShowsRefund(_)), "{answer:?}");

    let answer = World::new(OperationKind::Refund, vec![conflict(), ok(&list(&[other], false))]).send().await;
    assert!(matches!(&answer, Answer::Refused { failure, .. } if failure.code == "refund_not_possible"), "{answer:?}");

    let answer = World::new(OperationKind::Refund, vec![conflict(), raw(500, &[], "")]).send().await;
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_reversal_cancels_what_is_not_taken() {
    for held in
        ["requires_capture", "requires_action", "requires_payment_method", "requires_confirmation", "processing"]
    {
        let world = World::new(OperationKind::Reversal, vec![]);
        let (before, after) = (world.intent(held), world.intent("canceled"));
        let world = world.then(ok(&before)).then(ok(&after));
        assert_eq!(state(world.send().await), TransactionState::Voided, "{held}");
        assert_eq!(world.asked()[1].0, "POST /v1/payment_intents/pi_3Pabc/cancel");
    }
}

#[tokio::test]
async fn a_reversal_gives_back_what_is_still_taken_under_a_key_of_its_own() {
    let world = World::new(OperationKind::Reversal, vec![]);
    let before = with(world.intent("succeeded"), "/latest_charge/amount_refunded", 300.into());
    let after = with(world.intent("succeeded"), "/latest_charge/refunded", true.into());
    let refund = world.refund("succeeded");
    let world = world.then(ok(&before)).then(ok(&refund)).then(ok(&after));
    assert_eq!(state(world.send().await), taken(1000, 1000));
    assert_eq!(world.asked()[1].0, "POST /v1/refunds");
    let keys: Vec<_> =
        world.requests().iter().filter_map(|request| Some(request.headers().get("idempotency-key")?.clone())).collect();
    assert_eq!(keys, [format!("{}-refund", world.operation.request_id)]);
}

#[tokio::test]
async fn a_reversal_that_is_done_does_nothing() {
    let voided = World::new(OperationKind::Reversal, vec![]).intent("canceled");
    let back =
        with(World::new(OperationKind::Reversal, vec![]).intent("succeeded"), "/latest_charge/refunded", true.into());
    for intent in [voided, back] {
        let world = World::new(OperationKind::Reversal, vec![ok(&intent)]);
        assert!(matches!(world.send().await, Answer::Shows(_)));
        assert_eq!(world.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_reversal_that_is_cut_off_is_unknown_and_never_refused_by_a_race() {
    let world = World::new(OperationKind::Reversal, vec![]);
    let (held, taken_meanwhile) = (world.intent("requires_capture"), world.intent("succeeded"));
    let conflict = || status(400, &error("invalid_request_error", "payment_intent_unexpected_state"));
    let answer = world.then(ok(&held)).then(conflict()).then(ok(&taken_meanwhile)).send().await;
    assert_eq!(state(answer), taken(1000, 0));

    let answer = World::new(OperationKind::Reversal, vec![ok(&held), raw(502, &[], "<html>")]).send().await;
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    let answer = World::new(OperationKind::Reversal, vec![Err(HttpError::NotReached("no".into()))]).send().await;
    assert!(matches!(answer, Answer::NotReached { .. }), "{answer:?}");
}

#[tokio::test]
async fn the_calls_of_one_operation_share_its_time() {
    let mut world = World::new(OperationKind::Reversal, vec![]);
    let held = world.intent("requires_capture");
    let script = std::sync::Arc::get_mut(&mut world.script).unwrap();
    script.call_takes = std::time::Duration::from_secs(11);
    let world = world.then(ok(&held));
    assert!(matches!(world.send().await, Answer::NotReached { .. }));
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn an_operation_without_its_transaction_or_token_is_not_sent_and_nothing_is_concluded() {
    for kind in [OperationKind::Capture, OperationKind::Void, OperationKind::Refund, OperationKind::Reversal] {
        for id in [None, Some("pi_x/../../refunds".to_owned()), Some("ch_1".to_owned()), Some("pi_".to_owned())] {
            let mut world = World::new(kind, vec![]);
            world.operation.transaction_id.clone_from(&id);
            world.payment.provider_transaction_id = id;
            assert!(matches!(world.send().await, Answer::Unknown { .. }));
        }
    }
    let mut world = World::new(OperationKind::Authorize, vec![]);
    world.operation.payment_method = None;
    assert!(matches!(world.send().await, Answer::Unknown { .. }));
}

#[tokio::test]
async fn a_cancel_shows_how_the_attempt_then_stands() {
    let attempt = || {
        let mut world = World::new(OperationKind::Authorize, vec![]);
        world.operation.transaction_id = Some("pi_3Pabc".to_owned());
        world
    };
    let gone = attempt().intent("canceled");
    assert_eq!(state(attempt().then(ok(&gone)).cancel().await), TransactionState::Voided);

    // The payer was faster, or the attempt is cancelled already: what is there is adopted.
    let conflict = || status(400, &error("invalid_request_error", "payment_intent_unexpected_state"));
    let taken_meanwhile = attempt().intent("succeeded");
    let world = attempt().then(conflict()).then(ok(&taken_meanwhile));
    assert_eq!(state(world.cancel().await), taken(1000, 0));
    assert_eq!(world.asked()[1].0, "GET /v1/payment_intents/pi_3Pabc?expand%5B0%5D=latest_charge");
    assert_eq!(state(attempt().then(conflict()).then(ok(&gone)).cancel().await), TransactionState::Voided);

    for cut in [Err(HttpError::AnswerLost("cut".into())), raw(500, &[], ""), raw(502, &[], "<html>")] {
        let answer = attempt().then(cut).cancel().await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
    let answer = attempt().then(Err(HttpError::NotReached("no".into()))).cancel().await;
    assert!(matches!(answer, Answer::NotReached { .. }), "{answer:?}");

    let nothing_to_cancel = World::new(OperationKind::Authorize, vec![]);
    assert!(matches!(nothing_to_cancel.cancel().await, Answer::Unknown { .. }));
}
