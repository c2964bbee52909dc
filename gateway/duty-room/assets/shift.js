// Who is on duty, the two-hour line and 查岗: one key, the space bar, says that somebody is there.
import { byId, clockText, make, personOf, say, textOf, words } from "./words.js";
import { ask, live, post } from "./live.js";
import { watch } from "./watch.js";

let acts = { tell() {} };
let shift = null;
let revision = 0;
let calling = false;
let answering = false;

export function prepare(more) {
  acts = more;
  byId("roll-answer").addEventListener("click", space);
  byId("line-seen").addEventListener("click", space);
}

// A watch begins with the person on duty.
export function begin() {
  step("begin", {}, words.shift_begun);
}

// 查岗 waits for an answer, and this page is one that may give it.
export const isCalling = () => calling && watch.on;

export function ticked(tick) {
  calling = tick.roll_call;
  if (tick.shift !== revision) read(tick.shift);
}

// The one key; true if it was asked for.
export function space() {
  if (isCalling()) step("answer-roll", {}, words.roll_answered);
  else if (lineWaits()) step("see-line", {}, words.line_thanks);
  else return false;
  return true;
}

const lineWaits = () => Boolean(shift?.line && !shift.line.seen) && watch.on;

async function read(told) {
  const said = await ask("/api/v1/shift");
  if (!said?.ok) return;
  revision = told;
  shift = said.answer;
}

async function step(verb, body, done) {
  if (answering || live.login !== "ok") return;
  answering = true;
  const said = await post("/api/v1/shift/" + verb, body);
  answering = false;
  const why = said ? said.answer.error && textOf(said.answer.error.text) : words.no_answer;
  if (why) return acts.tell(say(words.failed, { why }), true);
  shift = said.answer;
  calling = Boolean(shift.roll_call);
  acts.tell(done);
}

// A few times a second.
export function show() {
  const shown = isCalling();
  if (byId("roll-call").hidden === shown) {
    byId("roll-call").hidden = !shown;
    document.body.dataset.roll = String(shown);
  }
  byId("two-hour-line").hidden = shown || !lineWaits();
  if (!shift) return;
  if (lineWaits()) {
    const { online, devices, open, boards, at } = shift.line;
    const text = say(words.line_says, { at: clockText(at).slice(0, 5), online, devices, open, boards });
    if (byId("line-text").textContent !== text) byId("line-text").textContent = text;
  }
  const key = JSON.stringify([shift.on_duty, shift.warnings, words.on_duty]);
  const place = byId("on-duty");
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const names = shift.on_duty.map((one) => personOf(one.by)).join("、");
  place.replaceChildren(names ? words.on_duty + " " + names : words.nobody_on_duty);
  place.classList.toggle("warned", shift.warnings.length > 0);
  place.title = shift.warnings.map(textOf).join("\n");
  if (shift.warnings.length) place.append(make("span", "warning", " ⚠"));
}
