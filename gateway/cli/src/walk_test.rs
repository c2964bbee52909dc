//! `walk-test`: asks the duty room by way of the running gateway, then says of each listed device when its trigger
//! arrived, and what is missing.
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shouwang_core::walk::{Row, RowState, Walk, WalkState, WalkStep};
use shouwang_gateway::control::{DEFAULT_SOCKET, WalkWish};
use shouwang_gateway::installing::WalkTold;
use shouwang_message::Id;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use crate::exit::{Code, Exit};
use crate::{print, serve, signal};

#[derive(Args, Debug)]
pub(crate) struct WalkTest {
    /// 走测这些设备;不写则看进行中的走测 · Walk these devices; none: look at the walk test that is on
    #[arg(value_name = "DEVICE", conflicts_with_all = ["again", "finish", "abort"])]
    devices: Vec<Id>,
    /// 谁走测 · Who walks
    #[arg(long, value_name = "NAME", required = false, requires = "devices")]
    by: Option<String>,
    /// 这台再来一次 · This device once more
    #[arg(long, value_name = "DEVICE")]
    again: Option<Id>,
    /// 结束走测;还有传感器没恢复时拒绝 · Finish; refused while a sensor is not back to normal
    #[arg(long, conflicts_with = "again")]
    finish: bool,
    /// 放弃走测,全部立即恢复 · Give up: everything is live again at once
    #[arg(long, conflicts_with_all = ["again", "finish"])]
    abort: bool,
    /// 运行中的网关的控制口 · The running gateway's control socket
    #[arg(long = "control", value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
    /// 每行一个 JSON 对象 · One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// No object is longer, in bytes.
const LINE_LIMIT: u64 = 256 * 1024;

pub(crate) fn walk_test(wanted: WalkTest) -> Result<(), Exit> {
    let WalkTest { devices, by, again, finish, abort, control, json } = wanted;
    let step = match (again, finish, abort) {
        (Some(device), _, _) => Some(WalkStep::Again { device }),
        (_, true, _) => Some(WalkStep::Finish),
        (_, _, true) => Some(WalkStep::Abort),
        _ if devices.is_empty() => None,
        _ => {
            let why = "写明是谁走测 · say who walks:  --by NAME";
            Some(WalkStep::Ask { by: by.ok_or_else(|| Exit::Because(Code::Bad, why.into()))?, devices })
        }
    };
    serve::runtime()?.block_on(async {
        let asked = signal::asked().map_err(|error| Exit::failed(&error))?;
        let mut gateway = Gateway::connect(&control).await?;
        let ends = matches!(step, Some(WalkStep::Finish | WalkStep::Abort));
        let told = gateway.ask(step).await?;
        if let Some(why) = &told.refused {
            return Err(Exit::Because(Code::Found, format!("{} · {}", why.zh, why.en)));
        }
        let mut screen = Screen { json, rows: BTreeMap::new(), state: None };
        if ends {
            return screen.close(&told);
        }
        tokio::select! {
            ended = follow(&mut gateway, &mut screen, told) => ended,
            _ = asked => Err(Exit::Because(
                Code::Interrupted,
                "走测还在进行:各台最多 5 分钟后自己恢复 · the walk test goes on; each device is live again after 5 min at most\n  \
                 shouwang walk-test --abort".into(),
            )),
        }
    })
}

/// Until nothing is left to be triggered.
async fn follow(gateway: &mut Gateway, screen: &mut Screen, first: WalkTold) -> Result<(), Exit> {
    let mut told = first;
    loop {
        let Some(walk) = &told.walk else {
            let why = "没有走测 · no walk test\n  shouwang walk-test --by NAME DEVICE...";
            return Err(Exit::Because(Code::Found, why.into()));
        };
        screen.show(walk, &told.names)?;
        let is_open = matches!(walk.state, WalkState::Asked | WalkState::Accepted);
        let waits = |row: &Row| matches!(row.state, RowState::Waiting | RowState::Test | RowState::Triggered);
        if !is_open {
            return screen.close(&told);
        }
        if walk.state == WalkState::Accepted && !walk.rows.iter().any(waits) {
            if walk.rows.iter().all(|row| row.state == RowState::Passed) && told.not_normal.is_empty() {
                let told = gateway.ask(Some(WalkStep::Finish)).await?;
                return screen.close(&told);
            }
            if walk.rows.iter().any(|row| row.state != RowState::Passed) {
                return screen.close(&told);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
        told = gateway.ask(None).await?;
    }
}

struct Gateway {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
}

impl Gateway {
    async fn connect(socket: &Path) -> Result<Self, Exit> {
        match UnixStream::connect(socket).await {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream), socket: socket.to_owned() }),
            Err(error) => Err(unreached(socket, &error)),
        }
    }

    async fn ask(&mut self, walk_test: Option<WalkStep>) -> Result<WalkTold, Exit> {
        self.exchange(&WalkWish { walk_test }).await.map_err(|error| unreached(&self.socket, &error))
    }

    async fn exchange(&mut self, wish: &WalkWish) -> io::Result<WalkTold> {
        let mut text = serde_json::to_string(wish)?;
        text.push('\n');
        self.stream.get_mut().write_all(text.as_bytes()).await?;
        let mut answer = String::new();
        (&mut self.stream).take(LINE_LIMIT).read_line(&mut answer).await?;
        if answer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "网关没有回答 · the gateway does not answer",
            ));
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

fn unreached(socket: &Path, error: &io::Error) -> Exit {
    let socket = socket.display();
    Exit::Because(
        Code::Unreached,
        format!(
            "{socket}: 连不上运行中的网关 · no running gateway is reached: {error}\n  systemctl status shouwang-gateway"
        ),
    )
}

/// What was shown, so that only news is.
struct Screen {
    json: bool,
    rows: BTreeMap<Id, RowState>,
    state: Option<WalkState>,
}

impl Screen {
    fn show(&mut self, walk: &Walk, names: &BTreeMap<Id, String>) -> Result<(), Exit> {
        if self.state.replace(walk.state) != Some(walk.state) && !self.json {
            print::line(match walk.state {
                WalkState::Asked => {
                    " 等值班室同意(看板上会出现“走测请求”)· waiting for the duty room to agree on its board"
                }
                WalkState::Accepted => {
                    " 值班室已同意:逐台触发,每台最长 5 分钟 · agreed: trigger one after the other, 5 min each"
                }
                WalkState::Finished => " 走测完成 · finished",
                WalkState::Ended => " 走测已结束 · the walk test has ended",
                WalkState::Refused => " 值班室不同意 · the duty room refused",
            })?;
        }
        for row in &walk.rows {
            if self.rows.insert(row.device.clone(), row.state) != Some(row.state) {
                self.row(row, names.get(&row.device).map_or(row.device.as_str(), String::as_str))?;
            }
        }
        Ok(())
    }

    fn row(&self, row: &Row, name: &str) -> Result<(), Exit> {
        let times = row.times;
        if self.json {
            let object = json!({"device": row.device, "state": row.state, "condition": row.condition,
                "triggered_at": row.triggered_at, "sensor_ms": times.sensor_ms, "gateway_ms": times.gateway_ms,
                "broker_ms": times.broker_ms, "board_ms": times.board_ms, "total_ms": times.total_ms()});
            return print::line(&object.to_string());
        }
        let said = match row.state {
            RowState::Waiting => return Ok(()),
            RowState::Test => "等触发 · trigger it".to_owned(),
            RowState::Triggered => "已触发,等值班室 · triggered, waiting for the duty room".to_owned(),
            RowState::Passed => format!("通过 · passed  {}", way(row)),
            RowState::Slow => format!("太慢 · too slow  {}", way(row)),
            RowState::Missed => "没有收到 · missed".to_owned(),
        };
        print::line(&format!(" {name}  {said}"))
    }

    /// What is missing, and what to type next.
    fn close(&mut self, told: &WalkTold) -> Result<(), Exit> {
        let Some(walk) = &told.walk else { return Ok(()) };
        self.show(walk, &told.names)?;
        let missing: Vec<&Id> =
            walk.rows.iter().filter(|row| row.state != RowState::Passed).map(|row| &row.device).collect();
        if self.json {
            let last = json!({"walk": walk.id, "state": walk.state, "by": walk.by,
                "accepted": walk.accepted, "passed": walk.rows.len() - missing.len(), "missing": missing,
                "not_normal": told.not_normal, "refused": told.refused});
            print::line(&last.to_string())?;
        } else {
            if let Some(why) = &told.refused {
                print::line(&format!(" {} · {}", why.zh, why.en))?;
            }
            for device in &missing {
                print::line(&format!(" 缺 missing:  {device}\n   shouwang walk-test --again {device}"))?;
            }
        }
        if walk.state == WalkState::Finished && missing.is_empty() {
            if !self.json {
                print::line(
                    " 下一步 next:  sudo shouwang report --config /etc/shouwang/gateway.toml --to report.html",
                )?;
            }
            return Ok(());
        }
        Err(Exit::Said(Code::Found))
    }
}

/// Where the time went.
fn way(row: &Row) -> String {
    let ms = |time: Option<u64>| time.map_or("-".to_owned(), |time| format!("{time} ms"));
    let times = row.times;
    format!(
        "{}  (传感器 sensor ≤ {} ms, 网关 gateway {}, broker {}, 值班室 board {})",
        times.total_ms().map_or("-".to_owned(), |total| format!(
            "{}.{} s",
            total / 1_000,
            total % 1_000 / 100
        )),
        times.sensor_ms,
        ms(times.gateway_ms),
        ms(times.broker_ms),
        ms(times.board_ms)
    )
}
