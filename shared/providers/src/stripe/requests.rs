//! What we ask of Stripe, request by request. Sent again, a request is the same to the byte: everything in it comes from
//! what was committed, so that Stripe knows it by its idempotency key.

use http::Method;
use tollgate_domain::{CaptureMethod, OperationKind, Timestamp};
use tollgate_gateway::ports::provider::Call;

use super::{amounts, api::Ask, objects::Metadata};

/// Stripe's bounds, in characters.
const DESCRIPTION_MAX: usize = 1000;
const METADATA_MAX: usize = 500;
const PAGE: &str = "100";
const RECORDS_PAGE: &str = "50";

/// Creates and confirms an intent in one call. `None`: there is no payment method any more, or the amount cannot be
/// written; nothing is to be sent then.
///
/// `payment_method_types` rather than Stripe's choosing by dashboard settings: only cards can be held and captured later
/// everywhere, and with it a `return_url` is all that 3-D Secure by redirect needs.
pub(super) fn authorize(call: Call<'_>) -> Option<Ask> {
    let Call { payment, operation, .. } = call;
    let mut form = Form::default();
    form.add("amount", amounts::to_wire(operation.amount)?);
    form.add("currency", amounts::currency_to_wire(operation.amount.currency()));
    form.add("confirm", "true");
    form.add("payment_method", operation.payment_method.as_deref()?);
    form.add("payment_method_types[0]", "card");
    form.add(
        "capture_method",
        match payment.capture_method {
            CaptureMethod::Manual => "manual",
            CaptureMethod::Automatic => "automatic",
        },
    );
    if let Some(return_url) = &operation.return_url {
        form.add("return_url", return_url);
    }
    if let Some(description) = payment.details.description.as_deref().filter(|text| !text.is_empty()) {
        form.add("description", cut(description, DESCRIPTION_MAX));
    }
    form.marks(call);
    if let Some(reference) = payment.details.merchant_reference.as_deref().filter(|text| !text.is_empty()) {
        form.metadata(Metadata::REFERENCE, cut(reference, METADATA_MAX));
    }
    form.expand_charge();
    Some(form.post("payment_intents".to_owned(), call.operation.request_id.to_string()))
}

/// Takes what is held, whole or in part; the rest is released.
pub(super) fn capture(call: Call<'_>, transaction_id: &str) -> Option<Ask> {
    let mut form = Form::default();
    form.add("amount_to_capture", amounts::to_wire(call.operation.amount)?);
    form.expand_charge();
    Some(form.post(format!("payment_intents/{transaction_id}/capture"), call.operation.request_id.to_string()))
}

/// Releases what is held, or ends an attempt that the payer has not finished.
pub(super) fn cancel(call: Call<'_>, transaction_id: &str) -> Ask {
    let mut form = Form::default();
    form.expand_charge();
    form.post(format!("payment_intents/{transaction_id}/cancel"), key(call, "cancel"))
}

/// Gives back the operation's amount.
pub(super) fn refund(call: Call<'_>, transaction_id: &str) -> Option<Ask> {
    let amount = amounts::to_wire(call.operation.amount)?;
    let mut form = Form::default();
    form.add("payment_intent", transaction_id);
    form.add("amount", amount);
    form.marks(call);
    Some(form.post("refunds".to_owned(), key(call, "refund")))
}

/// Gives back all that is still taken: without an amount, that is what Stripe does.
pub(super) fn refund_the_rest(call: Call<'_>, transaction_id: &str) -> Ask {
    let mut form = Form::default();
    form.add("payment_intent", transaction_id);
    form.marks(call);
    form.post("refunds".to_owned(), key(call, "refund"))
}

/// How an intent stands.
pub(super) fn intent(transaction_id: &str) -> Ask {
    let mut form = Form::default();
    form.expand_charge();
    form.get(format!("payment_intents/{transaction_id}"))
}

/// How a refund stands.
pub(super) fn refund_status(refund_reference: &str) -> Ask {
    Form::default().get(format!("refunds/{refund_reference}"))
}

/// A page of the intents made in a window, newest first.
pub(super) fn intents(from: Timestamp, until: Timestamp, after: Option<&str>) -> Ask {
    let mut form = Form::default();
    form.add("created[gte]", from.as_second());
    form.add("created[lte]", until.as_second());
    form.page(after);
    form.get("payment_intents".to_owned())
}

/// A page of an intent's refunds, newest first.
pub(super) fn refunds(transaction_id: &str, after: Option<&str>) -> Ask {
    let mut form = Form::default();
    form.add("payment_intent", transaction_id);
    form.page(after);
    form.get("refunds".to_owned())
}

/// A page of the balance transactions of a period, newest first, each with the charge or refund that it came from: half as many as of
/// others, for each is twice as long.
pub(super) fn balance_transactions(from: Timestamp, until: Timestamp, after: Option<&str>) -> Ask {
    let mut form = Form::default();
    form.add("created[gte]", from.as_second());
    form.add("created[lt]", until.as_second());
    form.add("expand[0]", "data.source");
    form.add("limit", RECORDS_PAGE);
    if let Some(after) = after {
        form.add("starting_after", after);
    }
    form.get("balance_transactions".to_owned())
}

/// The idempotency key. Keys are the account's, not the endpoint's: a reversal, which may make two kinds of calls, needs
/// one for each, and derives them from its id so that they stay the same. So does the cancel of an authorization; doing
/// that twice changes nothing, so every lease has a key of its own: an error that Stripe keeps binds no later one.
fn key(call: Call<'_>, step: &str) -> String {
    let request_id = call.operation.request_id;
    match (call.operation.kind, call.operation.lease) {
        (OperationKind::Authorize, Some(lease)) => format!("{request_id}-{step}-{}", lease.call_until.as_second()),
        (OperationKind::Authorize | OperationKind::Reversal, _) => format!("{request_id}-{step}"),
        _ => request_id.to_string(),
    }
}

/// The first `max` characters.
fn cut(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

#[derive(Default)]
struct Form(Vec<(String, String)>);

impl Form {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and text are both given as they are")]
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    fn metadata(&mut self, key: &str, value: impl ToString) {
        self.add(&format!("metadata[{key}]"), value);
    }

    /// Ours, by which look-ups and events find what belongs together.
    fn marks(&mut self, call: Call<'_>) {
        self.metadata(Metadata::PAYMENT_ID, call.payment.id);
        self.metadata(Metadata::REQUEST_ID, call.operation.request_id);
        self.metadata(Metadata::OPERATION, call.operation.kind.as_str());
        if let Some(refund) = &call.operation.refund {
            self.metadata(Metadata::REFUND_ID, refund.id);
        }
    }

    fn expand_charge(&mut self) {
        self.add("expand[0]", "latest_charge");
    }

    fn page(&mut self, after: Option<&str>) {
        self.add("limit", PAGE);
        if let Some(after) = after {
            self.add("starting_after", after);
        }
    }

    fn post(self, path: String, idempotency_key: String) -> Ask {
        Ask { method: Method::POST, path, params: self.0, idempotency_key: Some(idempotency_key) }
    }

    fn get(self, path: String) -> Ask {
        Ask { method: Method::GET, path, params: self.0, idempotency_key: None }
    }
}
