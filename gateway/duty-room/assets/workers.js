// The lead's table of personal pages: who has one, a new one in place of it, and none any more.
import { request, tell } from "./forms.js";
import { picture } from "./call.js";
import { byId, dayText, make, say, words } from "./words.js";

function button(word, act) {
  const made = make("button", "plain", word);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function rowOf(one) {
  const acts = make("td", "", button(one.page ? words.page_renew : words.page_make, () => change(one, "make")));
  if (one.page) acts.append(button(words.page_revoke, () => change(one, "revoke")));
  const state = one.page ? say(words.page_since, { at: dayText(one.page.made), until: dayText(one.page.ends) }) : "";
  return make("tr", "", make("td", "", one.id), make("td", "", one.name), make("td", "", one.of ?? ""), make("td", "", state), acts);
}

export async function draw() {
  const said = await request("GET", "/api/v1/pages");
  if (!said.ok) return tell("workers-told", said.why);
  byId("workers-box").hidden = said.answer.items.length === 0;
  byId("workers").replaceChildren(...said.answer.items.map(rowOf));
}

async function change(one, verb) {
  const said = await request("POST", `/api/v1/pages/${one.id}/${verb}`, {});
  tell("workers-told", said.ok ? say(words.page_changed, { name: one.name }) : said.why, said.ok);
  const { url, qr } = said.ok ? said.answer : {};
  byId("workers-link").hidden = !url;
  byId("workers-url").value = url ?? "";
  byId("workers-code").replaceChildren(...(qr ? [picture(qr)] : []));
  draw();
}
