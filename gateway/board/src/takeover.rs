//! One gateway id spoken by two machines: a stolen password, or a box that was copied. A process that was followed by
//! another never speaks again; two that take the connection from each other do, and that is a security alarm.
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::ToString;
use core::time::Duration;

use shouwang_message::{AlarmId, InfoDocument, Instant, LogId, Priority, Text};

use crate::GatewayName;
use crate::board::Board;
use crate::logbook::LogLine;
use crate::row::{Row, RowKind};

/// What the row is called.
pub(crate) const TWO_MACHINES: &str = "two_machines";
/// Processes remembered of each gateway: enough for a handful of machines.
const REMEMBERED: usize = 8;
/// One that comes back once may be a backup that was put back; twice within this time is two that live.
const WITHIN: Duration = Duration::from_secs(600);

/// Who has spoken as one gateway, by what came live, and not by what a broker kept.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    current: Option<Process>,
    earlier: VecDeque<(LogId, u32)>,
    /// Boot and connection of the last birth, until its `/info` says of which log it is.
    born: Option<(u32, u32)>,
    came_back_at: Option<Instant>,
    row: Option<AlarmId>,
}

/// One run of one box.
#[derive(Clone, Copy, Debug)]
struct Process {
    log: LogId,
    boot: u32,
    /// The newest it told; 0 before its first.
    connection: u32,
}

impl Processes {
    pub(crate) fn born(&mut self, boot: u32, connection: u32) {
        self.born = Some((boot, connection));
    }

    /// An `/info` right now. True if it is of a process that was followed by another already: of one with another log or
    /// boot, or, on a copied disk, by its connections, which one process only ever counts up.
    fn told(&mut self, log: LogId, boot: u32) -> bool {
        let connection = self.born.take().filter(|(born, _)| *born == boot).map(|(_, connection)| connection);
        if let Some(current) = self.current.as_mut().filter(|one| (one.log, one.boot) == (log, boot)) {
            let is_back = connection.is_some_and(|connection| connection < current.connection);
            current.connection = connection.unwrap_or(current.connection);
            return is_back;
        }
        let is_back = self.earlier.contains(&(log, boot));
        let next = Process { log, boot, connection: connection.unwrap_or(0) };
        if let Some(before) = self.current.replace(next) {
            self.earlier.retain(|one| *one != (before.log, before.boot));
            self.earlier.push_back((before.log, before.boot));
            if self.earlier.len() > REMEMBERED {
                self.earlier.pop_front();
            }
        }
        is_back
    }

    /// When two that speak have been one for long enough.
    pub(crate) fn next_deadline(&self) -> Instant {
        let shown = self.came_back_at.filter(|_| self.row.is_some());
        shown.map_or(Instant::NEVER, |at| at + WITHIN)
    }
}

impl Board {
    /// A live `/info`: who speaks as this gateway now.
    pub(crate) fn note_process(&mut self, now: Instant, whom: &GatewayName, info: &InfoDocument) {
        let Some(gateway) = self.gateways.get_mut(whom) else { return };
        let processes = &mut gateway.processes;
        let before = processes.current;
        if !processes.told(info.log, info.boot) {
            return;
        }
        let again = processes.came_back_at.replace(now).is_some_and(|at| now.since(at) <= WITHIN);
        if !again || processes.row.is_some() {
            return;
        }
        let text = Text::new(
            "安全:两台机器用同一个网关编号,查明哪台是真的,停用另一台并更换密码或证书",
            "Security: two machines speak as this gateway; find out which is the right one, stop the other, and change its password or certificate",
        );
        let row = self.own_row(RowKind::Fault, whom, TWO_MACHINES, Priority::Urgent, text);
        let Some(row) = row else { return };
        if let Some(gateway) = self.gateways.get_mut(whom) {
            gateway.processes.row = Some(row);
        }
        if let Some(kept) = self.rows.get(&row).cloned() {
            self.keep_row(&kept, false);
        }
        let process = |log: LogId, boot: u32| format!("{log}/{boot}");
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: "board".into(),
            what: "security.two_machines".into(),
            about: Some(row.to_string()),
            old: before.map(|one| process(one.log, one.boot)),
            new: Some(process(info.log, info.boot)),
            note: Some(format!("{}/{}", whom.site, whom.gateway)),
        });
    }

    /// Ten minutes with one voice: over, as soon as a person has seen it.
    pub(crate) fn look_at_processes(&mut self, now: Instant, whom: &GatewayName) {
        let Some(gateway) = self.gateways.get_mut(whom) else { return };
        if gateway.processes.next_deadline() > now {
            return;
        }
        if let Some(row) = gateway.processes.row.take() {
            self.close(row);
        }
    }

    /// After a restart: what is kept is over if it does not happen again.
    pub(crate) fn link_kept_takeover(&mut self, row: &mut Row) {
        if !row.is_takeover() || row.finished {
            return;
        }
        let (id, whom, now) = (row.id(), row.whom(), self.now);
        let Some(gateway) = self.gateway(&whom) else { return };
        (gateway.processes.row, gateway.processes.came_back_at) = (Some(id), Some(now));
        row.made_here = true;
    }
}

impl Row {
    pub(crate) fn is_takeover(&self) -> bool {
        self.kind == RowKind::Fault
            && self.fault_document().is_some_and(|document| document.code == TWO_MACHINES)
    }
}
