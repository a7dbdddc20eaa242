//! The requests as sent, to the byte: method, path, headers, form.

use http::Request;
use tollgate_domain::{CaptureMethod, OperationKind};
use tollgate_gateway::ports::{Provider as _, provider::Unsupported};
use tollgate_providers::{ConfigError, Secret, Stripe, StripeConfig, StripeEvents};

use crate::world::{KEY, World, list, money, ok, with};

const PAYMENT: &str = "pay_02081040g2081040g2081040g2";
const FIRST: &str = "07070707-0707-4707-8707-070707070707";
const SECOND: &str = "08080808-0808-4808-8808-080808080808";

pub(crate) fn pairs(encoded: &str) -> Vec<(String, String)> {
    let unescape = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                }
                b'+' => bytes.push(b' '),
                other => bytes.push(other),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair = |part: &str| part.split_once('=').map(|(name, value)| (unescape(name), unescape(value)));
    encoded.split('&').filter_map(pair).collect()
}

fn golden(request: &Request<bytes::Bytes>, line: &str, key: Option<&str>, form: &[(&str, &str)]) {
    let uri = request.uri();
    assert_eq!(
        format!("{} {}://{}{}", request.method(), uri.scheme_str().unwrap(), uri.authority().unwrap(), uri.path()),
        line
    );
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("authorization"), Some(format!("Bearer {KEY}")));
    assert_eq!(header("stripe-version").as_deref(), Some("2023-08-16"));
    assert_eq!(header("idempotency-key").as_deref(), key);
    let posted = request.method() == http::Method::POST;
    assert_eq!(header("content-type").as_deref(), posted.then_some("application/x-www-form-urlencoded"));
    let encoded = if posted { std::str::from_utf8(request.body()).unwrap() } else { uri.query().unwrap_or_default() };
    let form: Vec<_> = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(pairs(encoded), form);
    assert!(!format!("{request:?}").contains(KEY), "the key can be printed");
}

async fn sent(mut world: World) -> Request<bytes::Bytes> {
    let answer = world.success();
    world = world.then(ok(&answer));
    world.send().await;
    world.requests().remove(0)
}

#[tokio::test]
async fn an_authorization_is_one_call_that_creates_and_confirms() {
    let mut world = World::new(OperationKind::Authorize, vec![]);
    world.payment.details.description = Some("Two books & a pen ✒".to_owned());
    world.payment.details.merchant_reference = Some("order 1".to_owned());
    golden(
        &sent(world).await,
        "POST https://stripe.test/v1/payment_intents",
        Some(FIRST),
        &[
            ("amount", "1000"),
            ("currency", "usd"),
            ("confirm", "true"),
            ("payment_method", "pm_card_visa"),
            ("payment_method_types[0]", "card"),
            ("capture_method", "manual"),
            ("return_url", "https://tollgate.example/return/opaque"),
            ("description", "Two books & a pen ✒"),
            ("metadata[tollgate_payment_id]", PAYMENT),
            ("metadata[tollgate_request_id]", FIRST),
            ("metadata[tollgate_operation]", "authorize"),
            ("metadata[merchant_reference]", "order 1"),
            ("expand[0]", "latest_charge"),
        ],
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_sent_and_what_is_too_long_is_cut() {
    let mut world = World::new(OperationKind::Authorize, vec![]);
    world.payment.capture_method = CaptureMethod::Automatic;
    world.payment.details.description = Some("é".repeat(1001));
    world.payment.details.merchant_reference = Some("é".repeat(501));
    world.operation.return_url = None;
    let request = sent(world).await;
    let form = pairs(std::str::from_utf8(request.body()).unwrap());
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(value("capture_method"), Some("automatic"));
    assert_eq!(value("return_url"), None);
    assert_eq!(value("description").map(|text| text.chars().count()), Some(1000));
    assert_eq!(value("metadata[merchant_reference]").map(|text| text.chars().count()), Some(500));
}

#[tokio::test]
async fn sent_again_it_is_the_same_to_the_byte() {
    let first = sent(World::new(OperationKind::Authorize, vec![])).await;
    let second = sent(World::new(OperationKind::Authorize, vec![])).await;
    assert_eq!((first.body(), first.headers(), first.uri()), (second.body(), second.headers(), second.uri()));
}

#[tokio::test]
async fn a_capture_names_its_amount() {
    let mut world = World::new(OperationKind::Capture, vec![]);
    world.operation.amount = money(700, "USD");
    golden(
        &sent(world).await,
        "POST https://stripe.test/v1/payment_intents/pi_3Pabc/capture",
        Some(SECOND),
        &[("amount_to_capture", "700"), ("expand[0]", "latest_charge")],
    );
}

#[tokio::test]
async fn a_void_is_a_cancel() {
    golden(
        &sent(World::new(OperationKind::Void, vec![])).await,
        "POST https://stripe.test/v1/payment_intents/pi_3Pabc/cancel",
        Some(SECOND),
        &[("expand[0]", "latest_charge")],
    );
}

#[tokio::test]
async fn a_refund_names_the_intent_and_carries_our_marks() {
    let mut world = World::new(OperationKind::Refund, vec![]);
    world.operation.amount = money(250, "USD");
    golden(
        &sent(world).await,
        "POST https://stripe.test/v1/refunds",
        Some(SECOND),
        &[
            ("payment_intent", "pi_3Pabc"),
            ("amount", "250"),
            ("metadata[tollgate_payment_id]", PAYMENT),
            ("metadata[tollgate_request_id]", SECOND),
            ("metadata[tollgate_operation]", "refund"),
            ("metadata[tollgate_refund_id]", "ref_050m2ga1850m2ga1850m2ga185"),
        ],
    );
}

#[tokio::test]
async fn the_two_calls_of_a_reversal_do_not_share_a_key() {
    let world = World::new(OperationKind::Reversal, vec![]);
    let (held, gone) = (world.intent("requires_capture"), world.intent("canceled"));
    let world = world.then(ok(&held)).then(ok(&gone));
    world.send().await;
    let requests = world.requests();
    let expand = [("expand[0]", "latest_charge")];
    golden(&requests[0], "GET https://stripe.test/v1/payment_intents/pi_3Pabc", None, &expand);
    let key = format!("{SECOND}-cancel");
    golden(&requests[1], "POST https://stripe.test/v1/payment_intents/pi_3Pabc/cancel", Some(&key), &expand);

    let world = World::new(OperationKind::Reversal, vec![]);
    let (taken, refund) = (world.intent("succeeded"), world.refund("succeeded"));
    let back = with(taken.clone(), "/latest_charge/refunded", true.into());
    let world = world.then(ok(&taken)).then(ok(&refund)).then(ok(&back));
    world.send().await;
    let marks = [
        ("payment_intent", "pi_3Pabc"),
        ("metadata[tollgate_payment_id]", PAYMENT),
        ("metadata[tollgate_request_id]", SECOND),
        ("metadata[tollgate_operation]", "reversal"),
    ];
    golden(&world.requests()[1], "POST https://stripe.test/v1/refunds", Some(&format!("{SECOND}-refund")), &marks);
}

#[tokio::test]
async fn the_cancel_of_an_attempt_has_a_key_of_its_own_for_every_lease() {
    let mut world = World::new(OperationKind::Authorize, vec![]);
    world.operation.transaction_id = Some("pi_3Pabc".to_owned());
    let gone = world.intent("canceled");
    let world = world.then(ok(&gone));
    world.cancel().await;
    golden(
        &world.requests()[0],
        "POST https://stripe.test/v1/payment_intents/pi_3Pabc/cancel",
        // Not that of the create, which Stripe would refuse; and an error that it keeps binds no later lease.
        Some(&format!("{FIRST}-cancel-1795406430")),
        &[("expand[0]", "latest_charge")],
    );
}

#[tokio::test]
async fn a_look_up_lists_the_time_in_which_the_request_can_have_arrived() {
    let world = World::new(OperationKind::Authorize, vec![ok(&list(&[], false))]);
    world.look_up().await;
    golden(
        &world.requests()[0],
        "GET https://stripe.test/v1/payment_intents",
        None,
        // From a minute before it was opened to a minute after its call had to end.
        &[("created[gte]", "1795406340"), ("created[lte]", "1795406790"), ("limit", "100")],
    );
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_start_up() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let make = |url: &str, key: &str| {
        let config = StripeConfig { api_url: url.to_owned(), secret_key: Secret::new(key) };
        assert!(!format!("{config:?}").contains("sk_"), "the key can be printed");
        Stripe::new(&config, world.script.clone(), world.script.clone()).err()
    };
    for url in ["", "stripe.com", "ftp://stripe.com", "/v1", "https://stripe.com?x=1", "https://"] {
        assert_eq!(make(url, "sk_1"), Some(ConfigError::ApiUrl), "{url}");
    }
    for key in ["", "sk_a b", "sk_\n", "sk_é"] {
        assert_eq!(make("https://api.stripe.com", key), Some(ConfigError::SecretKey), "{key}");
    }
    for url in ["https://api.stripe.com", "https://api.stripe.com/", "http://127.0.0.1:1234/stripe"] {
        assert_eq!(make(url, "sk_1"), None, "{url}");
    }
    assert_eq!(StripeEvents::new(vec![]).err(), Some(ConfigError::WebhookSecret));
    assert_eq!(StripeEvents::new(vec![Secret::new("")]).err(), Some(ConfigError::WebhookSecret));
}

#[tokio::test]
async fn what_stripe_promises_is_said() {
    let stripe = World::new(OperationKind::Authorize, vec![]).stripe();
    assert!(stripe.terms().captures_partially);
    assert_eq!(stripe.terms().resend_window.as_secs(), 23 * 3600);
    assert_eq!(stripe.accepts(money(5_124, "KWD"), CaptureMethod::Manual), Err(Unsupported::Amount));
    assert_eq!(stripe.accepts(money(5_120, "KWD"), CaptureMethod::Manual), Ok(()));
}
