//! `gurney run`: the daemon in the foreground.

use super::{ConfigArgument, Exit, chain, check, load::Loaded, note};
use crate::{credentials::is_shared, node, settings::SecretRef, store, telemetry::logging};

/// Arguments of `gurney run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
}

pub(super) fn run(arguments: &Arguments, format: logging::Format) -> Exit {
    if let Err(error) = logging::init(format) {
        note(&format!("error: {}", chain(&error)));
        return Exit::Unhealthy;
    }
    let Loaded { checked, registry, profiles } = match check::load(&arguments.config) {
        Ok(loaded) => loaded,
        Err(error) => return check::refuse(&error),
    };
    check::warn(&checked);
    if let SecretRef::File(path) = &checked.settings.store.key
        && is_shared(path)
    {
        note(&format!("warning: others may read the store key {}; chmod 600 it", path.display()));
    }
    match node::run(checked.settings, registry, profiles) {
        Ok(()) => Exit::Good,
        Err(error) => {
            note(&format!("error: {}", chain(&error)));
            code(&error)
        }
    }
}

const fn code(error: &node::Error) -> Exit {
    match error {
        node::Error::Store(error) => store_code(error),
        node::Error::Tree(_) => Exit::Configuration,
        _ => Exit::Unhealthy,
    }
}

/// How a command ends that cannot use the store.
pub(super) const fn store_code(error: &store::Error) -> Exit {
    match error {
        store::Error::Locked(_) => Exit::TryAgain,
        store::Error::WrongKey(_) | store::Error::KeyUnreadable(_) => Exit::Configuration,
        _ => Exit::Unhealthy,
    }
}
