//! The scenes of documented use cases, as anybody plays them: `gurney demo --scene` and `gurney simulate scene`.

use std::process::{Command, Output, Stdio};

use gurney::sim::scene;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{AWAITED, bench::Bench, wait::until_so};

fn gurney(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gurney"));
    command.args(arguments).env("TMPDIR", folder.path()).stdin(Stdio::null()).output().unwrap()
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_demo_plays_every_scene() {
    let names: Vec<&str> = scene::names().collect();
    let arguments = [&["demo", "--script", "--json", "--scene"], names.as_slice()].concat();
    let output = gurney(&arguments);
    let played = read(&output);
    let mut faults = Vec::new();
    let mut all_kept = true;
    for (name, outcome) in names.iter().zip(played["scenes"].as_array().unwrap()) {
        assert_eq!(outcome["scene"], *name);
        let kept = outcome["kept"] == true;
        all_kept &= kept;
        match (kept, AWAITED.contains(&format!("scene/{name}").as_str())) {
            (true, false) | (false, true) => {}
            (true, true) => faults.push(format!("scene/{name} is good now: take it off the list of what is awaited")),
            (false, false) => faults.push(format!("scene/{name}: {outcome:#}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!((&played["kept"], output.status.code()), (&json!(all_kept), Some(i32::from(!all_kept))));
    let spoken = String::from_utf8(output.stderr).unwrap();
    assert!(spoken.contains("The patient is moved (A02)."), "{spoken}");
}

#[tokio::test]
async fn a_scene_is_sent_to_any_box() {
    let listed = read(&gurney(&["simulate", "scene", "--json"]));
    assert_eq!(listed.as_array().unwrap().len(), scene::names().count());
    let unknown = gurney(&["simulate", "scene", "rom-change", "--to", "127.0.0.1:9"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("room-change"));
    let nobody = gurney(&["simulate", "scene", "room-change", "--to", "127.0.0.1:9"]);
    assert_eq!(nobody.status.code(), Some(75), "nobody listens there");

    let bench = Bench::start("").await;
    let to = bench.links.addresses()[0].to_string();
    let arguments = ["simulate", "scene", "room-change", "--pace", "0", "--seed", "7", "--json", "--to"];
    let output = spawn_blocking(move || gurney(&[arguments.as_slice(), &[to.as_str()]].concat())).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = read(&output);
    assert!(told["sent"].as_array().unwrap().iter().all(|sent| sent["answer"] == "AA"), "{told:#}");
    until_so("all is delivered", async || bench.tally("waiting").await == 0).await;
    let bed = told["jobs"][0]["has"]["Task.input(pickup).valueReference->name"].as_str().unwrap();
    let found = bench.platform.with_store(|store| {
        let jobs = store.jobs();
        assert_eq!(jobs.len(), 1);
        let task = store.search("Task", jobs.keys().next().unwrap())[0];
        let job = scene::look::JobAtPlatform { store, task };
        scene::look::shown(&job, "Task.input(pickup).valueReference->name")
    });
    assert_eq!(found, bed);
}
