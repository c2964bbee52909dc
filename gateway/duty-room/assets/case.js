// The case of the selected alarm: how far it is, who did what, and what can be done next. One case for each alarm.
import { picture as qrOf } from "./call.js";
import { byId, clockText, dayText, make, personOf, say, textOf, words } from "./words.js";
import { ask, post } from "./live.js";
import * as teams from "./teams.js";

const CHAIN = ["new", "accepted", "dispatched", "on_site", "handled", "closed"];
const CONCLUSIONS = ["real", "false_alarm", "cooking", "test", "drill"];
const CALL_BACKS = ["safe", "needs_help", "no_answer"];
// Newest steps shown.
const STEPS = 6;
// Tellings shown.
const TOLD = 8;

let wanted = null;
let known = null;
let shown = "";
let acts = null;

// Shows the case of this alarm as it is known, and asks for it as it is now.
export async function show(item, onAction) {
  acts = onAction;
  wanted = item?.kind === "alarm" ? item : null;
  if (known?.id !== wanted?.id) known = null;
  draw();
  if (!wanted) return;
  const id = wanted.id;
  const said = await ask(`/api/v1/cases/${encodeURIComponent(id)}`);
  if (wanted?.id !== id) return;
  known = said?.ok ? said.answer : known;
  draw();
}

// A form in which somebody types stays until they leave it.
function isBusy() {
  const field = document.activeElement;
  return byId("card-case").contains(field) && field.matches("input, select, textarea") && known?.id === byId("card-case").dataset.id;
}

export function draw() {
  const box = byId("card-case");
  const key = JSON.stringify([known, acts?.mayAct(), wanted?.acknowledged]);
  if (key === shown || (isBusy() && known)) return;
  shown = key;
  box.dataset.id = known?.id ?? "";
  box.replaceChildren();
  if (!known) return;
  box.append(heading(), chain(), ...limits(), ...teams.show(known), ...rating(), timeline(), ...told());
  if (acts.mayAct()) box.append(...forms());
}

// With the way to paper.
function heading() {
  const link = make("a", "print", words.case_print);
  link.href = `/cases/${encodeURIComponent(known.id)}/print`;
  link.target = "_blank";
  return make("h3", "", words.case + " ", link);
}

function chain() {
  const line = make("p", "chain");
  const at = known.state === "rated" ? "handled" : known.state;
  // Only what was done: a case may be concluded without anybody having been there.
  const done = { accepted: known.accepted, dispatched: known.dispatched.length, on_site: known.on_site,
    handled: known.handled, closed: known.closed };
  for (const state of CHAIN) {
    line.append(make("span", state === at ? "now" : done[state] ? "past" : "", words["case_" + state]));
  }
  return line;
}

// By when it is to be accepted and handled, while it is not; and what was not.
function limits() {
  const isOpen = ["new", "accepted", "dispatched", "on_site"].includes(known.state);
  if (!isOpen || !known.handle_by) return [];
  const line = make("p", "limits");
  if (known.loop) line.append(make("span", "", words["loop_" + known.loop]));
  if (known.state === "new") line.append(make("span", "", say(words.accept_by, { at: dayText(known.accept_by) })));
  line.append(make("span", "", say(words.handle_by, { at: dayText(known.handle_by) })));
  if (known.overdue) line.append(make("b", "overdue", say(words.overdue_flag, { what: words["overdue_" + known.overdue] })));
  return [line];
}

// The resident's word; while there is none, a code by which they give it.
let code = null;
function rating() {
  if (known.stars) return [make("p", "rated", "★".repeat(known.stars) + "☆".repeat(5 - known.stars) + " " + say(words.rated, { stars: known.stars }))];
  if (known.state !== "handled" || !acts.mayAct()) return [];
  if (code?.id !== known.id) return [make("div", "actions", button(words.rating_link, askForRating))];
  const box = make("div", "rating", make("p", "hint", say(words.rating_code, { url: code.url })));
  if (code.qr) box.prepend(qrOf(code.qr, words.rating_link));
  return [box];
}

async function askForRating() {
  const id = known.id;
  const said = await post(`/api/v1/cases/${encodeURIComponent(id)}/rating-link`, {});
  if (!said?.ok) return acts.tell(say(words.failed, { why: said ? textOf(said.answer.error.text) : words.no_answer }), true);
  code = { id, ...said.answer };
  shown = "";
  draw();
}

function timeline() {
  const list = make("div", "timeline");
  for (const step of known.steps.slice(-STEPS)) {
    const detail = { handle: words["conclusion_" + step.detail], close: words["conclusion_" + step.detail],
      call_back: words["back_" + step.detail], supervise: words["overdue_" + step.detail] }[step.step] ?? step.detail;
    const word = words["step_" + step.step] ?? step.step;
    const text = [word, detail, step.note].filter(Boolean).join(" · ");
    list.append(make("p", "", make("span", "at", clockText(step.at)), " " + text, make("small", "", personOf(step.by))));
  }
  return list;
}

// Who was told outside the room, and what came of it: the newest of each channel and person.
function told() {
  const newest = new Map((known.deliveries ?? []).map((one) => [one.channel + "/" + one.to, one]));
  if (!newest.size) return [];
  const line = make("p", "tellings", make("span", "at", words.told_by + " "));
  for (const one of [...newest.values()].slice(-TOLD)) {
    const mark = { delivered: "✓", failed: "✗", digested: "≡" }[one.result] ?? "…";
    const took = one.result === "delivered" && one.seconds !== null ? ` ${one.seconds.toFixed(1)} s` : "";
    const made = make("span", "telling " + one.result, [one.channel, one.to].filter(Boolean).join(" ") + ` ${mark}${took}`);
    made.title = [clockText(one.at), words["told_" + one.result], one.text].filter(Boolean).join(" · ");
    line.append(made);
  }
  return [line];
}

function forms() {
  const open = ["new", "accepted", "dispatched", "on_site"].includes(known.state);
  if (!open) return known.state === "closed" ? [] : [make("div", "actions", button(words.case_close, () => step("close", {})))];
  const made = [];
  const first = make("div", "actions");
  if (known.state === "new") first.append(button(words.case_accept, () => step("accept", {})));
  if (["accepted", "dispatched"].includes(known.state)) {
    first.append(button(words.case_arrive, () => step("arrive", {})));
  }
  if (first.children.length) made.push(first);
  made.push(dispatchForm());
  if (wanted.acknowledged) made.push(handleForm());
  made.push(...teams.forms(known, { form, field, step }));
  return made;
}

function button(word, does) {
  const made = make("button", "", word);
  made.type = "button";
  made.addEventListener("click", does);
  return made;
}

// One line of fields; Enter in any of them sends it.
function form(kind, word, does, ...fields) {
  const made = make("form", "actions " + kind, ...fields);
  const send = make("button", "", word);
  made.append(send);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    does();
  });
  return made;
}

function field(word, id) {
  const made = make("input");
  made.id = id;
  made.placeholder = word;
  made.setAttribute("aria-label", word);
  made.autocomplete = "off";
  made.maxLength = 200;
  return made;
}

function choice(word, id, prefix, values) {
  const made = make("select");
  made.id = id;
  made.setAttribute("aria-label", word);
  const none = make("option", "", word);
  none.value = "";
  made.append(none);
  for (const value of values) {
    const one = make("option", "", words[prefix + value]);
    one.value = value;
    made.append(one);
  }
  return made;
}

function dispatchForm() {
  const to = field(words.case_dispatch_to, "case-to");
  return form("dispatch", words.case_dispatch + " (D)", () => to.value.trim() && step("dispatch", { to: to.value.trim() }), to);
}

function handleForm() {
  const fields = [];
  const back = known.class === "call" && choice(words.case_call_back, "case-back", "back_", CALL_BACKS);
  if (back) {
    back.value = known.call_back?.result ?? "";
    fields.push(back);
  }
  const what = choice(words.case_conclusion, "case-what", "conclusion_", CONCLUSIONS);
  const note = field(words.case_note, "case-note");
  fields.push(what, note);
  return form("handle", words.case_handle + " (F)", () => {
    if (!what.value) return what.focus();
    const body = { conclusion: what.value, note: note.value, occurrence: wanted.occurrence };
    if (back?.value) body.call_back = back.value;
    step("handle", body);
  }, ...fields);
}

// Enter, Enter: D and F go to the field that asks first.
export function focusOn(id) {
  const found = byId(id) ?? (id === "case-what" ? byId("card-case").querySelector("button") : null);
  found?.focus();
}

async function step(verb, body) {
  const said = await post(`/api/v1/cases/${encodeURIComponent(known.id)}/${verb}`, body);
  if (!said) acts.tell(say(words.failed, { why: words.no_answer }), true);
  else if (!said.ok) acts.tell(say(words.failed, { why: textOf(said.answer.error.text) }), true);
  else {
    const first = said.answer.already;
    acts.tell(first
      ? say(words.case_already, { by: personOf(first.by), at: clockText(first.at) })
      : say(words.case_done, { step: words["step_" + verb] ?? verb }));
    known = said.answer;
    teams.made(known);
    document.activeElement?.blur?.();
    draw();
  }
  acts.reload();
}
