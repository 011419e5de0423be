//! The platform over HTTP: keys, lost answers, scripts, transactions, and the plug.

//! The platform over real HTTP on loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use super::*;

fn client() -> Client {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    Client::builder().no_proxy().build().unwrap()
}

async fn platform() -> (Platform, Client) {
    (Platform::start(PlatformOptions::default()).await.unwrap(), client())
}

fn message(id: &str, patient: &str) -> String {
    format!("MSH|^~\\&|A|B|C|D|20261122||ADT^A01|{id}|T|2.5.1\rPID|1||{patient}^^^X||ZZTEST^A\r")
}

async fn post(client: &Client, url: &str, key: &str, body: String) -> reqwest::Result<Response> {
    let request = client.post(url).header("Idempotency-Key", key).header("X-Gurney-Message", "1");
    request.header("Content-Type", "application/hl7-v2").body(body).send().await
}

async fn fetch(client: &Client, url: String) -> Value {
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A Bundle as the gateway sends it: a patient, a job that is created unless it exists, a task that is put.
fn bundle(job: &str, status: &str) -> Value {
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "fullUrl": "urn:uuid:0001", "resource": { "resourceType": "Patient",
            "identifier": [{ "system": "urn:mrn", "value": "ZZ1" }] },
          "request": { "method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:mrn%7CZZ1" } },
        { "fullUrl": "urn:uuid:0002", "resource": { "resourceType": "ServiceRequest",
            "identifier": [{ "system": "urn:order", "value": job }],
            "subject": { "reference": "urn:uuid:0001" } },
          "request": { "method": "POST", "url": "ServiceRequest", "ifNoneExist": format!("identifier=urn:order|{job}") } },
        { "resource": { "resourceType": "Task", "identifier": [{ "system": "urn:job", "value": job }],
            "status": status, "focus": { "reference": "urn:uuid:0002" },
            "for": { "reference": "Patient?identifier=urn:mrn|ZZ1" } },
          "request": { "method": "PUT", "url": format!("Task?identifier=urn:job|{job}") } },
    ] })
}

#[actix_web::test]
async fn a_repeat_of_a_key_gets_the_stored_answer_and_no_second_effect() {
    let (platform, client) = platform().await;
    let url = platform.url("/inbound");
    for times in 1..=3 {
        let response = post(&client, &url, "K1", message("E0-1", "P1")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().contains_key("Idempotency-Replayed"), times > 1);
        assert_eq!(response.text().await.unwrap(), r#"{"status":"accepted"}"#);
    }
    let changed = post(&client, &url, "K1", message("E0-2", "P1")).await.unwrap();
    assert_eq!(changed.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let report = fetch(&client, platform.url("/_report")).await;
    assert_eq!((&report["effects"], &report["repeats"], &report["key_conflicts"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(report["headers_missing"]["traceparent"], 4);
    assert_eq!(report["headers_missing"]["idempotency-key"], 0);
    let arrivals = platform.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!((arrivals[0].control_id.as_deref(), &*arrivals[0].ordering_key), (Some("E0-1"), "P1"));
}

#[actix_web::test]
async fn a_lost_answer_leaves_the_effect() {
    for fault in [Fault::LoseResponse, Fault::CutResponse] {
        let (platform, client) = platform().await;
        platform.control(Control::times(fault, 1));
        let url = platform.url("/inbound");
        let lost = match post(&client, &url, "K1", message("E0-1", "P1")).await {
            Ok(response) => response.bytes().await.map(|_| ()),
            Err(fault) => Err(fault),
        };
        assert!(lost.is_err());
        assert_eq!(platform.effects().effects, 1);
        assert_eq!(post(&client, &url, "K1", message("E0-1", "P1")).await.unwrap().status(), StatusCode::OK);
        let effects = platform.effects();
        assert_eq!((effects.effects, effects.repeats, effects.lost_answers), (1, 1, 1));
    }
}

#[actix_web::test]
async fn a_request_that_is_dropped_has_no_effect() {
    let (platform, client) = platform().await;
    platform.control(Control::times(Fault::Down, 1));
    assert!(post(&client, &platform.url("/inbound"), "K1", message("E0-1", "P1")).await.is_err());
    assert_eq!((platform.effects().effects, platform.effects().dropped), (0, 1));
}

#[actix_web::test]
async fn plays_a_script_that_came_over_the_wire() {
    let (platform, client) = platform().await;
    let script = json!({ "script": [
        { "do": "status", "status": 503, "retry_after": "86400000", "times": 1 },
        { "do": "status", "status": 429, "retry_after_date": 120, "times": 1 },
        { "do": "status", "status": 422, "times": 1 },
        { "do": "slow", "ms": 1, "times": 1 },
    ] });
    let request = client.post(platform.url("/_control")).header("Content-Type", "application/json");
    let answer = request.body(script.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let url = platform.url("/inbound");
    let mut answers = Vec::new();
    for _ in 0..5 {
        let response = post(&client, &url, "K1", message("E0-1", "P1")).await.unwrap();
        let pause = response.headers().get("Retry-After").map(|value| value.to_str().unwrap().to_owned());
        let outcome = response.status().is_client_error();
        answers.push((response.status().as_u16(), pause));
        assert!(!outcome || response.text().await.unwrap().contains("OperationOutcome"));
    }
    assert_eq!(answers[0], (503, Some("86400000".into())));
    assert_eq!(answers[1].0, 429);
    let date = answers[1].1.as_deref().unwrap();
    let seconds = (jiff::fmt::rfc2822::parse(date).unwrap().timestamp() - crate::sim::wall_clock()).get_seconds();
    assert!((60..=120).contains(&seconds), "{date}");
    assert_eq!(answers[2..], [(422, None), (200, None), (200, None)]);
    assert_eq!(platform.report().answers, [(200, 2), (422, 1), (429, 1), (503, 1)].into());
    assert_eq!(platform.effects().effects, 1);
}

#[actix_web::test]
async fn a_script_that_is_wrong_is_refused() {
    let (platform, client) = platform().await;
    let request = client.post(platform.url("/_control")).header("Content-Type", "application/json");
    let answer = request.body(r#"{"script":[{"do":"nothing such"}]}"#).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn a_create_upon_condition_creates_once_and_a_put_upon_condition_goes_through_states() {
    let (platform, client) = platform().await;
    for (key, status, created) in [("K1", "requested", "201 Created"), ("K2", "cancelled", "200 OK")] {
        let body = bundle("J1", status).to_string();
        let response = post(&client, &platform.url("/fhir"), key, body).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(
            (&answer["type"], &answer["entry"][0]["response"]["status"]),
            (&json!("transaction-response"), &json!(created))
        );
    }
    let report = platform.report();
    assert_eq!(report.resources, [("Patient".into(), 1), ("ServiceRequest".into(), 1), ("Task".into(), 1)].into());
    assert_eq!(report.jobs, [("urn:job|J1".into(), vec!["requested".into(), "cancelled".into()])].into());
    assert_eq!(report.double_creates, 0);
    let found = fetch(&client, platform.url("/fhir/Task?identifier=urn:job%7CJ1")).await;
    let task = &found["entry"][0]["resource"];
    assert_eq!(
        (&found["total"], &task["status"], &task["meta"]["versionId"]),
        (&json!(1), &json!("cancelled"), &json!("2"))
    );
    let focus = task["focus"]["reference"].as_str().unwrap();
    let order = fetch(&client, platform.url(&format!("/fhir/{focus}"))).await;
    assert_eq!((&order["resourceType"], &order["subject"]), (&json!("ServiceRequest"), &task["for"]));
    assert_eq!(platform.arrivals()[1].ordering_key.as_ref(), "urn:mrn|ZZ1");
}

#[actix_web::test]
async fn a_transaction_is_applied_whole_or_not_at_all() {
    let (platform, client) = platform().await;
    let refused = |change: fn(&mut Value)| {
        let mut body = bundle("J1", "requested");
        change(&mut body);
        body
    };
    let cases: [(Value, u16); 8] = [
        (refused(|body| body["entry"][2]["resource"]["focus"]["reference"] = "urn:uuid:0009".into()), 400),
        (refused(|body| body["entry"][2]["resource"]["for"]["reference"] = "Patient/77".into()), 400),
        (
            refused(|body| body["entry"][2]["resource"]["for"]["reference"] = "Patient?identifier=urn:mrn|NO".into()),
            412,
        ),
        (refused(|body| body["entry"][0]["request"]["ifNoneExist"] = "name=ZZTEST".into()), 400),
        (refused(|body| body["entry"][1]["request"]["method"] = "PATCH".into()), 400),
        (refused(|body| body["entry"][1]["fullUrl"] = "urn:uuid:0001".into()), 400),
        (refused(|body| body["type"] = "batch".into()), 400),
        (json!([]), 400),
    ];
    for (number, (body, status)) in cases.into_iter().enumerate() {
        let key = format!("K{number}");
        let response = post(&client, &platform.url("/fhir"), &key, body.to_string()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "case {number}");
        assert!(response.text().await.unwrap().contains("OperationOutcome"));
    }
    assert_eq!(platform.report().resources, [].into());
    let good = post(&client, &platform.url("/fhir"), "K0", bundle("J1", "requested").to_string()).await.unwrap();
    assert_eq!(good.status(), StatusCode::OK, "a key whose request was refused is not used up");
}

#[actix_web::test]
async fn a_condition_that_meets_several_resources_is_refused() {
    let (platform, client) = platform().await;
    let blind = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "resource": { "resourceType": "Task", "identifier": [{ "system": "urn:job", "value": "J1" }] },
          "request": { "method": "POST", "url": "Task" } } ] });
    for key in ["K1", "K2"] {
        let response = post(&client, &platform.url("/fhir"), key, blind.to_string()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(platform.report().double_creates, 1, "a blind create is shown");
    let response = post(&client, &platform.url("/fhir"), "K3", bundle("J1", "requested").to_string()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
}

#[actix_web::test]
async fn unplugging_closes_the_port_and_forgets_nothing() {
    let (mut platform, client) = platform().await;
    let (address, url) = (platform.address(), platform.url("/inbound"));
    post(&client, &url, "K1", message("E0-1", "P1")).await.unwrap();
    platform.unplug().await;
    // The worker drops its idle connections a moment after the port is closed.
    while client.get(platform.url("/fhir/metadata")).send().await.is_ok() {}
    let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    platform.plug().unwrap();
    assert_eq!(platform.address(), address);
    post(&client, &url, "K1", message("E0-1", "P1")).await.unwrap();
    post(&client, &url, "K2", message("E0-2", "P1")).await.unwrap();
    let effects = platform.until(|effects| effects.effects == 2).await;
    assert_eq!((effects.repeats, effects.order_breaks), (1, 0));
}

#[actix_web::test]
async fn refuses_what_is_not_hl7_and_to_listen_beyond_loopback() {
    let (platform, client) = platform().await;
    let response = post(&client, &platform.url("/inbound"), "K1", "hello".into()).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let capability = client.get(platform.url("/fhir/metadata")).send().await.unwrap().text().await.unwrap();
    assert!(capability.contains("4.0.1"));
    let options = PlatformOptions { listen: "0.0.0.0:0".parse().unwrap(), ..PlatformOptions::default() };
    assert!(matches!(Platform::start(options).await, Err(Error::Reach(_))));
}

#[tokio::test]
async fn runs_on_a_plain_runtime_until_it_is_stopped() {
    let (stopper, stop) = crate::sim::stop_pair();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let started = move |address| sender.send(address).unwrap();
    let running = tokio::spawn(run(PlatformOptions::default(), stop, started, |_| {}));
    let url = format!("http://{}/inbound", receiver.await.unwrap());
    post(&client(), &url, "K1", message("E0-1", "P1")).await.unwrap();
    stopper.stop();
    assert_eq!(running.await.unwrap().unwrap().counts.effects, 1);
}
