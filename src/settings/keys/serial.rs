//! Keys of `[serial.NAME]` about watching and sharing the line.

use std::time::Duration;

use crate::{
    settings::{
        Carrier, Duplex, FlowControl,
        fields::{Absent, Key},
        form::{Choice, Time, Word},
    },
    units::limits,
};

pub(in crate::settings) static FLOW_CONTROL: Key<Choice<FlowControl>> = Key {
    name: "flow_control",
    form: Choice(&[
        ("none", Word::Means(FlowControl::None)),
        ("rts-cts", Word::Means(FlowControl::Hardware)),
        ("xon-xoff", Word::Means(FlowControl::Software)),
    ]),
    absent: Absent::Default("\"none\""),
    example: "\"none\"",
    doc: "Flow control: none, rts-cts where the cable has those wires, or xon-xoff for text lines of 7 data bits.",
};
pub(in crate::settings) static GAP: Key<Time> = Key {
    name: "gap",
    form: Time(limits::SERIAL_GAP_LEAST..=limits::GAP_MAX),
    absent: Absent::Nothing,
    example: "\"2 s\"",
    doc: "Silence inside a message after which the rest of it is taken to be lost; 2 s or 20 characters, whichever is longer, unless written.",
};
pub(in crate::settings) static SILENCE: Key<Time> = Key {
    name: "silence",
    form: Time(Duration::from_secs(1)..=limits::SILENCE_MAX),
    absent: Absent::Nothing,
    example: "\"10 min\"",
    doc: "Time without any byte after which the line is reported as silent; not reported unless written.",
};
pub(in crate::settings) static CARRIER: Key<Choice<Carrier>> = Key {
    name: "carrier",
    form: Choice(&[
        ("ignore", Word::Means(Carrier::Ignore)),
        ("dcd", Word::Means(Carrier::Dcd)),
        ("dsr", Word::Means(Carrier::Dsr)),
        ("cts", Word::Means(Carrier::Cts)),
    ]),
    absent: Absent::Default("\"ignore\""),
    example: "\"dsr\"",
    doc: "Modem signal without which the line is down; ignore unless the cable has that wire.",
};
pub(in crate::settings) static WRITE_TIMEOUT: Key<Time> = Key {
    name: "write_timeout",
    form: Time(Duration::from_secs(1)..=limits::SERIAL_WRITE_TIMEOUT),
    absent: Absent::Default("\"10 s\""),
    example: "\"10 s\"",
    doc: "Time in which the device must take at least one byte of an answer; then the answer is given up and the port opened anew.",
};
pub(in crate::settings) static DUPLEX: Key<Choice<Duplex>> = Key {
    name: "duplex",
    form: Choice(&[("full", Word::Means(Duplex::Full)), ("half", Word::Means(Duplex::Half))]),
    absent: Absent::Default("\"full\""),
    example: "\"half\"",
    doc: "Whether both ends may send at once; half writes nothing while a message arrives.",
};
