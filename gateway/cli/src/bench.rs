//! `bench`: in the workshop, one factory-fresh device after the other gets the unit id that the site plans for it.
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use shouwang_gateway::control::DEFAULT_SOCKET;
use shouwang_installer::{
    Bus as _, Candidate, Change, Job, Provided, Refused, Setting, SiteDevice, await_device, await_remedy,
    await_removal, factory, provide, read_site,
};

use crate::exit::{Code, Exit};
use crate::port::{self, Port, Where};
use crate::{print, scan};

mod journal;

use journal::{Journal, State};

#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// 串口,或 tcp://主机:502,或 rtu-tcp://主机:端口 · A serial port, tcp://host:502 or rtu-tcp://host:port
    #[arg(value_parser = Where::parse)]
    r#where: Where,
    /// 计划表:id,line,unit_id,profile,building,entrance,room… · The plan, a row a device
    #[arg(long, value_name = "SITE.csv")]
    from: PathBuf,
    /// 只做这条线路的设备 · Only the devices of this line
    #[arg(long, value_name = "NAME")]
    line: Option<String>,
    /// 出厂地址(默认按型号) · The factory's unit id (else the profile's)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    factory_id: Option<u8>,
    /// 出厂波特率(默认按型号) · The factory's baud rate (else the profile's)
    #[arg(long, value_name = "B")]
    baud: Option<u32>,
    /// 只做一台就结束 · End after one device
    #[arg(long)]
    once: bool,
    /// 除随附型号外还读这些目录 · Read these folders besides the shipped profiles
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// 每行一个 JSON 对象 · One JSON object a line
    #[arg(long)]
    json: bool,
}

/// The slowest devices known take 350 ms.
const WAIT: Duration = Duration::from_millis(400);
/// A terminal beeps.
const BELL: &[u8] = b"\x07";

pub(crate) fn verb(wanted: Bench) -> Result<(), Exit> {
    let candidates = scan::candidates(&wanted.dir)?;
    let mut plan = plan(&wanted.from, &candidates)?;
    if let Some(line) = &wanted.line {
        plan.retain(|row| row.line.as_str() == line);
    }
    if plan.is_empty() {
        let path = wanted.from.display();
        return Err(Exit::Because(Code::Bad, format!("{path}:没有要做的设备 · no devices are planned")));
    }
    let journal = Journal::open(&wanted.from)
        .map_err(|error| Exit::Because(Code::Bad, format!("{}: {error}", wanted.from.display())))?;
    let place = wanted.r#where.clone();
    port::with_port(&place, Path::new(DEFAULT_SOCKET), move |port| {
        if port.lent_setting().map_err(|lost| port::lost(&lost))?.is_some() {
            return Err(Exit::Because(Code::Unreached, port.only_for_reading()));
        }
        Workshop { wanted, candidates, journal, port }.work(&plan)
    })
}

fn plan(path: &Path, candidates: &[Candidate]) -> Result<Vec<SiteDevice>, Exit> {
    let named = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|error| Exit::Because(Code::Bad, named(&error)))?;
    read_site(&bytes, candidates)
        .map_err(|mistakes| Exit::bad(&mistakes.iter().map(|mistake| named(mistake)).collect::<Vec<_>>()))
}

struct Workshop<'p> {
    wanted: Bench,
    candidates: Vec<Candidate>,
    journal: Journal,
    port: &'p mut Port,
}

impl Workshop<'_> {
    fn work(&mut self, plan: &[SiteDevice]) -> Result<(), Exit> {
        let done_before = plan.iter().filter(|row| self.journal.state(row) == Some(State::Done)).count();
        self.say(&format!(
            " 共 {} 台,已做 {done_before} 台;Ctrl-C 随时停,再运行同一条命令接着做 · {} devices, {done_before} done; Ctrl-C \
             stops, the same command goes on",
            plan.len(),
            plan.len()
        ))?;
        for (row, number) in plan.iter().zip(1..) {
            if self.journal.state(row) == Some(State::Done) {
                continue;
            }
            self.one(row, number, plan.len())?;
            if self.wanted.once {
                return Ok(());
            }
        }
        self.say(&format!(
            " 全部完成 · all done\n 下一步 next:  shouwang scan {}\n 在网关上 on the gateway:\n   shouwang site import {} \
             --config /etc/shouwang/gateway.toml\n   shouwang label --config /etc/shouwang/gateway.toml --assign --sheet \
             --to labels",
            self.wanted.r#where,
            self.wanted.from.display()
        ))
    }

    /// One row, until it is done; a refusal is told and its remedy waited for.
    fn one(&mut self, row: &SiteDevice, number: usize, of: usize) -> Result<(), Exit> {
        let candidate = self.candidates.iter().find(|candidate| candidate.name == row.profile).cloned();
        // The plan was read with the same profiles.
        let Some(candidate) = candidate else { return Ok(()) };
        let begun = self.journal.state(row) == Some(State::Begun);
        let mut job = Job::new(&candidate, self.change(&candidate, row), begun);
        self.invite(row, &job, number, of)?;
        let mut told = None;
        loop {
            await_device(self.port, &job).map_err(|lost| port::lost(&lost))?;
            if told.is_none() {
                self.say("   看到了,请别动 · seen; leave it alone")?;
            }
            if !job.is_checked_only() && self.journal.state(row).is_none() {
                self.remember(row, State::Begun)?;
            }
            let began = self.port.elapsed();
            let stop = self.port.stop();
            let provided = provide(self.port, &job, || {
                eprintln!("   把设备断电再上电,然后按回车 · switch the device off and on, then press Enter");
                stop.until_enter()
            });
            let took = self.port.elapsed().saturating_sub(began);
            match provided {
                Ok(provided) => {
                    self.remember(row, State::Done)?;
                    self.done(row, &job, provided, took)?;
                    if self.wanted.once {
                        return Ok(());
                    }
                    if job.is_checked_only() {
                        self.say("   拔下它 · unplug it")?;
                    }
                    return await_removal(self.port, &job).map_err(|lost| port::lost(&lost));
                }
                Err(Refused::Lost(lost)) => return Err(port::lost(&lost)),
                Err(Refused::Nobody(_)) if !self.wanted.once => told = None,
                Err(refused) => {
                    if told.as_ref() != Some(&refused) {
                        self.refused(row, &job, &refused)?;
                    }
                    if self.wanted.once {
                        return Err(Exit::Said(Code::Found));
                    }
                    await_remedy(self.port, &job, &refused).map_err(|lost| port::lost(&lost))?;
                    job.begun |= !refused.is_before_writing();
                    told = Some(refused);
                }
            }
        }
    }

    fn change(&self, candidate: &Candidate, row: &SiteDevice) -> Change {
        let (from, setting) = factory(&candidate.profile);
        let setting = match (&self.wanted.r#where, self.wanted.baud, setting) {
            (Where::Tcp { rtu_frames, .. }, ..) => Setting::Tcp { rtu_frames: *rtu_frames },
            (Where::Serial(_), Some(baud), Setting::Serial { parity, stop_bits, .. }) => {
                Setting::Serial { baud, parity, stop_bits }
            }
            (Where::Serial(_), _, setting) => setting,
        };
        Change { from: self.wanted.factory_id.unwrap_or(from), to: row.unit_id, setting, wait: WAIT }
    }

    fn invite(&self, row: &SiteDevice, job: &Job<'_>, number: usize, of: usize) -> Result<(), Exit> {
        let Change { from, to, setting, .. } = job.change;
        let title = &job.candidate.profile.title;
        if self.wanted.json {
            let object = json!({"awaits": row.id, "profile": row.profile, "from": from, "to": to,
                "setting": setting.to_string()});
            return print::line(&object.to_string());
        }
        let how = if job.is_checked_only() {
            format!("把它拨到地址 {to} 再插上 · set its switches to {to}, then plug it in")
        } else {
            format!("插上,{from} -> {to} · plug it in")
        };
        let begun = if job.begun {
            "\n   上次写到一半:先插那一台 · the last time ended in the middle: plug in that one first"
        } else {
            ""
        };
        print::line(&format!(
            " {number}/{of}  {}  {} {} {}  {setting}  {how}{begun}",
            row.id, row.profile, title.zh, title.en
        ))
    }

    fn done(&self, row: &SiteDevice, job: &Job<'_>, provided: Provided, took: Duration) -> Result<(), Exit> {
        if self.wanted.json {
            let word = match provided {
                Provided::Set => "set",
                Provided::Finished => "finished",
                Provided::Checked => "checked",
            };
            let label: Value = label(row, job.candidate).into();
            let object = json!({"id": row.id, "unit_id": row.unit_id, "profile": row.profile, "done": true,
                "how": word, "label": label, "seconds": (took.as_secs_f64() * 1000.0).round() / 1000.0});
            return print::line(&object.to_string());
        }
        beep();
        let how = match provided {
            Provided::Checked => "应答,只有一台 · it answers, alone",
            Provided::Set | Provided::Finished => "读回,旧地址无应答 · read back, its old id is silent",
        };
        print::line(&format!(
            "   好 done: {}  {how}  {:.1} s\n   标签 label: {}",
            row.unit_id,
            took.as_secs_f64(),
            label(row, job.candidate)
        ))
    }

    fn refused(&self, row: &SiteDevice, job: &Job<'_>, refused: &Refused) -> Result<(), Exit> {
        if self.wanted.json {
            let object = json!({"id": row.id, "unit_id": job.change.to, "profile": row.profile, "done": false,
                "why": refused.to_string()});
            return print::line(&object.to_string());
        }
        beep();
        beep();
        print::line(&format!("   不行 refused: {refused}"))
    }

    fn remember(&mut self, row: &SiteDevice, state: State) -> Result<(), Exit> {
        self.journal.remember(row, state).map_err(|error| {
            let path = self.wanted.from.display();
            Exit::Because(
                Code::Failed,
                format!("{path}.bench: 记不下来 · what was done cannot be kept: {error}"),
            )
        })
    }

    fn say(&self, text: &str) -> Result<(), Exit> {
        if self.wanted.json { Ok(()) } else { print::line(text) }
    }
}

/// What is written on the device, so that it is found again at the site.
fn label(row: &SiteDevice, candidate: &Candidate) -> String {
    let place = row.place.words().map(|place| format!("  {place}")).unwrap_or_default();
    format!("{}  地址 {}{place}  {}", row.id, row.unit_id, candidate.profile.title.zh)
}

/// Whoever works with both hands looks elsewhere.
fn beep() {
    let mut screen = io::stderr();
    if screen.is_terminal() {
        // A terminal that went away is noticed by what is printed.
        let _ = screen.write_all(BELL);
    }
}
