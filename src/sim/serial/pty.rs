//! A pseudo terminal whose slave stands for a serial port, with a stable name as `/dev/serial/by-id` gives one.
//!
//! The slave is left as the kernel makes it (cooked, with echo): it is for the one who opens it to make it raw. Closing
//! the master is pulling the plug: the reader of the slave gets `Ok(0)`. A pty paces nothing, has no modem lines, and
//! reports 8N1 whatever is set. One reader or writer at a time.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    pty::OpenptFlags,
};
use tokio::io::unix::AsyncFd;

use crate::sim::Error;

/// The device's end of a pseudo terminal; dropping it pulls the plug and takes the stable name away.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    slave: PathBuf,
    link: PathBuf,
}

impl Terminal {
    /// Makes one and gives it the stable name `link`, in place of what had that name as a link before.
    pub fn open(link: &Path) -> Result<Self, Error> {
        let (master, slave) = open_master().map_err(Error::Terminal)?;
        set_link(&slave, link).map_err(|source| Error::Link { path: link.to_owned(), source })?;
        Ok(Self { master, slave, link: link.to_owned() })
    }

    /// The slave's own name, which changes when the device comes back.
    pub fn slave(&self) -> &Path {
        &self.slave
    }

    /// Whether somebody holds the slave open. What the peer had sent before is thrown away.
    pub fn is_open(&self) -> bool {
        let mut scrap = [0; 4096];
        loop {
            match rustix::io::read(&self.master, &mut scrap) {
                Ok(0) => return false,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Begins to read and write, while somebody holds the slave open. The runtime never forgets a hang-up, so a session
    /// that was begun before, or goes on after the slave was closed, would spin.
    pub fn session(&self) -> io::Result<Session<'_>> {
        watched(self.master.as_fd()).map(Session)
    }
}

/// Reads from and writes to whoever holds the slave open.
#[derive(Debug)]
pub struct Session<'t>(AsyncFd<BorrowedFd<'t>>);

impl Session<'_> {
    /// Reads what has come; waits for at least one byte. An error means that the slave was closed.
    pub async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(read) = ready.try_io(|master| Ok(rustix::io::read(master.get_ref(), &mut *bytes)?)) {
                return read;
            }
        }
    }

    /// Writes as much of it as the slave's reader has room for; waits for room for at least one byte. One that is given up
    /// has written nothing.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.writable().await?;
            if let Ok(written) = ready.try_io(|master| Ok(rustix::io::write(master.get_ref(), bytes)?)) {
                return written;
            }
        }
    }

    /// Writes all of it, as fast as the slave's reader lets it.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes).await?;
            bytes = bytes.get(written..).unwrap_or(&[]);
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Another device may have taken the name over.
        if std::fs::read_link(&self.link).is_ok_and(|target| target == self.slave) {
            std::fs::remove_file(&self.link).ok(); // gone already is as good
        }
    }
}

fn open_master() -> io::Result<(OwnedFd, PathBuf)> {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    let name: CString = rustix::pty::ptsname(&master, Vec::new())?;
    let slave = PathBuf::from(name.into_string().map_err(io::Error::other)?);
    // Opened and closed once, so that the master tells from the start whether somebody holds the slave.
    drop(rustix::fs::open(&slave, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?);
    Ok((master, slave))
}

#[allow(
    deprecated,
    reason = "its successor is unsafe, which is forbidden here; a `BorrowedFd` keeps what both ask for"
)]
fn watched(master: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::new(master)
}

/// Points `link` to `slave` in one step, so that nobody sees it half done.
fn set_link(slave: &Path, link: &Path) -> io::Result<()> {
    if link.symlink_metadata().is_ok_and(|found| !found.is_symlink()) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut beside = link.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    std::os::unix::fs::symlink(slave, &beside)?;
    std::fs::rename(&beside, link)
}
