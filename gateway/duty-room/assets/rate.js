// The resident's rating: pressed once, and what was said stays.
import { inWords } from "./outbox.js";

const { token, say: told } = document.body.dataset;
const say = JSON.parse(told);
const one = (selector) => document.querySelector(selector);

one("#rating")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const stars = Number(new FormData(form).get("stars"));
    const words = form.elements.words.value.trim() || null;
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ stars, words });
    const answer = await fetch(`/rate/${token}`, { method: "POST", headers, body }).catch(() => null);
    const taken = await answer?.json().catch(() => null);
    one("#said").textContent = answer?.ok ? say.thanks : taken?.error ? inWords(taken.error.text) : say.no_network;
    if (answer?.ok || answer?.status === 409) form.hidden = true;
});
document.body.dataset.ready = "yes";
