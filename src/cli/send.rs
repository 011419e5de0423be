//! `gurney send`: sends the messages of a file over MLLP, one after the other, and says what was answered.
//!
//! It waits for each answer before the next message goes out, and holds MSA-2 against MSH-10. The first message that is not
//! accepted, or not answered, does not keep the others from being sent; a lost connection does. Does not speak TLS.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    path::PathBuf,
    time::Duration,
};

use serde::Serialize;

use super::{
    Exit, Failure, check,
    daemon::{self, Access},
    data, hl7, print_json,
    text::{Align, Table},
};
use crate::{
    actors::clock::Clock,
    hl7::{Index, ack},
    node,
    settings::{LinkWire, Settings},
    units::limits,
    web::admin::protocol::{Request, Status},
    wire::mllp::{Decoder, Event, encode},
};

/// Arguments of `gurney send`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: gurney send adt.hl7 --to ehr\n         gurney send adt.hl7 --to 127.0.0.1:6661")]
pub(super) struct Arguments {
    /// File with messages, MLLP frames or not.
    file: PathBuf,
    /// Link of the configuration, or host and port.
    #[arg(long, value_name = "LINK|HOST:PORT")]
    to: String,
    /// Time an answer may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    #[command(flatten)]
    access: Access,
}

/// What came of one message.
#[derive(Debug, Serialize)]
struct Sent {
    message: usize,
    kind: String,
    control_id: String,
    code: Option<String>,
    accepted: bool,
    milliseconds: u64,
    fault: Option<String>,
}

/// What came of all.
#[derive(Debug, Serialize)]
struct Summary {
    to: SocketAddr,
    messages: usize,
    accepted: usize,
    results: Vec<Sent>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let payloads = hl7::payloads(&hl7::read(&arguments.file)?);
    if payloads.is_empty() {
        let text = format!("there is no message in {}: no line begins with MSH", arguments.file.display());
        return Err(Failure::new(Exit::BadData, text));
    }
    let address = address(arguments)?;
    let mut line = Line::connect(address, Duration::from_secs(arguments.timeout.max(1)))?;
    let mut results = Vec::new();
    for (number, payload) in (1..).zip(&payloads) {
        results.push(line.send(number, payload));
        if line.is_lost {
            break;
        }
    }
    let accepted = results.iter().filter(|sent| sent.accepted).count();
    let summary = Summary { to: address, messages: payloads.len(), accepted, results };
    let printed = if arguments.access.json { print_json(&summary) } else { data(&text(&summary)) };
    Ok(printed.unless(accepted < payloads.len()))
}

fn text(summary: &Summary) -> String {
    let mut table = Table::new(&[
        ("no.", Align::Right),
        ("type", Align::Left),
        ("control id", Align::Flexible),
        ("answer", Align::Left),
        ("ms", Align::Right),
        ("", Align::Flexible),
    ]);
    for sent in &summary.results {
        table.row([
            sent.message.to_string(),
            sent.kind.clone(),
            sent.control_id.clone(),
            sent.code.clone().unwrap_or_else(|| "-".to_owned()),
            sent.milliseconds.to_string(),
            sent.fault.clone().unwrap_or_default(),
        ]);
    }
    format!("{}\n{} of {} accepted by {}\n", table.text(), summary.accepted, summary.messages, summary.to)
}

/// Where `--to` points: host and port as they stand, or the address of a link.
fn address(arguments: &Arguments) -> Result<SocketAddr, Failure> {
    if arguments.to.contains(':') {
        let mut found = arguments
            .to
            .to_socket_addrs()
            .map_err(|error| Failure::new(Exit::Usage, format!("{} is no host and port: {error}", arguments.to)))?;
        return found.next().ok_or_else(|| Failure::new(Exit::Usage, format!("{} has no address", arguments.to)));
    }
    let loaded = check::load(arguments.access.config()).map_err(|error| {
        check::refuse(&error);
        Failure::new(
            Exit::Configuration,
            "a link is found by the configuration; name it with --config, or give host and port",
        )
    })?;
    of_link(&loaded.checked.settings, &arguments.to)
}

fn of_link(settings: &Settings, name: &str) -> Result<SocketAddr, Failure> {
    let usage = |text: String| Failure::new(Exit::Usage, text);
    let link = settings.links.iter().find(|link| link.name.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = settings.links.iter().map(|link| link.name.as_str()).collect();
        usage(format!("there is no link {name:?}; there are: {}", known.join(", ")))
    })?;
    let LinkWire::MllpServer(server) = &link.wire else {
        return Err(usage(format!("link {name} is no MLLP listener")));
    };
    if server.tls.is_some() {
        return Err(usage(format!("link {name} wants TLS, which this command does not speak")));
    }
    let mut address = server.listen;
    if address.port() == 0 {
        let status: Status = daemon::ask(&node::admin_socket(settings), &Request::Status)?;
        let bound = status.links.iter().find(|link| link.name == name).and_then(|link| link.at.parse().ok());
        address = bound.ok_or_else(|| usage(format!("link {name} has no address")))?;
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => [127, 0, 0, 1].into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

/// A connection that sends one message and waits for its answer.
struct Line {
    stream: TcpStream,
    decoder: Decoder,
    clock: Clock,
    is_lost: bool,
}

impl Line {
    fn connect(address: SocketAddr, timeout: Duration) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            let text = format!("cannot connect to {address}: {error}; is the box running, and does it listen there?");
            Failure::new(Exit::Unreachable, text)
        };
        let stream = TcpStream::connect_timeout(&address, limits::CONNECT_TIMEOUT).map_err(failed)?;
        stream.set_read_timeout(Some(timeout)).map_err(failed)?;
        stream.set_write_timeout(Some(limits::WRITE_TIMEOUT)).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let frame_max = usize::try_from(limits::FRAME_BYTES_DEFAULT).unwrap_or(usize::MAX);
        Ok(Self { stream, decoder: Decoder::new(frame_max), clock: Clock::start(), is_lost: false })
    }

    fn send(&mut self, number: usize, payload: &[u8]) -> Sent {
        let (kind, control_id) = names(payload);
        let began = self.clock.steady();
        let answered = self.exchange(payload);
        let milliseconds = u64::try_from(self.clock.steady().since(began).as_millis()).unwrap_or(u64::MAX);
        let mut sent = Sent {
            message: number,
            kind,
            control_id: String::from_utf8_lossy(&control_id).into_owned(),
            code: None,
            accepted: false,
            milliseconds,
            fault: None,
        };
        match answered {
            Ok(answer) => judge(&mut sent, &answer, &control_id),
            Err(error) => {
                self.is_lost = true;
                sent.fault = Some(lost(&error));
            }
        }
        sent
    }

    fn exchange(&mut self, payload: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        encode(&mut frame, payload);
        self.stream.write_all(&frame)?;
        let mut bytes = [0; 4096];
        loop {
            for event in &mut self.decoder {
                if let Event::Frame(answer) = event {
                    return Ok(answer);
                }
            }
            let count = self.stream.read(&mut bytes)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.decoder.push(bytes.get(..count).unwrap_or_default());
        }
    }
}

fn lost(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed without an answer".to_owned(),
        _ => error.to_string(),
    }
}

fn judge(sent: &mut Sent, answer: &[u8], control_id: &[u8]) {
    let reply = match ack::read(answer) {
        Ok(reply) => reply,
        Err(error) => {
            sent.fault = Some(format!("the answer is no acknowledgement: {error}"));
            return;
        }
    };
    sent.code = reply.code.map(|code| code.to_string());
    let is_positive = reply.code.is_some_and(ack::Code::is_positive);
    if reply.control_id != control_id {
        sent.fault = Some("MSA-2 is not the MSH-10 that was sent".to_owned());
        return;
    }
    sent.accepted = is_positive;
    if !is_positive {
        let code = String::from_utf8_lossy(&reply.error_code).into_owned();
        sent.fault = Some(if code.is_empty() { "refused".to_owned() } else { format!("refused, error {code}") });
    }
}

/// Type and control id of a message; empty where it has none.
fn names(payload: &[u8]) -> (String, Vec<u8>) {
    let Ok(index) = Index::of(payload) else { return (String::new(), Vec::new()) };
    let message = index.message(payload);
    let kind = message.message_type();
    let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (format!("{}^{}", word(kind.code), word(kind.trigger)), message.control_id().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answer: &[u8]) -> Sent {
        let mut sent = Sent {
            message: 1,
            kind: String::new(),
            control_id: "7".to_owned(),
            code: None,
            accepted: false,
            milliseconds: 0,
            fault: None,
        };
        judge(&mut sent, answer, b"7");
        sent
    }

    #[test]
    fn takes_only_a_positive_answer_to_its_own_message_as_accepted() {
        for (answer, accepted, code) in [
            (&b"MSH|^~\\&|||||1||ACK|9|P|2.5\rMSA|AA|7\r"[..], true, Some("AA")),
            (b"MSH|^~\\&|||||1||ACK|9|P|2.5\rMSA|CA|7\r", true, Some("CA")),
            (b"MSH|^~\\&|||||1||ACK|9|P|2.5\rMSA|AA|8\r", false, Some("AA")),
            (b"MSH|^~\\&|||||1||ACK|9|P|2.5\rMSA|AR|7\r", false, Some("AR")),
            (b"MSH|^~\\&|||||1||ACK|9|P|2.5\rMSA|XX|7\r", false, None),
            (b"hello", false, None),
        ] {
            let sent = judged(answer);
            assert_eq!((sent.accepted, sent.code.as_deref()), (accepted, code));
            assert_eq!(sent.fault.is_none(), accepted);
        }
    }
}
