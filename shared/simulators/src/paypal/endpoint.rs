//! Which paths PayPal's API has here.

use http::Method;

use super::issues::Area;

/// One call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    Token,
    CreateOrder,
    Order(&'a str),
    AuthorizeOrder(&'a str),
    CaptureOrder(&'a str),
    Authorization(&'a str),
    CaptureAuthorization(&'a str),
    Reauthorize(&'a str),
    Void(&'a str),
    Capture(&'a str),
    RefundCapture(&'a str),
    Refund(&'a str),
    Event(&'a str),
    VerifySignature,
    Transactions,
}

/// How long PayPal keeps a request id, in seconds.
const ORDERS_KEPT: i64 = 6 * 3600;
const PAYMENTS_KEPT: i64 = 45 * 24 * 3600;

impl<'a> Endpoint<'a> {
    /// The endpoint at `path`, which starts with `/v1/` or `/v2/`.
    pub(super) fn find(method: &Method, path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if parts.contains(&"") {
            return None;
        }
        let posts = method == Method::POST;
        if !posts && method != Method::GET {
            return None;
        }
        match (posts, parts.as_slice()) {
            (true, ["v1", "oauth2", "token"]) => Some(Self::Token),
            (true, ["v2", "checkout", "orders"]) => Some(Self::CreateOrder),
            (false, ["v2", "checkout", "orders", id]) => Some(Self::Order(id)),
            (true, ["v2", "checkout", "orders", id, "authorize"]) => Some(Self::AuthorizeOrder(id)),
            (true, ["v2", "checkout", "orders", id, "capture"]) => Some(Self::CaptureOrder(id)),
            (false, ["v2", "payments", "authorizations", id]) => Some(Self::Authorization(id)),
            (true, ["v2", "payments", "authorizations", id, "capture"]) => Some(Self::CaptureAuthorization(id)),
            (true, ["v2", "payments", "authorizations", id, "reauthorize"]) => Some(Self::Reauthorize(id)),
            (true, ["v2", "payments", "authorizations", id, "void"]) => Some(Self::Void(id)),
            (false, ["v2", "payments", "captures", id]) => Some(Self::Capture(id)),
            (true, ["v2", "payments", "captures", id, "refund"]) => Some(Self::RefundCapture(id)),
            (false, ["v2", "payments", "refunds", id]) => Some(Self::Refund(id)),
            (false, ["v1", "notifications", "webhooks-events", id]) => Some(Self::Event(id)),
            (true, ["v1", "notifications", "verify-webhook-signature"]) => Some(Self::VerifySignature),
            (false, ["v1", "reporting", "transactions"]) => Some(Self::Transactions),
            _ => None,
        }
    }

    /// May it change something?
    pub(super) fn changes(self) -> bool {
        self.kept_seconds().is_some() || matches!(self, Self::Void(_))
    }

    /// How long a request id of this call is kept; none: the call takes no request id.
    pub(super) fn kept_seconds(self) -> Option<i64> {
        match self {
            Self::CreateOrder | Self::AuthorizeOrder(_) | Self::CaptureOrder(_) => Some(ORDERS_KEPT),
            Self::CaptureAuthorization(_) | Self::Reauthorize(_) | Self::RefundCapture(_) => Some(PAYMENTS_KEPT),
            _ => None,
        }
    }

    /// What it changes: one call at a time may do so.
    pub(super) fn resource(self) -> Option<&'a str> {
        match self {
            Self::AuthorizeOrder(id)
            | Self::CaptureOrder(id)
            | Self::CaptureAuthorization(id)
            | Self::Reauthorize(id)
            | Self::Void(id)
            | Self::RefundCapture(id) => Some(id),
            _ => None,
        }
    }

    pub(super) fn area(self) -> Area {
        match self {
            Self::CreateOrder => Area::Create,
            Self::AuthorizeOrder(_) | Self::CaptureOrder(_) => Area::Order,
            _ => Area::Payments,
        }
    }
}
