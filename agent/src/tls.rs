//! One TLS configuration for the relay and for remote model servers.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::error::Stop;

/// Trusts the machine's own certificates (so that a company's CA works) and, on a machine without any, such as a
/// minimal container, the Mozilla roots that are built in.
pub fn client_config() -> Result<ClientConfig, Stop> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Stop::Failed(format!("cannot set up TLS: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
