// Walk tests: an installer at a gateway asks, the person on watch sees who and which devices, and agrees or not.
import { byId, clockText, make, personOf, say, textOf, words } from "./words.js";
import { post } from "./live.js";

let hooks = { tell() {} };
let walks = [];
let shown = "";

const dialog = () => byId("walk");

export function prepare(own) {
  hooks = own;
  byId("walk-bar").addEventListener("click", () => dialog().open || dialog().showModal());
  byId("walk-close").addEventListener("click", () => dialog().close());
}

// What installers ask and do, as the server's tick says.
export function ticked(situation) {
  walks = situation.walks ?? [];
  const key = JSON.stringify(walks);
  if (key === shown) return;
  shown = key;
  const asked = walks.filter((one) => !one.accepted);
  const bar = byId("walk-bar");
  bar.hidden = !walks.length;
  bar.classList.toggle("asks", asked.length > 0);
  const first = asked[0] ?? walks[0];
  if (first) bar.textContent = say(first.accepted ? words.walk_on : words.walk_asked, told(first));
  byId("walk-list").replaceChildren(...walks.map(line));
  if (!walks.length && dialog().open) dialog().close();
}

const told = (one) => ({ by: one.by, count: one.count, where: one.title ?? one.gateway });

function line(one) {
  const names = one.devices.join("、") + (one.count > one.devices.length ? " …" : "");
  const state = one.accepted
    ? say(words.walk_agreed, { by: personOf(one.accepted.by), at: clockText(one.accepted.at) })
    : say(words.walk_wants, { at: clockText(one.asked_at) });
  const made = make("section", "", make("h3", "", say(words.walk_who, told(one))), make("p", "", names), make("p", "", state));
  const button = (word, kind, agreed) => {
    const key = make("button", kind, word);
    key.type = "button";
    key.addEventListener("click", () => answer(one, agreed));
    return key;
  };
  const keys = make("p", "actions");
  if (!one.accepted) keys.append(button(words.walk_agree, "", true), " ");
  keys.append(button(one.accepted ? words.walk_stop : words.walk_refuse, "plain", false));
  made.append(keys);
  return made;
}

async function answer(one, agreed) {
  const said = await post(`/api/v1/walks/${encodeURIComponent(one.id)}`, { agreed });
  const why = said ? said.answer.error && textOf(said.answer.error.text) : words.no_answer;
  hooks.tell(why ? say(words.failed, { why }) : agreed ? words.walk_begins : words.walk_refused, Boolean(why));
  if (!why) dialog().close();
}
