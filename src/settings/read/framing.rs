//! Reads how a stream marks the ends of a message.

use super::Reader;
use crate::{
    settings::{
        CharacterSet, Content, Framing,
        complaint::Complaint,
        fields::{Fields, Key},
        keys::{
            answering,
            framing::{self, CHECK, CHECKSUM, END, HLLP, Kind, LINES, LIS01, LineReply, REPLY, ROLE, START},
            link,
            target::RELEASE,
        },
    },
    wire::{hllp, lis01, mllp, text},
};

impl Reader<'_> {
    /// The framing of a serial line or of what is like one.
    pub(super) fn framing(&mut self, fields: &Fields<'_>, charset: Option<CharacterSet>) -> Option<Framing> {
        let kind = fields.read(&framing::FRAMING, &mut self.found);
        let mllp = self.mllp_framing(fields, charset);
        let hllp = self.hllp_framing(fields);
        let lis01 = self.lis01_framing(fields);
        let line = self.line_framing(fields);
        let kind = kind?;
        self.refuse_foreign(fields, &RELEASE, Kind::Mllp, kind);
        self.refuse_foreign(fields, &CHECKSUM, Kind::Hllp, kind);
        self.refuse_foreign(fields, &HLLP, Kind::Hllp, kind);
        self.refuse_foreign(fields, &ROLE, Kind::Lis01, kind);
        self.refuse_foreign(fields, &LIS01, Kind::Lis01, kind);
        self.refuse_foreign(fields, &START, Kind::Line, kind);
        self.refuse_foreign(fields, &END, Kind::Line, kind);
        self.refuse_foreign(fields, &CHECK, Kind::Line, kind);
        self.refuse_foreign(fields, &REPLY, Kind::Line, kind);
        self.refuse_foreign(fields, &LINES, Kind::Line, kind);
        match kind {
            Kind::Mllp => mllp.map(Framing::Mllp),
            Kind::Hllp => hllp.map(Framing::Hllp),
            Kind::Lis01 => lis01.map(Framing::Lis01),
            Kind::Line => line.map(Framing::Line),
        }
    }

    /// What the messages of a serial line are; keys that only HL7 has are refused where they are something else.
    pub(super) fn content(&mut self, fields: &Fields<'_>, framing: Option<&Framing>) -> Content {
        let by_framing = match framing {
            Some(Framing::Lis01(_)) => Content::Lis02,
            Some(Framing::Line(_)) => Content::Text,
            Some(Framing::Mllp(_) | Framing::Hllp(_)) | None => Content::Hl7,
        };
        let content = fields.read(&framing::CONTENT, &mut self.found).unwrap_or(by_framing);
        if content != Content::Hl7 && framing.is_some() {
            self.refuse_of_hl7(fields, &link::ACK, content);
            self.refuse_of_hl7(fields, &answering::VERSIONS, content);
            self.refuse_of_hl7(fields, &answering::PROCESSING, content);
            self.refuse_of_hl7(fields, &answering::APPLICATION_ACK, content);
            self.refuse_of_hl7(fields, &answering::ACK_AFTER, content);
            self.refuse_of_hl7(fields, &answering::ACK_WAIT, content);
            self.refuse_of_hl7(fields, &answering::SEQUENCE, content);
            self.refuse_of_hl7(fields, &answering::UNROUTED, content);
            self.refuse_of_hl7(fields, &link::BATCH_ACK, content);
            self.refuse_of_hl7(fields, &link::PROFILE, content);
            self.refuse_of_hl7(fields, &link::DIALECT, content);
        }
        content
    }

    fn refuse_of_hl7<F>(&mut self, fields: &Fields<'_>, key: &Key<F>, content: Content) {
        if fields.has(key) {
            let message = format!("`{}` is for HL7, and the messages of this link are {}", key.name, content.as_str());
            let complaint = Complaint::new(fields.key_place(key), message);
            self.found.push(complaint.help("take it away, or write content = \"hl7\""));
        }
    }

    /// MLLP, whose marks are as wide as the characters of the link.
    pub(super) fn mllp_framing(&mut self, fields: &Fields<'_>, charset: Option<CharacterSet>) -> Option<mllp::Options> {
        let release = match fields.read(&RELEASE, &mut self.found)? {
            2 => mllp::Release::Two,
            _ => mllp::Release::One,
        };
        let wide = match charset.map(CharacterSet::name) {
            Some("utf-16le") => mllp::Wide::Utf16Le,
            Some("utf-16be") => mllp::Wide::Utf16Be,
            _ => mllp::Wide::No,
        };
        Some(mllp::Options { release, wide, ..mllp::Options::default() })
    }

    fn hllp_framing(&mut self, fields: &Fields<'_>) -> Option<hllp::Options> {
        let checksum = fields.read(&CHECKSUM, &mut self.found);
        let options = fields.read(&HLLP, &mut self.found);
        Some(hllp::Options { checksum: checksum?, ..options? })
    }

    fn lis01_framing(&mut self, fields: &Fields<'_>) -> Option<lis01::Options> {
        let role = fields.read(&ROLE, &mut self.found);
        let options = fields.read(&LIS01, &mut self.found);
        Some(lis01::Options { role: role?, ..options? })
    }

    fn line_framing(&mut self, fields: &Fields<'_>) -> Option<text::Options> {
        let start = fields.read(&START, &mut self.found);
        let end = fields.read(&END, &mut self.found);
        let check = fields.read(&CHECK, &mut self.found);
        let reply = fields.read(&REPLY, &mut self.found);
        let lines = fields.read(&LINES, &mut self.found);
        let (start, end, lines) = (start?, end?, lines?);
        if start.len() > 1 {
            let complaint = Complaint::new(fields.place(&START), "a line begins with one byte, or with none");
            self.found.push(complaint.help("write one name or one 0x.., or \"none\""));
            return None;
        }
        let Some(end) = text::End::new(&end) else {
            let message = format!("a line ends with 1 to {} bytes", text::End::BYTES_MAX);
            let complaint = Complaint::new(fields.place(&END), message);
            self.found
                .push(complaint.help("without an end no line could be told from the next; write \"CR LF\" or \"ETX\""));
            return None;
        };
        if check.flatten().is_some() && (lines.form, lines.place) == (text::Form::Byte, text::Place::BeforeEnd) {
            let message = "a check of one byte before the end mark could look like a mark";
            let complaint = Complaint::new(fields.place(&LINES), message);
            self.found.push(complaint.help("write check_form = \"hex\", or check_place = \"after-end\""));
            return None;
        }
        let (start_span, end_span) = lines.covers;
        Some(text::Options {
            start: start.first().copied(),
            end,
            check: check?.map(|algorithm| text::Check {
                algorithm,
                form: lines.form,
                place: lines.place,
                start: start_span,
                end: end_span,
            }),
            reply: match reply? {
                LineReply::None => text::Reply::None,
                LineReply::AckNak => text::Reply::AckNak { ack: lines.ack, nak: lines.nak },
            },
            heartbeat: lines.heartbeat,
            retries: lines.retries,
            reply_timeout: lines.reply_timeout,
            ..text::Options::default()
        })
    }

    /// A key of another framing would be without effect, which nobody means.
    fn refuse_foreign<F>(&mut self, fields: &Fields<'_>, key: &Key<F>, of: Kind, kind: Kind) {
        if of == kind || !fields.has(key) {
            return;
        }
        let word = match of {
            Kind::Mllp => "mllp",
            Kind::Hllp => "hllp",
            Kind::Lis01 => "lis01",
            Kind::Line => "line",
        };
        let complaint = Complaint::new(fields.key_place(key), format!("`{}` is for framing = \"{word}\"", key.name));
        self.found.push(complaint.help("take it away, or write that framing"));
    }
}
