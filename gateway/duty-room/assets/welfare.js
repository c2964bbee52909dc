// Who is watched over: somebody on watch says that a resident is away or in hospital, and until when.
const said = document.getElementById("said");
const english = document.documentElement.lang === "en";
const AGAIN_AFTER = 2000;

async function ask(form, body) {
  const path = `/api/v1/welfare/${form.dataset.rule}/pause`;
  form.querySelector("button").disabled = true;
  try {
    const response = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...body, gateway: form.dataset.gateway }), signal: AbortSignal.timeout(30000),
    });
    const answer = await response.json();
    // The gateway's own word follows within moments.
    if (response.ok) return setTimeout(() => location.reload(), AGAIN_AFTER);
    said.textContent = english ? answer.error.text.en : answer.error.text.zh;
  } catch {
    said.textContent = english ? "The duty room does not answer" : "值班室没有应答";
  }
  form.querySelector("button").disabled = false;
}

for (const form of document.querySelectorAll("form.pause")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // The field's time is the duty room's: China has one time zone.
    const until = new Date(`${form.elements.until.value}:00+08:00`).toISOString();
    ask(form, { reason: form.elements.reason.value, until });
  });
}
for (const form of document.querySelectorAll("form.again")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form, { reason: "away", until: null });
  });
}
document.getElementById("print")?.addEventListener("click", () => print());
