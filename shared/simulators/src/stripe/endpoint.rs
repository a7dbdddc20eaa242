//! Which paths Stripe's API has here, and which parameters each takes.

use http::Method;

/// What an intent can be created with.
const CREATE_INTENT: &[&str] = &[
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "currency",
    "customer",
    "description",
    "error_on_requires_action",
    "expand",
    "metadata",
    "off_session",
    "payment_method",
    "payment_method_options",
    "payment_method_types",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
    "use_stripe_sdk",
];
/// What it can be confirmed with.
const CONFIRM: &[&str] = &[
    "capture_method",
    "error_on_requires_action",
    "expand",
    "off_session",
    "payment_method",
    "payment_method_options",
    "payment_method_types",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "shipping",
    "use_stripe_sdk",
];

/// One call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    CreateIntent,
    ListIntents,
    Intent(&'a str),
    Confirm(&'a str),
    Capture(&'a str),
    Cancel(&'a str),
    CreateRefund,
    ListRefunds,
    Refund(&'a str),
    Charge(&'a str),
    ListEvents,
    Event(&'a str),
    Balance,
    ListBalanceTransactions,
    BalanceTransaction(&'a str),
}

impl<'a> Endpoint<'a> {
    /// The endpoint at `path`, which starts with `/v1/`.
    pub(super) fn find(method: &Method, path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        if parts.contains(&"") {
            return None;
        }
        let posts = method == Method::POST;
        if !posts && method != Method::GET {
            return None;
        }
        match (posts, parts.as_slice()) {
            (true, ["payment_intents"]) => Some(Self::CreateIntent),
            (false, ["payment_intents"]) => Some(Self::ListIntents),
            (false, ["payment_intents", id]) => Some(Self::Intent(id)),
            (true, ["payment_intents", id, "confirm"]) => Some(Self::Confirm(id)),
            (true, ["payment_intents", id, "capture"]) => Some(Self::Capture(id)),
            (true, ["payment_intents", id, "cancel"]) => Some(Self::Cancel(id)),
            (true, ["refunds"]) => Some(Self::CreateRefund),
            (false, ["refunds"]) => Some(Self::ListRefunds),
            (false, ["refunds", id]) => Some(Self::Refund(id)),
            (false, ["charges", id]) => Some(Self::Charge(id)),
            (false, ["events"]) => Some(Self::ListEvents),
            (false, ["events", id]) => Some(Self::Event(id)),
            (false, ["balance"]) => Some(Self::Balance),
            (false, ["balance_transactions"]) => Some(Self::ListBalanceTransactions),
            (false, ["balance_transactions", id]) => Some(Self::BalanceTransaction(id)),
            _ => None,
        }
    }

    /// The parameters that it knows; `expand` is known everywhere.
    pub(super) fn params(self) -> &'static [&'static str] {
        match self {
            Self::CreateIntent => CREATE_INTENT,
            Self::ListIntents => &["created", "customer", "ending_before", "expand", "limit", "starting_after"],
            Self::Intent(_) => &["client_secret", "expand"],
            Self::Confirm(_) => CONFIRM,
            Self::Capture(_) => &[
                "amount_to_capture",
                "expand",
                "final_capture",
                "metadata",
                "statement_descriptor",
                "statement_descriptor_suffix",
            ],
            Self::Cancel(_) => &["cancellation_reason", "expand"],
            Self::CreateRefund => &[
                "amount",
                "charge",
                "currency",
                "customer",
                "expand",
                "instructions_email",
                "metadata",
                "payment_intent",
                "reason",
                "refund_application_fee",
                "reverse_transfer",
            ],
            Self::ListRefunds => {
                &["charge", "created", "ending_before", "expand", "limit", "payment_intent", "starting_after"]
            }
            Self::ListEvents => {
                &["created", "delivery_success", "ending_before", "expand", "limit", "starting_after", "type", "types"]
            }
            Self::ListBalanceTransactions => {
                &["created", "currency", "ending_before", "expand", "limit", "source", "starting_after", "type"]
            }
            Self::Refund(_) | Self::Charge(_) | Self::Event(_) | Self::Balance | Self::BalanceTransaction(_) => {
                &["expand"]
            }
        }
    }
}
