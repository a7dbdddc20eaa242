//! What the simulated PayPal does, in sentences.

mod account;
mod approval;
mod authorizations;
mod books;
mod faults;
mod orders;
mod over_http;
mod refunds;
mod reports;
mod request_ids;
mod tokens;
mod webhooks;
