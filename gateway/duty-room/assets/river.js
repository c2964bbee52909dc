// The river page's own hands: what a person reads is kept in this phone first and sent from there, with the time at
// which it was read and an id of its own, so that sending it twice is one reading. The page is whole without this.
import { inWords, isThere, makeId, outbox, place, reason } from "./outbox.js";
import { sender } from "./sending.js";

const { station, say: told } = document.body.dataset;
const say = JSON.parse(told);
const one = (selector) => document.querySelector(selector);
const tell = (text) => { one("#said").textContent = text; };
const api = `/api/v1/stations/${encodeURIComponent(station)}`;

// Of any station that was read with this phone.
const of = (reading) => `/api/v1/stations/${encodeURIComponent(reading.station)}/readings`;
const send = sender({
    say, tell, path: of,
    body: ({ id, stage_m, at }) => ({ id, stage_m, at }),
    photoPath: (reading) => `${of(reading)}/${reading.id}/photo${reading.place ? `?lat=${reading.place[0]}&lon=${reading.place[1]}` : ""}`,
    taken: ({ ask }) => { if (ask) tell(inWords(ask.text)); },
});
const box = outbox("shouwang-river", say, { send, tell, line: (reading) => reading.stage_m.toFixed(2) });

async function flush() {
    if (await box.flush()) renew();
}

// -- The page itself: is there a network, and is this still the present?
async function look() {
    const alive = await isThere();
    one("#offline").hidden = alive;
    document.body.classList.toggle("cut", !alive);
    return alive;
}
// Not while somebody types, and not away from what was said to them.
const isBusy = () => [...document.querySelectorAll("form")].some((form) =>
    !form.hidden && [...form.elements].some((field) => field.value && field.tagName !== "BUTTON"));
async function renew() {
    if (isBusy() || box.isSending()) return;
    const answer = await fetch(location.href).catch(() => null);
    if (!answer?.ok || isBusy()) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of [".now", ".side", ".ladder"]) {
        const known = one(part);
        const next = fresh.querySelector(part);
        if (known && next) known.replaceWith(document.importNode(next, true));
    }
    for (const hours of ["h24", "h72", "h168"]) {
        const next = fresh.querySelector(`.graph.${hours}`);
        if (next) one(`.graph.${hours}`).replaceWith(document.importNode(next, true));
    }
    one("#offline").textContent = fresh.querySelector("#offline").textContent;
}

// -- The forms.
one("#reading")?.addEventListener("click", (event) => {
    const key = event.target.dataset.key;
    if (!key) return;
    const field = event.currentTarget.elements.stage;
    field.value = key === "⌫" ? field.value.slice(0, -1) : field.value + key;
});
let keeping = false;
one("#reading")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (keeping) return;
    const form = event.currentTarget;
    const at = new Date().toISOString();
    const stage_m = Number(form.elements.stage.value);
    if (!form.elements.stage.value || !Number.isFinite(stage_m)) return tell(say.bad_number);
    const photo = form.elements.photo.files[0] ?? null;
    const reading = { id: makeId(), station, stage_m, at, photo };
    keeping = true;
    try {
        await box.keep(reading);
    } catch {
        // The number and the photo stay in the form: nothing else has them.
        return tell(say.not_kept);
    } finally {
        keeping = false;
    }
    form.reset();
    await box.show();
    // Where it was is worth a moment, never the reading.
    if (photo) await box.keep({ ...reading, place: await place() }).catch(() => {});
    await flush();
});

one("#warn")?.addEventListener("click", async () => {
    const issued = one("#warning").elements.issued.value;
    const answer = await fetch(`${api}/warning${issued ? `?issued=${encodeURIComponent(issued)}` : ""}`).catch(() => null);
    if (!answer?.ok) return tell(answer ? await reason(answer) : say.no_network);
    const { text, picture } = await answer.json();
    one("#warning").hidden = false;
    one("#warning").elements.text.value = text;
    if (picture) {
        one("#picture").src = picture;
        one("#picture").hidden = false;
    }
});
one("#copy")?.addEventListener("click", async () => {
    const field = one("#warning").elements.text;
    field.select();
    await navigator.clipboard?.writeText(field.value).catch(() => {});
    tell(say.copied);
});
async function post(path, body) {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
    tell(answer?.ok ? say.noted : answer ? await reason(answer) : say.no_network);
    return answer?.ok ?? false;
}
one("#warning")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { text, to, issued } = event.currentTarget.elements;
    const body = { text: text.value, to: to.value, issued: issued.value || null };
    if (await post(`${api}/warning`, body)) to.value = "";
});
const step = (name, body) => post(`/api/v1/cases/${one(".acts").dataset.case}/${name}`, body);
one("#arrived")?.addEventListener("click", () => step("arrive", {}));
one("#help")?.addEventListener("click", () => step("note", { note: one("#help").textContent }));

addEventListener("online", async () => { if (await look()) await flush(); });
addEventListener("offline", look);
setInterval(async () => { if (await look()) { await flush(); await renew(); } }, 30000);
navigator.serviceWorker?.register("/river/worker.js", { scope: "/river/" }).catch(() => {});
if (!navigator.serviceWorker && isSecureContext) tell(say.open_in_browser);
await box.show();
if (await look()) await flush();
document.body.dataset.ready = "yes";
