//! Reads destinations: `[http.NAME]`, `[fhir.NAME]`.

use super::Reader;
use crate::{
    ids::Name,
    settings::{
        Destination, DestinationKind,
        complaint::Complaint,
        fields::Fields,
        keys::{PLAINTEXT, destination, is_target},
        merge::Entry,
        place::Place,
        words::Endpoint,
    },
};

/// Name and kind of a destination, and where it stands.
pub(super) struct NamedDestination<'a> {
    pub(super) name: &'a str,
    pub(super) place: Place,
    /// The kind of its table.
    pub(super) kind: &'static str,
}

impl<'a> NamedDestination<'a> {
    pub(super) fn of(entry: &Entry<'a>) -> Self {
        Self { name: entry.name, place: entry.place.clone(), kind: entry.section.kind }
    }
}

impl Reader<'_> {
    pub(super) fn destination(&mut self, entry: &Entry<'_>) -> Option<Destination> {
        if is_target(entry.section) {
            return self.target(entry);
        }
        let fields = &entry.fields;
        let is_fhir = entry.section.kind == destination::FHIR.kind;
        let url_key = if is_fhir { &destination::FHIR_URL } else { &destination::HTTP_URL };
        let url = fields.read(url_key, &mut self.found);
        let failover = fields.read(&destination::FAILOVER, &mut self.found);
        let retry = fields.read(&destination::RETRY, &mut self.found);
        let in_flight = fields.read(&destination::IN_FLIGHT, &mut self.found);
        let timeout = fields.read(&destination::TIMEOUT, &mut self.found);
        let tls = fields.read(&destination::CLIENT_TLS, &mut self.found);
        let plaintext = fields.read(&PLAINTEXT, &mut self.found);
        let (url, failover) = (url?, failover?);
        let in_plain = |endpoint: &Endpoint| !endpoint.is_encrypted && !endpoint.is_loopback;
        let exposed = if in_plain(&url) {
            Some(fields.place(&destination::HTTP_URL))
        } else {
            failover.iter().any(in_plain).then(|| fields.place(&destination::FAILOVER))
        };
        self.check_plaintext(fields, exposed, plaintext.as_ref(), "use https");
        self.check_endpoints(fields, &url, &failover);
        Some(Destination {
            name: Name::new(entry.name),
            kind: if is_fhir { DestinationKind::Fhir } else { DestinationKind::Http },
            endpoints: std::iter::once(url).chain(failover).map(|endpoint| endpoint.url).collect(),
            retry: retry?,
            in_flight: in_flight?,
            timeout: timeout?,
            tls: tls.unwrap_or_default(),
        })
    }

    fn check_endpoints(&mut self, fields: &Fields<'_>, url: &Endpoint, failover: &[Endpoint]) {
        let all = || std::iter::once(url).chain(failover);
        let is_repeated = all().enumerate().any(|(index, one)| all().take(index).any(|other| other.url == one.url));
        if is_repeated {
            let complaint = Complaint::new(fields.place(&destination::FAILOVER), "the same address stands here twice");
            self.found.push(complaint.help("each address stands once, in `url` or in `failover`"));
        }
        if fields.has(&destination::CLIENT_TLS) && !all().any(|endpoint| endpoint.is_encrypted) {
            let warning =
                Complaint::warning(fields.key_place(&destination::CLIENT_TLS), "no address here begins with https");
            self.found.push(warning.help("write https, or take `tls` away"));
        }
    }
}
