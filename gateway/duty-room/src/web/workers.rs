//! The personal pages of grid workers, as the lead has them: who has one, a new one in place of it, and none any more.
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use shouwang_board::LogLine;
use shouwang_message::Timestamp;

use super::access::LEADS;
use super::extract::{Change, Nothing, OwnAddress};
use super::mine::ends;
use super::refusal::{Refusal, not_found, too_slow};
use super::{Desk, from_disk};
use crate::accounts::Role;
use crate::accounts::changes::Asker;
use crate::tickets::{Purpose, Wanted};
use shouwang_paper::qr;

/// What may be done with a person's page.
pub(super) const VERBS: &[(&str, &[Role])] = &[("make", LEADS), ("revoke", LEADS)];

/// `GET /api/v1/pages`: everybody who is named in the configuration, and since when they have a page.
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    let (tickets, wall) = (desk.inner.tickets.clone(), desk.inner.clock.wall());
    let standing = from_disk(move || tickets.standing(Purpose::Mine)).await.ok_or_else(too_slow)?;
    let named = desk.named();
    let items = named.persons.iter().map(|person| {
        let page =
            standing.iter().find(|ticket| ticket.person == person.id.as_str() && ticket.over(wall).is_none());
        let page = page.map(|page| json!({ "made": page.made, "made_by": page.made_by, "ends": page.ends }));
        json!({ "id": person.id, "name": person.name, "role": person.role, "of": person.of, "page": page })
    });
    Ok(Json(json!({ "items": items.collect::<Vec<_>>() })))
}

/// A page of this person's own, from now on.
pub(crate) fn own_page(person: String, made_by: String, wall: Timestamp) -> Wanted {
    Wanted { purpose: Purpose::Mine, person, about: String::new(), made_by, ends: ends(wall) }
}

/// `POST /api/v1/pages/{person}/{change}`: a new page, after which the one before opens nothing; or none.
pub(super) async fn change(
    State(desk): State<Desk>,
    asker: Asker,
    own: OwnAddress,
    Path((person, verb)): Path<(String, String)>,
    _: Change<Nothing>,
) -> Result<Json<Value>, Refusal> {
    let named = desk.named();
    let person = named.persons.iter().find(|known| known.id.as_str() == person).ok_or_else(not_found)?;
    let is_made = verb == "make";
    let (tickets, wall) = (desk.inner.tickets.clone(), desk.inner.clock.wall());
    let wanted = own_page(person.id.to_string(), asker.person.id.clone(), wall);
    let changing = move || match is_made {
        true => tickets.make_only(&wanted, wall),
        false => tickets.revoke(wanted.purpose, &wanted.person, &wanted.about, wall).map(|_| None),
    };
    let token = from_disk(changing).await.ok_or_else(too_slow)?;
    let what = if is_made { "page.made" } else { "page.revoked" };
    let line = desk.inner.door.line(&asker.person.id, asker.from, what);
    desk.note(LogLine { about: Some(person.id.to_string()), ..line }).await?;
    if !is_made {
        return Ok(Json(json!({ "person": person.id, "url": null, "qr": null })));
    }
    let url = format!("{}/mine/{}", own.0, token.ok_or_else(too_slow)?);
    Ok(Json(json!({ "person": person.id, "url": url, "qr": qr(&url) })))
}
