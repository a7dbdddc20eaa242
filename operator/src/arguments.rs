//! What can be typed: the commands, with their arguments checked as far as no store is needed.
//!
//! Must not know: what a command does. What looks like a key or a secret is never repeated, however wrong it is here.

#[cfg(test)]
mod documented;
mod exceptions;
mod provider;
mod recovery;
mod verify;

use std::{path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand, value_parser};
use tollgate_domain::{MerchantId, PaymentId};

use crate::output;

pub(crate) use exceptions::{ExceptionsCommand, Reconciliation};
pub(crate) use provider::{ProviderCommand, Share, Word, user};
pub(crate) use recovery::{Drill, Recovery};
pub(crate) use verify::{Expected, Verify};

/// The longest name, in characters.
const NAME_CHARS: usize = 100;
/// More requests a minute than this is as good as no limit.
const REQUESTS_AT_MOST: u32 = 1_000_000;
/// The longest that old keys are kept: who needs more does not rotate.
const KEEP_AT_MOST: Duration = Duration::from_hours(90 * 24);
/// How what must not be shown begins.
const SECRET_PREFIXES: [&str; 2] = ["tgk_", "whsec_"];

/// Tollgate's operator: the schema, merchants, keys, endpoints, providers, backups, and all that is known of a payment.
///
/// Reads the functions' own environment: `STORE_URL` (sqlite:PATH or spanner:projects/P/instances/I/databases/D),
/// `SPANNER_EMULATOR_HOST`, and `SECRETS_KEY` where a webhook secret is made. Exit code 2: the command or the environment is
/// wrong. 1: it could not be done.
#[derive(Parser)]
#[command(name = "tollgate", version)]
pub(crate) struct Arguments {
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bring the database to this program's schema; nothing to do is success.
    Migrate,
    /// Merchants.
    #[command(subcommand)]
    Merchants(Merchants),
    /// Merchants' API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Where merchants' webhooks go.
    #[command(subcommand)]
    Endpoints(Endpoints),
    /// Which providers take new payments, and how these are shared out.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Payments, to be looked at.
    #[command(subcommand)]
    Payment(PaymentCommand),
    /// What others say of our money, held against what we say.
    #[command(subcommand)]
    Reconcile(Reconcile),
    /// What does not agree, and who looks after it.
    #[command(subcommand)]
    Reconciliation(Reconciliation),
    /// Backups, and the drill that restores one.
    #[command(subcommand)]
    Recovery(Recovery),
    /// Make a payment as a merchant does, and see its webhook delivered: what a deployment is verified with.
    ///
    /// It needs no store: only `VERIFY_API_KEY`, the key of a synthetic merchant. Exit code 0: every step was as it should be. 1: one was
    /// not.
    Verify(Verify),
}

impl Command {
    /// The code where it could not be done. Reconciling and the drill keep 1 for what does not agree.
    pub(crate) fn failure_code(&self) -> u8 {
        if matches!(self, Self::Reconcile(_) | Self::Recovery(Recovery::Drill(_))) { 3 } else { 1 }
    }

    /// Whether secrets are sealed by it: then it needs the key.
    pub(crate) fn writes_secrets(&self) -> bool {
        matches!(self, Self::Endpoints(Endpoints::Set { .. } | Endpoints::RotateSecret { .. }))
    }
}

#[derive(Subcommand)]
pub(crate) enum Merchants {
    /// Make a merchant.
    Create(NewMerchant),
    /// List all merchants.
    List,
    /// Show one.
    Show {
        /// `mer_…`
        #[arg(value_name = "ID")]
        merchant: MerchantId,
    },
    /// Change one.
    Set(MerchantChanges),
}

#[derive(Args)]
pub(crate) struct NewMerchant {
    /// What people call it.
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// Requests a minute at most; not given: the default of the functions.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=i64::from(REQUESTS_AT_MOST)))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Our fee on what is settled, in hundredths of a per cent.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u32).range(0..=10_000))]
    pub(crate) fee_basis_points: u32,
}

#[derive(Args)]
#[command(group(ArgGroup::new("changes").required(true).multiple(true)))]
pub(crate) struct MerchantChanges {
    /// `mer_…`
    #[arg(value_name = "ID")]
    pub(crate) merchant: MerchantId,
    /// What people call it.
    #[arg(long, group = "changes", value_parser = name)]
    pub(crate) name: Option<String>,
    /// Requests a minute at most, or `default`.
    #[arg(long, group = "changes", value_name = "N|default")]
    pub(crate) requests_per_minute: Option<RequestsPerMinute>,
    /// Our fee on what is settled, in hundredths of a per cent.
    #[arg(long, group = "changes", value_name = "N", value_parser = value_parser!(u32).range(0..=10_000))]
    pub(crate) fee_basis_points: Option<u32>,
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Make a key. It is shown this once, on stdout; only its SHA-256 is kept.
    Create {
        /// `mer_…`
        merchant: MerchantId,
    },
    /// List a merchant's keys by their digests.
    List {
        /// `mer_…`
        merchant: MerchantId,
    },
    /// Refuse a key from now on. Functions follow within 5 seconds.
    Revoke {
        /// `mer_…`
        merchant: MerchantId,
        /// The beginning of the key's digest, as `keys list` shows it: 6 digits or more.
        #[arg(value_name = "DIGEST_PREFIX")]
        digest: String,
    },
    /// Make a new key, shown this once on stdout, and refuse those before it.
    Rotate {
        /// `mer_…`
        merchant: MerchantId,
        /// How long those before it are still taken: 90s, 30m, 24h, 7d. Not given: not at all.
        #[arg(long, value_name = "TIME", default_value = "0s")]
        keep_old_for: KeepFor,
    },
}

#[derive(Subcommand)]
pub(crate) enum Endpoints {
    /// Show where a merchant's webhooks go.
    Show {
        /// `mer_…`
        merchant: MerchantId,
    },
    /// Set where they go. A secret that is made is shown this once.
    Set {
        /// `mer_…`
        merchant: MerchantId,
        /// https, on a public address.
        url: String,
    },
    /// Make a new signing secret, shown this once; the old one signs along for 24 hours.
    RotateSecret {
        /// Although the present secret does not open with this `SECRETS_KEY`: it was changed.
        #[arg(long)]
        secrets_key_was_changed: bool,
        /// `mer_…`
        merchant: MerchantId,
    },
}

impl Endpoints {
    /// Whose.
    pub(crate) fn merchant(&self) -> MerchantId {
        match self {
            Self::Show { merchant } | Self::Set { merchant, .. } | Self::RotateSecret { merchant, .. } => *merchant,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum PaymentCommand {
    /// Show a payment with its operations, refunds, deliveries and timeline. Reads only.
    Show {
        /// `pay_…`
        #[arg(value_name = "PAYMENT_ID")]
        payment: PaymentId,
    },
}

#[derive(Subcommand)]
pub(crate) enum Reconcile {
    /// Hold the bank's statement (ISO 20022 camt.053) against our payments, refunds and reversals.
    ///
    /// One line for each exception. Exit code 0: all that is ours agrees. 1: there are exceptions. 3: it could not be read, or
    /// not be compared.
    ///
    /// It only reads, unless --record is given.
    BankStatement {
        /// The statement; `-` is standard input.
        file: PathBuf,
        /// Keep the exceptions, to be assigned and resolved: `tollgate reconciliation exceptions`.
        #[arg(long)]
        record: bool,
        /// Who; not given: the user who runs this.
        #[arg(long, value_name = "NAME", value_parser = provider::by, requires = "record")]
        by: Option<String>,
    },
}

/// A limit, or none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestsPerMinute(pub(crate) Option<u32>);

impl FromStr for RequestsPerMinute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self(None));
        }
        let limit = text.parse().ok().filter(|limit| (1..=REQUESTS_AT_MOST).contains(limit));
        limit.map(|limit| Self(Some(limit))).ok_or_else(|| format!("must be 1 to {REQUESTS_AT_MOST}, or default"))
    }
}

/// A time from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeepFor(pub(crate) Duration);

impl FromStr for KeepFor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let read = || {
            let unit = text.chars().last()?;
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 24 * 3600,
                _ => return None,
            };
            let digits = text.strip_suffix(unit)?;
            let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            number.checked_mul(seconds).map(Duration::from_secs).filter(|time| *time <= KEEP_AT_MOST)
        };
        read().map(Self).ok_or("must be a number and s, m, h or d, as in 24h; 90d at most")
    }
}

fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME_CHARS || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {NAME_CHARS} characters, none of them a control character"));
    }
    Ok(text.to_owned())
}

/// The command line, or the code to end with: help is success, a mistake is 2.
pub(crate) fn read() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        let text = redacted(&error.render().to_string());
        if error.use_stderr() {
            output::note(text.trim_end());
            return ExitCode::from(2);
        }
        output::say(&text).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
    })
}

/// Without what looks like a key or a secret: who typed one in the wrong place does not find it in a log as well.
fn redacted(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = SECRET_PREFIXES.iter().filter_map(|prefix| rest.find(prefix)).min() {
        shown.push_str(&rest[..start]);
        shown.push_str("[redacted]");
        let is_secret = |letter: char| letter.is_alphanumeric() || "_-+/=".contains(letter);
        rest = rest[start..].trim_start_matches(is_secret);
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_a_number_and_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("90d", 7_776_000)] {
            assert_eq!(text.parse(), Ok(KeepFor(Duration::from_secs(seconds))), "{text}");
        }
        for wrong in ["", "h", "24", "24 h", "-1h", "+1h", "1.5h", "91d", "24ｈ", "1w", "99999999999999999999d"] {
            assert!(wrong.parse::<KeepFor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_none() {
        assert_eq!("default".parse(), Ok(RequestsPerMinute(None)));
        assert_eq!("120".parse(), Ok(RequestsPerMinute(Some(120))));
        for wrong in ["0", "-1", "1000001", "", "Default"] {
            assert!(wrong.parse::<RequestsPerMinute>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_not_repeated() {
        let said = redacted("error: 'tgk_0a1b' and 'whsec_aGk+/=' unexpected; usage: keys");
        assert_eq!(said, "error: '[redacted]' and '[redacted]' unexpected; usage: keys");
        assert_eq!(redacted("nothing here"), "nothing here");
    }
}
