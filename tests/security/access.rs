//! The access lists that are shipped, held to one table: a gateway speaks as itself only, its will included, and hears
//! only what is meant for it; a duty room hears all, commands, and says "heard" as itself only. Mosquitto is asked;
//! EMQX's rules are read.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumqttc::{Client, Event, Incoming, LastWill, MqttOptions, QoS, SubscribeFilter};
use shouwang_message::topic::ROOT;
use shouwang_tests::program::root;
use shouwang_tests::{Mosquitto, wait_until};

use crate::house::{ALARM_LIMIT, drawer, password_lines};

/// Two gateways of one site, and one of the same id in another.
const GATEWAYS: [&str; 3] = ["heping/gw-0007", "heping/gw-0008", "xingfu/gw-0007"];
const ROOM: &str = "duty-1";
const PASSWORD: &str = "correct horse";
/// What a gateway says, and what is said to it (contract.md).
const SAID: [&str; 10] = [
    "state",
    "info",
    "heartbeat",
    "event",
    "history",
    "device/smoke-1/state",
    "device/smoke-1/values",
    "alarm/01KANEXAMPE000000000000AAA",
    "reply/acknowledge",
    DOCTOR,
];
/// What `shouwang doctor` says to itself.
const DOCTOR: &str = "doctor";
const TOLD: [&str; 4] = ["command/acknowledge", "command/test", "heard/duty-1", "heard/duty-2"];
/// None of ours, and nobody's.
const STRANGE: [&str; 4] =
    ["shouwang/v1/heping", "shouwang/v2/heping/gw-0007/state", "other", "$SYS/broker/uptime"];

fn topics() -> Vec<String> {
    let all = SAID.iter().chain(&TOLD);
    let ours = GATEWAYS.iter().flat_map(|whom| all.clone().map(move |leaf| format!("{ROOT}/{whom}/{leaf}")));
    ours.chain(STRANGE.map(str::to_owned)).collect()
}

/// The table. Not derived from the lists: from the contract.
fn may_say(user: &str, topic: &str) -> bool {
    let Some((whom, leaf)) = split(topic) else { return false };
    if user == ROOM {
        leaf.starts_with("command/") || leaf == "heard/duty-1"
    } else {
        user == whom && SAID.contains(&leaf)
    }
}

fn may_hear(user: &str, topic: &str) -> bool {
    let is_told = |leaf| TOLD.contains(&leaf) || leaf == DOCTOR;
    split(topic).is_some_and(|(whom, leaf)| user == ROOM || (user == whom && is_told(leaf)))
}

fn split(topic: &str) -> Option<(&str, &str)> {
    let rest = topic.strip_prefix(ROOT)?.strip_prefix('/')?;
    let whom = GATEWAYS
        .into_iter()
        .find(|whom| rest.strip_prefix(whom).is_some_and(|rest| rest.starts_with('/')))?;
    Some((whom, rest.get(whom.len() + 1..)?))
}

/// Somebody at the broker, and what arrives there.
struct Guest {
    client: Client,
    heard: Arc<Mutex<Vec<(String, String)>>>,
    receipts: Arc<AtomicU32>,
    subscribed: Arc<AtomicU32>,
    gone: Arc<AtomicBool>,
    is_out: Arc<AtomicBool>,
}

/// Without a goodbye.
impl Drop for Guest {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
    }
}

static NEXT: AtomicU32 = AtomicU32::new(1);

impl Guest {
    fn come(port: u16, user: Option<&str>, will: Option<LastWill>) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut options = MqttOptions::new(format!("guest-{number}"), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(10));
        if let Some(user) = user {
            options.set_credentials(user, PASSWORD);
        }
        if let Some(will) = will {
            options.set_last_will(will);
        }
        let (client, mut connection) = Client::new(options, 1000);
        let guest = Self {
            client,
            heard: Arc::default(),
            receipts: Arc::default(),
            subscribed: Arc::default(),
            gone: Arc::default(),
            is_out: Arc::default(),
        };
        let (heard, receipts) = (Arc::clone(&guest.heard), Arc::clone(&guest.receipts));
        let (subscribed, left) = (Arc::clone(&guest.subscribed), Arc::clone(&guest.gone));
        let is_out = Arc::clone(&guest.is_out);
        std::thread::spawn(move || {
            // Ends with the first error: nobody here comes back.
            while !left.load(Ordering::Acquire) {
                let event = match connection.recv_timeout(Duration::from_millis(20)) {
                    Ok(Ok(event)) => event,
                    Ok(Err(_)) => break,
                    Err(_) => continue,
                };
                match event {
                    Event::Incoming(Incoming::Publish(publish)) => {
                        let words = String::from_utf8_lossy(&publish.payload).into_owned();
                        heard.lock().unwrap_or_else(PoisonError::into_inner).push((publish.topic, words));
                    }
                    Event::Incoming(Incoming::PubAck(_)) => {
                        receipts.fetch_add(1, Ordering::Release);
                    }
                    Event::Incoming(Incoming::SubAck(_)) => {
                        subscribed.fetch_add(1, Ordering::Release);
                    }
                    _ => {}
                }
            }
            is_out.store(true, Ordering::Release);
        });
        guest
    }

    /// Mosquitto 2.0 lets in who names a will that it will not send; another may not.
    fn is_let_in_or_refused(&self) {
        self.client.subscribe("any", QoS::AtLeastOnce).expect("a guest that lives");
        wait_until(ALARM_LIMIT, "the broker should answer or refuse", || {
            self.subscribed.load(Ordering::Acquire) > 0 || self.is_out.load(Ordering::Acquire)
        });
    }

    fn leave_without_goodbye(self) {
        let is_out = Arc::clone(&self.is_out);
        drop(self);
        wait_until(ALARM_LIMIT, "the guest should have left", || is_out.load(Ordering::Acquire));
    }

    fn subscribe(&self, filters: impl Iterator<Item = String>) {
        let before = self.subscribed.load(Ordering::Acquire);
        let filters = filters.map(|path| SubscribeFilter { path, qos: QoS::AtLeastOnce });
        self.client.subscribe_many(filters).expect("a guest that lives");
        wait_until(ALARM_LIMIT, "the broker should answer a subscription", || {
            self.subscribed.load(Ordering::Acquire) > before
        });
    }

    /// Returns when the broker has receipted all of them, whatever it did with them.
    fn say(&self, topics: &[String], words: &str) {
        let before = self.receipts.load(Ordering::Acquire);
        for topic in topics {
            self.client.publish(topic, QoS::AtLeastOnce, false, words).expect("a guest that lives");
        }
        let wanted = before + u32::try_from(topics.len()).expect("a few");
        wait_until(ALARM_LIMIT, "the broker should receipt", || {
            self.receipts.load(Ordering::Acquire) >= wanted
        });
    }

    /// The topics on which these words came.
    fn heard(&self, words: &str) -> BTreeSet<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|(_, said)| said == words).map(|(topic, _)| topic.clone()).collect()
    }

    fn wait_for(&self, words: &str) {
        wait_until(ALARM_LIMIT, "the last word should arrive", || !self.heard(words).is_empty());
    }
}

/// Mosquitto with the shipped list at its second door. At the first nobody is asked who he is.
fn guarded(directory: &std::path::Path) -> Mosquitto {
    let people: Vec<(&str, &str)> = GATEWAYS.iter().chain([&ROOM]).map(|user| (*user, PASSWORD)).collect();
    let list = root().join("gateway/packaging/broker/mosquitto.acl");
    Mosquitto::start_with_listener(&format!(
        "{}acl_file {}\n",
        password_lines(directory, &people),
        list.display()
    ))
}

fn all_users() -> impl Iterator<Item = &'static str> {
    GATEWAYS.into_iter().chain([ROOM])
}

#[test]
fn everybody_speaks_as_himself_only() {
    let drawer = drawer();
    let broker = guarded(drawer.path());
    let witness = Guest::come(broker.port(), None, None);
    witness.subscribe(std::iter::once("#".to_owned()));
    // The broker's own topics are nobody's to write.
    let topics: Vec<String> = topics().into_iter().filter(|topic| !topic.starts_with('$')).collect();
    let (mut asked, mut passed) = (0, 0);
    for user in all_users() {
        for topic in &topics {
            // For one that it denies mosquitto 2.0 may end the connection: each its own.
            let guest = Guest::come(broker.further_port(), Some(user), None);
            guest.client.publish(topic, QoS::AtLeastOnce, false, user).expect("a guest that lives");
            wait_until(ALARM_LIMIT, "the broker should take or deny it", || {
                guest.receipts.load(Ordering::Acquire) > 0 || guest.is_out.load(Ordering::Acquire)
            });
        }
        witness.say(&["end".to_owned()], &format!("end of {user}"));
        witness.wait_for(&format!("end of {user}"));
        let expected: BTreeSet<String> =
            topics.iter().filter(|topic| may_say(user, topic)).cloned().collect();
        assert_eq!(witness.heard(user), expected, "{user}");
        assert!(!expected.is_empty());
        asked += topics.len();
        passed += expected.len();
    }
    println!("{asked} messages, {passed} passed, as the table says");
}

#[test]
fn everybody_hears_only_what_is_meant_for_him() {
    let drawer = drawer();
    let broker = guarded(drawer.path());
    let witness = Guest::come(broker.port(), None, None);
    for user in all_users() {
        let guest = Guest::come(broker.further_port(), Some(user), None);
        // By name, by wildcard, and for everything there is.
        let wild = ["#", "shouwang/#", "shouwang/v1/+/+/command/+", "+/+/+/+/+", "$SYS/#"].map(str::to_owned);
        guest.subscribe(topics().into_iter().chain(wild));
        let said: Vec<String> = topics().into_iter().filter(|topic| !topic.starts_with('$')).collect();
        witness.say(&said, user);
        let own = if user == ROOM { GATEWAYS[0] } else { user };
        witness.say(&[format!("{ROOT}/{own}/command/read")], "the end");
        guest.wait_for("the end");
        let expected: BTreeSet<String> = said.iter().filter(|topic| may_hear(user, topic)).cloned().collect();
        assert_eq!(guest.heard(user), expected, "{user}");
        let heard = guest.heard.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            heard.iter().all(|(topic, _)| !topic.starts_with("$SYS")),
            "{user} hears the broker's own figures"
        );
    }
}

#[test]
fn nobody_leaves_anothers_will() {
    let drawer = drawer();
    let broker = guarded(drawer.path());
    let witness = Guest::come(broker.port(), None, None);
    witness.subscribe(std::iter::once("#".to_owned()));
    for user in all_users() {
        for whom in GATEWAYS {
            let topic = format!("{ROOT}/{whom}/state");
            let words = format!("{user} for {whom}");
            let will = LastWill::new(&topic, words.clone(), QoS::AtLeastOnce, true);
            let guest = Guest::come(broker.further_port(), Some(user), Some(will));
            guest.is_let_in_or_refused();
            guest.leave_without_goodbye();
            if may_say(user, &topic) {
                witness.wait_for(&words);
            }
        }
    }
    // Who left before has left his will before.
    let last =
        LastWill::new(format!("{ROOT}/{}/state", GATEWAYS[0]), "the last will", QoS::AtLeastOnce, true);
    let guest = Guest::come(broker.further_port(), Some(GATEWAYS[0]), Some(last));
    guest.is_let_in_or_refused();
    guest.leave_without_goodbye();
    witness.wait_for("the last will");
    for user in all_users() {
        for whom in GATEWAYS.into_iter().filter(|whom| *whom != user) {
            assert!(
                witness.heard(&format!("{user} for {whom}")).is_empty(),
                "{user} left the will of {whom}"
            );
        }
    }
}

/// One rule of EMQX's file: `{allow, {user, "duty-1"}, publish, ["..."]}.`
#[derive(Debug)]
struct Rule {
    allows: bool,
    user: Option<String>,
    /// None: both.
    action: Option<&'static str>,
    filters: Vec<String>,
}

fn emqx_rules() -> Vec<Rule> {
    let file = root().join("gateway/packaging/broker/emqx-acl.conf");
    let text = std::fs::read_to_string(file).expect("EMQX's file");
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("%%")).collect();
    let rules = code.split_inclusive("}.").map(str::trim).filter(|rule| !rule.is_empty());
    rules.map(rule).collect()
}

fn rule(text: &str) -> Rule {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix("}.")).expect("{...}.");
    let (what, rest) = inner.split_once(", ").expect("a verdict and for whom");
    assert!(["allow", "deny"].contains(&what), "{what}: neither allow nor deny");
    let allows = what == "allow";
    if rest == "all" {
        return Rule { allows, user: None, action: None, filters: vec!["#".into()] };
    }
    let (user, rest) = match rest.strip_prefix("{user, \"") {
        Some(rest) => {
            let (user, rest) = rest.split_once("\"}, ").expect("a user");
            (Some(user.to_owned()), rest)
        }
        None => (None, rest.strip_prefix("all, ").expect("all, or a user")),
    };
    let (action, filters) = rest.split_once(", ").expect("an action and topics");
    let action = ["publish", "subscribe"].into_iter().find(|known| *known == action).expect("a known action");
    let filters =
        filters.strip_prefix('[').and_then(|list| list.strip_suffix(']')).expect("a list of topics");
    let filters = filters.split(", ").map(|topic| topic.trim_matches('"').to_owned()).collect();
    Rule { allows, user, action: Some(action), filters }
}

/// As EMQX judges: the first rule that fits. `topic` may be a filter, when it is subscribed to.
fn emqx_allows(rules: &[Rule], user: &str, action: &str, topic: &str) -> bool {
    let fits = |rule: &&Rule| {
        rule.user.as_deref().is_none_or(|named| named == user)
            && rule.action.is_none_or(|named| named == action)
            && rule.filters.iter().any(|filter| matches_filter(&filter.replace("${username}", user), topic))
    };
    rules.iter().find(fits).is_some_and(|rule| rule.allows)
}

fn matches_filter(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(word)) if word != "#" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[test]
fn the_rules_for_emqx_say_the_same_as_the_table() {
    let rules = emqx_rules();
    assert!(
        rules.last().is_some_and(|last| !last.allows && last.user.is_none()),
        "the last rule denies: {rules:?}"
    );
    for user in all_users() {
        for topic in topics() {
            assert_eq!(
                emqx_allows(&rules, user, "publish", &topic),
                may_say(user, &topic),
                "{user} says {topic}"
            );
            assert_eq!(
                emqx_allows(&rules, user, "subscribe", &topic),
                may_hear(user, &topic),
                "{user} hears {topic}"
            );
        }
        for wild in ["#", "shouwang/#", "shouwang/v1/#", "shouwang/v1/+/#", "+/+/+/+/command/+"] {
            assert!(!emqx_allows(&rules, user, "subscribe", wild), "{user} hears {wild}");
        }
    }
    for (user, filter) in [
        (ROOM, "shouwang/v1/+/+/event"),
        (ROOM, "shouwang/v1/+/+/device/+/values"),
        ("heping/gw-0007", "shouwang/v1/heping/gw-0007/command/+"),
        ("heping/gw-0007", "shouwang/v1/heping/gw-0007/heard/+"),
    ] {
        assert!(emqx_allows(&rules, user, "subscribe", filter), "{user} needs {filter}");
    }
}

/// What the shipped configuration of mosquitto says is what mosquitto takes.
#[test]
fn the_configuration_for_mosquitto_is_one() {
    let drawer = drawer();
    let file = |name: &str| std::fs::read_to_string(root().join("gateway/packaging/broker").join(name));
    let ours = crate::authority::Authority::new(drawer.path(), "ca");
    ours.server("broker", "localhost", crate::authority::GOOD);
    let list = drawer.path().join("shouwang.acl");
    std::fs::write(&list, file("mosquitto.acl").expect("the list")).expect("a copy");
    let text = file("mosquitto.conf").expect("the configuration");
    let text = text
        .replace("listener 8883", "")
        .replace("/etc/mosquitto/certs", &drawer.path().display().to_string())
        .replace("/etc/mosquitto/shouwang.acl", &list.display().to_string());
    // Settings of the whole broker stand in front of its listeners.
    let (whole, of_listener): (Vec<&str>, Vec<&str>) = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .partition(|line| ["set_tcp", "max_", "message_size"].iter().any(|word| line.starts_with(word)));
    assert_eq!(whole.len(), 4);
    let broker = Mosquitto::start_with_listener(&(of_listener.join("\n") + "\n" + &whole.join("\n")));
    let house = crate::house::House::new(broker, |port| {
        crate::house::trusting(port, &ours.file())
            + &crate::house::showing(&ours.client("gw", "heping/gw-0007", crate::authority::GOOD))
    });
    let gateway = house.start();
    house.listener.wait_for_device(crate::house::START_LIMIT, "smoke-1", "online");
    gateway.stop();
    house.tap.assert_only_tls();
}
