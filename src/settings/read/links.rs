//! Reads links: `[mllp.NAME]`, `[serial.NAME]`, `[folder.NAME]`, `[http_in.NAME]`.

use super::{Reader, destinations::NamedDestination};
use crate::{
    ids::Name,
    settings::{
        Content, DialectRef, FlowControl, Framing, Link, LinkWire, MllpServer, ProfileRef, SerialPort, WhenRefused,
        complaint::{Complaint, listed, quoted},
        fields::Fields,
        keys::{PLAINTEXT, SERVER_TLS, dialed, inbound, link, serial},
        merge::Entry,
        suggest::did_you_mean,
        words::{LineShape, PortAddress},
    },
    units::limits,
    wire::mllp,
};

impl Reader<'_> {
    pub(super) fn link(&mut self, entry: &Entry<'_>, destinations: &[NamedDestination<'_>]) -> Option<Link> {
        let fields = &entry.fields;
        let kind = entry.section.kind;
        let (is_serial, is_mllp) = (kind == link::SERIAL.kind, kind == link::MLLP.kind);
        let is_folder = kind == inbound::FOLDER.kind;
        let ack = fields.read(&link::ACK, &mut self.found);
        let frame_max = fields.read(&link::FRAME_MAX, &mut self.found);
        // A file does not arrive: it is there.
        let frame_timeout = match is_folder {
            true => Some(limits::FRAME_TIMEOUT),
            false => fields.read(&link::FRAME_TIMEOUT, &mut self.found),
        };
        let zone = fields.read(&link::LINK_ZONE, &mut self.found);
        let charset = fields.read(&link::CHARSET, &mut self.found);
        let batch_ack = fields.read(&link::BATCH_ACK, &mut self.found);
        let profile = fields.read(&link::PROFILE, &mut self.found);
        if let Some(profile) = &profile {
            self.check_profile(fields, profile);
        }
        let dialect = fields.read(&link::DIALECT, &mut self.found);
        if let Some(dialect) = dialect.as_ref().filter(|_| fields.has(&link::DIALECT)) {
            self.check_dialect(fields, dialect);
        }
        let answering = self.answering(entry, destinations);
        let framing = if is_serial {
            self.framing(fields, charset)
        } else if is_mllp {
            self.mllp_framing(fields, charset).map(Framing::Mllp)
        } else {
            // A file or body is a frame as it is; what is too large is answered as over MLLP.
            Some(Framing::Mllp(mllp::Options::default()))
        };
        let content = if is_serial { self.content(fields, framing.as_ref()) } else { Content::Hl7 };
        let wire = match kind {
            _ if is_serial => self.serial(entry, framing.as_ref()),
            _ if is_folder => self.folder_watch(entry),
            _ if fields.has(&dialed::CONNECT) && is_mllp => self.mllp_client(entry),
            _ if is_mllp => self.mllp(entry),
            _ => self.http_in(entry),
        };
        let when_refused = if is_serial || is_folder {
            // A line cannot be closed; silence is what makes the device send again. A file stays where it is.
            Some(WhenRefused::Close)
        } else {
            fields.read(&link::WHEN_REFUSED, &mut self.found)
        };
        let frame_max = frame_max?;
        if self.largest_frame.as_ref().is_none_or(|(largest, _)| frame_max > *largest) {
            self.largest_frame = Some((frame_max, fields.place(&link::FRAME_MAX)));
        }
        Some(Link {
            name: Name::new(entry.name),
            ack: ack?,
            when_refused: when_refused?,
            answering: answering?,
            frame_max,
            zone,
            charset,
            batch_ack: batch_ack?,
            profile,
            dialect: dialect?,
            frame_timeout: frame_timeout?,
            framing: framing?,
            content,
            wire: wire?,
        })
    }

    fn check_profile(&mut self, fields: &Fields<'_>, profile: &ProfileRef) {
        let help = absent("profile", self.known.profiles, (&profile.name, profile.version));
        if let Some((message, help)) = help {
            self.found.push(Complaint::new(fields.place(&link::PROFILE), message).help(help));
        }
    }

    fn check_dialect(&mut self, fields: &Fields<'_>, dialect: &DialectRef) {
        let help = absent("dialect", self.known.dialects, (&dialect.name, dialect.version));
        if let Some((message, help)) = help {
            self.found.push(Complaint::new(fields.place(&link::DIALECT), message).help(help));
        }
    }

    fn mllp(&mut self, entry: &Entry<'_>) -> Option<LinkWire> {
        let fields = &entry.fields;
        let listen = fields.read(&link::MLLP_LISTEN, &mut self.found);
        let allow = fields.read(&link::ALLOW, &mut self.found);
        let caps = self.caps(fields);
        let idle_timeout = fields.read(&link::IDLE_TIMEOUT, &mut self.found);
        let tls = fields.read(&SERVER_TLS, &mut self.found);
        let plaintext = fields.read(&PLAINTEXT, &mut self.found);
        if let Some(listen) = listen {
            self.listens(listen, entry, &link::MLLP_LISTEN);
            let is_exposed = !listen.ip().is_loopback();
            let in_plain = is_exposed && !fields.has(&SERVER_TLS);
            let exposed = in_plain.then(|| fields.place(&link::MLLP_LISTEN));
            let way_out = format!("encrypt it: tls = {}", SERVER_TLS.example);
            self.check_plaintext(fields, exposed, plaintext.as_ref(), &way_out);
            let lets_all_in = allow.as_ref().is_some_and(Vec::is_empty);
            let asks_for_certificates = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
            if is_exposed && lets_all_in && !asks_for_certificates {
                let message = "every host that reaches this address may send";
                let help = format!("name the senders' networks: allow = {}", link::ALLOW.example);
                self.found.push(Complaint::warning(fields.place(&link::MLLP_LISTEN), message).help(help));
            }
        }
        let (connections_max, connections_per_peer_max) = caps?;
        Some(LinkWire::MllpServer(MllpServer {
            listen: listen?,
            allow: allow?,
            connections_max,
            connections_per_peer_max,
            idle_timeout: idle_timeout?,
            tls,
        }))
    }

    /// How many connections a listener serves, of all peers and of one.
    pub(super) fn caps(&mut self, fields: &Fields<'_>) -> Option<(usize, usize)> {
        let connections_max = fields.read(&link::CONNECTIONS_MAX, &mut self.found);
        let per_peer = fields.read(&link::CONNECTIONS_PER_PEER, &mut self.found);
        let (connections_max, per_peer) = (connections_max?, per_peer?);
        if fields.has(&link::CONNECTIONS_PER_PEER) && per_peer > connections_max {
            let message = format!("one address may not hold more than all {connections_max} connections");
            let complaint = Complaint::new(fields.place(&link::CONNECTIONS_PER_PEER), message);
            self.found.push(complaint.help("make it smaller, or `connections_max` larger"));
        }
        Some((connections_max, per_peer.min(connections_max)))
    }

    fn serial(&mut self, entry: &Entry<'_>, framing: Option<&Framing>) -> Option<LinkWire> {
        let fields = &entry.fields;
        let port = fields.read(&link::PORT, &mut self.found);
        if let Some(port) = &port {
            self.devices.push((port.device(), fields.place(&link::PORT)));
        }
        if let Some(PortAddress::Tcp(peer)) = &port {
            return self.terminal_server(entry, peer, framing);
        }
        // A port that cannot be read may be one that needs no line.
        let may_be_device = port.is_some() || !fields.has(&link::PORT);
        if may_be_device && !fields.has(&link::LINE) {
            fields.complain_of_absence(&link::LINE, "both ends of a serial line must agree on it", &mut self.found);
        }
        if fields.has(&PLAINTEXT) {
            let warning = Complaint::warning(fields.key_place(&PLAINTEXT), "a device at this box is on no network");
            self.found.push(warning.help("take `plaintext` away"));
        }
        let line = fields.read(&link::LINE, &mut self.found);
        let flow_control = fields.read(&serial::FLOW_CONTROL, &mut self.found);
        let gap = fields.read(&serial::GAP, &mut self.found);
        let silence = fields.read(&serial::SILENCE, &mut self.found);
        let carrier = fields.read(&serial::CARRIER, &mut self.found);
        let write_timeout = fields.read(&serial::WRITE_TIMEOUT, &mut self.found);
        let duplex = fields.read(&serial::DUPLEX, &mut self.found);
        if flow_control == Some(FlowControl::Software)
            && let Some(why) = no_xon_xoff(framing, line.as_ref())
        {
            let complaint = Complaint::new(fields.place(&serial::FLOW_CONTROL), "`xon-xoff` cannot be used here");
            self.found.push(complaint.help(why));
        }
        let line = line?;
        if line.data_bits == 7 {
            let message = "a line of 7 data bits carries no letters beyond ASCII";
            let help = "use 8 data bits if the device can; otherwise names with other letters arrive wrong";
            self.found.push(Complaint::warning(fields.place(&link::LINE), message).help(help));
        }
        Some(LinkWire::Serial(SerialPort {
            port: port?.device(),
            baud: line.baud,
            data_bits: line.data_bits,
            parity: line.parity,
            stop_bits: line.stop_bits,
            flow_control: flow_control?,
            gap,
            silence,
            carrier: carrier?,
            write_timeout: write_timeout?,
            duplex: duplex?,
        }))
    }
}

/// What to say of a profile or dialect that is not installed, and what helps.
fn absent(kind: &str, installed: &[(&str, u32)], (name, version): (&str, u32)) -> Option<(String, String)> {
    if installed.contains(&(name, version)) {
        return None;
    }
    let written = format!("{name}@{version}");
    let spelled: Vec<_> = installed.iter().map(|(name, version)| format!("{name}@{version}")).collect();
    let known = || spelled.iter().map(String::as_str);
    let of_this_name = spelled.iter().find(|other| other.split('@').next() == Some(name));
    let help = match of_this_name {
        Some(other) => format!("`{other}` is there"),
        None => did_you_mean(&written, known(), format!("the {kind}s are {}", listed(known(), "and"))),
    };
    Some((format!("there is no {kind} {}", quoted(&written)), help))
}

/// Why XON/XOFF cannot be used on a line, if it cannot.
fn no_xon_xoff(framing: Option<&Framing>, line: Option<&LineShape>) -> Option<&'static str> {
    let in_data = "with 8 data bits the bytes of XON/XOFF, 0x11 and 0x13, may be data; write `none` or `rts-cts`";
    let by_framing = framing.and_then(Framing::without_xon_xoff);
    by_framing.or_else(|| line.filter(|line| line.data_bits == 8).map(|_| in_data))
}
