//! The document: paths, parameters, bodies and answers, in the words of OpenAPI 3.1.

use std::collections::BTreeSet;

use claw_relay::route::{Op, ROUTES};
use protocol::Code;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::about::{About, Auth, Query, about};

/// The whole document.
pub fn document() -> Value {
    let mut schemas = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    schemas.inline_subschemas = false;
    let mut generator = schemas.into_generator();
    let mut paths = Map::new();
    for &(op, method, path) in ROUTES {
        let operation = operation(op, path, method, about(op), &mut generator);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method.to_lowercase()] = operation;
    }
    let problem = generator.subschema_for::<protocol::api::Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "claw-relay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Between chat apps and your own agents. Errors are RFC 9457 problem details; what each code \
                means, the WebSocket, and webhooks: docs/protocol.md.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "access": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "An access token, as signing in answers it." },
                "agent": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "An agent key, as POST /v1/agents/{agent}/keys answers it." },
                "operator": { "type": "http", "scheme": "bearer",
                    "description": "The one-time operator token that the relay was deployed with." },
            },
            "responses": { "Problem": {
                "description": "Why not. `type` is one of the codes of docs/protocol.md §8.",
                "content": { "application/problem+json": { "schema": problem } },
            } },
            "schemas": generator.take_definitions(true),
        },
    })
}

fn operation(op: Op, path: &str, method: &str, about: About, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = names(path).map(path_parameter).collect();
    parameters.extend(about.query.iter().map(query_parameter));
    let is_repeatable = method == "POST" && !matches!(op, Op::FileUpload | Op::ManServerUpload);
    if is_repeatable {
        let kept = match op {
            Op::Ticket => "30 s",
            _ if path.contains("/auth/") => "10 min",
            _ => "24 h",
        };
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": format!("The same key again, within {kept}, does nothing and answers the same."),
            "schema": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$" },
        }));
    }
    let mut operation = json!({
        "operationId": format!("{op:?}"),
        "summary": about.summary,
        "tags": [tag(path)],
        "parameters": parameters,
        "responses": responses(op, &about, path, is_repeatable, generator),
        "security": security(about.auth),
    });
    if matches!(op, Op::FileUpload | Op::FilePut) {
        operation["requestBody"] = json!({ "required": true, "content": bytes() });
    }
    if op == Op::ManServerUpload {
        let file = json!({ "type": "string", "format": "binary", "minLength": 1 });
        let form = json!({ "type": "object", "properties": { "file": file }, "required": ["file"] });
        operation["requestBody"] =
            json!({ "required": true, "content": { "multipart/form-data": { "schema": form } } });
    }
    if let Some((schema, is_required)) = about.body {
        let schema = schema(generator);
        operation["requestBody"] =
            json!({ "required": is_required, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn responses(op: Op, about: &About, path: &str, is_repeatable: bool, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let (status, meaning, schema) = &about.answer;
    let mut answer = json!({ "description": meaning });
    if let Some(schema) = schema {
        answer["content"] = json!({ "application/json": { "schema": schema(generator) } });
    }
    responses.insert(status.to_string(), answer);
    if matches!(op, Op::FileRead | Op::ManServerDownload) {
        responses.clear();
        responses.insert("200".into(), json!({ "description": "Here it is.", "content": bytes() }));
        responses.insert("206".into(), json!({ "description": "A part of it.", "content": bytes() }));
    }
    let mut codes: BTreeSet<u16> = about.fails.iter().map(|code| code.status()).collect();
    codes.insert(Code::Unavailable.status());
    if op != Op::Health {
        codes.insert(Code::RateLimited.status());
    }
    if about.auth != Auth::Open {
        codes.insert(Code::Unauthorized.status());
    }
    if about.auth == Auth::Operator {
        codes.insert(Code::Forbidden.status());
    }
    if path.contains('{') || !about.query.is_empty() {
        codes.insert(Code::BadRequest.status());
    }
    if about.body.is_some() {
        codes.extend([Code::BadRequest, Code::BodyTooLarge, Code::UnsupportedMediaType].map(Code::status));
    }
    if is_repeatable {
        codes.extend([Code::BadRequest, Code::BodyTooLarge, Code::Conflict].map(Code::status));
    }
    for status in codes {
        responses.insert(status.to_string(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    Value::Object(responses)
}

fn bytes() -> Value {
    json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } })
}

fn security(auth: Auth) -> Value {
    match auth {
        Auth::Open => json!([]),
        Auth::Access | Auth::Operator => json!([{ "access": [] }]),
        Auth::AccessOrAgent => json!([{ "access": [] }, { "agent": [] }]),
        Auth::OperatorToken => json!([{ "operator": [] }]),
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let schema = match name {
        "seq" => json!({ "type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_991_u64 }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn query_parameter(query: &Query) -> Value {
    let schema = match query.range {
        Some((min, max)) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        None => json!({ "type": "string" }),
    };
    let (name, required) = (query.name, query.is_required);
    json!({ "name": name, "in": "query", "required": required, "description": query.meaning, "schema": schema })
}

fn tag(path: &str) -> &'static str {
    let is = |prefix: &str| path.starts_with(prefix);
    TAGS.iter().find(|(prefix, _, _)| is(prefix)).map_or("operation", |(_, tag, _)| tag)
}

fn tags() -> Value {
    let tags = TAGS.iter().map(|(_, name, description)| json!({ "name": name, "description": description }));
    Value::Array(tags.collect())
}

const TAGS: &[(&str, &str, &str)] = &[
    ("/healthz", "operation", "Whether it works · 运行状态"),
    ("/v1/auth", "signing in", "Sign up, in and out · 注册与登录"),
    ("/v1/me", "me", "Profile, sessions, export, deletion · 我的账号"),
    ("/v1/agents", "agents", "Agents and their keys · 智能体与密钥"),
    ("/v1/identities", "identities", "Which senders in chat apps are me · 聊天身份"),
    ("/v1/pairings", "identities", "Which senders in chat apps are me · 聊天身份"),
    ("/v1/admin", "operators", "Bot accounts, users, audit · 运营"),
    ("/v1/", "timeline", "Conversations, messages, what became of them · 会话与消息"),
    ("/ocms/", "other clients", "ManServer, the older relay's plugin · 已有的客户端"),
    ("/openclaw", "other clients", "ManServer, the older relay's plugin · 已有的客户端"),
];
