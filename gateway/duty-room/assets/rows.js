// The list: rows in the server's order, drawn anew only where they changed, never moved from under the pointer
// without need, and never without an emergency in sight.
import {
  ageText, byId, clockText, cryOf, eventOf, flagsOf, isCounted, isEmergency, limitOf, longText, lookOf, lookWord, make,
  personOf, placeFull, placeShort, say, shapes, stateOf, valueOf, words,
} from "./words.js";
import { serverNow } from "./live.js";

// A new row waits this long while the pointer is in the list; an emergency does not.
const HELD = 1000;
// After rows moved under the pointer, clicks do nothing for so long.
const SETTLES = 500;
// What came later than this after it happened says so.
const LATE = 5000;
// Rows on one sheet of the list; the rest is counted and on the sheets behind it.
const DRAWN = 200;
// Waiting emergencies stand on top of every sheet, as long as they are no more than this.
const PINNED = 50;

export const list = { items: [], selected: null, filter: null, query: "" };
export const hooks = { acknowledge() {}, select() {}, mayAct: () => false, isAsking: () => false };

let pointerInside = false;
let heldUntil = 0;
let settledAt = 0;
let known = new Set();
// Cries in the list, none before it was first read; and how late those were that came late.
let listed = null;
const lates = new Map();
// Groups whose rows are shown.
const opened = new Set();
// Which sheet is shown, from 0.
let sheet = 0;
const now = () => performance.now();

export function prepare() {
  const table = byId("table");
  table.addEventListener("pointerenter", () => (pointerInside = true));
  table.addEventListener("pointerleave", () => {
    pointerInside = false;
    if (heldUntil) draw();
  });
  byId("rows").addEventListener("click", clicked);
  byId("more-before").addEventListener("click", () => turn(-1));
  byId("more-next").addEventListener("click", () => turn(1));
}

export const item = (id) => list.items.find((one) => one.id === id);
export const selected = () => item(list.selected);

// Whether a person has had the time to read this row as it is.
export function wasSeen(id) {
  const row = rowOf(id);
  return Boolean(row) && now() - row.shownAt >= 1000;
}

export function show(items) {
  const brings = items.some((one) => isEmergency(one) && isCounted(one) && !known.has(cryOf(one)));
  list.items = items;
  noteLate(items);
  if (!pointerInside || brings) return draw();
  heldUntil ||= now() + HELD;
  // What stays where it is may change its words at once.
  for (const row of [...byId("rows").children]) {
    const one = item(row.dataset.id);
    if (one) renew(row, one);
  }
  drawCounts();
}

export function beat() {
  if (heldUntil && now() >= heldUntil) draw();
  const at = serverNow();
  for (const row of byId("rows").children) {
    const text = ageText(row.dataset.since, at);
    if (row.age.textContent !== text) row.age.textContent = text;
    if (row.next) row.next.textContent = nextText(row.next.dataset.at, at);
    if (row.left) row.left.textContent = say(words.shelved_left, { left: ageText(new Date(at).toISOString(), row.until) });
  }
}

// For how long nobody knew of this alarm (ms), if it came late: to this room, as the server says, or to this page.
export const lateOf = (one) => (one.late_s ? one.late_s * 1000 : lates.get(cryOf(one)) ?? 0);

// A page that was away learns of alarms late: the row says for how long nobody here knew.
function noteLate(items) {
  const cries = new Set(items.map(cryOf));
  for (const one of listed ? items : []) {
    const late = serverNow() - Date.parse(one.raised_at);
    const dated = one.kind === "alarm" && one.occurrence === 1 && one.clock !== "unset";
    if (dated && late > LATE && !listed.has(cryOf(one))) lates.set(cryOf(one), late);
  }
  for (const cry of lates.keys()) if (!cries.has(cry)) lates.delete(cry);
  listed = cries;
}

// What the filter and the search leave; a waiting emergency is always among it.
function visible() {
  const query = list.query.toLowerCase();
  return list.items.filter((one) => {
    if (isEmergency(one) && isCounted(one)) return true;
    if (Boolean(one.shelved) !== (list.filter === "shelved") && !query) return false;
    if (list.filter && list.filter !== "shelved" && lookOf(one) !== list.filter) return false;
    if (!query) return !one.in_group || opened.has(one.in_group);
    const text = [placeFull(one), placeShort(one), eventOf(one), one.device, one.gateway_name, one.gateway];
    return text.join(" ").toLowerCase().includes(query);
  });
}

export function draw() {
  heldUntil = 0;
  const body = byId("rows");
  const wanted = visible();
  const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr")?.dataset.id : null;
  const before = new Map([...body.children].map((row) => [row.dataset.id, row]));
  const { items, sheets, from, of, elsewhere } = onSheet(wanted);
  const rows = items.map((one) => {
    const old = before.get(one.id);
    return old ? renew(old, one) : makeRow(one);
  });
  const brought = rows.find((row) => row.isNew && row.cries);
  let moved = false;
  rows.forEach((row, at) => {
    row.isNew = false;
    if (body.children[at] === row) return;
    moved = true;
    body.insertBefore(row, body.children[at] ?? null);
  });
  while (body.children.length > rows.length) body.lastChild.remove();
  if (moved && pointerInside) settledAt = now() + SETTLES;
  known = new Set(list.items.map(cryOf));
  byId("quiet").hidden = wanted.length > 0 || list.items.some((one) => !one.shelved);
  byId("more").hidden = sheets === 1;
  const last = Math.min(of, from + DRAWN);
  byId("more-said").textContent = say(words.more, { from: from + 1, to: last, all: of, left: of - (last - from) })
    + (elsewhere ? say(words.more_emergencies, { count: elsewhere }) : "");
  byId("more").classList.toggle("red", elsewhere > 0);
  byId("more-before").disabled = sheet === 0;
  byId("more-next").disabled = sheet === sheets - 1;
  byId("filtered").hidden = !list.filter && !list.query;
  drawCounts();
  beat();
  if (focused) rowOf(focused)?.focus({ preventScroll: true });
  brought?.scrollIntoView({ block: "nearest" });
}

// What is drawn of more rows than one sheet holds: emergencies that wait stand on every one, so that no sheet hides them.
function onSheet(wanted) {
  if (wanted.length <= DRAWN) {
    sheet = 0;
    return { items: wanted, sheets: 1, from: 0, of: wanted.length, elsewhere: 0 };
  }
  const isWaiting = (one) => isEmergency(one) && isCounted(one);
  const waiting = wanted.filter(isWaiting);
  const others = wanted.filter((one) => !isWaiting(one));
  const pinned = waiting.length <= PINNED ? waiting : [];
  const paged = pinned.length ? others : waiting.concat(others);
  const sheets = Math.max(1, Math.ceil(paged.length / DRAWN));
  sheet = Math.min(sheet, sheets - 1);
  const from = sheet * DRAWN;
  const items = pinned.concat(paged.slice(from, from + DRAWN));
  return { items, sheets, from, of: paged.length, elsewhere: waiting.length - items.filter(isWaiting).length };
}

// To the next sheet (1) or the one before (-1).
export function turn(step) {
  sheet = Math.max(0, sheet + step);
  draw();
  byId("table").parentElement.scrollTop = 0;
}

// A row that stands on another sheet is brought into view.
export function bring(id) {
  const at = visible().findIndex((one) => one.id === id);
  if (at < 0 || rowOf(id)) return;
  for (sheet = 0; ; sheet += 1) {
    const { items, sheets } = onSheet(visible());
    if (items.some((one) => one.id === id) || sheet >= sheets - 1) break;
  }
  draw();
}

// Shows the rows of a group, or only the group; of a row in a group, the group's.
export function open(one, wanted) {
  const group = one?.kind === "group" ? one.id : one?.in_group;
  if (!group || opened.has(group) === wanted) return;
  if (wanted) opened.add(group);
  else opened.delete(group);
  if (!wanted && one.in_group) select(group, true);
  draw();
}

function drawCounts() {
  const shelved = list.items.filter((one) => one.shelved).length;
  byId("count-shelved").textContent = shelved;
  byId("shelf").hidden = shelved === 0 && list.filter !== "shelved";
  byId("shelf").setAttribute("aria-pressed", String(list.filter === "shelved"));
  for (const look of Object.keys(shapes)) {
    const count = list.items.filter((one) => lookOf(one) === look && isCounted(one)).length;
    const shown = byId("count-" + look);
    shown.textContent = count;
    shown.parentElement.classList.toggle("none", count === 0);
    shown.parentElement.setAttribute("aria-pressed", String(list.filter === look));
  }
}

function rowOf(id) {
  return byId("rows").querySelector(`tr[data-id="${CSS.escape(id ?? "")}"]`);
}

// The same row with new words, if there are any.
function renew(row, one) {
  const key = keyOf(one);
  if (row.key === key) return row;
  const made = makeRow(one);
  const sameCry = row.cry === made.cry;
  if (sameCry) made.shownAt = row.shownAt;
  made.isNew = !sameCry;
  const hadFocus = row.contains(document.activeElement);
  row.replaceWith(made);
  if (hadFocus) made.focus({ preventScroll: true });
  return made;
}

function keyOf(one) {
  return JSON.stringify(one) + hooks.isAsking(one.id) + hooks.mayAct() + (list.selected === one.id) + opened.has(one.id);
}

function makeRow(one) {
  const look = lookOf(one);
  const row = make("tr");
  Object.assign(row, { key: keyOf(one), cry: cryOf(one), shownAt: now(), isNew: true });
  row.cries = isEmergency(one) && isCounted(one);
  row.dataset.id = one.id;
  row.dataset.since = one.raised_at;
  row.tabIndex = -1;
  row.setAttribute("aria-selected", String(list.selected === one.id));
  if (one.explained || one.in_group) row.classList.add("explained");
  if (one.gateway_lost) row.classList.add("unwatched");
  if (one.acknowledged) row.classList.add("acknowledged");
  else if (one.active && isCounted(one)) row.classList.add("unseen-yet");

  const shape = make("span", "shape", shapes[look]);
  shape.setAttribute("aria-hidden", "true");
  const priority = make("td", "priority " + look, shape, make("b", "", lookWord(one)));
  if (one.mode !== "live") priority.classList.add("drill");
  const state = make("td", "state", stateOf(one));
  if (one.explained) state.append(make("small", "", words.explained_short));
  row.age = make("td", "age", ageText(one.raised_at, serverNow()));
  const what = make("td", "what", eventOf(one));
  const value = [valueOf(one), limitOf(one)].filter(Boolean).join(" ");
  if (value) what.append(make("small", "value", value));
  if (lateOf(one)) what.append(make("span", "flag late", say(words.late, { age: longText(lateOf(one)) })));
  flagsOf(one).forEach((text) => what.append(make("span", "flag", text)));
  if (one.shelved) {
    row.until = Date.parse(one.shelved.until);
    row.left = make("small", "left");
    what.append(row.left);
  }
  const times = make("td", "times", "×" + (one.kind === "alarm" ? one.occurrence : one.count));
  const person = who(one);
  const { next_at, urged } = one.escalation ?? {};
  if (next_at) {
    row.next = make("small", urged ? "next urged" : "next");
    row.next.dataset.at = next_at;
    person.append(row.next);
  }
  row.append(priority, state, row.age, where(one), what, times, person, act(one));
  if (one.kind === "group") row.children[3].append(opener(one));
  return row;
}

// A long name is cut here; the card has it whole.
function where(one) {
  const short = placeShort(one);
  const cell = make("td", [...short].length > 9 ? "place long" : "place", make("div", "", short));
  cell.title = placeFull(one);
  return cell;
}

function opener(one) {
  const isOpen = opened.has(one.id);
  const button = make("button", "opener", isOpen ? words.group_close : say(words.group_open, { count: one.members.length }));
  button.type = "button";
  button.tabIndex = 0;
  button.setAttribute("aria-expanded", String(isOpen));
  return button;
}

function who(one) {
  const cell = make("td", "who");
  if (one.acknowledged) {
    cell.append(personOf(one.acknowledged.by), make("small", "", clockText(one.acknowledged.at)));
  }
  if (one.case && one.case !== "new" && words["case_" + one.case]) cell.append(make("span", "flag", words["case_" + one.case]));
  return cell;
}

// When somebody else is told, if nobody comes.
function nextText(next, now) {
  return say(words.next_step, { left: ageText(new Date(now).toISOString(), Date.parse(next)) });
}

function act(one) {
  const cell = make("td", "act");
  if (one.acknowledged || one.condition === "flood" || !hooks.mayAct()) return cell;
  const button = make("button", "", words.acknowledge);
  button.type = "button";
  button.tabIndex = 0;
  button.disabled = hooks.isAsking(one.id);
  button.setAttribute("aria-label", words.acknowledge + " " + placeFull(one));
  cell.append(button);
  return cell;
}

function clicked(event) {
  const row = event.target.closest("tr");
  // A row that has just moved under the pointer is not the one that was meant.
  if (!row || now() < settledAt) return;
  select(row.dataset.id, true);
  if (event.target.closest(".opener")) open(item(row.dataset.id), !opened.has(row.dataset.id));
  else if (event.target.closest("button")) hooks.acknowledge(item(row.dataset.id));
}

export function select(id, byPerson = false) {
  if (list.selected !== id) {
    const old = list.selected;
    list.selected = id;
    for (const touched of [old, id]) {
      const row = rowOf(touched);
      const one = item(touched);
      if (row && one) {
        row.setAttribute("aria-selected", String(touched === id));
        row.key = keyOf(one);
      }
    }
  }
  hooks.select(byPerson);
}

// To the next row (1) or the one before (-1).
export function move(step) {
  const rows = [...byId("rows").children];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.dataset.id === list.selected);
  const row = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  select(row.dataset.id, true);
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}
