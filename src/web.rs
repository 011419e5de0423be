//! HTTP from the box: `/metrics`, `/live` and `/ready` on the metrics listener.
//!
//! One worker of its own, so a hammering scraper costs the feeds nothing. Gauges that mirror the store are read when they are
//! asked for. Answers hold names and numbers, never patient data.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, dev::Server, web};
use serde_json::json;

use crate::{
    actors::clock::Clock,
    settings::Settings,
    store::{
        pressure::Pressure,
        reader::{self, Reader},
        rows::{LANES, Names},
        shared::Shared,
    },
    telemetry::Telemetry,
};

pub mod admin;

/// What the listener shows.
#[derive(Clone)]
pub struct State {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The metrics.
    pub telemetry: Arc<Telemetry>,
    /// Facts of the journal thread.
    pub shared: Arc<Shared>,
    /// The store, for reading.
    pub reader: Reader,
    /// Names in rows.
    pub names: Arc<Names>,
    /// The clocks.
    pub clock: Clock,
}

/// Starts the listener; the caller polls what it returns.
///
/// # Errors
/// If the worker cannot be started.
pub fn serve(socket: TcpListener, state: State) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(state.clone()))
            .route("/metrics", web::get().to(metrics))
            .route("/live", web::get().to(live))
            .route("/ready", web::get().to(ready))
    });
    let server = server
        .workers(1)
        .backlog(64)
        .max_connections(64)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(1)
        .disable_signals()
        .listen(socket)?;
    Ok(server.run())
}

async fn metrics(state: web::Data<State>) -> HttpResponse {
    refresh(&state).await;
    match state.telemetry.gather() {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// The process answers, so it lives; a stuck part is the watchdog's to judge.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "live": true }))
}

async fn ready(state: web::Data<State>) -> HttpResponse {
    let missing = not_ready(&state);
    let body = json!({ "ready": missing.is_empty(), "not_ready": missing });
    if missing.is_empty() { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// What keeps the box from taking messages.
fn not_ready(state: &State) -> Vec<String> {
    let mut missing = Vec::new();
    if state.shared.pressure() == Pressure::Refuse {
        missing.push("store: full or failing, messages are refused".to_owned());
    }
    if state.shared.is_damaged() {
        missing.push("store: the integrity check found damage".to_owned());
    }
    for (index, link) in state.settings.links.iter().enumerate() {
        if !state.telemetry.link(index).is_up() {
            missing.push(format!("link {}: down", link.name));
        }
    }
    missing
}

/// Brings the gauges that mirror the store up to date.
async fn refresh(state: &State) {
    let usage = state.shared.usage();
    state.telemetry.store().size(usage.used, usage.disk_free);
    for index in 0..state.settings.destinations.len() {
        for priority in LANES {
            let depth = state.shared.depth(index, priority).max(0).cast_unsigned();
            state.telemetry.destination(index).waiting(priority, depth);
        }
    }
    let rows = state.names.destinations.clone();
    let read = state.reader.run(move |store| {
        let oldest = rows.iter().map(|row| reader::oldest(store, *row)).collect::<Result<Vec<_>, _>>()?;
        Ok((oldest, reader::aside_counts(store)?))
    });
    // A store that cannot be read shows its last state; the failure has a metric of its own.
    let Ok((oldest, asides)) = read.await else { return };
    let now = state.clock.wall();
    for (index, at) in oldest.into_iter().enumerate() {
        state.telemetry.destination(index).oldest(at.map_or(Duration::ZERO, |at| now.since(at)));
    }
    for index in 0..state.settings.flows.len() {
        let count = |kind: &str| {
            let of_flow =
                |(flow, found, _): &&(i64, String, i64)| state.names.flow_index(*flow) == Some(index) && found == kind;
            asides.iter().filter(of_flow).map(|(_, _, n)| n.cast_unsigned()).sum::<u64>()
        };
        state.telemetry.flow(index).dead_letters(count("dead_letter"));
        state.telemetry.flow(index).held(count("held"));
    }
}
