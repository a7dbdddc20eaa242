//! The contract that every store keeps.

use crate::subject::OnSpanner;

async fn fresh() -> Option<OnSpanner> {
    OnSpanner::new().await
}

tollgate_gateway::store_contract!(fresh);
