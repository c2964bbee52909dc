// What the two nearest devices say: a line each on the card, with its age. What is not the present is grey and says why.
import { byId, make, say, textOf, words } from "./words.js";
import { ask, live } from "./live.js";

// Read again as long as the card is open.
const READ_EVERY = 5000;
// An answer older than this says nothing about the present any more.
const BELIEVED = 15000;

const now = () => performance.now();

let about = null;
let items = [];
let readAt = 0;
let nextAt = 0;
let reading = false;

export function box() {
  const made = make("section", "neighbours");
  made.id = "neighbours";
  return made;
}

export function of(item) {
  const id = item?.place?.building ? item.id : null;
  if (id !== about) {
    about = id;
    items = [];
    nextAt = 0;
  }
  draw();
}

export function beat() {
  if (about && !reading && now() >= nextAt) read();
  draw();
}

async function read() {
  const asked = about;
  reading = true;
  nextAt = now() + READ_EVERY;
  const said = await ask("/api/v1/devices?near=" + encodeURIComponent(asked));
  reading = false;
  if (asked !== about || !said?.ok) return;
  items = said.answer.items;
  readAt = now();
  draw();
}

function draw() {
  const made = byId("neighbours");
  if (!made) return;
  const passed = now() - readAt;
  const unheard = live.state === "dead" || passed > BELIEVED;
  const lines = items.map((one) => line(one, Math.floor(passed / 1000), unheard));
  const key = JSON.stringify(lines);
  if (made.dataset.key === key) return;
  made.dataset.key = key;
  made.hidden = !lines.length;
  const rows = lines.map(({ text, value, age, old, alarm }) => {
    const kind = ["neighbour", old ? "old" : "", alarm ? "alarm" : ""].join(" ").trim();
    return make("p", kind, make("b", "", text), value ? " " + value : "", make("small", "", age));
  });
  made.replaceChildren(make("h3", "", words.neighbours), ...rows);
}

// 隔壁 403 烟感 正常 · 12 秒前
function line(one, passed, unheard) {
  const old = unheard || !one.fresh;
  const standing = old && one.standing === "normal" ? "unknown" : one.standing;
  const where = [words["near_" + one.relation], one.place.room || one.place.name].filter(Boolean).join(" ");
  const title = one.title ? textOf(one.title) : one.id;
  const text = [where, title, words["standing_" + standing]].join(" ");
  const why = old ? words["stale_" + (unheard ? "page" : one.stale)] : "";
  const told = one.age_s === null ? words.never_told : say(words.ago, { age: ageOf(one.age_s + passed) });
  return { text, value: measured(one), age: [told, why].filter(Boolean).join(" · "), old, alarm: one.standing === "alarm" };
}

function ageOf(seconds) {
  if (seconds < 120) return say(words.seconds, { n: seconds });
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? say(words.minutes, { n: minutes }) : say(words.hours, { n: Math.floor(minutes / 60) });
}

// Numbers with a unit; whether a contact is open is what the standing says.
function measured(one) {
  const numbers = Object.values(one.values).filter((value) => typeof value.value === "number" && value.unit);
  return numbers.slice(0, 2).map((value) => value.value + " " + value.unit).join(" · ");
}
