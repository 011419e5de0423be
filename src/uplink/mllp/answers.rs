//! Finding the acknowledgement of one message in the bytes that a receiver sends back.
//!
//! Plain: bytes go in, a finding comes out. Any frame whose message has an MSA is an answer, whatever its type (an
//! ADR^A19, say); other messages are passed over, since a receiver may have something of its own to say. What cannot be
//! read as HL7, has no known code in MSA-1 or outgrows [`limits::ANSWER_BYTES_MAX`] is malformed, and never a success.
//! HL7 v2.5.1 chapter 2, 2.9.2 and 2.9.3. Does not know the commit blocks of MLLP release 2: they are malformed here.

use crate::{
    hl7::{
        Expected, Index,
        ack::{self, Code},
    },
    settings::AwaitedAck,
    units::limits,
    wire::{Cause, Event, mllp::Decoder},
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
}

/// The answers to one message.
#[derive(Debug)]
pub(super) struct Answers {
    decoder: Decoder,
    control_id: Vec<u8>,
    /// A CA is not the end: the application's own acknowledgement is to come on the same connection.
    waits_beyond_commit: bool,
}

impl Answers {
    /// Makes what waits for the answers to `message`.
    pub(super) fn to(message: &[u8], awaited: AwaitedAck) -> Self {
        let index = Index::of(message).unwrap_or_default();
        let message = index.message(message);
        let asks = matches!(message.application_ack_type().trim_ascii(), b"AL" | b"SU");
        Self {
            decoder: Decoder::new(limits::ANSWER_BYTES_MAX),
            control_id: message.control_id().to_vec(),
            waits_beyond_commit: asks && awaited == AwaitedAck::Application,
        }
    }

    /// MSH-10 of the message.
    pub(super) fn control_id(&self) -> &[u8] {
        &self.control_id
    }

    /// Takes the next bytes.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Option<Found> {
        self.decoder.push(bytes);
        self.look()
    }

    /// Whether [`Self::silence`] would change anything.
    pub(super) const fn awaits_silence(&self) -> bool {
        self.decoder.awaits_idle()
    }

    /// Says that nothing came for [`limits::SILENCE`], or that the stream has ended.
    pub(super) fn silence(&mut self) -> Option<Found> {
        self.decoder.idle();
        self.look()
    }

    /// Whether the answer was all there was, so that the connection can be used for the next message.
    pub(super) fn is_done(&mut self) -> bool {
        let in_frame = self.decoder.in_frame();
        self.decoder.idle();
        !in_frame
            && self.decoder.by_ref().all(|event| matches!(event, Event::Noise { cause, .. } if !cause.lost_a_frame()))
    }

    fn look(&mut self) -> Option<Found> {
        while let Some(event) = self.decoder.next() {
            match event {
                Event::Noise { cause: Cause::Oversize, bytes, .. } => return Some(Found::Malformed(bytes)),
                Event::Frame(payload) => {
                    if let Some(found) = self.read(payload) {
                        return Some(found);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn read(&mut self, mut answer: Vec<u8>) -> Option<Found> {
        let reply = match ack::read(&answer) {
            Ok(reply) => reply,
            Err(error) if error.expected == Expected::Acknowledgement => return None,
            Err(_) => return Some(malformed(answer)),
        };
        let Some(code) = reply.code else { return Some(malformed(answer)) };
        let is_ours = reply.control_id == self.control_id;
        if self.waits_beyond_commit && code == Code::Ca && is_ours {
            return None;
        }
        answer.truncate(limits::RESPONSE_BYTES_MAX);
        Some(Found::Acknowledged { code, echoed: reply.control_id, answer })
    }
}

fn malformed(mut answer: Vec<u8>) -> Found {
    answer.truncate(limits::RESPONSE_BYTES_MAX);
    Found::Malformed(answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::wire::mllp::encode;

    const MESSAGE: &[u8] = b"MSH|^~\\&|ZZGW|ZZGENERAL|ZZLAB|ZZGENERAL|20261122||ADT^A01|ID-7|T|2.5.1|||AL|AL\rPID|1\r";

    fn framed(messages: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            encode(&mut out, message.as_bytes());
        }
        out
    }

    fn ack(code: &str, id: &str) -> String {
        format!("MSH|^~\\&|ZZLAB|ZZGENERAL|ZZGW|ZZGENERAL|20261122||ACK|A-{id}|T|2.5.1\rMSA|{code}|{id}\r")
    }

    /// What is found in `bytes`, pushed one by one, as code and MSA-2; and whether nothing was left over.
    fn found(bytes: &[u8], awaited: AwaitedAck) -> (Option<(String, String)>, bool) {
        let mut answers = Answers::to(MESSAGE, awaited);
        for (at, byte) in bytes.iter().enumerate() {
            match answers.receive(&[*byte]) {
                Some(Found::Acknowledged { code, echoed, .. }) => {
                    let rest = bytes.get(at + 1..).unwrap_or_default();
                    let is_done = answers.receive(rest).is_none() && answers.is_done();
                    return (Some((code.to_string(), String::from_utf8(echoed).unwrap())), is_done);
                }
                Some(Found::Malformed(_)) => return (Some(("malformed".to_owned(), String::new())), false),
                None => {}
            }
        }
        (None, false)
    }

    fn expect(bytes: &[u8], expected: Option<(&str, &str)>) {
        let found = found(bytes, AwaitedAck::Commit).0;
        assert_eq!(found, expected.map(|(code, id)| (code.to_owned(), id.to_owned())));
    }

    #[test]
    fn takes_any_message_with_an_msa_for_an_answer() {
        expect(&framed(&[&ack("AA", "ID-7")]), Some(("AA", "ID-7")));
        expect(&framed(&[&ack("CE", "ID-6")]), Some(("CE", "ID-6")));
        let query = "MSH|^~\\&|ZZADT|||||ADR^A19|9|T|2.3\rMSA|AA|ID-7\rQRD|20261122\rPID|1||ZZ1\r";
        expect(&framed(&[query]), Some(("AA", "ID-7")));
        let own = "MSH|^~\\&|ZZLAB|||||ORU^R01|8|T|2.3\rPID|1\r";
        expect(&framed(&[own, &ack("AA", "ID-7")]), Some(("AA", "ID-7")));
        expect(&framed(&[own]), None);
    }

    #[test]
    fn takes_nothing_else_for_an_answer() {
        for odd in ["\x06", "\x15", "AA", "MSA|AA|ID-7\r", "PK", "MSH"] {
            expect(&framed(&[odd]), Some(("malformed", "")));
        }
        expect(&framed(&[&ack("OK", "ID-7")]), Some(("malformed", "")));
        expect(&framed(&[&ack("", "ID-7")]), Some(("malformed", "")));
        expect(b"HTTP/1.1 400 Bad Request\r\n\r\n", None);
        expect(ack("AA", "ID-7").as_bytes(), None);
        expect(&framed(&[&ack("AA", "ID-7")])[..20], None);
        let mut answers = Answers::to(MESSAGE, AwaitedAck::Commit);
        answers.receive(b"\x0b");
        let endless = vec![b'x'; limits::ANSWER_BYTES_MAX + 1];
        assert!(
            matches!(answers.receive(&endless), Some(Found::Malformed(kept)) if kept.len() <= limits::SKIPPED_BYTES_KEPT)
        );
    }

    #[test]
    fn waits_beyond_the_commit_only_where_the_message_asks_for_it() {
        let both = framed(&[&ack("CA", "ID-7"), &ack("AA", "ID-7")]);
        assert_eq!(found(&both, AwaitedAck::Application).0.unwrap().0, "AA");
        assert_eq!(found(&both, AwaitedAck::Commit).0.unwrap().0, "CA");
        let refused = framed(&[&ack("CA", "ID-7"), &ack("AR", "ID-7")]);
        assert_eq!(found(&refused, AwaitedAck::Application).0.unwrap().0, "AR");
        assert_eq!(found(&framed(&[&ack("CR", "ID-7")]), AwaitedAck::Application).0.unwrap().0, "CR");
        assert_eq!(found(&framed(&[&ack("CA", "ID-6")]), AwaitedAck::Application).0.unwrap().1, "ID-6");
        let silent = String::from_utf8_lossy(MESSAGE).replace("|AL|AL", "|AL|NE").into_bytes();
        let mut answers = Answers::to(&silent, AwaitedAck::Application);
        assert!(answers.receive(&framed(&[&ack("CA", "ID-7")])).is_some());
    }

    #[test]
    fn knows_whether_more_is_on_its_way_than_one_answer() {
        let one = framed(&[&ack("AA", "ID-7")]);
        for (rest, expected) in
            [(&b""[..], true), (b"\r\n", true), (b"\0", true), (&one, false), (&one[..9], false), (b"x", false)]
        {
            assert_eq!(found(&[&one, rest].concat(), AwaitedAck::Commit).1, expected, "{rest:?}");
        }
    }

    #[test]
    fn completes_a_frame_without_its_return_by_silence() {
        let mut bytes = framed(&[&ack("AA", "ID-7")]);
        bytes.pop();
        let mut answers = Answers::to(MESSAGE, AwaitedAck::Commit);
        assert_eq!(answers.receive(&bytes), None);
        assert!(answers.awaits_silence());
        assert!(matches!(answers.silence(), Some(Found::Acknowledged { code: Code::Aa, .. })));
    }
}
