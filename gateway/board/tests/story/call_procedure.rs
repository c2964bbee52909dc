//! Whom to call, in which order.
use shouwang_board::{CallCard, CallWho, call_procedure};
use shouwang_message::Class;

fn steps(class: Class, resident: bool, contacts: usize, key_holder: bool) -> Vec<(u32, CallWho)> {
    let card = CallCard { resident, contacts, key_holder };
    call_procedure(class, card).into_iter().map(|step| (step.after_s, step.who)).collect()
}

#[test]
fn a_call_goes_from_the_resident_to_the_ambulance() {
    let expected = [
        (0, CallWho::Resident),
        (60, CallWho::Contact { number: 0 }),
        (105, CallWho::Contact { number: 1 }),
        (150, CallWho::KeyHolder { known: true }),
        (270, CallWho::Ambulance),
    ];
    assert_eq!(steps(Class::Call, true, 2, true), expected);
}

#[test]
fn a_deaf_resident_is_not_called_and_an_empty_card_still_sends_somebody() {
    let expected = [(0, CallWho::KeyHolder { known: false }), (120, CallWho::Ambulance)];
    assert_eq!(steps(Class::Call, false, 0, false), expected);
}

#[test]
fn nobody_calls_into_gas() {
    let calls = steps(Class::Gas, true, 1, true);
    assert_eq!(calls.first(), Some(&(0, CallWho::Contact { number: 0 })));
    assert_eq!(calls.last(), Some(&(165, CallWho::FireBrigade)));
    assert_eq!(steps(Class::Smoke, true, 0, false).first(), Some(&(0, CallWho::Resident)));
}
