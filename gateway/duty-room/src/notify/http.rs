//! One HTTP request to one service: a fresh connection, a bounded answer, a bounded time. Redirects are not
//! followed, and no error shows a path: it may hold a key.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::answer::Answer;
use crate::config::channels::Address;
use crate::tls;

/// For one request; nobody is woken by waiting longer.
const ALL_WITHIN: Duration = Duration::from_secs(10);
/// For one address of the host; there may be another that answers.
const CONNECTED_WITHIN: Duration = Duration::from_secs(4);
/// No service needs more to say yes or no.
const LONGEST_ANSWER: usize = 64 * 1_024;

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) path_and_query: String,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreached {
    Name,
    Connection,
    Tls,
    Time,
    Broken,
    TooLong,
    /// The request itself cannot be written.
    Request,
}

impl Unreached {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Name => "dns",
            Self::Connection => "connect",
            Self::Tls => "tls",
            Self::Time => "timeout",
            Self::Broken => "broken",
            Self::TooLong => "too-long",
            Self::Request => "request",
        }
    }

    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Name => ("查不到主机名,检查网络和 DNS", "its name is not found; check network and DNS"),
            Self::Connection => ("连接不上,检查网络和防火墙", "no connection; check network and firewall"),
            Self::Tls => (
                "证书不可信或加密失败,检查本机时钟和 ca_file",
                "no trust in its certificate; check this clock and ca_file",
            ),
            Self::Time => ("10 秒内没有回答", "no answer within 10 s"),
            Self::Broken => ("连接中断,没有回答完", "the connection broke before the answer"),
            Self::TooLong => ("回答超过 64 KiB,不是该服务", "the answer is over 64 KiB: not this service"),
            Self::Request => ("请求无法写成 HTTP,核对字段", "the request is no HTTP; check the fields"),
        }
    }
}

/// What is trusted: the system's certificates are read once for all who trust them.
#[derive(Debug, Default)]
pub(crate) struct Trust(Option<Arc<rustls::ClientConfig>>);

impl Trust {
    fn by(&mut self, ca_file: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, String> {
        if ca_file.is_some() {
            return tls::client(ca_file).map(Arc::new);
        }
        if let Some(known) = &self.0 {
            return Ok(Arc::clone(known));
        }
        let config = Arc::new(tls::client(None)?);
        self.0 = Some(Arc::clone(&config));
        Ok(config)
    }
}

/// Speaks to one service.
#[derive(Clone)]
pub(crate) struct Client {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// From the look-up to the last byte.
    pub(super) within: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Fails if there is nothing to trust, or the host's name can be in no certificate.
    pub(crate) fn new(address: Address, trust: &mut Trust, ca_file: Option<&Path>) -> Result<Self, String> {
        if !address.tls {
            return Ok(Self { address, tls: None, within: ALL_WITHIN });
        }
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| format!("{} is no name for a certificate", address.host))?;
        let config = trust.by(ca_file)?;
        let tls = Some((TlsConnector::from(config), name));
        Ok(Self { address, tls, within: ALL_WITHIN })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends it once.
    pub(crate) async fn post(&self, post: Post) -> Result<Answer, Unreached> {
        timeout(self.within, self.connect_and_ask(post)).await.unwrap_or(Err(Unreached::Time))
    }

    async fn connect_and_ask(&self, post: Post) -> Result<Answer, Unreached> {
        let request = self.request(post).ok_or(Unreached::Request)?;
        let stream = connect(&self.address).await?;
        match &self.tls {
            None => ask(stream, request).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|_| Unreached::Tls)?;
                ask(stream, request).await
            }
        }
    }

    fn request(&self, post: Post) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&post.path_and_query)
            .header("host", self.address.authority())
            .header("user-agent", concat!("shouwang/", env!("CARGO_PKG_VERSION")))
            .header("accept", "application/json, */*")
            .header("content-type", post.content_type)
            .header("connection", "close");
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(Bytes::from(post.body))).ok()
    }
}

/// The first of the host's addresses that answers.
async fn connect(address: &Address) -> Result<TcpStream, Unreached> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let mut last = Unreached::Name;
    for one in found.map_err(|_| Unreached::Name)? {
        match timeout(CONNECTED_WITHIN, TcpStream::connect(one)).await {
            Ok(Ok(stream)) => {
                // A short request must not wait for company.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(_)) => last = Unreached::Connection,
            Err(_) => last = Unreached::Time,
        }
    }
    Err(last)
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Unreached> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|_| Unreached::Broken)?;
    let connection = Ended(tokio::spawn(async move {
        // Its error is the request's.
        let _ = connection.await;
    }));
    let response = sender.send_request(request).await.map_err(|_| Unreached::Broken)?;
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { Unreached::TooLong } else { Unreached::Broken }
    })?;
    drop(connection);
    Ok(Answer { status, retry_after, body: body.to_bytes().to_vec() })
}

/// In seconds; a date is not understood and means nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A connection does not outlive its request.
struct Ended(tokio::task::JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}
