//! The sandbox's page about the API: all of the document, for people, and nothing from elsewhere.

use serde_json::Value;

use super::api_support::World;

#[tokio::test]
async fn the_page_shows_every_call_event_and_code_with_commands_for_this_sandbox() {
    let world = World::start().await;
    let answer = world.send(world.get("/docs").without("x-api-key")).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let page = answer.text();
    let api = tollgate_payments::openapi::document();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            let command =
                if method == "GET" { "curl -sS &quot;".to_owned() } else { format!("curl -sS -X {method} &quot;") };
            let variable = ["refunds", "settlements"].into_iter().find(|kind| path.contains(&format!("/{kind}/")));
            let variable = variable
                .map_or("$PAYMENT".to_owned(), |kind| format!("${}", kind.trim_end_matches('s').to_uppercase()));
            let address = path.replace("{id}", &variable).replace("{opaque}", "$OPAQUE");
            assert!(page.contains(&format!("{command}http://{}{address}", world.address)), "{method} {path}");
            let id = call["operationId"].as_str().unwrap();
            assert!(page.contains(&format!("<h3 id=\"{id}\">")), "{id}");
            for status in call["responses"].as_object().unwrap().keys() {
                assert!(page.contains(&format!(">{status}</span>")), "{status}");
            }
        }
    }
    assert!(page.matches(&format!("X-API-Key: {}", world.api_key)).count() >= 16, "commands have the sandbox's key");
    for event in api["webhooks"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("id=\"event-{event}\"")), "{event}");
    }
    for code in api["x-problem-codes"].as_array().unwrap() {
        assert!(page.contains(&format!("id=\"error-{}\"", code["code"].as_str().unwrap())), "{code}");
    }
    for schema in api["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("id=\"object-{schema}\"")), "{schema}");
    }
    // What takes an id out of an answer, by the answers' own shapes.
    let ids =
        [("REFUND", "/refunds", ".data[-1].id"), ("SETTLEMENT", "/settlements?date=$(TZ=Asia/Tokyo date +%F)", ".id")];
    for (variable, list, which) in ids {
        let line = page.lines().find(|line| line.contains(&format!("{variable}=$(curl"))).unwrap();
        assert!(line.contains(list) && line.ends_with(&format!("| jq -r '{which}')")), "{line}");
    }
    let place = |id: &str| page.find(&format!("<h3 id=\"{id}\">")).unwrap();
    assert!(place("create") < place("list"), "a reader makes a payment before he looks for one");
    links_lead_somewhere(&page);
}

/// Ids are there once, and what is linked to is there.
fn links_lead_somewhere(page: &str) {
    let all = |attribute: &str| -> Vec<&str> {
        page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    };
    let mut ids = all(" id=\"");
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id comes twice");
    for link in all(" href=\"") {
        match link.strip_prefix('#') {
            Some(id) => assert!(ids.contains(&id), "{link}"),
            None => assert!(link.starts_with("/docs") || link.starts_with("/console"), "{link} is not of the sandbox"),
        }
    }
    for source in all(" src=\"") {
        assert!(source.starts_with("/docs/"), "{source}");
    }
}

#[tokio::test]
async fn the_document_itself_is_beside_it_and_nothing_else_runs_in_the_page() {
    let world = World::start().await;
    let document: Value = world.send(world.get("/docs/openapi.json")).await.expect(200).json();
    assert_eq!(document, tollgate_payments::openapi::document());
    let events: Value = world.send(world.get("/docs/webhook-events.json")).await.expect(200).json();
    assert_eq!(
        events.to_string(),
        serde_json::from_str::<Value>(&tollgate_payments::openapi::webhook_events()).unwrap().to_string()
    );
    for (file, media_type) in [
        ("docs.css", "text/css; charset=utf-8"),
        ("docs.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let answer = world.send(world.get(&format!("/docs/{file}"))).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert!(!answer.text().contains("https://"), "{file} has something from elsewhere");
    }
    let page = world.send(world.get("/docs")).await.expect(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(
        !page.text().contains("<style") && !page.text().contains(" style="),
        "nothing inline: the policy would not let it"
    );
}
