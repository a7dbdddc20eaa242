//! Exceptions in a store whose answers are lost: what was written is told of all the same, once.

use async_trait::async_trait;
use tollgate_domain::{Exception, ExceptionChange, ExceptionId, ProviderRecord, Timestamp};
use tollgate_gateway::ports::{Exceptions, StoreError, exceptions::OpenExceptions};

use crate::{
    provider_records::{HOUR, Played, did, of},
    world::{Flaky, yen},
};

#[async_trait]
impl Exceptions for Flaky {
    async fn exception(&self, id: ExceptionId) -> Result<Option<Exception>, StoreError> {
        self.inner.exception(id).await
    }

    async fn put_exception(&self, exception: &Exception, change: Option<&ExceptionChange>) -> Result<bool, StoreError> {
        let put = self.inner.put_exception(exception, change).await?;
        let mut lost = self.lost_answers.lock().unwrap();
        if *lost > 0 {
            *lost -= 1;
            return Err(StoreError::Unavailable("the answer was lost".to_owned()));
        }
        Ok(put)
    }

    async fn exceptions(
        &self,
        open: bool,
        after: Option<(Timestamp, ExceptionId)>,
        limit: u32,
    ) -> Result<Vec<Exception>, StoreError> {
        self.inner.exceptions(open, after, limit).await
    }

    async fn exception_changes(&self, id: ExceptionId, limit: u32) -> Result<Vec<ExceptionChange>, StoreError> {
        self.inner.exception_changes(id, limit).await
    }

    async fn open_exceptions(&self) -> Result<Vec<OpenExceptions>, StoreError> {
        self.inner.open_exceptions().await
    }
}

#[tokio::test]
async fn what_is_found_is_told_of_once_though_the_answer_to_writing_it_down_was_lost() {
    let played = Played::new();
    let payment = played.captured().await;
    played.shows(ProviderRecord { amount: Some(yen(900)), ..of(&payment) });
    *played.world.flaky.lost_answers.lock().unwrap() = 1;
    let report = played.after(3 * HOUR).await;
    assert_eq!(report.could_not.get("amount"), Some(&1), "{report:?}");
    let report = played.after(HOUR).await;
    assert_eq!((report.could_not.len(), did(&report, "still_open")), (0, 1), "{report:?}");
    *played.world.flaky.lost_answers.lock().unwrap() = 1;
    let report = played.after(HOUR).await;
    assert_eq!(
        (report.could_not.len(), did(&report, "still_open")),
        (0, 1),
        "one that only aged is no news: {report:?}"
    );
}
