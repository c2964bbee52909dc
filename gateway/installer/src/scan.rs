//! The search of a line, pass by pass.
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::examine::{Sign, examine};
use crate::pass::passes;
use crate::{Bus, Candidate, Device, Heard, Lost, Pass, Question, Setting, Traffic, Wanted};

/// Servers on TCP that answer this many ids in a row are asked for two that nobody would use.
const IN_A_ROW: usize = 8;
const UNLIKELY: [u8; 2] = [246, 247];

/// What happens while the search goes on.
#[derive(Clone, Debug)]
pub enum News<'a> {
    PassBegins {
        number: usize,
        of: usize,
        pass: &'a Pass,
        computed: Duration,
    },
    /// An id was asked; so much of all passes is left if nobody answers.
    Asked {
        unit_id: u8,
        setting: Setting,
        left: Duration,
        of: Duration,
    },
    PassEnds {
        number: usize,
        took: Duration,
        answered: usize,
    },
    /// Somebody is looked at closely.
    Examines {
        unit_id: u8,
        setting: Setting,
    },
    Found(&'a Device),
}

/// What a search brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub devices: Vec<Device>,
    /// Ids asked in the passes.
    pub requests: u32,
    /// How long the passes took, and how long they had to take: the silences and frames on the wire, the
    /// waits in vain, and the answering devices' own time.
    pub took: Duration,
    pub computed: Duration,
    /// The closer looks, all together.
    pub examined: Duration,
    pub wire: WireTrouble,
    /// The search did not come to its end.
    pub ended: Option<Lost>,
}

/// What the line itself did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireTrouble {
    /// Bytes that belonged to no answer.
    pub noise_bytes: u32,
    /// The adapter hears itself.
    pub echo: bool,
    /// Something answers, and never a valid frame: A and B may be swapped, or its speed was not tried.
    pub swapped: bool,
}

impl Report {
    /// Two devices share a unit id somewhere.
    pub fn has_conflict(&self) -> bool {
        self.devices.iter().flat_map(|device| &device.doubts).any(|doubt| doubt.is_conflict())
    }
}

/// Searches the line. `wait` is how long a device may take to begin its answer.
pub fn scan(
    bus: &mut impl Bus,
    wanted: &Wanted,
    wait: Duration,
    candidates: &[Candidate],
    tell: &mut impl FnMut(&News<'_>),
) -> Report {
    let passes = passes(wanted);
    let of = passes.iter().map(|pass| pass.computed(wait)).sum();
    let mut search = Search { bus, wait, tell, report: Report::default(), left: of, of, garbled: 0 };
    for (index, pass) in passes.iter().enumerate() {
        let ended = search.pass(index + 1, passes.len(), pass, candidates);
        if let Err(lost) = ended {
            search.report.ended = Some(lost);
            break;
        }
    }
    let mut report = search.report;
    let valid = report.devices.iter().any(|device| device.reply.is_some());
    report.wire.swapped = !valid && search.garbled > 0;
    report
}

struct Search<'a, B, T> {
    bus: &'a mut B,
    wait: Duration,
    tell: &'a mut T,
    report: Report,
    left: Duration,
    of: Duration,
    /// Questions answered by something that is no frame.
    garbled: u32,
}

impl<B: Bus, T: FnMut(&News<'_>)> Search<'_, B, T> {
    fn pass(&mut self, number: usize, of: usize, pass: &Pass, candidates: &[Candidate]) -> Result<(), Lost> {
        let computed = pass.computed(self.wait);
        let before = self.report.took;
        let mut signs = Vec::new();
        let mut ended = Ok(());
        for (index, setting) in pass.settings.iter().enumerate() {
            self.bus.set(*setting)?;
            if index == 0 {
                (self.tell)(&News::PassBegins { number, of, pass, computed });
            }
            ended = self.hunt(*setting, &pass.units, &mut signs);
            self.note(self.bus.traffic());
            if ended.is_err() {
                break;
            }
        }
        let took = self.report.took.saturating_sub(before);
        (self.tell)(&News::PassEnds { number, took, answered: signs.len() });
        let began = self.bus.elapsed();
        let looked = self.look_at(&signs, ended.is_ok(), candidates);
        self.report.examined += self.bus.elapsed().saturating_sub(began);
        ended.and(looked)
    }

    /// Asks each id once; who gave a sign is added.
    fn hunt(
        &mut self,
        setting: Setting,
        units: &RangeInclusive<u8>,
        signs: &mut Vec<Sign>,
    ) -> Result<(), Lost> {
        let already = signs.len();
        let mut began = self.bus.elapsed();
        for unit_id in units.clone() {
            if self.answered_at_this_speed(unit_id, setting) {
                self.left = self.left.saturating_sub(setting.silent(self.wait));
                continue;
            }
            let heard = self.bus.ask(&Question::who(unit_id, self.wait))?;
            let now = self.bus.elapsed();
            self.report.took += now.saturating_sub(began);
            began = now;
            self.report.requests += 1;
            let had_to = match heard.delay() {
                Some(delay) => setting.exchange(heard.characters()) + delay,
                None => setting.silent(self.wait),
            };
            self.report.computed += had_to;
            self.left = self.left.saturating_sub(setting.silent(self.wait));
            (self.tell)(&News::Asked { unit_id, setting, left: self.left, of: self.of });
            let late = matches!(heard, Heard::Other(_));
            let Some(unit_id) = self.sign(setting, unit_id, &heard) else { continue };
            if !signs.iter().skip(already).any(|sign| sign.unit_id == unit_id) {
                signs.push(Sign { unit_id, setting, late, every_id: false });
            }
            if self.answers_everything(setting, &signs[already..])? {
                signs.truncate(already + 1);
                if let Some(sign) = signs.last_mut() {
                    sign.every_id = true;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// A device that was understood at this speed is not sought again with another parity: some take any.
    fn answered_at_this_speed(&self, unit_id: u8, setting: Setting) -> bool {
        let found = |device: &Device| {
            device.unit_id == unit_id && device.reply.is_some() && device.setting.baud() == setting.baud()
        };
        setting.baud().is_some() && self.report.devices.iter().any(found)
    }

    /// Who spoke, if anybody did.
    fn sign(&mut self, setting: Setting, asked: u8, heard: &Heard) -> Option<u8> {
        match heard {
            heard if heard.is_nobody(setting) => None,
            Heard::Words(..) | Heard::Bits(..) | Heard::Exception(..) => Some(asked),
            Heard::Garbled => {
                self.garbled = self.garbled.saturating_add(1);
                Some(asked)
            }
            Heard::Other(other) => Some(*other),
            Heard::Silence => None,
        }
    }

    /// A server on TCP that has no unit ids answers whatever is asked.
    fn answers_everything(&mut self, setting: Setting, signs: &[Sign]) -> Result<bool, Lost> {
        if setting != (Setting::Tcp { rtu_frames: false }) || signs.len() != IN_A_ROW {
            return Ok(false);
        }
        for unit_id in UNLIKELY {
            let heard = self.bus.ask(&Question::who(unit_id, self.wait))?;
            if self.sign(setting, unit_id, &heard).is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks at each closely, at the setting it was heard at.
    fn look_at(&mut self, signs: &[Sign], may_ask: bool, candidates: &[Candidate]) -> Result<(), Lost> {
        let mut open = None;
        let mut ended = Ok(());
        for sign in signs {
            let device = if may_ask && ended.is_ok() {
                (self.tell)(&News::Examines { unit_id: sign.unit_id, setting: sign.setting });
                let looked = match open.replace(sign.setting) {
                    Some(setting) if setting == sign.setting => Ok(()),
                    _ => self.bus.set(sign.setting),
                };
                match looked.and_then(|()| examine(self.bus, *sign, candidates)) {
                    Ok(device) => device,
                    Err(lost) => {
                        ended = Err(lost);
                        Some(sign.unexamined())
                    }
                }
            } else {
                Some(sign.unexamined())
            };
            if let Some(device) = device {
                (self.tell)(&News::Found(&device));
                self.report.devices.push(device);
            }
        }
        ended
    }

    fn note(&mut self, traffic: Traffic) {
        let wire = &mut self.report.wire;
        wire.noise_bytes = wire.noise_bytes.saturating_add(traffic.stray_bytes);
        wire.echo |= traffic.own_echoes > 0;
    }
}
