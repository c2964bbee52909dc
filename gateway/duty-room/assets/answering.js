// 叫应 on the desk and on a phone at the door: what came of a call goes through the phone's outbox, so that a network that
// is away loses nothing. No names are kept in the phone.
import { isThere, makeId, outbox, reason } from "./outbox.js";
import { sender } from "./sending.js";

const { say: told, round } = document.body.dataset;
const say = JSON.parse(told);
const one = (selector) => document.querySelector(selector);
const tell = (text) => { one("#said").textContent = text; };
const article = (card) => one(`.person[data-card="${CSS.escape(String(card))}"]`);

one("#print")?.addEventListener("click", () => print());

async function post(path, body) {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
    if (!answer) tell(say.no_network);
    else if (!answer.ok) tell(answer.status === 401 ? say.login : await reason(answer));
    return answer?.ok ? answer.json() : null;
}

one("#begin")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { station, reason: why } = event.currentTarget.elements;
    const begun = await post(`/api/v1/stations/${encodeURIComponent(station.value)}/round`, { reason: why.value });
    if (begun) location.href = `/answering/${begun.id}`;
});

one("#end")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { reason: why } = event.currentTarget.elements;
    if (await post(`/api/v1/rounds/${round}/end`, { reason: why.value })) location.reload();
});

// -- The list.
// Who has answered goes below. The word is that of the button; the time is the newest call's.
function place({ card, settled, knock, outcome, calls }) {
    const person = article(card);
    if (!person) return;
    person.classList.remove("waits");
    person.querySelector(".knock").hidden = !knock;
    const at = calls.length ? new Date(calls.at(-1).at).toLocaleTimeString("zh-CN", { hour: "2-digit", minute: "2-digit" }) : "";
    const word = outcome ? person.querySelector(`[data-outcome="${outcome}"]`).textContent : say.none;
    person.querySelector(".outcome").textContent = `${word} ${at}`.trim();
    const box = settled ? one("#done div") : one("#list");
    if (person.parentElement !== box) box.append(person);
}

// A list that grew, or a round that ended: names and words are the server's, so the page is made again.
const face = ({ people, ended, late }) => JSON.stringify([people, ended === null, late]);
let shown = null;
function draw(state) {
    shown ??= face(state);
    if (shown !== face(state) && one("#outbox").hidden) return location.reload();
    one("#answered").textContent = state.answered;
    one("#missing").textContent = state.missing;
    state.list.forEach(place);
}

async function renew() {
    const answer = await fetch(`/api/v1/rounds/${round}`, { cache: "no-store" }).catch(() => null);
    if (answer?.ok) draw(await answer.json());
}

const send = sender({
    say, tell, path: (one) => `/api/v1/rounds/${one.round}/called`,
    body: ({ id, card, outcome, at, note }) => ({ id, card, outcome, at, note }),
    taken: (state) => { if (state.id === round) draw(state); },
});
const box = round && outbox("shouwang-calls", say, { send, tell, line: (one) => `${one.home} ${one.word}` });
const flush = async () => { if (await box.flush()) await renew(); };

let keeping = false;
document.addEventListener("click", async (event) => {
    const { outcome } = event.target.dataset;
    const person = event.target.closest(".person");
    if (!outcome || !person || keeping) return;
    const field = person.querySelector("[name=note]");
    const note = field.value.trim() || null;
    if (outcome === "away" && !note) {
        tell(say.note_missing);
        field.focus();
        return;
    }
    const at = new Date().toISOString();
    const id = makeId();
    const { card, home } = person.dataset;
    const word = event.target.textContent;
    keeping = true;
    try {
        await box.keep({ id, round, card: Number(card), home, outcome, word, at, note });
    } catch {
        return tell(say.not_kept);
    } finally {
        keeping = false;
    }
    field.value = "";
    person.querySelector("details").open = false;
    person.querySelector(".outcome").textContent = word;
    person.classList.add("waits");
    await box.show();
    await flush();
});

async function look() {
    const alive = await isThere();
    one("#offline").hidden = alive;
    return alive;
}
if (round) {
    addEventListener("online", async () => { if (await look()) await flush(); });
    addEventListener("offline", look);
    setInterval(async () => { if (await look()) { await flush(); await renew(); } }, 10000);
    await box.show();
    if (await look()) { await flush(); await renew(); }
}
document.body.dataset.ready = "yes";
