//! 谁能去?: a task for many. So many are needed; whoever presses first goes, once it is full the others are told so, and
//! each who comes is counted.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{Text, Timestamp};

use super::steps::{Already, Taken};
use super::{Case, CaseAsked, CaseState, Stamp};

/// People asked by one task.
const ASKED: usize = 128;

/// One task for many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broadcast {
    pub(crate) needed: u16,
    by: String,
    at: Timestamp,
    pub(crate) asked: Vec<Helper>,
}

/// One who was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Helper {
    pub(crate) name: String,
    going: Option<Timestamp>,
    arrived: Option<Timestamp>,
}

impl Broadcast {
    fn going(&self) -> usize {
        self.asked.iter().filter(|helper| helper.going.is_some()).count()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.going() >= usize::from(self.needed)
    }

    /// As the API has it.
    pub(crate) fn item(&self) -> Value {
        let arrived = self.asked.iter().filter(|helper| helper.arrived.is_some()).count();
        json!({ "needed": self.needed, "by": self.by, "at": self.at, "asked": self.asked,
            "going": self.going(), "arrived": arrived })
    }
}

impl Case {
    /// Asked again it is for more people, or needs more or fewer.
    pub(super) fn broadcast(
        &mut self,
        asked: &CaseAsked,
        at: Timestamp,
        needed: u16,
        to: &[String],
    ) -> Taken {
        self.still_open()?;
        let known = self.broadcast.as_ref().map(|task| task.asked.as_slice()).unwrap_or_default();
        // In the order in which they were named: so they are told, too.
        let mut names: Vec<&String> = Vec::new();
        for name in to {
            if known.iter().all(|helper| helper.name != *name) && !names.contains(&name) {
                names.push(name);
            }
        }
        if known.len() + names.len() > ASKED {
            return Err(("too_many", Text::new("一次最多叫 128 人", "At most 128 people are asked")));
        }
        if known.is_empty() && names.is_empty() {
            return Err(("people_missing", Text::new("请填写叫哪些人", "Say who is asked")));
        }
        if !(1..=ASKED).contains(&usize::from(needed)) {
            return Err(("needed", Text::new("需要的人数为 1 到 128", "1 to 128 people can be needed")));
        }
        if let Some(task) = self.broadcast.as_ref().filter(|task| names.is_empty() && task.needed == needed) {
            let stamp = Stamp { by: task.by.clone(), at: task.at, person: None };
            return Ok(Some(Already { step: "broadcast", stamp }));
        }
        let fresh: Vec<Helper> =
            names.into_iter().map(|name| Helper { name: name.clone(), going: None, arrived: None }).collect();
        let detail = alloc::format!("需 {needed} 人,叫 {} 人", known.len() + fresh.len());
        let by = asked.by.clone();
        let task = self.broadcast.get_or_insert(Broadcast { needed, by, at, asked: Vec::new() });
        task.needed = needed;
        task.asked.extend(fresh);
        self.done("broadcast", &asked.by, at, self.state, Some(detail), asked.note.clone());
        Ok(None)
    }

    /// The place of this person among those who were asked.
    pub(super) fn helper(&self, person: Option<&str>) -> Option<usize> {
        let task = self.broadcast.as_ref()?;
        task.asked.iter().position(|helper| Some(helper.name.as_str()) == person)
    }

    /// 我去: the claims are settled one after the other, each once.
    pub(super) fn helper_goes(&mut self, asked: &CaseAsked, at: Timestamp, person: Option<&str>) -> Taken {
        let helper = self.helper(person);
        let task = self.broadcast.as_mut();
        let Some((task, helper)) = task.zip(helper) else {
            return Err(("not_asked", Text::new("这次没有叫此人", "This person was not asked")));
        };
        let is_full = task.is_full();
        let needed = task.needed;
        let Some(helper) = task.asked.get_mut(helper) else { return Ok(None) };
        let stamp = |at| Stamp { by: asked.by.clone(), at, person: person.map(ToString::to_string) };
        if let Some(first) = helper.going {
            return Ok(Some(Already { step: "claim", stamp: stamp(first) }));
        }
        if is_full {
            let zh = alloc::format!("已有人认领,人已够(需 {needed} 人),谢谢");
            let en = alloc::format!("Others are going already: {needed} are enough, thank you");
            return Err(("full", Text::new(zh, en)));
        }
        helper.going = Some(at);
        self.still_open()?;
        let old = self.state;
        self.state = old.max(CaseState::Dispatched);
        self.claimed.get_or_insert(stamp(at));
        self.done("claim", &asked.by, at, old, person.map(ToString::to_string), asked.note.clone());
        Ok(None)
    }

    /// One of them is there. Whoever came without having said so is welcome.
    pub(super) fn helper_arrives(&mut self, asked: &CaseAsked, at: Timestamp, helper: usize) -> Taken {
        self.still_open()?;
        let helper = self.broadcast.as_mut().and_then(|task| task.asked.get_mut(helper));
        let Some(helper) = helper else { return Ok(None) };
        let stamp = |at, name: &String| Stamp { by: asked.by.clone(), at, person: Some(name.clone()) };
        if let Some(first) = helper.arrived {
            return Ok(Some(Already { step: "arrive", stamp: stamp(first, &helper.name) }));
        }
        helper.going.get_or_insert(at);
        helper.arrived = Some(at);
        let name = helper.name.clone();
        let old = self.state;
        self.state = old.max(CaseState::OnSite);
        self.claimed.get_or_insert(stamp(at, &name));
        self.on_site.get_or_insert(stamp(at, &name));
        self.done("arrive", &asked.by, at, old, Some(name), asked.note.clone());
        Ok(None)
    }
}
