//! Every class of answer, for every operation: what is final, what is unknown, and what never happened.

use std::time::Duration;

use tollgate_domain::{
    Answer, OperationKind, ProviderRequestId, RefundState, RefundView, Timestamp, TransactionState, TransactionView,
};
use tollgate_gateway::ports::HttpError;

use crate::world::{INTENT, KEY, NOW_S, REFUND, Scripted, World, error, money, ok, raw, status, with};

const ONE_CALL: [OperationKind; 4] =
    [OperationKind::Authorize, OperationKind::Capture, OperationKind::Void, OperationKind::Refund];

/// What an answer comes to, in short.
fn class(answer: &Answer) -> String {
    match answer {
        Answer::Shows(view) => format!("{:?}", view.state),
        Answer::ShowsRefund(view) => format!("refund {:?}", view.state),
        Answer::Refused { failure, authorization_gone: false } => format!("refused {}", failure.code),
        Answer::Refused { failure, authorization_gone: true } => format!("refused {}, gone", failure.code),
        Answer::Unknown { .. } => "unknown".to_owned(),
        Answer::NotReached { retry_after: None, .. } => "not reached".to_owned(),
        Answer::NotReached { retry_after: Some(after), .. } => format!("not reached, {} s", after.as_secs()),
        Answer::Advanced { .. } => "advanced".to_owned(),
    }
}

async fn check(kinds: &[OperationKind], what: &str, answer: impl Fn() -> Scripted, expected: &str) {
    for kind in kinds {
        let world = World::new(*kind, vec![answer()]);
        let got = world.send().await;
        assert_eq!(class(&got), expected, "{kind:?} answered by {what}");
        assert_eq!(world.requests().len(), 1, "{kind:?}: nothing is tried again here");
        let text = format!("{got:?}");
        assert!(!text.contains("4242") && !text.contains(KEY) && !text.contains("Words of"), "{text}");
    }
}

#[tokio::test]
async fn without_a_connection_nothing_happened() {
    check(&ONE_CALL, "no connection", || Err(HttpError::NotReached("refused".into())), "not reached").await;
}

#[tokio::test]
async fn a_lost_answer_is_unknown() {
    check(&ONE_CALL, "a cut", || Err(HttpError::AnswerLost("cut".into())), "unknown").await;
}

#[tokio::test]
async fn a_rate_limit_turned_it_away() {
    let limited = error("invalid_request_error", "rate_limit").to_string();
    check(&ONE_CALL, "429", || raw(429, &[], &limited), "not reached").await;
    check(&ONE_CALL, "429", || raw(429, &[("retry-after", "7")], &limited), "not reached, 7 s").await;
    check(&ONE_CALL, "429", || raw(429, &[("retry-after", "99999999999")], &limited), "not reached, 3600 s").await;
    check(&ONE_CALL, "429", || raw(429, &[("retry-after", "Fri, 31 Dec 1999")], &limited), "not reached").await;
    check(&ONE_CALL, "429, no retry", || raw(429, &[("stripe-should-retry", "false")], &limited), "unknown").await;
}

#[tokio::test]
async fn whatever_is_being_worked_on_is_unknown() {
    for code in ["idempotency_key_in_use", "lock_timeout"] {
        let body = error("invalid_request_error", code);
        check(&ONE_CALL, code, || status(409, &body), "unknown").await;
        check(&ONE_CALL, code, || status(429, &body), "unknown").await;
        check(&ONE_CALL, code, || status(400, &body), "unknown").await;
    }
    check(&ONE_CALL, "409", || status(409, &error("invalid_request_error", "other")), "unknown").await;
    for (kind, code) in [("card_error", "card_declined"), ("invalid_request_error", "payment_intent_unexpected_state")]
    {
        check(&ONE_CALL, "409", || status(409, &error(kind, code)), "unknown").await;
    }
}

#[tokio::test]
async fn server_errors_are_unknown_even_with_a_word_of_stripe() {
    for code in 500..=511 {
        check(&ONE_CALL, "5xx", || status(code, &error("api_error", "")), "unknown").await;
        check(&ONE_CALL, "5xx", || raw(code, &[("stripe-should-retry", "false")], "{}"), "unknown").await;
        check(&ONE_CALL, "5xx", || status(code, &error("card_error", "card_declined")), "unknown").await;
    }
}

#[tokio::test]
async fn what_is_not_stripes_json_is_unknown_with_every_status() {
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "<html><h1>502 Bad Gateway</h1></html>",
        "{\"error\":\"nginx\"}",
        "{\"error\":null}",
        "{\"object\":\"payment_intent\"}",
        "\u{0}",
    ];
    for code in (200..=599).filter(|code| *code != 304 && *code != 204) {
        for body in bodies {
            check(&ONE_CALL, body, || raw(code, &[], body), "unknown").await;
        }
    }
}

#[tokio::test]
async fn other_statuses_are_unknown_whatever_they_say() {
    for code in [201, 202, 301, 302, 307, 405, 408, 410, 413, 415, 421, 424, 425, 451] {
        check(&ONE_CALL, "status", || status(code, &error("invalid_request_error", "parameter_missing")), "unknown")
            .await;
    }
}

#[tokio::test]
async fn a_refusal_of_the_request_is_final() {
    for code in [400, 404] {
        check(&ONE_CALL, "4xx", || status(code, &error("invalid_request_error", "")), "refused provider_refused").await;
    }
    let body = error("invalid_request_error", "amount_too_small");
    check(&ONE_CALL, "amount", || status(400, &body), "refused amount_not_supported").await;
    let body = with(error("invalid_request_error", "resource_missing"), "/error/param", "payment_method".into());
    check(&[OperationKind::Authorize], "token", || status(400, &body), "refused provider_refused").await;
    let body = serde_json::json!({"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "payment_method"}});
    check(&[OperationKind::Authorize], "token", || status(400, &body), "refused payment_method_invalid").await;
}

/// Turned away before the request was looked at: it says nothing of an earlier call with the same id.
#[tokio::test]
async fn refused_credentials_are_a_call_that_did_not_reach() {
    for code in [401, 403] {
        let body = error("invalid_request_error", "");
        check(&ONE_CALL, "credentials", || status(code, &body), "not reached").await;
    }
}

#[tokio::test]
async fn a_refusal_that_is_to_be_tried_again_is_not_final() {
    for code in [400, 401, 402, 403, 404] {
        let body = error("invalid_request_error", "").to_string();
        check(&ONE_CALL, "retry", || raw(code, &[("stripe-should-retry", "true")], &body), "unknown").await;
        check(
            &ONE_CALL,
            "no retry",
            || raw(code, &[("stripe-should-retry", "maybe")], &error("card_error", "card_declined").to_string()),
            "refused card_declined",
        )
        .await;
    }
    check(&ONE_CALL, "api_error", || status(400, &error("api_error", "")), "unknown").await;
}

#[tokio::test]
async fn a_key_used_for_something_else_says_nothing_of_its_first_use() {
    check(&ONE_CALL, "idempotency_error", || status(400, &error("idempotency_error", "")), "unknown").await;
}

#[tokio::test]
async fn a_declined_card_is_refused_where_no_intent_is_shown() {
    for (code, expected) in [
        ("card_declined", "refused card_declined"),
        ("expired_card", "refused expired_card"),
        ("incorrect_cvc", "refused incorrect_cvc"),
        ("processing_error", "refused processing_error"),
        ("a_code_of_tomorrow", "refused card_declined"),
    ] {
        check(&ONE_CALL, code, || status(402, &error("card_error", code)), expected).await;
    }
    // An independent imitation of Stripe gives declines another type.
    check(&ONE_CALL, "402", || status(402, &error("invalid_request_error", "card_declined")), "refused card_declined")
        .await;
}

#[tokio::test]
async fn an_authorization_that_has_ended_is_gone() {
    for code in ["charge_expired_for_capture", "capture_charge_authorization_expired"] {
        let body = error("invalid_request_error", code);
        check(&[OperationKind::Capture], code, || status(400, &body), "refused authorization_gone, gone").await;
    }
}

#[tokio::test]
async fn a_decline_shows_the_intent_that_was_made_for_it() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let intent = world.intent("requires_payment_method");
    let mut body = error("card_error", "card_declined");
    body["error"]["decline_code"] = "insufficient_funds".into();
    body["error"]["payment_intent"] = intent.clone();
    let world = world.then(status(402, &body));
    let reply = world.reply().await;
    assert_eq!((reply.http_status, reply.reference.as_deref()), (Some(402), Some("req_abc")));
    assert_eq!(reply.provider_code.as_deref(), Some("insufficient_funds"));
    let Answer::Shows(TransactionView { transaction_id, state: TransactionState::Declined(failure), .. }) =
        reply.answer
    else {
        panic!("{:?}", reply.answer)
    };
    assert_eq!((transaction_id.as_str(), failure.code.as_str()), (INTENT, "insufficient_funds"));
    // Somebody else's intent in it makes the whole answer worthless.
    body["error"]["payment_intent"] = with(intent, "/metadata/tollgate_payment_id", "pay_other".into());
    check(&[OperationKind::Authorize], "a stranger's decline", || status(402, &body), "unknown").await;
}

#[tokio::test]
async fn every_status_of_an_intent_has_its_meaning() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let redirect =
        serde_json::json!({"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.test/3ds"}});
    let script = serde_json::json!({"type": "use_stripe_sdk", "use_stripe_sdk": {}});
    let bad = serde_json::json!({"redirect_to_url": {"url": "javascript:alert(1)"}});
    let card = serde_json::json!({"card": {"capture_before": NOW_S + 600}});
    let failed = serde_json::json!({"code": "payment_intent_authentication_failure"});
    let until = Some(Timestamp::from_second(NOW_S + 600).unwrap());
    let usd = |minor| money(minor, "USD");
    let awaiting = TransactionState::AwaitingPayer { url: "https://hooks.stripe.test/3ds".to_owned(), until: None };
    let captured = |amount, refunded| TransactionState::Captured { amount: usd(amount), refunded: usd(refunded) };
    let partly = |received: i64, back: i64, all: bool| {
        let intent = with(world.intent("succeeded"), "/amount_received", received.into());
        with(with(intent, "/latest_charge/amount_refunded", back.into()), "/latest_charge/refunded", all.into())
    };
    let cases = [
        (world.intent("requires_capture"), TransactionState::Authorized { expires_at: None }),
        (
            with(
                world.intent("requires_capture"),
                "/latest_charge",
                serde_json::json!({"payment_method_details": card}),
            ),
            TransactionState::Authorized { expires_at: until },
        ),
        (
            with(world.intent("requires_capture"), "/latest_charge", "ch_1".into()),
            TransactionState::Authorized { expires_at: None },
        ),
        (world.intent("succeeded"), captured(1000, 0)),
        (with(world.intent("succeeded"), "/latest_charge", "ch_1".into()), captured(1000, 0)),
        (with(world.intent("succeeded"), "/latest_charge", serde_json::Value::Null), captured(1000, 0)),
        (partly(1000, 250, false), captured(1000, 250)),
        (partly(700, 300, false), captured(700, 0)),
        (partly(700, 400, false), captured(700, 100)),
        (partly(700, 1000, true), captured(700, 700)),
        (world.intent("canceled"), TransactionState::Voided),
        (world.intent("processing"), TransactionState::Processing),
        (world.intent("requires_confirmation"), TransactionState::Processing),
        (world.intent("requires_payment_method"), TransactionState::Processing),
        (with(world.intent("requires_action"), "/next_action", redirect), awaiting),
        (with(world.intent("requires_action"), "/next_action", script), TransactionState::Processing),
        (with(world.intent("requires_action"), "/next_action", bad), TransactionState::Processing),
    ];
    for (intent, state) in cases {
        let made_by = Some(ProviderRequestId::from_random([7; 16]));
        let view = TransactionView {
            transaction_id: INTENT.to_owned(),
            request_id: made_by,
            amount: usd(1000),
            state,
            kept: None,
        };
        let answer = World::new(OperationKind::Authorize, vec![ok(&intent)]).send().await;
        assert_eq!(answer, Answer::Shows(view), "{intent}");
    }
    let declined = with(world.intent("requires_payment_method"), "/last_payment_error", failed);
    let answer = World::new(OperationKind::Authorize, vec![ok(&declined)]).send().await;
    let Answer::Shows(TransactionView { state: TransactionState::Declined(failure), .. }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(failure.code, "authentication_failed");
}

#[tokio::test]
async fn an_answer_that_belongs_to_something_else_is_never_adopted() {
    let other_request = ProviderRequestId::from_random([9; 16]).to_string();
    for kind in ONE_CALL {
        let right = World::new(kind, vec![]).success();
        let is_refund = kind == OperationKind::Refund;
        let mut wrong = vec![
            with(right.clone(), "/object", "charge".into()),
            with(right.clone(), "/amount", 1001.into()),
            with(right.clone(), "/amount", (-1000).into()),
            with(right.clone(), "/currency", "eur".into()),
            with(right.clone(), "/currency", "zzz".into()),
            with(right.clone(), "/status", "a_status_of_tomorrow".into()),
            with(right.clone(), "/metadata", serde_json::json!({})),
            with(right.clone(), "/metadata", serde_json::Value::Null),
            with(right.clone(), "/id", "../../v1/refunds".into()),
        ];
        if is_refund {
            wrong.push(with(right.clone(), "/payment_intent", "pi_other".into()));
            wrong.push(with(right.clone(), "/payment_intent", serde_json::Value::Null));
        } else {
            wrong.push(with(right.clone(), "/metadata/tollgate_payment_id", "pay_00000000000000000000000000".into()));
        }
        if matches!(kind, OperationKind::Capture | OperationKind::Void) {
            wrong.push(with(right.clone(), "/id", "pi_other".into()));
        } else {
            wrong.push(with(right.clone(), "/metadata/tollgate_request_id", other_request.clone().into()));
        }
        if kind == OperationKind::Capture {
            wrong.push(with(right.clone(), "/amount_received", 1001.into()));
            wrong.push(with(right.clone(), "/amount_received", 0.into()));
            wrong.push(with(right.clone(), "/amount_received", serde_json::Value::Null));
        }
        for answer in wrong {
            check(&[kind], "something else", || ok(&answer), "unknown").await;
        }
        let good = World::new(kind, vec![ok(&right)]).send().await;
        assert!(matches!(good, Answer::Shows(_) | Answer::ShowsRefund(_)), "{kind:?}: {good:?}");
    }
}

#[tokio::test]
async fn every_status_of_a_refund_has_its_meaning() {
    for (word, expected) in [
        ("succeeded", RefundState::Completed),
        ("pending", RefundState::Pending),
        ("requires_action", RefundState::Pending),
    ] {
        let world = World::new(OperationKind::Refund, vec![]);
        let refund = world.refund(word);
        let answer = world.then(ok(&refund)).send().await;
        let view = RefundView { refund_reference: REFUND.to_owned(), instead_of: None, state: expected };
        assert_eq!(answer, Answer::ShowsRefund(view), "{word}");
    }
    for word in ["failed", "canceled"] {
        let world = World::new(OperationKind::Refund, vec![]);
        let refund = with(world.refund(word), "/failure_reason", "expired_or_canceled_card".into());
        let answer = world.then(ok(&refund)).send().await;
        let Answer::ShowsRefund(RefundView { state: RefundState::Failed(failure), .. }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(
            (failure.code.as_str(), failure.provider_code.as_deref()),
            ("refund_failed", Some("expired_or_canceled_card"))
        );
    }
}

#[tokio::test]
async fn amounts_are_read_and_written_stripes_way() {
    let mut world = World::new(OperationKind::Authorize, vec![]);
    world.payment.amount = money(500, "ISK");
    world.operation.amount = world.payment.amount;
    let intent = with(with(world.intent("requires_capture"), "/amount", 50_000.into()), "/currency", "isk".into());
    let world = world.then(ok(&intent));
    let answer = world.send().await;
    let Answer::Shows(view) = answer else { panic!("{answer:?}") };
    assert_eq!(view.amount, money(500, "ISK"));
    assert!(world.asked()[0].1.contains("amount=50000&currency=isk"));
}

#[tokio::test]
async fn without_time_left_nothing_is_sent() {
    let mut world = World::new(OperationKind::Authorize, vec![]);
    world.timeout = Duration::ZERO;
    assert_eq!(class(&world.send().await), "not reached");
    assert!(world.requests().is_empty());
}

/// A new intent's id is known from nothing but the answer itself: its secret says it a second time.
#[tokio::test]
async fn an_answer_that_names_two_intents_is_not_adopted() {
    let world = World::new(OperationKind::Authorize, vec![]);
    for (secret, wanted) in [("pi_other_secret_x", "unknown"), ("pi_1_secret_x", "shows")] {
        let secret = secret.replace("pi_1", INTENT);
        let body = with(world.intent("requires_capture"), "/client_secret", secret.into());
        let answer = World::new(OperationKind::Authorize, vec![ok(&body)]).send().await;
        assert_eq!(matches!(answer, Answer::Unknown { .. }), wanted == "unknown", "{answer:?}");
    }
}
