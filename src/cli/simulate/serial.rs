//! `gurney simulate serial`: the other end of a serial link, on a pseudo terminal.
//!
//! The keys of the link are those of the configuration, as Gurney's end of the line has them; `--peer-of` takes them from the
//! site itself. The device is always the opposite end.

use std::{fs, path::PathBuf, str::FromStr, time::Duration};

use clap::ValueEnum;

use super::{
    ConfigArgument, Dialect, DialectName, Exit, Failure, Traffic, check, data, hl7, note, print_json, progress,
    until_stopped,
};
use crate::{
    settings::{self, Faults, Framing, Known, Link, LinkWire, Paint, Parity, SerialPort},
    sim::{
        self,
        ehr::Clock,
        noise::{Misheard, Shape},
        serial::{Noise, Role, SerialOptions, SerialSummary, SerialTally, Speech},
    },
    units::Timestamp,
};

pub(super) const HELP: &str = "\
A sender repeats a message until it is acknowledged; it exits with 1 if one was not. --noise takes, in any order:
  flips=N   bytes in a million with one bit flipped      drops=N   bytes in a million that are lost
  bursts=N  frames in a thousand behind random bytes     mutes=N   frames in a thousand that do not arrive
  unplug=N  pulls the plug inside a frame, about each N bytes, and puts it in again 0.3 s later
Over a line without a check, as MLLP is, a flipped bit inside a message passes unseen.
Examples: gurney simulate serial --port /tmp/bedboard --messages 20
          gurney simulate serial --port /tmp/lab --framing lis01 --messages 50 --noise flips=300,drops=100,unplug=20000
          gurney simulate serial --port /tmp/lab --framing hllp --key 'checksum = \"sum\"' --file adt.hl7
          gurney simulate serial --peer-of bedboard --config /etc/gurney/gurney.toml --heard \"19200 8N1\"";

/// Arguments of `gurney simulate serial`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name that the port gets: a symbolic link to the pseudo terminal.
    #[arg(long, visible_alias = "link", value_name = "PATH", required_unless_present = "peer_of")]
    port: Option<PathBuf>,
    /// Is the other end of this serial link of the site: takes port, speed and protocol from the configuration.
    #[arg(long, value_name = "LINK", conflicts_with_all = ["framing", "key"])]
    peer_of: Option<String>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Protocol of the link.
    #[arg(long, value_enum, default_value = "mllp")]
    framing: FramingName,
    /// A further key of the link, as the configuration has it: 'hllp = { count_digits = 0 }'. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    key: Vec<String>,
    /// Which end it is: a sender (the instrument of LIS01-A2) or a receiver (its host).
    #[arg(long, value_enum, default_value = "sender")]
    role: RoleName,
    /// What it sends; by default what fits the protocol.
    #[arg(long, value_enum)]
    content: Option<ContentName>,
    /// Sends the messages of this file, or of the files of this folder, once each.
    #[arg(long, value_name = "PATH", conflicts_with = "content")]
    file: Option<PathBuf>,
    /// Folder in which a receiver puts what it takes, each message in a file.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Bits per second; 0 sends as fast as the terminal takes it.
    #[arg(long, value_name = "N", default_value_t = 9600)]
    baud: u32,
    /// Milliseconds between an answer and the next message.
    #[arg(long, value_name = "N", default_value_t = 500)]
    gap: u64,
    /// Messages per second at the most, in place of --gap.
    #[arg(long, value_name = "N", conflicts_with = "gap")]
    rate: Option<f64>,
    /// Milliseconds an answer may take over MLLP before the message goes again; other protocols have keys for it.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    patience: u64,
    /// How often a message is sent before it is given up; without it, it is repeated until it is acknowledged.
    #[arg(long, value_name = "N")]
    tries: Option<u32>,
    /// Refuses one message of so many, as a receiver.
    #[arg(long, value_name = "N")]
    refuse_every: Option<u64>,
    /// Neither sends nor listens any more after so many messages, as a device that hangs.
    #[arg(long, value_name = "N")]
    stuck_after: Option<u64>,
    /// How it writes HL7.
    #[arg(long, value_enum, default_value = "legacy")]
    dialect: DialectName,
    /// What the line does to bytes: flips, drops, bursts, mutes, unplug.
    #[arg(long, value_name = "KEY=N,...", value_delimiter = ',')]
    noise: Vec<Disturbance>,
    /// The other end of the line is set like this, such as "19200 8N1": it hears what a receiver at that speed would.
    #[arg(long, value_name = "LINE")]
    heard: Option<String>,
    #[command(flatten)]
    traffic: Traffic,
}

/// Protocols of a serial link.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FramingName {
    /// MLLP.
    Mllp,
    /// HLLP.
    Hllp,
    /// LIS01-A2, ASTM E1381.
    Lis01,
    /// Framed lines of text.
    Line,
}

/// Ends of a link.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// Has messages.
    #[value(alias = "instrument")]
    Sender,
    /// Takes messages.
    #[value(alias = "host")]
    Receiver,
}

/// What a device talks about.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ContentName {
    /// ADT and ORM messages.
    Hl7,
    /// Laboratory results as LIS02-A2 records.
    Records,
    /// Lines of a nurse call.
    Calls,
}

/// One kind of noise and how much of it.
#[derive(Clone, Copy, Debug)]
struct Disturbance(fn(&mut Noise, u32), u32);

impl FromStr for Disturbance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("{text:?} is not a kind of noise; write flips=N, drops=N, bursts=N, mutes=N or unplug=N");
        let (key, number) = text.split_once('=').ok_or_else(wanted)?;
        let set: fn(&mut Noise, u32) = match key {
            "flips" => |noise, number| noise.flips_per_million = number,
            "drops" => |noise, number| noise.drops_per_million = number,
            "bursts" => |noise, number| noise.bursts_per_thousand = number,
            "mutes" => |noise, number| noise.mutes_per_thousand = number,
            "unplug" => |noise, number| noise.unplug_every = (number > 0).then_some(number),
            _ => return Err(wanted()),
        };
        Ok(Self(set, number.parse().map_err(|_| wanted())?))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let link = link(arguments)?;
    let LinkWire::Serial(port) = &link.wire else {
        return Err(Failure::new(Exit::Usage, "that link is no serial link"));
    };
    let options = options(arguments, &link, port)?;
    note(&format!("the port is {}, {}", options.port.display(), line_text(port)));
    let json = arguments.traffic.json;
    let summary = until_stopped(|stop| sim::run_serial(options, stop, |tally| progress(&counts(tally))))?;
    let printed = if json { print_json(&summary) } else { data(&text(&summary)) };
    Ok(printed.unless(summary.unacknowledged > 0))
}

/// The link whose other end is simulated.
fn link(arguments: &Arguments) -> Result<Link, Failure> {
    if let Some(name) = &arguments.peer_of {
        let loaded = check::load(&arguments.config).map_err(|error| {
            check::refuse(&error);
            Failure::new(Exit::Configuration, "name the site's configuration with --config FILE")
        })?;
        let links = loaded.checked.settings.links;
        let known: Vec<String> = links.iter().map(|link| link.name.to_string()).collect();
        return links.into_iter().find(|link| link.name.as_str() == name.as_str()).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("there is no link {name:?}; there are: {}", known.join(", ")))
        });
    }
    let framing = match arguments.framing {
        FramingName::Mllp => "mllp",
        FramingName::Hllp => "hllp",
        FramingName::Lis01 => "lis01",
        FramingName::Line => "line",
    };
    let keys = arguments.key.join("\n");
    let baud = if arguments.baud == 0 { 115_200 } else { arguments.baud };
    let shape = if arguments.key.iter().any(|key| key.trim_start().starts_with("line ") || key.starts_with("line=")) {
        String::new()
    } else {
        format!("line = \"{baud} 8N1\"\n")
    };
    bare(&format!("port = \"/dev/null\"\n{shape}framing = \"{framing}\"\n{keys}"), "the keys of the link")
}

/// A serial link made of keys.
fn bare(keys: &str, named: &str) -> Result<Link, Failure> {
    let known = Known::nothing(Timestamp(0));
    settings::read_serial(named, keys, &known).map_err(|faults: Faults| {
        note(&faults.render(Paint::Plain));
        Failure::new(Exit::Usage, format!("{named}: {}", faults.summary()))
    })
}

fn options(arguments: &Arguments, link: &Link, port: &SerialPort) -> Result<SerialOptions, Failure> {
    let traffic = &arguments.traffic;
    let mut noise = Noise::default();
    for Disturbance(set, number) in &arguments.noise {
        set(&mut noise, *number);
    }
    if let Some(heard) = &arguments.heard {
        let keys = format!("port = \"/dev/null\"\nline = \"{heard}\"\nframing = \"mllp\"");
        let LinkWire::Serial(other) = bare(&keys, "--heard")?.wire else {
            return Err(Failure::new(Exit::Usage, "--heard"));
        };
        noise.misheard = Some(Misheard { sent: shape(port), heard: shape(&other) });
    }
    let gap = match arguments.rate {
        Some(rate) if rate > 0.0 => Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX),
        Some(_) => Duration::ZERO,
        None => Duration::from_millis(arguments.gap),
    };
    let is_paced = arguments.baud > 0;
    Ok(SerialOptions {
        port: arguments.port.clone().unwrap_or_else(|| port.port.clone()),
        framing: link.framing.clone(),
        frame_gap: port.gap_max(),
        role: match arguments.role {
            RoleName::Sender => Role::Sender,
            RoleName::Receiver => Role::Receiver,
        },
        speech: speech(arguments, &link.framing)?,
        baud: is_paced.then_some(port.baud),
        messages: traffic.messages,
        duration: traffic.seconds.map(Duration::from_secs),
        gap,
        answer_timeout: Duration::from_millis(arguments.patience),
        tries: arguments.tries,
        refuse_every: arguments.refuse_every.filter(|every| *every > 0),
        stuck_after: arguments.stuck_after,
        into: arguments.into.clone(),
        noise,
        seed: traffic.seed,
        dialect: Dialect::from(arguments.dialect),
        size: traffic.size,
        clock: Clock::Wall,
        ..SerialOptions::default()
    })
}

fn speech(arguments: &Arguments, framing: &Framing) -> Result<Speech, Failure> {
    if let Some(path) = &arguments.file {
        return given(path).map(Speech::Given);
    }
    Ok(match (arguments.content, framing) {
        (Some(ContentName::Hl7), _) | (None, Framing::Mllp(_) | Framing::Hllp(_)) => Speech::Hl7,
        (Some(ContentName::Records), _) | (None, Framing::Lis01(_)) => Speech::Records,
        (Some(ContentName::Calls), _) | (None, Framing::Line(_)) => Speech::Calls,
    })
}

/// The messages of a file, or of all files of a folder in the order of their names. A file that holds no HL7 is one message.
fn given(path: &PathBuf) -> Result<Vec<Vec<u8>>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::BadData, format!("cannot read {}: {error}", path.display()));
    let mut files = vec![path.clone()];
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(failed)?;
        files = entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>().map_err(failed)?;
        files.retain(|file| file.is_file());
        files.sort();
    }
    let mut messages = Vec::new();
    for file in files {
        let bytes = hl7::read(&file)?;
        let payloads = hl7::payloads(&bytes);
        if payloads.is_empty() && !bytes.is_empty() {
            messages.push(bytes);
            continue;
        }
        messages.extend(payloads);
    }
    if messages.is_empty() {
        return Err(Failure::new(Exit::BadData, format!("there is no message in {}", path.display())));
    }
    Ok(messages)
}

fn shape(port: &SerialPort) -> Shape {
    Shape::new(port.baud, port.data_bits, port.parity, port.stop_bits)
}

fn line_text(port: &SerialPort) -> String {
    let parity = match port.parity {
        Parity::None => 'N',
        Parity::Even => 'E',
        Parity::Odd => 'O',
    };
    format!("{} {}{parity}{}", port.baud, port.data_bits, port.stop_bits)
}

fn counts(tally: &SerialTally) -> Vec<(&'static str, u64)> {
    let all = [
        ("made", tally.made),
        ("acknowledged", tally.acknowledged),
        ("sent one way", tally.unproven),
        ("received", tally.received),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// One line: the first counts always where something was sent, the others where there are any.
fn text(summary: &SerialSummary) -> String {
    let tally = &summary.tally;
    let mut words = Vec::new();
    if tally.made > 0 || tally.received == 0 {
        words.push(format!("{} made, {} acknowledged", tally.made, tally.acknowledged));
    }
    let more = [
        (tally.unproven, "sent one way"),
        (tally.received, "received"),
        (tally.duplicates, "received again"),
        (tally.turned_away, "turned away"),
        (tally.repeated, "sent again"),
        (tally.retransmitted, "frames sent again"),
        (tally.refused, "refused"),
        (tally.timeouts, "without an answer in time"),
        (tally.given_up, "given up"),
        (tally.damaged, "bytes damaged"),
        (tally.unplugs, "times unplugged"),
        (summary.unacknowledged, "never acknowledged"),
    ];
    words.extend(more.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    words.join(", ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kinds_of_noise_and_refuses_others() {
        let mut noise = Noise::default();
        for text in ["flips=300", "drops=1", "bursts=2", "mutes=3", "unplug=20000"] {
            let Disturbance(set, number) = text.parse().unwrap();
            set(&mut noise, number);
        }
        let all = (noise.flips_per_million, noise.drops_per_million, noise.bursts_per_thousand);
        assert_eq!((all, noise.mutes_per_thousand, noise.unplug_every), ((300, 1, 2), 3, Some(20_000)));
        for text in ["flips", "flips=many", "hum=3"] {
            assert!(text.parse::<Disturbance>().is_err(), "{text}");
        }
    }

    #[test]
    fn takes_the_keys_of_a_link_as_the_configuration_spells_them() {
        let link =
            bare("port = \"/dev/null\"\nline = \"9600 7E1\"\nframing = \"hllp\"\nchecksum = \"sum\"", "keys").unwrap();
        assert!(matches!(link.framing, Framing::Hllp(options) if options.checksum == crate::wire::hllp::Checksum::Sum));
        let wrong = bare("port = \"/dev/null\"\nline = \"9600 7E1\"\nframing = \"hllp\"\nchecksum = \"crc\"", "keys");
        assert_eq!(wrong.unwrap_err().exit, Exit::Usage);
    }
}
