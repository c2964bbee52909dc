//! Checks of what the gateway itself sounds and switches: points that can be written, and a siren that is not
//! also the lamp.
use std::net::SocketAddr;
use std::time::Duration;

use shouwang_catalog::strict::Step;
use shouwang_core::configuration::{
    DeviceIndex, DeviceSettings, LocalAlarmSettings, OutputIndex, OutputSettings,
};
use shouwang_core::profile::{Kind, Point, Table};
use shouwang_message::Text;

use super::check::{At, Check, Taken};
use super::draft::{Device, Input, Install, LocalAlarm, Output, SilencePage};
use crate::{install, silence_page};

/// The contract's times, seconds.
const UNHEARD_S: u32 = 30;
const UNACKNOWLEDGED_S: u32 = 180;

impl Check<'_> {
    pub(super) fn outputs(
        &mut self,
        drafts: &[Output],
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Vec<OutputSettings> {
        let (mut names, mut points) = (Taken::new(), Taken::new());
        let mut outputs = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let key = |key| [Step::Key("output"), index.into(), Step::Key(key)];
            if let Some(name) = &draft.name {
                let what = Text::new("输出名字重复", "this output's name is taken");
                self.once(&mut names, name.clone(), &key("name"), &what);
            }
            let name = self.id(&key("name"), draft.name.as_ref());
            let Some((device, point)) = self.switched(index, draft, all_devices, devices) else { continue };
            let what = Text::new("这个点已经是另一个输出", "this point is another output already");
            self.once(&mut points, (device, point), &key("device"), &what);
            if let Some(name) = name {
                outputs.push(OutputSettings { name, device, point });
            }
        }
        outputs
    }

    /// The point that an output switches: the one named, or the only one that can be.
    fn switched(
        &mut self,
        index: usize,
        draft: &Output,
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Option<(DeviceIndex, usize)> {
        let key = |key| [Step::Key("output"), index.into(), Step::Key(key)];
        let device = self.named_device(&key("device"), draft.device.as_ref()?, all_devices, devices)?;
        let profile = &devices.get(device)?.profile;
        let can = |point: &Point| point.writable && is_switch(point);
        let Some(name) = &draft.point else {
            let mut able = profile.points.iter().enumerate().filter(|(_, point)| can(point));
            return match (able.next(), able.next()) {
                (Some((point, _)), None) => Some((device, point)),
                (None, _) => {
                    self.wrong(
                        &key("device"),
                        Text::new(
                            format!("型号 {} 没有可写的开关点", profile.name),
                            format!("the profile {} has no switch that can be written", profile.name),
                        ),
                        Text::new(
                            "换一个设备;或在型号文件里给线圈或保持寄存器的 bool 点写 writable = true",
                            "name another device, or give a bool point (coil or holding register) of the profile writable = true",
                        ),
                    );
                    None
                }
                (Some(_), Some(_)) => {
                    let names: Vec<&str> = profile
                        .points
                        .iter()
                        .filter(|point| can(point))
                        .map(|point| point.name.as_str())
                        .collect();
                    let names = names.join(" ");
                    self.wrong(
                        &key("device"),
                        Text::new(
                            "这个设备有几个可写的点",
                            "this device has several points that can be written",
                        ),
                        Text::new(
                            format!("用 point 写明哪一个:{names}"),
                            format!("say which with point: {names}"),
                        ),
                    );
                    None
                }
            };
        };
        let names = profile.points.iter().map(|point| point.name.as_str());
        let point = self.known(&key("point"), name, ("点", "point"), names)?;
        if !profile.points.get(point).is_some_and(can) {
            self.wrong(
                &key("point"),
                Text::new(format!("点 {name} 不能开关"), format!("the point {name} cannot be switched")),
                Text::new(
                    "输出必须是型号文件里写了 writable = true 的 bool 线圈或保持寄存器",
                    "an output is a bool coil or holding register with writable = true in its profile",
                ),
            );
            return None;
        }
        Some((device, point))
    }

    pub(super) fn local_alarm(
        &mut self,
        draft: &LocalAlarm,
        drafts: &[Output],
        outputs: &[OutputSettings],
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Option<LocalAlarmSettings> {
        let key = |key| [Step::Key("local_alarm"), Step::Key(key)];
        let output = self.named_output(&key("output"), draft.output.as_ref(), drafts, outputs);
        let no_contact = self.named_output(&key("no_contact"), draft.no_contact.as_ref(), drafts, outputs);
        if output.is_some() && output == no_contact {
            self.wrong(
                &key("no_contact"),
                Text::new(
                    "警笛不能同时是断线指示:每次断网它都会响",
                    "the siren cannot also show lost contact: it would sound at every outage",
                ),
                Text::new(
                    "写另一个输出(指示灯),或去掉 no_contact",
                    "name another output, a lamp, or leave it out",
                ),
            );
        }
        let silence = draft
            .silence
            .as_ref()
            .and_then(|input| self.pressed(&key("silence"), input, all_devices, devices));
        let seconds = |given: Option<u32>, usual: u32| Duration::from_secs(u64::from(given.unwrap_or(usual)));
        Some(LocalAlarmSettings {
            unheard: seconds(draft.unheard_s, UNHEARD_S),
            unacknowledged: seconds(draft.unacknowledged_s, UNACKNOWLEDGED_S),
            output: output?,
            no_contact,
            silence,
        })
    }

    /// Where the installer's pages listen, and what opens them.
    pub(super) fn install(
        &mut self,
        draft: &Install,
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> (Option<install::Listening>, Option<(DeviceIndex, usize)>) {
        let key = |key| [Step::Key("install"), Step::Key(key)];
        let words = ("安装页要写明本机的一个地址", "the installer's pages need one address of this machine");
        let listen = draft.listen.as_ref().and_then(|listen| self.one_address(&key("listen"), listen, words));
        let interface = draft.interface.clone();
        self.interface(&key("interface"), interface.as_deref());
        let open =
            draft.open.as_ref().and_then(|input| self.pressed(&key("open"), input, all_devices, devices));
        (listen.map(|listen| install::Listening { listen, interface }), open)
    }

    /// Not all addresses at once: a page is for one network.
    fn one_address(&mut self, at: At<'_>, text: &str, (zh, en): (&str, &str)) -> Option<SocketAddr> {
        let listen = text.parse::<SocketAddr>().ok();
        let listen = listen.filter(|listen| !listen.ip().is_unspecified() && listen.port() != 0);
        if listen.is_none() {
            self.wrong(
                at,
                Text::new(zh, en),
                Text::new("写成 192.168.1.7:8082", "write it like 192.168.1.7:8082"),
            );
        }
        listen
    }

    /// One address of this machine, and a PIN that somebody chose.
    pub(super) fn silence_page(&mut self, draft: &SilencePage) -> Option<silence_page::Settings> {
        let key = |key| [Step::Key("local_alarm"), Step::Key("silence_page"), Step::Key(key)];
        let listen = self.one_address(
            &key("listen"),
            draft.listen.as_ref()?,
            ("消音页要写明本机的一个地址", "the silencing page needs one address of this machine"),
        );
        let pin_file = self.file(&key("pin_file"), draft.pin_file.as_ref(), true)?;
        if self.look_at_files
            && pin_file.is_file()
            && let Err(error) = silence_page::read_pin(&pin_file)
        {
            self.wrong(
                &key("pin_file"),
                Text::new(
                    "文件里应是 6 到 12 位数字,且不是 123456、000000 之类",
                    format!("this file holds no PIN: {error}"),
                ),
                Text::new("换一个 PIN", "choose a PIN of 6 to 12 digits"),
            );
        }
        Some(silence_page::Settings { listen: listen?, pin_file })
    }

    /// Its place among the sound outputs. One that is wrong itself is told already.
    fn named_output(
        &mut self,
        at: At<'_>,
        name: Option<&String>,
        drafts: &[Output],
        outputs: &[OutputSettings],
    ) -> Option<OutputIndex> {
        let names = drafts.iter().filter_map(|draft| draft.name.as_deref());
        self.known(at, name?, ("输出", "output"), names)?;
        outputs.iter().position(|output| Some(output.name.as_str()) == name.map(String::as_str))
    }

    /// A point that somebody at the box presses.
    fn pressed(
        &mut self,
        at: At<'_>,
        draft: &Input,
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Option<(DeviceIndex, usize)> {
        let key = |key| [at, &[Step::Key(key)]].concat();
        let device = self.named_device(&key("device"), draft.device.as_ref()?, all_devices, devices)?;
        let points = &devices.get(device)?.profile.points;
        let names = points.iter().map(|point| point.name.as_str());
        let name = draft.point.as_ref()?;
        let point = self.known(&key("point"), name, ("点", "point"), names)?;
        if !points.get(point).is_some_and(|point| matches!(point.kind, Kind::Bool { .. }) && !point.writable)
        {
            self.wrong(
                &key("point"),
                Text::new(
                    format!("点 {name} 不是按钮输入"),
                    format!("the point {name} is no input to press"),
                ),
                Text::new("写一个不可写的 bool 点", "name a bool point that is not writable"),
            );
            return None;
        }
        Some((device, point))
    }

    /// Its place among the sound devices. One that is wrong itself is told already.
    pub(super) fn named_device(
        &mut self,
        at: At<'_>,
        name: &str,
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Option<DeviceIndex> {
        let names = all_devices.iter().filter_map(|device| device.id.as_deref());
        self.known(at, name, ("设备", "device"), names)?;
        devices.iter().position(|device| device.id.as_str() == name)
    }
}

/// A press of an input that asks for quiet, or opens the installer's pages, is no alarm of its own.
pub(super) fn judge_nothing_of(inputs: [Option<(DeviceIndex, usize)>; 2], devices: &mut [DeviceSettings]) {
    for (device, point) in inputs.into_iter().flatten() {
        if let Some(device) = devices.get_mut(device) {
            device.conditions.retain(|condition| condition.point != point);
        }
    }
}

fn is_switch(point: &Point) -> bool {
    matches!(point.kind, Kind::Bool { bit: None, .. })
        && matches!(point.table, Table::Coil | Table::HoldingRegister)
}
