//! The control socket of a running gateway, from the other end: one JSON object a line.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No object is longer, in bytes.
const LINE_LIMIT: u64 = 64 * 1024;

pub(crate) fn exchange<T: DeserializeOwned>(
    stream: &mut BufReader<UnixStream>,
    said: &impl Serialize,
) -> std::io::Result<T> {
    send(stream, said)?;
    receive(stream)
}

pub(crate) fn send(stream: &mut BufReader<UnixStream>, said: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_string(said)?;
    text.push('\n');
    stream.get_mut().write_all(text.as_bytes())
}

pub(crate) fn receive<T: DeserializeOwned>(stream: &mut BufReader<UnixStream>) -> std::io::Result<T> {
    let mut text = String::new();
    stream.take(LINE_LIMIT).read_line(&mut text)?;
    if text.is_empty() {
        let gone = "网关结束了 · the gateway has ended";
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, gone));
    }
    Ok(serde_json::from_str(&text)?)
}
