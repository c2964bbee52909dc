//! Whom to call about an alarm at home, in which order, and when to stop waiting: resident, contacts, key holder and
//! somebody sent there, then the emergency number. A deaf resident is not called; nobody calls into gas.
use alloc::vec::Vec;

use serde::Serialize;
use shouwang_message::Class;

/// Seconds for one call before the next one is made: some ten rings and a short talk.
const CALL_S: u32 = 45;
/// A resident needs longer to reach the telephone.
const RESIDENT_S: u32 = 60;
/// From sending somebody to not waiting for them any longer.
const SENT_S: u32 = 120;

/// What the card of a home says, as far as it decides whom to call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCard {
    /// Somebody there can be called: has a telephone and hears it.
    pub resident: bool,
    /// Contacts with a telephone.
    pub contacts: usize,
    pub key_holder: bool,
}

/// Who is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "who")]
pub enum CallWho {
    Resident,
    /// From 0, in the card's order.
    Contact {
        number: usize,
    },
    /// The key holder if there is one, and in any case the grid worker is sent.
    KeyHolder {
        known: bool,
    },
    /// 120: a person may need help.
    Ambulance,
    /// 119: fire, gas or carbon monoxide.
    FireBrigade,
}

/// One step of the procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CallStep {
    #[serde(flatten)]
    pub who: CallWho,
    /// Due so many seconds after the alarm was accepted, unless an earlier call settled it.
    pub after_s: u32,
}

/// The steps for an alarm of this class.
pub fn call_procedure(class: Class, card: CallCard) -> Vec<CallStep> {
    let explosive = class == Class::Gas;
    let mut steps = Vec::new();
    let mut after_s = 0;
    let mut add = |who, takes_s| {
        steps.push(CallStep { who, after_s });
        after_s += takes_s;
    };
    // A ringing telephone is a spark.
    if card.resident && !explosive {
        add(CallWho::Resident, RESIDENT_S);
    }
    for number in 0..card.contacts {
        add(CallWho::Contact { number }, CALL_S);
    }
    add(CallWho::KeyHolder { known: card.key_holder }, SENT_S);
    let last = match class {
        Class::Smoke | Class::Gas | Class::Co | Class::Electrical => CallWho::FireBrigade,
        _ => CallWho::Ambulance,
    };
    add(last, 0);
    steps
}
