//! A hundred thousand commands that nobody meant: changed in a bit, signed by others, meant for another gateway or for
//! another command, too late, kept at the broker, sent again. The real keys, the real engine; none of them does anything.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use shouwang_core::input::Input;
use shouwang_gateway::config::TrustedKeys;
use shouwang_message::{Command, CommandName, CommandPayload, from_bytes, to_bytes};
use shouwang_tests::chance::Chance;

use crate::site::{Site, id};
use crate::stage::Stage;

const ATTEMPTS: u32 = 100_000;

fn signed(key: &SigningKey, payload: &CommandPayload) -> Command {
    let payload = String::from_utf8(to_bytes(payload)).unwrap_or_else(|_| panic!("JSON is UTF-8"));
    let signature = STANDARD.encode(key.sign(payload.as_bytes()).to_bytes());
    Command { payload, key: Some("duty-1".into()), signature: Some(signature) }
}

/// One bit of a text of ASCII, so that it stays a text.
fn flipped(chance: &mut Chance, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let place = chance.place(bytes.len());
    bytes[place] ^= 1 << chance.below(7);
    String::from_utf8(bytes).unwrap_or_else(|_| panic!("still ASCII"))
}

/// What an attacker makes of the command that a person gave, and under which name it is sent.
struct Attacker {
    chance: Chance,
    ours: SigningKey,
    stranger: SigningKey,
    payload: CommandPayload,
    sound: Command,
}

impl Attacker {
    fn next(&mut self) -> (CommandName, Command, bool) {
        use CommandName::{Acknowledge, Reset, Silence, Test, WriteOutput};
        let (sound, payload) = (self.sound.clone(), self.payload.clone());
        let to = |to: &str| CommandPayload { to: Some(to.into()), ..payload.clone() };
        let command = match self.chance.below(12) {
            0 => Command { payload: flipped(&mut self.chance, &sound.payload), ..sound },
            1 => Command { key: Some(flipped(&mut self.chance, "duty-1")), ..sound },
            2 => {
                let signature = sound.signature.as_deref().unwrap_or_default();
                Command { signature: Some(flipped(&mut self.chance, signature)), ..sound }
            }
            3 => Command { key: None, signature: None, ..sound },
            4 => Command { signature: None, ..sound },
            5 if self.chance.one_in(8) => signed(&self.stranger, &payload),
            5 | 6 => {
                // Signed by us, as the person meant it: played to another gateway of another site, or cut from one.
                let name =
                    self.chance.pick(&["heping/gw-0008/acknowledge", "donghu/gw-0007/acknowledge", "", "/"]);
                return (Acknowledge, signed_seldom(&mut self.chance, &self.ours, &to(name), &sound), false);
            }
            7 => return (self.chance.pick(&[Reset, Silence]), sound, false),
            8 => {
                let late = CommandPayload { expires: payload.at, ..payload };
                return (Acknowledge, signed_seldom(&mut self.chance, &self.ours, &late, &sound), false);
            }
            9 => return (Acknowledge, sound, true),
            10 => {
                let device =
                    CommandPayload { alarm: None, device: Some(id("smoke-402")), to: None, ..payload };
                let until = CommandPayload { until: Some(device.expires), ..device };
                return (Test, signed_seldom(&mut self.chance, &self.ours, &until, &sound), false);
            }
            _ => {
                let output = CommandPayload {
                    alarm: None,
                    output: Some(id("siren")),
                    on: Some(false),
                    to: None,
                    ..payload
                };
                return (WriteOutput, signed_seldom(&mut self.chance, &self.ours, &output, &sound), false);
            }
        };
        (Acknowledge, command, false)
    }
}

/// Most of the time without a signature of its own: making and checking one costs as much as a thousand refusals.
fn signed_seldom(
    chance: &mut Chance,
    key: &SigningKey,
    payload: &CommandPayload,
    sound: &Command,
) -> Command {
    match chance.one_in(16) {
        true => signed(key, payload),
        false => Command {
            payload: String::from_utf8(to_bytes(payload)).unwrap_or_default(),
            signature: Some("AAAA".into()),
            ..sound.clone()
        },
    }
}

#[test]
fn nothing_but_the_very_command_that_was_signed_acts() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).signed_commands_only());
    stage.smoke("smoke-402", true);
    stage.run(1.0);
    let (ours, stranger) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
    let mut keys = TrustedKeys::default();
    keys.trust("duty-1", ours.verifying_key().as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm('A'));
    payload.expires = stage.in_minutes(23 * 60);
    payload.to = Some("heping/gw-0007/acknowledge".into());
    stage.tape.is_off = true;

    let sound = signed(&ours, &payload);
    let shown = |stage: &Stage| stage.retained("/alarm/");
    let before = shown(&stage);
    assert!(before.len() == 1 && before[0].contains("\"acknowledged\":null"), "{before:?}");
    let give = |stage: &mut Stage, name, command: &Command, retained| {
        let signed_by = keys.signer(command);
        let payload = command.payload.clone();
        stage.give(Input::Commanded { name, payload, signed_by: signed_by.clone(), retained });
        signed_by
    };
    let mut attacker = Attacker { chance: Chance::new(6), ours, stranger, payload, sound: sound.clone() };
    let mut believed = 0_u32;
    for attempt in 0..ATTEMPTS {
        let (name, command, retained) = attacker.next();
        believed += u32::from(give(&mut stage, name, &command, retained).is_some());
        if attempt % 50 == 0 {
            stage.run(0.02);
            assert_eq!(shown(&stage), before, "{name:?} {command:?} {retained}");
        }
    }
    stage.run(1.0);
    assert_eq!(shown(&stage), before);
    assert!(believed > ATTEMPTS / 20, "rightly signed ones were among them: {believed}");

    give(&mut stage, CommandName::Acknowledge, &sound, false);
    stage.run(1.0);
    let after = shown(&stage);
    assert!(
        after[0].contains("\"acknowledged\":{\"by\":\"u-7\""),
        "the person's own command acts: {after:?}"
    );
    for _ in 0..1_000 {
        give(&mut stage, CommandName::Acknowledge, &sound, false);
    }
    stage.run(1.0);
    assert_eq!(shown(&stage), after);
}

/// Outsiders sign the contract's payload, which says no target: an alarm's id is target enough.
#[test]
fn a_signed_command_that_names_an_alarm_needs_no_target() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).signed_commands_only());
    stage.smoke("smoke-402", true);
    stage.run(1.0);
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm('A'));
    stage.publishes(CommandName::Acknowledge, &payload, Some("duty-1"), false);
    stage.run(1.0);
    assert!(stage.retained("/alarm/")[0].contains("\"by\":\"u-7\""));
    let text = String::from_utf8(to_bytes(&payload)).unwrap_or_default();
    assert!(
        from_bytes::<CommandPayload>(text.as_bytes())
            .is_ok_and(|again| again == payload && again.to.is_none())
    );
}
