// Exercises: a drill that this room plays to itself by a script, and a device put to the test. Both are asked for twice,
// say on every page that they run, and end by themselves.
import { byId, clockText, make, personOf, say, textOf, words } from "./words.js";
import { ask, post } from "./live.js";
import { me } from "./people.js";

const ASK_EVERY = 3000;
// Alarms of one script, and minutes of one test, at most: the server refuses more.
const ALARMS = 100;
const MINUTES = 120;
const KEPT = "shouwang-drill-script";

let hooks = { tell() {} };
let devices = [];
let drill = null;
let tests = { count: 0, devices: [] };
let since = null;
let askAt = 0;
let shown = "";
// What is asked for the second time.
let confirmed = () => {};

export const isOpen = () => byId("exercise").open;
export const close = () => isOpen() && byId("exercise").close();

export function prepare(own) {
  hooks = own;
  byId("exercise-open").addEventListener("click", open);
  byId("exercise-close").addEventListener("click", close);
  byId("drill-bar").addEventListener("click", open);
  byId("drill-add").addEventListener("change", addLine);
  byId("drill-file").addEventListener("change", readFile);
  byId("drill-form").addEventListener("submit", (event) => askTwice(event, planned));
  byId("test-form").addEventListener("submit", (event) => askTwice(event, tested));
  byId("drill-stop").addEventListener("click", () => send("drill/stop", {}, words.drill_stopped));
  byId("sure-yes").addEventListener("click", () => confirmed());
  byId("sure-no").addEventListener("click", unasked);
}

// What runs, as the server's tick says.
export function ticked(situation) {
  const before = since;
  ({ drill: since, tests } = situation);
  byId("drill-bar").hidden = !since;
  if (since) byId("drill-bar").textContent = say(words.drill_runs, { at: clockText(since) });
  document.body.dataset.drill = String(Boolean(since));
  byId("exercise-open").hidden = !(me.leads || me.tests || since);
  if (isOpen() && (Boolean(before) !== Boolean(since) || performance.now() >= askAt)) read();
  if (isOpen()) draw();
}

export async function open() {
  if (isOpen()) return;
  unasked();
  byId("exercise").showModal();
  byId("exercise-drill").hidden = !me.leads && !since;
  byId("exercise-test").hidden = !me.tests;
  const said = await ask("/api/v1/devices");
  devices = said?.ok ? said.answer.items : [];
  const option = (one, at) => {
    const made = make("option", "", nameOf(one));
    made.value = String(at);
    return made;
  };
  for (const id of ["drill-add", "test-device"]) {
    byId(id).replaceChildren(make("option", "", words.choose_device), ...devices.map(option));
    byId(id).firstChild.value = "";
  }
  if (!byId("drill-script").value) byId("drill-script").value = kept() ?? example();
  await read();
}

const nameOf = (one) => [one.place?.name, one.title && textOf(one.title), one.id].filter(Boolean).join(" · ");

function example() {
  return devices.filter((one) => ["smoke", "gas", "call"].includes(one.class)).slice(0, 2)
    .map((one, at) => `${at * 60} ${one.id} ${one.class}`).join("\n");
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function addLine() {
  const one = devices[Number(byId("drill-add").value || NaN)];
  if (!one) return;
  const lines = script();
  const after = lines.length ? Math.max(...lines.map((line) => line.after_s || 0)) + 60 : 0;
  byId("drill-script").value = [byId("drill-script").value.trim(), `${after} ${one.id} ${one.class}`].filter(Boolean).join("\n");
  byId("drill-add").value = "";
}

async function readFile() {
  const file = byId("drill-file").files[0];
  if (file && file.size < 64 * 1024) byId("drill-script").value = (await file.text()).trim();
}

// Lines of seconds, device and condition; what stands behind a # is for people.
function script() {
  const lines = byId("drill-script").value.normalize("NFKC").split("\n").map((line) => line.replace(/#.*/, "").trim());
  return lines.filter(Boolean).map((line) => {
    const [after, device, condition] = line.split(/[\s,]+/);
    return { after_s: /^\d{1,4}$/.test(after) ? Number(after) : NaN, device: device ?? "", condition: condition ?? "drill", line };
  });
}

function planned() {
  const lines = script();
  const bad = lines.find((line) => !(line.after_s < 7200) || !devices.some((one) => one.id === line.device));
  if (bad) return hooks.tell(say(words.drill_line_bad, { line: bad.line }), true);
  if (!lines.length || lines.length > ALARMS) return hooks.tell(words.drill_empty, true);
  const asked = lines.map(({ after_s, device, condition }) => ({ after_s, device, condition }));
  return [say(words.drill_sure, { count: lines.length }), () => {
    try {
      localStorage.setItem(KEPT, byId("drill-script").value);
    } catch {
      // Private windows keep nothing; the drill runs all the same.
    }
    send("drill", { script: asked }, words.drill_started);
  }];
}

function tested() {
  const one = devices[Number(byId("test-device").value || NaN)];
  const minutes = Number(byId("test-minutes").value);
  if (!one) return void byId("test-device").focus();
  if (!(minutes >= 1 && minutes <= MINUTES)) return void byId("test-minutes").focus();
  const reason = byId("test-reason").value.trim();
  return [say(words.test_sure, { what: nameOf(one), minutes }), () => test(one, Math.floor(minutes), reason)];
}

function test(one, minutes, reason) {
  const body = { minutes, gateway: one.gateway };
  if (reason) body.reason = reason;
  return send(`devices/${encodeURIComponent(one.id)}/test`, body, minutes ? words.test_asked : words.test_ended);
}

function askTwice(event, what) {
  event.preventDefault();
  const sure = what();
  if (!sure) return;
  byId("sure-said").textContent = sure[0];
  confirmed = sure[1];
  byId("exercise-asks").hidden = true;
  byId("sure").hidden = false;
  byId("sure-yes").focus();
}

function unasked() {
  confirmed = () => {};
  byId("sure").hidden = true;
  byId("exercise-asks").hidden = false;
}

async function send(path, body, done) {
  confirmed = () => {};
  const said = await post("/api/v1/" + path, body);
  const why = said ? said.answer.error && textOf(said.answer.error.text) : words.no_answer;
  hooks.tell(why ? say(words.failed, { why }) : done, Boolean(why));
  unasked();
  read();
}

async function read() {
  askAt = performance.now() + ASK_EVERY;
  if (byId("exercise-drill").hidden) return draw();
  const said = await ask("/api/v1/drill");
  if (said?.ok) drill = said.answer;
  draw();
}

function draw() {
  const key = JSON.stringify([drill, tests, me.leads, me.tests]);
  if (key === shown) return;
  shown = key;
  byId("drill-form").hidden = !me.leads || Boolean(drill?.running);
  byId("drill-stop").hidden = !me.leads || !drill?.running;
  const state = byId("drill-state");
  state.replaceChildren();
  if (drill?.began_at) state.append(make("p", "", drillWords()), table());
  const list = byId("test-list");
  list.replaceChildren(...tests.devices.map(testLine));
  if (tests.count > tests.devices.length) list.append(make("p", "hint", say(words.tests, { count: tests.count })));
}

function drillWords() {
  const by = personOf(drill.by);
  const [from, to] = [clockText(drill.began_at), drill.ended_at && clockText(drill.ended_at)];
  return drill.running ? say(words.drill_now, { at: from, by }) : say(words.drill_was, { at: from, to, by });
}

// Who acknowledged what after how long.
function table() {
  const head = make("tr", "", ...[words.drill_at, words.place, words.who, words.drill_took].map((word) => make("th", "", word)));
  const rows = drill.items.map((one) => make("tr", one.alarm && !one.acknowledged ? "waits" : "",
    make("td", "", one.raised_at ? clockText(one.raised_at) : say(words.drill_after, { s: one.after_s })),
    make("td", "", [one.place, one.device].filter(Boolean).join(" · ")),
    make("td", "", one.acknowledged ? personOf(one.acknowledged.by) : one.alarm ? words.active : ""),
    make("td", "", one.seconds === null ? "" : say(words.seconds, { n: one.seconds }))));
  return make("table", "drill-table", make("thead", "", head), make("tbody", "", ...rows));
}

function testLine(told) {
  const one = { ...told, id: told.device, place: { name: told.place } };
  const line = make("p", "test-line", make("b", "", nameOf(one)), " ", say(words.test_since, { at: clockText(one.since) }), " ");
  const button = make("button", "plain", words.test_end);
  button.type = "button";
  button.addEventListener("click", () => test(one, 0, ""));
  line.append(button);
  return line;
}
