//! What the village knows of its station and no gateway does: what is flooded at which stage, the stations up and down the
//! river, and when somebody last checked the datum.
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shouwang_message::{Id, Timestamp};

use crate::board::{Board, Effect};
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::trust::shown;
use crate::{Outcome, bounds};

/// 3.85 m: the footway of the bridge is under water (2016).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    /// Metres in the station's datum.
    pub stage_m: f64,
    pub text: String,
}

/// All of it; each part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    #[serde(default)]
    pub upstream: Option<Id>,
    #[serde(default)]
    pub downstream: Option<Id>,
    /// When somebody last compared the staff with its datum.
    #[serde(default)]
    pub datum_checked: Option<Timestamp>,
    /// Who answers for it, for a station without a device.
    #[serde(default)]
    pub grid: Option<String>,
    /// Below a warning: 值班电话 and the village.
    #[serde(default)]
    pub phone: Option<String>,
    #[serde(default)]
    pub village: Option<String>,
    /// Whose residents are called when the river says so: `3`, `3-2`, `3-2-402` as their cards have it.
    #[serde(default)]
    pub homes: Vec<String>,
    /// Lowest first.
    #[serde(default)]
    pub impacts: Vec<Impact>,
}

impl Board {
    /// A person writes what the village knows; the ladder of impacts stays as it is.
    pub(crate) fn put_about(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        id: &Id,
        about: &About,
    ) -> Result<(), Outcome> {
        let impacts = self.stations.get(id).ok_or(Outcome::Unknown)?.about.impacts.clone();
        let neighbours = [&about.upstream, &about.downstream];
        if neighbours.into_iter().flatten().any(|other| other == id || !self.stations.contains_key(other)) {
            let en = "Upstream and downstream are other stations of this duty room";
            return Err(refused("neighbour", "上下游应是本值班室的其他站点", en));
        }
        if about.datum_checked.is_some_and(|at| at > self.wall) {
            return Err(refused("future", "基准核对日期晚于今天", "The datum was not checked in the future"));
        }
        if about.homes.len() > bounds::HOMES {
            return Err(refused("too_many_homes", "叫应的楼栋最多 50 个", "At most 50 homes or buildings"));
        }
        let homes = about.homes.iter().map(|home| shown(home.trim())).filter(|home| !home.is_empty());
        let homes = homes.collect();
        let safe = |text: &Option<String>| text.as_deref().map(shown).filter(|text| !text.is_empty());
        let about = About {
            impacts,
            homes,
            grid: safe(&about.grid),
            phone: safe(&about.phone),
            village: safe(&about.village),
            ..about.clone()
        };
        self.change_about(ticket, asked, id, about, "station.about")
    }

    /// The whole ladder of impacts, lowest first whatever the order it comes in.
    pub(crate) fn put_impacts(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        id: &Id,
        impacts: &[Impact],
    ) -> Result<(), Outcome> {
        let known = self.stations.get(id).ok_or(Outcome::Unknown)?;
        if impacts.len() > bounds::IMPACTS {
            return Err(refused(
                "too_many_impacts",
                "影响阶梯最多 50 行",
                "An impact ladder has at most 50 rows",
            ));
        }
        let mut impacts: Vec<Impact> =
            impacts.iter().filter(|impact| super::is_stage(impact.stage_m)).cloned().collect();
        impacts.iter_mut().for_each(|impact| impact.text = shown(&impact.text));
        impacts.sort_by(|one, other| one.stage_m.total_cmp(&other.stage_m));
        let about = About { impacts, ..known.about.clone() };
        self.change_about(ticket, asked, id, about, "station.impacts")
    }

    fn change_about(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        id: &Id,
        about: About,
        what: &str,
    ) -> Result<(), Outcome> {
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        let Some(station) = self.stations.get_mut(id) else { return Err(Outcome::Unknown) };
        station.about = about;
        let told = json!({ "id": id, "about": station.about });
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: what.into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{id}")),
            note: None,
        });
        self.keep_station(id);
        self.effects.push(Effect::ValueAnswer { ticket, told });
        Ok(())
    }
}

/// The datum was checked over a year ago, or nobody knows when.
pub(crate) fn is_unchecked(about: &About, wall: Timestamp) -> bool {
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    about.datum_checked.is_none_or(|at| wall.unix_ms() - at.unix_ms() > YEAR_MS)
}
