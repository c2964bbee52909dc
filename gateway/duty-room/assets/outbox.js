// What a phone has to send and could not yet: kept in it, with an id and a time of its own, so that sending it twice is
// one thing. The river's readings and a grid worker's reports wait here alike.
export function makeId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Sent again later: a log-in that ran out, a server that was slow, busy or ill says nothing against what was sent.
export const isLater = (status) => status === 401 || status === 408 || status === 429 || status >= 500;

const zh = document.documentElement.lang.startsWith("zh");
export const inWords = (text) => (zh ? text.zh : text.en);
export async function reason(answer) {
    const said = await answer.json().catch(() => null);
    const text = said?.error?.text;
    return text ? inWords(text) : `${answer.status}`;
}

// Is there a network?
export const isThere = () => fetch("/healthz", { cache: "no-store" }).then(() => true, () => false);

// Where a phone is, as two numbers; worth a moment, never what was seen there.
export const place = () => new Promise((done) => {
    if (!navigator.geolocation) return done(null);
    const found = ({ coords }) => done([coords.latitude.toFixed(5), coords.longitude.toFixed(5)]);
    navigator.geolocation.getCurrentPosition(found, () => done(null), { timeout: 5000, maximumAge: 60000 });
});

// The outbox of this name. `send(one)` is true if nothing of it is left to send; `line(one)` is what people read of it;
// `say` has waiting, drop and no_network.
export function outbox(name, say, { send, line, tell }) {
    const opened = new Promise((done, failed) => {
        const asked = indexedDB.open(name, 1);
        asked.onupgradeneeded = () => asked.result.createObjectStore("readings", { keyPath: "id" });
        asked.onsuccess = () => done(asked.result);
        asked.onerror = () => failed(asked.error);
    });
    async function store(mode, act) {
        const base = await opened;
        return new Promise((done, failed) => {
            const change = base.transaction("readings", mode);
            const asked = act(change.objectStore("readings"));
            change.oncomplete = () => done(asked.result);
            change.onerror = () => failed(change.error);
            // A phone that is full ends it so, without an error of any request.
            change.onabort = () => failed(change.error);
        });
    }
    const waiting = () => store("readonly", (all) => all.getAll());
    const keep = (one) => store("readwrite", (all) => all.put(one));
    const forget = (id) => store("readwrite", (all) => all.delete(id));
    let sending = false;

    async function show() {
        const all = await waiting();
        const box = document.querySelector("#outbox");
        box.hidden = all.length === 0;
        document.querySelector("#waiting").textContent = `${all.length} ${say.waiting}`;
        box.querySelector("ul").replaceChildren(...all.map((one) => {
            const item = document.createElement("li");
            const at = new Date(one.at).toLocaleTimeString("zh-CN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Shanghai" });
            item.append(`${line(one)} · ${at} ${one.photo ? "📷" : ""} ${one.refused ?? ""}`);
            if (one.refused) {
                const drop = document.createElement("button");
                drop.type = "button";
                drop.textContent = say.drop;
                drop.addEventListener("click", async () => { await forget(one.id); await show(); });
                item.append(drop);
            }
            return item;
        }));
    }
    // Everything that waits, one after the other. True if something was sent.
    async function flush() {
        if (sending) return false;
        sending = true;
        let some = false;
        try {
            for (const one of await waiting()) {
                if (!one.refused) some = (await send(one, { keep, forget })) || some;
            }
        } catch {
            tell(say.no_network);
        } finally {
            sending = false;
            await show();
        }
        return some;
    }
    return { keep, forget, show, flush, isSending: () => sending };
}
