// The hand-over's few acts: print, a note for the next shift, and the signature of two.
const byId = (id) => document.getElementById(id);
const english = document.documentElement.lang === "en";

async function post(path, body) {
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(path, {
      method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(60000),
    });
    const answer = await response.json();
    if (response.ok) return answer;
    const text = answer.error.text;
    byId("said").textContent = english ? text.en : text.zh;
  } catch {
    byId("said").textContent = english ? "The duty room does not answer" : "值班室没有应答";
  }
  return null;
}

byId("print").addEventListener("click", () => print());
byId("note")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = event.target.elements.text.value.trim();
  if (text && (await post("/api/v1/shift/note", { text }))) location.reload();
});
byId("sign")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(event.target);
  const body = {
    to: fields.get("to"), leaving: fields.getAll("leaving"),
    password: fields.get("password") ?? "", to_password: fields.get("to_password") ?? "",
  };
  const signed = await post("/api/v1/handover", body);
  if (signed) location.href = "/handover/" + signed.sheet;
});
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.look");
  if (!button) return;
  const body = { outage: button.dataset.outage, place: Number(button.dataset.place) };
  if (await post("/api/v1/shift/looked-at", body)) location.reload();
});
