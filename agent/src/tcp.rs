//! TCP to a server with several addresses: each has its turn, so that one that leads nowhere (IPv6 that a router announces
//! and does not have) leaves time for the others. RFC 8305 without its head starts: a dial may take a few seconds.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Connects to the first address that takes the connection within [`ADDRESS_TIMEOUT`]. Otherwise why the last did not.
pub async fn connect(host: &str, port: u16) -> Result<TcpStream> {
    let mut why = Error::new(ErrorKind::NotFound, "the name has no address");
    for address in by_turns(lookup_host((host, port)).await?.collect()) {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Frames are small, and somebody waits for each.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => why = error,
            Err(_) => why = Error::new(ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(why)
}

/// IPv6 and IPv4 by turns, each in the order of the resolver.
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (six, four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let turns = six.len().max(four.len());
    (0..turns).flat_map(|n| [six.get(n).copied(), four.get(n).copied()]).flatten().collect()
}

const ADDRESS_TIMEOUT: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_their_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let [a, b, c] = ["[2606:4700::1]:443", "[2606:4700::2]:443", "104.16.0.1:443"].map(address);
        assert_eq!(by_turns(vec![a, b, c]), [a, c, b]);
        assert_eq!(by_turns(vec![c]), [c]);
        assert!(by_turns(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn goes_on_to_the_next_address() {
        // Nothing listens at ::1; `localhost` has both where a machine has IPv6, and only the second where not.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = connect("localhost", port).await.unwrap();
        assert!(stream.nodelay().unwrap());
        drop(listener);
        assert_eq!(connect("127.0.0.1", port).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
