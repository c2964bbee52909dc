// Who sits here, and what people are called: asked at the start and once a minute, for a shift changes under an open page.
import { ask, live } from "./live.js";
import { byId, names, personOf } from "./words.js";

const ASK_EVERY = 60000;
const AGAIN_AFTER = 5000;

// Whether this person's role acts on alarms; the server decides in any case.
export const me = { acts: true, leads: false, tests: false };

// Pages that nobody acts on, as the wall, show no name.
export async function learn() {
  const said = await ask("/api/v1/session");
  if (said?.ok) {
    const { account, expired, people } = said.answer;
    for (const [id, name] of Object.entries(people)) names.set(id, name);
    me.acts = ["operator", "lead"].includes(account.role);
    me.leads = account.role === "lead";
    me.tests = ["lead", "installer"].includes(account.role);
    live.login = expired ? "expired" : "ok";
    document.body.dataset.by = account.id;
    if (byId("me")) byId("me").textContent = personOf(account.id);
  }
  setTimeout(learn, said?.ok ? ASK_EVERY : AGAIN_AFTER);
}
