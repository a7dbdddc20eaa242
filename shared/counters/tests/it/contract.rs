//! The contract, in process and on Redis.

mod in_process {
    use crate::subject::InProcess;

    #[allow(clippy::unused_async, reason = "others have to wait")]
    async fn fresh() -> Option<InProcess> {
        Some(InProcess::new())
    }

    tollgate_gateway::counters_contract!(fresh);
}

mod statuses_in_process {
    use crate::statuses::InProcess;

    #[allow(clippy::unused_async, reason = "others have to wait")]
    async fn fresh() -> Option<InProcess> {
        Some(InProcess::new())
    }

    tollgate_gateway::statuses_contract!(fresh);
}

mod statuses_on_redis {
    use crate::statuses::OnRedis;

    async fn fresh() -> Option<OnRedis> {
        OnRedis::new().await
    }

    tollgate_gateway::statuses_contract!(fresh);
}

mod on_redis {
    use crate::subject::OnRedis;

    async fn fresh() -> Option<OnRedis> {
        OnRedis::new().await
    }

    tollgate_gateway::counters_contract!(fresh);
}
