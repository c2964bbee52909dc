// The walk test's rows as they change, and said aloud. A dropped connection is tried again: the test goes on at the box.
const byId = (id) => document.getElementById(id);
const EVERY = 500;
const STATES = {
  asked: "等值班室同意 · Waiting for the duty room",
  accepted: "值班室已同意:逐台触发 · Agreed: trigger one after the other",
  finished: "走测完成 · Finished",
  ended: "走测已结束 · Ended",
  refused: "值班室不同意 · The duty room refused",
};
const ROWS = {
  waiting: "等待 · waiting",
  test: "请触发 · trigger it",
  triggered: "已触发,等值班室 · triggered, waiting for the duty room",
  passed: "通过 · passed",
  slow: "太慢,超过 10 秒 · too slow, over 10 s",
  missed: "没有收到 · missed",
};
let before = null;
let speaks = false;
let shown = "";
const wasOpen = Boolean(document.querySelector("input[value=finish]"));

byId("voice").addEventListener("click", () => {
  speaks = !speaks;
  byId("voice").setAttribute("aria-pressed", String(speaks));
  if (speaks) say("开始报");
});

function say(words) {
  if (!speaks || !("speechSynthesis" in window)) return;
  const spoken = new SpeechSynthesisUtterance(words);
  spoken.lang = "zh-CN";
  speechSynthesis.speak(spoken);
}

const seconds = (ms) => (ms / 1000).toFixed(1);
const ms = (time) => (time === null || time === undefined ? "–" : `${time}`);
const total = (times) => times.sensor_ms + times.board_ms;

function draw(told) {
  const { walk, names, not_normal: holding } = told;
  if (!walk) return;
  const isOpen = ["asked", "accepted"].includes(walk.state);
  // Its buttons are the server's: they come and go with the walk.
  if (isOpen !== wasOpen) return void location.reload();
  byId("state").textContent = `${walk.by}:${STATES[walk.state]}`;
  const key = JSON.stringify([walk, holding]);
  if (key === shown) return;
  shown = key;
  for (const row of walk.rows) {
    const last = before?.find((one) => one.device === row.device);
    if (last && last.state !== row.state) announce(row, names[row.device] ?? row.device);
  }
  before = walk.rows;
  byId("rows").replaceChildren(...walk.rows.map((row) => line(row, names, holding, walk.state === "accepted")));
}

function announce(row, name) {
  if (row.state === "passed") say(`${name} 通过,${seconds(total(row.times))} 秒`);
  if (row.state === "slow") say(`${name} 太慢,${seconds(total(row.times))} 秒`);
  if (row.state === "missed") say(`${name} 没有收到`);
}

function line(row, names, holding, goesOn) {
  const made = document.createElement("li");
  made.className = row.state;
  made.dataset.device = row.device;
  const name = document.createElement("b");
  name.textContent = names[row.device] ?? row.device;
  const state = document.createElement("span");
  state.textContent = " " + ROWS[row.state];
  made.append(name, state);
  const { times } = row;
  if (times.board_ms !== null) {
    const way = document.createElement("small");
    way.textContent = `${seconds(total(times))} s = 传感器 sensor ≤ ${times.sensor_ms} ms + 值班室 board ${ms(times.board_ms)} ms`
      + ` (网关 gateway ${ms(times.gateway_ms)}, broker ${ms(times.broker_ms)})`;
    made.append(way);
  }
  if (holding.includes(row.device)) {
    const holds = document.createElement("small");
    holds.textContent = "还没有恢复正常 · not back to normal";
    made.append(holds);
  }
  if (goesOn && ["missed", "slow", "passed"].includes(row.state)) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = "/install/walk";
    for (const [key, value] of [["step", "again"], ["device", row.device]]) {
      const field = document.createElement("input");
      [field.type, field.name, field.value] = ["hidden", key, value];
      form.append(field);
    }
    const button = document.createElement("button");
    button.className = "plain";
    button.textContent = "再测一次 · Once more";
    form.append(button);
    made.append(form);
  }
  return made;
}

async function look() {
  try {
    const answer = await fetch("/install/walk.json", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    const isTold = answer.ok && answer.headers.get("content-type")?.includes("json");
    if (!isTold) return void location.reload();
    draw(await answer.json());
    byId("said").hidden = true;
  } catch {
    byId("said").textContent = "连接断了,正在重连;走测在盒子上继续 · Connection lost, trying again; the walk test goes on at the box";
    byId("said").hidden = false;
  }
  setTimeout(look, EVERY);
}

look();
