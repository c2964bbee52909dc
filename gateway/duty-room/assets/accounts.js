// One's own password; and for the lead of the watch who has an account, a new one, a new password, out and in again.
import { accountIn, narrow, onSubmit, request, tell, twice } from "./forms.js";
import { byId, make, say, words } from "./words.js";
import * as workers from "./workers.js";

const ROLES = {
  operator: words.operator, lead: words.lead, installer: words.installer, "grid-worker": words.grid_worker,
  viewer: words.viewer,
};
let me = null;

function button(word, act) {
  const made = make("button", "plain", word);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function rowOf(one) {
  const verb = one.disabled ? "enable" : "disable";
  const acts = make("td");
  if (one.id !== me.id) acts.append(button(words.password_new, () => reset(one)));
  acts.append(button(one.disabled ? words.account_enable : words.account_disable, () => change(one, verb)));
  return make("tr", "", make("td", "", one.id), make("td", "", one.name), make("td", "", ROLES[one.role] ?? one.role),
    make("td", "", one.disabled ? words.account_disabled : ""), acts);
}

async function draw() {
  const said = await request("GET", "/api/v1/accounts");
  if (said.ok) byId("people").replaceChildren(...said.answer.items.map(rowOf));
  else tell("all-told", said.why);
}

async function change(one, verb) {
  const said = await request("POST", `/api/v1/accounts/${one.id}/${verb}`, {});
  tell("all-told", said.ok ? say(words.account_changed, { id: one.id }) : said.why, said.ok);
  draw();
}

let resetting = null;
function reset(one) {
  resetting = one;
  byId("reset-who").textContent = `${one.name} (${one.id})`;
  byId("reset-form").reset();
  tell("reset-told", "");
  byId("reset").showModal();
}

async function start() {
  const said = await request("GET", "/api/v1/session");
  if (!said.ok) return void location.assign("/login");
  me = said.answer.account;
  byId("me").textContent = `${me.name} (${me.id})`;
  byId("all").hidden = me.role !== "lead";
  if (me.role === "lead") {
    draw();
    workers.draw();
  }
}

const password = (id, wanted, current) => request("POST", `/api/v1/accounts/${id}/password`, { password: wanted, current });

// A new password ends the sessions: log in with it.
onSubmit("own", "own-told",
  () => twice("own-new", "own-again") || password(me.id, byId("own-new").value, byId("own-current").value),
  () => location.assign("/login"));
onSubmit("reset-form", "reset-told",
  () => twice("reset-new", "reset-again") || password(resetting.id, byId("reset-new").value),
  () => {
    byId("reset").close();
    tell("all-told", say(words.account_changed, { id: resetting.id }), true);
  });
onSubmit("add", "add-told",
  () => twice("add-password", "add-again") || request("POST", "/api/v1/accounts", {
    id: accountIn("add-id"), name: narrow("add-name"), role: byId("add-role").value, password: byId("add-password").value,
  }),
  (made) => {
    byId("add").reset();
    tell("add-told", say(words.account_changed, { id: made.id }), true);
    draw();
  });
byId("log-out").addEventListener("click", async () => {
  const said = await request("DELETE", "/api/v1/session");
  if (said.ok) location.assign("/login");
  else tell("own-told", said.why);
});
byId("reset-close").addEventListener("click", () => byId("reset").close());
start();
