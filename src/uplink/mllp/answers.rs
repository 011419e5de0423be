//! Which message that a receiver sends back is the acknowledgement of ours.
//!
//! Plain: payloads go in, a finding comes out. Any message with an MSA is an answer, whatever its type (an ADR^A19, say);
//! others are passed over, since a receiver may have something of its own to say. What cannot be read as HL7 or has no
//! known code in MSA-1 is malformed, and never a success. HL7 v2.5.1 chapter 2, 2.9.2 and 2.9.3.

use crate::{
    hl7::{
        Expected, Index,
        ack::{self, Code},
    },
    settings::AwaitedAck,
    units::limits,
};

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An acknowledgement.
    Acknowledged {
        /// MSA-1.
        code: Code,
        /// MSA-2.
        echoed: Vec<u8>,
        /// All of it, up to [`limits::RESPONSE_BYTES_MAX`].
        answer: Vec<u8>,
    },
    /// Something that should be one and is none.
    Malformed(Vec<u8>),
    /// The receiver committed the block (MLLP release 2), and the message asks for no other answer.
    Committed,
}

/// What is waited for.
#[derive(Debug)]
pub(super) struct Answers {
    control_id: Vec<u8>,
    /// A CA is not the end: the application's own acknowledgement is to come on the same connection.
    waits_beyond_commit: bool,
    /// MSH-15 asks for no accept acknowledgement, so a commit block is all that comes.
    is_silent: bool,
}

impl Answers {
    /// Makes what waits for the answers to `message`.
    pub(super) fn to(message: &[u8], awaited: AwaitedAck) -> Self {
        let index = Index::of(message).unwrap_or_default();
        let message = index.message(message);
        let asks = matches!(message.application_ack_type().trim_ascii(), b"AL" | b"SU");
        let waits_beyond_commit = asks && awaited == AwaitedAck::Application;
        Self {
            control_id: message.control_id().to_vec(),
            waits_beyond_commit,
            is_silent: message.accept_ack_type().trim_ascii() == b"NE" && !waits_beyond_commit,
        }
    }

    /// MSH-10 of the message.
    pub(super) fn control_id(&self) -> &[u8] {
        &self.control_id
    }

    /// Whether a commit block of MLLP release 2 is the only answer there will be.
    pub(super) const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Looks at one message that came back.
    pub(super) fn look(&self, mut answer: Vec<u8>) -> Option<Found> {
        let read = ack::read(&answer);
        answer.truncate(limits::RESPONSE_BYTES_MAX);
        let reply = match read {
            Ok(reply) => reply,
            Err(error) if error.expected == Expected::Acknowledgement => return None,
            Err(_) => return Some(Found::Malformed(answer)),
        };
        let Some(code) = reply.code else { return Some(Found::Malformed(answer)) };
        if self.waits_beyond_commit && code == Code::Ca && reply.control_id == self.control_id {
            return None;
        }
        Some(Found::Acknowledged { code, echoed: reply.control_id, answer })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MESSAGE: &str = "MSH|^~\\&|ZZGW|ZZGENERAL|ZZLAB|ZZGENERAL|20261122||ADT^A01|ID-7|T|2.5.1|||AL|AL\rPID|1\r";

    fn ack(code: &str, id: &str) -> String {
        format!("MSH|^~\\&|ZZLAB|ZZGENERAL|ZZGW|ZZGENERAL|20261122||ACK|A-{id}|T|2.5.1\rMSA|{code}|{id}\r")
    }

    /// What is found in an answer, as MSA-1 and MSA-2.
    fn found(answer: &str, awaited: AwaitedAck) -> Option<(String, String)> {
        let found = Answers::to(MESSAGE.as_bytes(), awaited).look(answer.as_bytes().to_vec());
        found.map(|found| match found {
            Found::Acknowledged { code, echoed, .. } => (code.to_string(), String::from_utf8(echoed).unwrap()),
            other => (format!("{other:?}").split('(').next().unwrap_or_default().to_owned(), String::new()),
        })
    }

    fn expect(answer: &str, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(code, id)| (code.to_owned(), id.to_owned()));
        assert_eq!(found(answer, AwaitedAck::Commit), expected, "{answer:?}");
    }

    #[test]
    fn takes_any_message_with_an_msa_for_an_answer() {
        expect(&ack("AA", "ID-7"), Some(("AA", "ID-7")));
        expect(&ack("CE", "ID-6"), Some(("CE", "ID-6")));
        let query = "MSH|^~\\&|ZZADT|||||ADR^A19|9|T|2.3\rMSA|AA|ID-7\rQRD|20261122\rPID|1||ZZ1\r";
        expect(query, Some(("AA", "ID-7")));
        expect("MSH|^~\\&|ZZLAB|||||ORU^R01|8|T|2.3\rPID|1\r", None);
    }

    #[test]
    fn takes_nothing_else_for_an_answer() {
        for odd in ["\x06", "\x15", "AA", "MSA|AA|ID-7\r", "PK", "MSH", "HTTP/1.1 200 OK\r\n\r\n"] {
            expect(odd, Some(("Malformed", "")));
        }
        expect(&ack("OK", "ID-7"), Some(("Malformed", "")));
        expect(&ack("", "ID-7"), Some(("Malformed", "")));
    }

    #[test]
    fn waits_beyond_the_commit_only_where_the_message_asks_for_it() {
        use AwaitedAck::{Application, Commit};
        assert_eq!(found(&ack("CA", "ID-7"), Application), None);
        for code in ["AA", "AE", "AR", "CE", "CR"] {
            assert_eq!(found(&ack(code, "ID-7"), Application).unwrap().0, code);
        }
        assert_eq!(found(&ack("CA", "ID-6"), Application).unwrap().1, "ID-6");
        assert_eq!(found(&ack("CA", "ID-7"), Commit).unwrap().0, "CA");
        for silent in ["|AL|NE", "|AL|", "|AL|ER"] {
            let message = MESSAGE.replace("|AL|AL", silent);
            let answers = Answers::to(message.as_bytes(), Application);
            assert!(answers.look(ack("CA", "ID-7").into_bytes()).is_some(), "{silent}");
        }
    }

    #[test]
    fn knows_when_a_commit_block_is_all_that_comes() {
        for (asks, awaited, expected) in [
            ("|NE|NE", AwaitedAck::Commit, true),
            ("|NE|AL", AwaitedAck::Commit, true),
            ("|NE|AL", AwaitedAck::Application, false),
            ("|AL|NE", AwaitedAck::Commit, false),
            ("||", AwaitedAck::Commit, false),
        ] {
            let message = MESSAGE.replace("|AL|AL", asks);
            assert_eq!(Answers::to(message.as_bytes(), awaited).is_silent(), expected, "{asks} {awaited:?}");
        }
    }
}
