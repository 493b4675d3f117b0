//! openapi.json, made from the table of routes.

use serde_json::{Map, Value, json};

use super::keys::scope_name;
use super::routes::{Entry, Route, TABLE};
use crate::pay::Method;
use crate::velocity::Status;

/// The methods that stand for "any" in the document.
const ANY: [&str; 4] = ["get", "post", "put", "delete"];

/// The document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for entry in TABLE {
        let path = paths.entry(entry.path.replace("/*", "/{path}")).or_insert_with(|| json!({}));
        let methods = if entry.method == "*" {
            ANY.map(str::to_owned).to_vec()
        } else {
            vec![entry.method.to_ascii_lowercase()]
        };
        for method in methods {
            path[&method] = operation(entry, &method);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tollgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Scores payments for fraud risk.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
            },
            "schemas": schemas(),
        },
    })
}

fn operation(entry: &Entry, method: &str) -> Value {
    let mut operation = json!({
        "operationId": if entry.method == "*" { format!("{}_{method}", entry.name) } else { entry.name.to_owned() },
        "summary": entry.about,
        "responses": responses(entry.route),
    });
    if let Some(scope) = entry.scope {
        operation["security"] = json!([{ "bearer": [] }, { "key": [] }]);
        operation["description"] =
            format!("Needs the scope `{}` where keys are configured.", scope_name(scope)).into();
    }
    let parameters = parameters(entry);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = body(entry.route).filter(|_| method != "get") {
        operation["requestBody"] = body;
    }
    operation
}

fn parameters(entry: &Entry) -> Vec<Value> {
    let parameter = |place: &str, name: &str, about: &str, kind: &str| {
        json!({
            "in": place, "name": name, "description": about,
            "required": place == "path", "schema": { "type": kind },
        })
    };
    let mut all = Vec::new();
    if let Some((_, rest)) = entry.path.split_once('{') {
        let name = rest.split('}').next().unwrap_or_default();
        all.push(parameter("path", name, "Percent-encoded.", "string"));
    }
    if entry.path.ends_with("/*") {
        all.push(parameter("path", "path", "Anything.", "string"));
    }
    match entry.route {
        Route::Score => {
            all.push(parameter(
                "header",
                "idempotency-key",
                "The same answer for the same key and body.",
                "string",
            ));
            all.push(parameter(
                "header",
                "x-deadline-ms",
                "Milliseconds that are left for an answer.",
                "integer",
            ));
            all.push(parameter("header", "traceparent", "W3C trace context.", "string"));
        }
        Route::Decisions => {
            all.push(parameter("query", "limit", "How many, at most 200; 50 unless set.", "integer"));
            all.push(parameter("query", "outcome", "Those with this outcome alone.", "string"));
        }
        Route::DisputeFigures => {
            all.push(parameter("query", "month", "Such as 2026-11; this month unless set.", "string"))
        }
        Route::ListItems => {
            all.push(parameter("query", "after", "The last value of the page before.", "string"))
        }
        Route::ListDelete => all.push(parameter("query", "value", "The item, instead of a body.", "string")),
        Route::Pipeline => {
            all.push(parameter("query", "force", "Swap whatever changes.", "boolean"));
            all.push(parameter("query", "dry_run", "Only tell what would change.", "boolean"));
        }
        _ => {}
    }
    all
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn content(kind: &str, schema: Value) -> Value {
    json!({ kind: { "schema": schema } })
}

fn body(route: Route) -> Option<Value> {
    let (kind, schema, required) = match route {
        Route::Score | Route::Explain => ("application/json", reference("Payment"), true),
        Route::Batch => ("application/x-ndjson", json!({ "type": "string" }), true),
        Route::Settle => ("application/json", reference("Settlement"), true),
        Route::ListPut => ("application/json", reference("Item"), true),
        Route::ListLookup => ("application/json", reference("Value"), true),
        Route::Pipeline => ("application/json", reference("Folder"), false),
        Route::OrderCreate => ("application/json", reference("Order"), true),
        Route::Pay => ("application/json", reference("PaymentRequest"), true),
        Route::Refund | Route::Challenge | Route::Review | Route::Dispute | Route::Resolve => {
            ("application/json", json!({ "type": "object" }), true)
        }
        Route::Authz
        | Route::Signifyd
        | Route::Capture
        | Route::Void
        | Route::AuthenticatorEnrol
        | Route::Callback => ("application/json", json!({ "type": "object" }), false),
        _ => return None,
    };
    Some(json!({ "required": required, "content": content(kind, schema) }))
}

fn responses(route: Route) -> Value {
    let (kind, schema) = match route {
        Route::Score | Route::Decision => ("application/json", reference("Decision")),
        Route::Batch => ("application/x-ndjson", json!({ "type": "string" })),
        Route::Live | Route::Ready => ("text/plain", json!({ "type": "string" })),
        Route::Decisions => ("application/json", reference("Decisions")),
        Route::Brakes => ("application/json", reference("Brakes")),
        Route::Release => ("application/json", reference("Release")),
        Route::Reviews => ("application/json", json!({ "type": "array", "items": { "type": "object" } })),
        Route::Console => ("text/html", json!({ "type": "string" })),
        Route::ConsolePart => ("*/*", json!({ "type": "string" })),
        Route::Metrics => ("application/openmetrics-text", json!({ "type": "string" })),
        _ => ("application/json", json!({ "type": "object" })),
    };
    let problem = content("application/problem+json", reference("Problem"));
    let ok = match route {
        Route::Authz => json!({ "description": "It may pass; the headers x-risk-* say more." }),
        Route::Metrics => {
            let kinds = json!({ kind: { "schema": schema }, "text/plain": { "schema": schema } });
            json!({ "description": "OpenMetrics, or plain text for who accepts that alone.", "content": kinds })
        }
        _ => json!({ "description": "Done.", "content": content(kind, schema) }),
    };
    if matches!(route, Route::OrderCreate | Route::Pay | Route::AuthenticatorEnrol) {
        let made = json!({ "description": "It is new.", "content": ok["content"] });
        return json!({ "200": ok, "201": made, "default": { "description": "It was not done.", "content": problem } });
    }
    json!({ "200": ok, "default": { "description": "It was not done.", "content": problem } })
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "Payment": {
            "type": "object",
            "description": "The fields of the schema in force; `tollgate check --fields` lists them.",
            "required": ["id", "at", "amount"],
            "properties": {
                "id": text, "at": { "type": "string", "format": "date-time" },
                "amount": { "type": ["string", "number"] }, "currency": text,
                "merchant": text, "channel": text, "card": text, "account": text,
                "device": text, "ip": text, "email": text,
            },
        },
        "Decision": {
            "type": "object",
            "required": ["id", "outcome", "score", "degraded", "pipeline"],
            "properties": {
                "id": text,
                "outcome": { "enum": ["approve", "challenge", "review", "decline"] },
                "score": { "type": "integer", "minimum": 0, "maximum": 1000 },
                "probability": { "type": ["number", "null"] },
                "anomaly": { "type": ["number", "null"] },
                "rules": { "type": "array", "items": text },
                "reasons": { "type": "array", "items": { "type": "object" } },
                "model": { "type": "array", "items": { "type": "object" } },
                "challenger_score": { "type": ["integer", "null"] },
                "challenger_outcome": { "type": ["string", "null"] },
                "shadow": { "type": "array", "items": text },
                "degraded": { "type": "array", "items": text },
                "pipeline": text,
            },
        },
        "Decisions": {
            "type": "object", "required": ["decisions"],
            "properties": { "decisions": { "type": "array", "maxItems": 200, "items": {
                "type": "object", "required": ["at", "amount", "merchant", "channel", "decision"],
                "properties": {
                    "key": text, "at": { "type": "string", "format": "date-time" },
                    "amount": { "type": ["string", "null"] }, "merchant": { "type": ["string", "null"] },
                    "channel": { "type": ["string", "null"] }, "decision": reference("Decision"),
                },
            } } },
        },
        "Brakes": {
            "type": "object", "required": ["brakes"],
            "properties": { "brakes": { "type": "array", "items": {
                "type": "object", "required": ["rule", "brake", "shadow", "braked"],
                "properties": {
                    "rule": text, "brake": text, "shadow": { "type": "boolean" }, "braked": { "type": "boolean" },
                    "since": { "type": "string", "format": "date-time" },
                    "matches": { "type": "integer" }, "payments": { "type": "integer" },
                },
            } } },
        },
        "Release": {
            "type": "object", "required": ["rule", "released"],
            "properties": { "rule": text, "released": { "type": "boolean" } },
        },
        "Order": {
            "type": "object", "required": ["id", "amount"],
            "properties": { "id": text, "amount": text, "settlement": text },
            "example": { "id": "o1", "amount": "19.99 EUR" },
        },
        "PaymentRequest": {
            "type": "object", "required": ["order", "method"],
            "properties": {
                "order": text, "method": { "enum": Method::ALL.iter().map(|method| method.name()).collect::<Vec<_>>() },
                "attempt": { "type": "integer", "minimum": 1 },
                "card": {
                    "type": "object", "required": ["number", "expiry"],
                    "properties": { "number": text, "expiry": text, "cvv": text },
                },
                "code": text, "phone": text, "three_ds": { "type": "object" }, "facts": { "type": "object" },
            },
            "example": {
                "order": "o1", "method": "card",
                "card": { "number": "4111 1111 1111 1111", "expiry": "09/28", "cvv": "123" },
            },
        },
        "Value": { "type": "object", "required": ["value"], "properties": { "value": text } },
        "Settlement": {
            "type": "object", "required": ["status"],
            "oneOf": [{ "required": ["id"] }, { "required": ["payment"] }],
            "properties": { "id": text, "payment": reference("Payment"), "status": { "enum": Status::ALL.map(Status::name) }, "at": { "type": "string", "format": "date-time" } },
        },
        "Item": {
            "type": "object", "required": ["value"],
            "properties": {
                "value": text, "expires": { "type": "string", "format": "date-time" },
                "reason": text, "source": text,
            },
        },
        "Folder": {
            "type": "object", "required": ["files"],
            "properties": { "files": { "type": "object", "additionalProperties": text } },
        },
        "Problem": {
            "type": "object", "required": ["type", "title", "status"],
            "properties": {
                "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
                "field": text, "column": { "type": "integer" }, "remedy": text,
                "diagnostics": { "type": "array", "items": { "type": "object" } },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_listed() {
        let document = document();
        for entry in TABLE {
            let path = &document["paths"][entry.path.replace("/*", "/{path}")];
            let method =
                if entry.method == "*" { "post".to_owned() } else { entry.method.to_ascii_lowercase() };
            assert_eq!(path[&method]["summary"], entry.about);
        }
    }
}
