//! The shim that lets a sync fail: compiled from `eio.c` with the machine's C compiler, preloaded into the daemon.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::daemon::Launch;

/// The shim of one site.
pub(crate) struct FailingSync {
    library: PathBuf,
    trigger: PathBuf,
    path: &'static str,
}

impl FailingSync {
    /// Compiles it into `folder`; syncs of files whose path holds `path` are the ones that fail.
    pub(crate) fn compile(folder: &Path, path: &'static str) -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/eio.c");
        let library = folder.join("eio.so");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
        let compiled = compiled.unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        Self { library, trigger: folder.join("fail-the-next-sync"), path }
    }

    /// How a daemon is started under it.
    pub(crate) fn launch(&self) -> Launch {
        let text = |path: &Path| path.display().to_string();
        Launch {
            env: vec![
                ("LD_PRELOAD", text(&self.library)),
                ("GURNEY_EIO_TRIGGER", text(&self.trigger)),
                ("GURNEY_EIO_PATH", self.path.to_owned()),
            ],
            ..Launch::default()
        }
    }

    /// Lets the next sync fail.
    pub(crate) fn fail_next(&self) {
        fs::write(&self.trigger, b"").unwrap();
    }

    /// Whether that sync came and failed.
    pub(crate) fn has_failed(&self) -> bool {
        !self.trigger.is_file()
    }
}
