//! Reads sources that Gurney dials: `[mllp.NAME]` with `connect` that a flow takes messages from, and `[serial.NAME]`
//! whose port is that of a terminal server.

use std::iter;

use super::Reader;
use crate::{
    settings::{
        Framing, LinkWire, MllpClient, Redial, TerminalServer,
        complaint::Complaint,
        fields::{Fields, Key},
        keys::{
            PLAINTEXT, Plaintext, dialed, link, serial,
            target::{self, PeerTls},
        },
        merge::Entry,
        words::PeerAddress,
    },
    units::limits,
};

impl Reader<'_> {
    pub(super) fn mllp_client(&mut self, entry: &Entry<'_>) -> Option<LinkWire> {
        let fields = &entry.fields;
        let connect = fields.read(&dialed::CONNECT, &mut self.found);
        let failover = fields.read(&target::PEER_FAILOVER, &mut self.found);
        let pauses = fields.read(&dialed::RECONNECT, &mut self.found);
        let idle_timeout = fields.read(&link::IDLE_TIMEOUT, &mut self.found);
        let keepalive = fields.read(&target::KEEPALIVE, &mut self.found);
        let tls = fields.read(&target::PEER_TLS, &mut self.found);
        let plaintext = fields.read(&PLAINTEXT, &mut self.found);
        let (connect, failover) = (connect?, failover?);
        self.check_peers(fields, &connect, &failover, plaintext.as_ref());
        let endpoints: Vec<_> = iter::once(connect).chain(failover).map(|peer| peer.address).collect();
        let (first, at_most) = pauses?;
        let failures = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let (security, tls) = PeerTls::security(tls);
        Some(LinkWire::MllpClient(MllpClient {
            endpoints,
            redial: Redial { first, at_most, failures },
            idle_timeout: idle_timeout?,
            keepalive: keepalive?,
            security,
            tls,
        }))
    }

    /// Checks the peers that are connected to: plain text beyond loopback, and that each stands once.
    pub(super) fn check_peers(
        &mut self,
        fields: &Fields<'_>,
        connect: &PeerAddress,
        failover: &[PeerAddress],
        plaintext: Option<&Plaintext>,
    ) {
        let peers = || iter::once(connect).chain(failover);
        let is_far = |peer: &PeerAddress| !peer.is_loopback;
        let exposed = (!fields.has(&target::PEER_TLS) && peers().any(is_far)).then(|| {
            if is_far(connect) { fields.place(&target::CONNECT) } else { fields.place(&target::PEER_FAILOVER) }
        });
        let way_out = format!("encrypt it: tls = {}", target::PEER_TLS.example);
        self.check_plaintext(fields, exposed, plaintext, &way_out);
        if peers().enumerate().any(|(index, one)| peers().take(index).any(|other| other.address == one.address)) {
            let complaint = Complaint::new(fields.place(&target::PEER_FAILOVER), "the same peer stands here twice");
            self.found.push(complaint.help("each peer stands once, in `connect` or in `failover`"));
        }
    }

    /// The line behind a terminal server. What shapes the line is set there.
    pub(super) fn terminal_server(
        &mut self,
        entry: &Entry<'_>,
        peer: &PeerAddress,
        framing: Option<&Framing>,
    ) -> Option<LinkWire> {
        let fields = &entry.fields;
        let gap = fields.read(&serial::GAP, &mut self.found);
        let silence = fields.read(&serial::SILENCE, &mut self.found);
        let write_timeout = fields.read(&serial::WRITE_TIMEOUT, &mut self.found);
        let duplex = fields.read(&serial::DUPLEX, &mut self.found);
        let plaintext = fields.read(&PLAINTEXT, &mut self.found);
        self.refuse_of_device(fields, &link::LINE, "speed and shape of the line are set in the terminal server");
        self.refuse_of_device(fields, &serial::FLOW_CONTROL, "flow control is set in the terminal server");
        self.refuse_of_device(fields, &serial::CARRIER, "raw TCP carries no modem signals");
        let exposed = (!peer.is_loopback).then(|| fields.place(&link::PORT));
        self.check_plaintext(fields, exposed, plaintext.as_ref(), "connect the device to a port of this box");
        Some(LinkWire::TerminalServer(TerminalServer {
            peer: peer.address.clone(),
            redial: Redial::of_line(framing?),
            gap: gap.unwrap_or(limits::SERIAL_GAP_MIN),
            silence,
            write_timeout: write_timeout?,
            duplex: duplex?,
        }))
    }

    fn refuse_of_device<F>(&mut self, fields: &Fields<'_>, key: &Key<F>, why: &str) {
        if fields.has(key) {
            let message = format!("`{}` has no meaning for a port behind a terminal server", key.name);
            let complaint = Complaint::new(fields.key_place(key), message);
            self.found.push(complaint.help(format!("{why}; take it away")));
        }
    }
}
