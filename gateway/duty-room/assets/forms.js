// Forms that ask the API and say what became of it: one request at a time, by keyboard as by mouse.
import { byId, textOf, words } from "./words.js";

// A log-in waits up to half a minute for those that failed before it.
const ANSWER_WITHIN = 60000;
const SLOW_AFTER = 1500;

// What an input method typed wide is meant narrow.
export const narrow = (id) => byId(id).value.normalize("NFKC").trim();
export const accountIn = (id) => narrow(id).toLowerCase();

export async function request(method, path, body) {
  const options = { method, cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN) };
  if (body) Object.assign(options, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  try {
    const response = await fetch(path, options);
    const answer = await response.json();
    return { ok: response.ok, answer, why: response.ok ? "" : textOf(answer.error.text) };
  } catch {
    return { ok: false, answer: null, why: words.no_answer };
  }
}

// `ask()` gives the request's promise, or a text that says what is missing; `done(answer)` follows a good answer.
export function onSubmit(form, told, ask, done) {
  let busy = false;
  byId(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    const asked = ask();
    if (typeof asked === "string") return tell(told, asked);
    busy = true;
    tell(told, "");
    const slow = setTimeout(() => tell(told, words.login_waiting, true), SLOW_AFTER);
    const said = await asked;
    clearTimeout(slow);
    busy = false;
    tell(told, said.why);
    if (said.ok) done(said.answer);
    else byId(form).querySelector("input[type=password]")?.select();
  });
}

export function tell(id, text, good = false) {
  byId(id).textContent = text;
  byId(id).classList.toggle("good", good);
}

// What is wrong with a new password that is typed twice; empty if nothing is.
export const twice = (one, other) => (byId(one).value === byId(other).value ? "" : words.password_differs);
