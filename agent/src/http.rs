//! HTTP clients, as all of this program makes them.

use reqwest::{Client, ClientBuilder, Url};

use crate::config::is_loopback;
use crate::error::Stop;
use crate::tls;

/// A client for what is at `to`, with the machine's root certificates, and its proxies (`HTTPS_PROXY` and such) unless it
/// is on this machine: another machine's proxy does not reach that.
pub fn client(to: &Url) -> Result<ClientBuilder, Stop> {
    let builder = Client::builder().tls_backend_preconfigured(tls::client_config()?);
    Ok(if is_loopback(to) { builder.no_proxy() } else { builder })
}
