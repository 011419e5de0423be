//! Reads sources that are no stream of frames: `[folder.NAME]` that a flow takes messages from, `[http_in.NAME]`.

use super::Reader;
use crate::settings::{
    FolderWatch, HttpServer, LinkWire,
    complaint::Complaint,
    keys::{PLAINTEXT, SERVER_TLS, inbound, link},
    merge::Entry,
};

impl Reader<'_> {
    pub(super) fn folder_watch(&mut self, entry: &Entry<'_>) -> Option<LinkWire> {
        let fields = &entry.fields;
        let path = fields.read(&inbound::WATCH_PATH, &mut self.found);
        let pattern = fields.read(&inbound::PATTERN, &mut self.found);
        let order = fields.read(&inbound::ORDER, &mut self.found);
        let every = fields.read(&inbound::EVERY, &mut self.found);
        let settle = fields.read(&inbound::SETTLE, &mut self.found);
        let taken = fields.read(&inbound::TAKEN, &mut self.found);
        if let Some(path) = &path {
            self.watched.push((path.clone(), fields.place(&inbound::WATCH_PATH)));
        }
        Some(LinkWire::Folder(FolderWatch {
            path: path?,
            pattern: pattern?,
            order: order?,
            every: every?,
            settle: settle?,
            taken: taken?,
        }))
    }

    /// A folder that is watched belongs to its writers and one reader: what else used it would lose files, or feed the box
    /// with what it delivers.
    pub(super) fn refuse_shared_folders(&mut self) {
        for (index, (path, place)) in self.watched.iter().enumerate() {
            let is_same = |other: &std::path::PathBuf| other.components().eq(path.components());
            let earlier = self.watched.iter().take(index).find(|(other, _)| is_same(other));
            let filled = self.filled.iter().find(|(other, _)| is_same(other));
            let Some((_, other)) = earlier.or(filled) else { continue };
            let complaint =
                Complaint::new(place.clone(), "this folder is used twice").also(other.clone(), "also used here");
            self.found.push(complaint.help("give each table a folder of its own"));
        }
    }

    pub(super) fn http_in(&mut self, entry: &Entry<'_>) -> Option<LinkWire> {
        let fields = &entry.fields;
        let listen = fields.read(&inbound::HTTP_LISTEN, &mut self.found);
        let path = fields.read(&inbound::HTTP_PATH, &mut self.found);
        let allow = fields.read(&link::ALLOW, &mut self.found);
        let content = fields.read(&inbound::CONTENT, &mut self.found);
        let bearer = fields.read(&inbound::BEARER, &mut self.found);
        let idle_timeout = fields.read(&inbound::HTTP_IDLE, &mut self.found);
        let caps = self.caps(fields);
        let tls = fields.read(&SERVER_TLS, &mut self.found);
        let plaintext = fields.read(&PLAINTEXT, &mut self.found);
        if let Some(listen) = listen {
            self.listens(listen, entry, &inbound::HTTP_LISTEN);
            let is_exposed = !listen.ip().is_loopback();
            let in_plain = is_exposed && !fields.has(&SERVER_TLS);
            let exposed = in_plain.then(|| fields.place(&inbound::HTTP_LISTEN));
            let way_out = format!("encrypt it: tls = {}", SERVER_TLS.example);
            self.check_plaintext(fields, exposed, plaintext.as_ref(), &way_out);
            let lets_all_in = allow.as_ref().is_some_and(Vec::is_empty) && !fields.has(&inbound::BEARER);
            let asks_for_certificates = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
            if is_exposed && lets_all_in && !asks_for_certificates {
                let message = "every host that reaches this address may send";
                let help = format!(
                    "ask for a token: bearer = {}, or name the senders' networks: allow = {}",
                    inbound::BEARER.example,
                    link::ALLOW.example
                );
                self.found.push(Complaint::warning(fields.place(&inbound::HTTP_LISTEN), message).help(help));
            }
        }
        let (connections_max, connections_per_peer_max) = caps?;
        Some(LinkWire::Http(HttpServer {
            listen: listen?,
            path: path?,
            allow: allow?,
            content: content?,
            bearer,
            connections_max,
            connections_per_peer_max,
            idle_timeout: idle_timeout?,
            tls,
        }))
    }
}
