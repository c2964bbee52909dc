// The wall: the eight rows that matter most, large enough to read across the room, without names and without buttons.
import {
  ageText, byId, clockText, eventOf, isCounted, lookOf, lookWord, make, masked, placeShort, say, shapes, stateOf,
  valueOf, words,
} from "./words.js";
import { deadText, live, serverNow, start } from "./live.js";
import { learn } from "./people.js";

const ROWS = 8;
let items = [];
let night = false;

function listed(all) {
  // What another row explains is not another thing to do.
  items = all.filter((one) => !one.shelved && !one.explained && !one.in_group);
  byId("rows").replaceChildren(...items.slice(0, ROWS).map(rowOf));
  byId("waiting").hidden = true;
  byId("quiet").hidden = items.length > 0;
  byId("more").hidden = items.length <= ROWS;
  byId("more").textContent = say(words.wall_more, { count: items.length - ROWS });
  for (const look of Object.keys(shapes)) {
    const count = items.filter((one) => lookOf(one) === look && isCounted(one)).length;
    byId("count-" + look).textContent = count;
    byId("count-" + look).parentElement.classList.toggle("none", count === 0);
  }
  beat();
}

function rowOf(one) {
  const look = lookOf(one);
  const row = make("tr");
  row.dataset.since = one.raised_at;
  if (one.acknowledged) row.classList.add("acknowledged");
  else if (one.active) row.classList.add("unseen-yet");
  const shape = make("span", "shape", shapes[look]);
  shape.setAttribute("aria-hidden", "true");
  const priority = make("td", "priority " + look, shape, make("b", "", lookWord(one)));
  if (one.mode !== "live") priority.classList.add("drill");
  row.age = make("td", "age");
  const state = make("td", "state", stateOf(one));
  if (one.acknowledged) state.append(make("small", "", masked(one.acknowledged.by) + " " + clockText(one.acknowledged.at)));
  const what = make("td", "what", eventOf(one));
  if (valueOf(one)) what.append(make("small", "value", valueOf(one)));
  row.append(priority, row.age, make("td", "place", make("div", "", placeShort(one))), what, state);
  return row;
}

function beat() {
  const dead = live.state === "dead";
  document.body.dataset.live = live.state;
  byId("dead").hidden = !dead;
  byId("shaky").hidden = live.state !== "shaky";
  byId("expired").hidden = live.login === "ok";
  if (dead) byId("dead-since").textContent = deadText();
  for (const row of byId("rows").children) row.age.textContent = ageText(row.dataset.since, serverNow());
  // Dark at night, unless something is open or this page is not to be believed.
  document.body.classList.toggle("night", night && live.state === "live" && items.length === 0);
}

function ticked(tick) {
  // By the hours that this duty room calls night.
  if (tick.situation) night = tick.situation.night;
  byId("clock").textContent = clockText(tick.at);
  byId("broker").className = "lamp " + (tick.broker ? "good" : "bad");
  byId("boards").textContent = tick.boards.armed;
  byId("boards").parentElement.className = "lamp " + (tick.boards.armed ? "good" : "bad");
}

start({ list: listed, tick: ticked, beat });
learn();
