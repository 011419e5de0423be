//! Where the peers are, how their scripts are run, and the certificates they are given.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::support::{skip::skipped, wait::until};

/// A script of this folder and the peer that it is to drive.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    /// Of Python.
    Python(&'static str, &'static str),
    /// Of Node.
    Node(&'static str, &'static str),
}

/// The folder that `.ci/setup` fills, or nothing, said loudly.
pub(super) fn tools(test: &str) -> Option<PathBuf> {
    let folder = |name: &str, rest: &str| env::var_os(name).map(|found| PathBuf::from(found).join(rest));
    let cache = folder("GURNEY_CI_CACHE", "")
        .or_else(|| folder("XDG_CACHE_HOME", "gurney-ci"))
        .or_else(|| folder("HOME", ".cache/gurney-ci"));
    let tools = cache.map(|cache| cache.join("peers")).filter(|tools| tools.join("stamp").is_file());
    if tools.is_none() {
        skipped(test, "the peers are not installed; .ci/setup does that");
    }
    tools
}

/// The command that runs a script.
pub(super) fn command(tools: &Path, script: Script) -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    let (program, script, peer) = match script {
        Script::Python(script, peer) => (tools.join("venv/bin/python"), script, peer),
        Script::Node(script, peer) => (PathBuf::from("node"), script, peer),
    };
    let mut command = Command::new(program);
    command.arg(here.join(script)).arg(peer).env("NODE_PATH", tools.join("node_modules"));
    command
}

/// Runs a script to its end with a job on its standard input and gives what it reported.
pub(super) async fn run(tools: &Path, script: Script, job: Value) -> Vec<Value> {
    let command = command(tools, script);
    let work = move || {
        // A script that hangs ends by itself, since nobody could stop waiting for it.
        let mut bounded = Command::new("timeout");
        bounded.arg("60").arg(command.get_program()).args(command.get_args());
        bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child =
            bounded.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = tokio::task::spawn_blocking(work).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script:?}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A script that runs until this is dropped.
pub(super) struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Running {
    /// Starts it with a job as its last argument.
    pub(super) fn start(tools: &Path, script: Script, job: &Value) -> Self {
        let mut command = command(tools, script);
        let mut child = command.arg(job.to_string()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&lines);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                shared.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, lines }
    }

    /// The number in the first line that has `name`.
    pub(super) async fn number(&self, name: &str) -> u64 {
        until(name, async || self.lines().iter().find_map(|line| line.get(name)?.as_u64())).await
    }

    /// Everything it reported so far.
    pub(super) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Bytes as a script is told them: one character each.
pub(super) fn spelled(bytes: &[u8]) -> Value {
    json!(bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
}

/// Bytes as a script told them.
pub(super) fn bytes(told: &Value) -> Vec<u8> {
    told.as_str().unwrap().chars().map(|spelled| u8::try_from(spelled).unwrap()).collect()
}

/// Writes an authority and two identities for `address` into `folder`: `ca.pem`, `box.pem` and `peer.pem`.
pub(super) fn certify(folder: &Path, address: IpAddr) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // Peers by OpenSSL take a certificate whose issuer has the same name for one that is signed by itself.
    params.distinguished_name.push(DnType::CommonName, "Authority of this test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in ["box.pem", "peer.pem"] {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![address.to_string()]).unwrap().signed_by(&key, &authority).unwrap();
        fs::write(folder.join(name), certificate.pem() + &key.serialize_pem()).unwrap();
    }
}
