//! HTTP to a destination.
//!
//! One client per destination: kept connections, no redirects (a redirect could carry a message to another host), an answer
//! bound of [`limits::RESPONSE_BYTES_MAX`], and TLS by rustls against the system's roots or the configured authority. Says what
//! came back, not what it means; that is [`crate::delivery`]'s.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use reqwest::{
    Client, Response,
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

use super::{Error, Reply, tls::client_config};
use crate::{settings::Destination, units::limits};

/// The client of one destination.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    endpoints: Arc<[String]>,
}

impl HttpClient {
    /// Makes the client of a destination.
    ///
    /// # Errors
    /// If a certificate cannot be read or used.
    pub fn new(destination: &Destination) -> Result<Self, Error> {
        let (idle, interval, retries) = limits::KEEPALIVE;
        let client = Client::builder()
            .tls_backend_preconfigured(client_config(&destination.tls)?)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .timeout(destination.timeout)
            .pool_max_idle_per_host(destination.in_flight)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .tcp_keepalive(idle)
            .tcp_keepalive_interval(interval)
            .tcp_keepalive_retries(retries)
            .tcp_user_timeout(limits::WRITE_TIMEOUT)
            .user_agent(concat!("gurney/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::Client)?;
        Ok(Self { client, endpoints: destination.endpoints.as_slice().into() })
    }

    /// Sends one request to the endpoint at an index and reads what comes back.
    pub async fn post(&self, endpoint: usize, headers: &[(&'static str, String)], body: Vec<u8>) -> Reply {
        let Some(url) = self.endpoints.get(endpoint) else { return Reply::Unreached };
        let request = self.client.post(url).headers(header_map(headers)).body(body);
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() => Reply::Unreached,
            Err(error) if error.is_timeout() => Reply::Timeout,
            Err(_) => Reply::Broken,
        }
    }
}

/// Values are made by Gurney; one that cannot stand in a header is left out rather than sent changed.
fn header_map(headers: &[(&'static str, String)]) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?)))
        .collect()
}

async fn read(response: Response) -> Reply {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(part) = stream.next().await {
        match part {
            Ok(part) => {
                let room = limits::RESPONSE_BYTES_MAX.saturating_sub(body.len());
                body.extend(part.iter().take(room));
                if part.len() >= room {
                    break;
                }
            }
            Err(error) if error.is_timeout() => return Reply::Timeout,
            Err(_) => return Reply::Broken,
        }
    }
    Reply::Answer { status, retry_after, body }
}
