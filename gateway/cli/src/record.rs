//! `record`: a running gateway records a few minutes, and ends by itself.
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shouwang_gateway::control::{Grant, RecordWish};
use shouwang_gateway::recordings::Begun;

use crate::exit::{Code, Exit};
use crate::print;
use crate::socket::exchange;

/// The gateway answers between two of its inputs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn record(socket: &Path, minutes: u32, json: bool) -> Result<(), Exit> {
    let Begun { path, minutes, limit_bytes } = wish(socket, minutes)?;
    if json {
        return print::line(
            &json!({"recording": path, "minutes": minutes, "limit_bytes": limit_bytes}).to_string(),
        );
    }
    let path = path.display();
    let mib = limit_bytes / (1024 * 1024);
    print::line(&format!(
        "正在录制 {minutes} 分钟,最多 {mib} MiB,到时自己结束;里面有住址,没有密码和电话 · recording for {minutes} minutes, {mib} MiB at \
         most; it ends by itself; addresses are in it, secrets and phones are not\n{path}\n\
         看经过 · to look at it: sudo shouwang replay {path}"
    ))
}

fn wish(socket: &Path, minutes: u32) -> Result<Begun, Exit> {
    let unreachable = |error: std::io::Error| {
        Exit::Because(
            Code::Unreached,
            format!(
                "{}: 找不到运行中的网关 · no running gateway is there: {error}\n→ systemctl status shouwang-gateway; \
                 [control] socket",
                socket.display()
            ),
        )
    };
    let stream = UnixStream::connect(socket).map_err(unreachable)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(unreachable)?;
    match exchange(&mut BufReader::new(stream), &RecordWish { record: minutes }).map_err(unreachable)? {
        Grant::Recording(begun) => Ok(begun),
        Grant::Refused(why) => Err(Exit::Because(Code::Failed, why)),
        Grant::Serial { .. } | Grant::Tcp { .. } => {
            Err(Exit::Because(Code::Failed, "不是所问的 · that was not the question".into()))
        }
    }
}
