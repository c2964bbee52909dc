//! A browser without a screen at the duty room, and at the gateway's health page: both may be away, frozen or
//! starting at any time, which is no error here.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct Desk {
    cookie: Option<String>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Desk {
    /// The rows of everything open; `words` is what the duty room has printed so far, its log-in link in it.
    pub(crate) fn rows(&mut self, port: u16, words: &str) -> Result<Vec<Value>, String> {
        let list = |cookie: Option<&String>| get(port, "/api/v1/alarms?state=open", cookie);
        let mut answer = list(self.cookie.as_ref())?;
        if answer.status == 401 {
            // Another process has other links and other sessions.
            self.log_in(port, words)?;
            answer = list(self.cookie.as_ref())?;
        }
        let rows = serde_json::from_str::<Value>(&answer.body).ok();
        let rows = rows.and_then(|list| list["items"].as_array().cloned());
        rows.ok_or_else(|| format!("the duty room answered {} {}", answer.status, answer.body))
    }

    /// The operator says that this alarm was seen.
    pub(crate) fn acknowledge(&self, port: u16, alarm: &str) -> Result<(), String> {
        let head = format!(
            "POST /api/v1/alarms/{alarm}/acknowledge HTTP/1.1\r\nOrigin: http://127.0.0.1:{port}\r\n\
             Content-Type: application/json\r\n"
        );
        let answer = exchange(port, &head, self.cookie.as_ref(), "{}")?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    }

    fn log_in(&mut self, port: u16, words: &str) -> Result<(), String> {
        let link = words.lines().rfind(|line| line.contains("/login/")).ok_or("no log-in link yet")?;
        let token = link.rsplit('/').next().unwrap_or_default().trim();
        let answer = get(port, &format!("/login/{token}"), None)?;
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        self.cookie = Some(cookie.ok_or("the log-in link gives no session")?.to_owned());
        Ok(())
    }
}

/// Whether this program says that it is ready, and if not why.
pub(crate) fn ready(port: u16) -> Result<(), String> {
    let answer = get(port, "/readyz", None)?;
    if answer.status == 200 { Ok(()) } else { Err(answer.body) }
}

fn get(port: u16, path: &str, cookie: Option<&String>) -> Result<Answer, String> {
    exchange(port, &format!("GET {path} HTTP/1.1\r\n"), cookie, "")
}

fn exchange(port: u16, head: &str, cookie: Option<&String>, body: &str) -> Result<Answer, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let words =
        |error: std::io::Error| format!("{} at {address}: {error}", head.lines().next().unwrap_or(""));
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).map_err(words)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(words)?;
    let cookie = cookie.map_or_else(String::new, |cookie| format!("Cookie: {cookie}\r\n"));
    let length = body.len();
    write!(
        stream,
        "{head}Host: {address}\r\n{cookie}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .map_err(words)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(words)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
