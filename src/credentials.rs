//! Where a configured secret is found: a file, or a systemd credential.
//!
//! The configuration holds names only (INV-10). Under systemd, credentials are files in `$CREDENTIALS_DIRECTORY` that only the
//! service may read. Reads no secret itself.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::settings::SecretRef;

/// The file behind a secret's name.
///
/// # Errors
/// Says what is missing, in words for the person who configures the box.
pub fn credential_path(source: &SecretRef) -> Result<PathBuf, String> {
    match source {
        SecretRef::File(path) => Ok(path.clone()),
        SecretRef::Credential(name) => std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|folder| PathBuf::from(folder).join(name))
            .ok_or_else(|| format!("`{name}` is the name of a systemd credential, but CREDENTIALS_DIRECTORY is not set; run under systemd or name a file")),
    }
}

/// Whether others than the owner may read the file.
pub fn is_shared(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}
