//! `payment show`: all that is known of a payment, and nothing that is the payer's.

use serde_json::json;
use tollgate_domain::PaymentId;
use tollgate_gateway::{
    contract::{Samples, Story},
    records::Committed,
};

use crate::place::{Place, on_each_store};

on_each_store! {
    a_payment_is_shown_with_all_that_belongs_to_it,
    a_payment_in_any_state_is_shown_and_never_the_payers_token,
    a_payment_that_is_not_there_is_one_clear_line,
    payments_are_found_by_what_merchants_and_providers_call_them,
}

async fn payments_are_found_by_what_merchants_and_providers_call_them(place: Place) {
    let samples = Samples::new(903);
    let taken = samples.opened().authorized().capture_requested(1000).captured(1000);
    let mut stories = [samples.opened().authorized(), taken];
    for story in &mut stories {
        let reference = samples.reference(story);
        story.last_mut().reference = Some(reference);
        commit(&place, story).await;
    }
    let transaction = stories[1].sets.last().and_then(|set| set.reference.clone()).unwrap().reference;
    let [held, taken] = stories.map(|story| story.payment);
    let listed = |words: &str| {
        let body = place.tollgate.run(&format!("payment list {words} --json")).json();
        let ids = body["data"].as_array().unwrap().iter().map(|one| one["payment"]["id"].as_str().unwrap().to_owned());
        (body["more"].as_bool().unwrap(), ids.collect::<Vec<_>>())
    };
    let (merchant, both) = (samples.merchant, listed(&format!("--merchant {}", samples.merchant)).1);
    assert!(both.len() == 2 && both.contains(&held.id.to_string()) && both.contains(&taken.id.to_string()), "{both:?}");
    assert_eq!(listed(&format!("--merchant {merchant} --status captured")), (false, vec![taken.id.to_string()]));
    assert!(listed(&format!("--merchant {merchant} --limit 1")).0, "there are more");
    let reference = held.details.merchant_reference.clone().unwrap();
    let arguments = ["payment", "list", "--merchant", &merchant.to_string(), "--reference", &reference];
    assert!(place.tollgate.run_all(&arguments).answer().contains(&held.id.to_string()));
    assert_eq!(listed(&format!("--merchant {merchant} --reference none-has-this")).1, Vec::<String>::new());
    let words = format!("--transaction {}:{transaction}", taken.provider.as_str());
    assert_eq!(listed(&words), (false, vec![taken.id.to_string()]));
    assert_eq!(
        place.tollgate.run("payment list --transaction stripe:pi_none").answer().trim(),
        "there are no such payments"
    );
    for wrong in [
        "payment list",
        "payment list --transaction stripe:pi_1 --status FAILED",
        "payment list --transaction visa:1",
        "payment list --reference a",
    ] {
        let ran = place.tollgate.run(wrong);
        assert!(ran.code == 2 && ran.stdout.is_empty(), "{wrong}: {ran:?}");
    }
}

async fn a_payment_is_shown_with_all_that_belongs_to_it(place: Place) {
    let samples = Samples::new(900);
    let mut story =
        samples.opened().authorized().capture_requested(1000).captured(1000).settled().refund_requested(100);
    let (call, event) = (samples.call(&story), samples.event(&story));
    story.last_mut().calls.push(call);
    story.last_mut().received = Some(event);
    let story = story.refund_completed();
    commit(&place, &story).await;
    let id = story.payment.id;

    let shown = place.tollgate.run(&format!("payment show {id} --json")).json();
    assert_eq!(shown["merchant_id"], samples.merchant.to_string());
    assert_eq!(shown["payment"]["status"], story.payment.status.as_str());
    assert_eq!((&shown["payment"]["version"], &shown["needs_review"]), (&json!(story.payment.version), &json!(null)));
    let of = |list: &str, field: &str| {
        let list = shown[list].as_array().unwrap_or_else(|| panic!("{shown}"));
        list.iter().map(|one| one[field].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("operations", "type"), ["authorize", "capture", "refund"]);
    assert_eq!(of("operations", "state"), ["succeeded", "succeeded", "succeeded"]);
    assert_eq!(of("refunds", "status"), ["COMPLETED"]);
    assert_eq!(of("deliveries", "type"), ["payment.authorized", "payment.captured", "refund.completed"]);
    assert_eq!(of("timeline", "type").iter().filter(|kind| *kind == "change").count() as u64, story.payment.version);
    for kind in ["provider_call", "provider_event"] {
        assert!(of("timeline", "type").iter().any(|one| one == kind), "{kind}: {shown}");
    }

    let words = place.tollgate.run(&format!("payment show {id}")).answer();
    for part in ["operations\n", "refunds\n", "deliveries\n", "timeline\n", "PENDING→AUTHORIZED", "req_7", "1000 JPY"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    let after = place.stores().payments.payment(id).await.unwrap();
    assert_eq!(after, Some(story.payment), "it only reads");
}

async fn a_payment_in_any_state_is_shown_and_never_the_payers_token(place: Place) {
    let samples = Samples::new(901);
    for (state, story) in samples.every_state() {
        commit(&place, &story).await;
        for json in ["", " --json"] {
            let shown = place.tollgate.run(&format!("payment show {}{json}", story.payment.id)).answer();
            assert!(shown.contains(story.payment.status.as_str()), "{state}: {shown}");
            for hidden in ["pm_card_visa", "https://bank.example/3ds", "ORDER-7"] {
                assert!(!shown.contains(hidden), "{state}: {shown}");
            }
        }
    }
}

async fn a_payment_that_is_not_there_is_one_clear_line(place: Place) {
    let id = PaymentId::from_random([7; 16]);
    for json in ["", " --json"] {
        let line = place.tollgate.run(&format!("payment show {id}{json}")).failure(1);
        assert_eq!(line, format!("there is no payment {id}"));
    }
}

async fn commit(place: &Place, story: &Story<'_>) {
    let payments = place.stores().payments;
    for set in &story.sets {
        assert_eq!(payments.commit(set).await.unwrap(), Committed::Done);
    }
}
