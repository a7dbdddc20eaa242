//! The errors: which codes each call answers with, under which status, with which headers, and an example of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tollgate_api::{
    FieldError, Problem,
    ProblemCode::{
        self, AmountExceedsAuthorized, AmountNotSupported, BodyTooLarge, CardDataNotAccepted, CurrencyNotSupported,
        Forbidden, IdempotencyKeyInUse, IdempotencyKeyMissing, IdempotencyKeyReused, InternalError, InvalidRequest,
        MethodNotAllowed, NotFound, OperationInProgress, Overloaded, PartialCaptureNotSupported, PaymentNotSettled,
        PaymentStateConflict, ProviderRefused, ProviderUnavailable, RateLimited, RefundExceedsCaptured,
        StoreUnavailable, Unauthenticated, UnsupportedMediaType,
    },
    problem::CONTENT_TYPE,
};
use tollgate_domain::{Failure, Money, PaymentStatus, Refusal};
use tollgate_gateway::{Error, ports::provider::Unsupported};

use super::{answers::header, operations};

/// What a merchant can be told before any handler sees the request.
const DOOR: &[ProblemCode] = &[Unauthenticated, RateLimited, InternalError, Overloaded, StoreUnavailable];
/// What a body can be wrong in.
const BODY: &[ProblemCode] = &[InvalidRequest, CardDataNotAccepted, BodyTooLarge, UnsupportedMediaType];
/// What a query can be wrong in, also where there should be none.
const QUERY: &[ProblemCode] = &[InvalidRequest, CardDataNotAccepted];
/// What comes of the idempotency key, and of calls that reach a provider.
const MOVES_MONEY: &[ProblemCode] =
    &[IdempotencyKeyMissing, IdempotencyKeyInUse, IdempotencyKeyReused, ProviderUnavailable];
/// What comes of an operation on a payment that there is.
const CHANGES: &[ProblemCode] = &[NotFound, OperationInProgress, PaymentStateConflict, ProviderRefused];

/// The codes of each call, by its id.
const CALLS: [(&str, &[&[ProblemCode]]); 18] = [
    ("create", &[DOOR, BODY, MOVES_MONEY, &[CurrencyNotSupported, AmountNotSupported]]),
    ("list", &[DOOR, QUERY]),
    ("show", &[DOOR, QUERY, &[NotFound]]),
    ("timeline", &[DOOR, QUERY, &[NotFound]]),
    (
        "capture",
        &[DOOR, BODY, MOVES_MONEY, CHANGES, &[AmountExceedsAuthorized, AmountNotSupported, PartialCaptureNotSupported]],
    ),
    ("void", &[DOOR, BODY, MOVES_MONEY, CHANGES]),
    (
        "create_refund",
        &[DOOR, BODY, MOVES_MONEY, CHANGES, &[PaymentNotSettled, RefundExceedsCaptured, AmountNotSupported]],
    ),
    ("show_refund", &[DOOR, QUERY, &[NotFound]]),
    ("list_refunds", &[DOOR, QUERY, &[NotFound]]),
    ("show_endpoint", &[DOOR, QUERY, &[NotFound]]),
    ("set_endpoint", &[DOOR, BODY]),
    ("rotate_secret", &[DOOR, BODY, &[NotFound]]),
    ("status", &[DOOR, QUERY, &[NotFound]]),
    ("redeliver", &[DOOR, BODY, &[NotFound]]),
    ("events", &[DOOR, QUERY]),
    ("on_date", &[DOOR, QUERY, &[NotFound]]),
    ("show_settlement", &[DOOR, QUERY, &[NotFound]]),
    ("returned", &[&[NotFound, InternalError, Overloaded, StoreUnavailable, ProviderUnavailable]]),
];

/// Describes every error of every call, and lists the codes with where they come up.
pub(super) fn add(api: &mut Value) {
    let codes: Vec<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    api["components"]["schemas"]["ProblemBody"]["properties"]["code"]["enum"] = json!(codes);
    let mut where_from: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, method, call) in operations(api) {
        let id = call["operationId"].as_str().unwrap_or_default();
        let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
        for code in CALLS.iter().filter(|(name, _)| *name == id).flat_map(|(_, groups)| groups.concat()) {
            by_status.entry(code.status().as_u16()).or_default().push(code);
            where_from.entry(code.as_str()).or_default().push(format!("{} {path}", method.to_uppercase()));
        }
        let Some(responses) = call.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        responses.retain(|status, _| !status.starts_with(['4', '5']));
        responses.extend(
            by_status
                .into_iter()
                .map(|(status, codes)| (status.to_string(), response(&codes, path.starts_with("/v1/")))),
        );
    }
    api["x-problem-codes"] =
        ProblemCode::ALL.iter().map(|code| listed(*code, where_from.remove(code.as_str()))).collect();
}

/// A code with what it means and where it comes up.
fn listed(code: ProblemCode, calls: Option<Vec<String>>) -> Value {
    let elsewhere = match code {
        MethodNotAllowed => "Any path, with a method that it does not take.",
        Forbidden => {
            "None of the merchants' calls: Google's own callers get it, with an account that may not make theirs."
        }
        _ => "",
    };
    json!({
        "code": code.as_str(), "status": code.status().as_u16(), "title": code.title(), "description": code.meaning(),
        "retry_after": code.default_retry_after().map(|wait| wait.as_secs()), "calls": calls.unwrap_or_default(), "elsewhere": elsewhere,
    })
}

/// The answer for what has the same status.
fn response(codes: &[ProblemCode], of_merchants: bool) -> Value {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let status = codes.first().map_or(500, |code| code.status().as_u16());
    let lines: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
    let examples: Map<_, _> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/examples/{name}")})))
        .collect();
    let mut headers = Map::from_iter([header("X-Correlation-Id")]);
    if of_merchants && status != 401 {
        headers.extend([header("RateLimit"), header("RateLimit-Policy")]);
    }
    if codes.iter().any(|code| code.default_retry_after().is_some()) {
        let always = codes.iter().all(|code| code.default_retry_after().is_some());
        headers.extend([header(if always { "Retry-After" } else { "Retry-After-Sometimes" })]);
    }
    if codes.contains(&ProviderRefused) {
        headers.extend([header("Idempotent-Replayed")]);
    }
    let narrowed = json!({"allOf": [
        {"$ref": "#/components/schemas/ProblemBody"},
        {"type": "object", "properties": {"code": {"enum": names}, "status": {"const": status}}},
    ]});
    json!({
        "description": lines.join("\n"),
        "headers": headers,
        "content": {CONTENT_TYPE: {"schema": narrowed, "examples": examples}},
    })
}

/// An amount to show.
fn yen(minor: i64) -> Money {
    let yen = "JPY".parse().ok().and_then(|currency| Money::new(minor, currency).ok());
    yen.unwrap_or_else(|| unreachable!("yen have amounts"))
}

/// The code as it comes up.
pub(super) fn example(code: ProblemCode) -> Problem {
    let refused = |refusal: Refusal| Problem::from(Error::Refused(refusal));
    match code {
        InvalidRequest => {
            let detail = "must be an integer from 1 to 999999999999".to_owned();
            Problem::invalid_fields(vec![FieldError { pointer: "/amount".to_owned(), detail }])
        }
        CardDataNotAccepted => Problem::new(
            code,
            "The body holds what looks like a card number. It was neither stored nor logged; send the provider's token instead.",
        )
        .with_errors(vec![FieldError {
            pointer: "/description".to_owned(),
            detail: "looks like a card number; send the provider's token instead".to_owned(),
        }]),
        NotFound => Error::NotFound.into(),
        IdempotencyKeyReused => Error::KeyReused.into(),
        IdempotencyKeyInUse => Error::KeyInUse.into(),
        OperationInProgress => refused(Refusal::OperationInProgress),
        PaymentStateConflict => refused(Refusal::StateConflict(PaymentStatus::Captured)),
        PaymentNotSettled => refused(Refusal::NotSettled(PaymentStatus::Captured)),
        AmountExceedsAuthorized => refused(Refusal::ExceedsAuthorized(yen(1000))),
        RefundExceedsCaptured => refused(Refusal::RefundExceedsCaptured(yen(600))),
        CurrencyNotSupported => Error::Unsupported(Unsupported::Currency).into(),
        AmountNotSupported => Error::Unsupported(Unsupported::Amount).into(),
        PartialCaptureNotSupported => Error::PartialCaptureNotSupported.into(),
        ProviderUnavailable => Error::ProviderUnavailable { retry_after: None }.into(),
        ProviderRefused => Error::ProviderRefused(Failure {
            code: "refund_refused".to_owned(),
            message: "The provider refused the refund".to_owned(),
            provider_code: None,
        })
        .into(),
        InternalError => Problem::internal("an example"),
        // What the door and the edge say, in the words of the code.
        IdempotencyKeyMissing | Unauthenticated | Forbidden | MethodNotAllowed | BodyTooLarge | UnsupportedMediaType
        | RateLimited | Overloaded | StoreUnavailable => Problem::new(code, code.meaning()),
    }
}
