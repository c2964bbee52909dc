// Keeps the last river page that was seen, or a grid worker's own page, and what it is made of, for a phone without a
// network. The page itself says that it is not the present.
const NAME = "shouwang-river-3";
const PARTS = ["river.css", "river.js", "worker.css", "mine.js", "outbox.js", "sending.js", "icon.svg"].map((name) => "/assets/" + name);
const isOurs = ({ pathname }) => /^\/(river\/[a-z0-9-]+|mine\/[0-9a-f]{32})$/.test(pathname) || PARTS.includes(pathname);

addEventListener("install", (event) => {
    event.waitUntil(caches.open(NAME).then((kept) => kept.addAll(PARTS)).then(() => skipWaiting()));
});
addEventListener("activate", (event) => {
    const old = async () => (await caches.keys()).filter((name) => name.startsWith("shouwang-river-") && name !== NAME);
    event.waitUntil(old().then((names) => Promise.all(names.map((name) => caches.delete(name)))).then(() => clients.claim()));
});
addEventListener("fetch", (event) => {
    const address = new URL(event.request.url);
    if (event.request.method !== "GET" || address.origin !== location.origin || !isOurs(address)) return;
    event.respondWith((async () => {
        const kept = await caches.open(NAME);
        try {
            const answer = await fetch(event.request);
            if (answer.ok) await kept.put(event.request, answer.clone());
            // Taken back: nothing of it stays.
            if ([404, 410].includes(answer.status)) await kept.delete(event.request, { ignoreSearch: true });
            return answer;
        } catch (error) {
            const known = await kept.match(event.request, { ignoreSearch: true });
            if (known) return known;
            throw error;
        }
    })());
});
