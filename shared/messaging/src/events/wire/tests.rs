//! What is written reads the same; what is damaged, longer, or another program's is refused.

use proptest::prelude::*;
use tollgate_domain::{PaymentId, ProviderName, ProviderRequestId, RefundId, Timestamp};

use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z_0-9]{1,30}",
        any::<String>().prop_map(|text| text.chars().take(40).collect())
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u32>().prop_flat_map(|second| {
        (0..1_000_000_000_i32).prop_map(move |nano| Timestamp::new(i64::from(second), nano).unwrap())
    })
}

fn money() -> impl Strategy<Value = Money> {
    let currency = prop_oneof![Just("JPY"), Just("USD"), Just("KWD")];
    (0..=Money::MAX_MINOR, currency).prop_map(|(minor, code)| Money::new(minor, code.parse().unwrap()).unwrap())
}

fn failure() -> impl Strategy<Value = Failure> {
    let failure = |(code, message, provider_code)| Failure { code, message, provider_code };
    (text(), text(), proptest::option::of(text())).prop_map(failure)
}

fn state() -> impl Strategy<Value = TransactionState> {
    prop_oneof![
        (text(), proptest::option::of(time())).prop_map(|(url, until)| TransactionState::AwaitingPayer { url, until }),
        text().prop_map(|progress| TransactionState::Approved { progress }),
        Just(TransactionState::Processing),
        proptest::option::of(time()).prop_map(|expires_at| TransactionState::Authorized { expires_at }),
        (money(), money()).prop_map(|(amount, refunded)| TransactionState::Captured { amount, refunded }),
        Just(TransactionState::Voided),
        failure().prop_map(TransactionState::Declined),
    ]
}

fn view() -> impl Strategy<Value = TransactionView> {
    let request = proptest::option::of(any::<[u8; 16]>().prop_map(ProviderRequestId::from_random));
    (text(), request, money(), state(), proptest::option::of(text())).prop_map(
        |(transaction_id, request_id, amount, state, kept)| TransactionView {
            transaction_id,
            request_id,
            amount,
            state,
            kept,
        },
    )
}

fn refund_view() -> impl Strategy<Value = RefundView> {
    let state =
        prop_oneof![Just(RefundState::Pending), Just(RefundState::Completed), failure().prop_map(RefundState::Failed)];
    (text(), proptest::option::of(text()), state).prop_map(|(refund_reference, instead_of, state)| RefundView {
        refund_reference,
        instead_of,
        state,
    })
}

fn news() -> impl Strategy<Value = News> {
    let payment = || any::<[u8; 16]>().prop_map(PaymentId::from_random);
    let refund = any::<[u8; 16]>().prop_map(RefundId::from_random);
    prop_oneof![
        Just(News::NotUsed),
        Just(News::NotOurs),
        (proptest::option::of(payment()), view()).prop_map(|(payment, view)| News::Transaction { payment, view }),
        (payment(), text()).prop_map(|(payment, transaction_id)| News::Changed { payment, transaction_id }),
        (payment(), refund, refund_view()).prop_map(|(payment, refund, view)| News::Refund { payment, refund, view }),
    ]
}

fn kept() -> impl Strategy<Value = KeptEvent> {
    let provider = proptest::sample::select(&ProviderName::ALL[..]);
    (provider, text(), text(), time(), text(), news()).prop_map(
        |(provider, event_id, event_type, received_at, correlation_id, news)| KeptEvent {
            provider,
            event: ProviderEvent { event_id, event_type, news },
            received_at,
            correlation_id,
        },
    )
}

fn an_event() -> KeptEvent {
    let news = News::Changed { payment: PaymentId::from_random([3; 16]), transaction_id: "pi_1".to_owned() };
    KeptEvent {
        provider: ProviderName::Stripe,
        event: ProviderEvent { event_id: "evt_1".to_owned(), event_type: "charge.updated".to_owned(), news },
        received_at: Timestamp::constant(1_790_000_000, 5000),
        correlation_id: "c-1".to_owned(),
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(event in kept()) {
        let data = write(&event).unwrap();
        prop_assert_eq!(read(data.as_bytes()).unwrap(), event);
    }

    #[test]
    fn a_byte_that_is_changed_anywhere_is_noticed(event in kept(), place in any::<proptest::sample::Index>(), to in any::<u8>()) {
        let mut data = write(&event).unwrap().into_bytes();
        let place = place.index(data.len());
        prop_assume!(data[place] != to);
        data[place] = to;
        prop_assert!(read(&data).is_err());
    }

    #[test]
    fn what_is_cut_off_or_made_up_is_refused(event in kept(), keep in any::<proptest::sample::Index>(), junk in any::<Vec<u8>>()) {
        let data = write(&event).unwrap().into_bytes();
        prop_assert!(read(&data[..keep.index(data.len())]).is_err());
        prop_assert!(read(&junk).is_err());
    }
}

#[test]
fn the_format_is_this_one() {
    let data = write(&an_event()).unwrap();
    let expected = r#"{"v":1,"crc":"CRC","event":{"provider":"stripe","event_id":"evt_1","event_type":"charge.updated","received_at":"2026-09-21T14:13:20.000005Z","correlation_id":"c-1","news":{"changed":{"payment":"pay_030c1g60r30c1g60r30c1g60r3","transaction_id":"pi_1"}}}}"#;
    let crc = &data[data.find("crc\":\"").unwrap() + 6..][..8];
    assert_eq!(data, expected.replace("CRC", crc));
}

#[test]
fn what_is_longer_newer_or_says_more_is_refused() {
    let mut event = an_event();
    let data = write(&event).unwrap();
    for (from, to) in [
        ("{\"v\":1,", "{\"v\":1, "),
        ("\"v\":1", "\"v\":1,\"more\":1"),
        ("\"news\":", "\"more\":1,\"news\":"),
        ("evt_1", "evt_2"),
        ("stripe", "bank"),
        ("\"changed\":", "\"voided\":"),
    ] {
        let changed = data.replacen(from, to, 1);
        assert_ne!(changed, data, "{from}");
        assert!(read(changed.as_bytes()).is_err(), "{changed}");
    }
    assert!(matches!(read(data.replacen("\"v\":1", "\"v\":2", 1).as_bytes()), Err(NoEvent::Version(2))));
    event.event.event_type = "x".repeat(LONGEST_EVENT_BYTES);
    assert!(matches!(write(&event), Err(NoEvent::TooLong(_))));
    assert!(matches!(read(&vec![b' '; LONGEST_EVENT_BYTES + 1]), Err(NoEvent::TooLong(_))));
}
