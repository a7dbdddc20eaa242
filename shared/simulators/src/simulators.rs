//! The simulated providers of one sandbox: under one clock, with their webhooks on the way.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tollgate_gateway::ports::Time;

use crate::{Bank, Endpoint, JournalError, PayPal, Ports, Provider, Simulator, Stripe};

/// How often real time is looked at for what became due.
const TICK: Duration = Duration::from_millis(250);
/// How long moving the clock waits for the webhooks of one step.
const STEP_PATIENCE: Duration = Duration::from_secs(30);

/// How the simulators are set up.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where journals are kept; none: everything is forgotten at the end.
    pub data: Option<PathBuf>,
    /// Where payers reach the simulators, such as `http://127.0.0.1:8080`; none: the host that each call came by.
    pub public_url: Option<String>,
}

/// The simulated providers.
pub struct Simulators {
    pub(crate) ports: Ports,
    providers: Vec<Mutex<Simulator>>,
    names: Vec<&'static str>,
    clock_file: Option<PathBuf>,
    /// One mover of the clock at a time.
    moving: tokio::sync::Mutex<()>,
    /// Rung whenever a webhook was settled or posted.
    pub(crate) bell: Notify,
    /// Room for webhooks under way.
    pub(crate) turns: Arc<Semaphore>,
}

impl Simulators {
    /// Opens the simulators, taking up what their journals say. A clock that was set over the control plane stands
    /// where it stood.
    pub fn open(settings: Settings, ports: Ports) -> Result<Arc<Self>, JournalError> {
        let Settings { data, public_url } = settings;
        let folder = data.as_deref();
        let all = [
            open(Stripe::new(Arc::clone(&ports.entropy), public_url.clone()), folder)?,
            open(PayPal::new(Arc::clone(&ports.entropy), public_url.clone()), folder)?,
            open(Bank::new(Arc::clone(&ports.entropy), public_url), folder)?,
        ];
        let clock_file = data.map(|folder| folder.join("simulators.clock"));
        if let Some(kept) = clock_file.as_deref().and_then(kept_clock) {
            ports.time.set(Some(kept));
        }
        Ok(Arc::new(Self {
            ports,
            names: all.iter().map(Simulator::name).collect(),
            providers: all.into_iter().map(Mutex::new).collect(),
            clock_file,
            moving: tokio::sync::Mutex::default(),
            bell: Notify::new(),
            turns: Self::new_turns(),
        }))
    }

    /// The simulator of the provider with this name, such as `stripe`.
    pub fn provider(&self, name: &str) -> Option<MutexGuard<'_, Simulator>> {
        self.names.iter().position(|known| *known == name).map(|index| self.at(index))
    }

    /// The providers' names.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    pub(crate) fn at(&self, index: usize) -> MutexGuard<'_, Simulator> {
        self.providers[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        self.providers.len()
    }

    /// Says where a provider's webhooks go from now on; false: there is no such provider.
    pub fn set_webhook_endpoint(&self, provider: &str, endpoint: Endpoint) -> bool {
        self.provider(provider).map(|mut provider| provider.set_endpoint(endpoint)).is_some()
    }

    /// When the next expiry or webhook retry is due, at any provider.
    pub fn next_due(&self) -> Option<Timestamp> {
        (0..self.count()).filter_map(|index| self.at(index).next_due()).min()
    }

    /// Does what is due now, and returns once the webhooks that are due were tried.
    pub async fn catch_up(self: &Arc<Self>) {
        let now = self.ports.time.now();
        for index in 0..self.count() {
            self.at(index).advance(now);
        }
        self.send_webhooks();
        self.quiet(STEP_PATIENCE).await;
    }

    /// Sets the clock: to a standing time, moving there from due time to due time, or to real time (`None`). Answers
    /// the time it shows then.
    pub async fn move_clock(self: &Arc<Self>, to: Option<Timestamp>) -> Timestamp {
        let _turn = self.moving.lock().await;
        if let Some(target) = to {
            while let Some(due) = self.next_due().filter(|due| *due <= target) {
                self.ports.time.set(Some(due));
                self.catch_up().await;
            }
        }
        let now = self.ports.time.set(to);
        self.catch_up().await;
        now
    }

    /// [Moves the clock](Self::move_clock), and remembers it over a restart.
    pub(crate) async fn keep_clock(self: &Arc<Self>, to: Option<Timestamp>) -> Timestamp {
        let now = self.move_clock(to).await;
        if let Some(file) = &self.clock_file {
            let kept = match to {
                Some(_) => fs::write(file, now.to_string()),
                None => fs::remove_file(file).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                }),
            };
            if let Err(error) = kept {
                tracing::warn!(%error, "the simulators' clock cannot be kept");
            }
        }
        now
    }

    /// Waits until no webhook is being sent, held or due, at most for `patience`. Says whether that came.
    pub async fn quiet(self: &Arc<Self>, patience: Duration) -> bool {
        let wait = self.ports.time.sleep(patience);
        let silence = async {
            loop {
                let bell = self.bell.notified();
                tokio::pin!(bell);
                bell.as_mut().enable();
                let now = self.ports.time.now();
                if (0..self.count()).all(|index| self.at(index).is_quiet(now)) {
                    return;
                }
                bell.await;
            }
        };
        tokio::select! {
            biased;
            () = silence => true,
            () = wait => false,
        }
    }

    /// Does what becomes due as time passes; never returns. Run it beside the server where that is not [`serve`](crate::serve).
    pub async fn keep_time(self: &Arc<Self>) {
        self.send_webhooks();
        loop {
            let now = self.ports.time.now();
            if self.next_due().is_some_and(|due| due <= now) {
                for index in 0..self.count() {
                    self.at(index).advance(now);
                }
                self.send_webhooks();
            }
            self.ports.time.sleep(TICK).await;
        }
    }
}

fn open(provider: impl Provider, folder: Option<&Path>) -> Result<Simulator, JournalError> {
    match folder {
        Some(folder) => Simulator::open(provider, folder),
        None => Ok(Simulator::ephemeral(provider)),
    }
}

fn kept_clock(file: &Path) -> Option<Timestamp> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
