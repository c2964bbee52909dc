//! The command line. Help is Chinese first, English beside it.
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use shouwang_gateway::control::DEFAULT_SOCKET;
use shouwang_gateway::recordings::{MOST_MINUTES, USUAL_MINUTES};

use crate::bench::Bench;
use crate::label::Label;
use crate::line::LineVerb;
use crate::profile::new::New;
use crate::read::Read;
use crate::replace::Replace;
use crate::report::Report;
use crate::scan::Scan;
use crate::set_unit_id::{SetUnitId, Write};
use crate::simulate::Simulate;
use crate::walk_test::WalkTest;

/// 守望:社区报警边缘网关 · Shouwang: an edge gateway that keeps watch over a community
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// 演示整个系统(模拟设备) · Show the whole system on a simulated field
    Demo(Demo),
    /// 演示里的网关进程 · The demo's gateway, started by `demo`
    #[command(hide = true)]
    DemoGateway {
        /// demo 写下的 gateway.toml · The gateway.toml that `demo` wrote
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// 运行一个网关 · Run one gateway
    Run {
        /// gateway.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 把全部输入录到这个新文件,供 replay 重放 · Record every input into this new file, for `replay`
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// 运行一个值班室 · Run one duty room
    DutyRoom {
        /// duty-room.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 只打印网关 trusted_keys 要写的公钥 · Only print its public key, for the gateways' trusted_keys
        #[arg(long, group = "asked")]
        show_key: bool,
        /// 让正在运行的值班室重读这个文件,并说出结果 · Have the duty room that runs read this file anew, and say what came of it
        #[arg(long, group = "asked")]
        reload: bool,
        /// 与 --show-key 或 --reload 同用,输出一个 JSON 对象 · With --show-key or --reload: one JSON object
        #[arg(long, requires = "asked")]
        json: bool,
    },
    /// 检查网关或值班室的配置,并算出每条线路的报警轮询时间 · Check a configuration; compute each line's alarm round
    Check {
        /// gateway.toml / duty-room.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 每行一个 JSON 对象 · One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// 体检:串口、每台设备、broker、时钟、磁盘、证书,每条结果后面是下一步的命令 · Look at everything that could be wrong on site
    Doctor {
        /// gateway.toml / duty-room.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 另存一份支持包,密码、人名、电话、地点都已去掉 · Also write a support bundle without secrets, people, phones and places
        #[arg(long, value_name = "FILE.tar")]
        bundle: Option<PathBuf>,
        /// 每行一个 JSON 对象 · One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// 只运行模拟设备,或安装员的培训包 · Run a simulated field alone, or the installers' training bag
    Simulate(Simulate),
    /// 找出线路上的设备:只读,不写;完成 0,连不上或没人应答 3,地址冲突 4 · Find the devices on a line; reads only
    Scan(Scan),
    /// 读一台或几台设备,按型号或按寄存器;--watch 看刚碰的是哪台 · Read devices, by profile or raw
    Read(Read),
    /// 按型号的步骤给一台设备换地址,读回为证 · Give a device another unit id by its profile's recipe, and prove it
    SetUnitId(SetUnitId),
    /// 写一个寄存器一次:型号列为可写的,或 --force · Write one register once: listed as writable, or --force
    Write(Write),
    /// 走测:值班室同意后逐台触发,每台通过时报出各段毫秒;全部通过 0,有缺 4 · Walk test: trigger each listed device in earnest
    WalkTest(WalkTest),
    /// 在车间按计划表逐台设地址:插一台,写、读回、响一声、印标签内容,下一台 · In the workshop: one new device after the other gets its planned unit id
    Bench(Bench),
    /// 线路本身好不好 · How a line itself is
    Line {
        #[command(subcommand)]
        verb: LineVerb,
    },
    /// 换一台设备:编号、位置、历史不变,序列号是新的,走测前算未验证 · Another unit in a device's place
    Replace(Replace),
    /// 投运报告:可打印的网页、CSV、PDF · The commissioning report as a page to print, CSV and PDF
    Report(Report),
    /// 打印设备标签:二维码、7 位码、地址、位置 · Labels for devices: QR code, code, unit id and place
    Label(Label),
    /// 整个站点的设备清单:导出成表格,改好再导入 · A site's devices as a spreadsheet, out and in again
    Site {
        #[command(subcommand)]
        verb: SiteVerb,
    },
    /// 设备型号库 · Device profiles
    Profile {
        #[command(subcommand)]
        verb: ProfileVerb,
    },
    /// 让运行中的网关录制几分钟,到时自己结束 · Have a running gateway record a few minutes; it ends by itself
    Record {
        /// 分钟,1–60 · Minutes, 1 to 60
        #[arg(long, default_value_t = USUAL_MINUTES,
            value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_MINUTES)))]
        minutes: u32,
        /// 网关的控制套接字 · The gateway's control socket
        #[arg(long = "control", value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
        socket: PathBuf,
        /// 输出一个 JSON 对象 · One JSON object
        #[arg(long)]
        json: bool,
    },
    /// 重放一次录制,打印经过,并说是否作出同样的决定 · Replay a recording, print its transcript, and say whether it decides the same
    Replay {
        /// `record` 或 `run --record` 录下的文件 · A file made by `record` or `run --record`
        recording: PathBuf,
        /// 也打印每次问答 · Print every exchange too
        #[arg(long)]
        all: bool,
        /// 每行一个 JSON 对象 · One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// 外呼通道 · The duty room's ways out of the house
    Channel {
        #[command(subcommand)]
        verb: ChannelVerb,
    },
    /// 值班室账号 · The duty room's accounts
    Account {
        #[command(subcommand)]
        verb: AccountVerb,
    },
    /// 值班日志 · The duty room's logbook
    Logbook {
        #[command(subcommand)]
        verb: LogbookVerb,
    },
    /// 备份网关或值班室(可在运行中)· Back up a gateway or a duty room, also while it runs
    Backup {
        /// gateway.toml / duty-room.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 写到这个新文件(只有属主可读)· Write this new file, readable by its owner alone
        #[arg(long, value_name = "FILE.tar")]
        to: PathBuf,
        /// 输出一个 JSON 对象 · One JSON object
        #[arg(long)]
        json: bool,
    },
    /// 从备份恢复;服务须已停止,原数据移到一旁 · Restore a backup; the service must be stopped, its data is moved aside
    Restore {
        /// `shouwang backup` 做的文件 · A file made by `shouwang backup`
        #[arg(value_name = "FILE.tar")]
        from: PathBuf,
        /// gateway.toml / duty-room.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 输出一个 JSON 对象 · One JSON object
        #[arg(long)]
        json: bool,
    },
    /// 打印文件格式的 JSON Schema 或带注释的样例 · Print a format's JSON schema, or its commented example
    Schema {
        #[arg(value_enum)]
        of: Format,
        /// 打印带注释的样例 · Print the commented example
        #[arg(long)]
        example: bool,
    },
    /// 打印命令行补全脚本 · Print a completion script
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// 把手册页写进这个目录,供打包 · Write the manual's pages into this directory, for packages
    #[command(hide = true)]
    Man { directory: PathBuf },
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// 值班室网页的地址 · Where the duty room's page listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// 这么多秒后自动结束 · End by itself after so many seconds
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// 数据留在这个目录(默认用完即删) · Keep the databases here (else they are removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// 每行一个 JSON 对象 · One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SiteVerb {
    /// 导出设备清单(CSV,Excel 和 WPS 直接打开) · Write the devices as CSV
    Export {
        /// gateway.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 写到这个文件;默认打印 · Write this file; printed without it
        #[arg(long, value_name = "FILE.csv")]
        to: Option<PathBuf>,
    },
    /// 导入设备清单:全对才写入配置,注释保留;有错就按行列全部指出 · Take a CSV into the configuration: all of it, or nothing
    Import {
        /// `shouwang site export` 写的表格 · A file as `shouwang site export` writes it
        #[arg(value_name = "FILE.csv")]
        from: PathBuf,
        /// gateway.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// 表格里没有的设备从配置中删去(默认拒绝) · Take out devices that the file does not have; refused without it
        #[arg(long)]
        remove: bool,
        /// 输出一个 JSON 对象 · One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChannelVerb {
    /// 试发一条【测试】消息;连不上退出码 3,被拒绝 4 · Send one test message; exits 3 if unreached, 4 if refused
    Test {
        /// duty-room.toml
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// [[channel]] 的 id
        id: String,
        /// 短信通道发给这个号码 · The phone, for a channel that reaches one person
        #[arg(long, value_name = "PHONE")]
        to: Option<String>,
        /// 输出一个 JSON 对象 · One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountVerb {
    /// 班长忘了密码:印一个恢复码,30 分钟内在 /recover 用一次 · A lead forgot the password: print a code for /recover
    Recover {
        #[command(flatten)]
        state: StateDir,
        /// 哪个班长;只有一个时可不写 · Which lead; not needed if there is one
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// 输出一个 JSON 对象 · One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogbookVerb {
    /// 从第一行查到最后一行,指出第一处被改动的地方 · Follow its chain; name the first line that was changed
    Verify {
        #[command(flatten)]
        state: StateDir,
        /// 输出一个 JSON 对象 · One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// 值班室的数据目录 · Where a duty room keeps its data
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct StateDir {
    /// 数据目录 · The duty room's state_dir
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// 或 duty-room.toml · Or its duty-room.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileVerb {
    /// 列出全部型号 · List all models
    List {
        /// 除随附型号外还读这些目录 · Read these folders besides the shipped profiles
        #[arg(long, value_name = "DIR")]
        dir: Vec<PathBuf>,
        /// 每行一个 JSON 对象 · One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// 说明一个型号:点位、报警、来源和可信程度 · Explain one model: points, conditions, source and grade
    Show {
        name: String,
        #[arg(long, value_name = "DIR")]
        dir: Vec<PathBuf>,
    },
    /// 没有型号的设备:看着表报读数,写出一个型号 · A device without a profile: say what it should read, get a profile
    New(New),
    /// 检查型号文件并运行其中的样例 · Check profile files and run their examples
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// 每行一个 JSON 对象 · One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// gateway.toml
    Config,
    /// device-profiles/*.toml
    Profile,
    /// duty-room.toml
    DutyRoom,
}
