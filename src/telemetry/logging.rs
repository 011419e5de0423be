//! Where log lines go: the journal under systemd, readable text on a terminal, JSON on request.
//!
//! Data stays on standard output, lines go to standard error or the journal. `GURNEY_LOG` chooses what is shown
//! (`info`, `debug`, `gurney::delivery=debug`); libraries are never heard below WARN, since their finer lines quote
//! requests and bytes (INV-05).

use std::{env, io, io::IsTerminal};

use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::FilterFn, filter::FromEnvError, fmt, layer::SubscriberExt,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// The journal where systemd connected it, else text.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The filter cannot be read.
    #[error("cannot read the filter in {VARIABLE}")]
    Filter(#[source] FromEnvError),
    /// The journal cannot be reached.
    #[error("cannot reach the journal")]
    Journal(#[source] io::Error),
    /// Logging was set up before.
    #[error("logging is set up already")]
    Again(#[source] SetGlobalDefaultError),
}

const VARIABLE: &str = "GURNEY_LOG";

/// Sets up logging for the whole process; once.
pub fn init(format: Format) -> Result<(), Error> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(VARIABLE)
        .from_env()
        .map_err(Error::Filter)?;
    let layer = layer(format)?.with_filter(filter).with_filter(FilterFn::new(is_ours_or_grave));
    tracing::subscriber::set_global_default(Registry::default().with(layer)).map_err(Error::Again)
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn layer(format: Format) -> Result<BoxedLayer, Error> {
    match format {
        Format::Auto if env::var_os("JOURNAL_STREAM").is_some() => {
            let journal = tracing_journald::layer().map_err(Error::Journal)?;
            Ok(journal.with_field_prefix(Some("GURNEY".into())).with_syslog_identifier("gurney".into()).boxed())
        }
        Format::Auto | Format::Text => Ok(text(io::stderr, io::stderr().is_terminal()).boxed()),
        Format::Json => Ok(json(io::stderr).boxed()),
    }
}

fn text<S, W>(writer: W, colours: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + 'static,
{
    fmt::layer().with_writer(writer).with_ansi(colours).with_target(false)
}

fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + 'static,
{
    fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false).with_writer(writer)
}

fn is_ours_or_grave(line: &Metadata<'_>) -> bool {
    let target = line.target();
    target == "gurney" || target.starts_with("gurney::") || *line.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn writes_one_json_object_per_line_and_keeps_libraries_quiet() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = json(move || writer.clone()).with_filter(FilterFn::new(is_ours_or_grave));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            tracing::info!(target: "gurney::actors", interface = "ehr", count = 3, "link up");
            tracing::info!(target: "hyper::proto", "request with a body");
            tracing::debug!(target: "gurneyed", "not ours");
            tracing::warn!(target: "rustls", "bad certificate");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 2, "{text}");
        assert_eq!(objects[0]["interface"], "ehr");
        assert_eq!(objects[0]["count"], 3);
        assert_eq!(objects[0]["message"], "link up");
        assert_eq!(objects[1]["level"], "WARN");
    }

    #[test]
    fn writes_text_that_a_person_can_read() {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(Registry::default().with(text(move || writer.clone(), false)), || {
            tracing::warn!(target: "gurney::telemetry", destination = "platform", to = 1, "another endpoint is in use");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with("WARN another endpoint is in use destination=\"platform\" to=1\n"), "{text}");
    }
}
