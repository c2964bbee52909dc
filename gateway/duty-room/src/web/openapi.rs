//! `/api/openapi.json`: what there is to ask, whose it is and what is answered, for programs. Written by hand, so that it
//! reads well; the tests here hold it against the routes, and `tests/story/openapi.rs` against real answers.
use axum::http::header;
use axum::response::IntoResponse;

const DOCUMENT: &str = include_str!("../../assets/openapi.json");

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::access::{Route, Who};
    use super::super::routes;
    use super::DOCUMENT;
    use crate::accounts::Role;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// What programs call: pages and their parts are for people.
    fn is_for_programs(route: &Route) -> bool {
        route.path.starts_with("/api/") || ["/healthz", "/readyz", "/metrics"].contains(&route.path)
    }

    fn words(roles: &[Role]) -> Vec<Value> {
        roles.iter().map(|role| serde_json::to_value(role).unwrap()).collect()
    }

    /// As the document says who may.
    fn told(who: Who) -> Value {
        match who {
            Who::Anybody => json!("anybody"),
            Who::Look(roles) | Who::Act(roles) | Who::Page(roles) | Who::Private(roles) => {
                words(roles).into()
            }
            Who::Local(roles) => {
                let roles = words(roles);
                let roles: Vec<&str> = roles.iter().filter_map(Value::as_str).collect();
                format!("local {}", roles.join(" ")).into()
            }
            Who::ByVerb(verbs) => {
                verbs.iter().map(|(verb, roles)| ((*verb).to_owned(), Value::from(words(roles)))).collect()
            }
        }
    }

    #[test]
    fn it_names_every_route_and_no_other() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let written: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let routed: BTreeSet<(String, String)> = routes()
            .iter()
            .filter(|route| is_for_programs(route))
            .map(|route| (route.path.to_owned(), route.method.to_string()))
            .collect();
        let missing: Vec<_> = routed.difference(&written).collect();
        let extra: Vec<_> = written.difference(&routed).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "assets/openapi.json: write {missing:?}, and take out {extra:?}"
        );
    }

    #[test]
    fn it_says_who_may_and_what_belongs_into_an_address_and_a_body() {
        let document = document();
        for route in routes().iter().filter(|route| is_for_programs(route)) {
            let method = route.method.as_str().to_lowercase();
            let operation = &document["paths"][route.path][&method];
            let name = format!("{method} {}", route.path);
            assert_eq!(operation["x-roles"], told(route.who), "{name}: x-roles");
            assert_eq!(
                operation["security"].is_array(),
                !matches!(route.who, Who::Anybody),
                "{name}: security"
            );
            assert!(operation["summary"].as_str().is_some_and(|said| !said.is_empty()), "{name}: summary");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_path: Vec<&Value> = parameters.filter(|one| one["in"] == "path").collect();
            let named: Vec<&str> = in_path.iter().filter_map(|one| one["name"].as_str()).collect();
            let wanted: Vec<&str> =
                route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(named, wanted, "{name}: parameters");
            if let Who::ByVerb(verbs) = route.who {
                let known: Vec<&str> = verbs.iter().map(|(verb, _)| *verb).collect();
                assert_eq!(in_path.last().unwrap()["schema"]["enum"], json!(known), "{name}: verbs");
            }
            let has_answer = ["200", "201"].iter().any(|status| operation["responses"][*status].is_object());
            assert!(has_answer && operation["responses"]["default"].is_object(), "{name}: responses");
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|inner| references(inner, found));
                }
                Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            let place = reference.strip_prefix('#').and_then(|place| document.pointer(place));
            assert!(place.is_some(), "{reference} leads nowhere");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is not used");
        }
    }
}
