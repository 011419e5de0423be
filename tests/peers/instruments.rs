//! A laboratory analyzer that somebody else wrote, on a serial line: its records become HL7 results, each once, also where one of
//! its frames was damaged.

use serde_json::json;

use super::tools::{Script, run, tools};
use crate::support::{daemon::Daemon, receiver::Receiver, site::Site, verdict::Books};

const FLOW: &str = "pattern = \"event\"\ntarget = \"5 s\"\nowner = \"Laboratory\"\nescalate = [\"laboratory\"]\n";

#[tokio::test]
async fn takes_the_results_of_labmcp_astm_lis() {
    let Some(tools) = tools("labmcp-astm-lis as an instrument") else { return };
    let receiver = Receiver::start().await;
    let site = Site::new(receiver.address())
        .delivering(&format!("[mllp.platform]\nconnect = \"{}\"", receiver.address()))
        .destination("retry = { first = \"20 ms\", at_most = \"100 ms\" }");
    let port = site.folder().join("port").display().to_string();
    let site = site.with(&format!(
        "[serial.analyzer]\nport = \"{port}\"\nline = \"9600 8N1\"\nframing = \"lis01\"\nzone = \"America/Chicago\"\n\
         [flow.results]\nfrom = \"analyzer\"\non = [\"LIS02^R\"]\nto = \"platform\"\nmapping = \"oru@1\"\n{FLOW}"
    ));
    let analyzer = run(&tools, Script::Python("instrument.py", "labmcp-astm-lis"), json!({ "link": port }));
    let (mut daemon, told) = tokio::join!(Daemon::start(&site), analyzer);
    assert_eq!((&told[0]["sent"], &told[0]["refused"]), (&json!(2), &json!(1)), "{}", told[0]["log"]);

    daemon.until("nothing waits", |metrics| metrics.waiting() == 0).await;
    assert_eq!(daemon.terminate().await.code(), Some(0), "{}", site.log());
    let books = Books::open(&site, site.store());
    books.balance();
    assert_eq!((books.tally("delivered"), books.tally("duplicate")), (2, 0), "{}", site.log());
    let reports: Vec<_> = receiver.taken().into_iter().map(|taken| String::from_utf8(taken.bytes).unwrap()).collect();
    let values = |report: &str| -> Vec<String> {
        let results = report.split('\r').filter(|line| line.starts_with("OBX|"));
        results.map(|line| line.split('|').nth(5).unwrap().to_owned()).collect()
    };
    assert!(reports[0].contains("|S26-000123|") && reports[1].contains("|S26-000124|"), "{reports:?}");
    assert_eq!(values(&reports[0]).first().map(String::as_str), Some("11.8"), "{reports:?}");
    assert!(reports[1].contains("OBX|1|NM|K^^L|1|5.8|mmol/L|3.5 to 5.1|H|||F|"), "{reports:?}");
    assert!(reports[1].contains("NTE|") && reports[1].contains("Hemolysis index 2+"), "{reports:?}");
}
