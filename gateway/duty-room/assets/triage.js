// The queue of what couriers saw: a person makes a case of each, or says why it is none; and the links by which it comes.
import { inWords } from "./outbox.js";

const say = JSON.parse(document.body.dataset.say);
const one = (selector) => document.querySelector(selector);
const tell = (text) => { one("#said").textContent = text; };

async function post(path, body) {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
    const taken = await answer?.json().catch(() => null);
    tell(answer?.ok ? say.done : taken?.error ? inWords(taken.error.text) : say.no_answer);
    return answer?.ok ? taken : null;
}

document.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = form.elements;
    if (form.id === "link") {
        const made = await post("/api/v1/couriers", { name: fields.name.value });
        if (!made) return;
        one("#made").hidden = false;
        one("#url").textContent = `${made.url} ${say.once}`;
        one("#made svg").setAttribute("viewBox", `0 0 ${made.qr.size} ${made.qr.size}`);
        one("#made path").setAttribute("d", made.qr.path);
        return;
    }
    const tip = form.closest(".tip");
    const path = `/api/v1/triage/${tip.dataset.tip}`;
    const done = form.matches(".accept")
        ? await post(`${path}/case`, { kind: fields.kind.value, grid: fields.grid.value || null, danger: fields.danger.checked })
        : await post(`${path}/dismiss`, { reason: fields.reason.value });
    if (!done) return;
    tip.remove();
    one("#count").textContent = document.querySelectorAll(".tip").length;
});

document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.revoke");
    if (!button) return;
    // A second press means it.
    if (!button.dataset.asked) {
        button.dataset.asked = "yes";
        button.textContent = button.dataset.sure;
    } else if (await post("/api/v1/couriers/revoke", { name: button.dataset.name })) {
        button.closest("tr").remove();
    }
});
document.body.dataset.ready = "yes";
