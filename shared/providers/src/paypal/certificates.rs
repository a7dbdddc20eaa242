//! The certificates that PayPal signs its webhooks with: fetched from PayPal's own hosts only, kept for a while.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Uri};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tollgate_gateway::ports::{HttpClient, Time};

/// Where PayPal's certificates are.
const HOSTS: [&str; 4] = ["api.paypal.com", "api.sandbox.paypal.com", "api-m.paypal.com", "api-m.sandbox.paypal.com"];
/// For fetching one: PayPal waits for our answer meanwhile.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// PayPal has one or two at a time.
const KEPT_AT_MOST: usize = 8;
/// One that is kept is believed for so long.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// One that cannot be had is not asked for again within this: strangers name what they like.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// However many are named, so many are asked for in a minute, one at a time: PayPal's own stay known for a day, and PayPal sends
/// again what could not be checked.
const FETCHES_A_MINUTE: usize = 20;
const URL_MAX_LEN: usize = 256;
const PEM_MAX_LEN: usize = 16 * 1024;

/// Why there is no certificate.
#[derive(Debug)]
pub(super) enum NoCertificate {
    /// It is named at a place that is not PayPal's.
    Stranger,
    /// It could not be fetched now.
    Away(String),
}

/// Fetches certificates and keeps them.
pub(super) struct Certificates {
    http: Arc<dyn HttpClient>,
    time: Arc<dyn Time>,
    /// `scheme://authority` of the API that is called, in case it is a stand-in.
    api: String,
    kept: Mutex<Vec<Kept>>,
    /// When certificates were fetched in the last minute; locked while one is.
    fetches: futures::lock::Mutex<Vec<Duration>>,
}

struct Kept {
    url: String,
    /// `None`: it could not be had.
    certificate: Option<CertificateDer<'static>>,
    at: Duration,
}

impl Certificates {
    /// `api_url` is where PayPal's API is called.
    pub(super) fn new(api_url: &Uri, http: Arc<dyn HttpClient>, time: Arc<dyn Time>) -> Self {
        let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let api =
            format!("{}://{}", part(api_url.scheme_str()), part(api_url.authority().map(http::uri::Authority::as_str)));
        Self { http, time, api, kept: Mutex::default(), fetches: futures::lock::Mutex::default() }
    }

    /// The certificate at `url`.
    pub(super) async fn get(&self, url: &str) -> Result<CertificateDer<'static>, NoCertificate> {
        if !self.is_paypals(url) {
            return Err(NoCertificate::Stranger);
        }
        if let Some(known) = self.known(url) {
            return known.ok_or_else(|| NoCertificate::Away("it could not be fetched a moment ago".to_owned()));
        }
        let away = |why: &str| NoCertificate::Away(why.to_owned());
        let mut lately = self.fetches.try_lock().ok_or_else(|| away("another one is being fetched"))?;
        let now = self.time.monotonic();
        lately.retain(|at| now.saturating_sub(*at) < Duration::from_secs(60));
        if lately.len() >= FETCHES_A_MINUTE {
            return Err(away("too many were fetched in the last minute"));
        }
        lately.push(now);
        let fetched = self.fetch(url).await;
        self.keep(url, fetched.as_ref().ok().cloned());
        fetched.map_err(NoCertificate::Away)
    }

    fn is_paypals(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<Uri>() else { return false };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
        let plain = url.len() <= URL_MAX_LEN && !authority.as_str().contains('@') && uri.query().is_none();
        let theirs = scheme == "https" && HOSTS.contains(&authority.as_str());
        plain && (theirs || format!("{scheme}://{authority}") == self.api)
    }

    #[allow(clippy::option_option, reason = "not known; known to be away; known")]
    fn known(&self, url: &str) -> Option<Option<CertificateDer<'static>>> {
        let now = self.time.monotonic();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().find(|kept| kept.url == url)?;
        let good_for = if known.certificate.is_some() { KEPT_FOR } else { ASK_AGAIN_AFTER };
        (now.saturating_sub(known.at) < good_for).then(|| known.certificate.clone())
    }

    fn keep(&self, url: &str, certificate: Option<CertificateDer<'static>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.url != url);
        if kept.len() == KEPT_AT_MOST {
            // One that could not be had first, else the oldest.
            let index = kept.iter().position(|kept| kept.certificate.is_none()).unwrap_or(0);
            kept.remove(index);
        }
        kept.push(Kept { url: url.to_owned(), certificate, at: self.time.monotonic() });
    }

    async fn fetch(&self, url: &str) -> Result<CertificateDer<'static>, String> {
        let request = Request::get(url).body(Bytes::new()).map_err(|error| error.to_string())?;
        let answer = self.http.send(request, FETCH_TIMEOUT).await.map_err(|error| error.to_string())?;
        if answer.status() != 200 || answer.body().len() > PEM_MAX_LEN {
            return Err(format!("status {} for a certificate", answer.status().as_u16()));
        }
        CertificateDer::from_pem_slice(answer.body()).map_err(|_| "an answer that is no certificate".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures::FutureExt;
    use http::Response;
    use tollgate_domain::Timestamp;
    use tollgate_gateway::ports::HttpError;

    use super::*;

    /// Answers that there is nothing, and counts.
    #[derive(Default)]
    struct Nothing(AtomicUsize);

    #[async_trait]
    impl HttpClient for Nothing {
        async fn send(&self, _: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, HttpError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Response::builder().status(404).body(Bytes::new()).unwrap())
        }
    }

    #[derive(Default)]
    struct Seconds(AtomicUsize);

    #[async_trait]
    impl Time for Seconds {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed) as u64)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn whatever_strangers_name_paypal_is_asked_for_few_certificates_a_minute() {
        let (http, time) = (Arc::new(Nothing::default()), Arc::new(Seconds::default()));
        let api = "https://api-m.paypal.com".parse().unwrap();
        let certificates = Certificates::new(&api, http.clone(), time.clone());
        let name = |number: usize| {
            let url = format!("https://api.paypal.com/v1/notifications/certs/CERT-{number}");
            assert!(certificates.get(&url).now_or_never().unwrap().is_err());
        };
        (0..1000).for_each(name);
        assert_eq!(http.0.load(Ordering::Relaxed), FETCHES_A_MINUTE);
        time.0.store(60, Ordering::Relaxed);
        name(1000);
        assert_eq!(http.0.load(Ordering::Relaxed), FETCHES_A_MINUTE + 1, "and again a minute later");
    }
}
