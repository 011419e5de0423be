//! A disk that can lose power: ext4 on a loop image, mounted in a mount namespace of its own.
//!
//! The cut is the ext4 shutdown ioctl without a flush of the log: what was not synced is gone, as after a power cut, and
//! the file system answers EIO until it is mounted anew. The namespace is private, because any other process that copied the mount
//! table would pin the old superblock. It belongs to a process that reads its standard input, so it ends with the test whatever
//! happens. Does not model a disk whose cache lies.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use super::{daemon::Launch, site::Site, skip::skipped};

/// The disk.
pub(crate) struct Disk {
    keeper: Child,
    image: PathBuf,
    mount: PathBuf,
}

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUTDOWN: &str = r#"open(my $dir, "<", $ARGV[0]) or die "open: $!"; my $flag = pack("L", 2);
ioctl($dir, 0x8004587d, $flag) or die "ioctl: $!";"#;

impl Disk {
    /// Makes and mounts a disk of so many MiB below `folder`; without the means to do so the test is skipped loudly.
    pub(crate) fn make(test: &str, folder: &Path, mib: u64) -> Option<Self> {
        match Self::try_make(folder, mib) {
            Ok(disk) => Some(disk),
            Err(why) => {
                skipped(test, &why);
                None
            }
        }
    }

    fn try_make(folder: &Path, mib: u64) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("needs root for a loop device and a mount".to_owned());
        }
        let (image, mount) = (folder.join("disk.img"), folder.join("disk"));
        std::fs::create_dir(&mount).map_err(|error| error.to_string())?;
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(mib << 20).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0"]).arg(&image))?;
        let keeper = Command::new("unshare")
            .args(["-m", "--propagation", "private", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let disk = Self { keeper, image, mount };
        disk.wait_for_namespace()?;
        disk.try_mount()?;
        Ok(disk)
    }

    /// `unshare` becomes `cat` once the namespace is made.
    fn wait_for_namespace(&self) -> Result<(), String> {
        let name = format!("/proc/{}/comm", self.keeper.id());
        for _ in 0..10_000 {
            let comm = std::fs::read_to_string(&name).map_err(|error| format!("unshare: {error}"))?;
            if comm.trim() == "cat" {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err("unshare: no namespace".to_owned())
    }

    /// Where it is mounted, inside its namespace.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// How a daemon is started that sees the disk; it keeps its process id.
    pub(crate) fn launch(&self) -> Launch {
        Launch { via: self.enter(), ..Launch::default() }
    }

    fn enter(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--mount=/proc/{}/ns/mnt", self.keeper.id()), "--".to_owned()]
    }

    /// Runs a command that sees the disk.
    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let enter = self.enter();
        run(Command::new(&enter[0]).args(&enter[1..]).arg(command).args(arguments))
    }

    /// Pulls the plug.
    pub(crate) fn cut(&self) {
        self.run("perl", &["-e", SHUTDOWN, &self.text()]).unwrap();
    }

    /// Mounts it again after a cut; nothing may use it any more.
    pub(crate) fn mount_again(&self) {
        self.run("umount", &[&self.text()]).unwrap();
        self.try_mount().unwrap();
    }

    /// Lets the file system find damage, upon which it takes no more writes.
    pub(crate) fn turn_read_only(&self) {
        let device = self.run("findmnt", &["-n", "-o", "SOURCE", &self.text()]).unwrap();
        let name = device.trim().trim_start_matches("/dev/");
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
    }

    /// Copies the store that lies on the disk to where the test can read it.
    pub(crate) fn copy_store(&self, site: &Site) -> PathBuf {
        let copy = site.folder().join("copy");
        self.run("cp", &["-a", &site.store().display().to_string(), &copy.display().to_string()]).unwrap();
        copy
    }

    /// Writes zeroes to a file until so many MiB are written, or nothing more goes; nothing is a full disk.
    pub(crate) fn fill(&self, file: &str, mib: Option<u64>) {
        let to = format!("of={}", self.mount.join(file).display());
        let count = mib.map(|mib| format!("count={}", mib << 8));
        let mut arguments = vec!["if=/dev/zero", &to, "bs=4k", "status=none", "conv=fsync"];
        arguments.extend(count.as_deref());
        let filled = self.run("dd", &arguments);
        assert_eq!(filled.is_ok(), mib.is_some(), "{filled:?}");
    }

    /// Removes such a file.
    pub(crate) fn remove(&self, file: &str) {
        self.run("rm", &[&self.mount.join(file).display().to_string()]).unwrap();
    }

    /// Free KiB.
    pub(crate) fn free_kib(&self) -> u64 {
        let free = self.run("df", &["--output=avail", "-k", &self.text()]).unwrap();
        free.lines().last().unwrap().trim().parse().unwrap()
    }

    fn try_mount(&self) -> Result<(), String> {
        let image = self.image.display().to_string();
        self.run("mount", &["-o", "loop,errors=remount-ro", &image, &self.text()]).map(|_| ())
    }

    fn text(&self) -> String {
        self.mount.display().to_string()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The mount, and with it the loop device, goes with the last process of the namespace.
        self.keeper.kill().ok();
        self.keeper.wait().ok();
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let name = format!("{command:?}");
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    Err(format!("{name}: {status}: {}", String::from_utf8_lossy(&stderr).trim()))
}
