//! PayPal's published schemas and its catalogue of issues, as tests hold requests, answers and events against them.

use std::{cell::RefCell, collections::BTreeSet, fs, path::Path};

use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

/// Issues that PayPal answers, as it says elsewhere, where this part of its specification does not list them: the end of
/// the path, and the issue.
const UNLISTED: &[(&str, &str)] = &[
    ("", "DUPLICATE_REQUEST_ID"),
    ("/orders", "DECIMALS_NOT_SUPPORTED"),
    ("/authorize", "INSTRUMENT_DECLINED"),
    ("/authorize", "PAYPAL_REQUEST_ID_REQUIRED"),
    ("/authorize", "NOT_ENABLED_FOR_CARD_PROCESSING"),
    ("/capture", "PAYPAL_REQUEST_ID_REQUIRED"),
    ("/capture", "ACTION_DOES_NOT_MATCH_INTENT"),
    ("/capture", "ORDER_EXPIRED"),
];
/// Not in the catalogue at all: PayPal's older calls have it.
const NOT_IN_CATALOGUE: &str = "DUPLICATE_REQUEST_ID";

/// One of PayPal's specifications.
struct Document(Value);

impl Document {
    fn read(folder: &Path, name: &str) -> Self {
        let text = fs::read_to_string(folder.join(format!("{name}.openapi.json"))).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        // Strict validators cannot read this pattern.
        if let Some(email) = document["components"]["schemas"]["email"].as_object_mut() {
            email.remove("pattern");
        }
        Self(document)
    }

    fn named(name: &str) -> Value {
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn resolved<'a>(&'a self, node: &'a Value) -> &'a Value {
        let pointer = node["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        pointer.map_or(node, |pointer| self.resolved(self.0.pointer(pointer).unwrap()))
    }

    fn check(&self, schema: &Value, value: &Value, context: &str) {
        let mut root = json!({"allOf": [schema]});
        root["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&root).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{context}: {errors:#?}\n{value:#}");
        self.check_members(&[schema], value, context);
    }

    /// The members that an object of these schemas can have, with what each may hold.
    fn members<'a>(&'a self, schema: &'a Value, into: &mut Map<String, Value>) {
        let schema = self.resolved(schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let known = into.entry(name.clone()).or_insert_with(|| json!([]));
            known.as_array_mut().unwrap().push(property.clone());
        }
        for list in ["allOf", "anyOf", "oneOf"] {
            schema[list].as_array().into_iter().flatten().for_each(|part| self.members(part, into));
        }
    }

    /// Nothing is said that PayPal does not know.
    fn check_members(&self, schemas: &[&Value], value: &Value, context: &str) {
        match value {
            Value::Array(items) => {
                let of_items: Vec<&Value> = schemas.iter().map(|schema| &self.resolved(schema)["items"]).collect();
                for item in items {
                    self.check_members(&of_items, item, context);
                }
            }
            Value::Object(members) => {
                let mut known = Map::new();
                for schema in schemas {
                    self.members(schema, &mut known);
                }
                if known.is_empty() {
                    return;
                }
                for (name, member) in members {
                    let schemas =
                        known.get(name).unwrap_or_else(|| panic!("{context}: PayPal has no `{name}`\n{value:#}"));
                    let schemas: Vec<&Value> = schemas.as_array().unwrap().iter().collect();
                    self.check_members(&schemas, member, &format!("{context} {name}"));
                }
            }
            _ => {}
        }
    }
}

/// All of them.
pub(crate) struct Specs {
    orders: Document,
    payments: Document,
    webhooks: Document,
    catalogue: Value,
    /// The places in `UNLISTED` that were met.
    unlisted: RefCell<BTreeSet<usize>>,
}

impl Specs {
    pub(crate) fn read(folder: &Path) -> Self {
        let catalogue = fs::read_to_string(folder.join("paypal_issue_catalogue.json")).unwrap();
        Self {
            orders: Document::read(folder, "paypal_orders_v2_subset"),
            payments: Document::read(folder, "paypal_payments_v2_subset"),
            webhooks: Document::read(folder, "paypal_webhooks_v1_subset"),
            catalogue: serde_json::from_str(&catalogue).unwrap(),
            unlisted: RefCell::default(),
        }
    }

    /// The specification of a path, the path as it stands there, and what it says of it.
    fn operation(&self, method: &Method, path: &str) -> (&Document, String, &Value) {
        let document = match path {
            _ if path.starts_with("/v2/checkout") => &self.orders,
            _ if path.starts_with("/v2/payments") => &self.payments,
            _ => &self.webhooks,
        };
        let paths = document.0["paths"].as_object().unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(known, given)| known.starts_with('{') || known == given)
        };
        let (template, operations) =
            paths.iter().find(|(template, _)| fits(template)).unwrap_or_else(|| panic!("the spec has no {path}"));
        (document, template.clone(), &operations[method.as_str().to_lowercase()])
    }

    /// Holds a request against what PayPal takes.
    pub(crate) fn check_request(&self, method: &Method, path: &str, headers: &HeaderMap, body: &Value) {
        let (document, template, operation) = self.operation(method, path);
        let context = format!("request {method} {path}");
        let schema = &document.resolved(&operation["requestBody"])["content"]["application/json"]["schema"];
        if schema.is_object() {
            document.check(schema, body, &context);
        } else {
            assert!(body.is_null(), "{context} takes no body");
        }
        let given: Vec<(&str, &str)> = template
            .split('/')
            .zip(path.split('/'))
            .filter_map(|(known, given)| Some((known.strip_prefix('{')?.strip_suffix('}')?, given)))
            .chain(headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())))
            .collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<&Value> = parameters.map(|parameter| document.resolved(parameter)).collect();
        for (name, value) in given {
            let known = parameters.iter().find(|known| known["name"].as_str().unwrap().eq_ignore_ascii_case(name));
            match known {
                // The pattern of event ids does not allow for PayPal's own, which have hyphens.
                Some(_) if name == "event_id" => {}
                Some(parameter) => document.check(&parameter["schema"], &json!(value), &context),
                None => assert!(!name.starts_with("paypal-") && name != "prefer", "{context} takes no `{name}`"),
            }
        }
    }

    /// Holds an answer against the schema that the spec has for it.
    pub(crate) fn check_answer(&self, method: &Method, path: &str, status: u16, body: &Value) {
        let (document, template, operation) = self.operation(method, path);
        let context = format!("{method} {path} {status}");
        let responses = &operation["responses"];
        let schema_of = |name: &str| &document.resolved(&responses[name])["content"]["application/json"]["schema"];
        if status == 204 {
            assert!(responses["204"].is_object() && body.is_null(), "{context}");
            return;
        }
        let listed = schema_of(&status.to_string());
        let schema = if listed.is_object() { listed } else { schema_of("default") };
        assert!(schema.is_object(), "the spec has no {context}");
        let Some(issue) = body["details"][0]["issue"].as_str() else {
            return document.check(schema, body, &context);
        };
        let unlisted = UNLISTED.iter().position(|(end, known)| template.ends_with(end) && *known == issue);
        let Some(place) = unlisted else {
            return document.check(schema, body, &context);
        };
        self.unlisted.borrow_mut().insert(place);
        let is_known = self.catalogue.as_object().unwrap().values().any(|issues| issues[issue].is_string());
        // The catalogue holds what is special to a call; what is malformed is common to all.
        assert!(is_known || status == 400 || issue == NOT_IN_CATALOGUE, "{context}: the catalogue has no {issue}");
        document.check(&schema["allOf"][0], body, &context);
    }

    /// Holds an event, and what it is about, against the schemas.
    pub(crate) fn check_event(&self, event: &Value) {
        self.webhooks.check(&Document::named("event"), event, "event");
        let mut resource = event["resource"].clone();
        let (document, name) = match event["resource_type"].as_str().unwrap() {
            "checkout-order" => (&self.orders, "order"),
            "authorization" => (&self.payments, "authorization-2"),
            "capture" => (&self.payments, "capture-2"),
            "refund" => {
                // Said in events only.
                let related = resource.as_object_mut().unwrap().remove("supplementary_data").unwrap();
                assert!(related["related_ids"]["order_id"].is_string());
                (&self.payments, "refund")
            }
            other => panic!("there is no resource type {other}"),
        };
        document.check(&Document::named(name), &resource, "resource");
    }

    /// Was every exception needed? What is none needs no line.
    pub(crate) fn has_met_every_exception(&self) -> bool {
        self.unlisted.borrow().len() == UNLISTED.len()
    }
}
