//! Times as they stand in JSON: UTC, RFC 3339, milliseconds, so that every reader and every sort understands them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Timestamp;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            // Beyond the year 9999 there is no such text.
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(millis) = text.strip_prefix('@') {
            return millis.parse().map(Self).map_err(de::Error::custom);
        }
        let instant: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Self(instant.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn writes_utc_and_reads_it_back() {
        for (time, text) in [
            (Timestamp(0), "\"1970-01-01T00:00:00.000Z\""),
            (Timestamp(1_793_372_645_007), "\"2026-10-30T15:04:05.007Z\""),
            (Timestamp(-1), "\"1969-12-31T23:59:59.999Z\""),
            (Timestamp(i64::MAX), "\"@9223372036854775807\""),
        ] {
            assert_eq!(serde_json::to_string(&time).unwrap(), text);
            assert_eq!(serde_json::from_str::<Timestamp>(text).unwrap(), time);
        }
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }
}
