//! The package on a Debian with a systemd of its own: installed it runs; upgraded, removed and installed again while an
//! alarm waits for a duty room, it loses nothing; killed or hung it is started anew.
use std::fmt::Write;
use std::time::Duration;

use shouwang_tests::program::root;
use shouwang_tests::{DutyRoom, Visitor, clock, wait_until};

use crate::container::Container;
use crate::street::{LIMIT, RAISED, Street, name};

const GATEWAY: &str = "shouwang-gateway.service";
const DUTY_ROOM: &str = "shouwang-duty-room.service";
const STATE: &str = "/var/lib/shouwang";

#[test]
#[ignore = "wants root, and a package that is slow to build: tests/long packages"]
fn installed_upgraded_removed_and_installed_again_it_loses_nothing() {
    let package = package();
    let debian = Container::boot(&root().join("target/packaging"));
    debian.run(&format!("dpkg --install '{package}'"));
    runs_as_installed(&debian);
    // For who has no dpkg the same files lie beside it.
    let archive = package.replace(".deb", ".tar.xz");
    debian.run(&format!("tar --diff --xz --strip-components=1 --directory=/ --file='{archive}'"));

    let mut street = Street::new(2);
    let told = an_alarm_waits(&debian, &mut street);

    the_journal_knows_the_alarm(&debian);
    reloaded_it_goes_on(&debian, &street);

    let newer = newer(&debian, &package);
    let before = debian.run(&format!("systemctl show --property=MainPID --value {GATEWAY}"));
    debian.run(&format!("dpkg --install {newer}"));
    assert_eq!(debian.ask("dpkg-query --show --showformat='${Version}' shouwang"), "99.0");
    let after = debian.run(&format!("systemctl show --property=MainPID --value {GATEWAY}"));
    assert_ne!(before, after, "the new program runs");
    wait_for_boot(&street, 2);
    assert_eq!(unheard(&street), Some(true), "the alarm still waits");
    an_older_one_is_refused(&debian, &package, &street);

    debian.run("dpkg --remove shouwang");
    street.listener.wait_for_state(LIMIT, "stopped");
    assert_eq!(debian.ask("command -v shouwang"), "");
    let kept = debian.run(&format!("ls {STATE} /etc/shouwang"));
    assert!(kept.contains("gateway.toml"), "the configuration is kept: {kept}");

    // In between somebody has opened the duty room.
    let duty_room = DutyRoom::start(&street.broker);
    debian.run(&format!("dpkg --install {newer}"));
    wait_for_boot(&street, 3);
    wait_until(LIMIT, "the duty room should hear what has waited all the time", || {
        let heard = street.listener.newest("heard/duty-1");
        heard.is_some_and(|heard| heard["up_to"].as_u64() >= Some(told.0))
            && duty_room.open_alarms().iter().any(|row| row["id"] == told.1)
    });
    assert!(street.listener.events_of("shouwang.gap.v1").is_empty(), "nothing was lost");

    is_started_anew(&debian, &street);
    the_duty_room_runs_too(&debian);

    debian.run("echo canary >/etc/shouwang/secrets/mqtt; touch /etc/shouwang/device-profiles/own.toml");
    debian.run("dpkg --purge shouwang");
    debian.run("test -s /etc/shouwang/secrets/mqtt -a -e /etc/shouwang/device-profiles/own.toml");
    let gone = "/etc/shouwang/gateway.toml /lib/systemd/system/shouwang-gateway.service /usr/bin/shouwang";
    assert_eq!(debian.ask(&format!("ls {gone} 2>/dev/null")), "", "what was the package's is gone");
    let kept = debian.run(&format!("ls {STATE}"));
    assert!(
        kept.contains(".db") || kept.contains(".sqlite"),
        "alarms are not the package's to delete: {kept}"
    );
    duty_room.stop();
}

/// Started, enabled, healthy, within its sandbox; its manual and completions are there; no duty room yet.
fn runs_as_installed(debian: &Container) {
    assert_eq!(debian.ask(&format!("systemctl is-active {GATEWAY}")), "active");
    assert_eq!(debian.ask(&format!("systemctl is-enabled {GATEWAY}")), "enabled");
    assert_eq!(debian.ask(&format!("systemctl is-active {DUTY_ROOM}")), "inactive");
    assert_eq!(debian.ask(&format!("systemctl is-enabled {DUTY_ROOM}")), "disabled");
    let health = Visitor::new("127.0.0.1:8081", LIMIT);
    wait_until(LIMIT, "the gateway should be ready as it was installed", || {
        health.get("/readyz").is_ok_and(|answer| answer.status == 200)
    });
    debian.run("shouwang check --config /etc/shouwang/gateway.toml");
    debian.run("shouwang check --config /etc/shouwang/duty-room.toml");
    debian.run(&format!("systemd-analyze verify {GATEWAY} {DUTY_ROOM}"));
    debian.run("bash -n /usr/share/bash-completion/completions/shouwang");
    for page in ["shouwang", "shouwang-run", "shouwang-duty-room"] {
        debian.run(&format!("zgrep -q '^.TH {page} 1' /usr/share/man/man1/{page}.1.gz"));
    }
    debian.run("grep -q '\"bomFormat\": \"CycloneDX\"' /usr/share/doc/shouwang/shouwang.cdx.json");
    let user =
        debian.run(&format!("systemctl show --property=MainPID --value {GATEWAY} | xargs ps -o user= -p"));
    assert_eq!(user.trim(), "shouwang");
    assert_eq!(
        debian.ask(&format!("stat -c '%U %a' {STATE} /etc/shouwang/secrets")),
        "shouwang 700\nroot 750"
    );
}

/// The person's own configuration, and an alarm that the listener sees and no duty room has heard: its sequence and id.
fn an_alarm_waits(debian: &Container, street: &mut Street) -> (u64, serde_json::Value) {
    let mut text = street.configuration.text();
    let state = format!("state_dir = \"{}\"", street.configuration.state_directory().display());
    text = text.replace(&state, &format!("state_dir = \"{STATE}\""));
    writeln!(text, "\n[web]\nlisten = \"127.0.0.1:8081\"").expect("text grows");
    debian.write("/etc/shouwang/gateway.toml", &text);
    // What the gateway did before was another site's.
    debian.run(&format!("systemctl stop {GATEWAY} && rm -r {STATE}/* && systemctl start {GATEWAY}"));
    street.listener.wait_for_device(LIMIT, &name(1), "online");
    street.smoke(1);
    let told = street.listener.wait_for_event(LIMIT, RAISED, &name(1));
    (told.sequence(), told.json["data"]["id"].clone())
}

/// What the service says is found again by its fields, as the manual of operation says.
fn the_journal_knows_the_alarm(debian: &Container) {
    let read = |fields: &str| {
        let command = format!("journalctl --no-pager --output=json --unit={GATEWAY} {fields}");
        let lines = debian.ask(&command);
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<serde_json::Value>>()
    };
    let of_device = format!("DEVICE={}", name(1));
    wait_until(LIMIT, "the journal should have the alarm by its device", || {
        read(&of_device).iter().any(|entry| entry["ALARM"].is_string())
    });
    for entry in read(&of_device) {
        assert_eq!(
            (&entry["DEVICE"], &entry["_SYSTEMD_UNIT"]),
            (&name(1).into(), &GATEWAY.into()),
            "{entry}"
        );
        assert!(entry["MESSAGE"].is_string(), "{entry}");
    }
    let of_alarm =
        read(&of_device).into_iter().find(|entry| entry["ALARM"].is_string()).expect("found above");
    let by_alarm = read(&format!("ALARM={}", of_alarm["ALARM"].as_str().expect("an id")));
    assert!(by_alarm.iter().all(|entry| entry["ALARM"] == of_alarm["ALARM"]), "{by_alarm:?}");
    assert!(!by_alarm.is_empty() && read("LINE=line-1").iter().any(|entry| entry["LINE"] == "line-1"));
    let errors: Vec<_> =
        read("--priority=err").into_iter().filter(|entry| entry["_SYSTEMD_UNIT"] == GATEWAY).collect();
    assert!(errors.is_empty(), "a gateway that works logs no error: {errors:?}");
}

/// `systemctl reload` gives the same process another configuration, or says why not.
fn reloaded_it_goes_on(debian: &Container, street: &Street) {
    let process = || debian.ask(&format!("systemctl show --property=MainPID --value {GATEWAY}"));
    let reload = |status: &str| {
        debian.run(&format!("systemctl reload {GATEWAY}"));
        let says = format!("systemctl show --property=StatusText --value {GATEWAY}");
        wait_until(LIMIT, &format!("the service should say: {status}"), || {
            debian.ask(&says).starts_with(status)
                && debian.ask(&format!("systemctl is-active {GATEWAY}")) == "active"
        });
        debian.ask(&says)
    };
    let before = process();
    debian.run("cp --preserve /etc/shouwang/gateway.toml /root/gateway.toml");
    debian.run("sed -i 's/^name = \"和平社区.*/name = \"换过的名字\"/' /etc/shouwang/gateway.toml");
    reload("configuration reloaded");
    wait_until(LIMIT, "the broker should have the new name", || {
        street.listener.newest("info").is_some_and(|info| info["name"] == "换过的名字" && info["boot"] == 1)
    });
    debian.run("echo 'colour = 1' >>/etc/shouwang/gateway.toml");
    let why = reload("not reloaded: ");
    assert!(why.contains("colour"), "it says why: {why}");
    debian.run("mv /root/gateway.toml /etc/shouwang/gateway.toml");
    reload("configuration reloaded");
    assert_eq!(process(), before, "the same process watches on");
}

/// A program whose database is from the future is not installed, and the one that runs goes on.
fn an_older_one_is_refused(debian: &Container, package: &str, street: &Street) {
    let process = || debian.ask(&format!("systemctl show --property=MainPID --value {GATEWAY}"));
    let before = process();
    // The form is the last of the four bytes at 60; the running gateway has it in its memory.
    let form = format!("dd if={STATE}/gateway.db bs=1 skip=63 count=1 of=/root/form status=none");
    let set = |from: &str| format!("{from} | dd of={STATE}/gateway.db bs=1 seek=63 conv=notrunc status=none");
    debian.run(&form);
    debian.run(&set("printf '\\143'"));
    let words = debian.ask(&format!("dpkg --install '{package}'"));
    debian.run(&set("cat /root/form"));
    assert!(words.contains("newer version") && words.contains("gateway.db"), "{words}");
    assert_eq!(
        debian.ask("dpkg-query --show --showformat='${Version} ${Status}' shouwang"),
        "99.0 install ok installed"
    );
    assert_eq!(process(), before, "the newer program was not disturbed");
    assert_eq!(street.listener.newest("state").map(|state| state["state"].clone()), Some("ready".into()));
}

fn wait_for_boot(street: &Street, boot: u64) {
    wait_until(LIMIT, &format!("boot {boot} of the same log should watch"), || {
        let state = street.listener.newest("state");
        state.is_some_and(|state| state["boot"] == boot && state["state"] == "ready")
    });
}

/// Whether the newest heartbeat knows of an event that waits.
fn unheard(street: &Street) -> Option<bool> {
    shouwang_tests::wait_for(LIMIT, "a heartbeat should come", || {
        street.listener.newest("heartbeat").filter(|beat| beat["boot"] == 2)
    })["outbox"]["unheard"]
        .as_u64()
        .map(|unheard| unheard > 0)
}

/// Killed, and stopped as if it hung: systemd starts it anew.
fn is_started_anew(debian: &Container, street: &Street) {
    for (signal, boot, limit_s) in [("KILL", 4, 10), ("STOP", 5, 30)] {
        let began = clock::now();
        debian.run(&format!("systemctl kill --kill-who=main --signal={signal} {GATEWAY}"));
        wait_for_boot(street, boot);
        let took = began.elapsed();
        println!("SIG{signal}: watching again after {:.1} s", took.as_secs_f64());
        assert!(took < Duration::from_secs(limit_s), "SIG{signal}: it took {took:?}");
    }
}

fn the_duty_room_runs_too(debian: &Container) {
    debian.run("sed -i 's/127.0.0.1:8080/127.0.0.1:0/' /etc/shouwang/duty-room.toml");
    // With Type=notify this returns when the duty room has said that it is ready.
    debian.run(&format!("systemctl enable --now {DUTY_ROOM}"));
    let code = debian.run(&format!("journalctl --no-pager --unit={DUTY_ROOM}"));
    assert!(code.contains("one-time code "), "the journal has the code for the first account: {code}");
    debian.run(&format!("systemctl kill --kill-who=main --signal=STOP {DUTY_ROOM}"));
    wait_until(LIMIT, "a hung duty room should be started anew", || {
        debian.ask(&format!("systemctl show --property=NRestarts --value {DUTY_ROOM}")) == "1"
            && debian.ask(&format!("systemctl is-active {DUTY_ROOM}")) == "active"
    });
    debian.run(&format!("systemctl stop {DUTY_ROOM}"));
}

/// The package for this machine that `gateway/packaging/build` made, as the container sees it.
fn package() -> String {
    let arch = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "arm" => "armhf",
        _ => "amd64",
    };
    let name = format!("shouwang_{}_{arch}.deb", env!("CARGO_PKG_VERSION"));
    let file = root().join("target/packaging").join(&name);
    assert!(
        file.exists(),
        "{}: run `tests/long packages`, or `gateway/packaging/build {arch}`",
        file.display()
    );
    format!("/packages/{name}")
}

/// The same with a higher version, in the container.
fn newer(debian: &Container, package: &str) -> &'static str {
    debian.run(&format!(
        "dpkg-deb --raw-extract '{package}' /root/newer && sed -i 's/^Version: .*/Version: 99.0/' /root/newer/DEBIAN/control \
         && dpkg-deb --root-owner-group -Znone --build /root/newer /root/newer.deb"
    ));
    "/root/newer.deb"
}
