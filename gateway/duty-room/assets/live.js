// Is this page live? Judged by the server's ticks and by whether the list could be read, never by a clock of our own
// making. Keeps the stream and the list, and says how long ago the page was last known to be true.
import { clockText, longText, say, words } from "./words.js";

const SHAKY_AFTER = 6000;
const DEAD_AFTER = 10000;
const REPORT_EVERY = 5000;
const RETRY_AT_MOST = 5000;
const ANSWER_WITHIN = 8000;
// Floods: the list is not asked for more often.
const LOAD_EVERY = 300;

const page = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const now = () => performance.now();

let told = {};
let source = null;
let attempts = 0;
let connectAt = 0;
let lastTick = now();
let lastTickWall = Date.now();
let wantedSince = 0;
let loadAt = 0;
let loading = false;
let reportAt = 0;
let reported = null;
let hash = null;
let fresh = true;
// What the server told last, and which version of the list that was.
let known = { version: null, items: [] };

export const live = { state: "waiting", login: "ok", listAt: null, serverOffset: 0, ticks: 0 };

// `hears`: list(items), tick(tick), beat(): each a few times a second at most; report() says what the server is told,
// null on pages that are no boards.
export function start(hears) {
  told = hears;
  const beat = () => {
    judge();
    if (!source && now() >= connectAt) connect();
    // Connected, but nobody speaks: a server that hangs keeps its connections.
    else if (source && now() - Math.max(lastTick, connectAt) > SHAKY_AFTER) lost();
    if (wantedSince && !loading && now() >= loadAt) load();
    report();
    told.beat();
  };
  // A worker whose script cannot be loaded says so by an event, not here. Its beats and these together do no harm.
  const worker = new Worker("/assets/ticker.js");
  worker.onmessage = beat;
  worker.onerror = () => setInterval(beat, 250);
  wantedSince = now();
  connect();
}

export function serverNow() {
  return Date.now() + live.serverOffset;
}

// How long ago all of this was last known to be true, in milliseconds.
export function staleFor() {
  const silent = Math.max(now() - lastTick, Date.now() - lastTickWall);
  return Math.max(silent, wantedSince ? now() - wantedSince : 0);
}

export function reload() {
  wantedSince ||= now();
  loadAt = Math.min(loadAt, now());
}

// A request that must be answered in time; null if the server could not be reached.
export async function ask(path, options = {}) {
  try {
    const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN), ...options });
    const answer = await response.json();
    if (response.status === 401) live.login = answer.error?.code === "login_expired" ? "expired" : "gone";
    // A person with an old login may still read; only what they may not read tells that they are back.
    else if (options.method || (response.ok && live.login === "gone")) live.login = "ok";
    return { ok: response.ok, status: response.status, answer };
  } catch {
    return null;
  }
}

export function post(path, body, more = {}) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body), ...more });
}

function judge() {
  const stale = staleFor();
  if (stale > DEAD_AFTER) live.state = "dead";
  else if (stale > SHAKY_AFTER) live.state = "shaky";
  else live.state = live.ticks > 0 && live.listAt ? "live" : "waiting";
}

function connect() {
  connectAt = now();
  fresh = true;
  const mine = new EventSource("/api/v1/stream");
  source = mine;
  mine.addEventListener("error", () => source === mine && lost());
  mine.addEventListener("tick", (event) => source === mine && ticked(JSON.parse(event.data)));
  mine.addEventListener("alarms", (event) => {
    if (source !== mine) return;
    hash = JSON.parse(event.data).hash;
    reload();
  });
}

function lost() {
  // Who was away takes nothing over.
  known.version = null;
  source?.close();
  source = null;
  connectAt = now() + Math.min(RETRY_AT_MOST, 500 * 2 ** attempts);
  attempts += 1;
}

function ticked(tick) {
  attempts = 0;
  lastTick = now();
  lastTickWall = Date.now();
  live.ticks += 1;
  live.serverOffset = Date.parse(tick.at) - Date.now();
  // What was said while we were away is not repeated: the list says it.
  if (fresh || tick.hash !== hash) reload();
  fresh = false;
  hash = tick.hash;
  told.tick(tick);
  judge();
}

async function load() {
  loading = true;
  const asked = wantedSince;
  wantedSince = 0;
  loadAt = now() + LOAD_EVERY;
  const said = await ask("/api/v1/alarms?state=open" + (known.version ? "&since=" + known.version : ""));
  const items = said?.ok ? takeOver(said.answer) : null;
  if (items) {
    live.listAt = serverNow();
    told.list(items);
  } else {
    // Whatever went wrong, the next one is the whole list.
    known = { version: null, items: [] };
    // Still wanted, since it was first asked for: that decides whether this page is live.
    wantedSince = asked;
    loadAt = now() + 1000;
  }
  loading = false;
}

// The list of now, from the one before and what changed since; null if they do not fit together.
function takeOver(answer) {
  let items = answer.items;
  if (answer.after) {
    const following = new Map(answer.after.map((id, at) => [id, answer.items[at]]));
    const moved = new Set(answer.gone.concat(answer.items.map((one) => one.id)));
    items = [];
    const add = (one) => {
      items.push(one);
      for (let next = following.get(one.id); next; next = following.get(next.id)) items.push(next);
    };
    if (following.has(null)) add(following.get(null));
    for (const one of known.items) if (!moved.has(one.id)) add(one);
  }
  if (items.length !== answer.count) return null;
  known = { version: answer.version, items };
  return items;
}

// The server must know which boards can wake a person: every few seconds, and at once when that changes.
async function report() {
  const armed = told.report?.();
  if (armed === undefined || armed === null) return;
  if (armed === reported && now() < reportAt) return;
  reported = armed;
  reportAt = now() + REPORT_EVERY;
  const said = await post(`/api/v1/boards/${page}`, { armed });
  if (said?.ok) told.boards(said.answer);
}

addEventListener("pagehide", () => {
  if (reported) post(`/api/v1/boards/${page}`, { armed: false }, { keepalive: true });
});

// Until when this page was true, for its red bar.
export function deadText() {
  if (!live.listAt) return words.dead_never;
  const stale = staleFor();
  return say(words.dead_since, { at: clockText(serverNow() - stale), age: longText(stale) });
}
