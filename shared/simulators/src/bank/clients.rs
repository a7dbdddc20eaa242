//! Who may call: clients with their public keys.
//!
//! A real bank takes them from a directory. A sandbox has none, so a client says who it is: either its keys are put to
//! `/clients/{id}/jwks`, or the first assertion that comes under its id brings its key in the header (`jwk`). That key is
//! then the client's for good, and whoever comes with another is refused.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Bank,
    answers::{self, OAuthError},
    jose::{PublicKey, Signed},
    keys,
};

/// More keys are not kept for one client.
const MOST_KEYS: usize = 8;
const LONGEST_ID: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) keys: Vec<PublicKey>,
}

impl Client {
    /// Has one of its keys signed this?
    pub(super) fn has_signed(&self, signed: &Signed) -> bool {
        let named = signed.text("kid");
        let mut keys = self.keys.iter().filter(|key| named.is_none_or(|kid| kid == key.kid));
        keys.any(|key| signed.is_by(key))
    }

    pub(super) fn has_key(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid == kid)
    }
}

impl Bank {
    /// `PUT` and `GET /clients/{id}/jwks`: the sandbox's own way to register a client, or to change its keys.
    pub(super) fn serve_client_keys(&mut self, request: &Request<Bytes>, id: &str) -> Response<Bytes> {
        if *request.method() == Method::PUT {
            let Some(keys) = read_keys(request.body()) else {
                let message = "a JWK set with 1 to 8 RSA keys of 2048 bits or more is expected";
                return OAuthError::new(400, "invalid_client_metadata", message).answer();
            };
            if id.is_empty() || id.len() > LONGEST_ID {
                return OAuthError::new(400, "invalid_client_metadata", "the id is too long").answer();
            }
            self.state.put_client(Client { id: id.to_owned(), keys });
        } else if *request.method() != Method::GET {
            return OAuthError::new(405, "invalid_request", "keys are put or got").answer();
        }
        match self.state.clients.get(id) {
            Some(client) => {
                let keys: Vec<Value> = client.keys.iter().map(PublicKey::jwk).collect();
                answers::json(200, &keys::key_set(&keys))
            }
            None => OAuthError::new(404, "invalid_client", "there is no such client").answer(),
        }
    }

    /// The client that has signed `assertion` in the name of `id`. The first to come under a name is taken for its owner.
    pub(super) fn authenticate(&mut self, id: &str, assertion: &Signed) -> Result<Client, OAuthError> {
        let refused = |message: &str| Err(OAuthError::new(401, "invalid_client", message));
        let brought = assertion.header.get("jwk").map(|jwk| PublicKey::from_jwk(jwk, assertion.text("kid")));
        if matches!(brought, Some(None)) {
            return refused("the header's jwk is no RSA key of 2048 bits or more");
        }
        let brought = brought.flatten();
        if let Some(known) = self.state.clients.get(id) {
            let is_other = |key: &PublicKey| known.keys.iter().all(|ours| !ours.is(key));
            if brought.as_ref().is_some_and(is_other) {
                return refused("another key is registered for this client");
            }
            return if known.has_signed(assertion) {
                Ok(known.clone())
            } else {
                refused("the assertion is not signed by a key of this client")
            };
        }
        let Some(key) = brought else {
            return refused(
                "no key is registered for this client: send it as jwk in the header of the first assertion",
            );
        };
        if id.is_empty() || id.len() > LONGEST_ID || !assertion.is_by(&key) {
            return refused("the assertion is not signed by the key that it brings");
        }
        let client = Client { id: id.to_owned(), keys: vec![key] };
        self.state.put_client(client.clone());
        Ok(client)
    }
}

fn read_keys(body: &[u8]) -> Option<Vec<PublicKey>> {
    let set: Value = serde_json::from_slice(body).ok()?;
    let keys = set.get("keys")?.as_array().filter(|keys| (1..=MOST_KEYS).contains(&keys.len()))?;
    keys.iter().map(|jwk| PublicKey::from_jwk(jwk, None)).collect()
}
