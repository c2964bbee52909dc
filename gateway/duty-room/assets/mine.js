// A grid worker's own page: what is reported is kept in this phone first and sent from there, with the time at which it
// was seen. The page's forms work without this.
import { inWords, isThere, makeId, outbox, place } from "./outbox.js";
import { sender } from "./sending.js";

const { path, say: told } = document.body.dataset;
const say = JSON.parse(told);
const one = (selector) => document.querySelector(selector);
const tell = (text) => { one("#said").textContent = text; };

// What was read off a staff, and what was seen.
const sendReading = sender({
    say: { ...say, sent: say.read_sent }, tell, path: ({ station }) => `${path}/stations/${station}/readings`,
    body: ({ id, stage_m, at }) => ({ id, stage_m, at }),
    taken: ({ ask }) => { if (ask) tell(inWords(ask.text)); },
});
const sendReport = sender({
    say, tell, path: () => `${path}/report`,
    body: ({ id, kind, words, place: where, danger, at, spot }) =>
        ({ id, kind, words, place: where, danger, at, lat: spot ? Number(spot[0]) : null, lon: spot ? Number(spot[1]) : null }),
    photoPath: ({ sent }) => `${path}/reports/${sent}/photo`,
    taken: ({ id, text }) => {
        tell(`${say.sent} ${inWords(text)}`);
        return id;
    },
});
const send = (one, hands) => (one.station ? sendReading : sendReport)(one, hands);
const kindWord = (kind) => one(`#report option[value="${kind}"]`)?.textContent ?? kind;
const stationWord = (id) => one(`#reading option[value="${id}"]`)?.textContent ?? id;
const line = (one) => (one.station ? `${stationWord(one.station)} ${one.stage_m} m` : `${kindWord(one.kind)} ${one.place}`);
const box = outbox("shouwang-reports", say, { send, tell, line });

async function look() {
    const alive = await isThere();
    one("#offline").hidden = alive;
    return alive;
}
// What this person is sent to, unless somebody is in the middle of answering.
async function renew() {
    const tasks = one("#tasks");
    if (tasks.contains(document.activeElement) || box.isSending()) return;
    const filled = [...tasks.querySelectorAll("textarea, select, input[type=file]")].some((field) => field.value);
    const answer = filled ? null : await fetch(location.pathname).catch(() => null);
    if (!answer) return;
    if (answer.status === 404 || answer.status === 410) return location.reload();
    if (!answer.ok || tasks.contains(document.activeElement)) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#tasks");
    if (fresh) tasks.replaceWith(document.importNode(fresh, true));
}

let keeping = false;
one("#report").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (keeping) return;
    const form = event.currentTarget;
    const fields = form.elements;
    const where = fields.place.value.trim();
    if (!where) return tell(say.place_missing);
    const report = {
        id: makeId(), kind: fields.kind.value, words: fields.words.value.trim(), place: where, danger: fields.danger.checked,
        at: new Date().toISOString(), photo: fields.photo.files[0] ?? null,
    };
    keeping = true;
    try {
        await box.keep(report);
    } catch {
        // The words and the photo stay in the form: nothing else has them.
        return tell(say.not_kept);
    } finally {
        keeping = false;
    }
    form.reset();
    await box.show();
    await box.keep({ ...report, spot: await place() }).catch(() => {});
    await box.flush();
});

const reading = one("#reading");
if (reading) reading.hidden = false;
reading?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { station, stage } = reading.elements;
    const stage_m = Number(stage.value);
    if (!stage.value || !Number.isFinite(stage_m)) return tell(say.bad_number);
    try {
        await box.keep({ id: makeId(), station: station.value, stage_m, at: new Date().toISOString() });
    } catch {
        return tell(say.not_kept);
    }
    stage.value = "";
    await box.show();
    await box.flush();
});

addEventListener("online", async () => { if (await look()) await box.flush(); });
addEventListener("offline", look);
setInterval(async () => { if (await look()) { await box.flush(); await renew(); } }, 20000);
navigator.serviceWorker?.register("/mine/worker.js", { scope: "/mine/" }).catch(() => {});
await box.show();
if (await look()) await box.flush();
document.body.dataset.ready = "yes";
