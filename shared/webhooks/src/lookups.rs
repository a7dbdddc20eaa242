//! Looks names up in threads: no more than a bound of them, for as long as each really takes, and one for a name.
//!
//! A stranger chooses the names, and his servers how long they take. So one name, however many ask for it, holds one
//! place; and whoever finds no place learns that this is our fault. Must not know: what a name is asked for.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tollgate_gateway::ports::Time;

/// What a name's addresses are, or why that is not known. Blocks.
pub(crate) type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Answer = Result<Vec<IpAddr>, Arc<io::Error>>;

/// Look-ups under way.
pub(crate) struct LookUps {
    look_up: Arc<LookUp>,
    /// How long a place is waited for.
    patience: Duration,
    time: Arc<dyn Time>,
    places: Arc<Semaphore>,
    under_way: Arc<UnderWay>,
}

/// The names that are being looked up, and where their answers come.
#[derive(Default)]
struct UnderWay(Mutex<HashMap<String, watch::Receiver<Option<Answer>>>>);

/// One look-up: it has its place until it has ended, whoever still waits for it.
struct Running {
    name: String,
    under_way: Arc<UnderWay>,
    _place: OwnedSemaphorePermit,
}

impl LookUps {
    /// At most `places` at once, each for up to `patience` to be waited for.
    pub(crate) fn new(look_up: Arc<LookUp>, places: usize, patience: Duration, time: Arc<dyn Time>) -> Self {
        Self { look_up, patience, time, places: Arc::new(Semaphore::new(places)), under_way: Arc::default() }
    }

    /// The addresses of `name`. [`io::ErrorKind::ResourceBusy`]: there was no place, and nobody was asked.
    pub(crate) async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let under_way = self.under_way.lock().get(name).cloned();
        let answered = match under_way {
            Some(answered) => answered,
            None => self.begin(name, self.place().await?),
        };
        answer(answered).await
    }

    async fn place(&self) -> io::Result<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            place = Arc::clone(&self.places).acquire_owned() => place.map_err(io::Error::other),
            () = self.time.sleep(self.patience) => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }

    /// Begins to look `name` up, unless somebody has begun while the place was waited for.
    #[allow(clippy::disallowed_methods, reason = "it blocks, and goes on when nobody waits any more")]
    fn begin(&self, name: &str, place: OwnedSemaphorePermit) -> watch::Receiver<Option<Answer>> {
        let mut under_way = self.under_way.lock();
        if let Some(answered) = under_way.get(name) {
            return answered.clone();
        }
        let (answer, answered) = watch::channel(None);
        under_way.insert(name.to_owned(), answered.clone());
        // A runtime that is going down drops what it is given, and with it `running`, which takes this lock.
        drop(under_way);
        let running = Running { name: name.to_owned(), under_way: Arc::clone(&self.under_way), _place: place };
        let look_up = Arc::clone(&self.look_up);
        tokio::task::spawn_blocking(move || {
            let found = look_up(&running.name).map_err(Arc::new);
            // Whoever asks from now on asks anew.
            drop(running);
            let _ = answer.send(Some(found));
        });
        answered
    }
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Option<Answer>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.name);
    }
}

async fn answer(mut answered: watch::Receiver<Option<Answer>>) -> io::Result<Vec<IpAddr>> {
    let answer = answered.wait_for(Option::is_some).await.map_err(|_| io::Error::other("the look-up panicked"))?;
    match answer.as_ref() {
        Some(Ok(addresses)) => Ok(addresses.clone()),
        Some(Err(error)) => Err(io::Error::new(error.kind(), Arc::clone(error))),
        None => Err(io::Error::other("no answer")),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Receiver, Sender, channel},
        time::Instant,
    };

    use async_trait::async_trait;
    use futures::future::join_all;
    use tollgate_domain::Timestamp;

    use super::*;

    /// Only waits: nothing here asks what time it is.
    struct RealTime;

    #[async_trait]
    impl Time for RealTime {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        #[allow(clippy::disallowed_methods, reason = "a test waits for real")]
        async fn sleep(&self, duration: Duration) {
            tokio::time::sleep(duration).await;
        }
    }

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(93, 184, 215, 14));

    /// Two places. Names that begin with `hangs` are answered when the sender that comes with it says so.
    fn two_places() -> (LookUps, Sender<()>, Receiver<String>) {
        let ((answer, answers), (ask, asked)) = (channel(), channel());
        let answers = Mutex::new(answers);
        let look_up = move |name: &str| {
            ask.send(name.to_owned()).unwrap();
            if name.starts_with("hangs") {
                let _ = answers.lock().unwrap().recv();
            }
            if name.starts_with("nobody") { Err(io::ErrorKind::NotFound.into()) } else { Ok(vec![ADDRESS]) }
        };
        (LookUps::new(Arc::new(look_up), 2, Duration::from_millis(100), Arc::new(RealTime)), answer, asked)
    }

    /// Asks for `name` and does not wait for the answer.
    async fn ask_and_leave(look_ups: &LookUps, name: &str) {
        tokio::select! {
            biased;
            answer = look_ups.find(name) => panic!("{answer:?}"),
            () = RealTime.sleep(Duration::from_millis(10)) => {}
        }
    }

    #[tokio::test]
    async fn a_name_that_hangs_takes_one_place_however_many_ask_for_it() {
        let (look_ups, answer, asked) = two_places();
        let begun = async {
            let others = join_all((0..10).map(|_| look_ups.find("shop.example"))).await;
            assert!(others.iter().all(|found| found.as_ref().is_ok_and(|found| *found == [ADDRESS])));
            answer.send(()).unwrap();
        };
        let (hung, ()) = tokio::join!(join_all((0..50).map(|_| look_ups.find("hangs.example"))), begun);
        assert!(hung.into_iter().all(|found| found.unwrap() == [ADDRESS]));
        assert_eq!(asked.try_iter().filter(|name| name == "hangs.example").count(), 1);
        assert!(look_ups.find("nobody.example").await.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    }

    #[tokio::test]
    async fn a_look_up_has_its_place_until_it_has_ended_and_who_finds_none_is_told_so() {
        let (look_ups, answer, asked) = two_places();
        for _ in 0..3 {
            ask_and_leave(&look_ups, "hangs.1.example").await;
            ask_and_leave(&look_ups, "hangs.2.example").await;
        }
        #[allow(clippy::disallowed_methods, reason = "a test measures real time")]
        let started = Instant::now();
        let refused = look_ups.find("shop.example").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        assert!(started.elapsed() >= Duration::from_millis(100), "it has waited");
        assert_eq!(asked.try_iter().count(), 2);
        answer.send(()).unwrap();
        assert_eq!(look_ups.find("shop.example").await.unwrap(), [ADDRESS], "a place is free again");
        answer.send(()).unwrap();
    }
}
