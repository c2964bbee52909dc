// Whom to call about an alarm at home: the steps as the server gives them, with names and numbers masked until a person
// opens them, one number at a time large enough to dial and as a code for a telephone's camera.
import { byId, isEmergency, make, say, textOf, words } from "./words.js";
import { ask, post, serverNow } from "./live.js";

const CLASSES = ["call", "smoke", "gas", "co"];
const RESULTS = ["safe", "needs_help", "no_answer"];
const SVG = "http://www.w3.org/2000/svg";

let wanted = null;
let acts = null;
let found = null;
let full = null;
let asked = "";
let shown = "";
// Who dials is on the phone until the result is told.
let dialled = { begin() {}, end() {} };

export function prepare(own) {
  dialled = own;
  byId("dial-close").addEventListener("click", () => byId("dial").close());
}

export async function show(item, onAction) {
  acts = onAction;
  const isHome = item?.kind === "alarm" && CLASSES.includes(item.class) && isEmergency(item) && acts.mayAct();
  wanted = isHome ? item : null;
  if (asked !== (wanted?.id ?? "")) {
    asked = wanted?.id ?? "";
    found = full = null;
    byId("dial").close();
    if (wanted) {
      const said = await ask(`/api/v1/alarms/${encodeURIComponent(asked)}/resident`);
      if (wanted?.id !== item.id) return;
      found = said?.ok ? said.answer : null;
    }
  }
  draw();
}

// Which step is due: the last one whose time has come, counted from the acknowledgement.
function dueStep() {
  const since = wanted?.acknowledged?.at;
  if (!since || !found) return -1;
  const elapsed = (serverNow() - Date.parse(since)) / 1000;
  return found.procedure.findLastIndex((step) => step.after_s <= elapsed);
}

function draw() {
  const box = byId("card-call");
  const key = JSON.stringify([wanted?.id, found, dueStep(), Boolean(full)]);
  if (key === shown) return;
  shown = key;
  box.replaceChildren();
  if (!wanted || !found) return;
  box.append(make("h3", "", words.call_order));
  if (!found.residents.length) box.append(make("p", "hint", words.no_card));
  found.residents.forEach((card) => box.append(traits(card)));
  const list = make("ol", "calls");
  found.procedure.forEach((step, n) => list.append(line(step, n)));
  box.append(list);
}

export function beat() {
  if (wanted) draw();
}

function traits(card) {
  const box = make("p", "traits", make("b", "", card.person.name), " ");
  const trait = (text, bad) => text && box.append(make("span", bad ? "trait bad" : "trait", text));
  trait(card.age && say(words.years_old, { n: card.age }));
  trait({ deaf: words.deaf, hard: words.hard_of_hearing }[card.hearing], true);
  trait(!card.can_open && words.cannot_open, true);
  trait(card.oxygen && words.oxygen, true);
  trait(card.dialect && say(words.speaks, { what: card.dialect }));
  trait(card.notes);
  return box;
}

function target(step, cards) {
  const card = cards?.residents[0];
  if (step.who === "resident") return card?.person;
  if (step.who === "contact") return card?.contacts[step.number];
  if (step.who === "key_holder") return card?.key_holder;
  return { name: "", phone: step.who === "ambulance" ? "120" : "119" };
}

function role(step) {
  if (step.who === "contact") return words.call_contact + (step.number + 1);
  return words["call_" + step.who];
}

function line(step, n) {
  const who = target(step, found);
  const minutes = Math.floor(step.after_s / 60);
  const at = minutes + ":" + String(step.after_s % 60).padStart(2, "0");
  const text = [who?.name, who?.phone].filter(Boolean).join(" ");
  const item = make("li", n === dueStep() ? "due" : "", make("span", "at", at), make("b", "", role(step)), make("span", "", text));
  if (who?.phone && ["resident", "contact", "key_holder"].includes(step.who)) {
    const button = make("button", "plain", words.call_number);
    button.type = "button";
    button.addEventListener("click", () => dial(step));
    item.append(button);
  }
  return item;
}

// C: the number that is due, or the first one before anybody acknowledged; false if there is none.
export function dialDue() {
  const step = found?.procedure[Math.max(0, dueStep())];
  const isKnown = Boolean(step && target(step, found)?.phone && !["ambulance", "fire_brigade"].includes(step.who));
  if (isKnown) dial(step);
  return isKnown;
}

async function dial(step) {
  const id = wanted.id;
  if (!full) {
    const said = await post(`/api/v1/alarms/${encodeURIComponent(id)}/resident`, {});
    if (!said?.ok) return acts.tell(say(words.failed, { why: said ? textOf(said.answer.error.text) : words.no_answer }), true);
    if (wanted?.id !== id) return;
    full = said.answer;
  }
  const who = target(step, full);
  byId("dial-who").textContent = role(step) + " " + who.name;
  byId("dial-number").textContent = who.phone;
  byId("dial-code").replaceChildren(...(who.qr ? [picture(who.qr)] : []));
  byId("dial-results").replaceChildren(...RESULTS.map((result) => {
    const button = make("button", "", words["back_" + result]);
    button.type = "button";
    button.addEventListener("click", () => settle(id, step, result));
    return button;
  }));
  byId("dial").showModal();
  dialled.begin();
}

export function picture({ size, path }, label = words.call_scan) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const dark = document.createElementNS(SVG, "path");
  dark.setAttribute("d", path);
  svg.append(dark);
  return svg;
}

async function settle(id, step, result) {
  const body = { call_back: result, note: role(step) };
  const said = await post(`/api/v1/cases/${encodeURIComponent(id)}/accept`, body);
  const why = said ? said.answer.error && textOf(said.answer.error.text) : words.no_answer;
  acts.tell(why ? say(words.failed, { why }) : role(step) + ":" + words["back_" + result], Boolean(why));
  if (!why) {
    byId("dial").close();
    dialled.end();
  }
  acts.reload();
}
