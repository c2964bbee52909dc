//! A visitor of web pages, without a screen: one request at a time, each over a connection of its own, with the session that a
//! log-in gave it. Nobody listening is an answer like another.
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::{Value, json};

/// Someone at one HOST:PORT.
#[derive(Debug)]
pub struct Visitor {
    address: String,
    /// For a connection, and for an answer.
    limit: Duration,
    cookie: Option<String>,
}

/// What a page or the API answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Visitor {
    pub fn new(address: impl Into<String>, limit: Duration) -> Self {
        Self { address: address.into(), limit, cookie: None }
    }

    /// HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn get(&self, path: &str) -> Result<Answer, String> {
        self.exchange("GET", path, "")
    }

    /// A change, as the site's own pages ask for it.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.exchange("POST", path, &body.to_string())
    }

    /// Logs in with an account's password and keeps the session.
    pub fn log_in(&mut self, account: &str, password: &str) -> Result<(), String> {
        let answer = self.post("/api/v1/session", &json!({"account": account, "password": password}))?;
        self.keep_session(&answer)
    }

    /// Makes the first account, a lead's, with the code that the duty room printed, and keeps its session.
    pub fn set_up(&mut self, words: &str, account: &str, password: &str) -> Result<(), String> {
        let code = words.lines().rev().find_map(|line| line.split_once("one-time code "));
        let code = code.and_then(|(_, rest)| rest.split(' ').next()).ok_or("no one-time code yet")?;
        let wanted = json!({"code": code, "id": account, "name": "值班员", "password": password});
        let answer = self.post("/api/v1/setup", &wanted)?;
        self.keep_session(&answer)
    }

    /// `NAME=VALUE`, once logged in.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    fn keep_session(&mut self, answer: &Answer) -> Result<(), String> {
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        self.cookie = Some(cookie.ok_or_else(|| format!("no session: {} {}", answer.status, answer.body))?);
        Ok(())
    }

    /// The open rows of the board.
    pub fn open_alarms(&self) -> Result<Vec<Value>, String> {
        self.get("/api/v1/alarms?state=open")?.items()
    }

    /// What a form without a script sends.
    pub fn form(&self, path: &str, body: &str) -> Result<Answer, String> {
        self.send("POST", path, "application/x-www-form-urlencoded", body)
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> Result<Answer, String> {
        self.send(method, path, "application/json", body)
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<Answer, String> {
        let words = |error: io::Error| format!("{method} {path} at {}: {error}", self.address);
        let address = self.address.to_socket_addrs().map_err(words)?.next().ok_or("no such host")?;
        let mut stream = TcpStream::connect_timeout(&address, self.limit).map_err(words)?;
        stream.set_read_timeout(Some(self.limit)).map_err(words)?;
        let cookie = self.cookie.as_ref().map_or_else(String::new, |cookie| format!("Cookie: {cookie}\r\n"));
        let (host, length) = (&self.address, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookie}\
             Content-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .map_err(words)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map_err(words)?;
        let (head, body) =
            text.split_once("\r\n\r\n").ok_or_else(|| format!("{method} {path}: no answer"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }
}

impl Answer {
    /// The body, if this is what was asked for; its words if not.
    pub fn ok(self) -> Result<String, String> {
        if self.status == 200 { Ok(self.body) } else { Err(format!("{} {}", self.status, self.body)) }
    }

    fn items(self) -> Result<Vec<Value>, String> {
        let body = self.ok()?;
        let list: Option<Value> = serde_json::from_str(&body).ok();
        list.and_then(|mut list| Some(list["items"].as_array_mut()?.drain(..).collect()))
            .ok_or_else(|| format!("this is no list: {body}"))
    }
}
