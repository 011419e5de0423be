//! The HTTP listener actor: HL7 over HTTP, taken in as every other link does.
//!
//! Messages: [`Stop`] (reply when every connection has ended). Mailbox: the default bound. HTTP/1.1 and 1.0 are the
//! library's (actix-http), which refuses what two readers could understand differently: two lengths, a length beside
//! chunks, any transfer coding but chunks, HTTP/1.1 without Host. What is a message and how it is answered is in
//! `wire::hl7_over_http`. A positive answer leaves after the commit (INV-01), and the answers of one connection leave in the
//! order of its requests, one at a time. Bounds: heads by the library (128 KiB, 96 fields), bodies by `frame_max` and all
//! together by [`limits::HTTP_BYTES_AT_ONCE`], times by [`limits::HTTP_HEAD_TIMEOUT`], `frame_timeout` and `idle_timeout`.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use actix_http::{
    HttpMessage as _, HttpService, KeepAlive, Method, Protocol, Request, Response, StatusCode,
    body::BoxBody,
    header::{self, HeaderName},
};
use actix_web::dev::{Service as _, ServiceFactory as _, fn_service};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;

use self::{
    bearer::Tokens,
    body::Room,
    connection::{Bytes, Heard, State},
};
use super::{
    intake::{Answered, Intake},
    peers::{Caps, Peers},
    session::End,
};
use crate::{
    hl7::{Encoding, Index, Message as Hl7, Text, batch::split_messages},
    settings::{AcceptedContent, HttpServer},
    store::writer::Latch,
    telemetry::{LinkSignal, labels},
    units::limits,
    uplink::prepare,
    wire::{
        Cause,
        hl7_over_http::{ContentType, MediaType, Refusal, bearer},
    },
};

mod bearer;
mod body;
mod connection;

pub use bearer::Error;

/// Stops accepting, lets the requests under way have their answers, and ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The actor.
pub struct HttpListener {
    listener: Option<std::net::TcpListener>,
    shared: Rc<Shared>,
    peers: Rc<Peers>,
    stop: watch::Sender<bool>,
}

/// What the connections share.
struct Shared {
    intake: Intake,
    server: HttpServer,
    acceptor: Option<TlsAcceptor>,
    tokens: Option<Tokens>,
    room: Room,
}

impl HttpListener {
    /// Makes the actor around a bound listener.
    ///
    /// # Errors
    /// If its token cannot be read.
    pub fn new(
        listener: std::net::TcpListener,
        server: HttpServer,
        acceptor: Option<TlsAcceptor>,
        intake: Intake,
    ) -> Result<Self, Error> {
        let caps = Caps {
            allow: server.allow.clone(),
            connections_max: server.connections_max,
            per_peer_max: server.connections_per_peer_max,
        };
        let peers = Rc::new(Peers::new(intake.clone(), caps));
        let tokens = server.bearer.as_ref().map(Tokens::read).transpose()?;
        let room = Room::new(limits::HTTP_BYTES_AT_ONCE);
        let shared = Rc::new(Shared { intake, server, acceptor, tokens, room });
        Ok(Self { listener: Some(listener), shared, peers, stop: watch::Sender::new(false) })
    }
}

impl Actor for HttpListener {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let Some(listener) = self.listener.take() else { return };
        let (shared, stopping) = (Rc::clone(&self.shared), self.stop.subscribe());
        actix_rt::spawn(listen(listener, shared, Rc::clone(&self.peers), stopping));
    }
}

impl Handler<Stop> for HttpListener {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stop.send_replace(true);
        let peers = Rc::clone(&self.peers);
        Box::pin(async move { peers.gone().await })
    }
}

async fn listen(
    listener: std::net::TcpListener,
    shared: Rc<Shared>,
    peers: Rc<Peers>,
    stopping: watch::Receiver<bool>,
) {
    let (of_requests, until) = (Rc::clone(&shared), stopping.clone());
    let exchange = fn_service(move |request: Request| {
        let (shared, stopping) = (Rc::clone(&of_requests), until.clone());
        async move { Ok::<_, actix_http::Error>(shared.exchange(request, stopping).await) }
    });
    let service = HttpService::build()
        .keep_alive(KeepAlive::Timeout(shared.server.idle_timeout))
        .client_request_timeout(limits::HTTP_HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .on_connect_ext(|stream: &Heard, beside| {
            beside.insert(Rc::clone(&stream.state));
        })
        .finish(exchange)
        .new_service(());
    // Nothing in it can fail to be made.
    let Ok(service) = service.await else { return };
    let service = Rc::new(service);
    let (at, until) = (shared.server.listen, stopping.clone());
    let serve = move |stream, peer| {
        let (shared, service, until) = (Rc::clone(&shared), Rc::clone(&service), until.clone());
        async move {
            let stream = match shared.secure(stream, peer).await {
                Ok(stream) => stream,
                Err(end) => return end,
            };
            let state = Rc::new(State::new(Instant::now()));
            let heard = Heard { stream, state: Rc::clone(&state) };
            let served = service.call((heard, Protocol::Http1, Some(peer)));
            tokio::select! {
                served = served => match served {
                    Ok(()) => End::Closed,
                    Err(error) => End::Failed(io::Error::other(error.to_string())),
                },
                end = shared.watch(&state, until) => end,
            }
        }
    };
    peers.accept(listener, at, stopping, serve).await;
}

/// Time that the end of a connection may take.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest pause between two looks at a connection on which nothing is due.
const LOOK: Duration = Duration::from_secs(1);
/// Time for the last answer of a stopping box to leave.
const LINGER: Duration = Duration::from_millis(200);

impl Shared {
    async fn secure(&self, stream: TcpStream, peer: SocketAddr) -> Result<Box<dyn Bytes>, End> {
        prepare(&stream, limits::KEEPALIVE.0).map_err(End::Failed)?;
        let Some(acceptor) = &self.acceptor else { return Ok(Box::new(stream)) };
        match timeout(limits::HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => {
                let why = labels::Refusal::Tls;
                self.intake.telemetry.link(self.intake.link).tell(LinkSignal::PeerRefused { peer, why });
                Err(End::Failed(error))
            }
            Err(_) => Err(End::Idle),
        }
    }

    /// Ends when the peer is too slow with a request, or the box stops and none is under way.
    async fn watch(&self, state: &State, mut stopping: watch::Receiver<bool>) -> End {
        loop {
            let now = Instant::now();
            let deadline = state.deadline(limits::HTTP_HEAD_TIMEOUT, self.server.idle_timeout);
            if deadline.is_some_and(|deadline| deadline <= now) {
                return End::Idle;
            }
            let is_stopping = *stopping.borrow();
            if is_stopping && !state.is_busy() {
                sleep(LINGER).await;
                return End::Stopping;
            }
            let pause = if is_stopping { LINGER } else { LOOK };
            let look = deadline.map_or(now + pause, |deadline| deadline.min(now + pause));
            tokio::select! {
                _ = stopping.changed(), if !is_stopping => {}
                () = sleep_until(look) => {}
            }
        }
    }

    /// Answers one request.
    async fn exchange(&self, mut request: Request, stopping: watch::Receiver<bool>) -> Response<BoxBody> {
        let state = request.conn_data::<Rc<State>>().map(Rc::clone);
        if let Some(state) = &state {
            state.begin();
        }
        let answer = self.answer(&mut request, &stopping).await;
        if let Some(state) = &state {
            state.end(Instant::now());
        }
        // Links are told one after the other; the box as a whole stops before.
        let is_last = *stopping.borrow() || *self.intake.stopping.borrow();
        match answer {
            Ok(answer) => answer.respond(is_last),
            Err(refusal) => {
                self.tell(refusal, &request);
                refuse(refusal, is_last)
            }
        }
    }

    async fn answer(&self, request: &mut Request, stopping: &watch::Receiver<bool>) -> Result<Answer, Refusal> {
        let content = self.check(request)?;
        let most = usize::try_from(self.intake.settings.frame_max.0).unwrap_or(usize::MAX);
        if length_of(request)? > Some(most) {
            return Err(Refusal::TooLarge);
        }
        let mut share = self.room.share();
        let time = self.intake.settings.frame_timeout;
        let body = body::read(request.take_payload(), most, time, &mut share, stopping.clone()).await?;
        self.intake.telemetry.link(self.intake.link).bytes(body.len());
        self.look_into(&body, content.charset.as_deref())?;
        let charset = content.charset.as_deref().and_then(Encoding::named).map(Encoding::name);
        let answers = self.intake.take(body, &mut Index::default(), &Latch::default()).await;
        drop(share);
        let mut acknowledgements = Vec::new();
        for answer in answers {
            match answer {
                Answered::Write(bytes) | Answered::Send(bytes) => acknowledgements.extend(bytes),
                // There is no connection on which a later exchange could begin, so the settings ask for none.
                Answered::Silent | Answered::Later(_) => {}
                Answered::Close => return Err(Refusal::NotStored),
                Answered::Overdue => return Err(Refusal::Undelivered),
            }
        }
        Ok(Answer { media: content.media, charset, acknowledgements })
    }

    /// Whether the head of a request is that of a message.
    fn check(&self, request: &Request) -> Result<ContentType, Refusal> {
        if request.path() != self.server.path {
            return Err(Refusal::ElsewherePath);
        }
        if *request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        if self.tokens.as_ref().is_some_and(|tokens| !shown.is_some_and(|token| tokens.hold(token))) {
            return Err(Refusal::Unauthorized);
        }
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(Refusal::Encoded);
        }
        let takes_any = self.server.content == AcceptedContent::Any;
        let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
            let nothing = ContentType { media: MediaType::Hl7, charset: None };
            return if takes_any { Ok(nothing) } else { Err(Refusal::MediaType) };
        };
        let content = value.to_str().ok().and_then(ContentType::read).ok_or(Refusal::MediaType)?;
        if content.media.is_hl7() || takes_any { Ok(content) } else { Err(Refusal::MediaType) }
    }

    /// Whether a body holds a message, and is read in the character set that the request names. Messages are read by MSH-18
    /// and the link's settings alone, which go with them; a request that says otherwise would be misread.
    fn look_into(&self, body: &[u8], charset: Option<&str>) -> Result<(), Refusal> {
        let text = Text::of(body, self.intake.flows.charset(self.intake.link));
        let messages = split_messages(text.bytes());
        if messages.is_empty() {
            return Err(Refusal::NoMessage);
        }
        let Some(charset) = charset else { return Ok(()) };
        let named = Encoding::named(charset).ok_or(Refusal::Charset)?;
        if let Some(read_anew) = text.source() {
            return if read_anew == named { Ok(()) } else { Err(Refusal::Charset) };
        }
        let mut index = Index::default();
        for message in messages.into_iter().filter_map(|range| text.bytes().get(range)) {
            // What cannot be read is answered as what it is.
            if message.is_ascii() || index.parse(message).is_err() {
                continue;
            }
            if Hl7::new(message, &index).charset(text.configured()).encoding() != named {
                return Err(Refusal::Charset);
            }
        }
        Ok(())
    }

    fn tell(&self, refusal: Refusal, request: &Request) {
        let cause = match refusal {
            Refusal::Unauthorized => {
                let Some(peer) = request.peer_addr() else { return };
                let why = labels::Refusal::Bearer;
                return self.intake.telemetry.link(self.intake.link).tell(LinkSignal::PeerRefused { peer, why });
            }
            // The store and the couriers tell of these.
            Refusal::NotStored | Refusal::Undelivered | Refusal::TooMuch => return,
            Refusal::TooLarge => Cause::Oversize,
            Refusal::Late => Cause::Timeout,
            Refusal::Incomplete => Cause::Partial,
            _ => Cause::Malformed,
        };
        self.intake.noise(cause, Vec::new(), 0);
    }
}

/// The length that a request states, where it comes in one piece.
fn length_of(request: &Request) -> Result<Option<usize>, Refusal> {
    if request.chunked().unwrap_or(false) {
        return Ok(None);
    }
    let stated = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = stated.ok_or(Refusal::NoLength)?.trim().parse::<u64>().map_err(|_| Refusal::NoLength)?;
    Ok(Some(usize::try_from(length).unwrap_or(usize::MAX)))
}

/// The acknowledgements of a request.
struct Answer {
    media: MediaType,
    charset: Option<&'static str>,
    acknowledgements: Vec<u8>,
}

impl Answer {
    fn respond(self, is_last: bool) -> Response<BoxBody> {
        let has_none = self.acknowledgements.is_empty();
        let mut answer = Response::build(if has_none { StatusCode::NO_CONTENT } else { StatusCode::OK });
        if is_last {
            answer.force_close();
        }
        if has_none {
            return answer.body(()).map_into_boxed_body();
        }
        let media = self.media.as_str();
        let content = self.charset.map_or_else(|| media.to_owned(), |charset| format!("{media}; charset={charset}"));
        answer.insert_header((header::CONTENT_TYPE, content)).body(self.acknowledgements).map_into_boxed_body()
    }
}

/// Where the body was not read, the rest of the connection cannot be told from it: it ends.
fn refuse(refusal: Refusal, is_last: bool) -> Response<BoxBody> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = Response::build(status);
    let is_read = matches!(refusal, Refusal::NoMessage | Refusal::Charset | Refusal::Undelivered);
    if is_last || !is_read {
        answer.force_close();
    }
    let more: Option<(HeaderName, String)> = match refusal {
        Refusal::Method => Some((header::ALLOW, "POST".to_owned())),
        Refusal::Unauthorized => Some((header::WWW_AUTHENTICATE, "Bearer".to_owned())),
        _ if refusal.passes() => Some((header::RETRY_AFTER, limits::HTTP_RETRY_AFTER.as_secs().to_string())),
        _ => None,
    };
    if let Some(header) = more {
        answer.insert_header(header);
    }
    let content = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    answer.insert_header(content).body(refusal.words()).map_into_boxed_body()
}
