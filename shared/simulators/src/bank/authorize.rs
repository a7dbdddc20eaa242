//! `/authorize`: where a client sends the payer, who approves or refuses, and is sent back with a code or an error.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde_json::Value;

use super::{
    Bank, Call,
    consent::Consent,
    jose::Signed,
    oauth::Form,
    page,
    status::{ConsentStatus, Reason},
};

/// What a client asks the payer's browser to bring.
struct Asked {
    client: String,
    redirect_uri: String,
    state: Option<String>,
    consent: String,
    challenge: Option<String>,
}

impl Bank {
    pub(super) fn serve_authorize(&mut self, call: &Call, request: &Request<Bytes>) -> Response<Bytes> {
        let refused = |text: &str| page::say(StatusCode::BAD_REQUEST, "This link does not work", text);
        let asked = match self.read_authorization(call, request) {
            Ok(asked) => asked,
            Err(text) => return refused(text),
        };
        let consent = self.state.consents.get(&asked.consent).filter(|consent| consent.client == asked.client);
        let Some(consent) = consent.cloned() else { return refused("There is no such consent.") };
        let is_approved = consent.status == ConsentStatus::Auth && !consent.debtor.is_exempt();
        if consent.status != ConsentStatus::Awau && !is_approved {
            return page::say(StatusCode::OK, "Nothing to approve", why_not(&consent));
        }
        if *request.method() != Method::POST {
            return if is_approved { page::approved_already() } else { page::question(&consent) };
        }
        let form = Form::parse(request.body());
        match form.as_ref().and_then(|form| form.get("decision")) {
            Some("approve") => self.approve(call, &asked, is_approved),
            Some("refuse") if is_approved => page::approved_already(),
            Some("refuse") => {
                self.turn_consent(call.unix(), &asked.consent, ConsentStatus::Rjct, Some(Reason::Refused));
                send_back(&asked, &[("error", "access_denied"), ("error_description", "The payer refused")])
            }
            _ => refused("The decision must be approve or refuse."),
        }
    }

    fn approve(&mut self, call: &Call, asked: &Asked, is_approved: bool) -> Response<Bytes> {
        let now = call.unix();
        if !is_approved {
            self.turn_consent(now, &asked.consent, ConsentStatus::Auth, None);
        }
        let code = self.issue_code(now, &asked.client, &asked.consent, &asked.redirect_uri, asked.challenge.as_deref());
        send_back(asked, &[("code", &code)])
    }

    fn read_authorization(&self, call: &Call, request: &Request<Bytes>) -> Result<Asked, &'static str> {
        if !matches!(*request.method(), Method::GET | Method::POST) {
            return Err("This page is got, and its answers are posted.");
        }
        let query = request.uri().query().unwrap_or_default();
        let query = Form::parse(query.as_bytes()).ok_or("The address says a thing twice, or cannot be read.")?;
        let client = query.get("client_id").ok_or("The address does not say which client it is of (client_id).")?;
        let object = query.get("request").map(|object| self.read_object(call, client, object)).transpose()?;
        // What is signed counts alone.
        let text = |name: &str| match &object {
            Some(claims) => claims[name].as_str().map(ToOwned::to_owned),
            None => query.get(name).map(ToOwned::to_owned),
        };
        if text("response_type").as_deref() != Some("code") {
            return Err("The response_type must be code.");
        }
        let redirect_uri = text("redirect_uri").filter(|uri| is_address(uri));
        let redirect_uri = redirect_uri.ok_or("The redirect_uri must be an absolute address without a fragment.")?;
        let challenge = text("code_challenge");
        if challenge.is_some() && text("code_challenge_method").as_deref() != Some("S256") {
            return Err("The code_challenge_method must be S256.");
        }
        let intent = |part: &str| {
            let claims = object.as_ref()?;
            claims["claims"][part]["openbanking_intent_id"]["value"].as_str().map(ToOwned::to_owned)
        };
        let consent = match &object {
            Some(claims) => intent("id_token")
                .or_else(|| intent("userinfo"))
                .or_else(|| claims["openbanking_intent_id"].as_str().map(ToOwned::to_owned)),
            None => query.get("consent_id").map(ToOwned::to_owned),
        };
        let consent = consent.ok_or("The address does not say which consent it is about.")?;
        Ok(Asked { client: client.to_owned(), redirect_uri, state: text("state"), consent, challenge })
    }

    /// The claims of a signed request (RFC 9101).
    fn read_object(&self, call: &Call, client: &str, object: &str) -> Result<Value, &'static str> {
        let signed = Signed::compact(object).ok_or("The request object is no JWT.")?;
        let known = self.state.clients.get(client).filter(|client| client.has_signed(&signed));
        known.ok_or("The request object is not signed by its client.")?;
        let claims = signed.claims().ok_or("The request object cannot be read.")?;
        if claims["iss"] != client || claims.get("client_id").is_some_and(|given| given != client) {
            return Err("The request object is another client's.");
        }
        if !call.is_audience(&claims["aud"]) {
            return Err("The request object is meant for another bank.");
        }
        if claims["exp"].as_i64().is_none_or(|expires| expires <= call.unix()) {
            return Err("The request object has expired.");
        }
        Ok(claims)
    }
}

fn is_address(text: &str) -> bool {
    let is_absolute = |uri: &Uri| uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    !text.contains('#') && text.parse::<Uri>().is_ok_and(|uri| is_absolute(&uri))
}

fn why_not(consent: &Consent) -> &'static str {
    match (consent.status, consent.reason) {
        (ConsentStatus::Cond, _) => "This payment was made already.",
        (ConsentStatus::Rjct, Some(Reason::Refused)) => "You refused this payment.",
        (ConsentStatus::Rjct, Some(Reason::NotApproved)) => "It is too late to approve this payment.",
        (ConsentStatus::Rjct, _) => "The bank has refused this payment.",
        _ => "This payment needs no approval.",
    }
}

/// Sends the payer back to the client with `parameters` and the state that the client gave.
fn send_back(asked: &Asked, parameters: &[(&str, &str)]) -> Response<Bytes> {
    let state = asked.state.iter().map(|state| ("state", state.as_str()));
    let parameters: Vec<(&str, &str)> = parameters.iter().copied().chain(state).collect();
    let joint = if asked.redirect_uri.contains('?') { '&' } else { '?' };
    let encoded = serde_urlencoded::to_string(parameters).unwrap_or_default();
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(location) = HeaderValue::from_str(&format!("{}{joint}{encoded}", asked.redirect_uri)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
