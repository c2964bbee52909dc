//! Who may call what: each route says it in its own line, and one check in front of every route reads it. A route
//! that says nothing cannot be written, and what is in no line is refused.
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodFilter, MethodRouter, on};

use super::refusal::{Refusal, not_found, refusal};
use super::seats::Seat;
use super::{Desk, guard};
use crate::accounts::sessions::Standing;
use crate::accounts::{Person, Role};

/// Everybody who may log in.
pub(super) const DESK: &[Role] = &[Role::Operator, Role::Lead, Role::Installer, Role::Viewer];
/// Who does something about alarms.
pub(super) const WATCH: &[Role] = &[Role::Operator, Role::Lead];
/// Who may read what people did.
pub(super) const RECORDS: &[Role] = &[Role::Operator, Role::Lead, Role::Viewer];
/// Who may put a device to the test.
pub(super) const TESTERS: &[Role] = &[Role::Lead, Role::Installer];
/// Who answers for the watch.
pub(super) const LEADS: &[Role] = &[Role::Lead];

/// Whom a route is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// No log-in asked: what comes before it, signs of life, and what proves itself.
    Anybody,
    /// These roles, also when their log-in has expired: an alarm disappears for nobody.
    Look(&'static [Role]),
    /// These roles, logged in now.
    Act(&'static [Role]),
    /// Roles by the last part of the address, logged in now.
    ByVerb(&'static [(&'static str, &'static [Role])]),
    /// Whoever asks from this machine; from elsewhere as `Look`.
    Local(&'static [Role]),
    /// A page: as `Look`, but a stranger is led to the log-in page.
    Page(&'static [Role]),
    /// A page of what goes on in people's homes: as `Act`, but whoever is not logged in now is led to the log-in page.
    Private(&'static [Role]),
}

/// One line of the table.
pub(super) struct Route {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the router has it in `answered`; the role matrix asks for it")
    )]
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) who: Who,
    answered: MethodRouter<Desk>,
}

pub(super) fn get<H: Handler<T, Desk>, T: 'static>(path: &'static str, who: Who, handler: H) -> Route {
    route(Method::GET, path, who, on(MethodFilter::GET, handler))
}

pub(super) fn post<H: Handler<T, Desk>, T: 'static>(path: &'static str, who: Who, handler: H) -> Route {
    route(Method::POST, path, who, on(MethodFilter::POST, handler))
}

pub(super) fn delete<H: Handler<T, Desk>, T: 'static>(path: &'static str, who: Who, handler: H) -> Route {
    route(Method::DELETE, path, who, on(MethodFilter::DELETE, handler))
}

fn route(method: Method, path: &'static str, who: Who, answered: MethodRouter<Desk>) -> Route {
    Route { method, path, who, answered }
}

/// The router that knows these routes and no others.
pub(super) fn routed(desk: &Desk, routes: Vec<Route>) -> Router<Desk> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let checked = from_fn_with_state((desk.clone(), route.who), admit);
        router.route(route.path, route.answered.route_layer(checked))
    })
}

/// Lets a request through with the person who asks, or refuses it. The API answers 401 and 403 with JSON, never
/// with a redirect.
async fn admit(State((desk, who)): State<(Desk, Who)>, mut request: Request, next: Next) -> Response {
    let (standing, person) = guard::standing(&desk, request.headers());
    let who = if matches!(who, Who::Local(_)) && guard::is_local(&request) { Who::Anybody } else { who };
    match may(who, standing, person.as_ref(), request.uri().path()) {
        Ok(()) => {}
        Err(Barred::Login) if matches!(who, Who::Page(_)) => return Redirect::to("/login").into_response(),
        Err(Barred::Login | Barred::Expired) if matches!(who, Who::Private(_)) => {
            return Redirect::to("/login").into_response();
        }
        Err(barred) => return barred.refusal().into_response(),
    }
    if let Some(person) = person {
        if let Some(seat) = request.extensions().get::<Seat>() {
            seat.is_known();
        }
        request.extensions_mut().insert(person);
        request.extensions_mut().insert(standing);
    }
    next.run(request).await
}

/// Why somebody is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barred {
    Login,
    Expired,
    Role,
    Unknown,
}

fn may(who: Who, standing: Standing, person: Option<&Person>, path: &str) -> Result<(), Barred> {
    let (roles, also_expired) = match who {
        Who::Anybody => return Ok(()),
        Who::Look(roles) | Who::Local(roles) | Who::Page(roles) => (Some(roles), true),
        Who::Act(roles) | Who::Private(roles) => (Some(roles), false),
        Who::ByVerb(verbs) => {
            let verb = path.rsplit('/').next().unwrap_or_default();
            (verbs.iter().find(|(known, _)| *known == verb).map(|(_, roles)| *roles), false)
        }
    };
    let Some(person) = person.filter(|_| standing != Standing::Stranger) else { return Err(Barred::Login) };
    if standing == Standing::Expired && !also_expired {
        return Err(Barred::Expired);
    }
    let Some(roles) = roles else { return Err(Barred::Unknown) };
    if roles.contains(&person.role) { Ok(()) } else { Err(Barred::Role) }
}

impl Barred {
    fn refusal(self) -> Refusal {
        match self {
            Self::Login => refusal(StatusCode::UNAUTHORIZED, "login", "请先登录", "Log in first"),
            Self::Expired => refusal(
                StatusCode::UNAUTHORIZED,
                "login_expired",
                "登录已过期,只能查看;请重新登录",
                "Your login has expired: you may look; log in again to act",
            ),
            Self::Role => refusal(
                StatusCode::FORBIDDEN,
                "role",
                "您的角色不能做这件事,请找班长",
                "Your role may not do this: ask the lead of the watch",
            ),
            Self::Unknown => not_found(),
        }
    }
}
