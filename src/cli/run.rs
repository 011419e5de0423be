//! `gurney run`: the daemon in the foreground.

use std::sync::Arc;

use super::{
    ConfigArgument, Exit, chain, check,
    load::{self, LoadError, Loaded},
    note,
};
use crate::{
    credentials::is_shared,
    node,
    settings::{SecretRef, Settings},
    store,
    telemetry::logging,
    web::admin::ReadMaps,
};

/// Arguments of `gurney run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
}

/// Reads the configuration again, as the daemon was started; says what is wrong with it.
fn reload(config: &ConfigArgument) -> Result<Settings, usize> {
    match check::load(config) {
        Ok(loaded) => {
            check::warn(&loaded.checked);
            Ok(loaded.checked.settings)
        }
        Err(error) => {
            check::refuse(&error);
            Err(if let LoadError::Faults(faults) = &error { faults.faults.len() } else { 1 })
        }
    }
}

pub(super) fn run(arguments: &Arguments, format: logging::Format) -> Exit {
    if let Err(error) = logging::init(format) {
        note(&format!("error: {}", chain(&error)));
        return Exit::Unhealthy;
    }
    let Loaded { checked, registry, profiles, .. } = match check::load(&arguments.config) {
        Ok(loaded) => loaded,
        Err(error) => return check::refuse(&error),
    };
    check::warn(&checked);
    if let SecretRef::File(path) = &checked.settings.store.key
        && is_shared(path)
    {
        note(&format!("warning: others may read the store key {}; chmod 600 it", path.display()));
    }
    let config = arguments.config.clone();
    let reload: node::Reload = Arc::new(move || reload(&config));
    let config = arguments.config.clone();
    let read_maps: ReadMaps = Arc::new(move || load::maps_of(&config.config).map_err(|error| chain(&error)));
    match node::run(checked.settings, registry, profiles, reload, read_maps) {
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
