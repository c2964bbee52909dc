// What a key asks a person for: a note, what came of calling back, how long to put an alarm aside. One small window about
// one alarm; it stays with the alarm it was opened for, whatever the list does meanwhile.
import { byId, isLifeSafety, make, placeFull, eventOf, say, textOf, words } from "./words.js";
import { post, serverNow } from "./live.js";

const CALL_BACKS = ["safe", "needs_help", "no_answer"];
// One person alone may put an alarm aside for an hour.
const SHELVED_MINUTES = 60;

let send = () => {};
let hooks = { tell() {}, reload() {}, changed() {} };

export function prepare(own) {
  hooks = own;
  byId("asking-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("asking-close").addEventListener("click", close);
}

export const isOpen = () => byId("asking").open;

export function close() {
  if (isOpen()) byId("asking").close();
}

export function note(item) {
  if (!hasCase(item)) return;
  const text = input(words.remark, 200);
  open(item, words.remark, [text], () => {
    if (!text.value.trim()) return text.focus();
    step(item, "note", { note: text.value.trim() }, words.note_done);
  });
}

export function callBack(item) {
  if (!hasCase(item)) return;
  // A bell or a lamp that is switched on may be the spark.
  if (item.class === "gas") return hooks.tell(words.back_never_gas, true);
  const result = make("fieldset", "", make("legend", "", words.case_call_back));
  for (const value of CALL_BACKS) {
    const choice = make("input");
    choice.type = "radio";
    choice.name = "back";
    choice.value = value;
    result.append(make("label", "", choice, " " + words["back_" + value]));
  }
  const text = input(words.remark, 200);
  open(item, words.key_call_back, [result, text], () => {
    const chosen = result.querySelector(":checked");
    if (!chosen) return result.querySelector("input").focus();
    const body = { call_back: chosen.value, occurrence: item.occurrence };
    if (text.value.trim()) body.note = text.value.trim();
    step(item, "note", body, words.back_done);
  });
}

export function shelve(item) {
  if (!item || item.kind !== "alarm") return hooks.tell(words.only_alarms);
  if (isLifeSafety(item)) return hooks.tell(words.shelve_never, true);
  if (item.shelved) return unshelve(item);
  const minutes = input(words.shelve_minutes, 2);
  minutes.type = "number";
  minutes.min = 1;
  minutes.max = SHELVED_MINUTES;
  minutes.value = 15;
  const reason = input(words.reason, 200);
  open(item, words.key_shelve, [minutes, reason], () => {
    const wanted = Math.floor(Number(minutes.value));
    if (!(wanted >= 1 && wanted <= SHELVED_MINUTES)) return minutes.focus();
    if (!reason.value.trim()) return reason.focus();
    const until = new Date(serverNow() + wanted * 60000).toISOString();
    ask(`/api/v1/alarms/${encodeURIComponent(item.id)}/shelve`, { until, reason: reason.value.trim() },
      say(words.shelve_done, { place: placeFull(item), minutes: wanted }));
  });
}

function unshelve(item) {
  ask(`/api/v1/alarms/${encodeURIComponent(item.id)}/unshelve`, {}, say(words.unshelve_done, { place: placeFull(item) }));
}

// 119 or 120 was called, now.
export function called(item, service) {
  step(item, "called", { service }, say(words.called_done, { service }));
}

function hasCase(item) {
  if (item?.kind === "alarm") return true;
  hooks.tell(words.only_alarms);
  return false;
}

function input(word, most) {
  const made = make("input");
  made.placeholder = word;
  made.setAttribute("aria-label", word);
  made.autocomplete = "off";
  made.maxLength = most;
  return made;
}

function open(item, title, fields, does) {
  byId("asking-title").textContent = title;
  byId("asking-about").textContent = placeFull(item) + " " + eventOf(item);
  byId("asking-fields").replaceChildren(...fields);
  send = does;
  byId("asking").showModal();
  byId("asking-fields").querySelector("input")?.focus();
}

function step(item, verb, body, done) {
  return ask(`/api/v1/cases/${encodeURIComponent(item.id)}/${verb}`, body, done);
}

async function ask(path, body, done) {
  const said = await post(path, body);
  const why = said ? said.answer.error && textOf(said.answer.error.text) : words.no_answer;
  // What was typed stays until it is taken.
  if (!why) close();
  hooks.tell(why ? say(words.failed, { why }) : done, Boolean(why));
  hooks.reload();
  hooks.changed();
}
