//! One device on the phone: its model, its place, its unit id, what it says now, its limits; then it is watched, or taken
//! back.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use shouwang_core::engine::{DeviceSeen, PointSeen};
use shouwang_core::profile::{Profile, ProvisioningStep, Raises, Test};
use shouwang_installer::{Bus as _, Candidate, Change, Setting, has_recipe, read, set_unit_id};
use shouwang_message::{Clock, Id, Place};
use tokio::time::sleep;

use super::bench::Task;
use super::door::{Door, Guest, field, form, lock};
use super::entry::{self, Entry, Unwritten, quoted};
use super::page::{self, html};
use super::scan::said;
use super::setting;
use super::visit::{Found, Planned, Visit};

/// The slowest devices known take 350 ms.
const WAIT: Duration = Duration::from_millis(400);
/// A reload takes far less.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A place's words, in characters (S13).
const WORD_CHARS: usize = 64;

/// Steps 3 to 6.
#[derive(Template)]
#[template(path = "device.html")]
struct Page {
    name: String,
    by: String,
    minutes: u64,
    words: String,
    line: String,
    unit_id: u8,
    profile: String,
    /// Watched already.
    known: Option<Known>,
    profiles: Vec<(String, String)>,
    planned: Vec<(String, String)>,
    building: String,
    entrance: String,
    room: String,
    limits: Vec<Limit>,
    has_recipe: bool,
    was: Option<u8>,
    next_id: u8,
    /// It answers at another setting than the line's own: its name in a link, it, and the line's own.
    at: Option<(String, String, String)>,
}

struct Known {
    id: String,
    called: String,
    title: String,
    state: String,
    proven: String,
    /// Written here: it can be taken back here.
    is_ours: bool,
    has_photo: bool,
}

struct Limit {
    condition: String,
    text: String,
    limit: f64,
    unit: String,
}

/// Which device is meant.
struct Meant {
    line: Id,
    unit_id: u8,
    profile: Option<String>,
    /// It answers at another setting than the line's own.
    at: Option<Setting>,
}

impl Meant {
    fn of(fields: &[(String, String)]) -> Option<Self> {
        let profile = Some(field(fields, "profile").to_owned()).filter(|profile| !profile.is_empty());
        let unit_id = field(fields, "unit").parse().ok().filter(|unit_id| *unit_id > 0)?;
        let at = setting::named(field(fields, "at"));
        Some(Self { line: field(fields, "line").parse().ok()?, unit_id, profile, at })
    }

    fn known<'s>(&self, devices: &'s [DeviceSeen]) -> Option<&'s DeviceSeen> {
        let is_it = |known: &&DeviceSeen| known.line == self.line && known.unit_id == self.unit_id;
        devices.iter().filter(|_| self.at.is_none()).find(is_it)
    }

    fn is(&self, found: &Found) -> bool {
        found.unit_id == self.unit_id && found.at == self.at.map(setting::name)
    }

    fn page(&self) -> Response {
        let profile = self.profile.as_deref().filter(|name| name.parse::<Id>().is_ok());
        let profile = profile.map(|name| format!("&profile={name}")).unwrap_or_default();
        let at = self.at.map(|at| format!("&at={}", setting::name(at))).unwrap_or_default();
        Redirect::to(&format!("/install/device?line={}&unit={}{at}{profile}", self.line, self.unit_id))
            .into_response()
    }
}

type Asked = Query<Vec<(String, String)>>;

/// `GET /install/device?line=&unit=`, and `profile=` for another one than fits best, `at=` for another setting than the
/// line's own.
pub(super) async fn show(State(door): State<Arc<Door>>, Query(asked): Asked, headers: HeaderMap) -> Response {
    match (door.admit(&headers).await, Meant::of(&asked)) {
        (Ok(guest), Some(meant)) => html(StatusCode::OK, &Page::of(&door, guest, &meant, String::new())),
        (Ok(_), None) => Redirect::to("/install/scan").into_response(),
        (Err(answer), _) => answer,
    }
}

/// `GET /install/values.json?line=&unit=&profile=`: what it says now.
pub(super) async fn values(
    State(door): State<Arc<Door>>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let guest = match door.admit(&headers).await {
        Ok(guest) => guest,
        Err(answer) => return answer,
    };
    let Some(meant) = Meant::of(&asked) else { return StatusCode::NOT_FOUND.into_response() };
    if let Some(known) = meant.known(&guest.sight.devices) {
        let sight = door.counter.look(Some(known.id.clone())).await;
        return sight.map_or_else(page::silent, |sight| Json(sight.readings).into_response());
    }
    let mut taken = match door.bench.take(&guest.sight, &meant.line, &guest.name, Task::Look).await {
        Ok(taken) => taken,
        Err(busy) => return (StatusCode::CONFLICT, said(&busy)).into_response(),
    };
    let reading = tokio::task::spawn_blocking(move || {
        let candidate = candidate(&door, meant.profile.as_deref()?)?;
        let setting = meant.at.unwrap_or(taken.setting());
        taken.set(setting).ok()?;
        let named = read(&mut taken, meant.unit_id, setting, WAIT, &candidate).ok()?;
        let seen = named.into_iter().map(|named| PointSeen {
            value: named.reading.to_point_value(named.unit.as_deref()),
            name: named.point,
            title: named.title,
        });
        Some(seen.collect::<Vec<_>>())
    });
    match reading.await {
        Ok(Some(seen)) => Json(seen).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `POST /install/device`: `step` is add, unit or undo.
pub(super) async fn step(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let guest = match door.admit(&headers).await {
        Ok(guest) => guest,
        Err(answer) => return answer,
    };
    let fields = form(&body);
    let Some(meant) = Meant::of(&fields) else { return Redirect::to("/install/scan").into_response() };
    let done = match field(&fields, "step") {
        "add" => add(&door, &guest, &meant, &fields).await.map(|()| meant.page()),
        "unit" => give_unit_id(&door, &guest, &meant, &fields).await,
        "undo" => take_back(&door, &guest, &meant).await.map(|()| meant.page()),
        _ => Ok(meant.page()),
    };
    done.unwrap_or_else(|words| html(StatusCode::CONFLICT, &Page::of(&door, guest, &meant, words)))
}

fn candidate(door: &Door, name: &str) -> Option<Candidate> {
    door.bench.candidates().into_iter().find(|candidate| candidate.name == name)
}

/// From now on the gateway watches it.
async fn add(
    door: &Arc<Door>,
    guest: &Guest,
    meant: &Meant,
    fields: &[(String, String)],
) -> Result<(), String> {
    let entry = entry_of(door, guest, meant, fields)?;
    let (id, building) = (entry.id.clone(), entry.place.building.clone());
    let file = door.config_file.clone();
    let _writing = door.writing.lock().await;
    let before = tokio::task::spawn_blocking(move || entry::add(&file, &entry)).await;
    let before = before.map_err(|error| error.to_string())?.map_err(|error| why(&error))?;
    if !follows(door, |devices| devices.iter().any(|device| device.id == id)).await {
        put_back(door, before).await;
        return Err("网关没有接受新配置,文件已恢复;看看板上的故障 · the gateway did not take it; the file is as it was"
            .to_owned());
    }
    let kept = lock(&door.kept).change(|visit| {
        visit.added.push(id);
        visit.building = building.unwrap_or_default();
    });
    kept.map_err(|error| error.to_string())
}

fn entry_of(door: &Door, guest: &Guest, meant: &Meant, fields: &[(String, String)]) -> Result<Entry, String> {
    if let Some(at) = meant.at {
        return Err(format!(
            "这台是 {at},先改成线路的设置再装 · it speaks at {at}: set it to the line's own setting first"
        ));
    }
    let profile = meant.profile.clone().ok_or("请选型号 · choose a profile")?;
    let model = candidate(door, &profile).ok_or("没有这个型号 · no such profile")?.profile;
    let planned = field(fields, "planned").parse::<Id>().ok();
    let plan = lock(&door.kept).visit().plan.iter().find(|row| Some(&row.id) == planned.as_ref()).cloned();
    let (id, place, more) = match plan {
        Some(row) => (row.id, row.place, row.more),
        None => {
            let (id, place) = named(&model, fields)?;
            let unit = Some(field(fields, "of_unit")).filter(|unit| !unit.is_empty());
            (id, place, unit.map(|unit| ("unit".to_owned(), quoted(unit))).into_iter().collect())
        }
    };
    let mut limits = Vec::new();
    for limit in limits_of(&model) {
        let said = field(fields, &format!("limit.{}", limit.condition));
        let number = said.parse::<f64>().ok().filter(|number| number.is_finite());
        match number {
            Some(number) if number.total_cmp(&limit.limit).is_ne() => limits.push((limit.condition, number)),
            Some(_) => {}
            None if said.is_empty() => {}
            None => return Err(format!("{said} 不是数 · {said} is not a number")),
        }
    }
    Ok(Entry {
        id,
        line: meant.line.clone(),
        unit_id: meant.unit_id,
        profile,
        place,
        more,
        limits,
        by: guest.name.clone(),
        at: guest.sight.at,
        is_undated: guest.sight.clock == Clock::Unset,
    })
}

/// By building, entrance and room, as typed.
fn named(model: &Profile, fields: &[(String, String)]) -> Result<(Id, Place), String> {
    let part = |key: &str| {
        let said: String =
            field(fields, key).trim().chars().filter(|one| !one.is_control()).take(WORD_CHARS).collect();
        (!said.is_empty()).then_some(said)
    };
    let (building, entrance, room) = (part("building"), part("entrance"), part("room"));
    let room = room.ok_or("请填房间,或从清单里选 · say the room, or choose from the list")?;
    let class = model.class.as_str().replace('_', "-");
    let parts = [Some(class), building.clone(), entrance.clone(), Some(room.clone())];
    let id = parts.into_iter().flatten().collect::<Vec<_>>().join("-").to_lowercase();
    let id = part("id").unwrap_or(id);
    let id = id.parse().map_err(|_| {
        format!(
            "编号 {id} 只能用 a-z 0-9 和 -,请填编号 · the id {id} may have a-z, 0-9 and '-' only: say one"
        )
    })?;
    let mut name = String::new();
    for (part, after) in [(&building, "号楼"), (&entrance, "单元"), (&Some(room.clone()), "")] {
        if let Some(part) = part {
            name.push_str(part);
            name.push_str(after);
        }
    }
    Ok((id, Place { building, entrance, room: Some(room), name: Some(name), ..Place::default() }))
}

/// A device has its new unit id, read back, and is silent at the old one.
async fn give_unit_id(
    door: &Arc<Door>,
    guest: &Guest,
    meant: &Meant,
    fields: &[(String, String)],
) -> Result<Response, String> {
    if meant.known(&guest.sight.devices).is_some() {
        return Err("这台已在用,先撤回再改地址 · it is watched already: take it back first".to_owned());
    }
    let to: u8 = field(fields, "to").parse().map_err(|_| "地址是 1 到 247 · a unit id is 1 to 247")?;
    let profile = meant.profile.clone().ok_or("请选型号 · choose a profile")?;
    let model = candidate(door, &profile).ok_or("没有这个型号 · no such profile")?;
    if model.profile.provisioning.contains(&ProvisioningStep::Restart) {
        return Err(
            "这个型号改地址要断电重启:在盒子上用 shouwang set-unit-id · this model must be switched off and on: \
                    use shouwang set-unit-id"
                .to_owned(),
        );
    }
    let taken = door.bench.take(&guest.sight, &meant.line, &guest.name, Task::Work).await;
    let mut taken = taken.map_err(|busy| said(&busy))?;
    let setting = meant.at.unwrap_or(taken.setting());
    let change = Change { from: meant.unit_id, to, setting, wait: WAIT };
    let work = move || set_unit_id(&mut taken, &model, change, || Ok(()));
    let set = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    set.map_err(|refused| refused.to_string())?;
    let kept = lock(&door.kept).change(|visit| {
        let found = visit.scans.get_mut(&meant.line).into_iter().flat_map(|scanned| &mut scanned.found);
        for found in found.filter(|found| meant.is(found)) {
            (found.unit_id, found.was) = (to, Some(meant.unit_id));
        }
    });
    kept.map_err(|error| error.to_string())?;
    Ok(Meant { line: meant.line.clone(), unit_id: to, profile: meant.profile.clone(), at: meant.at }.page())
}

/// It is no longer watched.
async fn take_back(door: &Arc<Door>, guest: &Guest, meant: &Meant) -> Result<(), String> {
    let known = meant.known(&guest.sight.devices).ok_or("这台没有在用 · it is not watched")?;
    let id = known.id.clone();
    let (file, wanted) = (door.config_file.clone(), id.clone());
    let _writing = door.writing.lock().await;
    let before = tokio::task::spawn_blocking(move || entry::remove(&file, &wanted)).await;
    let before = before.map_err(|error| error.to_string())?.map_err(|error| why(&error))?;
    if !follows(door, |devices| devices.iter().all(|device| device.id != id)).await {
        put_back(door, before).await;
        return Err(
            "网关没有接受,文件已恢复;它可能有未办结的报警 · not taken, the file is as it was: it may have an open alarm"
                .to_owned(),
        );
    }
    let kept = lock(&door.kept).change(|visit| visit.added.retain(|added| *added != id));
    kept.map_err(|error| error.to_string())
}

/// Has the file read anew; false if the gateway does not come to be like this.
async fn follows(door: &Door, is_so: impl Fn(&[DeviceSeen]) -> bool) -> bool {
    door.counter.reload().await;
    for _ in 0..(FOLLOWS_WITHIN.as_millis() / LOOK_EVERY.as_millis()) {
        if door.counter.look(None).await.is_some_and(|sight| is_so(&sight.devices)) {
            return true;
        }
        sleep(LOOK_EVERY).await;
    }
    false
}

/// Once more, so that nothing is at fault over a file that is no longer there.
async fn put_back(door: &Door, before: String) {
    let file = door.config_file.clone();
    let put = tokio::task::spawn_blocking(move || entry::put_back(&file, &before)).await;
    if !matches!(put, Ok(Ok(()))) {
        tracing::error!("the configuration could not be put back as it was");
    }
    door.counter.reload().await;
}

fn why(error: &Unwritten) -> String {
    match error {
        Unwritten::Wrong(Some(problem)) => {
            format!("{};{} · {}; {}", problem.what.zh, problem.remedy.zh, problem.what.en, problem.remedy.en)
        }
        Unwritten::Wrong(None) => "配置不对 · the configuration is wrong".to_owned(),
        Unwritten::NotOurs => {
            "这台不是安装页写入的,请在 gateway.toml 里改 · not written here: change gateway.toml by hand"
                .to_owned()
        }
        Unwritten::Disk(error) => format!(
            "写不了 gateway.toml:{error};见 INSTALL.md“安装页” · gateway.toml cannot be written: see INSTALL.md"
        ),
    }
}

fn limits_of(profile: &Profile) -> Vec<Limit> {
    let numbers = profile.conditions.iter().filter(|condition| condition.raises == Raises::Alarm);
    let limit = |condition: &shouwang_core::profile::Condition| {
        let (Test::High { limit } | Test::Low { limit }) = condition.test else { return None };
        let unit = profile.points.get(condition.point).and_then(|point| point.unit.clone());
        Some(Limit {
            condition: condition.name.clone(),
            text: format!("{} {}", condition.text.zh, condition.text.en),
            limit,
            unit: unit.unwrap_or_default(),
        })
    };
    numbers.filter_map(limit).collect()
}

/// Unit ids that somebody on this line has, or is to have.
fn used_on(line: &Id, devices: &[DeviceSeen], visit: &Visit) -> Vec<u8> {
    let watched = devices.iter().filter(|device| device.line == *line).map(|device| device.unit_id);
    let found = visit.scans.get(line).into_iter().flat_map(|scan| &scan.found).map(|found| found.unit_id);
    let planned = visit.plan.iter().filter(|row| row.line == *line).map(|row| row.unit_id);
    watched.chain(found).chain(planned).collect()
}

impl Page {
    fn of(door: &Door, guest: Guest, meant: &Meant, words: String) -> Self {
        let Guest { name: by, sight } = guest;
        let own = door.bench.setting(&sight, &meant.line).map(|own| own.to_string()).unwrap_or_default();
        let kept = lock(&door.kept);
        let visit = kept.visit();
        let known = meant.known(&sight.devices);
        let found =
            visit.scans.get(&meant.line).and_then(|scan| scan.found.iter().find(|found| meant.is(found)));
        let fits: Vec<(String, usize, usize)> = found.map(|found| found.fits.clone()).unwrap_or_default();
        let plan = visit.plan.iter().find(|row| row.line == meant.line && row.unit_id == meant.unit_id);
        let best = || fits.first().map(|(name, ..)| name.clone());
        let profile = known.map(|known| known.profile.clone()).or_else(|| meant.profile.clone());
        let profile =
            profile.or_else(|| plan.map(|row| row.profile.clone())).or_else(best).unwrap_or_default();
        let all: BTreeMap<String, Candidate> =
            door.bench.candidates().into_iter().map(|one| (one.name.clone(), one)).collect();
        let model = all.get(&profile).map(|candidate| Arc::clone(&candidate.profile));
        let label = |name: &String| {
            let title = all.get(name).map(|one| one.profile.title.zh.clone()).unwrap_or_default();
            let fit = fits.iter().find(|(fit, ..)| fit == name);
            let fit = fit.map(|(_, agreed, asked)| format!(" {agreed}/{asked}")).unwrap_or_default();
            (name.clone(), format!("{name} {title}{fit}"))
        };
        let others = all.keys().filter(|name| fits.iter().all(|(fit, ..)| fit != *name));
        let profiles = fits.iter().map(|(name, ..)| name).chain(others).map(label).collect();
        let free = |row: &&Planned| sight.devices.iter().all(|device| device.id != row.id);
        // What the list says of this very unit id comes first.
        let mut rows: Vec<&Planned> = visit.plan.iter().filter(free).collect();
        rows.sort_by_key(|row| {
            (row.line != meant.line || row.unit_id != meant.unit_id, row.line != meant.line)
        });
        let planned = rows.into_iter().map(|row| {
            let called = row.place.name.clone().unwrap_or_else(|| row.id.to_string());
            (row.id.to_string(), format!("{called} · {} · {}", row.id, row.unit_id))
        });
        let last = visit.added.last().and_then(|id| sight.devices.iter().find(|device| device.id == *id));
        let room = last.and_then(|device| device.place.room.as_ref()?.parse::<u32>().ok());
        let used = used_on(&meant.line, &sight.devices, visit);
        Self {
            name: sight.name.clone(),
            by,
            minutes: page::minutes(&sight),
            words,
            line: meant.line.to_string(),
            unit_id: meant.unit_id,
            known: known.map(|known| Known {
                id: known.id.to_string(),
                called: known.place.name.clone().unwrap_or_else(|| known.id.to_string()),
                title: format!("{} {}", known.title.zh, known.title.en),
                state: known.state.map_or_else(|| "…".to_owned(), |state| state.to_string()),
                proven: known
                    .proven_at
                    .map_or("未走测 · not proven".to_owned(), |at| format!("已走测 · proven {at}")),
                is_ours: visit.added.contains(&known.id),
                has_photo: kept.photo(&known.id).exists(),
            }),
            profiles,
            planned: planned.collect(),
            building: visit.building.clone(),
            entrance: last.and_then(|device| device.place.entrance.clone()).unwrap_or_default(),
            room: room.map(|room| (room + 1).to_string()).unwrap_or_default(),
            limits: model.as_deref().map(limits_of).unwrap_or_default(),
            has_recipe: model.as_deref().is_some_and(has_recipe),
            was: found.and_then(|found| found.was),
            at: meant.at.map(|at| (setting::name(at), at.to_string(), own)),
            next_id: (2..=247).find(|id| !used.contains(id) && *id != meant.unit_id).unwrap_or(2),
            profile,
        }
    }
}
