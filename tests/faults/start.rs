//! Starting with something broken: a configuration, a key, a store. Each is told from the others, by its text and by its exit code.

use std::{fs, path::Path, process::Command};

use gurney::store::key::StoreKey;

use crate::support::{
    daemon::Daemon,
    load::platform,
    peer::{Peer, adt},
    site::Site,
};

/// F40: a configuration that is broken, half-written, of another version or with unknown keys starts nothing; every fault is named.
#[tokio::test]
async fn refuses_a_broken_configuration_naming_every_fault() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let good = site.config();
    let half = &good[..good.len() / 2];
    let cases: [(&str, String, &[&str]); 6] = [
        ("empty", String::new(), &["version"]),
        ("half-written", half.to_owned(), &["gurney.toml"]),
        ("cut inside a line", good[..good.find("url").unwrap() + 8].to_owned(), &["url"]),
        ("another version", good.replace("version = 1", "version = 9"), &["version"]),
        (
            "several faults",
            good.replace("listen = ", "lissten = ").replace("mapping = \"raw\"", "mapping = \"no-such-map@7\""),
            &["lissten", "listen", "no-such-map"],
        ),
        ("not TOML", "\u{0}\u{1}\u{2} not TOML at all [".to_owned(), &["gurney.toml"]),
    ];
    for (name, text, named) in cases {
        let path = site.folder().join("gurney.toml");
        fs::write(&path, text).unwrap();
        for command in ["run", "check"] {
            let (code, said) = gurney(&[command, "--config"], &path);
            assert_eq!(code, Some(78), "{name}, {command}: {said}");
            for word in named {
                assert!(said.contains(word), "{name}, {command}: {word} in\n{said}");
            }
        }
        assert!(!site.store().is_dir(), "{name}: nothing was begun");
    }
    let (code, said) = gurney(&["run", "--config"], &site.folder().join("no-such-file.toml"));
    assert_eq!(code, Some(78), "{said}");
}

/// F40: the configuration is changed or removed while the box runs: it goes on as it was started, and a broken one is never half applied.
#[tokio::test]
async fn runs_on_when_its_configuration_breaks_under_it() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    fs::write(site.folder().join("gurney.toml"), "version = ").unwrap();
    assert_eq!(peer.exchange(&adt("CONFIG-1", "ZZ1")).await.code, "AA");
    fs::remove_file(site.folder().join("gurney.toml")).unwrap();
    assert_eq!(peer.exchange(&adt("CONFIG-2", "ZZ1")).await.code, "AA");
    daemon.until("delivered", |metrics| metrics.ended("delivered") == 2).await;
    let status = daemon.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}\n{}", site.log());
}

/// F11: a store that cannot be opened is never replaced by an empty one; each reason has its own words and its exit code.
#[tokio::test]
async fn refuses_a_store_it_cannot_open_and_says_why() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("STORE-1", "ZZ1")).await.code, "AA");
    let config = site.write_config();

    // The sockets are taken first, so the second process is given others.
    let text = fs::read_to_string(&config).unwrap().replace(":6661", ":6662").replace(":9464", ":9465");
    let second = site.folder().join("second.toml");
    fs::write(&second, text).unwrap();
    let (code, said) = gurney(&["run", "--config"], &second);
    assert_eq!((code, said.contains("in use by another process")), (Some(75), true), "{said}");
    let status = daemon.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}\n{}", site.log());

    let (database, key) = (site.store().join("store.db"), site.key_file());
    let (bytes, good_key) = (fs::read(&database).unwrap(), fs::read(&key).unwrap());
    let refused = |expected: i32, words: &str| {
        let (code, said) = gurney(&["run", "--config"], &config);
        assert_eq!(code, Some(expected), "{words}: {said}");
        assert!(said.contains(words), "{words}: {said}");
    };

    fs::remove_file(&key).unwrap();
    refused(78, "store key");
    StoreKey::random().unwrap().write_new(&key).unwrap();
    refused(78, "the key does not open store");
    fs::write(&key, &good_key).unwrap();

    fs::remove_file(&database).unwrap();
    refused(1, "is missing");
    assert!(!database.is_file(), "no empty store in its place");
    fs::write(&database, b"").unwrap();
    refused(1, "is damaged");
    fs::write(&database, &bytes[..bytes.len() / 3]).unwrap();
    refused(1, "is damaged");
    let mut foreign = bytes.clone();
    foreign[..16].fill(7);
    fs::write(&database, &foreign).unwrap();
    refused(1, "is not the one this folder was made for");

    // Damage behind the first page is found by the check that an unclean stop asks for.
    fs::write(&database, &bytes).unwrap();
    Daemon::start(&site).await.kill();
    let mut flipped = fs::read(&database).unwrap();
    for page in flipped.chunks_mut(4096).skip(1) {
        page[100] ^= 1;
    }
    fs::write(&database, &flipped).unwrap();
    refused(1, "is damaged");

    fs::write(&database, &bytes).unwrap();
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let first = peer.exchange(&adt("STORE-1", "ZZ1")).await;
    assert_eq!(first.code, "AA");
    daemon.until("it is the store it was", |metrics| metrics.ended("duplicate") == 1).await;
    let status = daemon.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}\n{}", site.log());
}

fn gurney(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_gurney")).args(arguments).arg(config).env("NO_COLOR", "1").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}
