//! What merchants may send, read into commands. Past this point nothing is validated again but by the rules.

use std::collections::BTreeMap;

use axum::http::Uri;
use tollgate_domain::{CaptureMethod, Currency, Details, EventId, Money, PaymentStatus, ProviderName, Timestamp};
use tollgate_gateway::records::ListQuery;
use utoipa::ToSchema;

use limits::{DESCRIPTION_CHARS, METADATA, REFERENCE_CHARS, TOKEN_CHARS, URL_CHARS};

use crate::{
    Problem, ProblemCode, card_data, cursor,
    problem::FieldError,
    strict_json::{self, Checked, ObjectReader, Refused},
};

/// How long texts may be, in characters.
pub mod limits {
    use crate::strict_json::MapLimits;

    /// A token at a provider.
    pub const TOKEN_CHARS: usize = 255;
    /// The merchant's own number.
    pub const REFERENCE_CHARS: usize = 255;
    /// Free text.
    pub const DESCRIPTION_CHARS: usize = 500;
    /// Any URL.
    pub const URL_CHARS: usize = 2048;
    /// The merchant's pairs.
    pub const METADATA: MapLimits = MapLimits { pairs: 20, key_chars: 40, value_chars: 500 };
}

const ID_CHARS: usize = 40;
/// The largest page of a list.
const PAGE_AT_MOST: u32 = 100;
const PAGE: u32 = 20;

/// The body of `POST /v1/payments`, for the API's description; [`read_create`] reads it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body; the strict reader reads it")]
pub struct CreatePaymentBody {
    /// In minor units of the currency, more than zero.
    #[schema(minimum = 1, maximum = 999_999_999_999_i64, example = 1000)]
    amount: i64,
    /// ISO 4217.
    #[schema(example = "JPY")]
    currency: String,
    /// A token of the payer at each provider that may be used.
    #[schema(example = json!({"stripe": "pm_card_visa"}))]
    payment_method: BTreeMap<String, String>,
    /// `stripe`, `paypal` or `bank`; left out, the gateway chooses among the tokens given.
    provider: Option<String>,
    /// `manual` (the default) or `automatic`.
    capture_method: Option<String>,
    /// The merchant's own number.
    merchant_reference: Option<String>,
    /// Free text.
    description: Option<String>,
    /// At most 20 pairs.
    metadata: Option<BTreeMap<String, String>>,
    /// Where the payer goes after having acted.
    return_url: Option<String>,
}

/// The body of `POST /v1/payments/{id}/capture`, for the API's description.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body; the strict reader reads it")]
pub struct CaptureBody {
    /// In minor units; left out, everything. What is not captured is released.
    #[schema(minimum = 1)]
    amount: Option<i64>,
}

/// The body of `POST /v1/payments/{id}/refund`, for the API's description.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body; the strict reader reads it")]
pub struct CreateRefundBody {
    /// In minor units; left out, all that is left.
    #[schema(minimum = 1)]
    amount: Option<i64>,
    /// Free text.
    reason: Option<String>,
}

/// The body of `PUT /v1/webhook-endpoint`, for the API's description.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body; the strict reader reads it")]
pub struct SetWebhookEndpointBody {
    /// `https`, on a public address.
    url: String,
}

/// The body of `POST /v1/webhooks/{payment id}/redeliver`, for the API's description.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body; the strict reader reads it")]
pub struct RedeliverBody {
    /// `evt_…`; left out, what is not delivered, or everything where all is.
    event_id: Option<String>,
}

/// A payment as a merchant asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    /// How much.
    pub amount: Money,
    /// The payer's tokens.
    pub payment_method: BTreeMap<ProviderName, String>,
    /// The provider that the merchant has chosen.
    pub provider: Option<ProviderName>,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// The merchant's words.
    pub details: Details,
}

/// Reads the body of `POST /v1/payments`.
pub fn read_create(body: &[u8]) -> Result<CreateRequest, Problem> {
    let mut fields = strict_json::read_object(body)?;
    let amount = fields.required_integer("amount", 1..=Money::MAX_MINOR);
    let currency = fields.required_parsed("currency", TOKEN_CHARS, three_capitals);
    let payment_method = payment_method(&mut fields);
    let provider = fields.optional_one_of("provider", &ProviderName::ALL.map(|name| (name.as_str(), name)));
    if let (Ok(tokens), Ok(Some(provider))) = (&payment_method, provider)
        && !tokens.contains_key(&provider)
    {
        fields.refuse("payment_method", format!("has no token for the provider asked for, {provider}"));
    }
    let methods = [CaptureMethod::Manual, CaptureMethod::Automatic].map(|method| (method.as_str(), method));
    let capture_method = fields.optional_one_of("capture_method", &methods);
    let merchant_reference = fields.optional_string("merchant_reference", REFERENCE_CHARS);
    let description = fields.optional_string("description", DESCRIPTION_CHARS);
    let metadata = fields.optional_string_map("metadata", METADATA);
    let return_url = fields.optional_parsed("return_url", URL_CHARS, web_address);
    fields.finish()?;
    let details = Details {
        merchant_reference: merchant_reference?,
        description: description?,
        metadata: metadata?,
        return_url: return_url?,
    };
    Ok(CreateRequest {
        amount: money(amount?, &currency?)?,
        payment_method: payment_method?,
        provider: provider?,
        capture_method: capture_method?.unwrap_or_default(),
        details,
    })
}

/// Reads the body of a capture: how much, in minor units, or everything.
pub fn read_capture(body: &[u8]) -> Result<Option<i64>, Problem> {
    let mut fields = strict_json::read_object_if_any(body)?;
    let amount = fields.optional_integer("amount", 1..=Money::MAX_MINOR);
    fields.finish()?;
    Ok(amount?)
}

/// Reads the body of a call that takes none but an empty object.
pub fn read_nothing(body: &[u8]) -> Result<(), Problem> {
    strict_json::read_object_if_any(body)?.finish()
}

/// Reads the body of `POST /v1/payments/{id}/refund`: amount and reason, both optional.
pub fn read_refund(body: &[u8]) -> Result<(Option<i64>, Option<String>), Problem> {
    let mut fields = strict_json::read_object_if_any(body)?;
    let amount = fields.optional_integer("amount", 1..=Money::MAX_MINOR);
    let reason = fields.optional_string("reason", DESCRIPTION_CHARS);
    fields.finish()?;
    Ok((amount?, reason?))
}

/// Reads the body of `PUT /v1/webhook-endpoint`. Whether the URL may be called, the gateway decides.
pub fn read_webhook_endpoint(body: &[u8]) -> Result<String, Problem> {
    let mut fields = strict_json::read_object(body)?;
    let url = fields.required_parsed("url", URL_CHARS, |url| Ok::<_, &str>(url.to_owned()));
    fields.finish()?;
    Ok(url?)
}

/// Reads the body of `POST /v1/webhooks/{payment id}/redeliver`.
pub fn read_redeliver(body: &[u8]) -> Result<Option<EventId>, Problem> {
    let mut fields = strict_json::read_object_if_any(body)?;
    let event = fields.optional_parsed("event_id", ID_CHARS, event_id);
    fields.finish()?;
    Ok(event?)
}

/// Reads the query of `GET /v1/events`: behind which event, and how many.
pub fn read_events(query: &str) -> Result<(Option<EventId>, u32), Problem> {
    let (mut after, mut limit) = (None, PAGE_AT_MOST);
    read_query(query, |name, value| {
        match name {
            "after" => after = Some(event_id(&value)?),
            "limit" => limit = page_limit(&value)?,
            _ => return Err("is not a parameter of this call"),
        }
        Ok(())
    })?;
    Ok((after, limit))
}

/// Reads the query of a call that takes no parameters: one that is misplaced is refused, not passed over.
pub fn read_no_parameters(query: &str) -> Result<(), Problem> {
    read_query(query, |_, _| Err("is not a parameter of this call"))
}

fn event_id(text: &str) -> Result<EventId, &'static str> {
    text.parse().map_err(|_| "must be the id of an event: evt_…")
}

/// Reads the query of `GET /v1/payments`.
pub fn read_list(query: &str, merchant: tollgate_domain::MerchantId) -> Result<ListQuery, Problem> {
    let mut list = ListQuery { merchant, merchant_reference: None, status: None, after: None, limit: PAGE };
    read_query(query, |name, value| read_list_parameter(&mut list, name, value))?;
    Ok(list)
}

/// Reads a query; every mistake is named, each with its parameter.
fn read_query(query: &str, mut parameter: impl FnMut(&str, String) -> Result<(), &'static str>) -> Result<(), Problem> {
    let mut seen = Vec::new();
    let mut errors = Vec::new();
    for (name, value) in query_pairs(query)? {
        let read = if seen.contains(&name) { Err("came twice") } else { parameter(&name, value) };
        if let Err(detail) = read {
            errors.push(FieldError { pointer: format!("?{}", shown(&name)), detail: detail.to_owned() });
        }
        seen.push(name);
    }
    if errors.is_empty() { Ok(()) } else { Err(query_problem(errors)) }
}

/// The parameters of a query, none of which holds a card number.
pub(crate) fn query_pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|_| Problem::new(ProblemCode::InvalidRequest, "The query is not well formed."))?;
    for (name, value) in &pairs {
        card_data::refuse_in_text("The query", name)?;
        card_data::refuse_in_text("The query", value)?;
    }
    Ok(pairs)
}

fn read_list_parameter(list: &mut ListQuery, name: &str, value: String) -> Result<(), &'static str> {
    match name {
        // One that no payment can have would find nothing, as if none had been made.
        "merchant_reference" if !(1..=REFERENCE_CHARS).contains(&value.chars().count()) || value.contains('\0') => {
            return Err("must have 1 to 255 characters");
        }
        "merchant_reference" => list.merchant_reference = Some(value),
        "status" => {
            let status = PaymentStatus::ALL.into_iter().find(|status| status.as_str() == value);
            list.status = Some(status.ok_or("must be a status of a payment, in capitals")?);
        }
        "limit" => list.limit = page_limit(&value)?,
        "cursor" => list.after = Some(cursor::read(&value).ok_or("must be a next_cursor of an earlier page")?),
        _ => return Err("is not a parameter of this call"),
    }
    Ok(())
}

fn page_limit(value: &str) -> Result<u32, &'static str> {
    let limit = value.parse().ok().filter(|limit| (1..=PAGE_AT_MOST).contains(limit));
    limit.ok_or("must be an integer from 1 to 100")
}

/// What is wrong with a parameter, where only the gateway can tell. `detail` reads on from its name.
pub fn wrong_parameter(name: &str, detail: &str) -> Problem {
    query_problem(vec![FieldError { pointer: format!("?{name}"), detail: detail.to_owned() }])
}

fn query_problem(errors: Vec<FieldError>) -> Problem {
    let detail =
        errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect::<Vec<_>>().join("; ");
    Problem::new(ProblemCode::InvalidRequest, format!("{detail}.")).with_errors(errors)
}

pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(40).collect()
}

fn payment_method(fields: &mut ObjectReader) -> Checked<BTreeMap<ProviderName, String>> {
    let tokens = fields.required_object("payment_method", |methods| {
        let tokens = ProviderName::ALL.map(|name| (name, methods.optional_string(name.as_str(), TOKEN_CHARS)));
        let mut read = BTreeMap::new();
        for (name, token) in tokens {
            if let Some(token) = token? {
                read.insert(name, token);
            }
        }
        methods.refuse_others("is no provider: must be one of stripe, paypal, bank");
        Ok(read)
    })?;
    if tokens.is_empty() {
        return Err(fields.refuse("payment_method", "must have a token for at least one of stripe, paypal, bank"));
    }
    Ok(tokens)
}

fn three_capitals(text: &str) -> Result<String, &'static str> {
    let good = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if good { Ok(text.to_owned()) } else { Err("must be a currency code of ISO 4217: three capital letters") }
}

/// A currency that there is not has a code of its own.
fn money(minor: i64, currency: &str) -> Result<Money, Problem> {
    let currency: Currency = currency.parse().map_err(|_| {
        let error = FieldError {
            pointer: "/currency".to_owned(),
            detail: "is no currency of ISO 4217 that payments are made in".to_owned(),
        };
        Problem::new(ProblemCode::CurrencyNotSupported, "This currency is not supported.").with_errors(vec![error])
    })?;
    Money::new(minor, currency).map_err(|_| Problem::from(Refused))
}

fn web_address(text: &str) -> Result<String, &'static str> {
    let good = text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.host().is_some_and(|host| !host.is_empty())
            // A password would be kept, shown, and given to the payer.
            && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
    });
    if good {
        Ok(text.to_owned())
    } else {
        Err("must be an absolute http or https URL, without a user's name or password")
    }
}

/// Where a list goes on after a page that ended with this payment.
pub fn next_cursor(page_end: (Timestamp, tollgate_domain::PaymentId)) -> String {
    cursor::write(page_end)
}

#[cfg(test)]
mod tests;
