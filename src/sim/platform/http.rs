//! The platform's HTTP side: reads requests, runs the script, answers.
//!
//! A connection is closed without an answer by shutting down its socket, which `remember_socket` lays beside it.

use std::{any::Any, collections::HashMap, io, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    dev::Extensions,
    http::StatusCode,
    rt::net::TcpStream,
    web::{self, Bytes, Data, Json, Path, Query, ServiceConfig},
};
use futures_util::stream;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    Shared, State,
    book::{Answer, Call, Known, Subject},
    script::{Control, Fault, On},
    store::{Refusal, outcome},
};
use crate::sim::wall_clock;

/// Longest pause a script may ask for.
const SLOW_MAX: Duration = Duration::from_secs(600);

/// The socket of a connection.
struct Socket(socket2::Socket);

/// Lays the socket beside the connection.
pub(super) fn remember_socket(connection: &dyn Any, beside: &mut Extensions) {
    let stream = connection.downcast_ref::<TcpStream>();
    if let Some(socket) = stream.and_then(|stream| socket2::SockRef::from(stream).try_clone().ok()) {
        beside.insert(Socket(socket));
    }
}

/// The routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/inbound", web::post().to(inbound))
        .route("/fhir", web::post().to(fhir))
        .route("/fhir/", web::post().to(fhir))
        .route("/fhir/metadata", web::get().to(metadata))
        .route("/fhir/{type}", web::get().to(search))
        .route("/fhir/{type}/{id}", web::get().to(read))
        .route("/_report", web::get().to(report))
        .route("/_control", web::post().to(control));
}

async fn inbound(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    take(On::Inbound, &request, &body, &shared).await
}

async fn fhir(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    take(On::Fhir, &request, &body, &shared).await
}

async fn take(on: On, request: &HttpRequest, body: &[u8], shared: &Shared) -> HttpResponse {
    let call = call(request, body);
    let fault = shared.change(|state| {
        state.book.request(&call);
        state.script.next(on, body)
    });
    match fault {
        Fault::Ok => answer(&shared.change(|state| state.commit(on, &call))),
        Fault::Slow { ms } => {
            tokio::time::sleep(Duration::from_millis(ms).min(SLOW_MAX)).await;
            answer(&shared.change(|state| state.commit(on, &call)))
        }
        Fault::Down => {
            shared.change(|state| state.book.dropped());
            close(request)
        }
        Fault::Status { status, retry_after, retry_after_date } => {
            shared.change(|state| state.book.answered(status));
            refuse(status, retry_after_date.and_then(date).or(retry_after))
        }
        Fault::LoseResponse => {
            shared.change(|state| {
                state.commit(on, &call);
                state.book.lost_answer();
            });
            close(request)
        }
        Fault::CutResponse => {
            shared.change(|state| {
                state.commit(on, &call);
                state.book.lost_answer();
            });
            cut()
        }
    }
}

fn call<'a>(request: &'a HttpRequest, body: &'a [u8]) -> Call<'a> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    Call {
        key: header("idempotency-key"),
        journal: header("x-gurney-message").and_then(|text| text.parse().ok()),
        flow: header("x-gurney-flow"),
        trace: header("traceparent"),
        content_type: header("content-type"),
        body,
    }
}

impl State {
    /// Has the effect, unless the key had it before.
    fn commit(&mut self, on: On, call: &Call<'_>) -> (Answer, bool) {
        let (answer, replayed) = match self.book.look_up(call) {
            Known::Repeat(answer) => (answer, true),
            Known::Conflict => (refusal(422, "conflict", "the key was used with another body"), false),
            Known::Full => (refusal(507, "no-store", "the simulated platform is full"), false),
            Known::New => match self.effect(on, call.body) {
                Ok((answer, subject)) => {
                    self.book.enter(call, subject, &answer);
                    (answer, false)
                }
                Err(Refusal { status, code, text }) => (refusal(status, code, &text), false),
            },
        };
        self.book.answered(answer.status);
        (answer, replayed)
    }

    fn effect(&mut self, on: On, body: &[u8]) -> Result<(Answer, Subject), Refusal> {
        if on == On::Inbound {
            let subject = subject(body).ok_or_else(|| Refusal {
                status: 400,
                code: "structure",
                text: "expected an HL7 message".into(),
            })?;
            return Ok((Answer { status: 200, body: r#"{"status":"accepted"}"#.into() }, subject));
        }
        let bundle: Value = serde_json::from_slice(body).map_err(|fault| Refusal {
            status: 400,
            code: "structure",
            text: format!("not JSON at line {} column {}", fault.line(), fault.column()),
        })?;
        let (response, subject) = self.store.transaction(&bundle)?;
        Ok((Answer { status: 200, body: response.to_string() }, subject))
    }
}

/// MSH-10 and the patient (PID-3.1) of an HL7 message; without a patient its order is that of the sender.
fn subject(message: &[u8]) -> Option<Subject> {
    let separator = *message.strip_prefix(b"MSH")?.first()?;
    let is_end = |byte: &u8| *byte == b'\r' || *byte == b'\n';
    let field = |name: &[u8], number: usize| {
        let segment = message.split(is_end).find(|segment| segment.starts_with(name))?;
        let field = segment.split(|byte| *byte == separator).nth(number)?;
        Some(String::from_utf8_lossy(field).into_owned())
    };
    let control_id = field(b"MSH", 9)?;
    let component = message.get(4).copied().map_or('^', char::from);
    let patient = field(b"PID", 3).unwrap_or_default();
    let ordering_key = patient.split(component).next().unwrap_or_default().to_owned();
    Some(Subject { control_id: Some(control_id), ordering_key })
}

fn refusal(status: u16, code: &str, text: &str) -> Answer {
    Answer { status, body: outcome(code, text).to_string() }
}

fn answer((answer, replayed): &(Answer, bool)) -> HttpResponse {
    let mut response = builder(answer.status);
    if *replayed {
        response.insert_header(("Idempotency-Replayed", "true"));
    }
    response.content_type(FHIR_JSON).body(answer.body.clone())
}

fn refuse(status: u16, retry_after: Option<String>) -> HttpResponse {
    let code = match status {
        404 => "not-found",
        409 => "conflict",
        429 => "throttled",
        400..=499 => "invalid",
        _ => "transient",
    };
    let mut response = builder(status);
    if let Some(pause) = retry_after {
        response.insert_header(("Retry-After", pause));
    }
    response.content_type(FHIR_JSON).body(outcome(code, "as the script says").to_string())
}

fn builder(status: u16) -> HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

/// An HTTP date this many seconds from now (RFC 9110 §5.6.7).
fn date(seconds: i32) -> Option<String> {
    let at = wall_clock().checked_add(SignedDuration::from_secs(seconds.into())).ok()?;
    Some(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// Closes the connection; the answer that is returned finds nobody.
fn close(request: &HttpRequest) -> HttpResponse {
    if let Some(socket) = request.conn_data::<Socket>() {
        socket.0.shutdown(std::net::Shutdown::Both).ok(); // an error means that the peer was faster
    }
    HttpResponse::ServiceUnavailable().force_close().finish()
}

/// Announces 64 bytes, sends 10, and breaks off.
fn cut() -> HttpResponse {
    let begun = Ok(Bytes::from_static(b"{\"status\":"));
    let parts = stream::iter([begun, Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
    HttpResponse::Ok().content_type(FHIR_JSON).body(SizedStream::new(64, parts))
}

async fn metadata() -> HttpResponse {
    let capabilities = json!({
        "resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "date": "2026-01-01",
        "fhirVersion": "4.0.1", "format": ["json"],
        "rest": [{ "mode": "server", "interaction": [{ "code": "transaction" }] }],
    });
    HttpResponse::Ok().content_type(FHIR_JSON).body(capabilities.to_string())
}

async fn search(kind: Path<String>, query: Query<HashMap<String, String>>, shared: Data<Shared>) -> HttpResponse {
    let Some(token) = query.get("identifier") else {
        return refuse(400, None);
    };
    let state = shared.state();
    let found = state.store.search(&kind, token);
    let entries: Vec<Value> = found.iter().map(|resource| json!({ "resource": resource })).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries });
    HttpResponse::Ok().content_type(FHIR_JSON).body(bundle.to_string())
}

async fn read(place: Path<(String, String)>, shared: Data<Shared>) -> HttpResponse {
    let (kind, id) = place.into_inner();
    match shared.state().store.read(&kind, &id) {
        Some(resource) => HttpResponse::Ok().content_type(FHIR_JSON).body(resource.to_string()),
        None => refuse(404, None),
    }
}

async fn report(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().json(shared.state().report())
}

async fn control(control: Json<Control>, shared: Data<Shared>) -> HttpResponse {
    shared.change(|state| state.apply(control.into_inner()));
    HttpResponse::NoContent().finish()
}

const FHIR_JSON: &str = "application/fhir+json";
