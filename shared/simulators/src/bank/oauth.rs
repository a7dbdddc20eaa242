//! `POST /oauth2/token`: tokens for clients (`client_credentials`), and for consents (`authorization_code`). Clients
//! prove who they are by a signed assertion (`private_key_jwt`, RFC 7523).

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Bank, Call,
    answers::{self, OAuthError},
    clients::Client,
    jose::{self, Signed},
    tokens::{self, Assertion},
};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion may not be good for longer than this.
const LONGEST_ASSERTION_SECONDS: i64 = 3600;
/// Longer forms and queries are not read.
const MOST_PARAMETERS: usize = 64;
/// How far a client's clock may be ahead.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 60;

/// A form's parameters, each at most once.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(encoded: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(encoded).ok()?;
        if pairs.len() > MOST_PARAMETERS {
            return None;
        }
        let is_twice = |n: usize| pairs[..n].iter().any(|(name, _)| *name == pairs[n].0);
        (!(0..pairs.len()).any(is_twice)).then_some(Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

impl Bank {
    pub(super) fn serve_token(&mut self, call: &Call, request: &Request<Bytes>) -> Response<Bytes> {
        self.token(call, request).unwrap_or_else(|error| error.answer())
    }

    fn token(&mut self, call: &Call, request: &Request<Bytes>) -> Result<Response<Bytes>, OAuthError> {
        let invalid = |message: &str| OAuthError::new(400, "invalid_request", message);
        if *request.method() != Method::POST {
            return Err(OAuthError::new(405, "invalid_request", "tokens are asked for with POST"));
        }
        if !is_form(request.headers()) {
            return Err(invalid("the body must be application/x-www-form-urlencoded"));
        }
        let form =
            Form::parse(request.body()).ok_or_else(|| invalid("the form cannot be read, or says a thing twice"))?;
        let client = self.client_of(call, &form)?;
        let now = call.unix();
        let consent = match form.get("grant_type") {
            Some("client_credentials") => {
                if !form.get("scope").unwrap_or_default().split(' ').any(|scope| scope == "payments") {
                    return Err(OAuthError::new(400, "invalid_scope", "the scope must be payments"));
                }
                None
            }
            Some("authorization_code") => Some(self.consent_of_code(call, &client, &form)?),
            Some(_) => {
                let message = "there are client_credentials and authorization_code";
                return Err(OAuthError::new(400, "unsupported_grant_type", message));
            }
            None => return Err(invalid("grant_type is missing")),
        };
        let (token, seconds) = self.issue_token(now, &client.id, consent.as_ref().map(|(id, _)| id.as_str()));
        if let Some((_, code)) = consent {
            self.state.code_was_used(&code, tokens::digest(&token));
        }
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": "payments"});
        Ok(answers::json(200, &body))
    }

    /// Who asks.
    fn client_of(&mut self, call: &Call, form: &Form) -> Result<Client, OAuthError> {
        let refused = |message: &str| OAuthError::new(401, "invalid_client", message);
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(refused("client_assertion_type must be that of private_key_jwt"));
        }
        let assertion = form
            .get("client_assertion")
            .and_then(Signed::compact)
            .ok_or_else(|| refused("client_assertion is missing, or no JWT"))?;
        let claims = assertion.claims().ok_or_else(|| refused("the assertion's payload is not a JSON object"))?;
        if assertion.text("alg") != Some("PS256") {
            return Err(refused("the assertion must be signed with PS256"));
        }
        let text = |name: &str| claims[name].as_str().filter(|text| !text.is_empty());
        let id = text("sub").filter(|sub| text("iss") == Some(sub));
        let id = id.ok_or_else(|| refused("iss and sub must both be the client's id"))?;
        if form.get("client_id").is_some_and(|given| given != id) {
            return Err(refused("client_id is not that of the assertion"));
        }
        if !call.is_audience(&claims["aud"]) {
            return Err(refused("aud must be the address of the token call, or this bank's issuer"));
        }
        let now = call.unix();
        let expires = claims["exp"].as_i64().ok_or_else(|| refused("exp is missing"))?;
        if expires <= now || expires > now + LONGEST_ASSERTION_SECONDS + CLOCK_SKEW_SECONDS {
            return Err(refused("exp is past, or more than an hour ahead"));
        }
        let is_ahead = |name: &str| claims[name].as_i64().is_some_and(|time| time > now + CLOCK_SKEW_SECONDS);
        if is_ahead("iat") || is_ahead("nbf") {
            return Err(refused("the assertion is not valid yet"));
        }
        let jti = text("jti").ok_or_else(|| refused("jti is missing"))?;
        let client = self.authenticate(id, &assertion)?;
        let digest = tokens::digest(&format!("{id}\n{jti}"));
        if self.state.is_used(&digest, now) {
            return Err(refused("this assertion was used before: jti must be new"));
        }
        self.state.put_assertion(Assertion { digest, used: now, expires });
        Ok(client)
    }

    /// The consent that a code is for, and the code's digest.
    fn consent_of_code(&mut self, call: &Call, client: &Client, form: &Form) -> Result<(String, String), OAuthError> {
        let refused = |message: &str| OAuthError::new(400, "invalid_grant", message);
        let given = form.get("code").ok_or_else(|| OAuthError::new(400, "invalid_request", "code is missing"))?;
        let digest = tokens::digest(given);
        let code = self.state.codes.get(&digest).filter(|code| code.client == client.id).cloned();
        let code = code.ok_or_else(|| refused("there is no such code"))?;
        if let Some(token) = &code.token {
            // Two have the code, one of them a thief (RFC 6749, section 4.1.2).
            self.state.revoke(token);
            return Err(refused("the code was used before; its token is revoked"));
        }
        if code.expires <= call.unix() {
            return Err(refused("the code has expired"));
        }
        if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
            return Err(refused("redirect_uri is not that of the authorization"));
        }
        let verifier = form.get("code_verifier").map(|verifier| jose::encode(Sha256::digest(verifier)));
        if code.challenge != verifier {
            return Err(refused("code_verifier does not match code_challenge"));
        }
        Ok((code.consent, digest))
    }

    /// `GET /.well-known/openid-configuration`.
    pub(super) fn serve_configuration(call: &Call) -> Response<Bytes> {
        let base = &call.base_url;
        answers::json(
            200,
            &json!({
                "issuer": base,
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/oauth2/token"),
                "jwks_uri": format!("{base}/jwks"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "client_credentials"],
                "scopes_supported": ["openid", "payments"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["PS256"],
                "request_object_signing_alg_values_supported": ["PS256"],
                "request_parameter_supported": true,
                "code_challenge_methods_supported": ["S256"],
            }),
        )
    }
}

impl Call<'_> {
    /// Is this claim, a text or a list of texts, meant for this bank?
    pub(super) fn is_audience(&self, claim: &Value) -> bool {
        let is_ours = |text: &str| {
            let root = text.strip_suffix("/oauth2/token").unwrap_or(text).trim_end_matches('/');
            root == self.base_url || root == self.called_url
        };
        match claim {
            Value::String(text) => is_ours(text),
            Value::Array(texts) => texts.iter().filter_map(Value::as_str).any(is_ours),
            _ => false,
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
