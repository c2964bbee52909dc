// The report-only link: what was seen goes through the phone's outbox, with a photo and, if the phone tells, where it was.
import { isThere, makeId, outbox, place } from "./outbox.js";
import { sender } from "./sending.js";

const { token, say: told } = document.body.dataset;
const say = JSON.parse(told);
const one = (selector) => document.querySelector(selector);
const tell = (text) => { one("#said").textContent = text; };
const spotOf = (tip) => (tip.spot ? { lat: Number(tip.spot[0]), lon: Number(tip.spot[1]) } : {});
const send = sender({
    say, tell, path: (tip) => `/report/${tip.token}`,
    body: (tip) => ({ id: tip.id, words: tip.words, place: tip.place, at: tip.at, ...spotOf(tip) }),
    photoPath: (tip) => `/report/${tip.token}/${tip.id}/photo?${new URLSearchParams({ at: tip.at, ...spotOf(tip) })}`,
    taken: ({ repeated }) => { if (repeated) tell(say.known); },
});
const box = outbox("shouwang-tips", say, { send, tell, line: (tip) => tip.place });

let keeping = false;
one("#report")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (keeping) return;
    const form = event.currentTarget;
    const at = new Date().toISOString();
    const photo = form.elements.photo.files[0] ?? null;
    const { words, place: where } = form.elements;
    const tip = { id: makeId(), token, words: words.value, place: where.value, at, photo };
    keeping = true;
    try {
        await box.keep(tip);
    } catch {
        return tell(say.not_kept);
    } finally {
        keeping = false;
    }
    form.reset();
    await box.show();
    // Where it was is worth a moment, never the report.
    await box.keep({ ...tip, spot: await place() }).catch(() => {});
    await box.flush();
});

async function look() {
    const alive = await isThere();
    one("#offline").hidden = alive;
    return alive;
}
if (one("#report")) {
    addEventListener("online", async () => { if (await look()) await box.flush(); });
    addEventListener("offline", look);
    setInterval(async () => { if (await look()) await box.flush(); }, 30000);
    await box.show();
    if (await look()) await box.flush();
}
document.body.dataset.ready = "yes";
