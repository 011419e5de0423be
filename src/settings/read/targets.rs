//! Reads destinations of kinds that sources have too: `[mllp.NAME]` and `[folder.NAME]` that a flow sends to.

use std::{iter, time::Duration};

use super::Reader;
use crate::{
    ids::Name,
    settings::{
        AwaitedAck, ClientTls, ConnectionUse, Destination, DestinationKind, FolderTarget, MllpRelease, MllpTarget,
        OnError, Opening, Retry,
        complaint::Complaint,
        fields::Fields,
        keys::{
            PLAINTEXT, SERVER_TLS,
            destination::{RETRY, TIMEOUT},
            link,
            target::{self, PeerTls},
        },
        merge::Entry,
        words::show_time,
    },
    units::limits,
};

/// What is the same whoever opens the connection.
struct Common {
    release: MllpRelease,
    connection: ConnectionUse,
    gap: Duration,
    awaited: AwaitedAck,
    on_error: OnError,
    idle: Duration,
    keepalive: Duration,
    retry: Retry,
    timeout: Duration,
}

impl Common {
    const fn target(&self, opening: Opening) -> DestinationKind {
        let Self { release, connection, gap, awaited, on_error, idle, keepalive, .. } = *self;
        DestinationKind::Mllp(MllpTarget { opening, release, connection, gap, awaited, on_error, idle, keepalive })
    }
}

impl Reader<'_> {
    pub(super) fn target(&mut self, entry: &Entry<'_>) -> Option<Destination> {
        match entry.section.kind {
            kind if kind == target::FOLDER.kind => self.folder_target(entry),
            _ if entry.fields.has(&target::ROLE) => self.mllp_deliver(entry),
            _ => self.mllp_connect(entry),
        }
    }

    fn mllp_connect(&mut self, entry: &Entry<'_>) -> Option<Destination> {
        let fields = &entry.fields;
        let connect = fields.read(&target::CONNECT, &mut self.found);
        let failover = fields.read(&target::PEER_FAILOVER, &mut self.found);
        let in_flight = fields.read(&target::CONNECTIONS, &mut self.found);
        let tls = fields.read(&target::PEER_TLS, &mut self.found);
        let plaintext = fields.read(&PLAINTEXT, &mut self.found);
        let common = self.common(fields);
        let (connect, failover) = (connect?, failover?);
        self.check_peers(fields, &connect, &failover, plaintext.as_ref());
        let (common, in_flight) = (common?, in_flight?);
        if in_flight > 1 && !common.gap.is_zero() {
            let message = format!("a gap of {} leaves no room for several messages", show_time(common.gap));
            let complaint = Complaint::new(fields.place(&target::CONNECTIONS), message);
            self.found.push(complaint.also(fields.place(&target::GAP), "the gap").help("keep one of the two"));
        }
        let (security, tls) = PeerTls::security(tls);
        Some(Destination {
            name: Name::new(entry.name),
            kind: common.target(Opening::Dial { security }),
            endpoints: iter::once(connect).chain(failover).map(|peer| peer.address).collect(),
            retry: common.retry,
            in_flight,
            timeout: common.timeout,
            tls,
        })
    }

    fn mllp_deliver(&mut self, entry: &Entry<'_>) -> Option<Destination> {
        let fields = &entry.fields;
        let role = fields.read(&target::ROLE, &mut self.found);
        let listen = fields.read(&target::DELIVER_LISTEN, &mut self.found);
        let allow = fields.read(&link::ALLOW, &mut self.found);
        let tls = fields.read(&SERVER_TLS, &mut self.found);
        let plaintext = fields.read(&PLAINTEXT, &mut self.found);
        if let Some(listen) = listen {
            self.listens(listen, entry, &target::DELIVER_LISTEN);
            let is_exposed = !listen.ip().is_loopback();
            let in_plain = is_exposed && !fields.has(&SERVER_TLS);
            let exposed = in_plain.then(|| fields.place(&target::DELIVER_LISTEN));
            let way_out = format!("encrypt it: tls = {}", SERVER_TLS.example);
            self.check_plaintext(fields, exposed, plaintext.as_ref(), &way_out);
            let lets_all_in = allow.as_ref().is_some_and(Vec::is_empty);
            let asks_for_certificates = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
            if is_exposed && lets_all_in && !asks_for_certificates {
                // Whoever connects is given patient data.
                let complaint = Complaint::new(
                    fields.place(&target::DELIVER_LISTEN),
                    "every host that reaches this address would be sent messages",
                );
                let help = format!("name the receiver: allow = {}, or ask for its certificate", link::ALLOW.example);
                self.found.push(complaint.help(help));
            }
        }
        let common = self.common(fields);
        role?;
        let (common, listen) = (common?, listen?);
        Some(Destination {
            name: Name::new(entry.name),
            kind: common.target(Opening::Listen { listen, allow: allow?, tls }),
            endpoints: vec![listen.to_string()],
            retry: common.retry,
            in_flight: 1,
            timeout: common.timeout,
            tls: ClientTls::default(),
        })
    }

    fn common(&mut self, fields: &Fields<'_>) -> Option<Common> {
        let release = fields.read(&target::RELEASE, &mut self.found);
        let connection = fields.read(&target::CONNECTION, &mut self.found);
        let gap = fields.read(&target::GAP, &mut self.found);
        let awaited = fields.read(&target::AWAIT, &mut self.found);
        let on_error = fields.read(&target::ON_ERROR, &mut self.found);
        let retry = fields.read(&RETRY, &mut self.found);
        let timeout = fields.read(&TIMEOUT, &mut self.found);
        let idle = fields.read(&target::IDLE, &mut self.found);
        let keepalive = fields.read(&target::KEEPALIVE, &mut self.found);
        Some(Common {
            release: if release? == 2 { MllpRelease::Two } else { MllpRelease::One },
            connection: connection?,
            gap: gap?,
            awaited: awaited?,
            on_error: on_error?,
            idle: idle?,
            keepalive: keepalive?,
            retry: retry?,
            timeout: timeout?,
        })
    }

    fn folder_target(&mut self, entry: &Entry<'_>) -> Option<Destination> {
        let fields = &entry.fields;
        let path = fields.read(&target::FOLDER_PATH, &mut self.found);
        let suffix = fields.read(&target::SUFFIX, &mut self.found);
        let retry = fields.read(&RETRY, &mut self.found);
        let path = path?;
        self.filled.push((path.clone(), fields.place(&target::FOLDER_PATH)));
        Some(Destination {
            name: Name::new(entry.name),
            endpoints: vec![path.display().to_string()],
            kind: DestinationKind::Folder(FolderTarget { path, suffix }),
            retry: retry?,
            in_flight: 1,
            timeout: limits::RESPONSE_TIMEOUT,
            tls: ClientTls::default(),
        })
    }
}
