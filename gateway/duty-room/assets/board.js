// The board: asks for the list, hears when it changed, and says loudly when it is not live any more.
// Everything from outside becomes a text node; nothing becomes markup.
"use strict";

const english = document.documentElement.lang === "en";
const words = JSON.parse(document.documentElement.dataset.words);
const shapes = { emergency: "■", urgent: "▲", ordinary: "◆", advisory: "●", fault: "✚" };
const AMBER_AFTER = 6000;
const DEAD_AFTER = 10000;
const byId = (id) => document.getElementById(id);

let items = [];
let hash = "";
let lastTick = performance.now();
let serverOffset = 0;
let source = null;
let audio = null;
let loading = false;
let loadAgain = false;
const asking = new Set();

function say(template, values) {
  return template.replace(/%(\w+)%/g, (_, name) => values[name] ?? "");
}

function cell(row, kind, text) {
  const td = document.createElement("td");
  td.className = kind;
  td.append(text);
  row.append(td);
  return td;
}

function small(parent, text) {
  const line = document.createElement("small");
  line.append(text);
  parent.append(line);
}

function flag(parent, text) {
  const mark = document.createElement("span");
  mark.className = "flag";
  mark.append(text);
  parent.append(mark);
}

function placeOf(item) {
  const place = item.place || {};
  if (place.name) return place.name;
  const parts = [place.building, place.entrance, place.room].filter(Boolean);
  if (parts.length) return parts.join("-");
  return item.device || item.gateway_name || item.gateway || "";
}

function valueOf(item) {
  if (item.value === null || typeof item.value === "boolean") return "";
  const unit = item.unit ? " " + item.unit : "";
  return item.value + unit + (item.limit === null ? "" : " (≥ " + item.limit + unit + ")");
}

function clockText(time) {
  return new Date(time).toLocaleTimeString("zh-CN", { hour12: false });
}

function flagsOf(item) {
  const flags = [];
  if (item.pending) flags.push(words.pending);
  if (item.provisional) flags.push(words.provisional);
  if (item.unlogged) flags.push(words.unlogged);
  if (item.gateway_lost) flags.push(words.gateway_lost);
  if (item.device_state === "lost") flags.push(words.lost);
  if (item.shelved) flags.push(words.shelved);
  if (item.out_of_service) flags.push(words.out);
  if (item.explained) flags.push(words.explained);
  if (item.refused) flags.push(say(words.refused, { why: textOf(item.refused.text) }));
  return flags;
}

function textOf(text) {
  return (english ? text.en : text.zh) || text.zh || text.en || "";
}

function lookOf(item) {
  return item.kind === "alarm" ? item.priority : "fault";
}

// Asks for a person: nobody has acknowledged it, and no row above explains it.
function isCounted(item) {
  return !item.acknowledged && !item.explained;
}

function makeRow(item) {
  const row = document.createElement("tr");
  const look = lookOf(item);
  row.dataset.id = item.id;
  if (item.explained) row.classList.add("explained");
  if (item.acknowledged) row.classList.add("acknowledged");
  else if (item.active && !item.explained) row.classList.add("unseen-yet");

  const priority = cell(row, "priority " + look, "");
  if (item.mode !== "live") priority.classList.add("drill");
  const shape = document.createElement("span");
  shape.className = "shape";
  shape.append(shapes[look]);
  priority.append(shape, " " + (item.kind === "gap" ? words.gap : words[look]));

  const state = item.acknowledged ? words.acknowledged : item.active ? words.active : words.cleared;
  const stateCell = cell(row, "state", state);
  flagsOf(item).forEach((text) => flag(stateCell, text));

  const age = cell(row, "age", "");
  age.dataset.since = item.raised_at;
  cell(row, "place", placeOf(item));
  const mode = item.mode === "live" ? "" : "【" + (words[item.mode] || item.mode) + "】";
  const what = cell(row, "what", mode + textOf(item.text));
  small(what, [item.gateway_name || item.gateway, item.device, valueOf(item)].filter(Boolean).join(" · "));
  cell(row, "times", "×" + (item.kind === "alarm" ? item.occurrence : item.count));
  const who = cell(row, "who", item.acknowledged ? item.acknowledged.by : "");
  if (item.acknowledged) small(who, clockText(item.acknowledged.at));
  const act = cell(row, "act", "");
  if (!item.acknowledged) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(words.acknowledge);
    button.disabled = asking.has(item.id);
    button.addEventListener("click", () => acknowledge(item));
    act.append(button);
  }
  return row;
}

// Replaces only the rows that changed, so that focus and the pointer stay where they are.
function draw() {
  const body = byId("rows");
  const focused = document.activeElement?.closest?.("tr")?.dataset.id;
  const known = new Map([...body.children].map((row) => [row.dataset.id, row]));
  const rows = items.map((item) => {
    const text = JSON.stringify(item) + asking.has(item.id);
    const old = known.get(item.id);
    if (old && old.shown === text) return old;
    const row = makeRow(item);
    row.shown = text;
    if (!old && item.kind === "alarm" && isCounted(item)) announce(item);
    return row;
  });
  rows.forEach((row, at) => {
    if (body.children[at] !== row) body.insertBefore(row, body.children[at] || null);
  });
  while (body.children.length > rows.length) body.lastChild.remove();
  if (focused) body.querySelector(`tr[data-id="${CSS.escape(focused)}"] button`)?.focus();
  byId("quiet").hidden = items.length > 0;
  for (const look of Object.keys(shapes)) {
    const count = items.filter((item) => lookOf(item) === look && isCounted(item));
    byId("count-" + look).textContent = count.length;
  }
  drawAges();
}

function announce(item) {
  const region = item.priority === "emergency" ? byId("cried") : byId("told");
  if (region.id === "cried") region.textContent = placeOf(item) + " " + textOf(item.text);
}

function drawAges() {
  const now = Date.now() + serverOffset;
  for (const age of document.querySelectorAll("td.age")) {
    const seconds = Math.max(0, Math.floor((now - Date.parse(age.dataset.since)) / 1000));
    const minutes = Math.floor(seconds / 60);
    const two = (n) => String(n).padStart(2, "0");
    age.textContent = minutes < 60
      ? two(minutes) + ":" + two(seconds % 60)
      : Math.floor(minutes / 60) + ":" + two(minutes % 60) + ":" + two(seconds % 60);
  }
}

async function load() {
  if (loading) {
    loadAgain = true;
    return;
  }
  loading = true;
  try {
    const response = await fetch("/api/v1/alarms?state=open", { cache: "no-store" });
    if (response.status === 401) return void location.assign("/login");
    if (response.ok) {
      items = (await response.json()).items;
      draw();
    }
  } catch {
    // The missing ticks say it.
  } finally {
    loading = false;
    if (loadAgain) {
      loadAgain = false;
      load();
    }
  }
}

async function acknowledge(item) {
  asking.add(item.id);
  draw();
  try {
    const response = await fetch(`/api/v1/alarms/${encodeURIComponent(item.id)}/acknowledge`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(item.kind === "alarm" ? { occurrence: item.occurrence } : {}),
    });
    const answer = await response.json();
    if (!response.ok) tell(say(words.failed, { why: textOf(answer.error.text) }));
    else if (answer.already_acknowledged) {
      const { by, at } = answer.already_acknowledged;
      tell(say(words.already, { by, at: clockText(at) }));
    } else tell(say(words.done, { place: placeOf(item) }));
  } catch (error) {
    tell(say(words.failed, { why: String(error) }));
  } finally {
    asking.delete(item.id);
    load();
  }
}

let tellTimer = 0;
function tell(text) {
  byId("told").textContent = text;
  clearTimeout(tellTimer);
  tellTimer = setTimeout(() => (byId("told").textContent = ""), 6000);
}

function lamp(id, good) {
  byId(id).classList.toggle("good", good);
  byId(id).classList.toggle("bad", !good);
}

function connect() {
  source?.close();
  source = new EventSource("/api/v1/stream" + (audio ? "?armed=1" : ""));
  source.addEventListener("tick", (event) => {
    const tick = JSON.parse(event.data);
    lastTick = performance.now();
    serverOffset = Date.parse(tick.at) - Date.now();
    byId("clock").textContent = clockText(tick.at);
    lamp("broker", tick.broker);
    lamp("store", tick.store);
    if (tick.hash !== hash) {
      hash = tick.hash;
      load();
    }
    judge();
  });
  source.addEventListener("alarms", (event) => {
    hash = JSON.parse(event.data).hash;
    load();
  });
}

// Whether this page is live is judged by the server's ticks, never by a clock of its own making.
function judge() {
  const silent = performance.now() - lastTick;
  const dead = silent > DEAD_AFTER;
  if (dead && byId("dead").hidden) byId("cried").textContent = words.dead;
  byId("dead").hidden = !dead;
  byId("shaky").hidden = dead || silent <= AMBER_AFTER;
  document.body.classList.toggle("offline", dead);
  return dead;
}

// One sweep of three tones, or a low pair when the page is dead.
function sound(tones) {
  if (!audio || audio.state !== "running") return;
  tones.forEach((hertz, n) => {
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    loudness.gain.value = 0.3;
    tone.frequency.value = hertz;
    tone.connect(loudness).connect(audio.destination);
    tone.start(audio.currentTime + n * 0.2);
    tone.stop(audio.currentTime + n * 0.2 + 0.18);
  });
}

async function arm() {
  audio = audio || new AudioContext();
  await audio.resume();
  sound([660, 880, 1100]);
  byId("arm").textContent = words.armed;
  byId("arm").disabled = true;
  connect();
}

let turns = 0;
setInterval(() => {
  turns += 1;
  drawAges();
  const dead = judge();
  if (dead && turns % 5 === 0) connect();
  const crying = items.some((item) =>
    item.kind === "alarm" && item.priority === "emergency" && isCounted(item) && !item.shelved);
  if (dead) sound(turns % 3 === 0 ? [330, 330] : []);
  else if (crying) sound([660, 880, 1100]);
}, 1000);

byId("arm").addEventListener("click", arm);
load();
connect();
