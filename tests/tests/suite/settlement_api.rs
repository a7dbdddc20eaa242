//! `/v1/settlements` and `/jobs/settlement`, over their routers: each merchant sees its own part, and nobody else's.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode, header},
};
use serde_json::{Value, json};
use tollgate_domain::Settlement;
use tollgate_gateway::{
    authenticate::api_key_digest,
    ports::{Merchants, Time, fail_points::NoFailPoints, merchants::ApiKey},
};
use tollgate_runtime::InternalCallers;
use tower::ServiceExt;

use super::{merchants_front::merchants_front, settlement_support::Till};

const MINE: &str = "key-of-mine";
const THEIRS: &str = "key-of-theirs";

struct Api {
    till: Till,
    router: Router,
}

impl Api {
    async fn new() -> Self {
        let till = Till::new().await;
        for (samples, key) in [(&till.samples, MINE), (&till.other, THEIRS)] {
            let (merchant, created_at) = (samples.merchant, till.time.now());
            let key = ApiKey { digest: api_key_digest(key), merchant, created_at, revoked_at: None };
            till.store.put_api_key(&key).await.unwrap();
        }
        let time: Arc<dyn Time> = till.time.clone();
        let router = merchants_front(till.gateway(), till.store.clone(), &time);
        Self { till, router }
    }

    async fn get(&self, path: &str, key: &str, accept: &str) -> Response<Body> {
        let request = Request::get(path).header("x-api-key", key).header(header::ACCEPT, accept);
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn json(&self, path: &str, key: &str) -> (StatusCode, Value) {
        let answer = self.get(path, key, "application/json").await;
        let status = answer.status();
        (status, serde_json::from_str(&text(answer).await).unwrap())
    }

    async fn csv(&self, settlement: &Settlement, key: &str) -> Vec<String> {
        let answer = self.get(&format!("/v1/settlements/{}", settlement.id), key, "text/csv").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8; header=present");
        text(answer).await.lines().map(str::to_owned).collect()
    }
}

async fn text(answer: Response<Body>) -> String {
    String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_sees_its_own_part_of_a_settlement_by_date_and_by_id() {
    let api = Api::new().await;
    api.till.capture_many(&api.till.samples, 3).await;
    api.till.capture_many(&api.till.other, 1).await;
    let day = api.till.night();
    let settlement = api.till.settle().await.1;
    let by_date = format!("/v1/settlements?date={}", day.date());
    let (status, mine) = api.json(&by_date, MINE).await;
    assert_eq!(status, 200);
    let totals = json!([{
        "currency": "JPY", "payments": 3, "gross": 303, "fees": 9, "refunds": 0, "refunds_returned": 0,
        "carried_over": 0, "net": 294
    }]);
    assert_eq!(
        mine,
        json!({
            "id": settlement.id.to_string(), "object": "settlement", "date": "2026-09-22",
            "cutoff": "2026-09-21T17:00:00Z", "status": "COMPLETED", "started_at": "2026-09-21T17:00:00Z",
            "ended_at": "2026-09-21T17:00:00Z", "totals": totals
        })
    );
    assert_eq!(api.json(&format!("/v1/settlements/{}", settlement.id), MINE).await.1, mine);
    assert_eq!(api.json(&by_date, THEIRS).await.1["totals"][0]["net"], 97);
    let payment = api.till.number("SELECT count(*) FROM events WHERE body LIKE '%\"settlement_id\":\"stl_%'");
    assert_eq!(payment, 4, "each payment tells which settlement it is part of");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_with_nothing_of_the_merchant_is_not_found() {
    let api = Api::new().await;
    api.till.capture_many(&api.till.samples, 1).await;
    let day = api.till.night();
    let by_date = format!("/v1/settlements?date={}", day.date());
    assert_eq!(api.json(&by_date, MINE).await.0, 404, "not made yet");
    let settlement = api.till.settle().await.1;
    assert_eq!(api.json(&by_date, MINE).await.0, 200);
    let others = api.json(&by_date, THEIRS).await;
    assert_eq!((others.0, &others.1["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    for path in [
        format!("/v1/settlements/{}", settlement.id),
        "/v1/settlements?date=2026-09-21".to_owned(),
        "/v1/settlements?date=2026-09-23".to_owned(),
        "/v1/settlements/stl_00000000000000000000000000".to_owned(),
        "/v1/settlements/pay_1".to_owned(),
    ] {
        for accept in ["application/json", "text/csv"] {
            assert_eq!(api.get(&path, THEIRS, accept).await.status(), 404, "{path} {accept}");
        }
    }
    assert_eq!(api.get(&by_date, "nobody", "text/csv").await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_date_is_pointed_at() {
    let api = Api::new().await;
    for query in ["", "?date=", "?date=yesterday", "?date=2026-02-30", "?date=2026-09-22T00:00:00Z"] {
        let (status, problem) = api.json(&format!("/v1/settlements{query}"), MINE).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (400, &json!("?date")), "{query}");
    }
    assert_eq!(api.json("/v1/settlements?day=2026-09-22", MINE).await.1["errors"][0]["pointer"], "?day");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_come_as_csv_page_after_page_and_only_the_merchants_own() {
    let api = Api::new().await;
    let payments = api.till.capture_many(&api.till.samples, 2300).await;
    api.till.capture_many(&api.till.other, 40).await;
    api.till.night();
    api.till.settle().await;
    api.till.refund(&api.till.samples, &payments[0], 60).await;
    let mut formula = api.till.captured(&api.till.samples, 500);
    formula.sets[0].payment.as_mut().unwrap().payment.details.merchant_reference =
        Some("=cmd|' /C calc'!A1".to_owned());
    api.till.commit(&formula).await;
    api.till.night();
    let second = api.till.settle().await.1;
    let first = second.previous.unwrap();

    let rows = api.csv(&second, MINE).await;
    assert_eq!(rows[0], "kind,payment_id,refund_id,merchant_reference,currency,gross,fee,net,at");
    assert!(rows[1].starts_with(&format!("payment,{},,'=cmd|", formula.payment.id)), "{}", rows[1]);
    assert!(rows[1].contains(",JPY,500,15,485,"), "{}", rows[1]);
    assert!(rows[2].starts_with(&format!("refund,{},ref_", payments[0].id)) && rows[2].contains(",JPY,-60,0,-60,"));
    assert_eq!(rows.len(), 3);

    let first = tollgate_gateway::ports::Settlements::settlement(&*api.till.store, first).await.unwrap().unwrap();
    let rows = api.csv(&first, MINE).await;
    let ids: std::collections::BTreeSet<_> = rows[1..].iter().map(|row| row.split(',').nth(1).unwrap()).collect();
    assert_eq!((rows.len(), ids.len()), (2301, 2300));
    assert_eq!(api.csv(&first, THEIRS).await.len(), 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_runs_for_nobody_who_cannot_be_told_apart() {
    let till = Till::new().await;
    till.capture_many(&till.samples, 1).await;
    till.night();
    let gateway = till.gateway_with(10, Arc::new(NoFailPoints));
    let router = tollgate_settlement::router(gateway, InternalCallers::Nobody);
    let request = Request::post("/jobs/settlement").body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(till.number("SELECT count(*) FROM settlements"), 0);
}
