//! In which order a line is searched: what is usual first, so that a usual site is found in seconds.
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{Setting, Settings};

/// The factory's speed of most devices, and what they are usually set to.
const USUAL_BAUD: u32 = 9600;
const OTHER_BAUDS: [u32; 3] = [4800, 19_200, 115_200];
/// Installers number from 1; who never numbered is at the factory's id, which is 1 or little more.
const NEAR: RangeInclusive<u8> = 1..=32;
const FAR: RangeInclusive<u8> = 33..=247;

/// What the installer asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only these unit ids, within 1 to 255.
    pub units: Option<RangeInclusive<u8>>,
    /// Only these settings; none on TCP.
    pub settings: Settings,
}

/// Some settings, and the unit ids tried at each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub settings: Settings,
    pub units: RangeInclusive<u8>,
}

impl Pass {
    /// How long it takes if nobody answers.
    pub fn computed(&self, wait: Duration) -> Duration {
        let ids = u32::try_from(self.units.clone().count()).unwrap_or(u32::MAX);
        self.settings.iter().map(|setting| setting.silent(wait) * ids).sum()
    }
}

/// The passes, in order. Unit ids 248 to 255 are reserved by the specification and only tried if wanted.
pub fn passes(wanted: &Wanted) -> Vec<Pass> {
    let pass = |settings: &[Setting], units: RangeInclusive<u8>| Pass { settings: settings.to_vec(), units };
    match (&wanted.units, wanted.settings.as_slice()) {
        (Some(units), []) => vec![pass(&[Setting::usual(USUAL_BAUD)], units.clone())],
        (Some(units), settings) => vec![pass(settings, units.clone())],
        (None, []) => {
            let [slow, fast, fastest] = OTHER_BAUDS.map(Setting::usual);
            let even = Setting::Serial {
                baud: USUAL_BAUD,
                parity: shouwang_core::profile::Parity::Even,
                stop_bits: 1,
            };
            let usual = [Setting::usual(USUAL_BAUD)];
            vec![pass(&usual, NEAR), pass(&[slow, even, fast, fastest], NEAR), pass(&usual, FAR)]
        }
        (None, settings) => vec![pass(settings, NEAR), pass(settings, FAR)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 58.3 ms an unused id at 9600 baud: eight characters and the wait.
    #[test]
    fn a_usual_search_takes_as_long_as_computed_by_hand() {
        let wait = Duration::from_millis(50);
        let took: Vec<_> = passes(&Wanted::default())
            .iter()
            .map(|pass| format!("{:.1}", pass.computed(wait).as_secs_f64()))
            .collect();
        assert_eq!(took, ["1.9", "7.4", "12.5"]);
        let all = Wanted { units: Some(1..=247), ..Wanted::default() };
        assert_eq!(format!("{:.1}", passes(&all)[0].computed(wait).as_secs_f64()), "14.4");
        let fast = Wanted { units: Some(1..=32), settings: vec![Setting::usual(115_200)] };
        assert_eq!(format!("{:.2}", passes(&fast)[0].computed(wait).as_secs_f64()), "1.62");
    }
}
