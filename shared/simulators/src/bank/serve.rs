//! One call of the payments API from its headers to its signed answer.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use super::{
    Bank, Call,
    endpoint::Endpoint,
    errors::ApiError,
    signing,
    tokens::{self, Token},
};
use crate::Interference;

/// The header that a request is named by.
pub(super) const IDEMPOTENCY_KEY: &str = "x-idempotency-key";
const INTERACTION: &str = "x-fapi-interaction-id";
const LONGEST_KEY: usize = 40;

/// The value of a header.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A request's path and idempotency key, by which a twin of it is known.
pub(super) fn name_of(request: &Request<Bytes>) -> Option<(String, String)> {
    let key = text(request.headers(), IDEMPOTENCY_KEY).filter(|_| request.method() == Method::POST)?;
    Some((Bank::path(request).to_owned(), key.to_owned()))
}

impl Bank {
    /// Answers a call of the API, whatever it is.
    pub(super) fn serve(&mut self, call: &mut Call, request: &Request<Bytes>) -> Response<Bytes> {
        self.have_key();
        let given = text(request.headers(), INTERACTION).filter(|id| (1..=40).contains(&id.len()));
        let interaction = given.map_or_else(|| self.uuid(), ToOwned::to_owned);
        let (status, body) = match self.answer(call, request) {
            Ok((status, body)) => (status, body),
            Err(error) => (error.status, error.to_json(&interaction)),
        };
        let body = body.to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        self.sign_answer(call.unix(), response.body(), &mut headers);
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(header::CONTENT_TYPE, "application/json; charset=utf-8");
        put(HeaderName::from_static(INTERACTION), &interaction);
        match status {
            401 => put(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
            429 => put(header::RETRY_AFTER, "1"),
            _ => {}
        }
        *response.headers_mut() = headers;
        response
    }

    fn answer(&mut self, call: &mut Call, request: &Request<Bytes>) -> Result<(u16, Value), ApiError> {
        let token = self.bearer(call, request.headers())?;
        if call.interference.take(Interference::RateLimit) {
            return Err(ApiError::too_many("Too many requests"));
        }
        let endpoint = Endpoint::find(request.method(), Self::path(request))?;
        let accepted = text(request.headers(), "accept").unwrap_or("*/*");
        if !["application/json", "application/*", "*/*"].iter().any(|kind| accepted.contains(kind)) {
            return Err(ApiError::not_acceptable());
        }
        if call.interference.take(Interference::ServerError) {
            return Err(ApiError::server_error());
        }
        let now = call.unix();
        match endpoint {
            Endpoint::CreateConsent | Endpoint::Submit => {
                let key = self.check_head(now, &token, request)?;
                let body = serde_json::from_slice(request.body())
                    .map_err(|_| ApiError::format_invalid("The body is not JSON"))?;
                if name_of(request).is_some_and(|name| self.state.running.contains(&name)) {
                    // The schema has a conflict for payments only.
                    return Err(match endpoint {
                        Endpoint::Submit => ApiError::in_flight(),
                        _ => ApiError::too_many("A request with this idempotency key is still running"),
                    });
                }
                let value = match endpoint {
                    Endpoint::Submit => self.submit_payment(call, &token, &key, &body),
                    _ => self.create_consent(call, &token, &key, body),
                }?;
                Ok((201, value))
            }
            Endpoint::Consent(id) => Ok((200, self.show_consent(&token, id)?)),
            Endpoint::Funds(id) => Ok((200, self.confirm_funds(now, &token, id)?)),
            Endpoint::Payment(id) => Ok((200, self.show_payment(&token, id)?)),
            Endpoint::Details(id) => Ok((200, self.show_details(&token, id)?)),
        }
    }

    /// The token that a call came with.
    fn bearer(&self, call: &Call, headers: &HeaderMap) -> Result<Token, ApiError> {
        let given = text(headers, header::AUTHORIZATION.as_str())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| ApiError::unauthorized("An access token is needed"))?;
        let token = self.state.token(&tokens::digest(given), call.unix());
        token.cloned().ok_or_else(|| ApiError::unauthorized("The access token is unknown, or has expired"))
    }

    /// Checks what every POST has to come with; answers its idempotency key.
    fn check_head(&self, now: i64, token: &Token, request: &Request<Bytes>) -> Result<String, ApiError> {
        let headers = request.headers();
        let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(ApiError::media_type());
        }
        let key = text(headers, IDEMPOTENCY_KEY).ok_or_else(|| ApiError::header_missing(IDEMPOTENCY_KEY))?;
        if key.is_empty() || key.len() > LONGEST_KEY || key.trim() != key {
            let message = "An idempotency key has 1 to 40 characters, and no space at its ends";
            return Err(ApiError::header_invalid(IDEMPOTENCY_KEY, message));
        }
        let client = self.state.clients.get(&token.client);
        let client = client.ok_or_else(|| ApiError::unauthorized("The token's client is not registered any more"))?;
        signing::check_signature(client, now, headers, request.body())?;
        Ok(key.to_owned())
    }
}

impl Token {
    /// Refuses a token that is not the client's own.
    pub(super) fn is_clients(&self) -> Result<(), ApiError> {
        match self.consent {
            None => Ok(()),
            Some(_) => Err(ApiError::forbidden("This call takes a token of the grant client_credentials")),
        }
    }
}
