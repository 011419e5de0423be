//! What the demo shows while it plays: a picture redrawn in place on a terminal, or a line per act.
//!
//! Plain ANSI: the cursor goes up, each line is cleared and written again; nothing else of the terminal is touched, and
//! no keys are read. Marks and words say what colours say. The picture is 80 columns wide and cut to a narrower terminal.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write as _},
    time::Duration,
};

use crate::sim::{ehr, platform::Effects, serial::SerialTally};

/// Columns of the picture.
const COLUMNS: usize = 80;
/// Columns of the bar that shows how many messages wait.
const BAR: u64 = 16;

/// An act of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Act {
    /// Its name.
    pub(super) title: &'static str,
    /// Its name in the row of acts.
    pub(super) short: &'static str,
    /// What happens in it.
    pub(super) words: [&'static str; 2],
}

/// The story.
pub(super) const ACTS: [Act; 5] = [
    Act {
        title: "Messages flow",
        short: "messages flow",
        words: [
            "An EHR and a bed board send admissions, discharges and orders. Gurney stores",
            "each one encrypted, acknowledges it, and asks the platform for the rides.",
        ],
    },
    Act {
        title: "The uplink is pulled",
        short: "uplink pulled",
        words: [
            "The platform cannot be reached. The senders notice nothing: they go on and are",
            "acknowledged, and what they send waits in the store.",
        ],
    },
    Act {
        title: "kill -9 under load",
        short: "kill -9",
        words: [
            "The daemon is killed in the middle of a message and started again. Whatever",
            "was not acknowledged, the senders send again; what was, stands in the store.",
        ],
    },
    Act {
        title: "The uplink is back",
        short: "uplink back",
        words: [
            "The queue drains in order while new messages come in. The platform loses some",
            "answers: those deliveries are repeated under the same key, without effect.",
        ],
    },
    Act {
        title: "The proof",
        short: "proof",
        words: [
            "The traffic is made again from its seed and held against what the platform",
            "has; every file is searched for the names and numbers of the patients.",
        ],
    },
];

/// What is seen at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) ehr: ehr::Tally,
    pub(super) connections: usize,
    pub(super) serial: SerialTally,
    /// Whether the serial device has sent all it had, and is gone.
    pub(super) serial_over: bool,
    pub(super) effects: Effects,
    /// Jobs by the state they are in.
    pub(super) jobs: BTreeMap<String, usize>,
    pub(super) jobs_total: usize,
    /// Messages that wait, by the daemon's metrics; the last known while it does not answer.
    pub(super) waiting: u64,
    /// Repeats from senders that the daemon suppressed since its start.
    pub(super) taken_twice: u64,
    pub(super) daemon: Condition,
    pub(super) uplink: Uplink,
}

/// How the daemon is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition {
    /// It does not answer.
    #[default]
    Down,
    /// It answers, and a link is down: it starts, or the serial device has gone.
    Unready,
    /// It takes messages.
    Ready,
}

/// How the uplink is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Uplink {
    #[default]
    Up,
    Pulled,
}

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Title,
    Good,
    Bad,
}

/// Draws the picture: `act` counts from 0.
fn picture(act: usize, acting: Duration, sample: &Sample) -> Vec<(Tone, String)> {
    let Some(Act { title, words, .. }) = ACTS.get(act) else { return Vec::new() };
    let mut lines = vec![
        (Tone::Plain, String::new()),
        (Tone::Title, format!("Act {} of {}: {title}   {:.0} s", act + 1, ACTS.len(), acting.as_secs_f64())),
    ];
    lines.extend(words.iter().map(|words| (Tone::Plain, format!("  {words}"))));
    lines.push((Tone::Plain, String::new()));
    lines.extend(links(sample));
    lines.push((Tone::Plain, String::new()));
    let acts = ACTS.iter().enumerate().map(|(place, act_of)| {
        let mark = match place.cmp(&act) {
            std::cmp::Ordering::Less => 'x',
            std::cmp::Ordering::Equal => '>',
            std::cmp::Ordering::Greater => ' ',
        };
        format!("[{mark}] {}", act_of.short)
    });
    lines.push((Tone::Plain, acts.collect::<Vec<_>>().join(" ")));
    lines.push((Tone::Plain, "Ctrl-C ends it and leaves nothing behind.".to_owned()));
    lines
}

fn links(sample: &Sample) -> Vec<(Tone, String)> {
    let Sample { ehr, serial, effects, .. } = sample;
    let (daemon_tone, daemon) = match sample.daemon {
        Condition::Ready => (Tone::Good, "[ok] running"),
        Condition::Unready => (Tone::Plain, "[..] a link is down"),
        Condition::Down => (Tone::Bad, "[!!] KILLED"),
    };
    let (uplink_tone, uplink) = match sample.uplink {
        Uplink::Up => (Tone::Good, "[ok] connected"),
        Uplink::Pulled => (Tone::Bad, "[!!] UPLINK PULLED"),
    };
    let sender = |name: &str, how: String, sent: u64, acknowledged: u64, again: u64| {
        let text = format!("{name:<10} {how:<20} sent {sent:>6}   acknowledged {acknowledged:>6}   again {again:>4}");
        (Tone::Plain, text)
    };
    let bar = usize::try_from((sample.waiting / 10).min(BAR)).unwrap_or(0);
    let waiting = format!("waiting   {:>6} {:<16}", sample.waiting, "#".repeat(bar));
    let mut jobs = format!("{:<10} {:<20}", "Jobs", sample.jobs_total);
    for (state, count) in &sample.jobs {
        write!(jobs, " {count} {state}").ok();
    }
    let serial_line = if sample.serial_over { "serial, signed off" } else { "serial line" };
    vec![
        sender("EHR", format!("{} connections", sample.connections), ehr.sent, ehr.acknowledged, ehr.repeated),
        sender("Bed board", serial_line.to_owned(), serial.sent, serial.acknowledged, serial.repeated),
        (daemon_tone, format!("{:<10} {daemon:<20} {waiting} twice {:>4}", "Gurney", sample.taken_twice)),
        (
            uplink_tone,
            format!(
                "{:<10} {uplink:<20} delivered {:>6}  effects {:>6}  repeats {:>4}",
                "Platform",
                effects.effects + effects.repeats,
                effects.effects,
                effects.repeats
            ),
        ),
        (Tone::Plain, jobs),
    ]
}

/// Where the story is told.
#[derive(Debug)]
pub(super) enum Show {
    /// A line per act.
    Lines,
    /// A picture redrawn in place.
    Live {
        /// Whether colours are shown.
        colours: bool,
        /// Lines of the last picture.
        drawn: usize,
    },
}

impl Show {
    /// Tells that everybody is on stage, and where to look beside this.
    pub(super) fn opened(&self, places: &str) {
        put(&format!("gurney demo: invented patients, this machine only; look also at {places}\n"));
    }

    /// Draws the present moment.
    pub(super) fn draw(&mut self, act: usize, acting: Duration, sample: &Sample) {
        let Self::Live { colours, drawn } = self else { return };
        let columns = columns();
        let mut text = String::from("\x1b[?25l");
        if *drawn > 0 {
            write!(text, "\x1b[{drawn}A").ok();
        }
        let lines = picture(act, acting, sample);
        for (tone, line) in &lines {
            let line: String = line.chars().take(columns).collect();
            let (begin, end) = paint(*tone, *colours);
            write!(text, "\r\x1b[2K{begin}{line}{end}\n").ok();
        }
        *drawn = lines.len();
        put(&text);
    }

    /// Tells that an act is over.
    pub(super) fn ended(&self, act: usize, acting: Duration, words: &str) {
        if let (Self::Lines, Some(Act { title, .. })) = (self, ACTS.get(act)) {
            put(&format!("act {} of {}: {title}: {words} ({:.1} s)\n", act + 1, ACTS.len(), acting.as_secs_f64()));
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if let Self::Live { drawn: 1.., .. } = self {
            put("\x1b[?25h\n");
        }
    }
}

const fn paint(tone: Tone, colours: bool) -> (&'static str, &'static str) {
    match (tone, colours) {
        (Tone::Title, true) => ("\x1b[1m", "\x1b[0m"),
        (Tone::Good, true) => ("\x1b[32m", "\x1b[0m"),
        (Tone::Bad, true) => ("\x1b[31m", "\x1b[0m"),
        _ => ("", ""),
    }
}

/// Columns of the terminal, at most those of the picture.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    size.map_or(COLUMNS, |size| usize::from(size.ws_col)).clamp(20, COLUMNS)
}

/// Writes to the terminal; nobody may be looking.
fn put(text: &str) {
    let mut terminal = io::stderr().lock();
    terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Sample {
        let n = 123_456;
        Sample {
            ehr: ehr::Tally { sent: n, acknowledged: n, repeated: 1234, ..ehr::Tally::default() },
            connections: 6,
            serial_over: true,
            serial: SerialTally { sent: n, acknowledged: n, repeated: 1234, ..SerialTally::default() },
            effects: Effects { effects: n, repeats: 1234, ..Effects::default() },
            jobs: [("cancelled".to_owned(), 40), ("draft".to_owned(), 100), ("on-hold".to_owned(), 50)].into(),
            jobs_total: 190,
            waiting: n,
            taken_twice: 12,
            daemon: Condition::Down,
            uplink: Uplink::Pulled,
        }
    }

    #[test]
    fn fits_eighty_columns_in_every_act() {
        for act in 0..ACTS.len() {
            for (_, line) in picture(act, Duration::from_secs(99), &busy()) {
                assert!(line.chars().count() <= COLUMNS, "{line}");
            }
        }
    }

    #[test]
    fn says_in_words_what_colours_say() {
        let text = |sample: &Sample| {
            picture(1, Duration::ZERO, sample).into_iter().map(|(_, line)| line + "\n").collect::<String>()
        };
        let bad = text(&busy());
        for word in ["Act 2 of 5", "[!!] KILLED", "[!!] UPLINK PULLED", "[x] messages flow", "[>] uplink pulled"] {
            assert!(bad.contains(word), "{bad}");
        }
        let good = text(&Sample { daemon: Condition::Ready, ..Sample::default() });
        assert!(good.contains("[ok] running") && good.contains("[ok] connected"), "{good}");
    }
}
