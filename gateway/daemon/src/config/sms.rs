//! Checks of the gateway's own texts: a modem of its own, numbers that can be dialled, and somebody for everything
//! that can become an emergency here.
use std::path::Path;
use std::time::Duration;

use shouwang_catalog::strict::Step;
use shouwang_core::configuration::{DeviceSettings, PhoneSettings, SmsSettings};
use shouwang_core::profile::Raises;
use shouwang_message::{Class, Id, Priority, Text};
use shouwang_modem::Number;

use super::check::{Check, Taken};
use super::draft::{Phone, Sms};
use super::{Link, Modem};

/// USB modems do not care; those on a wire leave their factory with this.
const USUAL_BAUD: u32 = 115_200;
/// The contract's time, seconds.
const AFTER_S: u32 = 30;

impl Check<'_> {
    pub(super) fn sms(
        &mut self,
        draft: &Sms,
        links: &[Link],
        devices: &[DeviceSettings],
    ) -> Option<(SmsSettings, Modem)> {
        let key = |key| [Step::Key("sms"), Step::Key(key)];
        let path = self.path(&key("path"), draft.path.as_ref());
        let is_line =
            |port: &Path| links.iter().any(|link| matches!(link, Link::Serial { path, .. } if path == port));
        if path.as_deref().is_some_and(is_line) {
            self.wrong(
                &key("path"),
                Text::new("这个串口已有一条线", "this serial port has a line"),
                Text::new("写短信模块自己的串口", "write the modem's own port"),
            );
        }
        let phones = self.phones(draft.phone.as_deref().unwrap_or_default());
        let given = draft.phone.as_ref().map_or(0, Vec::len);
        // While one is wrong, who is told of what is not known.
        let is_whole = phones.len() == given && given > 0;
        if is_whole {
            self.everything_is_told(&phones, devices);
        }
        let port = shouwang_modem::Settings { path: path?, baud: draft.baud.unwrap_or(USUAL_BAUD) };
        let (phones, numbers) = phones.into_iter().unzip();
        is_whole.then_some((SmsSettings { rings: draft.ring_emergencies, phones }, Modem { port, numbers }))
    }

    fn phones(&mut self, drafts: &[Phone]) -> Vec<(PhoneSettings, Number)> {
        let (mut persons, mut numbers) = (Taken::new(), Taken::new());
        let mut phones = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let key = |key| [Step::Key("sms"), Step::Key("phone"), index.into(), Step::Key(key)];
            let person: Option<Id> = self.id(&key("person"), draft.person.as_ref());
            if let Some(person) = &person {
                let what = Text::new("这个人已有一个号码", "this person has a number");
                self.once(&mut persons, person.clone(), &key("person"), &what);
            }
            let number = draft.number.as_ref().and_then(|text| {
                let number = text.parse::<Number>().ok();
                if number.is_none() {
                    self.wrong(
                        &key("number"),
                        Text::new("不是电话号码", "this is no phone number"),
                        Text::new("写成 +8613800138000", "write it like +8613800138000"),
                    );
                }
                number
            });
            if let Some(number) = &number {
                let what =
                    Text::new("号码重复:回复分不清是谁", "this number is taken: nobody knows who answers");
                self.once(&mut numbers, number.phone().to_owned(), &key("number"), &what);
            }
            let classes = self.classes(index, &draft.classes);
            let after = Duration::from_secs(u64::from(draft.after_s.unwrap_or(AFTER_S)));
            if let (Some(person), Some(number), Some(classes)) = (person, number, classes) {
                phones.push((PhoneSettings { person, after, classes }, number));
            }
        }
        phones
    }

    fn classes(&mut self, phone: usize, names: &[String]) -> Option<Vec<Class>> {
        let known = Class::ALL.iter().map(|class| class.as_str());
        let found: Vec<_> = names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| {
                let at =
                    [Step::Key("sms"), Step::Key("phone"), phone.into(), Step::Key("classes"), index.into()];
                let place = self.known(&at, name, ("类别", "class"), known.clone())?;
                Class::ALL.get(place).copied()
            })
            .collect();
        (found.len() == names.len()).then_some(found)
    }

    /// An emergency that nobody is texted of is a hole that shows only in the night it matters.
    fn everything_is_told(&mut self, phones: &[(PhoneSettings, Number)], devices: &[DeviceSettings]) {
        let wants = |class| phones.iter().any(|(phone, _)| phone.wants(class));
        let is_emergency = |device: &&DeviceSettings| {
            device.conditions.iter().any(|condition| {
                condition.priority == Priority::Emergency && condition.raises == Raises::Alarm
            })
        };
        let untold = devices.iter().filter(is_emergency).find(|device| !wants(device.profile.class));
        if let Some(device) = untold {
            let (id, class) = (&device.id, device.profile.class);
            self.wrong(
                &[Step::Key("sms"), Step::Key("phone")],
                Text::new(
                    format!("{id} 的紧急报警({class})不会发给任何人"),
                    format!("nobody is texted of an emergency at {id} ({class})"),
                ),
                Text::new(
                    format!("在某个 phone 的 classes 里加上 \"{class}\",或不写 classes"),
                    format!("add \"{class}\" to the classes of a phone, or leave classes out"),
                ),
            );
        }
    }
}
