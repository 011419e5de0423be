//! `gurney completions` and `gurney man`: what a shell and `man` want to know about the commands.

use std::{io, path::PathBuf};

use clap::CommandFactory as _;

use super::{Cli, Exit, Failure, data};

/// Arguments of `gurney completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: gurney completions bash > /etc/bash_completion.d/gurney")]
pub(super) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Arguments of `gurney man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: gurney man --folder /usr/local/share/man/man1")]
pub(super) struct Man {
    /// Writes a page for every command into this folder, instead of the main page to stdout.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "gurney", &mut script);
    data(&String::from_utf8_lossy(&script))
}

pub(super) fn man(arguments: &Man) -> Result<Exit, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Unhealthy, format!("cannot write the pages: {error}"));
    if let Some(folder) = &arguments.folder {
        clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
        return Ok(data(&format!("{}\n", folder.display())));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(failed)?;
    Ok(data(&String::from_utf8_lossy(&page)))
}
