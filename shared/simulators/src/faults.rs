//! The faults that can be armed at a simulated provider, and the line they wait in.

use serde::{Deserialize, Serialize};

use crate::provider::CallKind;

/// Something that goes wrong at a provider, once, a number of times, or until it is cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For how many matching calls or webhooks; none: until cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// How long a hanging or slow call takes, in milliseconds of real time.
    #[serde(default)]
    pub ms: Option<u64>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The next payment is declined.
    Decline,
    /// Nothing happened; the provider answers its own server error, and keeps it under the key if it does such a thing.
    #[serde(rename = "error_500")]
    Error500,
    /// Nothing happened; a proxy in front of the provider answers an HTML page.
    #[serde(rename = "html_502")]
    Html502,
    /// Nothing happened; the connection hangs and closes without an answer.
    Timeout,
    /// It happened; the connection hangs and closes without an answer.
    ChargeThenTimeout,
    /// It happened; the answer comes late.
    Slow,
    /// Nothing happened; the provider answers 429.
    RateLimit,
    /// The next webhooks are never sent.
    DropWebhooks,
    /// The next webhooks are sent twice.
    DuplicateWebhooks,
    /// The next webhook waits until the one after it was sent.
    ReorderWebhooks,
    /// The provider cannot be reached at all. Played by the gateway's connector, not here.
    Unreachable,
    /// It happened; the answer is cut in the middle of its JSON.
    MalformedJson,
    /// It happened; the connection closes before the announced length was sent.
    TruncatedBody,
    /// It happened; the answer carries another object's id.
    WrongId,
}

impl FaultKind {
    fn hits_call(self, call: CallKind) -> bool {
        match self {
            Self::Decline => matches!(call, CallKind::Change { pays: true }),
            Self::ChargeThenTimeout => matches!(call, CallKind::Change { .. }),
            Self::DropWebhooks | Self::DuplicateWebhooks | Self::ReorderWebhooks | Self::Unreachable => false,
            _ => call != CallKind::Page,
        }
    }

    fn hits_webhooks(self) -> bool {
        matches!(self, Self::DropWebhooks | Self::DuplicateWebhooks | Self::ReorderWebhooks)
    }
}

/// The armed faults, in the order they were armed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Fault>,
}

impl Faults {
    /// Puts `fault` at the end of the line, or says why it cannot be played here.
    pub(crate) fn arm(&mut self, fault: Fault) -> Result<(), String> {
        if fault.kind == FaultKind::Unreachable {
            return Err("`unreachable` is played by the gateway's connector, not by the simulated provider".to_owned());
        }
        if fault.times == Some(0) {
            return Err("`times` must be at least 1; leave it out to arm the fault until it is cleared".to_owned());
        }
        self.armed.push(fault);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn armed(&self) -> &[Fault] {
        &self.armed
    }

    /// The fault that meets a call of this kind. It stays armed until it is [spent](Self::spend).
    pub(crate) fn for_call(&self, call: CallKind) -> Option<Fault> {
        self.armed.iter().find(|fault| fault.kind.hits_call(call)).cloned()
    }

    /// The fault that meets the next webhook; `may_hold` is false for one that must not be held back.
    pub(crate) fn take_for_webhook(&mut self, may_hold: bool) -> Option<FaultKind> {
        let meets = |kind: FaultKind| kind.hits_webhooks() && (may_hold || kind != FaultKind::ReorderWebhooks);
        let kind = self.armed.iter().map(|fault| fault.kind).find(|kind| meets(*kind))?;
        self.spend(kind);
        Some(kind)
    }

    /// Counts one use of the first armed fault of `kind`.
    pub(crate) fn spend(&mut self, kind: FaultKind) {
        let Some(index) = self.armed.iter().position(|fault| fault.kind == kind) else { return };
        match &mut self.armed[index].times {
            None => {}
            Some(times) if *times > 1 => *times -= 1,
            Some(_) => {
                self.armed.remove(index);
            }
        }
    }
}
