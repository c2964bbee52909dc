//! Every route and every role, asked at the real router and held against a table that is written here by hand. A route
//! that this table does not name fails, and so does a line that no route answers.
use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use shouwang_message::Timestamp;
use tokio::sync::{mpsc, watch};

use super::access::Who;
use super::{Desk, Named, routes};
use crate::accounts::door::Door;
use crate::accounts::password::Hash;
use crate::accounts::sessions::{Standing, TokenDigest};
use crate::accounts::{Account, Role};
use crate::eventloop::Pulse;
use crate::store::KeptPeople;
use crate::{Broker, Clock, Config, Web};

/// Method, address, and who gets through: O operator, L lead, I installer, G grid worker, V viewer (each logged in),
/// e the operator whose log-in has expired, s a stranger. Everybody not named is refused.
const MATRIX: &str = "
GET  /                                       O L I V e
GET  /wall                                   O L I V e
GET  /handover                               O L V e
GET  /handover/01KANEXAMP0000000000000001    O L V e
GET  /figures                                O L V e
GET  /answering                              O L I V e
GET  /answering/{ID}                         O L
POST /api/v1/stations/qingshi-bridge/round   O L
GET  /api/v1/rounds                          O L I V e
GET  /api/v1/rounds/{ID}                     O L e
POST /api/v1/rounds/{ID}/called              O L
POST /api/v1/rounds/{ID}/end                 L
GET  /stations/qingshi-bridge                L
GET  /triage                                 O L I V e
GET  /report/0123456789abcdef0123456789abcdef O L I G V e s
POST /report/0123456789abcdef0123456789abcdef O L I G V e s
POST /report/0123456789abcdef0123456789abcdef/phone-0001/photo O L I G V e s
GET  /rate/0123456789abcdef0123456789abcdef O L I G V e s
POST /rate/0123456789abcdef0123456789abcdef O L I G V e s
GET  /api/v1/triage                          O L I V e
GET  /api/v1/triage/{ID}/photo               O L I V e
POST /api/v1/triage/{ID}/case                O L
POST /api/v1/triage/{ID}/dismiss             O L
GET  /api/v1/couriers                        L
POST /api/v1/couriers                        L
POST /api/v1/couriers/revoke                 L
POST /api/v1/cases/{ID}/rating-link          O L
GET  /residents                              L
GET  /welfare                                O L V
GET  /river/worker.js                        O L I G V e s
GET  /river/qingshi-bridge                   O L I G V e s
GET  /river/qingshi-bridge/readings.csv      O L I G V e s
GET  /cases/{ID}/print                       O L I V e
GET  /link/0123456789abcdef0123456789abcdef                  O L I G V e s
POST /link/0123456789abcdef0123456789abcdef/receive          O L I G V e s
GET  /mine/worker.js                         O L I G V e s
GET  /mine/0123456789abcdef0123456789abcdef                  O L I G V e s
POST /mine/0123456789abcdef0123456789abcdef/report           O L I G V e s
POST /mine/0123456789abcdef0123456789abcdef/reports/{ID}/photo O L I G V e s
POST /mine/0123456789abcdef0123456789abcdef/stations/qingshi-bridge/readings O L I G V e s
POST /mine/0123456789abcdef0123456789abcdef/cases/{ID}/receive O L I G V e s
GET  /login                                  O L I G V e s
GET  /login/0123456789abcdef                 O L I G V e s
GET  /setup                                  O L I G V e s
GET  /recover                                O L I G V e s
GET  /accounts                               O L I V e
GET  /api/openapi.json                       O L I G V e s
POST /api/v1/setup                           O L I G V e s
POST /api/v1/recovery                        O L I G V e s
POST   /api/v1/session                       O L I G V e s
DELETE /api/v1/session                       O L I G V e s
GET  /api/v1/session                         O L I V e
GET  /api/v1/accounts                        L
POST /api/v1/accounts                        L
POST /api/v1/accounts/viewer/password        L V
POST /api/v1/accounts/operator/password      O L
POST /api/v1/accounts/viewer/disable         L
POST /api/v1/accounts/viewer/enable          L
POST /api/v1/accounts/viewer/delete          -
GET  /assets/board.js                        O L I G V e s
GET  /healthz                                O L I G V e s
GET  /readyz                                 O L I G V e s
GET  /metrics                                O L I G V e s
GET  /api/v1/pages                           L
POST /api/v1/pages/wang/make                 L
POST /api/v1/pages/wang/revoke               L
POST /api/v1/pages/wang/keep                 -
GET  /api/v1/alarms                          O L I V e
POST /api/v1/alarms/{ID}/acknowledge         O L
POST /api/v1/alarms/{ID}/take-back           O L
POST /api/v1/alarms/{ID}/silence             O L
POST /api/v1/alarms/{ID}/shelve              O L
POST /api/v1/alarms/{ID}/unshelve            O L
POST /api/v1/alarms/{ID}/reset               O L
POST /api/v1/alarms/{ID}/out-of-service      L
POST /api/v1/alarms/{ID}/delete              -
POST /api/v1/alarms/{ID}/resend              -
GET  /api/v1/alarms/{ID}/resident            O L
POST /api/v1/alarms/{ID}/resident            O L
POST /api/v1/residents                       L
POST /api/v1/residents/1/remove              L
GET  /api/v1/residents.csv                   L
POST /api/v1/residents/import                L
GET  /api/v1/cases                           O L I V e
GET  /api/v1/cases/{ID}                      O L I V e
POST /api/v1/cases/{ID}/accept               O L
POST /api/v1/cases/{ID}/dispatch             O L
POST /api/v1/cases/{ID}/receive              O L
POST /api/v1/cases/{ID}/arrive               O L
POST /api/v1/cases/{ID}/handle               O L
POST /api/v1/cases/{ID}/rate                 O L
POST /api/v1/cases/{ID}/close                O L
POST /api/v1/cases/{ID}/whistle              O L
POST /api/v1/cases/{ID}/go-up                O L
POST /api/v1/cases/{ID}/report-in            O L
POST /api/v1/cases/{ID}/claim                O L
POST /api/v1/cases/{ID}/note                 O L
POST /api/v1/cases/{ID}/called               O L
POST /api/v1/cases/{ID}/broadcast            O L
POST /api/v1/cases/{ID}/remove               -
GET  /api/v1/cases/{ID}/photos/{ID}-0011223344556677 O L I V e
POST /api/v1/cases/{ID}/photos               O L
POST /api/v1/reports                         O L
GET  /api/v1/devices                         O L I V e
POST /api/v1/devices/smoke-1/test            L I
POST /api/v1/walks/{ID}                      O L
GET  /api/v1/welfare                         O L V
POST /api/v1/welfare/flat-402/pause          O L
GET  /api/v1/drill                           O L V e
POST /api/v1/drill                           L
POST /api/v1/drill/stop                      L
GET  /api/v1/figures                         O L V e
GET  /api/v1/figures.csv                     O L V e
GET  /api/v1/figures/devices.csv             O L V e
GET  /api/v1/logbook                         O L V e
GET  /api/v1/logbook.csv                     O L V e
GET  /api/v1/shift                           O L I V e
POST /api/v1/shift/begin                     O L
POST /api/v1/shift/leave                     O L
POST /api/v1/shift/see-line                  O L
POST /api/v1/shift/note                      O L
POST /api/v1/shift/call-roll                 L
POST /api/v1/shift/answer-roll               O L
POST /api/v1/shift/looked-at                 O L
POST /api/v1/shift/hand-over                 -
POST /api/v1/handover                        O L
POST /api/v1/sounder/silence                 O L
GET  /api/v1/stations                        O L I V e
GET  /api/v1/stations/qingshi-bridge/readings O L I V e
POST /api/v1/stations/qingshi-bridge/readings O L
GET  /api/v1/stations/qingshi-bridge/readings/phone-0001/photo O L I V e
POST /api/v1/stations/qingshi-bridge/readings/phone-0001/photo O L
POST /api/v1/stations/qingshi-bridge/about    L
GET  /api/v1/stations/qingshi-bridge/impacts.csv O L I V e
POST /api/v1/stations/qingshi-bridge/impacts  O L
GET  /api/v1/stations/qingshi-bridge/warning  O L
GET  /api/v1/stations/qingshi-bridge/warning.png O L I V e
POST /api/v1/stations/qingshi-bridge/warning  O L
GET  /api/v1/stream                          O L I V e
POST /api/v1/boards/page-0001                O L
";

const WHO: [char; 7] = ['O', 'L', 'I', 'G', 'V', 'e', 's'];
const ALARM: &str = "01KANEXAMP0000000000000001";

/// A duty room's pages in front of a loop and a store that have ended: whoever gets through is told so, or gets a page.
struct Pages {
    desk: Desk,
    _state: tempfile::TempDir,
}

/// The account of one of [`WHO`].
fn account(who: char) -> Option<Account> {
    let (id, role) = match who {
        'O' | 'e' => ("operator", Role::Operator),
        'L' => ("lead", Role::Lead),
        'I' => ("installer", Role::Installer),
        'G' => ("grid-worker", Role::GridWorker),
        'V' => ("viewer", Role::Viewer),
        _ => return None,
    };
    let (id, password) = (id.parse().unwrap(), Hash::from_text(String::new()));
    Some(Account { id, name: "一人".into(), role, password, disabled: false })
}

/// Somebody whom the configuration names.
fn wang() -> shouwang_board::organisation::Person {
    let (id, name) = ("wang".parse().unwrap(), "王网格".into());
    shouwang_board::organisation::Person { id, name, phone: None, wecom: None, role: None, of: None }
}

impl Pages {
    /// Everybody has a session, as if from before a restart.
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let config = Config {
            name: "duty-1".parse().unwrap(),
            title: "matrix".into(),
            state_dir: state.path().into(),
            broker: Broker::at("mqtt://127.0.0.1:1").unwrap(),
            web: Web::at("127.0.0.1:0".parse().unwrap()),
            command_key: None,
            channels: vec![],
            organisation: shouwang_board::Organisation { persons: vec![wang()], ..Default::default() },
            escalation: shouwang_board::Escalation::default(),
            handling: Vec::new(),
            night: shouwang_board::Night::default(),
            sounder: None,
        };
        let clock = Clock::system();
        let (to_loop, _) = mpsc::channel(1);
        let (to_store, _) = mpsc::channel(1);
        let (_, pulse) = watch::channel(Pulse { turned: clock.now(), ..Pulse::default() });
        let mut people = KeptPeople::default();
        for who in WHO {
            let Some(account) = account(who) else { continue };
            let left_ms = if who == 'e' { 0 } else { 3_600_000 };
            let ends = Timestamp::from_unix_ms(clock.wall().unix_ms() + left_ms);
            people.sessions.push((TokenDigest::of(&session(who)), account.id.to_string(), ends));
            people.accounts.push(account);
        }
        let door = Door::open(clock.clone(), people, &to_store).unwrap();
        let (_, named) = watch::channel(Named::of(&config));
        Self {
            desk: Desk::new(
                &config,
                named,
                None,
                clock,
                to_loop,
                pulse,
                door,
                crate::metrics::Metrics::new(),
            ),
            _state: state,
        }
    }

    async fn ask(&self, method: &str, path: &str, who: char) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path.replace("{ID}", ALARM))
            .header(header::HOST, "localhost")
            .header(header::ORIGIN, "http://localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, format!("shouwang_session={}", session(who)))
            .extension(super::Peer([127, 0, 0, 1].into()))
            .body(Body::from("{}"))
            .unwrap();
        let response =
            TowerToHyperService::new(super::router(self.desk.clone())).call(request).await.unwrap();
        let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
        (response.status(), place.unwrap_or_default().to_owned())
    }
}

fn session(who: char) -> String {
    format!("the session of {who}")
}

/// What a refusal looks like to this one: a page leads strangers to the log-in, some also whose log-in has expired, the API says 401, 403 or 404.
fn is_refused(path: &str, who: char, status: StatusCode, place: &str) -> bool {
    // A grid worker's session, left from another role, is none.
    let is_stranger = matches!(who, 's' | 'G');
    match status {
        StatusCode::UNAUTHORIZED => is_stranger || who == 'e',
        StatusCode::FORBIDDEN => !is_stranger,
        StatusCode::NOT_FOUND => true,
        StatusCode::SEE_OTHER => {
            (is_stranger || who == 'e')
                && place == "/login"
                && !path.starts_with("/login/")
                && path != "/setup"
        }
        _ => false,
    }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str, BTreeSet<char>)> {
    MATRIX.lines().filter(|line| !line.is_empty()).map(|line| {
        let mut parts = line.split_whitespace();
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        (method, path, parts.filter_map(|who| who.chars().next()).filter(|who| *who != '-').collect())
    })
}

#[tokio::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let pages = Pages::new();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (method, path, allowed) in lines() {
        for who in WHO {
            let (status, place) = pages.ask(method, path, who).await;
            // A case that nobody knows is no refusal.
            let through = !is_refused(path, who, status, &place);
            if through != allowed.contains(&who) {
                wrong.push(format!("{method} {path} as {who}: {status} {place}"));
            }
            asked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(asked, lines().count() * WHO.len());
}

/// Whether a route's pattern answers this address.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(one, other)| one.starts_with('{') || one == other)
}

#[tokio::test]
async fn the_table_names_every_route_and_every_verb() {
    let routes = routes();
    for route in &routes {
        let known =
            || lines().filter(|(method, path, _)| *method == route.method.as_str() && fits(route.path, path));
        assert!(known().next().is_some(), "{} {} is not in the matrix", route.method, route.path);
        if let Who::ByVerb(verbs) = route.who {
            for (verb, _) in verbs {
                let named = known().any(|(_, path, _)| path.ends_with(&format!("/{verb}")));
                assert!(named, "{} with {verb} is not in the matrix", route.path);
            }
        }
    }
    for (method, path, _) in lines() {
        let is_routed = routes.iter().any(|route| route.method == method && fits(route.path, path));
        assert!(is_routed, "{method} {path} is in the matrix, but no route answers it");
    }
}

/// A hundred thousand guesses at a session, and those that were given still stand.
#[tokio::test]
async fn no_guess_is_a_session() {
    let pages = Pages::new();
    let cookie = |value: &str| {
        let mut headers = header::HeaderMap::new();
        headers.insert(header::COOKIE, format!("shouwang_session={value}").parse().unwrap());
        super::guard::standing(&pages.desk, &headers)
    };
    for guess in 0..100_000_u64 {
        let guess = guess.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (standing, person) = cookie(&format!("{guess:016x}{:016x}", !guess));
        assert!(standing == Standing::Stranger && person.is_none(), "{guess:x}");
    }
    assert_eq!(cookie(&session('L')).1.map(|person| person.role), Some(Role::Lead));
    assert_eq!(cookie(&session('e')).0, Standing::Expired);
}

/// Deny by default: other methods and other addresses, for whoever asks.
#[tokio::test]
async fn what_is_in_no_line_is_refused() {
    let pages = Pages::new();
    for who in WHO {
        for method in ["DELETE", "PUT", "PATCH"] {
            let (status, _) = pages.ask(method, "/api/v1/alarms", who).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} as {who}");
        }
        for path in ["/api/v1/nothing", "/api/v1/alarms/", "/api/v1/alarms/{ID}", "/index.html"] {
            assert_eq!(pages.ask("GET", path, who).await.0, StatusCode::NOT_FOUND, "{path} as {who}");
        }
    }
}
