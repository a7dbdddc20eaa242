//! What caused a change, as two columns: a name, and what tells two of a kind apart.

use tollgate_gateway::records::Cause;

/// The cause of this name. `None`: there is no such name, or it lacks its subject.
pub fn cause(name: &str, subject: Option<String>) -> Option<Cause> {
    Some(match name {
        "merchant_request" => Cause::Merchant,
        "provider_answer" => Cause::ProviderAnswer,
        "provider_event" => Cause::ProviderEvent(subject?),
        "look_up" => Cause::LookUp,
        "payer_return" => Cause::Payer,
        "job" => Cause::Job(subject?),
        "operator" => Cause::Operator(subject?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_reads_as_it_was_written() {
        let event = || Cause::ProviderEvent("evt_1".to_owned());
        let causes = [Cause::Merchant, Cause::ProviderAnswer, event(), Cause::LookUp, Cause::Payer];
        let named = [Cause::Job("settlement".to_owned()), Cause::Operator("ann".to_owned())];
        for written in causes.into_iter().chain(named) {
            assert_eq!(cause(written.as_str(), written.subject().map(str::to_owned)), Some(written));
        }
        assert_eq!(cause("job", None), None);
        assert_eq!(cause("whim", None), None);
    }
}
