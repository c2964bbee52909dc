// Words, places and times as people read them. Everything from outside becomes a text node; nothing becomes markup.

export const english = document.documentElement.lang === "en";
export const words = JSON.parse(document.documentElement.dataset.words);
export const shapes = { emergency: "■", urgent: "▲", ordinary: "◆", advisory: "●", fault: "✚" };
export const byId = (id) => document.getElementById(id);

// An element with a class and with text or elements inside.
export function make(tag, kind, ...inside) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...inside);
  return made;
}

export function say(template, values) {
  return template.replace(/%(\w+)%/g, (_, name) => values[name] ?? "");
}

export function textOf(text) {
  return (english ? text.en : text.zh) || text.zh || text.en || "";
}

export function clockText(time) {
  return new Date(time).toLocaleTimeString("zh-CN", { hour12: false });
}

export function dayText(time) {
  const day = new Date(time).toLocaleDateString("zh-CN", { month: "2-digit", day: "2-digit" });
  return day.replace("/", "-") + " " + clockText(time);
}

// 00:09, 59:59, 1:00:00: since then, by the server's clock.
export function ageText(since, now) {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return two(minutes) + ":" + two(seconds % 60);
  return Math.floor(minutes / 60) + ":" + two(minutes % 60) + ":" + two(seconds % 60);
}

// 8 秒, 3 分.
export function longText(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? say(words.seconds, { n: seconds }) : say(words.minutes, { n: Math.floor(seconds / 60) });
}

// Accounts' names, as the server tells them.
export const names = new Map();

export function personOf(by) {
  if (by === "resident") return words.by_resident;
  if (by?.startsWith("courier:")) return `${by.slice(8)}(${words.by_courier})`;
  return names.get(by) ?? (by === "operator" ? words.operator : by);
}

// On a wall that everybody sees: 张**.
export function masked(by) {
  const name = personOf(by);
  return name === words.operator ? name : [...name].slice(0, 1).join("") + "**";
}

function parts(place) {
  return [place.building, place.entrance, place.room].filter(Boolean);
}

// 3-2-402: what a row shows large.
export function placeShort(item) {
  const place = item.place || {};
  if (place.room && place.building) return parts(place).join("-");
  return place.name || parts(place).join("-") || elsewhere(item);
}

// 3号楼2单元402: what a card shows, and what is said to 119.
export function placeFull(item) {
  const place = item.place || {};
  return place.name || parts(place).join("-") || elsewhere(item);
}

function elsewhere(item) {
  if (item.gateway === item.site) return words.this_room;
  return item.device || item.gateway_name || item.gateway || "";
}

export function eventOf(item) {
  const mode = item.mode === "live" ? "" : "【" + (words[item.mode] || item.mode) + "】";
  return mode + textOf(item.text);
}

export function valueOf(item) {
  // How long a call's button was pressed helps nobody.
  if (item.class === "call") return "";
  if (item.value === null || item.value === undefined || typeof item.value === "boolean") return "";
  return String(item.value) + unitOf(item);
}

function unitOf(item) {
  if (item.unit === "degC") return " °C";
  return item.unit ? " " + item.unit : "";
}

export function limitOf(item) {
  return item.limit === null || item.limit === undefined ? "" : "≥ " + item.limit + unitOf(item);
}

// Which colour, shape and word a row has.
export function lookOf(item) {
  return item.kind === "alarm" || item.after_alarm || item.condition === "flood" ? item.priority : "fault";
}

export function lookWord(item) {
  return words[item.kind === "gap" || item.kind === "note" ? item.kind : lookOf(item)];
}

// Asks for a person: nobody has acknowledged it or put it aside, and no row above explains it or tells it with others.
export function isCounted(item) {
  return !item.acknowledged && !item.shelved && !item.explained && !item.in_group;
}

// Sounds here, or is at least spoken: the server says which.
export function isCrying(item) {
  return item.sound !== "none" || Boolean(item.voice_until);
}

// Never put aside: somebody may be dying of it.
export function isLifeSafety(item) {
  return ["smoke", "gas", "co", "call"].includes(item.class);
}

export function isEmergency(item) {
  return item.priority === "emergency" && (item.kind === "alarm" || Boolean(item.after_alarm));
}

// The cry that a person saw: a further one is another, but all of one chatter are one.
export function cryOf(item) {
  return item.cry ?? item.id + "/" + item.occurrence;
}

// The cries of a row that tells of several.
export function criesOf(item) {
  return item.cries ?? [cryOf(item)];
}

export function flagsOf(item) {
  const flags = [];
  if (item.pending) flags.push(words.pending);
  if (item.taken_back && !item.acknowledged) flags.push(words.was_taken_back);
  if (item.voice_until) flags.push(say(words.voice_until, { at: clockText(item.voice_until) }));
  if (item.chatter) flags.push(say(words.chatter, { count: item.chatter }));
  if (item.provisional) flags.push(words.provisional);
  if (item.unlogged) flags.push(words.unlogged);
  if (item.gateway_lost) flags.push(words.gateway_lost);
  if (item.device_state === "lost") flags.push(words.lost);
  if (item.shelved) flags.push(say(words.shelved_until, { at: clockText(item.shelved.until).slice(0, 5) }));
  if (item.overdue) flags.push(say(words.overdue_flag, { what: words["overdue_" + item.overdue] }));
  if (item.out_of_service) flags.push(words.out);
  if (item.refused) flags.push(say(words.refused, { why: textOf(item.refused.text) }));
  return flags;
}

export function stateOf(item) {
  if (item.shelved) return words.shelved;
  if (item.acknowledged) return item.finished ? words.finished : words.acknowledged;
  return item.active ? words.active : words.cleared;
}
