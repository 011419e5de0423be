//! Checks on what listens and what crosses the network in plain text.

use std::net::{IpAddr, SocketAddr};

use super::Reader;
use crate::settings::{
    Device,
    complaint::Complaint,
    fields::{Fields, Key},
    keys::{PLAINTEXT, Plaintext, appliance::PLAINTEXT_NOTICE},
    merge::Entry,
    place::Place,
};

/// An address that is listened at.
pub(super) struct Listening {
    address: SocketAddr,
    title: String,
    place: Place,
}

impl Reader<'_> {
    pub(super) fn listens<F>(&mut self, address: SocketAddr, entry: &Entry<'_>, key: &Key<F>) {
        let (title, place) = (entry.fields.title.clone(), entry.fields.place(key));
        self.listeners.push(Listening { address, title, place });
    }

    pub(super) fn refuse_shared_ports(&mut self) {
        for (index, one) in self.listeners.iter().enumerate() {
            let Some(other) = self.listeners.iter().take(index).find(|other| meet(one.address, other.address)) else {
                continue;
            };
            let message = format!("{} and {} listen at the same port {}", other.title, one.title, one.address.port());
            let complaint = Complaint::new(one.place.clone(), message).also(other.place.clone(), "the other");
            self.found.push(complaint.help("give one of them another port"));
        }
    }

    pub(super) fn refuse_shared_devices(&mut self) {
        for (index, (device, place)) in self.devices.iter().enumerate() {
            let same = |(other, _): &&(Device, Place)| match (other, device) {
                (Device::Path(other), Device::Path(path)) => other.components().eq(path.components()),
                (other, device) => other == device,
            };
            let Some((_, other)) = self.devices.iter().take(index).find(same) else { continue };
            let complaint =
                Complaint::new(place.clone(), "this serial port is used twice").also(other.clone(), "first here");
            self.found.push(complaint.help("a port has one reader; keep one of the two"));
        }
    }

    /// Checks the acceptance of plain text beyond loopback. `exposed` is the address that makes it needed.
    pub(super) fn check_plaintext(
        &mut self,
        fields: &Fields<'_>,
        exposed: Option<Place>,
        plaintext: Option<&Plaintext>,
        way_out: &str,
    ) {
        let is_accepted = fields.has(&PLAINTEXT);
        match exposed {
            Some(place) if !is_accepted => {
                let message = "patient data would cross the network unencrypted";
                let help = format!("{way_out}, or have the risk accepted: plaintext = {}", PLAINTEXT.example);
                self.found.push(Complaint::new(place, message).help(help));
            }
            None if is_accepted => {
                let warning = Complaint::warning(fields.key_place(&PLAINTEXT), "nothing here is in plain text");
                self.found.push(warning.help("take `plaintext` away"));
            }
            _ => {}
        }
        if let Some(plaintext) = plaintext {
            self.check_acceptance_date(fields, plaintext);
        }
    }

    fn check_acceptance_date(&mut self, fields: &Fields<'_>, plaintext: &Plaintext) {
        let place = fields.place(&PLAINTEXT);
        let until = plaintext.until;
        if until < self.today {
            let message = format!("plain text was accepted until {until}, which is over");
            self.found
                .push(Complaint::new(place, message).help("encrypt the connection, or have the risk accepted anew"));
            return;
        }
        let left = until.duration_since(self.today).unsigned_abs();
        if left <= PLAINTEXT_NOTICE {
            let message =
                format!("plain text is accepted until {until} only; afterwards Gurney does not start with this");
            self.found.push(
                Complaint::warning(place, message).help("encrypt the connection, or have the risk accepted anew"),
            );
        }
    }
}

/// Whether two sockets cannot be bound at once. Port 0 is any free port.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    if one.port() == 0 || one.port() != other.port() {
        return false;
    }
    let (one, other) = (one.ip().to_canonical(), other.ip().to_canonical());
    let takes_all = |all: IpAddr, some: IpAddr| all.is_unspecified() && (all.is_ipv6() || some.is_ipv4());
    one == other || takes_all(one, other) || takes_all(other, one)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn knows_which_sockets_meet() {
        for (one, other, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("10.0.0.1:1", "0.0.0.0:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(meet(one.parse().unwrap(), other.parse().unwrap()), expected, "{one} {other}");
        }
    }
}
