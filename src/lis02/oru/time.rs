//! Times: those of LIS02 (YYYYMMDDHHMMSS, shortened from the right; ASTM E1394-97, 5.6.2) are those of HL7. A time of day
//! without an offset gets that of the link's zone. In the hour that comes twice that is the first one's; a time in the hour
//! that is left out is moved forward by an hour (see [`When`]).

use jiff::tz::TimeZone;

use crate::event::When;

/// An HL7 time stamp of `text`; `None` if it is no time.
pub(super) fn stamp(text: &str, zone: &TimeZone) -> Option<String> {
    let text = text.trim();
    let when = When::read(text, zone)?;
    if when.instant().is_none() || text.contains(['+', '-']) {
        return Some(text.to_owned());
    }
    let written = when.date_time();
    let (date, time) = written.split_once('T')?;
    let at = time.find(['Z', '+', '-'])?;
    let (clock, offset) = time.split_at_checked(at)?;
    let offset = if offset == "Z" { "+0000".to_owned() } else { offset.replace(':', "") };
    let moved = format!("{}{}", date.replace('-', ""), clock.replace(':', ""));
    // As precise as it came, unless the clock had to be moved.
    let digits = if moved.starts_with(text) { text } else { moved.as_str() };
    Some(format!("{digits}{offset}"))
}
