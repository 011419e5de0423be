//! Who is on the other end of the admin socket, by the kernel's word.

use std::fs;

use rustix::process::geteuid;
use tokio::net::UnixStream;

use super::protocol::{Purpose, Refusal, RefusalKind};
use crate::store::Entry;

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    uid: u32,
}

impl Peer {
    /// The user behind a connection: the daemon's own, or root.
    pub(super) fn of(stream: &UnixStream) -> Result<Self, Refusal> {
        let uid = stream
            .peer_cred()
            .map_err(|_| Refusal::new(RefusalKind::NotAllowed, "the kernel does not say who you are"))?
            .uid();
        let own = geteuid().as_raw();
        if may_ask(uid, own) {
            return Ok(Self { uid });
        }
        Err(Refusal::new(
            RefusalKind::NotAllowed,
            format!("user {uid} may not ask this daemon; run the command as user {own} or root"),
        ))
    }

    /// The audit entry of something this user does.
    pub(super) fn entry(self, action: &'static str, subject: String, purpose: &Purpose, particulars: &str) -> Entry {
        let user = user_name(self.uid).unwrap_or_else(|| "user".to_owned());
        let actor = match &purpose.by {
            Some(by) => format!("{user}({}) for {by}", self.uid),
            None => format!("{user}({})", self.uid),
        };
        let detail =
            if particulars.is_empty() { purpose.reason.clone() } else { format!("{} [{particulars}]", purpose.reason) };
        Entry { actor, action, subject, detail }
    }
}

const fn may_ask(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

/// The user's name, from the machine's own list; users of a directory service have none here.
fn user_name(uid: u32) -> Option<String> {
    let list = fs::read_to_string("/etc/passwd").ok()?;
    name_in(&list, uid).map(str::to_owned)
}

fn name_in(list: &str, uid: u32) -> Option<&str> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_in_its_own_user_and_root_alone() {
        for (uid, own, expected) in [(0, 990, true), (990, 990, true), (1000, 990, false), (1000, 0, false)] {
            assert_eq!(may_ask(uid, own), expected, "{uid} {own}");
        }
    }

    #[test]
    fn finds_names_by_number() {
        let list = "root:x:0:0:root:/root:/bin/sh\nbroken\ngurney:x:990:990::/var/lib/gurney:/usr/sbin/nologin\n";
        assert_eq!(name_in(list, 990), Some("gurney"));
        assert_eq!(name_in(list, 0), Some("root"));
        assert_eq!(name_in(list, 7), None);
    }

    #[test]
    fn writes_who_and_why_into_the_audit_entry() {
        let purpose = Purpose { reason: "ticket 17".to_owned(), by: Some("J. Doe".to_owned()) };
        let entry = Peer { uid: 4_000_000_000 }.entry("resend", "dead letter 3".to_owned(), &purpose, "");
        assert_eq!(entry.actor, "user(4000000000) for J. Doe");
        assert_eq!((entry.action, entry.detail.as_str()), ("resend", "ticket 17"));
    }
}
