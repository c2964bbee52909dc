//! A service on this machine that remembers every request as it came and answers by a script.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses its part of this service")]
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, further header lines, body.
    Http(u16, &'static str, String),
    /// Whatever bytes.
    Raw(Vec<u8>),
    /// Takes the request and never answers.
    Silence,
    /// Closes with a reset in the middle of the answer.
    Reset,
}

pub(crate) fn json(body: &str) -> Reply {
    Reply::Http(200, "Content-Type: application/json\r\n", body.into())
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// `POST /path?query HTTP/1.1`.
    pub(crate) line: String,
    /// In lower case, as `name: value`.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) struct Service {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    arrived: Arc<Semaphore>,
}

impl Service {
    /// Over HTTP. Without a script it answers with the last reply for ever.
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        Self::listen(script, None, "http").await
    }

    pub(crate) async fn start_tls(script: Vec<Reply>, acceptor: TlsAcceptor) -> Self {
        Self::listen(script, Some(acceptor), "https").await
    }

    async fn listen(script: Vec<Reply>, acceptor: Option<TlsAcceptor>, scheme: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let url = if acceptor.is_some() { url.replace("127.0.0.1", "localhost") } else { url };
        let service = Self {
            url,
            seen: Arc::default(),
            script: Arc::new(Mutex::new(script.into())),
            arrived: Arc::new(Semaphore::new(0)),
        };
        let (seen, script, arrived) = (service.seen.clone(), service.script.clone(), service.arrived.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script, arrived) = (seen.clone(), script.clone(), arrived.clone());
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let next = || {
                        let mut script = script.lock().unwrap();
                        if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
                    };
                    let remember = |request| {
                        // Before anybody knows of the request and changes the script.
                        let reply = next().expect("a service without a script");
                        seen.lock().unwrap().push(request);
                        arrived.add_permits(1);
                        reply
                    };
                    match acceptor {
                        None => serve_tcp(stream, remember).await,
                        Some(acceptor) => {
                            // Who does not trust us ends here.
                            if let Ok(mut stream) = acceptor.accept(stream).await {
                                let reply = remember(read(&mut stream).await);
                                answer(&mut stream, reply).await;
                            }
                        }
                    }
                });
            }
        });
        service
    }

    /// Waits for the next request that was not waited for.
    pub(crate) async fn next(&self) -> Request {
        let place = self.seen.lock().unwrap().len() - self.arrived.available_permits();
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(10), self.arrived.acquire());
        waiting.await.expect("no request came").unwrap().forget();
        self.seen.lock().unwrap()[place].clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn then(&self, script: Vec<Reply>) {
        *self.script.lock().unwrap() = script.into();
    }
}

async fn serve_tcp(mut stream: TcpStream, remember: impl FnOnce(Request) -> Reply) {
    let request = read(&mut stream).await;
    match remember(request) {
        Reply::Reset => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"err").await;
            // Zero seconds of linger: the close is a reset.
            let _ = stream.set_zero_linger();
        }
        reply => answer(&mut stream, reply).await,
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Request {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let line = lines.next().unwrap().to_owned();
            let headers: Vec<String> = lines
                .map(|line| {
                    let (name, value) = line.split_once(": ").unwrap();
                    format!("{}: {value}", name.to_lowercase())
                })
                .collect();
            let mut request = Request { line, headers, body: String::new() };
            let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                request.body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap();
                return request;
            }
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return Request::default(),
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), reply: Reply) {
    match reply {
        Reply::Http(status, headers, body) => {
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Silence | Reply::Reset => {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0; 1]).await;
        }
    }
}
