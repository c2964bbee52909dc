//! `/link/{token}`: one case for one person who was sent or asked, on a phone, without an account and without a script.
//! A GET changes nothing, as chats look at links before people do; every act is a pressed button.
use askama::Template;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shouwang_board::{CallBack, CaseAsked, CaseStep, Conclusion, Outcome};
use shouwang_message::{AlarmId, Text};

use super::admission::{Closed, admitted};
use super::api::status_of;
use super::extract::{LONGEST_TEXT, OwnAddress, upload};
use super::multipart::{Part, parts};
use super::paper::{Paper, page, place_of, time};
use super::refusal::{Refusal, too_slow};
use super::reports::{add_photo, words_on};
use super::{Desk, Peer, cases, from_disk, guard};
use crate::clock::local;
use crate::eventloop::Message;
use crate::photo;
use crate::tickets::Purpose;
use crate::ways::link_to;
use shouwang_paper::qr;

/// Bytes of a form beside its picture.
const FIELDS: usize = 64 * 1_024;

/// One case as whoever was sent sees it.
pub(super) struct Task {
    /// Where its buttons lead.
    pub(super) path: String,
    pub(super) look: String,
    pub(super) priority: String,
    pub(super) mode: String,
    pub(super) place: String,
    pub(super) what: String,
    pub(super) raised: String,
    pub(super) occurrence: u64,
    pub(super) map: String,
    pub(super) note: String,
    pub(super) is_call: bool,
    /// When this person said so.
    pub(super) received: Option<String>,
    pub(super) arrived: Option<String>,
    pub(super) handled: Option<String>,
    /// The duty room has not acknowledged its alarm: it cannot be concluded yet.
    pub(super) is_unseen: bool,
    pub(super) help: Option<Help>,
}

/// 谁能去?, as one of those who were asked sees it.
pub(super) struct Help {
    pub(super) needed: u64,
    pub(super) going: u64,
    pub(super) is_going: bool,
    pub(super) is_full: bool,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    paper: Paper,
    person: String,
    until: String,
    task: Task,
}

#[derive(Template)]
#[template(path = "closed.html")]
struct ClosedPage {
    paper: Paper,
    sentence: String,
    back: Option<String>,
}

/// A page whose forms are sent here and nowhere else, with an origin that says so.
pub(super) fn with_forms(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CONTENT_SECURITY_POLICY, guard::policy_with_forms());
    response
}

/// One clear sentence, with its status, and a way back if there is one.
pub(super) fn closed(paper: Paper, why: &Closed, back: Option<String>) -> Response {
    let sentence = paper.said(&why.text).to_owned();
    match page(&ClosedPage { paper, sentence, back }) {
        Ok(page) => with_forms((why.status, page)),
        Err(refusal) => refusal.into_response(),
    }
}

/// As the API says it, for a page's script.
impl From<Closed> for Refusal {
    fn from(why: Closed) -> Self {
        Self::new(why.status, why.code, &why.text)
    }
}

impl From<Refusal> for Closed {
    fn from(refusal: Refusal) -> Self {
        let (status, text) = refusal.told();
        Self { status, code: "refused", text }
    }
}

/// Who holds a link, and the case that it is about as it is now.
struct Holder {
    person: String,
    until: String,
    id: AlarmId,
    case: Value,
}

async fn holder(desk: &Desk, from: std::net::IpAddr, token: &str) -> Result<Holder, Closed> {
    let ticket = admitted(desk, from, token, Purpose::Link).await?;
    let gone = || {
        let en = "This case is closed: thank you, nothing is left to do";
        Closed::new(StatusCode::GONE, "closed", "这次处置已销号,谢谢,无需再操作", en)
    };
    let id: AlarmId = ticket.about.parse().map_err(|_| gone())?;
    let case = cases::find(desk, &ticket.about).await.map_err(|refusal| match refusal.told() {
        (StatusCode::NOT_FOUND, _) => gone(),
        (status, text) => Closed { status, code: "slow", text },
    })?;
    if case["state"] == "closed" {
        return Err(gone());
    }
    Ok(Holder { person: ticket.person, until: local(ticket.ends, "%m-%d %H:%M"), id, case })
}

/// `GET /link/{token}`.
pub(super) async fn show(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path(token): Path<String>,
    paper: Paper,
) -> Response {
    let holder = match holder(&desk, from, &token).await {
        Ok(holder) => holder,
        Err(why) => return closed(paper, &why, None),
    };
    let task = task_of(&paper, &holder.case, &[&holder.person], format!("/link/{token}"));
    let made = page(&LinkPage { person: holder.person, until: holder.until, task, paper });
    made.map_or_else(IntoResponse::into_response, with_forms)
}

/// `POST /link/{token}/{act}`: 收到, 我去, 到场 or 办结; then the page again.
pub(super) async fn act(
    State(desk): State<Desk>,
    Peer(from): Peer,
    Path((token, verb)): Path<(String, String)>,
    paper: Paper,
    request: Request,
) -> Response {
    let holder = match holder(&desk, from, &token).await {
        Ok(holder) => holder,
        Err(why) => return closed(paper, &why, None),
    };
    let back = format!("/link/{token}");
    let acting = Acting { person: holder.person.clone(), from: format!("link {from}"), name: holder.person };
    match acting.does(&desk, holder.id, &holder.case, &verb, request).await {
        Ok(()) => with_forms((StatusCode::SEE_OTHER, [(header::LOCATION, back)])),
        Err(why) => closed(paper, &why, Some(back)),
    }
}

/// Somebody without an account who does something about a case.
pub(super) struct Acting {
    /// As the case has them.
    pub(super) person: String,
    /// As the logbook writes them.
    pub(super) name: String,
    pub(super) from: String,
}

impl Acting {
    /// Does what a button says.
    pub(super) async fn does(
        self,
        desk: &Desk,
        id: AlarmId,
        case: &Value,
        verb: &str,
        request: Request,
    ) -> Result<(), Closed> {
        let person = Some(self.person.clone());
        match verb {
            "receive" => self.step(desk, id, CaseStep::Receive { person }, Done::default()).await,
            "go" => self.step(desk, id, CaseStep::Claim { person }, Done::default()).await,
            "arrive" => self.step(desk, id, CaseStep::Arrive { person }, Done::default()).await,
            "handle" => self.handles(desk, id, case, request).await,
            _ => {
                let en = "There is no such button";
                Err(Closed::new(StatusCode::NOT_FOUND, "act", "没有这个按钮", en))
            }
        }
    }

    async fn step(&self, desk: &Desk, case: AlarmId, step: CaseStep, done: Done) -> Result<(), Closed> {
        let asked = CaseAsked {
            case,
            by: self.name.clone(),
            from: self.from.clone(),
            note: done.words,
            call_back: done.call_back,
            occurrence: done.occurrence,
            step,
        };
        match desk.ask(|answer| Message::CaseAsk { asked, answer }).await? {
            // An alarm is acknowledged by who watches, never from the street: its page says whom to ring.
            Outcome::Refused { code: "not_acknowledged", .. } => {
                let (zh, en) = NOT_ACKNOWLEDGED;
                Err(Closed::new(StatusCode::CONFLICT, "not_acknowledged", zh, en))
            }
            Outcome::Refused { code, text } => Err(Closed { status: status_of(code), code, text }),
            Outcome::Unknown => {
                let en = "There is no such case any more";
                Err(Closed::new(StatusCode::GONE, "closed", "这次处置已不在了", en))
            }
            _ => Ok(()),
        }
    }

    /// 办结: the picture first, so that a conclusion never stands without the proof that was sent with it.
    async fn handles(&self, desk: &Desk, id: AlarmId, case: &Value, request: Request) -> Result<(), Closed> {
        let broken = || {
            let en = "The form did not arrive whole: send it again";
            Closed::new(StatusCode::BAD_REQUEST, "form", "表单没有传完整,请再按一次", en)
        };
        let kind = guard::text(request.headers(), &header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let body = upload(desk, request, photo::LARGEST + FIELDS).await?;
        let fields = parts(&kind, &body).ok_or_else(broken)?;
        let done = Done::read(&fields)?;
        let conclusion = done.conclusion.ok_or_else(|| {
            let en = "Say how it ended";
            Closed::new(StatusCode::UNPROCESSABLE_ENTITY, "conclusion", "请选择结果", en)
        })?;
        if let Some(picture) = fields.iter().find(|part| part.name == "photo" && !part.bytes.is_empty()) {
            let who = (self.name.clone(), self.from.clone());
            let lines = words_on(desk, case, &self.name);
            add_photo(desk, id, who, body.part(picture.bytes), lines).await?;
        }
        self.step(desk, id, CaseStep::Handle { conclusion, of: None }, done).await
    }
}

/// What a worker reads who would conclude what nobody at the duty room has acknowledged.
const NOT_ACKNOWLEDGED: (&str, &str) = (
    "值班室还没有在值守页确认这条报警:请打值班电话,确认后再按一次办结",
    "The duty room has not acknowledged this alarm yet: ring it, then press 办结 again",
);

/// What a form of 办结 says.
#[derive(Debug, Default)]
struct Done {
    conclusion: Option<Conclusion>,
    call_back: Option<CallBack>,
    words: Option<String>,
    occurrence: Option<u32>,
}

impl Done {
    fn read(fields: &[Part<'_>]) -> Result<Self, Closed> {
        let text = |name: &str| {
            let part = fields.iter().find(|part| part.name == name)?;
            std::str::from_utf8(part.bytes).ok().map(str::trim).filter(|text| !text.is_empty())
        };
        let words = text("words").map(str::to_owned);
        if words.as_ref().is_some_and(|words| words.chars().count() > LONGEST_TEXT) {
            let en = "A text has at most 200 characters";
            return Err(Closed::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_long_text",
                "文字最长 200 字",
                en,
            ));
        }
        let (conclusion, call_back) = match text("result") {
            Some("safe") => (Some(Conclusion::Real), Some(CallBack::Safe)),
            Some("needs_help") => (Some(Conclusion::Real), Some(CallBack::NeedsHelp)),
            Some("real") => (Some(Conclusion::Real), None),
            Some("false_alarm") => (Some(Conclusion::FalseAlarm), None),
            Some("false_call") => (Some(Conclusion::FalseAlarm), Some(CallBack::Safe)),
            _ => (None, None),
        };
        let occurrence = text("occurrence").and_then(|number| number.parse().ok());
        Ok(Self { conclusion, call_back, words, occurrence })
    }
}

/// The case as this person, by any of their names, sees it.
pub(super) fn task_of(paper: &Paper, case: &Value, names: &[&str], path: String) -> Task {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_own = |one: &&Value| one["name"].as_str().is_some_and(|name| names.contains(&name));
    let at = |value: &Value| value.as_str().map(|_| time(value));
    let sent = case["dispatched"].as_array().into_iter().flatten().find(is_own);
    let asked = case["broadcast"]["asked"].as_array().into_iter().flatten().find(is_own);
    let on_site = &case["on_site"];
    let is_there = on_site["person"].as_str().is_some_and(|name| names.contains(&name));
    let number = |name: &str| case["broadcast"][name].as_u64().unwrap_or_default();
    let help = asked.map(|asked| Help {
        needed: number("needed"),
        going: number("going"),
        is_going: asked["going"].is_string(),
        is_full: number("going") >= number("needed"),
    });
    let place = place_of(case);
    let steps = case["steps"].as_array().into_iter().flatten();
    let told = steps.filter(|step| matches!(step["step"].as_str(), Some("dispatch" | "broadcast")));
    let notes: Vec<String> = told.filter_map(|step| step["note"].as_str().map(str::to_owned)).collect();
    let spot = case["steps"][0]["detail"].as_str().filter(|_| case["steps"][0]["step"] == "report");
    let mode = &case["mode"];
    Task {
        path,
        look: word(&case["priority"]),
        priority: paper.word_of("", &case["priority"]),
        mode: if mode == "live" { String::new() } else { paper.word_of("mode_", mode) },
        what: paper.text(&case["text"]),
        raised: time(&case["raised_at"]),
        occurrence: case["occurrence"].as_u64().unwrap_or(1),
        map: map_of(&place, spot),
        place,
        note: notes.join(" · "),
        is_call: case["class"] == "call",
        received: sent.and_then(|sent| at(&sent["answered"]["at"])),
        arrived: asked
            .and_then(|asked| at(&asked["arrived"]))
            .or_else(|| at(&on_site["at"]).filter(|_| is_there || asked.is_none())),
        handled: at(&case["handled"]["at"]),
        is_unseen: case["alarm"]["acknowledged"] == false,
        help,
    }
}

/// A map of the place, by where the phone was or else by its words.
fn map_of(place: &str, spot: Option<&str>) -> String {
    let written = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    match spot.and_then(|spot| spot.split_once(',')) {
        Some((latitude, longitude)) => {
            format!("https://uri.amap.com/marker?position={longitude},{latitude}&coordinate=wgs84")
        }
        None => format!("https://uri.amap.com/search?keyword={}", written(place)),
    }
}

/// A link that was just made, to be sent by a person: as text and as a code for a telephone's camera.
pub(super) async fn made(
    desk: &Desk,
    OwnAddress(own): &OwnAddress,
    case: AlarmId,
    person: &str,
    made_by: &str,
) -> Result<Value, Refusal> {
    let wall = desk.inner.clock.wall();
    let wanted = link_to(case, person.to_owned(), made_by.to_owned(), wall);
    let (tickets, until) = (desk.inner.tickets.clone(), wanted.ends);
    let token = from_disk(move || tickets.make(&wanted, wall)).await.flatten().ok_or_else(too_slow)?;
    let url = format!("{own}/link/{token}");
    Ok(json!({ "person": person, "url": url, "qr": qr(&url), "until": until }))
}

/// With a link for each who was sent or asked.
pub(super) async fn with_links(
    desk: &Desk,
    own: &OwnAddress,
    case: AlarmId,
    people: &[String],
    made_by: &str,
    Json(mut told): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let mut links = Vec::new();
    for person in people {
        let mut link = made(desk, own, case, person, made_by).await?;
        if people.len() > 1 {
            // Many links are sent as text: nobody holds many telephones before one screen.
            link["qr"] = Value::Null;
        }
        links.push(link);
    }
    if let Some(fields) = told.as_object_mut() {
        fields.insert("links".into(), links.into());
    }
    Ok(Json(told))
}

impl Paper {
    pub(super) fn said<'t>(&self, text: &'t Text) -> &'t str {
        if self.lang() == "en" { &text.en } else { &text.zh }
    }
}
