// The card of the selected row: where, what, since when, what to do, what to say to 119 or 120, what was before and
// what else is open nearby. Only what there is data for.
import {
  ageText, byId, clockText, dayText, eventOf, flagsOf, isEmergency, limitOf, longText, lookOf, lookWord, make, personOf,
  placeFull, say, shapes, stateOf, textOf, valueOf, words,
} from "./words.js";
import * as calls from "./call.js";
import * as cases from "./case.js";
import * as neighbours from "./neighbours.js";
import { ask, serverNow } from "./live.js";
import { lateOf } from "./rows.js";

// Earlier alarms of the same device shown.
const HISTORY = 5;

let shown = "";
let past = { id: null, items: null };
let round = { key: null, missing: [] };

export function show(item, items, onAction) {
  if (!item) {
    shown = "";
    byId("card-top").replaceChildren(make("p", "hint", words.nothing_selected));
    byId("card-body").replaceChildren();
    cases.show(null, onAction);
    calls.show(null, onAction);
    neighbours.of(null);
    return;
  }
  if (past.id !== item.id) readPast(item, () => show(item, items, onAction));
  if (round.key !== roundKey(item)) readRound(item, () => show(item, items, onAction));
  const near = nearby(item, items);
  const key = JSON.stringify([item, near.map((one) => [one.id, one.revision, one.acknowledged]), past, round, onAction.key()]);
  if (key !== shown) {
    shown = key;
    byId("card-top").replaceChildren(head(item), facts(item), actions(item, onAction), steps(item));
    byId("card-body").replaceChildren(called(item), neighbours.box(), ...scripts(item, onAction), unwatched(item), history(), nearbyList(near));
  }
  cases.show(item, onAction);
  calls.show(item, onAction);
  neighbours.of(item);
  beat();
}

export function beat() {
  const age = byId("card-age");
  if (age) age.textContent = ageText(age.dataset.since, serverNow());
  neighbours.beat();
  calls.beat();
}

function head(item) {
  const look = lookOf(item);
  const shape = make("span", "shape", shapes[look]);
  shape.setAttribute("aria-hidden", "true");
  const badge = make("span", "badge " + look, shape, " " + lookWord(item));
  if (item.mode !== "live") badge.classList.add("drill");
  const age = make("span", "since");
  age.id = "card-age";
  age.dataset.since = item.raised_at;
  const line = make("p", "line", badge, make("b", "", stateOf(item)), age);
  if (lateOf(item)) line.append(make("span", "flag late", say(words.late, { age: longText(lateOf(item)) })));
  flagsOf(item).forEach((text) => line.append(make("span", "flag", text)));
  return make("div", "head", line, make("p", "address", placeFull(item)), make("p", "event", eventOf(item)));
}

function facts(item) {
  const table = make("dl");
  const fact = (word, text) => text && table.append(make("dt", "", word), make("dd", "", text));
  fact(words.value, [valueOf(item), limitOf(item)].filter(Boolean).join("  "));
  fact(words.raised, dayText(item.raised_at) + (item.kind === "alarm" && item.occurrence > 1 ? "  ×" + item.occurrence : ""));
  fact(words.cleared_at, item.cleared_at && dayText(item.cleared_at));
  const seen = item.acknowledged;
  fact(words.seen_by, seen && personOf(seen.by) + "  " + clockText(seen.at));
  fact(words.device, [item.device, item.gateway_name || item.gateway].filter(Boolean).join(" · "));
  fact(words.grid, item.place?.grid);
  if (item.explained) fact(words.state, words.explained);
  return table;
}

function actions(item, onAction) {
  const box = make("div", "actions");
  if (!item.acknowledged && item.condition !== "flood" && onAction.mayAct()) {
    const button = make("button", "big", words.acknowledge + " (A)");
    button.type = "button";
    button.disabled = onAction.isAsking(item.id);
    button.addEventListener("click", () => onAction.acknowledge(item));
    box.append(button);
  }
  // Life safety latches: cleared and seen, it still wants a person to say that it is over.
  if (item.latched && !item.active && item.acknowledged && !item.finished && onAction.mayAct()) {
    const button = make("button", "", words.reset);
    button.type = "button";
    button.addEventListener("click", () => onAction.reset(item));
    box.append(button);
  }
  return box;
}

// By what it is; faults and losses by the same list.
function stepsOf(item) {
  const own = { nobody_on_watch: words.steps_watch, roll_call_unanswered: words.steps_roll, self_test_failed: words.steps_modem,
    channel_failing: words.steps_channel, channel_troubled: words.steps_channel }[item.condition];
  if (own && item.gateway === item.site) return own;
  if (item.kind !== "alarm") return ["gap", "note"].includes(item.kind) || item.condition === "flood" ? null : words.steps_fault;
  return {
    smoke: words.steps_smoke, gas: words.steps_gas, co: words.steps_co, call: words.steps_call,
    water_level: words.steps_water_level, leak: words.steps_leak, electrical: words.steps_electrical,
    report: words.steps_report,
    welfare: words.steps_welfare,
  }[item.class] ?? null;
}

function steps(item) {
  const text = stepsOf(item);
  const box = make("section", item.kind === "alarm" && ["gas", "co"].includes(item.class) ? "steps danger" : "steps");
  if (!text) return box;
  box.append(make("h3", "", words.steps));
  const list = make("ol");
  text.split("|").forEach((line) => list.append(make("li", "", line.replace(/^\d /, ""))));
  box.append(list);
  if (item.kind === "alarm" && item.class === "welfare") {
    const pause = make("a", "", words.welfare_pause);
    pause.href = "/welfare#" + encodeURIComponent(item.condition.replace(/^no_activity_/, ""));
    box.append(make("p", "", pause));
  }
  return box;
}

// What to say on the telephone, filled in as far as it is known here.
function scripts(item, onAction) {
  if (item.kind !== "alarm" || !isEmergency(item)) return [];
  const known = {
    room: document.body.dataset.room, place: placeFull(item), what: eventOf(item),
    at: clockText(item.raised_at), who: personOf(document.body.dataset.by), times: String(item.occurrence),
  };
  const script = (title, ...lines) => {
    const box = make("section", "script", make("h3", "", title));
    lines.forEach((line) => box.append(make("p", "", say(line, known))));
    return box;
  };
  const call = (service) => {
    const button = make("button", "plain", say(words.called, { service }));
    button.type = "button";
    button.addEventListener("click", () => onAction.called(item, service));
    return button;
  };
  const fire = script(words.script_119, words.script_where, words.script_fire, words.script_who, words.script_keep);
  const help = script(words.script_120, words.script_120_where, words.script_120_what, words.script_who, words.script_keep);
  if (onAction.mayAct()) {
    fire.append(call("119"));
    help.append(call("120"));
  }
  return { smoke: [fire], gas: [fire], co: [help, fire], call: [help] }[item.class] ?? [];
}

// 叫应: how far it is, and the homes that have not answered. Names are on its own page.
const roundKey = (item) => (item.answering ? JSON.stringify(item.answering) : null);

async function readRound(item, then) {
  const key = roundKey(item);
  round = { key, missing: [] };
  const said = key && (await ask(`/api/v1/rounds/${encodeURIComponent(item.answering.round)}`));
  if (!said?.ok || round.key !== key) return;
  round.missing = said.answer.list.filter((one) => !one.settled).map((one) => one.home);
  then();
}

function called(item) {
  const box = make("section", "called");
  if (!item.answering) return box;
  const link = make("a", "", say(words.answering_now, item.answering));
  link.href = `/answering/${encodeURIComponent(item.answering.round)}`;
  link.target = "_blank";
  box.append(make("h3", "", words.answering), make("p", "", link));
  if (round.missing.length) box.append(make("p", "missing", round.missing.join("、")));
  return box;
}

// The rooms that nobody watches while this lasts.
function unwatched(item) {
  const box = make("section", "unwatched");
  if (!item.devices?.length) return box;
  const count = item.devices_count ?? item.count;
  box.append(make("h3", "", say(words.unwatched, { count })));
  for (const one of item.devices) {
    const place = placeFull({ ...item, device: one.id, place: one.place });
    box.append(make("p", "", place + " " + (one.title ? textOf(one.title) : "")));
  }
  if (count > item.devices.length) box.append(make("p", "hint", "…"));
  return box;
}

async function readPast(item, then) {
  past = { id: item.id, items: null };
  if (!item.device) return;
  const said = await ask(`/api/v1/alarms?state=all&limit=${HISTORY + 1}&device=${encodeURIComponent(item.device)}`);
  if (!said?.ok || past.id !== item.id) return;
  const earlier = said.answer.items.filter((one) => one.id !== item.id && one.gateway === item.gateway);
  const word = (one) => words["conclusion_" + one.conclusion] ?? null;
  past.items = earlier.slice(0, HISTORY).map((one) => [dayText(one.raised_at), eventOf(one), one.accepted?.by ?? null, word(one)]);
  past.right = said.answer.reputation;
  then();
}

function history() {
  const box = make("section", "history");
  if (!past.items) return box;
  box.append(make("h3", "", words.history));
  if (!past.items.length) box.append(make("p", "hint", words.history_none));
  for (const [at, what, by, word] of past.items) {
    const said = [word, by && personOf(by)].filter(Boolean).join(" · ");
    box.append(make("p", "", make("span", "at", at), " " + what, said ? make("small", "", said) : ""));
  }
  const { alarms, false_alarms, false_rate } = past.right ?? {};
  if (typeof false_rate === "number") {
    box.append(make("p", "", say(words.false_rate, { n: Math.round(false_rate * 100), wrong: false_alarms, all: alarms })));
  }
  return box;
}

// Open alarms in the same building: smoke next door is not a coincidence.
function nearby(item, items) {
  const building = item.place?.building;
  if (!building) return [];
  return items.filter((one) => one.id !== item.id && one.place?.building === building && !one.explained).slice(0, HISTORY);
}

function nearbyList(near) {
  const box = make("section", "nearby");
  if (!near.length) return box;
  box.append(make("h3", "", words.nearby));
  for (const one of near) {
    const mark = make("span", "mark " + lookOf(one), shapes[lookOf(one)]);
    box.append(make("p", "", mark, " " + placeFull(one) + " " + eventOf(one), make("small", "", stateOf(one))));
  }
  return box;
}
