//! The rules that decide whether money is lost, each as the interleaving that it closes.

use std::time::Duration;

use super::samples::{NOW, attempt, authorized, capturing, held, jpy, key, opened, shows, taken, view};
use crate::{
    Answer, CaptureMethod, EventKind, Failure, Observation, OperationKind, OperationState, Payment, PaymentStatus,
    Refusal, TransactionState, What,
};

fn kinds(change: &crate::Change) -> Vec<EventKind> {
    change.events.iter().map(|event| event.kind).collect()
}

fn answered(payment: &Payment, answer: &Answer) -> crate::Change {
    payment.answered(payment.open.as_ref().unwrap().number, answer, attempt(9, NOW), NOW).unwrap()
}

fn refused(gone: bool) -> Answer {
    Answer::Refused { failure: Failure::new("provider_refused", "No"), authorization_gone: gone }
}

#[test]
fn while_an_operation_is_open_every_other_is_refused() {
    let payment = capturing(1000);
    let in_progress = Err(Refusal::OperationInProgress);
    assert_eq!(payment.request_capture(None, attempt(3, NOW), key(3), NOW), in_progress);
    assert_eq!(payment.request_void(attempt(3, NOW), key(3), NOW), in_progress);
}

#[test]
fn a_capture_answers_what_the_provider_took_and_releases_the_rest() {
    let change = shows(&capturing(400), taken(400));
    assert_eq!((change.payment.status, change.payment.captured), (PaymentStatus::Captured, jpy(400)));
    assert_eq!(kinds(&change), [EventKind::PaymentCaptured]);
}

#[test]
fn a_refused_capture_leaves_the_payment_authorized_and_open_to_another() {
    let change = answered(&capturing(1000), &refused(false));
    assert_eq!((change.payment.status, change.what), (PaymentStatus::Authorized, What::CaptureRefused));
    assert_eq!(kinds(&change), [EventKind::PaymentCaptureFailed]);
    assert!(change.payment.request_capture(None, attempt(3, NOW), key(3), NOW).is_ok());
}

#[test]
fn a_capture_refused_because_the_hold_is_gone_voids_the_payment() {
    let change = answered(&capturing(1000), &refused(true));
    assert_eq!(change.payment.status, PaymentStatus::Voided);
    assert_eq!(kinds(&change), [EventKind::PaymentCaptureFailed, EventKind::PaymentVoided]);
}

#[test]
fn a_capture_whose_answer_was_lost_stays_open_and_nobody_may_send_it_until_it_is_taken_over() {
    let change = answered(&capturing(1000), &Answer::Unknown { reason: "timeout".to_owned() });
    let open = change.payment.open.as_ref().unwrap();
    assert_eq!((change.payment.status, open.lease), (PaymentStatus::Authorized, None));
    let taken_over = change.payment.take_over(attempt(4, NOW).lease, NOW).unwrap();
    assert_eq!(taken_over.payment.open.unwrap().request_id, open.request_id, "it carries the same id");
}

#[test]
fn automatic_capture_in_one_call_is_two_transitions_in_one_commit() {
    let change = shows(&opened(CaptureMethod::Automatic), taken(1000));
    let statuses: Vec<_> = change.transitions.iter().map(|transition| transition.to).collect();
    assert_eq!(statuses, [PaymentStatus::Authorized, PaymentStatus::Captured]);
    assert_eq!(kinds(&change), [EventKind::PaymentAuthorized, EventKind::PaymentCaptured]);
    let told: Vec<_> = change.events.iter().map(|event| event.payment.status).collect();
    assert_eq!(told, statuses, "each event shows the payment as of its own transition");
}

#[test]
fn automatic_capture_at_a_provider_that_only_holds_is_opened_with_the_authorization() {
    let change = shows(&opened(CaptureMethod::Automatic), held());
    let open = change.payment.open.as_ref().unwrap();
    assert_eq!((open.kind, open.amount), (OperationKind::Capture, jpy(1000)));
    assert_eq!(open.transaction_id.as_deref(), Some("pi_1"));

    let refused = answered(&change.payment, &refused(false));
    let open = refused.payment.open.as_ref().unwrap();
    assert_eq!(open.kind, OperationKind::Void, "a refused automatic capture is followed by a void");
}

#[test]
fn a_void_of_an_unknown_authorization_is_remembered_and_carried_out_after_it() {
    let asked = opened(CaptureMethod::Manual).request_void(attempt(2, NOW), key(2), NOW).unwrap();
    assert_eq!(asked.payment.status, PaymentStatus::Pending);
    assert_eq!(asked.operation().unwrap().state, OperationState::Waiting);

    let known = shows(&asked.payment, held());
    let open = known.payment.open.as_ref().unwrap();
    assert_eq!((open.kind, open.key), (OperationKind::Void, Some(key(2))));
    assert_eq!(shows(&known.payment, TransactionState::Voided).payment.status, PaymentStatus::Voided);
}

#[test]
fn a_void_ends_the_payers_turn_where_his_approval_would_take_the_money() {
    let waits = || TransactionState::AwaitingPayer { url: "https://stripe.test/3ds/pi_1".to_owned(), until: None };
    let turn_is_over = |payment: &Payment| payment.open.as_ref().unwrap().payers_turn_is_over(NOW);
    for (method, ends) in [(CaptureMethod::Automatic, true), (CaptureMethod::Manual, false)] {
        let void = |payment: &Payment| payment.request_void(attempt(2, NOW), key(2), NOW).unwrap().payment;
        let asked = void(&shows(&opened(method), waits()).payment);
        assert_eq!(turn_is_over(&asked), ends, "{method:?}");
        assert_eq!(asked.due_at().unwrap() <= NOW, ends, "a job looks at once, should this process die here");
        let asked_before = shows(&void(&opened(method)), waits()).payment;
        assert_eq!(turn_is_over(&asked_before), ends, "also where he is asked for only then: {method:?}");
    }
    let asked = shows(&opened(CaptureMethod::Automatic), waits()).payment;
    let asked = asked.request_void(attempt(2, NOW), key(2), NOW).unwrap().payment;
    let cancelled = shows(&asked, TransactionState::Voided);
    let failure = cancelled.payment.failure.as_ref().map(|failure| failure.code.as_str());
    assert_eq!((cancelled.payment.status, failure), (PaymentStatus::Failed, Some("voided")));
    assert_eq!(shows(&asked, taken(1000)).payment.status, PaymentStatus::Captured, "he was faster");
}

#[test]
fn a_remembered_void_is_dropped_with_a_declined_payment() {
    let asked = opened(CaptureMethod::Manual).request_void(attempt(2, NOW), key(2), NOW).unwrap();
    let declined = answered(&asked.payment, &refused(false));
    let void = declined.operations.iter().find(|operation| operation.kind == OperationKind::Void).unwrap();
    assert_eq!((declined.payment.status, void.state), (PaymentStatus::Failed, OperationState::Dropped));
}

#[test]
fn no_such_request_counts_only_after_a_take_over_five_minutes_past_the_last_call() {
    let payment = answered(&opened(CaptureMethod::Manual), &Answer::Unknown { reason: "timeout".to_owned() }).payment;
    let last_call = payment.open.as_ref().unwrap().last_call_until.unwrap();
    let early = last_call + Duration::from_secs(299);
    assert_eq!(payment.take_over_to_ask(early), None);
    assert_eq!(payment.never_arrived(early), None);

    let safe = last_call + Duration::from_secs(300);
    let failed = payment.take_over_to_ask(safe).unwrap().payment.never_arrived(safe).unwrap();
    assert_eq!(failed.payment.status, PaymentStatus::Failed);
    assert_eq!(failed.payment.failure.as_ref().unwrap().code, "not_processed");
}

#[test]
fn a_capture_that_the_provider_never_carried_out_is_sent_afresh_after_the_same_five_minutes() {
    let payment = answered(&capturing(1000), &Answer::Unknown { reason: "500".to_owned() }).payment;
    let old = payment.open.clone().unwrap();
    let last_call = old.last_call_until.unwrap();
    assert_eq!(payment.afresh(attempt(9, NOW), last_call + Duration::from_secs(299)), None);
    let safe = last_call + Duration::from_secs(300);
    let afresh = payment.take_over_to_ask(safe).unwrap().payment.afresh(attempt(9, safe), safe).unwrap();
    let open = afresh.payment.open.unwrap();
    assert_eq!((open.number, open.amount), (old.number, old.amount), "the same operation");
    assert_ne!(open.request_id, old.request_id, "under an id that no answer is kept for");
}

#[test]
fn an_event_about_the_winner_does_not_close_the_reversal_of_the_other_transaction() {
    let mut other = view(taken(1000));
    "pi_2".clone_into(&mut other.transaction_id);
    let Observation::Change(reversing) = authorized().observed(&other, true, attempt(3, NOW), NOW) else {
        panic!("one success too many is undone")
    };
    let seen = reversing.payment.observed(&view(TransactionState::Voided), true, attempt(4, NOW), NOW);
    assert_eq!(seen, Observation::Later, "the winner's end has to wait until the reversal is done");
}

#[test]
fn a_success_too_many_that_is_seen_while_something_is_open_is_not_taken_as_seen() {
    let mut other = view(held());
    "pi_2".clone_into(&mut other.transaction_id);
    assert_eq!(capturing(1000).observed(&other, true, attempt(3, NOW), NOW), Observation::Later);
}

#[test]
fn a_resend_moves_the_time_after_which_no_such_request_counts() {
    let payment = opened(CaptureMethod::Manual);
    let later = NOW + Duration::from_secs(600);
    let resent = payment.take_over(attempt(2, later).lease, later).unwrap().payment;
    assert_eq!(resent.take_over_to_ask(later + Duration::from_secs(300)), None);
}

#[test]
fn an_answer_that_comes_after_an_event_was_faster_decides_nothing() {
    let event = opened(CaptureMethod::Manual).observed(&view(held()), false, attempt(2, NOW), NOW);
    let Observation::Change(change) = event else { panic!("the event is adopted") };
    assert_eq!(change.payment.answered(1, &Answer::Shows(view(held())), attempt(3, NOW), NOW), None);
}

#[test]
fn events_never_move_a_payment_backwards() {
    let captured = shows(&capturing(1000), taken(1000)).payment;
    for old in [held(), TransactionState::Processing] {
        let seen = captured.observed(&view(old), false, attempt(2, NOW), NOW);
        assert_eq!(seen, Observation::Nothing { contradiction: false });
    }
}

#[test]
fn a_decline_from_an_event_may_be_old_and_is_asked_about() {
    let declined = TransactionState::Declined(Failure::new("card_declined", "Declined"));
    let seen = opened(CaptureMethod::Manual).observed(&view(declined), false, attempt(2, NOW), NOW);
    assert_eq!(seen, Observation::AskProvider);
}

#[test]
fn a_success_after_failed_is_reversed_and_stands_in_suspense_until_then() {
    let failed = answered(&opened(CaptureMethod::Manual), &refused(false)).payment;
    assert_eq!(failed.observed(&view(taken(1000)), false, attempt(2, NOW), NOW), Observation::AskProvider);

    let Observation::Change(late) = failed.observed(&view(taken(1000)), true, attempt(2, NOW), NOW) else {
        panic!("a late success is undone")
    };
    assert_eq!(late.payment.open.as_ref().unwrap().kind, OperationKind::Reversal);
    assert_eq!(late.postings.lines().len(), 2);

    let refused = answered(&late.payment, &refused(false));
    assert!(refused.payment.open.is_some(), "a refused reversal stays open: it is retried and alerts");

    let undone = TransactionState::Captured { amount: jpy(1000), refunded: jpy(1000) };
    let reversed = shows(&refused.payment, undone);
    assert_eq!((reversed.payment.status, reversed.what), (PaymentStatus::Failed, What::Reversed));
    assert_eq!(reversed.postings.lines().len(), 2);
}

#[test]
fn a_success_of_a_transaction_that_does_not_count_is_reversed() {
    let mut other = view(held());
    "pi_2".clone_into(&mut other.transaction_id);
    let voided = {
        let asked = authorized().request_void(attempt(2, NOW), key(2), NOW).unwrap();
        shows(&asked.payment, TransactionState::Voided).payment
    };
    let Observation::Change(late) = voided.observed(&other, true, attempt(3, NOW), NOW) else {
        panic!("one success too many is undone")
    };
    assert_eq!(late.payment.open.unwrap().transaction_id.as_deref(), Some("pi_2"));
}

#[test]
fn a_view_with_another_amount_is_not_adopted() {
    let mut other = view(held());
    other.amount = jpy(1);
    let payment = opened(CaptureMethod::Manual);
    assert_eq!(payment.observed(&other, true, attempt(2, NOW), NOW), Observation::Nothing { contradiction: true });
}

#[test]
fn an_authorization_past_its_end_is_not_captured() {
    let payment = authorized();
    let end = payment.expires_at.unwrap();
    assert_eq!(
        payment.request_capture(None, attempt(2, end), key(2), end),
        Err(Refusal::StateConflict(payment.status))
    );
}

#[test]
fn a_new_page_for_the_payer_does_not_give_more_time() {
    let page = |url: &str| TransactionState::AwaitingPayer { url: url.to_owned(), until: None };
    let first = shows(&opened(CaptureMethod::Manual), page("https://a")).payment;
    let until = first.open.as_ref().unwrap().payer.as_ref().unwrap().until;
    let later = NOW + Duration::from_secs(60);
    let Observation::Change(second) = first.observed(&view(page("https://b")), true, attempt(2, later), later) else {
        panic!("the new page is adopted")
    };
    assert_eq!(second.payment.open.unwrap().payer.unwrap().until, until);
}

#[test]
fn a_payer_who_approved_leads_to_our_next_step_under_a_fresh_lease_and_once() {
    let page = TransactionState::AwaitingPayer { url: "https://a".to_owned(), until: None };
    let waiting = shows(&opened(CaptureMethod::Manual), page).payment;
    let approved = || TransactionState::Approved { progress: "order".to_owned() };
    let mut seen = view(approved());
    seen.kept = Some("order 1".to_owned());
    let Observation::Change(change) = waiting.observed(&seen, true, attempt(2, NOW), NOW) else {
        panic!("the next step is ours")
    };
    let open = change.payment.open.clone().unwrap();
    assert_eq!(
        (change.what, open.payer.is_none(), open.progress.as_deref()),
        (What::PayerApproved, true, Some("order"))
    );
    assert_eq!(open.lease, Some(attempt(2, NOW).lease));
    assert_eq!(open.request_id, waiting.open.as_ref().unwrap().request_id, "it is the same operation");
    assert_eq!(change.payment.provider_state.as_deref(), Some("order 1"));
    let again = change.payment.observed(&view(approved()), true, attempt(3, NOW), NOW);
    assert_eq!(again, Observation::Nothing { contradiction: false }, "whoever saw it first sends");
}

#[test]
fn a_step_after_the_approval_that_was_cut_off_is_taken_up_by_whoever_asks_and_no_other_is() {
    let page = TransactionState::AwaitingPayer { url: "https://a".to_owned(), until: None };
    let approved = || view(TransactionState::Approved { progress: "order".to_owned() });
    let waiting = shows(&opened(CaptureMethod::Manual), page).payment;
    let Observation::Change(change) = waiting.observed(&approved(), true, attempt(2, NOW), NOW) else {
        panic!("the next step is ours")
    };
    let cut_off = answered(&change.payment, &Answer::Unknown { reason: "timeout".to_owned() }).payment;
    let hint = cut_off.observed(&approved(), false, attempt(3, NOW), NOW);
    assert_eq!(hint, Observation::Nothing { contradiction: false }, "an old event");
    let Observation::Change(again) = cut_off.observed(&approved(), true, attempt(3, NOW), NOW) else {
        panic!("it is sent again")
    };
    let open = again.payment.open.unwrap();
    assert_eq!((open.lease, open.number), (Some(attempt(3, NOW).lease), 1));
    // That a payer was asked for nothing, and approved all the same, is no word of ours to send what only the merchant may.
    let lost = answered(&opened(CaptureMethod::Manual), &Answer::Unknown { reason: "timeout".to_owned() }).payment;
    let seen = lost.observed(&approved(), true, attempt(3, NOW), NOW);
    assert_eq!(seen, Observation::Nothing { contradiction: false });
}

#[test]
fn what_the_adapter_kept_is_erased_with_the_end_of_the_payment_and_what_undoes_a_late_success_is_not() {
    let keeping = |state, kept: &str| {
        let mut view = view(state);
        view.kept = Some(kept.to_owned());
        Answer::Shows(view)
    };
    let hold = answered(&opened(CaptureMethod::Manual), &keeping(held(), "token")).payment;
    assert_eq!(hold.provider_state.as_deref(), Some("token"));
    let voiding = hold.request_void(attempt(2, NOW), key(2), NOW).unwrap().payment;
    assert_eq!(answered(&voiding, &keeping(TransactionState::Voided, "token")).payment.provider_state, None);
    let capturing = hold.request_capture(None, attempt(2, NOW), key(2), NOW).unwrap().payment;
    assert_eq!(answered(&capturing, &refused(true)).payment.provider_state, None);
    let taken_by = answered(&capturing, &keeping(taken(1000), "payment")).payment;
    assert_eq!(taken_by.provider_state.as_deref(), Some("payment"));

    let mut coded = opened(CaptureMethod::Manual);
    coded.provider_state = Some("code".to_owned());
    let failed = answered(&coded, &refused(false)).payment;
    assert_eq!((failed.status, failed.provider_state.as_deref()), (PaymentStatus::Failed, None));
    let Answer::Shows(late) = keeping(taken(1000), "payment") else { unreachable!("it is a view") };
    let Observation::Change(late) = failed.observed(&late, true, attempt(2, NOW), NOW) else {
        panic!("a success after the end is undone")
    };
    assert_eq!((late.what, late.payment.provider_state.as_deref()), (What::LateSuccess, Some("payment")));
}

#[test]
fn a_reversal_that_came_back_is_made_again_a_day_later_and_a_person_looks_meanwhile() {
    let failed = answered(&opened(CaptureMethod::Manual), &refused(false)).payment;
    let observed = |payment: &crate::Payment, now| payment.observed(&view(taken(1000)), true, attempt(2, now), now);
    let changed = |observation| match observation {
        Observation::Change(change) => *change,
        other => panic!("something follows: {other:?}"),
    };
    let late = changed(observed(&failed, NOW)).payment;
    let undone = TransactionState::Captured { amount: jpy(1000), refunded: jpy(1000) };
    let reversed = shows(&late, undone).payment;

    let soon = NOW + Duration::from_secs(300);
    let back = changed(observed(&reversed, soon));
    assert_eq!((back.what, back.payment.open.is_some()), (What::NeedsReview, false));
    assert_eq!(back.events.len(), 1, "the merchant is told");
    assert_eq!(observed(&back.payment, soon), Observation::Nothing { contradiction: true }, "once");
    let day_after = NOW + Duration::from_secs(24 * 3600);
    let nearly = day_after - Duration::from_secs(1);
    assert_eq!(observed(&back.payment, nearly), Observation::Nothing { contradiction: true });
    assert_eq!(changed(observed(&back.payment, day_after)).what, What::LateSuccess);
}
