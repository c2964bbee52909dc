// The board: puts list, card, sound and liveness together, and turns keys into what a person asks for.
import {
  byId, clockText, criesOf, eventOf, isCounted, isCrying, isEmergency, personOf, placeFull, placeShort, say, textOf, words,
} from "./words.js";
import * as card from "./card.js";
import { dialDue, prepare as prepareCalls } from "./call.js";
import { focusOn } from "./case.js";
import * as exercise from "./exercise.js";
import * as walks from "./walks.js";
import * as questions from "./asking.js";
import { deadText, live, post, reload, serverNow, start } from "./live.js";
import { learn, me } from "./people.js";
import * as phone from "./phone.js";
import * as rows from "./rows.js";
import { duck, louder, mute, muteLeft, once, play, tone, unmute } from "./sound.js";
import { announce, digitByDigit, hush, speak } from "./speech.js";
import * as shift from "./shift.js";
import { armed, prepare as prepareWatch, showSound, watch } from "./watch.js";

// The selection stays put for this long around any key.
const FROZEN = 2000;
// So long an acknowledgement can be taken back.
const UNDO = 10000;
// What chatters is one cry for this long after it was last there.
const CHATTERS = 60000;
// An emergency that waits for so long is louder; and then all of the top bar is red.
const LOUDER_AFTER = 30000;
const RED_AFTER = 60000;
// Which tone a row's sound is.
const TONES = { sweep: "emergency", double: "urgent", single: "ordinary" };
const FILTERS = {
  Digit1: "emergency", Digit2: "urgent", Digit3: "ordinary", Digit4: "advisory", Digit5: "shelved",
};
const title = document.title;
const asking = new Set();
const now = () => performance.now();

let first = true;
// The last acknowledgement of this page, while it can be taken back.
let undo = null;
let heard = new Set();
// Cries that come and go, and until when they are one.
const chattered = new Map();
let newest = null;
let wanted = null;
let lastKey = -FROZEN;
let wakeLock = null;

const mayAct = () => watch.on && live.login === "ok" && me.acts;
const act = {
  acknowledge, called: questions.called, reset, mayAct, tell, reload, isAsking: (id) => asking.has(id),
  key: () => `${mayAct()} ${[...asking]}`,
};

function listed(items) {
  const fresh = items.filter((one) => isCrying(one) && !criesOf(one).every((cry) => heard.has(cry)));
  // What left a group was told with it.
  const kept = [...heard].filter((cry) => now() < (chattered.get(cry) ?? 0));
  heard = new Set(items.filter((one) => isCrying(one) || one.in_group).flatMap(criesOf).concat(kept));
  for (const one of items) if (one.cry) chattered.set(one.cry, now() + CHATTERS);
  for (const [cry, until] of chattered) if (now() > until) chattered.delete(cry);
  // Silence ends at the next emergency.
  if (fresh.some(isEmergency)) unmute();
  phone.brought(fresh);
  newest = fresh.at(-1) ?? null;
  rows.show(items);
  if (!first) fresh.forEach(tellScreenReader);
  first = false;
  const cry = fresh.findLast(isEmergency) ?? (rows.selected() ? null : items.find(isCounted) ?? items[0]);
  if (cry) wanted = cry.id;
  byId("waiting").hidden = true;
  followEmergency();
  makeSound(fresh.some((one) => one.sound !== "none"));
  const brief = fresh.find((one) => one.sound_once && one.sound !== "none");
  if (brief && armed() && !tone()) once(TONES[brief.sound]);
  drawCard();
}

function tellScreenReader(one) {
  const region = byId(isEmergency(one) ? "cried" : "said");
  region.textContent = placeFull(one) + " " + eventOf(one);
}

// The newest emergency is selected by itself, unless somebody types or has just pressed a key.
function followEmergency() {
  if (!wanted || isTyping() || now() - lastKey < FROZEN) return;
  if (rows.item(wanted)) {
    rows.bring(wanted);
    rows.select(wanted);
  }
  wanted = null;
}

function isTyping() {
  const field = document.activeElement;
  return Boolean(field?.matches?.("input:not([type=button]), textarea, select"));
}

function drawCard() {
  card.show(rows.selected(), rows.list.items, act);
}

function makeSound(anew) {
  const crying = armed() ? rows.list.items.filter(isCrying) : [];
  const sounding = Object.keys(TONES).find((sound) => crying.some((one) => one.sound === sound && !one.sound_once));
  const loudest = TONES[sounding] ?? null;
  const called = shift.isCalling() ? "roll" : null;
  const kind = loudest === "emergency" ? loudest : live.state === "dead" ? "dead" : called ?? loudest;
  if (armed()) play(kind, anew);
  if (armed() && muteLeft() === 0 && !phone.phoneLeft() && crying.length) announce(crying, newest, duck);
  document.body.dataset.tone = tone() ?? "none";
}

// What nobody has come for grows louder, and then redder.
function wait() {
  const waiting = rows.list.items.filter((one) => isEmergency(one) && isCounted(one) && one.mode === "live");
  const longest = Math.max(0, ...waiting.map((one) => serverNow() - Date.parse(one.raised_at)));
  louder(longest >= LOUDER_AFTER);
  document.body.dataset.waits = longest >= RED_AFTER ? "red" : longest >= LOUDER_AFTER ? "loud" : "";
}

let wasDead = false;
function beat() {
  const dead = live.state === "dead";
  document.body.dataset.live = live.state;
  byId("dead").hidden = !dead;
  byId("shaky").hidden = live.state !== "shaky";
  byId("expired").hidden = live.login === "ok";
  if (dead) {
    byId("dead-since").textContent = deadText();
    if (!wasDead) byId("cried").textContent = words.dead;
  }
  wasDead = dead;
  if (document.body.dataset.act !== String(mayAct())) {
    // From now on there are buttons, or none any more.
    document.body.dataset.act = String(mayAct());
    rows.draw();
    drawCard();
  }
  byId("undo").hidden = !undo || now() > undo.until;
  if (undo) byId("undo").textContent = say(words.take_back, { left: Math.max(0, Math.ceil((undo.until - now()) / 1000)) });
  wait();
  phone.beat(rows.list.items);
  showSound();
  shift.show();
  makeSound(false);
  rows.beat();
  card.beat();
  followEmergency();
  const count = rows.list.items.filter(isCounted).length;
  const mark = dead ? words.dead : count ? `(${count})` : "";
  const back = document.hidden ? words.hidden_title : "";
  document.title = [mark, back, title].filter(Boolean).join(" · ");
}

// The second counter: the server's ticks and nothing else.
function ticked(tick) {
  byId("clock").textContent = clockText(tick.at);
  byId("clock").dataset.ticks = live.ticks;
  lamp("broker", tick.broker);
  lamp("store", tick.store);
  if (tick.situation) situation(tick.situation);
  boards(tick.boards);
  shift.ticked(tick);
  keepAwake();
}

function boards(count) {
  byId("boards").textContent = count.armed;
  byId("boards").parentElement.className = "lamp " + (count.armed ? "good" : "bad");
}

// Night, flood and devices in test, as the server sees them.
function situation(told) {
  const { night, flood, tests, welfare } = told;
  exercise.ticked(told);
  walks.ticked(told);
  byId("triage").hidden = !told.triage;
  byId("triage").textContent = say(words.triage, { count: told.triage });
  byId("night").hidden = !night;
  byId("tests").hidden = !tests.count;
  byId("tests").textContent = say(words.tests, { count: tests.count });
  byId("tests").title = tests.devices.map((one) => [one.place, one.title && textOf(one.title), one.device].filter(Boolean).join(" ")).join("\n");
  byId("welfare").hidden = !welfare.rules;
  byId("welfare").textContent = say(welfare.paused || welfare.unknown ? words.welfare_aside : words.welfare, welfare);
  byId("flood").hidden = !flood;
  if (!flood) return;
  const first = flood.first.map((one) => one.place + " " + textOf(one.text)).join(" · ");
  byId("flood").textContent = say(words.flood, { at: clockText(flood.since), count: flood.count, first });
}

function lamp(id, good) {
  byId(id).className = "lamp " + (good ? "good" : "bad");
}

// A screen that sleeps shows nothing; browsers grant this only over HTTPS and on this machine itself.
async function keepAwake() {
  if (!watch.on || document.hidden || (wakeLock && !wakeLock.released)) return;
  wakeLock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
}

async function acknowledge(one) {
  if (!one || one.acknowledged || asking.has(one.id)) return;
  if (!watch.on) return tell(words.not_on_watch);
  asking.add(one.id);
  rows.draw();
  drawCard();
  const body = one.kind === "alarm" ? { occurrence: one.occurrence } : {};
  const said = await post(`/api/v1/alarms/${encodeURIComponent(one.id)}/acknowledge`, body);
  asking.delete(one.id);
  if (!said) tell(say(words.failed, { why: words.no_answer }), true);
  else if (!said.ok) tell(say(words.failed, { why: textOf(said.answer.error.text) }), true);
  else if (said.answer.already_acknowledged) {
    const { by, at } = said.answer.already_acknowledged;
    tell(say(words.already, { by: personOf(by), at: clockText(at) }));
  } else {
    tell(say(words.done, { place: placeFull(one) }));
    undo = { one, until: now() + UNDO };
    // Spoken back, so that a wrong row is noticed.
    if (armed()) speak(say(words.spoken_done, { place: digitByDigit(one.place?.room || placeShort(one)) }));
  }
  reload();
  rows.draw();
  drawCard();
}

// The key was pressed for another row: within 10 s the acknowledgement is taken back, and it sounds again.
async function takeBack() {
  if (!undo || now() > undo.until) return;
  const { one } = undo;
  undo = null;
  const said = await post(`/api/v1/alarms/${encodeURIComponent(one.id)}/take-back`, {});
  const why = said ? said.answer.error && textOf(said.answer.error.text) : words.no_answer;
  tell(why ? say(words.failed, { why }) : say(words.taken_back, { place: placeFull(one) }), Boolean(why));
  reload();
}

async function reset(one) {
  const body = { occurrence: one.occurrence };
  const said = await post(`/api/v1/alarms/${encodeURIComponent(one.id)}/reset`, body);
  const why = said ? said.answer.error && textOf(said.answer.error.text) : words.no_answer;
  tell(why ? say(words.failed, { why }) : say(words.reset_done, { place: placeFull(one) }), Boolean(why));
  reload();
}

let tellTimer = 0;
function tell(text, bad = false) {
  byId("told").textContent = text;
  byId("told").classList.toggle("red", bad);
  clearTimeout(tellTimer);
  tellTimer = setTimeout(() => (byId("told").textContent = ""), 8000);
}

function silence() {
  mute();
  // The siren on the desk too.
  if (mayAct()) post("/api/v1/sounder/silence", {});
  hush();
  beat();
}

function filter(look) {
  rows.list.filter = rows.list.filter === look ? null : look;
  rows.draw();
}

// An alarm has a sheet of its own; of anything else the card is printed.
function printed() {
  const one = rows.selected();
  if (one?.kind === "alarm") open(`/cases/${encodeURIComponent(one.id)}/print`, "_blank");
  else print();
}

// What changes something needs a person on watch.
function onSelected(does) {
  if (!watch.on) return tell(words.not_on_watch);
  const one = rows.selected();
  if (one) does(one);
  else tell(words.select_first);
}

function escape() {
  if (questions.isOpen()) return questions.close();
  if (exercise.isOpen()) return exercise.close();
  if (byId("help").open) return byId("help").close();
  if (byId("dial").open) return byId("dial").close();
  if (isTyping()) document.activeElement.blur();
  rows.list.filter = null;
  rows.list.query = byId("find").value = "";
  rows.draw();
}

function help() {
  if (byId("help").open) byId("help").close();
  else byId("help").showModal();
}

const keys = {
  KeyA() {
    const one = rows.selected();
    // Within two seconds of a key no row is selected by itself: whoever presses A hears why nothing happens.
    if (!one) return tell(words.select_first);
    if (one.acknowledged) return tell(say(words.already, { by: personOf(one.acknowledged.by), at: clockText(one.acknowledged.at) }));
    if (watch.on && !rows.wasSeen(one.id)) return tell(words.too_soon);
    acknowledge(one);
  },
  KeyJ: () => rows.move(1),
  ArrowDown: () => rows.move(1),
  KeyK: () => rows.move(-1),
  ArrowUp: () => rows.move(-1),
  ArrowRight: () => rows.open(rows.selected(), true),
  ArrowLeft: () => rows.open(rows.selected(), false),
  KeyD: () => focusOn("case-to"),
  KeyF: () => focusOn("case-what"),
  // The number that is due if a card has it; else only the result. Nobody calls into gas.
  KeyC: () => onSelected((one) => (one.class === "gas" || !dialDue()) && questions.callBack(one)),
  KeyN: () => onSelected(questions.note),
  KeyS: () => onSelected(questions.shelve),
  KeyP: printed,
  KeyM: silence,
  Digit0: () => filter(null),
  KeyU: takeBack,
  KeyT: phone.toggle,
  KeyX: () => !byId("exercise-open").hidden && exercise.open(),
  PageDown: () => rows.turn(1),
  PageUp: () => rows.turn(-1),
  Slash: () => byId("find").focus(),
  Enter: () => byId("card").querySelector("button, select, input")?.focus(),
};

// By the key's place, so that it works whatever the input method makes of it.
function pressed(event) {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.code === "Escape") return escape();
  lastKey = now();
  if (isTyping()) return;
  if (event.code === "Slash" && event.shiftKey) {
    event.preventDefault();
    return help();
  }
  if (byId("help").open || byId("dial").open || questions.isOpen() || exercise.isOpen()) return;
  const onButton = event.target.closest?.("button, a, summary");
  if (event.code === "Enter" && onButton) return;
  if (event.code === "Space" && !event.repeat && shift.space()) return event.preventDefault();
  const does = FILTERS[event.code] ? () => filter(FILTERS[event.code]) : keys[event.code];
  if (!does || event.repeat && !event.code.startsWith("Arrow")) return;
  event.preventDefault();
  does();
}

Object.assign(rows.hooks, {
  acknowledge, mayAct, isAsking: act.isAsking,
  select(byPerson) {
    if (byPerson) wanted = null;
    drawCard();
  },
});
rows.prepare();
questions.prepare({ tell, reload, changed: drawCard });
prepareCalls(phone);
exercise.prepare({ tell });
walks.prepare({ tell });
learn();
shift.prepare({ tell });
prepareWatch((deaf) => {
  if (!deaf) tell(words.digit_done);
  shift.begin();
});
addEventListener("keydown", pressed);
addEventListener("visibilitychange", () => !document.hidden && keepAwake());
byId("find").addEventListener("input", () => {
  rows.list.query = byId("find").value.normalize("NFKC").trim();
  rows.draw();
});
byId("undo").addEventListener("click", takeBack);
byId("phone").addEventListener("click", phone.toggle);
byId("mute").addEventListener("click", silence);
byId("keys").addEventListener("click", help);
byId("help-close").addEventListener("click", help);
for (const look of Object.values(FILTERS).concat("fault")) {
  byId("count-" + look).parentElement.addEventListener("click", () => filter(look));
}
drawCard();
start({ list: listed, tick: ticked, beat, boards, report: armed });
